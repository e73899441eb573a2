"""Work on all cores: results in the order of the tasks, no more tasks under way than are worked on, and a clean end."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks under way for each process: one that it works on, and some that wait for it.
_UNDER_WAY: Final = 3
# Seconds between two looks at whether the parent is still there.
_LOOK: Final = 1.0


def in_parallel(function: Callable[[Task], Result], tasks: Iterable[Task], /, *, jobs: int) -> Iterator[Result]:
    """The results of a function, in the order of the tasks; with `jobs` 0 on every core that this process may use.

    With one job everything runs in this process. With more the function, tasks and results have to be picklable; tasks are
    taken as they can be worked on. Whatever the function raises ends the run, as does an interrupt or the end of the iteration:
    what is under way is waited for, and nothing more is begun.
    """
    count = jobs or cores()
    if count == 1:
        yield from map(function, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(count, initializer=partial(_begin, function))
    try:
        yield from _results(pool, tasks, count * _UNDER_WAY)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _results(pool: "ProcessPoolExecutor", tasks: Iterable[Task], most: int) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    for task in tasks:
        waiting.append(pool.submit(_run, task))  # type: ignore[arg-type] # the function of this process is that one
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def cores() -> int:
    """How many processes can work at once."""
    import os

    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system tells
        return os.cpu_count() or 1


# In the processes

_function: Callable[..., object] | None = None


def _begin(function: Callable[..., object]) -> None:
    global _function  # noqa: PLW0603 - sent once to each process, not with every task
    import signal
    from threading import Thread

    _function = function
    # An interrupt from the keyboard reaches every process; the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
