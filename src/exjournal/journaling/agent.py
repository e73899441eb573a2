"""The journaling agent: makes the journal reports on a message, from the decision to the deliveries, for a gateway.

The agent decides, builds and stamps, and sends nothing: the caller sends the deliveries, and passes the message on after all of
them were accepted.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.beginnings import BYTE_ORDER_MARK, header_place, scan_message
from exjournal._wire.buffers import in_place
from exjournal._wire.headers import field_pattern, scan
from exjournal._wire.multipart import DECODED_ENCODINGS, declared
from exjournal.errors import BuildError, InvalidValue, require_type, wrong_type
from exjournal.journaling.decisions import Decision, Hold, HoldReason, PlannedReport, judge
from exjournal.journaling.loops import Signs, read_signs
from exjournal.journaling.rule_sets import RuleSet
from exjournal.journaling.stamps import stamp_value
from exjournal.limits import HEADER_LIMIT, HEADER_LINE_LIMIT
from exjournal.reports.assembly import domain_problem
from exjournal.reports.models import COPIES, Envelope, ReportFormat
from exjournal.reports.seals import digest_of, known_secrets
from exjournal.reports.writer import build_report, report_for

if TYPE_CHECKING:
    from exjournal._wire.buffers import Data

# Bytes and lines of a header block that are left for fields that later servers add.
_MARGIN: Final = 4096
# As Exchange writes it.
_PROCESSED_VALUE: Final = "Journal Agent"
_CONTENT_TYPE: Final = field_pattern("content-type")
_TRANSFER_ENCODING: Final = field_pattern("content-transfer-encoding")


class Body(StrEnum):
    """The BODY parameter of MAIL FROM that a content needs (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


class Delivery(NamedTuple):
    """A journal report to be sent: its SMTP envelope, its content, and the SMTP extensions that it needs.

    * `mail_from`: the alternate journaling mailbox, or "" for the null sender.
    * `rcpt_to`: the journal mailbox.
    * `content`: the bytes of the report.
    * `body`: the BODY parameter that the content needs.
    * `smtputf8`: whether an address or a header field is not ASCII (RFC 6531).
    * `size`: the bytes that the receiver counts, including the growth of content that must be sent as base64.
    * `too_large`: whether `size` exceeds the agent's `size_limit`.
    """

    mail_from: str
    rcpt_to: str
    content: bytes
    body: Body
    smtputf8: bool
    size: int
    too_large: bool

    def __repr__(self) -> str:
        return f"<Delivery to {self.rcpt_to}: {self.size} bytes, {self.body}>"


class Outcome:
    """The result for a message: send each of the deliveries, then pass the message on with the header fields before it.

    * `decision`: the decision, and its reasons.
    * `deliveries`: the reports to send; none if there is a hold.
    * `header_fields`: pairs of name and value; none for a message without a header. A value may contain line ends, each
      followed by a tab (RFC 5322 section 2.2.3).
    * `hold`: if set, the message must not be passed on: the caller defers or rejects it.
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
        hold = "" if self.hold is None else f", hold: {self.hold.reason}"
        return f"<Outcome: {len(self.deliveries)} deliveries{hold}>"

    def message(self) -> bytes:
        """Return the message with the header fields before its own; every other byte stays as it was."""
        if not self.header_fields:
            return self._original
        original = self._original
        start, _, _ = header_place(original)
        line_end = original.find(b"\n", start)
        is_lf = line_end >= 0 and original[line_end - 1 : line_end] != b"\r"
        text = "".join([f"{name}: {value}\r\n" for name, value in self.header_fields])
        if start and original[start - 1 : start] != b"\n" and original[:start] != BYTE_ORDER_MARK:
            text = "\r\n" + text  # the message is a From line without a line end
        fields = (text.replace("\r\n", "\n") if is_lf else text).encode("ascii")
        return b"".join([original[:start], fields, original[start:]])


class JournalAgent:
    """Rules, system sender and secrets, ready to process messages from any number of threads.

    * `domain`: the domain of the system sender, the organization's default domain.
    * `secrets`: the first one seals reports and stamps messages, any of them verifies. Without a secret there is no stamp, and
      a message is journaled again each time it passes.
    * `hold_undeliverable`: required if the organization has no alternate mailbox, to which undeliverable reports would return.
      Reports are then sent from the null sender, and an ordinary server drops them in the end, so True is the caller's promise
      to keep every report until it is delivered.
    * `size_limit`: bytes; a larger delivery is marked as one that the receiver would refuse.
    * `write_processed`: add Exchange's own processed stamp, for which an Exchange organization after this gateway skips its
      rules.
    * `eight_bit`: the next hop offers 8BITMIME, so report texts that are not ASCII are written as they are and not in
      quoted-printable.

    Raises InvalidValue.
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
            raise wrong_type("rules", rules, "a RuleSet")
        if not isinstance(domain, str):
            raise wrong_type("domain", domain, "a string")
        problem = domain_problem(domain)
        if problem is not None:
            raise InvalidValue("domain", problem)
        if rules.organization.alternate_mailbox is None and not hold_undeliverable:
            raise InvalidValue(
                "hold_undeliverable",
                "must be True if the organization has no alternate mailbox, to which refused reports would return",
            )
        if size_limit is not None and type(size_limit) is not int:
            raise wrong_type("size_limit", size_limit, "a number of bytes or None")
        if size_limit is not None and size_limit <= 0:
            raise InvalidValue("size_limit", "must be a positive number of bytes")
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
        """Process a message under its envelope: return the deliveries and the header fields to prepend, or a hold.

        `received`, a time with a time zone, is the date of the reports; the default is the current time. With it the same input
        gives the same output. A server that journals on submission and again after routing calls this twice, the second time
        with the stamped message; what has not changed in between is not journaled twice.

        Raises InvalidValue for a time without a time zone, and TypeError for an argument of another type; any bytes get an
        outcome.
        """
        if received is not None:
            require_type(received, datetime, "received as a datetime")
            if received.utcoffset() is None:
                raise InvalidValue("received", "must have a time zone")
        data = in_place(message, "a message")[:]
        require_type(envelope, Envelope, "an Envelope")
        signs = read_signs(data, self.secrets)
        decision = judge(envelope, self.rules, signs)
        if decision.hold is not None:
            return Outcome(data, decision, hold=decision.hold)
        transfer = _Transfer(data, signs)
        deliveries = []
        # Reports of one fork and format are the same. The envelope is known by its identity: to hash it would go through all
        # recipients.
        contents: dict[tuple[int, ReportFormat], bytes] = {}
        for planned in decision.reports:
            fork = (id(planned.envelope), planned.format)
            try:
                if fork not in contents:
                    contents[fork] = self._content(data, planned, received)
            except BuildError as error:
                if error.field == "date":
                    raise InvalidValue("received", error.reason) from None
                return Outcome(data, decision, hold=Hold(HoldReason.REPORT_NOT_BUILT, str(error)))
            deliveries.append(self._delivery(planned, contents[fork], transfer))
        return Outcome(data, decision, tuple(deliveries), tuple(self._header_fields(data, decision, signs)))

    def _content(self, data: bytes, planned: PlannedReport, received: datetime | None) -> bytes:
        report = report_for(data, planned.envelope)
        if planned.format in COPIES:
            return build_report(report, data, format=planned.format)
        return build_report(
            report,
            data,
            domain=self.domain,
            format=planned.format,
            date=received,
            eight_bit=self.eight_bit,
            secret=self.secrets[0] if self.secrets else None,
        )

    def _delivery(self, planned: PlannedReport, content: bytes, transfer: "_Transfer") -> Delivery:
        mail_from = self.rules.organization.alternate_mailbox or ""
        body = Body.SEVEN_BIT if content.isascii() else Body.EIGHT_BIT_MIME
        if b"\0" in content:
            body = Body.BINARY_MIME
        size = len(content) + transfer.line_ends
        if body is Body.BINARY_MIME or transfer.is_bare_tnef:
            size += transfer.base64_growth
        block = scan_message(content, _CONTENT_TYPE)
        return Delivery(
            mail_from=mail_from,
            rcpt_to=planned.journal_to,
            content=content,
            body=body,
            smtputf8=not (mail_from + planned.journal_to).isascii() or not content[block.start : block.body].isascii(),
            size=size,
            too_large=self.size_limit is not None and size > self.size_limit,
        )

    def _header_fields(self, data: bytes, decision: Decision, signs: Signs) -> Iterator[tuple[str, str]]:
        place, body, is_bare = header_place(data)
        # Before a text without a header and without a blank line, fields would turn the text into a header.
        if not decision.reports or (is_bare and body == place):
            return
        if self.secrets:
            value = stamp_value(signs.stamps.digest or digest_of(data), decision.journaled(), self.secrets[0])
            header = data[signs.start : signs.body]
            lines = header.count(b"\n") + value.count("\n")
            # A stamp that does not fit is left out, and the next hop journals again. With it, that hop would hold the message.
            if len(header) + len(value) <= HEADER_LIMIT - _MARGIN and lines <= HEADER_LINE_LIMIT - _MARGIN:
                yield names.STAMP, value
        if self.write_processed:
            yield names.PROCESSED[0], _PROCESSED_VALUE


class _Transfer:
    """The bytes that a message grows by in the transfer of a report on it, computed once for all of its deliveries."""

    def __init__(self, data: bytes, signs: Signs, /) -> None:
        self._data = data
        self._signs = signs

    @cached_property
    def line_ends(self) -> int:
        """The growth by CRLF, which a client sends, of a message whose lines end in LF."""
        return self._data.count(b"\n") if b"\r\n" not in self._data else 0

    @cached_property
    def is_bare_tnef(self) -> bool:
        """Whether the message is TNEF as a whole, and not in base64 yet."""
        (content_type, *_) = self._signs.fields.get(b"content-type", (b"",))
        if declared(content_type).family != "tnef":
            return False
        fields = scan(self._data, self._signs.start, len(self._data), _TRANSFER_ENCODING).fields
        info = declared(content_type, fields.get(b"content-transfer-encoding", b""))
        return info.encoding not in DECODED_ENCODINGS

    @property
    def base64_growth(self) -> int:
        """The growth by base64, in lines of 76 (RFC 2045 section 6.8)."""
        size = len(self._data)
        coded = (size + 2) // 3 * 4
        return coded + (coded + 75) // 76 * 2 - size
