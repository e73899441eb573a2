"""`unwrap --undeliverable`: extract the reports inside bounces, so that they can be sent again.

The file of a report is named after the report's id and never replaces another one. A summary counts the refusals of each
journal mailbox, with the reasons.
"""

import argparse
import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from exjournal import (
    ArchivedMessage,
    ArchivedReport,
    Defect,
    DefectCode,
    ParseError,
    Seal,
    Undeliverable,
    Unreadable,
    unwrap_undeliverable,
    verify_seal,
)
from exjournal.cli.output import (
    FINE,
    FOUND,
    UNREADABLE,
    printable,
    put,
    put_line,
    report_os_error,
    say,
    usage_error,
    write,
)
from exjournal.cli.reading import Archive
from exjournal.cli.secrets import secrets_of


def rescue(options: argparse.Namespace, archive: Archive) -> int:
    """Extract the reports of bounces, and print a summary of the refusals."""
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    folder = None if options.out == "-" else _Folder(Path(options.out))
    results: Counter[str] = Counter()
    refused: dict[tuple[str, str, str], Counter[str]] = {}
    status = FINE
    # Standard output takes one report, and only the end shows that there is no second one.
    single: bytes | None = None
    try:
        for entry in archive.entries():
            bounce = _unwrapped(entry.item, archive)
            if not isinstance(bounce, Undeliverable):
                results["unreadable" if bounce.octets is None else "without a report"] += 1
                status = max(status, archive.pass_over(entry, bounce))
                continue
            refusals = {
                (
                    refusal.recipient or refusal.original_recipient or "?",
                    refusal.action,
                    refusal.status,
                    refusal.diagnostic,
                )
                for refusal in bounce.status
            }
            for mailbox, action, code, answer in refusals:
                refused.setdefault((mailbox, action, code), Counter())[answer] += 1
            seal = verify_seal(bounce.report, secrets=secrets) if secrets and bounce.report is not None else None
            for warning in _warnings(bounce, entry.item.defects, is_verified=seal is Seal.VALID):
                say(f"{entry.item.source}: {warning}")
                status = max(status, FOUND)
            if seal is not None:
                # The report itself may go to standard output.
                line = f"{entry.item.source}: {_SEALS[seal]}"
                if folder is None:
                    say(line)
                else:
                    put_line(printable(line))
                status = status if seal is Seal.VALID else max(status, FOUND)
            if bounce.report is None:
                results["with a header only"] += 1
            elif folder is not None:
                name = _file_name(bounce.report_id)
                result, end = folder.add(str(entry.item.source), name, bounce.report)
                status = max(status, result)
                results[end] += 1
                if entry.item.octets is not None and any(
                    defect.code is DefectCode.FOUND_ELSEWHERE for defect in bounce.defects
                ):
                    # A person must judge a report from an unusual place, and the bounce shows where it was.
                    result, _ = folder.add(str(entry.item.source), f"{name}.bounce", entry.item.octets)
                    status = max(status, result)
            elif single is not None:
                return usage_error(f"--out - takes only one report, but {entry.file} contains several; use --out DIR")
            else:
                single = bounce.report
        if single is not None:
            put(single)
            results["written"] += 1
    finally:
        # After an interrupt as well, for the reports written so far.
        for line in _summary(len(archive.files), results, refused):
            if folder is None:
                say(line)
            else:
                put_line(printable(line))
    return status


def _unwrapped(
    item: ArchivedReport | ArchivedMessage | Unreadable, archive: Archive
) -> Undeliverable | ArchivedMessage | Unreadable:
    """Unwrap a bounce, or take a report that is not in a bounce as it is; return any other item unchanged."""
    if isinstance(item, ArchivedReport):
        return item.undeliverable or unwrap_undeliverable(item.octets, format=archive.format)
    if isinstance(item, Unreadable) and item.octets is not None:
        # A bounce with only the header of a report, or with a report that does not parse but can be sent again.
        with contextlib.suppress(ParseError):
            return unwrap_undeliverable(item.octets, format=archive.format)
    return item


# How the result of verifying a seal is reported.
_SEALS: Final = {Seal.VALID: "seal verified", Seal.ABSENT: "unsealed", Seal.INVALID: "seal broken"}


def _warnings(bounce: Undeliverable, archived: tuple[Defect, ...], *, is_verified: bool) -> Iterator[str]:
    """Yield warnings to read before a report is sent again; `archived` are defects from its archive.

    A verified seal proves that the report is complete.
    """
    for defect in bounce.defects:
        if defect.code is DefectCode.ANOTHER_REPORT:
            yield f"another-report at offset {defect.offset}: the bounce contains another report, which is not written"
    if bounce.report is None:
        name = f"the report {bounce.report_id}" if bounce.report_id else "a report without an id"
        yield f"contains only the header of {name}"
        return
    # An item repeats the defects of its bounce.
    defects = dict.fromkeys((*archived, *bounce.defects))
    truncated = any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in defects)
    for defect in defects:
        if defect.code is DefectCode.FOUND_ELSEWHERE:
            yield f"{defect.code} at offset {defect.offset}: {_PLACES[defect.detail]}"
        elif defect.code not in (DefectCode.PERHAPS_TRUNCATED, DefectCode.ANOTHER_REPORT):
            yield f"{defect.code} at offset {defect.offset}"
    try:
        parsed = bounce.parsed
        truncated |= parsed is not None and any(
            defect.code is DefectCode.PERHAPS_TRUNCATED for defect in parsed.defects
        )
    except ParseError as error:
        yield f"the report inside does not parse: {error}"
    if truncated and not is_verified:
        yield "the report inside is perhaps truncated"
    if bounce.status and not any(refusal.action in ("failed", "") for refusal in bounce.status):
        yield "the report is not refused (yet): if you send it again, it may arrive twice"


# Where a report was, by the detail of `found-elsewhere`.
_PLACES: Final = {
    "attached": "the report is attached under another type",
    "mixed": "the copy is in a bounce that is not a multipart/report",
    "text": "the report is in the text of the bounce",
}


class _Folder:
    """A folder of extracted reports: no file replaces another, and equal reports share one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # For each name, the digests of its files read so far: NAME.eml, NAME-2.eml, and so on.
        self._known: dict[str, list[str]] = {}

    def add(self, source: str, name: str, data: bytes) -> tuple[int, str]:
        """Write a report under the first free name; return the exit status, and the result for the summary."""
        digest = hashlib.sha256(data).hexdigest()
        known = self._known.setdefault(name, [])
        if digest in known:
            return FINE, "there already"
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return report_os_error(str(self._path), error), "not written"
        while True:
            number = len(known) + 1
            target = self._path / (f"{name}.eml" if number == 1 else f"{name}-{number}.eml")
            try:
                target.touch(exist_ok=False)  # atomic, so that one of two writers fails
            except FileExistsError:
                try:
                    # A folder may have the name, too; it has no bytes.
                    known.append(hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else "")
                except OSError as error:
                    return report_os_error(str(target), error), "not written"
                if known[-1] == digest:
                    return FINE, "there already"
                continue
            except OSError as error:
                return report_os_error(str(target), error), "not written"
            status = UNREADABLE
            try:
                status = write(target, data, force=True)
            finally:
                if status != FINE:
                    with contextlib.suppress(OSError):
                        target.unlink()
            if status != FINE:
                return status, "not written"
            if any(known):
                say(f"{source}: is written to {target}, because another report has the same id")
            known.append(digest)
            return FINE, "written"


# Characters of a file name; with a number and an extension after them, every file system allows this many.
_NAME_LIMIT: Final = 150


def _file_name(report_id: str) -> str:
    """Make a file name from a report's id: without separators, not hidden, and not like an option."""
    name = re.sub(r"[^A-Za-z0-9@._-]", "_", report_id.strip("<>"))[:_NAME_LIMIT].strip("._-")
    return name or "report-without-id"


# The most lines of a summary, and characters of a server's answer in it.
_REFUSAL_LIMIT: Final = 100
_ANSWER_LIMIT: Final = 200


def _summary(files: int, results: Counter[str], refused: dict[tuple[str, str, str], Counter[str]]) -> Iterator[str]:
    """Yield the number of bounces by result, then a line for each mailbox, action and code with one of the answers."""
    counts = ", ".join([f"{number} {end}" for end, number in results.items()])
    if max(files, results.total()) > 1:
        yield f"{results.total()} bounces: {counts or 'none read'}"
    ordered = sorted(refused.items(), key=lambda item: (-item[1].total(), item[0]))
    for (mailbox, action, code), answers in ordered[:_REFUSAL_LIMIT]:
        answer = min(answers, key=lambda text: (-answers[text], text))
        if len(answer) > _ANSWER_LIMIT:
            answer = answer[:_ANSWER_LIMIT] + "…"
        others = f"(one of {len(answers)} answers)" if len(answers) > 1 else ""
        words = (f"{answers.total():>6}", mailbox[:_ANSWER_LIMIT], action, code, answer, others)
        yield "  ".join([word for word in words if word])
    if len(ordered) > _REFUSAL_LIMIT:
        yield f"and {len(ordered) - _REFUSAL_LIMIT} more mailboxes and codes"
