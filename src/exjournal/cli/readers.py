"""The verbs `parse` and `check`, which only look at reports; and what they share with other verbs that read reports.

Such a verb takes files and a format, and goes through them with one iterator, which hands out errors in the place of reports.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from exjournal import (
    Evidence,
    ParsedReport,
    ParseError,
    Recipient,
    ReportFormat,
    Seal,
    parse_report,
    verify_seal,
)
from exjournal.cli.output import FINE, FOUND, put_line, read, shown, told, usage
from exjournal.cli.secrets import add_secret_files, secrets_of


def add_parse(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb `parse` to the command."""
    parser = add_reader(verbs, "parse", _parse, "show what reports say and hold")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each report")
    parser.add_argument(
        "--identity", action="store_true", help="with --json: add the keys by which reports are compared and merged"
    )


def add_check(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb `check` to the command."""
    parser = add_reader(verbs, "check", _check, "tell whether files are reports, and what is odd about them")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    add_secret_files(parser, "by which the seals of the reports are verified")


def add_reader(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    """Add a verb that reads reports to the command; the caller adds what is the verb's own."""
    parser = verbs.add_parser(name, help=summary, description=summary.capitalize() + ".")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a report; - for standard input")
    parser.add_argument(
        "--format",
        choices=list(map(str, ReportFormat)),
        help="read as this format: for reports that lost their marker header, and for copies, which have none",
    )
    parser.set_defaults(run=run)
    return parser


def reports(options: argparse.Namespace) -> Iterator[tuple[str, ParsedReport | ParseError | OSError, bytes]]:
    """Each named file with the report in it, or with what was wrong, and with its octets."""
    format_ = None if options.format is None else ReportFormat(options.format)
    for name in options.files:
        data = b""
        try:
            data = read(name)
            yield name, parse_report(data, format=format_), data
        except (ParseError, OSError) as error:
            yield name, error, data


def _parse(options: argparse.Namespace) -> int:
    if options.identity and not options.json:
        return usage("--identity: belongs to --json")
    status = FINE
    for name, found, _ in reports(options):
        if isinstance(found, ParsedReport):
            put_line(_json(name, found, identity=options.identity) if options.json else _view(name, found))
        else:
            status = max(status, told(name, found))
    return status


def _check(options: argparse.Namespace) -> int:
    status = FINE
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    for name, found, data in reports(options):
        if isinstance(found, OSError):
            status = max(status, told(name, found))
            continue
        if isinstance(found, ParseError):
            result: dict[str, object] = {"file": name, "report": False, "code": str(found.code), "offset": found.offset}
            line = f"{shown(name)}: no report: {found}"
        else:
            codes = Counter(str(defect.code) for defect in found.defects)
            result = {"file": name, "report": True, "format": str(found.format), "marker": found.marker}
            result["defects"] = dict(sorted(codes.items()))
            oddities = ", ".join(code if count == 1 else f"{code} ({count})" for code, count in sorted(codes.items()))
            line = f"{shown(name)}: report, {found.format}, {found.marker}: {oddities or 'no defects'}"
            if secrets:
                seal = verify_seal(data, secrets=secrets)
                result["seal"] = str(seal)
                line += f", seal {seal}"
                if seal is not Seal.VALID:
                    status = max(status, FOUND)
        if isinstance(found, ParseError) or found.defects:
            status = max(status, FOUND)
        put_line(json.dumps(result) if options.json else line)
    return status


def _json(name: str, found: ParsedReport, *, identity: bool) -> str:
    result = {"file": name, **found.to_dict(identity=identity)}
    for key, content in (("original", found.original), ("decrypted", found.decrypted)):
        entry = result[key]
        if isinstance(entry, dict) and content is not None:
            entry["sha256"] = hashlib.sha256(content).hexdigest()
    return json.dumps(result)


def _view(name: str, found: ParsedReport) -> str:
    """The short view for people: who sent, who received and through which list, the parts, the oddities."""
    report = found.report
    rows = [
        ("format", f"{found.format} ({found.marker})"),
        ("report id", found.report_id),
        (
            "sender",
            (report.sender or "<>") + (f"  ({report.sender_display_name})" if report.sender_display_name else ""),
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
    lines = [shown(name)]
    lines += [f"  {label:<13}{shown(value)}" for label, value in rows if value]
    claimed = ", as the message's own header claims" if found.recipients_from is Evidence.HEADER else ""
    lines.append(f"  {'recipients':<13}{len(report.recipients)}{claimed}")
    lines += _tree(report.recipients)
    lines.append("  parts")
    for part in found.parts:
        line = f"    {part.kind:<10}{shown(part.media_type):<20}{part.size:>10} octets at {part.offset}"
        if part.kind in ("original", "decrypted"):
            line += f"  sha256 {hashlib.sha256(part.content).hexdigest()}"
        lines.append(line)
    lines.append(f"  {'oddities':<13}{len(found.defects) or 'none'}")
    lines += [
        f"    {shown(f'{defect.code} {defect.detail}'.strip())} (offset {defect.offset})" for defect in found.defects
    ]
    unread = "\n".join(found.unparsed).split("\n") if found.unparsed else []
    if unread:
        lines.append(f"  {'not read':<13}{len(unread)} lines of the report text")
        lines += [f"    {shown(line)}" for line in unread]
    return "\n".join(lines)


def _tree(recipients: Sequence[Recipient]) -> list[str]:
    """Recipients in their order; those reached through a list or a forwarding below it."""
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
        lines.append(f"    {shown(through_list)}")
        lines += [_leaf("      ", member) for member in members]
    return lines


def _leaf(indent: str, recipient: Recipient) -> str:
    name = f"  ({recipient.display_name})" if recipient.display_name else ""
    return f"{indent}{recipient.role:<10}{shown(recipient.address + name)}"
