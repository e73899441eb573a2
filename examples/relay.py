"""Journal a message, then pass it on. `python relay.py RULES MESSAGE FROM TO...` prints what would be sent."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from exjournal import Body, Envelope, JournalAgent, load_config

BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def take(agent: JournalAgent, message: bytes, envelope: Envelope, send: Callable[..., object]) -> str:
    """Return the SMTP answer; the client keeps its message until it reads 250. `send` is `smtplib.SMTP(...).sendmail`."""
    if BARE.search(message):
        return "554 5.6.0 a bare CR or LF in the message (RFC 5321, 2.3.8)"
    outcome = agent.process(message, envelope)
    if outcome.hold is not None:
        return f"451 4.3.0 held: {outcome.hold.reason}"
    if any(delivery.body is Body.BINARY_MIME for delivery in outcome.deliveries):
        return "554 5.6.1 a NUL in the message"  # smtplib does not speak BINARYMIME
    recipients = [recipient.address for recipient in envelope.recipients]
    is_ascii = message.partition(b"\r\n\r\n")[0].isascii() and "".join([envelope.sender, *recipients]).isascii()
    try:
        for delivery in outcome.deliveries:
            options = [f"BODY={delivery.body}"] + ["SMTPUTF8"] * delivery.smtputf8
            send(delivery.mail_from, [delivery.rcpt_to], delivery.content, options)
        # Only now: a message that goes on before its reports can be missing from the archive.
        options = ["BODY=8BITMIME"] + ["SMTPUTF8"] * (not is_ascii)
        refused = send(envelope.sender, recipients, outcome.message(), options)
    except OSError:  # smtplib's own errors are OSErrors
        return "451 4.4.0 not passed on, try again"
    return "451 4.4.0 not passed on to all, try again" if refused else "250 2.0.0 passed on"


def show(mail_from: str, rcpt_tos: list[str], content: bytes, options: list[str]) -> None:
    """Print in place of sending."""
    print(f"from <{mail_from}> to {', '.join(rcpt_tos)}: {len(content)} bytes, {' '.join(options)}")


if __name__ == "__main__":
    rules, message, sender, *recipients = sys.argv[1:]
    envelope = Envelope(sender, recipients, authenticated=True)  # on this command line, a client that logged in
    print(take(load_config(rules).agent, Path(message).read_bytes(), envelope, show))
