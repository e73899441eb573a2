"""A gateway: take mail by SMTP, journal it, and pass it on after every report was accepted.

`python gateway.py journal.toml` listens on port 10025 for mail of clients that logged in, and on port 10026 for all other mail.
Reports and mail go to the server on port 10027, which must not send them here again. Needs aiosmtpd 1.4.5 or newer, which
accepts no line end but CRLF.
"""

import asyncio
import re
import smtplib
import sys
from collections.abc import Sequence
from threading import Event

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Session
from aiosmtpd.smtp import Envelope as Received

from exjournal import Body, Delivery, Envelope, JournalAgent, load_config

# SMTP has no line end but CRLF (RFC 5321, 2.3.8). smtplib adds a dot to one that follows a bare LF, and servers differ in what
# they take for a line end: the message that arrives would not be the one in its report, or would be two (SMTP smuggling).
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Gateway:
    """Answers messages: `authenticated` depends on the port alone, never on a header."""

    def __init__(self, agent: JournalAgent, next_hop: tuple[str, int], *, authenticated: bool) -> None:
        self.agent = agent
        self.next_hop = next_hop
        self.authenticated = authenticated

    async def handle_DATA(self, _server: SMTP, _session: Session, received: Received) -> str:  # noqa: N802
        """Journal and pass on; the client keeps the message until it reads 250."""
        message = received.original_content or b""
        # aiosmtpd reports the null sender, which bounces have, as written.
        sender = "" if received.mail_from in (None, "<>") else received.mail_from
        envelope = Envelope(sender, received.rcpt_tos, authenticated=self.authenticated)
        options = [one for one in received.mail_options if not one.upper().startswith("SIZE=")]
        return await asyncio.to_thread(self.take, message, envelope, options)

    def take(self, message: bytes, envelope: Envelope, options: Sequence[str] = ()) -> str:
        """Return the answer to a message."""
        if BARE.search(message):
            return "554 5.6.0 a bare CR or LF in the message (RFC 5321, 2.3.8)"
        outcome = self.agent.process(message, envelope)
        if outcome.hold is not None:
            return f"451 4.3.0 held: {outcome.hold.reason}"
        try:
            with smtplib.SMTP(*self.next_hop) as onward, smtplib.SMTP(*self.next_hop) as journal:
                refusal = self.address(onward, envelope, options)
                if refusal:
                    return refusal
                for delivery in outcome.deliveries:
                    self.deliver(journal, delivery)
                # Only now: a message that goes on before its reports can be missing from the archive.
                code, text = onward.data(outcome.message())
        except OSError:  # smtplib's own errors are OSErrors
            return "451 4.4.0 not passed on, try again"
        return f"{code} {text.decode('ascii', 'replace')}"

    def address(self, server: smtplib.SMTP, envelope: Envelope, options: Sequence[str]) -> str:
        """Name the sender and everybody that the message is for; the first answer that is a refusal counts for all."""
        server.ehlo_or_helo_if_needed()
        answers = [server.mail(envelope.sender, options)]
        answers += [server.rcpt(recipient.address) for recipient in envelope.recipients]
        refusals = [f"{code} {text.decode('ascii', 'replace')}" for code, text in answers if code >= 400]
        return refusals[0] if refusals else ""

    def deliver(self, server: smtplib.SMTP, delivery: Delivery) -> None:
        """Send a report; one that the journal mailbox is sure to refuse goes to the alternate mailbox."""
        if delivery.body is Body.BINARY_MIME:
            raise smtplib.SMTPNotSupportedError("smtplib does not speak BINARYMIME")
        options = [] if delivery.body is Body.SEVEN_BIT else ["BODY=8BITMIME"]
        if delivery.smtputf8:
            options.append("SMTPUTF8")
        rcpt_to = delivery.rcpt_to
        if delivery.too_large and delivery.mail_from:
            rcpt_to = delivery.mail_from
        server.sendmail(delivery.mail_from, [rcpt_to], delivery.content, options)


def main() -> None:
    """Serve until interrupted."""
    agent = load_config(sys.argv[1]).agent
    if agent is None:
        raise SystemExit("the file has no [agent]")
    for port, authenticated in ((10025, True), (10026, False)):
        gateway = Gateway(agent, ("127.0.0.1", 10027), authenticated=authenticated)
        Controller(gateway, hostname="127.0.0.1", port=port).start()
    Event().wait()


if __name__ == "__main__":
    main()
