"""Writes the outputs of a scan: originals and bad items under the SHA-256 of their content, and files of lines.

A file appears under its final name only when it is complete. Unfinished files are in folders of their own, so a killed run
leaves nothing that the next one does not remove.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from exjournal.errors import InvalidValue

if TYPE_CHECKING:
    from typing import TypeAlias

    StrPath: TypeAlias = str | os.PathLike[str]


class Outputs:
    """The paths of the outputs of a run, none of which is part of its input."""

    def __init__(
        self,
        *,
        json: "StrPath | None",
        recipients: "StrPath | None",
        exceptions: "StrPath | None",
        originals: "StrPath | None",
        quarantine: "StrPath | None",
        store: "StrPath | None",
        manifest: "StrPath | None",
        skip: "Sequence[StrPath]",
    ) -> None:
        given = {
            "json": json,
            "recipients": recipients,
            "exceptions": exceptions,
            "originals": originals,
            "quarantine": quarantine,
            "store": store,
            "manifest": manifest,
        }
        self.paths: dict[str, str] = {name: os.fspath(path) for name, path in given.items() if path is not None}
        self.files: list[str] = [self.paths[name] for name in (*_BEGINNINGS, "store", "manifest") if name in self.paths]
        self.folders: list[str] = [self.paths[name] for name in ("originals", "quarantine") if name in self.paths]
        states = {
            name: os.path.join(path, ".scan") if path in self.folders else f"{path}.scan"
            for name, path in self.paths.items()
        }
        # Beside the first output, where a resumed run finds it.
        self.state_path: str | None = next(iter(states.values()), None)
        beside = [] if store is None else [os.fspath(store) + end for end in ("-wal", "-shm")]
        self.all: list[str] = [*self.paths.values(), *states.values(), *beside, *[os.fspath(path) for path in skip]]
        self.reasons: str | None = None if quarantine is None else os.path.join(quarantine, "reasons.jsonl")
        # Files that are whole at the end of a run, but for the list of their digests; a store changes with its next report.
        written = [self.paths.get(name) for name in _BEGINNINGS]
        self.results: list[str] = [path for path in (*written, self.reasons) if path is not None]

    def check(self, paths: "Sequence[StrPath]") -> None:
        """Refuse outputs that can only be mistakes, before anything is written.

        Raises InvalidValue, and OSError for a missing path.
        """
        taken: dict[str, str] = {}
        for name, path in self.paths.items():
            other = taken.setdefault(os.path.realpath(path), name)
            if other != name:
                raise InvalidValue(name, f"is the same path as {other}")
        for given in paths:
            os.stat(os.fspath(given))  # a number would be a file descriptor
            real = os.path.realpath(given)
            if any(
                os.path.join(real, "").startswith(os.path.join(os.path.realpath(folder), "")) for folder in self.folders
            ):
                raise InvalidValue("paths", "must not be in a folder that is written to")
            if real in taken:
                raise InvalidValue(taken[real], "must not be one of the paths")
        for name, beginning in _BEGINNINGS.items():
            file = self.paths.get(name)
            if file is not None and os.path.lexists(file) and not _begins(file, beginning):
                raise InvalidValue(name, "exists and is not an output of a scan")
        manifest = self.paths.get("manifest")
        if manifest is not None and os.path.lexists(manifest) and not _is_manifest(manifest):
            raise InvalidValue("manifest", "exists and is not a list of digests")
        if self.state_path is not None and os.path.isdir(self.state_path):
            names = os.listdir(self.state_path)
            if names and _MARK not in names:
                detail = f"needs the folder {self.state_path}, which exists and is not that of a scan"
                raise InvalidValue(next(iter(self.paths)), detail)

    @contextmanager
    def state(self, *, needed: bool, anew: bool) -> Iterator[str | None]:
        """Provide the folder of finished batches. It is removed at the end, and kept if an error ends the run."""
        from tempfile import TemporaryDirectory

        if self.state_path is None:
            with TemporaryDirectory() if needed else nullcontext() as folder:
                yield folder
            return
        if anew and os.path.isdir(self.state_path):
            _remove(self.state_path)
        parts = [os.path.join(folder, PARTS) for folder in self.folders]
        above = [os.path.dirname(file) or "." for file in self.files]
        for folder in dict.fromkeys((*above, self.state_path, *parts)):
            os.makedirs(folder, exist_ok=True)
        with open(os.path.join(self.state_path, _MARK), "wb"):
            pass
        yield self.state_path
        for folder in parts:
            for name in os.listdir(folder):
                if name.endswith(".part"):
                    os.unlink(os.path.join(folder, name))
            with suppress(OSError):  # the folder has files of others
                os.rmdir(folder)
        _remove(self.state_path)


def _remove(state: str) -> None:
    """Remove the folder of a run's state. The mark goes last: if this is interrupted, the folder is still known as ours."""
    for name in os.listdir(state):
        if name != _MARK:
            os.unlink(os.path.join(state, name))
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(state, _MARK))
    os.rmdir(state)


# A file that marks the folder of a run's state.
_MARK: Final = ".exjournal"


def _begins(path: str, beginning: bytes) -> bool:
    """Whether a file may be replaced: it is empty, or begins like an output of a scan."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(beginning)) in (b"", beginning)


# How the outputs begin that a scan writes anew.
_BEGINNINGS: Final = {
    "json": b'{"kind": "',
    "recipients": b'\xef\xbb\xbf"content_sha256",',
    "exceptions": b'\xef\xbb\xbf"category",',
}


def _is_manifest(path: str) -> bool:
    """Whether a file is a list of digests, or empty."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        begin = file.read(_DIGEST_SIZE)
    return not begin or _DIGEST_BEGINS.fullmatch(begin) is not None


_DIGEST_BEGINS: Final = re.compile(rb"\\?[0-9a-f]{64}  .*", re.DOTALL)
_DIGEST_SIZE: Final = 67


def keep(folder: str, digest: str, suffix: str, content: bytes | memoryview) -> str:
    """Write a file that is named by the digest of its content. Return "written", or "there" if it existed already."""
    below = os.path.join(folder, digest[:2])
    path = os.path.join(below, digest + suffix)
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return "there"
    except FileNotFoundError:
        os.makedirs(below, exist_ok=True)
    put(path, (content,), os.path.join(folder, PARTS))
    return "written"


# The folder for unfinished files, in a folder that is written to.
PARTS: Final = ".part"


@contextmanager
def replaced(path: str, parts: str, number: int = 0, /, *, is_synced: bool = False) -> Iterator[BinaryIO]:
    """Provide a file in the folder `parts` that is moved to `path` when it is complete.

    Files that are open at once have different numbers. Raises OSError.
    """
    part = os.path.join(parts, f"{os.getpid()}-{number}.part")
    try:
        with open(part, "wb") as file:
            yield file
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        _move(part, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(part)
        if isinstance(error, OSError) and error.filename in (None, part):
            # The error names the final path, not that of the unfinished file.
            raise OSError(error.errno, error.strerror, path) from error
        raise


def _move(part: str, path: str) -> None:
    """Move a complete file to its path, which may be on another file system: then a copy beside the path is complete first."""
    try:
        os.replace(part, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        from shutil import copyfileobj

        beside = f"{path}.scan"  # a name that no scan reads
        with open(part, "rb") as source, open(beside, "wb") as file:
            try:
                copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
                os.replace(beside, path)
            except BaseException:
                os.unlink(beside)
                raise
        os.unlink(part)


def put(path: str, pieces: Iterable[bytes | memoryview], parts: str, *, is_synced: bool = False) -> None:
    """Write a file in the folder `parts`, and move it to `path` when it is complete. Raises OSError."""
    with replaced(path, parts, is_synced=is_synced) as file:
        file.writelines(pieces)


def sync() -> None:
    """Flush the files of originals to the disk, before the lines that name them are written."""
    with suppress(AttributeError):  # not every system has it
        os.sync()
