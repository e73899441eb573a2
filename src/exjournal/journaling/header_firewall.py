"""The header firewall: removes header fields that a message must not bring in, take out, or keep when it is restored.

Fields are cut as bytes, so that the rest of a message stays as it was. The named sets say which fields each border removes.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from exjournal._wire.beginnings import scan_message_spans
from exjournal._wire.buffers import in_place
from exjournal._wire.headers import SpanPattern, span_pattern, without
from exjournal._wire.names import PROCESSED, STAMP
from exjournal.errors import InvalidValue, wrong_type
from exjournal.reports.markers import MARKERS

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data
    from exjournal._wire.headers import Span

_EXCHANGE_HEADERS: Final[tuple[str, ...]] = (
    "X-MS-Exchange-Organization-*",
    "X-MS-Exchange-Forest-*",
    "X-MS-Exchange-CrossPremises-*",
)
_OWN_HEADERS: Final[tuple[str, ...]] = ("X-ExJournal-*",)

ORGANIZATION_HEADERS: Final[tuple[str, ...]] = (*_EXCHANGE_HEADERS, *_OWN_HEADERS)
"""Names to remove from mail that comes from outside: fields that only servers of the organization may write."""

LEAVING_HEADERS: Final[tuple[str, ...]] = (STAMP, *_EXCHANGE_HEADERS)
"""Names to remove from mail to outside: our stamp, which is useful inside only, and Exchange's own; a report keeps its seal."""

RESTORE_HEADERS: Final[tuple[str, ...]] = (*MARKERS, *PROCESSED, *ORGANIZATION_HEADERS)
"""Names to remove from a message that is restored from its report.

Report markers and processed stamps, for which a server would refuse the message, and `ORGANIZATION_HEADERS`, which would leak.
"""


def strip_headers(message: "Data", names: Iterable[str], /) -> bytes:
    """Return the message without the header fields of these names; every other byte stays as it is.

    Names ignore letter case, and one that ends in * is a prefix. Only the outermost header block is touched, and a field goes
    with its folds and its line end. `ORGANIZATION_HEADERS`, `LEAVING_HEADERS` and `RESTORE_HEADERS` are ready-made sets.

    Raises InvalidValue if a name cannot be one of a header field or if `names` is a single string, TypeError if `names` is not
    a collection or the message not bytes, and ParseError if the header block exceeds its limits.
    """
    data = in_place(message, "a message")
    spans = _spans(data, names)  # may raise, and a view in a traceback would keep a mapped file open
    return b"".join(without(data, spans))


def matching_headers(message: "Data", names: Iterable[str], /) -> tuple[str, ...]:
    """Return the names of the fields that `strip_headers` would remove, as written, in order, one for each field.

    Raises the same errors.
    """
    data = in_place(message, "a message")
    return tuple([data[start:end].partition(b":")[0].rstrip().decode("ascii") for start, end in _spans(data, names)])


def _spans(data: "Buffer", names: Iterable[str]) -> "list[Span]":
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise wrong_type("names", names, "a collection of names of header fields")
    block = scan_message_spans(data, _pattern(tuple(names)))
    block.require_complete()
    return block.fields


def _pattern(names: tuple[str, ...]) -> SpanPattern:
    for name in names:
        if not isinstance(name, str):
            raise wrong_type("names", name, "strings")
        letters = name.removesuffix("*")
        if ":" in letters or not letters.isascii() or not letters.isprintable() or " " in letters or not letters:
            raise InvalidValue("names", "must hold names of header fields: visible ASCII without a colon")
    return span_pattern(names)
