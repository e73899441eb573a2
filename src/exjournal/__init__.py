"""Microsoft Exchange journal reports: read them, write them, decide what is journaled, keep every recipient and every byte."""

# When two addresses are the same
from exjournal.addresses import address_key, mailbox_key, same_mailbox

# What a gateway calls
from exjournal.agent import Body, Delivery, JournalAgent, Outcome

# Archives of millions
from exjournal.archive import (
    ArchivedMessage,
    ArchivedReport,
    Unreadable,
    map_archive,
    octets_in,
    read_archive,
    read_source,
)

# Reading and writing reports
from exjournal.builder import build_report, report_for
from exjournal.config import Config, load_config, load_secret

# What is journaled, and why
from exjournal.decisions import Decision, Hold, HoldReason, PlannedReport, decide

# One message, many reports: what is known of it already
from exjournal.duplicates import Sighting, look_up, remember, remember_all

# What was odd, and what went wrong
from exjournal.errors import BuildError, Defect, DefectCode, InvalidValue, JournalError, ParseError, StoreError
from exjournal.explanations import Explanation, Match, Place, Reason
from exjournal.identity import Identity, identify

# What a message is, whether it was journaled already, and what stops one that is restored
from exjournal.kinds import MessageKind, message_kind
from exjournal.loops import (
    LEAVING_HEADERS,
    ORGANIZATION_HEADERS,
    RESTORE_HEADERS,
    Loop,
    LoopReason,
    detect_loop,
    matching_headers,
    strip_headers,
)

# One message, many reports: all that they say
from exjournal.merging import MergedRecipient, MergedReport, merge

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
from exjournal.organization import Organization
from exjournal.parser import detect_format, parse_report
from exjournal.rules import JournalRule, RuleSet, Scope
from exjournal.scan import ScanSummary, scan_archive
from exjournal.seals import Seal, verify_seal
from exjournal.sources import MboxVariant, Source
from exjournal.statements import Statement
from exjournal.stores import MemoryStore, SeenStore, SqliteStore

# The way back for reports that nobody took
from exjournal.undeliverable import DeliveryStatus, Undeliverable, unwrap_undeliverable

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
