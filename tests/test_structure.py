"""The import ladder: which module may import which, and from where, read off the source itself."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "exjournal"

# Which wing knows which, in one row each; a module at the root of the package is a wing of its own. Every wing knows only those
# above it, and a new entry is a decision: it goes here and into docs/development/decisions.md.
WINGS: dict[str, set[str]] = {
    "errors": set(),
    "limits": set(),
    "lines": set(),
    "addresses": {"limits", "lines"},
    "_wire": {"addresses", "errors", "limits", "lines"},
    "reports": {"_wire", "addresses", "errors", "limits", "lines"},
    "identity": {"_wire", "addresses", "errors", "limits", "lines", "reports"},
    "journaling": {"_wire", "addresses", "errors", "limits", "lines", "reports"},
    "archives": {"_wire", "addresses", "errors", "identity", "limits", "lines", "reports"},
    "": {"addresses", "archives", "errors", "identity", "journaling", "reports"},
    "cli": {"", "journaling", "limits"},
    "__main__": {"cli"},
}

# Inside a wing, each module knows only those above it.
INSIDE: dict[str, dict[str, set[str]]] = {
    "_wire": {
        "": set(),
        "names": set(),
        "grammar": set(),
        "buffers": set(),
        "quoted_printable": set(),
        "times": set(),
        "html": set(),
        "headers": {"grammar", "buffers"},
        "beginnings": {"grammar", "headers", "buffers"},
        "address_lists": {"headers"},
        "message": {"address_lists", "beginnings", "headers", "buffers", "times"},
        "multipart": {"grammar", "headers", "buffers"},
        "parts": {"grammar", "beginnings", "multipart", "buffers"},
        "canonical": {"grammar", "beginnings", "headers", "names", "buffers"},
        "endings": {"headers", "multipart", "buffers"},
    },
    "reports": {
        "": set(),
        "models": set(),
        "markers": {"models"},
        "seals": {"markers"},
        "assembly": {"models", "seals"},
        "envelope": {"assembly", "models"},
        "envelope_2003": {"assembly", "envelope", "models"},
        "copies": {"assembly", "markers", "models"},
        "fast_reader": {"envelope", "models"},
        "original": {"markers", "models"},
        "reader": {"copies", "envelope", "envelope_2003", "fast_reader", "markers", "models", "original"},
        "writer": {"assembly", "copies", "envelope", "envelope_2003", "models", "seals"},
        "undeliverable": {"markers", "models", "reader"},
    },
    "identity": {
        "": set(),
        "content_digest": set(),
        "keys": {"content_digest"},
        "statements": {"keys"},
        "stores": set(),
        "duplicates": {"keys", "stores"},
        "merging": {"statements"},
    },
    "journaling": {
        "": set(),
        "organization": set(),
        "rules": {"organization"},
        "rule_index": {"organization", "rules"},
        "rule_sets": {"organization", "rule_index", "rules"},
        "message_kinds": set(),
        "header_firewall": set(),
        "stamps": set(),
        "loops": {"message_kinds", "stamps"},
        "explanations": {"rules"},
        "decisions": {
            "explanations",
            "loops",
            "message_kinds",
            "organization",
            "rule_index",
            "rule_sets",
            "rules",
            "stamps",
        },
        "agent": {"decisions", "loops", "rule_sets", "stamps"},
        "config": {"agent", "organization", "rule_sets", "rules"},
    },
    "archives": {
        "": set(),
        "sources": set(),
        "foreign": set(),
        "mbox": set(),
        "streams": set(),
        "tar_files": {"streams"},
        "zip_files": {"streams"},
        "sorting": set(),
        "walk": {"foreign", "mbox", "sorting", "sources", "streams", "tar_files", "zip_files"},
        "parallel": set(),
        "items": {"foreign", "mbox", "parallel", "sources", "walk"},
        "tables": set(),
        "recipients": {"sources", "tables"},
        "exceptions": {"items", "sources", "tables"},
        "selection": set(),
        "outputs": set(),
        "accounts": {"exceptions", "items", "outputs", "parallel", "sorting", "sources", "walk"},
        "batches": {
            "accounts",
            "exceptions",
            "items",
            "outputs",
            "parallel",
            "selection",
            "sorting",
            "sources",
            "walk",
        },
        "joining": {"accounts", "batches", "exceptions", "outputs", "parallel", "recipients", "sorting", "tables"},
        "scan": {
            "accounts",
            "batches",
            "exceptions",
            "items",
            "joining",
            "outputs",
            "recipients",
            "selection",
            "sources",
            "tables",
            "walk",
        },
    },
    "cli": {
        "output": set(),
        "usage": {"output"},
        "secrets": {"output"},
        "reading": {"output", "usage"},
        "build": {"output", "secrets", "usage"},
        "check": {"output", "reading", "secrets", "usage"},
        "decide": {"output", "secrets", "usage"},
        "merge": {"output", "reading", "usage"},
        "pages": set(),
        "report_page": {"pages", "reading"},
        "scan_page": {"pages", "report_page"},
        "parse": {"output", "pages", "reading", "report_page", "usage"},
        "rescue": {"output", "reading", "secrets"},
        "progress": {"output"},
        "scan": {"output", "pages", "progress", "reading", "scan_page", "usage"},
        "unwrap": {"output", "reading", "rescue", "secrets", "usage"},
        "": {"build", "check", "decide", "merge", "output", "parse", "scan", "unwrap", "usage"},
    },
}

# Heavy for a program that only wants to read a report: imported where they are used, if at all.
LATE = {"argparse", "email", "logging", "mmap", "pathlib", "sqlite3", "urllib"}
# Outside effects have their rooms.
FILES_AND_PROCESS = {"io", "os", "pathlib", "shutil", "subprocess", "sys", "tempfile"}
# What a module uses of the file system, and by what: the file of rules and the secrets it names; the file of a store, and the
# clock that says when a key was last added; archives, what a scan makes of them, and the clock of its sessions. Where there is
# "os" alone in `archives.items` and `archives.scan`, it is for the type of a path.
READS_FILES = {
    "journaling.config": {"os", "pathlib"},
    "identity.stores": {"os", "pathlib", "time"},
    "archives.items": {"os"},
    "archives.streams": {"io"},
    "archives.tar_files": {"io"},
    "archives.zip_files": {"io", "tempfile"},
    "archives.walk": {"io", "os"},
    "archives.sorting": {"os", "tempfile"},
    "archives.parallel": {"os"},
    "archives.outputs": {"os", "shutil", "tempfile"},
    "archives.accounts": {"os", "time"},
    "archives.batches": {"os"},
    "archives.joining": {"os"},
    "archives.selection": {"os"},
    "archives.scan": {"os"},
}
OPENS_FILES = {
    "archives.walk",
    "archives.accounts",
    "archives.outputs",
    "archives.batches",
    "archives.joining",
    "archives.selection",
}


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


# All but the command, which may do what the library may not.
LIBRARY = [name for name in modules() if name.partition(".")[0] not in {"cli", "__main__"}]


def wing_and_room(name: str) -> tuple[str, str]:
    """The wing of a module, and its name in there."""
    wing, _, room = name.partition(".")
    return wing, room


def known_by(name: str) -> set[str]:
    """The modules of the package that a module imports."""
    return {
        found.removeprefix("exjournal").removeprefix(".")
        for found in imports(modules()[name])
        if found == "exjournal" or found.startswith("exjournal.")
    }


def test_every_module_has_its_room() -> None:
    """The tables name exactly the modules of the package."""
    rooms = {f"{wing}.{room}".strip(".") for wing, rooms in INSIDE.items() for room in rooms}
    assert set(modules()) == rooms | (WINGS.keys() - INSIDE.keys())


@pytest.mark.slow
@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_knows_what_its_row_says(wing: str) -> None:
    """No edge between wings is missing from the table, and none is left over."""
    found: set[str] = set()
    for name in modules():
        if wing_and_room(name)[0] == wing:
            found |= {wing_and_room(one)[0] for one in known_by(name)}
    assert found - {wing} == WINGS[wing]


@pytest.mark.slow
@pytest.mark.parametrize(("wing", "room"), [(wing, room) for wing, rooms in INSIDE.items() for room in rooms])
def test_a_module_knows_what_its_row_says(wing: str, room: str) -> None:
    """No edge inside a wing is missing from its table, and none is left over."""
    found = known_by(f"{wing}.{room}".strip("."))
    assert {wing_and_room(one)[1] for one in found if wing_and_room(one)[0] == wing} == INSIDE[wing][room]


@pytest.mark.parametrize("table", [WINGS, *INSIDE.values()], ids=["wings", *INSIDE])
def test_nothing_imports_upward(table: dict[str, set[str]]) -> None:
    """Each row names only rows above it, so there is no circle."""
    above: set[str] = set()
    for name, known in table.items():
        assert known <= above, name
        above.add(name)


@pytest.mark.parametrize("name", modules())
def test_own_modules_are_imported_at_the_top(name: str) -> None:
    """A late import is for a slow module of the standard library, never for one of ours."""
    tree = ast.parse(modules()[name].read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    late = {node.module for one in functions for node in ast.walk(one) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in late if module and module.partition(".")[0] == "exjournal"]


# Methods of named tuples are private by their spelling only.
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}


def is_private(name: str) -> bool:
    """Whether a name begins with one underscore; names with two, such as `__version__`, belong to Python's conventions."""
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("name", modules())
def test_private_names_stay_in_their_module(name: str) -> None:
    """A name with an underscore is used by the module that defines it, and by no other."""
    tree = ast.parse(modules()[name].read_text("utf-8"))
    imports_of_ours = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("exjournal")
    ]
    imported = {alias.name for node in imports_of_ours for alias in node.names}
    assert not {name for name in imported - {"_wire"} if is_private(name)}
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    own |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in {"self", "cls", "os"}
    }
    assert {name for name in used - NAMED_TUPLE if is_private(name)} <= own


@pytest.mark.parametrize("wing", ["_wire", "reports", "identity", "journaling", "archives"])
def test_the_module_of_a_wing_holds_no_logic(wing: str) -> None:
    """It says in one paragraph what the wing is for."""
    (docstring,) = ast.parse(modules()[wing].read_text("utf-8")).body
    assert isinstance(docstring, ast.Expr)


def test_reader_and_writer_do_not_know_each_other() -> None:
    """They share values and the syntax of the formats, and never import each other."""
    assert "reader" not in INSIDE["reports"]["writer"]
    assert "writer" not in INSIDE["reports"]["reader"]


@pytest.mark.slow
@pytest.mark.parametrize("name", modules())
def test_nothing_beyond_the_standard_library(name: str) -> None:
    """At run time there are no dependencies."""
    outside = {one.partition(".")[0] for one in imports(modules()[name])} - {"exjournal"}
    assert outside <= sys.stdlib_module_names


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARY)
def test_heavy_modules_are_imported_where_they_are_used(name: str) -> None:
    """Loading the library loads none of the heavy modules."""
    loaded = {one.partition(".")[0] for one in imports(modules()[name], at_module_level=True)}
    assert not loaded & LATE


@pytest.mark.slow
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
    """The current time is asked for in one place, the default of `date`; stores and scans have a clock of their own."""
    asked = [path.name for path in modules().values() if "datetime.now" in path.read_text("utf-8")]
    assert asked == ["writer.py"]
    asked = [path.name for path in modules().values() if "time.time" in path.read_text("utf-8")]
    assert asked == ["accounts.py", "stores.py"]


def test_the_package_module_is_a_table_of_contents() -> None:
    """`__init__` holds imports, `__all__` and the version, nothing else."""
    docstring, *imported, names, version = ast.parse(modules()[""].read_text("utf-8")).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(node, ast.ImportFrom) for node in imported)
    assert [ast.unparse(node.targets[0]) for node in (names, version) if isinstance(node, ast.Assign)] == [
        "__all__",
        "__version__",
    ]
