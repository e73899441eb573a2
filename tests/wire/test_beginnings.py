"""What mailbox files and text editors put before a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.beginnings import lead_in, skip_from_line
from strategies import message_like


class TestFromLine:
    """A line that a mailbox file left before the header."""

    @pytest.mark.parametrize(
        ("data", "begin"),
        [
            (b"From alice Thu Feb 29 12:30:45 2024\r\nTo: x", 37),
            (b"From x\nTo: y", 7),
            (b"From x", 6),
            (b"From ", 5),
            (b"From: x\n", 0),
            (b"from x\n", 0),
            (b" From x\n", 0),
            (b"From : x\n", 0),
            (b"", 0),
        ],
    )
    def test_skipped(self, data: bytes, begin: int) -> None:
        """It is skipped to its end; a From field is not such a line."""
        assert skip_from_line(data, 0, len(data)) == begin
        assert skip_from_line(b"ab" + data, 2, len(data) + 2) == begin + 2


class TestLeadIn:
    """What mailbox files and text editors put before a header block."""

    @pytest.mark.parametrize(
        ("data", "ends"),
        [
            (b"To: x", (0, 0, 0)),
            (b"", (0, 0, 0)),
            (b"\xef\xbb\xbfTo: x", (3, 3, 3)),
            (b"\xef\xbbTo: x", (0, 0, 0)),
            (b"\r\n\nTo: x", (0, 3, 3)),
            (b"From x\nTo: x", (0, 0, 7)),
            (b"From: x\nTo: x", (0, 0, 0)),
            (b"\xef\xbb\xbf\r\nFrom x\r\nTo: x", (3, 5, 13)),
            (b"\r\n\r\n", (0, 4, 4)),
            (b"From x", (0, 0, 6)),
            (b"\n\xef\xbb\xbfTo: x", (0, 1, 1)),
        ],
    )
    def test_ends(self, data: bytes, ends: tuple[int, int, int]) -> None:
        """A byte order mark, blank lines and a From line, in this order, each where it ends."""
        assert lead_in(data) == ends
        before = b"ab"
        moved = lead_in(before + data + b"To: y", len(before), len(before + data))
        assert moved == tuple([end + len(before) for end in ends])

    def test_limit(self) -> None:
        """Nobody sends a message after very many blank lines."""
        mark, blank, begin = lead_in(b"\n" * 200_000)
        assert mark == 0
        assert 0 < blank == begin < 200_000

    @given(message_like() | st.binary(max_size=20))
    def test_in_order(self, data: bytes) -> None:
        """The three ends are in order and in the data."""
        mark, blank, begin = lead_in(data)
        assert 0 <= mark <= blank <= begin <= len(data)
