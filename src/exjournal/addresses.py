"""Addresses: what one may look like, and when two are the same.

An address is kept as it was written. Two functions compare, each named for its use: `address_key` for the identity of an
address as written (evidence, digests, merging), `mailbox_key` and `same_mailbox` for what rules, groups and loops mean by
the same mailbox. Nothing else in the library compares addresses.
"""

import re
from typing import Final

from exjournal._wire.lines import line_problem

# Characters. Exchange's own limit for a proxy address (Exchange limits: "SMTP address, 571 characters").
ADDRESS_LIMIT: Final = 571

# The interpreter keeps what it compiled: many programs meet plain addresses alone, and all load this module.
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_OUTSIDE_QUOTES: Final = r'[<>,"]|(?:\A|[ \t])(?i:expanded|forwarded)[ \t]*+:'
_ESCAPED: Final = r"\\(.)"


def address_problem(address: str, /) -> str | None:
    """Why `address` cannot be a sender or recipient, or None.

    Every address that a recipient line can carry and give back is allowed (MS-XJRNL 2.1.1): RFC 5321 mailboxes with quoted
    local parts and address literals, RFC 6531 ones, names without a domain, and what gateways encapsulate. Refused are
    display forms and lists, which are more than one address or not only an address.
    """
    if not address:
        return "is empty"
    if len(address) > ADDRESS_LIMIT:
        return f"has {len(address)} characters, more than {ADDRESS_LIMIT}"
    problem = line_problem(address)
    if problem is not None:
        return problem
    if "<" in address or ">" in address or "," in address or '"' in address or ":" in address:
        found = re.search(_OUTSIDE_QUOTES, re.sub(_QUOTED, "_", address))
        if found is not None:
            return _REASONS.get(found[0], "holds what reads as a redirect")
    return None


_REASONS: Final = {
    ",": "holds a comma outside quotes: one address only",
    "<": "holds angle brackets: the bare address only",
    ">": "holds angle brackets: the bare address only",
    '"': "holds a quote that is not closed",
}


def address_key(address: str, /) -> str:
    """The identity of an address as written: local part exact, domain without letter case (RFC 5321 section 2.4)."""
    local, at, domain = _parted(address)
    return local + at + domain.lower() if at else address


def _parted(address: str) -> tuple[str, str, str]:
    try:
        return address.rpartition("@")
    except (AttributeError, TypeError):
        raise TypeError(f"an address is expected as a string, not {type(address).__name__}") from None


def mailbox_key(address: str, /) -> str:
    """A key that is equal for spellings of one mailbox: no letter case, no needless quotes, domains as A-labels.

    RFC 5321 leaves the local part's case to its host; Exchange, as nearly all hosts, ignores it.
    """
    local, at, domain = _parted(address)
    if not at:
        return address.casefold()
    # Some systems write blanks round the sign, and old ones a route before the address (RFC 5321 section 4.1.2).
    local, domain = local.rstrip(), domain.translate(FULL_STOPS).strip(_ENDS)
    if local.startswith("@"):
        local = local.rpartition(":")[2]
    if len(local) > 1 and local[0] == local[-1] == '"':
        bare = re.sub(_ESCAPED, r"\1", local[1:-1])
        # Quotes round what would be read otherwise without them are not needless.
        if bare.strip() == bare and bare[:1] not in ('"', "@"):
            local = bare
    if not domain.isascii():
        domain = _a_labels(domain).strip(_ENDS)
    return f"{local.casefold()}@{domain.casefold()}"


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
