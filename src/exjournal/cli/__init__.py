"""The command `exjournal`: the public functions over files and pipes.

Data goes to standard output, talk to standard error. Exit status: 0 fine, 1 found something (check: a defect or no report; the
others: an item failed), 2 wrong usage or an unreadable file. One bad file is named with its reason and never ends the run.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from exjournal import __version__
from exjournal.cli import build, check, decide, merge, parse, scan, unwrap
from exjournal.cli.output import INTERRUPTED, PIPE_CLOSED, shown, unreadable


def main(arguments: Sequence[str] | None = None, /) -> int:
    """Run the command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A name or subject that the terminal's charset lacks is shown escaped; it never ends the run.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            options = _parser().parse_args(arguments)
            run: Callable[[argparse.Namespace], int] = options.run
            return run(options)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except OSError as error:
        # Files tell of their own errors: this one is of standard output.
        _discard_output()
        return unreadable("standard output", error)
    except KeyboardInterrupt:
        return INTERRUPTED


def _discard_output() -> None:
    """Let the interpreter's last flush succeed: what is still buffered has nowhere to go."""
    with contextlib.suppress(AttributeError, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are fit for a terminal: a shell may have put the names of files among the options."""

    def error(self, message: str) -> NoReturn:
        super().error(shown(message))


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="exjournal", description="Read and write Microsoft Exchange journal reports."
    )
    parser.add_argument(
        "--version", action="version", version=f"exjournal {__version__}", help="show the version and exit"
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    # The order is that of the help.
    build.add(verbs)
    parse.add(verbs)
    unwrap.add(verbs)
    merge.add(verbs)
    scan.add(verbs)
    decide.add(verbs)
    check.add(verbs)
    return parser
