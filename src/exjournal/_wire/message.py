"""The facts in the header block of a message: sender, recipients, subject, id and date."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.address_lists import addresses_of, likely_addresses
from exjournal._wire.beginnings import lead_in, skip_from_line
from exjournal._wire.headers import decode, field_pattern, one_line, scan, scan_all, unfold
from exjournal._wire.times import mail_date, utc_text
from exjournal.addresses import mailbox_key
from exjournal.limits import ADDRESS_FIELD_LIMIT
from exjournal.lines import json_text, without_forbidden

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

_FIELDS: Final = ("from", "sender", "to", "cc", "subject", "message-id")


class Facts(NamedTuple):
    """Addresses as written, in order; subject decoded to one line; Message-ID as written."""

    authors: tuple[str, ...]
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    message_id: str


class Addressing(NamedTuple):
    """The To and Cc fields of a header block, as `perhaps_named` needs them."""

    values: tuple[bytes, ...]
    # How many addresses were read from them.
    certain: int
    start: int
    body: int
    # Whether all fields could be read.
    is_whole: bool


def read_facts(data: "Buffer", start: int, end: int, /) -> tuple[Facts, Addressing]:
    """Read the header block of a message; the fact of an absent field is empty.

    Every From, Sender, To and Cc field counts, in order. Of the other fields, the first one counts.
    """
    begin, is_whole = _block_start(data, start, end)
    block = scan_all(data, begin, end, field_pattern(*_FIELDS))
    values = block.fields
    if not block.complete:
        # Too many fields of one name must not hide those of another.
        others = scan(data, begin, end, field_pattern("subject", "message-id")).fields
        values = {name: [value] for name, value in others.items()} | values
    addresses = {
        name: tuple([address for value in values.get(name, ()) for address in addresses_of(value)])
        for name in _ADDRESS_FIELDS
    }
    stated = Facts(
        authors=addresses[b"from"],
        sender=next(iter(addresses[b"sender"]), ""),
        to=addresses[b"to"],
        cc=addresses[b"cc"],
        subject=one_line(values.get(b"subject", _ABSENT)[0]),
        message_id=message_id_of(values.get(b"message-id", _ABSENT)[0]),
    )
    addressing = Addressing(
        values=(*values.get(b"to", ()), *values.get(b"cc", ())),
        certain=len(stated.to) + len(stated.cc),
        start=begin,
        body=block.body,
        is_whole=is_whole and block.complete,
    )
    return stated, addressing


def _block_start(data: "Buffer", start: int, end: int) -> tuple[int, bool]:
    """Find where the fields of a message begin, and whether every reader finds them there."""
    begin = skip_from_line(data, start, end)
    if data[begin : begin + 1] not in _NOT_A_FIELD:
        return begin, True
    leading = lead_in(data, start, end)
    return (leading.block, True) if leading.blank_end == leading.mark_end else (begin, False)


class Written(NamedTuple):
    """The fields of a message as written, each on one line: the first Date, None without one, and every From, To and Cc."""

    date: str | None
    authors: tuple[str, ...]
    to: tuple[str, ...]
    cc: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the fields as data for JSON, the date also in UTC; `escaped`: NUL was replaced by U+2400."""
        date, *addresses = self
        # One look at all of them is faster than one at each.
        everything = "".join([date or "", *[value for values in addresses for value in values]])
        is_escaped = json_text(everything) != everything
        if is_escaped:
            date = None if date is None else json_text(date)
            addresses = [tuple(map(json_text, values)) for values in addresses]
        authors, to, cc = map(list, addresses)
        date_utc = None if self.date is None else utc_text(mail_date(self.date))
        return {"date": date, "date_utc": date_utc, "from": authors, "to": to, "cc": cc, "escaped": is_escaped}


def read_written(data: "Buffer", start: int, end: int, /) -> Written:
    """Read the date and the address fields of a message without interpreting them; encoded words stay encoded."""
    begin, _ = _block_start(data, start, end)
    values = scan_all(data, begin, end, _WRITTEN).fields
    dates, *addresses = [
        tuple([decode(unfold(value)) for value in values.get(name, ())]) for name in (b"date", b"from", b"to", b"cc")
    ]
    return Written(dates[0] if dates else None, *addresses)


_WRITTEN = field_pattern("date", "from", "to", "cc")
_ABSENT: Final = [b""]
_ADDRESS_FIELDS: Final = (b"from", b"sender", b"to", b"cc")
# How a byte order mark and an empty line begin.
_NOT_A_FIELD: Final = (b"\xef", b"\r", b"\n")


def perhaps_named(data: "Buffer", addressing: Addressing, /) -> frozenset[str] | None:
    """Find the keys of mailboxes that only some readers find in To and Cc; None if not all fields could be read.

    A recipient that is neither among them nor among the addresses in `Facts` is Bcc for every reader.
    """
    # Some readers take a bare CR for a line end, and see a field after it.
    hidden = _HIDDEN_RECIPIENTS.findall(data[addressing.start : addressing.body])
    values = [*addressing.values, *hidden]
    if not addressing.is_whole or any(len(value) > ADDRESS_FIELD_LIMIT for value in values):
        return None
    signs = sum([value.count(b"@") for value in values])
    # Usually every @ belongs to an address that was read, and nothing makes it unclear where an address begins.
    if signs == addressing.certain and not any(odd in value for value in values for odd in _MANY_READINGS):
        return frozenset()
    return frozenset([mailbox_key(address) for value in values for address in likely_addresses(value)])


# A comment, a quoted pair, an encoded word, and a dot with a space after it, where a local part could continue.
_MANY_READINGS: Final = (b"(", b"\\", b"=?", b". ", b".\t", b".\r", b".\n")
_HIDDEN_RECIPIENTS = re.compile(rb"\r(?i:to|cc)[ \t]*+:([^\r\n]*+)")


def message_id_of(value: bytes, /) -> str:
    """Read a Message-ID as written, on one line."""
    text = decode(value.strip())
    if text.isprintable() and " " not in text:
        return text
    return " ".join(without_forbidden(decode(unfold(value))).split())
