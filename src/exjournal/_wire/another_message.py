"""Another message in text that is passed over, such as the text after the last part of a multipart."""

import re
from typing import TYPE_CHECKING, Final

from exjournal._wire.grammar import CERTAIN_FROM_LINE
from exjournal.limits import EPILOGUE_LIMIT

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer


def another_message(data: "Buffer", start: int, end: int, /) -> int | None:
    """Where another message begins in the text after a multipart body, None where nothing there looks like one.

    A From line of a mailbox file with a field after it, an MMDF mark, or fields of a message without a blank line between
    them: three names of those that messages have, with one that people do not write into text. Text that is longer than
    `EPILOGUE_LIMIT` is nothing that a gateway adds, and counts as well.
    """
    if end - start > EPILOGUE_LIMIT:
        return start
    text = b"\n" + data[start:end]
    is_certain = re.compile(CERTAIN_FROM_LINE).match
    names: set[bytes] = set()
    first = 0
    for found in re.finditer(_TELLING_LINE, text):
        if found[1] is not None:
            names.clear()
        elif found[2] is not None:
            first = found.start() if not names else first
            names.add(found[2].lower())
            if len(names) >= _TELLING_FIELDS and not names.isdisjoint(_OF_SERVERS):
                return start + first
        elif found[3] is not None or is_certain(text, found.start() + 1) is not None:
            return start + found.start()
    return None


_OF_SERVERS: Final = frozenset(
    (b"received", b"return-path", b"message-id", b"mime-version", b"content-type", b"x-ms-journal-report")
)
_TELLING_FIELDS: Final = 3
# A run of blank lines, a field, a mark before a message, the beginning of a From line.
_TELLING_LINE: Final = (
    rb"\n(?:((?:\r?\n(?=\r?\n))*+(?=\r?\n))|(?i:(received|return-path|message-id|mime-version|content-type|x-ms-journal-report"
    rb"|from|to|cc|date|subject)[ \t]*+:)|(\x01{4}\r?\n(?![\x01\r\n]|\Z))|From )"
)
