"""Address list fields (RFC 5322 section 3.4): their entries, and every text in them that some reader takes for an address."""

import re
from typing import Final, NamedTuple

from exjournal._wire.headers import decode, decode_words, unfold
from exjournal.addresses import QUOTED_CONTENT, address_problem, comment_end, unescape
from exjournal.limits import ADDRESS_FIELD_LIMIT
from exjournal.lines import without_forbidden


class Mailbox(NamedTuple):
    """An entry of an address list: its display name, decoded, and its address.

    An entry without an address has "" for it, and all its text as the name.
    """

    name: str
    address: str


# RFC 5322 section 3.4, as senders write it: quoted strings, comments, angle brackets, delimiters, words with address
# literals, white space. A quote or bracket that is never closed runs to the end, so that no character is read twice.
_PIECE = re.compile(
    rf'("{QUOTED_CONTENT}(?:"|\\?\Z))|(\()|<([^<>]*+)(?:>|\Z)|([,;:])'
    r'|((?:[^\s"(<,;:>\[]++|\[[^\[\]\s]*+\])++|\[)|[\s>]++|<',
    re.DOTALL,
)


def addresses_of(value: bytes, /) -> tuple[str, ...]:
    """Read the bare addresses of an address list field, in order: of mailboxes and of the members of groups.

    Entries that are not addresses (a display name alone, an empty group, more than 571 characters) are left out: the field is
    a claim, the envelope is the evidence.
    """
    return tuple([mailbox.address for mailbox in mailboxes_of(value) if mailbox.address])


def likely_addresses(value: bytes, /) -> list[str]:
    """Find all text in an address list field that some reader could take for an address, as rules rather match too much.

    Reads the field with and without comments, quotes, encoded words and the spaces around dots. Linear.
    """
    if b"@" not in value and b"=?" not in value:
        return []
    text = decode(unfold(value))
    texts = [text]
    for _ in range(_COMMENT_DEPTH):
        if "(" not in text:
            break
        text = _INNER_COMMENT.sub("", text)
        texts.append(text)
    texts.append(decode_words(texts[0]))
    texts += [text.replace('"', "") for text in texts]
    likely: dict[str, None] = {}
    for text in dict.fromkeys(texts):
        # Each run of white space becomes one space, so that no search starts at every place in it.
        spaced = " ".join(text.split()).replace(" @", "@").replace("@ ", "@")
        for reading in {spaced: None, spaced.replace(" .", ".").replace(". ", "."): None}:
            if "@" in reading:
                likely.update([(run[0], None) for run in _RUN.finditer(reading) if run[1] is not None])
    return [address for address in likely if address_problem(address) is None]


# Comments inside comments that are removed.
_COMMENT_DEPTH: Final = 3
_INNER_COMMENT = re.compile(r"\([^()]*+\)")
# Every run of characters that an address may have, with or without @ and a domain after it. A pattern that required the @ would
# start again at each character of a run that has none.
_RUN = re.compile(r"""[^\s<>(),;:"@]++(@(?:\[[^\s\[\]]++\]|[^\s<>(),;:"@]++))?+""")


def mailboxes_of(value: bytes, /) -> list[Mailbox]:
    """Read the entries of an address list field (RFC 5322 section 3.4), in order and with the members of groups.

    Comments are dropped. One pass. A value of more than `ADDRESS_FIELD_LIMIT` bytes is one entry without an address.
    """
    text = decode(unfold(value))
    if len(value) > ADDRESS_FIELD_LIMIT:
        return [Mailbox(without_forbidden(text).strip(), "")]
    mailboxes: list[Mailbox] = []
    angle: str | None = None
    words: list[str] = []
    position = 0
    while True:
        token = _PIECE.match(text, position)
        quoted, comment, bracketed, delimiter, word = token.groups() if token is not None else ("", "", None, ",", "")
        if comment:
            position = comment_end(text, position + 1)
            if position < 0:
                position = len(text)
            continue
        if bracketed is not None:
            # An obsolete source route ends with the last colon (RFC 5322 section 4.4).
            route = bracketed.strip().replace("\t", " ")
            angle = angle or (route.rpartition(":")[2] if route.startswith("@") else route)
        elif delimiter:
            if delimiter != ":":
                if not angle:
                    unread = "".join(words)
                    # One address, or several with only a space between them: none is lost.
                    bare = [item for item in _bare_items(words) if _is_address(item)] if "@" in unread else []
                    mailboxes += [Mailbox("", item) for item in bare]
                    if bare:
                        unread = ""
                    elif angle is not None:
                        unread = f"{unread.strip()} <>"
                elif _is_address(angle):
                    mailboxes.append(Mailbox(_display_name("".join(words)), angle))
                    unread = ""
                else:
                    unread = f"{''.join(words).strip()} <{angle}>"
                if unread:
                    unread = without_forbidden(unread).strip()
                    if unread:
                        mailboxes.append(Mailbox(unread, ""))
            angle = None
            words.clear()
        elif quoted or word:
            words.append(quoted or word)
        elif words and words[-1] != " ":
            words.append(" ")
        if token is None:
            return mailboxes
        position = token.end()


def _bare_items(words: list[str]) -> list[str]:
    """Split the words of an entry at spaces; spaces around @ and before a dot join words (RFC 5322 section 4.4).

    A space after a dot does not: it ends an abbreviation as often as it belongs to an address.
    """
    items: list[str] = []
    pieces: list[str] = []
    is_after_space = is_open = False
    for word in words:
        if word == " ":
            is_after_space = True
        elif word[0] == '"' and _QUOTED.fullmatch(word) is None:
            # A quote that is not closed is the last word.
            items += ["".join(pieces), *word.replace('"', " ").split()]
            pieces.clear()
        else:
            if is_after_space and not is_open and word[0] not in _JOINING:
                items.append("".join(pieces))
                pieces.clear()
            is_open = word[-1] == "@" or (word == "." and is_after_space)
            is_after_space = False
            pieces.append(word)
    items.append("".join(pieces))
    return [item.replace("\t", " ") for item in items]


_JOINING: Final = ("@", ".")
_QUOTED = re.compile(rf'"{QUOTED_CONTENT}"', re.DOTALL)


def _is_address(text: str) -> bool:
    return "@" in text and address_problem(text) is None


def _display_name(words: str) -> str:
    """Put the words before an address in angle brackets on one line, without their quotes."""
    text = _QUOTED_WORDS.sub(_unquoted, words) if '"' in words else words
    return " ".join(decode_words(without_forbidden(text)).split())


def _unquoted(quoted: re.Match[str]) -> str:
    return unescape(quoted[1])


_QUOTED_WORDS = re.compile(rf'"({QUOTED_CONTENT})(?:"|\\?\Z)', re.DOTALL)
