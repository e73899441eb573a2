"""The public names: exactly those, typed for callers, and light to import."""

import ast
import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import exjournal
import typing_as_a_caller

DOCUMENTED = [
    "LEAVING_HEADERS",
    "ORGANIZATION_HEADERS",
    "RESTORE_HEADERS",
    "ArchivedMessage",
    "ArchivedReport",
    "Body",
    "BuildError",
    "Decision",
    "Defect",
    "DefectCode",
    "Delivery",
    "Envelope",
    "Evidence",
    "Hold",
    "HoldReason",
    "Identity",
    "InvalidValue",
    "JournalAgent",
    "JournalError",
    "JournalReport",
    "JournalRule",
    "Loop",
    "MboxVariant",
    "MemoryStore",
    "MergedRecipient",
    "MergedReport",
    "MessageKind",
    "Organization",
    "Outcome",
    "ParseError",
    "ParsedReport",
    "Part",
    "PartKind",
    "Recipient",
    "ReportFormat",
    "Role",
    "RuleSet",
    "ScanSummary",
    "Scope",
    "Seal",
    "SeenStore",
    "Sighting",
    "Source",
    "SqliteStore",
    "Statement",
    "StoreError",
    "Undeliverable",
    "Unreadable",
    "address_key",
    "build_report",
    "decide",
    "detect_format",
    "detect_loop",
    "identify",
    "load_config",
    "load_secret",
    "look_up",
    "mailbox_key",
    "map_archive",
    "merge",
    "message_kind",
    "parse_report",
    "read_archive",
    "read_source",
    "remember",
    "remember_all",
    "report_for",
    "scan_archive",
    "strip_headers",
    "unwrap_undeliverable",
    "verify_seal",
]
# Constants, which are written in capitals and carry no docstring.
SETS = [name for name in DOCUMENTED if name.isupper()]
# Vocabularies are used as a whole.
CLASSES = [
    name for name in DOCUMENTED if inspect.isclass(thing := getattr(exjournal, name)) and not issubclass(thing, str)
]
# Names that one module of the library shares with another, and no caller needs.
INNER = {"index", "journaled", "resolve"}
HEAVY = ["argparse", "email", "logging", "pathlib", "sqlite3", "tomllib"]


def members(cls: type) -> set[str]:
    """The public attributes that a class of this library adds to its bases: fields, slots, properties, methods."""
    own = {name for name in vars(cls) if not name.startswith("_")}
    if dataclasses.is_dataclass(cls):
        own |= {field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")}
    return own


class TestNames:
    """What `from exjournal import` offers."""

    def test_all(self) -> None:
        """The public names are the documented ones, constants first, in sorted order."""
        assert exjournal.__all__ == DOCUMENTED
        assert sorted(DOCUMENTED, key=lambda name: (not name.isupper(), name)) == DOCUMENTED

    def test_nothing_beside(self) -> None:
        """What else lies in the package's namespace is a module."""
        beside = set(dir(exjournal)) - set(DOCUMENTED)
        assert [
            name for name in beside if not name.startswith("_") and not isinstance(getattr(exjournal, name), ModuleType)
        ] == []

    @pytest.mark.parametrize("name", SETS)
    def test_sets_of_names(self, name: str) -> None:
        """A constant is a set of header names: a tuple, each name in it once."""
        names = getattr(exjournal, name)
        assert isinstance(names, tuple)
        assert len(set(map(str.lower, names))) == len(names)

    @pytest.mark.parametrize("name", [name for name in DOCUMENTED if name not in SETS])
    def test_documented_where_it_stands(self, name: str) -> None:
        """Each public name has a docstring of its own."""
        thing = getattr(exjournal, name)
        assert thing.__module__.startswith("exjournal.")
        assert inspect.cleandoc(vars(thing)["__doc__"] if inspect.isclass(thing) else thing.__doc__)


class TestTyping:
    """The file that uses everything as a caller would."""

    tree = ast.parse(Path(typing_as_a_caller.__file__).read_text(encoding="utf-8"))

    def test_runs(self) -> None:
        """What the type checker passed runs as well."""
        typing_as_a_caller.main()

    def test_uses_every_name(self) -> None:
        """Each public name is used in it, from the package alone."""
        used = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        assert set(DOCUMENTED) - used == set()
        imported = {node.module for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert {module for module in imported if module.startswith("exjournal")} == {"exjournal"}

    @pytest.mark.parametrize("name", CLASSES)
    def test_uses_every_member(self, name: str) -> None:
        """Each field, property and method of a public class is used in it."""
        used = {node.attr for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        assert members(getattr(exjournal, name)) - used <= INNER

    def test_marker_for_type_checkers(self) -> None:
        """The package says that it is typed (PEP 561)."""
        assert (Path(exjournal.__file__).parent / "py.typed").is_file()


class TestImport:
    """`import exjournal` costs little."""

    @pytest.mark.slow
    def test_light(self) -> None:
        """Importing the package loads no heavy module of the standard library."""
        code = (
            f"import sys; sys.path.insert(0, {str(Path(exjournal.__file__).parents[1])!r}); import exjournal; "
            f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-IS", "-c", code], capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("\n", "")
