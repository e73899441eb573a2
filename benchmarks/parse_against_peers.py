"""Reading, against parsers from the package index, compiled and in Python."""

from collections.abc import Iterator

from contenders import does_the_job, fast_mail_parser, mail_parser, ours, ours_copied
from measure import KB, MB, Claim, Effort, Row, at_least, at_most, in_turn, microseconds, shown, size_text
from messages import Sample, samples

_NOT_INSTALLED = "not installed"


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield one table: fast-mail-parser in its best mode, and mail-parser for orientation."""
    yield Claim(
        "Reading against parsers that also read the inner message "
        "(fast-mail-parser is compiled; mail-parser keeps no original)",
        tuple(_rows(effort)),
    )


def _rows(effort: Effort) -> Iterator[Row]:
    for size, count in ((2 * KB, 64), (62 * KB, 48), (MB, 8), (25 * MB, 2)):
        reports = samples(count, size)
        yield _compiled(reports, size, effort)
        yield _orientation(reports, size, effort)


def _compiled(reports: list[Sample], size: int, effort: Effort) -> Row:
    modes = {mode: read for mode, read in fast_mail_parser().items() if does_the_job(read, reports[0])}
    if not modes:
        return Row(f"{size_text(size)}, fast-mail-parser", _NOT_INSTALLED)
    times = in_turn(
        {"exjournal": ours, "exjournal_copied": ours_copied, **modes}, [report.data for report in reports], effort
    )
    mode = min(modes, key=times.__getitem__)
    ratio = times["exjournal"] / times[mode]
    note = microseconds(**times)
    case = f"{size_text(size)}, time of fast-mail-parser ({mode})"
    if size == 2 * KB:
        return at_most(case, ratio, 2.2, note, 1.0)
    if size == 25 * MB:
        return at_least(f"{size_text(size)} of attachments, faster than fast-mail-parser ({mode})", 1 / ratio, 5, note)
    return shown(case, ratio, note)


def _orientation(reports: list[Sample], size: int, effort: Effort) -> Row:
    other = mail_parser()
    if other is None:
        return Row(f"{size_text(size)}, mail-parser", _NOT_INSTALLED)
    times = in_turn({"exjournal": ours, "mail-parser": other}, [report.data for report in reports], effort)
    case = f"{size_text(size)}, faster than mail-parser"
    return shown(case, times["mail-parser"] / times["exjournal"], microseconds(**times))
