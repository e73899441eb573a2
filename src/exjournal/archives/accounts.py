"""Accounts for a scan: the files that were read, the outcome of each item, the sessions of the run, and a list of digests.

`batches` tallies the items of each file while it reads them; `scan` makes the account from these tallies at the end.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exjournal._wire.beginnings import scan_message
from exjournal._wire.headers import decode, field_pattern, find_fields, one_line, unfold
from exjournal._wire.times import mail_date
from exjournal.archives.exceptions import CHANGED, ArchiveException, Category, exception_data, meaning_of
from exjournal.archives.items import ArchivedMessage, ArchivedReport
from exjournal.archives.outputs import put
from exjournal.archives.parallel import is_over
from exjournal.archives.sorting import in_order
from exjournal.archives.sources import Source
from exjournal.archives.walk import digest_file, file_status
from exjournal.errors import ParseError
from exjournal.identity.keys import INCOMPLETE
from exjournal.reports.models import Evidence, JournalReport

if TYPE_CHECKING:
    from exjournal.archives.items import ArchiveItem
    from exjournal.archives.walk import Located
    from exjournal.reports.models import ParsedReport

# The outcomes of items: each item has exactly one.
REPORT: Final = "report"
INCOMPLETE_REPORT: Final = "incomplete"
UNMARKED_REPORT: Final = "unmarked"
MESSAGE: Final = "message"
REFUSED: Final = "refused"
UNREADABLE: Final = "unreadable"

# What takes the place of a month for a report that has none.
UNDATED: Final = "undated"
IMPOSSIBLE: Final = "impossible"


class ScannedFile(NamedTuple):
    """A file that was read; `is_changed` if it was not the same at the end of the run.

    * `size`, `modified`, `sha256`: of the file as it was read; None if it could not be.
    * `outcomes`: the number of its items by their outcome.
    """

    path: str
    size: int | None
    modified: datetime | None
    sha256: str | None
    is_changed: bool
    outcomes: Mapping[str, int]


class WrittenFile(NamedTuple):
    """A file that the run wrote."""

    path: str
    size: int
    sha256: str


class Session(NamedTuple):
    """A time during which the run was at work.

    `ended`: "finished", "stopped" by an error or an interrupt, or "killed"; the end of a killed session is the time when it
    last finished a batch.
    """

    start: datetime
    end: datetime
    ended: str


class ScanAccount(NamedTuple):
    """The account of a scan.

    * `outcomes`: the number of items by their outcome, of which each item has exactly one: "report", "incomplete" (a report
      that is perhaps truncated), "unmarked" (a report without a marker), "message", "refused", or "unreadable" for a system's
      error.
    * `months`: the number of reports by the month of their own Date in UTC, such as "2026-10", or "undated" and "impossible".
    * `files`: the first 10,000 files that were read, in the order of reading.
    * `file_count`, `file_octets`, `changed`: the number of all files, of their bytes, and of those that changed.
    * `exceptions`, `exception_counts`: the first 1,000 exceptions as data, changed files first, and the number of all by their
      category. `content` has the date, the addresses and the subject of an item; only there is text of messages.
    * `outputs`: the files that were written, except the originals and quarantined files, which are in the list of digests.
    * `sessions`: the times during which the run was at work.
    """

    outcomes: Mapping[str, int]
    months: Mapping[str, int]
    files: tuple[ScannedFile, ...]
    file_count: int
    file_octets: int
    changed: int
    exceptions: tuple[Mapping[str, Any], ...]
    exception_counts: Mapping[str, int]
    outputs: tuple[WrittenFile, ...]
    sessions: tuple[Session, ...]


def outcome_of(item: "ArchiveItem", /) -> str:
    """Return the outcome of an item."""
    if isinstance(item, ArchivedReport):
        if not INCOMPLETE.isdisjoint([defect.code for defect in (*item.defects, *item.parsed.defects)]):
            return INCOMPLETE_REPORT
        return UNMARKED_REPORT if item.parsed.recipients_from is Evidence.UNMARKED else REPORT
    if isinstance(item, ArchivedMessage):
        return MESSAGE
    return REFUSED if isinstance(item.error, ParseError) else UNREADABLE


_DATE = field_pattern("Date")


def month_of(parsed: "ParsedReport", /) -> str:
    """Return the month of a report's own Date, in UTC if it has a zone: "2026-10", or UNDATED or IMPOSSIBLE."""
    value = find_fields(parsed.outer_block, _DATE)[0].get(b"date")
    if value is None:
        return UNDATED
    date = mail_date(decode(unfold(value)))
    return IMPOSSIBLE if date is None else f"{date.year:04}-{date.month:02}"


def content_of(item: "ArchiveItem", /) -> dict[str, object] | None:
    """Return the date, the addresses and the subject of an item; None if it could not be read."""
    if isinstance(item, ArchivedReport):
        block = item.parsed.outer_block
        return content_of_report(item.parsed.report, one_line(find_fields(block, _DATE)[0].get(b"date", b"")))
    if item.octets is None:
        return None
    fields = scan_message(item.octets, _SHOWN).fields
    date, sender, to, subject = [one_line(fields.get(name, b"")) for name in (b"date", b"from", b"to", b"subject")]
    return {"date": _short(date), "from": _short(sender), "to": _short(to), "subject": _short(subject)}


_SHOWN = field_pattern("date", "from", "to", "subject")


def content_of_report(report: JournalReport, date: str, /) -> dict[str, object]:
    """Return the date, the addresses and the subject of a report, with the date as its header has it."""
    addresses = [recipient.address for recipient in islice(report.recipients, _SHOWN_RECIPIENTS)]
    more = len(report.recipients) - len(addresses)
    return {
        "date": _short(date),
        "from": _short(report.sender),
        "to": _short(", ".join(addresses)) + (f" and {more:,} more" if more else ""),
        "subject": _short(report.subject),
    }


# Recipients, and characters of a value, that an account shows of an exception.
_SHOWN_RECIPIENTS: Final = 10
_SHOWN_SIZE: Final = 500


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_SIZE else f"{text[:_SHOWN_SIZE]}\u2026"


class Tally:
    """Tallies the items of each file of a batch, and takes the digest of a file when its first item comes.

    `continues`: the batch begins with items of the file that was opened last.
    """

    def __init__(self, *, continues: bool) -> None:
        self.continues = continues
        self.path: str | None = None
        self.has_more = False
        self.data: dict[str, object] = {}
        self.outcomes: Counter[str] = Counter()

    def enter(self, place: "Located") -> Iterator[bytes]:
        """Enter the file of a place, and yield the tally of the file before it, as JSON."""
        path = place.source.path
        # A file that need not be opened has one item.
        if path == self.path and self.has_more and place.opened is None:
            return
        yield from self.leave()
        self.path = path
        self.has_more = place.opened is not None or self.continues
        self.data = {"path": path}
        if self.continues:
            self.continues = False
            return
        before = place.opened or file_status(path)
        try:
            digest, after = digest_file(path, is_over)
        except InterruptedError:
            raise
        except (OSError, ValueError):
            digest, after = None, None
        self.data |= {"before": before, "after": after, "sha256": digest}

    def add(self, outcome: str) -> None:
        """Count an item of the file that was entered last."""
        self.outcomes[outcome] += 1

    def leave(self) -> Iterator[bytes]:
        """Yield the tally of the file that was entered last, if any."""
        if self.path is not None:
            yield json.dumps({**self.data, "outcomes": self.outcomes}).encode()
            self.outcomes.clear()


def scanned_files(tallies: Iterable[bytes], names: Mapping[str, str], /) -> Iterator[ScannedFile]:
    """Join the tallies of each file, and compare the file with the one that was read; `names` has the paths to show."""
    file: dict[str, Any] = {}
    for tally in map(json.loads, tallies):
        if "before" not in tally:
            file["outcomes"] = Counter(file["outcomes"]) + Counter(tally["outcomes"])
            continue
        if file:
            yield _scanned_file(file, names)
        file = tally
    if file:
        yield _scanned_file(file, names)


def _scanned_file(file: dict[str, Any], names: Mapping[str, str]) -> ScannedFile:
    path, outcomes, digest = file["path"], file["outcomes"], file["sha256"]
    status = file_status(path)
    now = None if status is None else [*status]
    before, after = file["before"], file["after"]
    if digest is None:
        is_gone = before is not None and now is None
        return ScannedFile(names.get(path, path), None, None, None, is_gone, outcomes)
    size, changed = after
    return ScannedFile(names.get(path, path), size, _time(changed / 1e9), digest, not before == after == now, outcomes)


def _time(seconds: float) -> datetime | None:
    """Return a time of a file in UTC; None for one outside the calendar."""
    try:
        return _utc(seconds)
    except (ValueError, OverflowError, OSError):
        return None


# The list of digests


def digest_line(digest: str, path: str, /) -> bytes:
    """Return a line of a list of digests in the form of `sha256sum`, with its escapes for a path that is not one line."""
    name = os.fsencode(path)
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return b"%b%b  %b\n" % (b"\\" * (escaped != name), digest.encode(), escaped)


class Noted:
    """The first exceptions of a run, and the number of all by their category."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.first: list[Mapping[str, Any]] = []
        self.counts: Counter[str] = Counter()

    def add(self, exception: Mapping[str, Any]) -> None:
        """Note an exception as data."""
        self.counts[exception["category"]] += 1
        if len(self.first) < self.limit:
            self.first.append({**exception, "meaning": meaning_of(exception["code"])})


def write_account(
    manifest: str,
    *,
    files: Iterable[ScannedFile],
    kept: Iterable[bytes],
    outputs: Iterable[str],
    noted: Noted,
    months: Mapping[str, int],
    sessions: "Sessions",
    complain: "Callable[[Source, str], None] | None",
    limit: int,
) -> ScanAccount:
    """Write the list of digests, and return the account.

    `files`, `kept`: the files that were read, and the lines for files that batches kept.
    `limit`: the number of files in the account.
    """
    first: list[ScannedFile] = []
    totals: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    changed: list[Mapping[str, Any]] = []
    written = [_written_file(path) for path in outputs]

    def lines() -> Iterator[bytes]:
        for file in files:
            totals.update(count=1, octets=file.size or 0)
            outcomes.update(file.outcomes)
            if len(first) < limit:
                first.append(file)
            if file.is_changed:
                totals["changed"] += 1
                if len(changed) < noted.limit:
                    changed.append(_changed(file))
                if complain is not None:
                    complain(Source(file.path), meaning_of(CHANGED))
            if file.sha256 is not None:
                yield digest_line(file.sha256, file.path)
        for output in written:
            yield digest_line(output.sha256, output.path)
        for line, _ in groupby(in_order(kept, folder=sessions.state)):
            digest, path = json.loads(line)
            yield digest_line(digest, path)

    put(manifest, lines(), sessions.state, is_synced=True)
    return ScanAccount(
        outcomes=outcomes,
        months=months,
        files=tuple(first),
        file_count=totals["count"],
        file_octets=totals["octets"],
        changed=totals["changed"],
        exceptions=(*changed, *noted.first)[: noted.limit],
        exception_counts=noted.counts + Counter({Category.CHANGED: totals["changed"]}),
        outputs=(*written, _written_file(manifest)),
        sessions=tuple(sessions.until_now()),
    )


def _changed(file: ScannedFile) -> dict[str, object]:
    source = Source(file.path).to_dict()
    data = exception_data(ArchiveException(Category.CHANGED, CHANGED), source, file.size, file.sha256)
    return {**data, "meaning": meaning_of(CHANGED)}


def kept_line(digest: str, path: str, /) -> bytes:
    """Return the line of a batch for a file that it kept."""
    return json.dumps([digest, path]).encode()


def _written_file(path: str) -> WrittenFile:
    digest, (size, _) = digest_file(path, is_over)
    return WrittenFile(path, size, digest)


# Sessions


class Sessions:
    """The sessions of a run, in a file in the folder of its state."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.path = f"{state}/sessions"
        # The start, the end and its reason for each session; None for those of a session that is under way.
        self.times = self._read()
        if self.times and self.times[-1][2] is None:
            start = self.times[-1][0]
            self.times[-1] = (start, max([start, *self._finished()]), "killed")

    def _read(self) -> list[tuple[float, float | None, str | None]]:
        try:
            with open(self.path, "rb") as file:
                return [(float(start), end, ended) for start, end, ended in json.load(file)]
        except (OSError, ValueError, TypeError):
            return []

    def _finished(self) -> Iterator[float]:
        """Yield the times when the files in the folder were written."""
        with os.scandir(self.state) as entries:
            for entry in entries:
                yield entry.stat().st_mtime

    def begin(self) -> None:
        """Write down the start of a session."""
        self.times.append((time.time(), None, None))
        self._write()

    def stop(self) -> None:
        """Write down the end of a session that does not finish the run."""
        self.times[-1] = (self.times[-1][0], time.time(), "stopped")
        with suppress(OSError):  # the error that ends the session may be that of a full disk
            self._write()

    def _write(self) -> None:
        put(self.path, (json.dumps(self.times).encode(),), self.state, is_synced=True)

    def until_now(self) -> Iterator[Session]:
        """Yield the sessions; the one under way ends now."""
        for start, end, ended in self.times:
            yield Session(_utc(start), _utc(time.time() if end is None else end), ended or "finished")


@contextmanager
def session(state: str, /) -> Iterator[Sessions]:
    """Provide the sessions of a run in which one more is under way, with its end if an error ends it."""
    sessions = Sessions(state)
    sessions.begin()
    try:
        yield sessions
    except BaseException:
        sessions.stop()
        raise


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=0)
