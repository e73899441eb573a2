"""Addresses: the form of a valid one, and when two are the same.

An address is kept as it was written. Two functions compare, each named for its use: `address_key` for the identity of an
address as written (evidence, digests, merging), `mailbox_key` and `same_mailbox` for what rules, groups and loops mean by
the same mailbox. Nothing else in the library compares addresses.
"""

import re
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from exjournal.limits import ADDRESS_LIMIT
from exjournal.lines import BLANKS, line_problem

if TYPE_CHECKING:
    from collections.abc import Iterator


# The content of a quoted string, with its quoted pairs (RFC 5322 section 3.2.4).
QUOTED_CONTENT: Final = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
# A quoted string; one that is not closed runs to the end, so that no character is read twice.
_QUOTED = re.compile(rf'"{QUOTED_CONTENT}(?:"|(\\?\Z))', re.DOTALL)
_OUTSIDE_QUOTES = re.compile(r'[<>,"]|(?:\A|[ \t])(?i:expanded|forwarded)[ \t]*+:')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def unescape(text: str, /) -> str:
    """Replace each quoted pair by its character (RFC 5322 section 3.2.1)."""
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def address_problem(address: str, /) -> str | None:
    """Find the reason why `address` cannot be a sender or recipient; None if it can.

    Every address that a recipient line can carry unchanged is allowed (MS-XJRNL 2.1.1): RFC 5321 mailboxes with quoted local
    parts and address literals, RFC 6531 mailboxes, names without a domain, and addresses that gateways encapsulate. Display
    forms, lists and control characters are refused.
    """
    if not address:
        return "is empty"
    if len(address) > ADDRESS_LIMIT:
        return f"has {len(address)} characters, more than {ADDRESS_LIMIT}"
    problem = line_problem(address)
    if problem is not None:
        return problem
    if "\t" in address:
        return f"contains TAB at character {address.index(chr(9))}"
    is_odd = "<" in address or ">" in address or "," in address or '"' in address or ":" in address or ";" in address
    if is_odd:
        bare = _QUOTED.sub(_without_content, address)
        found = _OUTSIDE_QUOTES.search(bare)
        if found is not None:
            return _REASONS.get(found[0], "reads like a redirect")
        if ";" in bare:
            return _semicolon_problem(bare)
    return None


def _semicolon_problem(bare: str) -> str | None:
    """Find the problem of an address with a semicolon outside quotes; X.400 addresses have them between attributes."""
    if _EMPTY_GROUP.search(bare) is not None:
        return "is a group without members"
    if _X400.match(bare) is None and _AFTER_DOMAIN.search(bare) is not None:
        return "has a semicolon after a domain; must be one address"
    return None


def addresses_in_list(value: str, /) -> "Iterator[str] | None":
    """Split a list at semicolons and commas outside quotes; None if it has any entry that is not a mailbox with a domain.

    X.400 addresses and encapsulated ones (IMCEA) are refused, as the separators may be part of the address. Linear; nothing
    is kept while the list is checked.
    """
    if _NO_LIST.match(value) is not None:
        return None
    count = 0
    for piece in _pieces(value):
        if piece and not _is_mailbox(piece):
            return None
        count += piece != ""
    # One address with a comma is a line that was cut; but some programs end every address with a semicolon.
    return filter(None, _pieces(value)) if count > 1 or (count and value.endswith(";")) else None


def _pieces(value: str) -> "Iterator[str]":
    position = 0
    for found in _SEPARATOR.finditer(value):
        if found[1] is not None:
            yield value[position : found.start()].strip(BLANKS)
            position = found.end()
    yield value[position:].strip(BLANKS)


def _is_mailbox(piece: str) -> bool:
    """Whether a piece of a list is a mailbox with a domain, of a kind in which a separator cannot be part of the address."""
    return _MAILBOX.fullmatch(piece) is not None and _NO_LIST.match(piece) is None and not address_problem(piece)


# A separator outside quotes; a quoted string that is not closed runs to the end.
_SEPARATOR = re.compile(rf'"{QUOTED_CONTENT}(?:"|\\?\Z)|([,;])')
_MAILBOX = re.compile(rf'(?:"{QUOTED_CONTENT}"|[^\s"<>()\[\]:;,@\\])++@(?:\[[^\s\[\]@]++\]|[^\s"<>()\[\]:;,@\\/=]++)')
_EMPTY_GROUP = re.compile(r":[ \t]*+;[ \t]*+\Z")
_AFTER_DOMAIN = re.compile(r"@[^;]*+;")
# The beginning of an X.400 address: an attribute (RFC 1685, RFC 2156 section 4.1), in any of the forms that Exchange writes.
_X400_BEGINS: Final = r"x\.?400:|/?(?:c|a|admd|p|prmd|o|ou[1-4]?|s|g|i|q|cn|dda[:.][^=;@]{1,40}|x121|n-id|t-id)="
_X400 = re.compile(_X400_BEGINS, re.IGNORECASE)
_NO_LIST = re.compile(rf"{_X400_BEGINS}|imcea", re.IGNORECASE)


def _without_content(quoted: re.Match[str]) -> str:
    return "_" if quoted[1] is None else '"'


_REASONS: Final = {
    ",": "has a comma outside quotes; must be one address",
    "<": "has angle brackets; must be a bare address",
    ">": "has angle brackets; must be a bare address",
    '"': "has a quote that is not closed",
}


def address_key(address: str, /) -> str:
    """Return the identity of an address as written: local part exact, domain in lower case (RFC 5321 section 2.4).

    Raises TypeError for anything but a string.
    """
    try:
        local, at, domain = address.rpartition("@")
    except (AttributeError, TypeError):
        raise _not_text(address) from None
    return local + at + domain.lower() if at else address


def _not_text(address: object) -> TypeError:
    return TypeError(f"an address is expected as a string, not {type(address).__name__}")


def mailbox_key(address: str, /) -> str:
    r"""Return a key that is equal for all spellings of one mailbox: no letter case, no needless quotes, domains as A-labels.

    The local part is read by RFC 5322 (section 3.4.1, and 4.4 for the obsolete form): a word in quotes is the same word
    without them, `\x` is x, and comments and the spaces around words and dots mean nothing. The key keeps quotes without which
    a local part would read differently. Characters are compared in Unicode's form NFC. The key of a key is the key. RFC 5321
    leaves the case of the local part to its host; Exchange, like nearly all hosts, ignores it.

    Linear. More than 571 characters are not an address, and only lose their letter case. Raises TypeError for anything but a
    string.
    """
    try:
        is_ascii, is_quoted = address.isascii(), '"' in address
    except (AttributeError, TypeError):
        raise _not_text(address) from None
    if not is_ascii:
        return _any_key(_composed(address))
    if is_quoted or " " in address or "(" in address or "\\" in address or not address.isprintable():
        return _any_key(address)
    _, at, domain = address.rpartition("@")
    # Nearly all addresses; not a route, a final dot or a name without a domain.
    if at and address[0] != "@" and domain[-1:] != "." != domain[:1]:
        return address.lower()
    return _any_key(address)


def _any_key(address: str) -> str:
    """Return the key of an address with quotes, comments, white space or letters beyond ASCII, or without a domain."""
    if "@" not in address or len(address) > ADDRESS_LIMIT:
        return _folded(address)
    local, at, domain = (_without_comments(address) if "(" in address else address).rpartition("@")
    if not at:  # the sign is in a comment
        return _folded(address)
    domain = _without_outer_spaces(domain.translate(FULL_STOPS))
    if not domain.isascii():
        # Characters that IDNA leaves out can hide spaces.
        domain = _without_outer_spaces(_a_labels(domain))
    bare = _folded(_unquoted(local))
    if "(" in bare or _unquoted(bare) != bare:
        bare = f'"{escape(bare)}"'
    return f"{bare}@{_folded(domain)}"


def _without_outer_spaces(domain: str) -> str:
    """Remove the spaces around the labels of a domain, and the full stops at its ends."""
    if not domain.isprintable() or " " in domain:
        domain = ".".join(map(str.strip, domain.split(".")))
    return domain.strip(_ENDS)


def _unquoted(local: str) -> str:
    """Remove quotes, escapes and white space around dots from a local part; one that is not words with dots stays as it is."""
    # Some systems write white space before the @, and old ones a route before the address (RFC 5321 section 4.1.2).
    local = local.strip()
    if local.startswith("@"):
        local = local.rpartition(":")[2].strip()
    if '"' not in local and "\\" not in local and local.isprintable() and " " not in local:
        return local
    pieces: list[str] = []
    is_word = is_after_space = False
    for found in _LOCAL_PIECE.finditer(local):
        quoted, escaped, word, dot, space = found.groups()
        if space:
            is_after_space = True
        elif dot:
            pieces.append(dot)
            is_word = is_after_space = False
        elif (is_word and is_after_space) or (quoted is None and escaped is None and word is None):
            return local  # two words without a dot, or a quote that is not closed
        else:
            pieces.append(word or escaped or unescape(quoted or ""))
            is_word, is_after_space = True, False
    return "".join(pieces)


_LOCAL_PIECE = re.compile(rf'"({QUOTED_CONTENT})"|\\(.)|([^\s"\\.]++)|(\.)|(\s++)|.', re.DOTALL)


def escape(text: str, /) -> str:
    """Make quoted pairs of the quotes and backslashes of a text, to be put in quotes (RFC 5322 section 3.2.4)."""
    return _TO_ESCAPE.sub(r"\\\1", text)


_TO_ESCAPE = re.compile(r'(["\\])')


def _without_comments(address: str) -> str:
    """Remove the comments of an address (RFC 5322 section 3.2.2); an address in which one is not closed stays as it is."""
    kept: list[str] = []
    position = begin = 0
    while (found := _QUOTED_OR_COMMENT.search(address, position)) is not None:
        position = found.end()
        if found[0] == "(":
            kept.append(address[begin : found.start()])
            begin = position = comment_end(address, position)
            if position < 0:
                return address
    return "".join([*kept, address[begin:]])


def comment_end(text: str, position: int, /) -> int:
    """Find the end of the comment whose content begins at `position`, with the comments in it; -1 if it is not closed."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, position):
        if edge[0] == "(":
            depth += 1
        elif edge[0] == ")":
            depth -= 1
            if not depth:
                return edge.end()
    return -1


_QUOTED_OR_COMMENT = re.compile(rf'"{QUOTED_CONTENT}"|\\.|\(', re.DOTALL)
_COMMENT_EDGE = re.compile(r"\\.|[()]", re.DOTALL)


def _composed(text: str) -> str:
    return text if len(text) > ADDRESS_LIMIT else normalize("NFC", text)


def _folded(text: str) -> str:
    """Remove letter case from a text; canonically equivalent texts become equal."""
    return text.lower() if text.isascii() else _composed(text.casefold())


def _a_labels(domain: str) -> str:
    """Write a domain as A-labels (RFC 5890); one that cannot be written so keeps its spelling.

    The standard library has IDNA 2003. Registries use IDNA 2008, in which four more characters are kept as they are.
    """
    labels = domain.split(".")
    if not all(labels):
        return domain
    try:
        return ".".join(map(_a_label, labels))
    except UnicodeError:
        return domain


def _a_label(label: str) -> str:
    if len(label) > _LABEL_LIMIT:
        raise UnicodeError("translating a label takes quadratic time")
    if any(character in label for character in _DEVIATIONS):
        return f"xn--{label.lower().encode('punycode').decode('ascii')}"
    return label.encode("idna").decode("ascii")


# Characters that separate labels as the full stop does (RFC 3490 section 3.1).
FULL_STOPS: Final = dict.fromkeys((0x3002, 0xFF0E, 0xFF61), ".")
# White space of any kind and full stops, which may be around a domain.
_ENDS: Final = (
    ". \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# Characters of a label (RFC 1035 section 2.3.4).
_LABEL_LIMIT: Final = 63
# Characters that IDNA 2003 maps to something else (RFC 5894 section 7.2).
_DEVIATIONS: Final = "\xdf\u03c2\u200c\u200d"


def same_mailbox(one: str, other: str, /) -> bool:
    """Whether two addresses are spellings of one mailbox. Raises TypeError for anything but strings."""
    if not (isinstance(one, str) and isinstance(other, str)):
        raise TypeError(f"addresses are expected as strings, not {type(one).__name__} and {type(other).__name__}")
    return one == other or mailbox_key(one) == mailbox_key(other)
