"""Joins finished batches: merged reports, the rows of their recipients, and the store that learns of every report.

Reports are sorted by their messages on disk, so memory does not depend on their number.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exjournal.archives.accounts import content_of_report
from exjournal.archives.batches import REPORT, Counts, Line, Run
from exjournal.archives.exceptions import CONFLICT, ArchiveException, Category, exception_data
from exjournal.archives.outputs import put
from exjournal.archives.parallel import in_parallel
from exjournal.archives.recipients import Witness, recipient_rows
from exjournal.archives.sorting import in_order
from exjournal.archives.tables import csv_rows
from exjournal.identity.duplicates import Sighting, remember_all
from exjournal.identity.keys import Identity
from exjournal.identity.merging import merge
from exjournal.identity.statements import Statement, read_statement
from exjournal.identity.stores import SeenStore, SqliteStore

if TYPE_CHECKING:
    StrPath: TypeAlias = str | os.PathLike[str]


class Joined(NamedTuple):
    """The outputs for some messages: lines of JSON, rows of the table of recipients, and lines of exceptions."""

    lines: bytes
    rows: bytes
    exceptions: bytes
    counts: Counts


class _Line(NamedTuple):
    """The line of a report in the order of messages; `more` as in `batches.Line`."""

    kind: bytes
    more: bytes
    json: bytes


class _Group(NamedTuple):
    """The lines of the reports of one message, and whether another message has its Message-ID."""

    is_conflict: bool
    lines: list[_Line]


def join(run: Run, jobs: int, *, lines: bool, rows: bool, exceptions: bool) -> Iterator[Joined]:
    """Merge the reports of each message, in the order of the digests of their messages, and yield what is made of some.

    A message without a selected report has neither a line nor rows.
    """
    run.counts["distinct", ""] += 0  # so that the count is there without reports as well
    steps = _Steps(run)
    function = partial(_join, lines=lines, rows=rows, exceptions=exceptions)
    for joined in in_parallel(function, _groups(run, steps), jobs=jobs):
        run.counts.update(joined.counts)
        steps.merged(joined.counts["merged", ""])
        yield joined


class _Steps:
    """The progress of merging: the reports are sorted twice, first by Message-ID and then by message, and merged."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.total = sum(_COSTS) * run.counts["reports", ""]
        self.done = 0

    def sorted(self, lines: Iterable[Line], cost: int) -> Iterator[Line]:
        """Yield the lines of reports, and report progress from time to time."""
        for number, line in enumerate(lines, 1):
            self.done += cost
            if not number % self.run.sizes.batch:
                self.run.report_progress(self.done / self.total)
            yield line

    def merged(self, reports: int) -> None:
        """Report the progress after some more reports were merged."""
        self.done += _COSTS[2] * reports
        self.run.report_progress(self.done / self.total if self.total else 1.0)


# What the sorting by Message-ID, the sorting by message and the merging of a report cost, in proportion.
_COSTS: Final = (1, 2, 7)


def _groups(run: Run, steps: _Steps) -> Iterator[list[_Group]]:
    """Yield the reports of each message, those of several messages at a time."""
    conflicts = _sort(run, _conflicts(run, steps))
    conflict = next(conflicts, None)
    # The reports of one message stay in the order in which they were read.
    ordered = _sort(
        run,
        (
            b"%s\t%016d\t%s\t%s\t%s" % (line.message, number, line.kind, line.more, line.json)
            for number, line in enumerate(steps.sorted(run.work.reports(run.batches), _COSTS[1]))
        ),
    )
    groups: list[_Group] = []
    size = 0
    for message, lines in groupby(ordered, key=lambda line: line[: line.index(b"\t")]):
        while conflict is not None and conflict < message:
            conflict = next(conflicts, None)
        group = _Group(conflict == message, [_Line(*line.split(b"\t")[2:]) for line in lines])
        groups.append(group)
        size += sum([len(line.json) for line in group.lines])
        if size >= run.sizes.merged:
            yield groups
            groups, size = [], 0
    yield groups


def _sort(run: Run, lines: Iterable[bytes]) -> Iterator[bytes]:
    return in_order(lines, folder=run.work.state, room=run.sizes.room, files=run.sizes.files)


def _conflicts(run: Run, steps: _Steps) -> Iterator[bytes]:
    """Yield the messages whose Message-ID another message has."""
    reports = steps.sorted(run.work.reports(run.batches), _COSTS[0])
    pairs = (b"%s\t%s" % (line.message_id, line.message) for line in reports if line.message_id)
    for _, lines in groupby(_sort(run, pairs), key=lambda line: line[: line.index(b"\t")]):
        messages = groupby(line.partition(b"\t")[2] for line in lines)
        first, second = next(messages)[0], next(messages, None)
        if second is not None:
            yield first
            yield second[0]
            for message, _ in messages:
                yield message


# Keys of a line that are about one report and its place.
_OF_ITEMS: Final = ("original", "decrypted", "header", "archive_defects", "undeliverable", "found")


def _join(groups: list[_Group], *, lines: bool, rows: bool, exceptions: bool) -> Joined:
    """Merge the reports of several messages."""
    counts: Counts = Counter()
    made_lines: list[bytes] = []
    made_rows: list[bytes] = []
    made_exceptions: list[bytes] = []
    for group in groups:
        # Hashing a statement with a long list of recipients is slow, so equal ones share an object.
        places: dict[Statement, tuple[Statement, list[object]]] = {}
        witnesses: list[Witness] = []
        keys: Counter[str] = Counter()
        for line in group.lines:
            data = json.loads(line.json)
            more = json.loads(line.more) if line.more else {}
            if "identity" not in data:
                data["identity"] = Identity(*more["identity"]).to_dict()
            new = read_statement(data)
            statement, sources = places.setdefault(new, (new, []))
            of_item = {name: data[name] for name in _OF_ITEMS}
            if rows:
                witnesses.append(Witness(statement, {"source": data["source"], **of_item}))
            sources.append({**data["source"], **of_item})
            # A report that is perhaps truncated may have said more, so it is not a duplicate.
            keys[statement.identity.report_key] += statement.identity.complete
            if exceptions and group.is_conflict:
                conflict = exception_data(_CONFLICTING, data["source"], more["size"], more["sha256"])
                conflict["content"] = content_of_report(statement.report, data["header"]["date"] or "")
                made_exceptions.append(json.dumps(conflict).encode())
        [merged] = merge(places)
        counts["distinct", ""] += 1
        counts["merged", ""] += len(group.lines)
        counts["duplicates", ""] += sum(count - 1 for count in keys.values() if count)
        counts["conflicts", ""] += group.is_conflict
        if not any(line.kind == REPORT for line in group.lines):
            counts["left_out", "distinct messages"] += 1
            continue
        if lines:
            by_id = {id(statement): sources for statement, sources in places.values()}
            data = {
                "kind": "merged",
                **merged.to_dict(),
                "conflict": group.is_conflict,
                "sources": [by_id[id(statement)] for statement in merged.reports],
            }
            made_lines.append(json.dumps(data).encode())
        if rows:
            made_rows.append(csv_rows(recipient_rows(merged, witnesses, is_conflict=group.is_conflict)))
    return Joined(_ended(made_lines), b"".join(made_rows), _ended(made_exceptions), counts)


_CONFLICTING: Final = ArchiveException(Category.CONFLICTING, CONFLICT)


def _ended(lines: Iterable[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in lines])


# The store


def remember_reports(path: "StrPath", identities: Iterator[Identity], state: str, *, step_size: int) -> Counts:
    """Add every report to a store, `step_size` at a time in their order, and count what the store knew of them before.

    The answers for a step are written to a note in the folder `state` before the step is taken: a resumed run would otherwise
    meet its own reports.
    """
    counts: Counts = Counter()
    with SqliteStore(path) as store:
        number = 0
        while step := list(islice(identities, step_size)):
            key = [os.path.realpath(path), *[identity.report_key for identity in step]]
            digest = hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()
            note = f"{state}/seen-{number:08d}-{digest[:32]}"
            number += 1
            answers = _read_note(note, len(step))
            if answers is None:
                answers = Counter(map(str, remember_all(step, _Before(store))))
                put(note, (json.dumps(answers).encode(),), state, is_synced=True)
            remember_all(step, store)
            counts.update({("sightings", answer): times for answer, times in answers.items()})
    return counts


def _read_note(note: str, size: int) -> Counter[str] | None:
    """Return the answers in a note, None without a valid one for a step of `size` reports."""
    try:
        with open(note, "rb") as file:
            answers = json.load(file)
        counts = Counter({str(Sighting(name)): int(times) for name, times in answers.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return counts if counts.total() == size else None


class _Before:
    """Answers as a store would, without changing it."""

    def __init__(self, store: SeenStore) -> None:
        self.store = store

    def known(self, keys: Sequence[bytes], /) -> Sequence[bool]:
        """Return for each key whether the store has it."""
        return self.store.known(keys)

    def add(self, groups: Sequence[Sequence[bytes]], /) -> Sequence[Sequence[bool]]:
        """Return for each key of each group what the store would answer."""
        keys = list(dict.fromkeys(chain.from_iterable(groups)))
        seen = {key for key, known in zip(keys, self.known(keys), strict=True) if known}
        answers = []
        for group in groups:
            answers.append([key in seen for key in group])
            seen.update(group)
        return answers
