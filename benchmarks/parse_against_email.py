"""Reading, against the fastest use of the standard `email` package for the same job."""

from collections.abc import Iterator

from contenders import does_the_job, ours, standard_email
from measure import KB, MB, Claim, Effort, Row, at_least, in_turn, microseconds, size_text
from messages import samples

# Size of the report, distinct reports, minimum ratio, target ratio.
_SIZES = ((2 * KB, 64, 10, 14), (62 * KB, 48, 50, None), (MB, 8, 120, None), (25 * MB, 2, 180, None))


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield one table: four sizes, each with a dozen header fields and with as many fields as real reports have."""
    yield Claim(
        "Reading against `email` (compat32, `BytesGenerator`), which also reads the inner message",
        tuple(_rows(effort)),
    )


def _rows(effort: Effort) -> Iterator[Row]:
    for size, count, bound, aim in _SIZES:
        for outer, inner in ((12, 12), (20, 110)):
            reports = samples(count, size, outer=outer, inner=inner)
            if not all(does_the_job(standard_email, report) and does_the_job(ours, report) for report in reports[:4]):
                raise ValueError("a contender does not do the job")
            times = in_turn({"exjournal": ours, "email": standard_email}, [report.data for report in reports], effort)
            case = f"{size_text(len(reports[0].data))}, {outer} outer and {inner} inner fields"
            yield at_least(case, times["email"] / times["exjournal"], bound, microseconds(**times), aim)
