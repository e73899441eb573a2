"""The journaling agent: the values that it refuses, and its deliveries and header fields, byte for byte."""

import base64
import mmap
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    Body,
    Delivery,
    Envelope,
    HoldReason,
    InvalidValue,
    JournalAgent,
    JournalRule,
    Organization,
    Outcome,
    Recipient,
    ReportFormat,
    Role,
    RuleSet,
    Scope,
    Seal,
    build_report,
    decide,
    detect_format,
    detect_loop,
    parse_report,
    report_for,
    strip_headers,
    verify_seal,
)
from exjournal.journaling.header_firewall import matching_headers
from exjournal.journaling.loops import LoopReason
from exjournal.limits import HEADER_LIMIT, HOP_LIMIT, REPORT_NESTING_LIMIT, TAG_LIMIT
from strategies import DATE, DATES, HEAVY, any_bytes, copies, envelopes, message_like, originals

SECRET = b"a secret of the tests"
OTHER_SECRET = b"another secret of the tests"
ALTERNATE = "undeliverable@example.com"
JOURNAL = "journal@archive.example"
STAMP = "X-ExJournal-Stamp"
PROCESSED = "X-MS-Exchange-Organization-Processed-By-Journaling"

ORGANIZATION = Organization(["example.com"], alternate_mailbox=ALTERNATE)
HEADER = b"From: ann@example.com\r\nTo: bob@example.net\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n"
MESSAGE = HEADER + b"\r\nHi.\r\n"
ENVELOPE = Envelope("ann@example.com", ["bob@example.net", "carol@example.org"], authenticated=True)


def a_rule(number: int = 0, **options: Any) -> JournalRule:
    """A rule for everyone, with a name and a journal mailbox of its own."""
    return JournalRule(f"Rule {number}", f"journal{number or ''}@archive.example", **options)


def an_agent(*rules: JournalRule, organization: Organization = ORGANIZATION, **options: Any) -> JournalAgent:
    """An agent with these rules, or with one for everyone; the options replace default values."""
    values: dict[str, Any] = {"domain": "example.com", "secrets": [SECRET]}
    return JournalAgent(RuleSet(rules or [a_rule()], organization), **(values | options))


def processed(message: bytes = MESSAGE, envelope: Envelope = ENVELOPE, **options: Any) -> Outcome:
    """The outcome for a message at a fixed time."""
    return an_agent(*options.pop("rules", ()), **options).process(message, envelope, received=DATE)


def delivered(message: bytes = MESSAGE, envelope: Envelope = ENVELOPE, **options: Any) -> Delivery:
    """The one delivery for a message."""
    (delivery,) = processed(message, envelope, **options).deliveries
    return delivery


def values_of(outcome: Outcome) -> tuple[object, ...]:
    """Everything in an outcome, as values that can be compared."""
    return (
        outcome.decision.to_dict(),
        outcome.decision.journaled(),
        outcome.deliveries,
        outcome.header_fields,
        outcome.hold,
        outcome.message(),
    )


def has_place_for_fields(message: bytes) -> bool:
    """Whether a message begins with a field or a blank line, perhaps after a byte order mark or a From line."""
    mark = b"\xef\xbb\xbf"
    match = re.match(rb"(?:From (?![ \t]*:)[^\n]*(?:\n|\Z))?(?:\Z|\r?\n|[!-9;-~]+[ \t]*:)", message.removeprefix(mark))
    return match is not None


def without_stamp(message: bytes) -> bytes:
    """A message after a header firewall for our own fields."""
    return strip_headers(message, ["X-ExJournal-*"])


def coded(data: bytes) -> bytes:
    """Bytes as base64 in lines of 76, each with its CRLF."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


class TestConstructor:
    """The arguments of an agent."""

    @pytest.mark.parametrize(
        ("field", "options"),
        [
            ("domain", {"domain": None}),
            ("domain", {"domain": b"example.com"}),
            ("domain", {"domain": ""}),
            ("domain", {"domain": "example..com"}),
            ("domain", {"domain": "caf\u00e9.example"}),
            ("domain", {"domain": "ann@example.com"}),
            ("domain", {"domain": "example.com\r\nX: y"}),
            ("domain", {"domain": "a." * 200 + "example"}),
            ("secrets", {"secrets": SECRET}),
            ("secrets", {"secrets": "a secret of the tests"}),
            ("secrets", {"secrets": ["a secret of the tests"]}),
            ("secrets", {"secrets": [SECRET, b"too short"]}),
            ("secrets", {"secrets": [bytearray(SECRET)]}),
            ("secrets", {"secrets": None}),
            ("size_limit", {"size_limit": 0}),
            ("size_limit", {"size_limit": -1}),
            ("size_limit", {"size_limit": True}),
            ("size_limit", {"size_limit": 1.5}),
            ("size_limit", {"size_limit": "10 MB"}),
        ],
    )
    def test_errors(self, field: str, options: dict[str, Any]) -> None:
        """An invalid argument is refused, and the error names it."""
        with pytest.raises(InvalidValue) as caught:
            an_agent(**options)
        assert caught.value.field == field

    @pytest.mark.parametrize("rules", [None, "rules", [a_rule()], ORGANIZATION])
    def test_rules(self, rules: Any) -> None:
        """The rules must be a RuleSet."""
        with pytest.raises(InvalidValue) as caught:
            JournalAgent(rules, domain="example.com")
        assert caught.value.field == "rules"

    def test_without_an_alternate_mailbox(self) -> None:
        """Without an alternate mailbox the caller must promise to hold undeliverable reports."""
        with pytest.raises(InvalidValue) as caught:
            an_agent(organization=Organization(["example.com"]))
        assert caught.value.field == "hold_undeliverable"
        assert an_agent(organization=Organization(["example.com"]), hold_undeliverable=True).hold_undeliverable

    def test_no_error_shows_a_secret(self) -> None:
        """Neither an error nor a representation contains a secret."""
        with pytest.raises(InvalidValue) as caught:
            an_agent(secrets=[b"short secret"])
        assert "short secret" not in str(caught.value)
        assert "of the tests" not in repr(an_agent())
        assert "of the tests" not in repr(processed())

    def test_secrets_are_read_once(self) -> None:
        """Secrets may come from an iterator, and the agent keeps them in order."""
        agent = an_agent(secrets=iter([SECRET, OTHER_SECRET]))
        assert agent.secrets == (SECRET, OTHER_SECRET)
        assert agent.process(MESSAGE, ENVELOPE, received=DATE).deliveries

    def test_representations(self) -> None:
        """A representation, which may go to a log, has nothing of the content of a message."""
        outcome = processed()
        assert repr(an_agent()) == "<JournalAgent of example.com: 1 rules, 1 secrets>"
        assert repr(outcome) == "<Outcome: 1 deliveries>"
        assert repr(processed(b"Received: x\r\n" * HOP_LIMIT + MESSAGE)) == "<Outcome: 0 deliveries, hold: hop-limit>"
        assert repr(outcome.deliveries[0]).startswith(f"<Delivery to {JOURNAL}: ")
        assert "Hello" not in repr(outcome.deliveries[0])


class TestDeliveries:
    """The envelopes and the contents of the reports."""

    def test_the_envelope(self) -> None:
        """A report is sent from the alternate mailbox to the journal mailbox."""
        delivery = delivered()
        assert (delivery.mail_from, delivery.rcpt_to) == (ALTERNATE, JOURNAL)

    def test_the_null_sender(self) -> None:
        """Without an alternate mailbox, a caller that holds undeliverable reports sends them from the null sender."""
        delivery = delivered(organization=Organization(["example.com"]), hold_undeliverable=True)
        assert (delivery.mail_from, delivery.rcpt_to) == ("", JOURNAL)

    def test_both(self) -> None:
        """If there is an alternate mailbox, it is the sender, also for a caller that holds undeliverable reports."""
        assert delivered(hold_undeliverable=True).mail_from == ALTERNATE

    def test_one_for_each_journal_mailbox(self) -> None:
        """Each journal mailbox gets one delivery, in order, however many rules name it."""
        rules = [
            JournalRule("Everyone", "z@archive.example"),
            JournalRule("Ann", "a@archive.example", recipient="ann@example.com"),
            JournalRule("Bob", "A@Archive.example", recipient="bob@example.net"),
            JournalRule("Outside", "m@archive.example", scope=Scope.EXTERNAL),
            JournalRule("Off", "off@archive.example", enabled=False),
            JournalRule("Eve", "eve@archive.example", recipient="eve@example.com"),
        ]
        outcome = processed(rules=rules)
        assert [one.rcpt_to.lower() for one in outcome.deliveries] == [
            "a@archive.example",
            "m@archive.example",
            "z@archive.example",
        ]
        assert len({one.content for one in outcome.deliveries}) == 1
        for one in outcome.deliveries:
            assert [recipient.address for recipient in parse_report(one.content).report.recipients] == [
                "bob@example.net",
                "carol@example.org",
            ]

    def test_forks(self) -> None:
        """Forks of a mixed message are reported one by one, under the Message-ID of the original, and neither of them twice."""
        organization = Organization(["example.com"], alternate_mailbox=ALTERNATE)
        rules = RuleSet([a_rule()], organization, fork_mixed=True)
        agent = JournalAgent(rules, domain="example.com", secrets=[SECRET])
        envelope = Envelope("ann@example.com", ["bob@example.com", "carol@example.org"], authenticated=True)
        outcome = agent.process(MESSAGE, envelope, received=DATE)
        parsed = [parse_report(one.content) for one in outcome.deliveries]
        assert sorted(one.report.recipients[0].address for one in parsed) == ["bob@example.com", "carol@example.org"]
        assert {one.report.message_id for one in parsed} == {"<1@example.com>"}
        assert len({one.report_id for one in parsed}) == 2
        assert not agent.process(outcome.message(), envelope, received=DATE).deliveries
        for recipient in envelope.recipients:
            fork = Envelope("ann@example.com", [recipient], authenticated=True)
            assert not agent.process(outcome.message(), fork, received=DATE).deliveries

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    def test_reports(self, format: ReportFormat) -> None:
        """A report has the facts of the message and its envelope, and the message byte for byte."""
        envelope = Envelope(
            "ann@example.com",
            [
                "bob@example.net",
                Recipient("dave@example.com", expanded_from="staff@example.com"),
                Recipient("eve@example.com", forwarded_from="frank@example.com"),
            ],
            authenticated=True,
        )
        content = delivered(MESSAGE, envelope, rules=[a_rule(format=format)]).content
        parsed = parse_report(content, format=format)
        assert detect_format(content) is format
        assert parsed.defects == ()
        assert parsed.original_bytes() == MESSAGE
        assert (parsed.report.sender, parsed.report.message_id) == ("ann@example.com", "<1@example.com>")
        assert parsed.report.envelope_sender == "ann@example.com"
        assert [one.address for one in parsed.report.recipients] == [
            "bob@example.net",
            "dave@example.com",
            "eve@example.com",
        ]
        if format is ReportFormat.ENVELOPE:
            assert parsed.report == report_for(MESSAGE, envelope)
            assert parsed.report.recipients[0].role is Role.TO
            assert parsed.report.recipients[1].expanded_from == "staff@example.com"
            assert parsed.report.recipients[2].forwarded_from == "frank@example.com"
        assert verify_seal(content, secrets=[SECRET]) is Seal.VALID
        assert verify_seal(content, secrets=[OTHER_SECRET]) is Seal.INVALID

    def test_a_copy_with_the_hidden_recipients(self) -> None:
        """A Bcc copy is the message with the recipients that To and Cc do not name."""
        content = delivered(rules=[a_rule(format=ReportFormat.BCC)]).content
        parsed = parse_report(content, format=ReportFormat.BCC)
        assert parsed.defects == ()
        assert [(one.role, one.address) for one in parsed.report.recipients] == [
            (Role.TO, "bob@example.net"),
            (Role.BCC, "carol@example.org"),
        ]
        assert strip_headers(content, ["Bcc"]) == MESSAGE

    def test_a_copy_of_the_message_only(self) -> None:
        """A message-only copy is the message without its Bcc field."""
        content = delivered(
            b"Bcc: carol@example.org\r\n" + MESSAGE, rules=[a_rule(format=ReportFormat.MESSAGE_ONLY)]
        ).content
        parsed = parse_report(content, format=ReportFormat.MESSAGE_ONLY)
        assert content == MESSAGE
        assert [one.address for one in parsed.report.recipients] == ["bob@example.net"]
        assert verify_seal(content, secrets=[SECRET]) is Seal.ABSENT

    def test_without_a_secret(self) -> None:
        """Without a secret a report bears no seal and a message no stamp."""
        outcome = processed(secrets=())
        assert verify_seal(outcome.deliveries[0].content, secrets=[SECRET]) is Seal.ABSENT
        assert outcome.header_fields == ()
        assert outcome.message() == MESSAGE

    def test_the_first_secret_signs(self) -> None:
        """Of several secrets the first one signs, and any of them verifies."""
        outcome = processed(secrets=[SECRET, OTHER_SECRET])
        assert verify_seal(outcome.deliveries[0].content, secrets=[SECRET]) is Seal.VALID
        assert verify_seal(outcome.deliveries[0].content, secrets=[OTHER_SECRET]) is Seal.INVALID
        assert processed(outcome.message(), secrets=[OTHER_SECRET, SECRET]).deliveries == ()
        assert len(processed(outcome.message(), secrets=[OTHER_SECRET]).deliveries) == 1

    def test_reports_are_not_journaled(self) -> None:
        """A report in an envelope format is never journaled by an agent that has the secret."""
        for format in (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003):
            content = delivered(rules=[a_rule(format=format)]).content
            outcome = processed(content, ENVELOPE)
            assert (outcome.deliveries, outcome.header_fields, outcome.hold) == ((), (), None)
            assert outcome.message() == content
            assert outcome.decision.loop is not None
            assert outcome.decision.loop.reason is LoopReason.SEAL

    def test_nothing_to_do(self) -> None:
        """If no rule fires, there is no delivery, no field and no hold, and the message stays as it was."""
        outcome = processed(rules=[a_rule(recipient="eve@example.com")], write_processed=True)
        assert (outcome.deliveries, outcome.header_fields, outcome.hold) == ((), (), None)
        assert outcome.message() == MESSAGE


class TestTransport:
    """The SMTP extensions that a delivery needs, and its size."""

    @pytest.mark.parametrize("format", list(ReportFormat))
    @pytest.mark.parametrize(
        ("text", "body"),
        [
            (b"Hi.\r\n", Body.SEVEN_BIT),
            (b"", Body.SEVEN_BIT),
            ("caf\u00e9\r\n".encode(), Body.EIGHT_BIT_MIME),
            (b"\xff\r\n", Body.EIGHT_BIT_MIME),
            (b"a\0b\r\n", Body.BINARY_MIME),
            (b"\xff\0", Body.BINARY_MIME),
        ],
    )
    def test_body(self, text: bytes, body: Body, format: ReportFormat) -> None:
        """ASCII needs no extension, other bytes need 8BITMIME, and NUL needs BINARYMIME."""
        delivery = delivered(HEADER + b"\r\n" + text, rules=[a_rule(format=format)])
        assert delivery.body is body
        assert delivery.smtputf8 is False

    def test_body_values(self) -> None:
        """The values are those of the BODY parameter."""
        assert list(Body) == ["7BIT", "8BITMIME", "BINARYMIME"]

    def test_recipients_beyond_ascii(self) -> None:
        """A recipient that is not ASCII is encoded in the report, and needs no extension."""
        envelope = Envelope("ann@example.com", ["j\u00f6rg@example.net"], authenticated=True)
        delivery = delivered(MESSAGE, envelope)
        assert (delivery.body, delivery.smtputf8) == (Body.SEVEN_BIT, False)
        assert parse_report(delivery.content).report.recipients[0].address == "j\u00f6rg@example.net"

    def test_smtputf8(self) -> None:
        """An address or a header field that is not ASCII needs SMTPUTF8; a body that is not ASCII does not."""
        rule = JournalRule("All", "j\u00f6urnal@archive.example")
        organization = Organization(["example.com"], alternate_mailbox="r\u00fcckl\u00e4ufer@example.com")
        assert delivered().smtputf8 is False
        assert delivered(rules=[rule]).smtputf8 is True
        assert delivered(organization=organization).smtputf8 is True
        assert (
            delivered(HEADER + "Subject: caf\u00e9\r\n\r\n".encode()).smtputf8 is False
        )  # the second one is not copied
        message = MESSAGE.replace(b"Hello", "caf\u00e9".encode())
        for format in ReportFormat:
            delivery = delivered(message, rules=[a_rule(format=format)])
            assert (delivery.smtputf8, delivery.body) == (True, Body.EIGHT_BIT_MIME)

    def test_smtputf8_after_a_lead_in(self) -> None:
        """The header of a copy counts also after lines that a mailbox file puts before it."""
        message = b"From ann@example.com Thu Feb 29 12:30:45 2024\n" + MESSAGE.replace(b"Hello", b"\xc3\xa9")
        assert delivered(message, rules=[a_rule(format=ReportFormat.MESSAGE_ONLY)]).smtputf8 is True

    @pytest.mark.parametrize("format", list(ReportFormat))
    @pytest.mark.parametrize("text", [b"Hi.\r\n", b"", b"\xff" * 5000])
    def test_size(self, text: bytes, format: ReportFormat) -> None:
        """The size of a content that needs no encoding is the number of its bytes."""
        delivery = delivered(HEADER + b"\r\n" + text, rules=[a_rule(format=format)])
        assert delivery.size == len(delivery.content)

    @pytest.mark.parametrize("more", [*range(60), 5000, 1 << 20])
    def test_size_of_binary_content(self, more: int) -> None:
        """A content with a NUL is counted as base64 in lines of 76."""
        message = HEADER + b"\r\n\0" + b"a" * more
        delivery = delivered(message)
        assert message in delivery.content
        assert delivery.size == len(delivery.content.replace(message, coded(message)))

    @pytest.mark.parametrize(
        "media_type", ["application/ms-tnef", "application/vnd.ms-tnef", 'Application/MS-TNEF; name="winmail.dat"']
    )
    @pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "binary"])
    @pytest.mark.parametrize("text", [b'x\x9f>"\x01\x02' * 100, b'x\x9f>"\0' * 100])
    def test_size_of_tnef(self, media_type: str, encoding: str, text: bytes) -> None:
        """A message that is TNEF as a whole, and not in base64, is counted as base64, once."""
        header = HEADER + f"Content-Type: {media_type}\r\n".encode()
        if encoding:
            header += f"Content-Transfer-Encoding: {encoding}\r\n".encode()
        message = header + b"\r\n" + text
        delivery = delivered(message)
        assert delivery.size == len(delivery.content.replace(message, coded(message)))

    @pytest.mark.parametrize("encoding", [b"base64", b"BASE64 ", b"quoted-printable"])
    def test_size_of_coded_tnef(self, encoding: bytes) -> None:
        """TNEF that is encoded already does not grow."""
        header = HEADER + b"Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
        delivery = delivered(header + coded(b'x\x9f>"' * 100))
        assert delivery.size == len(delivery.content)

    @pytest.mark.parametrize("text", [b"Hi.\r\n", b"\0" * 1000])
    def test_too_large(self, text: bytes) -> None:
        """A delivery is marked above the limit, and not at it; in both cases it is returned."""
        message = HEADER + b"\r\n" + text
        size = delivered(message).size
        assert delivered(message, size_limit=size).too_large is False
        assert delivered(message, size_limit=size - 1).too_large is True
        assert delivered(message, size_limit=size + 1).too_large is False
        assert delivered(message).too_large is False
        assert delivered(message, size_limit=1)._replace(too_large=False) == delivered(message)


class TestStampedMessage:
    """The header fields before a message, and every other byte as it was."""

    @pytest.mark.parametrize(
        ("before", "message"),
        [
            (b"", MESSAGE),
            (b"", MESSAGE.replace(b"\r\n", b"\n")),
            (b"", HEADER),
            (b"", HEADER.removesuffix(b"\r\n")),
            (b"", HEADER + b"\r\n"),
            (b"", b"Subject: one line"),
            (b"", b"X: mixed\nTo: a@example.com\r\n\r\n"),
            (b"", b"X: mixed\r\nTo: a@example.com\n\n"),
            (b"", b"X:\r\n folded\r\n\r\nbody"),
            (b"", b"X : a space before the colon\r\n\r\nbody"),
            (b"", b"From : ann@example.com\r\n\r\nbody"),
            (b"", MESSAGE + b"\0\xff"),
            (b"From ann@example.com Thu Feb 29 12:30:45 2024\n", MESSAGE.replace(b"\r\n", b"\n")),
            (b"From ann@example.com Thu Feb 29 12:30:45 2024\r\n", MESSAGE),
            (b"From ann@example.com Thu Feb 29 12:30:45 2024\n", b""),
            (b"From ann@example.com Thu Feb 29 12:30:45 2024\n", b"\nbody"),
            (b"\xef\xbb\xbf", MESSAGE),
            (b"\xef\xbb\xbf", MESSAGE.replace(b"\r\n", b"\n")),
            (b"\xef\xbb\xbf", b""),
            (b"", b""),
            (b"", b"\r\nbody"),
            (b"", b"\nbody"),
            (b"", b"\r\n"),
            (b"", b"\n"),
        ],
    )
    def test_fields_are_prepended(self, before: bytes, message: bytes) -> None:
        """The fields come first in the header block, and without them the message is the same as before."""
        outcome = processed(before + message)
        stamped = outcome.message()
        assert [name for name, _ in outcome.header_fields] == [STAMP]
        assert stamped.startswith(before + STAMP.encode() + b": v=2; ")
        assert stamped.endswith(message)
        assert matching_headers(stamped, ["X-ExJournal-*"]) == (STAMP,)
        assert without_stamp(stamped) == before + message

    @pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
    def test_line_ends(self, line_end: bytes) -> None:
        """The fields have the line ends of the message."""
        message = MESSAGE.replace(b"\r\n", line_end)
        stamped = processed(message).message()
        fields = stamped.removesuffix(message)
        assert fields.count(b"\n") == fields.count(line_end) > 1
        assert b"\r" not in fields.replace(line_end, b"")

    @pytest.mark.parametrize(
        "message",
        [
            b"Only words.\r\nAnd more of them.\r\n",
            b"Only words.\n",
            b"Only words.",
            b" begins with a space\r\n",
            b" begins with a space\r\n" + MESSAGE,
            b"\xef\xbb\xbfOnly words.\r\n",
            b"From ann@example.com Thu Feb 29 12:30:45 2024\r\nOnly words.\r\n",
            b"\0",
            b"\xff",
        ],
    )
    def test_a_body_without_a_header(self, message: bytes) -> None:
        """A message without a header gets no field, which would change how it is shown, so each pass journals it."""
        outcome = processed(message, write_processed=True)
        assert outcome.header_fields == ()
        assert outcome.message() == message
        assert len(outcome.deliveries) == 1
        assert processed(outcome.message(), write_processed=True).deliveries == outcome.deliveries

    def test_a_from_line_alone(self) -> None:
        """After a From line without a line end, the fields begin on a line of their own."""
        stamped = processed(b"From ann@example.com Thu Feb 29 12:30:45 2024").message()
        assert matching_headers(stamped, ["X-ExJournal-*"]) == (STAMP,)

    def test_lines(self) -> None:
        """No line of a stamp is longer than RFC 5322 recommends, and each line after the first begins with a tab."""
        envelope = Envelope("ann@example.com", [f"user{number}@example.net" for number in range(500)])
        ((_, value),) = processed(MESSAGE, envelope).header_fields
        first, *more = f"{STAMP}: {value}".split("\r\n")
        assert max(map(len, (first, *more))) <= 78
        assert all(line.startswith("\t") and line.strip() for line in more)
        assert value.isascii()

    def test_no_address_in_a_stamp(self) -> None:
        """Neither the value nor its size shows the recipients or their number."""
        values = []
        for addresses in (["bob@example.net"], ["bob@example.net", "hidden@example.org"]):
            ((_, value),) = processed(MESSAGE, Envelope("ann@example.com", addresses)).header_fields
            assert "hidden" not in value
            assert "bob" not in value
            values.append(value)
        assert len(values[0]) == len(values[1])

    def test_processed_stamp(self) -> None:
        """Exchange's processed stamp is written on request if a report is made, with or without a secret."""
        assert [name for name, _ in processed(write_processed=True).header_fields] == [STAMP, PROCESSED]
        outcome = processed(write_processed=True, secrets=())
        assert outcome.header_fields == ((PROCESSED, "Journal Agent"),)
        assert outcome.message() == PROCESSED.encode() + b": Journal Agent\r\n" + MESSAGE
        loop = detect_loop(outcome.message())
        assert loop is not None
        assert (loop.reason, loop.header, loop.forgeable) == (LoopReason.PROCESSED, PROCESSED, True)

    def test_processed_stamp_of_a_stranger(self) -> None:
        """Exchange's processed stamp from a stranger is reported, and the message is journaled."""
        message = processed(write_processed=True, secrets=()).message()
        assert len(processed(message).deliveries) == 1

    def test_again_with_a_second_stamp(self) -> None:
        """Each pass adds a stamp, and both count."""
        agent = an_agent()
        outcome = agent.process(MESSAGE, ENVELOPE, received=DATE)
        grown = Envelope("ann@example.com", [*ENVELOPE.recipients, "eve@example.com"], authenticated=True)
        second = agent.process(outcome.message(), grown, received=DATE)
        assert len(second.deliveries) == 1
        assert matching_headers(second.message(), ["X-ExJournal-*"]) == (STAMP, STAMP)
        for envelope in (ENVELOPE, grown):
            assert not agent.process(second.message(), envelope, received=DATE).deliveries
        assert without_stamp(second.message()) == MESSAGE

    @pytest.mark.slow
    @given(st.one_of(originals(), message_like(), copies(), any_bytes()), envelopes())
    def test_stamped_once(self, message: bytes, envelope: Envelope) -> None:
        """Law: under the same envelope a stamped message asks for no further report; only one without a header has no stamp."""
        agent = an_agent()
        outcome = agent.process(message, envelope, received=DATE)
        if outcome.hold is None and outcome.deliveries:
            again = agent.process(outcome.message(), envelope, received=DATE)
            assert again.hold is None
            if has_place_for_fields(message):
                assert again.deliveries == ()
            else:
                assert outcome.message() == message
                assert again.deliveries == outcome.deliveries

    @pytest.mark.parametrize(
        "message",
        [
            b"\r\n" + MESSAGE,
            b"\xef\xbb\xbf\r\n" + MESSAGE,
            b"\r\nbody",
            b"\n",
            b"Subject: no body",
            b"X : a space before the colon\r\n\r\nbody",
            b"Subject: a line that is not a field\r\nno field\r\n\r\nbody",
            b"Subject: a bare\rFrom: zoe@example.org\r\n\r\nbody",
            b"Subject: a line of spaces\r\n \r\nbody",
        ],
    )
    def test_odd_messages_are_stamped_once(self, message: bytes) -> None:
        """A message with blank lines before or in place of its header, or with an odd header, is also journaled once."""
        agent = an_agent()
        outcome = agent.process(message, ENVELOPE, received=DATE)
        assert len(outcome.deliveries) == 1
        assert agent.process(outcome.message(), ENVELOPE, received=DATE).deliveries == ()

    @pytest.mark.slow
    @pytest.mark.parametrize("count", [1, 500, TAG_LIMIT, 2 * TAG_LIMIT])
    def test_many_recipients(self, count: int) -> None:
        """The stamp is short and sufficient for any number of recipients, in any order at the next hop."""
        addresses = [f"user{number}@example.net" for number in range(count)]
        outcome = processed(MESSAGE, Envelope("ann@example.com", addresses))
        assert len(outcome.message()) - len(MESSAGE) < 64 << 10
        assert processed(outcome.message(), Envelope("ann@example.com", addresses[::-1])).deliveries == ()
        one_more = Envelope("ann@example.com", [*addresses, "eve@example.org"])
        assert len(processed(outcome.message(), one_more).deliveries) == 1

    @given(st.one_of(originals(), message_like(), copies()))
    def test_every_byte_stays(self, message: bytes) -> None:
        """Law: a stamped message is the message with the stamp inserted in one place."""
        stamped = processed(message).message()
        position = stamped.find(STAMP.encode()) if len(stamped) > len(message) else 0
        assert stamped.startswith(message[:position])
        assert stamped.endswith(message[position:])


class TestHolds:
    """Messages that must not be passed on yet: nothing is sent, nothing is stamped."""

    def held(self, message: bytes, envelope: Envelope = ENVELOPE, **options: Any) -> HoldReason:
        """Why a message is held; the outcome contains nothing else."""
        outcome = processed(message, envelope, **options)
        assert outcome.hold is not None
        assert outcome.deliveries == ()
        assert outcome.header_fields == ()
        assert outcome.message() == message
        return outcome.hold.reason

    def test_hops(self) -> None:
        """A message that passed `HOP_LIMIT` servers is held; with one fewer it passes."""
        hop = b"Received: from a.example by b.example; Thu, 29 Feb 2024 12:30:45 +0000\r\n"
        assert self.held(hop * HOP_LIMIT + MESSAGE) is HoldReason.HOP_LIMIT
        outcome = processed(hop * (HOP_LIMIT - 1) + MESSAGE)
        assert (outcome.hold, len(outcome.deliveries)) == (None, 1)

    def test_hops_without_a_rule(self) -> None:
        """A message that no rule is for passes, after any number of servers."""
        outcome = processed(b"Received: x\r\n" * HOP_LIMIT + MESSAGE, rules=[a_rule(recipient="eve@example.com")])
        assert (outcome.hold, outcome.deliveries) == (None, ())

    def test_nesting(self) -> None:
        """Reports about reports are journaled up to the limit, and held at it."""
        message = MESSAGE
        for _ in range(REPORT_NESTING_LIMIT):
            assert processed(message, secrets=()).hold is None
            message = delivered(message, secrets=()).content
        assert self.held(message, secrets=()) is HoldReason.NESTING_LIMIT

    @pytest.mark.parametrize("field", [b"X-Padding: ", b"Received: x\r\n" * 1001])
    def test_a_header_too_large(self, field: bytes) -> None:
        """A message with a header beyond the limits is held, because its senders are not all known."""
        message = field + b"a" * HEADER_LIMIT + b"\r\n" + MESSAGE
        assert self.held(message) is HoldReason.HEADER_TOO_LARGE
        assert self.held(message, rules=[a_rule(recipient="eve@example.com")]) is HoldReason.HEADER_TOO_LARGE

    @pytest.mark.parametrize(("room", "fields"), [(8192, ["X-ExJournal-Stamp"]), (4096, [])])
    def test_no_room_for_a_stamp(self, room: int, fields: list[str]) -> None:
        """A header block without room for a stamp and for the fields of later servers gets none; the message is journaled."""
        message = b"X-Padding: " + b"a" * (HEADER_LIMIT - room - len(MESSAGE)) + b"\r\n" + MESSAGE
        outcome = processed(message)
        assert [name for name, _ in outcome.header_fields] == fields
        assert len(outcome.deliveries) == 1
        assert outcome.message().endswith(message)

    @pytest.mark.parametrize("address", ["printer", 'quoted">"name@example.net'])
    def test_an_address_that_fits_no_header(self, address: str) -> None:
        """A Bcc copy that cannot name a recipient is not made, and the message is held."""
        envelope = Envelope("ann@example.com", ["bob@example.net", address], authenticated=True)
        rules = [a_rule(1), a_rule(2, format=ReportFormat.BCC), a_rule(3, format=ReportFormat.MESSAGE_ONLY)]
        outcome = processed(MESSAGE, envelope, rules=rules)
        assert self.held(MESSAGE, envelope, rules=rules) is HoldReason.REPORT_NOT_BUILT
        assert outcome.decision.hold is None
        assert len(outcome.decision.reports) == 3
        assert outcome.hold is not None
        assert "recipients" in outcome.hold.detail
        assert "Hello" not in outcome.hold.detail
        assert address not in outcome.hold.detail

    def test_no_place_for_a_field(self) -> None:
        """A Bcc copy of a message without a header is not made, and the message is held."""
        assert self.held(b"Only words.\r\n", rules=[a_rule(format=ReportFormat.BCC)]) is HoldReason.REPORT_NOT_BUILT

    @pytest.mark.slow
    def test_more_recipients_than_a_report_text_holds(self) -> None:
        """A message with more recipients than a report text can hold is held; none of them is silently left out."""
        domain = "a" * 500 + ".example"
        envelope = Envelope("ann@example.com", [f"user{number}@{domain}" for number in range(40_000)])
        assert self.held(MESSAGE, envelope) is HoldReason.REPORT_NOT_BUILT


class TestTime:
    """The date of the reports."""

    def test_the_date_of_a_report(self) -> None:
        """`received` is the date of the report, in UTC."""
        zone = timezone(timedelta(hours=9))
        outcome = an_agent().process(MESSAGE, ENVELOPE, received=datetime(2026, 1, 1, 3, tzinfo=zone))
        headers = parse_report(outcome.deliveries[0].content).headers
        assert headers.get("Date") == "Wed, 31 Dec 2025 18:00:00 +0000"

    def test_now(self) -> None:
        """Without it the report is made now."""
        before = datetime.now(UTC).replace(microsecond=0)
        (delivery,) = an_agent().process(MESSAGE, ENVELOPE).deliveries
        date = parse_report(delivery.content).headers.get("Date") or ""
        written = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S %z")
        assert before <= written <= datetime.now(UTC)

    def test_a_retry_has_the_same_report_id(self) -> None:
        """The time of a retry changes the date alone: report id and stamp stay."""
        agent = an_agent()
        one = agent.process(MESSAGE, ENVELOPE, received=DATE)
        two = agent.process(MESSAGE, ENVELOPE, received=DATE + timedelta(days=1))
        reports = [parse_report(outcome.deliveries[0].content) for outcome in (one, two)]
        assert reports[0].report_id == reports[1].report_id
        assert one.header_fields == two.header_fields

    @pytest.mark.parametrize("format", list(ReportFormat))
    def test_a_time_without_a_zone(self, format: ReportFormat) -> None:
        """A time without a zone is refused and not a reason to hold a message, in any format."""
        with pytest.raises(InvalidValue) as caught:
            an_agent(a_rule(format=format)).process(MESSAGE, ENVELOPE, received=DATE.replace(tzinfo=None))
        assert caught.value.field == "received"

    def test_a_time_beyond_the_calendar(self) -> None:
        """A time that is not in a year of UTC is refused in the same way."""
        received = datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))
        with pytest.raises(InvalidValue) as caught:
            an_agent().process(MESSAGE, ENVELOPE, received=received)
        assert caught.value.field == "received"


class TestPure:
    """The same input gives the same output, from any thread and in any buffer."""

    @HEAVY
    @given(originals() | any_bytes(), envelopes(), DATES)
    def test_the_same_again(self, message: bytes, envelope: Envelope, received: datetime) -> None:
        """Law: the same message, envelope and time give the same outcome from any agent of the same rules."""
        rules = [a_rule(number, format=format) for number, format in enumerate(ReportFormat)]
        one, two = (an_agent(*rules).process(message, envelope, received=received) for _ in range(2))
        assert values_of(one) == values_of(two)

    @pytest.mark.slow
    @given(any_bytes() | message_like(), envelopes())
    def test_total(self, message: bytes, envelope: Envelope) -> None:
        """Law: any bytes have an outcome, with a hold or with a delivery for each planned report."""
        rules = [a_rule(number, format=format) for number, format in enumerate(ReportFormat)]
        outcome = an_agent(*rules).process(message, envelope, received=DATE)
        if outcome.hold is not None:
            assert outcome.deliveries == ()
        else:
            assert [one.rcpt_to for one in outcome.deliveries] == [one.journal_to for one in outcome.decision.reports]
        assert (
            outcome.decision.to_dict() == decide(message, envelope, an_agent(*rules).rules, secrets=[SECRET]).to_dict()
        )

    @pytest.mark.slow
    def test_many_threads(self) -> None:
        """One agent serves many threads at once, and each gets the same as alone."""
        agent = an_agent(
            *(a_rule(number, format=format) for number, format in enumerate(ReportFormat)),
            organization=Organization(
                ["example.com"],
                groups={"staff@example.com": [f"user{number}@example.com" for number in range(50)]},
                alternate_mailbox=ALTERNATE,
            ),
        )
        jobs = []
        for number in range(40):
            message = MESSAGE.replace(b"<1@", b"<%d@" % number) + b"text\r\n" * number
            jobs.append((message, ENVELOPE))
            jobs.append((b"Received: x\r\n" * HOP_LIMIT + message, ENVELOPE))
            jobs.append((message, Envelope("", ["staff@example.com", f"user{number}@example.com"])))
            stamped = agent.process(message, ENVELOPE, received=DATE).message()
            jobs.append((stamped, ENVELOPE))

        def work(job: tuple[bytes, Envelope]) -> tuple[object, ...]:
            return values_of(agent.process(*job, received=DATE))

        alone = [work(job) for job in jobs]
        assert len({repr(one) for one in alone}) > 100
        with ThreadPoolExecutor(max_workers=8) as pool:
            for _ in range(3):
                assert list(pool.map(work, jobs)) == alone

    def test_one_decision_for_many_threads(self) -> None:
        """Many threads may read one outcome at once."""
        outcome = processed()
        expected = values_of(processed())
        with ThreadPoolExecutor(max_workers=8) as pool:
            assert list(pool.map(values_of, [outcome] * 100)) == [expected] * 100

    def test_buffers(self, tmp_path: Path) -> None:
        """A message in bytes, bytearray, memoryview or a mapped file gives the same outcome."""
        expected = values_of(processed())
        path = tmp_path / "message.eml"
        path.write_bytes(MESSAGE)
        for form in (bytearray(MESSAGE), memoryview(MESSAGE), memoryview(bytearray(b"x" + MESSAGE))[1:]):
            assert values_of(an_agent().process(form, ENVELOPE, received=DATE)) == expected
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            outcome = an_agent().process(mapped, ENVELOPE, received=DATE)
        assert values_of(outcome) == expected

    def test_a_buffer_that_changes(self) -> None:
        """Changes to the caller's buffer do not reach an outcome that was made before."""
        buffer = bytearray(MESSAGE)
        outcome = an_agent().process(buffer, ENVELOPE, received=DATE)
        buffer[:] = b"x" * len(buffer)
        assert values_of(outcome) == values_of(processed())

    @pytest.mark.parametrize("message", ["text", None, 1, [MESSAGE]])
    def test_other_types(self, message: Any) -> None:
        """Any other type is a TypeError."""
        with pytest.raises(TypeError):
            an_agent().process(message, ENVELOPE, received=DATE)

    @given(st.permutations(range(4)))
    def test_order_blind(self, order: Iterable[int]) -> None:
        """The order of the rules does not show in the outcome."""
        rules = [a_rule(number, format=format) for number, format in enumerate(ReportFormat)]
        assert values_of(processed(rules=[rules[number] for number in order])) == values_of(processed(rules=rules))

    def test_the_same_as_by_hand(self) -> None:
        """A caller gets the same report with the public functions."""
        (planned,) = decide(MESSAGE, ENVELOPE, an_agent().rules).reports
        report = build_report(
            report_for(MESSAGE, planned.envelope), MESSAGE, domain="example.com", date=DATE, secret=SECRET
        )
        assert delivered().content == report
