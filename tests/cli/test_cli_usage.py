"""Help and wrong usage of all verbs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import REPORT, ROOT, put, run

from exjournal import __version__
from strategies import ORIGINAL

VERBS = ["build", "parse", "unwrap", "merge", "scan", "decide", "check"]
EXAMPLE = re.compile(r"^example:\n  (exjournal .+)$", re.MULTILINE)
PAGES = re.compile(r"^  (docs/\S+)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [[], *([verb] for verb in VERBS)], ids=" ".join)
class TestHelp:
    """What the help of the command and of each verb shows."""

    @pytest.mark.parametrize("columns", [50, 80, 130])
    def test_width(self, words: list[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Text is wrapped at the width of the terminal; only the example and the pages keep their lines."""
        monkeypatch.setenv("COLUMNS", str(columns))
        text, _, example = run(*words, "--help").out.partition("\nexample:\n")
        longest = max(map(len, re.sub(r"\{\S+\}|\S+,\S+", "", text).splitlines()))
        assert longest < columns
        # In a wide terminal, the lines are wide as well.
        assert longest > min(columns, 90) - 25
        assert example

    def test_example(self, words: list[str]) -> None:
        """There is one example, which runs."""
        [example] = EXAMPLE.findall(run(*words, "--help").out)
        put("report.eml", REPORT)
        put("message.eml", ORIGINAL)
        put("mail/report.eml", REPORT)
        put("journal.toml", (ROOT / "examples" / "journal.toml").read_bytes())
        put("journal.key", b"a secret of the organization\n")
        if words == ["build"]:
            Path("report.eml").unlink()
        command, *arguments = shlex.split(example)
        assert command == "exjournal"
        assert words in ([], arguments[:1])
        assert run(*arguments).status == 0

    def test_pages(self, words: list[str]) -> None:
        """It names pages of the documentation that exist, with the section of the verb."""
        pages = PAGES.findall(run(*words, "--help").out)
        assert pages[0] == "#".join(["docs/reference/command.md", *words])
        for page in pages:
            name, _, anchor = page.partition("#")
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not anchor or f"\n## {anchor}\n" in text


class TestWithoutAVerb:
    """`exjournal` alone."""

    def test_help(self) -> None:
        """It prints the help to standard error and is wrong usage: a script that forgot the verb must not seem to succeed."""
        outcome = run()
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err == run("--help").out


class TestErrors:
    """Errors name what is wrong, and where the options are listed."""

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (["scan", "in", "--jobs", "many"], "exjournal scan: error: argument --jobs: invalid int value: 'many'"),
            (["check"], "exjournal check: error: the following arguments are required: PATH"),
            (["parse", "--format"], "exjournal parse: error: argument --format: expected one argument"),
            (["check", "a.eml", "--wrong"], "exjournal: error: unrecognized arguments: --wrong"),
        ],
    )
    def test_first_line(self, words: list[str], error: str) -> None:
        """The first line is the error, the second one leads to the options of the verb."""
        verb = words[0] if error.startswith(f"exjournal {words[0]}") else "VERB"
        assert run(*words).messages == [error, f"exjournal {verb} --help shows the options"]

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (["scan", "mail", "--jobs", "-1"], "--jobs: must be between 0 and 256; 0 is one for each core"),
            (["check", "report.eml", "--secret-file", "short"], "--secret-file short: "),
            (["build", "--domain", "a b", "--to", "bob@example.com", "report.eml"], "--domain: "),
            (["build", "--domain", "example.com", "--to", "bob", "--date", "now", "report.eml"], "--date: "),
            (["build", "--domain", "example.com", "--cc", "<bob>", "report.eml"], "--cc: "),
            (["decide", "--rules", "journal.toml", "--from", "<a>", "--to", "b@example.com", "report.eml"], "--from: "),
        ],
    )
    def test_options(self, words: list[str], error: str) -> None:
        """A value that an option cannot have is reported under the name of the option."""
        put("report.eml", REPORT)
        put("short", b"short")
        put("mail/report.eml", REPORT)
        put("journal.toml", b'[organization]\ndomains = ["example.com"]\n')
        outcome = run(*words)
        assert outcome.status == 2
        assert outcome.err.startswith(f"exjournal: {error}")


class TestVersion:
    """`--version`, from wherever the package is imported."""

    def test_source_tree(self) -> None:
        """It works from a source tree that is not installed, as the version is in the package."""
        source = str(ROOT / "src")
        words = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {source!r}); import exjournal.__main__"]
        done = subprocess.run([*words, "--version"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, f"exjournal {__version__}\n"), done.stderr
