"""Sets of rules: the rules of an organization, checked together and prepared once for `decisions`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exjournal.errors import InvalidValue, wrong_type
from exjournal.journaling.organization import IS_A_GROUP, IS_HOSTED, Organization
from exjournal.journaling.rule_index import RuleIndex, index_rules
from exjournal.journaling.rules import JournalRule

if TYPE_CHECKING:
    from exjournal.reports.models import ReportFormat


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The journal rules of an organization, validated and prepared once; any number of threads may share a set.

    * `fork_mixed`: a message with recipients inside and outside is judged and reported as two.
    * `believe_senders`: MAIL FROM alone decides whether a sender is inside, as in Exchange, although anybody can write it.
    * `obey_processed`: over a trusted path Exchange's processed stamp keeps a message from being journaled.
    * `only_new`: a message that our own stamp shows as journaled, and that has new recipients now, is journaled for these
      only.

    `warnings` describe settings that are allowed and unusual. Raises InvalidValue for rules that cannot work, with the path of
    the value in `.field`, rules counted from 0: two rules of one name, an unknown group or database, a journal mailbox that is
    the alternate mailbox or a group or hosted by Exchange Online, two formats for one journal mailbox.
    """

    rules: tuple[JournalRule, ...]
    organization: Organization
    fork_mixed: bool = field(default=False, kw_only=True)
    believe_senders: bool = field(default=False, kw_only=True)
    obey_processed: bool = field(default=False, kw_only=True)
    only_new: bool = field(default=False, kw_only=True)
    warnings: tuple[str, ...] = field(init=False, compare=False)
    # For `decisions`.
    index: RuleIndex = field(init=False, repr=False, compare=False)

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
            raise wrong_type("rules", rules, "a collection of rules")
        object.__setattr__(self, "rules", tuple(rules))
        for number, rule in enumerate(self.rules):
            if not isinstance(rule, JournalRule):
                raise wrong_type(f"rules[{number}]", rule, "a JournalRule")
        if not isinstance(self.organization, Organization):
            raise wrong_type("organization", self.organization, "an Organization")
        _validate(self.rules, self.organization)
        index = index_rules(self.rules, self.organization)
        object.__setattr__(self, "warnings", tuple(_warnings(self.rules, index, self.organization)))
        object.__setattr__(self, "index", index)


def _validate(rules: tuple[JournalRule, ...], organization: Organization) -> None:
    key = organization.key
    alternate = None if organization.alternate_mailbox is None else key(organization.alternate_mailbox)
    groups = set(map(key, organization.groups))
    known = groups | set(map(key, organization.aliases))
    databases = {name.casefold() for name in organization.databases}
    numbers: dict[str, int] = {}
    formats: dict[str, ReportFormat] = {}
    for number, rule in enumerate(rules):
        path = f"rules[{number}]"
        first = numbers.setdefault(rule.name.casefold(), number)
        if first != number:
            raise InvalidValue(f"{path}.name", f"duplicates the name of rules[{first}]")
        mailbox = key(rule.journal_to)
        if mailbox == alternate:
            raise InvalidValue(
                f"{path}.journal_to",
                "is the alternate mailbox, which receives the reports that a journal mailbox refused",
            )
        if mailbox in groups:
            raise InvalidValue(f"{path}.journal_to", IS_A_GROUP)
        if organization.is_hosted(rule.journal_to):
            raise InvalidValue(f"{path}.journal_to", IS_HOSTED)
        if rule.enabled and formats.setdefault(mailbox, rule.format) != rule.format:
            raise InvalidValue(
                f"{path}.format", f"must be {formats[mailbox]}, as in another rule for the same journal mailbox"
            )
        if rule.recipient is not None and "@" not in rule.recipient and key(rule.recipient) not in known:
            raise InvalidValue(f"{path}.recipient", "must be an address or the name of a group")
        if isinstance(rule.mailboxes, str):
            if rule.mailboxes.casefold() not in databases:
                raise InvalidValue(f"{path}.mailboxes", "must be the name of a database of the organization")
            continue
        for place, address in enumerate(rule.mailboxes or ()):
            if "@" not in address and key(address) not in known:
                raise InvalidValue(f"{path}.mailboxes[{place}]", "must be an address or the name of a group")


def _warnings(rules: tuple[JournalRule, ...], index: RuleIndex, organization: Organization) -> Iterator[str]:
    groups = index.groups
    for rule in rules:
        if not rule.enabled:
            continue
        named = index.targets[rule.name]
        mailbox = organization.key(rule.journal_to)
        inside = groups.below(named & groups.groups.keys())
        if mailbox in named or any(mailbox in groups.members[name] for name in inside):
            yield f"rule {rule.name!r}: its journal mailbox is among the members it journals"
