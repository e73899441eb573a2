"""Peak memory above the input, measured by tracemalloc in a separate process."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import KB, LIBRARY, MB, Claim, Effort, Row, size_text
from messages import sample

_CHILD = """
import mmap, sys, tracemalloc
sys.path.insert(0, sys.argv[1])
from exjournal import parse_report
path, held, wanted = sys.argv[2:]
with open(path, "rb") as file:
    data = file.read() if held == "bytes" else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
tracemalloc.start()
before, _ = tracemalloc.get_traced_memory()
parsed = parse_report(data)
result = parsed.report, parsed.original_bytes() if wanted == "copy" else parsed.original
print(tracemalloc.get_traced_memory()[1] - before)
"""


def claims(effort: Effort) -> Iterator[Claim]:  # noqa: ARG001
    """Yield one table: bytes and mmap, a view and a copy."""
    yield Claim("Reading holds nothing but the results", tuple(_rows()), "bytes")


def _rows() -> Iterator[Row]:
    report = sample(0, 25 * MB)
    handle, path = tempfile.mkstemp(suffix=".eml")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(report.data)
        for held in ("bytes", "mmap"):
            for wanted, allowed, bound in (
                ("view", 100 * KB, "< 100 KB"),
                ("copy", len(report.original) + 100 * KB, "< the original + 100 KB"),
            ):
                peak = _peak(path, held, wanted)
                case = f"{size_text(len(report.data))} as {held}, {wanted} of the original"
                yield Row(case, size_text(peak), bound, peak < allowed, str(peak))
    finally:
        Path(path).unlink()


def _peak(path: str, held: str, wanted: str) -> int:
    command = [sys.executable, "-IS", "-c", _CHILD, str(LIBRARY), path, held, wanted]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)
