"""Unwraps compression, and holds what the readers of tar and zip files share: members, errors, and the budget of a file.

`tar_files` and `zip_files` read the archives themselves. Damage is an error in its place, and what was readable before it comes
first.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from io import BufferedReader, RawIOBase
from math import inf
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, cast

from exjournal.errors import DefectCode, ParseError
from exjournal.limits import ARCHIVE_LIMIT, STREAM_COST

# Buffer by which a stream is known: a tar file behind 257 of them, and a From line may be long.
HEAD: Final = 1024
_BLOCK: Final = 1 << 20
# Compressed octets that are unpacked at a time: what stands before damage comes out, but for as many.
_STEP: Final = 4096
# Buffer of memory that xz may ask for: its strongest setting takes half of it.
_DICTIONARY: Final = 128 << 20


class Budget:
    """How many bytes may still be unpacked out of one file, over all that is nested in it.

    Once it is spent, every further attempt to unpack something fails as well.
    """

    def __init__(self, most: float = inf) -> None:
        self.most = most
        self.left = most

    def spend(self, size: int) -> None:
        """Take unpacked bytes off. Raises ParseError when more were unpacked than the file may give."""
        self.left -= size
        if self.left < 0:
            raise ParseError(
                DefectCode.ARCHIVE_RATIO, f"more than {self.most:.0f} bytes unpacked; the rest is not read"
            )


class Member(NamedTuple):
    """A member of an archive: its name, its place there, and the function that opens it before the next one is taken.

    `link` is the member that a link leads to, "" where that is outside the archive or unknown, and None for all else.
    """

    name: str
    place: int
    open: Callable[[], BinaryIO]
    link: str | None = None
    is_folder: bool = False


def damaged(detail: str, offset: int) -> ParseError:
    """The error for an archive that is not as its format requires."""
    return ParseError(DefectCode.ARCHIVE_DAMAGED, detail, offset)


def raising(error: Exception) -> Callable[[], BinaryIO]:
    """The function that opens a member that cannot be read."""

    def fail() -> BinaryIO:
        raise error

    return fail


def whole(stream: BufferedReader, limit: int, size: int | None = None) -> bytes:
    """What is left of a stream, or so many octets of it. Raises ParseError for more than the limit."""
    pieces: list[bytes] = []
    room = limit + 1 if size is None else size
    while room > 0 and (piece := stream.read1(min(room, _BLOCK))):
        pieces.append(piece)
        room -= len(piece)
    if size is None and room <= 0:
        raise too_large(limit)
    return b"".join(pieces)


def passed_over(stream: BufferedReader, size: int) -> None:
    """Go on by so many octets."""
    while size > 0 and (piece := stream.read1(min(size, _BLOCK))):
        size -= len(piece)


def too_large(limit: int) -> ParseError:
    """The error for an item of more octets."""
    return ParseError(DefectCode.ITEM_TOO_LARGE, f"more than {limit} octets")


def head(stream: BinaryIO) -> tuple[bytes, BufferedReader]:
    """The first octets of a stream, and the stream with them still before it."""
    buffered = stream if isinstance(stream, BufferedReader) else BufferedReader(cast("Any", stream), HEAD << 6)
    return buffered.peek(HEAD)[:HEAD], buffered


def damage() -> tuple[type[Exception], ...]:
    """Whatever the readers of archives raise for one that is damaged."""
    from struct import error as StructError  # noqa: N812
    from zlib import error as ZlibError  # noqa: N812

    found: list[type[Exception]] = [OSError, EOFError, ValueError, OverflowError, StructError, ZlibError]
    with suppress(ImportError):  # which not every interpreter is built with
        from lzma import LZMAError

        found.append(LZMAError)
    return tuple(found)


def told(error: Exception) -> ParseError | OSError:
    """What is wrong with an archive, without a word of what is in it."""
    if isinstance(error, ParseError) or (isinstance(error, OSError) and error.errno is not None):
        return error
    return ParseError(DefectCode.ARCHIVE_DAMAGED, type(error).__name__)


# Compression


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class _Gzip:
    """One member of a gzip file, in the manner of the other decompressors: what is not needed yet waits inside."""

    def __init__(self) -> None:
        import zlib

        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _bzip2() -> _Decompressor:
    from bz2 import BZ2Decompressor

    return BZ2Decompressor()


def _xz() -> _Decompressor:
    from lzma import LZMADecompressor

    return LZMADecompressor(memlimit=_DICTIONARY)


_PACKINGS: Final[dict[bytes, Callable[[], _Decompressor]]] = {b"\x1f\x8b": _Gzip, b"BZh": _bzip2, b"\xfd7zXZ\0": _xz}
# No message begins like that.
PACKED_BEGIN: Final = frozenset(magic[:2] for magic in _PACKINGS)


def packing(begin: bytes) -> Callable[[], _Decompressor] | None:
    """What unpacks a stream that begins so, if it is compressed."""
    return next((make for magic, make in _PACKINGS.items() if begin.startswith(magic)), None)


class _Unpacking(RawIOBase):
    """What one or several compressed streams hold, one behind the other.

    Damage is an error where it stands, and no sooner; so is anything behind the streams but zeros, which some programs append.
    """

    def __init__(self, stream: BufferedReader, make: Callable[[], _Decompressor], budget: Budget) -> None:
        super().__init__()
        self._stream = stream
        self._make = make
        self._budget = budget
        self._current: _Decompressor | None = make()
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while True:
            if self._current is None:
                self._waiting = (self._waiting or self._stream.read1(_STEP)).lstrip(b"\0")
                if not self._waiting:
                    if not self._stream.peek(1):
                        return 0
                    continue
                self._budget.spend(STREAM_COST)
                self._current = self._make()
            # Nothing is given to a decompressor that still has something to say.
            found = self._current.decompress(self._waiting, len(buffer))
            self._waiting = b""
            if self._current.eof:
                self._waiting, self._current = self._current.unused_data, None
            if found:
                self._budget.spend(len(found))
                buffer[: len(found)] = found
                return len(found)
            if self._current is not None:
                self._waiting = self._stream.read1(_STEP)
                if not self._waiting:
                    raise EOFError


def unpacked(stream: BinaryIO, stack: ExitStack, budget: Budget) -> BufferedReader:
    """A stream without the layers of compression around it; what they unpack to is taken off the budget."""
    begin, buffered = head(stream)
    for _ in range(ARCHIVE_LIMIT):
        make = packing(begin)
        if make is None:
            return buffered
        begin, buffered = head(cast("BinaryIO", stack.enter_context(_Unpacking(buffered, make, budget))))
    if packing(begin) is not None:
        raise ParseError(DefectCode.NESTING_LIMIT, f"more than {ARCHIVE_LIMIT} layers of compression")
    return buffered
