"""How verbs read archives: their common options, and every item below the paths of the command line, in one order.

`parse`, `check`, `unwrap`, `merge` and `scan` all begin here. What an item that holds no report means for the exit status is
decided here as well.
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
    ParseError,
    ReportFormat,
    Source,
    Unreadable,
    parse_report,
    read_archive,
    unwrap_undeliverable,
)
from exjournal.cli.output import FINE, FOUND, UNREADABLE, copy_input, say, told
from exjournal.limits import RATIO_LIMIT

STDIN: Final = "-"


class Entry(NamedTuple):
    """An item, and the path of the command line that it comes from: its number, and the path as given."""

    number: int
    file: str
    item: ArchivedReport | ArchivedMessage | Unreadable

    @property
    def is_named(self) -> bool:
        """Whether the item is a file or folder that the command line names, and not something inside it."""
        return self.item.source == Source(self.file)

    @property
    def status(self) -> int:
        """The exit status that the item makes, before anything is done with it: ordinary mail in an archive is fine."""
        if isinstance(self.item, Unreadable):
            return UNREADABLE if self.is_named and self.item.octets is None else FOUND
        return FOUND if self.is_named and isinstance(self.item, ArchivedMessage) else FINE


class Archive:
    """The paths of the command line, to be read item by item, as often as needed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.files: list[str] = options.paths
        self.patterns: list[str] = options.pattern
        self.mbox = None if options.mbox is None else MboxVariant(options.mbox)
        self.format = None if options.format is None else ReportFormat(options.format)
        self.undeliverable: bool = options.undeliverable
        self.max_ratio: float = options.max_ratio
        # The folder that a verb writes to: nothing below it is read.
        self._out = os.path.realpath(getattr(options, "out", STDIN))
        # What standard input is called, by the file that it was copied to.
        self.names: dict[str, str] = {}
        self._paths: dict[int, str] = {}
        self._others: Counter[str] = Counter()
        # Of these, messages that read like a report of a format.
        self._like: Counter[str] = Counter()
        # The exit status that all items make, whatever a verb does with them.
        self.status = FINE
        self._stack = ExitStack()

    def path(self, number: int) -> str:
        """The path to read: that of a copy for standard input. Raises OSError."""
        file = self.files[number]
        if file == STDIN and number not in self._paths:
            path = copy_input(self._stack)
            self._paths[number] = path
            self.names[path] = STDIN
        return self._paths.get(number, file)

    def entries(self, numbers: Collection[int] | None = None) -> Iterator[Entry]:
        """Every item below the paths, or below those of some numbers."""
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
                        self._look_for_another(item)
                    yield Entry(number, file, item)

    def _look_for_another(self, item: ArchivedReport | ArchivedMessage | Unreadable) -> None:
        """Name an item in which another message begins, which was not read; whatever a verb does, it ends with 1."""
        defects = defects_of(item) if isinstance(item, ArchivedReport) else item.defects
        for defect in defects:
            if defect.code is DefectCode.ANOTHER_MESSAGE:
                say(f"{item.source}: another message begins at offset {defect.offset}, and was not read")
                self.status = FOUND

    def reason(self, item: ArchivedMessage | Unreadable) -> ParseError | OSError:
        """Why an item is not a report, in full: a message in an archive has only the code."""
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
        """Name the entry's item, which is not a report, with the reason, or count it; the exit status that it makes."""
        if isinstance(item, ArchivedMessage) and not entry.is_named:
            self._others[item.code] += 1
            if item.reads_like is not None:
                self._like[item.reads_like] += 1
        else:
            told(str(item.source), self.reason(item))
        return entry.status

    def close(self, *, is_done: bool) -> None:
        """Remove copies of standard input, and when everything was read, say how many messages were only counted."""
        self._stack.close()
        if is_done and self._others:
            codes = ", ".join([f"{code} {count}" for code, count in sorted(self._others.items())])
            say(f"other messages: {self._others.total()} ({codes})")
            for format_, count in self._like.items():
                say(f"of these, {count} read like reports: --format {format_}")


def _is_below(path: str, folder: str) -> bool:
    return path != folder and Path(path).is_relative_to(folder)


def options() -> argparse.ArgumentParser:
    """The options of every verb that reads archives, as a parent of its parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a message, a folder, a mailbox or an archive; - for standard input"
    )
    group = parser.add_argument_group("how to read")
    group.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="GLOB",
        help="in folders and archives, only files and members with such names; may be repeated",
    )
    group.add_argument(
        "--mbox",
        choices=list(map(str, MboxVariant)),
        help="how mbox files were written; without it they are read as they are",
    )
    group.add_argument(
        "--undeliverable",
        action="store_true",
        help="look into bounces for the report inside; with unwrap, write these reports and say who refused them and why",
    )
    group.add_argument(
        "--format",
        choices=list(map(str, ReportFormat)),
        help="read every item as this format: for an archive of copies, which have no marker header, and for reports that "
        "lost theirs; ordinary mail among them stays ordinary mail, but every message reads like a copy",
    )
    group.add_argument(
        "--max-ratio",
        type=_ratio,
        default=RATIO_LIMIT,
        metavar="N",
        help="unpack at most N times the size of a file, but always 1 GiB (default: %(default)s)",
    )
    return parser


def _ratio(text: str) -> float:
    ratio = float(text)
    if not ratio >= 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return ratio


# What argparse calls the value in its own errors.
_ratio.__name__ = "number"


def add_reader(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace, Archive], int],
    summary: str,
    description: str | None = None,
) -> argparse.ArgumentParser:
    """Add a verb that reads archives to the command; the caller adds the verb's own options."""
    parser = verbs.add_parser(
        name,
        parents=[options()],
        help=summary,
        description=description or summary.capitalize() + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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


def defects_of(item: ArchivedReport) -> tuple[Defect, ...]:
    """What is odd about a report: what its archive or bounce may have changed, and what the reader found."""
    return (*item.defects, *item.parsed.defects)
