"""HTML as lines of text: for a report text of which nothing else is left."""

import re

# Elements whose text is not shown.
_UNSEEN = re.compile(r"<(/?)(?:title|style|script)\b[^<>]*+>", re.IGNORECASE)
# A line begins and ends with a block, however many blocks begin and end there; a break at the end of a block shows as nothing.
_BLOCK = r"</?(?:html|body|head|p|div|table|tbody|tr|ul|ol|li|blockquote|pre|h[1-6])\b[^<>]*+>"
_BR = r"<br\b[^<>]*+>"
_BREAK = re.compile(rf" ?(?:{_BR} ?)?+(?:{_BLOCK} ?)++|{_BR} ?", re.IGNORECASE)
_ANY_BREAK = re.compile(rf"{_BLOCK}|{_BR}", re.IGNORECASE)
_PRE = re.compile(r"(</?pre\b[^<>]*+>)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>")
_BLANKS = re.compile(r"[ \t\r\n\f\v]++")
# A character reference of so many digits is none, and Python refuses to count them.
_ENDLESS_REFERENCE = re.compile(r"&(?=#[0-9]{9})")


def lines_of_html(text: str, /) -> str:
    """The text that is shown, a line where a browser begins one; linear whatever the markup.

    Without any tag that ends a line, the lines are those of the source.
    """
    from html import unescape

    text = _seen(text)
    if _ANY_BREAK.search(text) is not None:
        text = _BREAK.sub("\n", _collapsed(text)).lstrip("\n ")
    return unescape(_ENDLESS_REFERENCE.sub("&amp;", _TAG.sub("", text))).replace("\xa0", " ")


def _collapsed(text: str) -> str:
    """Blanks and line ends as one blank each, but for text that is shown as it stands."""
    # Text and tags in turn.
    pieces = _PRE.split(text)
    shown = [_BLANKS.sub(" ", pieces[0])]
    for tag, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        shown += [tag, _BLANKS.sub(" ", piece) if tag[1] == "/" else piece]
    return "".join(shown)


def _seen(text: str) -> str:
    pieces: list[str] = []
    position = 0
    hidden = False
    for tag in _UNSEEN.finditer(text):
        if not hidden:
            pieces.append(text[position : tag.start()])
        hidden = not tag[1]
        position = tag.end()
    # What is opened and never closed is shown: better too much than a report without its text.
    pieces.append(text[position:])
    return "".join(pieces)
