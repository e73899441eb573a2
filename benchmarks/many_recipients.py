"""Reports with very many recipients, against a loop that only splits each line."""

from collections.abc import Iterator

from contenders import ours, partitioned
from measure import KB, Claim, Effort, Row, at_most, in_turn, microseconds, shown
from messages import Sample, samples

# One in this number of recipients comes from an expanded list.
_FEW, _HALF = 1 << 30, 2


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield one table: three lengths, without and with redirects."""
    yield Claim("Typed recipients cost little more than splitting each line", tuple(_rows(effort)))


def _rows(effort: Effort) -> Iterator[Row]:
    for expanded_every, redirects in ((_FEW, ""), (_HALF, ", half of them from a list")):
        a_line: dict[int, float] = {}
        for recipients in (10_000, 20_000, 40_000):
            reports = samples(3, 2 * KB, recipients=recipients, expanded_every=expanded_every)
            contenders = {"exjournal": _read, "loop": _loop}
            if redirects:
                contenders["redirects_too"] = _loop_with_redirects
            times = in_turn(contenders, reports, effort)
            a_line[recipients] = times["exjournal"] / recipients
            case = f"{recipients} recipients{redirects}, to the loop"
            note = microseconds(**times, each=a_line[recipients])
            ratio = times["exjournal"] / times["loop"]
            if redirects:
                # That loop does not split redirects, so the bound applies to one that does.
                yield shown(case, ratio, note)
                yield at_most(f"{case} that also splits redirects", times["exjournal"] / times["redirects_too"], 2.5)
            else:
                yield at_most(case, ratio, 2.5, note)
        case = f"a recipient of 40 000{redirects}, to one of 10 000"
        yield at_most(case, a_line[40_000] / a_line[10_000], 1.3)


def _read(report: Sample) -> object:
    return ours(report.data)


def _loop(report: Sample) -> object:
    return partitioned(report.text)


def _loop_with_redirects(report: Sample) -> object:
    lines: list[tuple[str, str, str]] = []
    append = lines.append
    for line in report.text.split("\r\n"):
        label, _, value = line.partition(": ")
        address, _, redirect = value.partition(", Expanded: ")
        append((label, address, redirect))
    return lines
