"""The stamp: which reports it records, that it counts on its message only, and that it shows nothing without the secret."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    DefectCode,
    Envelope,
    HoldReason,
    JournalAgent,
    JournalRule,
    Organization,
    Outcome,
    ParseError,
    Recipient,
    RuleSet,
    decide,
    detect_loop,
    strip_headers,
)
from exjournal.journaling.explanations import Reason
from exjournal.journaling.loops import LoopReason
from exjournal.journaling.stamps import Journaled, Stamps, stamp_value, verified_stamps
from exjournal.limits import FIELD_LIMIT, HEADER_LIMIT, TAG_LIMIT
from exjournal.reports.seals import digest_of
from strategies import DATE, ORIGINAL
from test_laws import steps

SECRET = b"the first secret"
OTHER = b"another secret of the same house"
NAME = b"X-ExJournal-Stamp"
USERS = ("alice@example.com", "")
ONE = Journaled("journal@example.com", "ann@example.com", USERS, ("bob@example.net", "carol@example.org"))


def stamped_with(*reports: Journaled, message: bytes = ORIGINAL, secret: bytes = SECRET) -> bytes:
    """The stamp for some reports on a message, as bytes."""
    return stamp_value(digest_of(message), reports, secret).encode()


def read(*values: bytes, message: bytes = ORIGINAL, secrets: Iterable[bytes] = (SECRET,)) -> Stamps:
    """The stamps on a message that the secrets verify."""
    return verified_stamps(message, values, tuple(secrets))


def tags_of(value: bytes) -> list[bytes]:
    """The tags of a stamp, in order."""
    text = re.sub(rb"\s", b"", value.partition(b"t=")[2])
    return [text[start : start + 12] for start in range(0, len(text), 12)]


def many(count: int, journal_to: str = "journal@example.com") -> Journaled:
    """A report with `count` recipients."""
    return Journaled(
        journal_to, "ann@example.com", ("",), tuple([f"user{number}@example.net" for number in range(count)])
    )


class TestTags:
    """The records of reports in a stamp."""

    def test_the_report(self) -> None:
        """The same report is recognized, in any order of its users and recipients."""
        stamps = read(stamped_with(ONE))
        assert stamps.hold_report(ONE)
        assert stamps.hold_report(ONE._replace(users=USERS[::-1], recipients=ONE.recipients[::-1]))
        assert stamps.hold_report(ONE._replace(recipients=ONE.recipients * 2))

    @pytest.mark.parametrize(
        "other",
        [
            ONE._replace(journal_to="journal2@example.com"),
            ONE._replace(users=("alice@example.com",)),
            ONE._replace(users=(*USERS, "dave@example.com")),
            ONE._replace(users=()),
            ONE._replace(recipients=ONE.recipients[:1]),
            ONE._replace(recipients=(*ONE.recipients, "dave@example.com")),
            ONE._replace(users=ONE.recipients, recipients=USERS),
            ONE._replace(recipients=("bob@example.net\0list@example.org\0", "carol@example.org")),
        ],
        ids=range(8),
    )
    def test_other_reports(self, other: Journaled) -> None:
        """A report to another mailbox, for other users or with other recipients is another report."""
        assert not read(stamped_with(ONE)).hold_report(other)

    def test_users(self) -> None:
        """The users of a report are recorded for its journal mailbox, each and all, and no other user is."""
        stamps = read(stamped_with(ONE))
        for users in (USERS, USERS[:1], USERS[1:], ()):
            assert stamps.hold_users(ONE._replace(users=users))
        for users in (("bob@example.net",), (*USERS, "dave@example.com")):
            assert not stamps.hold_users(ONE._replace(users=users))
        assert not stamps.hold_users(ONE._replace(journal_to="journal2@example.com"))

    def test_recipients(self) -> None:
        """Recipients that no report to the mailbox listed are missing."""
        stamps = read(stamped_with(ONE))
        assert stamps.missing(ONE) == frozenset()
        assert stamps.missing(ONE._replace(recipients=("bob@example.net", "dave@example.com"))) == {"dave@example.com"}
        assert stamps.missing(ONE._replace(recipients=USERS)) == set(USERS)
        assert stamps.missing(ONE._replace(journal_to="journal2@example.com")) == set(ONE.recipients)

    def test_without_a_stamp(self) -> None:
        """If no stamp is verified, nothing counts as journaled."""
        for stamps in (Stamps(), read(), read(stamped_with(ONE), secrets=())):
            assert not stamps.hold_report(ONE)
            assert not stamps.hold_users(ONE)
            assert stamps.missing(ONE) == set(ONE.recipients)

    def test_several_reports(self) -> None:
        """A stamp for reports to several mailboxes keeps them apart."""
        other = Journaled("journal2@example.com", "ann@example.com", ("carol@example.org",), ("dave@example.com",))
        stamps = read(stamped_with(ONE, other))
        assert stamps.hold_report(ONE)
        assert stamps.hold_report(other)
        assert stamps.missing(ONE._replace(recipients=("dave@example.com",))) == {"dave@example.com"}
        assert not stamps.hold_users(ONE._replace(users=("carol@example.org",)))

    def test_order(self) -> None:
        """The stamp does not depend on the order of reports, users and recipients."""
        other = Journaled("a@example.com", "ann@example.com", ("b", "a"), ("d@example.com", "c@example.com"))
        turned = Journaled("a@example.com", "ann@example.com", ("a", "b"), ("c@example.com", "d@example.com"))
        assert stamped_with(ONE, other) == stamped_with(turned, ONE._replace(recipients=ONE.recipients[::-1]))

    def test_two_stamps_add_up(self) -> None:
        """Two stamps on one message, of one secret or of two, count together."""
        first = ONE._replace(recipients=ONE.recipients[:1])
        second = ONE._replace(recipients=ONE.recipients[1:])
        for secret in (SECRET, OTHER):
            stamps = read(stamped_with(first), stamped_with(second, secret=secret), secrets=(SECRET, OTHER))
            assert stamps.missing(ONE) == frozenset()
            assert stamps.hold_users(ONE)
            assert stamps.hold_report(first)
            assert stamps.hold_report(second)
            assert not stamps.hold_report(ONE)

    @pytest.mark.parametrize("count", [TAG_LIMIT - 2, TAG_LIMIT - 1])
    def test_more_than_the_limit(self, count: int) -> None:
        """A stamp of more tags than the limit records entire reports only, so that a changed one is made again."""
        one = many(count)
        fits = count == TAG_LIMIT - 2
        value = stamped_with(one)
        assert len(tags_of(value)) == (TAG_LIMIT if fits else 8)
        stamps = read(value)
        assert stamps.hold_report(one)
        assert stamps.hold_users(one) is fits
        assert len(stamps.missing(one)) == (0 if fits else count)

    def test_more_reports_than_the_limit(self) -> None:
        """Reports beyond the limit are not recorded."""
        reports = [
            Journaled(f"j{number:05}@example.com", "ann@example.com", ("",), ("bob@example.net",))
            for number in range(TAG_LIMIT + 1)
        ]
        value = stamped_with(*reports)
        assert len(tags_of(value)) == TAG_LIMIT
        stamps = read(value)
        assert stamps.hold_report(reports[0])
        assert stamps.hold_report(reports[TAG_LIMIT - 1])
        assert not stamps.hold_report(reports[TAG_LIMIT])
        assert len(value) < HEADER_LIMIT // 4


class TestSeal:
    """A stamp counts on its own message only, and only unchanged."""

    def test_of_another_message(self) -> None:
        """On another message a copied stamp is worthless."""
        value = stamped_with(ONE)
        for message in (
            ORIGINAL + b".",
            ORIGINAL.replace(b"Hello", b"Hallo"),
            b"Cc: x@example.com\r\n" + ORIGINAL,
            b"",
        ):
            assert read(value, message=message) == Stamps()
        assert read(value, message=b"Received: x\r\n" + ORIGINAL.replace(b"\r\n", b"\n")) == read(value)

    def test_of_another_secret(self) -> None:
        """Any of the secrets verifies a stamp, and no other secret does."""
        value = stamped_with(ONE, secret=OTHER)
        assert read(value, secrets=(SECRET, OTHER)).hold_report(ONE)
        assert read(value, secrets=(OTHER, SECRET)).hold_report(ONE)
        assert read(value) == Stamps()

    def test_tampered(self) -> None:
        """No letter of a stamp can be changed, removed or added, except for the spaces of its folds."""
        value = b"".join(stamped_with(ONE).split())
        seal_end = value.index(b";t=")
        for place in range(len(value)):
            if place == seal_end - 1:
                continue  # the last letter of the seal has two unused bits
            letter = b"A" if value[place : place + 1] != b"A" else b"B"
            before, after = value[:place], value[place + 1 :]
            for changed in (before + letter + after, before + after, before + letter + value[place:]):
                assert read(changed) == Stamps(), place

    @pytest.mark.parametrize("cut", [0, 1, 12])
    def test_taken_apart(self, cut: int) -> None:
        """A tag of another stamp on the same message cannot be added to a stamp, and none can be removed."""
        first, second = (b"".join(stamped_with(ONE._replace(recipients=(one,))).split()) for one in ONE.recipients)
        assert read(first[:-12] + second[-12:]) == Stamps() or first[-12:] == second[-12:]
        assert read(first + second[-12:]) == Stamps()
        head = first[: first.index(b"t=") + 2]
        assert read(head + first[len(head) + 12 :]) == Stamps()
        assert read(head + second[len(head) :]) == Stamps()
        assert read(first[: len(first) - cut]).hold_report(ONE._replace(recipients=ONE.recipients[:1])) is (cut == 0)

    @pytest.mark.parametrize("end", [b"", b"\r\n\t", b"\n ", b" \t "], ids=repr)
    def test_refolded(self, end: bytes) -> None:
        """Folds and spaces do not matter."""
        value = b"".join(stamped_with(ONE).split())
        pieces = [value[start : start + 7] for start in range(0, len(value), 7)]
        assert read(b" " + end.join(pieces) + b"\r\n").hold_report(ONE)

    @pytest.mark.slow
    @given(
        st.lists(st.binary(max_size=80) | st.from_regex(rb"v=2;s=[A-Za-z0-9_-]{43};t=[A-Za-z0-9_-]{0,48}"), max_size=5)
    )
    def test_total(self, values: list[bytes]) -> None:
        """Any other value of the field is not a stamp."""
        assert read(*values) == Stamps()
        assert read(*values, stamped_with(ONE)).hold_report(ONE)

    def test_a_seal_is_not_a_stamp(self) -> None:
        """Neither the seal of a report nor a tag can seal a stamp."""
        value = b"".join(stamped_with(ONE).split())
        report_seal = re.compile(rb"s=([^;]*);")
        seal = report_seal.search(value)
        assert seal is not None
        for text in (
            b"v=2;s=" + seal[1] + b";t=",
            b"v=2;s=" + seal[1] + b";t=" + seal[1][:36],
            b"v=2;s=" + seal[1],
        ):
            assert read(text) == Stamps()


class TestSecrecy:
    """Without the secret a stamp shows neither addresses nor their number."""

    def test_no_address(self) -> None:
        """A stamp contains no part of an address and nothing of the secret."""
        value = stamped_with(ONE).lower()
        for word in (b"bob", b"carol", b"alice", b"journal@", b"example", SECRET):
            assert word not in value

    def test_other_tags_on_the_next_message(self) -> None:
        """The same report has no tag in common on two messages, or under two secrets."""
        values = [
            stamped_with(ONE),
            stamped_with(ONE, message=ORIGINAL + b"."),
            stamped_with(ONE, secret=OTHER),
        ]
        tags = [tag for value in values for tag in tags_of(value)]
        assert len(set(tags)) == len(tags) == 24

    @pytest.mark.parametrize(("least", "most", "size"), [(1, 6, 8), (7, 14, 16), (15, 30, 32), (1023, 2046, 2048)])
    def test_padding(self, least: int, most: int, size: int) -> None:
        """Stamps for different numbers of recipients have the same size."""
        for count in {least, (least + most) // 2, most}:
            value = stamped_with(many(count))
            assert len(tags_of(value)) == len(set(tags_of(value))) == size
            assert len(value) == len(stamped_with(many(least)))

    def test_no_reports(self) -> None:
        """A stamp without reports has the size of one with a few."""
        assert len(stamped_with()) == len(stamped_with(many(1)))

    def test_order_of_tags(self) -> None:
        """Tags are sorted by their letters, so that their order shows nothing."""
        tags = tags_of(stamped_with(many(100)))
        assert tags == sorted(tags)

    def test_lines(self) -> None:
        """No line of the field is longer than mail allows, and each fold is CRLF and a tab."""
        value = stamp_value(digest_of(ORIGINAL), [many(4000)], SECRET)
        assert max(map(len, value.split("\r\n"))) <= 78
        assert value.isascii()
        assert re.search(r"\r(?!\n)|(?<!\r)\n|\n(?!\t)", value) is None


# A server with rules, and a second one after it


class Hop(NamedTuple):
    """A server with an agent, to be called with a message."""

    agent: JournalAgent

    def __call__(self, message: bytes, *recipients: str | Recipient, sender: str = "alice@example.com") -> Outcome:
        """Process a message to these recipients."""
        return self.agent.process(message, Envelope(sender, recipients), received=DATE)


def a_hop(*rules: JournalRule, secrets: Iterable[bytes] = (SECRET,), only_new: bool = False) -> Hop:
    """A server with these rules, or with one for everyone."""
    organization = Organization(
        ["example.com"],
        groups={"staff@example.com": ["bob@example.com", "carol@example.com"]},
        alternate_mailbox="alt@example.com",
    )
    own = rules or (JournalRule("all", "journal@example.com"),)
    return Hop(JournalAgent(RuleSet(own, organization, only_new=only_new), domain="example.com", secrets=secrets))


def listed(outcome: Outcome) -> list[tuple[str, list[str]]]:
    """The reports of an outcome: journal mailboxes with the recipients that are listed."""
    assert outcome.hold is None
    return [(one.journal_to, [each.address for each in one.envelope.recipients]) for one in outcome.decision.reports]


BOB, CAROL, DAVE = "bob@example.com", "carol@example.com", "dave@example.net"


class TestSecondPass:
    """The reports that a second server makes for a stamped message."""

    def test_the_same_recipients(self) -> None:
        """A message that returns under the same envelope is neither journaled nor stamped again."""
        first = a_hop()(ORIGINAL, BOB, CAROL)
        assert listed(first) == [("journal@example.com", [BOB, CAROL])]
        second = a_hop()(b"Received: by x\r\n" + first.message(), CAROL, BOB)
        assert (listed(second), second.deliveries, second.header_fields) == ([], (), ())
        assert second.message() == b"Received: by x\r\n" + first.message()
        assert [one.reason for one in second.decision.explain()] == [Reason.ALREADY_JOURNALED]
        assert second.decision.loop is not None
        assert (second.decision.loop.reason, second.decision.loop.forgeable) == (LoopReason.STAMP, False)

    @pytest.mark.parametrize("only_new", [False, True])
    def test_a_subset(self, only_new: bool) -> None:
        """Some of the same recipients need no new report."""
        first = a_hop()(ORIGINAL, BOB, CAROL)
        assert listed(a_hop(only_new=only_new)(first.message(), BOB)) == []

    def test_an_added_recipient(self) -> None:
        """With one more recipient the whole report is made again, or with `only_new` one for the new recipient."""
        first = a_hop()(ORIGINAL, BOB, CAROL)
        assert listed(a_hop()(first.message(), BOB, DAVE)) == [("journal@example.com", [BOB, DAVE])]
        assert listed(a_hop(only_new=True)(first.message(), BOB, DAVE)) == [("journal@example.com", [DAVE])]

    def test_other_recipients(self) -> None:
        """Entirely other recipients need a whole report with either option."""
        first = a_hop()(ORIGINAL, BOB)
        for only_new in (False, True):
            assert listed(a_hop(only_new=only_new)(first.message(), CAROL, DAVE)) == [
                ("journal@example.com", [CAROL, DAVE])
            ]

    def test_an_expanded_group(self) -> None:
        """A group that is expanded between two passes is journaled with its members, and not again after that."""
        first = a_hop()(ORIGINAL, "staff@example.com")
        members = [Recipient(one, expanded_from="staff@example.com") for one in (BOB, CAROL)]
        second = a_hop()(first.message(), *members)
        assert listed(second) == [("journal@example.com", [BOB, CAROL])]
        assert listed(a_hop()(second.message(), *members[::-1])) == []
        assert listed(a_hop()(second.message(), BOB)) == [("journal@example.com", [BOB])]  # no longer through the list

    def test_another_user(self) -> None:
        """A message to the same recipients is journaled again if a rule for another user fires."""
        rules = [JournalRule(name, "journal@example.com", recipient=name) for name in (BOB, CAROL)]
        first = a_hop(rules[0])(ORIGINAL, BOB, CAROL)
        assert listed(a_hop(rules[0])(first.message(), BOB, CAROL)) == []
        assert listed(a_hop(*rules)(first.message(), BOB, CAROL)) == [("journal@example.com", [BOB, CAROL])]
        assert listed(a_hop(rules[1])(first.message(), BOB, CAROL)) == [("journal@example.com", [BOB, CAROL])]

    def test_another_sender(self) -> None:
        """A journaled user who sends a stamped message on is another user."""
        rule = JournalRule("database", "journal@example.com", mailboxes=[BOB, CAROL])
        first = a_hop(rule)(ORIGINAL, CAROL)
        assert listed(a_hop(rule)(first.message(), CAROL)) == []
        assert listed(a_hop(rule)(first.message(), CAROL, sender=BOB)) == [("journal@example.com", [CAROL])]

    def test_another_mailbox(self) -> None:
        """A rule with another journal mailbox gets its report, and only that one."""
        both = [JournalRule("one", "journal@example.com"), JournalRule("two", "journal2@example.com")]
        first = a_hop(both[0])(ORIGINAL, BOB)
        assert listed(a_hop(*both)(first.message(), BOB)) == [("journal2@example.com", [BOB])]

    def test_two_stamps_add_up(self) -> None:
        """Reports that two servers made on one message are not made again by a third."""
        first = a_hop()(ORIGINAL, BOB)
        second = a_hop(secrets=(OTHER, SECRET))(first.message(), CAROL)
        assert second.message().lower().count(NAME.lower() + b":") == 2
        assert listed(a_hop(secrets=(SECRET, OTHER))(second.message(), BOB, CAROL)) == []
        assert listed(a_hop()(second.message(), BOB, CAROL)) == [("journal@example.com", [BOB, CAROL])]

    def test_spellings(self) -> None:
        """A recipient in another spelling is the same recipient."""
        first = a_hop()(ORIGINAL, BOB)
        assert listed(a_hop()(first.message(), "BOB@Example.COM")) == []

    def test_without_secrets(self) -> None:
        """Without a secret there is no stamp, and every pass journals the message."""
        first = a_hop(secrets=())(ORIGINAL, BOB)
        assert first.header_fields == ()
        assert listed(a_hop(secrets=())(first.message(), BOB)) == [("journal@example.com", [BOB])]
        assert listed(a_hop(secrets=())(a_hop()(ORIGINAL, BOB).message(), BOB)) == [("journal@example.com", [BOB])]

    def test_rotation(self) -> None:
        """A stamp with the old secret counts while the new one already signs, until the old one is removed."""
        first = a_hop()(ORIGINAL, BOB)
        assert listed(a_hop(secrets=(OTHER, SECRET))(first.message(), BOB)) == []
        assert listed(a_hop(secrets=(OTHER,))(first.message(), BOB)) == [("journal@example.com", [BOB])]

    def test_the_same_stamp_twice(self) -> None:
        """A repeated stamp counts like a single one."""
        first = a_hop()(ORIGINAL, BOB).message()
        stamp = first[: -len(ORIGINAL)]
        assert listed(a_hop()(stamp + first, BOB)) == []
        assert listed(a_hop()(stamp * 3 + first, BOB, CAROL)) == [("journal@example.com", [BOB, CAROL])]

    @pytest.mark.parametrize(
        "before",
        [b"\xef\xbb\xbf", b"From someone\r\n", b"From someone\n"],
        ids=["a mark", "a From line", "a From line and LF"],
    )
    def test_odd_beginnings(self, before: bytes) -> None:
        """A stamp goes after lines that mailbox files put before a message, and counts there."""
        message = before + (ORIGINAL if before[-2:-1] == b"\r" else ORIGINAL.replace(b"\r\n", b"\n"))
        first = a_hop()(message, BOB)
        assert listed(first) == [("journal@example.com", [BOB])]
        assert listed(a_hop()(first.message(), BOB)) == []

    @pytest.mark.parametrize("message", [b"", b"\r\n\r\n" + ORIGINAL, b"\r\nHi.", b"\nHi.", b"X: y"], ids=repr)
    def test_minimal_messages(self, message: bytes) -> None:
        """A message with hardly more than a header, or with a blank line as its header, is recognized by its stamp."""
        first = a_hop()(message, BOB)
        assert listed(first) == [("journal@example.com", [BOB])]
        assert listed(a_hop()(first.message(), BOB)) == []

    @pytest.mark.parametrize("message", [b"no header at all", b"no header\r\n\r\nHi.", b" X: y\r\n\r\nHi."], ids=repr)
    def test_without_a_header(self, message: bytes) -> None:
        """A text with neither a header nor a blank line as its header bears no stamp, and every pass journals it."""
        first = a_hop()(message, BOB)
        assert listed(first) == [("journal@example.com", [BOB])]
        assert (first.header_fields, first.message()) == ((), message)
        assert listed(a_hop()(first.message(), BOB)) == [("journal@example.com", [BOB])]

    @pytest.mark.parametrize(
        "change",
        [
            lambda message: message.replace(b"edge", b"other"),
            lambda message: message.replace(b"8bit\r\n\r\nHello.", b"base64\r\n\r\nSGVsbG8u"),
            lambda message: message.replace(b"Content-Transfer-Encoding: 8bit\r\n", b""),
            lambda message: message.replace(b"text/plain; ", b"text/plain;\r\n\t"),
            lambda message: b"\xef\xbb\xbf" + message,
            lambda message: message.replace(b"MIME-Version: 1.0\r\n", b""),
            lambda message: message.replace(b"MIME-Version:", b"MIME-Version :"),
        ],
        ids=["a boundary", "base64", "no encoding", "a fold in a part", "a mark", "no MIME version", "a blank"],
    )
    def test_rewritten(self, change: Callable[[bytes], bytes]) -> None:
        """A message that a server has rewritten is journaled again, because readers may see other content."""
        message = (
            b"From: alice@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=edge\r\n\r\n"
            b"--edge\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHello.\r\n"
            b"--edge--\r\n"
        )
        stamped = a_hop()(message, BOB).message()
        assert listed(a_hop()(stamped, BOB)) == []
        assert change(stamped) != stamped
        assert listed(a_hop()(change(stamped), BOB)) == [("journal@example.com", [BOB])]


class TestWho:
    """Inside recipients and senders are equal in any spelling, outside ones only as written."""

    @pytest.mark.parametrize(
        ("one", "other", "is_known"),
        [
            (BOB, "Bob@Example.COM", True),
            (BOB, '"bob"@example.com', True),
            (BOB, "robert@example.com", True),
            (BOB, "bob+tag@example.com", True),
            (BOB, "bob+tag@example.net", False),
            (DAVE, "dave@EXAMPLE.NET", True),
            (DAVE, "Dave@example.net", False),
            (DAVE, '"dave"@example.net', False),
            (DAVE, "dave+tag@example.net", False),
        ],
    )
    @pytest.mark.parametrize("is_sender", [False, True], ids=["recipient", "sender"])
    def test_spellings(self, one: str, other: str, is_known: bool, is_sender: bool) -> None:
        """Another spelling is the same mailbox in our domains, and may be another one outside."""
        aliases, alternate = {BOB: ["robert@example.com"]}, "alt@example.com"
        organization = Organization(["example.com"], aliases=aliases, alternate_mailbox=alternate, subaddresses=True)
        rules = RuleSet([JournalRule("all", "journal@example.com")], organization)
        hop = Hop(JournalAgent(rules, domain="example.com", secrets=[SECRET]))

        def passed(message: bytes, address: str) -> Outcome:
            return hop(message, CAROL, sender=address) if is_sender else hop(message, address)

        first = passed(ORIGINAL, one)
        assert len(listed(first)) == 1
        assert len(listed(passed(first.message(), other))) == (0 if is_known else 1)

    def test_another_mail_from(self) -> None:
        """The same message is journaled again under another MAIL FROM, the null sender included."""
        first = a_hop()(ORIGINAL, BOB)
        for sender in ("carol@example.com", DAVE, ""):
            assert listed(a_hop()(first.message(), BOB, sender=sender)) == [("journal@example.com", [BOB])]


class TestForgery:
    """Stamps that are made or copied without the secret never keep a message from being journaled."""

    STAMPED = a_hop()(ORIGINAL, BOB, CAROL).message()

    def test_a_thousand_before_the_true_one(self) -> None:
        """Hundreds of forged stamps before the true one do not hide it; more than the limit hold the message."""
        forged = NAME + b": v=2; s=" + b"A" * 43 + b"; t=" + b"B" * 96 + b"\r\n"
        assert listed(a_hop()(forged * 900 + self.STAMPED, BOB)) == []
        assert listed(a_hop()(forged * 900 + ORIGINAL, BOB)) == [("journal@example.com", [BOB])]
        outcome = a_hop()(forged * (FIELD_LIMIT + 1) + self.STAMPED, BOB)
        assert outcome.hold is not None
        assert outcome.hold.reason is HoldReason.HEADER_TOO_LARGE
        assert outcome.deliveries == ()

    @pytest.mark.parametrize(
        "change",
        [
            lambda message: message + b"A text more.\r\n",
            lambda message: message.replace(b"Subject: Hello", b"Subject: Hallo"),
            lambda message: b"From: mallory@example.net\r\n" + message,
            lambda message: b"Content-Type: text/html\r\n" + message,
            lambda message: message.replace(b"\r\n\r\n", b"\r\nA text where fields are.\r\n\r\n"),
            lambda message: message.replace(b"\r\n\r\n", b"\r\nA text: with a colon.\r\n\r\n"),
            lambda message: message.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"),
        ],
        ids=["a text", "a subject", "an author", "a type", "a line", "a line with a colon", "an encoding"],
    )
    def test_a_changed_message(self, change: Callable[[bytes], bytes]) -> None:
        """A stamped message with changed content is journaled, and the stamp is reported as forgeable."""
        message = change(self.STAMPED)
        outcome = a_hop()(message, BOB)
        assert listed(outcome) == [("journal@example.com", [BOB])]
        loop = detect_loop(message, secrets=[SECRET])
        assert loop is not None
        assert (loop.reason, loop.header, loop.forgeable) == (LoopReason.STAMP, "X-ExJournal-Stamp", True)

    def test_a_hidden_part(self) -> None:
        """A text cannot be added under the stamp of a harmless message."""
        head = b"From: mallory@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        for harmless, secret in (
            (b"--b\r\nharmless\r\n\r\nHi.\r\n--b--\r\n", b"--b\r\nThe secret.\r\n\r\nHi.\r\n--b--\r\n"),
            (
                b"--b\r\nX: y\r\nContent: The secret.\r\nPart:\r\nX: y\r\n\r\nHi.\r\n--b--\r\n",
                b"--b\r\nX: y\r\n\r\nThe secret.\r\n--b\r\nX: y\r\n\r\nHi.\r\n--b--\r\n",
            ),
        ):
            first = a_hop()(head + harmless, DAVE, sender="mallory@example.com")
            message = first.message().replace(harmless, secret)
            assert message != first.message()
            assert listed(a_hop()(message, DAVE, sender="mallory@example.com")) == [("journal@example.com", [DAVE])]

    def test_a_firewall(self) -> None:
        """A header firewall removes stamps at the border, and a message that comes in again is journaled again."""
        assert strip_headers(self.STAMPED, ["X-ExJournal-*"]) == ORIGINAL

    def test_copies_of_a_stamp_cost_little(self) -> None:
        """Copies of a true stamp do not multiply the cost of a decision."""
        stamp = self.STAMPED[: -len(ORIGINAL)]
        recipients = [f"user{number}@example.com" for number in range(100)]
        rules = a_hop().agent.rules
        envelope = Envelope("alice@example.com", recipients)

        def decided(count: int) -> None:
            assert len(decide(stamp * count + ORIGINAL, envelope, rules, secrets=[SECRET]).reports) == 1

        assert steps(lambda: decided(200)) <= 3 * steps(lambda: decided(10))

    def test_too_large_for_the_firewall(self) -> None:
        """A header beyond the limits is an error in the firewall, and a hold here."""
        message = NAME + b": x\r\n" + b"X: " + b"y" * HEADER_LIMIT + b"\r\n" + ORIGINAL
        with pytest.raises(ParseError) as caught:
            strip_headers(message, ["X-ExJournal-*"])
        assert caught.value.code is DefectCode.HEADER_TOO_LARGE
        assert a_hop()(message, BOB).hold is not None
