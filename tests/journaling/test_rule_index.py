"""The index of rules: groups inside groups, the sides of their members, and the bits of rules."""

from exjournal import JournalRule, Organization, ReportFormat, RuleSet, Scope
from exjournal.journaling.organization import Side
from exjournal.journaling.rule_index import Groups, index_rules


class TestGroups:
    """Groups of an organization, whether they hold one another or not."""

    def test_nested_and_cyclic(self) -> None:
        """Groups may be nested, hold themselves and one another, and be named in any spelling."""
        organization = Organization(
            ["example.com"],
            groups={
                "a@example.com": ["B@EXAMPLE.com", "x@example.com", "a@example.com"],
                "b@example.com": ['"c"@example.com', "team"],
                "c@example.com": ["a@example.com", "y@example.com"],
                "Team": ["TEAM", "z@example.com"],
                "empty": [],
            },
        )
        groups = Groups.of(organization)
        assert groups.below(["b@example.com"]) == {"a@example.com", "b@example.com", "c@example.com", "team"}
        assert groups.below(["team"]) == {"team"}
        assert groups.below([]) == set()
        assert groups.members["a@example.com"] == {"x@example.com"}
        assert groups.members["empty"] == set()
        assert groups.parents["team"] == {"b@example.com", "team"}

    def test_under_aliases(self) -> None:
        """A group has aliases as a mailbox has, and two that aliases join are one with the members of both."""
        groups = {"a@example.com": ["x@example.com", "alias@example.com"], "b@example.com": ["y@example.com"]}
        organization = Organization([], groups=groups, aliases={"alias@example.com": "b@example.com"})
        assert Groups.of(organization).below(["a@example.com"]) == {"a@example.com", organization.key("b@example.com")}
        joined = Organization([], groups=groups, aliases={"a@example.com": "b@example.com"})
        assert set(Groups.of(joined).members[joined.key("b@example.com")]) >= {"x@example.com", "y@example.com"}

    def test_a_member_that_is_the_alias_of_a_group(self) -> None:
        """A member may name a group by an alias of it, as a rule may."""
        groups = {"staff": ["ann@example.com"], "all": ["crew"]}
        organization = Organization([], groups=groups, aliases={"staff": ["crew"]})
        assert Groups.of(organization).below(["all"]) == {"all", organization.key("staff")}

    def test_sides(self) -> None:
        """A group is on its own side and on those of its members, also of the groups in it; names without @ are on none."""
        organization = Organization(
            ["example.com"],
            groups={
                "inside": ["ann@example.com"],
                "outside": ["x@example.org", "outside"],
                "either": ["inside", "outside"],
                "of-outside@example.com": ["outside"],
                "nobody": [],
                "no-address": ["nobody"],
            },
        )
        assert Groups.of(organization).sides == {
            "inside": Side.INSIDE,
            "outside": Side.OUTSIDE,
            "either": Side.BOTH,
            "of-outside@example.com": Side.BOTH,
            "nobody": Side(0),
            "no-address": Side(0),
        }


class TestIndex:
    """The bits of rules, and whom they are for."""

    rules = (
        JournalRule("c", "one@archive.example", recipient="staff"),
        JournalRule("b", "two@archive.example", scope=Scope.INTERNAL, format=ReportFormat.MESSAGE_ONLY),
        JournalRule("a", "one@archive.example", recipient="bob@example.com", scope=Scope.EXTERNAL),
        JournalRule("off", "one@archive.example", enabled=False),
    )
    organization = Organization(
        ["example.com"],
        groups={"staff": ["ann@example.com", "team"], "team": ["bob@example.com", "x@example.org"]},
        alternate_mailbox="ndr@example.com",
    )

    def test_order(self) -> None:
        """Enabled rules have their bits by journal mailbox and name, in whichever order they are given."""
        index = index_rules(self.rules, self.organization)
        assert [rule.name for rule in index.rules] == ["a", "c", "b"]
        assert index_rules(self.rules[::-1], self.organization) == index
        assert index.all_rules == 0b111
        assert index_rules((), self.organization).all_rules == 0

    def test_masks(self) -> None:
        """Scopes, formats and rules for everyone are bits of the rules."""
        index = index_rules(self.rules, self.organization)
        assert (index.everyone, index.internal, index.external, index.message_only) == (0b100, 0b100, 0b001, 0b100)
        assert index.targets == {"a": {"bob@example.com"}, "b": frozenset(), "c": {"staff"}}

    def test_addresses(self) -> None:
        """A rule on a group is for its members; mail to a group is mail to its members, mail from a group is not."""
        index = index_rules(self.rules, self.organization)
        assert index.bits == {
            "ann@example.com": 0b010,
            "bob@example.com": 0b011,
            "x@example.org": 0b010,
            "staff": 0b011,
            "team": 0b011,
        }
        assert index.on_groups == {"staff": 0b010, "team": 0b010}
        assert index.usual == {"ann@example.com": 0b010, "bob@example.com": 0b011}

    def test_journal_mailboxes(self) -> None:
        """Each journal mailbox knows the bits and the names of its own rules."""
        index = index_rules(self.rules, self.organization)
        one, two = index.mailboxes
        assert index.exempt == {one.key, two.key, "ndr@example.com"}
        assert (one.own_bits(0b111), one.own_bits(0b101), two.own_bits(0b111), two.own_bits(0b011)) == (
            0b11,
            0b01,
            0b1,
            0,
        )
        assert [one.names_of(own) for own in (0b11, 0b10, 0b01, 0)] == [("a", "c"), ("c",), ("a",), ()]

    def test_in_a_set(self) -> None:
        """A set of rules has the index of its rules."""
        assert RuleSet(self.rules, self.organization).index == index_rules(self.rules, self.organization)
