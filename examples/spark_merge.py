"""More reports than one machine can handle: read on Apache Spark, merged by message, written as one Parquet table.

`python spark_merge.py FOLDER OUT.parquet` uses all cores of this machine, `spark-submit` with the same arguments a cluster.
FOLDER is a path that every machine has, or a URL such as `s3a://reports/2026`. Prints how many rows of each kind the table has,
and ends with 1 where files are missing from it. Needs pyspark and Java 17.
"""

import argparse
import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from exjournal import DefectCode, ParseError, Statement, merge, parse_report

if TYPE_CHECKING:
    from pyspark import RDD

# Bytes. Exchange transports at most 150 MB, and a worker holds a whole file; a larger one contains many messages.
MAX_LENGTH = 256 << 20
# Mail that is not a report, if it begins as mail does.
MAIL = {DefectCode.NOT_A_REPORT, DefectCode.MULTIPART_REPORT, DefectCode.EMBEDDED_REPORT}
# The beginning of mail. Mailbox files and editors may put a byte order mark, empty lines or a From line before it.
FIELD = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*+(?:From [^\n]*\n)?[!-9;-~]+[ \t]*:")
# Files for each task: enough that starting it costs little, few enough that repeating it does.
FILES = 2000

# A statement, or for a file that is not a report its kind and the reason; and the paths of each.
Found = dict[Statement | tuple[str, str], set[str]]

RECIPIENT = (
    "role string, address string, expanded_from string, forwarded_from string, display_names array<string>, "
    "claimed_names array<string>, evidence string, seen_in array<int>"
)
SCHEMA = (
    "kind string, content_sha256 string, complete boolean, message_ids array<string>, message_id_sha256 array<string>, "
    f"senders array<string>, subjects array<string>, recipients array<struct<{RECIPIENT}>>, report_ids array<string>, "
    "sources array<array<string>>, code string, json string"
)


# The library's part: a map, and a merge in any order and any grouping


def read(path: str, data: bytes) -> tuple[str, Found]:
    """Return the statement of a file under the key of its message: a kilobyte or two, however large the message is."""
    try:
        [merged] = merge([parse_report(data)])
    except ParseError as error:
        is_mail = error.code in MAIL and FIELD.match(data)
        return refused(path, "message" if is_mail else "unreadable", error.code)
    [said] = merged.reports
    # As in merge(): a report without a content digest is joined with equal ones only.
    return merged.content_sha256 or f"~{said.identity.report_key}", {said: {path}}


def refused(path: str, kind: str, code: str) -> tuple[str, Found]:
    """Return the entry of a file that is not a report, under a key of its own, so that it has its row."""
    return f"!{path}", {(kind, str(code)): {path}}


def join(found: Found, other: Found) -> Found:
    """Add further entries: a union of sets, like `MergedReport | MergedReport`.

    In place, since a message can have ten thousand reports: a new set for each would take the square of their number.
    """
    for said, paths in other.items():
        found.setdefault(said, set()).update(paths)
    return found


def row(found: Found) -> dict[str, object]:
    """Make a row of the table: a message with all of its reports, or a file that is not a report."""
    for said, paths in found.items():
        if not isinstance(said, Statement):
            return {"kind": said[0], "code": said[1], "sources": [shown(paths)]}
    [merged] = merge([said for said in found if isinstance(said, Statement)])
    reports = merged.reports
    # A report without a content digest makes no claim on the Message-ID that it names.
    ids = {said.identity.message_id_sha256 for said in reports if merged.content_sha256}
    names = [column.split()[0] for column in RECIPIENT.split(", ")]
    data: dict[str, Any] = merged.to_dict()
    return data | {
        "kind": "merged",
        "message_id_sha256": sorted([id_ for id_ in ids if id_ is not None]),
        "recipients": [tuple([one.get(name) for name in names]) for one in data["recipients"]],
        "report_ids": [said.identity.report_id for said in reports],
        "sources": [shown(found[said]) for said in reports],
        "json": json.dumps(data),
    }


def shown(paths: set[str]) -> list[str]:
    """Return paths as text: a file name consists of bytes, which may not be text."""
    return sorted([path.encode("utf-8", "backslashreplace").decode() for path in paths])


# Spark's part


def read_path(path: str) -> tuple[str, Found]:
    """Return the entry of a file that this machine can open."""
    try:
        if not Path(path).is_file():  # nobody may ever write to a pipe that lies there
            return refused(path, "unreadable", "ENOENT")
        if Path(path).stat().st_size > MAX_LENGTH:
            return refused(path, "unreadable", "EFBIG")
        data = Path(path).read_bytes()
    except OSError as error:
        return refused(path, "unreadable", errno.errorcode.get(error.errno or 0, "EIO"))
    return read(path, data)


def listed(folder: str) -> Iterator[str]:
    """Yield the path of every file that is not hidden."""

    def fail(error: OSError) -> None:
        raise error  # what cannot be listed would be passed over

    for directory, below, names in os.walk(folder, onerror=fail):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.join(directory, name)  # noqa: PTH118 - a Path for each of millions


def read_all(spark: SparkSession, folder: str) -> "RDD[tuple[str, Found]]":
    """Return the entry of every file, each read where its task runs."""
    if "://" not in folder:
        paths = list(listed(folder))
        tasks = max(spark.sparkContext.defaultParallelism, len(paths) // FILES)
        return spark.sparkContext.parallelize(paths, tasks).map(read_path)
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)
    size = sql.col("_metadata.file_size")  # known since the files were listed: nothing is opened to compare it
    small = files.where(size <= MAX_LENGTH).select("path", "content").rdd
    large = files.where(size > MAX_LENGTH).select("path").rdd
    return small.map(lambda file: read(file.path, bytes(file.content))).union(
        large.map(lambda file: refused(file.path, "unreadable", "EFBIG"))
    )


def merged_table(spark: SparkSession, folder: str) -> DataFrame:
    """Return a row for each message, and one for each file that is not a report."""
    partitions = int(spark.conf.get("spark.sql.shuffle.partitions") or 200)
    nothing: Found = {}
    found = read_all(spark, folder).aggregateByKey(nothing, join, join, partitions)
    return spark.createDataFrame(found.values().map(row), SCHEMA, verifySchema=False)


def conflicts(table: DataFrame) -> DataFrame:
    """Return every Message-ID that several messages have, with their contents."""
    ids = table.select("content_sha256", sql.explode("message_id_sha256").alias("message_id_sha256"))
    contents = ids.groupBy("message_id_sha256").agg(sql.collect_set("content_sha256").alias("contents"))
    return contents.where(sql.size("contents") > 1)


def missing(spark: SparkSession, table: DataFrame, folder: str) -> int:
    """Count the files of a URL that are not in its table: Spark ignores empty ones, and names that begin with `.` or `_`."""
    if "://" not in folder:
        return 0
    java: Any = spark.sparkContext._jvm  # Python has no other way to the file systems of Spark
    path = java.org.apache.hadoop.fs.Path(folder)
    file_system = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    there: int = file_system.getContentSummary(path).getFileCount()
    return there - table.select(sql.explode(sql.flatten("sources"))).count()


def main() -> int:
    """Read, merge, write, and count."""
    parser = argparse.ArgumentParser(description="Merge the reports of a folder by message, into one Parquet table.")
    parser.add_argument("folder", help="a path that every machine has, or a URL that Spark can read")
    parser.add_argument("out", help="the table to write, which must not be there yet")
    options = parser.parse_args()
    # Unless configured otherwise, workers run this Python, not the first one on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.appName("exjournal").getOrCreate()
    try:
        merged_table(spark, options.folder).write.parquet(options.out)
        table = spark.read.parquet(options.out)
        for kind, count in sorted(table.groupBy("kind").count().collect()):
            print(f"{kind:<12}{count:>14,}")
        lost = missing(spark, table, options.folder)
        print(f"{'conflicts':<12}{conflicts(table).count():>14,}")
        print(f"{'missing':<12}{lost:>14,}")
    finally:
        spark.stop()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
