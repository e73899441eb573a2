"""Limits that keep hostile input from costing more than it should: each with its unit, its reason and what happens beyond it.

No limit cuts anything silently: beyond it an input is refused with an error, or the result carries a defect.
"""

from typing import Final

# Defects in one result. A report of 16 MB can hold millions of odd lines, and each defect costs over 100 bytes. Beyond it,
# one `more-defects` gives the number of those left out; every line stays accounted for in `unparsed`.
DEFECT_LIMIT: Final = 10_000

# Strings in `unparsed`. A string costs 50 bytes and more, and an odd line can have one. All lines beyond this share one more
# string, in their order, each on a line of its own.
UNPARSED_LIMIT: Final = 10_000

# Recipients in one report text, and characters of the text for each one where there are more. A recipient costs 140 to 280
# bytes, and its line can have six; lines that servers write have 30 and more. A text with more recipients on shorter lines is
# refused (`too-many-recipients`), because a report must not list only some of them.
RECIPIENT_LIMIT: Final = 150_000
RECIPIENT_SIZE: Final = 24
