"""Decisions: which rules a message sets off under its envelope, which reports they ask for, and why.

A rule fires where some sender and some recipient of the message lie in its scope, and one of the two, or everyone, is whom it
is for. All rules that match fire; each journal mailbox gets one report, and it lists every recipient. What keeps a message from
being journaled is believed only where no stranger can have written it; when in doubt, the message is journaled.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.buffers import in_place
from exjournal._wire.message import likely_addresses, mailboxes_of
from exjournal.addresses import address_key, mailbox_key
from exjournal.errors import require_type
from exjournal.journaling.explanations import Explanation, Match, Place, Reason
from exjournal.journaling.loops import Loop, LoopReason, Signs, read_signs
from exjournal.journaling.message_kinds import MessageKind, kind_of
from exjournal.journaling.rules import Index, JournalRule, Mailbox, RuleSet
from exjournal.journaling.stamps import Journaled, Stamps
from exjournal.limits import ADDRESS_FIELD_LIMIT
from exjournal.reports.models import Envelope, Recipient, ReportFormat
from exjournal.reports.seals import known_secrets

if TYPE_CHECKING:
    from exjournal._wire.buffers import Data


class HoldReason(StrEnum):
    """Why a message must not be passed on yet: it cannot be journaled, or going on would be a loop."""

    HOP_LIMIT = "hop-limit"
    NESTING_LIMIT = "nesting-limit"
    HEADER_TOO_LARGE = "header-too-large"
    REPORT_NOT_BUILT = "report-not-built"


class Hold(NamedTuple):
    """A reason not to pass a message on, and what more there is to say of it."""

    reason: HoldReason
    detail: str = ""


class PlannedReport(NamedTuple):
    """A report to make: for which journal mailbox, of which envelope, in which format, and the names of the rules that ask."""

    journal_to: str
    envelope: Envelope
    format: ReportFormat
    rules: tuple[str, ...]


class _Ends(NamedTuple):
    """The two ends of a message: bits of the rules that are for somebody there, and whether anybody is inside or outside."""

    senders: int
    sender_inside: bool
    sender_outside: bool
    inside: int
    outside: int
    has_inside: bool
    has_outside: bool


class _Plan(NamedTuple):
    """A journal mailbox that gets a report, or got one before: of which envelope, and the bits of its rules that fire."""

    mailbox: Mailbox
    envelope: Envelope
    fired: int
    done: bool
    # Those of the fork that rules are for, with their bits; looked for only where stamps are read or written.
    parties: "_Parties"


class _Case(NamedTuple):
    """What a decision was made from, for those who ask why."""

    senders: tuple[tuple[Place, str], ...]
    forks: tuple[tuple[Envelope, _Ends], ...]
    stamps: Stamps
    stop: Reason | None
    left_out: int
    kind: MessageKind

    @property
    def has_recipients(self) -> bool:
        """Whether anybody but journal mailboxes gets the message."""
        return any(ends.has_inside or ends.has_outside for _, ends in self.forks)


class Decision:
    """Which reports a message asks for, and everything about it that spoke for or against.

    `hold` is set where the message must not be passed on: it has reached a limit on hops or nesting, or its header cannot be
    looked at. `loops` are the signs of earlier journaling that the message bears, obeyed or not, the strongest first; `loop` is
    the first of them. What is not asked for is not made.
    """

    def __init__(
        self, hold: Hold | None, loops: tuple[Loop, ...], envelope: Envelope, rules: RuleSet, case: _Case, /
    ) -> None:
        self.hold: Final = hold
        self.loops: Final = loops
        self.envelope: Final = envelope
        self.rules: Final = rules
        self._case: Final = case

    def __repr__(self) -> str:
        held = "" if self.hold is None else f", hold: {self.hold.reason}"
        return f"<Decision: {len(self.reports)} reports{held}>"

    @cached_property
    def reports(self) -> tuple[PlannedReport, ...]:
        """The reports to make, by journal mailbox; with forks, those of the recipients inside come first."""
        return tuple(
            [
                PlannedReport(
                    plan.mailbox.address, plan.envelope, plan.mailbox.format, _names(plan.mailbox, plan.fired)
                )
                for plan in self._plans
                if not plan.done
            ]
        )

    @property
    def sender_sides(self) -> tuple[str, ...]:
        """On which sides the sender was taken to be: "inside", "outside", or both."""
        _, ends = self._case.forks[0]
        return _named(inside=ends.sender_inside, outside=ends.sender_outside)

    @property
    def recipient_sides(self) -> tuple[str, ...]:
        """On which sides recipients are, journal mailboxes left out."""
        ends = [ends for _, ends in self._case.forks]
        return _named(
            inside=any(one.has_inside for one in ends),
            outside=any(one.has_outside for one in ends),
        )

    @property
    def loop(self) -> Loop | None:
        """The strongest sign that the message was journaled already, or None."""
        return self.loops[0] if self.loops else None

    @property
    def matches(self) -> tuple[Explanation, ...]:
        """The rules that fire."""
        return tuple([one for one in self.explain() if one.matched])

    @property
    def skipped(self) -> tuple[Explanation, ...]:
        """The rules that do not."""
        return tuple([one for one in self.explain() if not one.matched])

    def explain(self) -> tuple[Explanation, ...]:
        """For every rule, by name: whether it fires, by which addresses, and why or why not."""
        return tuple(_explanations(self.rules, self._case, self._plans))

    def to_dict(self) -> dict[str, object]:
        """The whole of it as values for JSON: hold, loops, sides, reports and the explanation of each rule."""
        hold = None if self.hold is None else {"reason": str(self.hold.reason), "detail": self.hold.detail}
        return {
            "hold": hold,
            "loops": [
                {"reason": str(one.reason), "header": one.header, "forgeable": one.forgeable} for one in self.loops
            ],
            "sender_sides": list(self.sender_sides),
            "recipient_sides": list(self.recipient_sides),
            "reports": [
                {
                    "journal_to": one.journal_to,
                    "format": str(one.format),
                    "rules": list(one.rules),
                    "recipients": [recipient.address for recipient in one.envelope.recipients],
                }
                for one in self.reports
            ],
            "rules": [one.to_dict() for one in self.explain()],
        }

    def _journaled(self) -> tuple[Journaled, ...]:
        return tuple([_journaled(plan, self.rules) for plan in self._plans if not plan.done])

    @cached_property
    def _plans(self) -> tuple[_Plan, ...]:
        return tuple(_plans(self._case, self.rules))


def _named(*, inside: bool, outside: bool) -> tuple[str, ...]:
    return ("inside",) * inside + ("outside",) * outside


def decide(message: "Data", envelope: Envelope, rules: RuleSet, /, *, secrets: Iterable[bytes] = ()) -> Decision:
    """Which rules fire for a message under its envelope, and which reports they ask for.

    MAIL FROM, From and Sender are senders alike. Whether the sender is inside is said by MAIL FROM, by From where MAIL FROM is
    the null sender; an unclear sender is both inside and outside, and so is one inside that did not log in, and one outside
    that did. A group stands for its members, and mail to a group for mail to each of them. Journal mailboxes and the alternate
    one match nothing as recipients.

    A journal report is not journaled where one of the `secrets` verifies its seal, or over a trusted path; a message whose
    stamp one of them verifies not for the recipients it was journaled for. Only over a trusted path, delivery reports and
    receipts are left out of message-only journaling, and voice mail where the organisation leaves it out.

    All From and Sender fields count. A message with one of more than 448 KiB, or with more header than can be looked at, is
    held where any rule could be for it.

    Raises InvalidValue for secrets that are none, and TypeError; whatever the message is, there is a decision.
    """
    octets = in_place(message, "a message")
    require_type(envelope, Envelope, "an Envelope")
    require_type(rules, RuleSet, "a RuleSet")
    seen = read_signs(octets, known_secrets(secrets))
    found = [(Place.MAIL_FROM, envelope.sender)]
    authors: list[str] = []
    unread = ""
    for name, place in ((b"from", Place.FROM), (b"sender", Place.SENDER)):
        for value in seen.fields.get(name, ()):
            if len(value) > ADDRESS_FIELD_LIMIT:
                unread = unread or name.decode("ascii").title()
                authors.append("")  # on which side its author is, is unclear
                continue
            addresses = [one.address for one in mailboxes_of(value)]
            if place is Place.FROM:
                authors += addresses
            found += [(place, address) for address in (*addresses, *_others(likely_addresses(value), addresses))]
    senders = tuple(dict.fromkeys([(place, address) for place, address in found if address]))
    side = _sides(envelope, authors, rules)
    forks = tuple([(fork, _ends(fork, senders, side, rules)) for fork in _forks(envelope, rules)])
    stop = _stop(seen.loops, envelope, rules)
    left_out, kind = _left_out(seen, envelope, rules)
    case = _Case(senders, forks, seen.stamps, stop, left_out, kind)
    return Decision(_hold(seen.loops, rules, case, unread), seen.loops, envelope, rules, case)


def _others(likely: list[str], addresses: list[str]) -> list[str]:
    """Those of the likely addresses of a field that are not spellings of its addresses."""
    if likely == addresses:
        return []
    keys = set(map(mailbox_key, addresses))
    return [address for address in likely if mailbox_key(address) not in keys]


def _sides(envelope: Envelope, authors: list[str], rules: RuleSet) -> tuple[bool, bool]:
    """Whether the sender is inside, and whether outside; an author without an address is "" here."""
    addresses = [envelope.sender] if envelope.sender else authors
    is_internal = rules.organization.is_internal
    unclear = not addresses or not all(map(_has_domain, addresses))
    inside = unclear or any(map(is_internal, addresses))
    outside = unclear or not all(map(is_internal, addresses))
    if rules.believe_senders:
        return inside, outside
    # Anybody can write an inside address; who logged in is inside whatever he writes.
    return inside or envelope.authenticated, outside or not envelope.authenticated


def _has_domain(address: str) -> bool:
    return not mailbox_key(address).endswith("@") and "@" in address


def _forks(envelope: Envelope, rules: RuleSet) -> tuple[Envelope, ...]:
    if not rules.fork_mixed:
        return (envelope,)
    is_internal = rules.organization.is_internal
    inside: list[Recipient] = []
    outside: list[Recipient] = []
    for one in envelope.recipients:
        (inside if is_internal(one.address) or not _has_domain(one.address) else outside).append(one)
    if not inside or not outside:
        return (envelope,)
    return replace(envelope, recipients=tuple(inside)), replace(envelope, recipients=tuple(outside))


def _ends(envelope: Envelope, senders: tuple[tuple[Place, str], ...], side: tuple[bool, bool], rules: RuleSet) -> _Ends:
    index, resolved = rules._index, rules.organization._resolved
    exempt, sides = index.exempt, index.groups.sides
    inside = outside = 0
    has_inside = has_outside = False
    usual = index.usual
    others: list[tuple[str, Place]] = []
    for recipient in envelope.recipients:
        own = usual.get(recipient.address.lower())
        if own is None:
            others.append((recipient.address, Place.RECIPIENT))
        else:
            inside |= own
            has_inside = True
        if recipient.expanded_from is not None:
            others.append((recipient.expanded_from, Place.EXPANDED_FROM))
        if recipient.forwarded_from is not None:
            others.append((recipient.forwarded_from, Place.FORWARDED_FROM))
    domains: dict[str, bool] = {}
    for address, place in others:
        written = mailbox_key(address)
        mailbox = resolved(written)
        if mailbox in exempt:
            continue
        own = _bits(mailbox, place, index)
        # Mail to a group goes where it is, and where its members are.
        where = sides.get(mailbox, 0) if place is Place.RECIPIENT else 0
        _, _, domain = written.rpartition("@") if "@" in written else ("", "", "")
        if domain:
            if domain not in domains:
                domains[domain] = rules.organization.is_internal(written)
            where |= 1 if domains[domain] else 2
        where = where or 3
        if where & 1:
            inside |= own
            has_inside = True
        if where & 2:
            outside |= own
            has_outside = True
    sent = 0
    for place, address in senders:
        sent |= _bits(resolved(mailbox_key(address)), place, index)
    return _Ends(sent, *side, inside, outside, has_inside, has_outside)


def _bits(key: str, place: Place, index: Index) -> int:
    """The bits of the rules that are for an address where it stands: only mail to a group is mail to each of its members."""
    if place is not Place.RECIPIENT and key in index.named:
        return index.named[key]
    return index.bits.get(key, 0)


def _fired(ends: _Ends, rules: RuleSet) -> int:
    """The bits of the rules for which some sender and some recipient lie in scope, and one of them is whom the rule is for."""
    index = rules._index
    if not ends.has_inside and not ends.has_outside:
        return 0
    senders = ends.senders | index.everyone
    anybody = senders | ends.inside | ends.outside
    fired = anybody & ~(index.internal | index.external)
    if ends.sender_inside and ends.has_inside:
        fired |= (senders | ends.inside) & index.internal
    if ends.sender_outside:
        fired |= anybody & index.external
    elif ends.has_outside:
        fired |= (senders | ends.outside) & index.external
    return fired


def _stop(loops: tuple[Loop, ...], envelope: Envelope, rules: RuleSet) -> Reason | None:
    """Why nothing is journaled at all; what a stranger can write counts only over a trusted path."""
    reasons = {loop.reason: loop for loop in loops}
    if LoopReason.SEAL in reasons and not reasons[LoopReason.SEAL].forgeable:
        return Reason.SEALED
    if envelope.trusted_path:
        if LoopReason.REPORT in reasons:
            return Reason.JOURNAL_REPORT
        if rules.obey_processed and LoopReason.PROCESSED in reasons:
            return Reason.PROCESSED
    return None


def _left_out(seen: Signs, envelope: Envelope, rules: RuleSet) -> tuple[int, MessageKind]:
    """The bits of the rules that leave messages of this kind out, and the kind, as far as it can be believed."""
    if not envelope.trusted_path:
        return 0, MessageKind.MAIL
    types, classes = seen.fields.get(b"content-type", (b"",)), seen.fields.get(b"content-class", (b"",))
    kind = kind_of(types[0], classes[0])
    if kind is MessageKind.VOICE_MAIL:
        return 0 if rules.organization.voice_mail else -1, kind
    return 0 if kind is MessageKind.MAIL else rules._index.message_only, kind


def _plans(case: _Case, rules: RuleSet) -> Iterator[_Plan]:
    if case.stop is not None:
        return
    for envelope, ends in case.forks:
        fired = _fired(ends, rules) & ~case.left_out
        if not fired:
            continue
        parties = _Parties(rules, case.senders, envelope)
        for mailbox in rules._index.mailboxes:
            own = (fired >> mailbox.offset) & mailbox.mask
            if own:
                plan = _Plan(mailbox, envelope, own, False, parties)  # noqa: FBT003
                yield _not_again(plan, case.stamps, rules) if case.stamps.verified else plan


def _not_again(plan: _Plan, stamps: Stamps, rules: RuleSet) -> _Plan:
    """The same plan, or what a verified stamp leaves of it."""
    told = _journaled(plan, rules)
    if stamps.hold_report(told):
        return plan._replace(done=True)
    missing = stamps.missing(told)
    if not missing:
        return plan._replace(done=stamps.hold_users(told))
    if rules.only_new and len(missing) < len(set(told.recipients)):
        new = [one for one in plan.envelope.recipients if _recipient_key(one, rules) in missing]
        return plan._replace(envelope=replace(plan.envelope, recipients=tuple(new)))
    return plan


class _Parties:
    """The senders and recipients of a fork that rules are for, by their keys, with the bits of these rules."""

    def __init__(self, rules: RuleSet, senders: tuple[tuple[Place, str], ...], envelope: Envelope, /) -> None:
        self._rules = rules
        self._senders = senders
        self._envelope = envelope

    @cached_property
    def bits(self) -> tuple[tuple[str, int], ...]:
        """Each key once for every way in which rules are for it."""
        found = {(key, bits) for _, _, key, bits in _placed(self._rules, self._senders, [self._envelope])}
        return tuple(sorted(found))


def _journaled(plan: _Plan, rules: RuleSet) -> Journaled:
    mailbox, fired = plan.mailbox, plan.fired
    users = {key for key, bits in plan.parties.bits if (bits >> mailbox.offset) & fired}
    if (rules._index.everyone >> mailbox.offset) & fired:
        users.add("")  # everyone
    recipients = {_recipient_key(one, rules) for one in plan.envelope.recipients}
    return Journaled(
        mailbox.key, _identity(plan.envelope.sender, rules), tuple(sorted(users)), tuple(sorted(recipients))
    )


def _recipient_key(recipient: Recipient, rules: RuleSet) -> str:
    """A recipient as a stamp knows it, with the list or mailbox it was reached through, which is evidence as well."""
    own = _identity(recipient.address, rules)
    if recipient.expanded_from is None and recipient.forwarded_from is None:
        return own
    return "\0".join(
        [own, *[_identity(one or "", rules) for one in (recipient.expanded_from, recipient.forwarded_from)]]
    )


def _identity(address: str, rules: RuleSet) -> str:
    """Who an address surely is: of our own we know all spellings, of a stranger's domain none but that of its name."""
    organization = rules.organization
    return organization.key(address) if organization.is_internal(address) else address_key(address)


def _names(mailbox: Mailbox, fired: int) -> tuple[str, ...]:
    if fired == mailbox.mask:
        return mailbox.names
    return tuple([name for number, name in enumerate(mailbox.names) if fired >> number & 1])


_LIMITS: Final = {
    LoopReason.HEADER_TOO_LARGE: HoldReason.HEADER_TOO_LARGE,
    LoopReason.NESTING_LIMIT: HoldReason.NESTING_LIMIT,
    LoopReason.HOP_LIMIT: HoldReason.HOP_LIMIT,
}


def _hold(loops: tuple[Loop, ...], rules: RuleSet, case: _Case, unread: str) -> Hold | None:
    """Why the message must not be passed on: journaling it once more would go on for ever, or it cannot be judged.

    `unread` is the name of a field that is too large to be read, or "".
    """
    # Whom the message is from may stand in what was not looked at.
    is_judged = bool(rules._index.rules) and case.stop is None and case.has_recipients
    if unread and is_judged:
        return Hold(HoldReason.HEADER_TOO_LARGE, unread)
    for loop in loops:
        reason = _LIMITS.get(loop.reason)
        if reason is HoldReason.HEADER_TOO_LARGE:
            if is_judged:
                return Hold(reason)
        elif reason is not None and any(not plan.done for plan in _plans(case, rules)):
            return Hold(reason, loop.header)
    return None


def _explanations(rules: RuleSet, case: _Case, plans: tuple[_Plan, ...]) -> Iterator[Explanation]:
    index = rules._index
    offsets = {rule.name: number for number, rule in enumerate(index.rules)}
    named = index.everyone
    fired = journaled = 0
    for _, ends in case.forks:
        named |= ends.senders | ends.inside | ends.outside
        fired |= _fired(ends, rules)
    for plan in plans:
        if not plan.done:
            journaled |= plan.fired << plan.mailbox.offset
    parties = list(_placed(rules, case.senders, [envelope for envelope, _ in case.forks]))
    for rule in sorted(rules.rules, key=lambda one: one.name):
        if not rule.enabled:
            yield Explanation(rule.name, rule.journal_to, Reason.DISABLED, scope=rule.scope)
            continue
        bit = 1 << offsets[rule.name]
        if not case.has_recipients:
            reason = Reason.JOURNAL_MAILBOX
        elif not named & bit:
            reason = Reason.NOT_NAMED
        elif not fired & bit:
            reason = Reason.OUT_OF_SCOPE
        elif case.stop is not None:
            reason = case.stop
        elif case.left_out & bit:
            reason = Reason.VOICE_MAIL if case.kind is MessageKind.VOICE_MAIL else Reason.MESSAGE_KIND
        else:
            reason = Reason.MATCHED if journaled & bit else Reason.ALREADY_JOURNALED
        matches = tuple(_matches(rule, bit, parties, rules))
        yield Explanation(rule.name, rule.journal_to, reason, matches, rule.scope)


def _placed(
    rules: RuleSet, senders: tuple[tuple[Place, str], ...], envelopes: Iterable[Envelope]
) -> Iterator[tuple[str, Place, str, int]]:
    """Every address that some rule is for, with its place, its key and the bits of the rules: by address, each once."""
    key, exempt = rules.organization.key, rules._index.exempt
    found = {(address, place) for place, address in senders}
    for envelope in envelopes:
        for one in envelope.recipients:
            for address, place in (
                (one.address, Place.RECIPIENT),
                (one.expanded_from, Place.EXPANDED_FROM),
                (one.forwarded_from, Place.FORWARDED_FROM),
            ):
                if address is not None and key(address) not in exempt:
                    found.add((address, place))
    for address, place in sorted(found):
        own = key(address)
        bits = _bits(own, place, rules._index)
        if bits:
            yield address, place, own, bits


def _matches(
    rule: JournalRule, bit: int, parties: list[tuple[str, Place, str, int]], rules: RuleSet
) -> Iterator[Match]:
    named = rules._index.targets[rule.name]
    groups = rules._index.groups
    inside = groups.below(named & groups.members.keys())
    whole = rule.mailboxes if isinstance(rule.mailboxes, str) else None
    for address, place, key, bits in parties:
        if not bits & bit:
            continue
        if key in named:
            yield Match(address, place, member_of=whole)
        elif key in inside or any(key in groups.members[name] for name in inside):
            yield Match(address, place, member_of=rule.recipient or whole)
        else:
            held = min((groups.mailboxes(key) | groups.below((key,))) & named, default=None)
            yield Match(address, place, holds=rule.recipient or held)
