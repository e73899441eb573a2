"""Multipart bodies (RFC 2046 section 5.1): the headers of parts, boundaries, the places of parts, and decoding of content."""

import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.buffers import fast_find
from exjournal._wire.grammar import HEADER_END
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
from exjournal.addresses import QUOTED_CONTENT, unescape
from exjournal.errors import DefectCode
from exjournal.limits import HEADER_LIMIT, PART_HEADER_LIMIT, PART_HEADER_LINE_LIMIT, PART_LIMIT

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer
    from exjournal._wire.headers import Span

# After this number of look-alikes, one compiled pattern for the boundary is cheaper than a step of the interpreter for each.
_LOOK_ALIKES: Final = 100
# Bytes. A longer header block of a part is not worth keeping.
HEADER_KEPT: Final = 512
# Bytes of content that are searched before all of it is decoded.
_GLANCE: Final = 16 << 10


# The Content-Type of nearly every report.
USUAL_MULTIPART = re.compile(rb'\s*multipart/mixed;\s*boundary="([!#-\[\]-~]{1,70})"\s*')
# That of most other mail with several parts: its subtype and its boundary.
ANY_MULTIPART = re.compile(rb'\s*multipart/([a-z]+);\s*boundary="([!#-\[\]-~]{1,70})"\s*')


class PartInfo(NamedTuple):
    """The facts in the header block of a part; names in lower case."""

    media_type: str
    family: str  # "text", "html", "message", "multipart", "tnef" or "other"
    encoding: str
    charset: str
    boundary: bytes
    # The kind of a multipart/report (RFC 6522 section 3).
    report_type: str = ""
    # The places about which readers disagree: words and an offset in the block.
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
_PARAMETER = re.compile(rf';\s*([^\s=;"]+)\s*=\s*(?:"({QUOTED_CONTENT})(?:"|\Z)|([^\s;"]*))')
# Bytes of a Content-Type value that are read: a boundary has at most 70 characters, a charset 40.
_VALUE_LIMIT: Final = 2048
# Parameters that are read: charset, boundary, a name, and the pieces of a boundary (RFC 2231).
_PARAMETER_LIMIT: Final = 8


def part_info(block: bytes, /) -> PartInfo:
    """Read the header block of a part. Reports have few different ones, so the results for short blocks are kept."""
    if len(block) <= HEADER_KEPT:
        return kept_info(block)
    block = block[:PART_HEADER_LIMIT]
    lines = _MANY_LINES.match(block)
    return _info(block if lines is None else lines[0])


_MANY_LINES = re.compile(rb"(?:[^\n]*+\n){%d}" % PART_HEADER_LINE_LIMIT)
_PART_FIELDS: Final = ("content-type", "content-transfer-encoding", "content-disposition")


def _info(block: bytes, /) -> PartInfo:
    # The line end of the delimiter line is not an empty line of the block.
    begin = int(block[:1] == b"\n")
    values = scan(block, begin, len(block), field_pattern(*_PART_FIELDS)).fields
    content_type = values.get(b"content-type", b"")
    info = declared(content_type, values.get(b"content-transfer-encoding", b""))
    odd = ambiguities(block[begin:])
    if odd or info.ambiguities:
        offset = value_offset(block, begin, len(block), b"content-type") - begin
        info = info._replace(ambiguities=(*odd, *[(words, offset) for words, _ in info.ambiguities]))
    if info.family == "other" and b"winmail.dat" in (content_type + values.get(b"content-disposition", b"")).lower():
        return info._replace(family="tnef")  # Outlook's name for TNEF, of any type
    return info


# For blocks of at most `HEADER_KEPT` bytes, with or without the line end of the delimiter line before them.
kept_info = lru_cache(maxsize=256)(_info)


def declared(content_type: bytes, encoding: bytes = b"", /) -> PartInfo:
    """Read the values of Content-Type and Content-Transfer-Encoding; an absent field is empty, an absent type text/plain."""
    usual = ANY_MULTIPART.fullmatch(content_type)
    if usual is not None and not encoding:
        media_type = f"multipart/{usual[1].decode('ascii')}"
        return PartInfo(media_type=media_type, family="multipart", encoding="", charset="", boundary=usual[2])
    written = decode(unfold(content_type[:_VALUE_LIMIT]))
    text = _without_comments(written) if "(" in written else written
    token = _TOKEN.match(text)
    media_type = token[1].lower() if token is not None else ""
    if "/" not in media_type:
        media_type = "text/plain"  # RFC 2045 section 5.2
    parameters: dict[str, str] = {}
    for found in islice(_PARAMETER.finditer(text), _PARAMETER_LIMIT):
        value = found[3] if found[2] is None else found[2]
        parameters.setdefault(found[1].lower(), unescape(value))
    boundary, charset = parameters.get("boundary", ""), parameters.get("charset", "")
    if "*" in text:
        # RFC 2231 does not say which one counts if both are given; most readers take the extended one.
        boundary = _continued(parameters, "boundary") or boundary
        charset = charset or _continued(parameters, "charset")
    unclear: list[tuple[str, int]] = []
    if _is_unclear(written, media_type, parameters):
        unclear.append(("Content-Type: boundary", 0))
    transfer = decode(unfold(encoding[:_VALUE_LIMIT]))
    if ";" in transfer and transfer.partition(";")[0].strip().lower() not in PLAIN_ENCODINGS:
        unclear.append(("Content-Transfer-Encoding", 0))
    return PartInfo(
        media_type=media_type,
        family=_family(media_type),
        encoding=transfer.partition(";")[0].strip().lower(),
        charset=charset.lower(),
        # A boundary does not end in spaces (RFC 2046 section 5.1.1).
        boundary=boundary.rstrip().encode("utf-8", "surrogateescape"),
        report_type=parameters.get("report-type", "").lower(),
        ambiguities=tuple(unclear),
    )


def _is_unclear(written: str, media_type: str, parameters: dict[str, str]) -> bool:
    """Whether readers in use find different boundaries in a Content-Type: two of them, or one that only some can see."""
    if not media_type.startswith("multipart/"):
        return "=?" in written.partition(";")[0]  # some readers decode encoded words first
    given = [name for name in parameters if name.partition("*")[0] == "boundary"]
    outside_quotes = _QUOTED.sub("", written) if '"' in written else written
    if len(_BOUNDARY_NAME.findall(outside_quotes)) > len(given) or _ENCODED_WORD.search(written) is not None:
        return True
    return "boundary" in given and len(given) > 1


_QUOTED = re.compile(rf'"{QUOTED_CONTENT}"')
_BOUNDARY_NAME = re.compile(r"boundary[*0-9]*+\s*+=", re.IGNORECASE)
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,40}\?[bBqQ]\?")


def _without_comments(text: str) -> str:
    """Remove the comments of a value (RFC 822 section 3.4.3), but not a parenthesis inside a word, as senders write it."""
    kept: list[str] = []
    depth = 0
    before = " "
    for piece in _PIECE.findall(text):
        if depth:
            depth += 1 if piece == "(" else -1 if piece == ")" else 0
        elif piece == "(" and before in _BEFORE_COMMENT:
            depth = 1
        else:
            kept.append(piece)
            before = piece[-1]
    return "".join(kept)


_PIECE = re.compile(rf'"{QUOTED_CONTENT}"|\\.|[()]|[^"()\\]++|["\\]')
_BEFORE_COMMENT: Final = frozenset(' \t";=')


def _continued(parameters: dict[str, str], name: str) -> str:
    """Read a parameter that is given in pieces or with a charset (RFC 2231 sections 3 and 4)."""
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
    """A part without parts inside: its declared facts and the place of its content."""

    info: PartInfo
    start: int
    end: int


_HEADER_END = re.compile(HEADER_END)


def leaf_at(data: "Buffer", start: int, end: int, /) -> Leaf:
    """Read the part between two delimiter lines: its header block, which may be empty, and its content."""
    # The line end of the delimiter line is before `start`. Nearly every block is short and ends in CRLF.
    blank = data.find(b"\n\r\n", start - 1, start + HEADER_KEPT)
    if 0 <= blank < end - 2:
        block = data[start - 1 : blank + 1]
        if b"\n\n" not in block:
            return Leaf(kept_info(block), blank + 3, end)
    # A block that is longer than the limit is content.
    limit = min(end, start + HEADER_LIMIT)
    if data[start : start + PART_HEADER_LIMIT].count(b"\n") <= PART_HEADER_LINE_LIMIT:
        end_of_header = _HEADER_END.search(data, start - 1, limit)
        blank, body = (-1, -1) if end_of_header is None else end_of_header.span()
    else:
        # The pattern would stop at each of many short lines.
        wide = data.find(b"\n\r\n", start - 1, limit)
        bare = data.find(b"\n\n", start - 1, limit if wide < 0 else wide + 1)
        blank, body = (wide, wide + 3) if bare < 0 else (bare, bare + 2)
    if blank >= 0:
        return Leaf(part_info(data[start : blank + 1]), body, end)
    # Without an empty line, a part that begins with a field is all header, and any other part is all content.
    is_header = end - start < HEADER_LIMIT and first_line_is_field(data, start, end)
    body = end if is_header else start
    return Leaf(part_info(data[start:body]), body, end)


class TooManyParts(Exception):
    """Raised for more delimiters than `PART_LIMIT`; the argument is the offset of the first one beyond."""


class Body(NamedTuple):
    """A multipart body: the places of its parts, whether it is closed, and where the text outside of the parts is."""

    parts: "list[Span]"
    closed: bool
    # The offsets of the first delimiter line and of the epilogue.
    preamble_end: int
    epilogue: int
    # The first line that is a delimiter only for readers that take a bare carriage return for a line end, or -1.
    bare: int = -1


class _Delimiter(NamedTuple):
    """A delimiter line."""

    # The offset of the line end before it, and of the line after it.
    before: int
    after: int
    closes: bool
    is_crlf: bool


def body_spans(data: "Buffer", start: int, end: int, boundary: bytes, /) -> Body | None:
    """Find the parts between the delimiter lines of `boundary`; None if there is no such line (RFC 2046 section 5.1.1).

    The line end before a delimiter belongs to it; that of the first one may be the end of the header block.
    """
    bare: list[int] = []
    delimiters = _delimiters(data, start, end, boundary, bare)
    if not delimiters:
        return None
    parts: list[Span] = []
    for last, delimiter in pairwise(delimiters):
        content, line_end = last.after, delimiter.before
        # In a CRLF message the CR before the LF belongs to the delimiter, in an LF message to the part.
        if (last.is_crlf or delimiter.is_crlf) and data[line_end - 1] == _CR and line_end > content:
            line_end -= 1
        parts.append((content, max(content, line_end)))
    epilogue = delimiters[-1].after
    closed = delimiters[-1].closes
    if not closed:
        parts.append((epilogue, end))
        epilogue = end
    return Body(parts, closed, delimiters[0].before, epilogue, bare[0] if bare else -1)


def _delimiters(data: "Buffer", position: int, end: int, boundary: bytes, bare: list[int]) -> list[_Delimiter]:
    """Find the delimiter lines up to the close delimiter.

    A hit counts only at the start of a line, and with only spaces or TABs after it, perhaps after the two dashes of a close
    delimiter. The first hit that would count with bare carriage returns for line ends goes into `bare`.
    """
    needle = b"--" + boundary
    length = len(needle)
    delimiters: list[_Delimiter] = []
    look_alikes = 0
    while (hit := fast_find(data, needle, position, end)) >= 0:
        position = hit + length
        before = data[hit - 1]
        if before != _LF:
            tail = None
        elif data[position : position + 2] == b"\r\n" and position + 2 <= end:
            delimiters.append(_Delimiter(hit - 1, position + 2, closes=False, is_crlf=True))
            if len(delimiters) > PART_LIMIT:
                raise TooManyParts(hit)
            continue
        else:
            tail = _DELIMITER_TAIL.match(data, position, end)
        if tail is not None:
            closes = tail[1] is not None
            delimiters.append(_Delimiter(hit - 1, tail.end(), closes, tail[2] == b"\r\n"))
            if closes:
                break
            if len(delimiters) > PART_LIMIT:
                raise TooManyParts(hit)
            continue
        if not bare and before in _LINE_ENDS and _BARE_TAIL.match(data, position, end) is not None:
            bare.append(hit)
        look_alikes += 1
        if look_alikes == _LOOK_ALIKES:
            later = None if bare else re.compile(_BARE_LINE % re.escape(boundary)).search(data, position, end)
            bare += [] if later is None else [later.start() + 1]
            return delimiters + _delimiters_among_look_alikes(
                data, position, end, boundary, PART_LIMIT - len(delimiters)
            )
    return delimiters


_CR: Final = 13
_LF: Final = 10
_LINE_ENDS: Final = (_CR, _LF)
_BARE_TAIL = re.compile(rb"(?:--)?[ \t]*+(?:[\r\n]|\Z)")
_BARE_LINE: Final = rb"\r--%b(?:--)?+[ \t]*+(?:[\r\n]|\Z)"
_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*+(\r?\n|\r?\Z)")


def _delimiters_among_look_alikes(
    data: "Buffer", position: int, end: int, boundary: bytes, limit: int
) -> list[_Delimiter]:
    """Find the other delimiter lines with a pattern for this boundary, which costs more to make and less for each hit."""
    delimiters: list[_Delimiter] = []
    needle = b"\n--" + boundary
    position = data.find(needle, position, end)
    if position < 0:
        return delimiters
    for hit in _lines_of(data, needle, position, end):
        tail = _DELIMITER_TAIL.match(data, hit + len(needle), end)
        if tail is not None:
            closes = tail[1] is not None
            delimiters.append(_Delimiter(hit, tail.end(), closes, tail[2] == b"\r\n"))
            if closes:
                break
            if len(delimiters) > limit:
                raise TooManyParts(hit + 1)
    return delimiters


def _lines_of(data: "Buffer", needle: bytes, position: int, end: int) -> Iterator[int]:
    """Yield the places of a needle with only spaces or TABs after it, perhaps after two dashes; the last one may have more."""
    # A pattern that looks ahead, goes back, or also matches at the end of the data takes twice the time.
    pattern = re.compile(rb"%b(?:--)?+[ \t]*+\r?+\n" % re.escape(needle))
    while (line := pattern.search(data, position, end)) is not None:
        yield line.start()
        position = line.end() - 1  # the next delimiter may begin with this line's end
    last = data.rfind(needle, position, end)
    if last >= 0:
        yield last


def transfer_decoded(data: "Buffer", start: int, end: int, encoding: str, /) -> tuple[bytes, int | None]:
    """Decode base64 or quoted-printable (RFC 2045 section 6); the second value is the offset of the first damage, if any.

    Damage of base64 has the offset of the content.
    """
    if encoding == "quoted-printable":
        return _printable_decoded(data, start, end)
    raw = data[start:end]
    if _NOT_CODED.search(raw, 0, _GLANCE) is None:
        try:
            return binascii.a2b_base64(raw.translate(None, b"\r\n \t"), strict_mode=True), None
        except binascii.Error:
            pass
    # Cut, or with text after it: the bytes of the alphabet before the padding or an empty line.
    body = _BASE64_END.split(raw.lstrip(), maxsplit=1)[0].translate(None, _NOT_BASE64)
    return binascii.a2b_base64(body[: len(body) - (len(body) % 4 == 1)] + b"=" * (-len(body) % 4)), start


def _printable_decoded(data: "Buffer", start: int, end: int) -> tuple[bytes, int | None]:
    """Decode quoted-printable, many lines at a time; an equals sign that begins neither an escape nor a soft break stays."""
    pieces: list[bytes] = []
    damage: int | None = None
    while start < end:
        line_end = data.find(b"\n", min(start + _PRINTABLE_STRETCH, end), end)
        after = end if line_end < 0 else line_end + 1
        lines = data[start:after]
        # Spaces at the end of a line were added on the way (RFC 2045 section 6.7 rule 3).
        if lines.endswith((b" ", b"\t")) or b" \n" in lines or b" \r\n" in lines or _has_tab_before_line_end(lines):
            lines = _TRAILING_SPACES.sub(b"", lines)
        content = binascii.a2b_qp(lines)
        # An escape is 2 bytes longer than its content, and so is a soft break, or 1 more with a CR, or 1 less at the very end.
        wide = lines.count(b"=\r\n")
        escaped = 2 * lines.count(b"=") + wide - lines.endswith(b"=")
        if len(lines) - len(content) != escaped or lines.count(b"=\r") != wide:
            if damage is None:
                damage = start + next(_NO_ESCAPE.finditer(data[start:after])).start()
            content = binascii.a2b_qp(_escaped(lines))
        pieces.append(content)
        start = after
    return b"".join(pieces), damage


def _has_tab_before_line_end(lines: bytes) -> bool:
    # One byte is searched for at the speed of memory, and few texts have tabs.
    return b"\t" in lines and (b"\t\n" in lines or b"\t\r\n" in lines)


def _escaped(lines: bytes) -> bytearray:
    """Escape each equals sign of quoted-printable lines that does not begin an escape."""
    result = bytearray()
    position = 0
    for sign in _NO_ESCAPE.finditer(lines):
        result += lines[position : sign.end()]
        result += b"3D"
        position = sign.end()
    result += lines[position:]
    return result


# Bytes of quoted-printable that are decoded at once, with the rest of the last line.
_PRINTABLE_STRETCH: Final = 1 << 18
_TRAILING_SPACES = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_NO_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*+(?:\r?\n|\Z))")


# A byte that shows at the first glance that content is not only base64.
_NOT_CODED = re.compile(rb"[^A-Za-z0-9+/=\r\n \t]")
_BASE64_END = re.compile(rb"=|\n[ \t]*+\r?\n")
_NOT_BASE64: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def text_decoded(raw: bytes, charset: str, /) -> tuple[str, DefectCode | None]:
    """Decode text in the declared charset, else as UTF-8, else as latin-1 or windows-1252: nothing is lost or raised.

    The second value is the defect for a charset that is unknown or not that of the text.
    """
    if charset in ASCII_SUPERSETS and raw.isascii():
        return raw.decode("ascii"), None
    codec = "us-ascii" if not charset else known_charset(charset)
    if codec in _WIDE and raw.isascii() and b"\0" not in raw:
        # A wrong label: two bytes of ASCII would make one ideograph.
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


# Transfer encodings that leave content as it is; "" if none is declared (RFC 2045 section 6).
PLAIN_ENCODINGS: Final = frozenset(("", "7bit", "8bit", "binary"))
DECODED_ENCODINGS: Final = frozenset(("base64", "quoted-printable"))
# Charsets, as they are declared, in which ASCII is ASCII.
ASCII_SUPERSETS: Final = frozenset(("", "us-ascii", "ascii", "utf-8", "iso-8859-1", "windows-1252"))
_WIDE: Final = frozenset(("utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"))
