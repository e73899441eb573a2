"""HTML as lines of text, for a report text that is left in HTML only."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from exjournal.lines import Pieces

# Elements whose text is not shown.
_UNSEEN = re.compile(r"<(/?)(?:title|style|script)\b[^<>]*+>", re.IGNORECASE)
# Any number of blocks that begin or end in one place make one line end; a break at the end of a block is not shown.
_BLOCK = r"</?(?:html|body|head|p|div|table|tbody|tr|ul|ol|li|blockquote|pre|h[1-6])\b[^<>]*+>"
_BR = r"<br\b[^<>]*+>"
_BREAK = re.compile(rf" ?(?:{_BR} ?)?+(?:{_BLOCK} ?)++|{_BR} ?", re.IGNORECASE)
_ANY_BREAK = re.compile(rf"{_BLOCK}|{_BR}", re.IGNORECASE)
_PRE = re.compile(r"</?pre\b[^<>]*+>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>")
# The white space that a browser shows as a space, besides the space.
_BLANKS: Final = "\t\r\n\f\v"
# Python refuses to convert very long numbers, and a number of nine digits is not that of a character.
_ENDLESS_REFERENCE = re.compile(r"&(?=#[0-9]{9})")
# A place where a text can be cut without dividing a run of breaks or the spaces around it.
_BETWEEN_RUNS = re.compile(r"[^ >](?=<)")
# Characters that are read at once: a list of all the pieces of a text takes many times its memory.
_STRETCH: Final = 1 << 16


def lines_of_html(text: str, /) -> str:
    """Read the visible text, with a line end wherever a browser shows one. Linear.

    If no tag ends a line, the lines are those of the source.
    """
    text = _seen(text)
    if _ANY_BREAK.search(text) is not None:
        text = "".join(_broken(_collapsed(text))).lstrip("\n ")
    text = "".join([_TAG.sub("", stretch) for stretch in _stretches(text, "<")])
    return "".join(_unescaped(text)).replace("\xa0", " ")


def _stretches(text: str, sign: str) -> Iterator[str]:
    """Cut a text into stretches; each but the first begins with the sign."""
    position = 0
    while (end := text.find(sign, position + _STRETCH)) >= 0:
        yield text[position:end]
        position = end
    yield text[position:]


def _broken(text: str) -> Iterator[str]:
    """Replace each run of breaks by a line end; the text comes in stretches."""
    position = 0
    while (cut := _BETWEEN_RUNS.search(text, position + _STRETCH)) is not None:
        yield _BREAK.sub("\n", text[position : cut.end()])
        position = cut.end()
    yield _BREAK.sub("\n", text[position:])


def _unescaped(text: str) -> Iterator[str]:
    """Decode the character references of a text, which comes in stretches."""
    for stretch in _stretches(text, "&"):
        yield unescape(_ENDLESS_REFERENCE.sub("&amp;", stretch))


def _collapsed(text: str) -> str:
    """Make each run of white space one space, except in preformatted text."""
    shown = Pieces("")
    position = 0
    is_preformatted = False
    for tag in _PRE.finditer(text):
        piece = text[position : tag.start()]
        shown.add(piece if is_preformatted else _with_single_spaces(piece))
        shown.add(tag[0])
        is_preformatted = tag[0][1] != "/"
        position = tag.end()
    piece = text[position:]
    shown.add(piece if is_preformatted else _with_single_spaces(piece))
    return shown.text()


def _with_single_spaces(text: str) -> str:
    for character in _BLANKS:
        text = text.replace(character, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def _seen(text: str) -> str:
    pieces = Pieces("")
    position = 0
    hidden = False
    for tag in _UNSEEN.finditer(text):
        if not hidden:
            pieces.add(text[position : tag.start()])
        hidden = not tag[1]
        position = tag.end()
    # An element that is never closed is shown: too much text is better than a report without its text.
    pieces.add(text[position:])
    return pieces.text()
