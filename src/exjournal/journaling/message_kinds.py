"""Kinds of messages: ordinary mail, and what servers and programs send about it.

Message-only journaling leaves delivery reports and receipts out, and an organization may leave voice mail out. The kind is
read from fields that anybody can write, so a caller who decides by it must consider over which path the message came.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from exjournal._wire.beginnings import scan_message
from exjournal._wire.buffers import in_place
from exjournal._wire.headers import field_pattern, unfold
from exjournal._wire.multipart import declared

if TYPE_CHECKING:
    from exjournal._wire.buffers import Data


class MessageKind(StrEnum):
    """The kind of a message, by its own account; message-only journaling leaves out DELIVERY_STATUS and READ_RECEIPT."""

    MAIL = "mail"
    DELIVERY_STATUS = "delivery-status"
    READ_RECEIPT = "read-receipt"
    VOICE_MAIL = "voice-mail"


# The report types of a multipart/report.
_REPORT_TYPES: Final = {
    "delivery-status": MessageKind.DELIVERY_STATUS,
    "disposition-notification": MessageKind.READ_RECEIPT,
}
# Content classes that Exchange writes (MS-OXCMAIL 2.1.3.2.2): delivery reports, receipts, voice mail and missed calls.
_CONTENT_CLASSES: Final = {
    b"urn:content-classes:dsn": MessageKind.DELIVERY_STATUS,
    b"urn:content-classes:mdn": MessageKind.READ_RECEIPT,
    b"voice": MessageKind.VOICE_MAIL,
    b"voice-ca": MessageKind.VOICE_MAIL,
    b"voice-uc": MessageKind.VOICE_MAIL,
    b"missedcall": MessageKind.VOICE_MAIL,
}
_FIELDS: Final = field_pattern("content-type", "content-class")


def message_kind(message: "Data", /) -> MessageKind:
    """Read the kind of a message from its header block.

    A delivery status notification (RFC 3464) or a read receipt (RFC 8098) is a `multipart/report` of that report type; voice
    mail is a `multipart/voice-message` (RFC 3801). Each of them, and the notification of a missed call, can also be declared by
    the content class that Exchange writes. Anybody can write such a header. Raises TypeError for a message that is not bytes.
    """
    data = in_place(message, "a message")
    fields = scan_message(data, _FIELDS).fields
    return kind_of(fields.get(b"content-type", b""), fields.get(b"content-class", b""))


def kind_of(content_type: bytes, content_class: bytes, /) -> MessageKind:
    """Derive the kind of a message from the values of the two fields that declare it."""
    info = declared(content_type)
    if info.media_type == "multipart/report" and info.report_type in _REPORT_TYPES:
        return _REPORT_TYPES[info.report_type]
    if info.media_type == "multipart/voice-message":
        return MessageKind.VOICE_MAIL
    return _CONTENT_CLASSES.get(unfold(content_class).lower(), MessageKind.MAIL)
