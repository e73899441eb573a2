"""What a message says of itself: who it is from and to, its subject and id, each found in its header block only."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.headers import decode, decode_words, field_pattern, first_line_is_field, one_line, scan, unfold
from exjournal._wire.lines import without_forbidden
from exjournal.addresses import address_problem
from exjournal.errors import DefectCode, ParseError

if TYPE_CHECKING:
    from exjournal._wire.octets import Octets

_FIELDS: Final = ("from", "sender", "to", "cc", "subject", "message-id")


class Facts(NamedTuple):
    """Addresses as written, in order; subject decoded to one line; Message-ID as written."""

    authors: tuple[str, ...]
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    message_id: str


def facts(data: "Octets", start: int, end: int, /) -> Facts:
    """Read the header block of a message; whatever is absent is empty."""
    found, _, _ = scan(data, skip_from_line(data, start, end), end, field_pattern(*_FIELDS))
    return Facts(
        addresses_of(found.get(b"from", b"")),
        next(iter(addresses_of(found.get(b"sender", b""))), ""),
        addresses_of(found.get(b"to", b"")),
        addresses_of(found.get(b"cc", b"")),
        one_line(found.get(b"subject", b"")),
        message_id_of(found.get(b"message-id", b"")),
    )


def message_id_of(value: bytes, /) -> str:
    """A Message-ID as written, on one line."""
    text = decode(value.strip())
    if text.isprintable() and " " not in text:
        return text
    return " ".join(decode(unfold(value)).replace("\r", " ").replace("\0", " ").split())


# Octets of line ends before a header block; behind more of them is nothing that anybody sent.
_BLANK_LIMIT: Final = 64 << 10
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
ODD_BEGINNINGS: Final = (b"\xef", b"\r", b"\n", b"F", b">")


def lead_in(data: "Octets", start: int = 0, end: int | None = None, /) -> tuple[int, int, int]:
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


def header_place(data: "Octets", begin: int = 0, end: int | None = None, /) -> tuple[int, int, bool]:
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


def skip_from_line(data: "Octets", start: int, end: int, /) -> int:
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


def refuse_cr_line_ends(data: "Octets", start: int, end: int, /) -> None:
    """Raise ParseError for a message whose lines end in CR alone: all of it would be one field of one line."""
    if data.find(b"\n", start, end) < 0 and b"\r" in data[start:end].strip(b"\r"):
        raise ParseError(DefectCode.CR_LINE_ENDS, "lines end in CR alone; CRLF or LF is expected", start)


# RFC 5322 section 3.4, as senders write it: quoted strings, comments, angle brackets, delimiters, words with address
# literals, blanks. What is opened and never closed runs to the end, so that no octet is looked at twice.
# The interpreter keeps what it compiled: many programs read no address list, and all load this module.
_PIECE: Final = (
    r'("(?:[^"\\]|\\.)*+(?:"|\Z))|(\()|<([^<>]*+)(?:>|\Z)|([,;:])|((?:\[[^\[\]\s]*+\]|[^\s"(<,;:>\[])+|\[)|[\s>]+|<'
)
_COMMENT_EDGE: Final = r"(?s:\\.|[()])"
_BARE: Final = r'(?:"(?:[^"\\]|\\.)*+"|[^\s"])+'


def addresses_of(value: bytes, /) -> tuple[str, ...]:
    """The bare addresses of an address list field, in order: of mailboxes and of the members of groups.

    What is no address (a display name alone, an empty group, more than 571 characters) is left out: the field is a claim, the
    envelope is the evidence.
    """
    return tuple([mailbox.address for mailbox in mailboxes_of(value) if mailbox.address])


def likely_addresses(value: bytes, /) -> list[str]:
    """Whatever in an address list field some reader could take for an address; for rules, which would rather match too much."""
    text = decode(unfold(value))
    texts = [text]
    for _ in range(_COMMENT_DEPTH):
        if "(" not in text:
            break
        text = re.sub(_INNER_COMMENT, "", text)
        texts.append(text)
    found = [address for one in texts for address in re.findall(_LIKELY, re.sub(_AROUND_SIGNS, r"\1", one))]
    return [address for address in dict.fromkeys(found) if address_problem(address) is None]


# Comments inside comments that are looked behind.
_COMMENT_DEPTH: Final = 3
# Few programs decide.
_INNER_COMMENT: Final = r"\([^()]*+\)"
_AROUND_SIGNS: Final = r"\s*+([.@])\s*+"
_LIKELY: Final = r"""[^\s<>(),;:"@]++@(?:\[[^\s\[\]]++\]|[^\s<>(),;:"@]++)"""


class Mailbox(NamedTuple):
    """An entry of an address list: its display name, decoded, and its address.

    Where what stands there is no address, that is "" and the name all that was written.
    """

    name: str
    address: str


def mailboxes_of(value: bytes, /) -> list[Mailbox]:
    """The entries of an address list field (RFC 5322 section 3.4), in order, group members among them; comments are dropped."""
    text = decode(unfold(value))
    found: list[Mailbox] = []
    angle: str | None = None
    words: list[str] = []
    position = 0
    next_token = re.compile(_PIECE, re.DOTALL).match
    while True:
        token = next_token(text, position)
        quoted, comment, bracketed, delimiter, word = token.groups() if token is not None else ("", "", None, ",", "")
        if comment:
            position = _comment_end(text, position + 1)
            continue
        if bracketed is not None:
            # An obsolete source route stands before the last colon (RFC 5322 section 4.4).
            route = bracketed.strip()
            angle = angle or (route.rpartition(":")[2] if route.startswith("@") else route)
        elif delimiter:
            if delimiter != ":":
                said = "".join(words)
                if not angle:
                    # One address, or several with but a blank between them: none of them is lost.
                    joined = said.replace(" @", "@").replace("@ ", "@")
                    bare = [item for item in re.findall(_BARE, joined) if _is_address(item)]
                    found += [Mailbox("", item) for item in bare]
                    written = "" if bare else said if angle is None else f"{said.strip()} <>"
                elif _is_address(angle):
                    found.append(Mailbox(_display_name(said), angle))
                    written = ""
                else:
                    written = f"{said.strip()} <{angle}>"
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


def _is_address(text: str) -> bool:
    return "@" in text and address_problem(text) is None


def _display_name(said: str) -> str:
    """The words before an address in angle brackets, without their quotes, on one line."""
    text = re.sub(_QUOTED_WORDS, _unquoted, said) if '"' in said else said
    return " ".join(decode_words(without_forbidden(text)).split())


def _unquoted(quoted: re.Match[str]) -> str:
    text: str = quoted[1]
    return re.sub(_ESCAPED, r"\1", text) if "\\" in text else text


_QUOTED_WORDS: Final = r'(?s:"((?:[^"\\]|\\.)*+)(?:"|\Z))'
_ESCAPED: Final = r"(?s:\\(.))"


def _comment_end(text: str, position: int) -> int:
    depth = 1
    for edge in re.compile(_COMMENT_EDGE).finditer(text, position):
        if edge[0] == "(":
            depth += 1
        elif edge[0] == ")":
            depth -= 1
            if not depth:
                return edge.end()
    return len(text)
