"""The one canonical form of a message, under content digests, seals and stamps.

Messages with the same form read alike. The form leaves out only changes that servers make and no reader shows: fields of other
names, the order of fields, folds, CRLF or LF, line ends at the end. A field or header block that readers read in different ways
is taken as it is written. Nothing is decoded.

`sealed_digest` takes the body as it is written; `same_content` takes it apart, so that copies with other boundaries are equal.
"""

import hashlib
import re
from collections.abc import Collection
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.beginnings import header_place, is_separator
from exjournal._wire.buffers import fast_find
from exjournal._wire.grammar import FOLD, QUOTED_STRING
from exjournal._wire.headers import fields, has_odd_line, scan_spans, span_pattern

if TYPE_CHECKING:
    from hashlib import _Hash

    from exjournal._wire.buffers import Buffer
    from exjournal._wire.headers import Span

# Bcc is missing on purpose: servers take it out.
SEALED_FIELDS: Final = (
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
    "MIME-Version",
    "Content-*",
    names.ENVELOPE_SENDER,
)
# Fields that servers, this library among them, put before a header block.
_ADDED: Final = ("Received", "Return-Path", "X-ExJournal-*")
TYPE: Final = b"content-type"
ENCODING: Final = b"content-transfer-encoding"
# Transfer encodings that encode nothing; servers replace one by another.
IDENTITY: Final = frozenset((b"", b"7bit", b"8bit", b"binary"))
# Fields in which a reader shows the number of spaces between two words.
_UNSTRUCTURED: Final = frozenset((b"subject", b"comments", b"content-description"))
_PARAMETERED: Final = frozenset((TYPE, b"content-disposition"))
_BARE_CR = re.compile(rb"\r(?!\n)")
# Bytes that are hashed at a time: a copy of this size stays in the cache of the processor.
_CHUNK: Final = 256 << 10


class Header(NamedTuple):
    """The header block of a message: its place, its wanted fields, and whether it can be compared field by field."""

    # Text before the block that is not a mailbox separator: some reader shows it.
    before: bytes
    # The offsets of the block and of the body.
    start: int
    body: int
    # The fields of the wanted names, in place.
    spans: "list[Span]"
    # False for a block beyond the limits.
    complete: bool
    # True for a message without a header block.
    is_bare: bool
    # True for a block whose fields readers may read in different ways.
    is_odd: bool


def header_of(
    data: "Buffer", begin: int, end: int, wanted: tuple[str, ...], /, *, quoted_separator: bool = False
) -> Header:
    """Find the header block of the message between `begin` and `end`, and in it the fields of the wanted names.

    With `quoted_separator` a `>From ` line that mailbox tools leave before the block is not text.
    """
    start, body, is_bare = header_place(data, begin, end)
    spans: list[Span] = []
    complete = body > start  # only an empty line
    if not is_bare:
        _, body, spans, complete = scan_spans(data, start, end, span_pattern(wanted))
    before = b"" if is_separator(data, begin, start, or_quoted=quoted_separator) else _lines(data[begin:start])
    is_odd = before != b"" or has_odd_line(data[start:body])
    return Header(before=before, start=start, body=body, spans=spans, complete=complete, is_bare=is_bare, is_odd=is_odd)


def words_of(block: bytes, wanted: Collection[bytes] | None = None, /) -> list[tuple[bytes, bytes]]:
    """Sort the fields of a block by name and give each value its canonical form; optionally only those of wanted names."""
    lowered = [(name.lower(), value) for name, value in fields(block)]
    # Servers move fields, but keep the order of fields with the same name.
    ordered = sorted([field for field in lowered if wanted is None or field[0] in wanted], key=itemgetter(0))
    return [(name, _words(name, value)) for name, value in ordered]


_FOLD = re.compile(FOLD)
# The places in which some readers show white space as it is written: quotes, angle brackets, domain literals.
_KEPT: Final = QUOTED_STRING + rb"|<[^<>]*+>|\[[^\[\]]*+\]"
_SPACES = re.compile(rb"(%b)|(?:\r?\n)?[ \t]++(?:\r?\n[ \t]++)*+" % _KEPT)
_OPEN = re.compile(rb'(?:[^"<\[\\]++|%b|[<\[])*+["\\]' % _KEPT)
# A type or disposition with parameters (RFC 2045 section 5.1), folded between its tokens only. All readers read it alike.
_GAP: Final = rb"[ \t]*+(?:\r?\n[ \t]++)*+"
_TOKEN: Final = rb'[^\s;"()\\<>@,=]++'
_CLEAR = re.compile(
    rb'%b%b(?:%b;%b%b%b=%b(?:"[^"\\\t\r\n]*+"|[^\s;"()\\<>@,]++))*+%b;?+%b'
    % (_GAP, _TOKEN, _GAP, _GAP, _TOKEN, _GAP, _GAP, _GAP, _GAP)
)
_OUTSIDE_QUOTES = re.compile(rb'("[^"]*+")|\s*+(;)\s*+|\s++')


def _words(name: bytes, value: bytes) -> bytes:
    """Put a value in its canonical form: one space for each run of white space, unless some reader shows the difference."""
    if name == ENCODING:
        # With a space after it, or folded, an encoding is unknown to some readers, which then decode nothing.
        encoding = _FOLD.sub(b"", value).lstrip(b" \t").lower()
        return encoding if encoding in IDENTITY else _lines(value).lstrip(b" \t").lower()
    if name in _PARAMETERED:
        if _CLEAR.fullmatch(value) is None:
            return _lines(value).lstrip(b" \t")
        return _OUTSIDE_QUOTES.sub(_parameter_gap, value).strip(b" ;")
    if name in _UNSTRUCTURED:
        return _FOLD.sub(b"", value).replace(b"\t", b" ").strip(b" ")
    if _OPEN.match(value) is not None:
        return _lines(value).lstrip(b" \t\n")  # a quote that is not closed, or an escape outside of quotes
    return _SPACES.sub(_gap, value).strip(b" ")


def _parameter_gap(found: re.Match[bytes]) -> bytes:
    return found[1] or (b"; " if found[2] else b" ")


def _gap(found: re.Match[bytes]) -> bytes:
    return b" " if found[1] is None else _lines(found[1])


def _lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def put(digest: "_Hash", kind: bytes, content: bytes, /) -> None:
    """Add a piece of a message to a digest. With its size before it, no piece can pass for the beginning of the next."""
    digest.update(b"%b %d:" % (kind, len(content)))
    digest.update(content)


def put_octets(digest: "_Hash", kind: bytes, data: "Buffer", start: int, end: int, /) -> None:
    """Add a piece of a message to a digest, in place."""
    digest.update(b"%b %d:" % (kind, end - start))
    with memoryview(data) as view, view[start:end] as content:
        digest.update(content)


def put_text(digest: "_Hash", data: "Buffer", start: int, end: int, /) -> None:
    """Add a text to a digest, with LF for all line ends and without the line ends at its end."""
    end = text_end(data, start, end)
    while start < end:
        next_start = min(start + _CHUNK, end)
        chunk = data[start:next_start]
        start = next_start
        if chunk[-1] == _CR and start < end and data[start] == _LF:
            chunk = chunk[:-1]  # the line feed is in the next chunk
        # Deleting a byte is nine times as fast as replacing a pair, with the same result if the byte occurs only in pairs.
        lines = chunk.replace(b"\r", b"")
        if len(lines) < len(chunk) and _has_bare(chunk, len(chunk) - len(lines)):
            lines = chunk.replace(b"\r\n", b"\n")
        digest.update(lines)


def _has_bare(chunk: bytes, count: int) -> bool:
    """Whether a chunk has a carriage return without a line feed after it."""
    first = chunk.find(b"\r")
    width = chunk.find(b"\r", first + 1) - first
    # For lines of equal length, as in base64, reading every `width`th byte takes a tenth of the time.
    if width > 0 and chunk[first::width] == b"\r" * count and chunk[first + 1 :: width] == b"\n" * count:
        return False
    return _BARE_CR.search(chunk) is not None


def has_mixed_delimiters(data: "Buffer", start: int, end: int, /) -> bool:
    """Whether a line that may be a delimiter comes after LF and ends in CRLF: some readers then lose the byte before it.

    Servers convert all line ends or none, so such a body is taken as it is written.
    """
    data_end, end = end, text_end(data, start, end)
    last = data.rfind(b"\n--", start, end)
    is_last = last >= 0 and data.find(b"\n", last + 1, end) < 0
    if is_last and data[last - 1] != _CR and end < data_end and data[end] == _CR:
        return True  # the close delimiter; otherwise the line ends at the very end do not matter
    # A pattern is slower than `find` in data with few lines like a delimiter, and faster in data with many.
    while (hit := fast_find(data, b"\n--", start, end)) >= 0:
        line_end = data.find(b"\n", min(hit + _STRETCH, end), end)
        start = end if line_end < 0 else line_end
        if _MIXED.search(data, hit, min(start + 1, end)) is not None:
            return True
    return False


_MIXED = re.compile(rb"\n--(?<!\r\n--)[^\n]*+(?<=\r)\n")
_STRETCH: Final = 1 << 16
_CR: Final = 13
_LF: Final = 10


def text_end(data: "Buffer", start: int, end: int, /) -> int:
    """Find the end of a text without its last line ends, which servers add or remove."""
    while end > start:
        begin = max(start, end - _CHUNK)
        kept = len(data[begin:end].rstrip(b"\r\n"))
        end = begin + kept
        if kept:
            break
    return end


def sealed_digest(data: "Buffer", /) -> bytes:
    """Compute the SHA-256 of the canonical form, with the body as it is written.

    A message without a header, or with one beyond the limits, is taken as it is written as a whole.
    """
    header = header_of(data, 0, len(data), SEALED_FIELDS)
    start, body, end = header.start, header.body, len(data)
    digest = hashlib.sha256(b"exjournal sealed 2\n")
    if not header.complete and body < end:
        put_octets(digest, b"octets", data, 0, end)
        return digest.digest()
    if header.before:
        put(digest, b"before", header.before)
    if header.is_odd:
        put(digest, b"odd", _own(data[start:body]))
    for name, words in words_of(b"".join([data[first:last] for first, last in header.spans])):
        put(digest, b"field " + name, words)
    if data.find(b"\0", body, end) >= 0:
        put_octets(digest, b"binary", data, body, end)  # no server takes it for lines
    elif has_mixed_delimiters(data, body, end):
        put_octets(digest, b"mixed", data, body, text_end(data, body, end))
    else:
        digest.update(b"body:")
        put_text(digest, data, body, end)
    return digest.digest()


def _own(block: bytes) -> bytes:
    """Cut the fields off a header block that servers put before it."""
    start = 0
    for begin, end in scan_spans(block, 0, len(block), span_pattern(_ADDED)).fields:
        if begin != start or has_odd_line(block[begin:end]):
            break
        start = end
    return block[start:]
