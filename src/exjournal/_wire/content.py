"""What a message says, as one digest that stays the same from hop to hop: seals are made over it.

Covered are the fields that a reader of mail shows, every part header, every part behind its transfer encoding, and what stands
outside the parts. Left out is what servers add and rewrite on the way: trace fields, folding, boundaries, transfer encodings,
and carriage returns, so that CRLF and LF are one.
"""

import hashlib
import re
from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.headers import field_spans, fields, span_pattern
from exjournal._wire.message import lead_in
from exjournal._wire.multipart import (
    Body,
    PartInfo,
    TooManyParts,
    body_spans,
    declared,
    leaf_at,
    transfer_decoded,
)
from exjournal._wire.parts import NESTING_LIMIT

if TYPE_CHECKING:
    from hashlib import _Hash

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
_ENCODING: Final = b"content-transfer-encoding"
_BOUNDARY = re.compile(rb';\s*boundary[*\d]*\s*=\s*(?:"[^"]*+"?|[^\s;]*+)', re.IGNORECASE)
# Octets: base64 up to this size is decoded, so that a text is the same however it was sent; above it the text of the encoding
# is as good and costs a third.
_DECODED_LIMIT: Final = 64 << 10


def content_digest(data: "Octets", /) -> bytes:
    """SHA-256 of what a message says; of all its octets where the header block is beyond the limits."""
    start, end = lead_in(data)[-1], len(data)
    spans, body, complete = field_spans(data, start, end, span_pattern(_COVERED))
    digest = hashlib.sha256()
    if not complete and body < end:
        _put(digest, b"octets", data[start:])
        return digest.digest()
    block = b"".join([data[begin:behind] for begin, behind in spans])
    found = _put_fields(digest, block, ordered=True)
    info = declared(found.get(b"content-type", b""), found.get(_ENCODING, b""))
    _put_content(digest, data, info, body, end, 1)
    return digest.digest()


def _put(digest: "_Hash", kind: bytes, content: bytes) -> None:
    # With its size before it, nothing can pass for the beginning of what follows.
    digest.update(b"%b %d:" % (kind, len(content)))
    digest.update(content)


def _put_fields(digest: "_Hash", block: bytes, *, ordered: bool = False) -> dict[bytes, bytes]:
    """Take the fields of a block in, `ordered` by name where servers move them; the first value of each, as written."""
    first: dict[bytes, bytes] = {}
    told: list[tuple[bytes, bytes]] = []
    for name, value in fields(block):
        name = name.lower()  # noqa: PLW2901
        first.setdefault(name, value)
        if name != _ENCODING:
            words = b" ".join(value.split())
            told.append((name, _BOUNDARY.sub(b"", words) if name == b"content-type" else words))
    if ordered:
        told.sort(key=lambda field: field[0])  # fields of one name keep their order
    for name, words in told:
        _put(digest, name, words)
    return first


def _put_content(digest: "_Hash", data: "Octets", info: PartInfo, start: int, end: int, depth: int) -> None:
    body = _body(data, info, start, end) if depth <= NESTING_LIMIT else None
    if body is None:
        _put(digest, b"content", _content(data, info, start, end))
        return
    _put(digest, b"preamble", _lines(data[start : body.preamble_end]).strip())
    for begin, behind in body.parts:
        leaf = leaf_at(data, begin, behind)
        header = data[begin : leaf.start]
        _put(digest, b"part", b"")
        _put_fields(digest, header)
        _put_content(digest, data, leaf.info, leaf.start, leaf.end, depth + 1)
    _put(digest, b"epilogue", _lines(data[body.epilogue : end]).strip())


def _body(data: "Octets", info: PartInfo, start: int, end: int) -> Body | None:
    if info.family != "multipart" or not info.boundary:
        return None
    try:
        return body_spans(data, start, end, info.boundary)
    except TooManyParts:
        return None  # one content, boundaries and all


def _content(data: "Octets", info: PartInfo, start: int, end: int) -> bytes:
    """The octets of a part behind its transfer encoding, without carriage returns where they can only be line ends."""
    if info.encoding == "base64":
        if end - start <= _DECODED_LIMIT:
            content, whole = transfer_decoded(data, start, end, info.encoding)
            if whole:
                return _lines(content).rstrip(b"\n") if info.family in ("text", "html") else content
        return data[start:end].translate(None, b"\r\n \t")
    if info.encoding == "quoted-printable":
        content, _ = transfer_decoded(data, start, end, info.encoding)
        return _lines(content).rstrip(b"\n")
    content = data[start:end]
    return content if info.encoding == "binary" else _lines(content).rstrip(b"\n")


def _lines(content: bytes) -> bytes:
    # To take one octet out is nine times as fast as to replace a pair.
    return content.replace(b"\r", b"")
