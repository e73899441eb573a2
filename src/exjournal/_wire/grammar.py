"""Productions that several modules read: the lines between the messages of a mailbox file (RFC 4155, MMDF).

All are bounded, so that a candidate costs the same wherever it is in a block.
"""

from typing import Final

# What follows a From line: a header field, perhaps after a From line that another mailbox file had quoted.
FIELD: Final = rb"(?:>From [^\n]{0,300}\n)?[!-9;-~]{1,80}[ \t]{0,8}:"
# A date with a time and a year, or a zone; or the dash that Mozilla programs write; or nothing.
DATED: Final = rb"[^\n]{0,400}?[0-9]:[0-9][0-9][^\n]{0,40}[0-9]{4}(?: [A-Z+-][A-Z0-9]{0,5})?[ \t]{0,40}\r?\n"
DASHED: Final = rb"-(?:[ \t][^\n]{0,400})?\n|-?[ \t]{0,40}\r?\n"
# A From line that text cannot be taken for: text may have a sentence that begins with From after a blank line.
CERTAIN_FROM_LINE: Final = rb"From (?:%b|%b)%b" % (DATED, DASHED, FIELD)
FOUR_CONTROL_A: Final = b"\1\1\1\1"
# The line before and after each message of an MMDF file.
MMDF_MARK: Final = FOUR_CONTROL_A + rb"\r?(?:\n|\Z)"
