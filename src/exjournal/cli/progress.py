"""The progress of a scan: one line on a terminal, and the problems with lines of their own above it."""

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Final

from exjournal import ScanSummary, Source
from exjournal.cli.output import say

# The most problems to report one by one.
_PROBLEMS: Final = 100
_WIDTH: Final = 79


class Progress:
    """A line with the progress of a scan, its speed, the share that is done, and the time left.

    `interval`: at least this many seconds pass before the line is shown, and between two of its changes.
    """

    def __init__(
        self, *, quiet: bool = False, interval: float = 0.5, clock: Callable[[], float] = perf_counter
    ) -> None:
        self.is_shown: bool = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._interval = interval
        self._clock = clock
        self._start = clock()
        # When the line changed.
        self._last = 0.0
        # The step of the scan, and the time and share at its first change of the line; a resumed run does not begin at 0.
        self._step = ""
        self._first = 0.0, 0.0
        self._problems = 0

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return self._clock() - self._start

    def show(self, summary: ScanSummary) -> None:
        """Show the counts so far."""
        now = self.seconds
        if now - self._last < self._interval:
            return
        self._last = now
        if summary.distinct is None:
            step = "read"
            rate = (summary.items - summary.resumed) / max(now, 1e-9)
            line = f"{summary.items:,} items, {rate:,.0f} a second"
        else:
            step = "merge"
            line = f"{summary.distinct:,} messages merged"
        if self._step != step:
            self._step, self._first = step, (now, summary.share)
        since, share = now - self._first[0], summary.share - self._first[1]
        line += f", {summary.share:.0%}"
        if share > 0:
            line += f", {_time(since / share * (1 - summary.share))} left"
        self._replace(line)

    def complain(self, source: Source, reason: str) -> None:
        """Report an item that could not be read or written; beyond a hundred, they are only counted."""
        self._problems += 1
        if self._problems <= _PROBLEMS:
            self.clear()
            say(f"{source}: {reason}")

    def end(self) -> None:
        """Remove the line, and report the number of problems that were only counted."""
        self.clear()
        if self._problems > _PROBLEMS:
            say(f"and {self._problems - _PROBLEMS} more")

    def clear(self) -> None:
        """Remove the line."""
        if self._last:
            print(f"\r{'':<{_WIDTH}}\r", end="", file=sys.stderr, flush=True)

    @staticmethod
    def _replace(line: str) -> None:
        print(f"\r{line:<{_WIDTH}}", end="", file=sys.stderr, flush=True)


def _time(seconds: float) -> str:
    minutes, full_seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{full_seconds:02}" if hours else f"{minutes}:{full_seconds:02}"
