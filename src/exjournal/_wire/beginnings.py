"""Where a message begins: after the lines that mailbox files and text editors put before it, or after another message."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.grammar import CERTAIN_FROM_LINE, EMPTY_LINE, FROM_BEGINS, QUOTED_FROM_LINE, SHORT_FIELD_BEGINS
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

# Bytes of line ends before a header block; nobody sends a message after more of them.
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
    """Find the lines that mailbox files and text editors put before the header block of a message."""
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


class HeaderPlace(NamedTuple):
    """Where a header block begins, or where one could be put."""

    start: int
    # Where the body begins, if the message has no header block.
    body: int
    is_bare: bool


def header_place(data: "Buffer", begin: int = 0, end: int | None = None, /) -> HeaderPlace:
    """Find where a field can be put before the other fields of a message.

    A message without a header block begins with an empty line, or with a line that is not a field.
    """
    end = len(data) if end is None else end
    mark_end, blank_end, start = lead_in(data, begin, end)
    if blank_end > mark_end:
        start = mark_end
    empty_line = _EMPTY_LINE.match(data, start, end)
    if empty_line is not None:
        return HeaderPlace(start, empty_line.end(), is_bare=True)
    return HeaderPlace(start, start, is_bare=start < end and not first_line_is_field(data, start, end))


_EMPTY_LINE = re.compile(EMPTY_LINE)


def skip_from_line(data: "Buffer", start: int, end: int, /) -> int:
    """Find where the header block begins: after a `From ` line that a mailbox file left before it (RFC 4155).

    Some programs leave a line quoted as `>From `: readpst alone, ImportExportTools after the first line.
    """
    if data[start : start + 5] == b"From ":
        line = _FROM_LINE.match(data, start, end)
        start = start if line is None else line.end()
    if data[start : start + 6] == b">From ":
        line = _QUOTED_FROM_LINE.match(data, start, end)
        start = start if line is None else line.end()
    return start


# In a file with CR line ends, all of the file would be one line.
_FROM_LINE = re.compile(FROM_BEGINS + rb"(?:[^\n]*+\n|[^\r\n]*+\r?\Z)")
# Only before a field: the first line of a text without a header may be quoted in the same way.
_QUOTED_FROM_LINE = re.compile(rb"%b(?=%b)" % (QUOTED_FROM_LINE, SHORT_FIELD_BEGINS))


def refuse_cr_line_ends(data: "Buffer", start: int, end: int, /) -> None:
    """Raise ParseError for a message whose lines end in CR alone, as all of it would be one field."""
    if data.find(b"\n", start, end) < 0 and b"\r" in data[start:end].strip(b"\r"):
        raise ParseError(DefectCode.CR_LINE_ENDS, "lines end in CR alone; CRLF or LF is expected", start)


def is_separator(data: "Buffer", start: int, end: int, /, *, or_quoted: bool = False) -> bool:
    """Whether the data from `start` to `end` is empty, or one separator line of a mailbox file in its strict form.

    The form is a sender and the date that C's `asctime` writes (RFC 4155), with the zone that some programs add. Any other
    text may mean something to a reader. `or_quoted` accepts such a line after `>` as well, alone or after the first.
    """
    form = _QUOTED_SEPARATOR if or_quoted else _SEPARATOR
    return start == end or (end - start <= FROM_LINE_LIMIT and form.fullmatch(data, start, end) is not None)


_ZONE: Final = rb"(?: (?:[A-Z]{1,5}|[+-]\d{4}))?"
_STRICT_LINE: Final = (
    rb"From [!-~]++ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]\d"
    rb" \d\d:\d\d:\d\d%b \d{4}%b\r?\n" % (_ZONE, _ZONE)
)
_SEPARATOR = re.compile(_STRICT_LINE)
_QUOTED_SEPARATOR = re.compile(rb"(?:%b)?(?:>%b)?" % (_STRICT_LINE, _STRICT_LINE))


def find_another_message(data: "Buffer", start: int, end: int, /) -> int | None:
    """Find where another message begins in the text after a multipart body; None where nothing there looks like one.

    A message begins with a From line of a mailbox file and a field after it, with an MMDF mark, or with a header block: three
    different fields without an empty line between them, one of them a field that only servers write. A text that is longer
    than `EPILOGUE_LIMIT` counts as a message too, as gateways add short ones.
    """
    if end - start > EPILOGUE_LIMIT:
        return start
    text = b"\n" + data[start:end]
    names: set[bytes] = set()
    first = 0
    for found in _BEGINNING.finditer(text):
        if found[1] is not None:
            names.clear()
        elif found[2] is not None:
            first = found.start() if not names else first
            names.add(found[2].lower())
            if len(names) >= _ENOUGH_FIELDS and not names.isdisjoint(_OF_SERVERS):
                return start + first
        elif found[3] is not None or _CERTAIN_FROM_LINE.match(text, found.start() + 1) is not None:
            return start + found.start()
    return None


_OF_SERVERS: Final = frozenset(
    (b"received", b"return-path", b"message-id", b"mime-version", b"content-type", b"x-ms-journal-report")
)
_ENOUGH_FIELDS: Final = 3
_CERTAIN_FROM_LINE = re.compile(CERTAIN_FROM_LINE)
# A run of empty lines, a field, a mark before a message, the beginning of a From line.
_BEGINNING = re.compile(
    rb"\n(?:((?:\r?\n(?=\r?\n))*+(?=\r?\n))|(?i:(received|return-path|message-id|mime-version|content-type|x-ms-journal-report"
    rb"|from|to|cc|date|subject)[ \t]*+:)|(\x01{4}\r?\n(?![\x01\r\n]|\Z))|From )"
)
