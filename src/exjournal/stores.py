"""Stores of what was seen: sets of opaque keys that are added to in one atomic step.

A store knows nothing of messages: `duplicates` makes keys of identities and reads the answers. `SeenStore` is all that a third
store has to be; `MemoryStore` is one for a single process, `SqliteStore` one for many, on one disk.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from exjournal.errors import InvalidValue, StoreError

if TYPE_CHECKING:
    import os
    import sqlite3
    from types import TracebackType
    from typing import Self

# Marks a file as one of ours, and the form of its tables.
_APPLICATION_ID: Final = 0x45784A6E
_SCHEMA: Final = 1
# Seconds that a writer waits for the others.
_TIMEOUT: Final = 60.0


class SeenStore(Protocol):
    """What `look_up`, `remember` and `remember_all` need: two operations on opaque keys of up to 32 octets.

    Keys that were added stay until the store forgets them by its own rules. Raises StoreError where the store cannot answer;
    then nothing was added.
    """

    def known(self, keys: Sequence[bytes], /) -> Sequence[bool]:
        """For each key whether it is there."""

    def add(self, groups: Sequence[Sequence[bytes]], /) -> Sequence[Sequence[bool]]:
        """Add every key of every group in one atomic step, and say for each, in order, whether it was there before.

        When it returns, the keys are as durable as the store makes them. Of several callers with one key exactly one is told
        that it was not there.
        """


def _now() -> float:
    import time

    return time.time()


def _seconds(before: datetime) -> int:
    if before.tzinfo is None:
        raise InvalidValue("before", "has no time zone")
    return int(before.astimezone(UTC).timestamp())


class MemoryStore:
    """A store that lasts as long as its process; threads may share it.

    `clock` gives the current time in seconds since 1970, for `prune`.
    """

    def __init__(self, *, clock: Callable[[], float] = _now) -> None:
        from threading import Lock

        self._clock = clock
        self._seen: dict[bytes, int] = {}
        self._lock = Lock()

    def known(self, keys: Sequence[bytes], /) -> tuple[bool, ...]:
        """For each key whether it is there."""
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

    Every operation raises StoreError for what SQLite cannot do, such as a full disk or a damaged file, and has then changed
    nothing. A store can be pickled, and used on both sides of a fork: each process opens the file for itself.
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
        from pathlib import Path

        # The name as it is now: a process may change its folder, and ":memory:" is a file like others.
        self._path = str(Path(path).absolute())
        self._durable = durable
        self._timeout = timeout
        self._clock = clock
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        import os
        from threading import RLock

        self._lock = RLock()
        self._process = os.getpid()
        self._database = self._opened()

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("_path", "_durable", "_timeout", "_clock", "_closed")}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        if not self._closed:
            self._begin()

    def _opened(self) -> "sqlite3.Connection":
        import sqlite3

        try:
            database = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False, cached_statements=16
            )
        except sqlite3.Error as error:
            raise _store_error(error) from error
        try:
            self._prepare(database)
        except sqlite3.Error as error:
            database.close()
            raise _store_error(error) from error
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: "sqlite3.Connection") -> None:
        database.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        database.execute(f"PRAGMA fullfsync = {int(self._durable)}")  # where a plain one stops at the cache of the disk
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
                    raise StoreError("the file is a database of something else")
                elif version != _SCHEMA:
                    raise StoreError(f"the file has schema version {version}, and this library knows {_SCHEMA}")
        if database.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreError("the file system does not allow write-ahead logging")

    def _connected(self) -> "sqlite3.Connection":
        import os

        if self._closed:
            raise StoreError("the store is closed")
        if self._process != os.getpid():
            # A connection must not cross a fork: the parent's stays as it is, untouched and not closed.
            _INHERITED.append(self._database)
            self._begin()
        return self._database

    def known(self, keys: Sequence[bytes], /) -> tuple[bool, ...]:
        """For each key whether it is there."""
        import sqlite3

        database = self._connected()
        try:
            with self._lock:
                found = _found(database, keys)
        except sqlite3.Error as error:
            raise _store_error(error) from error
        return tuple([key in found for key in keys])

    def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
        """Add every key of every group in one transaction, and say for each whether it was there before."""
        import sqlite3

        database = self._connected()
        now = int(self._clock())
        answers: list[tuple[bool, ...]] = []
        try:
            with self._lock, database:  # the connection commits at the end, or takes everything back
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
            raise _store_error(error) from error
        return tuple(answers)

    def prune(self, *, before: datetime) -> int:
        """Forget the keys that were last added before a time, which has a time zone; the number of keys forgotten.

        The room is used again by keys that come; the file does not shrink.
        """
        import sqlite3

        limit = _seconds(before)
        database = self._connected()
        try:
            with self._lock:
                return database.execute("DELETE FROM seen WHERE last < ?", (limit,)).rowcount
        except sqlite3.Error as error:
            raise _store_error(error) from error

    def close(self) -> None:
        """Close the file; what was added stays. A second time does nothing."""
        import os

        if not self._closed and self._process == os.getpid():
            with self._lock:
                self._database.close()
        self._closed = True

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()


# Connections of a parent process, kept from being closed: that would take the parent's locks from it.
_INHERITED: list[object] = []


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


def _store_error(error: Exception) -> StoreError:
    return StoreError(f"SQLite: {error}")
