"""Build a report on a sample message, parse it, and show its facts and that no byte was lost."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from exjournal import Envelope, Recipient, build_report, parse_report, report_for

message = (Path(__file__).parent / "message.eml").read_bytes()

# What the mail server knows: who really sent, who really received, and through which list.
envelope = Envelope(
    "ann@example.com",
    [
        "bob@example.com",
        "carol@example.net",
        "hidden@example.org",
        Recipient("dave@example.com", expanded_from="staff@example.com"),
    ],
    authenticated=True,
)
report = build_report(report_for(message, envelope), message, domain="example.com", date=datetime.now(UTC))
parsed = parse_report(report)

print(f"built a report of {len(report)} bytes on a message of {len(message)} bytes; read back:")
print(f"  sender      {parsed.report.sender}")
print(f"  subject     {parsed.report.subject}")
print(f"  message id  {parsed.report.message_id}")
for recipient in parsed.report.recipients:
    through = f"  (member of {recipient.expanded_from})" if recipient.expanded_from else ""
    print(f"  {recipient.role:<10}  {recipient.address}{through}")
print(f"  oddities    {len(parsed.defects)}")

original = parsed.original_bytes()
if original != message:
    raise SystemExit("the original was altered")
print(f"  original    {len(original)} bytes, sha256 {hashlib.sha256(original).hexdigest()}: the message, byte for byte")
