"""Reads zip files (APPNOTE.TXT 6.3.10): the central directory, piece by piece, and the data of each member.

`zipfile` of the standard library keeps half a kilobyte of memory for each member, trusts the central directory, and lets
members overlap. Here members that overlap are refused, and bytes that belong to no member are reported.
"""

from array import array
from binascii import crc32
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from io import BufferedReader, FileIO, RawIOBase
from itertools import groupby, pairwise
from struct import Struct
from typing import Any, BinaryIO, Final, NamedTuple, cast

from exjournal.archives.streams import (
    Budget,
    Decoder,
    Decompressor,
    Member,
    Zlib,
    damage_errors,
    damaged,
    make_bzip2,
    new_decompressor,
    raiser,
    too_large,
)
from exjournal.errors import DefectCode, ParseError
from exjournal.limits import JOINED_ZIP_LIMIT, MEMORY_LIMIT

_LOCAL_HEADER_SIGNATURE: Final = b"PK\x03\x04"
_END_SIGNATURE: Final = b"PK\x05\x06"
# A zip file without members begins with its end of central directory record.
ZIP_BEGINNINGS: Final = (_LOCAL_HEADER_SIGNATURE, _END_SIGNATURE)
# The first bytes of programs for Windows and Unix, and of scripts, which may be self-extracting.
PROGRAM_BEGINNINGS: Final = (b"MZ", b"\x7fELF", b"#!")

# End of central directory record; in zip64 form; the locator of the latter.
_END: Final = Struct("<4s4H2LH")
_END_64: Final = Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = Struct("<4sLQL")
# Central directory header, and local file header.
_ENTRY: Final = Struct("<4s6H3L5H2L")
_LOCAL_HEADER: Final = Struct("<4s5H3L2H")
# Data descriptors, the usual form and the zip64 form; their signature may be missing.
_DESCRIPTORS: Final = (Struct("<4s3L"), Struct("<4sL2Q"))
_DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"
# Bytes of the comment in an end of central directory record, at most.
_COMMENT_LIMIT: Final = 0xFFFF
# In a field of 32 bits: the number is in the zip64 extended information extra field.
_IN_ZIP64: Final = 0xFFFFFFFF
_ZIP64_FIELD: Final = 1
# Compression methods.
_STORED: Final = 0
_DEFLATED: Final = 8
_BZIP2: Final = 12
_LZMA: Final = 14
# General purpose bit flags.
_ENCRYPTED: Final = 1
_HAS_END_MARKER: Final = 2
_HAS_DESCRIPTOR: Final = 8
_UTF_8: Final = 0x800
# Systems that write the mode of a file into the upper half of its attributes (Unix, macOS), and the mode of a symbolic link.
_UNIX: Final = (3, 19)
_LINK_MODE: Final = 0o12
# Bytes of the path in a symbolic link; a larger member is not a link.
_PATH_LIMIT: Final = 4096
# Bytes that are read at a time from the central directory.
DIRECTORY_STEP: Final = 1 << 18
_BLOCK: Final = 1 << 20


class _Offsets:
    """The offsets of the local file headers that a central directory names, in ascending order, and those named twice."""

    def __init__(self, offsets: "array[int]", shared: frozenset[int], directory: int) -> None:
        self.all = offsets
        self.shared = shared
        self.directory = directory
        self._is_checked = False

    @property
    def first(self) -> int:
        return self.all[0] if self.all else self.directory

    def after(self, offset: int) -> int:
        """Return the offset of the next local file header, or of the central directory."""
        index = bisect_right(self.all, offset)
        return self.all[index] if index < len(self.all) else self.directory

    def check(self, file: BufferedReader) -> None:
        """Drop offsets without a local file header, so that a damaged entry does no harm to the members around its offset."""
        if not self._is_checked:
            self._is_checked = True
            self.all = array("Q", (offset for offset in self.all if _read(file, offset, 4) == _LOCAL_HEADER_SIGNATURE))


class _Zip(NamedTuple):
    """One zip file in a file that may hold several.

    `begin` is the end of the zip file before it. `member_count` comes from the end of central directory record; with `is_exact`
    from the zip64 form, which does not wrap at 65,536. `shift` is the number of bytes before the zip file that its offsets do
    not count.
    """

    begin: int
    end: int
    directory: int
    directory_size: int
    member_count: int
    is_exact: bool
    shift: int
    offsets: _Offsets


class _Entry(NamedTuple):
    """A central directory header."""

    name: str
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    offset: int
    is_link: bool


def zip_members(
    stream: BufferedReader, stack: ExitStack, limit: int, budget: Budget, *, step: int = DIRECTORY_STEP
) -> Iterator[Member]:
    """Yield the members of a zip file, or of several that were joined, in the order of their central directories.

    A stream that has to be copied may have `limit` bytes; `step` is the number of bytes of a central directory in memory.
    Raises ParseError after the last member for a damaged central directory, and for bytes that belong to no member.
    """
    file = _seekable(stream, stack, limit)
    unread = _UnreadBytes(file)
    problem: Exception | None = None
    number = 0
    end = 0
    for zip_file in _find_zips(file, step):
        unread.add(zip_file.begin, zip_file.offsets.first)
        seen: set[int] = set()
        try:
            for entry in _read_entries(file, zip_file, step):
                member = _member(file, zip_file, entry, number, unread, budget, is_first=entry.offset not in seen)
                if entry.offset in zip_file.offsets.shared:
                    seen.add(entry.offset)
                number += 1
                if member is not None:
                    yield member
        except damage_errors() as error:
            problem = problem or error
        end = zip_file.end
    unread.add(end, file.seek(0, 2))
    if problem is not None:
        raise problem
    if unread.size:
        raise ParseError(DefectCode.ARCHIVE_UNREAD, f"{unread.size} bytes belong to no member", unread.first)


def open_zip_member(stream: BufferedReader, number: int, stack: ExitStack, budget: Budget) -> BinaryIO:
    """Open the member with a number, counted over all central directories. Raises ParseError."""
    file = _seekable(stream, stack)
    for zip_file in _find_zips(file):
        entry: _Entry | None = None
        with suppress(*damage_errors()):  # a damaged central directory does not hide the zip file after it
            for candidate in _read_entries(file, zip_file):
                if not number:
                    entry = candidate
                    break
                number -= 1
        if entry is not None:
            return _open_data(file, entry, _data_offset(file, entry), budget)
    raise damaged("the zip file has fewer members than before", 0)


def is_self_extracting(file: BufferedReader) -> bool:
    """Return whether a program ends in a zip file that can be read."""
    try:
        zip_file = _find_zips(file)[-1]
        _data_offset(file, next(_read_entries(file, zip_file)))
    except (StopIteration, *damage_errors()):  # type: ignore[misc]
        return False
    finally:
        file.seek(0)
    return True


def _seekable(stream: BufferedReader, stack: ExitStack, limit: int | None = None) -> BufferedReader:
    """Return a file with random access, which a zip file needs: for other streams a copy on the disk."""
    from tempfile import TemporaryFile

    if isinstance(stream.raw, FileIO):
        return stream
    copy = stack.enter_context(TemporaryFile())  # noqa: SIM115 - the stack is its context
    while piece := stream.read1(_BLOCK):
        if limit is not None and copy.tell() + len(piece) > limit:
            raise too_large(limit)
        copy.write(piece)
    return cast("BufferedReader", copy)


class _UnreadBytes:
    """Counts the bytes that belong to no member, and keeps the offset of the first. Zeros are padding."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.size = 0
        self.first = 0

    def add(self, begin: int, end: int) -> None:
        """Count the bytes between two offsets, unless all of them are zeros."""
        offset = begin
        while offset < end:
            self._file.seek(offset)
            piece = self._file.read(min(end - offset, _BLOCK))
            if piece.strip(b"\0"):
                if not self.size:
                    self.first = begin
                self.size += end - begin
                return
            offset += len(piece) or end


# Central directories


def _find_zips(file: BufferedReader, step: int = DIRECTORY_STEP) -> list[_Zip]:
    """Return the zip files in a file, in their order. Raises ParseError where there is none at the end."""
    zips = [_read_zip(file, file.seek(0, 2), step)]
    while len(zips) < JOINED_ZIP_LIMIT:
        last = zips[-1]
        # Where the members of a zip file begin, another one may end.
        try:
            before = _read_zip(file, last.offsets.first, step)
            if _read(file, before.offsets.first, 4) != _LOCAL_HEADER_SIGNATURE:
                break  # self-extracting programs contain the signature of an end record
        except damage_errors():
            break
        zips[-1] = last._replace(begin=before.end)
        zips.append(before)
    return zips[::-1]


def _read_zip(file: BufferedReader, end: int, step: int) -> _Zip:
    """Read the zip file that ends at an offset, or some bytes before it."""
    tail = min(end, _END.size)
    data = _read(file, end - tail, tail)
    if not data.startswith(_END_SIGNATURE) or not data.endswith(b"\0\0"):
        tail = min(end, _END.size + _COMMENT_LIMIT)
        data = _read(file, end - tail, tail)
    place = data.rfind(_END_SIGNATURE, 0, max(len(data) - _END.size + 4, 0))
    if place < 0:
        raise damaged("no end of central directory record", end)
    _, _, _, _, count, size, begin, comment = _END.unpack_from(data, place)
    record = end - tail + place
    end = min(end, record + _END.size + comment)
    is_exact = False
    # The zip64 form comes before the other one, in which the numbers may not fit.
    locator = _read(file, max(record - _LOCATOR_64.size, 0), _LOCATOR_64.size)
    if locator.startswith(b"PK\x06\x07"):
        # At the offset in the locator, or just before the locator if something was put before the file.
        _, _, located, _ = _LOCATOR_64.unpack(locator)
        for offset in (record - _LOCATOR_64.size - _END_64.size, located):
            end_64 = _read(file, max(offset, 0), _END_64.size)
            if end_64.startswith(b"PK\x06\x06"):
                *_, count, size, begin = _END_64.unpack(end_64)
                record, is_exact = offset, True
                break
        else:
            raise damaged("no zip64 end of central directory record", record)
    shift = record - size - begin
    if shift < 0:
        raise damaged("the central directory does not fit before its end record", record)
    return _Zip(
        begin=0,
        end=end,
        directory=begin + shift,
        directory_size=size,
        member_count=count,
        is_exact=is_exact,
        shift=shift,
        offsets=_read_offsets(file, begin + shift, size, shift, step),
    )


def _read(file: BufferedReader, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _read_offsets(file: BufferedReader, directory: int, size: int, shift: int, step: int) -> _Offsets:
    """Read the offsets of the members, up to where the central directory is damaged."""
    offsets = array("Q")
    is_ascending = True
    before = -1
    with suppress(*damage_errors()):  # which is reported where the members are read
        for data, place, fields in _iter_fields(file, directory, size, step):
            offset = fields[16]
            if offset == _IN_ZIP64:
                offset = _zip64_numbers(data, place, fields).offset
            offset = min(offset + shift, directory)
            is_ascending = is_ascending and before < offset
            before = offset
            offsets.append(offset)
    if is_ascending:
        return _Offsets(offsets, frozenset(), directory)
    ordered = sorted(offsets)
    shared = frozenset(offset for offset, other in pairwise(ordered) if offset == other)
    return _Offsets(array("Q", (offset for offset, _ in groupby(ordered))), shared, directory)


def _iter_fields(
    file: BufferedReader, begin: int, size: int, step: int
) -> Iterator[tuple[bytes, int, tuple[Any, ...]]]:
    """Yield each central directory header: bytes, its place in them, and its fields. Raises ParseError for damage."""
    data, place = b"", 0
    while True:
        if len(data) - place >= _ENTRY.size:
            fields = _ENTRY.unpack_from(data, place)
            if fields[0] != b"PK\x01\x02":
                raise damaged("no central directory header where one must be", begin - len(data) + place)
            end = place + _ENTRY.size + fields[10] + fields[11] + fields[12]
            if end <= len(data):
                yield data, place, fields
                place = end
                continue
        elif not size and place == len(data):
            return
        # Members are read in between, so each piece needs a seek.
        piece = _read(file, begin, min(step, size))
        if not piece:
            raise damaged("the central directory ends early", begin)
        begin, size, data, place = begin + len(piece), size - len(piece), data[place:] + piece, 0


def _read_entries(file: BufferedReader, zip_file: _Zip, step: int = DIRECTORY_STEP) -> Iterator[_Entry]:
    """Yield the entries of a central directory. Raises ParseError where it is damaged, or their number is wrong."""
    count = 0
    for data, place, fields in _iter_fields(file, zip_file.directory, zip_file.directory_size, step):
        _, version, _, flags, method, _, _, crc, compressed_size, size, name_size, _, _, _, _, attributes, offset = (
            fields
        )
        name = data[place + _ENTRY.size : place + _ENTRY.size + name_size]
        if _IN_ZIP64 in {size, compressed_size, offset}:
            size, compressed_size, offset = _zip64_numbers(data, place, fields)
        # ASCII is the same in both, and decodes much faster as UTF-8.
        text = name.decode("utf-8" if flags & _UTF_8 or name.isascii() else "cp437", "surrogateescape")
        is_link = attributes >> 28 == _LINK_MODE and version >> 8 in _UNIX and size <= _PATH_LIMIT
        count += 1
        yield _Entry(
            name=text,
            flags=flags,
            method=method,
            crc=crc,
            compressed_size=compressed_size,
            size=size,
            offset=offset + zip_file.shift,
            is_link=is_link,
        )
    # Programs that write more than 65,535 members without the zip64 form begin again at 0.
    if count != zip_file.member_count and (zip_file.is_exact or (count - zip_file.member_count) % (_COMMENT_LIMIT + 1)):
        detail = f"{count} members in the central directory; its end record counts {zip_file.member_count}"
        raise damaged(detail, zip_file.directory)


class _Zip64Numbers(NamedTuple):
    size: int
    compressed_size: int
    offset: int


def _zip64_numbers(data: bytes, place: int, fields: tuple[Any, ...]) -> _Zip64Numbers:
    """Return the sizes and the offset of an entry, with those that are in its zip64 extended information extra field."""
    compressed_size, size, name_size, extra_size, offset = fields[8], fields[9], fields[10], fields[11], fields[16]
    begin = place + _ENTRY.size + name_size
    end = begin + extra_size
    while begin + 4 <= end:
        kind = int.from_bytes(data[begin : begin + 2], "little")
        begin, field = begin + 4, min(begin + 4 + int.from_bytes(data[begin + 2 : begin + 4], "little"), end)
        if kind == _ZIP64_FIELD:
            end = field
            break
        begin = field
    numbers = []
    for value in (size, compressed_size, offset):
        if value == _IN_ZIP64 and begin + 8 <= end:
            value, begin = int.from_bytes(data[begin : begin + 8], "little"), begin + 8  # noqa: PLW2901
        numbers.append(value)
    return _Zip64Numbers(*numbers)


# Members


def _member(
    file: BufferedReader,
    zip_file: _Zip,
    entry: _Entry,
    number: int,
    unread: _UnreadBytes,
    budget: Budget,
    *,
    is_first: bool,
) -> Member | None:
    """Return a member, None for a folder. One that shares bytes with another is an error; bytes after it are counted."""
    name, offset = entry.name, entry.offset
    try:
        begin = _data_offset(file, entry)
        end = begin + entry.compressed_size
        limit = zip_file.offsets.after(offset)
        if end > limit:
            zip_file.offsets.check(file)
            limit = zip_file.offsets.after(offset)
        if end > limit or not is_first:
            raise damaged("the member overlaps another one", offset)
        if end < limit:
            unread.add(end + _descriptor_size(file, entry, end), limit)
    except damage_errors() as error:
        return Member(name, number, raiser(error))
    if name.endswith("/") and not entry.size:
        return None
    if entry.is_link:
        link = ParseError(DefectCode.ARCHIVE_LINK, "a symbolic link, which is not followed", offset)
        return Member(name, number, raiser(link), link="")
    return Member(name, number, partial(_open_data, file, entry, begin, budget))


def _data_offset(file: BufferedReader, entry: _Entry) -> int:
    """Return the offset of the file data of a member."""
    header = _read(file, entry.offset, _LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL_HEADER_SIGNATURE):
        raise damaged("no local file header at the offset in the central directory", entry.offset)
    *_, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    return entry.offset + _LOCAL_HEADER.size + cast("int", name_size) + cast("int", extra_size)


def _descriptor_size(file: BufferedReader, entry: _Entry, end: int) -> int:
    """Return the size of the data descriptor after the file data, 0 without one."""
    if entry.flags & _HAS_DESCRIPTOR:
        data = _read(file, end, _DESCRIPTORS[-1].size)
        for form in _DESCRIPTORS:
            mask = _IN_ZIP64 if form is _DESCRIPTORS[0] else -1
            signed = form.pack(_DESCRIPTOR_SIGNATURE, entry.crc, entry.compressed_size & mask, entry.size & mask)
            for descriptor in (signed, signed[len(_DESCRIPTOR_SIGNATURE) :]):
                if data.startswith(descriptor):
                    return len(descriptor)
    return 0


# File data


def _open_data(file: BufferedReader, entry: _Entry, offset: int, budget: Budget) -> BinaryIO:
    """Open the file data of a member. Raises ParseError for an encrypted one, and a method that cannot be decoded."""
    if entry.flags & _ENCRYPTED:
        raise ParseError(DefectCode.ARCHIVE_ENCRYPTED)
    data = _StoredData(file, offset, entry.compressed_size)
    if entry.method == _STORED:
        return cast("BinaryIO", _Content(entry, data.take))
    method = _METHODS.get(entry.method)
    if method is None:
        detail = f"compressed by method {entry.method}; 0, 8, 12 and 14 are read"
        raise ParseError(DefectCode.ARCHIVE_UNSUPPORTED, detail, entry.offset)
    compressed = BufferedReader(cast("Any", data), _DATA_BUFFER)
    decompressor = new_decompressor(method.name, partial(method.make, compressed, entry))
    return cast("BinaryIO", _DecodedContent(compressed, entry, decompressor, budget))


# Bytes of file data that are read at a time.
_DATA_BUFFER: Final = 4096


class _StoredData(RawIOBase):
    """The file data of a member as it is in the file, whose position others change."""

    def __init__(self, file: BufferedReader, offset: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._offset = offset
        self._left = size

    def readable(self) -> bool:
        return True

    def take(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        data = _read(self._file, self._offset, min(size, self._left))
        self._offset += len(data)
        self._left -= len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Method(NamedTuple):
    name: str
    make: Callable[[BufferedReader, _Entry], Decompressor]


def _make_lzma(data: BufferedReader, entry: _Entry) -> Decompressor:
    """Make the decompressor for a member after its LZMA header (section 5.8.8): a version, and the properties of the stream."""
    from lzma import FILTER_LZMA1, FORMAT_RAW, LZMADecompressor

    header = data.read(_LZMA_HEADER.size)
    if len(header) < _LZMA_HEADER.size:
        raise damaged("no LZMA header before the data of the member", entry.offset)
    _, size, properties, dictionary = _LZMA_HEADER.unpack(header)
    # No more of the dictionary is used than the content has bytes.
    dictionary = max(min(dictionary, entry.size), _LZMA_DICTIONARY_MINIMUM)
    if size != _LZMA_PROPERTIES_SIZE or properties >= 9 * 5 * 5:
        raise damaged("the LZMA properties of the member are invalid", entry.offset)
    if dictionary > MEMORY_LIMIT:
        detail = f"an LZMA dictionary of {dictionary} bytes; at most {MEMORY_LIMIT} are allowed"
        raise ParseError(DefectCode.ARCHIVE_UNSUPPORTED, detail, entry.offset)
    literal_bits = {"lc": properties % 9, "lp": properties // 9 % 5, "pb": properties // 9 // 5}
    return LZMADecompressor(FORMAT_RAW, filters=[{"id": FILTER_LZMA1, "dict_size": dictionary, **literal_bits}])


_LZMA_HEADER: Final = Struct("<HHBL")
_LZMA_PROPERTIES_SIZE: Final = 5
_LZMA_DICTIONARY_MINIMUM: Final = 4096
# Bytes of a stream that its content may not need: the last bytes of the encoder, and an end marker that no flag announced.
_LZMA_END: Final = 16

_METHODS: Final = {
    _DEFLATED: _Method("deflate", lambda *_: Zlib(wbits=-15)),
    _BZIP2: _Method("bzip2", lambda *_: make_bzip2()),
    _LZMA: _Method("LZMA", _make_lzma),
}


class _Content(RawIOBase):
    """The content of a member; a checksum or size that does not match is an error at its end."""

    def __init__(self, entry: _Entry, take: Callable[[int], bytes]) -> None:
        super().__init__()
        self._entry = entry
        self._take = take
        self._crc = self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._take(len(buffer))
        self._crc = crc32(data, self._crc)
        self._size += len(data)
        entry = self._entry
        if self._size > entry.size or (not data and (self._crc, self._size) != (entry.crc, entry.size)):
            raise damaged("checksum or size does not match the central directory", entry.offset)
        buffer[: len(data)] = data
        return len(data)


class _DecodedContent(_Content):
    """The content of a compressed member."""

    def __init__(self, data: BufferedReader, entry: _Entry, decompressor: Decompressor, budget: Budget) -> None:
        super().__init__(entry, self._decode)
        self._data = data
        self._decoder = Decoder(decompressor, data)
        self._budget = budget
        # LZMA without an end marker: bytes after its content would be decoded as well.
        self._is_unmarked = entry.method == _LZMA and not entry.flags & _HAS_END_MARKER

    def _decode(self, size: int) -> bytes:
        if self._is_unmarked:
            size = min(size, self._entry.size - self._size)
        data = self._decoder.read(size) if size else b""
        self._budget.spend(len(data))
        if not data:
            unused = self._decoder.unused_data + self._data.read(_LZMA_END + 1)
            if len(unused) > (_LZMA_END if self._is_unmarked else 0):
                raise damaged("data after the end of the compressed content", self._entry.offset)
        return data
