"""One digest of the content of a message, equal for all forks that servers made of it; `keys` puts it in an identity.

It covers the header fields that mail readers show, the header of each part, and every byte of every part. It leaves out
anything that servers add or rewrite on the way: trace fields, their own fields, folding, boundaries, and whether a line ends
in CRLF or LF. Nothing is decoded. If mail readers could disagree about the parts, the digest covers the body as written, with
its boundaries. Then two forks may count as two messages, but two messages never count as one.
"""

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.buffers import fast_find
from exjournal._wire.canonical import (
    ENCODING,
    IDENTITY,
    TYPE,
    has_mixed_delimiters,
    header_of,
    put,
    put_octets,
    put_text,
    text_end,
    words_of,
)
from exjournal._wire.headers import has_odd_line
from exjournal._wire.multipart import HEADER_KEPT, TooManyParts, body_spans, leaf_at
from exjournal.limits import NESTING_LIMIT, PART_HEADER_LIMIT, PART_HEADER_LINE_LIMIT, PART_LIMIT

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Bcc is left out on purpose, because servers remove it, and so is the Message-ID, which has a key of its own.
_SHOWN: Final = (
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Subject",
    "In-Reply-To",
    "References",
    "Comments",
    "Keywords",
)
_OF_A_PART: Final = (
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-Description",
    "Content-ID",
    "Content-Location",
    "Content-Base",
)
_COVERED: Final = (*_SHOWN, *_OF_A_PART)
_COVERED_NAMES: Final = frozenset([name.lower().encode() for name in _COVERED])


class Sameness(NamedTuple):
    """The digest of a message, 32 bytes, and whether the message has a header of its own."""

    digest: bytes
    has_header: bool


class _Header(NamedTuple):
    """A header block in the form under the digest, and the boundary of its body, if every reader finds the same one."""

    # Without the boundary: for a body that is split into parts.
    for_parts: bytes
    # With the boundary: for a body that is covered as written.
    for_body: bytes
    boundary: bytes


class _Unclear(Exception):
    """Mail readers may disagree about the parts of a message."""


class _Piece(NamedTuple):
    """A piece of a body: its kind, its header in the form under the digest, and the span of its text in the data, if any."""

    kind: bytes
    header: bytes = b""
    place: tuple[int, int] | None = None


def same_content(data: "Buffer", start: int, end: int, /) -> Sameness:
    """Compute the SHA-256 of the content of the message between `start` and `end`.

    It covers the bytes as written if the header block exceeds the limits.
    """
    # Some readers end the block at a quoted separator, so no seal allows one; here it precedes the same message.
    layout = header_of(data, start, end, (*_COVERED, "Message-ID"), quoted_separator=True)
    has_header = not layout.is_bare and (bool(layout.spans) or not layout.complete)
    digest = hashlib.sha256(b"exjournal content 2\n")
    if has_header and not layout.complete and layout.body < end:
        digest.update(b"octets\n")
        put_text(digest, data, start, end)
        return Sameness(digest.digest(), has_header=True)
    block, body, is_odd = b"", layout.body, layout.is_odd
    if layout.before or not has_header:
        # Lines that look like fields, a From line or a byte order mark are text unless a header follows. If other text comes
        # first, some readers take everything for text.
        body, is_odd = start, False
    elif is_odd:
        block = data[layout.start : body]
    else:
        block = b"".join([data[a:b] for a, b in layout.spans])
    header = _header(block, is_odd=is_odd)
    if has_mixed_delimiters(data, body, end):
        put(digest, b"header", header.for_body)
        put_octets(digest, b"mixed", data, body, text_end(data, body, end))
        return Sameness(digest.digest(), has_header)
    pieces: list[_Piece] = []
    if header.boundary:
        try:
            _split(data, body, end, header.boundary, (), pieces)
        except (_Unclear, TooManyParts):
            pieces.clear()
    put(digest, b"header", header.for_parts if pieces else header.for_body)
    for kind, part_header, place in pieces or [_Piece(b"leaf", b"", (body, end))]:
        put(digest, kind, part_header)
        if place is not None:
            put(digest, b"text", text_digest(data, *place))
    return Sameness(digest.digest(), has_header=has_header)


def text_digest(data: "Buffer", start: int, end: int, /) -> bytes:
    """Compute the SHA-256 of a content with its line ends made alike and those at its end removed."""
    digest = hashlib.sha256()
    put_text(digest, data, start, end)
    return digest.digest()


def repeated_fields(block: bytes, /) -> bytes:
    """Return the fields that a report's header copies from its original, in the form under the digest.

    Date and Sender are left out: they are the report's own.
    """
    return b"".join([_field(name, words) for name, words in words_of(block, _REPEATED)])


_REPEATED: Final = frozenset([name.lower().encode() for name in _SHOWN]) - {b"date", b"sender"}


# A line with its folds; a line of spaces alone is not a fold and ends the field.
_LINE = re.compile(rb"[^\n]*+(?:\n[ \t]++[^ \t\r\n][^\n]*+)*+(?:\n|\Z)")


def _header(block: bytes, *, is_odd: bool) -> _Header:
    words = _odd_words(block) if is_odd else words_of(block, _COVERED_NAMES)
    types = [value for name, value in words if name == TYPE]
    encodings = [value for name, value in words if name == ENCODING]
    is_plain = not encodings or (len(encodings) == 1 and encodings[0] in IDENTITY)
    words = [field for field in words if field[0] != ENCODING or not is_plain]
    every_field = b"".join([_field(name, value) for name, value in words])
    if len(types) == 1 and is_plain and not is_odd:
        boundary, others = _boundary(types[0])
        if boundary:
            for_parts = b"".join([_field(name, others if name == TYPE else value) for name, value in words])
            return _Header(for_parts, every_field, boundary)
    return _Header(every_field, every_field, b"")


def _part_header(block: bytes) -> _Header:
    return _header(block, is_odd=has_odd_line(block))


# Messages repeat a few short header blocks of parts, so the results are cached.
_kept_header = lru_cache(maxsize=256)(_part_header)


def _odd_words(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields before the first odd line, and everything from that line on, which some readers show as text."""
    odd = next(line.start() for line in _LINE.finditer(block) if has_odd_line(line[0]))
    return [*words_of(block[:odd], _COVERED_NAMES), (b"", block[odd:].replace(b"\r\n", b"\n"))]


def _field(name: bytes, words: bytes) -> bytes:
    return b"%b %d:%b\n" % (name, len(words), words)


# A Content-Type in which every reader finds the same boundary (RFC 2045 section 5.1; RFC 2046 section 5.1.1). Comments,
# escapes, encoded words and other characters on which readers differ do not match.
_TOKEN: Final = rb"[A-Za-z0-9!#$&+.^_`|~-]+"
_VALUE: Final = rb'"[^"\\]*"|[^\s/;"()<>@,\\:?=\[\]\']+'
_PARAMETER = re.compile(rb"; (%b) ?= ?(%b)" % (_TOKEN, _VALUE))
_MULTIPART = re.compile(rb"(?i:multipart)/%b(?:; %b ?= ?(?:%b))+" % (_TOKEN, _TOKEN, _VALUE))
_BOUNDARY = re.compile(rb"[0-9A-Za-z+_,./:=?-]{1,70}")


def _boundary(words: bytes) -> tuple[bytes, bytes]:
    """Return the boundary of a Content-Type and its other words; both are empty if readers might find another boundary."""
    if b"=?" in words or _MULTIPART.fullmatch(words) is None:
        return b"", b""
    declared = [parameter for parameter in _PARAMETER.finditer(words) if parameter[1].lower() == b"boundary"]
    if len(declared) != 1:
        return b"", b""
    boundary, others = declared[0][2].strip(b'"'), words[: declared[0].start()] + words[declared[0].end() :]
    # Some readers search for the bare word.
    if _BOUNDARY.fullmatch(boundary) is None or b"boundary" in others.lower():
        return b"", b""
    return boundary, others


def _split(
    data: "Buffer", start: int, end: int, boundary: bytes, outer: tuple[bytes, ...], pieces: list[_Piece]
) -> None:
    """Append the pieces of a multipart that lies inside multiparts with the boundaries `outer`.

    Raises _Unclear or TooManyParts.
    """
    body = body_spans(data, start, end, boundary)
    if body is None or len(outer) == NESTING_LIMIT:
        raise _Unclear
    # Real mail has boundaries that begin with an outer one, and readers compare the whole line. They disagree if the inner
    # boundary looks like the close delimiter of the outer one.
    if any(boundary == other or boundary.startswith(other + b"--") for other in outer):
        raise _Unclear
    outer = (*outer, boundary)
    pieces.append(_Piece(b"multipart", b"closed" if body.closed else b"open"))
    pieces.append(_Piece(b"preamble", b"", _clear(data, start, body.preamble_end, outer)))
    for begin, part_end in body.parts:
        leaf = leaf_at(data, begin, part_end)
        block = data[begin : leaf.start]
        if len(block) - block.count(b"\r\n") > PART_HEADER_LIMIT or block.count(b"\n") > PART_HEADER_LINE_LIMIT:
            pieces.append(_Piece(b"long part", b"", _clear(data, begin, part_end, outer)))
            continue
        header = _kept_header(block) if len(block) <= HEADER_KEPT else _part_header(block)
        if header.boundary:
            _clear(data, begin, leaf.start, outer)
            pieces.append(_Piece(b"part", header.for_parts))
            _split(data, leaf.start, part_end, header.boundary, outer, pieces)
        else:
            _clear(data, begin, part_end, outer)
            pieces.append(_Piece(b"part" if block else b"bare part", header.for_body, (leaf.start, part_end)))
        if len(pieces) > _PIECE_LIMIT:
            raise _Unclear
    pieces.append(_Piece(b"epilogue", b"", _clear(data, body.epilogue, end, outer)))


# Pieces of one message: twice the parts that a report may have, for the preambles and epilogues between them.
_PIECE_LIMIT: Final = 2 * PART_LIMIT


def _clear(data: "Buffer", start: int, end: int, outer: tuple[bytes, ...]) -> tuple[int, int]:
    """Return the span, or raise _Unclear if it contains a boundary of `outer`, which some readers would take for one."""
    if any(fast_find(data, b"--" + boundary, start, end) >= 0 for boundary in outer):
        raise _Unclear
    return start, end
