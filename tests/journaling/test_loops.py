"""What tells that a message was journaled already, and header fields cut as bytes: which ones go, and that the rest stays."""

import base64
import binascii
import email
import hashlib
import mmap
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    ORGANIZATION_HEADERS,
    RESTORE_HEADERS,
    DefectCode,
    InvalidValue,
    Loop,
    ParseError,
    ReportFormat,
    detect_format,
    detect_loop,
    parse_report,
    strip_headers,
)
from exjournal.journaling.loops import LoopReason, look, matching_headers
from exjournal.journaling.stamps import Journaled, Stamps, stamp_value
from exjournal.limits import FIELD_LIMIT, HEADER_LIMIT, HOP_LIMIT, REPORT_NESTING_LIMIT
from strategies import ENVELOPES, HEAVY, ORIGINAL, Arguments, any_bytes, arguments, built, message_like
from test_laws import peak, steps, watchdog

# Every marker of a report, and every stamp on a message that was journaled.
MARKERS = [
    "X-MS-Journal-Report",
    "X-MS-Exchange-Organization-Journal-Report",
    "Content-Identifer",
    "Content-Identifier",
    "X-WM-Journal-Report",
    "X-GM-Journal-ID",
]
STAMPS = [
    "X-MS-Exchange-Organization-Processed-By-Journaling",
    "X-MS-Exchange-Organization-Processed-By-Gcc-Journaling",
    "X-MS-Exchange-CrossPremises-Processed-By-Journaling",
    "X-Microsoft-Exchange-ProcessedByJournaling",
]
# What a header firewall takes off mail from outside.
ORGANIZATION = [
    "X-MS-Exchange-Organization-SCL",
    "X-MS-Exchange-Organization-AuthSource",
    "X-MS-Exchange-Forest-RulesExecuted",
    "X-MS-Exchange-CrossPremises-Mapped",
    "X-ExJournal-Envelope-Sender",
    "X-ExJournal-Anything",
]
# What begins alike and stays.
OTHERS = [
    "From",
    "Message-ID",
    "X-MS-Exchange-Organization",
    "X-MS-Exchange-Parent-Message-Id",
    "X-MS-Exchange-CrossTenant-Id",
    "X-MS-Has-Attach",
    "X-MS-Journal-Reports",
    "X-ExJournal",
    "X-Content-Identifier",
    "Content-Type",
]


def both(message: bytes | bytearray | memoryview, names: Iterable[str]) -> tuple[bytes, tuple[str, ...]]:
    """What is left of a message, and the names of what went."""
    wanted = tuple(names)
    return strip_headers(message, wanted), matching_headers(message, wanted)


class TestCases:
    """What goes and what stays, message by message."""

    @pytest.mark.parametrize(
        ("message", "names", "left", "gone"),
        [
            (b"A: 1\r\nX: 2\r\nB: 3\r\n\r\nbody", ["X"], b"A: 1\r\nB: 3\r\n\r\nbody", ("X",)),
            (b"X: 2\r\nB: 3\r\n\r\nbody", ["X"], b"B: 3\r\n\r\nbody", ("X",)),
            (b"A: 1\r\nX: 2\r\n\r\nbody", ["X"], b"A: 1\r\n\r\nbody", ("X",)),
            (b"X: 2\r\n\r\nbody", ["X"], b"\r\nbody", ("X",)),
            (b"x: 1\r\nX : 2\r\nX\t \t:3\r\nX:\r\n\r\n", ["X"], b"\r\n", ("x", "X", "X", "X")),
            (b"A: 1\r\nX-One: 2\r\n\r\n", ["x-oNE"], b"A: 1\r\n\r\n", ("X-One",)),
            (b"A: 1\r\nX: 2\r\n folded\r\n\t twice\r\nB: 3\r\n\r\n", ["X"], b"A: 1\r\nB: 3\r\n\r\n", ("X",)),
            (b"A: 1\r\n X: 2\r\nB: 3\r\n\r\n", ["X"], b"A: 1\r\n X: 2\r\nB: 3\r\n\r\n", ()),
            (b"X: 1\r\n X: 2\r\nB: 3\r\n\r\n", ["X"], b"B: 3\r\n\r\n", ("X",)),
            (b"X:\r\n \r\n\t\r\n end\r\nB: 3\r\n\r\n", ["X"], b"B: 3\r\n\r\n", ("X",)),
            (b"A: 1\nX: 2\n fold\nB: 3\n\nX: body", ["X"], b"A: 1\nB: 3\n\nX: body", ("X",)),
            (b"A: 1\r\nX: 2\nB: 3\r\n\nX: body", ["X"], b"A: 1\r\nB: 3\r\n\nX: body", ("X",)),
            (b"A: 1\r\nX: a\rB: 3\r\n\r\n", ["X", "B"], b"A: 1\r\n\r\n", ("X",)),
            (b"A: 1\r\nX: 2", ["X"], b"A: 1\r\n", ("X",)),
            (b"A: 1\r\nX: 2\r\n", ["X"], b"A: 1\r\n", ("X",)),
            (b"X: 2", ["X"], b"", ("X",)),
            (b"X:", ["X"], b"", ("X",)),
            (b"X", ["X"], b"X", ()),
            (b"X 2\r\nX\r\n: 2\r\n\r\n", ["X"], b"X 2\r\nX\r\n: 2\r\n\r\n", ()),
            (b"XX: 1\r\nX-X: 2\r\n-X: 3\r\n\r\n", ["X"], b"XX: 1\r\nX-X: 2\r\n-X: 3\r\n\r\n", ()),
            (b"X: 1\r\nXX: 2\r\nX-X: 3\r\nY: X\r\n\r\n", ["X*"], b"Y: X\r\n\r\n", ("X", "XX", "X-X")),
            (b"X-A: 1\r\nX-: 2\r\nX: 3\r\nx-b : 4\r\n\r\n", ["X-*"], b"X: 3\r\n\r\n", ("X-A", "X-", "x-b")),
            (b"X-A b: 1\r\nX-\xe9: 2\r\n\r\n", ["X-*"], b"X-A b: 1\r\nX-\xe9: 2\r\n\r\n", ()),
            (b"A: 1\r\n\r\nX: body\r\n\r\nX: again", ["X"], b"A: 1\r\n\r\nX: body\r\n\r\nX: again", ()),
            (b"A: 1\r\nX: 2\r\nA: 3\r\nX: 4\r\n\r\n", ["X", "A"], b"\r\n", ("A", "X", "A", "X")),
            (b"A.B: 1\r\nAxB: 2\r\nA+: 3\r\n\r\n", ["A.B", "A+"], b"AxB: 2\r\n\r\n", ("A.B", "A+")),
            (b"A*: 1\r\nA*B: 2\r\nAB: 3\r\n\r\n", ["A**"], b"AB: 3\r\n\r\n", ("A*", "A*B")),
            (b"\xef\xbb\xbfX: 1\r\nB: 2\r\n\r\n", ["X"], b"\xef\xbb\xbfB: 2\r\n\r\n", ("X",)),
            (b"From a@example.com Thu\nX: 1\nB: 2\n\n", ["X", "From"], b"From a@example.com Thu\nB: 2\n\n", ("X",)),
            (b"From : a@example.com\r\nB: 2\r\n\r\n", ["From"], b"B: 2\r\n\r\n", ("From",)),
            (b"\r\n\r\n\nX: 1\r\nB: 2\r\n\r\nX: 3", ["X"], b"\r\n\r\n\nB: 2\r\n\r\nX: 3", ("X",)),
            (
                b"\xef\xbb\xbf\r\nFrom x\r\nX: 1\r\nB: 2\r\n\r\n",
                ["X"],
                b"\xef\xbb\xbf\r\nFrom x\r\nB: 2\r\n\r\n",
                ("X",),
            ),
            (b"From x\r\n\r\nX: body", ["X"], b"From x\r\n\r\nX: body", ()),
            (b"no field\r\nX: 1\r\nnor this\r\n\r\n", ["X"], b"no field\r\nnor this\r\n\r\n", ("X",)),
            (b"X: \xff\0\xe9\r\nB: \0\r\n\r\n\0", ["X"], b"B: \0\r\n\r\n\0", ("X",)),
            (b"A: 1\r\nX: 2\r\n\r\n", [], b"A: 1\r\nX: 2\r\n\r\n", ()),
            (b"", ["X"], b"", ()),
            (b"\r\n", ["X"], b"\r\n", ()),
        ],
    )
    def test_what_goes(self, message: bytes, names: list[str], left: bytes, gone: tuple[str, ...]) -> None:
        """A field goes with its folds and its line end; whatever is no field of these names stays."""
        assert both(message, names) == (left, gone)

    def test_a_whole_report(self) -> None:
        """Of a report only the outer block is touched, and what it holds comes out as it was."""
        report = built(original=b"X-MS-Journal-Report:\r\n" + ORIGINAL, report_id="<1@journal.report.generator>")
        left, gone = both(report, ["X-MS-Journal-Report", "Message-ID"])
        assert gone == ("Message-ID", "X-MS-Journal-Report")
        assert detect_format(left) is None
        assert left.partition(b"\r\n\r\n")[2] == report.partition(b"\r\n\r\n")[2]

    def test_a_message_inside(self) -> None:
        """An attached message keeps its header, also where its fields have the same names."""
        report = built(built())
        assert parse_report(report).original == built()
        left = strip_headers(report, ["Subject", "X-MS-Exchange-*"])
        assert parse_report(left).original == built()


class TestNames:
    """What is a name, and what is a collection of them."""

    @pytest.mark.parametrize(
        "name", ["", "a b", "a:", ":", "X-*:", "a\r\n", "a\tb", "\0", "caf\u00e9*", "\u0130", "\x7f", " *"]
    )
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_no_name(self, act: Callable[[bytes, Iterable[str]], object], name: str) -> None:
        """What can be no name of a header field is an InvalidValue, beside good names too, and its text is not told."""
        with pytest.raises(InvalidValue) as caught:
            act(ORIGINAL, ["From", name])
        assert caught.value.field == "names"

    @pytest.mark.parametrize("names", ["Subject", "", "X-*"])
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_one_string(self, act: Callable[[bytes, Iterable[str]], object], names: str) -> None:
        """One string is a collection of its letters to Python, and an InvalidValue here."""
        with pytest.raises(InvalidValue, match="not a collection") as caught:
            act(ORIGINAL, names)
        assert caught.value.field == "names"

    @pytest.mark.parametrize("names", [[b"Subject"], b"Subject", [1], [None], [("Subject",)]], ids=repr)
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_no_string(self, act: Callable[[bytes, Iterable[str]], object], names: object) -> None:
        """What is no text is no name."""
        with pytest.raises(InvalidValue) as caught:
            act(ORIGINAL, cast("list[str]", names))
        assert caught.value.field == "names"

    @pytest.mark.parametrize(
        "collection",
        [tuple, set, frozenset, dict.fromkeys, iter, lambda names: (name for name in names)],
        ids=["tuple", "set", "frozenset", "dict", "iterator", "generator"],
    )
    def test_any_collection(self, collection: Callable[[list[str]], Iterable[str]]) -> None:
        """Names come in any collection, one that is gone through once included."""
        names = ["Subject", "to"]
        assert strip_headers(ORIGINAL, collection(names)) == strip_headers(ORIGINAL, names)
        assert matching_headers(ORIGINAL, collection(names)) == ("To", "Subject")

    def test_repeated(self) -> None:
        """A name that is given twice, or covered by a prefix as well, takes a field out once."""
        assert both(ORIGINAL, ["Subject", "subject", "Sub*", "S*"])[1] == ("Subject",)
        assert both(ORIGINAL, ["Subject"] * 2) == both(ORIGINAL, ["Subject"])


class TestLimit:
    """A header block that cannot be looked at as a whole is refused, not cut in part."""

    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    @pytest.mark.parametrize("names", [[], ["X"], ["Subject"]], ids=repr)
    def test_too_large(self, act: Callable[[bytes, Iterable[str]], object], names: list[str]) -> None:
        """A block of more than 512 KiB is a ParseError, whatever was asked for."""
        line = b"X: " + b"y" * 600 + b"\r\n"
        message = line * (HEADER_LIMIT // len(line) + 1) + ORIGINAL
        with pytest.raises(ParseError) as caught:
            act(message, names)
        assert (caught.value.code, caught.value.offset) == (DefectCode.HEADER_TOO_LARGE, HEADER_LIMIT)

    @pytest.mark.parametrize(
        "line",
        [b"X: " + b"y" * 600 + b"\r\n", b"X: " + b"y" * 9000 + b"\r\n", b"X: y\r\n z" + b"z" * 600 + b"\r\n"],
        ids=len,
    )
    def test_nearly_too_large(self, line: bytes) -> None:
        """A block up to the limit is looked at to its end, whatever its lines."""
        message = line * ((HEADER_LIMIT - len(ORIGINAL)) // len(line)) + ORIGINAL
        assert strip_headers(message, ["X"]) == ORIGINAL
        assert set(matching_headers(message, ["X"])) == {"X"}

    def test_very_many_fields(self) -> None:
        """More fields than the limit are refused, and that many are not."""
        line = b"X: y\r\n"
        assert strip_headers(line * FIELD_LIMIT + ORIGINAL, ["X"]) == ORIGINAL
        with pytest.raises(ParseError) as caught:
            strip_headers(line * (FIELD_LIMIT + 1) + ORIGINAL, ["X"])
        assert caught.value.code is DefectCode.HEADER_TOO_LARGE

    @pytest.mark.parametrize("spare", [0, 1])
    def test_the_limit(self, spare: int) -> None:
        """The blank line may be the last thing within the limit."""
        frame = b"X: \r\nB: 1\r\n\r\n"
        message = b"X: " + b"y" * (HEADER_LIMIT - len(frame) + 1 - spare) + b"\r\nB: 1\r\n\r\n"
        assert len(message) == HEADER_LIMIT + 1 - spare
        if spare:
            assert strip_headers(message + b"body", ["X"]) == b"B: 1\r\n\r\nbody"
        else:
            with pytest.raises(ParseError):
                strip_headers(message + b"body", ["X"])

    def test_the_limit_is_of_the_block(self) -> None:
        """Neither what stands before the block nor the body counts."""
        message = b"\r\n" * 9000 + b"X: y\r\nB: 1\r\n\r\n" + b"X: y\r\n" * HEADER_LIMIT
        assert len(strip_headers(message, ["X"])) == len(message) - 6

    def test_one_field_beyond_the_limit(self) -> None:
        """A field that begins within the limit and ends beyond it is not cut in two."""
        with pytest.raises(ParseError):
            strip_headers(b"X: " + b"y" * HEADER_LIMIT + b"\r\n\r\n", ["X"])


class TestBuffers:
    """Messages in any buffer, and no other type."""

    @given(message_like() | any_bytes())
    def test_equal(self, message: bytes) -> None:
        """bytes, bytearray and memoryview give equal results."""
        assert both(bytearray(message), RESTORE_HEADERS) == both(message, RESTORE_HEADERS)
        assert both(memoryview(message), RESTORE_HEADERS) == both(message, RESTORE_HEADERS)

    def test_the_argument_stays(self) -> None:
        """A bytearray is left as it was, and can be resized behind it."""
        message = bytearray(ORIGINAL)
        left = strip_headers(message, ["Subject"])
        message += b"more"
        assert message == ORIGINAL + b"more"
        assert left == strip_headers(ORIGINAL, ["Subject"])

    def test_mmap(self, tmp_path: Path) -> None:
        """A map gives the same, and can be closed behind it."""
        path = tmp_path / "message.eml"
        path.write_bytes(ORIGINAL)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert strip_headers(mapped, ["Subject"]) == strip_headers(ORIGINAL, ["Subject"])
            assert matching_headers(mapped, ["Subject"]) == ("Subject",)

    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    @pytest.mark.parametrize("names", [["X"], ["no name"], "X"], ids=repr)
    def test_mmap_and_an_error(
        self, act: Callable[[mmap.mmap, Iterable[str]], object], names: Any, tmp_path: Path
    ) -> None:
        """An error that leaves the block of a map is the error that was raised: nothing holds the map open."""
        path = tmp_path / "message.eml"
        path.write_bytes(b"X: y\r\n" * (HEADER_LIMIT // 6 + 1) + ORIGINAL)
        with (
            pytest.raises((ParseError, InvalidValue)),
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            act(mapped, names)

    @pytest.mark.parametrize("message", ["text", None, 1, [b"x"]], ids=repr)
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_other_types(self, act: Callable[[bytes, Iterable[str]], object], message: object) -> None:
        """What is no buffer of bytes is a TypeError."""
        with pytest.raises(TypeError, match="a message must be bytes"):
            act(cast("bytes", message), ["Subject"])


# Messages of which it is known what every octet is

_NAMES = st.sampled_from([b"X-A", b"x-a", b"X-Ab", b"X-B", b"B", b"X", b"Received", b"From"])
_VALUES = st.lists(
    st.binary(max_size=12).map(lambda octets: octets.replace(b"\n", b""))
    | st.sampled_from([b"", b" ", b"X-A: 1", b"\r"]),
    min_size=1,
    max_size=4,
)
_ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\n"])
_LEAD_INS = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\r\n\n", b"From x Thu\r\n", b"\xef\xbb\xbf\r\nFrom X-A: 1\n"])
_WANTED: dict[tuple[str, ...], Callable[[bytes], bool]] = {
    ("X-A",): lambda name: name.lower() == b"x-a",
    ("x-a*",): lambda name: name.lower().startswith(b"x-a"),
    ("X-*", "b"): lambda name: name.lower().startswith(b"x-") or name == b"B",
    ("Received", "From", "X"): lambda name: name in {b"Received", b"From", b"X"},
    (): lambda _: False,
    ("X-C", "Y*"): lambda _: False,
}


@st.composite
def pieces(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """A message as (name of the field or "", octets), in order."""
    found = [("", draw(_LEAD_INS))]
    # With no line before it, the blank line would be one of those that stand before a header block.
    for name in draw(st.lists(_NAMES | st.just(b""), min_size=1, max_size=6)):
        fold = draw(_ENDS) + draw(st.sampled_from([b" ", b"\t", b" \t"]))
        if name:
            blanks = draw(st.sampled_from([b"", b"", b" ", b"\t "]))
            found.append((name.decode(), name + blanks + b":" + fold.join(draw(_VALUES)) + draw(_ENDS)))
        else:
            found.append(
                ("", draw(st.sampled_from([b"no field", b"X-A b: 1", b"\xe9: x", b"X-A", b"(X-A 1)"])) + draw(_ENDS))
            )
    body = draw(st.binary(max_size=20) | st.sampled_from([b"X-A: 1\r\n\r\n", b"\r\nX-A: 1\r\n", ORIGINAL]))
    return [*found, ("", draw(_ENDS)), ("", body)]


every_set = pytest.mark.parametrize(("names", "is_wanted"), _WANTED.items(), ids=map(" ".join, _WANTED))


@every_set
class TestEveryByte:
    """Every byte outside the fields stays as it was, and nothing of the fields does."""

    @given(data=st.data())
    def test_pieces(self, names: tuple[str, ...], is_wanted: Callable[[bytes], bool], data: st.DataObject) -> None:
        """What is left is the message without the pieces of those names, and the names that went are theirs."""
        message = data.draw(pieces())
        left = b"".join([octets for name, octets in message if not name or not is_wanted(name.encode())])
        gone = tuple([name for name, _ in message if name and is_wanted(name.encode())])
        assert both(b"".join([octets for _, octets in message]), names) == (left, gone)

    @given(data=st.data())
    def test_the_header_alone(
        self, names: tuple[str, ...], is_wanted: Callable[[bytes], bool], data: st.DataObject
    ) -> None:
        """A message that ends in its header block, with or without a last line end, loses the same fields."""
        fields = [piece for piece in data.draw(pieces())[1:-2] if piece[0]]
        whole = b"".join([octets for _, octets in fields])
        left = b"".join([octets for name, octets in fields if not is_wanted(name.encode())])
        assert strip_headers(whole, names) == left
        cut = whole.removesuffix(b"\n")
        assert strip_headers(cut, names) == (
            left if fields and is_wanted(fields[-1][0].encode()) else left.removesuffix(b"\n")
        )


NAME_SETS = st.sampled_from(
    [
        *_WANTED,
        RESTORE_HEADERS,
        ORGANIZATION_HEADERS,
        ("Content-*", "subject"),
        ("X-Ms*", "from"),
    ]
)


class TestLaws:
    """What holds for any bytes and any names."""

    @given(message_like() | any_bytes(), NAME_SETS)
    def test_total(self, message: bytes, names: tuple[str, ...]) -> None:
        """Any bytes lose whole lines, as many octets as the fields have, and keep the rest in order."""
        left, gone = both(message, names)
        assert len(left) <= len(message)
        assert (left == message) is (gone == ())
        kept = iter(message)
        assert all(octet in kept for octet in left)
        assert all(name and name.isascii() for name in gone)

    @given(message_like() | any_bytes(), NAME_SETS)
    def test_idempotent(self, message: bytes, names: tuple[str, ...]) -> None:
        """Behind one stripping is nothing left to strip, as long as a field of another name keeps the block a block."""
        left = strip_headers(b"Kept: 1\r\n" + message, names)
        assert both(left, names) == (left, ())

    @given(message_like() | any_bytes(), NAME_SETS)
    def test_names_add_up(self, message: bytes, names: tuple[str, ...]) -> None:
        """Names one after the other take out what they take out at once, while a field is left."""
        message = left = b"Kept: 1\r\n" + message
        for name in names:
            left = strip_headers(left, [name])
        assert left == strip_headers(message, names)
        assert len(matching_headers(message, names)) <= sum(len(matching_headers(message, [name])) for name in names)

    @given(message_like(), st.binary(max_size=40), NAME_SETS)
    def test_the_body_is_not_looked_at(self, message: bytes, body: bytes, names: tuple[str, ...]) -> None:
        """What stands behind the blank line changes nothing of what goes."""
        block = b"Kept: 1\r\n" + message.partition(b"\n\r\n")[0].partition(b"\n\n")[0] + b"\r\n\r\n"
        assert strip_headers(block + body, names) == strip_headers(block, names) + body

    @pytest.mark.parametrize(
        "make",
        [
            lambda n: b"X-A: y\r\n" * (n // 8),
            lambda n: b"X-A: y" + b"\r\n z" * (n // 4),
            lambda n: b"X-" + b"a" * n,
            lambda n: b"X-A" + b" " * n + b"b",
            lambda n: b"X-A" + b" \t" * (n // 2) + b":",
            lambda n: b"\n" + b"\r" * n,
            lambda n: b"X-A:" + b"\r\n \r\n\t" * (n // 6),
        ],
        ids=["fields", "folds", "a long name", "blanks", "blanks before the colon", "CR", "empty folds"],
    )
    def test_no_pattern_goes_back(self, make: Callable[[int], bytes]) -> None:
        """No header block makes a pattern go over the same characters again and again."""
        message = make(HEADER_LIMIT - 100) + b"\r\n\r\nbody"
        with watchdog(), suppress(ParseError):  # of more lines than are looked at
            both(message, (*RESTORE_HEADERS, "X-*"))

    def test_memory(self) -> None:
        """A large message costs one copy of it."""
        message = ORIGINAL + b"0123456789abcdef" * (4 << 16)
        assert peak(lambda: strip_headers(message, ["Subject"])) < len(message) + 100_000
        assert peak(lambda: matching_headers(message, ["Subject"])) < 100_000


class TestSets:
    """The named sets cover what they are for."""

    @pytest.mark.parametrize("name", [*MARKERS, *STAMPS, *ORGANIZATION])
    def test_restoring(self, name: str) -> None:
        """Markers, processed stamps and an organisation's own fields go before a message is restored."""
        message = f"{name.upper()}: x\r\n y\r\n".encode() + ORIGINAL
        assert both(message, RESTORE_HEADERS) == (ORIGINAL, (name.upper(),))

    @pytest.mark.parametrize("name", [*ORGANIZATION, MARKERS[1], *STAMPS[:3]])
    def test_organization(self, name: str) -> None:
        """A header firewall takes off what is the organisation's own to write."""
        assert both(f"{name}: x\r\n".encode() + ORIGINAL, ORGANIZATION_HEADERS) == (ORIGINAL, (name,))

    @pytest.mark.parametrize("name", OTHERS)
    def test_what_stays(self, name: str) -> None:
        """What only begins like a name of the sets, or is everybody's, stays."""
        message = f"{name}: x\r\n\r\nbody".encode()
        assert both(message, RESTORE_HEADERS) == both(message, ORGANIZATION_HEADERS) == (message, ())

    def test_a_firewall_lets_reports_pass(self) -> None:
        """The marker of a report that came from outside is no organisation field."""
        assert matching_headers(built(), ORGANIZATION_HEADERS) == matching_headers(built(), ["X-ExJournal-*"])
        assert detect_format(strip_headers(built(), ORGANIZATION_HEADERS)) is not None

    def test_all_names_are_names(self) -> None:
        """The sets are tuples of names that are each taken, without a repetition."""
        for names in (RESTORE_HEADERS, ORGANIZATION_HEADERS):
            assert isinstance(names, tuple)
            assert len(set(names)) == len(names)
            assert matching_headers(b"", names) == ()
        assert set(ORGANIZATION_HEADERS) <= set(RESTORE_HEADERS)

    @pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=repr)
    def test_a_restored_original(self, end: bytes) -> None:
        """An original that was journaled is clean behind it, reads as the same message and keeps every byte of its body."""
        stamped = [f"{name}: x" for name in (*STAMPS, *MARKERS, *ORGANIZATION)]
        fields, blank, body = ORIGINAL.partition(b"\r\n\r\n")
        lines = fields.split(b"\r\n")
        for number, stamp in enumerate(stamped):
            lines.insert(number % len(lines), stamp.encode() + b"\r\n\tfolded")
        body = (body + bytes(range(256)) + b"\r\n" + stamped[0].encode() + b"\r\n\r\n").replace(b"\r\n", end)
        original = (b"\r\n".join(lines) + blank).replace(b"\r\n", end) + body
        read = parse_report(built(original)).original_bytes()
        assert read is not None
        restored, gone = both(read, RESTORE_HEADERS)
        assert sorted(gone) == sorted([*STAMPS, *MARKERS, *ORGANIZATION])
        assert restored == fields.replace(b"\r\n", end) + end + end + body
        assert hashlib.sha256(restored[-len(body) :]).digest() == hashlib.sha256(read[-len(body) :]).digest()
        assert detect_format(restored) is None
        parsed = email.message_from_bytes(restored)
        assert parsed.items() == email.message_from_bytes(ORIGINAL).items()
        assert parsed.defects == []
        again = parse_report(built(restored))
        assert again.original == restored
        assert again.defects == ()


SECRET = b"the first secret"
OTHER = b"another secret of the same house"
STAMP = (
    b"X-ExJournal-Stamp: "
    + stamp_value(ORIGINAL, [Journaled("j@example.com", "ann@example.com", (), ())], SECRET).encode()
    + b"\r\n"
)
HOP = b"Received: from a.example by b.example; 29 Feb 2024 12:30:45 +0000\r\n"


def loop(message: bytes, *secrets: bytes) -> tuple[str, str] | None:
    """The reason and header of what is told first, a star behind the reason where a stranger cannot have written it."""
    found = detect_loop(message, secrets=secrets)
    return None if found is None else (found.reason + "*" * (not found.forgeable), found.header)


def reasons(message: bytes, *secrets: bytes) -> list[str]:
    """All that a header tells, in order, with a star where a stranger cannot have written it."""
    return [one.reason + "*" * (not one.forgeable) for one in look(message, secrets).loops]


def a_bounce(*parts: bytes, head: bytes = b"multipart/report; report-type=delivery-status") -> bytes:
    """A bounce of some parts."""
    body = b"".join([b"--bounce\r\n" + part + b"\r\n" for part in parts])
    return b"Content-Type: " + head + b"; boundary=bounce\r\n\r\n" + body + b"--bounce--\r\n"


def attached(message: bytes) -> bytes:
    """A part that holds a message."""
    return b"Content-Type: message/rfc822\r\n\r\n" + message


def in_reports(levels: int, original: bytes = ORIGINAL, encoding: bytes = b"") -> bytes:
    """Reports inside one another, with the original of each in a transfer encoding."""
    for _ in range(levels):
        report = built(original)
        if encoding:
            coded = base64.encodebytes(original) if encoding == b"base64" else binascii.b2a_qp(original, istext=False)
            head, part = report[: -len(original)], b"message/rfc822\r\n\r\n" + original
            assert part in report
            head, _, rest = report.partition(part)
            report = head + b"message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + coded + rest
        original = report
    return original


class TestLoop:
    """What convinces that a message should not be journaled once more, and whether a stranger could have written it."""

    @pytest.mark.parametrize(
        ("field", "reason"),
        [
            *[(f"{name}:", "report") for name in ("X-MS-Journal-Report", "X-MS-Exchange-Organization-Journal-Report")],
            ("X-WM-Journal-Report: journal@example.com", "report"),
            ("X-GM-Journal-ID: 1", "report"),
            ("Content-Identifer: ExJournalReport", "report"),
            ("Content-Identifier: exjournalreport", "report"),
            ("X-MS-Journal-Report: anything", "report"),
            *[(f"{name}: Journal Agent", "processed") for name in STAMPS],
            *[(f"{name}:", "processed") for name in STAMPS],
            ("X-ExJournal-Seal: v=2; s=x", "seal"),
            ("X-ExJournal-Seal:", "seal"),
            ("X-ExJournal-Stamp: v=2; s=x; t=y", "stamp"),
            ("X-ExJournal-Stamp:", "stamp"),
        ],
    )
    @pytest.mark.parametrize("spell", [str, str.upper, str.lower], ids=["as written", "upper", "lower"])
    @pytest.mark.parametrize(
        "before", ["", "\ufeff", "\r\n\n", "From someone\r\n", "\ufeff\r\nFrom someone\r\n", "X: y\r\n"], ids=repr
    )
    def test_fields(self, field: str, reason: str, spell: Callable[[str], str], before: str) -> None:
        """A field in any letter case is told by its name as written, behind whatever stands before a header block."""
        name, _, value = field.partition(":")
        message = f"{before}{spell(name)} \t:{value}\r\n".encode() + ORIGINAL
        for secrets in ((), (SECRET,), (SECRET, OTHER)):
            assert detect_loop(message, secrets=secrets) == Loop(LoopReason(reason), spell(name), forgeable=True)

    @pytest.mark.parametrize(
        "field",
        [
            b"Content-Identifer: ExJournalData",
            b"Content-Identifer:",
            b"Content-Identifier: x ExJournalReport",
            b"X-MS-Journal-Reports:",
            b"X-MS-Journal-Report",
            b"X-MS-Embedded-Report:",
            b"X-Content-Identifer: ExJournalReport",
            b"X-ExJournal-Envelope-Sender: <>",
            b"X-ExJournal-Seals: v=2; s=x",
            b"X-MS-Exchange-Organization-Processed-By: Journal Agent",
            b"X-Y: X-MS-Journal-Report:",
            b"X-Y:\r\n X-MS-Journal-Report:",
            b"X-Y: z\r\n\r\nX-MS-Journal-Report:",
            b"X-MS-Exchange-Generated-Message-Source: Journal Agent",
            b"Auto-Submitted: auto-generated",
            b"Content-Type: multipart/report; boundary=b",
            b"Content-Class: urn:content-classes:dsn",
            b"X-Failed-Recipients: bob@example.net",
        ],
        ids=repr,
    )
    def test_look_alikes(self, field: bytes) -> None:
        """What looks like a marker or a stamp and is none tells nothing, nor does a bounce of ordinary mail."""
        assert loop(field + b"\r\n" + ORIGINAL) is None

    @pytest.mark.parametrize(
        "message", [b"", b"\r\n", ORIGINAL, b"\r\nX-MS-Journal-Report:\r\n\r\n"[4:], b"no header"], ids=repr
    )
    def test_nothing(self, message: bytes) -> None:
        """Ordinary mail tells nothing."""
        assert loop(message, SECRET) is None

    def test_a_second_value(self) -> None:
        """A marker of Exchange 2003 is what its first field says, as for who detects a format."""
        message = b"Content-Identifer: x\r\nContent-Identifer: ExJournalReport\r\n" + ORIGINAL
        assert (loop(message), detect_format(message)) == (None, None)

    @given(any_bytes() | message_like())
    def test_agrees_with_detect_format(self, message: bytes) -> None:
        """What has the marker of a format is told as a report, and nothing else is."""
        told = LoopReason.REPORT in reasons(message)
        assert told is (detect_format(message) is not None)

    @pytest.mark.parametrize("type", [b"multipart/report-x", b"multipart/report+x", b"multipart/reports"], ids=repr)
    def test_nearly_a_bounce(self, type: bytes) -> None:
        """A report whose type only begins like that of a bounce is a report, as for who detects a format."""
        message = b"Content-Type: " + type + b"; boundary=b\r\nX-MS-Journal-Report:\r\n\r\n--b\r\n\r\n--b--\r\n"
        assert detect_format(message) is ReportFormat.ENVELOPE
        assert loop(message) == ("report", "X-MS-Journal-Report")

    @HEAVY
    @given(arguments(formats=ENVELOPES))
    def test_reports(self, given_arguments: Arguments) -> None:
        """Every report that is built is told, by its marker, and by its seal for who knows the secret."""
        report = given_arguments.build()
        assert "report" in reasons(report)
        assert loop(report) is not None
        sealed = Arguments(*given_arguments[:2], {**given_arguments.options, "secret": SECRET}).build()
        assert loop(sealed, SECRET) == ("seal*", "X-ExJournal-Seal")
        assert reasons(sealed, OTHER) == reasons(sealed) == [*reasons(report), "seal"]


class TestOwnSealAndStamp:
    """Our own seal and stamp, which no stranger can write."""

    def test_seal(self) -> None:
        """A seal that a secret verifies is told before all else; one that none verifies behind the marker, as forgeable."""
        sealed = built(secret=SECRET)
        assert reasons(sealed, SECRET) == reasons(sealed, OTHER, SECRET) == ["seal*", "report"]
        assert reasons(sealed, OTHER) == reasons(sealed) == ["report", "seal"]
        assert reasons(sealed + b"x", SECRET) == ["report", "seal"]

    def test_stamp(self) -> None:
        """The same of a stamp."""
        stamped = STAMP + ORIGINAL
        assert loop(stamped, SECRET) == loop(stamped, OTHER, SECRET) == ("stamp*", "X-ExJournal-Stamp")
        assert loop(stamped) == loop(stamped, OTHER) == loop(stamped + b"x", SECRET) == ("stamp", "X-ExJournal-Stamp")

    def test_one_of_several(self) -> None:
        """One good seal or stamp among bad ones is enough."""
        assert loop(b"X-ExJournal-Stamp: x\r\n" + STAMP + ORIGINAL, SECRET) == ("stamp*", "X-ExJournal-Stamp")
        assert loop(b"x-exjournal-seal: x\r\n" + built(secret=SECRET), SECRET) == ("seal*", "x-exjournal-seal")

    def test_look(self) -> None:
        """A look gives what the stamps say and every field that was looked for."""
        found = look(STAMP + b"from: a@example.com\r\n" + ORIGINAL, (SECRET,))
        assert found.fields[b"from"] == [b" a@example.com\r\n", b" alice@example.com\r\n"]
        assert found.stamps == Stamps()  # made for the message without that field
        assert look(STAMP + ORIGINAL, (SECRET,)).stamps.verified
        assert look(STAMP + ORIGINAL, ()).stamps == look(ORIGINAL, (SECRET,)).stamps == Stamps()

    @pytest.mark.parametrize("secrets", [SECRET, "text", None, [b"short"], ["a secret that is text"], [None]], ids=repr)
    def test_no_secrets(self, secrets: object) -> None:
        """What is no collection of secrets is an InvalidValue, whatever the message."""
        for message in (ORIGINAL, built(secret=SECRET)):
            with pytest.raises(InvalidValue) as caught:
                detect_loop(message, secrets=cast("Iterable[bytes]", secrets))
            assert caught.value.field == "secrets"
            assert "short" not in str(caught.value)

    def test_many_seals_cost_little(self) -> None:
        """Four times the seals, stamps and hops cost no more than about four times as much."""
        fields = (
            b"X-ExJournal-Seal: v=2; s=" + b"A" * 43 + b"\r\nX-ExJournal-Stamp: v=2;s=" + b"A" * 43 + b";t=\r\n" + HOP
        )
        small, large = [steps(lambda: loop(fields * count + ORIGINAL, SECRET, OTHER)) for count in (60, 240)]  # noqa: B023
        assert large <= 5 * small + 2000


class TestLimits:
    """Hops, nesting and size."""

    @pytest.mark.parametrize("name", [b"Received", b"RECEIVED", b"received "])
    def test_hops(self, name: bytes) -> None:
        """A hundred servers are a loop, and one fewer are none; a field inside the body or a fold is no server."""
        fields = HOP.replace(b"Received", name)
        inside = b"X: y\r\n Received: x\r\n"
        assert loop(fields * (HOP_LIMIT - 1) + inside + ORIGINAL + HOP) is None
        assert loop(fields * HOP_LIMIT + ORIGINAL) == ("hop-limit", name.decode().strip())

    @pytest.mark.parametrize("encoding", [b"", b"base64", b"quoted-printable"], ids=repr)
    def test_nesting(self, encoding: bytes) -> None:
        """Five reports inside one another are a loop, four are none, also where each original is encoded."""
        assert reasons(in_reports(REPORT_NESTING_LIMIT - 1, encoding=encoding)) == ["report"]
        assert reasons(in_reports(REPORT_NESTING_LIMIT, encoding=encoding)) == ["nesting-limit", "report"]
        assert reasons(in_reports(REPORT_NESTING_LIMIT + 1, encoding=encoding)) == ["nesting-limit", "report"]

    @pytest.mark.parametrize("format", ENVELOPES)
    def test_formats(self, format: ReportFormat) -> None:
        """Reports of both formats count, each by its marker as written."""
        message = ORIGINAL
        for _ in range(REPORT_NESTING_LIMIT):
            message = built(message, format=format)
        marker = "X-MS-Journal-Report" if format is ReportFormat.ENVELOPE else "Content-Identifer"
        assert loop(message) == ("nesting-limit", marker)
        assert loop(b"\xef\xbb\xbf" + message.replace(b"\r\n", b"\n")) == ("nesting-limit", marker)

    @pytest.mark.parametrize(
        ("inside", "is_report"),
        [
            (None, False),
            (b"", False),
            (b"\xef\xbb\xbf", False),
            (ORIGINAL + built(), False),
            (a_bounce(attached(in_reports(5))), False),
            (b"X-MS-Journal-Report:\r\n\r\nno parts", True),
            (b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 300, True),
            (b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed\r\n\r\nno parts", True),
        ],
        ids=[
            "no original",
            "empty",
            "a mark",
            "in a text",
            "a bounce",
            "no multipart",
            "very many parts",
            "no boundary",
        ],
    )
    def test_what_ends_the_nesting(self, inside: bytes | None, is_report: bool) -> None:
        """What holds no further report ends the count."""
        report = in_reports(REPORT_NESTING_LIMIT - 2 - is_report, built(inside))
        assert reasons(report) == ["report"]
        assert reasons(built(report)) == (["nesting-limit", "report"])

    def test_lead_ins(self) -> None:
        """A byte order mark or a From line before an original hides no report."""
        message = ORIGINAL
        for before in (b"", b"\xef\xbb\xbf", b"From someone\r\n", b"\r\n", b""):
            message = before + built(message)
        assert loop(message) == ("nesting-limit", "X-MS-Journal-Report")

    @pytest.mark.parametrize(
        "block",
        [
            b"X: " + b"y" * HEADER_LIMIT + b"\r\n",
            b"X: y\r\n" * 20_001,
            HOP * (FIELD_LIMIT + 1),
            b"from: a\r\n" * (FIELD_LIMIT + 1),
        ],
        ids=["octets", "lines", "hops", "authors"],
    )
    def test_header_too_large(self, block: bytes) -> None:
        """A header block beyond the limits is told before what it says, and names no header."""
        message = b"X-MS-Journal-Report:\r\n" + block + ORIGINAL
        assert loop(message) == ("header-too-large", "")
        assert "report" in reasons(message)

    def test_order(self) -> None:
        """Verified before limits, limits before what a stranger can write, markers before stamps that nobody verified."""
        processed = b"".join([name.encode() + b": x\r\n" for name in reversed(STAMPS)])
        report = built(in_reports(4), secret=SECRET)
        message = processed + b"X-ExJournal-Stamp: x\r\n" + HOP * HOP_LIMIT + report
        rest = ["nesting-limit", "hop-limit", "report"]
        assert reasons(message, SECRET) == ["seal*", *rest, "stamp", *["processed"] * 4]
        assert reasons(message) == [*rest, "seal", "stamp", *["processed"] * 4]
        assert [one.header for one in look(message, ()).loops][-4:] == STAMPS


class TestBounces:
    """A bounce of a report is told as one, and by what convinced."""

    @pytest.mark.parametrize(
        "head",
        [
            b"multipart/report; report-type=delivery-status",
            b"multipart/report",
            b"Multipart/REPORT",
            b"multipart/mixed; x=y\r\nContent-Class: urn:content-classes:DSN",
            b"multipart/mixed; x=y\r\nX-Failed-Recipients: journal@example.com",
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("format", ENVELOPES)
    def test_whole(self, head: bytes, format: ReportFormat) -> None:
        """A report inside a bounce is named by its marker."""
        kind, _, fields = head.partition(b"\r\n")
        message = (fields + b"\r\n" if fields else b"") + a_bounce(
            b"\r\nNot delivered.", attached(built(format=format)), head=kind
        )
        marker = "X-MS-Journal-Report" if format is ReportFormat.ENVELOPE else "Content-Identifer"
        assert loop(message, SECRET) == ("bounced-report", marker)

    def test_not_a_bounce(self) -> None:
        """A report that somebody attached to ordinary mail is no bounce, and a bounce of ordinary mail is none of a report."""
        assert loop(a_bounce(attached(built()), head=b"multipart/mixed")) is None
        assert loop(a_bounce(attached(ORIGINAL))) is None
        assert loop(a_bounce(b"Content-Type: text/rfc822-headers\r\n\r\n" + ORIGINAL)) is None

    def test_a_bounce_that_bears_a_marker(self) -> None:
        """A multipart/report is none of the formats, whatever it bears: it tells what is inside."""
        assert loop(b"X-MS-Journal-Report:\r\n" + a_bounce(attached(ORIGINAL))) is None
        assert loop(b"X-WM-Journal-Report: x\r\n" + a_bounce(attached(built()))) == (
            "bounced-report",
            "X-MS-Journal-Report",
        )

    def test_bounces_of_bounces(self) -> None:
        """A bounce of a bounce of a report is one."""
        inner = a_bounce(attached(built())).replace(b"bounce", b"inner")
        assert loop(a_bounce(attached(inner))) == ("bounced-report", "X-MS-Journal-Report")

    def test_header_only(self) -> None:
        """A bounce with the header of a report alone is told by the report's id."""
        header = (
            b"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <1@journal.report.generator>\r\nSubject: Hello\r\n"
        )
        assert loop(a_bounce(b"\r\nNot delivered.", header)) == ("bounced-report", "Message-ID")

    def test_header_only_with_a_marker(self) -> None:
        """Where that header has a marker and no id, the type of the bounce that holds it is named."""
        header = b"Content-Type: text/rfc822-headers\r\n\r\nX-MS-Journal-Report:\r\nSubject: Hello\r\n"
        assert loop(a_bounce(b"\r\nNot delivered.", header)) == ("bounced-report", "Content-Type")

    def test_as_written(self) -> None:
        """The marker inside is named as it is written there."""
        report = built().replace(b"X-MS-Journal-Report", b"x-ms-journal-report")
        assert loop(a_bounce(attached(report))) == ("bounced-report", "x-ms-journal-report")

    def test_encoded(self) -> None:
        """A report that a gateway encoded inside the bounce is found."""
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(
            built()
        )
        assert loop(a_bounce(part)) == ("bounced-report", "X-MS-Journal-Report")

    @pytest.mark.parametrize("body", [b"", b"--bounce--", b"--bounce\r\n" * 300, b"--bounce\r\n\r\n" * 300], ids=len)
    def test_damaged(self, body: bytes) -> None:
        """A bounce that cannot be opened tells nothing."""
        assert loop(b"Content-Type: multipart/report; boundary=bounce\r\n\r\n" + body) is None


class TestAnyBuffer:
    """Messages in any buffer, and any bytes."""

    @given(any_bytes() | message_like())
    def test_total(self, message: bytes) -> None:
        """Any bytes have an answer, which names a field of the header and is forgeable without a secret."""
        found = detect_loop(message)
        assert (
            detect_loop(bytearray(message), secrets=[SECRET])
            == detect_loop(memoryview(message), secrets=(SECRET,))
            == found
        )
        if found is not None and found.reason is not LoopReason.BOUNCED_REPORT:
            assert found.forgeable
            assert matching_headers(message, [found.header])[0] == found.header

    def test_mmap(self, tmp_path: Path) -> None:
        """A map gives the same."""
        path = tmp_path / "message.eml"
        path.write_bytes(STAMP + ORIGINAL)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert detect_loop(mapped, secrets=[SECRET]) == detect_loop(STAMP + ORIGINAL, secrets=[SECRET])

    def test_other_types(self) -> None:
        """What is no buffer of bytes is a TypeError."""
        with pytest.raises(TypeError, match="a message must be bytes"):
            detect_loop(cast("bytes", "text"))

    @pytest.mark.parametrize(
        "make",
        [
            lambda n: (
                b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * n
            ),
            lambda n: a_bounce(*[attached(ORIGINAL)] * (n // 10)),
            lambda n: in_reports(4, b"\n--_" * n),
            lambda n: b"Received: x\r\n" * min(n, FIELD_LIMIT) + ORIGINAL,
            lambda n: b"Content-Type: " + b" " * n + b"x\r\nX-MS-Journal-Report:" + b"\r\n " * n + b"\r\n\r\n",
        ],
        ids=["parts", "messages in a bounce", "reports", "hops", "blanks"],
    )
    def test_linear(self, make: Callable[[int], bytes]) -> None:
        """Time grows in proportion to the input."""
        small, large = make(250), make(1000)
        assert steps(lambda: detect_loop(large)) <= 5 * steps(lambda: detect_loop(small)) + 2000
        with watchdog():
            detect_loop(make(60_000))
