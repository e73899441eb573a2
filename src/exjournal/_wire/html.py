"""HTML as lines of text: for a report text of which nothing else is left."""

import re

_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6])\b[^<>]*+>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>")
_BLANKS = re.compile(r"[ \t\r\n]++")


def lines_of_html(text: str, /) -> str:
    """The text between tags, a line where a browser begins one; linear whatever the markup.

    Without any tag that ends a line, the lines are those of the source.
    """
    from html import unescape

    if _BREAK.search(text) is not None:
        text = _BREAK.sub("\n", _BLANKS.sub(" ", text)).replace("\n ", "\n")
    return unescape(_TAG.sub("", text)).replace("\xa0", " ")
