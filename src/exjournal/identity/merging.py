"""Merging: the reports of one message as one, with every recipient and the evidence for each.

A merged report is the set of what its reports say, and everything else about it is worked out from that set. So it does not
matter in which order reports are merged, how often, or where: joining is the union of sets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal.addresses import address_key
from exjournal.errors import DefectCode, InvalidValue
from exjournal.identity.statements import Statement, read_statement, statement_of
from exjournal.reports.models import Evidence, JournalReport, ParsedReport, Recipient, ReportFormat, Role

if TYPE_CHECKING:
    from typing import Self


class MergedRecipient(NamedTuple):
    """One recipient of a message, as all of its reports tell of it.

    `evidence` is the best there is: ENVELOPE where a report with a marker names the recipient, UNMARKED where only reports
    without one do, and HEADER where there are only claims of the message's header. `display_names` are those that this
    evidence has, `claimed_names` those that only lesser evidence gives. `seen_in` holds what the reports say that name the
    address. A report that cannot tell redirections or roles, or has lesser evidence, is with the first entry of its address
    where better ones make several.
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
    """All that several reports say of one message; made by `merge()`, joined by `|`.

    None of the reports is the main one. The properties are worked out when they are asked for; where reports of an envelope
    format are among them, copies add nothing to `senders`, `on_behalf_of`, `envelope_senders` and `subjects`. Raises
    InvalidValue for no statement, and for those of two messages.
    """

    __slots__ = ()

    def __new__(cls, statements: frozenset[Statement]) -> "Self":
        """Of one message."""
        if not isinstance(statements, (frozenset, set)) or not all(isinstance(one, Statement) for one in statements):
            raise TypeError(f"a set of Statement values is expected, not {type(statements).__name__}")
        if len({_message(statement) for statement in statements}) != 1:
            raise InvalidValue("statements", "are of several messages" if statements else "are none")
        return super().__new__(cls, frozenset(statements))

    def __or__(self, other: object) -> "MergedReport":
        """Join two merged reports of one message. Raises InvalidValue for those of two messages."""
        if not isinstance(other, MergedReport):
            return NotImplemented
        if _message(next(iter(self.statements))) != _message(next(iter(other.statements))):
            raise InvalidValue("content_sha256", "differs: the reports are of two messages")
        return MergedReport(self.statements | other.statements)

    @property
    def content_sha256(self) -> str | None:
        """The key of the message, None for a report that holds nothing by which its message can be known."""
        return next(iter(self.statements)).identity.content_sha256

    def __repr__(self) -> str:
        return f"<MergedReport of {len(self.statements)} reports>"

    @property
    def reports(self) -> tuple[Statement, ...]:
        """What each report says, in an order that depends on nothing else; the numbers in `to_dict()` are places in it."""
        return tuple(_in_order(self.statements))

    @property
    def recipients(self) -> tuple[MergedRecipient, ...]:
        """Every recipient, in the order of addresses.

        Addresses are told apart as written, with their domains in any letter case. One entry for each redirection and role of
        an address; a role is known better than RECIPIENT, an envelope better than the report text of Exchange 2003, which has
        no roles and no redirections, and that better than a header.
        """
        return tuple(_recipients(self.reports))

    @property
    def message_ids(self) -> tuple[str, ...]:
        """Every Message-ID that the message has; more than one where the same content was sent again or forged."""
        found: dict[str, str] = {}
        for statement in self.reports:
            if statement.identity.message_id_sha256 is not None:
                found.setdefault(statement.identity.message_id_sha256, statement.identity.message_id)
        return tuple(sorted(found.values()))

    @property
    def senders(self) -> tuple[str, ...]:
        """Every sender that is named, "" for the null sender; more than one where reports disagree."""
        told = [one.report.sender for one in self._best if not _lacks(one, DefectCode.SENDER_MISSING)]
        return _different(told, address_key)

    @property
    def on_behalf_of(self) -> tuple[str, ...]:
        """Every principal."""
        return _different((one.report.on_behalf_of for one in self._best), address_key)

    @property
    def envelope_senders(self) -> tuple[str, ...]:
        """Every MAIL FROM that is known, "" for the null sender."""
        return _different((one.report.envelope_sender for one in self._best), address_key)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject, "" for an empty one; a report of Exchange 2003 names none."""
        return _different(
            one.report.subject
            for one in self._best
            if one.format is not ReportFormat.ENVELOPE_2003 and not _lacks(one, DefectCode.SUBJECT_MISSING)
        )

    @property
    def complete(self) -> bool:
        """Whether one of the reports holds the message whole."""
        return any(one.identity.complete for one in self.statements)

    @property
    def _best(self) -> list[Statement]:
        """The statements with the best evidence, without the others."""
        best = min([_ORDER[one.recipients_from] for one in self.statements])
        return [one for one in self.statements if _ORDER[one.recipients_from] == best]

    def combined(self) -> JournalReport:
        """One report that says what all of them say; recipients that only lesser evidence names are left out.

        That is a header's beside reports, and that of reports without a marker beside reports with one: the combined report has
        a marker, and must not make evidence of claims. Raises InvalidValue, with the field, where reports disagree on what a
        report can say but once, and where no report names a recipient.
        """
        best = self._best[0].recipients_from
        recipients = [
            Recipient(
                one.address,
                one.role,
                expanded_from=one.expanded_from,
                forwarded_from=one.forwarded_from,
                display_name=one.display_names[0] if one.display_names else "",
            )
            for one in self.recipients
            if one.evidence is best
        ]
        if best is Evidence.HEADER or not recipients:
            raise InvalidValue("recipients", _no_evidence(self.recipients))
        said = [one.report for one in self._best]
        return JournalReport(
            sender=_only("sender", self.senders) or "",
            recipients=recipients,
            subject=_only("subject", self.subjects) or "",
            message_id=_only("message_id", self.message_ids) or "",
            on_behalf_of=_only("on_behalf_of", self.on_behalf_of),
            envelope_sender=_only("envelope_sender", self.envelope_senders),
            label=_only("label", _different(one.label for one in said)),
            mailbox=_only("mailbox", _different(one.mailbox for one in said)),
            sent_utc=_only("sent_utc", _different(one.sent_utc for one in said)),
            received_utc=_only("received_utc", _different(one.received_utc for one in said)),
            sender_display_name=next(iter(_different(one.sender_display_name or None for one in said)), ""),
        )

    def to_dict(self) -> dict[str, object]:
        """The merged report as data fit for JSON, in a stable form that `docs/api.md` describes."""
        statements = self.reports
        numbers = {id(one): number for number, one in enumerate(statements)}
        return {
            "content_sha256": self.content_sha256,
            "complete": self.complete,
            "message_ids": list(self.message_ids),
            "senders": list(self.senders),
            "on_behalf_of": list(self.on_behalf_of),
            "envelope_senders": list(self.envelope_senders),
            "subjects": list(self.subjects),
            "recipients": [_recipient_dict(one, numbers) for one in _recipients(statements)],
            "escaped": any(one.escaped for one in statements),
            "reports": [one.to_dict() for one in statements],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object], /) -> "MergedReport":
        """The merged report that `to_dict()` gave: `reports` is read, and the rest worked out again. Raises InvalidValue."""
        given: object = data
        if not isinstance(given, Mapping) or "reports" not in given:
            raise InvalidValue("reports", "is missing")
        merged = merge([data])
        if len(merged) != 1:
            raise InvalidValue("reports", "are not those of one message")
        return merged[0]


def merge(
    reports: "Iterable[ParsedReport | MergedReport | Statement | Mapping[str, object]]", /
) -> tuple[MergedReport, ...]:
    """One merged report for each distinct content, in the order of `content_sha256`.

    Takes reports that were read, merged ones, what they say, and data: `ParsedReport.to_dict()` with the identity,
    `MergedReport.to_dict()`. The result depends on neither order nor number of the reports, and is itself such data, so that
    merging can be a reduce step (associative, commutative, idempotent). A report that holds nothing by which its message can
    be known is joined with equal ones only. Raises InvalidValue for data that is not as those functions give it, or without
    an identity, and TypeError for one report in place of several.
    """
    if isinstance(reports, (ParsedReport, MergedReport, Statement)) or not isinstance(reports, Iterable):
        raise TypeError(f"an iterable of reports is expected, not {type(reports).__name__}")
    messages: dict[str, set[Statement]] = {}
    for item in reports:
        if isinstance(item, MergedReport):
            # Sets keep the hashes of what is in them, and what a report on a long list says takes long to hash.
            messages.setdefault(_message(next(iter(item.statements))), set()).update(item.statements)
            continue
        for statement in _statements(item):
            messages.setdefault(_message(statement), set()).add(statement)
    return tuple(
        [MergedReport(frozenset(said)) for _, said in sorted(messages.items(), key=lambda message: message[0])]
    )


def _no_evidence(recipients: Sequence[MergedRecipient]) -> str:
    if not recipients:
        return "are none"
    if any(one.evidence is Evidence.UNMARKED for one in recipients):
        return "are only in reports without a marker"
    return "are claims of a header, all of them"


def _message(statement: Statement) -> str:
    """What the statements on one message have in common; those on what cannot be known stand behind the others."""
    identity = statement.identity
    return identity.content_sha256 or f"~{identity.report_key}"


def _lacks(statement: Statement, code: DefectCode) -> bool:
    return any(defect.code is code for defect in statement.defects)


def _in_order(statements: Iterable[Statement]) -> list[Statement]:
    """Statements in an order that depends on nothing but what they say."""
    ordered = sorted(statements, key=_short_key)
    if any(_short_key(one) == _short_key(other) for one, other in pairwise(ordered)):
        ordered.sort(key=lambda one: (_short_key(one), repr(tuple(one))))
    return ordered


def _short_key(statement: Statement) -> tuple[str, ...]:
    identity = statement.identity
    return identity.report_id, identity.report_key, identity.original_sha256 or "", statement.format


def _different(values: Iterable[str | None], key: Callable[[str], str] = str) -> tuple[str, ...]:
    """The values that are there, in order; of those with one key the first spelling."""
    found: dict[str, str] = {}
    for value in sorted({value for value in values if value is not None}):
        found.setdefault(key(value), value)
    return tuple(sorted(found.values()))


def _only(field: str, values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise InvalidValue(field, f"has {len(values)} values, and a report has room for one")
    return values[0] if values else None


# Recipients


class _Row(NamedTuple):
    """A recipient in a statement, and the place of that among the others."""

    recipient: Recipient
    place: int
    rank: int


# How well reports know recipients: by their evidence first, then with roles and redirections or without.
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
    for place, statement in enumerate(statements):
        rank = _RANKS[statement.recipients_from, statement.format]
        for recipient in statement.report.recipients:
            by_address.setdefault(address_key(recipient.address), []).append(_Row(recipient, place, rank))
    for _, rows in sorted(by_address.items()):
        yield from _entries(rows, statements)


def _entries(rows: list[_Row], statements: Sequence[Statement]) -> Iterator[MergedRecipient]:
    """The entries of one address: one for each redirection and each role that is known for it."""
    rank = min(row.rank for row in rows)
    evidence = _EVIDENCE[rank]
    by_way: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        one = row.recipient
        if row.rank == rank:
            way = (address_key(one.expanded_from or ""), address_key(one.forwarded_from or ""))
            by_way.setdefault(way, []).append(row)
    lesser = {row.place for row in rows if row.rank != rank}
    names = {row.recipient.display_name for row in rows if _EVIDENCE[row.rank] is evidence} - {""}
    claimed = {row.recipient.display_name for row in rows} - names - {""}
    for _, same_way in sorted(by_way.items()):
        roles = {row.recipient.role for row in same_way}
        for role in [role for role in Role if role in roles and (role is not Role.RECIPIENT or len(roles) == 1)]:
            seen = [row for row in same_way if row.recipient.role in (role, Role.RECIPIENT)]
            recipients = [row.recipient for row in seen]
            yield MergedRecipient(
                min(one.address for one in recipients),
                role,
                min((one.expanded_from for one in recipients if one.expanded_from is not None), default=None),
                min((one.forwarded_from for one in recipients if one.forwarded_from is not None), default=None),
                tuple(sorted(names)),
                tuple(sorted(claimed)),
                evidence,
                tuple([statements[place] for place in sorted({row.place for row in seen} | lesser)]),
            )
            lesser = set()


def _recipient_dict(one: MergedRecipient, numbers: Mapping[int, int]) -> dict[str, object]:
    return {
        "role": str(one.role),
        "address": one.address,
        "expanded_from": one.expanded_from,
        "forwarded_from": one.forwarded_from,
        "display_names": list(one.display_names),
        "claimed_names": list(one.claimed_names),
        "evidence": str(one.evidence),
        "seen_in": [numbers[id(statement)] for statement in one.seen_in],
    }


def _statements(item: object) -> Iterable[Statement]:
    """What a report says that was read, or comes as data."""
    if isinstance(item, ParsedReport):
        return (statement_of(item),)
    if isinstance(item, Statement):
        return (item,)
    if not isinstance(item, Mapping):
        raise InvalidValue("reports", f"hold a {type(item).__name__}, no report and no data of one")
    if "reports" not in item:
        return (read_statement(item),)
    reports = item["reports"]
    if not isinstance(reports, list) or not reports:
        raise InvalidValue("reports", "is no list with something in it")
    return [read_statement(data, f"reports[{number}].") for number, data in enumerate(reports)]
