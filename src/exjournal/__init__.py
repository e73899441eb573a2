"""Microsoft Exchange journal reports: read them, write them, decide what is journaled, keep every recipient and every byte."""

# When two addresses are the same
from exjournal.addresses import address_key, mailbox_key, same_mailbox

# What a gateway calls
from exjournal.agent import Body, Delivery, JournalAgent, Outcome

# Reading and writing reports
from exjournal.builder import build_report, report_for
from exjournal.config import Config, load_config, load_secret

# What is journaled, and why
from exjournal.decisions import Decision, Hold, HoldReason, PlannedReport, decide

# What was odd, and what went wrong
from exjournal.errors import BuildError, Defect, DefectCode, InvalidValue, JournalError, ParseError
from exjournal.explanations import Explanation, Match, Place, Reason

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
from exjournal.seals import Seal, verify_seal

# The way back for reports that nobody took
from exjournal.undeliverable import DeliveryStatus, Undeliverable, unwrap_undeliverable

__all__ = [
    "LEAVING_HEADERS",
    "ORGANIZATION_HEADERS",
    "RESTORE_HEADERS",
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
    "InvalidValue",
    "JournalAgent",
    "JournalError",
    "JournalReport",
    "JournalRule",
    "Loop",
    "LoopReason",
    "Match",
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
    "Scope",
    "Seal",
    "Undeliverable",
    "address_key",
    "build_report",
    "decide",
    "detect_format",
    "detect_loop",
    "load_config",
    "load_secret",
    "mailbox_key",
    "matching_headers",
    "message_kind",
    "parse_report",
    "report_for",
    "same_mailbox",
    "strip_headers",
    "unwrap_undeliverable",
    "verify_seal",
]
