"""The journaling agent: the whole line from a message to the journal reports on it, as a gateway calls it.

The agent decides, builds and stamps, and does nothing else: what it returns is for the caller to send, and the message is for
the caller to pass on, after every delivery was accepted.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.beginnings import BYTE_ORDER_MARK, header_place, scan_message
from exjournal._wire.buffers import in_place
from exjournal._wire.headers import field_pattern
from exjournal._wire.multipart import DECODED_ENCODINGS, declared
from exjournal.errors import BuildError, InvalidValue, require_type
from exjournal.journaling.decisions import Decision, Hold, HoldReason, PlannedReport, decide
from exjournal.journaling.rules import RuleSet
from exjournal.journaling.stamps import stamp_value
from exjournal.limits import HEADER_LIMIT, HEADER_LINE_LIMIT
from exjournal.reports.assembly import domain_problem
from exjournal.reports.models import COPIES, Envelope
from exjournal.reports.seals import known_secrets
from exjournal.reports.writer import build_report, report_for

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data

# Buffer and lines of a header block that are left to the fields that servers add behind a stamp.
_MARGIN: Final = 4096
# What Exchange writes into its processed stamp.
_PROCESSED_VALUE: Final = "Journal Agent"


class Body(StrEnum):
    """What a content needs of the server that takes it: the BODY parameter of MAIL FROM (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


class Delivery(NamedTuple):
    """A journal report on its way: the SMTP envelope, the content, and what the transport must be able to do.

    `mail_from` is the alternate journaling mailbox, "" for the null sender; `rcpt_to` the journal mailbox. `smtputf8` is True
    where an address or a header field is more than ASCII (RFC 6531). `size` are the octets that the receiver counts, with the
    growth of what must be sent as base64; `too_large` is True where that is more than the limit that the agent was given.
    """

    mail_from: str
    rcpt_to: str
    content: bytes
    body: Body
    smtputf8: bool
    size: int
    too_large: bool

    def __repr__(self) -> str:
        return f"<Delivery to {self.rcpt_to}: {self.size} octets, {self.body}>"


class Outcome:
    """What to do with a message: send each of the deliveries, then pass the message on with the header fields before it.

    With `hold` the message must not be passed on: the caller defers it or rejects it. Then there is nothing to send. A value of
    `header_fields` may have line ends in it, each followed by a tab (RFC 5322 section 2.2.3).
    """

    __slots__ = ("_original", "decision", "deliveries", "header_fields", "hold")

    def __init__(
        self,
        original: bytes,
        decision: Decision,
        /,
        deliveries: tuple[Delivery, ...] = (),
        header_fields: tuple[tuple[str, str], ...] = (),
        hold: Hold | None = None,
    ) -> None:
        self._original: Final = original
        self.decision: Final = decision
        self.deliveries: Final = deliveries
        self.header_fields: Final = header_fields
        self.hold: Final = hold

    def __repr__(self) -> str:
        held = "" if self.hold is None else f", hold: {self.hold.reason}"
        return f"<Outcome: {len(self.deliveries)} deliveries{held}>"

    def message(self) -> bytes:
        """The message with the header fields before its own, every other byte as it was."""
        if not self.header_fields:
            return self._original
        original = self._original
        start, _, _ = header_place(original)
        line_end = original.find(b"\n", start)
        is_lf = line_end >= 0 and original[line_end - 1 : line_end] != b"\r"
        text = "".join([f"{name}: {value}\r\n" for name, value in self.header_fields])
        if start and original[start - 1 : start] != b"\n" and original[:start] != BYTE_ORDER_MARK:
            text = "\r\n" + text  # a From line, and nothing behind it
        fields = (text.replace("\r\n", "\n") if is_lf else text).encode("ascii")
        return b"".join([original[:start], fields, original[start:]])


class JournalAgent:
    """Rules, the domain of the system sender and the secrets, ready to process messages, from any number of threads.

    `domain` is the organisation's default domain. `secrets` seal reports and stamp messages, the first one signs; without any
    there is no stamp, and every pass journals again. Reports that cannot be delivered go back to the alternate mailbox of the
    organisation; where it has none, `hold_undeliverable=True` says that the caller keeps every report until it is delivered: it
    is sent from the null sender, and an ordinary server would drop it in the end. `size_limit`, in octets, marks deliveries
    that the receiver would refuse. `write_processed` adds Exchange's own processed stamp, for which an Exchange organisation
    behind this one skips its own rules. `eight_bit` is for a next hop that offers 8BITMIME: report texts that are not ASCII are
    written as they are, not in quoted-printable. Raises InvalidValue.
    """

    __slots__ = ("domain", "eight_bit", "hold_undeliverable", "rules", "secrets", "size_limit", "write_processed")

    def __init__(
        self,
        rules: RuleSet,
        /,
        *,
        domain: str,
        secrets: Iterable[bytes] = (),
        hold_undeliverable: bool = False,
        size_limit: int | None = None,
        write_processed: bool = False,
        eight_bit: bool = False,
    ) -> None:
        if not isinstance(rules, RuleSet):
            raise InvalidValue("rules", f"is a {type(rules).__name__}, not a rule set")
        if not isinstance(domain, str):
            raise InvalidValue("domain", f"is a {type(domain).__name__}, not a string")
        problem = domain_problem(domain)
        if problem is not None:
            raise InvalidValue("domain", problem)
        if rules.organization.alternate_mailbox is None and not hold_undeliverable:
            raise InvalidValue(
                "hold_undeliverable",
                "is required where the organisation has no alternate mailbox: who keeps a report that is refused?",
            )
        if size_limit is not None and (type(size_limit) is not int or size_limit <= 0):
            raise InvalidValue("size_limit", "is no positive number of octets")
        self.rules: Final = rules
        self.domain: Final = domain
        self.secrets: Final = known_secrets(secrets)
        self.hold_undeliverable: Final = hold_undeliverable
        self.size_limit: Final = size_limit
        self.write_processed: Final = write_processed
        self.eight_bit: Final = eight_bit

    def __repr__(self) -> str:
        return f"<JournalAgent of {self.domain}: {len(self.rules.rules)} rules, {len(self.secrets)} secrets>"

    def process(self, message: "Data", envelope: Envelope, /, *, received: datetime | None = None) -> Outcome:
        """What to do with a message under its envelope: the deliveries, the header fields to prepend, or a hold.

        `received`, with a time zone, is the date of the reports, now without it; with it the same input gives the same output.
        A server that journals where a message is submitted and again after it was routed calls this twice, the second time with
        the stamped message; what did not change in between is not journaled twice. Nothing is sent here.

        Raises InvalidValue for a time without a time zone; whatever the message is, there is an outcome.
        """
        if received is not None:
            require_type(received, datetime, "received as a datetime")
        if received is not None and received.utcoffset() is None:
            raise InvalidValue("received", "has no time zone")
        octets = in_place(message, "a message")[:]
        decision = decide(octets, envelope, self.rules, secrets=self.secrets)
        if decision.hold is not None:
            return Outcome(octets, decision, hold=decision.hold)
        deliveries = []
        # The reports of one fork share its envelope, of which a digest would look at every recipient.
        contents: dict[tuple[int, str], bytes] = {}
        for planned in decision.reports:
            one = (id(planned.envelope), str(planned.format))
            try:
                if one not in contents:
                    contents[one] = self._content(octets, planned, received)
            except BuildError as error:
                if error.field == "date":
                    raise InvalidValue("received", error.reason) from None
                return Outcome(octets, decision, hold=Hold(HoldReason.REPORT_NOT_BUILT, str(error)))
            deliveries.append(self._delivery(octets, planned, contents[one]))
        return Outcome(octets, decision, tuple(deliveries), tuple(self._header_fields(octets, decision)))

    def _content(self, octets: bytes, planned: PlannedReport, received: datetime | None) -> bytes:
        report = report_for(octets, planned.envelope)
        if planned.format in COPIES:
            return build_report(report, octets, format=planned.format)
        secret = self.secrets[0] if self.secrets else None
        return build_report(
            report,
            octets,
            domain=self.domain,
            format=planned.format,
            date=received,
            eight_bit=self.eight_bit,
            secret=secret,
        )

    def _delivery(self, octets: bytes, planned: PlannedReport, content: bytes) -> Delivery:
        mail_from = self.rules.organization.alternate_mailbox or ""
        body = Body.SEVEN_BIT if content.isascii() else Body.EIGHT_BIT_MIME
        if b"\0" in content:
            body = Body.BINARY_MIME
        size = len(content)
        if b"\r\n" not in octets:
            size += octets.count(b"\n")  # a client sends CRLF
        if body is Body.BINARY_MIME or _is_bare_tnef(octets):
            size += _growth(len(octets))
        start, header_end = _header(content)
        return Delivery(
            mail_from,
            planned.journal_to,
            content,
            body,
            not (mail_from + planned.journal_to).isascii() or not content[start:header_end].isascii(),
            size,
            self.size_limit is not None and size > self.size_limit,
        )

    def _header_fields(self, octets: bytes, decision: Decision) -> Iterator[tuple[str, str]]:
        place, body, is_bare = header_place(octets)
        # What has no header, nor a blank line in its place, would be shown otherwise behind fields.
        if not decision.reports or (is_bare and body == place):
            return
        if self.secrets:
            value = stamp_value(octets, decision._journaled(), self.secrets[0])
            start, header_end = _header(octets)
            header = octets[start:header_end]
            lines = header.count(b"\n") + value.count("\n")
            # Where it does not fit in, the next hop journals again; with it the message would be held there.
            if len(header) + len(value) <= HEADER_LIMIT - _MARGIN and lines <= HEADER_LINE_LIMIT - _MARGIN:
                yield names.STAMP, value
        if self.write_processed:
            yield names.PROCESSED[0], _PROCESSED_VALUE


def _header(octets: bytes) -> tuple[int, int]:
    block = scan_message(octets, field_pattern("content-type"))
    return block.start, block.body


def _is_bare_tnef(octets: "Buffer") -> bool:
    """Whether a message is TNEF as a whole, and not yet in base64."""
    pattern = field_pattern("content-type", "content-transfer-encoding")
    found = scan_message(octets, pattern).fields
    info = declared(found.get(b"content-type", b""), found.get(b"content-transfer-encoding", b""))
    return info.family == "tnef" and info.encoding not in DECODED_ENCODINGS


def _growth(size: int) -> int:
    """What base64 adds to so many octets, in lines of 76 (RFC 2045 section 6.8)."""
    coded = (size + 2) // 3 * 4
    return coded + (coded + 75) // 76 * 2 - size
