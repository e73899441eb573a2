"""What still counts as unaltered reads alike: mutated messages against mail readers of other makes.

A message keeps its stamp, a report its seal and an original its content digest through the changes that servers make on the
way. So every mutation that keeps one of them must show the same text, parts and recipients in every mail reader. The peers are
the `email` package, nodemailer's `mailparser` and GMime; the last two run in the environment `readers`, where a peer that is
missing is a failure.
"""

import email
import email.policy
import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import getaddresses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from exjournal import (
    Envelope,
    JournalAgent,
    JournalReport,
    JournalRule,
    Organization,
    RuleSet,
    Seal,
    build_report,
    detect_loop,
    verify_seal,
)
from exjournal.identity.content_digest import same_content
from exjournal.journaling.loops import LoopReason

if TYPE_CHECKING:
    from email.message import Message

HERE = Path(__file__).parent
SECRET = b"the first secret"
# Mutations of the long run; 100,000 take about two minutes on one core.
COUNT = int(os.environ.get("EXJOURNAL_READERS_COUNT", "100000"))
SEED = int(os.environ.get("EXJOURNAL_READERS_SEED", "1"))
QUICK = 4000

HEAD = (
    b'From: "Lee, Ann" <ann@example.com>\r\nTo: bob@example.com,\r\n\t"Jo  Doe" <jo@example.com>, "a b"@example.com\r\n'
    b"Cc: Team: dan@example.com, eve@example.com;\r\nDate: Thu, 1 Oct 2026 09:00:00 +0000\r\nSubject: Lunch  at one\r\n"
    b"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)
EVIL = b"\r\n\r\nother text\r\n--x  y--\r\n--xy\r\n\r\nmore text\r\n--xy--\r\n"
MESSAGES = {
    "text": HEAD + b"Content-Type: text/plain; charset=us-ascii\r\n\r\nAt one?\r\n",
    "base64": HEAD + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQXQgb25lPw==\r\n",
    "quoted-printable": HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\nAt =6Fne?=\r\n Yes.\r\n",
    "a space in a boundary": HEAD
    + b'Content-Type: multipart/mixed; boundary="x y"\r\n\r\n--x y\r\n\r\ntext\r\n--x y--\r\n--x  y'
    + EVIL,
    "a boundary without quotes": HEAD
    + b"Content-Type: multipart/mixed; boundary=x y\r\n\r\n--x y\r\n\r\none\r\n--x y--\r\n--x  y"
    + EVIL
    + b"--x\r\n\r\ntwo\r\n--x--\r\n",
    "parts": HEAD
    + b"Content-Type: multipart/mixed;\r\n\tboundary=edge\r\n\r\n--edge\r\nContent-Type: text/html\r\n\r\n<p>At one?\r\n"
    b'--edge\r\nContent-Disposition: attachment; filename="a b.txt"\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n'
    b"--edge--\r\n",
    "parts in parts": HEAD
    + b'Content-Type: multipart/mixed; boundary="edge"\r\n\r\n--edge\r\nContent-Type: multipart/alternative; boundary=in\r\n'
    b"\r\n--in\r\n\r\nAt one?\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>At one?\r\n--in--\r\n--edge--\r\n",
    "a name": HEAD
    + b"Content-Type: text/plain; name=a\r\nContent-Disposition: attachment; filename=a  b.txt\r\n\r\nAt one?\r\n",
    "a comment": HEAD
    + b"Content-Type: multipart/mixed; (boundary=other) boundary=edge\r\n\r\n--edge\r\n\r\none\r\n--edge--\r\n"
    b"--other\r\n\r\ntwo\r\n--other--\r\n",
    "an escape": HEAD.replace(b"Jo  Doe", b'Jo \\" Doe') + b"\r\nAt one?\r\n",
    "an open quote": HEAD.replace(b'"Jo  Doe"', b'"Jo  Doe') + b"\r\nAt one?\r\n",
    "an odd line": HEAD + b"X-Odd : a\r\nContent-Type: text/plain\r\n\r\nAt one?\r\n",
}
PIECES = [
    b" ",
    b"  ",
    b"\t",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"\r\n \r\n",
    b"\0",
    b"\x0b",
    b'"',
    b"(",
    b")",
    b"(x)",
    b"\\",
    b";",
    b"; ",
    b",",
    b":",
    b"<",
    b">",
    b"@",
    b"=",
    b"x",
    b"--edge",
    b"; boundary=in",
    b"; boundary*=edge",
    b"=?utf-8?q?x?=",
    b"\xef\xbb\xbf",
    b"\xe9",
]
LINES = [
    b"Received: from a.example by b.example; Thu, 1 Oct 2026 09:00:00 +0000\r\n",
    b"X-Spam-Status: No\r\n",
    b"X-Long: a\r\n b\r\n",
    b"X-MS-Exchange-Organization-SCL: -1\r\n",
    b"Content-Type: text/html\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"To: mallory@example.net\r\n",
    b"From bob@example.net Thu Oct  1 09:00:00 2026\r\n",
    b"From now on: meet at five\r\n",
    b"no field\r\n",
    b"X-Odd : a\r\n",
    b" \r\n",
    b"\r\n",
]


def mutated(message: bytes, choice: random.Random) -> bytes:
    """The message with one to three changes, mostly in its header."""
    for _ in range(choice.choice((1, 1, 2, 3))):
        header = message.find(b"\r\n\r\n") % (len(message) + 1)
        end = header if choice.random() < 0.75 else len(message)
        lines = message[:end].split(b"\r\n")
        match choice.randrange(8):
            case 0:
                where = choice.randrange(end + 1)
                message = message[:where] + choice.choice(PIECES) + message[where + choice.choice((0, 0, 1, 2)) :]
            case 1:
                where = choice.randrange(end + 1)
                message = message[:where] + message[where + choice.randrange(1, 4) :]
            case 2:
                # White space for other white space, where most of what servers rewrite is.
                spaces = [number for number in range(end) if message[number : number + 1] in b" \t"]
                if spaces:
                    where = choice.choice(spaces)
                    message = message[:where] + choice.choice(PIECES[:9]) + message[where + 1 :]
            case 3:
                where = choice.randrange(len(lines))
                before = b"".join([line + b"\r\n" for line in lines[:where]])
                message = before + choice.choice(LINES) + message[len(before) :]
            case 4:
                one, other = choice.randrange(len(lines)), choice.randrange(len(lines))
                lines[one], lines[other] = lines[other], lines[one]
                message = b"\r\n".join(lines) + message[end:]
            case 5:
                message = message.replace(b"\r\n", b"\n") if choice.random() < 0.5 else message + choice.choice(PIECES)
            case 6:
                # Another line end for one line, anywhere.
                ends = [number for number, byte in enumerate(message) if byte == 10]
                where = choice.choice(ends or [0])
                message = message[:where].removesuffix(b"\r") + b"\n" + message[where + 1 :]
            case _:
                mark = choice.choice((b";", b"=", b",", b'"', b":"))
                places = [number for number in range(end) if message[number : number + 1] == mark]
                if places:
                    where = choice.choice(places) + choice.randrange(2)
                    message = message[:where] + choice.choice(PIECES) + message[where:]
    return message


# Each says whether a mutation still counts as the message that it was made of.
Accepts = Callable[[bytes], bool]


def is_stamped(message: bytes) -> bool:
    """Whether the stamp of a message holds."""
    loop = detect_loop(message, secrets=[SECRET])
    return loop is not None and loop.reason is LoopReason.STAMP and not loop.forgeable


def is_sealed(message: bytes) -> bool:
    """Whether the seal of a report holds."""
    return verify_seal(message, secrets=[SECRET]) is Seal.VALID


def same_as(message: bytes) -> Accepts:
    """Whether another message has the content digest of this one."""
    expected = same_content(message, 0, len(message))
    return lambda other: same_content(other, 0, len(other)) == expected


def subjects() -> Iterator[tuple[bytes, Accepts]]:
    """Stamped messages, sealed reports and originals, each with what accepts a mutation of it."""
    organization = Organization(["example.com"], alternate_mailbox="ndr@example.com")
    rules = RuleSet([JournalRule("everything", "journal@archive.example")], organization)
    agent = JournalAgent(rules, domain="example.com", secrets=[SECRET])
    for message in MESSAGES.values():
        stamped = agent.process(message, Envelope("ann@example.com", ["bob@example.com"])).message()
        assert is_stamped(stamped)
        yield stamped, is_stamped
        yield message, same_as(message)
    for name in ("text", "parts"):
        report = JournalReport(
            sender="ann@example.com", recipients=["bob@example.com"], subject="Lunch", message_id="<1@a>"
        )
        sealed = build_report(report, MESSAGES[name], domain="example.com", secret=SECRET)
        assert is_sealed(sealed)
        yield sealed, is_sealed


# Readers: each gives what it shows of a message as plain values.
Reader = Callable[[bytes], object]


def read_email(message: bytes) -> object:
    """What the standard library shows under both of its policies."""
    return [_read_email(message, policy) for policy in (email.policy.compat32, email.policy.default)]


def _read_email(message: bytes, policy: "email.policy.Policy[Message[str, str]]") -> object:
    try:
        found = email.message_from_bytes(message, policy=policy)
        fields = [str(value) for name in ("to", "cc") for value in found.get_all(name, [])]
        addresses = [[address for _, address in getaddresses([field])] for field in fields]
        return [addresses, [_part(part) for part in found.walk()]]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return type(error).__name__  # the standard library has gaps


def _part(part: Any) -> list[object]:
    content = "" if part.is_multipart() else part.get_payload(decode=True) or b""
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    return [part.get_content_type(), part.get_filename(), text, part.preamble or "", part.epilogue or ""]


class Peer:
    """A reader in a process of its own, fed with a size and a message, answering with a size and JSON."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def __call__(self, message: bytes) -> object:
        """What the reader shows of a message."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(len(message).to_bytes(4, "big") + message)
        self.process.stdin.flush()
        head = self.process.stdout.read(4)
        assert len(head) == 4, f"{self.process.args} ended"
        return json.loads(self.process.stdout.read(int.from_bytes(head, "big")))


def plain(value: object) -> object:
    """What was shown, with one kind of line end, without those at the end, and with spaces of a subject as one."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").rstrip("\r\n")
    if isinstance(value, dict):
        return {key: " ".join(one.split()) if key == "subject" else plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def differences(readers: dict[str, Reader], count: int) -> tuple[int, int, list[str]]:
    """How many mutations differ from their message, how many of them are accepted, and which of these read differently."""
    choice = random.Random(SEED)
    tried = accepted = 0
    found: list[str] = []
    all_subjects = list(subjects())
    expected = [{name: plain(read(message)) for name, read in readers.items()} for message, _ in all_subjects]
    for _ in range(count):
        number = choice.randrange(len(all_subjects))
        message, accepts = all_subjects[number]
        other = mutated(message, choice)
        if other == message:
            continue
        tried += 1
        if accepts(other):
            accepted += 1
            found += [
                f"{name}: {other!r}\n  {plain(read(other))}\n  {expected[number][name]}"
                for name, read in readers.items()
                if plain(read(other)) != expected[number][name]
            ]
    return tried, accepted, found


@pytest.mark.slow
def test_the_standard_library() -> None:
    """A mutation that keeps a stamp, a seal or a content digest reads alike in the `email` package."""
    tried, accepted, found = differences({"email": read_email}, QUICK)
    assert not found, "\n".join(found[:5])
    assert tried > QUICK // 2 < 20 * accepted


@pytest.mark.readers
@pytest.mark.slow
def test_all_readers() -> None:
    """A mutation that keeps a stamp, a seal or a content digest reads alike in every reader."""
    with ExitStack() as stack:
        node = stack.enter_context(Peer("node", str(HERE / "peer.mjs")))
        gmime = stack.enter_context(Peer("/usr/bin/python3", str(HERE / "peer_gmime.py")))
        readers: dict[str, Reader] = {"email": read_email, "mailparser": node, "gmime": gmime}
        tried, accepted, found = differences(readers, COUNT)
    print(f"{tried} mutations, {accepted} accepted, {len(found)} differences")
    assert not found, "\n".join(found[:10])
    assert accepted > COUNT // 50
