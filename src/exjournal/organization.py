"""The organisation: which domains, groups, aliases and mailbox databases are its own, and where its journal mail may go.

Rules name addresses, and a message arrives under any of several spellings and aliases of them, or for a group they are in.
What is one mailbox, what is a group, and what is inside, is answered here; `rules` prepares its look-ups from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from exjournal.addresses import address_problem, mailbox_key
from exjournal.errors import InvalidValue

# Addresses by a name or an address; one address may stand for a collection of one.
Addresses: TypeAlias = Mapping[str, str | Iterable[str]]


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation as far as journaling must know it.

    `domains` are its accepted domains; "*.example.com" is example.com with every subdomain, and an internationalised domain may
    stand in either spelling. `groups` are distribution lists with their members, which can be groups again; one without an
    address has a name without @. `aliases` name several addresses of one mailbox, in either direction: the mailbox with its
    other addresses, or an alias with its mailbox. `databases` are mailbox databases, by name, with their mailboxes.
    `hosted_domains` are domains whose mailboxes Exchange Online hosts, which cannot be journal mailboxes.
    `alternate_mailbox` is the alternate journaling mailbox (`JournalingReportNdrTo`). `voice_mail` is False where voice mail
    and notices of missed calls are not journaled. With `subaddresses` user+tag is the mailbox of user. Raises InvalidValue.
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
        for name in ("groups", "aliases", "databases"):
            store(self, name, _lists(name, getattr(self, name)))
        known = set(map(mailbox_key, self.groups))
        for name, members in self.groups.items():
            for number, member in enumerate(members):
                if "@" not in member and mailbox_key(member) not in known:
                    raise InvalidValue(f'groups."{name}"[{number}]', "is neither an address nor the name of a group")
        if self.alternate_mailbox is not None:
            require_mailbox("alternate_mailbox", self.alternate_mailbox)
            if self.is_hosted(self.alternate_mailbox):
                raise InvalidValue("alternate_mailbox", "is hosted by Exchange Online, which takes no journal mail")
        store(self, "_mailboxes", self._joined())

    def is_internal(self, address: str, /) -> bool:
        """Whether an address is inside: its domain is an accepted domain."""
        return self._own.hold(mailbox_key(address))

    def is_hosted(self, address: str, /) -> bool:
        """Whether an address lies in a domain that Exchange Online hosts."""
        return self._hosted.hold(mailbox_key(address))

    def key(self, address: str, /) -> str:
        """A key that is equal for all addresses of one mailbox: spellings, aliases, and subaddresses where they count."""
        key = mailbox_key(address)
        mailboxes = self._mailboxes
        if key in mailboxes:
            return mailboxes[key]
        if self.subaddresses and "+" in key:
            local, _, domain = key.rpartition("@")
            local = local.partition("+")[0]
            key = f"{local}@{domain}" if local else key
            return mailboxes.get(key, key)
        return key

    def _joined(self) -> dict[str, str]:
        """The key of each address that has aliases: the least of the keys of its mailbox, whichever names which."""
        parents: dict[str, str] = {}

        def root(key: str) -> str:
            while parents.setdefault(key, key) != key:
                parents[key] = key = parents[parents[key]]
            return key

        for name, others in self.aliases.items():
            for other in others:
                one, two = sorted((root(mailbox_key(name)), root(mailbox_key(other))))
                parents[two] = one
        return {key: root(key) for key in list(parents)}


class _Domains(NamedTuple):
    exact: frozenset[str]
    # Domains whose subdomains count as well.
    wide: frozenset[str]

    @classmethod
    def of(cls, name: str, domains: tuple[str, ...]) -> "_Domains":
        keys: dict[bool, set[str]] = {False: set(), True: set()}
        for number, domain in enumerate(domains):
            bare = domain.removeprefix("*.")
            problem = "has an @" if "@" in bare else address_problem(f"a@{bare}")
            if not bare or "*" in bare or bare.startswith("."):
                problem = "is no domain (one with its subdomains is written *.example.com)"
            if problem is not None:
                raise InvalidValue(f"{name}[{number}]", problem)
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
        raise InvalidValue(name, f"is of type {type(value).__name__}, not a collection of strings")
    items = tuple(value)
    for number, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidValue(f"{name}[{number}]", f"is a {type(item).__name__}, not a string")
    return items


def _lists(name: str, value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise InvalidValue(name, f"is a {type(value).__name__}, not a mapping")
    lists: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for key, items in value.items():
        if not isinstance(key, str) or not key.strip():
            raise InvalidValue(name, "has a key that is no name")
        path = f'{name}."{key}"'
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
    problem = address_problem(address) or (None if "@" in address else "has no domain")
    if problem is not None:
        raise InvalidValue(name, problem)
