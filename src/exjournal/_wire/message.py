"""What a message says of itself: who it is from and to, its subject and id, each found in its header block only."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.beginnings import lead_in, skip_from_line
from exjournal._wire.headers import decode, decode_words, field_pattern, one_line, scan, scan_all, unfold
from exjournal.addresses import address_problem, comment_end, mailbox_key
from exjournal.limits import ADDRESS_FIELD_LIMIT
from exjournal.lines import without_forbidden

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
    """The To and Cc fields of a header block, to be looked at closely where it matters: see `perhaps_named`."""

    values: tuple[bytes, ...]
    # How many addresses were read from them.
    certain: int
    start: int
    body: int
    # Whether all fields could be read.
    is_whole: bool


def facts(data: "Buffer", start: int, end: int, /) -> tuple[Facts, Addressing]:
    """Read the header block of a message; whatever is absent is empty.

    Every From, Sender, To and Cc field counts, in order. Of the others the first does.
    """
    begin = skip_from_line(data, start, end)
    is_whole = True
    if data[begin : begin + 1] in _NO_FIELD:
        leading = lead_in(data, start, end)
        begin, is_whole = (leading.block, True) if leading.blank_end == leading.mark_end else (begin, False)
    block = scan_all(data, begin, end, field_pattern(*_FIELDS))
    values = block.fields
    if not block.complete:
        # Very many fields of one name hide none of another.
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


_ABSENT: Final = [b""]
_ADDRESS_FIELDS: Final = (b"from", b"sender", b"to", b"cc")
# How a byte order mark and a blank line begin.
_NO_FIELD: Final = (b"\xef", b"\r", b"\n")


def perhaps_named(data: "Buffer", addressing: Addressing, /) -> frozenset[str] | None:
    """The keys of mailboxes that only some readers find in To and Cc; None if the fields could not all be read.

    A recipient that is neither among these nor among the addresses in `Facts` is Bcc for every reader.
    """
    # Some readers take a bare CR for a line end, and see a field after it.
    hidden = re.findall(_HIDDEN_RECIPIENTS, data[addressing.start : addressing.body])
    values = [*addressing.values, *hidden]
    if not addressing.is_whole or any(len(value) > ADDRESS_FIELD_LIMIT for value in values):
        return None
    signs = sum([value.count(b"@") for value in values])
    # Usually every sign is that of an address that was read, and nothing could move the beginning of one.
    if signs == addressing.certain and not any(odd in value for value in values for odd in _MANY_READINGS):
        return frozenset()
    return frozenset([mailbox_key(address) for value in values for address in likely_addresses(value)])


# A comment, a quoted pair, an encoded word, and a dot with a space after it, where a local part could continue.
_MANY_READINGS: Final = (b"(", b"\\", b"=?", b". ", b".\t", b".\r", b".\n")
_HIDDEN_RECIPIENTS: Final = rb"\r(?i:to|cc)[ \t]*+:([^\r\n]*+)"


def message_id_of(value: bytes, /) -> str:
    """A Message-ID as written, on one line."""
    text = decode(value.strip())
    if text.isprintable() and " " not in text:
        return text
    return " ".join(without_forbidden(decode(unfold(value))).split())


# RFC 5322 section 3.4, as senders write it: quoted strings, comments, angle brackets, delimiters, words with address
# literals, blanks. What is opened and never closed runs to the end, so that no octet is looked at twice.
# The interpreter keeps what it compiled: many programs read no address list, and all load this module.
_PIECE: Final = (
    r'(?s:("[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))|(\()|<([^<>]*+)(?:>|\Z)|([,;:])'
    r'|((?:[^\s"(<,;:>\[]++|\[[^\[\]\s]*+\])++|\[)|[\s>]++|<)'
)


def addresses_of(value: bytes, /) -> tuple[str, ...]:
    """The bare addresses of an address list field, in order: of mailboxes and of the members of groups.

    What is no address (a display name alone, an empty group, more than 571 characters) is left out: the field is a claim, the
    envelope is the evidence.
    """
    return tuple([mailbox.address for mailbox in mailboxes_of(value) if mailbox.address])


def likely_addresses(value: bytes, /) -> list[str]:
    """Everything in an address list field that some reader could take for an address; rules would rather match too much.

    Read with and without comments, quotes, encoded words and the blanks around dots. Linear.
    """
    if b"@" not in value and b"=?" not in value:
        return []
    text = decode(unfold(value))
    texts = [text]
    for _ in range(_COMMENT_DEPTH):
        if "(" not in text:
            break
        text = re.sub(_INNER_COMMENT, "", text)
        texts.append(text)
    texts.append(decode_words(texts[0]))
    texts += [one.replace('"', "") for one in texts]
    found: dict[str, None] = {}
    for one in dict.fromkeys(texts):
        # Each run of blanks becomes one, so that none is looked at from every place in it.
        bare = " ".join(one.split()).replace(" @", "@").replace("@ ", "@")
        for written in {bare: None, bare.replace(" .", ".").replace(". ", "."): None}:
            if "@" in written:
                found.update([(run[0], None) for run in re.finditer(_RUN, written) if run[1] is not None])
    return [address for address in found if address_problem(address) is None]


# Comments inside comments that are looked behind.
_COMMENT_DEPTH: Final = 3
# Few programs decide.
_INNER_COMMENT: Final = r"\([^()]*+\)"
# Every run of characters that an address may hold, with @ and a domain after it or without. A pattern that required the @ would
# start again at each character of a run that has none.
_RUN: Final = r"""[^\s<>(),;:"@]++(@(?:\[[^\s\[\]]++\]|[^\s<>(),;:"@]++))?+"""


class Mailbox(NamedTuple):
    """An entry of an address list: its display name, decoded, and its address.

    Where what stands there is no address, that is "" and the name all that was written.
    """

    name: str
    address: str


def mailboxes_of(value: bytes, /) -> list[Mailbox]:
    """The entries of an address list field (RFC 5322 section 3.4), in order, group members among them; comments are dropped.

    One pass over its tokens. A value of more than `ADDRESS_FIELD_LIMIT` bytes is one entry that is no address.
    """
    text = decode(unfold(value))
    if len(value) > ADDRESS_FIELD_LIMIT:
        return [Mailbox(without_forbidden(text).strip(), "")]
    found: list[Mailbox] = []
    angle: str | None = None
    words: list[str] = []
    position = 0
    next_token = re.compile(_PIECE).match
    while True:
        token = next_token(text, position)
        quoted, comment, bracketed, delimiter, word = token.groups() if token is not None else ("", "", None, ",", "")
        if comment:
            position = comment_end(text, position + 1)
            if position < 0:
                position = len(text)
            continue
        if bracketed is not None:
            # An obsolete source route stands before the last colon (RFC 5322 section 4.4).
            route = bracketed.strip().replace("\t", " ")
            angle = angle or (route.rpartition(":")[2] if route.startswith("@") else route)
        elif delimiter:
            if delimiter != ":":
                if not angle:
                    # One address, or several with but a blank between them: none of them is lost.
                    bare = [item for item in _bare_items(words) if _is_address(item)]
                    found += [Mailbox("", item) for item in bare]
                    said = "" if bare else "".join(words)
                    written = said if angle is None or bare else f"{said.strip()} <>"
                elif _is_address(angle):
                    found.append(Mailbox(_display_name("".join(words)), angle))
                    written = ""
                else:
                    written = f"{''.join(words).strip()} <{angle}>"
                written = without_forbidden(written).strip()
                if written:
                    found.append(Mailbox(written, ""))
            angle = None
            words.clear()
        elif quoted or word:
            words.append(quoted or word)
        elif words and words[-1] != " ":
            words.append(" ")
        if token is None:
            return found
        position = token.end()


def _bare_items(words: list[str]) -> list[str]:
    """The words of an entry between spaces; spaces around @ and before a dot join words (RFC 5322 section 4.4).

    A space after a dot does not: it ends an abbreviation as often as it belongs to an address.
    """
    items: list[str] = []
    pieces: list[str] = []
    is_behind_blank = is_open = False
    for word in words:
        if word == " ":
            is_behind_blank = True
        elif word[0] == '"' and re.fullmatch(_QUOTED, word) is None:
            # A quote that is not closed is the last word.
            items += ["".join(pieces), *word.replace('"', " ").split()]
            pieces.clear()
        else:
            if is_behind_blank and not is_open and word[0] not in _JOINING:
                items.append("".join(pieces))
                pieces.clear()
            is_open = word[-1] == "@" or (word == "." and is_behind_blank)
            is_behind_blank = False
            pieces.append(word)
    items.append("".join(pieces))
    return [item.replace("\t", " ") for item in items]


_JOINING: Final = ("@", ".")
_QUOTED: Final = r'(?s:"[^"\\]*+(?:\\.[^"\\]*+)*+")'


def _is_address(text: str) -> bool:
    return "@" in text and address_problem(text) is None


def _display_name(said: str) -> str:
    """The words before an address in angle brackets, without their quotes, on one line."""
    text = re.sub(_QUOTED_WORDS, _unquoted, said) if '"' in said else said
    return " ".join(decode_words(without_forbidden(text)).split())


def _unquoted(quoted: re.Match[str]) -> str:
    text: str = quoted[1]
    return re.sub(_ESCAPED, r"\1", text) if "\\" in text else text


_QUOTED_WORDS: Final = r'(?s:"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"|\\?\Z))'
_ESCAPED: Final = r"(?s:\\(.))"
