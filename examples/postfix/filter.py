"""The filter behind Postfix: journal each message, and give it back after every report was accepted.

`python filter.py journal.toml` takes mail of clients that logged in on port 10025 and all other mail on port 10026, and gives
reports and messages to Postfix on port 10027; main.cf and master.cf beside it are the other half. Needs aiosmtpd.
"""

import argparse
import asyncio
import re
import smtplib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiosmtpd.smtp import SMTP, Session
from aiosmtpd.smtp import Envelope as Received

from exjournal import Body, Delivery, Envelope, InvalidValue, JournalAgent, Recipient, load_config, mailbox_key

Address = tuple[str, int]

# What follows MAIL and RCPT: a path, whose local part can be quoted, and parameters (RFC 5321, 4.1.2).
PATH = re.compile(r'(?:FROM|TO):\s*<(?P<address>(?:[^"<>]|"(?:[^"\\]|\\.)*")*)>(?P<options>(?:\s+\S+)*)', re.IGNORECASE)
# An encoded octet of ORCPT (RFC 3461, 4).
XTEXT = re.compile(rb"\+([0-9A-F]{2})")
# Postfix sends no LF without a CR before it; smtplib would add a dot to one that follows, and the message would not be the one
# in its report. A CR alone stays as it is.
BARE = re.compile(rb"(?<!\r)\n")
# Postfix gives up after ten minutes, and a client of it may have to wait for two connections.
TIMEOUT = 120


class Protocol(SMTP):
    """The side that Postfix speaks to: MAIL and RCPT as they come, with all parameters, and no limits but those of Postfix."""

    line_length_limit = 1 << 26
    command_size_limits = defaultdict(lambda: 1 << 14)  # noqa: RUF012

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """Take the sender; the null sender is the empty string."""
        path = PATH.fullmatch(arg or "")
        if path is None:
            await self.push("501 5.5.4 Syntax: MAIL FROM:<address>")
            return
        self.envelope.mail_from, self.envelope.mail_options = path["address"], path["options"].split()
        await self.push("250 2.1.0 OK")

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        """Take a recipient, if a report can name it: one that it could not name would be missing from the archive."""
        path = PATH.fullmatch(arg or "")
        if path is None:
            await self.push("501 5.5.4 Syntax: RCPT TO:<address>")
            return
        options = path["options"].split()
        try:
            recipient = named(path["address"], options)
        except InvalidValue as error:
            await self.push(f"553 5.1.3 {error}")
            return
        self.envelope.rcpt_tos.append(recipient)
        self.envelope.rcpt_options.append(options)
        await self.push("250 2.1.5 OK")


def named(address: str, options: Sequence[str]) -> Recipient:
    """A recipient, and the alias or list by which Postfix came to it: ORCPT is its address before Postfix expanded it."""
    for option in options:
        name, _, value = option.partition("=")
        kind, _, text = value.partition(";")
        if name.upper() == "ORCPT" and kind.lower() == "rfc822":
            # Postfix encodes the octets of an address that is not ASCII, and leaves the type as it is.
            original = XTEXT.sub(lambda found: bytes([int(found[1], 16)]), text.encode()).decode()
            if mailbox_key(original) != mailbox_key(address):
                return Recipient(address, expanded_from=original)
    return Recipient(address)


def offered(server: smtplib.SMTP, options: Sequence[str]) -> str:
    """The parameters for a server, but for SIZE, as the stamp adds to it, and for those of DSN where it does not offer that."""
    left_out = {"SIZE"} if server.has_extn("dsn") else {"SIZE", "RET", "ENVID", "ORCPT", "NOTIFY"}
    return "".join(f" {one}" for one in options if one.partition("=")[0].upper() not in left_out)


class Filter:
    """What answers for a message: `authenticated` says who is let in at this door, and no header ever does.

    Messages go to `postfix`, reports to `journal`.
    """

    def __init__(self, agent: JournalAgent, postfix: Address, journal: Address, *, authenticated: bool) -> None:
        self.agent = agent
        self.postfix = postfix
        self.journal = journal
        self.authenticated = authenticated

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _received: Received, host_name: str, answer: list[str]
    ) -> list[str]:
        """Offer DSN: without it Postfix does not send ORCPT."""
        session.host_name = host_name
        return [*answer[:-1], "250-DSN", answer[-1]]

    async def handle_DATA(self, _server: SMTP, _session: Session, received: Received) -> str:  # noqa: N802
        """Journal and give back; the message stays in the queue of Postfix until it reads 250."""
        return await asyncio.to_thread(self.take, received)

    def take(self, received: Received) -> str:
        """The answer to a message."""
        message = received.original_content or b""
        if BARE.search(message):
            return "554 5.6.0 a bare LF in the message (RFC 5321, 2.3.8)"
        try:
            envelope = Envelope(received.mail_from or "", received.rcpt_tos, authenticated=self.authenticated)
        except InvalidValue as error:
            return f"553 5.1.7 {error}"
        outcome = self.agent.process(message, envelope)
        if outcome.hold is not None:
            return f"451 4.3.0 held: {outcome.hold.reason}"
        try:
            with (
                smtplib.SMTP(*self.postfix, timeout=TIMEOUT) as onward,
                smtplib.SMTP(*self.journal, timeout=TIMEOUT) as journal,
            ):
                refusal = self.address(onward, received)
                if refusal:
                    return refusal
                for delivery in outcome.deliveries:
                    self.deliver(journal, delivery)
                # Only now: a message that goes on before its reports can be missing from the archive.
                code, text = onward.data(outcome.message())
        except OSError:  # smtplib's own errors are OSErrors
            return "451 4.4.0 not passed on, try again"
        return f"{code} {text.decode('ascii', 'replace')}"

    def address(self, server: smtplib.SMTP, received: Received) -> str:
        """Name the sender and everybody that the message is for; the first answer that is a refusal counts for all."""
        server.ehlo_or_helo_if_needed()
        # An address goes on as it came: Postfix takes one that is not ASCII from clients that do not declare it, too.
        server.command_encoding = "utf-8"
        answers = [server.docmd("MAIL", f"FROM:<{received.mail_from}>{offered(server, received.mail_options)}")]
        for recipient, options in zip(received.rcpt_tos, received.rcpt_options, strict=True):
            answers.append(server.docmd("RCPT", f"TO:<{recipient.address}>{offered(server, options)}"))
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


async def serve(agent: JournalAgent, doors: Sequence[tuple[Address, bool]], postfix: Address, journal: Address) -> None:
    """Listen at the doors, each with its answer to whether clients logged in, until cancelled."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=32))
    for address, authenticated in doors:
        handler = Filter(agent, postfix, journal, authenticated=authenticated)
        await loop.create_server(partial(Protocol, handler, data_size_limit=None, enable_SMTPUTF8=True), *address)
    await asyncio.Event().wait()


def address(text: str) -> Address:
    """HOST:PORT."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="journal what Postfix sends, and give it back")
    add = partial(parser.add_argument, type=address, metavar="HOST:PORT")
    parser.add_argument("rules", help="a TOML file with an [agent]")
    add("--clients", default="127.0.0.1:10025", help="where mail of clients that logged in comes (%(default)s)")
    add("--others", default="127.0.0.1:10026", help="where all other mail comes (%(default)s)")
    add("--postfix", default="127.0.0.1:10027", help="where messages go (%(default)s)")
    add("--journal", help="where reports go: Postfix, or straight to the server of the journal mailboxes")
    options = parser.parse_args()
    agent = load_config(options.rules).agent
    if agent is None:
        raise SystemExit("the file has no [agent]")
    doors = [(options.clients, True), (options.others, False)]
    asyncio.run(serve(agent, doors, options.postfix, options.journal or options.postfix))


if __name__ == "__main__":
    main()
