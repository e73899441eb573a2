"""Rules: the values that a rule takes and those that it refuses."""

import dataclasses
import pickle
from typing import Any

import pytest
from test_organization import refused

from exjournal import JournalRule, ReportFormat, Scope

JOURNAL = "journal@archive.example"


class TestScope:
    """The values of the scopes."""

    def test_words(self) -> None:
        """Each scope is its own word."""
        assert [*Scope] == ["global", "internal", "external"]


class TestJournalRule:
    """A rule is valid by itself."""

    def test_defaults(self) -> None:
        """By default a rule is for all mail of everyone, with envelope reports."""
        rule = JournalRule("Legal", JOURNAL)
        assert (rule.name, rule.journal_to) == ("Legal", JOURNAL)
        assert rule.scope is Scope.GLOBAL
        assert rule.recipient is None
        assert rule.mailboxes is None
        assert rule.enabled is True
        assert rule.format is ReportFormat.ENVELOPE

    def test_values_as_words(self) -> None:
        """Scope and format may be given as their values."""
        words: dict[str, Any] = {"scope": "external", "format": "message-only"}
        rule = JournalRule("Legal", JOURNAL, **words)
        assert rule.scope is Scope.EXTERNAL
        assert rule.format is ReportFormat.MESSAGE_ONLY
        assert rule == JournalRule("Legal", JOURNAL, scope=Scope.EXTERNAL, format=ReportFormat.MESSAGE_ONLY)

    def test_for_database(self) -> None:
        """Standard journaling is a rule in the global scope for the mailboxes of a database, by its name or one by one."""
        assert JournalRule.for_database("DB1", JOURNAL, mailboxes="DB1") == JournalRule("DB1", JOURNAL, mailboxes="DB1")
        rule = JournalRule.for_database(
            "DB1",
            JOURNAL,
            mailboxes=iter(["ann@example.com"]),
            enabled=False,
            format=ReportFormat.BCC,
        )
        assert rule.mailboxes == ("ann@example.com",)
        assert rule.scope is Scope.GLOBAL
        assert rule.enabled is False
        assert rule.format is ReportFormat.BCC

    @pytest.mark.parametrize("name", ["", " x", "x\t", "a\nb", "a\0", "\ud800", None, 1, b"x"])
    def test_name(self, name: Any) -> None:
        """A name is text on one line."""
        refused(lambda: JournalRule(name, JOURNAL), "name")

    @pytest.mark.parametrize(
        "address", ["", "journal", " j@example.com", "j@a.example,k@a.example", "<j@a.example>", None, 1]
    )
    def test_journal_to(self, address: Any) -> None:
        """The journal mailbox must be an address that mail can be sent to."""
        refused(lambda: JournalRule("Legal", address), "journal_to")

    @pytest.mark.parametrize("name", ["scope", "format"])
    @pytest.mark.parametrize("value", ["", "Global", "both", None, 1, []])
    def test_vocabulary(self, name: str, value: Any) -> None:
        """An unknown scope or format is refused, and the reason names the known ones, or the type."""
        values: dict[str, Any] = {name: value}
        reason = refused(lambda: JournalRule("Legal", JOURNAL, **values), name)
        if isinstance(value, str):
            assert {"scope": "global, internal, external", "format": "envelope, envelope-2003"}[name] in reason
        else:
            assert {"scope": "a Scope or its value", "format": "a ReportFormat or its value"}[name] in reason

    @pytest.mark.parametrize(
        "address", ["", " a@example.com", "a@example.com,b@example.com", "a\r", 1, b"a@example.com"]
    )
    def test_recipient(self, address: Any) -> None:
        """The recipient is an address or a name."""
        refused(lambda: JournalRule("Legal", JOURNAL, recipient=address), "recipient")

    @pytest.mark.parametrize("value", ["", [], (), 1, b"DB1", "DB1\n", iter([])])
    def test_mailboxes(self, value: Any) -> None:
        """Mailboxes are a name or a collection of addresses, and not empty."""
        refused(lambda: JournalRule("Legal", JOURNAL, mailboxes=value), "mailboxes")

    @pytest.mark.parametrize("value", ["", " a@example.com", "a@example.com,b@example.com", 1, None])
    def test_one_of_the_mailboxes(self, value: Any) -> None:
        """A mailbox that is not an address is refused with its number."""
        refused(lambda: JournalRule("Legal", JOURNAL, mailboxes=["ok@example.com", value]), "mailboxes[1]")

    def test_recipient_and_mailboxes(self) -> None:
        """A rule cannot have a recipient and mailboxes."""
        both: dict[str, Any] = {"recipient": "ann@example.com", "mailboxes": "DB1"}
        refused(lambda: JournalRule("Legal", JOURNAL, **both), "mailboxes")

    def test_value(self) -> None:
        """Equal rules hash equal, and an unpickled rule is equal."""
        rule = JournalRule("Legal", JOURNAL, scope=Scope.INTERNAL, mailboxes=["ann@example.com"])
        same = JournalRule("Legal", JOURNAL, scope=Scope.INTERNAL, mailboxes=("ann@example.com",))
        assert rule == same
        assert hash(rule) == hash(same)
        assert pickle.loads(pickle.dumps(rule)) == rule
        assert dataclasses.replace(rule, enabled=False) != rule
        with pytest.raises(AttributeError):
            rule.name = "other"  # type: ignore[misc]
