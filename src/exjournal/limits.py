"""Limits that keep hostile input from costing more than it should: each with its unit, its reason and what happens beyond it.

No limit cuts anything silently: beyond it an input is refused with an error, or the result carries a defect.
"""

from typing import Final

# Defects in one result. A report of 16 MB can hold millions of odd lines, and each defect costs over 100 bytes. Beyond it,
# one `more-defects` gives the number of those left out; every line stays accounted for in `unparsed`.
DEFECT_LIMIT: Final = 10_000

# Bytes after the close delimiter in which the beginning of another message is looked for. Gateways and lists add some lines
# of text there; a longer epilogue counts as another message without a look.
EPILOGUE_LIMIT: Final = 1 << 20
