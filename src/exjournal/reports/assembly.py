"""Putting a report in an envelope format together: its outer header block, its text part, and the messages it carries.

The two envelope formats share this; each contributes its report text and header fields of its own. Byte strings are joined: a
message goes in untouched. The result depends on the arguments alone.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.beginnings import skip_from_line
from exjournal._wire.buffers import fast_find, in_place
from exjournal._wire.headers import encode_words, field_pattern, fields, scan
from exjournal._wire.quoted_printable import quoted_printable
from exjournal.errors import BuildError
from exjournal.limits import COPIED_LIMIT, LINE_LIMIT, REPORT_TEXT_LIMIT
from exjournal.reports.models import JournalReport
from exjournal.reports.seals import keyed

if TYPE_CHECKING:
    from exjournal._wire.buffers import Data

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# A domain in an address: A-labels, or an address literal (RFC 5321 section 4.1.2 and 4.1.3).
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[A-Za-z0-9.:-]+\]")
_DOMAIN_LIMIT: Final = 255
# A msg-id whose brackets enclose visible ASCII (RFC 5322 section 3.6.4), short enough for one line.
_REPORT_ID = re.compile(r"<[!-;=?-~]{1,900}>")
VISIBLE_ASCII = re.compile(r"[!-~]+")

# The fields of the original that are repeated in the outer block, in the order of the reports seen.
_COPIED: Final = (("Subject", b"subject"), ("CC", b"cc"), ("To", b"to"), ("From", b"from"))
_COPIED_NAMES: Final = {field: name for name, field in _COPIED}
_COPIED_OR_LIST = field_pattern("subject", "cc", "to", "from", "list-[a-z-]+", "precedence", "x-mailing-list")
# Bytes that the name of a copied field and its colon take of a line, at most.
_NAME_LIMIT: Final = 79
_VALUE_LINE_LIMIT: Final = LINE_LIMIT - _NAME_LIMIT - 1
_LINE_ENDS = re.compile(rb"\r?\n")
_TO_SPACES: Final = bytes.maketrans(b"\r\0", b"  ")


class Options(NamedTuple):
    """The options of `build_report`, of the right types."""

    domain: str | None
    date: datetime
    report_id: str | None
    decrypted: "Data | None"
    internal: bool
    correct_marker: bool
    bcc_all: bool
    eight_bit: bool
    secret: bytes | None


class Draft(NamedTuple):
    """A report in an envelope format before it has a text: its checked arguments and the messages it carries.

    `encodings` holds the transfer encoding of each message. `allows_8bit` says whether the report text may be written as 8bit:
    the caller's server takes it, or the original needs such a server anyway.
    """

    report: JournalReport
    options: Options
    date: str
    messages: list[bytes]
    encodings: list[bytes]
    allows_8bit: bool


def begin_report(report: JournalReport, original: "Data | None", options: Options, /) -> Draft:
    """Check the options that both envelope formats have. Raises BuildError, and TypeError for a message of another type."""
    if options.domain is not None and (problem := domain_problem(options.domain)) is not None:
        raise BuildError("domain", problem)
    if options.report_id is not None and _REPORT_ID.fullmatch(options.report_id) is None:
        raise BuildError("report_id", "must be a Message-ID in angle brackets, at most 902 characters of visible ASCII")
    if options.decrypted is not None and original is None:
        raise BuildError("decrypted", "needs an original, of which it is a copy")
    date = _write_date(options.date)
    messages = [
        in_place(message, name)[:]
        for name, message in (("original", original), ("decrypted", options.decrypted))
        if message is not None
    ]
    encodings = [_encoding_of(message) for message in messages]
    allows_8bit = options.eight_bit or encodings.count(b"7bit") < len(encodings)
    return Draft(report, options, date, messages, encodings, allows_8bit)


@lru_cache(maxsize=64)
def domain_problem(domain: str, /) -> str | None:
    """Why mail cannot come from a domain, or None. Cached, as a writer uses the same domain for all its reports."""
    if len(domain) <= _DOMAIN_LIMIT and _DOMAIN.fullmatch(domain) is not None:
        return None
    return "must be a domain name in ASCII (an internationalized one as its A-label)"


def derive_report_id(draft: Draft, text: str, kind: str, /) -> str:
    """A report id that two different reports never share: derived from every argument but the date.

    `text` and `kind` are what the format contributes. The id of a sealed report is keyed with the secret of the seal, so that
    it reveals nothing.
    """
    options = draft.options
    strings = [text, repr(draft.report.envelope_sender), options.domain or "", kind, str(len(draft.messages))]
    # Each with its length before it, so that no two lists of strings give the same bytes.
    pieces = [string.encode("utf-8") for string in strings]
    digest = hashlib.sha256(b"".join([b"%d:%b" % (len(piece), piece) for piece in pieces]))
    for message in draft.messages:
        digest.update(b"%d:" % len(message))
        digest.update(message)
    result = digest.digest()
    if options.secret is not None:
        result = keyed(options.secret, b"report id", result)
    return f"<{_format_guid(result.hex())}@{names.REPORT_ID_DOMAIN}>"


def _format_guid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def choose_boundary(seed: str, /, *contents: bytes) -> bytes:
    """`_<guid>_`, derived from `seed` and stepped until it occurs in none of the contents (RFC 2046 section 5.1.1)."""
    step = 0
    while True:
        digest = hashlib.sha256(f"{step} {seed}".encode()).hexdigest()
        boundary = f"_{_format_guid(digest)}_".encode()
        if all(fast_find(content, boundary, 0, len(content)) < 0 for content in contents):
            return boundary
        step += 1


def _encoding_of(message: bytes) -> bytes:
    """The transfer encoding that a message needs to travel unchanged (RFC 2045 section 6.2).

    Line lengths and bare line ends are not checked: that would take several times as long as the rest of the writing.
    """
    if b"\0" in message:
        return b"binary"
    return b"7bit" if message.isascii() else b"8bit"


def write_text_part(
    text: str, marked: Callable[[], str], subtype: str = "plain", other_charset: str = "utf-8", *, allows_8bit: bool
) -> bytes:
    """The header block and the content of a text part, in quoted-printable if it must be (RFC 2045 section 6.7).

    Never in base64: widely used archives read the lines of a report text without decoding them. `marked` returns the same text
    with marks where a line may be broken; `other_charset` is for a text that is not ASCII.
    """
    is_ascii = text.isascii()
    if is_ascii and (len(text) <= LINE_LIMIT or max(map(len, text.split("\r\n"))) <= LINE_LIMIT):
        header = f'Content-Type: text/{subtype}; charset="us-ascii"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
        return (header + text).encode("ascii")
    charset = "us-ascii" if is_ascii else other_charset
    content = text.encode(charset)
    encoding = "8bit"
    if is_ascii or not allows_8bit or max(map(len, content.split(b"\r\n"))) > LINE_LIMIT:
        encoding, content = "quoted-printable", quoted_printable(marked().encode(charset))
    header = f'Content-Type: text/{subtype}; charset="{charset}"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return header.encode("ascii") + content


def finish_report(draft: Draft, report_id: str, text_part: bytes, own_fields: str, /, *, is_8bit: bool) -> bytes:
    """The bytes of a report. `own_fields` are the header fields of the format, each with its line end.

    Raises BuildError for a report text that is too large, and where From needs a domain that was not given.
    """
    if len(text_part) > REPORT_TEXT_LIMIT:
        raise BuildError("recipients", f"make a report text of more than {REPORT_TEXT_LIMIT} bytes")
    boundary = choose_boundary(report_id, text_part, *draft.messages)
    pieces = [
        b'Content-Type: multipart/mixed;\r\n\tboundary="%b"\r\n' % boundary,
        _outer_fields(draft, [*draft.encodings, b"8bit"] if is_8bit else draft.encodings, own_fields),
        b"\r\n--%b\r\n" % boundary,
        text_part,
    ]
    for message, encoding in zip(draft.messages, draft.encodings, strict=True):
        pieces.append(b"\r\n--%b\r\nContent-Type: message/rfc822\r\n" % boundary)
        if encoding != b"7bit":
            pieces.append(b"Content-Transfer-Encoding: %b\r\n" % encoding)
        pieces.append(b"\r\n")
        pieces.append(message)
    pieces.append(b"\r\n--%b--\r\n" % boundary)
    return b"".join(pieces)


def _outer_fields(draft: Draft, encodings: list[bytes], own_fields: str) -> bytes:
    """The outer header block after Content-Type, in the order of the reports seen."""
    report, domain = draft.report, draft.options.domain
    copied, lists = _copied_fields(draft.messages[0]) if draft.messages else ({}, b"")
    pieces = [b"Subject:", copied.get("Subject") or _own_subject(report.subject)]
    if "CC" in copied:
        pieces += [b"\r\nCC:", copied["CC"]]
    if "To" in copied:
        pieces += [b"\r\nTo:", copied["To"]]
    pieces += [b"\r\nFrom:", copied.get("From") or _own_from(report.sender, domain), b"\r\nMIME-Version: 1.0\r\n"]
    # A multipart declares what its neediest part does (RFC 2045 section 6.4).
    for encoding in (b"binary", b"8bit"):
        if encoding in encodings:
            pieces.append(b"Content-Transfer-Encoding: %b\r\n" % encoding)
            break
    pieces.append(own_fields.encode("ascii"))
    if report.envelope_sender is not None:
        pieces.append(b"%b: %b\r\n" % (names.ENVELOPE_SENDER.encode(), _own_envelope_sender(report.envelope_sender)))
    pieces.append(lists)
    return b"".join(pieces)


def _copied_fields(original: bytes) -> tuple[dict[str, bytes], bytes]:
    """The original's fields that a report repeats: the first of each name, and all fields of a mailing list as one string."""
    start = skip_from_line(original, 0, len(original))
    _, body, first_fields, _ = scan(original, start, len(original), _COPIED_OR_LIST)
    copied = {
        name: value
        for name, field in _COPIED
        if field in first_fields and (value := _copied_value(first_fields[field])) is not None
    }
    if len(copied) == len(first_fields):
        return copied, b""  # no list fields, and no empty first field that another one could replace
    is_list_mail = first_fields.get(b"precedence", b"").strip().lower() == b"list"  # bulk mail has a Precedence as well
    lists: list[bytes] = []
    for written_name, written_value in fields(original[start:body]):
        field = written_name.lower()
        if field in _COPIED_NAMES:
            if _COPIED_NAMES[field] not in copied and (value := _copied_value(written_value)) is not None:
                copied[_COPIED_NAMES[field]] = value
        elif (
            len(field) <= _NAME_LIMIT
            and (field.startswith(b"list-") or field in (b"precedence", b"x-mailing-list"))
            and (value := _copied_value(written_value))
        ):
            lists.append(b"%b:%b\r\n" % (written_name, value))
            is_list_mail |= field != b"precedence"
    listed = b"".join(lists)
    return copied, listed if is_list_mail and len(listed) <= COPIED_LIMIT else b""


def _copied_value(value: bytes) -> bytes | None:
    """A value with its folds as they were; None if it is empty, too large, or has a line too long to be sent.

    Line ends become CRLF, each followed by the space or tab of its fold; a stray CR or NUL becomes a space. Empty folds are
    dropped: where a server cuts trailing spaces, such a line would end the header block.
    """
    value = value.removesuffix(b"\r")
    if len(value) > COPIED_LIMIT:
        return None
    if b"\n" not in value and b"\r" not in value and b"\0" not in value and len(value) <= _VALUE_LINE_LIMIT:
        return value if value.strip() else None
    first, *folds = [line.translate(_TO_SPACES) for line in _LINE_ENDS.split(value)]
    lines = [first, *(line for line in folds if line.strip())]
    return None if max(map(len, lines)) > _VALUE_LINE_LIMIT or not value.strip() else b"\r\n".join(lines)


def _own_subject(subject: str) -> bytes:
    """The Subject of a report where the original has none to copy."""
    if subject.isascii() and subject.isprintable() and "=?" not in subject and len(subject) <= _VALUE_LINE_LIMIT:
        return b" " + subject.encode("ascii")
    return b" " + encode_words(subject)


def _own_from(sender: str, domain: str | None) -> bytes:
    """The From of a report where the original has none to copy: its sender, or the system sender if no header can hold that."""
    if VISIBLE_ASCII.fullmatch(sender):
        return f" <{sender}>".encode()
    if domain is None:
        raise BuildError("domain", "is required where neither the original nor the report has an author for From")
    return f" <{names.SYSTEM_SENDER}@{domain}>".encode()


def _own_envelope_sender(sender: str) -> bytes:
    """MAIL FROM in angle brackets, or as encoded words if it is not visible ASCII."""
    if not sender or VISIBLE_ASCII.fullmatch(sender):
        return f"<{sender}>".encode()
    return encode_words(sender)


def _write_date(date: datetime) -> str:
    """A date in UTC (RFC 5322 section 3.3), without strftime, which depends on the locale."""
    if date.utcoffset() is None:
        raise BuildError("date", "has no time zone")
    try:
        utc = date if date.tzinfo is UTC else date.astimezone(UTC)
    except OverflowError:
        raise BuildError("date", "is outside the years 1 to 9999 in UTC") from None
    # `%` takes two thirds of the time of a formatted string, and every report has a date.
    return "%s, %02d %s %04d %02d:%02d:%02d +0000" % (
        _DAYS[utc.weekday()],
        utc.day,
        _MONTHS[utc.month - 1],
        utc.year,
        utc.hour,
        utc.minute,
        utc.second,
    )
