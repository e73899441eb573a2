"""Exceptions: what a person has to look at in an archive, item by item, and why.

An item can have several. `batches` finds them while it reads; that a message is in conflict with another one is only known to
`joining`.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from errno import errorcode
from typing import Any, Final, NamedTuple

from exjournal.archives.items import ArchivedReport, ArchiveItem, Unreadable
from exjournal.archives.sources import Source
from exjournal.archives.tables import Cell
from exjournal.errors import DefectCode, ParseError
from exjournal.identity.keys import INCOMPLETE
from exjournal.reports.models import Evidence


class Category(StrEnum):
    """The kinds of exceptions."""

    CHANGED = "changed"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    INCOMPLETE = "incomplete"
    CONFLICTING = "conflicting"
    UNMARKED = "unmarked"
    AMBIGUOUS = "ambiguous"
    QUARANTINED = "quarantined"


# The defects that make an item an exception; the others change nothing that a report says.
CATEGORIES: Final = {
    **dict.fromkeys(sorted(INCOMPLETE), Category.INCOMPLETE),
    DefectCode.ORIGINAL_MISSING: Category.INCOMPLETE,
    DefectCode.ORIGINAL_EMPTY: Category.INCOMPLETE,
    DefectCode.ORIGINAL_UNCLOSED: Category.INCOMPLETE,
    DefectCode.ORIGINAL_HEADER_TOO_LARGE: Category.INCOMPLETE,
    DefectCode.SENDER_MISSING: Category.INCOMPLETE,
    DefectCode.RECIPIENTS_MISSING: Category.INCOMPLETE,
    DefectCode.INVALID_VALUE: Category.INCOMPLETE,
    DefectCode.MORE_DEFECTS: Category.INCOMPLETE,
    DefectCode.NESTING_LIMIT: Category.INCOMPLETE,
    DefectCode.AMBIGUOUS_HEADER: Category.AMBIGUOUS,
    DefectCode.SEVERAL_ADDRESSES: Category.AMBIGUOUS,
    DefectCode.SHARED_REDIRECT: Category.AMBIGUOUS,
    DefectCode.CHARSET_UNKNOWN: Category.AMBIGUOUS,
    DefectCode.TRANSFER_ENCODING_UNKNOWN: Category.AMBIGUOUS,
    DefectCode.MESSAGE_ID_MISMATCH: Category.AMBIGUOUS,
    DefectCode.MBOX_LENGTH: Category.AMBIGUOUS,
    DefectCode.MBOX_SEPARATOR: Category.AMBIGUOUS,
    DefectCode.ANOTHER_MESSAGE: Category.QUARANTINED,
    DefectCode.ANOTHER_REPORT: Category.QUARANTINED,
}
# Codes that are not defects.
CONFLICT: Final = "conflict"
UNMARKED: Final = "unmarked"
READS_LIKE: Final = "reads-like-report"
UNDATED: Final = "undated"
NOT_WRITTEN: Final = "not-written"
CHANGED: Final = "file-changed"
_MEANINGS: Final = {
    CONFLICT: "another message has the same Message-ID",
    UNMARKED: "a report without a marker, which anyone who can mail the archive can send",
    READS_LIKE: "a message without a marker that reads like a report and was not read as one",
    UNDATED: "no date with a time zone, so the item is listed for any range of dates",
    CHANGED: "the file changed while it was read",
    NOT_WRITTEN: "the original could not be written",
}


def meaning_of(code: str, /) -> str:
    """Return the meaning of the code of an exception. Errors of the system share one; the detail has their own text."""
    if code in _MEANINGS:
        return _MEANINGS[code]
    return DefectCode(code).meaning if code in _CODES else "the system reports an error"


_CODES: Final = frozenset(map(str, DefectCode))


class ArchiveException(NamedTuple):
    """Why an item is an exception."""

    category: Category
    code: str
    detail: str = ""
    offset: int | None = None


def find_exceptions(item: ArchiveItem, /) -> Iterator[ArchiveException]:
    """Yield the exceptions that an item alone makes, each code once."""
    if isinstance(item, Unreadable):
        if isinstance(item.error, ParseError):
            yield ArchiveException(Category.REFUSED, item.error.code, item.error.detail, item.error.offset)
        else:
            yield ArchiveException(Category.UNREADABLE, error_name(item.error), item.error.strerror or "")
        defects = item.defects
    elif isinstance(item, ArchivedReport):
        if item.parsed.recipients_from is Evidence.UNMARKED:
            yield ArchiveException(Category.UNMARKED, UNMARKED)
        defects = (*item.defects, *item.parsed.defects)
    else:
        if item.reads_like is not None:
            yield ArchiveException(Category.UNMARKED, READS_LIKE)
        defects = item.defects
    seen: set[str] = set()
    for defect in defects:
        if defect.code in CATEGORIES and defect.code not in seen:
            seen.add(defect.code)
            yield ArchiveException(CATEGORIES[defect.code], defect.code, defect.detail, defect.offset)


def error_name(error: OSError, /) -> str:
    """Return the system's name for an error, such as ENOENT."""
    return errorcode.get(error.errno or 0, type(error).__name__)


def exception_data(
    found: ArchiveException,
    source: Mapping[str, object],
    size: int | None,
    sha256: str | None,
    quarantine_file: str | None = None,
    /,
) -> dict[str, object]:
    """Return an exception of an item as data for JSON; `size` and `sha256` are None if the item could not be read."""
    return {
        **found._asdict(),
        "size": size,
        "sha256": sha256,
        "quarantine_file": quarantine_file,
        "source": source,
    }


EXCEPTION_COLUMNS: Final = (
    "category",
    "code",
    "meaning",
    "detail",
    "offset",
    "size",
    "sha256",
    "quarantine_file",
    "source",
)


def exception_row(data: Mapping[str, Any], /) -> tuple[Cell, ...]:
    """Return the row of the table of exceptions for the data of one, with its meaning and its source as text."""
    known = {**data, "meaning": meaning_of(data["code"]), "source": str(Source.from_dict(data["source"]))}
    return tuple([known[name] for name in EXCEPTION_COLUMNS])
