"""The command `exjournal`: the public functions for files and pipes, one module for each verb.

Data goes to standard output, messages to standard error. Exit status: 0 fine, 1 found something (check: a defect, or an item
that is not a report; other verbs: an item failed), 2 wrong usage or an unreadable file. A bad file never ends the run: its
name and the reason are reported.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence

from exjournal import __version__
from exjournal.cli import build, check, decide, merge, parse, scan, unwrap
from exjournal.cli.output import INTERRUPTED, PIPE_CLOSED, report_os_error
from exjournal.cli.usage import make_parser


def main(arguments: Sequence[str] | None = None, /) -> int:
    """Run the command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # Escape characters that the terminal's charset lacks, instead of ending the run.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            options = _parser().parse_args(arguments)
            options.arguments = sys.argv[1:] if arguments is None else arguments
            run: Callable[[argparse.Namespace], int] = options.run
            return run(options)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except OSError as error:
        # Verbs handle the errors of files, so this one is about standard output.
        _discard_output()
        return report_os_error("standard output", error)
    except KeyboardInterrupt:
        return INTERRUPTED


def _discard_output() -> None:
    """Discard buffered output, which would make the interpreter's last flush fail."""
    with contextlib.suppress(AttributeError, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("Read and write Microsoft Exchange journal reports.")
    parser.add_argument(
        "--version", action="version", version=f"exjournal {__version__}", help="show the version and exit"
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    # In the order of the help.
    build.add(verbs)
    parse.add(verbs)
    unwrap.add(verbs)
    merge.add(verbs)
    scan.add(verbs)
    decide.add(verbs)
    check.add(verbs)
    return parser
