"""Input and output of all verbs: exit statuses, data on standard output, messages on standard error, files.

A function that reports a problem returns the exit status for it; a verb with many files returns the highest.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from exjournal import BuildError, InvalidValue, ParseError, Source

FINE: Final = 0
FOUND: Final = 1
UNREADABLE: Final = 2
# The statuses that a shell reports for a program ended by SIGINT or SIGPIPE.
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


def read(name: str) -> bytes:
    """Read a file, or standard input for `-`. Raises OSError."""
    if name != "-":
        return Path(name).read_bytes()
    if sys.stdin is None:
        raise OSError(errno.EBADF, "there is no standard input")
    return sys.stdin.buffer.read()


def copy_input(stack: contextlib.ExitStack) -> str:
    """Copy standard input to a file that exists until the stack is closed, and return its path. Raises OSError."""
    from shutil import copyfileobj
    from tempfile import TemporaryDirectory

    if sys.stdin is None:
        raise OSError(errno.EBADF, "there is no standard input")
    folder = stack.enter_context(TemporaryDirectory(prefix="exjournal-", ignore_cleanup_errors=True))
    path = Path(folder, "stdin")
    with path.open("wb") as file:
        copyfileobj(sys.stdin.buffer, file, _COPY_SIZE)
    return str(path)


# Bytes copied at a time.
_COPY_SIZE: Final = 1 << 20


def put(data: bytes | memoryview) -> None:
    """Write all of the data to standard output; one write of an unbuffered stream may take only a part of it."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "there is no standard output")
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[sys.stdout.buffer.write(remaining) or 0 :]


def put_line(line: str) -> None:
    """Write a line to standard output."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "there is no standard output")
    print(line)


def shown(name: str) -> str:
    """Return the name of a file as JSON has it, with the replacements of `Source.to_dict()`."""
    return str(Source(name).to_dict()["path"])


def write(path: Path, data: bytes | memoryview, *, force: bool) -> int:
    """Write a file completely or not at all, and return the exit status; without `force`, never replace a file."""
    # Not derived from the file's name, which may already be as long as names can be.
    part = path.parent / f".exjournal-{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return report_os_error(str(path), error)
    try:
        if path.exists() and not path.is_file():
            say(f"{path}: exists and is not a file")
            return FOUND
        if not force:
            path.touch(exist_ok=False)  # atomic, so that one of two writers fails
    except FileExistsError:
        say(f"{path}: exists (--force overwrites it)")
        return FOUND
    except OSError as error:
        return report_os_error(str(path), error)
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            if not force:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            return report_os_error(str(path), error)
        raise
    return FINE


def report_error(name: str, error: ParseError | OSError) -> int:
    """Report a file or item that could not be used, and return the exit status."""
    if isinstance(error, OSError):
        return report_os_error(name, error)
    say(f"{name}: {error}")
    return FOUND


def report_os_error(name: str, error: OSError) -> int:
    """Report a file that could not be read or written, and return the exit status."""
    say(f"{name}: {error.strerror or error}")
    return UNREADABLE


def usage_error(reason: str) -> int:
    """Report what is wrong with the command line, and return the exit status."""
    say(f"exjournal: {reason}")
    return UNREADABLE


def option_error(error: InvalidValue | BuildError, names: Mapping[str, str] | None = None) -> int:
    """Report an option whose value the library refuses, and return the exit status.

    `names`: by field, how the command line names it; without an entry it is an option with the name of the field.
    """
    option = (names or {}).get(error.field, f"--{error.field.replace('_', '-')}")
    return usage_error(f"{option}: {error.reason}")


def say(line: str) -> None:
    """Write a line to standard error."""
    print(printable(line), file=sys.stderr)


def printable(text: str) -> str:
    """Escape text of a message or a file name for a terminal, so that nothing in it moves the cursor."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text])
