"""What is made of all batches together: the reports of each message joined, and a store that learns of every report.

Reports are put in the order of their messages on disk, so that it does not matter how many there are.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Final, TypeAlias

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

_Group: TypeAlias = tuple[bool, list[bytes]]
# Buffer of lines that are merged at a time: some thousand reports, or one on a very long list.
_MERGED: Final = 2 << 20


def merged_lines(run: Run, jobs: int) -> Iterator[bytes]:
    """The lines of merged reports, in the order of what is in their messages."""
    run.counts["distinct", ""] += 0  # asked for, though there may be none
    for lines, counts in in_parallel(_merge, _groups(run), jobs=jobs):
        run.counts.update(counts)
        if run.progress is not None:
            run.progress(run.counts)
        yield from lines


def _groups(run: Run) -> Iterator[list[_Group]]:
    """The reports of each message, and whether another message has its Message-ID; some at a time."""
    folder = run.work.state
    conflicts = in_order(_conflicts(run), folder=folder)
    conflict = next(conflicts, None)
    # Of one message in the order in which they were read.
    ordered = in_order(
        (
            b"%s\t%016d\t%s" % (line.message, number, line.json)
            for number, line in enumerate(run.work.reports(run.batches))
        ),
        folder=folder,
    )
    some: list[_Group] = []
    size = 0
    for message, lines in groupby(ordered, key=lambda line: line[: line.index(b"\t")]):
        while conflict is not None and conflict < message:
            conflict = next(conflicts, None)
        group = [line.split(b"\t", 2)[2] for line in lines]
        some.append((conflict == message, group))
        size += sum(map(len, group))
        if size >= _MERGED:
            yield some
            some, size = [], 0
    yield some


def _conflicts(run: Run) -> Iterator[bytes]:
    """The messages whose Message-ID another message has."""
    pairs = (b"%s\t%s" % (line.message_id, line.message) for line in run.work.reports(run.batches) if line.message_id)
    ordered = in_order(pairs, folder=run.work.state)
    for _, lines in groupby(ordered, key=lambda line: line[: line.index(b"\t")]):
        messages = groupby(line.partition(b"\t")[2] for line in lines)
        first, second = next(messages)[0], next(messages, None)
        if second is not None:
            yield first
            yield second[0]
            for message, _ in messages:
                yield message


_OF_ITEMS: Final = ("original", "decrypted", "archive_defects", "undeliverable", "found")


def _merge(groups: list[_Group]) -> tuple[list[bytes], Counts]:
    """Merge the reports of some messages."""
    counts: Counts = Counter()
    result = []
    for is_conflict, lines in groups:
        sources: dict[object, list[object]] = {}
        keys: Counter[str] = Counter()
        for line in lines:
            data = json.loads(line)
            statement = read_statement(data)
            # Where it lies, and what else is said of this report alone.
            place = {**data["source"], **{name: data[name] for name in _OF_ITEMS if name in data}}
            sources.setdefault(statement, []).append(place)
            # What is perhaps truncated may have said more.
            keys[statement.identity.report_key] += statement.identity.complete
        [one] = merge(sources)  # type: ignore[arg-type]
        counts["distinct", ""] += 1
        counts["duplicates", ""] += sum(count - 1 for count in keys.values() if count)
        counts["conflicts", ""] += is_conflict
        places = [sources[statement] for statement in one.reports]
        whole = {"kind": "merged", **one.to_dict(), "conflict": is_conflict, "sources": places}
        result.append(json.dumps(whole).encode())
    return result, counts


# The store

# Reports that the store learns of in one step.
_STEP: Final = 5000


def remembered(path: "StrPath", identities: Iterator[Identity], state: str) -> Counts:
    """Let a store know every report, in their order; what it knew of them before.

    What a step answers is written down before the step is taken: a run that goes on would otherwise meet its own reports.
    """
    counts: Counts = Counter()
    with SqliteStore(path) as store:
        number = 0
        while step := list(islice(identities, _STEP)):
            said = [os.path.realpath(path), *[one.report_key for one in step]]
            digest = hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()
            note = f"{state}/seen-{number:08d}-{digest[:32]}"
            number += 1
            answers = _noted(note, len(step))
            if answers is None:
                answers = Counter(map(str, remember_all(step, _Before(store))))
                put(note, (json.dumps(answers).encode(),), state, is_synced=True)
            remember_all(step, store)
            counts.update({("sightings", answer): times for answer, times in answers.items()})
    return counts


def _noted(note: str, size: int) -> Counter[str] | None:
    """The answers that were written down for a step of so many reports, None where there are none."""
    try:
        with open(note, "rb") as file:
            answers = json.load(file)
        found = Counter({str(Sighting(name)): int(times) for name, times in answers.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return found if found.total() == size else None


class _Before:
    """A store as it would answer, without learning anything."""

    def __init__(self, store: SeenStore) -> None:
        self.store = store

    def known(self, keys: Sequence[bytes], /) -> Sequence[bool]:
        """For each key whether it is there."""
        return self.store.known(keys)

    def add(self, groups: Sequence[Sequence[bytes]], /) -> Sequence[Sequence[bool]]:
        """What the store would say of each key."""
        keys = list(dict.fromkeys(chain.from_iterable(groups)))
        seen = {key for key, known in zip(keys, self.known(keys), strict=True) if known}
        answers = []
        for group in groups:
            answers.append([key in seen for key in group])
            seen.update(group)
        return answers
