"""Kinds of messages: ordinary mail, and what servers and programs send about it.

Journaling in the message-only format leaves delivery reports and receipts out, and an organisation may leave voice mail out.
All are told by what the message says of itself, which anybody can write: whoever decides by the kind asks over which path the
message came.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from exjournal._wire.beginnings import scan_message
from exjournal._wire.buffers import in_place
from exjournal._wire.headers import field_pattern, unfold
from exjournal._wire.multipart import declared

if TYPE_CHECKING:
    from exjournal._wire.buffers import Data

_DELIVERY, _RECEIPT = "delivery-status", "disposition-notification"


class MessageKind(StrEnum):
    """What kind of a message one says it is."""

    MAIL = "mail"
    DELIVERY_STATUS = "delivery-status"
    READ_RECEIPT = "read-receipt"
    VOICE_MAIL = "voice-mail"


# Content classes that Exchange writes (MS-OXCMAIL 2.1.3.2.2): delivery reports, receipts, voice mail and missed calls.
_CLASSES: Final = {
    b"urn:content-classes:dsn": MessageKind.DELIVERY_STATUS,
    b"urn:content-classes:mdn": MessageKind.READ_RECEIPT,
    b"voice": MessageKind.VOICE_MAIL,
    b"voice-ca": MessageKind.VOICE_MAIL,
    b"voice-uc": MessageKind.VOICE_MAIL,
    b"missedcall": MessageKind.VOICE_MAIL,
}


def message_kind(message: "Data", /) -> MessageKind:
    """The kind of a message by its header: a delivery status notification (RFC 3464), a read receipt (RFC 8098), voice mail or
    the notice of a missed call, or mail.

    Told by the type of a `multipart/report` or a `multipart/voice-message` (RFC 3801), and by the content class that Exchange
    writes. Looks at the header block only.
    """  # noqa: D205
    octets = in_place(message, "a message")
    found = scan_message(octets, field_pattern("content-type", "content-class")).fields
    return kind_of(found.get(b"content-type", b""), found.get(b"content-class", b""))


def kind_of(content_type: bytes, content_class: bytes, /) -> MessageKind:
    """The same for the values of the two fields that tell it."""
    info = declared(content_type)
    if info.media_type == "multipart/report":
        if info.report_type == _DELIVERY:
            return MessageKind.DELIVERY_STATUS
        if info.report_type == _RECEIPT:
            return MessageKind.READ_RECEIPT
    if info.media_type == "multipart/voice-message":
        return MessageKind.VOICE_MAIL
    return _CLASSES.get(unfold(content_class).lower(), MessageKind.MAIL)
