"""Work by the batch: a process reads the items of one, keeps what is to be kept, and writes down what there is to say of them.

A batch that is done is a file, whole or not there, in the folder of the run's state: lines of a kind, two keys and JSON, and at
the end what was counted. A run that was stopped takes it from there.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from errno import errorcode
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from exjournal.archive import ArchivedMessage, ArchivedReport, ArchiveItem, Reader, Unreadable
from exjournal.containers import batches
from exjournal.errors import ParseError
from exjournal.identity import INCOMPLETE, Identity
from exjournal.outputs import keep, put
from exjournal.parallel import in_parallel
from exjournal.sources import Source
from exjournal.statements import statement_of

if TYPE_CHECKING:
    from exjournal.containers import Located

    StrPath: TypeAlias = str | os.PathLike[str]

# How a count is named: what is counted, and of which kind.
Counts: TypeAlias = Counter[tuple[str, str]]

REPORT: Final = b"R"
MESSAGE: Final = b"M"
BAD: Final = b"U"
_END: Final = b"="
# Items of a batch: what a kill makes a process do again, at most.
_BATCH: Final = 500
_Task: TypeAlias = tuple[str, "list[Located]"]
_Complaint: TypeAlias = tuple[Source, str]


class Line(NamedTuple):
    """A line of a batch that is done."""

    kind: bytes
    # What the reports on one message have in common, and its Message-ID; empty where they are not known.
    message: bytes
    message_id: bytes
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
        has_identity: bool,
        is_merged: bool,
    ) -> None:
        self.reader = reader
        self.originals = None if originals is None else os.fspath(originals)
        self.quarantine = None if quarantine is None else os.fspath(quarantine)
        self.state = state
        self.has_lines = has_lines or has_identity
        self.has_identity = has_identity
        self.is_merged = is_merged

    def name(self, number: int, places: "list[Located]") -> str:
        """The name of a batch: what was done with these places is done with them again only under the same options."""
        reader = self.reader
        options = (reader.format, reader.undeliverable, self.originals, self.quarantine)
        digest = hashlib.sha256(repr((*options, self.has_lines, self.has_identity, self.is_merged)).encode())
        for place in places:
            digest.update(repr(place.source).encode("utf-8", "surrogatepass"))
        return f"{number:08d}-{digest.hexdigest()[:32]}"

    def __call__(self, task: _Task) -> tuple[Counts, list[_Complaint]]:
        """Read the items of a batch, keep what is to be kept, and write down what there is to say."""
        name, places = task
        counts: Counts = Counter()
        complaints: list[_Complaint] = []
        lines = []
        for place in places:
            item = self.reader(place)
            counts["items", ""] += 1
            if isinstance(item, ArchivedReport):
                line = self.report(item, counts, complaints)
            elif isinstance(item, ArchivedMessage):
                line = self.message(item, counts, complaints)
            else:
                line = self.bad(item, counts, complaints)
            if line is not None:
                lines.append(b"\t".join(line) + b"\n")
        if self.state is not None:
            lines.append(_END + json.dumps([[*key, count] for key, count in counts.items()]).encode() + b"\n")
            put(f"{self.state}/{name}", lines, self.state)
        return counts, complaints

    def report(self, item: ArchivedReport, counts: Counts, complaints: list[_Complaint]) -> Line | None:
        """Keep the original, and say what there is to say of a report."""
        parsed = item.parsed
        counts["reports", ""] += 1
        counts["octets", ""] += len(item.octets)
        counts["formats", parsed.format] += 1
        codes = [defect.code for defect in (*item.defects, *parsed.defects)]
        for code in codes:
            counts["defects", code] += 1
        is_incomplete = not INCOMPLETE.isdisjoint(codes)
        counts["incomplete", ""] += is_incomplete
        files: dict[str, dict[str, object]] = {}
        for kind, content in (("original", parsed.original), ("decrypted", parsed.decrypted)):
            if content is not None and (self.originals is not None or (self.has_lines and not self.is_merged)):
                digest = hashlib.sha256(content).hexdigest()
                files[kind] = {"sha256": digest}
                if self.originals is not None:
                    suffix = ".incomplete.eml" if is_incomplete else ".eml"
                    files[kind]["file"] = self.kept(
                        "originals", digest, suffix, content, item.source, counts, complaints
                    )
        if not self.has_lines:
            return None
        if self.is_merged:
            statement = statement_of(parsed)
            data = statement.to_dict()
            identity: Mapping[str, Any] = statement.identity._asdict()
        else:
            data = parsed.to_dict(identity=self.has_identity)
            identity = data.get("identity", {})  # type: ignore[assignment]
        for kind, more in files.items():
            entry = data.get(kind)
            data[kind] = {**(entry if isinstance(entry, dict) else {}), **more}
        if item.defects:
            data["archive_defects"] = _defects(item)
        if item.undeliverable is not None:
            data["undeliverable"] = [status._asdict() for status in item.undeliverable.status]
        message = id_ = ""
        if identity:
            message = identity["content_sha256"] or f"~{identity['report_key']}"
            id_ = (identity["content_sha256"] and identity["message_id_sha256"]) or ""
        return _line(REPORT, "report", item, data, message, id_)

    def message(self, item: ArchivedMessage, counts: Counts, complaints: list[_Complaint]) -> Line | None:
        """The same for a message that is no report."""
        counts["messages", item.code] += 1
        counts["octets", ""] += len(item.octets)
        for defect in item.defects:
            counts["defects", defect.code] += 1
        data: dict[str, object] = {"code": str(item.code), "octets": len(item.octets)}
        digest = hashlib.sha256(item.octets).hexdigest()
        data["sha256"] = digest
        if self.originals is not None:
            data["file"] = self.kept("originals", digest, ".eml", item.octets, item.source, counts, complaints)
        if item.defects:
            data["archive_defects"] = _defects(item)
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
            data["octets"] = len(item.octets)
            data["sha256"] = digest = hashlib.sha256(item.octets).hexdigest()
            if self.quarantine is not None:
                data["file"] = self.kept("quarantined", digest, ".eml", item.octets, item.source, counts, complaints)
        if item.defects:
            data["archive_defects"] = _defects(item)
        return _line(BAD, "unreadable", item, data) if self.has_lines else None

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
        try:
            *_, last = self.all_lines(name)
        except (OSError, ValueError):
            return None
        counts: Counts = Counter({(what, kind): count for what, kind, count in json.loads(last[1:])})
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
        for line in self.lines(names, REPORT):
            yield Identity(**json.loads(line)["identity"])


def _line(
    kind: bytes, name: str, item: ArchiveItem, data: Mapping[str, object], message: str = "", message_id: str = ""
) -> Line:
    whole = {"kind": name, "source": item.source.to_dict(), **data}
    return Line(kind, message.encode(), message_id.encode(), json.dumps(whole).encode())


def _defects(item: ArchiveItem) -> list[dict[str, object]]:
    return [{"code": str(defect.code), "detail": defect.detail, "offset": defect.offset} for defect in item.defects]


def _error_name(error: OSError) -> str:
    return errorcode.get(error.errno or 0, type(error).__name__)


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
        for counts, complaints in in_parallel(self.work, self.tasks(places), jobs=jobs):
            self.counts.update(counts)
            for source, reason in complaints if self.complain is not None else ():
                self.complain(source, reason)  # type: ignore[misc]
            if self.progress is not None:
                self.progress(self.counts)

    def tasks(self, places: "Iterable[Located]") -> Iterator[_Task]:
        """The batches that are to be done; those that are done are counted."""
        for number, batch in enumerate(batches(places, most=_BATCH)):
            name = self.work.name(number, batch)
            self.batches.append(name)
            done = None if self.work.state is None else self.work.counted(name)
            if done is None:
                yield name, batch
            else:
                self.counts.update(done)
                self.counts["resumed", ""] += len(batch)
