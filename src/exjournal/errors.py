"""What can go wrong, and what can be odd.

Errors are raised where nothing useful can be returned; defects travel with a result that is complete but not as it
should be. Codes and attributes are stable, wording is not, and neither ever holds text of a message.
"""

from enum import StrEnum
from typing import NamedTuple


class DefectCode(StrEnum):
    """Every reason a reader can give, as the code of a `Defect` or of a `ParseError`. `docs/defects.md` explains each."""

    # Refusals: always a ParseError.
    EMPTY = "empty"
    CR_LINE_ENDS = "cr-line-ends"
    NOT_A_REPORT = "not-a-report"
    MULTIPART_REPORT = "multipart-report"
    EMBEDDED_REPORT = "embedded-report"
    REPORT_TEXT_MISSING = "report-text-missing"
    REPORT_TEXT_TOO_LARGE = "report-text-too-large"
    REPORT_TNEF = "report-tnef"
    TOO_MANY_RECIPIENTS = "too-many-recipients"
    NO_REPORT_INSIDE = "no-report-inside"
    HEADER_TOO_LARGE = "header-too-large"
    TOO_MANY_PARTS = "too-many-parts"
    # Archives of reports: a ParseError in the place of an item.
    ITEM_TOO_LARGE = "item-too-large"
    ARCHIVE_DAMAGED = "archive-damaged"
    ARCHIVE_ENCRYPTED = "archive-encrypted"
    ARCHIVE_RATIO = "archive-ratio"
    ARCHIVE_LINK = "archive-link"
    ARCHIVE_UNREAD = "archive-unread"
    ARCHIVE_UNSUPPORTED = "archive-unsupported"
    # What a mailbox file did to a message.
    MBOX_QUOTING = "mbox-quoting"
    MBOX_LENGTH = "mbox-length"
    MBOX_SEPARATOR = "mbox-separator"
    # Before and around the parts.
    LEADING_BOM = "leading-bom"
    LEADING_FROM_LINE = "leading-from-line"
    LEADING_BLANK_LINES = "leading-blank-lines"
    AMBIGUOUS_HEADER = "ambiguous-header"
    REPORT_ID_MISSING = "report-id-missing"
    ENVELOPE_SENDER_INVALID = "envelope-sender-invalid"
    NOT_MULTIPART = "not-multipart"
    BOUNDARY_MISSING = "boundary-missing"
    BOUNDARY_MISMATCH = "boundary-mismatch"
    PERHAPS_TRUNCATED = "perhaps-truncated"
    PREAMBLE = "preamble"
    EPILOGUE = "epilogue"
    ANOTHER_MESSAGE = "another-message"
    EXTRA_PART = "extra-part"
    HTML_TWIN = "html-twin"
    NESTED_MULTIPART = "nested-multipart"
    NESTING_LIMIT = "nesting-limit"
    TRANSFER_ENCODING_UNKNOWN = "transfer-encoding-unknown"
    TRANSFER_ENCODING_DAMAGED = "transfer-encoding-damaged"
    TRANSFER_ENCODING_MISMATCH = "transfer-encoding-mismatch"
    MULTIPART_ENCODED = "multipart-encoded"
    STATUS_TOO_LARGE = "status-too-large"
    ANOTHER_REPORT = "another-report"
    FOUND_ELSEWHERE = "found-elsewhere"
    # The report text.
    REPORT_TEXT_HTML = "report-text-html"
    CHARSET_UNKNOWN = "charset-unknown"
    CHARSET_MISMATCH = "charset-mismatch"
    SENDER_MISSING = "sender-missing"
    SUBJECT_MISSING = "subject-missing"
    MESSAGE_ID_MISSING = "message-id-missing"
    RECIPIENTS_MISSING = "recipients-missing"
    REPEATED_FIELD = "repeated-field"
    UNKNOWN_FIELD = "unknown-field"
    UNKNOWN_LINE = "unknown-line"
    INVALID_VALUE = "invalid-value"
    ADDRESS_IN_BRACKETS = "address-in-brackets"
    SEVERAL_ADDRESSES = "several-addresses"
    SHARED_REDIRECT = "shared-redirect"
    FOLDED_LINE = "folded-line"
    MORE_DEFECTS = "more-defects"
    # The original.
    ORIGINAL_MISSING = "original-missing"
    ORIGINAL_EMPTY = "original-empty"
    ORIGINAL_ENCODED = "original-encoded"
    ORIGINAL_UNCLOSED = "original-unclosed"
    ORIGINAL_TNEF = "original-tnef"
    ORIGINAL_HOLDS_TNEF = "original-holds-tnef"
    ORIGINAL_WITHOUT_HEADERS = "original-without-headers"
    ORIGINAL_HEADER_TOO_LARGE = "original-header-too-large"
    NESTED_REPORT = "nested-report"
    MESSAGE_ID_MISMATCH = "message-id-mismatch"
    SUBJECT_MISMATCH = "subject-mismatch"


class Defect(NamedTuple):
    """One oddity: its code, names and numbers that say more, and the offset in the caller's bytes where it lies."""

    code: DefectCode
    detail: str = ""
    offset: int = 0


class JournalError(Exception):
    """The base of every error this library raises on purpose."""


def require_type(value: object, kind: type | tuple[type, ...], what: str, /) -> None:
    """Raise TypeError, which says `what` is expected, for a value of another type."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} is expected, not {type(value).__name__}")


class InvalidValue(JournalError, ValueError):
    """A value that a model cannot hold; `.field` names it."""

    def __init__(self, field: str, reason: str, /) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class StoreError(JournalError):
    """A store that cannot answer or take anything in, such as a full disk; what was asked of it has changed nothing."""


class BuildError(JournalError, ValueError):
    """An argument from which no report can be built; `.field` names it."""

    def __init__(self, field: str, reason: str, /) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class ParseError(JournalError, ValueError):
    """Bytes that are no report, or with `strict=True` the first oddity of one; `.code` says why, `.offset` where."""

    def __init__(self, code: DefectCode, detail: str = "", offset: int = 0, /) -> None:
        super().__init__(code, detail, offset)
        self.code = code
        self.detail = detail
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.code} at offset {self.offset}" + (f": {self.detail}" if self.detail else "")
