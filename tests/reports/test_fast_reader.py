"""The fast way to read a report: it gives the answer of the general way, or none, and usual reports are read by it."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import ParseError, parse_report
from exjournal.limits import REPORT_TEXT_LIMIT
from exjournal.reports.fast_reader import read_usual
from strategies import nearly_usual_texts

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.eml"))

CONTENT_TYPE = b' multipart/mixed;\r\n\tboundary="_b_"'
TEXT = b"Sender: a@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\nTo: b@example.com\r\n"
ORIGINAL = b"Subject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nText.\r\n"


def a_body(text: bytes = TEXT, original: bytes = ORIGINAL) -> list[bytes]:
    """The pieces of a body as Exchange writes it."""
    return [
        b"",
        b"--_b_\r\n",
        b'Content-Type: text/plain; charset="us-ascii"\r\nContent-Transfer-Encoding: 7bit\r\n',
        b"\r\n",
        text,
        b"\r\n",
        b"--_b_\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"\r\n",
        original,
        b"\r\n",
        b"--_b_--\r\n",
    ]


def a_report(*pieces: bytes) -> bytes:
    """A report with this body."""
    head = b"Content-Type:%b\r\nMessage-ID: <2@journal.report.generator>\r\nX-MS-Journal-Report:\r\n\r\n" % CONTENT_TYPE
    return head + b"".join(pieces)


def is_usual(data: bytes) -> bool:
    """Whether a report of `a_report` is read in the fast way."""
    body = data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else data.find(b"\n\n") + 2
    return read_usual(data, body, len(data), CONTENT_TYPE, None) is not None


def answer(data: bytes) -> Any:
    """Everything that reading returns."""
    try:
        parsed = parse_report(data)
    except ParseError as error:
        return error.code, error.detail, error.offset
    return parsed.to_dict(content=True), parsed.report, parsed.original_bytes()


def general_answer(data: bytes) -> Any:
    """The same without the fast way."""
    with mock.patch("exjournal.reports.reader.read_usual", return_value=None):
        return answer(data)


_EDGES = [
    b"--_b_\r\n",
    b"--_b_\n",
    b"--_b_--\r\n",
    b"--_b_--\n",
    b"--_b_--",
    b"--_b__\r\n",
    b"--_b_ \r\n",
    b"--_b_:\r\n",
]
_HEADERS = [
    b"Content-Type: text/plain\r\n",
    b"Content-Type: text/plain;\r\n\tcharset=us-ascii\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n",
    b"Content-Type: text/html\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: application/ms-tnef\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: binary\r\n",
    b"-X: y\r\n",
    b"X: " + b"y" * 600 + b"\r\n",
]
_OTHERS = [b"", b"\r\n", b"\n", b"\r", b"x", b"\0", b"\xe9", b"Subject: x\r\n", TEXT, ORIGINAL, TEXT + b"\r\n"]
_PIECES = st.sampled_from(_EDGES + _HEADERS + _OTHERS)


@st.composite
def nearly_usual_reports(draw: st.DrawFn) -> bytes:
    """A report as Exchange writes it, sometimes with an extra or a missing piece, or with other line ends."""
    text = draw(st.just(TEXT) | nearly_usual_texts().map(lambda text: text.replace("\n", "\r\n").encode()))
    pieces = a_body(text)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(pieces) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                pieces.insert(place, draw(_PIECES))
            case 1:
                pieces[place] = draw(_PIECES)
            case 2:
                pieces[place] = b""
            case 3:
                pieces[place] = pieces[place][:-1]
            case _:
                pieces[place] = pieces[place].replace(b"\r\n", b"\n")
    data = a_report(*pieces)
    return data if draw(st.booleans()) else data.replace(b"\r\n", b"\n")


class TestSameAnswer:
    """The fast way and the general way give one answer."""

    @pytest.mark.slow
    @given(nearly_usual_reports())
    def test_of_reports(self, data: bytes) -> None:
        """Reports that are usual except for a piece or two."""
        assert answer(data) == general_answer(data)

    @pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
    def test_of_the_corpus(self, path: Path) -> None:
        """Reports of every kind."""
        data = path.read_bytes()
        assert answer(data) == general_answer(data)

    @given(st.sampled_from(CORPUS), st.integers(0), st.integers(0, 3), _PIECES)
    def test_of_the_corpus_spoilt(self, path: Path, place: int, cut: int, piece: bytes) -> None:
        """Reports of every kind with a piece in them that does not belong there."""
        data = path.read_bytes()
        place %= len(data) + 1
        data = data[:place] + piece + data[place + cut :]
        assert answer(data) == general_answer(data)

    @pytest.mark.parametrize("end", [b".", b"!", b" ===", b">", b"*", b")", b"]", b"", b".\r\n" + b"\r\n" * 20, b"?"])
    @pytest.mark.parametrize("is_multipart", [False, True])
    def test_of_a_message_that_was_cut(self, end: bytes, is_multipart: bool) -> None:
        """A notice in the last line is found by both, with any sign or line ends after its words."""
        original = b"Subject: Hello\r\nMessage-ID: <1@example.com>\r\n"
        if is_multipart:
            original += b'Content-Type: multipart/mixed; boundary="q"\r\n\r\n--q\r\n\r\nMessage truncated' + end
            original += b"\r\n--q--\r\n"
        else:
            original += b"\r\nMessage truncated" + end + b"\r\n"
        data = a_report(*a_body(original=original))
        assert is_usual(data)
        assert answer(data) == general_answer(data)


class TestTaken:
    """Which bodies are read in the fast way, and which are not."""

    @pytest.mark.parametrize("before", [b"", b"\r\n"])
    @pytest.mark.parametrize("header", [b"", b"Content-Type: text/plain\r\n", _HEADERS[1], b"X-Other: y\r\n"])
    def test_usual(self, before: bytes, header: bytes) -> None:
        """A body as Exchange writes it, with part headers of any kind that leave the text as it is."""
        pieces = a_body()
        pieces[0] = before
        pieces[2] = header
        data = a_report(*pieces)
        assert is_usual(data)
        assert is_usual(data.replace(b"\r\n", b"\n"))

    @pytest.mark.parametrize(
        ("place", "piece"),
        [
            (0, b"This is a message in MIME format.\r\n"),
            (1, b"--_c_\r\n"),
            (2, _HEADERS[2]),
            (2, _HEADERS[3]),
            (2, _HEADERS[6]),
            (2, _HEADERS[9]),
            (4, TEXT.replace(b"To: ", b"X-Other: ")),
            (4, TEXT.replace(b"Hello", b"H\xe9llo")),
            (4, TEXT.replace(b"To: ", b"To: \0")),
            (4, TEXT.replace(b"a@", b"a\0@")),
            (4, TEXT.replace(b"Hello", b"\0")),
            (4, TEXT.replace(b"<1@", b"<\0@")),
            (4, TEXT[:-2] + b"\n"),
            (5, b"\n"),
            (6, b""),
            (7, _HEADERS[0]),
            (7, b"Content-Type: message/rfc822\r\n" + _HEADERS[6]),
            (7, b"Content-Type: message/rfc822\r\n" + _HEADERS[9]),
            (9, b""),
            (9, b"X: y\r\n\r\n--_b_\r\n"),
            (10, b"\n"),
            (10, b"x\n"),
            (11, b"--_b_--\r\n\r\n"),
            (11, b"--_b_--\n"),
            (11, b"--_b_\r\n"),
        ],
    )
    def test_unusual(self, place: int, piece: bytes) -> None:
        """Anything else."""
        pieces = a_body()
        pieces[place] = piece
        assert not is_usual(a_report(*pieces))

    def test_very_many_recipients(self) -> None:
        """Up to the limit of a report text."""
        line = b"To: b@example.com\r\n"
        assert is_usual(a_report(*a_body(TEXT + line * 10_000)))
        assert not is_usual(a_report(*a_body(TEXT + line * (REPORT_TEXT_LIMIT // len(line)))))

    def test_other_content_types(self) -> None:
        """A boundary that is not declared in the usual way is left to the general way."""
        data = a_report(*a_body())
        body = data.find(b"\r\n\r\n") + 4
        for content_type in (b"", b" text/plain", b" multipart/mixed; boundary=_b_"):
            assert read_usual(data, body, len(data), content_type, None) is None
