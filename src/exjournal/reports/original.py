"""The original of a report: choose it among the messages in the report, and check it.

The checks, which `reader` calls, are whether the original agrees with the report text, is complete, and is not a report itself.
They read its header block and its last lines. The whole body is searched only for a close delimiter that is not in its usual
place, or for a TNEF attachment.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.buffers import fast_find
from exjournal._wire.endings import cut_notice, find_usual_close, is_closed_bounce, is_unclosed
from exjournal._wire.grammar import FROM_BEGINS, QUOTED_FROM_LINE, SHORT_FIELD_BEGINS
from exjournal._wire.headers import (
    BLOCK_LIMITS,
    decode,
    decode_words,
    field_pattern,
    one_line,
    scan,
    text_of,
    unfold,
    value_offset,
)
from exjournal._wire.multipart import DECODED_ENCODINGS
from exjournal.errors import Defect, DefectCode
from exjournal.limits import COMPARED_LIMIT, HEADER_LIMIT
from exjournal.reports.markers import MARKERS, marked
from exjournal.reports.models import Part

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

_COMPARED = field_pattern("subject", "message-id", "content-type")
# A word that the name of every marker contains. `re` searches fast for a pattern that begins with a plain byte, hence one
# pattern for each case of the first letter.
_MARKER_WORD = re.compile(rb"J(?i:ournal-?(?:report|id))")
_MARKER_WORD_LOWER = re.compile(rb"j(?i:ournal-?(?:report|id))")
_MARKER_FIELDS = field_pattern(*MARKERS)
# Exchange writes this field, with an id in it, on messages that it encodes as TNEF.
_TNEF_CORRELATOR = field_pattern("x-ms-tnef-correlator")
# The first field of a message, after the lines that a mailbox file may have left before it.
_FIRST_FIELD = re.compile(rb"(?:%b[^\n]*+\n)?(?:%b)?(%b)" % (FROM_BEGINS, QUOTED_FROM_LINE, SHORT_FIELD_BEGINS))
_MESSAGE_ID = re.compile(r"<[^<>]*>")

# At most this many bytes of a message are searched for rights-protected content, which is attached after a few lines of text.
_PROTECTION_LIMIT: Final = 1 << 20
# At most this many mentions of its name or type are examined.
_MENTIONS: Final = 20
_CONTENT_CLASS = field_pattern("content-class")


def check_original(
    data: "Buffer", original: Part, subject: str | None, message_id: str | None, defects: list[Defect], /
) -> int:
    """Compare the original with the report text, check its beginning and its end, and add what is wrong to `defects`.

    `subject` and `message_id` are the reported values, None if the report text has no such line.

    Returns where the last line of the original ends, not counting a close delimiter in its usual place. For an encoded
    original, it returns an offset in the decoded bytes instead, which is of no use to the caller.
    """
    offset = original.offset
    if original.encoding in DECODED_ENCODINGS:
        data = bytes(original.content[: HEADER_LIMIT + 1])
        begin, end = 0, len(data)
        is_plain = False  # Offsets in decoded bytes mean nothing to the caller, so defects get the offset of the part.
    else:
        begin, end, is_plain = offset, offset + original.size, True
    if begin == end:
        defects.append(Defect(DefectCode.ORIGINAL_EMPTY, "", offset))
        return end
    first = _FIRST_FIELD.match(data, begin, end)
    if first is None:
        defects.append(Defect(DefectCode.ORIGINAL_WITHOUT_HEADERS, "", offset))
        return end
    start = first.start(1)
    if start != begin and b"\n>From " in b"\n" + data[begin:start]:
        defects.append(Defect(DefectCode.LEADING_FROM_LINE, "before the original", offset))
    _, body, fields, complete = scan(data, start, end, _COMPARED)
    if not complete:
        defects.append(Defect(DefectCode.ORIGINAL_HEADER_TOO_LARGE, BLOCK_LIMITS, offset))
    last_line_end = end
    content_type = fields.get(b"content-type", b"")
    media_type = content_type.lower()
    if b"multipart/" in media_type:
        decoded, decoded_end = (data, end) if is_plain else (bytes(original.content), original.content.nbytes)
        close = find_usual_close(decoded, body, decoded_end, content_type)
        if close >= 0:
            last_line_end = close + 1
        elif is_unclosed(decoded, body, decoded_end, content_type):
            defects.append(Defect(DefectCode.ORIGINAL_UNCLOSED, "", offset))
        if b"multipart/mixed" in media_type:
            if _is_marked(data, start, body, end):
                defects.append(Defect(DefectCode.NESTED_REPORT, "the original is a report itself", offset))
            if _has_tnef_attachment(data, start, body, end):
                defects.append(Defect(DefectCode.ORIGINAL_HOLDS_TNEF, "an attachment", offset))
    elif b"/ms-tnef" in media_type:
        defects.append(Defect(DefectCode.ORIGINAL_HOLDS_TNEF, "its content", offset))
    # Nearly all values are equal as written, so a value is decoded only if they differ.
    if message_id is not None:
        value = fields.get(b"message-id", b"").strip()
        if value.decode("latin-1") != message_id and not _is_same_id(value, message_id):
            place = value_offset(data, start, body, b"message-id") if is_plain else offset
            defects.append(Defect(DefectCode.MESSAGE_ID_MISMATCH, "", place))
    if subject is not None:
        value = fields.get(b"subject", b"").strip()
        if value.decode("latin-1") != subject and not _is_same_text(value, subject):
            place = value_offset(data, start, body, b"subject") if is_plain else offset
            defects.append(Defect(DefectCode.SUBJECT_MISMATCH, "", place))
    return last_line_end


def _is_marked(data: "Buffer", start: int, body: int, end: int) -> bool:
    """Whether a header block has a marker. Searching for the word first halves the time."""
    return (
        _MARKER_WORD.search(data, start, body) is not None or _MARKER_WORD_LOWER.search(data, start, body) is not None
    ) and marked(scan(data, start, end, _MARKER_FIELDS).fields)[0] is not None


def _has_tnef_attachment(data: "Buffer", start: int, body: int, end: int) -> bool:
    if data.find(b"orrelator", start, body) < 0:
        return False
    fields = scan(data, start, end, _TNEF_CORRELATOR).fields
    return bool(fields.get(b"x-ms-tnef-correlator", b"").strip()) and fast_find(data, b"winmail.dat", body, end) >= 0


def _is_same_text(value: bytes, reported: str) -> bool:
    """Whether a field's value, decoded or as written, is the reported one; spaces, tabs and folds may differ."""
    if len(value) > COMPARED_LIMIT or len(reported) > COMPARED_LIMIT:
        return False
    words = reported.split()
    if words == one_line(value).split() or words == decode(unfold(value)).split():
        return True
    # The value may be windows-1252 that nothing declares.
    return not value.isascii() and words == decode_words(text_of(unfold(value), "latin_1")).split()


def _is_same_id(value: bytes, reported: str) -> bool:
    """Whether a Message-ID is the reported one. A comment after it, which some gateways add, may differ."""
    if _is_same_text(value, reported):
        return True
    if len(value) > COMPARED_LIMIT or len(reported) > COMPARED_LIMIT:
        return False
    own, other = _MESSAGE_ID.match(decode(value)), _MESSAGE_ID.match(reported)
    return own is not None and other is not None and own[0] == other[0]


def note_cut(data: "Buffer", start: int, end: int, original: Part | None, defects: list[Defect], /) -> None:
    """Add `perhaps-truncated` if a notice at the end says that the message was cut, unless `defects` already has it."""
    notice = cut_notice(data, start, end)
    if notice is None or any(defect.code is DefectCode.PERHAPS_TRUNCATED for defect in defects):
        return
    if original is not None:
        # If the original is a bounce itself, the notice is about the message that it returns.
        first, last = original.offset, original.offset + original.size
        if first <= notice < last and is_closed_bounce(data, first, last):
            return
    defects.append(Defect(DefectCode.PERHAPS_TRUNCATED, "the last lines say so", notice))


class OriginalChoice(NamedTuple):
    """The numbers of the original and of its decrypted copy among the messages in a report, and the evidence for the choice."""

    original: int | None
    decrypted: int | None = None
    evidence: str = ""


def choose_original(messages: Sequence[memoryview], /) -> OriginalChoice:
    """Choose the original among at most two messages: the rights-protected one if only one is protected, else the first."""
    if len(messages) < 2:
        return OriginalChoice(0 if messages else None)
    for evidence, is_protected in (("content-class", _has_protected_class), ("message.rpmsg", _has_protected_content)):
        first, second = [is_protected(bytes(message[:_PROTECTION_LIMIT])) for message in messages]
        if first != second:
            return OriginalChoice(0, 1, evidence) if first else OriginalChoice(1, 0, evidence)
    return OriginalChoice(0, 1, "order")


def _has_protected_class(message: bytes) -> bool:
    fields = scan(message, 0, len(message), _CONTENT_CLASS).fields
    return b"rpmsg.message" in fields.get(b"content-class", b"").lower()


def _has_protected_content(message: bytes) -> bool:
    """Whether a message has the encrypted content attached, found by its name or type (MS-OXORMMS 2.1.3)."""
    for needle, before in ((b"message.rpmsg", b"="), (b"x-microsoft-rpmsg-message", b"application/")):
        position = message.find(needle)
        for _ in range(_MENTIONS):
            if message[max(0, position - 16) : max(0, position)].rstrip(b'" \t').lower().endswith(before):
                return True
            position = message.find(needle, position + 1) if position >= 0 else -1
    return False
