"""The line of progress: shares, times and problems, with a clock and a terminal of their own."""

import io
from contextlib import redirect_stderr
from typing import Any

import pytest

from exjournal import ScanSummary, Source, scan_archive
from exjournal.cli.progress import Progress

EMPTY = scan_archive(jobs=1)


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True

    @property
    def lines(self) -> list[str]:
        """What the line of progress has been, without empty ones."""
        return [line.rstrip() for line in self.getvalue().split("\r") if line.strip()]


def at(share: float, items: int = 0, **counts: Any) -> ScanSummary:
    """A summary at a share of the work."""
    return EMPTY._replace(share=share, items=items, **counts)


def shown(*moments: tuple[float, ScanSummary], interval: float = 0.5) -> list[str]:
    """What the line has been after summaries, each at a time in seconds."""
    times = iter([100.0, *[100.0 + seconds for seconds, _ in moments]])
    with redirect_stderr(Terminal()) as terminal:
        progress = Progress(interval=interval, clock=lambda: next(times))
        for _, summary in moments:
            progress.show(summary)
    return terminal.lines


class TestProgress:
    """The line."""

    def test_time_left(self) -> None:
        """The time left follows from the shares since the line first changed."""
        moments = [(seconds, at(seconds / 100, 1000 * seconds)) for seconds in (10, 20, 55, 100)]
        assert shown(*moments) == [
            "10,000 items, 1,000 a second, 10%",
            "20,000 items, 1,000 a second, 20%, 1:20 left",
            "55,000 items, 1,000 a second, 55%, 0:45 left",
            "100,000 items, 1,000 a second, 100%, 0:00 left",
        ]

    def test_resumed(self) -> None:
        """What a run before has done does not count as fast work."""
        first, second = at(0.9, 90_010, resumed=90_000), at(0.91, 90_110, resumed=90_000)
        assert shown((1, first), (11, second))[-1] == "90,110 items, 10 a second, 91%, 1:30 left"

    def test_merging(self) -> None:
        """The merging has a time of its own."""
        moments = [(seconds, at(seconds / 100)) for seconds in (50, 100)]
        moments += [(110, at(0.2, distinct=0)), (120, at(0.4, distinct=1234))]
        assert shown(*moments)[2:] == ["0 messages merged, 20%", "1,234 messages merged, 40%, 0:30 left"]

    def test_hours(self) -> None:
        """Long times have hours."""
        assert shown((1, at(0.0)), (101, at(0.01)))[-1].endswith("1%, 2:45:00 left")

    def test_interval(self) -> None:
        """The line changes no more often than the interval says, and not at once."""
        moments = [(tenth / 10, at(0.0, tenth)) for tenth in range(50)]
        assert [line.split(" ")[0] for line in shown(*moments, interval=2.0)] == ["20", "40"]

    @pytest.mark.parametrize("quiet", [False, True])
    def test_is_shown(self, *, quiet: bool) -> None:
        """The line is for a terminal, and for those who want it."""
        with redirect_stderr(Terminal()):
            assert Progress(quiet=quiet).is_shown is not quiet
        with redirect_stderr(io.StringIO()):
            assert not Progress(quiet=quiet).is_shown


class TestProblems:
    """Problems have lines of their own."""

    def test_limit(self) -> None:
        """A hundred are reported one by one, the rest is counted; the line of progress is removed before."""
        with redirect_stderr(Terminal()) as terminal:
            progress = Progress(interval=0.0)
            progress.show(at(0.5))
            for number in range(103):
                progress.complain(Source(f"{number}.eml"), "broken")
            progress.end()
        text = terminal.getvalue().split("\n")[:-1]
        assert text[0].endswith("\r0.eml: broken")
        assert text[99].endswith("\r99.eml: broken")
        assert text[100].endswith("\rand 3 more")
        assert len(text) == 101

    def test_none(self) -> None:
        """Without a problem and without a line, the end is silent."""
        with redirect_stderr(Terminal()) as terminal:
            Progress().end()
        assert terminal.getvalue() == ""
