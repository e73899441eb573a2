"""Decisions: which rules fire for a message under its envelope, which reports they ask for, and why.

A rule fires if a sender and a recipient of the message are in its scope, and the rule applies to one of the two or to everyone.
All matching rules fire. Each journal mailbox gets one report, which lists every recipient. A sign against journaling counts
only if no stranger can have written it; when in doubt, the message is journaled.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exjournal._wire.address_lists import likely_addresses, mailboxes_of
from exjournal._wire.buffers import in_place
from exjournal.addresses import address_key, mailbox_key
from exjournal.errors import require_type
from exjournal.journaling.explanations import Explanation, Match, Place, Reason
from exjournal.journaling.loops import Loop, LoopReason, Signs, read_signs
from exjournal.journaling.message_kinds import MessageKind, kind_of
from exjournal.journaling.organization import Side
from exjournal.journaling.rule_index import JournalMailbox, RuleBits, RuleIndex
from exjournal.journaling.rule_sets import RuleSet
from exjournal.journaling.rules import JournalRule
from exjournal.journaling.stamps import Journaled, Stamps
from exjournal.limits import ADDRESS_FIELD_LIMIT
from exjournal.reports.models import Envelope, Recipient, ReportFormat
from exjournal.reports.seals import known_secrets

if TYPE_CHECKING:
    from exjournal._wire.buffers import Data


class HoldReason(StrEnum):
    """Why a message must not be passed on yet: it cannot be journaled, or passing it on would continue a loop."""

    HOP_LIMIT = "hop-limit"
    NESTING_LIMIT = "nesting-limit"
    HEADER_TOO_LARGE = "header-too-large"
    REPORT_NOT_BUILT = "report-not-built"


class Hold(NamedTuple):
    """A reason not to pass a message on, with a detail: the name of a header field, of a part that cannot be written, or ""."""

    reason: HoldReason
    detail: str = ""


class PlannedReport(NamedTuple):
    """A report to make: its journal mailbox, its envelope and format, and the names of the rules that ask for it."""

    journal_to: str
    envelope: Envelope
    format: ReportFormat
    rules: tuple[str, ...]


# The addresses that a message is from, with their places.
_Senders: TypeAlias = tuple[tuple[Place, str], ...]


class _Ends(NamedTuple):
    """The sides of the senders and recipients of a message, and the rules that apply to these addresses.

    `senders`, `inside` and `outside` are the rules that apply to any sender, to any recipient inside, and to any recipient
    outside. `has_inside` and `has_outside` are True if a recipient is on that side; journal mailboxes do not count.
    """

    senders: RuleBits
    sender_side: Side
    inside: RuleBits
    outside: RuleBits
    has_inside: bool
    has_outside: bool


class _Party(NamedTuple):
    """An address to which at least one rule applies: as written, its place, its key, and the rules that apply to it."""

    address: str
    place: Place
    key: str
    bits: RuleBits


class _Plan(NamedTuple):
    """A report for a journal mailbox; `done` is True if it was made before.

    `fired` are the rules of the mailbox that fire, shifted down to bit 0. `parties` are the addresses of the fork to which
    rules apply; they are computed only if stamps are read or written.
    """

    mailbox: JournalMailbox
    envelope: Envelope
    fired: int
    parties: "_Parties"
    done: bool = False


class _Case(NamedTuple):
    """The facts on which a decision is based, kept for its explanation.

    `forks` are the envelopes to report on, each with its ends: one envelope, or two if `RuleSet.fork_mixed` splits the
    recipients. `stop` is the reason if nothing is journaled at all. `left_out` are the rules that leave out messages of
    this `kind`.
    """

    senders: _Senders
    forks: tuple[tuple[Envelope, _Ends], ...]
    stamps: Stamps
    stop: Reason | None
    left_out: RuleBits
    kind: MessageKind

    @property
    def has_recipients(self) -> bool:
        """Whether the message has a recipient that is not a journal mailbox."""
        return any(ends.has_inside or ends.has_outside for _, ends in self.forks)


class Decision:
    """The reports that a message asks for, and everything that counted for or against them.

    `hold` is set if the message must not be passed on: it has reached a limit on hops or nesting, or its header exceeds a
    limit. `loops` are the signs of earlier journaling in the message, whether they count or not, the strongest first; `loop`
    is the first of them. Explanations are computed on demand.
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
        hold = "" if self.hold is None else f", hold: {self.hold.reason}"
        return f"<Decision: {len(self.reports)} reports{hold}>"

    @cached_property
    def reports(self) -> tuple[PlannedReport, ...]:
        """The reports to make, by journal mailbox. If the recipients are split, the reports for those inside come first."""
        return tuple(
            [
                PlannedReport(
                    journal_to=plan.mailbox.address,
                    envelope=plan.envelope,
                    format=plan.mailbox.format,
                    rules=plan.mailbox.names_of(plan.fired),
                )
                for plan in self._plans
                if not plan.done
            ]
        )

    @property
    def sender_sides(self) -> tuple[str, ...]:
        """The sides on which the sender counts: "inside", "outside", or both."""
        _, ends = self._case.forks[0]
        return _names(
            inside=ends.sender_side is not Side.OUTSIDE,
            outside=ends.sender_side is not Side.INSIDE,
        )

    @property
    def recipient_sides(self) -> tuple[str, ...]:
        """The sides on which recipients are; journal mailboxes do not count."""
        return _names(
            inside=any(ends.has_inside for _, ends in self._case.forks),
            outside=any(ends.has_outside for _, ends in self._case.forks),
        )

    @property
    def loop(self) -> Loop | None:
        """The strongest sign that the message was journaled already, or None."""
        return self.loops[0] if self.loops else None

    @property
    def matches(self) -> tuple[Explanation, ...]:
        """The explanations of the rules that fire."""
        return tuple([explanation for explanation in self.explain() if explanation.matched])

    @property
    def skipped(self) -> tuple[Explanation, ...]:
        """The explanations of the rules that do not fire."""
        return tuple([explanation for explanation in self.explain() if not explanation.matched])

    def explain(self) -> tuple[Explanation, ...]:
        """Explain for every rule, in the order of names, whether and why it fires, and which addresses match it."""
        return tuple(_explanations(self.rules, self._case, self._plans))

    def to_dict(self) -> dict[str, object]:
        """Return hold, loops, sides, reports and the explanation of each rule as values for JSON."""
        hold = None if self.hold is None else {"reason": str(self.hold.reason), "detail": self.hold.detail}
        return {
            "hold": hold,
            "loops": [
                {"reason": str(loop.reason), "header": loop.header, "forgeable": loop.forgeable} for loop in self.loops
            ],
            "sender_sides": list(self.sender_sides),
            "recipient_sides": list(self.recipient_sides),
            "reports": [
                {
                    "journal_to": report.journal_to,
                    "format": str(report.format),
                    "rules": list(report.rules),
                    "recipients": [recipient.address for recipient in report.envelope.recipients],
                }
                for report in self.reports
            ],
            "rules": [explanation.to_dict() for explanation in self.explain()],
        }

    def journaled(self) -> tuple[Journaled, ...]:
        """Return the reports to make in the form that a stamp records; for `JournalAgent`."""
        return tuple([_journaled(plan, self.rules) for plan in self._plans if not plan.done])

    @cached_property
    def _plans(self) -> tuple[_Plan, ...]:
        return tuple(_plans(self._case, self.rules))


def _names(*, inside: bool, outside: bool) -> tuple[str, ...]:
    return ("inside",) * inside + ("outside",) * outside


def decide(message: "Data", envelope: Envelope, rules: RuleSet, /, *, secrets: Iterable[bytes] = ()) -> Decision:
    """Decide which rules fire for a message under its envelope, and which reports they ask for.

    MAIL FROM, From and Sender are senders alike. MAIL FROM decides on which side the sender is, and From if MAIL FROM is the
    null sender. A sender counts as both inside and outside if the side is unclear, if an inside sender did not log in, or if an
    outside sender did. A rule on a group applies to its members, and mail to a group counts as mail to each member. Journal
    mailboxes and the alternate mailbox match nothing as recipients.

    A journal report is not journaled if one of the `secrets` verifies its seal, or if it came over a trusted path. If one of
    the `secrets` verifies the stamp of a message, the message is not journaled again for the same recipients. Message-only
    journaling leaves out delivery reports and receipts only over a trusted path, and the organization's `voice_mail` setting
    applies only there.

    All From and Sender fields count. If such a field has more than 448 KiB, or the header block exceeds a limit, the message is
    held, provided that a rule could apply to it.

    Raises InvalidValue for secrets that cannot be used, and TypeError for an argument of another type; any bytes get a
    decision.
    """
    data = in_place(message, "a message")
    require_type(envelope, Envelope, "an Envelope")
    require_type(rules, RuleSet, "a RuleSet")
    return judge(envelope, rules, read_signs(data, known_secrets(secrets)))


def judge(envelope: Envelope, rules: RuleSet, signs: Signs, /) -> Decision:
    """Decide as `decide` does, from the signs that were read from the header block of the message."""
    senders, authors, unread = _senders(envelope, signs)
    side = _side_of_sender(envelope, authors, rules)
    left_out, kind = _left_out(signs, envelope, rules)
    case = _Case(
        senders=senders,
        forks=tuple([(fork, _ends(fork, senders, side, rules)) for fork in _forks(envelope, rules)]),
        stamps=signs.stamps,
        stop=_stop(signs.loops, envelope, rules),
        left_out=left_out,
        kind=kind,
    )
    return Decision(_hold(signs.loops, rules, case, unread), signs.loops, envelope, rules, case)


def _senders(envelope: Envelope, signs: Signs) -> tuple[_Senders, list[str], str]:
    """Return the senders, the addresses of From, and the name of a field that is too large to be read, or "".

    An address of From that cannot be read is "".
    """
    senders = {(Place.MAIL_FROM, envelope.sender): None} if envelope.sender else {}
    authors: list[str] = []
    unread = ""
    for name, place in ((b"from", Place.FROM), (b"sender", Place.SENDER)):
        for value in signs.fields.get(name, ()):
            if len(value) > ADDRESS_FIELD_LIMIT:
                unread = unread or name.decode("ascii").title()
                authors.append("")
                continue
            addresses = [mailbox.address for mailbox in mailboxes_of(value)]
            if place is Place.FROM:
                authors += addresses
            for address in (*addresses, *_others(likely_addresses(value), addresses)):
                if address:
                    senders[place, address] = None
    return tuple(senders), authors, unread


def _others(likely: list[str], addresses: list[str]) -> list[str]:
    """Return the likely addresses of a field that are not just other spellings of its addresses."""
    if likely == addresses:
        return []
    keys = set(map(mailbox_key, addresses))
    return [address for address in likely if mailbox_key(address) not in keys]


def _side_of_sender(envelope: Envelope, authors: list[str], rules: RuleSet) -> Side:
    addresses = [envelope.sender] if envelope.sender else authors
    is_internal = rules.organization.is_internal
    is_unclear = not addresses or not all(map(_has_domain, addresses))
    # Anybody can write an inside address. A client that logged in is inside, regardless of the address that it writes.
    is_inside = is_unclear or any(map(is_internal, addresses)) or (envelope.authenticated and not rules.believe_senders)
    is_outside = (
        is_unclear or not all(map(is_internal, addresses)) or not (envelope.authenticated or rules.believe_senders)
    )
    if is_inside and is_outside:
        return Side.BOTH
    return Side.INSIDE if is_inside else Side.OUTSIDE


def _has_domain(address: str) -> bool:
    return not mailbox_key(address).endswith("@") and "@" in address


def _forks(envelope: Envelope, rules: RuleSet) -> tuple[Envelope, ...]:
    if not rules.fork_mixed:
        return (envelope,)
    is_internal = rules.organization.is_internal
    inside: list[Recipient] = []
    outside: list[Recipient] = []
    for recipient in envelope.recipients:
        is_inside = is_internal(recipient.address) or not _has_domain(recipient.address)
        (inside if is_inside else outside).append(recipient)
    if not inside or not outside:
        return (envelope,)
    return replace(envelope, recipients=tuple(inside)), replace(envelope, recipients=tuple(outside))


def _ends(envelope: Envelope, senders: _Senders, sender_side: Side, rules: RuleSet) -> _Ends:
    index, resolve = rules.index, rules.organization.resolve
    exempt, usual, group_sides = index.exempt, index.usual, index.groups.sides
    inside = outside = 0
    has_inside = has_outside = False
    others: list[tuple[str, Place]] = []
    for recipient in envelope.recipients:
        bits = usual.get(recipient.address.lower())
        if bits is None:
            others.append((recipient.address, Place.RECIPIENT))
        else:
            inside |= bits
            has_inside = True
        if recipient.expanded_from is not None:
            others.append((recipient.expanded_from, Place.EXPANDED_FROM))
        if recipient.forwarded_from is not None:
            others.append((recipient.forwarded_from, Place.FORWARDED_FROM))
    domain_sides: dict[str, Side] = {}
    for address, place in others:
        written = mailbox_key(address)
        mailbox = resolve(written)
        if mailbox in exempt:
            continue
        side: Side | None = None
        _, at, domain = written.rpartition("@")
        if at and domain:
            side = domain_sides.get(domain)
            if side is None:
                side = Side.INSIDE if rules.organization.is_internal(written) else Side.OUTSIDE
                domain_sides[domain] = side
        # Mail to a group goes where the group is, and where its members are.
        if mailbox in group_sides and place is Place.RECIPIENT:
            side = group_sides[mailbox] | (side or Side(0))
        bits = _bits(mailbox, place, index)
        if side is not Side.OUTSIDE:  # A recipient whose side is unclear counts on both.
            inside |= bits
            has_inside = True
        if side is not Side.INSIDE:
            outside |= bits
            has_outside = True
    sent = 0
    for place, address in senders:
        sent |= _bits(resolve(mailbox_key(address)), place, index)
    return _Ends(
        senders=sent,
        sender_side=sender_side,
        inside=inside,
        outside=outside,
        has_inside=has_inside,
        has_outside=has_outside,
    )


def _bits(key: str, place: Place, index: RuleIndex) -> RuleBits:
    """Find the rules that apply to an address in its place. Only as a recipient does a group have the rules on its members."""
    if place is not Place.RECIPIENT and key in index.on_groups:
        return index.on_groups[key]
    return index.bits.get(key, 0)


def _fired(ends: _Ends, rules: RuleSet) -> RuleBits:
    """Find the rules that have a sender and a recipient in their scope, and that apply to one of the two or to everyone."""
    index = rules.index
    if not ends.has_inside and not ends.has_outside:
        return 0
    senders = ends.senders | index.everyone
    anybody = senders | ends.inside | ends.outside
    fired = anybody & ~(index.internal | index.external)
    if ends.sender_side is not Side.OUTSIDE and ends.has_inside:
        fired |= (senders | ends.inside) & index.internal
    if ends.sender_side is not Side.INSIDE:
        fired |= anybody & index.external
    elif ends.has_outside:
        fired |= (senders | ends.outside) & index.external
    return fired


def _stop(loops: tuple[Loop, ...], envelope: Envelope, rules: RuleSet) -> Reason | None:
    """Return the reason if nothing is journaled at all. Forgeable signs count only over a trusted path."""
    by_reason = {loop.reason: loop for loop in loops}
    if LoopReason.SEAL in by_reason and not by_reason[LoopReason.SEAL].forgeable:
        return Reason.SEALED
    if envelope.trusted_path:
        if LoopReason.REPORT in by_reason:
            return Reason.JOURNAL_REPORT
        if rules.obey_processed and LoopReason.PROCESSED in by_reason:
            return Reason.PROCESSED
    return None


def _left_out(signs: Signs, envelope: Envelope, rules: RuleSet) -> tuple[RuleBits, MessageKind]:
    """Find the rules that leave out messages of this kind, and the kind; it is MAIL if the kind may be forged."""
    if not envelope.trusted_path:
        return 0, MessageKind.MAIL
    types, classes = signs.fields.get(b"content-type", (b"",)), signs.fields.get(b"content-class", (b"",))
    kind = kind_of(types[0], classes[0])
    if kind is MessageKind.VOICE_MAIL:
        return 0 if rules.organization.voice_mail else rules.index.all_rules, kind
    return 0 if kind is MessageKind.MAIL else rules.index.message_only, kind


def _plans(case: _Case, rules: RuleSet) -> Iterator[_Plan]:
    if case.stop is not None:
        return
    for envelope, ends in case.forks:
        fired = _fired(ends, rules) & ~case.left_out
        if not fired:
            continue
        parties = _Parties(rules, case.senders, envelope)
        for mailbox in rules.index.mailboxes:
            own = mailbox.own_bits(fired)
            if own:
                plan = _Plan(mailbox, envelope, own, parties)
                yield _not_again(plan, case.stamps, rules) if case.stamps.verified else plan


def _not_again(plan: _Plan, stamps: Stamps, rules: RuleSet) -> _Plan:
    """Return the plan, `done` or with fewer recipients if verified stamps record reports that were made before."""
    report = _journaled(plan, rules)
    if stamps.hold_report(report):
        return plan._replace(done=True)
    missing = stamps.missing(report)
    if not missing:
        return plan._replace(done=stamps.hold_users(report))
    if rules.only_new and len(missing) < len(set(report.recipients)):
        new = [recipient for recipient in plan.envelope.recipients if _recipient_key(recipient, rules) in missing]
        return plan._replace(envelope=replace(plan.envelope, recipients=tuple(new)))
    return plan


class _Parties:
    """The senders and recipients of a fork to which rules apply, computed when they are first needed."""

    def __init__(self, rules: RuleSet, senders: _Senders, envelope: Envelope, /) -> None:
        self._rules = rules
        self._senders = senders
        self._envelope = envelope

    @cached_property
    def bits(self) -> tuple[tuple[str, RuleBits], ...]:
        """Their keys, each with the rules that apply to it. A key is repeated if other rules apply to it in another place."""
        parties = _parties(self._rules, self._senders, [self._envelope])
        return tuple(sorted({(party.key, party.bits) for party in parties}))


def _journaled(plan: _Plan, rules: RuleSet) -> Journaled:
    mailbox, fired = plan.mailbox, plan.fired
    users = {key for key, bits in plan.parties.bits if mailbox.own_bits(bits) & fired}
    if mailbox.own_bits(rules.index.everyone) & fired:
        users.add("")  # means everyone
    recipients = {_recipient_key(recipient, rules) for recipient in plan.envelope.recipients}
    return Journaled(
        journal_to=mailbox.key,
        sender=_identity(plan.envelope.sender, rules),
        users=tuple(sorted(users)),
        recipients=tuple(sorted(recipients)),
    )


def _recipient_key(recipient: Recipient, rules: RuleSet) -> str:
    """Make the key of a recipient in a stamp. It includes the list or mailbox through which the recipient was reached."""
    own = _identity(recipient.address, rules)
    if recipient.expanded_from is None and recipient.forwarded_from is None:
        return own
    through = [_identity(address or "", rules) for address in (recipient.expanded_from, recipient.forwarded_from)]
    return "\0".join([own, *through])


def _identity(address: str, rules: RuleSet) -> str:
    """Make the identity of an address. All spellings of a mailbox inside are equal; outside, only the domain ignores case."""
    organization = rules.organization
    return organization.key(address) if organization.is_internal(address) else address_key(address)


_LIMITS: Final = {
    LoopReason.HEADER_TOO_LARGE: HoldReason.HEADER_TOO_LARGE,
    LoopReason.NESTING_LIMIT: HoldReason.NESTING_LIMIT,
    LoopReason.HOP_LIMIT: HoldReason.HOP_LIMIT,
}


def _hold(loops: tuple[Loop, ...], rules: RuleSet, case: _Case, unread: str) -> Hold | None:
    """Return the reason if the message must not be passed on: journaling would never end, or the message cannot be judged.

    `unread` is the name of a field that is too large to be read, or "".
    """
    # The unread field may name a sender to which rules apply.
    is_judged = bool(rules.index.rules) and case.stop is None and case.has_recipients
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
    index = rules.index
    numbers = {rule.name: number for number, rule in enumerate(index.rules)}
    named = index.everyone
    fired = journaled = 0
    for _, ends in case.forks:
        named |= ends.senders | ends.inside | ends.outside
        fired |= _fired(ends, rules)
    for plan in plans:
        if not plan.done:
            journaled |= plan.fired << plan.mailbox.offset
    parties = list(_parties(rules, case.senders, [envelope for envelope, _ in case.forks]))
    for rule in sorted(rules.rules, key=lambda rule: rule.name):
        if not rule.enabled:
            yield Explanation(rule.name, rule.journal_to, Reason.DISABLED, scope=rule.scope)
            continue
        bit = 1 << numbers[rule.name]
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
        own_parties = [party for party in parties if party.bits & bit]
        matches = tuple(_matches(rule, own_parties, index))
        yield Explanation(rule.name, rule.journal_to, reason, matches, rule.scope)


def _parties(rules: RuleSet, senders: _Senders, envelopes: Iterable[Envelope]) -> Iterator[_Party]:
    """Yield every address to which a rule applies, in order, once for each place."""
    key, exempt = rules.organization.key, rules.index.exempt
    placed = {(address, place) for place, address in senders}
    for envelope in envelopes:
        for recipient in envelope.recipients:
            for address, place in (
                (recipient.address, Place.RECIPIENT),
                (recipient.expanded_from, Place.EXPANDED_FROM),
                (recipient.forwarded_from, Place.FORWARDED_FROM),
            ):
                if address is not None and key(address) not in exempt:
                    placed.add((address, place))
    for address, place in sorted(placed):
        own = key(address)
        bits = _bits(own, place, rules.index)
        if bits:
            yield _Party(address, place, own, bits)


def _matches(rule: JournalRule, parties: list[_Party], index: RuleIndex) -> Iterator[Match]:
    """Yield for each party how it matches the rule: by itself, as a member of a group or database, or as a group."""
    named = index.targets[rule.name]
    groups = index.groups
    inside = groups.below(named & groups.members.keys())
    database = rule.mailboxes if isinstance(rule.mailboxes, str) else None
    for address, place, key, _ in parties:
        if key in named:
            yield Match(address, place, member_of=database)
        elif key in inside or any(key in groups.members[name] for name in inside):
            yield Match(address, place, member_of=rule.recipient or database)
        else:
            held = min((groups.mailboxes(key) | groups.below((key,))) & named, default=None)
            yield Match(address, place, holds=rule.recipient or held)
