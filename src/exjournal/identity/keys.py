"""Identity: the keys by which a message, and a report about it, are known again.

A message has several reports by design, each with an id of its own, and a Message-ID can be missing, used again or forged. So
keys stand side by side, each with its own meaning; what to make of them is for `duplicates` and `merging`. All hashing of
messages happens here.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.beginnings import header_place, lead_in
from exjournal._wire.headers import field_pattern, scan, scan_spans, span_pattern
from exjournal._wire.html import lines_of_html
from exjournal._wire.message import message_id_of
from exjournal._wire.multipart import DECODED_ENCODINGS, transfer_decoded
from exjournal.addresses import address_key
from exjournal.errors import DefectCode, require_type
from exjournal.identity.content_digest import repeated_fields, same_content, text_digest
from exjournal.reports.models import COPIES, Evidence, ParsedReport, Part, PartKind, Recipient, ReportFormat

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# What a report with one of these lacks may be lines of its text as well as the end of its original.
INCOMPLETE: Final = frozenset((DefectCode.PERHAPS_TRUNCATED, DefectCode.TRANSFER_ENCODING_DAMAGED))


class Identity(NamedTuple):
    """The keys of a report and of the message in it: small, picklable, made by `identify()`.

    Digests are SHA-256 in lower-case hex, but for `mih`. None, and "" for the ids, stand for what there is none of; it equals
    nothing, least of all another None. `docs/duplicates.md` says what each key is worth.
    """

    # The report's own Message-ID, new for each report.
    report_id: str
    # That of the original as written; from the report text where the original has no header. "" where there is none, and for
    # one of brackets and blanks alone, which names nothing: then, and only then, the two keys made from it are None.
    message_id: str
    # Of the first <…> of `message_id` that is not blank, brackets included, or of all of it without one.
    message_id_sha256: str | None
    # EDRM Message Identification Hash: MD5 in upper-case hex of the same <…>, brackets included.
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

    def to_dict(self) -> dict[str, object]:
        """The keys by name, null for None: `identity` in the data of a report, which makes it data for `merge()`."""
        return self._asdict()


def identify(parsed: ParsedReport, /) -> Identity:
    """The keys of a report and of its original.

    The original is read twice, once for the digest of its octets and once for that of its content. Never raises for what
    `parse_report` gave; raises TypeError for anything else.
    """
    require_type(parsed, ParsedReport, "a ParsedReport, as parse_report() returns it,")
    original, decrypted = _part(parsed, PartKind.ORIGINAL), _part(parsed, PartKind.DECRYPTED)
    report = parsed.report
    message_id, own = report.message_id, b""
    original_sha256 = content = None
    if original is not None and original.content.nbytes:
        octets, start, end = _place(original)
        content, has_header = same_content(octets, start, end)
        if has_header:
            begin = header_place(octets, start, end)[0]
            found = scan(octets, begin, end, field_pattern("message-id")).fields
            message_id = message_id_of(found.get(b"message-id", b""))
            # The Bcc field of a copy was read as recipients, in whatever order.
            own = _fields(octets, begin, end, ("Resent-*",) if parsed.format in COPIES else ("Resent-*", "Bcc"))
        elif _names_something(message_id):
            # The report's own header repeats that of the original: in mixed organisations it stands nowhere else.
            content = _digest(b"headerless", content, repeated_fields(parsed.outer_block), message_id.encode())
        else:
            content = None
    if original is not None:
        original_sha256 = hashlib.sha256(original.content).hexdigest()
    recipients = recipients_digest(report.recipients)
    decrypted_digest = None if decrypted is None else same_content(*_place(decrypted)).digest
    message_id_sha256, mih = message_id_keys(message_id)
    report_key = _digest(
        b"report",
        b"" if content is None else content,
        # Without a content the report is known by itself alone.
        b"" if content is not None else _digest(parsed.report_id.encode(), (original_sha256 or "").encode()),
        decrypted_digest or b"",
        message_id.encode(),
        own,
        # A report without a marker is not the one with it: evidence differs.
        (parsed.format + " unmarked" if parsed.recipients_from is Evidence.UNMARKED else parsed.format).encode(),
        recipients,
        *_told(parsed),
        *_rest(parsed),
    ).hex()
    codes = {defect.code for defect in parsed.defects}
    return Identity(
        parsed.report_id,
        "" if message_id_sha256 is None else message_id,
        message_id_sha256,
        mih,
        original_sha256,
        None if content is None else content.hex(),
        None if decrypted_digest is None else decrypted_digest.hex(),
        recipients.hex(),
        message_key_of(message_id_sha256, None if content is None else content.hex(), report_key),
        report_key,
        content is not None and not codes & INCOMPLETE,
        DefectCode.NESTED_REPORT in codes,
    )


_ID: Final = r"<[^<>]+>"


def message_id_keys(message_id: str, /) -> tuple[str | None, str | None]:
    """The SHA-256 and the MIH of a Message-ID, None where it names nothing."""
    if not _names_something(message_id):
        return None, None
    # The first <…>; one that is blank identifies no message.
    named = next((found for found in re.findall(_ID, message_id) if _names_something(found)), None)
    octets = (message_id if named is None else named).encode()
    mih = None if named is None else hashlib.md5(octets, usedforsecurity=False).hexdigest().upper()
    return hashlib.sha256(octets).hexdigest(), mih


def _names_something(message_id: str) -> bool:
    """Whether a Message-ID is more than brackets and blanks."""
    return "".join(message_id.split()).strip("<>") != ""


def message_key_of(message_id_sha256: str | None, content_sha256: str | None, report_key: str, /) -> str:
    """The key of a message: of its Message-ID and its content, or of the one report that knows of it."""
    if content_sha256 is None:
        return report_key
    return _digest(b"message", (message_id_sha256 or "").encode(), content_sha256.encode()).hex()


def recipients_digest(recipients: Iterable[Recipient], /) -> bytes:
    """SHA-256 of recipients: addresses, roles and redirections, in any order."""
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


def _part(parsed: ParsedReport, kind: PartKind) -> Part | None:
    return next((part for part in parsed.parts if part.kind is kind), None)


def _place(part: Part) -> "tuple[Buffer, int, int]":
    """The octets in which the content of a part stands, and where: the caller's, or those behind a transfer encoding."""
    octets: Buffer = part.content.obj  # type: ignore[assignment]  # the reader looks at bytes and mmap
    size = part.content.nbytes
    return (octets, 0, size) if len(octets) == size else (octets, part.offset, part.offset + part.size)


def _digest(*told: bytes) -> bytes:
    # With its size before it, nothing can pass for the beginning of what follows.
    return hashlib.sha256(b"".join([b"%d:%b" % (len(piece), piece) for piece in (b"exjournal", *told)])).digest()


def _fields(octets: "Buffer", start: int, end: int, names: tuple[str, ...]) -> bytes:
    """Fields of a message that say who else got it: servers take them out, or put them in when it is sent on."""
    spans = scan_spans(octets, start, end, span_pattern(names)).fields
    return b"".join([octets[begin:behind].replace(b"\r", b"") for begin, behind in spans])


def _told(parsed: ParsedReport) -> Iterator[bytes]:
    """What a report says beside its recipients, field by field, and what of it was not understood."""
    report = parsed.report
    yield address_key(report.sender).encode()
    for address in (report.on_behalf_of, report.envelope_sender):
        yield b"-" if address is None else b"=" + address_key(address).encode()
    for text in (report.subject, report.message_id, report.label, report.mailbox, report.sent_utc, report.received_utc):
        yield b"-" if text is None else b"=" + text.encode()
    yield "\n".join(parsed.unparsed).encode("utf-8", "surrogatepass")


# What each writing of a report makes anew between its parts: delimiter lines, the boundary that a header declares, and how a
# part is encoded.
_ANEW: Final = rb"(?mi)^--[^\r\n]*+|boundary=(?:\"[^\"\r\n]*+\"|[^\";\s]++)|^content-transfer-encoding:[^\r\n]*+\r?\n"


def _rest(parsed: ParsedReport) -> Iterator[bytes]:
    """What else the body of a report holds: further parts, the headers of all parts, and what stands outside of them."""
    if parsed.format in COPIES:
        return  # the message is all there is
    # A part behind a transfer encoding is a buffer of its own; of a report in which all are the rest is out of reach.
    buffers = [_place(part)[0] for part in parsed.parts]
    inside = [octets for octets, part in zip(buffers, parsed.parts, strict=True) if len(octets) != part.content.nbytes]
    octets = inside[0] if inside else b""
    position = lead_in(octets).block + len(parsed.outer_block)
    for part in parsed.parts:
        yield _between(octets[position : part.offset])
        position = part.offset + part.size
        if part.kind is PartKind.OTHER:
            yield part.encoding.encode()
            is_twin = part.media_type == "text/html" and parsed.format is ReportFormat.ENVELOPE_2003
            yield _twin_digest(part) if is_twin else text_digest(*_place(part))
    yield _between(octets[position:])


def _between(octets: bytes) -> bytes:
    return re.sub(_ANEW, b"", octets).replace(b"\r", b"").strip(b"\n")


def _twin_digest(part: Part) -> bytes:
    """A digest of the lines that the report text of Exchange 2003 has in HTML as well, in any order like its recipients."""
    raw = bytes(part.content)
    if part.encoding in DECODED_ENCODINGS:
        raw = transfer_decoded(raw, 0, len(raw), part.encoding)[0]
    lines = {line.strip(" \t\r,") for line in lines_of_html(raw.decode("latin-1")).split("\n")}
    return _digest(*[line.encode() for line in sorted(lines)])
