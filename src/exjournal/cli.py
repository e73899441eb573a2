"""The command `exjournal`: the public functions over files and pipes.

Data goes to standard output, talk to standard error. Exit status: 0 fine, 1 found something (check: a defect or no report; the
others: an item failed), 2 wrong usage or an unreadable file. One bad file is named with its reason and never ends the run.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from exjournal import (
    BuildError,
    DefectCode,
    Envelope,
    InvalidValue,
    ParsedReport,
    ParseError,
    Recipient,
    ReportFormat,
    Role,
    build_report,
    parse_report,
    report_for,
)

FINE: Final = 0
FOUND: Final = 1
UNREADABLE: Final = 2
# As the shell reports a program that a signal ended.
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141

_EXPLICIT_ENVELOPE: Final = """\
Send the report only with an explicit SMTP envelope: RCPT TO the journal mailbox, MAIL FROM the
alternate journaling mailbox. Its To, Cc and From are those of the original, so anything that reads
recipients off the header (sendmail -t, smtplib's send_message, a pickup folder) sends the report, with
its list of Bcc recipients, to the people the original was addressed to."""


# A local part may hold an equals sign, a domain may not.
_MEMBER_OF = re.compile(r"([^@]*@[^=]*|[^=]*)=(.+)")


def main(arguments: Sequence[str] | None = None, /) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        # A name or subject that the terminal's charset lacks is shown escaped; it never ends the run.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has had enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="exjournal", description="Read and write Microsoft Exchange journal reports.")
    parser.add_argument("--version", action="version", version=f"exjournal {version('exjournal')}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    _add_build(verbs)
    parse = _add_reader(verbs, "parse", _parse, "show what reports say and hold")
    parse.add_argument("--json", action="store_true", help="one JSON object a line for each report")
    unwrap = _add_reader(verbs, "unwrap", _unwrap, "write the originals out, byte for byte")
    unwrap.add_argument(
        "--out", required=True, metavar="DIR", help="folder for NAME.original.eml files; - for standard output"
    )
    unwrap.add_argument("--force", action="store_true", help="overwrite files that are there")
    check = _add_reader(verbs, "check", _check, "tell whether files are reports, and what is odd about them")
    check.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    return parser


def _add_reader(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=summary.capitalize() + ".")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a report; - for standard input")
    parser.add_argument(
        "--format",
        choices=[str(ReportFormat.ENVELOPE)],
        help="read as this format, for reports that lost their marker header",
    )
    parser.set_defaults(run=run)
    return parser


def _add_build(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = verbs.add_parser(
        "build",
        help="write a report round a message",
        description="Write a journal report round a message.",
        epilog=_EXPLICIT_ENVELOPE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("message", nargs="?", default="-", metavar="MESSAGE", help="the original; standard input without it, or for -")
    add("--domain", required=True, help="domain of the system sender: the organisation's default domain")
    add("--sender", metavar="ADDRESS", help="MAIL FROM of the original, <> for the null sender; unknown without it")
    for role, meaning in (
        ("to", "a recipient that a trusted client addressed in To"),
        ("cc", "the same in Cc"),
        ("bcc", "the same in Bcc"),
        ("recipient", "a recipient of whom nothing more is known"),
    ):
        add(f"--{role}", action="append", default=[], metavar="ADDRESS", help=f"{meaning}; may be repeated")
    add(
        "--expanded",
        action="append",
        default=[],
        metavar="MEMBER=LIST",
        help="a recipient reached by expanding a distribution list; takes the list's role where that is given; may be repeated",
    )
    add("--decrypted", metavar="FILE", help="the readable copy of a rights-protected message")
    add("--internal", action="store_true", help="for the organisation's own transport: its marker and MustDeliver")
    add("--report-id", metavar="ID", help="the report's own Message-ID, in angle brackets; derived without it")
    add("--date", metavar="ISO", help="when the report was made, with a time zone; now without it")
    add("--out", default="-", metavar="FILE", help="where the report goes; standard output without it, or for -")
    add("--force", action="store_true", help="overwrite FILE where it is there")
    parser.set_defaults(run=_build)


def _build(options: argparse.Namespace) -> int:
    try:
        envelope = Envelope(
            "" if options.sender in (None, "<>") else options.sender,
            _recipients(options),
            # Only a client that logged in can have said what is To, Cc and Bcc.
            authenticated=bool(options.to or options.cc or options.bcc),
        )
        date = None if options.date is None else datetime.fromisoformat(options.date)
    except InvalidValue as error:
        return _usage(str(error))
    except ValueError:
        return _usage("--date: is no ISO 8601 date")
    try:
        original = _read(options.message)
        decrypted = None if options.decrypted is None else _read(options.decrypted)
    except OSError as error:
        return _unreadable(error)
    report = report_for(original, envelope)
    if options.sender is None:
        report = replace(report, envelope_sender=None)
    try:
        data = build_report(
            report,
            original,
            domain=options.domain,
            decrypted=decrypted,
            date=date,
            report_id=options.report_id,
            internal=options.internal,
        )
    except BuildError as error:
        return _usage(str(error))
    if options.out == "-":
        sys.stdout.buffer.write(data)
        return FINE
    return _write(Path(options.out), data, force=options.force)


def _recipients(options: argparse.Namespace) -> list[Recipient]:
    """The recipients of the command line, each once; a list that was expanded gives its members its role and its place."""
    roles: dict[str, Role] = {}
    for role in Role:
        for address in getattr(options, role.lower()):
            roles.setdefault(address, role)
    lists: dict[str, str] = {}
    for pair in options.expanded:
        found = _MEMBER_OF.fullmatch(pair)
        if found is None:
            raise InvalidValue("--expanded", "is not of the form MEMBER=LIST")
        lists[found[1]] = found[2]
    recipients = [
        Recipient(address, role, expanded_from=lists.get(address))
        for address, role in roles.items()
        if address not in lists.values() or address in lists
    ]
    recipients += [
        Recipient(member, roles.get(name, Role.RECIPIENT), expanded_from=name)
        for member, name in lists.items()
        if member not in roles
    ]
    return recipients


def _parse(options: argparse.Namespace) -> int:
    status = FINE
    for name, found in _reports(options):
        if isinstance(found, ParsedReport):
            print(_json(name, found) if options.json else _view(name, found))
        else:
            status = max(status, _told(name, found))
    return status


def _unwrap(options: argparse.Namespace) -> int:
    if options.out == "-" and len(options.files) > 1:
        return _usage("--out -: takes one file only")
    folder = Path(options.out)
    written: set[Path] = set()
    status = FINE
    for name, found in _reports(options):
        if not isinstance(found, ParsedReport):
            status = max(status, _told(name, found))
            continue
        if found.original is None:
            _say(f"{name}: the report holds no original")
            status = max(status, FOUND)
            continue
        if any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in found.defects):
            _say(f"{name}: the original is perhaps truncated")
        if options.out == "-":
            sys.stdout.buffer.write(found.original)
            continue
        target = folder / f"{'stdin' if name == '-' else Path(name).stem}.original.eml"
        # Two inputs of one name must not end as one file, whatever was said of overwriting.
        status = max(status, _write(target, found.original, force=options.force and target not in written))
        written.add(target)
    return status


def _check(options: argparse.Namespace) -> int:
    status = FINE
    for name, found in _reports(options):
        if isinstance(found, OSError):
            status = max(status, _told(name, found))
            continue
        if isinstance(found, ParseError):
            result: dict[str, object] = {"file": name, "report": False, "code": str(found.code), "offset": found.offset}
            line = f"{_shown(name)}: no report: {found}"
        else:
            codes = Counter(str(defect.code) for defect in found.defects)
            result = {"file": name, "report": True, "format": str(found.format), "marker": found.marker}
            result["defects"] = dict(sorted(codes.items()))
            told = ", ".join(code if count == 1 else f"{code} ({count})" for code, count in sorted(codes.items()))
            line = f"{_shown(name)}: report, {found.format}, {found.marker}: {told or 'no defects'}"
        if isinstance(found, ParseError) or found.defects:
            status = max(status, FOUND)
        print(json.dumps(result) if options.json else line)
    return status


def _reports(options: argparse.Namespace) -> Iterator[tuple[str, ParsedReport | ParseError | OSError]]:
    """Each named file with the report in it, or with what was wrong."""
    format_ = None if options.format is None else ReportFormat(options.format)
    for name in options.files:
        try:
            yield name, parse_report(_read(name), format=format_)
        except (ParseError, OSError) as error:
            yield name, error


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _write(path: Path, data: bytes | memoryview, *, force: bool) -> int:
    """Write a file whole or not at all; one that is there stays, unless `force`."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not force:
            path.touch(exist_ok=False)  # one step, so that of two writers one is refused
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            if not force:
                path.unlink(missing_ok=True)
            raise
    except FileExistsError:
        _say(f"{path}: is there already (--force overwrites it)")
        return FOUND
    except OSError as error:
        return _unreadable(error)
    return FINE


def _told(name: str, error: ParseError | OSError) -> int:
    """Name a file that could not be used, with the reason, and return the exit status that it makes."""
    if isinstance(error, OSError):
        return _unreadable(error)
    _say(f"{name}: {error}")
    return FOUND


def _unreadable(error: OSError) -> int:
    _say(f"{error.filename or '-'}: {error.strerror or error}")
    return UNREADABLE


def _usage(reason: str) -> int:
    _say(f"exjournal: {reason}")
    return UNREADABLE


def _say(line: str) -> None:
    print(_shown(line), file=sys.stderr)


def _shown(text: str) -> str:
    """Text of a message or a file name as it may go to a terminal: nothing in it moves the cursor."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text])


def _json(name: str, found: ParsedReport) -> str:
    result = {"file": name, **found.to_dict()}
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
        ("sender", report.sender or "<>"),
        ("on behalf of", report.on_behalf_of),
        ("mail from", "<>" if report.envelope_sender == "" else report.envelope_sender),
        ("subject", report.subject),
        ("message id", report.message_id),
        ("label", report.label),
        ("mailbox", report.mailbox),
        ("sent", report.sent_utc),
        ("received", report.received_utc),
    ]
    lines = [_shown(name)]
    lines += [f"  {label:<13}{_shown(value)}" for label, value in rows if value]
    lines.append(f"  {'recipients':<13}{len(report.recipients)}")
    lines += _tree(report.recipients)
    lines.append("  parts")
    for part in found.parts:
        line = f"    {part.kind:<10}{_shown(part.media_type):<20}{part.size:>10} octets at {part.offset}"
        if part.kind in ("original", "decrypted"):
            line += f"  sha256 {hashlib.sha256(part.content).hexdigest()}"
        lines.append(line)
    lines.append(f"  {'oddities':<13}{len(found.defects) or 'none'}")
    lines += [
        f"    {_shown(f'{defect.code} {defect.detail}'.strip())} (offset {defect.offset})" for defect in found.defects
    ]
    if found.unparsed:
        lines.append(f"  {'not read':<13}{len(found.unparsed)} lines of the report text")
        lines += [f"    {_shown(unread)}" for unread in found.unparsed]
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
        lines.append(f"    {_shown(through_list)}")
        lines += [_leaf("      ", member) for member in members]
    return lines


def _leaf(indent: str, recipient: Recipient) -> str:
    name = f"  ({recipient.display_name})" if recipient.display_name else ""
    return f"{indent}{recipient.role:<10}{_shown(recipient.address + name)}"
