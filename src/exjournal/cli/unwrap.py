"""The verb `unwrap`: the originals of reports as files, byte for byte.

With `--clean` it removes what servers stamped on them on their first journey. What bounces hold is for `rescue`.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Final

from exjournal import (
    RESTORE_HEADERS,
    ArchivedReport,
    DefectCode,
    ParseError,
    ReportFormat,
    strip_headers,
)
from exjournal.cli.output import FINE, FOUND, put, say, usage, write
from exjournal.cli.reading import STDIN, Archive, Entry, add_reader, defects_of
from exjournal.cli.rescue import rescue
from exjournal.cli.secrets import add_secret_files
from exjournal.journaling.loops import matching_headers

# The formats that nothing marks.
_COPIES: Final = (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY)


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command."""
    parser = add_reader(verbs, "unwrap", _unwrap, "write the originals out, byte for byte")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for NAME.original.eml files; - for standard output"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument(
        "--clean",
        action="store_true",
        help="remove report markers, processed stamps and an organization's own fields from the originals, and say which",
    )
    add_secret_files(parser, "by which --undeliverable verifies the seals of the reports")


def _unwrap(options: argparse.Namespace, archive: Archive) -> int:
    if options.out == "-" and len(archive.files) > 1:
        return usage("--out -: takes one file only")
    if options.undeliverable:
        return _rescue(options, archive)
    if options.secret_file:
        return usage("--secret-file needs --undeliverable")
    names = _Names()
    status = FINE
    # For standard output, which takes the original of one report: known only at the end.
    alone: tuple[str, bytes | memoryview, Counter[str]] | None = None
    for entry in archive.entries():
        item = entry.item
        if not isinstance(item, ArchivedReport):
            status = max(status, archive.pass_over(entry, item))
            continue
        source = str(item.source)
        content: bytes | memoryview | None = item.parsed.original
        if content is None:
            say(f"{source}: the report holds no original")
            status = max(status, FOUND)
            continue
        for defect in item.defects:
            say(f"{source}: {defect.code}: {defect.detail}")
        truncated = any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in defects_of(item))
        if truncated:
            say(f"{source}: the original is perhaps truncated")
        removed: Counter[str] = Counter()
        if options.clean:
            try:
                removed.update(matching_headers(content, RESTORE_HEADERS))
                content = strip_headers(content, RESTORE_HEADERS)
            except ParseError as error:
                say(f"{source}: the original cannot be cleaned: {error}")
                status = max(status, FOUND)
                continue
        if options.out == "-":
            if alone is not None:
                return usage(f"--out -: {entry.file} holds several reports, and only --out DIR has room for them")
            alone = source, content, removed
            continue
        name = _name(entry)
        target = Path(options.out, f"{names.add(name)}.original.eml")
        if truncated and options.force and target.exists():
            say(f"{target}: is there already, and a perhaps truncated original does not replace it")
            status = max(status, FOUND)
            continue
        result = write(target, content, force=options.force)
        if result == FINE:
            if target.name != f"{name}.original.eml":
                say(f"{source}: written to {target}")
            _tell_removed(source, removed)
        status = max(status, result)
    if alone is not None:
        source, content, removed = alone
        put(content)
        _tell_removed(source, removed)
    return status


def _rescue(options: argparse.Namespace, archive: Archive) -> int:
    """Take reports out of bounces, unless an option makes no sense there."""
    for name in ("clean", "force"):
        if getattr(options, name):
            return usage(f"--{name}: has no use with --undeliverable, which writes reports as they are")
    if options.format is not None and ReportFormat(options.format) not in _COPIES:
        return usage("--format: of a report has no use with --undeliverable, which knows it by its marker")
    return rescue(options, archive)


def _tell_removed(source: str, removed: Counter[str]) -> None:
    for field, count in removed.items():
        say(f"{source}: removed {field}" + (f" ({count})" if count > 1 else ""))


class _Names:
    """The names that a run has given to files, so that it gives none twice."""

    def __init__(self) -> None:
        # For each name, without regard to letter case as on some file systems, the number that the last file of it got.
        self._numbers: dict[str, int] = {}

    def add(self, name: str) -> str:
        """The name, with a number where it is taken."""
        key = name.casefold()
        number = self._numbers.get(key, 0) + 1
        given = name
        if number > 1:
            while (given := f"{name}-{number}").casefold() in self._numbers:
                number += 1
            self._numbers[given.casefold()] = 1
        self._numbers[key] = number
        return given


def _name(entry: Entry) -> str:
    """The name of the file for an item, without its extension.

    A file of the command line keeps its own name. Other names are made from what an archive or a stranger's file system says.
    """
    source = entry.item.source
    if entry.is_named:
        return "stdin" if entry.file == STDIN else Path(entry.file).stem
    if entry.file == STDIN:
        path = "stdin"
    elif source.path == entry.file:
        path = Path(entry.file).name
    else:
        path = str(Path(source.path).relative_to(entry.file))
    name = str(source._replace(path=path))
    name = name[: -len(_MESSAGE)] if name.lower().endswith(_MESSAGE) else name
    name = "".join(["_" if char in _RESERVED or not char.isprintable() else char for char in name])
    if name[:1] in (".", "-"):
        name = f"_{name[1:]}"
    octets = name.encode()
    if len(octets) <= _LIMIT:
        return name
    # What distinguishes items of one archive is at the end.
    half = _LIMIT // 2
    return f"{octets[: half - 1].decode(errors='ignore')}_{octets[-half:].decode(errors='ignore')}"


_MESSAGE: Final = ".eml"
# What leads to another folder, or is reserved on Windows.
_RESERVED: Final = frozenset('/\\:*?"<>|')
# Bytes of a name in UTF-8: file systems take 255, with a number and the extension after it.
_LIMIT: Final = 200
