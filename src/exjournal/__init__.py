"""Microsoft Exchange journal reports: read them, write them, keep every recipient and every byte."""

# Reading and writing reports
# When two addresses are the same
from exjournal.addresses import address_key, mailbox_key, same_mailbox
from exjournal.builder import build_report, report_for

# What was odd, and what went wrong
from exjournal.errors import BuildError, Defect, DefectCode, InvalidValue, JournalError, ParseError

# What a message is, and what stops one that is restored
from exjournal.kinds import MessageKind, message_kind
from exjournal.loops import ORGANIZATION_HEADERS, RESTORE_HEADERS, matching_headers, strip_headers

# What goes in and what comes out
from exjournal.models import (
    Envelope,
    Evidence,
    Headers,
    JournalReport,
    ParsedReport,
    Part,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
)
from exjournal.parser import detect_format, parse_report

# The way back for reports that nobody took
from exjournal.undeliverable import DeliveryStatus, Undeliverable, unwrap_undeliverable

__all__ = [
    "ORGANIZATION_HEADERS",
    "RESTORE_HEADERS",
    "BuildError",
    "Defect",
    "DefectCode",
    "DeliveryStatus",
    "Envelope",
    "Evidence",
    "Headers",
    "InvalidValue",
    "JournalError",
    "JournalReport",
    "MessageKind",
    "ParseError",
    "ParsedReport",
    "Part",
    "PartKind",
    "Recipient",
    "ReportFormat",
    "Role",
    "Undeliverable",
    "address_key",
    "build_report",
    "detect_format",
    "mailbox_key",
    "matching_headers",
    "message_kind",
    "parse_report",
    "report_for",
    "same_mailbox",
    "strip_headers",
    "unwrap_undeliverable",
]
