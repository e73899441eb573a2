"""A slow, obvious model of decisions, written from the sentences of the rules: sets, loops over all pairs, and no index."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from exjournal import (
    Decision,
    Envelope,
    JournalRule,
    Organization,
    Recipient,
    ReportFormat,
    RuleSet,
    Scope,
    decide,
)
from exjournal.journaling.explanations import Explanation, Place, Reason

Item = TypeVar("Item")

GLOBAL, INTERNAL, EXTERNAL = Scope
# Header fields that say what a message is.
DSN = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b"
VOICE = b"Content-Class: voice"
MARKER = b"X-MS-Journal-Report:"
PROCESSED = b"X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent"

# The other spellings of each address of the pool. Names with a tag, and those without a domain, are addresses of their own.
SPELLINGS = {
    name: (name, *others)
    for name, *others in (
        ("ann@example.com", "ANN@Example.COM", '"ann"@example.com'),
        ("ann+x@example.com", "Ann+X@example.com"),
        ("bob@example.com", '"b\\ob"@EXAMPLE.com', "bob@example.com."),
        ("bob@a.example", "BOB@A.Example"),
        ("dave@sub.example.com", "Dave@Sub.Example.Com"),
        ("eve@example.org", '"EVE"@example.org'),
        (
            "uli@xn--bcher-kva.example",
            "uli@b\u00fccher.example",
            "Uli@B\u00dcCHER.example",
            "uli@XN--BCHER-KVA.example",
        ),
        ("staff@example.com", "Staff@Example.com"),
        ("crew@example.com", "CREW@example.com"),
        ("far@example.net", '"far"@example.net'),
        ("team", "Team", "TEAM"),
        ("example.com", "EXAMPLE.com"),
        ("root", "Root"),
        ("vault@example.com", "Vault@example.com"),
        ("j1@archive.example", "J1@Archive.example"),
        ("j2@example.com", '"j2"@example.com'),
        ("ndr@example.com", "NDR@example.com"),
    )
}
PLAIN = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
GROUPS = ("staff@example.com", "crew@example.com", "far@example.net", "team")
MAILBOXES = (
    "ann@example.com",
    "ann+x@example.com",
    "bob@example.com",
    "bob@a.example",
    "dave@sub.example.com",
    "eve@example.org",
    "uli@xn--bcher-kva.example",
)
JOURNALS = {"j1@archive.example": ReportFormat.ENVELOPE, "j2@example.com": ReportFormat.MESSAGE_ONLY}
HEADERS = {"mail": b"X-Nothing: x", "report": MARKER, "processed": PROCESSED, "receipt": DSN, "voice": VOICE}


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule, in names of the pool."""

    name: str
    journal_to: str
    scope: Scope
    recipient: str | None
    mailboxes: str | tuple[str, ...] | None
    enabled: bool


@dataclasses.dataclass(frozen=True)
class World:
    """An organisation, its rules, and a message with its envelope, in names of the pool."""

    domains: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    aliases: tuple[tuple[str, str], ...]
    database: tuple[str, ...]
    subaddresses: bool
    voice_mail: bool
    rules: tuple[Rule, ...]
    fork_mixed: bool
    believe_senders: bool
    obey_processed: bool
    mail_from: str
    authors: tuple[str, ...]
    delegates: tuple[str, ...]
    recipients: tuple[tuple[str, str | None, str | None], ...]
    authenticated: bool
    trusted_path: bool
    header: str

    # What goes in

    def rule_set(
        self,
        spell: Callable[[str], str] = str,
        mix: "Callable[[Sequence[Any]], Sequence[Any]]" = list,
    ) -> RuleSet:
        """The rules and the organisation, with addresses spelled and collections ordered somehow."""

        def spelled(items: Iterable[str]) -> list[str]:
            return [spell(item) for item in mix(list(items))]

        aliases: dict[str, list[str]] = {}
        for one, other in mix(self.aliases):
            aliases.setdefault(one, []).append(other)
        rules = [
            JournalRule(
                rule.name,
                spell(rule.journal_to),
                scope=rule.scope,
                recipient=None if rule.recipient is None else spell(rule.recipient),
                mailboxes=spelled(rule.mailboxes) if isinstance(rule.mailboxes, tuple) else rule.mailboxes,
                enabled=rule.enabled,
                format=JOURNALS[rule.journal_to],
            )
            for rule in mix(self.rules)
        ]
        made = Organization(
            mix(self.domains),
            groups={spell(name): spelled(self.groups[name]) for name in mix(list(self.groups))},
            aliases={spell(name): spelled(others) for name, others in aliases.items()},
            databases={"DB": spelled(self.database)},
            alternate_mailbox=spell("ndr@example.com"),
            subaddresses=self.subaddresses,
            voice_mail=self.voice_mail,
        )
        return RuleSet(
            rules,
            made,
            fork_mixed=self.fork_mixed,
            believe_senders=self.believe_senders,
            obey_processed=self.obey_processed,
        )

    def decision(
        self,
        spell: Callable[[str], str] = str,
        mix: "Callable[[Sequence[Any]], Sequence[Any]]" = list,
    ) -> Decision:
        """A decision, for any spelling of addresses and order of collections."""
        lines = [HEADERS[self.header]]
        lines += [b"From: X <" + spell(one).encode() + b">" for one in mix(self.authors)]
        lines += [b"Sender: " + spell(one).encode() for one in mix(self.delegates)]
        envelope = Envelope(
            self.mail_from and spell(self.mail_from),
            [
                Recipient(
                    spell(address),
                    expanded_from=None if group is None else spell(group),
                    forwarded_from=None if mailbox is None else spell(mailbox),
                )
                for address, group, mailbox in mix(self.recipients)
            ],
            authenticated=self.authenticated,
            trusted_path=self.trusted_path,
        )
        return decide(b"\r\n".join([*lines, b"", b"Hi.\r\n"]), envelope, self.rule_set(spell, mix))

    # What is what

    def mailbox(self, address: str) -> frozenset[str]:
        """All the addresses of the mailbox that an address is one of."""
        found = {address}
        while True:
            more = {two for one, two in self.aliases if one in found} | {
                one for one, two in self.aliases if two in found
            }
            if self.subaddresses:
                more |= {one for one in SPELLINGS for two in found if bare(one) == bare(two)}
            if more <= found:
                return frozenset(found)
            found |= more

    def held(self, address: str) -> frozenset[str]:
        """An address with all that it holds where it is a group: the members as the groups name them, at any depth."""
        found: set[str] = set()
        waiting = {address}
        while waiting:
            found |= waiting
            groups = {name for one in found for name in self.mailbox(one) & self.groups.keys()}
            waiting = {member for name in groups for member in (*self.groups[name], name)} - found
        return frozenset(found)

    def mailboxes(self, addresses: Iterable[str]) -> set[frozenset[str]]:
        """The mailboxes of addresses, and of all that they hold."""
        return {self.mailbox(one) for address in addresses for one in self.held(address)}

    def is_group(self, address: str) -> bool:
        """Whether an address is one of a group."""
        return bool(self.mailbox(address) & self.groups.keys())

    def is_inside(self, address: str) -> bool:
        """Whether the domain of an address is accepted."""
        domain = address.rpartition("@")[2]
        return any(
            domain == one or (one.startswith("*.") and f".{domain}".endswith(one.removeprefix("*")))
            for one in self.domains
        )

    # Who is where

    def sides(self, address: str, place: Place) -> set[str]:
        """Where a recipient's address is: "in", "out", or both; a group that nobody has expanded, where its members are."""
        if place is Place.RECIPIENT and self.is_group(address):
            named = {one for one in self.held(address) if "@" in one}
            found = {"in" if self.is_inside(one) else "out" for one in named}
        else:
            found = {"in" if self.is_inside(address) else "out"} if "@" in address else set()
        return found or {"in", "out"}

    def sender_sides(self) -> set[str]:
        """Where the sender is: by MAIL FROM, by From where that is empty; both where that is unclear or not believed."""
        addresses = (self.mail_from,) if self.mail_from else self.authors
        if not addresses or any("@" not in one for one in addresses):
            return {"in", "out"}
        found = {"in" if self.is_inside(one) else "out" for one in addresses}
        if not self.believe_senders:
            found.add("in" if self.authenticated else "out")
        return found

    def recipient_sides(self) -> set[str]:
        """Where the recipients are, in any fork; nowhere where all are journal mailboxes."""
        return {side for address, place in self.places(self.recipients) for side in self.sides(address, place)}

    def senders(self) -> Iterator[tuple[str, Place]]:
        """All senders, with their places."""
        if self.mail_from:
            yield self.mail_from, Place.MAIL_FROM
        yield from [(one, Place.FROM) for one in self.authors]
        yield from [(one, Place.SENDER) for one in self.delegates]

    def places(self, recipients: Iterable[tuple[str, str | None, str | None]]) -> list[tuple[str, Place]]:
        """All addresses of recipients that can match, with their places: none of a journal mailbox or the alternate one."""
        exempt = {self.mailbox(rule.journal_to) for rule in self.rules if rule.enabled} | {
            self.mailbox("ndr@example.com")
        }
        three = (Place.RECIPIENT, Place.EXPANDED_FROM, Place.FORWARDED_FROM)
        found = [
            (one, place) for names in recipients for one, place in zip(names, three, strict=True) if one is not None
        ]
        return [(one, place) for one, place in found if self.mailbox(one) not in exempt]

    def forks(self) -> list[list[tuple[str, str | None, str | None]]]:
        """The recipients, in two lists where they are mixed and that is asked for."""
        near = [one for one in self.recipients if self.is_inside(one[0]) or "@" not in one[0]]
        far = [one for one in self.recipients if one not in near]
        return [near, far] if self.fork_mixed and near and far else [list(self.recipients)]

    # What a rule is for, and whether it fires

    def names(self, rule: Rule) -> "set[frozenset[str]] | None":
        """The mailboxes and groups that a rule is for; None for everyone."""
        if rule.recipient is not None:
            return self.mailboxes([rule.recipient])
        if rule.mailboxes is None:
            return None
        return self.mailboxes(self.database if isinstance(rule.mailboxes, str) else rule.mailboxes)

    def is_for(self, rule: Rule, address: str, place: Place) -> bool:
        """Whether a rule is for this very address: itself, or somebody in a group that nobody has expanded."""
        named = self.names(rule)
        if named is None:
            return False
        if place is Place.RECIPIENT:
            return bool(named & self.mailboxes([address]))
        return self.mailbox(address) in named

    def fires(self, rule: Rule, recipients: list[tuple[str, str | None, str | None]]) -> bool:
        """Whether some sender and some recipient lie in scope, and one of them is whom the rule is for."""
        sent = rule.recipient is None and rule.mailboxes is None
        sent = sent or any(self.is_for(rule, address, place) for address, place in self.senders())
        for one in self.sender_sides():
            for address, place in self.places(recipients):
                for other in self.sides(address, place):
                    in_scope = {
                        GLOBAL: True,
                        INTERNAL: (one, other) == ("in", "in"),
                        EXTERNAL: "out" in {one, other},
                    }[rule.scope]
                    if in_scope and (sent or self.is_for(rule, address, place)):
                        return True
        return False

    def stop(self, rule: Rule) -> Reason | None:
        """The reason why a rule that fires makes no report: signs that are believed over a trusted path."""
        if not self.trusted_path:
            return None
        if self.header == "report":
            return Reason.JOURNAL_REPORT
        if self.header == "processed" and self.obey_processed:
            return Reason.PROCESSED
        if self.header == "voice" and not self.voice_mail:
            return Reason.VOICE_MAIL
        if self.header == "receipt" and JOURNALS[rule.journal_to] is ReportFormat.MESSAGE_ONLY:
            return Reason.MESSAGE_KIND
        return None

    # What comes out

    def reports(self) -> list[tuple[str, ReportFormat, tuple[str, ...], tuple[str, ...]]]:
        """The reports, each with its mailbox, its format, its rules and its recipients, sorted."""
        found = []
        for recipients in self.forks():
            for journal_to, format in JOURNALS.items():
                rules = [rule.name for rule in self.rules if rule.enabled and rule.journal_to == journal_to]
                rules = [
                    one.name
                    for one in self.rules
                    if one.name in rules and self.fires(one, recipients) and not self.stop(one)
                ]
                if rules:
                    listed = tuple(sorted([names[0] for names in recipients]))
                    found.append((journal_to, format, tuple(sorted(rules)), listed))
        return sorted(found)

    def reason(self, rule: Rule) -> Reason:
        """Why a rule fires, or does not."""
        if not rule.enabled:
            return Reason.DISABLED
        recipients = self.places(self.recipients)
        if not recipients:
            return Reason.JOURNAL_MAILBOX
        is_for_everyone = rule.recipient is None and rule.mailboxes is None
        if not is_for_everyone and not any(self.is_for(rule, *one) for one in [*self.senders(), *recipients]):
            return Reason.NOT_NAMED
        if not any(self.fires(rule, fork) for fork in self.forks()):
            return Reason.OUT_OF_SCOPE
        return self.stop(rule) or Reason.MATCHED

    def matches(self, rule: Rule) -> set[tuple[str, Place, str]]:
        """The addresses that an enabled rule is for, with their places, and what they are of its recipient."""
        found = set()
        for address, place in [*self.senders(), *self.places(self.recipients)]:
            if rule.enabled and self.is_for(rule, address, place):
                form = "itself"
                if rule.recipient is not None and self.mailbox(address) != self.mailbox(rule.recipient):
                    form = "member" if self.mailbox(address) in self.mailboxes([rule.recipient]) else "holder"
                found.add((address, place, form if rule.recipient is not None else "mailbox"))
        return found


def bare(address: str) -> str:
    """An address without its tag."""
    local, at, domain = address.rpartition("@")
    return (local.partition("+")[0] if at else local) + at + domain


def side_names(sides: set[str]) -> tuple[str, ...]:
    """Sides as a decision names them."""
    return tuple([f"{side}side" for side in ("in", "out") if side in sides])


def reports_of(decision: Decision) -> list[tuple[str, ReportFormat, tuple[str, ...], tuple[str, ...]]]:
    """The reports of a decision, in names of the pool, sorted."""
    return sorted(
        [
            (
                PLAIN[one.journal_to],
                one.format,
                one.rules,
                tuple(sorted([PLAIN[recipient.address] for recipient in one.envelope.recipients])),
            )
            for one in decision.reports
        ]
    )


def matches_of(found: Explanation, rule: Rule) -> set[tuple[str, Place, str]]:
    """The matches of an explanation, in names of the pool."""
    forms = [("member" if one.member_of else "holder" if one.holds else "itself") for one in found.matches]
    return {
        (PLAIN[one.address], one.place, form if rule.recipient is not None else "mailbox")
        for one, form in zip(found.matches, forms, strict=True)
    }


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds over a small pool of addresses, so that groups, aliases, rules and messages meet."""
    some = st.sampled_from
    anything = some([*MAILBOXES, *GROUPS, "vault@example.com"])
    optional = st.none() | anything
    # Journal mailboxes and groups have aliases on their own side only: whose side a group under two is on is nobody's rule.
    pairs = st.tuples(some(MAILBOXES), some(MAILBOXES)) | some(
        [
            ("vault@example.com", "j2@example.com"),
            ("root", "ann@example.com"),
            ("bob@example.com", "example.com"),
            ("crew@example.com", "staff@example.com"),
            ("staff@example.com", "dave@sub.example.com"),
            ("team", "ann@example.com"),
        ]
    )
    # A group that has only a name must be there to be named.
    names = draw(st.lists(some(GROUPS), unique=True, max_size=4))
    can_be_named = [*MAILBOXES, *[one for one in GROUPS if "@" in one or one in names]]
    members = st.lists(some(can_be_named), max_size=3, unique=True).map(tuple)
    rules = []
    for number in range(draw(st.integers(1, 4))):
        mode = draw(some(["everyone", "recipient", "recipient", "recipient", "database", "mailboxes"]))
        rules.append(
            Rule(
                f"r{number}",
                draw(some([*JOURNALS])),
                draw(some(Scope)) if mode in {"everyone", "recipient"} else GLOBAL,
                draw(some([*can_be_named, "j2@example.com", "ndr@example.com"])) if mode == "recipient" else None,
                "DB" if mode == "database" else draw(members.filter(bool)) if mode == "mailboxes" else None,
                draw(some([True, True, True, False])),
            )
        )
    recipients = st.tuples(
        some(
            [*MAILBOXES, *GROUPS, *MAILBOXES, "root", "example.com", "vault@example.com", *JOURNALS, "ndr@example.com"]
        ),
        st.none() | optional,
        st.none() | some([*MAILBOXES, *JOURNALS]),
    )
    return World(
        domains=draw(
            some(
                [
                    ("example.com",),
                    ("*.example.com",),
                    ("example.com", "xn--bcher-kva.example"),
                    ("*.example", "example.com"),
                ]
            )
        ),
        groups={name: draw(members) for name in names},
        aliases=tuple(draw(st.lists(pairs, max_size=3))),
        database=draw(members),
        subaddresses=draw(st.booleans()),
        voice_mail=draw(st.booleans()),
        rules=tuple(rules),
        fork_mixed=draw(some([False, False, True])),
        believe_senders=draw(st.booleans()),
        obey_processed=draw(st.booleans()),
        mail_from=draw(some(["", "root"]) | anything),
        authors=tuple(draw(st.lists(anything.filter(lambda one: "@" in one), max_size=2))),
        delegates=tuple(draw(st.lists(anything.filter(lambda one: "@" in one), max_size=1))),
        recipients=tuple(draw(st.lists(recipients, min_size=1, max_size=3))),
        authenticated=draw(st.booleans()),
        trusted_path=draw(some([False, False, True])),
        header=draw(some(["mail", "mail", *HEADERS])),
    )


def speller(random: Random) -> Callable[[str], str]:
    """A function that spells addresses of the pool somehow."""
    return lambda name: random.choice(SPELLINGS[name])


def mixer(random: Random) -> Callable[[Sequence[Item]], list[Item]]:
    """A function that orders collections somehow."""
    return lambda items: random.sample(items, len(items))


RANDOMS = st.randoms(use_true_random=False)
