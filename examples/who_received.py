"""Print what an address received, itself, through a list or by forwarding: `python who_received.py MESSAGES.jsonl ADDRESS`."""

import json
import sys
from pathlib import Path

from exjournal import mailbox_key

lines, address = sys.argv[1:]
with Path(lines).open(encoding="utf-8") as file:
    for item in map(json.loads, file):
        for recipient in item.get("recipients", ()):
            ways = [recipient[way] for way in ("address", "expanded_from", "forwarded_from") if recipient[way]]
            if mailbox_key(address) in map(mailbox_key, ways):
                original = item["sources"][0][0]["original"]
                print(recipient["role"], *ways, recipient["evidence"], original and original["sha256"][:16], sep=", ")
