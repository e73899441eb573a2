"""What makes two messages the same message, as one digest: forks of one, written out again by a server, have it in common.

Covered are the header fields that readers of mail show, what each part declares, and every octet of every part. Left out is
what servers add and write anew on the way: trace fields, their own fields, folding, boundaries, and whether a line ends in
CRLF or LF. Nothing is decoded. Where readers could disagree about what is a part, the body is taken as it stands, boundaries
and all: two forks may then pass for two messages, and never two messages for one.
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

# Bcc is missing on purpose, as servers take it out, and the Message-ID, which is compared beside the content.
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
    """The digest of a message, 32 octets, and whether the message has a header of its own."""

    digest: bytes
    has_header: bool


class _Header(NamedTuple):
    """A header block as it is compared, and the boundary of what stands behind it, where that is clear to every reader."""

    told: bytes
    # The same where the body is taken as it stands.
    told_whole: bytes
    boundary: bytes


class _Unclear(Exception):
    """Readers may disagree about the parts of a message."""


class _Piece(NamedTuple):
    """What is compared of a body: what it is, what a header says of it, and a place in the data where it has one."""

    kind: bytes
    told: bytes = b""
    place: tuple[int, int] | None = None


def same_content(data: "Buffer", start: int, end: int, /) -> Sameness:
    """SHA-256 of what makes the message between `start` and `end` the same as another one.

    All the octets are taken where the header block is beyond the limits.
    """
    # Some readers take a quoted separator for the end of the block, so no seal allows it; it precedes the same message.
    found = header_of(data, start, end, (*_COVERED, "Message-ID"), quoted_separator=True)
    has_header = not found.is_bare and (bool(found.spans) or not found.complete)
    digest = hashlib.sha256(b"exjournal content 2\n")
    if has_header and not found.complete and found.body < end:
        digest.update(b"octets\n")
        put_text(digest, data, start, end)
        return Sameness(digest.digest(), has_header=True)
    block, body, is_odd = b"", found.body, found.is_odd
    if found.before or not has_header:
        # Lines in the form of fields, a From line or a byte order mark are text where no header follows. Where other text
        # comes first, all of it is text to some readers.
        body, is_odd = start, False
    elif is_odd:
        block = data[found.start : body]
    else:
        block = b"".join([data[a:b] for a, b in found.spans])
    header = _header(block, is_odd=is_odd)
    if has_mixed_delimiters(data, body, end):
        put(digest, b"header", header.told_whole)
        put_octets(digest, b"mixed", data, body, text_end(data, body, end))
        return Sameness(digest.digest(), has_header)
    pieces: list[_Piece] = []
    if header.boundary:
        try:
            _take_apart(data, body, end, header.boundary, (), pieces)
        except (_Unclear, TooManyParts):
            pieces.clear()
    put(digest, b"header", header.told if pieces else header.told_whole)
    for kind, told, place in pieces or [_Piece(b"leaf", b"", (body, end))]:
        put(digest, kind, told)
        if place is not None:
            put(digest, b"text", text_digest(data, *place))
    return Sameness(digest.digest(), has_header=has_header)


def text_digest(data: "Buffer", start: int, end: int, /) -> bytes:
    """SHA-256 of a content with one kind of line end, and without the line ends at its end."""
    digest = hashlib.sha256()
    put_text(digest, data, start, end)
    return digest.digest()


def repeated_fields(block: bytes, /) -> bytes:
    """What the header of a report repeats of its original, as it is compared: its Date and Sender are the report's own."""
    return b"".join([_field(name, words) for name, words in words_of(block, _REPEATED)])


_REPEATED: Final = frozenset([name.lower().encode() for name in _SHOWN]) - {b"date", b"sender"}


# A line with its folds: a line after one of spaces is not a fold of the line before.
_LINE = re.compile(rb"[^\n]*+(?:\n[ \t]++[^ \t\r\n][^\n]*+)*+(?:\n|\Z)")


def _header(block: bytes, *, is_odd: bool) -> _Header:
    words = _odd_words(block) if is_odd else words_of(block, _COVERED_NAMES)
    types = [value for name, value in words if name == TYPE]
    encodings = [value for name, value in words if name == ENCODING]
    is_plain = not encodings or (len(encodings) == 1 and encodings[0] in IDENTITY)
    words = [field for field in words if field[0] != ENCODING or not is_plain]
    whole = b"".join([_field(name, value) for name, value in words])
    if len(types) == 1 and is_plain and not is_odd:
        boundary, others = _boundary(types[0])
        if boundary:
            clear = b"".join([_field(name, others if name == TYPE else value) for name, value in words])
            return _Header(clear, whole, boundary)
    return _Header(whole, whole, b"")


def _part_header(block: bytes) -> _Header:
    return _header(block, is_odd=has_odd_line(block))


# The blocks of parts are few and short, so the answers are kept.
_kept_header = lru_cache(maxsize=256)(_part_header)


def _odd_words(block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of an odd block up to its first odd line, and everything from there, which some readers show as text."""
    odd = next(found.start() for found in _LINE.finditer(block) if has_odd_line(found[0]))
    return [*words_of(block[:odd], _COVERED_NAMES), (b"", block[odd:].replace(b"\r\n", b"\n"))]


def _field(name: bytes, words: bytes) -> bytes:
    return b"%b %d:%b\n" % (name, len(words), words)


# A Content-Type in which no reader finds another boundary (RFC 2045 section 5.1; RFC 2046 section 5.1.1): characters on which
# readers differ, comments, escapes and encoded words are left out.
_TOKEN_FORM: Final = rb"[A-Za-z0-9!#$&+.^_`|~-]+"
_VALUE_FORM: Final = rb'"[^"\\]*"|[^\s/;"()<>@,\\:?=\[\]\']+'
_PARAMETER: Final = rb"; (%b) ?= ?(%b)" % (_TOKEN_FORM, _VALUE_FORM)
_MULTIPART: Final = rb"(?i:multipart)/%b(?:; %b ?= ?(?:%b))+" % (_TOKEN_FORM, _TOKEN_FORM, _VALUE_FORM)
_BOUNDARY_FORM: Final = rb"[0-9A-Za-z+_,./:=?-]{1,70}"


def _boundary(words: bytes) -> tuple[bytes, bytes]:
    """The boundary that a Content-Type declares, and the rest of it; nothing where readers might find another one."""
    if b"=?" in words or re.fullmatch(_MULTIPART, words) is None:
        return b"", b""
    found = [parameter for parameter in re.finditer(_PARAMETER, words) if parameter[1].lower() == b"boundary"]
    if len(found) != 1:
        return b"", b""
    boundary, others = found[0][2].strip(b'"'), words[: found[0].start()] + words[found[0].end() :]
    # Some readers look for the word alone.
    if re.fullmatch(_BOUNDARY_FORM, boundary) is None or b"boundary" in others.lower():
        return b"", b""
    return boundary, others


def _take_apart(
    data: "Buffer", start: int, end: int, boundary: bytes, around: tuple[bytes, ...], pieces: list[_Piece]
) -> None:
    """The pieces of a multipart inside those with the boundaries `around`. Raises _Unclear, or TooManyParts."""
    body = body_spans(data, start, end, boundary)
    if body is None or len(around) == NESTING_LIMIT:
        raise _Unclear
    # A boundary that begins with another one is met, and read by the whole of its line; a close delimiter is not.
    if any(boundary == other or boundary.startswith(other + b"--") for other in around):
        raise _Unclear
    around = (*around, boundary)
    pieces.append(_Piece(b"multipart", b"closed" if body.closed else b"open"))
    pieces.append(_Piece(b"preamble", b"", _clear(data, start, body.preamble_end, around)))
    for begin, behind in body.parts:
        leaf = leaf_at(data, begin, behind)
        block = data[begin : leaf.start]
        if len(block) - block.count(b"\r\n") > PART_HEADER_LIMIT or block.count(b"\n") > PART_HEADER_LINE_LIMIT:
            pieces.append(_Piece(b"long part", b"", _clear(data, begin, behind, around)))
            continue
        header = _kept_header(block) if len(block) <= HEADER_KEPT else _part_header(block)
        if header.boundary:
            _clear(data, begin, leaf.start, around)
            pieces.append(_Piece(b"part", header.told))
            _take_apart(data, leaf.start, behind, header.boundary, around, pieces)
        else:
            _clear(data, begin, behind, around)
            pieces.append(_Piece(b"part" if block else b"bare part", header.told_whole, (leaf.start, behind)))
        if len(pieces) > _PIECE_LIMIT:
            raise _Unclear
    pieces.append(_Piece(b"epilogue", b"", _clear(data, body.epilogue, end, around)))


# Pieces of one message: as many parts as a report may have, and what is round them.
_PIECE_LIMIT: Final = 2 * PART_LIMIT


def _clear(data: "Buffer", start: int, end: int, around: tuple[bytes, ...]) -> tuple[int, int]:
    """A place in which no boundary of the multiparts round it stands: in a line of its own it would end a part."""
    if any(fast_find(data, b"--" + boundary, start, end) >= 0 for boundary in around):
        raise _Unclear
    return start, end
