"""Mailbox files (RFC 4155, MMDF): where one message ends and the next begins, and which lines were quoted so that they do not.

Five ways of quoting are in use, and nothing in a file says which one it was. A line of a message that begins with `From ` gets
a `>` before it in mboxo and mboxcl; in mboxrd one that begins with `>From ` or `>>From ` gets one more as well, so that it can
be undone. In mboxcl and mboxcl2 a Content-Length field says where a message ends; mboxcl2 changes no line. Some backup tools
quote every line that begins with `From`, with a space after it or not, header fields included.

In MMDF a line of four Ctrl-A comes before and after each message.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from exjournal._wire.grammar import CERTAIN_FROM_LINE, DASHED, DATED, FIELD, FOUR_CONTROL_A, MMDF_MARK

# Buffer that are read at a time; those that decide whether a line is a From line; those of a header block that are searched.
_BLOCK: Final = 1 << 20
_LINE: Final = 1024
_HEADER: Final = 64 << 10

_SEPARATOR: Final = b"\nFrom "
_WORD: Final = b"From "
_LINE_FEED: Final = 10
_QUOTE: Final = 62
# A From line without any of these counts only after a blank line. All forms are bounded, so that a candidate costs the same
# wherever it is in a block. The few that load this module search with strings, which the interpreter compiles once.
_FROM_LINE: Final = rb"From (?:%b|%b|(?:(?<=\n\nFrom )|(?<=\n\r\nFrom ))[^\n]{0,400}\n)%b" % (DATED, DASHED, FIELD)
_CONTENT_LENGTH: Final = rb"(?im)^content-length:[ \t]*([0-9]{1,15})[ \t]*\r?$"


class Entry(NamedTuple):
    """A message: its place in the file and its octets, or None where they are too many.

    `bare` counts the lines in it that begin with `From ` and do not begin a message; without `quotes` no line begins with
    `>From `. `led` says whether its Content-Length led to the next message, where that was asked for. `apart` says whether
    there is a blank line before the next From line, or in MMDF a mark after the message.
    """

    offset: int
    size: int
    octets: bytes | None
    bare: int
    quotes: bool
    led: bool
    apart: bool = True


def begins_mailbox(begin: bytes, /) -> bool:
    """Whether a file that begins so is a mailbox file that `messages` reads."""
    return _first_mark(begin) is not None or first_from_line(begin) is not None


def first_from_line(begin: bytes, /) -> int | None:
    """The offset of the first From line in a file that begins so, None where it has none at its beginning."""
    line = _without_blank_lines(begin)
    return None if re.match(_FIRST_LINE, begin[line:]) is None else line


# The file begins with it, so that a date alone is enough.
_FIRST_LINE: Final = rb"From (?:%b|[^\n]{0,400}\n%b)" % (DATED, FIELD)


def _first_mark(begin: bytes) -> int | None:
    """The offset of the first mark of an MMDF file, None where it is not one."""
    line = _without_blank_lines(begin)
    return None if re.match(MMDF_MARK, begin[line:]) is None else line


def _without_blank_lines(begin: bytes) -> int:
    return len(begin) - len(begin.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n"))


_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# How the line before a message begins.
SEPARATORS: Final = (_WORD, FOUR_CONTROL_A)


def unread_form(begin: bytes, /) -> str | None:
    """The name of a form of mailbox file that is not read, where a file begins in one: Babyl, Dovecot's dbox.

    MMDF is among them, for a file that is one message by its name.
    """
    for form, pattern in _UNREAD_FORMS:
        if re.match(pattern, begin) is not None:
            return form
    return None


_UNREAD_FORMS: Final = (
    ("MMDF", MMDF_MARK),
    ("Babyl", rb"BABYL OPTIONS:"),
    # Dovecot writes the version of the form, the size of a message header, and when the file was made.
    ("dbox", rb"[0-9] M[0-9a-f]{1,8} C[0-9a-f]{1,16}[ \r\n]"),
)
# The first bytes of these, for a quick look.
UNREAD_BEGINNINGS: Final = frozenset([b"\1", b"B", *[b"%d" % version for version in range(10)]])


def is_mailbox_of_several(data: bytes, /) -> bool:
    """Whether bytes that were taken for one message are a mailbox file of several, by dated From lines."""
    if first_from_line(data[:_LINE]) is None:
        return False
    line = re.compile(CERTAIN_FROM_LINE).match
    place = 0
    while (place := data.find(_SEPARATOR, place)) >= 0:
        place += 1
        if line(data, place) is not None:
            return True
    return False


def messages(
    read: Callable[[int], bytes], limit: int, /, *, by_length: bool = False, keep: bool = True
) -> Iterator[Entry]:
    """The messages of a stream that begins with a From line or an MMDF mark, or with line ends before it.

    With `keep` their octets come along, of those that have at most `limit`. The blank line before a From line belongs to the
    file and not to the message. `read` gives so many octets, or fewer, and none at the end. Memory is that of the longest
    message and of a block.
    """
    file = _File(read, limit, keep=keep)
    file.reach(_LINE)
    begin_of_file = bytes(file.octets[:_LINE])
    mark = _first_mark(begin_of_file)
    if mark is not None:
        yield from file.by_marks(mark)
        return
    line: int | None = first_from_line(begin_of_file) or 0
    while line is not None:
        begin = file.line_end(line)
        entry = None
        if by_length:
            entry, line = file.by_length(begin)
        if entry is None:
            entry, line = file.by_from_line(begin)
        yield entry


class _File:
    """A mailbox file: its octets from some place on, as far as they were read, and the messages in them."""

    def __init__(self, read: Callable[[int], bytes], limit: int, *, keep: bool) -> None:
        self.read = read
        self.limit = limit
        self.keep = keep
        self.octets = bytearray()
        # The place of the first of these octets in the file.
        self.first = 0
        self.is_ended = False
        self.is_from_line = re.compile(_FROM_LINE).match

    def more(self) -> None:
        block = self.read(_BLOCK)
        self.octets += block
        self.is_ended = not block

    def reach(self, place: int) -> None:
        """Read up to a place, if the file has so much."""
        while self.first + len(self.octets) < place and not self.is_ended:
            self.more()

    def drop(self, place: int) -> None:
        """Forget what stands before a place."""
        if place > self.first:
            del self.octets[: place - self.first]
            self.first = place

    def cut(self, begin: int, end: int) -> bytes:
        with memoryview(self.octets) as view:
            return bytes(view[begin - self.first : end - self.first])

    def line_end(self, line: int) -> int:
        """Where the line ends that begins at a place; nothing before that is needed but its line end."""
        searched = line - self.first
        while (found := self.octets.find(b"\n", searched)) < 0 and not self.is_ended:
            searched = len(self.octets)
            self.more()
        end = self.first + (len(self.octets) if found < 0 else found + 1)
        if end - self.first > _BLOCK:  # not for each message: what is behind it would be moved
            self.drop(end - 1)
        return end

    def by_from_line(self, begin: int) -> tuple[Entry, int | None]:
        """The message that begins at a place and ends before a From line; and where that line begins, None for none."""
        searched, bare, quotes, is_short = max(begin - 1, self.first), 0, False, True
        while True:
            # Both kinds of lines are found in one search.
            found = self.octets.find(_WORD, searched - self.first)
            if found >= 0:
                before = self.octets[found - 1] if found else 0
                searched = self.first + found + 1
                if before == _LINE_FEED:
                    line: int | None = self.first + found
                    if len(self.octets) - found < _LINE:
                        self.reach(self.first + found + _LINE)
                    if self.is_from_line(self.octets, found) is not None:
                        break
                    # The line that opens a message stands before it.
                    bare += self.first + found >= begin
                elif before == _QUOTE:
                    quotes = True
            elif self.is_ended:
                line = None
                break
            else:
                searched = max(searched, self.first + len(self.octets) - len(_WORD))
                self.more()
            if searched - begin > self.limit:
                is_short = False
                self.drop(searched - _LINE)
        end = self.end_before(begin, self.first + len(self.octets) if line is None else line)
        octets = self.cut(begin, end) if self.keep and is_short and end - begin <= self.limit else None
        is_apart = line is None or line == begin or self.is_after_blank_line(line)
        return Entry(begin, end - begin, octets, bare, quotes, led=False, apart=is_apart), line

    def is_after_blank_line(self, line: int) -> bool:
        place = line - self.first
        return self.octets.endswith(b"\n\n", 0, place) or self.octets.endswith(b"\n\r\n", 0, place)

    def end_before(self, begin: int, line: int) -> int:
        """Where a message ends before a From line, or before the end of the file: before the blank line between them."""
        place = line - self.first
        if self.octets.endswith(b"\n\n", 0, place) and line - begin >= 2:
            return line - 1
        if self.octets.endswith(b"\r\n\r\n", 0, place) and line - begin >= 4:
            return line - 2
        # A blank line and nothing else: the message is empty.
        return begin if bytes(self.octets[max(begin - self.first, 0) : place][:3]) in {b"\n", b"\r\n"} else line

    def by_length(self, begin: int) -> tuple[Entry | None, int | None]:
        """The same for a message that says how long it is; None where that does not lead to a From line."""
        self.reach(begin + _HEADER)
        header = self.cut(begin, min(begin + _HEADER, self.first + len(self.octets)))
        blank = re.search(rb"(?:\A|\n)\r?\n", header)
        length = None if blank is None else re.search(_CONTENT_LENGTH, header[: blank.end()])
        if blank is None or length is None or int(length[1]) > self.limit:
            return None, begin
        end = begin + blank.end() + int(length[1])
        self.reach(end + _LINE)
        behind = re.compile(rb"(?:\r?\n){0,2}").match(self.octets, end - self.first)
        if behind is None or end > self.first + len(self.octets):
            return None, begin
        octets = self.cut(begin, end) if self.keep else None
        entry = Entry(begin, end - begin, octets, 0, quotes=True, led=True)
        if behind.end() == len(self.octets):
            return entry, None
        is_line = self.octets.startswith(_SEPARATOR, behind.end() - 1)
        return (entry, self.first + behind.end()) if is_line else (None, begin)

    def by_marks(self, mark: int) -> Iterator[Entry]:
        """The messages of an MMDF file, with its first mark at a place."""
        while True:
            piece = self.line_end(mark)
            begin = self.after_from_line(piece)
            end, is_marked = self.next_mark(begin)
            # Between the mark after a message and the one before the next there is nothing.
            if begin != piece or end - piece > _LINE or self.cut(piece, end).strip():
                is_kept = self.keep and end - begin <= self.limit
                octets = self.cut(begin, end) if is_kept else None
                yield Entry(begin, end - begin, octets, 0, quotes=True, led=False, apart=is_marked)
            if not is_marked:
                return
            mark = end

    def after_from_line(self, place: int) -> int:
        """Where a message begins after the From line that some programs write after the mark."""
        self.reach(place + _LINE)
        begin = place - self.first
        is_line = re.match(_FIRST_LINE, bytes(self.octets[begin : begin + _LINE]))
        return place if is_line is None else self.line_end(place)

    def next_mark(self, begin: int) -> tuple[int, bool]:
        """Where the next line is that is a mark; the end of the file, and False, where there is none."""
        searched = begin - 1
        while True:
            found = self.octets.find(_MARK_LINE, searched - self.first)
            if found >= 0:
                line = self.first + found + 1
                self.reach(line + len(_MARK_LINE) + 1)
                if re.compile(MMDF_MARK).match(self.octets, line - self.first) is not None:
                    return line, True
                searched = line
            elif self.is_ended:
                return self.first + len(self.octets), False
            else:
                searched = max(searched, self.first + len(self.octets) - len(_MARK_LINE))
                self.more()
            if searched - begin > max(self.limit, _LINE):
                self.drop(searched - _LINE)


_MARK_LINE: Final = b"\n" + FOUR_CONTROL_A


# What was changed in a message


def quoted_lines(message: bytes, /) -> int:
    """How many lines begin with `From ` behind one or more `>`."""
    return len(re.findall(_QUOTED, message)) if b">From " in message else 0


_QUOTED: Final = rb"(?m:^>+From )"


def without_quotes(message: bytes, /, *, every: bool) -> bytes:
    """A message with one `>` less before `From `; before `>From ` as well only with `every`."""
    return re.sub(rb"(?m:^>(>*From ))" if every else rb"(?m:^>(From ))", rb"\1", message)


def header_is_quoted(message: bytes, /) -> bool:
    """Whether the header block has a field `>From:`: the writer quoted every line that begins with `From`."""
    # The first From field of nearly every message is in its header, and is not quoted.
    place = message.find(_FIELD_NAME, 0, _HEADER)
    while place > 0 and message[place - 1] not in _BEFORE_FIELD_NAME:
        place = message.find(_FIELD_NAME, place + 1, _HEADER)
    return place > 0 and message[place - 1] == _QUOTE and re.match(_QUOTED_FIELD, message[:_HEADER]) is not None


_FIELD_NAME: Final = b"From:"
_BEFORE_FIELD_NAME: Final = (_LINE_FEED, _QUOTE)
# Lines that are not blank, and then the field.
_QUOTED_FIELD: Final = rb"(?:(?!\r?\n|>From:)[^\n]*+\n)*+>From:"


def unquoted_lines(message: bytes, /) -> int:
    """The number of lines that begin with `From`, with a space after it or not."""
    return len(re.findall(rb"(?m:^From)", message)) if b"From" in message else 0


def without_any_quotes(message: bytes, /) -> bytes:
    """A message with one `>` less before each `From` at the beginning of a line."""
    return re.sub(rb"(?m:^>(>*From))", rb"\1", message) if b">From" in message else message
