"""Writing BCC and message-only copies, against one copy of the same bytes."""

from collections.abc import Iterator
from typing import NamedTuple

from measure import KB, MB, Claim, Effort, Row, at_most, in_turn, microseconds, shown, size_text
from messages import Sample, samples

from exjournal import JournalReport, ReportFormat, build_report, parse_report

# Bytes of a report and its original.
_AROUND = 1150
_FIRST_FIELD = b"From: "
_OWN_BCC = b"Bcc: Olivia Example <olivia@example.com>,\r\n ivan@example.com\r\n"


class _Job(NamedTuple):
    report: JournalReport
    message: bytes


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield one table: both formats, for messages that have a Bcc field."""
    yield Claim("Writing a copy costs little more than copying the message once", tuple(_rows(effort)))


def _rows(effort: Effort) -> Iterator[Row]:
    for size, count, bound in ((2 * KB, 64, None), (25 * MB, 2, 2.5)):
        jobs = list(map(_job, samples(count, size + _AROUND)))
        for job in jobs[:2]:
            _require(job)
        for name, write in (("BCC", bcc), ("message-only", message_only)):
            times = in_turn({name: write, "copy": copy}, jobs, effort)
            ratio, note = times[name] / times["copy"], microseconds(**times)
            case = f"{size_text(len(jobs[0].message))}, {name}, to one copy"
            yield shown(case, ratio, note) if bound is None else at_most(case, ratio, bound, note)


def _job(report: Sample) -> _Job:
    message = report.original.replace(_FIRST_FIELD, _OWN_BCC + _FIRST_FIELD, 1)
    return _Job(parse_report(report.data).report, message)


def _require(job: _Job) -> None:
    """Check the copies before timing them: each must be the message without its Bcc field, or with a new one."""
    without = job.message.replace(_OWN_BCC, b"", 1)
    written = bcc(job)
    if message_only(job) != without or not written.startswith(b"Bcc: ") or not written.endswith(without):
        raise ValueError("a copy is not the message")


def bcc(job: _Job) -> bytes:
    """Write a copy with a Bcc field for the recipients that To and Cc do not name."""
    return build_report(job.report, job.message, format=ReportFormat.BCC)


def message_only(job: _Job) -> bytes:
    """Write a copy without its Bcc field."""
    return build_report(job.report, job.message, format=ReportFormat.MESSAGE_ONLY)


def copy(job: _Job) -> bytes:
    """Copy the message: the minimum for any writer."""
    return bytes(memoryview(job.message))
