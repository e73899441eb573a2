"""Undeliverable reports: from a bounce to the report inside, byte for byte, ready to be sent again or parsed.

If a journal mailbox refuses a report, the report goes to the alternate journaling mailbox, unaltered, inside a non-delivery
report. It is found there by its marker and cut out as bytes without being read, so even a damaged report is unchanged.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.address_lists import mailboxes_of
from exjournal._wire.beginnings import lead_in, refuse_cr_line_ends, scan_message
from exjournal._wire.buffers import in_place
from exjournal._wire.endings import cut_notice
from exjournal._wire.headers import (
    decode,
    decode_words,
    field_pattern,
    fields,
    first_line_is_field,
    scan,
    unfold,
)
from exjournal._wire.message import message_id_of
from exjournal._wire.multipart import DECODED_ENCODINGS, Leaf, PartInfo, declared, transfer_decoded
from exjournal._wire.parts import content_of, leaves_of
from exjournal.errors import Defect, DefectCode, ParseError, as_member
from exjournal.limits import (
    BOUNCE_LIMIT,
    BOUNCE_TEXT_LIMIT,
    MESSAGE_LIMIT,
    PART_HEADER_LIMIT,
    RETURNED_LINE_LIMIT,
    STATUS_LIMIT,
)
from exjournal.reports.markers import OUTER, marked
from exjournal.reports.models import COPIES, AnyFormat, ParsedReport, ReportFormat
from exjournal.reports.reader import parse_report

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data


# The last one is against RFC 6522, but seen.
_HEADERS_ONLY: Final = ("text/rfc822-headers", "message/global-headers", "message/rfc822-headers")
_STATUS: Final = ("message/delivery-status", "message/global-delivery-status")
OWN_ID: Final = f"@{names.REPORT_ID_DOMAIN}>"
# The defects of a bounce that concern the message inside; the others do not matter.
_KEPT_CODES: Final = frozenset(
    (
        DefectCode.PERHAPS_TRUNCATED,
        DefectCode.BOUNDARY_MISSING,
        DefectCode.BOUNDARY_MISMATCH,
        DefectCode.ANOTHER_MESSAGE,
    )
)


# The details of `perhaps-truncated` if the bounce has a notice in words.
_NOTICE_BEFORE: Final = "said before the message"
_NOTICE_AT_THE_END: Final = "the last lines say so"
_LIMIT_GIVEN: Final = "as large as the limit given before the message"


class DeliveryStatus(NamedTuple):
    """The delivery status of one recipient in a bounce (RFC 3464 section 2.3); a missing field is "".

    * `recipient`: the final recipient; for an undeliverable report, the journal mailbox.
    * `action`: "failed", "delayed", "delivered", "relayed" or "expanded", in lower case.
    * `status`: the code, such as "5.1.1".
    * `diagnostic`: the answer of the server that refused.
    * `original_recipient`: the recipient that the sender named.
    * `remote_mta`: the server that refused.

    Each is one line with a space for NUL, without the type before its semicolon.
    """

    recipient: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    original_recipient: str = ""
    remote_mta: str = ""


class Undeliverable(NamedTuple):
    """The report inside a bounce.

    * `report`: its bytes, or None if the bounce has only its header.
    * `report_id`: its Message-ID.
    * `status`: an entry for each recipient, those of the innermost bounce first.
    * `defects`: damage that the report may have suffered in transit, and the other reports (`another-report`) and messages
      (`extra-part`) in the bounce.
    * `format`: the format of a copy, if the caller asked for one.
    * `found`: where the report was. None for the message part of a `multipart/report`; "mixed" for that of another multipart;
      "attached" for a part of another type, or for a message that is the whole body; "text" for a plain text or a text part.
    """

    report: bytes | None
    report_id: str
    status: tuple[DeliveryStatus, ...]
    defects: tuple[Defect, ...]
    format: ReportFormat | None = None
    found: str | None = None

    def __repr__(self) -> str:
        size = "header only" if self.report is None else f"{len(self.report)} bytes"
        return f"<Undeliverable: {size}, {len(self.status)} recipients>"

    @property
    def parsed(self) -> ParsedReport | None:
        """The report, parsed; None if there is only a header. Raises ParseError if the report is too damaged."""
        if self.report is None:
            return None
        parsed = parse_report(self.report, format=self.format)
        # A copy does not show where it ends, and a report only by its own close delimiter.
        is_cut = any(
            defect.code is DefectCode.PERHAPS_TRUNCATED
            and (self.format in COPIES or defect.detail in (_NOTICE_BEFORE, _NOTICE_AT_THE_END))
            for defect in self.defects
        )
        if not is_cut or any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in parsed.defects):
            return parsed
        cut = Defect(DefectCode.PERHAPS_TRUNCATED, "by the bounce", len(self.report))
        return replace(parsed, defects=(*parsed.defects, cut))


def unwrap_undeliverable(data: "Data", /, *, format: AnyFormat | None = None) -> Undeliverable:
    """Find the report inside a bounce.

    The bounce may be a `multipart/report` (RFC 3464), any multipart with the report as a message in it, a message that is
    attached under another type or is the whole body, or a plain text or text part with the message after it. Anything but a
    `multipart/report` is a bounce if it has a delivery status, or a null Return-Path together with a daemon's From or
    X-Failed-Recipients. A bounce proves nothing: anybody can write one.

    A report is recognized by its marker, and needs no `format`; in a plain text, only if the same signs show a bounce. Copies
    in the BCC or message-only format have no marker: with such a `format`, any message that bounced is a copy, and so is a
    message that is not a bounce. If the report is not where RFC 3464 puts it, `found` and a defect say where it was.

    Bounces of bounces are opened up to five deep, and up to ten messages in a bounce are opened. The first report is returned;
    each report or message after it is a defect with its offset. A report that is not a bounce is returned unchanged, with no
    status. bytes and mmap are read in place; the report is one copy, of which only the header is read.

    Raises ParseError: `no-report-inside` for a bounce of anything else, `not-a-report` for any other message, and the codes of
    limits; InvalidValue for an unknown format; TypeError.
    """
    buffer = in_place(data, "a bounce")
    if lead_in(buffer).block == len(buffer):
        raise ParseError(DefectCode.EMPTY)
    wanted = None if format is None else as_member("format", format, ReportFormat)
    copy = wanted if wanted in COPIES else None
    return _unwrap(buffer, 0, len(buffer), 0, copy)


class _Outside(NamedTuple):
    """A message that may be a bounce: its bytes, where its header block and its body begin, and its content type."""

    data: "Buffer"
    start: int
    body: int
    end: int
    info: PartInfo


def _unwrap(data: "Buffer", begin: int, end: int, depth: int, copy: ReportFormat | None) -> Undeliverable:
    """The report in the message from `begin` to `end`, or the message itself if it is a report."""
    block = scan_message(data, OUTER, begin, end)
    start, body, outer, _ = block
    info = declared(outer.get(b"content-type", b""))
    outside = _Outside(data, start, body, end, info)
    if info.media_type != "multipart/report" and (
        marked(outer)[0] is not None or (copy is not None and not _is_bounce(outside))
    ):
        defects: tuple[Defect, ...] = ()
        if depth and (notice := cut_notice(data, body, end)) is not None:
            defects = (Defect(DefectCode.PERHAPS_TRUNCATED, _NOTICE_AT_THE_END, notice),)
        return Undeliverable(data[begin:end], message_id_of(outer.get(b"message-id", b"")), (), defects, copy)
    refuse_cr_line_ends(data, start, end)
    block.require_complete()
    if depth == BOUNCE_LIMIT and info.family in ("multipart", "message"):
        raise ParseError(DefectCode.NESTING_LIMIT, f"more than {BOUNCE_LIMIT} bounces", begin)
    if info.family == "multipart":
        return _in_parts(outside, depth, copy)
    if info.family == "message":
        value = scan(data, start, end, _ENCODING).fields.get(b"content-transfer-encoding", b"")
        part_defects: list[Defect] = []
        inside = _attached(data, Leaf(declared(b"message/rfc822", value), body, end), depth, copy, part_defects)
        return _elsewhere(inside, "attached", body, part_defects)
    if _has_signs(outside):
        value = scan(data, start, end, _ENCODING).fields.get(b"content-transfer-encoding", b"")
        return _in_text(data, Leaf(declared(b"", value), body, end), depth, copy)
    if depth:
        raise _no_report(begin)
    raise ParseError(DefectCode.NOT_A_REPORT, "no marker, and no message inside")


_ENCODING = field_pattern("content-transfer-encoding")


def _is_bounce(outside: _Outside) -> bool:
    """Whether a message without a marker that is not a `multipart/report` is a bounce."""
    if _has_signs(outside):
        return True
    if outside.info.family != "multipart":
        return False
    try:
        leaves = leaves_of(outside.data, outside.start, outside.body, outside.end, outside.info, [])
    except ParseError:
        return False  # too many parts for a bounce
    return any(leaf.info.media_type in _STATUS for leaf in leaves)


def _has_signs(outside: _Outside) -> bool:
    """Whether the header is that of a bounce: a null Return-Path, and a daemon's From or X-Failed-Recipients.

    Replies out of office and tickets have some of them, never the null Return-Path together with one of the others.
    """
    signs = scan(outside.data, outside.start, outside.end, _SIGNS).fields
    if unfold(signs.get(b"return-path", b"")) != b"<>":
        return False
    return b"x-failed-recipients" in signs or any(
        (mailbox.address or mailbox.name).rpartition("<")[2].partition("@")[0].strip('"> ').lower() in _DAEMONS
        for mailbox in mailboxes_of(signs.get(b"from", b""))
    )


_SIGNS = field_pattern("return-path", "from", "x-failed-recipients")
_DAEMONS: Final = frozenset(("mailer-daemon", "postmaster"))


def _in_parts(outside: _Outside, depth: int, copy: ReportFormat | None) -> Undeliverable:
    """The report in a multipart."""
    data, start, body, end, info = outside
    structure_defects: list[Defect] = []
    leaves = leaves_of(data, start, body, end, info, structure_defects)
    defects = [defect for defect in structure_defects if defect.code in _KEPT_CODES]
    status_parts = [leaf for leaf in leaves if leaf.info.media_type in _STATUS]
    status: list[DeliveryStatus] = []
    room = STATUS_LIMIT
    for leaf in status_parts:
        content = content_of(data, leaf, defects)
        if len(content) > room:
            defects.append(Defect(DefectCode.STATUS_TOO_LARGE, f"more than {STATUS_LIMIT} bytes", leaf.start))
        status += _statuses(content[:room], leaf.start, defects)
        room -= min(room, len(content))
    is_report = info.media_type == "multipart/report"
    inside = _inside(outside, leaves, depth, copy, defects) or _header_only(data, leaves, defects)
    is_in_text = False
    if inside is None and (
        status_parts or _has_signs(outside) or (is_report and info.report_type in ("", "delivery-status"))
    ):
        inside = _in_text_parts(data, leaves, depth, copy)
        is_in_text = inside is not None
    if inside is None:
        # Read receipts and feedback reports are multipart/report as well, and not bounces.
        if (
            depth
            or status_parts
            or (copy is not None and not is_report)
            or (is_report and info.report_type in ("", "delivery-status"))
        ):
            raise _no_report(body)
        raise ParseError(DefectCode.NOT_A_REPORT, "no marker, and no message inside")
    defects += _other_headers(data, leaves, inside.report_id)
    if inside.report is not None:
        # In a text, `_in_text` has searched before the message for a notice; the rest of the text is the message itself.
        if not is_in_text:
            defects += _announced(data, leaves)
        if not is_report and inside.found is None:
            inside = inside._replace(found="mixed")
            if copy is not None:
                defects.append(Defect(DefectCode.FOUND_ELSEWHERE, "mixed", body))
    return inside._replace(status=(*inside.status, *status), defects=(*defects, *inside.defects))


def _elsewhere(inside: Undeliverable, where: str, offset: int, defects: list[Defect]) -> Undeliverable:
    """The result for a report that was found elsewhere, with the defect that says where."""
    elsewhere = Defect(DefectCode.FOUND_ELSEWHERE, where, offset)
    return inside._replace(found=where, defects=(*defects, elsewhere, *inside.defects))


def _in_text_parts(data: "Buffer", leaves: list[Leaf], depth: int, copy: ReportFormat | None) -> Undeliverable | None:
    """The report in the first text part that has one: some gateways turn a plain-text bounce into a multipart."""
    problem: ParseError | None = None
    for leaf in leaves:
        if leaf.info.family == "text" and leaf.info.media_type not in _HEADERS_ONLY:
            try:
                return _in_text(data, leaf, depth, copy)
            except ParseError as error:
                if error.code is not DefectCode.NO_REPORT_INSIDE:
                    problem = problem or error
    if problem is not None:
        raise problem
    return None


def _in_text(data: "Buffer", leaf: Leaf, depth: int, copy: ReportFormat | None) -> Undeliverable:
    """The report after the line of a plain text that announces it, which servers write as they did before MIME.

    Raises ParseError where there is no such line, no header block after it, or no report.
    """
    body, end = leaf.start, leaf.end
    defects: list[Defect] = []
    is_encoded = leaf.info.encoding in DECODED_ENCODINGS
    text: Buffer = data
    first, last = body, end
    if is_encoded:
        text = content_of(data, leaf, defects)
        first, last = 0, len(text)
        # Offsets in decoded content mean nothing to the caller.
        defects.append(Defect(DefectCode.ORIGINAL_ENCODED, leaf.info.encoding, body))
    lines = _RETURNED.finditer(text, max(first - 1, 0), min(last, first + BOUNCE_TEXT_LIMIT))
    for line in islice(lines, RETURNED_LINE_LIMIT):
        is_header = line["header"] is not None
        before = _BEFORE_DIRECTLY if is_header or line["directly"] is not None else _BEFORE_RETURNED
        after = before.match(text, line.end(), last)
        place = last if after is None else after.end()
        header = lead_in(text, place, last).block
        if not first_line_is_field(text, header, last):
            continue
        offset = body if is_encoded else line.start("line")
        _, content, inner, _ = scan(text, header, last, OUTER)
        is_marked = marked(inner)[0] is not None
        if is_header:
            report_id = message_id_of(inner.get(b"message-id", b""))
            if is_marked or report_id.endswith(OWN_ID):
                return _elsewhere(Undeliverable(None, report_id, (), ()), "text", offset, defects)
            continue
        # Only one message is opened, so that texts inside texts take linear time.
        if not is_marked and copy is None and declared(inner.get(b"content-type", b"")).family != "multipart":
            continue
        if depth == BOUNCE_LIMIT:
            raise ParseError(DefectCode.NESTING_LIMIT, f"more than {BOUNCE_LIMIT} bounces", body)
        try:
            inside = _unwrap(text, place, _end_of_returned(text, place, last, line["line"]), depth + 1, copy)
        except ParseError as error:
            raise ParseError(error.code, error.detail, body if is_encoded else error.offset) from None
        if is_encoded:
            inside = inside._replace(defects=tuple([defect._replace(offset=body) for defect in inside.defects]))
        if _ANNOUNCED.search(text, line.start(), place):
            defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, _NOTICE_BEFORE, offset))
        limit = _LIMIT.search(text, line.start(), place)
        if limit is not None and last - content >= int(limit[1]) * _UNITS[limit[2].upper()]:
            defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, _LIMIT_GIVEN, offset))
        return _elsewhere(inside, "text", offset, defects)
    raise _no_report(body)


# The line before a returned message: with dashes (Exim, qmail, sendmail, phquery and others) or without (IMail, EarthLink).
# A message follows some lines directly (Demon, Smail), and others announce nothing but its header (MailEnable, Vade, MX Logic).
_RETURNED = re.compile(
    rb"\n[ \t]*+(?P<line>(?i:"
    rb"-{2,}+[ \t]*+(?:this is a copy of (?:the|your) message, including all the headers"
    rb"|below (?:this|the next) line is a copy of the message"
    rb"|(?:the )?(?:unsent|original|returned) (?:message|mail)(?: follows| below)?)"
    rb"|original message follows\.|a copy of the original message below this line:"
    rb"|(?P<directly>-{2,}+[ \t]*+start of returned message|\|-{2,}+ message text follows: -{2,}+\|)"
    rb"|(?P<header>-{2,}+[ \t]*+(?:this is a copy of (?:the|your) message's headers|message header follows"
    rb"|the header of the original message is following)"
    rb"|message headers follow:|original message headers:|included is a copy of the message header:)"
    rb")[^\w\n]*+)\n"
)
# Lines about the message, which Exim writes if it returns only the beginning; then a blank line.
_BEFORE_RETURNED = re.compile(rb"(?:[ \t]*+--[^\n]*+\n){0,8}+(?:[ \t]*+\r?\n)++")
# The same before a header alone, or before a message that may follow directly.
_BEFORE_DIRECTLY = re.compile(rb"(?:[ \t]*+--[^\n]*+\n){0,8}+(?:[ \t]*+\r?\n)*+")
# The words in the line before a message, and those in the line that closes it: USA.NET, phquery and Demon.
_CLOSED_BY: Final = {
    b"returned mail follows": b"end of returned mail",
    b"unsent message below": b"end of unsent message",
    b"start of returned message": b"end of returned message",
}
# Bytes at the end of a text in which the closing line is searched for, including blank lines after it.
_CLOSING_SIZE: Final = 256
_BLANK_LINE_AT_THE_END = re.compile(rb"(?<=\n)\r?\n\Z")


def _end_of_returned(text: "Buffer", start: int, end: int, line: bytes) -> int:
    """Where the message after `line` ends: before a last line that closes it, and before one blank line above that."""
    words = line.lower()
    closed_by = next((closing for opening, closing in _CLOSED_BY.items() if opening in words), None)
    if closed_by is None:
        return end
    first = max(start, end - _CLOSING_SIZE)
    tail = text[first:end].rstrip()
    begin = tail.rfind(b"\n") + 1
    last_line = tail[begin:].strip()
    if begin == 0 or not last_line.startswith(b"--") or last_line.strip(b" \t-").lower() != closed_by:
        return end
    blank = _BLANK_LINE_AT_THE_END.search(tail, max(0, begin - 3), begin)
    return first + (begin if blank is None else blank.start())


# Exim writes this before a message that is over its size limit.
_ANNOUNCED = re.compile(rb"(?i:is \d{1,20} (?:characters|bytes|octets) long;? only the first)")
# Exim writes this if it returns at most this much of any message; a line end may count as one byte or two.
_LIMIT = re.compile(rb"(?i:no more than (\d{1,9})([km]?) (?:characters|bytes) of the body are included)")
_UNITS: Final = {b"": 1, b"K": 1000, b"M": 1_000_000}
# Bytes at the end of a text part in which the announcement is searched for.
_LAST_TEXT: Final = 1024


def _announced(data: "Buffer", leaves: list[Leaf]) -> Iterator[Defect]:
    """A defect for each text before or next to the message whose end says that only a part is returned."""
    for leaf in leaves:
        if leaf.info.family == "text":
            text = content_of(data, leaf, [])[-_LAST_TEXT:] if leaf.info.encoding in DECODED_ENCODINGS else b""
            text = text or data[max(leaf.start, leaf.end - _LAST_TEXT) : leaf.end]
            if _ANNOUNCED.search(text):
                yield Defect(DefectCode.PERHAPS_TRUNCATED, _NOTICE_BEFORE, leaf.start)


def _others(outside: _Outside, leaves: list[Leaf]) -> list[Leaf]:
    """The parts that declare another type or none, but are messages by their file name, or by their place in a digest."""
    data = outside.data
    digest: int | None = None
    messages: list[Leaf] = []
    for leaf in leaves:
        if leaf.info.family not in ("text", "other") or leaf.info.media_type in (*_STATUS, *_HEADERS_ONLY):
            continue
        block = data[max(outside.body - 1, leaf.start - PART_HEADER_LIMIT) : leaf.start]
        block = block[block.rfind(b"\n--") + 1 :].partition(b"\n")[2]
        is_message = any(
            decode_words(decode(value[1].strip(b'"'))).lower().endswith(".eml")
            for value in islice(_NAME.finditer(block), _NAME_LIMIT)
        )
        if not is_message and b"content-type" not in block.lower():
            if digest is None:
                place = _DIGEST.search(data, outside.start, min(outside.end, outside.body + _DIGEST_LIMIT))
                digest = outside.end if place is None else place.end()
            is_message = leaf.start > digest
        if is_message:
            messages.append(leaf)
    return messages


# The name of a part, in Content-Type or Content-Disposition.
_NAME = re.compile(rb'(?i:name)[*0-9]*+[ \t]*+=[ \t]*+("[^"]*+"?|[^\s;]*+)')
# Names in a part header block that are checked: most have two.
_NAME_LIMIT: Final = 8
# The default type of a part in a digest is message/rfc822 (RFC 2046 section 5.1.5).
_DIGEST = re.compile(rb"(?i:multipart/digest)")
# Bytes of a body in which a digest is searched for.
_DIGEST_LIMIT: Final = 64 << 10


def _no_report(offset: int) -> ParseError:
    return ParseError(DefectCode.NO_REPORT_INSIDE, "a bounce of another message", offset)


def _inside(
    outside: _Outside, leaves: list[Leaf], depth: int, copy: ReportFormat | None, defects: list[Defect]
) -> Undeliverable | None:
    """The report in the first attached message that is or has one. If there is none, raises the error of the first message.

    Every other report, every message after the report, and every message that could not be opened is added to the defects.
    """
    data = outside.data
    messages = [leaf for leaf in leaves if leaf.info.family == "message"]
    declared_count = len(messages)
    messages += _others(outside, leaves)
    result: Undeliverable | None = None
    problem: ParseError | None = None
    others: list[Defect] = []
    for number, leaf in enumerate(messages, start=1):
        name = f"message {number} of {len(messages)}"
        if number > MESSAGE_LIMIT:
            others.append(Defect(DefectCode.EXTRA_PART, f"{name}, which was not opened", leaf.start))
            continue
        part_defects: list[Defect] = []
        try:
            inside = _attached(data, leaf, depth, copy, part_defects)
        except ParseError as error:
            # A file is not a message just because of its name.
            if number <= declared_count:
                problem = problem or error
            # A bounce with the same boundary as the bounce around it appears as a message without parts, before the report.
            if result is not None or error.code is not DefectCode.NO_REPORT_INSIDE:
                others.append(Defect(DefectCode.EXTRA_PART, f"{name}: {error.code}", leaf.start))
            continue
        if result is not None:
            others.append(Defect(DefectCode.ANOTHER_REPORT, name, leaf.start))
            continue
        result = inside if number <= declared_count else _elsewhere(inside, "attached", leaf.start, [])
        defects += part_defects
    if result is not None:
        defects += others
    elif problem is not None:
        raise problem
    return result


def _attached(
    data: "Buffer", leaf: Leaf, depth: int, copy: ReportFormat | None, defects: list[Defect]
) -> Undeliverable:
    """The report in an attached message, or the message itself. Raises ParseError, with an offset in `data`."""
    if leaf.info.encoding not in DECODED_ENCODINGS:
        return _unwrap(data, leaf.start, leaf.end, depth + 1, copy)
    content = content_of(data, leaf, defects)
    try:
        inside = _unwrap(content, 0, len(content), depth + 1, copy)
    except ParseError as error:
        raise ParseError(error.code, error.detail, leaf.start) from None
    # Against RFC 2046 section 5.2.1, but seen. Offsets in decoded content mean nothing to the caller.
    encoded = Defect(DefectCode.ORIGINAL_ENCODED, leaf.info.encoding, leaf.start)
    return inside._replace(defects=(encoded, *[defect._replace(offset=leaf.start) for defect in inside.defects]))


def _header_only(data: "Buffer", leaves: list[Leaf], defects: list[Defect]) -> Undeliverable | None:
    """The id of a report of which a bounce has only the header (RFC 6522 section 4)."""
    report_id = next((report_id for _, report_id in _headers_of_reports(data, leaves, defects)), None)
    return None if report_id is None else Undeliverable(None, report_id, (), ())


def _headers_of_reports(data: "Buffer", leaves: list[Leaf], defects: list[Defect]) -> Iterator[tuple[Leaf, str]]:
    """The parts that are the header of a report, each with the id of the report."""
    for leaf in leaves:
        if leaf.info.media_type in _HEADERS_ONLY:
            header = content_of(data, leaf, defects)
            outer = scan_message(header, OUTER).fields
            report_id = message_id_of(outer.get(b"message-id", b""))
            # Some servers return only a few fields: the id shows a report as well.
            if marked(outer)[0] is not None or report_id.endswith(OWN_ID):
                yield leaf, report_id


def _other_headers(data: "Buffer", leaves: list[Leaf], report_id: str) -> Iterator[Defect]:
    """A defect for each header of a report other than the one that was found; many bounces have both of one report."""
    for leaf, other in _headers_of_reports(data, leaves, []):
        if other != report_id:
            yield Defect(DefectCode.ANOTHER_REPORT, "only its header", leaf.start)


def _statuses(content: bytes, start: int, defects: list[Defect]) -> Iterator[DeliveryStatus]:
    """The groups of fields in a delivery status that are about a recipient; the first group is about the message."""
    for values in _groups(content, start, defects):
        if values.keys() & _ABOUT_A_RECIPIENT:
            yield DeliveryStatus(
                recipient=_address(values.get(b"final-recipient", "")),
                action=values.get(b"action", "").partition("(")[0].strip().lower(),  # a comment may follow it
                status=values.get(b"status", "").partition("(")[0].strip(),
                diagnostic=_typed(values.get(b"diagnostic-code", "")),
                original_recipient=_address(values.get(b"original-recipient", "")),
                remote_mta=_typed(values.get(b"remote-mta", "")),
            )


def _groups(content: bytes, start: int, defects: list[Defect]) -> Iterator[dict[bytes, str]]:
    """The groups of fields, separated by empty lines and by recipients, with the first field of each name."""
    encoding, is_damaged = "", False
    for number, block in enumerate(_EMPTY_LINE.split(content.lstrip())):
        # Some gateways encode the groups after the first one, as a field in the first one declares.
        decoded = block
        if encoding and (encoding != "base64" or b":" not in block):
            decoded, damage = transfer_decoded(block, 0, len(block), encoding)
            if damage is not None and not is_damaged:
                is_damaged = True
                defects.append(Defect(DefectCode.TRANSFER_ENCODING_DAMAGED, encoding, start))
        for group in _EMPTY_LINE.split(decoded):
            values: dict[bytes, str] = {}
            pairs = [
                (name.lower(), " ".join(decode(unfold(value)).replace("\0", " ").split()))
                for name, value in fields(group.lstrip())
            ]
            for (name, value), following in zip(pairs, [*pairs[1:], None], strict=False):
                if _begins_group(name, value, following, values):
                    yield values
                    values = {}
                values.setdefault(name, value)
            if number == 0:
                encoding = values.get(b"content-transfer-encoding", "").lower()
                encoding = encoding if encoding in DECODED_ENCODINGS else ""
            yield values


def _begins_group(name: bytes, value: str, following: tuple[bytes, str] | None, values: dict[bytes, str]) -> bool:
    """Whether a field is about another recipient than the fields before it. Some servers write no empty line between them."""
    final = values.get(b"final-recipient")
    is_followed = following is not None and following[0] == b"final-recipient" and following[1] != final
    if name == b"original-recipient" and final is not None and is_followed:
        return True
    return name in _RECIPIENTS and values.get(name, value) != value


_RECIPIENTS: Final = (b"final-recipient", b"original-recipient")
_EMPTY_LINE = re.compile(rb"\n[ \t]*+\r?\n")
_ABOUT_A_RECIPIENT: Final = frozenset((b"final-recipient", b"original-recipient", b"status", b"action"))


def _typed(value: str) -> str:
    """A value without the type before it: `rfc822; journal@example.com`, `smtp; 550 no`."""
    before, semicolon, typed = value.partition(";")
    letters = before.strip(" ").replace("-", "x")  # a type is letters, digits and dashes
    return typed.lstrip(" ") if semicolon and letters.isascii() and letters.isalnum() else value


def _address(value: str) -> str:
    """The address of a recipient, which some gateways write in angle brackets."""
    address = _typed(value)
    return address[1:-1].strip() if address[:1] == "<" and address[-1:] == ">" else address
