"""The way through trees of files, Maildirs, mboxes, tar and zip files, and what is compressed of them, to each message.

`located` goes it in a stable order and gives each message's place, with its octets or without; `read_source` finds the same
octets again. Nothing is read as a report here, and whatever cannot be read is told in its place.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from enum import Enum, auto
from errno import EINVAL
from fnmatch import fnmatchcase
from io import BytesIO
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeAlias

from exjournal.archives import mbox
from exjournal.archives.sorting import in_order
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
    """A place, with the octets that lie there where they are at hand, or with what keeps them from being read.

    Of a message in a mailbox file `bare` counts the lines in it that begin with `From `; without `quotes` no line begins with
    `>From `; `led` is False where its Content-Length was to lead to its end and did not; `apart` is False where the separator
    after it is not as it should be.
    """

    source: Source
    octets: bytes | None = None
    error: ParseError | OSError | None = None
    bare: int = 0
    quotes: bool = True
    led: bool = True
    apart: bool = True


def located(
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
) -> Iterator[Located]:
    """Every message below the paths, in the order of the paths and in them of names, and every place that cannot be read.

    With `lazily` what can be read by its source alone comes without octets; loose files always do. `without` are files and
    folders that are passed over. Of each file at most `max_ratio` times its size is unpacked, but always `floor` bytes.
    """
    walk = _Walk(patterns, mbox, limit, lazily=lazily, without=without, max_ratio=max_ratio, floor=floor)
    return walk.all(paths)


def octets_in(
    paths: "Sequence[StrPath]", /, *, patterns: Sequence[str] = (), without: "Sequence[StrPath]" = ()
) -> int | None:
    """How many octets of mail there are, as far as files can be seen; None where some are compressed."""
    total = 0
    for found in _Walk(patterns, None, SIZE_LIMIT, lazily=True, without=without).files(paths):
        path = found if isinstance(found, str) else found.source.path
        if path.lower().endswith(_COMPRESSED):
            return None
        with suppress(OSError, ValueError):
            total += os.stat(path).st_size
    return total


_COMPRESSED: Final = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zip")


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


def octets_at_hand(places: Sequence[Located], /) -> int:
    """How many octets places carry with them."""
    return sum(len(place.octets) for place in places if place.octets is not None)


def octets_of(
    place: Located, /, *, limit: int = SIZE_LIMIT, max_ratio: float = RATIO_LIMIT, floor: int = RATIO_FLOOR
) -> tuple[bytes, tuple[Defect, ...]]:
    """The octets of a message, and what about them may not be as they were sent. Raises OSError and ParseError."""
    if place.error is not None:
        raise place.error
    source, octets = place.source, place.octets
    if octets is None:
        octets = _file(source.path, limit, max_ratio, floor) if source.offset is None else _range(source)
    if source.offset is None:
        return octets, ()
    return _as_sent(octets, source.mbox, place)


def read_source(source: Source, /) -> bytes:
    """The octets of an item, read again. Raises OSError, and ParseError for an archive that is damaged or not the same."""
    # Without a limit: what is unpacked before the item was unpacked when it was found.
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
                return _as_sent(_range(source), source.mbox, Located(source))[0]
            skip(stream, source.offset)
            octets = read_all(stream, SIZE_LIMIT, source.size)
    except damage_errors() as error:
        raise archive_error(error) from None  # it may be the same error, and no error is its own cause
    if source.size is not None and len(octets) < source.size:
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it is shorter than it was", source.offset)
    return _as_sent(octets, source.mbox, Located(source))[0]


# Messages


def _as_sent(octets: bytes, variant: MboxVariant | None, place: Located) -> tuple[bytes, tuple[Defect, ...]]:
    """A message of a mailbox file as it was before it was written there, and what may differ from that."""
    defects: list[Defect] = []
    if not place.led:
        defects.append(Defect(DefectCode.MBOX_LENGTH, "Content-Length leads to no other message"))
    if not place.apart:
        defects.append(Defect(DefectCode.MBOX_SEPARATOR, "no blank line, or no mark, after the message", len(octets)))
    if variant is MboxVariant.FROM_ANY:
        unquoted = mbox.unquoted_lines(octets)
        if unquoted:
            defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with From: {unquoted}"))
        return mbox.without_any_quotes(octets), tuple(defects)
    if place.bare and variant is not MboxVariant.MBOXCL2:
        defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with From: {place.bare}"))
    if mbox.header_is_quoted(octets):
        detail = "a >From: field: read the file with the variant from-any"
        defects.append(Defect(DefectCode.MBOX_QUOTING, detail))
    quoted = mbox.quoted_lines(octets) if place.quotes and variant is not MboxVariant.MBOXCL2 else 0
    if not quoted:
        return octets, tuple(defects)
    if variant is MboxVariant.MBOXRD:
        return mbox.without_quotes(octets, every=True), tuple(defects)
    way = "left, as the variant is not known" if variant is None else f"without one > each, as {variant} has it"
    defects.append(Defect(DefectCode.MBOX_QUOTING, f"lines that begin with >From: {quoted}, {way}"))
    return octets if variant is None else mbox.without_quotes(octets, every=False), tuple(defects)


def _file(path: str, limit: int, max_ratio: float, floor: int) -> bytes:
    """A file, read and not mapped: one that is cut short while it is mapped ends the process."""
    # A call less for each of them is worth it where there are millions.
    file = os.open(path, _READING)
    try:
        status = os.fstat(file)
        if not S_ISREG(status.st_mode):
            raise _no_file()
        size = status.st_size
        if size > limit:
            raise too_large(limit)
        octets = os.read(file, size + 1)
        if len(octets) != size:  # it grew, or there is more than one call gives
            with open(file, "rb", closefd=False) as rest:
                octets += read_all(rest, limit)
    finally:
        os.close(file)
    if octets[:2] in COMPRESSED_BEGINNINGS:
        with ExitStack() as stack:
            try:
                return read_all(decompressed(BytesIO(octets), stack, Budget(max(floor, max_ratio * size))), limit)
            except damage_errors() as error:
                raise archive_error(error) from None  # it may be the same error, and no error is its own cause
    return octets


def _range(source: Source) -> bytes:
    """A message of a mailbox file, if there still is one."""
    offset = source.offset or 0
    with _open(source.path) as file:
        before = min(offset, HEAD)
        file.seek(offset - before)
        line = file.read(before)
        octets = read_all(file, SIZE_LIMIT, source.size)
    start = line.rfind(b"\n", 0, -1) + 1
    # Where no line begins in what was read, it is the first of the file, or a long one.
    is_there = line.endswith(b"\n") and (not start or line.startswith(mbox.SEPARATORS, start))
    if not is_there or (source.size is not None and len(octets) != source.size):
        raise ParseError(DefectCode.ARCHIVE_DAMAGED, "it is not what it was", offset)
    return octets


def _of_place(error: Exception) -> ParseError | OSError:
    """The error for a place; raises that of a budget that is spent, which ends the whole file."""
    found = archive_error(error)
    if isinstance(found, ParseError) and found.code is DefectCode.ARCHIVE_RATIO:
        raise found
    return found


def _no_file() -> OSError:
    return OSError(EINVAL, "is no regular file")


# What a file is, by its first octets

# A file of this name is one message, whatever it begins with.
_MESSAGE: Final = ".eml"
# Files of these names may have nothing in them.
_MAILBOXES: Final = (".mbox", ".mbx")
_TAR: Final = ".tar"


# A zip file inside another archive is copied before it is read; so many times the size of the largest message.
_COPIED: Final = 16


class _Kind(Enum):
    MESSAGE = auto()
    MBOX = auto()
    TAR = auto()
    ZIP = auto()
    NOTHING = auto()


def _kind(begin: bytes, name: str) -> _Kind:
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


def _without_packing(name: str) -> str:
    return name.rpartition(".")[0] if name.lower().endswith((".gz", ".bz2", ".xz")) else name


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


# The way through


class _Walk:
    """Goes through paths."""

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
    ) -> None:
        self.patterns = [pattern.lower() for pattern in patterns]
        self.variant = None if variant is None else MboxVariant(variant)
        self.limit = limit
        self.lazily = lazily
        self.max_ratio = max_ratio
        self.floor = floor
        # Of the file that is read.
        self.budget = Budget()
        self.without = {os.path.realpath(one) for one in without}
        # What a path leads to is looked up only for links, and for names that are among these.
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
            if "\0" in path:
                yield Located(Source(path), error=OSError(EINVAL, "has a NUL in its name"))
            elif os.path.isdir(path):
                yield from self.tree(path)
            else:
                yield Located(Source(path)) if path.lower().endswith(_MESSAGE) else path

    def tree(self, path: str) -> Iterator[Located | str]:
        """The same for a folder and those below it, in the order of names; each folder once, whatever links lead to it."""
        seen: set[tuple[int, int]] = set()
        # One behind the other and not one in the other: folders can be deeper than calls.
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
        """What is in one folder."""
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in seen:
                return
            seen.add((status.st_dev, status.st_ino))
            is_maildir, in_maildir = _is_maildir(path), _is_maildir(os.path.join(path, ".."))
            names = in_order(_names(path))
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
                # A Maildir has its folders inside, hidden from who lists it; what waits in tmp was not delivered yet.
                if text != "tmp" if is_maildir else text[0] != ".":
                    yield _Folder(below)
            elif in_maildir and not kind.endswith(_OTHER):
                if self.takes(text):
                    yield Located(Source(below))
            elif not self.takes(text) or (is_maildir and text.startswith(_OF_SERVERS)):
                continue
            elif kind.endswith(_OTHER):
                yield Located(Source(below), error=_no_file())
            elif text[-4:].lower() == _MESSAGE:
                yield Located(Source(below))
            else:
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
            with _open(path) as file:
                begin, _ = peek_head(file)
                kind = _kind(begin, path)
                if kind is _Kind.MESSAGE and begin.startswith(PROGRAM_BEGINNINGS) and is_self_extracting(file):
                    kind = _Kind.ZIP
                if not is_compressed(begin) and kind is _Kind.MESSAGE:
                    yield Located(source)  # read as all others are, perhaps by another process
                else:
                    self.budget = Budget(max(self.floor, self.max_ratio * os.fstat(file.fileno()).st_size))
                    yield from self.stream(file, source, path, 0, kind)
        except (OSError, ParseError) as error:
            yield Located(source, error=error)

    def stream(
        self, stream: BinaryIO, source: Source, name: str, depth: int, kind: _Kind | None = None
    ) -> Iterator[Located]:
        """The messages of a stream, whatever it is; `kind` is that of a stream that is not compressed, where it is known."""
        with ExitStack() as stack:
            try:
                inner = decompressed(stream, stack, self.budget)
                is_nested = depth > 0 or inner is not stream
                if is_nested or kind is None:
                    kind = _kind(peek_head(inner)[0], name if inner is stream else _without_packing(name))
                if kind is _Kind.MESSAGE:
                    yield Located(source, read_all(inner, self.limit))
                elif kind is _Kind.MBOX:
                    yield from self.mailbox(inner, source, is_nested=is_nested)
                elif kind is not _Kind.NOTHING:
                    if depth == ARCHIVE_LIMIT:
                        raise ParseError(
                            DefectCode.NESTING_LIMIT, f"more than {ARCHIVE_LIMIT} archives inside one another"
                        )
                    if kind is _Kind.TAR:
                        members = self.without_links(tar_members(inner, _no_file, self.budget))
                    else:
                        members = zip_members(inner, stack, _COPIED * self.limit, self.budget)
                    for member in members:
                        if not self.takes(member.name):
                            continue
                        if is_nested:
                            self.budget.spend(STREAM_COST)
                        below = source._replace(members=(*source.members, (member.name, member.place)))
                        yield from self.member(member, below, depth)
            except damage_errors() as error:
                yield Located(source, error=_of_place(error))

    def without_links(self, members: Iterable[Member]) -> Iterator[Member]:
        """Members without folders, and without links to folders and to members before them that are read themselves."""
        # Hashes, as a name may have a megabyte.
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
        """The messages of a member of an archive; one that is damaged does not end those that follow."""
        try:
            content = member.open()
        except damage_errors() as error:
            yield Located(source, error=_of_place(error))
            return
        with content:
            yield from self.stream(content, source, member.name, depth + 1)

    def mailbox(self, stream: "BufferedReader", source: Source, *, is_nested: bool) -> Iterator[Located]:
        """The messages of a mailbox file; where it is damaged, those that were read before."""
        problems: list[Exception] = []

        def read(size: int) -> bytes:
            try:
                return stream.read1(size)
            except damage_errors() as error:
                problems.append(error)
                return b""

        by_length = self.variant in {MboxVariant.MBOXCL, MboxVariant.MBOXCL2}
        keep = is_nested or not self.lazily
        for entry in mbox.messages(read, self.limit, by_length=by_length, keep=keep):
            place = Source(source.path, source.members, entry.offset, entry.size, self.variant)
            error = too_large(self.limit) if entry.size > self.limit else None
            is_led = entry.led or not by_length
            yield Located(place, entry.octets, error, entry.bare, entry.quotes, is_led, entry.apart)
            if is_nested:
                self.budget.spend(STREAM_COST)
        for problem in problems:
            yield Located(source, error=_of_place(problem))


class _Folder(NamedTuple):
    path: str


# What a Maildir has delivered, and files that servers keep beside it.
_DELIVERED: Final = ("cur", "new")
_OF_SERVERS: Final = ("dovecot", "courierimap", "maildirfolder", "maildirsize", "subscriptions")


def _is_maildir(path: str) -> bool:
    return all(os.path.isdir(os.path.join(path, name)) for name in _DELIVERED)


def _names(path: str) -> Iterator[bytes]:
    """The names in a folder as lines, those of links, of folders and of what is no file with a mark behind them."""
    with os.scandir(os.fsencode(path)) as entries:
        for entry in entries:
            # No name holds a slash or a NUL, and a line no line feed.
            name = entry.name if b"\n" not in entry.name else entry.name.replace(b"\n", b"/")
            if entry.is_file(follow_symlinks=False):
                yield name
                continue
            is_link = entry.is_symlink()
            kind = _OTHER
            try:
                kind = _FOLDER if entry.is_dir() else _FILE if entry.is_file() or is_link else _OTHER
            except OSError:
                kind = _FILE  # a link that leads to itself: reading it tells
            yield name + b"\0" + _LINK * is_link + kind


_LINK: Final = b"link to "
_FOLDER: Final = b"folder"
_FILE: Final = b"file"
_OTHER: Final = b"other"
