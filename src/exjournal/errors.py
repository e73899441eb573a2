"""Errors and defects.

An error is raised if nothing useful can be returned; a defect comes with a result that is complete but not as it should be.
Codes and attributes are stable, wording is not. Neither contains text of a message.
"""

from enum import StrEnum
from typing import NamedTuple


class DefectCode(StrEnum):
    """Every reason a reader can give, as the code of a `Defect` or of a `ParseError`.

    `docs/reference/defects.md` explains each.
    """

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
    # Archives of reports: a ParseError in place of an item.
    ITEM_TOO_LARGE = "item-too-large"
    ARCHIVE_DAMAGED = "archive-damaged"
    ARCHIVE_ENCRYPTED = "archive-encrypted"
    ARCHIVE_RATIO = "archive-ratio"
    ARCHIVE_LINK = "archive-link"
    ARCHIVE_UNREAD = "archive-unread"
    ARCHIVE_UNSUPPORTED = "archive-unsupported"
    # Changes of a message by a mailbox file.
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
    """One oddity: its code, a detail in names and numbers, never text of a message, and its offset in the caller's bytes."""

    code: DefectCode
    detail: str = ""
    offset: int = 0


class JournalError(Exception):
    """The base of every error that this library raises on purpose."""


def require_type(value: object, kind: type | tuple[type, ...], what: str, /) -> None:
    """Raise TypeError for a value of another type; `what` names the expected one."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} is expected, not {type(value).__name__}")


class _FieldError(JournalError, ValueError):
    """An error about one field or argument."""

    def __init__(self, field: str, reason: str, /) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class InvalidValue(_FieldError):
    """A value that a model does not accept; `.field` names it, `.reason` says why."""


class StoreError(JournalError):
    """A store cannot read or write, for example on a full disk; the failed operation has changed nothing."""


class BuildError(_FieldError):
    """An argument from which no report can be built; `.field` names it, `.reason` says why."""


class ParseError(JournalError, ValueError):
    """Bytes that are not a report, or the first defect of one with `strict=True`.

    `.code` says why, `.offset` where, and `.detail` has names and numbers.
    """

    def __init__(self, code: DefectCode, detail: str = "", offset: int = 0, /) -> None:
        super().__init__(code, detail, offset)
        self.code = code
        self.detail = detail
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.code} at offset {self.offset}" + (f": {self.detail}" if self.detail else "")
