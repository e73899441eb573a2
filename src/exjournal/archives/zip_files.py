"""Reads zip files (APPNOTE.TXT 6.3.10): the list of members at the end of the file, piece by piece, and each member's content.

`zipfile` of the standard library keeps half a kilobyte of memory for each member, takes the list's word for all that is in the
file, and lets members overlap. Here members that overlap are refused, and bytes that no member accounts for are reported.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from io import BufferedReader, FileIO, RawIOBase
from itertools import groupby, pairwise
from struct import Struct
from typing import Any, BinaryIO, Final, NamedTuple, cast

from exjournal.archives.streams import Budget, Member, damage, damaged, raising, too_large
from exjournal.errors import DefectCode, ParseError
from exjournal.limits import JOINED_ZIP_LIMIT

ZIP_BEGIN: Final = (b"PK\x03\x04", b"PK\x05\x06")
# Programs that unpack themselves begin so: Windows, Unix, and scripts.
PROGRAM_BEGIN: Final = (b"MZ", b"\x7fELF", b"#!")

_END: Final = Struct("<4s4H2LH")
_END_64: Final = Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = Struct("<4sLQL")
_LISTED: Final = Struct("<4s6H3L5H2L")
_LOCAL: Final = Struct("<4s5H3L2H")
# What may follow the content of a member: a mark, the checksum and both sizes; the mark may be missing.
_DESCRIPTORS: Final = (Struct("<4s3L"), Struct("<4sL2Q"))
_DESCRIPTOR: Final = b"PK\x07\x08"
# Bytes of a comment after the end, at most.
_COMMENT: Final = 0xFFFF
# In a field of the older form: the number is in the newer one.
_LONG: Final = 0xFFFFFFFF
_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED: Final = 1
_SIZES_FOLLOW: Final = 8
_UTF_8: Final = 0x800
# Systems that write the mode of a file into the upper half of its attributes (Unix, macOS), and the mode of a symbolic link.
_UNIX: Final = (3, 19)
_LINK_MODE: Final = 0o12
# Bytes of the path in a symbolic link; a larger member is no link.
_PATH: Final = 4096
# Bytes that are read at a time: of the list of members, of a copy, of compressed content.
_LIST: Final = 1 << 18
_BLOCK: Final = 1 << 20
_STEP: Final = 4096


class _Zip(NamedTuple):
    """One zip file in a file that may hold several."""

    # Where the bytes that follow the zip file before it begin, and where its own bytes end.
    begin: int
    end: int
    # Its list of members: where it is, its size, how many there are by the file, and whether that number can be exact.
    list_begin: int
    list_size: int
    members: int
    is_exact: bool
    # The bytes before the zip file, where the places in the list do not count them.
    moved: int
    places: "_Places"


class _Places:
    """Where the members of a list begin, in ascending order, each place once; and those where more than one begins."""

    def __init__(self, found: "array[int]", shared: frozenset[int], end: int) -> None:
        self.all = found
        self.shared = shared
        # Where the list begins.
        self.end = end
        self._is_checked = False

    @property
    def first(self) -> int:
        return self.all[0] if self.all else self.end

    def after(self, place: int) -> int:
        """Where the next member begins, or the list."""
        following = bisect_right(self.all, place)
        return self.all[following] if following < len(self.all) else self.end

    def check(self, file: BufferedReader) -> None:
        """Leave those where a member begins: an entry that is damaged does no harm to the members around its place."""
        if not self._is_checked:
            self._is_checked = True
            self.all = array("Q", (place for place in self.all if _read(file, place, 4) == ZIP_BEGIN[0]))


class _Listed(NamedTuple):
    """A member as the list has it."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    place: int
    is_link: bool


def zip_members(stream: BufferedReader, stack: ExitStack, limit: int, budget: Budget) -> Iterator[Member]:
    """The members of a zip file, or of several that were joined, in the order of their lists.

    A stream that has to be copied may have `limit` bytes. Raises ParseError after the last member for a list that is damaged,
    and for bytes that belong to no member.
    """
    file = _seekable(stream, stack, limit)
    unread = _Unread(file)
    problem: Exception | None = None
    number = 0
    end = 0
    for one in _zips(file):
        unread.add(one.begin, one.places.first)
        read: set[int] = set()
        try:
            for listed in _listed(file, one):
                member = _member(file, one, listed, number, unread, budget, is_first=listed.place not in read)
                if listed.place in one.places.shared:
                    read.add(listed.place)
                number += 1
                if member is not None:
                    yield member
        except damage() as error:
            problem = problem or error
        end = one.end
    unread.add(end, file.seek(0, 2))
    if problem is not None:
        raise problem
    if unread.size:
        raise ParseError(DefectCode.ARCHIVE_UNREAD, f"{unread.size} bytes belong to no member", unread.first)


def zip_member_at(stream: BufferedReader, number: int, stack: ExitStack, budget: Budget) -> BinaryIO:
    """The content of the member of a number."""
    file = _seekable(stream, stack)
    for one in _zips(file):
        found: _Listed | None = None
        with suppress(*damage()):  # a list that is damaged does not hide the zip file after it
            for listed in _listed(file, one):
                if not number:
                    found = listed
                    break
                number -= 1
        if found is not None:
            return _content(file, found, _content_place(file, found), budget)
    raise damaged("it has fewer members than it had", 0)


def is_zip_program(file: BufferedReader) -> bool:
    """Whether a program has a zip file at its end that can be read."""
    try:
        last = _zips(file)[-1]
        _content_place(file, next(_listed(file, last)))
    except (StopIteration, *damage()):  # type: ignore[misc]
        return False
    finally:
        file.seek(0)
    return True


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


class _Unread:
    """Bytes that belong to no member: how many, and where the first of them are. Zeros are padding."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.size = 0
        self.first = 0

    def add(self, begin: int, end: int) -> None:
        """Look at the bytes between two places."""
        place = begin
        while place < end:
            self._file.seek(place)
            piece = self._file.read(min(end - place, _BLOCK))
            if piece.strip(b"\0"):
                if not self.size:
                    self.first = begin
                self.size += end - begin
                return
            place += len(piece) or end


# The lists of members


def _zips(file: BufferedReader) -> list[_Zip]:
    """The zip files in a file, in their order. Raises ParseError where there is none at the end."""
    found = [_zip(file, file.seek(0, 2))]
    while len(found) < JOINED_ZIP_LIMIT:
        last = found[-1]
        # Where the members of a zip file begin, another one may end.
        try:
            before = _zip(file, last.places.first)
            if _read(file, before.places.first, 4) != ZIP_BEGIN[0]:
                break  # programs that unpack themselves contain the mark of an end
        except damage():
            break
        found[-1] = last._replace(begin=before.end)
        found.append(before)
    return found[::-1]


def _zip(file: BufferedReader, end: int) -> _Zip:
    """The zip file that ends before a place, or some bytes before it."""
    tail = min(end, _END.size)
    octets = _read(file, end - tail, tail)
    if not octets.startswith(b"PK\x05\x06") or not octets.endswith(b"\0\0"):
        tail = min(end, _END.size + _COMMENT)
        octets = _read(file, end - tail, tail)
    place = octets.rfind(b"PK\x05\x06", 0, max(len(octets) - _END.size + 4, 0))
    if place < 0:
        raise damaged("a zip file without an end", end)
    _, _, _, _, count, size, begin, comment = _END.unpack_from(octets, place)
    last = end - tail + place
    end = min(end, last + _END.size + comment)
    is_exact = False
    # The larger form comes before the older one, whose numbers may be too small.
    locator = _read(file, max(last - _LOCATOR_64.size, 0), _LOCATOR_64.size)
    if locator.startswith(b"PK\x06\x07"):
        # At the place that it names, or where it should be if something was put before the file.
        _, _, there, _ = _LOCATOR_64.unpack(locator)
        for last_64 in (last - _LOCATOR_64.size - _END_64.size, there):
            end_64 = _read(file, max(last_64, 0), _END_64.size)
            if end_64.startswith(b"PK\x06\x06"):
                *_, count, size, begin = _END_64.unpack(end_64)
                last, is_exact = last_64, True
                break
        else:
            raise damaged("a zip file without its larger end", last)
    moved = last - size - begin
    if moved < 0:
        raise damaged("a zip file that is shorter than it says", last)
    return _Zip(
        begin=0,
        end=end,
        list_begin=begin + moved,
        list_size=size,
        members=count,
        is_exact=is_exact,
        moved=moved,
        places=_places(file, begin + moved, size, moved),
    )


def _read(file: BufferedReader, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _places(file: BufferedReader, begin: int, size: int, moved: int) -> _Places:
    """Where the members of a list begin, up to where the list is damaged."""
    places = array("Q")
    is_ascending = True
    before = -1
    with suppress(*damage()):  # which is reported where the members are read
        for octets, at, fields in _entries(file, begin, size):
            place = fields[16]
            if place == _LONG:
                place = _long_numbers(octets, at, fields)[2]
            place = min(place + moved, begin)
            is_ascending = is_ascending and before < place
            before = place
            places.append(place)
    if is_ascending:
        return _Places(places, frozenset(), begin)
    ordered = sorted(places)
    shared = frozenset(one for one, other in pairwise(ordered) if one == other)
    return _Places(array("Q", (place for place, _ in groupby(ordered))), shared, begin)


def _entries(file: BufferedReader, begin: int, size: int) -> Iterator[tuple[bytes, int, tuple[Any, ...]]]:
    """The entries of a list: bytes, where in them one begins, and its fields. Raises ParseError where the list is damaged."""
    octets, at = b"", 0
    while True:
        if len(octets) - at >= _LISTED.size:
            fields = _LISTED.unpack_from(octets, at)
            if fields[0] != b"PK\x01\x02":
                raise damaged("something else in the list of members", begin - len(octets) + at)
            end = at + _LISTED.size + fields[10] + fields[11] + fields[12]
            if end <= len(octets):
                yield octets, at, fields
                at = end
                continue
        elif not size and at == len(octets):
            return
        # Members are read in between, so that each piece of the list is looked for anew.
        piece = _read(file, begin, min(_LIST, size))
        if not piece:
            raise damaged("a list of members that ends early", begin)
        begin, size, octets, at = begin + len(piece), size - len(piece), octets[at:] + piece, 0


def _listed(file: BufferedReader, one: _Zip) -> Iterator[_Listed]:
    """The members of a list. Raises ParseError where it is damaged, or holds another number of them than it says."""
    count = 0
    for octets, at, fields in _entries(file, one.list_begin, one.list_size):
        _, version, _, flags, method, _, _, crc, packed, size, name_size, _, _, _, _, attributes, place = fields
        name = octets[at + _LISTED.size : at + _LISTED.size + name_size]
        if _LONG in {size, packed, place}:
            size, packed, place = _long_numbers(octets, at, fields)
        # ASCII is the same in both, and much faster as UTF-8.
        text = name.decode("utf-8" if flags & _UTF_8 or name.isascii() else "cp437", "surrogateescape")
        is_link = attributes >> 28 == _LINK_MODE and version >> 8 in _UNIX and size <= _PATH
        count += 1
        yield _Listed(text, flags, method, crc, packed, size, place + one.moved, is_link)
    # The older form counts up to 65,535; programs that write more members without the newer form begin again at 0.
    if count != one.members and (one.is_exact or (count - one.members) % (_COMMENT + 1)):
        raise damaged(f"a list of {count} members that says {one.members}", one.list_begin)


def _long_numbers(octets: bytes, at: int, fields: tuple[Any, ...]) -> list[int]:
    """Size, packed size and place of an entry of which some are in the field that the newer form adds."""
    packed, size, name_size, more_size, place = fields[8], fields[9], fields[10], fields[11], fields[16]
    begin = at + _LISTED.size + name_size
    end = begin + more_size
    while begin + 4 <= end:
        kind = int.from_bytes(octets[begin : begin + 2], "little")
        begin, field = begin + 4, min(begin + 4 + int.from_bytes(octets[begin + 2 : begin + 4], "little"), end)
        if kind == 1:
            end = field
            break
        begin = field
    found = []
    for value in (size, packed, place):
        if value == _LONG and begin + 8 <= end:
            value, begin = int.from_bytes(octets[begin : begin + 8], "little"), begin + 8  # noqa: PLW2901
        found.append(value)
    return found


# Members


def _member(
    file: BufferedReader, one: _Zip, listed: _Listed, number: int, unread: _Unread, budget: Budget, *, is_first: bool
) -> Member | None:
    """A member that shares no byte with another one, and the bytes after it; None for a folder."""
    name, place = listed.name, listed.place
    try:
        begin = _content_place(file, listed)
        end = begin + listed.packed
        limit = one.places.after(place)
        if end > limit:
            one.places.check(file)
            limit = one.places.after(place)
        if end > limit or not is_first:
            raise damaged("a member that overlaps another", place)
        if end < limit:
            unread.add(end + _descriptor_size(file, listed, end), limit)
    except damage() as error:
        return Member(name, number, raising(error))
    if name.endswith("/") and not listed.size:
        return None
    if listed.is_link:
        link = ParseError(DefectCode.ARCHIVE_LINK, "a symbolic link, which is not followed", place)
        return Member(name, number, raising(link), link="")
    return Member(name, number, partial(_content, file, listed, begin, budget))


def _content_place(file: BufferedReader, listed: _Listed) -> int:
    """Where the content of a member begins."""
    header = _read(file, listed.place, _LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(ZIP_BEGIN[0]):
        raise damaged("a member that is not where it should be", listed.place)
    *_, name_size, more_size = _LOCAL.unpack(header)
    return listed.place + _LOCAL.size + cast("int", name_size) + cast("int", more_size)


def _descriptor_size(file: BufferedReader, listed: _Listed, end: int) -> int:
    """The bytes after the content that repeat its checksum and sizes, as programs that write to a pipe have them."""
    if listed.flags & _SIZES_FOLLOW:
        found = _read(file, end, _DESCRIPTORS[-1].size)
        for form in _DESCRIPTORS:
            mask = _LONG if form is _DESCRIPTORS[0] else -1
            whole = form.pack(_DESCRIPTOR, listed.crc, listed.packed & mask, listed.size & mask)
            for expected in (whole, whole[len(_DESCRIPTOR) :]):
                if found.startswith(expected):
                    return len(expected)
    return 0


def _content(file: BufferedReader, listed: _Listed, place: int, budget: Budget) -> BinaryIO:
    if listed.flags & _ENCRYPTED:
        raise ParseError(DefectCode.ARCHIVE_ENCRYPTED)
    if listed.method not in {_STORED, _DEFLATED}:
        raise damaged(f"compressed by method {listed.method}, which is not read", listed.place)
    return cast("BinaryIO", _Content(file, listed, place, budget))


class _Content(RawIOBase):
    """The bytes of a member; damage is an error in its place, and a checksum or size that does not match one at the end."""

    def __init__(self, file: BufferedReader, listed: _Listed, place: int, budget: Budget) -> None:
        import zlib

        super().__init__()
        self._file = file
        self._listed = listed
        self._place = place
        self._left = listed.packed
        self._budget = budget
        self._checksum = zlib.crc32
        self._inflate = zlib.decompressobj(wbits=-15) if listed.method == _DEFLATED else None
        self._crc = self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        found = self._some(len(buffer))
        self._crc = self._checksum(found, self._crc)
        self._size += len(found)
        if not found and (self._crc, self._size) != (self._listed.crc, self._listed.size):
            raise damaged("a member whose checksum or size does not match the list", self._listed.place)
        if self._size > self._listed.size:
            raise damaged("a member that is larger than the list says", self._listed.place)
        buffer[: len(found)] = found
        return len(found)

    def _some(self, size: int) -> bytes:
        if self._inflate is None:
            return self._packed(size)
        while not self._inflate.eof:
            given = self._inflate.unconsumed_tail or self._packed(_STEP)
            found = self._inflate.decompress(given, size)
            if found:
                self._budget.spend(len(found))
                return found
            if not given:
                break
        if self._left or self._inflate.unused_data:
            raise damaged("a member with something after its compressed content", self._listed.place)
        return b""

    def _packed(self, size: int) -> bytes:
        found = _read(self._file, self._place, min(size, self._left))
        self._place += len(found)
        self._left -= len(found)
        return found
