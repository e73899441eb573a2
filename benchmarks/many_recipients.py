"""Reports with very many recipients, against a loop that does no more than take each line in two."""

from collections.abc import Iterator

from contenders import ours, partitioned
from measure import KB, Claim, Effort, Row, at_most, in_turn, microseconds
from messages import Sample, samples

# Every so many recipients one comes of an expanded list.
_FEW, _HALF = 1 << 30, 2


def claims(effort: Effort) -> Iterator[Claim]:
    """One table: three lengths, without and with redirects."""
    yield Claim("Recipients are typed at little more than the price of looking at each line", tuple(_rows(effort)))


def _rows(effort: Effort) -> Iterator[Row]:
    for expanded_every, redirects in ((_FEW, ""), (_HALF, ", half of them from a list")):
        a_line: dict[int, float] = {}
        for recipients in (10_000, 20_000, 40_000):
            reports = samples(3, 2 * KB, recipients=recipients, expanded_every=expanded_every)
            both = {"exjournal": _read, "loop": _loop}
            times = in_turn(both, reports, effort)
            a_line[recipients] = times["exjournal"] / recipients
            case = f"{recipients} recipients{redirects}, to the loop"
            note = microseconds(**times, each=a_line[recipients])
            yield at_most(case, times["exjournal"] / times["loop"], 2.5, note)
        case = f"a recipient of 40 000{redirects}, to one of 10 000"
        yield at_most(case, a_line[40_000] / a_line[10_000], 1.3)


def _read(report: Sample) -> object:
    return ours(report.data)


def _loop(report: Sample) -> object:
    return partitioned(report.text)
