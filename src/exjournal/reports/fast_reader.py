"""The fast way to read the most common report: Exchange's own text in one part, the original in the other.

Two patterns and two searches find everything in it, and nothing is created that is not returned. Anything that is not as
Exchange writes it is left to the reader's general way, which gives the same answer for these reports in twice the time.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.buffers import fast_find
from exjournal._wire.multipart import ASCII_SUPERSETS, HEADER_KEPT, PLAIN_ENCODINGS, USUAL_MULTIPART, kept_info
from exjournal.limits import REPORT_TEXT_LIMIT
from exjournal.lines import BLANKS
from exjournal.reports.envelope import read_usual_recipients, usual_head
from exjournal.reports.models import JournalReport, Part, PartKind, UncheckedPart, UncheckedReport

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer
    from exjournal._wire.multipart import PartInfo

_new = object.__new__

_SENDER_LABEL: Final = len("Sender: ")
# Bytes in which a part header is looked for, with or without the three fields after it.
_HEAD_LIMIT: Final = 4096
_CR: Final = 13
_LF: Final = 10


class _Shape(NamedTuple):
    """The patterns of a usual body with one kind of line end."""

    text_begins: re.Pattern[bytes]
    original_begins: re.Pattern[bytes]
    line_end: str
    line_end_byte: int  # the first one
    close: bytes  # the end of the close delimiter line


def _shape(line_end: str) -> _Shape:
    # Header lines of a part: none begins with a dash, so none is a delimiter.
    part_header = rf"{line_end}((?:[^\r\n-][^\r\n]*+{line_end})*+){line_end}"
    # The first delimiter is on the first line, or after the one empty line that some writers leave.
    text_begins = rf"(?:{line_end})?--([^\r\n]+){part_header}{usual_head(line_end)}"
    return _Shape(
        text_begins=re.compile(text_begins.encode("ascii")),
        original_begins=re.compile(part_header.encode("ascii")),
        line_end=line_end,
        line_end_byte=ord(line_end[0]),
        close=f"--{line_end}".encode("ascii"),
    )


_CRLF_SHAPE: Final = _shape("\r\n")
_LF_SHAPE: Final = _shape("\n")


def read_usual(  # noqa: PLR0915 - filled field by field: a call for each value would cost time
    data: "Buffer", body: int, end: int, content_type: bytes, envelope_sender: str | None, /
) -> tuple[JournalReport, Part, Part] | None:
    """Read a usual body into its report, its text part and its original. Returns None quickly for any other body."""
    multipart = USUAL_MULTIPART.fullmatch(content_type)
    text_begins, original_begins, line_end, line_end_byte, close = _CRLF_SHAPE if data[body - 2] == _CR else _LF_SHAPE
    head = text_begins.match(data, body, body + _HEAD_LIMIT)
    if head is None or multipart is None:
        return None
    boundary, text_block, sender, subject, message_id = head.groups()
    if boundary != multipart[1]:
        return None
    needle = b"\n--" + boundary
    text_start = head.start(3) - _SENDER_LABEL
    # The line end before a delimiter belongs to the delimiter.
    before_lf = len(line_end) - 1
    delimiter = fast_find(data, needle, head.end() - 1, end)
    text_end = delimiter - before_lf
    original_head = original_begins.match(data, delimiter + len(needle), delimiter + _HEAD_LIMIT)
    if original_head is None:
        return None
    original_start = original_head.end()
    close_delimiter = end - len(needle) - len(close)
    original_end = close_delimiter - before_lf
    if (
        original_end <= original_start
        or data[end - len(close) : end] != close
        or data[close_delimiter] != _LF
        or fast_find(data, needle[1:], original_start, end) != close_delimiter + 1
        or data[text_end] != line_end_byte
        or data[original_end] != line_end_byte
        or text_end - text_start > REPORT_TEXT_LIMIT
    ):
        return None
    text_info, original_info = _text_info(text_block), _original_info(original_head[1])
    if text_info is None or original_info is None:
        return None
    last_end = text_end - before_lf - 1
    is_ended = data[text_end - 1] == _LF and data[last_end] == line_end_byte
    lines = data[head.end() : last_end if is_ended else text_end]
    if not lines.isascii() or not data[text_start : head.end()].isascii():
        return None
    recipients = read_usual_recipients(lines.decode("ascii"), line_end)
    if recipients is None:
        return None
    report = _new(UncheckedReport)
    report.sender = sender.decode("ascii")
    report.recipients = tuple(recipients)
    report.subject = subject.decode("ascii").strip(BLANKS)
    report.message_id = message_id.decode("ascii").strip(BLANKS)
    report.envelope_sender = envelope_sender
    report.on_behalf_of = report.label = report.mailbox = report.sent_utc = report.received_utc = None
    report.sender_display_name = ""
    report.__class__ = JournalReport
    view = memoryview(data)
    text = _new(UncheckedPart)
    text.kind = PartKind.TEXT
    text.media_type = text_info.media_type
    text.encoding = text_info.encoding
    text.content = view[text_start:text_end]
    text.offset = text_start
    text.size = text_end - text_start
    text.__class__ = Part
    original = _new(UncheckedPart)
    original.kind = PartKind.ORIGINAL
    original.media_type = original_info.media_type
    original.encoding = original_info.encoding
    original.content = view[original_start:original_end]
    original.offset = original_start
    original.size = original_end - original_start
    original.__class__ = Part
    return report, text, original


@lru_cache(maxsize=64)
def _text_info(block: bytes) -> "PartInfo | None":
    """The declarations of a usual report text's header block; None for any other block."""
    if len(block) > HEADER_KEPT:
        return None
    info = kept_info(block)
    is_usual = info.family == "text" and info.charset in ASCII_SUPERSETS and info.encoding in PLAIN_ENCODINGS
    return info if is_usual and not info.ambiguities else None


@lru_cache(maxsize=64)
def _original_info(block: bytes) -> "PartInfo | None":
    """The declarations of a usual original's header block; None for any other block."""
    if len(block) > HEADER_KEPT:
        return None
    info = kept_info(block)
    is_usual = info.family == "message" and info.encoding in PLAIN_ENCODINGS
    return info if is_usual and not info.ambiguities else None
