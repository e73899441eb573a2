"""The table of recipients: every recipient of every message, and every item in it."""

import csv
import io
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from test_scan import BARE, GARBAGE, REPORT, SMALLEST, put, scan_archive

from exjournal import MboxVariant, Recipient, ReportFormat, Role, merge, parse_report, read_archive
from exjournal.archives.recipients import RECIPIENT_COLUMNS, Witness, other_row, recipient_rows
from exjournal.identity.statements import statement_of
from strategies import ORIGINAL, PART, TEXT, a_message, a_report, built

BENCHMARK: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "answers.py"))
HEADER = {"date": "Thu, 01 Oct 2026 09:00", "date_utc": None}


def witness(data: bytes, **more: Any) -> Witness:
    """A report as a witness."""
    return Witness(statement_of(parse_report(data)), {"source": {"path": "a.eml"}, "header": HEADER, **more})


def rows_of(*witnesses: Witness) -> list[dict[str, Any]]:
    """The rows of one message."""
    [merged] = merge([one.statement for one in witnesses])
    by_id = {statement: statement for statement in merged.statements}
    same = [one._replace(statement=by_id[one.statement]) for one in witnesses]
    return [dict(zip(RECIPIENT_COLUMNS, row, strict=True)) for row in recipient_rows(merged, same, is_conflict=False)]


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a file."""
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True))


class TestRows:
    """The rows of one message."""

    def test_everything(self) -> None:
        """Each column has its value."""
        recipient = Recipient(
            '"Bob"@Example.net',
            Role.BCC,
            expanded_from="list@example.com",
            forwarded_from="old@example.com",
        )
        report = a_report(
            recipients=[recipient],
            on_behalf_of="chief@example.com",
            sent_utc="10/1/2026 7:00:00 AM",
            received_utc="odd",
        )
        original = {
            "size": 9,
            "sha256": "digest",
            "file": "di/digest.eml",
            "header": {"date": "1 Oct 2026 09:00 +0200", "date_utc": "2026-10-01T07:00:00Z"},
        }
        one = witness(built(report=report), original=original, archive_defects=[{"code": "mbox-quoting"}])
        identity = one.statement.identity
        assert rows_of(one) == [
            {
                "content_sha256": identity.content_sha256,
                "original_sha256": "digest",
                "message_id": "<1@example.com>",
                "mih": identity.mih,
                "date": "1 Oct 2026 09:00 +0200",
                "date_utc": "2026-10-01T07:00:00Z",
                "report_date": "Thu, 01 Oct 2026 09:00",
                "report_date_utc": None,
                "sent": "10/1/2026 7:00:00 AM",
                "sent_utc": "2026-10-01T07:00:00Z",
                "received": "odd",
                "received_utc": None,
                "subject": "Hello",
                "sender": "alice@example.com",
                "on_behalf_of": "chief@example.com",
                "role": "Bcc",
                "address": '"Bob"@Example.net',
                "mailbox": "bob@example.net",
                "display_name": "",
                "list": "list@example.com",
                "forwarded_from": "old@example.com",
                "evidence": "envelope",
                "marker": "X-MS-Journal-Report",
                "format": "envelope",
                "complete": True,
                "conflict": False,
                "defects": "mbox-quoting",
                "reports": 1,
                "size": 9,
                "original_file": "di/digest.eml",
                "source": "a.eml",
                "reason": None,
            }
        ]

    def test_forks(self) -> None:
        """Each recipient has the report that names it as its witness; what is said of the message is the same in all rows."""
        first = witness(built(), source={"path": "one"}, original={"file": None, "sha256": "a"})
        other = built(report=a_report(recipients=["erin@example.org"]), report_id="<s@example.com>")
        second = witness(other, source={"path": "two"}, original={"file": "b", "sha256": "b"})
        again = witness(other, source={"path": "three"}, original={"file": "b", "sha256": "b"})
        for witnesses in ([first, second, again], [second, again, first]):
            rows = rows_of(*witnesses)
            assert [(row["address"], row["source"]) for row in rows] == [
                ("bob@example.net", "one"),
                ("erin@example.org", "two"),
            ]
            assert [(row["original_sha256"], row["reports"]) for row in rows] == [("b", 3)] * 2

    def test_best_evidence(self) -> None:
        """A report with a marker is a better witness than one without, and a complete one than a truncated one."""
        unmarked = REPORT.replace(b"X-MS-Journal-Report:", b"X-Lost:").replace(b"<r@", b"<a@")
        claim = Witness(
            statement_of(parse_report(unmarked, format=ReportFormat.ENVELOPE)),
            {"source": {"path": "unmarked"}, "header": HEADER},
        )
        [row] = rows_of(claim, witness(REPORT, source={"path": "marked"}))
        assert (row["source"], row["marker"], row["evidence"]) == ("marked", "X-MS-Journal-Report", "envelope")

    def test_subject_of_another_report(self) -> None:
        """A report of Exchange 2003 has no subject; the subject of another report is taken."""
        old = built(
            report=a_report(recipients=["erin@example.org"]),
            format=ReportFormat.ENVELOPE_2003,
            report_id="<a@example.com>",
        )
        rows = rows_of(witness(old), witness(REPORT))
        assert [(row["address"], row["format"], row["subject"]) for row in rows] == [
            ("bob@example.net", "envelope", "Hello"),
            ("erin@example.org", "envelope-2003", "Hello"),
        ]

    def test_names(self) -> None:
        """A display name comes from the report text, else from a claim."""
        [row] = rows_of(witness(a_message(TEXT.replace(b"To: bob@example.net", b"To: Bob B <bob@example.net>"), PART)))
        assert (row["address"], row["display_name"]) == ("bob@example.net", "Bob B")

    def test_nobody(self) -> None:
        """A report without a readable recipient has one row, with the reason."""
        [row] = rows_of(witness(a_message(TEXT.replace(b"To: bob@example.net\r\n", b""))))
        assert (row["address"], row["role"], row["reason"]) == (None, None, "recipients-missing")
        assert (row["sender"], row["subject"], row["original_sha256"]) == ("alice@example.com", "Hello", None)

    def test_other_items(self) -> None:
        """A message that is not a report, and an item that cannot be used, have one row each."""
        header = {"date": "1 Oct 2026 09:00 GMT", "date_utc": "2026-10-01T09:00:00Z"}
        message = {
            "kind": "message",
            "code": "not-a-report",
            "octets": 9,
            "sha256": "a",
            "file": "a/a.eml",
            "header": header,
        }
        bad = {
            "kind": "unreadable",
            "code": "empty",
            "octets": 0,
            "sha256": "b",
            "file": "b/b.eml",
            "archive_defects": [{"code": "mbox-length"}],
        }
        source = {"source": {"path": "x", "offset": 3, "size": 5}}
        rows = [dict(zip(RECIPIENT_COLUMNS, other_row(data | source), strict=True)) for data in (message, bad)]
        names = ("reason", "original_sha256", "size", "original_file", "date_utc", "defects", "source", "reports")
        assert [tuple(row[name] for name in names) for row in rows] == [
            ("not-a-report", "a", 9, "a/a.eml", "2026-10-01T09:00:00Z", "", "x@3", 0),
            ("empty", "b", 0, None, None, "mbox-length", "x@3", 0),
        ]


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder with a few items of every kind."""
    folder = tmp_path / "few"
    erin = Recipient("Erin@Example.org", Role.BCC, expanded_from="list@example.com")
    put(folder / "a.eml", REPORT)
    put(folder / "b.eml", built(report=a_report(recipients=[erin]), report_id="<s@example.com>"))
    put(folder / "c.eml", built(ORIGINAL.replace(b"Hi.", b"Ho."), report_id="<t@example.com>"))
    put(folder / "d.eml", REPORT)
    put(folder / "e.eml", BARE)
    put(folder / "f.eml", GARBAGE)
    put(folder / "g.eml", REPORT[: REPORT.rindex(b"\r\n--_")])
    put(folder / "h.eml", a_message(TEXT.replace(b"To: bob@example.net\r\n", b""), PART))
    put(folder / "i.eml", REPORT.replace(b"X-MS-Journal-Report:", b"X-Lost:"))
    return folder


class TestScan:
    """The table of a scan."""

    def test_every_item(self, few: Path, tmp_path: Path) -> None:
        """Each message has its rows, each other item one; all items are accounted for."""
        summary = scan_archive(few, recipients=tmp_path / "out.csv", originals=tmp_path / "kept", jobs=1)
        rows = table(tmp_path / "out.csv")
        assert list(rows[0]) == list(RECIPIENT_COLUMNS)
        reports = {row["content_sha256"]: int(row["reports"]) for row in rows if row["content_sha256"]}
        others = [row for row in rows if not row["content_sha256"]]
        assert sum(reports.values()) == summary.reports == 6
        assert sum(reports.values()) + len(others) == summary.items
        assert sorted((Path(row["source"]).name, row["reason"]) for row in others) == [
            ("e.eml", "not-a-report"),
            ("f.eml", "not-a-report"),
            ("i.eml", "not-a-report"),
        ]
        assert (summary.distinct, summary.conflicts) == (len(reports), 2)
        for row in rows:
            assert not row["original_file"] or (tmp_path / "kept" / row["original_file"]).stat().st_size == int(
                row["size"]
            )

    def test_answer(self, few: Path, tmp_path: Path) -> None:
        """A recipient has its list, in one spelling of the mailbox."""
        scan_archive(few, recipients=tmp_path / "out.csv", jobs=1)
        [row] = [row for row in table(tmp_path / "out.csv") if row["mailbox"] == "erin@example.org"]
        assert (row["role"], row["address"], row["list"]) == ("Bcc", "Erin@Example.org", "list@example.com")
        assert (row["reports"], row["complete"], row["conflict"]) == ("5", "true", "true")

    @pytest.mark.parametrize(
        "others",
        [{"json": "x"}, {"json": "x", "merge": True}, {"merge": True}, {"store": "x.db"}, {"exceptions": "x"}],
        ids=str,
    )
    def test_depends_on_nothing_else(self, few: Path, tmp_path: Path, others: dict[str, Any]) -> None:
        """The table is the same whatever else is written."""
        scan_archive(few, recipients=tmp_path / "one.csv", jobs=1)
        made = {name: tmp_path / value if isinstance(value, str) else value for name, value in others.items()}
        scan_archive(few, recipients=tmp_path / "two.csv", jobs=1, sizes=SMALLEST, **made)
        assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()

    @pytest.mark.slow
    def test_processes(self, few: Path, tmp_path: Path) -> None:
        """Any number of processes writes the same."""
        for jobs in (1, 2):
            scan_archive(
                few, recipients=tmp_path / f"{jobs}.csv", exceptions=tmp_path / f"{jobs}.x", jobs=jobs, sizes=SMALLEST
            )
        assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
        assert (tmp_path / "1.x").read_bytes() == (tmp_path / "2.x").read_bytes()

    @pytest.mark.parametrize("name", ["recipients", "exceptions", "json"])
    def test_replaces_its_own_alone(self, few: Path, tmp_path: Path, name: str) -> None:
        """A table of an earlier run, or an empty file, is replaced, and nothing else."""
        options: dict[str, Any] = {name: put(tmp_path / "out", b"")}
        for _ in range(2):
            scan_archive(few, **options, jobs=1)
        for content in (b"mine", b"\xef\xbb\xbf" + b'"name","address"\r\n'):
            put(tmp_path / "out", content)
            with pytest.raises(ValueError, match=f"{name}: exists and is not an output of a scan"):
                scan_archive(few, **options, jobs=1)
            assert (tmp_path / "out").read_bytes() == content


class TestGenerated:
    """An archive whose answers are known."""

    @pytest.mark.slow
    def test_known(self, tmp_path: Path) -> None:
        """The table and the merged lines have every answer, and no other."""
        items, known = BENCHMARK["make_items"](900, 42)
        (tmp_path / "mail").mkdir()
        BENCHMARK["write_archive"](tmp_path / "mail", items)
        summary = scan_archive(
            tmp_path / "mail", unmarked=True, merge=True, json=tmp_path / "json", recipients=tmp_path / "csv", jobs=2
        )
        assert summary.unmarked > 10
        assert summary.incomplete > 10
        rows = [row for row in table(tmp_path / "csv") if row["mailbox"] == "hidden@example.org"]
        assert {row["message_id"] for row in rows if row["role"] == "Bcc" or row["list"]} == known
        answers = set()
        for line in map(json.loads, (tmp_path / "json").read_text("utf-8").splitlines()):
            for recipient in line.get("recipients", ()):
                is_way = recipient["role"] == "Bcc" or recipient["expanded_from"] is not None
                if is_way and recipient["address"].lower() == "hidden@example.org":
                    answers |= set(line["message_ids"])
        assert answers == known
        assert len(list(read_archive(tmp_path / "mail", mbox=MboxVariant.MBOXRD))) == summary.items
