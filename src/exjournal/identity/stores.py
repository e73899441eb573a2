"""Stores of keys that were seen: sets of opaque bytes with one atomic operation, "add and say which are new".

A store knows nothing about messages: `duplicates` makes the keys and interprets the answers. `SeenStore` is the protocol for
stores of your own, `MemoryStore` a store for one process, `SqliteStore` a store for all processes of one machine.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain
from math import floor
from threading import RLock
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

from exjournal.errors import InvalidValue, StoreError, require_type

if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType
    from typing import Self

# Mark a file as a store, and the version of its tables.
_APPLICATION_ID: Final = 0x45784A6E
_SCHEMA: Final = 1
# Bytes of a page in a new file, and of the write-ahead log before its content moves to the file.
_PAGE: Final = 2048
_LOG: Final = 16 << 20
# Seconds that a writer waits for other writers.
_TIMEOUT: Final = 60.0


class SeenStore(Protocol):
    """The protocol of a store: two operations on opaque keys of up to 32 bytes.

    A key stays until the store forgets it by rules of its own. Both operations raise StoreError if the store cannot answer.
    Then it has added nothing, or everything if only the answer was lost; adding again is safe.
    """

    def known(self, keys: Sequence[bytes], /) -> Sequence[bool]:
        """Return for each key whether it is in the store."""

    def add(self, groups: Sequence[Sequence[bytes]], /) -> Sequence[Sequence[bool]]:
        """Add every key of every group in one atomic step, and return for each, in order, whether it was there before.

        A group names each key once; keys of an earlier group count as there before. When this returns, the keys are as durable
        as the store makes them. If several callers add one key, exactly one of them learns that it was new.
        """


def _seconds(before: datetime) -> int:
    require_type(before, datetime, "before as a datetime")
    if before.utcoffset() is None:
        raise InvalidValue("before", "must have a time zone")
    return floor(before.timestamp())


class MemoryStore:
    """A store that lasts as long as its process; threads may share it, and it cannot be pickled.

    `clock` gives the current time in seconds since 1970, for `prune`.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._seen: dict[bytes, int] = {}
        self._lock = RLock()

    def known(self, keys: Sequence[bytes], /) -> tuple[bool, ...]:
        """Return for each key whether it is in the store."""
        with self._lock:
            return tuple([key in self._seen for key in keys])

    def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
        """Add every key of every group in one atomic step, and return for each whether it was there before."""
        now = int(self._clock())
        answers = []
        with self._lock:
            for group in groups:
                answers.append(self.known(group))
                for key in group:
                    self._seen[key] = max(now, self._seen.get(key, now))
        return tuple(answers)

    def prune(self, *, before: datetime) -> int:
        """Forget the keys last added before a time; return their number.

        Raises InvalidValue (`before`) for a time without a time zone.
        """
        limit = _seconds(before)
        with self._lock:
            old = [key for key, last in self._seen.items() if last < limit]
            for key in old:
                del self._seen[key]
        return len(old)

    def close(self) -> None:
        """Do nothing: a store in memory holds no file."""

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SqliteStore:
    """A store in one SQLite file, shared by any number of processes and threads.

    * `path`: the file, created if it is missing; its folder must exist. SQLite keeps two files next to it, `-wal` and `-shm`.
      It must be on a local disk, because write-ahead logging does not work over a network.
    * `durable`: True keeps added keys through a power failure; False, which is several times faster, through the end of the
      process only.
    * `timeout`: how many seconds a writer waits for other writers.
    * `clock`: returns the current time in seconds since 1970, for `prune`.

    Every operation raises StoreError, which names the file, if SQLite fails (a full disk, a damaged file), and has then changed
    nothing. The constructor also raises InvalidValue for a path that cannot name a file (":memory:", or with NUL) and TypeError
    for one that is not a string or path. A store can be pickled and used on both sides of a fork: each process opens the file
    for itself.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        /,
        *,
        durable: bool = True,
        timeout: float = _TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from pathlib import Path

        # Made absolute now, because a process may change its working directory.
        name: object = os.fspath(path)
        if not isinstance(name, str):
            raise TypeError("the path of a store must be a string or a path, not bytes")
        if name in ("", ":memory:"):
            raise InvalidValue("path", "must name a file; for a store without one use MemoryStore()")
        if "\0" in name:
            raise InvalidValue("path", "must not contain NUL")
        self._path = str(Path(name).absolute())
        self._durable = durable
        self._timeout = timeout
        self._clock = clock
        self._closed = False
        self._begin()

    def _begin(self) -> None:
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
        """Return this process's connection; the caller holds the lock. Forking closes it in parent and child."""
        if self._closed:
            raise self._error("the store is closed")
        if self._database is None:
            self._database = self._opened()
        elif self._database.in_transaction:
            raise self._error("a transaction is still open; a signal handler may have interrupted it")
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
        database.execute(f"PRAGMA fullfsync = {int(self._durable)}")  # a plain fsync stops at the disk's cache
        # A step writes a few bytes to each of several pages. Small pages and a long log make it a third faster.
        database.execute(f"PRAGMA page_size = {_PAGE}")
        database.execute(f"PRAGMA wal_autocheckpoint = {_LOG // _PAGE}")
        if _file_format(database) != (_APPLICATION_ID, _SCHEMA):
            # Another process may create the tables at the same moment, so look again inside the transaction.
            with database:
                database.execute("BEGIN IMMEDIATE")
                application, version = _file_format(database)
                if (application, version) == (0, 0) and not database.execute("SELECT 1 FROM sqlite_master").fetchall():
                    database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID")
                    database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    database.execute(f"PRAGMA user_version = {_SCHEMA}")
                elif application != _APPLICATION_ID:
                    raise self._error("the file is an SQLite database of another program")
                elif version != _SCHEMA:
                    raise self._error(
                        f"the file has schema version {version}; this version of exjournal reads {_SCHEMA}"
                    )
        if not _writes_ahead(database):
            raise self._error("the file system does not allow write-ahead logging")

    def known(self, keys: Sequence[bytes], /) -> tuple[bool, ...]:
        """Return for each key whether it is in the store."""
        import sqlite3

        try:
            with self._lock:
                present = _present(self._connected(), keys)
        except sqlite3.Error as error:
            raise self._error(error) from error
        return tuple([key in present for key in keys])

    def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
        """Add every key of every group in one transaction, and return for each whether it was there before."""
        import sqlite3

        now = int(self._clock())
        answers: list[tuple[bool, ...]] = []
        try:
            # The connection commits at the end, or rolls back.
            with self._lock, self._connected() as database:
                database.execute("BEGIN IMMEDIATE")
                keys = list(dict.fromkeys(chain.from_iterable(groups)))
                present = _present(database, keys)
                seen = set(present)
                for group in groups:
                    answers.append(tuple([key in seen for key in group]))
                    seen.update(group)
                # Sorted, so that neighbors are written to one page.
                new = sorted([key for key in keys if key not in present])
                if new:
                    database.executemany("INSERT INTO seen VALUES (?, ?)", [(key, now) for key in new])
                old = [(now, key) for key, last in present.items() if last < now]
                if old:
                    database.executemany("UPDATE seen SET last = ? WHERE key = ?", old)
        except sqlite3.Error as error:
            raise self._error(error) from error
        return tuple(answers)

    def prune(self, *, before: datetime) -> int:
        """Forget the keys last added before a time; return their number.

        New keys use the space again; the file does not shrink. Raises InvalidValue (`before`) for a time without a time zone.
        """
        import sqlite3

        limit = _seconds(before)
        try:
            with self._lock:
                return self._connected().execute("DELETE FROM seen WHERE last < ?", (limit,)).rowcount
        except sqlite3.Error as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Close the file, as the end of a `with` block does. Closing again does nothing."""
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


# A connection must not cross a fork, not even unused: SQLite tracks a file's locks per process, and a child would believe that
# it holds the locks of its parent. So every store is closed before a fork, and opened again at its next use.
_open_stores: WeakSet[SqliteStore] = WeakSet()
_has_hooks = False
# The stores that the forking thread has locked.
_locked: list[SqliteStore] = []


def _watch(store: SqliteStore) -> None:
    global _has_hooks  # noqa: PLW0603 - one set of hooks serves all stores of a process
    if not _has_hooks:
        _has_hooks = True
        with suppress(AttributeError):  # systems without fork
            os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
    _open_stores.add(store)


def _before_fork() -> None:
    for store in list(_open_stores):
        store._lock.acquire()
        store._disconnect()
        _locked.append(store)


def _after_fork() -> None:
    # The thread that forked is the only one in the child, and holds the locks there, too.
    while _locked:
        _locked.pop()._lock.release()


def _file_format(database: "sqlite3.Connection") -> tuple[int, int]:
    [[application]] = database.execute("PRAGMA application_id")
    [[version]] = database.execute("PRAGMA user_version")
    return application, version


def _present(database: "sqlite3.Connection", keys: Sequence[bytes]) -> dict[bytes, int]:
    """Return the keys that are in the file, each with the time when it was last added."""
    present: dict[bytes, int] = {}
    for start in range(0, len(keys), _VARIABLES):
        group = keys[start : start + _VARIABLES]
        marks = ",".join("?" * len(group))
        present.update(database.execute(f"SELECT key, last FROM seen WHERE key IN ({marks})", group))  # noqa: S608 - marks
    return present


# Variables in one statement; older versions of SQLite allow 999.
_VARIABLES: Final = 500


def _writes_ahead(database: "sqlite3.Connection") -> bool:
    """Switch to write-ahead logging; while another process uses the file, SQLite refuses at once instead of waiting."""
    import sqlite3

    for _ in range(_TRIES):
        try:
            return _switched(database)
        except sqlite3.OperationalError:
            with database:
                database.execute("BEGIN IMMEDIATE")  # this waits for the other process
    return _switched(database)


# How often another process may get in between.
_TRIES: Final = 1000


def _switched(database: "sqlite3.Connection") -> bool:
    [[mode]] = database.execute("PRAGMA journal_mode = WAL")
    return bool(mode == "wal")
