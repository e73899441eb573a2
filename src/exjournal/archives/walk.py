"""Finds each message in folders, Maildirs, mailbox files, and tar and zip files, compressed or not.

`locate` yields the place of each message in a stable order, with or without its bytes; `read_source` reads the same bytes
again. `items` reads the messages as reports. A place that cannot be read is yielded with an error.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from enum import Enum, auto
from errno import EINTR, EINVAL
from fnmatch import fnmatchcase
from hashlib import sha256
from io import BytesIO
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeAlias

from exjournal.archives import mbox
from exjournal.archives.foreign import foreign_refusal
from exjournal.archives.sorting import ROOM, in_order
from exjournal.archives.sources import MboxVariant, Source
from exjournal.archives.streams import (
    COMPRESSED_BEGINNINGS,
    HEAD,
    Budget,
    Member,
    archive_error,
    damage_errors,
    decompressed,
    is_compressed,
    peek_head,
    read_all,
    skip,
    too_large,
)
from exjournal.archives.tar_files import USTAR, USTAR_AT, canonical, open_tar_member, tar_members
from exjournal.archives.zip_files import (
    PROGRAM_BEGINNINGS,
    ZIP_BEGINNINGS,
    is_self_extracting,
    open_zip_member,
    zip_members,
)
from exjournal.errors import Defect, DefectCode, ParseError
from exjournal.limits import ARCHIVE_LIMIT, LINK_TARGET_LIMIT, RATIO_FLOOR, RATIO_LIMIT, SIZE_LIMIT, STREAM_COST

if TYPE_CHECKING:
    from io import BufferedReader

    StrPath: TypeAlias = str | os.PathLike[str]


class Located(NamedTuple):
    """A place, with the content there if it was read already, or with the error that keeps it from being read.

    For a message of a mailbox file:

    * `bare_lines`: the number of its lines that begin with `From `.
    * `may_be_quoted`: False if no line begins with `>From `.
    * `is_led`: False if its Content-Length should lead to its end, but does not.
    * `is_apart`: False if the separator after it is not as it should be.

    `opened` is None for every message. A place with another value is not that of a message: it comes before the messages of a
    file that had to be opened to find them, and is the size and time of that file.
    """

    source: Source
    content: bytes | None = None
    error: ParseError | OSError | None = None
    bare_lines: int = 0
    may_be_quoted: bool = True
    is_led: bool = True
    is_apart: bool = True
    opened: "Status | None" = None


# The size of a file and the time when it last changed, in nanoseconds.
Status: TypeAlias = tuple[int, int]


def locate(
    paths: "Sequence[StrPath]",
    /,
    *,
    patterns: Sequence[str] = (),
    mbox: MboxVariant | None = None,
    limit: int = SIZE_LIMIT,
    lazily: bool = False,
    without: "Sequence[StrPath]" = (),
    max_ratio: float = RATIO_LIMIT,
    floor: int = RATIO_FLOOR,
    room: int = ROOM,
    has_files: bool = False,
    meter: "Meter | None" = None,
) -> Iterator[Located]:
    """Yield every message below the paths, in the order of the paths and then of names, and every place that cannot be read.

    `patterns`: the names of files and members to read; without patterns, all that are not hidden are read.
    `mbox`: how mailbox files were written.
    `limit`: a message may have at most this many bytes.
    `lazily`: leave out the content that can be read later from its source alone. A file that is one message never comes with
    its content.
    `without`: files and folders to skip.
    `max_ratio`, `floor`: a file may unpack to this multiple of its size, but always to `floor` bytes.
    `room`: at most this many bytes of the names in a folder are sorted in memory.
    `has_files`: also yield a place for each file that had to be opened, before its messages (`Located.opened`).
    `meter`: counts the bytes of the files on the way.
    """
    walk = _Walk(
        patterns,
        mbox,
        limit,
        lazily=lazily,
        without=without,
        max_ratio=max_ratio,
        floor=floor,
        room=room,
        has_files=has_files,
    )
    return walk.walk(paths) if meter is None else walk.walk_measured(paths, meter)


class Meter:
    """The share of the files of a walk that was passed, in bytes as they are on the disk, compressed or not."""

    def __init__(
        self, paths: "Sequence[StrPath]", /, *, patterns: Sequence[str] = (), without: "Sequence[StrPath]" = ()
    ) -> None:
        walk = _Walk(patterns, None, SIZE_LIMIT, lazily=True, without=without)
        self.total: int = sum(
            _size(found if isinstance(found, str) else found.source.path) for found in walk.files(paths)
        )
        self.passed = 0

    @property
    def share(self) -> float:
        """The share, between 0 and 1; files may have grown since they were measured."""
        return min(1.0, self.passed / self.total) if self.total else 1.0


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


# A batch has at most `_BATCH` messages, and fewer if their content reaches `_BATCH_CONTENT` bytes.
_BATCH: Final = 200
_BATCH_CONTENT: Final = 4 << 20


def in_batches(
    places: Iterable[Located], /, *, count: int = _BATCH, content: int = _BATCH_CONTENT
) -> Iterator[list[Located]]:
    """Yield batches of places for several processes: of `count` places, or of fewer that have at least `content` bytes."""
    batch: list[Located] = []
    size = 0
    for place in places:
        batch.append(place)
        # A size is the same with and without content, so the batches do not depend on the number of processes.
        size += place.source.size or (0 if place.content is None else len(place.content))
        if len(batch) >= count or size >= content:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def content_size(places: Sequence[Located], /) -> int:
    """Return the number of bytes of content that the places contain."""
    return sum(len(place.content) for place in places if place.content is not None)


def read_place(
    place: Located, /, *, limit: int = SIZE_LIMIT, max_ratio: float = RATIO_LIMIT, floor: int = RATIO_FLOOR
) -> tuple[bytes, tuple[Defect, ...]]:
    """Return a message, and a defect for each way in which it may differ from what was sent. Raises OSError and ParseError."""
    if place.error is not None:
        raise place.error
    source, content = place.source, place.content
    if content is None:
        content = _read_file(source.path, limit, max_ratio, floor) if source.offset is None else _read_range(source)
    if source.offset is None:
        return content, ()
    return _undo_mailbox(content, source.mbox, place)


def read_source(source: Source, /) -> bytes:
    """Read the bytes of an item again. Raises OSError, and ParseError for an archive that is damaged or has changed."""
    # The budget has no limit, because everything before the item was already unpacked once to find it.
    budget = Budget()
    try:
        with ExitStack() as stack:
            file = stack.enter_context(_open(source.path))
            stream = decompressed(file, stack, budget)
            is_program = stream is file and peek_head(file)[0].startswith(PROGRAM_BEGINNINGS)
            for _, place in source.members:
                if is_program or peek_head(stream)[0].startswith(ZIP_BEGINNINGS):
                    member = open_zip_member(stream, place, stack, budget)
                else:
                    member = open_tar_member(stream, place, budget)
                stream, is_program = decompressed(stack.enter_context(member), stack, budget), False
            if source.offset is None:
                return read_all(stream, SIZE_LIMIT)
            if stream is file:
                return _undo_mailbox(_read_range(source), source.mbox, Located(source))[0]
            skip(stream, source.offset)
            content = read_all(stream, SIZE_LIMIT, source.size)
    except damage_errors() as error:
        raise archive_error(error) from None  # it may be the same error, which cannot be its own cause
    if source.size is not None and len(content) < source.size:
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "the mailbox file is shorter than before", source.offset)
    return _undo_mailbox(content, source.mbox, Located(source))[0]


# Messages


def _undo_mailbox(content: bytes, variant: MboxVariant | None, place: Located) -> tuple[bytes, tuple[Defect, ...]]:
    """Undo what writing a message to a mailbox file changed; return it with a defect for each possible difference."""
    defects: list[Defect] = []
    if not place.is_led:
        defects.append(Defect(DefectCode.MBOX_LENGTH, "Content-Length does not lead to another message"))
    if not place.is_apart:
        detail = "no blank line, or no mark, after the message"
        defects.append(Defect(DefectCode.MBOX_SEPARATOR, detail, len(content)))
    if variant is MboxVariant.FROM_ANY:
        unquoted = mbox.count_unquoted_lines(content)
        if unquoted:
            defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with From: {unquoted}"))
        return mbox.unquote_any(content), tuple(defects)
    if place.bare_lines and variant is not MboxVariant.MBOXCL2:
        defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with From: {place.bare_lines}"))
    if mbox.header_is_quoted(content):
        detail = "a >From: field: read the file with the variant from-any"
        defects.append(Defect(DefectCode.MBOX_QUOTING, detail))
    has_quotes = place.may_be_quoted and variant is not MboxVariant.MBOXCL2
    quoted = mbox.count_quoted_lines(content) if has_quotes else 0
    if not quoted:
        return content, tuple(defects)
    if variant is MboxVariant.MBOXRD:
        return mbox.unquote(content, every=True), tuple(defects)
    way = "left, as the variant is not known" if variant is None else f"one > removed from each, as in {variant}"
    defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with >From: {quoted}, {way}"))
    return content if variant is None else mbox.unquote(content, every=False), tuple(defects)


def _read_file(path: str, limit: int, max_ratio: float, floor: int) -> bytes:
    """Read a file that is one message. It is not mapped: a file that shrinks while it is mapped ends the process."""
    # Reading without a file object takes fewer calls, which matters for millions of files.
    file = os.open(path, _READING)
    try:
        status = os.fstat(file)
        if not S_ISREG(status.st_mode):
            raise _not_a_file()
        size = status.st_size
        if size > limit:
            raise foreign_refusal(os.read(file, HEAD)) or too_large(limit)
        content = os.read(file, size + 1)
        if len(content) != size:  # The file has grown, or a single call reads less.
            with open(file, "rb", closefd=False) as more:
                content += read_all(more, limit)
    finally:
        os.close(file)
    if content[:2] in COMPRESSED_BEGINNINGS:
        with ExitStack() as stack:
            try:
                return read_all(decompressed(BytesIO(content), stack, Budget(max(floor, max_ratio * size))), limit)
            except damage_errors() as error:
                raise archive_error(error) from None  # it may be the same error, which cannot be its own cause
    return content


def _read_message(stream: "BufferedReader", limit: int) -> bytes:
    """Read the rest of a stream, which is one message. Raises ParseError."""
    begin = peek_head(stream)[0]
    try:
        return read_all(stream, limit)
    except ParseError as error:
        is_large = error.code is DefectCode.ITEM_TOO_LARGE
        raise (foreign_refusal(begin) if is_large else None) or error from None


def _read_range(source: Source) -> bytes:
    """Read a message of a mailbox file. Raises ParseError if its offset no longer has a message."""
    offset = source.offset or 0
    with _open(source.path) as file:
        before = min(offset, HEAD)
        file.seek(offset - before)
        line = file.read(before)
        content = read_all(file, SIZE_LIMIT, source.size)
    start = line.rfind(b"\n", 0, -1) + 1
    # If no line begins in these bytes, the line before the message is the first of the file, or a long one.
    is_there = line.endswith(b"\n") and (not start or line.startswith(mbox.SEPARATORS, start))
    if not is_there or (source.size is not None and len(content) != source.size):
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "the mailbox file has changed", offset)
    return content


def _error_of_place(error: Exception) -> ParseError | OSError:
    """Return the error for a place. The error for a spent budget is raised instead, because it ends the file."""
    result = archive_error(error)
    if isinstance(result, ParseError) and result.code is DefectCode.ARCHIVE_RATIO:
        raise result
    return result


def _not_a_file() -> OSError:
    return OSError(EINVAL, "not a regular file")


# Types of files

# A file with this suffix is one message, regardless of its first bytes.
_MESSAGE: Final = ".eml"
# Files with these suffixes may be empty.
_MAILBOXES: Final = (".mbox", ".mbx")
_TAR: Final = ".tar"


# A zip file inside another archive is copied before it is read. The copy may have this multiple of the largest message.
_COPY_FACTOR: Final = 16


class _Kind(Enum):
    MESSAGE = auto()
    MBOX = auto()
    TAR = auto()
    ZIP = auto()
    NOTHING = auto()


def _detect_kind(begin: bytes, name: str) -> _Kind:
    """Detect the type of a file from its first bytes and its name."""
    name = name.lower()
    if name.endswith(_MESSAGE):
        return _Kind.MESSAGE
    if begin.startswith(ZIP_BEGINNINGS):
        return _Kind.ZIP
    if begin.startswith(USTAR, USTAR_AT) or (name.endswith(_TAR) and begin and not begin.strip(b"\0")):
        return _Kind.TAR
    if not begin and name.endswith(_MAILBOXES):
        return _Kind.NOTHING
    return _Kind.MBOX if mbox.begins_mailbox(begin) else _Kind.MESSAGE


def _without_suffix(name: str) -> str:
    """Return the name of a file without the suffix of its compression."""
    return name.rpartition(".")[0] if name.lower().endswith((".gz", ".bz2", ".xz")) else name


# Opening a pipe or a device must not wait.
_READING: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def _open(path: str) -> "BufferedReader":
    """Open a regular file; others are refused, because reading a pipe or device might never begin or never end."""
    file = os.open(path, _READING)
    try:
        if not S_ISREG(os.fstat(file).st_mode):
            raise _not_a_file()
    except BaseException:
        os.close(file)
        raise
    return open(file, "rb")


def digest_file(path: str, is_over: Callable[[], bool], /) -> tuple[str, Status]:
    """Return the SHA-256 of a regular file, and its status after it was read. Raises OSError, and EINTR once `is_over()`."""
    file = os.open(path, _READING)
    try:
        status = os.fstat(file)
        if not S_ISREG(status.st_mode):
            raise _not_a_file()
        digest = sha256()
        size = min(status.st_size + 1, _DIGESTED)
        while content := os.read(file, size):
            digest.update(content)
            if is_over():
                raise InterruptedError(EINTR, "the run is over")
        return digest.hexdigest(), _status(file)
    finally:
        os.close(file)


# Bytes that are digested at a time.
_DIGESTED: Final = 1 << 20


def file_status(path: str, /) -> Status | None:
    """Return the status of a file, None if there is none."""
    try:
        return _status(path)
    except (OSError, ValueError):
        return None


def _status(file: str | int) -> Status:
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns


# The walk


class _Walk:
    """Walks paths with the options of `locate`."""

    def __init__(
        self,
        patterns: Sequence[str],
        variant: MboxVariant | None,
        limit: int,
        *,
        lazily: bool,
        without: "Sequence[StrPath]",
        max_ratio: float = RATIO_LIMIT,
        floor: int = RATIO_FLOOR,
        room: int = ROOM,
        has_files: bool = False,
    ) -> None:
        self.patterns = [pattern.lower() for pattern in patterns]
        self.variant = None if variant is None else MboxVariant(variant)
        self.limit = limit
        self.lazily = lazily
        self.max_ratio = max_ratio
        self.floor = floor
        self.room = room
        self.has_files = has_files
        # The budget of the file that is being read, and the file itself unless it is one message.
        self.budget = Budget()
        self.opened: BinaryIO | None = None
        self.without = {os.path.realpath(path) for path in without}
        # Only links and files with these names are resolved.
        self.names = {os.path.basename(path) for path in self.without}

    def walk(self, paths: "Sequence[StrPath]") -> Iterator[Located]:
        for found in self.files(paths):
            if isinstance(found, str):
                yield from self.file(found)
            else:
                yield found

    def walk_measured(self, paths: "Sequence[StrPath]", meter: Meter) -> Iterator[Located]:
        before = 0
        for found in self.files(paths):
            size = _size(found if isinstance(found, str) else found.source.path)
            for place in self.file(found) if isinstance(found, str) else (found,):
                meter.passed = before + (size if self.opened is None else self.opened.tell())
                yield place
            before += size

    def files(self, paths: "Sequence[StrPath]") -> Iterator[Located | str]:
        """Yield the places of files that are one message by their names, places with errors, and the paths of other files."""
        for given in paths:
            path = os.fspath(given)
            if "\0" in path:
                yield Located(Source(path), error=OSError(EINVAL, "NUL in the path"))
            elif os.path.isdir(path):
                yield from self.tree(path)
            else:
                yield Located(Source(path)) if path.lower().endswith(_MESSAGE) else path

    def tree(self, path: str) -> Iterator[Located | str]:
        """Yield what `files` yields, for a folder and all folders below it, in the order of names.

        Each folder is read once, even if several links lead to it.
        """
        seen: set[tuple[int, int]] = set()
        # A stack of iterators, because folders can be nested deeper than function calls.
        waiting: list[Iterator[Located | str | _Folder]] = [iter([_Folder(path)])]
        while waiting:
            for found in waiting[-1]:
                if isinstance(found, _Folder):
                    waiting.append(self.folder(found.path, seen))
                    break
                yield found
            else:
                waiting.pop()

    def folder(self, path: str, seen: set[tuple[int, int]]) -> "Iterator[Located | str | _Folder]":
        """Yield what `files` yields, for one folder, and the folders directly in it."""
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in seen:
                return
            seen.add((status.st_dev, status.st_ino))
            is_maildir, in_maildir = _is_maildir(path), _is_maildir(os.path.join(path, ".."))
            names = in_order(_list_names(path), room=self.room)
            line = next(names, None)
        except OSError as error:
            yield Located(Source(path), error=error)
            return
        in_maildir = in_maildir and os.path.basename(path) in _DELIVERED
        prefix = os.path.join(path, "")
        while line is not None:
            name, _, kind = line.partition(b"\0")
            line = next(names, None)
            text = os.fsdecode(name if b"/" not in name else name.replace(b"/", b"\n"))
            below = prefix + text
            is_link = kind.startswith(_LINK)
            if (is_link or text in self.names) and os.path.realpath(below) in self.without:
                continue
            if kind.endswith(_FOLDER):
                # A Maildir contains its subfolders as hidden folders; messages in tmp are not delivered yet.
                if text != "tmp" if is_maildir else text[0] != ".":
                    yield _Folder(below)
            elif in_maildir and not kind.endswith(_OTHER):
                if self.takes(text):
                    yield Located(Source(below))
            elif not self.takes(text) or (is_maildir and text.startswith(_OF_SERVERS)):
                continue
            elif kind.endswith(_OTHER):
                yield Located(Source(below), error=_not_a_file())
            elif text[-4:].lower() == _MESSAGE:
                yield Located(Source(below))
            else:
                yield below

    def takes(self, name: str) -> bool:
        """Whether a file or member is read, by its name."""
        name = name.rpartition("/")[2]
        if not self.patterns:
            return not name.startswith(".")
        return any(fnmatchcase(name.lower(), pattern) for pattern in self.patterns)

    def file(self, path: str) -> Iterator[Located]:
        """Yield the messages of a file of any type."""
        source = Source(path)
        try:
            with _open(path) as file:
                if self.has_files:
                    yield Located(source, opened=_status(file.fileno()))
                begin, _ = peek_head(file)
                kind = _detect_kind(begin, path)
                if kind is _Kind.MESSAGE and begin.startswith(PROGRAM_BEGINNINGS) and is_self_extracting(file):
                    kind = _Kind.ZIP
                if not is_compressed(begin) and kind is _Kind.MESSAGE:
                    yield Located(source)  # Another process may read it.
                else:
                    self.budget = Budget(max(self.floor, self.max_ratio * os.fstat(file.fileno()).st_size))
                    self.opened = file
                    try:
                        yield from self.stream(file, source, path, 0, kind)
                    finally:
                        self.opened = None
        except (OSError, ParseError) as error:
            yield Located(source, error=error)

    def stream(
        self, stream: BinaryIO, source: Source, name: str, depth: int, kind: _Kind | None = None
    ) -> Iterator[Located]:
        """Yield the messages of a stream of any type; `kind` is its type, if known and if it is not compressed."""
        with ExitStack() as stack:
            try:
                inner = decompressed(stream, stack, self.budget)
                is_nested = depth > 0 or inner is not stream
                if is_nested or kind is None:
                    kind = _detect_kind(peek_head(inner)[0], name if inner is stream else _without_suffix(name))
                if kind is _Kind.MESSAGE:
                    yield Located(source, _read_message(inner, self.limit))
                elif kind is _Kind.MBOX:
                    yield from self.mailbox(inner, source, is_nested=is_nested)
                elif kind is not _Kind.NOTHING:
                    if depth == ARCHIVE_LIMIT:
                        raise ParseError(
                            DefectCode.NESTING_LIMIT, f"more than {ARCHIVE_LIMIT} archives inside one another"
                        )
                    if kind is _Kind.TAR:
                        members = self.without_links(tar_members(inner, _not_a_file, self.budget))
                    else:
                        members = zip_members(inner, stack, _COPY_FACTOR * self.limit, self.budget)
                    for member in members:
                        if not self.takes(member.name):
                            continue
                        if is_nested:
                            self.budget.spend(STREAM_COST)
                        below = source._replace(members=(*source.members, (member.name, member.place)))
                        yield from self.member(member, below, depth)
            except damage_errors() as error:
                yield Located(source, error=_error_of_place(error))

    def without_links(self, members: Iterable[Member]) -> Iterator[Member]:
        """Drop folders, and links whose target is a folder or an earlier member that is read itself."""
        # Hashes instead of names, because a name can have a megabyte.
        targets: set[int] = set()
        for member in members:
            if member.link is not None:
                if not member.link or hash(member.link) not in targets:
                    yield member
                continue
            if len(targets) < LINK_TARGET_LIMIT and (member.is_folder or self.takes(member.name)):
                targets.add(hash(canonical(member.name)))
            if not member.is_folder:
                yield member

    def member(self, member: Member, source: Source, depth: int) -> Iterator[Located]:
        """Yield the messages of a member of an archive. If the member is damaged, the members after it are still read."""
        try:
            content = member.open()
        except damage_errors() as error:
            yield Located(source, error=_error_of_place(error))
            return
        with content:
            yield from self.stream(content, source, member.name, depth + 1)

    def mailbox(self, stream: "BufferedReader", source: Source, *, is_nested: bool) -> Iterator[Located]:
        """Yield the messages of a mailbox file. At damage, the messages before it come first, then the error."""
        problems: list[Exception] = []

        def read(size: int) -> bytes:
            try:
                return stream.read1(size)
            except damage_errors() as error:
                problems.append(error)
                return b""

        by_length = self.variant in {MboxVariant.MBOXCL, MboxVariant.MBOXCL2}
        keep = is_nested or not self.lazily
        for entry in mbox.read_messages(read, self.limit, by_length=by_length, keep=keep):
            yield Located(
                Source(source.path, source.members, entry.offset, entry.size, self.variant),
                content=entry.content,
                error=too_large(self.limit) if entry.size > self.limit else None,
                bare_lines=entry.bare_lines,
                may_be_quoted=entry.may_be_quoted,
                is_led=entry.is_led or not by_length,
                is_apart=entry.is_apart,
            )
            if is_nested:
                self.budget.spend(STREAM_COST)
        for problem in problems:
            yield Located(source, error=_error_of_place(problem))


class _Folder(NamedTuple):
    path: str


# The folders with delivered messages in a Maildir, and the prefixes of the files that servers keep beside these folders.
_DELIVERED: Final = ("cur", "new")
_OF_SERVERS: Final = ("dovecot", "courierimap", "maildirfolder", "maildirsize", "subscriptions")


def _is_maildir(path: str) -> bool:
    return all(os.path.isdir(os.path.join(path, name)) for name in _DELIVERED)


def _list_names(path: str) -> Iterator[bytes]:
    """Yield the names in a folder as lines, with a mark after those of links, of folders and of special files."""
    with os.scandir(os.fsencode(path)) as entries:
        for entry in entries:
            # A line must not contain a line feed; a slash can replace it, because a name never contains a slash or NUL.
            name = entry.name if b"\n" not in entry.name else entry.name.replace(b"\n", b"/")
            if entry.is_file(follow_symlinks=False):
                yield name
                continue
            is_link = entry.is_symlink()
            kind = _OTHER
            try:
                kind = _FOLDER if entry.is_dir() else _FILE if entry.is_file() or is_link else _OTHER
            except OSError:
                kind = _FILE  # A link that leads to itself; reading it gives the error.
            yield name + b"\0" + _LINK * is_link + kind


_LINK: Final = b"link to "
_FOLDER: Final = b"folder"
_FILE: Final = b"file"
_OTHER: Final = b"other"
