"""What a message says of itself: who it is from and to, its subject and id, each found in its header block only."""

import re
from typing import TYPE_CHECKING, NamedTuple

from exjournal._wire.headers import decode, field_pattern, one_line, scan, unfold
from exjournal.addresses import address_problem

if TYPE_CHECKING:
    from exjournal._wire.octets import Octets

_PATTERN = field_pattern("from", "sender", "to", "cc", "subject", "message-id")


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
    found, _, _ = scan(data, skip_from_line(data, start, end), end, _PATTERN)
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


def skip_from_line(data: "Octets", start: int, end: int, /) -> int:
    """Where the header block begins: behind a `From ` line that a mailbox file left before it (RFC 4155)."""
    found = _FROM_LINE.match(data, start, end)
    return start if found is None else found.end()


# No line of a mailbox file is a From field with blanks before its colon, as old mail has it.
_FROM_LINE = re.compile(rb"From (?![ \t]*:)[^\n]*+(?:\n|\Z)")


# RFC 5322 section 3.4, as senders write it: quoted strings, comments, angle brackets, delimiters, words with address
# literals, blanks. What is opened and never closed runs to the end, so that no octet is looked at twice.
_TOKEN = re.compile(
    r'("(?:[^"\\]|\\.)*+(?:"|\Z))|(\()|<([^<>]*+)(?:>|\Z)|([,;:])|((?:\[[^\[\]\s]*+\]|[^\s"(<,;:>\[])+|\[)|[\s>]+|<',
    re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"\\.|[()]", re.DOTALL)
_BARE = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^\s"])+')
_AROUND_AT = re.compile(" ?@ ?")


def addresses_of(value: bytes, /) -> tuple[str, ...]:
    """The bare addresses of an address list field, in order: of mailboxes and of the members of groups.

    What is no address (a display name alone, an empty group, more than 571 characters) is left out: the field is a claim, the
    envelope is the evidence.
    """
    text = decode(unfold(value))
    found: list[str] = []
    angle = ""
    words: list[str] = []
    position = 0
    while True:
        token = _TOKEN.match(text, position)
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
                bare = [item for item in _BARE.findall(_AROUND_AT.sub("@", "".join(words))) if "@" in item]
                address = angle or (bare[-1] if bare else "")
                if "@" in address and address_problem(address) is None:
                    found.append(address)
            angle = ""
            words.clear()
        elif quoted or word:
            words.append(quoted or word)
        elif words and words[-1] != " ":
            words.append(" ")
        if token is None:
            return tuple(found)
        position = token.end()


def _comment_end(text: str, position: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, position):
        if edge[0] == "(":
            depth += 1
        elif edge[0] == ")":
            depth -= 1
            if not depth:
                return edge.end()
    return len(text)
