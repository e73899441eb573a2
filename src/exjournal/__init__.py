"""Microsoft Exchange journal reports: read them, write them, decide what is journaled, keep every recipient and every byte."""

# When two addresses are the same
from exjournal.addresses import address_key, mailbox_key, same_mailbox

# Archives of millions
from exjournal.archives.items import (
    ArchivedMessage,
    ArchivedReport,
    Unreadable,
    map_archive,
    octets_in,
    read_archive,
    read_source,
)
from exjournal.archives.scan import ScanSummary, scan_archive
from exjournal.archives.sources import MboxVariant, Source

# What was odd, and what went wrong
from exjournal.errors import BuildError, Defect, DefectCode, InvalidValue, JournalError, ParseError, StoreError

# One message, many reports: what is known of it already
from exjournal.identity.duplicates import Sighting, look_up, remember, remember_all
from exjournal.identity.keys import Identity, identify

# One message, many reports: all that they say
from exjournal.identity.merging import MergedRecipient, MergedReport, merge
from exjournal.identity.statements import Statement
from exjournal.identity.stores import MemoryStore, SeenStore, SqliteStore

# What a gateway calls
from exjournal.journaling.agent import Body, Delivery, JournalAgent, Outcome
from exjournal.journaling.config import Config, load_config, load_secret

# What is journaled, and why
from exjournal.journaling.decisions import Decision, Hold, HoldReason, PlannedReport, decide
from exjournal.journaling.explanations import Explanation, Match, Place, Reason
from exjournal.journaling.header_firewall import (
    LEAVING_HEADERS,
    ORGANIZATION_HEADERS,
    RESTORE_HEADERS,
    matching_headers,
    strip_headers,
)
from exjournal.journaling.loops import Loop, LoopReason, detect_loop

# What a message is, whether it was journaled already, and what stops one that is restored
from exjournal.journaling.message_kinds import MessageKind, message_kind
from exjournal.journaling.organization import Organization
from exjournal.journaling.rule_sets import RuleSet
from exjournal.journaling.rules import JournalRule, Scope

# What goes in and what comes out
from exjournal.reports.models import (
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
from exjournal.reports.reader import detect_format, parse_report
from exjournal.reports.seals import Seal, verify_seal

# The way back for reports that nobody took
from exjournal.reports.undeliverable import DeliveryStatus, Undeliverable, unwrap_undeliverable

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
    "Config",
    "Decision",
    "Defect",
    "DefectCode",
    "Delivery",
    "DeliveryStatus",
    "Envelope",
    "Evidence",
    "Explanation",
    "Headers",
    "Hold",
    "HoldReason",
    "Identity",
    "InvalidValue",
    "JournalAgent",
    "JournalError",
    "JournalReport",
    "JournalRule",
    "Loop",
    "LoopReason",
    "Match",
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
    "Place",
    "PlannedReport",
    "Reason",
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
    "matching_headers",
    "merge",
    "message_kind",
    "octets_in",
    "parse_report",
    "read_archive",
    "read_source",
    "remember",
    "remember_all",
    "report_for",
    "same_mailbox",
    "scan_archive",
    "strip_headers",
    "unwrap_undeliverable",
    "verify_seal",
]

__version__ = "0.1.0"
