"""The verb `unwrap`: write the originals of reports to files, byte for byte.

With `--clean`, it removes the fields that servers stamped on the originals. `unwrap --undeliverable` is in `rescue`.
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
    strip_headers,
)
from exjournal.cli.output import FINE, FOUND, put, say, usage_error, write
from exjournal.cli.reading import STDIN, Archive, Entry, add_reader, defects_of
from exjournal.cli.rescue import rescue
from exjournal.cli.secrets import add_secret_files
from exjournal.cli.usage import Verbs
from exjournal.journaling.header_firewall import matching_headers


def add(verbs: Verbs) -> None:
    """Add the verb to the command."""
    parser = add_reader(
        verbs,
        "unwrap",
        _unwrap,
        "write the originals to files, byte for byte",
        example="report.eml --out originals",
        page="docs/how-to/undeliverable.md",
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="the folder for NAME.original.eml files, or - for standard output"
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument(
        "--clean",
        action="store_true",
        help="remove report markers, processed stamps and an organization's own fields from the originals, and list them",
    )
    add_secret_files(parser, "to verify the seals of reports with --undeliverable")


def _unwrap(options: argparse.Namespace, archive: Archive) -> int:
    if options.out == "-" and len(archive.files) > 1:
        return usage_error("--out - takes only one file")
    if options.undeliverable:
        return _rescue(options, archive)
    if options.secret_file:
        return usage_error("--secret-file needs --undeliverable")
    names = _Names()
    status = FINE
    # Standard output takes only one original. It is written last, when it is certain that there is no second one.
    single: tuple[str, bytes | memoryview, Counter[str]] | None = None
    for entry in archive.entries():
        item = entry.item
        if not isinstance(item, ArchivedReport):
            status = max(status, archive.pass_over(entry, item))
            continue
        source = str(item.source)
        content: bytes | memoryview | None = item.parsed.original
        if content is None:
            say(f"{source}: the report contains no original")
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
            if single is not None:
                return usage_error(f"--out - takes only one report, but {entry.file} contains several; use --out DIR")
            single = source, content, removed
            continue
        name = _name(entry)
        target = Path(options.out, f"{names.add(name)}.original.eml")
        if truncated and options.force and target.exists():
            say(f"{target}: exists, and an original that is perhaps truncated does not replace it")
            status = max(status, FOUND)
            continue
        result = write(target, content, force=options.force)
        if result == FINE:
            if target.name != f"{name}.original.eml":
                say(f"{source}: written to {target}")
            _report_removed(source, removed)
        status = max(status, result)
    if single is not None:
        source, content, removed = single
        put(content)
        _report_removed(source, removed)
    return status


def _rescue(options: argparse.Namespace, archive: Archive) -> int:
    """Refuse the options that do not apply to bounces, then extract the reports from the bounces."""
    for name in ("clean", "force"):
        if getattr(options, name):
            return usage_error(f"--{name} cannot be combined with --undeliverable, which writes reports unchanged")
    if archive.format is not None and not archive.format.is_copy:
        return usage_error(
            f"--format {archive.format} cannot be combined with --undeliverable, which looks for markers"
        )
    return rescue(options, archive)


def _report_removed(source: str, removed: Counter[str]) -> None:
    for field, count in removed.items():
        say(f"{source}: removed {field}" + (f" ({count})" if count > 1 else ""))


class _Names:
    """The names of the files that a run writes, each used only once."""

    def __init__(self) -> None:
        # Maps each name to the last number given to it. Names are case-folded, because some file systems ignore letter case.
        self._numbers: dict[str, int] = {}

    def add(self, name: str) -> str:
        """Return the name, with a number appended if it is taken."""
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
    """Return the name for the file of an item's original, without the extension.

    A file given on the command line keeps its name. Any other name comes from an archive or a foreign file system, so reserved
    and unprintable characters in it are replaced.
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
    encoded = name.encode()
    if len(encoded) <= _LIMIT:
        return name
    # Names from one archive differ mostly at their end, so half of the bytes come from there.
    half = _LIMIT // 2
    return f"{encoded[: half - 1].decode(errors='ignore')}_{encoded[-half:].decode(errors='ignore')}"


_MESSAGE: Final = ".eml"
# Characters that separate folders, or are reserved on Windows.
_RESERVED: Final = frozenset('/\\:*?"<>|')
# A name has at most this many bytes in UTF-8. File systems allow 255, with the number and the extension.
_LIMIT: Final = 200
