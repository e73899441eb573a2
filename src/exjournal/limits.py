"""Limits that keep hostile input from costing more than it should: each with its unit, its reason and what happens beyond it.

No limit cuts anything silently: beyond it an input is refused with an error, or the result carries a defect.
"""

from typing import Final

# Defects in one result. A report of 16 MB can hold millions of odd lines, and each defect costs over 100 bytes. Beyond it,
# one `more-defects` gives the number of those left out; every line stays accounted for in `unparsed`.
DEFECT_LIMIT: Final = 10_000

# Bytes of one address field (From, Sender, To, Cc, Bcc): seven eighths of the largest header block, room for some twenty
# thousand addresses. Beyond it, no address is read from the field: `decide` holds the message (`header-too-large`), in a report
# of it no recipient is called Bcc, a copy keeps the field in `unparsed` as `invalid-value`, and no copy is built.
ADDRESS_FIELD_LIMIT: Final = 448 << 10

# Bytes unpacked out of one file, for each byte of it, with everything nested in it. Mail compresses 2 to 10 times, and archives
# with many copies of one attachment some hundred times; a hostile file of 10 MB can hold 10 GB in one layer of gzip, and any
# amount in two. Beyond it, one `archive-ratio` stands for the rest of the file. A caller gives another ratio as `max_ratio`.
RATIO_LIMIT: Final = 200
# Bytes that any file may unpack to, however small it is. A single attachment sent to 500 people compresses over 1000:1, and no
# machine that reads archives is held up by a gigabyte.
RATIO_FLOOR: Final = 1 << 30
# Bytes that each member and each message inside a compressed stream count for besides their own, and each further stream of a
# compressed file: empty ones take time as well, and a megabyte can hold ten million of them.
STREAM_COST: Final = 2048

# Data ranges of a sparse member of a tar file. A mailbox of many gigabytes has hundreds; each takes some 100 bytes of memory.
# Beyond it, the member is `archive-damaged`.
SPARSE_LIMIT: Final = 1 << 16
# Names of members that are kept to find out where a link in a tar file leads: 100 bytes each. Beyond it, a link to one of the
# later members is reported as not followed, although its content was read.
LINK_TARGET_LIMIT: Final = 100_000
# Zip files joined to one file. Each takes some 300 bytes of memory, and programs join two or three. Beyond it, the bytes of the
# first ones are reported as not read.
JOINED_ZIP_LIMIT: Final = 1_000

# Processes that share the work. Each takes some 30 MB, and more than a machine has cores only slow it down. Beyond it, the
# number is refused.
JOBS_LIMIT: Final = 256

# Strings in `unparsed`. A string costs 50 bytes and more, and an odd line can have one. All lines beyond this share one more
# string, in their order, each on a line of its own.
UNPARSED_LIMIT: Final = 10_000

# Recipients in one report text, and characters of the text for each one where there are more. A recipient costs 140 to 280
# bytes, and its line can have six; lines that servers write have 30 and more. A text with more recipients on shorter lines is
# refused (`too-many-recipients`), because a report must not list only some of them.
RECIPIENT_LIMIT: Final = 150_000
RECIPIENT_SIZE: Final = 24

# Parts of a dotted key in a file of rules. `tomllib` takes the square of their number, and no key of such a file has more than
# three; a domain in a string has at most 127 labels. Beyond it the file is refused.
KEY_PART_LIMIT: Final = 200

# Bytes after the close delimiter in which the beginning of another message is looked for. Gateways and lists add some lines
# of text there; a longer epilogue counts as another message without a look.
EPILOGUE_LIMIT: Final = 1 << 20

# Bytes of a mailbox separator with its line end: "From ", an address (320, RFC 5321), and a date with a zone fit in. A longer
# line before a header is text: it breaks a seal or stamp and makes another content digest.
FROM_LINE_LIMIT: Final = 400

# Bytes of a plain-text bounce in which the line before the returned message is looked for, and such lines that are looked at.
# What servers say before it takes a few KB, and a transcript some more. Beyond it, the bounce is one of another message
# (`no-report-inside`).
BOUNCE_TEXT_LIMIT: Final = 64 << 10
RETURNED_LINE_LIMIT: Final = 10
