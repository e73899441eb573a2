"""Microsoft Exchange journal reports: read them, write them, decide what is journaled, keep every recipient and every byte."""

# Comparing addresses
from exjournal.addresses import address_key, mailbox_key

# Archives of millions
from exjournal.archives.items import (
    ArchivedMessage,
    ArchivedReport,
    Unreadable,
    map_archive,
    read_archive,
    read_source,
)
from exjournal.archives.scan import ScanSummary, scan_archive
from exjournal.archives.sources import MboxVariant, Source

# Errors and defects
from exjournal.errors import BuildError, Defect, DefectCode, InvalidValue, JournalError, ParseError, StoreError

# One message, many reports: finding duplicates
from exjournal.identity.duplicates import Sighting, look_up, remember, remember_all
from exjournal.identity.keys import Identity, identify

# One message, many reports: merging them
from exjournal.identity.merging import MergedRecipient, MergedReport, merge
from exjournal.identity.statements import Statement
from exjournal.identity.stores import MemoryStore, SeenStore, SqliteStore

# The agent of a gateway, and its file of rules
from exjournal.journaling.agent import Body, Delivery, JournalAgent, Outcome
from exjournal.journaling.config import load_config, load_secret

# Deciding, and explaining a decision
from exjournal.journaling.decisions import Decision, Hold, HoldReason, decide
from exjournal.journaling.header_firewall import (
    LEAVING_HEADERS,
    ORGANIZATION_HEADERS,
    RESTORE_HEADERS,
    strip_headers,
)
from exjournal.journaling.loops import Loop, detect_loop

# Kinds of messages, journaling loops, and header fields of restored messages
from exjournal.journaling.message_kinds import MessageKind, message_kind
from exjournal.journaling.organization import Organization
from exjournal.journaling.rule_sets import RuleSet
from exjournal.journaling.rules import JournalRule, Scope

# Reports and their parts, envelopes and recipients
from exjournal.reports.models import (
    Envelope,
    Evidence,
    JournalReport,
    ParsedReport,
    Part,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
)
from exjournal.reports.reader import detect_format, parse_report
from exjournal.reports.seals import Seal, verify_seal

# Reports that could not be delivered
from exjournal.reports.undeliverable import Undeliverable, unwrap_undeliverable

# Reading and writing reports
from exjournal.reports.writer import build_report, report_for

__all__ = [
    "LEAVING_HEADERS",
    "ORGANIZATION_HEADERS",
    "RESTORE_HEADERS",
    "ArchivedMessage",
    "ArchivedReport",
    "Body",
    "BuildError",
    "Decision",
    "Defect",
    "DefectCode",
    "Delivery",
    "Envelope",
    "Evidence",
    "Hold",
    "HoldReason",
    "Identity",
    "InvalidValue",
    "JournalAgent",
    "JournalError",
    "JournalReport",
    "JournalRule",
    "Loop",
    "MboxVariant",
    "MemoryStore",
    "MergedRecipient",
    "MergedReport",
    "MessageKind",
    "Organization",
    "Outcome",
    "ParseError",
    "ParsedReport",
    "Part",
    "PartKind",
    "Recipient",
    "ReportFormat",
    "Role",
    "RuleSet",
    "ScanSummary",
    "Scope",
    "Seal",
    "SeenStore",
    "Sighting",
    "Source",
    "SqliteStore",
    "Statement",
    "StoreError",
    "Undeliverable",
    "Unreadable",
    "address_key",
    "build_report",
    "decide",
    "detect_format",
    "detect_loop",
    "identify",
    "load_config",
    "load_secret",
    "look_up",
    "mailbox_key",
    "map_archive",
    "merge",
    "message_kind",
    "parse_report",
    "read_archive",
    "read_source",
    "remember",
    "remember_all",
    "report_for",
    "scan_archive",
    "strip_headers",
    "unwrap_undeliverable",
    "verify_seal",
]

__version__ = "0.1.0"
