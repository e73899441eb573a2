"""Undeliverable reports: from a bounce to the report inside, byte for byte, ready to be sent again or parsed.

A journal report that its mailbox refused goes to the alternate journaling mailbox, unaltered, inside a non-delivery report.
What is inside is found by its marker and cut out as bytes; nothing of it is read, so a damaged report comes out as it went in.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
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
from exjournal._wire.message import mailboxes_of, message_id_of
from exjournal._wire.multipart import DECODED_ENCODINGS, Leaf, PartInfo, declared, transfer_decoded
from exjournal._wire.parts import content_of, leaves_of
from exjournal.errors import Defect, DefectCode, InvalidValue, ParseError
from exjournal.limits import (
    BOUNCE_LIMIT,
    BOUNCE_TEXT_LIMIT,
    MESSAGE_LIMIT,
    PART_HEADER_LIMIT,
    RETURNED_LINE_LIMIT,
    STATUS_LIMIT,
)
from exjournal.reports.markers import OUTER, marked
from exjournal.reports.models import COPIES, ParsedReport, ReportFormat
from exjournal.reports.reader import parse_report

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data


# The last one is against RFC 6522, and met.
_HEADERS_ONLY: Final = ("text/rfc822-headers", "message/global-headers", "message/rfc822-headers")
_STATUS: Final = ("message/delivery-status", "message/global-delivery-status")
OWN_ID: Final = f"@{names.REPORT_ID_DOMAIN}>"
# Of the oddities of a bounce only these concern what is cut out of it.
_TELLING: Final = frozenset(
    (
        DefectCode.PERHAPS_TRUNCATED,
        DefectCode.BOUNDARY_MISSING,
        DefectCode.BOUNDARY_MISMATCH,
        DefectCode.ANOTHER_MESSAGE,
    )
)


# What the detail of `perhaps-truncated` says where the bounce has a notice in words.
_SAID_BEFORE: Final = "said before the message"
_SAID_AT_THE_END: Final = "the last lines say so"
_LIMIT_GIVEN: Final = "as large as the limit given before the message"


class DeliveryStatus(NamedTuple):
    """What a bounce says of one recipient (RFC 3464 section 2.3); "" where it says nothing.

    `recipient` is the final one, for an undeliverable report the journal mailbox. `status` is the code ("5.1.1"), `diagnostic`
    the answer of the server that refused. Each is one line with a space for NUL, without the type before its semicolon.
    """

    recipient: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    original_recipient: str = ""
    remote_mta: str = ""


class Undeliverable(NamedTuple):
    """The report inside a bounce.

    `report` holds its bytes, or None where the bounce carries only its header; `report_id` is its Message-ID. `status` has an
    entry for each recipient, those of the innermost bounce first. `defects` show what may have harmed the report on its way,
    and which other reports (`another-report`) and messages (`extra-part`) are in the bounce. `format` is that of a copy, where
    the caller said that it is one. `found` is None for the message part of a `multipart/report`; "mixed" for that of another
    multipart; "attached" for a part of another type, or for a message that is the whole body; "text" for a plain text, or a
    text part.
    """

    report: bytes | None
    report_id: str
    status: tuple[DeliveryStatus, ...]
    defects: tuple[Defect, ...]
    format: ReportFormat | None = None
    found: str | None = None

    def __repr__(self) -> str:
        size = "header only" if self.report is None else f"{len(self.report)} octets"
        return f"<Undeliverable: {size}, {len(self.status)} recipients>"

    @property
    def parsed(self) -> ParsedReport | None:
        """The report as it parses, None where there is only a header. Raises ParseError for one that is too damaged."""
        if self.report is None:
            return None
        parsed = parse_report(self.report, format=self.format)
        # A copy does not show where it ends, and a report only as far as its own close delimiter is there.
        is_cut = any(
            defect.code is DefectCode.PERHAPS_TRUNCATED
            and (self.format in COPIES or defect.detail in (_SAID_BEFORE, _SAID_AT_THE_END))
            for defect in self.defects
        )
        if not is_cut or any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in parsed.defects):
            return parsed
        cut = Defect(DefectCode.PERHAPS_TRUNCATED, "by the bounce", len(self.report))
        return replace(parsed, defects=(*parsed.defects, cut))


def unwrap_undeliverable(data: "Data", /, *, format: ReportFormat | None = None) -> Undeliverable:
    """The report inside a bounce: a `multipart/report` (RFC 3464), any multipart with the report as a message in it, a message
    that is attached under another type or is the whole body, or a plain text or text part with the message after it.

    Nothing marks a copy in the BCC or message-only format: with such a `format` whatever message bounced is one, as is a
    message that is not a bounce. What is not a `multipart/report` is a bounce by its delivery status, or by a null Return-Path
    together with a daemon's From or X-Failed-Recipients. A report is known by its marker, and needs no format; out of a plain
    text it comes only where the same signs show a bounce. `found` and a defect say where a report was found that was not where
    RFC 3464 puts it. A bounce proves nothing: anybody can write one.

    Bounces of bounces are opened up to five deep, and of the messages in a bounce ten are looked at. The first report in a
    bounce comes out; each report or message after it is a defect with its offset. A report that is not a bounce comes back as
    it is, with no status. bytes and mmap are read in place; the report is one copy.

    Raises InvalidValue for a format that does not exist, and ParseError: `no-report-inside` for a bounce of anything else,
    `not-a-report` for what is neither, and the codes of limits.
    """  # noqa: D205
    octets = in_place(data, "a bounce")
    if lead_in(octets).block == len(octets):
        raise ParseError(DefectCode.EMPTY)
    if format is not None and format not in ReportFormat.__members__.values():
        raise InvalidValue("format", "is no report format")
    copy = format if format in COPIES else None
    return _unwrap(octets, 0, len(octets), 0, copy)


class _Outside(NamedTuple):
    """A message that may be a bounce: its bytes, where its header block begins and where its body, and what it declares."""

    octets: "Buffer"
    start: int
    body: int
    end: int
    info: PartInfo


def _unwrap(octets: "Buffer", begin: int, end: int, depth: int, copy: ReportFormat | None) -> Undeliverable:
    """The report that the message from `begin` to `end` is, or holds."""
    block = scan_message(octets, OUTER, begin, end)
    start, body, outer, _ = block
    info = declared(outer.get(b"content-type", b""))
    outside = _Outside(octets, start, body, end, info)
    if info.media_type != "multipart/report" and (
        marked(outer)[0] is not None or (copy is not None and not _is_bounce(outside))
    ):
        defects: tuple[Defect, ...] = ()
        if depth and (notice := cut_notice(octets, body, end)) is not None:
            defects = (Defect(DefectCode.PERHAPS_TRUNCATED, _SAID_AT_THE_END, notice),)
        return Undeliverable(octets[begin:end], message_id_of(outer.get(b"message-id", b"")), (), defects, copy)
    refuse_cr_line_ends(octets, start, end)
    block.require_complete()
    if depth == BOUNCE_LIMIT and info.family in ("multipart", "message"):
        raise ParseError(DefectCode.NESTING_LIMIT, f"more than {BOUNCE_LIMIT} bounces", begin)
    if info.family == "multipart":
        return _in_parts(outside, depth, copy)
    if info.family == "message":
        value = scan(octets, start, end, _ENCODING).fields.get(b"content-transfer-encoding", b"")
        noted: list[Defect] = []
        inside = _attached(octets, Leaf(declared(b"message/rfc822", value), body, end), depth, copy, noted)
        return _elsewhere(inside, "attached", body, noted)
    if _has_signs(outside):
        value = scan(octets, start, end, _ENCODING).fields.get(b"content-transfer-encoding", b"")
        return _in_text(octets, Leaf(declared(b"", value), body, end), depth, copy)
    if depth:
        raise _no_report(begin)
    raise ParseError(DefectCode.NOT_A_REPORT, "no marker, and no message inside")


_ENCODING = field_pattern("content-transfer-encoding")


def _is_bounce(outside: _Outside) -> bool:
    """Whether a message that nothing marks, and that is not a `multipart/report`, is a bounce."""
    if _has_signs(outside):
        return True
    if outside.info.family != "multipart":
        return False
    try:
        leaves = leaves_of(outside.octets, outside.start, outside.body, outside.end, outside.info, [])
    except ParseError:
        return False  # more parts than any bounce has
    return any(leaf.info.media_type in _STATUS for leaf in leaves)


def _has_signs(outside: _Outside) -> bool:
    """Whether the header is that of a bounce: a null Return-Path, and a daemon's From or X-Failed-Recipients.

    Replies out of office and tickets have some of them, never the null Return-Path together with one of the others.
    """
    found = scan(outside.octets, outside.start, outside.end, _SIGNS).fields
    if unfold(found.get(b"return-path", b"")) != b"<>":
        return False
    return b"x-failed-recipients" in found or any(
        (one.address or one.name).rpartition("<")[2].partition("@")[0].strip('"> ').lower() in _DAEMONS
        for one in mailboxes_of(found.get(b"from", b""))
    )


_SIGNS = field_pattern("return-path", "from", "x-failed-recipients")
_DAEMONS: Final = frozenset(("mailer-daemon", "postmaster"))


def _in_parts(outside: _Outside, depth: int, copy: ReportFormat | None) -> Undeliverable:
    """The report in a multipart."""
    octets, start, body, end, info = outside
    noted: list[Defect] = []
    leaves = leaves_of(octets, start, body, end, info, noted)
    defects = [defect for defect in noted if defect.code in _TELLING]
    told = [leaf for leaf in leaves if leaf.info.media_type in _STATUS]
    status: list[DeliveryStatus] = []
    room = STATUS_LIMIT
    for leaf in told:
        content = content_of(octets, leaf, defects)
        if len(content) > room:
            defects.append(Defect(DefectCode.STATUS_TOO_LARGE, f"more than {STATUS_LIMIT} octets", leaf.start))
        status += _statuses(content[:room], leaf.start, defects)
        room -= min(room, len(content))
    is_report = info.media_type == "multipart/report"
    inside = _inside(outside, leaves, depth, copy, defects) or _header_only(octets, leaves, defects)
    is_in_text = False
    if inside is None and (told or _has_signs(outside) or (is_report and info.report_type in ("", "delivery-status"))):
        inside = _in_text_parts(octets, leaves, depth, copy)
        is_in_text = inside is not None
    if inside is None:
        # Read receipts and feedback reports are multipart/report as well, and not bounces.
        if (
            depth
            or told
            or (copy is not None and not is_report)
            or (is_report and info.report_type in ("", "delivery-status"))
        ):
            raise _no_report(body)
        raise ParseError(DefectCode.NOT_A_REPORT, "no marker, and no message inside")
    defects += _other_headers(octets, leaves, inside.report_id)
    if inside.report is not None:
        # `_in_text` has looked for the notice before a message in a text; after that, the text is the message's own.
        if not is_in_text:
            defects += _announced(octets, leaves)
        if not is_report and inside.found is None:
            inside = inside._replace(found="mixed")
            if copy is not None:
                defects.append(Defect(DefectCode.FOUND_ELSEWHERE, "mixed", body))
    return inside._replace(status=(*inside.status, *status), defects=(*defects, *inside.defects))


def _elsewhere(inside: Undeliverable, where: str, offset: int, defects: list[Defect]) -> Undeliverable:
    """What was found, with the defect that says where."""
    found = Defect(DefectCode.FOUND_ELSEWHERE, where, offset)
    return inside._replace(found=where, defects=(*defects, found, *inside.defects))


def _in_text_parts(octets: "Buffer", leaves: list[Leaf], depth: int, copy: ReportFormat | None) -> Undeliverable | None:
    """The report in the first text part that holds one: some gateways turn a plain-text bounce into a multipart."""
    problem: ParseError | None = None
    for leaf in leaves:
        if leaf.info.family == "text" and leaf.info.media_type not in _HEADERS_ONLY:
            try:
                return _in_text(octets, leaf, depth, copy)
            except ParseError as error:
                if error.code is not DefectCode.NO_REPORT_INSIDE:
                    problem = problem or error
    if problem is not None:
        raise problem
    return None


def _in_text(octets: "Buffer", leaf: Leaf, depth: int, copy: ReportFormat | None) -> Undeliverable:
    """The report after the line of a plain text that announces it, which servers write as they did before MIME.

    Raises ParseError where there is no such line, no header block after it, or no report.
    """
    body, end = leaf.start, leaf.end
    defects: list[Defect] = []
    is_encoded = leaf.info.encoding in DECODED_ENCODINGS
    text: Buffer = octets
    first, last = body, end
    if is_encoded:
        text = content_of(octets, leaf, defects)
        first, last = 0, len(text)
        # Offsets after an encoding mean nothing to the caller.
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
        at = body if is_encoded else line.start("line")
        _, content, found, _ = scan(text, header, last, OUTER)
        is_marked = marked(found)[0] is not None
        if is_header:
            report_id = message_id_of(found.get(b"message-id", b""))
            if is_marked or report_id.endswith(OWN_ID):
                return _elsewhere(Undeliverable(None, report_id, (), ()), "text", at, defects)
            continue
        # One message is opened, so that texts in texts cost no more than their size.
        if not is_marked and copy is None and declared(found.get(b"content-type", b"")).family != "multipart":
            continue
        if depth == BOUNCE_LIMIT:
            raise ParseError(DefectCode.NESTING_LIMIT, f"more than {BOUNCE_LIMIT} bounces", body)
        try:
            inside = _unwrap(text, place, _end_of_returned(text, place, last, line["line"]), depth + 1, copy)
        except ParseError as error:
            raise ParseError(error.code, error.detail, body if is_encoded else error.offset) from None
        if is_encoded:
            inside = inside._replace(defects=tuple([one._replace(offset=body) for one in inside.defects]))
        if _ANNOUNCED.search(text, line.start(), place):
            defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, _SAID_BEFORE, at))
        limit = _LIMIT.search(text, line.start(), place)
        if limit is not None and last - content >= int(limit[1]) * _UNITS[limit[2].upper()]:
            defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, _LIMIT_GIVEN, at))
        return _elsewhere(inside, "text", at, defects)
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
# Lines that say more of it, as Exim does where it returns only the beginning; then a blank line.
_BEFORE_RETURNED = re.compile(rb"(?:[ \t]*+--[^\n]*+\n){0,8}+(?:[ \t]*+\r?\n)++")
# The same before a header alone, or a message that may follow directly.
_BEFORE_DIRECTLY = re.compile(rb"(?:[ \t]*+--[^\n]*+\n){0,8}+(?:[ \t]*+\r?\n)*+")
# The words of lines before a message that another line closes after it: USA.NET, phquery and Demon.
_CLOSED_BY: Final = {
    b"returned mail follows": b"end of returned mail",
    b"unsent message below": b"end of unsent message",
    b"start of returned message": b"end of returned message",
}
# Bytes at the end of a text in which that line is looked for, blank lines after it included.
_CLOSING_SIZE: Final = 256
_BLANK_LINE_AT_THE_END = re.compile(rb"(?<=\n)\r?\n\Z")


def _end_of_returned(text: "Buffer", start: int, end: int, line: bytes) -> int:
    """Return where the message after `line` ends: before a last line that closes `line`, and one blank line above that."""
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


# Exim over its size limit, before the message.
_ANNOUNCED = re.compile(rb"(?i:is \d{1,20} (?:characters|bytes|octets) long;? only the first)")
# Exim where it returns at most that much of any message; a line end may count as one byte or two.
_LIMIT = re.compile(rb"(?i:no more than (\d{1,9})([km]?) (?:characters|bytes) of the body are included)")
_UNITS: Final = {b"": 1, b"K": 1000, b"M": 1_000_000}
# Bytes at the end of a text part in which it is looked for.
_LAST_TEXT: Final = 1024


def _announced(octets: "Buffer", leaves: list[Leaf]) -> Iterator[Defect]:
    """A defect for each text before or beside the message that says at its end that only a part is returned."""
    for leaf in leaves:
        if leaf.info.family == "text":
            text = content_of(octets, leaf, [])[-_LAST_TEXT:] if leaf.info.encoding in DECODED_ENCODINGS else b""
            text = text or octets[max(leaf.start, leaf.end - _LAST_TEXT) : leaf.end]
            if _ANNOUNCED.search(text):
                yield Defect(DefectCode.PERHAPS_TRUNCATED, _SAID_BEFORE, leaf.start)


def _others(outside: _Outside, leaves: list[Leaf]) -> list[Leaf]:
    """The parts that are messages by their name, or by their place in a digest, and declare another type or none."""
    octets = outside.octets
    digest: int | None = None
    found: list[Leaf] = []
    for leaf in leaves:
        if leaf.info.family not in ("text", "other") or leaf.info.media_type in (*_STATUS, *_HEADERS_ONLY):
            continue
        block = octets[max(outside.body - 1, leaf.start - PART_HEADER_LIMIT) : leaf.start]
        block = block[block.rfind(b"\n--") + 1 :].partition(b"\n")[2]
        is_message = any(
            decode_words(decode(value[1].strip(b'"'))).lower().endswith(".eml")
            for value in islice(_NAME.finditer(block), _NAME_LIMIT)
        )
        if not is_message and b"content-type" not in block.lower():
            if digest is None:
                place = re.compile(_DIGEST).search(
                    octets, outside.start, min(outside.end, outside.body + _DIGEST_LIMIT)
                )
                digest = outside.end if place is None else place.end()
            is_message = leaf.start > digest
        if is_message:
            found.append(leaf)
    return found


# The name of a part, in Content-Type or Content-Disposition.
_NAME = re.compile(rb'(?i:name)[*0-9]*+[ \t]*+=[ \t]*+("[^"]*+"?|[^\s;]*+)')
# Names in one part header block that are looked at: most have two.
_NAME_LIMIT: Final = 8
# The default type of a part in it is message/rfc822 (RFC 2046 section 5.1.5).
_DIGEST: Final = rb"(?i:multipart/digest)"
# Bytes of a body in which a digest is looked for.
_DIGEST_LIMIT: Final = 64 << 10


def _no_report(offset: int) -> ParseError:
    return ParseError(DefectCode.NO_REPORT_INSIDE, "a bounce of another message", offset)


def _inside(
    outside: _Outside, leaves: list[Leaf], depth: int, copy: ReportFormat | None, defects: list[Defect]
) -> Undeliverable | None:
    """The report in the first attached message that is one or holds one; the first one's error where none does.

    Every other report, every message after the report, and every message that could not be opened, is added to the defects.
    """
    octets = outside.octets
    messages = [leaf for leaf in leaves if leaf.info.family == "message"]
    declared_ones = len(messages)
    messages += _others(outside, leaves)
    found: Undeliverable | None = None
    problem: ParseError | None = None
    others: list[Defect] = []
    for number, leaf in enumerate(messages, start=1):
        what = f"message {number} of {len(messages)}"
        if number > MESSAGE_LIMIT:
            others.append(Defect(DefectCode.EXTRA_PART, f"{what}, which was not opened", leaf.start))
            continue
        noted: list[Defect] = []
        try:
            inside = _attached(octets, leaf, depth, copy, noted)
        except ParseError as error:
            # A file is not a message for its name alone.
            if number <= declared_ones:
                problem = problem or error
            # A bounce whose boundary is that of the bounce around it comes as a message without parts, before the report.
            if found is not None or error.code is not DefectCode.NO_REPORT_INSIDE:
                others.append(Defect(DefectCode.EXTRA_PART, f"{what}: {error.code}", leaf.start))
            continue
        if found is not None:
            others.append(Defect(DefectCode.ANOTHER_REPORT, what, leaf.start))
            continue
        found = inside if number <= declared_ones else _elsewhere(inside, "attached", leaf.start, [])
        defects += noted
    if found is not None:
        defects += others
    elif problem is not None:
        raise problem
    return found


def _attached(
    octets: "Buffer", leaf: Leaf, depth: int, copy: ReportFormat | None, defects: list[Defect]
) -> Undeliverable:
    """The report that an attached message is or holds. Raises ParseError, with an offset in `octets`."""
    if leaf.info.encoding not in DECODED_ENCODINGS:
        return _unwrap(octets, leaf.start, leaf.end, depth + 1, copy)
    content = content_of(octets, leaf, defects)
    try:
        inside = _unwrap(content, 0, len(content), depth + 1, copy)
    except ParseError as error:
        raise ParseError(error.code, error.detail, leaf.start) from None
    # Against RFC 2046 section 5.2.1, but met. Offsets after an encoding mean nothing to the caller.
    encoded = Defect(DefectCode.ORIGINAL_ENCODED, leaf.info.encoding, leaf.start)
    return inside._replace(defects=(encoded, *[defect._replace(offset=leaf.start) for defect in inside.defects]))


def _header_only(octets: "Buffer", leaves: list[Leaf], defects: list[Defect]) -> Undeliverable | None:
    """The id of a report of which a bounce carries the header and nothing else (RFC 6522 section 4)."""
    report_id = next((report_id for _, report_id in _headers_of_reports(octets, leaves, defects)), None)
    return None if report_id is None else Undeliverable(None, report_id, (), ())


def _headers_of_reports(octets: "Buffer", leaves: list[Leaf], defects: list[Defect]) -> Iterator[tuple[Leaf, str]]:
    """The parts that are the header of a report, each with the id of the report."""
    for leaf in leaves:
        if leaf.info.media_type in _HEADERS_ONLY:
            header = content_of(octets, leaf, defects)
            found = scan_message(header, OUTER).fields
            report_id = message_id_of(found.get(b"message-id", b""))
            # Some servers return but a few fields: the id is that of a report as well.
            if marked(found)[0] is not None or report_id.endswith(OWN_ID):
                yield leaf, report_id


def _other_headers(octets: "Buffer", leaves: list[Leaf], report_id: str) -> Iterator[Defect]:
    """A defect for each header of a report other than the one that was found; many bounces have both of one report."""
    for leaf, other in _headers_of_reports(octets, leaves, []):
        if other != report_id:
            yield Defect(DefectCode.ANOTHER_REPORT, "only its header", leaf.start)


def _statuses(content: bytes, start: int, defects: list[Defect]) -> Iterator[DeliveryStatus]:
    """The groups of fields of a delivery status that are about a recipient; the first one is about the message."""
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
    """The groups of fields, by empty lines and by recipients; the first field of a name in each."""
    encoding, is_damaged = "", False
    for number, block in enumerate(_EMPTY_LINE.split(content.lstrip())):
        # Some gateways encode the groups after the first one, as a field of that says.
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
                told = values.get(b"content-transfer-encoding", "").lower()
                encoding = told if told in DECODED_ENCODINGS else ""
            yield values


def _begins_group(name: bytes, value: str, following: tuple[bytes, str] | None, values: dict[bytes, str]) -> bool:
    """Whether a field is about another recipient than the fields before it: some servers write no empty line between them."""
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
