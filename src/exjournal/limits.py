"""Every limit that an input can reach: its unit, its reason, and what happens beyond it.

Windows of a single search, and sizes of reads, are defined beside the code that uses them.

Limits keep hostile input from costing more than it should. None of them cuts anything silently: beyond a limit an input is
refused with an error, or the result carries a defect.
"""

from typing import Final

# Header blocks and lines

# Bytes of a header block. Exchange accepts up to 256 KB; this is twice that. Beyond it, the message is refused
# (`header-too-large`), or the original has the defect `original-header-too-large`.
HEADER_LIMIT: Final = 512 << 10
# Lines of a header block of more than 64 KiB: those of the largest block then have 26 bytes. Beyond it, the same.
HEADER_LINE_LIMIT: Final = 20_000
# Fields of the wanted names in one block: a message has each once, or a few times. Beyond it, the same.
FIELD_LIMIT: Final = 1000
# Bytes of a line without its CRLF (RFC 5322 section 2.1.1). A report text with a longer line is written encoded.
LINE_LIMIT: Final = 998
# Bytes of one address field (From, Sender, To, Cc, Bcc): seven eighths of the largest header block, room for some twenty
# thousand addresses. Beyond it, no address is read from the field: `decide` holds the message (`header-too-large`), in a report
# of it no recipient is called Bcc, a copy keeps the field in `unparsed` as `invalid-value`, and no copy is built.
ADDRESS_FIELD_LIMIT: Final = 448 << 10
# Bytes of a mailbox separator with its line end: "From ", an address (320, RFC 5321), and a date with a zone fit in. A longer
# line before a header is text: it breaks a seal or stamp and makes another content digest.
FROM_LINE_LIMIT: Final = 400

# Parts

# Parts of one message. A report has two or three, and gateways may append some. Beyond it, the message is refused
# (`too-many-parts`).
PART_LIMIT: Final = 250
# Bytes and lines of a part header block that are read: its few fields are at the top. What comes after them is content.
PART_HEADER_LIMIT: Final = 4 << 10
PART_HEADER_LINE_LIMIT: Final = 64
# Multiparts inside multiparts: gateways wrap once or twice. A deeper one stays closed, as a part of its own (`nesting-limit`).
NESTING_LIMIT: Final = 5
# Bytes after the close delimiter in which the beginning of another message is looked for. Gateways and lists add some lines
# of text there; a longer epilogue counts as another message without a look.
EPILOGUE_LIMIT: Final = 1 << 20

# Reports

# Bytes of a report text: room for a quarter of a million recipient lines. Beyond it, the report is refused
# (`report-text-too-large`), and none is built.
REPORT_TEXT_LIMIT: Final = 16 << 20
# Recipients in one report text, and characters of the text for each one where there are more. A recipient costs 140 to 280
# bytes, and its line can have six; lines that servers write have 30 and more. A text with more recipients on shorter lines is
# refused (`too-many-recipients`), because a report must not list only some of them.
RECIPIENT_LIMIT: Final = 150_000
RECIPIENT_SIZE: Final = 24
# Characters of an address: Exchange's own limit for a proxy address. Beyond it, the value is refused (`InvalidValue`), or its
# line is `invalid-value`.
ADDRESS_LIMIT: Final = 571
# Characters of a managed-folder label (MS-XJRNL 2.1.1). Beyond it, the same.
LABEL_LIMIT: Final = 255
# Defects in one result. A report of 16 MB can hold millions of odd lines, and each defect costs over 100 bytes. Beyond it,
# one `more-defects` gives the number of those left out; every line stays accounted for in `unparsed`.
DEFECT_LIMIT: Final = 10_000
# Strings in `unparsed`. A string costs 50 bytes and more, and an odd line can have one. All lines beyond this share one more
# string, in their order, each on a line of its own.
UNPARSED_LIMIT: Final = 10_000
# Bytes of a field that is copied from the original to the outer header block, and of all fields of a mailing list together, so
# that the block stays within the limits of servers. A longer field is not copied.
COPIED_LIMIT: Final = 32 << 10
# Bytes of an original's Subject or Message-ID, and characters of the same value in the report text. Real values have some
# hundred. A longer value is not decoded for the comparison, so the two agree only if they are equal as written
# (`subject-mismatch`, `message-id-mismatch`).
COMPARED_LIMIT: Final = 64 << 10
# Bytes that a secret must have: a shorter one can be guessed by trying all. `InvalidValue` for fewer.
SECRET_MINIMUM: Final = 16

# Bounces

# Bounces inside bounces: a mailbox that refuses, its postmaster that refuses, and some more. Beyond it, `nesting-limit`.
BOUNCE_LIMIT: Final = 5
# Messages in one bounce that are searched: it has one, and mailing lists or gateways may add some. Beyond it, the bounce is
# refused (`no-report-inside`).
MESSAGE_LIMIT: Final = 10
# Bytes of the delivery status in one bounce: room for some thousand recipients, and a report goes to one. Beyond it, the status
# is not read (`status-too-large`).
STATUS_LIMIT: Final = 1 << 20
# Bytes of a plain-text bounce in which the line before the returned message is looked for, and such lines that are looked at.
# Servers write a few KB before it, and a transcript adds some more. Beyond it, the bounce is one of another message
# (`no-report-inside`).
BOUNCE_TEXT_LIMIT: Final = 64 << 10
RETURNED_LINE_LIMIT: Final = 10

# Journaling

# Received fields: a message that passed as many servers is in a loop (RFC 5321 section 6.3 names the number), and is held.
HOP_LIMIT: Final = 100
# Reports about reports: a second server may journal the report of a first one, a fifth one is a loop. Beyond it, the message is
# held.
REPORT_NESTING_LIMIT: Final = 5
# Tags in one stamp: at twelve bytes each they take 48 KiB, a fifth of the header block that Exchange accepts. Where a message
# has more reports, only the very same ones count as made already, and the rest is made again.
TAG_LIMIT: Final = 4096
# Parts of a dotted key in a file of rules. `tomllib` takes the square of their number, and no key of such a file has more than
# three; a domain in a string has at most 127 labels. Beyond it the file is refused.
KEY_PART_LIMIT: Final = 200

# Archives

# Bytes of one message in an archive: Exchange Online takes up to 150 MB, and a process holds one message at a time. A larger
# item is `item-too-large`.
SIZE_LIMIT: Final = 256 << 20
# Archives inside archives, and compression around each: a compressed tar file in a zip file has three layers. Beyond it,
# `nesting-limit`.
ARCHIVE_LIMIT: Final = 5
# Bytes unpacked out of one file, for each byte of it, with everything nested in it. Mail compresses 2 to 10 times, and archives
# with many copies of one attachment some hundred times; a hostile file of 10 MB can hold 10 GB in one layer of gzip, and any
# amount in two. Beyond it, one `archive-ratio` takes the place of the rest. A caller gives another ratio as `max_ratio`.
RATIO_LIMIT: Final = 200
# Bytes that any file may unpack to, however small it is. A single attachment sent to 500 people compresses over 1000:1, and no
# machine that reads archives is held up by a gigabyte.
RATIO_FLOOR: Final = 1 << 30
# Bytes that each member and each message inside a compressed stream count for besides their own, and each further stream of a
# compressed file: empty ones take time as well, and a megabyte can hold ten million of them.
STREAM_COST: Final = 2048
# Bytes of memory for decompressing xz or LZMA: twice the dictionary of the strongest preset of xz. Data that needs more is not
# read (`archive-unsupported`).
MEMORY_LIMIT: Final = 128 << 20
# Bytes of a long name in a tar file, or of the pax records of one header; both are held in memory. No file system has paths
# longer than some kilobytes. Beyond it, the rest of the tar file is `archive-damaged`.
TAR_EXTENSION_LIMIT: Final = 1 << 20
# Data ranges of a sparse member of a tar file. A mailbox of many gigabytes has hundreds; each takes some 100 bytes of memory.
# Beyond it, the member is `archive-damaged`.
SPARSE_LIMIT: Final = 1 << 16
# Names of members that are kept to find out where a link in a tar file leads: 100 bytes each. Beyond it, a link to one of the
# later members is reported as not followed, although its content was read.
LINK_TARGET_LIMIT: Final = 100_000
# Zip files joined to one file. Each takes some 300 bytes of memory, and programs join two or three. Beyond it, the bytes of the
# first ones are reported as not read.
JOINED_ZIP_LIMIT: Final = 1_000
# Characters of a cell in a table. The subject is repeated for each recipient, of which there can be 150,000; a line of a header
# has at most 998. Beyond it, an ellipsis takes the place of the rest; the JSON lines have all of it.
CELL_LIMIT: Final = 1000
# Processes that share the work. Each takes some 30 MB, and more than a machine has cores only slow it down. Beyond it, the
# number is refused.
JOBS_LIMIT: Final = 256
