"""Compare the envelope format with an older revision of this library in one process: new formats must not slow it down."""

import importlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from measure import KB, MB, Claim, Effort, Row, at_most, in_turn, microseconds, size_text
from messages import Sample, samples

import exjournal

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parent
_PACKAGE = "exjournal"
# The revision to compare with if no release has a tag: the last one that read only the envelope format.
_BEFORE = "5faf6f0"
_DATE = datetime(2026, 1, 1, 8, tzinfo=UTC)
_REPORT_ID = "<0f2f1a5c-3f62-4a43-9d0c-6a5f4a3f2b11@journal.report.generator>"
_BOUND = 1.1


class _Job(NamedTuple):
    report: Any  # each version has its own class
    original: bytes


def is_possible() -> bool:
    """Whether there is a repository to take an older revision from."""
    return (_REPOSITORY / ".git").exists()


def claims(effort: Effort, before: str | None = None) -> Iterator[Claim]:
    """Yield one table: reading and writing, three sizes, few and many fields; `before` is a folder or a revision."""
    wanted = before or _newest_tag() or _BEFORE
    sentence = f"The envelope format costs no more than at {Path(wanted).name}"
    try:
        with _source(wanted) as folder:
            old = _loaded(folder)
    except subprocess.CalledProcessError:
        # The clone has no history.
        yield Claim(sentence, (Row("every case", "the older revision is not available"),))
        return
    yield Claim(sentence, tuple(_rows(effort, old)))


def _rows(effort: Effort, old: ModuleType) -> Iterator[Row]:
    for size, count in ((2 * KB, 64), (62 * KB, 48), (MB, 8)):
        for outer, inner in ((12, 12), (20, 110)):
            reports = samples(count, size, outer=outer, inner=inner)
            case = f"{size_text(len(reports[0].data))}, {outer} outer and {inner} inner fields"
            readers = {"now": _reader(exjournal), "before": _reader(old)}
            _require_same(readers, [report.data for report in reports])
            times = in_turn(readers, [report.data for report in reports], effort)
            yield at_most(f"{case}, reading", times["now"] / times["before"], _BOUND, microseconds(**times))
            writers = {"now": _writer(exjournal, reports), "before": _writer(old, reports)}
            numbers = list(range(count))
            _require_same(writers, numbers)
            times = in_turn(writers, numbers, effort)
            yield at_most(f"{case}, writing", times["now"] / times["before"], _BOUND, microseconds(**times))


def _require_same(contenders: dict[str, Callable[[Any], object]], inputs: list[Any]) -> None:
    for item in inputs[:4]:
        if len({repr(work(item)) for work in contenders.values()}) != 1:
            raise ValueError("the two versions give different results")


def _reader(library: ModuleType) -> Callable[[bytes], object]:
    parse_report = library.parse_report

    def read(data: bytes) -> object:
        parsed = parse_report(data)
        return parsed.report_id, len(parsed.report.recipients), len(parsed.original), parsed.defects

    return read


def _writer(library: ModuleType, reports: list[Sample]) -> Callable[[int], bytes]:
    build_report = library.build_report
    jobs = [_Job(library.parse_report(report.data).report, report.original) for report in reports]

    def write(number: int) -> bytes:
        job = jobs[number]
        written: bytes = build_report(job.report, job.original, domain="example.com", date=_DATE, report_id=_REPORT_ID)
        return written

    return write


@contextmanager
def _source(before: str) -> Iterator[Path]:
    """Yield the folder of the older package: the given one, or one extracted from the repository."""
    if Path(before).is_dir():
        yield next(folder for folder in (Path(before, "src"), Path(before)) if (folder / _PACKAGE).is_dir())
        return
    archived = _git("archive", "--format=tar", before, "--", f"src/{_PACKAGE}")
    with tempfile.TemporaryDirectory(prefix="exjournal-before-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archived)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder, "src")


def _loaded(folder: Path) -> ModuleType:
    """Import the package in a folder next to the one that is already loaded; each keeps its own modules."""
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == _PACKAGE}
    for name in ours:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        old = importlib.import_module(_PACKAGE)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            sys.modules[f"before_{name}"] = sys.modules.pop(name)
        sys.modules.update(ours)
    if not str(old.__file__).startswith(str(folder)) or old is exjournal:
        raise ImportError(f"{folder} was not imported")
    return old


def _newest_tag() -> str | None:
    """Return the tag of the newest release before this commit, or None."""
    try:
        return _git("describe", "--tags", "--abbrev=0", "HEAD^").decode().strip()
    except subprocess.CalledProcessError:
        return None


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(_REPOSITORY), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout
