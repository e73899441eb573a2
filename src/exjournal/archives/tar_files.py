"""Reads tar files from front to back: v7, ustar and pax (POSIX.1-2017, `pax`, "ustar Interchange Format"), and GNU tar's own.

`tarfile` of the standard library loops over unchecked numbers of headers, ends silently at a damaged header, and differs
between versions. Here every number is checked before it is used, and a file that ends early is an error after its last member.
"""

from collections.abc import Callable, Iterator
from functools import partial
from io import BufferedReader, RawIOBase
from posixpath import dirname, join, normpath
from typing import Any, BinaryIO, Final, NamedTuple, cast

from exjournal.archives.streams import Budget, Member, damaged, raiser, skip
from exjournal.errors import DefectCode, ParseError
from exjournal.limits import SPARSE_LIMIT, TAR_EXTENSION_LIMIT

USTAR: Final = b"ustar"
USTAR_AT: Final = 257
_POSIX: Final = b"ustar\0"
_BLOCK: Final = 512
_ZEROS: Final = bytes(_BLOCK)
# Digits of a decimal number: those of 2**64.
_DIGITS: Final = 20

# Values of the typeflag field. By the specification, a member of any other type is a regular file, if it has content.
_HARD_LINK: Final = b"1"
_SYMBOLIC_LINK: Final = b"2"
_FOLDER: Final = b"5"
# GNU's list of the names in a folder, in incremental backups: it is not the content of a file.
_FOLDER_LIST: Final = b"D"
_REGULAR: Final = (b"0", b"\0", b"7", b"S")
_WITHOUT_CONTENT: Final = (b"1", b"2", b"3", b"4", b"5", b"6")
_SPARSE: Final = b"S"
_LONG_NAME: Final = b"L"
_LONG_LINK: Final = b"K"
_PAX_GLOBAL: Final = b"g"
_EXTENSIONS: Final = (_LONG_NAME, _LONG_LINK, b"x", b"X", _PAX_GLOBAL)
# Places of the ranges in the sparse map of GNU's sparse type: in the header block, and in each block after it.
_RANGES: Final = range(386, 482, 24)
_MORE_RANGES: Final = range(0, 504, 24)


class _SparseMap(NamedTuple):
    """The size of a sparse member, and the ranges that have content, as pairs of offset and size in one list.

    The ranges are None where the map is in the content.
    """

    size: int
    ranges: list[int] | None


class _Header(NamedTuple):
    """The header block of a member, with the extended headers before it."""

    name: str
    place: int
    kind: bytes
    size: int
    link: str
    sparse: _SparseMap | ParseError | None


def tar_members(stream: BufferedReader, no_file: Callable[[], OSError], budget: Budget) -> Iterator[Member]:
    """Yield the members of a tar file, or of several that were joined.

    `no_file` makes the error for devices, pipes and folders. Raises ParseError after the last member for a file without an end,
    and for a damaged one.
    """
    tape = _Tape(stream)
    while (header := _read_header(tape)) is not None:
        name, kind = header.name, header.kind
        end = tape.place + _padded(header.size)
        if kind in {_FOLDER, _FOLDER_LIST}:
            yield Member(name, header.place, raiser(no_file()), is_folder=True)
        elif kind in {_HARD_LINK, _SYMBOLIC_LINK}:
            yield _link(header)
        elif kind in _REGULAR or header.size:
            yield Member(name, header.place, partial(_open_content, tape, header, budget))
        else:
            yield Member(name, header.place, raiser(no_file()))
        tape.skip(end - tape.place)
        if tape.place < end:
            raise damaged("the tar file ends inside a member", tape.place)


def open_tar_member(stream: BufferedReader, place: int, budget: Budget) -> BinaryIO:
    """Open the member whose header block is at an offset. Raises ParseError."""
    skip(stream, place)
    tape = _Tape(stream)
    header = _read_header(tape)
    if header is None or not (header.kind in _REGULAR or (header.size and header.kind != _FOLDER_LIST)):
        raise damaged("the tar file has no such member", place)
    return _open_content(tape, header, budget)


class _Tape:
    """Reads a tar file from front to back, and counts the bytes."""

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self.place = 0

    def read1(self, size: int) -> bytes:
        """Read at least one byte and at most `size`; none at the end."""
        data = self._stream.read1(size)
        self.place += len(data)
        return data

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or those before the end."""
        data = self.read1(size)
        while len(data) < size and (piece := self.read1(size - len(data))):
            data += piece
        return data

    def skip(self, size: int) -> None:
        """Skip `size` bytes, or those before the end."""
        while size > 0 and (piece := self.read1(min(size, 1 << 20))):
            size -= len(piece)

    def skip_zeros(self) -> None:
        """Skip the blocks of zeros that are in the buffer."""
        while size := len(buffer := self._stream.peek(_BLOCK)) // _BLOCK * _BLOCK:
            if buffer[:size].strip(b"\0"):
                break
            self.read1(size)


class _Extensions:
    """Pax records and GNU's long names, which headers before that of a member hold for it."""

    def __init__(self) -> None:
        self.name: bytes | None = None
        self.link: bytes | None = None
        self.records: dict[bytes, bytes] = {}
        self.ranges: list[bytes] = []
        self.is_empty = True

    def add(self, kind: bytes, content: bytes, offset: int) -> None:
        """Add the content of one such header."""
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


def _read_header(tape: _Tape) -> _Header | None:
    """Read the next header with the extended headers before it; None at the end."""
    place = tape.place
    extensions = _Extensions()
    is_ended = False
    while True:
        start = tape.place
        block = tape.read(_BLOCK)
        if block == _ZEROS:
            if not extensions.is_empty:
                raise damaged("an extended header without a member after it", start)
            is_ended = True
            tape.skip_zeros()
            place = tape.place
            continue
        if len(block) < _BLOCK:
            if is_ended and not block.strip(b"\0"):
                return None
            raise damaged("the tar file has no end", start)
        if not _is_header(block):
            raise damaged(
                "data after the end of the tar file" if is_ended else "the checksum of a header block is wrong", start
            )
        kind = block[156:157]
        if kind not in _EXTENSIONS:
            return _member_header(tape, block, place, extensions)
        content = _read_extension(tape, _number(block[124:136], start), start)
        if kind != _PAX_GLOBAL:
            extensions.add(kind, content, start)
            continue
        _check_global(content, start)
        if extensions.is_empty:
            place = tape.place


def _read_extension(tape: _Tape, size: int, offset: int) -> bytes:
    """Read the content of an extended header."""
    if size > TAR_EXTENSION_LIMIT:
        raise damaged(f"an extended header of more than {TAR_EXTENSION_LIMIT} bytes", offset)
    content = tape.read(_padded(size))[:size]
    if len(content) < size:
        raise damaged("the tar file ends inside a header", offset)
    return content


def _member_header(tape: _Tape, block: bytes, place: int, extensions: _Extensions) -> _Header:
    """Combine the header block of a member with its extended headers."""
    offset = tape.place - _BLOCK
    kind = block[156:157]
    records = extensions.records
    size = _decimal(records[b"size"], offset) if b"size" in records else _number(block[124:136], offset)
    sparse: _SparseMap | ParseError | None = None
    if kind == _SPARSE:
        sparse = _read_gnu_map(tape, block, offset)
    elif records:
        sparse = _read_pax_map(records, extensions.ranges, offset)
    name = records.get(b"GNU.sparse.name", records.get(b"path", extensions.name))
    if name is None:
        name = _field(block[:100])
        prefix = _field(block[345:500])
        if prefix and block.startswith(_POSIX, USTAR_AT):
            name = prefix + b"/" + name
    link = records.get(b"linkpath", extensions.link)
    if kind == b"\0" and name.endswith(b"/") and not size:
        kind = _FOLDER  # as v7 writes folders
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
    """Whether the checksum is right: the sum of the bytes, its own counted as spaces; some programs summed signed bytes."""
    try:
        expected = _number(block[148:156], 0)
    except ParseError:
        return False
    checksum = sum(block) - sum(block[148:156]) + 8 * 0x20
    if checksum == expected:
        return True
    negative = [byte for byte in block[:148] + block[156:] if byte > 0x7F]
    return checksum - 0x100 * len(negative) == expected


def _number(field: bytes, offset: int) -> int:
    """Decode a number of a header block: octal digits, or base 256 if the first bit is set. None is negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    digits = _field(field).strip()
    if digits.strip(b"01234567"):
        raise damaged("a number in a header block must be octal digits", offset)
    return int(digits or b"0", 8)


def _decimal(digits: bytes, offset: int) -> int:
    """Decode a number of a pax record."""
    if not digits.isdigit() or len(digits) > _DIGITS:
        raise damaged(f"a number in a pax record must be at most {_DIGITS} digits", offset)
    return int(digits)


def _records(content: bytes, offset: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of a pax header: `length key=value` and a line feed; the length is that of the record."""
    begin = 0
    while begin < len(content):
        space = content.find(b" ", begin, begin + _DIGITS + 1)
        end = begin + (_decimal(content[begin:space], offset) if space > 0 else 0)
        equals = content.find(b"=", space, end)
        if equals < 0 or end > len(content) or content[end - 1] != 0x0A:
            raise damaged("a pax record must be `length key=value` and a line feed", offset)
        yield content[space + 1 : equals], content[equals + 1 : end - 1]
        begin = end


_RANGE_KEYS: Final = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")


def _check_global(content: bytes, offset: int) -> None:
    """Refuse global records that programs interpret in different ways: they would find other members."""
    if any(key == b"size" or key.startswith(b"GNU.sparse.") for key, _ in _records(content, offset)):
        raise damaged("a global pax header must not set sizes", offset)


# Sparse members: only some ranges have content, and everything between them is zeros


def _read_gnu_map(tape: _Tape, block: bytes, offset: int) -> _SparseMap | ParseError:
    """Read the sparse map in a header block of GNU's sparse type, and in the blocks after it."""
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
            return problem or _SparseMap(size, ranges)
        block = tape.read(_BLOCK)
        if len(block) < _BLOCK:
            raise damaged("the tar file ends inside a header", offset)
        places, has_more = _MORE_RANGES, block[504]


def _read_pax_map(records: dict[bytes, bytes], ranges: list[bytes], offset: int) -> _SparseMap | ParseError | None:
    """Read the sparse map in GNU's pax records of versions 0.0, 0.1 and 1.0; None for a member that is not sparse."""
    size = records.get(b"GNU.sparse.realsize", records.get(b"GNU.sparse.size"))
    if size is None:
        return None
    try:
        if b"GNU.sparse.major" in records:
            return _SparseMap(_decimal(size, offset), None)
        if b"GNU.sparse.map" in records:
            numbers = records[b"GNU.sparse.map"]
            ranges = numbers.split(b",", 2 * SPARSE_LIMIT) if numbers else []
        if len(ranges) > 2 * SPARSE_LIMIT:
            return _too_many(offset)
        return _SparseMap(_decimal(size, offset), [_decimal(number, offset) for number in ranges])
    except ParseError as error:
        return error


def _read_leading_map(tape: _Tape, left: int, offset: int) -> tuple[list[int], int]:
    """Read the sparse map that version 1.0 writes as lines before the content; also return the size of the content."""
    lines: list[bytes] = []
    waiting = b""
    count = 1
    while len(lines) < count:
        if b"\n" not in waiting:
            if left < _BLOCK or len(waiting) > _DIGITS or len(block := tape.read(_BLOCK)) < _BLOCK:
                raise damaged("the sparse map must be one number a line", offset)
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
    return damaged(f"a sparse map of more than {SPARSE_LIMIT} ranges", offset)


class _Piece(NamedTuple):
    is_hole: bool
    size: int


def _pieces(size: int, ranges: list[int], stored: int, offset: int) -> Iterator[_Piece]:
    """Return the content and the holes of a sparse member in their order. Raises ParseError for an invalid map."""
    if len(ranges) % 2 or sum(ranges[1::2]) != stored:
        raise damaged("the sizes in the sparse map do not add up to that of the content", offset)
    pieces: list[_Piece] = []
    place = 0
    for begin, length in zip(ranges[::2], ranges[1::2], strict=True):
        if begin < place:
            raise damaged("ranges in the sparse map overlap", offset)
        pieces += [_Piece(True, begin - place), _Piece(False, length)]  # noqa: FBT003
        place = begin + length
    if place > size:
        raise damaged("the sparse map goes beyond the size of the member", offset)
    pieces.append(_Piece(True, size - place))  # noqa: FBT003
    return iter(pieces)


# Content


def _open_content(tape: _Tape, header: _Header, budget: Budget) -> BinaryIO:
    """Open the content of the member whose header was read last."""
    if isinstance(header.sparse, ParseError):
        raise header.sparse
    if header.sparse is None:
        return cast("BinaryIO", _Content(tape, header.size))
    size, ranges = header.sparse
    stored = header.size
    if ranges is None:
        ranges, stored = _read_leading_map(tape, stored, header.place)
    return cast("BinaryIO", _SparseContent(tape, _pieces(size, ranges, stored, header.place), budget))


class _Content(RawIOBase):
    """The content of a member. Raises ParseError where the file ends first."""

    def __init__(self, tape: _Tape, size: int) -> None:
        super().__init__()
        self._tape = tape
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._tape.read1(min(len(buffer), self._left))
        if not data and self._left:
            raise damaged("the member is cut short", self._tape.place)
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


class _SparseContent(_Content):
    """The content of a sparse member, with zeros for its holes."""

    def __init__(self, tape: _Tape, pieces: Iterator[_Piece], budget: Budget) -> None:
        super().__init__(tape, 0)
        self._pieces = pieces
        self._budget = budget
        self._hole = 0

    def readinto(self, buffer: Any, /) -> int:
        while not (self._left or self._hole):
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left, self._hole = (0, piece.size) if piece.is_hole else (piece.size, 0)
        if self._left:
            return super().readinto(buffer)
        size = min(len(buffer), self._hole)
        self._budget.spend(size)
        buffer[:size] = bytes(size)
        self._hole -= size
        return size


# Links


def _link(header: _Header) -> Member:
    """Return the member for a link. A hard link has a path from the root of the archive, a symbolic one from its own folder."""
    if header.kind == _HARD_LINK:
        detail, target = "a hard link to a member that was not read", canonical(header.link)
    else:
        detail = "a symbolic link, which is not followed"
        target = "" if header.link.startswith("/") else canonical(join(dirname(header.name), header.link))
    error = ParseError(DefectCode.ARCHIVE_LINK, detail, header.place)
    return Member(header.name, header.place, raiser(error), link=target)


def canonical(name: str) -> str:
    """Return the name of a member in the form in which links and members are compared."""
    return normpath(name.lstrip("/")) if name else ""
