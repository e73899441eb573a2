"""The way through trees of files, Maildirs, mboxes, tar and zip files, and what is compressed of them, to each message.

`located` goes it in a stable order and gives each message's place, with its octets or without; `read_source` finds the same
octets again. Nothing is read as a report here, and whatever cannot be read is told in its place.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from enum import Enum, auto
from errno import EINVAL, ELOOP
from fnmatch import fnmatchcase
from functools import partial
from io import BytesIO
from itertools import chain
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TypeAlias, cast

from exjournal._wire import mbox
from exjournal.errors import Defect, DefectCode, ParseError
from exjournal.sorting import in_order
from exjournal.sources import MboxVariant, Source

if TYPE_CHECKING:
    from io import BufferedReader
    from tarfile import TarFile, TarInfo
    from zipfile import ZipFile, ZipInfo

    StrPath: TypeAlias = str | os.PathLike[str]

# Octets of a message: Exchange Online takes up to 150 MB, and a process holds one message at a time.
SIZE_LIMIT: Final = 256 << 20
# Archives inside archives, and compression round each.
ARCHIVE_LIMIT: Final = 5


class Located(NamedTuple):
    """A place, with the octets that lie there where they are at hand, or with what keeps them from being read.

    Of a message in a mailbox file `bare` counts the lines in it that begin with `From `; without `quotes` none begins with
    `>From `; `led` is False where its Content-Length was to lead to its end and did not.
    """

    source: Source
    octets: bytes | None = None
    error: ParseError | OSError | None = None
    bare: int = 0
    quotes: bool = True
    led: bool = True


def located(
    paths: "Sequence[StrPath]",
    /,
    *,
    patterns: Sequence[str] = (),
    mbox: MboxVariant | None = None,
    limit: int = SIZE_LIMIT,
    lazily: bool = False,
    without: "Sequence[StrPath]" = (),
) -> Iterator[Located]:
    """Every message below the paths, in the order of the paths and in them of names, and every place that cannot be read.

    With `lazily` what can be read by its source alone comes without octets; loose files always do. `without` are files and
    folders that are passed over.
    """
    return _Walk(patterns, mbox, limit, lazily=lazily, without=without).all(paths)


def octets_in(
    paths: "Sequence[StrPath]", /, *, patterns: Sequence[str] = (), without: "Sequence[StrPath]" = ()
) -> int | None:
    """How many octets of mail there are, as far as files can be seen; None where some are compressed."""
    total = 0
    for found in _Walk(patterns, None, SIZE_LIMIT, lazily=True, without=without).files(paths):
        path = found if isinstance(found, str) else found.source.path
        if path.lower().endswith(_COMPRESSED):
            return None
        with suppress(OSError):
            total += os.stat(path).st_size
    return total


_COMPRESSED: Final = (".gz", ".tgz", ".bz2", ".xz", ".zip")


# Messages that a process is given at a time, and octets of those that are sent to it.
_BATCH: Final = 200
_BATCH_OCTETS: Final = 4 << 20


def batches(places: Iterable[Located], /, *, most: int = _BATCH) -> Iterator[list[Located]]:
    """Places by the batch, for processes that share the work."""
    batch: list[Located] = []
    size = 0
    for place in places:
        batch.append(place)
        # The same with octets and without, so that a batch is the same however many processes there are.
        size += place.source.size or (0 if place.octets is None else len(place.octets))
        if len(batch) >= most or size >= _BATCH_OCTETS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def octets_of(place: Located, /, *, limit: int = SIZE_LIMIT) -> tuple[bytes, tuple[Defect, ...]]:
    """The octets of a message, and what about them may not be as they were sent. Raises OSError and ParseError."""
    if place.error is not None:
        raise place.error
    source, octets = place.source, place.octets
    if octets is None:
        octets = _file(source.path, limit) if source.offset is None else _range(source)
    if source.offset is None:
        return octets, ()
    return _as_sent(octets, source.mbox, bare=place.bare, quotes=place.quotes, led=place.led)


def read_source(source: Source, /) -> bytes:
    """The octets of an item, read again. Raises OSError, and ParseError for an archive that is damaged or not the same."""
    with ExitStack() as stack:
        try:
            stream = _unpacked(stack.enter_context(_open(source.path)), stack)
            for _, place in source.members:
                stream = _unpacked(_member(stream, place, stack), stack)
            if source.offset is None:
                return _whole(stream, SIZE_LIMIT)
            stream.seek(source.offset)
            octets = _whole(stream, SIZE_LIMIT, source.size)
        except _damage() as error:
            raise _told(error) from error
    if source.size is not None and len(octets) < source.size:
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it is shorter than it was", source.offset)
    return _as_sent(octets, source.mbox)[0]


# Messages


def _as_sent(
    octets: bytes, variant: MboxVariant | None, *, bare: int = 0, quotes: bool = True, led: bool = True
) -> tuple[bytes, tuple[Defect, ...]]:
    """A message of a mailbox file as it was before that, as far as can be told."""
    defects: list[Defect] = []
    if not led:
        defects.append(Defect(DefectCode.MBOX_LENGTH, "Content-Length leads to no other message"))
    if bare and variant is not MboxVariant.MBOXCL2:
        defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with From: {bare}"))
    quoted = mbox.quoted_lines(octets) if quotes and variant is not MboxVariant.MBOXCL2 else 0
    if not quoted:
        return octets, tuple(defects)
    if variant is MboxVariant.MBOXRD:
        return mbox.without_quotes(octets, every=True), tuple(defects)
    way = "left, as the variant is not known" if variant is None else f"without one > each, as {variant} has it"
    defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with >From: {quoted}, {way}"))
    return octets if variant is None else mbox.without_quotes(octets, every=False), tuple(defects)


def _file(path: str, limit: int) -> bytes:
    """A file, read and not mapped: one that is cut short while it is mapped ends the process."""
    # A call less for each of them is worth it where there are millions.
    file = os.open(path, _READING)
    try:
        status = os.fstat(file)
        if not S_ISREG(status.st_mode):
            raise _no_file()
        size = status.st_size
        if size > limit:
            raise _too_large(limit)
        octets = os.read(file, size + 1)
        if len(octets) != size:  # it grew, or there is more than one call gives
            with open(file, "rb", closefd=False) as rest:
                octets += _whole(rest, limit)
    finally:
        os.close(file)
    if octets[:2] in _PACKED_BEGIN:
        with ExitStack() as stack:
            try:
                return _whole(_unpacked(BytesIO(octets), stack), limit)
            except _damage() as error:
                raise _told(error) from error
    return octets


def _range(source: Source) -> bytes:
    """A message of a mailbox file."""
    assert source.offset is not None  # noqa: S101 - for the type checker
    with _open(source.path) as file:
        file.seek(source.offset)
        octets = _whole(file, SIZE_LIMIT, source.size)
    if len(octets) != source.size:
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it is shorter than it was", source.offset)
    return octets


def _whole(stream: BinaryIO, limit: int, size: int | None = None) -> bytes:
    """What is left of a stream, or so many octets of it."""
    pieces: list[bytes] = []
    room = limit + 1 if size is None else size
    while room > 0 and (piece := stream.read(min(room, _BLOCK))):
        pieces.append(piece)
        room -= len(piece)
    if size is None and room <= 0:
        raise _too_large(limit)
    return b"".join(pieces)


def _too_large(limit: int) -> ParseError:
    return ParseError(DefectCode.ITEM_TOO_LARGE, f"more than {limit} octets")


def _no_file() -> OSError:
    return OSError(EINVAL, "is no regular file")


# What a file is, by its first octets

# Octets that tell: a tar file is known behind 257 of them, and a From line may be long.
_HEAD: Final = 1024
_BLOCK: Final = 1 << 20
_USTAR: Final = b"ustar"
_USTAR_AT: Final = 257
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_PACKED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}
_PACKED_BEGIN: Final = frozenset(magic[:2] for magic in _PACKED)
# A file of this name is one message, whatever it begins with.
_MESSAGE: Final = ".eml"


class _Kind(Enum):
    MESSAGE = auto()
    MBOX = auto()
    TAR = auto()
    ZIP = auto()


def _packing(head: bytes) -> str | None:
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)


def _kind(head: bytes, name: str) -> _Kind:
    if name.lower().endswith(_MESSAGE):
        return _Kind.MESSAGE
    if head.startswith(_ZIP):
        return _Kind.ZIP
    if head.startswith(_USTAR, _USTAR_AT):
        return _Kind.TAR
    return _Kind.MBOX if mbox.is_from_line(head) else _Kind.MESSAGE


# A pipe or a device must not be waited for.
_READING: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def _open(path: str) -> "BufferedReader":
    """A regular file; one of another kind might never end, or never begin."""
    file = os.open(path, _READING)
    try:
        if not S_ISREG(os.fstat(file).st_mode):
            raise _no_file()
    except BaseException:
        os.close(file)
        raise
    return open(file, "rb")


def _head(stream: BinaryIO) -> tuple[bytes, "BufferedReader"]:
    """The first octets of a stream, and the stream with them still before it."""
    from io import BufferedReader

    buffered = stream if isinstance(stream, BufferedReader) else BufferedReader(cast("Any", stream), _HEAD << 6)
    return buffered.peek(_HEAD)[:_HEAD], buffered


def _unpacked(stream: BinaryIO, stack: ExitStack) -> "BufferedReader":
    """A stream without the layers of compression round it."""
    from importlib import import_module

    head, buffered = _head(stream)
    for _ in range(ARCHIVE_LIMIT):
        packing = _packing(head)
        if packing is None:
            return buffered
        inner = stack.enter_context(import_module(packing).open(buffered))
        head, buffered = _head(inner)
    raise ParseError(DefectCode.NESTING_LIMIT, f"more than {ARCHIVE_LIMIT} layers of compression")


def _member(stream: "BufferedReader", place: int, stack: ExitStack) -> BinaryIO:
    """The member of a tar or zip file whose place a source names."""
    head, _ = _head(stream)
    if head.startswith(_ZIP):
        archive = stack.enter_context(_zip(stream, stack))
        members = archive.infolist()
        if place >= len(members):
            raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it has fewer members than it had")
        return stack.enter_context(_zip_member(archive, members[place]))
    import tarfile

    stream.seek(place)
    tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))
    member = tar.next()
    content = None if member is None else tar.extractfile(member)
    if content is None:
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it has no such member", place)
    return cast("BinaryIO", stack.enter_context(content))


def _zip(stream: "BufferedReader", stack: ExitStack) -> "ZipFile":
    """A zip file, which is read from its end: one that is compressed or inside another archive is copied to the disk first."""
    import shutil
    from io import FileIO
    from tempfile import TemporaryFile
    from zipfile import ZipFile

    if isinstance(stream.raw, FileIO):
        return ZipFile(stream)
    copy = stack.enter_context(TemporaryFile())
    shutil.copyfileobj(stream, copy)
    return ZipFile(copy)


def _zip_member(archive: "ZipFile", member: "ZipInfo") -> BinaryIO:
    if member.flag_bits & 1:
        raise ParseError(DefectCode.ARCHIVE_ENCRYPTED)
    return cast("BinaryIO", archive.open(member))


def _damage() -> tuple[type[Exception], ...]:
    """Whatever the readers of archives raise for one that is damaged."""
    from lzma import LZMAError
    from struct import error as StructError  # noqa: N812
    from tarfile import TarError
    from zipfile import BadZipFile
    from zlib import error as ZlibError  # noqa: N812

    return (
        OSError, EOFError, ValueError, LookupError, OverflowError, NotImplementedError, RuntimeError, StructError, ZlibError,
        LZMAError, TarError, BadZipFile,
    )  # fmt: skip


def _told(error: Exception) -> ParseError | OSError:
    """What is wrong with an archive, without a word of what is in it."""
    if isinstance(error, ParseError) or (isinstance(error, OSError) and error.errno is not None):
        return error
    return ParseError(DefectCode.ARCHIVE_DAMAGED, type(error).__name__)


# The way through


class _Walk:
    """Goes through paths. `passed` counts the octets of the files that it has left behind it."""

    def __init__(
        self,
        patterns: Sequence[str],
        variant: MboxVariant | None,
        limit: int,
        *,
        lazily: bool,
        without: "Sequence[StrPath]",
    ) -> None:
        self.patterns = [pattern.lower() for pattern in patterns]
        self.variant = variant
        self.limit = limit
        self.lazily = lazily
        self.without = {os.path.realpath(one) for one in without}
        # What a path leads to is looked up only for names that are among these.
        self.names = {os.path.basename(one) for one in self.without}

    def all(self, paths: "Sequence[StrPath]") -> Iterator[Located]:
        for found in self.files(paths):
            if isinstance(found, str):
                yield from self.file(found)
            else:
                yield found

    def files(self, paths: "Sequence[StrPath]") -> Iterator[Located | str]:
        """Every file that is one message by its name, whatever is wrong, and the names of all other files."""
        for one in paths:
            path = os.fspath(one)
            if os.path.isdir(path):
                yield from self.tree(path, ())
            else:
                yield Located(Source(path)) if path.lower().endswith(_MESSAGE) else path

    def tree(self, path: str, above: tuple[tuple[int, int], ...]) -> Iterator[Located | str]:
        """The same for a folder and those below it, in the order of names."""
        try:
            status = os.stat(path)
            here = (status.st_dev, status.st_ino)
            if here in above:
                raise OSError(ELOOP, "leads back to a folder above it")
            is_maildir = all(os.path.isdir(os.path.join(path, name)) for name in ("cur", "new"))
            names = in_order(_names(path))
            first = next(names, None)
        except OSError as error:
            yield Located(Source(path), error=error)
            return
        if first is None:
            return
        in_maildir = os.path.basename(path) in {"cur", "new"} and os.path.isdir(os.path.join(path, "..", "tmp"))
        prefix = os.path.join(path, "")
        for line in chain([first], names):
            name, _, kind = line.partition(b"\0")
            text = os.fsdecode(name if b"/" not in name else name.replace(b"/", b"\n"))
            below = prefix + text
            if text in self.names and os.path.realpath(below) in self.without:
                continue
            if kind == _FOLDER:
                # A Maildir has its folders inside, hidden from who lists it; what waits in tmp was not delivered yet.
                if text != "tmp" if is_maildir else text[0] != ".":
                    yield from self.tree(below, (*above, here))
            elif kind:
                yield Located(Source(below), error=_no_file())
            elif text[-4:].lower() == _MESSAGE or in_maildir:
                if text[0] != "." if in_maildir else self.takes(text):
                    yield Located(Source(below))
            elif not is_maildir and self.takes(text):
                yield below

    def takes(self, name: str) -> bool:
        """Whether a file or member is wanted, by its name."""
        name = name.rpartition("/")[2]
        if not self.patterns:
            return not name.startswith(".")
        return any(fnmatchcase(name.lower(), pattern) for pattern in self.patterns)

    def file(self, path: str) -> Iterator[Located]:
        """The messages of a file of whatever kind."""
        source = Source(path)
        try:
            file = _open(path)
        except OSError as error:
            yield Located(source, error=error)
            return
        with file:
            head, _ = _head(file)
            if not head and path.lower().endswith(_MAILBOXES):
                return  # a mailbox with nothing in it
            if _packing(head) is None and _kind(head, path) is _Kind.MESSAGE:
                yield Located(source)  # read as all others are, perhaps by another process
            else:
                yield from self.stream(file, source, path, 0)

    def stream(self, stream: BinaryIO, source: Source, name: str, depth: int) -> Iterator[Located]:
        """The messages of a stream, whatever it is."""
        with ExitStack() as stack:
            try:
                unpacked = _unpacked(stream, stack)
                kind = _kind(_head(unpacked)[0], _without_packing(name) if unpacked is not stream else name)
                if kind is _Kind.MESSAGE:
                    yield Located(source, _whole(unpacked, self.limit))
                elif kind is _Kind.MBOX:
                    yield from self.mailbox(unpacked, source, lazily=self.lazily and not depth and unpacked is stream)
                elif depth == ARCHIVE_LIMIT:
                    raise ParseError(DefectCode.NESTING_LIMIT, f"more than {ARCHIVE_LIMIT} archives inside one another")
                else:
                    members = self.tar(unpacked) if kind is _Kind.TAR else self.zip(unpacked, stack)
                    for member, place, opened in members:
                        if self.takes(member):
                            below = source._replace(members=(*source.members, (member, place)))
                            yield from self.member(opened, below, member, depth)
            except _damage() as error:
                yield Located(source, error=_told(error))

    def member(self, opened: Callable[[], BinaryIO], source: Source, name: str, depth: int) -> Iterator[Located]:
        """The messages of a member of an archive; one that is damaged does not end those that follow."""
        try:
            content = opened()
        except _damage() as error:
            yield Located(source, error=_told(error))
            return
        with content:
            yield from self.stream(content, source, name, depth + 1)

    def tar(self, stream: "BufferedReader") -> "Iterator[tuple[str, int, Callable[[], BinaryIO]]]":
        """The members of a tar file: name, place, and what opens each before the next one is taken."""
        import tarfile

        with tarfile.open(fileobj=stream, mode="r|") as tar:
            while (member := tar.next()) is not None:
                cast("Any", tar).members = []  # it keeps all of them otherwise
                if member.isfile():
                    yield member.name, member.offset, partial(_tar_member, tar, member)
                elif not (member.isdir() or member.issym() or member.islnk()):
                    yield member.name, member.offset, _raise_no_file

    def zip(self, stream: "BufferedReader", stack: ExitStack) -> "Iterator[tuple[str, int, Callable[[], BinaryIO]]]":
        """The members of a zip file, in the order of its list."""
        archive = stack.enter_context(_zip(stream, stack))
        for place, member in enumerate(archive.infolist()):
            if not member.is_dir():
                yield member.filename, place, partial(_zip_member, archive, member)

    def mailbox(self, stream: BinaryIO, source: Source, *, lazily: bool) -> Iterator[Located]:
        """The messages of a mailbox file; where it is damaged, what was read before."""
        problems: list[Exception] = []

        def read(size: int) -> bytes:
            try:
                return stream.read(size)
            except _damage() as error:
                problems.append(error)
                return b""

        by_length = self.variant in {MboxVariant.MBOXCL, MboxVariant.MBOXCL2}
        for entry in mbox.messages(read, self.limit, by_length=by_length, keep=not lazily):
            place = Source(source.path, source.members, entry.offset, entry.size, self.variant)
            error = _too_large(self.limit) if entry.size > self.limit else None
            yield Located(place, entry.octets, error, entry.bare, entry.quotes, entry.led or not by_length)
        for problem in problems:
            yield Located(source, error=_told(problem))


# Names of mailbox files, which may be empty.
_MAILBOXES: Final = (".mbox", ".mbx")


def _without_packing(name: str) -> str:
    return name.rpartition(".")[0] if name.lower().endswith((".gz", ".bz2", ".xz")) else name


def _tar_member(tar: "TarFile", member: "TarInfo") -> BinaryIO:
    content = tar.extractfile(member)
    if content is None:
        raise _no_file()
    return cast("BinaryIO", content)


def _raise_no_file() -> BinaryIO:
    raise _no_file()


def _names(path: str) -> Iterator[bytes]:
    """The names in a folder as lines, those of folders and of what is no file with a mark behind them."""
    with os.scandir(os.fsencode(path)) as entries:
        for entry in entries:
            # No name holds a slash or a NUL, and a line no line feed.
            name = entry.name if b"\n" not in entry.name else entry.name.replace(b"\n", b"/")
            if entry.is_file():
                yield name
            elif entry.is_dir():
                yield name + b"\0" + _FOLDER
            else:
                yield name if entry.is_symlink() else name + b"\0" + _OTHER


_FOLDER: Final = b"folder"
_OTHER: Final = b"other"
