"""The verb `merge`: all reports of a message as one, with every recipient, and on request as one combined report.

It reads archives once for the facts of their reports, and for combined reports a second time for the originals, so it never
holds all messages in memory.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from exjournal import (
    ArchivedReport,
    BuildError,
    Defect,
    DefectCode,
    Evidence,
    InvalidValue,
    JournalReport,
    MergedRecipient,
    MergedReport,
    Source,
    Statement,
    Undeliverable,
    build_report,
    identify,
    merge,
)
from exjournal.cli.output import (
    FINE,
    FOUND,
    option_error,
    printable,
    put,
    put_line,
    report_error,
    say,
    shown,
    usage_error,
    write,
)
from exjournal.cli.reading import Archive, add_reader
from exjournal.cli.usage import Verbs

# Built before anything is read, to check the options.
_TRIAL: Final = JournalReport(sender="", recipients=["postmaster@example.com"])


class Place(NamedTuple):
    """The place of a report: its source, the number of its path on the command line, its archive's defects and its bounce."""

    source: Source
    number: int
    defects: tuple[Defect, ...]
    bounce: Undeliverable | None

    @property
    def name(self) -> str:
        """The name of the place in the output."""
        return str(self.source)

    @property
    def line(self) -> str:
        """The name with the defects of the archive or bounce."""
        codes = ", ".join([str(defect.code) for defect in self.defects])
        return f"{self.source}  ({codes})" if codes else self.name

    @property
    def data(self) -> dict[str, object]:
        """The place as data, with the keys that `scan` uses."""
        bounce = self.bounce
        return {
            **self.source.to_dict(),
            "archive_defects": [defect._asdict() for defect in self.defects],
            "undeliverable": None if bounce is None else [status._asdict() for status in bounce.status],
            "found": None if bounce is None else bounce.found,
        }


# The places of each statement.
Places = dict[Statement, list[Place]]


def add(verbs: Verbs) -> None:
    """Add the verb to the command."""
    parser = add_reader(
        verbs,
        "merge",
        _merge,
        "merge the reports of each message, with all recipients",
        example="mail --report --domain example.com --out merged",
        page="docs/explanation/duplicates.md",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="write one line of JSON for each message")
    forms.add_argument("--report", action="store_true", help="build one combined report for each message")
    option = parser.add_argument
    option("--domain", help="with --report, required: the organization's default domain, for the system sender")
    option("--date", metavar="ISO", help="with --report: when the reports were made, with a time zone (default: now)")
    option(
        "--out",
        default="-",
        metavar="DIR",
        help="with --report: the folder for CONTENT.eml files (default: -, standard output)",
    )
    option("--force", action="store_true", help="with --out: overwrite existing files")


def _merge(options: argparse.Namespace, archive: Archive) -> int:
    for name in () if options.report else ("domain", "date", "force"):
        if getattr(options, name) not in (None, False):
            return usage_error(f"--{name} needs --report")
    if options.out != "-" and not options.report:
        return usage_error("--out needs --report")
    if options.report and options.domain is None:
        return usage_error("--domain is required with --report")
    try:
        date = None if options.date is None else datetime.fromisoformat(options.date)
        if options.report:
            build_report(_TRIAL, b"", domain=options.domain, date=date)
    except BuildError as error:
        return option_error(error)
    except ValueError:
        return usage_error("--date: must be an ISO 8601 date")
    status, merged, places = _read(archive)
    shared = _shared_ids(merged)
    if shared:
        status = max(status, FOUND)
    if options.report and options.out == "-" and len(merged) > 1:
        return usage_error(
            f"--report writes only one report to standard output, but there are {len(merged)}; use --out DIR"
        )
    for number, report in enumerate(merged):
        conflicts = not shared.isdisjoint(_ids(report))
        if options.report:
            if conflicts:
                say(f"{_name(report, places)}: another message has the same Message-ID")
        elif options.json:
            put_line(json.dumps(_data(report, places, archive.files, conflicts=conflicts)))
        else:
            put_line("\n" * bool(number) + _view(report, places, conflicts=conflicts))
    return max(status, _write_reports(merged, places, archive, date, options)) if options.report else status


def _read(archive: Archive) -> tuple[int, Sequence[MergedReport], Places]:
    """Read the archives; return the exit status so far, the merged reports and their places."""
    status = FINE
    parsed_reports: list[MergedReport] = []
    places: Places = {}
    for entry in archive.entries():
        item = entry.item
        if not isinstance(item, ArchivedReport):
            status = max(status, archive.pass_over(entry, item))
            continue
        [report] = merge([item.parsed])
        parsed_reports.append(report)
        # Drop the bytes of the report, so that only one item is in memory.
        bounce = None if item.undeliverable is None else item.undeliverable._replace(report=None)
        for statement in report.statements:
            places.setdefault(statement, []).append(Place(item.source, entry.number, item.defects, bounce))
    return status, merge(parsed_reports), places


def _ids(report: MergedReport) -> set[str]:
    """Return the Message-IDs of a message; a report without a content digest has none."""
    if report.content_sha256 is None:
        return set()
    return {id_ for statement in report.statements if (id_ := statement.identity.message_id_sha256) is not None}


def _shared_ids(merged: Iterable[MergedReport]) -> set[str]:
    """Return the Message-IDs that more than one message has."""
    counts = Counter(id_ for report in merged for id_ in _ids(report))
    return {id_ for id_, count in counts.items() if count > 1}


def _name(report: MergedReport, places: Places) -> str:
    """Return the name of a message in the output: the first place of its reports."""
    return min(place.name for statement in report.statements for place in places[statement])


def _data(report: MergedReport, places: Places, files: Sequence[str], *, conflicts: bool) -> dict[str, object]:
    result = report.to_dict()
    result["conflict"] = conflicts
    result["files"] = [[shown(files[place.number]) for place in places[statement]] for statement in report.reports]
    result["sources"] = [[place.data for place in places[statement]] for statement in report.reports]
    return result


def _view(report: MergedReport, places: Places, *, conflicts: bool) -> str:
    """Format a merged report for people: sender, recipients with their evidence, and the places of its reports."""
    rows = [
        ("content", (report.content_sha256 or "unknown",)),
        ("message id", report.message_ids),
        ("sender", [sender or "<>" for sender in report.senders]),
        ("on behalf of", report.on_behalf_of),
        ("mail from", [sender or "<>" for sender in report.envelope_senders]),
        ("subject", report.subjects),
    ]
    lines = [printable(_name(report, places))]
    if conflicts:
        lines.append("  conflict     another message has the same Message-ID")
    if not report.complete:
        lines.append("  incomplete   no report contains the complete message")
    for label, values in rows:
        # One line for each value, if reports disagree.
        lines += [f"  {label if not number else '':<13}{printable(value)}" for number, value in enumerate(values)]
    recipients = report.recipients
    lines.append(f"  {'recipients':<13}{len(recipients)}")
    lines += [_recipient(recipient) for recipient in recipients]
    lines.append(f"  {'reports':<13}{len(report.reports)}")
    lines += [
        printable(f"    {statement.format:<15}{line}")
        for statement in report.reports
        for line in sorted([place.line for place in places[statement]])
    ]
    return "\n".join(lines)


def _recipient(recipient: MergedRecipient) -> str:
    through = [
        f"{word} {address}"
        for word, address in (("list", recipient.expanded_from), ("forwarded by", recipient.forwarded_from))
        if address is not None
    ]
    # A name in quotes cannot imitate the notes after it.
    notes = [*[json.dumps(name, ensure_ascii=False) for name in recipient.display_names], *through]
    if recipient.evidence is Evidence.HEADER:
        notes.append("claimed by a header")
    elif recipient.evidence is Evidence.UNMARKED:
        notes.append("only in reports without a marker")
    if len(recipient.seen_in) > 1:
        notes.append(f"{len(recipient.seen_in)} reports")
    return printable(f"    {recipient.role:<10}{recipient.address}" + (f"  ({', '.join(notes)})" if notes else ""))


def _write_reports(
    merged: Iterable[MergedReport], places: Places, archive: Archive, date: datetime | None, options: argparse.Namespace
) -> int:
    """Read the archives again, and write a combined report for each message, with the original of one of its reports."""
    wanted: dict[tuple[int, Source], tuple[MergedReport, Statement]] = {}
    for report in merged:
        chosen = _chosen(report)
        # Of equal reports, prefer one that no mailbox file or bounce can have changed.
        place = min(places[chosen], key=lambda place: (bool(place.defects), place.name, place.number))
        wanted[place.number, place.source] = report, chosen
    status = FINE
    for entry in archive.entries({number for number, _ in wanted}):
        item = entry.item
        if (entry.number, item.source) not in wanted:
            continue
        report, chosen = wanted.pop((entry.number, item.source))
        if not isinstance(item, ArchivedReport):
            report_error(str(item.source), archive.reason(item))
            status = max(status, entry.status, FOUND)
        elif identify(item.parsed) != chosen.identity:
            status = max(status, _changed(item.source))
        else:
            status = max(status, _write_report(report, chosen, item, _name(report, places), date, options))
    return max([status, *[_changed(source) for _, source in wanted]])


def _changed(source: Source) -> int:
    say(f"{source}: changed while it was read")
    return FOUND


def _write_report(
    report: MergedReport,
    chosen: Statement,
    item: ArchivedReport,
    name: str,
    date: datetime | None,
    options: argparse.Namespace,
) -> int:
    """Write the combined report, or report why there cannot be one, and return the exit status."""
    problem: str | InvalidValue | BuildError | None = None
    if not chosen.identity.complete:
        problem = "none of them contains the complete message"
    elif any(defect.code is DefectCode.ORIGINAL_WITHOUT_HEADERS for defect in chosen.defects):
        problem = "the original has no header, and the fields in the header of the reports would be lost"
    elif len({statement.identity.decrypted_sha256 for statement in report.statements} - {None}) > 1:
        problem = "their decrypted copies differ"
    else:
        original, decrypted = item.parsed.original_bytes(), item.parsed.decrypted
        try:
            data = build_report(report.combined(), original, domain=options.domain, decrypted=decrypted, date=date)
        except (InvalidValue, BuildError) as error:
            problem = error
    if problem is not None:
        say(f"{name}: the reports cannot be combined: {problem}")
        return FOUND
    for defect in item.defects:
        say(f"{item.source}: {defect.code}: {defect.detail}")
    if options.out == "-":
        put(data)
        return FINE
    return write(Path(options.out) / f"{report.content_sha256}.eml", data, force=options.force)


def _chosen(report: MergedReport) -> Statement:
    """Choose the report whose original is used: complete, with a decrypted copy, and with the most frequent bytes."""
    counts = Counter(statement.identity.original_sha256 for statement in report.statements)
    return min(
        report.reports,
        key=lambda statement: (
            not statement.identity.complete,
            # A copy can contain a Bcc field, and anyone can send a report without a marker.
            statement.recipients_from is not Evidence.ENVELOPE,
            statement.identity.decrypted_sha256 is None,
            -counts[statement.identity.original_sha256],
            statement.identity.original_sha256 or "",
        ),
    )
