"""Errors and defects.

An error is raised if nothing useful can be returned; a defect comes with a result that is complete but not as it should be.
Codes and attributes are stable, wording is not. Neither contains text of a message.
"""

from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

Member = TypeVar("Member", bound=StrEnum)


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

    @property
    def meaning(self) -> str:
        """What the code means, as one clause for people; the wording may change."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    DefectCode.EMPTY: "no bytes, or only blank lines",
    DefectCode.CR_LINE_ENDS: "lines end in CR alone",
    DefectCode.NOT_A_REPORT: "no report marker: ordinary mail, or not a message",
    DefectCode.MULTIPART_REPORT: "a bounce, a receipt or a feedback report, which may hold a journal report",
    DefectCode.EMBEDDED_REPORT: "a bounce of Exchange 5.5",
    DefectCode.REPORT_TEXT_MISSING: "a report marker, but no part that reads like a report text",
    DefectCode.REPORT_TEXT_TOO_LARGE: "the report text exceeds 16 MiB",
    DefectCode.REPORT_TNEF: "the whole report is encoded as TNEF",
    DefectCode.TOO_MANY_RECIPIENTS: "the report text names more recipients than are read",
    DefectCode.NO_REPORT_INSIDE: "a bounce without a report inside",
    DefectCode.HEADER_TOO_LARGE: "the header block exceeds its limits",
    DefectCode.TOO_MANY_PARTS: "more than 250 parts",
    DefectCode.ITEM_TOO_LARGE: "larger than 256 MB",
    DefectCode.ARCHIVE_DAMAGED: "the archive is damaged here",
    DefectCode.ARCHIVE_ENCRYPTED: "encrypted with a password",
    DefectCode.ARCHIVE_RATIO: "the rest of the file was not read: it unpacks to too much",
    DefectCode.ARCHIVE_LINK: "a link in an archive to something that was not read",
    DefectCode.ARCHIVE_UNREAD: "bytes of a zip file that belong to no member",
    DefectCode.ARCHIVE_UNSUPPORTED: "in a form, or compressed by a method, that is not read",
    DefectCode.MBOX_QUOTING: "the mailbox file may have changed lines that begin with From",
    DefectCode.MBOX_LENGTH: "the Content-Length in the mailbox file is wrong, so the message may end elsewhere",
    DefectCode.MBOX_SEPARATOR: "no blank line before the next message of the mailbox file, so the message may end elsewhere",
    DefectCode.LEADING_BOM: "a byte order mark comes first",
    DefectCode.LEADING_FROM_LINE: "a separator line of a mailbox file comes first",
    DefectCode.LEADING_BLANK_LINES: "blank lines come first",
    DefectCode.AMBIGUOUS_HEADER: "mail readers disagree about the header of the report",
    DefectCode.REPORT_ID_MISSING: "the report has no Message-ID of its own",
    DefectCode.ENVELOPE_SENDER_INVALID: "the field for the envelope's sender has no address",
    DefectCode.NOT_MULTIPART: "the report has one part only",
    DefectCode.BOUNDARY_MISSING: "no boundary is declared",
    DefectCode.BOUNDARY_MISMATCH: "the declared boundary is not the one in use",
    DefectCode.PERHAPS_TRUNCATED: "the end is missing, or a notice says that the message was cut",
    DefectCode.PREAMBLE: "text before the first part",
    DefectCode.EPILOGUE: "text after the last part",
    DefectCode.ANOTHER_MESSAGE: "another message follows in the same item and was not read",
    DefectCode.EXTRA_PART: "a part that is neither the report text nor a message",
    DefectCode.HTML_TWIN: "the report text is repeated in HTML",
    DefectCode.NESTED_MULTIPART: "a further multipart holds parts of the report",
    DefectCode.NESTING_LIMIT: "nested too deep to be opened",
    DefectCode.TRANSFER_ENCODING_UNKNOWN: "an unknown transfer encoding, so the bytes are taken as they are",
    DefectCode.TRANSFER_ENCODING_DAMAGED: "an encoded part is cut short or damaged",
    DefectCode.TRANSFER_ENCODING_MISMATCH: "a part is labeled as encoded and is not",
    DefectCode.MULTIPART_ENCODED: "a whole multipart is encoded",
    DefectCode.STATUS_TOO_LARGE: "the delivery status exceeds 1 MiB and was read up to there",
    DefectCode.ANOTHER_REPORT: "the bounce holds a further report that was not read",
    DefectCode.FOUND_ELSEWHERE: "the report was not in the message part of the bounce",
    DefectCode.REPORT_TEXT_HTML: "the report text is in HTML only",
    DefectCode.CHARSET_UNKNOWN: "an unknown charset, so the text may be misread",
    DefectCode.CHARSET_MISMATCH: "the text does not fit its declared charset",
    DefectCode.SENDER_MISSING: "no sender could be read",
    DefectCode.SUBJECT_MISSING: "no subject could be read",
    DefectCode.MESSAGE_ID_MISSING: "the report text names no Message-ID",
    DefectCode.RECIPIENTS_MISSING: "no recipient could be read",
    DefectCode.REPEATED_FIELD: "a field of the report text is repeated; the first one counts",
    DefectCode.UNKNOWN_FIELD: "an unknown field in the report text",
    DefectCode.UNKNOWN_LINE: "an unknown line in the report text",
    DefectCode.INVALID_VALUE: "a value that could not be read, such as a recipient without a valid address",
    DefectCode.ADDRESS_IN_BRACKETS: "an address with brackets or a name",
    DefectCode.SEVERAL_ADDRESSES: "a recipient line with several addresses",
    DefectCode.SHARED_REDIRECT: "several addresses share a list or a forwarding that may belong to one of them",
    DefectCode.FOLDED_LINE: "a folded line in the report text",
    DefectCode.MORE_DEFECTS: "more defects than are listed",
    DefectCode.ORIGINAL_MISSING: "the report has no original",
    DefectCode.ORIGINAL_EMPTY: "the original is empty",
    DefectCode.ORIGINAL_ENCODED: "the original was encoded",
    DefectCode.ORIGINAL_UNCLOSED: "the end of the original is missing",
    DefectCode.ORIGINAL_TNEF: "a part is TNEF",
    DefectCode.ORIGINAL_HOLDS_TNEF: "the original is or holds TNEF",
    DefectCode.ORIGINAL_WITHOUT_HEADERS: "the original has no header",
    DefectCode.ORIGINAL_HEADER_TOO_LARGE: "the original's header block exceeds its limits",
    DefectCode.NESTED_REPORT: "the original is a report itself",
    DefectCode.MESSAGE_ID_MISMATCH: "the report text and the original have different Message-IDs",
    DefectCode.SUBJECT_MISMATCH: "the report text and the original have different subjects",
}


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
    """A value that a model does not accept; `.field` names it, `.reason` says why.

    For a value of another type than expected, the error is a `TypeError` as well.
    """


class InvalidType(InvalidValue, TypeError):
    """A value of another type than expected."""


def wrong_type(field: str, value: object, expected: str, /) -> InvalidType:
    """Return the error for a value that is not what is expected."""
    return InvalidType(field, f"must be {expected}, not {type(value).__name__}")


def as_member(field: str, value: object, kind: type[Member], /) -> Member:
    """Return a member of an enumeration, given as such or by its value. Raises InvalidValue."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise wrong_type(field, value, f"a {kind.__name__} or its value")
    try:
        return kind(value)
    except ValueError:
        raise InvalidValue(field, f"must be one of {', '.join(kind)}") from None


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
