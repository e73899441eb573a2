"""Times as mail and servers write them, read as well as they can be."""

import re
from contextlib import suppress
from datetime import UTC, datetime

_AMERICAN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?(?: ([AP])M)?", re.ASCII | re.IGNORECASE
)


def moment(text: str, /) -> datetime | None:
    """A time in UTC, or None for what is none: ISO 8601, RFC 5322, or month/day/year; without a zone it is UTC."""
    text = " ".join(text.split())  # newer systems write a narrow blank before AM and PM
    found = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    american = _AMERICAN.fullmatch(text)
    if american is not None:
        month, day, year, hour, minute, second = [int(digits or 0) for digits in american.groups()[:6]]
        if american[7] and 1 <= hour <= 12:
            hour = hour % 12 + 12 * (american[7] in "pP")
        with suppress(ValueError):
            found = datetime(year, month, day, hour, minute, second)
    if found is None:
        from email.utils import parsedate_to_datetime

        with suppress(ValueError, IndexError, OverflowError):
            found = parsedate_to_datetime(text)
    if found is None:
        return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:  # a zone that leads out of the calendar
        return None
