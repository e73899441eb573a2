"""The summary page of a scan: the files that it read, the outcome of each item, and the items that a person should look at."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from shlex import quote
from typing import Any, Final, TypeVar

from exjournal import DefectCode, ReportFormat, ScanSummary, Source
from exjournal.cli.pages import Cell, Html, apart, code, fact_list, link, page, paragraph, section, table, to_html
from exjournal.cli.report_page import FORMATS

# What each outcome is called, in the order of the table.
_OUTCOMES: Final = {
    "report": "Reports",
    "unmarked": "Reports without a marker, which anyone can send",
    "incomplete": "Reports that are perhaps truncated",
    "message": "Messages that are not reports",
    "refused": "Refused: could not be read as a message or a report",
    "unreadable": "Unreadable: the system could not read it",
}
# Reports of Exchange are younger than this.
_FIRST_MONTH: Final = "1990-01"


def scan_page(
    summary: ScanSummary, paths: Sequence[str], facts: Mapping[str, str], *, has_content: bool
) -> Iterator[str]:
    """Yield the page for a scan with an account, piece by piece.

    `facts`: further facts about the run, by name. `has_content`: with subjects and addresses.
    """
    content = chain(
        _beginning(summary, paths),
        section("run", "The run", _run(summary, facts)),
        section("outcomes", "What became of each item", _outcomes(summary)),
        section("months", "Reports per month", _months(summary)),
        section("codes", "Formats, defects and refusals", _codes(summary)),
        section("messages", "Duplicates and conflicts", _distinct(summary)),
        section("exceptions", "Exceptions", _exceptions(summary, has_content=has_content)),
        section("read", "Files that were read", _files_read(summary)),
        section("written", "Files that were written", _files_written(summary)),
    )
    return page(f"Scan of {', '.join(paths)}", content)


Value = TypeVar("Value")


def _known(value: Value | None) -> Value:
    assert value is not None, "the scan had a list of digests"  # noqa: S101 - for the type checker
    return value


def _beginning(summary: ScanSummary, paths: Sequence[str]) -> Iterator[str]:
    account = _known(summary.account)
    yield f"<h1>Scan of {', '.join([apart(path) for path in paths])}</h1>\n"
    yield f'<p class="lead">{summary.items:,} items in {account.file_count:,} files ({_size(account.file_octets)}): '
    yield f"{summary.reports:,} journal reports, {sum(summary.messages.values()):,} other messages, "
    yield f"{sum(summary.refusals.values()):,} that could not be read.</p>\n"
    if account.changed:
        yield f'<p class="odd">Files that changed while they were read: {account.changed:,}. '
        yield 'The counts may not match their content: see <a href="#x-file-changed">the exceptions</a>.</p>\n'
    yield "<p>An item is one message in a file, a folder, a mailbox or an archive. "
    yield "A journal report names the recipients of a message and contains the message, the original.</p>\n"


def _size(octets: int) -> str:
    """Return a number of bytes for people."""
    size, step = float(octets), 0
    while size >= 999.5 and step < len(_UNITS) - 1:
        size, step = size / 1000, step + 1
    return f"{size:.3g} {_UNITS[step]}"


_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


def _run(summary: ScanSummary, facts: Mapping[str, str]) -> Iterator[str]:
    yield from fact_list([(name, code(value)) for name, value in facts.items()])
    sessions = [
        (number, session.start, session.end, str(session.end - session.start), session.ended)
        for number, session in enumerate(_known(summary.account).sessions, 1)
    ]
    yield from table("Sessions", ("Session", "Start", "End", "Time", "How it ended"), sessions)
    if len(sessions) > 1:
        yield from paragraph(
            "The run was resumed. What a session had finished was not done again; the end of one that was killed is the time "
            "of its last finished piece of work."
        )


def _outcomes(summary: ScanSummary) -> Iterator[str]:
    outcomes = _known(summary.account).outcomes
    rows = [(label, outcomes.get(outcome, 0)) for outcome, label in _OUTCOMES.items()]
    yield from paragraph("Each item has exactly one outcome.")
    yield from table("Items by outcome", ("Outcome", "Items"), rows, total=("All items", sum(outcomes.values())))
    yield from _sums(summary)
    if summary.left_out:
        left = [(f"Left out: {name}", count) for name, count in summary.left_out.items()]
        yield from table(
            "Items that the outputs leave out, which were read like all others", ("Selection", "Items"), left
        )


def _sums(summary: ScanSummary) -> list[str]:
    """Say whether the sums agree: those of outcomes, files and months are counted apart from those of the table."""
    account = _known(summary.account)
    outcomes, refused = account.outcomes, sum(summary.refusals.values())
    reports = sum(outcomes.get(outcome, 0) for outcome in ("report", "unmarked", "incomplete"))
    sums = (
        (summary.items, sum(outcomes.values())),
        (summary.reports, reports),
        (summary.reports, sum(summary.formats.values())),
        (summary.reports, sum(account.months.values())),
        (sum(summary.messages.values()), outcomes.get("message", 0)),
        (refused, outcomes.get("refused", 0) + outcomes.get("unreadable", 0)),
    )
    if all(one == other for one, other in sums):
        return paragraph(
            f"The sums agree: {summary.items:,} items = {summary.reports:,} reports + {sum(summary.messages.values()):,} other "
            f"messages + {refused:,} that could not be read. The counts by file, month, format and code have the same sums."
        )
    return [
        f'<p class="odd">The sums do not agree: {", ".join(f"{one:,} and {other:,}" for one, other in sums)}.</p>\n'
    ]


# Months


class _Months:
    """The reports of a scan by month: all months from the first to the last, and the reports without a possible one."""

    def __init__(self, months: Mapping[str, int], last: str) -> None:
        known = {month: count for month, count in months.items() if _FIRST_MONTH <= month <= last}
        self.undated = months.get("undated", 0)
        self.unknown = months.get("impossible", 0)
        self.early = sum(count for month, count in months.items() if month < _FIRST_MONTH)
        self.late = sum(months.values()) - sum(known.values()) - self.undated - self.unknown - self.early
        self.counts = [(month, known.get(month, 0)) for month in _span(known)]

    @property
    def impossible(self) -> int:
        return self.unknown + self.early + self.late

    def gaps(self) -> Iterator[tuple[str, str, int]]:
        """Yield the first and the last month of each gap, and its length."""
        for is_gap, group in groupby(self.counts, key=lambda month: not month[1]):
            names = [name for name, _ in group]
            if is_gap:
                yield names[0], names[-1], len(names)


def _span(months: Iterable[str]) -> list[str]:
    """Return all months from the first to the last."""
    numbers = [int(month[:4]) * 12 + int(month[5:]) - 1 for month in months]
    if not numbers:
        return []
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(min(numbers), max(numbers) + 1)]


def _months(summary: ScanSummary) -> Iterator[str]:
    account = _known(summary.account)
    last = f"{account.sessions[-1].end:%Y-%m}"
    months = _Months(account.months, last)
    yield from paragraph(
        "By the Date of the report itself, which was written by the server that made it, in UTC; a date without a time zone "
        "counts as it is written. Each report counts, repeated ones too."
    )
    yield from _chart(months)
    gaps = list(months.gaps())
    if gaps:
        listed = ", ".join(
            f"{first} ({length})" if first == end else f"{first} to {end} ({length})"
            for first, end, length in gaps[:_GAPS]
        )
        more = f", and {len(gaps) - _GAPS:,} more" if len(gaps) > _GAPS else ""
        yield from paragraph(f'<span class="odd">Months without a report:</span> {listed}{more}.')
    elif months.counts:
        yield from paragraph("There is no month without a report between the first and the last.")
    years: dict[str, list[Cell]] = {}
    for month, count in months.counts:
        row = years.setdefault(month[:4], [Html()] * 12)
        row[int(month[5:]) - 1] = count or Html('<span class="none">0</span>')
    by_year: Counter[str] = Counter()
    for month, count in months.counts:
        by_year[month[:4]] += count
    rows = [(year, *row, by_year[year]) for year, row in years.items()]
    heads = ("Year", *[f"{number:02}" for number in range(1, 13)], "Sum")
    if rows:
        yield from table("Reports by month", heads, rows, numbers=range(1, len(heads)))
    yield from table(
        "All reports by their Date",
        ("Date", "Reports"),
        [
            ("In a month above", sum(count for _, count in months.counts)),
            ("No Date", months.undated),
            ("Impossible: not a date", months.unknown),
            (f"Impossible: before {_FIRST_MONTH}", months.early),
            (f"Impossible: after {last}, the month of this scan", months.late),
        ],
        total=("All reports", sum(account.months.values())),
    )


# Gaps to list.
_GAPS: Final = 30
# The chart in pixels: the height of its bars, the space beside and below them, and the widest and narrowest step between bars.
_HEIGHT: Final = 160
_LEFT: Final = 60
_BELOW: Final = 46
_STEPS: Final = (6, 26)
_WIDTH: Final = 900


def _chart(months: _Months) -> Iterator[str]:
    """Yield a chart with a bar for each month, and two apart for the reports without a possible one."""
    step = max(_STEPS[0], min(_STEPS[1], _WIDTH // max(1, len(months.counts))))
    top = _round_up(max([1, months.undated, months.impossible, *[count for _, count in months.counts]]))
    end = _LEFT + step * len(months.counts)
    width = end + 2 * _APART + 20
    text = f"Without a Date: {_reports(months.undated)}. With an impossible one: {_reports(months.impossible)}."
    if months.counts:
        (first, _), (last, _) = months.counts[0], months.counts[-1]
        text = f"{len(months.counts):,} months from {first} to {last}. {text}"
    yield '<div class="scroll" role="region" tabindex="0" aria-label="Chart of reports per month">\n'
    yield f'<svg width="{width}" height="{_HEIGHT + _BELOW + 10}" viewBox="0 -10 {width} {_HEIGHT + _BELOW + 10}" role="img" '
    yield 'aria-labelledby="chart-title chart-text"><title id="chart-title">Reports per month</title>'
    yield f'<desc id="chart-text">{text}</desc>\n'
    for share in (0, 1, 2):
        level = _HEIGHT - share * _HEIGHT // 2
        yield f'<line class="axis" x1="{_LEFT}" x2="{width}" y1="{level}" y2="{level}"/>'
        if share != 1 or top % 2 == 0:
            yield f'<text x="{_LEFT - 6}" y="{level + 4}" text-anchor="end">{top * share // 2:,}</text>\n'
    labelled = -100
    for number, (month, count) in enumerate(months.counts):
        place = _LEFT + step * number
        if count:
            yield _bar(place, step, count, top, f"{month}: {_reports(count)}")
        else:
            yield f'<rect class="gap" x="{place}" y="0" width="{step}" height="{_HEIGHT}">'
            yield f"<title>{month}: no report</title></rect>\n"
        if step >= 16:
            yield f'<text x="{place + step / 2:g}" y="{_HEIGHT + 15}" text-anchor="middle">{month[5:]}</text>'
        if (month.endswith("-01") or not number) and place - labelled > 36:
            labelled = place
            yield f'<text x="{place + 1}" y="{_HEIGHT + 30}">{month[:4]}</text>\n'
    for number, (label, count) in enumerate((("no Date", months.undated), ("impossible", months.impossible))):
        place = end + 24 + number * _APART
        yield _bar(place + 16, 28, count, top, f"{label}: {_reports(count)}", "other")
        yield f'<text x="{place + 30}" y="{_HEIGHT + 15}" text-anchor="middle">{label}</text>'
        yield f'<text x="{place + 30}" y="{_HEIGHT + 30}" text-anchor="middle">{count:,}</text>\n'
    yield "</svg></div>\n"


# Pixels from the one bar without a month to the other.
_APART: Final = 68


def _bar(place: int, step: int, count: int, top: int, title: str, kind: str = "bar") -> str:
    # Even a single report among millions is seen.
    height = max(1.5, count / top * _HEIGHT) if count else 0
    space = 1 if step < 16 else 3
    size = f'x="{place + space / 2:g}" y="{_HEIGHT - height:.1f}" width="{step - space}" height="{height:.1f}"'
    return f'<rect class="{kind}" {size}><title>{title}</title></rect>\n'


def _reports(count: int) -> str:
    return "1 report" if count == 1 else f"{count:,} reports"


def _round_up(number: int) -> int:
    """Return the next number of the form 1, 2, 4, 5, 6 or 8 with zeros."""
    unit: int = 10 ** (len(str(number)) - 1)
    return next(unit * digit for digit in (1, 2, 4, 5, 6, 8, 10) if unit * digit >= number)


# Codes


def _codes(summary: ScanSummary) -> Iterator[str]:
    listed = {found["code"] for found in _known(summary.account).exceptions}

    def rows(counts: Mapping[str, int]) -> Iterator[tuple[Cell, ...]]:
        for name, count in _by_count(counts):
            yield code(name), _meaning(name), count, link(f"x-{name}", "listed") if name in listed else None

    yield from table(
        "Reports by format",
        ("Format", "Meaning", "Reports"),
        [(code(name), FORMATS[ReportFormat(name)], count) for name, count in _by_count(summary.formats)],
        total=("All reports", None, sum(summary.formats.values())),
    )
    if summary.messages:
        others = [(code(name), _meaning(name), count) for name, count in _by_count(summary.messages)]
        total = ("All of them", None, sum(summary.messages.values()))
        yield from table("Messages that are not reports, by reason", ("Code", "Meaning", "Items"), others, total=total)
    if summary.refusals:
        heads = ("Code", "Meaning", "Items", "Exceptions")
        total_refused = ("All of them", None, sum(summary.refusals.values()), None)
        yield from table("Items that could not be read, by reason", heads, rows(summary.refusals), total=total_refused)
    if summary.defects:
        yield from table("Defects, by code", ("Code", "Meaning", "Times", "Exceptions"), rows(summary.defects))
        yield from paragraph(
            "A defect is an oddity of an item that was read in spite of it. An item can have several, so they are not a sum of "
            "items; those that change what a report says make it an exception."
        )
    else:
        yield from paragraph("No item has a defect.")


def _meaning(name: str) -> str:
    return DefectCode(name).meaning if name in _CODES else "the system reports an error"


_CODES: Final = frozenset(map(str, DefectCode))


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _distinct(summary: ScanSummary) -> Iterator[str]:
    distinct, duplicates = summary.distinct, summary.duplicates or 0
    if distinct is None:
        yield from paragraph("Not counted: the reports were not merged (<code>--merge</code>).")
    else:
        rows = [
            ("Messages: the first report of each", distinct),
            (
                "Further reports of the same messages, with other recipients, or perhaps truncated",
                summary.reports - distinct - duplicates,
            ),
            ("Duplicates: reports that say the same as another one", duplicates),
        ]
        yield from table("Reports by message", ("Report", "Reports"), rows, total=("All reports", summary.reports))
        if summary.conflicts:
            yield from paragraph(
                f'<span class="odd">{summary.conflicts:,} messages are in {link("x-conflict", "conflict")}:</span> another '
                "message with other content has the same Message-ID."
            )
        else:
            yield from paragraph("There is no conflict: no two messages with different content share a Message-ID.")
    if summary.sightings:
        rows = [(_SIGHTINGS[name], count) for name, count in summary.sightings.items()]
        yield from table(
            "Reports by the answer of the store",
            ("Report", "Reports"),
            rows,
            total=("All reports", sum(summary.sightings.values())),
        )


_SIGHTINGS: Final = {
    "first": "The first report of its message",
    "sibling": "A further report of a known message",
    "duplicate": "A report that was known",
    "conflict": "A report whose Message-ID belongs to another message",
}


# Exceptions and files


def _exceptions(summary: ScanSummary, *, has_content: bool) -> Iterator[str]:
    account = _known(summary.account)
    if not account.exceptions:
        yield from paragraph("There are none.")
        return
    yield from paragraph("What a person should look at, item by item. An item can be an exception for several reasons.")
    counts = sorted(account.exception_counts.items())
    total = sum(account.exception_counts.values())
    yield from table("Exceptions by kind", ("Kind", "Exceptions"), counts, total=("All exceptions", total))
    rows: list[tuple[Cell, ...]] = []
    ids: dict[int, str] = {}
    for number, found in enumerate(account.exceptions):
        name = f"x-{found['code']}"
        if name not in ids.values():
            ids[number] = name
        rows.append((number + 1, _exception(found), _item(found, has_content=has_content)))
    yield from table("Exceptions", ("No.", "Exception", "Item"), rows, ids=ids)
    if total > len(rows):
        text = f"These are the first {len(rows):,} of {total:,}: {code('--exceptions')} writes all of them to a file."
        yield from paragraph(text)


def _exception(found: Mapping[str, Any]) -> Html:
    detail = f" ({found['detail']})" if found["detail"] else ""
    return Html(f"{to_html(found['category'])}, {code(found['code'])}<br>{to_html(found['meaning'] + detail)}")


def _item(found: Mapping[str, Any], *, has_content: bool) -> Html:
    lines = [code(str(Source.from_dict(found["source"])))]
    if found["sha256"] is not None:
        lines.append(Html(f"{found['size']:,} bytes, SHA-256 {code(found['sha256'])}"))
    content = found.get("content") if has_content else None
    for name, value in (content or {}).items():
        if value:
            lines.append(Html(f'<span class="name">{name.capitalize()}</span> {apart(value)}'))
    return Html("<br>".join(lines))


def _files_read(summary: ScanSummary) -> Iterator[str]:
    account = _known(summary.account)
    rows: list[Sequence[Cell]] = []
    sums: Counter[str] = Counter()
    for file in account.files:
        counts = _by_kind(file.outcomes)
        sums.update({**counts, "octets": file.size or 0})
        lines = [code(file.path), code(file.sha256) if file.sha256 else Html('<span class="odd">not readable</span>')]
        if file.is_changed:
            lines.append(Html('<span class="odd">changed while it was read</span>'))
        rows.append((Html("<br>".join(lines)), file.size, file.modified, *counts.values()))
    totals = _by_kind(account.outcomes)
    left = account.file_count - len(account.files)
    if left:
        text = f"{left:,} more files, which the list of digests has"
        more = [count - sums[kind] for kind, count in totals.items()]
        rows.append((text, account.file_octets - sums["octets"], None, *more))
    heads = ("File and its SHA-256", "Bytes", "Last changed", "Items", "Reports", "Other messages", "Not read")
    total = (f"{account.file_count:,} files", account.file_octets, None, *totals.values())
    yield from table("Files that were read", heads, rows, total=total)


def _by_kind(outcomes: Mapping[str, int]) -> dict[str, int]:
    reports = sum(outcomes.get(outcome, 0) for outcome in ("report", "unmarked", "incomplete"))
    refused = outcomes.get("refused", 0) + outcomes.get("unreadable", 0)
    return {
        "items": sum(outcomes.values()),
        "reports": reports,
        "messages": outcomes.get("message", 0),
        "refused": refused,
    }


def _files_written(summary: ScanSummary) -> Iterator[str]:
    account = _known(summary.account)
    rows = [(code(file.path), file.size, code(file.sha256)) for file in account.outputs]
    yield from table("Files that were written", ("File", "Bytes", "SHA-256"), rows)
    kept = [
        (label, counts.get("written", 0), counts.get("there", 0), counts.get("not-written", 0))
        for label, counts in (
            ("Originals and other messages", summary.originals),
            ("Items set aside", summary.quarantined),
        )
        if counts
    ]
    if kept:
        yield from table("Files named by their SHA-256", ("Files", "Written", "There before", "Not written"), kept)
    manifest = account.outputs[-1].path
    command = code(f"sha256sum --check --quiet {quote(manifest)}")
    yield from paragraph(
        f"{code(manifest)} lists the SHA-256 of every file that was read or written, but for this page and a store. "
        f"In the folder of the run, {command} names each one that is not the same any more."
    )
