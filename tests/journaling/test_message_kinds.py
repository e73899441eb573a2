"""Kinds of messages, by the header block and by nothing else."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import MessageKind, ParseError, message_kind, parse_report
from exjournal.journaling.message_kinds import kind_of
from strategies import ORIGINAL, any_bytes, built, message_like, originals

MAIL, DELIVERY, RECEIPT = MessageKind.MAIL, MessageKind.DELIVERY_STATUS, MessageKind.READ_RECEIPT
VOICE = MessageKind.VOICE_MAIL
DSN_TYPE = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b"
MDN_TYPE = b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b"
DSN_CLASS = b"Content-Class: urn:content-classes:dsn"
MDN_CLASS = b"Content-Class: urn:content-classes:mdn"
VOICE_TYPE = b"Content-Type: multipart/voice-message; boundary=b"
VOICE_CLASSES = [b"voice", b"voice-ca", b"voice-uc", b"missedcall"]


def a_message(*fields: bytes, body: bytes = b"text\r\n") -> bytes:
    """A message with some header fields."""
    return b"".join([field + b"\r\n" for field in (b"Subject: x", *fields)]) + b"\r\n" + body


KINDS: dict[str, tuple[bytes, MessageKind]] = {
    "delivery status": (a_message(DSN_TYPE), DELIVERY),
    "read receipt": (a_message(MDN_TYPE), RECEIPT),
    "content class of a delivery status": (a_message(DSN_CLASS), DELIVERY),
    "content class of a read receipt": (a_message(MDN_CLASS), RECEIPT),
    "content class beside another type": (a_message(b"Content-Type: multipart/mixed; boundary=b", MDN_CLASS), RECEIPT),
    "content class beside a report without a type": (a_message(b"Content-Type: multipart/report", DSN_CLASS), DELIVERY),
    "type before content class": (a_message(MDN_CLASS, DSN_TYPE), DELIVERY),
    "content class of mail": (a_message(b"Content-Class: urn:content-classes:message"), MAIL),
    "content class that begins alike": (a_message(DSN_CLASS + b"x"), MAIL),
    "abuse or DMARC failure report": (a_message(DSN_TYPE.replace(b"delivery-status", b"feedback-report")), MAIL),
    "TLS report": (a_message(DSN_TYPE.replace(b"delivery-status", b"tlsrpt")), MAIL),
    "report of no type": (a_message(b"Content-Type: multipart/report; boundary=b"), MAIL),
    "report type that begins alike": (a_message(DSN_TYPE.replace(b"delivery-status", b"delivery-status-x")), MAIL),
    "report type on another multipart": (a_message(DSN_TYPE.replace(b"multipart/report", b"multipart/mixed")), MAIL),
    "the part's own type": (a_message(b"Content-Type: message/delivery-status"), MAIL),
    "plain text": (a_message(b"Content-Type: text/plain"), MAIL),
    "no type": (a_message(), MAIL),
    "no header": (b"\r\ntext", MAIL),
    "upper case": (a_message(DSN_TYPE.upper()), DELIVERY),
    "lower case": (a_message(MDN_TYPE.lower()), RECEIPT),
    "content class in upper case": (a_message(MDN_CLASS.upper()), RECEIPT),
    "quoted": (a_message(b'Content-Type: multipart/report; report-type="delivery-status"; boundary="b"'), DELIVERY),
    "quoted in part": (a_message(b'Content-Type: multipart/report; report-type="disposition\\-notification"'), RECEIPT),
    "spaces around the sign": (
        a_message(b"Content-Type: multipart/report ; report-type = delivery-status ;"),
        DELIVERY,
    ),
    "no blanks": (a_message(b"Content-Type:multipart/report;boundary=b;report-type=delivery-status"), DELIVERY),
    "blanks before the colon": (a_message(b"Content-Type \t: multipart/report; report-type=delivery-status"), DELIVERY),
    "folded": (
        a_message(b"Content-Type: multipart/report;\r\n\tboundary=b;\r\n report-type=\r\n delivery-status"),
        DELIVERY,
    ),
    "folded after the colon": (a_message(b"Content-Class:\r\n\turn:content-classes:dsn"), DELIVERY),
    "folded with bare LF": (a_message(DSN_TYPE.replace(b"; ", b";\n\t")), DELIVERY),
    "inside another parameter": (
        a_message(b'Content-Type: multipart/report; boundary="; report-type=delivery-status;"; report-type=x'),
        MAIL,
    ),
    "inside another field": (a_message(b"X-Note: " + DSN_TYPE, b"X-Content-Class: urn:content-classes:dsn"), MAIL),
    "inside the subject": (DSN_TYPE.join([b"Subject: ", b"\r\n"]) + b"\r\n", MAIL),
    "first of two types": (a_message(DSN_TYPE, MDN_TYPE), DELIVERY),
    "in the body": (a_message(body=a_message(DSN_TYPE, DSN_CLASS)), MAIL),
    "in an attached message": (
        a_message(b"Content-Type: multipart/mixed; boundary=b", body=b"--b\r\n" + DSN_TYPE + b"\r\n\r\n--b--"),
        MAIL,
    ),
    "header block alone": (DSN_TYPE, DELIVERY),
    "first line": (DSN_TYPE + b"\r\n\r\n", DELIVERY),
    "byte order mark first": (b"\xef\xbb\xbf" + DSN_TYPE + b"\r\n\r\n", DELIVERY),
    "From_ line first": (b"From MAILER-DAEMON Thu Feb 29 12:30:45 2024\n" + MDN_TYPE + b"\r\n\r\n", RECEIPT),
    "blank lines first": (b"\r\n\n" + DSN_TYPE + b"\r\n\r\n", DELIVERY),
    "voice message": (a_message(VOICE_TYPE), VOICE),
    "voice message in upper case": (a_message(VOICE_TYPE.upper()), VOICE),
    "voice message, folded": (a_message(b"Content-Type:\r\n multipart/voice-message;\r\n\tboundary=b"), VOICE),
    "voice message of a version": (a_message(b"Content-Type: multipart/Voice-Message; version=2.0"), VOICE),
    "voice message beside the class of a receipt": (a_message(VOICE_TYPE, MDN_CLASS), VOICE),
    "voice message that begins alike": (a_message(VOICE_TYPE.replace(b"message", b"messages")), MAIL),
    "voice message with a report type": (a_message(VOICE_TYPE + b"; report-type=delivery-status"), VOICE),
    "report with the class of voice mail": (a_message(DSN_TYPE, b"Content-Class: voice"), DELIVERY),
    "a sound": (a_message(b"Content-Type: audio/wav"), MAIL),
    "a sound with the class of voice mail": (a_message(b"Content-Type: audio/wav", b"Content-Class: voice"), VOICE),
    "voice message as a parameter": (a_message(b"Content-Type: multipart/mixed; type=multipart/voice-message"), MAIL),
    "voice message inside": (
        a_message(b"Content-Type: multipart/mixed; boundary=b", body=b"--b\r\n" + VOICE_TYPE + b"\r\n\r\n--b--"),
        MAIL,
    ),
    **{f"class {name.decode()}": (a_message(b"Content-Class: " + name), VOICE) for name in VOICE_CLASSES},
    **{
        f"class {name.decode()} in upper case": (a_message(b"content-class:" + name.upper()), VOICE)
        for name in VOICE_CLASSES
    },
    "class of voice mail, folded": (a_message(b"Content-Class:\r\n\tvoice \r\n "), VOICE),
    "class that begins as voice": (a_message(b"Content-Class: voice-xx"), MAIL),
    "class that ends as voice": (a_message(b"Content-Class: urn:content-classes:voice"), MAIL),
    "class of a fax": (a_message(b"Content-Class: fax"), MAIL),
    "first of two classes": (a_message(b"Content-Class: voice", DSN_CLASS), VOICE),
    "class of no words": (a_message(b"Content-Class:"), MAIL),
    "a report": (built(), MAIL),
    "nothing": (b"", MAIL),
}


@pytest.mark.parametrize(("message", "kind"), KINDS.values(), ids=KINDS)
def test_kinds(message: bytes, kind: MessageKind) -> None:
    """A message is of the kind that its header declares, with CRLF and with LF."""
    assert message_kind(message) is kind
    assert message_kind(message.replace(b"\r\n", b"\n")) is kind


@pytest.mark.parametrize("kind", [DSN_TYPE, MDN_TYPE, DSN_CLASS, MDN_CLASS, VOICE_TYPE, b"Content-Class: voice"])
def test_a_report_on_any_kind_is_mail(kind: bytes) -> None:
    """A journal report on any message is mail, and the original in it keeps its own kind."""
    original = a_message(kind)
    report = built(original)
    assert message_kind(report) is MAIL
    inner = parse_report(report).original
    assert inner is not None
    assert message_kind(inner) is message_kind(original) is not MAIL


def test_values() -> None:
    """Kinds have values; those of reports are report types, or similar."""
    assert [str(kind) for kind in MessageKind] == ["mail", "delivery-status", "read-receipt", "voice-mail"]


@pytest.mark.parametrize("message", ["text", None, 1, [b"x"]], ids=repr)
def test_other_types(message: object) -> None:
    """Any other type is a TypeError."""
    with pytest.raises(TypeError, match="a message must be bytes"):
        message_kind(cast("bytes", message))


@given(any_bytes() | message_like() | originals())
def test_any_bytes(data: bytes) -> None:
    """Any bytes have a kind, the same in every buffer."""
    assert message_kind(data) is message_kind(bytearray(data)) is message_kind(memoryview(data))
    assert message_kind(data) in MessageKind


@given(
    st.sampled_from([DSN_TYPE, MDN_TYPE, DSN_CLASS, MDN_CLASS, VOICE_TYPE, b"Content-Class: missedcall", b"X: y"]),
    st.lists(st.sampled_from([b"From: a@example.com", b"Received: x\r\n\ty", b"X-Content-Type: multipart/report"])),
    st.binary(max_size=40),
)
def test_other_fields_and_the_body(field: bytes, others: list[bytes], body: bytes) -> None:
    """Other fields and the body do not change the kind."""
    assert message_kind(a_message(*others, field, *others, body=body)) is message_kind(a_message(field))


def test_a_header_block_beyond_the_limit() -> None:
    """A header block beyond the limit is not an error: the fields beyond it do not count."""
    filler = b"X-Filler: " + b"x" * (600 << 10)
    assert message_kind(a_message(DSN_TYPE, filler)) is DELIVERY
    assert message_kind(a_message(filler, DSN_TYPE)) is MAIL
    with pytest.raises(ParseError):
        parse_report(a_message(filler, DSN_TYPE))


@given(
    st.binary(max_size=40) | st.sampled_from([VOICE_TYPE[14:], DSN_TYPE[14:], MDN_TYPE[14:]]), st.binary(max_size=20)
)
def test_the_values_alone(content_type: bytes, content_class: bytes) -> None:
    """The values of the two fields give the same kind as the header, if each is on one line."""
    kind = kind_of(content_type, content_class)
    assert kind in MessageKind
    if not set(content_type + content_class) & set(b"\r\n"):
        assert message_kind(a_message(b"Content-Type:" + content_type, b"Content-Class:" + content_class)) is kind


def test_ordinary_mail() -> None:
    """Ordinary mail is mail."""
    assert message_kind(ORIGINAL) is MAIL
