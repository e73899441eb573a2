"""The report that nearly every report is, read in one go: Exchange's own text in one part, the original in the other.

Two expressions and two searches find all of it, and nothing is made that is not handed out. Whatever is not as Exchange writes
it is left to the reader's general way, which gives the same answer for these, at twice the time.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from exjournal._wire.buffers import fast_find
from exjournal._wire.multipart import ASCII_SUPERSETS, HEADER_KEPT, PLAIN_ENCODINGS, USUAL_MULTIPART, kept_info
from exjournal.limits import ADDRESS_LIMIT, REPORT_TEXT_LIMIT
from exjournal.lines import BLANKS
from exjournal.reports.envelope import read_usual_recipients
from exjournal.reports.models import JournalReport, Part, PartKind, UncheckedPart, UncheckedReport

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer
    from exjournal._wire.multipart import PartInfo

_new = object.__new__
# Looking a member up on its enumeration calls a function on Python 3.11.
_TEXT: Final = PartKind.TEXT
_ORIGINAL: Final = PartKind.ORIGINAL

_SENDER_LABEL: Final = len("Sender: ")
# Buffer in which a part header, with the three fields behind it or without, is looked for.
_HEAD_LIMIT: Final = 4096
_CR: Final = 13
_LF: Final = 10


# What a usual body looks like in one kind of line end: how its text and its original begin, the line end, the first octet of
# that, and how the body closes.
_Shape = tuple[re.Pattern[bytes], re.Pattern[bytes], str, int, bytes]


# What a value on one line holds, of ASCII (`line_problem`): no control characters but the TAB.
_VALUE: Final = r"[^\0-\x08\n-\x1f\x7f]*"


@lru_cache
def _shape(line_end: str) -> _Shape:
    end = re.escape(line_end)
    # Header lines of a part: none begins with a dash, so none is a delimiter.
    part_header = rf"{end}((?:[^\r\n-][^\r\n]*+{end})*+){end}"
    # The first delimiter stands on the first line, or behind the one empty line that some writers leave.
    text_begins = (
        rf"(?:{end})?--([^\r\n]+){part_header}"
        rf'Sender: ([^\0- ,;<>":\x7f]{{1,{ADDRESS_LIMIT}}}){end}Subject: ({_VALUE}){end}Message-Id: ({_VALUE}){end}'
    )
    return (
        re.compile(text_begins.encode("ascii")),
        re.compile(part_header.encode("ascii")),
        line_end,
        ord(line_end[0]),
        f"--{line_end}".encode("ascii"),
    )


_CRLF_SHAPE: Final = _shape("\r\n")


def read_usual(  # noqa: PLR0915 - filled field by field in one place: a call for each value would show in the time
    data: "Buffer", body: int, end: int, content_type: bytes, envelope_sender: str | None, /
) -> tuple[JournalReport, Part, Part] | None:
    """Read a usual body: what it says, the text and the original. None for any other body, with the time of a glance."""
    multipart = USUAL_MULTIPART.fullmatch(content_type)
    text_begins, original_begins, line_end, first_octet, close = _CRLF_SHAPE if data[body - 2] == _CR else _shape("\n")
    begins = text_begins.match(data, body, body + _HEAD_LIMIT)
    if begins is None or multipart is None:
        return None
    boundary, text_block, sender, subject, message_id = begins.groups()
    if boundary != multipart[1]:
        return None
    needle = b"\n--" + boundary
    text_start = begins.start(3) - _SENDER_LABEL
    # The line end before a delimiter is the delimiter's.
    before = len(line_end) - 1
    hit = fast_find(data, needle, begins.end() - 1, end)
    text_end = hit - before
    begins_too = original_begins.match(data, hit + len(needle), hit + _HEAD_LIMIT)
    if begins_too is None:
        return None
    original_start = begins_too.end()
    hit = end - len(needle) - len(close)
    original_end = hit - before
    if (
        original_end <= original_start
        or data[end - len(close) : end] != close
        or data[hit] != _LF
        or fast_find(data, needle[1:], original_start, end) != hit + 1
        or data[text_end] != first_octet
        or data[original_end] != first_octet
        or text_end - text_start > REPORT_TEXT_LIMIT
    ):
        return None
    text_info, original_info = _text_info(text_block), _original_info(begins_too[1])
    if text_info is None or original_info is None:
        return None
    last_end = text_end - before - 1
    is_ended = data[text_end - 1] == _LF and data[last_end] == first_octet
    lines = data[begins.end() : last_end if is_ended else text_end]
    if not lines.isascii() or not data[text_start : begins.end()].isascii():
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
    text.kind = _TEXT
    text.media_type = text_info.media_type
    text.encoding = text_info.encoding
    text.content = view[text_start:text_end]
    text.offset = text_start
    text.size = text_end - text_start
    text.__class__ = Part
    original = _new(UncheckedPart)
    original.kind = _ORIGINAL
    original.media_type = original_info.media_type
    original.encoding = original_info.encoding
    original.content = view[original_start:original_end]
    original.offset = original_start
    original.size = original_end - original_start
    original.__class__ = Part
    return report, text, original


@lru_cache(maxsize=64)
def _text_info(block: bytes) -> "PartInfo | None":
    """What the header block of a usual report text declares; None for any other."""
    if len(block) > HEADER_KEPT:
        return None
    info = kept_info(block)
    is_usual = info.family == "text" and info.charset in ASCII_SUPERSETS and info.encoding in PLAIN_ENCODINGS
    return info if is_usual and not info.ambiguities else None


@lru_cache(maxsize=64)
def _original_info(block: bytes) -> "PartInfo | None":
    """What the header block of a usual original declares; None for any other."""
    if len(block) > HEADER_KEPT:
        return None
    info = kept_info(block)
    is_usual = info.family == "message" and info.encoding in PLAIN_ENCODINGS
    return info if is_usual and not info.ambiguities else None
