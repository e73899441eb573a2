"""Markers: which format the outer header block of a message names. A marker is believed by presence, and proves nothing."""

from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.headers import field_pattern, unfold
from exjournal.reports.models import ReportFormat

if TYPE_CHECKING:
    from exjournal._wire.headers import Fields

# Looking a member up on its enumeration calls a function on Python 3.11.
_ENVELOPE: Final = ReportFormat.ENVELOPE
_MARKERS: Final = {
    marker.lower().encode(): marker
    for marker in (names.MARKER, names.MARKER_IN_TRANSPORT, names.MARKER_WORKMAIL, names.MARKER_GOOGLE)
}
_MARKERS_2003: Final = {marker.lower().encode(): marker for marker in (names.MARKER_2003, names.MARKER_2003_RIGHT)}

MARKERS: Final = (*_MARKERS.values(), *_MARKERS_2003.values())
# What is looked for in the outer block of anything that could be a report.
OUTER: Final = field_pattern(
    "content-type", "content-transfer-encoding", "message-id", *MARKERS, names.EMBEDDED_REPORT, names.ENVELOPE_SENDER
)


def envelope_marker(fields: "Fields", /) -> str:
    """The marker of the envelope format among the fields of a block, "" where there is none."""
    for name, marker in _MARKERS.items():
        if name in fields:  # by presence: the value is empty, or anything
            return marker
    return ""


def marker_2003(fields: "Fields", /) -> str:
    """The marker of Exchange 2003 among the fields of a block, "" where there is none."""
    for name, marker in _MARKERS_2003.items():
        if unfold(fields.get(name, b"")).lower() == names.MARKER_2003_VALUE:
            return marker
    return ""


def marked(fields: "Fields", /) -> tuple[ReportFormat | None, str]:
    """The format that a marker names, and the marker."""
    marker = envelope_marker(fields)
    if marker:
        return _ENVELOPE, marker
    marker = marker_2003(fields)
    return (ReportFormat.ENVELOPE_2003, marker) if marker else (None, "")
