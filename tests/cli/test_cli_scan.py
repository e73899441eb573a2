"""`exjournal scan`: whole archives from the command line, in processes that are killed, interrupted and resumed."""

import errno
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import UNSEEN, Outcome, run
from cli_helpers import seen as shows
from test_scan import (
    BARE,
    GARBAGE,
    REPORT,
    World,
    bounce,
    lines,
    make_world,
    mboxrd,
    named,
    outputs,
    put,
    seen,
    tree,
)
from test_scan import scan_archive as scan_in_steps

from exjournal import MboxVariant, scan_archive
from exjournal.archives.batches import Sizes
from exjournal.cli import scan
from exjournal.cli.usage import make_parser
from strategies import ORIGINAL, built

# A report by its marker, and nothing that a report says.
DAMAGED = b"X-MS-Journal-Report:\n\n\xff\n"

WORDS = {name: f"--{name}" for name in ("json", "recipients", "exceptions", "originals", "quarantine", "store")}
POSIX = pytest.mark.skipif(os.name != "posix", reason="the signals and terminals are those of POSIX")


def words_of(folder: Path) -> list[str]:
    """The options for every output, in a folder."""
    return [word for name, path in outputs(folder).items() for word in (WORDS[name], str(path))]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The archives of a module, which nothing changes."""
    return make_world(tmp_path_factory.mktemp("world") / "in")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test works in, with a report, a message, a bounce and garbage in `in`."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "in" / "a.eml", REPORT)
    put(tmp_path / "in" / "b.eml", BARE)
    put(tmp_path / "in" / "c.eml", bounce(built(report_id="<s@example.com>")))
    put(tmp_path / "in" / "d.eml", GARBAGE)
    return tmp_path


def table(outcome: Outcome) -> dict[str, str]:
    """The rows of the summary."""
    rows = {}
    for line in outcome.out.split("\n")[:-1]:
        label, _, value = line.rstrip().rpartition("  ")
        rows[label.rstrip()] = value.strip()
    return rows


class TestUsage:
    """The arguments of the command line."""

    def test_help(self) -> None:
        """The verb is in the help of the command, and its own names every option."""
        assert "    scan " in run("--help").out
        outcome = run("scan", "--help")
        assert (outcome.status, outcome.err) == (0, "")
        options = (
            "PATH --json --originals --merge --store --quarantine --undeliverable --pattern --mbox --format --jobs "
            "--max-ratio --resume --quiet mboxrd envelope-2003"
        )
        assert [word for word in options.split() if word not in outcome.out] == []

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--json"],
            ["in", "--json"],
            ["in", "--mbox", "maildir"],
            ["in", "--format", "exchange"],
            ["in", "--jobs", "many"],
            ["in", "--wrong"],
            ["in", "--json", "-", "--resume"],
            ["-", "--json", "out", "--resume"],
            ["in", "--since", "2026-01-01"],
            ["in", "--until", "2026-01-01", "--exceptions", "out"],
            ["in", "--address-file", "addresses", "--store", "out"],
            ["in", "--since", "yesterday", "--json", "out"],
            ["in", "--since", "2026-01-01T00:00", "--json", "out"],
            ["in", "--resume"],
            ["in", "--merge", "--resume"],
            ["in", "--jobs", "-1"],
            ["in", "--jobs", "999999"],
            ["in", "--max-ratio", "0.5"],
            ["in", "--max-ratio", "nan"],
            ["in", "--max-ratio", "much"],
            ["in", "--json", "out", "--jobs", "-1"],
            ["missing", "--json", "out"],
            ["in", "--originals", "in"],
            ["in/a.eml", "--quarantine", "in"],
            ["in", "--originals", "in/a.eml"],
            ["in", "--json", "in/a.eml/out"],
        ],
        ids=" ".join,
    )
    def test_wrong(self, words: list[str], folder: Path) -> None:
        """Wrong usage is reported in words on standard error, with exit status 2, and nothing is made but perhaps a state."""
        before = tree(folder)
        outcome = run("scan", *words)
        assert (outcome.status, outcome.data) == (2, b"")
        assert "Traceback" not in outcome.err
        assert outcome.err.startswith(("exjournal scan: error: ", "exjournal: ", "missing", "in/a.eml", "seen.db"))
        assert {name for name in tree(folder) if ".scan" not in name and name != "missing"} == set(before)

    def test_a_report_in_the_place_of_an_output(self, folder: Path) -> None:
        """Using `--json` as a switch, as with other verbs, loses no report."""
        outcome = run("scan", "--json", "in/a.eml", "in/b.eml")
        assert (folder / "in" / "a.eml").read_bytes() == REPORT
        assert outcome.status == 2


class TestStatus:
    """The exit status."""

    def test_fine(self) -> None:
        """Reports and other messages are fine."""
        outcome = run("scan", "in", "--pattern", "[abc].eml")
        assert (outcome.status, outcome.err) == (0, "")

    @pytest.mark.slow
    def test_refusals(self) -> None:
        """A refused item is named with its reason."""
        outcome = run("scan", "in", "--quiet")
        assert (outcome.status, outcome.data) == (1, b"")
        [line] = outcome.messages
        assert line.startswith("in/d.eml: not-a-report at offset 0")

    @pytest.mark.slow
    def test_conflicts(self, folder: Path) -> None:
        """A Message-ID that two messages have is found by merging, and by the store."""
        put(folder / "in" / "e.eml", built(ORIGINAL.replace(b"Hi.", b"Ho.")))
        words = ["in", "--pattern", "[ae].eml"]
        assert run("scan", *words).status == 0
        assert run("scan", *words, "--merge").status == 1
        assert run("scan", *words, "--store", "seen.db").status == 1
        assert run("scan", *words, "--store", "seen.db").status == 0

    @pytest.mark.slow
    def test_unreadable(self, folder: Path) -> None:
        """A file that the system does not let us read is reported, the others are done, and the status is 2."""
        (folder / "in" / "b2.eml").symlink_to("nowhere")
        outcome = run("scan", "in", "--json", "out")
        assert outcome.status == 2
        assert outcome.messages[0] == f"in/b2.eml: {os.strerror(errno.ENOENT)}"
        assert len(lines(folder / "out")) == 5
        assert table(outcome)["  ENOENT"] == "1"

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["originals", "quarantine"])
    def test_not_written(self, folder: Path, kind: str) -> None:
        """A file that could not be written is reported, and the status is 2."""
        for data in (BARE, GARBAGE):
            put(folder / "out" / named(data)[:2], b"in the way")
        outcome = run("scan", "in", "--quiet", WORDS[kind], "out")
        assert outcome.status == 2
        assert [line for line in outcome.messages if ": not written: " in line] != []

    @pytest.mark.slow
    @pytest.mark.usefixtures("folder")
    def test_max_ratio(self) -> None:
        """A larger ratio changes nothing for an archive that stays below it."""
        assert run("scan", "in", "--max-ratio", "1000").status == run("scan", "in").status

    def test_store_error(self, folder: Path) -> None:
        """A file that is not a store is named with the reason."""
        put(folder / "seen.db", b"no store, but a file of some length\n" * 40)
        outcome = run("scan", "in", "--pattern", "a.eml", "--store", "seen.db")
        assert (outcome.status, outcome.data) == (2, b"")
        assert re.fullmatch(r".*[/\\]seen\.db: SQLite: .*", outcome.messages[0])

    def test_error_without_a_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error of the system without a file name is reported all the same."""

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("exjournal.cli.scan.scan_archive", fail)
        outcome = run("scan", "in")
        assert (outcome.status, outcome.messages) == (2, [f"scan: {os.strerror(errno.ENOSPC)}"])

    @pytest.mark.parametrize("kind", ["folder", "forbidden"])
    def test_lines_cannot_be_written(self, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """An output that cannot be written is named as given; anything but a file is refused before the run."""
        if kind == "folder":
            (folder / "out").mkdir()
        else:
            honest = os.replace

            def replace(source: Any, target: Any) -> None:
                if Path(target).name == "out":
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), source, None, target)
                honest(source, target)

            monkeypatch.setattr("os.replace", replace)
        outcome = run("scan", "in", "--pattern", "a.eml", "--json", "out")
        assert (outcome.status, outcome.data) == (2, b"")
        assert [line.partition(":")[0] for line in outcome.messages] == ["exjournal" if kind == "folder" else "out"]

    @pytest.mark.slow
    def test_no_standard_output(self) -> None:
        """The exit status is right even if all streams are closed."""
        done = subprocess.run(
            ["sh", "-c", '"$0" -m exjournal scan in --quiet --json out >&- 2>&-', sys.executable], check=False
        )
        assert done.returncode == 1
        assert len(lines(Path("out"))) == 4

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="a place that nobody may write to is /proc")
    @pytest.mark.parametrize("kind", WORDS)
    def test_places_that_cannot_be_written_to(self, kind: str) -> None:
        """If nothing can be written, there is no traceback, not even for a superuser."""
        outcome = run("scan", "in", WORDS[kind], "/proc/nowhere/out", "--jobs", "1")
        assert (outcome.status, outcome.data) == (2, b"")
        assert [line.startswith("/proc/nowhere") for line in outcome.messages] == [True]


class TestOptions:
    """Options are those of the function."""

    @pytest.mark.slow
    def test_all_of_them(self, world: World, folder: Path) -> None:
        """The command writes what the function writes."""
        words = [
            "--merge", "--undeliverable", "--mbox", "mboxrd", "--pattern", "*", "--pattern", "*.eml", "--jobs", "1",
        ]  # fmt: skip
        outcome = run("scan", world.path, *words_of(folder / "one"), *words, "--quiet")
        summary = scan_archive(
            world.path,
            **outputs(folder / "two"),
            merge=True,
            undeliverable=True,
            mbox=MboxVariant.MBOXRD,
            patterns=["*", "*.eml"],
        )
        assert outcome.status == 1
        assert summary.conflicts
        assert tree(folder / "one") == tree(folder / "two")
        assert seen(folder / "one" / "seen.db") == seen(folder / "two" / "seen.db")

    @pytest.mark.slow
    def test_format(self) -> None:
        """Copies are read as the format that is named."""
        assert table(run("scan", "in/b.eml", "--format", "message-only"))["  message-only"] == "1"

    def test_answers(self, folder: Path) -> None:
        """The tables, and the selection of some mailboxes and dates."""
        put(folder / "addresses", b"Bob@Example.net\n")
        limits = ["--address-file", "addresses", "--since", "2024-02-29", "--until", "2024-02-29T23:59:59Z"]
        tables = ["--recipients", "r.csv", "--exceptions", "x.csv"]
        outcome = run("scan", "in", "--undeliverable", *tables, *limits, "--json", "out", "--jobs", "1")
        assert outcome.status == 1
        assert "left out, as not selected\n  messages                                   1\n" in outcome.out
        options: dict[str, Any] = {
            "address_file": folder / "addresses",
            "since": date(2024, 2, 29),
            "until": date(2024, 2, 29),
        }
        summary = scan_archive(
            "in",
            recipients=folder / "r2.csv",
            exceptions=folder / "x2.csv",
            json=folder / "out2",
            undeliverable=True,
            jobs=1,
            **options,
        )
        assert summary.left_out == {"messages": 1}
        for name in ("r.csv", "x.csv", "out"):
            first, _, last = name.partition(".")
            assert (folder / name).read_bytes() == (folder / f"{first}2{last and '.'}{last}").read_bytes()
        assert [one["kind"] for one in lines(folder / "out")] == ["report", "report", "unreadable"]

    def test_standard_output(self, folder: Path) -> None:
        """The lines are those of a file, and the table goes to standard error."""
        for more in ([], ["--merge"]):
            outcome = run("scan", "in", "--json", "-", "--jobs", "1", *more)
            run("scan", "in", "--json", "out", "--jobs", "1", *more)
            assert outcome.data == (folder / "out").read_bytes()
            assert outcome.err.count("\nitems   ") == 1
            assert run("scan", "in", "--json", "-", "--jobs", "1", "--quiet", *more).err == f"{outcome.messages[0]}\n"
        assert not list(folder.glob("*.scan"))

    def test_standard_output_is_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error of standard output is reported under its name."""

        def fail(_: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("exjournal.cli.scan.put", fail)
        outcome = run("scan", "in", "--json", "-", "--jobs", "1")
        assert (outcome.status, outcome.messages[-1]) == (2, "standard output: No space left on device")

    def test_reports_without_a_marker(self, folder: Path) -> None:
        """The table counts them and names the options, and with --unmarked they are reports that are counted apart."""
        put(folder / "lost" / "a.eml", REPORT.replace(b"X-MS-Journal-Report:", b"X-Lost:"))
        put(folder / "lost" / "b.eml", BARE)
        outcome = run("scan", "lost", "--jobs", "1")
        assert outcome.status == 0
        assert "  of these, 1 read like reports: --format envelope, or --unmarked\n" in outcome.out
        outcome = run("scan", "lost", "--jobs", "1", "--unmarked")
        assert (table(outcome)["reports"], table(outcome)["without a marker"]) == ("1", "1")
        assert "read like" not in outcome.out
        assert run("scan", "lost", "--unmarked", "--format", "envelope").status == 2
        for verb in ("check", "parse"):
            outcome = run(verb, "lost/a.eml")
            assert outcome.status == 1
            assert "--format envelope" in outcome.out + outcome.err
            assert "--format envelope" not in run(verb, "lost/b.eml").err
            assert "--format" not in run(verb, "lost/b.eml").out
        assert "of these, 1 read like reports: --format envelope" in run("parse", "lost").err

    @pytest.mark.slow
    def test_merge_as_the_other_verb_has_it(self, world: World, folder: Path) -> None:
        """Messages are those of `exjournal merge --json` for the same files."""
        files = sorted((world.path / "1-tree").rglob("*.eml"))
        run("scan", world.path / "1-tree", "--merge", "--json", "out", "--quiet")
        found = [one for one in lines(folder / "out") if one.pop("kind") == "merged"]
        expected = run("merge", "--json", *files).objects
        for one, other in zip(found, expected, strict=True):
            assert [[source["path"] for source in sources] for sources in one["sources"]] == other.pop("files")
            for source in chain.from_iterable(one["sources"]):
                del source["original"], source["decrypted"], source["header"]
            assert one == other

    @pytest.mark.slow
    def test_table(self, world: World, folder: Path) -> None:
        """The numbers at the end are those of the summary, and the last line shows the rate."""
        outcome = run("scan", world.path, "--merge", *words_of(folder / "out"), "--jobs", "1")
        summary = scan_archive(world.path, merge=True, jobs=1)
        rows = table(outcome)
        for name, number in (
            ("items", summary.items),
            ("reports", summary.reports),
            ("incomplete", summary.incomplete),
            ("other messages", sum(summary.messages.values())),
            ("refused", sum(summary.refusals.values())),
            ("defects", sum(summary.defects.values())),
            ("distinct messages", summary.distinct),
            ("duplicates", summary.duplicates),
            ("conflicts", summary.conflicts),
            ("bytes", summary.octets),
            ("in the store", summary.reports),
            ("  archive-damaged", 1),
        ):
            assert rows[name] == f"{number:,}"
        for counts in (summary.formats, summary.messages, summary.defects):
            for name, count in counts.items():
                assert f"\n{'  ' + name:<30}{count:>16,}\n" in outcome.out
        assert re.search(r"\nseconds +[\d.,]+  \([\d,]+ items a second\)\n\Z", outcome.out)
        assert len({len(line.partition("  (")[0]) for line in outcome.out.split("\n")[:-2]}) == 1

    def test_table_of_a_run_that_went_on(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The summary counts the items of the run before."""

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.EIO, "broken", "out")

        with monkeypatch.context() as patch:
            patch.setattr("exjournal.archives.scan.write_outputs", fail)
            assert run("scan", "in", "--json", "out", "--jobs", "1").status == 2
        outcome = run("scan", "in", "--json", "out", "--jobs", "1", "--resume")
        assert table(outcome)["done before"] == "4"
        assert len(lines(folder / "out")) == 4


class TestComplaints:
    """The messages about items."""

    @pytest.mark.slow
    @pytest.mark.parametrize("odd", [*UNSEEN, "\n", "\r\n"])
    def test_names(self, folder: Path, odd: str) -> None:
        """Nothing in the name of a file or a member moves the cursor."""
        try:
            put(folder / "odd" / f"a{odd}b.eml", GARBAGE)
        except (OSError, UnicodeError):
            pytest.skip("the file system takes no such names")
        outcome = run("scan", "odd")
        assert outcome.status == 1
        assert shows(outcome.err)
        assert len(outcome.messages) == 1

    @pytest.mark.slow
    def test_names_that_are_not_text(self, folder: Path) -> None:
        """A name of any bytes is shown escaped."""
        try:
            put(folder / "odd" / os.fsdecode(b"\xff\x1b.eml"), GARBAGE)
        except (OSError, UnicodeError):
            pytest.skip("the file system takes no such names")
        outcome = run("scan", "odd")
        assert shows(outcome.err)
        assert (outcome.status, len(outcome.messages)) == (1, 1)

    @pytest.mark.slow
    @pytest.mark.parametrize(("number", "more"), [(100, None), (101, "and 1 more"), (2500, "and 2400 more")])
    def test_many(self, folder: Path, number: int, more: str | None) -> None:
        """After a hundred the rest is a number."""
        put(folder / "many.mbox", mboxrd([DAMAGED] * number))
        outcome = run("scan", "many.mbox", "--jobs", "1")
        assert len(outcome.messages) == min(number, 101)
        assert (outcome.messages[100:] or [None]) == [more]
        assert table(outcome)["refused"] == f"{number:,}"

    def test_many_and_an_error(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The number of the other problems is reported as well if an output fails at the end."""

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.EIO, "broken", "out")

        put(folder / "many.mbox", mboxrd([DAMAGED] * 120))
        monkeypatch.setattr("exjournal.archives.scan.write_outputs", fail)
        outcome = run("scan", "many.mbox", "--json", "out", "--jobs", "1")
        assert "and 20 more" in outcome.messages
        assert outcome.status == 2


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def scanned(terminal: Terminal, *words: str | Path, interval: float = 0.0) -> int:
    """Scan with a terminal for standard error, whose line changes with every batch."""
    parser = make_parser("")
    scan.add(parser.add_subparsers(), interval=interval)
    options = parser.parse_args(["scan", *map(str, words), "--jobs", "1"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", terminal)
        return int(options.run(options))


class TestProgress:
    """The line on a terminal."""

    @pytest.fixture
    def terminal(self, monkeypatch: pytest.MonkeyPatch) -> Terminal:
        """A terminal that is written to after each of many batches."""
        monkeypatch.setattr("exjournal.cli.scan.scan_archive", partial(scan_in_steps, sizes=Sizes(batch=100)))
        return Terminal()

    @pytest.mark.slow
    def test_shown(self, world: World, terminal: Terminal) -> None:
        """It says how far the run is, how fast, and how long it will take; at the end it is gone."""
        assert scanned(terminal, world.path / "1-tree") == 0
        shown = [one.rstrip() for one in terminal.getvalue().split("\r")]
        assert shown[0] == ""
        assert shown[-2:] == ["", ""]
        assert [one.split(" ")[0] for one in shown[1:-2]] == ["100", "200", "300", "400"]
        for one in shown[2:-2]:
            assert re.fullmatch(r"[\d,]+ items, [\d,]+ a second, \d+%, \d+:\d\d left", one)
        assert "\n" not in terminal.getvalue()
        assert set(map(len, terminal.getvalue().split("\r")[1:-1])) == {79}

    @pytest.mark.slow
    def test_merging(self, world: World, terminal: Terminal) -> None:
        """When everything is read, it says how many messages are merged."""
        scanned(terminal, world.path / "1-tree", "--merge")
        *_, last, first, second = [one.rstrip() for one in terminal.getvalue().split("\r")]
        assert re.fullmatch(r"\d+ messages merged, 100%, 0:00 left", last)
        assert (first, second) == ("", "")

    @pytest.mark.slow
    def test_compressed(self, world: World, terminal: Terminal) -> None:
        """Compressed input has a share and a time left as well."""
        scanned(terminal, world.path, "--pattern", "*.gz", "--pattern", "0*")
        assert re.search(r"items, [\d,]+ a second, \d+%, \d+:\d\d left", terminal.getvalue())

    def test_complaints_have_lines_of_their_own(self, folder: Path, terminal: Terminal) -> None:
        """A message never follows the remains of the progress on one line."""
        put(folder / "many.mbox", mboxrd([REPORT] * 150 + [DAMAGED] + [REPORT] * 100))
        scanned(terminal, "many.mbox")
        text = terminal.getvalue()
        before = text[: text.index("many.mbox")].rpartition("\r")[2]
        assert before.strip() == ""

    @pytest.mark.parametrize("words", [["--quiet"], []])
    def test_silent(self, world: World, terminal: Terminal, words: list[str]) -> None:
        """It is not there with `--quiet`, and not where standard error is not a terminal."""
        if not words:
            terminal.isatty = lambda: False  # type: ignore[method-assign]
        scanned(terminal, world.path / "1-tree", *words)
        assert terminal.getvalue() == ""

    def test_too_soon(self, world: World, terminal: Terminal) -> None:
        """A run that ends at once shows nothing."""
        scanned(terminal, world.path / "1-tree", interval=1000.0)
        assert terminal.getvalue() == ""

    @pytest.mark.slow
    @POSIX
    def test_on_a_terminal(self, world: World) -> None:
        """A real terminal gets the line, and is left with an empty one."""
        import pty

        mine, its = pty.openpty()
        code = (
            "import sys; from exjournal.cli.scan import add; from exjournal.cli.usage import make_parser\n"
            "parser = make_parser(''); add(parser.add_subparsers(), interval=0)\n"
            "options = parser.parse_args(); sys.exit(options.run(options))"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, "scan", world.path / "1-tree", "--json", "out"],
            stderr=its,
            stdout=subprocess.DEVNULL,
        ) as process:
            os.close(its)
            shown = b""
            try:
                while piece := os.read(mine, 4096):
                    shown += piece
            except OSError:  # the end of a terminal
                pass
        os.close(mine)
        assert process.returncode == 0
        assert b" a second" in shown
        assert shown.endswith(b"\r" + b" " * 79 + b"\r")


class TestInterrupted:
    """Ctrl-C: how to continue, where that is possible."""

    @pytest.mark.parametrize(
        ("words", "advice"),
        [
            (["in", "--json", "out"], True),
            (["in", "--originals", "out", "--resume"], True),
            (["in", "--store", "seen.db", "--quiet"], True),
            (["in"], False),
            (["in", "--merge"], False),
            (["-", "--json", "out"], False),
        ],
    )
    def test_advice(self, words: list[str], advice: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """`--resume` is named if there are finished batches that it continues after."""

        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("exjournal.cli.scan.scan_archive", interrupt)
        outcome = run("scan", *words, stdin=REPORT)
        message = "interrupted: the same command with --resume continues\n" if advice else ""
        assert outcome == (130, b"", message)


# Processes


def command(*words: str | Path) -> list[str]:
    """The command in an interpreter of its own."""
    return [sys.executable, "-m", "exjournal", "scan", *map(str, words)]


@contextmanager
def started(arguments: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a group of its own, of which nothing is left at the end."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        try:
            wait(lambda: not is_alive(process.pid), f"processes of the group {process.pid} are left")
        finally:
            if is_alive(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def is_alive(group: int) -> bool:
    """Whether a group has a process that is not only waited for."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("latin-1").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            return True
    return False


def wait(until: Callable[[], bool], what: str) -> None:
    """Wait for something."""
    for _ in range(3000):
        if until():
            return
        time.sleep(0.01)
    raise AssertionError(what)


def batches(state: Path) -> int:
    """How many batches are done."""
    return (
        sum(re.fullmatch(r"\d{8}-[0-9a-f]+", one.name) is not None for one in state.iterdir()) if state.exists() else 0
    )


def again(world: World) -> list[Path]:
    """Further paths, so that a run has some work: the tree of files again."""
    return [world.path / "1-tree"] * 3


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked for in /proc")


@pytest.fixture(scope="module")
def whole(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an undisturbed run."""
    result = tmp_path_factory.mktemp("whole")
    scan_archive(world.path, *again(world), **outputs(result), merge=True)
    return result


@LINUX
class TestEnded:
    """Processes that are killed or interrupted, and those that go on."""

    def check(self, world: World, whole: Path, *, resumed: bool = True) -> None:
        """Go on to the end, and compare everything."""
        out = Path("out")
        done = subprocess.run(
            command(world.path, *again(world), *words_of(out), "--merge", "--resume"), capture_output=True, check=False
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
        assert tree(out) == tree(whole)
        assert seen(out / "seen.db") == seen(whole / "seen.db")
        assert (b"\ndone before" in done.stdout) is resumed

    @pytest.mark.slow
    @pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, 0.9])
    def test_killed_at_some_moment(self, world: World, whole: Path, seconds: float) -> None:
        """Whenever a run with its processes is killed, the next one ends as if nothing was, and no process is left."""
        out = Path("out")
        with started(command(world.path, *again(world), *words_of(out), "--merge", "--jobs", "2")) as process:
            try:
                process.wait(0.15 + seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        done = subprocess.run(
            command(world.path, *again(world), *words_of(out), "--merge", "--resume", "--quiet"),
            capture_output=True,
            check=False,
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
        assert tree(out) == tree(whole)
        assert seen(out / "seen.db") == seen(whole / "seen.db")

    @pytest.mark.slow
    def test_killed_with_batches_done(self, world: World, whole: Path) -> None:
        """Finished work is not repeated."""
        out = Path("out")
        with started(command(world.path, *again(world), *words_of(out), "--merge", "--jobs", "2")) as process:
            wait(lambda: batches(out / "lines.jsonl.scan") >= 1, "no batch was done")
            process.kill()
        self.check(world, whole)

    @pytest.mark.slow
    def test_interrupted(self, world: World, whole: Path) -> None:
        """An interrupt from the keyboard reaches every process; the run ends with status 130 and nothing to read."""
        out = Path("out")
        with started(command(world.path, *again(world), *words_of(out), "--merge", "--jobs", "2")) as process:
            wait(lambda: batches(out / "lines.jsonl.scan") >= 1, "no batch was done")
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=60)
            assert (process.returncode, output) == (130, b"")
            assert b"Traceback" not in errors
            assert b"Interrupt" not in errors
        self.check(world, whole)

    @pytest.mark.slow
    @pytest.mark.parametrize("step", ["report", "merge"])
    def test_a_process_is_killed(self, world: World, whole: Path, step: str) -> None:
        """A process of the run that is killed, as by a system without memory, ends the run with words; it can go on."""
        out = Path("out")
        code = (
            "import multiprocessing, os, signal, sys\n"
            "if 'fork' in multiprocessing.get_all_start_methods(): multiprocessing.set_start_method('fork')\n"
            "from exjournal.archives import batches, joining as gathering\n"
            "parent = os.getpid()\n"
            "def frail(step):\n"
            "    def die(*arguments):\n"
            "        if os.getpid() != parent: os.kill(os.getpid(), signal.SIGKILL)\n"
            "        return step(*arguments)\n"
            "    return die\n"
            "if sys.argv.pop(1) == 'report': batches.Work.report = frail(batches.Work.report)\n"
            "else: gathering.read_statement = frail(gathering.read_statement)\n"
            "from exjournal.cli import main\n"
            "sys.exit(main())\n"
        )
        words = [sys.executable, "-c", code, step, "scan", world.path, *again(world), *words_of(out), "--merge"]
        with started([*map(str, words), "--jobs", "2"]) as process:
            output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (2, b"")
        assert b"Traceback" not in errors
        assert errors.strip()
        self.check(world, whole, resumed=step == "merge")

    @pytest.mark.slow
    def test_limit_of_file_size(self, world: World, whole: Path) -> None:
        """If the system refuses large files, the run ends with a message, the old lines stay, and it can be resumed."""
        out = Path("out")
        put(out / "lines.jsonl", b'{"kind": "old"}\n')
        limited = 'ulimit -f 300; exec "$0" -m exjournal scan "$@"'
        words = [
            "sh",
            "-c",
            limited,
            sys.executable,
            world.path,
            *again(world),
            *words_of(out),
            "--merge",
            "--jobs",
            "1",
        ]
        done = subprocess.run([*map(str, words)], capture_output=True, check=False)
        assert (done.returncode, done.stdout, b"Traceback" in done.stderr) == (2, b"", False)
        assert (out / "lines.jsonl").read_bytes() == b'{"kind": "old"}\n'
        self.check(world, whole, resumed=False)


@pytest.mark.slow
@LINUX
def test_memory(folder: Path) -> None:
    """Ten times the reports take no more memory, even merged."""
    peaks = []
    for number in (3_000, 30_000):
        path = folder / f"{number}.mbox"
        with path.open("wb") as file:
            for one in range(number):
                message = ORIGINAL.replace(b"<1@", b"<%d@" % one).replace(b"Hi.", b"Number %d" % one)
                file.write(b"From a Thu Oct  1 00:00:00 2026\n" + REPORT.replace(ORIGINAL, message) + b"\n")
        code = (
            "import resource, sys\n"
            "from exjournal import scan_archive\n"
            "summary = scan_archive(sys.argv[1], json='lines', store='seen', merge=True)\n"
            "assert summary.distinct == summary.reports == int(sys.argv[2]), summary\n"
            # What the system counts as the most of a process begins with that of the one that started it.
            "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path, str(number)], capture_output=True, check=True, text=True
        )
        peaks.append([int(one) for one in done.stdout.split()])
        (folder / "seen").unlink()
    assert max(peaks[1]) < 200_000
    for few, many in zip(*peaks, strict=True):
        assert many < 2 * few + 60_000
