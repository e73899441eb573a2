"""Accounts of scans: files, outcomes, months, exceptions, sessions, and the list of digests."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_scan import (
    BARE,
    GARBAGE,
    REFUSED,
    REPORT,
    SMALLEST,
    add_member,
    bounce,
    few,  # noqa: F401 - a fixture
    in_fork,
    mboxrd,
    needs_fork,
    outputs,
    put,
    scan_archive,
    tree,
)

from exjournal import InvalidValue, ScanSummary
from exjournal.archives.accounts import ScanAccount, digest_line, scanned_files
from exjournal.archives.batches import Sizes
from strategies import a_report, any_bytes, built

SHA256SUM = shutil.which("sha256sum")
TRUNCATED = REPORT[: REPORT.rindex(b"\r\n--_")]
WITHOUT_MARKER = REPORT.replace(b"X-MS-Journal-Report:", b"X-Other:")


def account(path: Path, folder: Path, **options: Any) -> ScanAccount:
    """The account of a scan with small steps, and with its list of digests in a folder."""
    summary = scan_archive(path, manifest=folder / "digests", **{"jobs": 1, "sizes": SMALLEST, **options})
    assert summary.account is not None
    return summary.account


def counts(found: ScanAccount) -> dict[str, dict[str, int]]:
    """The outcomes of the items of each file, by its name."""
    return {Path(file.path).name: dict(file.outcomes) for file in found.files}


def tar_of(members: dict[str, bytes]) -> bytes:
    """A tar file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in members.items():
            add_member(tar, name, data)
    return file.getvalue()


def check(manifest: Path, folder: Path) -> list[str]:
    """Check a list of digests with the program for it, in a folder, and return what it says."""
    assert SHA256SUM is not None
    words = [SHA256SUM, "--check", "--strict", str(manifest)]
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
    assert not done.stderr or b"did NOT match" in done.stderr
    return done.stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]


class TestOutcomes:
    """The outcome of each item, of which it has one."""

    def test_each(self, tmp_path: Path) -> None:
        """Each kind of item counts once, for its file and for the whole."""
        folder = tmp_path / "in"
        items = {
            "bounce.eml": (bounce(REPORT), "message"),
            "garbage.eml": (GARBAGE, "refused"),
            "incomplete.eml": (TRUNCATED, "incomplete"),
            "message.eml": (BARE, "message"),
            "refused.eml": (REFUSED, "refused"),
            "report.eml": (REPORT, "report"),
            "unmarked.eml": (WITHOUT_MARKER, "unmarked"),
        }
        for name, (data, _) in items.items():
            put(folder / name, data)
        (folder / "gone.eml").symlink_to("nowhere")
        found = account(folder, tmp_path, unmarked=True)
        expected = {name: {outcome: 1} for name, (_, outcome) in items.items()}
        assert counts(found) == {**expected, "gone.eml": {"unreadable": 1}}
        assert found.outcomes == Counter([outcome for _, outcome in items.values()] + ["unreadable"])

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_of_archives(self, tmp_path: Path, jobs: int) -> None:
        """All items of an archive count for its file, however many batches they are in; an empty archive has none."""
        folder = tmp_path / "in"
        put(folder / "1.mbox", mboxrd([REPORT, BARE] * 5))
        put(folder / "2.mbox", b"")
        put(folder / "3.tar", tar_of({f"{number}.eml": BARE for number in range(7)}))
        put(folder / "4.zip", b"PK\x03\x04 and so on")
        put(folder / "5.mbox", b"")
        found = account(folder, tmp_path, jobs=jobs)
        assert counts(found) == {
            "1.mbox": {"report": 5, "message": 5},
            "2.mbox": {},
            "3.tar": {"message": 7},
            "4.zip": {"refused": 1},
            "5.mbox": {},
        }

    def test_twice(self, tmp_path: Path) -> None:
        """A file that is named twice is read twice."""
        message, mailbox = put(tmp_path / "a.eml", BARE), put(tmp_path / "a.mbox", mboxrd([BARE] * 4))
        paths = [message, message, mailbox, mailbox]
        found = scan_archive(*paths, manifest=tmp_path / "digests", jobs=1, sizes=SMALLEST).account
        assert found is not None
        assert [(file.path, dict(file.outcomes)) for file in found.files] == [
            (str(path), {"message": count}) for path, count in zip(paths, (1, 1, 4, 4), strict=True)
        ]

    @given(
        st.lists(
            st.tuples(st.sampled_from(["eml", "mbox", "tar"]), st.lists(st.integers(0, 5), max_size=9)), max_size=6
        )
    )
    def test_sums(self, files: list[tuple[str, list[int]]]) -> None:
        """For any archives, all sums are the same: of outcomes, of files, of months and of the counts by code."""
        kinds = [REPORT, TRUNCATED, BARE, GARBAGE, REFUSED, bounce(REPORT)]
        with TemporaryDirectory() as name:
            folder = Path(name)
            expected = 0
            for number, (form, chosen) in enumerate(files):
                messages = [kinds[kind] for kind in chosen]
                if form == "eml":
                    messages = messages[:1] or [b""]
                    put(folder / "in" / f"{number}.eml", messages[0])
                elif form == "mbox":
                    # Garbage, and a message without a line end, would be part of the message before it.
                    messages = [one for one in messages if one in {REPORT, BARE}]
                    put(folder / "in" / f"{number}.mbox", mboxrd(messages))
                else:
                    put(
                        folder / "in" / f"{number}.tar", tar_of({f"{place}": one for place, one in enumerate(messages)})
                    )
                expected += len(messages)
            (folder / "in").mkdir(exist_ok=True)
            summary = scan_archive(folder / "in", manifest=folder / "digests", jobs=1, sizes=SMALLEST)
            self.reconcile(summary, expected, len(files))

    @given(st.lists(any_bytes(), max_size=5))
    def test_any_bytes(self, items: list[bytes]) -> None:
        """Each item has an outcome, of any bytes."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in").mkdir()
            for number, data in enumerate(items):
                put(folder / "in" / f"{number}.eml", data)
            summary = scan_archive(folder / "in", manifest=folder / "digests", jobs=1, sizes=SMALLEST)
            self.reconcile(summary, len(items), len(items))

    def reconcile(self, summary: ScanSummary, items: int, files: int) -> None:
        """Compare the sums of a summary and its account."""
        found = summary.account
        assert found is not None
        of_files: Counter[str] = Counter()
        for file in found.files:
            of_files.update(file.outcomes)
        assert of_files == found.outcomes
        assert found.outcomes.total() == summary.items == items  # type: ignore[attr-defined]
        assert found.file_count == len(found.files) == files
        assert found.file_octets == sum(file.size or 0 for file in found.files)
        reports = found.outcomes["report"] + found.outcomes["incomplete"]
        assert reports == summary.reports == sum(found.months.values()) == sum(summary.formats.values())
        assert found.outcomes["incomplete"] == summary.incomplete
        assert found.outcomes["message"] == sum(summary.messages.values())
        assert found.outcomes["refused"] == sum(summary.refusals.values()) == found.exception_counts["refused"]


class TestFiles:
    """The files that were read."""

    def test_facts(self, tmp_path: Path) -> None:
        """Size, time and digest are those of the file; the path is the one that the caller shows."""
        path = put(tmp_path / "in" / "a.mbox", mboxrd([BARE]))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        (file,) = account(path, tmp_path, names={str(path): "-"}).files
        assert file.path == "-"
        assert (file.size, file.modified) == (path.stat().st_size, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC))
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert not file.is_changed

    def test_time_outside_the_calendar(self) -> None:
        """A file system may hold a time that no calendar has."""
        tally = {"path": "nowhere", "before": [1, 10**30], "after": [1, 10**30], "sha256": "00", "outcomes": {}}
        (file,) = scanned_files([json.dumps(tally).encode()], {})
        assert file == ("nowhere", 1, None, "00", True, {})

    def test_unreadable(self, tmp_path: Path) -> None:
        """A file that cannot be read has no facts, and neither has a path that no system accepts."""
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "gone.eml").symlink_to("nowhere")
        os.mkfifo(tmp_path / "in" / "pipe.eml")
        (gone, pipe) = account(tmp_path / "in", tmp_path).files
        assert gone[1:] == (None, None, None, False, {"unreadable": 1})
        assert pipe[1:] == (None, None, None, False, {"unreadable": 1})

    def test_some_of_many(self, tmp_path: Path) -> None:
        """Beyond a limit files are counted, and are in the list of digests alone."""
        for number in range(9):
            put(tmp_path / "in" / f"{number}.eml", BARE)
        sizes = Sizes(batch=2, listed_files=3)
        found = account(tmp_path / "in", tmp_path, sizes=sizes)
        assert [Path(file.path).name for file in found.files] == ["0.eml", "1.eml", "2.eml"]
        assert (found.file_count, found.file_octets) == (9, 9 * len(BARE))
        assert len((tmp_path / "digests").read_bytes().splitlines()) == 9

    def test_over(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A large file does not keep a process at work once the run is over."""
        monkeypatch.setattr("exjournal.archives.accounts.is_over", lambda: True)
        with pytest.raises(InterruptedError):
            account(put(tmp_path / "a.eml", BARE), tmp_path)

    @pytest.mark.parametrize("name", ["b.eml", "b.mbox"])
    @pytest.mark.parametrize("change", ["grow", "vanish"])
    def test_changed(self, tmp_path: Path, name: str, change: str) -> None:
        """A file that changes while the run is under way is an exception."""
        path = put(tmp_path / "in" / name, mboxrd([BARE]) if name == "b.mbox" else BARE)
        put(tmp_path / "in" / "c.eml", BARE)
        complaints = []

        def meddle(_: ScanSummary) -> None:
            if change == "vanish":
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(path.read_bytes() + b"More.\r\n")

        sizes = Sizes(batch=2)
        found = account(
            tmp_path / "in", tmp_path, sizes=sizes, progress=meddle, complain=lambda *words: complaints.append(words)
        )
        assert [file.is_changed for file in found.files] == [True, False]
        assert found.changed == found.exception_counts["changed"] == 1
        assert [(one["category"], one["code"], one["source"]["path"]) for one in found.exceptions] == [
            ("changed", "file-changed", str(path))
        ]
        assert [(source.path, reason) for source, reason in complaints] == [
            (str(path), "the file changed while it was read")
        ]

    def test_changed_without_complaints(self, tmp_path: Path) -> None:
        """Nobody needs to listen. Beyond a limit exceptions are counted alone."""
        paths = [put(tmp_path / "in" / f"{number}.eml", BARE) for number in range(3)]
        sizes = Sizes(batch=4, listed_exceptions=2)
        found = account(tmp_path / "in", tmp_path, sizes=sizes, progress=lambda _: [path.unlink() for path in paths])
        assert (found.changed, len(found.exceptions)) == (3, 2)

    def test_vanishes_before_its_digest(self, tmp_path: Path) -> None:
        """A file that vanishes once it was opened has changed, although its items could be read."""
        path = put(tmp_path / "in" / "a.mbox", mboxrd([BARE] * 2))

        def vanish(_: ScanSummary) -> None:
            path.unlink(missing_ok=True)

        put(tmp_path / "in" / "0.eml", BARE)
        sizes = Sizes(batch=2)
        found = account(tmp_path / "in", tmp_path, sizes=sizes, progress=vanish)
        assert found.files[1].is_changed


class TestMonths:
    """The month of a report's own Date."""

    @pytest.mark.parametrize(
        ("date", "month"),
        [
            (b"Date: Thu, 1 Oct 2026 00:30:00 +0200\r\n", "2026-09"),
            (b"Date: Thu, 1 Oct 2026 00:30:00 -0000\r\n", "2026-10"),
            (b"Date: Thu, 1 Oct 2026 00:30:00\r\n", "2026-10"),
            (b"Date: Thu, 31 Feb 2026 00:30:00 +0000\r\n", "impossible"),
            (b"Date: \r\n", "impossible"),
            (b"Date: yesterday\r\n", "impossible"),
            (b"Date: 1 Jan 0099 00:30:00 +0000\r\n", "0099-01"),
            (b"", "undated"),
        ],
    )
    def test_month(self, tmp_path: Path, date: bytes, month: str) -> None:
        """It is in UTC where the date has a zone; the original's date does not count."""
        start = REPORT.index(b"Date: ")
        end = REPORT.index(b"\r\n", start) + 2
        put(tmp_path / "in" / "a.eml", REPORT[:start] + date + REPORT[end:])
        assert account(tmp_path / "in", tmp_path).months == {month: 1}


class TestExceptions:
    """The exceptions of an account, with their dates, addresses and subjects."""

    def test_content(self, tmp_path: Path) -> None:
        """It is that of the report, or of the item's header."""
        put(tmp_path / "in" / "1.eml", TRUNCATED)
        put(tmp_path / "in" / "2.eml", b"Subject: =?utf-8?q?A=C3=A4?=\r\nFrom: zoe@example.com\r\n" + REFUSED)
        put(tmp_path / "in" / "3.eml", b"Subject: " + b"x" * 600 + b"\r\n" + REFUSED)
        (tmp_path / "in" / "4.eml").symlink_to("nowhere")
        found = {one["source"]["path"][-5]: one["content"] for one in account(tmp_path / "in", tmp_path).exceptions}
        assert found["1"]["subject"] == "Hello"
        assert found["1"]["from"] == "alice@example.com"
        assert found["1"]["to"].startswith("bob@example.net")
        assert found["2"] == {"date": "", "from": "zoe@example.com", "to": "", "subject": "A\u00e4"}
        assert found["3"]["subject"] == "x" * 500 + "\u2026"
        assert found["4"] is None

    def test_some_of_many(self, tmp_path: Path) -> None:
        """Beyond a limit exceptions are counted."""
        for number in range(5):
            put(tmp_path / "in" / f"{number}.eml", GARBAGE)
        found = account(tmp_path / "in", tmp_path, sizes=Sizes(batch=2, listed_exceptions=3))
        assert [one["source"]["path"][-5] for one in found.exceptions] == ["0", "1", "2"]
        assert found.exception_counts == {"refused": 5}

    def test_many_recipients(self, tmp_path: Path) -> None:
        """Of many recipients some are named."""
        report = built(report=a_report(recipients=[f"{number}@example.com" for number in range(12)]))
        put(tmp_path / "in" / "1.eml", report[: report.rindex(b"\r\n--_")])
        content = account(tmp_path / "in", tmp_path).exceptions[0]["content"]
        assert content["to"].endswith("8@example.com, 9@example.com and 2 more")

    def test_conflicts(self, tmp_path: Path, few: Path) -> None:  # noqa: F811
        """Conflicts are known when reports are merged."""
        assert "conflicting" not in account(few, tmp_path).exception_counts
        found = account(few, tmp_path, merge=True)
        conflict = next(one for one in found.exceptions if one["category"] == "conflicting")
        assert conflict["content"]["from"] == "alice@example.com"


class TestManifest:
    """The list of digests."""

    @pytest.mark.skipif(SHA256SUM is None, reason="sha256sum is a program of GNU")
    def test_check(self, tmp_path: Path, few: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
        """The program that everybody has finds every file that was read or written, and each that is not the same."""
        monkeypatch.chdir(tmp_path)
        for name in (
            "a b.eml",
            "-.eml",
            "back\\slash.eml",
            "line\nfeed.eml",
            "return\r.eml",
            "tab\t.eml",
            "\udcff.eml",
        ):
            put(few / "odd" / name, BARE)
        put(few / "m.mbox", mboxrd([BARE, GARBAGE, REPORT]))
        tables = {"recipients": Path("out/r.csv"), "exceptions": Path("out/x.csv")}
        scan_archive("few", **(outputs(Path("out")) | tables), manifest="out/digests", merge=True, jobs=1)
        said = check(Path("out/digests"), tmp_path)
        assert said
        assert [line for line in said if not line.endswith(": OK")] == []
        files = {str(path) for path in Path("few").rglob("*") if path.is_file()}
        files |= {
            str(path) for path in Path("out").rglob("*") if path.is_file() and not path.name.startswith("seen.db")
        }
        listed = (Path("out/digests")).read_bytes()
        assert len(said) == len(listed.splitlines()) == len(files - {"out/digests"})
        put(few / "a.eml", BARE)
        assert [line for line in check(Path("out/digests"), tmp_path) if not line.endswith(": OK")] == [
            "few/a.eml: FAILED"
        ]

    def test_lines(self) -> None:
        """A path that is not one line is escaped, as `sha256sum` has it."""
        assert digest_line("00", "a b") == b"00  a b\n"
        assert digest_line("00", "a\nb\\c\rd") == b"\\00  a\\nb\\\\c\\rd\n"

    def test_replaces_its_own(self, tmp_path: Path, few: Path) -> None:  # noqa: F811
        """A second run replaces the list of the first, and no other file."""
        account(few, tmp_path)
        first = (tmp_path / "digests").read_bytes()
        put(few / "0\n.eml", BARE)
        account(few, tmp_path)
        again = account(few, tmp_path)
        assert again.file_count == 9
        assert (tmp_path / "digests").read_bytes() != first
        for content in (b"Notes\n", b"0123\n", first[:60]):
            put(tmp_path / "digests", content)
            with pytest.raises(InvalidValue, match="manifest: exists"):
                account(few, tmp_path)
        (tmp_path / "digests").unlink()
        (tmp_path / "digests").mkdir()
        with pytest.raises(InvalidValue, match="manifest: exists"):
            account(few, tmp_path)

    def test_skipped(self, few: Path) -> None:  # noqa: F811
        """The list is not read, and neither is what the caller names."""
        put(few / "page.html", b"<p>A page</p>")
        found = account(few, few, skip=[few / "page.html"])
        assert found.file_count == account(few, few, skip=[few / "page.html"]).file_count == 8


class TestSessions:
    """Runs that are stopped, killed and resumed."""

    def stopped(self, path: Path, folder: Path) -> None:
        """Make a run that is interrupted after its second batch."""
        calls = []

        def interrupt(_: ScanSummary) -> None:
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            account(path, folder, progress=interrupt)

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_resumed(self, tmp_path: Path, few: Path, jobs: int) -> None:  # noqa: F811
        """The account of a resumed run is that of one that was not stopped, but for its sessions."""
        put(few / "m.mbox", mboxrd([BARE, REPORT] * 6))
        expected = account(few, tmp_path / "one", merge=True)
        self.stopped(few, tmp_path / "two")
        found = account(few, tmp_path / "two", resume=True, jobs=jobs)
        merged = account(few, tmp_path / "two", merge=True)
        assert merged._replace(sessions=(), outputs=()) == expected._replace(sessions=(), outputs=())
        assert [session.ended for session in found.sessions] == ["stopped", "finished"]
        assert [session.ended for session in merged.sessions] == ["finished"]
        assert (tmp_path / "one" / "digests").read_bytes() == (tmp_path / "two" / "digests").read_bytes()
        times = [time for session in found.sessions for time in session[:2]]
        assert times == sorted(times)

    @needs_fork
    def test_killed(self, tmp_path: Path, few: Path) -> None:  # noqa: F811
        """The end of a session that was killed is the time of its last finished work."""
        if not os.fork():
            scan_archive(few, manifest=tmp_path / "digests", jobs=1, sizes=SMALLEST, progress=lambda _: os._exit(0))
        os.wait()
        (state,) = tmp_path.glob("digests.scan")
        for path in state.iterdir():
            os.utime(path, (4_000_000_000, 4_000_000_000))
        first, second = account(few, tmp_path, resume=True).sessions
        assert (first.ended, second.ended) == ("killed", "finished")
        assert first.end == datetime(2096, 10, 2, 7, 6, 40, tzinfo=UTC)
        assert not tree(tmp_path).keys() & {"digests.scan"}

    @pytest.mark.slow
    @needs_fork
    def test_killed_at_every_step(self, tmp_path: Path, few: Path) -> None:  # noqa: F811
        """After a kill at any step, the next run has the account and the list of one that was not killed."""

        def scan(folder: Path, *, resume: bool = False) -> ScanAccount:
            return account(few, folder, json=folder / "lines.jsonl", originals=folder / "kept", resume=resume)

        put(few / "m.mbox", mboxrd([BARE, REPORT] * 3))
        folder = tmp_path / "out"
        expected = scan(folder)
        digests = (folder / "digests").read_bytes()
        moments = 0
        for at in range(1, 1000):
            shutil.rmtree(folder)
            if not in_fork(lambda: scan(folder), at=at):
                break
            moments += 1
            found = scan(folder, resume=True)
            assert (at, found._replace(sessions=())) == (at, expected._replace(sessions=()))
            assert (folder / "digests").read_bytes() == digests
            assert [session.ended for session in found.sessions] in (["finished"], ["killed", "finished"])
            assert not [path for path in folder.rglob("*") if path.name.endswith((".scan", ".part"))]
        assert moments > 20

    @pytest.mark.parametrize("content", [b"", b"[[1", b"[[1, 2]]", b"7"])
    def test_damaged(self, tmp_path: Path, few: Path, content: bytes) -> None:  # noqa: F811
        """Sessions that cannot be read any more are forgotten; the work is not."""
        self.stopped(few, tmp_path)
        put(tmp_path / "digests.scan" / "sessions", content)
        summary = scan_archive(few, manifest=tmp_path / "digests", jobs=1, sizes=SMALLEST, resume=True)
        assert summary.resumed
        assert summary.account is not None
        assert [session.ended for session in summary.account.sessions] == ["finished"]

    def test_cannot_be_written(self, tmp_path: Path, few: Path) -> None:  # noqa: F811
        """If the end of a session cannot be written either, the error that ended it is raised."""

        def remove(_: ScanSummary) -> None:
            shutil.rmtree(tmp_path / "digests.scan")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            account(few, tmp_path, progress=remove)

    def test_finish(self, tmp_path: Path, few: Path) -> None:  # noqa: F811
        """A run whose caller fails at the end can be resumed."""
        seen: list[ScanSummary] = []

        def fail(summary: ScanSummary) -> None:
            seen.append(summary)
            if len(seen) == 1:
                raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space"):
            account(few, tmp_path, finish=fail)
        assert (tmp_path / "digests.scan").is_dir()
        found = account(few, tmp_path, finish=fail, resume=True)
        assert seen[1].account == found
        assert seen[1].resumed == 8
        assert json.dumps([session.ended for session in found.sessions]) == '["stopped", "finished"]'
        scan_archive(few, finish=fail, jobs=1)
        assert seen[2].account is None
