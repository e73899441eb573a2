"""Run a parser over the corpus, and print where it finds other recipients; put yours in place of `read`."""

import json
from pathlib import Path

from exjournal import ParseError, parse_report


def read(data: bytes, format: str | None) -> list[str] | None:
    """Return the addresses in a report; None if it is refused. `format` names a format that only the caller can know."""
    try:
        report = parse_report(data, format=format).report
    except ParseError:
        return None
    return [recipient.address for recipient in report.recipients]


counts = {True: 0, False: 0}
for path in sorted(Path("tests/corpus").glob("*.json")):
    expectation = json.loads(path.read_text(encoding="utf-8"))
    expected = [one["address"] for one in expectation.get("recipients", ())]
    found = read(path.with_suffix(".eml").read_bytes(), expectation.get("read_as"))
    agrees = found == (None if "refused" in expectation else expected)
    counts[agrees] += 1
    if not agrees:
        print(f"{path.stem}: {expectation['about']}\n  expected {expected}\n  found    {found}")
print(f"{counts[True]} agree, {counts[False]} differ")
