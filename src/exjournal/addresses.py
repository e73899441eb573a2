"""Addresses: what one may look like, and when two are the same.

An address is kept as it was written. Two functions compare, each named for its use: `address_key` for the identity of an
address as written (evidence, digests, merging), `mailbox_key` and `same_mailbox` for what rules, groups and loops mean by
the same mailbox. Nothing else in the library compares addresses.
"""

import re
from typing import TYPE_CHECKING, Final

from exjournal.limits import ADDRESS_LIMIT
from exjournal.lines import BLANKS, line_problem

if TYPE_CHECKING:
    from collections.abc import Iterator


# The interpreter keeps what it compiled: many programs meet plain addresses alone, and all load this module.
# A quoted string; one that is not closed runs to the end, so that no character is looked at twice.
_QUOTED: Final = r'(?s:"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|(\\?\Z)))'
_OUTSIDE_QUOTES: Final = r'[<>,"]|(?:\A|[ \t])(?i:expanded|forwarded)[ \t]*+:'
_ESCAPED: Final = r"\\(.)"


def address_problem(address: str, /) -> str | None:
    """Why `address` cannot be a sender or recipient, or None.

    Every address that a recipient line can carry and give back is allowed (MS-XJRNL 2.1.1): RFC 5321 mailboxes with quoted
    local parts and address literals, RFC 6531 ones, names without a domain, and what gateways encapsulate. Refused are
    display forms and lists, which are more than one address or not only an address, and control characters.
    """
    if not address:
        return "is empty"
    if len(address) > ADDRESS_LIMIT:
        return f"has {len(address)} characters, more than {ADDRESS_LIMIT}"
    problem = line_problem(address)
    if problem is not None:
        return problem
    if "\t" in address:
        return f"holds TAB at character {address.index(chr(9))}"
    is_odd = "<" in address or ">" in address or "," in address or '"' in address or ":" in address or ";" in address
    if is_odd:
        bare = re.sub(_QUOTED, _without_content, address)
        found = re.search(_OUTSIDE_QUOTES, bare)
        if found is not None:
            return _REASONS.get(found[0], "holds what reads as a redirect")
        if ";" in bare:
            return _semicolon_problem(bare)
    return None


def _semicolon_problem(bare: str) -> str | None:
    """Why an address with a semicolon outside quotes cannot be one; X.400 addresses have them between their attributes."""
    if re.search(_EMPTY_GROUP, bare) is not None:
        return "is a group without members"
    if re.match(_X400, bare) is None and re.search(_AFTER_DOMAIN, bare) is not None:
        return "holds a semicolon after a domain: one address only"
    return None


def addresses_in_list(value: str, /) -> "Iterator[str] | None":
    """The addresses of a list that semicolons or commas outside quotes separate; None where any of it is something else.

    Each one is a mailbox with a domain, and neither an X.400 address nor an encapsulated one (IMCEA), in which the separators
    may be part of the address. Linear; nothing is kept while the list is checked.
    """
    if re.match(_NO_LIST, value) is not None:
        return None
    count = 0
    for piece in _pieces(value):
        if piece and not _is_mailbox(piece):
            return None
        count += piece != ""
    # One address with a comma is a line that was cut off; some programs end every address with a semicolon.
    return filter(None, _pieces(value)) if count > 1 or (count and value.endswith(";")) else None


def _pieces(value: str) -> "Iterator[str]":
    position = 0
    for found in re.finditer(_SEPARATOR, value):
        if found[1] is not None:
            yield value[position : found.start()].strip(BLANKS)
            position = found.end()
    yield value[position:].strip(BLANKS)


def _is_mailbox(piece: str) -> bool:
    """Whether a piece of a list is a mailbox with a domain, and nothing in which a separator could be meant otherwise."""
    return (
        re.fullmatch(_MAILBOX, piece) is not None and re.match(_NO_LIST, piece) is None and not address_problem(piece)
    )


# A separator outside quotes; a quoted string that is not closed runs to the end.
_SEPARATOR: Final = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|([,;])'
_MAILBOX: Final = r'(?:"(?:[^"\\]|\\.)*+"|[^\s"<>()\[\]:;,@\\])++@(?:\[[^\s\[\]@]++\]|[^\s"<>()\[\]:;,@\\/=]++)'
_EMPTY_GROUP: Final = r":[ \t]*+;[ \t]*+\Z"
_AFTER_DOMAIN: Final = r"@[^;]*+;"
# The beginning of an X.400 address: an attribute (RFC 1685, RFC 2156 section 4.1), in any of the forms that Exchange writes.
_X400: Final = r"(?i:x\.?400:|/?(?:c|a|admd|p|prmd|o|ou[1-4]?|s|g|i|q|cn|dda[:.][^=;@]{1,40}|x121|n-id|t-id)=)"
_NO_LIST: Final = rf"{_X400}|(?i:imcea)"


def _without_content(quoted: re.Match[str]) -> str:
    return "_" if quoted[1] is None else '"'


_REASONS: Final = {
    ",": "holds a comma outside quotes: one address only",
    "<": "holds angle brackets: the bare address only",
    ">": "holds angle brackets: the bare address only",
    '"': "holds a quote that is not closed",
}


def address_key(address: str, /) -> str:
    """The identity of an address as written: local part exact, domain without letter case (RFC 5321 section 2.4)."""
    try:
        local, at, domain = address.rpartition("@")
    except (AttributeError, TypeError):
        raise _not_text(address) from None
    return local + at + domain.lower() if at else address


def _not_text(address: object) -> TypeError:
    return TypeError(f"an address is expected as a string, not {type(address).__name__}")


def mailbox_key(address: str, /) -> str:
    r"""A key that is equal for spellings of one mailbox: no letter case, no needless quotes, domains as A-labels.

    The local part is read as RFC 5322 has it (section 3.4.1, and 4.4 for the obsolete form): a word in quotes is the same
    word without them, `\x` is x, comments and the spaces around words and dots mean nothing. Where a local part without
    its quotes would read otherwise, the key keeps them. Characters are compared in Unicode's form NFC. The key of a key is
    the key. RFC 5321 leaves the local part's case to its host; Exchange, as nearly all hosts, ignores it.

    Linear. More than 571 characters are not an address, and only lose their letter case.
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
    # Nearly all addresses; a route, a final dot and a name without a domain are left.
    if at and address[0] != "@" and domain[-1:] != "." != domain[:1]:
        return address.lower()
    return _any_key(address)


def _any_key(address: str) -> str:
    """The key of an address with quotes, comments, blanks or letters beyond ASCII, or without a domain."""
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
        bare = f'"{re.sub(_TO_ESCAPE, _BACKSLASH, bare)}"'
    return f"{bare}@{_folded(domain)}"


def _without_outer_spaces(domain: str) -> str:
    """A domain without spaces around its labels, and without full stops at its ends."""
    if not domain.isprintable() or " " in domain:
        domain = ".".join(map(str.strip, domain.split(".")))
    return domain.strip(_ENDS)


def _unquoted(local: str) -> str:
    """What a local part says, without quotes, escapes and blanks around dots; as it is where it is not words with dots."""
    # Some systems write blanks before the sign, and old ones a route before the address (RFC 5321 section 4.1.2).
    local = local.strip()
    if local.startswith("@"):
        local = local.rpartition(":")[2].strip()
    if '"' not in local and "\\" not in local and local.isprintable() and " " not in local:
        return local
    said: list[str] = []
    is_word = is_behind_blank = False
    for found in re.finditer(_LOCAL_PIECE, local):
        quoted, escaped, word, dot, blank = found.groups()
        if blank:
            is_behind_blank = True
        elif dot:
            said.append(dot)
            is_word = is_behind_blank = False
        elif (is_word and is_behind_blank) or (quoted is None and escaped is None and word is None):
            return local  # two words without a dot, or a quote that is not closed
        else:
            said.append(word or escaped or _without_escapes(quoted or ""))
            is_word, is_behind_blank = True, False
    return "".join(said)


def _without_escapes(text: str) -> str:
    return re.sub(_ESCAPED, r"\1", text) if "\\" in text else text


_LOCAL_PIECE: Final = r'(?s:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|\\(.)|([^\s"\\.]++)|(\.)|(\s++)|.)'
_TO_ESCAPE: Final = r'(["\\])'
_BACKSLASH: Final = r"\\\1"


def _without_comments(address: str) -> str:
    """An address without its comments (RFC 5322 section 3.2.2); as it is where one is not closed."""
    kept: list[str] = []
    position = begin = 0
    next_token = re.compile(_QUOTED_OR_COMMENT).search
    while (found := next_token(address, position)) is not None:
        position = found.end()
        if found[0] == "(":
            kept.append(address[begin : found.start()])
            begin = position = comment_end(address, position)
            if position < 0:
                return address
    return "".join([*kept, address[begin:]])


def comment_end(text: str, position: int, /) -> int:
    """Where the comment ends whose content begins at `position`, with the comments in it; -1 where it is not closed."""
    depth = 1
    for edge in re.compile(_COMMENT_EDGE).finditer(text, position):
        if edge[0] == "(":
            depth += 1
        elif edge[0] == ")":
            depth -= 1
            if not depth:
                return edge.end()
    return -1


_QUOTED_OR_COMMENT: Final = r'(?s:"[^"\\]*+(?:\\.[^"\\]*+)*+"|\\.|\()'
_COMMENT_EDGE: Final = r"(?s:\\.|[()])"


def _composed(text: str) -> str:
    from unicodedata import normalize  # few programs meet addresses beyond ASCII, and all load this module

    return text if len(text) > ADDRESS_LIMIT else normalize("NFC", text)


def _folded(text: str) -> str:
    """A text without letter case, equal for all that Unicode has as canonically equivalent."""
    return text.lower() if text.isascii() else _composed(text.casefold())


def _a_labels(domain: str) -> str:
    """A domain as A-labels (RFC 5890); one that has none keeps its own spelling.

    The standard library has IDNA 2003, which differs from what registries use by four characters that stand for themselves.
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
        raise UnicodeError("to translate a label takes its length squared")
    if any(character in label for character in _DEVIATIONS):
        return f"xn--{label.lower().encode('punycode').decode('ascii')}"
    return label.encode("idna").decode("ascii")


# What separates labels beside the full stop (RFC 3490 section 3.1), and what IDNA 2003 maps to something else (RFC 5894
# section 7.2).
FULL_STOPS: Final = dict.fromkeys((0x3002, 0xFF0E, 0xFF61), ".")
# Blanks of any kind and full stops, which may stand round a domain.
_ENDS: Final = (
    ". \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# Characters of a label (RFC 1035 section 2.3.4).
_LABEL_LIMIT: Final = 63
_DEVIATIONS: Final = "\xdf\u03c2\u200c\u200d"


def same_mailbox(one: str, other: str, /) -> bool:
    """Whether two addresses are spellings of one mailbox."""
    if not (isinstance(one, str) and isinstance(other, str)):
        raise TypeError(f"addresses are expected as strings, not {type(one).__name__} and {type(other).__name__}")
    return one == other or mailbox_key(one) == mailbox_key(other)
