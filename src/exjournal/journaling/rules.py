"""Journal rules: whose mail is journaled, to which journal mailbox, in which scope and format.

Standard journaling (all mail of the mailboxes of a database) and premium journaling (rules with a scope and a recipient) are
one model. A `RuleSet` looks at rules and organisation once, refuses what cannot work, and prepares the look-ups by which
`decisions` decides: every address has a number whose bits are the rules that it sets off.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from exjournal.addresses import address_problem
from exjournal.errors import InvalidValue
from exjournal.journaling.organization import Organization, require_mailbox
from exjournal.lines import line_problem
from exjournal.reports.models import ReportFormat


class Scope(StrEnum):
    """Which messages a rule is for: between which ends they pass.

    INTERNAL: sender and recipient are both inside the organisation. EXTERNAL: one of the two is outside. GLOBAL: any.
    """

    GLOBAL = "global"
    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class JournalRule:
    """One journal rule: its name, the journal mailbox its reports go to, and whose mail it is for.

    `recipient` is a mailbox, a contact or a group, and counts as sender and as recipient alike; without it the rule is for
    everyone. `mailboxes` are those of standard journaling instead: the name of a database of the organisation, or addresses. A
    rule that is not `enabled` matches nothing. Raises InvalidValue.
    """

    name: str
    journal_to: str
    scope: Scope = field(default=Scope.GLOBAL, kw_only=True)
    recipient: str | None = field(default=None, kw_only=True)
    mailboxes: str | tuple[str, ...] | None = field(default=None, kw_only=True)
    enabled: bool = field(default=True, kw_only=True)
    format: ReportFormat = field(default=ReportFormat.ENVELOPE, kw_only=True)

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str,
            journal_to: str,
            *,
            scope: Scope = Scope.GLOBAL,
            recipient: str | None = None,
            mailboxes: str | Iterable[str] | None = None,
            enabled: bool = True,
            format: ReportFormat = ReportFormat.ENVELOPE,
        ) -> None: ...

    def __post_init__(self) -> None:
        _require("name", self.name, line_problem)
        require_mailbox("journal_to", self.journal_to)
        for name, kind in (("scope", Scope), ("format", ReportFormat)):
            try:
                object.__setattr__(self, name, kind(getattr(self, name)))
            except ValueError:
                raise InvalidValue(name, f"is none of {', '.join(kind)}") from None
        if self.recipient is not None:
            _require("recipient", self.recipient, address_problem)
        mailboxes: object = self.mailboxes
        if mailboxes is not None:
            if self.recipient is not None:
                raise InvalidValue("mailboxes", "and a recipient exclude each other")
            if isinstance(mailboxes, str):
                _require("mailboxes", mailboxes, line_problem)
            elif isinstance(mailboxes, bytes) or not isinstance(mailboxes, Iterable):
                raise InvalidValue(
                    "mailboxes", f"is a {type(mailboxes).__name__}, not a name or a collection of addresses"
                )
            else:
                object.__setattr__(self, "mailboxes", tuple(mailboxes))
                for number, address in enumerate(self.mailboxes or ()):
                    _require(f"mailboxes[{number}]", address, address_problem)
            if not self.mailboxes:
                raise InvalidValue("mailboxes", "is empty")

    @classmethod
    def for_database(
        cls,
        name: str,
        journal_to: str,
        *,
        mailboxes: str | Iterable[str],
        enabled: bool = True,
        format: ReportFormat = ReportFormat.ENVELOPE,
    ) -> "JournalRule":
        """Standard journaling: all mail that the mailboxes of one database send or receive."""
        return cls(name, journal_to, mailboxes=mailboxes, enabled=enabled, format=format)


def _require(name: str, value: object, problem_of: Callable[[str], str | None]) -> None:
    if not isinstance(value, str):
        raise InvalidValue(name, f"is a {type(value).__name__}, not a string")
    problem = problem_of(value) or (None if value else "is empty")
    if problem is not None:
        raise InvalidValue(name, problem)


class Mailbox(NamedTuple):
    """A journal mailbox: its key, its address, the format of its reports, and which bits are those of its rules."""

    key: str
    address: str
    format: ReportFormat
    offset: int
    mask: int
    # The names of its rules, the lowest bit first.
    names: tuple[str, ...]


class Groups(NamedTuple):
    """Groups by their keys: the groups in each, the groups that each is in, the other members, and where these are."""

    groups: dict[str, set[str]]
    parents: dict[str, set[str]]
    members: dict[str, set[str]]
    # 1 where somebody is inside, 2 where somebody is outside, as addresses are written; 0 where nobody has an address.
    sides: dict[str, int]

    @classmethod
    def of(cls, organization: Organization) -> "Groups":
        """The groups of an organisation."""
        key = organization.key
        members: dict[str, set[str]] = {}
        sides: dict[str, int] = {}
        for name, addresses in organization.groups.items():
            own = key(name)
            members.setdefault(own, set()).update(map(key, addresses))
            inside = {organization.is_internal(one) for one in (name, *addresses) if "@" in one}
            sides[own] = sides.get(own, 0) | (True in inside) | 2 * (False in inside)
        groups = {name: {one for one in inside if one in members} for name, inside in members.items()}
        parents: dict[str, set[str]] = {name: set() for name in members}
        for name, within in groups.items():
            members[name] -= within
            for one in within:
                parents[one].add(name)
        _spread(sides, parents)
        return cls(groups, parents, members, sides)

    def below(self, names: Iterable[str]) -> set[str]:
        """These groups and all groups inside them, whether they hold one another or not."""
        seen = set(names)
        waiting = list(seen)
        while waiting:
            new = self.groups[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    def mailboxes(self, name: str) -> set[str]:
        """The keys of all that are in a group, or in a group inside it, and are no groups."""
        return set().union(*[self.members[one] for one in self.below((name,))])


class Index(NamedTuple):
    """What rules and organisation come to, in keys of mailboxes and bits of rules."""

    # The enabled rules, a bit each, those of one journal mailbox side by side.
    rules: tuple[JournalRule, ...]
    mailboxes: tuple[Mailbox, ...]
    # Journal mailboxes and the alternate one.
    exempt: frozenset[str]
    bits: dict[str, int]
    # The same of those that are inside, and neither a group nor exempt: nearly all that are looked up.
    usual: dict[str, int]
    # Groups: the bits of rules on them and on groups they are in, not on their members.
    named: dict[str, int]
    everyone: int
    internal: int
    external: int
    message_only: int
    groups: Groups
    # By the names of rules: the keys of the addresses and groups that they name.
    targets: dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Journal rules of an organisation, looked at and prepared once; any number of threads may decide by it.

    `fork_mixed`: a message with recipients inside and outside is judged and reported as two. `believe_senders`: MAIL FROM alone
    decides whether a sender is inside, as Exchange has it, whoever wrote it. `obey_processed`: over a trusted path Exchange's
    processed stamp keeps a message from being journaled. `only_new`: a message that was journaled under our own stamp, and has
    new recipients now, is journaled for these only.

    `warnings` says what is allowed and odd. Raises InvalidValue for rules that cannot work: two of one name, a group or a
    database that is not there, an alternate mailbox that is a journal mailbox, a journal mailbox that Exchange Online hosts or
    that is a group, two formats for one journal mailbox. `.field` is the path of the value, rules counted from 0.
    """

    rules: tuple[JournalRule, ...]
    organization: Organization
    fork_mixed: bool = field(default=False, kw_only=True)
    believe_senders: bool = field(default=False, kw_only=True)
    obey_processed: bool = field(default=False, kw_only=True)
    only_new: bool = field(default=False, kw_only=True)
    warnings: tuple[str, ...] = field(init=False, compare=False)
    _index: Index = field(init=False, repr=False, compare=False)

    if TYPE_CHECKING:

        def __init__(
            self,
            rules: Iterable[JournalRule],
            organization: Organization,
            *,
            fork_mixed: bool = False,
            believe_senders: bool = False,
            obey_processed: bool = False,
            only_new: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        rules: object = self.rules
        if isinstance(rules, (str, bytes)) or not isinstance(rules, Iterable):
            raise InvalidValue("rules", f"is a {type(rules).__name__}, not a collection of rules")
        object.__setattr__(self, "rules", tuple(rules))
        for number, rule in enumerate(self.rules):
            if not isinstance(rule, JournalRule):
                raise InvalidValue(f"rules[{number}]", f"is a {type(rule).__name__}, not a rule")
        if not isinstance(self.organization, Organization):
            raise InvalidValue("organization", f"is a {type(self.organization).__name__}, not an organisation")
        _validate(self.rules, self.organization)
        groups = Groups.of(self.organization)
        targets = _targets(self.rules, self.organization)
        object.__setattr__(self, "warnings", tuple(_warnings(self.rules, targets, groups, self.organization)))
        object.__setattr__(self, "_index", _index(self.rules, targets, groups, self.organization))


def _validate(rules: tuple[JournalRule, ...], organization: Organization) -> None:
    key = organization.key
    alternate = None if organization.alternate_mailbox is None else key(organization.alternate_mailbox)
    groups = set(map(key, organization.groups))
    known = groups | set(map(key, organization.aliases))
    databases = {name.casefold() for name in organization.databases}
    names: set[str] = set()
    formats: dict[str, ReportFormat] = {}
    for number, rule in enumerate(rules):
        path = f"rules[{number}]"
        if rule.name.casefold() in names:
            raise InvalidValue(f"{path}.name", "is that of another rule")
        names.add(rule.name.casefold())
        mailbox = key(rule.journal_to)
        if mailbox == alternate:
            raise InvalidValue(
                f"{path}.journal_to", "is the alternate mailbox, which takes what a journal mailbox refused"
            )
        if mailbox in groups:
            raise InvalidValue(
                f"{path}.journal_to", "is a group: mail to its members would not be journaled; a mailbox is expected"
            )
        if organization.is_hosted(rule.journal_to):
            raise InvalidValue(f"{path}.journal_to", "is hosted by Exchange Online, which takes no journal mail")
        if rule.enabled and formats.setdefault(mailbox, rule.format) != rule.format:
            raise InvalidValue(
                f"{path}.format", f"is not {formats[mailbox]}, which another rule has for this journal mailbox"
            )
        if rule.recipient is not None and "@" not in rule.recipient and key(rule.recipient) not in known:
            raise InvalidValue(f"{path}.recipient", "is neither an address nor the name of a group")
        if isinstance(rule.mailboxes, str):
            if rule.mailboxes.casefold() not in databases:
                raise InvalidValue(f"{path}.mailboxes", "is the name of no database")
            continue
        for place, address in enumerate(rule.mailboxes or ()):
            if "@" not in address and key(address) not in known:
                raise InvalidValue(f"{path}.mailboxes[{place}]", "is neither an address nor the name of a group")


def _targets(rules: tuple[JournalRule, ...], organization: Organization) -> "list[frozenset[str] | None]":
    """The keys of the addresses and groups that each rule names; None for everyone."""
    key = organization.key
    databases = {name.casefold(): addresses for name, addresses in organization.databases.items()}
    targets: list[frozenset[str] | None] = []
    for rule in rules:
        if rule.recipient is not None:
            targets.append(frozenset((key(rule.recipient),)))
        elif rule.mailboxes is None:
            targets.append(None)
        else:
            mailboxes = rule.mailboxes
            addresses = databases[mailboxes.casefold()] if isinstance(mailboxes, str) else mailboxes
            targets.append(frozenset(map(key, addresses)))
    return targets


def _spread(values: dict[str, int], edges: dict[str, set[str]]) -> None:
    """Give every group the bits of the groups that lead to it, however they hold one another."""
    waiting = list(values)
    while waiting:
        name = waiting.pop()
        value = values[name]
        for other in edges[name]:
            if value & ~values[other]:
                values[other] |= value
                waiting.append(other)


def _warnings(
    rules: tuple[JournalRule, ...],
    targets: list[frozenset[str] | None],
    groups: Groups,
    organization: Organization,
) -> Iterator[str]:
    for rule, named in zip(rules, targets, strict=True):
        if named is None or not rule.enabled:
            continue
        mailbox = organization.key(rule.journal_to)
        inside = groups.below(named & groups.groups.keys())
        if mailbox in named or any(mailbox in groups.members[name] for name in inside):
            yield f"rule {rule.name!r}: its journal mailbox is among the members it journals"


def _index(
    rules: tuple[JournalRule, ...],
    targets: list[frozenset[str] | None],
    groups: Groups,
    organization: Organization,
) -> Index:
    key = organization.key
    # Neither the order of rules nor that of their fields may show in a decision.
    enabled = sorted(
        [
            (key(rule.journal_to), rule.name, rule, named)
            for rule, named in zip(rules, targets, strict=True)
            if rule.enabled
        ],
        key=lambda entry: entry[:2],
    )
    bits: dict[str, int] = {}
    reached = dict.fromkeys(groups.groups, 0)
    everyone = internal = external = message_only = 0
    for number, (_, _, rule, named) in enumerate(enabled):
        bit = 1 << number
        everyone |= bit * (named is None)
        internal |= bit * (rule.scope is Scope.INTERNAL)
        external |= bit * (rule.scope is Scope.EXTERNAL)
        message_only |= bit * (rule.format is ReportFormat.MESSAGE_ONLY)
        for name in named or ():
            target = reached if name in reached else bits
            target[name] = target.get(name, 0) | bit
    # A rule on a group is for its members, and for those of the groups in it.
    _spread(reached, groups.groups)
    for name, bit in reached.items():
        if bit:
            for member in groups.members[name]:
                bits[member] = bits.get(member, 0) | bit
    # And mail to a group is mail to its members, whom nobody has expanded yet.
    addressed = dict(reached)
    for name, members in groups.members.items():
        for member in members:
            addressed[name] |= bits.get(member, 0)
    _spread(addressed, groups.parents)
    bits |= addressed
    mailboxes = []
    offset = 0
    for mailbox, entries in groupby(enabled, key=lambda entry: entry[0]):
        own = list(entries)
        address = min(entry[2].journal_to for entry in own)
        names = tuple([entry[1] for entry in own])
        mailboxes.append(Mailbox(mailbox, address, own[0][2].format, offset, (1 << len(own)) - 1, names))
        offset += len(own)
    exempt = {mailbox.key for mailbox in mailboxes}
    if organization.alternate_mailbox is not None:
        exempt.add(key(organization.alternate_mailbox))
    return Index(
        tuple([entry[2] for entry in enabled]),
        tuple(mailboxes),
        frozenset(exempt),
        bits,
        {one: own for one, own in bits.items() if _is_usual(one, exempt, groups) and organization.is_internal(one)},
        reached,
        everyone,
        internal,
        external,
        message_only,
        groups,
        {name: named or frozenset() for _, name, _, named in enabled},
    )


def _is_usual(key: str, exempt: set[str], groups: Groups) -> bool:
    """Whether an address that is the key but for letter case is surely of the same mailbox, and of an ordinary one."""
    return key not in exempt and key not in groups.members and '"' not in key
