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
