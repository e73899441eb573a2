"""Reads archives of reports: every item of a tree of files, a Maildir, an mbox, a tar or zip file, in a stable order.

An error in one item is an item itself, so it never ends the run. Mail that is not a report is an item of its own kind. `walk`
finds the bytes; `reports.reader` and `reports.undeliverable` read them.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from exjournal._wire.beginnings import lead_in
from exjournal._wire.headers import first_line_is_field
from exjournal._wire.parts import message_after
from exjournal.archives.foreign import FOREIGN_BEGINNINGS, foreign_refusal
from exjournal.archives.mbox import UNREAD_BEGINNINGS, is_mailbox_of_several, unread_form
from exjournal.archives.parallel import cores, in_parallel, is_over
from exjournal.archives.sources import AnyVariant, MboxVariant, Source
from exjournal.archives.walk import content_size, in_batches, locate, read_place
from exjournal.archives.walk import read_source as read_again
from exjournal.errors import Defect, DefectCode, InvalidValue, ParseError, as_member, require_type
from exjournal.limits import JOBS_LIMIT, RATIO_FLOOR, RATIO_LIMIT
from exjournal.reports.models import COPIES, AnyFormat, ParsedReport, ReportFormat
from exjournal.reports.reader import READS_LIKE, detect_format, parse_report
from exjournal.reports.undeliverable import Undeliverable, unwrap_undeliverable

if TYPE_CHECKING:
    import os

    from exjournal.archives.walk import Located

    StrPath: TypeAlias = str | os.PathLike[str]

Result = TypeVar("Result")


class ArchivedReport(NamedTuple):
    """A report: its place, its bytes, and what it says.

    * `source`: its place.
    * `octets`: its bytes, or those of the bounce in which it was found.
    * `parsed`: the report, with its own defects.
    * `undeliverable`: that bounce, if bounces are read.
    * `defects`: changes that the archive or the bounce may have made in the bytes.
    """

    source: Source
    octets: bytes
    parsed: ParsedReport
    undeliverable: Undeliverable | None = None
    defects: tuple[Defect, ...] = ()

    def __repr__(self) -> str:
        return f"<ArchivedReport {self.source}: {len(self.octets)} bytes>"


class ArchivedMessage(NamedTuple):
    """A message that is not a report; `code` is the reason.

    * `source`, `octets`, `defects`: its place, its bytes, and changes that the archive may have made in them.
    * `code`: `not-a-report` for ordinary mail, `multipart-report` for bounces and receipts, which may hold a report, and
      `no-report-inside` for a bounce that was opened and holds none.
    * `reads_like`: ENVELOPE for a message without a marker that is otherwise a full report of that format, and None for any
      other.
    """

    source: Source
    octets: bytes
    code: DefectCode
    defects: tuple[Defect, ...] = ()
    reads_like: ReportFormat | None = None

    def __repr__(self) -> str:
        return f"<ArchivedMessage {self.source}: {len(self.octets)} bytes>"


class Unreadable(NamedTuple):
    """An item that cannot be used, and why: a file that cannot be opened, a damaged archive, a report that does not parse.

    * `source`: its place.
    * `error`: the reason.
    * `octets`: its bytes, or None if they could not be read.
    * `defects`: changes that the archive may have made in them.
    """

    source: Source
    error: ParseError | OSError
    octets: bytes | None = None
    defects: tuple[Defect, ...] = ()

    def __repr__(self) -> str:
        return f"<Unreadable {self.source}: {self.error}>"


ArchiveItem: TypeAlias = ArchivedReport | ArchivedMessage | Unreadable


def read_archive(
    *paths: "StrPath",
    patterns: Sequence[str] = (),
    mbox: AnyVariant | None = None,
    format: AnyFormat | None = None,
    undeliverable: bool = False,
    unmarked: bool = False,
    names: Mapping[str, str] | None = None,
    max_ratio: float = RATIO_LIMIT,
) -> Iterator[ArchiveItem]:
    """Yield every report, message and unreadable item below the paths, in the order of the paths and then of names.

    A path is a folder, which is read with everything below it, or a file: one message, an mbox, a tar or zip file, or one of
    these compressed with gzip, bzip2 or xz, nested up to five deep. A file's type is detected from its first bytes; one whose
    name ends in `.eml` is one message, as is each file in `cur` and `new` of a Maildir. Hidden files are passed over.

    * `patterns`: read only files and members with such names (`*.txt`, in any letter case).
    * `mbox`: how mbox files were written. Without it their bytes stay as they are, and defects report lines that may be quoted.
    * `format`: the format of copies, as in `parse_report`.
    * `undeliverable`: open bounces, and read the report inside.
    * `unmarked`: read an item without a marker as a report if it reads like an envelope report (`Evidence.UNMARKED`: anyone who
      can mail the archive can send such an item). It cannot be combined with `format`.
    * `names`: the path that sources show for a file, for example for a copy of standard input; `read_source` needs its own
      path.
    * `max_ratio`: a file, with everything nested in it, may unpack to this multiple of its size; 1 GiB is always allowed.
      Beyond that, one `Unreadable` with the code `archive-ratio` takes the place of the rest of the file.

    Memory is that of the largest item (at most 256 MB) and some ten megabytes. Errors in archives are items. Raises
    InvalidValue for a ratio below 1 and for `unmarked` with `format`, and TypeError.
    """
    return map_archive(
        _same,
        *paths,
        jobs=1,
        patterns=patterns,
        mbox=mbox,
        format=format,
        undeliverable=undeliverable,
        unmarked=unmarked,
        names=names,
        max_ratio=max_ratio,
    )


def _same(item: ArchiveItem) -> ArchiveItem:
    return item


def map_archive(
    function: Callable[[ArchiveItem], Result],
    *paths: "StrPath",
    jobs: int = 0,
    patterns: Sequence[str] = (),
    mbox: AnyVariant | None = None,
    format: AnyFormat | None = None,
    undeliverable: bool = False,
    unmarked: bool = False,
    names: Mapping[str, str] | None = None,
    max_ratio: float = RATIO_LIMIT,
) -> Iterator[Result]:
    """Apply a function to every item of `read_archive`, on several processes, and yield the results in the same order.

    `jobs` is the number of processes, up to 256; with 0 there is one for each core. Items stay in their process, so the
    function and its results have to be picklable, and should be small. Reading waits until results are taken. An error that the
    function raises ends the run, with the source in a note; one that cannot be pickled becomes a RuntimeError that names its
    type. An interrupt, or closing the iterator, waits for the items in work and begins no more.

    The other options are those of `read_archive`. Raises InvalidValue, TypeError, and ChildProcessError if a process was
    killed.
    """
    check_limits(jobs, max_ratio)
    count = jobs or cores()
    reader = Reader(format, undeliverable=undeliverable, unmarked=unmarked, names=names, max_ratio=max_ratio)
    places = locate(paths, patterns=as_patterns(patterns), mbox=as_variant(mbox), lazily=count > 1, max_ratio=max_ratio)
    return map_places(function, reader, places, count)


def map_places(
    function: Callable[[ArchiveItem], Result], reader: "Reader", places: "Iterator[Located]", jobs: int
) -> Iterator[Result]:
    """Apply a function to the items at places, on `jobs` processes, and yield the results in the order of the places."""
    if jobs == 1:
        return (_apply(function, reader(place)) for place in places)
    return _share(function, reader, places, jobs)


def _share(
    function: Callable[[ArchiveItem], Result], reader: "Reader", places: "Iterator[Located]", jobs: int
) -> Iterator[Result]:
    work = partial(apply_to_batch, function, reader)
    for results in in_parallel(work, in_batches(places), jobs=jobs, weigh=content_size):
        yield from results


def check_limits(jobs: int, max_ratio: float) -> None:
    """Raise InvalidValue for a number of processes or a ratio out of range."""
    if not 0 <= jobs <= JOBS_LIMIT:
        raise InvalidValue("jobs", f"must be between 0 and {JOBS_LIMIT}; 0 is one for each core")
    if not max_ratio >= 1:
        raise InvalidValue("max_ratio", "must be at least 1")


def as_patterns(patterns: Sequence[str]) -> Sequence[str]:
    """Return patterns of names as a sequence; one string is one pattern. Raises TypeError."""
    if isinstance(patterns, str):
        return (patterns,)
    if not isinstance(patterns, Iterable) or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"patterns must be a sequence of strings, not {type(patterns).__name__}")
    return patterns


def as_variant(mbox: AnyVariant | None) -> MboxVariant | None:
    """Return a variant that is given as such or by its value. Raises InvalidValue."""
    return None if mbox is None else as_member("mbox", mbox, MboxVariant)


def apply_to_batch(
    function: Callable[[ArchiveItem], Result], reader: "Reader", places: "Sequence[Located]"
) -> list[Result]:
    """Apply a function to the items of a batch, in the process that works on it."""
    results = []
    for number, place in enumerate(places):
        if not number % _LOOK and is_over():
            break
        item = reader(place)
        try:
            results.append(_apply(function, item))
        except Exception as error:
            _require_picklable(error)
            raise
    return results


# A process checks after this number of items whether the run is over.
_LOOK: Final = 8


def _require_picklable(error: Exception) -> None:
    """Raise another error in place of one that cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of this process itself
    except Exception:  # noqa: BLE001 - pickling can raise anything
        other = RuntimeError(f"{type(error).__name__}, which cannot be sent to another process")
        for note in error.__notes__:
            other.add_note(note)
        raise other from None


def _apply(function: Callable[[ArchiveItem], Result], item: ArchiveItem) -> Result:
    try:
        return function(item)
    except Exception as error:
        error.add_note(f"for {item.source}")
        raise


def read_source(source: Source, /) -> bytes:
    """Read the bytes of an item again.

    Raises OSError, TypeError, and ParseError (`archive-damaged`) for an archive that is damaged or has changed.
    """
    require_type(source, Source, "a Source")
    return read_again(source)


class Reader:
    """Reads the items at places, with the options of `read_archive`; `floor` is that of `locate`."""

    def __init__(
        self,
        format: AnyFormat | None,
        *,
        undeliverable: bool,
        unmarked: bool = False,
        names: Mapping[str, str] | None = None,
        max_ratio: float = RATIO_LIMIT,
        floor: int = RATIO_FLOOR,
    ) -> None:
        if unmarked and format is not None:
            raise InvalidValue("unmarked", "cannot be combined with format")
        self.format: ReportFormat | None = None if format is None else as_member("format", format, ReportFormat)
        self.unmarked = unmarked
        self.undeliverable = undeliverable
        self.names: dict[str, str] = dict(names or {})
        self.max_ratio = max_ratio
        self.floor = floor

    def __call__(self, place: "Located") -> ArchiveItem:
        """Read the item at a place."""
        source = place.source
        if self.names:
            source = source._replace(path=self.names.get(source.path, source.path))
        try:
            content, defects = read_place(place, max_ratio=self.max_ratio, floor=self.floor)
        except (OSError, ParseError) as error:
            return _unreadable(source, error)
        if content[:1] in UNREAD_BEGINNINGS and (form := unread_form(content[:_BEGINNING])) is not None:
            detail = f"a mailbox file in a form that is not read: {form}"
            return _unreadable(source, ParseError(DefectCode.ANOTHER_MESSAGE, detail), content, defects)
        if content.startswith(FOREIGN_BEGINNINGS) and (refusal := foreign_refusal(content)) is not None:
            return _unreadable(source, refusal, content, defects)
        if self.undeliverable and self.format in COPIES:
            # As a copy, a bounce would be read like any message.
            return self._rescue(source, content, None, defects)
        try:
            return ArchivedReport(source, content, parse_report(content, format=self.format), None, defects)
        except ParseError as error:
            if self.format is not None and error.code in _NO_TEXT and detect_format(content) is None:
                # In a mixed archive most messages without a marker are ordinary mail.
                error = ParseError(DefectCode.NOT_A_REPORT)
            if error.code not in _NO_REPORT:
                return _unreadable(source, error, content, defects)
            if self.unmarked and error.detail == READS_LIKE:
                return ArchivedReport(
                    source, content, parse_report(content, format=ReportFormat.ENVELOPE), None, defects
                )
            if self.undeliverable:
                return self._rescue(source, content, error, defects)
            return _message(source, content, error, defects)

    def _rescue(
        self, source: Source, content: bytes, refusal: ParseError | None, defects: tuple[Defect, ...]
    ) -> ArchiveItem:
        """Read the report inside a bounce, or inside a forwarded message; `refusal` is the error of the message itself."""
        try:
            bounce = unwrap_undeliverable(content, format=self.format)
            parsed = bounce.parsed
            if parsed is None:
                detail = "the bounce has only the header of a report"
                return Unreadable(source, ParseError(DefectCode.NO_REPORT_INSIDE, detail), content, defects)
        except ParseError as error:
            # Ordinary mail may hold more than the limits for bounces allow.
            is_mail = refusal is not None and refusal.code is DefectCode.NOT_A_REPORT
            if error.code not in _NO_REPORT and not is_mail:
                return _unreadable(source, error, content, defects)
            message = _message(source, content, error, defects)
            if refusal is not None and refusal.detail == READS_LIKE and isinstance(message, ArchivedMessage):
                message = message._replace(reads_like=ReportFormat.ENVELOPE)
            return message
        bounced = None if bounce.report == content else bounce
        return ArchivedReport(source, content, parsed, bounced, (*defects, *bounce.defects))


# Bytes from which the form of a mailbox file is detected.
_BEGINNING: Final = 64
# The codes of messages that are not reports.
_NO_REPORT: Final = frozenset(
    (DefectCode.NOT_A_REPORT, DefectCode.MULTIPART_REPORT, DefectCode.EMBEDDED_REPORT, DefectCode.NO_REPORT_INSIDE)
)
# The codes of ordinary mail that is read in an envelope format: its body is not a report text.
_NO_TEXT: Final = frozenset(
    (
        DefectCode.REPORT_TEXT_MISSING,
        DefectCode.REPORT_TEXT_TOO_LARGE,
        DefectCode.REPORT_TNEF,
        DefectCode.TOO_MANY_PARTS,
    )
)


def _message(source: Source, content: bytes, error: ParseError, defects: tuple[Defect, ...]) -> ArchiveItem:
    """Return the item for a message that is not a report, with a defect for another message after it.

    It is unreadable if it does not begin as a message.
    """
    start = lead_in(content).block
    if first_line_is_field(content, start, len(content)):
        another = message_after(content, start, len(content))
        if not another and start and source.offset is None and is_mailbox_of_several(content):
            another = (Defect(DefectCode.ANOTHER_MESSAGE, "a mailbox file that was read as one message", start),)
        reads_like = ReportFormat.ENVELOPE if error.detail == READS_LIKE else None
        return ArchivedMessage(source, content, error.code, (*defects, *another), reads_like)
    name = source.members[-1][0] if source.members else source.path
    refusal = foreign_refusal(b"", name) if source.offset is None else None
    return _unreadable(source, refusal or error, content, defects)


def _unreadable(
    source: Source, error: ParseError | OSError, content: bytes | None = None, defects: tuple[Defect, ...] = ()
) -> Unreadable:
    """Return an unreadable item. Its error loses the frames, which hold the content."""
    problem: BaseException | None = error
    while problem is not None:
        problem.__traceback__ = None
        problem = problem.__cause__ or problem.__context__
    return Unreadable(source, error, content, defects)
