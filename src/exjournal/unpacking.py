"""Streams of octets without what is round them: compression, tar and zip files.

The readers of the standard library are used as far as they tell what is wrong. What they would pass over in silence, such as
the rest of a tar file behind a damaged header, is an error here, and what was readable before comes first.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from io import BufferedReader, FileIO, RawIOBase
from itertools import islice
from struct import Struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Protocol, cast

from exjournal.errors import DefectCode, ParseError

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo

# Archives inside archives, and compression round each.
ARCHIVE_LIMIT: Final = 5

# Octets by which a stream is known: a tar file behind 257 of them, and a From line may be long.
HEAD: Final = 1024
_BLOCK: Final = 1 << 20
# Compressed octets that are unpacked at a time: what stands before damage comes out, but for as many.
_STEP: Final = 4096
# Octets of memory that xz may ask for: its strongest setting takes half of it.
_DICTIONARY: Final = 128 << 20
# Octets of a name in a tar file, or of what else stands in a header of its own.
_TAR_HEADER: Final = 1 << 20
_TAR_RECORD: Final = 10240
_TAR_BLOCK: Final = 512
ZIP_BEGIN: Final = (b"PK\x03\x04", b"PK\x05\x06")


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
    from tarfile import TarError
    from zlib import error as ZlibError  # noqa: N812

    # A RuntimeError is that of headers one behind the other, which tarfile reads one inside the other.
    found = [OSError, EOFError, ValueError, LookupError, OverflowError, RuntimeError, StructError, ZlibError, TarError]
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

    def __init__(self, stream: BufferedReader, make: Callable[[], _Decompressor]) -> None:
        super().__init__()
        self._stream = stream
        self._make = make
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
                self._current = self._make()
            # Nothing is given to a decompressor that still has something to say.
            found = self._current.decompress(self._waiting, len(buffer))
            self._waiting = b""
            if self._current.eof:
                self._waiting, self._current = self._current.unused_data, None
            if found:
                buffer[: len(found)] = found
                return len(found)
            if self._current is not None:
                self._waiting = self._stream.read1(_STEP)
                if not self._waiting:
                    raise EOFError


def unpacked(stream: BinaryIO, stack: ExitStack) -> BufferedReader:
    """A stream without the layers of compression round it."""
    begin, buffered = head(stream)
    for _ in range(ARCHIVE_LIMIT):
        make = packing(begin)
        if make is None:
            return buffered
        begin, buffered = head(cast("BinaryIO", stack.enter_context(_Unpacking(buffered, make))))
    if packing(begin) is not None:
        raise ParseError(DefectCode.NESTING_LIMIT, f"more than {ARCHIVE_LIMIT} layers of compression")
    return buffered


# Tar files


Member = tuple[str, int, Callable[[], BinaryIO]]


class _Record:
    """A stream that a tar file is read from, and the last octets that were read."""

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self._problem: Exception | None = None
        self.last = b""
        self.end = 0

    def read(self, size: int, /) -> bytes:
        """So many octets, or those before the end; an error comes when all before it were given."""
        if self._problem is not None:
            raise self._problem
        found = b""
        try:
            while len(found) < size and (piece := self._stream.read1(size - len(found))):
                found += piece
        except damage() as error:
            self._problem = error
            if not found:
                raise
        self.end += len(found)
        self.last = (self.last + found)[-4 * _TAR_RECORD :]
        return found


def tar_members(stream: BufferedReader, no_file: Callable[[], OSError]) -> Iterator[Member]:
    """The members of a tar file: name, place, and what opens each before the next one is taken.

    Raises ParseError behind the last of them where that is not the end: `tarfile` takes whatever is no header for the end.
    """
    import tarfile

    class Header(tarfile.TarInfo):
        """A header that is held in memory: what it announces to be read as well has to be small."""

        @classmethod
        def frombuf(cls, buf: Any, encoding: str, errors: str) -> "Header":
            info = super().frombuf(buf, encoding, errors)
            if info.type in _TOLD_ASIDE and info.size > _TAR_HEADER:
                raise tarfile.ReadError("header too large")
            return info

    record = _Record(stream)
    with tarfile.open(fileobj=cast("Any", record), mode="r|", bufsize=_TAR_RECORD, tarinfo=Header) as tar:
        while (member := tar.next()) is not None:
            cast("Any", tar).members = []  # it keeps all of them otherwise
            if member.isfile():
                yield member.name, member.offset, partial(_tar_content, tar, member)
            elif not (member.isdir() or member.issym() or member.islnk()):
                yield member.name, member.offset, partial(_raised, no_file())
        end = record.last[max(tar.offset - record.end + len(record.last), 0) :]
    if len(end) < _TAR_BLOCK:
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "a tar file without an end", tar.offset)
    while end:
        if end.strip(b"\0"):
            raise ParseError(DefectCode.ARCHIVE_DAMAGED, "a tar file with something behind its end", tar.offset)
        end = stream.read1(_BLOCK)


# Types of headers that say something of the next one: names of any length, and more of the kind.
_TOLD_ASIDE: Final = (b"L", b"K", b"x", b"g", b"X")


def _tar_content(tar: "TarFile", member: "TarInfo") -> BinaryIO:
    return cast("BinaryIO", tar.extractfile(member))


def _raised(error: OSError) -> BinaryIO:
    raise error


# Zip files: the list of members stands at the end, and is read piece by piece, as `zipfile` keeps all of it in memory

_END: Final = Struct("<4s4H2LH")
_END_64: Final = Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = Struct("<4sLQL")
_LISTED: Final = Struct("<4s6H3L5H2L")
_LOCAL: Final = Struct("<4s5H3L2H")
# Octets of a comment behind the end, at most.
_COMMENT: Final = 0xFFFF
# What a field of the older form holds where the newer one has to be looked at.
_LONG: Final = 0xFFFFFFFF
_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED: Final = 1
_UTF_8: Final = 0x800


class _Listed(NamedTuple):
    """A member as the list has it."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    place: int


def zip_members(stream: BufferedReader, stack: ExitStack, limit: int) -> Iterator[Member]:
    """The members of a zip file, in the order of its list; where it has to be copied, one of at most so many octets."""
    file = _seekable(stream, stack, limit)
    for place, member in enumerate(_listed(file)):
        if not member.name.endswith("/"):
            yield member.name, place, partial(_zip_content, file, member)


def _seekable(stream: BufferedReader, stack: ExitStack, limit: int | None = None) -> BufferedReader:
    """A zip file is read from its end: one that is compressed or inside another archive is copied to the disk first."""
    from tempfile import TemporaryFile

    if isinstance(stream.raw, FileIO):
        return stream
    copy = stack.enter_context(TemporaryFile())  # noqa: SIM115 - the stack is its context
    while piece := stream.read1(_BLOCK):
        if limit is not None and copy.tell() + len(piece) > limit:
            raise too_large(limit)
        copy.write(piece)
    return cast("BufferedReader", copy)


def _listed(file: BufferedReader) -> Iterator[_Listed]:
    """The list of members. Raises ParseError where it is not whole."""
    begin, size, count, moved = _list_place(file)
    waiting = b""
    for _ in range(count):
        while True:
            found = _entry(waiting, begin - len(waiting), moved)
            if found is not None:
                break
            # Members are read in between, so that each piece of the list is looked for anew.
            file.seek(begin)
            piece = file.read(min(_LIST, size))
            if not piece:
                raise _zip_damaged("a list of members that ends early", begin)
            begin, size, waiting = begin + len(piece), size - len(piece), waiting + piece
        member, used = found
        waiting = waiting[used:]
        yield member


# Octets of the list of members that are read at a time.
_LIST: Final = 1 << 18


def _list_place(file: BufferedReader) -> tuple[int, int, int, int]:
    """Where the list of members begins, its octets and members, and by how much everything was moved by what stands before."""
    end = file.seek(0, 2)
    tail = min(end, _END.size + _COMMENT)
    file.seek(end - tail)
    octets = file.read(tail)
    place = octets.rfind(b"PK\x05\x06", 0, max(len(octets) - _END.size + 4, 0))
    if place < 0 or len(octets) - place < _END.size:
        raise _zip_damaged("a zip file without an end", end)
    _, _, _, _, count, size, begin, _ = _END.unpack_from(octets, place)
    last = end - tail + place
    # The larger form stands before the older one, whose numbers may be too small.
    file.seek(max(last - _LOCATOR_64.size, 0))
    locator = file.read(_LOCATOR_64.size)
    if locator.startswith(b"PK\x06\x07"):
        # Where it says, or where it should be if something was put before the file.
        _, _, there, _ = _LOCATOR_64.unpack(locator)
        for last_64 in (last - _LOCATOR_64.size - _END_64.size, there):
            file.seek(max(last_64, 0))
            end_64 = file.read(_END_64.size)
            if end_64.startswith(b"PK\x06\x06"):
                *_, count, size, begin = _END_64.unpack(end_64)
                last = last_64
                break
        else:
            raise _zip_damaged("a zip file without its larger end", last)
    moved = last - size - begin
    if moved < 0:
        raise _zip_damaged("a zip file that is shorter than it says", last)
    return begin + moved, size, count, moved


def _entry(octets: bytes, begin: int, moved: int) -> tuple[_Listed, int] | None:
    """The member that is listed first, and the octets of its entry; None where there are too few for one."""
    if len(octets) < _LISTED.size:
        return None
    mark, _, _, flags, method, _, _, crc, packed, size, name_size, more_size, note, _, _, _, place = (
        _LISTED.unpack_from(octets)
    )
    if mark != b"PK\x01\x02":
        raise _zip_damaged("something else in the list of members", begin)
    used = _LISTED.size + name_size + more_size + note
    if len(octets) < used:
        return None
    name = octets[_LISTED.size : _LISTED.size + name_size]
    more = octets[_LISTED.size + name_size : _LISTED.size + name_size + more_size]
    if _LONG in {size, packed, place}:
        size, packed, place = _long(more, size, packed, place)
    text = name.decode("utf-8" if flags & _UTF_8 else "cp437", "surrogateescape")
    return _Listed(text, flags, method, crc, packed, size, place + moved), used


def _long(more: bytes, *values: int) -> list[int]:
    """Numbers of which those that have no room in an entry stand in what is added to it."""
    fields: dict[int, bytes] = {}
    while len(more) >= 4:
        kind, size = int.from_bytes(more[:2], "little"), int.from_bytes(more[2:4], "little")
        fields.setdefault(kind, more[4 : 4 + size])
        more = more[4 + size :]
    added = fields.get(1, b"")
    found = []
    for value in values:
        if value == _LONG:
            value, added = int.from_bytes(added[:8], "little"), added[8:]  # noqa: PLW2901
        found.append(value)
    return found


def _zip_content(file: BufferedReader, member: _Listed) -> BinaryIO:
    if member.flags & _ENCRYPTED:
        raise ParseError(DefectCode.ARCHIVE_ENCRYPTED)
    if member.method not in {_STORED, _DEFLATED}:
        raise _zip_damaged(f"compressed by method {member.method}, which is not read", member.place)
    file.seek(member.place)
    mark, *_, name_size, more_size = _LOCAL.unpack(file.read(_LOCAL.size))
    if mark != b"PK\x03\x04":
        raise _zip_damaged("a member that is not where it should be", member.place)
    return cast("BinaryIO", _ZipContent(file, member, member.place + _LOCAL.size + name_size + more_size))


def _zip_damaged(detail: str, offset: int) -> ParseError:
    return ParseError(DefectCode.ARCHIVE_DAMAGED, detail, offset)


class _ZipContent(RawIOBase):
    """The octets of a member; damage is an error where it stands, what the checksum finds at the end."""

    def __init__(self, file: BufferedReader, member: _Listed, place: int) -> None:
        import zlib

        super().__init__()
        self._file = file
        self._member = member
        self._place = place
        self._left = member.packed
        self._checksum = zlib.crc32
        self._inflate = zlib.decompressobj(wbits=-15) if member.method == _DEFLATED else None
        self._crc = self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        found = self._some(len(buffer))
        self._crc = self._checksum(found, self._crc)
        self._size += len(found)
        if not found and (self._crc, self._size) != (self._member.crc, self._member.size):
            raise _zip_damaged("a member that is not what it was", self._member.place)
        buffer[: len(found)] = found
        return len(found)

    def _some(self, size: int) -> bytes:
        if self._inflate is None:
            return self._packed(size)
        while not self._inflate.eof:
            given = self._inflate.unconsumed_tail or self._packed(_STEP)
            found = self._inflate.decompress(given, size)
            if found:
                return found
            if not given:
                break
        return b""

    def _packed(self, size: int) -> bytes:
        self._file.seek(self._place)
        found = self._file.read(min(size, self._left))
        self._place += len(found)
        self._left -= len(found)
        return found


def member_at(stream: BufferedReader, place: int, stack: ExitStack) -> BinaryIO:
    """The member of a tar or zip file whose place a source names."""
    begin, _ = head(stream)
    if begin.startswith(ZIP_BEGIN):
        file = _seekable(stream, stack)
        for listed in islice(_listed(file), place, None):
            return stack.enter_context(_zip_content(file, listed))
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it has fewer members than it had")
    import tarfile

    passed_over(stream, place)
    record = cast("Any", _Record(stream))
    tar = stack.enter_context(tarfile.open(fileobj=record, mode="r|"))  # noqa: SIM115 - the stack is its context
    member = tar.next()
    content = None if member is None else tar.extractfile(member)
    if content is None:
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it has no such member", place)
    return cast("BinaryIO", stack.enter_context(content))
