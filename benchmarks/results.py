"""The file of results: one section for each script, with the conditions of its run and its tables.

A run replaces the sections of the scripts that it ran, and leaves the others as they were measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"

_HEAD = """# Results

What `make bench` measured: a section for each script, with the interpreter and the date of its run.
[How to read the figures](README.md#how-to-read-the-figures) says what is compared.
The figures that matter most are in [performance](../docs/explanation/performance.md).
"""
_SECTION = "\n## "


def read(text: str, /) -> dict[str, str]:
    """The sections of a file of results, by the name of their script."""
    sections = [section.partition("\n") for section in text.split(_SECTION)[1:]]
    return {name: content.strip("\n") for name, _, content in sections}


def updated(text: str, order: Sequence[str], measured: Mapping[str, str], /) -> str:
    """A file of results with the sections of this run in it, in the order of the scripts."""
    sections = {**read(text), **measured}
    return "".join([_HEAD, *[f"{_SECTION}{name}\n\n{sections[name]}\n" for name in order if name in sections]])


def section(conditions: str, tables: Iterable[str], /) -> str:
    """The section of one script."""
    return "\n".join([f"{conditions}\n", *tables]).rstrip("\n")
