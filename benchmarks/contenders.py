"""The same job, done by this library and by others: report bytes in, the fields, recipients and original out.

Each contender takes a report and returns its id, the lines of its text as tuples or recipients, and the original.
`does_the_job` checks the result: a fast wrong answer is not compared.
"""

import io
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.generator import BytesGenerator
from email.policy import compat32
from typing import Any, TypeAlias

from messages import Sample

from exjournal import parse_report

Found: TypeAlias = tuple[Any, Any, Any]
Contender: TypeAlias = Callable[[bytes], Found]

_CRLF = compat32.clone(linesep="\r\n")


def ours(data: bytes) -> Found:
    """Use this library, with a view of the original; the result also has typed recipients and defects."""
    parsed = parse_report(data)
    if parsed.defects:
        raise ValueError(parsed.defects)
    return parsed.report_id, parsed.report.recipients, parsed.original


def ours_copied(data: bytes) -> Found:
    """Use this library, with a copy of the original."""
    parsed = parse_report(data)
    return parsed.report_id, parsed.report.recipients, parsed.original_bytes()


def standard_email(data: bytes) -> Found:
    """The standard library in the fastest form that keeps the bytes: compat32, CRLF kept, no mangling, no folding."""
    message: Any = message_from_bytes(data, policy=compat32)
    if "X-MS-Journal-Report" not in message:
        raise ValueError("no report")
    text, attached = message.get_payload()
    lines = partitioned(text.get_payload(decode=True).decode("ascii"))
    # This library reports these mismatches too.
    fields, inner = dict(lines[:3]), attached.get_payload(0)
    if fields["Message-Id"] != inner["Message-ID"] or fields["Subject"] != inner["Subject"]:
        raise ValueError("the report text disagrees with the original")
    out = io.BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=_CRLF).flatten(attached.get_payload(0))
    return message["Message-ID"], lines, out.getvalue()


def standard_email_2003(data: bytes) -> Found:
    """Read a report of Exchange 2003, whose text is in a `multipart/alternative`."""
    message: Any = message_from_bytes(data, policy=compat32)
    if message["Content-Identifer"] != "ExJournalReport":
        raise ValueError("no report")
    alternative, attached = message.get_payload()
    lines = listed(alternative.get_payload(0).get_payload(decode=True).decode("ascii"))
    out = io.BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=_CRLF).flatten(attached.get_payload(0))
    return message["Message-ID"], lines, out.getvalue()


def listed(text: str) -> list[tuple[str, str]]:
    """Return each recipient of a 2003 report text as a tuple of name and address: the minimum for any reader."""
    found: list[tuple[str, str]] = []
    append = found.append
    for line in text.partition("Recipients:\r\n")[2].split("\r\n"):
        name, _, rest = line.partition(" <smtp:")
        append((name, rest.rstrip(",").removesuffix(">")))
    return found


def partitioned(text: str) -> list[tuple[str, str]]:
    """Return each line of a report text as a tuple of label and value: the minimum for a reader in Python."""
    lines: list[tuple[str, str]] = []
    append = lines.append
    for line in text.split("\r\n"):
        label, _, value = line.partition(": ")
        append((label, value))
    return lines


def fast_mail_parser() -> Mapping[str, Contender]:
    """Return the ways to do the job with fast-mail-parser, by mode; empty if it is not installed."""
    try:
        import fast_mail_parser
    except ImportError:
        return {}
    # Its type stubs accept a mode only as a literal.
    parse_email: Any = fast_mail_parser.parse_email
    parse_email_tree: Any = fast_mail_parser.parse_email_tree

    def flat(mode: str) -> Contender:
        def read(data: bytes) -> Found:
            mail = parse_email(data, mode=mode)
            return mail.headers["Message-ID"], partitioned(mail.text_plain[0]), mail.attachments[0].content

        return read

    def tree(data: bytes) -> Found:
        root = parse_email_tree(data, mode="lazy")
        text, attached = root.children
        return root.headers["Message-ID"], partitioned(text.content.decode("ascii")), attached.content

    # The mode "metadata" returns no content, so it cannot do the job.
    return {"full": flat("full"), "lazy": flat("lazy"), "tree, lazy": tree}


def mail_parser() -> Contender | None:
    """Return mail-parser, which keeps only the attachments of the original; None if it is not installed."""
    try:
        import mailparser
    except ImportError:
        return None

    def read(data: bytes) -> Found:
        mail = mailparser.parse_from_bytes(data)
        return mail.message_id, partitioned(mail.text_plain[0]), mail.attachments

    return read


def does_the_job(contender: Contender, report: Sample) -> bool:
    """Return whether a contender finds the report's id, every recipient, and the original byte for byte."""
    try:
        report_id, lines, original = contender(report.data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False
    # Some return every value of a header, some only the first.
    report_ids = report_id if isinstance(report_id, list) else [report_id]
    said = {str(getattr(line, "address", None) or line[1].partition(",")[0]).strip() for line in lines}
    return (
        all(isinstance(found, str) and found.encode() in report.data for found in report_ids)
        and said.issuperset(report.recipients)
        and isinstance(original, (bytes, memoryview))
        and bytes(original) == report.original
    )
