"""The documented stories of journaling, each from the first server to the archive.

Servers, mailboxes and archives are small stand-ins: a server adds a Received line to what it takes, journals it and passes it
on, with or without the stamp; an archive reads what reaches its mailboxes. Nothing goes over a network.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any, ClassVar

import pytest

from exjournal import (
    ORGANIZATION_HEADERS,
    Decision,
    Delivery,
    Envelope,
    Hold,
    HoldReason,
    JournalAgent,
    JournalRule,
    MergedReport,
    Organization,
    Outcome,
    ParsedReport,
    Recipient,
    ReportFormat,
    Role,
    RuleSet,
    Scope,
    Seal,
    decide,
    merge,
    parse_report,
    strip_headers,
    unwrap_undeliverable,
    verify_seal,
)
from exjournal.journaling.explanations import Place, Reason
from exjournal.journaling.header_firewall import matching_headers
from exjournal.journaling.loops import LoopReason
from exjournal.limits import HOP_LIMIT, REPORT_NESTING_LIMIT

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SECRET = b"what only our servers know"
GUESSED_SECRET = b"what a stranger has guessed"
ALTERNATE = "undeliverable@example.com"
HOP = b"Received: from %b.example.com by example.com; Mon, 2 Mar 2026 09:30:00 +0000\r\n"


def a_story() -> bytes:
    """A message with a text and an attachment, as a client writes it."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = "ann@example.com", "bob@example.com", "Story " * 20
    message.set_content("Hello caf\u00e9.\n", cte="8bit")
    message.add_attachment(b"\x01\x02" * 100, "application", "octet-stream", filename="a.bin")
    message.set_boundary("a-boundary")
    return message.as_bytes()


class Archive:
    """Reads what reaches its journal mailboxes, and puts together what belongs to one message."""

    def __init__(self) -> None:
        self.contents: dict[str, list[bytes]] = {}

    def take(self, delivery: Delivery) -> None:
        """Accept a delivery for the mailbox it is for."""
        self.contents.setdefault(delivery.rcpt_to, []).append(delivery.content)

    @property
    def mailboxes(self) -> list[str]:
        """The mailboxes that anything reached."""
        return sorted(self.contents)

    def reports(self, mailbox: str | None = None) -> list[ParsedReport]:
        """The reports in one mailbox, or in all; each of them is well formed."""
        found = [
            parse_report(content)
            for name in self.mailboxes
            for content in self.contents[name]
            if mailbox is None or name == mailbox
        ]
        assert all(one.defects == () and one.unparsed == () for one in found)
        return found

    def messages_of(self, message_id: str) -> tuple[MergedReport, ...]:
        """The different messages of one Message-ID, each with all that its reports say."""
        return tuple([one for one in merge(self.reports()) if message_id in one.message_ids])

    def recipients_of(self, message_id: str) -> set[str]:
        """Everyone whom some report on a message lists."""
        return {recipient.address for one in self.messages_of(message_id) for recipient in one.recipients}

    def originals_of(self, message_id: str) -> set[str | None]:
        """The different contents of one Message-ID: trace fields and stamps make no other one."""
        return {one.content_sha256 for one in self.messages_of(message_id)}


@dataclass
class Server:
    """A mail server: it journals with its agent, passes messages on, and strips what a firewall at the border takes off."""

    agent: JournalAgent
    archive: Archive = field(default_factory=Archive)
    name: str = "mx1"
    keeps_stamps: bool = True
    firewall: bool = False
    outcomes: list[Outcome] = field(default_factory=list)

    def take(self, message: bytes, envelope: Envelope) -> bytes:
        """Journal a message, and give what leaves the server; a hold lets nothing leave."""
        if self.firewall:
            message = strip_headers(message, ORGANIZATION_HEADERS)
        outcome = self.agent.process(HOP % self.name.encode() + message, envelope, received=NOW)
        self.outcomes.append(outcome)
        if outcome.hold is not None:
            assert outcome.deliveries == ()
            return b""
        for delivery in outcome.deliveries:
            self.archive.take(delivery)
        left = outcome.message()
        return left if self.keeps_stamps else strip_headers(left, ["X-ExJournal-*"])

    @property
    def hold(self) -> Hold | None:
        """Why the last message was held."""
        return self.outcomes[-1].hold

    @property
    def decision(self) -> Decision:
        """The decision on the last message."""
        return self.outcomes[-1].decision

    @property
    def seen(self) -> list[tuple[LoopReason, bool]]:
        """The signs of earlier journaling on the last message, and whether a stranger could have written them."""
        return [(loop.reason, loop.forgeable) for loop in self.decision.loops]


def organization(**options: Any) -> Organization:
    """The organization of the stories, with the additions of a story."""
    return Organization(**({"domains": ["example.com"], "alternate_mailbox": ALTERNATE} | options))


def a_server(
    *rules: JournalRule,
    archive: Archive | None = None,
    name: str = "mx1",
    secrets: Iterable[bytes] = (SECRET,),
    keeps_stamps: bool = True,
    firewall: bool = False,
    options: dict[str, Any] | None = None,
    **about: Any,
) -> Server:
    """A server with these rules, in an organization with options; `options` are those of its rule set."""
    rule_set = RuleSet(rules, organization(**about), **(options or {}))
    agent = JournalAgent(rule_set, domain="example.com", secrets=secrets)
    return Server(agent, archive or Archive(), name, keeps_stamps, firewall)


def mail(sender: str = "ann@example.com", to: str = "bob@example.com", text: str = "Hello.", **more: str) -> bytes:
    """A message as a client writes it; further fields may be named, with an underscore for each hyphen."""
    message = EmailMessage(policy=policy.SMTP)
    if sender:
        message["From"] = sender
    for name, value in {"To": to, "Subject": "Story", "Message_ID": "<story@example.com>"}.items():
        message[name.replace("_", "-")] = value
    for name, value in more.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def from_inside(sender: str, *recipients: str | Recipient) -> Envelope:
    """The envelope of a client that logged in."""
    return Envelope(sender, recipients, authenticated=True)


def from_anybody(sender: str, *recipients: str | Recipient) -> Envelope:
    """The envelope of any client."""
    return Envelope(sender, recipients)


ALL = JournalRule("All", "journal@archive.example")


class TestDatabases:
    """Standard journaling: all mail of the mailboxes of a database."""

    def test_a_single_database(self) -> None:
        """UserA is in a journaled database and writes to UserB, who is not: exactly one report, over two hops, to JournalA."""
        rule = JournalRule.for_database("Database A", "JournalA@archive.example", mailboxes="Database A")
        about: dict[str, Any] = {
            "databases": {"Database A": ["UserA@example.com"], "Database B": ["UserB@example.com"]}
        }
        archive = Archive()
        first = a_server(rule, archive=archive, name="mx1", **about)
        second = a_server(rule, archive=archive, name="mx2", **about)
        message = mail("UserA@example.com", "UserB@example.com")
        envelope = from_inside("UserA@example.com", "UserB@example.com")

        second.take(first.take(message, envelope), envelope)

        (report,) = archive.reports()
        assert archive.mailboxes == ["JournalA@archive.example"]
        assert report.report.sender == "UserA@example.com"
        assert [one.address for one in report.report.recipients] == ["UserB@example.com"]
        assert report.original_bytes() == HOP % b"mx1" + message
        assert second.seen == [(LoopReason.STAMP, False)]
        assert [one.reason for one in second.decision.explain()] == [Reason.ALREADY_JOURNALED]

    def test_the_answer_of_the_other_user(self) -> None:
        """What UserB answers is journaled as well, as UserA receives it; what UserB writes to others is not."""
        rule = JournalRule.for_database("Database A", "JournalA@archive.example", mailboxes=["UserA@example.com"])
        server = a_server(rule)
        server.take(
            mail("UserB@example.com", "UserA@example.com"), from_inside("UserB@example.com", "UserA@example.com")
        )
        assert len(server.archive.reports()) == 1
        server.take(
            mail("UserB@example.com", "UserC@example.com"), from_inside("UserB@example.com", "UserC@example.com")
        )
        assert len(server.archive.reports()) == 1

    def test_two_databases_with_two_journal_mailboxes(self) -> None:
        """A message between two journaled databases gives one report to each journal mailbox, however many hops there are."""
        rules = [
            JournalRule.for_database("Database A", "JournalA@archive.example", mailboxes="Database A"),
            JournalRule.for_database("Database B", "JournalB@archive.example", mailboxes="Database B"),
        ]
        about: dict[str, Any] = {
            "databases": {"Database A": ["UserA@example.com"], "Database B": ["UserB@example.com"]}
        }
        archive = Archive()
        message = mail("UserA@example.com", "UserB@example.com")
        envelope = from_inside("UserA@example.com", "UserB@example.com")
        for name in ("mx1", "mx2", "mx3"):
            message = a_server(*rules, archive=archive, name=name, **about).take(message, envelope)
        assert archive.mailboxes == ["JournalA@archive.example", "JournalB@archive.example"]
        for mailbox in archive.mailboxes:
            (report,) = archive.reports(mailbox)
            assert report.report.sender == "UserA@example.com"
            assert [one.address for one in report.report.recipients] == ["UserB@example.com"]

    def test_two_servers_of_which_each_knows_one_database(self) -> None:
        """The stamp of a server that journals for one mailbox does not keep the next one from journaling for another."""
        archive = Archive()
        first = a_server(
            JournalRule.for_database("A", "JournalA@archive.example", mailboxes=["UserA@example.com"]), archive=archive
        )
        second = a_server(
            JournalRule.for_database("B", "JournalB@archive.example", mailboxes=["UserB@example.com"]), archive=archive
        )
        envelope = from_inside("UserA@example.com", "UserB@example.com")
        message = second.take(first.take(mail("UserA@example.com", "UserB@example.com"), envelope), envelope)
        assert archive.mailboxes == ["JournalA@archive.example", "JournalB@archive.example"]
        second.take(first.take(message, envelope), envelope)
        assert len(archive.reports()) == 2


class TestGroups:
    """A group that is expanded at a later hop."""

    ABOUT: ClassVar[dict[str, Any]] = {"groups": {"staff@example.com": ["bob@example.com", "carol@example.com"]}}
    EXPANDED = (
        Recipient("bob@example.com", expanded_from="staff@example.com"),
        Recipient("carol@example.com", expanded_from="staff@example.com"),
    )

    def test_a_group_with_an_expansion_server(self) -> None:
        """The first server reports the group, the expansion server its members, and the archive has all of them."""
        archive = Archive()
        first = a_server(ALL, archive=archive, name="mx1", **self.ABOUT)
        expansion = a_server(ALL, archive=archive, name="expansion", **self.ABOUT)
        last = a_server(ALL, archive=archive, name="mx2", **self.ABOUT)
        message = first.take(
            mail(to="staff@example.com, dave@example.net"),
            from_inside("ann@example.com", "staff@example.com", "dave@example.net"),
        )
        expanded = from_inside("ann@example.com", *self.EXPANDED, "dave@example.net")
        message = expansion.take(message, expanded)
        last.take(message, expanded)

        unexpanded, members = archive.reports()
        assert [one.address for one in unexpanded.report.recipients] == ["staff@example.com", "dave@example.net"]
        assert [(one.address, one.expanded_from) for one in members.report.recipients] == [
            ("bob@example.com", "staff@example.com"),
            ("carol@example.com", "staff@example.com"),
            ("dave@example.net", None),
        ]
        assert archive.recipients_of("<story@example.com>") == {
            "staff@example.com",
            "bob@example.com",
            "carol@example.com",
            "dave@example.net",
        }
        assert len(archive.originals_of("<story@example.com>")) == 1
        assert {one.role for one in members.report.recipients} == {Role.TO}

    def test_only_the_new_recipients(self) -> None:
        """Where it is asked for, the expansion server reports the members alone; the archive has the same recipients."""
        archive = Archive()
        options = {"only_new": True}
        first = a_server(ALL, archive=archive, options=options, **self.ABOUT)
        expansion = a_server(ALL, archive=archive, options=options, **self.ABOUT)
        message = first.take(mail(), from_inside("ann@example.com", "staff@example.com", "dave@example.net"))
        expansion.take(message, from_inside("ann@example.com", *self.EXPANDED, "dave@example.net"))
        _, members = archive.reports()
        assert [one.address for one in members.report.recipients] == ["bob@example.com", "carol@example.com"]
        assert len(archive.recipients_of("<story@example.com>")) == 4

    def test_branches_after_the_expansion(self) -> None:
        """After the expansion each branch goes its way with some of the recipients, and none of them is journaled again."""
        server = a_server(ALL, **self.ABOUT)
        message = server.take(mail(), from_inside("ann@example.com", *self.EXPANDED))
        for member in self.EXPANDED:
            server.take(message, from_inside("ann@example.com", member))
        assert len(server.archive.reports()) == 1

    def test_a_member_s_rule_and_a_group_that_is_not_expanded(self) -> None:
        """A rule for a member is set off by mail to the group, before and after somebody expands it."""
        rule = JournalRule("Bob", "journal@archive.example", recipient="bob@example.com")
        server = a_server(rule, **self.ABOUT)
        message = server.take(mail(to="staff@example.com"), from_inside("ann@example.com", "staff@example.com"))
        (explanation,) = server.decision.matches
        assert [(one.address, one.place, one.holds) for one in explanation.matches] == [
            ("staff@example.com", Place.RECIPIENT, "bob@example.com")
        ]
        server.take(message, from_inside("ann@example.com", *self.EXPANDED))
        assert len(server.archive.reports()) == 2
        server.take(mail(to="carol@example.com"), from_inside("ann@example.com", "carol@example.com"))
        assert len(server.archive.reports()) == 2


class TestOldAndNewServers:
    """Servers of several generations on one way."""

    def test_the_stamp_is_lost_between_the_hops(self) -> None:
        """After a server that loses the stamp, a message is journaled again, and both reports hold the same original."""
        archive = Archive()
        old = JournalRule("Old", "journal@archive.example", format=ReportFormat.ENVELOPE_2003)
        message = mail(to="bob@example.net")
        envelope = from_inside("ann@example.com", "bob@example.net")
        left = a_server(ALL, archive=archive, keeps_stamps=False).take(message, envelope)
        a_server(old, archive=archive, name="old", secrets=()).take(left, envelope)

        reports = archive.reports()
        assert [one.format for one in reports] == [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003]
        assert {one.report.message_id for one in reports} == {"<story@example.com>"}
        assert len({one.report_id for one in reports}) == 2
        assert {strip_headers(one.original_bytes() or b"", ["Received"]) for one in reports} == {message}
        assert len(archive.originals_of("<story@example.com>")) == 1
        assert archive.recipients_of("<story@example.com>") == {"bob@example.net"}

    def test_the_stamp_passes_a_server_that_does_not_know_it(self) -> None:
        """A server in between that does not know the stamp journals too, and the next one that knows it does not."""
        archive = Archive()
        envelope = from_inside("ann@example.com", "bob@example.net")
        message = a_server(ALL, archive=archive, name="new1").take(mail(), envelope)
        message = a_server(ALL, archive=archive, name="old", secrets=()).take(message, envelope)
        assert len(archive.reports()) == 2
        a_server(ALL, archive=archive, name="new2").take(message, envelope)
        assert len(archive.reports()) == 2

    def test_a_server_passes_the_message_on(self) -> None:
        """Other folds, letters of names and line ends, moved and added fields leave the stamp as good as it was."""
        server = a_server(ALL)
        envelope = from_inside("ann@example.com", "bob@example.com")
        left = server.take(a_story(), envelope)
        trace = b"Received: from mx2.example.com\r\nX-Scanned: yes\r\nTO: bob@example.com\r\n"
        passed = trace + left.replace(b"\r\nTo: bob@example.com", b"").replace(b"\r\nFrom: ", b"\r\nFROM:\r\n\t ")
        assert passed.count(b"bob@example.com") == left.count(b"bob@example.com")
        assert b"FROM:" in passed
        server.take(passed.replace(b"\r\n", b"\n") + b"\n\n", envelope)
        assert len(server.archive.reports()) == 1

    @pytest.mark.parametrize(
        ("written", "rewritten"),
        [
            (b"a-boundary", b"another-boundary"),
            (
                b"Transfer-Encoding: 8bit\r\n\r\nHello caf\xc3\xa9.",
                b"Transfer-Encoding: quoted-printable\r\n\r\nHello caf=C3=A9.",
            ),
            (b"Content-Type: text/plain", b"Content-type: text/plain"),
            (b"\r\n\r\n--a-boundary\r\n", b"\r\n\r\nA message in parts.\r\n--a-boundary\r\n"),
            (b"MIME-Version: 1.0\r\n", b""),
        ],
    )
    def test_a_server_rewrites_the_message_on_its_way(self, written: bytes, rewritten: bytes) -> None:
        """A message whose body was written anew is journaled again: whether it still says the same is not judged."""
        server = a_server(ALL)
        envelope = from_inside("ann@example.com", "bob@example.com")
        left = server.take(a_story(), envelope)
        assert written in left
        server.take(left.replace(written, rewritten), envelope)
        assert len(server.archive.reports()) == 2

    def test_a_disclaimer_is_added_on_the_way(self) -> None:
        """A message whose text was changed on the way is another one, and journaled as such."""
        server = a_server(ALL)
        envelope = from_inside("ann@example.com", "bob@example.com")
        server.take(server.take(mail(), envelope) + b"This message is confidential.\r\n", envelope)
        assert len(server.archive.reports()) == 2

    def test_secrets_are_replaced(self) -> None:
        """While a new secret is rolled out, each server knows the stamps of the other."""
        archive = Archive()
        envelope = from_inside("ann@example.com", "bob@example.com")
        new, old = b"the secret of next year", SECRET
        first = a_server(ALL, archive=archive, secrets=[old, new])
        second = a_server(ALL, archive=archive, secrets=[new, old])
        first.take(second.take(first.take(mail(), envelope), envelope), envelope)
        second.take(first.take(second.take(mail(text="Again."), envelope), envelope), envelope)
        assert len(archive.reports()) == 2

    def test_the_two_firing_points_of_one_server(self) -> None:
        """A server that journals submitted mail, and again routed mail, makes one report, or two if routing adds recipients."""
        server = a_server(ALL)
        submitted = from_inside("ann@example.com", "bob@example.com")
        message = server.take(mail(), submitted)
        message = server.take(message, submitted)
        assert len(server.archive.reports()) == 1
        routed = from_inside(
            "ann@example.com", "bob@example.com", Recipient("carol@example.net", forwarded_from="bob@example.com")
        )
        server.take(message, routed)
        assert len(server.archive.reports()) == 2
        assert server.archive.recipients_of("<story@example.com>") == {"bob@example.com", "carol@example.net"}


class TestDelegates:
    """One who writes for another."""

    def test_send_as(self) -> None:
        """A journaled delegate who sends as somebody else leaves no trace of himself: there is no report."""
        server = a_server(JournalRule("Delegate", "journal@archive.example", recipient="delegate@example.com"))
        left = server.take(
            mail("boss@example.com", "bob@example.net"), from_inside("boss@example.com", "bob@example.net")
        )
        assert server.archive.reports() == []
        assert matching_headers(left, ["X-ExJournal-*"]) == ()
        assert [one.reason for one in server.decision.skipped] == [Reason.NOT_NAMED]

    @pytest.mark.parametrize("journaled", ["delegate@example.com", "boss@example.com"])
    @pytest.mark.parametrize("mail_from", ["delegate@example.com", "boss@example.com"])
    def test_send_on_behalf(self, journaled: str, mail_from: str) -> None:
        """A message on behalf of another is journaled for either of the two, and the report has both names."""
        server = a_server(JournalRule("One of the two", "journal@archive.example", recipient=journaled))
        server.take(
            mail("boss@example.com", "bob@example.net", Sender="delegate@example.com"),
            from_inside(mail_from, "bob@example.net"),
        )
        (report,) = server.archive.reports()
        assert report.report.sender == "delegate@example.com"
        assert report.report.on_behalf_of == "boss@example.com"
        assert report.report.envelope_sender == mail_from


class TestSharedMailbox:
    """Several rules that report to one journal mailbox."""

    def test_a_region_and_a_department(self) -> None:
        """A rule for a region and one for a department that share a mailbox give one report, which names both rules."""
        server = a_server(
            JournalRule("North", "journal@archive.example", recipient="north@example.com"),
            JournalRule("Sales", "journal@archive.example", recipient="sales@example.com"),
            JournalRule("South", "journal@archive.example", recipient="south@example.com"),
            groups={
                "north@example.com": ["ann@example.com", "bob@example.com"],
                "sales@example.com": ["ann@example.com", "carol@example.com"],
                "south@example.com": ["dave@example.com"],
            },
        )
        left = server.take(mail(), from_inside("ann@example.com", "carol@example.com", "guest@example.net"))
        (report,) = server.archive.reports()
        (planned,) = server.decision.reports
        assert planned.rules == ("North", "Sales")
        assert [one.address for one in report.report.recipients] == ["carol@example.com", "guest@example.net"]
        assert [(one.rule, one.reason) for one in server.decision.explain()] == [
            ("North", Reason.MATCHED),
            ("Sales", Reason.MATCHED),
            ("South", Reason.NOT_NAMED),
        ]
        server.take(left, from_inside("ann@example.com", "carol@example.com", "guest@example.net"))
        assert len(server.archive.reports()) == 1

    def test_the_region_at_one_hop_and_the_department_at_the_next(self) -> None:
        """If each server has one rule, the second server reports for its own users."""
        archive = Archive()
        envelope = from_inside("ann@example.com", "bob@example.com")
        first = a_server(JournalRule("A", "journal@archive.example", recipient="ann@example.com"), archive=archive)
        second = a_server(JournalRule("B", "journal@archive.example", recipient="bob@example.com"), archive=archive)
        second.take(first.take(mail(), envelope), envelope)
        assert [one.report.sender for one in archive.reports()] == ["ann@example.com", "ann@example.com"]


INTERNAL, EXTERNAL, GLOBAL = Scope.INTERNAL, Scope.EXTERNAL, Scope.GLOBAL
EVERY = {INTERNAL, EXTERNAL, GLOBAL}


class TestScopes:
    """A rule of each scope, and mail on every way."""

    RULES = tuple([JournalRule(scope, f"{scope}@archive.example", scope=scope) for scope in Scope])

    def fired(self, message: bytes, envelope: Envelope, **options: Any) -> set[Scope]:
        """The scopes whose rule makes a report; each report lists every recipient."""
        server = a_server(*self.RULES, options=options)
        server.take(message, envelope)
        reports = server.archive.reports()
        if not options.get("fork_mixed"):
            addresses = [one.address for one in envelope.recipients]
            assert all([one.address for one in report.report.recipients] == addresses for report in reports)
        return {Scope(mailbox.partition("@")[0]) for mailbox in server.archive.mailboxes}

    def test_inbound(self) -> None:
        """Mail from outside to somebody inside is external and global."""
        envelope = from_anybody("guest@example.net", "bob@example.com")
        assert self.fired(mail("guest@example.net"), envelope) == {EXTERNAL, GLOBAL}

    def test_outbound(self) -> None:
        """Mail from inside to somebody outside is external and global."""
        envelope = from_inside("ann@example.com", "guest@example.net")
        assert self.fired(mail(to="guest@example.net"), envelope) == {EXTERNAL, GLOBAL}

    def test_internal(self) -> None:
        """Mail from inside to somebody inside is internal and global."""
        envelope = from_inside("ann@example.com", "bob@example.com")
        assert self.fired(mail(), envelope) == {INTERNAL, GLOBAL}

    def test_mixed(self) -> None:
        """Mail from inside to somebody inside and somebody outside is all of it, and every report lists both."""
        envelope = from_inside("ann@example.com", "bob@example.com", "guest@example.net")
        assert self.fired(mail(), envelope) == EVERY

    def test_mixed_in_forks(self) -> None:
        """In forks, the internal rule reports who is inside, the external one who is outside, the global one each."""
        server = a_server(*self.RULES, options={"fork_mixed": True})
        server.take(mail(), from_inside("ann@example.com", "bob@example.com", "guest@example.net"))
        listed = {
            mailbox.partition("@")[0]: [
                [one.address for one in report.report.recipients] for report in server.archive.reports(mailbox)
            ]
            for mailbox in server.archive.mailboxes
        }
        assert listed == {
            "internal": [["bob@example.com"]],
            "external": [["guest@example.net"]],
            "global": [["bob@example.com"], ["guest@example.net"]],
        }

    def test_mixed_mail_of_a_named_recipient(self) -> None:
        """A rule for somebody inside looks at the way from the sender to that one, not at the other recipients."""
        rules = [
            JournalRule(scope, f"{scope}@archive.example", scope=scope, recipient="bob@example.com") for scope in Scope
        ]
        server = a_server(*rules)
        server.take(mail(), from_inside("ann@example.com", "bob@example.com", "guest@example.net"))
        assert server.archive.mailboxes == ["global@archive.example", "internal@archive.example"]

    @pytest.mark.parametrize(
        ("author", "expected", "believed"),
        [
            ("ann@example.com", EVERY, {INTERNAL, GLOBAL}),
            ("guest@example.net", {EXTERNAL, GLOBAL}, {EXTERNAL, GLOBAL}),
            ("", EVERY, EVERY),
        ],
    )
    def test_the_null_sender(self, author: str, expected: set[Scope], believed: set[Scope]) -> None:
        """A bounce is inside or outside by its From, and both where anybody could have written it or nothing is there."""
        envelope = from_anybody("", "bob@example.com")
        assert self.fired(mail(author), envelope) == expected
        assert self.fired(mail(author), envelope, believe_senders=True) == believed

    def test_a_bounce_to_the_outside(self) -> None:
        """A bounce of our own to somebody outside is external and global."""
        assert self.fired(mail("postmaster@example.com"), from_anybody("", "guest@example.net")) == {EXTERNAL, GLOBAL}

    def test_spoofed(self) -> None:
        """A stranger who writes an inside address into MAIL FROM is both; as Exchange reads it he is inside."""
        envelope = from_anybody("ann@example.com", "bob@example.com")
        assert self.fired(mail(), envelope) == EVERY
        assert self.fired(mail(), envelope, believe_senders=True) == {INTERNAL, GLOBAL}

    def test_spoofed_in_from_alone(self) -> None:
        """A stranger with an inside address in From is outside by MAIL FROM, and still sets off the rule for that address."""
        envelope = from_anybody("guest@example.net", "bob@example.com")
        assert self.fired(mail("ann@example.com"), envelope) == {EXTERNAL, GLOBAL}
        server = a_server(JournalRule("Ann", "journal@archive.example", recipient="ann@example.com"))
        server.take(mail("ann@example.com"), envelope)
        assert len(server.archive.reports()) == 1

    def test_an_insider_who_writes_an_outside_address(self) -> None:
        """A client that logged in is inside with any sender, and outside as well by the sender that it wrote."""
        assert self.fired(mail("guest@example.net"), from_inside("guest@example.net", "bob@example.com")) == EVERY


class TestSpellings:
    """One mailbox under several addresses."""

    ABOUT: ClassVar[dict[str, Any]] = {
        "domains": ["example.com", "*.example.org", "b\u00fccher.example"],
        "aliases": {"Robert@example.com": ["bob@example.com", "bobby@example.net"]},
        "groups": {
            "all@example.com": ["staff@example.com", "offices"],
            "staff@example.com": ["bob@example.com", "all@example.com"],
            "offices": ["paris@example.com"],
        },
        "subaddresses": True,
    }

    @pytest.mark.parametrize(
        "address",
        [
            "bob@example.com",
            "BOB@EXAMPLE.COM",
            '"Bob"@example.com',
            "robert@example.com",
            "Bobby@Example.NET",
            "bob+news@example.com",
            "robert+x+y@example.com",
            "staff@example.com",
            "ALL@example.com",
        ],
    )
    @pytest.mark.parametrize(
        "rule_for", ["bob@example.com", "ROBERT@example.com", "staff@example.com", "all@example.com"]
    )
    def test_a_recipient_in_another_spelling(self, address: str, rule_for: str) -> None:
        """A rule for a mailbox or for a group it is in, nested in a circle, is set off by each of its addresses."""
        server = a_server(JournalRule("One", "journal@archive.example", recipient=rule_for), **self.ABOUT)
        message = server.take(mail(), from_inside("ann@example.com", "x@example.com", address))
        (report,) = server.archive.reports()
        assert [one.address for one in report.report.recipients] == ["x@example.com", address]
        local, _, domain = address.rpartition("@")
        message = server.take(message, from_inside("ANN@example.com", "X@example.com", f"{local}@{domain.swapcase()}"))
        assert len(server.archive.reports()) == 1
        # In a domain of strangers two spellings of a local part can be two mailboxes.
        server.take(message, from_inside("ann@example.com", "X@example.com", address.swapcase()))
        assert len(server.archive.reports()) == (2 if domain == "Example.NET" else 1)

    @pytest.mark.parametrize("address", ["bob@example.com", "BOBBY@example.NET", "robert+a@example.com"])
    @pytest.mark.parametrize("rule_for", ["bob@example.com", "staff@example.com", "all@example.com"])
    def test_a_sender_in_another_spelling(self, address: str, rule_for: str) -> None:
        """The same holds for senders, in MAIL FROM, From or Sender."""
        rule = JournalRule("One", "journal@archive.example", recipient=rule_for)
        for message, sender in (
            (mail("x@example.com"), address),
            (mail(address), "x@example.com"),
            (mail("x@example.com", Sender=address), "x@example.com"),
        ):
            server = a_server(rule, **self.ABOUT)
            server.take(message, from_inside(sender, "guest@example.net"))
            assert len(server.archive.reports()) == 1

    def test_a_group_without_an_address(self) -> None:
        """A group that is a name alone is named by a rule, and by its members."""
        server = a_server(JournalRule("Offices", "journal@archive.example", recipient="Offices"), **self.ABOUT)
        server.take(mail(), from_inside("ann@example.com", "Paris@example.com"))
        assert len(server.archive.reports()) == 1
        server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
        assert len(server.archive.reports()) == 1

    @pytest.mark.parametrize(
        ("address", "inside"),
        [
            ("a@EXAMPLE.com", True),
            ("a@sub.example.com", False),
            ("a@example.org", True),
            ("a@deep.sub.Example.ORG", True),
            ("a@notexample.org", False),
            ("a@b\u00fccher.example", True),
            ("a@XN--BCHER-KVA.example", True),
            ("a@example.com.", True),
        ],
    )
    def test_accepted_domains(self, address: str, inside: bool) -> None:
        """An accepted domain is one in any spelling, with its subdomains where they were asked for."""
        rule = JournalRule("Internal", "journal@archive.example", scope=Scope.INTERNAL)
        server = a_server(rule, **self.ABOUT)
        server.take(mail(), from_inside("ann@example.com", address))
        assert bool(server.archive.reports()) is inside


class TestAlternateMailbox:
    """Where reports go that a journal mailbox did not take."""

    def bounced(self, delivery: Delivery) -> bytes:
        """The bounce of a delivery as a server writes it, with the report attached as it was."""
        bounce = MIMEMultipart("report", report_type="delivery-status", policy=policy.compat32)
        bounce["From"] = "postmaster@archive.example"
        bounce["To"] = delivery.mail_from
        bounce["Subject"] = "Undeliverable"
        bounce.attach(MIMEText("The mailbox is full.\n"))
        about = Message()
        about["Reporting-MTA"] = "dns; mx.archive.example"
        one = Message()
        one["Final-Recipient"] = f"rfc822; {delivery.rcpt_to}"
        one["Action"] = "failed"
        one["Status"] = "5.2.2"
        status = MIMEBase("message", "delivery-status")
        status.set_payload([about, one])
        bounce.attach(status)
        report = MIMEBase("message", "rfc822")
        report.set_payload("@the report@")
        bounce.attach(report)
        return bounce.as_bytes(policy=policy.compat32.clone(linesep="\r\n")).replace(b"@the report@", delivery.content)

    def test_what_could_not_be_delivered(self) -> None:
        """The report comes back to the alternate mailbox, is not journaled on its way, and goes out again as it was."""
        server = a_server(ALL)
        server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
        (delivery,) = server.outcomes[-1].deliveries
        assert delivery.mail_from == ALTERNATE
        server.archive.contents.clear()  # it was full

        bounce = self.bounced(delivery)
        left = server.take(bounce, from_anybody("", delivery.mail_from))

        assert server.archive.mailboxes == []
        assert left == HOP % b"mx1" + bounce
        assert server.hold is None
        assert server.seen == [(LoopReason.BOUNCED_REPORT, True)]
        assert [one.reason for one in server.decision.explain()] == [Reason.JOURNAL_MAILBOX]
        found = unwrap_undeliverable(left)
        assert found.report == delivery.content
        assert [(one.recipient, one.status) for one in found.status] == [(delivery.rcpt_to, "5.2.2")]
        assert verify_seal(found.report, secrets=[SECRET]) is Seal.VALID
        server.archive.take(delivery._replace(content=found.report))
        assert server.archive.recipients_of("<story@example.com>") == {"bob@example.com"}

    def test_a_bounce_to_somebody_else_as_well(self) -> None:
        """A bounce that goes to the alternate mailbox and to a person is journaled for the person."""
        server = a_server(ALL)
        server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
        (delivery,) = server.outcomes[-1].deliveries
        server.take(self.bounced(delivery), from_anybody("", ALTERNATE, "admin@example.com"))
        assert len(server.archive.reports()) == 2

    def test_a_report_on_its_way_through_the_gateway(self) -> None:
        """A report that passes the gateway on its way to the journal mailbox is not journaled, with or without a secret."""
        for secrets in ((SECRET,), ()):
            server = a_server(ALL, secrets=secrets)
            server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
            (delivery,) = server.outcomes[-1].deliveries
            assert server.take(delivery.content, from_anybody(delivery.mail_from, delivery.rcpt_to))
            assert len(server.archive.reports()) == 1


class TestForwardingMailbox:
    """A journal mailbox that forwards outside through the same gateway, which journals everything."""

    def forward(self, server: Server, rounds: int) -> int:
        """Forward what reaches the journal mailbox, again and again; how many reports left before nothing did."""
        server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
        forwarded = left = 0
        while forwarded < rounds and forwarded < len(server.archive.contents[ALL.journal_to]):
            report = server.archive.contents[ALL.journal_to][forwarded]
            left += bool(server.take(report, from_anybody(ALL.journal_to, "copies@example.net")))
            forwarded += 1
        return left

    def test_with_secrets(self) -> None:
        """The seal ends it at once: the report leaves, and there is none about it."""
        server = a_server(ALL)
        assert self.forward(server, 100) == 1
        assert len(server.archive.reports()) == 1
        assert server.hold is None
        assert server.seen == [(LoopReason.SEAL, False), (LoopReason.REPORT, True)]
        assert [one.reason for one in server.decision.explain()] == [Reason.SEALED]

    def test_without_secrets(self) -> None:
        """Without secrets reports about reports are made until the limit on nesting, where the message is held."""
        server = a_server(ALL, secrets=())
        assert self.forward(server, 100) == REPORT_NESTING_LIMIT - 1
        assert len(server.archive.contents[ALL.journal_to]) == REPORT_NESTING_LIMIT
        assert server.hold is not None
        assert server.hold.reason is HoldReason.NESTING_LIMIT

    def test_over_a_trusted_path(self) -> None:
        """Without secrets, but over a path on which our own servers are believed, it ends at once as well."""
        server = a_server(ALL, secrets=())
        server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
        (report,) = server.archive.contents[ALL.journal_to]
        assert server.take(report, Envelope(ALL.journal_to, ["copies@example.net"], trusted_path=True))
        assert len(server.archive.reports()) == 1

    def test_a_message_in_a_circle(self) -> None:
        """A message that two servers send to one another is journaled once, and held when it has made too many hops."""
        server = a_server(JournalRule("All", "journal@archive.example"), keeps_stamps=False, secrets=())
        envelope = from_inside("ann@example.com", "bob@example.com")
        message, passes = mail(), 0
        while message:
            message = server.take(message, envelope)
            passes += bool(message)
        assert passes == HOP_LIMIT - 1
        assert server.hold == Hold(HoldReason.HOP_LIMIT, "Received")


MARKERS = (
    b"X-MS-Journal-Report:\r\n",
    b"X-MS-Exchange-Organization-Journal-Report:\r\n",
    b"Content-Identifer: ExJournalReport\r\n",
    b"Content-Identifier: ExJournalReport\r\n",
    b"X-WM-Journal-Report: 1\r\n",
    b"X-GM-Journal-ID: 1\r\n",
)
PROCESSED = (
    b"X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent\r\n",
    b"X-MS-Exchange-Organization-Processed-By-Gcc-Journaling: Journal Agent\r\n",
    b"X-MS-Exchange-CrossPremises-Processed-By-Journaling: Journal Agent\r\n",
    b"X-Microsoft-Exchange-ProcessedByJournaling: Journal Agent\r\n",
)


@pytest.fixture(
    params=[
        from_anybody("guest@example.net", "bob@example.com"),
        from_inside("mallory@example.com", "bob@example.com"),
    ],
    ids=["a stranger", "an insider with a login"],
)
def attacker(request: pytest.FixtureRequest) -> Envelope:
    """The envelope of somebody who does not want to be journaled."""
    envelope = request.param
    assert isinstance(envelope, Envelope)
    return envelope


class TestForgery:
    """A stranger, and an insider with a login, who want their mail to pass unseen: it is journaled or held all the same."""

    def journaled(self, server: Server, message: bytes, attacker: Envelope) -> bool:
        """Whether a message is in the archive after the server took it."""
        server.archive.contents.clear()
        server.take(message, attacker)
        return [one.original_bytes() for one in server.archive.reports()] == [HOP % b"mx1" + message]

    @pytest.mark.parametrize("marker", MARKERS)
    def test_forged_markers(self, attacker: Envelope, marker: bytes) -> None:
        """A report marker is reported and stops nothing."""
        server = a_server(ALL)
        assert self.journaled(server, marker + mail("mallory@example.com"), attacker)
        assert server.seen == [(LoopReason.REPORT, True)]
        assert server.decision.loops[0].header.encode() == marker.partition(b":")[0]

    @pytest.mark.parametrize("stamp", PROCESSED)
    @pytest.mark.parametrize("options", [{}, {"obey_processed": True}])
    def test_forged_processed_stamps(self, attacker: Envelope, stamp: bytes, options: dict[str, Any]) -> None:
        """Exchange's processed stamp is reported and stops nothing, not even if it is obeyed over a trusted path."""
        server = a_server(ALL, options=options)
        assert self.journaled(server, stamp + mail("mallory@example.com"), attacker)
        assert server.seen == [(LoopReason.PROCESSED, True)]

    @pytest.mark.parametrize(
        "field",
        [
            b"X-ExJournal-Stamp: v=2; s=" + b"A" * 43 + b"; t=" + b"A" * 96 + b"\r\n",
            b"X-ExJournal-Stamp: v=2\r\n",
            b"X-ExJournal-Stamp:\r\n",
            b"X-ExJournal-Seal: v=2; s=" + b"A" * 43 + b"\r\n",
            b"X-ExJournal-Seal: yes\r\n",
        ],
    )
    def test_invented_stamps_and_seals(self, attacker: Envelope, field: bytes) -> None:
        """A stamp or seal that no secret verifies is reported as one that anybody could have written."""
        server = a_server(ALL)
        assert self.journaled(server, field + mail("mallory@example.com"), attacker)
        assert [forgeable for _, forgeable in server.seen] == [True]

    def test_a_stamp_by_another_secret(self, attacker: Envelope) -> None:
        """Who stamps with a secret of his own has stamped nothing."""
        own = a_server(ALL, secrets=[GUESSED_SECRET])
        stamped = own.take(mail("mallory@example.com"), attacker)
        server = a_server(ALL)
        assert self.journaled(server, stamped, attacker)
        assert server.seen == [(LoopReason.STAMP, True)]

    def test_a_copied_stamp(self, attacker: Envelope) -> None:
        """A stamp that was copied from another message is worth nothing on this one."""
        server = a_server(ALL)
        harmless = mail("mallory@example.com", text="Lunch?")
        stamp = server.take(harmless, attacker).removesuffix(HOP % b"mx1" + harmless)
        assert stamp.startswith(b"X-ExJournal-Stamp:")
        assert self.journaled(server, stamp + mail("mallory@example.com", text="The plans."), attacker)
        assert server.seen == [(LoopReason.STAMP, True)]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"Lunch?", b"The plans."),
            (b"Subject: Story", b"Subject: The plans"),
            (b"Subject: Story", b"Subject: Story\r\nSubject: The plans"),
            (b"To: bob@example.com", b"To: bob@example.com\r\nCc: spy@example.net"),
            (b"Lunch?", b"Lunch?\r\n\r\nThe plans."),
            (b'charset="utf-8"', b'charset="utf-7"'),
            (b"Content-Type: text/plain", b"Content-Type: text/html"),
            (b"\r\n\r\nLunch?", b"\r\nThe plans are these.\r\nAnd these.\r\n\r\nLunch?"),
            (b"\r\n\r\nLunch?", b"\r\nX-Note: 1\r\rThe plans.\r\n\r\nLunch?"),
            (b"\r\n\r\nLunch?", b"\r\nX-Note: 1\rSubject: The plans\r\n\r\nLunch?"),
        ],
        ids=[
            "text",
            "subject",
            "second subject",
            "Cc",
            "more text",
            "charset",
            "type",
            "text among the fields",
            "bare CR that ends the header",
            "bare CR before a field",
        ],
    )
    def test_a_stamped_message_that_says_something_else(self, attacker: Envelope, old: bytes, new: bytes) -> None:
        """A message that bears its own true stamp, and was made to show something else since, is journaled again."""
        server = a_server(ALL)
        stamped = server.take(mail("mallory@example.com", text="Lunch?"), attacker)
        changed = stamped.replace(old, new, 1)
        assert changed != stamped
        assert self.journaled(server, changed, attacker)
        assert server.seen == [(LoopReason.STAMP, True)]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"Lunch?", b"The plans."),
            (b"\r\n\r\nLunch?", b"\r\nThe plans are these.\r\nAnd these.\r\n\r\nLunch?"),
            (b"\r\n--edge--", b"\r\n--edge\r\n\r\nThe plans.\r\n--edge--"),
            (b"\r\n--edge--", b"\r\n--edge--\r\nThe plans."),
            (b"\r\n\r\n--edge", b"\r\n\r\nThe plans.\r\n--edge"),
        ],
        ids=["text", "text among the fields of a part", "another part", "epilogue", "preamble"],
    )
    def test_a_stamped_message_with_parts_that_says_something_else(
        self, attacker: Envelope, old: bytes, new: bytes
    ) -> None:
        """The same holds for text in the parts of a message, before them and after them."""
        server = a_server(ALL)
        message = (
            b"From: mallory@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=edge\r\n\r\n"
            b"--edge\r\nContent-Type: text/plain\r\n\r\nLunch?\r\n--edge--\r\n"
        )
        stamped = server.take(message, attacker)
        changed = stamped.replace(old, new, 1)
        assert changed != stamped
        assert self.journaled(server, changed, attacker)

    def test_a_stamped_message_with_text_after_a_soft_line_end(self, attacker: Envelope) -> None:
        """Text after a soft line end with a bare CR is skipped by some decoders of quoted-printable, and read by others."""
        server = a_server(ALL)
        message = (
            b"From: mallory@example.com\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nLunch=\r\n or dinner?\r\n"
        )
        stamped = server.take(message, attacker)
        assert self.journaled(server, stamped.replace(b"Lunch=\r\n", b"Lunch=\r The plans.\r\n"), attacker)

    def test_a_stamped_message_to_more_people(self, attacker: Envelope) -> None:
        """A message with its own true stamp that is sent to one more recipient is journaled with that one."""
        server = a_server(ALL)
        stamped = server.take(mail("mallory@example.com"), attacker)
        more = Envelope(
            attacker.sender, [*attacker.recipients, "spy@example.net"], authenticated=attacker.authenticated
        )
        assert self.journaled(server, stamped, more)
        assert server.seen == [(LoopReason.STAMP, False)]

    def test_a_copied_seal(self, attacker: Envelope) -> None:
        """The seal of a report is worth nothing on a message of one's own, also with the markers of the report."""
        server = a_server(ALL)
        server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
        (report,) = server.archive.contents[ALL.journal_to]
        seal = report[: report.index(b"\r\n") + 2]
        assert seal.startswith(b"X-ExJournal-Seal:")
        assert self.journaled(server, seal + mail("mallory@example.com"), attacker)
        assert server.seen == [(LoopReason.SEAL, True)]
        assert self.journaled(server, seal + b"".join(MARKERS) + mail("mallory@example.com"), attacker)
        assert server.seen == [(LoopReason.REPORT, True), (LoopReason.SEAL, True)]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"Hello.", b"The plans."),
            (b"\r\n\r\n--_", b"\r\nThe plans are these.\r\nAnd these.\r\n\r\n--_"),
            (b"Content-Type: message/rfc822\r\n", b"Content-Type: message/rfc822\r\nThe plans are these.\r\n"),
            (b"Content-Transfer-Encoding: 7bit\r\n", b"Content-Transfer-Encoding: 7bit\r\nThe plans are these.\r\n"),
        ],
        ids=["original", "outer header", "header of the original", "header of the report text"],
    )
    def test_a_sealed_report_that_says_something_else(self, attacker: Envelope, old: bytes, new: bytes) -> None:
        """A report with its own true seal, in which anything was written since, is neither proof nor passed over."""
        server = a_server(ALL)
        server.take(mail(), from_inside("ann@example.com", "bob@example.com"))
        (report,) = server.archive.contents[ALL.journal_to]
        changed = report.replace(old, new, 1)
        assert changed != report
        assert verify_seal(changed, secrets=[SECRET]) is Seal.INVALID
        server.archive.contents.clear()
        server.take(changed, attacker)
        assert len(server.archive.contents) == 1
        assert server.seen == [(LoopReason.REPORT, True), (LoopReason.SEAL, True)]

    def test_a_hundred_received_lines(self, attacker: Envelope) -> None:
        """A message that claims to have passed a hundred servers is held, and never passed on unjournaled."""
        server = a_server(ALL)
        assert server.take(b"Received: from nowhere\r\n" * 100 + mail("mallory@example.com"), attacker) == b""
        assert server.hold is not None
        assert server.hold.reason is HoldReason.HOP_LIMIT
        assert server.seen == [(LoopReason.HOP_LIMIT, True)]

    def test_reports_inside_one_another(self, attacker: Envelope) -> None:
        """Forged reports inside one another are held at the limit."""
        message = mail("mallory@example.com")
        for number in range(REPORT_NESTING_LIMIT):
            edge = b"edge%d" % number
            message = (
                b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n"
                b"Content-Type: message/rfc822\r\n\r\n%b\r\n--%b--\r\n" % (edge, edge, message, edge)
            )
        server = a_server(ALL)
        assert server.take(message, attacker) == b""
        assert server.hold is not None
        assert server.hold.reason is HoldReason.NESTING_LIMIT
        assert server.seen == [(LoopReason.NESTING_LIMIT, True), (LoopReason.REPORT, True)]

    @pytest.mark.parametrize(
        "field",
        [
            b"Content-Class: urn:content-classes:dsn\r\n",
            b"Content-Class: urn:content-classes:mdn\r\n",
            b"Content-Class: voice\r\n",
            b"Content-Class: missedcall\r\n",
        ],
    )
    def test_a_claim_to_be_of_a_kind_that_is_not_journaled(self, attacker: Envelope, field: bytes) -> None:
        """Who claims to be a delivery report, a receipt or voice mail is journaled, also where these are left out."""
        rule = JournalRule("All", "journal@archive.example", format=ReportFormat.MESSAGE_ONLY)
        server = a_server(rule, voice_mail=False)
        message = field + mail("mallory@example.com")
        server.take(message, attacker)
        assert server.archive.contents == {"journal@archive.example": [HOP % b"mx1" + message]}

    def test_all_of_it_at_once(self, attacker: Envelope) -> None:
        """Everything that can be forged in one message is reported, the strongest first, and the message is journaled."""
        forged = b"".join([*MARKERS, *PROCESSED, b"X-ExJournal-Stamp: x\r\n", b"X-ExJournal-Seal: x\r\n"])
        server = a_server(ALL)
        assert self.journaled(server, forged + mail("mallory@example.com"), attacker)
        assert {forgeable for _, forgeable in server.seen} == {True}
        assert {reason for reason, _ in server.seen} == {
            LoopReason.REPORT,
            LoopReason.SEAL,
            LoopReason.STAMP,
            LoopReason.PROCESSED,
        }

    def test_the_header_firewall(self, attacker: Envelope) -> None:
        """A border server removes the fields that only our own servers write, so that they cannot deceive servers inside."""
        forged = b"".join([*PROCESSED[:3], b"X-ExJournal-Stamp: x\r\n", b"X-ExJournal-Seal: x\r\n"])
        server = a_server(ALL, firewall=True)
        message = mail("mallory@example.com")
        left = server.take(forged + message, attacker)
        (report,) = server.archive.reports()
        assert report.original_bytes() == HOP % b"mx1" + message
        assert server.seen == []
        assert matching_headers(left, ORGANIZATION_HEADERS) == ("X-ExJournal-Stamp",)

    def test_an_audit(self, attacker: Envelope) -> None:
        """An auditor who asks later gets the same answer from `decide`: the rule, its reason, and the forged signs."""
        server = a_server(ALL)
        message = MARKERS[0] + mail("mallory@example.com")
        server.take(message, attacker)
        decision = decide(HOP % b"mx1" + message, attacker, server.agent.rules, secrets=[SECRET])
        assert decision.to_dict() == server.decision.to_dict()
        assert [str(one) for one in decision.explain()] == [
            "All: asks for a report to journal@archive.example: the rule is for everyone"
        ]
