"""Decompression, and the parts that the readers of tar and zip files share: members, errors, and the budget of a file.

`decompressed` unwraps gzip, bzip2 and xz. It uses `Decoder`, as does the reader of zip files for compressed members.
Both return the data before any damage, then raise an error.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from io import BufferedReader, RawIOBase
from math import inf
from struct import error as StructError  # noqa: N812
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, cast

from exjournal.errors import DefectCode, ParseError
from exjournal.limits import ARCHIVE_LIMIT, MEMORY_LIMIT, STREAM_COST

# The type of a stream is detected from at most this many bytes: the mark of a tar file is at 257, and a From line may be long.
HEAD: Final = 1024
# At most this many bytes are read at a time.
_BLOCK: Final = 1 << 20
# At most this many compressed bytes are decoded at a time, in one step.
_STEP: Final = 4096
# The same for a decompressor that cannot be copied (bzip2, xz, LZMA): at damage it loses up to one step of data.
_SMALL_STEP: Final = 512
# A decompressor that cannot be copied gets the last bytes of the input, at most this many, one at a time, so that damage to the
# checksum or to the index of xz does not cost the data before it.
_TRAILER: Final = 64


class Budget:
    """The number of bytes that may still be unpacked from one file and from everything nested in it.

    Once the budget is spent, every further attempt to unpack data fails as well.
    """

    def __init__(self, limit: float = inf) -> None:
        self.limit = limit
        self.left: float = limit

    def spend(self, size: int) -> None:
        """Subtract `size` unpacked bytes. Raises ParseError if the budget does not cover them."""
        self.left -= size
        if self.left < 0:
            raise ParseError(
                DefectCode.ARCHIVE_RATIO, f"more than {self.limit:.0f} bytes unpacked; the rest is not read"
            )


class Member(NamedTuple):
    """A member of an archive: its name, its offset in the archive, and a function to open it.

    Call `open` before you take the next member. `link` is the name of the member that a link leads to; "" if the link leads
    outside the archive or to an unknown place, and None if the member is not a link.
    """

    name: str
    place: int
    open: Callable[[], BinaryIO]
    link: str | None = None
    is_folder: bool = False


# Errors


def damaged(detail: str, offset: int = 0) -> ParseError:
    """Return the error for an archive that violates its format."""
    return ParseError(DefectCode.ARCHIVE_DAMAGED, detail, offset)


def too_large(limit: int) -> ParseError:
    """Return the error for an item of more than `limit` bytes."""
    return ParseError(DefectCode.ITEM_TOO_LARGE, f"more than {limit} bytes")


def raiser(error: Exception) -> Callable[[], BinaryIO]:
    """Return the `open` function of a member that cannot be read."""

    def fail() -> BinaryIO:
        raise error

    return fail


def damage_errors() -> tuple[type[Exception], ...]:
    """Return the classes of all errors that damaged archives cause, including those of decompressors."""
    classes: list[type[Exception]] = [OSError, EOFError, ValueError, OverflowError, StructError]
    with suppress(ImportError):  # not every interpreter is built with it
        from zlib import error as ZlibError  # noqa: N812

        classes.append(ZlibError)
    with suppress(ImportError):
        from lzma import LZMAError

        classes.append(LZMAError)
    return tuple(classes)


def archive_error(error: Exception) -> ParseError | OSError:
    """Return the error to report for a caught one. It contains no text of the archive."""
    if isinstance(error, ParseError) or (isinstance(error, OSError) and error.errno is not None):
        return error
    return damaged(type(error).__name__)


# Streams


def read_all(stream: BufferedReader, limit: int, size: int | None = None) -> bytes:
    """Read the rest of a stream, or its next `size` bytes.

    Raises ParseError if the rest has more than `limit` bytes; with `size`, `limit` is ignored.
    """
    pieces: list[bytes] = []
    room = limit + 1 if size is None else size
    while room > 0 and (piece := stream.read1(min(room, _BLOCK))):
        pieces.append(piece)
        room -= len(piece)
    if size is None and room <= 0:
        raise too_large(limit)
    return b"".join(pieces)


def skip(stream: BufferedReader, size: int) -> None:
    """Skip `size` bytes."""
    while size > 0 and (piece := stream.read1(min(size, _BLOCK))):
        size -= len(piece)


def peek_head(stream: BinaryIO) -> tuple[bytes, BufferedReader]:
    """Return the first bytes of a stream, and a buffered stream from which they can still be read."""
    buffered = stream if isinstance(stream, BufferedReader) else BufferedReader(cast("Any", stream), HEAD << 6)
    return buffered.peek(HEAD)[:HEAD], buffered


# Compression


class Decompressor(Protocol):
    """The interface that `BZ2Decompressor`, `LZMADecompressor` and `Zlib` share."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed stream was reached."""

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the compressed stream."""

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        """Return up to `max_length` decoded bytes, and keep the input that is left."""


class Zlib:
    """zlib's decompressor with the interface `Decompressor`. It returns the data before any damage; the next call raises.

    If a step is damaged, a copy of the decompressor decodes it again, one byte at a time up to the damage.
    """

    def __init__(self, wbits: int) -> None:
        import zlib

        self._inner = zlib.decompressobj(wbits)
        self._error = zlib.error

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed stream was reached."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the compressed stream."""
        return self._inner.unused_data

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        """Return up to `max_length` decoded bytes, and keep the input that is left."""
        data = self._inner.unconsumed_tail + data
        if not data:  # The decompressor may hold more data that it decoded before.
            return self._inner.decompress(data, max_length)
        before = self._inner.copy()
        try:
            return self._inner.decompress(data, max_length)
        except self._error:
            pieces: list[bytes] = []
            with suppress(self._error):  # `extend` keeps the pieces from before the error.
                pieces.extend(map(before.decompress, [bytes([byte]) for byte in data]))
            if not any(pieces):
                raise
            return b"".join(pieces)


# The text of LZMAError for data that needs more than the memory limit, but is not damaged. Damage raises the same class.
_OUT_OF_MEMORY: Final = "Memory usage limit exceeded"


class Decoder:
    """Decodes one compressed stream in steps; returns the data before any damage, then raises the error.

    A decompressor that cannot be copied takes small steps, and the last bytes of the input one at a time.
    """

    def __init__(self, decompressor: Decompressor, stream: BufferedReader, data: bytes = b"") -> None:
        self._decompressor = decompressor
        self._stream = stream
        # Input that the decompressor has not been given yet.
        self._data = data
        self._error: Exception | None = None

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the compressed stream that has been read already."""
        return self._decompressor.unused_data + self._data

    def read(self, size: int) -> bytes:
        """Return `size` bytes; fewer if the stream ends or an error follows. Raises OSError and ParseError."""
        pieces: list[bytes] = []
        try:
            while size and self._error is None and (piece := self._decode(size)):
                pieces.append(piece)
                size -= len(piece)
        except damage_errors() as error:
            self._error = error.with_traceback(None)
        if self._error is not None and not pieces:
            raise self._error
        return b"".join(pieces)

    def _decode(self, size: int) -> bytes:
        """Return up to `size` bytes, at least one; none only at the end of the compressed stream."""
        decompressor = self._decompressor
        step = b""  # The decompressor may still hold data from the step before.
        while not decompressor.eof:
            try:
                data = decompressor.decompress(step, size)
            except damage_errors() as error:
                if str(error) == _OUT_OF_MEMORY:
                    detail = f"decompressing the data needs more than {MEMORY_LIMIT} bytes of memory"
                    raise ParseError(DefectCode.ARCHIVE_UNSUPPORTED, detail) from None
                raise damaged("the compressed data is damaged") from None
            if data:
                return data
            if not decompressor.eof:
                step = self._step()
                if not step:
                    raise damaged("the compressed data ends early")
        return b""

    def _step(self) -> bytes:
        """Return the input for the next step."""
        if isinstance(self._decompressor, Zlib):
            step, self._data = self._data or self._stream.read1(_STEP), b""
            return step
        data = self._data or self._stream.read1(_SMALL_STEP)
        size = max(len(data) - _TRAILER, 1) if _is_ended(self._stream) else len(data)
        self._data = data[size:]
        return data[:size]


def _is_ended(stream: BufferedReader) -> bool:
    """Whether a stream has no more bytes. An error counts as more bytes: the next read raises it again."""
    try:
        return not stream.peek(1)
    except damage_errors():
        return False


class _Compression(NamedTuple):
    name: str
    magic: bytes
    make: Callable[[], Decompressor]


def make_bzip2() -> Decompressor:
    """Make the decompressor of one bzip2 stream. Raises ImportError."""
    from bz2 import BZ2Decompressor

    return BZ2Decompressor()


def _make_xz() -> Decompressor:
    from lzma import LZMADecompressor

    return LZMADecompressor(memlimit=MEMORY_LIMIT)


_COMPRESSIONS: Final = (
    # 31: zlib expects a gzip header before the deflated data, and a checksum after it.
    _Compression("gzip", b"\x1f\x8b", lambda: Zlib(wbits=31)),
    _Compression("bzip2", b"BZh", make_bzip2),
    _Compression("xz", b"\xfd7zXZ\0", _make_xz),
)
# The first two bytes of compressed files; no message begins with them.
COMPRESSED_BEGINNINGS: Final = frozenset(compression.magic[:2] for compression in _COMPRESSIONS)


def new_decompressor(name: str, make: Callable[[], Decompressor]) -> Decompressor:
    """Make a decompressor. Raises ParseError (`archive-unsupported`) where the interpreter was built without its module."""
    try:
        return make()
    except ImportError:
        raise ParseError(
            DefectCode.ARCHIVE_UNSUPPORTED, f"compressed with {name}, which this Python was built without"
        ) from None


def is_compressed(head: bytes) -> bool:
    """Whether a stream with these first bytes is compressed."""
    return _compression(head) is not None


def _compression(head: bytes) -> _Compression | None:
    return next((compression for compression in _COMPRESSIONS if head.startswith(compression.magic)), None)


class _Decompressed(RawIOBase):
    """The content of one or several compressed streams that follow one another.

    Reading returns the data before any damage, then raises an error. The bytes after a stream must be another stream; only
    zeros, which some programs append, are skipped.
    """

    def __init__(self, stream: BufferedReader, compression: _Compression, budget: Budget) -> None:
        super().__init__()
        self._stream = stream
        self._compression = compression
        self._budget = budget
        self._decoder: Decoder | None = self._next_decoder(b"")
        # Bytes after the end of a compressed stream that have been read already.
        self._unused = b""

    def _next_decoder(self, data: bytes) -> Decoder:
        return Decoder(new_decompressor(self._compression.name, self._compression.make), self._stream, data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while True:
            if self._decoder is None:
                self._unused = (self._unused or self._stream.read1(_STEP)).lstrip(b"\0")
                if not self._unused:
                    if not self._stream.peek(1):
                        return 0
                    continue
                self._budget.spend(STREAM_COST)
                self._decoder = self._next_decoder(self._unused)
            data = self._decoder.read(len(buffer))
            if data:
                self._budget.spend(len(data))
                buffer[: len(data)] = data
                return len(data)
            self._unused, self._decoder = self._decoder.unused_data, None


def decompressed(stream: BinaryIO, stack: ExitStack, budget: Budget) -> BufferedReader:
    """Return a stream without its layers of compression. All bytes that each layer unpacks to count against the budget."""
    head, buffered = peek_head(stream)
    for _ in range(ARCHIVE_LIMIT):
        compression = _compression(head)
        if compression is None:
            return buffered
        layer = stack.enter_context(_Decompressed(buffered, compression, budget))
        head, buffered = peek_head(cast("BinaryIO", layer))
    if is_compressed(head):
        raise ParseError(DefectCode.NESTING_LIMIT, f"more than {ARCHIVE_LIMIT} layers of compression")
    return buffered
