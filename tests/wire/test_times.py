"""Times as mail and servers write them."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.times import moment
from strategies import lines

NOON = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class TestForms:
    """ISO 8601, RFC 5322, and the order of America, each in UTC where it names no zone."""

    @pytest.mark.parametrize(
        "text",
        [
            "2024-02-29T12:00:00Z",
            "2024-02-29T12:00:00.0000000Z",
            "2024-02-29 12:00:00",
            "2024-02-29T12:00",
            "20240229T120000",
            "2024-02-29T14:30:00+02:30",
            "Thu, 29 Feb 2024 12:00:00 +0000",
            "Thu, 29 Feb 2024 12:00:00 -0000",
            "29 Feb 2024 12:00:00",
            "Thu, 29 Feb 2024 07:00:00 EST",
            "Thu, 29 Feb 2024 12:00:00 GMT (noon)",
            "2/29/2024 12:00:00 PM",
            "2/29/2024 12:00 pm",
            "02/29/2024 12:00:00",
        ],
    )
    def test_noon(self, text: str) -> None:
        """Each form is the same moment."""
        found = moment(text)
        assert found == NOON
        assert found is not None
        assert found.tzinfo is UTC

    @pytest.mark.parametrize(
        ("text", "hour"),
        [
            ("1/2/2024 12:00:00 AM", 0),
            ("1/2/2024 1:00:00 AM", 1),
            ("1/2/2024 11:00:00 AM", 11),
            ("1/2/2024 12:00:00 PM", 12),
            ("1/2/2024 1:00:00 PM", 13),
            ("1/2/2024 11:00:00 PM", 23),
            ("1/2/2024 13:00:00 PM", 13),
            ("1/2/2024 0:00:00 PM", 0),
            ("1/2/2024 0:00:00", 0),
            ("1/2/2024 23:00:00", 23),
        ],
    )
    def test_hours(self, text: str, hour: int) -> None:
        """Twelve hours twice a day, or twenty-four; the month comes first."""
        assert moment(text) == datetime(2024, 1, 2, hour, tzinfo=UTC)

    def test_a_day(self) -> None:
        """A date alone is its first moment."""
        assert moment("2024-02-29") == datetime(2024, 2, 29, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "x",
            "0",
            "yesterday",
            "12:00:00",
            "2024",
            "2024-02-30",
            "2024-02-29T25:00:00",
            "2024-02-29T12:00:00+99:00",
            "29/2/2024 12:00:00",
            "2/30/2024 12:00:00",
            "2/29/2024 24:00:00",
            "2/29/2024 12:60:00",
            "2/29/2024 12:00:60",
            "2/29/2024 1:00:00 XM",
            "2/29/24 12:00:00",
            "0/0/0000 0:00:00",
            "Thu, 31 Feb 2024 12:00:00 +0000",
            "Thu, 29 Feb 2024 12:00:00 +9900",
            "Thu, 29 Feb 2024 12:00:00 +" + "9" * 30,
            "Thu, 29 Feb " + "9" * 5000 + " 12:00:00 +0000",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-00:01",
            "\u0661/\u0661/2024 12:00:00",
            "9" * 5000,
            "\ud800",
            "2024-02-29\ud80012:00:00\ud800",
        ],
    )
    def test_none(self, text: str) -> None:
        """Other text, or a time outside the calendar, gives None."""
        assert moment(text) is None


class TestTotal:
    """Any text is a time in UTC or none."""

    @given(lines() | st.text("0123456789/:-+. TZAPMFebThu,", max_size=40) | st.text(max_size=30))
    def test_any_text(self, text: str) -> None:
        """No text raises anything."""
        found = moment(text)
        assert found is None or found.tzinfo is UTC

    @given(st.datetimes(datetime(1900, 1, 2), datetime(9998, 12, 31), timezones=OFFSETS))
    def test_written_and_read(self, time: datetime) -> None:
        """What the standard library and servers write is read as what it was."""
        time = time.replace(microsecond=0)
        utc = time.astimezone(UTC)
        american = f"{utc.month}/{utc.day}/{utc.year} {utc.hour % 12 or 12}:{utc:%M:%S} {'AP'[utc.hour >= 12]}M"
        assert moment(time.isoformat()) == moment(format_datetime(time)) == moment(american) == time
