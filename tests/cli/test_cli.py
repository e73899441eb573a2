"""The command as a whole: usage, files, formats, terminals, streams and processes, for several verbs at once."""

import errno
import io
import json
import os
import runpy
import signal
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import (
    CHECKED,
    HELD,
    OWN_FILE,
    REPORT,
    ROOT,
    TRUNCATED,
    UNREADABLE,
    UNSEEN,
    WITH_OTHER_TEXT,
    WITHOUT_ORIGINAL,
    Failing,
    files,
    fill_disk,
    listed,
    put,
    run,
    seen,
    sha256,
    target_words,
    unusable,
)
from hypothesis import given

from exjournal import JournalReport, Recipient, ReportFormat, Role, Source, build_report, parse_report
from exjournal.cli import main
from strategies import DATE, HEAVY, ORIGINAL, PART, TEXT, Arguments, a_message, a_report, arguments, built

VERBS = ["build", "parse", "unwrap", "check"]
READERS = ["parse", "unwrap", "check"]
WITHOUT_MARKER = REPORT.replace(b"X-MS-Journal-Report:\r\n", b"")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestUsage:
    """The arguments of the command line."""

    @pytest.mark.parametrize(
        "words",
        [
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
        """Wrong usage is reported on standard error, with exit status 2."""
        outcome = run(*words)
        assert outcome.status == 2
        assert outcome.data == b""
        assert outcome.err.startswith("exjournal")
        assert outcome.err.endswith(" --help shows the options\n")

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


def write_words(verb: str, target: Path) -> list[str]:
    """The words that let a verb write to a file, the last of them where it goes; unwrap finds the name itself."""
    if verb == "build":
        put("message.eml", ORIGINAL)
        words = ["build", "message.eml", "--to", "bob@example.net", "--domain", "example.com"]
        return [*words, "--date", "2024-02-29T12:30:45Z", "--out", str(target)]
    stem = target.name.removesuffix(".original.eml")
    return ["unwrap", str(put(f"in/{stem}.eml")), "--out", str(target.parent)]


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
        assert outcome.messages == [outcome.err.rstrip("\n")]
        assert "there/r.original.eml" in outcome.err
        assert "--force" in outcome.err
        assert files() == before

    def test_force(self, verb: str) -> None:
        """An existing file is overwritten on request, and nothing else is touched."""
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
        assert len(outcome.messages) == 1
        assert outcome.err.startswith("there/r.original.eml: ")
        assert files() == before

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_pipe_in_its_place(self, verb: str, force: list[str]) -> None:
        """Something that is neither a file nor a folder, such as a pipe or a device, is never replaced by a file."""
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
        """If the folder is a file, nothing can be written: exit status 2, and no advice that cannot help."""
        words = write_words(verb, Path("there/r.original.eml"))
        put("there", b"kept")
        before = files()
        outcome = run(*words, *force)
        assert (outcome.status, len(outcome.messages)) == (2, 1)
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
        assert (outcome.status, len(outcome.messages)) == (2, 1)
        assert outcome.err.startswith("there")
        assert files() == before

    @pytest.mark.parametrize("there", [None, b"kept"], ids=["new", "old"])
    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("step", ["write_bytes", "replace"])
    def test_disk_error(
        self, verb: str, step: str, force: list[str], there: bytes | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """If the disk fails, the old file stays, no part of the new one is left, and the reason is reported."""
        words = write_words(verb, Path("there/r.original.eml"))
        if there is not None:
            put("there/r.original.eml", there)
        before = files()
        with monkeypatch.context() as patch:
            fill_disk(patch, step)
            outcome = run(*words, *force)
        assert files() == before
        assert (outcome.data, len(outcome.messages)) == (b"", 1)
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
        assert run(*words).messages == ["there/r.original.eml: No space left on device"]

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_interrupted(self, verb: str, force: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """If the writing is interrupted, no part of the file is left."""
        # Fails: an empty file replaces the complete one, and a part is left next to it.
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
        assert (outcome.status, len(outcome.messages)) == (2, 1)
        assert files() == before

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_longest_name(self, verb: str, force: list[str]) -> None:
        """A file can have a name of 255 bytes."""
        # Fails: the name of the part is longer, and without --force an empty file stays.
        target = Path("there", "r" * 242 + ".original.eml")
        words = write_words(verb, target)
        before = files()
        outcome = run(*words, *force)
        assert outcome == (0, b"", "")
        assert files().keys() - before.keys() == {str(target)}

    def test_neighbour(self, verb: str) -> None:
        """No file next to the written one is touched, whatever its name."""
        # Fails: a file whose name is that of the part is overwritten and then gone.
        words = write_words(verb, Path("there/r.original.eml"))
        put("there/.r.original.eml.part", b"kept")
        assert run(*words) == (0, b"", "")
        assert Path("there/.r.original.eml.part").read_bytes() == b"kept"


def in_format(name: str, **changes: Any) -> bytes:
    """The bytes that the library writes in a format for `a_report()` with some fields changed."""
    options: dict[str, Any] = {"domain": "example.com", "date": DATE, "report_id": "<r@example.com>"}
    return build_report(a_report(**changes), ORIGINAL, format=ReportFormat(name), **options)


class TestFormats:
    """The verbs that read, with and without a given format."""

    def test_2003_for_people(self) -> None:
        """A report of Exchange 2003 shows display names with its addresses, the sender's as well, and no subject."""
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
        """The null sender stays visible next to a display name."""
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
            f"    original  message/rfc822      {len(copy):>10} bytes at 0  sha256 {sha256(copy)}",
            "  oddities     none",
            "",
        ]

    def test_envelope_claims_nothing(self) -> None:
        """The recipients of an envelope do not count as claims."""
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
        found = {**CHECKED, "report": True, "format": format_, "marker": marker}
        assert run(*words, "--json").objects == [{"file": "r.eml", "source": OWN_FILE["source"], **found}]

    @pytest.mark.parametrize("format_", ["bcc", "message-only"])
    def test_copies_need_the_format(self, format_: str) -> None:
        """Only the caller can distinguish a copy from ordinary mail."""
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
        encoded = f"a{character}b".encode()
        named = Recipient("bob@example.net", display_name="a-b")
        old = in_format("envelope-2003", sender_display_name="a-b", recipients=[named])
        put("old.eml", old.replace(b'"a-b"', b'"' + encoded + b'"'))
        put(
            "copy.eml",
            b"From: " + encoded + b"@example.com\r\nTo: " + encoded + b" <x>\r\nBcc: " + encoded + b"\r\n\r\n",
        )
        for words in (["old.eml"], ["--format", "bcc", "copy.eml"]):
            for verb in ("parse", "check"):
                outcome = run(verb, *words)
                assert outcome.out
                assert seen(outcome.out)
                assert seen(outcome.err)


@pytest.mark.parametrize("verb", READERS)
class TestReading:
    """The verbs that read reports behave alike."""

    @pytest.mark.parametrize("kind", UNREADABLE)
    @pytest.mark.parametrize("json_words", [[], ["--json"]], ids=["text", "json"])
    def test_unreadable(self, verb: str, kind: str, json_words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that cannot be read is named with the reason, on standard error, with exit status 2."""
        path = unusable(kind, monkeypatch)
        words = [] if verb == "unwrap" else json_words
        outcome = run(verb, *words, path, *target_words(verb))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{path}: ")
        assert len(outcome.err) > len(f"{path}: \n")
        assert not Path("there").exists()

    def test_disk_error_while_reading(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file on a disk that breaks is named like any other that cannot be read."""
        path = unusable("broken", monkeypatch)
        outcome = run(verb, path, *target_words(verb))
        assert (outcome.status, outcome.messages) == (2, [f"{path}: Input/output error"])

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
        named = [line.partition(": ")[0] for line in outcome.messages]
        if verb == "check":
            assert named == ["missing.eml", "forbidden.eml"]
            shown = [line.partition(": ")[0] for line in outcome.out.split("\n")[:-1]]
            assert shown == ["first.eml", "empty.eml", "message.eml", "noise.eml", "last.eml"]
            return
        reasons = dict(line.split(": ", 1) for line in outcome.messages)
        assert named == [name for name in names if name not in ("first.eml", "folder.eml")]
        assert reasons["empty.eml"] == "empty at offset 0"
        assert reasons["message.eml"].startswith("not-a-report at offset 0")
        if verb == "parse":
            assert [line for line in outcome.out.split("\n") if line[:1] != " "] == ["first.eml", "last.eml", ""]
        else:
            assert listed("there") == ["first.original.eml", "last.original.eml"]

    def test_not_a_report(self, verb: str) -> None:
        """A file that is not a report makes exit status 1, also next to good ones."""
        put("message.eml", ORIGINAL)
        put("r.eml")
        assert run(verb, "message.eml", *target_words(verb)).status == 1
        assert run(verb, "message.eml", "r.eml", *target_words(verb)).status == 1

    @pytest.mark.parametrize("order", [1, -1])
    def test_worst_counts(self, verb: str, order: int) -> None:
        """The exit status is the highest one of all files, in any order."""
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
        """Standard input can be read once; the second time it is empty, and that is reported."""
        outcome = run(verb, "-", "-", *target_words(verb), stdin=REPORT)
        assert outcome.status == 1
        assert "-: " in outcome.out + outcome.err
        assert "empty at offset 0" in outcome.out + outcome.err

    def test_standard_input_broken(self, verb: str) -> None:
        """Standard input that cannot be read is named like a file."""
        outcome = run(verb, "-", *target_words(verb), stdin=Failing(OSError(errno.EIO, "Input/output error")))
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.messages == ["-: Input/output error"]

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

    def test_format_excuses_nothing(self, verb: str) -> None:
        """With a given format, a file without a report text is still refused."""
        put("message.eml", ORIGINAL)
        outcome = run(verb, "--format", "envelope", "message.eml", *target_words(verb))
        assert outcome.status == 1
        assert "report-text-missing" in outcome.out + outcome.err

    @pytest.mark.parametrize("character", [*UNSEEN, "\n", "\r"], ids=ascii)
    def test_file_names(self, verb: str, character: str) -> None:
        """No character of a file name that moves the cursor or hides text reaches the terminal."""
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
        """Any name takes one line, and one that is not text can be shown as well."""
        outcome = run(verb, name, *target_words(verb))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{ascii(name)[1:-1]}: ")


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
        """Nothing unprintable comes from an unknown line, a media type, a report id or an invalid header either."""
        encoded = character.encode()
        text = TEXT + b"a" + encoded + b"b\r\nX" + encoded + b": y\r\nTo: a" + encoded + b", b\r\n"
        parts = [PART, b"Content-Type: text/x" + encoded + b"y; charset=z" + encoded + b"\r\n\r\n", PART, PART]
        data = a_message(text, *parts, header=b"Content-Type: text/plain; charset=utf-8")
        data = data.replace(b"<r@example.com>", b"<r" + encoded + b"@example.com>")
        put("r.eml", data)
        for verb in ("parse", "check"):
            outcome = run(verb, "r.eml")
            assert outcome.out
            assert seen(outcome.out)
            assert seen(outcome.err)
        assert b"\x1b" not in run("parse", "--json", "r.eml").data

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    def test_arguments(self, character: str) -> None:
        """Nothing unprintable comes from the command line itself, in which a shell put the names of files."""
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
        """Nothing unprintable comes from the name of a file that looks like an option."""
        # Fails: the usage message repeats it as it is.
        outcome = run("check", *words)
        assert outcome.status == 2
        assert seen(outcome.err)

    @pytest.mark.slow
    @HEAVY
    @given(arguments())
    def test_any_report(self, given_arguments: Arguments) -> None:
        """Each character of the view can be seen, for any report, and the original comes out unchanged."""
        data = given_arguments.build()
        for verb in ("parse", "check"):
            outcome = run(verb, "-", stdin=data)
            assert outcome.err == ""
            assert seen(outcome.out)
        outcome = run("unwrap", "-", "--out", "-", stdin=data)
        assert outcome.data == (given_arguments.original or b"")
        assert outcome.status == (given_arguments.original is None)
        (found,) = run("parse", "--json", "-", stdin=data).objects
        standard_input = {"file": "-", "source": Source("-").to_dict()}
        wanted: dict[str, Any] = parse_report(data).to_dict() | OWN_FILE | standard_input
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
        assert outcome.messages[0].startswith("missing\\u4e2d.eml: ")
        assert run("check", "\u4e2d.eml", encoding=encoding).data.startswith(b"\\u4e2d.eml: report")


class TestStreams:
    """The command with broken streams, in this process."""

    def test_any_text_stream(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Streams that cannot change their errors are used as they are."""
        put("r.eml")
        monkeypatch.setattr("sys.stdout", out := io.StringIO())
        assert main(["check", "r.eml"]) == 0
        assert out.getvalue().startswith("r.eml: report")

    def test_broken_pipe(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        """If the reader of the output is gone, the run ends quietly, with the status of a broken pipe."""
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
        """A missing standard input, as under some daemons, is reported as unreadable."""
        # Fails: a traceback.
        monkeypatch.setattr("sys.stdin", None)
        words = ["--domain", "example.com", "--to", "bob@example.net"] if verb == "build" else target_words(verb)
        assert main([verb, "-", *words]) == 2
        assert capsys.readouterr().err.startswith("-: ")

    @pytest.mark.parametrize("verb", READERS)
    def test_no_standard_output(
        self, verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A missing standard output is reported."""
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

    @pytest.mark.slow
    def test_binary_streams(self) -> None:
        """Bytes of all values go through, from standard input to standard output."""
        message = b"Subject: \xff\r\n\r\n" + bytes(range(256)) * 300 + b"\r\r\n\n\x1a"
        command, environment = process("build", "--domain", "example.com", "--recipient", "bob@example.net")
        report = subprocess.run(command, input=message, env=environment, capture_output=True, check=True)
        assert report.stderr == b""
        command, environment = process("unwrap", "-", "--out", "-")
        original = subprocess.run(command, input=report.stdout, env=environment, capture_output=True, check=True)
        assert (original.stdout, original.stderr) == (message, b"")

    @pytest.mark.slow
    @pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
    @pytest.mark.parametrize("words", [["parse"], ["parse", "--json"], ["check"]], ids=" ".join)
    def test_head(self, words: list[str], unbuffered: str) -> None:
        """A reader that wants only one line gets it, and there is no message about the rest."""
        put("r.eml", built(report=a_report(recipients=[f"r{number}@example.com" for number in range(2000)])))
        command, environment = process(*words, *["r.eml"] * 40, PYTHONUNBUFFERED=unbuffered)
        done = subprocess.run(
            ["sh", "-c", '"$@" | head -n 1', "sh", *command], env=environment, capture_output=True, check=True
        )
        assert done.stdout.count(b"\n") == 1
        assert b"r.eml" in done.stdout
        assert done.stderr == b""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "words", [["parse", "r.eml"], ["unwrap", "r.eml", "--out", "-"], ["check", "r.eml"], ["--help"], ["--version"]]
    )
    def test_nobody_reads(self, words: list[str]) -> None:
        """If nobody reads the output, there is no message about it."""
        # Fails for --help and --version: Python reports the broken pipe at its end.
        put("r.eml")
        reader, writer = os.pipe()
        os.close(reader)
        command, environment = process(*words)
        done = subprocess.run(command, env=environment, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert done.stderr == b""
        assert done.returncode in {0, 141}

    @pytest.mark.slow
    @pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
    @pytest.mark.parametrize("words", [["parse", "r.eml"], ["unwrap", "r.eml", "--out", "-"]], ids=" ".join)
    def test_disk_full(self, words: list[str], unbuffered: str) -> None:
        """If standard output is a file on a full disk, that is reported on one line, with exit status 2."""
        # Fails: a traceback, and from unwrap with unbuffered streams exit status 0 for an original that was cut.
        put("r.eml", built(ORIGINAL * 500, report=a_report(subject="s" * 40_000)))
        command, environment = process(*words, PYTHONUNBUFFERED=unbuffered)
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 2; "$@" > out', "sh", *command], env=environment, capture_output=True, check=False
        )
        assert Path("out").stat().st_size < 40_000
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1

    @pytest.mark.slow
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

    @pytest.mark.slow
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
    """Assert that a value contains everything that is wanted of it."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            agrees(found[key], value)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            agrees(one, other)
    else:
        assert found == wanted


# Reports of real servers are not part of the project; they are read if they are next to it.
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
    """The same happens for an ordinary message in a folder, which a verb only counts."""
    mail = b"From: ann@example.com\nContent-Type: multipart/mixed; boundary=b\nMessage-ID: <1@example>\n\n--b\n\nHi\n--b--\n"
    (tmp_path / "a.eml").write_bytes(mail)
    assert run("parse", tmp_path).status == 0
    (tmp_path / "a.eml").write_bytes(mail * 2)
    found = run("parse", tmp_path)
    assert found.status == 1
    assert f"another message begins at offset {len(mail)}" in found.err
