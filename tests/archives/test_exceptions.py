"""Exceptions: the items that a person has to look at, and why."""

import csv
import errno
import io
from datetime import date
from pathlib import Path

import pytest
from test_scan import BARE, GARBAGE, named, put, scan_archive, sha256

from exjournal import (
    ArchivedMessage,
    ArchivedReport,
    Defect,
    DefectCode,
    ParseError,
    ReportFormat,
    Source,
    Unreadable,
    parse_report,
)
from exjournal.archives.exceptions import (
    CATEGORIES,
    CONFLICT,
    EXCEPTION_COLUMNS,
    NOT_WRITTEN,
    READS_LIKE,
    UNDATED,
    UNMARKED,
    ArchiveException,
    Category,
    error_name,
    exception_data,
    exception_row,
    find_exceptions,
    meaning_of,
)
from exjournal.identity.keys import INCOMPLETE
from strategies import ORIGINAL, a_report, built

REPORT = built()
SOURCE = Source("a.eml")


def found(item: ArchivedReport | ArchivedMessage | Unreadable) -> list[tuple[str, str]]:
    """The categories and codes of an item."""
    return [(one.category, one.code) for one in find_exceptions(item)]


def report(data: bytes, *defects: Defect, format: ReportFormat | None = None) -> ArchivedReport:
    """A report in an archive."""
    return ArchivedReport(SOURCE, data, parse_report(data, format=format), None, defects)


class TestFound:
    """Each kind of item."""

    def test_fine(self) -> None:
        """A report without defects, ordinary mail, and defects that change nothing are no exceptions."""
        assert found(report(REPORT, Defect(DefectCode.MBOX_QUOTING))) == []
        assert found(report(REPORT + b"Scanned.\r\n")) == []
        assert found(ArchivedMessage(SOURCE, b"", DefectCode.NOT_A_REPORT)) == []

    def test_report(self) -> None:
        """Each code counts once, with its first place, those of the archive first."""
        cut = REPORT[: REPORT.rindex(b"\r\n--_")]
        item = report(cut, Defect(DefectCode.MBOX_LENGTH, "a"), Defect(DefectCode.MBOX_LENGTH, "b"))
        assert found(item) == [("ambiguous", "mbox-length"), ("incomplete", "perhaps-truncated")]
        assert next(find_exceptions(item)).detail == "a"

    def test_without_a_marker(self) -> None:
        """A report that anybody could have sent, and a message that reads like one."""
        data = REPORT.replace(b"X-MS-Journal-Report:", b"X-Lost:")
        assert found(report(data, format=ReportFormat.ENVELOPE)) == [("unmarked", UNMARKED)]
        message = ArchivedMessage(SOURCE, data, DefectCode.NOT_A_REPORT, reads_like=ReportFormat.ENVELOPE)
        assert found(message) == [("unmarked", READS_LIKE)]

    def test_message(self) -> None:
        """A message with another one after it."""
        defect = Defect(DefectCode.ANOTHER_MESSAGE, "", 7)
        [exception] = find_exceptions(ArchivedMessage(SOURCE, b"", DefectCode.NOT_A_REPORT, (defect,)))
        assert exception == (Category.QUARANTINED, "another-message", "", 7)

    def test_unreadable(self) -> None:
        """A refusal has the code of its error, an error of the system its name and its text."""
        refused = Unreadable(SOURCE, ParseError(DefectCode.EMPTY, "", 3), b"", (Defect(DefectCode.MBOX_SEPARATOR),))
        assert found(refused) == [("refused", "empty"), ("ambiguous", "mbox-separator")]
        gone = Unreadable(SOURCE, FileNotFoundError(errno.ENOENT, "No such file"))
        assert list(find_exceptions(gone)) == [(Category.UNREADABLE, "ENOENT", "No such file", None)]
        assert next(find_exceptions(Unreadable(SOURCE, OSError()))).detail == ""
        assert error_name(OSError()) == "OSError"

    def test_categories(self) -> None:
        """A report that may be truncated is incomplete, and codes of defects alone have a category."""
        assert {CATEGORIES[code] for code in INCOMPLETE} == {Category.INCOMPLETE}
        assert set(CATEGORIES) < set(DefectCode)


class TestMeaning:
    """What each code means."""

    @pytest.mark.parametrize("code", DefectCode)
    def test_codes(self, code: DefectCode) -> None:
        """Each code has a meaning of its own, in one clause."""
        assert meaning_of(str(code)) == code.meaning
        assert 10 < len(code.meaning) < 110
        assert not code.meaning.endswith(".")
        assert [one for one in DefectCode if one.meaning == code.meaning] == [code]

    def test_others(self) -> None:
        """Codes that are not defects have one as well, and errors of the system share one."""
        codes = [CONFLICT, UNMARKED, READS_LIKE, UNDATED, NOT_WRITTEN]
        assert len({meaning_of(code) for code in codes}) == len(codes)
        assert meaning_of("ENOENT") == "the system reports an error"


def test_row() -> None:
    """The row has the values of the data, with the meaning and the source as text."""
    exception = ArchiveException(Category.REFUSED, "empty", "nothing", 3)
    source = Source("a.zip", (("b.mbox", 2),), 5, 7)
    row = exception_row(exception_data(exception, source.to_dict(), 9, "digest", "di/digest.eml"))
    assert dict(zip(EXCEPTION_COLUMNS, row, strict=True)) == {
        "category": "refused",
        "code": "empty",
        "meaning": "no bytes, or only blank lines",
        "detail": "nothing",
        "offset": 3,
        "size": 9,
        "sha256": "digest",
        "quarantine_file": "di/digest.eml",
        "source": "a.zip:b.mbox@5",
    }


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a file."""
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True))


class TestScan:
    """The table of a scan."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Items of every category."""
        folder = tmp_path / "in"
        put(folder / "a.eml", REPORT)
        put(folder / "b.eml", built(ORIGINAL.replace(b"Hi.", b"Ho."), report_id="<s@example.com>"))
        put(folder / "c.eml", REPORT.replace(b"X-MS-Journal-Report:", b"X-Lost:"))
        put(folder / "d.eml", REPORT[: REPORT.rindex(b"\r\n--_")])
        put(folder / "e.eml", GARBAGE)
        other = ORIGINAL.replace(b"<1@", b"<2@").replace(b"Hi.", b"Hey.")
        put(folder / "f.eml", built(other, report=a_report(message_id="<2@example.com>")) * 2)
        put(folder / "g.eml", BARE)
        (folder / "h.eml").symlink_to("nowhere")
        return folder

    def test_every_category(self, folder: Path, tmp_path: Path) -> None:
        """The exceptions of items come in the order of reading, then those of messages; items that are fine have none."""
        summary = scan_archive(folder, exceptions=tmp_path / "out.csv", quarantine=tmp_path / "bad", jobs=1)
        rows = table(tmp_path / "out.csv")
        found = [(row["category"], row["code"], Path(row["source"]).name) for row in rows]
        assert found[:5] == [
            ("unmarked", "reads-like-report", "c.eml"),
            ("incomplete", "perhaps-truncated", "d.eml"),
            ("refused", "not-a-report", "e.eml"),
            ("quarantined", "another-message", "f.eml"),
            ("unreadable", "ENOENT", "h.eml"),
        ]
        assert sorted(found[5:]) == [("conflicting", "conflict", name) for name in ("a.eml", "b.eml", "d.eml")]
        assert summary.conflicts == 2
        for row in rows:
            data = b"" if row["code"] == "ENOENT" else Path(row["source"]).read_bytes()
            assert (row["size"], row["sha256"]) == (("", "") if not data else (str(len(data)), sha256(data)))
            is_kept = row["code"] in {"not-a-report", "another-message"}
            assert row["quarantine_file"] == (named(data) if is_kept else "")
            assert not is_kept or (tmp_path / "bad" / named(data)).read_bytes() == data

    def test_of_the_whole_archive(self, folder: Path, tmp_path: Path) -> None:
        """A selection leaves out no exception, and adds the reports whose date is not known."""
        put(tmp_path / "addresses", b"nobody@example.com")
        put(folder / "a.eml", REPORT.replace(b"+0000", b"", 1))
        scan_archive(folder, exceptions=tmp_path / "one.csv", jobs=1)
        scan_archive(
            folder, exceptions=tmp_path / "two.csv", jobs=1, address_file=tmp_path / "addresses", since=date(2100, 1, 1)
        )
        one, two = table(tmp_path / "one.csv"), table(tmp_path / "two.csv")
        more = [row for row in two if row not in one]
        assert [row for row in two if row in one] == one
        assert [(row["category"], row["code"], Path(row["source"]).name) for row in more] == [
            ("ambiguous", "undated", "a.eml"),
            ("ambiguous", "undated", "g.eml"),
        ]

    def test_not_written(self, folder: Path, tmp_path: Path) -> None:
        """An original or a refused item that cannot be written is an exception as well."""
        put(tmp_path / "kept" / named(BARE)[:2], b"a file in the place of a folder")
        put(tmp_path / "bad" / named(GARBAGE)[:2], b"a file in the place of a folder")
        options = {"originals": tmp_path / "kept", "quarantine": tmp_path / "bad"}
        scan_archive(folder, exceptions=tmp_path / "out.csv", jobs=1, **options)
        rows = [row for row in table(tmp_path / "out.csv") if row["code"] == "not-written"]
        assert [(Path(row["source"]).name, row["category"], row["quarantine_file"]) for row in rows] == [
            ("e.eml", "unreadable", ""),
            ("g.eml", "unreadable", ""),
        ]
