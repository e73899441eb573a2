"""What a message says of itself: who it is from and to, its subject and id, each found in its header block only."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.headers import decode, decode_words, field_pattern, first_line_is_field, one_line, scan, unfold
from exjournal.addresses import address_problem, comment_end, mailbox_key
from exjournal.errors import DefectCode, ParseError
from exjournal.limits import ADDRESS_FIELD_LIMIT, FROM_LINE_LIMIT
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
        mark, blank, behind = lead_in(data, start, end)
        begin, is_whole = (behind, True) if blank == mark else (begin, False)
    repeated: list[tuple[bytes, bytes]] = []
    found, body, complete = scan(data, begin, end, field_pattern(*_FIELDS), repeated=repeated)
    complete = complete or body >= end
    if not complete:
        # Very many fields of one name hide none of another.
        found = scan(data, begin, end, field_pattern("subject", "message-id"))[0] | found
    to, cc = found.get(b"to"), found.get(b"cc")
    values = [value for value in (to, cc) if value is not None]
    addresses = {name: addresses_of(found.get(name, b"")) for name in _ADDRESS_FIELDS}
    for name, value in repeated:
        if name in addresses:
            addresses[name] += addresses_of(value)
            if name in (b"to", b"cc"):
                values.append(value)
    named = len(addresses[b"to"]) + len(addresses[b"cc"])
    told = Facts(
        addresses[b"from"],
        next(iter(addresses[b"sender"]), ""),
        addresses[b"to"],
        addresses[b"cc"],
        one_line(found.get(b"subject", b"")),
        message_id_of(found.get(b"message-id", b"")),
    )
    return told, Addressing(tuple(values), named, begin, body, is_whole and complete)


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


# Buffer of line ends before a header block; behind more of them is nothing that anybody sent.
_BLANK_LIMIT: Final = 64 << 10
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
ODD_BEGINNINGS: Final = (b"\xef", b"\r", b"\n", b"F", b">")


def lead_in(data: "Buffer", start: int = 0, end: int | None = None, /) -> tuple[int, int, int]:
    """What mailbox files and text editors put before a header block: the ends of a byte order mark, blank lines, From lines.

    Each is the one before where there is no such thing; the last is where the block begins.
    """
    if data[start : start + 1] not in ODD_BEGINNINGS:
        return start, start, start
    end = len(data) if end is None else end
    mark = start + 3 if data[start : start + 3] == BYTE_ORDER_MARK else start
    beginning = data[mark : min(end, mark + _BLANK_LIMIT)]
    blank = mark + len(beginning) - len(beginning.lstrip(b"\r\n"))
    return mark, blank, skip_from_line(data, blank, end)


def header_place(data: "Buffer", begin: int = 0, end: int | None = None, /) -> tuple[int, int, bool]:
    """Where a field can be put before those of a message; where its body begins if it has no header; whether it has none.

    Without a header a message begins with a blank line, or with what is no field.
    """
    end = len(data) if end is None else end
    mark, blank, start = lead_in(data, begin, end)
    if blank > mark:
        start = mark
    found = _BLANK_LINE.match(data, start, end)
    if found is not None:
        return start, found.end(), True
    return start, start, start < end and not first_line_is_field(data, start, end)


_BLANK_LINE = re.compile(rb"\r?\n")


def skip_from_line(data: "Buffer", start: int, end: int, /) -> int:
    """Where the header block begins: after a `From ` line that a mailbox file left before it (RFC 4155).

    Some programs leave another one, quoted as `>From `: readpst alone, ImportExportTools after the first.
    """
    if data[start : start + 5] == b"From ":
        found = re.compile(_FROM_LINE).match(data, start, end)
        start = start if found is None else found.end()
    if data[start : start + 6] == b">From ":
        found = re.compile(_QUOTED_FROM_LINE).match(data, start, end)
        start = start if found is None else found.end()
    return start


# No line of a mailbox file is a From field with blanks before its colon, as old mail has it. In a file with CR line ends all
# would be one line.
_FROM_LINE: Final = rb"From (?![ \t]*:)(?:[^\n]*+\n|[^\r\n]*+\r?\Z)"
# The line before a header block: the first line of a text without a header is quoted like this as well.
_QUOTED_FROM_LINE: Final = rb">From (?![ \t]*:)[^\n]{0,998}+\n(?=[!-9;-~]{1,998}+[ \t]*+:)"


def refuse_cr_line_ends(data: "Buffer", start: int, end: int, /) -> None:
    """Raise ParseError for a message whose lines end in CR alone: all of it would be one field of one line."""
    if data.find(b"\n", start, end) < 0 and b"\r" in data[start:end].strip(b"\r"):
        raise ParseError(DefectCode.CR_LINE_ENDS, "lines end in CR alone; CRLF or LF is expected", start)


def is_separator(data: "Buffer", start: int, end: int, /, *, or_quoted: bool = False) -> bool:
    """Whether nothing is between `start` and `end`, or one separator line of a mailbox file in its strict form.

    The form is a sender and the date that C's `asctime` writes (RFC 4155), with the zone that some programs add. Text in any
    other form says something to a reader. With `or_quoted` another such line may follow, or be there alone, after `>`.
    """
    form = _QUOTED_SEPARATOR if or_quoted else _SEPARATOR
    return start == end or (end - start <= FROM_LINE_LIMIT and re.compile(form).fullmatch(data, start, end) is not None)


# Few programs read mailbox files, and all load this module.
_ZONE: Final = rb"(?: (?:[A-Z]{1,5}|[+-]\d{4}))?"
_SEPARATOR: Final = (
    rb"From [!-~]++ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]\d"
    rb" \d\d:\d\d:\d\d%b \d{4}%b\r?\n" % (_ZONE, _ZONE)
)
_QUOTED_SEPARATOR: Final = rb"(?:%b)?(?:>%b)?" % (_SEPARATOR, _SEPARATOR)


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
