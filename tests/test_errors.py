"""Errors and defects: what they carry, and that no text of a message is in it."""

import copy
import pickle
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    BuildError,
    Defect,
    DefectCode,
    Envelope,
    InvalidValue,
    JournalError,
    JournalReport,
    ParseError,
    Recipient,
    ReportFormat,
    SqliteStore,
    StoreError,
    build_report,
    parse_report,
    report_for,
)
from strategies import DATE, a_report, built, damaged

ERRORS = [
    InvalidValue("sender", "is empty"),
    BuildError("domain", "is required"),
    ParseError(DefectCode.EMPTY),
    ParseError(DefectCode.PREAMBLE, "text before the first part", 17),
]


class TestErrors:
    """Three errors with one base, one for each way in which a caller reacts."""

    @pytest.mark.parametrize("error", ERRORS, ids=repr)
    def test_bases(self, error: JournalError) -> None:
        """Every error is a JournalError and a ValueError."""
        assert isinstance(error, JournalError)
        assert isinstance(error, ValueError)

    def test_invalid_value(self) -> None:
        """InvalidValue names the field and the reason."""
        error = InvalidValue("sender", "is empty")
        assert (error.field, error.reason, str(error)) == ("sender", "is empty", "sender: is empty")

    def test_build_error(self) -> None:
        """BuildError names the argument and the reason."""
        error = BuildError("domain", "is required")
        assert (error.field, error.reason, str(error)) == ("domain", "is required", "domain: is required")

    def test_parse_error(self) -> None:
        """ParseError carries the code, a detail and the offset."""
        error = ParseError(DefectCode.PREAMBLE, "text before the first part", 17)
        assert (error.code, error.detail, error.offset) == (DefectCode.PREAMBLE, "text before the first part", 17)
        assert str(error) == "preamble at offset 17: text before the first part"

    def test_parse_error_without_a_detail(self) -> None:
        """ParseError needs no detail and no offset."""
        error = ParseError(DefectCode.EMPTY)
        assert (error.code, error.detail, error.offset) == (DefectCode.EMPTY, "", 0)
        assert str(error) == "empty at offset 0"

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize("error", ERRORS, ids=repr)
    def test_pickle(self, error: JournalError, protocol: int) -> None:
        """An error comes out of a worker process as it went in."""
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is type(error)
        assert (vars(again), again.args, str(again)) == (vars(error), error.args, str(error))

    @pytest.mark.parametrize("error", ERRORS, ids=repr)
    def test_copy(self, error: JournalError) -> None:
        """A copy of an error has its attributes."""
        assert vars(copy.copy(error)) == vars(error)


class TestStoreErrors:
    """A store that fails names its file."""

    def test_closed(self, tmp_path: Path) -> None:
        """So does one that was closed."""
        store = SqliteStore(tmp_path / "seen.db")
        store.close()
        with pytest.raises(StoreError, match=r"seen\.db: the store is closed"):
            store.known([b"a"])


class TestDefects:
    """A defect is a value: a code, a detail, an offset."""

    def test_defaults(self) -> None:
        """A code alone is a defect."""
        assert Defect(DefectCode.PREAMBLE) == Defect(DefectCode.PREAMBLE, "", 0)

    def test_equal_defects_hash_equal(self) -> None:
        """Defects with equal fields are equal and hash equal, others are not."""
        one, same = Defect(DefectCode.PREAMBLE, "x", 1), Defect(DefectCode.PREAMBLE, "x", 1)
        assert one == same
        assert hash(one) == hash(same)
        assert one != Defect(DefectCode.PREAMBLE, "x", 2)

    def test_frozen(self) -> None:
        """A defect cannot be changed."""
        with pytest.raises(AttributeError):
            Defect(DefectCode.PREAMBLE).offset = 1  # type: ignore[misc]

    def test_pickle(self) -> None:
        """A defect can be pickled."""
        defect = Defect(DefectCode.PREAMBLE, "x", 1)
        assert pickle.loads(pickle.dumps(defect)) == defect

    @pytest.mark.parametrize("code", DefectCode)
    def test_codes(self, code: DefectCode) -> None:
        """A code is its name in lower case with hyphens, and a string."""
        assert code == code.name.lower().replace("_", "-")
        assert f"{code}" == code.value


# A word that is in every text of these messages and nowhere in the library.
WORD = "Quxfnord"
_FIELD_LINES = [
    f"Sender: {WORD}@example.com",
    f"Sender: {WORD} <{WORD}@example.com>",
    f"Subject: {WORD}",
    f"Message-Id: <{WORD}@example.com>",
    f"Label: {WORD * 60}",
    f"To: {WORD}@example.net",
    f"To: {WORD}, {WORD}@example.net",
    f"Cc: {WORD} <{WORD}@example.net>, Expanded: {WORD}",
    f"{WORD}: {WORD}",
    f" {WORD}",
    WORD,
]
_HEADERS = [
    "Content-Type: multipart/mixed; boundary=b",
    f"Content-Type: multipart/mixed; boundary={WORD}",
    f"Content-Type: {WORD}/{WORD}; charset={WORD}",
    f"Content-Type: text/plain; charset={WORD}",
    "Content-Type: text/plain",
    "Content-Type: message/rfc822",
    f"Content-Transfer-Encoding: {WORD}",
    "Content-Transfer-Encoding: base64",
    "X-MS-Journal-Report:",
    f"X-MS-Journal-Report: {WORD}",
    "Content-Identifer: ExJournalReport",
    f"X-MS-Embedded-Report: {WORD}",
    f"X-ExJournal-Envelope-Sender: {WORD}, {WORD}",
    f"Message-ID: <{WORD}@example.com>",
    f"From {WORD}",
]


@st.composite
def wordy_reports(draw: st.DrawFn) -> bytes:
    """Something like a report, with the word in every place for text."""
    pieces = [*draw(st.lists(st.sampled_from(_HEADERS), max_size=6)), "X-MS-Journal-Report:", ""]
    for _ in range(draw(st.integers(0, 3))):
        pieces += [draw(st.sampled_from(["--b", f"--{WORD}", f"{WORD}\r\n--b", "--b--"]))]
        pieces += draw(st.lists(st.sampled_from(_HEADERS), max_size=2))
        pieces += ["", *draw(st.lists(st.sampled_from(_FIELD_LINES), max_size=6))]
    return "\r\n".join(pieces).encode()


def said(error: BaseException) -> str:
    """Everything that an error shows, its traceback and its causes included."""
    return "".join([*traceback.format_exception(error), str(error), repr(error), repr(vars(error))])


class TestNoText:
    """No error or defect has text of a message."""

    @given(wordy_reports() | damaged(wordy_reports()), st.booleans(), st.sampled_from([None, *ReportFormat]))
    def test_reading(self, data: bytes, strict: bool, known: ReportFormat | None) -> None:
        """The attributes and traceback of an error, and defects, have nothing of the input."""
        try:
            parsed = parse_report(data, strict=strict, format=known)
        except ParseError as error:
            shown = said(error)
        else:
            shown = repr((parsed.defects, parsed, parsed.parts, parsed.headers))
        assert WORD.lower() not in shown.lower()

    @pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\ud800", " ", ",", "<", '"', " expanded: ", "x" * 600])
    @pytest.mark.parametrize("field", ["address", "expanded_from", "forwarded_from", "display_name", "role"])
    def test_recipients(self, field: str, bad: str) -> None:
        """The error has nothing of a refused recipient."""
        values = {"address": "bob@example.net", field: f"{WORD}{bad}"}
        if field != "display_name" or bad in "\r\n\0\ud800 ":
            with pytest.raises(InvalidValue) as caught:
                Recipient(**values)  # type: ignore[arg-type]
            assert WORD not in said(caught.value)

    @pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\ud800", " "])
    @pytest.mark.parametrize("field", ["sender", "subject", "message_id", "on_behalf_of", "envelope_sender", "label"])
    def test_reports(self, field: str, bad: str) -> None:
        """The error has nothing of a refused report."""
        with pytest.raises(InvalidValue) as caught:
            a_report(**{field: f"{WORD}{bad}"})
        assert WORD not in said(caught.value)

    @pytest.mark.parametrize("option", [{"domain": f"{WORD} x"}, {"report_id": WORD}, {"decrypted": WORD.encode()}])
    def test_building(self, option: dict[str, str]) -> None:
        """The error has nothing of a refused argument."""
        with pytest.raises(BuildError) as caught:
            built(None, **option)
        assert WORD not in said(caught.value)

    def test_wrong_types(self) -> None:
        """A wrong type is named by its type alone."""
        envelope = Envelope("alice@example.com", ["bob@example.net"])
        for wrong in (WORD, [WORD], 1, None):
            with pytest.raises(TypeError) as caught:
                parse_report(wrong)  # type: ignore[arg-type]
            assert WORD not in said(caught.value)
            with pytest.raises(TypeError) as caught:
                report_for(wrong, envelope)  # type: ignore[arg-type]
            assert WORD not in said(caught.value)
        with pytest.raises(TypeError) as caught:
            build_report(a_report(), WORD, domain="example.com", date=DATE)  # type: ignore[arg-type]
        assert WORD not in said(caught.value)
        with pytest.raises(InvalidValue) as invalid:
            JournalReport(sender=[WORD], recipients=[])  # type: ignore[arg-type]
        assert WORD not in said(invalid.value)
