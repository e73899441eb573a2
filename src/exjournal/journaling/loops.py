"""Header fields that tell what was journaled already: how they are recognised, written, and taken out.

A report marker, a processed stamp or a count of hops is what some server wrote, or what a stranger wrote to look like one. What
is found is told with the header that convinced, and with whether a stranger could have written it; `decisions` says what of it
counts. The stamp of this library counts everywhere, as it is sealed with a secret. And a message that is restored from its
report still bears what the servers of its first journey stamped on it: markers for which a server refuses it, and facts of an
organisation that are nobody else's business.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.beginnings import lead_in, scan_message_spans
from exjournal._wire.buffers import in_place
from exjournal._wire.headers import (
    SpanPattern,
    scan,
    span_pattern,
    without,
)
from exjournal._wire.multipart import DECODED_ENCODINGS, declared
from exjournal._wire.parts import content_of, leaves_of
from exjournal.errors import InvalidValue, ParseError
from exjournal.journaling.message_kinds import MessageKind, kind_of
from exjournal.journaling.stamps import Stamps, verified_stamps
from exjournal.limits import HOP_LIMIT, REPORT_NESTING_LIMIT
from exjournal.reports.markers import MARKERS, OUTER, marked
from exjournal.reports.seals import Seal, known_secrets, seal_of
from exjournal.reports.undeliverable import OWN_ID, unwrap_undeliverable

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data
    from exjournal._wire.headers import Fields, Span


# What a header firewall takes off mail from outside: none of it is a stranger's to write.
ORGANIZATION_HEADERS: Final[tuple[str, ...]] = (
    "X-MS-Exchange-Organization-*",
    "X-MS-Exchange-Forest-*",
    "X-MS-Exchange-CrossPremises-*",
    "X-ExJournal-*",
)
# What goes off mail to outside: our stamp is of use inside only, and a report keeps its seal.
LEAVING_HEADERS: Final[tuple[str, ...]] = (names.STAMP, *ORGANIZATION_HEADERS[:-1])
# What makes a server refuse a restored message, or leaks: report markers, processed stamps, the organisation's own fields.
RESTORE_HEADERS: Final[tuple[str, ...]] = (*MARKERS, *names.PROCESSED, *ORGANIZATION_HEADERS)


def strip_headers(message: "Data", names: Iterable[str], /) -> bytes:
    """The message without the header fields of these names; every other byte stays as it is.

    Names ignore letter case, and one that ends in * is a prefix. Only the outermost header block is touched, and a field goes
    with its folds and its line end. `RESTORE_HEADERS` and `ORGANIZATION_HEADERS` are sets of names for two uses.

    Raises InvalidValue for what is no name, TypeError for what holds no names, and ParseError where the header block is too
    large to be looked at as a whole.
    """
    octets = in_place(message, "a message")
    spans = _spans(octets, names)  # may raise, and a view in a traceback would keep a mapped file open
    return b"".join(without(octets, spans))


def matching_headers(message: "Data", names: Iterable[str], /) -> tuple[str, ...]:
    """The names of the fields that `strip_headers` would take out, as written, in order, one for each field."""
    octets = in_place(message, "a message")
    return tuple(
        [octets[start:end].partition(b":")[0].rstrip().decode("ascii") for start, end in _spans(octets, names)]
    )


def _spans(octets: "Buffer", names: Iterable[str]) -> "list[Span]":
    if isinstance(names, (str, bytes)):
        raise InvalidValue("names", "is one string, not a collection of names")
    if not isinstance(names, Iterable):
        raise TypeError(f"a collection of names of header fields is expected, not {type(names).__name__}")
    block = scan_message_spans(octets, _pattern(tuple(names)))
    block.require_complete()
    return block.fields


def _pattern(names: tuple[str, ...]) -> SpanPattern:
    for name in names:
        letters = name.removesuffix("*") if isinstance(name, str) else ""
        if ":" in letters or not letters.isascii() or not letters.isprintable() or " " in letters or not letters:
            raise InvalidValue("names", "holds what is no name of a header field")
    return span_pattern(names)


class LoopReason(StrEnum):
    """What tells that a message was journaled already, is journal mail itself, or goes round in circles."""

    SEAL = "seal"
    STAMP = "stamp"
    REPORT = "report"
    BOUNCED_REPORT = "bounced-report"
    PROCESSED = "processed"
    NESTING_LIMIT = "nesting-limit"
    HOP_LIMIT = "hop-limit"
    HEADER_TOO_LARGE = "header-too-large"


class Loop(NamedTuple):
    """What convinced: the reason, the name of the header as written, and whether a stranger could have written it.

    Only a seal or stamp that a secret verified is not forgeable; one that none verified is told as forgeable.
    """

    reason: LoopReason
    header: str
    forgeable: bool


def detect_loop(message: "Data", /, *, secrets: Iterable[bytes] = ()) -> Loop | None:
    """Why a message should not be journaled once more, or None: the strongest reason that its header names.

    In this order: a seal or stamp of our own that one of the secrets verifies; a header block that is too large to be looked
    at, `REPORT_NESTING_LIMIT` reports inside reports, `HOP_LIMIT` Received fields; a report marker of any format; a bounce of a
    report; a seal or stamp that no secret verifies; Exchange's processed stamp in any spelling.

    A forgeable answer is what anybody can write, and worth something only over a trusted path. Raises InvalidValue for secrets
    that are none.
    """
    return next(iter(look(in_place(message, "a message"), known_secrets(secrets)).loops), None)


class Look(NamedTuple):
    """What the header block says of journaling: the reasons found, the strongest first; verified stamps; the fields seen."""

    loops: tuple[Loop, ...]
    stamps: Stamps
    # Every value of each field that was looked for, by its name in lower case.
    fields: dict[bytes, list[bytes]]


_LOOKED_FOR: Final = (
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
_HIDDEN = re.compile(rb"\r(?i:(from|sender))[ \t]*+:([^\r\n]*+)")
_SEAL: Final = names.SEAL.lower().encode()
_STAMP: Final = names.STAMP.lower().encode()
_PROCESSED: Final = {name.lower().encode(): name for name in names.PROCESSED}


def look(octets: "Buffer", secrets: tuple[bytes, ...], /) -> Look:
    """Look at a header block once, for everything that journaling is decided by."""
    block = scan_message_spans(octets, span_pattern(_LOOKED_FOR))
    found: dict[bytes, list[bytes]] = {}
    written: dict[bytes, str] = {}
    for begin, behind in block.fields:
        name, _, value = octets[begin:behind].partition(b":")
        name = name.rstrip()
        lowered = name.lower()
        found.setdefault(lowered, []).append(value)
        written.setdefault(lowered, name.decode("ascii"))
    # What stands behind a carriage return alone is a field to some readers.
    for name, value in _HIDDEN.findall(octets, 0, block.body):
        found.setdefault(name.lower(), []).append(value)
    first: Fields = {name: values[0] for name, values in found.items() if name in written}
    sure: list[Loop] = []
    limits: list[Loop] = []
    told: list[Loop] = []
    doubtful: list[Loop] = []
    if _SEAL in found:
        verified = seal_of(octets, secrets) is Seal.VALID
        (sure if verified else doubtful).append(Loop(LoopReason.SEAL, written[_SEAL], not verified))
    stamps = Stamps()
    if _STAMP in found:
        stamps = verified_stamps(octets, found[_STAMP], secrets)
        verified = bool(stamps.verified)
        (sure if verified else doubtful).append(Loop(LoopReason.STAMP, written[_STAMP], not verified))
    if not block.complete:
        limits.append(Loop(LoopReason.HEADER_TOO_LARGE, "", forgeable=True))
    is_multipart_report = declared(first.get(b"content-type", b"")).media_type == "multipart/report"
    format_, marker = marked(first)
    if format_ is not None and not is_multipart_report:
        told.append(Loop(LoopReason.REPORT, written[marker.lower().encode()], forgeable=True))
        if _nested(octets, block.start, len(octets)) >= REPORT_NESTING_LIMIT:
            limits.append(Loop(LoopReason.NESTING_LIMIT, written[marker.lower().encode()], forgeable=True))
    elif is_multipart_report or _is_bounce(first):
        inside = _bounced(octets)
        if inside is not None:
            header = inside or written.get(b"content-type", "")
            told.append(Loop(LoopReason.BOUNCED_REPORT, header, forgeable=True))
    if len(found.get(b"received", ())) >= HOP_LIMIT:
        limits.append(Loop(LoopReason.HOP_LIMIT, written[b"received"], forgeable=True))
    doubtful += [Loop(LoopReason.PROCESSED, written[name], forgeable=True) for name in _PROCESSED if name in found]
    return Look((*sure, *limits, *told, *doubtful), stamps, found)


def _is_bounce(first: "Fields") -> bool:
    kind = kind_of(first.get(b"content-type", b""), first.get(b"content-class", b""))
    return kind is MessageKind.DELIVERY_STATUS or b"x-failed-recipients" in first


def _bounced(octets: "Buffer") -> str | None:
    """What tells of the report inside a bounce, "" where it is a marker in a header alone; None where there is no report."""
    try:
        found = unwrap_undeliverable(octets)
    except ParseError:
        return None
    if found.report is None:
        return "Message-ID" if found.report_id.endswith(OWN_ID) else ""
    return next((loop.header for loop in look(found.report, ()).loops if loop.reason is LoopReason.REPORT), "")


def _nested(octets: "Buffer", start: int, end: int) -> int:
    """How many reports there are inside one another, the outermost one included; counted up to the limit."""
    for level in range(REPORT_NESTING_LIMIT):
        block = scan(octets, start, end, OUTER)
        info = declared(block.fields.get(b"content-type", b""))
        if marked(block.fields)[0] is None or info.media_type == "multipart/report":
            return level
        try:
            leaves = leaves_of(octets, start, block.body, end, info, []) if info.family == "multipart" else []
        except ParseError:
            return level + 1
        original = next((leaf for leaf in leaves if leaf.info.family == "message"), None)
        if original is None:
            return level + 1
        if original.info.encoding in DECODED_ENCODINGS:
            octets = content_of(octets, original, [])
            start, end = 0, len(octets)
        else:
            start, end = original.start, original.end
        start = lead_in(octets, start, end).block
    return REPORT_NESTING_LIMIT
