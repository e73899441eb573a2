"""Reads mailbox files (RFC 4155, MMDF): finds where each message ends, and undoes the quoting of its lines.

Writers quote lines of a message that look like a separator. Five ways are in use, and a file does not say which one it has. A
line that begins with `From ` gets a `>` before it in mboxo and mboxcl; in mboxrd one that begins with `>From ` or `>>From `
gets one more as well, so that it can be undone. In mboxcl and mboxcl2 a Content-Length field gives the size of a message;
mboxcl2 changes no line. Some backup tools quote every line that begins with `From`, with a space after it or not, header fields
included.

In MMDF a line of four Ctrl-A comes before and after each message.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from exjournal._wire.grammar import CERTAIN_FROM_LINE, DASHED, DATED, FIELD, FOUR_CONTROL_A, MMDF_MARK

# Bytes that are read at a time; that decide whether a line is a From line; of a header block that are searched.
BLOCK: Final = 1 << 20
LINE: Final = 1024
HEADER: Final = 64 << 10

_SEPARATOR: Final = b"\nFrom "
_WORD: Final = b"From "
_LINE_FEED: Final = 10
_QUOTE: Final = 62
# A From line without any of these counts only after a blank line. All forms are bounded, so the costs of a candidate do not
# depend on its place in a block.
_FROM_LINE: Final = re.compile(
    rb"From (?:%b|%b|(?:(?<=\n\nFrom )|(?<=\n\r\nFrom ))[^\n]{0,400}\n)%b" % (DATED, DASHED, FIELD)
)
# The file begins with it, so a date alone is enough.
_FIRST_LINE: Final = re.compile(rb"From (?:%b|[^\n]{0,400}\n%b)" % (DATED, FIELD))
_CERTAIN_LINE: Final = re.compile(CERTAIN_FROM_LINE)
_MARK: Final = re.compile(MMDF_MARK)
_MARK_LINE: Final = b"\n" + FOUR_CONTROL_A
_CONTENT_LENGTH: Final = re.compile(rb"(?im)^content-length:[ \t]*([0-9]{1,15})[ \t]*\r?$")
_BLANK_LINE: Final = re.compile(rb"(?:\A|\n)\r?\n")
_BLANK_LINES: Final = re.compile(rb"(?:\r?\n){0,2}")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# The beginning of the line before a message.
SEPARATORS: Final = (_WORD, FOUR_CONTROL_A)


class Entry(NamedTuple):
    """A message: its place in the file, and its content unless it is too large.

    `bare_lines` is the number of lines in it that begin with `From ` and do not begin a message; without `may_be_quoted` no
    line begins with `>From `. `is_led` says whether its Content-Length led to the next message, if that was asked for.
    `is_apart` says whether there is a blank line before the next From line, or in MMDF a mark after the message.
    """

    offset: int
    size: int
    content: bytes | None
    bare_lines: int = 0
    may_be_quoted: bool = True
    is_led: bool = False
    is_apart: bool = True


def begins_mailbox(begin: bytes, /) -> bool:
    """Return whether a file with these first bytes is a mailbox file that `read_messages` reads."""
    return _first_mark(begin) is not None or first_from_line(begin) is not None


def first_from_line(begin: bytes, /) -> int | None:
    """Return the offset of the From line at the beginning of a file with these first bytes, None without one."""
    line = _skip_blank_lines(begin)
    return None if _FIRST_LINE.match(begin, line) is None else line


def _first_mark(begin: bytes) -> int | None:
    """Return the offset of the first mark of an MMDF file, None for another file."""
    line = _skip_blank_lines(begin)
    return None if _MARK.match(begin, line) is None else line


def _skip_blank_lines(begin: bytes) -> int:
    return len(begin) - len(begin.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n"))


def unread_form(begin: bytes, /) -> str | None:
    """Return the name of a form of mailbox file that is not read, if a file with these first bytes has one.

    MMDF is among them, for a file that is one message by its name.
    """
    for form, pattern in _UNREAD_FORMS:
        if pattern.match(begin) is not None:
            return form
    return None


_UNREAD_FORMS: Final = (
    ("MMDF", _MARK),
    ("Babyl", re.compile(rb"BABYL OPTIONS:")),
    # Dovecot writes the version of the form, the size of a message header, and the time when the file was made.
    ("dbox", re.compile(rb"[0-9] M[0-9a-f]{1,8} C[0-9a-f]{1,16}[ \r\n]")),
)
# Their first bytes, for a quick look.
UNREAD_BEGINNINGS: Final = frozenset([b"\1", b"B", *[b"%d" % version for version in range(10)]])


def is_mailbox_of_several(data: bytes, /) -> bool:
    """Return whether bytes that were read as one message are a mailbox file of several, by dated From lines."""
    if first_from_line(data[:LINE]) is None:
        return False
    place = 0
    while (place := data.find(_SEPARATOR, place)) >= 0:
        place += 1
        if _CERTAIN_LINE.match(data, place) is not None:
            return True
    return False


def read_messages(
    read: Callable[[int], bytes],
    limit: int,
    /,
    *,
    by_length: bool = False,
    keep: bool = True,
    block: int = BLOCK,
    line: int = LINE,
    header: int = HEADER,
) -> Iterator[Entry]:
    """Yield the messages of a stream that begins with a From line or an MMDF mark, or with line ends before it.

    The blank line before a From line belongs to the file and not to the message. Memory is that of the longest message and of a
    block.

    `read`: reads up to a number of bytes; returns none at the end.
    `limit`: bytes of the largest message whose content is kept.
    `by_length`: follow Content-Length fields.
    `keep`: whether content is kept.
    `block`, `line`, `header`: bytes that are read at a time, that decide whether a line is a From line, and of a header block
    that are searched.
    """
    file = _File(read, limit, keep=keep, block=block, line=line, header=header)
    file.reach(line)
    begin_of_file = bytes(file.data[:line])
    mark = _first_mark(begin_of_file)
    if mark is not None:
        yield from file.by_marks(mark)
        return
    place: int | None = first_from_line(begin_of_file) or 0
    while place is not None:
        begin = file.line_end(place)
        entry = None
        if by_length:
            entry, place = file.by_length(begin)
        if entry is None:
            entry, place = file.by_from_line(begin)
        yield entry


class _File:
    """A mailbox file: a part of its bytes, from an offset to where it was read, and the messages in them."""

    def __init__(
        self, read: Callable[[int], bytes], limit: int, *, keep: bool, block: int, line: int, header: int
    ) -> None:
        self.read = read
        self.limit = limit
        self.keep = keep
        self.block = block
        self.line = line
        self.header = header
        self.data = bytearray()
        # The offset of these bytes in the file.
        self.first = 0
        self.is_ended = False

    def more(self) -> None:
        block = self.read(self.block)
        self.data += block
        self.is_ended = not block

    def reach(self, place: int) -> None:
        """Read up to a place, or to the end of the file."""
        while self.first + len(self.data) < place and not self.is_ended:
            self.more()

    def drop(self, place: int) -> None:
        """Forget the bytes before a place."""
        if place > self.first:
            del self.data[: place - self.first]
            self.first = place

    def cut(self, begin: int, end: int) -> bytes:
        with memoryview(self.data) as view:
            return bytes(view[begin - self.first : end - self.first])

    def line_end(self, line: int) -> int:
        """Return the end of the line at a place. Of the bytes before that, only the line end is needed from here on."""
        searched = line - self.first
        while (found := self.data.find(b"\n", searched)) < 0 and not self.is_ended:
            searched = len(self.data)
            self.more()
        end = self.first + (len(self.data) if found < 0 else found + 1)
        if end - self.first > self.block:  # not for each message, as all bytes after it would be moved
            self.drop(end - 1)
        return end

    def by_from_line(self, begin: int) -> tuple[Entry, int | None]:
        """Return the message that begins at a place and ends before a From line, and the place of that line or None."""
        searched = max(begin - 1, self.first)
        bare_lines, has_quotes, is_short = 0, False, True
        while True:
            # One search finds From lines and quoted ones.
            found = self.data.find(_WORD, searched - self.first)
            if found >= 0:
                before = self.data[found - 1] if found else 0
                searched = self.first + found + 1
                if before == _LINE_FEED:
                    line: int | None = self.first + found
                    if len(self.data) - found < self.line:
                        self.reach(self.first + found + self.line)
                    if _FROM_LINE.match(self.data, found) is not None:
                        break
                    # The line that opens a message comes before it.
                    bare_lines += self.first + found >= begin
                elif before == _QUOTE:
                    has_quotes = True
            elif self.is_ended:
                line = None
                break
            else:
                searched = max(searched, self.first + len(self.data) - len(_WORD))
                self.more()
            if searched - begin > self.limit:
                is_short = False
                self.drop(searched - self.line)
        end = self.end_before(begin, self.first + len(self.data) if line is None else line)
        is_kept = self.keep and is_short and end - begin <= self.limit
        entry = Entry(
            offset=begin,
            size=end - begin,
            content=self.cut(begin, end) if is_kept else None,
            bare_lines=bare_lines,
            may_be_quoted=has_quotes,
            is_apart=line is None or line == begin or self.is_after_blank_line(line),
        )
        return entry, line

    def is_after_blank_line(self, line: int) -> bool:
        place = line - self.first
        return self.data.endswith(b"\n\n", 0, place) or self.data.endswith(b"\n\r\n", 0, place)

    def end_before(self, begin: int, line: int) -> int:
        """Return the end of a message before a From line or the end of the file: before the blank line between them."""
        place = line - self.first
        if self.data.endswith(b"\n\n", 0, place) and line - begin >= 2:
            return line - 1
        if self.data.endswith(b"\r\n\r\n", 0, place) and line - begin >= 4:
            return line - 2
        # There is only a blank line: the message is empty.
        return begin if bytes(self.data[max(begin - self.first, 0) : place][:3]) in {b"\n", b"\r\n"} else line

    def by_length(self, begin: int) -> tuple[Entry | None, int | None]:
        """Do the same for a message with a Content-Length; the entry is None if that does not lead to a From line."""
        self.reach(begin + self.header)
        header = self.cut(begin, min(begin + self.header, self.first + len(self.data)))
        blank = _BLANK_LINE.search(header)
        length = None if blank is None else _CONTENT_LENGTH.search(header[: blank.end()])
        if blank is None or length is None or int(length[1]) > self.limit:
            return None, begin
        end = begin + blank.end() + int(length[1])
        self.reach(end + self.line)
        blank_lines = _BLANK_LINES.match(self.data, end - self.first)
        if blank_lines is None or end > self.first + len(self.data):
            return None, begin
        entry = Entry(begin, end - begin, self.cut(begin, end) if self.keep else None, is_led=True)
        if blank_lines.end() == len(self.data):
            return entry, None
        is_line = self.data.startswith(_SEPARATOR, blank_lines.end() - 1)
        return (entry, self.first + blank_lines.end()) if is_line else (None, begin)

    def by_marks(self, mark: int) -> Iterator[Entry]:
        """Yield the messages of an MMDF file with its first mark at a place."""
        while True:
            piece = self.line_end(mark)
            begin = self.after_from_line(piece)
            end, is_marked = self.next_mark(begin)
            # The mark before a message follows the one after the message before it.
            if begin != piece or end - piece > self.line or self.cut(piece, end).strip():
                is_kept = self.keep and end - begin <= self.limit
                content = self.cut(begin, end) if is_kept else None
                yield Entry(begin, end - begin, content, is_apart=is_marked)
            if not is_marked:
                return
            mark = end

    def after_from_line(self, place: int) -> int:
        """Return the place after the From line that some programs write after the mark, if there is one."""
        self.reach(place + self.line)
        begin = place - self.first
        is_line = _FIRST_LINE.match(bytes(self.data[begin : begin + self.line]))
        return place if is_line is None else self.line_end(place)

    def next_mark(self, begin: int) -> tuple[int, bool]:
        """Return the place of the next mark and True, or the end of the file and False."""
        searched = begin - 1
        while True:
            found = self.data.find(_MARK_LINE, searched - self.first)
            if found >= 0:
                line = self.first + found + 1
                self.reach(line + len(_MARK_LINE) + 1)
                if _MARK.match(self.data, line - self.first) is not None:
                    return line, True
                searched = line
            elif self.is_ended:
                return self.first + len(self.data), False
            else:
                searched = max(searched, self.first + len(self.data) - len(_MARK_LINE))
                self.more()
            if searched - begin > max(self.limit, self.line):
                self.drop(searched - self.line)


# Quoting

_QUOTED_LINE: Final = re.compile(rb"(?m:^>+From )")
_QUOTED_ONCE: Final = re.compile(rb"(?m:^>(From ))")
_QUOTED_OFTEN: Final = re.compile(rb"(?m:^>(>*From ))")
_UNQUOTED_WORD: Final = re.compile(rb"(?m:^From)")
_QUOTED_WORD: Final = re.compile(rb"(?m:^>(>*From))")
_FIELD_NAME: Final = b"From:"
_BEFORE_FIELD_NAME: Final = (_LINE_FEED, _QUOTE)
# Lines that are not blank, and then the field.
_QUOTED_FIELD: Final = re.compile(rb"(?:(?!\r?\n|>From:)[^\n]*+\n)*+>From:")


def count_quoted_lines(message: bytes, /) -> int:
    """Return the number of lines that begin with `From ` after one or more `>`."""
    return len(_QUOTED_LINE.findall(message)) if b">From " in message else 0


def unquote(message: bytes, /, *, every: bool) -> bytes:
    """Remove one `>` before each `From ` at the beginning of a line; with `every` also before `>From ` and the like."""
    return (_QUOTED_OFTEN if every else _QUOTED_ONCE).sub(rb"\1", message)


def header_is_quoted(message: bytes, /) -> bool:
    """Return whether the header block has a field `>From:`: the writer quoted every line that begins with `From`."""
    # The first From field of nearly every message is in its header, and is not quoted.
    place = message.find(_FIELD_NAME, 0, HEADER)
    while place > 0 and message[place - 1] not in _BEFORE_FIELD_NAME:
        place = message.find(_FIELD_NAME, place + 1, HEADER)
    return place > 0 and message[place - 1] == _QUOTE and _QUOTED_FIELD.match(message[:HEADER]) is not None


def count_unquoted_lines(message: bytes, /) -> int:
    """Return the number of lines that begin with `From`, with a space after it or not."""
    return len(_UNQUOTED_WORD.findall(message)) if b"From" in message else 0


def unquote_any(message: bytes, /) -> bytes:
    """Remove one `>` before each `From` at the beginning of a line."""
    return _QUOTED_WORD.sub(rb"\1", message) if b">From" in message else message
