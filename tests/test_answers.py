"""The answers of docs/how-to/who-received-what.md, with the real jq, duckdb and pandas."""

import csv
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exjournal.archives.tables import csv_head, csv_rows

ROOT = Path(__file__).parents[1]
BENCHMARK: dict[str, Any] = runpy.run_path(str(ROOT / "benchmarks" / "answers.py"))
WAYS = list(BENCHMARK["WAYS"])
pytestmark = pytest.mark.answers


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A scanned archive, and the answer that is known."""
    folder = tmp_path_factory.mktemp("answers")
    items, known = BENCHMARK["make_items"](1200, 56)
    (folder / "mail").mkdir()
    BENCHMARK["write_archive"](folder / "mail", items)
    assert BENCHMARK["scan"](folder) == 1
    return folder, known


@pytest.mark.parametrize("way", WAYS)
def test_known(way: str, archive: tuple[Path, set[str]]) -> None:
    """Each way finds every message, and no other."""
    folder, known = archive
    assert BENCHMARK["WAYS"][way](folder) == known


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("way", WAYS)
def test_page(way: str) -> None:
    """Each way finds the message of the page's own example."""
    if not Path("mail").exists():
        text = BENCHMARK["PAGE"].read_text("utf-8")
        for command in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
            words = command.replace("exjournal", f"'{sys.executable}' -m exjournal", 1)
            subprocess.run(["sh", "-c", words], check=False)
    [shown] = re.findall(r"^\| `(<.*>)` \| Bcc \| envelope \|$", BENCHMARK["PAGE"].read_text("utf-8"), re.MULTILINE)
    assert BENCHMARK["WAYS"][way](Path.cwd()) == {shown}


# Cells that a spreadsheet runs, quotes, separators, line ends, words that mean nothing to some readers, and none of these.
CELLS = [
    "=1+1",
    "@a",
    "+1",
    "-1",
    "'",
    "\uff1d1",
    'say "a", or b',
    "a;b\tc",
    "a\r\nb",
    "NA",
    "null",
    "NaN",
    "\ufeffx",
    " x ",
    "1e5",
    "007",
]


def test_cells(tmp_path: Path) -> None:
    """Both read the cells that Python's own reader reads."""
    import duckdb
    import pandas as pd

    path = tmp_path / "cells.csv"
    path.write_bytes(csv_head(["a", "b"]) + csv_rows([[cell, number] for number, cell in enumerate(CELLS)]))
    with path.open(encoding="utf-8-sig", newline="") as file:
        [head, *expected] = csv.reader(file, strict=True)
    assert [cell.removeprefix("'") for cell, _ in expected] == CELLS
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert (list(table.columns), table.to_numpy().tolist()) == (head, expected)
    with duckdb.connect() as database:
        found = database.execute("FROM read_csv(?, header = true, all_varchar = true)", [os.fspath(path)])
        assert [column[0] for column in found.description] == head
        assert [list(row) for row in found.fetchall()] == expected
