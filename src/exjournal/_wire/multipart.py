"""Multipart bodies (RFC 2046 section 5.1): part headers, the boundary, the spans of the parts, transfer decoding."""

import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.buffers import fast_find
from exjournal._wire.headers import (
    ambiguities,
    decode,
    field_pattern,
    first_line_is_field,
    known_charset,
    scan,
    text_of,
    unfold,
    value_offset,
)
from exjournal.errors import DefectCode
from exjournal.limits import HEADER_LIMIT, PART_HEADER_LIMIT, PART_HEADER_LINE_LIMIT, PART_LIMIT

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer
    from exjournal._wire.headers import Span

# After so many look-alikes one compiled pattern for this boundary is cheaper than a step of the interpreter for each.
_LOOK_ALIKES: Final = 100
# Buffer. A part header block that is longer than this is not worth keeping.
HEADER_KEPT: Final = 512
# Buffer of content that are looked at before it is decoded.
_GLANCE: Final = 16 << 10


# What nearly every report declares, worth a pattern of its own.
USUAL_MULTIPART = re.compile(rb'\s*multipart/mixed;\s*boundary="([!#-\[\]-~]{1,70})"\s*')


class PartInfo(NamedTuple):
    """What a part header block declares; names in lower case."""

    media_type: str
    family: str  # "text", "html", "message", "multipart", "tnef" or "other"
    encoding: str
    charset: str
    boundary: bytes
    # The kind of a multipart/report (RFC 6522 section 3).
    report_type: str = ""
    # Where readers disagree about the block: words and an offset in it.
    ambiguities: tuple[tuple[str, int], ...] = ()


def _family(media_type: str) -> str:
    if media_type.startswith("multipart/"):
        return "multipart"
    if media_type.startswith("text/"):
        return "html" if media_type == "text/html" else "text"
    return _FAMILIES.get(media_type, "other")


_FAMILIES: Final = {
    "message/rfc822": "message",
    "message/global": "message",  # RFC 6532 section 3.7
    "application/ms-tnef": "tnef",
    "application/vnd.ms-tnef": "tnef",
}


_TOKEN = re.compile(r'[ \t]*([^\s;"/]+/[^\s;"]+|[^\s;"/]*)')
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"|\Z)|([^\s;"]*))')
_ESCAPED: Final = r"\\(.)"
# Buffer of a Content-Type value that are looked at: a boundary has at most 70 characters, a charset 40.
_VALUE_LIMIT: Final = 2048
# Parameters that are looked at: charset, boundary, a name, and what RFC 2231 makes of a boundary in pieces.
_PARAMETER_LIMIT: Final = 8


def part_info(block: bytes, /) -> PartInfo:
    """Read a part header block; the blocks of reports are few and short, so the answers are kept."""
    if len(block) <= HEADER_KEPT:
        return kept_info(block)
    block = block[:PART_HEADER_LIMIT]
    lines = re.match(_MANY_LINES, block)
    return _info(block if lines is None else lines[0])


_MANY_LINES: Final = rb"(?:[^\n]*+\n){%d}" % PART_HEADER_LINE_LIMIT


_PART_FIELDS: Final = ("content-type", "content-transfer-encoding", "content-disposition")


def _info(block: bytes, /) -> PartInfo:
    # The line end of the delimiter line is no blank line of the block.
    values = scan(block, block[:1] == b"\n", len(block), field_pattern(*_PART_FIELDS)).fields
    content_type = values.get(b"content-type", b"")
    info = declared(content_type, values.get(b"content-transfer-encoding", b""))
    begin = int(block[:1] == b"\n")
    odd = ambiguities(block[begin:])
    if odd or info.ambiguities:
        offset = value_offset(block, begin, len(block), b"content-type") - begin
        info = info._replace(ambiguities=(*odd, *[(words, offset) for words, _ in info.ambiguities]))
    if info.family == "other" and b"winmail.dat" in (content_type + values.get(b"content-disposition", b"")).lower():
        return info._replace(family="tnef")  # Outlook's name for it, whatever the type
    return info


# For blocks of at most `HEADER_KEPT` octets, with or without the line end of the delimiter line before them.
kept_info = lru_cache(maxsize=256)(_info)


def declared(content_type: bytes, encoding: bytes = b"", /) -> PartInfo:
    """Read the values of Content-Type and Content-Transfer-Encoding; what is absent is empty, and an absent type text/plain."""
    usual = USUAL_MULTIPART.fullmatch(content_type)
    if usual is not None and not encoding:
        return PartInfo("multipart/mixed", "multipart", "", "", usual[1])
    written = decode(unfold(content_type[:_VALUE_LIMIT]))
    text = _without_comments(written) if "(" in written else written
    token = _TOKEN.match(text)
    media_type = token[1].lower() if token is not None else ""
    if "/" not in media_type:
        media_type = "text/plain"  # RFC 2045 section 5.2
    parameters: dict[str, str] = {}
    for found in islice(_PARAMETER.finditer(text), _PARAMETER_LIMIT):
        value = found[3] if found[2] is None else found[2]
        parameters.setdefault(found[1].lower(), re.sub(_ESCAPED, r"\1", value) if "\\" in value else value)
    boundary, charset = parameters.get("boundary", ""), parameters.get("charset", "")
    if "*" in text:
        # RFC 2231 does not say what counts where both are given; most readers take the extended one.
        boundary = _continued(parameters, "boundary") or boundary
        charset = charset or _continued(parameters, "charset")
    unclear: list[tuple[str, int]] = []
    if _is_unclear(written, media_type, parameters):
        unclear.append(("Content-Type: boundary", 0))
    transfer = decode(unfold(encoding[:_VALUE_LIMIT]))
    if ";" in transfer and transfer.partition(";")[0].strip().lower() not in PLAIN_ENCODINGS:
        unclear.append(("Content-Transfer-Encoding", 0))
    return PartInfo(
        media_type,
        _family(media_type),
        transfer.partition(";")[0].strip().lower(),
        charset.lower(),
        # Trailing blanks cannot be part of a boundary (RFC 2046 section 5.1.1).
        boundary.rstrip().encode("utf-8", "surrogateescape"),
        parameters.get("report-type", "").lower(),
        tuple(unclear),
    )


def _is_unclear(written: str, media_type: str, parameters: dict[str, str]) -> bool:
    """Whether readers in use find different boundaries in a Content-Type: two of them, or one that only some can see."""
    if not media_type.startswith("multipart/"):
        return "=?" in written.partition(";")[0]  # some readers decode encoded words first
    given = [name for name in parameters if name.partition("*")[0] == "boundary"]
    outside_quotes = re.sub(_QUOTED, "", written) if '"' in written else written
    if len(re.findall(_BOUNDARY_NAME, outside_quotes)) > len(given) or re.search(_ENCODED_WORD, written) is not None:
        return True
    return "boundary" in given and len(given) > 1


_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_BOUNDARY_NAME: Final = r"(?i:boundary)[*0-9]*+\s*+="
_ENCODED_WORD: Final = r"=\?[^?\s]{1,40}\?[bBqQ]\?"


def _without_comments(text: str) -> str:
    """A value without its comments (RFC 822 section 3.4.3); a parenthesis inside a word is part of it, as senders write it."""
    kept: list[str] = []
    depth = 0
    before = " "
    for piece in re.findall(_PIECE, text):
        if depth:
            depth += 1 if piece == "(" else -1 if piece == ")" else 0
        elif piece == "(" and before in _BEFORE_COMMENT:
            depth = 1
        else:
            kept.append(piece)
            before = piece[-1]
    return "".join(kept)


_PIECE: Final = r'"(?:[^"\\]|\\.)*+"|\\.|[()]|[^"()\\]++|["\\]'
_BEFORE_COMMENT: Final = frozenset(' \t";=')


def _continued(parameters: dict[str, str], name: str) -> str:
    """The value of a parameter given in pieces or with a charset (RFC 2231 sections 3 and 4)."""
    if not any(key.startswith(name + "*") for key in parameters):
        return ""
    import urllib.parse

    if f"{name}*" in parameters:
        return urllib.parse.unquote(parameters[f"{name}*"].rpartition("'")[2])
    pieces = []
    for number in range(len(parameters)):
        if f"{name}*{number}" in parameters:
            pieces.append(parameters[f"{name}*{number}"])
        elif f"{name}*{number}*" in parameters:
            pieces.append(urllib.parse.unquote(parameters[f"{name}*{number}*"].rpartition("'")[2]))
        else:
            break
    return "".join(pieces)


class Leaf(NamedTuple):
    """A part that holds no parts: what its header declares and where its content lies."""

    info: PartInfo
    start: int
    end: int


_HEADER_END: Final = rb"\n\r?\n"


def leaf_at(data: "Buffer", start: int, end: int, /) -> Leaf:
    """The part between two delimiter lines: its header block, which may be empty, and its content."""
    # The line end of the delimiter line stands before `start`. Nearly every block is short and ends in CRLF.
    found = data.find(b"\n\r\n", start - 1, start + HEADER_KEPT)
    if 0 <= found < end - 2:
        block = data[start - 1 : found + 1]
        if b"\n\n" not in block:
            return Leaf(kept_info(block), found + 3, end)
    # A block that is longer than the limit is content.
    limit = min(end, start + HEADER_LIMIT)
    if data[start : start + PART_HEADER_LIMIT].count(b"\n") <= PART_HEADER_LINE_LIMIT:
        end_of_header = re.compile(_HEADER_END).search(data, start - 1, limit)
        blank, body = (-1, -1) if end_of_header is None else end_of_header.span()
    else:
        # Where lines are short, the pattern would stop at each of them.
        wide = data.find(b"\n\r\n", start - 1, limit)
        bare = data.find(b"\n\n", start - 1, limit if wide < 0 else wide + 1)
        blank, body = (wide, wide + 3) if bare < 0 else (bare, bare + 2)
    if blank >= 0:
        return Leaf(part_info(data[start : blank + 1]), body, end)
    # No blank line: all of it is header where it begins like one, all of it content where not.
    is_header = end - start < HEADER_LIMIT and first_line_is_field(data, start, end)
    body = end if is_header else start
    return Leaf(part_info(data[start:body]), body, end)


class TooManyParts(Exception):
    """More delimiters than `PART_LIMIT`; the argument is the offset of the first one beyond."""


class Body(NamedTuple):
    """The spans of a multipart body: its parts, whether the close delimiter is there, and what lies outside them."""

    parts: "list[Span]"
    closed: bool
    # Where the first delimiter line begins, and where the epilogue does.
    preamble_end: int
    epilogue: int
    # The first line that is a delimiter only for readers that take a bare carriage return for a line end, or -1.
    bare: int = -1


# A delimiter line: where the line end before it stands, where the line after it begins, whether it closes the body, whether
# it ends in CRLF.
_Delimiter = tuple[int, int, bool, bool]


def body_spans(data: "Buffer", start: int, end: int, boundary: bytes, /) -> Body | None:
    """The parts between the delimiter lines of `boundary`, or None where there is no such line (RFC 2046 section 5.1.1).

    The line end before a delimiter belongs to it; that of the first one may be the end of the header block.
    """
    bare: list[int] = []
    delimiters = _delimiters(data, start, end, boundary, bare)
    if not delimiters:
        return None
    parts: list[Span] = []
    preamble_end, content, closed, wide = delimiters.pop(0)
    for hit, after, closed, crlf in delimiters:  # noqa: B007
        # In a CRLF message the CR before the delimiter's LF is the delimiter's; in an LF one it is the part's own.
        if (wide or crlf) and data[hit - 1] == 13 and hit > content:
            hit -= 1  # noqa: PLW2901
        parts.append((content, max(content, hit)))
        content = after
        wide = crlf
    if not closed:
        parts.append((content, end))
        content = end
    return Body(parts, closed, preamble_end, content, bare[0] if bare else -1)


def _delimiters(data: "Buffer", position: int, end: int, boundary: bytes, bare: list[int]) -> list[_Delimiter]:
    """The delimiter lines up to the close delimiter.

    A hit counts only at a line start and with nothing but blanks, and the two dashes of a close delimiter, behind it. One that
    would count with bare carriage returns for line ends goes into `bare`.
    """
    needle = b"--" + boundary
    length = len(needle)
    found: list[_Delimiter] = []
    look_alikes = 0
    while (hit := fast_find(data, needle, position, end)) >= 0:
        position = hit + length
        before = data[hit - 1]
        if before != _LF:
            tail = None
        elif data[position : position + 2] == b"\r\n" and position + 2 <= end:
            found.append((hit - 1, position + 2, False, True))
            if len(found) > PART_LIMIT:
                raise TooManyParts(hit)
            continue
        else:
            tail = _DELIMITER_TAIL.match(data, position, end)
        if tail is not None:
            closes = tail[1] is not None
            found.append((hit - 1, tail.end(), closes, tail[2] == b"\r\n"))
            if closes:
                break
            if len(found) > PART_LIMIT:
                raise TooManyParts(hit)
            continue
        if not bare and before in _LINE_ENDS and re.compile(_BARE_TAIL).match(data, position, end) is not None:
            bare.append(hit)
        look_alikes += 1
        if look_alikes == _LOOK_ALIKES:
            later = None if bare else re.compile(_BARE_LINE % re.escape(boundary)).search(data, position, end)
            bare += [] if later is None else [later.start() + 1]
            return found + _delimiters_among_look_alikes(data, position, end, boundary, PART_LIMIT - len(found))
    return found


_CR: Final = 13
_LF: Final = 10
_LINE_ENDS: Final = (_CR, _LF)
# Few bodies hold what looks like a delimiter.
_BARE_TAIL: Final = rb"(?:--)?[ \t]*+(?:[\r\n]|\Z)"
_BARE_LINE: Final = rb"\r--%b(?:--)?+[ \t]*+(?:[\r\n]|\Z)"
_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*+(\r?\n|\r?\Z)")


def _delimiters_among_look_alikes(
    data: "Buffer", position: int, end: int, boundary: bytes, limit: int
) -> list[_Delimiter]:
    """The same by one pattern for this boundary: dearer to make, and cheaper than a step of the interpreter for each hit."""
    found: list[_Delimiter] = []
    needle = b"\n--" + boundary
    position = data.find(needle, position, end)
    if position < 0:
        return found
    for hit in _lines_of(data, needle, position, end):
        tail = _DELIMITER_TAIL.match(data, hit + len(needle), end)
        if tail is not None:
            closes = tail[1] is not None
            found.append((hit, tail.end(), closes, tail[2] == b"\r\n"))
            if closes:
                break
            if len(found) > limit:
                raise TooManyParts(hit + 1)
    return found


def _lines_of(data: "Buffer", needle: bytes, position: int, end: int) -> Iterator[int]:
    """Where a needle stands with nothing but blanks behind it, or two dashes and blanks; the last one may be another."""
    # To look ahead, to go back, or to ask for the end of the data in the same breath would double the time.
    pattern = re.compile(rb"%b(?:--)?+[ \t]*+\r?+\n" % re.escape(needle))
    while (line := pattern.search(data, position, end)) is not None:
        yield line.start()
        position = line.end() - 1  # the next delimiter may begin with this line's end
    last = data.rfind(needle, position, end)
    if last >= 0:
        yield last


def transfer_decoded(data: "Buffer", start: int, end: int, encoding: str, /) -> tuple[bytes, int | None]:
    """The content of base64 or quoted-printable (RFC 2045 section 6), and where the first damage is, None where it is whole.

    Damage of base64 has the offset of the content.
    """
    if encoding == "quoted-printable":
        return _printable_decoded(data, start, end)
    raw = data[start:end]
    if re.compile(_NOT_CODED).search(raw, 0, _GLANCE) is None:
        try:
            return binascii.a2b_base64(raw.translate(None, b"\r\n \t"), strict_mode=True), None
        except binascii.Error:
            pass
    # Cut short, or with something behind it: all that stands before the padding or a blank line, by the alphabet's octets.
    body = re.split(_BASE64_END, raw.lstrip(), maxsplit=1)[0].translate(None, _NOT_BASE64)
    return binascii.a2b_base64(body[: len(body) - (len(body) % 4 == 1)] + b"=" * (-len(body) % 4)), start


def _printable_decoded(data: "Buffer", start: int, end: int) -> tuple[bytes, int | None]:
    """Decode quoted-printable, some lines at a time; an equals sign that begins neither an escape nor a soft break stays."""
    pieces: list[bytes] = []
    damage: int | None = None
    while start < end:
        line_end = data.find(b"\n", min(start + _PRINTABLE_STRETCH, end), end)
        after = end if line_end < 0 else line_end + 1
        lines = data[start:after]
        # Blanks at the end of a line were added on the way (RFC 2045 section 6.7 rule 3).
        if lines.endswith((b" ", b"\t")) or b" \n" in lines or b" \r\n" in lines or _has_tab_before_line_end(lines):
            lines = re.sub(_TRAILING_BLANKS, b"", lines)
        content = binascii.a2b_qp(lines)
        # An escape is 2 bytes longer than its content, and so is a soft break, or 1 more with a CR, or 1 less at the very end.
        wide = lines.count(b"=\r\n")
        escaped = 2 * lines.count(b"=") + wide - lines.endswith(b"=")
        if len(lines) - len(content) != escaped or lines.count(b"=\r") != wide:
            if damage is None:
                damage = start + next(re.finditer(_NO_ESCAPE, data[start:after])).start()
            content = binascii.a2b_qp(_escaped(lines))
        pieces.append(content)
        start = after
    return b"".join(pieces), damage


def _has_tab_before_line_end(lines: bytes) -> bool:
    # One byte is looked for at the speed of memory, and few texts have tabs.
    return b"\t" in lines and (b"\t\n" in lines or b"\t\r\n" in lines)


def _escaped(lines: bytes) -> bytearray:
    """Lines of quoted-printable with an escape for each equals sign that begins none."""
    result = bytearray()
    position = 0
    for found in re.finditer(_NO_ESCAPE, lines):
        result += lines[position : found.end()]
        result += b"3D"
        position = found.end()
    result += lines[position:]
    return result


# Bytes of quoted-printable that are decoded at once, and the rest of the line.
_PRINTABLE_STRETCH: Final = 1 << 18
_TRAILING_BLANKS: Final = rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)"
_NO_ESCAPE: Final = rb"=(?![0-9A-Fa-f]{2}|[ \t]*+(?:\r?\n|\Z))"


# The interpreter keeps what it compiled: nearly all parts stand as they are, and all programs load this module.
# What shows at a glance that content is not base64 alone, and spares a pass over it.
_NOT_CODED: Final = rb"[^A-Za-z0-9+/=\r\n \t]"
_BASE64_END: Final = rb"=|\n[ \t]*+\r?\n"
_NOT_BASE64: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def text_decoded(raw: bytes, charset: str, /) -> tuple[str, DefectCode | None]:
    """Bytes as text: in the declared charset, else UTF-8, else latin-1 or windows-1252, so that nothing is lost or raised."""
    if charset in ASCII_SUPERSETS and raw.isascii():
        return raw.decode("ascii"), None
    codec = "us-ascii" if not charset else known_charset(charset)
    if codec in _WIDE and raw.isascii() and b"\0" not in raw:
        # A label that lies: two octets of ASCII would make one ideograph.
        return raw.decode("ascii"), DefectCode.CHARSET_MISMATCH
    problem = DefectCode.CHARSET_UNKNOWN if codec is None else DefectCode.CHARSET_MISMATCH
    for candidate in (codec, "utf-8"):
        try:
            if candidate is not None:
                text = text_of(raw, candidate)
                if candidate == "utf_7":
                    text.encode("utf-8")  # the one codec that can give lone surrogates
                return text, problem if candidate != codec else None
        except UnicodeError:
            pass
    return text_of(raw, "latin_1"), problem


# Transfer encodings behind which the content stands as it is; "" where none is declared (RFC 2045 section 6).
PLAIN_ENCODINGS: Final = frozenset(("", "7bit", "8bit", "binary"))
DECODED_ENCODINGS: Final = frozenset(("base64", "quoted-printable"))
# Charsets, as they are declared, in which ASCII is ASCII.
ASCII_SUPERSETS: Final = frozenset(("", "us-ascii", "ascii", "utf-8", "iso-8859-1", "windows-1252"))
_WIDE: Final = frozenset(("utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"))
