"""Merging: all reports of one message as one, with every recipient and the evidence for each.

A merged report is a set of `statements`, and everything else is computed from that set. Joining is the union of sets, so the
order of merging does not matter, nor does merging a report twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal.addresses import address_key
from exjournal.errors import DefectCode, InvalidValue, wrong_type
from exjournal.identity.statements import Statement, read_statement, statement_of
from exjournal.reports.models import Evidence, JournalReport, ParsedReport, Recipient, ReportFormat, Role

if TYPE_CHECKING:
    from typing import Self


class MergedRecipient(NamedTuple):
    """One recipient of a message, according to all reports.

    * `address`: of several spellings of its domain, one.
    * `role`: the best known.
    * `expanded_from`, `forwarded_from`: as of `Recipient`.
    * `evidence`: the best available: ENVELOPE if a report with a marker names the recipient, UNMARKED if only reports without
      one do, HEADER if only the message's own header claims it.
    * `display_names`, `claimed_names`: the names from that evidence, and those from lesser evidence only.
    * `seen_in`: the statements that name the address. If an address has several entries, statements without roles and
      redirections, and those with lesser evidence, are listed with the first one.
    """

    address: str
    role: Role
    expanded_from: str | None
    forwarded_from: str | None
    display_names: tuple[str, ...]
    claimed_names: tuple[str, ...]
    evidence: Evidence
    seen_in: tuple[Statement, ...]


class _Statements(NamedTuple):
    statements: frozenset[Statement]


class MergedReport(_Statements):
    """Everything that several reports say about one message; made by `merge()`, joined by `|`.

    No report is the main one. Properties are computed at each access. `senders`, `on_behalf_of`, `envelope_senders` and
    `subjects` use only the reports with the best evidence, so copies add nothing to those of envelope reports. Raises
    InvalidValue for an empty set and for statements on two messages, TypeError for anything but a set of statements.
    """

    __slots__ = ()

    def __new__(cls, statements: frozenset[Statement]) -> "Self":
        """Validate that the statements are on one message."""
        if not isinstance(statements, (frozenset, set)) or not all(isinstance(item, Statement) for item in statements):
            raise TypeError(f"a set of Statement values is expected, not {type(statements).__name__}")
        if len({_message(statement) for statement in statements}) != 1:
            raise InvalidValue("statements", "must be on one message" if statements else "must not be empty")
        return super().__new__(cls, frozenset(statements))

    def __or__(self, other: object) -> "MergedReport":
        """Join two merged reports of one message. Raises InvalidValue for two messages."""
        if not isinstance(other, MergedReport):
            return NotImplemented
        if _message(next(iter(self.statements))) != _message(next(iter(other.statements))):
            raise InvalidValue("content_sha256", "must be equal: the reports are on two messages")
        return MergedReport(self.statements | other.statements)

    @property
    def content_sha256(self) -> str | None:
        """The key of the message, or None for a report whose message cannot be identified."""
        return next(iter(self.statements)).identity.content_sha256

    def __repr__(self) -> str:
        return f"<MergedReport of {len(self.statements)} reports>"

    @property
    def reports(self) -> tuple[Statement, ...]:
        """The statements in an order that depends only on their content; the numbers in `to_dict()` are indexes of it."""
        return tuple(_in_order(self.statements))

    @property
    def recipients(self) -> tuple[MergedRecipient, ...]:
        """Every recipient, in the order of addresses, with one entry for each redirection and role of an address.

        Addresses are compared as written, except for letter case in the domain. Any other role wins over RECIPIENT. An envelope
        report wins over one of Exchange 2003, which has no roles and no redirections, and that wins over a header.
        """
        return tuple(_recipients(self.reports))

    @property
    def message_ids(self) -> tuple[str, ...]:
        """Every Message-ID of the message; more than one if the same content was sent again, or forged."""
        message_ids: dict[str, str] = {}
        for statement in self.reports:
            if statement.identity.message_id_sha256 is not None:
                message_ids.setdefault(statement.identity.message_id_sha256, statement.identity.message_id)
        return tuple(sorted(message_ids.values()))

    @property
    def senders(self) -> tuple[str, ...]:
        """Every sender, "" for the null sender; more than one if reports disagree."""
        senders = [item.report.sender for item in self._best if not _has_defect(item, DefectCode.SENDER_MISSING)]
        return _distinct(senders, address_key)

    @property
    def on_behalf_of(self) -> tuple[str, ...]:
        """Every address on whose behalf a delegate sent the message."""
        return _distinct((item.report.on_behalf_of for item in self._best), address_key)

    @property
    def envelope_senders(self) -> tuple[str, ...]:
        """Every MAIL FROM that is known, "" for the null sender."""
        return _distinct((item.report.envelope_sender for item in self._best), address_key)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject, "" for an empty one; reports of Exchange 2003 have no subject."""
        return _distinct(
            item.report.subject
            for item in self._best
            if item.format is not ReportFormat.ENVELOPE_2003 and not _has_defect(item, DefectCode.SUBJECT_MISSING)
        )

    @property
    def complete(self) -> bool:
        """Whether one of the reports contains the complete message."""
        return any(item.identity.complete for item in self.statements)

    @property
    def _best(self) -> list[Statement]:
        """The statements with the best evidence."""
        best = min([_ORDER[item.recipients_from] for item in self.statements])
        return [item for item in self.statements if _ORDER[item.recipients_from] == best]

    def combined(self) -> JournalReport:
        """Combine the reports into one that has every recipient with the best evidence.

        The combined report has a marker, so it leaves out recipients that only a header claims, or only a report without a
        marker if another report has one. Raises InvalidValue, with the field, if reports disagree about a value that a report
        has once, and if no report names a recipient.
        """
        best = self._best[0].recipients_from
        recipients = [
            Recipient(
                merged.address,
                merged.role,
                expanded_from=merged.expanded_from,
                forwarded_from=merged.forwarded_from,
                display_name=merged.display_names[0] if merged.display_names else "",
            )
            for merged in self.recipients
            if merged.evidence is best
        ]
        if best is Evidence.HEADER or not recipients:
            raise InvalidValue("recipients", _no_evidence(self.recipients))
        reports = [item.report for item in self._best]
        return JournalReport(
            sender=_only("sender", self.senders) or "",
            recipients=recipients,
            subject=_only("subject", self.subjects) or "",
            message_id=_only("message_id", self.message_ids) or "",
            on_behalf_of=_only("on_behalf_of", self.on_behalf_of),
            envelope_sender=_only("envelope_sender", self.envelope_senders),
            label=_only("label", _distinct(report.label for report in reports)),
            mailbox=_only("mailbox", _distinct(report.mailbox for report in reports)),
            sent_utc=_only("sent_utc", _distinct(report.sent_utc for report in reports)),
            received_utc=_only("received_utc", _distinct(report.received_utc for report in reports)),
            sender_display_name=next(iter(_distinct(report.sender_display_name or None for report in reports)), ""),
        )

    def to_dict(self) -> dict[str, object]:
        """Return the merged report as data for JSON, in the stable form that `docs/reference/data.md` describes."""
        statements = self.reports
        numbers = {id(item): number for number, item in enumerate(statements)}
        return {
            "content_sha256": self.content_sha256,
            "complete": self.complete,
            "message_ids": list(self.message_ids),
            "senders": list(self.senders),
            "on_behalf_of": list(self.on_behalf_of),
            "envelope_senders": list(self.envelope_senders),
            "subjects": list(self.subjects),
            "recipients": [_recipient_dict(merged, numbers) for merged in _recipients(statements)],
            "escaped": any(item.escaped for item in statements),
            "reports": [item.to_dict() for item in statements],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object], /) -> "MergedReport":
        """Read the data that `to_dict()` returned: only `reports`, from which the rest is computed. Raises InvalidValue."""
        given: object = data
        if not isinstance(given, Mapping):
            raise wrong_type("reports", given, "in a mapping, the result of to_dict()")
        if "reports" not in given:
            raise InvalidValue("reports", "is missing")
        merged = merge([data])
        if len(merged) != 1:
            raise InvalidValue("reports", "must be on one message")
        return merged[0]


def merge(
    reports: "Iterable[ParsedReport | MergedReport | Statement | Mapping[str, object]]", /
) -> tuple[MergedReport, ...]:
    """Merge reports into one merged report for each distinct content, in the order of `content_sha256`.

    * `reports`: in any mixture, reports that were read, merged reports, statements, and the data of each: what their
      `to_dict()` returns, for a `ParsedReport` with the identity added.

    The result depends neither on the order of the reports nor on repetitions, and can be merged again, so that merging can be
    a reduce step (associative, commutative, idempotent). A report whose message cannot be identified is merged with equal
    reports only. Raises InvalidValue, with the path of the field, for other data; TypeError for one report instead of several.
    """
    if isinstance(reports, (ParsedReport, MergedReport, Statement)) or not isinstance(reports, Iterable):
        raise TypeError(f"an iterable of reports is expected, not {type(reports).__name__}")
    messages: dict[str, set[Statement]] = {}
    for item in reports:
        if isinstance(item, MergedReport):
            # A set keeps the hashes of its members, and hashing a statement with a long list of recipients is slow.
            messages.setdefault(_message(next(iter(item.statements))), set()).update(item.statements)
            continue
        for statement in _statements(item):
            messages.setdefault(_message(statement), set()).add(statement)
    return tuple(
        [
            MergedReport(frozenset(statements))
            for _, statements in sorted(messages.items(), key=lambda message: message[0])
        ]
    )


def _no_evidence(recipients: Sequence[MergedRecipient]) -> str:
    if not recipients:
        return "are missing"
    if any(merged.evidence is Evidence.UNMARKED for merged in recipients):
        return "are named only by reports without a marker"
    return "are all claims of a header"


def _message(statement: Statement) -> str:
    """Return the key that statements on one message share; keys of reports without a content digest sort last."""
    identity = statement.identity
    return identity.content_sha256 or f"~{identity.report_key}"


def _has_defect(statement: Statement, code: DefectCode) -> bool:
    return any(defect.code is code for defect in statement.defects)


def _in_order(statements: Iterable[Statement]) -> list[Statement]:
    """Sort statements by their content alone."""
    ordered = sorted(statements, key=_short_key)
    if any(_short_key(first) == _short_key(second) for first, second in pairwise(ordered)):
        ordered.sort(key=lambda statement: (_short_key(statement), repr(tuple(statement))))
    return ordered


def _short_key(statement: Statement) -> tuple[str, ...]:
    identity = statement.identity
    return identity.report_id, identity.report_key, identity.original_sha256 or "", statement.format


def _distinct(values: Iterable[str | None], key: Callable[[str], str] = str) -> tuple[str, ...]:
    """Return the distinct values in order, without None; of several spellings with one key, the first."""
    by_key: dict[str, str] = {}
    for value in sorted({value for value in values if value is not None}):
        by_key.setdefault(key(value), value)
    return tuple(sorted(by_key.values()))


def _only(field: str, values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise InvalidValue(field, f"has {len(values)} values; a report has room for one")
    return values[0] if values else None


# Recipients


class _Row(NamedTuple):
    """A recipient, the number of the statement that names it, and the rank of its evidence."""

    recipient: Recipient
    number: int
    rank: int


# How reliable the recipients of a report are: by evidence first, then by whether the format has roles and redirections.
_RANKS: Final = {
    (Evidence.ENVELOPE, ReportFormat.ENVELOPE): 0,
    (Evidence.ENVELOPE, ReportFormat.ENVELOPE_2003): 1,
    (Evidence.UNMARKED, ReportFormat.ENVELOPE): 2,
    (Evidence.UNMARKED, ReportFormat.ENVELOPE_2003): 3,
    (Evidence.HEADER, ReportFormat.BCC): 4,
    (Evidence.HEADER, ReportFormat.MESSAGE_ONLY): 4,
}
_ORDER: Final = {evidence: place for place, evidence in enumerate(Evidence)}
_EVIDENCE: Final = {rank: evidence for (evidence, _), rank in _RANKS.items()}


def _recipients(statements: Sequence[Statement]) -> Iterator[MergedRecipient]:
    by_address: dict[str, list[_Row]] = {}
    for number, statement in enumerate(statements):
        rank = _RANKS[statement.recipients_from, statement.format]
        for recipient in statement.report.recipients:
            by_address.setdefault(address_key(recipient.address), []).append(_Row(recipient, number, rank))
    for _, rows in sorted(by_address.items()):
        yield from _entries(rows, statements)


def _entries(rows: list[_Row], statements: Sequence[Statement]) -> Iterator[MergedRecipient]:
    """Yield the entries of one address: one for each redirection and each known role."""
    rank = min(row.rank for row in rows)
    evidence = _EVIDENCE[rank]
    by_redirection: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        if row.rank == rank:
            expanded_from, forwarded_from = row.recipient.expanded_from or "", row.recipient.forwarded_from or ""
            by_redirection.setdefault((address_key(expanded_from), address_key(forwarded_from)), []).append(row)
    lesser = {row.number for row in rows if row.rank != rank}
    names = {row.recipient.display_name for row in rows if _EVIDENCE[row.rank] is evidence} - {""}
    claimed = {row.recipient.display_name for row in rows} - names - {""}
    for _, same_redirection in sorted(by_redirection.items()):
        roles = {row.recipient.role for row in same_redirection}
        for role in [role for role in Role if role in roles and (role is not Role.RECIPIENT or len(roles) == 1)]:
            seen = [row for row in same_redirection if row.recipient.role in (role, Role.RECIPIENT)]
            recipients = [row.recipient for row in seen]
            yield MergedRecipient(
                address=min(recipient.address for recipient in recipients),
                role=role,
                expanded_from=_least([recipient.expanded_from for recipient in recipients]),
                forwarded_from=_least([recipient.forwarded_from for recipient in recipients]),
                display_names=tuple(sorted(names)),
                claimed_names=tuple(sorted(claimed)),
                evidence=evidence,
                seen_in=tuple([statements[number] for number in sorted({row.number for row in seen} | lesser)]),
            )
            lesser = set()


def _least(values: Iterable[str | None]) -> str | None:
    return min([value for value in values if value is not None], default=None)


def _recipient_dict(merged: MergedRecipient, numbers: Mapping[int, int]) -> dict[str, object]:
    return {
        "role": str(merged.role),
        "address": merged.address,
        "expanded_from": merged.expanded_from,
        "forwarded_from": merged.forwarded_from,
        "display_names": list(merged.display_names),
        "claimed_names": list(merged.claimed_names),
        "evidence": str(merged.evidence),
        "seen_in": [numbers[id(statement)] for statement in merged.seen_in],
    }


def _statements(item: object) -> Iterable[Statement]:
    """Return the statements of a report that was read, or of data."""
    if isinstance(item, ParsedReport):
        return (statement_of(item),)
    if isinstance(item, Statement):
        return (item,)
    if not isinstance(item, Mapping):
        raise wrong_type("reports", item, "reports or their data")
    if "reports" not in item:
        return (read_statement(item),)
    reports = item["reports"]
    if not isinstance(reports, list) or not reports:
        raise InvalidValue("reports", "must be a non-empty list")
    return [read_statement(data, f"reports[{number}].") for number, data in enumerate(reports)]
