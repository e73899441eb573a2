"""Pieces of HTML pages; `scan_page` and `report_page` make pages of them.

A page is one file that works everywhere: no script, nothing that is loaded from elsewhere, and a policy that forbids both. Text
of messages and names of files are escaped in one place (`to_html`), which replaces every character that hides or moves text by
its code.
"""

import base64
import contextlib
import hashlib
import html
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias
from unicodedata import category

from exjournal import __version__

# Every page begins so, and only a file that does is replaced.
BEGINNING: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="generator" content="exjournal'
)


# Text and tables


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Cell: TypeAlias = str | int | datetime | Html | None


def to_html(value: Cell) -> Html:
    """Return a value as HTML: text is escaped, and characters that show nothing, or move text, appear as their codes."""
    if isinstance(value, Html):
        return value
    if value is None:
        return Html()
    if isinstance(value, int):
        return Html(f"{value:,}")
    if isinstance(value, datetime):
        written = value.isoformat(" ", "seconds")[:19]
        return Html(f'<time datetime="{written}Z">{written}</time>')
    if value.isprintable():
        return Html(html.escape(value))
    return Html(
        "".join([html.escape(char) if _shows(char) else f'<span class="code">{_name(char)}</span>' for char in value])
    )


def _shows(char: str) -> bool:
    # Spaces of other widths are as common as they are harmless.
    return char.isprintable() or category(char) == "Zs"


def _name(char: str) -> str:
    return f"U+{ord(char):04X}"


def _plain(value: str) -> str:
    """Return text as HTML without elements."""
    return html.escape("".join([char if _shows(char) else _name(char) for char in value]))


def code(value: str | None) -> Html:
    """Return text that is exact, such as a digest or a path."""
    return Html(f"<code>{to_html(value)}</code>" if value else "")


def apart(value: str) -> Html:
    """Return text inside a sentence, whose direction it cannot change."""
    return Html(f"<bdi>{to_html(value)}</bdi>")


def link(target: str, text: Cell) -> Html:
    """Return a link to a place of the page."""
    return Html(f'<a href="#{target}">{to_html(text)}</a>')


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    total: Sequence[Cell] | None = None,
    ids: Mapping[int, str] | None = None,
    numbers: Iterable[int] = (),
) -> Iterator[str]:
    """Yield a table in a region of its own, which scrolls on a narrow screen.

    `total`: the last row. `ids`: names of rows, by their number. `numbers`: columns on the right, besides those with a number.
    """
    rows = list(rows)
    places = {*numbers, *[place for row in rows for place, cell in enumerate(row) if isinstance(cell, int)]}
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{_plain(caption)}">'
    yield f"<table><caption>{to_html(caption)}</caption>\n<thead><tr>"
    for place, head in enumerate(heads):
        yield f"<th scope=col{' class=n' if place in places else ''}>{to_html(head)}</th>"
    yield "</tr></thead>\n<tbody>"
    for number, row in enumerate(rows):
        name = (ids or {}).get(number)
        yield f"<tr id={name}>" if name else "<tr>"
        yield from _row(row, places)
    yield "</tbody>"
    if total is not None:
        yield "<tfoot><tr>"
        yield from _row(total, places)
        yield "</tfoot>"
    yield "</table></div>\n"


def _row(row: Sequence[Cell], numbers: Collection[int]) -> Iterator[str]:
    for place, cell in enumerate(row):
        of_number = " class=n" if place in numbers else ""
        yield f"<td{of_number}>{to_html(cell)}</td>" if place else f"<th scope=row{of_number}>{to_html(cell)}</th>"
    yield "</tr>\n"


def fact_list(facts: Iterable[tuple[str, Cell]]) -> Iterator[str]:
    """Yield a list of names and values."""
    yield "<dl>"
    for name, value in facts:
        yield f"<dt>{to_html(name)}</dt><dd>{to_html(value)}</dd>\n"
    yield "</dl>\n"


def section(name: str, title: str, *content: Iterable[str]) -> Iterator[str]:
    """Yield a part of a page with a title; `name` is that of its place."""
    yield f'<section aria-labelledby="{name}">\n<h2 id="{name}">{to_html(title)}</h2>\n'
    yield from chain.from_iterable(content)
    yield "</section>\n"


def paragraph(text: str) -> list[str]:
    """Return a paragraph of the command's own text; values in it are HTML already."""
    return [f"<p>{text}</p>\n"]


def page(title: str, content: Iterable[str]) -> Iterator[str]:
    """Yield a whole page around its content."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    yield f'{BEGINNING} {__version__}">\n'
    yield '<meta http-equiv="Content-Security-Policy" content="'
    yield f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n"
    yield '<meta name="referrer" content="no-referrer">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{_plain(title)}</title>\n<style>{_STYLE}</style>\n<main>\n"
    yield from content
    yield f"</main>\n<footer><p>Written by exjournal {__version__}. All times are in UTC.</p></footer>\n</html>\n"


_STYLE: Final = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --wash: #f3f5f7; --bar: #2f6690; --gap: #f7d9d3; --odd: #9a5b13 }
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100% }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem; background: #fff; color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 2px solid var(--ink); font-size: 1.2rem }
p { max-width: 48rem; margin: .5rem 0 1rem; overflow-wrap: anywhere }
a { color: #0b57a4 }
code, pre { font: .85em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
code { overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) minmax(0, 1fr); gap: .25rem 1.25rem; margin: .5rem 0 1rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere; unicode-bidi: isolate }
.scroll { overflow-x: auto; margin: 0 0 1.25rem; background: linear-gradient(to right, #fff 40%, transparent) local,
  linear-gradient(to left, #fff 40%, transparent) right local, linear-gradient(to right, #8c959f55, transparent) scroll,
  linear-gradient(to left, #8c959f55, transparent) right scroll; background-size: 3rem 100%, 3rem 100%, .75rem 100%,
  .75rem 100%; background-repeat: no-repeat }
.scroll:focus-visible { outline: 2px solid var(--bar) }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
caption { padding: .25rem 0; text-align: left; font-weight: 600 }
th, td { padding: .3rem 1.25rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  font-weight: 400; overflow-wrap: break-word; unicode-bidi: isolate }
th { min-width: 7rem }
td { min-width: 8rem }
thead th { color: var(--soft); vertical-align: bottom; white-space: nowrap }
tfoot th, tfoot td { border-bottom: 0; border-top: 2px solid var(--ink); font-weight: 600 }
th.n, td.n { text-align: right; white-space: nowrap; min-width: 3rem }
.lead { font-size: 1.1rem }
.odd { color: var(--odd); font-weight: 600 }
.none { background: var(--gap) }
.code { padding: 0 .2em; border: 1px solid var(--odd); border-radius: .2em; color: var(--odd); font-size: .8em;
  white-space: nowrap }
.tree, .tree ul { margin: 0; padding-left: 1.25rem; list-style: square; overflow-wrap: anywhere }
.tree li { unicode-bidi: isolate }
.name { color: var(--soft) }
.role { display: inline-block; min-width: 5.5rem; color: var(--soft) }
svg { display: block }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums }
svg .bar { fill: var(--bar) }
svg .other { fill: var(--odd) }
svg .gap { fill: var(--gap) }
svg .axis { stroke: var(--line) }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem }
@media (max-width: 40rem) { dl { display: block } dd { margin: 0 0 .5rem } th, td { padding-right: .75rem } }
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  .scroll { overflow: visible; background: none }
  svg { max-width: 100%; height: auto }
  td { min-width: 0 }
  h2, caption, thead { break-after: avoid }
  tr, svg { break-inside: avoid }
}
"""


def write_page(path: Path, pieces: Iterable[str]) -> None:
    """Write a page completely or not at all, in place of an existing file. Raises OSError."""
    part = path.parent / f".exjournal-{os.getpid()}.part"
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            # The error names the page, not the unfinished file.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def may_replace(path: Path) -> bool:
    """Whether there is no file, an empty one, or a page of ours. Raises OSError."""
    try:
        with path.open("rb") as file:
            return file.read(len(BEGINNING)) in {b"", BEGINNING.encode()}
    except FileNotFoundError:
        return True
