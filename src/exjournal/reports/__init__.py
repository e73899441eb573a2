"""One report, read and written.

The models of a report, the syntax of its text in every format, the reader and the writer, seals, and the way back from a
bounce. Reader and writer never import each other: what both need is in the modules of the formats.
"""
