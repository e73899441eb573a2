"""The bulk job: everything in archives as JSON lines, originals, merged reports, a store of what was seen, and what was bad.

`batches` does the work piece by piece, `gathering` joins the pieces, `outputs` puts the results in their places when all is
done.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from exjournal.archives.batches import ASIDE, BAD, MESSAGE, REPORT, Run, Work
from exjournal.archives.items import Reader, check_limits, names_of, variant_of
from exjournal.archives.joining import merged_lines, remembered
from exjournal.archives.outputs import PARTS, Outputs, sync, write_lines
from exjournal.archives.sources import MboxVariant, Source
from exjournal.archives.walk import located
from exjournal.identity.stores import SqliteStore
from exjournal.limits import RATIO_LIMIT
from exjournal.reports.models import ReportFormat

if TYPE_CHECKING:
    import os

    from exjournal.archives.batches import Counts

    StrPath: TypeAlias = str | os.PathLike[str]


class ScanSummary(NamedTuple):
    """What a scan found and did, in numbers; those that were not asked for are None or empty.

    `octets` are those of items. `formats`, `defects`, `messages` and `refusals` count by format and by code; what could not be
    read is counted among the refusals by the name of the system's error. `originals` and `quarantined` count files that were
    "written" or "there" already, and what was "not-written". With `merge` reports are of `distinct` messages; `duplicates` tell
    nothing that another report does not, and `conflicts` are messages whose Message-ID another one has. `sightings` are the
    answers of the store. `resumed` counts items of the run before. `unmarked` counts the reports without a marker, and
    `reads_like`, by format, the messages without one that read like a report and were not read as one.
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


def scan_archive(
    *paths: "StrPath",
    json: "StrPath | None" = None,
    originals: "StrPath | None" = None,
    merge: bool = False,
    store: "StrPath | None" = None,
    quarantine: "StrPath | None" = None,
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
) -> ScanSummary:
    """Go through archives as `read_archive` does, write what is asked for, and count.

    `json` gets a line for each item, with `merge` one for each message and then those of items that are no reports
    (`docs/archive.md` has the keys). `originals` gets a file for each original, decrypted copy and bare message, named by its
    SHA-256; `quarantine` one for each item that was refused or in which another message begins,
    and `reasons.jsonl`. `store` is the path of an `SqliteStore` that
    learns of every report. What is in the outputs depends on the archives alone, so that a second run changes nothing.

    `jobs` is as in `map_archive`, the other options as in `read_archive`. With `resume` a run that was stopped goes on: what
    was read is not read again. Its state lies in a folder beside the first of `json`, `originals`, `quarantine` and `store`.
    `progress` is called after each batch with the counts so far, and while reports are joined, `complain` with each item that
    could not be read or written, and why.

    Raises InvalidValue, OSError for an output that cannot be written, and StoreError; what was done is kept for `resume`.
    """
    import os
    from itertools import chain

    check_limits(jobs, max_ratio)
    outputs = Outputs(json, originals, quarantine, store)
    outputs.check(paths)
    with outputs.state(needed=merge, anew=not resume) as state:
        if store is not None:
            SqliteStore(store).close()  # what is no store is told before the work, not behind it
        work = Work(
            Reader(format, undeliverable=undeliverable, unmarked=unmarked, names=names, max_ratio=max_ratio),
            originals=originals,
            quarantine=quarantine,
            state=state,
            has_lines=json is not None or merge or quarantine is not None,
            has_store=store is not None,
            is_merged=merge,
        )
        run = Run(work, None if progress is None else lambda counts: progress(_summary(counts)), complain)
        run.read(
            located(
                paths,
                patterns=names_of(patterns),
                mbox=variant_of(mbox),
                lazily=jobs != 1,
                without=outputs.all,
                max_ratio=max_ratio,
            ),
            jobs,
        )
        if originals is not None or quarantine is not None:
            sync()
        if store is not None and state is not None:
            run.counts.update(remembered(store, work.identities(run.batches), state))
        if merge:
            write_lines(json, chain(merged_lines(run, jobs), work.lines(run.batches, MESSAGE + BAD)), state)
        elif json is not None:
            write_lines(json, work.lines(run.batches, REPORT + MESSAGE + BAD), state)
        if quarantine is not None:
            write_lines(outputs.reasons, work.lines(run.batches, BAD + ASIDE), os.path.join(quarantine, PARTS))
    return _summary(run.counts)


def _summary(counts: "Counts") -> ScanSummary:
    def by_kind(what: str) -> dict[str, int]:
        return {str(kind): count for (one, kind), count in sorted(counts.items()) if one == what and count}

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
