"""Stores: they answer alike, lose nothing that they took in, and say so where they cannot."""

import contextlib
import copy
import hashlib
import os
import pickle
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, cast, overload

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exjournal import (
    Identity,
    InvalidValue,
    JournalError,
    MemoryStore,
    SeenStore,
    Sighting,
    SqliteStore,
    StoreError,
    look_up,
    remember,
    remember_all,
)
from strategies import HEAVY

posix = pytest.mark.skipif(os.name != "posix", reason="needs processes as POSIX has them")

FIRST, SIBLING, DUPLICATE, CONFLICT = Sighting.FIRST, Sighting.SIBLING, Sighting.DUPLICATE, Sighting.CONFLICT
START = 1_700_000_000


def digest(*facts: object) -> str:
    """A digest made from a word."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def an_identity(
    content: str | None = "content", message_id: str = "id", report: str = "report", *, complete: bool = True
) -> Identity:
    """The keys of a report, worked out from names of what it has."""
    facts = digest("report", content, message_id, report)
    return Identity(
        report_id=f"<{report}@example.com>",
        message_id=f"<{message_id}@example.com>" if message_id else "",
        message_id_sha256=digest("id", message_id) if message_id else None,
        mih=None,
        original_sha256=None,
        content_sha256=None if content is None else digest("content", content),
        decrypted_sha256=None,
        recipients_sha256=digest("recipients", report),
        message_key=digest("message", content, message_id),
        report_key=facts,
        complete=complete and content is not None,
        nested=False,
    )


class Clock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.seconds = float(START)

    def __call__(self) -> float:
        """The time."""
        return self.seconds


def moment(seconds: float) -> datetime:
    """A time as `prune` takes it."""
    return datetime.fromtimestamp(seconds, UTC)


class Model:
    """The expected contents of a store, in sets of facts: the table of the four answers, word by word."""

    def __init__(self) -> None:
        self.last: dict[tuple[object, ...], int] = {}

    def look_up(self, one: Identity) -> Sighting:
        """Looks a report up."""
        content = one.content_sha256
        if content is None:
            return SIBLING if ("report", one.report_key) in self.last else FIRST
        if one.complete and ("said", one.report_key) in self.last:
            return DUPLICATE
        if ("content", content) in self.last:
            return SIBLING
        has_id = one.message_id_sha256 is not None
        return CONFLICT if has_id and ("id", one.message_id_sha256) in self.last else FIRST

    def remember(self, one: Identity, now: int) -> Sighting:
        """Remembers a report."""
        answer = self.look_up(one)
        if one.content_sha256 is None:
            facts: list[tuple[object, ...]] = [("report", one.report_key)]
        else:
            facts = [("content", one.content_sha256)]
            facts += [("said", one.report_key)] if one.complete else []
            facts += [("id", one.message_id_sha256)] if one.message_id_sha256 is not None else []
        for fact in facts:
            self.last[fact] = max(now, self.last.get(fact, now))
        return answer

    def prune(self, before: int) -> None:
        """Forgets old keys."""
        self.last = {fact: last for fact, last in self.last.items() if last >= before}


IDENTITIES = st.builds(
    an_identity,
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["x", "y", ""]),
    st.sampled_from(["one", "two"]),
    complete=st.booleans(),
)
# Few keys, so that they meet: of every size that a key can have.
KEYS = st.sampled_from([b"", b"\0", b"a", b"b" * 32, b"\xff" * 25, b"c" * 25])
GROUPS = st.lists(st.lists(KEYS, max_size=4, unique=True), max_size=4)


@settings(HEAVY, stateful_step_count=20)
class Stores(RuleBasedStateMachine):
    """Law 10. Stores agree: any sequence of operations gives the same answers from every store."""

    @initialize()
    def begin(self) -> None:
        """Open every store anew, in a folder of its own."""
        self.clock = Clock()
        self.folder = tempfile.mkdtemp()
        self.memory = MemoryStore(clock=self.clock)
        self.files = {
            name: SqliteStore(Path(self.folder, name), durable=name == "durable", clock=self.clock)
            for name in ("durable", "not durable")
        }
        self.model = Model()

    def teardown(self) -> None:
        """Close and remove everything."""
        if hasattr(self, "files"):
            for store in self.files.values():
                store.close()
            shutil.rmtree(self.folder)

    def same(self, ask: Callable[[MemoryStore | SqliteStore], Any]) -> Any:
        """The one answer of all stores."""
        answer = ask(self.memory)
        for store in self.files.values():
            assert ask(store) == answer
        return answer

    @rule(one=IDENTITIES)
    def look(self, one: Identity) -> None:
        """Look a report up."""
        assert self.same(lambda store: look_up(one, store)) is self.model.look_up(one)

    @rule(one=IDENTITIES)
    def keep(self, one: Identity) -> None:
        """Remember a report."""
        expected = self.model.remember(one, int(self.clock.seconds))
        assert self.same(lambda store: remember(one, store)) is expected

    @rule(several=st.lists(IDENTITIES, max_size=6))
    def keep_all(self, several: list[Identity]) -> None:
        """Remember reports in one step."""
        expected = tuple([self.model.remember(one, int(self.clock.seconds)) for one in several])
        assert self.same(lambda store: remember_all(several, store)) == expected

    @rule(groups=GROUPS)
    def add(self, groups: list[list[bytes]]) -> None:
        """Add keys that are nobody's."""
        self.same(lambda store: store.add(groups))

    @rule(keys=st.lists(KEYS, max_size=6))
    def ask(self, keys: list[bytes]) -> None:
        """Ask for keys that are nobody's."""
        assert len(self.same(lambda store: store.known(keys))) == len(keys)

    @rule(seconds=st.floats(-5, 20))
    def wait(self, seconds: float) -> None:
        """Let time go by, or the clock be put back."""
        self.clock.seconds += seconds

    @rule(age=st.integers(-2, 30))
    def prune(self, age: int) -> None:
        """Forgets keys older than a number of seconds."""
        before = int(self.clock.seconds) - age
        self.same(lambda store: store.prune(before=moment(before)))
        self.model.prune(before)

    @rule(how=st.sampled_from(["reopen", "pickle", "copy"]), name=st.sampled_from(["durable", "not durable"]))
    def reopen(self, how: str, name: str) -> None:
        """Close a file and open it again, or go on with a copy of its store."""
        old = self.files[name]
        if how == "reopen":
            old.close()
            self.files[name] = SqliteStore(Path(self.folder, name), durable=name == "durable", clock=self.clock)
        elif how == "copy":
            self.files[name] = copy.copy(old)
            old.close()
        else:
            copied = pickle.loads(pickle.dumps(old))
            copied._clock = self.clock  # a copy of the clock goes its own way
            self.files[name] = copied
            old.close()

    @invariant()
    def whole(self) -> None:
        """No store holds a lock between operations."""
        if hasattr(self, "files"):
            for name in self.files:
                with contextlib.closing(sqlite3.connect(Path(self.folder, name), timeout=0)) as other:
                    other.execute("BEGIN IMMEDIATE")


TestStores = Stores.TestCase


class StoreBehaviour:
    """The behavior of every store; `store` is an empty one, and `again` opens the same one once more."""

    def test_four_answers(self, store: SeenStore) -> None:
        """FIRST, then DUPLICATE; SIBLING for another report on the message, CONFLICT for another message with its id."""
        one = an_identity()
        assert look_up(one, store) is FIRST
        assert remember(one, store) is FIRST
        assert look_up(one, store) is DUPLICATE
        assert remember(one, store) is DUPLICATE
        other = an_identity(report="other")
        assert [look_up(other, store), remember(other, store), look_up(other, store)] == [SIBLING, SIBLING, DUPLICATE]
        forged = an_identity("forged")
        assert [look_up(forged, store), remember(forged, store), remember(forged, store)] == [
            CONFLICT,
            CONFLICT,
            DUPLICATE,
        ]
        assert look_up(one, store) is DUPLICATE

    def test_looking_up_changes_nothing(self, store: SeenStore) -> None:
        """However often a report is looked up, it is FIRST until it is remembered."""
        assert {look_up(an_identity(), store) for _ in range(5)} == {FIRST}

    def test_keys(self, store: SeenStore) -> None:
        """Keys of 0 to 32 bytes are distinct, and answers come in the order of the keys."""
        keys = [b"k" * size for size in range(33)] + [bytes((octet, 0)) for octet in range(256)]
        assert [tuple(group) for group in store.add([keys[::2]])] == [(False,) * len(keys[::2])]
        assert tuple(store.known(keys)) == tuple([index % 2 == 0 for index in range(len(keys))])
        assert tuple(store.known(keys[::-1])) == tuple([index % 2 == 0 for index in range(len(keys))])[::-1]

    def test_groups_of_one_step(self, store: SeenStore) -> None:
        """Within one step a group knows those before it."""
        answers = store.add([[b"a", b"b"], [b"b", b"c"], [], [b"c", b"a"]])
        assert [tuple(group) for group in answers] == [(False, False), (True, False), (), (True, True)]

    def test_nothing(self, store: SeenStore) -> None:
        """No keys have no answers."""
        assert tuple(store.known([])) == ()
        assert [tuple(group) for group in store.add([])] == []
        assert [tuple(group) for group in store.add([[], []])] == [(), ()]
        assert remember_all([], store) == ()

    def test_many_keys(self, store: SeenStore) -> None:
        """Thousands of keys go into one step."""
        keys = [digest(number).encode()[:25] for number in range(2500)]
        assert [tuple(group) for group in store.add([keys[:1200], keys[1200:]])] == [(False,) * 1200, (False,) * 1300]
        assert all(store.known(keys))
        assert [tuple(group) for group in store.add([keys])] == [(True,) * 2500]

    def test_remember_all(self, store: SeenStore) -> None:
        """Many reports at once get the answers that they would get one by one."""
        some = [an_identity(str(number % 7), str(number % 5), str(number % 3)) for number in range(100)]
        single = MemoryStore()
        assert remember_all(iter(some), store) == tuple([remember(one, single) for one in some])
        assert {look_up(one, store) for one in some} == {DUPLICATE}

    def test_threads(self, store: SeenStore) -> None:
        """If several threads remember the same reports, exactly one gets FIRST for each."""
        some = [an_identity(str(number), str(number)) for number in range(60)]
        answers: list[tuple[str, Sighting]] = []
        together = threading.Barrier(6)

        def work(seed: int) -> None:
            mine = random.Random(seed).sample(some, len(some))
            together.wait()
            said = [remember(one, store) for one in mine[:30]]
            said += remember_all(mine[30:], store)
            answers.extend(zip([one.report_key for one in mine], said, strict=True))

        run_threads(*[lambda seed=seed: work(seed) for seed in range(6)])
        assert Counter(said for _, said in answers) == {FIRST: 60, DUPLICATE: 300}
        assert len({key for key, said in answers if said is FIRST}) == 60

    def test_reopened(self, store: SeenStore, again: Callable[[], SeenStore]) -> None:
        """Remembered keys are there when the store is opened again."""
        remember(an_identity(), store)
        assert look_up(an_identity(), again()) is DUPLICATE
        remember(an_identity("b", "b"), again())
        assert look_up(an_identity("b", "b"), store) is DUPLICATE


def run_threads(*actions: Callable[[], object]) -> None:
    """Run each action in a thread, and raise what one of them raised."""
    errors: list[BaseException] = []

    def guarded(action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class TestMemoryStore(StoreBehaviour):
    """The store of one process."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        """An empty store."""
        return MemoryStore()

    @pytest.fixture
    def again(self, store: MemoryStore) -> Callable[[], MemoryStore]:
        """The store itself: it lasts no longer than its object."""
        return lambda: store

    def test_context(self) -> None:
        """It can be called like that of any store, and does nothing."""
        with MemoryStore() as store:
            remember(an_identity(), store)
        assert look_up(an_identity(), store) is DUPLICATE

    def test_a_step_is_seen_whole(self) -> None:
        """A request for several keys while another thread adds them finds all of them or none."""
        store = MemoryStore()
        others = []

        class Keys(Sequence[bytes]):
            """Two keys; between the first and the second another thread has the time to add both."""

            @overload
            def __getitem__(self, index: int) -> bytes: ...
            @overload
            def __getitem__(self, index: slice) -> Sequence[bytes]: ...
            def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
                if index == 1 and not others:
                    others.append(threading.Thread(target=lambda: store.add([[b"a", b"b"]])))
                    others[0].start()
                    others[0].join(0.3)
                return [b"a", b"b"][index]

            def __len__(self) -> int:
                return 2

        assert store.known(Keys()) in {(False, False), (True, True)}
        others[0].join()


class OldSqlite(sqlite3.Connection):
    """A connection that allows the number of variables in a statement that older versions of SQLite allow."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The places where a store can be created."""
    return tmp_path / "seen.db"


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The connections that stores open, with the limits of older versions of SQLite."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connected(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, factory=OldSqlite, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    return opened


def ended_within(store: SqliteStore) -> NoReturn:
    """End a `with` block in its middle."""
    with store:
        remember(an_identity(), store)
        raise KeyboardInterrupt


def keys_in(path: Path) -> set[bytes]:
    """The keys in the file of a store, which is sound."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {key for (key,) in database.execute("SELECT key FROM seen")}


class TestSqliteStore(StoreBehaviour):
    """The store in a file."""

    @pytest.fixture(params=[True, False], ids=["durable", "not durable"])
    def again(self, request: pytest.FixtureRequest, path: Path) -> Iterator[Callable[[], SqliteStore]]:
        """Opens the file."""
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(SqliteStore(path, durable=request.param))

    @pytest.fixture
    def store(self, again: Callable[[], SqliteStore]) -> SqliteStore:
        """An empty store."""
        return again()

    def test_old_limits(self, connections: list[sqlite3.Connection], path: Path) -> None:
        """A step of thousands of keys goes into a SQLite that allows 999 variables."""
        with SqliteStore(path, durable=False) as store:
            assert len(connections) == 1
            self.test_many_keys(store)

    def test_a_store_for_each_thread(self, path: Path) -> None:
        """Threads with stores of their own on one file wait for one another."""
        some = [an_identity(str(number), str(number)) for number in range(40)]
        answers: list[Sighting] = []

        def work() -> None:
            with SqliteStore(path, durable=False) as store:
                answers.extend([remember(one, store) for one in some])

        run_threads(*[work] * 4)
        assert Counter(answers) == {FIRST: 40, DUPLICATE: 120}

    def test_settings(self, connections: list[sqlite3.Connection], path: Path) -> None:
        """The file is written ahead; a durable store has the disk confirm each step, another leaves that to its time."""
        with SqliteStore(path), SqliteStore(path, durable=False):
            levels = [one.execute("PRAGMA synchronous").fetchone()[0] for one in connections]
            assert levels == [2, 1]
            assert {one.execute("PRAGMA journal_mode").fetchone()[0] for one in connections} == {"wal"}

    def test_names(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A path can be text or a path, any name is a file, and it keeps its meaning in another working folder."""
        monkeypatch.chdir(tmp_path)
        for name in ("./:memory:", "file:x?mode=memory", "caf\u00e9 %20.db"):
            with SqliteStore(name) as store:
                monkeypatch.chdir("/")
                remember(an_identity(), store)
                other = pickle.loads(pickle.dumps(store))
                assert look_up(an_identity(), other) is DUPLICATE
                other.close()
                monkeypatch.chdir(tmp_path)
            assert Path(name).is_file()

    @pytest.mark.parametrize(("name", "reason"), [(":memory:", "MemoryStore"), ("", "MemoryStore"), ("a\0b", "NUL")])
    def test_names_of_no_file(self, name: str, reason: str) -> None:
        """A name that SQLite reads as a store in memory, which would be gone with its process, is refused, and so is NUL."""
        with pytest.raises(InvalidValue, match=reason) as caught:
            SqliteStore(name)
        assert caught.value.field == "path"

    def test_a_path_of_bytes(self) -> None:
        """A path is text."""
        with pytest.raises(TypeError, match="not bytes"):
            SqliteStore(b"seen.db")  # type: ignore[arg-type]

    def test_an_empty_file(self, path: Path) -> None:
        """An empty file, as programs make it for a name of their own, becomes a store."""
        path.touch()
        with SqliteStore(path) as store:
            assert remember(an_identity(), store) is FIRST

    def test_a_closed_store_is_one_file(self, path: Path) -> None:
        """Once the last store on it is closed, the file alone is all that has to be kept."""
        with SqliteStore(path) as store:
            remember(an_identity(), store)
        assert os.listdir(path.parent) == [path.name]  # noqa: PTH208 - names

    def test_closed(self, path: Path) -> None:
        """A closed store refuses everything, and can be closed again; so does a copy of it."""
        store = SqliteStore(path)
        assert store.__enter__() is store
        store.close()
        store.close()
        copied = pickle.loads(pickle.dumps(store))
        copied.close()
        for one in (store, copied):
            for action in (
                lambda one=one: one.known([b"a"]),
                lambda one=one: one.add([[b"a"]]),
                lambda one=one: one.prune(before=moment(START)),
            ):
                with pytest.raises(StoreError, match="closed"):
                    action()
        assert issubclass(StoreError, JournalError)

    def test_left_by_an_error(self, path: Path) -> None:
        """Any exception in a `with` block closes the store and goes on."""
        store = SqliteStore(path)
        with pytest.raises(KeyboardInterrupt):
            ended_within(store)
        with pytest.raises(StoreError, match="closed"):
            look_up(an_identity(), store)

    def test_pickled(self, path: Path) -> None:
        """A pickled store opens the same file, durable or not, and waits as long."""
        with SqliteStore(path, durable=False, timeout=0.01) as store, pickle.loads(pickle.dumps(store)) as other:
            assert remember(an_identity(), store) is FIRST
            assert remember(an_identity(), other) is DUPLICATE
            assert other._database.execute("PRAGMA synchronous").fetchone() == (1,)
            with locked(path), pytest.raises(StoreError, match="locked"):
                remember(an_identity("b"), other)

    def test_a_copy_of_a_forgotten_store(self, path: Path) -> None:
        """A store whose folder is gone cannot be unpickled."""
        path.parent.joinpath("sub").mkdir()
        with SqliteStore(path.parent / "sub" / "seen.db") as store:
            pickled = pickle.dumps(store)
        shutil.rmtree(path.parent / "sub")
        with pytest.raises(StoreError):
            pickle.loads(pickled)


class TestPrune:
    """Forgetting keys."""

    @pytest.fixture
    def clock(self) -> Clock:
        """A clock for a store."""
        return Clock()

    @pytest.fixture(params=["memory", "file"])
    def store(self, request: pytest.FixtureRequest, path: Path, clock: Clock) -> Iterator[MemoryStore | SqliteStore]:
        """A store with that clock."""
        with MemoryStore(clock=clock) if request.param == "memory" else SqliteStore(path, clock=clock) as store:
            yield store

    def test_before(self, store: MemoryStore | SqliteStore, clock: Clock) -> None:
        """Keys that were last added before the time are forgotten, others stay, and the number is returned."""
        for number in range(10):
            store.add([[b"%d" % number, b"%d more" % number]])
            clock.seconds += 1
        assert store.prune(before=moment(START + 4)) == 8
        assert store.known([b"3", b"4"]) == (False, True)
        assert store.prune(before=moment(START + 4)) == 0
        assert store.prune(before=moment(START + 100)) == 12

    def test_added_again(self, store: MemoryStore | SqliteStore, clock: Clock) -> None:
        """A key that is added again is as young as then; a clock that was put back makes none older."""
        store.add([[b"a"], [b"b"], [b"c"]])
        clock.seconds += 10
        store.add([[b"a"], [b"b"]])
        clock.seconds -= 20
        store.add([[b"b"], [b"c"]])
        assert store.prune(before=moment(START + 10)) == 1
        assert store.known([b"a", b"b", b"c"]) == (True, True, False)

    def test_looking_up_keeps_nothing(self, store: MemoryStore | SqliteStore, clock: Clock) -> None:
        """A key that was only asked for is as old as before."""
        store.add([[b"a"]])
        clock.seconds += 10
        store.known([b"a"])
        assert store.prune(before=moment(START + 1)) == 1

    def test_until_pruned(self, store: MemoryStore | SqliteStore, clock: Clock) -> None:
        """A report is FIRST again once it is forgotten, and all that its message is known by is refreshed by each report."""
        remember(an_identity(report="one"), store)
        clock.seconds += 10
        remember(an_identity(report="two"), store)
        store.prune(before=moment(START + 5))
        assert look_up(an_identity(report="one"), store) is SIBLING
        assert look_up(an_identity(report="two"), store) is DUPLICATE
        assert look_up(an_identity("forged"), store) is CONFLICT
        store.prune(before=moment(START + 11))
        assert look_up(an_identity(report="one"), store) is FIRST

    def test_the_time(self, store: MemoryStore | SqliteStore) -> None:
        """A time has a zone, and any time that has one will do."""
        for time in (datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=Nowhere())):
            with pytest.raises(InvalidValue) as caught:
                store.prune(before=time)
            assert caught.value.field == "before"
        store.add([[b"a"]])
        east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-14))
        assert store.prune(before=moment(START).astimezone(east)) == 0
        assert store.prune(before=datetime.min.replace(tzinfo=east)) == 0
        assert store.prune(before=datetime.max.replace(tzinfo=west)) == 1

    def test_the_real_clock(self, path: Path) -> None:
        """Without a clock of its own a store asks that of the machine."""
        with SqliteStore(path) as file:
            for store in (MemoryStore(), file):
                before = datetime.now(UTC)
                store.add([[b"a"]])
                assert store.prune(before=before - timedelta(seconds=1)) == 0
                assert store.prune(before=datetime.now(UTC) + timedelta(seconds=2)) == 1


class Nowhere(tzinfo):
    """A zone that does not know its offset: a time in it is as good as one without."""

    def utcoffset(self, _: datetime | None) -> None:
        """Unknown."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that is in the middle of writing to the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("ROLLBACK")


def is_locked(path: Path) -> bool:
    """Whether somebody is in the middle of writing to the file."""
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


# Files that are not stores, by name: how each is made.
def _text(path: Path) -> None:
    path.write_bytes(b"Subject: no database\r\n" * 100)


def _other_tables(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE mail (id)")


def _other_application(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA application_id = 7")


def _other_version(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 1")


def _newer(path: Path) -> None:
    SqliteStore(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")


def _cut(path: Path) -> None:
    SqliteStore(path).close()
    path.write_bytes(path.read_bytes()[:60])


class TestTrouble:
    """Anything impossible raises StoreError and changes nothing."""

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (_text, "not a database"),
            (_other_tables, "another program"),
            (_other_application, "another program"),
            (_other_version, "another program"),
            (_newer, "schema version 2"),
            (_cut, "SQLite"),
        ],
        ids=["text", "other tables", "other application", "other version", "newer schema", "cut off"],
    )
    def test_other_files(self, path: Path, make: Callable[[Path], None], reason: str) -> None:
        """A file of something else is refused and stays as it is."""
        make(path)
        before = path.read_bytes()
        with pytest.raises(StoreError, match=reason) as caught:
            SqliteStore(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]  # noqa: PTH208 - names

    def test_no_folder(self, path: Path) -> None:
        """A missing folder is not created, and a folder is not a file."""
        with pytest.raises(StoreError):
            SqliteStore(path / "seen.db")
        assert not path.exists()
        with pytest.raises(StoreError):
            SqliteStore(path.parent)

    def test_no_write_ahead(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        """A file system without write-ahead logging makes the store fail."""
        connect = sqlite3.connect

        class Elsewhere(sqlite3.Connection):
            """A connection to a file on such a file system."""

            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                """Stay in the older mode."""
                return super().execute("PRAGMA journal_mode" if sql.startswith("PRAGMA journal_mode") else sql, *args)

        monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Elsewhere, **options))
        with pytest.raises(StoreError, match="write-ahead"):
            SqliteStore(path)

    def test_cannot_connect(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        """An error when connecting is raised like any other."""

        def refuse(*_: object, **__: object) -> NoReturn:
            raise sqlite3.OperationalError("unable to open database file")

        monkeypatch.setattr(sqlite3, "connect", refuse)
        with pytest.raises(StoreError, match="unable to open") as caught:
            SqliteStore(path)
        assert isinstance(caught.value.__cause__, sqlite3.Error)

    def test_damaged(self, path: Path) -> None:
        """A damaged file raises an error for every operation."""
        with SqliteStore(path, durable=False) as store:
            store.add([[digest(number).encode()[:25] for number in range(3000)]])
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        with SqliteStore(path) as store:
            for action in (
                lambda: store.known([b"a"]),
                lambda: store.add([[b"a"]]),
                lambda: store.prune(before=moment(START)),
            ):
                with pytest.raises(StoreError, match="malformed") as caught:
                    action()
                assert str(path) in str(caught.value)

    def test_locked(self, path: Path) -> None:
        """A writer that waits for another one in vain gets an error, changes nothing and can retry; readers never wait."""
        with SqliteStore(path, timeout=0.01, clock=Clock()) as store:
            remember(an_identity(), store)
            with locked(path):
                with pytest.raises(StoreError, match="locked"):
                    remember(an_identity("b"), store)
                with pytest.raises(StoreError, match="locked"):
                    remember_all([an_identity("b"), an_identity("c")], store)
                with pytest.raises(StoreError, match="locked"):
                    store.prune(before=moment(START + 10))
                assert look_up(an_identity(), store) is DUPLICATE
            assert look_up(an_identity("b", ""), store) is FIRST
            assert remember(an_identity("b"), store) is CONFLICT

    def test_locked_when_opened(self, path: Path) -> None:
        """A file that another program keeps to itself cannot be opened."""
        SqliteStore(path).close()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match="locked"):
                SqliteStore(path, timeout=0.01)

    @pytest.mark.parametrize("is_made", [False, True], ids=["tables not committed", "not yet written ahead"])
    def test_waits_for_who_makes_the_file(self, path: Path, *, is_made: bool) -> None:
        """Opening a file that another process is just creating waits for it, as for any writer."""
        with SqliteStore(path), contextlib.closing(sqlite3.connect(path)) as made:
            steps = [sql for (sql,) in made.execute("SELECT sql FROM sqlite_master")]
            for pragma in ("application_id", "user_version"):
                steps += [f"PRAGMA {pragma} = {value}" for (value,) in made.execute(f"PRAGMA {pragma}")]
        path.unlink()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as maker:
            # As far as the other has come.
            if is_made:
                maker.executescript(";".join([*steps, "BEGIN IMMEDIATE"]))
            else:
                maker.executescript(";".join(["BEGIN IMMEDIATE", *steps]))
            later = threading.Timer(0.3, lambda: maker.execute("COMMIT"))
            later.start()
            try:
                with SqliteStore(path, timeout=30) as store:
                    assert remember(an_identity(), store) is FIRST
            finally:
                later.join()

    def test_others_are_quicker_again_and_again(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After the last wait, the store tries once more."""
        monkeypatch.setattr("exjournal.identity.stores._TRIES", 0)
        with SqliteStore(path) as store:
            assert remember(an_identity(), store) is FIRST

    def test_errors_in_the_middle(self, path: Path) -> None:
        """If a step is broken off in the middle, nothing of it is stored, and no lock remains."""
        with SqliteStore(path, timeout=0.01) as store, SqliteStore(path, timeout=0.01) as other:
            for error in (KeyboardInterrupt, MemoryError, GeneratorExit):
                with pytest.raises(error):
                    store.add(cast("Any", Interrupted(error)))
                assert other.add([[error.__name__.encode()]]) == ((False,),)
                assert store.known([b"a", b"b"]) == (False, False)
            assert store.add([[b"a"]]) == ((False,),)

    @pytest.mark.slow
    def test_interrupted_identities(self, path: Path) -> None:
        """Reports that come to a sudden end are remembered up to the last whole step, and none in part."""
        template = an_identity()

        def endless() -> Iterator[Identity]:
            for number in count():
                if number == 15_000:
                    raise KeyboardInterrupt
                yield template._replace(
                    report_key=digest(number, "r"), content_sha256=digest(number), message_id_sha256=digest(number, "m")
                )

        some = [next(rest) for rest in [endless()] for _ in range(10_001)]
        with SqliteStore(path, durable=False, timeout=0.01) as store:
            with pytest.raises(KeyboardInterrupt):
                remember_all(endless(), store)
            with SqliteStore(path, timeout=0.01) as other:
                assert {look_up(one, other) for one in some[:10_000:97]} == {DUPLICATE}
                assert remember(some[9_999], other) is DUPLICATE
                assert remember(some[10_000], other) is FIRST

    @pytest.mark.slow
    @posix
    def test_full_disk(self, path: Path) -> None:
        """A file that cannot grow takes nothing of a step, keeps what it has, and goes on once there is room."""
        assert run(_FULL, path) == ["no room", "first kept True", "second there False", "step there False", "room True"]
        assert len(keys_in(path)) == 1 + 20_000

    @pytest.mark.slow
    @posix
    def test_read_only(self) -> None:
        """A file that may only be read takes nothing in and stays as it is."""
        assert run(_READ_ONLY, "") == ["refused", "same True"]

    def test_a_step_within_a_step(self, path: Path) -> None:
        """A signal handler that asks for a step in the middle of another one takes nothing from that: it stays one step."""
        with SqliteStore(path, timeout=0.01) as store:

            class Within(list[list[bytes]]):
                """Groups during whose reading the same thread asks for another step."""

                def __iter__(self) -> Iterator[list[bytes]]:
                    """Ask, and look whether others are kept out as before."""
                    before = is_locked(path)
                    with contextlib.suppress(StoreError):
                        store.add([[b"within"]])
                    assert is_locked(path) is before
                    return super().__iter__()

            assert store.add(Within([[b"a"], [b"b"]])) == ((False,), (False,))
            assert store.known([b"a", b"b"]) == (True, True)


class Interrupted(list[list[bytes]]):
    """Groups of keys of which the second cannot be read."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__([[b"a"], [b"b"]])
        self.error = error

    def __iter__(self) -> Iterator[list[bytes]]:
        """One group, then the error."""
        yield self[0]
        raise self.error


def script(body: str) -> str:
    """A program that has what the writers of these tests need."""
    return _COMMON + body


_COMMON = """
import contextlib, os, pickle, random, resource, sys, threading, time
from exjournal import Identity, SqliteStore, StoreError, look_up, remember, remember_all
from hashlib import sha256

def identity(*names):
    content, message_id, report = [sha256(repr((kind, names)).encode()).hexdigest() for kind in "cmr"]
    return Identity("", "<x@example.com>", message_id, None, None, content, None, "", "", report, True, False)

def say(*words):
    print(*words, flush=True)

path = sys.argv[1]
"""

_FULL = """
store = SqliteStore(path, durable=True)
store.add([[b"first"]])
everything = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, everything[1]))
keys = [sha256(b"%d" % number).digest()[:25] for number in range(20_000)]
try:
    store.add([[b"second"], keys])
except StoreError:
    say("no room")
say("first kept", all(store.known([b"first"])))
say("second there", any(store.known([b"second"])))
say("step there", any(store.known(keys)))
resource.setrlimit(resource.RLIMIT_FSIZE, everything)
store.add([keys])
say("room", all(store.known(keys)))
os._exit(0)
"""

_READ_ONLY = """
import pathlib, shutil, tempfile
folder = pathlib.Path(tempfile.mkdtemp())
try:
    path = folder / "seen.db"
    with SqliteStore(path) as store:
        store.add([[b"a"]])
    before = path.read_bytes()
    path.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)  # nothing is read-only to this user
    try:
        with SqliteStore(path, timeout=0.1) as store:
            store.add([[b"b"]])
    except StoreError:
        say("refused")
    if os.getuid() == 0:
        os.seteuid(0)
    say("same", path.read_bytes() == before)
finally:
    folder.chmod(0o755)
    shutil.rmtree(folder)
"""


def run(body: str, *args: object) -> list[str]:
    """The lines that a program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script(body), *map(str, args)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@posix
class TestFork:
    """A store may cross a fork, as processes do that `multiprocessing` starts on Linux."""

    @pytest.mark.slow
    def test_both_sides(self, path: Path) -> None:
        """Both sides go on, and know of each other."""
        said = run(_FORK, path, "both")
        assert said == ["child knows parent True", "child FIRST", "parent knows child True", "parent FIRST"]

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_child_of_this_process(self, path: Path) -> None:
        """A child finds what its parent remembered, and the parent what the child did."""
        with SqliteStore(path) as store:
            remember(an_identity(), store)
            child = os.fork()
            if child == 0:  # pragma: no cover - it ends without a report to anybody
                status = 1
                try:
                    status = int(
                        [look_up(an_identity(), store), remember(an_identity("b"), store)] != [DUPLICATE, CONFLICT]
                    )
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0) == (child, 0)
            assert look_up(an_identity("b"), store) is DUPLICATE
            assert remember(an_identity("c", "c"), store) is FIRST

    @pytest.mark.slow
    @pytest.mark.parametrize("way", ["inherited", "own", "pickled"])
    def test_the_parent_closes_first(self, path: Path, way: str) -> None:
        """Keys that a child adds after the parent closed its store are there, in the store of the parent or in its own."""
        assert run(_FORK, path, way) == ["parent closed", "child added"]
        assert {b"parent", b"before", b"after"} <= keys_in(path)

    @pytest.mark.slow
    def test_in_the_middle_of_a_step(self, path: Path) -> None:
        """A child that is born while another thread of its parent writes can write as soon as that is done."""
        assert run(_FORK, path, "middle") == ["child added"]
        assert keys_in(path) == {b"parent", b"slow", b"child"}

    @pytest.mark.slow
    def test_a_child_that_cannot_open(self, path: Path) -> None:
        """A child that cannot open the file for itself never falls back on what belongs to its parent."""
        path.parent.joinpath("sub").mkdir()
        assert run(_FORK, path.parent / "sub" / "seen.db", "gone") == ["refused", "refused", "child added"]

    @pytest.mark.slow
    def test_closed_in_the_child(self, path: Path) -> None:
        """A child that closes the store, or only ends, leaves the parent's open."""
        assert run(_FORK, path, "closes") == ["child closed", "parent added"]
        assert keys_in(path) == {b"parent", b"after"}

    @pytest.mark.slow
    def test_threads_of_the_child(self, path: Path) -> None:
        """Threads of a child that begin at the same moment share one store."""
        assert run(_FORK, path, "threads") == ["one FIRST each True"]


_FORK = """
way = sys.argv[2]
store = SqliteStore(path, durable=False, timeout=5)
store.add([[b"parent"]])
pickled = pickle.dumps(store)

def forked(action):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            action()
            sys.stdout.flush()
            os._exit(0)
        except BaseException as error:
            say(repr(error))
            os._exit(1)
    return pid

def ended(pid):
    os.waitpid(pid, 0)

def signals():
    read, write = os.pipe()
    return lambda: os.read(read, 1), lambda: os.write(write, b"x")

if way == "both":
    def child():
        say("child knows parent", store.known([b"parent"])[0])
        say("child", remember(identity(1), store).name)
    ended(forked(child))
    say("parent knows child", look_up(identity(1), store) == "duplicate")
    say("parent", remember(identity(2), store).name)

if way in {"inherited", "own", "pickled"}:
    wait_added, tell_added = signals()
    wait_closed, tell_closed = signals()
    def child():
        mine = {"inherited": lambda: store, "own": lambda: SqliteStore(path), "pickled": lambda: pickle.loads(pickled)}[way]()
        mine.add([[b"before"]])
        tell_added()
        wait_closed()
        mine.add([[b"after"]])
        say("child added")
    pid = forked(child)
    wait_added()
    store.close()
    say("parent closed")
    tell_closed()
    ended(pid)

if way == "middle":
    inside, wait_born, tell_born = threading.Event(), *signals()
    class Slow(list):
        def __iter__(self):
            inside.set()
            go.wait()
            return super().__iter__()
    go = threading.Event()
    thread = threading.Thread(target=lambda: store.add(Slow([[b"slow"]])))
    thread.start()
    inside.wait()
    threading.Timer(0.3, go.set).start()
    def child():
        store.add([[b"child"]])
        say("child added")
    ended(forked(child))
    thread.join()

if way == "gone":
    folder = os.path.dirname(path)
    def child():
        os.rename(folder, folder + " elsewhere")
        for _ in range(2):
            try:
                store.add([[b"child"]])
                say("taken")
            except StoreError:
                say("refused")
        os.rename(folder + " elsewhere", folder)
        store.add([[b"child"]])
        say("child added")
    ended(forked(child))

if way == "closes":
    def child():
        store.close()
        say("child closed")
    ended(forked(child))
    ended(forked(lambda: None))
    store.add([[b"after"]])
    say("parent added")
    store.close()

if way == "threads":
    def child():
        answers, together = [], threading.Barrier(8)
        def work():
            together.wait()
            for number in range(20):
                answers.append(remember(identity(number), store))
        threads = [threading.Thread(target=work) for _ in range(8)]
        for one in threads: one.start()
        for one in threads: one.join()
        say("one FIRST each", answers.count("first") == 20 and len(answers) == 160)
    ended(forked(child))
"""


class Worker:
    """A process that works on a store, speaks line by line, and is killed in the end."""

    def __init__(self, opening: str, body: str, *args: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script(opening + body), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def go(self) -> None:
        """Let the process go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> list[str]:
        """End the process without a warning; the whole lines that it had left."""
        self.process.kill()
        return self.rest()

    def rest(self) -> list[str]:
        """The whole lines up to the end of the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        said = self.process.stdout.read()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        return [line.strip() for line in said.splitlines(keepends=True) if line.endswith("\n")]


# How a worker opens its store.
SQLITE = {durable: f"\ndef opened():\n    return SqliteStore(path, durable={durable})\n" for durable in (True, False)}

WRITER = """
name, random = sys.argv[2], random.Random(sys.argv[2])
say("opening")
store = opened()
for step in range(100_000):
    size = random.choice([0, 0, 0, 1, 2, 50, 400])
    if size:
        answers = remember_all([identity(name, step, number) for number in range(size)], store)
    else:
        answers = [remember(identity(name, step, 0), store)]
    assert set(answers) == {"first"}, answers
    say(step, max(size, 1))
"""


def worker_identity(*names: object) -> Identity:
    """The keys that a worker makes of some names."""
    content, message_id, report = [hashlib.sha256(repr((kind, names)).encode()).hexdigest() for kind in "cmr"]
    return Identity("", "<x@example.com>", message_id, None, None, content, None, "", "", report, True, False)


def killed_writers(opening: str, place: object, rounds: int, seed: int) -> dict[str, list[str]]:
    """The acknowledged keys of writers that were killed again and again, three at a time, at any moment."""
    chance = random.Random(seed)
    acknowledged: dict[str, list[str]] = {}
    for number in range(rounds):
        writers = {f"{number}-{index}": Worker(opening, WRITER, place, f"{number}-{index}") for index in range(3)}
        for name, writer in writers.items():
            assert writer.line() == "opening\n"
            acknowledged[name] = [writer.line().strip() for _ in range(chance.choice([0, 0, 1, 3, 10, 20]))]
        for name, writer in writers.items():
            threading.Event().wait(chance.choice([0, 0, 0.002, 0.01]))
            acknowledged[name] += writer.kill()
    return acknowledged


def lost(acknowledged: dict[str, list[str]], store: SeenStore) -> list[tuple[str, int]]:
    """The steps of which a report is missing that was acknowledged, or of which a part alone is there."""
    wrong = []
    for name, lines in acknowledged.items():
        steps = [tuple(map(int, line.split())) for line in lines]
        assert [step for step, _ in steps] == list(range(len(steps)))
        for step, size in steps:
            if {look_up(worker_identity(name, step, number), store) for number in range(size)} != {DUPLICATE}:
                wrong.append((name, step))
        # That which nobody acknowledged is there as a whole or not at all.
        answers = [look_up(worker_identity(name, len(steps), number), store) for number in range(400)]
        if Counter(answers)[DUPLICATE] not in {0, 1, 2, 50, 400} or set(answers) - {DUPLICATE, FIRST}:
            wrong.append((name, len(steps)))
    return wrong


RACER = """
say("ready")
sys.stdin.readline()
store = opened()
some = [identity(number) for number in range(120)]
random.Random(sys.argv[2]).shuffle(some)
answers = [remember(one, store) for one in some[:60]]
answers += remember_all(some[60:], store)
for one, answer in zip(some, answers):
    say(one.report_key, answer)
"""


def race(opening: str, place: object, processes: int = 4) -> None:
    """Several processes remember the same reports in different orders: exactly one has FIRST for each."""
    workers = [Worker(opening, RACER, place, number) for number in range(processes)]
    for worker in workers:
        assert worker.line() == "ready\n"
    for worker in workers:
        worker.go()
    answers = Counter(line for worker in workers for line in worker.rest())
    keys = {line.split()[0] for line in answers}
    assert len(keys) == 120
    for key in keys:
        assert answers[f"{key} first"] == 1
        assert answers[f"{key} duplicate"] == processes - 1


class TestProcesses:
    """Processes share a file, and die at any moment."""

    @pytest.mark.slow
    @pytest.mark.parametrize("durable", [True, False], ids=["durable", "not durable"])
    def test_killed_at_any_moment(self, path: Path, *, durable: bool) -> None:
        """Everything acknowledged before a process was killed is there, no step is there in part, and the file is sound."""
        acknowledged = killed_writers(SQLITE[durable], path, 4, seed=int(durable))
        assert sum(map(len, acknowledged.values())) > 20
        keys_in(path)
        with SqliteStore(path) as store:
            assert lost(acknowledged, store) == []
        keys_in(path)

    @pytest.mark.slow
    def test_killed_while_the_file_is_made(self, tmp_path: Path) -> None:
        """A file whose making was cut short is a store for the next process, with all that was acknowledged."""
        chance = random.Random(5)
        for number in range(6):
            path = tmp_path / f"{number}.db"
            writer = Worker(SQLITE[True], WRITER, path, "w")
            assert writer.line() == "opening\n"
            threading.Event().wait(chance.uniform(0, 0.02))
            lines = writer.kill()
            with SqliteStore(path) as store:
                assert lost({"w": lines}, store) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("durable", [True, False], ids=["durable", "not durable"])
    def test_race(self, path: Path, *, durable: bool) -> None:
        """If several processes remember the same reports in a new file, exactly one gets FIRST for each."""
        race(SQLITE[durable], path)

    @pytest.mark.slow
    def test_opened_at_the_same_moment(self, tmp_path: Path) -> None:
        """Processes that open a new file at the same moment all have it, and one of them is the first to remember."""
        workers = [Worker(SQLITE[False], _OPENER, tmp_path) for _ in range(4)]
        for worker in workers:
            assert worker.line() == "ready\n"
        for worker in workers:
            worker.go()
        answers = Counter(line for worker in workers for line in worker.rest())
        assert answers == {f"{number} {word}": times for number in range(60) for word, times in _ONE_FIRST.items()}


_ONE_FIRST = {"first": 1, "duplicate": 3}
# A process goes on after the others have opened the file as well: they count themselves in a second file.
_OPENER = """
folder = path
say("ready")
sys.stdin.readline()
for number in range(60):
    path = f"{folder}/{number}.db"
    with open(path + ".here", "ab", buffering=0) as here:
        here.write(b"x")
        while os.path.getsize(path + ".here") < 4:
            pass
    try:
        with opened() as store:
            say(number, remember(identity(1), store))
    except StoreError as error:
        say(number, error)
"""


@given(GROUPS, GROUPS)
def test_an_answer_for_each_key(before: list[list[bytes]], groups: list[list[bytes]]) -> None:
    """The answers of a step have the form of its groups, and each says whether the key came up before."""
    store = MemoryStore()
    store.add(before)
    known = {key for group in before for key in group}
    for group, answers in zip(groups, store.add(groups), strict=True):
        assert answers == tuple([key in known for key in group])
        known.update(group)
