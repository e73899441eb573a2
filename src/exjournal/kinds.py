"""Kinds of messages: ordinary mail, and what servers and programs send about it.

Journaling in the message-only format leaves delivery reports and receipts out. Both are told by what the message says of
itself, which anybody can write: whoever decides by the kind asks over which path the message came.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

from exjournal._wire.headers import field_pattern, scan, unfold
from exjournal._wire.message import lead_in
from exjournal._wire.multipart import declared
from exjournal._wire.octets import in_place

if TYPE_CHECKING:
    from exjournal._wire.octets import Data

_DELIVERY, _RECEIPT = "delivery-status", "disposition-notification"


class MessageKind(StrEnum):
    """What kind of a message one says it is."""

    MAIL = "mail"
    DELIVERY_STATUS = "delivery-status"
    READ_RECEIPT = "read-receipt"


def message_kind(message: "Data", /) -> MessageKind:
    """The kind of a message by its header: a delivery status notification (RFC 3464), a read receipt (RFC 8098), or mail.

    Told by the type of a `multipart/report`, and by the content class that Exchange writes. Looks at the header block only.
    """
    octets = in_place(message, "a message")
    found, _, _ = scan(octets, lead_in(octets)[-1], len(octets), field_pattern("content-type", "content-class"))
    info = declared(found.get(b"content-type", b""))
    if info.media_type == "multipart/report":
        if info.report_type == _DELIVERY:
            return MessageKind.DELIVERY_STATUS
        if info.report_type == _RECEIPT:
            return MessageKind.READ_RECEIPT
    content_class = unfold(found.get(b"content-class", b"")).lower()
    if content_class == b"urn:content-classes:dsn":
        return MessageKind.DELIVERY_STATUS
    if content_class == b"urn:content-classes:mdn":
        return MessageKind.READ_RECEIPT
    return MessageKind.MAIL
