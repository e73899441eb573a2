"""Archives of reports: every item of a tree of files, a Maildir, an mbox, a tar or zip file, in a stable order.

Whatever goes wrong with one item is an item itself, so that it never ends the run; mail that is no report is an item of its own
kind. `containers` finds the octets, `parser` and `undeliverable` read them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from exjournal._wire.beginnings import lead_in
from exjournal._wire.headers import first_line_is_field
from exjournal._wire.parts import message_after
from exjournal.archives.mbox import UNREAD_BEGINNINGS, is_mailbox_of_several, unread_form
from exjournal.archives.parallel import cores, in_parallel, is_over
from exjournal.archives.sources import MboxVariant, Source
from exjournal.archives.walk import batches, located, octets_at_hand, octets_of
from exjournal.archives.walk import octets_in as count
from exjournal.archives.walk import read_source as read
from exjournal.errors import Defect, DefectCode, InvalidValue, ParseError, require_type
from exjournal.limits import JOBS_LIMIT, RATIO_LIMIT
from exjournal.reports.models import COPIES, ParsedReport, ReportFormat
from exjournal.reports.reader import READS_LIKE, detect_format, parse_report
from exjournal.reports.undeliverable import Undeliverable, unwrap_undeliverable

if TYPE_CHECKING:
    import os

    from exjournal.archives.walk import Located

    StrPath: TypeAlias = str | os.PathLike[str]

Result = TypeVar("Result")


class ArchivedReport(NamedTuple):
    """A report: where it lies, its octets, and what it says.

    `undeliverable` is the bounce in which it was found, where bounces are read; `octets` are then those of the bounce.
    `defects` tell what the archive or the bounce may have changed about the octets; what is odd about the report stands in
    `parsed.defects`.
    """

    source: Source
    octets: bytes
    parsed: ParsedReport
    undeliverable: Undeliverable | None = None
    defects: tuple[Defect, ...] = ()

    def __repr__(self) -> str:
        return f"<ArchivedReport {self.source}: {len(self.octets)} octets>"


class ArchivedMessage(NamedTuple):
    """A message that is no report; `code` says how that is known.

    Such as `not-a-report` for ordinary mail, `multipart-report` for bounces and receipts, which may hold a report, and
    `no-report-inside` for a bounce that was looked into and holds none. `reads_like` is ENVELOPE for a message that reads like
    a report of that format in full and has no marker, and None for any other.
    """

    source: Source
    octets: bytes
    code: DefectCode
    defects: tuple[Defect, ...] = ()
    reads_like: ReportFormat | None = None

    def __repr__(self) -> str:
        return f"<ArchivedMessage {self.source}: {len(self.octets)} octets>"


class Unreadable(NamedTuple):
    """What is there and cannot be used, and why: a file that cannot be opened, a damaged archive, a report that does not parse.

    `octets` are None where they could not be read.
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
    mbox: MboxVariant | None = None,
    format: ReportFormat | None = None,
    undeliverable: bool = False,
    unmarked: bool = False,
    names: Mapping[str, str] | None = None,
    max_ratio: float = RATIO_LIMIT,
) -> Iterator[ArchiveItem]:
    """Every report, message and unreadable thing below the paths: in the order of the paths, and in each of names.

    A path is a folder, which is read with all below it, or a file: one message, an mbox, a tar or zip file, or one of these
    compressed by gzip, bzip2 or xz, also inside one another up to five deep. What a file is tell its first octets; one whose
    name ends in `.eml` is one message, as is each file in `cur` and `new` of a Maildir. Hidden files are passed over; with
    `patterns` only files and members of such names are read (`*.txt`, in any letter case). `mbox` says how mbox files were
    written; without it their octets stay as they are, and a defect tells of lines that may have been changed. `format` is that
    of copies, as in `parse_report`. With `undeliverable` bounces are read for the report inside. With `unmarked`
    an item that has no marker and reads like an envelope report is read as one (`Evidence.UNMARKED`: anyone who can mail the
    archive can send such a thing), and everything else as usual; it cannot be combined with `format`. `names` gives the
    path that sources show for a file, where its own means nothing (a copy of standard input, a download); `read_source` needs
    the file's own path.

    `max_ratio` limits what one file with all that is nested in it may unpack to, as a multiple of its size; 1 GiB is always
    allowed. Beyond it, one `Unreadable` with the code `archive-ratio` takes the place of the rest of the file, and reading goes
    on with the next file.

    Memory is that of the largest item (at most 256 MB) and some ten megabytes. Never raises for what it reads. Raises
    InvalidValue for a ratio below 1, and for `unmarked` with `format`.
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
    mbox: MboxVariant | None = None,
    format: ReportFormat | None = None,
    undeliverable: bool = False,
    unmarked: bool = False,
    names: Mapping[str, str] | None = None,
    max_ratio: float = RATIO_LIMIT,
) -> Iterator[Result]:
    """What a function makes of every item of `read_archive`, in the same order, worked out by so many processes.

    With `jobs` 0 that is one for each core; more than 256 are refused. Items stay in the processes; the function and what it
    returns have to be picklable, and should be small. Reading waits for whoever takes the results. What the function raises
    ends the run, with the source in a note. An interrupt, or closing the iterator, waits for the items under way and begins no
    more. Raises InvalidValue, and ChildProcessError where a process was killed.
    """
    check_limits(jobs, max_ratio)
    count = jobs or cores()
    reader = Reader(format, undeliverable=undeliverable, unmarked=unmarked, names=names, max_ratio=max_ratio)
    found = located(paths, patterns=names_of(patterns), mbox=variant_of(mbox), lazily=count > 1, max_ratio=max_ratio)
    if count == 1:
        return (_applied(function, reader(place)) for place in found)
    return _shared(function, reader, found, count)


def _shared(
    function: Callable[[ArchiveItem], Result], reader: "Reader", found: "Iterator[Located]", jobs: int
) -> Iterator[Result]:
    from functools import partial

    for results in in_parallel(partial(_worked, function, reader), batches(found), jobs=jobs, weigh=octets_at_hand):
        yield from results


def check_limits(jobs: int, max_ratio: float) -> None:
    """Raise InvalidValue for a number of processes or a ratio out of range."""
    if not 0 <= jobs <= JOBS_LIMIT:
        raise InvalidValue("jobs", f"must be between 0 and {JOBS_LIMIT}; 0 is one for each core")
    if not max_ratio >= 1:
        raise InvalidValue("max_ratio", "must be at least 1")


def names_of(patterns: Sequence[str]) -> Sequence[str]:
    """Patterns of names; one alone is one, and not its letters."""
    if isinstance(patterns, str):
        return (patterns,)
    if not isinstance(patterns, Iterable) or not all(isinstance(one, str) for one in patterns):
        raise TypeError(f"patterns are names of files, as a sequence of strings, not {type(patterns).__name__}")
    return patterns


def variant_of(mbox: MboxVariant | None) -> MboxVariant | None:
    """A variant, also by its name."""
    try:
        return None if mbox is None else MboxVariant(mbox)
    except ValueError:
        raise InvalidValue("mbox", "is no MboxVariant") from None


def _worked(function: Callable[[ArchiveItem], Result], reader: "Reader", places: "Sequence[Located]") -> list[Result]:
    results = []
    for number, place in enumerate(places):
        if not number % _LOOK and is_over():
            break
        item = reader(place)
        try:
            results.append(_applied(function, item))
        except Exception as error:
            _send_back(error)
            raise
    return results


# Items between two looks at whether anybody waits for them.
_LOOK: Final = 8


def _send_back(error: Exception) -> None:
    """Raise another error in the place of one that cannot be sent to another process."""
    import pickle

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of this process itself
    except Exception:  # noqa: BLE001 - whatever keeps it from being sent
        other = RuntimeError(f"{type(error).__name__}, which cannot be sent to another process")
        for note in error.__notes__:
            other.add_note(note)
        raise other from None


def _applied(function: Callable[[ArchiveItem], Result], item: ArchiveItem) -> Result:
    try:
        return function(item)
    except Exception as error:
        error.add_note(f"for {item.source}")
        raise


def octets_in(*paths: "StrPath", patterns: Sequence[str] = ()) -> int | None:
    """How many octets the files below the paths have, by a look at their sizes; None where some are compressed.

    For telling how far a run is.
    """
    return count(paths, patterns=names_of(patterns))


def read_source(source: Source, /) -> bytes:
    """The octets of an item, read again from where they lie.

    Raises OSError, and ParseError (`archive-damaged`) for an archive that is damaged or not what it was.
    """
    require_type(source, Source, "a Source")

    return read(source)


class Reader:
    """Makes items of places."""

    def __init__(
        self,
        format: ReportFormat | None,
        *,
        undeliverable: bool,
        unmarked: bool = False,
        names: Mapping[str, str] | None = None,
        max_ratio: float = RATIO_LIMIT,
    ) -> None:
        if unmarked and format is not None:
            raise InvalidValue("unmarked", "cannot be combined with a format, in which everything is read")
        self.format = format
        self.unmarked = unmarked
        self.undeliverable = undeliverable
        self.names = dict(names or {})
        self.max_ratio = max_ratio
        self.octets_of = octets_of

    def __call__(self, place: "Located") -> ArchiveItem:
        """The item that lies at a place."""
        source = place.source
        if self.names:
            source = source._replace(path=self.names.get(source.path, source.path))
        try:
            octets, defects = self.octets_of(place, max_ratio=self.max_ratio)
        except (OSError, ParseError) as error:
            return _unreadable(source, error)
        if octets[:1] in UNREAD_BEGINNINGS and (form := unread_form(octets[:_BEGINNING])) is not None:
            detail = f"messages in a form that is not read here: {form}"
            return _unreadable(source, ParseError(DefectCode.ANOTHER_MESSAGE, detail), octets, defects)
        if self.undeliverable and self.format in COPIES:
            # A bounce reads like a copy as well as any message does.
            return self._rescued(source, octets, None, defects)
        try:
            return ArchivedReport(source, octets, parse_report(octets, format=self.format), None, defects)
        except ParseError as error:
            if self.format is not None and error.code in _NO_TEXT and detect_format(octets) is None:
                # In a mixed archive most messages without a marker are ordinary mail.
                error = ParseError(DefectCode.NOT_A_REPORT)
            if error.code not in _NO_REPORT:
                return _unreadable(source, error, octets, defects)
            if self.unmarked and error.detail == READS_LIKE:
                return ArchivedReport(source, octets, parse_report(octets, format=ReportFormat.ENVELOPE), None, defects)
            if self.undeliverable:
                return self._rescued(source, octets, error, defects)
            return _message(source, octets, error, defects)

    def _rescued(
        self, source: Source, octets: bytes, told: ParseError | None, defects: tuple[Defect, ...]
    ) -> ArchiveItem:
        """The report inside a bounce, or inside a message that somebody forwards."""
        try:
            found = unwrap_undeliverable(octets, format=self.format)
            parsed = found.parsed
            if parsed is None:
                detail = "only the header of a report came back"
                return Unreadable(source, ParseError(DefectCode.NO_REPORT_INSIDE, detail), octets, defects)
        except ParseError as error:
            # Ordinary mail is no worse for holding more than is looked into.
            is_mail = told is not None and told.code is DefectCode.NOT_A_REPORT
            if error.code not in _NO_REPORT and not is_mail:
                return _unreadable(source, error, octets, defects)
            message = _message(source, octets, error, defects)
            if told is not None and told.detail == READS_LIKE and isinstance(message, ArchivedMessage):
                message = message._replace(reads_like=ReportFormat.ENVELOPE)
            return message
        bounced = None if found.report == octets else found
        return ArchivedReport(source, octets, parsed, bounced, (*defects, *found.defects))


# Bytes in which the form of a mailbox file is looked for.
_BEGINNING: Final = 64
# What is said of ordinary mail.
_NO_REPORT: Final = frozenset(
    (DefectCode.NOT_A_REPORT, DefectCode.MULTIPART_REPORT, DefectCode.EMBEDDED_REPORT, DefectCode.NO_REPORT_INSIDE)
)

# What is said of the body of a message without a marker that is read in an envelope format, and is not a report.
_NO_TEXT: Final = frozenset(
    (
        DefectCode.REPORT_TEXT_MISSING,
        DefectCode.REPORT_TEXT_TOO_LARGE,
        DefectCode.REPORT_TNEF,
        DefectCode.TOO_MANY_PARTS,
    )
)


def _message(source: Source, octets: bytes, error: ParseError, defects: tuple[Defect, ...]) -> ArchiveItem:
    """A message that is not a report, if it begins as a message; a defect for another message after it."""
    start = lead_in(octets).block
    if first_line_is_field(octets, start, len(octets)):
        another = message_after(octets, start, len(octets))
        if not another and start and source.offset is None and is_mailbox_of_several(octets):
            another = (Defect(DefectCode.ANOTHER_MESSAGE, "a mailbox file that was read as one message", start),)
        reads_like = ReportFormat.ENVELOPE if error.detail == READS_LIKE else None
        return ArchivedMessage(source, octets, error.code, (*defects, *another), reads_like)
    return _unreadable(source, error, octets, defects)


def _unreadable(
    source: Source, error: ParseError | OSError, octets: bytes | None = None, defects: tuple[Defect, ...] = ()
) -> Unreadable:
    """What is wrong with an item, without the frames that hold its octets."""
    problem: BaseException | None = error
    while problem is not None:
        problem.__traceback__ = None
        problem = problem.__cause__ or problem.__context__
    return Unreadable(source, error, octets, defects)
