"""Header blocks: find fields without listing them, unfold, decode, cut as bytes, and write values that need encoding.

Every function takes (data, start, end) and works in place, so that blocks inside parts inside messages need no copies.
"""

import binascii
import re
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from exjournal._wire.lines import BLANKS, holds_forbidden, without_forbidden

if TYPE_CHECKING:
    from exjournal._wire.octets import Octets

# Octets. Exchange accepts header blocks of up to 256 KB; this is twice that, and no hostile block costs more than its scan.
HEADER_LIMIT: Final = 512 << 10
# Lines of one block: at this number the lines of the largest block have 26 octets.
HEADER_LINE_LIMIT: Final = 20_000
# Octets: lines are counted in blocks that are longer than this.
_UNCOUNTED: Final = 64 << 10
# Fields of wanted names in one block: a message has each once, or a few times.
FIELD_LIMIT: Final = 1000
# What stands in an error about a block that is beyond them.
BLOCK_LIMITS: Final = (
    f"more than {HEADER_LIMIT} octets, {HEADER_LINE_LIMIT} lines, or {FIELD_LIMIT} fields of the names looked for"
)
# Octets in a line without its CRLF (RFC 5322 section 2.1.1).
LINE_LIMIT: Final = 998

Span = tuple[int, int]


# Lower-case name of a field to its first value, folds included.
Fields = dict[bytes, bytes]
# Not a name: a key of the fields of a block on which readers may differ, since it repeats a field by which its body is read, or
# has a line that is not just a field or a fold. `ambiguities` says more.
UNCLEAR: Final = b":"
_ONCE: Final = frozenset((b"content-type", b"content-transfer-encoding"))


# A line that no reader takes for anything else: a field without spaces before its colon, or a fold with text in it.
_EVEN_LINE: Final = rb"(?:[!-9;-~]++:|[ \t]++[^ \t\r\n])[^\r\n]*+(?=\r?\n|\Z)"
# A value runs to the line end that no blank follows (RFC 5322 section 2.2.3).
_VALUE: Final = rb"[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)"
_EVEN_VALUE: Final = rb":([^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*+)(?=\r?\n|\Z)"


class FieldPattern:
    """Compiled once for a set of names: one pass over a block finds all of them and the blank line that ends it."""

    def __init__(self, wanted: bytes, initials: bytes, plain: "FieldPattern | None" = None) -> None:
        self.wanted = wanted
        self.initials = initials
        # For a pattern that stops at an odd line, the one of the same names that passes over it.
        self.plain = plain
        self.field = rb"(%b)%b" % (wanted, _VALUE if plain is None else _EVEN_VALUE)
        odd = b"" if plain is None else rb"|(?!%b|\r?\n|\Z)" % _EVEN_LINE
        # The first byte rules out most lines, so that the names are not tried on them.
        names = (initials, initials.upper(), self.field, odd)
        self.inside = re.compile(rb"\n(?:(?=[\r\n%b%b])(?:(\r?\n)|(?i:%b))%b)" % names)

    def stopping_at_odd_lines(self) -> "FieldPattern":
        """The same names, in one pass that also shows whether readers agree about every line: see `UNCLEAR`."""
        return FieldPattern(self.wanted, self.initials, self)

    @cached_property
    def first(self) -> re.Pattern[bytes]:
        """For a field with no line end before it, of which many blocks have none."""
        return re.compile(self.field, re.IGNORECASE)


@lru_cache(maxsize=64)
def field_pattern(*names: str) -> FieldPattern:
    """Names are regular expressions without groups, matched without letter case; blanks before the colon are tolerated."""
    # Alternatives that begin alike are tried as one.
    by_initial: dict[str, list[str]] = {}
    for name in names:
        by_initial.setdefault(name[0].lower(), []).append(name.lower())
    groups = [(_common_prefix(group), group) for group in by_initial.values()]
    wanted = "|".join(
        [f"{prefix}(?:{'|'.join([name.removeprefix(prefix) for name in group])})" for prefix, group in groups]
    ).encode("ascii")
    return FieldPattern(wanted, "".join(by_initial).encode("ascii"))


def _common_prefix(names: list[str]) -> str:
    size = 0
    while all(len(name) > size and name[size] == names[0][size] for name in names):
        size += 1
    return names[0][:size]


def scan(
    data: "Octets",
    start: int,
    end: int,
    pattern: FieldPattern,
    /,
    *,
    repeated: list[tuple[bytes, bytes]] | None = None,
    span: int = 0,
) -> tuple[Fields, int, bool]:
    """Find the wanted fields of the block at `start`: the fields, where the body begins, whether a blank line ended the block.

    The first field of each name is in the result; the others go into `repeated`, by name and value, in order. A pattern that
    stops at odd lines takes no `repeated`.
    Linear, and never past the blank line, `HEADER_LIMIT` or `HEADER_LINE_LIMIT`; `span` is for this function alone.
    """
    fields: Fields = {}
    if repeated is not None:
        repeated.clear()
    limit = min(end, start + (span or _UNCOUNTED))
    begin = start
    if start and data[start - 1] == 10:
        begin -= 1  # the line end before the block: the first line is then found like any other
    else:
        if data[start : start + 1] in _LINE_END_BYTES:
            blank = _BLANK_LINE.match(data, start, limit)
            if blank is not None:
                return fields, blank.end(), True
        first = pattern.first.match(data, start, limit)
        if first is not None:
            fields[first[1].lower()] = first[2]
        elif pattern.plain is not None and _FIRST_LINE.match(data, start, limit) is None:
            return _scan_unclear(data, start, end, pattern.plain)
    matches = pattern.inside.finditer(data, begin, limit)
    for found in islice(matches, FIELD_LIMIT):
        ended, name, value = found.groups()
        if ended:
            return fields, found.end(), True
        if name is None and pattern.plain is not None:
            return _scan_unclear(data, start, end, pattern.plain)
        name = name.lower()
        if fields.setdefault(name, value) is not value:
            if repeated is not None:
                repeated.append((name, value))
            if name in _ONCE:
                fields[UNCLEAR] = b""
    # More wanted fields than the limit end the look as the end of the octets would.
    beyond = next(matches, None)
    if beyond is not None:
        return fields, beyond.start(), False
    if span or limit == end:
        return fields, limit, False
    lines = re.compile(_MANY_LINES).match(data, start, start + HEADER_LIMIT)
    span = HEADER_LIMIT if lines is None else lines.end() - start
    return scan(data, start, end, pattern, repeated=repeated, span=span)


def _scan_unclear(data: "Octets", start: int, end: int, plain: FieldPattern) -> tuple[Fields, int, bool]:
    fields, body, complete = scan(data, start, end, plain)
    fields[UNCLEAR] = b""
    return fields, body, complete


_MANY_LINES: Final = rb"(?:[^\n]*+\n){%d}" % HEADER_LINE_LIMIT
_FIRST_LINE = re.compile(_EVEN_LINE)


# Compiled once for a set of names of which every field is wanted, wherever it stands in its block: for a field behind a line
# end, and for one at the beginning.
SpanPattern = tuple[re.Pattern[bytes], re.Pattern[bytes]]


@lru_cache(maxsize=64)
def span_pattern(names: tuple[str, ...], /) -> SpanPattern:
    """Names are literal and without letter case; one that ends in * is a prefix."""
    wanted = "|".join([re.escape(name.removesuffix("*")) + "[!-9;-~]*+" * name.endswith("*") for name in names])
    # No name at all matches nothing.
    field = rf"(?:{wanted or '(?!)'})[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+".encode("ascii")
    return re.compile(rb"\n(?:(\r?\n)|(?i:%b))" % field), re.compile(field, re.IGNORECASE)


def field_spans(
    data: "Octets", start: int, end: int, pattern: SpanPattern, /, *, span: int = 0
) -> tuple[list[Span], int, bool]:
    """Where each wanted field lies, with its folds and its line end; where the body begins; whether the block ended.

    Linear, and never past the blank line or the limits of a block; the end of the data ends a block as well.
    `span` is for this function alone.
    """
    limit = min(end, start + (span or _UNCOUNTED))
    blank = _BLANK_LINE.match(data, start, limit)
    if blank is not None:
        return [], blank.end(), True
    behind_line_end, at_start = pattern
    spans: list[Span] = []
    position = start
    first = at_start.match(data, start, limit)
    if first is not None:
        position = first.end()
        spans.append((start, min(position + 1, end)))
    for found in behind_line_end.finditer(data, position, limit):
        if found[1] is not None:
            return spans, found.end(), True
        spans.append((found.start() + 1, min(found.end() + 1, end)))
        if len(spans) > FIELD_LIMIT:
            return spans, found.start(), False
    if span or limit == end:
        return spans, limit, limit == end
    lines = re.compile(_MANY_LINES).match(data, start, start + HEADER_LIMIT)
    return field_spans(data, start, end, pattern, span=HEADER_LIMIT if lines is None else lines.end() - start)


def without(data: "Octets", spans: list[Span], start: int = 0, /) -> list[memoryview]:
    """The data from `start` in pieces, without the spans; views, to be joined in one copy."""
    view = memoryview(data)
    pieces = []
    for begin, end in spans:
        pieces.append(view[start:begin])
        start = end
    pieces.append(view[start:])
    return pieces


def value_offset(data: "Octets", start: int, end: int, name: bytes, /) -> int:
    """Where the first value of a field begins, or `start` where there is none; for telling, not for reading."""
    field = rb"%b[ \t]*:" % re.escape(name)
    found = re.compile(field, re.IGNORECASE).match(data, start, end)
    # A pattern that begins with one plain octet is searched for at the speed of that octet.
    found = found or re.compile(rb"\n(?i:%b)" % field).search(data, start, end)
    return start if found is None else found.end()


_BLANK_LINE = re.compile(rb"\r?\n")
_LINE_END_BYTES: Final = (b"\r", b"\n")


def first_line_is_field(data: "Octets", start: int, end: int, /) -> bool:
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
