"""The documentation: complete where it promises to be, true where it names a file or a figure, and careful about sending."""

import argparse
import ast
import doctest
import inspect
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import exjournal
from exjournal import (
    LEAVING_HEADERS,
    ORGANIZATION_HEADERS,
    RESTORE_HEADERS,
    DefectCode,
    Envelope,
    HoldReason,
    Identity,
    JournalReport,
    JournalRule,
    MemoryStore,
    Organization,
    ParseError,
    ReportFormat,
    RuleSet,
    Scope,
    Seal,
    Sighting,
    build_report,
    decide,
    identify,
    limits,
    look_up,
    parse_report,
    remember,
    unwrap_undeliverable,
)
from exjournal._wire.canonical import SEALED_FIELDS
from exjournal.archives.exceptions import (
    CONFLICT,
    EXCEPTION_COLUMNS,
    NOT_WRITTEN,
    READS_LIKE,
    UNDATED,
    UNMARKED,
    Category,
)
from exjournal.archives.recipients import RECIPIENT_COLUMNS
from exjournal.cli import _parser
from exjournal.identity.content_digest import _SHOWN
from exjournal.journaling.explanations import Place, Reason
from exjournal.journaling.loops import LoopReason

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "tests" / "corpus"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
BESIDE_EXAMPLES = [ROOT / "examples" / "README.md", ROOT / "examples" / "postfix" / "README.md"]
PAGES = [ROOT / "README.md", *DOCS, *BESIDE_EXAMPLES]
BESIDE = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md", "benchmarks/RESULTS.md"]
LINKED = [*PAGES, *[ROOT / name for name in BESIDE]]
JOBS = ["archive-builder.md", "gateway-builder.md", "e-discovery.md", "postmaster.md", "test-engineer.md"]
FORMAT_PAGES = ["format-envelope.md", "format-2003.md", "format-copies.md"]
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*") if path.is_file() and path.suffix != ".md")

# Codes of archives, which are not messages.
OF_ARCHIVES = frozenset(
    (
        DefectCode.ITEM_TOO_LARGE,
        DefectCode.ARCHIVE_DAMAGED,
        DefectCode.ARCHIVE_ENCRYPTED,
        DefectCode.ARCHIVE_RATIO,
        DefectCode.ARCHIVE_LINK,
        DefectCode.ARCHIVE_UNREAD,
        DefectCode.ARCHIVE_UNSUPPORTED,
        DefectCode.MBOX_QUOTING,
        DefectCode.MBOX_LENGTH,
        DefectCode.MBOX_SEPARATOR,
    )
)
# Codes whose files would take a megabyte and more.
WITHOUT_WITNESS = OF_ARCHIVES | frozenset(
    (
        DefectCode.HEADER_TOO_LARGE,
        DefectCode.REPORT_TEXT_TOO_LARGE,
        DefectCode.TOO_MANY_PARTS,
        DefectCode.TOO_MANY_RECIPIENTS,
        DefectCode.MORE_DEFECTS,
        DefectCode.ORIGINAL_HEADER_TOO_LARGE,
        DefectCode.STATUS_TOO_LARGE,
    )
)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
WITNESS = re.compile(r"\.\./tests/corpus/((?:undeliverable/)?[a-z0-9-]+)\.eml")
CODED = re.compile(r"`([^`]+)`")

every_page = pytest.mark.parametrize("path", PAGES, ids=[path.relative_to(ROOT).as_posix() for path in PAGES])
every_linked_page = pytest.mark.parametrize("path", LINKED, ids=[path.relative_to(ROOT).as_posix() for path in LINKED])


def page(name: str) -> str:
    """The text of a page of docs/, which is in one of its folders."""
    (path,) = (ROOT / "docs").rglob(name)
    return path.read_text(encoding="utf-8")


def fences(text: str) -> list[tuple[str, str]]:
    """Language and content of each code block."""
    return [(found[1], found[2]) for found in FENCE.finditer(text)]


def prose(text: str) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", text)


def section(text: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    headings = list(HEADING.finditer(prose(text)))
    [(number, found)] = [(number, found) for number, found in enumerate(headings) if found[2] == heading]
    ends = [later.start() for later in headings[number + 1 :] if len(later[1]) <= len(found[1])]
    return prose(text)[found.end() : ends[0] if ends else None]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, heads and rules left out."""
    lines = prose(text).splitlines()
    result = []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("|") and not line.startswith("|---") and not following.startswith("|---"):
            result.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return result


def anchors(text: str) -> set[str]:
    """The names by which headings are linked to."""
    return {re.sub(r"[^\w -]", "", found[2]).lower().replace(" ", "-") for found in HEADING.finditer(prose(text))}


def expected_codes(name: str) -> tuple[set[str], bool]:
    """The codes that a corpus file shows, and whether it is refused."""
    expected = json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))
    is_refused = "refused" in expected
    return ({expected["refused"]} if is_refused else set(expected.get("defects", []))), is_refused


def refusals_and_defects() -> tuple[set[str], set[str]]:
    """The codes below the heading of refusals, and those below all other headings of docs/reference/defects.md."""
    codes = {row[0].strip("`") for row in rows(page("defects.md"))}
    refusals = {row[0].strip("`") for row in rows(section(page("defects.md"), "Refusals"))}
    return refusals, codes - refusals


class TestDefects:
    """docs/reference/defects.md explains every code, and shows each by a file that has it."""

    def test_every_code_once(self) -> None:
        """The first column of the tables has each code once, and nothing else."""
        assert sorted(row[0] for row in rows(page("defects.md"))) == sorted(f"`{code}`" for code in DefectCode)

    def test_rows_are_complete(self) -> None:
        """Each row says what the code means and what to do."""
        for row in rows(page("defects.md")):
            assert len(row) == 4, row
            assert row[1].endswith(".")
            assert row[2].endswith(".")

    def test_witnesses(self) -> None:
        """The witness of a code is a corpus file that shows it: below "Refusals" as a refusal, else as a defect."""
        refusals, _ = refusals_and_defects()
        for code, _, _, witness in rows(page("defects.md")):
            names = WITNESS.findall(witness)
            assert len(names) == (code.strip("`") not in WITHOUT_WITNESS), code
            for name in names:
                codes, is_refused = expected_codes(name)
                assert code.strip("`") in codes
                assert (code.strip("`") in refusals) == is_refused


class TestFormat:
    """The pages of the formats list supported and tolerated input with its witnesses, the producers and the limits."""

    @pytest.mark.parametrize("name", FORMAT_PAGES)
    def test_supported(self, name: str) -> None:
        """The witnesses of supported input are read without a defect."""
        table = rows(section(page(name), "Supported input"))
        assert table
        for row in table:
            names = WITNESS.findall(row[-1])
            assert names, row
            assert [expected_codes(name) for name in names] == [(set(), False)] * len(names), row

    @pytest.mark.parametrize("name", ["format-2003.md", "format-copies.md"])
    def test_tolerated(self, name: str) -> None:
        """Each row of tolerated input has its codes, and each witness shows one of them."""
        seen = set()
        for *_, codes, witness in rows(section(page(name), "Tolerated input")):
            coded = set(CODED.findall(codes))
            seen |= coded
            names = WITNESS.findall(witness)
            assert names
            for found, is_refused in map(expected_codes, names):
                assert coded & found
                assert not is_refused
        _, defects = refusals_and_defects()
        assert seen
        assert seen <= defects

    def test_producers(self) -> None:
        """The witness of a producer is a report, recognized by the sign in its row."""
        table = rows(section(page("format.md"), "Who writes reports"))
        for _, recognized, formats, witness in table:
            names = WITNESS.findall(witness)
            assert names
            for name in names:
                expected = json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))
                parsed = parse_report((CORPUS / f"{name}.eml").read_bytes(), format=expected.get("read_as"))
                assert f"`{parsed.marker}`" in recognized
                assert parsed.format.name in CODED.findall(formats) or formats == "either"

    def test_limits(self) -> None:
        """Every limit of the library is in the table, in its order and with its value."""
        table = rows(section(page("format.md"), "Limits"))
        shown = []
        for _, value, *_ in table:
            number, _, unit = value.partition(" ")
            shown.append(int(number) * {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit])
        assert shown == [value for name, value in vars(limits).items() if name.endswith(("_LIMIT", "_MINIMUM"))]


class TestUndeliverable:
    """docs/how-to/undeliverable.md says what becomes of each bounce."""

    def test_opened(self) -> None:
        """The witness of an opened bounce gives a report, a status or neither as its row says."""
        table = rows(section(page("undeliverable.md"), "What the mailbox contains"))
        assert len(table) >= 6
        for _, made, witness in table:
            for name in WITNESS.findall(witness):
                expected = json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))
                found = unwrap_undeliverable((CORPUS / f"{name}.eml").read_bytes(), format=expected.get("read_as"))
                assert (found.report is None) == ("no report" in made), name
                assert bool(found.status) == (
                    "the delivery status" in made or "and the status" in made or "all" in made
                ), name

    def test_refused(self) -> None:
        """The witness of refused input raises the code of its row."""
        table = rows(section(page("undeliverable.md"), "What is refused"))
        for _, code, _, witness in table:
            for name in WITNESS.findall(witness):
                with pytest.raises(ParseError) as caught:
                    unwrap_undeliverable((CORPUS / f"{name}.eml").read_bytes())
                assert f"`{caught.value.code}`" in code
        assert f"`{DefectCode.NO_REPORT_INSIDE}`" in {row[1] for row in table}

    def test_defects(self) -> None:
        """The page has each code that a bounce can give."""
        named = set(CODED.findall(prose(page("undeliverable.md"))))
        codes = {
            DefectCode.PERHAPS_TRUNCATED,
            DefectCode.BOUNDARY_MISSING,
            DefectCode.BOUNDARY_MISMATCH,
            DefectCode.ORIGINAL_ENCODED,
            DefectCode.TRANSFER_ENCODING_DAMAGED,
            DefectCode.STATUS_TOO_LARGE,
            DefectCode.ANOTHER_REPORT,
            DefectCode.EXTRA_PART,
        }
        assert codes <= named

    def test_header_sets(self) -> None:
        """Every set of names has a row, which lists what a header firewall takes off and what goes off mail to outside."""
        table = rows(section(page("undeliverable.md"), "Restore a message to a mailbox"))
        listed = {row[0].strip("`"): set(CODED.findall(row[1])) for row in table}
        assert set(listed) == {name for name in exjournal.__all__ if name.endswith("_HEADERS")}
        organization = set(ORGANIZATION_HEADERS)
        assert listed["ORGANIZATION_HEADERS"] == organization < set(RESTORE_HEADERS)
        assert listed["LEAVING_HEADERS"] == organization ^ set(LEAVING_HEADERS)


class TestRules:
    """docs/how-to/rules.md is complete, and its tables are what the library does."""

    @pytest.mark.parametrize("row", rows(section(page("rules.md"), "Scopes")), ids=lambda row: row[0])
    def test_scopes(self, row: list[str]) -> None:
        """Each kind of mail sets off the rules of the scopes that its row names."""
        _, mail_from, author, authenticated, recipients, *scopes = row
        organization = Organization(["example.com"])
        rules = RuleSet([JournalRule(scope, "journal@archive.example", scope=scope) for scope in Scope], organization)
        envelope = Envelope(
            mail_from.strip("`").removeprefix("<>"), CODED.findall(recipients), authenticated=authenticated == "yes"
        )
        message = f"From: {author.strip('`')}\r\nSubject: Lunch\r\n\r\n".encode()
        fired = {one.rule for one in decide(message, envelope, rules).matches}
        expected = dict(zip((Scope.INTERNAL, Scope.EXTERNAL, Scope.GLOBAL), scopes, strict=True))
        assert fired == {scope for scope, says in expected.items() if says == "yes"}

    def test_arguments(self) -> None:
        """Every argument of an organization, a rule and a set of rules has a row."""
        for heading, cls, given in (
            ("The organization", Organization, 0),
            ("Journal rules", JournalRule, 0),
            ("Options of a RuleSet", RuleSet, 2),
        ):
            table = rows(section(page("rules.md"), heading))
            assert [row[0].strip("`") for row in table] == list(inspect.signature(cls).parameters)[given:]

    def test_why_not(self) -> None:
        """Every reason and every place has a row, the reasons in their order."""
        text = section(page("rules.md"), "Why is this message not in the archive?")
        first = [row[0] for row in rows(text)]
        reasons = [cell.strip("`") for cell in first[: len(Reason)]]
        assert reasons == list(Reason)
        assert {name for cell in first[len(Reason) :] for name in CODED.findall(cell)} == set(Place)

    def test_file(self) -> None:
        """The page leads to the file of the examples, which has every key."""
        assert "](../../examples/journal.toml)" in section(page("rules.md"), "The file")


class TestLoops:
    """docs/explanation/loops.md has every reason, of a loop, of a hold and of a seal."""

    def test_reasons(self) -> None:
        """Every reason has its row; a seal and a stamp come first, and again as unverified ones."""
        table = rows(section(page("loops.md"), "detect_loop"))
        coded = [(name, row[2]) for row in table for name in CODED.findall(row[0])]
        sure = [(LoopReason.SEAL, "no"), (LoopReason.STAMP, "no")]
        assert coded[:2] == sure
        assert sorted(coded[2:]) == sorted((reason, "yes") for reason in LoopReason)

    def test_holds(self) -> None:
        """Every reason to hold a message has its row there, and an answer on the page of gateways."""
        assert {row[0].strip("`") for row in rows(section(page("loops.md"), "Limits and hold"))} == set(HoldReason)
        answers = rows(section(page("gateway.md"), "When a message is held"))
        assert {name for row in answers for name in CODED.findall(row[0])} == set(HoldReason)

    def test_seals(self) -> None:
        """Every value of a seal has its row."""
        named = [row[0].strip("`") for row in rows(section(page("loops.md"), "Seals"))]
        assert named[: len(Seal)] == list(Seal)

    def test_covered(self) -> None:
        """The fields of the outer header block that a seal covers are named, each of them and no other."""
        [fields] = [row[1] for row in rows(section(page("loops.md"), "What a seal covers")) if "outer" in row[0]]
        assert CODED.findall(fields) == list(SEALED_FIELDS)

    def test_gateway(self) -> None:
        """Every attribute of a delivery has its row, and both kinds of trust."""
        table = rows(section(page("gateway.md"), "What the transport must offer"))
        assert [name for row in table for name in CODED.findall(row[0])] == list(exjournal.Delivery._fields)
        trust = rows(section(page("gateway.md"), "What a gateway must know"))
        assert [row[0].strip("`") for row in trust] == list(inspect.signature(Envelope).parameters)[2:]


def sample(message: bytes = b"From: ann@example.com\r\nMessage-ID: <1@example.com>\r\n\r\nAt one?\r\n") -> bytes:
    """A report on a message."""
    report = JournalReport(sender="ann@example.com", recipients=["bob@example.com"], message_id="<1@example.com>")
    return build_report(report, message, domain="example.com", date=datetime(2026, 1, 1, tzinfo=UTC))


class TestStability:
    """docs/reference/stability.md names the numbers that the library writes."""

    @pytest.mark.parametrize(
        ("what", "module", "written"),
        [
            ("digest of the content", "identity/content_digest.py", 'hashlib.sha256(b"exjournal content {}\\n")'),
            ("digest under seals", "_wire/canonical.py", 'hashlib.sha256(b"exjournal sealed {}\\n")'),
            ("seal,", "reports/seals.py", 'rb"v={};\\s*s='),
            ("stamp,", "journaling/stamps.py", 'rb"v={};s='),
            ("tables of `SqliteStore`", "identity/stores.py", "_SCHEMA: Final = {}\n"),
        ],
    )
    def test_numbers(self, what: str, module: str, written: str) -> None:
        """The number in the row is the one in the source."""
        [row] = [
            row for row in rows(section(page("stability.md"), "Numbers in what is stored")) if row[0].startswith(what)
        ]
        [number] = re.findall(r"\d+", row[1])
        assert written.format(number) in (ROOT / "src" / "exjournal" / module).read_text(encoding="utf-8")


class TestPerformance:
    """docs/explanation/performance.md is short, and its figures are those that were measured."""

    @pytest.mark.parametrize("row", rows(section(page("performance.md"), "Ten figures")), ids=lambda row: row[1])
    def test_figures(self, row: list[str]) -> None:
        """Each figure is in the results of its script, with its case and its bound."""
        _, case, measured, bound, script = row
        results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
        assert f"| {case} | {measured} | {bound} | yes |" in section(results, script)

    def test_length(self) -> None:
        """The page has ten figures and at most 900 words."""
        assert len(rows(section(page("performance.md"), "Ten figures"))) == 10
        assert len(page("performance.md").split()) <= 900


class TestDuplicates:
    """docs/explanation/duplicates.md has every key and every answer, and what it says makes a difference makes one."""

    def test_keys(self) -> None:
        """Every key of an identity has its row, in their order."""
        table = rows(section(page("duplicates.md"), "Identity"))
        assert [row[0].strip("`") for row in table][: len(Identity._fields)] == list(Identity._fields)

    def test_covered(self) -> None:
        """The header fields that the content covers are named, each of them and no other."""
        table = rows(section(page("duplicates.md"), "What content_sha256 covers"))
        assert CODED.findall(table[0][0]) == list(_SHOWN)

    def test_answers(self) -> None:
        """Every answer has its row, and the picture has the answers in the order in which they are given."""
        text = section(page("duplicates.md"), "Four answers")
        assert [row[0].strip("`") for row in rows(text)][: len(Sighting)] == [
            "FIRST",
            "SIBLING",
            "DUPLICATE",
            "CONFLICT",
        ]
        [picture] = [block for language, block in fences(page("duplicates.md")) if language == "text"]
        shown = re.findall(r"\b(?:FIRST|SIBLING|DUPLICATE|CONFLICT)\b", picture)
        assert shown == ["DUPLICATE", "SIBLING", "CONFLICT", "FIRST"]

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            (b"<2@", b"<3@", Sighting.DUPLICATE),
            (b"00:00:00", b"00:00:01", Sighting.DUPLICATE),
            (b"Recipient: bob@example.com", b"Recipient: Bob <bob@EXAMPLE.com>", Sighting.DUPLICATE),
            (b"Recipient: bob@", b"Recipient: erin@example.com\r\nRecipient: bob@", Sighting.SIBLING),
            (b"Recipient: bob@", b"Bcc: bob@", Sighting.SIBLING),
            (b"bob@example.com", b"bob@example.com, Expanded: staff@example.com", Sighting.SIBLING),
            (b"\nSender: ann@example.com", b"\nSender: erin@example.com", Sighting.SIBLING),
            (b"Recipient: bob@", b"On-Behalf-Of: erin@example.com\r\nRecipient: bob@", Sighting.SIBLING),
            (b"Recipient: bob@", b"Something new\r\nRecipient: bob@", Sighting.SIBLING),
            (b"1@example.com", b"4@example.com", Sighting.SIBLING),
            (b"At one?", b"At two?", Sighting.CONFLICT),
            (b"--\r\n", b"", Sighting.SIBLING),
        ],
        ids=[
            "report-id",
            "date",
            "spelling",
            "recipient",
            "role",
            "redirection",
            "sender",
            "principal",
            "unparsed",
            "message-id",
            "content",
            "unclosed",
        ],
    )
    def test_what_counts(self, old: bytes, new: bytes, expected: Sighting) -> None:
        """A report that differs in one thing from another is known as the page says."""
        data = sample()
        data = data.replace(parse_report(data).report_id.encode(), b"<2@example.com>")
        store = MemoryStore()
        assert remember(identify(parse_report(data)), store) is Sighting.FIRST
        assert old in data
        changed = data.replace(old, new)
        assert look_up(identify(parse_report(changed)), store) is expected

    def test_other_format(self) -> None:
        """A report in another format is never a duplicate."""
        store = MemoryStore()
        remember(identify(parse_report(sample())), store)
        message = parse_report(sample()).original_bytes()
        assert message is not None
        copy = parse_report(message, format=ReportFormat.MESSAGE_ONLY)
        assert look_up(identify(copy), store) is Sighting.SIBLING

    def test_incomplete(self) -> None:
        """A truncated report is never a duplicate, and a complete one never one of it."""
        store = MemoryStore()
        cut = identify(parse_report(sample()[: sample().rindex(b"--_")]))
        assert [remember(cut, store) for _ in range(3)] == [Sighting.FIRST, Sighting.SIBLING, Sighting.SIBLING]
        assert look_up(identify(parse_report(sample())), store) is not Sighting.DUPLICATE

    @pytest.mark.parametrize("step", ["look_up", "archive", "alert", "remember"])
    @pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
    def test_crashes(self, step: str, *, is_done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If a process dies before or after a step of the example, the next run archives and reports the rest."""
        monkeypatch.chdir(tmp_path)
        Path("archive").mkdir()
        names: dict[str, Any] = {}
        for code in python_code(ROOT / "docs" / "explanation" / "duplicates.md"):
            if code.startswith(("import ", "from ", "def archive(", "def take(")):
                exec(compile(code, "duplicates.md", "exec"), names)  # noqa: S102 - our own page
        reported: list[Identity] = []
        names["alert"] = reported.append
        alive = names[step]

        def dies(*arguments: object) -> None:
            if is_done:
                alive(*arguments)
            raise KeyboardInterrupt

        report, other = sample(), sample().replace(b"At one?", b"At two?")
        store = MemoryStore()
        remember(identify(parse_report(other)), store)
        names[step] = dies
        with pytest.raises(KeyboardInterrupt):
            names["take"](report, store, names["alert"])
        names[step] = alive
        answer = names["take"](report, store, reported.append)
        assert (answer is Sighting.DUPLICATE) == (step == "remember" and is_done)
        assert [path.read_bytes() for path in Path("archive").iterdir()] == [report]
        assert {identity.message_id for identity in reported} == {"<1@example.com>"}

    def test_redis(self) -> None:
        """The page links to the store on Redis, which is a class of thirty lines at most without its words."""
        shown = (ROOT / "examples" / "redis_store.py").read_text(encoding="utf-8")
        assert "](../../examples/redis_store.py)" in section(page("duplicates.md"), "A third store")
        [store] = [node for node in ast.parse(shown).body if isinstance(node, ast.ClassDef)]
        for node in ast.walk(store):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                del node.body[0]
        assert len([line for line in ast.unparse(store).splitlines() if line]) <= 30


def shape_paths(schema: dict[str, Any], definitions: dict[str, Any], prefix: str = "") -> set[str]:
    """The keys of the objects that a schema allows: `a`, `a.b`, `a[].b`."""
    found = set()
    if "$ref" in schema:
        found |= shape_paths(definitions[schema["$ref"].rpartition("/")[2]], definitions, prefix)
    for one in schema.get("anyOf", ()):
        found |= shape_paths(one, definitions, prefix)
    for key, inner in schema.get("properties", {}).items():
        found |= {f"{prefix}{key}"} | shape_paths(inner, definitions, f"{prefix}{key}.")
    if "items" in schema:
        found |= shape_paths(schema["items"], definitions, f"{prefix.removesuffix('.')}[].")
    return found


def keys_of(name: str, kind: str = "") -> set[str]:
    """The keys of a shape, or of those of its lines that are of one kind."""
    schema = json.loads(files("exjournal").joinpath("schemas", f"{name}.json").read_text("utf-8"))
    for line in schema.get("oneOf", ()):
        if line["properties"]["kind"]["const"] == kind:
            return shape_paths(line, schema["$defs"])
    return shape_paths(schema, schema.get("$defs", {}))


class TestTables:
    """docs/how-to/archive.md has every column of the tables of a scan, and every category of exceptions."""

    def test_columns(self) -> None:
        """Every column of the table of recipients has its row."""
        named = [name for row in rows(section(page("archive.md"), "Tables")) for name in CODED.findall(row[0])]
        assert sorted(named) == sorted(RECIPIENT_COLUMNS)

    def test_exceptions(self) -> None:
        """Every category has its row, every column is named, and so is every code that is not a defect."""
        text = section(page("archive.md"), "Exceptions")
        assert [row[0].strip("`") for row in rows(text)] == list(Category)
        named = set(CODED.findall(text))
        assert set(EXCEPTION_COLUMNS) <= named
        assert {CONFLICT, UNMARKED, READS_LIKE, UNDATED, NOT_WRITTEN} <= named


class TestData:
    """docs/reference/data.md has every key of every shape of the data for JSON."""

    SOURCE = frozenset(f"source.{key}" for key in keys_of("source"))
    PLACE = frozenset(f"sources[][].{key}" for key in keys_of("source"))
    IDENTITY = frozenset(f"identity.{key}" for key in keys_of("identity"))
    STATEMENTS = frozenset(f"reports[].{key}" for key in keys_of("statement"))

    @pytest.mark.parametrize(
        ("heading", "shape", "elsewhere"),
        [
            ("ParsedReport.to_dict", keys_of("report"), set()),
            ("Identity.to_dict", keys_of("identity"), set()),
            ("Statement.to_dict", keys_of("statement"), {*keys_of("report"), *IDENTITY}),
            ("MergedReport.to_dict", keys_of("merged"), STATEMENTS),
            ("Decision.to_dict", keys_of("decision"), set()),
            ("Source.to_dict", keys_of("source"), set()),
            ("parse", keys_of("parse"), {*keys_of("report"), *SOURCE, *IDENTITY}),
            ("Lines of reports", keys_of("scan", "report"), {*keys_of("report"), *SOURCE}),
            ("Lines of merged reports", keys_of("scan", "merged"), {*keys_of("merged"), *PLACE}),
            ("Lines of messages", keys_of("scan", "message"), SOURCE),
            ("Lines of unreadable items", keys_of("scan", "unreadable"), SOURCE),
            ("Lines of unreadable items", keys_of("quarantine"), SOURCE),
            ("merge", keys_of("merge"), {*keys_of("merged"), *PLACE}),
            ("decide", keys_of("decide"), keys_of("decision")),
            ("check-config", keys_of("check-config"), set()),
            ("check", keys_of("check"), SOURCE),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_keys(self, heading: str, shape: set[str], elsewhere: set[str]) -> None:
        """The table of a shape has every key of its schema that no other table has, and no other key."""
        named: set[str] = set()
        for row in rows(section(page("data.md"), heading)):
            first, *others = re.findall(r"`(.+?)`", row[0])
            named |= {first, *[f"{first.rpartition('.')[0]}{other}" for other in others if other[0] == "."]}
            named |= {other for other in others if other[0] != "."}
        # What a row names as a whole is described in another section.
        whole = {
            key for key in shape - elsewhere - named if any(key.startswith((f"{one}.", f"{one}[")) for one in named)
        }
        assert named == shape - elsewhere - whole
        assert all(
            key.startswith(("header.", "archive_defects[]", "undeliverable[]", "sources[][]", "original.header."))
            for key in whole
        )

    def test_schemas(self) -> None:
        """The table of schemas has every file of the package."""
        named = [row[1].strip("`") for row in rows(section(page("data.md"), "Schemas"))]
        assert sorted(named) == sorted(path.name for path in files("exjournal").joinpath("schemas").iterdir())


DIRECTIVE = re.compile(r"^### (\w+)\n\n::: exjournal\.((?:\w+\.)*)\1$", re.MULTILINE)
CLASSES = [name for name in exjournal.__all__ if inspect.isclass(getattr(exjournal, name))]
FUNCTIONS = [name for name in exjournal.__all__ if inspect.isfunction(getattr(exjournal, name))]


class TestApi:
    """docs/reference/api.md has every public name, and their docstrings, of which it is made, are complete."""

    def test_every_name(self) -> None:
        """A public name has a heading and a directive of its own; the others are of modules, and not public."""
        found = DIRECTIVE.findall(page("api.md"))
        assert sorted(name for name, module in found if not module) == sorted(exjournal.__all__)
        assert not {name for name, module in found if module} & set(exjournal.__all__)
        assert page("api.md").count("\n:::") == page("api.md").count("\n### ") == len(found)

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_functions(self, name: str) -> None:
        """The docstring of a function has every option, itself or by name of another function, and its errors."""
        function = getattr(exjournal, name)
        text = inspect.getdoc(function) or ""
        for other in re.findall(r"other options are those of `(\w+)`", text):
            text += inspect.getdoc(getattr(exjournal, other)) or ""
        parameters = inspect.signature(function).parameters.values()
        options = {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}
        assert options <= set(re.findall(r"\w+", text))
        assert "Raises" in text
        assert "TypeError" in text

    @pytest.mark.parametrize("name", [name for name in CLASSES if not issubclass(getattr(exjournal, name), Enum)])
    def test_classes(self, name: str) -> None:
        """The docstring of a value has every field and argument, those of its members every property and method."""
        cls = getattr(exjournal, name)
        words = set(re.findall(r"\w+", inspect.getdoc(cls) or ""))
        fields = {*getattr(cls, "_fields", ()), *getattr(cls, "__dataclass_fields__", ())}
        # Callers construct neither a decision nor an outcome.
        if "__init__" in vars(cls) and name not in {"Decision", "Outcome", "SeenStore"}:
            fields |= set(inspect.signature(cls).parameters)
        assert {field for field in fields if not field.startswith("_")} - words <= {"index"}
        for member, value in vars(cls).items():
            if not member.startswith("_") and (inspect.isroutine(value) or isinstance(value, (property, classmethod))):
                assert inspect.getdoc(value), member

    @pytest.mark.parametrize("name", [name for name in exjournal.__all__ if name.endswith("_HEADERS")])
    def test_sets_of_names(self, name: str) -> None:
        """A string says below each set of header names what it is for."""
        lines = (ROOT / "src" / "exjournal" / "journaling" / "header_firewall.py").read_text("utf-8").splitlines()
        [number] = [number for number, line in enumerate(lines) if line.startswith(f"{name}: ")]
        assert lines[number + 1].startswith('"""')


def paths(value: object, prefix: str = "") -> set[str]:
    """The keys of nested objects: `a`, `a.b`, `a[].b`."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= {f"{prefix}{key}"} | paths(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        for inner in value:
            found |= paths(inner, f"{prefix.removesuffix('.')}[].")
    return found


def verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    [action] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(action.choices)


def option_strings(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a parser but its help."""
    return {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}


class TestCommand:
    """docs/reference/command.md has every verb and every option."""

    def test_options_of_the_command(self) -> None:
        """The page of the command has its own options."""
        assert all(f"`{option}`" in page("command.md") for option in (*option_strings(_parser()), "-h", "--help"))

    @pytest.mark.parametrize("verb", verbs(_parser()))
    def test_options_of_a_verb(self, verb: str) -> None:
        """The table of a verb names its options, each once, and none that is not there."""
        table = rows(section(page("command.md"), verb))
        named = [found.split()[0] for row in table for found in CODED.findall(row[0]) if found.startswith("--")]
        assert sorted(named) == sorted(option_strings(verbs(_parser())[verb]))

    def test_every_verb_has_an_example(self) -> None:
        """Each verb is run in an example of its section."""
        run = "\n".join(block for language, block in fences(page("command.md")) if language == "console")
        assert all(f"$ exjournal {verb} " in run for verb in verbs(_parser()))


class TestPages:
    """All targets of links exist, and all examples run."""

    @every_linked_page
    def test_links(self, path: Path) -> None:
        """Every relative link leads to a file, and to a heading where it names one."""
        for target in LINK.findall(prose(path.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            linked = (path.parent / name).resolve() if name else path
            assert linked.exists(), target
            if anchor:
                assert anchor in anchors(linked.read_text(encoding="utf-8")), target

    @every_page
    def test_witnesses(self, path: Path) -> None:
        """Every corpus file that a page names is there, with its expectation."""
        for name in WITNESS.findall(path.read_text(encoding="utf-8")):
            assert (CORPUS / f"{name}.eml").is_file()
            assert (CORPUS / f"{name}.json").is_file()

    @every_page
    def test_examples_are_run(self, path: Path) -> None:
        """A code block is Python with prompts or a console session, which run here, a file of examples (`py`), or text."""
        files = {example.read_text(encoding="utf-8") for example in EXAMPLES}
        for language, block in fences(path.read_text(encoding="utf-8")):
            if language == "python":
                assert block.startswith(">>> ") or block in files
            elif language == "console":
                assert block.startswith("$ ")
            elif path.name != "who-received-what.md":  # tests/test_answers.py runs that page with other tools
                assert language == "text" or block in files

    def test_every_page_is_linked(self) -> None:
        """README leads to the index, which has a line for each other page of docs/."""
        index = ROOT / "docs" / "index.md"
        assert index in pages_linked_from(ROOT / "README.md")
        assert pages_linked_from(index) | {index} == set(DOCS)

    @pytest.mark.parametrize("name", ["README.md", "docs/tutorial/tour.md"])
    def test_plain_doctest(self, name: str) -> None:
        """The Python examples that a newcomer pastes first pass under plain doctest, from the root of a clone."""
        done = subprocess.run(
            [sys.executable, "-m", "doctest", name], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_length_of_what_a_newcomer_reads(self) -> None:
        """README has at most 140 lines; with the page of a job there are at most 1,500 words to read."""
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        assert len(readme.splitlines()) <= 140
        for name in JOBS:
            words = len(page(name).split())
            assert words < 600, name
            assert words + len(readme.split()) <= 1500, name

    @pytest.mark.parametrize("name", JOBS)
    def test_job(self, name: str) -> None:
        """README leads to the page of a job, and its console examples run the script that it shows."""
        assert f"](docs/how-to/{name})" in (ROOT / "README.md").read_text(encoding="utf-8")
        files = {path.read_text(encoding="utf-8"): path.relative_to(ROOT).as_posix() for path in EXAMPLES}
        commands = [block for language, block in fences(page(name)) if language == "console"]
        scripts = [files[block] for language, block in fences(page(name)) if language == "py"]
        assert commands
        assert all(any(f"$ python {script}" in block for block in commands) for script in scripts)

    def test_navigation(self) -> None:
        """The navigation of the site has each page of docs/ once, and each of those beside it."""
        navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
        listed = re.findall(r"([\w/-]+\.md)$", navigation, re.MULTILINE)
        beside = [*BESIDE, *[path.relative_to(ROOT).as_posix() for path in BESIDE_EXAMPLES]]
        assert sorted(listed) == sorted([*[path.relative_to(ROOT / "docs").as_posix() for path in DOCS], *beside])


def pages_linked_from(path: Path) -> set[Path]:
    """The pages of docs/ to which a page links."""
    targets = [target.partition("#")[0] for target in LINK.findall(prose(path.read_text(encoding="utf-8")))]
    return {(path.parent / target).resolve() for target in targets if target} & set(DOCS)


def python_code(path: Path) -> list[str]:
    """The Python code of a page's examples or of an example file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return [text]
    parser = doctest.DocTestParser()
    blocks = [block for language, block in fences(text) if language == "python"]
    return [example.source for block in blocks for example in parser.get_examples(block)]


def shell_code(path: Path) -> list[str]:
    """The shell lines of a page's examples, or the lines of an example file that is neither Python nor a message."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        blocks = [block for language, block in fences(text) if language == "console"]
        return [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [] if path.suffix in {".py", ".eml"} else text.splitlines()


def sends_by_header(code: str) -> list[str]:
    """Calls that would read recipients off a header, or leave sender or recipients out."""
    found = []
    for node in ast.walk(ast.parse(code)):
        name = getattr(node, "attr", None) or getattr(node, "id", None)
        if name == "send_message":
            found.append("send_message")
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "sendmail":
            given = {keyword.arg for keyword in node.keywords}
            given |= set(("from_addr", "to_addrs")[: len(node.args)])
            if not {"from_addr", "to_addrs"} <= given or any(isinstance(one, ast.Starred) for one in node.args):
                found.append("sendmail without sender and recipients")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SENDMAIL_T.search(node.value):
            found.append("sendmail -t")
    return found


SENDMAIL_T = re.compile(r"\bsendmail\b[^|;&]* -[a-zA-Z]*t\b")
WARNING = re.compile(r"\b(?:never|would send)\b", re.IGNORECASE)
MAILING = [*PAGES, *[path for path in EXAMPLES if path.suffix != ".eml"]]


class TestSending:
    """A report goes out with an explicit envelope only, wherever the documentation sends one."""

    @pytest.mark.parametrize(
        ("code", "count"),
        [
            ("server.sendmail('a@x.example', ['b@x.example'], data)", 0),
            ("server.sendmail(to_addrs=['b@x.example'], from_addr='', msg=data)", 0),
            ("server.sendmail(*arguments)", 1),
            ("server.sendmail(data)", 1),
            ("server.send_message(message)", 1),
            ("await aiosmtplib.send_message(message)", 1),
            ("send = server.send_message", 1),
            ("run('/usr/sbin/sendmail -oi -t')", 1),
            ("run('/usr/sbin/sendmail -i -f a@x.example b@x.example')", 0),
        ],
    )
    def test_the_check_itself(self, code: str, count: int) -> None:
        """The check finds what it is meant to find."""
        wrapped = f"async def main():\n    {code}"
        assert len(sends_by_header(wrapped)) == count

    @pytest.mark.parametrize("path", MAILING, ids=[path.name for path in MAILING])
    def test_python(self, path: Path) -> None:
        """No Python example sends by the header."""
        assert [found for code in python_code(path) for found in sends_by_header(code)] == []

    @pytest.mark.parametrize("path", MAILING, ids=[path.name for path in MAILING])
    def test_shell(self, path: Path) -> None:
        """No shell example sends by the header."""
        assert [line for line in shell_code(path) if SENDMAIL_T.search(line) or "send_message" in line] == []

    @every_page
    def test_prose(self, path: Path) -> None:
        """A sentence that names a way of sending by the header warns against it."""
        for line in prose(path.read_text(encoding="utf-8")).splitlines():
            if "send_message" in line or "sendmail -t" in line:
                assert WARNING.search(line), line

    def test_there_is_something_to_check(self) -> None:
        """The documentation sends reports, and more than one page does."""
        assert sum(".sendmail(" in code for path in PAGES for code in python_code(path)) >= 3
