"""The import ladder: which module may import which, and from where, read off the source itself."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "exjournal"

# Each rung knows only those before it. A new edge is a decision: it goes here and into docs/decisions.md.
ALLOWED: dict[str, set[str]] = {
    "_wire": set(),
    "errors": set(),
    "limits": set(),
    "_wire.names": set(),
    "_wire.octets": set(),
    "_wire.lines": set(),
    "_wire.quoted_printable": set(),
    "addresses": {"_wire.lines"},
    "_wire.headers": {"_wire.lines", "_wire.octets"},
    "_wire.times": set(),
    "_wire.html": {"_wire.lines"},
    "_wire.message": {"_wire.headers", "_wire.lines", "_wire.octets", "addresses", "errors", "limits"},
    "_wire.multipart": {"_wire.headers", "_wire.octets", "errors"},
    "_wire.mbox": {"_wire.octets", "limits"},
    "_wire.parts": {"_wire.mbox", "_wire.multipart", "_wire.octets", "errors"},
    "_wire.canonical": {"_wire.headers", "_wire.message", "_wire.names", "_wire.octets"},
    "_wire.endings": {"_wire.headers", "_wire.multipart", "_wire.octets"},
    "_wire.sameness": {
        "_wire.canonical",
        "_wire.headers",
        "_wire.multipart",
        "_wire.octets",
        "_wire.parts",
    },
    "models": {"_wire.headers", "_wire.lines", "_wire.times", "addresses", "errors"},
    "report_text": {
        "_wire.lines",
        "_wire.names",
        "_wire.quoted_printable",
        "addresses",
        "errors",
        "limits",
        "models",
    },
    "usual": {"_wire.lines", "_wire.multipart", "_wire.octets", "addresses", "models", "report_text"},
    "report_text_2003": {
        "_wire.lines",
        "_wire.names",
        "_wire.quoted_printable",
        "addresses",
        "errors",
        "models",
        "report_text",
    },
    "markers": {"_wire.headers", "_wire.names", "models"},
    "kinds": {"_wire.headers", "_wire.message", "_wire.multipart", "_wire.octets"},
    "copies": {
        "_wire.endings",
        "_wire.headers",
        "_wire.message",
        "_wire.octets",
        "addresses",
        "errors",
        "limits",
        "markers",
        "models",
    },
    "seals": {"_wire.canonical", "_wire.headers", "_wire.message", "_wire.names", "_wire.octets", "errors", "markers"},
    "builder": {
        "_wire.headers",
        "_wire.message",
        "_wire.names",
        "_wire.octets",
        "_wire.quoted_printable",
        "addresses",
        "copies",
        "errors",
        "models",
        "report_text",
        "report_text_2003",
        "seals",
    },
    "parser": {
        "_wire.endings",
        "_wire.headers",
        "_wire.html",
        "_wire.message",
        "_wire.multipart",
        "_wire.names",
        "_wire.octets",
        "_wire.parts",
        "addresses",
        "copies",
        "errors",
        "limits",
        "markers",
        "models",
        "report_text",
        "report_text_2003",
        "usual",
    },
    "identity": {
        "_wire.headers",
        "_wire.html",
        "_wire.message",
        "_wire.multipart",
        "_wire.octets",
        "_wire.sameness",
        "addresses",
        "errors",
        "models",
    },
    "statements": {"_wire.lines", "errors", "identity", "models"},
    "stores": {"errors"},
    "duplicates": {"errors", "identity", "stores"},
    "merging": {"addresses", "errors", "models", "statements"},
    "sources": {"errors"},
    "sorting": set(),
    "parallel": set(),
    "unpacking": {"errors", "limits"},
    "tar_files": {"errors", "limits", "unpacking"},
    "zip_files": {"errors", "limits", "unpacking"},
    "containers": {
        "_wire.mbox",
        "errors",
        "limits",
        "sorting",
        "sources",
        "tar_files",
        "unpacking",
        "zip_files",
    },
    "undeliverable": {
        "_wire.endings",
        "_wire.headers",
        "_wire.message",
        "_wire.multipart",
        "_wire.names",
        "_wire.octets",
        "_wire.parts",
        "errors",
        "limits",
        "markers",
        "models",
        "parser",
    },
    "stamps": {"_wire.octets", "seals"},
    "loops": {
        "_wire.headers",
        "_wire.message",
        "_wire.multipart",
        "_wire.names",
        "_wire.octets",
        "_wire.parts",
        "errors",
        "kinds",
        "markers",
        "seals",
        "stamps",
        "undeliverable",
    },
    "organization": {"_wire.lines", "addresses", "errors"},
    "rules": {"_wire.lines", "addresses", "errors", "models", "organization"},
    "explanations": {"rules"},
    "decisions": {
        "_wire.message",
        "_wire.octets",
        "addresses",
        "errors",
        "explanations",
        "kinds",
        "limits",
        "loops",
        "models",
        "rules",
        "seals",
        "stamps",
    },
    "agent": {
        "_wire.headers",
        "_wire.message",
        "_wire.multipart",
        "_wire.names",
        "_wire.octets",
        "builder",
        "decisions",
        "errors",
        "models",
        "rules",
        "seals",
        "stamps",
    },
    "config": {"agent", "errors", "limits", "organization", "rules", "seals"},
    "archive": {
        "_wire.headers",
        "_wire.mbox",
        "_wire.message",
        "_wire.parts",
        "containers",
        "errors",
        "limits",
        "models",
        "parallel",
        "parser",
        "sources",
        "undeliverable",
    },
    "outputs": {"errors"},
    "batches": {
        "archive",
        "containers",
        "errors",
        "identity",
        "models",
        "outputs",
        "parallel",
        "sources",
        "statements",
    },
    "gathering": {
        "batches",
        "duplicates",
        "identity",
        "merging",
        "outputs",
        "parallel",
        "sorting",
        "statements",
        "stores",
    },
    "scan": {"archive", "batches", "containers", "gathering", "limits", "models", "outputs", "sources", "stores"},
    "": {
        "addresses",
        "agent",
        "archive",
        "builder",
        "config",
        "decisions",
        "duplicates",
        "errors",
        "explanations",
        "identity",
        "kinds",
        "loops",
        "merging",
        "models",
        "organization",
        "parser",
        "rules",
        "scan",
        "seals",
        "sources",
        "statements",
        "stores",
        "undeliverable",
    },
    "cli.output": {""},
    "cli.secrets": {"", "cli.output"},
    "cli.build": {"", "cli.output", "cli.secrets"},
    "cli.reading": {"limits", "", "cli.output"},
    "cli.parse": {"", "cli.output", "cli.reading"},
    "cli.check": {"", "cli.output", "cli.reading", "cli.secrets"},
    "cli.rescue": {"", "cli.output", "cli.reading", "cli.secrets"},
    "cli.unwrap": {"", "cli.output", "cli.reading", "cli.secrets", "cli.rescue"},
    "cli.decide": {"", "cli.output", "cli.secrets"},
    "cli.merge": {"", "cli.output", "cli.reading"},
    "cli.scan": {"", "cli.output", "cli.reading"},
    "cli": {
        "cli.build",
        "cli.check",
        "cli.decide",
        "cli.merge",
        "cli.output",
        "cli.parse",
        "cli.scan",
        "cli.unwrap",
    },
    "__main__": {"cli"},
}

# All but the command, which may do what the library may not.
LIBRARY = [name for name in ALLOWED if name.partition(".")[0] not in {"cli", "__main__"}]

# Heavy for a program that only wants to read a report: imported where they are used, if at all.
LATE = {"argparse", "email", "logging", "mmap", "pathlib", "sqlite3", "urllib"}
# Outside effects have their rooms.
FILES_AND_PROCESS = {"io", "os", "pathlib", "shutil", "subprocess", "sys", "tempfile"}
# What a module uses of the file system, and by what: the file of rules and the secrets it names; the file of a store, and the
# clock that says when a key was last added; archives, and what a scan makes of them. Where there is "os"
# alone in `archive` and `scan`, it is for the type of a path.
READS_FILES = {
    "config": {"os", "pathlib"},
    "stores": {"os", "pathlib", "time"},
    "archive": {"os"},
    "unpacking": {"io"},
    "tar_files": {"io"},
    "zip_files": {"io", "tempfile"},
    "containers": {"io", "os"},
    "sorting": {"os", "tempfile"},
    "parallel": {"os"},
    "outputs": {"os", "shutil", "tempfile"},
    "batches": {"os"},
    "gathering": {"os"},
    "scan": {"os"},
}
OPENS_FILES = {"containers", "outputs", "batches", "gathering"}


def modules() -> dict[str, Path]:
    """Every module of the package by its name below `exjournal`, "" for the package itself."""
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").removesuffix("."): path
        for path in sorted(SOURCE.rglob("*.py"))
    }


def imports(path: Path, *, at_module_level: bool = False) -> Iterator[str]:
    """The modules that a file imports, as they are named; optionally only those that are loaded with it."""
    tree = ast.parse(path.read_text("utf-8"))
    late: set[ast.AST] = set()
    if at_module_level:
        for node in ast.walk(tree):
            is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            if is_typing or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                late |= set(ast.walk(node))
    for node in ast.walk(tree):
        if node in late:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            assert node.module is not None
            names = modules()
            for name in node.names:
                below = f"{node.module}.{name.name}"
                yield below if below.removeprefix("exjournal.") in names and below != node.module else node.module


# The one way up: a value that hands itself, when it is asked to, to a function about such values.
UPWARD = {"models": {"identity"}}


def inner(path: Path) -> set[str]:
    """The modules of the package that a file imports, but for the way up."""
    found = {
        name.removeprefix("exjournal").removeprefix(".")
        for name in imports(path)
        if name == "exjournal" or name.startswith("exjournal.")
    }
    return found - UPWARD.get(path.stem, set())


def test_every_module_has_its_rung() -> None:
    """The table names exactly the modules that are there."""
    assert set(modules()) == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_module_imports_what_its_rung_may_know(name: str) -> None:
    """The table states the edges exactly: none is missing, none is left over."""
    assert inner(modules()[name]) == ALLOWED[name]


def test_the_ladder_has_no_way_back() -> None:
    """Each rung knows only rungs above it in the table."""
    known: set[str] = set()
    for name, allowed in ALLOWED.items():
        assert allowed <= known, name
        known.add(name)


def test_reader_and_writer_do_not_know_each_other() -> None:
    """`builder` and `parser` share values and mechanism, and never import each other."""
    assert "parser" not in ALLOWED["builder"]
    assert "builder" not in ALLOWED["parser"]


@pytest.mark.parametrize("name", ALLOWED)
def test_nothing_beyond_the_standard_library(name: str) -> None:
    """At run time there are no dependencies."""
    outside = {one.partition(".")[0] for one in imports(modules()[name])} - {"exjournal"}
    assert outside <= sys.stdlib_module_names


@pytest.mark.parametrize("name", LIBRARY)
def test_heavy_modules_are_imported_where_they_are_used(name: str) -> None:
    """Loading the library loads none of the heavy modules."""
    loaded = {one.partition(".")[0] for one in imports(modules()[name], at_module_level=True)}
    assert not loaded & LATE


@pytest.mark.parametrize("name", LIBRARY)
def test_only_the_command_touches_files_and_the_process(name: str) -> None:
    """The library opens files where the table says so and nowhere else, asks no environment and prints nothing."""
    loaded = {one.partition(".")[0] for one in imports(modules()[name])} - READS_FILES.get(name, set())
    assert not loaded & (FILES_AND_PROCESS | {"logging", "random", "secrets", "socket", "time", "uuid"})
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(modules()[name].read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "input", "exec", "eval", *(() if name in OPENS_FILES else ("open",))}


def test_there_is_one_clock() -> None:
    """The current time is asked for in one place, the default of `date`; stores alone have a clock of their own."""
    asked = [path.name for path in modules().values() if "datetime.now" in path.read_text("utf-8")]
    assert asked == ["builder.py"]
    asked = [path.name for path in modules().values() if "time.time" in path.read_text("utf-8")]
    assert asked == ["stores.py"]


def test_the_way_up_is_taken_late() -> None:
    """The edge up the ladder is there, and is followed only when it is asked for."""
    for name, above in UPWARD.items():
        late = {f"exjournal.{one}" for one in above}
        assert late <= set(imports(modules()[name]))
        assert not late & set(imports(modules()[name], at_module_level=True))


def test_the_package_module_is_a_table_of_contents() -> None:
    """`__init__` holds imports and `__all__`, nothing else."""
    body = ast.parse(modules()[""].read_text("utf-8")).body
    assert isinstance(body[0], ast.Expr)
    assert all(isinstance(node, ast.ImportFrom) for node in body[1:-1])
    assert isinstance(body[-1], ast.Assign)
