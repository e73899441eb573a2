"""Reading: turn the bytes of a report into its facts and its parts.

The reader scans the outer header block once, finds the delimiter lines with `bytes.find`, reads the small report text, and
returns the original as a view. Nothing walks through the lines of the original. For any bytes, it either returns a
`ParsedReport` in which every non-empty line of the report text is accounted for, or raises `ParseError`.
"""

import re
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from exjournal._wire import names
from exjournal._wire.beginnings import (
    BYTE_ORDER_MARK,
    ODD_BEGINNINGS,
    is_separator,
    lead_in,
    refuse_cr_line_ends,
    scan_message,
)
from exjournal._wire.buffers import in_place
from exjournal._wire.endings import may_end_with_notice
from exjournal._wire.grammar import HEADER_END
from exjournal._wire.headers import (
    UNCLEAR,
    ambiguities,
    decode,
    decode_words,
    even_block_end,
    find_fields,
    scan,
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
from exjournal._wire.parts import Opened, content_of, leaves_of, open_multipart
from exjournal.addresses import address_problem
from exjournal.errors import Defect, DefectCode, ParseError, as_member
from exjournal.limits import DEFECT_LIMIT, RECIPIENT_SIZE, REPORT_TEXT_LIMIT
from exjournal.reports.copies import read_copy
from exjournal.reports.envelope import ReportText, TooManyRecipients, read_report_text
from exjournal.reports.envelope_2003 import read_report_text_2003
from exjournal.reports.fast_reader import read_usual
from exjournal.reports.markers import OUTER, envelope_marker, marked, marker_2003
from exjournal.reports.models import (
    COPIES,
    GRAMMAR,
    AnyFormat,
    JournalReport,
    ParsedReport,
    Part,
    PartKind,
    ReportFormat,
    UncheckedParsedReport,
    UncheckedReport,
)
from exjournal.reports.original import check_original, choose_original, note_cut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exjournal._wire.buffers import Buffer, Data
    from exjournal._wire.headers import Block, Fields


_ENVELOPE_SENDER: Final = names.ENVELOPE_SENDER.lower().encode()
_EMBEDDED_REPORT: Final = names.EMBEDDED_REPORT.lower().encode()

# The detail of the error for a message that would be a report if it had a marker.
READS_LIKE: Final = "no marker, but it reads like a report: format=ReportFormat.ENVELOPE reads it as one"
# `_reads_like_report` searches at most this many bytes for the first delimiter, and for the end of each part header.
_GLANCE: Final = 4096
# It enters at most this many multiparts, which gateways put around a report.
_MULTIPARTS_AROUND: Final = 5
_HEADER_END = re.compile(HEADER_END)
# The first label of a report text, or `Sender` in base64.
_TEXT_BEGINS = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,20}(?:(?i:sender|on-behalf-of|subject|message-id|to|cc|bcc|recipient)[ \t]*:|U2VuZGVyO)"
)

# The body has at most this many defects; the outer header block can add two.
_BODY_DEFECTS: Final = DEFECT_LIMIT - 2
# A report has at most two messages: the original and its decrypted copy.
_MESSAGES: Final = 2
_MESSAGE_FAMILIES: Final = ("message", "tnef")
# The fields that a report text must have, and the defects if they are missing.
_REQUIRED: Final = {
    "sender": DefectCode.SENDER_MISSING,
    "subject": DefectCode.SUBJECT_MISSING,
    "message_id": DefectCode.MESSAGE_ID_MISSING,
}
_REQUIRED_2003: Final = {name: code for name, code in _REQUIRED.items() if name != "subject"}

Defects = list[Defect]
_new = object.__new__
_ENVELOPE: Final = ReportFormat.ENVELOPE  # for speed, as in `fast_reader`


def detect_format(data: "Data", /) -> ReportFormat | None:
    """Detect the format of a report from the markers in its outer header block (MS-XJRNL 2.1); None if there is no marker.

    BCC and message-only copies have none and are never detected, and `multipart/report` is
    never a journal report. Takes linear time, and reads at most 512 KiB. Raises TypeError.
    """
    buffer = in_place(data, "a report")
    outer = scan_message(buffer, OUTER).fields
    info = declared(outer.get(b"content-type", b""))
    return None if info.media_type == "multipart/report" else marked(outer)[0]


def parse_report(data: "Data", /, *, format: AnyFormat | None = None, strict: bool = False) -> ParsedReport:
    """Read a journal report (MS-XJRNL 2.1).

    bytes and mmap are read in place, bytearray and memoryview are copied once.

    * `format`: for a report that lost its marker, and required for BCC and message-only copies, which have no marker. A report
      in an envelope format must then follow its complete grammar; a copy is not checked: only the caller knows that it is one.
      A given format wins over a marker.
    * `strict`: raise the first defect as an error. If strict reading succeeds, the result is that of lenient reading.

    Limits: a header block of 512 KiB, 250 parts in multiparts five deep, a report text of 16 MiB, and 150,000 recipients, or
    more if the report text has 24 characters for each of them. Input that exceeds a limit raises ParseError, except that
    multiparts below the fifth level stay closed, with a defect. A result has at most 10,000 defects; the last is `more-defects`
    if there were more. Time and memory grow in proportion to the input; memory is at most 20 times the input, or 64 MB if that
    is more.

    Raises ParseError with a code for the missing or unreadable part, InvalidValue for an unknown format, and TypeError for data
    of another type. Any other exception is a bug.
    """
    buffer = data if isinstance(data, bytes) else in_place(data, "a report")
    result = _read(buffer, None if format is None else as_member("format", format, ReportFormat))
    if strict and result.defects:
        first = result.defects[0]
        raise ParseError(first.code, first.detail, first.offset)
    return result


def _read(data: "Buffer", wanted: ReportFormat | None) -> ParsedReport:
    defects: Defects = []
    end = len(data)
    start = _read_lead_in(data, defects) if data[:1] in ODD_BEGINNINGS else 0
    if start == end:
        raise ParseError(DefectCode.EMPTY)
    if wanted in COPIES:
        return read_copy(data, wanted)
    body = even_block_end(data, start, end)
    is_even = body >= 0
    block = data[start:body] if is_even else b""
    fields, beyond = find_fields(block, OUTER)
    if not is_even or beyond is not None:
        _, body, fields, _ = _scan_odd_block(data, start, end)
        block = data[start:body]
    outer_defects = [] if is_even and UNCLEAR not in fields else _note_ambiguities(block, start)
    content_type = fields.get(b"content-type", b"")
    envelope_sender = None
    if _ENVELOPE_SENDER in fields:
        envelope_sender = _read_envelope_sender(data, start, body, fields[_ENVELOPE_SENDER], outer_defects)
    report_id = message_id_of(fields.get(b"message-id", b""))
    if not report_id:
        outer_defects.append(Defect(DefectCode.REPORT_ID_MISSING, "", start))
    format, marker = _ENVELOPE, envelope_marker(fields) if wanted is None else ""
    usual = read_usual(data, body, end, content_type, envelope_sender) if marker else None
    if usual is None:
        info = declared(content_type)
        format, marker = _require_report(data, start, body, end, fields, info, wanted)
        outside = _Outside(start, body, end, info, format, marker, envelope_sender)
        report, parts, original, decrypted, evidence, unparsed = _read_body(data, outside, defects)
        note_cut(data, body, end, original, defects)
    else:
        report, text, original = usual
        parts, decrypted, evidence, unparsed = (text, original), None, "", ()
        last_line_end = check_original(data, original, report.subject, report.message_id, defects)
        if may_end_with_notice(data, last_line_end):
            note_cut(data, original.offset, original.offset + original.size, original, defects)
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


def _read_lead_in(data: "Buffer", defects: Defects) -> int:
    """Find where the outer header block begins, after the lines and marks that mailbox files and text editors put before it."""
    mark_end, blank_end, begin = lead_in(data)
    for start, end, code in (
        (0, mark_end, DefectCode.LEADING_BOM),
        (mark_end, blank_end, DefectCode.LEADING_BLANK_LINES),
        (blank_end, begin, DefectCode.LEADING_FROM_LINE),
    ):
        if start != end:
            is_text = code is DefectCode.LEADING_FROM_LINE and not is_separator(data, start, end, or_quoted=True)
            defects.append(Defect(code, "not a separator of a mailbox" if is_text else "", start))
    return begin


def _scan_odd_block(data: "Buffer", start: int, end: int) -> "Block[Fields]":
    block = scan(data, start, end, OUTER)
    refuse_cr_line_ends(data, start, end)
    block.require_complete()
    return block


def _note_ambiguities(block: bytes, start: int) -> Defects:
    """Return a defect for each kind of ambiguity in the outer header block, which begins at `start`."""
    return [Defect(DefectCode.AMBIGUOUS_HEADER, words, start + offset) for words, offset in ambiguities(block)]


def _read_envelope_sender(data: "Buffer", start: int, body: int, value: bytes, defects: Defects) -> str | None:
    """Read MAIL FROM, which writers put in angle brackets, or in encoded words if it is not visible ASCII."""
    text = decode(unfold(value))
    address = text[1:-1] if text[:1] == "<" and text[-1:] == ">" else decode_words(text)
    if text != "<>" and address_problem(address) is not None:
        offset = value_offset(data, start, body, _ENVELOPE_SENDER)
        defects.append(Defect(DefectCode.ENVELOPE_SENDER_INVALID, "", offset))
        return None
    return address


def _require_report(
    data: "Buffer", start: int, body: int, end: int, fields: "Fields", info: PartInfo, wanted: ReportFormat | None
) -> tuple[ReportFormat, str]:
    """Find the format of the report and its marker; the marker is "" if only the caller says that it is a report.

    Raises ParseError.
    """
    if info.media_type == "multipart/report":
        detail = "a delivery, disposition or feedback report"
        raise ParseError(DefectCode.MULTIPART_REPORT, detail, value_offset(data, start, body, b"content-type"))
    marked_format, marker = marked(fields)
    format = wanted or marked_format
    if format is None:
        if _EMBEDDED_REPORT in fields:
            raise ParseError(DefectCode.EMBEDDED_REPORT, "a bounce", value_offset(data, start, body, _EMBEDDED_REPORT))
        if info.family == "multipart" and _reads_like_report(data, body, end, info.boundary):
            raise ParseError(DefectCode.NOT_A_REPORT, READS_LIKE)
        raise ParseError(DefectCode.NOT_A_REPORT, "no marker: keep the message as it is")
    if marked_format is not format:
        marker = envelope_marker(fields) if format is ReportFormat.ENVELOPE else marker_2003(fields)
    return format, marker


def _reads_like_report(data: "Buffer", body: int, end: int, boundary: bytes) -> bool:
    """Whether a message without a marker is otherwise a complete report, with a report text and an original."""
    # Look at the beginning of the first text only, so that ordinary mail need not be read in full.
    position = data.find(b"--" + boundary, body, min(end, body + _GLANCE))
    for _ in range(_MULTIPARTS_AROUND if position >= 0 else 0):
        header_end = _HEADER_END.search(data, position, min(end, position + _GLANCE))
        if header_end is None:
            return False
        position = header_end.end()
        if data[position : position + 2] != b"--":
            break
    if _TEXT_BEGINS.match(data, position, end) is None:
        return False
    try:
        return _read(data, ReportFormat.ENVELOPE).original is not None
    except ParseError:
        return False


class _Outside(NamedTuple):
    """The facts about a report before its body is read: the places of its header block and body, and the block's values."""

    start: int
    body: int
    end: int
    info: PartInfo
    format: ReportFormat
    marker: str
    envelope_sender: str | None


class _Contents(NamedTuple):
    """The contents of the body of a report, as `ParsedReport` has them."""

    report: JournalReport
    parts: tuple[Part, ...]
    original: Part | None
    decrypted: Part | None
    decrypted_evidence: str
    unparsed: tuple[str, ...]


class _Text(NamedTuple):
    """The report text: its part, the bytes of that part after transfer decoding, and the fields that were read from them."""

    leaf: Leaf
    raw: bytes
    read: ReportText


class _Parts(NamedTuple):
    """All parts of a report, those that are the original and its decrypted copy, and the evidence for that choice."""

    all: list[Part]
    original: Part | None
    decrypted: Part | None
    decrypted_evidence: str


def _read_body(data: "Buffer", outside: _Outside, defects: Defects) -> _Contents:
    """Read a body in the general way, which accepts all changes that gateways make to a report."""
    start, body, end, info, *_ = outside
    if info.ambiguities:
        offset = value_offset(data, start, body, b"content-type")
        defects += [Defect(DefectCode.AMBIGUOUS_HEADER, words, offset) for words, _ in info.ambiguities]
    structure_defects: Defects = []
    leaves = leaves_of(data, start, body, end, info, structure_defects)
    inside = open_multipart(data, start, body, end, info, leaves, structure_defects)
    defects += structure_defects
    if inside is not None:
        return _read_opened(data, inside, outside, defects)
    return _read_leaves(data, leaves, outside, defects)


def _read_leaves(data: "Buffer", leaves: list[Leaf], outside: _Outside, defects: Defects) -> _Contents:
    text = _find_text(data, leaves, outside.format, outside.marker, defects)
    if text is None:
        _refuse_without_text(leaves, outside.marker, outside.body)
    line_defects_end = len(defects)
    parts = _read_parts(data, leaves, text, outside.format, defects)
    if parts.original is not None:
        values = text.read.values
        check_original(data, parts.original, values.get("subject"), values.get("message_id"), defects)
    elif not any(leaf.info.family == "tnef" for leaf in leaves):
        defects.append(Defect(DefectCode.ORIGINAL_MISSING, "", len(data)))
    report = _make_report(text, outside.format, outside.envelope_sender, defects)
    if text.read.left_out or len(defects) > _BODY_DEFECTS:
        _leave_out(defects, line_defects_end, text)
    return _Contents(
        report=report,
        parts=tuple(parts.all),
        original=parts.original,
        decrypted=parts.decrypted,
        decrypted_evidence=parts.decrypted_evidence,
        unparsed=tuple(text.read.unparsed),
    )


def _read_opened(data: "Buffer", inside: Opened, outside: _Outside, defects: Defects) -> _Contents:
    """Read a report that contains an encoded multipart; all offsets refer to the caller's bytes."""
    first = len(defects)
    try:
        contents = _read_leaves(inside.data, inside.leaves, outside, defects)
    except ParseError as error:
        raise ParseError(error.code, error.detail, inside.place(error.offset)) from None
    defects[first:] = [defect._replace(offset=inside.place(defect.offset)) for defect in defects[first:]]
    view = memoryview(data)
    parts: list[Part] = []
    for part, leaf in zip(contents.parts, inside.leaves, strict=True):
        content, offset, size = part.content, inside.place(part.offset), part.size
        if inside.is_inside(leaf):
            # A buffer of its own, like any content after decoding.
            content, size = memoryview(bytes(content)), inside.encoded_end - inside.start
            offset = inside.start
        elif content.obj is inside.data:
            content = view[offset : offset + size]
        parts.append(_make_part(part.kind, leaf.info, content, offset, size))
    by_kind = {part.kind: part for part in parts}
    return contents._replace(
        parts=tuple(parts), original=by_kind.get(PartKind.ORIGINAL), decrypted=by_kind.get(PartKind.DECRYPTED)
    )


def _leave_out(defects: Defects, line_defects_end: int, text: _Text) -> None:
    """Remove the last defects of lines, all of which are before `line_defects_end`, and add a defect with their number."""
    # The number of parts limits all other defects, and one of those may say that the report is incomplete.
    excess = len(defects) + 1 - _BODY_DEFECTS
    del defects[line_defects_end - excess : line_defects_end]
    count = text.read.left_out + excess
    defects.append(Defect(DefectCode.MORE_DEFECTS, f"{count} more in the report text", text.leaf.start))


def _find_text(data: "Buffer", leaves: list[Leaf], format: ReportFormat, marker: str, defects: Defects) -> _Text | None:
    """Find the first text part with a sender and recipients.

    A marked report without such a part has the first one with recipients, a sender or a Message-ID. HTML is read only if there
    is no suitable plain text.
    """
    has_message = any(leaf.info.family in _MESSAGE_FAMILIES for leaf in leaves)
    for family in ("text", "html"):
        fallback: tuple[_Text, Defects] | None = None
        for leaf in leaves:
            if leaf.info.family != family or leaf.end - leaf.start > REPORT_TEXT_LIMIT:
                continue
            text_defects: Defects = []
            text = _read_text(data, leaf, format, text_defects)
            values = text.read.values
            if text.read.recipients and "sender" in values:
                if not marker and not has_message and _is_mostly_foreign(text.read):
                    continue
                defects += text_defects
                return text
            if fallback is None and marker and (text.read.recipients or "sender" in values or "message_id" in values):
                fallback = (text, text_defects)
        if fallback is not None:
            defects += fallback[1]
            return fallback[0]
    return None


def _is_mostly_foreign(read: ReportText) -> bool:
    """Whether a text has more lines that are not fields than fields."""
    foreign = sum(1 + line.count("\n") for line in read.unparsed)
    return foreign > len(read.recipients) + len(read.values)


def _refuse_without_text(leaves: list[Leaf], marker: str, body: int) -> NoReturn:
    for leaf in leaves:
        if leaf.end - leaf.start > REPORT_TEXT_LIMIT and leaf.info.family == "text":
            raise ParseError(DefectCode.REPORT_TEXT_TOO_LARGE, f"more than {REPORT_TEXT_LIMIT} bytes", leaf.start)
    tnef = [leaf for leaf in leaves if leaf.info.family == "tnef"]
    if tnef and not any(leaf.info.family == "message" for leaf in leaves):
        raise ParseError(DefectCode.REPORT_TNEF, "the whole report is encoded as TNEF", tnef[0].start)
    missing = "a sender, a recipient or a Message-Id line" if marker else "a sender line and a recipient line"
    raise ParseError(DefectCode.REPORT_TEXT_MISSING, f"no text part holds {missing}", body)


def _read_text(data: "Buffer", leaf: Leaf, format: ReportFormat, defects: Defects) -> _Text:
    info, start, end = leaf
    raw = data[start:end] if info.encoding in PLAIN_ENCODINGS else _content(data, leaf, defects)
    is_plain = info.encoding in PLAIN_ENCODINGS or _is_undecoded(defects)
    if raw[:3] == BYTE_ORDER_MARK:
        defects.append(Defect(DefectCode.LEADING_BOM, "in the report text", start))
        text, problem = text_decoded(raw[3:], "utf-8")  # even if another charset is declared
    else:
        text, problem = text_decoded(raw, info.charset)
    if problem is not None:
        defects.append(Defect(problem, "", start))
    text = text.removeprefix("\ufeff")  # UTF-16 with a mark, although the charset names the byte order
    is_html = info.family == "html"
    if is_html:
        defects.append(Defect(DefectCode.REPORT_TEXT_HTML, "", start))
        text = lines_of_html(text)
    try:
        read = read_report_text(text) if format is ReportFormat.ENVELOPE else read_report_text_2003(text)
    except TooManyRecipients as beyond:
        detail = f"more than {beyond.args[0]}, and fewer than {RECIPIENT_SIZE} characters for each"
        raise ParseError(DefectCode.TOO_MANY_RECIPIENTS, detail, start) from None
    if read.oddities:
        # Lines can be located in the caller's bytes if those were not decoded and have the same line ends as the text.
        starts: dict[int, int] = {}
        if not is_html and is_plain and raw.count(b"\n") == text.count("\n"):
            starts = _line_starts(raw, {oddity.first for oddity in read.oddities})
        for code, first, last in read.oddities:
            detail = f"line {first + 1}" if first == last else f"lines {first + 1} to {last + 1}"
            defects.append(Defect(code, detail, start + starts.get(first, 0)))
    return _Text(leaf, raw, read)


def _line_starts(raw: bytes, numbers: "Iterable[int]") -> dict[int, int]:
    """Find where the lines with these numbers begin; the first line has number 0."""
    starts: dict[int, int] = {}
    current = position = 0
    for number in sorted(numbers):
        while current < number:
            position = raw.index(b"\n", position) + 1
            current += 1
        starts[number] = position
    return starts


def _content(data: "Buffer", leaf: Leaf, defects: Defects) -> bytes:
    """Return the bytes of a part after transfer decoding."""
    if leaf.info.encoding not in DECODED_ENCODINGS:
        defects.append(Defect(DefectCode.TRANSFER_ENCODING_UNKNOWN, "", leaf.start))
        return data[leaf.start : leaf.end]
    return content_of(data, leaf, defects)


def _is_undecoded(defects: Defects) -> bool:
    """Whether the defects of reading a part say that its content is not encoded as declared, and was taken unchanged."""
    return any(defect.code is DefectCode.TRANSFER_ENCODING_MISMATCH for defect in defects)


def _make_part(kind: PartKind, info: PartInfo, content: memoryview, offset: int, size: int) -> Part:
    return Part(
        kind=kind, media_type=info.media_type, encoding=info.encoding, content=content, offset=offset, size=size
    )


def _read_parts(data: "Buffer", leaves: list[Leaf], text: _Text, format: ReportFormat, defects: Defects) -> _Parts:
    view = memoryview(data)
    contents: list[memoryview] = []
    messages: list[int] = []
    for number, leaf in enumerate(leaves):
        info, start, end = leaf
        content = view[start:end]
        if leaf is text.leaf:
            if info.encoding in DECODED_ENCODINGS:
                content = memoryview(text.raw)
        elif info.family == "message" and len(messages) < _MESSAGES:
            if info.encoding not in PLAIN_ENCODINGS:
                content_defects: Defects = []
                content = memoryview(_content(data, leaf, content_defects))
                if info.encoding in DECODED_ENCODINGS and not _is_undecoded(content_defects):
                    # RFC 2046 section 5.2.1 forbids this, but some mail has it.
                    defects.append(Defect(DefectCode.ORIGINAL_ENCODED, info.encoding, start))
                defects += content_defects
            messages.append(number)
        elif info.family == "tnef":
            defects.append(Defect(DefectCode.ORIGINAL_TNEF, "", start))
            if info.encoding in DECODED_ENCODINGS:
                content = memoryview(_content(data, leaf, defects))
        elif info.family == "html" and not messages:
            # In the 2003 format, Exchange itself writes the HTML twin.
            if format is ReportFormat.ENVELOPE:
                defects.append(Defect(DefectCode.HTML_TWIN, "", start))
        else:
            defects.append(Defect(DefectCode.EXTRA_PART, f"part {number + 1}", start))
        contents.append(content)
    choice = choose_original([contents[number] for number in messages])
    kinds = [PartKind.TEXT if leaf is text.leaf else PartKind.OTHER for leaf in leaves]
    for index, kind in ((choice.original, PartKind.ORIGINAL), (choice.decrypted, PartKind.DECRYPTED)):
        if index is not None:
            kinds[messages[index]] = kind
    parts = [
        _make_part(kind, leaf.info, content, leaf.start, leaf.end - leaf.start)
        for kind, leaf, content in zip(kinds, leaves, contents, strict=True)
    ]
    return _Parts(
        all=parts,
        original=None if choice.original is None else parts[messages[choice.original]],
        decrypted=None if choice.decrypted is None else parts[messages[choice.decrypted]],
        decrypted_evidence=choice.evidence,
    )


def _make_report(text: _Text, format: ReportFormat, envelope_sender: str | None, defects: Defects) -> JournalReport:
    """Make the value of a report text, and add a defect for each required field that is missing."""
    values = text.read.values
    recipients = text.read.recipients
    required = _REQUIRED if format is ReportFormat.ENVELOPE else _REQUIRED_2003
    defects += [Defect(code, "", text.leaf.start) for name, code in required.items() if name not in values]
    if not recipients:
        defects.append(Defect(DefectCode.RECIPIENTS_MISSING, "", text.leaf.start))
    report = _new(UncheckedReport)
    report.sender = values.get("sender", "")
    report.recipients = tuple(recipients)
    report.subject = values.get("subject", "")
    report.message_id = values.get("message_id", "")
    report.on_behalf_of = values.get("on_behalf_of")
    report.envelope_sender = envelope_sender
    report.label = values.get("label")
    report.mailbox = values.get("mailbox")
    report.sent_utc = values.get("sent_utc")
    report.received_utc = values.get("received_utc")
    report.sender_display_name = values.get("sender_display_name", "")
    report.__class__ = JournalReport
    return report  # type: ignore[no-any-return]
