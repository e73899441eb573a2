"""Work by the batch: a process reads the items of one, keeps what is to be kept, and writes down what there is to say of them.

A batch that is done is a file, whole or not there, in the folder of the run's state: lines of a kind, two keys and JSON, and at
the end what was counted. A run that was stopped takes it from there.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from errno import EINTR, errorcode
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exjournal.archives.items import ArchivedMessage, ArchivedReport, ArchiveItem, Reader, Unreadable
from exjournal.archives.outputs import keep, put
from exjournal.archives.parallel import in_parallel, is_over
from exjournal.archives.sources import Source
from exjournal.archives.walk import batches, octets_at_hand
from exjournal.errors import Defect, DefectCode, ParseError
from exjournal.identity.keys import INCOMPLETE, Identity, identify
from exjournal.identity.statements import statement_of
from exjournal.reports.models import Evidence, defect_dicts

if TYPE_CHECKING:
    from exjournal.archives.walk import Located

    StrPath: TypeAlias = str | os.PathLike[str]

# How a count is named: what is counted, and of which kind.
Counts: TypeAlias = Counter[tuple[str, str]]

REPORT: Final = b"R"
MESSAGE: Final = b"M"
BAD: Final = b"U"
# A report or message that has a line of its own, and holds another message that was not read.
ASIDE: Final = b"A"
_END: Final = b"="
# Items of a batch: what a kill makes a process do again, at most.
_BATCH: Final = 500
# Items between two looks at whether anybody waits for them.
_LOOK: Final = 8
# Of what stands in a batch: one of another form is done again.
_FORM: Final = 3
_Task: TypeAlias = tuple[str, "list[Located]"]
_Complaint: TypeAlias = tuple[Source, str]


class Line(NamedTuple):
    """A line of a batch that is done."""

    kind: bytes
    # What the reports on one message have in common, and its Message-ID; empty where they are not known.
    message: bytes
    message_id: bytes
    # What a store has to know, as JSON, where there is one.
    identity: bytes
    json: bytes


class Work:
    """What a process does with a batch of places."""

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
    ) -> None:
        self.reader = reader
        self.originals = None if originals is None else os.fspath(originals)
        self.quarantine = None if quarantine is None else os.fspath(quarantine)
        self.state = state
        self.has_lines = has_lines or has_store
        self.has_store = has_store
        self.is_merged = is_merged

    def name(self, number: int, places: "list[Located]") -> str:
        """The name of a batch: what was done with these places, as they are, is done again under other options only."""
        reader = self.reader
        read = (_FORM, reader.format, reader.undeliverable, reader.unmarked, reader.max_ratio, *reader.names.items())
        options = (*read, self.originals, self.quarantine)
        digest = hashlib.sha256(repr((*options, self.has_lines, self.has_store, self.is_merged)).encode())
        path = ""
        status: tuple[int, ...] = ()
        for place in places:
            if place.source.path != path:
                path, status = place.source.path, _status(place.source.path)
            digest.update(repr((place.source, status)).encode("utf-8", "surrogatepass"))
        return f"{number:08d}-{digest.hexdigest()[:32]}"

    def __call__(self, task: _Task) -> tuple[Counts, list[_Complaint]]:
        """Read the items of a batch, keep what is to be kept, and write down what there is to say."""
        name, places = task
        counts: Counts = Counter()
        complaints: list[_Complaint] = []
        lines = self.worked(places, counts, complaints)
        if self.state is None:
            deque(lines, maxlen=0)
        else:
            put(f"{self.state}/{name}", _ended(lines, counts), self.state)
        return counts, complaints

    def worked(self, places: "list[Located]", counts: Counts, complaints: list[_Complaint]) -> Iterator[bytes]:
        """The lines of a batch, one after the other: on a long list a report is a million octets of them."""
        for number, place in enumerate(places):
            if not number % _LOOK and is_over():
                raise InterruptedError(EINTR, "nobody waits for this")
            item = self.reader(place)
            counts["items", ""] += 1
            if isinstance(item, ArchivedReport):
                line = self.report(item, counts, complaints)
            elif isinstance(item, ArchivedMessage):
                line = self.message(item, counts, complaints)
            else:
                line = self.bad(item, counts, complaints)
            if line is not None:
                yield b"\t".join(line) + b"\n"
            if not isinstance(item, Unreadable) and (another := _another_message(item)) is not None:
                line = self.aside(item, another, counts, complaints)
                if line is not None:
                    yield b"\t".join(line) + b"\n"

    def report(self, item: ArchivedReport, counts: Counts, complaints: list[_Complaint]) -> Line | None:
        """Keep the original, and say what there is to say of a report."""
        parsed = item.parsed
        counts["reports", ""] += 1
        counts["octets", ""] += len(item.octets)
        counts["formats", parsed.format] += 1
        counts["unmarked", ""] += parsed.recipients_from is Evidence.UNMARKED
        codes = [defect.code for defect in (*item.defects, *parsed.defects)]
        for code in codes:
            counts["defects", code] += 1
        is_incomplete = not INCOMPLETE.isdisjoint(codes)
        counts["incomplete", ""] += is_incomplete
        data: dict[str, object] = {}
        identity: Identity | None = None
        if self.is_merged:
            statement = statement_of(parsed)
            identity, data = statement.identity, statement.to_dict()
        elif self.has_lines:
            data = parsed.to_dict()
            identity = identify(parsed) if self.has_store else None
        files: dict[str, dict[str, object]] = {}
        for kind, content in (("original", parsed.original), ("decrypted", parsed.decrypted)):
            if content is not None and (self.originals is not None or (self.has_lines and not self.is_merged)):
                known = identity.original_sha256 if identity is not None and kind == "original" else None
                digest = known or hashlib.sha256(content).hexdigest()
                files[kind] = {"sha256": digest}
                if self.originals is not None:
                    suffix = ".incomplete.eml" if is_incomplete else ".eml"
                    files[kind]["file"] = self.kept(
                        "originals", digest, suffix, content, item.source, counts, complaints
                    )
        if not self.has_lines:
            return None
        for kind, more in files.items():
            entry = data.get(kind)
            data[kind] = {**(entry if isinstance(entry, dict) else {}), **more}
        if item.defects:
            data["archive_defects"] = defect_dicts(item.defects)
        if item.undeliverable is not None:
            data["undeliverable"] = [status._asdict() for status in item.undeliverable.status]
            data["found"] = item.undeliverable.found
        return _line(REPORT, "report", item, data, identity, has_store=self.has_store)

    def message(self, item: ArchivedMessage, counts: Counts, complaints: list[_Complaint]) -> Line | None:
        """The same for a message that is no report."""
        counts["messages", item.code] += 1
        if item.reads_like is not None:
            counts["reads_like", item.reads_like] += 1
        counts["octets", ""] += len(item.octets)
        for defect in item.defects:
            counts["defects", defect.code] += 1
        if not self.has_lines and self.originals is None:
            return None
        data: dict[str, object] = {
            "code": str(item.code),
            "reads_like": None if item.reads_like is None else str(item.reads_like),
            "octets": len(item.octets),
        }
        digest = hashlib.sha256(item.octets).hexdigest()
        data["sha256"] = digest
        if self.originals is not None:
            data["file"] = self.kept("originals", digest, ".eml", item.octets, item.source, counts, complaints)
        if item.defects:
            data["archive_defects"] = defect_dicts(item.defects)
        return _line(MESSAGE, "message", item, data) if self.has_lines else None

    def bad(self, item: Unreadable, counts: Counts, complaints: list[_Complaint]) -> Line | None:
        """The same for what cannot be used."""
        error = item.error
        data: dict[str, object]
        if isinstance(error, ParseError):
            counts["refusals", error.code] += 1
            data = {"code": str(error.code), "detail": error.detail, "offset": error.offset}
            complaints.append((item.source, str(error)))
        else:
            # Perhaps only now: whoever goes on with the run tries again.
            counts["retry", ""] += 1
            counts["unreadable", ""] += 1
            name = _error_name(error)
            counts["refusals", name] += 1
            data = {"code": name, "detail": error.strerror or ""}
            complaints.append((item.source, error.strerror or name))
        if item.octets is not None:
            counts["octets", ""] += len(item.octets)
        if item.octets is not None and self.has_lines:
            data["octets"] = len(item.octets)
            data["sha256"] = digest = hashlib.sha256(item.octets).hexdigest()
            if self.quarantine is not None:
                data["file"] = self.kept("quarantined", digest, ".eml", item.octets, item.source, counts, complaints)
        if item.defects:
            data["archive_defects"] = defect_dicts(item.defects)
        return _line(BAD, "unreadable", item, data) if self.has_lines else None

    def aside(
        self, item: ArchivedReport | ArchivedMessage, another: Defect, counts: Counts, complaints: list[_Complaint]
    ) -> Line | None:
        """Keep the bytes of an item in which another message begins: only the first one was read."""
        complaints.append((item.source, f"{another.code} at offset {another.offset}: {another.detail}"))
        if self.quarantine is None:
            return None
        digest = hashlib.sha256(item.octets).hexdigest()
        data: dict[str, object] = {
            "code": str(another.code),
            "detail": another.detail,
            "offset": another.offset,
            "octets": len(item.octets),
            "sha256": digest,
            "file": self.kept("quarantined", digest, ".eml", item.octets, item.source, counts, complaints),
        }
        kind = "report" if isinstance(item, ArchivedReport) else "message"
        return _line(ASIDE, kind, item, data)

    def kept(
        self,
        what: str,
        digest: str,
        suffix: str,
        octets: bytes | memoryview,
        source: Source,
        counts: Counts,
        complaints: list[_Complaint],
    ) -> str | None:
        """The name of a file below its folder, None where it could not be written, which is told and tried again."""
        folder = self.originals if what == "originals" else self.quarantine
        assert folder is not None  # noqa: S101 - for the type checker
        try:
            counts[what, keep(folder, digest, suffix, octets)] += 1
        except OSError as error:
            counts[what, "not-written"] += 1
            counts["retry", ""] += 1
            complaints.append((source, f"not written: {error.strerror or _error_name(error)}"))
            return None
        return f"{digest[:2]}/{digest}{suffix}"

    # What was done before

    def counted(self, name: str) -> Counts | None:
        """What a batch counted that is done; None for one that is not, or in which something is to be tried again."""
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
        """A batch as it was written."""
        with open(f"{self.state}/{name}", "rb") as file:
            yield from file

    def lines(self, names: Iterable[str], kinds: bytes) -> Iterator[bytes]:
        """The JSON of the lines of some kinds, in the order of the batches."""
        for name in names:
            for line in self.all_lines(name):
                if line[:1] in kinds:
                    yield line.rpartition(b"\t")[2][:-1]

    def reports(self, names: Iterable[str]) -> Iterator[Line]:
        """The lines of reports, with their keys."""
        for name in names:
            for line in self.all_lines(name):
                if line[:1] == REPORT:
                    yield Line(*line[:-1].split(b"\t"))

    def identities(self, names: Iterable[str]) -> Iterator[Identity]:
        """The identities of reports."""
        for line in self.reports(names):
            yield Identity(*json.loads(line.identity))


def _another_message(item: ArchivedReport | ArchivedMessage) -> Defect | None:
    """The defect of an item in which another message begins, None for nearly all."""
    defects = (*item.defects, *item.parsed.defects) if isinstance(item, ArchivedReport) else item.defects
    return next((defect for defect in defects if defect.code is DefectCode.ANOTHER_MESSAGE), None)


def _ended(lines: Iterable[bytes], counts: Counts) -> Iterator[bytes]:
    """Lines, and behind them what was counted, with a digest of them all."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
        yield line
    told = {"counts": [[*key, count] for key, count in counts.items()], "sha256": digest.hexdigest()}
    yield _END + json.dumps(told).encode() + b"\n"


def _status(path: str) -> tuple[int, ...]:
    """What changes with a file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ()
    return status.st_size, status.st_mtime_ns


def _line(
    kind: bytes,
    name: str,
    item: ArchiveItem,
    data: Mapping[str, object],
    identity: Identity | None = None,
    *,
    has_store: bool = False,
) -> Line:
    whole = {"kind": name, "source": item.source.to_dict(), **data}
    message = id_ = ""
    if identity is not None:
        message = identity.content_sha256 or f"~{identity.report_key}"
        id_ = (identity.content_sha256 and identity.message_id_sha256) or ""
    told = json.dumps(identity) if has_store else ""
    return Line(kind, message.encode(), id_.encode(), told.encode(), json.dumps(whole).encode())


def _error_name(error: OSError) -> str:
    return errorcode.get(error.errno or 0, type(error).__name__)


def _weight(task: _Task) -> int:
    return octets_at_hand(task[1])


class Run:
    """What was counted so far, and the batches in their order."""

    def __init__(
        self,
        work: Work,
        progress: Callable[[Counts], None] | None,
        complain: Callable[[Source, str], None] | None,
    ) -> None:
        self.work = work
        self.progress = progress
        self.complain = complain
        self.counts: Counts = Counter()
        self.batches: list[str] = []

    def read(self, places: "Iterable[Located]", jobs: int) -> None:
        """Do every batch that is not done."""
        for counts, complaints in in_parallel(self.work, self.tasks(places), jobs=jobs, weigh=_weight):
            self.counts.update(counts)
            for source, reason in complaints if self.complain is not None else ():
                self.complain(source, reason)  # type: ignore[misc]
            if self.progress is not None:
                self.progress(self.counts)

    def tasks(self, places: "Iterable[Located]") -> Iterator[_Task]:
        """The batches that are to be done; those that are done are counted."""
        for number, batch in enumerate(batches(places, most=_BATCH)):
            if self.work.state is None:
                yield "", batch
                continue
            name = self.work.name(number, batch)
            self.batches.append(name)
            done = self.work.counted(name)
            if done is None:
                yield name, batch
            else:
                self.counts.update(done)
                self.counts["resumed", ""] += len(batch)
