"""The verb `parse`: the facts and parts of reports, for people and as JSON."""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from exjournal import ArchivedReport, Evidence, Recipient, identify
from exjournal.cli.output import FINE, printable, put_line, report_os_error, shown, usage_error
from exjournal.cli.pages import may_replace, write_page
from exjournal.cli.reading import Archive, add_reader, defects_of, sender_text
from exjournal.cli.report_page import report_page
from exjournal.cli.usage import Verbs


def add(verbs: Verbs) -> None:
    """Add the verb to the command."""
    parser = add_reader(verbs, "parse", _parse, "show the content of reports", example="report.eml")
    parser.add_argument("--json", action="store_true", help="write one line of JSON for each report")
    parser.add_argument(
        "--identity", action="store_true", help="with --json: fill in the keys by which reports are compared and merged"
    )
    parser.add_argument("--html", metavar="FILE", help="also write a page about the report, of which there must be one")


def _parse(options: argparse.Namespace, archive: Archive) -> int:
    if options.identity and not options.json:
        return usage_error("--identity needs --json")
    if options.html == "-":
        return usage_error("--html: must be a file, because the report is shown on standard output")
    page = None if options.html is None else Path(options.html)
    try:
        if page is not None and not may_replace(page):
            return usage_error("--html: exists and is not a page of exjournal")
    except OSError as error:
        return report_os_error(str(page), error)
    status = FINE
    reports = 0
    report: ArchivedReport | None = None
    for entry in archive.entries():
        item = entry.item
        if isinstance(item, ArchivedReport):
            reports += 1
            report = item if page is not None else None
            put_line(_json(entry.file, item, identity=options.identity) if options.json else _view(item))
        else:
            status = max(status, archive.pass_over(entry, item))
    if page is None:
        return status
    if report is None or reports != 1:
        return usage_error(f"--html: shows one report, and there are {reports}")
    try:
        write_page(page, report_page(report))
    except OSError as error:
        return report_os_error(str(page), error)
    return status


def _json(file: str, item: ArchivedReport, *, identity: bool) -> str:
    bounce = item.undeliverable
    result = {
        "file": shown(file),
        "source": item.source.to_dict(),
        "archive_defects": [defect._asdict() for defect in item.defects],
        "undeliverable": None if bounce is None else [status._asdict() for status in bounce.status],
        "found": None if bounce is None else bounce.found,
        **item.parsed.to_dict(),
        "identity": identify(item.parsed).to_dict() if identity else None,
    }
    for key, content in (("original", item.parsed.original), ("decrypted", item.parsed.decrypted)):
        value = result[key]
        if isinstance(value, dict) and content is not None:
            value["sha256"] = hashlib.sha256(content).hexdigest()
    return json.dumps(result)


def _view(item: ArchivedReport) -> str:
    """Format a report for people: sender, recipients with their lists, parts and defects."""
    parsed, report = item.parsed, item.parsed.report
    rows = [
        ("format", f"{parsed.format} ({parsed.marker})"),
        ("report id", parsed.report_id),
        (
            "sender",
            sender_text(parsed) + (f"  ({report.sender_display_name})" if report.sender_display_name else ""),
        ),
        ("on behalf of", report.on_behalf_of),
        ("mail from", "<>" if report.envelope_sender == "" else report.envelope_sender),
        ("subject", report.subject),
        ("message id", report.message_id),
        ("label", report.label),
        ("mailbox", report.mailbox),
        ("sent", report.sent_utc),
        ("received", report.received_utc),
    ]
    lines = [printable(str(item.source))]
    lines += [f"  {label:<13}{printable(value)}" for label, value in rows if value]
    lines.append(f"  {'recipients':<13}{len(report.recipients)}{_CAVEATS[parsed.recipients_from]}")
    lines += _tree(report.recipients)
    lines.append("  parts")
    for part in parsed.parts:
        line = f"    {part.kind:<10}{printable(part.media_type):<20}{part.size:>10} bytes at {part.offset}"
        if part.kind in ("original", "decrypted"):
            line += f"  sha256 {hashlib.sha256(part.content).hexdigest()}"
        lines.append(line)
    defects = defects_of(item)
    lines.append(f"  {'oddities':<13}{len(defects) or 'none'}")
    lines += [
        f"    {printable(f'{defect.code} {defect.detail}'.strip())} (offset {defect.offset})" for defect in defects
    ]
    unparsed = "\n".join(parsed.unparsed).split("\n") if parsed.unparsed else []
    if unparsed:
        lines.append(f"  {'not read':<13}{len(unparsed)} lines of the report text")
        lines += [f"    {printable(line)}" for line in unparsed]
    return "\n".join(lines)


_CAVEATS: Final = {
    Evidence.ENVELOPE: "",
    Evidence.UNMARKED: ", of a report without a marker, which anyone can send",
    Evidence.HEADER: ", as the message's own header claims",
}


def _tree(recipients: Sequence[Recipient]) -> list[str]:
    """Format recipients in their order, with the members of a list and the targets of a forwarding below it."""
    branches: dict[str, list[Recipient]] = {}
    for recipient in recipients:
        through = [
            f"{word} {address}"
            for word, address in (("list", recipient.expanded_from), ("forwarded by", recipient.forwarded_from))
            if address is not None
        ]
        branches.setdefault(", ".join(through), []).append(recipient)
    lines = [_leaf("    ", recipient) for recipient in branches.pop("", [])]
    for through_list, members in branches.items():
        lines.append(f"    {printable(through_list)}")
        lines += [_leaf("      ", member) for member in members]
    return lines


def _leaf(indent: str, recipient: Recipient) -> str:
    name = f"  ({recipient.display_name})" if recipient.display_name else ""
    return f"{indent}{recipient.role:<10}{printable(recipient.address + name)}"
