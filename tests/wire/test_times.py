"""Times as mail and servers write them."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.times import mail_date, moment, utc_text
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


class TestMailDates:
    """The Date field of RFC 5322, in the current and the obsolete form."""

    @pytest.mark.parametrize(
        "text",
        [
            "Thu, 29 Feb 2024 12:00:00 +0000",
            "Thu, 29 Feb 2024 12:00:00 -0000",
            "29 Feb 2024 12:00 GMT",
            "Thu, 29 Feb 2024 14:30:00 +0230",
            "Thu, 29 Feb 2024 14:30:00 +02:30",
            "Thu, 29 Feb 2024 14:30:00 +0230 (somewhere (east)",
            "Thu, 29 Feb 2024 14:00:00 +0200 EET",
            "Thu,29 Feb 2024 12:00:00UT",
            "(a) Thu (b \\) c (d)) , 29 Feb 24 12 : 00 : 00 GMT",
            "Mon, 29 February 2024 07:00:00 est",
            "29 Feb 124 08:00:00 EDT",
            "29 Feb 2024 06:00:00 CST",
            "29 Feb 2024 07:00:00 CDT",
            "29 Feb 2024 05:00:00 MST",
            "29 Feb 2024 06:00:00 MDT",
            "29 Feb 2024 04:00:00 PST",
            "29 Feb 2024 05:00:00 PDT",
            "29 Feb 2024 12:00:00 Z",
            "29 Feb 2024 12:00:00 A",
            "29 Feb 2024 12:00:00 CEST",
            "29-Feb-2024 11:59:60 GMT",
            "Thu Feb 29 12:00:00 2024 GMT",
            "Thu, 29 Feb 2024\t12:00:00.123 +0000",
            "2024-02-29T12:00:00Z",
            "2024-02-29 14:30:00+02:30",
        ],
    )
    def test_noon(self, text: str) -> None:
        """Each form with a zone is the same moment, and is written in one way."""
        found = mail_date(text)
        assert found is not None
        assert found.replace(microsecond=0) == NOON
        assert utc_text(found) == "2024-02-29T12:00:00Z"

    @pytest.mark.parametrize("text", ["Thu, 29 Feb 2024 12:00:00", "Thu Feb 29 12:00:00 2024", "2024-02-29T12:00"])
    def test_without_a_zone(self, text: str) -> None:
        """Without a zone the moment is not known."""
        assert mail_date(text) == NOON.replace(tzinfo=None)
        assert utc_text(mail_date(text)) is None

    @pytest.mark.parametrize(
        ("written", "year"),
        [("00", 2000), ("49", 2049), ("50", 1950), ("99", 1999), ("100", 2000), ("012", 1912), ("0999", 999)],
    )
    def test_short_years(self, written: str, year: int) -> None:
        """Two digits are within fifty years of 2000, three count from 1900 (RFC 5322 section 4.3)."""
        assert mail_date(f"1 Jan {written} 00:00:00 +0000") == datetime(year, 1, 1, tzinfo=UTC)
        assert utc_text(mail_date(f"1 Jan {written} 00:00:00 +0000")) == f"{year:04}-01-01T00:00:00Z"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "(all of it",
            "29 Feb 2023 12:00:00 +0000",
            "29 Fib 2024 12:00:00 +0000",
            "29 Feb 2024 12:00:61 +0000",
            "29 Feb 2024 24:00:00 +0000",
            "29 Feb 2024 12:00:00 +2400",
            "29 Feb 2024 12:00:00 +0060",
            "29 Feb 2024 12:00:00 PM",
            "29 Feb 2024 12:00:00 AM GMT",
            "31 Dec 9999 23:59:60 +0000",
            "1 Jan 0001 00:00:00 +0001",
            "1 Jan 0000 00:00:00 +0000",
            "0001-01-01T00:00:00+01:00",
            "2/29/2024 12:00:00",
        ],
    )
    def test_none(self, text: str) -> None:
        """Other text, and a moment outside the calendar, give None."""
        assert mail_date(text) is None

    def test_nothing(self) -> None:
        """A missing date is not written."""
        assert utc_text(None) is None

    @given(
        st.datetimes(datetime(1900, 1, 2), datetime(9998, 12, 31), timezones=OFFSETS),
        st.sampled_from(["", "Thu, ", "Xxx, ", "thu,"]),
        st.sampled_from(["Jan", "FEB", "mar"]),
        st.booleans(),
        st.sampled_from([None, "UT", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "-0000"]),
        st.sampled_from(["", " (a comment)", "  "]),
    )
    def test_agrees_with_email(
        self, time: datetime, day: str, month: str, has_seconds: bool, zone: str | None, end: str
    ) -> None:
        """Dates with a zone in the grammar of RFC 5322 are read as the standard library reads them."""
        seconds = f":{time.second:02}" if has_seconds else ""
        text = f"{day}{min(time.day, 28)} {month} {time.year} {time:%H:%M}{seconds} {zone or format(time, '%z')}{end}"
        expected = parsedate_to_datetime(text)
        if expected.tzinfo is None:  # this is how it reads -0000
            expected = expected.replace(tzinfo=UTC)
        assert mail_date(text) == expected

    @given(st.text("0123456789/:-+. TZAPMFebThu,()\\", max_size=60) | st.text(max_size=30))
    def test_any_text(self, text: str) -> None:
        """No text raises anything, and a zone is always UTC."""
        found = mail_date(text)
        assert found is None or found.tzinfo in {None, UTC}
