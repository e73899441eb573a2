"""Writing: the facts of a message, and the exact bytes of a report."""

import mmap
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from test_assembly import GUID, SECRET, SYSTEM_SENDER, boundary_of, outer, outer_block, outer_fields

from exjournal import (
    BuildError,
    Envelope,
    JournalReport,
    Recipient,
    ReportFormat,
    Role,
    Seal,
    build_report,
    parse_report,
    report_for,
    verify_seal,
)
from exjournal.limits import REPORT_TEXT_LIMIT
from strategies import HEAVY, ORIGINAL, Arguments, a_report, arguments, built

BOB_NAMED = Recipient("bob@example.net", display_name="Bob, B")


class TestExactBytes:
    """A report is written like the reports that servers write (MS-XJRNL 2.1)."""

    def test_plain(self) -> None:
        """A message to two recipients, over an untrusted path."""
        original = b"To: bob@example.net\r\nCC: carol@example.org\r\n" + ORIGINAL.replace(
            b"To: bob@example.net\r\n", b""
        )
        data = built(original, report=a_report(recipients=["bob@example.net", "carol@example.org"]))
        edge = boundary_of(data)
        assert data == (
            b"Content-Type: multipart/mixed;\r\n"
            b'\tboundary="' + edge + b'"\r\n'
            b"Subject: Hello\r\n"
            b"CC: carol@example.org\r\n"
            b"To: bob@example.net\r\n"
            b"From: alice@example.com\r\n"
            b"MIME-Version: 1.0\r\n"
            b"Sender:\r\n\t" + SYSTEM_SENDER + b"\r\n"
            b"Message-ID: <r@example.com>\r\n"
            b"Date: Thu, 29 Feb 2024 12:30:45 +0000\r\n"
            b"X-MS-Journal-Report:\r\n"
            b"X-MS-Exchange-Parent-Message-Id:\r\n\t<1@example.com>\r\n"
            b"Auto-Submitted: auto-generated\r\n"
            b"X-MS-Exchange-Generated-Message-Source: Journal Agent\r\n"
            b"\r\n"
            b"--" + edge + b"\r\n"
            b'Content-Type: text/plain; charset="us-ascii"\r\n'
            b"Content-Transfer-Encoding: 7bit\r\n"
            b"\r\n"
            b"Sender: alice@example.com\r\n"
            b"Subject: Hello\r\n"
            b"Message-Id: <1@example.com>\r\n"
            b"Recipient: bob@example.net\r\n"
            b"Recipient: carol@example.org\r\n"
            b"\r\n"
            b"--" + edge + b"\r\n"
            b"Content-Type: message/rfc822\r\n"
            b"\r\n" + original + b"\r\n"
            b"--" + edge + b"--\r\n"
        )

    def test_everything(self) -> None:
        """A report inside the organization's transport, with every field, of list mail that needs eight bits."""
        report = JournalReport(
            sender="delegate@example.com",
            on_behalf_of="chief@example.com",
            subject="caf\u00e9",
            message_id="<2@example.com>",
            label="Contracts",
            mailbox="archive@example.com",
            sent_utc="2/29/2024 12:30:45 PM",
            received_utc="2/29/2024 12:30:46 PM",
            envelope_sender="bounces@example.net",
            recipients=[
                Recipient("bob@example.net", Role.TO),
                Recipient("carol@example.org", Role.CC, expanded_from="list@example.com"),
                Recipient("dave@example.org", Role.BCC, forwarded_from="david@example.com"),
                Recipient("erin@example.org", expanded_from="list@example.com", forwarded_from="e@example.com"),
            ],
        )
        original = (
            b"Received: from mx.example.net\r\n"
            b"From: Chief <chief@example.com>\r\n"
            b"List-Id: <list.example.com>\r\n"
            b"To: bob@example.net,\r\n list@example.com\r\n"
            b"Subject: =?utf-8?q?caf=C3=A9?=\r\n"
            b"Precedence: list\r\n"
            b"Message-ID: <2@example.com>\r\n"
            b"\r\n"
            b"caf\xe9\r\n"
        )
        data = built(original, report=report, internal=True, decrypted=b"clear\0")
        edge = boundary_of(data)
        assert data == (
            b"Content-Type: multipart/mixed;\r\n"
            b'\tboundary="' + edge + b'"\r\n'
            b"Subject: =?utf-8?q?caf=C3=A9?=\r\n"
            b"To: bob@example.net,\r\n list@example.com\r\n"
            b"From: Chief <chief@example.com>\r\n"
            b"MIME-Version: 1.0\r\n"
            b"Content-Transfer-Encoding: binary\r\n"
            b"Sender:\r\n\t" + SYSTEM_SENDER + b"\r\n"
            b"Message-ID: <r@example.com>\r\n"
            b"Date: Thu, 29 Feb 2024 12:30:45 +0000\r\n"
            b"X-MS-Exchange-Organization-Journal-Report:\r\n"
            b"X-MS-Exchange-Parent-Message-Id:\r\n\t<2@example.com>\r\n"
            b"Auto-Submitted: auto-generated\r\n"
            b"X-MS-Exchange-Generated-Message-Source: Journal Agent\r\n"
            b"X-MS-Exchange-Organization-Transport-Properties: MustDeliver=True;\r\n"
            b"X-ExJournal-Envelope-Sender: <bounces@example.net>\r\n"
            b"List-Id: <list.example.com>\r\n"
            b"Precedence: list\r\n"
            b"\r\n"
            b"--" + edge + b"\r\n"
            b'Content-Type: text/plain; charset="utf-8"\r\n'
            b"Content-Transfer-Encoding: 8bit\r\n"
            b"\r\n"
            b"Sender: delegate@example.com\r\n"
            b"On-Behalf-Of: chief@example.com\r\n"
            b"Subject: caf\xc3\xa9\r\n"
            b"Message-Id: <2@example.com>\r\n"
            b"Label: Contracts\r\n"
            b"Mailbox: archive@example.com\r\n"
            b"SentUtc: 2/29/2024 12:30:45 PM\r\n"
            b"ReceivedUtc: 2/29/2024 12:30:46 PM\r\n"
            b"To: bob@example.net\r\n"
            b"Cc: carol@example.org, Expanded: list@example.com\r\n"
            b"Bcc: dave@example.org, Forwarded: david@example.com\r\n"
            b"Recipient: erin@example.org, Expanded: list@example.com, Forwarded: e@example.com\r\n"
            b"\r\n"
            b"--" + edge + b"\r\n"
            b"Content-Type: message/rfc822\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n"
            b"\r\n" + original + b"\r\n"
            b"--" + edge + b"\r\n"
            b"Content-Type: message/rfc822\r\n"
            b"Content-Transfer-Encoding: binary\r\n"
            b"\r\n"
            b"clear\0\r\n"
            b"--" + edge + b"--\r\n"
        )

    def test_without_an_original(self) -> None:
        """A report without the original: null sender, no subject, no Message-ID."""
        data = built(None, report=JournalReport(sender="", recipients=["bob@example.net"], envelope_sender=""))
        edge = boundary_of(data)
        assert outer_fields(data)[1:] == [
            (b"Subject", b" "),
            (b"From", b" " + SYSTEM_SENDER),
            (b"MIME-Version", b" 1.0"),
            (b"Sender", b"\r\n\t" + SYSTEM_SENDER),
            (b"Message-ID", b" <r@example.com>"),
            (b"Date", b" Thu, 29 Feb 2024 12:30:45 +0000"),
            (b"X-MS-Journal-Report", b""),
            (b"Auto-Submitted", b" auto-generated"),
            (b"X-MS-Exchange-Generated-Message-Source", b" Journal Agent"),
            (b"X-ExJournal-Envelope-Sender", b" <>"),
        ]
        assert data[len(outer_block(data)) :] == (
            b"\r\n"
            b"--" + edge + b"\r\n"
            b'Content-Type: text/plain; charset="us-ascii"\r\n'
            b"Content-Transfer-Encoding: 7bit\r\n"
            b"\r\n"
            b"Sender: <>\r\n"
            b"Subject: \r\n"
            b"Message-Id: \r\n"
            b"Recipient: bob@example.net\r\n"
            b"\r\n"
            b"--" + edge + b"--\r\n"
        )


class TestExchange2003:
    """A report of Exchange 2003 is written as that product wrote it."""

    REPORT = a_report(sender_display_name="Alice", recipients=[BOB_NAMED, "carol@example.org"])

    def test_exact_bytes(self) -> None:
        """The misspelled marker, an alternative of text and HTML, the original; From is the author's own."""
        data = built(report=self.REPORT, format=ReportFormat.ENVELOPE_2003, domain=None)
        edge = boundary_of(data)
        inner = re.search(rb'multipart/alternative;\r\n\tboundary="(_%b_)"' % GUID, data)
        assert inner is not None
        assert inner[1] != edge
        assert data == (
            b"Content-Type: multipart/mixed;\r\n"
            b'\tboundary="' + edge + b'"\r\n'
            b"Subject: Hello\r\n"
            b"To: bob@example.net\r\n"
            b"From: alice@example.com\r\n"
            b"MIME-Version: 1.0\r\n"
            b"Message-ID: <r@example.com>\r\n"
            b"Date: Thu, 29 Feb 2024 12:30:45 +0000\r\n"
            b"Content-Identifer: ExJournalReport\r\n"
            b"\r\n"
            b"--" + edge + b"\r\n"
            b"Content-Type: multipart/alternative;\r\n"
            b'\tboundary="' + inner[1] + b'"\r\n'
            b"\r\n"
            b"--" + inner[1] + b"\r\n"
            b'Content-Type: text/plain; charset="us-ascii"\r\n'
            b"Content-Transfer-Encoding: 7bit\r\n"
            b"\r\n"
            b'Sender: "Alice" <smtp:alice@example.com>\r\n'
            b"Message-ID: <1@example.com>\r\n"
            b"Recipients:\r\n"
            b'\t"Bob, B" <smtp:bob@example.net>,\r\n'
            b"\t<smtp:carol@example.org>\r\n"
            b"\r\n"
            b"--" + inner[1] + b"\r\n"
            b'Content-Type: text/html; charset="us-ascii"\r\n'
            b"Content-Transfer-Encoding: 7bit\r\n"
            b"\r\n"
            b"<html>\r\n<body>\r\n"
            b"Sender: &quot;Alice&quot; &lt;smtp:alice@example.com&gt;<br>\r\n"
            b"Message-ID: &lt;1@example.com&gt;<br>\r\n"
            b"Recipients:<br>\r\n"
            b"&nbsp;&nbsp;&nbsp;&nbsp;&quot;Bob, B&quot; &lt;smtp:bob@example.net&gt;,<br>\r\n"
            b"&nbsp;&nbsp;&nbsp;&nbsp;&lt;smtp:carol@example.org&gt;<br>\r\n"
            b"</body>\r\n</html>\r\n"
            b"\r\n"
            b"--" + inner[1] + b"--\r\n"
            b"\r\n"
            b"--" + edge + b"\r\n"
            b"Content-Type: message/rfc822\r\n"
            b"\r\n" + ORIGINAL + b"\r\n"
            b"--" + edge + b"--\r\n"
        )

    def test_correct_marker(self) -> None:
        """On request the marker is spelled correctly, and with a given id nothing else changes."""
        misspelt = built(format=ReportFormat.ENVELOPE_2003)
        right = built(format=ReportFormat.ENVELOPE_2003, correct_marker=True)
        assert right == misspelt.replace(b"Content-Identifer:", b"Content-Identifier:")

    @pytest.mark.parametrize(
        ("name", "charset"),
        [
            ("Bob", "us-ascii"),
            ("caf\u00e9", "iso-8859-1"),
            ("\x80", "utf-8"),
            ("\x81", "iso-8859-1"),
            ("\u20ac", "utf-8"),
            ("\u4e2d", "utf-8"),
        ],
    )
    def test_charset(self, name: str, charset: str) -> None:
        """Text and twin are in ISO 8859-1 if that has every character."""
        report = a_report(recipients=[Recipient("bob@example.net", display_name=name)])
        data = built(report=report, format=ReportFormat.ENVELOPE_2003)
        assert re.findall(rb'Content-Type: text/(?:plain|html); charset="([^"]+)"', data) == [charset.encode()] * 2
        assert parse_report(data, strict=True).report.recipients == report.recipients

    def test_domain(self) -> None:
        """A domain is needed only if there is no author for From."""
        assert outer(built(None, format=ReportFormat.ENVELOPE_2003, domain=None), b"From") == b" <alice@example.com>"
        null = a_report(sender="")
        assert (
            outer(built(report=null, format=ReportFormat.ENVELOPE_2003, domain=None), b"From") == b" alice@example.com"
        )
        refused("domain", original=None, report=null, format=ReportFormat.ENVELOPE_2003, domain=None)
        data = built(None, report=null, format=ReportFormat.ENVELOPE_2003)
        assert outer(data, b"From") == b" " + SYSTEM_SENDER
        refused("domain", format=ReportFormat.ENVELOPE_2003, domain="exa mple.com")

    def test_boundaries(self) -> None:
        """Neither boundary occurs where it would be taken for a delimiter."""
        data = built(format=ReportFormat.ENVELOPE_2003)
        edges = re.findall(rb'boundary="([^"]+)"', data)
        original = ORIGINAL + b"".join([b"--" + edge + b"\r\n--" + edge + b"--\r\n" for edge in edges])
        report = a_report(message_id=edges[0].decode(), sender_display_name=f"--{edges[1].decode()}--")
        again = built(original, report=report, format=ReportFormat.ENVELOPE_2003)
        assert not {*edges} & {*re.findall(rb'boundary="([^"]+)"', again.partition(b"From: alice")[0])}
        assert parse_report(again).original == original
        assert parse_report(again).report.sender_display_name == report.sender_display_name

    @pytest.mark.parametrize(
        ("original", "encoding"), [(b"x", None), (b"X: y\r\n\r\n\xe9", b" 8bit"), (b"X: y\r\n\r\n\0", b" binary")]
    )
    def test_transfer_encoding(self, original: bytes, encoding: bytes | None) -> None:
        """The transfer encoding of the original is declared in the outer block as well."""
        data = built(original, format=ReportFormat.ENVELOPE_2003)
        assert outer(data, b"Content-Transfer-Encoding") == encoding

    CHANGES: tuple[dict[str, Any], ...] = (
        {},
        {"original": None},
        {"original": b""},
        {"original": None, "report": a_report(subject="x")},
        {"original": None, "report": a_report(envelope_sender="")},
        {"report": a_report(sender="x@example.com")},
        {"report": a_report(sender_display_name="x")},
        {"report": a_report(message_id="<x@example.com>")},
        {"report": a_report(recipients=[Recipient("bob@example.net", display_name="x")])},
        {"correct_marker": True},
    )

    def test_derived_id(self) -> None:
        """Two reports that differ in any byte except the date never share a derived id."""
        options: dict[str, Any] = {"report_id": None, "format": ReportFormat.ENVELOPE_2003}
        reports = [built(**(options | change)) for change in self.CHANGES]
        assert len(set(reports)) == len({outer(data, b"Message-ID") for data in reports}) == len(self.CHANGES)
        assert outer(built(report_id=None), b"Message-ID") not in {outer(data, b"Message-ID") for data in reports}


def refused(field: str, **options: Any) -> None:
    """Assert that options are refused for one of them."""
    with pytest.raises(BuildError) as caught:
        built(**options)
    assert caught.value.field == field
    assert caught.value.reason


class TestRefused:
    """An argument from which no report can be built is refused by its name."""

    def test_no_recipients(self) -> None:
        """A report names at least one recipient."""
        refused("recipients", report=a_report(recipients=[]))

    def test_no_domain(self) -> None:
        """The domain of the system sender is never guessed."""
        refused("domain", domain=None)
        with pytest.raises(BuildError):
            build_report(a_report(), ORIGINAL)

    @pytest.mark.parametrize(
        "domain",
        [
            "",
            ".",
            "exa mple.com",
            "example..com",
            ".example.com",
            "example.com.",
            "-a.example",
            "a-.example",
            "a" * 64 + ".example",
            ".".join(["a" * 50] * 6),
            "b\u00fccher.example",
            "\u0661.example",
            "example.com\n",
            "example.com\r\nX-Evil: y",
            "example.com>",
            "@example.com",
            "[192.0.2.1",
            "[a b]",
            "[]",
            "exam\0ple",
        ],
    )
    def test_bad_domain(self, domain: str) -> None:
        """Only a domain name in ASCII or an address literal is accepted."""
        refused("domain", domain=domain)

    @pytest.mark.parametrize(
        "domain",
        ["example.com", "localhost", "[IPv6:2001:db8::1]", "a_b.example", ".".join(["a" * 63] * 3) + ".example"],
    )
    def test_good_domain(self, domain: str) -> None:
        """Host names and address literals are the system sender's domain."""
        system_sender = f"<MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{domain}>"
        assert outer(built(domain=domain), b"Sender") == b"\r\n\t" + system_sender.encode()

    @pytest.mark.parametrize(
        "report_id",
        [
            "",
            "x",
            "<>",
            "<a b>",
            "<a<b>",
            "<a>b>",
            "<a>\n",
            "<a\r\nX-Evil: y>",
            "<\u00e9>",
            "<" + "a" * 901 + ">",
            "<a\0>",
        ],
    )
    def test_bad_report_id(self, report_id: str) -> None:
        """Only a Message-ID in angle brackets is accepted."""
        refused("report_id", report_id=report_id)

    def test_long_report_id(self) -> None:
        """A report id may fill a line."""
        report_id = "<" + "a" * 900 + ">"
        assert parse_report(built(report_id=report_id)).report_id == report_id

    def test_naive_date(self) -> None:
        """A date without a time zone is refused."""
        refused("date", date=datetime(2024, 2, 29))

    @pytest.mark.parametrize(
        "date",
        [
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=1))),
        ],
    )
    def test_date_out_of_the_calendar(self, date: datetime) -> None:
        """A date that lies outside the calendar in UTC is refused."""
        refused("date", date=date)

    @pytest.mark.parametrize("other", [one for one in ReportFormat if one is not ReportFormat.ENVELOPE])
    def test_options_of_the_envelope_format(self, other: ReportFormat) -> None:
        """The options of ENVELOPE alone are refused in other formats, by name."""
        refused("internal", format=other, internal=True)
        refused("decrypted", format=other, decrypted=b"x")

    @pytest.mark.parametrize("other", [one for one in ReportFormat if one is not ReportFormat.ENVELOPE_2003])
    def test_marker_of_exchange_2003(self, other: ReportFormat) -> None:
        """The spelling of the marker is an option of the one format that has two."""
        refused("correct_marker", format=other, correct_marker=True)

    @pytest.mark.parametrize("other", [one for one in ReportFormat if one is not ReportFormat.BCC])
    def test_everyone(self, other: ReportFormat) -> None:
        """`bcc_all` is an option of the one format that has a Bcc field."""
        refused("bcc_all", format=other, bcc_all=True)

    @pytest.mark.parametrize("format", [one for one in ReportFormat if one is not ReportFormat.MESSAGE_ONLY])
    def test_no_recipients_in_any_format(self, format: ReportFormat) -> None:
        """Recipients are required in every format that names them."""
        refused("recipients", report=a_report(recipients=[]), format=format)

    @pytest.mark.parametrize("word", ["", "Envelope", "eml"])
    def test_no_format(self, word: Any) -> None:
        """A word that is not a format is refused by the name of the option too."""
        refused("format", format=word)

    def test_format_as_a_string(self) -> None:
        """The format may be given as its word."""
        assert built(format="envelope") == built(format=ReportFormat.ENVELOPE) == built()

    @pytest.mark.parametrize("format", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY])
    def test_copies_have_no_text(self, format: ReportFormat) -> None:
        """A copy has no report text: to choose how it is written is refused."""
        refused("eight_bit", format=format, eight_bit=True)

    def test_decrypted_alone(self) -> None:
        """A readable copy needs the original it is a copy of."""
        refused("decrypted", original=None, decrypted=b"x")

    @pytest.mark.parametrize("wrong", ["text", 1, [b"x"]])
    def test_wrong_types(self, wrong: Any) -> None:
        """A message is bytes."""
        with pytest.raises(TypeError):
            built(wrong)
        with pytest.raises(TypeError):
            built(decrypted=wrong)
        with pytest.raises(TypeError):
            report_for(wrong, Envelope("", ["bob@example.net"]))

    def test_options_are_keywords(self) -> None:
        """Every option has to be named."""
        with pytest.raises(TypeError):
            build_report(a_report(), ORIGINAL, "example.com")  # type: ignore[call-arg]


class TestBuffers:
    """Messages may be in any buffer of bytes."""

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_kinds(self, kind: Any) -> None:
        """The kind of buffer makes no difference."""
        envelope = Envelope("alice@example.com", ["bob@example.net"])
        assert built(kind(ORIGINAL), decrypted=kind(b"x")) == built(decrypted=b"x")
        assert report_for(kind(ORIGINAL), envelope) == report_for(ORIGINAL, envelope)

    def test_mmap(self) -> None:
        """A mapped file is a buffer too."""
        with mmap.mmap(-1, len(ORIGINAL)) as mapped:
            mapped[:] = ORIGINAL
            assert built(mapped) == built()
            assert report_for(mapped, Envelope("", ["bob@example.net"])).subject == "Hello"


BOB = "bob@example.net"


def facts_of(header: bytes, **options: Any) -> JournalReport:
    """The facts for a message with this header, under an envelope from a list's bounce address."""
    sender, recipients = options.pop("sender", "bounces@example.net"), options.pop("recipients", [BOB])
    return report_for(header + b"\r\nbody", Envelope(sender, recipients, **options))


class TestSender:
    """The sender is the one that the message names, and MAIL FROM only if it names nobody (MS-XJRNL 2.1.1)."""

    @pytest.mark.parametrize(
        ("header", "sender", "on_behalf_of"),
        [
            (b"From: a@example.com\r\n", "a@example.com", None),
            (b"From: a@example.com\r\nSender: A@EXAMPLE.com\r\n", "a@example.com", None),
            (b"From: a@example.com\r\nSender: d@example.com\r\n", "d@example.com", "a@example.com"),
            (b"Sender: d@example.com\r\n", "d@example.com", None),
            (b"From: a@example.com\r\nSender: nobody\r\n", "a@example.com", None),
            (b"From: nobody\r\nSender: d@example.com\r\n", "d@example.com", None),
            (b"Subject: x\r\n", "bounces@example.net", None),
            (b"From:\r\n", "bounces@example.net", None),
            (b"From: undisclosed:;\r\n", "bounces@example.net", None),
            (b"From: <>\r\n", "bounces@example.net", None),
            (b"From: a@example.com, b@example.com\r\n", "a@example.com", None),
            (b"From: Alice <Alice@Example.com>\r\n", "Alice@Example.com", None),
            (b'From: "Doe, Jane" <jane@example.com>\r\n', "jane@example.com", None),
            (b'From: "b@example.org" <a@example.com>\r\n', "a@example.com", None),
            (b"From: b@example.org <a@example.com>\r\n", "a@example.com", None),
            (b"From: =?utf-8?q?J=2C_b=40example=2Eorg?= <a@example.com>\r\n", "a@example.com", None),
            (b"From: (b@example.org) a@example.com (b@example.org)\r\n", "a@example.com", None),
            (b"From: a (x (y\\)) z) @ (c) example.com\r\n", "a@example.com", None),
            (b"From: a @ example.com\r\n", "a@example.com", None),
            (b"From: Alice\r\n\t<a@example.com>\r\n", "a@example.com", None),
            (b'From: "a b"@example.com\r\n', '"a b"@example.com', None),
            (b'From: <"a, b@c"@example.com>\r\n', '"a, b@c"@example.com', None),
            (b"From: a@[IPv6:2001:db8::1]\r\n", "a@[IPv6:2001:db8::1]", None),
            (b"From: <@relay.example,@other.example:a@example.com>\r\n", "a@example.com", None),
            (b"From: \xc3\xa9@example.com\r\n", "\u00e9@example.com", None),
            (b"From: \xe9@example.com\r\n", "\u00e9@example.com", None),
            (b"from : a@example.com\r\n", "a@example.com", None),
            (b"FROM:a@example.com\r\nFrom: b@example.com\r\n", "a@example.com", None),
            (b"From: " + b"a" * 600 + b"@example.com\r\n", "bounces@example.net", None),
            (b"From: " + b"a" * 600 + b"@example.com, b@example.com\r\n", "b@example.com", None),
            (b'From: "never closed <a@example.com>\r\n', "bounces@example.net", None),
            (b"From: (never closed <a@example.com>\r\n", "bounces@example.net", None),
            (b"From: <a@example.com\r\n", "a@example.com", None),
            (b"From: Alice a@example.com\r\n", "a@example.com", None),
            (b"From: a@example.com; b@example.com\r\n", "a@example.com", None),
            (b"From: Team: a@example.com, b@example.com;\r\n", "a@example.com", None),
            (b"X: y\n\nFrom: a@example.com\n", "bounces@example.net", None),
            (b"From someone\r\nFrom: a@example.com\r\n", "a@example.com", None),
            (b"From: a\0b@example.com\r\n", "bounces@example.net", None),
            (b"From: a@example.com>\r\n", "a@example.com", None),
            (b"From: <<a@example.com>>\r\n", "a@example.com", None),
            (b"From: [a@example.com\r\n", "[a@example.com", None),
            (b'From: a@example.com "\\', "a@example.com", None),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("authenticated", [False, True])
    def test_table(self, header: bytes, sender: str, on_behalf_of: str | None, authenticated: bool) -> None:
        """From, or Sender where it names another mailbox; its principal only from an authenticated client."""
        report = facts_of(header, authenticated=authenticated)
        assert report.sender == sender
        assert report.on_behalf_of == (on_behalf_of if authenticated else None)
        assert report.envelope_sender == "bounces@example.net"

    def test_blank_before_the_colon_of_the_first_field(self) -> None:
        """A From field with a space before its colon, as old mail has it, is not a line of a mailbox file."""
        assert facts_of(b"From : a@example.com\r\n").sender == "a@example.com"

    def test_null_sender(self) -> None:
        """A message that names nobody, under the null sender, has the null sender."""
        report = facts_of(b"Subject: x\r\n", sender="")
        assert (report.sender, report.envelope_sender) == ("", "")


class TestRecipients:
    """Roles are claimed only where the addressing can be believed (MS-XJRNL 2.1.1)."""

    HEADER = (
        b"From: a@example.com\r\n"
        b'To: "B" <bob@example.net>, Team: t1@example.com, t2@example.com;\r\n'
        b"Cc: carol@example.org, BOB@example.net, list@example.com\r\n"
    )

    @pytest.mark.parametrize(
        ("given_recipient", "role"),
        [
            (Recipient("bob@example.net"), Role.TO),
            (Recipient("BOB@EXAMPLE.NET"), Role.TO),
            (Recipient('"bob"@example.net'), Role.TO),
            (Recipient("t2@example.com"), Role.TO),
            (Recipient("carol@example.org"), Role.CC),
            (Recipient("dave@example.org"), Role.BCC),
            (Recipient("dave@example.org", expanded_from="list@example.com"), Role.CC),
            (Recipient("dave@example.org", forwarded_from="bob@example.net"), Role.TO),
            (Recipient("carol@example.org", expanded_from="hidden@example.com"), Role.BCC),
            (Recipient("x@example.org", expanded_from="list@example.com", forwarded_from="bob@example.net"), Role.CC),
            (Recipient("bob@example.net", Role.BCC), Role.BCC),
            (Recipient("dave@example.org", Role.CC), Role.CC),
            (Recipient("bob@example.net", display_name="Bob"), Role.TO),
        ],
    )
    def test_authenticated(self, given_recipient: Recipient, role: Role) -> None:
        """From a client that logged in, a recipient has the role of the address that was written to."""
        report = facts_of(self.HEADER, recipients=[given_recipient], authenticated=True)
        assert report.recipients == (
            Recipient(
                given_recipient.address,
                role,
                expanded_from=given_recipient.expanded_from,
                forwarded_from=given_recipient.forwarded_from,
                display_name=given_recipient.display_name,
            ),
        )

    @pytest.mark.parametrize(
        ("header", "roles"),
        [
            (b"To: bob@example.net\r\nTo: carol@example.org\r\n", ["To", "To", "Bcc"]),
            (b"Cc: bob@example.net\r\nCC: carol@example.org\r\nTo: CAROL@example.org\r\n", ["Cc", "To", "Bcc"]),
            # Some reader would find the recipient in the field.
            (b'To: "bob@example.net" <carol@example.org>\r\n', ["Recipient", "To", "Bcc"]),
            (b'To: "bob". x@example.org, carol@example.org (bob@example.net)\r\n', ["Recipient", "To", "Bcc"]),
            (b"X: y\rTo: bob@example.net\r\n", ["Recipient", "Bcc", "Bcc"]),
            # It cannot be known who is hidden.
            (
                b"To: bob@example.net\r\n" + b"X: y\r\n" * 100_000 + b"To: carol@example.org\r\n",
                ["To"] + ["Recipient"] * 2,
            ),
            (b"To: x@example.org\r\n" * 1001 + b"To: carol@example.org\r\n", ["Recipient"] * 3),
            (b"Cc: bob@example.net\r\nTo: carol@example.org" + b" " * (448 << 10), ["Cc"] + ["Recipient"] * 2),
            (b"\r\nTo: bob@example.net\r\n", ["Recipient"] * 3),
        ],
        ids=[
            "two To",
            "two Cc",
            "display name",
            "comment",
            "bare CR",
            "many lines",
            "many fields",
            "large field",
            "blank line",
        ],
    )
    def test_every_field(self, header: bytes, roles: list[str]) -> None:
        """Every To and Cc field counts, and a recipient that one may name which was not understood or read is not Bcc."""
        addresses = [BOB, "carol@example.org", "hidden@example.org"]
        report = facts_of(header, recipients=addresses, authenticated=True)
        assert [str(one.role) for one in report.recipients] == roles

    @pytest.mark.parametrize("options", [{}, {"trusted_path": True}])
    def test_not_authenticated(self, options: dict[str, bool]) -> None:
        """From anybody else every role is Recipient, a server of ours included."""
        given_recipients = [
            BOB,
            "carol@example.org",
            Recipient("d@example.org", Role.BCC, expanded_from="l@example.com"),
        ]
        report = facts_of(self.HEADER, recipients=given_recipients, **options)
        assert report.recipients == (
            Recipient(BOB),
            Recipient("carol@example.org"),
            Recipient("d@example.org", expanded_from="l@example.com"),
        )

    def test_every_recipient_of_the_envelope(self) -> None:
        """The report lists the envelope: in its order, repetitions included, and nobody of the header alone."""
        addresses = ["z@example.org", BOB, "z@example.org"]
        report = facts_of(self.HEADER, recipients=addresses, authenticated=True)
        assert [one.address for one in report.recipients] == addresses


class TestSubjectAndMessageId:
    """Subject and Message-ID are the message's own."""

    @pytest.mark.parametrize(
        ("header", "subject"),
        [
            (b"", ""),
            (b"Subject:\r\n", ""),
            (b"Subject: x\r\n", "x"),
            (b"Subject: x\r\nSubject: y\r\n", "x"),
            (b"Subject: x\r\n  y\r\n\tz \r\n", "x  y\tz"),
            (b"Subject: =?utf-8?q?caf=C3=A9?=\r\n", "caf\u00e9"),
            (b"Subject: caf\xc3\xa9\r\n", "caf\u00e9"),
            (b"Subject: caf\xe9\r\n", "caf\u00e9"),
            (b"Subject: =?utf-8?q?a=0Ab?=\r\n", "=?utf-8?q?a=0Ab?="),
            (b"Subject: =?utf-8?q?_x_?=\r\n", "x"),
            (b"Subject: a\rb\0c\r\n", "a b c"),
            (b"Subject: Recipient: x@example.com, Expanded: y\r\n", "Recipient: x@example.com, Expanded: y"),
        ],
    )
    def test_subject(self, header: bytes, subject: str) -> None:
        """The subject is one decoded line."""
        assert facts_of(header).subject == subject

    @pytest.mark.parametrize(
        ("header", "message_id"),
        [
            (b"", ""),
            (b"Message-ID:\r\n", ""),
            (b"Message-ID: <1@example.com>\r\n", "<1@example.com>"),
            (b"message-id:\r\n <1@example.com>\r\n", "<1@example.com>"),
            (b"Message-Id: <1 @\r\n example.com>\r\n", "<1 @ example.com>"),
            (b"Message-ID: no brackets\r\n", "no brackets"),
            (b"Message-ID: <a\rb\0c>\r\n", "<a b c>"),
            (b"Message-ID: <\xc3\xa9>\r\n", "<\u00e9>"),
            (b"Message-ID: <1>\r\nMessage-ID: <2>\r\n", "<1>"),
        ],
    )
    def test_message_id(self, header: bytes, message_id: str) -> None:
        """The Message-ID is as it was written, on one line."""
        assert facts_of(header).message_id == message_id


@pytest.mark.slow
def test_a_report_text_that_no_reader_takes() -> None:
    """A report text beyond the reader's own limit is refused when it is written."""
    recipients = [f"{'x' * 60}{number}@example.com" for number in range(REPORT_TEXT_LIMIT // 80)]
    with pytest.raises(BuildError) as caught:
        build_report(JournalReport(sender="", recipients=recipients), None, domain="example.com")
    assert caught.value.field == "recipients"


class TestSecret:
    """A secret puts a seal before a report, and otherwise changes only a derived id."""

    @HEAVY
    @given(arguments(formats=(ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)))
    def test_nothing_else(self, given_arguments: Arguments) -> None:
        """After the seal comes the report that is built without a secret under the same id."""
        report, original, options = given_arguments
        sealed = build_report(report, original, **options, secret=SECRET)
        seal, _, rest = sealed.partition(b"\r\n")
        assert re.fullmatch(rb"X-ExJournal-Seal: v=2; s=[A-Za-z0-9_-]{43}", seal)
        assert rest == build_report(report, original, **(options | {"report_id": parse_report(sealed).report_id}))
        assert build_report(report, original, **options, secret=SECRET) == sealed
        assert verify_seal(sealed, secrets=[SECRET]) is Seal.VALID

    @pytest.mark.parametrize(
        "secret",
        [
            b"",
            b"hush",
            SECRET[:15],
        ],
        ids=lambda value: f"{type(value).__name__} {value!r:.12}",
    )
    def test_no_secret(self, secret: Any) -> None:
        """An invalid secret is a BuildError that shows nothing of it."""
        with pytest.raises(BuildError) as caught:
            built(secret=secret)
        assert caught.value.field == "secret"
        assert "hush" not in str(caught.value)
        assert "secret that" not in str(caught.value)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        "secret",
        ["a secret that is text", bytearray(SECRET), memoryview(SECRET), 16, [SECRET], (), False],
        ids=lambda value: f"{type(value).__name__} {value!r:.12}",
    )
    def test_no_bytes(self, secret: Any) -> None:
        """A secret of another type is a TypeError that shows nothing of it."""
        with pytest.raises(TypeError) as caught:
            built(secret=secret)
        assert "secret that" not in str(caught.value)

    @pytest.mark.parametrize("secret", [SECRET, b""], ids=repr)
    @pytest.mark.parametrize("format", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY])
    def test_copies(self, format: ReportFormat, secret: bytes) -> None:
        """A copy has no seal: a secret for it is refused, valid or not."""
        with pytest.raises(BuildError, match="needs the format envelope or envelope-2003") as caught:
            built(format=format, secret=secret)
        assert caught.value.field == "secret"

    def test_no_format(self) -> None:
        """An unknown format is refused by name, also with a secret."""
        with pytest.raises(BuildError) as caught:
            built(format="nonsense", secret=SECRET)
        assert caught.value.field == "format"

    @pytest.mark.parametrize("format", [None, 1], ids=repr)
    @pytest.mark.parametrize("secret", [None, SECRET])
    def test_wrong_type_of_a_format(self, format: Any, secret: bytes | None) -> None:
        """A format of another type is a TypeError, with a secret and without."""
        with pytest.raises(TypeError, match="ReportFormat"):
            built(format=format, secret=secret)

    def test_derived_id(self) -> None:
        """A sealed report has another id than an unsealed one, and another for each secret; a retry has the same."""
        first, again, other, unsealed = (
            parse_report(built(report_id=None, secret=secret)).report_id
            for secret in (SECRET, SECRET, SECRET + b"x", None)
        )
        assert first == again
        assert len({first, other, unsealed}) == 3

    def test_boundary(self) -> None:
        """Under a given id the boundary does not depend on the secret."""
        assert boundary_of(built(secret=SECRET).partition(b"\r\n")[2]) == boundary_of(built())
