"""Sorts lines that do not fit in memory, with temporary files."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    import os

# Bytes of lines that are sorted in memory; bytes that a line costs besides its own; sorted files that are merged at a time.
ROOM: Final = 24 << 20
FILES: Final = 64
_COST: Final = 40


def in_order(
    lines: Iterable[bytes], /, *, folder: "str | os.PathLike[str] | None" = None, room: int = ROOM, files: int = FILES
) -> Iterator[bytes]:
    """Yield lines in the order of their bytes, equal ones as often as they are given. No line may hold a line feed.

    Lines beyond `room` bytes wait in unnamed files in `folder`, without it in that of the system; `files` of them are merged at
    a time. Raises OSError.
    """
    with ExitStack() as stack:
        # A level holds files that were merged equally often, so that each line is written as few times as possible.
        levels: list[list[IO[bytes]]] = [[]]
        held: list[bytes] = []
        size = 0
        for line in lines:
            held.append(line)
            size += len(line) + _COST
            if size > room:
                _add(levels, _write(sorted(held), folder, stack), folder, stack, files)
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
    """Add a sorted file to the first level; `files` of one level are merged to one of the next."""
    for level in levels:
        level.append(file)
        if len(level) < files:
            return
        file = _write(merge(*map(_lines, level)), folder, stack)
        for merged in level:
            merged.close()
        level.clear()
    levels.append([file])


def _write(lines: Iterable[bytes], folder: "str | os.PathLike[str] | None", stack: ExitStack) -> IO[bytes]:
    from tempfile import TemporaryFile

    file = stack.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115 - the stack is its context
    file.writelines(line + b"\n" for line in lines)
    file.seek(0)
    return file


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    for line in file:
        yield line[:-1]
