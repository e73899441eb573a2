"""The values that go in and come out: envelopes, recipients, what a report says, and what was read from one.

Facts and evidence stay apart: `JournalReport` holds what a report says and no octet of a message; `ParsedReport` holds it
beside views of the caller's bytes. Values validate themselves; two that are equal hash equal.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from exjournal._wire import headers as _headers
from exjournal._wire.times import moment
from exjournal.addresses import address_problem
from exjournal.errors import Defect, InvalidValue, require_type
from exjournal.limits import LABEL_LIMIT
from exjournal.lines import json_text, line_problem

if TYPE_CHECKING:
    from datetime import datetime
    from email.message import EmailMessage


class Role(StrEnum):
    """What a recipient line says of a recipient; RECIPIENT claims nothing of To, Cc or Bcc (MS-XJRNL 2.1.1)."""

    TO = "To"
    CC = "Cc"
    BCC = "Bcc"
    RECIPIENT = "Recipient"


class ReportFormat(StrEnum):
    """The formats of journal reports.

    ENVELOPE is that of Exchange 2007 and later, ENVELOPE_2003 that of Exchange 2003. BCC and MESSAGE_ONLY are copies of the
    message, with and without a Bcc field: nothing in them says that they are journal mail.
    """

    ENVELOPE = "envelope"
    ENVELOPE_2003 = "envelope-2003"
    BCC = "bcc"
    MESSAGE_ONLY = "message-only"


class Evidence(StrEnum):
    """Where a report's recipients come from, from the best evidence to the least.

    ENVELOPE: a report with a marker, which a server wrote that saw the SMTP envelope. UNMARKED: a message without a marker
    that reads like such a report; anyone who can mail the archive can send one. HEADER: fields that the sender wrote.
    """

    ENVELOPE = "envelope"
    UNMARKED = "unmarked"
    HEADER = "header"


class PartKind(StrEnum):
    """What a part of a report is."""

    TEXT = "text"
    ORIGINAL = "original"
    DECRYPTED = "decrypted"
    OTHER = "other"


def _require_line(name: str, value: object) -> None:
    problem = line_problem(_text(name, value))
    if problem is not None:
        raise InvalidValue(name, problem)


def _require_address(name: str, value: object) -> None:
    problem = address_problem(_text(name, value))
    if problem is not None:
        raise InvalidValue(name, problem)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(name, f"is a {type(value).__name__}, not a string")
    return value


def _recipients(value: "Iterable[str | Recipient]") -> "tuple[Recipient, ...]":
    # One string is a collection of one-letter strings.
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InvalidValue("recipients", f"is a {type(value).__name__}, not a collection of addresses")
    return tuple([item if isinstance(item, Recipient) else Recipient(item) for item in value])


class _RecipientSlots:
    """What `Recipient` and its twin without checks have in common: of two classes with one layout, an object that is made by
    the thousand changes from one to the other in two thirds of the time.
    """  # noqa: D205

    __slots__ = ("address", "display_name", "expanded_from", "forwarded_from", "role")


@dataclass(frozen=True, slots=True)
class Recipient(_RecipientSlots):
    """One recipient: the address mail went to, its role, and the address it was redirected from, if any.

    `expanded_from` is the distribution list whose expansion gave the address, `forwarded_from` the mailbox that forwards to it
    (MS-XJRNL 2.1.1). Addresses have 1 to 571 characters and keep their spelling. Raises InvalidValue.
    """

    address: str
    role: Role = Role.RECIPIENT
    expanded_from: str | None = field(default=None, kw_only=True)
    forwarded_from: str | None = field(default=None, kw_only=True)
    display_name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        _require_address("address", self.address)
        try:
            object.__setattr__(self, "role", Role(self.role))
        except ValueError:
            raise InvalidValue("role", "is none of To, Cc, Bcc, Recipient") from None
        if self.expanded_from is not None:
            _require_address("expanded_from", self.expanded_from)
        if self.forwarded_from is not None:
            _require_address("forwarded_from", self.forwarded_from)
        _require_line("display_name", self.display_name)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The SMTP envelope of a message: MAIL FROM and every RCPT TO.

    `sender` is "" for the null sender. `authenticated`: a client logged in to submit it, so that its To, Cc and Bcc are
    believed. `trusted_path`: it comes from one of our own servers, so that its markers are believed. Raises InvalidValue.
    """

    sender: str
    recipients: tuple[Recipient, ...]
    authenticated: bool = field(default=False, kw_only=True)
    trusted_path: bool = field(default=False, kw_only=True)

    if TYPE_CHECKING:

        def __init__(
            self,
            sender: str,
            recipients: Iterable[str | Recipient],
            *,
            authenticated: bool = False,
            trusted_path: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        if self.sender != "":
            _require_address("sender", self.sender)
        object.__setattr__(self, "recipients", _recipients(self.recipients))
        if not self.recipients:
            raise InvalidValue("recipients", "is empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """What a journal report says: small, hashable, picklable, without an octet of the message (MS-XJRNL 2.1.1).

    `sender` is "" for the null sender; `message_id` keeps its angle brackets and is "" where there is none;
    `envelope_sender` is MAIL FROM, or None where it is not known. `label`, `mailbox`, `sent_utc` and `received_utc` belong to
    managed folders and are text as written; `sent_at` and `received_at` are what can be made of the two times.
    `sender_display_name` is a name that stands before the sender's address, which Exchange 2003 writes. Every value stands on
    one line, without outer blanks. Raises InvalidValue.
    """

    sender: str
    recipients: tuple[Recipient, ...]
    subject: str = ""
    message_id: str = ""
    on_behalf_of: str | None = None
    envelope_sender: str | None = None
    label: str | None = None
    mailbox: str | None = None
    sent_utc: str | None = None
    received_utc: str | None = None
    sender_display_name: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            sender: str,
            recipients: Iterable[str | Recipient],
            subject: str = "",
            message_id: str = "",
            on_behalf_of: str | None = None,
            envelope_sender: str | None = None,
            label: str | None = None,
            mailbox: str | None = None,
            sent_utc: str | None = None,
            received_utc: str | None = None,
            sender_display_name: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        if self.sender != "":
            _require_address("sender", self.sender)
        object.__setattr__(self, "recipients", _recipients(self.recipients))
        _require_line("subject", self.subject)
        _require_line("message_id", self.message_id)
        if self.on_behalf_of is not None:
            _require_address("on_behalf_of", self.on_behalf_of)
        if self.envelope_sender:
            _require_address("envelope_sender", self.envelope_sender)
        for name in ("label", "mailbox", "sent_utc", "received_utc"):
            value = getattr(self, name)
            if value is not None:
                _require_line(name, value)
                if not value:
                    raise InvalidValue(name, "is empty: None where there is none")
        if self.label is not None and len(self.label) > LABEL_LIMIT:
            raise InvalidValue("label", f"has {len(self.label)} characters, more than {LABEL_LIMIT}")
        _require_line("sender_display_name", self.sender_display_name)

    @property
    def sent_at(self) -> "datetime | None":
        """`sent_utc` as a time in UTC, or None where it is none that is known; its syntax is not published."""
        return _moment(self.sent_utc)

    @property
    def received_at(self) -> "datetime | None":
        """`received_utc` as a time in UTC, or None where it is none that is known; its syntax is not published."""
        return _moment(self.received_utc)


def _moment(text: str | None) -> "datetime | None":
    return None if text is None else moment(text)


class Headers:
    """The fields of a header block in order: an iterable of (name, value), with look-up that ignores letter case.

    Values are unfolded and otherwise as written: encoded words are not decoded; octets are read as UTF-8, else latin-1.
    Nothing is listed before it is asked for.
    """

    __slots__ = ("_block",)

    def __init__(self, block: bytes, /) -> None:
        require_type(block, bytes, "a header block as bytes")
        self._block = block

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, value in _headers.fields(self._block):
            yield name.decode("ascii"), _headers.decode(_headers.unfold(value))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(found.lower() == name.lower() for found, _ in self)

    def __bytes__(self) -> bytes:
        return self._block

    def __repr__(self) -> str:
        return f"<Headers of {len(self._block)} octets>"

    def get(self, name: str, /) -> str | None:
        """The first value of a field, or None."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str, /) -> tuple[str, ...]:
        """Every value of a field, in order."""
        require_type(name, str, "the name of a header field as a string")
        return tuple([value for found, value in self if found.lower() == name.lower()])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part:
    """One part of a report.

    `content` is the part's content behind its transfer encoding; `offset` and `size` say where it lies, as it was written, in
    the caller's bytes. Where `encoding` is "", "7bit", "8bit" or "binary" the content is a view of exactly those bytes; after
    `transfer-encoding-mismatch` it is a copy. A part of an encoded multipart (`multipart-encoded`) lies where that does.
    """

    kind: PartKind
    media_type: str
    encoding: str
    content: memoryview
    offset: int
    size: int

    def __repr__(self) -> str:
        return f"<Part {self.kind}: {self.size} octets at {self.offset}>"


# The formats in which the report is the message itself.
COPIES: Final = frozenset((ReportFormat.BCC, ReportFormat.MESSAGE_ONLY))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParsedReport:
    """A report that was read: what it says, its parts, and everything about it that was odd.

    `marker` names what convinced the reader: the marker's header name; "grammar" where `format=` asked for an envelope format
    and the report text is one; "caller" for a copy, of which only the caller can know. `report_id` is the report's own
    Message-ID with its angle brackets, "" where there is none. `unparsed` holds the lines of the report text that are not a
    field, and the entries in an address field of a copy that are not an address: 10,000 strings at most, and one more with all
    others, each on a line of its own. `original` is a view of the caller's bytes, None
    where the report has no such part, empty where the part is; a view keeps the whole buffer alive, `original_bytes()` copies.
    `decrypted_evidence` says what told the original from its decrypted copy where there are both: "content-class" or
    "message.rpmsg" in the protected one, else "order".
    """

    report: JournalReport
    format: ReportFormat
    marker: str
    report_id: str
    outer_block: bytes
    parts: tuple[Part, ...]
    defects: tuple[Defect, ...]
    unparsed: tuple[str, ...]
    original: memoryview | None
    decrypted: memoryview | None
    decrypted_evidence: str = ""

    def __repr__(self) -> str:
        return f"<ParsedReport {self.format}: {len(self.report.recipients)} recipients, {len(self.defects)} defects>"

    @property
    def recipients_from(self) -> Evidence:
        """What the recipients are worth: those of a marked report, of one without a marker, or of the message's own header."""
        return recipients_from(self.format, self.marker)

    @property
    def headers(self) -> Headers:
        """The report's own header block, the outer one."""
        return Headers(self.outer_block)

    def original_bytes(self) -> bytes | None:
        """A copy of the original, or None where the report has none."""
        return None if self.original is None else bytes(self.original)

    def original_message(self) -> "EmailMessage | None":
        """The original as an object of the standard library, or None, to read header fields and parts.

        Its policy is `email.policy.default`, which fails with various errors for odd header fields; a field that it cannot
        parse is plain text instead: a string with the attributes of an unstructured field. The content may still not decode,
        such as a text in an unknown charset. The bytes are the evidence, and `original` has them: do not write this object out
        in their place.
        """
        if self.original is None:
            return None
        from email import message_from_bytes
        from email.policy import default

        return message_from_bytes(bytes(self.original), policy=default.clone(header_factory=_header))

    def to_dict(self, *, content: bool = False) -> dict[str, object]:
        """The report as data fit for JSON, in a stable form that `docs/api.md` describes: every key is always there.

        No content of any part is in it unless `content` asks for it; each part then has it as base64. With the key `identity`,
        from `Identity.to_dict()`, `merge()` takes the data for the report. NUL becomes U+2400 and a lone surrogate U+FFFD, and
        `escaped` is true where that happened: the bytes are in the report.
        """
        result = statement_dict(self.report, self.format, self.marker, self.report_id)
        result["original"] = None
        result["decrypted"] = None
        result["decrypted_evidence"] = None if self.decrypted is None else self.decrypted_evidence
        result["parts"] = [_part_dict(part, content=content) for part in self.parts]
        result["defects"] = defect_dicts(self.defects)
        result["unparsed"] = [json_text(line) for line in self.unparsed]
        result["escaped"] = is_escaped(self)
        for part in self.parts:
            if part.kind in (PartKind.ORIGINAL, PartKind.DECRYPTED):
                result[part.kind] = {"offset": part.offset, "size": len(part.content)}
        return result


def _header(name: str, value: str) -> str:
    """A header field for `email`: parsed by its syntax, or as plain text where the parser fails."""
    registry = _header_registry()
    try:
        return cast("str", registry(name, value))
    except Exception:  # noqa: BLE001 - IndexError, AttributeError, OverflowError and others, by Python version
        plain = registry[""]
    header: Any
    try:
        header = plain(name, value)
    except UnicodeError:
        # An encoded word decodes to lone surrogates: it stays as it is, but for a space.
        header = plain(name, value.replace("=?", "= ?"))
    # `EmailMessage.is_attachment()` asks for it.
    header.content_disposition = value.partition(";")[0].strip().lower()
    return cast("str", header)


@lru_cache(maxsize=1)
def _header_registry() -> Any:
    from email.headerregistry import HeaderRegistry

    return HeaderRegistry()


def is_escaped(parsed: ParsedReport, /) -> bool:
    """Whether data for JSON cannot hold all text of a report as it is; no other string of it can hold what is escaped."""
    texts = [*parsed.unparsed, *[text for part in parsed.parts for text in (part.media_type, part.encoding)]]
    return any(json_text(text) != text for text in texts)


def statement_dict(report: JournalReport, format: ReportFormat, marker: str, report_id: str, /) -> dict[str, object]:
    """What a report says, as data: the first keys of `ParsedReport.to_dict()`."""
    return {
        "format": str(format),
        "marker": marker,
        "report_id": report_id,
        "recipients_from": str(recipients_from(format, marker)),
        "sender": report.sender,
        "sender_display_name": report.sender_display_name,
        "on_behalf_of": report.on_behalf_of,
        "envelope_sender": report.envelope_sender,
        "subject": report.subject,
        "message_id": report.message_id,
        "label": report.label,
        "mailbox": report.mailbox,
        "sent_utc": report.sent_utc,
        "received_utc": report.received_utc,
        "recipients": [_recipient_dict(recipient) for recipient in report.recipients],
    }


def defect_dicts(defects: Iterable[Defect], /) -> list[dict[str, object]]:
    """Defects as data."""
    return [{"code": str(defect.code), "detail": defect.detail, "offset": defect.offset} for defect in defects]


# The marker of a report of an envelope format that has none.
GRAMMAR: Final = "grammar"


def recipients_from(format: ReportFormat, marker: str, /) -> Evidence:
    """What the recipients of a report of some format, with some marker, are worth."""
    if format in COPIES:
        return Evidence.HEADER
    return Evidence.UNMARKED if marker == GRAMMAR else Evidence.ENVELOPE


def _recipient_dict(recipient: Recipient) -> dict[str, object]:
    return {
        "role": str(recipient.role),
        "address": recipient.address,
        "expanded_from": recipient.expanded_from,
        "forwarded_from": recipient.forwarded_from,
        "display_name": recipient.display_name or None,
    }


def _part_dict(part: Part, *, content: bool) -> dict[str, object]:
    result: dict[str, object] = {
        "kind": str(part.kind),
        "media_type": json_text(part.media_type),
        "encoding": json_text(part.encoding),
        "offset": part.offset,
        "size": part.size,
    }
    if content:
        import base64

        result["content"] = base64.b64encode(part.content).decode("ascii")
    return result


def _unchecked(cls: type) -> Any:
    """A class of the same layout without checks. Set all fields of an object of it, then its `__class__` to the real one.

    A frozen dataclass stores each field through `object.__setattr__`, which takes four times as long as an assignment, and
    there may be 10,000 recipients in a report. Callers ensure what the public constructor checks.
    """
    return type(cls.__name__, cls.__bases__, {"__slots__": cls.__dict__["__slots__"]})


# `Any`, as the reader sets attributes that the types of the frozen classes do not let it set.
UncheckedRecipient: Any = _unchecked(Recipient)
UncheckedPart: Any = _unchecked(Part)
UncheckedReport: Any = _unchecked(JournalReport)
UncheckedParsedReport: Any = _unchecked(ParsedReport)


def unchecked_recipient(
    address: str, role: Role, expanded_from: str | None, forwarded_from: str | None, display_name: str, /
) -> Recipient:
    """A recipient of values that the caller has checked."""
    recipient = UncheckedRecipient()
    recipient.address = address
    recipient.role = role
    recipient.expanded_from = expanded_from
    recipient.forwarded_from = forwarded_from
    recipient.display_name = display_name
    recipient.__class__ = Recipient
    return recipient  # type: ignore[no-any-return]
