"""Markers: the header fields by which a message is known as a report, and the format that each of them names.

A marker proves nothing: anyone can write one. Its presence counts, not its value, except in the format of Exchange 2003.
"""

from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.headers import field_pattern, unfold
from exjournal.reports.models import ReportFormat

if TYPE_CHECKING:
    from exjournal._wire.headers import Fields

_MARKERS: Final = {
    marker.lower().encode(): marker
    for marker in (names.MARKER, names.MARKER_IN_TRANSPORT, names.MARKER_WORKMAIL, names.MARKER_GOOGLE)
}
_MARKERS_2003: Final = {marker.lower().encode(): marker for marker in (names.MARKER_2003, names.MARKER_2003_RIGHT)}

MARKERS: Final = (*_MARKERS.values(), *_MARKERS_2003.values())
# The fields to look for in the outer header block of anything that could be a report.
OUTER: Final = field_pattern(
    "content-type", "content-transfer-encoding", "message-id", *MARKERS, names.EMBEDDED_REPORT, names.ENVELOPE_SENDER
)


def envelope_marker(fields: "Fields", /) -> str:
    """The name of the envelope format's marker among the fields of a block, or ""."""
    for name, marker in _MARKERS.items():
        if name in fields:
            return marker
    return ""


def marker_2003(fields: "Fields", /) -> str:
    """The name of Exchange 2003's marker among the fields of a block, if it has the right value, or ""."""
    for name, marker in _MARKERS_2003.items():
        if unfold(fields.get(name, b"")).lower() == names.MARKER_2003_VALUE:
            return marker
    return ""


def marked(fields: "Fields", /) -> tuple[ReportFormat | None, str]:
    """The format that a block's marker names, and the name of the marker; None and "" if there is none."""
    marker = envelope_marker(fields)
    if marker:
        return ReportFormat.ENVELOPE, marker
    marker = marker_2003(fields)
    return (ReportFormat.ENVELOPE_2003, marker) if marker else (None, "")
