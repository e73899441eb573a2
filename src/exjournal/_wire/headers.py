"""Header blocks: find fields, unfold and decode their values, cut fields out as bytes, and encode text as a value.

The functions that search take (data, start, end) and work in place, so that the blocks of nested parts need not be copied.
A message may begin with lines that a mailbox file added; `beginnings` finds the header block after them.

An even block (`is_even`) has one kind of line end, and each of its lines is a field or a fold with text. Nearly all blocks are
even; some functions take a shorter way through them.
"""

import binascii
import re
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from exjournal._wire.grammar import EMPTY_LINE, FIELD_BEGINS, FIELD_NAME, FIELD_VALUE, FOLD, HEADER_END
from exjournal.errors import DefectCode, ParseError
from exjournal.limits import FIELD_LIMIT, HEADER_LIMIT, HEADER_LINE_LIMIT
from exjournal.lines import BLANKS, holds_forbidden, without_forbidden

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Only the lines of a block of more bytes than this are counted.
_UNCOUNTED: Final = 64 << 10
# The detail of an error about a block that exceeds a limit.
BLOCK_LIMITS: Final = (
    f"more than {HEADER_LIMIT} bytes, {HEADER_LINE_LIMIT} lines, or {FIELD_LIMIT} fields of the names looked for"
)

Span = tuple[int, int]
# The first value of each field by its name in lower case, folds included.
Fields = dict[bytes, bytes]
# A key of `Fields` that is not a name. It is there if a field that decides how the body is read (`_ONCE`) occurs more than
# once; `ambiguities` says which.
UNCLEAR: Final = b":"
_ONCE: Final = frozenset((b"content-type", b"content-transfer-encoding"))

# The form of the fields in a block: `Fields`, all values by name, or a list of `Span`.
FieldsT = TypeVar("FieldsT")


class Block(NamedTuple, Generic[FieldsT]):
    """A header block: its beginning, the beginning of the body after it, and the wanted fields, by name or as spans."""

    start: int
    body: int
    fields: FieldsT
    # False for a block that exceeds a limit; reading then stopped at `body`.
    complete: bool

    def require_complete(self) -> None:
        """Raise ParseError if the block exceeds a limit."""
        if not self.complete:
            raise ParseError(DefectCode.HEADER_TOO_LARGE, BLOCK_LIMITS, self.body)


# Matches every field that has one of the wanted names, as (name, value); the block needs a line end before its first line.
FieldPattern = re.Pattern[bytes]


@lru_cache(maxsize=64)
def field_pattern(*names: str) -> FieldPattern:
    """Compile a pattern for fields by name. Each name is a regular expression without groups; letter case is ignored."""
    wanted = "|".join(names).encode("ascii")
    # The first byte rules out most lines before any name is tried.
    initials = "".join({name[0].lower() + name[0].upper() for name in names}).encode("ascii")
    return re.compile(rb"\n(?=[%b])((?i:%b))[ \t]*:(%b)" % (initials, wanted, FIELD_VALUE))


_new_tuple = tuple.__new__
_EMPTY_LINE = re.compile(EMPTY_LINE)
_BLOCK_END = re.compile(HEADER_END)
_MANY_LINES = re.compile(rb"(?:[^\n]*+\n){%d}" % HEADER_LINE_LIMIT)
# Each line of an even block begins with a name and a colon, or is a fold with text.
_EVEN_BEGINS: Final = FIELD_NAME + b":"
_TEXT_BEGINS: Final = rb"[ \t]++[^ \t\r\n]"
_FIELD_BEGINS = re.compile(_EVEN_BEGINS)
# The line end before the first line that is neither, and this line if it is empty.
_STOP = re.compile(rb"\n(?!%b|%b)(\r?\n)?" % (_EVEN_BEGINS, _TEXT_BEGINS))
_LINE_END_BYTES: Final = (b"\r", b"\n")


def _block_end(data: "Buffer", start: int, end: int, /) -> tuple[int, bool]:
    """Find where the body after the header block at `start` begins, and whether the block is complete.

    A complete block ends with an empty line or with the data. After any other, the body begins where `HEADER_LIMIT` or
    `HEADER_LINE_LIMIT` is reached.
    """
    if data[start : start + 1] in _LINE_END_BYTES and (first := _EMPTY_LINE.match(data, start, end)) is not None:
        return first.end(), True
    limit = min(end, start + _UNCOUNTED)
    blank = _BLOCK_END.search(data, start, limit)
    if blank is None and limit < end:
        lines = _MANY_LINES.match(data, start, start + HEADER_LIMIT)
        limit = min(end, start + HEADER_LIMIT if lines is None else lines.end())
        blank = _BLOCK_END.search(data, start, limit)
    return (limit, limit == end) if blank is None else (blank.end(), True)


def even_block_end(data: "Buffer", start: int, end: int, /) -> int:
    """Find where the body begins after an even block (`is_even`) of at most 64 KiB that ends with an empty line, else -1.

    Reads the block once; calling `scan` and `is_even` would read it twice.
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

    Takes linear time. The search ends at the empty line, at `HEADER_LIMIT`, at `HEADER_LINE_LIMIT`, or at the first field
    beyond `FIELD_LIMIT`.
    """
    body, complete = _block_end(data, start, end)
    fields, beyond = find_fields(data[start:body], pattern)
    if beyond is not None:
        return Block(start, start + beyond, fields, complete=False)
    # Calling the class takes longer, and every report is scanned.
    return _new_tuple(Block, (start, body, fields, complete))


def find_fields(block: bytes, pattern: FieldPattern, /) -> tuple[Fields, int | None]:
    """Find the fields of a block as `scan` does, and the offset of the first field beyond `FIELD_LIMIT`, or None."""
    block = b"\n" + block
    matches = pattern.findall(block)
    beyond = None
    if len(matches) > FIELD_LIMIT:
        beyond = next(islice(pattern.finditer(block), FIELD_LIMIT, None)).start() - 1
        del matches[FIELD_LIMIT:]
    fields: Fields = {}
    for name, value in matches:
        name = name.lower()  # noqa: PLW2901
        if name not in fields:
            fields[name] = value
        elif name in _ONCE:
            fields[UNCLEAR] = b""
    return fields, beyond


def scan_all(data: "Buffer", start: int, end: int, pattern: FieldPattern, /) -> Block[dict[bytes, list[bytes]]]:
    """Find the values of every wanted field of the block at `start`, in order, by name.

    Takes linear time; the search ends where that of `scan` does.
    """
    body, complete = _block_end(data, start, end)
    block = b"\n" + data[start:body]
    matches = pattern.findall(block)
    if len(matches) > FIELD_LIMIT:
        body = start + next(islice(pattern.finditer(block), FIELD_LIMIT, None)).start() - 1
        complete = False
        del matches[FIELD_LIMIT:]
    values: dict[bytes, list[bytes]] = {}
    for name, value in matches:
        values.setdefault(name.lower(), []).append(value)
    return Block(start, body, values, complete)


# Two patterns for fields that have one of the wanted names: at the beginning of a block, and after a line end.
SpanPattern = tuple[re.Pattern[bytes], re.Pattern[bytes]]


@lru_cache(maxsize=64)
def span_pattern(names: tuple[str, ...], /) -> SpanPattern:
    """Compile the patterns for `scan_spans`. Names are literal; a final * makes one a prefix. Letter case is ignored."""
    literals = [re.escape(name.removesuffix("*")) + "[!-9;-~]*+" * name.endswith("*") for name in names]
    wanted = "|".join(literals) or "(?!)"  # without names, nothing matches
    field = rb"(?:%b)[ \t]*+:%b" % (wanted.encode("ascii"), FIELD_VALUE)
    return re.compile(field, re.IGNORECASE), re.compile(rb"\n(?i:%b)" % field)


def scan_spans(data: "Buffer", start: int, end: int, pattern: SpanPattern, /) -> Block[list[Span]]:
    """Find the span of every wanted field of the block at `start`, including its folds and its line end.

    Takes linear time; the search ends where that of `scan` does.
    """
    body, complete = _block_end(data, start, end)
    at_start, after_line_end = pattern
    spans: list[Span] = []
    position = start
    first = at_start.match(data, start, body)
    if first is not None:
        position = first.end()
        spans.append((start, min(position + 1, end)))
    for field in after_line_end.finditer(data, position, body):
        spans.append((field.start() + 1, min(field.end() + 1, end)))
        if len(spans) > FIELD_LIMIT:
            return Block(start, field.start(), spans, complete=False)
    return Block(start, body, spans, complete)


def without(data: "Buffer", spans: list[Span], start: int = 0, /) -> list[memoryview]:
    """Return the data from `start` on without the spans, as views of the pieces, which the caller can join in one copy."""
    view = memoryview(data)
    pieces = []
    for begin, end in spans:
        pieces.append(view[start:begin])
        start = end
    pieces.append(view[start:])
    return pieces


def value_offset(data: "Buffer", start: int, end: int, name: bytes, /) -> int:
    """Find the offset of the first value of a field, for a defect; `start` if the block has no such field."""
    name_and_colon = rb"%b[ \t]*:" % re.escape(name)
    match = re.compile(name_and_colon, re.IGNORECASE).match(data, start, end)
    # `re` searches fast for a pattern that begins with a plain byte.
    match = match or re.compile(rb"\n(?i:%b)" % name_and_colon).search(data, start, end)
    return start if match is None else match.end()


def first_line_is_field(data: "Buffer", start: int, end: int, /) -> bool:
    """Whether a header field begins at `start`."""
    return _FIELD_LINE.match(data, start, end) is not None


_FIELD_LINE = re.compile(FIELD_BEGINS)
_FOLD = re.compile(FOLD)
_FIELD = re.compile(rb"(?:\A|(?<=\n))(%b)[ \t]*+:(%b)" % (FIELD_NAME, FIELD_VALUE))


def fields(block: bytes, /) -> Iterator[tuple[bytes, bytes]]:
    """Yield every field of a block in order, as its name and its value with the folds. Skip all other lines."""
    for found in _FIELD.finditer(block):
        yield found[1], found[2].removesuffix(b"\r")


# Even blocks with CRLF and with LF line ends.
_EVEN = re.compile(rb"(?:%b[^\r]*+\r\n|(?!\A)%b[^\r]*+\r\n)*+(?:\r\n)?" % (_EVEN_BEGINS, _TEXT_BEGINS))
_EVEN_LF = re.compile(rb"(?:%b[^\n]*+\n|(?!\A)%b[^\n]*+\n)*+\n?" % (_EVEN_BEGINS, _TEXT_BEGINS))
# A bare carriage return, a line of spaces, or a line that is neither a field nor a fold. Some readers take such a line for a
# field, or for the end of the block.
_ODD_LINE = re.compile(rb"\r(?!\n)|\n(?!%b|%b|\r?\n|\Z)" % (_EVEN_BEGINS, _TEXT_BEGINS))
_SPACE_BEFORE_COLON = re.compile(FIELD_NAME + rb"[ \t]++:")


def is_even(block: bytes, /) -> bool:
    """Whether a block is even: it has one kind of line end, and every line is a field or a fold with text."""
    if b"\r" in block:
        return _EVEN.fullmatch(block) is not None and block.count(b"\r") == block.count(b"\n")
    return _EVEN_LF.fullmatch(block) is not None


def has_odd_line(block: bytes, /) -> bool:
    """Whether a block has a line that some readers take for a field or for the end of the block, and others do not."""
    return not is_even(block) and next(odd_lines(block), None) is not None


def odd_lines(block: bytes, /) -> Iterator[tuple[str, int]]:
    """Yield a description and the offset of each line that readers interpret differently (RFC 5322 section 2.2)."""
    if block[:1] in _FOLDS:
        yield _NOT_A_FIELD, 0
    for odd in _ODD_LINE.finditer(b"\n" + block):
        if odd[0] == b"\r":
            yield "a bare carriage return", odd.start() - 1
        elif _SPACE_BEFORE_COLON.match(block, odd.start()) is not None:
            yield "a space before a colon", odd.start()
        else:
            is_blank = block[odd.start() : odd.start() + 1] in _FOLDS
            yield (_BLANK_FOLD if is_blank else _NOT_A_FIELD), odd.start()


_NOT_A_FIELD: Final = "a line that is not a field"
_BLANK_FOLD: Final = "a line of spaces"
_FOLDS: Final = (b" ", b"\t")


def ambiguities(block: bytes, /) -> tuple[tuple[str, int], ...]:
    """List what readers interpret differently in a header block: a description of each kind, and its first offset."""
    first_places: dict[str, int] = {}
    if not is_even(block):
        for words, offset in odd_lines(block):
            if words != _BLANK_FOLD:  # current readers agree that it is a fold
                first_places.setdefault(words, offset)
    names: set[bytes] = set()
    for field in _FIELD.finditer(block):
        name = field[1].lower()
        if name in names:
            first_places.setdefault(f"{name.decode().title()} is repeated", field.start())
        elif name in _ONCE:
            names.add(name)
    return tuple(first_places.items())


def unfold(value: bytes, /) -> bytes:
    """Put a value on one line (RFC 5322 section 2.2.3), and remove white space around it."""
    value = value.strip()
    return _FOLD.sub(b"", value) if b"\n" in value else value


def decode(value: bytes, /) -> str:
    """Decode header bytes as UTF-8 (RFC 6532), or as latin-1 if they are not valid UTF-8, so that no byte is lost."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


_WORD_FORM: Final = r"=\?[^?*\s]{1,40}(?:\*[^?\s]{0,40})?\?[bBqQ]\?[^?\s]*\?="
_WORDS = re.compile(rf"{_WORD_FORM}(?:[ \t]+{_WORD_FORM})*")
_WORD = re.compile(r"=\?([^?*\s]+)[^?]*\?([bBqQ])\?([^?\s]*)\?=")


def decode_words(text: str, /) -> str:
    """Decode the encoded words in a text (RFC 2047); words that do not decode to one line of text stay as written."""
    return _WORDS.sub(_decoded_words, text) if "=?" in text else text


def _decoded_words(words: re.Match[str]) -> str:
    # Senders split characters between two words, so adjacent words in one charset are joined as bytes before they are decoded.
    runs: list[tuple[str, list[bytes]]] = []
    for word in _WORD.finditer(words[0]):
        charset = known_charset(word[1])
        if charset is None:
            return words[0]
        payload = word[3].encode("utf-8")
        try:
            content = (
                binascii.a2b_qp(payload, header=True)
                if word[2] in "qQ"
                else binascii.a2b_base64(payload + b"=" * (-len(payload) % 4))
            )
        except binascii.Error:
            return words[0]
        if not runs or runs[-1][0] != charset:
            runs.append((charset, []))
        runs[-1][1].append(content)
    try:
        text = "".join([text_of(b"".join(pieces), charset) for charset, pieces in runs])
    except UnicodeError:
        return words[0]
    return words[0] if holds_forbidden(text) else text


def one_line(value: bytes, /) -> str:
    """Read a header value as one line of text, without spaces around it; a space replaces each control character except TAB.

    Real subjects have a TAB where they were folded.
    """
    return decode_words(without_forbidden(decode(unfold(value)))).strip(BLANKS)


# Codecs of Python that are not charsets of mail: escapes that cause warnings, codecs that take quadratic time, codecs of one
# platform, and transforms of bytes.
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
# Names that mail uses and Python does not know, and Python's codecs that are not in its table of aliases. Programs also use
# some names for a superset of the charset; these are read as the superset.
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
    """Find the name of Python's codec for a declared charset; None if Python has no such codec, or one that is not for mail.

    Searches tables only: for a name that it does not know, Python's own look-up searches the disk each time.
    """
    key = "".join([character if character.isalnum() else "_" for character in name.lower()])
    if (codec := _codec(key)) is None:
        # Charsets that were not registered have names that begin with x-; code pages have several prefixes.
        key = key.removeprefix("x_")
        page = _CODE_PAGE.fullmatch(key)
        codec = _codec(key if page is None else f"cp{page[1]}")
    return None if codec in _NOT_FOR_MAIL else codec


def _codec(key: str) -> str | None:
    codec = aliases.get(key) or (key if key in _CODECS else None)
    return _MAIL_CHARSETS.get(codec or key, codec)


_CODE_PAGE = re.compile("(?:cp|win|windows|ibm|ms)_?([0-9]{3,5})")


def text_of(data: bytes, codec: str, /) -> str:
    """Decode bytes with a codec of Python; ISO 8859-1 with C1 control characters is read as windows-1252.

    Browsers do the same (WHATWG Encoding): mail does not use these control characters, and programs label windows-1252 as
    ISO 8859-1. Text with a byte that windows-1252 does not define is read as labeled, as a whole. Raises UnicodeError.
    """
    text = data.decode(codec)
    if codec in _LATIN_1 and not text.isascii() and _C1.search(text) is not None:
        try:
            return data.decode("cp1252")
        except UnicodeError:
            pass
    return text


_LATIN_1: Final = frozenset(("latin_1", "iso8859_1"))
_C1 = re.compile("[\x80-\x9f]")
_CODECS: Final = frozenset(aliases.values())


def encode_words(text: str, /) -> bytes:
    """Encode text as encoded words (RFC 2047, base64 of UTF-8), folded so that no line is longer than 76 bytes."""
    data = text.encode("utf-8")
    words = []
    start = 0
    while start < len(data):
        # 45 bytes become 60 in base64, and a word of 72. A character is never split between two words.
        cut = min(start + 45, len(data))
        while cut < len(data) and data[cut] & 0xC0 == 0x80:
            cut -= 1
        words.append(b"=?utf-8?b?" + binascii.b2a_base64(data[start:cut], newline=False) + b"?=")
        start = cut
    return b"\r\n ".join(words)
