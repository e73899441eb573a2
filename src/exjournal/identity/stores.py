"""Stores of what was seen: sets of opaque keys that are added to in one atomic step.

A store knows nothing of messages: `duplicates` makes keys of identities and reads the answers. `SeenStore` is all that a third
store has to be; `MemoryStore` is one for a single process, `SqliteStore` one for many, on one disk.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain
from math import floor
from typing import TYPE_CHECKING, Final, Protocol

from exjournal.errors import InvalidValue, StoreError, require_type

if TYPE_CHECKING:
    import os
    import sqlite3
    from types import TracebackType
    from typing import Self
    from weakref import WeakSet

# Marks a file as one of ours, and the form of its tables.
_APPLICATION_ID: Final = 0x45784A6E
_SCHEMA: Final = 1
# Buffer of a page of a new file, and of the log at which what is in it goes to the file.
_PAGE: Final = 2048
_LOG: Final = 16 << 20
# Seconds that a writer waits for the others.
_TIMEOUT: Final = 60.0


class SeenStore(Protocol):
    """What `look_up`, `remember` and `remember_all` need: two operations on opaque keys of up to 32 octets.

    Keys that were added stay until the store forgets them by its own rules. Raises StoreError where the store cannot answer:
    then nothing was added, or all of it where the answer alone was lost; to add again does no harm.
    """

    def known(self, keys: Sequence[bytes], /) -> Sequence[bool]:
        """For each key whether it is there."""

    def add(self, groups: Sequence[Sequence[bytes]], /) -> Sequence[Sequence[bool]]:
        """Add every key of every group in one atomic step, and say for each, in order, whether it was there before.

        No group names a key twice; a key of an earlier group was there before. When it returns, the keys are as durable as the
        store makes them. Of several callers with one key exactly one is told that it was not there.
        """


def _now() -> float:
    import time

    return time.time()


def _seconds(before: datetime) -> int:
    require_type(before, datetime, "before as a datetime")
    if before.utcoffset() is None:
        raise InvalidValue("before", "has no time zone")
    return floor(before.timestamp())


class MemoryStore:
    """A store that lasts as long as its process; threads may share it.

    `clock` gives the current time in seconds since 1970, for `prune`.
    """

    def __init__(self, *, clock: Callable[[], float] = _now) -> None:
        from threading import RLock

        self._clock = clock
        self._seen: dict[bytes, int] = {}
        self._lock = RLock()

    def known(self, keys: Sequence[bytes], /) -> tuple[bool, ...]:
        """For each key whether it is there."""
        with self._lock:
            return tuple([key in self._seen for key in keys])

    def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
        """Add every key of every group in one atomic step, and say for each whether it was there before."""
        now = int(self._clock())
        answers = []
        with self._lock:
            for group in groups:
                answers.append(self.known(group))
                for key in group:
                    self._seen[key] = max(now, self._seen.get(key, now))
        return tuple(answers)

    def prune(self, *, before: datetime) -> int:
        """Forget the keys that were last added before a time, which has a time zone; the number of keys forgotten."""
        limit = _seconds(before)
        with self._lock:
            old = [key for key, last in self._seen.items() if last < limit]
            for key in old:
                del self._seen[key]
        return len(old)

    def close(self) -> None:
        """Nothing is left to do."""

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SqliteStore:
    """A store in one SQLite file, which processes and threads share; beside it stand SQLite's own `-wal` and `-shm` files.

    With `durable` a key that was added outlives a failure of the power, without it that of the process alone, at a fraction
    of the time. `timeout` is how many seconds a writer waits for others. `clock` gives the current time in seconds since 1970,
    for `prune`. The file is made where there is none; its folder is not. It belongs on a local disk: write-ahead logging does
    not work over a network.

    Every operation raises StoreError, which names the file, for what SQLite cannot do, such as a full disk or a damaged file,
    and has then changed nothing. Raises InvalidValue for a path that names no file (":memory:", NUL in it). A store can be
    pickled, and used on both sides of a fork: each process opens the file for itself.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        /,
        *,
        durable: bool = True,
        timeout: float = _TIMEOUT,
        clock: Callable[[], float] = _now,
    ) -> None:
        import os
        from pathlib import Path

        # The name as it is now: a process may change its folder.
        name: object = os.fspath(path)
        if not isinstance(name, str):
            raise TypeError("the path of a store is a string or a path, not bytes")
        if name in ("", ":memory:"):
            raise InvalidValue(
                "path", "names no file, and the store would be lost: MemoryStore() is a store without a file"
            )
        if "\0" in name:
            raise InvalidValue("path", "holds NUL, which no name of a file can")
        self._path = str(Path(name).absolute())
        self._durable = durable
        self._timeout = timeout
        self._clock = clock
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        from threading import RLock

        self._lock = RLock()
        self._database: sqlite3.Connection | None = None
        _watch(self)
        if not self._closed:
            with self._lock:
                self._connected()

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("_path", "_durable", "_timeout", "_clock", "_closed")}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._begin()

    def _connected(self) -> "sqlite3.Connection":
        """The connection of this process, for who holds the lock: a fork takes it away from both sides."""
        if self._closed:
            raise self._error("the store is closed")
        if self._database is None:
            self._database = self._opened()
        elif self._database.in_transaction:
            raise self._error("a step was begun within a step, which a signal may have interrupted")
        return self._database

    def _error(self, problem: "sqlite3.Error | str") -> StoreError:
        return StoreError(f"{self._path}: {problem if isinstance(problem, str) else f'SQLite: {problem}'}")

    def _opened(self) -> "sqlite3.Connection":
        import sqlite3

        try:
            database = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False, cached_statements=16
            )
        except sqlite3.Error as error:
            raise self._error(error) from error
        try:
            self._prepare(database)
        except sqlite3.Error as error:
            database.close()
            raise self._error(error) from error
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: "sqlite3.Connection") -> None:
        database.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        database.execute(f"PRAGMA fullfsync = {int(self._durable)}")  # where a plain one stops at the cache of the disk
        # A step writes few octets to several pages: small ones, and fewer returns of the log to the file, take a third off it.
        database.execute(f"PRAGMA page_size = {_PAGE}")
        database.execute(f"PRAGMA wal_autocheckpoint = {_LOG // _PAGE}")
        found = _form(database)
        if found != (_APPLICATION_ID, _SCHEMA):
            # Two processes may find a new file at once: the second one finds what the first one made.
            with database:
                database.execute("BEGIN IMMEDIATE")
                application, version = _form(database)
                if (application, version) == (0, 0) and not database.execute("SELECT 1 FROM sqlite_master").fetchall():
                    database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID")
                    database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    database.execute(f"PRAGMA user_version = {_SCHEMA}")
                elif application != _APPLICATION_ID:
                    raise self._error("the file is a database of something else")
                elif version != _SCHEMA:
                    raise self._error(f"the file has schema version {version}, and this library knows {_SCHEMA}")
        if not _writes_ahead(database):
            raise self._error("the file system does not allow write-ahead logging")

    def known(self, keys: Sequence[bytes], /) -> tuple[bool, ...]:
        """For each key whether it is there."""
        import sqlite3

        try:
            with self._lock:
                found = _found(self._connected(), keys)
        except sqlite3.Error as error:
            raise self._error(error) from error
        return tuple([key in found for key in keys])

    def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
        """Add every key of every group in one transaction, and say for each whether it was there before."""
        import sqlite3

        now = int(self._clock())
        answers: list[tuple[bool, ...]] = []
        try:
            # The connection commits at the end, or takes everything back.
            with self._lock, self._connected() as database:
                database.execute("BEGIN IMMEDIATE")
                keys = list(dict.fromkeys(chain.from_iterable(groups)))
                found = _found(database, keys)
                seen = set(found)
                for group in groups:
                    answers.append(tuple([key in seen for key in group]))
                    seen.update(group)
                # In the order of the keys, neighbours are written to one page.
                new = sorted([key for key in keys if key not in found])
                if new:
                    database.executemany("INSERT INTO seen VALUES (?, ?)", [(key, now) for key in new])
                old = [(now, key) for key, last in found.items() if last < now]
                if old:
                    database.executemany("UPDATE seen SET last = ? WHERE key = ?", old)
        except sqlite3.Error as error:
            raise self._error(error) from error
        return tuple(answers)

    def prune(self, *, before: datetime) -> int:
        """Forget the keys that were last added before a time, which has a time zone; the number of keys forgotten.

        The room is used again by keys that come; the file does not shrink.
        """
        import sqlite3

        limit = _seconds(before)
        try:
            with self._lock:
                return self._connected().execute("DELETE FROM seen WHERE last < ?", (limit,)).rowcount
        except sqlite3.Error as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Close the file; what was added stays. A second time does nothing."""
        if not self._closed:
            with self._lock:
                self._closed = True
                self._disconnect()

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()


# A connection must not cross a fork, not even unused: SQLite keeps the locks of a file in the process that opened it, and a
# child believes that it holds what its parent does. So every store is closed before a fork, and opened again when it is used.
_watched: "WeakSet[SqliteStore] | None" = None


def _watch(store: SqliteStore) -> None:
    global _watched  # noqa: PLW0603 - the hooks of a process are for all of its stores
    if _watched is None:
        import os
        from weakref import WeakSet

        _watched = WeakSet()
        with suppress(AttributeError):  # where there are no forks
            os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
    _watched.add(store)


# The stores that a fork found, locked by the thread that forks.
_held: list[SqliteStore] = []


def _before_fork() -> None:
    for store in list(_watched or ()):
        store._lock.acquire()
        store._disconnect()
        _held.append(store)


def _after_fork() -> None:
    # The thread that forked is the one that is left in the child, and holds the locks there as well.
    while _held:
        _held.pop()._lock.release()


def _form(database: "sqlite3.Connection") -> tuple[int, int]:
    [[application]] = database.execute("PRAGMA application_id")
    [[version]] = database.execute("PRAGMA user_version")
    return application, version


def _found(database: "sqlite3.Connection", keys: Sequence[bytes]) -> dict[bytes, int]:
    """Those of the keys that are there, and when each was last added."""
    found: dict[bytes, int] = {}
    for start in range(0, len(keys), _VARIABLES):
        some = keys[start : start + _VARIABLES]
        marks = ",".join("?" * len(some))
        found.update(database.execute(f"SELECT key, last FROM seen WHERE key IN ({marks})", some))  # noqa: S608 - marks
    return found


# Variables in one statement: older versions of SQLite allow 999.
_VARIABLES: Final = 500


def _writes_ahead(database: "sqlite3.Connection") -> bool:
    """Switch to write-ahead logging, which SQLite does at once or not at all where another process uses the file."""
    import sqlite3

    for _ in range(_TRIES):
        try:
            return _switched(database)
        except sqlite3.OperationalError:
            with database:
                database.execute("BEGIN IMMEDIATE")  # this waits for the other process
    return _switched(database)


# Others that may come in between, one after the other.
_TRIES: Final = 1000


def _switched(database: "sqlite3.Connection") -> bool:
    [[mode]] = database.execute("PRAGMA journal_mode = WAL")
    return bool(mode == "wal")
