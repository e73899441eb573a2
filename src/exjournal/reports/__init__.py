"""Reading and writing a single report.

Here are the values that a report is made of, the grammar of its text in each format, the reader and the writer, seals, and the
way from a bounce back to the report it returns. Reader and writer never import each other: what both need is in the modules of
the formats.
"""
