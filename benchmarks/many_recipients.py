"""Reports with very many recipients, against a loop that does no more than take each line in two."""

from collections.abc import Iterator

from contenders import ours, partitioned
from measure import KB, Claim, Effort, Row, at_most, in_turn, microseconds, shown
from messages import Sample, samples

# One recipient in this many comes from an expanded list.
_FEW, _HALF = 1 << 30, 2


def claims(effort: Effort) -> Iterator[Claim]:
    """One table: three lengths, without and with redirects."""
    yield Claim("Recipients are typed at little more than the price of looking at each line", tuple(_rows(effort)))


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
                # That loop leaves half of the lines whole: the bound is held to one that parts what there is to part.
                yield shown(case, ratio, note)
                yield at_most(f"{case} that takes redirects apart", times["exjournal"] / times["redirects_too"], 2.5)
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
