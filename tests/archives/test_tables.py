"""Tables: CSV that the standard library reads back as it was, and that no spreadsheet runs."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal.archives.exceptions import EXCEPTION_COLUMNS
from exjournal.archives.recipients import RECIPIENT_COLUMNS
from exjournal.archives.tables import csv_head, csv_rows
from exjournal.limits import CELL_LIMIT
from exjournal.lines import json_text


def read(data: bytes) -> list[list[str]]:
    """The rows of a table, with every cell as it is written."""
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def undone(cell: str) -> str:
    """A cell as it was before it was defused, as the documentation has it."""
    return cell.removeprefix("'")


class TestRows:
    """Every cell in quotes, each row on a line that ends in CRLF."""

    def test_form(self) -> None:
        """Text, numbers, truth values and nothing."""
        assert csv_rows([["a", 'b "c"', 1], [True, False, None]]) == b'"a","b ""c""","1"\r\n"true","false",""\r\n'

    def test_head(self) -> None:
        """A byte order mark comes before the names of the columns, each of them once."""
        for columns in (RECIPIENT_COLUMNS, EXCEPTION_COLUMNS):
            assert csv_head(columns).decode("utf-8-sig") == ",".join(f'"{name}"' for name in columns) + "\r\n"
            assert csv_head(columns).startswith(b"\xef\xbb\xbf")
            assert len(set(columns)) == len(columns)

    @pytest.mark.parametrize("first", "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")
    def test_defused(self, first: str) -> None:
        """A cell that begins with a sign that a spreadsheet runs has an apostrophe before it."""
        assert read(csv_rows([[first + "1+1", "1" + first]])) == [["'" + first + "1+1", "1" + first]]

    @given(st.lists(st.lists(st.text(max_size=20), min_size=1, max_size=4), max_size=4))
    def test_reversible(self, rows: list[list[str]]) -> None:
        """Removing one apostrophe gives each cell back, and no cell begins with a sign that a spreadsheet runs."""
        written = read(csv_rows(rows))
        assert [[undone(cell) for cell in row] for row in written] == [
            [json_text(cell) for cell in row] for row in rows
        ]
        assert not [
            cell for row in written for cell in row if cell.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))
        ]

    def test_long(self) -> None:
        """Beyond the limit there is an ellipsis."""
        [[full, cut]] = read(csv_rows([["a" * CELL_LIMIT, "a" * (CELL_LIMIT + 1)]]))
        assert (full, cut) == ("a" * CELL_LIMIT, "a" * CELL_LIMIT + "\u2026")

    @pytest.mark.parametrize(("text", "shown"), [("a\0b", "a\u2400b"), ("a\udcff", "a\ufffd"), ("\0", "\u2400")])
    def test_what_no_table_can_hold(self, text: str, shown: Any) -> None:
        """NUL and lone surrogates are replaced, as in JSON."""
        assert read(csv_rows([[text]])) == [[shown]]
