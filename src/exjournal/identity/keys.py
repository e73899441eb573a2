"""The keys that identify a report and its message: ids and digests, each with its own meaning.

No single key is enough: one message has several reports by design, each with its own id, and a Message-ID can be missing,
reused or forged. `content_digest` computes the digest of the content; `duplicates` and `merging` compare the keys.
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

# A report with one of these defects may lack lines of its text as well as the end of its original.
INCOMPLETE: Final = frozenset((DefectCode.PERHAPS_TRUNCATED, DefectCode.TRANSFER_ENCODING_DAMAGED))


class Identity(NamedTuple):
    """The keys of a report and of its message: small, picklable, made by `identify()`.

    * `report_id`: the report's own Message-ID, different for each report.
    * `message_id`: the Message-ID of the original as written, or that of the report text if the original has no header. "" if
      it is missing or consists of brackets and whitespace only.
    * `message_id_sha256`: digest of the first <…> in `message_id` that is not blank, with its brackets, or of all of
      `message_id` if it has none. None only if `message_id` is "".
    * `mih`: EDRM Message Identification Hash, the MD5 of the same <…>, in upper-case hex. None if there is no such <…>.
    * `original_sha256`: digest of the bytes of the original.
    * `content_sha256`: digest of the content, equal for forks that differ in trace fields, folding, boundaries and line ends.
    * `decrypted_sha256`: digest of the content of the decrypted copy.
    * `recipients_sha256`: digest of the recipients: addresses, roles and redirections, in any order.
    * `message_key`: digest of the content and, if there is one, the Message-ID; without a content, `report_key`.
    * `report_key`: digest of everything that the report says about the message, equal for two reports if neither has a fact
      that the other lacks.
    * `complete`: False for a report that may be truncated or has no content digest.
    * `nested`: whether the original is a report itself. `identify(parse_report(parsed.original))` returns its keys.

    Digests are SHA-256 in lower-case hex, except `mih`. A missing key is None, a missing id is "". Two missing keys never
    match. `docs/explanation/duplicates.md` explains what each key proves.
    """

    report_id: str
    message_id: str
    message_id_sha256: str | None
    mih: str | None
    original_sha256: str | None
    content_sha256: str | None
    decrypted_sha256: str | None
    recipients_sha256: str
    message_key: str
    report_key: str
    complete: bool
    nested: bool

    def to_dict(self) -> dict[str, object]:
        """Return the keys by name. `merge()` expects this dict as the value of `identity` in the data of a report."""
        return self._asdict()


def identify(parsed: ParsedReport, /) -> Identity:
    """Compute the keys of a report and of its original.

    Reads the original twice: once for the digest of its bytes, and once for the digest of its content. Raises TypeError if
    `parsed` is not a ParsedReport, and no other error.
    """
    require_type(parsed, ParsedReport, "a ParsedReport, as parse_report() returns it,")
    original, decrypted = _part(parsed, PartKind.ORIGINAL), _part(parsed, PartKind.DECRYPTED)
    report = parsed.report
    message_id, own = report.message_id, b""
    original_sha256 = content = None
    if original is not None and original.content.nbytes:
        data, start, end = _place(original)
        content, has_header = same_content(data, start, end)
        if has_header:
            begin = header_place(data, start, end)[0]
            fields = scan(data, begin, end, field_pattern("message-id")).fields
            message_id = message_id_of(fields.get(b"message-id", b""))
            # In a copy, the recipients already include those of the Bcc field, and their digest ignores the order.
            own = _fields(data, begin, end, ("Resent-*",) if parsed.format in COPIES else ("Resent-*", "Bcc"))
        elif _names_something(message_id):
            # In mixed organizations, only the report's own header has the fields of the original.
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
        # Without a content digest, a report equals only itself.
        b"" if content is not None else _digest(parsed.report_id.encode(), (original_sha256 or "").encode()),
        decrypted_digest or b"",
        message_id.encode(),
        own,
        # The same report with and without a marker counts as two, because their evidence differs.
        (parsed.format + " unmarked" if parsed.recipients_from is Evidence.UNMARKED else parsed.format).encode(),
        recipients,
        *_facts(parsed),
        *_body_pieces(parsed),
    ).hex()
    codes = {defect.code for defect in parsed.defects}
    content_sha256 = None if content is None else content.hex()
    return Identity(
        report_id=parsed.report_id,
        message_id="" if message_id_sha256 is None else message_id,
        message_id_sha256=message_id_sha256,
        mih=mih,
        original_sha256=original_sha256,
        content_sha256=content_sha256,
        decrypted_sha256=None if decrypted_digest is None else decrypted_digest.hex(),
        recipients_sha256=recipients.hex(),
        message_key=message_key_of(message_id_sha256, content_sha256, report_key),
        report_key=report_key,
        complete=content is not None and not codes & INCOMPLETE,
        nested=DefectCode.NESTED_REPORT in codes,
    )


_ID = re.compile(r"<[^<>]+>")


def message_id_keys(message_id: str, /) -> tuple[str | None, str | None]:
    """Compute the SHA-256 and the MIH of a Message-ID. Both are None for a blank id; the MIH also for one without brackets."""
    if not _names_something(message_id):
        return None, None
    # A blank <…> identifies nothing.
    bracketed = next((text for text in _ID.findall(message_id) if _names_something(text)), None)
    encoded = (message_id if bracketed is None else bracketed).encode()
    mih = None if bracketed is None else hashlib.md5(encoded, usedforsecurity=False).hexdigest().upper()
    return hashlib.sha256(encoded).hexdigest(), mih


def _names_something(message_id: str) -> bool:
    """Whether a Message-ID is more than brackets and whitespace."""
    return "".join(message_id.split()).strip("<>") != ""


def message_key_of(message_id_sha256: str | None, content_sha256: str | None, report_key: str, /) -> str:
    """Compute the key of a message from its Message-ID and content. Without a content digest, it is the key of the report."""
    if content_sha256 is None:
        return report_key
    return _digest(b"message", (message_id_sha256 or "").encode(), content_sha256.encode()).hex()


def recipients_digest(recipients: Iterable[Recipient], /) -> bytes:
    """Compute the SHA-256 of recipients: addresses, roles and redirections, in any order."""
    # An address never contains NUL or a line end.
    lines = {
        "\0".join(
            (
                recipient.role,
                address_key(recipient.address),
                address_key(recipient.expanded_from or ""),
                address_key(recipient.forwarded_from or ""),
            )
        )
        for recipient in recipients
    }
    return hashlib.sha256("\n".join(sorted(lines)).encode()).digest()


def _part(parsed: ParsedReport, kind: PartKind) -> Part | None:
    return next((part for part in parsed.parts if part.kind is kind), None)


def _place(part: Part) -> "tuple[Buffer, int, int]":
    """Return a buffer and the span of a part's content in it; the buffer is the caller's bytes or a decoded copy."""
    data: Buffer = part.content.obj  # type: ignore[assignment]  # the reader works on bytes and mmap
    size = part.content.nbytes
    return (data, 0, size) if len(data) == size else (data, part.offset, part.offset + part.size)


def _digest(*pieces: bytes) -> bytes:
    # Each piece is preceded by its size, so two different sequences never join to the same bytes.
    return hashlib.sha256(b"".join([b"%d:%b" % (len(piece), piece) for piece in (b"exjournal", *pieces)])).digest()


def _fields(data: "Buffer", start: int, end: int, names: tuple[str, ...]) -> bytes:
    """Return the fields that name further recipients. Servers remove Bcc; resending a message adds Resent fields."""
    spans = scan_spans(data, start, end, span_pattern(names)).fields
    return b"".join([data[begin:field_end].replace(b"\r", b"") for begin, field_end in spans])


def _facts(parsed: ParsedReport) -> Iterator[bytes]:
    """Yield the facts in a report text except its recipients, one by one, then the lines that the reader did not understand."""
    report = parsed.report
    yield address_key(report.sender).encode()
    for address in (report.on_behalf_of, report.envelope_sender):
        yield b"-" if address is None else b"=" + address_key(address).encode()
    for text in (report.subject, report.message_id, report.label, report.mailbox, report.sent_utc, report.received_utc):
        yield b"-" if text is None else b"=" + text.encode()
    yield "\n".join(parsed.unparsed).encode("utf-8", "surrogatepass")


# The text that differs each time a report is written: delimiter lines, declared boundaries, and transfer encodings of parts.
_REWRITTEN = re.compile(
    rb"(?mi)^--[^\r\n]*+|boundary=(?:\"[^\"\r\n]*+\"|[^\";\s]++)|^content-transfer-encoding:[^\r\n]*+\r?\n"
)


def _body_pieces(parsed: ParsedReport) -> Iterator[bytes]:
    """Yield the rest of a report's body: the headers of all parts, the bytes between parts, and the parts of kind OTHER."""
    if parsed.format in COPIES:
        return  # a copy is nothing but the message
    # A decoded part has a buffer of its own. If all parts are decoded, the bytes between them cannot be reached.
    buffers = [_place(part)[0] for part in parsed.parts]
    undecoded = [data for data, part in zip(buffers, parsed.parts, strict=True) if len(data) != part.content.nbytes]
    data = undecoded[0] if undecoded else b""
    position = lead_in(data).block + len(parsed.outer_block)
    for part in parsed.parts:
        yield _between(data[position : part.offset])
        position = part.offset + part.size
        if part.kind is PartKind.OTHER:
            yield part.encoding.encode()
            is_twin = part.media_type == "text/html" and parsed.format is ReportFormat.ENVELOPE_2003
            yield _twin_digest(part) if is_twin else text_digest(*_place(part))
    yield _between(data[position:])


def _between(data: bytes) -> bytes:
    return _REWRITTEN.sub(b"", data).replace(b"\r", b"").strip(b"\n")


def _twin_digest(part: Part) -> bytes:
    """Compute a digest of the HTML twin of an Exchange 2003 report text. It ignores the order of lines, as of recipients."""
    raw = bytes(part.content)
    if part.encoding in DECODED_ENCODINGS:
        raw = transfer_decoded(raw, 0, len(raw), part.encoding)[0]
    lines = {line.strip(" \t\r,") for line in lines_of_html(raw.decode("latin-1")).split("\n")}
    return _digest(*[line.encode() for line in sorted(lines)])
