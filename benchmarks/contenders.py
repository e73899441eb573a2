"""The job, as this library and others do it: report bytes in, the fields, the recipients and the original out.

Each contender takes a report and returns its id, the lines of its text as tuples or recipients, and the original.
`does_the_job` says whether that is right: a faster wrong answer is not compared.
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
    """Our own, with a view of the original; its result also holds typed recipients and defects."""
    parsed = parse_report(data)
    if parsed.defects:
        raise ValueError(parsed.defects)
    return parsed.report_id, parsed.report.recipients, parsed.original


def ours_copied(data: bytes) -> Found:
    """Our own, with a copy of the original."""
    parsed = parse_report(data)
    return parsed.report_id, parsed.report.recipients, parsed.original_bytes()


def standard_email(data: bytes) -> Found:
    """The standard library in its fastest and least harmful form: compat32, CRLF kept, no mangling, no folding."""
    message: Any = message_from_bytes(data, policy=compat32)
    if "X-MS-Journal-Report" not in message:
        raise ValueError("no report")
    text, attached = message.get_payload()
    lines = partitioned(text.get_payload(decode=True).decode("ascii"))
    # The mismatches that this library reports as well.
    told, inner = dict(lines[:3]), attached.get_payload(0)
    if told["Message-Id"] != inner["Message-ID"] or told["Subject"] != inner["Subject"]:
        raise ValueError("the report text disagrees with the original")
    out = io.BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=_CRLF).flatten(attached.get_payload(0))
    return message["Message-ID"], lines, out.getvalue()


def standard_email_2003(data: bytes) -> Found:
    """Read a report of Exchange 2003, whose text is in an alternative."""
    message: Any = message_from_bytes(data, policy=compat32)
    if message["Content-Identifer"] != "ExJournalReport":
        raise ValueError("no report")
    alternative, attached = message.get_payload()
    lines = listed(alternative.get_payload(0).get_payload(decode=True).decode("ascii"))
    out = io.BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=_CRLF).flatten(attached.get_payload(0))
    return message["Message-ID"], lines, out.getvalue()


def listed(text: str) -> list[tuple[str, str]]:
    """Each recipient of a text of Exchange 2003 as a tuple of its name and its address: the least that a reader does."""
    found: list[tuple[str, str]] = []
    append = found.append
    for line in text.partition("Recipients:\r\n")[2].split("\r\n"):
        name, _, rest = line.partition(" <smtp:")
        append((name, rest.rstrip(",").removesuffix(">")))
    return found


def partitioned(text: str) -> list[tuple[str, str]]:
    """Each line of a report text as a tuple of its label and the rest: the least that a reader in Python does."""
    lines: list[tuple[str, str]] = []
    append = lines.append
    for line in text.split("\r\n"):
        label, _, value = line.partition(": ")
        append((label, value))
    return lines


def fast_mail_parser() -> Mapping[str, Contender]:
    """The ways to do the job with fast-mail-parser, by mode; none where it is not installed."""
    try:
        import fast_mail_parser
    except ImportError:
        return {}
    # Its types know a mode only as a literal.
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

    # "metadata" hands out no content at all, so there is nothing to time in it.
    return {"full": flat("full"), "lazy": flat("lazy"), "tree, lazy": tree}


def mail_parser() -> Contender | None:
    """mail-parser, which keeps no original but the attachments inside it; None where it is not installed."""
    try:
        import mailparser
    except ImportError:
        return None

    def read(data: bytes) -> Found:
        mail = mailparser.parse_from_bytes(data)
        return mail.message_id, partitioned(mail.text_plain[0]), mail.attachments

    return read


def does_the_job(contender: Contender, report: Sample) -> bool:
    """Whether a contender finds the report's id, every recipient, and the original byte for byte."""
    try:
        report_id, lines, original = contender(report.data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False
    # Some hand out every value of a header, some only the first.
    report_ids = report_id if isinstance(report_id, list) else [report_id]
    said = {str(getattr(line, "address", None) or line[1].partition(",")[0]).strip() for line in lines}
    return (
        all(isinstance(found, str) and found.encode() in report.data for found in report_ids)
        and said.issuperset(report.recipients)
        and isinstance(original, (bytes, memoryview))
        and bytes(original) == report.original
    )
