"""The verb `merge`: the reports of one message as one, with every recipient, and on request as one report again.

Archives are read once for what their reports say, and for combined reports a second time for the originals: the messages
themselves are never held together.
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
from exjournal.cli.output import FINE, FOUND, put, put_line, say, shown, told, usage, usage_of, write
from exjournal.cli.reading import Archive, add_reader

_TRIAL: Final = JournalReport(sender="", recipients=["postmaster@example.com"])


class Place(NamedTuple):
    """Where a report is: its source, the number of the path on the command line, and what the way to it says of it."""

    source: Source
    number: int
    defects: tuple[Defect, ...]
    bounce: Undeliverable | None

    @property
    def name(self) -> str:
        """What the output calls it."""
        return str(self.source)

    @property
    def line(self) -> str:
        """The same, with what its mailbox file or its bounce may have changed."""
        codes = ", ".join([str(defect.code) for defect in self.defects])
        return f"{self.source}  ({codes})" if codes else self.name

    @property
    def data(self) -> dict[str, object]:
        """The place as data, as `scan` has it."""
        result = self.source.to_dict()
        if self.defects:
            result["archive_defects"] = [defect._asdict() for defect in self.defects]
        if self.bounce is not None:
            result["undeliverable"] = [status._asdict() for status in self.bounce.status]
            result["found"] = self.bounce.found
        return result


# The places in which each statement was found.
Places = dict[Statement, list[Place]]


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command."""
    parser = add_reader(verbs, "merge", _merge, "join the reports of one message, with all of its recipients")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON object a line for each message")
    forms.add_argument(
        "--report", action="store_true", help="one combined report for each message, built again round the original"
    )
    option = parser.add_argument
    option(
        "--domain", help="with --report: domain of the system sender, the organisation's default domain; always needed"
    )
    option("--date", metavar="ISO", help="with --report: when the reports were made, with a time zone; now without it")
    option(
        "--out",
        default="-",
        metavar="DIR",
        help="with --report: folder for CONTENT.eml files; standard output without it",
    )
    option("--force", action="store_true", help="with --out: overwrite files that are there")


def _merge(options: argparse.Namespace, archive: Archive) -> int:
    for name in () if options.report else ("domain", "date", "force"):
        if getattr(options, name) not in (None, False):
            return usage(f"--{name}: belongs to --report")
    if options.out != "-" and not options.report:
        return usage("--out: belongs to --report")
    if options.report and options.domain is None:
        return usage("--domain: is required with --report: the domain of the system sender")
    try:
        date = None if options.date is None else datetime.fromisoformat(options.date)
        if options.report:
            build_report(_TRIAL, b"", domain=options.domain, date=date)  # what is wrong now is wrong with every report
    except BuildError as error:
        return usage_of(error)
    except ValueError:
        return usage("--date: is not an ISO 8601 date")
    status, merged, places = _read(archive)
    shared = _shared_ids(merged)
    if shared:
        status = max(status, FOUND)
    if options.report and options.out == "-" and len(merged) > 1:
        return usage(f"--report: the reports are of {len(merged)} messages, and only --out DIR has room for them")
    for number, one in enumerate(merged):
        conflicts = not shared.isdisjoint(_ids(one))
        if options.report:
            if conflicts:
                say(f"{_name(one, places)}: another message has the same Message-ID")
        elif options.json:
            put_line(json.dumps(_data(one, places, archive.files, conflicts=conflicts)))
        else:
            put_line("\n" * bool(number) + _view(one, places, conflicts=conflicts))
    return max(status, _write_reports(merged, places, archive, date, options)) if options.report else status


def _read(archive: Archive) -> tuple[int, Sequence[MergedReport], Places]:
    """The exit status so far, what was read, merged, and where from."""
    status = FINE
    read_: list[MergedReport] = []
    places: Places = {}
    for entry in archive.entries():
        item = entry.item
        if not isinstance(item, ArchivedReport):
            status = max(status, archive.pass_over(entry, item))
            continue
        [one] = merge([item.parsed])
        read_.append(one)
        # Without the bytes of the report: only one item is in memory at a time.
        bounce = None if item.undeliverable is None else item.undeliverable._replace(report=None)
        for statement in one.statements:
            places.setdefault(statement, []).append(Place(item.source, entry.number, item.defects, bounce))
    return status, merge(read_), places


def _ids(one: MergedReport) -> set[str]:
    found = {statement.identity.message_id_sha256 for statement in one.statements if one.content_sha256 is not None}
    return {id_ for id_ in found if id_ is not None}


def _shared_ids(merged: Iterable[MergedReport]) -> set[str]:
    """The Message-IDs that several messages have."""
    counts = Counter(id_ for one in merged for id_ in _ids(one))
    return {id_ for id_, count in counts.items() if count > 1}


def _name(one: MergedReport, places: Places) -> str:
    """What a message is called in a complaint: the first place of its reports."""
    return min(place.name for statement in one.statements for place in places[statement])


def _data(one: MergedReport, places: Places, files: Sequence[str], *, conflicts: bool) -> dict[str, object]:
    result = one.to_dict()
    result["conflict"] = conflicts
    result["files"] = [[files[place.number] for place in places[statement]] for statement in one.reports]
    result["sources"] = [[place.data for place in places[statement]] for statement in one.reports]
    return result


def _view(one: MergedReport, places: Places, *, conflicts: bool) -> str:
    """The short view for people: who sent, who received and by which evidence, and where that stands."""
    rows = [
        ("content", (one.content_sha256 or "unknown",)),
        ("message id", one.message_ids),
        ("sender", [sender or "<>" for sender in one.senders]),
        ("on behalf of", one.on_behalf_of),
        ("mail from", [sender or "<>" for sender in one.envelope_senders]),
        ("subject", one.subjects),
    ]
    lines = [shown(_name(one, places))]
    if conflicts:
        lines.append("  conflict     another message has the same Message-ID")
    if not one.complete:
        lines.append("  incomplete   no report holds the message whole")
    for label, values in rows:
        # Reports that disagree have a line for each of what they say.
        lines += [f"  {label if not number else '':<13}{shown(value)}" for number, value in enumerate(values)]
    recipients = one.recipients
    lines.append(f"  {'recipients':<13}{len(recipients)}")
    lines += [_recipient(recipient) for recipient in recipients]
    lines.append(f"  {'reports':<13}{len(one.reports)}")
    lines += [
        shown(f"    {statement.format:<15}{line}")
        for statement in one.reports
        for line in sorted([place.line for place in places[statement]])
    ]
    return "\n".join(lines)


def _recipient(one: MergedRecipient) -> str:
    through = [
        f"{word} {address}"
        for word, address in (("list", one.expanded_from), ("forwarded by", one.forwarded_from))
        if address is not None
    ]
    # A name in quotes cannot pass for what stands beside it.
    notes = [*[json.dumps(name, ensure_ascii=False) for name in one.display_names], *through]
    if one.evidence is Evidence.HEADER:
        notes.append("claimed by a header")
    elif one.evidence is Evidence.UNMARKED:
        notes.append("only in reports without a marker")
    if len(one.seen_in) > 1:
        notes.append(f"{len(one.seen_in)} reports")
    return shown(f"    {one.role:<10}{one.address}" + (f"  ({', '.join(notes)})" if notes else ""))


def _write_reports(
    merged: Iterable[MergedReport], places: Places, archive: Archive, date: datetime | None, options: argparse.Namespace
) -> int:
    """Go through the archives again, and write a combined report round the original of one report of each message."""
    wanted: dict[tuple[int, Source], tuple[MergedReport, Statement]] = {}
    for one in merged:
        chosen = _chosen(one)
        # Among equal reports, one that its mailbox file or its bounce cannot have changed.
        place = min(places[chosen], key=lambda place: (bool(place.defects), place.name, place.number))
        wanted[place.number, place.source] = one, chosen
    status = FINE
    for entry in archive.entries({number for number, _ in wanted}):
        item = entry.item
        if (entry.number, item.source) not in wanted:
            continue
        one, chosen = wanted.pop((entry.number, item.source))
        if not isinstance(item, ArchivedReport):
            told(str(item.source), archive.reason(item))
            status = max(status, entry.status, FOUND)
        elif identify(item.parsed) != chosen.identity:
            status = max(status, _changed(item.source))
        else:
            status = max(status, _write_report(one, chosen, item, _name(one, places), date, options))
    return max([status, *[_changed(source) for _, source in wanted]])


def _changed(source: Source) -> int:
    say(f"{source}: was changed while it was read")
    return FOUND


def _write_report(
    one: MergedReport,
    chosen: Statement,
    item: ArchivedReport,
    name: str,
    date: datetime | None,
    options: argparse.Namespace,
) -> int:
    """Write one report that says what all of them say, round the original of one of them."""
    problem: str | InvalidValue | BuildError | None = None
    if not chosen.identity.complete:
        problem = "none of them holds the message whole"
    elif any(defect.code is DefectCode.ORIGINAL_WITHOUT_HEADERS for defect in chosen.defects):
        problem = "the original has no header, and what stands in that of the reports would be lost"
    elif len({said.identity.decrypted_sha256 for said in one.statements} - {None}) > 1:
        problem = "their decrypted copies differ"
    else:
        original, decrypted = item.parsed.original_bytes(), item.parsed.decrypted
        try:
            data = build_report(one.combined(), original, domain=options.domain, decrypted=decrypted, date=date)
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
    return write(Path(options.out) / f"{one.content_sha256}.eml", data, force=options.force)


def _chosen(one: MergedReport) -> Statement:
    """The report whose original is taken: a whole one, with its decrypted copy, in the form that most reports hold."""
    counts = Counter(statement.identity.original_sha256 for statement in one.statements)
    return min(
        one.reports,
        key=lambda said: (
            not said.identity.complete,
            # A copy can have a Bcc field of its own, and anyone can send a report without a marker.
            said.recipients_from is not Evidence.ENVELOPE,
            said.identity.decrypted_sha256 is None,
            -counts[said.identity.original_sha256],
            said.identity.original_sha256 or "",
        ),
    )
