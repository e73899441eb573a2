"""The verb `scan`: whole archives, with everything that can be made of them in one go."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Final

from exjournal import DefectCode, InvalidValue, ScanSummary, Source, StoreError, scan_archive
from exjournal.archives.items import octets_in
from exjournal.cli.output import FINE, FOUND, UNREADABLE, put_line, say, unreadable, usage, usage_of
from exjournal.cli.reading import STDIN, Archive, add_reader

_DESCRIPTION: Final = """\
Read archives: folders with all below them, Maildirs, mbox, tar and zip files, compressed ones as well.
Nothing in them is changed, and no item ends the run. A run that was stopped goes on with --resume."""
# Complaints that are told one by one.
_COMPLAINTS: Final = 100


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command."""
    parser = add_reader(
        verbs, "scan", _scan, "read whole archives: JSON lines, originals, merged reports", _DESCRIPTION
    )
    option = parser.add_argument
    option("--json", metavar="FILE", help="one JSON object a line for each item; FILE is replaced when all is done")
    option("--originals", metavar="DIR", help="the originals, and messages that are no reports, named by their SHA-256")
    option("--merge", action="store_true", help="join the reports of one message: FILE has a line for each message")
    option(
        "--store",
        metavar="FILE",
        help="a store of what was seen, made where there is none, that learns of every report",
    )
    option("--quarantine", metavar="DIR", help="items that were refused, named by their SHA-256, and reasons.jsonl")
    option(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="processes that share the work, at most 256; without it one for each core",
    )
    option(
        "--unmarked",
        action="store_true",
        help="read items without a marker header that read like an envelope report, and everything else as usual; "
        "anyone who can mail the archive can send such an item, so they are counted apart",
    )
    option("--resume", action="store_true", help="go on with a run that was stopped")
    option("--quiet", action="store_true", help="no progress and no summary")


def _scan(options: argparse.Namespace, archive: Archive) -> int:
    outputs = [options.json, options.originals, options.quarantine, options.store]
    if options.json == "-":
        return usage("--json: is not a file; a scan replaces one when all is done")
    if options.resume and STDIN in archive.files:
        return usage("--resume: standard input cannot be read again to go on")
    if options.resume and not any(outputs):
        return usage("--resume: without an output nothing was kept to go on from")
    try:
        paths = [archive.path(number) for number in range(len(archive.files))]
    except OSError as error:
        return unreadable(STDIN, error)
    if options.unmarked and archive.format is not None:
        return usage("--unmarked: cannot be combined with --format, in which every item is read")
    progress = _Progress(options, paths)
    complaints = _Complaints(progress)
    try:
        summary = scan_archive(
            *paths,
            json=options.json,
            originals=options.originals,
            merge=options.merge,
            store=options.store,
            quarantine=options.quarantine,
            undeliverable=archive.undeliverable,
            unmarked=options.unmarked,
            patterns=archive.patterns,
            mbox=archive.mbox,
            format=archive.format,
            names=archive.names,
            jobs=options.jobs,
            max_ratio=archive.max_ratio,
            resume=options.resume,
            progress=progress.show if progress.is_shown else None,
            complain=complaints.tell,
        )
    except InvalidValue as error:
        return usage(f"PATH: {error.reason}") if error.field == "paths" else usage_of(error)
    except OSError as error:
        return unreadable(str(error.filename or "scan"), error)
    except StoreError as error:
        say(str(error))
        return UNREADABLE
    finally:
        progress.clear()
        complaints.end()
    if not options.quiet:
        for line in _table(summary, progress.seconds):
            put_line(line)
    if summary.unreadable or "not-written" in {*summary.originals, *summary.quarantined}:
        return UNREADABLE
    is_lost = DefectCode.ANOTHER_MESSAGE in summary.defects
    return FOUND if summary.refusals or is_lost or summary.conflicts or summary.sightings.get("conflict") else FINE


class _Complaints:
    """Items that could not be read or written, told one by one up to a number."""

    def __init__(self, progress: "_Progress") -> None:
        self.progress = progress
        self.count = 0

    def tell(self, source: Source, reason: str) -> None:
        self.count += 1
        if self.count <= _COMPLAINTS:
            self.progress.clear()
            say(f"{source}: {reason}")

    def end(self) -> None:
        if self.count > _COMPLAINTS:
            say(f"and {self.count - _COMPLAINTS} more")


class _Progress:
    """A line on a terminal that says how far a scan is, how fast, and how long it will take."""

    def __init__(self, options: argparse.Namespace, paths: Sequence[str]) -> None:
        self.begun = perf_counter()
        self.is_shown = not options.quiet and sys.stderr is not None and sys.stderr.isatty()
        self.octets = None
        if self.is_shown:
            self.octets = octets_in(*paths, patterns=options.pattern)
            self.begun = perf_counter()
        self.last = 0.0

    @property
    def seconds(self) -> float:
        return perf_counter() - self.begun

    def show(self, summary: ScanSummary) -> None:
        now = self.seconds
        if now - self.last < _INTERVAL:
            return
        self.last = now
        if summary.distinct is not None:
            self.tell(f"{summary.distinct:,} messages joined")
            return
        rate = (summary.items - summary.resumed) / now
        line = f"{summary.items:,} items, {rate:,.0f} a second"
        left = 0 if self.octets is None else self.octets - summary.octets
        if left > 0 and summary.octets and rate:
            line += f", {_time(left / summary.octets * summary.items / rate)} left"
        self.tell(line)

    def tell(self, line: str) -> None:
        """Put a line in the place of the one before."""
        print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self.last:
            print(f"\r{'':<79}\r", end="", file=sys.stderr, flush=True)


# Seconds between two lines of progress.
_INTERVAL: Final = 0.5


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _table(summary: ScanSummary, seconds: float) -> Iterator[str]:
    """What was found, one number a line; nothing that depends on the clock but the last line."""
    yield _row("items", summary.items)
    yield _row("reports", summary.reports)
    yield from _rows(summary.formats)
    if summary.unmarked:
        yield _row("without a marker", summary.unmarked)
    if summary.incomplete:
        yield _row("incomplete", summary.incomplete)
    yield _row("other messages", sum(summary.messages.values()))
    yield from _rows(summary.messages)
    for format_, count in summary.reads_like.items():
        yield f"  of these, {count:,} read like reports: --format {format_}, or --unmarked"
    yield _row("refused", sum(summary.refusals.values()))
    yield from _rows(summary.refusals)
    yield _row("defects", sum(summary.defects.values()))
    yield from _rows(summary.defects)
    if summary.distinct is not None:
        yield _row("distinct messages", summary.distinct)
        yield _row("duplicates", summary.duplicates or 0)
        yield _row("conflicts", summary.conflicts or 0)
    for name, counts in (
        ("originals", summary.originals),
        ("quarantined", summary.quarantined),
        ("the store said", summary.sightings),
    ):
        if counts:
            yield _row(name, sum(counts.values()))
            yield from _rows(counts)
    yield _row("octets", summary.octets)
    if summary.resumed:
        yield _row("done before", summary.resumed)
    done = summary.items - summary.resumed
    yield f"{'seconds':<30}{seconds:>16,.1f}  ({done / max(seconds, 1e-9):,.0f} items a second)"


def _rows(counts: Mapping[str, int]) -> Iterator[str]:
    for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        yield _row(f"  {name}", count)


def _row(name: str, count: int) -> str:
    return f"{name:<30}{count:>16,}"
