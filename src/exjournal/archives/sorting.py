"""Sorting what does not fit in memory: lines in order, however many there are."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    import os

# Buffer of lines that are sorted at a time, what a line costs besides its octets, and sorted files that are joined at a time.
_ROOM: Final = 24 << 20
_COST: Final = 40
_FILES: Final = 64


def in_order(
    lines: Iterable[bytes], /, *, folder: "str | os.PathLike[str] | None" = None, room: int = _ROOM, files: int = _FILES
) -> Iterator[bytes]:
    """Lines in the order of their octets, equal ones each as often as they are given; none holds a line feed.

    What does not fit waits in files without a name in `folder`, that of the system without it. Raises OSError.
    """
    with ExitStack() as stack:
        # Files that were joined from as many others stand together, so that a line is written as few times as can be.
        levels: list[list[IO[bytes]]] = [[]]
        held: list[bytes] = []
        size = 0
        for line in lines:
            held.append(line)
            size += len(line) + _COST
            if size > room:
                _add(levels, _written(sorted(held), folder, stack), folder, stack, files)
                held, size = [], 0
        held.sort()
        if not any(levels):
            yield from held
            return
        yield from merge(*[_lines(file) for level in levels for file in level], held)


def _add(
    levels: list[list[IO[bytes]]],
    file: IO[bytes],
    folder: "str | os.PathLike[str] | None",
    stack: ExitStack,
    files: int,
) -> None:
    """Put a sorted file to others of its level; as many as are joined at a time become one of the next."""
    for level in levels:
        level.append(file)
        if len(level) < files:
            return
        file = _written(merge(*map(_lines, level)), folder, stack)
        for joined in level:
            joined.close()
        level.clear()
    levels.append([file])


def _written(lines: Iterable[bytes], folder: "str | os.PathLike[str] | None", stack: ExitStack) -> IO[bytes]:
    from tempfile import TemporaryFile

    file = stack.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115 - the stack is its context
    file.writelines(line + b"\n" for line in lines)
    file.seek(0)
    return file


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    for line in file:
        yield line[:-1]
