"""Runs every example of the README and of docs/: Python blocks as doctests, console blocks as commands.

Each page has a folder of its own with `message.eml`, the sample message of examples/, `report.eml`, a report round it, and
`journal.toml`, the rules of examples/, with the secret that they name.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest
from hypothesis import settings
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from exjournal import Envelope, Recipient, build_report, report_for

ROOT = Path(__file__).parent

# What a reader types on a machine of their own: tried by the continuous integration, not from within the suite.
OUTSIDE = ("pip ", "make ", "git ", "python -m venv")

# Examples for each property, by profile: `quick` for the next line of code, `ci` for every change, `nightly` to search. Shared
# machines stall, so no example has a deadline; what grows too fast is found by the law of linear work. Where CI says so, the
# examples are the same in every run, as Hypothesis has it by default: a change lands by its own merits.
for name, count in (("quick", 10), ("ci", 150), ("nightly", 1500)):
    settings.register_profile(name, max_examples=count, deadline=None, derandomize="CI" in os.environ)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def run_console(example: Example) -> str | None:
    """Run the lines behind `$ `, and compare what they print with the lines that follow; `...` stands for anything."""
    problems = []
    for block in ("\n" + example.parsed).split("\n$ ")[1:]:
        command, _, expected = block.partition("\n")
        if command.startswith(OUTSIDE):
            continue
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
        printed = done.stdout + done.stderr
        if not OutputChecker().check_output(expected.rstrip("\n") + "\n" * bool(expected.strip()), printed, ELLIPSIS):
            problems.append(f"$ {command}\nexpected:\n{expected}\nprinted (exit {done.returncode}):\n{printed}")
    return "\n".join(problems) or None


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with the files that the examples of a page work on."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("message.eml", "journal.toml"):
        shutil.copy(ROOT / "examples" / name, folder)
    (folder / "journal.key").write_bytes(b"a secret of the organization\n")
    message = (folder / "message.eml").read_bytes()
    envelope = Envelope(
        "ann@example.com",
        [
            "bob@example.com",
            "carol@example.net",
            "hidden@example.org",
            Recipient("dave@example.com", expanded_from="staff@example.com"),
        ],
        authenticated=True,
    )
    report = build_report(
        report_for(message, envelope), message, domain="example.com", date=datetime(2026, 10, 1, 7, 0, 5, tzinfo=UTC)
    )
    (folder / "report.eml").write_bytes(report)
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE),
        CodeBlockParser(language="console", evaluator=run_console),
    ],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    fixtures=["page"],
).pytest()
