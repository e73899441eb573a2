"""Check that a scan that is killed and resumed ends like an undisturbed one: `python benchmarks/scan_resumed.py`.

`exjournal scan --merge --jobs 0` reads a folder with the 100,000 reports of examples/archive.py, among them forgeries,
repeats, copies and truncated reports: once undisturbed, and once with kills. Exits with 1 if any output differs.
"""

import argparse
import hashlib
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

_EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "archive.py"
_OPTIONS = ("--merge", "--jobs", "0")
_OUTPUTS = {
    "--json": "mail.jsonl",
    "--recipients": "recipients.csv",
    "--exceptions": "exceptions.csv",
    "--originals": "originals",
    "--quarantine": "quarantine",
    "--store": "seen.db",
}


def main() -> None:
    """Make the archive, scan it twice, and compare."""
    parser = argparse.ArgumentParser(description="Compare a scan that is killed with one that is not.")
    parser.add_argument("--messages", type=int, default=30_000)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3, help="the number of kills, evenly spaced")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "mail", arguments.messages, arguments.reports)
        begun = perf_counter()
        table = _scan(folder, "undisturbed")
        took = perf_counter() - begun
        print(*table, f"undisturbed: {took:.0f} s", sep="\n", flush=True)
        for number in range(arguments.kills):
            # Each run starts with the finished work of the one before, so the first ones are killed while they read.
            done = _scan(folder, "disturbed", kill=took / (arguments.kills + 1))
            print(f"kill {number + 1}: {'too late' if done else 'killed'}", flush=True)
        begun = perf_counter()
        resumed = _scan(folder, "disturbed")
        print(f"resumed: {perf_counter() - begun:.0f} s", flush=True)
        one, other = (dict(_files(folder / name)) for name in ("undisturbed", "disturbed"))
        steady = [
            line for line in table if not line.lstrip().startswith(("written", "there", "seconds", "done before"))
        ]
        same = one == other and [line for line in resumed if line in steady] == steady
        print(f"{len(one)} files, {'the same' if same else 'NOT the same'} in both")
        sys.exit(not same)


def _write(folder: Path, messages: int, reports: int) -> None:
    made = runpy.run_path(str(_EXAMPLE))["make_reports"](messages, reports, seed=1)
    for number, report in enumerate(made):
        # Copies have no marker, so a scan counts them as ordinary mail.
        path = folder / f"{number // 1000:03}" / f"{number:06}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(report.written()[0])


def _scan(folder: Path, name: str, kill: float | None = None) -> list[str]:
    """Return the lines of the table; none if the scan was killed."""
    (folder / name).mkdir(exist_ok=True)
    outputs = [word for option, output in _OUTPUTS.items() for word in (option, str(folder / name / output))]
    command = [sys.executable, "-m", "exjournal", "scan", str(folder / "mail"), *outputs, *_OPTIONS, "--resume"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            table, _ = process.communicate(timeout=kill)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return []
    return table.splitlines()


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every file with its digest, except for the store, whose answers are compared in the table."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("seen.db"):
            yield str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
