"""Reading, against the one search that every reader needs: for the end of the original."""

from collections.abc import Iterator

from contenders import ours, ours_copied
from measure import MB, Claim, Effort, Row, at_most, in_turn, microseconds, size_text
from messages import Sample, samples


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield one table: a view, and a copy of the original."""
    yield Claim("Reading costs little more than one `bytes.find` over the original", tuple(_rows(effort)))


def _rows(effort: Effort) -> Iterator[Row]:
    for size, count, bound in ((MB, 8, 1.6), (25 * MB, 2, 1.1)):
        reports = samples(count, size)
        times = in_turn({"exjournal": lambda report: ours(report.data), "find": find}, reports, effort)
        case = f"{size_text(size)}, view, to find"
        yield at_most(case, times["exjournal"] / times["find"], bound, microseconds(**times))
        both = {"exjournal": lambda report: ours_copied(report.data), "find_and_copy": find_and_copy}
        times = in_turn(both, reports, effort)
        case = f"{size_text(size)}, `original_bytes()`, to find and copy"
        yield at_most(case, times["exjournal"] / times["find_and_copy"], 1.6, microseconds(**times))


def find(report: Sample) -> int:
    """Find the delimiter line after the original."""
    return report.data.find(b"\n--" + report.boundary, report.begin)


def find_and_copy(report: Sample) -> bytes:
    """Cut the original out at its delimiter line."""
    return report.data[report.begin : find(report) - 1]
