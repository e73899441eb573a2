"""The page for one report: who sent, who received through which list, parts, defects, and the headers as they are written."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from exjournal import ArchivedReport, DefectCode, Evidence, Recipient, ReportFormat, Undeliverable
from exjournal.cli.pages import Cell, Html, apart, code, fact_list, page, paragraph, section, table, to_html
from exjournal.cli.reading import defects_of, sender_text
from exjournal.limits import HEADER_LIMIT

FORMATS: Final = {
    ReportFormat.ENVELOPE: "Exchange 2007 and later, Exchange Online and others: a report text, and the original attached",
    ReportFormat.ENVELOPE_2003: "Exchange 2003: a report text without roles, and the original attached",
    ReportFormat.BCC: "a copy of the message, with a Bcc field",
    ReportFormat.MESSAGE_ONLY: "a copy of the message",
}


def report_page(item: ArchivedReport) -> Iterator[str]:
    """Yield the page for a report, piece by piece."""
    parsed = item.parsed
    content = [
        _beginning(item),
        section("sender", "Who sent it", _sender(item)),
        section("recipients", "Who received it", _recipients(parsed.report.recipients)),
    ]
    if item.undeliverable is not None:
        content.append(section("bounce", "The bounce around the report", _bounce(item.undeliverable)))
    content += [section("parts", "Parts", _parts(item)), section("defects", "Defects", _defects(item))]
    if parsed.unparsed:
        content.append(section("unparsed", "Lines of the report that were not understood", _unparsed(item)))
    if parsed.original is None:
        content.append(section("header", "The original's header", paragraph("The report has no original.")))
    else:
        content.append(section("header", "The original's header", _header(parsed.original)))
    if parsed.format not in _COPIES:
        content.append(section("own-header", "The report's own header", _header(parsed.outer_block)))
    return page(f"Journal report {item.source}", chain.from_iterable(content))


# In these formats the report is the original.
_COPIES: Final = (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY)


def _beginning(item: ArchivedReport) -> Iterator[str]:
    report = item.parsed.report
    yield f"<h1>Journal report {apart(str(item.source))}</h1>\n"
    sender = apart(report.sender) if report.sender else _NOBODY[sender_text(item.parsed)]
    count = len(report.recipients)
    yield f'<p class="lead">{sender} sent this message to {count:,} recipient{"" if count == 1 else "s"}.</p>\n'
    yield from paragraph(_EVIDENCE[item.parsed.recipients_from])
    if any(defect.code in _MISSING for defect in defects_of(item)):
        yield '<p class="odd">Something may be missing: see <a href="#defects">the defects</a>.</p>\n'


_NOBODY: Final = {"<>": "The null sender", "unknown": "An unknown sender"}
_MISSING: Final = frozenset(
    (
        DefectCode.PERHAPS_TRUNCATED,
        DefectCode.TRANSFER_ENCODING_DAMAGED,
        DefectCode.ORIGINAL_MISSING,
        DefectCode.ORIGINAL_EMPTY,
        DefectCode.ORIGINAL_UNCLOSED,
        DefectCode.SENDER_MISSING,
        DefectCode.RECIPIENTS_MISSING,
    )
)
_EVIDENCE: Final = {
    Evidence.ENVELOPE: "The recipients are those of the SMTP envelope, as a mail server wrote them down.",
    Evidence.UNMARKED: '<span class="odd">No marker: anyone who can mail the archive may have written this report.</span>',
    Evidence.HEADER: "The recipients are those of the message's own header, which its sender wrote.",
}


def _sender(item: ArchivedReport) -> Iterator[str]:
    parsed, report = item.parsed, item.parsed.report
    facts: tuple[tuple[str, str | None], ...] = (
        ("Sender", sender_text(parsed)),
        ("Name", report.sender_display_name),
        ("On behalf of", report.on_behalf_of),
        ("MAIL FROM", "<>" if report.envelope_sender == "" else report.envelope_sender),
        ("Subject", report.subject),
        ("Message-ID", report.message_id),
        ("Label", report.label),
        ("Mailbox", report.mailbox),
        ("Sent", report.sent_utc),
        ("Received", report.received_utc),
        ("Date of the report", parsed.headers.get("Date")),
        ("Report id", parsed.report_id),
        ("Format", f"{parsed.format}: {FORMATS[parsed.format]}"),
        ("Known by", parsed.marker),
    )
    yield from fact_list([(name, value) for name, value in facts if value])


def _recipients(recipients: Iterable[Recipient]) -> Iterator[str]:
    """Yield recipients as a tree: the members of a list and the targets of a forwarding below it."""
    branches: dict[tuple[str | None, str | None], list[Recipient]] = {}
    roles: Counter[str] = Counter()
    for recipient in recipients:
        branches.setdefault((recipient.expanded_from, recipient.forwarded_from), []).append(recipient)
        roles[recipient.role] += 1
    if not branches:
        yield from paragraph("The report names no recipient.")
        return
    yield from paragraph(", ".join([f"{count:,} {role}" for role, count in sorted(roles.items())]) + ".")
    yield '<ul class="tree">\n'
    for recipient in branches.pop((None, None), ()):
        yield _leaf(recipient)
    for (list_, mailbox), members in branches.items():
        through = [
            f"{word} <strong>{to_html(address)}</strong>"
            for word, address in (("list", list_), ("forwarded by", mailbox))
            if address is not None
        ]
        yield f"<li>through {', '.join(through)}\n<ul>"
        yield from map(_leaf, members)
        yield "</ul></li>\n"
    yield "</ul>\n"


def _leaf(recipient: Recipient) -> str:
    name = f" ({apart(recipient.display_name)})" if recipient.display_name else ""
    return f'<li><span class="role">{recipient.role}</span> {apart(recipient.address)}{name}</li>\n'


def _bounce(bounce: Undeliverable) -> Iterator[str]:
    yield from paragraph("The report could not be delivered, and was found inside a bounce.")
    heads = ("Recipient", "Action", "Status", "Answer", "Server")
    rows = [(one.recipient, one.action, one.status, one.diagnostic, one.remote_mta) for one in bounce.status]
    if rows:
        yield from table("Who refused it, and why", heads, rows)


def _parts(item: ArchivedReport) -> Iterator[str]:
    heads = ("Part", "Type", "Encoding", "Offset", "Bytes", "SHA-256 of the content")
    rows = [
        (
            part.kind,
            part.media_type,
            part.encoding,
            part.offset,
            part.size,
            code(hashlib.sha256(part.content).hexdigest()),
        )
        for part in item.parsed.parts
    ]
    size = f"{len(item.octets):,}"
    yield from table(f"Parts of {size} bytes", heads, rows)
    yield from fact_list([("SHA-256 of all bytes", code(hashlib.sha256(item.octets).hexdigest()))])


def _defects(item: ArchivedReport) -> Iterator[str]:
    defects = defects_of(item)
    if not defects:
        yield from paragraph("There are none: the report is as it should be.")
        return
    rows = [(code(defect.code), defect.code.meaning, defect.detail, defect.offset) for defect in defects]
    yield from table("Defects, in their order", ("Code", "Meaning", "Detail", "Offset"), rows)


def _unparsed(item: ArchivedReport) -> Iterator[str]:
    yield '<ul class="tree">\n'
    for lines in item.parsed.unparsed:
        for line in lines.split("\n"):
            yield f"<li>{code(line)}</li>\n"
    yield "</ul>\n"


_HEADER_END = re.compile(rb"\A\r?\n|\n\r?\n")


def _header(message: bytes | memoryview) -> Iterator[str]:
    """Yield the fields of a header block as they are written, and decoded where they have encoded words."""
    block = bytes(message[:HEADER_LIMIT])
    end = _HEADER_END.search(block)
    lines = (block if end is None else block[: end.start()]).split(b"\n")
    fields: list[tuple[str, str]] = []
    for line in map(_decoded, lines):
        if line[:1] in {" ", "\t"} and fields:
            name, value = fields.pop()
            fields.append((name, f"{value} {line.strip()}"))
        elif line:
            name, colon, value = line.partition(":")
            fields.append((name, value.strip()) if colon else ("", line))
    if not fields:
        yield from paragraph("It is empty.")
        return
    rows: list[tuple[Cell, ...]] = [
        (name or Html('<span class="odd">not a field</span>'), _value(value)) for name, value in fields
    ]
    yield from table("Fields in their order", ("Field", "Value"), rows)


def _decoded(line: bytes) -> str:
    line = line.removesuffix(b"\r")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _value(value: str) -> Html:
    if "=?" not in value or len(value) > _DECODED:
        return code(value)
    from email.errors import MessageError
    from email.header import decode_header, make_header

    try:
        words = str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return code(value)
    return Html(f"{code(value)}<br>{to_html(words)}")


# Characters of the longest value that is decoded as well.
_DECODED: Final = 10_000
