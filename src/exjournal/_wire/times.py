"""Times in the forms that mail and servers write."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

_AMERICAN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?(?: ([AP])M)?", re.ASCII | re.IGNORECASE
)


def moment(text: str, /) -> datetime | None:
    """Read a time in ISO 8601, RFC 5322 or month/day/year, as UTC if it has no zone; None for any other text."""
    parsed = mail_date(text)
    american = _AMERICAN.fullmatch(" ".join(text.split()))  # newer systems write a narrow space before AM and PM
    if american is not None:
        month, day, year, hour, minute, second = [int(digits or 0) for digits in american.groups()[:6]]
        if american[7] and 1 <= hour <= 12:
            hour = hour % 12 + 12 * (american[7] in "pP")
        with suppress(ValueError):
            parsed = datetime(year, month, day, hour, minute, second)
    return None if parsed is None else parsed.replace(tzinfo=UTC)


def mail_date(text: str, /) -> datetime | None:
    """Read the value of a Date field (RFC 5322 sections 3.3 and 4.3), or a time in ISO 8601; None for any other text.

    The result is in UTC, and without a zone if the text has none. `-0000` is UTC, as is a zone of letters that RFC 5322 does
    not define, military ones included. A year of two digits is between 1950 and 2049, one of three digits begins in 1900. A
    comment, a wrong day of the week and the order of `asctime` change nothing; a leap second is the first of the next minute.
    """
    usual = _USUAL.fullmatch(text)
    try:
        if usual is not None:
            day, month, year, hour, minute, second, hours, minutes = usual.groups()
            parsed = datetime(
                int(year), _SHORT_MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC
            )
            if hours + minutes in _NO_OFFSET:
                return parsed
            return parsed - timedelta(hours=int(hours), minutes=int(hours[0] + minutes))
        text = " ".join(_without_comments(text).split())
        found = _MAIL.fullmatch(text) or _ASCTIME.fullmatch(text)
        return _iso_date(text) if found is None else _found_date(found)
    except (ValueError, OverflowError):  # not a date, or outside the calendar
        return None


def _iso_date(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo is None else parsed.astimezone(UTC)


def _found_date(found: re.Match[str]) -> datetime | None:
    month = found["month"].lower()
    number = next((number for number, name in enumerate(_MONTHS, 1) if name.startswith(month)), 0)
    year, second = int(found["year"]), int(found["second"] or 0)
    if len(found["year"]) < 4:
        year += 2000 if len(found["year"]) == 2 and year < 50 else 1900
    parsed = datetime(year, number, int(found["day"]), int(found["hour"]), int(found["minute"]), min(second, 59))
    parsed += timedelta(seconds=second == 60)
    if second > 60:
        return None
    zone = (found["zone"] or "").upper()
    if not zone:
        return parsed
    if zone[0] not in "+-":
        hours, minutes = _ZONES.get(zone, 0), 0
    else:
        hours, minutes = int(zone[:3]), int(zone[0] + zone[-2:])
    if abs(hours) > 23 or abs(minutes) > 59:
        return None
    return (parsed - timedelta(hours=hours, minutes=minutes)).replace(tzinfo=UTC)


_TIME: Final = r"(?P<hour>\d{1,2}) ?: ?(?P<minute>\d\d)(?: ?: ?(?P<second>\d\d)(?:\.\d{1,9})?)?"
# A zone of digits can have its name after it. AM and PM are not zones, and nobody else's clock has twelve hours.
_ZONE: Final = r"(?: ?(?P<zone>[+-]\d\d:?\d\d|(?![AP]M\b)[A-Z]{1,5})(?: [A-Z]{1,5})?)?"
_MAIL = re.compile(
    rf"(?:[^\W\d]{{1,20}}\.? ?,? ?)?(?P<day>\d{{1,2}})[ -](?P<month>[A-Z]{{3,9}})[ -](?P<year>\d{{2,4}}),? {_TIME}{_ZONE}",
    re.ASCII | re.IGNORECASE,
)
_ASCTIME = re.compile(
    rf"(?:[A-Z]{{3}},? )?(?P<month>[A-Z]{{3}}) (?P<day>\d{{1,2}}) {_TIME} (?P<year>\d{{4}}){_ZONE}",
    re.ASCII | re.IGNORECASE,
)
_MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_SHORT_MONTHS: Final = {name[:3].title(): number for number, name in enumerate(_MONTHS, 1)}
# What servers write; a leap second takes the longer way.
_USUAL = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, )?(\d{{1,2}}) ({'|'.join(_SHORT_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):([0-5]\d)"
    r" ([+-](?:[01]\d|2[0-3]))([0-5]\d)",
    re.ASCII,
)
_NO_OFFSET: Final = ("+0000", "-0000")
# The zones of letters in hours (RFC 5322 section 4.3); all others are read as UTC.
_ZONES: Final = {"EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8}


def _without_comments(text: str) -> str:
    """Replace each comment by a space (RFC 5322 section 3.2.2)."""
    if "(" not in text:
        return text
    pieces = []
    depth = 0
    for piece in _PIECE.findall(text):
        depth += piece == "("
        pieces.append(piece if not depth else " ")
        depth -= piece == ")" and depth > 0
    return "".join(pieces)


_PIECE = re.compile(r"\\.|[()\\]|[^()\\]+", re.DOTALL)


def utc_text(time: datetime | None, /) -> str | None:
    """Write a time in UTC in ISO 8601; None for one that is not known, or whose zone is not."""
    return None if time is None or time.tzinfo is None else f"{time.isoformat()[:_TO_SECONDS]}Z"


_TO_SECONDS: Final = len("2026-10-01T07:00:00")
