"""Selects the mail of some people, or of some time, for the outputs of a scan."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import chain
from typing import TYPE_CHECKING, Final

from exjournal._wire.address_lists import likely_addresses
from exjournal._wire.beginnings import lead_in
from exjournal._wire.headers import field_pattern, scan_all
from exjournal._wire.times import mail_date
from exjournal.addresses import address_problem, mailbox_key
from exjournal.errors import DefectCode, InvalidValue, require_type
from exjournal.identity.keys import INCOMPLETE
from exjournal.limits import ADDRESS_FIELD_LIMIT
from exjournal.reports.models import JournalReport, ParsedReport

if TYPE_CHECKING:
    import os
    from typing import TypeAlias

    StrPath: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which reports and messages are in the outputs. `mailboxes`: keys of addresses, None for all; both times are included."""

    mailboxes: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """The values in an order that is the same in every process, unlike that of a set."""
        return self.mailboxes and sorted(self.mailboxes), self.since, self.until

    @property
    def has_range(self) -> bool:
        """Whether dates count."""
        return self.since is not None or self.until is not None

    def covers(self, written: str | None) -> bool:
        """Whether a date as written is in the range. One that is missing, or is not known in UTC, always is."""
        moment = date_in_utc(written)
        if moment is None:
            return True
        return (self.since is None or self.since <= moment) and (self.until is None or moment <= self.until)

    def concerns(self, parsed: ParsedReport) -> bool:
        """Whether a report names one of the mailboxes, also in a line that was not understood.

        One that names no recipient, or may have lost names, may concern anybody.
        """
        if self.mailboxes is None or not parsed.report.recipients:
            return True
        if any(defect.code in _LOST for defect in parsed.defects):
            return True
        lines = (address for line in parsed.unparsed for address in likely_addresses(line.encode("utf-8", "replace")))
        return any(mailbox_key(address) in self.mailboxes for address in chain(_addresses(parsed.report), lines))

    def may_concern(self, message: bytes) -> bool:
        """Whether the header of a message that is not a report names one of the mailboxes, for any reader."""
        if self.mailboxes is None:
            return True
        block = scan_all(message, lead_in(message).block, len(message), _ADDRESS_FIELDS)
        values = list(chain.from_iterable(block.fields.values()))
        if not block.complete or any(len(value) > ADDRESS_FIELD_LIMIT for value in values):
            return True
        return any(mailbox_key(address) in self.mailboxes for value in values for address in likely_addresses(value))


# The defects of a report that may have named somebody else.
_LOST: Final = INCOMPLETE | {DefectCode.SENDER_MISSING, DefectCode.MORE_DEFECTS}
_ADDRESS_FIELDS = field_pattern("from", "sender", "to", "cc", "bcc", "resent-(?:from|sender|to|cc|bcc)")


def _addresses(report: JournalReport) -> Iterator[str]:
    yield from filter(None, (report.sender, report.on_behalf_of, report.envelope_sender))
    for recipient in report.recipients:
        yield recipient.address
        if recipient.expanded_from is not None:
            yield recipient.expanded_from
        if recipient.forwarded_from is not None:
            yield recipient.forwarded_from


def date_in_utc(written: str | None, /) -> datetime | None:
    """Return a date as a time in UTC; None for one that is missing, cannot be read, or has no zone."""
    moment = None if written is None else mail_date(written)
    return None if moment is None or moment.tzinfo is None else moment


def select(
    address_file: "StrPath | None", since: date | datetime | None, until: date | datetime | None, /
) -> Selection | None:
    """Make the selection for the options of a scan, None without one. Raises InvalidValue, TypeError, OSError."""
    mailboxes = None if address_file is None else _read_addresses(address_file)
    first, last = _moment("since", since, time.min), _moment("until", until, time.max)
    if first is not None and last is not None and first > last:
        raise InvalidValue("until", "is before since")
    if mailboxes is None and first is None and last is None:
        return None
    return Selection(mailboxes=mailboxes, since=first, until=last)


def _moment(name: str, value: date | datetime | None, of_day: time) -> datetime | None:
    """Return a time with a zone; a date is its first or last moment in UTC."""
    if value is None:
        return None
    require_type(value, date, f"{name}: a date or a datetime")
    if not isinstance(value, datetime):
        return datetime.combine(value, of_day, UTC)
    if value.tzinfo is None:
        raise InvalidValue(name, "must have a time zone, or be a date alone")
    return value


def _read_addresses(path: "StrPath") -> frozenset[str]:
    with open(path, "rb") as file:
        lines = file.read().removeprefix(b"\xef\xbb\xbf")
    return frozenset(_keys(lines.splitlines()))


def _keys(lines: Iterable[bytes]) -> Iterator[str]:
    count = 0
    for number, line in enumerate(lines, 1):
        try:
            address = line.decode().strip()
        except UnicodeDecodeError:
            raise InvalidValue("address_file", f"line {number} is not UTF-8") from None
        # There are addresses that begin with the sign of a comment.
        if not address or address.split()[0] == "#":
            continue
        problem = address_problem(address)
        if problem is not None:
            raise InvalidValue("address_file", f"line {number} is not an address: it {problem}")
        count += 1
        yield mailbox_key(address)
    if not count:
        raise InvalidValue("address_file", "has no address")
