"""The verb `unwrap`: the originals of reports as files, byte for byte.

With `--clean` it takes out of them what servers stamped on their first journey. What bounces hold is for `rescue`.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Final

from exjournal import (
    RESTORE_HEADERS,
    DefectCode,
    ParsedReport,
    ParseError,
    ReportFormat,
    matching_headers,
    strip_headers,
)
from exjournal.cli.output import FINE, FOUND, put, say, told, usage, write
from exjournal.cli.readers import add_reader, reports
from exjournal.cli.rescue import rescue

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
        help="take report markers, processed stamps and an organisation's own header fields out of the originals; tells which",
    )
    parser.add_argument(
        "--undeliverable",
        action="store_true",
        help="the files are bounces: write the reports inside them as ID.eml, and tell who refused them and why",
    )


def _unwrap(options: argparse.Namespace) -> int:
    if options.out == "-" and len(options.files) > 1:
        return usage("--out -: takes one file only")
    if options.undeliverable:
        for name in ("clean", "force"):
            if getattr(options, name):
                return usage(f"--{name}: has no use with --undeliverable, which writes reports as they are")
        if options.format is not None and ReportFormat(options.format) not in _COPIES:
            return usage("--format: of a report has no use with --undeliverable, which knows it by its marker")
        return rescue(options)
    folder = Path(options.out)
    written: set[Path] = set()
    status = FINE
    for name, found, _ in reports(options):
        if not isinstance(found, ParsedReport):
            status = max(status, told(name, found))
            continue
        if found.original is None:
            say(f"{name}: the report holds no original")
            status = max(status, FOUND)
            continue
        truncated = any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in found.defects)
        if truncated:
            say(f"{name}: the original is perhaps truncated")
        content: bytes | memoryview = found.original
        removed: Counter[str] = Counter()
        if options.clean:
            try:
                removed.update(matching_headers(content, RESTORE_HEADERS))
                content = strip_headers(content, RESTORE_HEADERS)
            except ParseError as error:
                say(f"{name}: the original cannot be cleaned: {error}")
                status = max(status, FOUND)
                continue
        if options.out == "-":
            put(content)
            _tell_removed(name, removed)
            continue
        target = folder / f"{'stdin' if name == '-' else Path(name).stem}.original.eml"
        if target in written:
            # Two inputs of one name must not end as one file, whatever was said of overwriting.
            say(f"{name}: {target} is for another file of this run")
            status = max(status, FOUND)
            continue
        written.add(target)
        if truncated and options.force and target.exists():
            say(f"{target}: is there already, and a perhaps truncated original does not replace it")
            status = max(status, FOUND)
            continue
        result = write(target, content, force=options.force)
        if result == FINE:
            _tell_removed(name, removed)
        status = max(status, result)
    return status


def _tell_removed(name: str, removed: Counter[str]) -> None:
    for field, count in removed.items():
        say(f"{name}: removed {field}" + (f" ({count})" if count > 1 else ""))
