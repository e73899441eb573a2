"""The corpus as a conformance suite: its schemas, its README, and the runner for other parsers."""

import hashlib
import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import run as run_command
from jsonschema import Draft202012Validator

from exjournal import DefectCode, ReportFormat, Role, unwrap_undeliverable
from exjournal.errors import ParseError
from test_corpus import CORPUS, MESSAGES, expectation
from test_docs import rows, section

RUNNER = runpy.run_path(str(CORPUS / "run.py"))
BOUNCES = sorted((CORPUS / "undeliverable").glob("*.eml"))
SCHEMAS = {
    name: json.loads((CORPUS / "schemas" / f"{name}.json").read_text("utf-8")) for name in ("report", "undeliverable")
}
# The keys that `exjournal parse --json` has.
PRINTED = [
    key
    for key in RUNNER["schema_keys"]("")
    if key not in {"detected", "sent_at", "received_at", "decrypted_evidence", "kinds", "offsets"}
]


class TestSchemas:
    """The schemas of expectations."""

    @pytest.mark.parametrize("name", SCHEMAS)
    def test_files(self, name: str) -> None:
        """Every expectation has the shape of its schema."""
        Draft202012Validator.check_schema(SCHEMAS[name])
        validator = Draft202012Validator(SCHEMAS[name])
        paths = MESSAGES if name == "report" else BOUNCES
        problems = {path.stem: error.message for path in paths for error in validator.iter_errors(expectation(path))}
        assert problems == {}

    @pytest.mark.parametrize("name", SCHEMAS)
    def test_other_expectations(self, name: str) -> None:
        """A key that is misspelled, one of a message that is read beside a refusal, and other values are refused."""
        validator = Draft202012Validator(SCHEMAS[name])
        path = (MESSAGES if name == "report" else BOUNCES)[0]
        data = expectation(path)
        assert validator.is_valid(data)
        for change in (
            {"defect": []},
            {"refused": "empty"},
            {"about": "No end"},
            {"defects": "empty"},
            {"read_as": "mbox"},
        ):
            assert not validator.is_valid({**data, **change})

    def test_vocabularies(self) -> None:
        """The words in the schema are those of the library."""
        keys = SCHEMAS["report"]["oneOf"][0]["properties"]
        assert keys["format"]["enum"] == keys["read_as"]["enum"] == [*ReportFormat]
        assert keys["recipients"]["items"]["properties"]["role"]["enum"] == [*Role]
        code = Draft202012Validator(keys["defects"]["items"])
        assert all(code.is_valid(str(one)) for one in DefectCode)

    @pytest.mark.parametrize(
        ("name", "heading"), [("report", "Keys of an expectation"), ("undeliverable", "Keys for a bounce")]
    )
    def test_readme(self, name: str, heading: str) -> None:
        """README.md has every key in its order, and says how many files there are."""
        text = (CORPUS / "README.md").read_text("utf-8")
        named = [key.strip(" `") for row in rows(section(text, heading)) for key in row[0].split(",")]
        read, refused = [shape["properties"] for shape in SCHEMAS[name]["oneOf"]]
        assert sorted(named) == sorted({**read, **refused})
        assert f"{len(MESSAGES)} messages" in text
        assert f"{len(BOUNCES)} bounces" in text


def differences(path: Path, found: dict[str, Any] | None, keys: list[str]) -> list[str]:
    """What the runner says for an output."""
    return [*RUNNER["differences"](expectation(path), found, keys, codes=True)]


class TestOwnParser:
    """The command of this project as the parser."""

    @pytest.mark.parametrize("path", MESSAGES, ids=[path.stem for path in MESSAGES])
    def test_parse(self, path: Path) -> None:
        """The output of `exjournal parse --json` agrees with the expectation in all of its keys."""
        expected = expectation(path)
        words = [f"--format={expected['read_as']}"] if "read_as" in expected else []
        outcome = run_command("parse", "--json", *words, path)
        [found] = outcome.objects or [{"refused": expected.get("refused")}]
        assert outcome.status in {0, 1}
        assert differences(path, found, PRINTED) == []

    @pytest.mark.parametrize("path", BOUNCES, ids=[path.stem for path in BOUNCES])
    def test_unwrap(self, path: Path) -> None:
        """The reports in bounces agree with the expectation in all keys but the place, which only some files have."""
        data, read_as = path.read_bytes(), expectation(path).get("read_as")
        if "refused" in expectation(path):
            with pytest.raises(ParseError) as caught:
                unwrap_undeliverable(data, format=read_as)
            assert differences(path, {"refused": str(caught.value.code)}, []) == []
            return
        bounce = unwrap_undeliverable(data, format=read_as)
        report = (
            None
            if bounce.report is None
            else {"size": len(bounce.report), "sha256": hashlib.sha256(bounce.report).hexdigest()}
        )
        found = {
            "report": report,
            "report_id": bounce.report_id,
            "status": [status._asdict() for status in bounce.status],
            "defects": [str(defect.code) for defect in bounce.defects],
        }
        assert differences(path, found, ["report", "report_id", "status", "defects"]) == []


RIGHT = """
import hashlib, json, sys
from exjournal import ParseError, parse_report
try:
    parsed = parse_report(sys.stdin.buffer.read(), format=(sys.argv[1:] or [None])[0])
except ParseError as error:
    print(json.dumps({"refused": str(error.code)}))
    raise SystemExit(1)
data = parsed.to_dict()
data["original"] = {"size": len(parsed.original), "sha256": hashlib.sha256(parsed.original).hexdigest()}
print(json.dumps(data))
"""
# Parsers for the runner, as programs.
PARSERS = {
    "right": RIGHT,
    "without-roles": RIGHT.replace(
        "print(json.dumps(data))", "[one.pop('role') for one in data['recipients']]; print(json.dumps(data))"
    ),
    "without-codes": RIGHT.replace("str(error.code)", "'wrong'"),
    "refuses": "print('null')",
    "silent": "",
    "reads-all": "print('{}')",
    "crashes": "raise SystemExit(3)",
    "text": "print('Sender: ann@example.com')",
    "list": "print([])",
    "slow": "import time; time.sleep(60)",
}


class TestRunner:
    """`tests/corpus/run.py` with parsers that read messages from standard input."""

    def run(self, capsys: pytest.CaptureFixture[str], parser: str, *options: str) -> tuple[int, list[str]]:
        """Run a parser; the result is the exit status and the lines."""
        command = [sys.executable, "-c", PARSERS[parser], "{read_as}"]
        status = RUNNER["main"](["--jobs", "2", *options, "--", *command])
        return status, capsys.readouterr().out.splitlines()

    @pytest.mark.slow
    @pytest.mark.parametrize("keys", ["sender,recipients,original", "marker,defects,unparsed,offsets,label"])
    def test_right(self, capsys: pytest.CaptureFixture[str], keys: str) -> None:
        """A parser that reads everything as expected agrees with every case, those whose format it is given included."""
        for only, count in (("bcc-copy-with-*", 2), ("both-mismatch", 1), ("refused-empty-file*", 2)):
            status, lines = self.run(capsys, "right", "--only", only, "--verbose", "--codes", "--keys", keys)
            assert (status, lines[-1]) == (0, f"{count} agree, 0 differ, 0 fail")
            assert len(lines) == count + 1

    @pytest.mark.parametrize(
        ("parser", "only", "outcome", "words"),
        [
            ("without-roles", "both-mismatch", "differs", "recipients: expected"),
            ("without-codes", "refused-empty-file", "differs", "refused: expected 'empty', found 'wrong'"),
            ("refuses", "both-mismatch", "differs", "was refused"),
            ("silent", "both-mismatch", "differs", "was refused"),
            ("reads-all", "refused-empty-file", "differs", "expected to be refused (empty)"),
            ("reads-all", "both-mismatch", "differs", "sender: expected"),
            ("crashes", "both-mismatch", "fails", "status 3"),
            ("text", "both-mismatch", "fails", "Expecting value"),
            ("list", "both-mismatch", "fails", "neither an object nor null"),
            ("slow", "both-mismatch", "fails", "timed out"),
        ],
    )
    def test_wrong(self, capsys: pytest.CaptureFixture[str], parser: str, only: str, outcome: str, words: str) -> None:
        """A parser that reads something else, refuses, or fails is reported with the case and the reason."""
        timeout = "0.2" if parser == "slow" else "60"
        status, lines = self.run(capsys, parser, "--only", only, "--codes", "--timeout", timeout)
        assert status == 1
        assert lines[0] == f"{outcome:<8} {only}"
        assert any(words in line for line in lines)
        assert lines[-1] == ("0 agree, 1 differ, 0 fail" if outcome == "differs" else "0 agree, 0 differ, 1 fail")

    def test_bounces(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Bounces have keys of their own."""
        _, lines = self.run(capsys, "reads-all", "--bounces", "--only", "attached-as-octet-stream", "--keys", "all")
        assert [line.split(":")[0].strip() for line in lines[2:-1]][:2] == ["report", "report_id"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ([], "a command is required"),
            (["--keys", "senders", "x"], "--keys: unknown: senders"),
            (["--only", "nothing", "x"], "--only: no case"),
        ],
    )
    def test_usage(self, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
        """Wrong usage ends with status 2, and says what is wrong."""
        with pytest.raises(SystemExit) as caught:
            RUNNER["main"](options)
        assert caught.value.code == 2
        assert words in capsys.readouterr().err

    @pytest.mark.slow
    def test_readme(self) -> None:
        """The example in README.md prints what it shows, with nothing of this project but the command that it runs."""
        [example] = re.findall(
            r"\$ python (tests/corpus/run.py .*) exjournal (.*)\n((?:.+\n)+)```",
            (CORPUS / "README.md").read_text("utf-8"),
        )
        command = [*shlex.split(example[0]), sys.executable, "-m", "exjournal", *shlex.split(example[1])]
        done = subprocess.run(
            [sys.executable, *command], cwd=CORPUS.parents[1], capture_output=True, text=True, check=False
        )
        assert done.stdout.splitlines()[0] == example[2].splitlines()[0]
        assert done.stdout.splitlines()[-1] == example[2].splitlines()[-1]
        assert done.returncode == 0
