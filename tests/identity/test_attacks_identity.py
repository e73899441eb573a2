"""Attacks on identity, duplicates and merging: what a sender, or a forger of reports, writes to have mail dropped or doubted.

An archive follows `docs/explanation/duplicates.md`: it drops every DUPLICATE and merges every SIBLING. So two messages that a
reader shows differently must not share a content digest, and of two reports with one key, neither may contain a fact that the
other lacks. The standard `email` package, under both of its policies, represents the mail readers.
"""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from exjournal import (
    Evidence,
    Identity,
    InvalidValue,
    MemoryStore,
    MergedReport,
    ParsedReport,
    Recipient,
    ReportFormat,
    Role,
    Sighting,
    identify,
    look_up,
    merge,
    parse_report,
    remember,
)
from exjournal.identity.statements import statement_of
from strategies import ORIGINAL, TEXT, a_report, built
from test_attacks import shown
from test_laws import peak, steps

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

HEAD = (
    b"From: mallory@example.com\r\nTo: bob@example.net\r\nDate: Thu, 1 Feb 2024 10:00:00 +0000\r\nSubject: Lunch\r\n"
    b"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)
PLAIN = HEAD + b"\r\nShall we meet at noon?\r\n"
HELLO = b"Content-Type: text/plain\r\n\r\nHello"


def parted(kind: bytes, edge: bytes, *parts: bytes, head: bytes = HEAD, preamble: bytes = b"") -> bytes:
    """A message of parts, each with its header, under a Content-Type and between delimiters as they are written."""
    body = b"".join([b"--%b\r\n%b\r\n" % (edge, part) for part in parts])
    return b"%bContent-Type: %b\r\n\r\n%b%b--%b--\r\n" % (head, kind, preamble, body, edge)


def mixed(edge: bytes, *parts: bytes, head: bytes = HEAD, preamble: bytes = b"") -> bytes:
    """A message of parts between delimiters of a boundary."""
    return parted(b'multipart/mixed; boundary="%b"' % edge, edge, *parts, head=head, preamble=preamble)


def reported(message: bytes = ORIGINAL, **options: Any) -> ParsedReport:
    """A report on a message; all of these say the same of it."""
    return parse_report(built(message, **options))


def content(message: bytes) -> str | None:
    """The content of a message, as an archive knows it."""
    return identify(reported(message)).content_sha256


def answer(one: ParsedReport, other: ParsedReport) -> Sighting:
    """The sighting of a second report in an archive that has the first one."""
    with MemoryStore() as store:
        remember(identify(one), store)
        return look_up(identify(other), store)


def by_hand(*parts: bytes, outer: bytes = b"", preamble: bytes = b"", epilogue: bytes = b"") -> ParsedReport:
    """A report of parts as they are written."""
    body = b"".join([b"--edge\r\n%b\r\n" % part for part in parts])
    return parse_report(
        b"%bContent-Type: multipart/mixed; boundary=edge\r\nMessage-ID: <r@example.com>\r\nX-MS-Journal-Report:\r\n\r\n"
        b"%b%b--edge--\r\n%b" % (outer, preamble, body, epilogue)
    )


def text_part(text: bytes = TEXT) -> bytes:
    """The report text as a part."""
    return b"Content-Type: text/plain\r\n\r\n" + text


def message_part(message: bytes = ORIGINAL) -> bytes:
    """An original as a part."""
    return b"Content-Type: message/rfc822\r\n\r\n" + message


LONG_HEADERS = {
    "bytes": b"X-Fill: " + b"x" * 5000 + b"\r\n",
    "lines": b"X: y\r\n" * 70,
    "more bytes than any header": (b"X: " + b"x" * 990 + b"\r\n") * 600,
}
# Each makes a message with a boundary; of two such messages a reader shows something else.
BOUNDARIES: dict[str, tuple[Callable[[bytes], bytes], bytes, bytes]] = {
    "one space or two": (
        lambda edge: (
            parted(
                b'multipart/mixed; boundary="%b"' % edge,
                b"a b",
                b"\r\nOne.",
            )
            + b"--a  b\r\n\r\nTwo.\r\n--a  b--\r\n"
        ),
        b"a b",
        b"a  b",
    ),
    "a space after a semicolon": (
        lambda edge: (
            parted(b'multipart/mixed; boundary="%b"' % edge, b"a;b", b"\r\nOne.")
            + b"--a; b\r\n\r\nTwo.\r\n--a; b--\r\n"
        ),
        b"a;b",
        b"a; b",
    ),
    "two semicolons": (
        lambda edge: (
            parted(b'multipart/mixed; boundary="%b"' % edge, b"a;b", b"\r\nOne.")
            + b"--a;;b\r\n\r\nTwo.\r\n--a;;b--\r\n"
        ),
        b"a;b",
        b"a;;b",
    ),
    "inside the quotes of another parameter": (
        lambda edge: parted(b'multipart/mixed; x="; boundary=%b; y"' % edge, edge, HELLO),
        b"edge",
        b"pay",
    ),
    "after quotes that are not closed": (
        lambda edge: parted(b'multipart/mixed; x="; boundary=%b' % edge, edge, HELLO),
        b"edge",
        b"pay",
    ),
    "between two quoted values": (
        lambda edge: parted(b'multipart/mixed; x="a; boundary="%b"; y=b"' % edge, edge, HELLO),
        b"edge",
        b"pay",
    ),
    "a type with two slashes": (
        lambda edge: parted(b'multipart/a/b; boundary="%b"' % edge, edge, HELLO),
        b"edge",
        b"Transfer the money.",
    ),
    "a type with an encoded word": (
        lambda edge: parted(b'multipart/=?utf-8?q?mixed/x?=; boundary="%b"' % edge, edge, HELLO),
        b"edge",
        b"pay",
    ),
    "beyond ASCII": (lambda edge: mixed(edge, HELLO), b"edge\xe9", b"pay\xe9"),
    "a control character": (lambda edge: mixed(edge, HELLO), b"edge\x1c", b"pay\x1c"),
    "in angle brackets": (lambda edge: mixed(edge, HELLO), b"<edge>", b"<pay>"),
    "in apostrophes": (lambda edge: parted(b"multipart/mixed; boundary=%b" % edge, edge, HELLO), b"'edge'", b"'pay'"),
    "a slash without quotes": (
        lambda edge: parted(b"multipart/mixed; boundary=%b" % edge, edge, HELLO),
        b"ed/ge",
        b"pa/y",
    ),
    "an encoded word": (
        lambda edge: mixed(edge, HELLO + b"\r\n--edge\r\n\r\nAnother text.\r\n--edge--"),
        b"=?utf-8?q?edge?=",
        b"other",
    ),
    "a delimiter between carriage returns": (
        lambda edge: mixed(edge, HELLO + b"\r--edge\rContent-Type: text/html\r\r<b>Another text.</b>"),
        b"edge",
        b"other",
    ),
    "an end between carriage returns": (
        lambda edge: mixed(edge, HELLO + b"\r--edge--\rNobody reads this."),
        b"edge",
        b"other",
    ),
    "a delimiter between carriage returns in a preamble": (
        lambda edge: mixed(edge, HELLO, preamble=b"To whom it may concern\r--edge\r\rAnother text.\r\n"),
        b"edge",
        b"other",
    ),
    "a delimiter between carriage returns in the header of a part": (
        lambda edge: mixed(edge, b"X: y\r--edge\r\rAnother text.\r\n" + HELLO),
        b"edge",
        b"other",
    ),
    "a delimiter in the header": (
        lambda edge: (
            HEAD
            + b'Content-Type: multipart/mixed; boundary="%b"\r\n--edge\r\n\r\nAnother text.\r\n--%b\r\n\r\nHi.\r\n--%b--\r\n'
            % (edge, edge, edge)
        ),
        b"edge",
        b"other",
    ),
    "a delimiter between carriage returns in the header": (
        lambda edge: mixed(edge, HELLO, head=HEAD + b"X: y\r--edge\r\rAnother text.\r\n"),
        b"edge",
        b"other",
    ),
}


class TestOneContent:
    """A sender has a harmless message archived, and no other one of his passes for it."""

    @pytest.mark.parametrize("name", BOUNDARIES)
    def test_boundaries(self, name: str) -> None:
        """A boundary that readers find in different places, or not at all, is content: it splits the text or is shown."""
        make, edge, another = BOUNDARIES[name]
        one, other = make(edge), make(another)
        assert shown(one) != shown(other)
        assert content(one) != content(other)
        assert answer(reported(one), reported(other)) is Sighting.CONFLICT

    @pytest.mark.parametrize("name", LONG_HEADERS)
    def test_headers_beyond_a_limit(self, name: str) -> None:
        """The header of a part that is beyond a limit is not the text of a part without a header."""
        part = b"Content-Type: text/html\r\n" + LONG_HEADERS[name] + b"\r\n<i>Hi.</i>"
        one, other = mixed(b"edge", part), mixed(b"edge", b"\r\n" + part)
        assert shown(one) != shown(other)
        assert content(one) != content(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param(b'filename="a;b.pdf"', b'filename="a;;b.pdf"', id="semicolons"),
            pytest.param(b'filename="a;b.pdf"', b'filename="a\x0b;b.pdf"', id="a vertical tab"),
            pytest.param(b'filename="a.pdf"', b'filename="a.exe"', id="another name"),
            pytest.param(b"filename*0=a; filename*1=.pdf", b"filename*0=a; filename*1=.exe", id="in pieces"),
        ],
    )
    def test_names_of_attachments(self, one: bytes, other: bytes) -> None:
        """An attachment with another name is another attachment."""
        messages = [mixed(b"edge", b"Content-Disposition: attachment; %b\r\n\r\nx" % name) for name in (one, other)]
        assert shown(messages[0]) != shown(messages[1]) or b"\x0b" in other
        assert content(messages[0]) != content(messages[1])

    @pytest.mark.parametrize("control", [b"\x0b", b"\x0c", b"\x1c", b"\0", b"\r"], ids=repr)
    def test_control_characters(self, control: bytes) -> None:
        """Only spaces and tabs separate: with another control character a transfer encoding is unknown, and the text raw."""
        one, other = (
            HEAD + b"Content-Transfer-Encoding: quoted-printable%b\r\n\r\n=53ell.\r\n" % more for more in (b"", control)
        )
        assert shown(one) != shown(other)
        assert content(one) != content(other)

    @pytest.mark.parametrize("field", ["From", "To", "Cc", "Date", "Subject"])
    @pytest.mark.parametrize("control", ["\x0b", "\x0c"], ids=repr)
    def test_control_characters_in_shown_fields(self, field: str, control: str) -> None:
        """A control character anywhere in a field that readers show makes it a different field."""
        messages = [
            f"{field}: a{more}\r\n".encode() + b"Message-ID: <1@example.com>\r\n\r\nHi.\r\n" for more in ("", control)
        ]
        assert content(messages[0]) != content(messages[1])

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param(b"Account: 1\r\n\r\nPay.\r\n", b"Account: 2\r\n\r\nPay.\r\n", id="a first line like a field"),
            pytest.param(
                b"Note: all is well.\r\nAccount: 1\r\n",
                b"Note: all is well.\r\nAccount: 2\r\n",
                id="nothing but lines like fields",
            ),
            pytest.param(
                b"From now on pay to account 1.\r\nRegards\r\n",
                b"From now on pay to account 2.\r\nRegards\r\n",
                id="a first line that begins with From",
            ),
            pytest.param(
                b"\r\nFrom now on pay to account 1.\r\n",
                b"\r\nFrom now on pay to account 2.\r\n",
                id="after a blank line",
            ),
            pytest.param(
                b"Dear Bob,\r\nAccount: 1\r\n\r\nPay.\r\n", b"Dear Bob,\r\nAccount: 2\r\n\r\nPay.\r\n", id="a greeting"
            ),
        ],
    )
    def test_originals_without_a_header(self, one: bytes, other: bytes) -> None:
        """An original without a header consists of text only, even if its first lines look like fields."""
        reports = [by_hand(text_part(), message_part(message)) for message in (one, other)]
        assert identify(reports[0]).content_sha256 != identify(reports[1]).content_sha256
        assert answer(*reports) is Sighting.CONFLICT

    def test_a_fold_without_a_field(self) -> None:
        """An indented line at the beginning of a part is content: some readers show it, or read a field there."""
        messages = [mixed(b"edge", b" Content-Type: text/%b\r\n\r\n<i>Hi.</i>" % kind) for kind in (b"html", b"plain")]
        assert content(messages[0]) != content(messages[1])

    @pytest.mark.parametrize(
        "line",
        [
            b"a line that is not a field\r\n",
            b"X: a\r\r\n",
            b" \r\n",
            b"X : a\r\n",
            b"\xe9: a\r\n",
            b": a\r\n",
            b"From x\r\n",
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("place", ["message", "part"])
    def test_lines_after_an_odd_line(self, line: bytes, place: str) -> None:
        """After a line that ends a header for some readers, every line is content, even one with the name of a trace field."""
        texts = [line + b"Account: %d\r\n\r\nPay.\r\n" % number for number in (1, 2)]
        one, other = (HEAD + text if place == "message" else mixed(b"edge", b"X: y\r\n" + text) for text in texts)
        assert content(one) != content(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param(HEAD + b"\r\na\r\r\nb", HEAD + b"\r\na\r\nb", id="one carriage return more"),
            pytest.param(HEAD + b"\r\na\n\rb", HEAD + b"\r\na\r\nb", id="a line end the other way round"),
            pytest.param(HEAD + b"\r\n\0a\r\nb", HEAD + b"\r\n\0a\rb", id="line ends beside NUL"),
            pytest.param(HEAD + b"\r\nbinary\0", HEAD + b"\r\n", id="text before binary data"),
            pytest.param(b"\xef\xbb\xbf" + PLAIN, PLAIN, id="a byte order mark"),
            pytest.param(PLAIN.decode().encode("utf-16"), PLAIN, id="UTF-16"),
            pytest.param(b"\r\n" + PLAIN, PLAIN, id="an empty line before the header"),
            pytest.param(b"Subject: other\r\n" + PLAIN, PLAIN, id="a field twice"),
            pytest.param(
                PLAIN.replace(b"Subject: Lunch", b"Subject: a\r\nSubject: b"),
                PLAIN.replace(b"Subject: Lunch", b"Subject: b\r\nSubject: a"),
                id="a field twice, the other way round",
            ),
            pytest.param(
                PLAIN.replace(b"Lunch", b"a b"), PLAIN.replace(b"Lunch", b"a  b"), id="spaces inside a subject"
            ),
            pytest.param(
                PLAIN.replace(b"Lunch", b"=?utf-8?q?a?= b"), PLAIN.replace(b"Lunch", b"a b"), id="encoded words"
            ),
            pytest.param(mixed(b"edge", HELLO), mixed(b"edge", HELLO, HELLO), id="a part more"),
            pytest.param(mixed(b"edge", HELLO)[:-10], mixed(b"edge", HELLO), id="a multipart without its end"),
            pytest.param(mixed(b"edge", HELLO) + b"Bye.", mixed(b"edge", HELLO), id="an epilogue"),
            pytest.param(mixed(b"edge", HELLO, preamble=b"Hi.\r\n"), mixed(b"edge", HELLO), id="a preamble"),
            pytest.param(
                mixed(b"edge", HELLO), mixed(b"edge", b"Content-Type: text/plain\r\n\r\n\0Hello"), id="NUL in a part"
            ),
            pytest.param(
                parted(b"multipart/mixed; boundary=edge", b"edge", HELLO),
                parted(b"multipart/alternative; boundary=edge", b"edge", HELLO),
                id="another kind of multipart",
            ),
            pytest.param(
                parted(b"multipart/mixed; boundary=edge", b"edge", b"\r\nSubject: a\r\n\r\nb"),
                parted(b"multipart/digest; boundary=edge", b"edge", b"\r\nSubject: a\r\n\r\nb"),
                id="a digest",
            ),
            pytest.param(
                mixed(
                    b"edge", b'Content-Type: multipart/mixed; boundary="in"\r\n\r\n--in\r\n\r\na\r\n--in--', b"\r\nb"
                ),
                mixed(
                    b"edge",
                    b'Content-Type: multipart/mixed; boundary="in"\r\n\r\n--in\r\n\r\na\r\n--in\r\n\r\nb\r\n--in--',
                ),
                id="a part at a deeper level",
            ),
            pytest.param(
                parted(b"multipart/mixed; boundary=edge; boundary=other", b"edge", HELLO),
                parted(b"multipart/mixed; boundary=other; boundary=edge", b"edge", HELLO),
                id="two boundaries",
            ),
            pytest.param(
                parted(b"multipart/mixed; boundary*0=ed; boundary*1=ge", b"edge", HELLO),
                parted(b"multipart/mixed; boundary*0=ed; boundary*1=gy", b"edge", HELLO),
                id="a boundary in pieces",
            ),
            pytest.param(
                parted(b"multipart/mixed (a); boundary=edge", b"edge", HELLO),
                parted(b"multipart/mixed (a); boundary=pay", b"pay", HELLO),
                id="a comment in the type",
            ),
            pytest.param(
                parted(b"multipart/mixed; boundary=edge\r\nContent-Type: text/plain", b"edge", HELLO),
                parted(b"multipart/mixed; boundary=pay\r\nContent-Type: text/plain", b"pay", HELLO),
                id="two types",
            ),
            pytest.param(
                mixed(b"edge", HELLO, head=HEAD + b"Content-Transfer-Encoding: base64\r\n"),
                mixed(b"pay", HELLO, head=HEAD + b"Content-Transfer-Encoding: base64\r\n"),
                id="a multipart in an encoding",
            ),
            pytest.param(
                mixed(b"edge", HELLO + b"\r\n--edges\r\nHi."),
                mixed(b"other", HELLO + b"\r\n--edges\r\nHi."),
                id="a look-alike",
            ),
            pytest.param(
                mixed(b"edge", HELLO, *[b"\r\n"] * 300), mixed(b"pay", HELLO, *[b"\r\n"] * 300), id="too many parts"
            ),
            pytest.param(
                b"a: b\r\n" * 30_000 + PLAIN,
                b"a: b\r\n" * 30_000 + PLAIN.replace(b"Lunch", b"Other"),
                id="too many lines",
            ),
            pytest.param(
                mixed(b"edge", b'Content-Type: text/plain; charset="utf-8"\r\n\r\na'),
                mixed(b"edge", b'Content-Type: text/plain; charset="utf-7"\r\n\r\na'),
                id="a charset",
            ),
        ],
    )
    def test_pairs_that_differ(self, one: bytes, other: bytes) -> None:
        """Two messages that some reader shows differently have two contents."""
        assert content(one) != content(other)

    def test_too_deep(self) -> None:
        """Multiparts below the nesting limit are covered as written, with their boundaries."""

        def nested(edge: bytes, depth: int) -> bytes:
            body = b"\r\nHello"
            for level in range(depth):
                name = b"%b%d" % (edge, level)
                kind = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % name
                body = b"%b--%b\r\n%b\r\n--%b--" % (kind, name, body, name)
            return HEAD + body

        assert content(nested(b"a-", 3)) == content(nested(b"b-", 3))
        assert content(nested(b"a-", 9)) != content(nested(b"b-", 9))


_EDGES = (
    *(b"edge", b"other", b"edge2", b"edge--", b"a b", b"a  b", b"a;b", b"a; b", b"a/b", b"=?utf-8?q?edge?=", b"'edge'"),
    *(
        b"<edge>",
        b"ed\xe9ge",
        b"ed\x1cge",
        b"ed\x0bge",
        b"ed(g)e",
        b"ed,ge",
        b"edge:",
        b"e" * 80,
        b"Pay.",
        b"--",
        b"=_1",
    ),
)
_KINDS = (
    *(b'multipart/mixed; boundary="%b"', b"multipart/mixed; boundary=%b", b'Multipart/Digest;\tBOUNDARY="%b"; x=y'),
    *(b'multipart/a/b; boundary="%b"', b'multipart/a b; boundary="%b"', b'multipart/mixed; x="; boundary=%b; y"'),
    *(
        b'multipart/mixed; x="; boundary=%b',
        b'multipart/=?utf-8?q?a/b?=; boundary="%b"',
        b'multipart/a,b; boundary="%b"',
    ),
    *(b'multipart/mixed; x=a"; boundary="%b"; y="', b'multipart/mixed; x==?utf-8?q?=3B?=; boundary="%b"'),
    *(
        b"multipart/mixed; boundary*=''%b",
        b'multipart/mixed; charset=utf-16; boundary="%b"',
        b'text/plain; boundary="%b"',
    ),
    *(b'multipart/mixed; boundary = "%b" ; x', b"multipart/mixed;; boundary=%b;", b'multipart/mixed; boundary="%b'),
    *(b'multipart/mixed; x=y\xe9; boundary="%b"', b"multipart/mixed; a='; boundary=%b; b='", b"multipart; boundary=%b"),
)
_FRAGMENTS = (
    *(b"\n", b"\r", b"\r\n", b"\0", b"\x0b", b"\x0c", b"\x1c", b" ", b"\t", b"\xe9", b";", b'"', b"(", b"\\", b"="),
    *(
        b"X: a\r\n",
        b"X : a\r\n",
        b": a\r\n",
        b"a line\r\n",
        b"From x\r\n",
        b" \r\n",
        b" a\r\n",
        b"X: a\r\r\n",
        b"\xef\xbb\xbf",
    ),
    *(b"Subject: other\r\n", b"Subject : other\r\n", b"Content-Type: text/html\r\n", b"; charset=utf-16", b"; name=a"),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n"),
    *(
        b"Content-Type: message/rfc822\r\n",
        b"Content-Disposition: attachment; filename=a\r\n",
        b"MIME-Version: 1.0\r\n",
    ),
    *(b"Content-Transfer-Encoding: 8bit\r\n", b"X: " + b"x" * 5000 + b"\r\n", b"X: y\r\n" * 70),
)
_MARKS = (
    b"--%b\r\n",
    b"--%b--\r\n",
    b"\r--%b\r",
    b"\r--%b--\r",
    b"\r\n--%b\r\n\r\n",
    b"\r\n--%b--\r\n",
    b"\r\n--%b ",
    b"--%b\n",
)


@st.composite
def bodies(draw: "DrawFn", deep: bool = True) -> tuple[bytes, bytes]:
    """The header of a content and its body, with {} in place of the boundary."""
    if deep and draw(st.booleans()):
        parts = draw(st.lists(bodies(deep=False), min_size=1, max_size=3))
        body = b"".join([b"--{}\r\n%b\r\n%b\r\n" % part for part in parts]) + b"--{}--\r\n"
        preamble, epilogue = draw(pieces()), draw(pieces())
        return b"Content-Type: %b\r\n" % draw(st.sampled_from(_KINDS)).replace(b"%b", b"{}"), preamble + body + epilogue
    header = draw(
        st.sampled_from(
            [
                b"",
                b"Content-Type: text/plain\r\n",
                b'Content-Type: application/pdf; name="a;b"\r\nContent-Transfer-Encoding: base64\r\n',
                b"Content-Transfer-Encoding: quoted-printable\r\n",
                b"Content-Type: message/rfc822\r\n",
                b'Content-Type: multipart/mixed; boundary="edge"\r\n',
                b"X: a\r\n",
            ]
        )
    )
    return header, draw(pieces())


def pieces() -> st.SearchStrategy[bytes]:
    """A text with what looks like delimiters and fields in it."""
    marks = st.builds(lambda mark, edge: mark.replace(b"%b", edge), st.sampled_from(_MARKS), st.sampled_from(_EDGES))
    words = st.sampled_from([b"Hello.\r\n", b"QUJD\r\n", b"=41\r\n", b"Account: 1\r\n", b"<b>\r\n"])
    return st.lists(marks | words | st.sampled_from(_FRAGMENTS), max_size=3).map(b"".join)


@st.composite
def pairs(draw: "DrawFn") -> tuple[bytes, bytes]:
    """A message, and the same one with another boundary or with something put in, taken out or put in another place."""
    header, body = draw(bodies())
    message = HEAD + header + b"\r\n" + body
    edge = draw(st.sampled_from(_EDGES))
    one = message.replace(b"{}", edge)
    if draw(st.booleans()):
        return one, message.replace(b"{}", draw(st.sampled_from(_EDGES)))
    other = one
    for _ in range(draw(st.integers(1, 2))):
        places = [found.end() for found in re.finditer(rb"[\r\n]+|[ :;\"]", other)]
        start, end = draw(st.sampled_from(places)), draw(st.sampled_from(places))
        fragment = draw(st.sampled_from(_FRAGMENTS) | st.just(b""))
        other = other[:start] + fragment + other[draw(st.sampled_from([start, max(start, end)])) :]
    return one, other


# Folds, and spaces around a transfer encoding, do not belong to a content, although one of the policies stumbles over them.
_FOLDED = re.compile(rb"^content-[^\r\n]*(?:\r?\n[ \t][^\r\n]*)+", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_ENCODING = re.compile(rb"^(content-transfer-encoding:)[ \t]*([^\r\n]*?)[ \t]*(?=\r?$)", re.IGNORECASE | re.MULTILINE)


def read(message: bytes) -> list[object]:
    """The parts of a message as readers show them."""
    unfolded = _FOLDED.sub(lambda field: _FOLD.sub(b" ", field[0]), message)
    return shown(_ENCODING.sub(rb"\1 \2", unfolded))


class TestReaders:
    """If two messages share a content digest, readers show the same of both."""

    @pytest.mark.slow
    @given(pairs())
    def test_one_content_one_view(self, pair: tuple[bytes, bytes]) -> None:
        """Two messages with one content are shown alike by each reader."""
        one, other = pair
        assume(one != other)
        if content(one) == content(other):
            assert read(one) == read(other)

    @given(
        st.sampled_from(_KINDS),
        st.sampled_from(_EDGES),
        st.sampled_from(_EDGES),
        bodies(deep=False),
        pieces(),
        pieces(),
    )
    @example(_KINDS[0], b"edge", b"other", (b"", b"Hello.\r\n"), b"", b"")
    def test_another_boundary(
        self, kind: bytes, edge: bytes, another: bytes, part: tuple[bytes, bytes], preamble: bytes, epilogue: bytes
    ) -> None:
        """A message whose boundary is renamed all through is shown as before, or has another content."""
        one, other = (
            parted(kind.replace(b"%b", name), name, b"%b\r\n%b" % part, preamble=preamble) + epilogue
            for name in (edge, another)
        )
        if content(one) == content(other):
            assert read(one) == read(other)


# Parts of a report of which each makes one that differs by what it holds.
TOLD: dict[str, Callable[[int], ParsedReport]] = {
    "a line that is not a field": lambda n: by_hand(text_part(TEXT + b"Note: %d\r\n" % n), message_part()),
    "one more recipient": lambda n: by_hand(text_part(TEXT + b"To: eve@example.net\r\n" * n), message_part()),
    "a role": lambda n: by_hand(text_part(TEXT + (b"Cc", b"Bcc")[n] + b": eve@example.net\r\n"), message_part()),
    "a redirection": lambda n: by_hand(
        text_part(TEXT + b"To: eve@example.net, Expanded: %d@example.net\r\n" % n), message_part()
    ),
    "the kind of a redirection": lambda n: by_hand(
        text_part(TEXT + b"To: eve@example.net, %b: a@example.net\r\n" % (b"Expanded", b"Forwarded")[n]), message_part()
    ),
    "an invalid recipient": lambda n: by_hand(text_part(TEXT + b"To: %d <\r\n" % n), message_part()),
    "the sender": lambda n: by_hand(text_part(TEXT.replace(b"alice", b"alice%d" % n)), message_part()),
    "the principal": lambda n: by_hand(text_part(b"On-Behalf-Of: %d@example.com\r\n" % n + TEXT), message_part()),
    "the subject in the report": lambda n: by_hand(text_part(TEXT.replace(b"Hello", b"%d" % n)), message_part()),
    "the Message-ID in the report": lambda n: by_hand(text_part(TEXT.replace(b"<1@", b"<%d@" % n)), message_part()),
    "the Message-ID of the original": lambda n: by_hand(
        text_part(), message_part(ORIGINAL.replace(b"<1@", b"<%d@" % n))
    ),
    "a managed folder": lambda n: by_hand(text_part(TEXT + b"Label: %d\r\n" % n), message_part()),
    "MAIL FROM": lambda n: by_hand(
        text_part(), message_part(), outer=b"X-ExJournal-Envelope-Sender: <%d@example.com>\r\n" % n
    ),
    "a decrypted copy": lambda n: by_hand(text_part(), message_part(), *[message_part(PLAIN)] * n),
    "what the decrypted copy holds": lambda n: by_hand(text_part(), message_part(), message_part(PLAIN + b"%d" % n)),
    "a part": lambda n: by_hand(text_part(), message_part(), *[b"\r\nBye."] * n),
    "what a part holds": lambda n: by_hand(text_part(), message_part(), b"\r\nBye %d." % n),
    "a third message": lambda n: by_hand(text_part(), *[message_part()] * 2, message_part(PLAIN + b"%d" % n)),
    "a twin in HTML": lambda n: by_hand(text_part(), b"Content-Type: text/html\r\n\r\n<p>%d" % n, message_part()),
    "the type of a part": lambda n: by_hand(
        text_part(), message_part(), b"Content-Type: %b\r\n\r\n<p>" % (b"text/plain", b"text/html")[n]
    ),
    "the name of a part": lambda n: by_hand(
        text_part(), message_part(), b"Content-Disposition: attachment; filename=%d\r\n\r\nx" % n
    ),
    "the encoding of a part": lambda n: by_hand(
        text_part(),
        message_part(),
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: %b\r\n\r\nQUJD" % (b"base64", b"7bit")[n],
    ),
    "the header of the original's part": lambda n: by_hand(
        text_part(), b"Content-Type: message/rfc822\r\nContent-Description: %d\r\n\r\n" % n + ORIGINAL
    ),
    "a preamble": lambda n: by_hand(text_part(), message_part(), preamble=b"Quarantined for reason %d.\r\n" % n),
    "an epilogue": lambda n: by_hand(text_part(), message_part(), epilogue=b"Quarantined for reason %d.\r\n" % n),
    "the preamble of a part": lambda n: by_hand(
        text_part(),
        message_part(),
        b"Content-Type: multipart/mixed; boundary=in\r\n\r\nReason %d\r\n--in\r\n\r\nx\r\n--in--" % n,
    ),
    "a Bcc field of the original": lambda n: by_hand(
        text_part(), message_part(b"Bcc: %d@example.com\r\n" % n + ORIGINAL)
    ),
}


class TestSilence:
    """A forger who knows a genuine message sends a report on it before; no part of the genuine report is lost for it."""

    @pytest.mark.parametrize("name", TOLD)
    def test_every_fact_of_a_report(self, name: str) -> None:
        """A report with a fact that the other one lacks is not a duplicate of it."""
        one, other = TOLD[name](0), TOLD[name](1)
        assert answer(one, TOLD[name](0)) is Sighting.DUPLICATE
        assert answer(one, other) is Sighting.SIBLING
        assert answer(other, one) is Sighting.SIBLING

    @pytest.mark.parametrize("format", ReportFormat)
    @pytest.mark.parametrize("forged", ReportFormat)
    def test_another_format(self, format: ReportFormat, forged: ReportFormat) -> None:
        """A report in one format silences none in another one."""
        one, other = (
            reported(format=one)
            if one in (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)
            else parse_report(ORIGINAL, format=one)
            for one in (forged, format)
        )
        assert answer(one, other) is (Sighting.DUPLICATE if format is forged else Sighting.SIBLING)

    def test_the_message_id_alone(self) -> None:
        """Sending another message under a Message-ID first makes a conflict, and no message is lost."""
        forged = ORIGINAL.replace(b"Hi.", b"Bye.")
        assert answer(reported(forged), reported(ORIGINAL)) is Sighting.CONFLICT

    def test_the_report_id_alone(self) -> None:
        """Sending another report under the id of a report first does not make that one a duplicate."""
        assert (
            answer(reported(PLAIN, report_id="<x@example.com>"), reported(report_id="<x@example.com>"))
            is not Sighting.DUPLICATE
        )

    def test_a_truncated_report_first(self) -> None:
        """A report that was cut after its original hides neither the complete one nor itself."""
        whole, cut = built(), built().rpartition(b"\r\n--")[0]
        assert not identify(parse_report(cut)).complete
        assert answer(parse_report(cut), parse_report(whole)) is Sighting.SIBLING
        assert answer(parse_report(cut), parse_report(cut)) is Sighting.SIBLING

    def test_a_truncated_report_in_a_wrapper(self) -> None:
        """A gateway that wraps a cut report in another message does not make it complete."""
        inside = b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n%b\r\n--in\r\n%b" % (
            text_part(),
            message_part(),
        )
        cut, whole = by_hand(inside), by_hand(inside + b"\r\n--in--")
        assert identify(whole).complete
        assert not identify(cut).complete
        assert answer(whole, cut) is not Sighting.DUPLICATE

    @pytest.mark.parametrize("message", [b"", b"\r\nHi.\r\n"], ids=["nothing", "a text"])
    def test_what_cannot_be_known(self, message: bytes) -> None:
        """Reports without a content and without a Message-ID are never duplicates, not even of themselves."""
        report = by_hand(text_part(TEXT.replace(b"<1@example.com>", b"")), message_part(message))
        assert identify(report).content_sha256 is None
        assert answer(report, report) is Sighting.SIBLING

    def test_forks_without_a_header(self) -> None:
        """Two reports on an original without a header differ in their own dates and ids, and are about one message."""
        one, other = (
            by_hand(
                text_part(),
                message_part(b"\r\nHi.\r\n"),
                outer=b"Subject: Hello\r\nDate: Thu, 1 Feb 2024 10:00:0%d +0000\r\n" % second,
            )
            for second in (1, 2)
        )
        assert answer(one, other) is not Sighting.CONFLICT


class TestMerging:
    """Forged statements are listed next to the genuine ones, and hide nothing."""

    def test_names_that_a_header_claims(self) -> None:
        """A display name that only a header claims does not become that of a recipient in a combined report."""
        original = ORIGINAL.replace(b"To: bob@example.net\r\n", b"")
        claim = parse_report(b'Bcc: "A thief" <bob@example.net>\r\n' + original, format=ReportFormat.BCC)
        [merged] = merge([reported(original), claim])
        [recipient] = merged.combined().recipients
        assert recipient.display_name == ""

    def test_a_name_before_that_of_a_server(self) -> None:
        """A claimed display name never replaces the one that a server wrote."""
        original = ORIGINAL.replace(b"To: bob@example.net\r\n", b"")
        report = a_report(recipients=[Recipient("bob@example.net", display_name="Bob")])
        claim = parse_report(b'Bcc: "A thief" <bob@example.net>\r\n' + original, format=ReportFormat.BCC)
        [merged] = merge([reported(original, report=report, format=ReportFormat.ENVELOPE_2003), claim])
        assert [one.display_name for one in merged.combined().recipients] == ["Bob"]

    def test_claims_stay_claims(self) -> None:
        """Recipients that only a forger's copy names are claims of a header, and in no combined report."""
        claim = parse_report(b"Bcc: eve@example.net\r\n" + ORIGINAL, format=ReportFormat.BCC)
        [merged] = merge([reported(), claim])
        assert {one.address: one.evidence for one in merged.recipients} == {
            "bob@example.net": Evidence.ENVELOPE,
            "eve@example.net": Evidence.HEADER,
        }
        assert [one.address for one in merged.combined().recipients] == ["bob@example.net"]

    def test_no_report_is_the_main_one(self) -> None:
        """A forged report adds its sender and subject to the genuine ones, and a combined report is refused."""
        forged = a_report(sender="aaa@example.com", subject="!", recipients=["eve@example.net"])
        [merged] = merge([reported(), reported(report=forged, report_id="<!@example.com>")])
        assert merged.senders == ("aaa@example.com", "alice@example.com")
        assert merged.subjects == ("!", "Hello")
        assert {one.address for one in merged.recipients} == {"bob@example.net", "eve@example.net"}
        with pytest.raises(InvalidValue, match="sender"):
            merged.combined()

    def test_recipients_stay_with_their_reports(self) -> None:
        """A recipient that only a forged report names is listed with that report alone."""
        genuine = reported()
        forged = reported(report=a_report(recipients=["eve@example.net"]), report_id="<!@example.com>")
        [merged] = merge([genuine, forged])
        seen = {one.address: [statement.identity.report_id for statement in one.seen_in] for one in merged.recipients}
        assert seen == {"bob@example.net": ["<r@example.com>"], "eve@example.net": ["<!@example.com>"]}

    def test_a_role_beside_another(self) -> None:
        """A role that a forger gives to a recipient hides no other known role of it."""
        reports = [
            reported(
                report=a_report(recipients=[Recipient("bob@example.net", role)]), report_id=f"<{role}@example.com>"
            )
            for role in Role
        ]
        [merged] = merge(reports)
        assert [one.role for one in merged.recipients] == [Role.TO, Role.CC, Role.BCC]
        assert {statement for one in merged.recipients for statement in one.seen_in} == merged.statements


def data_with(**changes: object) -> dict[str, Any]:
    """A report as data, with some keys of its identity changed."""
    data: dict[str, Any] = json.loads(json.dumps(statement_of(reported()).to_dict()))
    data["identity"].update(changes)
    return data


class TestData:
    """Data that contradicts itself."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"recipients_sha256": "0" * 64},
            {"message_id_sha256": "0" * 64},
            {"message_id_sha256": None},
            {"message_id": "<other@example.com>"},
            {"message_id": "a\r\nb"},
            {"message_key": "0" * 64},
            {"mih": "0" * 32},
            {"mih": "no digest"},
            {"nested": True},
            {"content_sha256": None},
        ],
        ids=lambda changes: " ".join(f"{name} {str(value)[:8]!r}" for name, value in changes.items()),
    )
    def test_an_identity_that_disagrees_with_itself(self, changes: dict[str, object]) -> None:
        """An identity whose keys do not belong together, or not to what the report says, is refused."""
        with pytest.raises(InvalidValue, match="identity"):
            merge([data_with(**changes)])

    def test_recomputed_keys(self) -> None:
        """Only the reports in the data of a merged report are read: lies in the other keys change nothing."""
        [merged] = merge([reported()])
        data = json.loads(json.dumps(merged.to_dict()))
        data |= {"content_sha256": "0" * 64, "complete": False, "recipients": [], "senders": ["eve@example.net"]}
        assert MergedReport.from_dict(data) == merged

    def test_a_lie_hides_nothing(self) -> None:
        """Data with the content of a genuine message is merged with it, and takes nothing away from it."""
        genuine = reported()
        forged = data_with()
        forged["sender"], forged["report_id"] = "eve@example.net", "<forged@example.com>"
        forged["identity"]["report_id"] = "<forged@example.com>"
        [merged] = merge([genuine])
        [both] = merge([genuine, forged])
        assert merged.statements < both.statements
        assert set(merged.senders) < set(both.senders)

    def test_a_merged_report_of_nothing(self) -> None:
        """A merged report without a statement, which `merge` never gives, is refused as any other value that cannot be."""
        with pytest.raises(InvalidValue):
            MergedReport(frozenset())


def work(action: Callable[[int], Callable[[], object]], size: int) -> float:
    """The ratio of the steps of an action for input of twice a size."""
    return steps(action(2 * size)) / steps(action(size))


def _of_size(recipients: int, **options: Any) -> bytes:
    return built(report=a_report(recipients=[f"{number}@example.net" for number in range(recipients)]), **options)


def _twice(size: int) -> Callable[[], object]:
    # One report that comes out of a mailbox file as well as by itself.
    data = _of_size(size)
    [merged] = merge([parse_report(data), parse_report(b"From MAILER-DAEMON Thu Feb  1 10:00:00 2024\r\n" + data)])
    assert len(merged.statements) == 2
    return lambda: merged.recipients


def _ways(size: int) -> Callable[[], object]:
    ways = [Recipient("bob@example.net", expanded_from=f"{number}@example.net") for number in range(size)]
    one = reported(report=a_report(recipients=ways))
    other = reported(report=a_report(recipients=["bob@example.net"] * size), format=ReportFormat.ENVELOPE_2003)
    [merged] = merge([one, other])
    return lambda: merged.recipients


def _as_data(size: int) -> Callable[[], object]:
    data = [data_with() for _ in range(size)]
    for number, one in enumerate(data):
        one["recipients"][0]["display_name"] = str(number)
    reports = [merge([one])[0] for one in data]
    return lambda: merge(reports)


class TestResources:
    """The cost of hostile input is proportional to its size."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("action", "size"), [(_twice, 100), (_ways, 100), (_as_data, 100)], ids=["twice", "ways", "data"]
    )
    def test_merging(self, action: Callable[[int], Callable[[], object]], size: int) -> None:
        """Merging twice the recipients or reports takes about twice the work, even if they resemble each other."""
        assert work(action, size) < 2.6

    @pytest.mark.parametrize(
        "body",
        [
            b"text text\r\n" * 200_000,
            b"\0" + b"text text\r\n" * 200_000,
            b"a" + b"\r" * 2_000_000 + b"a",
            b"\n" * 2_000_000,
            b"\n--edge" * 300_000,
        ],
        ids=["text", "NUL", "carriage returns", "line feeds", "look-alikes"],
    )
    def test_memory(self, body: bytes) -> None:
        """Identifying an original never copies all of it."""
        parsed = reported(mixed(b"edge", b"\r\n" + body))
        assert peak(lambda: identify(parsed)) < 1_500_000

    def test_a_header_beyond_the_limits(self) -> None:
        """An original whose header is beyond the limits is not copied either."""
        parsed = reported(b"a:\r\n" * 30_000 + ORIGINAL + b"text text\r\n" * 200_000)
        assert peak(lambda: identify(parsed)) < 1_500_000

    @pytest.mark.parametrize(
        "make",
        [
            lambda size: HEAD + b"Content-Type: multipart/mixed" + b'; boundary="' * size + b"\r\n\r\nHi.",
            lambda size: HEAD + b"Content-Type: multipart/mixed; boundary=" + b"a;" * size + b"\r\n\r\nHi.",
            lambda size: HEAD + b"X\r\n" + b"a:b\r\n" * size + b"\r\nHi.",
            lambda size: HEAD + b"a:b\r\n" * size + b"X\r\n\r\nHi.",
            lambda size: mixed(b"edge", *[b"X: y\r\n" * 60 + b"\r\nHi."] * (size // 20)),
            lambda size: mixed(b"edge", b"\r\n" + b"\n--edges" * size),
            lambda size: HEAD + b"\r\na" + b"\r" * (20 * size) + b"a",
        ],
        ids=[
            "quotes",
            "semicolons",
            "an odd line first",
            "an odd line last",
            "parts",
            "look-alikes",
            "carriage returns",
        ],
    )
    def test_identify(self, make: Callable[[int], bytes]) -> None:
        """To identify a hostile message takes work in proportion to its size at most."""

        def action(size: int) -> Callable[[], object]:
            parsed = reported(make(size))
            return lambda: identify(parsed)

        assert work(action, 2000) < 2.6


def test_an_identity_of_each_report() -> None:
    """All reports of these attacks can be read and have keys: a refused one would prove nothing."""
    for make in TOLD.values():
        assert isinstance(identify(make(0)), Identity)
        assert make(0).report.recipients
