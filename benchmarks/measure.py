"""Times contenders in turn, and prints claims as tables.

Ratios are comparable between machines, absolute figures are not. So the contenders alternate in one process, in rounds that
begin with a different one each time, and the medians are divided. Garbage collection stays on.
"""

import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import exjournal

# The folder from which a child process imports the library.
LIBRARY = Path(exjournal.__file__).parents[1]

KB, MB = 1 << 10, 1 << 20

Input = TypeVar("Input")


@dataclass(frozen=True, slots=True)
class Effort:
    """The time to measure: seconds for a comparison, and its minimum number of rounds."""

    seconds: float
    rounds: int


THOROUGH = Effort(3.0, 7)
QUICK = Effort(0.4, 3)
# Seconds of a turn, or else one pass over the inputs; in a turn, a fast contender makes more passes than a slow one.
_TURN = 0.02


def in_turn(
    contenders: Mapping[str, Callable[[Input], object]], inputs: Sequence[Input], effort: Effort, /
) -> dict[str, float]:
    """Return the median time of each contender for one input, in microseconds."""
    turns: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for name in order:
        _one_pass(contenders[name], inputs[:1])  # imports and caches are not measured
    started = perf_counter()
    while len(turns[order[0]]) < effort.rounds or perf_counter() - started < effort.seconds:
        for name in order:
            turns[name].append(_one_turn(contenders[name], inputs))
        order.append(order.pop(0))
    return {name: statistics.median(found) * 1e6 for name, found in turns.items()}


def _one_turn(work: Callable[[Input], object], inputs: Sequence[Input]) -> float:
    """Return the median of the passes in one turn, so that a turn counts once even if the machine was busy."""
    begun = perf_counter()
    passes: list[float] = []
    while not passes or perf_counter() - begun < _TURN:
        passes.append(_one_pass(work, inputs))
    return statistics.median(passes)


def _one_pass(work: Callable[[Input], object], inputs: Sequence[Input]) -> float:
    begun = perf_counter()
    for item in inputs:
        work(item)
    return (perf_counter() - begun) / len(inputs)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: a case, its measured value, and its bound, if any."""

    case: str
    measured: str
    bound: str = ""
    holds: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim, and the rows that prove it; `note` is the heading of the notes if they are not times."""

    sentence: str
    rows: tuple[Row, ...]
    note: str = "µs"


def at_most(case: str, ratio: float, bound: float, note: str = "", aim: float | None = None) -> Row:
    """Make a row whose ratio must not exceed a bound."""
    return Row(case, _times(ratio), f"≤ {bound:g}x" + _aim(aim), ratio <= bound, note)


def at_least(case: str, ratio: float, bound: float, note: str = "", aim: float | None = None) -> Row:
    """Make a row whose ratio must reach a bound."""
    return Row(case, _times(ratio), f"≥ {bound:g}x" + _aim(aim), ratio >= bound, note)


def shown(case: str, ratio: float, note: str = "") -> Row:
    """Make a row without a bound."""
    return Row(case, _times(ratio), note=note)


def _aim(aim: float | None) -> str:
    return "" if aim is None else f" (aim {aim:g}x)"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}x" if ratio >= 100 else f"{ratio:.1f}x" if ratio >= 10 else f"{ratio:.2f}x"


def microseconds(**times: float) -> str:
    """Format absolute times for the last column, each with the name of its contender."""
    return ", ".join(f"{name.replace('_', ' ')} {_digits(time)}" for name, time in times.items())


def _digits(time: float) -> str:
    return f"{time:,.0f}".replace(",", " ") if time >= 100 else f"{time:.1f}"


def size_text(size: int, /) -> str:
    """Format a size in KB or MB."""
    return f"{size / MB:.3g} MB" if size >= MB else f"{size / KB:.3g} KB"


def table(claim: Claim, /) -> str:
    """Format a claim as Markdown."""
    lines = [
        f"### {claim.sentence}",
        "",
        f"| case | measured | bound | holds | {claim.note} |",
        "|---|---:|---:|---|---|",
    ]
    for row in claim.rows:
        holds = "" if row.holds is None else "yes" if row.holds else "**no**"
        lines.append(f"| {row.case} | {row.measured} | {row.bound} | {holds} | {row.note} |")
    return "\n".join([*lines, ""])


def conditions() -> str:
    """Return the interpreter, the system and the date of the measurement."""
    version = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{version}, {platform.system()} {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}"


def verdict(claims: Iterable[Claim], /) -> str:
    """Return how many bounds hold."""
    judged = [row.holds for claim in claims for row in claim.rows if row.holds is not None]
    return f"{sum(judged)} of {len(judged)} bounds hold."
