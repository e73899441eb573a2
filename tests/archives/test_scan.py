"""Scans: the content of their outputs, which depends on the archives alone, and runs that are killed or fail."""

import errno
import gzip
import hashlib
import io
import json
import os
import re
import runpy
import shutil
import signal
import sqlite3
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from inspect import signature
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exjournal
from exjournal import (
    ArchivedMessage,
    ArchivedReport,
    DefectCode,
    InvalidValue,
    MboxVariant,
    MemoryStore,
    MergedReport,
    ReportFormat,
    ScanSummary,
    Sighting,
    Source,
    SqliteStore,
    Statement,
    StoreError,
    identify,
    merge,
    parse_report,
    read_archive,
    read_source,
    remember_all,
)
from exjournal._wire.message import read_written
from exjournal.archives.batches import Sizes
from exjournal.archives.exceptions import EXCEPTION_COLUMNS
from exjournal.archives.outputs import put as put_pieces
from exjournal.archives.recipients import RECIPIENT_COLUMNS
from exjournal.archives.scan import run_scan
from exjournal.archives.tables import csv_head
from exjournal.cli import main
from exjournal.identity.statements import statement_of
from strategies import HEAVY, ORIGINAL, TEXT, a_message, a_report, any_bytes, built

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus"
EXAMPLE = runpy.run_path(str(ROOT / "examples" / "archive.py"))
Expected: Any = EXAMPLE["Expected"]
REPORT = built()
BARE = b"From: zoe@example.com\r\nTo: ann@example.com\r\nSubject: No report\r\n\r\nHello.\r\n"
REFUSED = a_message(b"", header=b"Content-Type: application/octet-stream")
GARBAGE = b"\xff\x00 neither a field nor a message\n"
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes that are killed are forks")


def bounce(inside: bytes) -> bytes:
    """A non-delivery report with a message in it."""
    return (
        b"From: MAILER-DAEMON@example.com\r\nTo: journal@example.com\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="back"\r\n\r\n'
        b"--back\r\nContent-Type: text/plain\r\n\r\nNot delivered.\r\n"
        b"--back\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n"
        b"Final-Recipient: rfc822; archive@example.com\r\nAction: failed\r\nStatus: 5.0.0\r\n\r\n"
        b"--back\r\nContent-Type: message/rfc822\r\n\r\n" + inside + b"\r\n--back--\r\n"
    )


class World(NamedTuple):
    """Archives of every kind below a folder, and the reports of the example in them, in the order of reading."""

    path: Path
    reports: list[Any]


def make_world(path: Path, seed: int = 7) -> World:
    """Files, a tar file, a zip file with a tar file inside, a mailbox file, a Maildir, and files that are not reports."""
    path.mkdir()
    reports = EXAMPLE["make_reports"](300, 1000, seed)
    written = [report.written()[0] for report in reports]
    for number in range(400):
        put(path / "1-tree" / f"{number // 100}" / f"{number:04}.eml", written[number])
    with tarfile.open(path / "2.tar.gz", "w:gz") as tar:
        for number in range(400, 600):
            add_member(tar, f"{number:04}", written[number])
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        for number in range(750, 800):
            add_member(tar, f"{number:04}.eml", written[number])
    with zipfile.ZipFile(path / "3.zip", "w") as archive:
        for number in range(600, 750):
            archive.writestr(f"in/{number:04}.eml", written[number])
        archive.writestr("inner.tar", inner.getvalue())
    # A mailbox file cannot preserve a message without a last line end.
    in_lines = [number for number in range(800, 1000) if written[number].endswith(b"\r\n")]
    in_mbox, rest = in_lines[:100], sorted({*range(800, 1000)} - {*in_lines[:100]})
    put(path / "4.mbox", mboxrd(written[number] for number in in_mbox))
    for name in ("cur", "new", "tmp"):
        (path / "5-mail" / name).mkdir(parents=True)
    for number in rest:
        put(path / "5-mail" / "cur" / f"{number:04}.host:2,S", written[number])
    put(path / "6-odd" / "bare.eml", BARE)
    put(path / "6-odd" / "bare-again.eml", BARE)
    put(path / "6-odd" / "bounce.eml", bounce(REPORT))
    put(path / "6-odd" / "bounce-of-another.eml", bounce(BARE))
    put(path / "6-odd" / "compressed.eml.gz", gzip.compress(BARE))
    put(path / "6-odd" / "damaged.zip", b"PK\x03\x04 and so on")
    put(path / "6-odd" / "empty.eml", b"")
    put(path / "6-odd" / "garbage.eml", GARBAGE)
    put(path / "6-odd" / "garbage-again.eml", GARBAGE)
    put(path / "6-odd" / "refused.eml", REFUSED)
    return World(path, [reports[number] for number in (*range(800), *in_mbox, *rest)])


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """A member of a tar file."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def mboxrd(messages: Iterable[bytes]) -> bytes:
    """A mailbox file whose quoting can be undone."""
    from_line = b"From ann@example.com Thu Oct  1 00:00:00 2026\n"
    return b"".join([from_line + re.sub(rb"(?m)^(>*From )", rb">\1", one) + b"\n" for one in messages])


def put(path: Path, data: bytes) -> Path:
    """A file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def sha256(data: bytes | memoryview) -> str:
    """The digest by which files are named."""
    return hashlib.sha256(data).hexdigest()


def named(data: bytes, suffix: str = ".eml") -> str:
    """The path of a file below a folder of originals."""
    return f"{sha256(data)[:2]}/{sha256(data)}{suffix}"


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def tree(path: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden or not: files with their content, folders with None."""
    return {
        os.fsencode(one.relative_to(path)).decode("latin-1"): one.read_bytes() if one.is_file() else None
        for one in path.rglob("*")
        if not one.name.startswith("seen.db")
    }


def seen(path: Path) -> list[bytes]:
    """The keys of a store."""
    database = sqlite3.connect(path)
    keys = [key for (key,) in database.execute("SELECT key FROM seen ORDER BY key")]
    database.close()
    return keys


def outputs(folder: Path) -> dict[str, Any]:
    """Every output, in a folder."""
    return {
        "json": folder / "lines.jsonl",
        "recipients": folder / "recipients.csv",
        "exceptions": folder / "exceptions.csv",
        "originals": folder / "originals",
        "quarantine": folder / "bad",
        "store": folder / "seen.db",
    }


def outputs_of_few(folder: Path) -> dict[str, Any]:
    """The same for a folder with few items, which makes several batches."""
    return outputs(folder) | {"sizes": SMALLEST}


def same(one: ScanSummary, other: ScanSummary) -> bool:
    """Whether summaries agree except for finished work: files that existed, and items that were read before."""
    return steady(one) == steady(other)


def steady(summary: ScanSummary) -> dict[str, Any]:
    """The part of a summary that does not depend on finished work."""
    found = summary._asdict()
    for name in ("originals", "quarantined"):
        counts = dict(found[name])
        found[name] = (counts.pop("written", 0) + counts.pop("there", 0), counts)
    del found["resumed"]
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The archives of a module, which nothing changes."""
    return make_world(tmp_path_factory.mktemp("world") / "in")


# Small steps, so that a small archive has many batches.
SMALL = Sizes(batch=50, merged=40, remembered=150)
SMALLEST = Sizes(batch=3, merged=40, remembered=4)


def scan_archive(*paths: Any, sizes: Sizes = SMALL, **options: Any) -> ScanSummary:
    """Scan with small steps."""
    given = signature(exjournal.scan_archive).bind(*paths, **options)
    given.apply_defaults()
    return run_scan(given.args, **given.kwargs, sizes=sizes)


@pytest.fixture(autouse=True)
def _no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk."""
    monkeypatch.setattr("os.sync", lambda: None, raising=False)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder with a few items of every kind."""
    folder = tmp_path / "few"
    put(folder / "a.eml", REPORT)
    put(folder / "b.eml", built(report=a_report(recipients=["erin@example.org"]), report_id="<s@example.com>"))
    put(folder / "c.eml", built(ORIGINAL.replace(b"Hi.", b"Ho."), report_id="<t@example.com>"))
    put(folder / "d.eml", REPORT)
    put(folder / "e.eml", BARE)
    put(folder / "f.eml", GARBAGE)
    put(folder / "g.eml", REPORT[: REPORT.rindex(b"\r\n--_")])
    put(folder / "h.eml", built(decrypted=ORIGINAL.replace(b"Hi.", b"Secret."), report_id="<u@example.com>"))
    return folder


ITEMS_OF_FEW = 8


class TestCounts:
    """The summary of a scan."""

    @pytest.mark.slow
    def test_world(self, world: World) -> None:
        """Everything is counted once, as `read_archive` reads it."""
        found = list(read_archive(world.path, mbox=MboxVariant.MBOXRD))
        summary = scan_archive(world.path, jobs=1, mbox=MboxVariant.MBOXRD)
        reports = [one for one in found if isinstance(one, ArchivedReport)]
        messages = [one for one in found if isinstance(one, ArchivedMessage)]
        bad = [one for one in found if not isinstance(one, ArchivedReport | ArchivedMessage)]
        assert summary.items == len(found) == 1010
        assert summary.reports == len(reports) == sum(one.format is not ReportFormat.BCC for one in world.reports)
        assert summary.octets == sum(len(one.octets or b"") for one in found)
        assert summary.formats == Counter(one.parsed.format for one in reports)
        assert summary.messages == Counter(one.code for one in messages)
        assert summary.refusals == {"archive-damaged": 1, "empty": 1, "not-a-report": 2, "report-text-missing": 1}
        assert sum(summary.refusals.values()) == len(bad)
        codes = [defect.code for one in reports for defect in (*one.defects, *one.parsed.defects)]
        assert summary.defects == Counter([*codes, *[defect.code for one in messages for defect in one.defects]])
        assert summary.incomplete == sum(
            one.cut is not None and one.format is not ReportFormat.BCC for one in world.reports
        )
        assert (summary.unreadable, summary.resumed) == (0, 0)
        assert (summary.distinct, summary.duplicates, summary.conflicts) == (None, None, None)
        assert summary.originals == summary.quarantined == summary.sightings == {}

    def test_nothing(self, tmp_path: Path) -> None:
        """An empty folder gives no items, and with every option the outputs exist and are empty."""
        (tmp_path / "in").mkdir()
        assert scan_archive(tmp_path / "in").items == 0
        out = outputs(tmp_path / "out")
        summary = scan_archive(tmp_path / "in", **out, merge=True, jobs=1)
        assert (summary.items, summary.distinct, summary.duplicates, summary.conflicts) == (0, 0, 0, 0)
        assert out["json"].read_bytes() == b""
        assert tree(tmp_path / "out") == {
            "lines.jsonl": b"",
            "recipients.csv": csv_head(RECIPIENT_COLUMNS),
            "exceptions.csv": csv_head(EXCEPTION_COLUMNS),
            "originals": None,
            "bad": None,
            "bad/reasons.jsonl": b"",
        }

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_merged_for_the_number(self, world: World, jobs: int) -> None:
        """Messages, duplicates and conflicts are counted without any output."""
        model = Model(world.reports)
        summary = scan_archive(world.path, merge=True, jobs=jobs, mbox=MboxVariant.MBOXRD)
        assert (summary.distinct, summary.duplicates, summary.conflicts) == (
            len(model.contents),
            model.duplicates,
            len(model.disputed),
        )

    @pytest.mark.slow
    def test_progress(self, world: World) -> None:
        """The progress function gets the counts after each batch."""
        summaries: list[ScanSummary] = []
        summary = scan_archive(world.path, jobs=1, progress=summaries.append)
        numbers = [one.items for one in summaries]
        assert numbers == sorted(numbers)
        assert len(summaries) >= 1010 // 50
        assert summaries[-1]._replace(share=1.0) == summary

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_share(self, few: Path, tmp_path: Path, jobs: int) -> None:
        """The share grows while files are read, compressed ones too, and again while their reports are merged."""
        for number in range(4):
            put(few / f"{number}.mbox.gz", gzip.compress(mboxrd([REPORT, BARE])))
        summaries: list[ScanSummary] = []
        sizes = replace(SMALL, batch=2)
        summary = scan_archive(
            few, json=tmp_path / "out", merge=True, jobs=jobs, progress=summaries.append, sizes=sizes
        )
        reading = [one.share for one in summaries if one.distinct is None]
        merging = [one.share for one in summaries if one.distinct is not None]
        for shares in (reading, merging):
            assert len(set(shares)) > 3
            assert shares == sorted(shares)
            assert 0 < shares[0] < 1
            assert shares[-1] == pytest.approx(1.0)
        assert summary.share == 1.0

    def test_share_of_nothing(self, tmp_path: Path) -> None:
        """Nothing to merge is merged at once."""
        put(tmp_path / "in" / "a.eml", BARE)
        summaries: list[ScanSummary] = []
        scan_archive(tmp_path / "in", merge=True, jobs=1, progress=summaries.append)
        assert [one.share for one in summaries] == [1.0, 1.0]

    def test_complaints(self, few: Path) -> None:
        """Items that cannot be read are reported with their source and the reason, in order; others are not."""
        (few / "c2.eml").symlink_to("nowhere")
        complaints: list[tuple[Source, str]] = []
        summary = scan_archive(few, jobs=1, complain=lambda *one: complaints.append(one))
        assert [str(source) for source, _ in complaints] == [str(few / "c2.eml"), str(few / "f.eml")]
        assert complaints[0][1] == os.strerror(errno.ENOENT)
        assert complaints[1][1].startswith("not-a-report")
        assert (summary.items, summary.unreadable) == (ITEMS_OF_FEW + 1, 1)
        assert summary.refusals == {"ENOENT": 1, "not-a-report": 1}


class Model:
    """The counts that a scan of the example's reports must give, derived from the messages that were sent."""

    def __init__(self, reports: list[Any]) -> None:
        self.read = [one for one in reports if one.format is not ReportFormat.BCC]
        self.contents = {one.content for one in self.read}
        whole = Counter(one.says for one in self.read if one.cut is None)
        self.duplicates = sum(count - 1 for count in whole.values())
        ids: dict[str, set[object]] = {}
        for one in self.read:
            if one.message.message_id:
                ids.setdefault(one.message.message_id, set()).add(one.content)
        self.disputed = {content for found in ids.values() if len(found) > 1 for content in found}

    def sightings(self) -> Counter[str]:
        """The answers of an empty store, in order."""
        expected = Expected()
        answers: Counter[str] = Counter()
        for report in self.read:
            answers[str(expected.answer(report))] += 1
            expected.remember(report)
        return answers


class TestLines:
    """A line for each item."""

    @pytest.mark.slow
    def test_in_order(self, world: World, tmp_path: Path) -> None:
        """Every item has its line, in the order of reading, with a source that reads its bytes again."""
        out = tmp_path / "lines.jsonl"
        scan_archive(world.path, json=out, jobs=1, mbox=MboxVariant.MBOXRD)
        found = lines(out)
        items = list(read_archive(world.path, mbox=MboxVariant.MBOXRD))
        assert [Source.from_dict(one["source"]) for one in found] == [one.source for one in items]
        for line, item in zip(found, items, strict=True):
            if isinstance(item, ArchivedReport):
                assert line == {**item.parsed.to_dict(), **line}
                assert line["kind"] == "report"
                assert line["original"]["sha256"] == sha256(item.parsed.original or b"")
                assert line["original"]["file"] is None
            elif isinstance(item, ArchivedMessage):
                assert (line["kind"], line["code"]) == ("message", item.code)
                assert (line["octets"], line["sha256"]) == (len(item.octets), sha256(item.octets))
            else:
                assert line["kind"] == "unreadable"
                assert item.octets is None or line["sha256"] == sha256(item.octets)
        for line in found[::37]:
            content = read_source(Source.from_dict(line["source"]))
            assert line["kind"] != "message" or sha256(content) == line["sha256"]

    def test_report(self, few: Path, tmp_path: Path) -> None:
        """A report has all keys of `to_dict()`, and digests of its parts."""
        scan_archive(few / "h.eml", json=tmp_path / "out", jobs=1)
        [line] = lines(tmp_path / "out")
        parsed = parse_report((few / "h.eml").read_bytes())
        source = Source(str(few / "h.eml")).to_dict()
        expected: dict[str, Any] = {"kind": "report", "source": source, **parsed.to_dict()}
        for name, content in (("original", parsed.original), ("decrypted", parsed.decrypted)):
            assert content is not None
            expected[name] = {**expected[name], "sha256": sha256(content), "file": None}
        assert parsed.original is not None
        expected["original"]["header"] = written(parsed.original)
        expected["header"] = written(parsed.outer_block)
        assert line == {**expected, "archive_defects": [], "undeliverable": None, "found": None}
        assert expected["header"]["date_utc"] == "2024-02-29T12:30:45Z"

    def test_files(self, few: Path, tmp_path: Path) -> None:
        """With originals each line names the files below the folder."""
        scan_archive(few, json=tmp_path / "out", originals=tmp_path / "kept", quarantine=tmp_path / "bad", jobs=1)
        found = {Path(one["source"]["path"]).name: one for one in lines(tmp_path / "out")}
        assert found["a.eml"]["original"]["file"] == named(ORIGINAL)
        assert found["h.eml"]["decrypted"]["file"] == named(ORIGINAL.replace(b"Hi.", b"Secret."))
        assert found["e.eml"]["file"] == named(BARE)
        assert found["f.eml"]["file"] == named(GARBAGE)
        assert found["g.eml"]["original"]["file"].endswith(".incomplete.eml")

    def test_unreadable(self, few: Path, tmp_path: Path) -> None:
        """A refusal has code, detail and offset; an error of the system has its name and text."""
        (few / "gone.eml").symlink_to("nowhere")
        scan_archive(few, json=tmp_path / "out", jobs=1)
        bad = [one for one in lines(tmp_path / "out") if one["kind"] == "unreadable"]
        assert [(one["code"], one["detail"]) for one in bad][1] == ("ENOENT", os.strerror(errno.ENOENT))
        assert (bad[0]["code"], bad[0]["octets"], bad[0]["sha256"]) == ("not-a-report", len(GARBAGE), sha256(GARBAGE))
        assert bad[0]["offset"] == 0

    def test_undeliverable(self, world: World, tmp_path: Path) -> None:
        """Bounces are messages; with the option for bounces they are the report inside, with the delivery status."""
        for undeliverable in (False, True):
            scan_archive(world.path / "6-odd", json=tmp_path / "out", undeliverable=undeliverable, jobs=1)
            found = {Path(one["source"]["path"]).name: one for one in lines(tmp_path / "out")}
            kinds = [found[name]["kind"] for name in ("bounce.eml", "bounce-of-another.eml", "bare.eml")]
            assert kinds == ["report" if undeliverable else "message", "message", "message"]
        assert found["bounce.eml"]["report_id"] == "<r@example.com>"
        [status] = found["bounce.eml"]["undeliverable"]
        assert status["status"] == "5.0.0"
        assert found["bounce-of-another.eml"]["code"] == "no-report-inside"

    def test_defects_of_the_archive(self, tmp_path: Path) -> None:
        """Changes by the archive are reported beside the defects of the report, for reports and messages."""
        quoted = built(ORIGINAL + b"From a line\r\n")
        mailbox = mboxrd([quoted, BARE + b"From me\r\n", b"X-MS-Journal-Report:\n\nFrom me\n"])
        path = put(tmp_path / "a.mbox", mailbox)
        scan_archive(path, json=tmp_path / "out", jobs=1)
        for line in lines(tmp_path / "out"):
            assert [one["code"] for one in line["archive_defects"]] == ["mbox-quoting"]
        assert [one["kind"] for one in lines(tmp_path / "out")] == ["report", "message", "unreadable"]

    @pytest.mark.slow
    def test_names_that_are_not_text(self, tmp_path: Path) -> None:
        """A file name of any bytes is written to JSON and finds the file again."""
        name = os.fsdecode(b"\xff\n\t\xe9\x1b[2J.eml")
        try:
            put(tmp_path / "in" / name, BARE)
        except (OSError, UnicodeError):
            pytest.skip("the file system takes no such names")
        put(tmp_path / "in" / ("b" + name), REPORT)
        for merged in (False, True):
            scan_archive(tmp_path / "in", json=tmp_path / "out", merge=merged, jobs=2)
            data = (tmp_path / "out").read_bytes()
            assert data.isascii()
            assert data.count(b"\n") == 2
            found = [one["source"] if "source" in one else one["sources"][0][0] for one in lines(tmp_path / "out")]
            assert {read_source(Source.from_dict(one)) for one in found} == {BARE, REPORT}

    def test_format(self, tmp_path: Path) -> None:
        """Copies, which have no marker, are read in the format that the caller names."""
        put(tmp_path / "in" / "a", BARE)
        summary = scan_archive(
            tmp_path / "in", json=tmp_path / "out", format=ReportFormat.MESSAGE_ONLY, merge=True, jobs=1
        )
        assert summary.formats == {"message-only": 1}
        assert lines(tmp_path / "out")[0]["kind"] == "merged"

    def test_reports_without_a_marker(self, tmp_path: Path) -> None:
        """They are counted, and their lines name the format they read like; read on request, they are counted apart."""
        put(tmp_path / "in" / "a", BARE)
        put(tmp_path / "in" / "b", REPORT.replace(b"X-MS-Journal-Report:", b"X-Lost:"))
        put(tmp_path / "in" / "c", REPORT)
        summary = scan_archive(tmp_path / "in", json=tmp_path / "out", jobs=1)
        assert (summary.reports, summary.unmarked, summary.messages) == (1, 0, {"not-a-report": 2})
        assert summary.reads_like == {"envelope": 1}
        found = {line["source"]["path"][-1]: line for line in lines(tmp_path / "out")}
        assert (found["a"]["reads_like"], found["b"]["reads_like"]) == (None, "envelope")
        summary = scan_archive(tmp_path / "in", json=tmp_path / "out", jobs=1, unmarked=True)
        assert (summary.reports, summary.unmarked, summary.messages) == (2, 1, {"not-a-report": 1})
        assert summary.reads_like == {}
        evidence = {line.get("marker"): line.get("recipients_from") for line in lines(tmp_path / "out")}
        assert evidence == {None: None, "grammar": "unmarked", "X-MS-Journal-Report": "envelope"}

    def test_stream(self, few: Path, tmp_path: Path) -> None:
        """A binary stream gets what a file has, with other outputs and without; a stream of text is refused."""
        for options in ({}, {"merge": True}, {"quarantine": tmp_path / "bad"}):
            stream = io.BytesIO()
            scan_archive(few, json=stream, jobs=1, **options)
            scan_archive(few, json=tmp_path / "out", jobs=1, **options)
            assert stream.getvalue() == (tmp_path / "out").read_bytes()
        with pytest.raises(TypeError, match="json must be a path or a binary stream, not TextIOWrapper"):
            scan_archive(few, json=io.TextIOWrapper(stream), jobs=1)

    def test_patterns(self, few: Path) -> None:
        """Only files with matching names are read."""
        assert scan_archive(few, patterns=["a.*", "E.eml"], jobs=1).items == 2


class TestMerge:
    """A line for each message."""

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_is_the_public_function(self, world: World, tmp_path: Path, jobs: int) -> None:
        """Merged reports are those of `merge()`, each with its sources; then all other items follow."""
        out = tmp_path / "out"
        scan_archive(world.path, json=out, merge=True, jobs=jobs, mbox=MboxVariant.MBOXRD)
        items = list(read_archive(world.path, mbox=MboxVariant.MBOXRD))
        found = lines(out)
        merged = [one for one in found if one["kind"] == "merged"]
        assert found[: len(merged)] == merged
        rest = [one for one in items if not isinstance(one, ArchivedReport)]
        assert [Source.from_dict(one["source"]) for one in found[len(merged) :]] == [one.source for one in rest]
        compare_merged(merged, [one for one in items if isinstance(one, ArchivedReport)])
        assert sum(one["conflict"] for one in merged) == len(Model(world.reports).disputed)
        for line in merged:
            assert MergedReport.from_dict(line).to_dict().items() <= line.items()

    @pytest.mark.slow
    def test_order(self, world: World, tmp_path: Path) -> None:
        """Messages come in the order of their content, for any order of the paths; sources in that of reading."""
        paths = sorted((world.path / "1-tree").iterdir())
        scan_archive(*paths, json=tmp_path / "one", merge=True, jobs=1)
        scan_archive(*reversed(paths), json=tmp_path / "two", merge=True, jobs=1)
        one, two = lines(tmp_path / "one"), lines(tmp_path / "two")
        assert [line.pop("content_sha256", None) for line in one] == [line.pop("content_sha256", None) for line in two]
        for line in (*one, *two):
            for sources in line.get("sources", ()):
                sources.sort(key=str)
        assert one[:-30] == two[:-30]

    def test_without_content(self, tmp_path: Path) -> None:
        """Reports without an original are joined with equal ones only, and come after the others."""
        for name, report in (
            ("a", built(None)),
            ("b", built(None, report_id="<s@example.com>")),
            ("c", built(None)),
            ("d", REPORT),
        ):
            put(tmp_path / "in" / name, report)
        summary = scan_archive(tmp_path / "in", json=tmp_path / "out", merge=True, jobs=1)
        assert (summary.distinct, summary.duplicates, summary.conflicts) == (3, 0, 0)
        found = lines(tmp_path / "out")
        assert [one["content_sha256"] is None for one in found] == [False, True, True]
        assert sorted([[Path(one["path"]).name for one in line["sources"][0]] for line in found]) == [
            ["a", "c"],
            ["b"],
            ["d"],
        ]

    def test_conflicts(self, few: Path, tmp_path: Path) -> None:
        """Every message whose Message-ID another one has is marked, and no other."""
        put(
            few / "z.eml",
            built(
                ORIGINAL.replace(b"<1@", b"<2@").replace(b"Hi.", b"Hey."), report=a_report(message_id="<2@example.com>")
            ),
        )
        put(few / "y.eml", built(ORIGINAL.replace(b"Hi.", b"Hm.")))
        summary = scan_archive(few, json=tmp_path / "out", merge=True, jobs=1)
        found = [one for one in lines(tmp_path / "out") if one["kind"] == "merged"]
        marked = {one["message_ids"][0] for one in found if one["conflict"]}
        assert marked == {"<1@example.com>"}
        assert sum(one["conflict"] for one in found) == summary.conflicts == len(found) - 1

    @pytest.mark.slow
    def test_more_than_memory_holds(self, world: World, tmp_path: Path) -> None:
        """Reports that are sorted on disk give the same result."""
        scan_archive(world.path, json=tmp_path / "one", merge=True, jobs=1)
        sizes = replace(SMALL, room=20_000, files=3)
        scan_archive(world.path, json=tmp_path / "two", merge=True, jobs=1, sizes=sizes)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def compare_merged(found: list[dict[str, Any]], items: list[ArchivedReport]) -> None:
    """Compare lines with the result of `merge()` for the reports, and with their places."""
    sources: dict[Statement, list[object]] = {}
    ids: dict[str, set[str]] = {}
    for item in items:
        statement = statement_of(item.parsed)
        sources.setdefault(statement, []).append(item.source.to_dict())
        if statement.identity.content_sha256 and statement.identity.message_id_sha256:
            ids.setdefault(statement.identity.message_id_sha256, set()).add(statement.identity.content_sha256)
    disputed = {content for contents in ids.values() if len(contents) > 1 for content in contents}
    expected = [
        {
            "kind": "merged",
            **json.loads(json.dumps(one.to_dict())),
            "conflict": one.content_sha256 in disputed,
            "sources": json.loads(json.dumps([sources[statement] for statement in one.reports])),
        }
        for one in merge([item.parsed for item in items])
    ]
    assert [{**one, "sources": [list(map(place, some)) for some in one["sources"]]} for one in found] == expected


def written(message: bytes | memoryview) -> dict[str, object]:
    """The fields of a header as they are in a line."""
    return read_written(bytes(message), 0, len(message)).to_dict()


def place(source: dict[str, Any]) -> dict[str, Any]:
    """A source without the other keys of a line for the report at that place."""
    more = {"original", "header", "decrypted", "archive_defects", "undeliverable", "found"}
    return {key: value for key, value in source.items() if key not in more}


class TestFolders:
    """Originals, messages and bad items under the digests of their content."""

    @pytest.mark.slow
    def test_originals(self, world: World, tmp_path: Path) -> None:
        """Every original, decrypted copy and message is there once, complete, and nothing else."""
        kept = tmp_path / "kept"
        summary = scan_archive(world.path, originals=kept, jobs=2, mbox=MboxVariant.MBOXRD)
        expected: dict[str, bytes] = {}
        for item in read_archive(world.path, mbox=MboxVariant.MBOXRD):
            if isinstance(item, ArchivedMessage):
                expected[named(item.octets)] = item.octets
            elif isinstance(item, ArchivedReport):
                cut = DefectCode.PERHAPS_TRUNCATED in {defect.code for defect in item.parsed.defects}
                for content in (item.parsed.original_bytes(), item.parsed.decrypted):
                    if content is not None:
                        expected[named(bytes(content), ".incomplete.eml" if cut else ".eml")] = bytes(content)
        found = tree(kept)
        assert {name: content for name, content in found.items() if content is not None} == expected
        assert {name for name, content in found.items() if content is None} == {name[:2] for name in expected}
        assert sum(summary.originals.values()) >= len(expected)

    @pytest.mark.slow
    def test_second_run(self, few: Path, tmp_path: Path) -> None:
        """A second run writes the same bytes, changes no original, and counts that."""
        out = outputs(tmp_path / "out")
        first = scan_archive(few, **out, jobs=1)
        before, stamps = (
            tree(tmp_path / "out"),
            {one: (one.stat().st_ino, one.stat().st_mtime_ns) for one in out["originals"].rglob("*.eml")},
        )
        second = scan_archive(few, **out, jobs=2)
        assert tree(tmp_path / "out") == before
        assert stamps == {one: (one.stat().st_ino, one.stat().st_mtime_ns) for one in out["originals"].rglob("*.eml")}
        assert set(second.originals) == set(second.quarantined) == {"there"}
        assert first.sightings != second.sightings
        assert second._replace(sightings={}, originals={}, quarantined={}) == first._replace(
            sightings={}, originals={}, quarantined={}
        )

    @pytest.mark.parametrize("damage", [b"", b"cut", b"\0" * len(ORIGINAL)], ids=["empty", "cut", "zeros"])
    def test_damaged(self, few: Path, tmp_path: Path, damage: bytes) -> None:
        """A file whose content does not match its name is written again."""
        scan_archive(few, originals=tmp_path / "kept", jobs=1)
        before = tree(tmp_path)
        put(tmp_path / "kept" / named(ORIGINAL), damage)
        summary = scan_archive(few, originals=tmp_path / "kept", jobs=1)
        assert tree(tmp_path) == before
        assert summary.originals["written"] == 1

    def test_truncated_and_whole(self, tmp_path: Path) -> None:
        """An original that is perhaps truncated never has the name of a complete one."""
        cut = REPORT[: REPORT.rindex(b"\r\n--_")]
        put(tmp_path / "in" / "a", cut)
        summary = scan_archive(tmp_path / "in", originals=tmp_path / "kept", jobs=1)
        original = parse_report(cut).original_bytes()
        assert original is not None
        assert [one.relative_to(tmp_path / "kept").as_posix() for one in (tmp_path / "kept").rglob("*.eml")] == [
            named(original, ".incomplete.eml")
        ]
        assert summary.incomplete == 1

    def test_quarantine(self, world: World, tmp_path: Path) -> None:
        """Bad items are kept unchanged, with a file of reasons in order, which a second run writes alike."""
        for _ in range(2):
            summary = scan_archive(world.path / "6-odd", quarantine=tmp_path / "bad", jobs=1)
            found = {name: content for name, content in tree(tmp_path / "bad").items() if content is not None}
            reasons = lines(tmp_path / "bad" / "reasons.jsonl")
            del found["reasons.jsonl"]
            assert found == {named(one): one for one in (b"", GARBAGE, REFUSED)}
            assert [Path(one["source"]["path"]).name for one in reasons] == [
                "damaged.zip",
                "empty.eml",
                "garbage-again.eml",
                "garbage.eml",
                "refused.eml",
            ]
            assert [one["file"] for one in reasons] == [
                None,
                *map(named, (b"", GARBAGE, GARBAGE, REFUSED)),
            ]
            assert {one["kind"] for one in reasons} == {"unreadable"}
        assert summary.quarantined == {"there": 4}

    def test_one_folder_for_both(self, few: Path, tmp_path: Path) -> None:
        """Originals and bad items in one folder are refused before anything is read, or written without harm."""
        out = tmp_path / "both"
        try:
            scan_archive(few, originals=out, quarantine=out, jobs=1)
        except InvalidValue:
            assert not out.exists()
        else:
            assert (out / named(GARBAGE)).read_bytes() == GARBAGE
            assert (out / named(ORIGINAL)).read_bytes() == ORIGINAL

    @pytest.mark.parametrize(
        "hostile",
        ["../../../escaped", "/escaped", "..", "a/../../b", "C:\\escaped", "nul\x7f", "\x1b]0;title\x07", "x" * 4000],
    )
    def test_nothing_escapes(self, tmp_path: Path, hostile: str) -> None:
        """For any report, files are in folders of two digits below the folder."""
        original = b"Message-ID: <hostile>\r\nSubject: hostile\r\n\r\n"
        report = built(original, report=a_report(message_id="<hostile>", subject="hostile"))
        report = report.replace(b"hostile", hostile.encode())
        report = report.replace(b"<r@example.com>", f"<{hostile}>".encode())
        put(tmp_path / "deep" / "in" / "a.eml", report)
        put(tmp_path / "deep" / "in" / "b.eml", report[: len(report) // 2])
        scan_archive(
            tmp_path / "deep" / "in",
            json=tmp_path / "deep" / "out.jsonl",
            originals=tmp_path / "deep" / "out",
            quarantine=tmp_path / "deep" / "bad",
            merge=True,
            jobs=1,
        )
        below = re.compile(
            r"deep|deep/in(/[ab]\.eml)?|deep/out\.jsonl|deep/bad/reasons\.jsonl|deep/(out|bad)(/[0-9a-f]{2}(/[0-9a-f]{64}(\.incomplete)?\.eml)?)?"
        )
        assert [name for name in tree(tmp_path) if not below.fullmatch(name)] == []

    @pytest.mark.slow
    def test_hostile_members(self, tmp_path: Path) -> None:
        """Names in archives lead nowhere either."""
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            for name in ("../../escaped.eml", "/escaped.eml", "a\nb.eml"):
                add_member(tar, name, BARE)
        kept = tmp_path / "out"
        summary = scan_archive(tmp_path / "a.tar", originals=kept, quarantine=tmp_path / "bad", jobs=2)
        assert summary.items == 3
        assert set(tree(tmp_path)) == {
            "a.tar",
            "out",
            f"out/{named(BARE)[:2]}",
            f"out/{named(BARE)}",
            "bad",
            "bad/reasons.jsonl",
        }


class TestAnotherMessage:
    """Items with another message after the first one."""

    @pytest.fixture
    def several(self, tmp_path: Path) -> Path:
        """A folder with two reports in one file, two messages in one, and one ordinary report."""
        folder = tmp_path / "mail"
        multipart = BARE.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n")
        put(folder / "a.eml", REPORT * 2)
        put(folder / "b.eml", multipart + b"\r\n--b--\r\nMessage-ID: <2@example.com>\r\n" + BARE)
        put(folder / "c.eml", REPORT)
        return folder

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_set_aside(self, tmp_path: Path, several: Path, jobs: int) -> None:
        """Their bytes are kept, with the reason, and the complaint gives the offset; nothing else changes."""
        complaints: list[tuple[str, str]] = []
        aside = tmp_path / "aside"
        summary = scan_archive(
            several,
            json=tmp_path / "a.jsonl",
            quarantine=aside,
            jobs=jobs,
            complain=lambda source, reason: complaints.append((source.path, reason)),
        )
        assert (summary.items, summary.reports, summary.refusals) == (3, 2, {})
        assert summary.defects["another-message"] == 2
        assert summary.quarantined == {"written": 2}
        assert [line["kind"] for line in lines(tmp_path / "a.jsonl")] == ["report", "message", "report"]
        reasons = lines(aside / "reasons.jsonl")
        assert [(line["kind"], line["code"], line["octets"]) for line in reasons] == [
            ("report", "another-message", 2 * len(REPORT)),
            ("message", "another-message", len((several / "b.eml").read_bytes())),
        ]
        assert reasons[0]["offset"] == len(REPORT)
        for name, line in zip("ab", reasons, strict=True):
            assert (aside / line["file"]).read_bytes() == (several / f"{name}.eml").read_bytes()
        assert [(Path(path).name, reason.partition(" at ")[0]) for path, reason in complaints] == [
            ("a.eml", "another-message"),
            ("b.eml", "another-message"),
        ]

    def test_without_a_quarantine(self, tmp_path: Path, several: Path) -> None:
        """Without a folder for them they are counted, and the complaint is the same."""
        complaints: list[str] = []
        summary = scan_archive(several, jobs=1, complain=lambda _, reason: complaints.append(reason))
        assert (summary.defects["another-message"], len(complaints)) == (2, 2)
        assert not any(tmp_path.glob("aside"))

    def test_exit_status(self, tmp_path: Path, several: Path) -> None:
        """The command ends with status 1 if an item is followed by another message, and with 0 otherwise."""
        assert main(["scan", str(several), "--jobs", "1"]) == 1
        (several / "a.eml").write_bytes(REPORT)
        (several / "b.eml").write_bytes(BARE)
        assert main(["scan", str(several), "--jobs", "1", "--quarantine", str(tmp_path / "aside")]) == 0
        assert lines(tmp_path / "aside" / "reasons.jsonl") == []


class TestStore:
    """A store that learns of every report."""

    @pytest.mark.slow
    def test_sightings(self, world: World, tmp_path: Path) -> None:
        """Its answers are those of `remember_all` to all reports in their order, and those of the model."""
        summary = scan_archive(world.path, store=tmp_path / "seen.db", jobs=2, mbox=MboxVariant.MBOXRD)
        store = MemoryStore()
        identities = [
            identify(one.parsed)
            for one in read_archive(world.path, mbox=MboxVariant.MBOXRD)
            if isinstance(one, ArchivedReport)
        ]
        assert summary.sightings == Counter(map(str, remember_all(identities, store)))
        assert summary.sightings == Model(world.reports).sightings()
        with SqliteStore(tmp_path / "direct.db") as direct:
            remember_all(identities, direct)
        assert seen(tmp_path / "seen.db") == seen(tmp_path / "direct.db")

    def test_known_before(self, few: Path, tmp_path: Path) -> None:
        """Keys that a store had before count, and stay."""
        with SqliteStore(tmp_path / "seen.db") as store:
            remember_all([identify(parse_report(REPORT))], store)
        summary = scan_archive(few, store=tmp_path / "seen.db", jobs=1)
        assert summary.sightings == {"conflict": 1, "duplicate": 2, "sibling": 3}
        again = scan_archive(few, store=tmp_path / "seen.db", jobs=1)
        assert again.sightings[Sighting.DUPLICATE] == 5

    @pytest.mark.parametrize("merged", [False, True])
    def test_changes_no_other_output(self, few: Path, tmp_path: Path, merged: bool) -> None:
        """Outputs are the same with any store and without one."""
        kinds = ("json", "originals", "quarantine")
        for name in ("without", "with", "again"):
            out = outputs(tmp_path / name)
            if name == "again":
                shutil.copytree(tmp_path / "with", tmp_path / "again")
            scan_archive(
                few, **{kind: out[kind] for kind in kinds}, merge=merged, jobs=1,
                store=None if name == "without" else out["store"],
            )  # fmt: skip
        assert tree(tmp_path / "with") == tree(tmp_path / "without") == tree(tmp_path / "again")

    def test_no_store(self, few: Path, tmp_path: Path) -> None:
        """A file that is not a store is an error, and stays unchanged."""
        path = put(tmp_path / "seen.db", b"no database, and of some length\n" * 100)
        with pytest.raises(StoreError):
            scan_archive(few, store=path, json=tmp_path / "out", jobs=1)
        assert path.read_bytes() == b"no database, and of some length\n" * 100
        assert not (tmp_path / "out").exists()

    def test_is_opened_before_reading(self, few: Path, tmp_path: Path) -> None:
        """A file that is not a store is an error before anything is read."""
        path = put(tmp_path / "seen.db", b"no database, and of some length\n" * 100)
        summaries: list[ScanSummary] = []
        with pytest.raises(StoreError):
            scan_archive(few, store=path, jobs=1, progress=summaries.append)
        assert summaries == []


class TestOptionsTogether:
    """All combinations of options."""

    @pytest.mark.slow
    @pytest.mark.parametrize("kinds", range(16))
    @pytest.mark.parametrize("merged", [False, True])
    def test_every_output(self, few: Path, tmp_path: Path, kinds: int, merged: bool) -> None:
        """Each output is the same with and without other outputs, with one process and two."""
        full, some = outputs(tmp_path / "full"), outputs(tmp_path / "some")
        names = [name for bit, name in enumerate(full) if kinds >> bit & 1]
        scan_archive(few, **{name: full[name] for name in names}, merge=merged, jobs=1)
        chosen = {name: some[name] for name in names}
        (tmp_path / "some").mkdir()
        for _ in range(2):
            scan_archive(few, **chosen, merge=merged, jobs=2 if kinds == 15 else 1)
            assert sorted(one.name for one in (tmp_path / "some").iterdir()) == sorted(
                some[name].name for name in names
            )
        everything = outputs(tmp_path / "everything")
        scan_archive(few, **everything, merge=merged, jobs=1)
        for name in set(names) & {"originals", "quarantine"}:
            found = tree(everything[name])
            assert tree(some[name]) == found
        if {"json", "originals", "quarantine"} <= {*names}:
            assert some["json"].read_bytes() == everything["json"].read_bytes()

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [3])
    def test_jobs(self, world: World, tmp_path: Path, jobs: int) -> None:
        """Any number of processes writes the same."""
        one = scan_archive(world.path, **outputs(tmp_path / "one"), merge=True, undeliverable=True, jobs=1)
        other = scan_archive(world.path, **outputs(tmp_path / "two"), merge=True, undeliverable=True, jobs=jobs)
        assert tree(tmp_path / "one") == tree(tmp_path / "two")
        assert seen(tmp_path / "one" / "seen.db") == seen(tmp_path / "two" / "seen.db")
        assert same(one, other)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("format", "merged"), [(None, False), *[(one, True) for one in (None, *ReportFormat)]], ids=str
    )
    def test_corpus(self, tmp_path: Path, format: ReportFormat | None, merged: bool) -> None:
        """Everything that the reader accepts is written, even if it is odd."""
        summary = scan_archive(
            CORPUS, **outputs(tmp_path / "out"), merge=merged, format=format, undeliverable=True, jobs=1
        )
        assert summary.items == sum(one.is_file() for one in CORPUS.rglob("*"))
        found = lines(tmp_path / "out" / "lines.jsonl")
        items = list(read_archive(CORPUS, format=format, undeliverable=True))
        reports = [one for one in items if isinstance(one, ArchivedReport)]
        assert summary.reports == len(reports)
        if merged:
            compare_merged([one for one in found if one["kind"] == "merged"], reports)
            assert sum(len(sources) for one in found for sources in one.get("sources", ())) == len(reports)
        else:
            assert len(found) == len(items)

    @HEAVY
    @given(data=st.lists(any_bytes(), max_size=4), format=st.none() | st.sampled_from(ReportFormat))
    def test_any_bytes(self, data: list[bytes], format: ReportFormat | None) -> None:
        """For any content of an archive, everything is counted and nothing ends the run."""
        with TemporaryDirectory() as name:
            for number, content in enumerate(data):
                put(Path(name) / "in" / f"{number}.eml", content)
            (Path(name) / "in").mkdir(exist_ok=True)
            summary = scan_archive(
                Path(name) / "in", **outputs(Path(name) / "out"), merge=True, format=format, undeliverable=True, jobs=1
            )
            others = sum(summary.messages.values()) + sum(summary.refusals.values())
            assert summary.items == len(data) == summary.reports + others
            assert sum(summary.sightings.values()) == summary.reports
            reasons = lines(Path(name) / "out" / "bad" / "reasons.jsonl")
            assert sum(summary.quarantined.values()) == len(reasons)
            assert sum(line["kind"] == "unreadable" for line in reasons) == sum(summary.refusals.values())

    @pytest.mark.slow
    def test_hostile_reports(self, tmp_path: Path) -> None:
        """Tabs, NULs, line ends and surrogates in a report, and ten thousand recipients, survive being written as lines."""
        odd = [b"a\tb", b"a\0b", b"a\rb", b"\xff\xfe", b"\xed\xa0\x80", "\u2028\u0085".encode(), b"\x1b[2J", b'\\t\\n"']
        for number, content in enumerate(odd):
            text = b"Sender: %b@example.com\r\nSubject: %b\r\nMessage-Id: <%b>\r\nTo: %b@example.com\r\nX: %b\r\n" % (
                (content,) * 5
            )
            part = b"Content-Type: message/rfc822\r\n\r\nSubject: %b\r\nMessage-ID: <%b>\r\n\r\n%b" % ((content,) * 3)
            report = a_message(text, part).replace(b"<r@example.com>", b"<%b>" % content)
            put(tmp_path / "in" / f"{number}.eml", report)
            put(tmp_path / "in" / f"{number}-inside.eml", a_message(TEXT, part))
        crowd = [f"user{number}@example.com" for number in range(10_000)]
        put(tmp_path / "in" / "crowd.eml", built(report=a_report(recipients=crowd)))
        summary = scan_archive(tmp_path / "in", **outputs(tmp_path / "out"), merge=True, jobs=1)
        reports = [one for one in read_archive(tmp_path / "in") if isinstance(one, ArchivedReport)]
        assert summary.reports == len(reports) == 2 * len(odd) + 1 - 4  # no value can hold four of them
        found = lines(tmp_path / "out" / "lines.jsonl")
        found = [one for one in found if one["kind"] == "merged"]
        compare_merged(found, reports)
        assert max(len(one["recipients"]) for one in found) == 10_000


class TestRefused:
    """Obvious mistakes are refused before anything is written."""

    def test_missing(self, few: Path, tmp_path: Path) -> None:
        """A path that does not exist is an error that names it."""
        with pytest.raises(FileNotFoundError) as caught:
            scan_archive(few, tmp_path / "missing", **outputs(tmp_path / "out"))
        assert str(caught.value.filename) == str(tmp_path / "missing")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("kind", ["originals", "quarantine"])
    @pytest.mark.parametrize("inside", ["", "in", "in/a.eml"])
    def test_inside_an_output(self, tmp_path: Path, kind: str, inside: str) -> None:
        """An input in a folder that is written to is refused under any name."""
        put(tmp_path / "both" / "in" / "a.eml", BARE)
        (tmp_path / "link").symlink_to("both")
        before = tree(tmp_path)
        for path in (tmp_path / "both" / inside, tmp_path / "link" / inside):
            with pytest.raises(InvalidValue) as caught:
                scan_archive(path, **{kind: tmp_path / "both"})
            assert caught.value.field == "paths"
        assert tree(tmp_path) == before

    def test_beside_an_output(self, tmp_path: Path) -> None:
        """A folder whose name begins with that of an output is allowed."""
        put(tmp_path / "out-of-it" / "a.eml", BARE)
        assert scan_archive(tmp_path / "out-of-it", originals=tmp_path / "out", jobs=1).items == 1

    @pytest.mark.parametrize("jobs", [-1, -8])
    def test_jobs(self, few: Path, tmp_path: Path, jobs: int) -> None:
        """A negative number of processes is refused as by `map_archive`."""
        with pytest.raises(InvalidValue) as caught:
            scan_archive(few, json=tmp_path / "out", jobs=jobs)
        assert caught.value.field == "jobs"
        assert {one.name for one in tmp_path.iterdir()} == {"few"}

    @pytest.mark.parametrize("kind", ["json", "store"])
    def test_input_is_an_output(self, tmp_path: Path, kind: str) -> None:
        """An archive that is also an output is refused, and stays unchanged."""
        path = put(tmp_path / "a.mbox", mboxrd([BARE]))
        with pytest.raises((InvalidValue, StoreError)):
            scan_archive(path, **{kind: path}, jobs=1)
        assert path.read_bytes() == mboxrd([BARE])

    def test_one_name_for_two_outputs(self, few: Path, tmp_path: Path) -> None:
        """A store at the path of the JSON file is refused: one would replace the other."""
        with SqliteStore(tmp_path / "out") as store:
            remember_all([identify(parse_report(REPORT))], store)
        before = (tmp_path / "out").read_bytes()
        with pytest.raises(InvalidValue):
            scan_archive(few, json=tmp_path / "out", store=tmp_path / "out", jobs=1)
        assert (tmp_path / "out").read_bytes() == before

    @pytest.mark.parametrize("kind", ["folder", "pipe"])
    def test_json_is_not_a_file(self, few: Path, tmp_path: Path, kind: str) -> None:
        """JSON at the path of something other than a file is an error before anything is read, and that stays."""
        path = tmp_path / "out"
        if kind == "folder":
            path.mkdir()
        elif hasattr(os, "mkfifo"):
            os.mkfifo(path)
        else:
            pytest.skip("the system has no named pipes")
        mode = path.stat().st_mode
        summaries: list[ScanSummary] = []
        with pytest.raises((OSError, InvalidValue)) as caught:
            scan_archive(few, json=path, jobs=1, progress=summaries.append)
        if isinstance(caught.value, OSError):
            assert str(caught.value.filename) == str(path)
        assert path.stat().st_mode == mode
        assert summaries == []

    @pytest.mark.parametrize("kind", ["originals", "quarantine"])
    def test_folder_is_a_file(self, few: Path, tmp_path: Path, kind: str) -> None:
        """A file at the path of an output folder is an error before anything is read, and stays."""
        path = put(tmp_path / "out", b"a file")
        summaries: list[ScanSummary] = []
        with pytest.raises(OSError, match=re.escape(str(path))):
            scan_archive(few, **{kind: path}, jobs=1, progress=summaries.append)
        assert (path.read_bytes(), summaries) == (b"a file", [])

    def test_folder_of_somebody_else(self, few: Path, tmp_path: Path) -> None:
        """A folder with the name of the state that no run has made keeps its files."""
        path = put(tmp_path / "out.scan" / "letters" / "important.txt", b"mine")
        with suppress(OSError, InvalidValue):
            scan_archive(few, json=tmp_path / "out", jobs=1)
        assert path.read_bytes() == b"mine"


class TestOutputsInsideTheInput:
    """A run never reads its own outputs."""

    def test_passed_over(self, few: Path) -> None:
        """Outputs in the folder that is read are not items, even for a second run or after a run that was stopped."""
        first = scan_archive(few, **outputs(few / "out"), jobs=1)
        second = scan_archive(few, **outputs(few / "out"), jobs=1)
        assert first.items == second.items == ITEMS_OF_FEW
        assert same(first._replace(sightings={}), second._replace(sightings={}))

    @pytest.mark.slow
    def test_at_the_top(self, few: Path) -> None:
        """Nor are those beside the items."""
        before = {one.name for one in few.iterdir()}
        for _ in range(2):
            summary = scan_archive(few, json=few / "lines", store=few / "seen", jobs=2)
            assert summary.items == ITEMS_OF_FEW
        assert {one.name for one in few.iterdir()} == before | {"lines", "seen"}

    def test_by_a_link(self, few: Path, tmp_path: Path) -> None:
        """Nor those that a link in the input leads to."""
        (few / "kept").symlink_to(tmp_path / "kept")
        (tmp_path / "kept").mkdir()
        for _ in range(2):
            assert scan_archive(few, originals=few / "kept", jobs=1).items == ITEMS_OF_FEW


# Runs that are killed


def in_fork(action: Callable[[], object], *, at: int) -> bool:
    """Do something in a process that is killed before its `at`-th change to the file system; return whether it was."""
    pid = os.fork()
    if not pid:
        try:
            watch(at)
            action()
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 3)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


_CHANGES = frozenset(("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"))


def watch(at: int) -> None:
    """Kill this process before its `at`-th change to the file system, or before or after a step of a store."""
    left = at

    def one_less() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        is_written = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in _CHANGES or is_written:
            one_less()

    honest = SqliteStore.add

    def add(self: SqliteStore, *arguments: Any) -> Any:
        one_less()
        answer = honest(self, *arguments)
        one_less()
        return answer

    SqliteStore.add = add  # type: ignore[method-assign]
    sys.addaudithook(hook)


@needs_fork
class TestKilled:
    """A run that is killed at any moment, and resumed."""

    @pytest.mark.slow
    @pytest.mark.parametrize("merged", [False, True])
    def test_at_every_step(self, few: Path, tmp_path: Path, merged: bool) -> None:
        """After a kill at any step the old or the new output is there, and the next run ends as if nothing had happened."""
        whole = tmp_path / "whole"
        known = [identify(parse_report(REPORT))]
        expected = fresh(few, whole, known, merged=merged)
        moments = 0
        for at in range(1, 1000):
            folder = tmp_path / f"at-{at}"
            prepare(folder, known)
            if not in_fork(lambda: scan_archive(few, **outputs_of_few(folder), merge=merged, jobs=1), at=at):  # noqa: B023
                break
            moments += 1
            assert (folder / "lines.jsonl").read_bytes() in {OLD, (whole / "lines.jsonl").read_bytes()}
            over = (folder / "bad" / "reasons.jsonl").exists()
            for name, content in tree(folder / "originals").items():
                if name.endswith(".eml"):
                    assert content is not None
                    assert name.endswith((f"{sha256(content)}.eml", f"{sha256(content)}.incomplete.eml"))
            summary = scan_archive(few, **outputs_of_few(folder), merge=merged, jobs=1, resume=True)
            if over and summary.sightings != expected.sightings:
                # Only the state was left to remove: this was a run of its own.
                summary = summary._replace(sightings=expected.sightings)
            assert (at, steady(summary)) == (at, steady(expected))
            assert tree(folder) == tree(whole)
            assert seen(folder / "seen.db") == seen(whole / "seen.db")
            shutil.rmtree(folder)
        assert moments > 40

    @pytest.mark.slow
    def test_again_and_again(self, few: Path, tmp_path: Path) -> None:
        """A run that is killed several times does not repeat finished work, and the result is the same."""
        expected = fresh(few, tmp_path / "whole", [], merged=True)
        random = Random(1)
        folder = tmp_path / "out"
        prepare(folder, [])
        done = 0
        for _ in range(8):
            assert in_fork(
                lambda: scan_archive(few, **outputs_of_few(folder), merge=True, jobs=1, resume=True),
                at=random.randint(5, 14),
            )
            state = folder / "lines.jsonl.scan"
            batches = [one for one in state.iterdir() if re.fullmatch(r"\d{8}-[0-9a-f]+", one.name)]
            assert len(batches) >= done
            done = len(batches)
        assert done > 0
        summary = scan_archive(few, **outputs_of_few(folder), merge=True, jobs=1, resume=True)
        assert summary.resumed >= min(ITEMS_OF_FEW, done * 3)
        assert steady(summary) == steady(expected)
        assert tree(folder) == tree(tmp_path / "whole")

    def stopped(self, few: Path, folder: Path, **options: Any) -> None:
        """Make a run that is killed when its batches are finished."""

        def die(*_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        pid = os.fork()
        if not pid:
            try:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr("exjournal.archives.scan.write_outputs", die)
                    scan_archive(few, **(outputs_of_few(folder) | options), jobs=1)
            finally:
                os._exit(3)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL

    @pytest.mark.slow
    def test_resumed(self, few: Path, tmp_path: Path) -> None:
        """With `resume` items are not read again; without it they are."""
        prepare(tmp_path / "out", [])
        # Joining reports progress as well.
        without = {"store": None, "recipients": None, "exceptions": None}
        self.stopped(few, tmp_path / "out", **without)
        summaries: list[ScanSummary] = []
        options = outputs_of_few(tmp_path / "out") | without
        summary = scan_archive(few, **options, jobs=1, resume=True, progress=summaries.append)
        assert (summary.resumed, summaries) == (ITEMS_OF_FEW, [])
        self.stopped(few, tmp_path / "out", **without)
        assert scan_archive(few, **options, jobs=1).resumed == 0

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: data[:0],
            lambda data: data[: len(data) // 2],
            lambda data: data[:-10],
            lambda data: data[: data.rindex(b"\n", 0, -1) + 1],
            lambda data: b"\0" * len(data),
            lambda data: data[:100] + b"\0" * 300 + data[400:],
            lambda data: data.replace(b"Hello", b"Hullo"),
            lambda data: data + b"garbage",
            lambda data: data + b"= [[1]]\n",
            lambda data: data + b'=["a"]\n',
            lambda data: data + b"={}\n",
            lambda data: bytes([one ^ 0xA5 for one in data]),
            lambda data: data[data.rindex(b"\n=") + 1 :],
        ],
        ids=[
            "empty", "half", "cut", "without-its-end", "zeros", "a-hole", "changed", "garbage-behind", "odd-end",
            "odd-shape", "an-object", "noise", "the-end-alone",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("merged", [False, True])
    def test_damaged_state(self, few: Path, tmp_path: Path, damage: Callable[[bytes], bytes], merged: bool) -> None:
        """A batch whose file has changed is read again."""
        whole, folder = tmp_path / "whole", tmp_path / "out"
        expected = fresh(few, whole, [], merged=merged)
        prepare(folder, [])
        self.stopped(few, folder, merge=merged)
        for path in (folder / "lines.jsonl.scan").iterdir():
            if path.is_file() and path.name[0].isdigit():
                path.write_bytes(damage(path.read_bytes()))
        shutil.rmtree(folder / "originals" / named(ORIGINAL)[:2])
        summary = scan_archive(few, **outputs_of_few(folder), merge=merged, jobs=1, resume=True)
        assert tree(folder) == tree(whole)
        assert steady(summary._replace(sightings={})) == steady(expected._replace(sightings={}))
        assert summary.resumed == 0

    @pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 20, b"[]", b'{"first": "a"}', b"\xff"], ids=str)
    def test_damaged_notes(self, few: Path, tmp_path: Path, damage: bytes) -> None:
        """A damaged note of the store's answers is not trusted."""
        folder = tmp_path / "out"
        prepare(folder, [])
        self.stopped(few, folder)
        notes = [one for one in (folder / "lines.jsonl.scan").iterdir() if not one.name[0].isdigit()]
        assert notes
        for path in notes:
            path.write_bytes(damage)
        summary = scan_archive(few, **outputs_of_few(folder), jobs=1, resume=True)
        assert sum(summary.sightings.values()) == summary.reports

    def test_another_store(self, few: Path, tmp_path: Path) -> None:
        """A store other than that of the run before is asked itself."""
        folder = tmp_path / "out"
        prepare(folder, [])
        with SqliteStore(folder / "seen.db") as store:
            remember_all([identify(one.parsed) for one in read_archive(few) if isinstance(one, ArchivedReport)], store)
        self.stopped(few, folder)
        options = outputs_of_few(folder) | {"store": folder / "seen.db2"}
        summary = scan_archive(few, **options, jobs=1, resume=True)
        assert summary.sightings == scan_archive(few, store=tmp_path / "fresh.db", jobs=1).sightings

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "options",
        [
            {"merge": True},
            {"undeliverable": True},
            {"format": ReportFormat.MESSAGE_ONLY},
            {"patterns": ["[a-f].eml"]},
            {"originals": None},
            {"quarantine": None},
            {"store": None},
            {"jobs": 2},
        ],
        ids=str,
    )
    def test_other_options(self, few: Path, tmp_path: Path, options: dict[str, Any]) -> None:
        """A run that is resumed with other options gives the results for these."""
        put(few / "i.eml", bounce(built(report_id="<v@example.com>")))
        prepare(tmp_path / "out", [])
        self.stopped(few, tmp_path / "out")
        changed = {"jobs": 1, **outputs_of_few(tmp_path / "out"), **options}
        scan_archive(few, **changed, resume=True)
        prepare(tmp_path / "whole", [])
        scan_archive(few, **{"jobs": 1, **outputs_of_few(tmp_path / "whole"), **options})
        assert (tmp_path / "out" / "lines.jsonl").read_bytes() == (tmp_path / "whole" / "lines.jsonl").read_bytes()
        if options.get("originals", 1):
            wanted = tree(tmp_path / "whole" / "originals")
            assert wanted.items() <= tree(tmp_path / "out" / "originals").items()

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["0.eml", "d2.eml", "z.eml"])
    @pytest.mark.parametrize("merged", [False, True])
    def test_new_files(self, few: Path, tmp_path: Path, name: str, merged: bool) -> None:
        """Files that were added between the runs are read, and nothing is there twice."""
        folder = tmp_path / "out"
        prepare(folder, [])
        self.stopped(few, folder, merge=merged)
        put(few / name, built(ORIGINAL.replace(b"Hi.", b"New."), report_id="<new@example.com>"))
        summary = scan_archive(few, **outputs_of_few(folder), merge=merged, jobs=1, resume=True)
        expected = fresh(few, tmp_path / "whole", [], merged=merged)
        assert tree(folder) == tree(tmp_path / "whole")
        assert sum(summary.sightings.values()) == summary.reports
        assert steady(summary._replace(sightings={})) == steady(expected._replace(sightings={}))
        assert seen(folder / "seen.db") == seen(tmp_path / "whole" / "seen.db")

    def test_vanished(self, few: Path, tmp_path: Path) -> None:
        """Files that were removed are not in the lines."""
        folder = tmp_path / "out"
        prepare(folder, [])
        self.stopped(few, folder, store=None)
        (few / "a.eml").unlink()
        (few / "h.eml").unlink()
        scan_archive(few, **(outputs_of_few(folder) | {"store": None}), jobs=1, resume=True)
        fresh(few, tmp_path / "whole", [], merged=False, store=None)
        assert (folder / "lines.jsonl").read_bytes() == (tmp_path / "whole" / "lines.jsonl").read_bytes()

    def test_changed(self, few: Path, tmp_path: Path) -> None:
        """A file that changed between the runs is read again."""
        folder = tmp_path / "out"
        prepare(folder, [])
        self.stopped(few, folder, store=None)
        put(few / "e.eml", BARE + b"And more.\r\n")
        os.utime(few / "e.eml", (1, 1))
        scan_archive(few, **(outputs_of_few(folder) | {"store": None}), jobs=1, resume=True)
        fresh(few, tmp_path / "whole", [], merged=False, store=None)
        assert (folder / "lines.jsonl").read_bytes() == (tmp_path / "whole" / "lines.jsonl").read_bytes()

    def test_tried_again(self, few: Path, tmp_path: Path) -> None:
        """An item that could not be read before is read when the run is resumed; refusals are not."""
        (few / "b2.eml").symlink_to(tmp_path / "late.eml")
        folder = tmp_path / "out"
        prepare(folder, [])
        self.stopped(few, folder, store=None)
        put(tmp_path / "late.eml", BARE + b"Late.\r\n")
        options = outputs_of_few(folder) | {"store": None}
        summary = scan_archive(few, **options, jobs=1, resume=True)
        assert (summary.unreadable, summary.resumed) == (0, 6)
        assert (folder / "originals" / named(BARE + b"Late.\r\n")).exists()


# A JSON file of an earlier run.
OLD = b'{"kind": "old"}\n'


def prepare(folder: Path, known: list[Any]) -> None:
    """Prepare a folder with an output of an earlier run, and a store with known reports."""
    put(folder / "lines.jsonl", OLD)
    with SqliteStore(folder / "seen.db", durable=False) as store:
        remember_all(known, store)


def fresh(path: Path, folder: Path, known: list[Any], *, merged: bool, **options: Any) -> ScanSummary:
    """The summary of an undisturbed run with every output."""
    prepare(folder, known)
    return scan_archive(path, **(outputs_of_few(folder) | options), merge=merged, jobs=1)


class Disk:
    """A disk that is full after a number of bytes, for files whose names match."""

    def __init__(self, patch: pytest.MonkeyPatch, room: int, name: str) -> None:
        self.room = room
        self.name = re.compile(name)
        self.patch = patch

    def __enter__(self) -> None:
        honest = open

        def opened(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            file = honest(path, mode, *rest, **more)
            if mode != "wb":
                return file
            disk = self

            class Full(io.BufferedWriter):
                def writelines(self, pieces: Any, /) -> None:
                    for piece in pieces:
                        disk.room -= len(piece)
                        if disk.room < 0:
                            self.write(bytes(piece)[: len(piece) // 2])
                            self.flush()
                            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                        self.write(piece)

            return Full(file.detach()) if self.name.search(os.fspath(path)) else file

        self.patch.setattr("builtins.open", opened)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


class TestFullDisk:
    """Full disks."""

    @pytest.mark.parametrize("room", [0, 100, 200])
    def test_originals(self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        """Each file that could not be written is reported and counted, the run continues, and no file is incomplete."""
        out = outputs_of_few(tmp_path / "out") | {"store": None}
        reasons: list[str] = []
        with monkeypatch.context() as patch, Disk(patch, room, r"/originals/"):
            summary = scan_archive(few, **out, jobs=1, complain=lambda _, reason: reasons.append(reason))
        assert summary.items == ITEMS_OF_FEW
        assert summary.originals["not-written"] > 0
        assert reasons.count(f"not written: {os.strerror(errno.ENOSPC)}") == summary.originals["not-written"]
        names = [one for one in out["originals"].rglob("*") if one.is_file()]
        assert {one.name.partition(".")[0] for one in names} == {sha256(one.read_bytes()) for one in names}
        files = [one["original"]["file"] for one in lines(out["json"]) if one["kind"] == "report"]
        assert None in files
        again = scan_archive(few, **out, jobs=1)
        assert "not-written" not in again.originals
        fresh(few, tmp_path / "whole", [], merged=False, store=None)
        assert tree(tmp_path / "out") == tree(tmp_path / "whole")

    def test_bad_items(self, few: Path, tmp_path: Path) -> None:
        """The same holds for bad items."""
        put(tmp_path / "bad" / named(GARBAGE)[:2], b"in the way")
        summary = scan_archive(few, quarantine=tmp_path / "bad", jobs=1)
        assert summary.quarantined == {"not-written": 1}
        assert lines(tmp_path / "bad" / "reasons.jsonl")[0]["file"] is None

    @pytest.mark.parametrize("room", [0, 500, 3000])
    @pytest.mark.parametrize("merged", [False, True])
    def test_state_and_lines(
        self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, merged: bool
    ) -> None:
        """An output that cannot be written is an error that names it; the old one stays, and a resumed run writes it."""
        whole, folder = tmp_path / "whole", tmp_path / "out"
        expected = fresh(few, whole, [], merged=merged)
        prepare(folder, [])
        with monkeypatch.context() as patch, Disk(patch, room, r"\.scan/"), pytest.raises(OSError) as caught:  # noqa: PT011
            scan_archive(few, **outputs_of_few(folder), merge=merged, jobs=1)
        assert (folder / "lines.jsonl").read_bytes() == OLD
        assert caught.value.errno == errno.ENOSPC
        summary = scan_archive(few, **outputs_of_few(folder), merge=merged, jobs=1, resume=True)
        assert tree(folder) == tree(whole)
        assert steady(summary) == steady(expected)
        assert str(folder) in str(caught.value.filename)

    def test_in_the_way(self, few: Path, tmp_path: Path) -> None:
        """A folder at the path of an original is reported, and the run continues."""
        (tmp_path / "kept" / named(ORIGINAL)).mkdir(parents=True)
        complaints: list[tuple[str, str]] = []
        summary = scan_archive(
            few, originals=tmp_path / "kept", jobs=1, complain=lambda *one: complaints.append((str(one[0]), one[1]))
        )
        assert summary.originals["not-written"] == 4
        assert (str(few / "a.eml"), f"not written: {os.strerror(errno.EISDIR)}") in complaints


class TestPieces:
    """Parts of a run."""

    def test_over(self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the run is over a batch is left, and does not count as finished."""
        monkeypatch.setattr("exjournal.archives.batches.is_over", lambda: True)
        with pytest.raises(InterruptedError):
            scan_archive(few, json=tmp_path / "out", jobs=1)
        assert [one.name for one in (tmp_path / "out.scan").iterdir()] == [".exjournal"]

    def test_interrupted_while_writing(self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An interrupt leaves no incomplete file."""

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("os.replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            scan_archive(few, originals=tmp_path / "out", jobs=1)
        assert [one for one in (tmp_path / "out").rglob("*") if one.suffix == ".part" and one.is_file()] == []

    def test_other_file_system(self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An output on another file system is complete, and nothing else is left beside it."""

        def move(source: str, target: str) -> None:
            if Path(source).name.endswith(".part") and Path(target).parent.name == "other":
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)
            replace_file(source, target)

        replace_file = os.replace
        monkeypatch.setattr("os.replace", move)
        outputs = {name: tmp_path / "other" / name for name in ("recipients", "exceptions", "manifest")}
        scan_archive(few, json=tmp_path / "lines", **outputs, jobs=1)
        assert sorted(path.name for path in (tmp_path / "other").iterdir()) == sorted(outputs)
        monkeypatch.undo()
        there = {name: tmp_path / name for name in outputs}
        scan_archive(few, json=tmp_path / "lines", **there, jobs=1)
        for name in ("recipients", "exceptions"):
            assert outputs[name].read_bytes() == there[name].read_bytes()

    def test_full_file_system(self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A copy to another file system that fails leaves nothing there."""

        def move(source: str, target: str) -> None:
            if Path(source).name.endswith(".part") and Path(target).parent.name == "other":
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)
            replace_file(source, target)

        def full(_source: object, _target: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        replace_file = os.replace
        monkeypatch.setattr("os.replace", move)
        monkeypatch.setattr("shutil.copyfileobj", full)
        table = tmp_path / "other" / "recipients"
        with pytest.raises(OSError, match="recipients") as caught:
            scan_archive(few, json=tmp_path / "lines", recipients=table, jobs=1)
        assert caught.value.errno == errno.ENOSPC
        assert list(table.parent.iterdir()) == []

    def test_replaced_folder(self, tmp_path: Path) -> None:
        """A folder at the path of a file stays, and the error names it."""
        put(tmp_path / "out" / "letter.txt", b"mine")
        with pytest.raises(OSError, match="out") as caught:
            put_pieces(str(tmp_path / "out"), (b"x",), str(tmp_path))
        assert caught.value.errno != errno.EXDEV
        assert [path.name for path in tmp_path.rglob("*")] == ["out", "letter.txt"]

    def test_strange_part(self, few: Path, tmp_path: Path) -> None:
        """Files of others in the folder for parts stay there."""
        path = put(tmp_path / "out" / ".part" / "letter.txt", b"mine")
        scan_archive(few, originals=tmp_path / "out", jobs=1)
        assert path.read_bytes() == b"mine"


def test_resumed_with_another_ratio(tmp_path: Path) -> None:
    """An item that a smaller ratio refused is read by a resumed run with a larger one."""
    sizes = replace(SMALL, floor=1000)
    (tmp_path / "a.eml").write_bytes(gzip.compress(gzip.compress(BARE) + gzip.compress(b"") * 500))
    seen = []

    def stop(summary: ScanSummary) -> None:
        seen.append(dict(summary.refusals))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        scan_archive(tmp_path / "a.eml", json=tmp_path / "out", jobs=1, max_ratio=1, progress=stop, sizes=sizes)
    assert seen == [{"archive-ratio": 1}]
    options = {"json": tmp_path / "out", "jobs": 1, "max_ratio": 1e6, "resume": True}
    summary = scan_archive(tmp_path / "a.eml", **options, sizes=sizes)
    assert (dict(summary.refusals), summary.resumed) == ({}, 0)
