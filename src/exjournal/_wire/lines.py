"""What can stand on one line of a report, and so be written and read back the same."""

import re

# Blanks at either end cannot be told from the blanks of the syntax; CR, LF and NUL end or cut a line somewhere on the
# way; a lone surrogate has no bytes in any charset.
BLANKS = " \t"
FORBIDDEN = re.compile("[\r\n\0\ud800-\udfff]")


def line_problem(value: str, /) -> str | None:
    """Why `value` cannot stand on one line, or None."""
    found = FORBIDDEN.search(value)
    if found is not None:
        character = {"\r": "CR", "\n": "LF", "\0": "NUL"}.get(found[0], "a lone surrogate")
        return f"holds {character} at character {found.start()}"
    if value.strip(BLANKS) != value:
        return "begins or ends with a blank"
    return None
