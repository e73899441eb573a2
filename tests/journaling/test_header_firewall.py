"""Header fields cut as bytes: which ones go, and that every other byte stays."""

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
    ParseError,
    detect_format,
    parse_report,
    strip_headers,
)
from exjournal.journaling.header_firewall import matching_headers
from exjournal.limits import FIELD_LIMIT, HEADER_LIMIT
from strategies import ORIGINAL, any_bytes, built, message_like
from test_laws import peak, watchdog

# Every marker of a report, and every processed stamp.
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
# Fields that a header firewall removes from mail from outside.
ORGANIZATION = [
    "X-MS-Exchange-Organization-SCL",
    "X-MS-Exchange-Organization-AuthSource",
    "X-MS-Exchange-Forest-RulesExecuted",
    "X-MS-Exchange-CrossPremises-Mapped",
    "X-ExJournal-Envelope-Sender",
    "X-ExJournal-Anything",
]
# Fields with similar names that stay.
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
    """The stripped message, and the names of the removed fields."""
    wanted = tuple(names)
    return strip_headers(message, wanted), matching_headers(message, wanted)


class TestCases:
    """Which fields go and which stay, message by message."""

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
        """A field goes with its folds and its line end; all other lines stay."""
        assert both(message, names) == (left, gone)

    def test_a_report(self) -> None:
        """In a report only the outer block is touched, and its parts stay as they were."""
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
    """Names, and collections of names."""

    @pytest.mark.parametrize(
        "name", ["", "a b", "a:", ":", "X-*:", "a\r\n", "a\tb", "\0", "caf\u00e9*", "\u0130", "\x7f", " *"]
    )
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_invalid_name(self, act: Callable[[bytes, Iterable[str]], object], name: str) -> None:
        """An invalid name is an InvalidValue that does not show it, also among valid ones."""
        with pytest.raises(InvalidValue) as caught:
            act(ORIGINAL, ["From", name])
        assert caught.value.field == "names"

    @pytest.mark.parametrize("names", ["Subject", "", "X-*"])
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_one_string(self, act: Callable[[bytes, Iterable[str]], object], names: str) -> None:
        """A single string, which is a collection of letters in Python, is an InvalidValue."""
        with pytest.raises(InvalidValue, match="must be a collection") as caught:
            act(ORIGINAL, names)
        assert caught.value.field == "names"

    @pytest.mark.parametrize("names", [[b"Subject"], b"Subject", [1], [None], [("Subject",)]], ids=repr)
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_not_text(self, act: Callable[[bytes, Iterable[str]], object], names: object) -> None:
        """Names must be text."""
        with pytest.raises(InvalidValue) as caught:
            act(ORIGINAL, cast("list[str]", names))
        assert caught.value.field == "names"

    @pytest.mark.parametrize("names", [None, 1])
    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    def test_not_a_collection(self, act: Callable[[bytes, Iterable[str]], object], names: object) -> None:
        """A value that is not a collection is a TypeError."""
        with pytest.raises(TypeError, match="a collection of names"):
            act(ORIGINAL, cast("list[str]", names))

    @pytest.mark.parametrize(
        "collection",
        [tuple, set, frozenset, dict.fromkeys, iter, lambda names: (name for name in names)],
        ids=["tuple", "set", "frozenset", "dict", "iterator", "generator"],
    )
    def test_any_collection(self, collection: Callable[[list[str]], Iterable[str]]) -> None:
        """Names may come in any collection or iterator."""
        names = ["Subject", "to"]
        assert strip_headers(ORIGINAL, collection(names)) == strip_headers(ORIGINAL, names)
        assert matching_headers(ORIGINAL, collection(names)) == ("To", "Subject")

    def test_repeated(self) -> None:
        """A name that is repeated, or covered by a prefix, removes a field once."""
        assert both(ORIGINAL, ["Subject", "subject", "Sub*", "S*"])[1] == ("Subject",)
        assert both(ORIGINAL, ["Subject"] * 2) == both(ORIGINAL, ["Subject"])


class TestLimit:
    """A header block beyond the limits is refused, and not stripped in part."""

    @pytest.mark.parametrize("act", [strip_headers, matching_headers])
    @pytest.mark.parametrize("names", [[], ["X"], ["Subject"]], ids=repr)
    def test_too_large(self, act: Callable[[bytes, Iterable[str]], object], names: list[str]) -> None:
        """A block of more than 512 KiB is a ParseError, for any names."""
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
        """A block up to the limit is stripped to its end, with lines of any length."""
        message = line * ((HEADER_LIMIT - len(ORIGINAL)) // len(line)) + ORIGINAL
        assert strip_headers(message, ["X"]) == ORIGINAL
        assert set(matching_headers(message, ["X"])) == {"X"}

    def test_very_many_fields(self) -> None:
        """`FIELD_LIMIT` fields are accepted, and one more is refused."""
        line = b"X: y\r\n"
        assert strip_headers(line * FIELD_LIMIT + ORIGINAL, ["X"]) == ORIGINAL
        with pytest.raises(ParseError) as caught:
            strip_headers(line * (FIELD_LIMIT + 1) + ORIGINAL, ["X"])
        assert caught.value.code is DefectCode.HEADER_TOO_LARGE

    @pytest.mark.parametrize("spare", [0, 1])
    def test_the_limit(self, spare: int) -> None:
        """The blank line may end exactly at the limit."""
        frame = b"X: \r\nB: 1\r\n\r\n"
        message = b"X: " + b"y" * (HEADER_LIMIT - len(frame) + 1 - spare) + b"\r\nB: 1\r\n\r\n"
        assert len(message) == HEADER_LIMIT + 1 - spare
        if spare:
            assert strip_headers(message + b"body", ["X"]) == b"B: 1\r\n\r\nbody"
        else:
            with pytest.raises(ParseError):
                strip_headers(message + b"body", ["X"])

    def test_the_limit_is_of_the_block(self) -> None:
        """Neither lines before the block nor the body count."""
        message = b"\r\n" * 9000 + b"X: y\r\nB: 1\r\n\r\n" + b"X: y\r\n" * HEADER_LIMIT
        assert len(strip_headers(message, ["X"])) == len(message) - 6

    def test_one_field_beyond_the_limit(self) -> None:
        """A field that begins within the limit and ends beyond it is not cut in two."""
        with pytest.raises(ParseError):
            strip_headers(b"X: " + b"y" * HEADER_LIMIT + b"\r\n\r\n", ["X"])


class TestBuffers:
    """Messages in any buffer, and in no other type."""

    @given(message_like() | any_bytes())
    def test_equal(self, message: bytes) -> None:
        """bytes, bytearray and memoryview give equal results."""
        assert both(bytearray(message), RESTORE_HEADERS) == both(message, RESTORE_HEADERS)
        assert both(memoryview(message), RESTORE_HEADERS) == both(message, RESTORE_HEADERS)

    def test_the_argument_stays(self) -> None:
        """A bytearray is not changed, and can be resized afterwards."""
        message = bytearray(ORIGINAL)
        left = strip_headers(message, ["Subject"])
        message += b"more"
        assert message == ORIGINAL + b"more"
        assert left == strip_headers(ORIGINAL, ["Subject"])

    def test_mmap(self, tmp_path: Path) -> None:
        """A mapped file gives the same, and can be closed afterwards."""
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
        """An error does not keep a mapped file open."""
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
        """Any other type is a TypeError."""
        with pytest.raises(TypeError, match="a message must be bytes"):
            act(cast("bytes", message), ["Subject"])


# Messages in known pieces

_NAMES = st.sampled_from([b"X-A", b"x-a", b"X-Ab", b"X-B", b"B", b"X", b"Received", b"From"])
_VALUES = st.lists(
    st.binary(max_size=12).map(lambda value: value.replace(b"\n", b""))
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
    """A message as (name of the field or "", bytes), in order."""
    parts = [("", draw(_LEAD_INS))]
    # Without a line before it, the blank line would count as one before a header block.
    for name in draw(st.lists(_NAMES | st.just(b""), min_size=1, max_size=6)):
        fold = draw(_ENDS) + draw(st.sampled_from([b" ", b"\t", b" \t"]))
        if name:
            blanks = draw(st.sampled_from([b"", b"", b" ", b"\t "]))
            parts.append((name.decode(), name + blanks + b":" + fold.join(draw(_VALUES)) + draw(_ENDS)))
        else:
            parts.append(
                ("", draw(st.sampled_from([b"no field", b"X-A b: 1", b"\xe9: x", b"X-A", b"(X-A 1)"])) + draw(_ENDS))
            )
    body = draw(st.binary(max_size=20) | st.sampled_from([b"X-A: 1\r\n\r\n", b"\r\nX-A: 1\r\n", ORIGINAL]))
    return [*parts, ("", draw(_ENDS)), ("", body)]


every_set = pytest.mark.parametrize(("names", "is_wanted"), _WANTED.items(), ids=map(" ".join, _WANTED))


@every_set
class TestEveryByte:
    """Every byte outside the removed fields stays, and no byte of the fields does."""

    @given(data=st.data())
    def test_pieces(self, names: tuple[str, ...], is_wanted: Callable[[bytes], bool], data: st.DataObject) -> None:
        """The result is the message without the pieces of those names, in order."""
        message = data.draw(pieces())
        left = b"".join([data for name, data in message if not name or not is_wanted(name.encode())])
        gone = tuple([name for name, _ in message if name and is_wanted(name.encode())])
        assert both(b"".join([data for _, data in message]), names) == (left, gone)

    @given(data=st.data())
    def test_the_header_alone(
        self, names: tuple[str, ...], is_wanted: Callable[[bytes], bool], data: st.DataObject
    ) -> None:
        """A message without a body, with or without a last line end, loses the same fields."""
        fields = [piece for piece in data.draw(pieces())[1:-2] if piece[0]]
        message = b"".join([data for _, data in fields])
        left = b"".join([data for name, data in fields if not is_wanted(name.encode())])
        assert strip_headers(message, names) == left
        cut = message.removesuffix(b"\n")
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
    """Laws for any bytes and any names."""

    @given(message_like() | any_bytes(), NAME_SETS)
    def test_total(self, message: bytes, names: tuple[str, ...]) -> None:
        """Any bytes lose some lines, and keep the others in order."""
        left, gone = both(message, names)
        assert len(left) <= len(message)
        assert (left == message) is (gone == ())
        kept = iter(message)
        assert all(byte in kept for byte in left)
        assert all(name and name.isascii() for name in gone)

    @given(message_like() | any_bytes(), NAME_SETS)
    def test_idempotent(self, message: bytes, names: tuple[str, ...]) -> None:
        """A second stripping finds nothing, as long as a field of another name keeps the block a block."""
        left = strip_headers(b"Kept: 1\r\n" + message, names)
        assert both(left, names) == (left, ())

    @given(message_like() | any_bytes(), NAME_SETS)
    def test_names_add_up(self, message: bytes, names: tuple[str, ...]) -> None:
        """Names one after the other remove the same as all at once, as long as a field is left."""
        message = left = b"Kept: 1\r\n" + message
        for name in names:
            left = strip_headers(left, [name])
        assert left == strip_headers(message, names)
        assert len(matching_headers(message, names)) <= sum(len(matching_headers(message, [name])) for name in names)

    @given(message_like(), st.binary(max_size=40), NAME_SETS)
    def test_the_body_does_not_matter(self, message: bytes, body: bytes, names: tuple[str, ...]) -> None:
        """The body has no influence on the removed fields."""
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
        """No header block makes a pattern go over the same characters repeatedly."""
        message = make(HEADER_LIMIT - 100) + b"\r\n\r\nbody"
        with watchdog(), suppress(ParseError):  # of more lines than are looked at
            both(message, (*RESTORE_HEADERS, "X-*"))

    def test_memory(self) -> None:
        """A large message costs the memory of one copy."""
        message = ORIGINAL + b"0123456789abcdef" * (4 << 16)
        assert peak(lambda: strip_headers(message, ["Subject"])) < len(message) + 100_000
        assert peak(lambda: matching_headers(message, ["Subject"])) < 100_000


class TestSets:
    """The named sets have the fields that they are for."""

    @pytest.mark.parametrize("name", [*MARKERS, *STAMPS, *ORGANIZATION])
    def test_restoring(self, name: str) -> None:
        """Markers, processed stamps and the organization's own fields are removed before a message is restored."""
        message = f"{name.upper()}: x\r\n y\r\n".encode() + ORIGINAL
        assert both(message, RESTORE_HEADERS) == (ORIGINAL, (name.upper(),))

    @pytest.mark.parametrize("name", [*ORGANIZATION, MARKERS[1], *STAMPS[:3]])
    def test_organization(self, name: str) -> None:
        """A header firewall removes the fields that only the organization may write."""
        assert both(f"{name}: x\r\n".encode() + ORIGINAL, ORGANIZATION_HEADERS) == (ORIGINAL, (name,))

    @pytest.mark.parametrize("name", OTHERS)
    def test_other_fields(self, name: str) -> None:
        """A field whose name only begins like one in the sets, or that anybody may write, stays."""
        message = f"{name}: x\r\n\r\nbody".encode()
        assert both(message, RESTORE_HEADERS) == both(message, ORGANIZATION_HEADERS) == (message, ())

    def test_a_firewall_lets_reports_pass(self) -> None:
        """The marker of a report from outside is not a field of the organization."""
        assert matching_headers(built(), ORGANIZATION_HEADERS) == matching_headers(built(), ["X-ExJournal-*"])
        assert detect_format(strip_headers(built(), ORGANIZATION_HEADERS)) is not None

    def test_all_names_are_names(self) -> None:
        """The sets are tuples of valid names without repetition."""
        for names in (RESTORE_HEADERS, ORGANIZATION_HEADERS):
            assert isinstance(names, tuple)
            assert len(set(names)) == len(names)
            assert matching_headers(b"", names) == ()
        assert set(ORGANIZATION_HEADERS) <= set(RESTORE_HEADERS)

    @pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=repr)
    def test_a_restored_original(self, end: bytes) -> None:
        """A restored original is clean, reads as the same message and keeps every byte of its body."""
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
