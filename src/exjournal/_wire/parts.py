"""The leaves of a multipart message, which are its parts without parts inside, in order, and their decoded content."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.beginnings import find_another_message
from exjournal._wire.buffers import fast_find
from exjournal._wire.grammar import FIELD_VALUE, FROM_BEGINS, SHORT_FIELD_BEGINS
from exjournal._wire.multipart import (
    DECODED_ENCODINGS,
    Body,
    Leaf,
    PartInfo,
    TooManyParts,
    body_spans,
    declared,
    leaf_at,
    part_info,
    transfer_decoded,
)
from exjournal.errors import Defect, DefectCode, ParseError
from exjournal.limits import NESTING_LIMIT, PART_LIMIT

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Bytes of a body in which a delimiter line is searched for that no boundary parameter names; and of a body inside it.
_GUESS_LIMIT: Final = 1 << 16
_INNER_GUESS_LIMIT: Final = 1 << 12
# A boundary does not end in a space or TAB (RFC 2046 section 5.1.1), so each run of them is read once.
_FIRST_DELIMITER = re.compile(rb"\n--([^\r\n]{0,69}?[^ \t\r\n])[ \t]*+\r?\n(?=(?i:content-))")


def leaves_of(
    data: "Buffer", header: int, start: int, end: int, info: PartInfo, defects: list[Defect], /
) -> list[Leaf]:
    """Find the leaves of the body from `start` to `end`, whose header block at `header` declares the content type `info`.

    Raises ParseError for more than `PART_LIMIT`.
    """
    try:
        body = body_spans(data, start, end, info.boundary) if info.boundary else None
        if body is None:
            body = _guessed(data, start, end, info, _GUESS_LIMIT, defects)
        if body is None:
            defects.append(Defect(DefectCode.NOT_MULTIPART, "", start))
            return [Leaf(part_info(data[header:start]), start, end)]
        if not body.closed or body.preamble_end > start or body.epilogue < end:
            _note_text_outside(data, start, end, body, defects)
        leaves: list[Leaf] = []
        _collect(data, body, 1, leaves, [], defects)
    except TooManyParts as beyond:
        raise ParseError(DefectCode.TOO_MANY_PARTS, f"more than {PART_LIMIT}", beyond.args[0]) from None
    return leaves


def content_of(data: "Buffer", leaf: Leaf, defects: list[Defect], /) -> bytes:
    """Decode the content of a leaf from base64 or quoted-printable, if it declares one; damage is a defect.

    Some servers declare base64 and do not encode (Exchange 2007, KB 973486). Content that begins with a header field before
    decoding, and not after it, is kept as it is, with a defect. Decoding quoted-printable does not change such a field.
    """
    encoding = leaf.info.encoding
    if encoding not in DECODED_ENCODINGS:
        return data[leaf.start : leaf.end]
    content, damage = transfer_decoded(data, leaf.start, leaf.end, encoding)
    if encoding == "base64":
        is_plain = _BEGINS_WITH_FIELD.match(data, leaf.start, leaf.end) is not None
        if is_plain and _BEGINS_WITH_FIELD.match(content) is None:
            defects.append(Defect(DefectCode.TRANSFER_ENCODING_MISMATCH, "not base64", leaf.start))
            return data[leaf.start : leaf.end]
    if damage is not None:
        defects.append(Defect(DefectCode.TRANSFER_ENCODING_DAMAGED, encoding, damage))
    return content


# After a byte order mark, blank lines, and lines that mailbox files leave before a message. Base64 has no colon.
_BEGINS_WITH_FIELD = re.compile(
    rb"(?:\xef\xbb\xbf)?+[ \t\r\n]*+(?:>?%b[^\n]{0,998}+\n){0,2}+%b" % (FROM_BEGINS, SHORT_FIELD_BEGINS)
)


class Opened(NamedTuple):
    """A message with one multipart decoded in its place, and its leaves.

    Offsets before the multipart are those of the caller, and `place` translates the others.
    """

    data: bytes
    leaves: list[Leaf]
    start: int
    # The end of the multipart: decoded in `data`, and encoded in the caller's bytes.
    end: int
    encoded_end: int

    def is_inside(self, leaf: Leaf) -> bool:
        """Whether a leaf is a part of the multipart."""
        return self.start <= leaf.start < self.end

    def place(self, offset: int) -> int:
        """Return an offset in the caller's bytes; for everything inside the multipart that is its beginning."""
        if offset <= self.start:
            return offset
        return self.start if offset < self.end else offset - self.end + self.encoded_end


def open_multipart(
    data: "Buffer", header: int, start: int, end: int, info: PartInfo, leaves: list[Leaf], defects: list[Defect], /
) -> Opened | None:
    """Read a message again after decoding its first multipart in base64 or quoted-printable; None if it has none.

    A multipart must not be encoded (RFC 2045 section 6.4), but gateways do it. The parameters are those of `leaves_of`, which
    returned `leaves`; the defects that it added are replaced.
    """
    encoded = (leaf for leaf in leaves if leaf.info.family == "multipart" and leaf.info.encoding in DECODED_ENCODINGS)
    leaf = next(encoded, None)
    if leaf is None:
        return None
    noted: list[Defect] = []
    content = content_of(data, leaf, noted)
    if not leaf.info.boundary or body_spans(b"\n" + content, 1, len(content) + 1, leaf.info.boundary) is None:
        return None
    message = b"".join([data[: leaf.start], content, data[leaf.end :]])
    noted.append(Defect(DefectCode.MULTIPART_ENCODED, leaf.info.encoding, leaf.start))
    result = Opened(data=message, leaves=[], start=leaf.start, end=leaf.start + len(content), encoded_end=leaf.end)
    inner: list[Defect] = []
    result.leaves[:] = leaves_of(message, header, start, len(message) - len(data) + end, info, inner)
    defects[:] = [*noted, *[defect._replace(offset=result.place(defect.offset)) for defect in inner]]
    return result


def _collect(
    data: "Buffer", body: Body, depth: int, leaves: list[Leaf], opened: list[Leaf], defects: list[Defect]
) -> None:
    if body.bare >= 0:
        defects.append(Defect(DefectCode.BOUNDARY_MISMATCH, "a delimiter beside a bare carriage return", body.bare))
    for start, end in body.parts:
        leaf = leaf_at(data, start, end)
        if leaf.info.ambiguities:
            defects += [
                Defect(DefectCode.AMBIGUOUS_HEADER, words, start + offset) for words, offset in leaf.info.ambiguities
            ]
        inner: Body | None = None
        if leaf.info.family == "multipart":
            if depth == NESTING_LIMIT:
                defects.append(Defect(DefectCode.NESTING_LIMIT, f"more than {NESTING_LIMIT} levels", leaf.start))
            else:
                inner = body_spans(data, leaf.start, end, leaf.info.boundary) if leaf.info.boundary else None
                inner = inner or _guessed(data, leaf.start, end, leaf.info, _INNER_GUESS_LIMIT, defects)
        if inner is None:
            leaves.append(leaf)
            if len(leaves) > PART_LIMIT:
                raise TooManyParts(leaf.start)
        else:
            opened.append(leaf)
            if len(opened) > PART_LIMIT:  # an empty multipart is not a leaf
                raise TooManyParts(leaf.start)
            if leaf.info.media_type != "multipart/alternative":
                defects.append(Defect(DefectCode.NESTED_MULTIPART, "", start))
            if not inner.closed:
                defects.append(
                    Defect(DefectCode.PERHAPS_TRUNCATED, "no close delimiter inside: perhaps truncated", end)
                )
            elif inner.epilogue < end and data[inner.epilogue : end].strip() != b"":
                _note_another_message(data, inner.epilogue, end, defects)
            _collect(data, inner, depth + 1, leaves, opened, defects)


def message_after(data: "Buffer", header: int, end: int, /) -> tuple[Defect, ...]:
    """Find the defect for another message after the multipart body of a message, whose header block is at `header`."""
    # A plain search finds the usual spelling in a fraction of the time, if it is in the header block.
    name = data.find(_USUAL_NAME, header, end) + 1
    field = _MULTIPART.match(data, name or header, end)
    if field is None or data.find(b"\n\r\n", header, name) >= 0 or data.find(b"\n\n", header, name) >= 0:
        field = _MULTIPART.match(data, header, end) or _MULTIPART_OR_BLANK.search(data, header, end)
    value = field and field[1]
    boundary = declared(value).boundary if value else b""
    defects: list[Defect] = []
    if field is not None and boundary:
        needle = b"\n--%b--" % boundary
        hit = field.end() - 1
        while (hit := fast_find(data, needle, hit, end)) >= 0:
            hit += len(needle)
            close = _CLOSE_LINE_END.match(data, hit, end)
            if close is not None:
                if close.end() < end and data[close.end() : end].strip():
                    _note_another_message(data, close.end(), end, defects)
                break
    return tuple(defects)


_USUAL_NAME: Final = b"\nContent-Type:"
_MULTIPART_FIELD: Final = rb"content-type[ \t]*+:([^a-z]*+multipart/%b)" % FIELD_VALUE
_MULTIPART = re.compile(_MULTIPART_FIELD, re.IGNORECASE)
_MULTIPART_OR_BLANK = re.compile(rb"\n(?:\r?\n|(?i:%b))" % _MULTIPART_FIELD)
_CLOSE_LINE_END = re.compile(rb"[ \t]*+\r?\n")


def _guessed(data: "Buffer", start: int, end: int, info: PartInfo, limit: int, defects: list[Defect]) -> Body | None:
    """Find the parts by the first delimiter line, if the boundary parameter is lost or names another boundary."""
    guess = _FIRST_DELIMITER.search(data, start - 1, min(end, start + limit))
    if guess is None:
        return None
    code = DefectCode.BOUNDARY_MISMATCH if info.boundary else DefectCode.BOUNDARY_MISSING
    defects.append(Defect(code, "taken from the first delimiter line", guess.start() + 1))
    return body_spans(data, start, end, guess[1])


def _note_text_outside(data: "Buffer", start: int, end: int, body: Body, defects: list[Defect]) -> None:
    """Add defects for text outside the parts and for a missing close delimiter."""
    if (text := data[start : body.preamble_end].lstrip()) != b"":
        defects.append(Defect(DefectCode.PREAMBLE, "text before the first part", body.preamble_end - len(text)))
    if not body.closed:
        defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, "no close delimiter: perhaps truncated", end))
    elif (text := data[body.epilogue : end].lstrip()) != b"":
        defects.append(Defect(DefectCode.EPILOGUE, "text after the last part", end - len(text)))
        _note_another_message(data, body.epilogue, end, defects)


def _note_another_message(data: "Buffer", start: int, end: int, defects: list[Defect]) -> None:
    """Add a defect for another message in the text after a close delimiter, which is not part of this message."""
    place = find_another_message(data, start, end)
    if place is not None:
        defects.append(Defect(DefectCode.ANOTHER_MESSAGE, "after the last part", place))
