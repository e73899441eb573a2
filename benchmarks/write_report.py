"""Writing, against copying the original, and against the standard library's `EmailMessage`."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple

from measure import KB, MB, Claim, Effort, Row, at_least, at_most, in_turn, microseconds, size_text
from messages import Sample, samples

from exjournal import JournalReport, build_report, parse_report

_DATE = datetime(2026, 1, 1, 8, tzinfo=UTC)
_REPORT_ID = "<0f2f1a5c-3f62-4a43-9d0c-6a5f4a3f2b11@journal.report.generator>"


class _Job(NamedTuple):
    report: JournalReport
    text: str
    original: bytes
    boundary: bytes


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield two tables: against the minimum work, and against `EmailMessage`."""
    yield Claim("Writing costs little more than searching the original once and copying it", tuple(_floor(effort)))
    yield Claim("Writing against `EmailMessage` with an attached message", tuple(_email(effort)))


def _job(report: Sample) -> _Job:
    return _Job(parse_report(report.data).report, report.text, report.original, report.boundary)


def _floor(effort: Effort) -> Iterator[Row]:
    for size, count in ((MB, 8), (25 * MB, 2)):
        jobs = list(map(_job, samples(count, size)))
        times = in_turn({"exjournal": with_id, "find_and_copy": find_and_copy}, jobs, effort)
        case = f"{size_text(size)}, `report_id` given, to find and copy"
        yield at_most(case, times["exjournal"] / times["find_and_copy"], 1.3, microseconds(**times))
        times = in_turn({"exjournal": with_derived_id, "find_copy_and_sha256": find_copy_and_digest}, jobs, effort)
        case = f"{size_text(size)}, id derived, to find, copy and SHA-256"
        yield at_most(case, times["exjournal"] / times["find_copy_and_sha256"], 1.3, microseconds(**times))


def _email(effort: Effort) -> Iterator[Row]:
    for size, count in ((2 * KB, 64), (62 * KB, 48), (MB, 8), (25 * MB, 2)):
        jobs = list(map(_job, samples(count, size)))
        times = in_turn({"exjournal": with_id, "EmailMessage": with_email_message}, jobs, effort)
        case = f"{size_text(size)}, `report_id` given"
        yield at_least(case, times["EmailMessage"] / times["exjournal"], 100, microseconds(**times))


def with_id(job: _Job) -> bytes:
    """Write a report with a given id."""
    return build_report(job.report, job.original, domain="example.com", date=_DATE, report_id=_REPORT_ID)


def with_derived_id(job: _Job) -> bytes:
    """Write a report with an id derived from its content."""
    return build_report(job.report, job.original, domain="example.com", date=_DATE)


def find_and_copy(job: _Job) -> bytes:
    """Search the original for the boundary and copy it: the minimum for any writer."""
    if job.boundary in job.original:
        raise ValueError(job.boundary)
    return b"".join((b"before", job.original, b"after"))


def find_copy_and_digest(job: _Job) -> bytes:
    """Search, copy, and take a digest of the original."""
    hashlib.sha256(job.original).digest()
    return find_and_copy(job)


def with_email_message(job: _Job) -> bytes:
    """Write the same report with the standard library, which parses the original and writes it again."""
    original = message_from_bytes(job.original, policy=SMTP)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = job.report.subject
    message["From"] = original["From"]
    message["To"] = original["To"]
    message["Sender"] = "<MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>"
    message["Message-ID"] = _REPORT_ID
    message["Date"] = _DATE
    message["X-MS-Journal-Report"] = ""
    message["X-MS-Exchange-Parent-Message-Id"] = job.report.message_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-MS-Exchange-Generated-Message-Source"] = "Journal Agent"
    message.set_content(job.text)
    message.add_attachment(original)
    return message.as_bytes()
