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
from exjournal.errors import Defect, DefectCode, InvalidValue, ParseError
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
    the caller said that it is one.
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

    Bounces of bounces are opened up to five deep, and of the messages in a bounce ten are looked at. The first report in a
    bounce comes out; each report or message after it is a defect with its offset. A report that is no bounce comes back as it
    is, with no status. bytes and mmap are read in place; the report is one copy.

    Raises InvalidValue for a format that does not exist, and ParseError: `no-report-inside` for a bounce of anything else,
    `not-a-report` for what is neither, and the codes of limits.
    """
    octets = in_place(data, "a bounce")
    if lead_in(octets)[-1] == len(octets):
        raise ParseError(DefectCode.EMPTY)
    if format is not None and format not in ReportFormat.__members__.values():
        raise InvalidValue("format", "is no report format")
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
    if inside is not None:
        defects += _other_headers(octets, leaves, inside.report_id)
    else:
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
    """The report in the first attached message that is one or holds one; the first one's error where none does.

    Every other report, every message after the report, and every message that could not be opened, is added to the defects.
    """
    messages = [leaf for leaf in leaves if leaf.info.family == "message"]
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
            problem = problem or error
            # A bounce whose boundary is that of the bounce around it comes as a message without parts, before the report.
            if found is not None or error.code is not DefectCode.NO_REPORT_INSIDE:
                others.append(Defect(DefectCode.EXTRA_PART, f"{what}: {error.code}", leaf.start))
            continue
        if found is not None:
            others.append(Defect(DefectCode.ANOTHER_REPORT, what, leaf.start))
            continue
        found = inside
        defects += noted
    if found is not None:
        defects += others
    elif problem is not None:
        raise problem
    return found


def _attached(
    octets: "Octets", leaf: Leaf, depth: int, copy: ReportFormat | None, defects: list[Defect]
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


def _header_only(octets: "Octets", leaves: list[Leaf], defects: list[Defect]) -> Undeliverable | None:
    """The id of a report of which a bounce carries the header and nothing else (RFC 6522 section 4)."""
    report_id = next((report_id for _, report_id in _headers_of_reports(octets, leaves, defects)), None)
    return None if report_id is None else Undeliverable(None, report_id, (), ())


def _headers_of_reports(octets: "Octets", leaves: list[Leaf], defects: list[Defect]) -> Iterator[tuple[Leaf, str]]:
    """The parts that are the header of a report, each with the id of the report."""
    for leaf in leaves:
        if leaf.info.media_type in _HEADERS_ONLY:
            header = content_of(octets, leaf, defects)
            found, _, _ = scan(header, lead_in(header)[-1], len(header), OUTER)
            report_id = message_id_of(found.get(b"message-id", b""))
            # Some servers return but a few fields: the id is that of a report as well.
            if marked(found)[0] is not None or report_id.endswith(OWN_ID):
                yield leaf, report_id


def _other_headers(octets: "Octets", leaves: list[Leaf], report_id: str) -> Iterator[Defect]:
    """A defect for each header of a report other than the one that was found; many bounces have both of one report."""
    for leaf, other in _headers_of_reports(octets, leaves, []):
        if other != report_id:
            yield Defect(DefectCode.ANOTHER_REPORT, "only its header", leaf.start)


def _statuses(content: bytes) -> Iterator[DeliveryStatus]:
    """The groups of fields of a delivery status that are about a recipient; the first one is about the message."""
    for group in _EMPTY_LINE.split(content):
        values: dict[bytes, str] = {}
        for name, value in fields(group.lstrip()):
            values.setdefault(name.lower(), " ".join(decode(unfold(value)).replace("\0", " ").split()))
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
