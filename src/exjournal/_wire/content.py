"""What a message says, as one digest that stays the same from hop to hop: seals are made over it.

Covered are the fields that a reader of mail shows, every part header, every part behind its transfer encoding, and what stands
outside the parts. Left out is what servers add and rewrite on the way: trace fields, folding, boundaries, transfer encodings,
and whether a line ends in CRLF or LF.
"""

import hashlib
import re
from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.headers import field_spans, fields, span_pattern, without
from exjournal._wire.message import header_place
from exjournal._wire.multipart import (
    PART_HEADER_LINE_LIMIT,
    Body,
    PartInfo,
    TooManyParts,
    body_spans,
    declared,
    leaf_at,
    transfer_decoded,
    without_boundary,
)
from exjournal._wire.parts import NESTING_LIMIT

if TYPE_CHECKING:
    from hashlib import _Hash

    from exjournal._wire.headers import Span
    from exjournal._wire.octets import Octets

# Bcc is missing on purpose: servers take it out.
_COVERED: Final = (
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Comments",
    "Keywords",
    "Content-*",
    names.ENVELOPE_SENDER,
)
_TYPE, _ENCODING = b"content-type", b"content-transfer-encoding"
# Octets of a part header block: a longer one is taken as it is written, as folding is looked at field by field.
_FOLDED_LIMIT: Final = 1 << 10
# Octets: text and messages in base64 up to this size is decoded, so that they are the same however
# they were sent; else the text of the encoding is as good and costs a third.
_DECODED_LIMIT: Final = 64 << 10


def content_digest(data: "Octets", /) -> bytes:
    """SHA-256 of what a message says; of all its octets where the header block is beyond the limits."""
    start, body, is_bare = header_place(data)
    end = len(data)
    spans: list[Span] = []
    if is_bare:
        complete = True  # a server that adds a field puts a blank line behind it, or finds one there
    else:
        spans, body, complete = field_spans(data, start, end, span_pattern(_COVERED))
    digest = hashlib.sha256()
    if not complete and body < end:
        _put(digest, b"octets", data[start:])
        return digest.digest()
    _put_odd(digest, data[start:body])
    block = b"".join([data[begin:behind] for begin, behind in spans])
    # Servers move fields, and those of one name keep their order.
    told = sorted(_fields(block), key=lambda field: field[0])
    first = dict(reversed(told))
    info = declared(first.get(_TYPE, b""), first.get(_ENCODING, b""))
    _put_part(digest, data, told, info, body, end, 1)
    return digest.digest()


def _fields(block: bytes) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in fields(block)]


def _put(digest: "_Hash", kind: bytes, content: bytes) -> None:
    # With its size before it, nothing can pass for the beginning of what follows.
    digest.update(b"%b %d:" % (kind, len(content)))
    digest.update(content)


def _put_odd(digest: "_Hash", block: bytes) -> None:
    """Take a whole block in where something in it may be shown as a body, or as another field, by one reader or the other."""
    if _ODD.search(block) is None:
        return
    spans, _, _ = field_spans(block, 0, len(block), span_pattern(_ADDED))
    clean = [(begin, end) for begin, end in spans if _ODD.search(b"\n" + block[begin:end]) is None]
    _put(digest, b"odd", b"".join(without(block, clean)))


# What servers, this library among them, put before a block.
_ADDED: Final = ("Received", "Return-Path", "X-ExJournal-*")


# A carriage return alone, a line of blanks, and a line that is neither a field nor a fold.
_ODD = re.compile(rb"\r(?!\n)|\n(?![!-9;-~]++[ \t]*+:|[ \t]++[^ \t\r\n]|\r?\n|\Z)")


def _put_part(
    digest: "_Hash", data: "Octets", told: list[tuple[bytes, bytes]], info: PartInfo, start: int, end: int, depth: int
) -> None:
    """Take a header and the content behind it in."""
    body = _body(data, info, start, end) if depth <= NESTING_LIMIT else None
    _put_fields(digest, told, is_split=body is not None)
    if body is None:
        _put_leaf(digest, data, info, start, end)
        return
    _put(digest, b"preamble", _lines(data[start : body.preamble_end]).strip())
    for begin, behind in body.parts:
        leaf = leaf_at(data, begin, behind)
        header = data[begin : leaf.start]
        if len(header) <= _FOLDED_LIMIT and header.count(b"\n") < PART_HEADER_LINE_LIMIT:
            _put(digest, b"part", b"")
            _put_odd(digest, b"\n" + header)
            _put_part(digest, data, _fields(header), leaf.info, leaf.start, leaf.end, depth + 1)
        else:
            _put(digest, b"part", _lines(header))
            _put_part(digest, data, [], leaf.info, leaf.start, leaf.end, depth + 1)
    _put(digest, b"epilogue", _lines(data[body.epilogue : end]).strip())


def _put_fields(digest: "_Hash", told: list[tuple[bytes, bytes]], *, is_split: bool) -> None:
    """Take fields in; the boundary is left out where it split the body, the encoding where what it hides is taken in."""
    seen: set[bytes] = set()
    for name, value in told:
        words = b" ".join(value.split())
        if name not in seen:
            if name == _TYPE and is_split:
                words = b" ".join(without_boundary(value).encode("utf-8", "surrogateescape").split())
            elif name == _ENCODING and words.lower() in (_IDENTICAL if is_split else _UNDERSTOOD):
                words = b""
        seen.add(name)
        if words or name != _ENCODING:
            _put(digest, b"field " + name, words)


# Transfer encodings behind which a multipart, and any part, is what is said to be there (RFC 2045 section 6).
_IDENTICAL: Final = frozenset((b"7bit", b"8bit", b"binary"))
_UNDERSTOOD: Final = _IDENTICAL | {b"quoted-printable", b"base64"}


def _body(data: "Octets", info: PartInfo, start: int, end: int) -> Body | None:
    if info.family != "multipart" or not info.boundary:
        return None
    try:
        return body_spans(data, start, end, info.boundary)
    except TooManyParts:
        return None  # one content, boundaries and all


def _put_leaf(digest: "_Hash", data: "Octets", info: PartInfo, start: int, end: int) -> None:
    """Take a content in behind its transfer encoding, without carriage returns where they can only be line ends."""
    if info.encoding == "binary":
        _put_octets(digest, b"content", data, start, end, b"")
        return
    if info.encoding == "base64":
        content, whole = b"", False
        if info.family in ("text", "html", "message") and end - start <= _DECODED_LIMIT:
            content, whole = transfer_decoded(data, start, end, info.encoding)
        if not whole:
            _put_octets(digest, b"base64", data, start, end, b"\r\n \t")
            return
        data, start, end = content, 0, len(content)
    elif info.encoding == "quoted-printable" and _BARE.search(data, start, end) is None:
        data, _ = transfer_decoded(data, start, end, info.encoding)
        start, end = 0, len(data)
    _put_text(digest, b"content", data, start, end)


# What stands between such a carriage return and the end of its line, decoders disagree about.
_BARE = re.compile(rb"\r(?!\n)")
# Octets that are hashed at a time: a copy of so many stays in the cache of the processor.
_CHUNK: Final = 256 << 10


def _put_octets(digest: "_Hash", kind: bytes, data: "Octets", start: int, end: int, removed: bytes) -> None:
    inner = hashlib.sha256()
    for begin in range(start, end, _CHUNK):
        inner.update(data[begin : min(begin + _CHUNK, end)].translate(None, removed))
    _put(digest, kind, inner.digest())


def _put_text(digest: "_Hash", kind: bytes, data: "Octets", start: int, end: int) -> None:
    """Take text in: line ends are one, those behind it are none."""
    end = _text_end(data, start, end)
    inner = hashlib.sha256()
    while start < end:
        behind = min(start + _CHUNK, end)
        if data[behind - 1] == 13 and behind < end:
            behind += 1  # no chunk ends between the two octets of a line end
        chunk = data[start:behind]
        # To take one octet out is nine times as fast as to replace a pair, where the octet stands in no other place.
        inner.update(chunk.replace(b"\r", b"") if _BARE.search(chunk) is None else _lines(chunk))
        start = behind
    _put(digest, kind, inner.digest())


def _text_end(data: "Octets", start: int, end: int) -> int:
    """Where a text ends without the line ends behind it: servers add one, or take it."""
    while end > start:
        begin = max(start, end - _CHUNK)
        chunk = data[begin:end]
        kept = len(chunk.rstrip(b"\r\n"))
        end = begin + kept
        if kept:
            break
    return end


def _lines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")
