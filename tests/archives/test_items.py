"""Archives: reports, messages and unreadable items, in order, from one process and from several."""

import bz2
import gc
import gzip
import itertools
import json
import lzma
import math
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import pytest
from test_walk import FROM, mbox, put, tar, zipped

from exjournal import (
    ArchivedMessage,
    ArchivedReport,
    DefectCode,
    InvalidValue,
    MboxVariant,
    ParseError,
    ReportFormat,
    Source,
    Unreadable,
    identify,
    map_archive,
    merge,
    parse_report,
    read_archive,
    read_source,
    scan_archive,
)
from exjournal.archives import items
from exjournal.archives.items import ArchiveItem, Reader, apply_to_batch, map_places
from exjournal.archives.walk import Located, locate, read_place
from strategies import built

REPORT = built()
MAIL = b"From: ann@example.com\r\nTo: bob@example.com\r\nSubject: Lunch\r\n\r\nAt twelve?\r\n"
# A report by its marker, with no report text.
DAMAGED = b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nSECRET\r\n"
STATUS = (
    b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; b.example\r\n\r\n"
    b"Final-Recipient: rfc822; journal@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"
)


def bounce(inside: bytes, media_type: bytes = b"message/rfc822", outer: bytes = b"multipart/report") -> bytes:
    """A bounce of a message."""
    return (
        b"Subject: Undeliverable\r\nMIME-Version: 1.0\r\nContent-Type: %b; boundary=_b_%d_\r\n\r\n--_b_%d_\r\n%b\r\n"
        b"--_b_%d_\r\nContent-Type: %b\r\n\r\n%b\r\n--_b_%d_--\r\n"
    ) % (outer, len(inside), len(inside), STATUS, len(inside), media_type, inside, len(inside))


def kind_and_code(item: ArchiveItem) -> tuple[str, str]:
    """The type of an item, and its code."""
    if isinstance(item, ArchivedReport):
        return "report", str(item.parsed.format)
    if isinstance(item, ArchivedMessage):
        return "message", item.code
    return "unreadable", item.error.code if isinstance(item.error, ParseError) else type(item.error).__name__


def one(path: Path, content: bytes, **options: Any) -> ArchiveItem:
    """The one item of a file."""
    (item,) = read_archive(put(path, content), **options)
    return item


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with everything in it that an archive can have."""
    folder = tmp_path / "archive"
    for number in range(250):
        put(folder / "loose" / f"{number}.eml", built(report_id=f"<{number}@example.com>"))
    put(folder / "loose" / "mail", MAIL)
    put(folder / "loose" / "damaged.eml", DAMAGED)
    put(folder / "loose" / "empty.eml", b"")
    (folder / "loose" / "nowhere.eml").symlink_to("missing")
    put(folder / "bounce.eml", bounce(REPORT))
    put(folder / "box", mbox(*[REPORT, MAIL, DAMAGED] * 80))
    put(folder / "box.gz", gzip.compress(mbox(REPORT, b"S: 1\n\n>From a\n")))
    put(folder / "box.bz2", bz2.compress(mbox(REPORT))[:-7])
    put(folder / "t.tgz", gzip.compress(tar(("a.eml", REPORT), ("b.zip", zipped(("c", MAIL), ("d", mbox(REPORT)))))))
    put(folder / "x.xz", lzma.compress(REPORT))
    for name in ("cur", "new", "tmp"):
        put(folder / "maildir" / name / "1", REPORT)
    return folder


class TestItems:
    """Items."""

    def test_report(self, tmp_path: Path) -> None:
        """A report has its place, its bytes and its content."""
        path = tmp_path / "a.eml"
        item = one(path, REPORT)
        assert isinstance(item, ArchivedReport)
        assert (item.source, item.octets, item.undeliverable, item.defects) == (Source(str(path)), REPORT, None, ())
        assert item.parsed.to_dict() == parse_report(REPORT).to_dict()
        assert repr(item) == f"<ArchivedReport {path}: {len(REPORT)} bytes>"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (MAIL, DefectCode.NOT_A_REPORT),
            (b"From: x", DefectCode.NOT_A_REPORT),
            (b"Subject : x\n\nhi\n", DefectCode.NOT_A_REPORT),
            (b"\xef\xbb\xbf\r\n" + MAIL, DefectCode.NOT_A_REPORT),
            (FROM + MAIL, DefectCode.NOT_A_REPORT),
            (bounce(MAIL), DefectCode.MULTIPART_REPORT),
            (bounce(REPORT), DefectCode.MULTIPART_REPORT),
            (bounce(REPORT, outer=b"multipart/mixed"), DefectCode.NOT_A_REPORT),
        ],
    )
    def test_message(self, tmp_path: Path, text: bytes, code: DefectCode) -> None:
        """Mail that is not a report is kept, with the code for the reason."""
        path = tmp_path / "a.eml"
        item = one(path, text)
        assert item == ArchivedMessage(Source(str(path)), text, code)
        assert repr(item) == f"<ArchivedMessage {path}: {len(text)} bytes>"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (DAMAGED, DefectCode.REPORT_TEXT_MISSING),
            (b"", DefectCode.EMPTY),
            (b"\r\n\r\n", DefectCode.EMPTY),
            (b"hello world\n", DefectCode.NOT_A_REPORT),
            (b"\0" * 1024, DefectCode.NOT_A_REPORT),
        ],
    )
    def test_unreadable(self, tmp_path: Path, text: bytes, code: DefectCode) -> None:
        """A report that does not parse, and a file that is not mail, are reported with their bytes."""
        path = tmp_path / "a.eml"
        item = one(path, text)
        assert isinstance(item, Unreadable)
        assert (item.source, item.octets, kind_and_code(item)[1]) == (Source(str(path)), text, code)
        assert repr(item).startswith(f"<Unreadable {path}: {code} at offset ")

    @pytest.mark.slow
    def test_no_text(self, archive: Path) -> None:
        """The representation of an item holds no text of it."""
        for item in read_archive(archive, undeliverable=True):
            assert "SECRET" not in repr(item)
            if isinstance(item, Unreadable):
                assert "SECRET" not in f"{item.error}{item.error!r}"

    def test_defects(self, tmp_path: Path) -> None:
        """Possible changes by a mailbox file are defects of the item, for items of all types."""
        quoted = MAIL + b">From a\n"
        items = [*read_archive(put(tmp_path / "a", mbox(REPORT + b">From a\n", quoted, DAMAGED + b">From a\n")))]
        assert [[defect.code for defect in item.defects] for item in items] == [[DefectCode.MBOX_QUOTING]] * 3
        assert [kind_and_code(item)[0] for item in items] == ["report", "message", "unreadable"]

    def test_variant(self, tmp_path: Path) -> None:
        """The variant undoes the quoting."""
        path = put(tmp_path / "a", FROM + b"S: 1\n\n>From a\n\n")
        assert [(item.octets, item.defects) for item in read_archive(path, mbox=MboxVariant.MBOXRD)] == [
            (b"S: 1\n\nFrom a\n", ())
        ]
        with pytest.raises(InvalidValue, match="mbox"):
            read_archive(path, mbox="mboxx")  # type: ignore[arg-type]

    def test_format(self, tmp_path: Path) -> None:
        """The format of copies is that of `parse_report`."""
        item = one(tmp_path / "a.eml", MAIL, format=ReportFormat.MESSAGE_ONLY)
        assert isinstance(item, ArchivedReport)
        assert item.parsed.to_dict() == parse_report(MAIL, format=ReportFormat.MESSAGE_ONLY).to_dict()

    def test_from_line(self, tmp_path: Path) -> None:
        """A report with a From line is a report: as a message with a defect, as a mailbox file without the line."""
        item = one(tmp_path / "a.eml", FROM + REPORT)
        assert isinstance(item, ArchivedReport)
        assert [defect.code for defect in item.parsed.defects] == [DefectCode.LEADING_FROM_LINE]
        item = one(tmp_path / "a", FROM + REPORT)
        assert isinstance(item, ArchivedReport)
        assert (item.octets, item.source.offset, item.parsed.defects) == (REPORT, len(FROM), ())


class TestUndeliverable:
    """Bounces that are opened."""

    def test_report_inside(self, tmp_path: Path) -> None:
        """The item is the report in a bounce, with the bytes of the bounce."""
        for outer in (b"multipart/report", b"multipart/mixed"):
            text = bounce(REPORT, outer=outer)
            item = one(tmp_path / "a.eml", text, undeliverable=True)
            assert isinstance(item, ArchivedReport)
            assert item.parsed.to_dict() == parse_report(REPORT).to_dict()
            assert item.octets == text
            assert item.undeliverable is not None
            assert [status.recipient for status in item.undeliverable.status] == ["journal@example.com"]

    def test_plain_report(self, tmp_path: Path) -> None:
        """A report that was delivered is read as usual."""
        item = one(tmp_path / "a.eml", REPORT, undeliverable=True)
        assert isinstance(item, ArchivedReport)
        assert item.undeliverable is None

    def test_defects(self, tmp_path: Path) -> None:
        """Possible changes by the bounce are defects."""
        item = one(tmp_path / "a.eml", bounce(REPORT)[:-12], undeliverable=True)
        assert [defect.code for defect in item.defects] == [DefectCode.PERHAPS_TRUNCATED]

    def test_others(self, tmp_path: Path) -> None:
        """A bounce with only a header or with a damaged report is unreadable; bounces of other mail, and mail, are messages."""
        header = REPORT.partition(b"\r\n\r\n")[0] + b"\r\n"
        cases = [
            (bounce(header, b"text/rfc822-headers"), "unreadable", DefectCode.NO_REPORT_INSIDE),
            (bounce(DAMAGED), "unreadable", DefectCode.REPORT_TEXT_MISSING),
            (DAMAGED, "unreadable", DefectCode.REPORT_TEXT_MISSING),
            (bounce(MAIL), "message", DefectCode.NO_REPORT_INSIDE),
            (MAIL, "message", DefectCode.NOT_A_REPORT),
        ]
        for text, kind, code in cases:
            item = one(tmp_path / "a.eml", text, undeliverable=True)
            assert kind_and_code(item) == (kind, code)
            assert item.octets == text

    def test_ordinary_mail(self, tmp_path: Path) -> None:
        """Mail that was forwarded many times, or has many parts, is a message."""
        forwarded = MAIL
        for _ in range(8):
            forwarded = bounce(forwarded, outer=b"multipart/mixed").replace(STATUS, b"\r\nSee below.\r\n")
        parts = (
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            + b"--b\r\n\r\nx\r\n" * 500
            + b"--b--\r\n"
        )
        for text in (forwarded, parts):
            for undeliverable in (False, True):
                assert kind_and_code(one(tmp_path / "a.eml", text, undeliverable=undeliverable))[0] == "message"


# Functions for processes

FULL: dict[str, Any] = {"undeliverable": True, "mbox": MboxVariant.MBOXO}


def whole(item: ArchiveItem) -> tuple[object, ...]:
    """All parts of an item, in a form that can be compared."""
    error = item.error if isinstance(item, Unreadable) else None
    data = item.parsed.to_dict() if isinstance(item, ArchivedReport) else None
    return type(item).__name__, item.source, item.octets, item.defects, data, error and (type(error), error.args)


def unless_report(item: ArchiveItem) -> ArchiveItem | None:
    """The item itself, None for a report, which points into its bytes and cannot be pickled."""
    return None if isinstance(item, ArchivedReport) else item


def fail_at_mail(item: ArchiveItem) -> int:
    """Fail for ordinary mail."""
    if isinstance(item, ArchivedMessage):
        raise KeyError("wrong")
    return 1


def die(item: ArchiveItem) -> NoReturn:
    """End the process as the system does when it kills it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(item)


def not_pickled(_: ArchiveItem) -> object:
    """Return a value that cannot be pickled."""
    return lambda: None


def length(item: ArchiveItem) -> int:
    """The number of bytes of an item."""
    return len(item.octets or b"")


class TestMap:
    """Archives read by processes."""

    @pytest.fixture(autouse=True)
    def nothing_left(self) -> Iterator[None]:
        """No process is left."""
        yield
        gc.collect()
        assert multiprocessing.active_children() == []

    @pytest.mark.slow
    def test_same(self, archive: Path) -> None:
        """Any number of processes gives the items of `read_archive`, complete and in its order."""
        expected = [whole(item) for item in read_archive(archive, **FULL)]
        assert len(expected) > 500
        for jobs in (1, 2, 3):
            assert list(map_archive(whole, archive, jobs=jobs, **FULL)) == expected
        assert list(map_archive(length, archive)) == list(map(length, read_archive(archive)))

    @pytest.mark.slow
    def test_items_are_sent(self, archive: Path) -> None:
        """Items other than reports can be pickled, and their errors keep all arguments."""
        sent = map_archive(unless_report, archive, jobs=2)
        for here, there in zip(read_archive(archive), sent, strict=True):
            if there is not None:
                assert whole(here) == whole(there) == whole(pickle.loads(pickle.dumps(here)))

    @pytest.mark.slow
    def test_sources(self, archive: Path) -> None:
        """Each source finds the bytes again, also from JSON."""
        for item in read_archive(archive, mbox=MboxVariant.MBOXO):
            source = Source.from_dict(json.loads(json.dumps(item.source.to_dict())))
            if item.octets is not None:
                assert read_source(source) == item.octets
            else:
                with pytest.raises((ParseError, OSError)):
                    read_source(source)

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_function_raises(self, archive: Path, jobs: int) -> None:
        """An error that the function raises ends the run, and names the source."""
        results = map_archive(fail_at_mail, archive / "loose", jobs=jobs)
        with pytest.raises(KeyError, match="wrong") as caught:
            list(results)
        assert caught.value.__notes__ == [f"for {archive / 'loose' / 'mail'}"]
        assert list(results) == []

    @pytest.mark.slow
    @pytest.mark.parametrize(("function", "error"), [(die, ChildProcessError), (not_pickled, Exception)])
    def test_errors(self, archive: Path, function: Any, error: type[Exception]) -> None:
        """A killed process and a result that cannot be pickled are errors, and nothing waits forever."""
        with pytest.raises(error):
            list(map_archive(function, archive, jobs=2))

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_closed(self, archive: Path, jobs: int) -> None:
        """The results can be closed before their end."""
        results: Any = map_archive(length, archive, jobs=jobs)
        next(results)
        results.close()
        assert list(results) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_forgotten(self, archive: Path, jobs: int) -> None:
        """Results that are not taken any more end the processes."""
        assert len(list(itertools.islice(map_archive(length, archive, jobs=jobs), 3))) == 3

    @pytest.mark.slow
    def test_not_ahead(self, tmp_path: Path) -> None:
        """Reading waits until results are taken: of an endless archive no more is read than needed."""
        place = Located(Source(str(put(tmp_path / "a.eml", MAIL))))
        taken = 0

        def endless(*_: object, **__: object) -> Iterator[Located]:
            nonlocal taken
            while True:
                taken += 1
                yield place

        with patch.object(items, "locate", endless):
            for jobs in (1, 2):
                taken = 0
                results = map_archive(length, jobs=jobs)
                assert taken == 0
                for number in range(1, 1000):
                    assert next(results) == len(MAIL)
                    assert taken <= number + (jobs > 1) * 200 * (3 * jobs + 1)
                del results

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [-1, -(10**9)])
    def test_negative(self, jobs: int) -> None:
        """A negative number of processes is refused at once."""
        with pytest.raises(InvalidValue) as caught:
            map_archive(length, jobs=jobs)
        assert caught.value.field == "jobs"

    @pytest.mark.slow
    @pytest.mark.parametrize("jobs", [257, 999_999])
    def test_too_many(self, jobs: int) -> None:
        """More processes than any machine has cores are refused before one is started."""
        for function in (lambda: map_archive(length, jobs=jobs), lambda: scan_archive(jobs=jobs)):
            with pytest.raises(InvalidValue, match="between 0 and 256"):
                function()

    @pytest.mark.slow
    @pytest.mark.parametrize("ratio", [0, 0.9, -1, math.nan])
    def test_ratio(self, ratio: float) -> None:
        """A ratio below 1 is refused."""
        for function in (
            lambda: map_archive(length, max_ratio=ratio),
            lambda: read_archive(max_ratio=ratio),
            lambda: scan_archive(max_ratio=ratio),
        ):
            with pytest.raises(InvalidValue, match="max_ratio: must be at least 1"):
                function()

    @pytest.mark.slow
    def test_layers(self, tmp_path: Path) -> None:
        """A message in too many layers of compression is an item, and takes no time."""
        data = MAIL
        for _ in range(6):
            data = gzip.compress(data)
        (item,) = read_archive(put(tmp_path / "a.eml", data))
        assert isinstance(item, Unreadable)
        assert "nesting-limit" in str(item.error)

    @pytest.mark.slow
    def test_limits(self, tmp_path: Path) -> None:
        """A file that unpacks to too much, joined archives and links give the same items in one process and in several."""
        box = mbox(*[MAIL + b"x" * 9000 + b"\n"] * 400)
        put(tmp_path / "a.gz", gzip.compress(box))
        put(tmp_path / "b.zip", zipped(("a", REPORT)) + zipped(("b", MAIL)) + b"rest")
        put(tmp_path / "c.tar", tar(("a", REPORT), ("b", MAIL)) + tar(("c", MAIL)))
        assert len(list(read_archive(tmp_path, max_ratio=10_000))) == 406

        def read(jobs: int) -> list[Any]:
            options = {"max_ratio": 1, "floor": 500_000}
            reader = Reader(None, undeliverable=False, **options)  # type: ignore[arg-type]
            places = locate([tmp_path], lazily=jobs > 1, **options)  # type: ignore[arg-type]
            return list(map_places(whole, reader, places, jobs))

        expected = read(1)
        codes = [str(item[-1][1][0]) for item in expected if item[0] == "Unreadable"]
        assert codes == ["archive-ratio", "archive-unread"]
        for jobs in (2, 3):
            assert read(jobs) == expected

    @pytest.mark.slow
    def test_nothing(self) -> None:
        """No paths have no items."""
        assert list(map_archive(length, jobs=2)) == list(read_archive()) == []


# A program that reads an archive slowly, and writes a dot for each item.
PROGRAM = """
import sys, time
from exjournal import map_archive

def look(item):
    with open(sys.argv[2], "ab", 0) as file:
        file.write(b".")
    time.sleep(0.02)
    return 1

if __name__ == "__main__":
    print(sum(map_archive(look, sys.argv[1], jobs=2)))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals as POSIX has them")
def test_interrupt_of_slow_work(tmp_path: Path) -> None:
    """An interrupt waits for the items in work, and not for hundreds that wait their turn."""
    for number in range(2000):
        put(tmp_path / "archive" / f"{number}.eml", MAIL)
    program = put(tmp_path / "program.py", PROGRAM.encode())
    dots = put(tmp_path / "dots", b"")
    with subprocess.Popen(
        [sys.executable, program, tmp_path / "archive", dots],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while dots.stat().st_size < 10 and process.poll() is None:
            threading.Event().wait(0.01)
        os.killpg(process.pid, signal.SIGINT)
        looked_at = dots.stat().st_size
        _, errors = process.communicate(timeout=60)
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")
    assert dots.stat().st_size < looked_at + 100


def test_errors_keep_no_messages(tmp_path: Path) -> None:
    """Keeping the errors does not keep the messages."""
    for number in range(50):
        put(tmp_path / f"{number}.eml", DAMAGED + b"x" * 200_000)
    tracemalloc.start()
    try:
        errors = [item.error for item in read_archive(tmp_path) if isinstance(item, Unreadable)]
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(errors) == 50
    assert held < 1 << 20


def test_file_vanishes(tmp_path: Path) -> None:
    """A file that is gone when its turn comes is reported by the process that reads it."""
    item = Reader(None, undeliverable=False)(Located(Source(str(tmp_path / "a.eml"))))
    assert isinstance(item, Unreadable)
    assert isinstance(item.error, FileNotFoundError)
    assert item.octets is None


def test_batch(tmp_path: Path) -> None:
    """A process gives a result for each place of its batch, and names the source of a failure."""
    places = [Located(Source(str(put(tmp_path / f"{number}.eml", MAIL * number)))) for number in range(3)]
    reader = Reader(None, undeliverable=False)
    assert apply_to_batch(length, reader, places) == [0, len(MAIL), 2 * len(MAIL)]
    with pytest.raises(KeyError) as caught:
        apply_to_batch(fail_at_mail, reader, places)
    assert caught.value.__notes__ == [f"for {tmp_path / '1.eml'}"]


class TestReadSource:
    """Reading an item again."""

    def test_missing(self, tmp_path: Path) -> None:
        """A file that is gone is an OSError."""
        with pytest.raises(FileNotFoundError):
            read_source(Source(str(tmp_path / "a.eml")))
        with pytest.raises((OSError, ParseError)):
            read_source(Source("a\0b"))

    def test_something_else(self, tmp_path: Path) -> None:
        """A file that is no longer an archive is damaged."""
        path = put(tmp_path / "a", MAIL)
        for source in (
            Source(str(path), (("b", 0),)),
            Source(str(path), (("b", 1 << 70),)),
            Source(str(path), (), 10, 9999),
            Source(str(path), (), 1 << 70, 1),
        ):
            with pytest.raises((OSError, ParseError)):
                read_source(source)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("b", MAIL)
        with pytest.raises(ParseError, match="archive-damaged"):
            read_source(Source(str(path), (("b", 1),)))
        assert read_source(Source(str(path), (("any name", 0),))) == MAIL


class Unsendable(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


def raise_unsendable(_: ArchiveItem) -> NoReturn:
    """Raise it."""
    raise Unsendable("a", "b")


class TestBatch:
    """The work of a process on a batch."""

    def test_over(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the run is over the rest of a batch is left."""
        places = [Located(Source(str(tmp_path / "no")))] * 20
        looks = iter([False, True])
        monkeypatch.setattr("exjournal.archives.items.is_over", lambda: next(looks))
        assert len(apply_to_batch(type, Reader(None, undeliverable=False), places)) == 8

    def test_unsendable(self, tmp_path: Path) -> None:
        """An error that cannot be pickled is replaced by one that names its type and the source."""
        place = Located(Source(str(tmp_path / "no")))
        with pytest.raises(RuntimeError, match="Unsendable") as caught:
            apply_to_batch(raise_unsendable, Reader(None, undeliverable=False), [place])
        assert caught.value.__notes__ == [f"for {place.source}"]


def test_bounced_copies(tmp_path: Path) -> None:
    """With copies and bounces both, a bounce gives the copy inside, and other mail is a copy itself."""
    copy = b"From: ann@example.com\r\nTo: bob@example.com\r\n\r\nHi.\r\n"
    put(tmp_path / "a.eml", bounce(copy))
    put(tmp_path / "b.eml", copy)
    first, second = read_archive(tmp_path, format=ReportFormat.BCC, undeliverable=True)
    assert isinstance(first, ArchivedReport)
    assert isinstance(second, ArchivedReport)
    assert first.undeliverable is not None
    assert second.undeliverable is None
    assert first.parsed.original_bytes() == second.parsed.original_bytes()


MAILBOXES = Path(__file__).parents[1] / "mailboxes"
ANSWERS: dict[str, dict[str, Any]] = json.loads((MAILBOXES / "answers.json").read_text(encoding="utf-8"))


def answer(item: ArchiveItem) -> dict[str, Any]:
    """An item in the form of the answers beside the mailbox files."""
    result: dict[str, Any] = {"defects": [str(defect.code) for defect in item.defects]}
    if isinstance(item, ArchivedReport):
        result |= {"kind": "report", "subject": item.parsed.report.subject}
        if item.parsed.defects:
            result["report_defects"] = [str(defect.code) for defect in item.parsed.defects]
    elif isinstance(item, ArchivedMessage):
        last = item.octets.decode().splitlines()[-1]
        result |= {"kind": "message", "code": str(item.code), "last": last}
    else:
        assert isinstance(item.error, ParseError)
        result |= {"kind": "unreadable", "code": str(item.error.code)}
    return result


class TestMailboxFiles:
    """Mailbox files from different programs, with the expected items."""

    def test_all_are_there(self) -> None:
        """Each mailbox file has its answer, and the reverse."""
        assert {path.name for path in MAILBOXES.iterdir()} == {*ANSWERS, "answers.json"}
        assert len(ANSWERS) >= 15

    @pytest.mark.parametrize("name", ANSWERS)
    def test_items(self, name: str) -> None:
        """The items, their contents and their defects are those of the answer."""
        assert [answer(item) for item in read_archive(MAILBOXES / name)] == ANSWERS[name]["items"]

    @pytest.mark.slow
    def test_same_door(self) -> None:
        """One process, several, and reading items again all give the same bytes in the same order."""
        items = list(read_archive(MAILBOXES))
        expected = [item for name in sorted(ANSWERS) for item in ANSWERS[name]["items"]]
        assert len(items) == len(expected) + 1  # and the file of answers
        assert list(map_archive(whole, MAILBOXES, jobs=2)) == [whole(item) for item in items]
        for item in items:
            assert item.octets is not None
            assert read_source(item.source) == item.octets

    def test_from_any(self) -> None:
        """With the variant that its defect names a file is read without its quoting."""
        path = MAILBOXES / "from-any.mbox"
        assert all("from-any" in item.defects[-2].detail for item in read_archive(path))
        for number, item in enumerate(read_archive(path, mbox=MboxVariant.FROM_ANY), 1):
            assert isinstance(item, ArchivedReport)
            assert not {defect.code for defect in item.defects} - {DefectCode.MBOX_SEPARATOR}
            assert item.parsed.original_bytes() == (
                b"From: ann@example.com\nTo: bob@example.com\nSubject: Message %d\nMessage-ID: <%d@example.com>\n\n"
                b"From here on.\n>From there.\nFromage.\n>>Fromage.\n"
            ) % (number, number)
            assert read_source(item.source) == item.octets

    def test_quoted_from_line_before_an_original(self) -> None:
        """The line is not part of the content: the message is the same with it and without."""
        [item] = read_archive(MAILBOXES / "readpst.mbox")
        assert isinstance(item, ArchivedReport)
        line = b'>From "ann@example.com" Thu Oct  1 09:00:00 2026\n'
        assert item.octets.count(line) == 1
        other = parse_report(item.octets.replace(line, b""))
        assert identify(item.parsed).content_sha256 == identify(other).content_sha256
        assert len(merge([item.parsed, other])) == 1

    @pytest.mark.parametrize(
        ("begin", "form"),
        [
            (b"BABYL OPTIONS:\n", "Babyl"),
            (b"2 M1e C5f3a9b21\n", "dbox"),
            (b"\1\1\1\1\n", "MMDF"),
        ],
    )
    @pytest.mark.parametrize("format_", [None, *ReportFormat])
    def test_unread_forms(self, tmp_path: Path, begin: bytes, form: str, format_: ReportFormat | None) -> None:
        """A mailbox file in another form, or that is one message by its name, is refused as several messages."""
        item = one(tmp_path / "a.eml", begin + MAIL, format=format_)
        assert isinstance(item, Unreadable)
        assert isinstance(item.error, ParseError)
        assert item.error.code is DefectCode.ANOTHER_MESSAGE
        assert form in item.error.detail
        assert item.octets == begin + MAIL

    @pytest.mark.parametrize("format_", [None, *ReportFormat])
    @pytest.mark.parametrize("undeliverable", [False, True])
    @pytest.mark.parametrize("data", [MAIL, REPORT, FROM + MAIL, FROM + REPORT, MAIL * 40_000])
    def test_cr_line_ends(
        self, tmp_path: Path, data: bytes, format_: ReportFormat | None, *, undeliverable: bool
    ) -> None:
        """A file with only CR line ends is refused for these, with its bytes, in every format."""
        data = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        item = one(tmp_path / "a", data, format=format_, undeliverable=undeliverable)
        assert kind_and_code(item) == ("unreadable", DefectCode.CR_LINE_ENDS)
        assert item.octets == data

    def test_several_in_a_bounce(self, tmp_path: Path) -> None:
        """A bounce with another message after it has the defect, whether the report inside is read or not."""
        for options in ({}, {"undeliverable": True}):
            item = one(tmp_path / "a", bounce(REPORT) + bounce(REPORT), **options)
            assert [defect.code for defect in item.defects] == [DefectCode.ANOTHER_MESSAGE]
            assert not one(tmp_path / "a", bounce(REPORT), **options).defects

    @pytest.mark.parametrize("after", [b"", b"x", b" x\r\n", b"-\r\n", b"\n", b" \t\r\n\r\n"])
    def test_close_delimiters(self, tmp_path: Path, after: bytes) -> None:
        """Only a line that closes the multipart ends a message; look-alikes before it do not."""
        head = b"From: ann@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b--"
        is_close = not after.strip()
        item = one(tmp_path / "a", head + after + MAIL.replace(b"Subject", b"Message-ID"))
        assert bool(item.defects) == (is_close and after != b"")
        item = one(tmp_path / "a", head + b"x\r\n--b--\r\n" + MAIL.replace(b"Subject", b"Message-ID"))
        assert [defect.code for defect in item.defects] == [DefectCode.ANOTHER_MESSAGE]


FOREIGN = {
    "a.pst": b"!BDN\0\0\0\0SM",
    "a.ost": b"!BDN\0\0\0\0SO",
    "a.msg": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
    "a.dbx": b"\xcf\xad\x12\xfe\xc5\xfd",
    "a.7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "a.rar": b"Rar!\x1a\x07\x01\0",
    "a.zst": b"\x28\xb5\x2f\xfd\x04",
    "a.lz4": b"\x04\x22\x4d\x18\x64",
    "a.Z": b"\x1f\x9d\x90",
}


class TestForeignFiles:
    """Files of other programs, which are refused with the way to read their mail."""

    @pytest.mark.parametrize("name", FOREIGN)
    @pytest.mark.parametrize("target", ["a", "a.eml", "a.MSG", "a.zip"])
    @pytest.mark.parametrize("format_", [None, ReportFormat.ENVELOPE, ReportFormat.MESSAGE_ONLY])
    def test_first_bytes(self, tmp_path: Path, name: str, target: str, format_: ReportFormat | None) -> None:
        """The first bytes decide, whatever the name and the format are; the bytes of the file come with the item."""
        data = FOREIGN[name] + bytes(range(256))
        item = one(tmp_path / target, data, format=format_)
        assert kind_and_code(item) == ("unreadable", DefectCode.ARCHIVE_UNSUPPORTED)
        assert isinstance(item, Unreadable)
        assert Path(name).suffix in str(item.error)
        assert item.octets == data

    @pytest.mark.parametrize("name", FOREIGN)
    def test_suffixes(self, tmp_path: Path, name: str) -> None:
        """The suffix decides for a file that does not begin as a message, not for a message, and not inside a mailbox."""
        item = one(tmp_path / name.upper(), b"\0\1\2 nothing\r\n")
        assert isinstance(item, Unreadable)
        assert Path(name).suffix in str(item.error)
        assert isinstance(one(tmp_path / name.upper(), MAIL), ArchivedMessage)
        assert isinstance(one(tmp_path / name, REPORT), ArchivedReport)
        [item] = read_archive(put(tmp_path / name, FROM + b"Subject: a\r\n\r\nHi\r\n"))
        assert isinstance(item, ArchivedMessage)

    def test_member(self, tmp_path: Path) -> None:
        """A member of an archive is recognized by its own name."""
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.msg", b"\0\1\2")
            archive.writestr("b.bin", b"\0\1\2")
            archive.writestr("c.bin", FOREIGN["a.rar"])
        codes = [kind_and_code(item)[1] for item in read_archive(path)]
        assert codes == [DefectCode.ARCHIVE_UNSUPPORTED, DefectCode.NOT_A_REPORT, DefectCode.ARCHIVE_UNSUPPORTED]

    @pytest.mark.parametrize("packed", [False, True])
    def test_large(self, tmp_path: Path, *, packed: bool) -> None:
        """A file that is too large to be read as one message has the same advice, and any other one is too large."""
        for begin, code in ((FOREIGN["a.pst"], "archive-unsupported"), (b"Subject: ", "item-too-large")):
            data = begin + bytes(1000)
            path = put(tmp_path / "a", gzip.compress(data) if packed else data)
            [place] = locate([path], limit=900)
            with pytest.raises(ParseError) as info:
                read_place(place, limit=900)
            assert info.value.code == code


LOST = REPORT.replace(b"X-MS-Journal-Report:", b"X-Lost:")


class TestUnmarked:
    """Reports that lost their marker: reported as such, and read on request."""

    def test_marked(self, tmp_path: Path) -> None:
        """Without the option they are messages that read like reports, also with the option for bounces."""
        for options in ({}, {"undeliverable": True}):
            item = one(tmp_path / "a.eml", LOST, **options)
            assert isinstance(item, ArchivedMessage)
            assert item.code is (DefectCode.NO_REPORT_INSIDE if options else DefectCode.NOT_A_REPORT)
            assert item.reads_like is ReportFormat.ENVELOPE
            mail = one(tmp_path / "b.eml", MAIL, **options)
            assert isinstance(mail, ArchivedMessage)
            assert mail.reads_like is None

    def test_read(self, tmp_path: Path) -> None:
        """With it they are reports without a marker, and everything else is read as usual."""
        item = one(tmp_path / "a.eml", LOST, unmarked=True)
        assert isinstance(item, ArchivedReport)
        assert (item.parsed.marker, str(item.parsed.recipients_from)) == ("grammar", "unmarked")
        for content in (REPORT, MAIL, DAMAGED, bounce(REPORT), LOST.replace(b"message/rfc822", b"text/plain")):
            assert kind_and_code(one(tmp_path / "b.eml", content, unmarked=True)) == kind_and_code(
                one(tmp_path / "b.eml", content)
            )
        both: Any = {"unmarked": True, "undeliverable": True}
        assert kind_and_code(one(tmp_path / "c.eml", bounce(REPORT), **both)) == ("report", "envelope")

    def test_with_a_format(self, tmp_path: Path) -> None:
        """A format is for all items, so it excludes the option."""
        with pytest.raises(InvalidValue) as caught:
            read_archive(tmp_path, unmarked=True, format=ReportFormat.ENVELOPE)
        assert caught.value.field == "unmarked"

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    def test_mixed_archive_in_one_format(self, tmp_path: Path, format: ReportFormat) -> None:
        """Ordinary mail stays ordinary mail under a format, and a damaged report stays damaged."""
        assert kind_and_code(one(tmp_path / "a.eml", MAIL, format=format)) == ("message", "not-a-report")
        assert kind_and_code(one(tmp_path / "b.eml", DAMAGED, format=ReportFormat.ENVELOPE)) == (
            "unreadable",
            "report-text-missing",
        )
        assert kind_and_code(one(tmp_path / "c.eml", LOST, format=ReportFormat.ENVELOPE)) == ("report", "envelope")
