"""Send rescued reports again: `python send_again.py FOLDER JOURNAL ALTERNATE [SERVER]`; without SERVER only list them."""

import re
import smtplib
import sys
from pathlib import Path

from exjournal import ParseError, identify, parse_report


def is_complete(report: bytes) -> bool:
    """Return whether a report can be read, and nothing of it is missing."""
    try:
        return identify(parse_report(report)).complete
    except ParseError:
        return False


def send(server: smtplib.SMTP, mail_from: str, rcpt_to: str, report: bytes) -> None:
    """Send a report with an explicit envelope; the addresses in its header are those of the original."""
    header = re.split(rb"\r?\n\r?\n", report, maxsplit=1)[0]
    options = ["BODY=8BITMIME"] * (not report.isascii()) + ["SMTPUTF8"] * (not header.isascii())
    server.sendmail(mail_from, [rcpt_to], report, options)


if __name__ == "__main__":
    folder, journal, alternate, *servers = sys.argv[1:]
    sent = Path(folder, "sent")
    sent.mkdir(exist_ok=True)
    for path in sorted(Path(folder).glob("*.eml")):
        report = path.read_bytes()
        if not is_complete(report):
            print(f"look at {path.name}")
        elif not servers:
            print(f"would send {path.name}")
        else:
            try:
                with smtplib.SMTP(servers[0]) as server:
                    send(server, alternate, journal, report)
            except OSError as error:  # smtplib's own errors are OSErrors
                print(f"not accepted: {path.name}: {type(error).__name__}")
            else:
                path.replace(sent / path.name)
                print(f"sent {path.name}")
