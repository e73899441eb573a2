"""Every header name, label and marker that this library reads or writes, each with its source.

Names are spelled as they are written; code that compares them puts them in lower case.
"""

from typing import Final

# Report markers. MS-XJRNL 2.1: the organization header in transport, the plain one outside of it, both with an empty value.
MARKER: Final = "X-MS-Journal-Report"
MARKER_IN_TRANSPORT: Final = "X-MS-Exchange-Organization-Journal-Report"
# Exchange 2003 wrote the misspelled name; other programs write the correct one.
MARKER_2003: Final = "Content-Identifer"
MARKER_2003_RIGHT: Final = "Content-Identifier"
MARKER_2003_VALUE: Final = b"exjournalreport"

# Amazon WorkMail writes a value, Google Workspace an id.
MARKER_WORKMAIL: Final = "X-WM-Journal-Report"
MARKER_GOOGLE: Final = "X-GM-Journal-ID"

# Bounces of Exchange 5.5: they have the form of a report and a header that reads like a marker.
EMBEDDED_REPORT: Final = "X-MS-Embedded-Report"

# The local part of the system sender, at the organization's default domain.
SYSTEM_SENDER: Final = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e"
# The right-hand side of every report's own Message-ID.
REPORT_ID_DOMAIN: Final = "journal.report.generator"

PARENT_MESSAGE_ID: Final = "X-MS-Exchange-Parent-Message-Id"
GENERATED_SOURCE: Final = "X-MS-Exchange-Generated-Message-Source"
TRANSPORT_PROPERTIES: Final = "X-MS-Exchange-Organization-Transport-Properties"

# Our own: MAIL FROM of the original, which the report text does not carry.
ENVELOPE_SENDER: Final = "X-ExJournal-Envelope-Sender"
# Our own: the proof that a report is unaltered, and the record of the recipients for which a message was journaled.
SEAL: Final = "X-ExJournal-Seal"
STAMP: Final = "X-ExJournal-Stamp"

# The report text of Exchange 2007 and later (MS-XJRNL 2.1.1).
SENDER: Final = "Sender"
ON_BEHALF_OF: Final = "On-Behalf-Of"
SUBJECT: Final = "Subject"
MESSAGE_ID: Final = "Message-Id"  # documents have Message-ID, every report seen has Message-Id
LABEL: Final = "Label"
MAILBOX: Final = "Mailbox"
SENT_UTC: Final = "SentUtc"
RECEIVED_UTC: Final = "ReceivedUtc"
# Servers mark the messages that they journaled (2007 and later; the cloud; a hybrid hop; older documents).
PROCESSED: Final = (
    "X-MS-Exchange-Organization-Processed-By-Journaling",
    "X-MS-Exchange-Organization-Processed-By-Gcc-Journaling",
    "X-MS-Exchange-CrossPremises-Processed-By-Journaling",
    "X-Microsoft-Exchange-ProcessedByJournaling",
)

# The report text of Exchange 2003: its Sender and Message-ID labels differ from the later ones by letter case alone.
MESSAGE_ID_2003: Final = "Message-ID"
RECIPIENTS: Final = "Recipients"

EXPANDED: Final = "Expanded"
FORWARDED: Final = "Forwarded"
