"""Mailbox files (RFC 4155): where one message ends and the next begins, and which lines were changed so that they do not.

Four ways of writing are in use, and nothing in a file says which one it was. A line of a message that begins with `From ` gets
a `>` before it in mboxo and mboxcl; in mboxrd one that begins with `>From ` or `>>From ` gets one more as well, so that it can
be undone. In mboxcl and mboxcl2 a Content-Length field tells where a message ends; mboxcl2 changes no line.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

# Octets that are read at a time; those that decide whether a line is a From line; those of a header block that are searched.
_BLOCK: Final = 1 << 20
_LINE: Final = 1024
_HEADER: Final = 64 << 10

_SEPARATOR: Final = b"\nFrom "
_WORD: Final = b"From "
_LINE_FEED: Final = 10
_QUOTE: Final = 62
# A From line ends with a date that has a time and a year, or a zone. One that has none counts behind a blank line and before a
# header field. The few that load this module search with strings, which the interpreter compiles once.
_FROM_LINE: Final = (
    rb"From (?:[^\n]{0,400}?[0-9]:[0-9][0-9][^\n]{0,40}[0-9]{4}(?: [A-Z+-][A-Z0-9]{0,5})?[ \t]*\r?\n"
    rb"|(?:(?<=\n\nFrom )|(?<=\n\r\nFrom ))[^\n]{0,400}\n[!-9;-~]{1,80}:)"
)
_CONTENT_LENGTH: Final = rb"(?im)^content-length:[ \t]*([0-9]{1,15})[ \t]*\r?$"


class Entry(NamedTuple):
    """A message: its place in the file and its octets, or None where they are too many.

    `bare` counts the lines in it that begin with `From ` and begin no message; without `quotes` none begins with `>From `.
    `led` tells whether its Content-Length led to the next message, where that was asked for.
    """

    offset: int
    size: int
    octets: bytes | None
    bare: int
    quotes: bool
    led: bool


def first_from_line(begin: bytes, /) -> int | None:
    """Where the first From line stands in a file that begins so, None where it is no mailbox file."""
    line = len(begin) - len(begin.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n"))
    is_line = re.match(_FROM_LINE, begin[line:]) or re.match(_FIRST_LINE, begin[line:])
    return None if is_line is None else line


_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Before the first line of all there is nothing to look back at.
_FIRST_LINE: Final = rb"From [^\n]{0,400}\n[!-9;-~]{1,80}:"


def messages(
    read: Callable[[int], bytes], limit: int, /, *, by_length: bool = False, keep: bool = True
) -> Iterator[Entry]:
    """The messages of a stream that begins with a From line, or with line ends before it.

    With `keep` their octets come along, of those that have at most `limit`. The blank line before a From line belongs to the
    file and not to the message. `read` gives so many octets, or fewer, and none at the end. Memory is that of the longest
    message and of a block.
    """
    file = _File(read, limit, keep=keep)
    file.reach(_LINE)
    line: int | None = first_from_line(bytes(file.octets[:_LINE])) or 0
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
        return Entry(begin, end - begin, octets, bare, quotes, led=False), line

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


# What was changed in a message


def quoted_lines(message: bytes, /) -> int:
    """How many lines begin with `From ` behind one or more `>`."""
    return len(re.findall(_QUOTED, message)) if b">From " in message else 0


_QUOTED: Final = rb"(?m:^>+From )"


def without_quotes(message: bytes, /, *, every: bool) -> bytes:
    """A message with one `>` less before `From `; before `>From ` as well only with `every`."""
    return re.sub(rb"(?m:^>(>*From ))" if every else rb"(?m:^>(From ))", rb"\1", message)
