"""Multipart bodies: the headers of parts, the places of parts, and decoded content."""

import base64
import binascii
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exjournal import DefectCode
from exjournal._wire.multipart import (
    Body,
    TooManyParts,
    body_spans,
    declared,
    leaf_at,
    part_info,
    text_decoded,
    transfer_decoded,
)
from exjournal.limits import HEADER_LIMIT, PART_HEADER_LIMIT, PART_HEADER_LINE_LIMIT, PART_LIMIT


class TestDeclared:
    """What Content-Type and Content-Transfer-Encoding say."""

    @pytest.mark.parametrize(
        ("value", "media_type", "charset", "boundary"),
        [
            (b"", "text/plain", "", b""),
            (b' multipart/mixed;\r\n\tboundary="_x_"', "multipart/mixed", "", b"_x_"),
            (b" Multipart/Mixed ; Boundary=x", "multipart/mixed", "", b"x"),
            (b' text/plain; charset="UTF-8"', "text/plain", "utf-8", b""),
            (b" text/plain; charset=us-ascii; format=flowed", "text/plain", "us-ascii", b""),
            (b" text/plain;charset*=us-ascii'en'utf%2D8", "text/plain", "utf-8", b""),
            (b" text/plain; charset*0=ut; charset*1=f-8", "text/plain", "utf-8", b""),
            (b" multipart/mixed; boundary*0*=''a%20; boundary*1=b; boundary*3=c", "multipart/mixed", "", b"a b"),
            (b" multipart/mixed; boundary*1=b", "multipart/mixed", "", b""),
            (b" multipart/mixed; boundary*=x; boundary=y", "multipart/mixed", "", b"x"),
            (b' multipart/mixed; boundary="a\\"b\\\\c"', "multipart/mixed", "", b'a"b\\c'),
            (b' multipart/mixed; boundary="a;b=c d "', "multipart/mixed", "", b"a;b=c d"),
            (b' multipart/mixed; boundary="never closed', "multipart/mixed", "", b"never closed"),
            (b' multipart/mixed; boundary="ends so\\', "multipart/mixed", "", b""),
            (b" multipart/mixed; boundary=a; boundary=b", "multipart/mixed", "", b"a"),
            (b' multipart/mixed; name="; boundary=no"; boundary=yes', "multipart/mixed", "", b"yes"),
            (b" multipart/mixed boundary=x", "multipart/mixed", "", b""),
            (b" multipart/mixed; boundary = x", "multipart/mixed", "", b"x"),
            (b" multipart/mixed; boundary=", "multipart/mixed", "", b""),
            (b" multipart/mixed; boundary=\xc3\xa9", "multipart/mixed", "", b"\xc3\xa9"),
            (b" message/rfc822", "message/rfc822", "", b""),
            (b" text; charset=utf-8", "text/plain", "utf-8", b""),
            (b" ;;; charset=utf-8", "text/plain", "utf-8", b""),
            (b" " + b"x/" + b"y" * 5000 + b"; boundary=z", "x/" + "y" * 2045, "", b""),
        ],
    )
    def test_content_type(self, value: bytes, media_type: str, charset: str, boundary: bytes) -> None:
        """The type in lower case, the charset in lower case, the boundary as it is."""
        info = declared(value)
        assert (info.media_type, info.charset, info.boundary) == (media_type, charset, boundary)

    @pytest.mark.parametrize(
        ("value", "encoding"),
        [(b"", ""), (b" BASE64 ", "base64"), (b" 7bit; x=y", "7bit"), (b"\r\n quoted-printable", "quoted-printable")],
    )
    def test_transfer_encoding(self, value: bytes, encoding: str) -> None:
        """The encoding in lower case, without parameters that some writers add."""
        assert declared(b"", value).encoding == encoding

    @pytest.mark.parametrize(
        ("value", "family"),
        [
            (b"", "text"),
            (b"text/plain", "text"),
            (b"text/enriched", "text"),
            (b"text/html", "html"),
            (b"multipart/x-unknown; boundary=x", "multipart"),
            (b'multipart/mixed; boundary="x"', "multipart"),
            (b"message/rfc822", "message"),
            (b"message/global", "message"),
            (b"message/delivery-status", "other"),
            (b"application/ms-tnef", "tnef"),
            (b"application/octet-stream", "other"),
            (b"textual/plain", "other"),
        ],
    )
    def test_family(self, value: bytes, family: str) -> None:
        """A type belongs to the family that it is read as."""
        assert declared(value).family == family

    @given(st.binary(max_size=80) | st.text("boundary*=\";\\/% '0123 \t\r\nx", max_size=80).map(str.encode))
    def test_total(self, value: bytes) -> None:
        """Any value declares something."""
        assert not re.search(rb"\s\Z", declared(value, value).boundary)


class TestUnclear:
    """A Content-Type in which readers find different boundaries is read in one way, and says so."""

    @pytest.mark.parametrize(
        ("content_type", "boundary"),
        [
            (b"multipart/mixed; boundary=a; boundary*=us-ascii''b", b"b"),
            (b"multipart/mixed; boundary*=us-ascii''b; boundary=a", b"b"),
            (b"multipart/mixed; boundary=a; boundary*0=b; boundary*1=c", b"bc"),
            (b"multipart/mixed; boundary=a; BOUNDARY=b", b"a"),
            (b"multipart/mixed; boundary*0=a; boundary*0=b", b"a"),
            (b"multipart/mixed; (boundary=a) boundary=b", b"b"),
            (b"multipart/mixed; boundary=b (; boundary=a)", b"b"),
            (b'multipart/mixed; x=y (\\) (; boundary=a) ")"); boundary=b', b"b"),
            (b"multipart/mixed; (boundary=a)", b""),
            (b'multipart/mixed; x="; boundary=a', b""),
            (b"multipart/mixed; boundary==?utf-8?q?a?=", b"=?utf-8?q?a?="),
            (b"=?utf-8?q?x?=/mixed; boundary=b", b"b"),
        ],
        ids=repr,
    )
    def test_unclear(self, content_type: bytes, boundary: bytes) -> None:
        """The extended boundary counts, then the first; comments are not parameters (RFC 822 section 3.4.3)."""
        info = declared(content_type)
        assert info.boundary == boundary
        assert info.ambiguities == (("Content-Type: boundary", 0),)

    @pytest.mark.parametrize(
        ("content_type", "boundary"),
        [
            (b"multipart/mixed; boundary*0=a; boundary*1=b", b"ab"),
            (b'multipart/mixed; x="; boundary=a"; boundary=b', b"b"),
            (b'multipart/mixed; boundary="==Multipart_Boundary_x"', b"==Multipart_Boundary_x"),
            (b"multipart/mixed (a comment); boundary=a(b)c", b"a(b)c"),
            (b'message/rfc822; name="=?utf-8?q?a?="', b""),
            (b"text/plain (boundary=a)", b""),
        ],
        ids=repr,
    )
    def test_clear(self, content_type: bytes, boundary: bytes) -> None:
        """One boundary in any spelling that readers share is clear, and so are other types."""
        info = declared(content_type)
        assert info.boundary == boundary
        assert info.ambiguities == ()

    def test_transfer_encodings(self) -> None:
        """A transfer encoding with a parameter is decoded by some readers only, unless there is nothing to decode."""
        assert declared(b"text/plain", b"base64; x=y").ambiguities == (("Content-Transfer-Encoding", 0),)
        assert declared(b"text/plain", b"7bit; x=y").ambiguities == ()

    def test_the_block_of_a_part(self) -> None:
        """A part header says where it is unclear, with or without the line end before it."""
        block = b"X: y\r\nContent-Type: multipart/mixed; boundary=a; boundary=b\r\nX : y\r\n"
        for before in (b"", b"\n"):
            found = part_info(before + block).ambiguities
            assert found == (("a space before a colon", 61), ("Content-Type: boundary", 19))


class TestPartInfo:
    """The header block of a part."""

    def test_fields(self) -> None:
        """The first of each field counts, in any letter case and place."""
        block = b"X: y\r\ncontent-TYPE: text/html;\r\n charset=x\r\nContent-Transfer-Encoding: base64\r\nContent-Type: a/b\r\n"
        info = part_info(block)
        assert (info.media_type, info.charset, info.encoding) == ("text/html", "x", "base64")

    def test_long_blocks(self) -> None:
        """A block that is too long to be kept is read as the others are."""
        block = b"X: " + b"y" * 1000 + b"\r\nContent-Type: message/rfc822\r\n"
        assert part_info(block) == part_info(b"Content-Type: message/rfc822\r\n")

    @pytest.mark.parametrize(
        ("block", "family"),
        [
            (b"Content-Type: application/octet-stream; name=WinMail.dat\r\n", "tnef"),
            (
                b'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="winmail.dat"\r\n',
                "tnef",
            ),
            (b"Content-Type: text/plain; name=winmail.dat\r\n", "text"),
        ],
    )
    def test_winmail(self, block: bytes, family: str) -> None:
        """Outlook's name for its own form is known under a type that says nothing."""
        assert part_info(block).family == family


def leaf_of(part: bytes) -> tuple[str, bytes]:
    """The type and the content of a part, which lies inside other data."""
    data = b"--edge\n" + part + b"\n--edge\n\r\n"
    leaf = leaf_at(data, 7, 7 + len(part))
    return leaf.info.media_type, data[leaf.start : leaf.end]


class TestLeafAt:
    """A part is its header block and its content."""

    @pytest.mark.parametrize(
        ("part", "media_type", "content"),
        [
            (b"Content-Type: a/b\r\n\r\nbody", "a/b", b"body"),
            (b"Content-Type: a/b\n\nbody", "a/b", b"body"),
            (b"Content-Type: a/b\r\n\nbody", "a/b", b"body"),
            (b"Content-Type: a/b\n\r\nbody", "a/b", b"body"),
            (b"Content-Type: a/b\n\nbody\r\n\r\nmore", "a/b", b"body\r\n\r\nmore"),
            (b"Content-Type: a/b\r\n\r\n", "a/b", b""),
            (b"Content-Type: a/b\r\n", "a/b", b""),
            (b"Content-Type: a/b", "a/b", b""),
            (b"\r\nbody", "text/plain", b"body"),
            (b"\nContent-Type: a/b\n\n", "text/plain", b"Content-Type: a/b\n\n"),
            (b"no header here", "text/plain", b"no header here"),
            (b"", "text/plain", b""),
            (b"X: " + b"y" * 2000 + b"\r\nContent-Type: a/b\r\n\r\nbody", "a/b", b"body"),
            (b"X: " + b"y" * 2000 + b"\nContent-Type: a/b\n\nbody", "a/b", b"body"),
        ],
    )
    def test_parts(self, part: bytes, media_type: str, content: bytes) -> None:
        """The first empty line ends the header; without one the first line says what it all is."""
        assert leaf_of(part) == (media_type, content)

    def test_endless_header(self) -> None:
        """A header block beyond the limit is content."""
        part = b"Content-Type: a/b\r\n" + b"X: y\r\n" * (HEADER_LIMIT // 6) + b"\r\nbody"
        assert leaf_of(part) == ("text/plain", part)


def spans(data: bytes, boundary: bytes = b"b") -> list[bytes] | None:
    """The contents of the parts of a body that begins after a line end."""
    body = body_spans(b"\n" + data, 1, len(data) + 1, boundary)
    return None if body is None else [(b"\n" + data)[start:end] for start, end in body.parts]


def by_lines(data: bytes, boundary: bytes) -> tuple[list[bytes], bool, bytes, bytes] | None:
    """The same by looking at each line (RFC 2046 section 5.1.1): parts, closed, preamble, epilogue."""
    delimiter = re.compile(rb"--%b(--)?[ \t]*(\r?\n|\r?\Z)" % re.escape(boundary))
    parts: list[bytes] = []
    pieces: list[bytes] = []
    begun, wide = False, False
    preamble = b""
    rest = re.findall(rb"[^\n]*\n|[^\n]+", data)
    while rest:
        line = rest.pop(0)
        found = delimiter.fullmatch(line)
        if found is None:
            pieces.append(line)
            continue
        crlf = found[2] == b"\r\n"
        content = b"".join(pieces).removesuffix(b"\n")
        if begun:
            # The CR before the delimiter's LF is the delimiter's own, unless both delimiters end in LF alone.
            parts.append(content.removesuffix(b"\r") if wide or crlf else content)
        else:
            preamble = b"".join(pieces)
        begun, wide, pieces = True, crlf, []
        if found[1]:
            return parts, True, preamble, b"".join(rest)
    return ([*parts, b"".join(pieces)], False, preamble, b"") if begun else None


_LINES = st.lists(
    st.sampled_from(
        [
            b"--b",
            b"--b",
            b"--b--",
            b"--bb",
            b"--b ",
            b"--b\t--",
            b"--b-- ",
            b"--b-",
            b"-",
            b"b",
            b"",
            b"\r",
            b"x",
            b" --b",
        ]
    ),
    max_size=8,
)
_BODIES = st.builds(
    lambda lines, ends: b"".join([line + end for line, end in zip(lines, ends, strict=False)]),
    _LINES,
    st.lists(st.sampled_from([b"\r\n", b"\n", b""]), min_size=8, max_size=8),
)


class TestBodySpans:
    """The parts lie between the delimiter lines."""

    @pytest.mark.parametrize(
        ("data", "parts"),
        [
            (b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", [b"one", b"two"]),
            (b"--b\none\n--b\ntwo\n--b--\n", [b"one", b"two"]),
            (b"preamble\r\n--b\r\none\r\n--b--\r\nepilogue", [b"one"]),
            (b"--b \t\r\none\r\n--b--\t", [b"one"]),
            (b"--b\r\none", [b"one"]),
            (b"--b\r\none\r\n", [b"one\r\n"]),
            (b"--b\r\none\r\n--b", [b"one", b""]),
            (b"--b\r\n--b\r\n--b--", [b"", b""]),
            (b"--b\r\n\r\n--b--", [b""]),
            (b"--b\r\none\r\n--bb\r\n--b--", [b"one\r\n--bb"]),
            (b"--b\r\none--b\r\n --b\r\n--b--", [b"one--b\r\n --b"]),
            (b"--b\r\none\r\n--b-\r\n--b-- x\r\n--b x\r\n--b--", [b"one\r\n--b-\r\n--b-- x\r\n--b x"]),
            (b"--b\none\r\n--b\r\ntwo\r\n--b--\n", [b"one", b"two"]),
            (b"--b\none\r\n--b--\n", [b"one\r"]),
            (b"--b\r\none\r\n--b--\r", [b"one"]),
            (b"--b--\r\n--b\r\nlate", []),
        ],
    )
    def test_bodies(self, data: bytes, parts: list[bytes]) -> None:
        """The line end before a delimiter is the delimiter's, and look-alikes are content."""
        assert spans(data) == parts

    @pytest.mark.parametrize("data", [b"", b"b", b"--bb\r\n", b" --b\r\n", b"--b x\r\n", b"--B\r\n"])
    def test_none(self, data: bytes) -> None:
        """Without a delimiter line there are no parts."""
        assert spans(data) is None

    @given(_BODIES)
    @example(b"--b\r\n--b")
    def test_agrees_with_lines(self, data: bytes) -> None:
        """Searching for delimiters gives what looking at each line gives."""
        expected = by_lines(data, b"b")
        for many in (b"", b"--b?\n" * 150):  # after many look-alikes another search is used
            whole = b"\n" + many + data
            body = body_spans(whole, 1, len(whole), b"b")
            if expected is None or body is None:
                assert body == expected
                continue
            parts, closed, preamble, epilogue = expected
            assert [whole[start:end] for start, end in body.parts] == parts
            assert body.closed is closed
            assert body.preamble_end == len(many + preamble)
            assert whole[body.epilogue :] == epilogue

    @given(_BODIES, st.integers(0, 5), st.integers(0, 5))
    def test_in_place(self, data: bytes, before: int, after: int) -> None:
        """Any text before and after the body changes nothing."""
        alone = spans(data)
        whole = b"\r\n--b"[:before] + b"\n" + data + b"\r\n--b"[:after]
        start = min(before, 5) + 1
        body = body_spans(whole, start, start + len(data), b"b")
        assert alone == (None if body is None else [whole[first:last] for first, last in body.parts])

    def test_limit(self) -> None:
        """One part more than the limit raises, with its place."""
        data = b"--b\n" * PART_LIMIT
        assert len(spans(data) or ()) == PART_LIMIT
        with pytest.raises(TooManyParts) as caught:
            spans(data + b"--b\n")
        assert caught.value.args == (1 + len(data),)

    def test_limit_after_look_alikes(self) -> None:
        """The limit holds for both ways of searching together."""
        few, many = b"--b\n" * 10, b"--b?\n" * 150
        assert len(spans(few + many + b"--b\n" * (PART_LIMIT - 10)) or ()) == PART_LIMIT
        with pytest.raises(TooManyParts):
            spans(few + many + b"--b\n" * (PART_LIMIT - 9))

    @pytest.mark.parametrize("count", [99, 100, 101])
    def test_nothing_but_look_alikes(self, count: int) -> None:
        """Lines that go on after the boundary are not delimiters, however many there are."""
        assert spans(b"--b?\n" * count) is None
        assert spans(b"--b?\n" * count + b"--b\none\n--b--\n") is not None

    def test_special_characters(self) -> None:
        """A boundary is literal, not a pattern."""
        edge = b".*[x]+?|("
        data = b"--" + edge + b"\none\n" + b"--xxx\n--" + edge + b"y\n" * 150 + b"\n--" + edge + b"--\n"
        parts = spans(data, edge)
        assert parts is not None
        assert len(parts) == 1

    def test_named_result(self) -> None:
        """The result says what lies outside the parts."""
        data = b"\nbefore\n--b\none\n--b--\nbehind"
        body = body_spans(data, 1, len(data), b"b")
        assert body == Body(
            [(data.index(b"one"), data.index(b"one") + 3)], True, data.index(b"\n--b"), data.index(b"behind")
        )


class TestBareCarriageReturns:
    """A line that is a delimiter only with bare carriage returns for line ends does not count, and its place is known."""

    @pytest.mark.parametrize(
        ("line", "at"),
        [
            (b"x\r--b--\ry", 2),
            (b"x\r--b\ry", 2),
            (b"x\r--b \r\ny", 2),
            (b"x\r\n--b--\ry", 3),
            (b"x\n--b\ry", 2),
            (b"x\r--bc\ry", -1),
            (b"x --b--\ry", -1),
            (b"x\r--b--y", -1),
        ],
        ids=repr,
    )
    def test_places(self, line: bytes, at: int) -> None:
        """The first such line is reported, and the parts stay the same."""
        data = b"\r\n--b\r\n\r\n" + line + b"\r\n--b--\r\n"
        body = body_spans(data, 2, len(data), b"b")
        assert body is not None
        assert len(body.parts) == 1
        assert body.bare == (at if at < 0 else at + 9)

    @pytest.mark.parametrize("line", [b"x\r--b--\ry", b"nothing"], ids=repr)
    def test_among_look_alikes(self, line: bytes) -> None:
        """So it is after very many lines that look like a delimiter."""
        data = b"\r\n--b\r\n\r\n" + b"\n--bc" * 200 + line + b"\r\n--b--\r\n"
        body = body_spans(data, 2, len(data), b"b")
        assert body is not None
        assert len(body.parts) == 1
        assert body.bare == data.find(b"\r--b") + 1 - (b"\r" not in line)


class TestPartHeaderLimits:
    """How much of a part header is read."""

    @pytest.mark.parametrize(("room", "media_type"), [(0, "message/rfc822"), (1, "text/plain")])
    def test_long_part_header(self, room: int, media_type: str) -> None:
        """A declaration counts within the bytes of a part header that are read."""
        field = b"Content-Type: message/rfc822\r\n"
        padding = b"X: " + b"y" * (PART_HEADER_LIMIT - len(field) - 5 + room * 40) + b"\r\n"
        assert part_info(padding + field).media_type == media_type

    @pytest.mark.parametrize(("room", "media_type"), [(0, "message/rfc822"), (1, "text/plain")])
    def test_part_header_of_many_lines(self, room: int, media_type: str) -> None:
        """A declaration counts within the lines of a part header that are read."""
        padding = b"X: yyyyyyyyyyyy\r\n" * (PART_HEADER_LINE_LIMIT - 1 + room)
        assert part_info(padding + b"Content-Type: message/rfc822\r\n").media_type == media_type


class TestTransferDecoded:
    """Decoding of content."""

    @given(st.binary(max_size=200))
    def test_base64(self, content: bytes) -> None:
        """Base64 in lines of any kind is decoded whole."""
        coded = base64.encodebytes(content)
        for lines in (coded, coded.replace(b"\n", b"\r\n"), coded.replace(b"\n", b""), b" " + coded + b"\t"):
            assert transfer_decoded(b"x" + lines + b"x", 1, len(lines) + 1, "base64") == (content, None)

    @pytest.mark.parametrize(
        ("coded", "content"),
        [
            (b"YWJj", b"abc"),
            (b"YWJjZA", b"abcd"),
            (b"YWJjZ", b"abc"),
            (b"YWJjZA=", b"abcd"),
            (b"YWJjZA==YWJj", b"abcd"),
            (b"YW*J-j", b"abc"),
            (b"=", b""),
            (b"\xff", b""),
        ],
    )
    def test_damaged_base64(self, coded: bytes, content: bytes) -> None:
        """Base64 that is cut, or has other bytes in it, is decoded from its own bytes, and the damage is reported."""
        assert transfer_decoded(b"x" + coded, 1, len(coded) + 1, "base64") == (content, None if coded == b"YWJj" else 1)

    def test_footer(self) -> None:
        """Text that a gateway added after base64 is not taken for more of it."""
        coded = b"YWJj\r\nZGVm\r\n\r\nThis footer was added.\r\n"
        assert transfer_decoded(coded, 0, len(coded), "base64") == (b"abcdef", 0)

    @given(st.binary(max_size=200))
    def test_any_base64(self, coded: bytes) -> None:
        """Any bytes decode to something."""
        content, damage = transfer_decoded(coded, 0, len(coded), "base64")
        assert len(content) <= len(coded)
        assert damage in {None, 0}

    @given(st.binary(max_size=200))
    def test_quoted_printable(self, content: bytes) -> None:
        """Quoted-printable is decoded whole."""
        coded = binascii.b2a_qp(content, istext=False)
        assert transfer_decoded(coded, 0, len(coded), "quoted-printable") == (content, None)

    @pytest.mark.parametrize(
        ("coded", "content", "damage"),
        [
            (b"a= \r\nb", b"ab", None),
            (b"a=\t \nb", b"ab", None),
            (b"a \t\r\nb\t\n \t", b"a\r\nb\n", None),
            (b"a=20 \r\nb  c\r\n", b"a \r\nb  c\r\n", None),
            (b"a=", b"a", None),
            (b"a= ", b"a", None),
            (b"=c3=a9=C3=A9", b"\xc3\xa9\xc3\xa9", None),
            (b"a" * 1000 + b"=3D", b"a" * 1000 + b"=", None),
            (b"a==40b", b"a=@b", 1),
            (b"a==", b"a=", 1),
            (b"a==\r\nb", b"a=b", 1),
            (b"==3D", b"==", 0),
            (b"===", b"==", 0),
            (b"a=4", b"a=4", 1),
            (b"a=4\r\n1", b"a=4\r\n1", 1),
            (b"=41=g1 \r\n=x", b"A=g1\r\n=x", 3),
            (b"a=\rb\n=41", b"a=\rb\nA", 1),
            (b"a=\r", b"a=\r", 1),
            (b"a = b=20c\r\n", b"a = b c\r\n", 2),
            # What one of them loses the other has too much.
            (b"=\rabc\r\n=x=x", b"=\rabc\r\n=x=x", 0),
        ],
    )
    def test_odd_quoted_printable(self, coded: bytes, content: bytes, damage: int | None) -> None:
        """Spaces and tabs before a line end are dropped; an equals sign that begins no escape stays, and is damage."""
        for before in (b"", b"=41"):
            data = b"xx" + before + coded + b"yy"
            found = transfer_decoded(data, 2, len(data) - 2, "quoted-printable")
            assert found == (b"A" * bool(before) + content, None if damage is None else 2 + len(before) + damage)

    @given(
        st.lists(st.sampled_from([b"=", b"= ", b"=4", b"=41", b"a", b" ", b"\t", b"\r", b"\n", b"\r\n"]), max_size=9)
    )
    def test_every_byte_of_quoted_printable(self, pieces: list[bytes]) -> None:
        """A plain reading of the rules, one byte after the other, gives the same content and the same damage."""
        coded = b"".join(pieces)
        lines = re.sub(rb"[ \t]+(\r?\n|\Z)", rb"\1", coded)
        expected = re.sub(
            rb"=(?:([0-9A-Fa-f]{2})|\r?\n|\Z)",
            lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"",
            lines,
        )
        is_damaged = re.sub(rb"=(?:[0-9A-Fa-f]{2}|\r?\n|\Z)", b"", lines).count(b"=") > 0
        content, damage = transfer_decoded(coded, 0, len(coded), "quoted-printable")
        assert (content, damage is not None) == (expected, is_damaged)
        assert damage is None or coded[damage] == ord("=")

    @pytest.mark.slow
    def test_long_quoted_printable(self) -> None:
        """Content of megabytes is decoded the same, and the first damage is found wherever it is."""
        coded = b"caf=C3=A9 =\r\n" * 60_000
        content = b"caf\xc3\xa9 " * 60_000
        assert transfer_decoded(coded, 0, len(coded), "quoted-printable") == (content, None)
        assert transfer_decoded(coded * 2 + b"=x=y", 0, 2 * len(coded) + 4, "quoted-printable") == (
            content * 2 + b"=x=y",
            2 * len(coded),
        )
        damaged = b"=x\r\n" * 150_000
        assert transfer_decoded(damaged, 0, len(damaged), "quoted-printable") == (damaged, 0)
        line = b"=x" * 300_000
        assert transfer_decoded(line, 0, len(line), "quoted-printable") == (line, 0)


class TestTextDecoded:
    """Bytes are text in the declared charset, or in one that fits."""

    @pytest.mark.parametrize(
        ("raw", "charset", "text", "problem"),
        [
            (b"a", "", "a", None),
            (b"a", "utf-8", "a", None),
            (b"a", "utf-16", "a", DefectCode.CHARSET_MISMATCH),
            (b"a", "koi8-r", "a", None),
            (b"\xc3\xa9", "utf-8", "\u00e9", None),
            (b"\xc3\xa9", "", "\u00e9", DefectCode.CHARSET_MISMATCH),
            (b"\xc3\xa9", "iso-8859-1", "\u00c3\u00a9", None),
            (b"\xe9", "utf-8", "\u00e9", DefectCode.CHARSET_MISMATCH),
            (b"\xe9", "us-ascii", "\u00e9", DefectCode.CHARSET_MISMATCH),
            (b"\xc3\xa9", "x-unknown", "\u00e9", DefectCode.CHARSET_UNKNOWN),
            (b"\xe9", "x-unknown", "\u00e9", DefectCode.CHARSET_UNKNOWN),
            (b"a", "x-unknown", "a", DefectCode.CHARSET_UNKNOWN),
            (b"a\0b\0", "utf-16-le", "ab", None),
            (b"\x93a\x94 \x85", "iso-8859-1", "\u201ca\u201d \u2026", None),
            (b"\x93a\x94", "latin1", "\u201ca\u201d", None),
            (b"\x93\x81", "iso-8859-1", "\x93\x81", None),
            (b"\x93", "us-ascii", "\u201c", DefectCode.CHARSET_MISMATCH),
        ],
    )
    def test_charsets(self, raw: bytes, charset: str, text: str, problem: DefectCode | None) -> None:
        """The declared one, else UTF-8, else latin-1, which are reported."""
        assert text_decoded(raw, charset) == (text, problem)

    @given(
        st.binary(max_size=40), st.sampled_from(["", "utf-8", "utf-16", "utf-7", "hz", "gb2312", "iso-2022-kr", "x"])
    )
    def test_total(self, raw: bytes, charset: str) -> None:
        """Any bytes are text in some charset."""
        assert isinstance(text_decoded(raw, charset)[0], str)
