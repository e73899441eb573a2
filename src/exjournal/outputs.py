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
        self.folders = [os.fspath(one) for one in (originals, quarantine) if one is not None]
        files = [os.fspath(one) for one in (json, store) if one is not None]
        states = (
            [os.fspath(json) + ".scan"] if json is not None else [os.path.join(one, ".scan") for one in self.folders]
        )
        states += [os.fspath(store) + ".scan"] if store is not None else []
        # Beside the first of them: the same run finds it again.
        self.state_path = states[0] if states else None
        beside = [] if store is None else [os.fspath(store) + end for end in ("-wal", "-shm")]
        self.all = [*self.folders, *files, *states, *beside]
        self.reasons = None if quarantine is None else os.path.join(quarantine, "reasons.jsonl")

    def check(self, paths: "Sequence[StrPath]") -> None:
        """Refuse what can only be a slip, before anything is written."""
        for path in paths:
            os.stat(path)
            real = os.path.join(os.path.realpath(path), "")
            if any(real.startswith(os.path.join(os.path.realpath(folder), "")) for folder in self.folders):
                raise InvalidValue("paths", "lie in a folder that is written to")

    @contextmanager
    def state(self, *, needed: bool, anew: bool) -> Iterator[str | None]:
        """The folder of batches that are done; it goes when all is done, and stays when something keeps that from being."""
        import shutil
        from tempfile import TemporaryDirectory

        if self.state_path is None:
            with TemporaryDirectory() if needed else nullcontext() as folder:
                yield folder
            return
        if anew and os.path.isdir(self.state_path):
            shutil.rmtree(self.state_path)
        folders = [self.state_path, *[os.path.join(folder, PARTS) for folder in self.folders]]
        for folder in folders:
            os.makedirs(folder, exist_ok=True)
        yield self.state_path
        for folder in reversed(folders):
            shutil.rmtree(folder)


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
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
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
