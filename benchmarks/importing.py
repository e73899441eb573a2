"""The time that `import exjournal` adds to the start of a process, and the modules that it does not load."""

import subprocess
import sys
from collections.abc import Iterator

from measure import LIBRARY, Claim, Effort, Row, at_most, in_turn, microseconds

_REFERENCE = "dataclasses, enum, typing, datetime, hashlib, hmac"
_NOT_LOADED = ("email", "sqlite3", "argparse", "logging", "pathlib")
_PATH = f"import sys; sys.path.insert(0, {str(LIBRARY)!r}); "


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield one table: the time, and the modules."""
    yield Claim("Importing stays light", tuple(_rows(effort)))


def _rows(effort: Effort) -> Iterator[Row]:
    # Both times include the start of the interpreter.
    commands = {"exjournal": _PATH + "import exjournal", "reference": _PATH + f"import {_REFERENCE}"}
    runs = {name: lambda _, code=code: _run(code) for name, code in commands.items()}
    times = in_turn(runs, [None], Effort(effort.seconds * 4, effort.rounds * 5))
    yield at_most(f"to importing {_REFERENCE}", times["exjournal"] / times["reference"], 2.4, microseconds(**times))
    code = _PATH + f"import exjournal; print(*[name for name in {_NOT_LOADED} if name in sys.modules])"
    loaded = _run(code).strip()
    yield Row(f"loaded of {', '.join(_NOT_LOADED)}", loaded or "none", "none", not loaded)


def _run(code: str) -> str:
    command = [sys.executable, "-IS", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
