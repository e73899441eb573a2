"""The command: what goes to standard output, what is told beside it, and the exit status."""

import errno
import hashlib
import io
import json
import os
import runpy
import signal
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings

from exjournal import JournalReport, Recipient, Role, parse_report
from exjournal.cli import main
from strategies import ORIGINAL, PART, TEXT, Arguments, a_message, a_report, arguments, built

ROOT = Path(__file__).parents[1]
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


def run(*words: str | Path, stdin: bytes | Failing = b"", encoding: str = "utf-8") -> Outcome:
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
        honest = Path.read_bytes

        def read(one: Path) -> bytes:
            if one == path:
                raise error
            return honest(one)

        monkeypatch.setattr(Path, "read_bytes", read)
    return path


UNUSABLE = ["missing", "folder", "forbidden"]


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
            ["parse", "--format", "envelope-2003", "report.eml"],
            ["build", "--to", "bob@example.net"],
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
            f"    text      text/plain          {text.size:>10} octets at {text.offset}",
            f"    original  message/rfc822      {len(ORIGINAL):>10} octets at {original.offset}  sha256 {sha256(ORIGINAL)}",
            f"    decrypted message/rfc822      {len(clear):>10} octets at {decrypted.offset}  sha256 {sha256(clear)}",
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


class TestParseForPrograms:
    """`exjournal parse --json`: one object a line."""

    def test_object(self) -> None:
        """An object names the file, is otherwise the library's own form, and carries the digests of what is embedded."""
        clear = b"Subject: Hello\r\n\r\n\xe9"
        data = put("r.eml", built(report=FULL_REPORT, decrypted=clear)).read_bytes()
        wanted: dict[str, Any] = parse_report(data).to_dict()
        wanted["file"] = "r.eml"
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
        subject = 'a\u2028b\x85c\x0bd\u00e9\U0001f4e7\x1b[2J"\\'
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
    @pytest.mark.parametrize("second", ["b/r.eml", "a/r.msg", "a/../a/r.eml"])
    def test_same_stem(self, second: str, force: list[str]) -> None:
        """Two inputs never end as one file: the first is kept, the second named, whatever was said of overwriting."""
        put("a/r.eml")
        if ".." not in second:
            put(second, built(b"Subject: another\r\n\r\n"))
        put("c.eml")
        if force:
            put("there/r.original.eml", b"old")
        outcome = run("unwrap", "a/r.eml", second, "c.eml", "--out", "there", *force)
        assert (outcome.status, outcome.data) == (1, b"")
        assert len(outcome.told) == 1
        assert "r.original.eml" in outcome.err
        written = {path.name: path.read_bytes() for path in Path("there").iterdir()}
        assert written == {"r.original.eml": ORIGINAL, "c.original.eml": ORIGINAL}

    def test_same_stem_names_the_input(self) -> None:
        """What is told of the second of two inputs with one name helps: --force was given already."""
        # Fails: --force is said to overwrite the file.
        put("a/r.eml")
        put("b/r.eml")
        outcome = run("unwrap", "a/r.eml", "b/r.eml", "--out", "there", "--force")
        assert "--force" not in outcome.err

    def test_standard_input_and_its_namesake(self) -> None:
        """A file called like standard input does not end as one with it."""
        put("stdin.eml", built(b"Subject: another\r\n\r\n"))
        assert run("unwrap", "-", "stdin.eml", "--out", "there", "--force", stdin=REPORT).status == 1
        assert Path("there/stdin.original.eml").read_bytes() == ORIGINAL

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
            (b"Content-Identifer: ExJournalReport\r\n\r\n", "unsupported-format"),
        ],
    )
    def test_no_report(self, data: bytes, code: str) -> None:
        """What is no report is told with its reason, on standard output, with exit status 1."""
        put("r.eml", data)
        outcome = run("check", "r.eml")
        assert (outcome.status, outcome.err) == (1, "")
        assert outcome.out.startswith(f"r.eml: no report: {code} at offset ")

    def test_json(self) -> None:
        """The same as data, one object a line."""
        put("fine.eml")
        put("odd.eml", WITH_OTHER_TEXT)
        put("none.eml", b"Content-Type: multipart/report\r\n\r\n")
        outcome = run("check", "--json", "fine.eml", "odd.eml", "none.eml", "-", "missing.eml")
        codes = [str(defect.code) for defect in parse_report(WITH_OTHER_TEXT).defects]
        report = {"report": True, "format": "envelope", "marker": "X-MS-Journal-Report"}
        assert outcome.objects == [
            {"file": "fine.eml", **report, "defects": {}},
            {"file": "odd.eml", **report, "defects": {code: codes.count(code) for code in codes}},
            {"file": "none.eml", "report": False, "code": "multipart-report", "offset": 13},
            {"file": "-", "report": False, "code": "empty", "offset": 0},
        ]
        assert outcome.status == 2
        assert len(outcome.told) == 1
        assert outcome.err.startswith("missing.eml: ")


def target_words(verb: str) -> list[str]:
    """What a verb that reads needs beside its files."""
    return ["--out", "there"] if verb == "unwrap" else []


@pytest.mark.parametrize("verb", READERS)
class TestReading:
    """What the verbs that read reports have in common."""

    @pytest.mark.parametrize("kind", UNUSABLE)
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
        """Bad files are named in their order, and never end the run."""
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
            assert told == ["missing.eml", "folder.eml", "forbidden.eml"]
            shown = [line.partition(": ")[0] for line in outcome.out.split("\n")[:-1]]
            assert shown == ["first.eml", "empty.eml", "message.eml", "noise.eml", "last.eml"]
            return
        reasons = dict(line.split(": ", 1) for line in outcome.told)
        assert told == [name for name in names if name != "first.eml"]
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
            assert "caller" in outcome.out

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


class TestTerminal:
    """The view for people shows what a stranger wrote, and nothing of it acts on the terminal."""

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
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

    @settings(max_examples=60)
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
        assert found.pop("file") == "-"
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

    @pytest.mark.parametrize("verb", READERS)
    def test_no_standard_input(
        self, verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Where there is no standard input, as below some daemons, it is named as unreadable."""
        # Fails: a traceback.
        monkeypatch.setattr("sys.stdin", None)
        assert main([verb, "-", *target_words(verb)]) == 2
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
        """Octets of all values go through, from standard input to standard output."""
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
