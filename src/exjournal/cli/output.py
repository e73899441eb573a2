"""What verbs give back, and where from: exit statuses, data on standard output, talk on standard error, files.

All verbs read, write and complain through this module: a complaint about a file returns the exit status that it makes, and a
verb with many files ends with the highest.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Final

from exjournal import BuildError, InvalidValue, ParseError

FINE: Final = 0
FOUND: Final = 1
UNREADABLE: Final = 2
# As the shell reports a program that a signal ended.
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    if name != "-":
        return Path(name).read_bytes()
    if sys.stdin is None:
        raise OSError(errno.EBADF, "there is no standard input")
    return sys.stdin.buffer.read()


def copy_input(stack: contextlib.ExitStack) -> str:
    """Copy standard input to a file that is there until the stack is closed, and return its path. Raises OSError."""
    from shutil import copyfileobj
    from tempfile import TemporaryDirectory

    if sys.stdin is None:
        raise OSError(errno.EBADF, "there is no standard input")
    folder = stack.enter_context(TemporaryDirectory(prefix="exjournal-", ignore_cleanup_errors=True))
    path = Path(folder, "stdin")
    with path.open("wb") as file:
        copyfileobj(sys.stdin.buffer, file, _COPIED)
    return str(path)


# Bytes that are copied at a time.
_COPIED: Final = 1 << 20


def put(data: bytes | memoryview) -> None:
    """Write to standard output, whole: a stream without a buffer may take a part, and say so by its result alone."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "there is none")
    rest = memoryview(data)
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) or 0 :]


def put_line(line: str) -> None:
    """Write a line to standard output."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "there is none")
    print(line)


def write(path: Path, data: bytes | memoryview, *, force: bool) -> int:
    """Write a file whole or not at all; one that is there stays, unless `force`."""
    # A name of a length of its own: the file's may be as long as names can be.
    part = path.parent / f".exjournal-{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return unreadable(str(path), error)
    try:
        if path.exists() and not path.is_file():
            say(f"{path}: is there already, and no file")
            return FOUND
        if not force:
            path.touch(exist_ok=False)  # one step, so that of two writers one is refused
    except FileExistsError:
        say(f"{path}: is there already (--force overwrites it)")
        return FOUND
    except OSError as error:
        return unreadable(str(path), error)
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            if not force:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            return unreadable(str(path), error)
        raise
    return FINE


def told(name: str, error: ParseError | OSError) -> int:
    """Name a file that could not be used, with the reason, and return the exit status that it makes."""
    if isinstance(error, OSError):
        return unreadable(name, error)
    say(f"{name}: {error}")
    return FOUND


def unreadable(name: str, error: OSError) -> int:
    """Name a file that could not be read or written, with the reason, and return the exit status that it makes."""
    say(f"{name}: {error.strerror or error}")
    return UNREADABLE


def usage(reason: str) -> int:
    """Tell what is wrong with the command line, and return the exit status that it makes."""
    say(f"exjournal: {reason}")
    return UNREADABLE


def usage_of(error: InvalidValue | BuildError) -> int:
    """The same for an option whose value the library refuses; options have the names of its arguments."""
    return usage(f"--{error.field.replace('_', '-')}: {error.reason}")


def say(line: str) -> None:
    """Write a line to standard error."""
    print(shown(line), file=sys.stderr)


def shown(text: str) -> str:
    """Text of a message or a file name as it may go to a terminal: nothing in it moves the cursor."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text])
