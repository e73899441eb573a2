"""Keys of a message, against one pass of SHA-256; remembering reports, against bare inserts into SQLite."""

import hashlib
import random
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from measure import MB, Claim, Effort, Row, at_most, in_turn, microseconds, shown, size_text
from messages import message, samples

from exjournal import (
    Envelope,
    Identity,
    MemoryStore,
    SqliteStore,
    build_report,
    identify,
    look_up,
    merge,
    parse_report,
    remember,
    remember_all,
    report_for,
)
from exjournal.identity.content_digest import same_content

# Keys that a store holds for the first report of a message.
_KEYS = 3
_KEY_OCTETS = 32
_BARE = "INSERT OR IGNORE INTO bare VALUES (?)"
# Reports remembered to measure the size on disk.
_MILLION = 1_000_000


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield three tables: the keys of a message, the time to remember a report, and the size on disk."""
    yield Claim("The keys of a message cost little more than hashing it", tuple(_identities(effort)))
    yield Claim("Remembering a report costs little more than the bare inserts", tuple(_stores(effort)))
    yield Claim("A million reports fit on any disk", tuple(_sizes(effort)), "")


def _identities(effort: Effort) -> Iterator[Row]:
    for size, content_bound, original_bound in ((62 << 10, None, None), (25 * MB, 2.5, 1.1)):
        original = message(random.Random(size), size, "user2@example.com", "Figures", "<figures@example.com>", 12)
        envelope = Envelope("user2@example.com", ["bob@example.com"])
        parsed = parse_report(build_report(report_for(original, envelope), original, domain="example.com"))
        works = {
            "content": lambda data: same_content(data, 0, len(data)),
            "sha256": lambda data: hashlib.sha256(data).digest(),
            "identify": lambda _, parsed=parsed: identify(parsed),
        }
        times = in_turn(works, [original], effort)
        once = times["sha256"]
        rest = (times["identify"] - times["content"]) / once
        for case, ratio, bound, note in (
            ("content_sha256", times["content"] / once, content_bound, microseconds(**times)),
            ("all the other keys, original_sha256 among them", rest, original_bound, ""),
        ):
            row = f"{size_text(size)}, {case}, to one pass of SHA-256"
            yield shown(row, ratio, note) if bound is None else at_most(row, ratio, bound, note)
    reports = [parse_report(sample.data) for sample in samples(8, 2 << 10)]
    data = [sample.data for sample in samples(8, 2 << 10)]
    works = {
        "identify": lambda number: identify(reports[number]),
        "read": lambda number: parse_report(data[number]),
        "merge": lambda number: merge([reports[number]]),
    }
    times = in_turn(works, range(8), effort)
    yield shown("2 KB, all keys, to reading the report", times["identify"] / times["read"], microseconds(**times))


def _stores(effort: Effort) -> Iterator[Row]:
    for durable in (True, False):
        with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder, "seen"), durable=durable) as store:
            yield from _store(store, _bare(Path(folder, "bare"), durable=durable), effort, durable=durable)
    rng = random.Random(1)
    with MemoryStore() as memory:
        work = {"remember": (lambda many: _each(remember, many, memory), lambda: _identities_of(rng, 200))}
        times = _rounds(work, 200, effort)
        yield Row("in memory, a report", f"{times['remember']:.1f} µs")


def _store(store: SqliteStore, bare: sqlite3.Connection, effort: Effort, *, durable: bool) -> Iterator[Row]:
    rng = random.Random(1)
    name = "synchronous FULL" if durable else "synchronous NORMAL"
    remember_all(_identities_of(rng, 20_000), store)
    _insert_all(bare, _keys_of(rng, 20_000))
    at_once = {
        "remember_all": (lambda many: remember_all(many, store), lambda: _identities_of(rng, 5000)),
        "bare": (lambda many: _insert_all(bare, many), lambda: _keys_of(rng, 5000)),
    }
    times = _rounds(at_once, 5000, effort)
    ratio = times["remember_all"] / times["bare"]
    yield at_most(f"{name}, 5000 reports at once, to their keys in one transaction", ratio, 3, microseconds(**times))
    one_by_one = {
        "remember": (lambda many: _each(remember, many, store), lambda: _identities_of(rng, 1000)),
        "bare": (lambda many: _insert_each(bare, many), lambda: _keys_of(rng, 1000)),
        "one_key": (lambda many: _insert_each(bare, many), lambda: _keys_of(rng, 1000, 1)),
    }
    times = _rounds(one_by_one, 1000, effort)  # some checkpoints in each turn
    yield at_most(
        f"{name}, a report, to its keys and a commit", times["remember"] / times["bare"], 2, microseconds(**times)
    )
    yield at_most(f"{name}, a report, to one key and a commit", times["remember"] / times["one_key"], 2)
    known = _identities_of(rng, 200)
    remember_all(known, store)
    times = _rounds({"look_up": (lambda many: _each(look_up, many, store), lambda: known)}, 200, effort)
    yield Row(f"{name}, look up a known report", f"{times['look_up']:.1f} µs")


def _sizes(effort: Effort) -> Iterator[Row]:
    count = _MILLION if effort.seconds > 1 else _MILLION // 20
    rng = random.Random(2)
    for case, siblings in (("each on a different message", 1), ("three for each message", 3)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "seen")
            with SqliteStore(path, durable=False) as store:
                for _ in range(count // 10_000):
                    remember_all(_identities_of(rng, 10_000, siblings), store)
            size = path.stat().st_size
        yield Row(
            f"{count:,} reports, {case}".replace(",", " "), size_text(size), note=f"{size / count:.0f} bytes each"
        )


def _identities_of(rng: random.Random, count: int, siblings: int = 1) -> list[Identity]:
    """Make identities of `count` reports, several of them on one message."""
    found = []
    while len(found) < count:
        digest, message_id = rng.randbytes(32).hex(), rng.randbytes(32).hex()
        for _ in range(min(siblings, count - len(found))):
            key = rng.randbytes(32).hex()
            found.append(
                Identity("<r>", "<m>", message_id, "", digest, digest, None, digest, digest, key, True, False)  # noqa: FBT003
            )
    return found


def _keys_of(rng: random.Random, count: int, each: int = _KEYS) -> list[list[tuple[bytes]]]:
    return [[(rng.randbytes(_KEY_OCTETS),) for _ in range(each)] for _ in range(count)]


def _bare(path: Path, *, durable: bool) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    database.execute("CREATE TABLE bare (key BLOB PRIMARY KEY) WITHOUT ROWID")
    return database


def _insert_all(database: sqlite3.Connection, groups: Sequence[list[tuple[bytes]]]) -> None:
    database.execute("BEGIN")
    database.executemany(_BARE, [key for group in groups for key in group])
    database.execute("COMMIT")


def _insert_each(database: sqlite3.Connection, groups: Sequence[list[tuple[bytes]]]) -> None:
    for group in groups:
        database.execute("BEGIN")
        database.executemany(_BARE, group)
        database.execute("COMMIT")


def _each(work: Callable[[Identity, object], object], identities: Sequence[Identity], store: object) -> None:
    for identity in identities:
        work(identity, store)


def _rounds(
    contenders: Mapping[str, tuple[Callable[[list], object], Callable[[], list]]], count: int, effort: Effort
) -> dict[str, float]:
    """Return the median time of each contender for one report, in microseconds; each turn has new reports."""
    turns: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    started = perf_counter()
    while len(turns[order[0]]) < effort.rounds or perf_counter() - started < effort.seconds:
        for name in order:
            work, make = contenders[name]
            given = make()
            begun = perf_counter()
            work(given)
            turns[name].append((perf_counter() - begun) / count)
        order.append(order.pop(0))
    return {name: statistics.median(found) * 1e6 for name, found in turns.items()}
