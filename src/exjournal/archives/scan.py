"""Scans archives: JSON lines, tables of recipients and exceptions, originals, merged reports, a store, and bad items.

`batches` does the work in pieces, `joining` joins them, and `outputs` puts the results in their places at the end.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from json import loads
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol, TypeAlias

from exjournal.archives.accounts import Noted, ScanAccount, scanned_files, session, write_account
from exjournal.archives.batches import ASIDE, BAD, EXCEPTION, FILE, KEPT, MESSAGE, REPORT, Counts, Run, Sizes, Work
from exjournal.archives.exceptions import EXCEPTION_COLUMNS, exception_row
from exjournal.archives.items import Reader, as_patterns, as_variant, check_limits
from exjournal.archives.joining import join, remember_reports
from exjournal.archives.outputs import PARTS, Outputs, put, replaced, sync
from exjournal.archives.recipients import RECIPIENT_COLUMNS, other_row
from exjournal.archives.selection import select
from exjournal.archives.sources import AnyVariant, Source
from exjournal.archives.tables import Cell, csv_head, csv_rows
from exjournal.archives.walk import Meter, locate
from exjournal.identity.stores import SqliteStore
from exjournal.limits import RATIO_LIMIT
from exjournal.reports.models import AnyFormat

if TYPE_CHECKING:
    from datetime import date

    StrPath: TypeAlias = str | os.PathLike[str]


class BinaryStream(Protocol):
    """Anything that takes bytes, such as `sys.stdout.buffer`."""

    def write(self, data: bytes, /) -> object:
        """Write all of the bytes."""


class ScanSummary(NamedTuple):
    """The counts of a scan; those that were not asked for are None or empty.

    * `items`, `reports`, `octets`: all items, the reports among them, and the bytes of all items.
    * `unreadable`, `incomplete`: items that could not be read, and reports that may be truncated.
    * `formats`, `defects`, `messages`, `refusals`: counts by format and by code; files that cannot be read are refusals under
      the name of the system's error.
    * `originals`, `quarantined`: files that were "written", were "there" already, or "not-written".
    * `distinct`, `duplicates`, `conflicts`: with `merge`, `recipients` or `exceptions`, the messages with reports, the reports
      that add nothing to another one, and the messages whose Message-ID another one has.
    * `sightings`: the answers of the store.
    * `resumed`: items that the run before had finished.
    * `unmarked`, `reads_like`: reports without a marker, and by format the messages without one that read like a report and
      were not read as one.
    * `left_out`: "reports", other "messages" and "distinct messages" that were not selected; the other counts are of all items.
    * `share`: how much of the current step is done, from 0 to 1: of the bytes of all files while they are read, compressed or
      not, then of the merging.
    * `account`: with `manifest`, what the counts leave out: files, exceptions, months, sessions, and an outcome for each item.
    """

    items: int
    reports: int
    octets: int
    formats: Mapping[str, int]
    defects: Mapping[str, int]
    messages: Mapping[str, int]
    refusals: Mapping[str, int]
    unreadable: int
    incomplete: int
    originals: Mapping[str, int]
    quarantined: Mapping[str, int]
    distinct: int | None
    duplicates: int | None
    conflicts: int | None
    sightings: Mapping[str, int]
    resumed: int
    unmarked: int
    reads_like: Mapping[str, int]
    left_out: Mapping[str, int]
    share: float
    account: ScanAccount | None = None


def scan_archive(
    *paths: "StrPath",
    json: "StrPath | BinaryStream | None" = None,
    recipients: "StrPath | None" = None,
    exceptions: "StrPath | None" = None,
    originals: "StrPath | None" = None,
    merge: bool = False,
    store: "StrPath | None" = None,
    quarantine: "StrPath | None" = None,
    manifest: "StrPath | None" = None,
    skip: "Sequence[StrPath]" = (),
    address_file: "StrPath | None" = None,
    since: "date | None" = None,
    until: "date | None" = None,
    undeliverable: bool = False,
    unmarked: bool = False,
    patterns: Sequence[str] = (),
    mbox: AnyVariant | None = None,
    format: AnyFormat | None = None,
    names: Mapping[str, str] | None = None,
    jobs: int = 0,
    max_ratio: float = RATIO_LIMIT,
    resume: bool = False,
    progress: Callable[[ScanSummary], None] | None = None,
    complain: Callable[[Source, str], None] | None = None,
    finish: Callable[[ScanSummary], None] | None = None,
) -> ScanSummary:
    """Read archives as `read_archive` does, write the outputs, and return the counts.

    * `json`: a file with a line for each item, with `merge` one for each message and then those of items that are not reports
      (`docs/reference/data.md` lists the keys); or a binary stream, such as `sys.stdout.buffer`, that they are written to at
      the end.
    * `recipients`: a CSV file with a row for each recipient of each message, with or without `merge`.
    * `exceptions`: a CSV file with a row for everything that a person has to look at.
    * `originals`: a folder with a file for each original, decrypted copy and bare message, named by its SHA-256.
    * `merge`: join the reports of each message.
    * `store`: the path of an `SqliteStore` that learns of every report.
    * `quarantine`: a folder with a file for each item that was refused or is followed by another message, and `reasons.jsonl`.
    * `manifest`: a file with the SHA-256 of each file that was read or written, but for the store, in the form that
      `sha256sum --check` reads; the summary then has an `account`.
    * `skip`: files and folders that are not read, such as a page that the caller makes of the summary.
    * `address_file`: a file with one address on each line. `json`, `recipients` and `originals` then have only the messages of
      these mailboxes: as sender, on behalf of, recipient, list, or forwarded from.
    * `since`, `until`: a `date` in UTC, or a `datetime` with a zone, both included. The same outputs then have only reports
      whose own date is in this range, and messages whose date is; those without a readable date are in every range.
    * `jobs`: the number of processes, as in `map_archive`.
    * `resume`: continue a run that was stopped. Its state is in a folder beside the first of `json`, `recipients`,
      `exceptions`, `originals`, `quarantine`, `store` and `manifest`.
    * `progress`: called with the counts so far after each batch, and while reports are merged. The sizes of all files are
      looked up before the first one is read.
    * `complain`: called with each item that could not be read or written, and the reason.
    * `finish`: called with the summary while the state is still there, so that a run in which it fails can be resumed.

    The other options are those of `read_archive`. The outputs depend on the archives alone, so a second run changes nothing.

    Raises InvalidValue for an output that is also an input, another output or a file of somebody else, OSError for a path that
    does not exist, an output that cannot be written and a process that was killed, StoreError, and TypeError. Finished work is
    kept for `resume`.
    """
    return run_scan(
        paths,
        json=json,
        recipients=recipients,
        exceptions=exceptions,
        originals=originals,
        merge=merge,
        store=store,
        quarantine=quarantine,
        manifest=manifest,
        skip=skip,
        address_file=address_file,
        since=since,
        until=until,
        undeliverable=undeliverable,
        unmarked=unmarked,
        patterns=patterns,
        mbox=mbox,
        format=format,
        names=names,
        jobs=jobs,
        max_ratio=max_ratio,
        resume=resume,
        progress=progress,
        complain=complain,
        finish=finish,
        sizes=Sizes(),
    )


def run_scan(
    paths: "Sequence[StrPath]",
    *,
    json: "StrPath | BinaryStream | None",
    recipients: "StrPath | None",
    exceptions: "StrPath | None",
    originals: "StrPath | None",
    merge: bool,
    store: "StrPath | None",
    quarantine: "StrPath | None",
    manifest: "StrPath | None",
    skip: "Sequence[StrPath]",
    address_file: "StrPath | None",
    since: "date | None",
    until: "date | None",
    undeliverable: bool,
    unmarked: bool,
    patterns: Sequence[str],
    mbox: AnyVariant | None,
    format: AnyFormat | None,
    names: Mapping[str, str] | None,
    jobs: int,
    max_ratio: float,
    resume: bool,
    progress: Callable[[ScanSummary], None] | None,
    complain: Callable[[Source, str], None] | None,
    finish: Callable[[ScanSummary], None] | None,
    sizes: Sizes,
) -> ScanSummary:
    """Scan with steps of other sizes, as tests with few items do; the other options are those of `scan_archive`."""
    check_limits(jobs, max_ratio)
    selection = select(address_file, since, until)
    stream = _as_stream(json)
    outputs = Outputs(
        json=None if stream is not None else json,  # type: ignore[arg-type] # what is not a stream is a path
        recipients=recipients,
        exceptions=exceptions,
        originals=originals,
        quarantine=quarantine,
        store=store,
        manifest=manifest,
        skip=skip,
    )
    outputs.check(paths)
    is_joined = merge or recipients is not None or exceptions is not None
    with ExitStack() as stack:
        state = stack.enter_context(outputs.state(needed=is_joined or stream is not None, anew=not resume))
        sessions = None if manifest is None or state is None else stack.enter_context(session(state))
        if store is not None:
            SqliteStore(store).close()  # a file that is not a store is an error before the work, not after it
        reader = Reader(
            format,
            undeliverable=undeliverable,
            unmarked=unmarked,
            names=names,
            max_ratio=max_ratio,
            floor=sizes.floor,
        )
        work = Work(
            reader,
            originals=originals,
            quarantine=quarantine,
            state=state,
            has_lines=json is not None or is_joined or quarantine is not None,
            has_store=store is not None,
            # Statements are enough for merging, and have an identity; the lines of reports have more, and none.
            is_merged=merge or (is_joined and json is None),
            has_identities=is_joined and json is not None and not merge,
            has_exceptions=exceptions is not None or manifest is not None,
            selection=selection,
            has_account=manifest is not None,
        )
        patterns = as_patterns(patterns)
        meter = None if progress is None else Meter(paths, patterns=patterns, without=outputs.all)
        run = Run(
            work,
            None if progress is None else lambda counts, share: progress(_summarize(counts, share)),
            complain,
            sizes,
            meter,
        )
        places = locate(
            paths,
            patterns=patterns,
            mbox=as_variant(mbox),
            lazily=jobs != 1,
            without=outputs.all,
            max_ratio=max_ratio,
            floor=sizes.floor,
            has_files=manifest is not None,
            meter=meter,
        )
        run.read(places, jobs)
        if originals is not None or quarantine is not None:
            sync()
        if store is not None and state is not None:
            identities = work.identities(run.batches)
            run.counts.update(remember_reports(store, identities, state, step_size=sizes.remembered))
        noted = Noted(sizes.listed_exceptions)
        if state is not None:
            write_outputs(run, jobs, outputs, stream, state, merge=merge, noted=noted)
        summary = _summarize(run.counts, 1.0)
        if manifest is not None and sessions is not None:
            account = write_account(
                os.fspath(manifest),
                files=scanned_files(work.lines(run.batches, FILE), reader.names),
                kept=work.lines(run.batches, KEPT),
                outputs=outputs.results,
                noted=noted,
                months=_by_kind(run.counts, "months"),
                sessions=sessions,
                complain=complain,
                limit=sizes.listed_files,
            )
            summary = summary._replace(account=account)
        if finish is not None:
            finish(summary)
    return summary


def _as_stream(json: "StrPath | BinaryStream | None") -> BinaryStream | None:
    """Return the stream for JSON lines, None for a path. Raises TypeError for a stream of text."""
    if json is None or isinstance(json, (str, os.PathLike)):
        return None
    if not hasattr(json, "write") or hasattr(json, "encoding"):
        raise TypeError(f"json must be a path or a binary stream, not {type(json).__name__}")
    return json


def write_outputs(
    run: Run, jobs: int, outputs: Outputs, stream: BinaryStream | None, state: str, *, merge: bool, noted: Noted
) -> None:
    """Make the files of lines and of rows from the finished batches."""
    lines, batches = run.work.lines, run.batches
    with ExitStack() as stack:

        def opened(name: str, number: int) -> BinaryIO | None:
            path = outputs.paths.get(name)
            return None if path is None else stack.enter_context(replaced(path, state, number, is_synced=True))

        json: BinaryStream | None = opened("json", 1) if stream is None else stream
        recipients, exceptions = opened("recipients", 2), opened("exceptions", 3)
        if recipients is not None:
            recipients.write(csv_head(RECIPIENT_COLUMNS))
        if exceptions is not None:
            exceptions.write(csv_head(EXCEPTION_COLUMNS))
        has_exceptions = run.work.has_exceptions

        def put_exceptions(found: Iterable[bytes]) -> None:
            for line in found:
                data = loads(line)
                noted.add(data)
                if exceptions is not None:
                    exceptions.write(csv_rows([exception_row(data)]))

        put_exceptions(lines(batches, EXCEPTION) if has_exceptions else ())
        has_lines, has_rows = merge and json is not None, recipients is not None
        if merge or has_rows or exceptions is not None:
            for joined in join(run, jobs, lines=has_lines, rows=has_rows, exceptions=has_exceptions):
                if json is not None and merge:
                    json.write(joined.lines)
                if recipients is not None:
                    recipients.write(joined.rows)
                put_exceptions(joined.exceptions.splitlines())
        if json is not None:
            for line in lines(batches, MESSAGE + BAD if merge else REPORT + MESSAGE + BAD):
                json.write(line + b"\n")
        if recipients is not None:
            recipients.writelines(_rows(other_row, lines(batches, MESSAGE + BAD)))
    if outputs.reasons is not None:
        reasons = (line + b"\n" for line in lines(batches, BAD + ASIDE))
        put(outputs.reasons, reasons, os.path.join(os.path.dirname(outputs.reasons), PARTS), is_synced=True)


def _rows(row: "Callable[[Mapping[str, Any]], tuple[Cell, ...]]", lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield csv_rows([row(loads(line))])


def _by_kind(counts: Counts, what: str) -> dict[str, int]:
    return {str(kind): count for (name, kind), count in sorted(counts.items()) if name == what and count}


def _summarize(counts: Counts, share: float) -> ScanSummary:
    by_kind = partial(_by_kind, counts)
    is_merged = ("distinct", "") in counts
    return ScanSummary(
        items=counts["items", ""],
        reports=counts["reports", ""],
        octets=counts["octets", ""],
        formats=by_kind("formats"),
        defects=by_kind("defects"),
        messages=by_kind("messages"),
        refusals=by_kind("refusals"),
        unreadable=counts["unreadable", ""],
        incomplete=counts["incomplete", ""],
        originals=by_kind("originals"),
        quarantined=by_kind("quarantined"),
        distinct=counts["distinct", ""] if is_merged else None,
        duplicates=counts["duplicates", ""] if is_merged else None,
        conflicts=counts["conflicts", ""] if is_merged else None,
        sightings=by_kind("sightings"),
        resumed=counts["resumed", ""],
        unmarked=counts["unmarked", ""],
        reads_like=by_kind("reads_like"),
        left_out=by_kind("left_out"),
        share=share,
    )
