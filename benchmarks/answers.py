"""Whether the ways of docs/how-to/who-received-what.md find every message: `python benchmarks/answers.py`.

Makes an archive of 20,000 items in folders, an mbox and a tar.gz file: reports with and without a marker, forks, duplicates,
truncated ones, ordinary mail and garbage. Of its messages hidden@example.org received 934 as Bcc or through a list. Scans it,
answers with jq, duckdb and pandas as the page does, and exits with 1 if an answer is missing or too many. Needs jq, and the
packages duckdb and pandas.
"""

import argparse
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import perf_counter
from typing import NamedTuple

from exjournal import JournalReport, Recipient, Role, build_report

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "who-received-what.md"
DATE = datetime(2026, 1, 1, tzinfo=UTC)
# Every spelling is the same mailbox.
HIDDEN = ("hidden@example.org", "Hidden@Example.org", "HIDDEN@EXAMPLE.ORG")
LISTS = ("staff@example.com", "All.Hands@Example.com", "board@example.net")


class Message(NamedTuple):
    """A message, and who received it."""

    number: int
    recipients: tuple[Recipient, ...]
    is_answer: bool

    @property
    def message_id(self) -> str:
        """Its Message-ID."""
        return f"<{self.number:06}.mail@example.com>"

    def fork(self, random: Random) -> bytes:
        """Return the message as one server has it, with trace fields of its own."""
        date = DATE + timedelta(minutes=20 * self.number)
        return (
            f"Received: from mx by hub{random.randint(1, 9)}.example.com; id {random.getrandbits(64):016x}\r\n"
            f"From: Sender {self.number % 50} <sender{self.number % 50}@example.com>\r\nTo: someone@example.net\r\n"
            f"Date: {date:%a, %d %b %Y %H:%M:%S} +0000\r\nSubject: Number {self.number}\r\n"
            f"Message-ID: {self.message_id}\r\n\r\nThis is number {self.number}.\r\n"
            + "And so on.\r\n"
            * (self.number % 30)
        ).encode()

    def report(self, recipients: tuple[Recipient, ...], random: Random) -> bytes:
        """Return a report for some of the recipients."""
        report = JournalReport(
            sender=f"sender{self.number % 50}@example.com",
            recipients=recipients,
            subject=f"Number {self.number}",
            message_id=self.message_id,
        )
        return build_report(
            report,
            self.fork(random),
            domain="example.com",
            date=DATE + timedelta(minutes=20 * self.number, seconds=4),
            report_id=f"<{random.getrandbits(96):024x}@journal.report.generator>",
        )


def answers(random: Random) -> Recipient:
    """Return the mailbox as Bcc or as member of a list."""
    address = random.choice(HIDDEN)
    return random.choice(
        (
            Recipient(address, Role.BCC),
            Recipient(address, Role.TO, expanded_from=random.choice(LISTS)),
            Recipient(address, Role.BCC, expanded_from=random.choice(LISTS)),
            Recipient(address, expanded_from=random.choice(LISTS), display_name="Hidden, H."),
        )
    )


def near_misses(random: Random) -> Recipient:
    """Return a recipient that is not the answer: the mailbox as To, or another one that looks like it."""
    return random.choice(
        (
            Recipient(random.choice(HIDDEN), Role.TO),
            Recipient(random.choice(HIDDEN), Role.CC),
            Recipient(random.choice(HIDDEN), Role.TO, forwarded_from="old@example.com"),
            Recipient("unhidden@example.org", Role.BCC),
            Recipient("hidden@example.org.example.net", Role.BCC),
            Recipient("someone@example.net", Role.BCC, display_name="hidden@example.org"),
            Recipient("member@example.com", Role.TO, expanded_from="hidden@example.org"),
        )
    )


def make_items(items: int, count: int, seed: int = 1) -> tuple[list[bytes], set[str]]:
    """Make the items of an archive, and the Message-IDs of the `count` messages that are the answer."""
    random = Random(seed)
    made: list[bytes] = []
    known: set[str] = set()
    number = 0
    while len(made) < items:
        chance = random.random()
        if chance < 0.03:
            made.append(ordinary(number))
        elif chance < 0.04:
            made.append(random.choice((b"", b"\xff\x00 noise\n", refused(number))))
        else:
            left = items - len(made)
            is_answer = len(known) < count and random.random() < (count - len(known)) / max(1, left / _REPORTS)
            message = make_message(number, random, is_answer=is_answer)
            reports = list(reports_of(message, random))
            if len(reports) <= left:
                made += reports
                known |= {message.message_id} if is_answer else set()
        number += 1
    if len(known) != count:
        raise ValueError(f"{len(known)} of {count} answers fit in {items} items")
    random.shuffle(made)
    return made, known


# More reports than a message has on average, so that all answers find room.
_REPORTS = 3.0


def make_message(number: int, random: Random, *, is_answer: bool) -> Message:
    """Make a message with one to nine recipients."""
    roles = (Role.TO, Role.CC, Role.BCC)
    recipients = [Recipient(f"user{random.randint(0, 500)}@example.com", random.choice(roles)) for _ in range(8)]
    del recipients[random.randint(1, 8) :]
    if is_answer or random.random() < 0.2:
        recipients.insert(random.randint(0, len(recipients)), (answers if is_answer else near_misses)(random))
    return Message(number, tuple(recipients), is_answer)


def reports_of(message: Message, random: Random) -> Iterator[bytes]:
    """Yield the reports of a message: forks, some without a marker, some truncated, some twice."""
    forks = random.choice((1, 1, 1, 2, 3))
    for first in range(min(forks, len(message.recipients))):
        recipients = message.recipients[first::forks]
        report = message.report(recipients, random)
        chance = random.random()
        if chance < 0.06:
            report = report.replace(b"X-MS-Journal-Report:", b"X-Lost:")
        elif chance < 0.09:
            report = truncated(report)
        yield report
        again = random.random()
        if again < 0.1:
            yield report
        elif again < 0.15:
            yield message.report(recipients, random)
        elif again < 0.18:
            yield truncated(message.report(recipients, random))


def truncated(report: bytes) -> bytes:
    """Return a report without the end of its original."""
    return report[: report.rindex(b"This is number") + 4]


def ordinary(number: int) -> bytes:
    """Return mail that is not a report."""
    return (
        f"From: zoe@example.net\r\nTo: {HIDDEN[number % 3]}\r\nSubject: Lunch {number}\r\n"
        f"Message-ID: <{number}.lunch@example.net>\r\n\r\nAt one?\r\n"
    ).encode()


def refused(number: int) -> bytes:
    """Return a report without its text."""
    return b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=b\r\nX: %d\r\n\r\n--b--\r\n" % number


def write_archive(folder: Path, items: list[bytes]) -> None:
    """Write a third of the items to folders, a third to an mbox, and a third to a tar.gz file."""
    third = len(items) // 3
    for number, item in enumerate(items[:third]):
        path = folder / "tree" / f"{number // 500:03}" / f"{number:06}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item)
    with (folder / "mail.mbox").open("wb") as file:
        for item in items[third : 2 * third]:
            # An mbox cannot hold an empty message, nor garbage without a header field.
            content = item if re.match(rb"[\w-]+:", item) else b"X-Garbage: yes\r\n" + item
            file.write(b"From journal@example.com Thu Jan  1 00:00:00 2026\n" + content.rstrip(b"\n") + b"\n\n")
    with tarfile.open(folder / "mail.tar.gz", "w:gz") as tar:
        for number, item in enumerate(items[2 * third :]):
            member = tarfile.TarInfo(f"{number:06}.eml")
            member.size = len(item)
            tar.addfile(member, io.BytesIO(item))


# The ways of the page


def block(language: str) -> str:
    """Return the only block of the page in a language."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(text)


def by_jq(folder: Path) -> set[str]:
    """Answer with jq: the first column of the lines."""
    shell = ["sh", "-c", block("sh")]
    done = subprocess.run(shell, cwd=folder, check=True, capture_output=True, text=True)
    return {line.partition("\t")[0] for line in done.stdout.splitlines()}


def by_duckdb(folder: Path) -> set[str]:
    """Answer with duckdb: the first column of the rows."""
    import duckdb

    with duckdb.connect() as database:
        database.execute(f"SET file_search_path = '{folder}'")
        return {row[0] for row in database.execute(block("sql")).fetchall()}


def by_pandas(folder: Path) -> set[str]:
    """Answer with pandas: the first column of the table that the code prints."""
    done = subprocess.run([sys.executable, "-c", block("py")], cwd=folder, check=True, capture_output=True, text=True)
    return {line.partition("\t")[0] for line in done.stdout.splitlines()[1:]}


WAYS: dict[str, Callable[[Path], set[str]]] = {"jq": by_jq, "duckdb": by_duckdb, "pandas": by_pandas}


def scan(folder: Path) -> int:
    """Scan the archive in `mail` as the page does, and return the exit status: 1, as there are refusals."""
    [command] = re.findall(r"^\$ exjournal (scan mail .*?)(?: 2> .*)?$", PAGE.read_text("utf-8"), re.MULTILINE)
    words = [sys.executable, "-m", "exjournal", *command.split()]
    return subprocess.run(words, cwd=folder, check=False, stderr=subprocess.DEVNULL).returncode


def main() -> None:
    """Make the archive, ask, and compare."""
    parser = argparse.ArgumentParser(description="Compare the answers of the page with those that are known.")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--answers", type=int, default=934)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a new folder for the archive and the outputs, which stay")
    arguments = parser.parse_args()
    items, known = make_items(arguments.items, arguments.answers, arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        (folder / "mail").mkdir(parents=True)
        write_archive(folder / "mail", items)
        begun = perf_counter()
        status = scan(folder)
        print(f"{len(items):,} items scanned in {perf_counter() - begun:.1f} s, exit status {status}")
        is_right = True
        for way, ask in WAYS.items():
            found = ask(folder)
            is_right &= found == known
            print(f"{way}: {len(found & known)} of {len(known)}, {len(found - known)} too many")
    sys.exit(not is_right)


if __name__ == "__main__":
    main()
