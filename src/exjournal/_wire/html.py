"""HTML as lines of text: for a report text of which nothing else is left."""

import re
from collections.abc import Iterator
from typing import Final

from exjournal.lines import Pieces

# Elements whose text is not shown.
_UNSEEN = re.compile(r"<(/?)(?:title|style|script)\b[^<>]*+>", re.IGNORECASE)
# A line begins and ends with a block, however many blocks begin and end there; a break at the end of a block shows as nothing.
_BLOCK = r"</?(?:html|body|head|p|div|table|tbody|tr|ul|ol|li|blockquote|pre|h[1-6])\b[^<>]*+>"
_BR = r"<br\b[^<>]*+>"
_BREAK = re.compile(rf" ?(?:{_BR} ?)?+(?:{_BLOCK} ?)++|{_BR} ?", re.IGNORECASE)
_ANY_BREAK = re.compile(rf"{_BLOCK}|{_BR}", re.IGNORECASE)
_PRE = re.compile(r"</?pre\b[^<>]*+>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>")
# Beside the space: what a browser shows as one, alone or in a row.
_BLANKS: Final = "\t\r\n\f\v"
# A character reference of so many digits is none, and Python refuses to count them.
_ENDLESS_REFERENCE = re.compile(r"&(?=#[0-9]{9})")
# Where a text can be cut so that neither a run of breaks nor the spaces around one are divided.
_BETWEEN_RUNS = re.compile(r"[^ >](?=<)")
# Characters that are worked on at once: a list of all the pieces of a text takes many times its memory.
_STRETCH: Final = 1 << 16


def lines_of_html(text: str, /) -> str:
    """The text that is shown, a line where a browser begins one; linear whatever the markup.

    Without any tag that ends a line, the lines are those of the source.
    """
    text = _seen(text)
    if _ANY_BREAK.search(text) is not None:
        text = "".join(_broken(_collapsed(text))).lstrip("\n ")
    text = "".join([_TAG.sub("", stretch) for stretch in _stretches(text, "<")])
    return "".join(_unescaped(text)).replace("\xa0", " ")


def _stretches(text: str, sign: str) -> Iterator[str]:
    """A text in stretches, each but the first beginning with the sign."""
    position = 0
    while (end := text.find(sign, position + _STRETCH)) >= 0:
        yield text[position:end]
        position = end
    yield text[position:]


def _broken(text: str) -> Iterator[str]:
    """A text with a line end for each run of breaks, in stretches."""
    position = 0
    while (cut := _BETWEEN_RUNS.search(text, position + _STRETCH)) is not None:
        yield _BREAK.sub("\n", text[position : cut.end()])
        position = cut.end()
    yield _BREAK.sub("\n", text[position:])


def _unescaped(text: str) -> Iterator[str]:
    """A text with its character references decoded, in stretches."""
    from html import unescape

    for stretch in _stretches(text, "&"):
        yield unescape(_ENDLESS_REFERENCE.sub("&amp;", stretch))


def _collapsed(text: str) -> str:
    """Blanks and line ends as one blank each, but for text that is shown as it stands."""
    shown = Pieces("")
    position = 0
    is_shown_as_it_stands = False
    for tag in _PRE.finditer(text):
        piece = text[position : tag.start()]
        shown.add(piece if is_shown_as_it_stands else _with_single_blanks(piece))
        shown.add(tag[0])
        is_shown_as_it_stands = tag[0][1] != "/"
        position = tag.end()
    piece = text[position:]
    shown.add(piece if is_shown_as_it_stands else _with_single_blanks(piece))
    return shown.text()


def _with_single_blanks(text: str) -> str:
    for blank in _BLANKS:
        text = text.replace(blank, " ")
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
    # What is opened and never closed is shown: better too much than a report without its text.
    pieces.add(text[position:])
    return pieces.text()
