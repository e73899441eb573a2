"""Reports of Exchange 2003, both ways: against the standard `email` package, and by the recipient."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple

from contenders import does_the_job, listed, ours, standard_email_2003
from measure import KB, MB, Claim, Effort, Row, at_most, in_turn, microseconds, shown, size_text
from messages import Sample, samples_2003

from exjournal import JournalReport, ReportFormat, build_report, parse_report

_DATE = datetime(2026, 1, 1, 8, tzinfo=UTC)
_REPORT_ID = "<0f2f1a5c-3f62-4a43-9d0c-6a5f4a3f2b11@mail.example.com>"
_FEW, _MANY = 10_000, 40_000


class _Job(NamedTuple):
    report: JournalReport
    text: str
    original: bytes
    data: bytes


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield two tables: the usual sizes, and very many recipients."""
    sentence = "Reports of Exchange 2003 against `email`, which also reads the inner message"
    yield Claim(sentence, tuple(_sizes(effort)))
    yield Claim(
        "The time for a report of Exchange 2003 grows in proportion to its recipients", tuple(_recipients(effort))
    )


def _sizes(effort: Effort) -> Iterator[Row]:
    for size, count in ((2 * KB, 64), (62 * KB, 48), (MB, 8)):
        for inner in (12, 110):
            reports = samples_2003(count, size, inner=inner)
            if not all(
                does_the_job(standard_email_2003, report) and does_the_job(ours, report) for report in reports[:4]
            ):
                raise ValueError("a contender does not do the job")
            case = f"{size_text(len(reports[0].data))}, {inner} inner fields"
            both = {"exjournal": ours, "email": standard_email_2003}
            times = in_turn(both, [report.data for report in reports], effort)
            yield shown(f"{case}, reading", times["email"] / times["exjournal"], microseconds(**times))
            jobs = list(map(_job, reports))
            times = in_turn({"exjournal": _write, "EmailMessage": with_email_message}, jobs, effort)
            yield shown(f"{case}, writing", times["EmailMessage"] / times["exjournal"], microseconds(**times))


def _recipients(effort: Effort) -> Iterator[Row]:
    few, many = samples_2003(3, 2 * KB, recipients=_FEW), samples_2003(3, 2 * KB, recipients=_MANY)
    for name, work in (("reading", _read), ("writing", _write), ("splitting each line", _loop)):
        jobs = {"few": list(map(_job, few)), "many": list(map(_job, many))}
        runs = {key: _over(work, jobs[key]) for key in jobs}
        times = in_turn(runs, [None], effort)
        each = {key: times[key] / len(jobs[key]) / count for key, count in (("few", _FEW), ("many", _MANY))}
        case = f"{name}: a recipient of {_MANY} to one of {_FEW}"
        note = f"{each['few']:.2f} and {each['many']:.2f} a recipient"
        ratio = each["many"] / each["few"]
        yield shown(case, ratio, note) if work is _loop else at_most(case, ratio, 1.3, note)


def _over(work: Callable[[_Job], object], jobs: list[_Job]) -> Callable[[None], object]:
    return lambda _: [work(job) for job in jobs]


def _job(report: Sample) -> _Job:
    return _Job(parse_report(report.data).report, report.text, report.original, report.data)


def _loop(job: _Job) -> object:
    return listed(job.text)


def _read(job: _Job) -> object:
    return ours(job.data)


def _write(job: _Job) -> bytes:
    """Write a report with its HTML copy and a given id."""
    return build_report(job.report, job.original, format=ReportFormat.ENVELOPE_2003, date=_DATE, report_id=_REPORT_ID)


def with_email_message(job: _Job) -> bytes:
    """Write the same report with the standard library, which parses the original and writes it again."""
    original = message_from_bytes(job.original, policy=SMTP)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = original["Subject"]
    message["From"] = original["From"]
    message["To"] = original["To"]
    message["Message-ID"] = _REPORT_ID
    message["Date"] = _DATE
    message["Content-Identifer"] = "ExJournalReport"
    message.set_content(job.text)
    message.add_alternative(f"<html><body><pre>{job.text}</pre></body></html>", subtype="html")
    message.add_attachment(original)
    return message.as_bytes()
