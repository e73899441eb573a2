"""The reports that one core reads in a second, and the bytes sent between machines that merge together."""

import importlib.util
import json
import os
import pickle
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import run

from measure import KB, LIBRARY, MB, Claim, Effort, Row, in_turn, microseconds, size_text
from messages import Sample, samples

from exjournal import MergedReport, identify, merge, parse_report

_EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "spark_merge.py"
_SETTINGS = {
    "spark.master": "local[1]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
}


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield three tables: the rates of a core, the sizes of statements, and the figures of Spark itself."""
    yield Claim("Reports that one core reads in a second", tuple(_rates(effort)))
    yield Claim("The statement of a report stays small for messages of any size", tuple(_sizes()), "")
    yield Claim("On Spark, one core", tuple(_spark(effort)), "")


def _rates(effort: Effort) -> Iterator[Row]:
    for size, count in ((6 * KB, 64), (62 * KB, 48), (MB, 8)):
        reports = [one.data for one in samples(count, size, outer=20, inner=32)]
        works: dict[str, Callable[[bytes], object]] = {
            "parse": parse_report,
            "identify": lambda data: identify(parse_report(data)),
            "statement": lambda data: merge([parse_report(data)]),
        }
        times = in_turn(works, reports, effort)
        for name, time in times.items():
            rate = f"{1e6 / time:,.0f}/s".replace(",", " ")
            yield Row(f"{size_text(size)}, {_NAMES[name]}", rate, note=microseconds(a_report=time))


_NAMES = {"parse": "parse", "identify": "parse, identify", "statement": "parse, identify, statement"}


def _sizes() -> Iterator[Row]:
    for recipients in (1, 5, 100):
        for size in (6 * KB, MB) if recipients == 1 else (6 * KB,):
            said = [_said(one) for one in samples(20, size, recipients=recipients)]
            alone = sum(len(pickle.dumps(one, 5)) for one in said) // len(said)
            together = pickle.dumps(said, 5)
            packed = len(zlib.compress(together, 1)) // len(said)
            data = sum(len(json.dumps(one.to_dict())) for one in said) // len(said)
            note = f"in a batch {len(together) // len(said)}, compressed {packed}, as JSON {data}"
            yield Row(f"{size_text(size)}, {recipients} recipients, pickled", f"{alone} bytes", note=note)


def _said(one: Sample) -> MergedReport:
    [merged] = merge([parse_report(one.data)])
    return merged


def _spark(effort: Effort) -> Iterator[Row]:
    if importlib.util.find_spec("pyspark") is None:
        yield Row("every case", "pyspark is not installed")
        return
    count = 20_000 if effort.seconds > 1 else 2000
    for recipients in (1, 5, 100):
        with tempfile.TemporaryDirectory(prefix="exjournal-scale-") as name:
            yield _spark_row(Path(name), count, recipients)


def _spark_row(folder: Path, count: int, recipients: int) -> Row:
    """Run the example with reports of 6 KB, and read the log of Spark."""
    (folder / "log").mkdir()
    for number, one in enumerate(samples(count, 6 * KB, outer=20, inner=32, recipients=recipients)):
        path = folder / "in" / str(number // 1000) / f"{number}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.data)
    settings = {**_SETTINGS, "spark.eventLog.dir": (folder / "log").as_uri()}
    arguments = " ".join([f"--conf {name}={value}" for name, value in settings.items()])
    environment = {
        **os.environ,
        "PYSPARK_SUBMIT_ARGS": f"{arguments} pyspark-shell",
        "PYTHONPATH": str(LIBRARY),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    command = [sys.executable, str(_EXAMPLE), str(folder / "in"), str(folder / "out.parquet")]
    run(command, env=environment, check=True, capture_output=True)
    [log] = (folder / "log").iterdir()
    tasks: dict[int, int] = {}
    shuffled = 0
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        # The first job reads, merges and writes; the later ones only count.
        if event["Event"] == "SparkListenerTaskEnd" and event["Stage ID"] < 2:
            metrics = event["Task Metrics"]
            tasks[event["Stage ID"]] = tasks.get(event["Stage ID"], 0) + metrics["Executor Run Time"]
            shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
    table = sum(path.stat().st_size for path in (folder / "out.parquet").iterdir())
    read, merged = (tasks[stage] * 1000 / count for stage in (0, 1))
    return Row(
        f"{count // 1000} 000 reports of 6 KB, {recipients} recipients, one report a message",
        f"{1e6 / (read + merged):.0f}/s",
        note=f"shuffled {shuffled // count} bytes, table {table // count} bytes, "
        + microseconds(read=read, merge_and_write=merged)
        + " µs a report",
    )
