"""Header blocks: fields found in place, values unfolded, decoded and encoded."""

import binascii
import re
from contextlib import suppress
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import DefectCode, ParseError, parse_report
from exjournal._wire.headers import (
    UNCLEAR,
    Block,
    ambiguities,
    decode,
    decode_words,
    encode_words,
    field_pattern,
    fields,
    first_line_is_field,
    known_charset,
    one_line,
    scan,
    scan_spans,
    span_pattern,
    unfold,
    value_offset,
)
from exjournal.limits import FIELD_LIMIT, HEADER_LIMIT, HEADER_LINE_LIMIT
from strategies import ORIGINAL, built, lines, message_like

PATTERN = field_pattern("to", "subject", "sender", "X-Other")


class TestScan:
    """One pass finds the wanted fields of a block and its end."""

    @pytest.mark.parametrize(
        ("data", "found", "rest"),
        [
            (b"To: a\r\nX: y\r\nSubject: b\r\n\r\nbody", {b"to": b" a\r", b"subject": b" b\r"}, b"body"),
            (b"To: a\nSubject: b\n\nbody", {b"to": b" a", b"subject": b" b"}, b"body"),
            (b"TO:a\r\nto : b\r\n\r\n", {b"to": b"a\r"}, b""),
            (b"X: y\r\nsubject\t:\r\n\r\n", {b"subject": b"\r"}, b""),
            (b"To: a\r\n b\r\n\tc\r\n\r\n", {b"to": b" a\r\n b\r\n\tc\r"}, b""),
            (b"To:\r\n \r\n b\r\n\r\nTo: c\r\n", {b"to": b"\r\n \r\n b\r"}, b"To: c\r\n"),
            (b"X-To: a\r\nTox: b\r\n To: c\r\nTo\r\n: d\r\n\r\n", {}, b""),
            (b"Sent: x\r\nSend: y\r\nX-Othe: z\r\nx-other: w\r\n\r\n", {b"x-other": b" w\r"}, b""),
            (b"\r\nTo: a\r\n", {}, b"To: a\r\n"),
            (b"\nTo: a\n", {}, b"To: a\n"),
            (b"garbage\r\nTo: a\r\n\r\n", {b"to": b" a\r"}, b""),
        ],
    )
    def test_blocks(self, data: bytes, found: dict[bytes, bytes], rest: bytes) -> None:
        """The first value of each wanted name, with its folds, up to the first empty line."""
        _, body, result, is_complete = scan(data, 0, len(data), PATTERN)
        assert result == found
        assert data[body:] == rest
        assert is_complete
        # After a line end, as in a part, the same is found.
        _, body, result, is_complete = scan(b"x\n" + data, 2, len(data) + 2, PATTERN)
        assert (result, data[body - 2 :], is_complete) == (found, rest, True)

    @pytest.mark.parametrize("data", [b"", b"To: a", b"To: a\r\n", b"To: a\r\n b", b"\r"])
    def test_no_end(self, data: bytes) -> None:
        """A block without an empty line ends with the data."""
        _, body, result, is_complete = scan(data, 0, len(data), PATTERN)
        assert (body, is_complete) == (len(data), True)
        assert set(result) <= {b"to"}

    def test_in_place(self) -> None:
        """Nothing before the start or after the end is read."""
        data = b"To: a\r\n\r\nSubject: b\r\nTo: c\r\n\r\n"
        start, end = data.index(b"Subject"), data.index(b"\r\nTo: c")
        assert scan(data, start, end, PATTERN) == Block(start, end, {b"subject": b" b"}, complete=True)

    def test_limit(self) -> None:
        """A block is looked at to the limit and no further."""
        line = b"X: " + b"y" * 59 + b"\r\n"
        data = line * (HEADER_LIMIT // len(line) + 1) + b"To: a\r\n\r\n"
        block = scan(data, 0, len(data), PATTERN)
        assert block == Block(0, HEADER_LIMIT, {}, complete=False)
        with pytest.raises(ParseError) as caught:
            block.require_complete()
        assert (caught.value.code, caught.value.offset) == (DefectCode.HEADER_TOO_LARGE, HEADER_LIMIT)

    @pytest.mark.parametrize("line", [b"X: y\r\n", b"S\n", b"\tfold\n"])
    @pytest.mark.parametrize("before", [b"", b"xy\n"])
    def test_line_limit(self, line: bytes, before: bytes) -> None:
        """A large block is looked at to its limit of lines, and read like a small one up to there."""
        start = len(before)
        first = before + b"Subject: b" + b" " * (64 << 10) + b"\n"
        data = first + line * (HEADER_LINE_LIMIT - 1)
        block = scan(data + b"To: a\n\n", start, len(data) + 7, PATTERN)
        assert (block.body, block.complete) == (len(data), False)
        data = first + line * (HEADER_LINE_LIMIT - 3) + b"To: a\n\n"
        _, body, found, complete = scan(data, start, len(data), PATTERN)
        assert (found.keys(), body, complete) == ({b"subject", b"to"}, len(data), True)

    @given(message_like())
    def test_agrees_with_fields(self, data: bytes) -> None:
        """The values found are the first ones in the list of all fields."""
        _, body, result, _ = scan(data, 0, len(data), PATTERN)
        listed: dict[bytes, bytes] = {}
        for name, value in fields(data[:body]):
            listed.setdefault(name.lower(), value)
        wanted = {name: value for name, value in listed.items() if name in {b"to", b"subject", b"sender", b"x-other"}}
        assert {name: value.removesuffix(b"\r") for name, value in result.items()} == wanted

    def test_value_offset(self) -> None:
        """The offset of a value is found again for a defect; a missing field gives the beginning of the block."""
        data = b"X-To: a\r\nSubject: b\r\nTO : c\r\nTo: d\r\n\r\n"
        assert data[value_offset(data, 0, len(data), b"to") :].startswith(b" c")
        assert data[value_offset(data, 0, len(data), b"subject") :].startswith(b" b")
        assert value_offset(data, 3, len(data), b"absent") == 3
        assert value_offset(b"To: a", 0, 5, b"to") == 3


class TestFields:
    """Every field of a block, in order."""

    def test_list(self) -> None:
        """Names and values as written, with folds; other lines are skipped."""
        block = b"A: b\r\nno field\r\nC :d\r\n e\r\n: f\r\nG\x80: h\r\ni: \r\nJ:\n\tk\n"
        assert [*fields(block)] == [(b"A", b" b"), (b"C", b"d\r\n e"), (b"i", b" "), (b"J", b"\n\tk")]

    def test_nothing(self) -> None:
        """An empty block has no fields."""
        assert [*fields(b"")] == []

    @pytest.mark.parametrize(
        ("data", "is_field"),
        [
            (b"A: b", True),
            (b"A:", True),
            (b"A \t: b", True),
            (b"A b: c", False),
            (b": b", False),
            (b" A: b", False),
            (b"A", False),
            (b"", False),
            (b"\xe9: b", False),
        ],
    )
    def test_first_line(self, data: bytes, is_field: bool) -> None:
        """A field is a name of printable characters and a colon."""
        assert first_line_is_field(b"x" + data, 1, len(data) + 1) is is_field


class TestFieldSpans:
    """Where fields lie, to be cut as bytes."""

    @pytest.mark.parametrize(
        ("data", "kept", "rest"),
        [
            (b"Bcc: a\r\nX: y\r\n\r\nBcc: b\r\n", b"X: y\r\n\r\nBcc: b\r\n", b"Bcc: b\r\n"),
            (b"X: y\nBCC : a\n b\n\tc\nbcc:\n\nz", b"X: y\n\nz", b"z"),
            (b"X: y\r\nBcc: a", b"X: y\r\n", b""),
            (b"Bcc: a\r\n b", b"", b""),
            (b"Bcc:\r\n \r\n\r\nz", b"\r\nz", b"z"),
            (b"X: y\r\n Bcc: a\r\nX-Bcc: b\r\nBccx: c\r\n\r\n", b"X: y\r\n Bcc: a\r\nX-Bcc: b\r\nBccx: c\r\n\r\n", b""),
            (b"\r\nBcc: a\r\n", b"\r\nBcc: a\r\n", b"Bcc: a\r\n"),
            (b"\nBcc: a\n", b"\nBcc: a\n", b"Bcc: a\n"),
            (b"", b"", b""),
            (b"garbage\nBcc: a\n", b"garbage\n", b""),
        ],
    )
    def test_cut(self, data: bytes, kept: bytes, rest: bytes) -> None:
        """Each field with its folds and its line end, up to the blank line, in place."""
        for before in (b"", b"Bcc: no\n"):
            whole = before + data
            _, body, spans, complete = scan_spans(whole, len(before), len(whole), span_pattern(("bcc",)))
            pieces, position = [], len(before)
            for start, end in spans:
                pieces.append(whole[position:start])
                position = end
            assert b"".join([*pieces, whole[position:]]) == kept
            assert whole[body:] == rest
            assert complete

    @pytest.mark.parametrize(
        ("names", "found"),
        [
            (("x-a",), [b"X-A"]),
            (("X-A*",), [b"X-A", b"x-ab"]),
            (("x-*",), [b"X-A", b"x-ab", b"x-"]),
            (("x.b",), [b"X.B"]),
            (("*",), [b"To", b"X-A", b"x-ab", b"X.B", b"x-"]),
            (("to", "x.b"), [b"To", b"X.B"]),
            ((), []),
        ],
    )
    def test_names(self, names: tuple[str, ...], found: list[bytes]) -> None:
        """Names are literal and without letter case, one that ends in * is a prefix, and without names there are no fields."""
        data = b"To: 1\r\nX-A: 2\r\nx-ab : 3\r\nX.B: 4\r\nx-: 5\r\n\r\n"
        spans = scan_spans(data, 0, len(data), span_pattern(names)).fields
        assert [data[start:end].partition(b":")[0].rstrip() for start, end in spans] == found

    def test_limit(self) -> None:
        """A block is looked at to its limit, and that shows."""
        data = b"Bcc: a\r\n" + b"X: " + b"y" * HEADER_LIMIT + b"\r\nBcc: b\r\n\r\n"
        assert scan_spans(data, 0, len(data), span_pattern(("bcc",))) == Block(
            0, HEADER_LIMIT, [(0, 8)], complete=False
        )

    @given(message_like())
    def test_agrees_with_fields(self, data: bytes) -> None:
        """The spans are those of the fields that a list of all fields has."""
        pattern = span_pattern(("to", "subject", "x*"))
        _, body, spans, _ = scan_spans(data, 0, len(data), pattern)
        names = [name for name, _ in fields(data[:body]) if re.fullmatch(rb"(?i)to|subject|x[!-9;-~]*", name)]
        assert [data[start:end].partition(b":")[0].rstrip(b" \t") for start, end in spans] == names
        assert all(end == len(data) or data[end - 1 : end] == b"\n" for _, end in spans)


class TestValues:
    """Values on one line, as text."""

    @pytest.mark.parametrize(
        ("value", "unfolded"),
        [
            (b" a", b"a"),
            (b" a\r\n b", b"a b"),
            (b" a\n\tb", b"a\tb"),
            (b"\r\n a\r\n  b \r\n", b"a  b"),
            (b" a\r\n \r\n b", b"a  b"),
            (b"a\rb", b"a\rb"),
            (b"", b""),
        ],
    )
    def test_unfold(self, value: bytes, unfolded: bytes) -> None:
        """The line ends of folds go, their blanks stay."""
        assert unfold(value) == unfolded

    @pytest.mark.parametrize(
        ("value", "text"),
        [(b"a", "a"), (b"\xc3\xa9", "\u00e9"), (b"\xe9", "\u00e9"), (b"\xc3\xa9\xe9", "\u00c3\u00a9\u00e9")],
    )
    def test_decode(self, value: bytes, text: str) -> None:
        """UTF-8, or else latin-1, so that every byte counts."""
        assert decode(value) == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (b" a\r\n b ", "a b"),
            (b" a\rb\0c\nd", "a b c d"),
            (b" =?utf-8?q?_a_?=\t", "a"),
            (b" \xc2\xa0a", "\u00a0a"),
            (b"a\x0bb\xc2\x85c\td\x7fe\xe2\x80\xa8f", "a b c\td e f"),
        ],
    )
    def test_one_line(self, value: bytes, text: str) -> None:
        """One line of text, its words decoded, its stray controls made blanks."""
        assert one_line(value) == text

    @given(st.binary(max_size=60) | st.text("=?utf-8QqBb_ \t\r\n\0A", max_size=60).map(str.encode))
    def test_one_line_is_one_line(self, value: bytes) -> None:
        """Any bytes become one line of text without outer spaces."""
        text = one_line(value.replace(b"\n", b"\n "))
        assert not re.search("[\0-\x08\n-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", text)
        assert text == text.strip(" \t")


class TestEncodedWords:
    """Encoded words (RFC 2047), both ways."""

    @pytest.mark.parametrize(
        ("text", "decoded"),
        [
            ("plain", "plain"),
            ("=?utf-8?q?caf=C3=A9?=", "caf\u00e9"),
            ("=?UTF-8?Q?a_b?=", "a b"),
            ("=?utf-8?b?Y2Fmw6k=?=", "caf\u00e9"),
            ("=?utf-8?B?Y2Fmw6k?=", "caf\u00e9"),
            ("=?iso-8859-1*en?q?caf=E9?=", "caf\u00e9"),
            ("=?utf-8?q??=", ""),
            ("a =?utf-8?q?b?= c", "a b c"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?=\t \t=?iso-8859-1?q?=E9?= =?utf-8?q?b?=", "a\u00e9b"),
            ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\u00e9"),
            ("=?utf-8?b?w6?= =?utf-8?b?qQ==?=", "\u00e9"),
            ("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "\u65e5\u672c"),
            ("=?gb2312?b?1tDOxA==?=", "\u4e2d\u6587"),
            ("x=?utf-8?q?a?=y", "xay"),
        ],
    )
    def test_decoded(self, text: str, decoded: str) -> None:
        """Words are decoded in place, neighbors together, characters cut between them joined."""
        assert decode_words(text) == decoded

    @pytest.mark.parametrize(
        "text",
        [
            "=?x-unknown?q?a?=",
            "=?utf-8?q?=FF?=",
            "=?utf-8?b?A?=",
            "=?utf-8?q?a=0Ab?=",
            "=?utf-8?q?a=0D?=",
            "=?utf-8?q?=00?=",
            "=?utf-7?q?+2AA-?=",
            "=?utf-8?x?a?=",
            "=?utf-8?q?a b?=",
            "=?utf-8?q?a?",
            "=??q?a?=",
            "=?" + "x" * 41 + "?q?a?=",
            "=?unicode_escape?q?=5Cn?=",
            "=?utf-8?q?a?= =?x-unknown?q?b?=",
            "=?",
        ],
    )
    def test_left_alone(self, text: str) -> None:
        """What does not decode to one line of text stays as it was written."""
        assert decode_words(text) == text

    @given(lines(max_size=120))
    def test_round_trip(self, text: str) -> None:
        """Encoded text decodes to the same, here and in the standard library."""
        words = encode_words(text)
        assert one_line(words) == text
        if text:
            assert str(make_header(decode_header(words.decode("ascii").replace("\r\n", "")))) == text

    @given(lines(max_size=400))
    def test_form(self, text: str) -> None:
        """Every word fits on a line, and is whole characters by itself."""
        for line in encode_words(text).split(b"\r\n "):
            if line:
                word = re.fullmatch(rb"=\?utf-8\?b\?([A-Za-z0-9+/=]+)\?=", line)
                assert word is not None
                assert len(line) <= 75
                binascii.a2b_base64(word[1], strict_mode=True).decode()

    def test_nothing(self) -> None:
        """No text needs no word."""
        assert encode_words("") == b""

    @given(
        st.lists(
            st.sampled_from(
                ["=?", "?=", "utf-8", "iso-8859-1", "?q?", "?b?", "=C3", "=A9", "w6k=", " ", "\t", "a", "*"]
            )
        )
    )
    def test_total(self, pieces: list[str]) -> None:
        """Any jumble of the pieces of words decodes to one line of text."""
        assert not re.search("[\r\n\0\ud800-\udfff]", decode_words("".join(pieces)))


class TestCharsets:
    """Names of charsets as mail has them."""

    @pytest.mark.parametrize(
        ("name", "codec"),
        [
            ("utf-8", "utf_8"),
            ("UTF8", "utf_8"),
            ("us-ascii", "ascii"),
            ("ISO-8859-1", "latin_1"),
            ("iso_8859-15", "iso8859_15"),
            ("ISO-8859-8-I", "iso8859_8"),
            ("windows-1252", "cp1252"),
            ("windows-874", "cp874"),
            ("gb2312", "gb18030"),
            ("GBK", "gbk"),
            ("ks_c_5601-1987", "cp949"),
            ("euc-kr", "cp949"),
            ("koi8-u", "koi8_u"),
            ("utf-8-sig", "utf_8_sig"),
            ("iso-2022-jp", "iso2022_jp"),
            ("x-sjis", "cp932"),
            ("windows-31j", "cp932"),
            ("x-gbk", "gbk"),
            ("cp-850", "cp850"),
            ("win-1251", "cp1251"),
            ("x-mac-roman", "mac_roman"),
            ("windows-949", "cp949"),
            ("ks_c_5601-1989", "cp949"),
        ],
    )
    def test_known(self, name: str, codec: str) -> None:
        """A name in any spelling is the codec that reads it."""
        assert known_charset(name) == codec

    @pytest.mark.parametrize(
        "name",
        [
            "x-unknown",
            "x-hex",
            "windows-99999",
            "x-x-gbk",
            "base64",
            "hex",
            "rot13",
            "idna",
            "punycode",
            "unicode_escape",
            "raw_unicode_escape",
            "undefined",
            "mbcs",
            "oem",
            "../x",
            "zlib",
            "bz2",
            "uu",
            "quopri",
            "utf-8\0",
            "\u0661",
        ],
    )
    def test_unknown(self, name: str) -> None:
        """Names that are not charsets of mail are refused, a codec of Python's own included."""
        assert known_charset(name) is None

    def test_every_charset_decodes(self) -> None:
        """Every name of Python's tables leads to a codec that exists and decodes to text."""
        from encodings.aliases import aliases

        for name in {*aliases, *aliases.values()}:
            codec = known_charset(name)
            if codec is not None:
                assert isinstance(b"".decode(codec), str)
                with suppress(UnicodeError):
                    b"\xff\x00\x1b$+2AA-".decode(codec)


class TestAmbiguities:
    """Where mail readers disagree about a header block is known, with its place; the block of every usual message is clear."""

    @pytest.mark.parametrize(
        ("block", "found"),
        [
            (b"", {}),
            (b"A: b\r\n c\r\nD:\r\n\r\n", {}),
            (b"A: b\n c\nD:\n\n", {}),
            (b"A: b\r\nC: d\nE: f\r\n", {}),
            (b"A: b\r\n \r\nC: d\r\n", {}),
            (b" A: b\r\n", {"a line that is not a field": 0}),
            (b"\tA: b\n", {"a line that is not a field": 0}),
            (b"A: b\r\nno field\r\nnor this\r\n", {"a line that is not a field": 6}),
            (b"no field\nA: b\n\n", {"a line that is not a field": 0}),
            (b"A : b\r\nC\t: d\r\n", {"a space before a colon": 0}),
            (b"A: b\rC: d\r\n", {"a bare carriage return": 4}),
            (b"A: b\r\nC: d\re\nF: g\n", {"a bare carriage return": 10}),
            (b"Content-Type: a/b\r\nCONTENT-TYPE: c/d\r\n", {"Content-Type is repeated": 19}),
            (b"content-transfer-encoding:\n" * 2, {"Content-Transfer-Encoding is repeated": 27}),
            (b"Content-Type : a/b\nContent-Type: c/d\n", {"a space before a colon": 0, "Content-Type is repeated": 19}),
        ],
        ids=repr,
    )
    def test_blocks(self, block: bytes, found: dict[str, int]) -> None:
        """Each kind is reported once, at its first place."""
        assert dict(ambiguities(block)) == found

    def test_a_scan_knows_of_repeated_fields(self) -> None:
        """A scan shows that a field by which a body is read is repeated, and nothing of that kind for another field."""
        pattern = field_pattern("content-type", "to")
        for block, repeated in (
            (b"To: a\nTo: b\n\n", False),
            (b"Content-Type: a/b\n\nContent-Type: c/d\n", False),
            (b"X: y\ncontent-type: a/b\nTo: a\nContent-Type: c/d\n\n", True),
        ):
            assert (UNCLEAR in scan(block, 0, len(block), pattern).fields) == repeated


class TestFieldLimit:
    """A block with a thousand fields of the wanted names is looked at no further, and that shows."""

    PATTERN = field_pattern("to")

    def test_at_the_limit(self) -> None:
        """The search does not stop at exactly the limit."""
        block = b"To: a\r\n" * (FIELD_LIMIT - 1) + b"\r\n"
        result = scan(block, 0, len(block), self.PATTERN)
        assert (result.body, result.complete) == (len(block), True)

    def test_beyond_the_limit(self) -> None:
        """The search ends after the last field that was counted, before the end of the block."""
        block = b"To: a\r\n" * (FIELD_LIMIT + 5) + b"\r\n"
        _, body, fields, complete = scan(block, 0, len(block), self.PATTERN)
        assert (fields, complete) == ({b"to": b" a\r"}, False)
        assert body < len(block)

    def test_a_report_says_so(self) -> None:
        """A report whose outer block is beyond the limit is refused, and an original whose block is has a defect."""
        many = b"Message-ID: <x@example.com>\r\n" * (FIELD_LIMIT + 5)
        report = built(ORIGINAL)
        with pytest.raises(ParseError) as caught:
            parse_report(many + report)
        assert caught.value.code is DefectCode.HEADER_TOO_LARGE
        codes = [defect.code for defect in parse_report(built(many + ORIGINAL)).defects]
        assert DefectCode.ORIGINAL_HEADER_TOO_LARGE in codes
