"""Reading: from the bytes of a report to what it says and the parts it holds.

The reader walks the outer header block once, finds the delimiter lines with `bytes.find`, reads the small report text, and
hands out the original as a view. No step looks at the lines of the original. For any bytes it returns a `ParsedReport` in
which every non-empty line of the report text is accounted for, or raises `ParseError`; nothing else escapes.
"""

import re
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from exjournal._wire import names
from exjournal._wire.headers import (
    FIELD_LIMIT,
    HEADER_LIMIT,
    HEADER_LINE_LIMIT,
    decode,
    decode_words,
    field_pattern,
    one_line,
    scan,
    unfold,
    value_offset,
)
from exjournal._wire.message import message_id_of, skip_from_line
from exjournal._wire.multipart import PLAIN_ENCODINGS, Leaf, PartInfo, declared, text_decoded, transfer_decoded
from exjournal._wire.octets import in_place
from exjournal._wire.parts import leaves_of
from exjournal.addresses import address_problem
from exjournal.errors import Defect, DefectCode, InvalidValue, ParseError
from exjournal.models import (
    JournalReport,
    ParsedReport,
    Part,
    PartKind,
    ReportFormat,
    UncheckedParsedReport,
    UncheckedPart,
    UncheckedReport,
)
from exjournal.report_text import REPORT_TEXT_LIMIT, ReportText, read_report_text
from exjournal.usual import read_usual

if TYPE_CHECKING:
    from exjournal._wire.headers import Fields
    from exjournal._wire.octets import Data, Octets


_MARKERS: Final = {marker.lower().encode(): marker for marker in (names.MARKER, names.MARKER_IN_TRANSPORT)}
_MARKERS_2003: Final = {marker.lower().encode(): marker for marker in (names.MARKER_2003, names.MARKER_2003_RIGHT)}
_MARKER_PATTERNS: Final = (names.MARKER, names.MARKER_IN_TRANSPORT, names.MARKER_2003, names.MARKER_2003_RIGHT)
_ENVELOPE_SENDER: Final = names.ENVELOPE_SENDER.lower().encode()
_EMBEDDED_REPORT: Final = names.EMBEDDED_REPORT.lower().encode()
_OUTER = field_pattern(
    "content-type",
    "message-id",
    *_MARKER_PATTERNS,
    names.EMBEDDED_REPORT,
    names.ENVELOPE_SENDER,
)
# Markers are looked for, at twice the time, only in what could be a report: multipart/mixed, with a marker's words.
_INNER = field_pattern("subject", "message-id", "content-type")
_INNER_MARKERS = field_pattern(*_MARKER_PATTERNS)
# The word that every marker holds; an expression that begins with one plain octet is searched for at the speed of that octet.
_MARKER_WORDS: Final = (re.compile(rb"J(?i:ournal-?report)"), re.compile(rb"j(?i:ournal-?report)"))

_BLOCK_LIMITS: Final = (
    f"more than {HEADER_LIMIT} octets, {HEADER_LINE_LIMIT} lines, or {FIELD_LIMIT} fields of the names looked for"
)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Octets of line ends before everything; behind more of them is nothing that anybody sent.
_BLANK_LIMIT: Final = 64 << 10
_ODD_BEGINNINGS: Final = (b"\xef", b"\r", b"\n", b"F")
_DECODED_ENCODINGS: Final = frozenset(("base64", "quoted-printable"))
# Looking a member up on its enumeration calls a function on Python 3.11; a report needs ten of them.
_ENVELOPE: Final = ReportFormat.ENVELOPE
_TEXT: Final = PartKind.TEXT
_ORIGINAL: Final = PartKind.ORIGINAL
_DECRYPTED: Final = PartKind.DECRYPTED
_OTHER: Final = PartKind.OTHER

Defects = list[Defect]
_new = object.__new__


def detect_format(data: "Data", /) -> ReportFormat | None:
    """The format that the outer headers name, or None where they name none.

    Only markers count (MS-XJRNL 2.1): BCC and message-only copies have none and are never detected; `multipart/report` is
    none whatever else it says. Linear, at most 512 KiB are looked at.
    """
    octets = in_place(data, "a report")
    outer, _, _ = scan(octets, _begin(octets, []), len(octets), _OUTER)
    info = declared(outer.get(b"content-type", b""))
    return None if info.media_type == "multipart/report" else _marked(outer)[0]


def parse_report(data: "Data", /, *, format: ReportFormat | None = None, strict: bool = False) -> ParsedReport:
    """Read a journal report (MS-XJRNL 2.1).

    bytes and mmap are read in place, bytearray and memoryview are copied once. `format` is for reports that lost their
    marker: the grammar of the report text must then be there in full. `strict` turns the first defect into the error.
    Limits: a header block of 512 KiB, 250 parts, a report text of 16 MiB.

    Raises ParseError, with the code of what is missing or unreadable, and InvalidValue for a format that is none. Anything
    else is a bug.
    """
    octets = data if isinstance(data, bytes) else in_place(data, "a report")
    if format is not None and format not in ReportFormat.__members__.values():
        raise InvalidValue("format", "is no report format")
    result = _read(octets, None if format is None else ReportFormat(format))
    if strict and result.defects:
        first = result.defects[0]
        raise ParseError(first.code, first.detail, first.offset)
    return result


def _read(octets: "Octets", wanted: ReportFormat | None) -> ParsedReport:
    defects: Defects = []
    end = len(octets)
    start = _begin(octets, defects) if octets[:1] in _ODD_BEGINNINGS else 0
    if start == end:
        raise ParseError(DefectCode.EMPTY)
    outer, body, complete = scan(octets, start, end, _OUTER)
    if not complete and body < end:
        raise ParseError(DefectCode.HEADER_TOO_LARGE, _BLOCK_LIMITS, body)
    content_type = outer.get(b"content-type", b"")
    outer_defects: Defects = []
    envelope_sender = None
    if _ENVELOPE_SENDER in outer:
        envelope_sender = _envelope_sender(octets, start, body, outer[_ENVELOPE_SENDER], outer_defects)
    report_id = message_id_of(outer.get(b"message-id", b""))
    if not report_id:
        outer_defects.append(Defect(DefectCode.REPORT_ID_MISSING, "", start))
    marker = _envelope_marker(outer) if wanted is None else ""
    usual = read_usual(octets, body, end, content_type, envelope_sender) if marker else None
    if usual is None:
        info = declared(content_type)
        marker = _require_report(octets, start, body, outer, info, wanted)
        leaves = leaves_of(octets, start, body, end, info, defects)
        report, parts, original, decrypted, unparsed = _read_leaves(
            octets, leaves, body, marker, envelope_sender, defects
        )
    else:
        report, text, original = usual
        parts, decrypted, unparsed = (text, original), None, ()
        _compare(octets, original, report.subject, report.message_id, defects)
    # Filled field by field: calling the class takes longer.
    result = _new(UncheckedParsedReport)
    result.report = report
    result.format = _ENVELOPE
    result.marker = marker or "caller"
    result.report_id = report_id
    result.outer_block = octets[start:body]
    result.parts = parts
    result.defects = (*defects, *outer_defects)
    result.unparsed = unparsed
    result.original = None if original is None else original.content
    result.decrypted = None if decrypted is None else decrypted.content
    result.__class__ = ParsedReport
    return result  # type: ignore[no-any-return]


def _begin(octets: "Octets", defects: Defects) -> int:
    """Where the outer header block begins, behind what mailbox files and text editors put before it."""
    start = 0
    if octets[:3] == _BYTE_ORDER_MARK:
        defects.append(Defect(DefectCode.LEADING_BOM, "", 0))
        start = 3
    if octets[start : start + 1] in (b"\r", b"\n"):
        defects.append(Defect(DefectCode.LEADING_BLANK_LINES, "", start))
        beginning = octets[start : start + _BLANK_LIMIT]
        start += len(beginning) - len(beginning.lstrip(b"\r\n"))
    behind = skip_from_line(octets, start, len(octets))
    if behind != start:
        defects.append(Defect(DefectCode.LEADING_FROM_LINE, "", start))
    return behind


def _envelope_marker(fields: "Fields") -> str:
    """The marker of the envelope format, "" where there is none."""
    for name, marker in _MARKERS.items():
        if name in fields:  # by presence: the value is empty, or anything
            return marker
    return ""


def _marked(fields: "Fields") -> tuple[ReportFormat | None, str]:
    """The format that a marker names, and the marker."""
    marker = _envelope_marker(fields)
    if marker:
        return _ENVELOPE, marker
    for name, marker in _MARKERS_2003.items():
        if unfold(fields.get(name, b"")).lower() == names.MARKER_2003_VALUE:
            return ReportFormat.ENVELOPE_2003, marker
    return None, ""


def _require_report(
    octets: "Octets", start: int, body: int, outer: "Fields", info: PartInfo, wanted: ReportFormat | None
) -> str:
    """The marker of the report, "" where only the caller says that it is one; ParseError for what is no report."""
    if info.media_type == "multipart/report":
        detail = "a delivery, disposition or feedback report"
        raise ParseError(DefectCode.MULTIPART_REPORT, detail, value_offset(octets, start, body, b"content-type"))
    marked, marker = _marked(outer)
    chosen = wanted or marked
    if chosen is None:
        if _EMBEDDED_REPORT in outer:
            raise ParseError(
                DefectCode.EMBEDDED_REPORT, "a bounce", value_offset(octets, start, body, _EMBEDDED_REPORT)
            )
        raise ParseError(DefectCode.NOT_A_REPORT, "no marker: keep the message as it is")
    if chosen is not _ENVELOPE:
        raise ParseError(DefectCode.UNSUPPORTED_FORMAT, str(chosen))
    return marker if marked is chosen else ""


class _Body(NamedTuple):
    """What the parts of a report say and hold."""

    report: JournalReport
    parts: tuple[Part, ...]
    original: Part | None
    decrypted: Part | None
    unparsed: tuple[str, ...]


def _read_leaves(
    octets: "Octets", leaves: list[Leaf], body: int, marker: str, envelope_sender: str | None, defects: Defects
) -> _Body:
    text = _find_text(octets, leaves, marker, defects) or _no_text(leaves, marker, body)
    parts, original, decrypted = _parts(octets, leaves, text, defects)
    if original is not None:
        get = text.read.values.get
        _compare(octets, original, get("subject"), get("message_id"), defects)
    elif not any(leaf.info.family == "tnef" for leaf in leaves):
        defects.append(Defect(DefectCode.ORIGINAL_MISSING, "", len(octets)))
    return _Body(_facts(text, envelope_sender, defects), tuple(parts), original, decrypted, tuple(text.read.unparsed))


class _Text(NamedTuple):
    """The report text: which part it is, its octets behind the transfer encoding, and what was read off it."""

    leaf: Leaf
    octets: bytes
    read: ReportText


def _find_text(octets: "Octets", leaves: list[Leaf], marker: str, defects: Defects) -> _Text | None:
    """The first text part with a sender and recipients; under a marker the first with anything of a report."""
    fallback: tuple[_Text, Defects] | None = None
    for leaf in leaves:
        if leaf.info.family != "text" or leaf.end - leaf.start > REPORT_TEXT_LIMIT:
            continue
        oddities: Defects = []
        text = _read_text(octets, leaf, oddities)
        values = text.read.values
        if text.read.recipients and "sender" in values:
            defects += oddities
            return text
        if fallback is None and marker and (text.read.recipients or "sender" in values or "message_id" in values):
            fallback = (text, oddities)
    if fallback is not None:
        defects += fallback[1]
        return fallback[0]
    return None


def _no_text(leaves: list[Leaf], marker: str, body: int) -> NoReturn:
    for leaf in leaves:
        if leaf.end - leaf.start > REPORT_TEXT_LIMIT and leaf.info.family == "text":
            raise ParseError(DefectCode.REPORT_TEXT_TOO_LARGE, f"more than {REPORT_TEXT_LIMIT} octets", leaf.start)
    missing = "a sender, a recipient or a Message-Id line" if marker else "a sender line and a recipient line"
    raise ParseError(DefectCode.REPORT_TEXT_MISSING, f"no text part holds {missing}", body)


def _read_text(octets: "Octets", leaf: Leaf, oddities: Defects) -> _Text:
    info, start, end = leaf
    raw = octets[start:end] if info.encoding in PLAIN_ENCODINGS else _content(octets, leaf, oddities)
    if raw[:3] == _BYTE_ORDER_MARK:
        oddities.append(Defect(DefectCode.LEADING_BOM, "in the report text", start))
        text, problem = text_decoded(raw[3:], "utf-8")  # whatever the label says
    else:
        text, problem = text_decoded(raw, info.charset)
    if problem is not None:
        oddities.append(Defect(problem, "", start))
    text = text.removeprefix("\ufeff")  # UTF-16 that names its byte order and begins with a mark even so
    read = read_report_text(text)
    if read.oddities:
        # Lines can be found again in the caller's bytes where the octets are those and a line end is a line end.
        starts = [leaf.start]
        if leaf.info.encoding in PLAIN_ENCODINGS and raw.count(b"\n") == text.count("\n"):
            for line in raw.split(b"\n")[:-1]:
                starts.append(starts[-1] + len(line) + 1)
        for code, first, last in read.oddities:
            detail = f"line {first + 1}" if first == last else f"lines {first + 1} to {last + 1}"
            oddities.append(Defect(code, detail, starts[first] if len(starts) > first else leaf.start))
    return _Text(leaf, raw, read)


def _content(octets: "Octets", leaf: Leaf, defects: Defects) -> bytes:
    """The octets of a part behind its transfer encoding."""
    encoding = leaf.info.encoding
    if encoding not in _DECODED_ENCODINGS:
        defects.append(Defect(DefectCode.TRANSFER_ENCODING_UNKNOWN, "", leaf.start))
        return octets[leaf.start : leaf.end]
    content, whole = transfer_decoded(octets, leaf.start, leaf.end, encoding)
    if not whole:
        defects.append(Defect(DefectCode.TRANSFER_ENCODING_DAMAGED, encoding, leaf.start))
    return content


def _parts(
    octets: "Octets", leaves: list[Leaf], text: _Text, defects: Defects
) -> tuple[list[Part], Part | None, Part | None]:
    """Every part with its kind; the first message is the original, a second one its decrypted copy."""
    view = memoryview(octets)
    parts: list[Part] = []
    original: Part | None = None
    decrypted: Part | None = None
    for leaf in leaves:
        info, start, end = leaf
        part = UncheckedPart(_OTHER, info.media_type, info.encoding, view[start:end], start, end - start)
        parts.append(part)
        if leaf is text.leaf:
            part.kind = _TEXT
            if info.encoding in _DECODED_ENCODINGS:
                part.content = memoryview(text.octets)
        elif info.family == "message" and decrypted is None:
            if info.encoding not in PLAIN_ENCODINGS:
                if info.encoding in _DECODED_ENCODINGS:
                    # Against RFC 2046 section 5.2.1, but met.
                    defects.append(Defect(DefectCode.ORIGINAL_ENCODED, info.encoding, start))
                part.content = memoryview(_content(octets, leaf, defects))
            if original is None:
                part.kind = _ORIGINAL
                original = part
            else:
                part.kind = _DECRYPTED
                decrypted = part
        elif info.family == "tnef":
            defects.append(Defect(DefectCode.ORIGINAL_TNEF, "", start))
        elif info.family == "html" and original is None:
            defects.append(Defect(DefectCode.HTML_TWIN, "", start))
        else:
            defects.append(Defect(DefectCode.EXTRA_PART, f"part {len(parts)}", start))
        part.__class__ = Part
    return parts, original, decrypted


def _compare(octets: "Octets", original: Part, subject: str | None, message_id: str | None, defects: Defects) -> None:
    """Look at the header block of the original: that there is one, whose it is, and that it agrees with the report text."""
    offset = original.offset
    if original.encoding in _DECODED_ENCODINGS:
        octets = bytes(original.content[: HEADER_LIMIT + 1])
        begin, end = 0, len(octets)
        is_plain = False  # offsets inside an encoded part mean nothing: its beginning stands for them
    else:
        begin, end, is_plain = offset, offset + original.size, True
    if begin == end:
        defects.append(Defect(DefectCode.ORIGINAL_EMPTY, "", offset))
        return
    first = _FIRST_FIELD.match(octets, begin, end)
    if first is None:
        defects.append(Defect(DefectCode.ORIGINAL_WITHOUT_HEADERS, "", offset))
        return
    start = first.start(1)
    inner, body, complete = scan(octets, start, end, _INNER)
    if not complete and body < end:
        defects.append(Defect(DefectCode.ORIGINAL_HEADER_TOO_LARGE, _BLOCK_LIMITS, offset))
    if (
        b"multipart/mixed" in inner.get(b"content-type", b"").lower()
        and any(word.search(octets, start, body) is not None for word in _MARKER_WORDS)
        and _marked(scan(octets, start, end, _INNER_MARKERS)[0])[0] is not None
    ):
        defects.append(Defect(DefectCode.NESTED_REPORT, "the original is a report itself", offset))
    for field, reported, code in (
        (b"message-id", message_id, DefectCode.MESSAGE_ID_MISMATCH),
        (b"subject", subject, DefectCode.SUBJECT_MISMATCH),
    ):
        if reported is None:
            continue
        value = inner.get(field, b"").strip()
        # Nearly all are equal as they stand; only what is not is decoded with care.
        if value.decode("latin-1") != reported and not _agree(field, value, reported):
            defects.append(Defect(code, "", value_offset(octets, start, body, field) if is_plain else offset))


_MESSAGE_ID = re.compile(r"<[^<>]*>")
# Octets of a value that are decoded for a comparison; a longer one agrees only as it stands.
_COMPARED_LIMIT: Final = 64 << 10
# The first field of a message, behind a line that a mailbox file left before it.
_FIRST_FIELD = re.compile(rb"(?:From (?![ \t]*:)[^\n]*+\n)?([!-9;-~]{1,998}+[ \t]*+:)")


def _agree(field: bytes, value: bytes, reported: str) -> bool:
    """Whether a report names a field's value, decoded or as it was written; folds differ in their blanks."""
    if len(value) > _COMPARED_LIMIT:
        return False
    words = reported.split()
    if words == one_line(value).split() or words == decode(unfold(value)).split():
        return True
    # Gateways put comments behind a Message-ID.
    own = _MESSAGE_ID.match(decode(value)) if field == b"message-id" else None
    told = _MESSAGE_ID.match(reported)
    return own is not None and told is not None and own[0] == told[0]


_REQUIRED: Final = {
    "sender": DefectCode.SENDER_MISSING,
    "subject": DefectCode.SUBJECT_MISSING,
    "message_id": DefectCode.MESSAGE_ID_MISSING,
}


# Seldom there: the last fields of JournalReport, in their order.
_MANAGED_FOLDER: Final = ("label", "mailbox", "sent_utc", "received_utc")
_NO_MANAGED_FOLDER: Final = (None,) * len(_MANAGED_FOLDER)


def _facts(text: _Text, envelope_sender: str | None, defects: Defects) -> JournalReport:
    values = text.read.values
    recipients = text.read.recipients
    if not recipients or not values.keys() >= _REQUIRED.keys():
        defects += [Defect(code, "", text.leaf.start) for name, code in _REQUIRED.items() if name not in values]
        if not recipients:
            defects.append(Defect(DefectCode.RECIPIENTS_MISSING, "", text.leaf.start))
    get = values.get
    report: JournalReport = UncheckedReport(
        get("sender", ""),
        tuple(recipients),
        get("subject", ""),
        get("message_id", ""),
        get("on_behalf_of"),
        envelope_sender,
        *(_NO_MANAGED_FOLDER if values.keys() <= _REQUIRED.keys() else map(get, _MANAGED_FOLDER)),
    )
    report.__class__ = JournalReport
    return report


def _envelope_sender(octets: "Octets", start: int, body: int, value: bytes, defects: Defects) -> str | None:
    """MAIL FROM as the writer put it: in angle brackets, or as encoded words where it is more than visible ASCII."""
    text = decode(unfold(value))
    address = text[1:-1] if text[:1] == "<" and text[-1:] == ">" else decode_words(text)
    if text != "<>" and address_problem(address) is not None:
        offset = value_offset(octets, start, body, _ENVELOPE_SENDER)
        defects.append(Defect(DefectCode.ENVELOPE_SENDER_INVALID, "", offset))
        return None
    return address
