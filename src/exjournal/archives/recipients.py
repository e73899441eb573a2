"""The table of recipients: a row for each recipient of each message, with the report that is the best witness for it.

A message of which no recipient could be read has one row without an address, with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from exjournal._wire.times import utc_text
from exjournal.addresses import mailbox_key
from exjournal.archives.sources import Source
from exjournal.archives.tables import Cell
from exjournal.errors import DefectCode
from exjournal.identity.merging import MergedRecipient, MergedReport
from exjournal.identity.statements import Statement
from exjournal.reports.models import Evidence

RECIPIENT_COLUMNS: Final = (
    # The message
    "content_sha256",
    "original_sha256",
    "message_id",
    "mih",
    "date",
    "date_utc",
    "report_date",
    "report_date_utc",
    "sent",
    "sent_utc",
    "received",
    "received_utc",
    "subject",
    "sender",
    "on_behalf_of",
    # The recipient
    "role",
    "address",
    "mailbox",
    "display_name",
    "list",
    "forwarded_from",
    # The evidence
    "evidence",
    "marker",
    "format",
    "complete",
    "conflict",
    "defects",
    "reports",
    "size",
    "original_file",
    "source",
    "reason",
)


class Witness(NamedTuple):
    """A report of a message, and the data of its line that are not in the statement."""

    statement: Statement
    data: Mapping[str, Any]

    @property
    def defects(self) -> Iterator[str]:
        """The codes of the report's own defects, and of what its archive or bounce changed."""
        yield from [str(defect.code) for defect in self.statement.defects]
        yield from [defect["code"] for defect in self.data.get("archive_defects") or ()]

    @property
    def rank(self) -> tuple[object, ...]:
        """The better the evidence, the lower; a report whose original was kept comes before the others."""
        identity = self.statement.identity
        original = self.data.get("original") or {}
        return (
            _ORDER[self.statement.recipients_from],
            not identity.complete,
            original.get("file") is None,
            identity.report_key,
            identity.report_id,
            identity.original_sha256 or "",
        )


_ORDER: Final = {evidence: place for place, evidence in enumerate(Evidence)}


def recipient_rows(
    merged: MergedReport, witnesses: Sequence[Witness], /, *, is_conflict: bool
) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of a message. `witnesses`: its reports in the order of reading, those that are equal as well."""
    # Of equal reports the first one counts; the sort is stable.
    ordered = sorted(witnesses, key=lambda witness: witness.rank)
    original: Mapping[str, Any] = next((one.data["original"] for one in ordered if one.data.get("original")), {})
    header = original.get("header") or {}
    of_message: dict[str, Cell] = {
        "content_sha256": merged.content_sha256,
        "original_sha256": original.get("sha256"),
        "date": header.get("date"),
        "date_utc": header.get("date_utc"),
        "complete": merged.complete,
        "conflict": is_conflict,
        "defects": " ".join(sorted({code for witness in witnesses for code in witness.defects})),
        "reports": len(witnesses),
        "size": original.get("size"),
        "original_file": original.get("file"),
    }
    subject = next(iter(merged.subjects), "")
    places: dict[int, int] = {}
    for place, witness in enumerate(ordered):
        places.setdefault(id(witness.statement), place)
    of_witnesses: dict[int, dict[str, Cell]] = {}
    recipients: Sequence[MergedRecipient | None] = merged.recipients or (None,)
    for recipient in recipients:
        place = 0 if recipient is None else min([places[id(statement)] for statement in recipient.seen_in])
        if place not in of_witnesses:
            of_witnesses[place] = _of_witness(ordered[place], subject)
        yield _row({**of_message, **of_witnesses[place], **_of_recipient(recipient)})


def _row(values: Mapping[str, Cell]) -> tuple[Cell, ...]:
    return tuple([values.get(name) for name in RECIPIENT_COLUMNS])


def _of_witness(witness: Witness, subject: str) -> dict[str, Cell]:
    statement = witness.statement
    identity, report = statement.identity, statement.report
    header = witness.data["header"]
    return {
        "message_id": identity.message_id,
        "mih": identity.mih,
        "report_date": header["date"],
        "report_date_utc": header["date_utc"],
        "sent": report.sent_utc,
        "sent_utc": utc_text(report.sent_at),
        "received": report.received_utc,
        "received_utc": utc_text(report.received_at),
        # A report of Exchange 2003 has no subject; another report of the message may have one.
        "subject": report.subject or subject,
        "sender": report.sender,
        "on_behalf_of": report.on_behalf_of,
        "marker": statement.marker,
        "format": statement.format,
        "source": str(Source.from_dict(witness.data["source"])),
    }


def _of_recipient(recipient: MergedRecipient | None) -> dict[str, Cell]:
    if recipient is None:
        return {"reason": DefectCode.RECIPIENTS_MISSING}
    return {
        "role": recipient.role,
        "address": recipient.address,
        "mailbox": mailbox_key(recipient.address),
        "display_name": next(iter((*recipient.display_names, *recipient.claimed_names)), ""),
        "list": recipient.expanded_from,
        "forwarded_from": recipient.forwarded_from,
        "evidence": recipient.evidence,
    }


def other_row(data: Mapping[str, Any], /) -> tuple[Cell, ...]:
    """Return the row of an item that is not a report, or cannot be read, for the data of its line."""
    header = data.get("header") or {}
    is_message = data["kind"] == "message"
    return _row(
        {
            "original_sha256": data.get("sha256"),
            "date": header.get("date"),
            "date_utc": header.get("date_utc"),
            "defects": " ".join(sorted({defect["code"] for defect in data.get("archive_defects") or ()})),
            "reports": 0,
            "size": data.get("octets"),
            "original_file": data.get("file") if is_message else None,
            "source": str(Source.from_dict(data["source"])),
            "reason": data["code"],
        }
    )
