"""Shared by the tests of the command: runs in this process, files, and characters that no terminal may see."""

import errno
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exjournal import InvalidValue, Recipient, Source
from exjournal.cli import main
from strategies import ORIGINAL, PART, TEXT, a_message, built

ROOT = Path(__file__).parents[2]
REPORT = built()
WITHOUT_ORIGINAL = a_message(TEXT)
# The closing delimiter is gone, and with it the proof that the original is whole.
TRUNCATED = REPORT[: REPORT.rindex(b"\r\n--_")]
WITH_OTHER_TEXT = a_message(TEXT + b"X-Other: one\r\nof no form\r\nX-Other: two\r\n", PART)
# Each of them moves the cursor, hides or reorders text, or cannot be shown.
UNSEEN = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\b\b\b",
    "\t-",
    "\x0b",
    "\x7f",
    "\x85",
    "\xa0",
    "\xad",
    "\u061c",
    "\u200b",
    "\u200f",
    "\u2028",
    "\u202e",
    "\u2066",
    "\ufeff",
    "\ue000",
    "\U000e0041",
]


class Outcome(NamedTuple):
    """The result of a run: its exit status, standard output, and standard error."""

    status: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.data.decode()

    @property
    def messages(self) -> list[str]:
        """The lines of standard error."""
        return self.err.split("\n")[:-1]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output as JSON, one object a line."""
        return [json.loads(line) for line in self.out.split("\n")[:-1]]


class Failing(io.BytesIO):
    """A stream that fails when it is read."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__()
        self.reason = reason

    def read(self, _: int | None = None, /) -> bytes:
        """Fail."""
        raise self.reason


def run(*words: str | Path, stdin: bytes | io.BytesIO = b"", encoding: str = "utf-8") -> Outcome:
    """Run the command in this process, with streams of its own in the terminal's charset."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, newline="\n")
        for errors in ("strict", "backslashreplace")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin))
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
    for stream in (out, err):
        stream.flush()
    return Outcome(status, out.detach().getvalue(), err.detach().getvalue().decode(encoding))


def build(*words: str | Path, message: bytes = ORIGINAL, domain: str = "example.com") -> Outcome:
    """Build a report on a message from standard input."""
    return run("build", "--domain", domain, *words, stdin=message)


def seen(text: str) -> bool:
    """Whether each character of some lines is one that shows and stays where it is."""
    return text.replace("\n", "").isprintable()


def sha256(data: bytes | memoryview) -> str:
    """The digest as the command shows it."""
    return hashlib.sha256(data).hexdigest()


def put(name: str | Path, data: bytes = REPORT) -> Path:
    """A file with these bytes, in folders that are made for it."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def listed(name: str) -> list[str]:
    """The names in a folder."""
    return sorted(path.name for path in Path(name).iterdir())


def files() -> dict[str, bytes]:
    """Every file below the working folder."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def unusable(kind: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that cannot be read, for one of the usual reasons."""
    path = Path(f"{kind}.eml")
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        # Permissions do not stop a superuser and disks do not break on demand; only the error of opening has a name in it.
        error = PermissionError(errno.EACCES, "Permission denied", str(path))
        if kind == "broken":
            error = OSError(errno.EIO, "Input/output error")
        put(path)
        honest, honestly = Path.read_bytes, os.open

        def read(one: Path) -> bytes:
            if one == path:
                raise error
            return honest(one)

        def open_(name: Any, *words: Any, **more: Any) -> int:
            if name == str(path):
                raise error
            return honestly(name, *words, **more)

        monkeypatch.setattr(Path, "read_bytes", read)
        monkeypatch.setattr(os, "open", open_)
    return path


UNUSABLE = ["missing", "folder", "forbidden"]
# For verbs that read folders.
UNREADABLE = ["missing", "forbidden", "broken"]


def fill_disk(patch: pytest.MonkeyPatch, step: str) -> None:
    """Let a step of writing fail, after a few bytes if it writes any."""
    honest = Path.write_bytes

    def fail(path: Path, data: Any) -> int:
        if step == "write_bytes":
            honest(path, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(Path, step, fail)


# What `parse --json` says before the library's own form of a report.
OWN_FILE = {
    "file": "r.eml",
    "source": Source("r.eml").to_dict(),
    "archive_defects": [],
    "undeliverable": None,
    "found": None,
    "identity": None,
}
# A line of `check --json` that says nothing.
CHECKED = {
    "report": False,
    "format": None,
    "marker": None,
    "defects": [],
    "seal": None,
    "code": None,
    "offset": None,
}
JOURNAL = "journal@example.com"
FULL = "550 5.2.2 mailbox full"


def status(mailbox: str = JOURNAL, answer: str = FULL, more: str = "", code: str = "5.2.2") -> bytes:
    """The delivery status for one mailbox."""
    fields = (
        f"Final-Recipient: rfc822; {mailbox}\r\nAction: failed\r\nStatus: {code}\r\nDiagnostic-Code: smtp; {answer}\r\n"
    )
    return f"{fields}{more}\r\n".encode()


SECRET = b"a secret that nobody guesses"


def target_words(verb: str) -> list[str]:
    """The further arguments of a verb that reads."""
    return ["--out", "there"] if verb == "unwrap" else []


def can_hold(character: str) -> bool:
    """Whether every value of a report can hold a character."""
    try:
        Recipient(f"a{character}b")
    except InvalidValue:
        return False
    return True


# Those that the values of reports and rules can hold.
HELD = list(filter(can_hold, UNSEEN))
