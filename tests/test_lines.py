"""Lines of long texts, and texts from many pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal.lines import Pieces, lines_in

_PIECES = st.lists(
    st.sampled_from(["a", "\r", "\n", "\r\n", "\u0142", "b" * 30_000, "\n" * 70_000, "c\r\n" * 20_000]), max_size=8
)


class TestLines:
    """The lines of a text, of any length."""

    @pytest.mark.slow
    @given(_PIECES)
    def test_lines(self, pieces: list[str]) -> None:
        """The lines are those of the whole text split at once, without their line ends."""
        text = "".join(pieces)
        assert [*lines_in(text)] == [line.rstrip("\r") for line in text.split("\n")]


class TestPieces:
    """A text is built from pieces of any number."""

    @pytest.mark.parametrize("count", [0, 1, 2, 4095, 4096, 4097, 10_000])
    @pytest.mark.parametrize("separator", ["", "\n"])
    def test_text(self, count: int, separator: str) -> None:
        """The pieces are in their order, with the separator between them."""
        pieces = Pieces(separator)
        for number in range(count):
            pieces.add(str(number))
        assert pieces.text() == separator.join(map(str, range(count)))
