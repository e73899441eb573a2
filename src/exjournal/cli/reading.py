"""Reading archives: the common options of `parse`, `check`, `unwrap`, `merge` and `scan`, and the items of all paths in order.

It also decides which exit status an item without a report causes.
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from exjournal import (
    ArchivedMessage,
    ArchivedReport,
    Defect,
    DefectCode,
    MboxVariant,
    ParsedReport,
    ParseError,
    ReportFormat,
    Source,
    Unreadable,
    parse_report,
    read_archive,
    unwrap_undeliverable,
)
from exjournal.cli.output import FINE, FOUND, UNREADABLE, copy_input, report_error, say
from exjournal.cli.usage import Parser, Verbs, add_verb
from exjournal.limits import RATIO_LIMIT

STDIN: Final = "-"


class Entry(NamedTuple):
    """An item, and the path of the command line that contains it: its number and the path as given."""

    number: int
    file: str
    item: ArchivedReport | ArchivedMessage | Unreadable

    @property
    def is_named(self) -> bool:
        """Whether the command line names the item itself, rather than something that contains it."""
        return self.item.source == Source(self.file)

    @property
    def status(self) -> int:
        """The exit status for the item before a verb uses it; ordinary mail inside an archive is fine."""
        if isinstance(self.item, Unreadable):
            return UNREADABLE if self.is_named and self.item.octets is None else FOUND
        return FOUND if self.is_named and isinstance(self.item, ArchivedMessage) else FINE


class Archive:
    """The paths of the command line, which a verb can read item by item more than once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.files: list[str] = options.paths
        self.patterns: list[str] = options.pattern
        self.mbox: MboxVariant | None = None if options.mbox is None else MboxVariant(options.mbox)
        self.format: ReportFormat | None = None if options.format is None else ReportFormat(options.format)
        self.undeliverable: bool = options.undeliverable
        self.max_ratio: float = options.max_ratio
        # The folder for output: its files are not read.
        self._out = os.path.realpath(getattr(options, "out", STDIN))
        # The name to show for each copy of standard input.
        self.names: dict[str, str] = {}
        self._paths: dict[int, str] = {}
        # Messages that are not reports, by code, and those of them that read like a report, by format.
        self._others: Counter[str] = Counter()
        self._like: Counter[str] = Counter()
        # The least exit status of the verb.
        self.status: int = FINE
        self._stack = ExitStack()

    def path(self, number: int) -> str:
        """Return the path to read, for standard input that of a copy. Raises OSError."""
        file = self.files[number]
        if file == STDIN and number not in self._paths:
            path = copy_input(self._stack)
            self._paths[number] = path
            self.names[path] = STDIN
        return self._paths.get(number, file)

    def entries(self, numbers: Collection[int] | None = None) -> Iterator[Entry]:
        """Yield every item of the paths, or of the paths with these numbers."""
        for number, file in enumerate(self.files):
            if numbers is not None and number not in numbers:
                continue
            try:
                path = self.path(number)
            except OSError as error:
                yield Entry(number, file, Unreadable(Source(file), error))
                continue
            has_out = _is_below(self._out, os.path.realpath(path))
            for item in read_archive(
                path,
                patterns=self.patterns,
                mbox=self.mbox,
                format=self.format,
                undeliverable=self.undeliverable,
                names=self.names,
                max_ratio=self.max_ratio,
            ):
                if not has_out or not _is_below(os.path.realpath(item.source.path), self._out):
                    if numbers is None:
                        self._report_other_messages(item)
                    yield Entry(number, file, item)

    def _report_other_messages(self, item: ArchivedReport | ArchivedMessage | Unreadable) -> None:
        """Report an item in which another message begins that was not read; the exit status is then at least 1."""
        defects = defects_of(item) if isinstance(item, ArchivedReport) else item.defects
        for defect in defects:
            if defect.code is DefectCode.ANOTHER_MESSAGE:
                say(f"{item.source}: another message begins at offset {defect.offset} and was not read")
                self.status = FOUND

    def reason(self, item: ArchivedMessage | Unreadable) -> ParseError | OSError:
        """Return the error for an item that is not a report, with the detail that the item itself lacks."""
        if isinstance(item, Unreadable):
            return item.error
        read: Callable[..., object] = unwrap_undeliverable if self.undeliverable else parse_report
        reason = ParseError(item.code)
        try:
            read(item.octets, format=self.format)
        except ParseError as error:
            reason = error
        if item.reads_like is not None:
            detail = f"no marker, but it reads like a report: --format {item.reads_like} reads it as one"
            reason = ParseError(reason.code, detail, reason.offset)
        return reason

    def pass_over(self, entry: Entry, item: ArchivedMessage | Unreadable) -> int:
        """Report or count an item that is not a report, and return the exit status."""
        if isinstance(item, ArchivedMessage) and not entry.is_named:
            self._others[item.code] += 1
            if item.reads_like is not None:
                self._like[item.reads_like] += 1
        else:
            report_error(str(item.source), self.reason(item))
        return entry.status

    def close(self, *, is_done: bool) -> None:
        """Remove copies of standard input, and print the counts if everything was read."""
        self._stack.close()
        if is_done and self._others:
            codes = ", ".join([f"{code} {count}" for code, count in sorted(self._others.items())])
            say(f"other messages: {self._others.total()} ({codes})")
            for format_, count in self._like.items():
                say(f"of these, {count} read like reports: --format {format_}")


def _is_below(path: str, folder: str) -> bool:
    return path != folder and Path(path).is_relative_to(folder)


def options() -> Parser:
    """Make a parent parser with the options of every verb that reads archives."""
    parser = Parser(add_help=False)
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a message, a folder, a mailbox or an archive; - is standard input"
    )
    group = parser.add_argument_group("how to read")
    group.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="GLOB",
        help="in folders and archives, read only files and members with matching names; may be repeated",
    )
    group.add_argument(
        "--mbox",
        choices=list(map(str, MboxVariant)),
        help="how the writer of mbox files quoted From lines (default: lines are left as they are)",
    )
    group.add_argument(
        "--undeliverable",
        action="store_true",
        help="read the reports inside bounces; with unwrap, write them to files and show who refused them and why",
    )
    group.add_argument(
        "--format",
        choices=list(map(str, ReportFormat)),
        help="read every item in this format: for copies, which have no marker, and for reports that lost theirs; an envelope "
        "format leaves ordinary mail alone, but any message can be read as a copy",
    )
    group.add_argument(
        "--max-ratio",
        type=_ratio,
        default=RATIO_LIMIT,
        metavar="N",
        help="unpack a file to at most N times its size, or to 1 GiB if that is more (default: %(default)s)",
    )
    return parser


def _ratio(text: str) -> float:
    ratio = float(text)
    if not ratio >= 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return ratio


# The name of the type in errors of argparse.
_ratio.__name__ = "number"


def add_reader(
    verbs: Verbs,
    name: str,
    run: Callable[[argparse.Namespace, Archive], int],
    summary: str,
    *,
    example: str,
    description: str | None = None,
    page: str | None = None,
) -> Parser:
    """Add a verb that reads archives, with the arguments of `add_verb`; the caller adds the verb's own options."""
    parser = add_verb(verbs, name, summary, example=example, description=description, page=page, parents=[options()])
    parser.set_defaults(run=partial(_run, run))
    return parser


def _run(run: Callable[[argparse.Namespace, Archive], int], options: argparse.Namespace) -> int:
    archive = Archive(options)
    is_done = False
    try:
        status = run(options, archive)
        is_done = True
    finally:
        archive.close(is_done=is_done)
    return max(status, archive.status)


def sender_text(parsed: ParsedReport) -> str:
    """Return the sender of a report for people: `<>` for the null sender, `unknown` if no sender could be read."""
    is_missing = any(defect.code is DefectCode.SENDER_MISSING for defect in parsed.defects)
    return parsed.report.sender or ("unknown" if is_missing else "<>")


def defects_of(item: ArchivedReport) -> tuple[Defect, ...]:
    """Return the defects of a report: those of its archive or bounce, then those of the report itself."""
    return (*item.defects, *item.parsed.defects)
