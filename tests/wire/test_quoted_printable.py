"""Quoted-printable that a reader of raw lines can use."""

import binascii
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.quoted_printable import BREAK, EDGE, quoted_printable


def encoded(*lines: str) -> list[str]:
    """The encoded lines of marked lines, without the empty one at the end."""
    text = "".join([line + "\r\n" for line in lines])
    return quoted_printable(text.encode()).decode("ascii").removesuffix("\r\n").split("\r\n")


def redirected(label: str, address: str, *redirects: str) -> str:
    """A marked recipient line."""
    line = f"{label}: {EDGE}{address}"
    for redirect in redirects:
        line += f"{EDGE}, {BREAK}Expanded: {EDGE}{redirect}"
    return line


_CHARACTERS = st.sampled_from('ab=.F "\t\x7f\x01é中😀') | st.characters(
    exclude_categories=["Cs"], exclude_characters="\r\n\0"
)
_PIECES = st.text(_CHARACTERS, max_size=90) | st.sampled_from([EDGE, BREAK, "From ", ".", "x" * 74, "é" * 13])


class TestEncoding:
    """The encoding is that of RFC 2045 section 6.7."""

    @given(st.lists(st.lists(_PIECES, max_size=8).map("".join), max_size=4))
    def test_decodes_to_the_text_without_marks(self, lines: list[str]) -> None:
        """Both decoders of the standard library give back the text, and no encoded line has more than 76 characters."""
        text = "".join([line + "\r\n" for line in lines])
        data = quoted_printable(text.encode())
        assert binascii.a2b_qp(data) == text.replace(EDGE, "").encode()
        assert quopri.decodestring(data) == text.replace(EDGE, "").encode()
        assert data.isascii()
        assert max(map(len, data.split(b"\r\n"))) <= 76

    @pytest.mark.parametrize(
        ("line", "written"),
        [
            ("Subject: café", "Subject: caf=C3=A9"),
            ("a=b", "a=3Db"),
            ("ends in a space ", "ends in a space=20"),
            ("ends in a tab\t", "ends in a tab=09"),
            ("\ttab first", "\ttab first"),
            ("\x01\x7f", "=01=7F"),
            ("", ""),
            (f"To: {EDGE}bob@example.net{EDGE}, {BREAK}Expanded: {EDGE}a@example.com",) * 2,
        ],
    )
    def test_short_lines(self, line: str, written: str) -> None:
        """A line that fits is not broken, and its marks go."""
        assert encoded(line) == [written.replace(EDGE, "")]

    def test_a_line_of_76(self) -> None:
        """A line may have 76 characters, the `=` of a soft break included."""
        assert encoded("x" * 76) == ["x" * 76]
        assert encoded("x" * 77) == ["x" * 75 + "=", "xx"]
        assert encoded("x" * 151) == ["x" * 75 + "=", "x" * 76]
        assert encoded("x" * 152) == ["x" * 75 + "=", "x" * 75 + "=", "xx"]

    @pytest.mark.parametrize("size", [72, 73, 74, 75])
    def test_no_escape_is_cut(self, size: int) -> None:
        """A line ends before an escape that does not fit."""
        first, second = encoded("x" * size + "éxx")
        whole = (75 - size) // 3
        assert first == "x" * size + "=C3" * whole + "="
        assert second == "=C3=A9xx"[3 * whole :]


class TestPlaces:
    """A line that does not fit ends at the best place in reach."""

    @pytest.mark.parametrize("size", range(1, 120))
    def test_break_before_a_redirect(self, size: int) -> None:
        """An address of up to 75 characters is not cut, and a line ends before a redirect if it can."""
        address, group = "a" * size, "staff@example.com"
        lines = encoded(redirected("To", address, group))
        assert "".join([line.removesuffix("=") for line in lines]) == f"To: {address}, Expanded: {group}"
        if size <= 75:
            assert any(address in line for line in lines)
            assert group in lines[-1]
        if size <= 69:
            assert lines in ([f"To: {address}, =", f"Expanded: {group}"], [f"To: {address}, Expanded: {group}"])
        assert any(line.startswith("Expanded: ") for line in lines) or size <= 43 or size > 69

    @pytest.mark.parametrize("size", range(1, 120))
    def test_an_address_on_a_line_of_its_own(self, size: int) -> None:
        """An address that does not fit after its label gets a line of its own, of up to 76 characters at the end."""
        address = '"a b"' + "c" * size
        lines = encoded(redirected("Recipient", address))
        if len(address) <= 65:
            assert lines == [f"Recipient: {address}"]
        elif len(address) <= 76:
            assert lines == ["Recipient: =", address]
        else:
            assert lines[0] == "Recipient: ="
            assert "".join([line.removesuffix("=") for line in lines]) == f"Recipient: {address}"

    def test_every_redirect_position(self) -> None:
        """Both redirects of a line have a place for it to end."""
        one, other, third = "a" * 30 + "@example.com", "b" * 30 + "@example.com", "c" * 30 + "@example.com"
        assert encoded(redirected("Cc", one, other, third)) == [
            f"Cc: {one}, =",
            f"Expanded: {other}, =",
            f"Expanded: {third}",
        ]
        assert encoded(redirected("Cc", "a@example.com", "b@example.com", third)) == [
            "Cc: a@example.com, Expanded: b@example.com, =",
            f"Expanded: {third}",
        ]

    def test_words(self) -> None:
        """Without a mark in reach a line ends before a space, so that no line is a From line or a lone full stop."""
        assert encoded("x" * 70 + " From me " + "x" * 80) == [
            "x" * 70 + " From=",
            " me=",
            " " + "x" * 74 + "=",
            "xxxxxx",
        ]
        assert encoded("x" * 75 + " From me") == ["x" * 75 + "=", " From me"]
        assert encoded("x" * 75 + " .") == ["x" * 75 + "=", " ."]

    @pytest.mark.slow
    def test_linear(self) -> None:
        """A line of a million spaces or escapes is encoded at once."""
        for piece in (" ", "x", "é", "=", "x "):
            quoted_printable(piece.encode() * 1_000_000 + b"\r\n")
