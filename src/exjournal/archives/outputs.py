"""Where a scan writes: originals and bad items by the name of what is in them, and lines that replace a file when all is done.

Whatever has its name is whole. What has none yet lies in folders of its own, so that a run that is killed leaves nothing behind
that the next one does not take away.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Final

from exjournal.errors import InvalidValue

if TYPE_CHECKING:
    from typing import TypeAlias

    StrPath: TypeAlias = str | os.PathLike[str]


class Outputs:
    """The outputs of a run, none of which is part of its input."""

    def __init__(
        self,
        json: "StrPath | None",
        originals: "StrPath | None",
        quarantine: "StrPath | None",
        store: "StrPath | None",
    ) -> None:
        given = {"json": json, "originals": originals, "quarantine": quarantine, "store": store}
        self.paths = {name: os.fspath(path) for name, path in given.items() if path is not None}
        self.files = [self.paths[name] for name in ("json", "store") if name in self.paths]
        self.folders = [self.paths[name] for name in ("originals", "quarantine") if name in self.paths]
        states = {
            name: os.path.join(path, ".scan") if path in self.folders else f"{path}.scan"
            for name, path in self.paths.items()
        }
        # Beside the first of them: the same run finds it again.
        self.state_path = next(iter(states.values()), None)
        beside = [] if store is None else [os.fspath(store) + end for end in ("-wal", "-shm")]
        self.all = [*self.paths.values(), *states.values(), *beside]
        self.reasons = None if quarantine is None else os.path.join(quarantine, "reasons.jsonl")

    def check(self, paths: "Sequence[StrPath]") -> None:
        """Refuse what can only be a slip, before anything is written. Raises InvalidValue, and OSError for a missing path."""
        taken: dict[str, str] = {}
        for name, path in self.paths.items():
            other = taken.setdefault(os.path.realpath(path), name)
            if other != name:
                raise InvalidValue(name, f"is the same as {other}")
        for one in paths:
            os.stat(one)
            real = os.path.realpath(one)
            if any(
                os.path.join(real, "").startswith(os.path.join(os.path.realpath(folder), "")) for folder in self.folders
            ):
                raise InvalidValue("paths", "lie in a folder that is written to")
            if real in taken:
                raise InvalidValue(taken[real], "is to be read")
        json = self.paths.get("json")
        if json is not None and os.path.lexists(json) and not _is_ours(json):
            raise InvalidValue("json", "is there already, and no output of a scan")
        if self.state_path is not None and os.path.isdir(self.state_path):
            names = os.listdir(self.state_path)
            if names and _MARK not in names:
                raise InvalidValue(
                    next(iter(self.paths)), f"has a folder {self.state_path} beside it that is no scan's"
                )

    @contextmanager
    def state(self, *, needed: bool, anew: bool) -> Iterator[str | None]:
        """The folder of batches that are done; it goes when all is done, and stays when something keeps that from being."""
        from tempfile import TemporaryDirectory

        if self.state_path is None:
            with TemporaryDirectory() if needed else nullcontext() as folder:
                yield folder
            return
        if anew and os.path.isdir(self.state_path):
            _remove(self.state_path)
        parts = [os.path.join(folder, PARTS) for folder in self.folders]
        above = [os.path.dirname(file) or "." for file in self.files]
        for folder in (*above, self.state_path, *parts):
            os.makedirs(folder, exist_ok=True)
        with open(os.path.join(self.state_path, _MARK), "wb"):
            pass
        yield self.state_path
        for folder in parts:
            for name in os.listdir(folder):
                if name.endswith(".part"):
                    os.unlink(os.path.join(folder, name))
            with suppress(OSError):  # somebody else has something there
                os.rmdir(folder)
        _remove(self.state_path)


def _remove(state: str) -> None:
    """Take away the folder of a run's state, the mark last: what is stopped at this leaves a folder that is known again."""
    for name in os.listdir(state):
        if name != _MARK:
            os.unlink(os.path.join(state, name))
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(state, _MARK))
    os.rmdir(state)


# In the folder of a run's state, which may be removed.
_MARK: Final = ".exjournal"


def _is_ours(path: str) -> bool:
    """Whether a file may be replaced: it is empty, or an output of a scan."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(_FIRST)) in (b"", _FIRST)


_FIRST: Final = b'{"kind": "'


def keep(folder: str, digest: str, suffix: str, octets: bytes | memoryview) -> str:
    """Keep a file under the name of its content, whole or not at all; "written", or "there" where it was already."""
    below = os.path.join(folder, digest[:2])
    path = os.path.join(below, digest + suffix)
    try:
        with open(path, "rb") as file:
            if file.read() == octets:
                return "there"
    except FileNotFoundError:
        os.makedirs(below, exist_ok=True)
    put(path, (octets,), os.path.join(folder, PARTS))
    return "written"


# Below a folder that is written to: files that have no name yet.
PARTS: Final = ".part"


def put(path: str, pieces: Iterable[bytes | memoryview], parts: str, *, is_synced: bool = False) -> None:
    """Write a file in a folder for parts, and give it its name when it is whole."""
    part = os.path.join(parts, f"{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.writelines(pieces)
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(part)
        if isinstance(error, OSError):
            # Of the file that is wanted, and not of the part of it.
            raise OSError(error.errno, error.strerror, path) from error
        raise


def write_lines(path: "StrPath | None", lines: Iterable[bytes], parts: str | None) -> None:
    """Write lines to an output, or only work them out where there is none."""
    ended = (line + b"\n" for line in lines)
    if path is None:
        # Merged for their number.
        deque(ended, maxlen=0)
        return
    assert parts is not None  # noqa: S101 - for the type checker
    put(os.fspath(path), ended, parts, is_synced=True)


def sync() -> None:
    """Let the files of originals outlive a failure of the power, before the output says that they are there."""
    with suppress(AttributeError):  # not every system can
        os.sync()
