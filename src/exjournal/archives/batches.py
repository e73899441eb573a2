"""Does the work of a scan in batches: a process reads the items of one, keeps files, and writes lines for the outputs.

A finished batch is a file in the folder of the run's state: lines with a kind, two keys and JSON, and at the end the counts. It
appears under its name only when it is complete. A run that was stopped continues after the finished batches; `joining` and
`scan` make the outputs from them.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from errno import EINTR
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exjournal._wire.message import read_written
from exjournal.archives.accounts import Tally, content_of, kept_line, month_of, outcome_of
from exjournal.archives.exceptions import (
    NOT_WRITTEN,
    UNDATED,
    ArchiveException,
    Category,
    error_name,
    exception_data,
    find_exceptions,
)
from exjournal.archives.items import ArchivedMessage, ArchivedReport, ArchiveItem, Reader, Unreadable
from exjournal.archives.outputs import keep, put
from exjournal.archives.parallel import in_parallel, is_over
from exjournal.archives.selection import Selection, date_in_utc
from exjournal.archives.sorting import FILES, ROOM
from exjournal.archives.sources import Source
from exjournal.archives.walk import content_size, file_status, in_batches
from exjournal.errors import Defect, DefectCode, ParseError
from exjournal.identity.keys import INCOMPLETE, Identity, identify
from exjournal.identity.statements import statement_of
from exjournal.limits import HEADER_LIMIT, RATIO_FLOOR
from exjournal.reports.models import Evidence, defect_dicts

if TYPE_CHECKING:
    from exjournal.archives.walk import Located, Meter, Status

    StrPath: TypeAlias = str | os.PathLike[str]

# Counts by what is counted, and its kind.
Counts: TypeAlias = Counter[tuple[str, str]]

# Kinds of lines.
REPORT: Final = b"R"
MESSAGE: Final = b"M"
BAD: Final = b"U"
# A report or message that has a line of its own, and is followed by another message that was not read.
ASIDE: Final = b"A"
# For the account of a run: the items of a file that was read, and a file that was kept.
FILE: Final = b"F"
KEPT: Final = b"K"
# A report that is not selected: other reports of its message may be.
LEFT_OUT: Final = b"L"
EXCEPTION: Final = b"E"
_REPORTS: Final = (REPORT, LEFT_OUT)
_END: Final = b"="
# A process checks after this number of items whether the run is over.
_LOOK: Final = 8
# The version of the files of batches; a batch of another version is done again.
_VERSION: Final = 5
_Complaint: TypeAlias = tuple[Source, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes of the steps of a scan.

    `batch`: items of a batch, which a killed process does again at most.
    `merged`: bytes of lines that are merged at a time: some thousand reports, or one on a very long list.
    `remembered`: reports that a store learns of in one transaction.
    `room`, `files`: bytes of lines that are sorted in memory, and sorted files that are merged at a time.
    `floor`: bytes that any file may unpack to.
    `listed_files`, `listed_exceptions`: those in an account; all files are in the list of digests.
    """

    batch: int = 500
    merged: int = 2 << 20
    remembered: int = 5000
    room: int = ROOM
    files: int = FILES
    floor: int = RATIO_FLOOR
    listed_files: int = 10_000
    listed_exceptions: int = 1_000


class _Task(NamedTuple):
    """A batch to do: the name of its file, "" without one, its places, and whether it begins inside an opened file."""

    name: str
    places: "list[Located]"
    continues: bool = False


class _Result(NamedTuple):
    """The counts and complaints of a batch.

    Of the item under way, `not_written` says which files could not be kept, and `kept` has the digests and paths of the others.
    """

    counts: Counts
    complaints: list[_Complaint]
    not_written: list[str]
    kept: list[tuple[str, str]]


class Line(NamedTuple):
    """A line of a finished batch.

    `message` is the key that the reports of one message share, and `message_id` its Message-ID, both empty if they are not
    known. `more` has, as JSON, the data of a report that are not in `json`: its `identity`, and the `size` and `sha256` of its
    item, as far as they are needed.
    """

    kind: bytes
    message: bytes = b""
    message_id: bytes = b""
    more: bytes = b""
    json: bytes = b""


class Work:
    """The work of a process on one batch of places."""

    def __init__(
        self,
        reader: Reader,
        *,
        originals: "StrPath | None",
        quarantine: "StrPath | None",
        state: str | None,
        has_lines: bool,
        has_store: bool,
        is_merged: bool,
        has_identities: bool = False,
        has_exceptions: bool = False,
        selection: Selection | None = None,
        has_account: bool = False,
    ) -> None:
        self.reader = reader
        self.originals: str | None = None if originals is None else os.fspath(originals)
        self.quarantine: str | None = None if quarantine is None else os.fspath(quarantine)
        self.state = state
        self.has_lines: bool = has_lines or has_store
        self.has_identities: bool = has_identities or has_store
        self.is_merged = is_merged
        self.has_account = has_account
        self.has_exceptions = has_exceptions
        self.selection = selection

    def name(self, number: int, places: "list[Located]") -> str:
        """Return the name of a batch, which depends on the places, the state of their files, and the options.

        With other options or changed files a batch is done again.
        """
        reader = self.reader
        read = (_VERSION, reader.format, reader.undeliverable, reader.unmarked, reader.max_ratio, *reader.names.items())
        options = (*read, self.originals, self.quarantine, self.has_lines, self.has_identities, self.is_merged)
        selected = None if self.selection is None else self.selection.key
        digest = hashlib.sha256(
            repr((*options, self.has_exceptions, self.has_account, selected)).encode("utf-8", "surrogatepass")
        )
        path = ""
        status: Status | None = None
        for place in places:
            if place.source.path != path:
                path, status = place.source.path, file_status(place.source.path)
            digest.update(repr((place.source, status)).encode("utf-8", "surrogatepass"))
        return f"{number:08d}-{digest.hexdigest()[:32]}"

    def __call__(self, task: _Task) -> _Result:
        """Read the items of a batch, keep files, and write its lines."""
        result = _Result(Counter(), [], [], [])
        lines = self.read(task, result)
        if self.state is None:
            deque(lines, maxlen=0)
        else:
            put(f"{self.state}/{task.name}", _with_end(lines, result.counts), self.state)
        return result

    def read(self, task: _Task, result: _Result) -> Iterator[bytes]:
        """Yield the lines of a batch one by one: for a long list a report has a line of a million bytes."""
        tally = Tally(continues=task.continues) if self.has_account else None
        for number, place in enumerate(task.places):
            if not number % _LOOK and is_over():
                raise InterruptedError(EINTR, "the run is over")
            if tally is not None:
                for counted in tally.enter(place):
                    yield _written(Line(FILE, json=counted))
            if place.opened is not None:
                continue
            item = self.reader(place)
            for line in self.item(item, result):
                yield _written(line)
            if tally is not None:
                tally.add(outcome_of(item))
                for digest, path in result.kept:
                    yield _written(Line(KEPT, json=kept_line(digest, path)))
                result.kept.clear()
        for counted in () if tally is None else tally.leave():
            yield _written(Line(FILE, json=counted))

    def item(self, item: ArchiveItem, result: _Result) -> Iterator[Line]:
        """Keep the files of an item, count it, and yield its lines."""
        result.counts["items", ""] += 1
        if isinstance(item, ArchivedReport):
            line = self.report(item, result)
        elif isinstance(item, ArchivedMessage):
            line = self.message(item, result)
        else:
            line = self.bad(item, result)
        if line is not None:
            yield line
        if not isinstance(item, Unreadable) and (another := _another_message(item)) is not None:
            line = self.aside(item, another, result)
            if line is not None:
                yield line
        if self.has_exceptions:
            yield from self.exceptions(item, result)
        result.not_written.clear()

    def report(self, item: ArchivedReport, result: _Result) -> Line | None:
        """Keep the original of a report, count it, and return its line."""
        parsed = item.parsed
        result.counts["reports", ""] += 1
        result.counts["octets", ""] += len(item.octets)
        result.counts["formats", parsed.format] += 1
        result.counts["unmarked", ""] += parsed.recipients_from is Evidence.UNMARKED
        if self.has_account:
            result.counts["months", month_of(parsed)] += 1
        codes = [defect.code for defect in (*item.defects, *parsed.defects)]
        for code in codes:
            result.counts["defects", code] += 1
        is_incomplete = not INCOMPLETE.isdisjoint(codes)
        result.counts["incomplete", ""] += is_incomplete
        is_selected = self.selects(item)
        result.counts["left_out", "reports"] += not is_selected
        data: dict[str, object] = {}
        identity: Identity | None = None
        if self.is_merged:
            statement = statement_of(parsed)
            identity, data = statement.identity, {**statement.to_dict(), "original": None, "decrypted": None}
        elif self.has_lines:
            data = parsed.to_dict()
            identity = identify(parsed) if self.has_identities else None
        files: dict[str, dict[str, object]] = {}
        for kind, content in (("original", parsed.original), ("decrypted", parsed.decrypted)):
            if content is not None and (self.originals is not None or self.has_lines):
                known = identity.original_sha256 if identity is not None and kind == "original" else None
                digest = known or hashlib.sha256(content).hexdigest()
                files[kind] = {"size": content.nbytes, "sha256": digest}
                if kind == "original" and self.has_lines:
                    files[kind]["header"] = _header_dict(content)
                files[kind]["file"] = None
                if self.originals is not None and is_selected:
                    suffix = ".incomplete.eml" if is_incomplete else ".eml"
                    files[kind]["file"] = self.keep("originals", digest, suffix, content, item.source, result)
        if not self.has_lines:
            return None
        for kind, file in files.items():
            entry = data.get(kind)
            data[kind] = {**(entry if isinstance(entry, dict) else {}), **file}
        data["header"] = _header_dict(parsed.outer_block)
        data["archive_defects"] = defect_dicts(item.defects)
        bounce = item.undeliverable
        data["undeliverable"] = None if bounce is None else [status._asdict() for status in bounce.status]
        data["found"] = None if bounce is None else bounce.found
        more: dict[str, object] = {"identity": identity} if self.has_identities else {}
        if self.has_exceptions:
            more |= {"size": len(item.octets), "sha256": hashlib.sha256(item.octets).hexdigest()}
        return _line(REPORT if is_selected else LEFT_OUT, "report", item, data, identity, more)

    def message(self, item: ArchivedMessage, result: _Result) -> Line | None:
        """Do the same for a message that is not a report."""
        result.counts["messages", item.code] += 1
        if item.reads_like is not None:
            result.counts["reads_like", item.reads_like] += 1
        result.counts["octets", ""] += len(item.octets)
        for defect in item.defects:
            result.counts["defects", defect.code] += 1
        is_selected = self.selects(item)
        result.counts["left_out", "messages"] += not is_selected
        if not is_selected or (not self.has_lines and self.originals is None):
            return None
        data: dict[str, object] = {
            "code": str(item.code),
            "reads_like": None if item.reads_like is None else str(item.reads_like),
            "octets": len(item.octets),
        }
        digest = hashlib.sha256(item.octets).hexdigest()
        data["sha256"] = digest
        data["header"] = _header_dict(item.octets)
        data["file"] = None
        if self.originals is not None:
            data["file"] = self.keep("originals", digest, ".eml", item.octets, item.source, result)
        data["archive_defects"] = defect_dicts(item.defects)
        return _line(MESSAGE, "message", item, data) if self.has_lines else None

    def bad(self, item: Unreadable, result: _Result) -> Line | None:
        """Do the same for an item that cannot be used."""
        error = item.error
        data: dict[str, object]
        if isinstance(error, ParseError):
            result.counts["refusals", error.code] += 1
            data = {"code": str(error.code), "detail": error.detail, "offset": error.offset}
            result.complaints.append((item.source, str(error)))
        else:
            # The error may be gone when the run is resumed.
            result.counts["retry", ""] += 1
            result.counts["unreadable", ""] += 1
            name = error_name(error)
            result.counts["refusals", name] += 1
            data = {"code": name, "detail": error.strerror or "", "offset": None}
            result.complaints.append((item.source, error.strerror or name))
        if item.octets is not None:
            result.counts["octets", ""] += len(item.octets)
        data |= {"octets": None, "sha256": None, "file": None}
        if item.octets is not None and self.has_lines:
            data["octets"] = len(item.octets)
            data["sha256"] = digest = hashlib.sha256(item.octets).hexdigest()
            if self.quarantine is not None:
                data["file"] = self.keep("quarantined", digest, ".eml", item.octets, item.source, result)
        data["archive_defects"] = defect_dicts(item.defects)
        return _line(BAD, "unreadable", item, data) if self.has_lines else None

    def aside(self, item: ArchivedReport | ArchivedMessage, another: Defect, result: _Result) -> Line | None:
        """Keep the bytes of an item with another message after the one that was read, and return the line for that."""
        result.complaints.append((item.source, f"{another.code} at offset {another.offset}: {another.detail}"))
        if self.quarantine is None:
            return None
        digest = hashlib.sha256(item.octets).hexdigest()
        data: dict[str, object] = {
            "code": str(another.code),
            "detail": another.detail,
            "offset": another.offset,
            "octets": len(item.octets),
            "sha256": digest,
            "file": self.keep("quarantined", digest, ".eml", item.octets, item.source, result),
            "archive_defects": defect_dicts(item.defects),
        }
        kind = "report" if isinstance(item, ArchivedReport) else "message"
        return _line(ASIDE, kind, item, data)

    def exceptions(self, item: ArchiveItem, result: _Result) -> Iterator[Line]:
        """Yield the lines for the exceptions that an item makes, whether it is selected or not."""
        found = list(find_exceptions(item))
        has_range = self.selection is not None and self.selection.has_range
        if has_range and not isinstance(item, Unreadable) and date_in_utc(_own_date(item)) is None:
            found.append(ArchiveException(Category.AMBIGUOUS, UNDATED))
        if result.not_written:
            found.append(ArchiveException(Category.UNREADABLE, NOT_WRITTEN))
        if not found:
            return
        digest = None if item.octets is None else hashlib.sha256(item.octets).hexdigest()
        is_kept = isinstance(item, Unreadable) or _another_message(item) is not None
        file = None
        if digest is not None and self.quarantine is not None and is_kept and "quarantined" not in result.not_written:
            file = f"{digest[:2]}/{digest}.eml"
        size = None if item.octets is None else len(item.octets)
        for exception in found:
            data = exception_data(exception, item.source.to_dict(), size, digest, file)
            if self.has_account:
                data["content"] = content_of(item)
            yield Line(EXCEPTION, b"", b"", b"", json.dumps(data).encode())

    def selects(self, item: ArchivedReport | ArchivedMessage) -> bool:
        """Return whether an item is in the outputs. One that may hold a report that was not read always is."""
        if self.selection is None or not self.selection.covers(_own_date(item)):
            return self.selection is None
        if isinstance(item, ArchivedReport):
            return self.selection.concerns(item.parsed)
        is_mail = item.code is DefectCode.NOT_A_REPORT and item.reads_like is None
        return not is_mail or self.selection.may_concern(item.octets)

    def keep(
        self, what: str, digest: str, suffix: str, content: bytes | memoryview, source: Source, result: _Result
    ) -> str | None:
        """Keep a file, and return its path below its folder.

        It is None if the file could not be written, which is a complaint, and is tried again when the run is resumed.
        """
        folder = self.originals if what == "originals" else self.quarantine
        assert folder is not None  # noqa: S101 - for the type checker
        try:
            result.counts[what, keep(folder, digest, suffix, content)] += 1
        except OSError as error:
            result.counts[what, "not-written"] += 1
            result.not_written.append(what)
            result.counts["retry", ""] += 1
            result.complaints.append((source, f"not written: {error.strerror or error_name(error)}"))
            return None
        path = f"{digest[:2]}/{digest}{suffix}"
        if self.has_account:
            result.kept.append((digest, os.path.join(folder, path)))
        return path

    # Finished batches

    def finished(self, name: str) -> Counts | None:
        """Return the counts of a finished batch; None for one that is not finished, or has items to try again."""
        digest = hashlib.sha256()
        last = b""
        try:
            for line in self.all_lines(name):
                digest.update(last)
                last = line
            data = json.loads(last.removeprefix(_END))
            if not last.startswith(_END) or data["sha256"] != digest.hexdigest():
                return None
            counts: Counts = Counter({(what, kind): count for what, kind, count in data["counts"]})
        except (OSError, ValueError, TypeError, LookupError):
            return None  # it is done again
        return None if counts["retry", ""] else counts

    def all_lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a batch as they were written, with its end."""
        with open(f"{self.state}/{name}", "rb") as file:
            yield from file

    def lines(self, names: Iterable[str], kinds: bytes) -> Iterator[bytes]:
        """Yield the JSON of the lines of some kinds, in the order of the batches."""
        for name in names:
            for line in self.all_lines(name):
                if line[:1] in kinds:
                    yield line.rpartition(b"\t")[2][:-1]

    def reports(self, names: Iterable[str]) -> Iterator[Line]:
        """Yield the lines of all reports, with their keys."""
        for name in names:
            for line in self.all_lines(name):
                if line[:1] in _REPORTS:
                    yield Line(*line[:-1].split(b"\t"))

    def identities(self, names: Iterable[str]) -> Iterator[Identity]:
        """Yield the identities of reports."""
        for line in self.reports(names):
            yield Identity(*json.loads(line.more)["identity"])


def _another_message(item: ArchivedReport | ArchivedMessage) -> Defect | None:
    """Return the defect of an item for another message after it, None for nearly all items."""
    defects = (*item.defects, *item.parsed.defects) if isinstance(item, ArchivedReport) else item.defects
    return next((defect for defect in defects if defect.code is DefectCode.ANOTHER_MESSAGE), None)


def _written(line: Line) -> bytes:
    """Return a line as it is written to the file of a batch."""
    return b"\t".join(line) + b"\n"


def _with_end(lines: Iterable[bytes], counts: Counts) -> Iterator[bytes]:
    """Yield lines, and after them the counts with a digest of the lines."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
        yield line
    end = {"counts": [[*key, count] for key, count in counts.items()], "sha256": digest.hexdigest()}
    yield _END + json.dumps(end).encode() + b"\n"


def _line(
    kind: bytes,
    name: str,
    item: ArchiveItem,
    data: Mapping[str, object],
    identity: Identity | None = None,
    more: Mapping[str, object] | None = None,
) -> Line:
    message = message_id = ""
    if identity is not None:
        message = identity.content_sha256 or f"~{identity.report_key}"
        message_id = (identity.content_sha256 and identity.message_id_sha256) or ""
    return Line(
        kind,
        message=message.encode(),
        message_id=message_id.encode(),
        more=json.dumps(more).encode() if more else b"",
        json=json.dumps({"kind": name, "source": item.source.to_dict(), **data}).encode(),
    )


def _header_dict(message: bytes | memoryview) -> dict[str, object]:
    # A message ends its header block within the limit, or reading it ends there.
    beginning = bytes(message[:_BEGINNING])
    return read_written(beginning, 0, len(beginning)).to_dict()


# Bytes of a header block, and of lines that a mailbox file left before it.
_BEGINNING: Final = HEADER_LIMIT + (64 << 10)


def _own_date(item: ArchivedReport | ArchivedMessage) -> str | None:
    """Return the date of a report, not that of its original, or the date of a message, as written."""
    beginning = item.parsed.outer_block if isinstance(item, ArchivedReport) else item.octets[:_BEGINNING]
    return read_written(beginning, 0, len(beginning)).date


def _weight(task: _Task) -> int:
    return content_size(task.places)


class Run:
    """A scan under way: the counts so far, and the batches in their order."""

    def __init__(
        self,
        work: Work,
        progress: Callable[[Counts, float], None] | None,
        complain: Callable[[Source, str], None] | None,
        sizes: Sizes,
        meter: "Meter | None" = None,
    ) -> None:
        self.work = work
        self.sizes = sizes
        self.meter = meter
        self.progress = progress
        self.complain = complain
        self.counts: Counts = Counter()
        self.batches: list[str] = []

    def read(self, places: "Iterable[Located]", jobs: int) -> None:
        """Do every batch that is not finished."""
        shares: deque[float] = deque()
        for result in in_parallel(self.work, self.tasks(places, shares), jobs=jobs, weigh=_weight):
            self.counts.update(result.counts)
            for source, reason in result.complaints if self.complain is not None else ():
                self.complain(source, reason)  # type: ignore[misc]
            self.report_progress(shares.popleft())

    def report_progress(self, share: float) -> None:
        """Report the counts so far, and the share of the reading or merging that is done."""
        if self.progress is not None:
            self.progress(self.counts, share)

    def tasks(self, places: "Iterable[Located]", shares: deque[float]) -> Iterator[_Task]:
        """Yield the batches to do, and count those that are finished; append the share of the files up to each."""
        opened = ""
        for number, batch in enumerate(in_batches(places, count=self.sizes.batch)):
            share = 0.0 if self.meter is None else self.meter.share
            if self.work.state is None:
                shares.append(share)
                yield _Task("", batch)
                continue
            continues = batch[0].opened is None and batch[0].source.path == opened
            for place in batch:
                if place.source.path != opened:
                    opened = "" if place.opened is None else place.source.path
            name = self.work.name(number, batch)
            self.batches.append(name)
            finished = self.work.finished(name)
            if finished is None:
                shares.append(share)
                yield _Task(name, batch, continues)
            else:
                self.counts.update(finished)
                self.counts["resumed", ""] += finished["items", ""]
