"""Runs tasks on several processes: results in the order of the tasks, few tasks in memory, and a clean end."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from errno import ECHILD
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing.synchronize import Event

Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks in work for each process: the one that it works on, and some that wait for it.
_TASKS: Final = 3
# Bytes of the tasks in work, of which each process has its own copy.
_WEIGHT: Final = 32 << 20
# Seconds between two checks whether the parent is alive.
_INTERVAL: Final = 1.0


def in_parallel(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    /,
    *,
    jobs: int,
    weigh: Callable[[Task], int] = lambda _: 0,
) -> Iterator[Result]:
    """Apply a function to tasks on several processes, and yield the results in the order of the tasks.

    `jobs` is the number of processes: with 0 one for each core that this process may use; with 1 everything runs in this
    process. With more the function, the tasks and the results have to be picklable. Tasks are taken when they can be worked on;
    `weigh` gives the bytes of one, whose sum is limited. An error that the function raises ends the run, as does an interrupt
    or the end of the iteration: nothing more is begun, and a function can check `is_over` to stop early. Raises
    ChildProcessError if a process was killed.
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
        yield from _results(pool, tasks, count * _TASKS, weigh)
    except BrokenProcessPool:
        raise ChildProcessError(ECHILD, "a process ended before its work was done") from None
    finally:
        over.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _results(
    pool: "ProcessPoolExecutor", tasks: Iterable[Task], limit: int, weigh: Callable[[Task], int]
) -> Iterator[Result]:
    waiting: deque[tuple[int, Future[Result]]] = deque()
    weight = 0
    for task in tasks:
        added = weigh(task)
        while waiting and (len(waiting) >= limit or weight + added > _WEIGHT):
            removed, future = waiting.popleft()
            weight -= removed
            yield future.result()
        with _no_interrupt():
            future = pool.submit(_run, task)  # type: ignore[arg-type] # `_run` calls the function of `in_parallel`
        waiting.append((added, future))
        weight += added
    while waiting:
        yield waiting.popleft()[1].result()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Block interrupts, so that a process which is started now gets none before it ignores them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system has it
        return os.cpu_count() or 1


# In the processes

_function: Callable[..., object] | None = None
_over: "Event | None" = None


def is_over() -> bool:
    """Return whether the run has ended, so that the results of this process are not needed any more."""
    return _over is not None and _over.is_set()


def _begin(function: Callable[..., object], over: "Event") -> None:
    global _function, _over
    _function, _over = function, over
    # An interrupt from the keyboard reaches every process; the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the parent is killed, which could not end it any more."""
    from multiprocessing import parent_process

    # After a fork the siblings keep the pipe open by which the end is detected, so the id of the parent is checked as well.
    parent, number = parent_process(), os.getppid()
    while parent is not None and parent.is_alive() and os.getppid() == number:
        parent.join(_INTERVAL)
    os._exit(1)


def _run(task: object) -> object:
    assert _function is not None, "the process was begun"  # noqa: S101 - for the type checker
    return _function(task)
