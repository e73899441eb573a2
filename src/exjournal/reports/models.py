"""The values that the reader returns and the writer takes: envelopes, recipients, reports and their parts.

Facts and evidence are separate: a `JournalReport` has the facts that a report states and no byte of a message; a `ParsedReport`
adds views of the caller's bytes. Values validate themselves, and equal values have equal hashes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from exjournal._wire import headers as _headers
from exjournal._wire.times import moment
from exjournal.addresses import address_problem
from exjournal.errors import Defect, InvalidValue, as_member, require_type, wrong_type
from exjournal.limits import LABEL_LIMIT
from exjournal.lines import json_text, line_problem

if TYPE_CHECKING:
    from datetime import datetime
    from email.message import EmailMessage


class Role(StrEnum):
    """The role that a recipient line gives a recipient; RECIPIENT claims neither To, Cc nor Bcc (MS-XJRNL 2.1.1)."""

    TO = "To"
    CC = "Cc"
    BCC = "Bcc"
    RECIPIENT = "Recipient"


# A role or its value.
AnyRole: TypeAlias = Role | Literal["To", "Cc", "Bcc", "Recipient"]


class ReportFormat(StrEnum):
    """The formats of journal reports.

    ENVELOPE is the format of Exchange 2007 and later, ENVELOPE_2003 that of Exchange 2003. BCC and MESSAGE_ONLY are copies of
    the message, with and without a Bcc field; nothing in them shows that they are journal mail.
    """

    ENVELOPE = "envelope"
    ENVELOPE_2003 = "envelope-2003"
    BCC = "bcc"
    MESSAGE_ONLY = "message-only"

    @property
    def is_copy(self) -> bool:
        """Whether a report in this format is a copy of the message."""
        return self in COPIES


# A format or its value.
AnyFormat: TypeAlias = ReportFormat | Literal["envelope", "envelope-2003", "bcc", "message-only"]


class Evidence(StrEnum):
    """Where a report's recipients come from, from the best evidence to the least.

    ENVELOPE: a report with a marker, written by a server that saw the SMTP envelope. UNMARKED: a message without a marker that
    reads like such a report; anyone who can send mail to the archive can send one. HEADER: fields that the sender wrote.
    """

    ENVELOPE = "envelope"
    UNMARKED = "unmarked"
    HEADER = "header"


class PartKind(StrEnum):
    """The kind of a part of a report.

    A report has one TEXT, and at most one ORIGINAL and one DECRYPTED. A copy has an ORIGINAL and nothing else.
    """

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
        raise wrong_type(name, value, "a string")
    return value


def _recipients(value: "Iterable[str | Recipient]") -> "tuple[Recipient, ...]":
    # A string is a collection of one-letter strings.
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise wrong_type("recipients", value, "a collection of addresses")
    return tuple([item if isinstance(item, Recipient) else Recipient(item) for item in value])


class _RecipientSlots:
    """The slots of `Recipient` and of its unchecked twin: between two classes with one base for their slots, an object changes
    its class in two thirds of the time.
    """  # noqa: D205

    __slots__ = ("address", "display_name", "expanded_from", "forwarded_from", "role")


@dataclass(frozen=True, slots=True)
class Recipient(_RecipientSlots):
    """One recipient: the address that mail went to, its role, and the address it was redirected from, if any.

    * `address`: 1 to 571 characters, which keep their spelling, as those of the other addresses do.
    * `role`: a `Role` or its value.
    * `expanded_from`: the distribution list that was expanded to the address (MS-XJRNL 2.1.1).
    * `forwarded_from`: the mailbox that forwards to it.
    * `display_name`: a name before the address; read from any format, written in ENVELOPE_2003 and BCC.

    Raises InvalidValue.
    """

    address: str
    role: Role = Role.RECIPIENT
    expanded_from: str | None = field(default=None, kw_only=True)
    forwarded_from: str | None = field(default=None, kw_only=True)
    display_name: str = field(default="", kw_only=True)

    if TYPE_CHECKING:

        def __init__(
            self,
            address: str,
            role: AnyRole = Role.RECIPIENT,
            *,
            expanded_from: str | None = None,
            forwarded_from: str | None = None,
            display_name: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        _require_address("address", self.address)
        object.__setattr__(self, "role", as_member("role", self.role, Role))
        if self.expanded_from is not None:
            _require_address("expanded_from", self.expanded_from)
        if self.forwarded_from is not None:
            _require_address("forwarded_from", self.forwarded_from)
        _require_line("display_name", self.display_name)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The SMTP envelope of a message: MAIL FROM and every RCPT TO.

    * `sender`: "" for the null sender.
    * `recipients`: every recipient, at least one; a string among them becomes a `Recipient`.
    * `authenticated`: a client logged in to submit the message, so its To, Cc and Bcc are believed, and its sender is inside.
    * `trusted_path`: it comes from one of the organization's own servers, so its report markers, its processed stamps and the
      kind of message that its header declares are believed.

    Raises InvalidValue.
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
            raise InvalidValue("recipients", "must not be empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """The facts that a journal report states: small, hashable, picklable, without a byte of the message (MS-XJRNL 2.1.1).

    * `sender`: "" for the null sender.
    * `recipients`: in the order of the report; a string among them is an address in the role RECIPIENT. `build_report` needs at
      least one.
    * `subject`: as the report text has it; encoded words are not decoded.
    * `message_id`: with its angle brackets; "" if there is none.
    * `on_behalf_of`: the author, if a delegate sent the message.
    * `envelope_sender`: MAIL FROM; None if it is not known.
    * `label`, `mailbox`, `sent_utc`, `received_utc`: of managed folders, text as written; `sent_at` and `received_at` parse the
      two times.
    * `sender_display_name`: the name that Exchange 2003 writes before the sender's address.

    Every value is on one line, without spaces or tabs around it; a label has 1 to 255 characters. Raises InvalidValue.
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
                    raise InvalidValue(name, "must be None or not empty")
        if self.label is not None and len(self.label) > LABEL_LIMIT:
            raise InvalidValue("label", f"has {len(self.label)} characters; at most {LABEL_LIMIT} are allowed")
        _require_line("sender_display_name", self.sender_display_name)

    @property
    def sent_at(self) -> "datetime | None":
        """`sent_utc` as a time in UTC, or None if its form is not known; no specification of it is published.

        ISO 8601, RFC 5322 and month/day/year with or without AM and PM are read; a time without a zone is UTC.
        """
        return _moment(self.sent_utc)

    @property
    def received_at(self) -> "datetime | None":
        """`received_utc` as a time in UTC, or None if its form is not known; read as `sent_at` is."""
        return _moment(self.received_utc)


def _moment(text: str | None) -> "datetime | None":
    return None if text is None else moment(text)


class Headers:
    """The fields of a header block in order: an iterable of (name, value), with look-up that ignores letter case.

    Values are unfolded and otherwise as written: encoded words are not decoded. Bytes are decoded as UTF-8, or else as latin-1.
    Each use searches the block again. Raises TypeError.
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
        return isinstance(name, str) and any(other.lower() == name.lower() for other, _ in self)

    def __bytes__(self) -> bytes:
        return self._block

    def __repr__(self) -> str:
        return f"<Headers of {len(self._block)} bytes>"

    def get(self, name: str, /) -> str | None:
        """The first value of a field, or None. Raises TypeError."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str, /) -> tuple[str, ...]:
        """Every value of a field, in order. Raises TypeError."""
        require_type(name, str, "the name of a header field as a string")
        return tuple([value for other, value in self if other.lower() == name.lower()])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part:
    """One part of a report.

    * `kind`: the kind of part.
    * `media_type`: in lower case; "text/plain" if none is declared.
    * `encoding`: the declared transfer encoding in lower case; "" if none is declared.
    * `content`: for the report text, the original, the decrypted copy and TNEF after transfer decoding; for any other part as
      written.
    * `offset`, `size`: the place of the written content in the caller's bytes.

    If `encoding` is "", "7bit", "8bit" or "binary", the content is a view of exactly those bytes; with the defect
    `transfer-encoding-mismatch` it is a copy of them. The place of a part of an encoded multipart (`multipart-encoded`) is that
    of the multipart.
    """

    kind: PartKind
    media_type: str
    encoding: str
    content: memoryview
    offset: int
    size: int

    def __repr__(self) -> str:
        return f"<Part {self.kind}: {self.size} bytes at {self.offset}>"


# The formats in which the report is the message itself.
COPIES: Final = frozenset((ReportFormat.BCC, ReportFormat.MESSAGE_ONLY))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParsedReport:
    """A report that was read: the facts it states, its parts, and everything that was odd about it.

    * `marker`: how the reader recognized the report: by the header field of this name; "grammar" if `format=` asked for an
      envelope format and the report text has its grammar; "caller" for a copy, which only the caller can recognize.
    * `report_id`: the report's own Message-ID with its angle brackets, or "".
    * `parts`: every part that is not a multipart, in order.
    * `defects`: in the order in which the reader met them.
    * `outer_block`: the bytes of its own header block.
    * `unparsed`: the lines of the report text that are not fields, and the entries in address fields of a copy that are not
      addresses. At most 10,000 strings, and one more with all others, each on its own line.
    * `original`: a view of the caller's bytes, or of decoded bytes; None if the report has no such part, empty if the part is
      empty. A view keeps the whole buffer alive; `original_bytes()` copies.
    * `decrypted_evidence`: how the original and its decrypted copy were distinguished, if there are both: "content-class" or
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
        """How good the evidence for the recipients is: that of a marked report, an unmarked one, or a message's own header."""
        return recipients_from(self.format, self.marker)

    @property
    def headers(self) -> Headers:
        """The fields of the report's own header block, the outer one."""
        return Headers(self.outer_block)

    def original_bytes(self) -> bytes | None:
        """A copy of the original, or None if the report has none."""
        return None if self.original is None else bytes(self.original)

    def original_message(self) -> "EmailMessage | None":
        """The original as an object of the standard library, or None, to read header fields and parts.

        Its policy is `email.policy.default`, except that a field which that policy fails to parse is plain text: a string with
        the attributes of an unstructured field. Content may still fail to decode, such as text in an unknown charset. The bytes
        in `original` are the evidence: do not write this object out instead of them.
        """
        if self.original is None:
            return None
        from email import message_from_bytes
        from email.policy import default

        return message_from_bytes(bytes(self.original), policy=default.clone(header_factory=_header))

    def to_dict(self, *, content: bool = False) -> dict[str, object]:
        """The report as data for JSON, in a stable form that `docs/reference/data.md` describes: every key is always there.

        With `content`, each part has its content as base64; without, the data has no content. `merge()` accepts the data in the
        place of the report if the key `identity`, from `Identity.to_dict()`, is added. NUL becomes U+2400 and a lone surrogate
        U+FFFD, and `escaped` is then true; the bytes are in the report.
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
    """A header field for `email`: parsed by its syntax, or as plain text if the parser fails."""
    registry = _header_registry()
    try:
        return cast("str", registry(name, value))
    except Exception:  # noqa: BLE001 - IndexError, AttributeError, OverflowError and others, by Python version
        plain = registry[""]
    header: Any
    try:
        header = plain(name, value)
    except UnicodeError:
        # An encoded word decodes to lone surrogates: it remains encoded, with a space added.
        header = plain(name, value.replace("=?", "= ?"))
    # `EmailMessage.is_attachment()` needs it.
    header.content_disposition = value.partition(";")[0].strip().lower()
    return cast("str", header)


@lru_cache(maxsize=1)
def _header_registry() -> Any:
    from email.headerregistry import HeaderRegistry

    return HeaderRegistry()


def is_escaped(parsed: ParsedReport, /) -> bool:
    """Whether text of a report has characters that are escaped in data for JSON. Only these strings can have any."""
    texts = [*parsed.unparsed, *[text for part in parsed.parts for text in (part.media_type, part.encoding)]]
    return any(json_text(text) != text for text in texts)


def statement_dict(report: JournalReport, format: ReportFormat, marker: str, report_id: str, /) -> dict[str, object]:
    """The facts of a report as data: the first keys of `ParsedReport.to_dict()`."""
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
    """How good the evidence for the recipients is in a report of this format with this marker."""
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
        "content": None,
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
