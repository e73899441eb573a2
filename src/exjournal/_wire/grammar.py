"""Productions that several modules read, each written once, with its source.

Each is the source of a pattern of bytes, and has no groups.
"""

from typing import Final

# Header fields (RFC 5322)

# The name of a field: visible ASCII without the colon (section 3.6.8).
FIELD_NAME: Final = rb"[!-9;-~]++"
# A name with its colon, and the spaces before the colon that the obsolete syntax has (section 4.5).
FIELD_BEGINS: Final = FIELD_NAME + rb"[ \t]*+:"
# The same where any text may come instead: a name is not longer than a line (section 2.1.1).
SHORT_FIELD_BEGINS: Final = rb"[!-9;-~]{1,998}+[ \t]*+:"
# A value: a line and its folds, up to the line end that no space or tab follows (section 2.2.3).
FIELD_VALUE: Final = rb"[^\n]*+(?:\n[ \t][^\n]*+)*+"
# The line end of a fold, which unfolding removes (section 2.2.3).
FOLD: Final = rb"\r?\n(?=[ \t])"
# The line that ends a header block (section 2.1), alone and after the line end of the last field.
EMPTY_LINE: Final = rb"\r?\n"
HEADER_END: Final = rb"\n\r?\n"
# A string in quotes, with its quoted pairs (section 3.2.4).
QUOTED_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'

# Mailbox files (RFC 4155, MMDF)

# How a From line begins. One with spaces before a colon is a From field, as old mail has it.
FROM_BEGINS: Final = rb"From (?![ \t]*:)"
# A From line that another mailbox file had quoted.
QUOTED_FROM_LINE: Final = rb">" + FROM_BEGINS + rb"[^\n]{0,998}+\n"

# The forms of a From line are bounded, so that a candidate costs the same wherever it is in a block.

# The text after a From line: a header field, perhaps after a From line that another mailbox file had quoted.
FIELD: Final = rb"(?:>From [^\n]{0,300}\n)?[!-9;-~]{1,80}[ \t]{0,8}:"
# A date with a time and a year, or a zone; or the dash that Mozilla programs write; or nothing.
DATED: Final = rb"[^\n]{0,400}?[0-9]:[0-9][0-9][^\n]{0,40}[0-9]{4}(?: [A-Z+-][A-Z0-9]{0,5})?[ \t]{0,40}\r?\n"
DASHED: Final = rb"-(?:[ \t][^\n]{0,400})?\n|-?[ \t]{0,40}\r?\n"
# A From line that cannot be a sentence of a text: after a blank line, a sentence may begin with From as well.
CERTAIN_FROM_LINE: Final = rb"From (?:%b|%b)%b" % (DATED, DASHED, FIELD)
FOUR_CONTROL_A: Final = b"\1\1\1\1"
# The line before and after each message of an MMDF file.
MMDF_MARK: Final = FOUR_CONTROL_A + rb"\r?(?:\n|\Z)"
