"""Where a message begins: what mailbox files and text editors put before its header block, and a message after another one."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.grammar import CERTAIN_FROM_LINE
from exjournal._wire.headers import (
    Block,
    FieldPattern,
    Fields,
    Span,
    SpanPattern,
    first_line_is_field,
    scan,
    scan_spans,
)
from exjournal.errors import DefectCode, ParseError
from exjournal.limits import EPILOGUE_LIMIT, FROM_LINE_LIMIT

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Buffer of line ends before a header block; behind more of them is nothing that anybody sent.
_BLANK_LIMIT: Final = 64 << 10
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
ODD_BEGINNINGS: Final = (b"\xef", b"\r", b"\n", b"F", b">")


class LeadIn(NamedTuple):
    """Where each piece of a lead-in ends: a byte order mark, blank lines, From lines.

    An absent piece ends where it would begin.
    """

    mark_end: int
    blank_end: int
    # The end of the From lines is where the header block begins.
    block: int


def lead_in(data: "Buffer", start: int = 0, end: int | None = None, /) -> LeadIn:
    """Find what mailbox files and text editors put before the header block of a message."""
    if data[start : start + 1] not in ODD_BEGINNINGS:
        return LeadIn(start, start, start)
    end = len(data) if end is None else end
    mark = start + 3 if data[start : start + 3] == BYTE_ORDER_MARK else start
    beginning = data[mark : min(end, mark + _BLANK_LIMIT)]
    blank = mark + len(beginning) - len(beginning.lstrip(b"\r\n"))
    return LeadIn(mark, blank, skip_from_line(data, blank, end))


def scan_message(data: "Buffer", pattern: FieldPattern, start: int = 0, end: int | None = None, /) -> Block[Fields]:
    """Find the wanted fields of a message, in the header block after its lead-in."""
    end = len(data) if end is None else end
    return scan(data, lead_in(data, start, end).block, end, pattern)


def scan_message_spans(data: "Buffer", pattern: SpanPattern, /) -> Block[list[Span]]:
    """Find where each wanted field of a message lies, in the header block after its lead-in."""
    return scan_spans(data, lead_in(data).block, len(data), pattern)


def header_place(data: "Buffer", begin: int = 0, end: int | None = None, /) -> tuple[int, int, bool]:
    """Where a field can be put before those of a message; where its body begins if it has no header; whether it has none.

    Without a header a message begins with a blank line, or with what is no field.
    """
    end = len(data) if end is None else end
    mark_end, blank_end, start = lead_in(data, begin, end)
    if blank_end > mark_end:
        start = mark_end
    found = _BLANK_LINE.match(data, start, end)
    if found is not None:
        return start, found.end(), True
    return start, start, start < end and not first_line_is_field(data, start, end)


_BLANK_LINE = re.compile(rb"\r?\n")


def skip_from_line(data: "Buffer", start: int, end: int, /) -> int:
    """Where the header block begins: after a `From ` line that a mailbox file left before it (RFC 4155).

    Some programs leave another one, quoted as `>From `: readpst alone, ImportExportTools after the first.
    """
    if data[start : start + 5] == b"From ":
        found = re.compile(_FROM_LINE).match(data, start, end)
        start = start if found is None else found.end()
    if data[start : start + 6] == b">From ":
        found = re.compile(_QUOTED_FROM_LINE).match(data, start, end)
        start = start if found is None else found.end()
    return start


# No line of a mailbox file is a From field with blanks before its colon, as old mail has it. In a file with CR line ends all
# would be one line.
_FROM_LINE: Final = rb"From (?![ \t]*:)(?:[^\n]*+\n|[^\r\n]*+\r?\Z)"
# The line before a header block: the first line of a text without a header is quoted like this as well.
_QUOTED_FROM_LINE: Final = rb">From (?![ \t]*:)[^\n]{0,998}+\n(?=[!-9;-~]{1,998}+[ \t]*+:)"


def refuse_cr_line_ends(data: "Buffer", start: int, end: int, /) -> None:
    """Raise ParseError for a message whose lines end in CR alone: all of it would be one field of one line."""
    if data.find(b"\n", start, end) < 0 and b"\r" in data[start:end].strip(b"\r"):
        raise ParseError(DefectCode.CR_LINE_ENDS, "lines end in CR alone; CRLF or LF is expected", start)


def is_separator(data: "Buffer", start: int, end: int, /, *, or_quoted: bool = False) -> bool:
    """Whether nothing is between `start` and `end`, or one separator line of a mailbox file in its strict form.

    The form is a sender and the date that C's `asctime` writes (RFC 4155), with the zone that some programs add. Text in any
    other form says something to a reader. With `or_quoted` another such line may follow, or be there alone, after `>`.
    """
    form = _QUOTED_SEPARATOR if or_quoted else _SEPARATOR
    return start == end or (end - start <= FROM_LINE_LIMIT and re.compile(form).fullmatch(data, start, end) is not None)


# Few programs read mailbox files, and all load this module.
_ZONE: Final = rb"(?: (?:[A-Z]{1,5}|[+-]\d{4}))?"
_SEPARATOR: Final = (
    rb"From [!-~]++ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]\d"
    rb" \d\d:\d\d:\d\d%b \d{4}%b\r?\n" % (_ZONE, _ZONE)
)
_QUOTED_SEPARATOR: Final = rb"(?:%b)?(?:>%b)?" % (_SEPARATOR, _SEPARATOR)


def find_another_message(data: "Buffer", start: int, end: int, /) -> int | None:
    """Find where another message begins in the text after a multipart body; None where nothing there looks like one.

    A From line of a mailbox file with a field after it, an MMDF mark, or fields of a message without a blank line between
    them: three names of those that messages have, with one that people do not write into text. Text that is longer than
    `EPILOGUE_LIMIT` is nothing that a gateway adds, and counts as well.
    """
    if end - start > EPILOGUE_LIMIT:
        return start
    text = b"\n" + data[start:end]
    is_certain = re.compile(CERTAIN_FROM_LINE).match
    names: set[bytes] = set()
    first = 0
    for found in re.finditer(_TELLING_LINE, text):
        if found[1] is not None:
            names.clear()
        elif found[2] is not None:
            first = found.start() if not names else first
            names.add(found[2].lower())
            if len(names) >= _TELLING_FIELDS and not names.isdisjoint(_OF_SERVERS):
                return start + first
        elif found[3] is not None or is_certain(text, found.start() + 1) is not None:
            return start + found.start()
    return None


_OF_SERVERS: Final = frozenset(
    (b"received", b"return-path", b"message-id", b"mime-version", b"content-type", b"x-ms-journal-report")
)
_TELLING_FIELDS: Final = 3
# A run of blank lines, a field, a mark before a message, the beginning of a From line.
_TELLING_LINE: Final = (
    rb"\n(?:((?:\r?\n(?=\r?\n))*+(?=\r?\n))|(?i:(received|return-path|message-id|mime-version|content-type|x-ms-journal-report"
    rb"|from|to|cc|date|subject)[ \t]*+:)|(\x01{4}\r?\n(?![\x01\r\n]|\Z))|From )"
)
