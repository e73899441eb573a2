"""What can stand on one line of a report, and so be written and read back the same."""

import re
from typing import Final

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


def json_text(text: str, /) -> str:
    """The text with U+2400 for NUL and U+FFFD for lone surrogates, which many readers of JSON refuse (RFC 8259 section 8.2)."""
    return text if text.isprintable() else re.sub("[\ud800-\udfff]", "\ufffd", text.replace("\0", "\u2400"))


def without_forbidden(text: str, /) -> str:
    """The text with a blank for each character that cannot stand on one line."""
    return text if text.isprintable() else re.sub(_FORBIDDEN, " ", text)
