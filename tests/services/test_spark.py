"""The Spark example: whatever the partitions and the order, its table says what `exjournal scan --merge` says."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import JournalReport, MergedReport, ParseError, build_report, merge, parse_report

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "spark_merge.py"
ARCHIVE = runpy.run_path(str(ROOT / "examples" / "archive.py"))
DATE = datetime(2026, 10, 1, tzinfo=UTC)
MESSAGE = b"From: ann@example.com\r\nMessage-ID: <1@mail.example.com>\r\nSubject: Lunch\r\n\r\nAt noon.\r\n"
# Small, silent, and for nobody outside of this machine.
SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "3",
    # Else a task of `binaryFile` has but a few of these files, and there are hundreds of tasks.
    "spark.sql.files.openCostInBytes": "16384",
}
Rows = dict[tuple[str, str], dict[str, Any]]


def report(*recipients: str, original: bytes | None = MESSAGE, id: str | None = None) -> bytes:
    """A report of a message, or of one that is not in it."""
    told = JournalReport(sender="ann@example.com", recipients=recipients, message_id="<1@mail.example.com>")
    return build_report(told, original, domain="example.com", date=DATE, report_id=id)


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


FILES = {
    "1.eml": report("bob@example.com"),
    "below/2.eml": report("carol@example.net"),
    "below/bare.eml": MESSAGE,
    "garbage.eml": b"\0\1\2",
}


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """What the example defines."""
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """Workers are of this Python, and listen to this machine only."""
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.fail("java is not on the PATH: these tests need it (on Debian: openjdk-17-jre-headless)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        yield patch


@pytest.fixture(scope="module")
def spark(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session for all tests, whose Java process is gone afterwards."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    environment.chdir(tmp_path_factory.mktemp("spark"))
    builder = SparkSession.builder
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    gateway: Any = SparkContext._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of every kind, mail that is no report, and what is neither."""
    folder = tmp_path_factory.mktemp("reports")
    for number, one in enumerate(ARCHIVE["make_reports"](1000, 3000, 1)):
        put(folder, {f"{number % 7}/{number}.eml": one.written()[0]})
    for path in (ROOT / "tests" / "corpus").rglob("*.eml"):
        put(folder, {f"corpus/{path.parent.name}-{path.name}": path.read_bytes()})
    nothing = report("bob@example.com", original=None)
    put(folder, {f"without/{number}.eml": nothing for number in range(3)})
    put(folder, {"without/other.eml": report("carol@example.net", original=None)})
    put(folder, {f"bare/{number}.eml": b"Subject: %d\r\n\r\n" % number + MESSAGE for number in range(20)})
    put(folder, {f"garbage/{number}.eml": b"\0" + Random(number).randbytes(1000) for number in range(20)})
    put(
        folder,
        {"names/empty.eml": b"", "names/a b%20,ü:2,S.eml": report("bob@example.com"), "names/_under.eml": nothing},
    )
    put(folder, {"names/.hidden.eml": report("erin@example.org"), ".hidden/report.eml": report("erin@example.org")})
    (folder / "names" / "gone.eml").symlink_to("nowhere.eml")
    return folder


def rows_of(table: Any) -> Rows:
    """The rows of a table, by what they are about."""
    rows = [one.asDict(recursive=True) for one in table.collect()]
    found = {(row["kind"], row["content_sha256"] or repr(row["sources"])): row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def rows(example: dict[str, Any], spark: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The table of the folder, written and read again."""
    path = str(tmp_path_factory.mktemp("table") / "out.parquet")
    example["merged_table"](spark, str(folder)).write.parquet(path)
    return rows_of(spark.read.parquet(path))


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[Any, set[str]]:
    """What each file of the folder says, or the code why it is no report, worked out one after the other."""
    found: dict[Any, set[str]] = defaultdict(set)
    for path in folder.rglob("*"):
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        try:
            [merged] = merge([parse_report(path.read_bytes())])
        except ParseError as error:
            found[str(error.code), str(path)].add(str(path))
        except FileNotFoundError:
            found["ENOENT", str(path)].add(str(path))
        else:
            found[merged.reports[0]].add(str(path))
    return found


@pytest.fixture(scope="module")
def expected(known: dict[Any, set[str]]) -> tuple[MergedReport, ...]:
    """Every message of the folder."""
    return merge([said for said in known if len(said) > 2])


class TestTable:
    """What the table holds."""

    def test_messages(self, rows: Rows, known: dict[Any, set[str]], expected: tuple[MergedReport, ...]) -> None:
        """Each message has one row, with all that its reports say and the paths of each of them."""
        found = {row["json"]: row["sources"] for (kind, _), row in rows.items() if kind == "merged"}
        assert found == {json.dumps(one.to_dict()): [sorted(known[said]) for said in one.reports] for one in expected}
        assert len(found) > 1000

    def test_columns(self, rows: Rows) -> None:
        """The columns say what the whole of the data says."""
        for (kind, _), row in rows.items():
            if kind != "merged":
                continue
            merged = MergedReport.from_dict(json.loads(row["json"]))
            data: dict[str, Any] = merged.to_dict()
            for name in ("content_sha256", "complete", "message_ids", "senders", "subjects"):
                assert row[name] == data[name]
            assert row["report_ids"] == [one.identity.report_id for one in merged.reports]
            assert [dict(one) for one in row["recipients"]] == data["recipients"]
            assert row["code"] is None

    def test_no_reports(self, rows: Rows, known: dict[Any, set[str]], folder: Path) -> None:
        """Each file that is no report has one row, with its kind and its code."""
        refused = [row for (kind, _), row in rows.items() if kind != "merged"]
        assert Counter((row["code"], row["sources"][0][0]) for row in refused) == Counter(
            one for one in known if len(one) == 2
        )
        assert {(row["kind"], row["code"]) for row in refused if f"{folder}/bare/" in row["sources"][0][0]} == {
            ("message", "not-a-report")
        }
        assert {row["kind"] for row in refused if f"{folder}/garbage/" in row["sources"][0][0]} == {"unreadable"}
        by_name = {Path(row["sources"][0][0]).name: (row["kind"], row["code"]) for row in refused}
        assert by_name["empty.eml"] == ("unreadable", "empty")
        assert by_name["gone.eml"] == ("unreadable", "ENOENT")

    def test_nothing_is_lost(self, rows: Rows, known: dict[Any, set[str]]) -> None:
        """Every file stands in the table exactly once."""
        found = Counter(path for row in rows.values() for paths in row["sources"] for path in paths)
        assert found == Counter(path for paths in known.values() for path in paths)

    def test_without_a_content(self, rows: Rows, folder: Path) -> None:
        """Reports that hold no message are joined with equal ones only."""
        found = [
            row["sources"]
            for row in rows.values()
            if row["kind"] == "merged" and row["content_sha256"] is None and "/without/" in str(row["sources"])
        ]
        same = sorted([*[f"{folder}/without/{number}.eml" for number in range(3)], f"{folder}/names/_under.eml"])
        assert sorted(found) == sorted([[same], [[f"{folder}/without/other.eml"]]])

    def test_conflicts(
        self, example: dict[str, Any], spark: Any, rows: Rows, expected: tuple[MergedReport, ...]
    ) -> None:
        """A second grouping finds every Message-ID that several messages have."""
        contents = defaultdict(set)
        for one in expected:
            for said in one.reports:
                if one.content_sha256 is not None and said.identity.message_id_sha256 is not None:
                    contents[said.identity.message_id_sha256].add(one.content_sha256)
        table = spark.createDataFrame(list(rows.values()), example["SCHEMA"])
        found = {row.message_id_sha256: set(row.contents) for row in example["conflicts"](table).collect()}
        assert found == {id_: several for id_, several in contents.items() if len(several) > 1}
        assert len(found) > 50


class TestAnyWay:
    """Neither partitions nor order make a difference."""

    @pytest.mark.parametrize(("files", "partitions", "seed"), [(2000, "3", 0), (100, "7", 1), (5000, "1", 2)])
    def test_partitions(
        self,
        example: dict[str, Any],
        spark: Any,
        rows: Rows,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        files: int,
        partitions: str,
        seed: int,
    ) -> None:
        """The table is the same with other tasks, other partitions, and the files in another order."""
        paths = list(example["listed"](str(folder)))
        Random(seed).shuffle(paths)
        names = example["read_all"].__globals__
        monkeypatch.setitem(names, "listed", lambda _: iter(paths))
        monkeypatch.setitem(names, "FILES", files)
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
        try:
            assert rows_of(example["merged_table"](spark, str(folder))) == rows
        finally:
            spark.conf.set("spark.sql.shuffle.partitions", SETTINGS["spark.sql.shuffle.partitions"])

    @given(data=st.data())
    def test_any_tree(self, example: dict[str, Any], data: st.DataObject) -> None:
        """However reports are split, in whatever tree they are joined, and however often: the row is the same."""
        read, join, row = example["read"], example["join"], example["row"]
        several = [
            report(f"{name}@example.com", id=f"<{name}@example.com>") for name in ("bob", "carol", "dave", "erin")
        ]
        found = [read(f"{number}.eml", one) for number, one in enumerate([*several, several[0]])]
        assert len({key for key, _ in found}) == 1
        whole = row(
            reduce(join, [read(f"{number}.eml", one)[1] for number, one in enumerate([*several, several[0]])], {})
        )
        order = data.draw(st.permutations([*range(5), *data.draw(st.lists(st.sampled_from(range(5)), max_size=5))]))
        parts = [reduce(join, [{said: set(paths) for said, paths in found[number][1].items()}], {}) for number in order]
        while len(parts) > 1:
            place = data.draw(st.integers(0, len(parts) - 2))
            parts[place : place + 2] = [join(*parts[place : place + 2])]
        assert row(parts[0]) == whole
        assert len(whole["report_ids"]) == 4
        assert whole["sources"].count(["0.eml", "4.eml"]) == 1

    def test_many_reports(self, example: dict[str, Any], spark: Any, tmp_path: Path) -> None:
        """A message that has thousands of reports is one row."""
        put(tmp_path, {f"{number}.eml": report(f"user{number}@example.com") for number in range(3000)})
        [row] = rows_of(example["merged_table"](spark, str(tmp_path))).values()
        assert len(row["report_ids"]) == len(row["recipients"]) == 3000


class TestUrl:
    """A folder that only Spark can reach."""

    def test_same(self, example: dict[str, Any], spark: Any, tmp_path: Path) -> None:
        """The table is that of the path, but for how the paths are written."""
        put(tmp_path, FILES)
        table = example["merged_table"](spark, f"file://{tmp_path}")
        assert example["missing"](spark, table, f"file://{tmp_path}") == 0
        by_url = table.collect()
        by_path = example["merged_table"](spark, str(tmp_path)).collect()
        told = [re.sub(f"file:/+(?={str(tmp_path)[1:]})", "/", repr(row)) for row in by_url]
        assert sorted(told) == sorted(map(repr, by_path))

    def test_missing(self, example: dict[str, Any], spark: Any, tmp_path: Path) -> None:
        """What Spark passes over is counted."""
        put(tmp_path, FILES | {"empty.eml": b"", "_under.eml": report("bob@example.com"), ".dot.eml": MESSAGE})
        table = example["merged_table"](spark, f"file://{tmp_path}")
        assert example["missing"](spark, table, f"file://{tmp_path}") == 3

    @pytest.mark.parametrize("prefix", ["", "file://"])
    def test_too_large(
        self, example: dict[str, Any], spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
    ) -> None:
        """A file that is too large for a worker has its row, and is not read."""
        put(tmp_path, FILES | {"large.eml": MESSAGE + b"x" * 10_000})
        monkeypatch.setitem(example["read"].__globals__, "MAX_LENGTH", 10_000)
        table = rows_of(example["merged_table"](spark, f"{prefix}{tmp_path}"))
        found = {Path(row["sources"][0][0]).name: row["code"] for row in table.values()}
        assert found["large.eml"] == "EFBIG"
        assert len(found) == 4


class TestCommand:
    """The example as a command, and beside that of the library."""

    def test_command(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """It writes the table whole, and says what is in it."""
        put(tmp_path / "in", FILES)
        settings = [f"--conf {name}={value}" for name, value in SETTINGS.items()]
        environment.setenv("PYSPARK_SUBMIT_ARGS", " ".join([*settings, "pyspark-shell"]))
        command = [sys.executable, str(EXAMPLE), "in", "out.parquet"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert dict(line.split() for line in done.stdout.splitlines()) == {
            "merged": "1",
            "message": "1",
            "unreadable": "1",
            "conflicts": "0",
            "missing": "0",
        }
        assert (tmp_path / "out.parquet" / "_SUCCESS").exists()

    def test_a_table_that_is_there(self, example: dict[str, Any], spark: Any, tmp_path: Path) -> None:
        """A table that is there is left alone."""
        from pyspark.errors import AnalysisException

        put(tmp_path, FILES | {"out.parquet": b"of another run"})
        with pytest.raises(AnalysisException, match="PATH_ALREADY_EXISTS"):
            example["merged_table"](spark, str(tmp_path)).write.parquet(str(tmp_path / "out.parquet"))
        assert (tmp_path / "out.parquet").read_bytes() == b"of another run"

    def test_scan(self, rows: Rows, example: dict[str, Any], spark: Any, folder: Path, tmp_path: Path) -> None:
        """`exjournal scan --merge` says the same of the same folder."""
        path = tmp_path / "merged.jsonl"
        command = [sys.executable, "-m", "exjournal", "scan", str(folder), "--merge", "--json", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert path.exists(), done.stderr
        items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found, conflicts = {}, set()
        for one in [item for item in items if item["kind"] == "merged"]:
            del one["kind"]
            if one.pop("conflict"):
                conflicts.add(one["content_sha256"])
            sources = [sorted(source["path"] for source in paths) for paths in one.pop("sources")]
            found[json.dumps(one)] = sources
        assert found == {row["json"]: row["sources"] for row in rows.values() if row["kind"] == "merged"}
        table = spark.createDataFrame(list(rows.values()), example["SCHEMA"])
        assert conflicts == {content for row in example["conflicts"](table).collect() for content in row.contents}
        rest = {one["source"]["path"]: one["kind"] for one in items if "source" in one}
        assert rest == {row["sources"][0][0]: row["kind"] for row in rows.values() if row["kind"] != "merged"}
