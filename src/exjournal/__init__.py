"""Microsoft Exchange journal reports: read them, write them, keep every recipient and every byte."""

# Reading and writing reports
# When two addresses are the same
from exjournal.addresses import address_key, mailbox_key, same_mailbox
from exjournal.builder import build_report, report_for

# What was odd, and what went wrong
from exjournal.errors import BuildError, Defect, DefectCode, InvalidValue, JournalError, ParseError

# What goes in and what comes out
from exjournal.models import (
    Envelope,
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

__all__ = [
    "BuildError",
    "Defect",
    "DefectCode",
    "Envelope",
    "Headers",
    "InvalidValue",
    "JournalError",
    "JournalReport",
    "ParseError",
    "ParsedReport",
    "Part",
    "PartKind",
    "Recipient",
    "ReportFormat",
    "Role",
    "address_key",
    "build_report",
    "detect_format",
    "mailbox_key",
    "parse_report",
    "report_for",
    "same_mailbox",
]
