"""`scan --html` and `parse --html`: what the pages show, and that nothing in them is more than text."""

import errno
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import REPORT, TRUNCATED, UNSEEN, WITH_OTHER_TEXT, WITHOUT_ORIGINAL, put, run
from hypothesis import given
from hypothesis import strategies as st
from page_helpers import Page, check_accessible, check_harmless
from test_scan import BARE, GARBAGE, bounce, mboxrd

from exjournal import Recipient, ReportFormat, ScanSummary, scan_archive
from exjournal.cli.pages import to_html, write_page
from exjournal.cli.scan_page import scan_page
from strategies import ORIGINAL, a_report, built

HOSTILE = "</title></style><script>alert(1)</script><img src=http://example.com/x onerror=alert(2)>\"'&amp;"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dated(date: datetime | bytes, name: str, **options: Any) -> Path:
    """A file with a report of a date; bytes take the place of its field."""
    if isinstance(date, datetime):
        return put(f"in/{name}.eml", built(date=date, report_id=f"<{name}@example.com>", **options))
    data = built(report_id=f"<{name}@example.com>", **options)
    start = data.index(b"Date: ")
    return put(f"in/{name}.eml", data[:start] + date + data[data.index(b"\n", start) + 1 :])


def month(number: int) -> datetime:
    """A time in a month, counted from January 2020."""
    return datetime(2020 + number // 12, number % 12 + 1, 5, tzinfo=UTC)


class TestScan:
    """The summary page of a scan."""

    def scanned(self, *words: str, status: int = 0) -> Page:
        """The page of a scan of `in`."""
        outcome = run("scan", "in", "--html", "page.html", "--jobs", "1", *words)
        assert outcome.status == status
        page = Page("page.html")
        check_harmless(page)
        check_accessible(page)
        return page

    def test_every_kind(self) -> None:
        """Each item has one outcome, the sums agree, and codes lead to the exceptions."""
        dated(month(0), "a")
        dated(month(1), "b")
        put("in/c.eml", BARE)
        put("in/d.eml", bounce(REPORT))
        put("in/e.eml", GARBAGE)
        put("in/f.eml", TRUNCATED)
        put("in/g.eml", REPORT.replace(b"X-MS-Journal-Report:", b"X-Other:"))
        put("in/h.mbox", mboxrd([BARE] * 3))
        Path("in/i.eml").symlink_to("nowhere")
        page = self.scanned("--unmarked", "--quarantine", "bad", "--originals", "kept", status=2)
        outcomes = page.table("Items by outcome")
        assert [count for (count,) in outcomes.values()] == ["2", "1", "1", "5", "1", "1", "11"]
        assert page.sum("Items by outcome") == 11
        assert "The sums agree: 11 items = 4 reports + 5 other messages + 2 that could not be read." in page.text
        assert page.sum("Reports by format", 2) == 4
        assert page.sum("Messages that are not reports, by reason", 2) == 5
        assert page.sum("Items that could not be read, by reason", 2) == 2
        assert page.table("Items that could not be read, by reason")["ENOENT"][2] == "listed"
        assert page.table("Exceptions by kind")["All exceptions"] == ["4"]
        exceptions = page.tables["Exceptions"][1:]
        assert exceptions[0][1].startswith("refused, not-a-report\n")
        assert exceptions[0][2] == f"in/e.eml\n{len(GARBAGE)} bytes, SHA-256 {sha256_of('in/e.eml')}"
        assert exceptions[-1][2] == "in/i.eml"
        assert page.sum("Files that were read", 3) == 11
        files = page.table("Files that were read")
        assert files[f"in/h.mbox\n{sha256_of('in/h.mbox')}"][2:] == ["3", "0", "3", "0"]
        assert files["in/i.eml\nnot readable"] == ["", "", "1", "0", "0", "1"]
        written = page.table("Files that were written")
        assert written["bad/reasons.jsonl"][1] == sha256_of("bad/reasons.jsonl")
        assert written["page.html.sha256sums"][1] == sha256_of("page.html.sha256sums")
        assert page.tables["Files named by their SHA-256"][1:] == [
            ["Originals and other messages", "4", "5", "0"],
            ["Items set aside", "1", "0", "0"],
        ]

    def test_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The page has the command, the folder, the versions and the session."""
        monkeypatch.setenv("TZ", "UTC")
        put("in/a b'c.eml", REPORT)
        run("scan", "in/a b'c.eml", "--html", "page.html")
        page = Page("page.html")
        assert """exjournal scan 'in/a b'"'"'c.eml' --html page.html""" in page.text
        assert str(Path.cwd()) in page.text
        assert "exjournal 0.1.0, Python 3." in page.text
        assert "Time zone UTC (UTC+0000) on this machine" in page.text
        ((number, start, end, time, ended),) = page.tables["Sessions"][1:]
        assert (number, ended) == ("1", "finished")
        assert datetime.fromisoformat(start) <= datetime.fromisoformat(end)
        assert time.startswith("0:00:")

    def test_resumed(self) -> None:
        """A resumed run has a line for each session, and everything else is the same."""
        for number in range(4):
            dated(month(number), str(number))
        expected = self.scanned("--json", "lines.jsonl")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("exjournal.archives.scan.write_outputs", interrupt)
            assert run("scan", "in", "--html", "page.html", "--jobs", "1", "--json", "lines.jsonl").status == 130
        page = self.scanned("--json", "lines.jsonl", "--resume")
        assert [row[-1] for row in page.tables["Sessions"][1:]] == ["stopped", "finished"]
        assert "The run was resumed." in page.text
        same = page.tables.keys() - {"Sessions"}
        assert {name: page.tables[name] for name in same} == {name: expected.tables[name] for name in same}

    def test_months(self) -> None:
        """Months without a report are seen, and reports without a possible date have bars of their own."""
        for name, number in (("a", 0), ("b", 0), ("c", 3), ("d", 13)):
            dated(month(number), name)
        dated(b"", "e")
        dated(b"Date: Thu, 31 Feb 2026 00:30:00 +0000\r\n", "f")
        dated(datetime(1970, 1, 1, tzinfo=UTC), "g")
        dated(datetime(2999, 1, 1, tzinfo=UTC), "h")
        page = self.scanned()
        assert "Months without a report: 2020-02 to 2020-03 (2), 2020-05 to 2021-01 (9)." in page.text
        assert page.table("Reports by month") == {
            "2020": ["2", "0", "0", "1", *"00000000", "3"],
            "2021": ["0", "1", *[""] * 10, "1"],
        }
        by_date = page.tables["All reports by their Date"][1:]
        assert [int(count) for _, count in by_date] == [4, 1, 1, 1, 1, 8]
        titles = [text for text in page.texts if re.fullmatch(r"[^:]+: (no|\d+) reports?", text)]
        assert len(titles) == 14 + 2
        assert titles[:2] == ["2020-01: 2 reports", "2020-02: no report"]
        assert titles[-2:] == ["no Date: 1 report", "impossible: 3 reports"]
        gaps = [element for element in page.elements if element[1].get("class") == "gap"]
        assert len(gaps) == 11
        assert (
            "14 months from 2020-01 to 2021-02. Without a Date: 1 report. With an impossible one: 3 reports."
            in page.text
        )

    def test_without_gaps(self) -> None:
        """A page says so if there is no gap."""
        dated(month(0), "a")
        dated(month(1), "b")
        assert "There is no month without a report between the first and the last." in self.scanned().text

    def test_many_gaps(self) -> None:
        """Of very many gaps some are listed; a chart of many years is wide, and has a year for some bars."""
        for number in range(0, 80, 2):
            dated(month(number), f"{number:02}")
        page = self.scanned()
        assert "2024-12 (1), and 9 more." in page.text
        years = [text for text in page.texts if text in {str(year) for year in range(2020, 2027)}]
        assert years[:7] == ["2020", "2021", "2022", "2023", "2024", "2025", "2026"]

    def test_nothing(self) -> None:
        """An archive without an item has a page as well."""
        Path("in").mkdir()
        page = self.scanned()
        assert (
            "0 items in 0 files (0 bytes): 0 journal reports, 0 other messages, 0 that could not be read." in page.text
        )
        assert "The sums agree: 0 items" in page.text
        assert "There are none." in page.text
        assert "No item has a defect." in page.text
        assert "Not counted: the reports were not merged" in page.text

    def test_merged(self) -> None:
        """Duplicates and further reports of a message have a sum, and conflicts are exceptions."""
        dated(month(0), "a")
        put("in/b.eml", Path("in/a.eml").read_bytes())
        dated(month(0), "c", report=a_report(recipients=["erin@example.org"]))
        page = self.scanned("--merge", "--store", "seen.db")
        assert [row[1] for row in page.tables["Reports by message"][1:]] == ["1", "1", "1", "3"]
        assert page.sum("Reports by the answer of the store") == 3
        assert "There is no conflict" in page.text
        dated(month(0), "d", original=ORIGINAL.replace(b"Hi.", b"Ho."))
        page = self.scanned("--merge", "--store", "seen.db", status=1)
        assert "2 messages are in conflict :" in page.text
        assert page.table("Exceptions by kind")["conflicting"] == ["4"]

    def test_selection(self) -> None:
        """Items that the outputs leave out are counted."""
        dated(month(0), "a")
        dated(month(9), "b")
        page = self.scanned("--json", "lines.jsonl", "--since", "2020-05-01")
        (caption,) = [name for name in page.tables if name.startswith("Items that the outputs leave out")]
        assert page.tables[caption][1:] == [["Left out: reports", "1"]]

    def test_changed(self) -> None:
        """A file that changes while it is read is an exception, and changes the exit status."""
        path = dated(month(0), "a")
        honest = scan_archive

        def meddle(*paths: Any, **options: Any) -> ScanSummary:
            return honest(*paths, **{**options, "progress": lambda _: path.write_bytes(BARE)})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("exjournal.cli.scan.scan_archive", meddle)
            page = self.scanned(status=1)
        assert "Files that changed while they were read: 1." in page.text
        (exception,) = page.tables["Exceptions"][1:]
        assert exception[1] == "changed, file-changed\nthe file changed while it was read"
        assert any("changed while it was read" in row[0] for row in page.tables["Files that were read"])

    def test_content(self) -> None:
        """Text of messages is shown on demand only."""
        secret = a_report(
            subject="A secret subject", sender="secret-sender@example.com", recipients=["secret@example.org"]
        )
        original = ORIGINAL.replace(b"Hello", b"A secret subject").replace(b"Hi.", b"A secret body.")
        whole = built(original, report=secret)
        put("in/a.eml", whole)
        put("in/b.eml", whole[: whole.rindex(b"\r\n--_")])
        put("in/c.eml", b"Subject: secret\r\nFrom: secret@example.com\r\nX-MS-Journal-Report:\r\n\r\nsecret\r\n")
        assert "secret" not in self.scanned("--merge", "--json", "lines.jsonl", status=1).source
        page = self.scanned("--merge", "--json", "lines.jsonl", "--html-content", status=1)
        cells = [row[2] for row in page.tables["Exceptions"]]
        assert any(
            "From secret-sender@example.com\nTo secret@example.org\nSubject A secret subject" in cell for cell in cells
        )
        assert any("From secret@example.com\nSubject secret" in cell for cell in cells)
        assert "body" not in page.text

    @pytest.mark.parametrize("text", [HOSTILE, *UNSEEN, "\ud800"])
    def test_hostile(self, text: str) -> None:
        """Names of files and text of messages are text on the page, in which each character is seen."""
        name = text.replace("/", "_") if text != "\ud800" else "\udc80"
        subject = f"Subject: {text} x\r\nFrom: <{text}@example.com>\r\n".encode("utf-8", "surrogatepass")
        put(f"in/{name}.eml", subject + b"X-MS-Journal-Report:\r\n\r\n\r\n")
        run("scan", "in", f"in/{name}.eml", "--html", "page.html", "--html-content", "--jobs", "1")
        page = Page("page.html")
        check_harmless(page)
        if text == HOSTILE:
            assert f"in/{name}.eml" in page.text
            assert f"Subject {HOSTILE} x" in page.tables["Exceptions"][1][2]
        elif text != "\xa0":
            assert f"U+{ord(text[0] if text != chr(0xD800) else chr(0xDC80)):04X}" in page.text

    def test_some_of_many(self) -> None:
        """Files and exceptions beyond a limit are counted."""
        pages = []
        for number in range(5):
            put(f"in/{number}.eml", GARBAGE)
        scan_archive("in", manifest="sums", jobs=1, finish=pages.append)
        account = pages[0].account
        few = pages[0]._replace(account=account._replace(files=account.files[:2], exceptions=account.exceptions[:3]))
        write_page(Path("page.html"), scan_page(few, ["in"], {}, has_content=False))
        page = Page("page.html")
        assert page.sum("Files that were read", 3) == 5
        assert page.table("Files that were read")["3 more files, which the list of digests has"] == [
            str(3 * len(GARBAGE)), "", "3", "0", "0", "3",
        ]  # fmt: skip
        assert "These are the first 3 of 5: --exceptions writes all of them to a file." in page.text
        wrong = pages[0]._replace(items=6)
        write_page(Path("page.html"), scan_page(wrong, ["in"], {}, has_content=False))
        assert "The sums do not agree: 6 and 5" in Page("page.html").text

    @pytest.mark.parametrize(
        ("octets", "size"),
        [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1 kB"),
            (123_456, "123 kB"),
            (999_999, "1 MB"),
            (2 * 10**15, "2e+03 TB"),
        ],
    )
    def test_sizes(self, octets: int, size: str) -> None:
        """Sizes are for people."""
        summaries: list[ScanSummary] = []
        put("in/a.eml", BARE)
        scan_archive("in", manifest="sums", jobs=1, finish=summaries.append)
        account = summaries[0].account
        assert account is not None
        changed = summaries[0]._replace(account=account._replace(file_octets=octets))
        assert f"({size})" in "".join(scan_page(changed, ["in"], {}, has_content=False))

    def test_usage(self) -> None:
        """Options that need another one, and files that are not ours."""
        dated(month(0), "a")
        outcome = run("scan", "in", "--html-content")
        assert (outcome.status, outcome.messages) == (2, ["exjournal: --html-content needs --html"])
        outcome = run("scan", "in", "--html", "-")
        assert outcome.messages == [
            "exjournal: --html: must be a file, because the list of digests is written beside it"
        ]
        outcome = run("scan", "in", "--html", "./one", "--json", "two", "--store", "one")
        assert outcome.messages == ["exjournal: --html: is the same path as --store"]
        put("page.html", b"<!DOCTYPE html>\n<p>A page of somebody")
        outcome = run("scan", "in", "--html", "page.html")
        assert (outcome.status, outcome.messages) == (2, ["exjournal: --html: exists and is not a page of exjournal"])
        Path("folder").mkdir()
        assert run("scan", "in", "--html", "folder").status == 2
        put("page.html", b"")
        put("page.html.sha256sums", b"notes")
        outcome = run("scan", "in", "--html", "page.html")
        assert (outcome.status, outcome.messages) == (
            2,
            ["exjournal: --html: page.html.sha256sums exists and is not a list of digests"],
        )
        put("page.html.sha256sums", b"")
        self.scanned()
        self.scanned()

    def test_standard_input(self) -> None:
        """Standard input is a file of the name -, as it is for sha256sum."""
        outcome = run("scan", "-", "--html", "new/page.html", stdin=mboxrd([REPORT, BARE]))
        assert outcome.status == 0
        (row,) = Page("new/page.html").tables["Files that were read"][1:-1]
        assert row[0].startswith("-\n")
        assert Path("new/page.html.sha256sums").read_text().splitlines()[0] == f"{row[0][2:]}  -"

    def test_below_the_archive(self) -> None:
        """The page and its list of digests are not read."""
        dated(month(0), "a")
        for _ in range(2):
            assert run("scan", "in", "--html", "in/page.html").status == 0
            page = Page("in/page.html")
            assert page.sum("Files that were read", 3) == 1
        assert {path.name for path in Path("in").iterdir()} == {"a.eml", "page.html", "page.html.sha256sums"}

    def test_disk_full(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page that cannot be written ends the run, and the page before it stays; the run can be resumed."""
        dated(month(0), "a")
        before = self.scanned().source
        monkeypatch.setattr(Path, "replace", full)
        outcome = run("scan", "in", "--html", "page.html", "--jobs", "1")
        assert (outcome.status, outcome.messages) == (2, ["page.html: No space left on device"])
        assert Path("page.html").read_text() == before
        assert not list(Path().glob(".exjournal*"))
        monkeypatch.undo()
        monkeypatch.chdir(folder)
        page = self.scanned("--resume")
        assert [row[-1] for row in page.tables["Sessions"][1:]] == ["stopped", "finished"]


def interrupt(*_: object, **__: object) -> None:
    """An interrupt from the keyboard."""
    raise KeyboardInterrupt


def full(*_: object) -> None:
    """A full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


def sha256_of(name: str) -> str:
    """The digest of a file."""
    from hashlib import sha256

    return sha256(Path(name).read_bytes()).hexdigest()


class TestParse:
    """The page for one report."""

    def parsed(self, data: bytes, *words: str, status: int = 0) -> Page:
        """The page of a report."""
        put("r.eml", data)
        outcome = run("parse", "r.eml", "--html", "page.html", *words)
        assert outcome.status == status
        assert outcome.out.startswith("r.eml\n")
        page = Page("page.html")
        check_harmless(page)
        check_accessible(page)
        return page

    def test_report(self) -> None:
        """Who sent, who received through which list, parts, defects and headers."""
        recipients = [
            Recipient("bob@example.com", "To", display_name="Bob"),  # type: ignore[arg-type]
            Recipient("erin@example.com", "Bcc", expanded_from="staff@example.com"),  # type: ignore[arg-type]
            Recipient("fay@example.com", expanded_from="staff@example.com", forwarded_from="mallory@example.com"),
        ]
        page = self.parsed(built(report=a_report(recipients=recipients, on_behalf_of="boss@example.com")))
        assert "alice@example.com sent this message to 3 recipients." in page.text
        assert "On behalf of boss@example.com" in page.text
        assert "1 Bcc, 1 Recipient, 1 To." in page.text
        assert "through list staff@example.com Bcc erin@example.com" in page.text
        assert (
            "through list staff@example.com , forwarded by mallory@example.com Recipient fay@example.com" in page.text
        )
        (caption,) = [name for name in page.tables if name.startswith("Parts of")]
        assert [row[0] for row in page.tables[caption][1:]] == ["text", "original"]
        assert sha256_of("r.eml") in page.text
        assert "There are none: the report is as it should be." in page.text
        assert ["Subject", "Hello"] in page.tables["Fields in their order"]

    def test_one_recipient(self) -> None:
        """The null sender and a single recipient."""
        page = self.parsed(built(report=a_report(sender="", recipients=["bob@example.com"])))
        assert "The null sender sent this message to 1 recipient." in page.text

    def test_unknown_sender(self) -> None:
        """A sender that could not be read is not the null sender."""
        report = built().replace(b"\r\n\r\nSender: ", b"\r\n\r\nSander: ")
        page = self.parsed(report)
        assert "An unknown sender sent this message to" in page.text
        assert "Sender unknown" in page.text
        assert re.search(r"(?m)^ *sender +unknown$", run("parse", "r.eml").out)

    def test_sender_named_unknown(self) -> None:
        """A report that names its sender `unknown` has a sender."""
        page = self.parsed(re.sub(rb"(?m)^Sender: .*\r$", b"Sender: unknown\r", built(), count=1))
        assert "An unknown sender" not in page.text
        assert "unknown sent this message to" in page.text

    def test_odd(self) -> None:
        """Defects have their meaning, and lines that were not understood are listed."""
        page = self.parsed(WITH_OTHER_TEXT)
        assert page.table("Defects, in their order")["unknown-line"][0] == "an unknown line in the report text"
        assert "of no form" in page.text
        page = self.parsed(TRUNCATED)
        assert "Something may be missing: see the defects ." in page.text
        page = self.parsed(WITHOUT_ORIGINAL)
        assert "The report has no original." in page.text

    def test_evidence(self) -> None:
        """Recipients that are a claim are called one."""
        page = self.parsed(REPORT.replace(b"X-MS-Journal-Report:", b"X-Other:"), "--format", "envelope")
        assert "No marker: anyone who can mail the archive may have written this report." in page.text
        page = self.parsed(BARE, "--format", ReportFormat.MESSAGE_ONLY)
        assert "which its sender wrote" in page.text
        assert "The report's own header" not in page.text

    def test_nobody(self) -> None:
        """A report may name nobody."""
        page = self.parsed(b"From: zoe@example.com\r\n\r\nHello.\r\n", "--format", "message-only")
        assert "The report names no recipient." in page.text

    def test_bounce(self) -> None:
        """A report in a bounce, with who refused it."""
        page = self.parsed(bounce(REPORT), "--undeliverable")
        assert page.tables["Who refused it, and why"][1:] == [["archive@example.com", "failed", "5.0.0", "", ""]]
        without = (
            bounce(REPORT)
            .replace(b"Final-Recipient", b"X-Recipient")
            .replace(b"message/delivery-status", b"text/plain")
        )
        page = self.parsed(without, "--undeliverable")
        assert "found inside a bounce" in page.text

    @pytest.mark.parametrize(
        ("header", "rows"),
        [
            (b"Subject: =?utf-8?q?=C3=84?=\r\n b\r\n\r\nBody: x", [["Subject", "=?utf-8?q?=C3=84?= b\n\u00c4 b"]]),
            (b"From: a\r\nTo: b\r\n\r\nBody: x", [["From", "a"], ["To", "b"]]),
            (b"Subject: =?x-none?q?a?=\n\nBody", [["Subject", "=?x-none?q?a?="]]),
            (b"Subject: =?utf-8?b?a?=\n\nBody", [["Subject", "=?utf-8?b?a?="]]),
            ("Subject: =?ü?q?abc?=\n\nBody".encode(), [["Subject", "=?ü?q?abc?="]]),
            (b"Subject: " + b"=?utf-8?q?a?= " * 1000 + b"\n\n", [["Subject", ("=?utf-8?q?a?= " * 1000).strip()]]),
            (b"Subject: \xe4\n\n", [["Subject", "\u00e4"]]),
            (b" begins with a fold\nno field\n\n", [["not a field", " begins with a fold"], ["not a field", "no field"]]),
            (b"Subject: no end", [["Subject", "no end"]]),
        ],
    )  # fmt: skip
    def test_header(self, header: bytes, rows: list[list[str]]) -> None:
        """Fields are shown as they are written, and decoded."""
        page = self.parsed(built(header))
        assert page.source.index('<h2 id="header">') > 0
        assert self.first_header(page) == rows

    def first_header(self, page: Page) -> list[list[str]]:
        """The rows of the original's header; the table of the report's own header has the same caption and comes later."""
        source = page.source
        start, end = source.index('<h2 id="header">'), source.index('<h2 id="own-header">')
        put(
            "part.html",
            b"<!DOCTYPE html>\n" + source[start:end].replace("</section>\n", "").encode().partition(b"<section")[0],
        )
        return Page("part.html").tables["Fields in their order"][1:]

    def test_empty_header(self) -> None:
        """An original may have no header."""
        assert "It is empty." in self.parsed(built(b"\r\nBody\r\n")).text

    @pytest.mark.parametrize("text", [HOSTILE, *UNSEEN])
    def test_hostile(self, text: str) -> None:
        """Each word of a message is text on the page."""
        original = f"Subject: {text}\r\nX: {text}\r\n\r\n".encode() + b"Hello"
        page = self.parsed(built(original))
        shown = HOSTILE if text == HOSTILE else text
        if shown.isprintable():
            assert shown in page.text

    @given(st.text())
    def test_escapes(self, text: str) -> None:
        """No character is left that is not seen, and nothing is left out."""
        shown = to_html(text)
        assert set(shown).isdisjoint("\u202e\u2066\n\x1b")
        assert "<" not in shown.replace('<span class="code">', "").replace("</span>", "")

    def test_interrupted(self) -> None:
        """An interrupt leaves no unfinished file."""

        def pieces() -> Iterator[str]:
            yield "<!DOCTYPE html>"
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_page(Path("page.html"), pieces())
        assert not list(Path().iterdir())

    def test_one_report(self) -> None:
        """A page is about one report."""
        put("r.mbox", mboxrd([REPORT, REPORT]))
        outcome = run("parse", "r.mbox", "--html", "page.html")
        assert (outcome.status, outcome.messages) == (2, ["exjournal: --html: shows one report, and there are 2"])
        outcome = run("parse", "r.mbox", "--html", "-")
        assert outcome.messages == ["exjournal: --html: must be a file, because the report is shown on standard output"]
        put("m.eml", BARE)
        outcome = run("parse", "m.eml", "--html", "page.html")
        assert outcome.status == 2
        assert outcome.messages[-1] == "exjournal: --html: shows one report, and there are 0"
        assert not Path("page.html").exists()

    def test_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page replaces a page, and no other file."""
        self.parsed(REPORT)
        self.parsed(REPORT)
        put("page.html", b"Notes")
        outcome = run("parse", "r.eml", "--html", "page.html")
        assert (outcome.status, outcome.messages) == (2, ["exjournal: --html: exists and is not a page of exjournal"])
        Path("folder").mkdir()
        assert run("parse", "r.eml", "--html", "folder").status == 2
        monkeypatch.setattr(Path, "replace", full)
        outcome = run("parse", "r.eml", "--html", "new.html")
        assert (outcome.status, outcome.messages) == (2, ["new.html: No space left on device"])
        assert not Path("new.html").exists()
