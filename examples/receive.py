"""Take journal reports into an archive: `python receive.py ARCHIVE REPORT...`; a report is safe once its line is printed."""

import hashlib
import os
import sys
from pathlib import Path

from exjournal import ParseError, SeenStore, Sighting, SqliteStore, identify, look_up, parse_report, remember


def keep(path: Path, data: bytes) -> None:
    """Write a file that is complete or missing, and on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")  # hidden from `scan`
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def receive(data: bytes, archive: Path, store: SeenStore) -> str:
    """Archive a report unless it says nothing new; its sender may forget it when this returns."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        parsed = parse_report(data)
    except ParseError as error:
        keep(archive / "unread" / f"{digest}.eml", data)
        return f"unread, {error.code}"
    identity = identify(parsed)
    if look_up(identity, store) is not Sighting.DUPLICATE:
        message = identity.content_sha256 or identity.report_key
        keep(archive / "reports" / f"{message}.{digest}.eml", data)
    answer = remember(identity, store)  # never before the report is on the disk
    return ", ".join([answer, *sorted({defect.code for defect in parsed.defects})])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with SqliteStore(folder / "seen.db") as store:
        for path in map(Path, sys.argv[2:]):
            print(f"{path.name}: {receive(path.read_bytes(), folder, store)}", flush=True)
