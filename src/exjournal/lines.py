"""Text on one line of a report: which characters it may have, and texts of many lines in little memory."""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Spaces and TABs at either end look like those of the syntax.
BLANKS: Final = " \t"
# Control characters and the Unicode line separators end or cut a line for some readers: one address for us is two lines for a
# program that splits at any of them. A TAB inside a value ends nothing, and unfolded subjects have it. A lone surrogate has no
# bytes in any charset. None of these characters is printable.
_FORBIDDEN = re.compile("[\0-\x08\n-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Those of ASCII.
_CONTROLS: Final = tuple(map(chr, (*range(32), 127)))
# In a longer text, searching for each control character in turn is faster than looking at every character.
_LONG: Final = 4096
_NAMES: Final = {
    "\r": "CR",
    "\n": "LF",
    "\0": "NUL",
    "\x85": "the line separator U+0085",
    "\u2028": "the line separator U+2028",
    "\u2029": "the line separator U+2029",
}


def line_problem(value: str, /) -> str | None:
    """Find the reason why `value` cannot be written on one line; None if it can."""
    if not value.isprintable() and (found := _FORBIDDEN.search(value)) is not None:
        return f"contains {_name(found[0])} at character {found.start()}"
    if value.strip(BLANKS) != value:
        return "begins or ends with a space or TAB"
    return None


def _name(character: str) -> str:
    code = ord(character)
    return _NAMES.get(character) or ("a lone surrogate" if code > 0x7F else f"the control character U+{code:04X}")


def holds_control(text: str, /) -> bool:
    """Whether an ASCII text has a control character, such as a line end."""
    if len(text) < _LONG:
        return not text.isprintable()
    return any(control in text for control in _CONTROLS)


def holds_forbidden(text: str, /) -> bool:
    """Whether a text has a character that cannot be written on one line."""
    return not text.isprintable() and _FORBIDDEN.search(text) is not None


def json_text(text: str, /) -> str:
    """Replace NUL by U+2400 and lone surrogates by U+FFFD, as many readers of JSON refuse them (RFC 8259 section 8.2)."""
    return text if text.isprintable() else _SURROGATES.sub("\ufffd", text.replace("\0", "\u2400"))


def without_forbidden(text: str, /) -> str:
    """Replace each character that cannot be written on one line by a space."""
    return text if text.isprintable() else _FORBIDDEN.sub(" ", text)


def lines_in(text: str, /) -> "Iterator[str]":
    """Yield the lines of a text without their line ends, CRLF or LF; only some of them are in memory at a time."""
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
    """Builds a text from many small pieces in about the memory of the text: each string costs 50 bytes and more."""

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
        """Join all pieces, with the separator between them."""
        return self._separator.join([*self._joined, *self._pieces])


# Pieces that are joined at once.
_PIECES: Final = 4096
