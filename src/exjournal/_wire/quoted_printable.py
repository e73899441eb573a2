"""Quoted-printable with line ends in places that harm readers least that do not decode (RFC 2045 section 6.7).

The standard library encodes; this module only decides where lines end. The writer of a text marks the good places.
"""

import binascii
from itertools import accumulate
from typing import Final

# Text has no NUL of its own. One NUL marks either end of an address, two mark the best place to end a line.
EDGE: Final = "\0"
BREAK: Final = "\0\0"

_EDGE: Final = b"=00"
_BREAK: Final = b"=00=00"
# Characters of an encoded line, including the `=` of a soft break.
_LINE: Final = 76


def quoted_printable(text: bytes, /) -> bytes:
    """Encode marked text with CRLF line ends; linear, as a line has only a few marks.

    A line of more than 76 characters is cut at a `BREAK` if there is one in reach, else at an `EDGE`, else before a space, and
    only then within a word.
    """
    encoded = binascii.b2a_qp(text).replace(b"=\r\n", b"")
    lines = [line if len(line) <= _LINE else _wrapped(line) for line in encoded.split(b"\r\n")]
    return b"\r\n".join(lines).replace(_EDGE, b"")


def _wrapped(marked: bytes) -> bytes:
    """Cut one line, without its marks, into pieces of at most 76 characters."""
    line = marked.replace(_EDGE, b"")
    # The line of a subject has no marks.
    places = [_places(marked, mark) for mark in (_BREAK, _EDGE)] if len(line) < len(marked) else []
    pieces = []
    start = 0
    while len(line) - start > _LINE:
        end = start + _LINE - 1
        reachable = [place for marks in places for place in marks if start < place <= end]
        if reachable:
            place = reachable[0]
        # A piece that begins with a space cannot be taken for a From line or a lone full stop.
        elif (place := line.rfind(b" ", start + 1, end + 1)) < 0:
            # Not within an escape, which has three characters.
            escape = line.rfind(b"=", end - 2, end)
            place = end if escape < 0 else escape
        pieces.append(line[start:place])
        start = place
    pieces.append(line[start:])
    return b"=\r\n".join(pieces)


def _places(marked: bytes, mark: bytes) -> list[int]:
    """Find the positions of a mark in the line without marks, the last one first."""
    lengths = [len(piece.replace(_EDGE, b"")) for piece in marked.split(mark)[:-1]]
    return list(accumulate(lengths))[::-1]
