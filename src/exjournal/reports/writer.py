"""Writing: from a message and its envelope to what a report says, and from that to the bytes of a report.

`report_for` gathers the facts, `build_report` writes them round the original. The writer joins byte strings: the original goes
in untouched, whatever it holds. With the date given, the output depends on the arguments alone.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.beginnings import skip_from_line
from exjournal._wire.buffers import fast_find, in_place
from exjournal._wire.headers import encode_words, field_pattern, fields, scan, text_of
from exjournal._wire.message import Addressing, Facts, facts, perhaps_named
from exjournal._wire.quoted_printable import quoted_printable
from exjournal.addresses import mailbox_key, same_mailbox
from exjournal.errors import BuildError, InvalidValue, require_type
from exjournal.limits import COPIED_LIMIT, LINE_LIMIT, REPORT_TEXT_LIMIT
from exjournal.reports.copies import write_copy
from exjournal.reports.envelope import write_report_text
from exjournal.reports.envelope_2003 import html_twin, write_report_text_2003
from exjournal.reports.models import COPIES, Envelope, JournalReport, Recipient, ReportFormat, Role
from exjournal.reports.seals import keyed, known_secrets, seal_field

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data

# Looking a member up on its enumeration calls a function on Python 3.11.
_ENVELOPE: Final = ReportFormat.ENVELOPE
_MARKER_2003_VALUE: Final = "ExJournalReport"
_ENVELOPE_SENDER: Final = f"{names.ENVELOPE_SENDER}: ".encode()
_TRANSPORT_MARKER: Final = f"{names.MARKER_IN_TRANSPORT}:\r\n"
_PLAIN_MARKER: Final = f"{names.MARKER}:\r\n"
_GENERATED: Final = f"Auto-Submitted: auto-generated\r\n{names.GENERATED_SOURCE}: Journal Agent\r\n"
_MUST_DELIVER: Final = f"{names.TRANSPORT_PROPERTIES}: MustDeliver=True;\r\n"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# A domain as it stands in an address: A-labels, or an address literal (RFC 5321 section 4.1.2 and 4.1.3).
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*|\[[A-Za-z0-9.:-]+\]"
_DOMAIN_LIMIT: Final = 255
# A msg-id whose brackets enclose visible ASCII (RFC 5322 section 3.6.4), short enough for one line.
_REPORT_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_VISIBLE_ASCII = re.compile(r"[!-~]+")

# The fields of the original that stand in the outer block too, in the order of the reports seen.
_COPIED: Final = (("Subject", b"subject"), ("CC", b"cc"), ("To", b"to"), ("From", b"from"))
_WANTED: Final = {field: name for name, field in _COPIED}
# Buffer: the name of a copied field and its colon take no more of a line.
_NAME_LIMIT: Final = 79
_HEADER: Final = ("subject", "cc", "to", "from", "list-[a-z-]+", "precedence", "x-mailing-list")
_LINE_ENDS = re.compile(rb"\r?\n")
_TO_BLANKS: Final = bytes.maketrans(b"\r\0", b"  ")


def report_for(message: "Data", envelope: Envelope, /) -> JournalReport:
    """What a report on `message` says, delivered under `envelope`.

    The sender is the message's From, or its Sender field where that names another mailbox, and MAIL FROM only where the message
    names nobody; MAIL FROM itself is kept as `envelope_sender` (MS-XJRNL 2.1.1). From an authenticated client, recipients take
    their role from the message's own To and Cc, those in neither are Bcc, and a redirected recipient takes the role of the
    address it was redirected from; a role other than RECIPIENT in the envelope is kept. From anybody else every role is
    RECIPIENT, and there is no On-Behalf-Of.

    Every field of a name counts. A recipient is Bcc only where all To and Cc fields could be read and no reader would find it
    in them; else its role is RECIPIENT, which claims nothing. Control characters in a value become blanks.
    """
    octets = in_place(message, "a message")
    require_type(envelope, Envelope, "an Envelope")
    told, addressing = facts(octets, 0, len(octets))
    author = next(iter(told.authors), "")
    delegate = told.sender if not same_mailbox(told.sender, author) else ""
    return JournalReport(
        sender=delegate or author or envelope.sender,
        on_behalf_of=author if author and delegate and envelope.authenticated else None,
        recipients=_with_roles(envelope, told, addressing, octets),
        subject=told.subject,
        message_id=told.message_id,
        envelope_sender=envelope.sender,
    )


def _with_roles(envelope: Envelope, told: Facts, addressing: Addressing, octets: "Buffer") -> Iterator[Recipient]:
    roles = dict.fromkeys(map(mailbox_key, told.cc), Role.CC) | dict.fromkeys(map(mailbox_key, told.to), Role.TO)
    is_looked_for = False
    perhaps: frozenset[str] | None = None
    for recipient in envelope.recipients:
        role = Role.RECIPIENT
        if envelope.authenticated:
            role = recipient.role
            if role is Role.RECIPIENT:
                addressed = recipient.expanded_from or recipient.forwarded_from or recipient.address
                key = mailbox_key(addressed)
                named = roles.get(key)
                if named is None:
                    if not is_looked_for:
                        is_looked_for, perhaps = True, perhaps_named(octets, addressing)
                    named = Role.RECIPIENT if perhaps is None or key in perhaps else Role.BCC
                role = named
        yield Recipient(
            recipient.address,
            role,
            expanded_from=recipient.expanded_from,
            forwarded_from=recipient.forwarded_from,
            display_name=recipient.display_name,
        )


def build_report(
    report: JournalReport,
    original: "Data | None",
    /,
    *,
    domain: str | None = None,
    format: ReportFormat = ReportFormat.ENVELOPE,
    decrypted: "Data | None" = None,
    date: datetime | None = None,
    report_id: str | None = None,
    internal: bool = False,
    correct_marker: bool = False,
    bcc_all: bool = False,
    eight_bit: bool = False,
    secret: bytes | None = None,
) -> bytes:
    """The bytes of a journal report, with the original in it byte for byte.

    ENVELOPE (MS-XJRNL 2.1) and ENVELOPE_2003 put the original into a report. `original` is None for a report without that part.
    `domain` is that of the system sender, an organisation's default domain; it is never taken from the message, and
    ENVELOPE_2003 needs it only where nobody else can stand in From. `date` has a time zone; without it the report is made now.
    `report_id` keeps its angle brackets; without it the id follows from the report and a digest of the original, so that a
    retry has the same one. `eight_bit` is for a mail server that offers 8BITMIME: a report text that is not ASCII is written as
    it is; without it, such a text is quoted-printable (RFC 2045 section 6.7) unless the original needs 8BITMIME anyway.
    ENVELOPE alone has `internal`, which writes the marker and the property of a report that stays in an organisation's
    transport, and `decrypted`, the readable copy of a rights-protected original. ENVELOPE_2003 alone has `correct_marker`:
    Exchange 2003 misspelt its marker, and so does this without it. With `secret`, at least 16 octets, both bear a seal, by
    which `verify_seal` and `decide` know the report again.

    BCC and MESSAGE_ONLY are the original itself, without its Bcc field or with one that names the recipients that its To and Cc
    do not name, or with `bcc_all` every recipient. Of the arguments above they take none into account, and MESSAGE_ONLY none
    of the report.

    Hand the result to a mail server only with an explicit SMTP envelope: its To, Cc and From are the original's.

    Raises BuildError, whose `.field` names the argument, and TypeError.
    """
    _require_types(report, format, domain, date, report_id)
    secret = _known_secret(secret, format)
    if internal or correct_marker or bcc_all or eight_bit or decrypted is not None:
        for name, is_given, formats in (
            ("internal", internal, (ReportFormat.ENVELOPE,)),
            ("decrypted", decrypted is not None, (ReportFormat.ENVELOPE,)),
            ("correct_marker", correct_marker, (ReportFormat.ENVELOPE_2003,)),
            ("bcc_all", bcc_all, (ReportFormat.BCC,)),
            ("eight_bit", eight_bit, (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)),
        ):
            if is_given and format not in formats:
                raise BuildError(name, f"belongs to {' and '.join(formats)} alone")
    if not report.recipients and format != ReportFormat.MESSAGE_ONLY:
        raise BuildError("recipients", "a report names at least one recipient")
    is_2003 = format != _ENVELOPE
    if is_2003:
        if format in COPIES:
            if original is None:
                raise BuildError("original", "is required: a copy is the original itself")
            hidden = report.recipients if format == ReportFormat.BCC else ()
            return write_copy(in_place(original, "original"), hidden, everyone=bcc_all)
        if format != ReportFormat.ENVELOPE_2003:
            raise BuildError("format", "is no report format")
    if domain is None:
        if not is_2003:
            raise BuildError("domain", "is required: the domain of the system sender")
    elif (problem := domain_problem(domain)) is not None:
        raise BuildError("domain", problem)
    if report_id is not None and _REPORT_ID.fullmatch(report_id) is None:
        raise BuildError("report_id", "is no Message-ID in angle brackets")
    if decrypted is not None and original is None:
        raise BuildError("decrypted", "is a copy of an original, and there is none")
    written = _date(datetime.now(UTC) if date is None else date)
    messages = [
        in_place(message, what)[:]
        for what, message in (("original", original), ("decrypted", decrypted))
        if message is not None
    ]
    encodings = [_encoding(message) for message in messages]
    # Where the original needs 8BITMIME, the text may need it too.
    allows_8bit = eight_bit or encodings.count(b"7bit") < len(encodings)
    text, text_parts = (_texts_2003 if is_2003 else _texts)(report, allows_8bit=allows_8bit)
    is_8bit = allows_8bit and not (text.isascii() or all(map(bytes.isascii, text_parts)))
    if report_id is None:
        # The text of Exchange 2003 leaves out what the other parts of such a report may hold.
        said = f"{text}{write_report_text(report)}{correct_marker}" if is_2003 else text
        kind = ("2003" if is_2003 else str(internal)) + " 8bit" * is_8bit
        report_id = _derived_id(said, report, messages, domain or "", kind, secret)
    text_part = _alternative(text_parts, report_id, is_8bit=is_8bit) if is_2003 else text_parts[0]
    if len(text_part) > REPORT_TEXT_LIMIT:
        raise BuildError("recipients", f"make a report text of more than {REPORT_TEXT_LIMIT} octets")
    boundary = _boundary(report_id, text_part, *messages)
    own = (
        _own_fields_2003(written, report_id, correct_marker=correct_marker)
        if is_2003
        else _own_fields(report, domain, written, report_id, internal=internal)
    )
    pieces = [
        b'Content-Type: multipart/mixed;\r\n\tboundary="%b"\r\n' % boundary,
        _outer_fields(report, messages, [*encodings, b"8bit"] if is_8bit else encodings, domain, own),
        b"\r\n--%b\r\n" % boundary,
        text_part,
    ]
    for message, encoding in zip(messages, encodings, strict=True):
        pieces.append(b"\r\n--%b\r\nContent-Type: message/rfc822\r\n" % boundary)
        if encoding != b"7bit":
            pieces.append(b"Content-Transfer-Encoding: %b\r\n" % encoding)
        pieces.append(b"\r\n")
        pieces.append(message)
    pieces.append(b"\r\n--%b--\r\n" % boundary)
    return _sealed(b"".join(pieces), secret)


def _require_types(report: object, format: object, domain: object, date: object, report_id: object) -> None:
    if (
        isinstance(report, JournalReport)
        and isinstance(format, str)
        and (domain is None or isinstance(domain, str))
        and (date is None or isinstance(date, datetime))
        and (report_id is None or isinstance(report_id, str))
    ):
        return
    require_type(report, JournalReport, "a JournalReport, as report_for() returns it,")
    require_type(format, str, "format as a ReportFormat")
    require_type(domain, (str, NoneType), "domain as a string")
    require_type(date, (datetime, NoneType), "date as a datetime")
    require_type(report_id, (str, NoneType), "report_id as a string")


def _sealed(data: bytes, secret: bytes | None) -> bytes:
    return data if secret is None else seal_field(data, secret) + data


def _known_secret(secret: bytes | None, format: ReportFormat) -> bytes | None:
    if secret is None:
        return None
    if format in COPIES:
        raise BuildError("secret", "belongs to the envelope formats: a copy is the original itself, and bears no seal")
    try:
        (known,) = known_secrets((secret,))
    except InvalidValue as error:
        raise BuildError("secret", error.reason) from None
    return known


@lru_cache(maxsize=64)
def domain_problem(domain: str, /) -> str | None:
    """Why mail cannot come from a domain, or None; a writer asks for one domain again and again."""
    if len(domain) <= _DOMAIN_LIMIT and re.fullmatch(_DOMAIN, domain) is not None:
        return None
    return "is no domain name in ASCII letters (an internationalised one goes in as its A-label)"


def _derived_id(
    text: str, report: JournalReport, messages: list[bytes], domain: str, kind: str, secret: bytes | None
) -> str:
    """A report id that two different reports never share: from every argument but the date, each with its length before it.

    The id of a sealed report is keyed with the secret of the seal, of which it shows nothing.
    """
    digest = hashlib.sha256()
    told = [text, repr(report.envelope_sender), domain, kind, str(len(messages))]
    for octets in (*(item.encode("utf-8") for item in told), *messages):
        digest.update(b"%d:" % len(octets))
        digest.update(octets)
    known = digest.digest() if secret is None else keyed(secret, b"report id", digest.digest())
    return f"<{_guid(known.hex())}@{names.REPORT_ID_DOMAIN}>"


def _guid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _boundary(report_id: str, *contents: bytes) -> bytes:
    """`_<guid>_`, derived from the report id and stepped until it occurs in no part (RFC 2046 section 5.1.1)."""
    step = 0
    while True:
        seed = hashlib.sha256(f"{step} {report_id}".encode()).hexdigest()
        boundary = f"_{_guid(seed)}_".encode()
        if all(fast_find(content, boundary, 0, len(content)) < 0 for content in contents):
            return boundary
        step += 1


def _encoding(message: bytes) -> bytes:
    """What a message needs of its transport (RFC 2045 section 6.2).

    Line lengths and bare line ends are left unlooked at: that would cost several times the rest of the writing.
    """
    if b"\0" in message:
        return b"binary"
    return b"7bit" if message.isascii() else b"8bit"


def _text_part(
    text: str, marked: Callable[[], str], subtype: str = "plain", other_charset: str = "utf-8", *, allows_8bit: bool
) -> bytes:
    """The header and the content of a text part: as it is where that is allowed, else in quoted-printable (RFC 2045 section 6).

    Never in base64: widely used archives read the lines of a report text without decoding them. `marked` gives the same text
    with the places where a line may be broken.
    """
    is_ascii = text.isascii()
    if is_ascii and (len(text) <= LINE_LIMIT or max(map(len, text.split("\r\n"))) <= LINE_LIMIT):
        header = f'Content-Type: text/{subtype}; charset="us-ascii"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
        return (header + text).encode("ascii")
    charset = "us-ascii" if is_ascii else other_charset
    content = text.encode(charset)
    name = "8bit"
    if is_ascii or not allows_8bit or max(map(len, content.split(b"\r\n"))) > LINE_LIMIT:
        name, content = "quoted-printable", quoted_printable(marked().encode(charset))
    header = f'Content-Type: text/{subtype}; charset="{charset}"\r\nContent-Transfer-Encoding: {name}\r\n\r\n'
    return header.encode("ascii") + content


def _texts(report: JournalReport, *, allows_8bit: bool) -> tuple[str, list[bytes]]:
    """The report text, and the part that holds it."""
    text = write_report_text(report)
    return text, [_text_part(text, lambda: write_report_text(report, is_marked=True), allows_8bit=allows_8bit)]


def _texts_2003(report: JournalReport, *, allows_8bit: bool) -> tuple[str, list[bytes]]:
    """The report text of Exchange 2003, its part and that of its HTML twin, in ISO 8859-1 if that has every character."""
    text = write_report_text_2003(report)
    charset = "iso-8859-1"
    try:
        if text_of(text.encode(charset), "latin_1") != text:
            charset = "utf-8"  # C1 control characters, which readers take for windows-1252
    except UnicodeEncodeError:
        charset = "utf-8"

    def marked() -> str:
        return write_report_text_2003(report, is_marked=True)

    return text, [
        _text_part(text, marked, "plain", charset, allows_8bit=allows_8bit),
        _text_part(html_twin(text), lambda: html_twin(marked()), "html", charset, allows_8bit=allows_8bit),
    ]


def _alternative(parts: list[bytes], report_id: str, *, is_8bit: bool) -> bytes:
    """The multipart of the report text of Exchange 2003 and its HTML twin."""
    boundary = _boundary(f"alternative {report_id}", *parts)
    delimiter = b"\r\n--%b" % boundary
    header = b'Content-Type: multipart/alternative;\r\n\tboundary="%b"\r\n' % boundary
    if is_8bit:
        header += b"Content-Transfer-Encoding: 8bit\r\n"
    return b"%b%b\r\n%b%b\r\n%b%b--\r\n" % (header, delimiter, parts[0], delimiter, parts[1], delimiter)


def _outer_fields(
    report: JournalReport, messages: list[bytes], encodings: list[bytes], domain: str | None, own: str
) -> bytes:
    """The outer header block behind Content-Type, in the order of the reports seen; `own` are the fields of the format."""
    copied, lists = _copied_fields(messages[0]) if messages else ({}, b"")
    lines = [b"Subject:", copied.get("Subject") or _own_subject(report.subject)]
    if "CC" in copied:
        lines += [b"\r\nCC:", copied["CC"]]
    if "To" in copied:
        lines += [b"\r\nTo:", copied["To"]]
    lines += [b"\r\nFrom:", copied.get("From") or _own_from(report.sender, domain), b"\r\nMIME-Version: 1.0\r\n"]
    # A multipart declares what its neediest part does (RFC 2045 section 6.4).
    for encoding in (b"binary", b"8bit"):
        if encoding in encodings:
            lines.append(b"Content-Transfer-Encoding: %b\r\n" % encoding)
            break
    lines.append(own.encode("ascii"))
    if report.envelope_sender is not None:
        lines += [_ENVELOPE_SENDER, _own_envelope_sender(report.envelope_sender), b"\r\n"]
    lines.append(lists)
    return b"".join(lines)


def _own_fields(report: JournalReport, domain: str | None, date: str, report_id: str, *, internal: bool) -> str:
    parent = report.message_id
    has_parent = len(parent) < LINE_LIMIT and _VISIBLE_ASCII.fullmatch(parent) is not None
    return (
        f"Sender:\r\n\t<{names.SYSTEM_SENDER}@{domain}>\r\nMessage-ID: {report_id}\r\nDate: {date}\r\n"
        + (_TRANSPORT_MARKER if internal else _PLAIN_MARKER)
        + (f"{names.PARENT_MESSAGE_ID}:\r\n\t{parent}\r\n" if has_parent else "")
        + _GENERATED
        + (_MUST_DELIVER if internal else "")
    )


def _own_fields_2003(date: str, report_id: str, *, correct_marker: bool) -> str:
    marker = names.MARKER_2003_RIGHT if correct_marker else names.MARKER_2003
    return f"Message-ID: {report_id}\r\nDate: {date}\r\n{marker}: {_MARKER_2003_VALUE}\r\n"


def _copied_fields(original: bytes) -> tuple[dict[str, bytes], bytes]:
    """The original's fields that a report repeats, cut as bytes: the first of each name, and all of a mailing list."""
    start = skip_from_line(original, 0, len(original))
    _, body, found, _ = scan(original, start, len(original), field_pattern(*_HEADER))
    copied = {name: cut for name, field in _COPIED if field in found and (cut := _cut(found[field])) is not None}
    if len(copied) == len(found):
        return copied, b""  # nothing to look for but the first of each
    is_list_mail = found.get(b"precedence", b"").strip().lower() == b"list"  # bulk mail has a Precedence as well
    lists: list[bytes] = []
    for name, value in fields(original[start:body]):
        lowered = name.lower()
        if lowered in _WANTED:
            if _WANTED[lowered] not in copied and (cut := _cut(value)) is not None:
                copied[_WANTED[lowered]] = cut
        elif (
            len(name) <= _NAME_LIMIT
            and (lowered.startswith(b"list-") or lowered in (b"precedence", b"x-mailing-list"))
            and (cut := _cut(value))
        ):
            lists.append(b"%b:%b\r\n" % (name, cut))
            is_list_mail |= lowered != b"precedence"
    listed = b"".join(lists)
    return copied, listed if is_list_mail and len(listed) <= COPIED_LIMIT else b""


def _cut(value: bytes) -> bytes | None:
    """A value with its folds as they were; None where there is nothing in it, or too much, or a line too long to be sent.

    Line ends become CRLF, each followed by the blank of its fold; a stray CR or NUL becomes a blank. A fold with nothing on it
    goes: where a server cuts trailing blanks it would end the header block.
    """
    value = value.removesuffix(b"\r")
    if len(value) > COPIED_LIMIT:
        return None
    if b"\n" not in value and b"\r" not in value and b"\0" not in value and len(value) <= LINE_LIMIT - _NAME_LIMIT - 1:
        return value if value.strip() else None
    first, *folds = [line.translate(_TO_BLANKS) for line in _LINE_ENDS.split(value)]
    lines = [first, *(line for line in folds if line.strip())]
    # The field's name stands on the first line as well.
    return None if max(map(len, lines)) > LINE_LIMIT - _NAME_LIMIT - 1 or not value.strip() else b"\r\n".join(lines)


def _own_subject(subject: str) -> bytes:
    """A subject where the original has none to copy."""
    if (
        subject.isascii()
        and subject.isprintable()
        and "=?" not in subject
        and len(subject) <= LINE_LIMIT - _NAME_LIMIT - 1
    ):
        return b" " + subject.encode("ascii")
    return b" " + encode_words(subject)


def _own_from(sender: str, domain: str | None) -> bytes:
    """An author where the original has none to copy; the system sender where the report's cannot stand in a header."""
    if _VISIBLE_ASCII.fullmatch(sender):
        return f" <{sender}>".encode()
    if domain is None:
        raise BuildError("domain", "is required where neither the original nor the report has an author for From")
    return f" <{names.SYSTEM_SENDER}@{domain}>".encode()


def _own_envelope_sender(sender: str) -> bytes:
    """MAIL FROM in angle brackets, or as encoded words where it is more than visible ASCII."""
    if not sender or _VISIBLE_ASCII.fullmatch(sender):
        return f"<{sender}>".encode()
    return encode_words(sender)


def _date(date: datetime) -> str:
    """A date in UTC (RFC 5322 section 3.3), without the locale that strftime would ask."""
    if date.utcoffset() is None:
        raise BuildError("date", "has no time zone")
    try:
        utc = date if date.tzinfo is UTC else date.astimezone(UTC)
    except OverflowError:
        raise BuildError("date", "is no year of UTC") from None
    # Two thirds of the time of a formatted string, and every report has a date.
    return "%s, %02d %s %04d %02d:%02d:%02d +0000" % (
        _DAYS[utc.weekday()],
        utc.day,
        _MONTHS[utc.month - 1],
        utc.year,
        utc.hour,
        utc.minute,
        utc.second,
    )
