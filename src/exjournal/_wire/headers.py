"""Header blocks: find fields without listing them, unfold, decode, cut as bytes, and write values that need encoding.

Every function takes (data, start, end) and works in place, so that blocks inside parts inside messages need no copies.
`beginnings` finds the block of a message after what mailbox files put before it.
"""

import binascii
import re
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from exjournal.errors import DefectCode, ParseError
from exjournal.limits import FIELD_LIMIT, HEADER_LIMIT, HEADER_LINE_LIMIT
from exjournal.lines import BLANKS, holds_forbidden, without_forbidden

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Buffer: lines are counted in blocks that are longer than this.
_UNCOUNTED: Final = 64 << 10
# The detail of an error about a block beyond them.
BLOCK_LIMITS: Final = (
    f"more than {HEADER_LIMIT} octets, {HEADER_LINE_LIMIT} lines, or {FIELD_LIMIT} fields of the names looked for"
)

Span = tuple[int, int]


# Lower-case name of a field to its first value, folds included.
Fields = dict[bytes, bytes]
# Not a name: a key of the fields of a block that repeats a field by which its body is read. `ambiguities` says more.
UNCLEAR: Final = b":"
_ONCE: Final = frozenset((b"content-type", b"content-transfer-encoding"))

# `Fields`, all values by name, or a list of `Span`.
FieldsT = TypeVar("FieldsT")


class Block(NamedTuple, Generic[FieldsT]):
    """A header block: where it and the body after it begin, and its wanted fields, by name or by their places."""

    start: int
    body: int
    fields: FieldsT
    # False for a block that goes on beyond the limits; `body` is then where reading stopped.
    complete: bool

    def require_complete(self) -> None:
        """Raise ParseError for a block beyond the limits."""
        if not self.complete:
            raise ParseError(DefectCode.HEADER_TOO_LARGE, BLOCK_LIMITS, self.body)


# A value runs to the line end that no blank follows (RFC 5322 section 2.2.3).
_VALUE: Final = rb"[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)"

# Finds every field of a set of names, as (name, value), in a block with a line end before it.
FieldPattern = re.Pattern[bytes]


@lru_cache(maxsize=64)
def field_pattern(*names: str) -> FieldPattern:
    """Names are regular expressions without groups, matched without letter case; blanks before the colon are tolerated."""
    wanted = "|".join(names).encode("ascii")
    # The first byte rules out most lines, so that the names are not tried on them.
    initials = "".join({name[0].lower() + name[0].upper() for name in names}).encode("ascii")
    return re.compile(rb"\n(?=[%b])((?i:%b))%b" % (initials, wanted, _VALUE))


_new_tuple = tuple.__new__


def _block_end(data: "Buffer", start: int, end: int, /) -> tuple[int, bool]:
    """Where the body after the header block at `start` begins, and whether a blank line or the end of the data ended the block.

    Otherwise that is where the block reaches `HEADER_LIMIT` or `HEADER_LINE_LIMIT`.
    """
    if data[start : start + 1] in _LINE_END_BYTES and (first := _BLANK_LINE.match(data, start, end)) is not None:
        return first.end(), True
    limit = min(end, start + _UNCOUNTED)
    blank = _BLOCK_END.search(data, start, limit)
    if blank is None and limit < end:
        lines = _MANY_LINES.match(data, start, start + HEADER_LIMIT)
        limit = min(end, start + HEADER_LIMIT if lines is None else lines.end())
        blank = _BLOCK_END.search(data, start, limit)
    return (limit, limit == end) if blank is None else (blank.end(), True)


def even_block_end(data: "Buffer", start: int, end: int, /) -> int:
    """Where the body begins after a block that ends with a blank line and in which no line is odd; -1 after any other block.

    One pass instead of finding the end and `is_even`, for blocks of at most 64 KiB.
    """
    if _FIELD_BEGINS.match(data, start, end) is None:
        return -1
    stop = _STOP.search(data, start, min(end, start + _UNCOUNTED))
    if stop is None or stop[1] is None:
        return -1
    block = data[start : stop.end()]
    return stop.end() if block.count(b"\r") == block.count(b"\r\n") else -1


def scan(data: "Buffer", start: int, end: int, pattern: FieldPattern, /) -> Block[Fields]:
    """Find the first field of each wanted name in the block at `start`.

    Linear, and never past the blank line, `HEADER_LIMIT` or `HEADER_LINE_LIMIT`. A field beyond `FIELD_LIMIT` ends the search.
    """
    body, complete = _block_end(data, start, end)
    fields, beyond = find_fields(data[start:body], pattern)
    if beyond is not None:
        return Block(start, start + beyond, fields, complete=False)
    # Calling the class takes longer, and every report is scanned.
    return _new_tuple(Block, (start, body, fields, complete))


def find_fields(block: bytes, pattern: FieldPattern, /) -> tuple[Fields, int | None]:
    """Find the wanted fields of a block, as `scan` does; where the first field beyond `FIELD_LIMIT` begins, if there is one."""
    block = b"\n" + block
    found = pattern.findall(block)
    beyond = None
    if len(found) > FIELD_LIMIT:
        beyond = next(islice(pattern.finditer(block), FIELD_LIMIT, None)).start() - 1
        del found[FIELD_LIMIT:]
    fields: Fields = {}
    for name, value in found:
        name = name.lower()  # noqa: PLW2901
        if name not in fields:
            fields[name] = value
        elif name in _ONCE:
            fields[UNCLEAR] = b""
    return fields, beyond


def scan_all(data: "Buffer", start: int, end: int, pattern: FieldPattern, /) -> Block[dict[bytes, list[bytes]]]:
    """Find every wanted field of the block at `start`: the values of each name, in order. Linear, with the bounds of `scan`."""
    body, complete = _block_end(data, start, end)
    values: dict[bytes, list[bytes]] = {}
    for number, found in enumerate(pattern.finditer(b"\n" + data[start:body])):
        if number == FIELD_LIMIT:
            return Block(start, start + found.start() - 1, values, complete=False)
        values.setdefault(found[1].lower(), []).append(found[2])
    return Block(start, body, values, complete)


# Compiled once for a set of names of which every field is wanted: for a field at the beginning of a block, and for one after a
# line end.
SpanPattern = tuple[re.Pattern[bytes], re.Pattern[bytes]]


@lru_cache(maxsize=64)
def span_pattern(names: tuple[str, ...], /) -> SpanPattern:
    """Names are literal and without letter case; one that ends in * is a prefix."""
    wanted = "|".join([re.escape(name.removesuffix("*")) + "[!-9;-~]*+" * name.endswith("*") for name in names])
    # No name at all matches nothing.
    field = rf"(?:{wanted or '(?!)'})[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+".encode("ascii")
    return re.compile(field, re.IGNORECASE), re.compile(rb"\n(?i:%b)" % field)


def scan_spans(data: "Buffer", start: int, end: int, pattern: SpanPattern, /) -> Block[list[Span]]:
    """Find every wanted field of the block at `start`: where it lies with its folds and its line end.

    Linear, with the bounds of `scan`.
    """
    body, complete = _block_end(data, start, end)
    at_start, after_line_end = pattern
    spans: list[Span] = []
    position = start
    first = at_start.match(data, start, body)
    if first is not None:
        position = first.end()
        spans.append((start, min(position + 1, end)))
    for found in after_line_end.finditer(data, position, body):
        spans.append((found.start() + 1, min(found.end() + 1, end)))
        if len(spans) > FIELD_LIMIT:
            return Block(start, found.start(), spans, complete=False)
    return Block(start, body, spans, complete)


def without(data: "Buffer", spans: list[Span], start: int = 0, /) -> list[memoryview]:
    """The data from `start` in pieces, without the spans; views, to be joined in one copy."""
    view = memoryview(data)
    pieces = []
    for begin, end in spans:
        pieces.append(view[start:begin])
        start = end
    pieces.append(view[start:])
    return pieces


def value_offset(data: "Buffer", start: int, end: int, name: bytes, /) -> int:
    """Where the first value of a field begins, or `start` where there is none; for telling, not for reading."""
    field = rb"%b[ \t]*:" % re.escape(name)
    found = re.compile(field, re.IGNORECASE).match(data, start, end)
    # A pattern that begins with one plain octet is searched for at the speed of that octet.
    found = found or re.compile(rb"\n(?i:%b)" % field).search(data, start, end)
    return start if found is None else found.end()


_BLANK_LINE = re.compile(rb"\r?\n")
_BLOCK_END = re.compile(rb"\n\r?\n")
_MANY_LINES = re.compile(rb"(?:[^\n]*+\n){%d}" % HEADER_LINE_LIMIT)
_FIELD_BEGINS = re.compile(rb"[!-9;-~]++:")
# The line end before the first line that is neither a field nor a fold with text in it, with that line if it is blank.
_STOP = re.compile(rb"\n(?![!-9;-~]++:|[ \t]++[^ \t\r\n])(\r?\n)?")
_LINE_END_BYTES: Final = (b"\r", b"\n")


def first_line_is_field(data: "Buffer", start: int, end: int, /) -> bool:
    """Whether a header field stands at `start`: printable characters without a blank, then a colon."""
    return re.compile(_FIELD_LINE).match(data, start, end) is not None


# The interpreter keeps what it compiled: many programs never ask, and all load this module.
_FIELD_LINE: Final = rb"[!-9;-~]+[ \t]*:"
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_FIELD = re.compile(rb"(?:\A|(?<=\n))([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)")


def fields(block: bytes, /) -> Iterator[tuple[bytes, bytes]]:
    """Every field of a block as (name, value with its folds), in order; lines that are no field are passed over."""
    for found in _FIELD.finditer(block):
        yield found[1], found[2].removesuffix(b"\r")


# Nearly all blocks, in CRLF and in LF: every line is a field or a fold with text in it.
_EVEN = re.compile(rb"(?:[!-9;-~]++:[^\r]*+\r\n|(?!\A)[ \t]++[^ \t\r\n][^\r]*+\r\n)*+(?:\r\n)?")
_EVEN_LF: Final = rb"(?:[!-9;-~]++:[^\n]*+\n|(?!\A)[ \t]++[^ \t\n][^\n]*+\n)*+\n?"
# A bare carriage return, a line of spaces, and a line that is neither a field nor a fold. Some readers take such a line for the
# end of the block, or for a field.
_ODD_LINE: Final = rb"\r(?!\n)|\n(?![!-9;-~]++:|[ \t]++[^ \t\r\n]|\r?\n|\Z)"
_SPACE_BEFORE_COLON: Final = rb"[!-9;-~]++[ \t]++:"


def is_even(block: bytes, /) -> bool:
    """Whether a block has one kind of line end, and every line is a field or a fold with text: a quick test for nearly all."""
    if b"\r" in block:
        return _EVEN.fullmatch(block) is not None and block.count(b"\r") == block.count(b"\n")
    return re.compile(_EVEN_LF).fullmatch(block) is not None


def has_odd_line(block: bytes, /) -> bool:
    """Whether a block has lines that some readers take for the end of it, or for fields."""
    return not is_even(block) and next(odd_lines(block), None) is not None


def odd_lines(block: bytes, /) -> Iterator[tuple[str, int]]:
    """The lines of a block about which readers disagree, as words and an offset (RFC 5322 section 2.2)."""
    if block[:1] in _FOLDS:
        yield _NOT_A_FIELD, 0
    for found in re.compile(_ODD_LINE).finditer(b"\n" + block):
        if found[0] == b"\r":
            yield "a bare carriage return", found.start() - 1
        elif re.compile(_SPACE_BEFORE_COLON).match(block, found.start()) is not None:
            yield "a space before a colon", found.start()
        else:
            is_blank = block[found.start() : found.start() + 1] in _FOLDS
            yield (_BLANK_FOLD if is_blank else _NOT_A_FIELD), found.start()


_NOT_A_FIELD: Final = "a line that is not a field"
_BLANK_FOLD: Final = "a line of spaces"
_FOLDS: Final = (b" ", b"\t")


def ambiguities(block: bytes, /) -> tuple[tuple[str, int], ...]:
    """Everything in a header block on which readers disagree, as words and an offset; the first of each kind."""
    found: dict[str, int] = {}
    if not is_even(block):
        for words, offset in odd_lines(block):
            if words != _BLANK_FOLD:  # readers in use take it for a fold
                found.setdefault(words, offset)
    names: set[bytes] = set()
    for field in _FIELD.finditer(block):
        name = field[1].lower()
        if name in names:
            found.setdefault(f"{name.decode().title()} is repeated", field.start())
        elif name in _ONCE:
            names.add(name)
    return tuple(found.items())


def unfold(value: bytes, /) -> bytes:
    """The value on one line (RFC 5322 section 2.2.3), without outer blanks."""
    value = value.strip()
    return _FOLD.sub(b"", value) if b"\n" in value else value


def decode(value: bytes, /) -> str:
    """Header octets as text: UTF-8 (RFC 6532), else latin-1, so that no octet is lost."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


_WORD_FORM: Final = r"=\?[^?*\s]{1,40}(?:\*[^?\s]{0,40})?\?[bBqQ]\?[^?\s]*\?="
# The interpreter keeps what it compiled: many programs read no encoded word, and all load this module.
_WORDS: Final = rf"{_WORD_FORM}(?:[ \t]+{_WORD_FORM})*"
_WORD: Final = r"=\?([^?*\s]+)[^?]*\?([bBqQ])\?([^?\s]*)\?="


def decode_words(text: str, /) -> str:
    """Text with its encoded words decoded (RFC 2047); words that do not decode to one line of text stay as written."""
    return re.sub(_WORDS, _decoded_words, text) if "=?" in text else text


def _decoded_words(words: re.Match[str]) -> str:
    # Senders cut characters between words, so neighbours in one charset are joined as octets first.
    runs: list[tuple[str, list[bytes]]] = []
    for word in re.finditer(_WORD, words[0]):
        charset = known_charset(word[1])
        if charset is None:
            return words[0]
        payload = word[3].encode("utf-8")
        try:
            octets = (
                binascii.a2b_qp(payload, header=True)
                if word[2] in "qQ"
                else binascii.a2b_base64(payload + b"=" * (-len(payload) % 4))
            )
        except binascii.Error:
            return words[0]
        if not runs or runs[-1][0] != charset:
            runs.append((charset, []))
        runs[-1][1].append(octets)
    try:
        text = "".join([text_of(b"".join(pieces), charset) for charset, pieces in runs])
    except UnicodeError:
        return words[0]
    return words[0] if holds_forbidden(text) else text


def one_line(value: bytes, /) -> str:
    """A header value as one line of text: unfolded, decoded, without outer blanks; a control character becomes a blank.

    A TAB stays: real subjects hold it where they were folded.
    """
    return decode_words(without_forbidden(decode(unfold(value)))).strip(BLANKS)


# Charsets of Python that are no charsets of mail: escapes that warn, forms that are quadratic, platform names, transforms.
_NOT_FOR_MAIL: Final = frozenset(
    (
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "quopri_codec",
        "raw_unicode_escape",
        "rot_13",
        "undefined",
        "unicode_escape",
        "uu_codec",
        "zlib_codec",
    )
)
# Names that mail uses and Python does not know, and codecs that stand in no table of aliases; a label that is used for
# its superset as well is read as the superset.
_MAIL_CHARSETS: Final = {
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "ks_c_5601_1989": "cp949",
    "windows_31j": "cp932",
    "x_sjis": "cp932",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_8_i": "iso8859_8",
    "windows_874": "cp874",
    **{name: name for name in ("cp874", "koi8_t", "koi8_u", "utf_8_sig")},
}


def known_charset(name: str, /) -> str | None:
    """Python's name of a declared charset, or None where there is none fit for mail.

    Only tables are asked: a look-up of a name that Python does not know searches the disk each time.
    """
    key = "".join([character if character.isalnum() else "_" for character in name.lower()])
    if (codec := _codec(key)) is None:
        # Names from before registration begin with x-; code pages have several prefixes.
        key = key.removeprefix("x_")
        page = re.fullmatch(_CODE_PAGE, key)
        codec = _codec(key if page is None else f"cp{page[1]}")
    return None if codec in _NOT_FOR_MAIL else codec


def _codec(key: str) -> str | None:
    codec = aliases.get(key) or (key if key in _CODECS else None)
    return _MAIL_CHARSETS.get(codec or key, codec)


_CODE_PAGE: Final = "(?:cp|win|windows|ibm|ms)_?([0-9]{3,5})"


def text_of(octets: bytes, codec: str, /) -> str:
    """Bytes in a codec of Python; ISO 8859-1 with C1 control characters is windows-1252, as browsers read it (WHATWG Encoding).

    Mail does not use these control characters, and programs label windows-1252 as ISO 8859-1. Where a byte means nothing in
    windows-1252, the text is what its label says. Raises UnicodeError.
    """
    text = octets.decode(codec)
    if codec in _LATIN_1 and not text.isascii() and re.search(_C1, text) is not None:
        try:
            return octets.decode("cp1252")
        except UnicodeError:
            pass
    return text


_LATIN_1: Final = frozenset(("latin_1", "iso8859_1"))
_C1: Final = "[\x80-\x9f]"


_CODECS: Final = frozenset(aliases.values())


def encode_words(text: str, /) -> bytes:
    """Text as encoded words (RFC 2047, base64 of UTF-8), folded so that no line is longer than 76 octets."""
    octets = text.encode("utf-8")
    words = []
    start = 0
    while start < len(octets):
        # 45 octets make 60 of base64, with its frame a word of 72; a character is never cut.
        cut = min(start + 45, len(octets))
        while cut < len(octets) and octets[cut] & 0xC0 == 0x80:
            cut -= 1
        words.append(b"=?utf-8?b?" + binascii.b2a_base64(octets[start:cut], newline=False) + b"?=")
        start = cut
    return b"\r\n ".join(words)
