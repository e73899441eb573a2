"""Header fields that tell a server what was journaled already, and the way to take them out.

A message that is restored from its report still bears what the servers of its first journey stamped on it: markers for which a
server refuses it, and facts of an organisation that are nobody else's business.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.headers import BLOCK_LIMITS, SpanPattern, field_spans, span_pattern, without
from exjournal._wire.message import lead_in
from exjournal._wire.octets import in_place
from exjournal.errors import DefectCode, InvalidValue, ParseError
from exjournal.markers import MARKERS

if TYPE_CHECKING:
    from exjournal._wire.headers import Span
    from exjournal._wire.octets import Data, Octets

# What a header firewall takes off mail from outside: none of it is a stranger's to write.
ORGANIZATION_HEADERS: Final[tuple[str, ...]] = (
    "X-MS-Exchange-Organization-*",
    "X-MS-Exchange-Forest-*",
    "X-MS-Exchange-CrossPremises-*",
    "X-ExJournal-*",
)
# What makes a server refuse a restored message, or leaks: report markers, processed stamps, the organisation's own fields.
RESTORE_HEADERS: Final[tuple[str, ...]] = (*MARKERS, *names.PROCESSED, *ORGANIZATION_HEADERS)


def strip_headers(message: "Data", names: Iterable[str], /) -> bytes:
    """The message without the header fields of these names; every other byte stays as it is.

    Names ignore letter case, and one that ends in * is a prefix. Only the outermost header block is touched, and a field goes
    with its folds and its line end. `RESTORE_HEADERS` and `ORGANIZATION_HEADERS` are sets of names for two uses.

    Raises InvalidValue for what is no name, and ParseError where the header block is too large to be looked at as a whole.
    """
    octets = in_place(message, "a message")
    spans = _spans(octets, names)  # may raise, and a view in a traceback would keep a mapped file open
    return b"".join(without(octets, spans))


def matching_headers(message: "Data", names: Iterable[str], /) -> tuple[str, ...]:
    """The names of the fields that `strip_headers` would take out, as written, in order, one for each field."""
    octets = in_place(message, "a message")
    return tuple(
        [octets[start:end].partition(b":")[0].rstrip().decode("ascii") for start, end in _spans(octets, names)]
    )


def _spans(octets: "Octets", names: Iterable[str]) -> "list[Span]":
    if isinstance(names, str):
        raise InvalidValue("names", "is one string, not a collection of names")
    spans, body, complete = field_spans(octets, lead_in(octets)[-1], len(octets), _pattern(tuple(names)))
    if not complete and body < len(octets):
        raise ParseError(DefectCode.HEADER_TOO_LARGE, BLOCK_LIMITS, body)
    return spans


def _pattern(names: tuple[str, ...]) -> SpanPattern:
    for name in names:
        letters = name.removesuffix("*") if isinstance(name, str) else ""
        if ":" in letters or not letters.isascii() or not letters.isprintable() or " " in letters or not letters:
            raise InvalidValue("names", "holds what is no name of a header field")
    return span_pattern(names)
