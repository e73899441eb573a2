"""`unwrap --undeliverable`: the reports inside bounces, written out so that they can be sent again.

It stands beside the verb `unwrap`, which hands its files over: a report that bounced is named for its id, is never written over
another, and is counted in a summary of which journal mailbox refused how many and why.
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
from exjournal.cli.output import FINE, FOUND, UNREADABLE, put, put_line, say, shown, unreadable, usage, write
from exjournal.cli.reading import Archive
from exjournal.cli.secrets import secrets_of


def rescue(options: argparse.Namespace, archive: Archive) -> int:
    """Write the reports out of bounces, and say how many there were, and which journal mailbox refused them and why."""
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    folder = None if options.out == "-" else _Folder(Path(options.out))
    ends: Counter[str] = Counter()
    refused: dict[tuple[str, str, str], Counter[str]] = {}
    status = FINE
    # For standard output, which takes one report: known only at the end.
    alone: bytes | None = None
    try:
        for entry in archive.entries():
            found = _found(entry.item, archive)
            if not isinstance(found, Undeliverable):
                ends["unreadable" if found.octets is None else "without a report"] += 1
                status = max(status, archive.pass_over(entry, found))
                continue
            refusals = {
                (one.recipient or one.original_recipient or "?", one.action, one.status, one.diagnostic)
                for one in found.status
            }
            for mailbox, action, code, answer in refusals:
                refused.setdefault((mailbox, action, code), Counter())[answer] += 1
            seal = verify_seal(found.report, secrets=secrets) if secrets and found.report is not None else None
            for warning in _warnings(found, entry.item.defects, is_verified=seal is Seal.VALID):
                say(f"{entry.item.source}: {warning}")
                status = max(status, FOUND)
            if seal is not None:
                # Standard output may be the report's.
                line = f"{entry.item.source}: {_SEALS[seal]}"
                if folder is None:
                    say(line)
                else:
                    put_line(shown(line))
                status = status if seal is Seal.VALID else max(status, FOUND)
            if found.report is None:
                ends["with a header only"] += 1
            elif folder is not None:
                name = _file_name(found.report_id)
                result, end = folder.add(str(entry.item.source), name, found.report)
                status = max(status, result)
                ends[end] += 1
                if entry.item.octets is not None and any(
                    defect.code is DefectCode.FOUND_ELSEWHERE for defect in found.defects
                ):
                    # What was found in this way is for people to judge, and the bounce shows them where it was.
                    result, _ = folder.add(str(entry.item.source), f"{name}.bounce", entry.item.octets)
                    status = max(status, result)
            elif alone is not None:
                return usage(f"--out -: {entry.file} holds several reports, and only --out DIR has room for them")
            else:
                alone = found.report
        if alone is not None:
            put(alone)
            ends["written"] += 1
    finally:
        # After an interrupt as well: what was written so far is written.
        for line in _summary(len(archive.files), ends, refused):
            if folder is None:
                say(line)
            else:
                put_line(shown(line))
    return status


def _found(
    item: ArchivedReport | ArchivedMessage | Unreadable, archive: Archive
) -> Undeliverable | ArchivedMessage | Unreadable:
    """What a bounce holds, a report or only the header of one; a report that is not a bounce; or the item, if neither."""
    if isinstance(item, ArchivedReport):
        return item.undeliverable or unwrap_undeliverable(item.octets, format=archive.format)
    if isinstance(item, Unreadable) and item.octets is not None:
        # Only the header of a report, or a report that does not parse: it is sent again all the same.
        with contextlib.suppress(ParseError):
            return unwrap_undeliverable(item.octets, format=archive.format)
    return item


# What the seal of a report shows, by any of the secrets.
_SEALS: Final = {Seal.VALID: "seal verified", Seal.ABSENT: "unsealed", Seal.INVALID: "seal broken"}


def _warnings(found: Undeliverable, archived: tuple[Defect, ...], *, is_verified: bool) -> Iterator[str]:
    """What to know before a report is sent again, also about what its archive may have changed.

    A verified seal proves that the report is complete.
    """
    for defect in found.defects:
        if defect.code is DefectCode.ANOTHER_REPORT:
            yield f"another-report at offset {defect.offset}: the bounce holds another report, which is not written"
    if found.report is None:
        yield f"holds only the header of {f'the report {found.report_id}' if found.report_id else 'a report without an id'}"
        return
    # Those of a bounce are among those of its item.
    defects = dict.fromkeys((*archived, *found.defects))
    truncated = any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in defects)
    for defect in defects:
        if defect.code is DefectCode.FOUND_ELSEWHERE:
            yield f"{defect.code} at offset {defect.offset}: {_PLACES[defect.detail]}"
        elif defect.code not in (DefectCode.PERHAPS_TRUNCATED, DefectCode.ANOTHER_REPORT):
            yield f"{defect.code} at offset {defect.offset}"
    try:
        parsed = found.parsed
        truncated |= parsed is not None and any(
            defect.code is DefectCode.PERHAPS_TRUNCATED for defect in parsed.defects
        )
    except ParseError as error:
        yield f"the report inside does not parse: {error}"
    if truncated and not is_verified:
        yield "the report inside is perhaps truncated"
    if found.status and not any(one.action in ("failed", "") for one in found.status):
        yield "the report is not refused (yet): sent again it may arrive twice"


# Where a report was, by the detail of `found-elsewhere`.
_PLACES: Final = {
    "attached": "the report is attached under another type",
    "mixed": "the copy is in a bounce that is not a multipart/report",
    "text": "the report is in the text of the bounce",
}


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
            return unreadable(str(self._path), error), "not written"
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
                    return unreadable(str(target), error), "not written"
                if known[-1] == digest:
                    return FINE, "there already"
                continue
            except OSError as error:
                return unreadable(str(target), error), "not written"
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
                say(f"{source}: is written to {target}, as another report has the same id")
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


def _summary(files: int, ends: Counter[str], refused: dict[tuple[str, str, str], Counter[str]]) -> Iterator[str]:
    """How the bounces ended; then a line for each mailbox, action and code: how many times, and one of the answers."""
    counts = ", ".join([f"{number} {end}" for end, number in ends.items()])
    if max(files, ends.total()) > 1:
        yield f"{ends.total()} bounces: {counts or 'none read'}"
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
