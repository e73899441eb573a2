"""Signs of earlier journaling: header fields by which a message shows that it was journaled, or is journal mail itself.

A server wrote a report marker, a processed stamp or a count of hops, or a stranger imitated one. So each sign is reported with
the header that shows it and with whether a stranger could have written it, and `decisions` judges which of them count. The
stamp of this library counts everywhere, because it is sealed with a secret.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.beginnings import lead_in, scan_message_spans
from exjournal._wire.buffers import in_place
from exjournal._wire.headers import scan, span_pattern
from exjournal._wire.multipart import DECODED_ENCODINGS, declared
from exjournal._wire.parts import content_of, leaves_of
from exjournal.errors import ParseError
from exjournal.journaling.message_kinds import MessageKind, kind_of
from exjournal.journaling.stamps import Stamps, verified_stamps
from exjournal.limits import HOP_LIMIT, REPORT_NESTING_LIMIT
from exjournal.reports.markers import MARKERS, OUTER, marked
from exjournal.reports.seals import Seal, known_secrets, seal_of
from exjournal.reports.undeliverable import OWN_ID, unwrap_undeliverable

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data
    from exjournal._wire.headers import Fields


class LoopReason(StrEnum):
    """Which sign shows that a message was journaled already, is journal mail itself, or is caught in a loop."""

    SEAL = "seal"
    STAMP = "stamp"
    REPORT = "report"
    BOUNCED_REPORT = "bounced-report"
    PROCESSED = "processed"
    NESTING_LIMIT = "nesting-limit"
    HOP_LIMIT = "hop-limit"
    HEADER_TOO_LARGE = "header-too-large"


class Loop(NamedTuple):
    """A sign of earlier journaling: its reason, its header as written, and whether a stranger could have written it.

    Only a seal or stamp that a secret verified is not forgeable; one that no secret verified is.
    """

    reason: LoopReason
    header: str
    forgeable: bool


def detect_loop(message: "Data", /, *, secrets: Iterable[bytes] = ()) -> Loop | None:
    """Return why a message should not be journaled again, or None: the strongest sign in its header.

    From strong to weak: a seal or stamp of our own that one of the secrets verifies; a header block beyond its limits,
    `REPORT_NESTING_LIMIT` reports inside reports, `HOP_LIMIT` Received fields; a report marker of any format; a bounce of a
    report; a seal or stamp that no secret verifies; Exchange's processed stamp in any spelling.

    Anybody can write a forgeable sign: it is worth something only over a trusted path. Raises InvalidValue for secrets that
    cannot be used, and TypeError for a message that is not bytes.
    """
    return next(iter(read_signs(in_place(message, "a message"), known_secrets(secrets)).loops), None)


class Signs(NamedTuple):
    """The contents of a header block that decide about journaling.

    `loops` are the signs of earlier journaling, the strongest first; `stamps` the verified stamps. `fields` has every value of
    each field that was looked for, by its name in lower case. The block begins at `start`, and the body at `body`.
    """

    loops: tuple[Loop, ...]
    stamps: Stamps
    fields: dict[bytes, list[bytes]]
    start: int
    body: int


_LOOKED_FOR: Final = span_pattern(
    (
        *MARKERS,
        *names.PROCESSED,
        names.SEAL,
        names.STAMP,
        "Received",
        "From",
        "Sender",
        "Content-Type",
        "Content-Class",
        "X-Failed-Recipients",
    )
)
# Some readers take a carriage return alone for a line end, and see a field after it.
_HIDDEN_AUTHOR: Final = re.compile(rb"\r(?i:(from|sender))[ \t]*+:([^\r\n]*+)")
_SEAL: Final = names.SEAL.lower().encode()
_STAMP: Final = names.STAMP.lower().encode()
_PROCESSED: Final = tuple([name.lower().encode() for name in names.PROCESSED])


def read_signs(data: "Buffer", secrets: tuple[bytes, ...], /) -> Signs:
    """Read a header block once, for everything that decides about journaling."""
    block = scan_message_spans(data, _LOOKED_FOR)
    fields: dict[bytes, list[bytes]] = {}
    written: dict[bytes, str] = {}
    for field_start, field_end in block.fields:
        name, _, value = data[field_start:field_end].partition(b":")
        name = name.rstrip()
        lowered = name.lower()
        fields.setdefault(lowered, []).append(value)
        written.setdefault(lowered, name.decode("ascii"))
    for name, value in _HIDDEN_AUTHOR.findall(data, 0, block.body):
        fields.setdefault(name.lower(), []).append(value)
    first: Fields = {name: values[0] for name, values in fields.items() if name in written}
    verified: list[Loop] = []
    limits: list[Loop] = []
    reports: list[Loop] = []
    unverified: list[Loop] = []
    if _SEAL in fields:
        is_valid = seal_of(data, secrets) is Seal.VALID
        (verified if is_valid else unverified).append(Loop(LoopReason.SEAL, written[_SEAL], not is_valid))
    stamps = Stamps()
    if _STAMP in fields:
        stamps = verified_stamps(data, fields[_STAMP], secrets)
        is_valid = bool(stamps.verified)
        (verified if is_valid else unverified).append(Loop(LoopReason.STAMP, written[_STAMP], not is_valid))
    if not block.complete:
        limits.append(Loop(LoopReason.HEADER_TOO_LARGE, "", forgeable=True))
    is_multipart_report = declared(first.get(b"content-type", b"")).media_type == "multipart/report"
    format_, marker = marked(first)
    if format_ is not None and not is_multipart_report:
        header = written[marker.lower().encode()]
        reports.append(Loop(LoopReason.REPORT, header, forgeable=True))
        if _nesting(data, block.start, len(data)) >= REPORT_NESTING_LIMIT:
            limits.append(Loop(LoopReason.NESTING_LIMIT, header, forgeable=True))
    elif is_multipart_report or _is_bounce(first):
        sign = _sign_of_bounced_report(data)
        if sign is not None:
            header = sign or written.get(b"content-type", "")
            reports.append(Loop(LoopReason.BOUNCED_REPORT, header, forgeable=True))
    if len(fields.get(b"received", ())) >= HOP_LIMIT:
        limits.append(Loop(LoopReason.HOP_LIMIT, written[b"received"], forgeable=True))
    unverified += [Loop(LoopReason.PROCESSED, written[name], forgeable=True) for name in _PROCESSED if name in fields]
    return Signs((*verified, *limits, *reports, *unverified), stamps, fields=fields, start=block.start, body=block.body)


def _is_bounce(fields: "Fields") -> bool:
    kind = kind_of(fields.get(b"content-type", b""), fields.get(b"content-class", b""))
    return kind is MessageKind.DELIVERY_STATUS or b"x-failed-recipients" in fields


def _sign_of_bounced_report(data: "Buffer") -> str | None:
    """The name of the header that marks the report in a bounce, or None if the bounce returns no report.

    "" if the bounce returns only the header block of a report, and its report id does not show that.
    """
    try:
        bounce = unwrap_undeliverable(data)
    except ParseError:
        return None
    if bounce.report is None:
        return "Message-ID" if bounce.report_id.endswith(OWN_ID) else ""
    return next((loop.header for loop in read_signs(bounce.report, ()).loops if loop.reason is LoopReason.REPORT), "")


def _nesting(data: "Buffer", start: int, end: int) -> int:
    """The number of reports inside one another, the outermost one included; counted up to the limit."""
    for level in range(REPORT_NESTING_LIMIT):
        block = scan(data, start, end, OUTER)
        info = declared(block.fields.get(b"content-type", b""))
        if marked(block.fields)[0] is None or info.media_type == "multipart/report":
            return level
        try:
            leaves = leaves_of(data, start, block.body, end, info, []) if info.family == "multipart" else []
        except ParseError:
            return level + 1
        original = next((leaf for leaf in leaves if leaf.info.family == "message"), None)
        if original is None:
            return level + 1
        if original.info.encoding in DECODED_ENCODINGS:
            data = content_of(data, original, [])
            start, end = 0, len(data)
        else:
            start, end = original.start, original.end
        start = lead_in(data, start, end).block
    return REPORT_NESTING_LIMIT
