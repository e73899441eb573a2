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

from exjournal._wire.content import ODD_LINE, put_text
from exjournal._wire.headers import field_spans, fields, span_pattern
from exjournal._wire.message import header_place
from exjournal._wire.multipart import (
    HEADER_KEPT,
    PART_HEADER_LIMIT,
    PART_HEADER_LINE_LIMIT,
    PART_LIMIT,
    TooManyParts,
    body_spans,
    leaf_at,
)
from exjournal._wire.octets import find
from exjournal._wire.parts import NESTING_LIMIT

if TYPE_CHECKING:
    from hashlib import _Hash

    from exjournal._wire.octets import Octets

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
_TYPE: Final = b"content-type"
_ENCODING: Final = b"content-transfer-encoding"
# Fields in which the number of blanks between two words is shown to a reader.
_UNSTRUCTURED: Final = frozenset((b"subject", b"comments", b"content-description"))
# Transfer encodings behind which the content stands as it is; servers write one for another.
_IDENTITY: Final = frozenset((b"", b"7bit", b"8bit", b"binary"))


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


def same_content(data: "Octets", start: int, end: int, /) -> Sameness:
    """SHA-256 of what makes the message between `start` and `end` the same as another one.

    All the octets are taken where the header block is beyond the limits.
    """
    begin, body, is_bare = header_place(data, start, end)
    block, complete, is_odd = b"", True, False
    if not is_bare:
        spans, body, complete = field_spans(data, begin, end, span_pattern((*_COVERED, "Message-ID")))
        block = data[begin:body]
        is_odd = _is_odd(block)
        block = block if is_odd else b"".join([data[a:b] for a, b in spans])
        is_bare = not spans and complete
    if is_bare:
        # What has the form of a field, a From line or a byte order mark is text where nothing stands behind it that makes a
        # header.
        begin = body = start
        block, is_odd = b"", False
    digest = hashlib.sha256(b"exjournal content\n")
    if not complete and body < end:
        digest.update(b"octets\n")
        _put_octets(digest, data, start, end)
        return Sameness(digest.digest(), has_header=True)
    # A From line that a mailbox file put before a message is none of its own; anything else there is shown by some reader.
    if begin != start and re.fullmatch(_FROM_LINE, data[start:begin]) is None:
        _put(digest, b"before", data[start:begin])
    header = _header(block, is_odd=is_odd)
    pieces: list[_Piece] = []
    if header.boundary:
        try:
            _take_apart(data, body, end, header.boundary, (), pieces)
        except (_Unclear, TooManyParts):
            pieces.clear()
    _put(digest, b"header", header.told if pieces else header.told_whole)
    for kind, told, place in pieces or [_Piece(b"leaf", b"", (body, end))]:
        _put(digest, kind, told)
        if place is not None:
            _put(digest, b"text", text_digest(data, *place))
    return Sameness(digest.digest(), has_header=not is_bare)


# An address, and a time as in C (RFC 4155).
_FROM_LINE: Final = rb"(?:>?From [!-~]+ +[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d[ -~]*\r?\n){1,2}"


def text_digest(data: "Octets", start: int, end: int, /) -> bytes:
    """SHA-256 of a content with one kind of line end, and without the line ends behind it; as it stands where it holds NUL."""
    digest = hashlib.sha256()
    if data.find(b"\0", start, end) >= 0:
        digest.update(b"binary\0")  # no text begins so, and no server takes it for lines
        _put_octets(digest, data, start, end)
    else:
        put_text(digest, data, start, end)
    return digest.digest()


def repeated_fields(block: bytes, /) -> bytes:
    """What the header of a report repeats of its original, as it is compared: its Date and Sender are the report's own."""
    told = [(name.lower(), value) for name, value in fields(block)]
    kept = sorted([field for field in told if field[0] in _REPEATED], key=lambda field: field[0])
    return b"".join([_field(name, _words(name, value)) for name, value in kept])


_REPEATED: Final = frozenset([name.lower().encode() for name in _SHOWN]) - {b"date", b"sender"}


def _put_octets(digest: "_Hash", data: "Octets", start: int, end: int) -> None:
    with memoryview(data) as view, view[start:end] as octets:
        digest.update(octets)


def _put(digest: "_Hash", kind: bytes, content: bytes) -> None:
    # With its size before it, nothing can pass for the beginning of what follows.
    digest.update(b"%b %d:" % (kind, len(content)))
    digest.update(content)


# A line with its folds: what stands behind a line of blanks is no fold of what stands before it.
_LINE = re.compile(rb"[^\n]*+(?:\n[ \t]++[^ \t\r\n][^\n]*+)*+(?:\n|\Z)")


def _is_odd(block: bytes) -> bool:
    """Whether a block has lines that some readers take for the end of it, or for fields of their own."""
    if block[:1] in (b" ", b"\t"):
        return True
    if _EVEN.fullmatch(block) is not None and block.count(b"\r") == block.count(b"\r\n"):
        return False
    return ODD_LINE.search(b"\n" + block) is not None


# What nearly all blocks are, told in half the time.
_EVEN = re.compile(rb"(?:(?:[!-9;-~]++:|[ \t]++[^ \t\r\n])[^\n]*+\n)*+(?:\r?\n)?")


def _header(block: bytes, *, is_odd: bool) -> _Header:
    if not is_odd:
        told = [(name.lower(), value) for name, value in fields(block)]
        # Servers move fields, and those of one name keep their order.
        told = sorted([field for field in told if field[0] in _COVERED_NAMES], key=lambda field: field[0])
    else:
        told = _odd_fields(block)
    words = [(name, _words(name, value)) for name, value in told]
    types = [value for name, value in words if name == _TYPE]
    encodings = [value for name, value in words if name == _ENCODING]
    is_plain = not encodings or (len(encodings) == 1 and encodings[0] in _IDENTITY)
    words = [field for field in words if field[0] != _ENCODING or not is_plain]
    whole = b"".join([_field(name, value) for name, value in words])
    if len(types) == 1 and is_plain and not is_odd:
        boundary, others = _boundary(types[0])
        if boundary:
            clear = b"".join([_field(name, others if name == _TYPE else value) for name, value in words])
            return _Header(clear, whole, boundary)
    return _Header(whole, whole, b"")


def _part_header(block: bytes) -> _Header:
    return _header(block, is_odd=_is_odd(block))


# The blocks of parts are few and short, so the answers are kept.
_kept_header = lru_cache(maxsize=256)(_part_header)


def _odd_fields(block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of an odd block up to its first odd line, and all that is behind, which some readers show as text."""
    odd = next(found.start() for found in _LINE.finditer(block) if _is_odd(found[0]))
    told = [(name.lower(), value) for name, value in fields(block[:odd])]
    return [field for field in told if field[0] in _COVERED_NAMES] + [(b"", block[odd:].replace(b"\r\n", b"\n"))]


def _field(name: bytes, words: bytes) -> bytes:
    return b"%b %d:%b\n" % (name, len(words), words)


_FOLD = re.compile(rb"\r?\n(?=[ \t])")


def _words(name: bytes, value: bytes) -> bytes:
    """A value without its folds, each of which a server may have made of one blank; what has no name stays as it is."""
    if not name:
        return value
    value = _FOLD.sub(b"", value).replace(b"\t", b" ").lstrip(b" ")
    if name == _ENCODING:
        return value.lower()  # with a blank behind it, an encoding is unknown to some readers
    value = value.rstrip(b" ")
    pieces = value.split(b'"')
    # What stands in quotes is shown as it is.
    if name in _UNSTRUCTURED or b"\\" in value or len(pieces) % 2 == 0:
        return value
    is_content = name.startswith(b"content-")
    for number in range(0, len(pieces), 2):
        piece = re.sub(rb" {2,}", b" ", pieces[number])
        pieces[number] = re.sub(rb" ?; ?", b"; ", piece) if is_content else piece
    return b'"'.join(pieces).rstrip(b" ;" if is_content else b" ")


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
    data: "Octets", start: int, end: int, boundary: bytes, around: tuple[bytes, ...], pieces: list[_Piece]
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
        if len(block) > PART_HEADER_LIMIT or block.count(b"\n") > PART_HEADER_LINE_LIMIT:
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


def _clear(data: "Octets", start: int, end: int, around: tuple[bytes, ...]) -> tuple[int, int]:
    """A place in which no boundary of the multiparts round it stands: in a line of its own it would end a part."""
    if any(find(data, b"--" + boundary, start, end) >= 0 for boundary in around):
        raise _Unclear
    return start, end
