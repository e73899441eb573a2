"""Runs every example of the README and of docs/: Python blocks as doctests, console blocks as commands.

The pages that a newcomer reads first run as pasted, from the root of a clone. Each other page has a folder of its own with
the files of examples/, such as `message.eml` and `report.eml`, and the secret that `journal.toml` names.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest
from hypothesis import settings
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent

# Pages whose examples run from the root of a clone, by the rules of plain doctest.
FROM_THE_ROOT = (
    "README.md",
    "docs/index.md",
    "docs/tutorial/tour.md",
    "docs/how-to/archive-builder.md",
    "docs/how-to/e-discovery.md",
    "docs/how-to/gateway-builder.md",
    "docs/how-to/postmaster.md",
    "docs/how-to/test-engineer.md",
)

# What a reader types on a machine of their own: tried by the continuous integration, not from within the suite.
OUTSIDE = ("pip ", "make ", "git ", "python -m venv", "python3 -m venv")

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
        if command.startswith(OUTSIDE) and command != "make demo":
            continue
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
        printed = done.stdout + done.stderr
        wanted = expected.rstrip("\n") + "\n" * bool(expected.strip())
        # A terminal shows both, in an order that pipes do not keep.
        if not any(OutputChecker().check_output(wanted, got, ELLIPSIS) for got in (printed, done.stderr + done.stdout)):
            problems.append(f"$ {command}\nexpected:\n{expected}\nprinted (exit {done.returncode}):\n{printed}")
    return "\n".join(problems) or None


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder like the root of a fresh clone."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("examples", "src", "tests/corpus"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with the files that the examples of a page work on."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (folder / "journal.key").write_bytes(b"a secret of the organization\n")
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)


CONSOLE = CodeBlockParser(language="console", evaluator=run_console)

pytest_collect_file = (
    Sybil([PythonCodeBlockParser(), CONSOLE], patterns=FROM_THE_ROOT, fixtures=["clone"])
    + Sybil(
        [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE), CONSOLE],
        patterns=["docs/*.md", "docs/*/*.md", "examples/README.md", "examples/*/README.md"],
        excludes=FROM_THE_ROOT,
        fixtures=["page"],
    )
).pytest()
