"""Writes tables as CSV (RFC 4180, UTF-8) that spreadsheets, databases and programs read alike."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from exjournal.limits import CELL_LIMIT
from exjournal.lines import json_text

Cell: TypeAlias = str | int | None

# Spreadsheets on Windows take a file without it for one in an older charset.
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# What a spreadsheet runs or trims when a cell begins with it, also in full width. The apostrophe marks a defused cell.
_RISKY: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")


def csv_rows(rows: Iterable[Iterable[Cell]], /) -> bytes:
    """Write rows, each cell in quotes.

    Before a cell that begins with `=`, `+`, `-`, `@`, one of these in full width, TAB, CR, LF or an apostrophe, there is one
    more apostrophe. Text loses its end after `CELL_LIMIT` characters, for an ellipsis. NUL and lone surrogates are replaced as
    in JSON. None is an empty cell, a truth value `true` or `false`.
    """
    import csv  # slow to load, and most callers never need it

    lines = _Lines()
    csv.writer(lines, quoting=csv.QUOTE_ALL).writerows([_shown(cell) for cell in row] for row in rows)
    return "".join(lines).encode()


def csv_head(columns: Iterable[str], /) -> bytes:
    """Write the byte order mark and the first row of a table."""
    return BYTE_ORDER_MARK + csv_rows([columns])


class _Lines(list[str]):
    """Lines, as the file of a writer."""

    def write(self, line: str) -> None:
        self.append(line)


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int):
        return str(cell)
    text = json_text(cell)
    if len(text) > CELL_LIMIT:
        text = text[:CELL_LIMIT] + "\u2026"
    return f"'{text}" if text.startswith(_RISKY) else text
