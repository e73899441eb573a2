"""Work on several processes: in order, no further ahead than needed, and ended cleanly in all cases."""

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest

from exjournal.archives import parallel
from exjournal.archives.parallel import cores, in_parallel

posix = pytest.mark.skipif(os.name != "posix", reason="needs processes as POSIX has them")


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


def slow_first(number: int) -> int:
    """Finish the first of several tasks last."""
    if number % 5 == 0:
        time.sleep(0.02)
    return number


def fail(number: int) -> int:
    """Fail for 7."""
    if number == 7:
        raise KeyError(number)
    return number


def die(number: int) -> NoReturn:
    """End the process as the system does when it kills it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(number)


def not_pickled(number: int) -> Callable[[], int]:
    """Return a value that cannot be pickled."""
    return lambda: number


class Odd(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(one + other)


def odd(number: int) -> NoReturn:
    """Raise it."""
    raise Odd(number, number)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a process."""
    yield
    gc.collect()
    assert multiprocessing.active_children() == []


class TestResults:
    """Results."""

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [0, 1, 2, 3])
    def test_in_order(self, jobs: int) -> None:
        """Results are in the order of the tasks, in any order of their ends."""
        assert list(in_parallel(slow_first, range(40), jobs=jobs)) == list(range(40))
        assert list(in_parallel(double, iter([]), jobs=jobs)) == []

    @pytest.mark.slow
    def test_one_job(self) -> None:
        """One job runs in this process, and pickles nothing."""
        assert list(in_parallel(lambda number: (number, os.getpid()), [1], jobs=1)) == [(1, os.getpid())]

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_not_ahead(self, jobs: int) -> None:
        """Endless tasks are taken when results are, a few for each process ahead."""
        taken = 0

        def tasks() -> Iterator[int]:
            nonlocal taken
            while True:
                yield taken
                taken += 1

        results = in_parallel(double, tasks(), jobs=jobs)
        assert taken == 0
        for number in range(20):
            assert next(results) == 2 * number
            assert taken <= number + 3 * jobs
        results.close()  # type: ignore[attr-defined]

    @pytest.mark.slow
    def test_two_at_a_time(self) -> None:
        """Runs do not disturb each other."""
        one, other = (in_parallel(double, range(9), jobs=2) for _ in range(2))
        assert list(zip(one, other, strict=True)) == [(2 * number, 2 * number) for number in range(9)]


class TestEnds:
    """A run ends in all cases, with no process left."""

    @pytest.mark.slow
    def test_function_raises(self) -> None:
        """An error of the function ends the run, after the results before it."""
        results = in_parallel(fail, range(100), jobs=2)
        assert [next(results) for _ in range(7)] == list(range(7))
        with pytest.raises(KeyError):
            next(results)
        assert list(results) == []

    @pytest.mark.slow
    def test_tasks_raise(self) -> None:
        """Errors of the iterable of tasks are raised."""

        def tasks() -> Iterator[int]:
            yield 1
            raise FileNotFoundError

        with pytest.raises(FileNotFoundError):
            list(in_parallel(double, tasks(), jobs=2))

    @pytest.mark.slow
    @pytest.mark.parametrize("how", ["close", "forget"])
    def test_given_up(self, how: str) -> None:
        """Closing the results ends the run."""
        results = in_parallel(double, count(), jobs=2)
        assert next(results) == 0
        if how == "close":
            results.close()  # type: ignore[attr-defined]
        else:
            del results

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("function", "error"), [(die, ChildProcessError), (not_pickled, Exception), (odd, Exception)]
    )
    def test_errors(self, function: Callable[[int], object], error: type[Exception]) -> None:
        """A killed process, and a result or an error that cannot be pickled, are errors, and nothing waits forever."""
        with pytest.raises(error):
            list(in_parallel(function, range(9), jobs=2))

    @pytest.mark.slow
    def test_task_not_pickled(self) -> None:
        """The same holds for a task."""
        with pytest.raises((AttributeError, TypeError)):
            list(in_parallel(double, iter([lambda: 1]), jobs=2))  # type: ignore[list-item]


class TestCores:
    """The number of processes."""

    @pytest.mark.slow
    def test_affinity(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The cores that this process may use, else those of the machine, and one if that is unknown."""
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 7}, raising=False)
        assert cores() == 3
        monkeypatch.delattr(os, "sched_getaffinity")
        monkeypatch.setattr(os, "cpu_count", lambda: 12)
        assert cores() == 12
        monkeypatch.setattr(os, "cpu_count", lambda: None)
        assert cores() == 1


class TestProcess:
    """The work of each process."""

    @pytest.mark.slow
    def test_begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process keeps the function, leaves interrupts to its parent, and watches that one."""
        begun: list[object] = []
        ignored: list[object] = []
        for name in ("_function", "_over"):
            monkeypatch.setattr(parallel, name, None)
        monkeypatch.setattr(parallel, "_end_with_parent", lambda: begun.append(1))
        monkeypatch.setattr(signal, "signal", lambda *args: ignored.append(args))
        parallel._begin(double, multiprocessing.Event())
        assert parallel._run(4) == 8
        assert ignored == [(signal.SIGINT, signal.SIG_IGN)]
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and thread.daemon:
                thread.join(5)
        assert begun == [1]

    @pytest.mark.slow
    @pytest.mark.parametrize("lost", ["gone", "other", "none"])
    def test_parent_gone(self, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
        """A process ends when its parent does, by either sign of that."""

        class Parent:
            looks = 0

            def is_alive(self) -> bool:
                return not (lost == "gone" and self.looks)

            def join(self, _seconds: float) -> None:
                self.looks += 1

        def leave(code: int) -> NoReturn:
            raise SystemExit(code)

        parent = None if lost == "none" else Parent()
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
        monkeypatch.setattr(os, "getppid", lambda: 2 if lost == "other" and parent is not None and parent.looks else 1)
        monkeypatch.setattr(os, "_exit", leave)
        with pytest.raises(SystemExit, match="1"):
            parallel._end_with_parent()
        assert parent is None or parent.looks == 1


# A program that works endlessly on two cores.
PROGRAM = """
import os, sys, time
from itertools import count
from multiprocessing import set_start_method
from exjournal.archives.parallel import in_parallel

def work(number):
    time.sleep(0.001)
    return os.getpid()

if __name__ == "__main__":
    set_start_method(sys.argv[1])
    workers = set()
    for worker in in_parallel(work, count(), jobs=2):
        if len(workers) < 2:
            workers.add(worker)
            if len(workers) == 2:
                print(*workers, flush=True)
"""


@contextlib.contextmanager
def running(folder: Path, method: str) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """The running program in a group of its own, and the ids of its processes."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    with subprocess.Popen(
        [sys.executable, "-W", "error", path, method],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        workers = [int(number) for number in process.stdout.readline().split()]
        assert len(workers) == 2
        try:
            yield process, workers
        finally:
            process.kill()


def are_gone(processes: list[int]) -> bool:
    """Whether processes end within a while."""

    def is_there(number: int) -> bool:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
            return state != "Z"
        return False

    for _ in range(400):
        if not any(map(is_there, processes)):
            return True
        threading.Event().wait(0.05)
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up as Linux shows them")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
class TestSignals:
    """Real signals to real processes, with every start method."""

    @pytest.mark.slow
    def test_interrupt(self, tmp_path: Path, method: str) -> None:
        """An interrupt from the keyboard reaches all processes, and ends all with one traceback, that of the program."""
        with running(tmp_path, method) as (process, workers):
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == -signal.SIGINT
            assert errors.count("Traceback") == 1
            assert errors.endswith("KeyboardInterrupt\n")
            assert are_gone(workers)

    @pytest.mark.slow
    def test_killed(self, tmp_path: Path, method: str) -> None:
        """When the program is killed its processes end."""
        with running(tmp_path, method) as (process, workers):
            process.kill()
            process.communicate(timeout=30)
            assert are_gone(workers)

    @pytest.mark.slow
    def test_worker_killed(self, tmp_path: Path, method: str) -> None:
        """When one of its processes is killed the program reports it, and the other one ends."""
        with running(tmp_path, method) as (process, workers):
            os.kill(workers[0], signal.SIGKILL)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 1
            assert "ChildProcessError" in errors
            assert are_gone(workers)


NOT_PICKLED = """
from multiprocessing import set_start_method
from exjournal.archives.parallel import in_parallel
set_start_method("spawn")
try:
    list(in_parallel(lambda task: task, range(9), jobs=2))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.slow
def test_function_not_pickled() -> None:
    """A function that cannot be pickled is an error if processes are spawned, and nothing waits forever."""
    command = [sys.executable, "-W", "error", "-c", NOT_PICKLED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout in {"PicklingError\n", "AttributeError\n"}


class TestWithoutMasks:
    """Systems that cannot block interrupts."""

    @pytest.mark.slow
    def test_results(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The results are the same."""
        monkeypatch.delattr(signal, "pthread_sigmask")
        assert list(in_parallel(double, range(5), jobs=2)) == [0, 2, 4, 6, 8]

    @pytest.mark.slow
    def test_begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process begins as on other systems."""
        monkeypatch.delattr(signal, "pthread_sigmask")
        for name in ("_function", "_over"):
            monkeypatch.setattr(parallel, name, None)
        monkeypatch.setattr(parallel, "_end_with_parent", lambda: None)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        over = multiprocessing.Event()
        parallel._begin(double, over)
        assert not parallel.is_over()
        over.set()
        assert parallel.is_over()
