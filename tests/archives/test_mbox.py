"""Mailbox files: where messages begin and end, for files of all programs and hostile content."""

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exjournal.archives.mbox import (
    Entry,
    begins_mailbox,
    count_quoted_lines,
    count_unquoted_lines,
    first_from_line,
    header_is_quoted,
    is_mailbox_of_several,
    read_messages,
    unquote,
    unquote_any,
    unread_form,
)

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
# From lines without a date: they count after a blank line and before a field.
BARE_FROM_LINES = [
    b"From MAILER-DAEMON\n",
    b"From ann@example.com\r\n",
    b"From ann@example.com Thu Jan  1 00:00:00 2026 remote from example\n",
]
# From lines of Mozilla programs: they count before a field, with or without a blank line before them.
MOZILLA_FROM_LINES = [
    b"From \n",
    b"From \r\n",
    b"From -\n",
    b"From - \r\n",
    b"From - yesterday\n",
    b"From - Thu Jan 01 00:00:00 2026\n",
]
# Lines of a body that are not separators.
SENTENCES = [
    b"From 9:00 to 17:00 on 1 October 2026\n",
    b"From Monday on: we meet at nine\n",
    b"From ann@example.com Thu Jan  1 00:00:00 2026\n",
    b"From \n",
    b"From - the list of 10:30 in 2026\n",
]


def entries(data: bytes, limit: int = LIMIT, **options: int) -> list[Entry]:
    """Every message of a file."""
    return list(read_messages(BytesIO(data).read, limit, **options))  # type: ignore[arg-type]


def texts(data: bytes, **options: int) -> list[bytes | None]:
    """The content of every message of a file."""
    return [entry.content for entry in entries(data, **options)]


class TestFromLine:
    """The lines that begin a mailbox file, and those that begin a message in it."""

    @pytest.mark.parametrize("line", FROM_LINES)
    def test_dated(self, line: bytes) -> None:
        """A line with a date begins a file, and a message where a field follows, with a blank line before it or without."""
        assert first_from_line(line) == 0
        found = entries(line + b"S: 1\n\nx\n\n" + line + b"S: 2\n\ny\n" + line + b"S: 3\n\n" + line + b"no field\n\n")
        assert [(entry.content, entry.is_apart, entry.bare_lines) for entry in found] == [
            (b"S: 1\n\nx\n", True, 0),
            (b"S: 2\n\ny\n", False, 0),
            (b"S: 3\n\n" + line + b"no field\n", True, 1),
        ]

    @pytest.mark.parametrize("line", MOZILLA_FROM_LINES)
    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    def test_mozilla(self, line: bytes, end: bytes) -> None:
        """A bare line, or one with a dash, begins a message before a field; a missing blank line before it is reported."""
        one, two, three = [b"S: %d" % number + end + end + b"x" + end for number in (1, 2, 3)]
        found = entries(line + one + line + two + end + line + three)
        assert [(entry.content, entry.is_apart) for entry in found] == [(one, False), (two, True), (three, True)]

    @pytest.mark.parametrize("line", SENTENCES)
    @pytest.mark.parametrize("before", [b"", b"\n", b"\r\n"])
    @pytest.mark.parametrize(
        "after", [b"", b"text\n", b"\n", b"two words: text\n", b" S: 1\n", b": x\n", b"x" * 81 + b": y\n"]
    )
    def test_sentences(self, line: bytes, before: bytes, after: bytes) -> None:
        """A line of a body is not a separator where anything but a header field follows."""
        text = b"S: 1\n\nx\n" + before + line + after + b"end\n"
        (entry,) = entries(FROM + text)
        assert (entry.content, entry.bare_lines) == (text, 1)

    @pytest.mark.parametrize("line", [*FROM_LINES, *MOZILLA_FROM_LINES])
    def test_quoted_line_after_a_from_line(self, line: bytes) -> None:
        """A quoted From line between a separator and the header does not hide the separator."""
        text = b">From - Thu Jan 01 00:00:00 2026\nS: 2\n"
        assert texts(FROM + b"S: 1\n\nx\n\n" + line + text) == [b"S: 1\n\nx\n", text]

    def test_field_that_is_quoted(self) -> None:
        """A quoted `>From:` field may follow a separator."""
        assert texts((FROM + b">From: ann@example.com\n\n") * 2) == [b">From: ann@example.com\n"] * 2

    @pytest.mark.parametrize("line", BARE_FROM_LINES)
    def test_without_a_date(self, line: bytes) -> None:
        """A line without a date begins a file and a message if a field follows, but a message only after a blank line."""
        assert first_from_line(line + b"S: 1\n") == 0
        assert first_from_line(line + b"no field") is None
        assert texts(line + b"S: 1\n\nx\n\n" + line + b"S: 2\n") == [b"S: 1\n\nx\n", b"S: 2\n"]
        assert texts(line + b"S: 1\r\n\r\nx\r\n\r\n" + line + b"S: 2\n") == [b"S: 1\r\n\r\nx\r\n", b"S: 2\n"]
        whole = b"S: 1\n\nx\n" + line + b"S: 2\n\n" + line + b"no field\n"
        (entry,) = entries(line + whole)
        assert (entry.offset, entry.size, entry.content, entry.bare_lines) == (len(line), len(whole), whole, 2)

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
        """A file with other first lines is not a mailbox file."""
        assert first_from_line(data) is None

    def test_quoted_lines_before_the_header(self) -> None:
        """A quoted From line at the head of a message belongs to it."""
        assert texts(FROM + b">From bob Thu Jan  1 00:00:00 2026\nS: 1\n\nx\n") == [
            b">From bob Thu Jan  1 00:00:00 2026\nS: 1\n\nx\n"
        ]

    def test_no_line_end(self) -> None:
        """A file that is cut short in a From line has an empty message there."""
        assert texts(b"From ann") == [b""]
        assert [(entry.offset, entry.size, entry.content) for entry in entries(FROM)] == [(len(FROM), 0, b"")]


class TestEnds:
    """The end of a message."""

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("text", [b"S: 1|", b"S: 1||", b"S: 1||x|", b"S: 1||x|||"])
    def test_blank_line(self, text: bytes, end: bytes) -> None:
        """The blank line after a message belongs to the file, in the middle and at the end; all others to the message."""
        text, line = text.replace(b"|", end), FROM.replace(b"\n", end)
        assert texts((line + text + end) * 3) == [text] * 3

    @pytest.mark.parametrize("text", [b"", b"\n", b"\r\n", b"\n\n", b"\n\n\n"])
    def test_only_message(self, text: bytes) -> None:
        """A file with one From line has one message, which may be empty."""
        assert texts(FROM + text + b"\n") == [text]

    @pytest.mark.parametrize("text", [b"S: 1", b"S: 1\n", b"S: 1\n\nx", b"S: 1\n\nx\n", b"S: 1\r\n\r\nx\r\n"])
    def test_none_at_the_end(self, text: bytes) -> None:
        """A file that ends without a blank line has the complete message."""
        assert texts(FROM + b"S: 0\n\n" + FROM + text) == [b"S: 0\n", text]

    def test_crlf_inside_lf(self) -> None:
        """A message with CRLF in a file with line feeds is not changed."""
        text = b"S: 1\r\n\r\nx\r\n"
        assert texts((FROM + text + b"\n") * 2) == [text] * 2

    def test_empty_messages(self) -> None:
        """A From line right after the first one begins a message if a field follows; others are text, and are counted."""
        assert texts(FROM + FROM + b"S: 1\n") == [b"", b"S: 1\n"]
        found = entries(FROM + FROM + b"\n" + FROM + b"\r\n" + FROM + b"S: 1\n")
        assert [(entry.content, entry.bare_lines) for entry in found] == [
            (FROM + b"\n" + FROM + b"\r\n", 2),
            (b"S: 1\n", 0),
        ]


class TestLength:
    """Messages with a Content-Length."""

    BODY = b"x\n\n" + FROM + b"S: no message\n\ny\n"

    def box(self, length: object, body: bytes = BODY, end: bytes = b"\n", more: bytes = FROM + b"S: 2\n\n") -> bytes:
        """A file with a message of a length, and one after it."""
        return FROM + b"S: 1\ncontent-LENGTH: %b\nT: 1\n\n" % str(length).encode() + body + end + more

    @pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\r\n", b"\r\n\r\n"])
    @pytest.mark.parametrize("more", [b"", FROM + b"S: 2\n"])
    def test_led(self, end: bytes, more: bytes) -> None:
        """A length that leads to a From line or to the end of the file is trusted, for any content of the message."""
        first, *rest = entries(self.box(len(self.BODY), end=end, more=more), by_length=True)
        assert first.is_led
        assert first.content is not None
        assert first.content.endswith(b"T: 1\n\n" + self.BODY)
        assert [entry.content for entry in rest] == ([b"S: 2\n"] if more else [])

    def test_header_ends(self) -> None:
        """The field may be anywhere in the header, and lines may end with CRLF."""
        for header in (
            b"Content-Length: 6\n\n",
            b"A: b\r\nContent-Length: \t6 \r\nC: d\r\n\r\n",
            b"A: b\nContent-Length:6\n\n",
        ):
            text = header + b"x\n" + b"y\n" + b"z\n"
            assert [(e.content, e.is_led) for e in entries((FROM + text + b"\n") * 2, by_length=True)] == [
                (text, True)
            ] * 2

    def test_no_body(self) -> None:
        """A message of a length of 0 has a header."""
        text = b"S: 1\nContent-Length: 0\n\n"
        assert [(e.content, e.is_led) for e in entries((FROM + text + b"\n") * 2, by_length=True)] == [(text, True)] * 2

    @pytest.mark.parametrize("length", [0, 1, 2, 9999, 10**14, 10**15, 10**40, "", "x", "-1", "1 2", "+6"])
    def test_not_led(self, length: object) -> None:
        """A length that leads elsewhere is not trusted: From lines decide, and nothing is hidden."""
        body = b"x\ny\n"
        assert [(e.content, e.is_led) for e in entries(self.box(length, body), by_length=True)] == [
            (b"S: 1\ncontent-LENGTH: %b\nT: 1\n\nx\ny\n" % str(length).encode(), False),
            (b"S: 2\n", False),
        ]

    def test_not_asked_for(self) -> None:
        """A length counts only on request."""
        assert texts(self.box(len(self.BODY)))[1:] == [b"S: no message\n\ny\n", b"S: 2\n"]

    def test_field_in_the_body(self) -> None:
        """A length in the body of a message is text, also of one that has no header."""
        for before in (b"S: 1\n\n", b"\n"):
            text = before + b"Content-Length: %d\n\n" % len(FROM + b"S: 2\n") + FROM
            assert [entry.is_led for entry in entries(FROM + text + b"S: 2\n", by_length=True)] == [False, False]

    def test_above_the_limit(self) -> None:
        """A message above the limit ends where its From line is, and has no content."""
        box = self.box(5000, b"x" * 4999 + b"\n")
        first, second = entries(box, 1000, by_length=True)
        assert (first.content, second.content) == (None, b"S: 2\n")


class TestLimit:
    """Messages that are too large to keep."""

    @pytest.mark.parametrize("block", [1, 7, 100, 1 << 20])
    @pytest.mark.parametrize("size", [999, 1000, 1001, 1500, 5000])
    def test_in_the_middle(self, size: int, block: int) -> None:
        """A message above the limit has its place and no content, and hides no other."""
        text = b"S: 1\n\n" + b"x" * (size - 7) + b"\n"
        data = FROM + b"S: 0\n\n" + FROM + text + b"\n" + FROM + b"S: 2\n\n"
        first, second, third = entries(data, 1000, block=block, line=100)
        assert (first.content, third.content) == (b"S: 0\n", b"S: 2\n")
        assert (second.offset, second.size) == (data.index(text), size)
        assert second.content == (text if size <= 1000 else None)

    def test_smaller_than_a_line(self) -> None:
        """A limit may be smaller than a line."""
        found = entries((FROM + b"S: 1\n\n" + b"From x\n" * 9 + b"\n") * 3, 10)
        assert [(entry.size, entry.content, entry.bare_lines) for entry in found] == [(69, None, 9)] * 3

    def test_places_only(self) -> None:
        """Without `keep` messages have their places, and no content."""
        data = (FROM + b"S: 1\nContent-Length: 2\n\nx\n\n") * 2
        for by_length in (False, True):
            kept = entries(data, by_length=by_length)
            assert entries(data, by_length=by_length, keep=False) == [entry._replace(content=None) for entry in kept]


# Lines of messages, with `|` for a line end.
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
    """A message before it is written to a mailbox file: with a header, a body or none, and any end."""
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    header = b"S: %d|" % draw(st.integers(0, 9)) * draw(st.integers(1, 2))
    body = draw(st.one_of(st.none(), st.lists(LINES, max_size=6).map(b"".join)))
    text = header if body is None else header + b"|" + body
    text = text.replace(b"|", end)
    return text.rstrip(b"\r\n") if draw(st.integers(0, 4)) == 0 else text


def ended(message: bytes) -> bytes:
    """A message with a line end, which writers add if it has none."""
    return message if message.endswith(b"\n") else message + b"\n"


def mboxo(message: bytes) -> bytes:
    """Quote like the oldest writers."""
    return re.sub(rb"(?m:^From )", b">From ", ended(message))


def mboxrd(message: bytes) -> bytes:
    """Quote like writers whose quoting can be undone."""
    return re.sub(rb"(?m:^(>*From ))", rb">\1", ended(message))


def from_any(message: bytes) -> bytes:
    """Quote like writers that change every line that begins with `From`."""
    return re.sub(rb"(?m:^(>*From))", rb">\1", ended(message))


def box(mails: Iterable[bytes]) -> bytes:
    """A mailbox file of quoted messages."""
    return b"".join(FROM + mail + b"\n" for mail in mails)


class TestRoundTrip:
    """Reading what writers have written."""

    @given(st.lists(mails(), min_size=1, max_size=5), st.sampled_from([1, 6, 64, 1 << 20]))
    @example([b"S: 1\n\nFrom a\n>From b\n\n\n"], 1)
    def test_quoted(self, mails: list[bytes], block: int) -> None:
        """Every message is found for any size of a block; unquoting restores it if the variant allows that."""
        for write, every in ((mboxo, False), (mboxrd, True)):
            quoted = [write(mail) for mail in mails]
            found = entries(box(quoted), block=block, line=200)
            assert [(entry.content, entry.bare_lines) for entry in found] == [(text, 0) for text in quoted]
            for mail, text in zip(mails, quoted, strict=True):
                if every or b">From " not in mail:
                    assert unquote(text, every=every) == ended(mail)

    @given(st.lists(mails(), min_size=1, max_size=4), st.sampled_from([1, 6, 64, 1 << 20]))
    def test_lengths(self, mails: list[bytes], block: int) -> None:
        """Messages with a length come back byte for byte, also if nothing was quoted."""
        written = []
        for mail in mails:
            header, blank, body = re.fullmatch(rb"(?s)((?:S: \d\r?\n?)+)(\r?\n)?(.*)", mail).groups(b"")  # type: ignore[union-attr]
            written.append(ended(header) + b"Content-Length: %d\n" % len(body) + (blank or b"\n") + body)
        found = entries(box(written), by_length=True, block=block, line=200)
        assert [(entry.content, entry.is_led) for entry in found] == [(text, True) for text in written]

    @given(
        st.binary(max_size=300)
        | st.lists(LINES | st.just(FROM), max_size=12).map(lambda lines: b"".join(lines).replace(b"|", b"\n"))
    )
    @example(b"\r")
    @example(b"\n\r")
    def test_nothing_is_lost(self, data: bytes) -> None:
        """Messages, From lines and blank lines before them make up any file, in order."""
        data = FROM + data
        for by_length in (False, True):
            found = entries(data, by_length=by_length)
            place = 0
            for entry in found:
                between = data[place : entry.offset]
                assert re.fullmatch(rb"(\r?\n){0,2}From [^\n]*\n?", between), between
                assert entry.content == data[entry.offset : entry.offset + entry.size]
                assert entry.may_be_quoted or not count_quoted_lines(entry.content)
                place = entry.offset + entry.size
            assert data[place:] in {b"", b"\n", b"\r\n", b"\n\n"}
            assert entries(data, by_length=by_length, block=3) == found


# Pieces of files, so that separators of every kind occur, complete and cut.
PIECES = st.lists(
    LINES
    | st.sampled_from(
        [
            FROM,
            *MOZILLA_FROM_LINES,
            *SENTENCES,
            b">From - x|",
            b"\1\1\1\1|",
            b"\1\1\1\1",
            b"\1\1\1|",
            b"S: 1||",
            b">From: a|",
        ]
    ),
    max_size=16,
).flatmap(lambda lines: st.sampled_from([b"\n", b"\r\n"]).map(lambda end: b"".join(lines).replace(b"|", end)))
MARK = b"\1\1\1\1\n"


def in_pieces(data: bytes, sizes: Iterable[int]) -> Callable[[int], bytes]:
    """A function that reads data in pieces of these sizes, and then the rest."""
    stream, steps = BytesIO(data), iter(sizes)
    return lambda size: stream.read(min(size, next(steps, size)))


class TestLaws:
    """Properties of every mailbox file."""

    @given(PIECES, st.sampled_from([FROM, b"From \nS: 1\n", MARK, b"\r\n\1\1\1\1\r\n"]))
    def test_every_byte_is_accounted_for(self, data: bytes, begin: bytes) -> None:
        """Messages, and between them separators and blank lines, make up the file, in order and without overlap."""
        data = begin + data
        separator = rb"(?:\r?\n|From [^\n]*(?:\n|\Z)|\x01{4}\r?(?:\n|\Z)|[ \t\r\n]+)*"
        for by_length in (False, True):
            place = 0
            for entry in entries(data, by_length=by_length):
                assert entry.offset >= place
                assert re.fullmatch(separator, data[place : entry.offset]), data[place : entry.offset]
                assert entry.content == data[entry.offset : entry.offset + entry.size]
                place = entry.offset + entry.size
            assert re.fullmatch(separator, data[place:]), data[place:]

    @given(
        PIECES,
        st.sampled_from([FROM, MARK]),
        st.lists(st.integers(1, 40), max_size=60),
        st.sampled_from([5, 60, 1 << 20]),
        st.booleans(),
    )
    def test_blocks(self, data: bytes, begin: bytes, sizes: list[int], limit: int, by_length: bool) -> None:
        """The same messages are found for any ends of the blocks in which a file is read."""
        data = begin + data
        expected = entries(data, limit, by_length=by_length)
        found = read_messages(in_pieces(data, sizes), limit, by_length=by_length, block=40)
        assert list(found) == expected

    @given(
        st.lists(mails().filter(lambda mail: MARK not in mail), min_size=1, max_size=5), st.sampled_from([b"", FROM])
    )
    def test_mmdf(self, mails: list[bytes], line: bytes) -> None:
        """Messages between marks come back to the byte, with a From line after the first mark or without."""
        written = [ended(mail) for mail in mails]
        data = b"".join(MARK + line + mail + MARK for mail in written)
        assert [(entry.content, entry.is_apart) for entry in entries(data)] == [(mail, True) for mail in written]


class TestMmdf:
    """Files with marks of four Ctrl-A."""

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    def test_line_ends(self, end: bytes) -> None:
        """Marks end in CRLF or LF, and a file may begin with blank lines or a byte order mark."""
        mark, text = b"\1\1\1\1" + end, b"S: 1" + end + end + b"From here" + end
        for before in (b"", end, b"\xef\xbb\xbf"):
            data = before + (mark + text + mark) * 2
            assert begins_mailbox(data)
            assert texts(data) == [text] * 2

    def test_look_alikes(self) -> None:
        """Marks that are not alone on their line are text."""
        text = b"S: 1\n\n\1\1\1\n\1\1\1\1\1\n\1\1\1\1 \nx\1\1\1\1\n"
        assert texts(MARK + text + MARK) == [text]
        assert not begins_mailbox(text)

    def test_missing_mark(self) -> None:
        """A message without a mark after it runs to the next mark or the end; at the end that is reported."""
        found = entries(MARK + b"S: 1\n" + MARK + b"S: 2\n\nx")
        assert [(entry.content, entry.is_apart) for entry in found] == [(b"S: 1\n", True), (b"S: 2\n\nx", False)]

    def test_text_between_marks(self) -> None:
        """Text outside the pairs of marks is an entry like any other: nothing is passed over but blank lines."""
        assert texts(MARK + b"S: 1\n" + MARK + b"stray\n" + MARK + b"\n" + MARK + b"S: 2\n" + MARK + b"\n") == [
            b"S: 1\n",
            b"stray\n",
            b"S: 2\n",
        ]

    def test_large(self) -> None:
        """A message above the limit has its place and no content; the next one is read."""
        large = b"S: 1\n\n" + b"x" * 5000 + b"\n"
        first, second = entries(MARK + large + MARK + MARK + b"S: 2\n" + MARK, 100, block=64, line=50)
        assert (first.offset, first.size, first.content) == (len(MARK), len(large), None)
        assert second.content == b"S: 2\n"


class TestUnreadForms:
    """Mailbox files in forms that are not read."""

    @pytest.mark.parametrize(
        ("begin", "form"),
        [
            (b"BABYL OPTIONS: -*- rmail -*-\nVersion: 5\n", "Babyl"),
            (b"2 M1e C5f3a9b21\n\1\2N                   000000000000017B\nS: 1\n", "dbox"),
            (b"2 M1e C5f3a9b21 \n", "dbox"),
            (MARK + b"S: 1\n", "MMDF"),
            (b"BABYL: no\n", None),
            (b"2 Monday C\n", None),
            (b"S: 1\n\n2 M1e C5f3a9b21\n", None),
            (b"", None),
        ],
    )
    def test_form(self, begin: bytes, form: str | None) -> None:
        """A form is detected by the first bytes of a file."""
        assert unread_form(begin) == form


def test_mailbox_of_several() -> None:
    """A file that begins with a From line holds several messages if another dated From line has a field after it."""
    one = FROM + b"S: 1\n\nFrom here\n\nFrom there\nS: 2\n" + SENTENCES[0] + b"\n"
    assert not is_mailbox_of_several(one)
    assert is_mailbox_of_several(one + FROM + b"S: 2\n")
    assert not is_mailbox_of_several(b"S: 1\n\n" + one + FROM + b"S: 2\n")


class TestQuotes:
    """Quoted lines."""

    def test_count(self) -> None:
        """Quoted lines begin with `>` and `From `."""
        assert count_quoted_lines(b">From a\n>>From b\n > From c\nx >From d\n>from e\n>From: f\nFrom g\n") == 2
        assert count_quoted_lines(b"") == 0

    def test_undone(self) -> None:
        """One `>` is removed; from lines with more only if the writer added one to those."""
        text = b">From a\r\n>>From b\nx>From c\n>From: d\n"
        assert unquote(text, every=False) == b"From a\r\n>>From b\nx>From c\n>From: d\n"
        assert unquote(text, every=True) == b"From a\r\n>From b\nx>From c\n>From: d\n"
        assert unquote_any(text) == b"From a\r\n>From b\nx>From c\nFrom: d\n"
        assert unquote_any(b"S: 1\n") == b"S: 1\n"

    def test_quoted_header(self) -> None:
        """A `>From:` field counts in the header block, and nowhere else."""
        assert header_is_quoted(b">From: a\nS: 1\n")
        assert header_is_quoted(b"Resent-From: b\nS: From: c\n>From: a\nS: 1\n")
        assert not header_is_quoted(b"Resent-From: b\nFrom: c\n>From: a\n")
        assert header_is_quoted(b"S: 1\r\n>From: a\r\n\r\n")
        assert not header_is_quoted(b"S: 1\r\n\r\n>From: a\r\n")
        assert not header_is_quoted(b"S: 1\n >From: a\nFrom: b\n>From c\n")

    def test_unquoted(self) -> None:
        """Lines that begin with From are counted, with a space after it or not."""
        assert count_unquoted_lines(b"From a\nFrom: b\nFromage\n>From c\nx From\n") == 3
        assert count_unquoted_lines(b"S: 1\n") == 0


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


@pytest.mark.slow
@pytest.mark.parametrize("pieces", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile(pieces: Callable[[int], Iterator[bytes]]) -> None:
    """A hostile file is read in linear time: quadratic time would not end."""
    data = FROM + b"S: 1\n\n" + b"".join(pieces(60_000))
    for by_length in (False, True):
        for limit in (10_000, 1 << 28):
            size = sum(entry.size for entry in entries(data, limit, by_length=by_length))
            assert size <= len(data)
    count_quoted_lines(data)
    unquote(data, every=True)


def test_long_from_line() -> None:
    """After a message with a length, a From line may be longer than the bytes that were read."""
    data = FROM + b"Content-Length: 3\n\nab\n\nFrom " + b"x" * 5000 + b"\nS: 2\n\nc\n"
    expected = [b"Content-Length: 3\n\nab\n", b"S: 2\n\nc\n"]
    assert texts(data, by_length=True, block=64, line=100, header=64) == expected
