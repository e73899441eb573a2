"""The organization: its domains, groups, aliases and mailbox databases, and where its journal mail may go.

A rule names an address; a message arrives under another spelling or an alias of that address, or for a group. This module
decides which addresses are one mailbox and which are inside; `rule_index` prepares its look-ups from the answers.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import IntFlag
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from exjournal.addresses import FULL_STOPS, address_problem, mailbox_key
from exjournal.errors import InvalidValue, wrong_type
from exjournal.lines import line_problem

# Characters of a domain (RFC 5321 section 4.5.3.1.2).
_DOMAIN_LIMIT: Final = 255
_LITERAL: Final = re.compile(r"\[[0-9A-Za-z:.]+\]")
_NOT_IN_A_DOMAIN: Final = re.compile(r"""[\s*@"'<>()\[\]\\,;:]""")
# Shared with the journal mailboxes of rules.
IS_A_GROUP: Final = "is a group, and mail to its members would not be journaled; it must be a mailbox"
IS_HOSTED: Final = "is hosted by Exchange Online, which accepts no journal mail"
# Addresses by a name or an address; a string is a collection of one address.
Addresses: TypeAlias = Mapping[str, str | Iterable[str]]


class Side(IntFlag):
    """A side of the organization's border; BOTH if the side is unclear, or for a group with members on either side."""

    INSIDE = 1
    OUTSIDE = 2
    BOTH = INSIDE | OUTSIDE


@dataclass(frozen=True, slots=True, repr=False)
class Organization:
    """The facts about an organization that journaling depends on.

    * `domains`: its accepted domains. "*.example.com" is example.com with every subdomain; an internationalized domain may be
      written in either spelling.
    * `groups`: distribution lists with their members, which can be groups again. The name of a group without an address has
      no @.
    * `aliases`: several addresses of one mailbox, in either direction: the mailbox with its other addresses, or an alias with
      its mailbox.
    * `databases`: mailbox databases by name, with their mailboxes.
    * `hosted_domains`: domains whose mailboxes Exchange Online hosts, which cannot be journal mailboxes.
    * `alternate_mailbox`: the alternate journaling mailbox (`JournalingReportNdrTo`), never a group.
    * `voice_mail`: False if voice mail and missed-call notifications are not journaled.
    * `subaddresses`: True if user+tag is the mailbox of user.

    In a mapping a string can take the place of a collection of one. As attributes the mappings are read-only. Raises
    InvalidValue, whose `.field` is the path of the value.
    """

    domains: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    databases: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    hosted_domains: tuple[str, ...] = field(default=(), kw_only=True)
    alternate_mailbox: str | None = field(default=None, kw_only=True)
    voice_mail: bool = field(default=True, kw_only=True)
    subaddresses: bool = field(default=False, kw_only=True)
    _own: "_Domains" = field(init=False, repr=False, compare=False)
    _hosted: "_Domains" = field(init=False, repr=False, compare=False)
    _mailboxes: dict[str, str] = field(init=False, repr=False, compare=False)

    if TYPE_CHECKING:

        def __init__(
            self,
            domains: Iterable[str],
            *,
            groups: Addresses = ...,
            aliases: Addresses = ...,
            databases: Addresses = ...,
            hosted_domains: Iterable[str] = (),
            alternate_mailbox: str | None = None,
            voice_mail: bool = True,
            subaddresses: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        store = object.__setattr__
        for name in ("domains", "hosted_domains"):
            store(self, name, _strings(name, getattr(self, name)))
        store(self, "_own", _Domains.of("domains", self.domains))
        store(self, "_hosted", _Domains.of("hosted_domains", self.hosted_domains))
        for name, problem_of in (
            ("groups", address_problem),
            ("aliases", address_problem),
            ("databases", line_problem),
        ):
            store(self, name, MappingProxyType(_lists(name, getattr(self, name), problem_of)))
        store(self, "_mailboxes", self._joined())
        known = set(map(self.key, (*self.groups, *self.aliases)))
        for name, lists in (("groups", self.groups), ("databases", self.databases)):
            for key, members in lists.items():
                for number, member in enumerate(members):
                    if "@" not in member and self.key(member) not in known:
                        raise InvalidValue(f'{name}."{key}"[{number}]', "must be an address or the name of a group")
        if self.alternate_mailbox is not None:
            require_mailbox("alternate_mailbox", self.alternate_mailbox)
            if self.key(self.alternate_mailbox) in set(map(self.key, self.groups)):
                raise InvalidValue("alternate_mailbox", IS_A_GROUP)
            if self.is_hosted(self.alternate_mailbox):
                raise InvalidValue("alternate_mailbox", IS_HOSTED)

    def __hash__(self) -> int:
        return hash((self.domains, self.alternate_mailbox, tuple(self.groups), tuple(self.databases)))

    def __repr__(self) -> str:
        return (
            f"<Organization of {', '.join(self.domains)}: {len(self.groups)} groups, {len(self.databases)} databases>"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # A MappingProxyType cannot be pickled.
        arguments = {argument.name: getattr(self, argument.name) for argument in fields(self) if argument.init}
        return _unpickle, (
            {name: dict(value) if isinstance(value, Mapping) else value for name, value in arguments.items()},
        )

    def is_internal(self, address: str, /) -> bool:
        """Whether an address is inside: its domain as written is an accepted domain, whatever aliases the mailbox has."""
        return self._own.contain(mailbox_key(address))

    def is_hosted(self, address: str, /) -> bool:
        """Whether the domain of an address is one that Exchange Online hosts."""
        return self._hosted.contain(mailbox_key(address))

    def key(self, address: str, /) -> str:
        """Return a key that is equal for all addresses of one mailbox: spellings, aliases, and subaddresses if they count."""
        return self.resolve(mailbox_key(address))

    def resolve(self, key: str, /) -> str:
        """Return the same for an address of which the `mailbox_key` is known."""
        if self.subaddresses and "+" in key:
            local, _, domain = key.rpartition("@")
            local = local.partition("+")[0]
            key = f"{local}@{domain}" if local else key
        return self._mailboxes.get(key, key)

    def _joined(self) -> dict[str, str]:
        """The key of each address that has aliases: the least of the keys of its mailbox, in whichever order they are given."""
        parents: dict[str, str] = {}

        def root(key: str) -> str:
            while parents.setdefault(key, key) != key:
                parents[key] = key = parents[parents[key]]
            return key

        object.__setattr__(self, "_mailboxes", {})  # until the aliases are known, only subaddresses are resolved
        for name, others in self.aliases.items():
            for other in others:
                first, second = sorted((root(self.key(name)), root(self.key(other))))
                parents[second] = first
        return {key: root(key) for key in list(parents)}


def _unpickle(arguments: dict[str, Any]) -> Organization:
    return Organization(**arguments)


class _Domains(NamedTuple):
    exact: frozenset[str]
    with_subdomains: frozenset[str]

    @classmethod
    def of(cls, name: str, domains: tuple[str, ...]) -> "_Domains":
        keys: dict[bool, set[str]] = {False: set(), True: set()}
        for number, domain in enumerate(domains):
            bare = domain.removeprefix("*.")
            if not _is_domain(bare):
                raise InvalidValue(f"{name}[{number}]", "must be a domain, such as example.com or *.example.com")
            keys[bare != domain].add(mailbox_key(f"a@{bare}").rpartition("@")[2])
        return cls(frozenset(keys[False]), frozenset(keys[True]))

    def contain(self, key: str) -> bool:
        """Whether the domain of a mailbox key is one of these."""
        domain = key.rpartition("@")[2] if "@" in key else ""
        if domain in self.exact:
            return True
        while domain and self.with_subdomains:
            if domain in self.with_subdomains:
                return True
            domain = domain.partition(".")[2]
        return False


def _strings(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise wrong_type(name, value, "a collection of strings")
    items = tuple(value)
    for number, item in enumerate(items):
        if not isinstance(item, str):
            raise wrong_type(f"{name}[{number}]", item, "a string")
    return items


def _lists(name: str, value: object, problem_of: Callable[[str], str | None]) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise wrong_type(name, value, "a mapping")
    lists: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for key, items in value.items():
        if not isinstance(key, str):
            raise InvalidValue(name, "has a key that is not a string")
        path = f'{name}."{key}"' if key.strip() else name
        problem = problem_of(key) or (None if key else "is empty")
        if problem is not None:
            raise InvalidValue(path, f"has a name that {problem}")
        compared = mailbox_key(key)
        if compared in seen:
            raise InvalidValue(path, "is given twice, in two spellings")
        seen.add(compared)
        lists[key] = _strings(path, (items,) if isinstance(items, str) else items)
        for number, item in enumerate(lists[key]):
            problem = address_problem(item)
            if problem is not None:
                raise InvalidValue(f"{path}[{number}]", problem)
    return lists


def require_mailbox(name: str, address: object, /) -> None:
    """Raise InvalidValue unless mail can be sent to an address."""
    if not isinstance(address, str):
        raise wrong_type(name, address, "a string")
    problem = address_problem(address)
    if problem is None and not _is_domain(address.rpartition("@")[2] if "@" in address else ""):
        problem = "has no domain"
    if problem is not None:
        raise InvalidValue(name, problem)


def _is_domain(domain: str) -> bool:
    """Whether a text can follow the @ of an address: a domain in either spelling, also with a final dot, or a literal."""
    if _LITERAL.fullmatch(domain) is not None:
        return True
    labels = domain.translate(FULL_STOPS).split(".")
    if len(domain) > _DOMAIN_LIMIT or not all(labels[:-1]) or labels == [""]:
        return False
    return _NOT_IN_A_DOMAIN.search(domain) is None and line_problem(domain) is None
