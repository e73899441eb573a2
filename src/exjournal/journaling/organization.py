"""The organisation: which domains, groups, aliases and mailbox databases are its own, and where its journal mail may go.

Rules name addresses, and a message arrives under any of several spellings and aliases of them, or for a group they are in.
What is one mailbox, what is a group, and what is inside, is answered here; `rules` prepares its look-ups from it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from exjournal.addresses import FULL_STOPS, address_problem, mailbox_key
from exjournal.errors import InvalidValue
from exjournal.lines import line_problem

# Characters of a domain (RFC 5321 section 4.5.3.1.2).
_DOMAIN_LIMIT: Final = 255
# Addresses by a name or an address; one address may stand for a collection of one.
Addresses: TypeAlias = Mapping[str, str | Iterable[str]]


@dataclass(frozen=True, slots=True, repr=False)
class Organization:
    """An organisation as far as journaling must know it.

    `domains` are its accepted domains; "*.example.com" is example.com with every subdomain, and an internationalised domain may
    stand in either spelling. `groups` are distribution lists with their members, which can be groups again; one without an
    address has a name without @. `aliases` name several addresses of one mailbox, in either direction: the mailbox with its
    other addresses, or an alias with its mailbox. `databases` are mailbox databases, by name, with their mailboxes.
    `hosted_domains` are domains whose mailboxes Exchange Online hosts, which cannot be journal mailboxes.
    `alternate_mailbox` is the alternate journaling mailbox (`JournalingReportNdrTo`), never a group. `voice_mail` is False
    where voice mail and notices of missed calls are not journaled. With `subaddresses` user+tag is the mailbox of user. Raises
    InvalidValue.
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
                        raise InvalidValue(f'{name}."{key}"[{number}]', "is neither an address nor the name of a group")
        if self.alternate_mailbox is not None:
            require_mailbox("alternate_mailbox", self.alternate_mailbox)
            if self.key(self.alternate_mailbox) in set(map(self.key, self.groups)):
                raise InvalidValue(
                    "alternate_mailbox", "is a group: mail to its members would not be journaled; a mailbox is expected"
                )
            if self.is_hosted(self.alternate_mailbox):
                raise InvalidValue("alternate_mailbox", "is hosted by Exchange Online, which takes no journal mail")

    def __hash__(self) -> int:
        return hash((self.domains, self.alternate_mailbox, tuple(self.groups), tuple(self.databases)))

    def __repr__(self) -> str:
        return (
            f"<Organization of {', '.join(self.domains)}: {len(self.groups)} groups, {len(self.databases)} databases>"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Mappings that cannot be written to cannot be pickled either.
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        return _made, ({name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()},)

    def is_internal(self, address: str, /) -> bool:
        """Whether an address is inside: its domain is an accepted domain."""
        return self._own.hold(mailbox_key(address))

    def is_hosted(self, address: str, /) -> bool:
        """Whether an address lies in a domain that Exchange Online hosts."""
        return self._hosted.hold(mailbox_key(address))

    def key(self, address: str, /) -> str:
        """A key that is equal for all addresses of one mailbox: spellings, aliases, and subaddresses where they count."""
        return self._resolved(mailbox_key(address))

    def _resolved(self, key: str, /) -> str:
        """The same for a mailbox key."""
        if self.subaddresses and "+" in key:
            local, _, domain = key.rpartition("@")
            local = local.partition("+")[0]
            key = f"{local}@{domain}" if local else key
        return self._mailboxes.get(key, key)

    def _joined(self) -> dict[str, str]:
        """The key of each address that has aliases: the least of the keys of its mailbox, whichever names which."""
        parents: dict[str, str] = {}

        def root(key: str) -> str:
            while parents.setdefault(key, key) != key:
                parents[key] = key = parents[parents[key]]
            return key

        object.__setattr__(self, "_mailboxes", {})  # so far a subaddress is resolved, and nothing else
        for name, others in self.aliases.items():
            for other in others:
                one, two = sorted((root(self.key(name)), root(self.key(other))))
                parents[two] = one
        return {key: root(key) for key in list(parents)}


def _made(values: dict[str, Any]) -> Organization:
    return Organization(**values)


class _Domains(NamedTuple):
    exact: frozenset[str]
    # Domains whose subdomains count as well.
    wide: frozenset[str]

    @classmethod
    def of(cls, name: str, domains: tuple[str, ...]) -> "_Domains":
        keys: dict[bool, set[str]] = {False: set(), True: set()}
        for number, domain in enumerate(domains):
            bare = domain.removeprefix("*.")
            if not _is_domain(bare):
                raise InvalidValue(
                    f"{name}[{number}]", "is no domain (one with its subdomains is written *.example.com)"
                )
            keys[bare != domain].add(mailbox_key(f"a@{bare}").rpartition("@")[2])
        return cls(frozenset(keys[False]), frozenset(keys[True]))

    def hold(self, key: str) -> bool:
        """Whether the domain of a mailbox key is one of them."""
        domain = key.rpartition("@")[2] if "@" in key else ""
        if domain in self.exact:
            return True
        while domain and self.wide:
            if domain in self.wide:
                return True
            domain = domain.partition(".")[2]
        return False


def _strings(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidValue(name, f"is a {type(value).__name__}, not a collection of strings")
    items = tuple(value)
    for number, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidValue(f"{name}[{number}]", f"is a {type(item).__name__}, not a string")
    return items


def _lists(name: str, value: object, problem_of: Callable[[str], str | None]) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise InvalidValue(name, f"is a {type(value).__name__}, not a mapping")
    lists: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for key, items in value.items():
        if not isinstance(key, str):
            raise InvalidValue(name, "has a key that is not a string")
        path = f'{name}."{key}"' if key.strip() else name
        problem = problem_of(key) or (None if key else "is empty")
        if problem is not None:
            raise InvalidValue(path, f"stands under a key that {problem}")
        own = mailbox_key(key)
        if own in seen:
            raise InvalidValue(path, "is there twice, in another spelling")
        seen.add(own)
        lists[key] = _strings(path, (items,) if isinstance(items, str) else items)
        for number, item in enumerate(lists[key]):
            problem = address_problem(item)
            if problem is not None:
                raise InvalidValue(f"{path}[{number}]", problem)
    return lists


def require_mailbox(name: str, address: object, /) -> None:
    """InvalidValue where something is no address that mail can be sent to."""
    if not isinstance(address, str):
        raise InvalidValue(name, f"is a {type(address).__name__}, not a string")
    problem = address_problem(address)
    if problem is None and not _is_domain(address.rpartition("@")[2] if "@" in address else ""):
        problem = "has no domain"
    if problem is not None:
        raise InvalidValue(name, problem)


def _is_domain(domain: str) -> bool:
    """Whether something can stand behind the sign of an address, in either spelling, as a literal, or with a final dot."""
    if re.fullmatch(_LITERAL, domain) is not None:
        return True
    labels = domain.translate(FULL_STOPS).split(".")
    if len(domain) > _DOMAIN_LIMIT or not all(labels[:-1]) or labels == [""]:
        return False
    return re.search(_NO_DOMAIN, domain) is None and line_problem(domain) is None


_LITERAL: Final = r"\[[0-9A-Za-z:.]+\]"
_NO_DOMAIN: Final = r"""[\s*@"'<>()\[\]\\,;:]"""
