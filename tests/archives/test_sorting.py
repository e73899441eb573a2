"""Sorting with little memory: the result is that of `sorted`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal.archives.sorting import in_order

LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=60)


@given(LINES, st.integers(0, 400), st.integers(2, 5))
def test_as_sorted(lines: list[bytes], room: int, files: int) -> None:
    """Lines come in the order of their bytes, with all equal ones, for any memory and number of files."""
    assert list(in_order(lines, room=room, files=files)) == sorted(lines)


@pytest.mark.slow
def test_many(tmp_path: Path) -> None:
    """A quarter of a million lines go through files in the folder, a few at a time, and leave nothing there."""
    lines = [b"message-%06d.eml" % (number * 7919 % 250_000) for number in range(250_000)]
    opened = 0
    open_file = tempfile.TemporaryFile

    def counted(**options: Any) -> object:
        nonlocal opened
        opened += 1
        return open_file(**options)

    with patch.object(tempfile, "TemporaryFile", counted):
        found = list(in_order(iter(lines), folder=tmp_path, room=100_000, files=10))
    assert found == sorted(lines)
    assert opened > 150
    assert list(tmp_path.iterdir()) == []


def test_all_fits(tmp_path: Path) -> None:
    """Lines that fit in memory need no file."""
    assert list(in_order([b"b", b"a", b"", b"a"], folder=tmp_path / "missing")) == [b"", b"a", b"a", b"b"]
    assert list(in_order([])) == []


def test_no_folder(tmp_path: Path) -> None:
    """A missing folder is an OSError."""
    with pytest.raises(FileNotFoundError):
        list(in_order([b"b", b"a"], folder=tmp_path / "missing", room=0))


def test_lines_that_fail() -> None:
    """Errors of the iterable of lines are raised."""

    def lines() -> Iterator[bytes]:
        yield b"a"
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        list(in_order(lines(), room=0))


def test_closed_early(tmp_path: Path) -> None:
    """Closing the iterator closes and removes all files."""
    lines = in_order([b"c", b"b", b"a"], folder=tmp_path, room=0, files=2)
    assert next(lines) == b"a"
    lines.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
