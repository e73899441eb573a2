"""Copies, both ways: reports in the BCC and message-only formats, which are the message itself and say nothing of journaling.

Who received such a message stands nowhere but in its own header, where its sender wrote it.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

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


def _places(octets: "Buffer") -> tuple[int, int, int]:
    """The end of a byte order mark, where the header block begins, and where a From line before it does.

    A blank line is not passed over, as it is before a report, but ends the block: a message that had but a Bcc field begins
    with one when that is cut, and its body is no header.
    """
    mark, blank, begin = lead_in(octets)
    return (mark, begin, mark) if blank == mark else (mark, mark, mark)


def read_copy(octets: "Buffer", format: ReportFormat, /) -> ParsedReport:
    """Read a copy: the original is all of it, its facts are claims of its header block.

    A recipient that is named several times is one, and has the first of the roles To, Cc, Bcc that the message gives it.
    Another spelling is another recipient: only its host knows which mailbox it belongs to.
    """
    (mark, start, from_line), end = _places(octets), len(octets)
    defects: list[Defect] = []
    if mark:
        defects.append(Defect(DefectCode.LEADING_BOM, "", 0))
    if start != from_line:
        defects.append(Defect(DefectCode.LEADING_FROM_LINE, "", from_line))
    header = scan(octets, start, end, OUTER)
    refuse_cr_line_ends(octets, start, end)
    header.require_complete()
    outer, body = header.fields, header.body
    block = octets[start:body]
    if not first_line_is_field(octets, start, body):
        defects.append(Defect(DefectCode.ORIGINAL_WITHOUT_HEADERS, "", start))
    if marked(outer)[0] is not None:
        defects.append(Defect(DefectCode.NESTED_REPORT, "the copy is a report itself", start))
    if is_unclosed(octets, body, end, outer.get(b"content-type", b"")):
        defects.append(Defect(DefectCode.ORIGINAL_UNCLOSED, "", start))
    notice = cut_notice(octets, body, end)
    if notice is not None and not is_closed_bounce(octets, start, end):
        defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, "the last lines say so", notice))
    header_values = scan_all(octets, start, end, field_pattern("from", "sender", "subject"))
    header_values.require_complete()
    values = header_values.fields
    author = _first_address(values.get(b"from", []))
    delegate = _first_address(values.get(b"sender", []))
    delegate = "" if same_mailbox(delegate, author) else delegate
    message_id = message_id_of(outer.get(b"message-id", b""))
    recipients, unparsed = _recipients(block)
    for is_missing, code in (
        (not author and not delegate, DefectCode.SENDER_MISSING),
        (not message_id, DefectCode.MESSAGE_ID_MISSING),
        (not recipients, DefectCode.RECIPIENTS_MISSING),
    ):
        if is_missing:
            defects.append(Defect(code, "", start))
    offsets = {name: value_offset(octets, start, body, name) for name in {name for name, _ in unparsed}}
    room = DEFECT_LIMIT - len(defects)
    said = unparsed if len(unparsed) <= room else unparsed[: room - 1]
    defects += [Defect(DefectCode.INVALID_VALUE, "", offsets[name]) for name, _ in said]
    if len(said) < len(unparsed):
        more = f"{len(unparsed) - len(said)} more in address fields"
        defects.append(Defect(DefectCode.MORE_DEFECTS, more, offsets[unparsed[len(said)][0]]))
    report = JournalReport(
        sender=delegate or author,
        on_behalf_of=author if author and delegate else None,
        recipients=recipients,
        subject=one_line(values[b"subject"][0]) if b"subject" in values else "",
        message_id=message_id,
    )
    view = memoryview(octets)
    part = Part(PartKind.ORIGINAL, "message/rfc822", "", view, 0, end)
    return ParsedReport(
        report=report,
        format=format,
        marker="caller",
        report_id="",
        outer_block=block,
        parts=(part,),
        defects=tuple(defects),
        unparsed=_kept([text for _, text in unparsed]),
        original=view,
        decrypted=None,
    )


def _kept(entries: list[str]) -> tuple[str, ...]:
    """Entries that are not addresses, each a string of its own; those beyond the limit are one string, each on a line."""
    if len(entries) > UNPARSED_LIMIT:
        entries[UNPARSED_LIMIT:] = ["\n".join(entries[UNPARSED_LIMIT:])]
    return tuple(entries)


def write_bcc(report: JournalReport, original: "Data | None", options: Options, /) -> bytes:
    """A copy with a Bcc field for recipients. Raises BuildError, and TypeError for a message of another type."""
    return _write_copy(original, report.recipients, everyone=options.bcc_all)


def write_message_only(_report: JournalReport, original: "Data | None", _options: Options, /) -> bytes:
    """A copy without a Bcc field. Raises BuildError, and TypeError for a message of another type."""
    return _write_copy(original, (), everyone=False)


def _write_copy(original: "Data | None", recipients: Sequence[Recipient], *, everyone: bool) -> bytes:
    """The message without its Bcc field, or with one for the recipients that its To and Cc do not name, or for `everyone`.

    To and Cc name a recipient by its own spelling, and by another one where its role says that they do. Nothing else is
    touched. The field stands first in the header block. Raises BuildError.
    """
    if original is None:
        raise BuildError("original", "is required: a copy is the original itself")
    octets = in_place(original, "original")
    (_, start, from_line), end = _places(octets), len(octets)
    _, body, spans, complete = scan_spans(octets, start, end, span_pattern(("bcc",)))
    if not complete:
        raise BuildError("original", f"has a header block of {BLOCK_LIMITS}")
    if recipients and not everyone:
        recipients = _hidden(octets[start:body], recipients)
    if recipients:
        # At the end of the data a From line may have no line end of its own.
        has_room = octets[start : start + 1] in (b"\r", b"\n") if start < end else start == from_line
        if not has_room and not first_line_is_field(octets, start, body):
            raise BuildError("original", "begins with no header field: a Bcc field has no place in it")
        first_end = octets.find(b"\n", start, body)
        line_end = b"\n" if first_end >= 0 and octets[first_end - 1 : first_end] != b"\r" else b"\r\n"
        field = _bcc_field(recipients, line_end)
        lines = octets[start:body].count(b"\n") + field.count(b"\n")
        if body - start + len(field) > HEADER_LIMIT or lines > HEADER_LINE_LIMIT:
            raise BuildError("recipients", f"make a header block of {BLOCK_LIMITS}")
        return b"".join([octets[:start], field, *without(octets, spans, start)])
    return b"".join(without(octets, spans))


# An address that stands in an address list as it is (RFC 5322 section 3.4.1).
_PLAIN = re.compile(r'[^\s"(),:;<>@\[\]\\]+@[^\s"(),:;<>@\[\]\\]+')


def _bcc_field(recipients: Sequence[Recipient], line_end: bytes) -> bytes:
    entries = []
    for one in recipients:
        address = one.address.encode("utf-8")
        if not one.display_name or "<" in one.address:  # a bracket in quotes ends the brackets, for many a reader
            entries.append(address if _PLAIN.fullmatch(one.address) else b"<%b>" % address)
        elif one.display_name.isascii() and one.display_name.isprintable() and "=?" not in one.display_name:
            entries.append(b'"%b" <%b>' % (escape(one.display_name).encode("ascii"), address))
        else:
            entries.append(b"%b <%b>" % (encode_words(one.display_name), address))
    value = b",\r\n ".join(entries)
    if [mailbox.address for mailbox in mailboxes_of(value)] != [one.address for one in recipients]:
        raise BuildError("recipients", "hold an address that has no place in a header field")
    return (b"Bcc: %b\r\n" % value).replace(b"\r\n", line_end)


def _hidden(block: bytes, recipients: Sequence[Recipient]) -> list[Recipient]:
    """The recipients that To and Cc do not name."""
    if any(len(value) > ADDRESS_FIELD_LIMIT and name.lower() in (b"to", b"cc") for name, value in fields(block)):
        raise BuildError("original", f"has a To or Cc field of more than {ADDRESS_FIELD_LIMIT} bytes")
    named = [one.address for one in _recipients(block)[0] if one.role is not Role.BCC]
    spellings, mailboxes = set(map(address_key, named)), set(map(mailbox_key, named))
    return [
        one
        for one in recipients
        if address_key(one.address) not in spellings
        and (one.role not in (Role.TO, Role.CC) or mailbox_key(one.address) not in mailboxes)
    ]


def _first_address(values: list[bytes]) -> str:
    """The first address in some address fields, or ""."""
    return next((address for value in values for address in addresses_of(value)), "")


def _recipients(block: bytes) -> tuple[list[Recipient], list[tuple[bytes, str]]]:
    """The recipients of a header block, by role, and each entry that is no address with the name of its field."""
    values: dict[bytes, list[bytes]] = {name: [] for name in _ROLES}
    for name, value in fields(block):
        if name.lower() in values:
            values[name.lower()].append(value)
    found: dict[str, Recipient] = {}
    unparsed: list[tuple[bytes, str]] = []
    for field, role in _ROLES.items():
        for value in values[field]:
            for display_name, address in mailboxes_of(value):
                if address:
                    found.setdefault(address_key(address), Recipient(address, role, display_name=display_name))
                else:
                    unparsed.append((field, display_name))
    return list(found.values()), unparsed
