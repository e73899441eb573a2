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

# Bytes in which the last line is searched for: a delimiter has at most 74, and line ends may follow it.
LINE_SIZE: Final = 96
# Close delimiters after a notice: those of the multiparts that a message can be in.
_LEVELS: Final = 8
# Bytes at the end in which a close delimiter is expected.
_ENDING: Final = 512
# How a notice ends, without the signs after it.
_LAST_WORDS: Final = (
    *(b"uncated", b"UNCATED", b"ncluded", b"NCLUDED", b"ppressed", b"PPRESSED", b"tripped", b"TRIPPED"),
)
# How the last line can end if there is a notice, perhaps before close delimiters.
ENDINGS: Final = (
    *(b"--", b"**", b"ated", b"ated.", b"ATED", b"ATED.", b"uded", b"uded.", b"UDED", b"ssed", b"ssed.", b"SSED"),
    *(b"pped", b"pped.", b"PPED", b"d]", b"D]", b"d)", b"D)"),
)
# The last byte of each ending, and the white space that may follow it.
LAST_BYTES: Final = frozenset(b"-*.dD]) \t\r\n\v\f")
# Bytes that have the ending and the line ends after it.
ENDING_SIZE: Final = 16
_SIGNS: Final = b"-*=.!)]> \t\r\n"
# Gmail and Google Workspace write `----- Message truncated -----`, AOL `Message truncated.`, CipherTrust
# `*** Body Not Included ***`, sendmail `----- Message body suppressed -----`, qmail with a size limit
# `--- End of message stripped.`.
_NOTICE = re.compile(
    rb"(?i:\W{0,20}+(?:message (?:is |was |has been )?truncated"
    rb"|(?:message )?body (?:is |was )?(?:not included|suppressed|truncated)"
    rb"|(?:end|rest) of message (?:stripped|truncated))\W{0,20}+)"
)
_CLOSE_LINE_END = re.compile(rb"[ \t]*+(?:\r?\n|\r?\Z)")


def cut_notice(data: "Buffer", start: int, end: int, /) -> int | None:
    """Find the offset of a last line which says that the message was cut; only close delimiters may follow it."""
    for _ in range(_LEVELS):
        begin = end - LINE_SIZE if end - start > LINE_SIZE else start
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


def is_unclosed(data: "Buffer", body: int, end: int, content_type: bytes, /) -> bool:
    """Whether a message of this content type is a multipart without its close delimiter (RFC 2046 section 5.1.1)."""
    # Nearly every multipart ends with its close delimiter and a line end, and has its boundary in quotes.
    ending = data[max(body, end - LINE_SIZE) : end].rstrip()
    dashes = ending.rfind(b"\n--")
    if dashes >= 0 and ending.endswith(b"--") and b'"%b"' % ending[dashes + 3 : -2] in content_type:
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
