"""The Redis store of the examples, against a real server: it behaves like every other store, and loses nothing."""

import runpy
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_stores import (
    GROUPS,
    IDENTITIES,
    KEYS,
    WRITER,
    StoreBehaviour,
    Worker,
    an_identity,
    killed_writers,
    lost,
    race,
)

from exjournal import MemoryStore, SeenStore, Sighting, StoreError, look_up, remember
from strategies import HEAVY

pytestmark = pytest.mark.service

EXAMPLE = Path(__file__).parents[2] / "examples" / "redis_store.py"
# How a worker opens its store.
OPENING = f"""
import runpy
def opened():
    return runpy.run_path({str(EXAMPLE)!r})["RedisStore"](path)
"""


class Server:
    """A Redis server of our own, which has each step on the disk before it answers, on a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.program = shutil.which("redis-server")
        if self.program is None:
            pytest.fail("redis-server is not on the PATH: these tests need it (on Debian and Ubuntu: redis-server)")
        self.folder = folder
        self.socket = folder / "socket"
        self.url = f"unix://{self.socket}"
        self.start()

    def start(self) -> None:
        """Start the server, with what its folder holds, and wait until it answers."""
        import redis

        options = {
            "port": 0,
            "unixsocket": self.socket,
            "dir": self.folder,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "logfile": self.folder / "log",
        }
        self.process = subprocess.Popen(
            [str(self.program), *[str(x) for k, v in options.items() for x in (f"--{k}", v)]]
        )
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            for _ in range(1000):
                try:
                    client.ping()
                except redis.RedisError:
                    assert self.process.poll() is None, (self.folder / "log").read_text()
                    threading.Event().wait(0.01)
                else:
                    return
        pytest.fail("redis-server does not answer")

    def kill(self) -> None:
        """End the server without a warning."""
        self.process.kill()
        self.process.wait()

    def empty(self) -> None:
        """Forget everything."""
        import redis

        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            client.flushall()


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    """A server for all tests."""
    # The name of a socket has to be short.
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        server = Server(Path(folder))
        yield server
        server.process.terminate()
        server.process.wait()


@pytest.fixture
def server(shared: Server) -> Server:
    """The server, empty."""
    shared.empty()
    return shared


@pytest.fixture(scope="module")
def redis_store() -> Callable[..., SeenStore]:
    """The store of the examples."""
    made: Any = runpy.run_path(str(EXAMPLE))["RedisStore"]
    return made


class TestRedisStore(StoreBehaviour):
    """The store on a server."""

    @pytest.fixture
    def again(self, server: Server, redis_store: Callable[..., SeenStore]) -> Callable[[], SeenStore]:
        """Connects to the server."""
        return lambda: redis_store(server.url)

    @pytest.fixture
    def store(self, again: Callable[[], SeenStore]) -> SeenStore:
        """An empty store."""
        return again()

    def test_prefixes(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """Stores with prefixes of their own share a server and no keys."""
        one, other = (redis_store(server.url, prefix=prefix) for prefix in (b"one:", b"other:"))
        remember(an_identity(), one)
        assert look_up(an_identity(), other) is Sighting.FIRST

    def test_kept_for_a_time(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """With a time to live every key of a report has it, and each report gives it anew; without one no key has any."""
        import redis

        for keep, expected in ((timedelta(hours=1), range(3_590_000, 3_600_001)), (None, [-1])):
            server.empty()
            store = redis_store(server.url, keep=keep)
            with redis.Redis(unix_socket_path=str(server.socket)) as client:
                remember(an_identity(), store)
                assert all(client.pttl(key) in expected for key in client.scan_iter())
                for key in list(client.scan_iter()):
                    client.pexpire(key, 10_000)
                look_up(an_identity(), store)
                assert all(0 < client.pttl(key) <= 10_000 for key in client.scan_iter())
                remember(an_identity(), store)
                assert client.dbsize() == 3
                assert all(client.pttl(key) in expected for key in client.scan_iter())

    def test_forgotten(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """A report whose time is over is FIRST again."""
        store = redis_store(server.url, keep=timedelta(milliseconds=1))
        assert remember(an_identity(), store) is Sighting.FIRST
        while look_up(an_identity(), store) is not Sighting.FIRST:
            pass

    @HEAVY
    @given(data=st.data())
    def test_agrees(self, shared: Server, redis_store: Callable[..., SeenStore], data: st.DataObject) -> None:
        """Law 10. Stores agree: any sequence of operations gives the same answers from the server and from memory."""
        shared.empty()
        store, memory = redis_store(shared.url), MemoryStore()
        for operation in data.draw(st.lists(st.sampled_from(["add", "known", "look up", "remember"]), max_size=20)):
            match operation:
                case "add":
                    groups = data.draw(GROUPS)
                    assert [tuple(group) for group in store.add(groups)] == list(memory.add(groups))
                case "known":
                    keys = data.draw(st.lists(KEYS, max_size=6))
                    assert tuple(store.known(keys)) == memory.known(keys)
                case _:
                    ask = look_up if operation == "look up" else remember
                    one = data.draw(IDENTITIES)
                    assert ask(one, store) is ask(one, memory)

    def test_race(self, server: Server) -> None:
        """Of several processes that remember the same reports exactly one has FIRST for each."""
        race(OPENING, server.url)

    def test_killed_writers(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """What was acknowledged before a writer was killed is there, and no step is there in part."""
        acknowledged = killed_writers(OPENING, server.url, 3, seed=3)
        assert lost(acknowledged, redis_store(server.url)) == []


class TestServer:
    """A server that dies, refuses, or is not there."""

    def test_killed(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """What was acknowledged before the server was killed is there once it runs again, and no step is there in part."""
        for number in range(3):
            writers = {
                f"{number}-{index}": Worker(OPENING, WRITER, server.url, f"{number}-{index}") for index in range(2)
            }
            acknowledged = {}
            for name, writer in writers.items():
                assert writer.line() == "opening\n"
                acknowledged[name] = [writer.line().strip() for _ in range(5 * number)]
            server.kill()
            for name, writer in writers.items():
                acknowledged[name] += writer.kill()
            server.start()
            assert lost(acknowledged, redis_store(server.url)) == []

    def test_not_there(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """Without a server everything is a StoreError; the same store goes on when there is one again."""
        store = redis_store(server.url)
        assert remember(an_identity(), store) is Sighting.FIRST
        server.kill()
        try:
            for ask in (look_up, remember):
                with pytest.raises(StoreError, match="Redis"):
                    ask(an_identity(), store)
        finally:
            server.start()
        assert look_up(an_identity(), store) is Sighting.DUPLICATE

    def test_full(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """A server that has no room takes nothing of a step."""
        import redis

        store = redis_store(server.url)
        with redis.Redis(unix_socket_path=str(server.socket)) as client:
            client.config_set("maxmemory", 1)
            try:
                with pytest.raises(StoreError, match="Redis"):
                    remember(an_identity(), store)
            finally:
                client.config_set("maxmemory", 0)
        assert look_up(an_identity(), store) is Sighting.FIRST

    def test_a_lost_answer(self, server: Server, redis_store: Callable[..., SeenStore]) -> None:
        """A step whose answer is lost on its way is not taken again in silence: its own keys would answer."""
        with Between(server.socket) as between:
            store = redis_store(f"redis://127.0.0.1:{between.port}")
            assert remember(an_identity(), store) is Sighting.FIRST
            between.is_cut = True
            with pytest.raises(StoreError):
                remember(an_identity("b", "b"), store)
            assert between.steps == 2
        assert look_up(an_identity("b", "b"), redis_store(server.url)) is Sighting.DUPLICATE


class Between:
    """Stands between a store and its server, and counts the steps; once cut, a step arrives and no answer comes back."""

    def __init__(self, server: Path) -> None:
        self.server = str(server)
        self.is_cut = False
        self.steps = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self) -> None:
        """Take one connection after the other."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.socket(socket.AF_UNIX) as behind:
                behind.connect(self.server)
                self.pass_on(client, behind)

    def pass_on(self, client: socket.socket, behind: socket.socket) -> None:
        """Pass on what is said, question by question."""
        while question := client.recv(1 << 16):
            is_step = b"EXEC" in question
            self.steps += is_step
            behind.sendall(question)
            answer = behind.recv(1 << 16)
            if is_step and self.is_cut:
                return
            client.sendall(answer)
