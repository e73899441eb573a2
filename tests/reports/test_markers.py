"""Markers: the fields of an outer header block that name a format."""

import pytest

from exjournal import ReportFormat
from exjournal._wire.headers import scan
from exjournal.reports.markers import MARKERS, OUTER, envelope_marker, marked


def outer(block: bytes) -> dict[bytes, bytes]:
    """The fields of a block that a reader looks for."""
    return scan(block, 0, len(block), OUTER).fields


class TestMarked:
    """A marker names the format of a report, and its own name is returned as servers write it."""

    @pytest.mark.parametrize(
        ("field", "format", "marker"),
        [
            (b"X-MS-Journal-Report:", ReportFormat.ENVELOPE, "X-MS-Journal-Report"),
            (b"x-ms-journal-report : no", ReportFormat.ENVELOPE, "X-MS-Journal-Report"),
            (
                b"X-MS-Exchange-Organization-Journal-Report:",
                ReportFormat.ENVELOPE,
                "X-MS-Exchange-Organization-Journal-Report",
            ),
            (b"X-WM-Journal-Report: journal", ReportFormat.ENVELOPE, "X-WM-Journal-Report"),
            (b"X-GM-Journal-ID: 1", ReportFormat.ENVELOPE, "X-GM-Journal-ID"),
            (b"Content-Identifer: ExJournalReport", ReportFormat.ENVELOPE_2003, "Content-Identifer"),
            (b"Content-Identifier: EXJOURNALREPORT\r\n ", ReportFormat.ENVELOPE_2003, "Content-Identifier"),
            (b"Content-Identifer: ExJournalData", None, ""),
            (b"Content-Identifer:", None, ""),
            (b"X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent", None, ""),
            (b"Subject: X-MS-Journal-Report:", None, ""),
        ],
    )
    def test_one(self, field: bytes, format: ReportFormat | None, marker: str) -> None:
        """Markers of the envelope format count by presence, that of Exchange 2003 by its value."""
        found = outer(b"Subject: x\r\n" + field + b"\r\n\r\n")
        assert marked(found) == (format, marker)
        assert envelope_marker(found) == (marker if format is ReportFormat.ENVELOPE else "")

    def test_several(self) -> None:
        """Of several markers the one that a product writes on its own counts, in any order."""
        fields = [marker.encode() + b": ExJournalReport\r\n" for marker in MARKERS]
        for block in (b"".join(fields), b"".join(reversed(fields))):
            assert marked(outer(block + b"\r\n")) == (ReportFormat.ENVELOPE, "X-MS-Journal-Report")

    def test_both_spellings(self) -> None:
        """If one of the two spellings has another value, the other one counts."""
        block = b"Content-Identifer: ExJournalData\r\nContent-Identifier: ExJournalReport\r\n\r\n"
        assert marked(outer(block)) == (ReportFormat.ENVELOPE_2003, "Content-Identifier")

    def test_all_are_looked_for(self) -> None:
        """Every marker is among the fields that a reader finds in one pass."""
        for marker in MARKERS:
            assert marker.lower().encode() in outer(marker.encode() + b": x\r\n\r\n")

    def test_none(self) -> None:
        """Without a field, no format is named."""
        assert marked({}) == (None, "")
        assert envelope_marker({}) == ""
