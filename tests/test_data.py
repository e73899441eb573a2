"""The data for JSON has a fixed shape: that of the published schemas, with no character that databases refuse."""

import json
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli_helpers import TRUNCATED, WITH_OTHER_TEXT, put, run
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_scan import BARE, GARBAGE, REFUSED, add_member, bounce, lines, mboxrd

from exjournal import (
    Envelope,
    JournalRule,
    MergedReport,
    Organization,
    ParsedReport,
    ParseError,
    ReportFormat,
    RuleSet,
    decide,
    identify,
    merge,
    parse_report,
)
from shapes import FOLDER, SHAPES, VERSIONS, text_of
from strategies import HEAVY, ORIGINAL, PART, TEXT, a_message, any_bytes, built
from test_corpus import MESSAGES, expectation, read_as

VALIDATORS = {path.stem: Draft202012Validator(json.loads(path.read_text("utf-8"))) for path in FOLDER.glob("*.json")}


def strings(data: object) -> Iterator[str]:
    """Every string of data, keys among them."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from strings(value)


def shaped(name: str, data: object) -> Any:
    """Assert that data has a shape and no character that databases refuse, and return it as it comes out of JSON."""
    found = json.loads(json.dumps(data))
    problems = [f"{error.json_path}: {error.message[:300]}" for error in VALIDATORS[name].iter_errors(found)]
    assert not problems
    # A lone surrogate cannot be encoded.
    assert not any("\0" in text or not text.encode() for text in strings(found) if text)
    return found


def all_shaped(parsed: ParsedReport) -> None:
    """Assert the shapes of the data of a report, and that reading it gives the report again."""
    identity = identify(parsed).to_dict()
    for content in (False, True):
        data = shaped("report", parsed.to_dict(content=content))
    shaped("identity", identity)
    [merged] = merge([parsed])
    found = shaped("merged", merged.to_dict())
    shaped("statement", merged.reports[0].to_dict())
    assert MergedReport.from_dict(found) == merged == merge([{**data, "identity": identity}])[0]


class TestSchemas:
    """The published schemas."""

    def test_files(self) -> None:
        """There is a file for each shape, with the text that is written from its definition; the package has them."""
        assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == {
            f"{name}.json": text_of(name) for name in SHAPES
        }
        assert VERSIONS.keys() == SHAPES.keys()
        assert {path.name for path in files("exjournal").joinpath("schemas").iterdir()} == {
            f"{name}.json" for name in SHAPES
        }

    @pytest.mark.parametrize("name", SHAPES)
    def test_valid(self, name: str) -> None:
        """A schema is one of its draft, has its version in its name, and every object is closed with every key required."""
        schema = VALIDATORS[name].schema
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:exjournal:{name}:{VERSIONS[name]}"

        def check(value: Any) -> None:
            for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
                check(one)
            if isinstance(value, dict) and isinstance(value.get("properties"), dict):
                assert value["additionalProperties"] is False
                assert value["required"] == list(value["properties"])

        check(schema)

    @pytest.mark.parametrize("name", SHAPES)
    def test_other_data(self, name: str) -> None:
        """Data of another shape is not valid."""
        for data in ({}, [], {"more": 1}, None):
            assert not VALIDATORS[name].is_valid(data)


class TestReports:
    """The data of reports and of their identities, and of merged reports."""

    @pytest.mark.parametrize("path", MESSAGES, ids=[path.stem for path in MESSAGES])
    def test_corpus(self, path: Path) -> None:
        """The data of every report of the corpus has its shape, and reads as the report that it comes from."""
        expected = expectation(path)
        if "refused" not in expected:
            all_shaped(parse_report(path.read_bytes(), format=read_as(expected)))

    @HEAVY
    @given(any_bytes(), st.sampled_from([None, *ReportFormat]))
    def test_any_report(self, data: bytes, format: ReportFormat | None) -> None:
        """So has the data of any report."""
        try:
            parsed = parse_report(data, format=format)
        except ParseError:
            return
        all_shaped(parsed)

    @given(
        st.lists(st.sampled_from([b"\0", b"\xed\xa0\x80", b"\xff", b"=00", b"\r\n", b"a"]), max_size=6).map(b"".join),
        st.sampled_from([*re.finditer(rb"[\w.]@|report\.|Hello|text/plain|rfc822|7bit|Sender:", built())]),
        st.sampled_from([None, *ReportFormat]),
    )
    def test_characters(self, odd: bytes, place: re.Match[bytes], format: ReportFormat | None) -> None:
        """So has that of a report with NUL and the bytes of surrogates anywhere in it."""
        data = built()
        try:
            parsed = parse_report(data[: place.start() + 1] + odd + data[place.start() + 1 :], format=format)
        except ParseError:
            return
        all_shaped(parsed)

    def test_two_reports_with_one_replacement(self) -> None:
        """Reports that differ in a byte which their data replaces alike have keys of their own, and stay two."""
        reports = [parse_report(a_message(TEXT + b"odd" + odd + b"\r\n", PART)) for odd in (b"\0", "\u2400".encode())]
        first, second = [one.to_dict() for one in reports]
        assert first["unparsed"] == second["unparsed"] == ["odd\u2400"]
        assert (first["escaped"], second["escaped"]) == (True, False)
        [merged] = merge(reports)
        assert len({one.identity.report_key for one in merged.reports}) == 2
        assert MergedReport.from_dict(shaped("merged", merged.to_dict())) == merged


class TestDecisions:
    """The data of decisions."""

    RULES = RuleSet(
        [
            JournalRule("All", "journal@archive.example"),
            JournalRule("Bob", "bobs@archive.example", recipient="bob@example.com"),
        ],
        Organization(["example.com"], groups={"staff@example.com": ["bob@example.com"]}),
    )

    @given(any_bytes() | st.binary(max_size=30).map(lambda odd: b"From: bob" + odd + b"@example.com\r\nSender: " + odd))
    def test_any_message(self, message: bytes) -> None:
        """The data of the decision about any message has its shape."""
        for trusted in (False, True):
            envelope = Envelope("bob@example.com", ["staff@example.com", "zoe@example.org"], trusted_path=trusted)
            shaped("decision", decide(message, envelope, self.RULES).to_dict())

    def test_hold(self) -> None:
        """So has that of a message that is held."""
        message = b"Received: from a\r\n" * 100 + built()
        found = shaped("decision", decide(message, Envelope("", ["bob@example.com"]), self.RULES).to_dict())
        assert found["hold"] is not None
        assert found["loops"]


ODD_NAME = os.fsdecode(b"caf\xe9.eml")
ODD_LINE = a_message(TEXT + b"gar\0bage\r\n", PART)


def make_odd_archive(folder: Path) -> Path:
    """Reports, messages and unreadable items of every kind, some with names that are not text."""
    put(folder / ODD_NAME, built())
    put(folder / "decrypted.eml", built(decrypted=ORIGINAL.replace(b"Hi.", b"Ho."), report_id="<d@example.com>"))
    put(folder / "line.eml", ODD_LINE)
    put(folder / "other-text.eml", WITH_OTHER_TEXT)
    put(folder / "cut.eml", TRUNCATED)
    put(folder / "bare.eml", BARE)
    put(folder / "no-marker.eml", built().replace(b"X-MS-Journal-Report:", b"X-Other:"))
    put(folder / "garbage.eml", GARBAGE)
    put(folder / "refused.eml", REFUSED)
    put(folder / "bounce.eml", bounce(built()))
    put(folder / "two.eml", built() + b"\r\n" + built(report_id="<2@example.com>"))
    put(folder / "quoted.mbox", mboxrd([built(ORIGINAL + b"From here on.\r\n"), BARE]))
    put(folder / "damaged.zip", b"PK\x03\x04 and so on")
    with tarfile.open(folder / "in.tar", "w") as tar:
        add_member(tar, ODD_NAME, ODD_LINE)
        add_member(tar, "empty.eml", b"")
    with zipfile.ZipFile(folder / "in.zip", "w") as archive:
        archive.writestr("a/b.eml", built(format=ReportFormat.ENVELOPE_2003))
        archive.write(folder / "in.tar", "in.tar")
    (folder / "gone.eml").symlink_to(folder / "nowhere")
    return folder


@pytest.fixture
def odd_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive, below the working folder, which has a name that is not text."""
    place = tmp_path / os.fsdecode(b"\xff")
    place.mkdir()
    monkeypatch.chdir(place)
    return make_odd_archive(Path(os.fsdecode(b"in\xe9")))


class TestCommand:
    """What the command writes as JSON."""

    @pytest.mark.parametrize("options", [[], ["--undeliverable"], ["--format", "message-only"], ["--mbox", "mboxrd"]])
    def test_verbs(self, odd_archive: Path, options: list[str]) -> None:
        """Every line of parse, merge and check has its shape."""
        put("secret", b"s" * 16)
        for name, words in {
            "parse": ["parse", "--json"],
            "merge": ["merge", "--json"],
            "check": ["check", "--json", "--secret-file", "secret"],
        }.items():
            outcome = run(*words, *options, odd_archive)
            found = [shaped(name, line) for line in outcome.objects]
            assert len(found) >= (2 if name == "merge" else 7)
        [line] = [shaped("parse", line) for line in run("parse", "--json", "--identity", ODD_NAME_BELOW).objects]
        assert line["identity"] is not None
        assert (line["source"]["escaped"], line["escaped"]) == (True, False)
        assert line["file"] == line["source"]["path"] == "in\ufffd/caf\ufffd.eml"

    @pytest.mark.parametrize("merged", [False, True])
    @pytest.mark.parametrize("kept", [False, True])
    @pytest.mark.parametrize("options", [[], ["--undeliverable", "--unmarked"], ["--format", "bcc"]])
    def test_scan(self, odd_archive: Path, options: list[str], *, merged: bool, kept: bool) -> None:
        """Every line of a scan has its shape, with and without other outputs, and so have the reasons of bad items."""
        words = [*["--merge"] * merged, *["--originals", "kept", "--store", "seen"] * kept, *options]
        run("scan", odd_archive, "--json", "out", "--quarantine", "bad", "--jobs", "1", "--quiet", *words)
        found = [shaped("scan", line) for line in lines(Path("out"))]
        kinds = {line["kind"] for line in found}
        assert kinds >= {"merged" if merged else "report", "unreadable"}
        reasons = [shaped("quarantine", line) for line in lines(Path("bad", "reasons.jsonl"))]
        assert {line["kind"] for line in reasons} >= {"unreadable"}
        files = [line["file"] for line in found if line["kind"] == "message"]
        assert all(isinstance(file, str) is kept for file in files)
        assert {line["source"]["escaped"] for line in found if "source" in line} <= {True}

    def test_decide(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """So have a decision and the numbers of a file of rules."""
        monkeypatch.chdir(tmp_path)
        rules = '[organization]\ndomains = []\n[[rules]]\nname = "All"\njournal_to = "journal@archive.example"\n'
        put("rules.toml", rules.encode())
        put(ODD_NAME, built())
        words = ["--rules", "rules.toml", "--json"]
        [found] = run("decide", ODD_NAME, *words, "--from=", "--to=bob@example.com").objects
        assert shaped("decide", found)["escaped"] is True
        [found] = run("decide", *words, "--check-config").objects
        assert shaped("check-config", found)["warnings"]

    @pytest.mark.slow
    @HEAVY
    @given(st.lists(any_bytes(), min_size=1, max_size=4), st.sampled_from([None, *ReportFormat]))
    def test_any_archive(self, items: list[bytes], format: ReportFormat | None) -> None:
        """Whatever an archive holds, every line has its shape."""
        with TemporaryDirectory() as name:
            for number, item in enumerate(items):
                put(Path(name, "in", f"{number}.eml"), item)
            put(Path(name, "in", "all.mbox"), mboxrd(items))
            options = [] if format is None else ["--format", format]
            out, bad = Path(name, "out"), Path(name, "bad")
            for merged in ([], ["--merge"]):
                run(
                    "scan",
                    f"{name}/in",
                    "--json",
                    out,
                    "--quarantine",
                    bad,
                    "--jobs",
                    "1",
                    "--quiet",
                    *options,
                    *merged,
                )
                for shape, path in (("scan", out), ("quarantine", bad / "reasons.jsonl")):
                    for line in lines(path):
                        shaped(shape, line)
            for verb in ("parse", "merge", "check"):
                for line in run(verb, "--json", *options, f"{name}/in").objects:
                    shaped(verb, line)


ODD_NAME_BELOW = Path(os.fsdecode(b"in\xe9"), ODD_NAME)
