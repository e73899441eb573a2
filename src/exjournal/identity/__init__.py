"""The same message again.

Keys that two reports of one message have in common, stores that remember keys, the comparison that finds duplicates and
conflicts, and the merging of all reports of a message into one.
"""
