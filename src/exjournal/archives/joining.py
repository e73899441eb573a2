"""Joins finished batches: merged reports, and the store that learns of every report.

Reports are sorted by their messages on disk, so memory does not depend on their number.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exjournal.archives.batches import Counts, Run
from exjournal.archives.outputs import put
from exjournal.archives.parallel import in_parallel
from exjournal.archives.sorting import in_order
from exjournal.identity.duplicates import Sighting, remember_all
from exjournal.identity.keys import Identity
from exjournal.identity.merging import merge
from exjournal.identity.statements import read_statement
from exjournal.identity.stores import SeenStore, SqliteStore

if TYPE_CHECKING:
    StrPath: TypeAlias = str | os.PathLike[str]


class _Group(NamedTuple):
    """The lines of the reports of one message, and whether another message has its Message-ID."""

    is_conflict: bool
    lines: list[bytes]


def merge_lines(run: Run, jobs: int) -> Iterator[bytes]:
    """Yield the lines of merged reports, in the order of the digests of their messages."""
    run.counts["distinct", ""] += 0  # so that the count is there without reports as well
    for lines, counts in in_parallel(_merge, _groups(run), jobs=jobs):
        run.counts.update(counts)
        if run.progress is not None:
            run.progress(run.counts)
        yield from lines


def _groups(run: Run) -> Iterator[list[_Group]]:
    """Yield the reports of each message, those of several messages at a time."""
    conflicts = _sort(run, _conflicts(run))
    conflict = next(conflicts, None)
    # The reports of one message stay in the order in which they were read.
    ordered = _sort(
        run,
        (
            b"%s\t%016d\t%s" % (line.message, number, line.json)
            for number, line in enumerate(run.work.reports(run.batches))
        ),
    )
    groups: list[_Group] = []
    size = 0
    for message, lines in groupby(ordered, key=lambda line: line[: line.index(b"\t")]):
        while conflict is not None and conflict < message:
            conflict = next(conflicts, None)
        group = _Group(conflict == message, [line.split(b"\t", 2)[2] for line in lines])
        groups.append(group)
        size += sum(map(len, group.lines))
        if size >= run.sizes.merged:
            yield groups
            groups, size = [], 0
    yield groups


def _sort(run: Run, lines: Iterable[bytes]) -> Iterator[bytes]:
    return in_order(lines, folder=run.work.state, room=run.sizes.room, files=run.sizes.files)


def _conflicts(run: Run) -> Iterator[bytes]:
    """Yield the messages whose Message-ID another message has."""
    pairs = (b"%s\t%s" % (line.message_id, line.message) for line in run.work.reports(run.batches) if line.message_id)
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


def _merge(groups: list[_Group]) -> tuple[list[bytes], Counts]:
    """Merge the reports of several messages."""
    counts: Counts = Counter()
    result = []
    for is_conflict, lines in groups:
        sources: dict[object, list[object]] = {}
        keys: Counter[str] = Counter()
        for line in lines:
            data = json.loads(line)
            statement = read_statement(data)
            place = {**data["source"], **{name: data[name] for name in _OF_ITEMS if name in data}}
            sources.setdefault(statement, []).append(place)
            # A report that is perhaps truncated may have said more, so it is not a duplicate.
            keys[statement.identity.report_key] += statement.identity.complete
        [merged] = merge(sources)  # type: ignore[arg-type]
        counts["distinct", ""] += 1
        counts["duplicates", ""] += sum(count - 1 for count in keys.values() if count)
        counts["conflicts", ""] += is_conflict
        places = [sources[statement] for statement in merged.reports]
        data = {"kind": "merged", **merged.to_dict(), "conflict": is_conflict, "sources": places}
        result.append(json.dumps(data).encode())
    return result, counts


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
