"""What can stand on one line of a report, and so be written and read back the same."""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Blanks at either end cannot be told from the blanks of the syntax; CR, LF and NUL end or cut a line somewhere on the
# way; a lone surrogate has no bytes in any charset.
BLANKS = " \t"
# None of these is printable, which is told at a glance: most programs never compile this.
_FORBIDDEN: Final = "[\r\n\0\ud800-\udfff]"


def line_problem(value: str, /) -> str | None:
    """Why `value` cannot stand on one line, or None."""
    if not value.isprintable() and (found := re.search(_FORBIDDEN, value)) is not None:
        character = {"\r": "CR", "\n": "LF", "\0": "NUL"}.get(found[0], "a lone surrogate")
        return f"holds {character} at character {found.start()}"
    if value.strip(BLANKS) != value:
        return "begins or ends with a blank"
    return None


def holds_forbidden(text: str, /) -> bool:
    """Whether a text holds a character that cannot stand on one line."""
    return not text.isprintable() and re.search(_FORBIDDEN, text) is not None


def without_forbidden(text: str, /) -> str:
    """The text with a blank for each character that cannot stand on one line."""
    return text if text.isprintable() else re.sub(_FORBIDDEN, " ", text)


def lines_in(text: str, /) -> "Iterator[str]":
    """The lines of a text without their line ends, CRLF or LF; only some of them are in memory at a time."""
    return iter(_split(text)) if len(text) <= _STRETCH else _split_in_stretches(text)


def _split(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.split("\n")]


def _split_in_stretches(text: str) -> "Iterator[str]":
    position = 0
    while (end := text.find("\n", position + _STRETCH)) >= 0:
        yield from _split(text[position:end])
        position = end + 1
    yield from _split(text[position:])


# Characters that are split into lines at once.
_STRETCH: Final = 1 << 16


class Pieces:
    """A text built from many small pieces in about the memory of the text: a string of its own costs 50 bytes and more."""

    __slots__ = ("_joined", "_pieces", "_separator")

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._joined: list[str] = []
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Add a piece at the end."""
        self._pieces.append(piece)
        if len(self._pieces) == _PIECES:
            self._joined.append(self._separator.join(self._pieces))
            self._pieces.clear()

    def text(self) -> str:
        """All pieces, with the separator between them."""
        return self._separator.join([*self._joined, *self._pieces])


# Pieces that are joined at once.
_PIECES: Final = 4096
