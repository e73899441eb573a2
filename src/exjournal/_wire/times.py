"""Times in the forms that mail and servers write."""

import re
from contextlib import suppress
from datetime import UTC, datetime

_AMERICAN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?(?: ([AP])M)?", re.ASCII | re.IGNORECASE
)


def moment(text: str, /) -> datetime | None:
    """Read a time in ISO 8601, RFC 5322 or month/day/year, as UTC if it has no zone; None for any other text."""
    text = " ".join(text.split())  # newer systems write a narrow space before AM and PM
    parsed = None
    with suppress(ValueError):
        parsed = datetime.fromisoformat(text)
    american = _AMERICAN.fullmatch(text)
    if american is not None:
        month, day, year, hour, minute, second = [int(digits or 0) for digits in american.groups()[:6]]
        if american[7] and 1 <= hour <= 12:
            hour = hour % 12 + 12 * (american[7] in "pP")
        with suppress(ValueError):
            parsed = datetime(year, month, day, hour, minute, second)
    if parsed is None:
        from email.utils import parsedate_to_datetime

        with suppress(ValueError, IndexError, OverflowError):
            parsed = parsedate_to_datetime(text)
    if parsed is None:
        return None
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError:  # a zone that leads out of the calendar
        return None
