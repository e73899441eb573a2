"""Identity: the keys by which a message, and a report about it, are known again.

A message has several reports by design, each with an id of its own, and a Message-ID can be missing, used again or forged. So
keys stand side by side, each with its own meaning; what to make of them is for `duplicates` and `merging`. All hashing of
messages happens here.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.headers import field_pattern, scan
from exjournal._wire.message import header_place, message_id_of
from exjournal.addresses import address_key
from exjournal.errors import DefectCode
from exjournal.models import ParsedReport, Part, PartKind, Recipient

if TYPE_CHECKING:
    from exjournal._wire.octets import Octets

# What a report with one of these lacks may be lines of its text as well as the end of its original.
INCOMPLETE: Final = frozenset((DefectCode.PERHAPS_TRUNCATED, DefectCode.TRANSFER_ENCODING_DAMAGED))


class Identity(NamedTuple):
    """The keys of a report and of the message in it: small, picklable, made by `identify()`.

    Digests are SHA-256 in lower-case hex, but for `mih`. None, and "" for the ids, stand for what there is none of; it equals
    nothing, least of all another None. `docs/duplicates.md` says what each key is worth.
    """

    # The report's own Message-ID, new for each report.
    report_id: str
    # That of the original as written; from the report text where the original has no header.
    message_id: str
    # Of `message_id` between its angle brackets, or of all of it where there are none.
    message_id_sha256: str | None
    # EDRM Message Identification Hash: MD5 in upper-case hex of the first <…> of `message_id`, brackets included.
    mih: str | None
    # Of the octets of the original.
    original_sha256: str | None
    # Of what the message says: equal for forks that differ in trace fields, folding, boundaries and line ends.
    content_sha256: str | None
    # The same of the decrypted copy.
    decrypted_sha256: str | None
    # Of the recipients: addresses, roles and redirections, in any order.
    recipients_sha256: str
    # Of the Message-ID, if there is one, and the content.
    message_key: str
    # Of all that the report says of the message; equal for reports of which one tells nothing that the other does not.
    report_key: str
    # False for a report that is perhaps truncated, and for one that holds nothing by which its message can be known.
    complete: bool
    # Whether the original is a report itself: `identify(parse_report(parsed.original))` is about the layer inside.
    nested: bool


def identify(parsed: ParsedReport, /) -> Identity:
    """The keys of a report and of its original.

    The original is read twice, once for the digest of its octets and once for that of its content. Never raises for what
    `parse_report` gave.
    """
    from exjournal._wire.sameness import (  # few programs ask for keys, and all load this module
        same_content,
        shown_fields,
    )

    original, decrypted = _part(parsed, PartKind.ORIGINAL), _part(parsed, PartKind.DECRYPTED)
    report = parsed.report
    message_id = report.message_id
    original_sha256 = content = None
    if original is not None and original.content.nbytes:
        octets, start, end = _place(original)
        content, has_header = same_content(octets, start, end)
        if has_header:
            found, _, _ = scan(octets, header_place(octets, start, end)[0], end, field_pattern("message-id"))
            message_id = message_id_of(found.get(b"message-id", b""))
        elif message_id:
            # The report's own header repeats that of the original: in mixed organisations it stands nowhere else.
            content = _digest(b"headerless", content, shown_fields(parsed.outer_block), message_id.encode())
        else:
            content = None
    if original is not None:
        original_sha256 = hashlib.sha256(original.content).hexdigest()
    id_told = re.search(_ID, message_id)
    id_octets = (id_told[0] if id_told is not None else message_id).encode()
    recipients = _recipients_digest(report.recipients)
    decrypted_digest = None if decrypted is None else same_content(*_place(decrypted)).digest
    defects = {defect.code for defect in parsed.defects}
    report_key = _digest(
        b"report",
        # Without a content the report is known by itself alone.
        b"octets" if content is None else content,
        b"" if content is not None else parsed.report_id.encode() + (original_sha256 or "").encode(),
        decrypted_digest or b"",
        id_octets,
        parsed.format.encode(),
        recipients,
        *_told(parsed),
    )
    return Identity(
        parsed.report_id,
        message_id,
        hashlib.sha256(id_octets).hexdigest() if message_id else None,
        None if id_told is None else hashlib.md5(id_octets, usedforsecurity=False).hexdigest().upper(),
        original_sha256,
        None if content is None else content.hex(),
        None if decrypted_digest is None else decrypted_digest.hex(),
        recipients.hex(),
        (report_key if content is None else _digest(b"message", id_octets, content)).hex(),
        report_key.hex(),
        content is not None and not defects & INCOMPLETE,
        DefectCode.NESTED_REPORT in defects,
    )


_ID: Final = r"<[^<>]*>"


def _part(parsed: ParsedReport, kind: PartKind) -> Part | None:
    return next((part for part in parsed.parts if part.kind is kind), None)


def _place(part: Part) -> "tuple[Octets, int, int]":
    """The octets in which the content of a part stands, and where: the caller's, or those behind a transfer encoding."""
    octets: Octets = part.content.obj  # type: ignore[assignment]  # the reader looks at bytes and mmap
    size = part.content.nbytes
    return (octets, 0, size) if len(octets) == size else (octets, part.offset, part.offset + part.size)


def _digest(*told: bytes) -> bytes:
    # With its size before it, nothing can pass for the beginning of what follows.
    return hashlib.sha256(b"".join([b"%d:%b" % (len(piece), piece) for piece in (b"exjournal", *told)])).digest()


def _recipients_digest(recipients: Iterable[Recipient]) -> bytes:
    # No address holds NUL or a line end.
    lines = {
        "\0".join(
            (
                one.role,
                address_key(one.address),
                address_key(one.expanded_from or ""),
                address_key(one.forwarded_from or ""),
            )
        )
        for one in recipients
    }
    return hashlib.sha256("\n".join(sorted(lines)).encode()).digest()


def _told(parsed: ParsedReport) -> Iterator[bytes]:
    """What a report says beside its recipients, field by field, and what of it was not understood."""
    from exjournal._wire.sameness import text_digest

    report = parsed.report
    yield address_key(report.sender).encode()
    for address in (report.on_behalf_of, report.envelope_sender):
        yield b"-" if address is None else b"=" + address_key(address).encode()
    for text in (report.subject, report.message_id, report.label, report.mailbox, report.sent_utc, report.received_utc):
        yield b"-" if text is None else b"=" + text.encode()
    yield "\n".join(parsed.unparsed).encode("utf-8", "surrogatepass")
    for part in parsed.parts:
        if part.kind is PartKind.OTHER:
            yield text_digest(*_place(part))
