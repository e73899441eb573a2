"""Scans archives: writes all items as JSON lines, originals, merged reports, a store of known reports, and bad items.

`batches` does the work in pieces, `joining` joins them, and `outputs` puts the results in their places at the end.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from exjournal.archives.accounts import ScanAccount, Sessions, write_account
from exjournal.archives.batches import ASIDE, BAD, FILE, KEPT, MESSAGE, REPORT, Counts, Run, Sizes, Work
from exjournal.archives.items import Reader, as_patterns, as_variant, check_limits
from exjournal.archives.joining import merge_lines, remember_reports
from exjournal.archives.outputs import PARTS, Outputs, sync, write_lines
from exjournal.archives.sources import MboxVariant, Source
from exjournal.archives.walk import locate
from exjournal.identity.stores import SqliteStore
from exjournal.limits import RATIO_LIMIT
from exjournal.reports.models import ReportFormat

if TYPE_CHECKING:
    StrPath: TypeAlias = str | os.PathLike[str]


class ScanSummary(NamedTuple):
    """The counts of a scan; those that were not asked for are None or empty.

    `octets`: the bytes of all items.
    `formats`, `defects`, `messages`, `refusals`: counts by format and by code; files that cannot be read are refusals under the
    name of the system's error.
    `originals`, `quarantined`: files that were "written", were "there" already, or "not-written".
    `distinct`, `duplicates`, `conflicts`: with `merge`, the messages with reports, the reports that add nothing to another one,
    and the messages whose Message-ID another one has.
    `sightings`: the answers of the store.
    `resumed`: items that the run before had finished.
    `unmarked`, `reads_like`: reports without a marker, and by format the messages without one that read like a report and were
    not read as one.
    `account`: with `manifest`, what the counts leave out: files, sessions, months and outcomes.
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
    account: ScanAccount | None = None


def scan_archive(
    *paths: "StrPath",
    json: "StrPath | None" = None,
    originals: "StrPath | None" = None,
    merge: bool = False,
    store: "StrPath | None" = None,
    quarantine: "StrPath | None" = None,
    manifest: "StrPath | None" = None,
    skip: "Sequence[StrPath]" = (),
    undeliverable: bool = False,
    unmarked: bool = False,
    patterns: Sequence[str] = (),
    mbox: MboxVariant | None = None,
    format: ReportFormat | None = None,
    names: Mapping[str, str] | None = None,
    jobs: int = 0,
    max_ratio: float = RATIO_LIMIT,
    resume: bool = False,
    progress: Callable[[ScanSummary], None] | None = None,
    complain: Callable[[Source, str], None] | None = None,
    finish: Callable[[ScanSummary], None] | None = None,
) -> ScanSummary:
    """Read archives as `read_archive` does, write the outputs, and return the counts.

    `json`: a file with a line for each item, with `merge` one for each message and then those of items that are not reports
    (`docs/how-to/archive.md` lists the keys).
    `originals`: a folder with a file for each original, decrypted copy and bare message, named by its SHA-256.
    `merge`: join the reports of each message.
    `store`: the path of an `SqliteStore` that learns of every report.
    `quarantine`: a folder with a file for each item that was refused or is followed by another message, and `reasons.jsonl`.
    `manifest`: a file with the SHA-256 of each file that was read or written, but for the store, in the form that
    `sha256sum --check` reads; the summary then has an `account`.
    `skip`: files and folders that are not read, such as the page that the caller will write.
    `jobs`: the number of processes, as in `map_archive`.
    `resume`: continue a run that was stopped. Its state is in a folder beside the first of `json`, `originals`, `quarantine`,
    `store` and `manifest`.
    `progress`: called with the counts so far after each batch, and while reports are merged.
    `complain`: called with each item that could not be read or written, and the reason.
    `finish`: called with the summary while the state is still there, so that a run in which it fails can be resumed.

    The other options are those of `read_archive`. The outputs depend on the archives alone, so a second run changes nothing.

    Raises InvalidValue, TypeError, OSError for an output that cannot be written, and StoreError; finished work is kept for
    `resume`.
    """
    return run_scan(
        paths,
        json=json,
        originals=originals,
        merge=merge,
        store=store,
        quarantine=quarantine,
        manifest=manifest,
        skip=skip,
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
    json: "StrPath | None",
    originals: "StrPath | None",
    merge: bool,
    store: "StrPath | None",
    quarantine: "StrPath | None",
    manifest: "StrPath | None",
    skip: "Sequence[StrPath]",
    undeliverable: bool,
    unmarked: bool,
    patterns: Sequence[str],
    mbox: MboxVariant | None,
    format: ReportFormat | None,
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
    outputs = Outputs(json, originals, quarantine, store, manifest, skip)
    outputs.check(paths)
    with ExitStack() as stack:
        state = stack.enter_context(outputs.state(needed=merge, anew=not resume))
        sessions = None if manifest is None or state is None else Sessions(state)
        if sessions is not None:
            stack.enter_context(sessions.running())
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
            has_lines=json is not None or merge or quarantine is not None,
            has_store=store is not None,
            is_merged=merge,
            has_account=manifest is not None,
        )
        run = Run(work, None if progress is None else lambda counts: progress(_summarize(counts)), complain, sizes)
        places = locate(
            paths,
            patterns=as_patterns(patterns),
            mbox=as_variant(mbox),
            lazily=jobs != 1,
            without=outputs.all,
            max_ratio=max_ratio,
            floor=sizes.floor,
            has_files=manifest is not None,
        )
        run.read(places, jobs)
        if originals is not None or quarantine is not None:
            sync()
        if store is not None and state is not None:
            identities = work.identities(run.batches)
            run.counts.update(remember_reports(store, identities, state, step_size=sizes.remembered))
        if merge:
            write_lines(json, chain(merge_lines(run, jobs), work.lines(run.batches, MESSAGE + BAD)), state)
        elif json is not None:
            write_lines(json, work.lines(run.batches, REPORT + MESSAGE + BAD), state)
        if quarantine is not None:
            write_lines(outputs.reasons, work.lines(run.batches, BAD + ASIDE), os.path.join(quarantine, PARTS))
        summary = _summarize(run.counts)
        if manifest is not None and sessions is not None:
            account = write_account(
                os.fspath(manifest),
                tallies=work.lines(run.batches, FILE),
                kept=work.lines(run.batches, KEPT),
                exceptions=(),
                outputs=outputs.results,
                names=reader.names,
                months=_by_kind(run.counts, "months"),
                sessions=sessions,
                complain=complain,
            )
            summary = summary._replace(account=account)
        if finish is not None:
            finish(summary)
    return summary


def _by_kind(counts: Counts, what: str) -> dict[str, int]:
    return {str(kind): count for (name, kind), count in sorted(counts.items()) if name == what and count}


def _summarize(counts: Counts) -> ScanSummary:
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
    )
