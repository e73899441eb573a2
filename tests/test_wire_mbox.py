"""Mailbox files: where messages begin and end, whoever wrote the file, and whatever a sender wrote into it."""

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exjournal._wire import mbox
from exjournal._wire.mbox import Entry, first_from_line, messages, quoted_lines, without_quotes

FROM = b"From ann@example.com Thu Jan  1 00:00:00 2026\n"
LIMIT = 1 << 20

# From lines as programs write them.
FROM_LINES = [
    b"From ann@example.com Thu Jan  1 00:00:00 2026\n",
    b"From ann@example.com Thu Jan  1 00:00:00 2026\r\n",
    b"From ann@example.com Thu Jan  1 00:00 2026\n",
    b"From ann@example.com  Thu Jan  1 00:00:00 CET 2026\n",
    b"From ann@example.com Thu Jan  1 00:00:00 2026 +0100\n",
    b"From ann@example.com Thu, 1 Jan 2026 00:00:00 +0100\n",
    b"From - Thu Jan 01 00:00:00 2026\n",
    b"From MAILER-DAEMON Thu Jan  1 00:00:00 2026\n",
    b"From 1712345678901234567@xxx Thu Jan 01 00:00:00 +0000 2026\n",
    b'From "ann b"@example.com Thu Jan  1 00:00:00 2026\n',
    b"From  Thu Jan  1 00:00:00 2026 \n",
]
# Those that have no date: they count behind a blank line and before a field.
BARE_FROM_LINES = [
    b"From MAILER-DAEMON\n",
    b"From ann@example.com\r\n",
    b"From ann@example.com Thu Jan  1 00:00:00 2026 remote from example\n",
    b"From \n",
]


def entries(data: bytes, limit: int = LIMIT, **options: bool) -> list[Entry]:
    """Every message of a file."""
    return list(messages(BytesIO(data).read, limit, **options))


def texts(data: bytes, **options: bool) -> list[bytes | None]:
    """The octets of every message of a file."""
    return [entry.octets for entry in entries(data, **options)]


class TestFromLine:
    """What begins a mailbox file, and what begins a message in it."""

    @pytest.mark.parametrize("line", FROM_LINES)
    def test_dated(self, line: bytes) -> None:
        """A line with a date begins a file and a message, whatever stands behind it, with a blank line before it or none."""
        assert first_from_line(line) == 0
        assert texts(line + b"S: 1\n\nx\n\n" + line + b"S: 2\n\ny\n" + line + b"no field") == [
            b"S: 1\n\nx\n",
            b"S: 2\n\ny\n",
            b"no field",
        ]

    @pytest.mark.parametrize("line", BARE_FROM_LINES)
    def test_without_a_date(self, line: bytes) -> None:
        """A line without one begins a file and a message where a field follows, and a message only behind a blank line."""
        assert first_from_line(line + b"S: 1\n") == 0
        assert first_from_line(line + b"no field") is None
        assert texts(line + b"S: 1\n\nx\n\n" + line + b"S: 2\n") == [b"S: 1\n\nx\n", b"S: 2\n"]
        assert texts(line + b"S: 1\r\n\r\nx\r\n\r\n" + line + b"S: 2\n") == [b"S: 1\r\n\r\nx\r\n", b"S: 2\n"]
        whole = b"S: 1\n\nx\n" + line + b"S: 2\n\n" + line + b"no field\n"
        (entry,) = entries(line + whole)
        assert (entry.offset, entry.size, entry.octets, entry.bare) == (len(line), len(whole), whole, 2)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"From",
            b"From ",
            b"from ann Thu Jan  1 00:00:00 2026\n",
            b"From: ann\n",
            b"From " + b"x" * 2000 + b"\nS: 1\n",
        ],
    )
    def test_none(self, data: bytes) -> None:
        """Anything else begins no mailbox file."""
        assert first_from_line(data) is None

    def test_quoted_lines_before_the_header(self) -> None:
        """A quoted From line at the head of a message belongs to it."""
        assert texts(FROM + b">From bob Thu Jan  1 00:00:00 2026\nS: 1\n\nx\n") == [
            b">From bob Thu Jan  1 00:00:00 2026\nS: 1\n\nx\n"
        ]

    def test_no_line_end(self) -> None:
        """A file that is cut short in a From line has a message without octets there."""
        assert texts(b"From ann") == [b""]
        assert [(entry.offset, entry.size, entry.octets) for entry in entries(FROM)] == [(len(FROM), 0, b"")]


class TestEnds:
    """Where a message ends."""

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("text", [b"", b"|", b"S: 1|", b"S: 1||", b"S: 1||x|", b"S: 1||x|||", b"||||"])
    def test_blank_line(self, text: bytes, end: bytes) -> None:
        """The blank line behind a message belongs to the file, in the middle and at the end; all others to the message."""
        text, line = text.replace(b"|", end), FROM.replace(b"\n", end)
        assert texts((line + text + end) * 3) == [text] * 3

    @pytest.mark.parametrize("text", [b"S: 1", b"S: 1\n", b"S: 1\n\nx", b"S: 1\n\nx\n", b"S: 1\r\n\r\nx\r\n"])
    def test_none_at_the_end(self, text: bytes) -> None:
        """A file that ends without a blank line has the whole message."""
        assert texts(FROM + b"S: 0\n\n" + FROM + text) == [b"S: 0\n", text]

    def test_crlf_inside_lf(self) -> None:
        """A message with CRLF in a file with line feeds is not touched."""
        text = b"S: 1\r\n\r\nx\r\n"
        assert texts((FROM + text + b"\n") * 2) == [text] * 2

    def test_empty_messages(self) -> None:
        """From lines that follow each other have messages between them, which are empty."""
        assert texts(FROM + FROM + b"\n" + FROM + b"\r\n" + FROM + b"S: 1\n") == [b"", b"", b"", b"S: 1\n"]


class TestLength:
    """Messages that say how long they are."""

    BODY = b"x\n\n" + FROM + b"S: no message\n\ny\n"

    def box(self, length: object, body: bytes = BODY, end: bytes = b"\n", more: bytes = FROM + b"S: 2\n\n") -> bytes:
        """A file with a message of a length, and one behind it."""
        return FROM + b"S: 1\ncontent-LENGTH: %b\nT: 1\n\n" % str(length).encode() + body + end + more

    @pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\r\n", b"\r\n\r\n"])
    @pytest.mark.parametrize("more", [b"", FROM + b"S: 2\n"])
    def test_led(self, end: bytes, more: bytes) -> None:
        """A length that leads to a From line or to the end of the file is believed, whatever the message holds."""
        first, *rest = entries(self.box(len(self.BODY), end=end, more=more), by_length=True)
        assert first.led
        assert first.octets is not None
        assert first.octets.endswith(b"T: 1\n\n" + self.BODY)
        assert [entry.octets for entry in rest] == ([b"S: 2\n"] if more else [])

    def test_header_ends(self) -> None:
        """The field may be anywhere in the header, and lines may end with CRLF."""
        for header in (
            b"Content-Length: 6\n\n",
            b"A: b\r\nContent-Length: \t6 \r\nC: d\r\n\r\n",
            b"A: b\nContent-Length:6\n\n",
        ):
            text = header + b"x\n" + b"y\n" + b"z\n"
            assert [(e.octets, e.led) for e in entries((FROM + text + b"\n") * 2, by_length=True)] == [(text, True)] * 2

    def test_no_body(self) -> None:
        """A message of a length of 0 has a header."""
        text = b"S: 1\nContent-Length: 0\n\n"
        assert [(e.octets, e.led) for e in entries((FROM + text + b"\n") * 2, by_length=True)] == [(text, True)] * 2

    @pytest.mark.parametrize("length", [0, 1, 2, 9999, 10**14, 10**15, 10**40, "", "x", "-1", "1 2", "+6"])
    def test_not_led(self, length: object) -> None:
        """One that leads elsewhere is not: From lines decide, and nothing is hidden."""
        body = b"x\ny\n"
        assert [(e.octets, e.led) for e in entries(self.box(length, body), by_length=True)] == [
            (b"S: 1\ncontent-LENGTH: %b\nT: 1\n\nx\ny\n" % str(length).encode(), False),
            (b"S: 2\n", False),
        ]

    def test_not_asked_for(self) -> None:
        """Nothing but the caller makes a length count."""
        assert texts(self.box(len(self.BODY)))[1:] == [b"S: no message\n\ny\n", b"S: 2\n"]

    def test_field_in_the_body(self) -> None:
        """A length in the body of a message is text, also of one that has no header."""
        for before in (b"S: 1\n\n", b"\n"):
            text = before + b"Content-Length: %d\n\n" % len(FROM + b"S: 2\n") + FROM
            assert [entry.led for entry in entries(FROM + text + b"S: 2\n", by_length=True)] == [False, False]

    def test_above_the_limit(self) -> None:
        """A message above the limit ends where its From line is, and has no octets."""
        box = self.box(5000, b"x" * 4999 + b"\n")
        first, second = entries(box, 1000, by_length=True)
        assert (first.octets, second.octets) == (None, b"S: 2\n")


class TestLimit:
    """Messages that are too large to keep."""

    @pytest.mark.parametrize("block", [1, 7, 100, 1 << 20])
    @pytest.mark.parametrize("size", [999, 1000, 1001, 1500, 5000])
    def test_in_the_middle(self, size: int, block: int) -> None:
        """One above the limit has its place and no octets, and hides no other."""
        text = b"S: 1\n\n" + b"x" * (size - 7) + b"\n"
        data = FROM + b"S: 0\n\n" + FROM + text + b"\n" + FROM + b"S: 2\n\n"
        with patch.multiple(mbox, _BLOCK=block, _LINE=100):
            first, second, third = entries(data, 1000)
        assert (first.octets, third.octets) == (b"S: 0\n", b"S: 2\n")
        assert (second.offset, second.size) == (data.index(text), size)
        assert second.octets == (text if size <= 1000 else None)

    def test_smaller_than_a_line(self) -> None:
        """A limit may be smaller than a line."""
        found = entries((FROM + b"S: 1\n\n" + b"From x\n" * 9 + b"\n") * 3, 10)
        assert [(entry.size, entry.octets, entry.bare) for entry in found] == [(69, None, 9)] * 3

    def test_places_only(self) -> None:
        """Without `keep` messages have their places, and no octets."""
        data = (FROM + b"S: 1\nContent-Length: 2\n\nx\n\n") * 2
        for by_length in (False, True):
            kept = entries(data, by_length=by_length)
            assert entries(data, by_length=by_length, keep=False) == [entry._replace(octets=None) for entry in kept]


# Lines of messages, with bars for their ends.
LINES = st.sampled_from(
    [
        b"|",
        b"text|",
        b"From |",
        b"From ann@example.com|",
        b"From here at 10:30 on 1 May 2026|",
        b">From ann|",
        b">>From ann@example.com Thu Jan  1 00:00:00 2026|",
        b"> From ann|",
        b" From ann|",
        b"FROM ann|",
        b"S: field|",
        b"\0\x80\xff\r|",
        b"x" * 300 + b"|",
    ]
)


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    """A message as it is before it comes into a mailbox file: with a header, a body or none, and any end."""
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    header = b"S: %d|" % draw(st.integers(0, 9)) * draw(st.integers(1, 2))
    body = draw(st.one_of(st.none(), st.lists(LINES, max_size=6).map(b"".join)))
    text = header if body is None else header + b"|" + body
    text = text.replace(b"|", end)
    return text.rstrip(b"\r\n") if draw(st.integers(0, 4)) == 0 else text


def ended(message: bytes) -> bytes:
    """A message with a line end, which writers add where it has none."""
    return message if message.endswith(b"\n") else message + b"\n"


def mboxo(message: bytes) -> bytes:
    """As the oldest writers quote."""
    return re.sub(rb"(?m:^From )", b">From ", ended(message))


def mboxrd(message: bytes) -> bytes:
    """As writers quote whose quoting can be undone."""
    return re.sub(rb"(?m:^(>*From ))", rb">\1", ended(message))


def box(mails: Iterable[bytes]) -> bytes:
    """A mailbox file of messages that are quoted already."""
    return b"".join(FROM + mail + b"\n" for mail in mails)


class TestRoundTrip:
    """What writers write is what is read."""

    @given(st.lists(mails(), min_size=1, max_size=5), st.sampled_from([1, 6, 64, 1 << 20]))
    @example([b"S: 1\n\nFrom a\n>From b\n\n\n"], 1)
    def test_quoted(self, mails: list[bytes], block: int) -> None:
        """Every message is found as it was written, whatever the size of a block; undoing gives it back where that can be."""
        with patch.multiple(mbox, _BLOCK=block, _LINE=200):
            for write, every in ((mboxo, False), (mboxrd, True)):
                quoted = [write(mail) for mail in mails]
                found = entries(box(quoted))
                assert [(entry.octets, entry.bare) for entry in found] == [(text, 0) for text in quoted]
                for mail, text in zip(mails, quoted, strict=True):
                    if every or b">From " not in mail:
                        assert without_quotes(text, every=every) == ended(mail)

    @given(st.lists(mails(), min_size=1, max_size=4), st.sampled_from([1, 6, 64, 1 << 20]))
    def test_lengths(self, mails: list[bytes], block: int) -> None:
        """Messages that say how long they are come back to the octet, also where nothing was quoted."""
        written = []
        for mail in mails:
            header, blank, body = re.fullmatch(rb"(?s)((?:S: \d\r?\n?)+)(\r?\n)?(.*)", mail).groups(b"")  # type: ignore[union-attr]
            written.append(ended(header) + b"Content-Length: %d\n" % len(body) + (blank or b"\n") + body)
        with patch.multiple(mbox, _BLOCK=block, _LINE=200):
            found = entries(box(written), by_length=True)
        assert [(entry.octets, entry.led) for entry in found] == [(text, True) for text in written]

    @given(
        st.binary(max_size=300)
        | st.lists(LINES | st.just(FROM), max_size=12).map(lambda lines: b"".join(lines).replace(b"|", b"\n"))
    )
    @example(b"\r")
    @example(b"\n\r")
    def test_nothing_is_lost(self, data: bytes) -> None:
        """Messages, From lines and blank lines before them are all of a file, in order, whatever it holds."""
        data = FROM + data
        for by_length in (False, True):
            found = entries(data, by_length=by_length)
            place = 0
            for entry in found:
                between = data[place : entry.offset]
                assert re.fullmatch(rb"(\r?\n){0,2}From [^\n]*\n?", between), between
                assert entry.octets == data[entry.offset : entry.offset + entry.size]
                assert entry.quotes or not quoted_lines(entry.octets)
                place = entry.offset + entry.size
            assert data[place:] in {b"", b"\n", b"\r\n", b"\n\n"}
            with patch.multiple(mbox, _BLOCK=3):
                assert entries(data, by_length=by_length) == found


class TestQuotes:
    """Lines that were changed."""

    def test_count(self) -> None:
        """Quoted lines are those that begin with signs and `From `."""
        assert quoted_lines(b">From a\n>>From b\n > From c\nx >From d\n>from e\n>From: f\nFrom g\n") == 2
        assert quoted_lines(b"") == 0

    def test_undone(self) -> None:
        """One sign goes, of lines with more only where the writer added one to those."""
        text = b">From a\r\n>>From b\nx>From c\n>From: d\n"
        assert without_quotes(text, every=False) == b"From a\r\n>>From b\nx>From c\n>From: d\n"
        assert without_quotes(text, every=True) == b"From a\r\n>From b\nx>From c\n>From: d\n"


HOSTILE: list[Callable[[int], Iterator[bytes]]] = [
    lambda n: (b"\nFrom " for _ in range(n)),
    lambda n: (b"\n\nFrom " for _ in range(n)),
    lambda n: (b">From " for _ in range(n)),
    lambda n: (b"\n>From " for _ in range(n)),
    lambda n: (b"x" for _ in range(50 * n)),
    lambda n: (b"\n" for _ in range(5 * n)),
    lambda n: (b"\nFrom " + b"0:00" * 100 for _ in range(n // 50)),
    lambda n: (b"\nFrom " + b"0:002026" * 50 + b"x" for _ in range(n // 50)),
    lambda n: (b"\n" + FROM + b"Content-Length: 99999999\n\nx\n" for _ in range(n // 10)),
    lambda n: (b"\nContent-Length: 1\n\n" for _ in range(n)),
    lambda n: (b">" for _ in range(20 * n)),
]


@pytest.mark.parametrize("pieces", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile(pieces: Callable[[int], Iterator[bytes]]) -> None:
    """A file made to take long is read in one go: what grows with the square of its size would not end."""
    data = FROM + b"S: 1\n\n" + b"".join(pieces(60_000))
    for by_length in (False, True):
        for limit in (10_000, 1 << 28):
            size = sum(entry.size for entry in entries(data, limit, by_length=by_length))
            assert size <= len(data)
    quoted_lines(data)
    without_quotes(data, every=True)


def test_long_from_line() -> None:
    """Behind a message that says how long it is a From line may be longer than what was read."""
    data = FROM + b"Content-Length: 3\n\nab\n\nFrom " + b"x" * 5000 + b"\nS: 2\n\nc\n"
    with patch.object(mbox, "_BLOCK", 64), patch.object(mbox, "_LINE", 100), patch.object(mbox, "_HEADER", 64):
        assert texts(data, by_length=True) == [b"Content-Length: 3\n\nab\n", b"S: 2\n\nc\n"]
