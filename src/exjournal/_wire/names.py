"""Every header name, label and marker that this library reads or writes, each with its source.

Names that are compared stand in lower case, names that are written stand as they are written.
"""

from typing import Final

# Report markers. MS-XJRNL 2.1: in transport the organisation header, outside it the plain one, both with an empty value.
MARKER: Final = "X-MS-Journal-Report"
MARKER_IN_TRANSPORT: Final = "X-MS-Exchange-Organization-Journal-Report"
# Exchange 2003 wrote the misspelt name; the right one is met as well.
MARKER_2003: Final = "Content-Identifer"
MARKER_2003_RIGHT: Final = "Content-Identifier"
MARKER_2003_VALUE: Final = b"exjournalreport"

# Amazon WorkMail writes a value, Google Workspace an id.
MARKER_WORKMAIL: Final = "X-WM-Journal-Report"
MARKER_GOOGLE: Final = "X-GM-Journal-ID"

# Exchange 5.5 bounces: the same shape as a report, a header that reads like a marker.
EMBEDDED_REPORT: Final = "X-MS-Embedded-Report"

# The identity of the system sender, before the organisation's default domain.
SYSTEM_SENDER: Final = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e"
# The right-hand side of every report's own Message-ID.
REPORT_ID_DOMAIN: Final = "journal.report.generator"

PARENT_MESSAGE_ID: Final = "X-MS-Exchange-Parent-Message-Id"
GENERATED_SOURCE: Final = "X-MS-Exchange-Generated-Message-Source"
TRANSPORT_PROPERTIES: Final = "X-MS-Exchange-Organization-Transport-Properties"

# Our own: MAIL FROM of the original, which the report text does not carry.
ENVELOPE_SENDER: Final = "X-ExJournal-Envelope-Sender"
# Our own: what proves that a report is unaltered, and what a message was journaled for already.
SEAL: Final = "X-ExJournal-Seal"
STAMP: Final = "X-ExJournal-Stamp"

# The report text of Exchange 2007 and later (MS-XJRNL 2.1.1): label as written.
SENDER: Final = "Sender"
ON_BEHALF_OF: Final = "On-Behalf-Of"
SUBJECT: Final = "Subject"
MESSAGE_ID: Final = "Message-Id"  # documents spell Message-ID, every report seen has Message-Id
LABEL: Final = "Label"
MAILBOX: Final = "Mailbox"
SENT_UTC: Final = "SentUtc"
RECEIVED_UTC: Final = "ReceivedUtc"
# Servers stamp what they journaled (2007 and later; the cloud; a hybrid hop; older documents).
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
