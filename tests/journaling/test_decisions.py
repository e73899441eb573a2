"""Decisions: which rules fire, for whom, and what they ask for; `model` decides the same in a slow and simple way."""

import dataclasses
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    Decision,
    Envelope,
    HoldReason,
    JournalRule,
    Organization,
    Recipient,
    ReportFormat,
    RuleSet,
    Scope,
    build_report,
    decide,
    report_for,
)
from exjournal.journaling.decisions import PlannedReport
from exjournal.journaling.explanations import Explanation, Match, Place, Reason
from exjournal.journaling.stamps import Stamps, stamp_value
from exjournal.limits import ADDRESS_FIELD_LIMIT
from exjournal.reports.seals import digest_of
from model import (
    DSN,
    EXTERNAL,
    GLOBAL,
    HEADERS,
    INTERNAL,
    MARKER,
    PROCESSED,
    RANDOMS,
    VOICE,
    World,
    matches_of,
    mixer,
    reports_of,
    side_names,
    speller,
    worlds,
)
from strategies import DATE, HEAVY, any_bytes, envelopes, message_like, originals

SECRET = b"0123456789abcdef"
NEAR, FAR, BOTH = ("inside",), ("outside",), ("inside", "outside")
J1, J2 = "j1@archive.example", "j2@example.com"
ANN, BOB, CAROL, EVE, MALLORY = (
    "ann@example.com",
    "bob@example.com",
    "carol@example.com",
    "eve@example.org",
    "mallory@example.net",
)
MDN = b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b"


def message(*fields: bytes, author: str | None = ANN, sender: str | None = None) -> bytes:
    """A message from somebody, perhaps sent by somebody else, with more header fields."""
    lines = [*fields]
    if author is not None:
        lines.append(b"From: " + author.encode())
    if sender is not None:
        lines.append(b"Sender: " + sender.encode())
    return b"".join([line + b"\r\n" for line in (*lines, b"Subject: x")]) + b"\r\nHi.\r\n"


def organization(**values: Any) -> Organization:
    """An organization in example.com with some groups, aliases and a database."""
    defaults: dict[str, Any] = {
        "groups": {
            "staff@example.com": [BOB, "inner@example.com", "eve@example.org"],
            "inner@example.com": [CAROL, "staff@example.com", "inner@example.com"],
            "team": [BOB],
            "friends@example.org": [EVE],
        },
        "aliases": {BOB: ["robert@example.com"], "c@example.com": CAROL},
        "databases": {"DB1": [BOB, CAROL]},
        "alternate_mailbox": "ndr@example.com",
    }
    return Organization(**({"domains": ["example.com"]} | defaults | values))


def rule_set(*rules: JournalRule, **values: Any) -> RuleSet:
    """Rules of that organization; the values are options of the set, or otherwise of the organization."""
    names = {"fork_mixed", "believe_senders", "obey_processed", "only_new"}
    options = {name: value for name, value in values.items() if name in names}
    return RuleSet(
        rules, organization(**{name: value for name, value in values.items() if name not in names}), **options
    )


def for_all(scope: Scope = GLOBAL, **values: Any) -> JournalRule:
    """A rule for everyone."""
    return JournalRule("all", J1, scope=scope, **values)


def for_one(recipient: str = BOB, scope: Scope = GLOBAL, **values: Any) -> JournalRule:
    """A rule for one recipient."""
    return JournalRule("one", J1, recipient=recipient, scope=scope, **values)


def inside(*recipients: str | Recipient, sender: str = ANN, **values: bool) -> Envelope:
    """An envelope from somebody inside who logged in."""
    return Envelope(sender, recipients, **{"authenticated": True, **values})


def outside(*recipients: str | Recipient, sender: str = MALLORY, **values: bool) -> Envelope:
    """An envelope from a stranger."""
    return Envelope(sender, recipients, **values)


def reason(decision: Decision) -> Reason:
    """Why the only rule fires, or why it does not."""
    (explanation,) = decision.explain()
    assert explanation.matched is bool(decision.reports)
    return explanation.reason


def fires(rules: RuleSet, envelope: Envelope, data: bytes | None = None, **options: Any) -> bool:
    """Whether there is a report for a message, by default one whose From is its MAIL FROM."""
    if data is None:
        data = message(author=envelope.sender or None)
    return bool(decide(data, envelope, rules, **options).reports)


class TestScopes:
    """A scope is about the sides of sender and recipient."""

    @pytest.mark.parametrize(
        ("envelope", "scopes"),
        [
            (inside(BOB), {GLOBAL, INTERNAL}),
            (inside(EVE), {GLOBAL, EXTERNAL}),
            (inside(BOB, EVE), {GLOBAL, INTERNAL, EXTERNAL}),
            (inside(EVE, BOB), {GLOBAL, INTERNAL, EXTERNAL}),
            (outside(BOB), {GLOBAL, EXTERNAL}),
            (outside(EVE), {GLOBAL, EXTERNAL}),
            (outside(BOB, EVE), {GLOBAL, EXTERNAL}),
        ],
        ids=["internal", "outbound", "mixed", "mixed the other way", "inbound", "relayed", "inbound and relayed"],
    )
    @pytest.mark.parametrize("scope", Scope)
    def test_sides(self, envelope: Envelope, scopes: set[Scope], scope: Scope) -> None:
        """Internal: both ends inside; external: one end outside; global: any; some pair of ends is enough."""
        decision = decide(message(author=envelope.sender), envelope, rule_set(for_all(scope)))
        assert reason(decision) is (Reason.MATCHED if scope in scopes else Reason.OUT_OF_SCOPE)

    @pytest.mark.parametrize("scope", Scope)
    def test_spoofed(self, scope: Scope) -> None:
        """An inside sender that did not log in is on both sides; with `believe_senders` on the side of the address."""
        envelope = outside(BOB, sender=ANN)
        assert fires(rule_set(for_all(scope)), envelope)
        assert fires(rule_set(for_all(scope), believe_senders=True), envelope) is (scope is not EXTERNAL)

    @pytest.mark.parametrize("scope", Scope)
    def test_spoofed_from_a_trusted_path(self, scope: Scope) -> None:
        """A trusted path makes markers count, but not senders."""
        assert fires(rule_set(for_all(scope)), outside(BOB, sender=ANN, trusted_path=True))

    @pytest.mark.parametrize("scope", Scope)
    def test_an_outside_address_that_logged_in(self, scope: Scope) -> None:
        """A client that logged in is inside under any address; with `believe_senders` on the side of the address."""
        envelope = inside(BOB, sender=MALLORY)
        assert fires(rule_set(for_all(scope)), envelope)
        assert fires(rule_set(for_all(scope), believe_senders=True), envelope) is (scope is not INTERNAL)

    @pytest.mark.parametrize(
        ("authors", "sides"),
        [
            ([ANN], "i"),
            (["Ann <ANN@Example.Com>"], "i"),
            ([MALLORY], "e"),
            ([ANN, MALLORY], "ie"),
            ([f"{ANN}, {MALLORY}"], "ie"),
            ([f"team: {ANN}, {BOB};"], "i"),
            ([], "ie"),
            (["undisclosed"], "ie"),
            ([""], "ie"),
            (["<>"], "ie"),
        ],
        ids=str,
    )
    def test_null_sender(self, authors: list[str], sides: str) -> None:
        """The null sender is on the sides of all From addresses, and on both if there are none."""
        data = message(*[b"From: " + one.encode() for one in authors], author=None, sender=EVE)
        for scope, letter in ((INTERNAL, "i"), (EXTERNAL, "e")):
            rules = rule_set(for_all(scope), believe_senders=True)
            assert fires(rules, Envelope("", [BOB]), data) is (letter in sides)
            assert fires(rule_set(for_all(scope)), Envelope("", [BOB]), data) is (scope is EXTERNAL or "i" in sides)
            assert fires(rule_set(for_all(scope)), inside(BOB, sender=""), data) is (scope is INTERNAL or "e" in sides)
        assert fires(rule_set(for_all()), Envelope("", [BOB]), data)

    def test_the_envelope_decides(self) -> None:
        """MAIL FROM decides on which side the sender is; From and Sender do not."""
        rules = rule_set(for_all(EXTERNAL), believe_senders=True)
        assert not fires(rules, inside(BOB), message(author=MALLORY, sender=EVE))
        assert fires(rules, outside(BOB), message(author=ANN, sender=BOB))

    @pytest.mark.parametrize("scope", Scope)
    def test_a_sender_without_a_domain(self, scope: Scope) -> None:
        """A sender without a domain is unclear, and so inside and outside."""
        for authenticated in (False, True):
            for believe_senders in (False, True):
                rules = rule_set(for_all(scope), believe_senders=believe_senders)
                assert fires(rules, outside(BOB, sender="root", authenticated=authenticated))

    @pytest.mark.parametrize("scope", Scope)
    def test_a_recipient_without_a_domain(self, scope: Scope) -> None:
        """A recipient without a domain is inside and outside."""
        assert fires(rule_set(for_all(scope)), inside("root"))
        assert fires(rule_set(for_one("root@example.com", scope), aliases={"root@example.com": "root"}), inside("root"))

    def test_the_pair_must_be_in_scope(self) -> None:
        """A rule for a recipient needs that recipient, and not another one, at one end of a pair in scope."""
        assert fires(rule_set(for_one(BOB, INTERNAL)), inside(BOB, EVE))
        assert not fires(rule_set(for_one(BOB, EXTERNAL)), inside(BOB, EVE))
        assert fires(rule_set(for_one(EVE, EXTERNAL)), inside(BOB, EVE))
        assert not fires(rule_set(for_one(EVE, INTERNAL)), inside(BOB, EVE))
        assert fires(rule_set(for_one(ANN, INTERNAL)), inside(BOB, EVE))
        assert fires(rule_set(for_one(ANN, EXTERNAL)), inside(BOB, EVE))
        assert fires(rule_set(for_one(BOB, EXTERNAL)), outside(BOB, EVE))

    def test_internationalised(self) -> None:
        """A domain in the other spelling is on the same side."""
        rules = rule_set(for_all(INTERNAL), domains=["b\u00fccher.example"])
        assert fires(rules, inside("x@xn--bcher-kva.example", sender="y@B\u00fccher.example"))

    @pytest.mark.parametrize("alias", ["bob@a.example", "bob@z.example", "bob", "zz", "bob@other.example.com"])
    def test_an_alias_outside_moves_nobody(self, alias: str) -> None:
        """An inside address is only inside, wherever the other addresses of its mailbox are."""
        rules = rule_set(for_all(INTERNAL), aliases={BOB: alias}, groups={"g@example.com": [BOB]})
        only_external = RuleSet([for_all(EXTERNAL)], rules.organization)
        for recipient in (BOB, "BOB@example.com", "g@example.com"):
            assert fires(rules, inside(recipient))
            assert not fires(only_external, inside(recipient))
        assert not fires(rules, inside("bob@a.example", EVE))

    def test_a_name_that_looks_like_the_domain(self) -> None:
        """A recipient without a domain is unrelated to the domain of that name, whichever comes first."""
        rules = rule_set(for_one(BOB, INTERNAL))
        assert fires(rules, inside("example.com", "robert@example.com"))
        assert fires(rules, inside("robert@example.com", "example.com"))


def sides_of(envelope: Envelope, data: bytes | None = None, **values: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """On which sides the sender and the recipients of a message are, by default one whose From is its MAIL FROM."""
    if data is None:
        data = message(author=envelope.sender or None)
    decision = decide(data, envelope, rule_set(for_all(), **values))
    data = decision.to_dict()
    assert data["sender_sides"] == list(decision.sender_sides)
    assert data["recipient_sides"] == list(decision.recipient_sides)
    return decision.sender_sides, decision.recipient_sides


class TestSides:
    """A decision has the sides on which its sender and its recipients were taken to be."""

    @pytest.mark.parametrize(
        ("sender", "authenticated", "sides", "believed"),
        [
            (ANN, True, NEAR, NEAR),
            (ANN, False, BOTH, NEAR),
            ("Ann@EXAMPLE.com.", True, NEAR, NEAR),
            (MALLORY, True, BOTH, FAR),
            (MALLORY, False, FAR, FAR),
            ("root", True, BOTH, BOTH),
            ("root", False, BOTH, BOTH),
            (J1, False, FAR, FAR),
            (J2, True, NEAR, NEAR),
            ("ndr@example.com", True, NEAR, NEAR),
            ("staff@example.com", True, NEAR, NEAR),
        ],
    )
    def test_sender(self, sender: str, authenticated: bool, sides: tuple[str, ...], believed: tuple[str, ...]) -> None:
        """Unless senders are believed, the side of MAIL FROM and of the login both count; an unclear one is on both."""
        envelope = Envelope(sender, [BOB], authenticated=authenticated)
        for data in (message(author=sender), message(author=EVE, sender=ANN)):
            assert sides_of(envelope, data) == (sides, NEAR)
            assert sides_of(dataclasses.replace(envelope, trusted_path=True), data) == (sides, NEAR)
            assert sides_of(envelope, data, believe_senders=True) == (believed, NEAR)

    @pytest.mark.parametrize(
        ("author", "sides"), [(b"ann@example.com", NEAR), (b"ann@example.com, <root>", BOTH), (b"Ann", BOTH)]
    )
    def test_null_sender_of_nowhere(self, author: bytes, sides: tuple[str, ...]) -> None:
        """The side of the null sender is unclear if an author has no domain."""
        rules = RuleSet([], Organization(["example.com"]))
        envelope = Envelope("", [BOB], authenticated=True)
        assert decide(b"From: " + author + b"\r\n\r\n", envelope, rules).sender_sides == sides

    @pytest.mark.parametrize(
        ("authors", "sides"),
        [
            ([ANN], NEAR),
            ([MALLORY], FAR),
            ([ANN, MALLORY], BOTH),
            ([f"{MALLORY}, {ANN}"], BOTH),
            ([], BOTH),
            (["undisclosed"], BOTH),
        ],
        ids=str,
    )
    def test_null_sender(self, authors: list[str], sides: tuple[str, ...]) -> None:
        """The null sender is on the sides of the From addresses, on both if one is unclear; Sender does not count."""
        data = message(*[b"From: " + one.encode() for one in authors], author=None, sender=EVE)
        assert sides_of(outside(BOB, sender=""), data, believe_senders=True) == (sides, NEAR)
        assert sides_of(outside(BOB, sender=""), data) == (FAR if sides == FAR else BOTH, NEAR)
        assert sides_of(inside(BOB, sender=""), data) == (NEAR if sides == NEAR else BOTH, NEAR)

    @pytest.mark.parametrize(
        ("recipients", "sides"),
        [
            ([BOB], NEAR),
            (["Bob@EXAMPLE.com", CAROL], NEAR),
            ([EVE], FAR),
            ([EVE, BOB], BOTH),
            (["root"], BOTH),
            (["staff@example.com"], BOTH),
            (["inner@example.com"], BOTH),
            (["friends@example.org"], FAR),
            (["team"], NEAR),
            (["empty@example.com"], NEAR),
            (["guests@example.com"], BOTH),
            ([BOB, "guests@example.com"], BOTH),
            ([Recipient(CAROL, expanded_from="staff@example.com")], NEAR),
            ([Recipient(EVE, expanded_from="guests@example.com")], BOTH),
            ([Recipient(EVE, forwarded_from=BOB)], BOTH),
            ([Recipient(EVE, expanded_from="friends@example.org")], FAR),
            ([J1, BOB], NEAR),
            ([J2, EVE], FAR),
            (["ndr@example.com", EVE], FAR),
            ([Recipient(EVE, forwarded_from=J2)], FAR),
            ([Recipient(J1, forwarded_from=BOB)], NEAR),
        ],
    )
    def test_recipients(self, recipients: list[str | Recipient], sides: tuple[str, ...]) -> None:
        """Recipients are on their own sides, unexpanded groups on those of their members, journal mailboxes on none."""
        groups = {**organization().groups, "guests@example.com": [EVE], "empty@example.com": []}
        rules = rule_set(for_all(), JournalRule("here", J2), groups=groups)
        for fork_mixed in (False, True):
            decision = decide(message(), inside(*recipients), dataclasses.replace(rules, fork_mixed=fork_mixed))
            assert (decision.sender_sides, decision.recipient_sides) == (NEAR, sides)

    @pytest.mark.parametrize(
        "recipients",
        [[J1], ["J1@ARCHIVE.example"], [J1, "ndr@example.com"], [Recipient(J1, expanded_from="ndr@example.com")]],
    )
    def test_nobody(self, recipients: list[str | Recipient]) -> None:
        """Mail to journal mailboxes and the alternate mailbox only has recipients on no side."""
        for fork_mixed in (False, True):
            assert sides_of(inside(*recipients), fork_mixed=fork_mixed) == (NEAR, ())
            assert sides_of(outside(*recipients), fork_mixed=fork_mixed) == (FAR, ())

    def test_only_mailboxes_of_enabled_rules(self) -> None:
        """The journal mailbox of a disabled rule is an ordinary recipient."""
        assert decide(message(), inside(J1), rule_set(for_all(enabled=False))).recipient_sides == FAR
        assert decide(message(), inside(J1), rule_set()).recipient_sides == FAR

    def test_forks(self) -> None:
        """With forks the sides are those of the whole message, whichever fork a rule fires in."""
        for rule in (for_all(), for_all(INTERNAL), for_all(EXTERNAL), for_one(CAROL)):
            for envelope in (inside(BOB, EVE), inside(EVE, BOB)):
                decision = decide(message(), envelope, rule_set(rule, fork_mixed=True))
                assert (decision.sender_sides, decision.recipient_sides) == (NEAR, BOTH)
        assert sides_of(outside(EVE, BOB), fork_mixed=True) == (FAR, BOTH)
        assert sides_of(outside(EVE, J2), fork_mixed=True) == (FAR, BOTH)  # these rules do not use J2
        assert sides_of(outside(BOB, J1), fork_mixed=True) == (FAR, NEAR)

    def test_sides_without_reports(self) -> None:
        """Messages that are held, stopped or out of scope have sides too, and so have messages without rules."""
        hops = message(*[b"Received: x"] * 100)
        assert sides_of(inside(BOB, EVE), hops) == (NEAR, BOTH)
        assert sides_of(inside(BOB, trusted_path=True), message(MARKER)) == (NEAR, NEAR)
        assert sides_of(inside(EVE), message(b"X: " + b"x" * (600 << 10))) == (NEAR, FAR)
        decision = decide(message(), inside(EVE), rule_set())
        assert (decision.sender_sides, decision.recipient_sides) == (NEAR, FAR)


class TestSenders:
    """MAIL FROM, From and Sender are matched alike."""

    @pytest.mark.parametrize(
        ("envelope", "data", "place"),
        [
            (inside(EVE, sender=BOB), message(author=ANN), Place.MAIL_FROM),
            (inside(EVE), message(author=BOB), Place.FROM),
            (inside(EVE), message(author=f"{ANN}, Bob <{BOB}>"), Place.FROM),
            (inside(EVE), message(b"From: " + BOB.encode(), author=ANN), Place.FROM),
            (inside(EVE), message(author=ANN, sender=BOB), Place.SENDER),
            (inside(EVE), message(b"Sender: eve@example.org", author=ANN, sender=BOB), Place.SENDER),
            (inside(EVE, sender=""), message(author=None, sender=BOB), Place.SENDER),
        ],
    )
    def test_places(self, envelope: Envelope, data: bytes, place: Place) -> None:
        """A rule for an address fires if the address is MAIL FROM, one of From, or Sender."""
        decision = decide(data, envelope, rule_set(for_one()))
        assert decision.explain()[0].matches == (Match(BOB, place),)
        assert reason(decision) is Reason.MATCHED

    def test_send_as(self) -> None:
        """A message sent as another user is that user's, and is not journaled if no rule is for that user."""
        assert not fires(rule_set(for_one()), inside(EVE, sender=ANN), message(author=ANN))

    def test_send_on_behalf(self) -> None:
        """The delegate and the principal are both matched."""
        rules = rule_set(for_one(BOB), JournalRule("two", J2, recipient=CAROL))
        decision = decide(message(author=CAROL, sender=BOB), inside(EVE), rules)
        assert [one.rules for one in decision.reports] == [("one",), ("two",)]

    def test_other_fields(self) -> None:
        """Fields of other names, and text in the body, are not senders."""
        data = message(b"To: bob@example.com", b"Reply-To: bob@example.com", b"Return-Path: <bob@example.com>")
        assert not fires(rule_set(for_one()), inside(EVE), data + b"\r\nFrom: bob@example.com\r\n")

    def test_a_group_that_sends(self) -> None:
        """A rule on a group is for a message from the address of the group, but rules on its members are not."""
        envelope = inside(EVE, sender="staff@example.com")
        assert fires(rule_set(for_one("staff@example.com")), envelope)
        assert not fires(rule_set(for_one(BOB)), envelope)

    def test_a_journal_mailbox_that_sends(self) -> None:
        """As senders, journal mailboxes and the alternate mailbox are like others."""
        for sender in (J1, "ndr@example.com"):
            assert fires(rule_set(for_one(sender)), inside(EVE, sender=sender))


class TestRecipients:
    """Recipients are matched as senders are, under any spelling or alias."""

    @pytest.mark.parametrize(
        "address",
        [BOB, "BOB@EXAMPLE.COM", '"bob"@example.com', "bob@example.com.", "robert@example.com", "Robert@Example.Com"],
    )
    @pytest.mark.parametrize("named", [BOB, "Bob@Example.com", "ROBERT@example.com"])
    def test_spellings_and_aliases(self, address: str, named: str) -> None:
        """Letter case, quotes and aliases make no difference, in the rule or in the message."""
        rules = rule_set(for_one(named))
        for decision in (
            decide(message(), inside(address, EVE), rules),
            decide(message(), inside(EVE, sender=address), rules),
            decide(message(author=address), inside(EVE), rules),
            decide(message(), inside(Recipient(EVE, expanded_from=address)), rules),
            decide(message(), inside(Recipient(EVE, forwarded_from=address)), rules),
        ):
            assert reason(decision) is Reason.MATCHED

    @pytest.mark.parametrize(
        "spelling",
        [
            '"john".doe@example.com',
            'john."doe"@example.com',
            'john. "doe"@example.com',
            "john\\.doe@example.com",
            "john . doe@example.com",
            "john. doe@example.com",
            "john(c).doe@example.com",
            "john(c). doe @ example.com",
            '<"john" . doe@example.com>',
            "=?us-ascii?q?john=2Edoe=40example=2Ecom?=",
            "a@stranger.example\r\nFrom: john.doe@example.com",
            "a@stranger.example\r\nSender: nobody\r\nSender: john.doe@example.com",
        ],
    )
    def test_spellings_of_a_local_part(self, spelling: str) -> None:
        """A From field cannot name a mailbox in a way that hides it from a rule."""
        data = f"From: {spelling}\r\n\r\nx".encode()
        assert fires(rule_set(for_one("john.doe@example.com")), outside(EVE), data)

    def test_quotes_that_are_needed(self) -> None:
        """A quoted local part is the one without quotes, and not one that has quotes in it."""
        quotes = '"\\"bob\\""@example.com'
        rules = rule_set(for_one(BOB), JournalRule("quotes", J2, recipient=quotes))
        assert [one.rules for one in decide(message(), inside('"bob"@example.com'), rules).reports] == [("one",)]
        assert [one.rules for one in decide(message(), inside(quotes), rules).reports] == [("quotes",)]

    def test_subaddresses(self) -> None:
        """A tag makes no difference if subaddresses are on, and makes another mailbox if they are off."""
        for address in ("bob+x@example.com", "robert+x+y@example.com", "BOB+@example.com"):
            assert fires(rule_set(for_one(), subaddresses=True), inside(address))
            assert not fires(rule_set(for_one()), inside(address))
        assert fires(rule_set(for_one("bob+x@example.com"), subaddresses=True), inside(BOB))
        aliases = {"bob+sales@example.com": "sales@example.com"}
        for address in ("bob+sales@example.com", "sales@example.com", "bob+x@example.com"):
            assert fires(rule_set(for_one(), subaddresses=True, aliases=aliases), inside(address))

    @pytest.mark.parametrize("name", ["expanded_from", "forwarded_from"])
    def test_redirected(self, name: str) -> None:
        """The list or mailbox that a recipient was reached through is matched as well as its address."""
        redirect: dict[str, Any] = {name: BOB}
        decision = decide(message(), inside(Recipient(EVE, **redirect)), rule_set(for_one()))
        assert decision.explain()[0].matches == (Match(BOB, Place(name.replace("_", "-"))),)
        assert reason(decision) is Reason.MATCHED
        assert fires(rule_set(for_one(EVE)), inside(Recipient(EVE, **redirect)))
        for scope in Scope:
            assert fires(rule_set(for_all(scope)), inside(Recipient(EVE, **redirect)))

    def test_an_expanded_group(self) -> None:
        """A rule on a group is for its expanded members; an expanded group counts for nobody else."""
        expanded = inside(Recipient(CAROL, expanded_from="staff@example.com"))
        assert fires(rule_set(for_one("staff@example.com")), expanded)
        assert fires(
            rule_set(for_one("staff@example.com")),
            inside(Recipient("new@example.com", expanded_from="STAFF@example.com")),
        )
        assert fires(rule_set(for_one(CAROL)), expanded)
        assert not fires(rule_set(for_one(BOB)), expanded)

    def test_duplicates(self) -> None:
        """A recipient that is given twice is matched once, and listed as in the envelope."""
        decision = decide(
            message(), inside(BOB, BOB, "Bob@example.com", "robert@example.com", EVE), rule_set(for_one())
        )
        (report,) = decision.reports
        assert [one.address for one in report.envelope.recipients] == [
            BOB,
            BOB,
            "Bob@example.com",
            "robert@example.com",
            EVE,
        ]
        assert [one.address for one in decision.explain()[0].matches] == ["Bob@example.com", BOB, "robert@example.com"]

    def test_an_address_in_several_places(self) -> None:
        """An address in several places has a match for each of them."""
        envelope = inside(BOB, Recipient(BOB, expanded_from=BOB, forwarded_from=BOB), sender=BOB)
        decision = decide(message(author=BOB, sender=BOB), envelope, rule_set(for_one()))
        assert decision.explain()[0].matches == tuple([Match(BOB, place) for place in sorted(Place)])

    def test_a_database(self) -> None:
        """Standard journaling is for the mailboxes of a database, sending and receiving, by name or one by one."""
        for mailboxes in ("DB1", "db1", [BOB, CAROL], ["staff@example.com"]):
            rules = rule_set(JournalRule.for_database("db", J1, mailboxes=mailboxes))
            for envelope in (inside("robert@example.com"), inside(EVE, sender=CAROL), outside(BOB, EVE)):
                assert fires(rules, envelope)
            assert not fires(rules, inside("dave@example.com"))

    def test_the_single_database(self) -> None:
        """A message from a journaled mailbox to another one: one report, from the sender, with the recipient."""
        databases = {"A": ["usera@example.com"]}
        rules = rule_set(JournalRule.for_database("A", "journala@example.com", mailboxes="A"), databases=databases)
        envelope = inside("userb@example.com", sender="usera@example.com")
        (report,) = decide(message(author="usera@example.com"), envelope, rules).reports
        assert report == PlannedReport("journala@example.com", envelope, ReportFormat.ENVELOPE, ("A",))


class TestGroups:
    """A rule on a group is for its members, and mail to a group is mail to each of them."""

    @pytest.mark.parametrize(
        "address",
        [
            "staff@example.com",
            "STAFF@Example.com",
            BOB,
            "robert@example.com",
            EVE,
            "inner@example.com",
            CAROL,
            "c@example.com",
        ],
    )
    def test_a_rule_on_a_group(self, address: str) -> None:
        """A rule on a group is for the group itself, its members, and members of groups inside it, at either end."""
        rules = rule_set(for_one("staff@example.com"))
        assert fires(rules, inside(address))
        assert fires(rules, inside("dave@example.com", sender=address))
        assert not fires(rules, inside("dave@example.com"))

    def test_a_group_in_a_circle(self) -> None:
        """Groups that hold one another are for the same addresses."""
        for address in (BOB, CAROL, EVE, "staff@example.com", "inner@example.com"):
            assert fires(rule_set(for_one("inner@example.com")), inside(address))

    def test_only_members(self) -> None:
        """A rule on a group is not for the groups that hold it, unless they share a member with it."""
        groups = {
            "big@example.com": ["small@example.com", CAROL],
            "small@example.com": [BOB],
            "far@example.com": [CAROL],
        }
        rules = rule_set(for_one("small@example.com"), groups=groups)
        assert not fires(rules, inside(CAROL))
        assert not fires(rules, inside("far@example.com"))
        assert fires(rules, inside("big@example.com"))
        assert not fires(rules, outside(EVE, sender="big@example.com"))

    @pytest.mark.parametrize("member", [BOB, "robert@example.com", CAROL, EVE, "inner@example.com"])
    def test_mail_to_a_group(self, member: str) -> None:
        """A rule for a member fires for mail to an unexpanded group, at any depth."""
        decision = decide(message(), inside("Staff@example.com"), rule_set(for_one(member)))
        assert reason(decision) is Reason.MATCHED
        assert [one.address for one in decision.explain()[0].matches] == ["Staff@example.com"]
        assert not fires(rule_set(for_one(member)), inside("other@example.com"))

    def test_a_group_without_an_address(self) -> None:
        """A group may have a name only, in a rule and in another group."""
        assert fires(rule_set(for_one("TEAM")), inside(BOB))
        assert not fires(rule_set(for_one("team")), inside(CAROL))
        groups = {"all@example.com": ["Team"], "team": ["bob@example.com"]}
        assert fires(rule_set(for_one("all@example.com"), groups=groups), inside(BOB))
        assert fires(rule_set(for_one(BOB), groups=groups), inside("all@example.com"))

    def test_a_group_under_an_alias(self) -> None:
        """An alias of a group is the group, in the rule, in the message and in another group."""
        groups = {"staff@example.com": [BOB], "all@example.com": ["crew@example.com"]}
        aliases = {"staff@example.com": "crew@example.com"}
        for named in ("staff@example.com", "Crew@example.com", "all@example.com"):
            for address in ("crew@example.com", BOB):
                assert fires(rule_set(for_one(named), groups=groups, aliases=aliases), inside(address))
        assert fires(rule_set(for_one(BOB), groups=groups, aliases=aliases), inside("all@example.com"))

    @pytest.mark.parametrize(
        ("group", "sides"),
        [
            ("staff@example.com", "ie"),
            ("inner@example.com", "ie"),
            ("friends@example.org", "e"),
            ("team", "i"),
            ("empty", "ie"),
            ("nested", "ie"),
            ("empty@example.com", "i"),
            ("guests@example.com", "ie"),
            ("outer@example.com", "ie"),
        ],
    )
    def test_the_sides_of_a_group(self, group: str, sides: str) -> None:
        """An unexpanded group is on its own side and those of all members, at any depth; on both if there are none."""
        groups = {
            **organization().groups,
            "empty": [],
            "nested": ["empty", "nested"],
            "empty@example.com": [],
            "guests@example.com": [EVE],
            "outer@example.com": [BOB, "guests@example.com"],
        }
        assert fires(rule_set(for_all(GLOBAL), groups=groups), inside(group))
        assert fires(rule_set(for_all(INTERNAL), groups=groups), inside(group)) is ("i" in sides)
        assert fires(rule_set(for_all(EXTERNAL), groups=groups), inside(group)) is ("e" in sides)

    @pytest.mark.parametrize(("member", "sides"), [(None, NEAR), (BOB, NEAR), (EVE, BOTH)])
    def test_the_sides_of_a_group_with_an_address_by_alias(self, member: str | None, sides: tuple[str, ...]) -> None:
        """A group with only a name is on the side of the alias that it was reached by, and on those of its members."""
        groups = {"team": [] if member is None else [member]}
        rules = rule_set(for_all(INTERNAL), groups=groups, aliases={"team": "team@example.com"})
        decision = decide(message(), inside("team@example.com"), rules)
        assert decision.recipient_sides == sides
        assert decision.reports

    def test_the_sides_of_an_expanded_group(self) -> None:
        """An expanded member is on its own side and on that of the list's address, not on those of other members."""
        envelope = inside(Recipient(CAROL, expanded_from="staff@example.com"))
        assert fires(rule_set(for_all(INTERNAL)), envelope)
        assert not fires(rule_set(for_all(EXTERNAL)), envelope)


class TestReports:
    """Every rule that matches fires; each journal mailbox gets one report, which lists every recipient."""

    def test_every_recipient(self) -> None:
        """A report lists all recipients, matching or not, in order and as they were given."""
        envelope = inside(EVE, Recipient("Dave@example.com", expanded_from="x@example.com"), J2, BOB)
        (report,) = decide(message(), envelope, rule_set(for_one())).reports
        assert report.envelope == envelope

    def test_one_for_each_mailbox(self) -> None:
        """A mailbox gets one report, which names all rules that fire, whichever spelling or alias they use."""
        rules = rule_set(
            JournalRule("region", "vault@example.com", recipient=BOB),
            JournalRule("never", "vault@example.com", recipient="nobody@example.com"),
            JournalRule("department", "Archive@example.com", recipient="staff@example.com"),
            JournalRule("other", J1, format=ReportFormat.ENVELOPE_2003),
            aliases={"vault@example.com": "archive@example.com"},
        )
        reports = decide(message(), inside(BOB), rules).reports
        assert {(one.rules, one.format) for one in reports} == {
            (("department", "region"), ReportFormat.ENVELOPE),
            (("other",), ReportFormat.ENVELOPE_2003),
        }
        assert len(reports) == 2

    def test_disabled(self) -> None:
        """A disabled rule matches nothing, and its journal mailbox is not exempt."""
        rules = rule_set(for_one(enabled=False), for_all(enabled=True))
        assert [one.reason for one in decide(message(), inside(BOB), rules).explain()] == [
            Reason.MATCHED,
            Reason.DISABLED,
        ]
        assert fires(rule_set(JournalRule("off", J2, enabled=False), for_all()), inside(J2))
        assert reason(decide(message(), inside(BOB), rule_set(for_one(enabled=False)))) is Reason.DISABLED

    @pytest.mark.parametrize(
        "address", [J1, "J1@ARCHIVE.example", '"j1"@archive.example', "ndr@example.com", "NDR@example.com"]
    )
    def test_journal_mailboxes(self, address: str) -> None:
        """As a recipient, a journal mailbox or the alternate mailbox matches nothing; the other recipients still do."""
        for rule in (for_all(), for_all(EXTERNAL), for_one(address), for_one("staff@example.com"), for_one(ANN)):
            decision = decide(message(), inside(address), rule_set(rule))
            assert reason(decision) is Reason.JOURNAL_MAILBOX
        assert fires(rule_set(for_all()), inside(address, BOB))
        assert fires(rule_set(for_one()), inside(address, BOB))
        decision = decide(message(), inside(address, BOB), rule_set(for_one(address)))
        assert reason(decision) is Reason.NOT_NAMED
        assert not fires(rule_set(for_all(EXTERNAL)), inside(J1, BOB))

    def test_journal_mailboxes_under_other_names(self) -> None:
        """Aliases, tags and redirects hide no journal mailbox."""
        aliases = {J1: "vault@example.com", "ndr@example.com": "bounces@example.com"}
        rules = rule_set(for_all(), aliases=aliases, subaddresses=True)
        for address in ("vault@example.com", "bounces@example.com", "vault+x@example.com", "j1+x@archive.example"):
            assert reason(decide(message(), inside(address), rules)) is Reason.JOURNAL_MAILBOX
            redirected = inside(Recipient(J1, expanded_from=address, forwarded_from=address))
            assert reason(decide(message(), redirected, rules)) is Reason.JOURNAL_MAILBOX
            assert fires(rules, inside(Recipient(EVE, forwarded_from=address)))
            assert fires(rules, inside(Recipient(address, forwarded_from=EVE)))

    def test_forks(self) -> None:
        """With forks the recipients inside and those outside are judged and reported as two messages."""
        envelope = inside(EVE, BOB, "root", MALLORY)
        reports = decide(message(), envelope, rule_set(for_all(), fork_mixed=True)).reports
        assert [[one.address for one in report.envelope.recipients] for report in reports] == [
            [BOB, "root"],
            [EVE, MALLORY],
        ]
        assert {report.envelope.authenticated for report in reports} == {True}
        assert [one.envelope for one in decide(message(), envelope, rule_set(for_all())).reports] == [envelope]
        (report,) = decide(message(), envelope, rule_set(for_one(), fork_mixed=True)).reports
        assert [one.address for one in report.envelope.recipients] == [BOB, "root"]
        (report,) = decide(message(), inside(BOB, EVE), rule_set(for_all(EXTERNAL), fork_mixed=True)).reports
        assert [one.address for one in report.envelope.recipients] == [EVE]
        assert len(decide(message(), envelope, rule_set(for_one(ANN), fork_mixed=True)).reports) == 2

    def test_no_forks(self) -> None:
        """If all recipients are on one side, there is one message."""
        for envelope in (inside(BOB, CAROL), inside(EVE, MALLORY)):
            (report,) = decide(message(), envelope, rule_set(for_all(), fork_mixed=True)).reports
            assert report.envelope == envelope


class TestKinds:
    """The kind of a message counts over a trusted path only."""

    @pytest.mark.parametrize("field", [DSN, MDN, b"Content-Class: urn:content-classes:dsn"])
    @pytest.mark.parametrize("format", ReportFormat)
    def test_message_only(self, field: bytes, format: ReportFormat) -> None:
        """Message-only journaling leaves delivery reports and receipts out; every other format has them."""
        rules = rule_set(for_all(format=format))
        decision = decide(message(field), inside(BOB, trusted_path=True), rules)
        left_out = format is ReportFormat.MESSAGE_ONLY
        assert reason(decision) is (Reason.MESSAGE_KIND if left_out else Reason.MATCHED)
        assert reason(decide(message(field), inside(BOB), rules)) is Reason.MATCHED
        assert reason(decide(message(field), Envelope("", [BOB]), rules)) is Reason.MATCHED
        assert reason(decide(message(), inside(BOB, trusted_path=True), rules)) is Reason.MATCHED

    @pytest.mark.parametrize("field", [VOICE, b"Content-Class: missedcall", b"Content-Type: multipart/voice-message"])
    @pytest.mark.parametrize("format", ReportFormat)
    def test_voice_mail(self, field: bytes, format: ReportFormat) -> None:
        """Voice mail is left out of every format if `voice_mail` is off, and journaled if it is on."""
        trusted = inside(BOB, trusted_path=True)
        off, on = rule_set(for_all(format=format), voice_mail=False), rule_set(for_all(format=format))
        assert reason(decide(message(field), trusted, off)) is Reason.VOICE_MAIL
        assert reason(decide(message(field), trusted, on)) is Reason.MATCHED
        assert reason(decide(message(field), inside(BOB), off)) is Reason.MATCHED
        assert reason(decide(message(DSN), trusted, off)) is not Reason.VOICE_MAIL

    def test_the_other_rules_fire(self) -> None:
        """A message that message-only journaling leaves out is journaled by rules with another format."""
        rules = rule_set(for_all(), JournalRule("copy", J2, format=ReportFormat.MESSAGE_ONLY))
        decision = decide(message(DSN), inside(BOB, trusted_path=True), rules)
        assert [one.reason for one in decide(message(DSN), inside(BOB), rules).explain()] == [Reason.MATCHED] * 2
        assert [one.reason for one in decision.explain()] == [Reason.MATCHED, Reason.MESSAGE_KIND]
        assert [one.rules for one in decision.reports] == [("all",)]

    def test_the_first_reason(self) -> None:
        """A rule that names nobody, or is out of scope, is explained so for messages of any kind."""
        trusted = inside(BOB, trusted_path=True)
        for field in (VOICE, MARKER, DSN):
            rules = rule_set(for_one(EVE, format=ReportFormat.MESSAGE_ONLY), voice_mail=False)
            assert reason(decide(message(field), trusted, rules)) is Reason.NOT_NAMED
            rules = rule_set(for_one(BOB, EXTERNAL, format=ReportFormat.MESSAGE_ONLY), voice_mail=False)
            believed = dataclasses.replace(rules, believe_senders=True)
            assert reason(decide(message(field), trusted, believed)) is Reason.OUT_OF_SCOPE


class TestTrust:
    """A sign against journaling counts only if no stranger can have written it."""

    @pytest.mark.parametrize("field", [MARKER, b"Content-Identifer: ExJournalReport", b"X-GM-Journal-ID: 1"])
    def test_report_markers(self, field: bytes) -> None:
        """A journal report is not journaled over a trusted path, and is journaled like any mail over another."""
        rules = rule_set(for_all())
        decision = decide(message(field), inside(BOB, trusted_path=True), rules)
        assert reason(decision) is Reason.JOURNAL_REPORT
        assert decision.loop is not None
        untrusted = decide(message(field), inside(BOB), rules)
        assert reason(untrusted) is Reason.MATCHED
        assert untrusted.loop is not None
        assert untrusted.loops == decision.loops
        assert decide(message(), inside(BOB), rules).loop is None

    def test_processed_stamps(self) -> None:
        """Exchange's processed stamp counts over a trusted path only, and only with `obey_processed`."""
        for obey in (False, True):
            for trusted in (False, True):
                rules = rule_set(for_all(), obey_processed=obey)
                decision = decide(message(PROCESSED), inside(BOB, trusted_path=trusted), rules)
                assert reason(decision) is (Reason.PROCESSED if obey and trusted else Reason.MATCHED)
                assert decision.loop is not None
                assert decision.loop.forgeable

    def test_sealed_reports(self) -> None:
        """A report with our own seal is not journaled over any path, unless its secret is another."""
        rules = rule_set(for_all())
        envelope = outside(BOB)
        report = build_report(
            report_for(message(), envelope), message(), domain="example.com", date=DATE, secret=SECRET
        )
        assert reason(decide(report, envelope, rules, secrets=[SECRET])) is Reason.SEALED
        assert reason(decide(report, envelope, rules, secrets=[b"another secret, as long", SECRET])) is Reason.SEALED
        assert reason(decide(report, envelope, rules, secrets=[b"another secret, as long"])) is Reason.MATCHED
        assert reason(decide(report, envelope, rules)) is Reason.MATCHED
        assert reason(decide(report.replace(b"Hi.", b"Ho."), envelope, rules, secrets=[SECRET])) is Reason.MATCHED
        assert reason(decide(message(MARKER), envelope, rules, secrets=[SECRET])) is Reason.MATCHED

    def test_hops(self) -> None:
        """At the limit of hops a message that would be journaled is held, and its rules are explained as matched."""
        data = message(*[b"Received: x"] * 100)
        decision = decide(data, outside(BOB), rule_set(for_all()))
        assert decision.hold is not None
        assert decision.hold.reason is HoldReason.HOP_LIMIT
        assert decision.hold.detail == "Received"
        assert decision.reports
        assert decide(data, outside(BOB), rule_set(for_one(CAROL))).hold is None
        assert decide(data, outside(J1), rule_set(for_all())).hold is None
        assert decide(message(*[b"Received: x"] * 99), outside(BOB), rule_set(for_all())).hold is None

    def test_a_header_too_large(self) -> None:
        """A message with a header beyond the limits is held if there are rules, unless something stops journaling."""
        data = message(b"X: " + b"x" * (600 << 10))
        decision = decide(data, outside(BOB), rule_set(for_one(CAROL)))
        assert decision.hold is not None
        assert decision.hold.reason is HoldReason.HEADER_TOO_LARGE
        assert decide(data, outside(BOB), rule_set()).hold is None
        assert decide(data, outside(BOB), rule_set(for_all(enabled=False))).hold is None
        assert decide(message(MARKER) + data, outside(BOB, trusted_path=True), rule_set(for_all())).hold is None
        large = b"X-MS-Journal-Report:\r\n" + data
        assert decide(large, outside(BOB, trusted_path=True), rule_set(for_all())).hold is None
        assert decide(large, outside(BOB), rule_set(for_all())).hold is not None

    @pytest.mark.parametrize("name", ["From", "Sender"])
    def test_a_field_too_large(self, name: str) -> None:
        """A message with an unread From or Sender field is held, and its author is on both sides."""
        large = f"{name}: ".encode() + b" " * 5 + b"a" * ADDRESS_FIELD_LIMIT
        data = message(b"Subject: x", large, b"Sender: eve@example.org", author=None)
        decision = decide(data, outside(BOB, sender=""), rule_set(for_one(CAROL)))
        assert decision.hold == (HoldReason.HEADER_TOO_LARGE, name)
        assert decision.sender_sides == ("inside", "outside")
        assert decide(data, outside(BOB), rule_set()).hold is None
        assert decide(data, outside(J1), rule_set(for_all())).hold is None

    def test_words_of_a_decision(self) -> None:
        """The representation counts the reports and names the hold."""
        assert repr(decide(message(), outside(BOB), rule_set(for_all()))) == "<Decision: 1 reports>"
        held = decide(message(*[b"Received: x"] * 100), outside(BOB), rule_set(for_all()))
        assert repr(held) == "<Decision: 1 reports, hold: hop-limit>"


def stamped(data: bytes, decision: Decision, secret: bytes = SECRET) -> bytes:
    """The message with the stamp for a decision."""
    return f"X-ExJournal-Stamp: {stamp_value(digest_of(data), decision.journaled(), secret)}\r\n".encode() + data


class TestStamps:
    """Under our own stamp a message is journaled again only for what is new."""

    RULES = (for_one(), JournalRule("sender", J2, recipient=ANN), JournalRule("any", J2, scope=EXTERNAL))

    def again(self, first: Envelope, second: Envelope, **values: Any) -> list[tuple[str, list[str]]]:
        """The reports of a second pass: where they go, and whom they list."""
        rules = rule_set(*self.RULES, **values)
        data = stamped(message(), decide(message(), first, rules))
        decision = decide(data, second, rules, secrets=[SECRET])
        assert decide(data, second, rules, secrets=[b"another secret, as long"]).reports
        assert {one.matched for one in decision.explain()} >= {bool(decision.reports)}
        return [(one.journal_to, [name.address for name in one.envelope.recipients]) for one in decision.reports]

    def test_the_same(self) -> None:
        """The same recipients, or fewer, are not journaled again, in any order and spelling."""
        for only_new in (False, True):
            for second in (
                inside(BOB, EVE),
                inside("eve@EXAMPLE.org", "robert@example.com", BOB),
                inside(BOB),
                inside(EVE),
            ):
                assert self.again(inside(BOB, EVE), second, only_new=only_new) == []

    def test_the_reason(self) -> None:
        """The rules that fired before are explained as already journaled, with their matches."""
        rules = rule_set(*self.RULES)
        data = stamped(message(), decide(message(), inside(BOB), rules))
        decision = decide(data, inside(BOB), rules, secrets=[SECRET])
        assert [(one.rule, one.reason) for one in decision.explain()] == [
            ("any", Reason.OUT_OF_SCOPE),
            ("one", Reason.ALREADY_JOURNALED),
            ("sender", Reason.ALREADY_JOURNALED),
        ]
        assert decision.journaled() == ()
        assert decision.explain()[1].matches == (Match(BOB, Place.RECIPIENT),)

    def test_new_recipients(self) -> None:
        """With a new recipient the whole report is made again, or with `only_new` one for the new recipients."""
        second = inside(BOB, "dave@example.com")
        assert self.again(inside(BOB), second) == [(J1, [BOB, "dave@example.com"]), (J2, [BOB, "dave@example.com"])]
        assert self.again(inside(BOB), second, only_new=True) == [
            (J1, ["dave@example.com"]),
            (J2, ["dave@example.com"]),
        ]
        new = inside("dave@example.com", "kim@example.com")
        both = ["dave@example.com", "kim@example.com"]
        assert self.again(inside(BOB), new, only_new=True) == [(J2, both)]

    def test_an_expanded_group(self) -> None:
        """A group that is expanded after the first pass gives a second report; an unchanged one does not."""
        first = inside("staff@example.com")
        second = inside(
            Recipient(BOB, expanded_from="staff@example.com"), Recipient(CAROL, forwarded_from="staff@example.com")
        )
        assert self.again(first, first) == []
        assert [name for name, _ in self.again(first, second)] == [J1, J2]
        assert self.again(second, second) == []

    def test_new_users(self) -> None:
        """Fewer recipients of another user are journaled again, because the first report was for another user."""
        rules = rule_set(for_one(BOB), JournalRule("two", J1, recipient=CAROL))
        first = decide(message(), inside(BOB, CAROL, EVE), rules)
        data = stamped(message(), decide(message(), inside(BOB, CAROL), rule_set(for_one(BOB))))
        assert decide(data, inside(BOB, CAROL), rules, secrets=[SECRET]).reports
        assert not decide(data, inside(BOB), rules, secrets=[SECRET]).reports
        data = stamped(message(), first)
        for recipients in ((CAROL,), (BOB, EVE), (EVE, CAROL, BOB)):
            assert not decide(data, inside(*recipients), rules, secrets=[SECRET]).reports

    def test_forks(self) -> None:
        """Of two forks, the one that was journaled is not journaled again; the other one is."""
        rules = rule_set(for_all(), fork_mixed=True)
        data = stamped(message(), decide(message(), inside(BOB), rules))
        (report,) = decide(data, inside(BOB, EVE), rules, secrets=[SECRET]).reports
        assert [one.address for one in report.envelope.recipients] == [EVE]
        assert [one.reason for one in decide(data, inside(BOB, EVE), rules, secrets=[SECRET]).explain()] == [
            Reason.MATCHED
        ]

    def test_forks_for_others(self) -> None:
        """A fork that was journaled for all of its own users is not journaled again, whatever the other fork is."""
        rules = rule_set(for_one("staff@example.com"), fork_mixed=True)
        data = stamped(message(), decide(message(), inside(BOB), rules))
        (report,) = decide(data, inside(BOB, EVE), rules, secrets=[SECRET]).reports
        assert [one.address for one in report.envelope.recipients] == [EVE]

    def test_another_message(self) -> None:
        """A stamp on another message, or with another secret, is worthless."""
        rules = rule_set(for_all())
        data = stamped(message(), decide(message(), inside(BOB), rules))
        assert not decide(data, inside(BOB), rules, secrets=[SECRET]).reports
        assert decide(data.replace(b"Hi.", b"Ho."), inside(BOB), rules, secrets=[SECRET]).reports
        assert decide(
            stamped(message(), decide(message(), inside(BOB), rules), b"x" * 16), inside(BOB), rules, secrets=[SECRET]
        ).reports

    def test_at_the_limit(self) -> None:
        """At the limit of hops, a message that was journaled for all its recipients is not held."""
        rules = rule_set(for_all())
        data = stamped(message(), decide(message(), inside(BOB), rules))
        hops = b"Received: x\r\n" * 100
        assert decide(hops + data, inside(BOB), rules, secrets=[SECRET]).hold is None
        assert decide(hops + data, inside(BOB, EVE), rules, secrets=[SECRET]).hold is not None

    def test_no_stamp(self) -> None:
        """Without a stamp, nothing counts as journaled."""
        assert Stamps().verified == ()


class TestExplanations:
    """Each rule is explained: whether it fires, by which addresses, and why or why not."""

    @pytest.mark.parametrize(
        ("rule", "envelope", "words", "member_of", "holds"),
        [
            (for_one(), inside(EVE, sender=BOB), "bob@example.com (MAIL FROM)", None, None),
            (for_one(), inside(BOB), "bob@example.com (recipient)", None, None),
            (
                for_one("staff@example.com"),
                inside(Recipient("new@example.com", expanded_from="staff@example.com")),
                "staff@example.com (list it was expanded from)",
                None,
                None,
            ),
            (
                for_one(),
                inside(Recipient(EVE, forwarded_from="Robert@example.com")),
                "Robert@example.com (mailbox it was forwarded from)",
                None,
                None,
            ),
            (
                for_one("Staff@example.com"),
                inside(BOB),
                "bob@example.com (recipient), a member of Staff@example.com",
                "Staff@example.com",
                None,
            ),
            (
                for_one("staff@example.com"),
                inside(CAROL),
                "carol@example.com (recipient), a member of staff@example.com",
                "staff@example.com",
                None,
            ),
            (
                for_one("staff@example.com"),
                inside("inner@example.com"),
                "inner@example.com (recipient), a member of staff@example.com",
                "staff@example.com",
                None,
            ),
            (
                for_one("Bob@example.com"),
                inside("staff@example.com"),
                "staff@example.com (recipient), a group that holds Bob@example.com",
                None,
                "Bob@example.com",
            ),
            (
                JournalRule.for_database("db", J1, mailboxes="DB1"),
                inside(BOB),
                "bob@example.com (recipient), a member of DB1",
                "DB1",
                None,
            ),
            (JournalRule("db", J1, mailboxes=[BOB]), inside(BOB), "bob@example.com (recipient)", None, None),
        ],
    )
    def test_matches(
        self, rule: JournalRule, envelope: Envelope, words: str, member_of: str | None, holds: str | None
    ) -> None:
        """Each form of a match has the address, its place, and its relation to the rule."""
        (explanation,) = decide(message(), envelope, rule_set(rule)).explain()
        (match,) = explanation.matches
        assert str(match) == words
        assert (match.member_of, match.holds) == (member_of, holds)
        assert str(explanation) == f"{rule.name}: asks for a report to {J1}: {words}"
        assert explanation.to_dict() == {
            "rule": rule.name,
            "journal_to": J1,
            "scope": str(rule.scope),
            "matched": True,
            "reason": "matched",
            "matches": [
                {"address": match.address, "place": str(match.place), "member_of": member_of, "holds": holds},
            ],
        }

    @pytest.mark.parametrize("mailboxes", ["DB1", [BOB]], ids=str)
    def test_a_group_that_holds_a_mailbox_of_a_database(self, mailboxes: str | list[str]) -> None:
        """A group with a mailbox of a database is not a mailbox of the database; its match names the mailbox."""
        rules = rule_set(JournalRule.for_database("db", J1, mailboxes=mailboxes))
        (explanation,) = decide(message(), inside("team@example.com", "team"), rules).explain()
        (match,) = explanation.matches
        assert match.address == "team"
        assert match.member_of is None
        assert match.holds is not None
        assert "a group that holds" in str(match)

    @pytest.mark.parametrize("place", Place)
    def test_places(self, place: Place) -> None:
        """Each place has words of its own."""
        words = str(Match(BOB, place))
        assert words.startswith("bob@example.com (")
        assert len({str(Match(BOB, one)) for one in Place}) == len(Place)

    def test_a_rule_for_everyone(self) -> None:
        """A rule for everyone has no matches."""
        (explanation,) = decide(message(), inside(BOB), rule_set(for_all())).explain()
        assert explanation.matches == ()
        assert str(explanation) == f"all: asks for a report to {J1}: the rule is for everyone"

    def test_many_matches(self) -> None:
        """In words three matches are named and the others counted; as data all are there, by address."""
        names = [f"u{number}@example.com" for number in range(9)]
        rules = rule_set(for_one("g@example.com"), groups={"g@example.com": names})
        (explanation,) = decide(message(), inside(*reversed(names)), rules).explain()
        assert [one.address for one in explanation.matches] == names
        assert str(explanation).endswith("u2@example.com (recipient), a member of g@example.com; and 6 more")
        (explanation,) = decide(message(), inside(*names[:3]), rules).explain()
        assert "more" not in str(explanation)
        (explanation,) = decide(message(), inside(*names[:4]), rules).explain()
        assert str(explanation).endswith("; and 1 more")

    @pytest.mark.parametrize("scope", Scope)
    @pytest.mark.parametrize("reason", Reason)
    def test_reasons(self, reason: Reason, scope: Scope) -> None:
        """Each reason has words of its own, with the matches if there are any."""
        explanation = Explanation("Legal", J1, reason, (Match(BOB, Place.RECIPIENT),), scope)
        words = str(explanation)
        assert words.startswith("Legal: ")
        assert "bob@example.com (recipient)" in words
        assert explanation.matched is (reason is Reason.MATCHED)
        assert words.startswith("Legal: not journaled") is not explanation.matched
        assert (J1 in words) is explanation.matched
        assert ("; it is for bob" in words) is not explanation.matched
        alone = Explanation("Legal", J1, reason, scope=scope)
        assert "it is for" not in str(alone)
        assert len({str(Explanation("Legal", J1, one)) for one in Reason}) == len(Reason)
        assert alone.to_dict() == {
            "rule": "Legal",
            "journal_to": J1,
            "scope": str(scope),
            "matched": explanation.matched,
            "reason": str(reason),
            "matches": [],
        }
        assert (
            list(explanation.to_dict())
            == list(alone.to_dict())
            == [
                "rule",
                "journal_to",
                "scope",
                "matched",
                "reason",
                "matches",
            ]
        )

    @pytest.mark.parametrize("scope", Scope)
    def test_scope(self, scope: Scope) -> None:
        """Every explanation has the scope of its rule, for any reason; the default is global."""
        for rule, envelope in (
            (for_all(scope), inside(BOB)),
            (for_all(scope, enabled=False), inside(BOB)),
            (for_one(CAROL, scope), inside(BOB)),
            (for_all(scope), inside(J1)),
        ):
            (explanation,) = decide(message(), envelope, rule_set(rule)).explain()
            assert explanation.scope is scope
            assert explanation.to_dict()["scope"] == str(scope)
        assert Explanation("Legal", J1, Reason.MATCHED).scope is GLOBAL
        assert Explanation._fields[-1] == "scope"

    @pytest.mark.parametrize(
        ("rule", "envelope", "words"),
        [
            (
                for_all(INTERNAL),
                inside(EVE),
                "all: not journaled: no sender and recipient are in its scope, internal",
            ),
            (
                for_all(EXTERNAL),
                inside(BOB),
                "all: not journaled: no sender and recipient are in its scope, external",
            ),
            (
                for_one(BOB, EXTERNAL),
                inside(BOB, EVE),
                "one: not journaled: no sender and recipient are in its scope, external; it is for bob@example.com (recipient)",
            ),
            (
                for_one(EVE, INTERNAL),
                inside(BOB, EVE),
                "one: not journaled: no sender and recipient are in its scope, internal; it is for eve@example.org (recipient)",
            ),
        ],
    )
    def test_words_out_of_scope(self, rule: JournalRule, envelope: Envelope, words: str) -> None:
        """A rule out of scope is explained with its scope and its matches."""
        (explanation,) = decide(message(), envelope, rule_set(rule)).explain()
        assert explanation.reason is Reason.OUT_OF_SCOPE
        assert str(explanation) == words

    @pytest.mark.parametrize("reason", [one for one in Reason if one is not Reason.OUT_OF_SCOPE])
    def test_words_without_scope(self, reason: Reason) -> None:
        """The words name the scope of a rule only if it is the reason."""
        assert len({str(Explanation("Legal", J1, reason, scope=scope)) for scope in Scope}) == 1

    def test_by_name(self) -> None:
        """Every rule is explained, by name, disabled or not; it is either in `matches` or in `skipped`."""
        rules = rule_set(
            JournalRule("c", J1, recipient=BOB),
            JournalRule("B", J2),
            JournalRule("a", J1, recipient=EVE),
            JournalRule("d", J1, enabled=False),
        )
        decision = decide(message(), inside(BOB), rules)
        assert [one.rule for one in decision.explain()] == ["B", "a", "c", "d"]
        assert [one.rule for one in decision.matches] == ["B", "c"]
        assert [one.rule for one in decision.skipped] == ["a", "d"]

    def test_to_dict(self) -> None:
        """A decision is values for JSON: hold, loops, sides, reports and rules."""
        data = message(*[b"Received: x"] * 100)
        decision = decide(data, inside(BOB, EVE), rule_set(for_one(), JournalRule("off", J2, enabled=False)))
        assert json.loads(json.dumps(decision.to_dict())) == {
            "hold": {"reason": "hop-limit", "detail": "Received"},
            "loops": [{"reason": "hop-limit", "header": "Received", "forgeable": True}],
            "sender_sides": ["inside"],
            "recipient_sides": ["inside", "outside"],
            "reports": [{"journal_to": J1, "format": "envelope", "rules": ["one"], "recipients": [BOB, EVE]}],
            "rules": [one.to_dict() for one in decision.explain()],
        }
        assert decide(message(), inside(BOB), rule_set()).to_dict() == {
            "hold": None,
            "loops": [],
            "sender_sides": ["inside"],
            "recipient_sides": ["inside"],
            "reports": [],
            "rules": [],
        }
        assert list(decision.to_dict()) == ["hold", "loops", "sender_sides", "recipient_sides", "reports", "rules"]

    def test_kept(self) -> None:
        """A decision keeps its envelope and its rules, and its results stay the same."""
        rules, envelope = rule_set(for_one()), inside(BOB)
        decision = decide(message(), envelope, rules)
        assert decision.envelope is envelope
        assert decision.rules is rules
        assert decision.reports == decision.reports
        assert decision.explain() == decision.explain()


class TestModel:
    """Decisions agree with the model, for any organization, rules, message and envelope."""

    @pytest.mark.slow
    @given(worlds(), RANDOMS)
    def test_agrees(self, world: World, random: Random) -> None:
        """Reports, sides, reasons and matches are those of loops over all pairs of senders and recipients."""
        decision = world.decision(speller(random))
        assert reports_of(decision) == world.reports()
        assert decision.sender_sides == side_names(world.sender_sides())
        assert decision.recipient_sides == side_names(world.recipient_sides())
        for rule in world.rules:
            (explanation,) = [one for one in decision.explain() if one.rule == rule.name]
            assert explanation.reason is world.reason(rule)
            assert explanation.scope is rule.scope
            assert matches_of(explanation, rule) == world.matches(rule)

    @pytest.mark.slow
    @given(worlds(), RANDOMS)
    def test_order(self, world: World, random: Random) -> None:
        """A decision never depends on the order of rules, recipients, members, aliases, domains or senders."""
        one, other = world.decision(), world.decision(mix=mixer(random))
        assert one.explain() == other.explain()
        assert [self.sorted_recipients(report) for report in one.reports] == [
            self.sorted_recipients(report) for report in other.reports
        ]
        assert one.loops == other.loops
        assert one.hold == other.hold
        assert (one.sender_sides, one.recipient_sides) == (other.sender_sides, other.recipient_sides)

    @staticmethod
    def sorted_recipients(report: PlannedReport) -> tuple[object, ...]:
        """A report as values, with its recipients in order."""
        recipients = sorted(
            [(one.address, one.expanded_from or "", one.forwarded_from or "") for one in report.envelope.recipients]
        )
        return (report.journal_to, report.format, report.rules, recipients)

    @pytest.mark.slow
    @given(worlds(), RANDOMS)
    def test_spelling(self, world: World, random: Random) -> None:
        """Letter case, quotes and the spelling of a domain change only the spelling in the results."""
        one, other = world.decision(), world.decision(speller(random))
        assert reports_of(one) == reports_of(other)
        for first, second, name in zip(
            one.explain(), other.explain(), sorted([rule.name for rule in world.rules]), strict=True
        ):
            rule = next(rule for rule in world.rules if rule.name == name)
            assert (first.rule, first.reason, first.scope) == (second.rule, second.reason, second.scope)
            assert matches_of(first, rule) == matches_of(second, rule)

    @HEAVY
    @given(worlds())
    def test_parts_of_an_explanation(self, world: World) -> None:
        """`matches` and `skipped` together are all rules, the rules of reports fire, and JSON can hold all of it."""
        decision = world.decision()
        assert sorted([*decision.matches, *decision.skipped], key=lambda one: one.rule) == [*decision.explain()]
        assert all(one.matched for one in decision.matches)
        assert not any(one.matched for one in decision.skipped)
        assert {name for one in decision.reports for name in one.rules} == {one.rule for one in decision.matches}
        data = decision.to_dict()
        assert json.loads(json.dumps(data)) == data
        assert all(str(one) for one in decision.explain())

    @HEAVY
    @given(worlds())
    def test_once(self, world: World) -> None:
        """A message that is stamped as journaled is not journaled again; for another secret the stamp has no effect."""
        rules = world.rule_set()
        first = world.decision()
        data = message(HEADERS[world.header], author=ANN)
        decision = decide(data, first.envelope, rules)
        again = decide(stamped(data, decision), first.envelope, rules, secrets=[SECRET])
        assert again.reports == ()
        assert {one.rule for one in again.explain() if one.reason is Reason.ALREADY_JOURNALED} == {
            one.rule for one in decision.matches
        }
        assert decide(stamped(data, decision), first.envelope, rules, secrets=[b"x" * 16]).reports == decision.reports


class TestAnything:
    """Any bytes get a decision."""

    @pytest.mark.slow
    @given(any_bytes() | message_like() | originals(), envelopes())
    def test_any_bytes(self, data: bytes, envelope: Envelope) -> None:
        """Any bytes under any envelope get a decision, and a global rule for everyone fires over an untrusted path."""
        decision = decide(data, envelope, rule_set(for_all()))
        assert decision == decision  # noqa: PLR0124
        if not envelope.trusted_path:
            assert [one.envelope for one in decision.reports] == [envelope]
        assert json.dumps(decision.to_dict())

    @pytest.mark.slow
    @given(envelopes(), st.booleans())
    def test_any_address(self, envelope: Envelope, subaddresses: bool) -> None:
        """A rule for the address of any recipient or sender fires for it, as written."""
        names = {one.address for one in envelope.recipients} | ({envelope.sender} - {""})
        names -= {name for name in names if "@" not in name}
        rules = rule_set(
            *[JournalRule(f"r{number}", J1, recipient=name) for number, name in enumerate(sorted(names))],
            subaddresses=subaddresses,
        )
        decision = decide(b"\r\n", envelope, rules)
        assert [one.reason for one in decision.explain()] == [Reason.MATCHED] * len(names)

    @pytest.mark.parametrize("data", ["text", None, 1])
    def test_other_types(self, data: Any) -> None:
        """Any other type is a TypeError."""
        with pytest.raises(TypeError, match="a message must be bytes"):
            decide(data, inside(BOB), rule_set())

    def test_any_buffer(self) -> None:
        """Every buffer with the same bytes gets the same decision."""
        expected = decide(message(MARKER), inside(BOB), rule_set(for_one()))
        for data in (bytearray(message(MARKER)), memoryview(message(MARKER))):
            decision = decide(data, inside(BOB), rule_set(for_one()))
            assert decision.to_dict() == expected.to_dict()
