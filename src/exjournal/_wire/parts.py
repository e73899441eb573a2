"""The parts of a report that hold no parts themselves, in order, through whatever gateways wrapped round them."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.beginnings import find_another_message
from exjournal._wire.buffers import fast_find
from exjournal._wire.multipart import (
    DECODED_ENCODINGS,
    USUAL_MULTIPART,
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

# Buffer of a body in which a delimiter line is looked for that no boundary parameter names; and of a body inside it.
_GUESS_LIMIT: Final = 1 << 16
_INNER_GUESS_LIMIT: Final = 1 << 12
# A boundary does not end in a blank (RFC 2046 section 5.1.1), so each run of blanks is looked at once.
_FIRST_DELIMITER: Final = rb"\n--([^\r\n]{0,69}?[^ \t\r\n])[ \t]*+\r?\n(?=(?i:content-))"


def leaves_of(
    data: "Buffer", header: int, start: int, end: int, info: PartInfo, defects: list[Defect], /
) -> list[Leaf]:
    """The leaves of the body from `start` to `end`, whose header block at `header` declares the content type `info`.

    Raises ParseError where there are more than `PART_LIMIT`.
    """
    try:
        body = body_spans(data, start, end, info.boundary) if info.boundary else None
        if body is None:
            body = _guessed(data, start, end, info, _GUESS_LIMIT, defects)
        if body is None:
            defects.append(Defect(DefectCode.NOT_MULTIPART, "", start))
            return [Leaf(part_info(data[header:start]), start, end)]
        if not body.closed or body.preamble_end > start or body.epilogue < end:
            _look_around(data, start, end, body, defects)
        leaves: list[Leaf] = []
        _collect(data, body, 1, leaves, [], defects)
    except TooManyParts as beyond:
        raise ParseError(DefectCode.TOO_MANY_PARTS, f"more than {PART_LIMIT}", beyond.args[0]) from None
    return leaves


def content_of(data: "Buffer", leaf: Leaf, defects: list[Defect], /) -> bytes:
    """The bytes of a leaf after decoding base64 or quoted-printable, or as they are; damage is a defect.

    Some servers declare base64 and do not encode (Exchange 2007, KB 973486). Content that begins with a header field, and
    would not after decoding, is taken as it is, with a defect. Decoding quoted-printable leaves such a field as it is.
    """
    encoding = leaf.info.encoding
    if encoding not in DECODED_ENCODINGS:
        return data[leaf.start : leaf.end]
    content, damage = transfer_decoded(data, leaf.start, leaf.end, encoding)
    if encoding == "base64":
        begins = re.compile(_BEGINS_WITH_FIELD)
        if begins.match(data, leaf.start, leaf.end) is not None and begins.match(content) is None:
            defects.append(Defect(DefectCode.TRANSFER_ENCODING_MISMATCH, "not base64", leaf.start))
            return data[leaf.start : leaf.end]
    if damage is not None:
        defects.append(Defect(DefectCode.TRANSFER_ENCODING_DAMAGED, encoding, damage))
    return content


# After a byte order mark, blank lines, and lines that mailbox files leave before a message. Base64 has no colon.
_BEGINS_WITH_FIELD: Final = (
    rb"(?:\xef\xbb\xbf)?+[ \t\r\n]*+(?:>?From (?![ \t]*:)[^\n]{0,998}+\n){0,2}+[!-9;-~]{1,998}+[ \t]*+:"
)


class Opened(NamedTuple):
    """A message of which one multipart was decoded in its place, and its leaves.

    Offsets before the multipart are those of the caller, and `place` gives those of the others.
    """

    data: bytes
    leaves: list[Leaf]
    start: int
    # Where the multipart ends: decoded in `data`, and encoded in the caller's bytes.
    end: int
    encoded_end: int

    def is_inside(self, leaf: Leaf) -> bool:
        """Whether a leaf is a part of the multipart."""
        return self.start <= leaf.start < self.end

    def place(self, offset: int) -> int:
        """The offset in the caller's bytes; the beginning of the multipart for everything inside it."""
        if offset <= self.start:
            return offset
        return self.start if offset < self.end else offset - self.end + self.encoded_end


def opened(
    data: "Buffer", header: int, start: int, end: int, info: PartInfo, leaves: list[Leaf], defects: list[Defect], /
) -> Opened | None:
    """The parts of a message after decoding its first multipart in base64 or quoted-printable; None where it has none.

    No multipart may be encoded (RFC 2045 section 6.4), but gateways do it. Parameters as for `leaves_of`, which gave `leaves`
    and may have added to `defects`; these are then replaced.
    """
    leaf = next(
        (one for one in leaves if one.info.family == "multipart" and one.info.encoding in DECODED_ENCODINGS), None
    )
    if leaf is None:
        return None
    noted: list[Defect] = []
    content = content_of(data, leaf, noted)
    if not leaf.info.boundary or body_spans(b"\n" + content, 1, len(content) + 1, leaf.info.boundary) is None:
        return None
    whole = b"".join([data[: leaf.start], content, data[leaf.end :]])
    inside = leaf.start + len(content)
    noted.append(Defect(DefectCode.MULTIPART_ENCODED, leaf.info.encoding, leaf.start))
    result = Opened(whole, [], leaf.start, inside, leaf.end)
    begun = len(noted)
    result.leaves[:] = leaves_of(whole, header, start, len(whole) - len(data) + end, info, noted)
    noted[begun:] = [defect._replace(offset=result.place(defect.offset)) for defect in noted[begun:]]
    defects[:] = noted
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
            if len(opened) > PART_LIMIT:  # those without any part inside are no leaves
                raise TooManyParts(leaf.start)
            if leaf.info.media_type != "multipart/alternative":
                defects.append(Defect(DefectCode.NESTED_MULTIPART, "", start))
            if not inner.closed:
                defects.append(
                    Defect(DefectCode.PERHAPS_TRUNCATED, "no close delimiter inside: perhaps truncated", end)
                )
            elif inner.epilogue < end and data[inner.epilogue : end].strip() != b"":
                _look_for_another(data, inner.epilogue, end, defects)
            _collect(data, inner, depth + 1, leaves, opened, defects)


def message_after(data: "Buffer", header: int, end: int, /) -> tuple[Defect, ...]:
    """The defect for another message after the multipart body of any message, whose header block is at `header`."""
    # Most messages have one part, and are known at a fraction of the time.
    found = _MULTIPART.match(data, header, end) or _MULTIPART_OR_BLANK.search(data, header, end)
    value = found and found[1]
    usual = USUAL_MULTIPART.fullmatch(value) if value else None
    boundary = usual[1] if usual else declared(value).boundary if value else b""
    defects: list[Defect] = []
    if found is not None and boundary:
        needle = b"\n--%b--" % boundary
        hit = found.end() - 1
        while (hit := fast_find(data, needle, hit, end)) >= 0:
            hit += len(needle)
            close = _CLOSE_LINE_END.match(data, hit, end)
            if close is not None:
                if close.end() < end and data[close.end() : end].strip():
                    _look_for_another(data, close.end(), end, defects)
                break
    return tuple(defects)


# The beginning of the value, its other lines included.
_VALUE: Final = rb"content-type[ \t]*+:([^a-z]*+multipart/[^\n]*+(?:\n[ \t][^\n]*+)*+)"
_MULTIPART = re.compile(rb"(?i:%b)" % _VALUE)
_MULTIPART_OR_BLANK = re.compile(rb"\n(?:\r?\n|(?i:%b))" % _VALUE)
_CLOSE_LINE_END = re.compile(rb"[ \t]*+\r?\n")


def _guessed(data: "Buffer", start: int, end: int, info: PartInfo, limit: int, defects: list[Defect]) -> Body | None:
    """The body by its first delimiter line, where the boundary parameter is lost or names another one."""
    guess = re.compile(_FIRST_DELIMITER).search(data, start - 1, min(end, start + limit))
    if guess is None:
        return None
    code = DefectCode.BOUNDARY_MISMATCH if info.boundary else DefectCode.BOUNDARY_MISSING
    defects.append(Defect(code, "taken from the first delimiter line", guess.start() + 1))
    return body_spans(data, start, end, guess[1])


def _look_around(data: "Buffer", start: int, end: int, body: Body, defects: list[Defect]) -> None:
    """Tell of text outside the parts and of an end that is not there."""
    if (text := data[start : body.preamble_end].lstrip()) != b"":
        defects.append(Defect(DefectCode.PREAMBLE, "text before the first part", body.preamble_end - len(text)))
    if not body.closed:
        defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, "no close delimiter: perhaps truncated", end))
    elif (text := data[body.epilogue : end].lstrip()) != b"":
        defects.append(Defect(DefectCode.EPILOGUE, "text after the last part", end - len(text)))
        _look_for_another(data, body.epilogue, end, defects)


def _look_for_another(data: "Buffer", start: int, end: int, defects: list[Defect]) -> None:
    """Report another message in the text after a close delimiter: nobody reads it as part of this one."""
    place = find_another_message(data, start, end)
    if place is not None:
        defects.append(Defect(DefectCode.ANOTHER_MESSAGE, "after the last part", place))
