"""Reads the HTML pages of the command, as a browser would, and checks that they are harmless and whole."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

# Elements without an end tag, and those whose end tag the pages leave out.
_VOID = {"meta", "br", "link"}


class Page(HTMLParser):
    """An HTML page: its text, its tables by their captions, its links and its policy."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = Path(path).read_text("utf-8")
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.style = ""
        self.tables: dict[str, list[list[str]]] = {}
        self.caption: list[str] | None = None
        self.cell: list[str] | None = None
        self.rows: list[list[str]] = []
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows = []
        elif tag == "caption":
            self.caption = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.cell = []
        elif tag == "br" and self.cell is not None:
            self.cell.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that ends where it begins."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that elements are nested."""
        assert self.open.pop() == tag
        if tag == "caption":
            assert self.caption is not None
            self.tables["".join(self.caption)] = self.rows
            self.caption = None
        elif tag in {"td", "th"}:
            assert self.cell is not None
            self.rows[-1].append("".join(self.cell))
            self.cell = None

    def handle_data(self, data: str) -> None:
        """Note text."""
        if "style" in self.open:
            self.style += data
            return
        self.texts.append(data)
        for place in (self.caption, self.cell):
            if place is not None:
                place.append(data)

    @property
    def text(self) -> str:
        """All text of the page, with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def table(self, caption: str) -> dict[str, list[str]]:
        """A table without its head, by the first cells of its rows."""
        return {row[0]: row[1:] for row in self.tables[caption][1:]}

    def sum(self, caption: str, column: int = 1) -> int:
        """The sum of a column, which is that of the last row."""
        *numbers, total = [int(row[column].replace(",", "") or 0) for row in self.tables[caption][1:]]
        assert sum(numbers) == total
        return total


def check_harmless(page: Page) -> None:
    """A page has no script, loads nothing, forbids both, and shows no character that hides or moves text."""
    tags = {tag for tag, _ in page.elements}
    assert tags <= {
        *(
            "html",
            "meta",
            "title",
            "style",
            "main",
            "section",
            "footer",
            "h1",
            "h2",
            "p",
            "div",
            "ul",
            "li",
            "dl",
            "dt",
            "dd",
        ),
        *(
            "table",
            "caption",
            "thead",
            "tbody",
            "tfoot",
            "tr",
            "th",
            "td",
            "a",
            "br",
            "span",
            "strong",
            "code",
            "bdi",
            "time",
        ),
        *("svg", "desc", "line", "rect", "text"),
    }
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for tag, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on")} | attributes.keys() & {
            "style",
            "src",
            "srcset",
        }
        if "href" in attributes:
            assert tag == "a"
            assert (attributes["href"] or "").removeprefix("#") in ids
    policy = [
        attributes["content"] for tag, attributes in page.elements if tag == "meta" and "http-equiv" in attributes
    ]
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert policy == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert page.source.startswith('<!DOCTYPE html>\n<html lang="en">\n')
    assert re.sub(r"[\n\u3000\u00a0]", "", page.source).isprintable()


def check_accessible(page: Page) -> None:
    """Headings are in order, tables have captions and heads with scopes, and a chart has a title and a description."""
    levels = [tag for tag, _ in page.elements if tag in {"h1", "h2"}]
    assert levels[0] == "h1"
    assert levels.count("h1") == 1
    tables = sum(tag == "table" for tag, _ in page.elements)
    assert tables == sum(tag == "caption" for tag, _ in page.elements)
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in page.elements if tag == "th")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert set((attributes.get("aria-labelledby") or "").split()) <= set(ids)
    for tag, attributes in page.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-labelledby"] == "chart-title chart-text"
