"""Archives with millions of reports.

Finds items in folders, mailbox files and archives, reads them in one process or several, and writes the outputs of a scan.
"""
