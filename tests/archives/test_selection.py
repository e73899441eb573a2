"""Selections: whose mail, and of when."""

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from test_scan import BARE, GARBAGE, REPORT, SMALLEST, bounce, lines, named, put, scan_archive

from exjournal import InvalidValue, Recipient, parse_report
from exjournal.archives.selection import Selection, date_in_utc, select
from exjournal.limits import ADDRESS_FIELD_LIMIT
from strategies import ORIGINAL, a_report, built

PARSED = parse_report(REPORT)


def of(*mailboxes: str) -> Selection:
    """A selection of mailboxes, given by their keys."""
    return Selection(mailboxes=frozenset(mailboxes))


class TestMailboxes:
    """Reports and messages that concern a mailbox."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"sender": "Hidden@Example.org"},
            {"on_behalf_of": '"hidden"@example.org'},
            {"envelope_sender": "HIDDEN@example.org"},
            {"recipients": ["bob@example.net", "hidden@EXAMPLE.org"]},
            {"recipients": [Recipient("bob@example.net", expanded_from="Hidden@example.org")]},
            {"recipients": [Recipient("bob@example.net", forwarded_from="Hidden@example.org")]},
            {"recipients": []},
        ],
        ids=str,
    )
    def test_report(self, changes: dict[str, Any]) -> None:
        """A report concerns every mailbox that it names, in any spelling, and without recipients it may concern any."""
        assert of("hidden@example.org").concerns(replace(PARSED, report=a_report(**changes)))

    @pytest.mark.parametrize(
        "line",
        [
            b"Bcc hidden@example.org",
            b"Weird: HIDDEN@example.org",
            b"Bcc: hidden@example.org garbage <x",
            b'Bcc: "Hidden" <hidden@example.org>, x@',
        ],
    )
    def test_line_that_was_not_read(self, line: bytes) -> None:
        """A report also concerns a mailbox that is only in a line that was not understood."""
        parsed = parse_report(REPORT.replace(b"\r\nSender: ", b"\r\n" + line + b"\r\nSender: ", 1))
        assert parsed.unparsed
        assert of("hidden@example.org").concerns(parsed)
        assert not of("other@example.org").concerns(parsed)

    @pytest.mark.parametrize("report", [REPORT[:-40], REPORT.replace(b"Sender: ", b"Sander: ")])
    def test_lost_names(self, report: bytes) -> None:
        """A report that may have named others concerns every mailbox."""
        assert of("hidden@example.org").concerns(parse_report(report))

    def test_other_report(self) -> None:
        """Any other report does not; without mailboxes every report counts."""
        report = replace(
            PARSED,
            report=a_report(
                recipients=[Recipient("a@example.com", expanded_from="b@example.com", forwarded_from="c@example.com")]
            ),
        )
        assert not of("hidden@example.org").concerns(report)
        assert Selection().concerns(report)

    @pytest.mark.parametrize(
        "header",
        [
            b"From: Hidden <hidden@example.org>\r\n",
            b"Sender: HIDDEN@example.org\r\n",
            b"To: a@example.com,\r\n hidden@example.org\r\n",
            b"CC: hidden@example.org\r\n",
            b"Bcc: hidden@example.org\r\n",
            b"Resent-From: hidden@example.org\r\n",
            b"resent-bcc: hidden@example.org\r\n",
            b"From me\r\nTo: hidden@example.org\r\n",
            b"To: " + b"x" * (ADDRESS_FIELD_LIMIT + 1) + b"\r\n",
            b"To: a@example.com\r\n" * 1001,
        ],
        ids=lambda header: header[:40].decode(),
    )
    def test_message(self, header: bytes) -> None:
        """A message concerns the mailboxes in its header; one whose fields cannot be read may concern any."""
        assert of("hidden@example.org").may_concern(header + b"\r\nHello.\r\n")

    def test_other_message(self) -> None:
        """Any other message does not, whatever its body says; without mailboxes every message counts."""
        message = b"From: ann@example.com\r\nSubject: hidden@example.org\r\n\r\nTo: hidden@example.org\r\n"
        assert not of("hidden@example.org").may_concern(message)
        assert Selection().may_concern(message)


class TestDates:
    """A range of dates."""

    RANGE = select(None, date(2026, 10, 1), date(2026, 10, 31))

    @pytest.mark.parametrize(
        ("written", "is_covered"),
        [
            ("Wed, 30 Sep 2026 23:59:59 +0000", False),
            ("Thu, 01 Oct 2026 00:00:00 +0000", True),
            ("Thu, 01 Oct 2026 01:00:00 +0200", False),
            ("Wed, 30 Sep 2026 22:00:00 EDT", True),
            ("Sat, 31 Oct 2026 23:59:59 -0000", True),
            ("Sun, 01 Nov 2026 00:00:00 +0000", False),
            ("Sun, 01 Nov 2020 00:00:00", True),
            ("yesterday", True),
            ("", True),
            (None, True),
        ],
    )
    def test_covers(self, written: str | None, is_covered: bool) -> None:
        """Days are those of UTC, both included; a date that is not known in UTC is in every range."""
        assert self.RANGE is not None
        assert self.RANGE.has_range
        assert self.RANGE.covers(written) is is_covered

    def test_open_ends(self) -> None:
        """Each end works alone."""
        time = datetime(2026, 10, 1, 12, tzinfo=timezone(timedelta(hours=2)))
        since, until = select(None, time, None), select(None, None, time)
        assert since is not None
        assert until is not None
        for written, expected in (
            ("1 Oct 2026 09:59:59 GMT", (False, True)),
            ("1 Oct 2026 10:00:00 GMT", (True, True)),
            ("1 Oct 2026 10:00:01 GMT", (True, False)),
        ):
            assert (since.covers(written), until.covers(written)) == expected

    def test_in_utc(self) -> None:
        """A date without a zone is not known in UTC."""
        assert date_in_utc("1 Oct 2026 09:00 +0200") == datetime(2026, 10, 1, 7, tzinfo=UTC)
        assert date_in_utc("1 Oct 2026 09:00") is None


class TestOptions:
    """What the options of a scan select."""

    def test_nothing(self) -> None:
        """Without an option there is no selection; one of addresses alone has no range."""
        assert select(None, None, None) is None
        assert not of("a@example.com").has_range

    def test_address_file(self, tmp_path: Path) -> None:
        """One address on each line, with or without a byte order mark, with blank lines and comments between them."""
        path = tmp_path / "addresses"
        path.write_bytes(b"\xef\xbb\xbfAnn@Example.com\r\n\n# Bob's\n#\n bob@example.com \n#all@example.com")
        found = select(path, None, None)
        assert found is not None
        assert found.mailboxes == {"ann@example.com", "bob@example.com", "#all@example.com"}
        assert found.key == (sorted(found.mailboxes), None, None)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "has no address"),
            (b"\n# nobody\n", "has no address"),
            (b"ann@example.com\n\xff@example.com\n", "line 2 is not UTF-8"),
            (b"Ann <ann@example.com>\n", "line 1 is not an address: it has angle brackets"),
            (b"\nann@example.com, bob@example.com\n", "line 2 is not an address: it has a comma"),
        ],
    )
    def test_wrong_file(self, tmp_path: Path, content: bytes, reason: str) -> None:
        """Any other line is an error with its number, and without its text."""
        path = tmp_path / "addresses"
        path.write_bytes(content)
        with pytest.raises(InvalidValue, match=f"address_file: {reason}") as caught:
            select(path, None, None)
        assert "ann@" not in str(caught.value)

    def test_key(self, tmp_path: Path) -> None:
        """The key, on which the names of batches depend, does not depend on the order of a set."""
        names = set()
        for content in (b"a@example.com\nb@example.com", b"b@example.com\na@example.com", b"a@example.com"):
            put(tmp_path / "addresses", content)
            selection = select(tmp_path / "addresses", None, None)
            assert selection is not None
            names.add(repr(selection.key))
        assert len(names) == 2

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is an error of the system."""
        with pytest.raises(FileNotFoundError):
            select(tmp_path / "addresses", None, None)

    def test_wrong_dates(self) -> None:
        """A time needs a zone, and the end does not come before the beginning."""
        with pytest.raises(InvalidValue, match="since: must have a time zone"):
            select(None, datetime(2026, 10, 1), None)
        with pytest.raises(InvalidValue, match="until: is before since"):
            select(None, date(2026, 10, 2), date(2026, 10, 1))
        with pytest.raises(TypeError, match="until: a date or a datetime is expected, not str"):
            select(None, None, "2026-10-01")  # type: ignore[arg-type]


class TestScan:
    """The outputs of a scan."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Two reports of a message, one of another, and messages; the report of erin@example.org has a date of its own."""
        folder = tmp_path / "in"
        erin = a_report(recipients=["Erin@example.org"])
        put(folder / "a.eml", REPORT)
        put(folder / "b.eml", built(report=erin, report_id="<s@example.com>", date=datetime(2026, 10, 1, tzinfo=UTC)))
        other = a_report(sender="zoe@example.com", recipients=["ann@example.com"])
        put(folder / "c.eml", built(ORIGINAL.replace(b"Hi.", b"Ho."), report=other, report_id="<t@example.com>"))
        put(folder / "d.eml", BARE)
        put(folder / "e.eml", bounce(REPORT))
        put(folder / "f.eml", GARBAGE)
        put(tmp_path / "addresses", b"erin@Example.org\n")
        return folder

    def test_outputs(self, folder: Path, tmp_path: Path) -> None:
        """A report is selected by itself, a message by one of its reports, whose other reports are then there as well."""
        options: dict[str, Any] = {"address_file": tmp_path / "addresses", "jobs": 1, "sizes": SMALLEST}
        kept = tmp_path / "kept"
        summary = scan_archive(folder, json=tmp_path / "lines", originals=kept, store=tmp_path / "db", **options)
        assert [Path(one["source"]["path"]).name for one in lines(tmp_path / "lines")] == ["b.eml", "e.eml", "f.eml"]
        assert {path.name for path in kept.rglob("*.eml")} == {
            Path(named(one)).name for one in (ORIGINAL, bounce(REPORT))
        }
        assert summary.left_out == {"messages": 1, "reports": 2}
        assert (summary.items, summary.reports, sum(summary.sightings.values())) == (6, 3, 3)
        table = tmp_path / "table"
        summary = scan_archive(folder, json=tmp_path / "lines", merge=True, recipients=table, **options)
        merged, *others = lines(tmp_path / "lines")
        assert [one["address"] for one in merged["recipients"]] == ["Erin@example.org", "bob@example.net"]
        assert [one["kind"] for one in others] == ["message", "unreadable"]
        assert summary.left_out == {"distinct messages": 1, "messages": 1, "reports": 2}
        assert (summary.distinct, summary.conflicts) == (2, 2)
        rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8-sig"), newline="")))
        assert [row["address"] for row in rows] == ["Erin@example.org", "bob@example.net", "", ""]

    @pytest.mark.parametrize(
        ("since", "until", "names"),
        [
            (None, date(2024, 2, 28), ["d.eml", "e.eml", "f.eml"]),
            (date(2024, 2, 29), date(2024, 2, 29), ["a.eml", "c.eml", "d.eml", "e.eml", "f.eml"]),
            (date(2026, 10, 1), None, ["b.eml", "d.eml", "e.eml", "f.eml"]),
        ],
    )
    def test_dates(
        self, folder: Path, tmp_path: Path, since: date | None, until: date | None, names: list[str]
    ) -> None:
        """The date of the report counts; messages without one, and items that cannot be read, are always there."""
        scan_archive(folder, json=tmp_path / "lines", since=since, until=until, jobs=1)
        assert [Path(one["source"]["path"]).name for one in lines(tmp_path / "lines")] == names
