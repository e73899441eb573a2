"""An archive that loses no recipient of any message, and a simulation that tries to make it lose one.

`python archive.py` sends 100,000 reports of 30,000 messages in random order: forks, repeats, truncated copies and forgeries,
with crashes in between. It then compares the archive with the reports that were sent, and exits with 1 if anything differs.
"""

import argparse
import hashlib
import os
import sys
from base64 import encodebytes
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile, TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from exjournal import (
    Evidence,
    Identity,
    JournalReport,
    MergedRecipient,
    MergedReport,
    ParsedReport,
    ParseError,
    Recipient,
    ReportFormat,
    Role,
    SeenStore,
    Sighting,
    SqliteStore,
    build_report,
    identify,
    look_up,
    merge,
    parse_report,
    remember,
)

# The archive


class Folder:
    """Files that are complete or missing, each named after its content."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self.durable = durable
        for name in ("incoming", "reports", "conflicts", "unread"):
            (path / name).mkdir(parents=True, exist_ok=True)
        self._sync(path)

    def put(self, name: str, data: bytes) -> None:
        """Keep a file; repeating it changes nothing."""
        path = self.path / name
        if not path.exists():
            with NamedTemporaryFile(dir=self.path / "incoming", delete=False) as file:
                file.write(data)
                if self.durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(file.name).replace(path)
        self._sync(path.parent)  # also for a file that was there: its process may have died before this

    def _sync(self, path: Path) -> None:
        if self.durable:
            directory = os.open(path, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)


class Archive:
    """Reports in a folder, and a store that remembers them. Several processes may work on both."""

    def __init__(self, folder: Folder, store: SeenStore) -> None:
        self.folder = folder
        self.store = store

    def receive(self, data: bytes, format: ReportFormat | None = None) -> Sighting | None:
        """Archive a report, or a copy with its format; return None for unreadable data, which is kept separately.

        When this returns the mail server may forget the report. If the process dies before, the report comes again.
        """
        try:
            identity = identify(parse_report(data, format=format))
        except ParseError:
            self.folder.put(f"unread/{hashlib.sha256(data).hexdigest()}", data)
            return None
        # A process that dies between two of these steps repeats some of them; in another order a report could be lost.
        known = look_up(identity, self.store)
        if known is not Sighting.DUPLICATE:
            self.archive(identity, data, format)
        if known is Sighting.CONFLICT:
            self.flag(identity)
        answer = remember(identity, self.store)
        if answer is Sighting.CONFLICT and known is not answer:  # another process was quicker since the look-up
            self.flag(identity)
        return answer

    def archive(self, identity: Identity, data: bytes, format: ReportFormat | None) -> None:
        """Keep a report next to the others of its message."""
        content = identity.content_sha256 or identity.report_key
        # A report without a content digest makes no claim on the Message-ID that it names.
        message_id = identity.message_id_sha256 if identity.content_sha256 else None
        name = f"{content}-{message_id}-{hashlib.sha256(data).hexdigest()}.{format or 'eml'}"
        self.folder.put(f"reports/{name}", data)

    def flag(self, identity: Identity) -> None:
        """Flag a message for a person to look at, because another message has its Message-ID."""
        self.folder.put(f"conflicts/{identity.content_sha256}", identity.message_id.encode())

    def flagged(self) -> set[str]:
        """Return the content digest of every flagged message."""
        return {path.name for path in (self.folder.path / "conflicts").iterdir()}

    def disputed(self) -> dict[str, set[str]]:
        """Return the content digests for every Message-ID, as its SHA-256, that has several; no crash or race hides one."""
        contents: dict[str, set[str]] = defaultdict(set)
        for path in (self.folder.path / "reports").iterdir():
            content, message_id, _ = path.name.split("-")
            contents[message_id].add(content)
        return {one: found for one, found in contents.items() if one != "None" and len(found) > 1}

    def messages(self) -> Iterator[MergedReport]:
        """Yield every message merged from its reports, one at a time in memory."""
        paths = sorted((self.folder.path / "reports").iterdir())
        for _, reports in groupby(paths, lambda path: path.name.partition("-")[0]):
            yield from merge(map(self.read, reports))

    def read(self, path: Path) -> ParsedReport:
        """A report that was archived."""
        format = None if path.suffix == ".eml" else ReportFormat(path.suffix[1:])
        return parse_report(path.read_bytes(), format=format)


# The simulation: the reports that are sent

DATE = datetime(2026, 10, 1, tzinfo=UTC)
STAMPS = ("AuthSource", "AuthAs", "Network-Message-Id", "SCL", "MessageDirectionality", "OriginalSize")
ROLES = (Role.TO, Role.TO, Role.CC, Role.BCC)
RANKS = {ReportFormat.ENVELOPE: 0, ReportFormat.ENVELOPE_2003: 1, ReportFormat.BCC: 2}
# One message in this many has a forgery.
FORGED = 20
Fact = tuple[str, Role, str | None, str | None]
Content = tuple[int, int]


def fact(one: Recipient | MergedRecipient) -> Fact:
    """Return the facts of a recipient."""
    return one.address, one.role, one.expanded_from, one.forwarded_from


class Message(NamedTuple):
    """A message that somebody wrote, or a forgery with the Message-ID of one."""

    number: int
    forged: bool
    message_id: str
    attachment: int
    named: dict[str, Role]
    recipients: tuple[Recipient, ...]

    @property
    def text(self) -> str:
        """The first line."""
        return f"This is what number {self.number} says, in a line of some length and of no importance."

    def fork(self, random: Random) -> bytes:
        """Return the message as one server stores it, with its own trace fields, folds and boundaries."""
        hops = range(random.randint(1, 4))
        trace = [f"Received: from mx by hub{hop}.example.com;\r\n\tid {random.getrandbits(64):016x}" for hop in hops]
        stamps = [f"X-MS-Exchange-Organization-{name}: {random.getrandbits(32):x}" for name in STAMPS]
        date = f"{DATE + timedelta(seconds=self.number):%d %b %Y %H:%M:%S +0000}"
        shown = [f"From: sender{self.number % 97}@example.com", f"Date: {date}", f"Subject: Number {self.number}"]
        comma = random.choice((", ", ",\r\n\t"))
        for role in (Role.TO, Role.CC):
            addresses = [address for address, named in self.named.items() if named is role]
            shown += [f"{role}: {comma.join(addresses)}"] if addresses else []
        shown += [f"Message-ID: {self.message_id}"] if self.message_id else []
        more = "And so on, and so on.\r\n" * (self.number % 40)
        body = f"Content-Type: text/plain\r\n\r\n{self.text}\r\n{more}"
        if self.attachment:
            boundary = f"_{random.getrandbits(128):032x}_"
            coded = encodebytes(hashlib.shake_128(self.text.encode()).digest(self.attachment)).decode()
            coded = coded.replace("\n", "\r\n")
            file = f"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{coded}"
            parts = f"--{boundary}\r\n{body}\r\n--{boundary}\r\n{file}--{boundary}--\r\n"
            body = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n{parts}'
        return "\r\n".join([*trace, *shown, "MIME-Version: 1.0", *stamps, body]).encode()


class Report(NamedTuple):
    """A report. `trusted`: its server believed the roles. `cut`: how much of the first line is left, 0 for all lines."""

    message: Message
    number: int
    recipients: tuple[Recipient, ...]
    format: ReportFormat = ReportFormat.ENVELOPE
    trusted: bool = True
    cut: int | None = None

    @property
    def content(self) -> Content:
        """Which content the report has: the message's, or the part left by a cut."""
        return self.message.number, self.cut or 0

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts about recipients that its format can express."""
        if self.format is ReportFormat.ENVELOPE:
            return frozenset(map(fact, self.recipients if self.trusted else map(without_role, self.recipients)))
        if self.format is ReportFormat.ENVELOPE_2003:
            return frozenset([(one.address, Role.RECIPIENT, None, None) for one in self.recipients])
        named = {address: role for address, role in self.message.named.items() if role is not Role.BCC}
        claimed = {one.address: Role.BCC for one in self.recipients} | named
        return frozenset([(address, role, None, None) for address, role in claimed.items()])

    @property
    def says(self) -> tuple[object, ...]:
        """Every fact of the report; a report with the same facts adds nothing."""
        return self.content, self.format, self.facts, self.cut is None

    def written(self) -> tuple[bytes, tuple[str, str | None, bool]]:
        """Return the bytes, the same each time, and the archive's key of the report: id, original, and completeness."""
        random = Random(self.number)  # noqa: S311 - a simulation
        message, original = self.message, self.message.fork(random)
        report_id = f"<{random.getrandbits(128):032x}@journal.report.generator>"
        report = JournalReport(
            sender=f"sender{message.number % 97}@example.com",
            recipients=self.recipients if self.trusted else map(without_role, self.recipients),
            subject=f"Number {message.number}",
            message_id=message.message_id,
        )
        data = build_report(report, original, domain="example.com", format=self.format, date=DATE, report_id=report_id)
        if self.format is ReportFormat.BCC:
            report_id, original = "", data
        if self.cut is not None:
            size = original.index(message.text.encode()) + self.cut if self.cut else len(original)
            data, original = data[: data.index(original) + size], original[:size]
        return data, (report_id, hashlib.sha256(original).hexdigest(), self.cut is None)


def without_role(one: Recipient) -> Recipient:
    """Return a recipient according to a server that does not trust the client."""
    return Recipient(one.address, expanded_from=one.expanded_from, forwarded_from=one.forwarded_from)


def addressed(random: Random) -> tuple[dict[str, Role], tuple[Recipient, ...]]:
    """Draw the addressees and recipients of a message: some through lists, some by forwarding, a few both ways."""
    named: dict[str, Role] = {}
    recipients = []
    for number in random.sample(range(600), random.choice((1, 1, 2, 2, 3, 5, 9))):
        address, way = f"user{number}@example.{'com' if number % 3 else 'net'}", random.random()
        team, former = f"team{number % 20}@example.com", f"former{number}@example.com"
        role = named.setdefault(team if way < 0.2 else former if way < 0.3 else address, random.choice(ROLES))
        if way < 0.2:
            recipients.append(Recipient(address, role, expanded_from=team))
        elif way < 0.3:
            recipients.append(Recipient(address, role, forwarded_from=former))
        if way < 0.05 or way >= 0.3:
            recipients.append(Recipient(address, named.setdefault(address, role)))
    return named, tuple(recipients)


def make_reports(messages: int, reports: int, seed: int) -> list[Report]:
    """Make reports of messages, and of forgeries of some, that name every recipient of each at least once."""
    random = Random(seed)  # noqa: S311 - a simulation
    written: list[Message] = []
    ids: list[str] = []
    for number in range(messages + messages // FORGED):
        forged, chance = number >= messages, random.random()
        message_id = f"<{random.getrandbits(64):016x}@mail.example.com>"
        if ids and (forged or chance < 0.01):  # some programs use an id again, and some leave it out
            message_id = random.choice(ids)
        elif chance < 0.03:
            message_id = ""
        elif not forged:
            ids.append(message_id)
        size = random.choice((0, 0, random.randint(100, 6000)))
        written.append(Message(number, forged, message_id, size, *addressed(random)))
    made: list[Report] = []
    spare = reports - len(written)
    for message in written:
        everybody = message.recipients
        forks = min(random.choice((1, 1, 1, 2, 2, 3)), len(everybody), spare + 1)
        spare -= forks - 1
        for first in range(forks):
            made.append(Report(message, len(made), everybody[first::forks], trusted=random.random() < 0.8))
    while len(made) < reports:
        one = random.choice(made)
        again = one._replace(number=len(made))
        whole = again._replace(cut=None, format=ReportFormat.ENVELOPE)
        everybody = one.message.recipients
        some = tuple(random.sample(everybody, random.randint(1, len(everybody))))
        kinds = {
            30: one,  # delivered twice
            15: again,  # journaled twice
            25: whole._replace(recipients=some, trusted=True),
            4: whole._replace(trusted=False),
            11: whole._replace(format=ReportFormat.ENVELOPE_2003),
            10: whole._replace(format=ReportFormat.BCC),
            5: whole._replace(cut=random.choice((0, 10, 20, 30))),
        }
        made += random.choices(list(kinds.values()), list(kinds))
    return made


class Expected:
    """The expected answers and contents of the archive, computed from the sent reports without looking at any bytes."""

    def __init__(self) -> None:
        self.known: set[object] = set()
        self.conflicts: set[Content] = set()

    def answer(self, report: Report) -> Sighting:
        """Return the expected sighting of a report."""
        if report.cut is None and report.says in self.known:
            return Sighting.DUPLICATE
        if report.content in self.known:
            return Sighting.SIBLING
        return Sighting.CONFLICT if report.message.message_id in self.known else Sighting.FIRST

    def remember(self, report: Report) -> None:
        """Add a report to the expectation."""
        if self.answer(report) is Sighting.CONFLICT:
            self.conflicts.add(report.content)
        self.known |= {report.says, report.content, report.message.message_id or None}


def expected_recipients(reports: list[Report]) -> frozenset[tuple[object, ...]]:
    """Return every recipient as the best format names it, with its evidence and the reports that name it."""
    rows = defaultdict(list)
    for report in reports:
        for one in report.facts:
            rows[one[0]].append((RANKS[report.format], one, report.says))
    recipients = set()
    for address, entries in rows.items():
        best = min([rank for rank, _, _ in entries])
        ways = sorted({one[2:] for rank, one, _ in entries if rank == best}, key=lambda way: [one or "" for one in way])
        for way in ways:
            roles = {one[1] for rank, one, _ in entries if rank == best and one[2:] == way}
            [role] = roles - {Role.RECIPIENT} or roles
            # Reports that do not say how a recipient was reached are listed with its first entry.
            seen_in = frozenset(
                [says for rank, one, says in entries if (one[2:] == way if rank == best else way == ways[0])]
            )
            recipients.add((address, role, *way, Evidence.HEADER if best == 2 else Evidence.ENVELOPE, seen_in))
    return frozenset(recipients)


# Delivering the reports, and comparing


class Crash(Exception):
    """The process dies."""


class Fuse:
    """Ends the process at a random moment of its work."""

    def __init__(self) -> None:
        self.moments = 0
        self.done: set[str] = set()

    def burn(self) -> None:
        """Burn down by one step."""
        self.moments -= 1
        if self.moments == 0:
            raise Crash

    def put_into(self, one: object, name: str) -> None:
        """Make a function that may end the process before and after a step."""
        step: Callable[..., object] = getattr(one, name)

        def frail(*arguments: object) -> object:
            self.burn()
            result = step(*arguments)
            self.done.add(name)
            self.burn()
            return result

        setattr(one, name, frail)


class Outcome(NamedTuple):
    """The outcome of a run: `state` is the whole archive, and does not depend on the order of arrival or on crashes."""

    answers: Counter[str]
    crashes: int
    seconds: float
    state: dict[str | None, frozenset[tuple[object, ...]]]
    conflicts: set[Content]
    differences: list[str]


def deliver(
    reports: list[Report],
    path: Path,
    options: argparse.Namespace,
    make_archive: type[Archive] = Archive,
    open_store: type[SqliteStore] = SqliteStore,
) -> Outcome:
    """Deliver every report, again after a crash, and compare the archive at the end with the reports that were sent."""
    random, fuse, expected = Random(options.order), Fuse(), Expected()  # noqa: S311 - a simulation
    outcome = Outcome(Counter(), 0, 0.0, {}, expected.conflicts, [])
    waiting, sent = random.sample(reports, len(reports)), {}
    crashes, seconds = 0, 0.0
    while waiting:  # a process begins: it has the folder and the file of the store, and nothing in memory
        folder = Folder(path, durable=options.durable)
        with open_store(path / "seen.db", durable=options.durable) as store:
            for one, name in ((folder, "put"), (store, "known"), (store, "add")):
                fuse.put_into(one, name)
            archive, dead = make_archive(folder, store), False
            while waiting and not dead:
                report = waiting.pop()
                data, key = report.written()
                sent[key] = report
                right, begin = expected.answer(report), perf_counter()
                fuse.moments = random.randint(1, 8) if random.random() < options.crashes else 0
                fuse.done.clear()
                try:
                    answer = archive.receive(data, report.format if report.format is ReportFormat.BCC else None)
                    outcome.answers[str(answer)] += 1
                    if answer is not right:
                        outcome.differences.append(f"report {report.number}: {answer}, not {right}")
                except Crash:
                    dead = True
                    # The mail server tries again later.
                    waiting.insert(max(0, len(waiting) - random.randrange(1000)), report)
                seconds += perf_counter() - begin
                if "add" in fuse.done:
                    expected.remember(report)
            crashes += dead
    outcome.differences.extend(compare(reports, sent, archive, expected, outcome.state))
    return outcome._replace(crashes=crashes, seconds=seconds)


def compare(
    reports: list[Report],
    sent: dict[tuple[str, str | None, bool], Report],
    archive: Archive,
    expected: Expected,
    state: dict[str | None, frozenset[tuple[object, ...]]],
) -> Iterator[str]:
    """Yield everything missing or surplus in the archive, and add its contents to `state`."""
    missing, ids = defaultdict(list), defaultdict(set)
    for report in reports:
        missing[report.content].append(report)
        ids[report.message.message_id].add(report.content)
    contents: dict[str | None, Content] = {}
    for merged in archive.messages():
        keys = [one.identity for one in merged.reports]
        found = [sent.get((one.report_id, one.original_sha256, one.complete)) for one in keys]
        content = found[0].content if found[0] else (-1, 0)
        contents[merged.content_sha256] = content
        delivered = missing.pop(content, [])
        if not delivered or any(one is None or one.content != content for one in found):
            yield f"{merged.content_sha256} does not match one message that was sent"
            continue
        says = {key: one.says for key, one in zip(keys, found, strict=True) if one}
        if set(says.values()) != {one.says for one in delivered}:
            yield f"{content}: a fact of its reports is missing"
        rows = [((*fact(one), one.evidence), [by.identity for by in one.seen_in]) for one in merged.recipients]
        if {(*row, frozenset([says[by] for by in seen_in])) for row, seen_in in rows} != expected_recipients(delivered):
            yield f"{content}: recipients are missing or wrong"
        state[merged.content_sha256] = frozenset(
            [(*row, frozenset([by.report_key for by in seen_in])) for row, seen_in in rows]
        )
    yield from [f"{content}: is missing" for content in missing]
    conflicts = {contents.get(one) for one in archive.flagged()}
    if conflicts != expected.conflicts:
        yield f"{len(conflicts ^ expected.conflicts)} conflicts are missing or wrong"
    several = {one: found for one, found in ids.items() if one and len(found) > 1}
    yield from [f"{one}: a forgery was not flagged" for one, found in several.items() if len(found - conflicts) > 1]
    disputed = {one: {contents.get(content) for content in found} for one, found in archive.disputed().items()}
    if disputed != {hashlib.sha256(one.encode()).hexdigest(): found for one, found in several.items()}:
        yield "the Message-IDs with several contents are not those that were sent"


def main(arguments: list[str] | None = None) -> int:
    """Run the simulation and print its outcome; return 1 if the archive differs from the reports that were sent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=30_000)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the seed of messages and reports")
    parser.add_argument("--order", type=int, default=1, help="the seed of the order of arrival, and of the crashes")
    parser.add_argument("--crashes", type=float, default=0.05, help="the part of deliveries in which a fuse burns")
    parser.add_argument("--durable", action="store_true", help="let everything outlive a failure of the power")
    options = parser.parse_args(arguments)
    least = options.messages + options.messages // FORGED
    if options.reports < least:
        parser.error(f"{options.messages} messages and their forgeries need at least {least} reports")
    begin = perf_counter()
    reports = make_reports(options.messages, options.reports, options.seed)
    with TemporaryDirectory() as folder:
        outcome = deliver(reports, Path(folder), options)
        size = Path(folder, "seen.db").stat().st_size
    forgeries = {one.content: one.message.message_id for one in reports if one.message.forged and one.content[1] == 0}
    late = len(forgeries.keys() & outcome.conflicts)
    cut = len({one.content for one in reports if one.content[1]})
    for name, value in (
        ("messages", f"{options.messages:,}, {len(forgeries):,} forgeries, {cut:,} truncated contents"),
        ("reports", f"{options.reports:,}, and {outcome.crashes:,} crashes"),
        ("answers", ", ".join([f"{number:,} {answer}" for answer, number in outcome.answers.most_common()])),
        ("archived", f"{len(outcome.state):,} contents, {sum(map(len, outcome.state.values())):,} recipients of them"),
        ("conflicts", f"{len(outcome.conflicts):,} contents, {late:,} of them forgeries that came second"),
        ("archive", f"{outcome.seconds:.0f} s, {options.reports / outcome.seconds:,.0f} reports a second"),
        ("all", f"{perf_counter() - begin:.0f} s, with the making and the comparing"),
        ("store", f"{size / 1e6:.1f} MB, {size / options.reports:.0f} bytes a report"),
        ("differences", f"{len(outcome.differences):,}"),
    ):
        print(f"{name:<12} {value}")
    for line in outcome.differences[:20]:
        print(f"  {line}")
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    sys.exit(main())
