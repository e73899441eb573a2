"""The BCC and message-only formats: reading and writing copies, which are the message itself, without a mark of journaling.

All that such a copy says about its recipients is in its own header block, which its sender wrote.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.beginnings import lead_in, refuse_cr_line_ends
from exjournal._wire.buffers import in_place
from exjournal._wire.endings import cut_notice, is_closed_bounce, is_unclosed
from exjournal._wire.headers import (
    BLOCK_LIMITS,
    encode_words,
    field_pattern,
    fields,
    first_line_is_field,
    one_line,
    scan,
    scan_all,
    scan_spans,
    span_pattern,
    value_offset,
    without,
)
from exjournal._wire.message import addresses_of, mailboxes_of, message_id_of
from exjournal.addresses import address_key, escape, mailbox_key, same_mailbox
from exjournal.errors import BuildError, Defect, DefectCode
from exjournal.limits import ADDRESS_FIELD_LIMIT, DEFECT_LIMIT, HEADER_LIMIT, HEADER_LINE_LIMIT, UNPARSED_LIMIT
from exjournal.reports.assembly import Options
from exjournal.reports.markers import OUTER, marked
from exjournal.reports.models import JournalReport, ParsedReport, Part, PartKind, Recipient, ReportFormat, Role

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data

_ROLES: Final = {b"to": Role.TO, b"cc": Role.CC, b"bcc": Role.BCC}


_CLAIMS = field_pattern("from", "sender", "subject")
_BCC_FIELD = span_pattern(("bcc",))
# An address that needs no brackets in an address list (RFC 5322 section 3.4.1).
_PLAIN = re.compile(r'[^\s"(),:;<>@\[\]\\]+@[^\s"(),:;<>@\[\]\\]+')


class _Lead(NamedTuple):
    """Where the lead-in of a copy ends: its byte order mark, and the From line that may follow it."""

    mark_end: int
    block: int


class _UnreadEntry(NamedTuple):
    """An entry of an address field that is not an address, with the lower-case name of the field."""

    field: bytes
    text: str


class _Recipients(NamedTuple):
    """The recipients of a header block and the entries that are not addresses."""

    read: list[Recipient]
    unread: list[_UnreadEntry]


def _read_lead_in(data: "Buffer") -> _Lead:
    """Find the header block.

    Unlike before a report, a blank line is not skipped but ends the block: a message whose only field was Bcc begins with one
    after that field is removed, and its body is not a header.
    """
    mark_end, blank_end, block = lead_in(data)
    return _Lead(mark_end, block if blank_end == mark_end else mark_end)


def read_copy(data: "Buffer", format: ReportFormat, /) -> ParsedReport:
    """Read a copy: the original is all of it, and the facts are claims of its header block.

    A recipient that is named several times counts once, with the first of the roles To, Cc, Bcc that the message gives it.
    Another spelling is another recipient: only its host knows which mailbox it belongs to. Raises ParseError.
    """
    (mark_end, start), end = _read_lead_in(data), len(data)
    defects: list[Defect] = []
    if mark_end:
        defects.append(Defect(DefectCode.LEADING_BOM, "", 0))
    if start != mark_end:
        defects.append(Defect(DefectCode.LEADING_FROM_LINE, "", mark_end))
    header = scan(data, start, end, OUTER)
    refuse_cr_line_ends(data, start, end)
    header.require_complete()
    outer, body = header.fields, header.body
    block = data[start:body]
    if not first_line_is_field(data, start, body):
        defects.append(Defect(DefectCode.ORIGINAL_WITHOUT_HEADERS, "", start))
    if marked(outer)[0] is not None:
        defects.append(Defect(DefectCode.NESTED_REPORT, "the copy is a report itself", start))
    if is_unclosed(data, body, end, outer.get(b"content-type", b"")):
        defects.append(Defect(DefectCode.ORIGINAL_UNCLOSED, "", start))
    notice = cut_notice(data, body, end)
    if notice is not None and not is_closed_bounce(data, start, end):
        defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, "the last lines say so", notice))
    all_values = scan_all(data, start, end, _CLAIMS)
    all_values.require_complete()
    claims = all_values.fields
    author = _first_address(claims.get(b"from", []))
    delegate = _first_address(claims.get(b"sender", []))
    delegate = "" if same_mailbox(delegate, author) else delegate
    message_id = message_id_of(outer.get(b"message-id", b""))
    recipients = _read_recipients(block)
    for is_missing, code in (
        (not author and not delegate, DefectCode.SENDER_MISSING),
        (not message_id, DefectCode.MESSAGE_ID_MISSING),
        (not recipients.read, DefectCode.RECIPIENTS_MISSING),
    ):
        if is_missing:
            defects.append(Defect(code, "", start))
    _note_unread(data, start, body, recipients.unread, defects)
    report = JournalReport(
        sender=delegate or author,
        on_behalf_of=author if author and delegate else None,
        recipients=recipients.read,
        subject=one_line(claims[b"subject"][0]) if b"subject" in claims else "",
        message_id=message_id,
    )
    view = memoryview(data)
    part = Part(PartKind.ORIGINAL, "message/rfc822", "", view, 0, end)
    return ParsedReport(
        report=report,
        format=format,
        marker="caller",
        report_id="",
        outer_block=block,
        parts=(part,),
        defects=tuple(defects),
        unparsed=_limited([entry.text for entry in recipients.unread]),
        original=view,
        decrypted=None,
    )


def _note_unread(data: "Buffer", start: int, body: int, entries: list[_UnreadEntry], defects: list[Defect]) -> None:
    """Add a defect for each entry that is not an address, or for the first ones and one for all others."""
    offsets = {field: value_offset(data, start, body, field) for field in {entry.field for entry in entries}}
    room = DEFECT_LIMIT - len(defects)
    count = len(entries) if len(entries) <= room else room - 1
    defects += [Defect(DefectCode.INVALID_VALUE, "", offsets[entry.field]) for entry in entries[:count]]
    if count < len(entries):
        detail = f"{len(entries) - count} more in address fields"
        defects.append(Defect(DefectCode.MORE_DEFECTS, detail, offsets[entries[count].field]))


def _limited(texts: list[str]) -> tuple[str, ...]:
    """The first texts up to the limit, and all others as one more string, each on its own line."""
    if len(texts) > UNPARSED_LIMIT:
        texts[UNPARSED_LIMIT:] = ["\n".join(texts[UNPARSED_LIMIT:])]
    return tuple(texts)


def write_bcc(report: JournalReport, original: "Data | None", options: Options, /) -> bytes:
    """A copy with a Bcc field for recipients. Raises BuildError, and TypeError for a message of another type."""
    return _write_copy(original, report.recipients, everyone=options.bcc_all)


def write_message_only(_report: JournalReport, original: "Data | None", _options: Options, /) -> bytes:
    """A copy without a Bcc field. Raises BuildError, and TypeError for a message of another type."""
    return _write_copy(original, (), everyone=False)


def _write_copy(original: "Data | None", recipients: Sequence[Recipient], *, everyone: bool) -> bytes:
    """The message without its Bcc field, or with one at its top, for the recipients that To and Cc do not name or `everyone`.

    To and Cc name a recipient if they have its exact spelling, or another spelling and its role is To or Cc. Nothing else in
    the message changes.
    """
    if original is None:
        raise BuildError("original", "is required: a copy is the original itself")
    data = in_place(original, "original")
    (mark_end, start), end = _read_lead_in(data), len(data)
    _, body, spans, complete = scan_spans(data, start, end, _BCC_FIELD)
    if not complete:
        raise BuildError("original", f"has a header block of {BLOCK_LIMITS}")
    if recipients and not everyone:
        recipients = _hidden(data[start:body], recipients)
    if recipients:
        # At the end of the data a From line may have no line end of its own.
        is_blank = data[start : start + 1] in (b"\r", b"\n") if start < end else start == mark_end
        if not is_blank and not first_line_is_field(data, start, body):
            raise BuildError("original", "must begin with a header field, or a Bcc field cannot be added")
        first_end = data.find(b"\n", start, body)
        line_end = b"\n" if first_end >= 0 and data[first_end - 1 : first_end] != b"\r" else b"\r\n"
        field = _bcc_field(recipients, line_end)
        lines = data[start:body].count(b"\n") + field.count(b"\n")
        if body - start + len(field) > HEADER_LIMIT or lines > HEADER_LINE_LIMIT:
            raise BuildError("recipients", f"make a header block of {BLOCK_LIMITS}")
        return b"".join([data[:start], field, *without(data, spans, start)])
    return b"".join(without(data, spans))


def _bcc_field(recipients: Sequence[Recipient], line_end: bytes) -> bytes:
    entries = []
    for recipient in recipients:
        name, address = recipient.display_name, recipient.address.encode("utf-8")
        if not name or b"<" in address:  # for many readers a quoted bracket ends the bracketed address
            entries.append(address if _PLAIN.fullmatch(recipient.address) else b"<%b>" % address)
        elif name.isascii() and name.isprintable() and "=?" not in name:
            entries.append(b'"%b" <%b>' % (escape(name).encode("ascii"), address))
        else:
            entries.append(b"%b <%b>" % (encode_words(name), address))
    value = b",\r\n ".join(entries)
    if [mailbox.address for mailbox in mailboxes_of(value)] != [recipient.address for recipient in recipients]:
        raise BuildError("recipients", "have an address that cannot be written in a header field")
    return (b"Bcc: %b\r\n" % value).replace(b"\r\n", line_end)


def _hidden(block: bytes, recipients: Sequence[Recipient]) -> list[Recipient]:
    """The recipients that To and Cc do not name."""
    if any(len(value) > ADDRESS_FIELD_LIMIT and name.lower() in (b"to", b"cc") for name, value in fields(block)):
        raise BuildError("original", f"has a To or Cc field of more than {ADDRESS_FIELD_LIMIT} bytes")
    named = [recipient.address for recipient in _read_recipients(block).read if recipient.role is not Role.BCC]
    spellings, mailboxes = set(map(address_key, named)), set(map(mailbox_key, named))
    return [
        recipient
        for recipient in recipients
        if address_key(recipient.address) not in spellings
        and (recipient.role not in (Role.TO, Role.CC) or mailbox_key(recipient.address) not in mailboxes)
    ]


def _first_address(values: list[bytes]) -> str:
    """The first address in the values of an address field, or ""."""
    return next((address for value in values for address in addresses_of(value)), "")


def _read_recipients(block: bytes) -> _Recipients:
    values: dict[bytes, list[bytes]] = {name: [] for name in _ROLES}
    for name, value in fields(block):
        if name.lower() in values:
            values[name.lower()].append(value)
    recipients: dict[str, Recipient] = {}
    unread: list[_UnreadEntry] = []
    for field, role in _ROLES.items():
        for value in values[field]:
            for display_name, address in mailboxes_of(value):
                if address:
                    recipients.setdefault(address_key(address), Recipient(address, role, display_name=display_name))
                else:
                    unread.append(_UnreadEntry(field, display_name))
    return _Recipients(list(recipients.values()), unread)
