"""Reports for the measurements: in the form of Exchange, all different, and generated.

They do not come from the library's own writer, so that its reader is measured with reports of another producer.
"""

import base64
import html
import random
from collections.abc import Iterator
from dataclasses import dataclass

# Bytes. Below this a message is plain text, above it a multipart with attachments.
_PLAIN_LIMIT = 16 << 10
_ATTACHMENT = 8 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """A report and the facts in it; the original begins at `begin`."""

    data: bytes
    begin: int
    original: bytes
    boundary: bytes
    text: str
    recipients: tuple[str, ...]


def sample(
    number: int, size: int, *, outer: int = 12, inner: int = 12, recipients: int = 10, expanded_every: int = 10
) -> Sample:
    """Make report `number` with `size` bytes, or as few as its fields need.

    `outer` and `inner` are numbers of header fields; some of the recipients are members of an expanded list.
    """
    rng = random.Random(number)
    addresses = tuple([f"{_name(rng)}{number}.{index}@example.com" for index in range(recipients)])
    subject = f"Figures of week {number}"
    message_id = f"<{rng.randbytes(8).hex()}@example.com>"
    boundary = f"_{_guid(rng)}_"
    text = "".join(_text_lines(number, addresses, subject, message_id, expanded_every))
    fields = _outer_fields(rng, addresses, subject, message_id, boundary)
    traces = [f"Received: from mx{index}.example.net by mx.example.com; {_DATE}" for index in range((outer - 12) // 3)]
    stamps = [
        f"X-MS-Exchange-CrossTenant-{_name(rng)}-{index}: {_guid(rng)}" for index in range(outer - 12 - len(traces))
    ]
    head = _block([*traces, *fields, *stamps])
    before = (
        f'{head}\r\n--{boundary}\r\nContent-Type: text/plain; charset="us-ascii"\r\n'
        f"Content-Transfer-Encoding: 7bit\r\n\r\n{text}\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    ).encode("ascii")
    after = f"\r\n--{boundary}--\r\n".encode("ascii")
    original = message(rng, size - len(before) - len(after), addresses[0], subject, message_id, inner)
    return Sample(before + original + after, len(before), original, boundary.encode("ascii"), text, addresses)


def samples(count: int, size: int, **options: int) -> list[Sample]:
    """Make different reports."""
    return [sample(number, size, **options) for number in range(count)]


def sample_2003(number: int, size: int, *, inner: int = 12, recipients: int = 10) -> Sample:
    """Make report `number` with `size` bytes as Exchange 2003 writes it: text, the same as HTML, then the original."""
    rng = random.Random(number)
    addresses = tuple([f"{_name(rng)}{number}.{index}@example.com" for index in range(recipients)])
    subject = f"Figures of week {number}"
    message_id = f"<{rng.randbytes(8).hex()}@example.com>"
    boundary, alternative = (
        f"----_=_NextPart_001_{rng.randbytes(8).hex()}",
        f"----_=_NextPart_002_{rng.randbytes(8).hex()}",
    )
    listed = ",\r\n\t".join([f'"{address.partition("@")[0].title()}" <smtp:{address}>' for address in addresses])
    text = f'Sender: "Ann Example" <smtp:ann@example.com>\r\nMessage-ID: {message_id}\r\nRecipients:\r\n\t{listed}\r\n'
    shown = "".join([f"{html.escape(line)}<br>\r\n" for line in text.split("\r\n")])
    before = (
        f"{_block(_outer_fields_2003(rng, addresses, subject, boundary))}--{boundary}\r\n"
        f'Content-Type: multipart/alternative;\r\n\tboundary="{alternative}"\r\n\r\n'
        f'--{alternative}\r\nContent-Type: text/plain; charset="us-ascii"\r\n\r\n{text}\r\n'
        f'--{alternative}\r\nContent-Type: text/html; charset="us-ascii"\r\n\r\n'
        f"<html>\r\n<body>\r\n{shown}</body>\r\n</html>\r\n\r\n"
        f"--{alternative}--\r\n\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    ).encode("ascii")
    after = f"\r\n--{boundary}--\r\n".encode("ascii")
    original = message(rng, size - len(before) - len(after), addresses[0], subject, message_id, inner)
    return Sample(before + original + after, len(before), original, boundary.encode("ascii"), text, addresses)


def samples_2003(count: int, size: int, **options: int) -> list[Sample]:
    """Make different reports of Exchange 2003."""
    return [sample_2003(number, size, **options) for number in range(count)]


@dataclass(frozen=True, slots=True)
class Bounce:
    """A non-delivery report and the journal report inside it, whose part begins at `begin`."""

    data: bytes
    begin: int
    report: bytes
    boundary: bytes


def bounce(number: int, size: int, *, encoded: bool = False) -> Bounce:
    """Make non-delivery report `number` of about `size` bytes; the report in it can be in base64, which RFC 2046 forbids."""
    rng = random.Random(number)
    boundary = f"_{_guid(rng)}_"
    fields = [
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
        "Subject: Undeliverable: Figures",
        "To: <alternate@example.com>",
        "From: <postmaster@example.com>",
        "MIME-Version: 1.0",
        f"Message-ID: <{_guid(rng)}@mail.example.com>",
        f"Date: {_DATE}",
        "Auto-Submitted: auto-replied",
    ]
    encoding = "Content-Transfer-Encoding: base64\r\n" if encoded else ""
    before = (
        f"{_block(fields)}--{boundary}\r\nContent-Type: text/plain\r\n\r\nThe mailbox is full.\r\n"
        f"\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mail.example.com\r\nArrival-Date: {_DATE}\r\n\r\n"
        f"Final-Recipient: rfc822; journal{number}@example.com\r\nAction: failed\r\nStatus: 5.2.2\r\n"
        f"Diagnostic-Code: smtp; 552 5.2.2 mailbox full\r\n\r\n"
        f"\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n{encoding}\r\n"
    ).encode("ascii")
    after = f"\r\n--{boundary}--\r\n".encode("ascii")
    room = size - len(before) - len(after)
    report = sample(number, room * 57 // 78 if encoded else room).data
    inside = base64.encodebytes(report).replace(b"\n", b"\r\n") if encoded else report
    return Bounce(before + inside + after, len(before), report, boundary.encode("ascii"))


def message(rng: random.Random, size: int, to: str, subject: str, message_id: str, inner: int) -> bytes:
    """Make an ordinary message: plain text if it is small, otherwise with attachments in lines of 76 characters."""
    boundary = f"_004_{rng.randbytes(16).hex()}_"
    plain = size < _PLAIN_LIMIT
    fields = [
        f"Received: from client.example.com by mail.example.com with ESMTPS; {_DATE}",
        "From: Ann Example <ann@example.com>",
        f"To: <{to}>",
        f"Subject: {subject}",
        f"Thread-Topic: {subject}",
        f"Date: {_DATE}",
        f"Message-ID: {message_id}",
        "Accept-Language: en-GB",
        "Content-Language: en-GB",
        "X-Mailer: Example Mail 2.1",
        "Content-Type: text/plain" if plain else f'Content-Type: multipart/mixed;\r\n\tboundary="{boundary}"',
        "MIME-Version: 1.0",
    ]
    stamps = [
        f"X-MS-Exchange-Organization-{_name(rng).title()}-{index}: {rng.getrandbits(40)} {_guid(rng)}"
        for index in range(inner - len(fields))
    ]
    head = _block([*fields, *stamps]).encode("ascii")
    if plain:
        return head + _prose(size - len(head))
    pieces = [head, f"--{boundary}\r\nContent-Type: text/plain\r\n\r\n".encode("ascii"), b""]
    close = f"\r\n--{boundary}--\r\n".encode("ascii")
    left = size - sum(map(len, pieces)) - len(close) - 2048
    while left > 0:
        length = min(left, _ATTACHMENT)
        left -= length
        pieces.append(
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream; name=figures.bin\r\n"
            f"Content-Disposition: attachment; filename=figures.bin\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n".encode("ascii")
        )
        # 57 bytes become a line of 76 characters with CRLF.
        pieces.append(base64.encodebytes(rng.randbytes(length * 57 // 78)).replace(b"\n", b"\r\n"))
    pieces.append(close)
    pieces[2] = _prose(size - sum(map(len, pieces)))
    return b"".join(pieces)


_DATE = "Thu, 01 Jan 2026 08:00:00 +0000"
_NAMES = ("ann", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "olivia")


def _name(rng: random.Random) -> str:
    return rng.choice(_NAMES)


def _guid(rng: random.Random) -> str:
    digits = rng.randbytes(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _block(fields: list[str]) -> str:
    return "\r\n".join([*fields, "", ""])


def _outer_fields(
    rng: random.Random, addresses: tuple[str, ...], subject: str, message_id: str, boundary: str
) -> list[str]:
    """Yield the dozen fields of every report, in the order that Exchange writes."""
    return [
        f'Content-Type: multipart/mixed;\r\n\tboundary="{boundary}"',
        f"Subject: {subject}",
        f"To: <{addresses[0]}>",
        "From: Ann Example <ann@example.com>",
        "MIME-Version: 1.0",
        "Sender: <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>",
        f"Message-ID: <{_guid(rng)}@journal.report.generator>",
        f"Date: {_DATE}",
        "X-MS-Journal-Report:",
        f"X-MS-Exchange-Parent-Message-Id: {message_id}",
        "Auto-Submitted: auto-generated",
        "X-MS-Exchange-Generated-Message-Source: Journal Agent",
    ]


def _outer_fields_2003(rng: random.Random, addresses: tuple[str, ...], subject: str, boundary: str) -> list[str]:
    """Yield the fields of a report of Exchange 2003, with its misspelled marker."""
    return [
        f'Content-Type: multipart/mixed;\r\n\tboundary="{boundary}"',
        f"Subject: {subject}",
        f"To: <{addresses[0]}>",
        "From: Ann Example <ann@example.com>",
        "MIME-Version: 1.0",
        f"Message-ID: <{_guid(rng)}@mail.example.com>",
        f"Date: {_DATE}",
        "Content-Identifer: ExJournalReport",
    ]


def _text_lines(
    number: int, addresses: tuple[str, ...], subject: str, message_id: str, expanded_every: int
) -> Iterator[str]:
    """Yield the report text: with `Recipient` lines only, or without any; both are common."""
    yield f"Sender: ann@example.com\r\nSubject: {subject}\r\nMessage-Id: {message_id}\r\n"
    roles = ("Recipient",) if number % 2 else ("To", "Cc", "Bcc")
    for index, address in enumerate(addresses, 1):
        redirect = "" if index % expanded_every else ", Expanded: staff@example.com"
        yield f"{roles[index % len(roles)]}: {address}{redirect}\r\n"


_LINE = b"The figures of this week are attached, as they are every week.\r\n"


def _prose(size: int) -> bytes:
    """Make text of `size` bytes in complete lines; empty if `size` is less than a line end."""
    if size < len(b"\r\n"):
        return b""
    return (_LINE * (size // len(_LINE) + 1))[: size - 2] + b"\r\n"
