"""The index of a set of rules: look-ups from the key of an address to the rules that apply to it.

`decisions` judges a message with bit operations. Each enabled rule has one bit, and each address has a number in which the bits
of the rules that apply to it are set.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple, TypeAlias, TypeVar

from exjournal.journaling.organization import Organization, Side
from exjournal.journaling.rules import JournalRule, Scope
from exjournal.reports.models import ReportFormat

# A set of enabled rules: bit n is set if `RuleIndex.rules[n]` is in the set.
RuleBits: TypeAlias = int
_Bits = TypeVar("_Bits", int, Side)


class JournalMailbox(NamedTuple):
    """A journal mailbox: its key, its address, the format of its reports, and its rules.

    The bits of its rules are adjacent and begin at bit `offset`. `mask` has all these bits, shifted down to bit 0. `rule_names`
    has the names of the rules, the one with the lowest bit first.
    """

    key: str
    address: str
    format: ReportFormat
    offset: int
    mask: int
    rule_names: tuple[str, ...]

    def own_bits(self, bits: RuleBits, /) -> int:
        """Return the bits of the mailbox's own rules among `bits`, shifted down to bit 0."""
        return (bits >> self.offset) & self.mask

    def names_of(self, own: int, /) -> tuple[str, ...]:
        """Return the names of the rules in `own`, a result of `own_bits`."""
        if own == self.mask:
            return self.rule_names
        return tuple([name for number, name in enumerate(self.rule_names) if own >> number & 1])


class Groups(NamedTuple):
    """The groups of an organization, by their keys.

    * `groups`: the groups that are direct members of each group.
    * `parents`: the groups of which each group is a direct member.
    * `members`: the direct members of each group that are not groups.
    * `sides`: the sides on which each group and its direct and indirect members are, by their addresses as written. A name
      without a domain has no side, so a group that has only such names has `Side(0)`.
    """

    groups: dict[str, set[str]]
    parents: dict[str, set[str]]
    members: dict[str, set[str]]
    sides: dict[str, Side]

    @classmethod
    def of(cls, organization: Organization) -> "Groups":
        """Read the groups of an organization."""
        key = organization.key
        members: dict[str, set[str]] = {}
        sides: dict[str, Side] = {}
        for name, addresses in organization.groups.items():
            group = key(name)
            members.setdefault(group, set()).update(map(key, addresses))
            are_inside = {organization.is_internal(address) for address in (name, *addresses) if "@" in address}
            side = sides.get(group, Side(0))
            if True in are_inside:
                side |= Side.INSIDE
            if False in are_inside:
                side |= Side.OUTSIDE
            sides[group] = side
        groups = {name: members[name] & members.keys() for name in members}
        parents: dict[str, set[str]] = {name: set() for name in members}
        for name, inner in groups.items():
            members[name] -= inner
            for group in inner:
                parents[group].add(name)
        _spread(sides, parents)
        return cls(groups=groups, parents=parents, members=members, sides=sides)

    def below(self, names: Iterable[str]) -> set[str]:
        """Find the named groups and all groups inside them; groups may contain each other."""
        seen = set(names)
        waiting = list(seen)
        while waiting:
            new = self.groups[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    def mailboxes(self, name: str) -> set[str]:
        """Find the keys of all direct and indirect members of a group that are not groups themselves."""
        return set().union(*[self.members[group] for group in self.below((name,))])


def _spread(values: dict[str, _Bits], edges: dict[str, set[str]]) -> None:
    """Add the bits of each group to all groups that its edges lead to, directly or not; the edges may form cycles."""
    waiting = list(values)
    while waiting:
        name = waiting.pop()
        value = values[name]
        for other in edges[name]:
            if value & ~values[other]:
                values[other] |= value
                waiting.append(other)


class RuleIndex(NamedTuple):
    """The look-ups for judging a message, prepared from the rules and the organization.

    * `rules`: the enabled rules, one for each bit; the bits of the rules of one journal mailbox are adjacent.
    * `mailboxes`: the journal mailboxes.
    * `exempt`: the keys of the journal mailboxes and of the alternate mailbox.
    * `bits`: maps the key of an address or group to the rules that apply to it, without those for everyone. The rules on the
      members of a group apply to the group as well.
    * `usual`: the entries of `bits` for addresses that are inside, are not groups, and are not exempt. Most look-ups are for
      such an address.
    * `on_groups`: maps the key of a group to the rules on the group and on the groups that contain it, without the rules on its
      members.
    * `everyone`: the rules for everyone.
    * `internal`, `external`: the rules with this scope.
    * `message_only`: the rules whose reports have the message-only format.
    * `groups`: the groups of the organization.
    * `targets`: maps the name of a rule to the keys of the addresses and groups that it names; a rule for everyone names none.
    """

    rules: tuple[JournalRule, ...]
    mailboxes: tuple[JournalMailbox, ...]
    exempt: frozenset[str]
    bits: dict[str, RuleBits]
    usual: dict[str, RuleBits]
    on_groups: dict[str, RuleBits]
    everyone: RuleBits
    internal: RuleBits
    external: RuleBits
    message_only: RuleBits
    groups: Groups
    targets: dict[str, frozenset[str]]

    @property
    def all_rules(self) -> RuleBits:
        """The bits of all enabled rules."""
        return (1 << len(self.rules)) - 1


class _Entry(NamedTuple):
    """An enabled rule, the key of its journal mailbox, and the keys that the rule names; None for a rule for everyone."""

    mailbox: str
    rule: JournalRule
    target: frozenset[str] | None


def index_rules(rules: tuple[JournalRule, ...], organization: Organization, /) -> RuleIndex:
    """Prepare the look-ups for the enabled rules of an organization. The caller has checked that the rules fit together."""
    groups = Groups.of(organization)
    entries = _entries(rules, organization)
    everyone = internal = external = message_only = 0
    for number, (_, rule, target) in enumerate(entries):
        bit = 1 << number
        everyone |= bit * (target is None)
        internal |= bit * (rule.scope is Scope.INTERNAL)
        external |= bit * (rule.scope is Scope.EXTERNAL)
        message_only |= bit * (rule.format is ReportFormat.MESSAGE_ONLY)
    bits, on_groups = _bits_by_key(entries, groups)
    mailboxes = _journal_mailboxes(entries)
    exempt = {mailbox.key for mailbox in mailboxes}
    if organization.alternate_mailbox is not None:
        exempt.add(organization.key(organization.alternate_mailbox))
    return RuleIndex(
        rules=tuple([entry.rule for entry in entries]),
        mailboxes=mailboxes,
        exempt=frozenset(exempt),
        bits=bits,
        usual={
            key: own for key, own in bits.items() if _is_usual(key, exempt, groups) and organization.is_internal(key)
        },
        on_groups=on_groups,
        everyone=everyone,
        internal=internal,
        external=external,
        message_only=message_only,
        groups=groups,
        targets={entry.rule.name: entry.target or frozenset() for entry in entries},
    )


def _entries(rules: tuple[JournalRule, ...], organization: Organization) -> list[_Entry]:
    """Sort the enabled rules by journal mailbox and name, so that a decision never depends on the order of the rules."""
    key = organization.key
    databases = {name.casefold(): addresses for name, addresses in organization.databases.items()}
    entries = []
    for rule in rules:
        if not rule.enabled:
            continue
        target: frozenset[str] | None = None
        if rule.recipient is not None:
            target = frozenset((key(rule.recipient),))
        elif rule.mailboxes is not None:
            addresses = databases[rule.mailboxes.casefold()] if isinstance(rule.mailboxes, str) else rule.mailboxes
            target = frozenset(map(key, addresses))
        entries.append(_Entry(key(rule.journal_to), rule, target))
    return sorted(entries, key=lambda entry: (entry.mailbox, entry.rule.name))


def _bits_by_key(entries: list[_Entry], groups: Groups) -> tuple[dict[str, RuleBits], dict[str, RuleBits]]:
    """Compute `RuleIndex.bits` and `RuleIndex.on_groups`.

    These are the rules that apply to each address and group, and the rules on each group and on the groups that contain it.
    """
    bits: dict[str, RuleBits] = {}
    on_groups = dict.fromkeys(groups.groups, 0)
    for number, entry in enumerate(entries):
        for name in entry.target or ():
            named = on_groups if name in on_groups else bits
            named[name] = named.get(name, 0) | 1 << number
    # A rule on a group applies to the direct and indirect members of the group.
    _spread(on_groups, groups.groups)
    for name, own in on_groups.items():
        if own:
            for member in groups.members[name]:
                bits[member] = bits.get(member, 0) | own
    # Mail to a group that is not expanded yet counts as mail to each member.
    addressed = dict(on_groups)
    for name, members in groups.members.items():
        for member in members:
            addressed[name] |= bits.get(member, 0)
    _spread(addressed, groups.parents)
    return bits | addressed, on_groups


def _journal_mailboxes(entries: list[_Entry]) -> tuple[JournalMailbox, ...]:
    mailboxes: list[JournalMailbox] = []
    offset = 0
    for key, same_mailbox in groupby(entries, key=lambda entry: entry.mailbox):
        rules = [entry.rule for entry in same_mailbox]
        mailboxes.append(
            JournalMailbox(
                key=key,
                address=min(rule.journal_to for rule in rules),
                format=rules[0].format,
                offset=offset,
                mask=(1 << len(rules)) - 1,
                rule_names=tuple([rule.name for rule in rules]),
            )
        )
        offset += len(rules)
    return tuple(mailboxes)


def _is_usual(key: str, exempt: set[str], groups: Groups) -> bool:
    """Whether every spelling of the key in other letter case certainly names the same mailbox, neither exempt nor a group."""
    return key not in exempt and key not in groups.members and '"' not in key
