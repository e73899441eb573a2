"""Print what an address received, itself, through a list or by forwarding: `python who_received.py RECIPIENTS.csv ADDRESS`."""

import csv
import sys
from pathlib import Path

from exjournal import mailbox_key

COLUMNS = ("role", "address", "list", "forwarded_from", "evidence", "complete", "original_file")

table, wanted = sys.argv[1:]
messages, unknown = set(), 0
with Path(table).open(encoding="utf-8-sig", newline="") as file:
    for cells in csv.DictReader(file):
        # An apostrophe keeps a spreadsheet from running the cell as a formula.
        row = {name: cell.removeprefix("'") for name, cell in cells.items()}
        unknown += not row["address"]
        ways = filter(None, (row["address"], row["list"], row["forwarded_from"]))
        if mailbox_key(wanted) in map(mailbox_key, ways):
            messages.add(row["content_sha256"] or row["source"])
            print(*[row[name] for name in COLUMNS], sep=", ")
print(f"{len(messages)} messages; {unknown} items have no known recipient")
