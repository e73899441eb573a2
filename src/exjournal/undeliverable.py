"""Undeliverable reports: from a bounce to the report inside, byte for byte, ready to be sent again or parsed.

A journal report that its mailbox refused goes to the alternate journaling mailbox, unaltered, inside a non-delivery report.
What is inside is found by its marker and cut out as bytes; nothing of it is read, so a damaged report comes out as it went in.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.headers import BLOCK_LIMITS, decode, fields, scan, unfold
from exjournal._wire.message import lead_in, message_id_of, refuse_cr_line_ends
from exjournal._wire.multipart import DECODED_ENCODINGS, Leaf, declared
from exjournal._wire.octets import in_place
from exjournal._wire.parts import content_of, leaves_of
from exjournal.errors import Defect, DefectCode, ParseError
from exjournal.markers import OUTER, marked
from exjournal.models import COPIES, ParsedReport, ReportFormat
from exjournal.parser import parse_report

if TYPE_CHECKING:
    from exjournal._wire.octets import Data, Octets

# Bounces inside bounces: a mailbox that refuses, its postmaster that refuses, and some more.
BOUNCE_LIMIT: Final = 5
# Messages in one bounce that are looked at: it has one, and mailing lists or gateways may add some.
MESSAGE_LIMIT: Final = 10
# Octets of delivery status in one bounce: room for some thousand recipients, and a report goes to one.
STATUS_LIMIT: Final = 1 << 20

_HEADERS_ONLY: Final = ("text/rfc822-headers", "message/global-headers")
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


class DeliveryStatus(NamedTuple):
    """What a bounce says of one recipient (RFC 3464 section 2.3); "" where it says nothing.

    `recipient` is the final one, for an undeliverable report the journal mailbox. `status` is the code ("5.1.1"), `diagnostic`
    the answer of the server that refused. Each is one line, without the type before its semicolon.
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
    entry for each recipient, those of the innermost bounce first. `defects` tell what may have harmed the report on its way.
    `format` is that of a copy, where the caller said that it is one.
    """

    report: bytes | None
    report_id: str
    status: tuple[DeliveryStatus, ...]
    defects: tuple[Defect, ...]
    format: ReportFormat | None = None

    def __repr__(self) -> str:
        size = "header only" if self.report is None else f"{len(self.report)} octets"
        return f"<Undeliverable: {size}, {len(self.status)} recipients>"

    @property
    def parsed(self) -> ParsedReport | None:
        """The report as it parses, None where there is only a header. Raises ParseError for one that is too damaged."""
        return None if self.report is None else parse_report(self.report, format=self.format)


def unwrap_undeliverable(data: "Data", /, *, format: ReportFormat | None = None) -> Undeliverable:
    """The report inside a bounce: a `multipart/report` (RFC 3464), or any multipart with the report as a message in it.

    Nothing marks a copy in the BCC or message-only format: with such a `format` whatever message bounced is one, as is a
    message that is no bounce. A report is known by its marker, and needs no format.

    Bounces of bounces are opened up to five deep, and of the messages in a bounce ten are looked at. A report that is no bounce
    comes back as it is, with no status. bytes and mmap are read in place; the report is one copy.

    Raises ParseError: `no-report-inside` for a bounce of anything else, `not-a-report` for what is neither, and the codes of
    limits.
    """
    octets = in_place(data, "a bounce")
    if lead_in(octets)[-1] == len(octets):
        raise ParseError(DefectCode.EMPTY)
    copy = format if format in COPIES else None
    return _unwrap(octets, 0, len(octets), 0, copy)


def _unwrap(octets: "Octets", begin: int, end: int, depth: int, copy: ReportFormat | None) -> Undeliverable:
    """The report that the message from `begin` to `end` is, or holds."""
    start = lead_in(octets, begin, end)[-1]
    outer, body, complete = scan(octets, start, end, OUTER)
    info = declared(outer.get(b"content-type", b""))
    if info.media_type != "multipart/report" and (copy is not None or marked(outer)[0] is not None):
        return Undeliverable(octets[begin:end], message_id_of(outer.get(b"message-id", b"")), (), (), copy)
    if not complete:
        refuse_cr_line_ends(octets, start, end)
        if body < end:
            raise ParseError(DefectCode.HEADER_TOO_LARGE, BLOCK_LIMITS, body)
    if info.family != "multipart":
        if depth:
            raise _no_report(begin)
        raise ParseError(DefectCode.NOT_A_REPORT, "no marker, and no message inside")
    if depth == BOUNCE_LIMIT:
        raise ParseError(DefectCode.NESTING_LIMIT, f"more than {BOUNCE_LIMIT} bounces", begin)
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
        status += _statuses(content[:room])
        room -= min(room, len(content))
    inside = _inside(octets, leaves, depth, copy, defects) or _header_only(octets, leaves, defects)
    if inside is None:
        # Read receipts and feedback reports are multipart/report as well, and no bounces.
        if depth or told or (info.media_type == "multipart/report" and info.report_type in ("", "delivery-status")):
            raise _no_report(body)
        raise ParseError(DefectCode.NOT_A_REPORT, "no marker, and no message inside")
    return inside._replace(status=(*inside.status, *status), defects=(*defects, *inside.defects))


def _no_report(offset: int) -> ParseError:
    return ParseError(DefectCode.NO_REPORT_INSIDE, "a bounce of another message", offset)


def _inside(
    octets: "Octets", leaves: list[Leaf], depth: int, copy: ReportFormat | None, defects: list[Defect]
) -> Undeliverable | None:
    """The report in the first attached message that is one or holds one; the first one's error where none does."""
    problem: ParseError | None = None
    messages = [leaf for leaf in leaves if leaf.info.family == "message"]
    for leaf in messages[:MESSAGE_LIMIT]:
        try:
            if leaf.info.encoding not in DECODED_ENCODINGS:
                return _unwrap(octets, leaf.start, leaf.end, depth + 1, copy)
            content = content_of(octets, leaf, defects)
            inside = _unwrap(content, 0, len(content), depth + 1, copy)
        except ParseError as error:
            offset = leaf.start if leaf.info.encoding in DECODED_ENCODINGS else error.offset
            problem = problem or ParseError(error.code, error.detail, offset)
        else:
            # Against RFC 2046 section 5.2.1, but met. Offsets behind an encoding mean nothing to the caller.
            encoded = Defect(DefectCode.ORIGINAL_ENCODED, leaf.info.encoding, leaf.start)
            told = [defect._replace(offset=leaf.start) for defect in inside.defects]
            return inside._replace(defects=(encoded, *told))
    if problem is not None:
        raise problem
    return None


def _header_only(octets: "Octets", leaves: list[Leaf], defects: list[Defect]) -> Undeliverable | None:
    """What a bounce tells that carries the header of a report and nothing else of it (RFC 6522 section 4)."""
    for leaf in leaves:
        if leaf.info.media_type in _HEADERS_ONLY:
            header = content_of(octets, leaf, defects)
            found, _, _ = scan(header, lead_in(header)[-1], len(header), OUTER)
            report_id = message_id_of(found.get(b"message-id", b""))
            # Some servers return but a few fields: the id is that of a report as well.
            if marked(found)[0] is not None or report_id.endswith(OWN_ID):
                return Undeliverable(None, report_id, (), ())
    return None


def _statuses(content: bytes) -> Iterator[DeliveryStatus]:
    """The groups of fields of a delivery status that are about a recipient; the first one is about the message."""
    for group in _EMPTY_LINE.split(content):
        values: dict[bytes, str] = {}
        for name, value in fields(group.lstrip()):
            values.setdefault(name.lower(), " ".join(decode(unfold(value)).split()))
        if values.keys() & _ABOUT_A_RECIPIENT:
            yield DeliveryStatus(
                recipient=_typed(values.get(b"final-recipient", "")),
                action=values.get(b"action", "").partition("(")[0].strip().lower(),  # behind it may stand a comment
                status=values.get(b"status", "").partition("(")[0].strip(),
                diagnostic=_typed(values.get(b"diagnostic-code", "")),
                original_recipient=_typed(values.get(b"original-recipient", "")),
                remote_mta=_typed(values.get(b"remote-mta", "")),
            )


_EMPTY_LINE = re.compile(rb"\n[ \t]*+\r?\n")
_ABOUT_A_RECIPIENT: Final = frozenset((b"final-recipient", b"original-recipient", b"status", b"action"))


def _typed(value: str) -> str:
    """A value without the type before it: `rfc822; journal@example.com`, `smtp; 550 no`."""
    before, semicolon, typed = value.partition(";")
    letters = before.strip(" ").replace("-", "x")  # a type is letters, digits and dashes
    return typed.lstrip(" ") if semicolon and letters.isascii() and letters.isalnum() else value
