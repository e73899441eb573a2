"""How a message ends: with a notice that it was cut, and with or without the close delimiter of its multipart.

Both are found in the last bytes of a message. Only a multipart without its close delimiter there is searched as a whole.
"""

import re
from typing import TYPE_CHECKING, Final

from exjournal._wire.buffers import fast_find
from exjournal._wire.headers import field_pattern, scan
from exjournal._wire.multipart import declared

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Bytes in which the last line is looked for: a delimiter has at most 74, and line ends may follow it.
_LINE_SIZE: Final = 96
# Close delimiters after a notice: those of the multiparts that a message can be in.
_LEVELS: Final = 8
# Bytes at the end in which a close delimiter is expected.
_ENDING: Final = 512
# How a notice ends, without the signs after it.
_LAST_WORDS: Final = (
    *(b"uncated", b"UNCATED", b"ncluded", b"NCLUDED", b"ppressed", b"PPRESSED", b"tripped", b"TRIPPED"),
)
_SIGNS: Final = b"-*=.!)]> \t\r\n"
# The last byte of a notice, or of a close delimiter that may follow it.
_LAST_BYTES: Final = frozenset(_SIGNS + b"\v\fdD")
_CR: Final = 13
_LF: Final = 10
# Gmail and Google Workspace write `----- Message truncated -----`, AOL `Message truncated.`, CipherTrust
# `*** Body Not Included ***`, sendmail `----- Message body suppressed -----`, qmail with a size limit
# `--- End of message stripped.`.
_NOTICE = re.compile(
    rb"(?i:\W{0,20}+(?:message (?:is |was |has been )?truncated"
    rb"|(?:message )?body (?:is |was )?(?:not included|suppressed|truncated)"
    rb"|(?:end|rest) of message (?:stripped|truncated))\W{0,20}+)"
)
_CLOSE_LINE_END = re.compile(rb"[ \t]*+(?:\r?\n|\r?\Z)")


def may_end_with_notice(data: "Buffer", end: int, /) -> bool:
    """Whether `cut_notice` could find anything: most messages end with one line end, after a byte that no notice ends with."""
    last = data[end - 1]
    if last == _LF:
        last = data[end - 3 if data[end - 2] == _CR else end - 2]
    if last not in _LAST_BYTES:
        return False
    ending = data[max(0, end - _LINE_SIZE) : end].rstrip()
    return ending.endswith(b"--") or ending.rstrip(_SIGNS).endswith(_LAST_WORDS)


def cut_notice(data: "Buffer", start: int, end: int, /) -> int | None:
    """Find the offset of a last line which says that the message was cut; only close delimiters may follow it."""
    for _ in range(_LEVELS):
        begin = end - _LINE_SIZE if end - start > _LINE_SIZE else start
        ending = data[begin:end].rstrip()
        if ending.rstrip(_SIGNS).endswith(_LAST_WORDS):
            line = ending.rfind(b"\n") + 1
            return begin + line if _NOTICE.fullmatch(ending[line:].strip()) else None
        if not ending.endswith(b"--"):
            break
        line = ending.rfind(b"\n")
        if line < 0 or ending[line + 1 : line + 3] != b"--":
            break
        end = begin + line
    return None


def find_usual_close(data: "Buffer", body: int, end: int, content_type: bytes, /) -> int:
    """The offset of the line feed before a close delimiter in the last line, or -1.

    Nearly every multipart ends with its close delimiter and a line end, and has its boundary in quotes. Any other is -1.
    """
    begin = end - _LINE_SIZE if end - body > _LINE_SIZE else body
    ending = data[begin:end].rstrip()
    line = ending.rfind(b"\n--")
    if line >= 0 and ending.endswith(b"--") and b'"%b"' % ending[line + 3 : -2] in content_type:
        return begin + line
    return -1


def is_unclosed(data: "Buffer", body: int, end: int, content_type: bytes, /) -> bool:
    """Whether a message of this content type is a multipart without its close delimiter (RFC 2046 section 5.1.1)."""
    if find_usual_close(data, body, end, content_type) >= 0:
        return False
    info = declared(content_type)
    if info.family != "multipart" or not info.boundary:
        return False
    needle = b"\n--%b--" % info.boundary
    near = data.rfind(needle, max(body - 1, end - _ENDING), end)
    if near >= 0 and _CLOSE_LINE_END.match(data, near + len(needle), end):
        return False
    hit = body - 1
    while (hit := fast_find(data, needle, hit, end)) >= 0:
        hit += len(needle)
        if _CLOSE_LINE_END.match(data, hit, end):
            return False
    return True


def is_closed_bounce(data: "Buffer", start: int, end: int, /) -> bool:
    """Whether a message is a `multipart/report` with its close delimiter, in which a notice is about the returned message."""
    block = scan(data, start, end, field_pattern("content-type"))
    content_type = block.fields.get(b"content-type", b"")
    return declared(content_type).media_type == "multipart/report" and not is_unclosed(
        data, block.body, end, content_type
    )
