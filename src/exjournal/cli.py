"""The command `exjournal`: the public functions over files and pipes.

Data goes to standard output, talk to standard error. Exit status: 0 fine, 1 found something (check: a defect or no report; the
others: an item failed), 2 wrong usage or an unreadable file. One bad file is named with its reason and never ends the run.
"""

import argparse
import contextlib
import errno
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
from typing import Final, NoReturn

from exjournal import (
    RESTORE_HEADERS,
    BuildError,
    DefectCode,
    Envelope,
    Evidence,
    InvalidValue,
    JournalReport,
    ParsedReport,
    ParseError,
    Recipient,
    ReportFormat,
    Role,
    Undeliverable,
    address_key,
    build_report,
    mailbox_key,
    matching_headers,
    parse_report,
    report_for,
    strip_headers,
    unwrap_undeliverable,
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


# A local part may hold an equals sign, and in quotes anything; a domain may not.
_MEMBER_OF = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^"@])*@[^=]*|[^=]*)=(.+)')


def main(arguments: Sequence[str] | None = None, /) -> int:
    """Run the command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A name or subject that the terminal's charset lacks is shown escaped; it never ends the run.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            options = _parser().parse_args(arguments)
            run: Callable[[argparse.Namespace], int] = options.run
            return run(options)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except OSError as error:
        # Files tell of their own errors: this one is of standard output.
        _discard_output()
        return _unreadable("standard output", error)
    except KeyboardInterrupt:
        return INTERRUPTED


def _discard_output() -> None:
    """Let the interpreter's last flush succeed: what is still buffered has nowhere to go."""
    with contextlib.suppress(AttributeError, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Version(argparse.Action):
    """The version, looked up only when it is asked for: a copy that is not installed has none."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"exjournal {version('exjournal')}")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are fit for a terminal: a shell may have put the names of files among the options."""

    def error(self, message: str) -> NoReturn:
        super().error(_shown(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="exjournal", description="Read and write Microsoft Exchange journal reports.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    _add_build(verbs)
    parse = _add_reader(verbs, "parse", _parse, "show what reports say and hold")
    parse.add_argument("--json", action="store_true", help="one JSON object a line for each report")
    unwrap = _add_reader(verbs, "unwrap", _unwrap, "write the originals out, byte for byte")
    unwrap.add_argument(
        "--out", required=True, metavar="DIR", help="folder for NAME.original.eml files; - for standard output"
    )
    unwrap.add_argument("--force", action="store_true", help="overwrite files that are there")
    unwrap.add_argument(
        "--clean",
        action="store_true",
        help="take report markers, processed stamps and an organisation's own header fields out of the originals; tells which",
    )
    unwrap.add_argument(
        "--undeliverable",
        action="store_true",
        help="the files are bounces: write the reports inside them as ID.eml, and tell who refused them and why",
    )
    check = _add_reader(verbs, "check", _check, "tell whether files are reports, and what is odd about them")
    check.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    return parser


def _add_reader(
    verbs: "argparse._SubParsersAction[_Parser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=summary.capitalize() + ".")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a report; - for standard input")
    parser.add_argument(
        "--format",
        choices=list(map(str, ReportFormat)),
        help="read as this format: for reports that lost their marker header, and for copies, which have none",
    )
    parser.set_defaults(run=run)
    return parser


def _add_build(verbs: "argparse._SubParsersAction[_Parser]") -> None:
    parser = verbs.add_parser(
        "build",
        help="write a report round a message",
        description="Write a journal report round a message.",
        epilog=_EXPLICIT_ENVELOPE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("message", nargs="?", default="-", metavar="MESSAGE", help="the original; standard input without it, or for -")
    add(
        "--format",
        choices=list(map(str, ReportFormat)),
        default=str(ReportFormat.ENVELOPE),
        help="what to write; envelope without it",
    )
    add("--domain", help="domain of the system sender, the organisation's default domain; the envelope format needs it")
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
    add("--correct-marker", action="store_true", help="spell the marker of envelope-2003 right; Exchange 2003 did not")
    add("--bcc-all", action="store_true", help="name every recipient in the Bcc field of the bcc format")
    add("--report-id", metavar="ID", help="the report's own Message-ID, in angle brackets; derived without it")
    add("--date", metavar="ISO", help="when the report was made, with a time zone; now without it")
    add("--out", default="-", metavar="FILE", help="where the report goes; standard output without it, or for -")
    add("--force", action="store_true", help="overwrite FILE where it is there")
    parser.set_defaults(run=_build)


def _build(options: argparse.Namespace) -> int:
    if options.format == ReportFormat.ENVELOPE and options.domain is None:
        return _usage("domain: is required: the domain of the system sender")
    if options.message == options.decrypted == "-":
        return _usage("decrypted: standard input is the message already")
    try:
        recipients = _recipients(options)
        # Only a client that logged in can have said what is To, Cc and Bcc.
        trusted = bool(options.to or options.cc or options.bcc)
        sender = "" if options.sender in (None, "<>") else options.sender
        # The message-only format names nobody, so nobody need be named for it.
        is_nobody = not recipients and options.format == ReportFormat.MESSAGE_ONLY
        envelope = None if is_nobody else Envelope(sender, recipients, authenticated=trusted)
        date = None if options.date is None else datetime.fromisoformat(options.date)
    except InvalidValue as error:
        return _usage(str(error))
    except ValueError:
        return _usage("date: is no ISO 8601 date")
    contents = []
    for name in (options.message, options.decrypted):
        try:
            contents.append(None if name is None else _read(name))
        except OSError as error:
            return _unreadable(name, error)
    original, decrypted = contents
    if envelope is None:
        report = JournalReport(sender=sender, recipients=())
    else:
        # The roles are the caller's own, not those that the message claims.
        report = replace(report_for(original or b"", envelope), recipients=tuple(recipients))
    if options.sender is None:
        report = replace(report, envelope_sender=None)
    try:
        data = build_report(
            report,
            original,
            domain=options.domain,
            format=ReportFormat(options.format),
            decrypted=decrypted,
            date=date,
            report_id=options.report_id,
            internal=options.internal,
            correct_marker=options.correct_marker,
            bcc_all=options.bcc_all,
        )
    except BuildError as error:
        return _usage(str(error))
    if options.out == "-":
        _put(data)
        return FINE
    return _write(Path(options.out), data, force=options.force)


def _recipients(options: argparse.Namespace) -> list[Recipient]:
    """The recipients of the command line; lists that were expanded give way to their members, who take the list's role."""
    given: dict[str, Recipient] = {}
    for role in Role:
        for address in getattr(options, role.lower()):
            given.setdefault(address_key(address), Recipient(address, role))
    pairs: list[tuple[str, str]] = []
    for pair in options.expanded:
        found = _MEMBER_OF.fullmatch(pair)
        if found is None:
            raise InvalidValue("expanded", "is not of the form MEMBER=LIST")
        if found.groups() not in pairs:
            pairs.append((found[1], found[2]))
    # Which list a mailbox was reached through first, and the role that each mailbox was given.
    through = {mailbox_key(member): mailbox_key(name) for member, name in reversed(pairs)}
    roles = {mailbox_key(recipient.address): recipient.role for recipient in reversed(given.values())}
    members = []
    for member, name in pairs:
        key: str | None = mailbox_key(member)
        seen: set[str] = set()
        while key is not None and key not in roles and key not in seen:
            seen.add(key)
            key = through.get(key)
        members.append(Recipient(member, roles.get(key or "", Role.RECIPIENT), expanded_from=name))
    gone = {mailbox_key(name) for member, name in pairs if mailbox_key(member) != mailbox_key(name)}
    reached = gone | through.keys()
    return [one for one in given.values() if mailbox_key(one.address) not in reached] + [
        one for one in members if mailbox_key(one.address) not in gone
    ]


def _parse(options: argparse.Namespace) -> int:
    status = FINE
    for name, found in _reports(options):
        if isinstance(found, ParsedReport):
            _put_line(_json(name, found) if options.json else _view(name, found))
        else:
            status = max(status, _told(name, found))
    return status


def _unwrap(options: argparse.Namespace) -> int:
    if options.out == "-" and len(options.files) > 1:
        return _usage("--out -: takes one file only")
    if options.undeliverable:
        for name in ("clean", "force", "format"):
            if getattr(options, name):
                return _usage(f"--{name}: has no use with --undeliverable, which writes reports as they are")
        return _rescue(options)
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
        truncated = any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in found.defects)
        if truncated:
            _say(f"{name}: the original is perhaps truncated")
        content: bytes | memoryview = found.original
        removed: Counter[str] = Counter()
        if options.clean:
            try:
                removed.update(matching_headers(content, RESTORE_HEADERS))
                content = strip_headers(content, RESTORE_HEADERS)
            except ParseError as error:
                _say(f"{name}: the original cannot be cleaned: {error}")
                status = max(status, FOUND)
                continue
        if options.out == "-":
            _put(content)
            _tell_removed(name, removed)
            continue
        target = folder / f"{'stdin' if name == '-' else Path(name).stem}.original.eml"
        if target in written:
            # Two inputs of one name must not end as one file, whatever was said of overwriting.
            _say(f"{name}: {target} is for another file of this run")
            status = max(status, FOUND)
            continue
        written.add(target)
        if truncated and options.force and target.exists():
            _say(f"{target}: is there already, and a perhaps truncated original does not replace it")
            status = max(status, FOUND)
            continue
        result = _write(target, content, force=options.force)
        if result == FINE:
            _tell_removed(name, removed)
        status = max(status, result)
    return status


def _tell_removed(name: str, removed: Counter[str]) -> None:
    for field, count in removed.items():
        _say(f"{name}: removed {field}" + (f" ({count})" if count > 1 else ""))


def _rescue(options: argparse.Namespace) -> int:
    """Write the reports out of bounces, and tell how many there were, and which journal mailbox refused them and why."""
    folder = None if options.out == "-" else _Folder(Path(options.out))
    ends: Counter[str] = Counter()
    refused: dict[tuple[str, str, str], Counter[str]] = {}
    status = FINE
    try:
        for name in options.files:
            try:
                found = unwrap_undeliverable(_read(name))
            except OSError as error:
                status = max(status, _told(name, error))
                ends["unreadable"] += 1
                continue
            except ParseError as error:
                status = max(status, _told(name, error))
                ends["without a report"] += 1
                continue
            told = {
                (one.recipient or one.original_recipient or "?", one.action, one.status, one.diagnostic)
                for one in found.status
            }
            for mailbox, action, code, answer in told:
                refused.setdefault((mailbox, action, code), Counter())[answer] += 1
            for warning in _warnings(found):
                _say(f"{name}: {warning}")
                status = max(status, FOUND)
            if found.report is None:
                ends["with a header only"] += 1
            elif folder is None:
                _put(found.report)
                ends["written"] += 1
            else:
                result, end = folder.add(name, _file_name(found.report_id), found.report)
                status = max(status, result)
                ends[end] += 1
    finally:
        # After an interrupt as well: what was written so far is written.
        for line in _summary(len(options.files), ends, refused):
            if folder is None:
                _say(line)
            else:
                _put_line(_shown(line))
    return status


def _warnings(found: Undeliverable) -> Iterator[str]:
    """What the one who sends a report again should know before."""
    if found.report is None:
        yield f"holds only the header of {f'the report {found.report_id}' if found.report_id else 'a report without an id'}"
        return
    truncated = any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in found.defects)
    yield from (
        f"{defect.code} at offset {defect.offset}"
        for defect in found.defects
        if defect.code is not DefectCode.PERHAPS_TRUNCATED
    )
    try:
        truncated |= any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in parse_report(found.report).defects)
    except ParseError as error:
        yield f"the report inside does not parse: {error}"
    if truncated:
        yield "the report inside is perhaps truncated"
    if found.status and not any(one.action in ("failed", "") for one in found.status):
        yield "the report is not refused (yet): sent again it may arrive twice"


class _Folder:
    """A folder of rescued reports: none replaces another, and the same bytes are there once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # The digests of the files of each name, as far as they were looked at: NAME.eml, NAME-2.eml, and so on.
        self._known: dict[str, list[str]] = {}

    def add(self, source: str, name: str, data: bytes) -> tuple[int, str]:
        """Write a report under the first free of its names; the exit status that it makes, and how it ended."""
        digest = hashlib.sha256(data).hexdigest()
        known = self._known.setdefault(name, [])
        if digest in known:
            return FINE, "there already"
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return _unreadable(str(self._path), error), "not written"
        while True:
            number = len(known) + 1
            target = self._path / (f"{name}.eml" if number == 1 else f"{name}-{number}.eml")
            try:
                target.touch(exist_ok=False)  # one step, so that of two writers one is refused
            except FileExistsError:
                try:
                    # What is no file has a name as well, and no bytes.
                    known.append(hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else "")
                except OSError as error:
                    return _unreadable(str(target), error), "not written"
                if known[-1] == digest:
                    return FINE, "there already"
                continue
            except OSError as error:
                return _unreadable(str(target), error), "not written"
            status = UNREADABLE
            try:
                status = _write(target, data, force=True)
            finally:
                if status != FINE:
                    with contextlib.suppress(OSError):
                        target.unlink()
            if status != FINE:
                return status, "not written"
            if any(known):
                _say(f"{source}: is written to {target}, as another report has the same id")
            known.append(digest)
            return FINE, "written"


# Characters of a file's name: every file system takes so many, with a number and an extension behind them.
_NAME_LIMIT: Final = 150


def _file_name(report_id: str) -> str:
    """A report's id as the name of a file: with nothing in it that leads elsewhere, is hidden, or reads like an option."""
    name = re.sub(r"[^A-Za-z0-9@._-]", "_", report_id.strip("<>"))[:_NAME_LIMIT].strip("._-")
    return name or "report-without-id"


# Lines of a summary, and characters of a server's answer.
_REFUSAL_LIMIT: Final = 100
_ANSWER_LIMIT: Final = 200


def _summary(count: int, ends: Counter[str], refused: dict[tuple[str, str, str], Counter[str]]) -> Iterator[str]:
    """How the bounces ended; then a line for each mailbox, action and code: how many times, and one of the answers."""
    counted = ", ".join([f"{number} {end}" for end, number in ends.items()])
    if count > 1:
        yield f"{count} bounces: {counted or 'none read'}"
    ordered = sorted(refused.items(), key=lambda item: (-item[1].total(), item[0]))
    for (mailbox, action, code), answers in ordered[:_REFUSAL_LIMIT]:
        answer = min(answers, key=lambda one: (-answers[one], one))
        if len(answer) > _ANSWER_LIMIT:
            answer = answer[:_ANSWER_LIMIT] + "…"
        others = f"(one of {len(answers)} answers)" if len(answers) > 1 else ""
        words = (f"{answers.total():>6}", mailbox[:_ANSWER_LIMIT], action, code, answer, others)
        yield "  ".join([word for word in words if word])
    if len(ordered) > _REFUSAL_LIMIT:
        yield f"and {len(ordered) - _REFUSAL_LIMIT} more mailboxes and codes"


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
        _put_line(json.dumps(result) if options.json else line)
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
    if name != "-":
        return Path(name).read_bytes()
    if sys.stdin is None:
        raise OSError(errno.EBADF, "there is no standard input")
    return sys.stdin.buffer.read()


def _put(data: bytes | memoryview) -> None:
    """Write to standard output, whole: a stream without a buffer may take a part, and say so by its result alone."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "there is none")
    rest = memoryview(data)
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) or 0 :]


def _put_line(line: str) -> None:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "there is none")
    print(line)


def _write(path: Path, data: bytes | memoryview, *, force: bool) -> int:
    """Write a file whole or not at all; one that is there stays, unless `force`."""
    # A name of a length of its own: the file's may be as long as names can be.
    part = path.parent / f".exjournal-{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _unreadable(str(path), error)
    try:
        if path.exists() and not path.is_file():
            _say(f"{path}: is there already, and no file")
            return FOUND
        if not force:
            path.touch(exist_ok=False)  # one step, so that of two writers one is refused
    except FileExistsError:
        _say(f"{path}: is there already (--force overwrites it)")
        return FOUND
    except OSError as error:
        return _unreadable(str(path), error)
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            if not force:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            return _unreadable(str(path), error)
        raise
    return FINE


def _told(name: str, error: ParseError | OSError) -> int:
    """Name a file that could not be used, with the reason, and return the exit status that it makes."""
    if isinstance(error, OSError):
        return _unreadable(name, error)
    _say(f"{name}: {error}")
    return FOUND


def _unreadable(name: str, error: OSError) -> int:
    _say(f"{name}: {error.strerror or error}")
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
    lines = [_shown(name)]
    lines += [f"  {label:<13}{_shown(value)}" for label, value in rows if value]
    claimed = ", as the message's own header claims" if found.recipients_from is Evidence.HEADER else ""
    lines.append(f"  {'recipients':<13}{len(report.recipients)}{claimed}")
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
