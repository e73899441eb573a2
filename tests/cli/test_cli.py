"""The command: what goes to standard output, what is told beside it, and the exit status."""

import base64
import errno
import hashlib
import io
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    RESTORE_HEADERS,
    InvalidValue,
    JournalReport,
    Recipient,
    ReportFormat,
    Role,
    build_report,
    parse_report,
    strip_headers,
)
from exjournal.cli import main
from strategies import DATE, HEAVY, ORIGINAL, PART, TEXT, Arguments, a_message, a_report, any_bytes, arguments, built

ROOT = Path(__file__).parents[2]
VERBS = ["build", "parse", "unwrap", "check"]
READERS = ["parse", "unwrap", "check"]

REPORT = built()
WITHOUT_MARKER = REPORT.replace(b"X-MS-Journal-Report:\r\n", b"")
WITHOUT_ORIGINAL = a_message(TEXT)
# The closing delimiter is gone, and with it the proof that the original is whole.
TRUNCATED = REPORT[: REPORT.rindex(b"\r\n--_")]
WITH_OTHER_TEXT = a_message(TEXT + b"X-Other: one\r\nof no form\r\nX-Other: two\r\n", PART)

# Each of them moves the cursor, hides or reorders text, or is no character of a line.
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
    """What a run left: its exit status, standard output, and standard error."""

    status: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.data.decode()

    @property
    def told(self) -> list[str]:
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
    """Build a report round a message on standard input."""
    return run("build", "--domain", domain, *words, stdin=message)


def said(*words: str | Path, message: bytes = ORIGINAL) -> JournalReport:
    """What the report says that a run of build wrote."""
    outcome = build(*words, message=message)
    assert (outcome.status, outcome.err) == (0, "")
    parsed = parse_report(outcome.data, strict=True)
    assert parsed.original_bytes() == message
    return parsed.report


def recipients(*words: str) -> set[tuple[str, str, str | None]]:
    """Role, address and list of each recipient in the report that a run of build wrote."""
    found = said(*words).recipients
    listed = {(str(one.role), one.address, one.expanded_from) for one in found}
    assert len(listed) == len(found)
    return listed


def seen(text: str) -> bool:
    """Whether each character of some lines is one that shows and stays where it is."""
    return text.replace("\n", "").isprintable()


def sha256(data: bytes | memoryview) -> str:
    """The digest as the command shows it."""
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


class TestUsage:
    """What stands on the command line."""

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["forward"],
            ["parse"],
            ["unwrap", "report.eml"],
            ["unwrap", "--out", "there"],
            ["check"],
            ["check", "--wrong", "report.eml"],
            ["parse", "--format", "exchange", "report.eml"],
            ["unwrap", "--format", "Envelope", "--out", "there", "report.eml"],
            ["check", "--clean", "report.eml"],
            ["parse", "--undeliverable"],
            ["build", "--undeliverable", "report.eml"],
            ["build", "--format", "", "--domain", "example.com", "--to", "bob@example.net"],
            ["build", "--domain", "example.com", "--to"],
        ],
        ids=" ".join,
    )
    def test_wrong(self, words: list[str]) -> None:
        """Wrong usage is told on standard error, with exit status 2."""
        outcome = run(*words)
        assert outcome.status == 2
        assert outcome.data == b""
        assert "usage: exjournal" in outcome.err

    @pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
    def test_help(self, words: list[str]) -> None:
        """Help goes to standard output."""
        outcome = run(*words)
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.startswith("usage: exjournal")

    def test_help_names_the_verbs(self) -> None:
        """The help of the command lists its verbs."""
        out = run("--help").out
        assert [verb for verb in VERBS if f"    {verb} " not in out] == []

    @pytest.mark.parametrize("verb", VERBS)
    def test_help_names_the_formats(self, verb: str) -> None:
        """Every verb takes each format, and its help lists them."""
        assert "{envelope,envelope-2003,bcc,message-only}" in run(verb, "--help").out

    def test_version(self) -> None:
        """The version is that of the distribution."""
        assert run("--version") == (0, f"exjournal {version('exjournal')}\n".encode(), "")

    def test_entry_point(self) -> None:
        """The installed command `exjournal` is this one."""
        (script,) = entry_points(group="console_scripts", name="exjournal")
        assert script.load() is main

    def test_as_a_module(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """`python -m exjournal` is the command, and ends with its exit status."""
        put("odd.eml", WITH_OTHER_TEXT)
        monkeypatch.setattr("sys.argv", ["exjournal", "check", "odd.eml"])
        with pytest.raises(SystemExit) as end:
            runpy.run_module("exjournal", run_name="__main__")
        assert end.value.code == 1
        assert capsys.readouterr().out.startswith("odd.eml: report")


class TestBuild:
    """`exjournal build`: a report round a message."""

    def test_is_the_public_function(self) -> None:
        """The report is what the library writes for the same envelope and message."""
        put("message.eml", ORIGINAL)
        date = ["--date", "2024-02-29T12:30:45+00:00", "--report-id", "<r@example.com>"]
        outcome = build("message.eml", "--to", "bob@example.net", *date, message=b"")
        report = a_report(recipients=[Recipient("bob@example.net", Role.TO)])
        assert outcome == (0, built(report=report), "")

    @pytest.mark.parametrize("words", [[], ["-"]], ids=["nothing", "dash"])
    @pytest.mark.parametrize(
        "message",
        [b"", b"no header", b"\xff\x00\r\r\n\n\x1a.\r\n.", b"Subject: x\n\n\n\n", REPORT],
        ids=["empty", "no header", "octets", "line ends", "report"],
    )
    def test_standard_input(self, words: list[str], message: bytes) -> None:
        """Without a file, or for a dash, the message is standard input, octet by octet."""
        outcome = build(*words, "--recipient", "bob@example.net", message=message)
        assert (outcome.status, outcome.err) == (0, "")
        assert parse_report(outcome.data).original_bytes() == message

    def test_roles(self) -> None:
        """Each option gives its recipients the role of its name, and can be repeated."""
        assert recipients(
            *("--bcc", "erin@example.org", "--to", "bob@example.net", "--cc", "carol@example.net"),
            *("--to", "dave@example.com", "--bcc", "frank@example.org", "--cc", "grace@example.org"),
        ) == {
            ("To", "bob@example.net", None),
            ("To", "dave@example.com", None),
            ("Cc", "carol@example.net", None),
            ("Cc", "grace@example.org", None),
            ("Bcc", "erin@example.org", None),
            ("Bcc", "frank@example.org", None),
        }

    def test_nothing_known_of_recipients(self) -> None:
        """A recipient of whom nothing more is known keeps that role, though the message's own To names it."""
        assert recipients("--recipient", "bob@example.net", "--recipient", "erin@example.org") == {
            ("Recipient", "bob@example.net", None),
            ("Recipient", "erin@example.org", None),
        }

    def test_nothing_known_of_some_recipients(self) -> None:
        """It keeps that role beside recipients with others as well: `Recipient` does not mean Bcc."""
        assert recipients("--to", "bob@example.net", "--recipient", "erin@example.org") == {
            ("To", "bob@example.net", None),
            ("Recipient", "erin@example.org", None),
        }

    def test_given_twice(self) -> None:
        """An address given twice is one recipient, in the more visible of its roles."""
        assert recipients("--bcc", "bob@example.net", "--to", "bob@example.net", "--to", "bob@example.net") == {
            ("To", "bob@example.net", None)
        }

    @pytest.mark.parametrize(
        ("words", "sender"),
        [
            ([], None),
            (["--sender", "<>"], ""),
            (["--sender", ""], ""),
            (["--sender", "bounce+1=2@example.org"], "bounce+1=2@example.org"),
        ],
    )
    def test_sender(self, words: list[str], sender: str | None) -> None:
        """MAIL FROM is what is given, the null sender in both its spellings, and unknown without it."""
        report = said("--to", "bob@example.net", *words)
        assert report.envelope_sender == sender
        assert report.sender == "alice@example.com"

    def test_on_behalf_of(self) -> None:
        """Roles that only a logged-in client can have given make the delegate's principal believed."""
        message = b"Sender: dave@example.com\r\n" + ORIGINAL
        assert said("--to", "bob@example.net", message=message).on_behalf_of == "alice@example.com"
        assert said("--recipient", "bob@example.net", message=message).on_behalf_of is None

    def test_internal(self) -> None:
        """A report for the organisation's own transport bears its marker."""
        parsed = parse_report(build("--to", "bob@example.net", "--internal").data)
        assert parsed.marker == "X-MS-Exchange-Organization-Journal-Report"

    def test_decrypted(self) -> None:
        """A readable copy follows the original."""
        put("clear.eml", b"Subject: clear\r\n\r\n\xe9")
        parsed = parse_report(build("--to", "bob@example.net", "--decrypted", "clear.eml").data)
        assert parsed.original == ORIGINAL
        assert parsed.decrypted == b"Subject: clear\r\n\r\n\xe9"

    def test_decrypted_on_standard_input(self) -> None:
        """The readable copy can be standard input where the original is a file."""
        put("message.eml", ORIGINAL)
        outcome = build("message.eml", "--to", "bob@example.net", "--decrypted", "-", message=b"clear")
        assert parse_report(outcome.data).decrypted == b"clear"

    def test_both_on_standard_input(self) -> None:
        """One standard input cannot hold both the original and its readable copy."""
        outcome = build("--to", "bob@example.net", "--decrypted", "-")
        assert (outcome.status, outcome.data) == (2, b"")
        assert "decrypted" in outcome.err

    def test_date(self) -> None:
        """The date is the one given, in UTC; with it a report is the same each time."""
        words = ["--to", "bob@example.net", "--date", "2024-02-29T23:30:00-02:00"]
        data = build(*words).data
        assert parse_report(data).headers.get("Date") == "Fri, 01 Mar 2024 01:30:00 +0000"
        assert build(*words).data == data

    def test_now(self) -> None:
        """Without a date the report is made now."""
        before = datetime.now(UTC).replace(microsecond=0)
        date = parse_report(build("--to", "bob@example.net").data).headers.get("Date")
        assert date is not None
        made = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S %z")
        assert before <= made <= datetime.now(UTC)

    def test_report_id(self) -> None:
        """The report's own Message-ID is the one given, and without it one that a retry has as well."""
        words = ["--to", "bob@example.net"]
        assert parse_report(build(*words, "--report-id", "<r@example.com>").data).report_id == "<r@example.com>"
        derived = {
            parse_report(build(*words, "--date", date).data).report_id for date in ("20240101T00Z", "20250101T00Z")
        }
        assert len(derived) == 1
        assert derived.pop().endswith("@journal.report.generator>")

    @pytest.mark.parametrize(
        ("words", "field"),
        [
            ([], "recipients"),
            (["--sender", "ann@example.com"], "recipients"),
            (["--to", ""], "address"),
            (["--to", "a@example.com,b@example.com"], "address"),
            (["--bcc", "Ann <ann@example.com>"], "address"),
            (["--recipient", " bob@example.net"], "address"),
            (["--cc", "bob@example.net\nTo: eve@example.org"], "address"),
            (["--to", '"bob@example.net'], "address"),
            (["--to", "bob@example.net, Expanded: staff@example.com"], "address"),
            (["--to", "b" * 572], "address"),
            (["--to", "bob\udcff@example.net"], "address"),
            (["--to", "bob@example.net", "--sender", "<ann@example.com>"], "sender"),
            (["--expanded", "dave@example.com"], "expanded"),
            (["--expanded", "dave@example.com="], "expanded"),
            (["--expanded", ""], "expanded"),
            (["--expanded", "=staff@example.com"], "address"),
            (["--expanded", "dave@example.com=a,b"], "expanded_from"),
            (["--to", "bob@example.net", "--date", "2024-02-29T12:30:45"], "date"),
            (["--to", "bob@example.net", "--date", "2024-02-29"], "date"),
            (["--to", "bob@example.net", "--date", "yesterday"], "date"),
            (["--to", "bob@example.net", "--date", ""], "date"),
            (["--to", "bob@example.net", "--date", "0001-01-01T00:00:00+23:59"], "date"),
            (["--to", "bob@example.net", "--report-id", "r@example.com"], "report_id"),
            (["--to", "bob@example.net", "--report-id", "<r@example.com>\r\nBcc: eve@example.org"], "report_id"),
            (["--to", "bob@example.net", "--report-id", ""], "report_id"),
        ],
    )
    def test_refused(self, words: list[str], field: str) -> None:
        """What no report can be built from is named on one line, with exit status 2, and nothing is written."""
        outcome = build(*words, "--out", "report.eml", "--force")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"exjournal: {field}: ")
        assert files() == {}

    @pytest.mark.parametrize(
        "domain",
        ["", "ex ample.com", "example.com\r\nBcc: eve@example.org", "b\u00fccher.example", "a@example.com", "<>"],
    )
    def test_bad_domain(self, domain: str) -> None:
        """The domain of the system sender is a domain."""
        outcome = build("--to", "bob@example.net", domain=domain)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: domain: ")

    def test_no_domain(self) -> None:
        """The domain of the system sender is required where there is a system sender, and is named."""
        outcome = run("build", "--to", "bob@example.net", "--out", "report.eml", stdin=ORIGINAL)
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith("exjournal: domain: ")
        assert files() == {}

    def test_no_domain_before_the_message(self) -> None:
        """That is told before the message is read: whoever types the command does not wait for standard input in vain."""
        # Fails: standard input is read first, and a missing message is told instead.
        outcome = run("build", "--to", "bob@example.net", stdin=Failing(KeyboardInterrupt()))
        assert outcome.status == 2
        assert outcome.err.startswith("exjournal: domain: ")

    @pytest.mark.parametrize("words", [["{}"], ["message.eml", "--decrypted", "{}"]], ids=["message", "decrypted"])
    @pytest.mark.parametrize("kind", UNUSABLE)
    def test_unreadable(self, kind: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that cannot be read is named, with exit status 2."""
        put("message.eml", ORIGINAL)
        path = unusable(kind, monkeypatch)
        outcome = build("--to", "bob@example.net", *[word.format(path) for word in words], "--out", "report.eml")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"{path}: ")
        assert not Path("report.eml").exists()

    def test_disk_error_while_reading(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file on a disk that breaks is named like any other that cannot be read."""
        path = unusable("broken", monkeypatch)
        outcome = build(str(path), "--to", "bob@example.net")
        assert (outcome.status, outcome.told) == (2, [f"{path}: Input/output error"])


HIDDEN = ["--to", "bob@example.net", "--bcc", "erin@example.org"]
WITH_BCC = ORIGINAL.replace(b"Subject", b"bcc: old@example.org,\r\n\tolder@example.org\r\nSubject")


class TestBuildFormat:
    """`build --format`: what is written instead of the envelope report of today."""

    @pytest.mark.parametrize(
        ("format_", "words", "options"),
        [
            ("envelope", [], {}),
            ("envelope-2003", [], {}),
            ("envelope-2003", ["--correct-marker"], {"correct_marker": True}),
            ("envelope", ["--eight-bit"], {"eight_bit": True}),
            ("envelope-2003", ["--eight-bit"], {"eight_bit": True}),
            ("bcc", [], {}),
            ("bcc", ["--bcc-all"], {"bcc_all": True}),
            ("message-only", [], {}),
        ],
        ids=" ".join,
    )
    def test_is_the_public_function(self, format_: str, words: list[str], options: dict[str, bool]) -> None:
        """What is written is what the library writes in that format, to standard output and to a file."""
        given_words = [
            *HIDDEN,
            "--date",
            DATE.isoformat(),
            "--report-id",
            "<r@example.com>",
            "--format",
            format_,
            *words,
        ]
        report = a_report(
            recipients=[Recipient("bob@example.net", Role.TO), Recipient("erin@example.org", Role.BCC)],
        )
        data = built(report=report, format=ReportFormat(format_), **options)
        assert build(*given_words) == (0, data, "")
        assert build(*given_words, "--out", "there.eml") == (0, b"", "")
        assert Path("there.eml").read_bytes() == data

    def test_eight_bit(self) -> None:
        """A report text that is not ASCII is quoted-printable, or as it is where that is asked for."""
        message = ORIGINAL.replace(b"Hello", b"=?utf-8?q?caf=C3=A9?=")
        words = ["--to", "bob@example.net"]
        assert b"\r\nSubject: caf=C3=A9\r\n" in build(*words, message=message).data
        assert b"\r\nSubject: caf\xc3\xa9\r\n" in build(*words, "--eight-bit", message=message).data

    @pytest.mark.parametrize(
        ("words", "marker"), [([], "Content-Identifer"), (["--correct-marker"], "Content-Identifier")]
    )
    def test_marker_of_2003(self, words: list[str], marker: str) -> None:
        """The marker is misspelt as Exchange 2003 misspelt it, and right where that is asked for."""
        outcome = build("--to", "bob@example.net", "--format", "envelope-2003", *words)
        assert b"\r\n%b: ExJournalReport\r\n" % marker.encode() in outcome.data
        parsed = parse_report(outcome.data, strict=True)
        assert (parsed.format, parsed.marker) == (ReportFormat.ENVELOPE_2003, marker)
        assert parsed.original == ORIGINAL

    def test_2003_knows_no_roles(self) -> None:
        """A report of Exchange 2003 names everybody in one list, whichever option named them."""
        words = ["--to", "staff@example.com", "--bcc", "erin@example.org", "--recipient", "frank@example.org"]
        outcome = build(*words, "--expanded", "dave@example.com=staff@example.com", "--format", "envelope-2003")
        found = parse_report(outcome.data).report.recipients
        assert {(one.role, one.address) for one in found} == {
            (Role.RECIPIENT, "dave@example.com"),
            (Role.RECIPIENT, "erin@example.org"),
            (Role.RECIPIENT, "frank@example.org"),
        }

    @pytest.mark.parametrize("format_", ["envelope-2003", "bcc", "message-only"])
    def test_no_domain(self, format_: str) -> None:
        """Only the envelope format has a system sender, and needs its domain."""
        outcome = run("build", "--to", "bob@example.net", "--format", format_, stdin=ORIGINAL)
        assert (outcome.status, outcome.err) == (0, "")
        assert parse_report(outcome.data, format=ReportFormat(format_)).report.sender == "alice@example.com"

    def test_2003_without_an_author(self) -> None:
        """Where neither the message nor the command line names an author the system sender has to stand in for one."""
        words = ["--recipient", "bob@example.net", "--format", "envelope-2003"]
        outcome = run("build", *words, stdin=b"Subject: x\r\n\r\n")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: domain: ")
        assert run("build", *words, "--sender", "ann@example.com", stdin=b"Subject: x\r\n\r\n").status == 0
        assert build(*words, message=b"Subject: x\r\n\r\n").status == 0

    def test_bcc(self) -> None:
        """The Bcc field names those whom the message does not name itself, and nothing else of the message changes."""
        assert build(*HIDDEN, "--format", "bcc") == (0, b"Bcc: erin@example.org\r\n" + ORIGINAL, "")

    def test_bcc_all(self) -> None:
        """Asked for, it names everybody, as Exchange 2003 did."""
        outcome = build(*HIDDEN, "--format", "bcc", "--bcc-all")
        assert outcome == (0, b"Bcc: bob@example.net,\r\n erin@example.org\r\n" + ORIGINAL, "")
        roles = {
            (one.role, one.address) for one in parse_report(outcome.data, format=ReportFormat.BCC).report.recipients
        }
        assert roles == {(Role.TO, "bob@example.net"), (Role.BCC, "erin@example.org")}

    def test_bcc_of_nobody(self) -> None:
        """Where the message names everybody there is no Bcc field."""
        assert build("--to", "bob@example.net", "--format", "bcc") == (0, ORIGINAL, "")

    def test_bcc_has_the_last_word(self) -> None:
        """A Bcc field that the message has gives way to that of the command line."""
        outcome = build(*HIDDEN, "--format", "bcc", message=WITH_BCC)
        assert outcome == (0, b"Bcc: erin@example.org\r\n" + ORIGINAL, "")

    def test_message_only(self) -> None:
        """The message goes out without its Bcc field, whoever its recipients are."""
        assert build(*HIDDEN, "--format", "message-only", message=WITH_BCC) == (0, ORIGINAL, "")
        assert build(*HIDDEN, "--format", "message-only") == (0, ORIGINAL, "")
        assert build("--format", "message-only", message=WITH_BCC) == (0, ORIGINAL, "")  # which names nobody

    @pytest.mark.parametrize(
        ("words", "field"),
        [
            (["--correct-marker"], "correct_marker"),
            (["--format", "envelope", "--correct-marker"], "correct_marker"),
            (["--format", "bcc", "--correct-marker"], "correct_marker"),
            (["--format", "message-only", "--correct-marker"], "correct_marker"),
            (["--bcc-all"], "bcc_all"),
            (["--format", "envelope-2003", "--bcc-all"], "bcc_all"),
            (["--format", "message-only", "--bcc-all"], "bcc_all"),
            (["--format", "bcc", "--eight-bit"], "eight_bit"),
            (["--format", "message-only", "--eight-bit"], "eight_bit"),
            (["--format", "envelope-2003", "--internal"], "internal"),
            (["--format", "bcc", "--internal"], "internal"),
            (["--format", "message-only", "--internal"], "internal"),
            (["--format", "envelope-2003", "--decrypted", "clear.eml"], "decrypted"),
            (["--format", "bcc", "--decrypted", "clear.eml"], "decrypted"),
            (["--format", "message-only", "--decrypted", "clear.eml"], "decrypted"),
            (["--format", "envelope-2003", "--domain", "ex ample.com"], "domain"),
            (["--format", "envelope-2003", "--date", "2024-02-29T12:30:45"], "date"),
            (["--format", "envelope-2003", "--report-id", "r@example.com"], "report_id"),
        ],
        ids=" ".join,
    )
    def test_misuse(self, words: list[str], field: str) -> None:
        """An option of another format is named on one line, with exit status 2, and nothing is written."""
        put("clear.eml", b"clear")
        before = files()
        outcome = build(*HIDDEN, *words, "--out", "report.eml")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"exjournal: {field}: ")
        assert files() == before

    @pytest.mark.parametrize("format_", ["envelope-2003", "bcc"])
    def test_no_recipients(self, format_: str) -> None:
        """A format that names recipients needs one."""
        outcome = build("--format", format_)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: recipients: ")

    @pytest.mark.parametrize(
        ("message", "format_"),
        [
            (b"no header", "bcc"),
            (b"X: y\r\n" * 100_000 + b"\r\n", "bcc"),
            (b"X: y\r\n" * 100_000 + b"\r\n", "message-only"),
        ],
        ids=["no header", "bcc", "message-only"],
    )
    def test_no_copy(self, message: bytes, format_: str) -> None:
        """A message that a Bcc field cannot be put into, or be looked for in, is refused."""
        outcome = build(*HIDDEN, "--format", format_, "--out", "copy.eml", message=message)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: original: ")
        assert files() == {}


class TestExpanded:
    """`--expanded MEMBER=LIST`: who received through a list, and through which."""

    @pytest.mark.parametrize(
        ("member", "name"),
        [
            ("dave@example.com", "staff@example.com"),
            ("a=b@example.com", "staff@example.com"),
            ("=@example.com", "=@example.com"),
            ("bounce+bob=example.net@example.com", "list+dave=example.com@example.org"),
            ('"x=y"@example.com', "staff@example.com"),
            ('"a@b"@example.com', '"c=d"@example.com'),
            ('"a b, c"@example.com', '", Expanded: x"@example.com'),
            ('"\\""@example.com', '"="@example.com'),
            ("dave", "staff@example.com"),
            ("dave", "staff"),
            ("dave", "a=b@example.com"),
            ("dave@example.com", "staff"),
            ("d\u00e4ve@b\u00fccher.example", "\u5458\u5de5@example.com"),
            ('"a@b=c"@example.com', "staff@example.com"),
            ('"a\\"@b=c"@example.com', '"d@e=f"@example.com'),
        ],
    )
    def test_taken_apart(self, member: str, name: str) -> None:
        """The first equals sign that stands in no local part divides the two."""
        assert recipients("--expanded", f"{member}={name}") == {("Recipient", member, name)}

    @pytest.mark.parametrize("role", Role)
    def test_role_of_the_list(self, role: Role) -> None:
        """A list that is given and expanded is no recipient itself; its members take its role."""
        words = [f"--{role.lower()}", "staff@example.com"]
        words += [
            "--expanded",
            "dave@example.com=staff@example.com",
            "--expanded",
            "erin@example.org=staff@example.com",
        ]
        assert recipients(*words) == {
            (role, "dave@example.com", "staff@example.com"),
            (role, "erin@example.org", "staff@example.com"),
        }

    def test_list_not_given(self) -> None:
        """A list that nobody gave a role gives its members none."""
        assert recipients("--expanded", "dave@example.com=staff@example.com") == {
            ("Recipient", "dave@example.com", "staff@example.com")
        }

    def test_member_with_a_role(self) -> None:
        """A member with a role of its own keeps it."""
        words = ["--cc", "dave@example.com", "--to", "staff@example.com"]
        assert recipients(*words, "--expanded", "dave@example.com=staff@example.com") == {
            ("Cc", "dave@example.com", "staff@example.com")
        }

    def test_beside_others(self) -> None:
        """Recipients that no list was expanded for stay as they are."""
        words = ["--to", "staff@example.com", "--cc", "board@example.com", "--bcc", "hidden@example.org"]
        assert recipients(*words, "--expanded", "dave@example.com=staff@example.com") == {
            ("To", "dave@example.com", "staff@example.com"),
            ("Cc", "board@example.com", None),
            ("Bcc", "hidden@example.org", None),
        }

    @pytest.mark.parametrize("given_as", ["staff@EXAMPLE.com", "Staff@example.com"])
    def test_list_in_another_spelling(self, given_as: str) -> None:
        """Two spellings of one mailbox are one list."""
        assert recipients("--to", given_as, "--expanded", "dave@example.com=staff@example.com") == {
            ("To", "dave@example.com", "staff@example.com")
        }

    def test_member_of_two_lists(self) -> None:
        """Whoever is a member of two lists is reported through both."""
        words = ["--expanded", "dave@example.com=staff@example.com", "--expanded", "dave@example.com=board@example.com"]
        assert recipients(*words) == {
            ("Recipient", "dave@example.com", "staff@example.com"),
            ("Recipient", "dave@example.com", "board@example.com"),
        }

    def test_given_twice(self) -> None:
        """A pair given twice is one recipient."""
        pair = ["--expanded", "dave@example.com=staff@example.com"]
        assert recipients(*pair, *pair) == {("Recipient", "dave@example.com", "staff@example.com")}


class TestWarning:
    """A report bears the recipients of the original in its header, and must not be sent to them."""

    def test_help(self) -> None:
        """The help of build says how to send a report, and how not to."""
        out = run("build", "--help").out
        assert "only with an explicit SMTP envelope" in out
        assert "sendmail -t" in out
        assert "send_message" in out

    @pytest.mark.parametrize("page", ["README.md", "docs/building.md", "docs/command.md"])
    def test_pages(self, page: str) -> None:
        """So do the README and the pages on building."""
        text = (ROOT / page).read_text(encoding="utf-8")
        assert "**Send a report only with" in text or "**Send the report only with" in text or "**Never take" in text
        assert "sendmail -t" in text
        assert "send_message" in text


def write_words(verb: str, target: Path) -> list[str]:
    """The words that let a verb write to a file, the last of them where it goes; unwrap finds the name itself."""
    if verb == "build":
        put("message.eml", ORIGINAL)
        words = ["build", "message.eml", "--to", "bob@example.net", "--domain", "example.com"]
        return [*words, "--date", "2024-02-29T12:30:45Z", "--out", str(target)]
    stem = target.name.removesuffix(".original.eml")
    return ["unwrap", str(put(f"in/{stem}.eml")), "--out", str(target.parent)]


def fill_disk(patch: pytest.MonkeyPatch, step: str) -> None:
    """Let a step of writing fail, after some octets if it writes any."""
    honest = Path.write_bytes

    def fail(path: Path, data: Any) -> int:
        if step == "write_bytes":
            honest(path, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(Path, step, fail)


@pytest.mark.parametrize("verb", ["build", "unwrap"])
class TestWriting:
    """Files are written whole or not at all, and never over others unless that is asked for."""

    def test_written(self, verb: str) -> None:
        """The file holds what standard output would, which stays empty, and there is no other file."""
        words = write_words(verb, Path("there/r.original.eml"))
        before = files()
        assert run(*words) == (0, b"", "")
        assert files() == before | {"there/r.original.eml": run(*words[:-1], "-").data}

    def test_folders_are_made(self, verb: str) -> None:
        """Missing folders on the way are made."""
        assert run(*write_words(verb, Path("a/b/c/r.original.eml"))).status == 0
        assert Path("a/b/c/r.original.eml").is_file()

    def test_there_already(self, verb: str) -> None:
        """A file that is there stays as it is, and is named, with exit status 1."""
        words = write_words(verb, put("there/r.original.eml", b"kept\r\n\0"))
        before = files()
        outcome = run(*words)
        assert (outcome.status, outcome.data) == (1, b"")
        assert outcome.told == [outcome.err.rstrip("\n")]
        assert "there/r.original.eml" in outcome.err
        assert "--force" in outcome.err
        assert files() == before

    def test_force(self, verb: str) -> None:
        """A file that is there is overwritten where that is asked for, and nothing beside it."""
        words = write_words(verb, put("there/r.original.eml", b"old" * 10_000))
        put("there/other", b"kept")
        assert run(*words, "--force") == (0, b"", "")
        assert b"Hi.\r\n" in Path("there/r.original.eml").read_bytes()
        assert b"old" not in Path("there/r.original.eml").read_bytes()
        assert listed("there") == ["other", "r.original.eml"]

    def test_force_without_need(self, verb: str) -> None:
        """A file that is not there is written all the same."""
        assert run(*write_words(verb, Path("there/r.original.eml")), "--force").status == 0
        assert listed("there") == ["r.original.eml"]

    def test_link(self, verb: str) -> None:
        """A link counts as a file that is there, though it leads nowhere."""
        words = write_words(verb, Path("there/r.original.eml"))
        Path("there").mkdir()
        Path("there/r.original.eml").symlink_to("nowhere")
        assert run(*words).status == 1
        assert listed("there") == ["r.original.eml"]
        assert Path("there/r.original.eml").is_symlink()

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_folder_in_its_place(self, verb: str, force: list[str]) -> None:
        """A folder is never overwritten, and is named."""
        words = write_words(verb, put("there/r.original.eml/inside", b"kept").parent)
        before = files()
        outcome = run(*words, *force)
        assert outcome.status in {1, 2}
        assert len(outcome.told) == 1
        assert outcome.err.startswith("there/r.original.eml: ")
        assert files() == before

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_pipe_in_its_place(self, verb: str, force: list[str]) -> None:
        """What is neither file nor folder is never replaced by a file: a pipe, a device."""
        # Fails with --force, as it would for /dev/null.
        words = write_words(verb, Path("there/r.original.eml"))
        Path("there").mkdir()
        os.mkfifo("there/r.original.eml")
        outcome = run(*words, *force)
        assert Path("there/r.original.eml").is_fifo()
        assert listed("there") == ["r.original.eml"]
        assert outcome.status in {1, 2}
        assert outcome.err.startswith("there/r.original.eml: ")

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_file_in_place_of_the_folder(self, verb: str, force: list[str]) -> None:
        """Where the folder is a file nothing can be written, with exit status 2 and without advice that cannot help."""
        words = write_words(verb, Path("there/r.original.eml"))
        put("there", b"kept")
        before = files()
        outcome = run(*words, *force)
        assert (outcome.status, len(outcome.told)) == (2, 1)
        assert outcome.err.startswith("there")
        assert "--force" not in outcome.err
        assert files() == before

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_file_on_the_way_to_the_folder(self, verb: str, force: list[str]) -> None:
        """A file further up is as much in the way."""
        words = write_words(verb, Path("there/inner/r.original.eml"))
        put("there", b"kept")
        before = files()
        outcome = run(*words, *force)
        assert (outcome.status, len(outcome.told)) == (2, 1)
        assert outcome.err.startswith("there")
        assert files() == before

    @pytest.mark.parametrize("there", [None, b"kept"], ids=["new", "old"])
    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("step", ["write_bytes", "replace"])
    def test_disk_error(
        self, verb: str, step: str, force: list[str], there: bytes | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the disk fails the old file stays, no part of the new one is left, and the reason is told."""
        words = write_words(verb, Path("there/r.original.eml"))
        if there is not None:
            put("there/r.original.eml", there)
        before = files()
        with monkeypatch.context() as patch:
            fill_disk(patch, step)
            outcome = run(*words, *force)
        assert files() == before
        assert (outcome.data, len(outcome.told)) == (b"", 1)
        if there is None or force:
            assert outcome.status == 2
            assert outcome.err.endswith(": No space left on device\n")
        else:
            assert outcome.status == 1

    @pytest.mark.parametrize("step", ["write_bytes", "replace"])
    def test_disk_error_names_the_file(self, verb: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file that could not be written is named."""
        words = write_words(verb, Path("there/r.original.eml"))
        fill_disk(monkeypatch, step)
        assert run(*words).told == ["there/r.original.eml: No space left on device"]

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_interrupted(self, verb: str, force: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Where somebody interrupts the writing no part of the file is left."""
        # Fails: an empty file stays in the place of the whole one, and a part beside it.
        words = write_words(verb, Path("there/r.original.eml"))
        before = files()
        honest = Path.write_bytes

        def interrupt(one: Path, data: Any) -> int:
            honest(one, bytes(data)[:10])
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", interrupt)
            assert run(*words, *force) == (130, b"", "")
        assert files() == before

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_too_long_a_name(self, verb: str, force: list[str]) -> None:
        """A name that is too long for a file is refused, and nothing is left."""
        words = write_words(verb, Path("there", "r" * 243 + ".original.eml"))
        before = files()
        outcome = run(*words, *force)
        assert (outcome.status, len(outcome.told)) == (2, 1)
        assert files() == before

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_longest_name(self, verb: str, force: list[str]) -> None:
        """A name of 255 octets is one that a file can have."""
        # Fails: the name of the part is longer, and without --force an empty file stays.
        target = Path("there", "r" * 242 + ".original.eml")
        words = write_words(verb, target)
        before = files()
        outcome = run(*words, *force)
        assert outcome == (0, b"", "")
        assert files().keys() - before.keys() == {str(target)}

    def test_neighbour(self, verb: str) -> None:
        """No file beside the written one is touched, whatever its name."""
        # Fails: a file whose name is that of the part is overwritten and then gone.
        words = write_words(verb, Path("there/r.original.eml"))
        put("there/.r.original.eml.part", b"kept")
        assert run(*words) == (0, b"", "")
        assert Path("there/.r.original.eml.part").read_bytes() == b"kept"


class TestBuildOut:
    """`build --out`: one file."""

    def test_standard_output(self) -> None:
        """A dash is standard output."""
        outcome = build("--to", "bob@example.net", "--out", "-")
        assert outcome.status == 0
        assert parse_report(outcome.data).original == ORIGINAL
        assert files() == {}

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("out", [".", "", ".."], ids=["dot", "empty", "up"])
    def test_no_file_name(self, out: str, force: list[str]) -> None:
        """A name that no file can have is refused like a folder in its place."""
        # Fails for those without a last part: a traceback.
        outcome = build("--to", "bob@example.net", "--out", out, *force)
        assert outcome.status in {1, 2}
        assert outcome.data == b""
        assert len(outcome.told) == 1
        assert files() == {}

    def test_onto_its_own_message(self) -> None:
        """The report can take the place of the message it was built round."""
        put("message.eml", ORIGINAL)
        outcome = build("message.eml", "--to", "bob@example.net", "--out", "message.eml", "--force", message=b"")
        assert outcome.status == 0
        assert parse_report(Path("message.eml").read_bytes()).original == ORIGINAL


FULL_REPORT = JournalReport(
    sender="alice@example.com",
    on_behalf_of="head@example.com",
    recipients=[
        Recipient("bob@example.net", Role.TO),
        Recipient("dave@example.com", Role.CC, expanded_from="staff@example.com"),
        Recipient("hidden@example.org", Role.BCC),
        Recipient("erin@example.org", forwarded_from="carol@example.net"),
        Recipient("frank@example.com", Role.CC, expanded_from="staff@example.com"),
        Recipient("grace@example.org", expanded_from="staff@example.com", forwarded_from="old@example.org"),
    ],
    subject="Hello",
    message_id="<1@example.com>",
    envelope_sender="",
    label="Projects",
    mailbox="alice@example.com",
    sent_utc="2/29/2024 12:30:45 PM",
    received_utc="2/29/2024 12:30:46 PM",
)


class TestParseForPeople:
    """`exjournal parse`: a short view for people."""

    def test_everything(self) -> None:
        """It shows who sent, who received and through which list, the parts, the oddities."""
        clear = b"Subject: Hello\r\n\r\nclear"
        data = put("r.eml", built(report=FULL_REPORT, decrypted=clear) + b"trailing\r\n").read_bytes()
        text, original, decrypted = parse_report(data).parts
        outcome = run("parse", "r.eml")
        assert outcome == (0, outcome.data, "")
        assert outcome.out.split("\n") == [
            "r.eml",
            "  format       envelope (X-MS-Journal-Report)",
            "  report id    <r@example.com>",
            "  sender       alice@example.com",
            "  on behalf of head@example.com",
            "  mail from    <>",
            "  subject      Hello",
            "  message id   <1@example.com>",
            "  label        Projects",
            "  mailbox      alice@example.com",
            "  sent         2/29/2024 12:30:45 PM",
            "  received     2/29/2024 12:30:46 PM",
            "  recipients   6",
            "    To        bob@example.net",
            "    Bcc       hidden@example.org",
            "    list staff@example.com",
            "      Cc        dave@example.com",
            "      Cc        frank@example.com",
            "    forwarded by carol@example.net",
            "      Recipient erin@example.org",
            "    list staff@example.com, forwarded by old@example.org",
            "      Recipient grace@example.org",
            "  parts",
            f"    text      text/plain          {text.size:>10} bytes at {text.offset}",
            f"    original  message/rfc822      {len(ORIGINAL):>10} bytes at {original.offset}  sha256 {sha256(ORIGINAL)}",
            f"    decrypted message/rfc822      {len(clear):>10} bytes at {decrypted.offset}  sha256 {sha256(clear)}",
            "  oddities     1",
            f"    epilogue text after the last part (offset {data.index(b'trailing')})",
            "",
        ]

    def test_little(self) -> None:
        """It leaves out what the report does not say, and tells that nothing was odd."""
        put("r.eml", built(report=a_report(sender="", subject="", message_id=""), original=b"X: y\r\n\r\n"))
        lines = run("parse", "r.eml").out.split("\n")
        labels = [line[2:15].rstrip() for line in lines if line[:2] == "  " and line[:4] != "    "]
        assert labels == ["format", "report id", "sender", "recipients", "parts", "oddities"]
        assert "  sender       <>" in lines
        assert lines[-2:] == ["  oddities     none", ""]

    def test_no_recipients(self) -> None:
        """A report that names no recipient is shown with none."""
        put("r.eml", a_message(b"Sender: alice@example.com\r\n", PART))
        outcome = run("parse", "r.eml")
        assert outcome.status == 0
        assert "  recipients   0\n" in outcome.out
        assert "    recipients-missing (offset " in outcome.out

    def test_sender_known(self) -> None:
        """MAIL FROM is shown where it is known."""
        put("r.eml", built(report=a_report(envelope_sender="bounce@example.com")))
        assert "  mail from    bounce@example.com\n" in run("parse", "r.eml").out

    def test_oddities(self) -> None:
        """Each defect is shown with its code and offset, each line that is no field as it is; all that is no failure."""
        put("r.eml", WITH_OTHER_TEXT)
        outcome = run("parse", "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        parsed = parse_report(WITH_OTHER_TEXT)
        assert parsed.unparsed
        assert f"  oddities     {len(parsed.defects)}\n" in outcome.out
        for defect in parsed.defects:
            assert f"    {defect.code} {defect.detail}".rstrip() + f" (offset {defect.offset})\n" in outcome.out
        assert f"  not read     {len(parsed.unparsed)} lines of the report text\n" in outcome.out
        for line in parsed.unparsed:
            assert f"    {line}\n" in outcome.out

    def test_long_values(self) -> None:
        """Values of any length begin in the same column and keep every character."""
        put("r.eml", built(report=a_report(subject="s" * 5000, recipients=["b" * 571])))
        out = run("parse", "r.eml").out
        assert f"  subject      {'s' * 5000}\n" in out
        assert f"    Recipient {'b' * 571}\n" in out

    def test_several(self) -> None:
        """Each file's view begins with its name."""
        put("a/r.eml")
        put("b/r.eml")
        lines = run("parse", "a/r.eml", "b/r.eml", "-").out.split("\n")
        assert [line for line in lines if line[:1] != " "] == ["a/r.eml", "b/r.eml", ""]


# What `parse --json` says before the library's own form of a report.
OWN_FILE = {"file": "r.eml", "source": {"path": "r.eml"}, "archive_defects": [], "undeliverable": None, "found": None}


class TestParseForPrograms:
    """`exjournal parse --json`: one object a line."""

    def test_object(self) -> None:
        """An object names the file, is otherwise the library's own form, and carries the digests of what is embedded."""
        clear = b"Subject: Hello\r\n\r\n\xe9"
        data = put("r.eml", built(report=FULL_REPORT, decrypted=clear)).read_bytes()
        wanted: dict[str, Any] = parse_report(data).to_dict() | OWN_FILE
        wanted["original"]["sha256"] = sha256(ORIGINAL)
        wanted["decrypted"]["sha256"] = sha256(clear)
        outcome = run("parse", "--json", "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.objects == [wanted]

    def test_digest_of_what_was_encoded(self) -> None:
        """The digest is of the original behind its transfer encoding."""
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQrp\r\n"
        put("r.eml", a_message(TEXT, part))
        (found,) = run("parse", "--json", "r.eml").objects
        assert found["original"]["sha256"] == sha256(b"Subject: x\r\n\r\n\xe9")
        assert found["original"]["size"] == 15

    def test_no_original(self) -> None:
        """Where there is no original there is no digest; an empty one has one."""
        put("none.eml", WITHOUT_ORIGINAL)
        put("empty.eml", built(b""))
        none, empty = run("parse", "--json", "none.eml", "empty.eml").objects
        assert none["original"] is None
        assert empty["original"] == {"offset": empty["parts"][1]["offset"], "size": 0, "sha256": sha256(b"")}

    def test_lines(self) -> None:
        """Whatever a report says, its object is one line of ASCII."""
        subject = 'a\u202eb\u200bc\td\u00e9\U0001f4e7"\\'
        put("1.eml", built(report=a_report(subject=subject)))
        put("2.eml", WITH_OTHER_TEXT)
        outcome = run("parse", "--json", "1.eml", "2.eml", "1.eml")
        assert [found["file"] for found in outcome.objects] == ["1.eml", "2.eml", "1.eml"]
        assert outcome.objects[0]["subject"] == subject
        assert outcome.data.isascii()
        assert len(outcome.out.splitlines()) == 3

    def test_defects(self) -> None:
        """Defects are in the object, and no failure."""
        put("r.eml", WITH_OTHER_TEXT)
        outcome = run("parse", "--json", "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        codes = [defect["code"] for defect in outcome.objects[0]["defects"]]
        assert codes == [defect.code for defect in parse_report(WITH_OTHER_TEXT).defects]


class TestUnwrap:
    """`exjournal unwrap`: the originals."""

    @pytest.mark.parametrize(
        "original",
        [b"", b"\n", b"\r\n.\r\n", b"From x\n\xff\0\r\r\n\x1a", b"no end", ORIGINAL * 5000, REPORT],
        ids=["empty", "line end", "dot", "octets", "no end", "long", "report"],
    )
    def test_byte_for_byte(self, original: bytes) -> None:
        """The original comes out as it went in, into a file and onto standard output."""
        put("r.eml", built(original))
        assert run("unwrap", "r.eml", "--out", "there") == (0, b"", "")
        assert Path("there/r.original.eml").read_bytes() == original
        assert run("unwrap", "r.eml", "--out", "-") == (0, original, "")

    def test_encoded(self) -> None:
        """An original in a transfer encoding comes out decoded."""
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQrp\r\n"
        put("r.eml", a_message(TEXT, part))
        assert run("unwrap", "r.eml", "--out", "-").data == b"Subject: x\r\n\r\n\xe9"

    @pytest.mark.parametrize(
        ("name", "target"),
        [
            ("r.eml", "r.original.eml"),
            ("r", "r.original.eml"),
            ("2024.02.29.eml", "2024.02.29.original.eml"),
            (".eml", ".eml.original.eml"),
            ("in/deep/r.eml", "r.original.eml"),
            ("a b.eml", "a b.original.eml"),
            ("\u00e9\u202e.eml", "\u00e9\u202e.original.eml"),
        ],
    )
    def test_names(self, name: str, target: str) -> None:
        """A file's name keeps its stem, and no folder of its path."""
        put(name)
        assert run("unwrap", name, "--out", "there").status == 0
        assert listed("there") == [target]

    def test_standard_input(self) -> None:
        """Standard input has a name as a file, too."""
        assert run("unwrap", "-", "--out", "there", stdin=REPORT) == (0, b"", "")
        assert {path.name: path.read_bytes() for path in Path("there").iterdir()} == {"stdin.original.eml": ORIGINAL}

    def test_through(self) -> None:
        """From standard input to standard output nothing is added."""
        assert run("unwrap", "-", "--out", "-", stdin=REPORT) == (0, ORIGINAL, "")

    def test_standard_output_takes_one(self) -> None:
        """Originals of several files are never run together on standard output."""
        put("a.eml")
        put("b.eml")
        outcome = run("unwrap", "a.eml", "b.eml", "--out", "-")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: --out -: ")

    @pytest.mark.parametrize("out", ["there", "-"])
    def test_missing(self, out: str) -> None:
        """A report without an original is named, with exit status 1, and no file stands for it."""
        put("r.eml", WITHOUT_ORIGINAL)
        outcome = run("unwrap", "r.eml", "--out", out)
        assert (outcome.status, outcome.data) == (1, b"")
        assert outcome.told == ["r.eml: the report holds no original"]
        assert list(files()) == ["r.eml"]

    @pytest.mark.parametrize("out", ["there", "-"])
    def test_perhaps_truncated(self, out: str) -> None:
        """An original that is perhaps not whole is written, and that is told."""
        put("r.eml", TRUNCATED)
        outcome = run("unwrap", "r.eml", "--out", out)
        assert outcome.status == 0
        assert outcome.told == ["r.eml: the original is perhaps truncated"]
        assert (outcome.data or Path("there/r.original.eml").read_bytes()) == ORIGINAL

    def test_perhaps_truncated_replaces_nothing(self) -> None:
        """A perhaps truncated original never takes the place of a file, whatever was said of overwriting."""
        put("r.eml", built(ORIGINAL)[:-60])
        put("there/r.original.eml", ORIGINAL)
        outcome = run("unwrap", "r.eml", "--out", "there", "--force")
        assert outcome.status == 1
        assert "does not replace it" in outcome.err
        assert Path("there/r.original.eml").read_bytes() == ORIGINAL

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("second", ["b/r.eml", "b/R.eml", "a/r.msg", "a/../a/r.eml"])
    def test_same_stem(self, second: str, force: list[str]) -> None:
        """Two inputs never end as one file: the second gets a number and is named, with or without `--force`."""
        put("a/r.eml")
        if ".." not in second:
            put(second, built(b"Subject: another\r\n\r\n"))
        put("c.eml")
        if force:
            put("there/r.original.eml", b"old")
        outcome = run("unwrap", "a/r.eml", second, "c.eml", "--out", "there", *force)
        given = f"{Path(second).stem}-2.original.eml"
        assert outcome == (0, b"", f"{second}: written to there/{given}\n")
        written = {path.name: path.read_bytes() for path in Path("there").iterdir()}
        other = ORIGINAL if ".." in second else b"Subject: another\r\n\r\n"
        assert written == {"r.original.eml": ORIGINAL, given: other, "c.original.eml": ORIGINAL}

    def test_same_stem_again(self) -> None:
        """A run that is repeated finds its own files again, and overwrites none of them."""
        for name in ("a/r.eml", "b/r.eml", "b/r-2.eml", "c/r.eml"):
            put(name, built(f"Subject: {name}\r\n\r\n".encode()))
        words = ["unwrap", "a/r.eml", "b/r.eml", "b/r-2.eml", "c/r.eml", "--out", "there"]
        assert run(*words).status == 0
        assert {path.name: path.read_bytes()[9:].strip() for path in Path("there").iterdir()} == {
            "r.original.eml": b"a/r.eml",
            "r-2.original.eml": b"b/r.eml",
            "r-2-2.original.eml": b"b/r-2.eml",
            "r-3.original.eml": b"c/r.eml",
        }
        before = files()
        outcome = run(*words)
        assert (outcome.status, len(outcome.told)) == (1, 4)
        assert all(line.endswith(": is there already (--force overwrites it)") for line in outcome.told)
        assert run(*words, "--force").status == 0
        assert files() == before

    def test_number_that_is_a_name(self) -> None:
        """A number is not given where the name with it is taken."""
        for name in ("a/r-2.eml", "a/r.eml", "b/r.eml"):
            put(name, built(f"Subject: {name}\r\n\r\n".encode()))
        assert run("unwrap", "a/r-2.eml", "a/r.eml", "b/r.eml", "--out", "there").status == 0
        assert listed("there") == ["r-2.original.eml", "r-3.original.eml", "r.original.eml"]

    def test_standard_input_and_its_namesake(self) -> None:
        """A file called like standard input does not end as one with it."""
        put("stdin.eml", built(b"Subject: another\r\n\r\n"))
        assert run("unwrap", "-", "stdin.eml", "--out", "there", "--force", stdin=REPORT).status == 0
        assert Path("there/stdin.original.eml").read_bytes() == ORIGINAL
        assert Path("there/stdin-2.original.eml").read_bytes() == b"Subject: another\r\n\r\n"

    def test_disk_error_does_not_end_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What could not be written is named, and the next file is written."""
        put("a.eml")
        put("b.eml")
        put("there/c.original.eml", b"old")
        put("c.eml")

        def fail(*_: object) -> int:
            patch.undo()
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", fail)
            outcome = run("unwrap", "a.eml", "b.eml", "c.eml", "--out", "there")
        assert outcome.status == 2
        assert len(outcome.told) == 2
        written = {path.name: path.read_bytes() for path in Path("there").iterdir()}
        assert written == {"b.original.eml": ORIGINAL, "c.original.eml": b"old"}


def in_format(name: str, **changes: Any) -> bytes:
    """What the library writes in a format for `a_report()` with some of its fields changed."""
    options: dict[str, Any] = {"domain": "example.com", "date": DATE, "report_id": "<r@example.com>"}
    return build_report(a_report(**changes), ORIGINAL, format=ReportFormat(name), **options)


class TestFormats:
    """The verbs that read, told the format or not."""

    def test_2003_for_people(self) -> None:
        """A report of Exchange 2003 has display names beside its addresses, the sender's as well, and no subject."""
        named = Recipient("bob@example.net", display_name="Bob, of Sales")
        data = in_format("envelope-2003", sender_display_name="Alice Example", recipients=[named, "erin@example.org"])
        put("r.eml", data)
        outcome = run("parse", "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        text, twin, original = parse_report(data).parts
        assert outcome.out.split("\n") == [
            "r.eml",
            "  format       envelope-2003 (Content-Identifer)",
            "  report id    <r@example.com>",
            "  sender       alice@example.com  (Alice Example)",
            "  message id   <1@example.com>",
            "  recipients   2",
            "    Recipient bob@example.net  (Bob, of Sales)",
            "    Recipient erin@example.org",
            "  parts",
            f"    text      text/plain          {text.size:>10} bytes at {text.offset}",
            f"    other     text/html           {twin.size:>10} bytes at {twin.offset}",
            f"    original  message/rfc822      {len(ORIGINAL):>10} bytes at {original.offset}  sha256 {sha256(ORIGINAL)}",
            "  oddities     none",
            "",
        ]

    def test_null_sender_with_a_name(self) -> None:
        """The null sender stays visible beside a display name."""
        put("r.eml", in_format("envelope-2003", sender="", sender_display_name="Nobody"))
        assert "  sender       <>  (Nobody)\n" in run("parse", "r.eml").out

    @pytest.mark.parametrize("format_", ["bcc", "message-only"])
    def test_copy_for_people(self, format_: str) -> None:
        """The recipients of a copy are shown as what they are: claims of the message's own header."""
        copy = ORIGINAL.replace(b"Subject", b"Cc: Dave <dave@example.com>\r\nBcc: erin@example.org\r\nSubject")
        put("r.eml", copy)
        outcome = run("parse", "--format", format_, "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.split("\n") == [
            "r.eml",
            f"  format       {format_} (caller)",
            "  sender       alice@example.com",
            "  subject      Hello",
            "  message id   <1@example.com>",
            "  recipients   3, as the message's own header claims",
            "    To        bob@example.net",
            "    Cc        dave@example.com  (Dave)",
            "    Bcc       erin@example.org",
            "  parts",
            f"    original  message/rfc822      {len(copy):>10} octets at 0  sha256 {sha256(copy)}",
            "  oddities     none",
            "",
        ]

    def test_envelope_claims_nothing(self) -> None:
        """The recipients of an envelope are no claims."""
        put("r.eml")
        assert "  recipients   1\n" in run("parse", "r.eml").out

    @pytest.mark.parametrize("format_", ReportFormat)
    def test_json(self, format_: ReportFormat) -> None:
        """The object is the library's own form in every format, and says where the recipients come from."""
        recipients_ = [Recipient("bob@example.net", Role.TO), Recipient("erin@example.org", Role.BCC)]
        data = put("r.eml", in_format(format_, recipients=recipients_)).read_bytes()
        parsed = parse_report(data, format=format_)
        wanted: dict[str, Any] = parsed.to_dict() | OWN_FILE
        assert parsed.original is not None
        wanted["original"]["sha256"] = sha256(parsed.original)
        outcome = run("parse", "--json", "--format", format_, "r.eml")
        assert (outcome.status, outcome.err, outcome.objects) == (0, "", [wanted])
        is_copy = format_ in {"bcc", "message-only"}
        assert wanted["format"] == format_
        assert wanted["recipients_from"] == ("header" if is_copy else "envelope")
        assert (wanted["marker"] == "caller") is is_copy

    @pytest.mark.parametrize(
        ("format_", "marker"),
        [
            ("envelope", "X-MS-Journal-Report"),
            ("envelope-2003", "Content-Identifer"),
            ("bcc", "caller"),
            ("message-only", "caller"),
        ],
    )
    def test_check(self, format_: str, marker: str) -> None:
        """Check says the format and what convinced it, to people and to programs."""
        put("r.eml", in_format(format_))
        words = ["check", "--format", format_, "r.eml"]
        assert run(*words) == (0, f"r.eml: report, {format_}, {marker}: no defects\n".encode(), "")
        found = {"report": True, "format": format_, "marker": marker, "defects": {}}
        assert run(*words, "--json").objects == [{"file": "r.eml", "source": {"path": "r.eml"}, **found}]

    @pytest.mark.parametrize("format_", ["bcc", "message-only"])
    def test_copies_need_the_format(self, format_: str) -> None:
        """Nothing tells a copy from ordinary mail but the caller."""
        put("r.eml", in_format(format_))
        assert run("check", "r.eml").status == 1
        assert run("check", "--format", format_, "r.eml").status == 0

    @pytest.mark.parametrize("format_", ReportFormat)
    def test_unwrap(self, format_: str) -> None:
        """The original comes out of every format; that of a copy is the copy."""
        data = in_format(format_, recipients=["erin@example.org"])
        put("r.eml", data)
        wanted = data if format_ in {"bcc", "message-only"} else ORIGINAL
        assert run("unwrap", "--format", format_, "r.eml", "--out", "there") == (0, b"", "")
        assert Path("there/r.original.eml").read_bytes() == wanted
        assert run("unwrap", "--format", format_, "-", "--out", "-", stdin=data) == (0, wanted, "")

    @pytest.mark.parametrize("header", [b"X-WM-Journal-Report: journal", b"X-GM-Journal-ID: 1"])
    def test_other_producers(self, header: bytes) -> None:
        """The markers of other producers are named as they are."""
        put("r.eml", REPORT.replace(b"X-MS-Journal-Report:", header))
        marker = header.partition(b":")[0].decode()
        assert run("check", "r.eml").out == f"r.eml: report, envelope, {marker}: no defects\n"

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    def test_terminal(self, character: str) -> None:
        """Nothing that a stranger put into a display name or a copy acts on the terminal."""
        octets = f"a{character}b".encode()
        named = Recipient("bob@example.net", display_name="a-b")
        old = in_format("envelope-2003", sender_display_name="a-b", recipients=[named])
        put("old.eml", old.replace(b'"a-b"', b'"' + octets + b'"'))
        put("copy.eml", b"From: " + octets + b"@example.com\r\nTo: " + octets + b" <x>\r\nBcc: " + octets + b"\r\n\r\n")
        for words in (["old.eml"], ["--format", "bcc", "copy.eml"]):
            for verb in ("parse", "check"):
                outcome = run(verb, *words)
                assert outcome.out
                assert seen(outcome.out)
                assert seen(outcome.err)


STAMPED = (
    b"X-MS-Exchange-Organization-SCL: -1\r\n"
    b"Received: from a.example\r\n\tby b.example\r\n"
    b"x-ms-journal-report:\r\n"
    b"X-MS-Exchange-Organization-AuthAs: Internal\r\n\tfolded\r\n \r\n"
    b"X-MS-Exchange-Organization-SCL: 5\r\n" + ORIGINAL + b"X-MS-Journal-Report: of the body\r\n"
)
CLEANED = b"Received: from a.example\r\n\tby b.example\r\n" + ORIGINAL + b"X-MS-Journal-Report: of the body\r\n"
REMOVED = [
    "r.eml: removed X-MS-Exchange-Organization-SCL (2)",
    "r.eml: removed x-ms-journal-report",
    "r.eml: removed X-MS-Exchange-Organization-AuthAs",
]
LARGE_HEADER = b"X-MS-Journal-Report:\r\n" + b"X: y\r\n" * 100_000 + b"\r\nHi.\r\n"


class TestClean:
    """`unwrap --clean`: the original without what makes a server refuse or leak."""

    def test_file(self) -> None:
        """What was removed is told, each name once and with its number, and only that is gone."""
        put("r.eml", built(STAMPED))
        assert run("unwrap", "--clean", "r.eml", "--out", "there") == (0, b"", "\n".join([*REMOVED, ""]))
        assert Path("there/r.original.eml").read_bytes() == CLEANED
        assert strip_headers(STAMPED, RESTORE_HEADERS) == CLEANED

    def test_standard_output(self) -> None:
        """The same to standard output."""
        put("r.eml", built(STAMPED))
        assert run("unwrap", "--clean", "r.eml", "--out", "-") == (0, CLEANED, "\n".join([*REMOVED, ""]))

    def test_never_by_default(self) -> None:
        """Without the option nothing is removed."""
        put("r.eml", built(STAMPED))
        assert run("unwrap", "r.eml", "--out", "-") == (0, STAMPED, "")

    @pytest.mark.parametrize(
        "original",
        [b"", b"\n", b"no header", ORIGINAL, b"From x\n\xff\0\r\r\n\x1a", ORIGINAL * 5000],
        ids=["empty", "line end", "no header", "ordinary", "octets", "long"],
    )
    def test_nothing_to_remove(self, original: bytes) -> None:
        """Where nothing is removed nothing is told, and the original is whole."""
        put("r.eml", built(original))
        assert run("unwrap", "--clean", "r.eml", "--out", "-") == (0, original, "")

    def test_encoded(self) -> None:
        """An original in a transfer encoding is cleaned behind it."""
        coded = base64.encodebytes(b"X-MS-Journal-Report:\nSubject: x\n\n\xe9").replace(b"\n", b"\r\n")
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + coded
        put("r.eml", a_message(TEXT, part))
        outcome = run("unwrap", "--clean", "r.eml", "--out", "-")
        assert outcome == (0, b"Subject: x\n\n\xe9", "r.eml: removed X-MS-Journal-Report\n")

    @pytest.mark.parametrize("format_", ["bcc", "message-only"])
    def test_copy(self, format_: str) -> None:
        """Any message can be cleaned as a copy of itself."""
        put("r.eml", STAMPED)
        outcome = run("unwrap", "--clean", "--format", format_, "r.eml", "--out", "-")
        assert outcome == (0, CLEANED, "\n".join([*REMOVED, ""]))

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("out", ["there", "-"])
    def test_header_too_large(self, out: str, force: list[str]) -> None:
        """An original whose header is too large to be looked at is named, and nothing of it is written, clean or not."""
        put("r.eml", built(LARGE_HEADER))
        put("there/r.original.eml", b"kept")
        before = files()
        outcome = run("unwrap", "--clean", "r.eml", "--out", out, *force)
        assert (outcome.status, outcome.data) == (1, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith("r.eml: the original cannot be cleaned: header-too-large at offset ")
        assert files() == before

    def test_header_too_large_does_not_end_the_run(self) -> None:
        """The next file is cleaned all the same."""
        put("large.eml", built(LARGE_HEADER))
        put("r.eml", built(STAMPED))
        outcome = run("unwrap", "--clean", "large.eml", "r.eml", "--out", "there")
        assert outcome.status == 1
        assert outcome.told[1:] == REMOVED
        assert listed("there") == ["r.original.eml"]

    def test_truncated(self) -> None:
        """What else is to be told of an original is told as well."""
        put("r.eml", built(STAMPED)[:-60])
        outcome = run("unwrap", "--clean", "r.eml", "--out", "there")
        assert (outcome.status, outcome.told) == (0, ["r.eml: the original is perhaps truncated", *REMOVED])

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    def test_terminal(self, character: str) -> None:
        """Nothing of a name acts on the terminal."""
        octets = f"X-MS-Exchange-Organization-a{character}b: c\r\n".encode()
        put(f"{character}.eml", built(octets + STAMPED))
        outcome = run("unwrap", "--clean", f"{character}.eml", "--out", "there")
        assert outcome.status == 0
        assert outcome.err
        assert seen(outcome.err)


JOURNAL = "journal@example.com"
FULL = "550 5.2.2 mailbox full"
REFUSED = f"     1  {JOURNAL}  failed  5.2.2  {FULL}"
REPORT_FILE = "r@example.com.eml"


def status(mailbox: str = JOURNAL, answer: str = FULL, more: str = "", code: str = "5.2.2") -> bytes:
    """What a delivery status says of one mailbox."""
    fields = (
        f"Final-Recipient: rfc822; {mailbox}\r\nAction: failed\r\nStatus: {code}\r\nDiagnostic-Code: smtp; {answer}\r\n"
    )
    return f"{fields}{more}\r\n".encode()


def a_bounce(*statuses: bytes, inside: bytes = REPORT, type_: bytes = b"message/rfc822") -> bytes:
    """A bounce that attaches something, with the delivery status of some mailboxes."""
    told = b"Reporting-MTA: dns; mx.example.com\r\n\r\n" + b"".join(statuses or [status()])
    parts = [b"text/plain\r\n\r\nIt could not be delivered.\r\n", b"message/delivery-status\r\n\r\n" + told]
    parts.append(type_ + b"\r\n\r\n" + inside)
    return (
        b"From: <postmaster@example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=bounce\r\n\r\n"
        + b"".join([b"--bounce\r\nContent-Type: " + part + b"\r\n" for part in parts])
        + b"--bounce--\r\n"
    )


def with_id(report_id: bytes | str, original: bytes = ORIGINAL) -> bytes:
    """A report with any bytes as its id."""
    octets = report_id if isinstance(report_id, bytes) else report_id.encode()
    return built(original).replace(b"<r@example.com>", octets)


def rescue(*names: str | Path, out: str = "there", stdin: bytes = b"") -> Outcome:
    """Unwrap bounces."""
    return run("unwrap", "--undeliverable", *names, "--out", out, stdin=stdin)


def rescued(folder_: str = "there") -> dict[str, bytes]:
    """What was written out of bounces, by name."""
    return {path.name: path.read_bytes() for path in Path(folder_).iterdir()}


HEADER_ONLY = REPORT[: REPORT.index(b"\r\n\r\n") + 2]
HOSTILE_IDS = {
    "slashes": "<../../../etc/x@example.com>",
    "root": "</r@example.com>",
    "up": "<..>",
    "here": "<.>",
    "here with a slash": "<./>",
    "up with a slash": "<../>",
    "backslashes": "<..\\..\\r@example.com>",
    "drive": "<C:r@example.com>",
    "empty": "",
    "brackets": "<>",
    "many brackets": "<<>><",
    "blank": "< >",
    "long": f"<{'r' * 5000}@example.com>",
    "long and not ASCII": f"<{chr(0x4E2D) * 3000}@example.com>",
    "control": "<\x1b[2Jr\x07\x7f@example.com>",
    "nul": "<r\0/../x@example.com>",
    "fold": "<r\r\n\t../x@example.com>",
    "not ASCII": "<\u00e9\u202e\u4e2d@example.com>",
    "wild": "<*?$(x)`x`;|&'\"@example.com>",
    "words": "r@example.com and more",
    "comment": "<r@example.com> (../x)",
}


class TestUndeliverable:
    """`unwrap --undeliverable`: the reports out of bounces, and who refused them."""

    def test_byte_for_byte(self) -> None:
        """The report comes out as it went in, named after its id, and standard output tells who refused it and why."""
        put("b.eml", a_bounce())
        assert rescue("b.eml") == (0, f"{REFUSED}\n".encode(), "")
        assert files() == {"b.eml": a_bounce(), f"there/{REPORT_FILE}": REPORT}

    @pytest.mark.parametrize("file", ["b.eml", "-"])
    def test_standard_output(self, file: str) -> None:
        """A dash is standard output for the one report; then standard error tells of the refusal."""
        put("b.eml", a_bounce())
        outcome = rescue(file, out="-", stdin=b"" if file == "b.eml" else a_bounce())
        assert outcome == (0, REPORT, f"{REFUSED}\n")
        assert list(files()) == ["b.eml"]

    def test_standard_output_takes_one(self) -> None:
        """Reports of several bounces are never run together on standard output."""
        put("a.eml", a_bounce())
        outcome = rescue("a.eml", "a.eml", out="-")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: --out -: ")

    @pytest.mark.parametrize("option", [["--clean"], ["--force"], ["--format", "envelope"]], ids=lambda words: words[0])
    def test_misuse(self, option: list[str]) -> None:
        """An option that has no use here is named, with exit status 2, and nothing is written."""
        put("b.eml", a_bounce())
        outcome = run("unwrap", "--undeliverable", "b.eml", "--out", "there", *option)
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"exjournal: {option[0]}: ")
        assert list(files()) == ["b.eml"]

    def test_copies(self) -> None:
        """With the format of a copy whatever bounced comes out as it is."""
        copy = b"From: ann@example.com\r\nBcc: hidden@example.org\r\nMessage-ID: <1@example.com>\r\n\r\nHi.\r\n"
        put(
            "b.eml",
            b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + copy,
        )
        with Path("b.eml").open("ab") as file:
            file.write(b"\r\n--b--\r\n")
        outcome = run("unwrap", "--undeliverable", "--format", "bcc", "b.eml", "--out", "there")
        assert outcome.status == 0
        assert files()["there/1@example.com.eml"] == copy

    @pytest.mark.parametrize("kind", [b"message/rfc822", b"text/rfc822-headers"])
    def test_another_report(self, kind: bytes) -> None:
        """A second report in a bounce is named with its offset, and the exit status says that there is more."""
        other = REPORT.replace(b"<r@example.com>", b"<other@example.com>")
        data = a_bounce(inside=REPORT + b"\r\n--bounce\r\nContent-Type: " + kind + b"\r\n\r\n" + other, type_=kind)
        put("b.eml", data)
        outcome = rescue("b.eml")
        place = data.index(other)
        assert outcome.status == 1
        assert outcome.told[0] == (
            f"b.eml: another-report at offset {place}: the bounce holds another report, which is not written"
        )
        assert len(outcome.told) == (1 if kind == b"message/rfc822" else 2)

    def test_seals(self) -> None:
        """With a secret a line for each report says whether its seal is verified; only a verified one makes no exit status."""
        secret = b"the first secret of the house"
        put("secret", secret)
        sealed = built(secret=secret)
        put("1.eml", a_bounce(inside=sealed))
        put("2.eml", a_bounce())
        put("3.eml", a_bounce(inside=sealed.replace(b"Hello", b"Other")))
        for name, line, status_ in (("1", "seal verified", 0), ("2", "unsealed", 1), ("3", "seal broken", 1)):
            outcome = run("unwrap", "--undeliverable", "--secret-file", "secret", f"{name}.eml", "--out", name)
            assert (outcome.status, outcome.out.splitlines()[0]) == (status_, f"{name}.eml: {line}")
        outcome = run("unwrap", "--undeliverable", "--secret-file", "secret", "1.eml", "--out", "-")
        assert (outcome.data, outcome.told[0]) == (sealed, "1.eml: seal verified")
        assert run("unwrap", "--undeliverable", "--secret-file", "none", "1.eml", "--out", "-").status == 2
        assert run("unwrap", "--secret-file", "secret", "1.eml", "--out", "there").status == 2

    def test_a_verified_seal_proves_that_a_report_is_complete(self) -> None:
        """A notice at the end of a report is that of its author where the seal is verified."""
        secret = b"the first secret of the house"
        put("secret", secret)
        put("b.eml", a_bounce(inside=built(ORIGINAL + b"\r\nMessage truncated.\r\n", secret=secret)))
        assert rescue("b.eml").told == ["b.eml: the report inside is perhaps truncated"]
        outcome = run("unwrap", "--undeliverable", "--secret-file", "secret", "b.eml", "--out", "other")
        assert (outcome.status, outcome.err) == (0, "")

    def test_found_elsewhere(self) -> None:
        """A report out of a plain text is written with its bounce, and where it was is said."""
        line = b"--- Below this line is a copy of the message."
        data = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@example.net\r\n\r\nNo.\r\n" + line + b"\r\n\r\n" + REPORT
        put("b.eml", data)
        outcome = rescue("b.eml")
        told = f"b.eml: found-elsewhere at offset {data.index(line)}: the report is in the text of the bounce"
        assert (outcome.status, outcome.told) == (1, [told])
        assert rescued() == {REPORT_FILE: REPORT, REPORT_FILE.replace(".eml", ".bounce.eml"): data}
        found = json.loads(run("parse", "--undeliverable", "--json", "b.eml").out)
        assert (found["found"], found["undeliverable"]) == ("text", [])

    def test_damaged_report(self) -> None:
        """A report that is damaged itself comes out as it is, and that it does not parse is told."""
        damaged = b"X-MS-Journal-Report:\r\nMessage-ID: <r@example.com>\r\n\r\n\xff\0no parts"
        put("b.eml", a_bounce(inside=damaged))
        outcome = rescue("b.eml")
        assert (outcome.status, len(outcome.told)) == (1, 1)
        assert outcome.err.startswith("b.eml: the report inside does not parse: report-text-missing")
        assert rescued() == {REPORT_FILE: damaged}

    def test_perhaps_truncated(self) -> None:
        """A report that is perhaps not whole is written, and that is told."""
        put("b.eml", a_bounce()[:-40])
        outcome = rescue("b.eml")
        assert (outcome.status, outcome.told) == (1, ["b.eml: the report inside is perhaps truncated"])
        assert REPORT.startswith(rescued()[REPORT_FILE])

    @pytest.mark.parametrize("kept", [len(HEADER_ONLY) + 2, -60], ids=["header", "most of it"])
    def test_cut_by_the_server(self, kept: int) -> None:
        """A report that a server cut before it put it into a whole bounce is written, and told like any other cut one."""
        put("b.eml", a_bounce(inside=REPORT[:kept]))
        outcome = rescue("b.eml")
        assert rescued() == {REPORT_FILE: REPORT[:kept]}
        assert len(outcome.told) == 1
        assert outcome.err.startswith("b.eml: ")

    def test_no_bounce(self) -> None:
        """A report that is no bounce is written as it is, and nobody refused it."""
        put("r.eml")
        assert rescue("r.eml") == (0, b"", "")
        assert rescued() == {REPORT_FILE: REPORT}

    def test_bounce_of_a_bounce(self) -> None:
        """Where the alternate mailbox refused the bounce, both refusals are told."""
        inner = a_bounce()
        put("b.eml", a_bounce(status("alternate@example.com", "no such user", code="5.1.1"), inside=inner))
        outcome = rescue("b.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.split("\n") == ["     1  alternate@example.com  failed  5.1.1  no such user", REFUSED, ""]
        assert rescued() == {REPORT_FILE: REPORT}

    @pytest.mark.parametrize("out", ["there", "-"])
    def test_header_only(self, out: str) -> None:
        """Of a bounce with nothing but the report's header the id is told, and who refused it; there is nothing to write."""
        put("b.eml", a_bounce(inside=HEADER_ONLY, type_=b"text/rfc822-headers"))
        outcome = rescue("b.eml", out=out)
        told = "b.eml: holds only the header of the report <r@example.com>"
        assert outcome.status == 1
        assert (outcome.out + outcome.err).split("\n") == ([told, REFUSED, ""] if out == "-" else [REFUSED, told, ""])
        assert list(files()) == ["b.eml"]

    def test_header_only_without_an_id(self) -> None:
        """Where that header has no id the sentence is whole without it."""
        put("b.eml", a_bounce(inside=b"X-MS-Journal-Report:\r\n", type_=b"text/rfc822-headers"))
        outcome = rescue("b.eml")
        assert outcome.status == 1
        assert outcome.told[0].startswith("b.eml: holds only the header of ")
        assert not outcome.told[0].endswith(" ")

    @pytest.mark.parametrize("out", ["there", "-"])
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (a_bounce(inside=ORIGINAL), "no-report-inside"),
            (a_bounce(inside=b"Subject: x\r\n", type_=b"text/rfc822-headers"), "no-report-inside"),
            (ORIGINAL, "not-a-report"),
            (b"", "empty"),
            (b"\xff\0" * 100, "not-a-report"),
            (b"X: y\r\n" * 100_000 + b"\r\n", "header-too-large"),
        ],
    )
    def test_no_report_inside(self, data: bytes, code: str, out: str) -> None:
        """What holds no report is named with its reason, on standard error, with exit status 1; nothing is written."""
        put("b.eml", data)
        outcome = rescue("b.eml", out=out)
        assert (outcome.status, outcome.data) == (1, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"b.eml: {code} at offset ")
        assert list(files()) == ["b.eml"]

    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_unreadable(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that cannot be read is named, with exit status 2."""
        path = unusable(kind, monkeypatch)
        outcome = rescue(path)
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"{path}: ")
        assert not Path("there").exists()

    def test_several(self) -> None:
        """Each file is done, whatever another one is; what failed is named, and the highest status counts."""
        put("1.eml", a_bounce(inside=with_id("<1@example.com>")))
        put("2.eml", a_bounce(inside=ORIGINAL))
        put("3.eml", a_bounce(inside=HEADER_ONLY, type_=b"text/rfc822-headers"))
        put("4.eml", a_bounce(inside=with_id("<4@example.com>")))
        outcome = rescue(
            "1.eml", "2.eml", "missing.eml", "3.eml", "-", stdin=a_bounce(inside=with_id("<5@example.com>"))
        )
        assert outcome.status == 2
        assert [line.partition(": ")[0] for line in outcome.told] == ["2.eml", "missing.eml", "3.eml"]
        assert rescued().keys() == {"1@example.com.eml", "5@example.com.eml"}
        assert rescue("2.eml", "4.eml").status == 1
        assert rescued().keys() == {"1@example.com.eml", "4@example.com.eml", "5@example.com.eml"}

    def test_many(self) -> None:
        """Of many bounces every report comes out, and the summary is a line for all of them and one for what refused them."""
        names = [put(f"in/{number}.eml", a_bounce(inside=with_id(f"<{number}@example.com>"))) for number in range(300)]
        told = f"300 bounces: 300 written\n   300  {JOURNAL}  failed  5.2.2  {FULL}\n"
        assert rescue(*names) == (0, told.encode(), "")
        assert rescued() == {f"{number}@example.com.eml": with_id(f"<{number}@example.com>") for number in range(300)}


class TestRefusals:
    """The summary of `unwrap --undeliverable`: which journal mailbox refused how many reports, and why."""

    def summary(self, *statuses: list[bytes]) -> list[str]:
        """The summary of a run over bounces with these delivery statuses."""
        names = [
            put(f"{number}.eml", a_bounce(*one, inside=with_id(f"<{number}@example.com>")))
            for number, one in enumerate(statuses)
        ]
        outcome = rescue(*names)
        assert (outcome.status, outcome.err) == (0, "")
        lines = outcome.out.split("\n")[:-1]
        if len(names) > 1:
            assert lines.pop(0) == f"{len(names)} bounces: {len(names)} written"
        return lines

    def test_order(self) -> None:
        """The most frequent refusal comes first; equal ones, and the answers to choose from, stand in alphabetical order."""
        other = status("other@example.com", "no such user", code="5.1.1")
        last = status("z@example.com", "no such user", code="5.1.1")
        assert self.summary([status(answer="b")], [last], [other], [other], [other], [status(answer="a")], [last]) == [
            "     3  other@example.com  failed  5.1.1  no such user",
            f"     2  {JOURNAL}  failed  5.2.2  a  (one of 2 answers)",
            "     2  z@example.com  failed  5.1.1  no such user",
        ]

    def test_several_mailboxes_of_one_bounce(self) -> None:
        """A bounce can be about several mailboxes, each of which refused the report."""
        assert self.summary([status(), status("other@example.com")], [status()]) == [
            f"     2  {JOURNAL}  failed  5.2.2  {FULL}",
            f"     1  other@example.com  failed  5.2.2  {FULL}",
        ]

    def test_same_words_twice(self) -> None:
        """What one bounce says twice is one refusal."""
        assert self.summary([status(), status()]) == [REFUSED]

    def test_nothing_said(self) -> None:
        """A bounce that says nothing of a mailbox gives no line."""
        assert self.summary([b"X-Other: y\r\n"]) == []

    @pytest.mark.parametrize(
        ("said_", "line"),
        [
            (b"Status: 5.0.0\r\n", "     1  ?  5.0.0"),
            (b"Action: FAILED\r\n", "     1  ?  failed"),
            (b"Final-Recipient: rfc822; journal@example.com\r\n", f"     1  {JOURNAL}"),
        ],
    )
    def test_little_said(self, said_: bytes, line: str) -> None:
        """What a bounce does not say is left out, but for the mailbox, whose place is kept."""
        assert self.summary([said_]) == [line]

    def test_original_recipient(self) -> None:
        """A mailbox that is named by its first address alone is told by that."""
        said_ = b"Original-Recipient: rfc822; journal@example.com\r\nAction: failed\r\nStatus: 5.0.0\r\n"
        assert self.summary([said_]) == [f"     1  {JOURNAL}  failed  5.0.0"]

    def test_same_line_twice(self) -> None:
        """Refusals that read the same are counted on one line, though bounces differ in what the line does not say."""
        first, second = (status(more=f"Remote-MTA: dns; mx{number}.example.com\r\n") for number in (1, 2))
        assert self.summary([first], [second]) == [f"     2  {JOURNAL}  failed  5.2.2  {FULL}"]

    def test_answers_with_a_number_of_their_own(self) -> None:
        """A summary stays one where the server puts a queue id into every answer."""
        answers = [[status(answer=f"{FULL} (queue id {number:08x})")] for number in range(20)]
        found = self.summary(*answers)
        assert len(found) < 20
        assert found[0].startswith(f"    20  {JOURNAL}  failed  5.2.2  {FULL}")

    def test_long_answer(self) -> None:
        """An answer is shown as far as a terminal has room for it."""
        (line,) = self.summary([status(answer="a" * 5000)])
        assert line == f"     1  {JOURNAL}  failed  5.2.2  {'a' * 200}\u2026"

    def test_very_many_mailboxes(self) -> None:
        """Beyond a hundred lines the rest is counted."""
        lines = self.summary([status(f"{number:03}@example.com") for number in range(150)])
        assert len(lines) == 101
        assert lines[-1] == "and 50 more mailboxes and codes"

    @pytest.mark.parametrize("action", ["delayed", "delivered", "relayed"])
    def test_not_refused(self, action: str) -> None:
        """A report that is still on its way, or has arrived, is written, and that it may arrive twice is told."""
        put("b.eml", a_bounce(status().replace(b"failed", action.encode())))
        outcome = rescue("b.eml")
        assert (outcome.status, len(outcome.told)) == (1, 1)
        assert "twice" in outcome.err
        assert rescued() == {REPORT_FILE: REPORT}

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    @pytest.mark.parametrize("out", ["there", "-"])
    def test_terminal(self, out: str, character: str) -> None:
        """Nothing that a server or a stranger wrote into a bounce acts on the terminal."""
        text = f"a{character}b"
        bad = status(f"{text}@example.com", f"550 {text}", code=text).replace(b"failed", text.encode())
        put("whole.eml", a_bounce(bad, inside=with_id(f"<{text}@example.com>")))
        header = HEADER_ONLY.replace(b"<r@example.com>", f"<{text}@example.com>".encode())
        put("header.eml", a_bounce(bad, inside=header, type_=b"text/rfc822-headers"))
        for name in ("whole.eml", "header.eml"):
            outcome = rescue(name, out=out)
            talk = outcome.err if out == "-" else outcome.out + outcome.err
            assert "@example.com" in talk
            assert seen(talk)


class TestRescuedFiles:
    """The files that `unwrap --undeliverable` writes: named after the report's id, and never over another."""

    @pytest.mark.parametrize("report_id", HOSTILE_IDS.values(), ids=HOSTILE_IDS.keys())
    def test_hostile_id(self, report_id: str) -> None:
        """Whatever the id, the report is one file of the folder, with a plain name that ends in .eml."""
        report = with_id(report_id)
        put("in/deep/b.eml", a_bounce(inside=report))
        outcome = rescue("in/deep/b.eml", out="in/deep/there")
        assert (outcome.status, outcome.err) == (0, "")
        (name,) = listed("in/deep/there")
        assert re.fullmatch(r"[A-Za-z0-9@._-]{1,200}\.eml", name)
        assert files() == {"in/deep/b.eml": a_bounce(inside=report), f"in/deep/there/{name}": report}

    @HEAVY
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=400), st.booleans())
    def test_any_id(self, text: str, is_bracketed: bool) -> None:
        """Nothing that an id holds leads out of the folder, and a second run writes nothing new."""
        report = with_id(f"<{text}>" if is_bracketed else text)
        with TemporaryDirectory(dir=".") as scratch:
            out = Path(scratch, "in", "there")
            for _ in range(2):
                assert rescue("-", out=str(out), stdin=a_bounce(inside=report)).status == 0
                found = {path: path.read_bytes() for path in Path(scratch).rglob("*") if path.is_file()}
                (path,) = found
                assert path.parent == out
                assert found[path] == report

    @pytest.mark.parametrize("report_id", ["", "<>", "<..>", "<_._>", "< >"])
    def test_no_id(self, report_id: str) -> None:
        """A report whose id has nothing in it that can stand in a name is called so."""
        put("b.eml", a_bounce(inside=with_id(report_id)))
        rescue("b.eml")
        assert listed("there") == ["report-without-id.eml"]

    @pytest.mark.parametrize(
        ("report_id", "name"),
        [
            ("<A.b-c_d@Example.com>", "A.b-c_d@Example.com.eml"),
            ("<a/b@example.com>", "a_b@example.com.eml"),
            (f"<{'r' * 400}@example.com>", f"{'r' * 150}.eml"),
            ("a@example.com", "a@example.com.eml"),
        ],
    )
    def test_name(self, report_id: str, name: str) -> None:
        """The name is the id without its brackets, with a low line for what has no place in a name, cut where it is long."""
        put("b.eml", a_bounce(inside=with_id(report_id)))
        rescue("b.eml")
        assert listed("there") == [name]

    @pytest.mark.parametrize("report_id", ["<.hidden@example.com>", "<../../x@example.com>", "<-rf@example.com>"])
    def test_visible(self, report_id: str) -> None:
        """No name begins with a dot or a dash: `*.eml` finds every report, and none of them reads like an option."""
        put("b.eml", a_bounce(inside=with_id(report_id)))
        assert rescue("b.eml").status == 0
        (name,) = listed("there")
        assert name[0] not in ".-"

    def test_same_id_other_bytes(self) -> None:
        """Reports that share an id are all kept, with a number each, whatever the order they come in."""
        reports = [with_id("<r@example.com>", b"Subject: %d\r\n\r\n" % number) for number in range(4)]
        names = [put(f"{number}.eml", a_bounce(inside=report)) for number, report in enumerate(reports)]
        assert rescue(*names[:2]).status == 0
        assert rescue(*names[2:]).status == 0
        assert rescued() == {
            REPORT_FILE: reports[0],
            "r@example.com-2.eml": reports[1],
            "r@example.com-3.eml": reports[2],
            "r@example.com-4.eml": reports[3],
        }

    @pytest.mark.parametrize("other_id", ["<r@example.org>", "<r@example_com>", "<r@example/com>"])
    def test_ids_of_one_name(self, other_id: str) -> None:
        """Two ids that make one name make two files."""
        put("1.eml", a_bounce(inside=with_id("<r@example:com>")))
        put("2.eml", a_bounce(inside=with_id(other_id)))
        assert rescue("1.eml", "2.eml").status == 0
        assert sorted(rescued().values()) == sorted([with_id("<r@example:com>"), with_id(other_id)])

    def test_id_like_a_numbered_name(self) -> None:
        """An id that reads like a numbered name takes no other report's place."""
        reports = [with_id("<r>"), with_id("<r-2>"), with_id("<r>", b"another"), with_id("<r-2>", b"another")]
        names = [put(f"{number}.eml", a_bounce(inside=report)) for number, report in enumerate(reports)]
        assert rescue(*names).status == 0
        assert sorted(rescued().values()) == sorted(reports)

    def test_same_bytes(self) -> None:
        """A report that is there already, byte for byte, is counted and not written again; that is no failure."""
        put("b.eml", a_bounce())
        put("c.eml", a_bounce(status("other@example.com")))
        rescue("b.eml")
        before = files()
        outcome = rescue("b.eml", "c.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.split("\n")[0] == "2 bounces: 2 there already"
        assert outcome.out.count("\n") == 3
        assert files() == before

    def test_same_bytes_under_a_number(self) -> None:
        """One that is there under a number is found as well."""
        first, second = with_id("<r@example.com>", b"1"), with_id("<r@example.com>", b"2")
        put("1.eml", a_bounce(inside=first))
        put("2.eml", a_bounce(inside=second))
        rescue("1.eml", "2.eml")
        outcome = rescue("2.eml", "1.eml")
        assert outcome.status == 0
        assert rescued() == {REPORT_FILE: first, "r@example.com-2.eml": second}

    @pytest.mark.parametrize(
        "there", [b"", b"kept", REPORT[:-1], REPORT[:-1] + b"x"], ids=["empty", "short", "cut", "size"]
    )
    def test_never_over_another(self, there: bytes) -> None:
        """A file that is there stays as it is, and the report goes beside it."""
        put(f"there/{REPORT_FILE}", there)
        put("b.eml", a_bounce())
        assert rescue("b.eml").status == 0
        assert rescued() == {REPORT_FILE: there, "r@example.com-2.eml": REPORT}

    @pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
    def test_no_file_in_its_place(self, kind: str) -> None:
        """What is no file keeps its name as well; a link that leads nowhere is one of these things."""
        place = put(f"there/{REPORT_FILE}/inside", b"kept").parent if kind == "folder" else Path("there", REPORT_FILE)
        place.parent.mkdir(exist_ok=True)
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "link":
            place.symlink_to("nowhere")
        put("b.eml", a_bounce())
        assert rescue("b.eml") == (0, f"{REFUSED}\n".encode(), "")
        assert Path("there/r@example.com-2.eml").read_bytes() == REPORT
        assert listed("there") == ["r@example.com-2.eml", REPORT_FILE]
        assert not Path("nowhere").exists()

    def test_written_by_another_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where another run takes the name in between, the report goes beside it."""
        put("b.eml", a_bounce())
        honest = Path.touch

        def late(path: Path, *words: Any, **options: Any) -> None:
            if path.name == REPORT_FILE and not path.exists():
                put(path, b"of another run")
            honest(path, *words, **options)

        monkeypatch.setattr(Path, "touch", late)
        assert rescue("b.eml").status == 0
        assert sorted(rescued().values()) == sorted([b"of another run", REPORT])

    def test_work_for_one_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many reports share a name, the work for each is the same."""
        reports = [with_id("", b"Subject: %02d\r\n\r\n" % number) for number in range(40)]
        names = [put(f"{number}.eml", a_bounce(inside=report)) for number, report in enumerate(reports)]
        honest = Path.read_bytes
        read: list[Path] = []

        def count(path: Path) -> bytes:
            read.append(path)
            return honest(path)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", count)
            assert rescue(*names).status == 0
        assert sorted(rescued().values()) == sorted(reports)
        assert len(read) <= 3 * len(names)

    @pytest.mark.parametrize("step", ["write_bytes", "replace"])
    def test_disk_error(self, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the disk fails no part of a file is left, the reason is told, and the summary comes all the same."""
        put("b.eml", a_bounce())
        before = files()
        with monkeypatch.context() as patch:
            fill_disk(patch, step)
            outcome = rescue("b.eml")
        assert outcome == (2, f"{REFUSED}\n".encode(), f"there/{REPORT_FILE}: No space left on device\n")
        assert files() == before

    def test_disk_error_does_not_end_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The next report is written."""
        put("1.eml", a_bounce())
        put("2.eml", a_bounce(inside=with_id("<2@example.com>")))

        def fail(*_: object) -> int:
            patch.undo()
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", fail)
            outcome = rescue("1.eml", "2.eml")
        assert (outcome.status, len(outcome.told)) == (2, 1)
        assert listed("there") == ["2@example.com.eml"]

    def test_file_that_cannot_be_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file in its place that cannot be looked at is named, and stays as it is."""
        put(f"there/{REPORT_FILE}", b"x" * len(REPORT))
        put("b.eml", a_bounce())
        honest = Path.read_bytes

        def read(one: Path) -> bytes:
            if one.parent.name == "there":
                raise PermissionError(errno.EACCES, "Permission denied", str(one))
            return honest(one)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", read)
            outcome = rescue("b.eml")
        assert (outcome.status, outcome.told) == (2, [f"there/{REPORT_FILE}: Permission denied"])
        assert rescued() == {REPORT_FILE: b"x" * len(REPORT)}

    @pytest.mark.parametrize("out", ["there", "there/inner"])
    def test_file_in_place_of_the_folder(self, out: str) -> None:
        """Where the folder is a file nothing can be written, with exit status 2."""
        put("there", b"kept")
        put("b.eml", a_bounce())
        before = files()
        outcome = rescue("b.eml", out=out)
        assert (outcome.status, len(outcome.told)) == (2, 1)
        assert outcome.err.startswith("there")
        assert files() == before

    def test_folder_that_takes_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder that nobody may write into is told once for each report."""

        # Permissions do not stop a superuser.
        def refuse(path: Path, *_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        put("b.eml", a_bounce())
        with monkeypatch.context() as patch:
            patch.setattr(Path, "touch", refuse)
            outcome = rescue("b.eml")
        assert (outcome.status, outcome.told) == (2, [f"there/{REPORT_FILE}: Permission denied"])
        assert listed("there") == []

    def test_interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where somebody interrupts the writing no part of the file is left, and a second run writes it."""
        put("b.eml", a_bounce())
        before = files()

        def interrupt(*_: object) -> int:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", interrupt)
            assert rescue("b.eml").status == 130
        assert files() == before
        assert rescue("b.eml").status == 0
        assert rescued() == {REPORT_FILE: REPORT}

    def test_folders_are_made(self) -> None:
        """Missing folders on the way are made; without a report there is none."""
        put("b.eml", a_bounce())
        put("none.eml", a_bounce(inside=ORIGINAL))
        rescue("none.eml", out="x/y")
        assert not Path("x").exists()
        assert rescue("b.eml", out="x/y").status == 0
        assert listed("x/y") == [REPORT_FILE]


class TestCheck:
    """`exjournal check`: is it a report, of which format, and what is odd."""

    def test_fine(self) -> None:
        """A report without defects is told as such, with exit status 0."""
        put("r.eml")
        assert run("check", "r.eml") == (0, b"r.eml: report, envelope, X-MS-Journal-Report: no defects\n", "")

    def test_defects(self) -> None:
        """Defects are counted by code, with exit status 1."""
        put("r.eml", WITH_OTHER_TEXT)
        codes = [str(defect.code) for defect in parse_report(WITH_OTHER_TEXT).defects]
        outcome = run("check", "r.eml")
        assert (outcome.status, outcome.err) == (1, "")
        told = outcome.out.removeprefix("r.eml: report, envelope, X-MS-Journal-Report: ").rstrip("\n").split(", ")
        counts = {code: codes.count(code) for code in codes}
        assert told == sorted(code if count == 1 else f"{code} ({count})" for code, count in counts.items())
        assert 1 in counts.values()
        assert max(counts.values()) > 1

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "empty"),
            (ORIGINAL, "not-a-report"),
            (b"\xff\0" * 100, "not-a-report"),
            (b"Content-Type: multipart/report\r\n\r\n", "multipart-report"),
            (a_message(b"Hello.\r\n"), "report-text-missing"),
            (b"Content-Identifer: ExJournalReport\r\n\r\n", "report-text-missing"),
        ],
    )
    def test_no_report(self, data: bytes, code: str) -> None:
        """What is no report is told with its reason, on standard output, with exit status 1."""
        put("r.eml", data)
        outcome = run("check", "r.eml")
        assert (outcome.status, outcome.err) == (1, "")
        assert outcome.out.startswith(f"r.eml: not a report: {code} at offset ")

    def test_json(self) -> None:
        """The same as data, one object a line."""
        put("fine.eml")
        put("odd.eml", WITH_OTHER_TEXT)
        put("none.eml", b"Content-Type: multipart/report\r\n\r\n")
        outcome = run("check", "--json", "fine.eml", "odd.eml", "none.eml", "-", "missing.eml")
        codes = [str(defect.code) for defect in parse_report(WITH_OTHER_TEXT).defects]
        report = {"report": True, "format": "envelope", "marker": "X-MS-Journal-Report"}
        assert outcome.objects == [
            {"file": name, "source": {"path": name}, **rest}
            for name, rest in {
                "fine.eml": {**report, "defects": {}},
                "odd.eml": {**report, "defects": {code: codes.count(code) for code in codes}},
                "none.eml": {"report": False, "code": "multipart-report", "offset": 13},
                "-": {"report": False, "code": "empty", "offset": 0},
            }.items()
        ]
        assert outcome.status == 2
        assert len(outcome.told) == 1
        assert outcome.err.startswith("missing.eml: ")


SECRET = b"a secret that nobody guesses"
SEALED = built(secret=SECRET)


class TestSeals:
    """`--secret-file`: reports are sealed where they are built, and looked at later by who knows the secret."""

    @pytest.fixture(autouse=True)
    def secrets(self, folder: Path) -> Path:
        """Two secrets in files, one of which is too short."""
        put("journal.secret", SECRET + b"\n")
        put("other.secret", b"another secret, of somebody else\r\n")
        put("short.secret", b"hunter2\n\n\n\n\n\n\n\n\n\n\n\n\n")
        return folder

    @pytest.mark.parametrize(
        ("data", "seal", "status"),
        [
            (SEALED, "valid", 0),
            (SEALED.replace(b"\r\n", b"\n"), "valid", 0),
            (b"Received: from a.example.com\r\n" + SEALED, "valid", 0),
            (SEALED.replace(b"Hi.", b"Ho."), "invalid", 1),
            (SEALED.replace(b"bob@example.net", b"eve@example.net"), "invalid", 1),
            (SEALED.replace(b"X-ExJournal-Seal: v=2", b"X-ExJournal-Seal: v=3"), "invalid", 1),
            (built(secret=b"another secret, of somebody else"), "invalid", 1),
            (REPORT, "absent", 1),
            (built(format=ReportFormat.ENVELOPE_2003, secret=SECRET), "valid", 0),
            (built(format=ReportFormat.ENVELOPE_2003), "absent", 1),
        ],
        ids=[
            "as built",
            "LF",
            "relayed",
            "original",
            "recipient",
            "version",
            "stranger",
            "none",
            "2003",
            "2003 without",
        ],
    )
    def test_check(self, data: bytes, seal: str, status: int) -> None:
        """What a seal proves is told behind the defects; one that is not valid, or not there, makes exit status 1."""
        put("r.eml", data)
        before = files()
        outcome = run("check", "r.eml", "--secret-file", "journal.secret")
        assert (outcome.status, outcome.err) == (status, "")
        (line,) = outcome.out.splitlines()
        assert line.startswith("r.eml: report, envelope")
        assert line.endswith(f": no defects, seal {seal}")
        outcome = run("check", "--json", "r.eml", "--secret-file", "journal.secret")
        assert (outcome.status, outcome.err) == (status, "")
        (found,) = outcome.objects
        assert list(found) == ["file", "source", "report", "format", "marker", "defects", "seal"]
        assert found["seal"] == seal
        assert files() == before

    def test_not_asked_for(self) -> None:
        """Without a secret nothing is said of a seal, and nothing is wrong with a report that bears one, or none."""
        put("r.eml", SEALED)
        assert run("check", "r.eml") == (0, b"r.eml: report, envelope, X-MS-Journal-Report: no defects\n", "")
        assert list(run("check", "--json", "r.eml").objects[0]) == [
            "file",
            "source",
            "report",
            "format",
            "marker",
            "defects",
        ]

    @pytest.mark.parametrize("names", [["journal", "other"], ["other", "journal"], ["other", "other", "journal"]])
    def test_several_secrets(self, names: list[str]) -> None:
        """Any of several secrets verifies, in any order, so that a new one can be put before the old."""
        put("r.eml", SEALED)
        words = [word for name in names for word in ("--secret-file", f"{name}.secret")]
        outcome = run("check", *words, "r.eml")
        assert outcome.status == 0
        assert outcome.out.endswith(", seal valid\n")

    def test_valid_and_odd(self) -> None:
        """A valid seal does not hide a defect, and a defect does not break a seal."""
        put("r.eml", built(secret=SECRET, report=a_report(message_id="<other@example.com>")))
        outcome = run("check", "r.eml", "--secret-file", "journal.secret")
        assert outcome.status == 1
        assert "no defects" not in outcome.out
        assert outcome.out.endswith(", seal valid\n")

    def test_many_files(self) -> None:
        """Files that are no reports, or cannot be read, have no seal to tell of, and never end the run."""
        put("sealed.eml", SEALED)
        put("altered.eml", SEALED.replace(b"Hi.", b"Ho."))
        put("message.eml", b"X-ExJournal-Seal: v=2; s=x\r\n" + ORIGINAL)
        put("empty.eml", b"")
        names = ["message.eml", "sealed.eml", "missing.eml", "empty.eml", "altered.eml", "-"]
        outcome = run("check", "--json", "--secret-file", "journal.secret", *names, stdin=SEALED)
        assert outcome.status == 2
        assert [line.partition(":")[0] for line in outcome.told] == ["missing.eml"]
        found = {one["file"]: one.get("seal") for one in outcome.objects}
        assert found == {
            "message.eml": None,
            "sealed.eml": "valid",
            "empty.eml": None,
            "altered.eml": "invalid",
            "-": "valid",
        }
        keys = ["file", "source", "report", "code", "offset"]
        assert [list(one) for one in outcome.objects if not one["report"]] == [keys] * 2
        outcome = run("check", "--secret-file", "journal.secret", "message.eml")
        assert outcome.status == 1
        assert "seal" not in outcome.out

    def test_copy(self) -> None:
        """A copy bears no seal, whatever its header says."""
        put("copy.eml", ORIGINAL)
        outcome = run("check", "--format", "bcc", "copy.eml", "--secret-file", "journal.secret")
        assert outcome.status == 1
        assert outcome.out.endswith(", seal absent\n")

    @pytest.mark.parametrize("kind", [*UNUSABLE, "broken"])
    @pytest.mark.parametrize(
        "words",
        [["check", "-"], ["check", "--json", "-"], ["build", "--domain", "example.com", "--to", "bob@example.net"]],
        ids=["check", "json", "build"],
    )
    def test_unreadable_secret(self, words: list[str], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A secret that cannot be read is named with the reason, before standard input is read, with exit status 2."""
        path = unusable(kind, monkeypatch)
        secrets = ["--secret-file", "journal.secret", "--secret-file", path]
        outcome = run(*words, *secrets, stdin=Failing(KeyboardInterrupt()))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"{path}: ")

    @pytest.mark.parametrize(
        "words",
        [
            ["check", "r.eml"],
            ["build", "r.eml", "--domain", "example.com", "--to", "bob@example.net", "--out", "new.eml"],
        ],
        ids=["check", "build"],
    )
    def test_short_secret(self, words: list[str]) -> None:
        """A secret that can be tried out is refused, with exit status 2, and not shown."""
        put("r.eml", SEALED)
        before = files()
        outcome = run(*words, "--secret-file", "journal.secret", "--secret-file", "short.secret")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert "short.secret: " in outcome.err
        assert "hunter2" not in outcome.err
        assert files() == before

    @pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n", b"\r\n\n"])
    @pytest.mark.parametrize("secret", [SECRET, b"\0\xff\r\n" * 5 + b"\0", b" blanks are octets too "])
    def test_line_ends_of_a_secret(self, secret: bytes, line_end: bytes) -> None:
        """Line ends at the end of the file are no part of a secret; every other octet is."""
        put("r.eml", built(secret=secret))
        put("a.secret", secret + line_end)
        assert run("check", "r.eml", "--secret-file", "a.secret").status == 0

    @pytest.mark.parametrize("verb", ["parse", "unwrap"])
    def test_no_use(self, verb: str) -> None:
        """Verbs that neither seal nor verify take no secret."""
        put("r.eml", SEALED)
        outcome = run(verb, "r.eml", *target_words(verb), "--secret-file", "journal.secret")
        assert (outcome.status, outcome.data) == (2, b"")

    def test_build_is_the_public_function(self) -> None:
        """The report that is sealed is what the library writes, with the first of several secrets."""
        words = ["--to", "bob@example.net", "--date", "2024-02-29T12:30:45+00:00", "--report-id", "<r@example.com>"]
        report = a_report(recipients=[Recipient("bob@example.net", Role.TO)])
        sealed = build(*words, "--secret-file", "journal.secret", "--secret-file", "other.secret")
        assert sealed == (0, built(report=report, secret=SECRET), "")
        assert sealed.data != build(*words).data

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--internal"],
            ["--decrypted", "clear.eml"],
            ["--format", "envelope-2003"],
            ["--format", "envelope-2003", "--correct-marker"],
            ["--sender", "<>", "--expanded", "erin@example.com=bob@example.net"],
        ],
        ids=" ".join,
    )
    @pytest.mark.parametrize(
        "message", [ORIGINAL, b"", b"\xff\0\r\r\n.\r\n", SEALED], ids=["mail", "empty", "octets", "report"]
    )
    def test_build_then_check(self, words: list[str], message: bytes) -> None:
        """What was sealed is valid by its own secret alone, in both envelope formats, whatever is in the report."""
        put("clear.eml", ORIGINAL)
        put("r.eml", build("--to", "bob@example.net", "--secret-file", "journal.secret", *words, message=message).data)
        seals = [
            run("check", "--json", "r.eml", "--secret-file", f"{name}.secret").objects[0]["seal"]
            for name in ("journal", "other")
        ]
        assert seals == ["valid", "invalid"]

    @pytest.mark.parametrize("format_", ["bcc", "message-only"])
    def test_build_copy(self, format_: str) -> None:
        """A copy is the message itself and takes no seal."""
        outcome = build("--format", format_, "--to", "bob@example.net", "--secret-file", "journal.secret")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: secret: ")

    def test_unwrapped(self) -> None:
        """The original of a sealed report comes out as it was, and the seal is not in it."""
        put("r.eml", build("--to", "bob@example.net", "--secret-file", "journal.secret").data)
        assert run("unwrap", "r.eml", "--out", "-") == (0, ORIGINAL, "")

    @given(any_bytes())
    def test_check_anything(self, data: bytes) -> None:
        """Whatever the file is, it has a line, and a seal is told of reports alone; none is valid that nobody sealed."""
        with TemporaryDirectory() as name:
            secret = put(Path(name, "a.secret"), SECRET)
            # By its name it is one message, also where it begins like a mailbox.
            path = put(Path(name, "any.eml"), data)
            outcome = run("check", "--json", path, "--secret-file", secret)
            (found,) = outcome.objects
            assert found.get("seal", "none") in ({"invalid", "absent"} if found["report"] else {"none"})
            assert outcome.status == 1


def target_words(verb: str) -> list[str]:
    """What a verb that reads needs beside its files."""
    return ["--out", "there"] if verb == "unwrap" else []


@pytest.mark.parametrize("verb", READERS)
class TestReading:
    """What the verbs that read reports have in common."""

    @pytest.mark.parametrize("kind", UNREADABLE)
    @pytest.mark.parametrize("json_words", [[], ["--json"]], ids=["text", "json"])
    def test_unreadable(self, verb: str, kind: str, json_words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that cannot be read is named with the reason, on standard error, with exit status 2."""
        path = unusable(kind, monkeypatch)
        words = [] if verb == "unwrap" else json_words
        outcome = run(verb, *words, path, *target_words(verb))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"{path}: ")
        assert len(outcome.err) > len(f"{path}: \n")
        assert not Path("there").exists()

    def test_disk_error_while_reading(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file on a disk that breaks is named like any other that cannot be read."""
        path = unusable("broken", monkeypatch)
        outcome = run(verb, path, *target_words(verb))
        assert (outcome.status, outcome.told) == (2, [f"{path}: Input/output error"])

    def test_many_bad_files(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Bad files are named in their order, and never end the run; a folder is read, and this one is empty."""
        put("first.eml")
        put("empty.eml", b"")
        put("message.eml", ORIGINAL)
        put("noise.eml", bytes(range(256)))
        put("last.eml")
        folder_ = unusable("folder", monkeypatch)
        forbidden = unusable("forbidden", monkeypatch)
        names = ["missing.eml", "first.eml", "empty.eml", str(folder_), "message.eml", str(forbidden), "noise.eml"]
        outcome = run(verb, *names, "last.eml", *target_words(verb))
        assert outcome.status == 2
        told = [line.partition(": ")[0] for line in outcome.told]
        if verb == "check":
            assert told == ["missing.eml", "forbidden.eml"]
            shown = [line.partition(": ")[0] for line in outcome.out.split("\n")[:-1]]
            assert shown == ["first.eml", "empty.eml", "message.eml", "noise.eml", "last.eml"]
            return
        reasons = dict(line.split(": ", 1) for line in outcome.told)
        assert told == [name for name in names if name not in ("first.eml", "folder.eml")]
        assert reasons["empty.eml"] == "empty at offset 0"
        assert reasons["message.eml"].startswith("not-a-report at offset 0")
        if verb == "parse":
            assert [line for line in outcome.out.split("\n") if line[:1] != " "] == ["first.eml", "last.eml", ""]
        else:
            assert listed("there") == ["first.original.eml", "last.original.eml"]

    def test_not_a_report(self, verb: str) -> None:
        """One that is no report makes exit status 1, beside good ones as well."""
        put("message.eml", ORIGINAL)
        put("r.eml")
        assert run(verb, "message.eml", *target_words(verb)).status == 1
        assert run(verb, "message.eml", "r.eml", *target_words(verb)).status == 1

    @pytest.mark.parametrize("order", [1, -1])
    def test_worst_counts(self, verb: str, order: int) -> None:
        """Of several exit statuses the highest one stands, wherever it came up."""
        put("message.eml", ORIGINAL)
        put("r.eml")
        assert run(verb, *["message.eml", "missing.eml", "r.eml"][::order], *target_words(verb)).status == 2

    def test_standard_input(self, verb: str) -> None:
        """A dash is standard input, and is called so."""
        outcome = run(verb, "-", *target_words(verb), stdin=ORIGINAL)
        assert outcome.status == 1
        assert (outcome.out or outcome.err).startswith("-: ")
        assert run(verb, "-", *target_words(verb), stdin=REPORT).status == 0

    def test_standard_input_twice(self, verb: str) -> None:
        """Standard input can be read once; the second time it is empty, and that is told."""
        outcome = run(verb, "-", "-", *target_words(verb), stdin=REPORT)
        assert outcome.status == 1
        assert "-: " in outcome.out + outcome.err
        assert "empty at offset 0" in outcome.out + outcome.err

    def test_standard_input_broken(self, verb: str) -> None:
        """Standard input that cannot be read is named like a file."""
        outcome = run(verb, "-", *target_words(verb), stdin=Failing(OSError(errno.EIO, "Input/output error")))
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.told == ["-: Input/output error"]

    def test_lost_marker(self, verb: str) -> None:
        """A report that lost its marker is read where the format is given, and refused where it is not."""
        put("r.eml", WITHOUT_MARKER)
        assert run(verb, "r.eml", *target_words(verb)).status == 1
        outcome = run(verb, "--format", "envelope", "r.eml", *target_words(verb))
        assert (outcome.status, outcome.err) == (0, "")
        if verb == "unwrap":
            assert Path("there/r.original.eml").read_bytes() == ORIGINAL
        else:
            assert "grammar" in outcome.out

    def test_format_is_no_excuse(self, verb: str) -> None:
        """Given a format, what has no report text is still refused."""
        put("message.eml", ORIGINAL)
        outcome = run(verb, "--format", "envelope", "message.eml", *target_words(verb))
        assert outcome.status == 1
        assert "report-text-missing" in outcome.out + outcome.err

    @pytest.mark.parametrize("character", [*UNSEEN, "\n", "\r"], ids=ascii)
    def test_file_names(self, verb: str, character: str) -> None:
        """Of a file's name nothing that moves the cursor or hides text reaches the terminal, whatever is told of it."""
        for name, data in {"r": REPORT, "none": ORIGINAL, "without": WITHOUT_ORIGINAL, "cut": TRUNCATED}.items():
            put(f"{character}{name}.eml", data)
        names = [f"{character}{name}.eml" for name in ("r", "none", "without", "cut", "missing")]
        for _ in range(2):  # the second time the originals are there already
            outcome = run(verb, *names, *target_words(verb))
            assert outcome.status == 2
            assert seen(outcome.out)
            assert seen(outcome.err)
            shown = character.encode("unicode_escape").decode("ascii")
            assert f"{shown}missing.eml: " in outcome.err
            assert verb == "unwrap" or outcome.out.startswith(f"{shown}r.eml")

    @pytest.mark.parametrize("name", ["new\nline.eml", "\r-.eml", "\udcff.eml"], ids=ascii)
    def test_names_of_more_than_a_line(self, verb: str, name: str) -> None:
        """A name takes one line, whatever is in it, and one that is no text can be told as well."""
        outcome = run(verb, name, *target_words(verb))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.told) == 1
        assert outcome.err.startswith(f"{ascii(name)[1:-1]}: ")


def can_hold(character: str) -> bool:
    """Whether every value of a report can hold a character."""
    try:
        Recipient(f"a{character}b")
    except InvalidValue:
        return False
    return True


# Those that the values of reports and rules can hold.
HELD = list(filter(can_hold, UNSEEN))


class TestTerminal:
    """The view for people shows what a stranger wrote, and nothing of it acts on the terminal."""

    @pytest.mark.parametrize("character", HELD, ids=ascii)
    def test_report(self, character: str) -> None:
        """Nothing that moves the cursor or hides text reaches the terminal, from whichever field of a report."""
        text = f"a{character}b"
        report = JournalReport(
            sender=text,
            on_behalf_of=text,
            envelope_sender=text,
            subject=text,
            message_id=text,
            label=text,
            mailbox=text,
            sent_utc=text,
            received_utc=text,
            recipients=[
                Recipient(text),
                Recipient(text, expanded_from=text),
                Recipient(text, forwarded_from=text),
                Recipient(text, expanded_from=text, forwarded_from=text),
            ],
        )
        put("r.eml", built(report=report))
        outcome = run("parse", "r.eml")
        assert outcome.status == 0
        assert seen(outcome.out)
        shown = text.encode("unicode_escape").decode("ascii")
        assert outcome.out.count(shown) == 17
        assert seen(run("check", "r.eml").out)

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    def test_report_by_a_stranger(self, character: str) -> None:
        """Nor from a line that is no field, a media type, a report id or a header that is none."""
        octets = character.encode()
        text = TEXT + b"a" + octets + b"b\r\nX" + octets + b": y\r\nTo: a" + octets + b", b\r\n"
        parts = [PART, b"Content-Type: text/x" + octets + b"y; charset=z" + octets + b"\r\n\r\n", PART, PART]
        data = a_message(text, *parts, header=b"Content-Type: text/plain; charset=utf-8")
        data = data.replace(b"<r@example.com>", b"<r" + octets + b"@example.com>")
        put("r.eml", data)
        for verb in ("parse", "check"):
            outcome = run(verb, "r.eml")
            assert outcome.out
            assert seen(outcome.out)
            assert seen(outcome.err)
        assert b"\x1b" not in run("parse", "--json", "r.eml").data

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    def test_arguments(self, character: str) -> None:
        """Nor from the command line itself, where a shell put the names of files there."""
        for words in (
            ["build", f"missing{character}", "--domain", "example.com", "--to", "bob@example.net"],
            ["build", "--domain", character, "--to", "bob@example.net"],
            ["build", "--domain", "example.com", "--to", f"{character},"],
            ["check", "--format", character, "r.eml"],
        ):
            outcome = run(*words)
            assert outcome.status == 2
            assert seen(outcome.err)

    @pytest.mark.parametrize("words", [["r.eml", "-\x1b[2J.eml"], ["r.eml", "--\u202egpj.eml"]], ids=ascii)
    def test_names_like_options(self, words: list[str]) -> None:
        """Nor from the name of a file that reads like an option."""
        # Fails: the usage message repeats it as it is.
        outcome = run("check", *words)
        assert outcome.status == 2
        assert seen(outcome.err)

    @HEAVY
    @given(arguments())
    def test_any_report(self, given_arguments: Arguments) -> None:
        """Whatever a report says, each character of the view shows, and the original comes out as it went in."""
        data = given_arguments.build()
        for verb in ("parse", "check"):
            outcome = run(verb, "-", stdin=data)
            assert outcome.err == ""
            assert seen(outcome.out)
        outcome = run("unwrap", "-", "--out", "-", stdin=data)
        assert outcome.data == (given_arguments.original or b"")
        assert outcome.status == (given_arguments.original is None)
        (found,) = run("parse", "--json", "-", stdin=data).objects
        assert (found.pop("file"), found.pop("source")) == ("-", {"path": "-"})
        assert (found.pop("archive_defects"), found.pop("undeliverable"), found.pop("found")) == ([], None, None)
        wanted: dict[str, Any] = parse_report(data).to_dict()
        for key, content in (
            ("original", given_arguments.original),
            ("decrypted", given_arguments.options["decrypted"]),
        ):
            if content is not None:
                wanted[key]["sha256"] = sha256(content)
        assert found == wanted

    def test_foreign_letters(self) -> None:
        """Letters of every script are shown as they are where the terminal has them."""
        put("\u00e9.eml", built(report=a_report(subject="caf\u00e9 \u4e2d\u6587 \u05d0 \U0001f4e7")))
        outcome = run("parse", "\u00e9.eml")
        assert outcome.out.startswith("\u00e9.eml\n")
        assert "  subject      caf\u00e9 \u4e2d\u6587 \u05d0 \U0001f4e7\n" in outcome.out

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
    def test_terminal_of_few_letters(self, encoding: str) -> None:
        """Letters that the terminal's charset lacks are escaped, and never end the run."""
        put("\u4e2d.eml", built(report=a_report(subject="caf\u00e9 \u4e2d", recipients=["\u4e2d@example.com"])))
        outcome = run("parse", "\u4e2d.eml", "missing\u4e2d.eml", encoding=encoding)
        shown = outcome.data.decode(encoding)
        assert shown.startswith("\\u4e2d.eml\n")
        assert ("caf\\xe9 \\u4e2d" if encoding == "ascii" else "caf\u00e9 \\u4e2d") in shown
        assert "Recipient \\u4e2d@example.com" in shown
        assert outcome.told[0].startswith("missing\\u4e2d.eml: ")
        assert run("check", "\u4e2d.eml", encoding=encoding).data.startswith(b"\\u4e2d.eml: report")


class TestStreams:
    """What the command does when a stream is not what it should be, in this process."""

    def test_any_text_stream(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Streams that cannot change their errors are used as they are."""
        put("r.eml")
        monkeypatch.setattr("sys.stdout", out := io.StringIO())
        assert main(["check", "r.eml"]) == 0
        assert out.getvalue().startswith("r.eml: report")

    def test_broken_pipe(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        """Where the reader of the output is gone the run ends quietly, with the status of a broken pipe."""
        put("r.eml")
        reader, writer = os.pipe()
        os.close(reader)
        with io.TextIOWrapper(io.FileIO(writer, "w"), encoding="utf-8") as out:
            monkeypatch.setattr("sys.stdout", out)
            assert main(["parse", "r.eml"]) == 141
        assert capfd.readouterr().err == ""

    def test_interrupt(self) -> None:
        """An interrupt ends the run quietly, with the status of one."""
        put("r.eml")
        outcome = run("check", "r.eml", "-", stdin=Failing(KeyboardInterrupt()))
        assert (outcome.status, outcome.err) == (130, "")
        assert outcome.out.startswith("r.eml: report")

    @pytest.mark.parametrize("verb", VERBS)
    def test_no_standard_input(
        self, verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Where there is no standard input, as below some daemons, it is named as unreadable."""
        # Fails: a traceback.
        monkeypatch.setattr("sys.stdin", None)
        words = ["--domain", "example.com", "--to", "bob@example.net"] if verb == "build" else target_words(verb)
        assert main([verb, "-", *words]) == 2
        assert capsys.readouterr().err.startswith("-: ")

    @pytest.mark.parametrize("verb", READERS)
    def test_no_standard_output(
        self, verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Where there is no standard output, that is told."""
        # Fails: a traceback.
        put("r.eml")
        monkeypatch.setattr("sys.stdout", None)
        assert main([verb, "r.eml", *(["--out", "-"] if verb == "unwrap" else [])]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def process(*words: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """The command as a process of its own, in an environment that says nothing of Python's streams or of the locale."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LANG", "LC_", "PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONUTF8"))
    }
    return [sys.executable, "-m", "exjournal", *words], kept | environment


class TestProcess:
    """The command as a process of its own."""

    def test_binary_streams(self) -> None:
        """Buffer of all values go through, from standard input to standard output."""
        message = b"Subject: \xff\r\n\r\n" + bytes(range(256)) * 300 + b"\r\r\n\n\x1a"
        command, environment = process("build", "--domain", "example.com", "--recipient", "bob@example.net")
        report = subprocess.run(command, input=message, env=environment, capture_output=True, check=True)
        assert report.stderr == b""
        command, environment = process("unwrap", "-", "--out", "-")
        original = subprocess.run(command, input=report.stdout, env=environment, capture_output=True, check=True)
        assert (original.stdout, original.stderr) == (message, b"")

    @pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
    @pytest.mark.parametrize("words", [["parse"], ["parse", "--json"], ["check"]], ids=" ".join)
    def test_head(self, words: list[str], unbuffered: str) -> None:
        """A reader that wants one line only gets it, and nothing is told of the rest."""
        put("r.eml", built(report=a_report(recipients=[f"r{number}@example.com" for number in range(2000)])))
        command, environment = process(*words, *["r.eml"] * 40, PYTHONUNBUFFERED=unbuffered)
        done = subprocess.run(
            ["sh", "-c", '"$@" | head -n 1', "sh", *command], env=environment, capture_output=True, check=True
        )
        assert done.stdout.count(b"\n") == 1
        assert b"r.eml" in done.stdout
        assert done.stderr == b""

    @pytest.mark.parametrize(
        "words", [["parse", "r.eml"], ["unwrap", "r.eml", "--out", "-"], ["check", "r.eml"], ["--help"], ["--version"]]
    )
    def test_nobody_reads(self, words: list[str]) -> None:
        """Where nobody reads the output nothing is told of it."""
        # Fails for --help and --version: Python tells of the broken pipe at its end.
        put("r.eml")
        reader, writer = os.pipe()
        os.close(reader)
        command, environment = process(*words)
        done = subprocess.run(command, env=environment, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert done.stderr == b""
        assert done.returncode in {0, 141}

    @pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
    @pytest.mark.parametrize("words", [["parse", "r.eml"], ["unwrap", "r.eml", "--out", "-"]], ids=" ".join)
    def test_disk_full(self, words: list[str], unbuffered: str) -> None:
        """Where standard output is a file on a full disk, that is told on one line, with exit status 2."""
        # Fails: a traceback, and from unwrap with unbuffered streams exit status 0 for an original that was cut.
        put("r.eml", built(ORIGINAL * 500, report=a_report(subject="s" * 40_000)))
        command, environment = process(*words, PYTHONUNBUFFERED=unbuffered)
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 2; "$@" > out', "sh", *command], env=environment, capture_output=True, check=False
        )
        assert Path("out").stat().st_size < 40_000
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1

    @pytest.mark.parametrize(
        ("environment", "shown"),
        [
            ({"LC_ALL": "C", "PYTHONUTF8": "0"}, b"caf\\xe9 \\u4e2d"),
            ({"PYTHONIOENCODING": "ascii"}, b"caf\\xe9 \\u4e2d"),
            ({"PYTHONIOENCODING": "latin-1:strict"}, b"caf\xe9 \\u4e2d"),
            ({"LC_ALL": "C"}, "caf\u00e9 \u4e2d".encode()),
        ],
        ids=["C", "ascii", "latin-1", "C with UTF-8"],
    )
    def test_charset_of_the_terminal(self, environment: dict[str, str], shown: bytes) -> None:
        """The terminal's charset decides which letters are shown as they are."""
        put("r.eml", built(report=a_report(subject="caf\u00e9 \u4e2d")))
        command, environment = process("parse", "r.eml", **environment)
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert b"  subject      " + shown + b"\n" in done.stdout
        assert done.stderr == b""

    def test_interrupt(self) -> None:
        """An interrupt from the keyboard ends a run that waits for its input, without a traceback."""
        put("r.eml")
        # The signal is ignored in what a shell runs in the background.
        code = (
            "import signal, sys; from exjournal.cli import main; "
            "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main())"
        )
        _, environment = process(PYTHONUNBUFFERED="1")
        with subprocess.Popen(
            [sys.executable, "-c", code, "check", "r.eml", "-"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running:
            assert running.stdout is not None
            assert running.stdout.readline().startswith(b"r.eml: report")
            running.send_signal(signal.SIGINT)
            try:
                running.wait(timeout=30)
            finally:
                running.kill()
            assert running.returncode == 130
            assert running.stderr is not None
            assert running.stderr.read() == b""


def agrees(found: Any, wanted: Any) -> None:
    """Assert that something holds at least what is wanted of it."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            agrees(found[key], value)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            agrees(one, other)
    else:
        assert found == wanted


# Reports of real servers, which are not the project's own: read where they lie beside it.
SAMPLES = sorted((ROOT.parent / "shared" / "samples").glob("*.eml"))

if SAMPLES:

    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
    def test_samples(sample: Path) -> None:
        """A real report says what a person reads off it, and its original comes out with the digest that is known."""
        wanted = json.loads(sample.with_suffix(".json").read_bytes())
        outcome = run("parse", "--json", sample)
        assert (outcome.status, outcome.err) == (0, "")
        agrees(outcome.objects[0], wanted)
        assert sha256(run("unwrap", sample, "--out", "-").data) == wanted["original"]["sha256"]


@pytest.mark.parametrize(
    "words", [("parse",), ("parse", "--json"), ("check",), ("merge",), ("unwrap",), ("unwrap", "--undeliverable")]
)
def test_another_message(words: tuple[str, ...], tmp_path: Path) -> None:
    """A verb reads the first report of a file with several, names the place of the next one, and ends with 1."""
    path = tmp_path / "several.eml"
    path.write_bytes(REPORT + b"\r\n" + REPORT)
    out = ("--out", tmp_path / "out") if words[0] == "unwrap" else ()
    several = run(*words, path, *out)
    assert several.status == 1
    assert f"another message begins at offset {len(REPORT) + 2}" in several.err
    path.write_bytes(REPORT + b"\r\nThis mail was checked by a gateway.\r\n")
    assert "another message" not in run(*words, path, *out).err


def test_another_message_after_ordinary_mail(tmp_path: Path) -> None:
    """The same is true of an ordinary message in a folder, which a verb only counts."""
    mail = b"From: ann@example.com\nContent-Type: multipart/mixed; boundary=b\nMessage-ID: <1@example>\n\n--b\n\nHi\n--b--\n"
    (tmp_path / "a.eml").write_bytes(mail)
    assert run("parse", tmp_path).status == 0
    (tmp_path / "a.eml").write_bytes(mail * 2)
    found = run("parse", tmp_path)
    assert found.status == 1
    assert f"another message begins at offset {len(mail)}" in found.err
