"""Sets of rules: what is refused, and what is allowed with a warning."""

import dataclasses
import pickle
from typing import Any

import pytest
from test_organization import refused

from exjournal import Envelope, JournalRule, Organization, ReportFormat, RuleSet, decide

JOURNAL = "journal@archive.example"
OTHER = "other@archive.example"


def organization(**values: Any) -> Organization:
    """An organization with a group, a database, an alias, and an alternate mailbox."""
    defaults: dict[str, Any] = {
        "groups": {"staff@example.com": ["ann@example.com", "Team"], "team": ["bob@example.com"]},
        "aliases": {"archive@example.com": ["vault@example.com"], "ndr@example.com": ["bounces@example.com"]},
        "databases": {"DB1": ["ann@example.com", "carol@example.com"]},
        "alternate_mailbox": "ndr@example.com",
        "hosted_domains": ["*.example.net"],
    }
    return Organization(["example.com"], **(defaults | values))


def rules(*given: JournalRule, **values: Any) -> RuleSet:
    """A set of rules of that organization."""
    return RuleSet(given, organization(**values))


class TestRuleSet:
    """A set of rules is validated as a whole, and errors name the path of the value."""

    def test_kept(self) -> None:
        """The rules are kept in their order, and every option is off."""
        one, two = JournalRule("B", JOURNAL), JournalRule("A", OTHER)
        rule_set = RuleSet(iter([one, two]), organization())
        assert rule_set.rules == (one, two)
        assert rule_set.organization == organization()
        assert (rule_set.fork_mixed, rule_set.believe_senders, rule_set.obey_processed, rule_set.only_new) == (
            False,
        ) * 4
        assert rule_set.warnings == ()

    def test_none(self) -> None:
        """A set may be empty; then nothing is journaled."""
        decision = decide(b"From: ann@example.com\r\n\r\n", Envelope("ann@example.com", ["x@example.org"]), rules())
        assert decision.reports == ()
        assert decision.explain() == ()

    @pytest.mark.parametrize("value", ["Legal", b"Legal", None, JournalRule("Legal", JOURNAL)])
    def test_not_a_collection(self, value: Any) -> None:
        """A single rule or a string is refused as a collection of rules."""
        refused(lambda: RuleSet(value, organization()), "rules")

    @pytest.mark.parametrize("value", ["Legal", None, ("Legal", JOURNAL)])
    def test_not_a_rule(self, value: Any) -> None:
        """A value that is not a rule is refused with its number."""
        refused(lambda: RuleSet([JournalRule("Legal", JOURNAL), value], organization()), "rules[1]")

    @pytest.mark.parametrize("value", [None, "example.com", {}])
    def test_not_an_organization(self, value: Any) -> None:
        """The organization must be an Organization."""
        refused(lambda: RuleSet([], value), "organization")

    @pytest.mark.parametrize("name", ["Legal", "LEGAL", "legal"])
    @pytest.mark.parametrize("enabled", [True, False])
    def test_duplicate_names(self, name: str, enabled: bool) -> None:
        """Two rules of one name are refused, in any letter case, even if one is disabled."""
        one, two = JournalRule("Legal", JOURNAL), JournalRule(name, OTHER, enabled=enabled)
        refused(lambda: rules(one, two), "rules[1].name")
        refused(lambda: rules(JournalRule("x", JOURNAL), two, one), "rules[2].name")

    @pytest.mark.parametrize("recipient", ["crew", "staff", "staffexample.com"])
    def test_unknown_group(self, recipient: str) -> None:
        """A recipient without a domain must be the name of a group."""
        one, two = JournalRule("a", JOURNAL), JournalRule("b", JOURNAL, recipient=recipient)
        refused(lambda: rules(one, two), "rules[1].recipient")

    @pytest.mark.parametrize("recipient", ["team", "TEAM", "crew", "staff@example.com", "someone@example.org"])
    def test_known_group(self, recipient: str) -> None:
        """A group is named in any letter case or by an alias, and any address is allowed."""
        rule_set = rules(JournalRule("a", JOURNAL, recipient=recipient), aliases={"crew": "team"})
        assert rule_set.warnings == ()

    @pytest.mark.parametrize("name", ["DB2", "ann", "DB1 2"])
    def test_unknown_database(self, name: str) -> None:
        """An unknown database is refused."""
        refused(lambda: rules(JournalRule.for_database("a", JOURNAL, mailboxes=name)), "rules[0].mailboxes")
        assert rules(JournalRule.for_database("a", JOURNAL, mailboxes="db1")).warnings == ()

    def test_unknown_mailbox(self) -> None:
        """A mailbox without a domain must be the name of a group; the error names its number."""
        rule = JournalRule.for_database("a", JOURNAL, mailboxes=["ann@example.com", "bob"])
        refused(lambda: rules(rule), "rules[0].mailboxes[1]")
        assert rules(JournalRule.for_database("a", JOURNAL, mailboxes=["TEAM"])).warnings == ()

    @pytest.mark.parametrize(
        "address",
        ["ndr@example.com", "NDR@EXAMPLE.COM", '"ndr"@example.com', "bounces@example.com", "Bounces@Example.com."],
    )
    @pytest.mark.parametrize("enabled", [True, False])
    def test_the_alternate_mailbox(self, address: str, enabled: bool) -> None:
        """The alternate mailbox is refused as a journal mailbox, in any spelling and under any alias."""
        one, two = JournalRule("a", JOURNAL), JournalRule("b", address, enabled=enabled)
        refused(lambda: rules(one, two), "rules[1].journal_to")

    def test_no_alternate_mailbox(self) -> None:
        """Without an alternate mailbox every other check is the same."""
        rule_set = rules(JournalRule("a", "ndr@example.com"), alternate_mailbox=None)
        assert rule_set.warnings == ()
        envelope = Envelope("ann@example.com", ["ndr@example.com", "bounces@example.com"])
        assert decide(b"\r\n", envelope, rule_set).reports == ()
        refused(lambda: rules(JournalRule("a", "j@example.net"), alternate_mailbox=None), "rules[0].journal_to")

    def test_the_alternate_mailbox_with_a_tag(self) -> None:
        """With `subaddresses` the alternate mailbox is refused with a tag as well."""
        rule = JournalRule("a", "ndr+x@example.com")
        assert rules(rule).warnings == ()
        refused(lambda: rules(rule, subaddresses=True), "rules[0].journal_to")

    @pytest.mark.parametrize(
        "address", ["team@example.com", '"Team"@EXAMPLE.com', "crew@example.com", "inner@example.com"]
    )
    @pytest.mark.parametrize("enabled", [True, False])
    def test_a_group(self, address: str, enabled: bool) -> None:
        """A group is refused as a journal mailbox, under any spelling or alias and inside another group."""
        organization = Organization(
            ["example.com"],
            groups={"team@example.com": ["bob@example.com", "inner@example.com"], "inner@example.com": []},
            aliases={"team@example.com": ["crew@example.com"]},
        )
        refused(lambda: RuleSet([JournalRule("a", address, enabled=enabled)], organization), "rules[0].journal_to")

    @pytest.mark.parametrize("address", ["j@example.net", "j@mail.example.net", "J@EXAMPLE.NET"])
    @pytest.mark.parametrize("enabled", [True, False])
    def test_hosted(self, address: str, enabled: bool) -> None:
        """A journal mailbox in a domain that Exchange Online hosts is refused."""
        refused(lambda: rules(JournalRule("a", address, enabled=enabled)), "rules[0].journal_to")

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("archive@example.com", "archive@example.com"),
            ("archive@example.com", "ARCHIVE@example.COM"),
            ("archive@example.com", "vault@example.com"),
            ("Vault@Example.com", '"archive"@example.com'),
        ],
    )
    def test_two_formats(self, one: str, two: str) -> None:
        """One journal mailbox has one format, whichever spelling or alias its rules use."""
        first = JournalRule("a", one, format=ReportFormat.ENVELOPE_2003)
        assert rules(first, JournalRule("b", two, format=ReportFormat.ENVELOPE_2003)).warnings == ()
        refused(lambda: rules(first, JournalRule("b", two)), "rules[1].format")
        refused(lambda: rules(first, JournalRule("b", OTHER), JournalRule("c", two)), "rules[2].format")
        assert rules(first, JournalRule("b", two, enabled=False)).warnings == ()
        assert rules(JournalRule("b", two, enabled=False), first).warnings == ()

    @pytest.mark.parametrize(
        "names",
        [
            {"recipient": "archive@example.com"},
            {"recipient": "VAULT@example.com"},
            {"recipient": "all@example.com"},
            {"recipient": "inner@example.com"},
            {"mailboxes": "DB2"},
            {"mailboxes": "DB3"},
            {"mailboxes": ["ann@example.com", "vault@example.com"]},
            {"mailboxes": ["all@example.com"]},
        ],
        ids=str,
    )
    def test_a_journal_mailbox_that_is_journaled(self, names: dict[str, Any]) -> None:
        """A journal mailbox among the members that it journals, at any depth, gives a warning that names the rule."""
        lists = {
            "groups": {
                "all@example.com": ["ann@example.com", "inner@example.com"],
                "inner@example.com": ["Vault@Example.com", "all@example.com"],
            },
            "databases": {"DB2": ["ann@example.com", '"archive"@example.com'], "DB3": ["ALL@example.com"]},
        }
        rule_set = rules(JournalRule("x", OTHER), JournalRule("Legal", "archive@example.com", **names), **lists)
        assert len(rule_set.warnings) == 1
        assert "'Legal'" in rule_set.warnings[0]
        assert "journal mailbox" in rule_set.warnings[0]
        off = JournalRule("Legal", "archive@example.com", enabled=False, **names)
        assert rules(off, **lists).warnings == ()
        assert rules(JournalRule("Legal", OTHER, **names), **lists).warnings == ()

    def test_a_journal_mailbox_of_everyone(self) -> None:
        """A rule for everyone gives no warning, and neither does a group without members."""
        lists = {"groups": {"empty@example.com": []}}
        rule_set = rules(
            JournalRule("a", "archive@example.com"),
            JournalRule("b", "empty@example.org", recipient="empty@example.com"),
            **lists,
        )
        assert rule_set.warnings == ()

    def test_warnings_in_order(self) -> None:
        """There is a warning for each rule, in the order of the rules."""
        given = [JournalRule(name, "archive@example.com", recipient="vault@example.com") for name in ("b", "a", "c")]
        assert [line.split("'")[1] for line in rules(*given).warnings] == ["b", "a", "c"]

    def test_equal(self) -> None:
        """Sets are equal if rules, organization and every option are."""
        rule = JournalRule("a", JOURNAL, recipient="team")
        rule_set = rules(rule)
        assert rule_set == rules(rule)
        assert rule_set != rules()
        assert rule_set != rules(rule, voice_mail=False)
        for option in ("fork_mixed", "believe_senders", "obey_processed", "only_new"):
            changed: dict[str, Any] = {option: True}
            assert dataclasses.replace(rule_set, **changed) != rule_set

    def test_hash(self) -> None:
        """Equal sets hash equal."""
        assert hash(rules(JournalRule("a", JOURNAL))) == hash(rules(JournalRule("a", JOURNAL)))

    def test_pickle(self) -> None:
        """An unpickled set is equal, and decides the same."""
        rule_set = rules(JournalRule("a", JOURNAL, recipient="staff@example.com"), JournalRule("b", OTHER))
        back = pickle.loads(pickle.dumps(rule_set))
        assert back == rule_set
        envelope = Envelope("x@example.org", ["BOB@example.com"])
        assert decide(b"\r\n", envelope, back).reports == decide(b"\r\n", envelope, rule_set).reports
        assert len(decide(b"\r\n", envelope, back).reports) == 2

    def test_the_callers_collections_are_copied(self) -> None:
        """Later changes to the caller's list have no effect."""
        given = [JournalRule("a", JOURNAL)]
        rule_set = RuleSet(given, organization())
        given.append(JournalRule("b", OTHER))
        assert len(rule_set.rules) == 1
        with pytest.raises(AttributeError):
            rule_set.rules = ()  # type: ignore[misc]

    def test_words(self) -> None:
        """The representation shows the arguments and the warnings, but not the index."""
        assert "index" not in repr(rules(JournalRule("a", JOURNAL)))
