"""Whole archives: 20 000 reports of 6 KB in a folder, an mbox, a tar and a zip file, read and scanned by one process or two."""

import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from time import perf_counter

from contenders import standard_email
from measure import KB, Claim, Effort, Row, at_least, at_most, in_turn, shown
from messages import sample

from exjournal import map_archive, read_archive, scan_archive

_REPORTS = 20_000
# The standard package is so slow that it reads only this many.
_PART = 1_000


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield two tables: reading, and scanning with each output."""
    with tempfile.TemporaryDirectory() as folder:
        world = _World(Path(folder))
        yield Claim(f"{_REPORTS} reports of 6 KB, from a folder and from archives", tuple(_reading(world, effort)))
        yield Claim("The same, scanned", tuple(_scanning(world)))


class _World:
    """The same reports in every kind of archive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir()
        self.mbox, self.tar, self.gzip, self.zip = (folder / f"mail.{end}" for end in ("mbox", "tar", "tgz", "zip"))
        with self.mbox.open("wb") as mbox, zipfile.ZipFile(self.zip, "w", zipfile.ZIP_DEFLATED) as zipped:
            for number in range(_REPORTS):
                data = sample(number, 6 * KB).data
                path = self.files / f"{number:06}.eml"
                path.write_bytes(data)
                mbox.write(b"From journal@archive.example Thu Oct  1 09:00:00 2026\n" + data + b"\n")
                zipped.writestr(path.name, data)
        for target, mode in ((self.tar, "w"), (self.gzip, "w:gz")):
            with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]
                archive.add(self.files, "files")
        self.paths = sorted(self.files.iterdir())


def _reading(world: _World, effort: Effort) -> Iterator[Row]:
    names = list(map(str, world.paths))

    def only_read(_: None) -> None:
        for name in names:
            with open(name, "rb") as file:  # noqa: PTH123 - the fastest way without system calls
                file.read()

    def standard(_: None) -> None:
        for path in world.paths[:_PART]:
            standard_email(path.read_bytes())

    contenders: dict[str, Callable[[None], object]] = {
        "only read": only_read,
        "email": standard,
        "folder": lambda _: _read(world.files),
        "two": lambda _: _read(world.files, jobs=2),
        "mbox": lambda _: _read(world.mbox),
        "mbox two": lambda _: _read(world.mbox, jobs=2),
        "tar": lambda _: _read(world.tar),
        "tgz": lambda _: _read(world.gzip),
        "zip": lambda _: _read(world.zip),
    }
    times = in_turn(contenders, [None], effort)
    each = {name: time / (_PART if name == "email" else _REPORTS) for name, time in times.items()}
    note = {name: f"{time:.1f} each, {_rate(time)}" for name, time in each.items()}
    yield at_most("a folder, to only reading the files", each["folder"] / each["only read"], 8, note["folder"])
    yield shown("only reading the files", 1, note["only read"])
    yield at_least("a folder, against `email`", each["email"] / each["folder"], 12, note["email"])
    yield at_least("two processes, against one", each["folder"] / each["two"], 1.5, note["two"])
    yield at_most("an mbox, to the folder", each["mbox"] / each["folder"], 1.3, note["mbox"])
    yield shown("an mbox by two processes, to the folder by one", each["mbox two"] / each["folder"], note["mbox two"])
    for name, archive in (("tar", "a tar file"), ("tgz", "a tar file in gzip"), ("zip", "a zip file")):
        yield shown(f"{archive}, to the folder", each[name] / each["folder"], note[name])


def _read(path: Path, *, jobs: int = 1) -> None:
    found = read_archive(path) if jobs == 1 else map_archive(type, path, jobs=jobs)
    assert sum(1 for _ in found) == _REPORTS


def _scanning(world: _World) -> Iterator[Row]:
    out = world.folder / "out"
    json, originals, store = out / "mail.jsonl", out / "originals", out / "seen.db"
    works: dict[str, dict[str, object]] = {
        "counts only": {},
        "`--json`": {"json": json},
        "`--originals`, new": {"originals": originals},
        "`--json --merge`": {"json": json, "merge": True},
        "`--json --merge --originals --store`, all new": {
            "json": json,
            "merge": True,
            "originals": originals,
            "store": store,
        },
    }

    for name, options in works.items():
        one, two = (_scan(world.files, out, jobs, options) / _REPORTS for jobs in (1, 2))
        yield shown(f"{name}: two processes, against one", one / two, f"{one:.0f} and {two:.0f} each, {_rate(two)}")


def _scan(path: Path, out: Path, jobs: int, options: dict[str, object]) -> float:
    """Return the microseconds of one scan with outputs in an empty folder."""
    rmtree(out, ignore_errors=True)
    out.mkdir()
    begun = perf_counter()
    summary = scan_archive(path, jobs=jobs, **options)  # type: ignore[arg-type]
    took = perf_counter() - begun
    assert summary.reports == _REPORTS
    return took * 1e6


def _rate(microseconds: float) -> str:
    return f"{1e6 / microseconds:,.0f} a second".replace(",", " ")
