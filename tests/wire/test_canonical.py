"""The digest of what a message says: what may change on the way, what may not, and what two messages never share."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exjournal._wire.canonical import sealed_digest
from exjournal.limits import FIELD_LIMIT, FROM_LINE_LIMIT, HEADER_LIMIT, NESTING_LIMIT, PART_LIMIT
from strategies import ORIGINAL, any_bytes, changed_mails, mails, message_like, originals, sent
from test_laws import peak, steps, watchdog

HEAD = b"From: alice@example.com\r\nMIME-Version: 1.0\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=edge\r\n\r\n"


# First lines that mailbox programs write before a message, in the form of RFC 4155 or with a zone.
SEPARATORS = [
    b"From bob@example.net Thu Feb 29 12:30:45 2024",
    b"From - Thu Oct  1 09:00:00 2026",
    b"From ???@??? Thu Oct 01 09:00:00 2026",
    b"From MAILER-DAEMON Thu Oct  1 09:00:00 2026 +0100",
    b"From bob@example.net  Thu Oct  1 09:00:00 CEST 2026",
]
NOT_SEPARATORS = [
    b"From now on: meet at five",
    b"From someone",
    b"From ",
    b"From bob@example.net 2024",
    b"From bob@example.net Thu Feb 29 12:30:45 2024 pay the money",
    b"From bob@example.net Thu Feb 29 12:30:45 2024\rSubject: x",
    b"From pay the money Thu Feb 29 12:30:45 2024",
    b"From " + b"x" * FROM_LINE_LIMIT + b" Thu Feb 29 12:30:45 2024",
    b" From bob@example.net Thu Feb 29 12:30:45 2024",
    b">From now on: meet at five",
    b">>From bob@example.net Thu Feb 29 12:30:45 2024",
]
# A separator that mailbox programs leave after quoting it. Some readers take it for the end of the header block.
QUOTED_SEPARATOR = b">From bob@example.net Thu Feb 29 12:30:45 2024"


def are_one(first: bytes, second: bytes) -> bool:
    """Whether two messages say the same."""
    return sealed_digest(first) == sealed_digest(second)


def mixed(*parts: bytes, head: bytes = MIXED) -> bytes:
    """A multipart message of some parts, each with its header."""
    return head + b"".join([b"--edge\r\n" + part + b"\r\n" for part in parts]) + b"--edge--\r\n"


def nested(levels: int, boundary: bytes = b"b") -> bytes:
    """A message of multiparts inside one another, around a text."""
    inner = b"Content-Type: text/plain\r\n\r\nHi."
    for level in range(levels):
        edge = b"%b%d" % (boundary, level)
        inner = b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n%b\r\n--%b--" % (edge, edge, inner, edge)
    return HEAD + inner


class TestOnTheWay:
    """A message keeps its digest from hop to hop, and two that say something else never share one."""

    @pytest.mark.slow
    @given(st.data())
    def test_sent_twice(self, data: st.DataObject) -> None:
        """Line ends, folds, order and letter case of fields, trace fields and a From line do not matter."""
        mail = data.draw(mails())
        assert are_one(data.draw(sent(mail)), data.draw(sent(mail)))

    @pytest.mark.slow
    @given(st.data())
    def test_changed(self, data: st.DataObject) -> None:
        """A change in any place matters, however the message is sent."""
        mail = data.draw(mails())
        other = data.draw(changed_mails(mail))
        assume(mail != other)
        assert not are_one(data.draw(sent(mail)), data.draw(sent(other)))

    @given(message_like() | any_bytes() | originals() | st.binary(max_size=200))
    def test_total(self, message: bytes) -> None:
        """Any bytes have a digest, the same each time."""
        assert len(sealed_digest(message)) == 32
        assert are_one(message, bytes(bytearray(message)))

    @pytest.mark.parametrize("line", SEPARATORS, ids=repr)
    @pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=repr)
    def test_a_from_line(self, line: bytes, end: bytes) -> None:
        """The separator of a mailbox file before a message does not matter."""
        assert are_one(line + end + ORIGINAL, ORIGINAL)

    @pytest.mark.parametrize("line", [*NOT_SEPARATORS, QUOTED_SEPARATOR], ids=lambda line: repr(line[:60]))
    def test_a_line_that_is_not_a_separator(self, line: bytes) -> None:
        """A line that begins like one and says something else is text to some reader, and matters."""
        assert not are_one(line + b"\r\n" + ORIGINAL, ORIGINAL)
        assert not are_one(SEPARATORS[0] + b"\n" + line + b"\n" + ORIGINAL, ORIGINAL)

    @pytest.mark.parametrize("behind", [b"", b"\r\n", b"\r\n\r\n"], ids=repr)
    def test_line_ends_at_the_end(self, behind: bytes) -> None:
        """Neither do line ends at the very end, of which servers add one or take it."""
        assert are_one(ORIGINAL + behind, ORIGINAL.rstrip())
        assert not are_one(ORIGINAL + behind + b" ", ORIGINAL)
        assert not are_one(ORIGINAL.replace(b"Hi.", behind + b" Hi."), ORIGINAL)

    @pytest.mark.parametrize("size", [(256 << 10) - 2, (256 << 10) - 1, 256 << 10, 1 << 20])
    @pytest.mark.parametrize("line", [b"\r\n", b"x\r\n", b"\rx\r\n"], ids=repr)
    def test_line_ends_of_large_bodies(self, line: bytes, size: int) -> None:
        """CRLF or LF does not matter in any place, and the number of line ends does."""
        body = b"y" * size + line * 10 + b"z"
        assert are_one(HEAD + b"\r\n" + body, HEAD + b"\r\n" + body.replace(b"\r\n", b"\n"))
        assert not are_one(HEAD + b"\r\n" + body, HEAD + b"\r\n" + body.replace(line, b"", 1))


class TestAsItStands:
    """The body is covered as it is: rewriting it is a change, even if one reader shows the same."""

    @pytest.mark.parametrize(
        "parameter",
        [
            b"; boundary=other",
            b';boundary="other"',
            b"; BOUNDARY = other",
            b";\r\n\tboundary=\r\n other",
            b"; boundary*=us-ascii''other",
            b"; boundary*0=ot; boundary*1=her",
            b'; boundary="other',
        ],
        ids=repr,
    )
    def test_spellings_of_a_boundary(self, parameter: bytes) -> None:
        """Another boundary is a change, in any spelling: readers disagree where a part begins."""
        message = mixed(b"\r\none", b"\r\ntwo")
        other = message.replace(b"; boundary=edge", parameter).replace(b"--edge", b"--other")
        assert other != message
        assert not are_one(message, other)

    def test_binary(self) -> None:
        """In a body with a NUL a carriage return is content, and so are the line ends at its end."""
        assert are_one(HEAD + b"\r\na\r\nb", HEAD + b"\r\na\nb")
        assert not are_one(HEAD + b"\r\na\r\nb\0", HEAD + b"\r\na\nb\0")
        assert not are_one(HEAD + b"\r\na\0", HEAD + b"\r\na\0\r\n")
        assert are_one(HEAD + b"\r\na\0\n", HEAD.replace(b"\r\n", b"\n") + b"\na\0\n")

    def test_mixed_delimiters(self) -> None:
        """Where a line like a delimiter comes after LF and ends in CRLF, a reader loses the byte before it."""
        message = mixed(b"\r\nAt one?", b"\r\nAt two?")
        odd = message.replace(b"?\r\n--edge\r\n", b"?\n--edge\r\n")
        assert odd != message
        assert not are_one(message, odd)
        assert not are_one(odd, odd.replace(b"\r\n", b"\n"))
        assert are_one(odd, odd + b"\r\n")
        short = message.replace(b"\r\n", b"\n")
        assert are_one(short, short + b"\n")
        assert not are_one(short, short.rstrip(b"\n") + b"\r\n")
        assert are_one(message, message.rstrip(b"\r\n"))
        assert are_one(message, message.replace(b"\r\n", b"\n"))

    @pytest.mark.parametrize("size", [1, 60_000, 70_000])
    def test_mixed_delimiters_far_down(self, size: int) -> None:
        """So it is wherever that line is, and however long it is."""
        body = b"--\r\n" + b"x" * size + b"\r\n--" + b"y" * size
        one, other = [HEAD + b"\r\n" + body + end + b"--z\r\n." for end in (b"\n", b"\r\n")]
        assert not are_one(one, other)
        assert are_one(other, other.replace(b"\r\n", b"\n"))
        assert are_one(other, other.replace(b"--z\r\n", b"--z\n"))

    def test_bytes_in_base64(self) -> None:
        """Encoded content of any type is covered in its encoded form."""
        head = b"Content-Transfer-Encoding: base64\r\nContent-Type: "
        one, other = base64.encodebytes(b"a\r\nb"), base64.encodebytes(b"a\nb")
        for kind in (b"image/png", b"text/plain", b"text/html"):
            message = head + kind + b"\r\n\r\n"
            assert not are_one(message + one, message + other)

    @pytest.mark.parametrize("size", [100, 100_000])
    def test_lines_of_base64(self, size: int) -> None:
        """Other lines of base64 are a change, for small content and for large."""
        coded = base64.b64encode(bytes(range(200)) * (size // 200 + 1))
        head = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        lines = b"\r\n".join([coded[start : start + 60] for start in range(0, len(coded), 60)])
        assert not are_one(head + coded, head + lines)
        assert not are_one(head + lines, head + lines.replace(b"A", b"B", 1))
        assert are_one(head + lines, head + lines.replace(b"\r\n", b"\n"))

    @pytest.mark.parametrize("encoding", [b"7bit", b"8bit", b"quoted-printable", b"base64"])
    def test_an_attached_message(self, encoding: bytes) -> None:
        """An attached message that a gateway encoded, against RFC 2046 section 5.2.1, is a change, as is the field alone."""
        content = base64.encodebytes(ORIGINAL).replace(b"\n", b"\r\n") if encoding == b"base64" else ORIGINAL
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content
        assert not are_one(mixed(b"Content-Type: message/rfc822\r\n\r\n" + ORIGINAL), mixed(part))

    def test_part_headers(self) -> None:
        """A part header is covered as it is written, with folds and letter case."""
        header = b"Content-Type: text/plain; name=x"
        plain = mixed(header + b"\r\n\r\nHi.")
        for other in (header.lower(), header.replace(b"; ", b";\r\n\t"), header.replace(b"; ", b";"), header + b" "):
            assert not are_one(plain, mixed(other + b"\r\n\r\nHi."))


class TestCovered:
    """Every field that is shown, every part header, any text before a header, and all content is covered."""

    @pytest.mark.parametrize(
        "name",
        [
            "From",
            "Sender",
            "Reply-To",
            "To",
            "Cc",
            "Date",
            "Subject",
            "Message-ID",
            "In-Reply-To",
            "References",
            "Comments",
            "Keywords",
            "MIME-Version",
            "Content-Type",
            "Content-Disposition",
            "Content-Class",
            "Content-Identifer",
            "X-ExJournal-Envelope-Sender",
        ],
    )
    def test_fields(self, name: str) -> None:
        """A field that is added, changed, doubled, swapped with one of its name or taken out is a change."""
        one, other = f"{name}: one\r\n".encode(), f"{name.upper()} : other\r\n".encode()
        digests = [sealed_digest(block + ORIGINAL) for block in (b"", one, other, one + one, one + other, other + one)]
        assert len(set(digests)) == len(digests)
        assert are_one(one + ORIGINAL, f"{name.lower()}:\tone\r\n".encode() + ORIGINAL)

    @pytest.mark.parametrize(
        "name", ["Received", "Bcc", "X-ExJournal-Stamp", "X-ExJournal-Seal", "Return-Path", "X-Subject"]
    )
    def test_other_fields(self, name: str) -> None:
        """What servers add or take out is not covered."""
        assert are_one(f"{name}: x\r\n y\r\n".encode() + ORIGINAL, ORIGINAL)

    def test_part_headers(self) -> None:
        """Every field of a part header is covered, its transfer encoding among them."""
        plain = mixed(b"Content-Type: text/plain\r\n\r\nHi.")
        for field in (b"X-A: b", b"Content-Disposition: attachment; filename=a.exe", b"content-id: <1@example.com>"):
            assert not are_one(plain, mixed(b"Content-Type: text/plain\r\n" + field + b"\r\n\r\nHi."))
        assert not are_one(plain, mixed(b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHi."))

    def test_a_close_delimiter(self) -> None:
        """Text after the parts is an epilogue, and covered."""
        message = mixed(b"\r\none")
        assert not are_one(message, message + b"more")
        assert not are_one(message, message.replace(b"--edge\r\n", b"more\r\n--edge\r\n", 1))
        assert are_one(message, message + b"\r\n\r\n")

    def test_without_a_boundary(self) -> None:
        """A multipart without a boundary is content as it is."""
        head = HEAD + b"Content-Type: multipart/mixed\r\n\r\n"
        assert not are_one(mixed(b"\r\none", head=head), mixed(b"\r\ntwo", head=head))

    def test_a_boundary_that_is_nowhere(self) -> None:
        """A multipart without a delimiter is content as it is."""
        assert not are_one(MIXED + b"one", MIXED + b"two")

    @pytest.mark.parametrize("levels", [1, NESTING_LIMIT, NESTING_LIMIT + 1, 100])
    def test_nesting(self, levels: int) -> None:
        """A change matters at any depth, of a text as of a boundary."""
        assert not are_one(nested(levels, b"b"), nested(levels, b"c"))
        assert not are_one(nested(levels), nested(levels).replace(b"Hi.", b"Ho."))

    @pytest.mark.parametrize("count", [PART_LIMIT, PART_LIMIT + 1])
    def test_very_many_parts(self, count: int) -> None:
        """Of any number of parts each one is covered."""
        message = mixed(*[b"\r\none"] * (count - 1), b"\r\nlast")
        assert not are_one(message, message.replace(b"last", b"else"))

    @pytest.mark.parametrize(
        "block", [b"X: " + b"y" * HEADER_LIMIT + b"\r\n", b"Cc: a\r\n" * (FIELD_LIMIT + 1)], ids=["bytes", "fields"]
    )
    def test_beyond_the_limits(self, block: bytes) -> None:
        """Every byte of a header block beyond the limits is covered."""
        message = block + ORIGINAL
        assert are_one(message, message)
        for place in (1, len(block) - 3, len(message) - 3):
            assert not are_one(message, message[:place] + b"z" + message[place + 1 :])

    @pytest.mark.parametrize(
        "before",
        [
            b"\xef\xbb\xbf",
            b"\xef\xbb\xbfFrom someone\r\n",
            b"From someone\rSubject: x\r\n",
            b"From someone\r\r\n",
            b"\r\n",
            b"\r\nFrom someone\r\n",
            b">From someone\r\n",
        ],
        ids=repr,
    )
    def test_before_the_header(self, before: bytes) -> None:
        """Text before a header is covered unless it is a From line: to some readers the message begins there."""
        digests = {sealed_digest(message) for message in (ORIGINAL, before + ORIGINAL, before[:-1] + b"." + ORIGINAL)}
        assert len(digests) == 3

    @pytest.mark.parametrize("message", [b"no header", b"no header\r\n\r\nHi.", b"\x80: y\r\n\r\nHi.\r\n"], ids=repr)
    def test_without_a_header(self, message: bytes) -> None:
        """A message without a header, and without a blank line in its place, is covered byte by byte."""
        for other in (
            message + b"\r\n",
            message[:-1],
            b"Received: x\r\n" + message,
            b"\r\n" + message,
            SEPARATORS[0] + b"\r\n" + message,
        ):
            assert not are_one(message, other)
        if b"\r\n" in message:
            assert not are_one(message, message.replace(b"\r\n", b"\n"))

    def test_a_blank_line_for_a_header(self) -> None:
        """After a blank line all is body, and a server that adds a field puts it before that line."""
        for message in (b"\r\nHi.", b"\nHi.\n", b"X-ExJournal-Stamp: x\r\n\r\nHi.", b"Received: x\n\nHi."):
            assert are_one(message, b"\r\nHi.\r\n")
        assert not are_one(b"\r\nHi.", b"\r\n\r\nHi.")
        assert not are_one(b"\r\nHi.", b"Hi.")


# Header blocks that readers read in different ways.
_ODD_LINES = [
    b"no field\r\n",
    b"two words: x\r\n",
    b"X-Kept : x\r\n",
    b"X-Kept\t: x\r\n",
    b": x\r\n",
    b"X-Caf\xc3\xa9: x\r\n",
    b"X-Kept: x\r\n \r\n",
    b"X-Kept: x\r\n\t \r\n y\r\n",
    b"X-Kept: x\rSubject: x\r\n",
    b"X-Kept: x\r\r\n",
    b"\0\r\n",
]


@pytest.mark.parametrize("line", _ODD_LINES, ids=repr)
class TestOddHeaders:
    """A header block that readers read in different ways is covered as a whole, but for what servers put before it."""

    def test_covered(self, line: bytes) -> None:
        """Every byte of such a block is covered, those of fields that nobody shows among them."""
        for message in (HEAD + line + b"X: y\r\n\r\nHi.", HEAD + b"X: y\r\n" + line + b"\r\nHi."):
            others = [
                HEAD + b"X: y\r\n\r\nHi.",
                message.replace(b"X: y", b"X: z"),
                message.replace(b"X: y", b"x: y"),
                message.replace(b"X: y", b"X: y\r\nReceived: x"),
                message.replace(b"x\r", b"z\r").replace(b"no field", b"no fiend").replace(b"\0", b"\1"),
                b"DKIM-Signature: v=1\r\n" + message,
                b"Received : x\r\n" + message,
                b"Received: x\r\n \r\n" + message,
                b"Received: x\rSubject: x\r\n" + message,
            ]
            assert len({sealed_digest(other) for other in (message, *others)}) == len(others) + 1

    @pytest.mark.parametrize(
        "name", [b"Received", b"received", b"Return-Path", b"X-ExJournal-Stamp", b"X-ExJournal-Seal"]
    )
    def test_added_before(self, name: bytes, line: bytes) -> None:
        """What servers put before such a block does not matter."""
        message = HEAD + line + b"\r\nHi."
        assert are_one(name + b": x\r\n\ty\r\n" + message, message)
        assert are_one(name + b": x\r\nReceived: y\r\n" + message, message)


# A text whose SHA-256 fits in a header field: no byte of it is a space or a line end.
_TEXT = next(
    text
    for text in (b"Hello %d" % number for number in range(1000))
    if hashlib.sha256(text).digest().split()[0:1] == [hashlib.sha256(text).digest()]
)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class TestNoTwoShareOne:
    """Two messages that a reader of mail shows otherwise never have one digest: a stamp on the one is worthless on the other.

    The first of each pair is what somebody had journaled, the second what he sends under its stamp.
    """

    @pytest.mark.parametrize("write", [bytes, _digest], ids=["as it is", "as its digest"])
    def test_a_part_written_as_fields(self, write: Callable[[bytes], bytes]) -> None:
        """Fields of a part header that are named like pieces of a message are not such pieces."""
        digest = write(_TEXT)
        flat = mixed(
            b"Content-Type: text/plain\r\nContent: " + digest + b"\r\nPart:\r\nContent-Type: text/html\r\n\r\nBye."
        )
        parts = mixed(b"Content-Type: text/plain\r\n\r\n" + _TEXT, b"Content-Type: text/html\r\n\r\nBye.")
        assert not are_one(flat, parts)

    @pytest.mark.parametrize("write", [bytes, _digest], ids=["as it is", "as its digest"])
    def test_a_tree_written_as_fields(self, write: Callable[[bytes], bytes]) -> None:
        """Neither are the ends of a multipart."""
        head = b"Content-Type: multipart/mixed; boundary=in\r\n"
        inner = head + b"\r\n--in\r\nX: y\r\n\r\n" + _TEXT + b"\r\n--in--\r\n"
        flat = head + b"Preamble:\r\nPart:\r\nX: y\r\nContent: " + write(_TEXT) + b"\r\nEpilogue:\r\nPart:\r\n\r\ntwo"
        assert not are_one(mixed(inner, b"\r\ntwo"), mixed(flat))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (b'x=";boundary="; charset=us-ascii', b'x=";boundary="; charset=utf-7'),
            (b'name="a;boundary=b.txt"', b'name="a;boundary=c.exe"'),
            (b'name="a; boundary = b"; y=z', b'name="a; boundary = c"; y=z'),
            (b"name=(; boundary=)b", b"name=(; boundary=)c"),
        ],
    )
    def test_what_looks_like_a_boundary(self, one: bytes, other: bytes) -> None:
        """A boundary inside the value of another parameter is not one, and is covered."""
        start = HEAD + b"Content-Type: text/plain; "
        assert not are_one(start + one + b"\r\n\r\n+AGEAYg-", start + other + b"\r\n\r\n+AGEAYg-")

    @pytest.mark.parametrize(
        "parameters",
        [
            b'boundary=edge; x=";boundary="; start=<%b>',
            b'x=";boundary="; start=<%b>; boundary=edge',
            b'x=";boundary="; start="<%b>"; boundary="edge"',
            b'x=";boundary=<%b>"; boundary=edge',
            b"boundary=edge; start=<%b>",
        ],
        ids=repr,
    )
    def test_what_looks_like_the_boundary_of_a_multipart(self, parameters: bytes) -> None:
        """Neither is it where there is a boundary: a reader begins with the part that `start` names (RFC 2387)."""
        head = HEAD + b"Content-Type: multipart/related; " + parameters + b"\r\n\r\n"
        parts = [b"Content-ID: <%d>\r\n\r\n%d" % (number, number) for number in (1, 2)]
        assert not are_one(mixed(*parts, head=head % b"1"), mixed(*parts, head=head % b"2"))

    @pytest.mark.parametrize(
        "parameters",
        [
            b"; boundary=%b",  # in a text
            b"; a=1; b=1; c=1; d=1; e=1; f=1; g=1; h=1; boundary=%b",
            b'; a="' + b"x" * 2100 + b'"; boundary=%b',
            b"; boundary=neither; boundary=%b",
        ],
        ids=["a text", "parameters", "a long parameter", "two boundaries"],
    )
    def test_a_boundary_that_was_not_used(self, parameters: bytes) -> None:
        """A boundary by which nothing was taken apart is covered: another reader may take the message apart by it."""
        kind = b"text/plain" if parameters == b"; boundary=%b" else b"multipart/mixed"
        body = b"\r\n--x\r\n\r\none\r\n--y\r\n\r\ntwo\r\n--y--\r\n--x--\r\n"
        one, other = [HEAD + b"Content-Type: " + kind + parameters % edge + b"\r\n" + body for edge in (b"x", b"y")]
        assert not are_one(one, other)

    def test_a_second_content_type(self) -> None:
        """Neither is the boundary of a second Content-Type field left out, of which a reader may take the last."""
        body = b"\r\n--x\r\n\r\none\r\n--y\r\n\r\ntwo\r\n--y--\r\n--x--\r\n"
        field = b"Content-Type: multipart/mixed; boundary=%b\r\n"
        one, other = [HEAD + field % b"x" + field % edge + body for edge in (b"x", b"y")]
        assert not are_one(one, other)

    def test_too_many_parts(self) -> None:
        """Nor the boundary of more parts than are looked at."""
        body = b"".join([b"--%b\r\n\r\n%d\r\n" % (b"xy"[n % 2 : n % 2 + 1], n) for n in range(3 * PART_LIMIT)])
        one, other = [
            HEAD + b"Content-Type: multipart/mixed; boundary=" + edge + b"\r\n\r\n" + body for edge in (b"x", b"y")
        ]
        assert not are_one(one, other)

    @pytest.mark.parametrize(
        ("encoding", "content"),
        [
            (b"base64", b"SGVsbG8*"),
            (b"base64", base64.b64encode(b"abc" * 30_000)),
            (b"x-uuencode", b"begin 644 a\n#0V%T\n`\nend"),
            (b"(a comment) quoted-printable", b"=48=65=6C=6C=6F"),
            (b'"base64"', b"SGVsbG8="),
        ],
        ids=["damaged base64", "large base64", "uuencode", "a comment", "quotes"],
    )
    def test_encoded_or_not(self, encoding: bytes, content: bytes) -> None:
        """Content that was not decoded is another under another transfer encoding: a reader may decode it."""
        one = HEAD + b"Content-Transfer-Encoding: 7bit\r\n\r\n" + content
        assert not are_one(one, HEAD + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content)

    def test_a_second_encoding(self) -> None:
        """Neither is a second transfer encoding left out."""
        one = HEAD + b"Content-Transfer-Encoding: 7bit\r\n"
        content = b"\r\nSGVsbG8="
        assert not are_one(one + content, one + b"Content-Transfer-Encoding: base64\r\n" + content)

    @pytest.mark.parametrize("line", [b"%b", b"%b\r\n folded", b"two words: %b", b"(%b)"], ids=repr)
    def test_lines_that_are_not_fields(self, line: bytes) -> None:
        """A line of the header block that is not a field is covered: to some readers the text begins there."""
        one, other = [HEAD + line % word + b"\r\nX: y\r\n\r\nHi." for word in (b"harmless", b"secret")]
        assert not are_one(one, other)

    @pytest.mark.parametrize("behind", [b"\r\n\r\nHi.", b""], ids=["a blank line", "no blank line"])
    def test_lines_of_a_part_that_are_not_fields(self, behind: bytes) -> None:
        """The same in a part header: a part without one begins with its text."""
        for before in (b"", b"Content-Type: text/plain\r\n"):
            assert not are_one(mixed(before + b"harmless" + behind), mixed(before + b"secret" + behind))

    def test_one_text_or_two_parts(self) -> None:
        """A text that reads like delimiters is a text."""
        assert not are_one(mixed(b"\r\none"), HEAD + b"\r\n--edge\r\n\r\none\r\n--edge--\r\n")

    def test_where_content_begins(self) -> None:
        """What moves from a preamble into a part, or from one part into the next, is a change."""
        first = MIXED + b"a\r\n--edge\r\n\r\nb\r\n--edge\r\n\r\n\r\n--edge--\r\nc"
        others = [
            MIXED + b"--edge\r\n\r\na\r\n--edge\r\n\r\nb\r\n--edge--\r\nc",
            MIXED + b"a\r\n--edge\r\n\r\n\r\n--edge\r\n\r\nb\r\n--edge--\r\nc",
            MIXED + b"a\r\n--edge\r\n\r\nb\r\n--edge\r\n\r\nc\r\n--edge--\r\n",
            MIXED + b"a\r\n--edge\r\n\r\nb\r\n--edge--\r\nc",
        ]
        assert len({sealed_digest(message) for message in (first, *others)}) == 5


# The size of the input grows with the number.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "parts": lambda n: mixed(*[b"\r\nx"] * n),
    "look-alike boundaries": lambda n: mixed(b"\r\n" + b"\r\n--edgeling" * n),
    "look-alike ends": lambda n: mixed(b"\r\n" + b"--edge-\r\n--edge x\r\n" * n),
    "nested multiparts": lambda n: nested(n // 10),
    "multiparts in multiparts": lambda n: mixed(
        *[b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (n // 100)] * 100
    ),
    "one boundary at every level": lambda n: mixed(
        *[b"Content-Type: multipart/mixed; boundary=edge\r\n\r\n--edge"] * n
    ),
    "boundary parameters": lambda n: HEAD + b"Content-Type: text/plain" + b'; boundary="' * n + b"\r\n\r\nx",
    "digits of a parameter": lambda n: HEAD + b"Content-Type: text/plain" + b"; boundary" + b"1*" * n + b"\r\n\r\nx",
    "blanks of a parameter": lambda n: HEAD + b"Content-Type: text/plain; boundary" + b" \r\n " * n + b"\r\n\r\nx",
    "fields": lambda n: b"Cc: bob@example.net\r\n" * min(n, FIELD_LIMIT) + ORIGINAL,
    "header lines": lambda n: b"X: y\r\n" * n + ORIGINAL,
    "folds": lambda n: b"Subject: x" + b"\r\n y" * n + b"\r\n" + ORIGINAL,
    "part headers": lambda n: mixed(b"X: y\r\n" * n + b"\r\nx"),
    "line ends": lambda n: b"\r\n\r\n" + b"\r\n" * n,
    "carriage returns": lambda n: b"X: y\r\n\r\n" + b"\r" * n,
    "base64": lambda n: b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD\r\n" * n + b"*",
    "padding": lambda n: b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * n,
    "quoted-printable": lambda n: b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n=4 " * n,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
class TestLinear:
    """Time and memory grow in proportion to the input, whatever the input."""

    def test_steps(self, make: Callable[[int], bytes]) -> None:
        """Four times the input makes no more than about four times the steps."""
        small, large = make(1000), make(4000)
        sealed_digest(large)  # patterns that are compiled at their first use belong to neither
        assert steps(lambda: sealed_digest(large)) <= 5 * steps(lambda: sealed_digest(small)) + 2000

    def test_memory(self, make: Callable[[int], bytes]) -> None:
        """Four times the input takes no more than about four times the memory."""
        small, large = make(1000), make(4000)
        sealed_digest(small)  # what is made once belongs to neither
        assert peak(lambda: sealed_digest(large)) <= 6 * peak(lambda: sealed_digest(small)) + 60_000

    def test_patterns(self, make: Callable[[int], bytes]) -> None:
        """No pattern goes over the same characters again and again."""
        message = make(60_000)
        with watchdog():
            sealed_digest(message)
