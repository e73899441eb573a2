"""Work on all cores: results in the order of the tasks, no more tasks under way than are worked on, and a clean end."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from errno import ECHILD
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing.synchronize import Event

Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks under way for each process: one that it works on, and some that wait for it.
_UNDER_WAY: Final = 3
# Buffer of tasks under way, of which each process has its own copy.
_WEIGHT: Final = 32 << 20
# Seconds between two looks at whether the parent is still there.
_LOOK: Final = 1.0


def in_parallel(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    /,
    *,
    jobs: int,
    weigh: Callable[[Task], int] = lambda _: 0,
) -> Iterator[Result]:
    """The results of a function, in the order of the tasks; with `jobs` 0 on every core that this process may use.

    With one job everything runs in this process. With more the function, tasks and results have to be picklable; tasks are
    taken as they can be worked on, and where `weigh` gives their octets, no more of them than a process may hold. Whatever the
    function raises ends the run, as does an interrupt or the end of the iteration: nothing more is begun, and a function that
    asks `is_over` can leave what it is at. Raises ChildProcessError where a process was killed.
    """
    count = jobs or cores()
    if count == 1:
        yield from map(function, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import Event

    over = Event()
    pool = ProcessPoolExecutor(count, initializer=_begin, initargs=(function, over))
    try:
        yield from _results(pool, tasks, count * _UNDER_WAY, weigh)
    except BrokenProcessPool:
        raise ChildProcessError(ECHILD, "a process ended before its work was done") from None
    finally:
        over.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _results(
    pool: "ProcessPoolExecutor", tasks: Iterable[Task], most: int, weigh: Callable[[Task], int]
) -> Iterator[Result]:
    waiting: deque[tuple[int, Future[Result]]] = deque()
    weight = 0
    for task in tasks:
        added = weigh(task)
        while waiting and (len(waiting) >= most or weight + added > _WEIGHT):
            gone, future = waiting.popleft()
            weight -= gone
            yield future.result()
        with _no_interrupt():
            future = pool.submit(_run, task)  # type: ignore[arg-type] # the function of this process is that one
        waiting.append((added, future))
        weight += added
    while waiting:
        yield waiting.popleft()[1].result()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Let processes that begin now not be interrupted before they can say what they think of that."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """How many processes can work at once."""
    import os

    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system tells
        return os.cpu_count() or 1


# In the processes

_function: Callable[..., object] | None = None
_over: "Event | None" = None


def is_over() -> bool:
    """Whether nobody waits for the results of this process any more."""
    return _over is not None and _over.is_set()


def _begin(function: Callable[..., object], over: "Event") -> None:
    global _function, _over
    import signal
    from threading import Thread

    _function, _over = function, over
    # An interrupt from the keyboard reaches every process; the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent is killed: nobody would take the results, and nobody would say that it is over."""
    import os
    from multiprocessing import parent_process

    # After a fork the siblings hold the other end of the pipe that tells, so the number of the parent is looked at as well.
    parent, number = parent_process(), os.getppid()
    while parent is not None and parent.is_alive() and os.getppid() == number:
        parent.join(_LOOK)
    os._exit(1)


def _run(task: object) -> object:
    assert _function is not None, "the process was begun"  # noqa: S101 - for the type checker
    return _function(task)
