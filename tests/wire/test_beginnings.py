"""Where a message begins: after the lines that mailbox files and text editors put before it, or after another message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.beginnings import find_another_message, lead_in, skip_from_line
from exjournal.limits import EPILOGUE_LIMIT
from strategies import message_like

FROM = b"From ann@example.com Thu Jan  1 00:00:00 2026\n"
RECEIVED = b"Received: from a.example by b.example; today\r\nFrom: ann@example.com\r\nSubject: x\r\n\r\nHi\r\n"


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


class TestAnotherMessage:
    """Text after a multipart body, with another message in it or not."""

    @pytest.mark.parametrize(
        "before", [b"", b"\r\n\r\n", b"Checked.\r\n\r\n", b"\1\3\nR0\n\n\1\2N 0000017B\n", b"Checked:\r\n"]
    )
    @pytest.mark.parametrize(
        "message",
        [
            RECEIVED,
            RECEIVED.replace(b"\r\n", b"\n"),
            b"From: ann@example.com\nDATE : today\nMIME-Version: 1.0\nX: y\n\nHi\n",
            b"X-MS-Journal-Report:\r\nfrom: ann@example.com\r\nTo: bob@example.com\r\n\r\n",
            FROM + b"S: 1\n",
            b"From - \r\nS: 1\r\n",
            b"From \nS: 1\r\n",
        ],
    )
    def test_message(self, before: bytes, message: bytes) -> None:
        """A From line with a field after it, or three fields of a message, are found anywhere in the text."""
        data = b"body" + before + message + b"more"
        assert find_another_message(data, 4, len(data)) == 4 + len(before)
        assert find_another_message(data, 4, 4 + len(before)) is None

    def test_mark(self) -> None:
        """So is a mark of an MMDF file with something after it."""
        assert find_another_message(b"\n\1\1\1\1\n\1\1\1\1\nx", 0, 12) == 6
        assert find_another_message(b"\n\1\1\1\1\n", 0, 6) is None

    @pytest.mark.parametrize(
        "text",
        [
            b"This mail was checked by a gateway.\r\n",
            b"_______\r\nList mailing list\r\nTo: unsubscribe: visit http://lists.example/\r\n",
            b"From: ann@example.com\nTo: bob@example.com\nSubject: x\nDate: today\nResult: clean\n",
            b"Received: x\n\nFrom: ann@example.com\n\nSubject: x\n",
            b"Received: x\nReceived: y\nReceived: z\n",
            b"> Received: x\n> From: ann@example.com\n> Subject: x\n",
            b" Received: x\n From: ann@example.com\n Subject: x\n",
            b"From 9:00 to 17:00 on 1 October 2026\nwe are open\n",
            b"\n\nFrom the desk of Ann\nPhone: 123\n",
            b"--edge\nContent-Type: text/plain\nContent-Disposition: inline\n\nx\n--edge--\n",
            b"-- \nAnn\n",
            b"\n" * 5000,
        ],
    )
    def test_ordinary_text(self, text: bytes) -> None:
        """Footers, notices, lists of addresses and pasted lines are not another message."""
        assert find_another_message(text, 0, len(text)) is None

    def test_long_text(self) -> None:
        """Text above the limit counts without a search: no footer is so long."""
        text = b"x\n" * (EPILOGUE_LIMIT // 2 + 1)
        assert find_another_message(text, 0, len(text)) == 0
        assert find_another_message(text, 2, len(text)) is None

    @pytest.mark.parametrize("piece", [b"\n", b"\r\n", b"From ", b"\nFrom ", b"\nFrom 0:00", b"\nTo:", b"\n\1\1\1\1\r"])
    def test_hostile(self, piece: bytes) -> None:
        """Hostile text is read in linear time."""
        text = piece * (EPILOGUE_LIMIT // len(piece))
        assert find_another_message(text, 0, len(text)) is None
