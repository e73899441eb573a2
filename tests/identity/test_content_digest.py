"""When two messages are one: what servers may rewrite in a fork, what counts, and what two messages never share."""

import base64
import email
import mmap
import re
from collections.abc import Callable
from email import policy
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_canonical import HOSTILE as HOSTILE_CONTENT
from test_canonical import NOT_SEPARATORS, QUOTED_SEPARATOR, SEPARATORS

from exjournal.identity.content_digest import repeated_fields, same_content, text_digest
from exjournal.limits import (
    FIELD_LIMIT,
    HEADER_LIMIT,
    NESTING_LIMIT,
    PART_HEADER_LIMIT,
    PART_HEADER_LINE_LIMIT,
    PART_LIMIT,
)
from strategies import ORIGINAL, Branch, Leaf, Mail, any_bytes, changed_mails, forked, mails, message_like, originals
from test_laws import peak, steps, watchdog

HEAD = b"From: alice@example.com\r\nSubject: Hello\r\n"
SHOWN = (
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Subject",
    "In-Reply-To",
    "References",
    "Comments",
    "Keywords",
)
OF_A_PART = (
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-Description",
    "Content-ID",
    "Content-Location",
    "Content-Base",
)


def digest(message: bytes) -> bytes:
    """The digest of a message's content."""
    return same_content(message, 0, len(message)).digest


def are_one(first: bytes, second: bytes) -> bool:
    """Whether two messages are one."""
    return digest(first) == digest(second)


def parts(*given_parts: bytes, edge: bytes = b"edge", head: bytes = HEAD, declared: bytes = b"") -> bytes:
    """A multipart message of some parts, each with its header."""
    declared = declared or b'multipart/mixed; boundary="%b"' % edge
    body = b"".join([b"--" + edge + b"\r\n" + part + b"\r\n" for part in given_parts])
    return head + b"Content-Type: " + declared + b"\r\n\r\n" + body + b"--" + edge + b"--\r\n"


def nested(levels: int, edge: bytes = b"edge") -> bytes:
    """A message with nested multiparts that contain a text."""
    inner = b"\r\nHi."
    for level in range(levels):
        inner = parts(inner, edge=b"%b%d_" % (edge, level), head=b"")
    return HEAD + inner


# What of a mail is left when it is compared: the rest is written anew, or shown to nobody.


def compared(mail: Mail) -> Mail:
    """The digest of a message alone."""
    names = {name.lower().encode() for name in (*SHOWN, *OF_A_PART)}
    fields = tuple([field for field in mail.fields if field[0] in names])
    return Mail(fields, _compared_part(mail.root))


def _compared_part(part: Leaf | Branch) -> Leaf | Branch:
    names = {name.lower().encode() for name in OF_A_PART}
    kept = [field for field in part.fields if field[0] in names]
    fields = tuple(sorted(kept, key=lambda field: field[0]))
    if isinstance(part, Leaf):
        return part._replace(fields=fields)
    return part._replace(fields=fields, parts=tuple([_compared_part(one) for one in part.parts]))


# Lines in LF, with which a message can begin or go on.
ODD_BEGINNINGS = [
    b"no field\n",
    b"\xef\xbb\xbf",
    b"\n",
    b"From now on\n",
    b"From bob@example.net Thu Oct  1 09:00:00 2026\n",
    b" folded\n",
    b"X: " + b"y" * (PART_HEADER_LIMIT - 10) + b"\n",
]
LINES = [
    b"Subject: x\n",
    b"Content-Type: multipart/mixed; boundary=edge\n",
    b'Content-Type: text/plain; name="a\n b"\n',
    b"To: a@example.com,\n b@example.com\n",
    b"\n",
    b"--edge\n",
    b"no field\n",
    b"a\0b\n",
    b"X: y\n",
]


class TestForks:
    """Forks of one message are one, and messages that say something else never are."""

    @pytest.mark.slow
    @given(st.data())
    def test_forks(self, data: st.DataObject) -> None:
        """Trace fields, order and folds of fields, boundaries, and line ends do not matter."""
        mail = data.draw(mails())
        assert are_one(data.draw(forked(mail)), data.draw(forked(mail)))

    @pytest.mark.slow
    @given(st.data())
    def test_changed(self, data: st.DataObject) -> None:
        """A change to anything that is shown counts in every place and in every form of the message; other changes do not."""
        mail = data.draw(mails())
        other = data.draw(changed_mails(mail))
        one_now = are_one(data.draw(forked(mail)), data.draw(forked(other)))
        assert one_now == (compared(mail) == compared(other))

    @given(message_like() | any_bytes() | originals() | st.binary(max_size=200))
    def test_total(self, message: bytes) -> None:
        """Any bytes have a digest, the same each time."""
        assert len(digest(message)) == 32
        assert are_one(message, bytes(bytearray(message)))

    @given(message_like() | any_bytes() | originals() | mails().flatmap(forked))
    def test_in_its_place(self, message: bytes) -> None:
        """A message inside a report has the same digest as on its own: bytes before and after it are ignored."""
        for before, behind in ((b"\r\n", b"\r\n--b--\r\n"), (b"--b\n\n", b"\n--b\n\nSubject: x\n\n"), (b"", b"")):
            data = before + message + behind
            place = same_content(data, len(before), len(before) + len(message))
            assert place == same_content(message, 0, len(message))

    def test_buffers(self, tmp_path: Path) -> None:
        """A mapped file is read in place, with the same result."""
        message = parts(b"\r\none", b"\r\n" + b"two\r\n" * 100_000)
        path = tmp_path / "message.eml"
        path.write_bytes(message)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert same_content(mapped, 0, len(mapped)) == same_content(message, 0, len(message))


class TestRewritten:
    """Anything that servers rewrite does not count."""

    @pytest.mark.parametrize(
        "parameter",
        [
            b"; boundary=other",
            b';boundary="other"',
            b";\r\n\tBOUNDARY = other",
            b";\r\n boundary=other;",
            b'; boundary="' + b"x" * 70 + b'"',
            b'; boundary="_000_0123456789ABCDEF_"',
            b'; boundary="==Multipart_Boundary_x0123x"',
        ],
        ids=repr,
    )
    def test_boundaries(self, parameter: bytes) -> None:
        """The boundary of a multipart is not covered where every reader finds it, in any spelling."""
        edge = parameter.partition(b"=")[2].strip(b' ";')
        message = parts(b"\r\none", b"Content-Type: text/html\r\n\r\ntwo")
        other = message.replace(b'; boundary="edge"', parameter).replace(b"--edge", b"--" + edge)
        assert other != message
        assert are_one(message, other)

    def test_place_of_the_boundary(self) -> None:
        """The position of the boundary among the parameters does not count; the other parameters do."""
        one = parts(b"\r\nHi.", declared=b'multipart/related; boundary="edge"; type="text/plain"')
        other = parts(b"\r\nHi.", edge=b"x", declared=b'multipart/related; type="text/plain"; boundary="x"')
        assert are_one(one, other)
        assert not are_one(one, other.replace(b"text/plain", b"text/html"))

    @pytest.mark.parametrize("levels", range(1, NESTING_LIMIT + 1))
    def test_nested_boundaries(self, levels: int) -> None:
        """Boundaries of nested multiparts do not count either, up to the nesting limit."""
        assert are_one(nested(levels, b"x"), nested(levels, b"y"))
        assert not are_one(nested(levels), nested(levels).replace(b"Hi.", b"Ho."))
        assert not are_one(nested(levels), nested(levels - 1))

    @pytest.mark.parametrize("encoding", [b"", b"7bit", b"8bit", b"binary", b"8BIT", b" 7bit"], ids=repr)
    def test_transfer_encodings_that_encode_nothing(self, encoding: bytes) -> None:
        """Transfer encodings that leave the content as it is are equal, and equal to a missing one."""
        field = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
        assert are_one(field + ORIGINAL, ORIGINAL)
        assert are_one(parts(field + b"\r\nHi."), parts(b"\r\nHi."))
        assert are_one(
            parts(b"\r\nHi.", head=HEAD + field), parts(b"\r\nHi.", edge=b"other", head=HEAD.replace(b"\r\n", b"\n"))
        )

    @pytest.mark.parametrize("behind", [b"", b"\r\n", b"\n", b"\r\n\r\n\r\n"], ids=repr)
    def test_line_ends_at_the_end(self, behind: bytes) -> None:
        """Line ends at the end of a content do not count; spaces do."""
        assert are_one(ORIGINAL.rstrip() + behind, ORIGINAL)
        assert not are_one(ORIGINAL.rstrip() + b" " + behind, ORIGINAL)
        assert are_one(parts(b"\r\none" + behind, b"\r\ntwo"), parts(b"\r\none", b"\r\ntwo"))
        assert not are_one(parts(b"\r\none" + behind + b".", b"\r\ntwo"), parts(b"\r\none", b"\r\ntwo"))

    @pytest.mark.parametrize(
        "field",
        [
            b"Received: from a.example\r\n\tby b.example",
            b"Return-Path: <>",
            b"X-MS-Exchange-Organization-SCL: -1",
            b"X-MS-Exchange-CrossTenant-Id: x",
            b"DKIM-Signature: v=1;\r\n b=x",
            b"Bcc: bob@example.net",
            b"Message-ID: <2@example.com>",
            b"MIME-Version: 1.0",
            b"X-Subject: x",
            b"Subjects: x",
        ],
        ids=repr,
    )
    def test_other_fields(self, field: bytes) -> None:
        """A field that is not covered does not count, in any position."""
        head, _, body = ORIGINAL.partition(b"\r\n\r\n")
        assert are_one(field + b"\r\n" + ORIGINAL, ORIGINAL)
        assert are_one(head + b"\r\n" + field + b"\r\n\r\n" + body, ORIGINAL)
        assert are_one(parts(field + b"\r\n\r\nHi."), parts(b"\r\nHi."))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (b"To: a@example.com, b@example.com", b"To: a@example.com,\r\n\tb@example.com"),
            (b"To: a@example.com, b@example.com", b"TO:a@example.com,   b@example.com  "),
            (b"Subject: one two", b"subject:\r\n one\r\n\ttwo "),
            (b"Date: Thu,  1 Feb 2024 00:00:00 +0000", b"Date: Thu, 1 Feb 2024 00:00:00\t+0000"),
            (b"Content-Type: text/plain; name=x; charset=y", b"Content-Type:text/plain;name=x;\r\n charset=y;"),
        ],
        ids=repr,
    )
    def test_folds(self, one: bytes, other: bytes) -> None:
        """Folds and their spaces do not count, nor does the letter case of a name."""
        assert are_one(one + b"\r\n\r\nHi.", other + b"\r\n\r\nHi.")

    @pytest.mark.parametrize("line", SEPARATORS, ids=repr)
    def test_a_from_line(self, line: bytes) -> None:
        """The From line that mailbox files put before a message does not matter."""
        assert are_one(line + b"\n" + ORIGINAL, ORIGINAL)
        assert are_one(line + b"\r\n" + ORIGINAL, ORIGINAL)

    @pytest.mark.parametrize("before", [b"", *(line + b"\n" for line in SEPARATORS)], ids=repr)
    def test_a_quoted_from_line(self, before: bytes) -> None:
        """Neither does one that mailbox tools leave quoted, alone or after another one."""
        assert are_one(before + QUOTED_SEPARATOR + b"\r\n" + ORIGINAL, ORIGINAL)

    @pytest.mark.parametrize("line", NOT_SEPARATORS, ids=lambda line: repr(line[:60]))
    def test_a_line_that_only_looks_like_a_from_line(self, line: bytes) -> None:
        """A line that begins like one and says something else is text to some reader, and matters."""
        assert not are_one(line + b"\n" + ORIGINAL, ORIGINAL)

    @given(
        st.sampled_from([b"", *ODD_BEGINNINGS]),
        st.lists(st.sampled_from(LINES), max_size=8),
        st.sampled_from([b"", b"\0", b"\0\n", b"--edge--\n"]),
    )
    def test_line_ends(self, before: bytes, lines: list[bytes], behind: bytes) -> None:
        """CRLF or LF does not matter, also where a body holds NUL or a message begins with an odd line."""
        message = b"".join([before, *lines, behind])
        assert are_one(message, message.replace(b"\n", b"\r\n"))


class TestCovered:
    """Everything that readers show is covered."""

    @pytest.mark.parametrize("name", [*SHOWN, *OF_A_PART])
    def test_fields(self, name: str) -> None:
        """A field that is added, changed, doubled, swapped with one of its name or taken out is a change."""
        one, other = f"{name}: one\r\n".encode(), f"{name.upper()}: other\r\n".encode()
        digests = {digest(block + ORIGINAL) for block in (b"", one, other, one + one, one + other, other + one)}
        assert len(digests) == 6

    @pytest.mark.parametrize("name", OF_A_PART)
    def test_fields_of_parts(self, name: str) -> None:
        """Everything that readers show of a part's header is covered."""
        one, other = f"{name}: one\r\n".encode(), f"{name.upper()}: other\r\n".encode()
        digests = {
            digest(parts(block + b"\r\nHi.")) for block in (b"", one, other, one + one, one + other, other + one)
        }
        assert len(digests) == 6

    def test_spaces_in_a_subject(self) -> None:
        """The number of spaces between two words counts in a Subject, and a tab counts as a space."""
        one, two, tab = [b"Subject: one" + gap + b"two\r\n\r\n" for gap in (b" ", b"  ", b"\t")]
        assert are_one(one, tab)
        assert not are_one(one, two)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (b"\r\nSGVsbG8=", b"\r\nSGVs\r\nbG8="),
            (b"Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=", b"\r\nSGVsbG8="),
            (b"Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=", b"\r\nHello"),
            (b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=48i", b"\r\nHi"),
            (b"\r\na\rb", b"\r\na\r\nb"),
            (b"\r\na\r\nb\0", b"\r\na\rb\0"),
            (b"Content-Type: text/html\r\n\r\nHi", b"Content-Type: text/plain\r\n\r\nHi"),
            (b"Content-Type: text/html\r\n\r\nHi", b"Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\nHi"),
            (b"\r\nContent-Type: text/html\r\n\r\nHi", b"Content-Type: text/html\r\n\r\nHi"),
            (b"no field\r\n\r\nHi", b"no fiend\r\n\r\nHi"),
            (b"no field", b"no fiend"),
        ],
        ids=repr,
    )
    def test_contents(self, one: bytes, other: bytes) -> None:
        """Content is covered as it is written, and nothing is decoded."""
        assert not are_one(parts(one), parts(other))

    def test_around_the_parts(self) -> None:
        """Text before, after and between parts is covered, and so is the beginning of each part."""
        head = HEAD + b"Content-Type: multipart/mixed; boundary=edge\r\n\r\n"
        bodies = [
            b"--edge\r\n\r\na\r\n--edge\r\n\r\nb\r\n--edge--\r\n",
            b"--edge\r\n\r\na\r\n--edge\r\n\r\nb\r\n",
            b"a\r\n--edge\r\n\r\nb\r\n--edge--\r\n",
            b"--edge\r\n\r\na\r\n--edge--\r\nb",
            b"b\r\n--edge\r\n\r\na\r\n--edge--\r\n",
            b"--edge\r\n\r\nb\r\n--edge\r\n\r\na\r\n--edge--\r\n",
            b"--edge\r\n\r\na\r\nb\r\n--edge--\r\n",
            b"--edge\r\n\r\nb\r\n--edge--\r\na",
        ]
        assert len({digest(head + body) for body in bodies}) == len(bodies)

    def test_written_as_fields(self) -> None:
        """Parts that are written as the header of one part are not those parts."""
        flat = parts(b"Content-Type: text/plain\r\nPart: 0\r\nText: Hi.\r\n\r\nBye.")
        assert not are_one(flat, parts(b"Content-Type: text/plain\r\n\r\nHi.", b"\r\nBye."))
        assert not are_one(parts(b"\r\none"), parts(b"\r\none").replace(b"multipart/mixed", b"text/plain"))

    def test_without_a_header(self) -> None:
        """A message without a header differs from one with an empty header; the body is the same."""
        for message in (b"Hi.", b"\r\nHi.", b"no field\r\nSubject: x\r\n\r\nHi."):
            assert not same_content(message, 0, len(message)).has_header
        assert same_content(ORIGINAL, 0, len(ORIGINAL)).has_header
        assert not are_one(b"\r\nHi.", b"\r\nHo.")

    @pytest.mark.parametrize(
        "block",
        [b"X: " + b"y" * HEADER_LIMIT + b"\r\n", b"Cc: a\r\n" * (FIELD_LIMIT + 1)],
        ids=["bytes", "fields"],
    )
    def test_beyond_the_limits(self, block: bytes) -> None:
        """Every byte of a header block beyond the limits is covered."""
        message = block + ORIGINAL
        for place in (1, len(block) - 3, len(message) - 3):
            assert not are_one(message, message[:place] + b"z" + message[place + 1 :])

    @pytest.mark.parametrize(
        "before",
        [b"\xef\xbb\xbf", b"\xef\xbb\xbfFrom someone\r\n", b"From someone\rSubject: x\r\n", b"From a\r\r\n", b"\r\n"],
        ids=repr,
    )
    def test_before_the_header(self, before: bytes) -> None:
        """Text before a header is covered unless it is a From line: for some readers the message begins there."""
        digests = {digest(message) for message in (ORIGINAL, before + ORIGINAL, before[:-1] + b"." + ORIGINAL)}
        assert len(digests) == 3


class TestAsItStands:
    """If readers could disagree about the parts, the body is covered as written, including a boundary in it."""

    @pytest.mark.parametrize(
        "declared",
        [
            b"multipart/mixed",
            b"text/plain; boundary=%b",
            b"multipart/mixed; boundary*=us-ascii''%b",
            b"multipart/mixed; boundary*0=%b",
            b"multipart/mixed; boundary=%b; boundary=other",
            b"multipart/mixed; boundary=%b (a comment)",
            b'multipart/mixed; boundary="%b\\x"',
            b'multipart/mixed; boundary="%b',
            b"multipart/mixed; boundary=x%b",
        ],
        ids=repr,
    )
    def test_declared_in_other_ways(self, declared: bytes) -> None:
        """The body is covered as written if only some readers understand the declared boundary, or none."""
        one, other = [parts(b"\r\nHi.", edge=edge, declared=declared.replace(b"%b", edge)) for edge in (b"one", b"two")]
        assert not are_one(one, other)
        assert not are_one(one, one.replace(b"Hi.", b"Ho."))

    @pytest.mark.parametrize(
        "content",
        [
            b"--one x",
            b"--onetwo",
            b"--one-",
            b"--one--",
            b"--one",
            b"--one\t\r\n\r\nmore",
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("place", ["preamble", "part", "header", "epilogue", "inner"])
    def test_look_alikes(self, content: bytes, place: str) -> None:
        """The body is covered as written if a line anywhere looks like a delimiter."""

        def message(edge: bytes) -> bytes:
            simple = parts(b"Content-Type: text/plain\r\nX: y\r\n\r\nHi.", edge=edge)
            match place:
                case "preamble":
                    return simple.replace(b"\r\n\r\n", b"\r\n\r\n" + content + b"\r\n", 1)
                case "part":
                    return simple.replace(b"Hi.", b"Hi.\r\n" + content)
                case "header":
                    return simple.replace(b"X: y", content)
                case "epilogue":
                    return simple + content
                case _:
                    return parts(parts(b"\r\n" + content, edge=b"in", head=b""), edge=edge)

        assert not are_one(message(b"one"), message(b"two"))

    @pytest.mark.parametrize(
        "inner",
        [
            parts(b"\r\nHi.", edge=b"one", head=b""),
            parts(b"\r\nHi.", edge=b"one--x", head=b""),
            b"Content-Type: multipart/mixed; boundary=in\r\n\r\nHi.",
            b"\r\nHi.\r\n--one\r\n" * (PART_LIMIT + 1),
        ],
        ids=["its own boundary", "one that begins like its end", "no delimiter", "too many parts"],
    )
    def test_parts_that_are_unclear(self, inner: bytes) -> None:
        """The body is covered as written if an inner part is unclear."""
        one, other = [parts(inner, edge=edge) for edge in (b"one", b"two")]
        assert not are_one(one, other)

    def test_beyond_the_limit_of_nesting(self) -> None:
        """The body is covered as written beyond the nesting limit."""
        assert not are_one(nested(NESTING_LIMIT + 1, b"x"), nested(NESTING_LIMIT + 1, b"y"))

    def test_very_many_parts_at_several_levels(self) -> None:
        """The body is covered as written if there are very many parts, at one level or at several."""
        inner = parts(*[b"\r\nx"] * 200, edge=b"in", head=b"")
        assert not are_one(parts(*[inner] * 3, edge=b"one"), parts(*[inner] * 3, edge=b"two"))
        assert are_one(parts(*[inner] * 2, edge=b"one"), parts(*[inner] * 2, edge=b"two"))

    @pytest.mark.parametrize(
        "encoding", [b"base64", b"quoted-printable", b"x-other", b"7bit\r\nContent-Transfer-Encoding: 7bit"]
    )
    def test_encoded_multiparts(self, encoding: bytes) -> None:
        """The body is covered as written if a multipart has a transfer encoding, or two."""
        head = HEAD + b"Content-Transfer-Encoding: " + encoding + b"\r\n"
        assert not are_one(parts(b"\r\nHi.", edge=b"one", head=head), parts(b"\r\nHi.", edge=b"two", head=head))

    @pytest.mark.parametrize("lines", [PART_HEADER_LINE_LIMIT, PART_HEADER_LINE_LIMIT - 2])
    def test_large_headers_of_parts(self, lines: int) -> None:
        """The header of a part beyond the limits is content, and its part is still one of its own."""
        block = b"X: y\r\n" * lines + b"Content-Type: text/html\r\n"
        one, other = [parts(block + b"\r\nHi.", edge=edge) for edge in (b"one", b"two")]
        assert are_one(one, other)
        assert not are_one(one, one.replace(b"text/html", b"text/plain"))
        assert are_one(one, one.replace(b"X: y", b"X: z")) == (lines < PART_HEADER_LINE_LIMIT)

    def test_long_headers_of_parts(self) -> None:
        """The same goes for a very long one, which is not cached."""
        for size in (600, PART_HEADER_LIMIT):
            block = b"X: " + b"y" * size + b"\r\nContent-Type: text/html\r\n\r\nHi."
            assert are_one(parts(block, edge=b"one"), parts(block, edge=b"two"))
            assert not are_one(parts(block), parts(block.replace(b"html", b"plain")))

    def test_attached_messages(self) -> None:
        """An attached message is content: a boundary in it is covered."""
        one, other = [b"Content-Type: message/rfc822\r\n\r\n" + parts(b"\r\nHi.", edge=edge) for edge in (b"a", b"b")]
        assert not are_one(parts(one), parts(other))


# What readers of mail show


def seen(message: Message) -> list[object]:
    """Read a message with the standard library: each part, its name, its content with one kind of line end."""
    # A fold does not count, a tab counts as a space, and the number of spaces counts in a subject only.
    fields = {name: re.sub(r"\r?\n(?=[ \t])", "", str(message[name])).replace("\t", " ").strip(" ") for name in SHOWN}
    shown: list[object] = [
        [
            value if name in {"Subject", "Comments"} else [*filter(None, value.split(" "))]
            for name, value in fields.items()
        ]
    ]
    for part in message.walk():
        content: Any = part.get_payload(decode=True) if not part.is_multipart() else b""
        if isinstance(content, bytes) and b"\0" not in content:
            content = content.replace(b"\r\n", b"\n").rstrip(b"\r\n")
        shown.append((part.get_content_type(), part.get_filename(), content))
    return shown


def are_shown_alike(one: bytes, other: bytes) -> bool:
    """Whether the standard library shows the same of two messages under both of its policies."""
    return all(
        seen(email.message_from_bytes(one, policy=rules)) == seen(email.message_from_bytes(other, policy=rules))
        for rules in (policy.compat32, policy.default)
    )


_TWO_BOUNDARIES = b"--a b\r\n\r\none\r\n--a  b\r\n\r\ntwo\r\n--a b--\r\n--a  b--\r\n"
_NAMED = HEAD + b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=%b\r\n\r\nHi."


def _with_boundary(declared: bytes, edge: bytes, *, head: bytes = HEAD) -> bytes:
    return parts(b"\r\none\r\n--a\r\n\r\ntwo", edge=edge, head=head, declared=declared.replace(b"EDGE", edge))


# Pairs of messages, named by the difference that a reader sees.
PAIRS: dict[str, tuple[bytes, ...]] = {
    "a name with two semicolons": (_NAMED % b'"a;;b.txt"', _NAMED % b'"a;b.txt"'),
    "a name with a space after a semicolon": (_NAMED % b'"a; b.txt"', _NAMED % b'"a;b.txt"'),
    "a vertical tab instead of a space": (
        b"From: Al\x0bice <alice@example.com>\r\n\r\n",
        b"From: Al ice <alice@example.com>\r\n\r\n",
    ),
    "a form feed before a subject": (b"Subject: \x0cone\r\n\r\n", b"Subject: one\r\n\r\n"),
    "spaces in a boundary": tuple(
        [
            HEAD + b'Content-Type: multipart/mixed; boundary="a%bb"\r\n\r\n' % gap + _TWO_BOUNDARIES
            for gap in (b" ", b"  ")
        ]
    ),
    "spaces in a boundary that is covered as written": tuple(
        [
            HEAD + b'Content-Type: multipart/mixed; boundary="a%bb"; x=(y)\r\n\r\n' % gap + _TWO_BOUNDARIES
            for gap in (b" ", b"  ")
        ]
    ),
    "a semicolon in a boundary": tuple(
        [
            HEAD
            + b'Content-Type: multipart/mixed; boundary="a;%bb"\r\n\r\n' % gap
            + _TWO_BOUNDARIES.replace(b"a b", b"a;b").replace(b"a  b", b"a; b")
            for gap in (b"", b" ")
        ]
    ),
    "a boundary in the value of another parameter": tuple(
        [_with_boundary(b'multipart/mixed; x="y;boundary=EDGE;z"', edge) for edge in (b"c", b"d")]
    ),
    "a boundary round quotes": tuple(
        [_with_boundary(b'multipart/mixed; x=";boundary="EDGE";y="', edge) for edge in (b"c", b"d")]
    ),
    "a boundary after an open quote": tuple(
        [_with_boundary(b'multipart/mixed; x="y; boundary=EDGE', edge) for edge in (b"c", b"d")]
    ),
    "a delimiter after a carriage return": tuple([parts(b"\r\none\r--a\r\r\ntwo", edge=edge) for edge in (b"a", b"b")]),
    "a delimiter after a carriage return in a preamble": tuple(
        [parts(b"\r\none", edge=edge).replace(b"\r\n\r\n", b"\r\n\r\nx\r--a\r\r\n", 1) for edge in (b"a", b"b")]
    ),
    "a boundary in angle brackets": tuple(
        [_with_boundary(b'multipart/mixed; boundary="EDGE"', edge) for edge in (b"<a>", b"<b>")]
    ),
    "a boundary of eight bits": tuple(
        [_with_boundary(b'multipart/mixed; boundary="EDGE"', edge) for edge in (b"\xc3\xa9", b"\xc3\xa8")]
    ),
    "an unquoted boundary that needs quotes": tuple(
        [_with_boundary(b"multipart/mixed; boundary=EDGE", edge) for edge in (b"c/c", b"d/d")]
    ),
    "an unquoted boundary with an apostrophe": tuple(
        [_with_boundary(b"multipart/mixed; boundary=EDGE", edge) for edge in (b"c'c", b"d'd")]
    ),
    "an unquoted boundary with an asterisk": tuple(
        [_with_boundary(b"multipart/mixed; boundary=EDGE", edge) for edge in (b"c*c", b"d*d")]
    ),
    "a type of three words": tuple(
        [_with_boundary(b"multipart/mixed/x; boundary=EDGE", edge) for edge in (b"c", b"d")]
    ),
    "a quote in a type": tuple([_with_boundary(b'multipart/mix"ed; boundary="EDGE"', edge) for edge in (b"c", b"d")]),
    "a semicolon before a type": tuple(
        [parts(b"\r\nHi.", declared=mark + b"multipart/mixed; boundary=edge") for mark in (b"", b";")]
    ),
    "a delimiter in an odd header": tuple(
        [parts(b"\r\nHi.", edge=edge).replace(b"\r\n\r\n", b"\r\n--a\r\n\r\n", 1) for edge in (b"a", b"b")]
    ),
    "a delimiter in the odd header of a part": tuple(
        [
            parts(parts(b"\r\nHi.", edge=edge, head=b"").replace(b"\r\n\r\n", b"\r\n--a\r\n\r\n", 1), edge=b"out")
            for edge in (b"a", b"b")
        ]
    ),
    "a subject after an odd line": (
        b"From: alice@example.com\r\nSubject: x\r\nno field\r\n\r\nHi.",
        b"From: alice@example.com\r\nno field\r\nSubject: x\r\n\r\nHi.",
    ),
    "text after an odd line": (HEAD + b"no field\r\nX: one\r\n\r\nHi.", HEAD + b"no field\r\nX: two\r\n\r\nHi."),
    "text after an odd line of a part": (
        parts(b"Content-ID: x\r\nno field\r\nX: one\r\n\r\nHi."),
        parts(b"Content-ID: x\r\nno field\r\nX: two\r\n\r\nHi."),
    ),
    "a large header of a part, and the same as its content": tuple(
        [parts(blank + b"X: y\r\n" * 70 + b"Content-Type: text/html\r\n\r\nHi.") for blank in (b"", b"\r\n")]
    ),
}


class TestNoTwoShareOne:
    """Two messages that a reader of mail shows otherwise never have one digest: the other would count as its fork."""

    @pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
    def test_pairs(self, pair: tuple[bytes, ...]) -> None:
        """A message that the standard library shows differently is another message."""
        assert not are_shown_alike(*pair)
        assert not are_one(*pair)

    @given(st.data())
    def test_damaged(self, data: st.DataObject) -> None:
        """Changing some bytes of a message leaves everything shown as it was, or makes it another message."""
        message = data.draw(st.sampled_from(_TO_DAMAGE))
        other = message
        for _ in range(data.draw(st.integers(1, 3))):
            where = data.draw(st.integers(0, len(other)))
            room = data.draw(st.integers(0, 2))
            other = other[:where] + data.draw(st.sampled_from(_DAMAGE)) + other[where + room :]
        if are_one(message, other):
            assert are_shown_alike(message, other)

    @pytest.mark.parametrize("behind", [b"", b"\r\n\r\nHi."], ids=["no blank line", "a blank line"])
    def test_a_fold_of_nothing(self, behind: bytes) -> None:
        """For some readers a part that begins with a space begins with its text: such a line is neither a field nor a fold."""
        for before in (b"", b"Content-Type: text/plain\r\n \r\n"):
            assert not are_one(parts(before + b" harmless" + behind), parts(before + b" secret" + behind))


_TO_DAMAGE = [
    ORIGINAL,
    parts(b"\r\none", b"Content-Type: text/html\r\n\r\ntwo"),
    nested(2),
    parts(b'Content-Disposition: attachment; filename="ab.txt"\r\n\r\nQUJD'),
]
_DAMAGE = [b"", b" ", b"\t", b"\r", b"\n", b"\r\n", b"-", b"--", b'"', b";", b"x", b":", b"--edge", b"\r\n\r\n"]


def test_repeated_fields() -> None:
    """The fields that a report copies from its original come in one order, unfolded, without the report's own fields."""
    one = b"To: a@example.com,\r\n\tb@example.com\r\nfrom: c@example.com\r\nContent-Type: text/plain\r\nX: y\r\n\r\n"
    other = b"FROM:c@example.com\nMessage-ID: <1@example.com>\nTo: a@example.com, b@example.com\n\n"
    assert repeated_fields(one) == repeated_fields(other)
    assert repeated_fields(one) != repeated_fields(one.replace(b"c@", b"d@"))
    assert repeated_fields(one) == repeated_fields(b"Date: x\r\nSender: y@example.com\r\n" + one)
    assert repeated_fields(b"") == b""


@pytest.mark.parametrize("size", [0, 10, (256 << 10) - 2, (256 << 10) - 1, 256 << 10, 1 << 20])
@pytest.mark.parametrize("line", [b"\r\n", b"x\r\n", b"\rx\r\n"], ids=repr)
def test_texts(line: bytes, size: int) -> None:
    """The digest of a text depends on its lines, also when a NUL is next to a line end."""
    text = b"y" * size + line * 10 + b"z"

    def digest_of(content: bytes) -> bytes:
        return text_digest(b"--" + content + b"--", 2, 2 + len(content))

    assert digest_of(text) == digest_of(text + b"\r\n\n") == digest_of(text.replace(b"\r\n", b"\n"))
    assert digest_of(text) != digest_of(text.replace(line, b"", 1))
    assert digest_of(text + b"\0") == digest_of((text + b"\0").replace(b"\r\n", b"\n")) != digest_of(text)
    assert digest_of(base64.b64encode(text)) != digest_of(text)


# The size of the input grows with the number.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    **HOSTILE_CONTENT,
    "odd lines": lambda n: b"Subject: x\r\n" + b"no field\r\n" * n + b"\r\nHi.",
    "odd lines of a part": lambda n: parts(b"no field\r\n" * n + b"\r\nHi."),
    "folds of spaces": lambda n: b"Subject: x\r\n" + b" \r\n" * n + b"\r\nHi.",
    "carriage returns of a header": lambda n: b"Subject: x\r\n" + b"X: \r" * n + b"\r\n\r\nHi.",
    "semicolons": lambda n: b"Content-Type: multipart/mixed" + b"; " * n + b"; boundary=edge\r\n\r\n--edge--",
    "open quotes": lambda n: b"Content-Type: multipart/mixed" + b'; boundary="x' * n + b"\r\n\r\n--edge--",
    "quotes and spaces": lambda n: b"Content-Type: multipart/mixed" + b'; boundary=" "' * n + b"\r\n\r\n--edge--",
    "a long boundary": lambda n: parts(b"\r\n" + b"-" * n, edge=b"-" * n),
    "line ends of parts": lambda n: parts(*[b"\r\n" + b"\r\n" * n] * 10),
    "short parts at several levels": lambda n: parts(*[parts(*[b"\r\n-"] * (n // 10), edge=b"in", head=b"")] * 10),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
class TestLinear:
    """Time and memory grow in proportion to the input."""

    def test_steps(self, make: Callable[[int], bytes]) -> None:
        """Four times the input takes at most about four times the steps."""
        small, large = make(250), make(1000)
        assert steps(lambda: digest(large)) <= 5 * steps(lambda: digest(small)) + 2000

    def test_memory(self, make: Callable[[int], bytes]) -> None:
        """Four times the input takes at most about four times the memory."""
        small, large = make(1000), make(4000)
        digest(small)  # things made only once count for neither
        assert peak(lambda: digest(large)) <= 6 * peak(lambda: digest(small)) + 60_000

    def test_patterns(self, make: Callable[[int], bytes]) -> None:
        """No pattern goes over the same characters again and again."""
        message = make(60_000)
        with watchdog():
            digest(message)
