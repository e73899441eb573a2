"""Reads tar files from front to back: v7, ustar and pax (POSIX.1-2017, `pax`, "ustar Interchange Format"), and GNU tar's own.

`tarfile` of the standard library loops over numbers that headers announce, ends in silence at a damaged header, and differs
between versions. Here every number is checked before it is used, and whatever ends a file early is an error after the members
before it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from io import BufferedReader, RawIOBase
from posixpath import dirname, join, normpath
from typing import Any, BinaryIO, Final, NamedTuple, cast

from exjournal.archives.streams import Budget, Member, damaged, raiser, skip
from exjournal.errors import DefectCode, ParseError
from exjournal.limits import SPARSE_LIMIT

USTAR: Final = b"ustar"
USTAR_AT: Final = 257
_POSIX: Final = b"ustar\0"
_BLOCK: Final = 512
_ZEROS: Final = bytes(_BLOCK)
# Bytes of a name, or of pax records, which are held in memory. No file system takes a path of more than some kilobytes.
_EXTRA: Final = 1 << 20
# Digits of a decimal number: those of 2**64.
_DIGITS: Final = 20

# Types of members. Any other type is that of a regular file by the specification, if it has content.
_HARD_LINK: Final = b"1"
_SYMBOLIC_LINK: Final = b"2"
_FOLDER: Final = b"5"
# GNU's list of the names in a folder, in incremental backups.
_FOLDER_LIST: Final = b"D"
_REGULAR: Final = (b"0", b"\0", b"7", b"S")
_WITHOUT_CONTENT: Final = (b"1", b"2", b"3", b"4", b"5", b"6")
_SPARSE: Final = b"S"
_LONG_NAME: Final = b"L"
_LONG_LINK: Final = b"K"
_PAX_GLOBAL: Final = b"g"
_ANNOUNCING: Final = (_LONG_NAME, _LONG_LINK, b"x", b"X", _PAX_GLOBAL)
# Where the ranges of GNU's sparse type are: in the header, and in each block after it.
_RANGES: Final = range(386, 482, 24)
_MORE_RANGES: Final = range(0, 504, 24)


class _Sparse(NamedTuple):
    """Which ranges of a member its content is for, as pairs of place and size; None where they come before the content."""

    size: int
    ranges: list[int] | None


class _Header(NamedTuple):
    name: str
    place: int
    kind: bytes
    size: int
    link: str
    sparse: _Sparse | ParseError | None


def tar_members(stream: BufferedReader, no_file: Callable[[], OSError], budget: Budget) -> Iterator[Member]:
    """The members of a tar file, or of several that were joined.

    Raises ParseError after the last member where the file does not end as it should.
    """
    tape = _Tape(stream)
    while (header := _header(tape)) is not None:
        name, kind = header.name, header.kind
        end = tape.place + _padded(header.size)
        if kind in {_FOLDER, _FOLDER_LIST}:
            yield Member(name, header.place, raiser(no_file()), is_folder=True)
        elif kind in {_HARD_LINK, _SYMBOLIC_LINK}:
            yield _link(header)
        elif kind in _REGULAR or header.size:
            yield Member(name, header.place, partial(_content, tape, header, budget))
        else:
            yield Member(name, header.place, raiser(no_file()))
        tape.skip(end - tape.place)
        if tape.place < end:
            raise damaged("a tar file that ends inside a member", tape.place)


def open_tar_member(stream: BufferedReader, place: int, budget: Budget) -> BinaryIO:
    """The content of the member whose header begins at a place."""
    skip(stream, place)
    tape = _Tape(stream)
    header = _header(tape)
    if header is None or not (header.kind in _REGULAR or (header.size and header.kind != _FOLDER_LIST)):
        raise damaged("it has no such member", place)
    return _content(tape, header, budget)


class _Tape:
    """The bytes of a tar file in their order, and how many were taken."""

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self.place = 0

    def some(self, size: int) -> bytes:
        """At least one and at most `size` bytes; none at the end."""
        found = self._stream.read1(size)
        self.place += len(found)
        return found

    def read(self, size: int) -> bytes:
        """`size` bytes, or those before the end."""
        found = self.some(size)
        while len(found) < size and (piece := self.some(size - len(found))):
            found += piece
        return found

    def skip(self, size: int) -> None:
        """Pass over `size` bytes, or those before the end."""
        while size > 0 and (found := self.some(min(size, 1 << 20))):
            size -= len(found)

    def skip_zeros(self) -> None:
        """Pass over blocks of zeros, as far as they can be seen."""
        while size := len(seen := self._stream.peek(_BLOCK)) // _BLOCK * _BLOCK:
            if seen[:size].strip(b"\0"):
                break
            self.some(size)


class _Announced:
    """What headers before that of a member say about it: pax records, and GNU's long names."""

    def __init__(self) -> None:
        self.name: bytes | None = None
        self.link: bytes | None = None
        self.records: dict[bytes, bytes] = {}
        self.ranges: list[bytes] = []
        self.is_empty = True

    def add(self, kind: bytes, content: bytes, offset: int) -> None:
        """Take the content of one such header."""
        self.is_empty = False
        if kind == _LONG_NAME:
            self.name = _field(content)
        elif kind == _LONG_LINK:
            self.link = _field(content)
        else:
            for key, value in _records(content, offset):
                if key in _RANGE_KEYS:
                    self.ranges.append(value)
                else:
                    self.records[key] = value


def _header(tape: _Tape) -> _Header | None:
    """The next header, with those before it that belong to it; None at the end."""
    place = tape.place
    announced = _Announced()
    is_ended = False
    while True:
        start = tape.place
        block = tape.read(_BLOCK)
        if block == _ZEROS:
            if not announced.is_empty:
                raise damaged("a tar header that announces a member, and none follows", start)
            is_ended = True
            tape.skip_zeros()
            place = tape.place
            continue
        if len(block) < _BLOCK:
            if is_ended and not block.strip(b"\0"):
                return None
            raise damaged("a tar file without an end", start)
        if not _is_header(block):
            raise damaged("a tar file with something else after its end" if is_ended else "a damaged tar header", start)
        kind = block[156:157]
        if kind not in _ANNOUNCING:
            return _member_header(tape, block, place, announced)
        content = _announcing(tape, _number(block[124:136], start), start)
        if kind != _PAX_GLOBAL:
            announced.add(kind, content, start)
            continue
        _check_global(content, start)
        if announced.is_empty:
            place = tape.place


def _announcing(tape: _Tape, size: int, offset: int) -> bytes:
    """The content of a header that says something about the next one."""
    if size > _EXTRA:
        raise damaged(f"a tar header of more than {_EXTRA} bytes", offset)
    content = tape.read(_padded(size))[:size]
    if len(content) < size:
        raise damaged("a tar file that ends inside a header", offset)
    return content


def _member_header(tape: _Tape, block: bytes, place: int, announced: _Announced) -> _Header:
    """The header of a member, with what was announced."""
    offset = tape.place - _BLOCK
    kind = block[156:157]
    records = announced.records
    size = _decimal(records[b"size"], offset) if b"size" in records else _number(block[124:136], offset)
    sparse: _Sparse | ParseError | None = None
    if kind == _SPARSE:
        sparse = _gnu_sparse(tape, block, offset)
    elif records:
        sparse = _pax_sparse(records, announced.ranges, offset)
    name = records.get(b"GNU.sparse.name", records.get(b"path", announced.name))
    if name is None:
        name = _field(block[:100])
        prefix = _field(block[345:500])
        if prefix and block.startswith(_POSIX, USTAR_AT):
            name = prefix + b"/" + name
    link = records.get(b"linkpath", announced.link)
    if kind == b"\0" and name.endswith(b"/") and not size:
        kind = _FOLDER  # as v7 wrote them
    return _Header(
        name=_text(name).rstrip("/") if kind == _FOLDER else _text(name),
        place=place,
        kind=kind,
        size=0 if kind in _WITHOUT_CONTENT else size,
        link=_text(_field(block[157:257]) if link is None else link),
        sparse=sparse,
    )


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _field(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _is_header(block: bytes) -> bool:
    """Whether the checksum is right: the sum of the bytes, its own counted as spaces; some programs took bytes as signed."""
    try:
        expected = _number(block[148:156], 0)
    except ParseError:
        return False
    found = sum(block) - sum(block[148:156]) + 8 * 0x20
    if found == expected:
        return True
    signed = [byte for byte in block[:148] + block[156:] if byte > 0x7F]
    return found - 0x100 * len(signed) == expected


def _number(field: bytes, offset: int) -> int:
    """A number of a header: octal digits, or with the first bit set one of base 256. None is negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    digits = _field(field).strip()
    if digits.strip(b"01234567"):
        raise damaged("a tar header with a number that is none", offset)
    return int(digits or b"0", 8)


def _decimal(digits: bytes, offset: int) -> int:
    """A number of a pax record."""
    if not digits.isdigit() or len(digits) > _DIGITS:
        raise damaged("a pax record with a number that is none", offset)
    return int(digits)


def _records(content: bytes, offset: int) -> Iterator[tuple[bytes, bytes]]:
    """The records of a pax header: `length key=value` and a line feed, the length that of the whole record."""
    begin = 0
    while begin < len(content):
        space = content.find(b" ", begin, begin + _DIGITS + 1)
        end = begin + (_decimal(content[begin:space], offset) if space > 0 else 0)
        equals = content.find(b"=", space, end)
        if equals < 0 or end > len(content) or content[end - 1] != 0x0A:
            raise damaged("a damaged pax record", offset)
        yield content[space + 1 : equals], content[equals + 1 : end - 1]
        begin = end


_RANGE_KEYS: Final = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")


def _check_global(content: bytes, offset: int) -> None:
    """Refuse records for all members that programs read differently: they would find other members."""
    if any(key == b"size" or key.startswith(b"GNU.sparse.") for key, _ in _records(content, offset)):
        raise damaged("a pax header that sets a size for all members", offset)


# Sparse members: those of which only some ranges have content, and the rest is zeros


def _gnu_sparse(tape: _Tape, block: bytes, offset: int) -> _Sparse | ParseError:
    """The ranges in a header of GNU's sparse type, and in the blocks after it."""
    ranges: list[int] = []
    problem: ParseError | None = None
    size = _number(block[483:495], offset)
    places, has_more = _RANGES, block[482]
    while True:
        for place in places:
            if not block[place]:
                break
            if len(ranges) >= 2 * SPARSE_LIMIT:
                problem = _too_many(offset)
                break
            ranges += [_number(block[place : place + 12], offset), _number(block[place + 12 : place + 24], offset)]
        if not has_more:
            return problem or _Sparse(size, ranges)
        block = tape.read(_BLOCK)
        if len(block) < _BLOCK:
            raise damaged("a tar file that ends inside a header", offset)
        places, has_more = _MORE_RANGES, block[504]


def _pax_sparse(records: dict[bytes, bytes], ranges: list[bytes], offset: int) -> _Sparse | ParseError | None:
    """The same for GNU's pax records of versions 0.0, 0.1 and 1.0; None for a member without holes."""
    size = records.get(b"GNU.sparse.realsize", records.get(b"GNU.sparse.size"))
    if size is None:
        return None
    try:
        if b"GNU.sparse.major" in records:
            return _Sparse(_decimal(size, offset), None)
        if b"GNU.sparse.map" in records:
            numbers = records[b"GNU.sparse.map"]
            ranges = numbers.split(b",", 2 * SPARSE_LIMIT) if numbers else []
        if len(ranges) > 2 * SPARSE_LIMIT:
            return _too_many(offset)
        return _Sparse(_decimal(size, offset), [_decimal(number, offset) for number in ranges])
    except ParseError as error:
        return error


def _map_before(tape: _Tape, left: int, offset: int) -> tuple[list[int], int]:
    """The ranges that version 1.0 writes as lines before the content, and how much of the content is left after them."""
    lines: list[bytes] = []
    waiting = b""
    count = 1
    while len(lines) < count:
        if b"\n" not in waiting:
            if left < _BLOCK or len(waiting) > _DIGITS or len(block := tape.read(_BLOCK)) < _BLOCK:
                raise damaged("a damaged map of a sparse member", offset)
            left -= _BLOCK
            waiting += block
        line, _, waiting = waiting.partition(b"\n")
        if not lines:
            count = 1 + 2 * _decimal(line, offset)
            if count > 1 + 2 * SPARSE_LIMIT:
                raise _too_many(offset)
        lines.append(line)
    return [_decimal(line, offset) for line in lines[1:]], left


def _too_many(offset: int) -> ParseError:
    return damaged(f"a sparse member of more than {SPARSE_LIMIT} ranges", offset)


def _pieces(size: int, ranges: list[int], stored: int, offset: int) -> Iterator[tuple[bool, int]]:
    """The content and the holes of a sparse member in their order, each with its size."""
    if len(ranges) % 2 or sum(ranges[1::2]) != stored:
        raise damaged("a sparse member whose ranges are not those of its content", offset)
    pieces: list[tuple[bool, int]] = []
    place = 0
    for begin, length in zip(ranges[::2], ranges[1::2], strict=True):
        if begin < place:
            raise damaged("a sparse member whose ranges overlap", offset)
        pieces += [(True, begin - place), (False, length)]
        place = begin + length
    if place > size:
        raise damaged("a sparse member that is longer than it says", offset)
    pieces.append((True, size - place))
    return iter(pieces)


# Content


def _content(tape: _Tape, header: _Header, budget: Budget) -> BinaryIO:
    """The content of the member whose header was read last."""
    if isinstance(header.sparse, ParseError):
        raise header.sparse
    if header.sparse is None:
        return cast("BinaryIO", _Content(tape, header.size))
    size, ranges = header.sparse
    stored = header.size
    if ranges is None:
        ranges, stored = _map_before(tape, stored, header.place)
    return cast("BinaryIO", _SparseContent(tape, _pieces(size, ranges, stored, header.place), budget))


class _Content(RawIOBase):
    """The bytes of a member; it is an error where the file ends before them."""

    def __init__(self, tape: _Tape, size: int) -> None:
        super().__init__()
        self._tape = tape
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        found = self._tape.some(min(len(buffer), self._left))
        if not found and self._left:
            raise damaged("a member that is longer than the file", self._tape.place)
        self._left -= len(found)
        buffer[: len(found)] = found
        return len(found)


class _SparseContent(_Content):
    """The same for a sparse member, with zeros for its holes."""

    def __init__(self, tape: _Tape, pieces: Iterator[tuple[bool, int]], budget: Budget) -> None:
        super().__init__(tape, 0)
        self._pieces = pieces
        self._budget = budget
        self._hole = 0

    def readinto(self, buffer: Any, /) -> int:
        while not (self._left or self._hole):
            is_hole, size = next(self._pieces, (True, -1))
            if size < 0:
                return 0
            self._left, self._hole = (0, size) if is_hole else (size, 0)
        if self._left:
            return super().readinto(buffer)
        size = min(len(buffer), self._hole)
        self._budget.spend(size)
        buffer[:size] = bytes(size)
        self._hole -= size
        return size


# Links


def _link(header: _Header) -> Member:
    """A link: a hard one names a member from the root of the archive, a symbolic one from its own folder."""
    if header.kind == _HARD_LINK:
        detail, target = "a hard link to a member that was not read", canonical(header.link)
    else:
        detail = "a symbolic link, which is not followed"
        target = "" if header.link.startswith("/") else canonical(join(dirname(header.name), header.link))
    error = ParseError(DefectCode.ARCHIVE_LINK, detail, header.place)
    return Member(header.name, header.place, raiser(error), link=target)


def canonical(name: str) -> str:
    """The name of a member in the one form in which links and members are compared."""
    return normpath(name.lstrip("/")) if name else ""
