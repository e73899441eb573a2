"""The verb `scan`: whole archives to JSON lines, originals, merged reports and a store, in one run."""

import argparse
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Final

from exjournal import DefectCode, InvalidValue, ScanSummary, StoreError, __version__, scan_archive
from exjournal.cli.output import FINE, FOUND, UNREADABLE, option_error, put, put_line, report_os_error, say, usage_error
from exjournal.cli.pages import may_replace, write_page
from exjournal.cli.progress import Progress
from exjournal.cli.reading import STDIN, Archive, add_reader
from exjournal.cli.scan_page import scan_page
from exjournal.cli.usage import Verbs

_DESCRIPTION: Final = """\
Read archives: folder trees, Maildirs, mbox, tar and zip files, compressed or not. Changes nothing in them; a bad item never
ends the run. --resume continues a run that was interrupted."""


def add(verbs: Verbs, *, interval: float = 0.5) -> None:
    """Add the verb to the command; `interval` is that of `Progress`."""
    parser = add_reader(
        verbs,
        "scan",
        partial(_scan, interval=interval),
        "read whole archives: JSON lines, originals, merged reports",
        description=_DESCRIPTION,
        example="mail --json mail.jsonl --originals originals --merge",
        page="docs/how-to/archive.md",
    )
    option = parser.add_argument
    option(
        "--json",
        metavar="FILE",
        help="write one line of JSON for each item; FILE is replaced at the end of the run; -: standard output",
    )
    option("--recipients", metavar="FILE", help="write a CSV file with one row for each recipient of each message")
    option(
        "--exceptions",
        metavar="FILE",
        help="write a CSV file with every item that is unreadable, refused, incomplete, conflicting, unmarked, ambiguous or "
        "quarantined",
    )
    option(
        "--originals",
        metavar="DIR",
        help="the folder for originals and messages that are not reports, named by SHA-256",
    )
    option(
        "--merge", action="store_true", help="merge the reports of each message: FILE gets one line for each message"
    )
    option(
        "--store",
        metavar="FILE",
        help="remember every report in this store; FILE is created if it is missing",
    )
    option("--quarantine", metavar="DIR", help="the folder for refused items, named by SHA-256, and for reasons.jsonl")
    option(
        "--html",
        metavar="FILE",
        help="write a summary page, and beside it FILE.sha256sums with the SHA-256 of each file that was read or written",
    )
    option(
        "--html-content", action="store_true", help="with --html: show date, addresses and subject of each exception"
    )
    option(
        "--address-file",
        metavar="FILE",
        help="limit --json, --recipients and --originals to the messages of these addresses, one on each line",
    )
    option(
        "--since",
        type=_date,
        metavar="DATE",
        help="limit them to reports and messages from this ISO date on, in UTC, or from this time with a zone",
    )
    option("--until", type=_date, metavar="DATE", help="the same, up to and including this date or time")
    option(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="processes that share the work, at most 256 (default: one for each core)",
    )
    option(
        "--unmarked",
        action="store_true",
        help="also read items without a marker that look like an envelope report; anyone who can mail the archive can send "
        "one, so they are counted separately",
    )
    option("--resume", action="store_true", help="continue a run that was interrupted")
    option("--quiet", action="store_true", help="suppress progress and summary")


def _date(text: str) -> date:
    """Read a date, or a time; the library refuses a time without a zone."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


# The name of the type in errors of argparse.
_date.__name__ = "ISO 8601 date"


class _StandardOutput:
    """Standard output as a stream of bytes."""

    def write(self, data: bytes, /) -> None:
        try:
            put(data)
        except OSError as error:
            # The library reports an error of a file under its name.
            raise _OutputError(error) from error


class _OutputError(Exception):
    """Standard output cannot be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


def _scan(options: argparse.Namespace, archive: Archive, *, interval: float) -> int:
    limited = [options.json, options.recipients, options.originals]
    outputs = [*limited, options.exceptions, options.quarantine, options.store, options.html]
    for name in ("address_file", "since", "until"):
        if getattr(options, name) is not None and not any(limited):
            return usage_error(f"--{name.replace('_', '-')} needs --json, --recipients or --originals")
    if options.resume and STDIN in archive.files:
        return usage_error("--resume cannot be combined with -, because standard input cannot be read again")
    has_state = any(output not in (None, "-") for output in outputs)
    if options.resume and not has_state:
        return usage_error(
            "--resume needs an output in a file or folder: "
            "--json, --recipients, --exceptions, --originals, --quarantine, --store or --html"
        )
    if options.html_content and options.html is None:
        return usage_error("--html-content needs --html")
    if options.html == STDIN:
        return usage_error("--html: must be a file, because the list of digests is written beside it")
    for name in ("json", "recipients", "exceptions", "originals", "quarantine", "store") if options.html else ():
        other = getattr(options, name)
        if other is not None and Path(other).resolve() == Path(options.html).resolve():
            return usage_error(f"--html: is the same path as --{name}")
    try:
        paths = [archive.path(number) for number in range(len(archive.files))]
    except OSError as error:
        return report_os_error(STDIN, error)
    if options.unmarked and archive.format is not None:
        return usage_error("--unmarked cannot be combined with --format, which applies to every item")
    manifest = None
    if options.html is not None:
        manifest = f"{options.html}.sha256sums"
        try:
            is_free = may_replace(Path(options.html))
        except OSError as error:
            return report_os_error(options.html, error)
        if not is_free:
            return usage_error("--html: exists and is not a page of exjournal")
    page = partial(_write_page, options, archive.files)
    progress = Progress(quiet=options.quiet, interval=interval)
    try:
        summary = scan_archive(
            *paths,
            json=_StandardOutput() if options.json == "-" else options.json,
            recipients=options.recipients,
            exceptions=options.exceptions,
            originals=options.originals,
            merge=options.merge,
            store=options.store,
            quarantine=options.quarantine,
            manifest=manifest,
            skip=() if options.html is None else (options.html,),
            address_file=options.address_file,
            since=options.since,
            until=options.until,
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
            complain=progress.complain,
            finish=None if options.html is None else page,
        )
    except InvalidValue as error:
        if error.field == "manifest":
            return usage_error(f"--html: {manifest} {error.reason}")
        return usage_error(f"PATH: {error.reason}") if error.field == "paths" else option_error(error)
    except OSError as error:
        return report_os_error(str(error.filename or "scan"), error)
    except _OutputError as error:
        raise error.error from None
    except StoreError as error:
        say(str(error))
        return UNREADABLE
    except KeyboardInterrupt:
        if has_state and STDIN not in archive.files:
            progress.clear()
            say("interrupted: the same command with --resume continues")
        raise
    finally:
        progress.end()
    if not options.quiet:
        # The lines have standard output for themselves.
        show = say if options.json == "-" else put_line
        for line in _table(summary, progress.seconds):
            show(line)
    if summary.unreadable or "not-written" in {*summary.originals, *summary.quarantined}:
        return UNREADABLE
    is_lost = DefectCode.ANOTHER_MESSAGE in summary.defects
    if summary.account is not None and summary.account.changed:
        return FOUND
    return FOUND if summary.refusals or is_lost or summary.conflicts or summary.sightings.get("conflict") else FINE


def _write_page(options: argparse.Namespace, paths: Sequence[str], summary: ScanSummary) -> None:
    """Write the summary page. Raises OSError."""
    import platform

    facts = {
        "Command": shlex.join(["exjournal", *options.arguments]),
        "Folder": str(Path.cwd()),
        "Versions": f"exjournal {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}",
        "Time zone": f"{time.strftime('%Z (UTC%z)')} on this machine; every time on this page is in UTC",
    }
    write_page(Path(options.html), scan_page(summary, paths, facts, has_content=options.html_content))


def _table(summary: ScanSummary, seconds: float) -> Iterator[str]:
    """Yield the summary, one number a line; only the last line depends on the clock."""
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
    if summary.left_out:
        yield "left out, as not selected"
        yield from _rows(summary.left_out)
    if summary.distinct is not None:
        yield _row("distinct messages", summary.distinct)
        yield _row("duplicates", summary.duplicates or 0)
        yield _row("conflicts", summary.conflicts or 0)
    for name, counts in (
        ("originals", summary.originals),
        ("quarantined", summary.quarantined),
        ("in the store", summary.sightings),
    ):
        if counts:
            yield _row(name, sum(counts.values()))
            yield from _rows(counts)
    yield _row("bytes", summary.octets)
    if summary.resumed:
        yield _row("done before", summary.resumed)
    done = summary.items - summary.resumed
    yield f"{'seconds':<30}{seconds:>16,.1f}  ({done / max(seconds, 1e-9):,.0f} items a second)"


def _rows(counts: Mapping[str, int]) -> Iterator[str]:
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield _row(f"  {name}", count)


def _row(name: str, count: int) -> str:
    return f"{name:<30}{count:>16,}"
