"""Reading: from the bytes of a report to what it says and the parts it holds.

The reader walks the outer header block once, finds the delimiter lines with `bytes.find`, reads the small report text, and
hands out the original as a view. No step looks at the lines of the original. For any bytes it returns a `ParsedReport` in
which every non-empty line of the report text is accounted for, or raises `ParseError`; nothing else escapes.
"""

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from exjournal._wire import names
from exjournal._wire.beginnings import (
    BYTE_ORDER_MARK,
    ODD_BEGINNINGS,
    is_separator,
    lead_in,
    refuse_cr_line_ends,
    scan_message,
)
from exjournal._wire.buffers import fast_find, in_place
from exjournal._wire.endings import (
    ENDING_SIZE,
    ENDINGS,
    LAST_BYTES,
    LINE_SIZE,
    cut_notice,
    is_closed_bounce,
    is_unclosed,
)
from exjournal._wire.grammar import FROM_BEGINS, HEADER_END, QUOTED_FROM_LINE, SHORT_FIELD_BEGINS
from exjournal._wire.headers import (
    BLOCK_LIMITS,
    UNCLEAR,
    ambiguities,
    decode,
    decode_words,
    even_block_end,
    field_pattern,
    find_fields,
    one_line,
    scan,
    text_of,
    unfold,
    value_offset,
)
from exjournal._wire.html import lines_of_html
from exjournal._wire.message import message_id_of
from exjournal._wire.multipart import (
    DECODED_ENCODINGS,
    PLAIN_ENCODINGS,
    Leaf,
    PartInfo,
    declared,
    text_decoded,
)
from exjournal._wire.parts import Opened, content_of, leaves_of, opened
from exjournal.addresses import address_problem
from exjournal.errors import Defect, DefectCode, InvalidValue, ParseError
from exjournal.limits import DEFECT_LIMIT, HEADER_LIMIT, RECIPIENT_SIZE, REPORT_TEXT_LIMIT
from exjournal.reports.copies import read_copy
from exjournal.reports.envelope import ReportText, TooManyRecipients, read_report_text
from exjournal.reports.envelope_2003 import read_report_text_2003
from exjournal.reports.fast_reader import read_usual
from exjournal.reports.markers import MARKERS, OUTER, envelope_marker, marked, marker_2003
from exjournal.reports.models import (
    COPIES,
    GRAMMAR,
    JournalReport,
    ParsedReport,
    Part,
    PartKind,
    ReportFormat,
    UncheckedParsedReport,
    UncheckedPart,
    UncheckedReport,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exjournal._wire.buffers import Buffer, Data
    from exjournal._wire.headers import Block, Fields


_ENVELOPE_SENDER: Final = names.ENVELOPE_SENDER.lower().encode()
_EMBEDDED_REPORT: Final = names.EMBEDDED_REPORT.lower().encode()
# Markers are looked for, at twice the time, only in what could be a report: multipart/mixed, with a marker's words.
_INNER = field_pattern("subject", "message-id", "content-type")
# A word of every marker; an expression that begins with one plain octet is searched for at the speed of that octet.
_MARKER_WORD = re.compile(rb"J(?i:ournal-?(?:report|id))")
_MARKER_WORD_LOWER = re.compile(rb"j(?i:ournal-?(?:report|id))")

# Looking a member up on its enumeration calls a function on Python 3.11; a report needs ten of them.
_ENVELOPE: Final = ReportFormat.ENVELOPE
_TEXT: Final = PartKind.TEXT
_ORIGINAL: Final = PartKind.ORIGINAL
_DECRYPTED: Final = PartKind.DECRYPTED
_OTHER: Final = PartKind.OTHER

_CR: Final = 13
_LF: Final = 10

Defects = list[Defect]
_new = object.__new__


def detect_format(data: "Data", /) -> ReportFormat | None:
    """The format that the outer headers name, or None where they name none.

    Only markers count (MS-XJRNL 2.1): BCC and message-only copies have none and are never detected; `multipart/report` is
    none whatever else it says. Linear, at most 512 KiB are looked at.
    """
    octets = in_place(data, "a report")
    outer = scan_message(octets, OUTER).fields
    info = declared(outer.get(b"content-type", b""))
    return None if info.media_type == "multipart/report" else marked(outer)[0]


def parse_report(data: "Data", /, *, format: ReportFormat | None = None, strict: bool = False) -> ParsedReport:
    """Read a journal report (MS-XJRNL 2.1).

    bytes and mmap are read in place, bytearray and memoryview are copied once. `format` is for reports that lost their
    marker, and must be given for BCC and message-only copies, which have none. The grammar of an envelope format must then be
    there in full; a copy is what its caller says it is. `strict` turns the first defect into the error.
    Limits: a header block of 512 KiB, 250 parts, a report text of 16 MiB, 150,000 recipients or one for each 24 characters of
    the report text; beyond them a ParseError. A result has at most 10,000 defects, of which the last is then `more-defects`. It
    takes no more memory than 20 times the input, or 64 MB if that is more.

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


def _read(octets: "Buffer", wanted: ReportFormat | None) -> ParsedReport:
    defects: Defects = []
    end = len(octets)
    start = _begin(octets, defects) if octets[:1] in ODD_BEGINNINGS else 0
    if start == end:
        raise ParseError(DefectCode.EMPTY)
    if wanted in COPIES:
        return read_copy(octets, wanted)
    body = even_block_end(octets, start, end)
    is_even = body >= 0
    block = octets[start:body] if is_even else b""
    outer, beyond = find_fields(block, OUTER)
    if not is_even or beyond is not None:
        _, body, outer, _ = _odd_block(octets, start, end)
        block = octets[start:body]
    outer_defects = [] if is_even and UNCLEAR not in outer else _ambiguous(block, start)
    content_type = outer.get(b"content-type", b"")
    envelope_sender = None
    if _ENVELOPE_SENDER in outer:
        envelope_sender = _envelope_sender(octets, start, body, outer[_ENVELOPE_SENDER], outer_defects)
    report_id = message_id_of(outer.get(b"message-id", b""))
    if not report_id:
        outer_defects.append(Defect(DefectCode.REPORT_ID_MISSING, "", start))
    format, marker = _ENVELOPE, envelope_marker(outer) if wanted is None else ""
    usual = read_usual(octets, body, end, content_type, envelope_sender) if marker else None
    if usual is None:
        info = declared(content_type)
        format, marker = _require_report(octets, start, body, end, outer, info, wanted)
        read = _read_parts(octets, start, body, end, info, format, marker, envelope_sender, defects)
        report, parts, original, decrypted, evidence, unparsed = read
        _note_cut(octets, body, end, original, defects)
    else:
        report, text, original = usual
        parts, decrypted, evidence, unparsed = (text, original), None, "", ()
        if not _compare(octets, original, report.subject, report.message_id, defects):
            close = original.offset + original.size
            if _may_be_cut(octets, close):
                _note_cut(octets, original.offset, close, original, defects)
    # Filled field by field: calling the class takes longer.
    result = _new(UncheckedParsedReport)
    result.report = report
    result.format = format
    result.marker = marker or GRAMMAR
    result.report_id = report_id
    result.outer_block = block
    result.parts = parts
    result.defects = (*defects, *outer_defects)
    result.unparsed = unparsed
    result.original = None if original is None else original.content
    result.decrypted = None if decrypted is None else decrypted.content
    result.decrypted_evidence = evidence
    result.__class__ = ParsedReport
    return result  # type: ignore[no-any-return]


def _may_be_cut(octets: "Buffer", close: int) -> bool:
    """A glance at the end of a message: most end with one line end, after a byte that no notice ends with."""
    last = octets[close - 1]
    if last == _LF:
        last = octets[close - 3 if octets[close - 2] == _CR else close - 2]
    return last in LAST_BYTES and octets[close - ENDING_SIZE : close].rstrip().endswith(ENDINGS)


def _note_cut(octets: "Buffer", start: int, end: int, original: Part | None, defects: Defects) -> None:
    """Add a defect for a notice in the last line that the message was cut, unless the defect is there for another reason."""
    notice = cut_notice(octets, start, end)
    if notice is None or any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in defects):
        return
    if original is not None:
        # Where the original is a bounce itself, the notice is about the message that it returns.
        first, last = original.offset, original.offset + original.size
        if first <= notice < last and is_closed_bounce(octets, first, last):
            return
    defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, "the last lines say so", notice))


def _begin(octets: "Buffer", defects: Defects) -> int:
    """Where the outer header block begins, behind what mailbox files and text editors put before it."""
    mark, blank, begin = lead_in(octets)
    for start, end, code in (
        (0, mark, DefectCode.LEADING_BOM),
        (mark, blank, DefectCode.LEADING_BLANK_LINES),
        (blank, begin, DefectCode.LEADING_FROM_LINE),
    ):
        if start != end:
            is_text = code is DefectCode.LEADING_FROM_LINE and not is_separator(octets, start, end, or_quoted=True)
            defects.append(Defect(code, "not a separator of a mailbox" if is_text else "", start))
    return begin


def _odd_block(octets: "Buffer", start: int, end: int) -> "Block[Fields]":
    block = scan(octets, start, end, OUTER)
    refuse_cr_line_ends(octets, start, end)
    block.require_complete()
    return block


def _ambiguous(block: bytes, start: int) -> Defects:
    """Where readers disagree about the outer header block, which begins at `start`."""
    return [Defect(DefectCode.AMBIGUOUS_HEADER, words, start + offset) for words, offset in ambiguities(block)]


def _require_report(
    octets: "Buffer", start: int, body: int, end: int, outer: "Fields", info: PartInfo, wanted: ReportFormat | None
) -> tuple[ReportFormat, str]:
    """The format of the report and its marker, "" where only the caller says so; ParseError for what is no report."""
    if info.media_type == "multipart/report":
        detail = "a delivery, disposition or feedback report"
        raise ParseError(DefectCode.MULTIPART_REPORT, detail, value_offset(octets, start, body, b"content-type"))
    named, marker = marked(outer)
    chosen = wanted or named
    if chosen is None:
        if _EMBEDDED_REPORT in outer:
            raise ParseError(
                DefectCode.EMBEDDED_REPORT, "a bounce", value_offset(octets, start, body, _EMBEDDED_REPORT)
            )
        if info.family == "multipart" and _reads_like_report(octets, body, end, info.boundary):
            raise ParseError(DefectCode.NOT_A_REPORT, READS_LIKE)
        raise ParseError(DefectCode.NOT_A_REPORT, "no marker: keep the message as it is")
    if named is not chosen:
        marker = envelope_marker(outer) if chosen is _ENVELOPE else marker_2003(outer)
    return chosen, marker


# What an error says of a message that lost its marker, if it was a report.
READS_LIKE: Final = "no marker, but it reads like a report: format=ReportFormat.ENVELOPE reads it as one"


def _reads_like_report(octets: "Buffer", body: int, end: int, boundary: bytes) -> bool:
    """Whether a message without a marker is a report in full: a report text and an original."""
    # A glance at the first text: ordinary mail must not pay for this.
    position = octets.find(b"--" + boundary, body, min(end, body + _GLANCE))
    for _ in range(_OPENED if position >= 0 else 0):
        header_end = _HEADER_END.search(octets, position, min(end, position + _GLANCE))
        if header_end is None:
            return False
        position = header_end.end()
        if octets[position : position + 2] != b"--":
            break
    if _TEXT_BEGINS.match(octets, position, end) is None:
        return False
    try:
        return _read(octets, _ENVELOPE).original is not None
    except ParseError:
        return False


# Bytes of a body, or of a part, in which the end of a header block is looked for.
_GLANCE: Final = 4096
# Multiparts that gateways put around a report.
_OPENED: Final = 5
_HEADER_END = re.compile(HEADER_END)
# The first label of a report text, or `Sender` in base64.
_TEXT_BEGINS = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,20}(?:(?i:sender|on-behalf-of|subject|message-id|to|cc|bcc|recipient)[ \t]*:|U2VuZGVyO)"
)


# What the parts of a report say and hold: report, parts, original, decrypted, evidence, unparsed.
_Body = tuple[JournalReport, tuple[Part, ...], Part | None, Part | None, str, tuple[str, ...]]


def _read_parts(
    octets: "Buffer",
    start: int,
    body: int,
    end: int,
    info: PartInfo,
    format: ReportFormat,
    marker: str,
    envelope_sender: str | None,
    defects: Defects,
) -> _Body:
    if info.ambiguities:
        offset = value_offset(octets, start, body, b"content-type")
        defects += [Defect(DefectCode.AMBIGUOUS_HEADER, words, offset) for words, _ in info.ambiguities]
    noted: Defects = []
    leaves = leaves_of(octets, start, body, end, info, noted)
    inside = opened(octets, start, body, end, info, leaves, noted)
    defects += noted
    if inside is not None:
        return _read_opened(octets, inside, body, format, marker, envelope_sender, defects)
    return _read_leaves(octets, leaves, body, format, marker, envelope_sender, defects)


def _read_leaves(
    octets: "Buffer",
    leaves: list[Leaf],
    body: int,
    format: ReportFormat,
    marker: str,
    envelope_sender: str | None,
    defects: Defects,
) -> _Body:
    text = _find_text(octets, leaves, format, marker, defects) or _no_text(leaves, marker, body)
    lines_end = len(defects)
    parts, messages = _parts(octets, leaves, text, format, defects)
    original, decrypted, evidence = _told_apart(messages)
    for part in parts:
        part.__class__ = Part
    if original is not None:
        get = text.read.values.get
        _compare(octets, original, get("subject"), get("message_id"), defects)
    elif not any(leaf.info.family == "tnef" for leaf in leaves):
        defects.append(Defect(DefectCode.ORIGINAL_MISSING, "", len(octets)))
    report = _facts(text, format, envelope_sender, defects)
    if text.read.left_out or len(defects) > _BODY_DEFECTS:
        _leave_out(defects, lines_end, text)
    return report, tuple(parts), original, decrypted, evidence, tuple(text.read.unparsed)


def _read_opened(
    octets: "Buffer",
    inside: Opened,
    body: int,
    format: ReportFormat,
    marker: str,
    envelope_sender: str | None,
    defects: Defects,
) -> _Body:
    """The same for a report of which a multipart was encoded; offsets are those of the caller's bytes."""
    begun = len(defects)
    try:
        read = _read_leaves(inside.data, inside.leaves, body, format, marker, envelope_sender, defects)
    except ParseError as error:
        raise ParseError(error.code, error.detail, inside.place(error.offset)) from None
    defects[begun:] = [defect._replace(offset=inside.place(defect.offset)) for defect in defects[begun:]]
    view = memoryview(octets)
    parts: list[Part] = []
    for part, leaf in zip(read[1], inside.leaves, strict=True):
        content, offset, size = part.content, inside.place(part.offset), part.size
        if inside.is_inside(leaf):
            # A buffer of its own, as any content after decoding.
            content, size = memoryview(bytes(content)), inside.encoded_end - inside.start
            offset = inside.start
        elif content.obj is inside.data:
            content = view[offset : offset + size]
        parts.append(Part(part.kind, part.media_type, part.encoding, content, offset, size))
    by_kind = {part.kind: part for part in parts}
    return read[0], tuple(parts), by_kind.get(_ORIGINAL), by_kind.get(_DECRYPTED), *read[4:]


# Defects of the body: the outer header block can have two more.
_BODY_DEFECTS: Final = DEFECT_LIMIT - 2


def _leave_out(defects: Defects, lines_end: int, text: "_Text") -> None:
    """Leave out defects of lines, of which the last is before `lines_end`, and say how many."""
    # All other defects are bounded by the number of parts, and one of them may say that the report is incomplete.
    too_many = len(defects) + 1 - _BODY_DEFECTS
    del defects[lines_end - too_many : lines_end]
    count = text.read.left_out + too_many
    defects.append(Defect(DefectCode.MORE_DEFECTS, f"{count} more in the report text", text.leaf.start))


class _Text(NamedTuple):
    """The report text: which part it is, its bytes after transfer decoding, and what was read from it."""

    leaf: Leaf
    octets: bytes
    read: ReportText


def _find_text(
    octets: "Buffer", leaves: list[Leaf], format: ReportFormat, marker: str, defects: Defects
) -> _Text | None:
    """The first text part with a sender and recipients; under a marker the first with anything of a report.

    HTML is read only where no text part will do.
    """
    has_message = any(leaf.info.family in _MESSAGE_FAMILIES for leaf in leaves)
    for family in ("text", "html"):
        fallback: tuple[_Text, Defects] | None = None
        for leaf in leaves:
            if leaf.info.family != family or leaf.end - leaf.start > REPORT_TEXT_LIMIT:
                continue
            oddities: Defects = []
            text = _read_text(octets, leaf, format, oddities)
            values = text.read.values
            if text.read.recipients and "sender" in values:
                if not marker and not has_message and _is_mostly_foreign(text.read):
                    continue
                defects += oddities
                return text
            if fallback is None and marker and (text.read.recipients or "sender" in values or "message_id" in values):
                fallback = (text, oddities)
        if fallback is not None:
            defects += fallback[1]
            return fallback[0]
    return None


_MESSAGE_FAMILIES: Final = ("message", "tnef")


def _is_mostly_foreign(read: ReportText) -> bool:
    """Whether a text has more lines that are not fields than fields."""
    foreign = sum(1 + line.count("\n") for line in read.unparsed)
    return foreign > len(read.recipients) + len(read.values)


def _no_text(leaves: list[Leaf], marker: str, body: int) -> NoReturn:
    for leaf in leaves:
        if leaf.end - leaf.start > REPORT_TEXT_LIMIT and leaf.info.family == "text":
            raise ParseError(DefectCode.REPORT_TEXT_TOO_LARGE, f"more than {REPORT_TEXT_LIMIT} octets", leaf.start)
    tnef = [leaf for leaf in leaves if leaf.info.family == "tnef"]
    if tnef and not any(leaf.info.family == "message" for leaf in leaves):
        raise ParseError(DefectCode.REPORT_TNEF, "the whole report is encoded as TNEF", tnef[0].start)
    missing = "a sender, a recipient or a Message-Id line" if marker else "a sender line and a recipient line"
    raise ParseError(DefectCode.REPORT_TEXT_MISSING, f"no text part holds {missing}", body)


def _read_text(octets: "Buffer", leaf: Leaf, format: ReportFormat, oddities: Defects) -> _Text:
    info, start, end = leaf
    raw = octets[start:end] if info.encoding in PLAIN_ENCODINGS else _content(octets, leaf, oddities)
    is_plain = info.encoding in PLAIN_ENCODINGS or _is_plain(oddities)
    if raw[:3] == BYTE_ORDER_MARK:
        oddities.append(Defect(DefectCode.LEADING_BOM, "in the report text", start))
        text, problem = text_decoded(raw[3:], "utf-8")  # whatever the label says
    else:
        text, problem = text_decoded(raw, info.charset)
    if problem is not None:
        oddities.append(Defect(problem, "", start))
    text = text.removeprefix("\ufeff")  # UTF-16 that names its byte order and begins with a mark even so
    is_html = info.family == "html"
    if is_html:
        oddities.append(Defect(DefectCode.REPORT_TEXT_HTML, "", start))
        text = lines_of_html(text)
    try:
        read = read_report_text(text) if format is _ENVELOPE else read_report_text_2003(text)
    except TooManyRecipients as beyond:
        detail = f"more than {beyond.args[0]}, and fewer than {RECIPIENT_SIZE} characters for each"
        raise ParseError(DefectCode.TOO_MANY_RECIPIENTS, detail, start) from None
    if read.oddities:
        # Lines can be found again in the caller's bytes where the octets are those and a line end is a line end.
        starts: dict[int, int] = {}
        if not is_html and is_plain and raw.count(b"\n") == text.count("\n"):
            starts = _line_starts(raw, {first for _, first, _ in read.oddities})
        for code, first, last in read.oddities:
            detail = f"line {first + 1}" if first == last else f"lines {first + 1} to {last + 1}"
            oddities.append(Defect(code, detail, start + starts.get(first, 0)))
    return _Text(leaf, raw, read)


def _line_starts(raw: bytes, numbers: "Iterable[int]") -> dict[int, int]:
    """Where the lines of these numbers begin, counted from 0."""
    starts: dict[int, int] = {}
    number = position = 0
    for wanted in sorted(numbers):
        while number < wanted:
            position = raw.index(b"\n", position) + 1
            number += 1
        starts[wanted] = position
    return starts


def _content(octets: "Buffer", leaf: Leaf, defects: Defects) -> bytes:
    """The octets of a part behind its transfer encoding."""
    encoding = leaf.info.encoding
    if encoding not in DECODED_ENCODINGS:
        defects.append(Defect(DefectCode.TRANSFER_ENCODING_UNKNOWN, "", leaf.start))
        return octets[leaf.start : leaf.end]
    return content_of(octets, leaf, defects)


def _is_plain(defects: Defects) -> bool:
    """Whether content was taken as it is, by the defects of reading it."""
    return any(defect.code is DefectCode.TRANSFER_ENCODING_MISMATCH for defect in defects)


def _parts(
    octets: "Buffer", leaves: list[Leaf], text: _Text, format: ReportFormat, defects: Defects
) -> tuple[list[Any], list[Any]]:
    """Every part with its kind, and of them the messages, two at most; none has its class yet."""
    view = memoryview(octets)
    parts: list[Any] = []
    messages: list[Any] = []
    for leaf in leaves:
        info, start, end = leaf
        part = UncheckedPart(_OTHER, info.media_type, info.encoding, view[start:end], start, end - start)
        parts.append(part)
        if leaf is text.leaf:
            part.kind = _TEXT
            if info.encoding in DECODED_ENCODINGS:
                part.content = memoryview(text.octets)
        elif info.family == "message" and len(messages) < _MESSAGES:
            if info.encoding not in PLAIN_ENCODINGS:
                noted: Defects = []
                part.content = memoryview(_content(octets, leaf, noted))
                if info.encoding in DECODED_ENCODINGS and not _is_plain(noted):
                    # Against RFC 2046 section 5.2.1, but met.
                    defects.append(Defect(DefectCode.ORIGINAL_ENCODED, info.encoding, start))
                defects += noted
            messages.append(part)
        elif info.family == "tnef":
            defects.append(Defect(DefectCode.ORIGINAL_TNEF, "", start))
            if info.encoding in DECODED_ENCODINGS:
                part.content = memoryview(_content(octets, leaf, defects))
        elif info.family == "html" and not messages:
            # Exchange 2003 writes the twin itself.
            if format is _ENVELOPE:
                defects.append(Defect(DefectCode.HTML_TWIN, "", start))
        else:
            defects.append(Defect(DefectCode.EXTRA_PART, f"part {len(parts)}", start))
    return parts, messages


# The original and its decrypted copy.
_MESSAGES: Final = 2


def _told_apart(messages: list[Any]) -> tuple[Part | None, Part | None, str]:
    """Which message is the original, which its decrypted copy, and what says so: protection in one, else their order."""
    if not messages:
        return None, None, ""
    if len(messages) == 1:
        messages[0].kind = _ORIGINAL
        return messages[0], None, ""
    evidence = "order"
    for name, is_protected in (("content-class", _has_protected_class), ("message.rpmsg", _has_protected_content)):
        first, second = [is_protected(bytes(message.content[:_PROTECTION_LIMIT])) for message in messages]
        if first != second:
            evidence = name
            if second:
                messages.reverse()
            break
    original, decrypted = messages
    original.kind = _ORIGINAL
    decrypted.kind = _DECRYPTED
    return original, decrypted, evidence


# Buffer of a message in which the attachment of a protected one is looked for: behind a few lines of text.
_PROTECTION_LIMIT: Final = 1 << 20


def _has_protected_class(octets: bytes) -> bool:
    found = scan(octets, 0, len(octets), field_pattern("content-class")).fields
    return b"rpmsg.message" in found.get(b"content-class", b"").lower()


def _has_protected_content(octets: bytes) -> bool:
    """Whether the encrypted content is attached, by its name or its type (MS-OXORMMS 2.1.3)."""
    for needle, before in ((b"message.rpmsg", b"="), (b"x-microsoft-rpmsg-message", b"application/")):
        position = octets.find(needle)
        for _ in range(_MENTIONS):
            if octets[max(0, position - 16) : max(0, position)].rstrip(b'" \t').lower().endswith(before):
                return True
            position = octets.find(needle, position + 1) if position >= 0 else -1
    return False


# Mentions of the encrypted content that are looked at.
_MENTIONS: Final = 20


def _compare(octets: "Buffer", original: Part, subject: str | None, message_id: str | None, defects: Defects) -> bool:
    """Look at the original: its header block, whose it is, that it agrees with the report text, and how a multipart ends.

    True where that showed that no notice is at its end.
    """
    offset = original.offset
    if original.encoding in DECODED_ENCODINGS:
        octets = bytes(original.content[: HEADER_LIMIT + 1])
        begin, end = 0, len(octets)
        is_plain = False  # offsets inside an encoded part mean nothing: its beginning stands for them
    else:
        begin, end, is_plain = offset, offset + original.size, True
    if begin == end:
        defects.append(Defect(DefectCode.ORIGINAL_EMPTY, "", offset))
        return False
    first = _FIRST_FIELD.match(octets, begin, end)
    if first is None:
        defects.append(Defect(DefectCode.ORIGINAL_WITHOUT_HEADERS, "", offset))
        return False
    start = first.start(1)
    if start != begin and b"\n>From " in b"\n" + octets[begin:start]:
        defects.append(Defect(DefectCode.LEADING_FROM_LINE, "before the original", offset))
    _, body, inner, complete = scan(octets, start, end, _INNER)
    if not complete:
        defects.append(Defect(DefectCode.ORIGINAL_HEADER_TOO_LARGE, BLOCK_LIMITS, offset))
    is_quiet = False
    declared_type = inner.get(b"content-type", b"")
    content_type = declared_type.lower()
    if b"multipart/" in content_type:
        decoded, close = (octets, end) if is_plain else (bytes(original.content), original.content.nbytes)
        # Nearly every multipart ends with its close delimiter and a line end, and has its boundary in quotes.
        ending = decoded[close - LINE_SIZE : close].rstrip()
        line = ending.rfind(b"\n--")
        if line > 1 and ending[-2:] == b"--" and b'"%b"' % ending[line + 3 : -2] in declared_type:
            is_quiet = ending[line - 2 if ending[line - 1] == _CR else line - 1] not in LAST_BYTES
        elif is_unclosed(decoded, body, close, declared_type):
            defects.append(Defect(DefectCode.ORIGINAL_UNCLOSED, "", offset))
        if b"multipart/mixed" in content_type:
            if (_MARKER_WORD.search(octets, start, body) or _MARKER_WORD_LOWER.search(octets, start, body)) and marked(
                scan(octets, start, end, field_pattern(*MARKERS)).fields
            )[0] is not None:
                defects.append(Defect(DefectCode.NESTED_REPORT, "the original is a report itself", offset))
            # Exchange writes X-MS-TNEF-Correlator, with an id in it, on what it encodes as TNEF.
            if (
                octets.find(b"orrelator", start, body) >= 0
                and scan(octets, start, end, field_pattern("x-ms-tnef-correlator"))
                .fields.get(b"x-ms-tnef-correlator", b"")
                .strip()
                and fast_find(octets, b"winmail.dat", body, end) >= 0
            ):
                defects.append(Defect(DefectCode.ORIGINAL_HOLDS_TNEF, "an attachment", offset))
    elif b"/ms-tnef" in content_type:
        defects.append(Defect(DefectCode.ORIGINAL_HOLDS_TNEF, "its content", offset))
    for field, reported, code in (
        (b"message-id", message_id, _MESSAGE_ID_MISMATCH),
        (b"subject", subject, _SUBJECT_MISMATCH),
    ):
        if reported is None:
            continue
        value = inner.get(field, b"").strip()
        # Nearly all are equal as they stand; only what is not is decoded with care.
        if value.decode("latin-1") != reported and not _agree(field, value, reported):
            defects.append(Defect(code, "", value_offset(octets, start, body, field) if is_plain else offset))
    return is_quiet


_MESSAGE_ID_MISMATCH: Final = DefectCode.MESSAGE_ID_MISMATCH
_SUBJECT_MISMATCH: Final = DefectCode.SUBJECT_MISMATCH
# The interpreter keeps what it compiled: few ids differ, and all programs that read load this module.
_MESSAGE_ID: Final = r"<[^<>]*>"
# Bytes of a value, and characters of a reported one, that are compared by words; longer ones agree only if they are equal.
_COMPARED_LIMIT: Final = 64 << 10
# The first field of a message, after the lines that mailbox files left before it.
_FIRST_FIELD = re.compile(rb"(?:%b[^\n]*+\n)?(?:%b)?(%b)" % (FROM_BEGINS, QUOTED_FROM_LINE, SHORT_FIELD_BEGINS))


def _agree(field: bytes, value: bytes, reported: str) -> bool:
    """Whether a report names a field's value, decoded or as it was written; folds differ in their blanks."""
    if len(value) > _COMPARED_LIMIT or len(reported) > _COMPARED_LIMIT:
        return False
    words = reported.split()
    if words == one_line(value).split() or words == decode(unfold(value)).split():
        return True
    if not value.isascii() and words == decode_words(text_of(unfold(value), "latin_1")).split():
        return True  # windows-1252, which neither of them labels so
    # Gateways put comments behind a Message-ID.
    own = re.match(_MESSAGE_ID, decode(value)) if field == b"message-id" else None
    told = re.match(_MESSAGE_ID, reported)
    return own is not None and told is not None and own[0] == told[0]


_REQUIRED: Final = {
    "sender": DefectCode.SENDER_MISSING,
    "subject": DefectCode.SUBJECT_MISSING,
    "message_id": DefectCode.MESSAGE_ID_MISSING,
}
_REQUIRED_2003: Final = {name: code for name, code in _REQUIRED.items() if name != "subject"}


# Seldom there: the last fields of JournalReport, in their order.
_MANAGED_FOLDER: Final = ("label", "mailbox", "sent_utc", "received_utc")
_NO_MANAGED_FOLDER: Final = (None,) * len(_MANAGED_FOLDER)


def _facts(text: _Text, format: ReportFormat, envelope_sender: str | None, defects: Defects) -> JournalReport:
    values = text.read.values
    recipients = text.read.recipients
    required = _REQUIRED if format is _ENVELOPE else _REQUIRED_2003
    if not recipients or not values.keys() >= required.keys():
        defects += [Defect(code, "", text.leaf.start) for name, code in required.items() if name not in values]
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
        get("sender_display_name", ""),
    )
    report.__class__ = JournalReport
    return report


def _envelope_sender(octets: "Buffer", start: int, body: int, value: bytes, defects: Defects) -> str | None:
    """MAIL FROM as the writer put it: in angle brackets, or as encoded words where it is more than visible ASCII."""
    text = decode(unfold(value))
    address = text[1:-1] if text[:1] == "<" and text[-1:] == ">" else decode_words(text)
    if text != "<>" and address_problem(address) is not None:
        offset = value_offset(octets, start, body, _ENVELOPE_SENDER)
        defects.append(Defect(DefectCode.ENVELOPE_SENDER_INVALID, "", offset))
        return None
    return address
