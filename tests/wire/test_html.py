"""HTML as lines of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.html import lines_of_html


def lines(markup: str) -> list[str]:
    """The lines that are not empty, without outer blanks."""
    return [line.strip() for line in lines_of_html(markup).split("\n") if line.strip()]


class TestLines:
    """A line begins where a browser begins one."""

    @pytest.mark.parametrize(
        "markup",
        [
            "a<br>b",
            "a<br/>b",
            "a<BR class=x >\r\nb",
            "<p>a</p><p>b</p>",
            "<p>a\r\n</p>\r\n<p>b",
            "<div>a</div><div>b</div>",
            "<ul><li>a</li><li>b</li></ul>",
            "<table><tr><td>a</td></tr><tr><td>b</td></tr></table>",
            "<h1>a</h1>b",
            "<p>a<p>b",
            "<div>a<div>b</div></div>",
            "<ul><li>a<li>b</ul>",
            "<pre>a\r\nb</pre>",
            "<p>x</p><pre>a\r\nb</pre>",
            "a\nb",
            "<b>a</b>\r\n<i>b</i>",
        ],
    )
    def test_two(self, markup: str) -> None:
        """By any of the elements that begin or end a line, or as in the source where there is none."""
        assert lines(markup)[-2:] == ["a", "b"]

    @pytest.mark.parametrize(
        ("markup", "line"),
        [
            ("a\r\n\tb<br>", "a b"),
            ("a <b>b</b><br>", "a b"),
            ("a<brand>b<br>", "ab"),
            ("a<preface>b</preface>", "ab"),
            ("&lt;a&gt; &amp;amp; &quot;b&quot; &#39;c&#x27;", "<a> &amp; \"b\" 'c'"),
            ("a&nbsp;b", "a b"),
            ("&lt;br&gt;", "<br>"),
            ("a &unknown; b", "a &unknown; b"),
            ("a < b", "a < b"),
            ("<a", "<a"),
        ],
    )
    def test_one(self, markup: str, line: str) -> None:
        """Other elements, spaces and line ends of the source do not; an escaped character is text."""
        assert lines(markup) == [line]

    @pytest.mark.parametrize("digits", [4, 5000])
    def test_characters_that_do_not_exist(self, digits: int) -> None:
        """A reference to a character that cannot be, however long, raises nothing."""
        assert lines_of_html(f"a&#{'9' * digits};b").startswith("a")
        assert lines_of_html(f"a&#x{'f' * digits};b").startswith("a")


class TestTotal:
    """Any markup has lines."""

    @given(
        st.lists(
            st.sampled_from(
                [
                    "<",
                    ">",
                    "br",
                    "/",
                    "p",
                    " ",
                    "\n",
                    "\r",
                    "&",
                    "#",
                    "x",
                    ";",
                    "9" * 20,
                    "9" * 5000,
                    '"',
                    "\ud800",
                    "<br>",
                ]
            )
            | st.text(max_size=5),
            max_size=20,
        ).map("".join)
    )
    def test_any_markup(self, markup: str) -> None:
        """No markup raises anything."""
        assert isinstance(lines_of_html(markup), str)

    @pytest.mark.slow
    @pytest.mark.parametrize("piece", ["<", "<br", "<br>", "&", "&#", "&#9;", "&amp;", " ", "\n", "<p", "</", "&lt"])
    def test_large(self, piece: str) -> None:
        """A megabyte of nearly anything is read in one go."""
        assert isinstance(lines_of_html(piece * (1_000_000 // len(piece))), str)

    @pytest.mark.slow
    @given(
        st.lists(
            st.sampled_from(
                [
                    *[
                        "a",
                        " ",
                        "<br>",
                        "<p>",
                        "<b>",
                        "</b>",
                        "&amp;",
                        "&#9;",
                        "&",
                        "<pre>",
                        "</pre>",
                        "\n",
                        "\t",
                        "x\f\vy",
                    ]
                ],
            ),
            min_size=1,
            max_size=6,
        ).map("".join)
    )
    def test_long_text(self, piece: str) -> None:
        """A long text is read as the same text in smaller parts is, wherever it is cut inside."""
        half = "z" + piece * (80_000 // len(piece)) + "</pre>z<b>"
        assert lines_of_html("<p>" + half * 2) == lines_of_html("<p>" + half) + lines_of_html("<p>" + half)
