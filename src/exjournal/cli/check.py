"""The verb `check`: whether messages are reports, and their defects."""

import argparse
import json
from collections import Counter

from exjournal import ArchivedReport, Seal, verify_seal
from exjournal.cli.output import FINE, FOUND, printable, put_line, shown
from exjournal.cli.reading import Archive, add_reader, defects_of
from exjournal.cli.secrets import add_secret_files, secrets_of
from exjournal.cli.usage import Verbs


def add(verbs: Verbs) -> None:
    """Add the verb to the command."""
    parser = add_reader(
        verbs,
        "check",
        _check,
        "say whether messages are reports, and list their defects",
        example="report.eml",
        page="docs/reference/defects.md",
    )
    parser.add_argument("--json", action="store_true", help="write one line of JSON for each message")
    add_secret_files(parser, "to verify the seals of the reports")


def _check(options: argparse.Namespace, archive: Archive) -> int:
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    status = FINE
    for entry in archive.entries():
        item = entry.item
        status = max(status, entry.status)
        result: dict[str, object] = {
            "file": shown(entry.file),
            "source": item.source.to_dict(),
            "report": False,
            "format": None,
            "marker": None,
            "defects": [],
            "seal": None,
            "code": None,
            "offset": None,
        }
        if isinstance(item, ArchivedReport):
            parsed = item.parsed
            codes = Counter(str(defect.code) for defect in defects_of(item))
            result |= {"report": True, "format": str(parsed.format), "marker": parsed.marker}
            result["defects"] = [{"code": code, "count": count} for code, count in sorted(codes.items())]
            oddities = ", ".join(code if count == 1 else f"{code} ({count})" for code, count in sorted(codes.items()))
            line = (
                f"{printable(str(item.source))}: report, {parsed.format}, {parsed.marker}: {oddities or 'no defects'}"
            )
            if codes:
                status = max(status, FOUND)
            if secrets:
                bounced = None if item.undeliverable is None else item.undeliverable.report
                seal = verify_seal(item.octets if bounced is None else bounced, secrets=secrets)
                result["seal"] = str(seal)
                line += f", seal {seal}"
                if seal is not Seal.VALID:
                    status = max(status, FOUND)
        elif item.octets is None or isinstance(reason := archive.reason(item), OSError):
            archive.pass_over(entry, item)
            continue
        else:
            line = f"{printable(str(item.source))}: not a report: {reason}"
            result |= {"code": str(reason.code), "offset": reason.offset}
        put_line(json.dumps(result) if options.json else line)
    return status
