"""Writing: the facts of a message, and the exact bytes of a report."""

import binascii
import mmap
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    BuildError,
    Envelope,
    JournalReport,
    PartKind,
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
from strategies import DATE, HEAVY, ORIGINAL, Arguments, a_report, arguments, built, carried, message_like

GUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SYSTEM_SENDER = b"<MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>"


BOB_NAMED = Recipient("bob@example.net", display_name="Bob, B")


def boundary_of(data: bytes) -> bytes:
    """The boundary of a built report, which has the form of those seen."""
    found = re.match(rb'Content-Type: multipart/mixed;\r\n\tboundary="(_%b_)"\r\n' % GUID, data)
    assert found is not None
    return found[1]


def outer_block(data: bytes) -> bytes:
    """The outer header block, with the line end of its last field."""
    return data[: data.index(b"\r\n\r\n") + 2]


def outer_fields(data: bytes) -> list[tuple[bytes, bytes]]:
    """The outer fields in order, each value as it stands behind its colon."""
    lines = re.split(rb"\r\n(?![ \t])", outer_block(data)[:-2])
    return [(name, value) for name, _, value in [line.partition(b":") for line in lines]]


def outer(data: bytes, name: bytes) -> bytes | None:
    """The value of the one outer field of that name."""
    values = [value for found, value in outer_fields(data) if found == name]
    assert len(values) <= 1
    return values[0] if values else None


def text_part(data: bytes) -> tuple[bytes, bytes]:
    """The header block and the content of the report text part."""
    part = data.split(b"\r\n--" + boundary_of(data))[1]
    header, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    return header + b"\r\n", content


class TestExactBytes:
    """A report is written as the reports seen are (MS-XJRNL 2.1)."""

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
        """A report inside the organisation's transport, with every field, of list mail that needs eight bits."""
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
        """A report on a message that is not there: null sender, no subject, no Message-ID."""
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
        """The misspelt marker, an alternative of text and HTML, the original; From is the author's own."""
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
        """On request the marker is spelt right, and nothing but the marker changes where the id is given."""
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
        """Text and twin are in the charset of their time where that has all of it."""
        report = a_report(recipients=[Recipient("bob@example.net", display_name=name)])
        data = built(report=report, format=ReportFormat.ENVELOPE_2003)
        assert re.findall(rb'Content-Type: text/(?:plain|html); charset="([^"]+)"', data) == [charset.encode()] * 2
        assert parse_report(data, strict=True).report.recipients == report.recipients

    def test_domain(self) -> None:
        """A domain is needed only where nobody else can stand in From."""
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
        """What the original needs of its transport is declared outside as well."""
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
        """Two reports of which any octet beside the date differs never share a derived id."""
        options: dict[str, Any] = {"report_id": None, "format": ReportFormat.ENVELOPE_2003}
        reports = [built(**(options | change)) for change in self.CHANGES]
        assert len(set(reports)) == len({outer(data, b"Message-ID") for data in reports}) == len(self.CHANGES)
        assert outer(built(report_id=None), b"Message-ID") not in {outer(data, b"Message-ID") for data in reports}


class TestReportId:
    """The report's own id follows from what the report says, unless it is given."""

    def test_given(self) -> None:
        """A given id is written as it is."""
        assert outer(built(report_id="<any@example.org>"), b"Message-ID") == b" <any@example.org>"

    def test_form(self) -> None:
        """A derived id has the form of those seen."""
        value = outer(built(report_id=None), b"Message-ID")
        assert value is not None
        assert re.fullmatch(rb" <%b@journal\.report\.generator>" % GUID, value)

    def test_a_retry_has_the_same_one(self) -> None:
        """The date changes the report and not its id."""
        one, other = built(report_id=None), built(report_id=None, date=DATE + timedelta(days=1))
        assert one != other
        assert outer(one, b"Message-ID") == outer(other, b"Message-ID")

    CHANGES: tuple[dict[str, Any], ...] = (
        {"report": a_report(sender="x@example.com")},
        {"report": a_report(sender="")},
        {"report": a_report(recipients=["x@example.com"])},
        {"report": a_report(recipients=["bob@example.net", "bob@example.net"])},
        {"report": a_report(recipients=["bob@example.net", "carol@example.org"])},
        {"report": a_report(recipients=["carol@example.org", "bob@example.net"])},
        {"report": a_report(recipients=[Recipient("bob@example.net", Role.BCC)])},
        {"report": a_report(recipients=[Recipient("bob@example.net", expanded_from="x@example.com")])},
        {"report": a_report(recipients=[Recipient("bob@example.net", forwarded_from="x@example.com")])},
        {"report": a_report(subject="x")},
        {"report": a_report(message_id="<x@example.com>")},
        {"report": a_report(on_behalf_of="x@example.com")},
        {"report": a_report(envelope_sender="")},
        {"report": a_report(envelope_sender="None")},
        {"report": a_report(envelope_sender="x@example.com")},
        {"report": a_report(label="x")},
        {"report": a_report(mailbox="x")},
        {"report": a_report(sent_utc="x")},
        {"report": a_report(received_utc="x")},
        {"original": None},
        {"original": b""},
        {"original": ORIGINAL + b"x"},
        {"original": ORIGINAL, "decrypted": b""},
        {"original": ORIGINAL[:-1], "decrypted": ORIGINAL[-1:]},
        {"original": ORIGINAL, "decrypted": ORIGINAL},
        {"domain": "example.org"},
        {"internal": True},
        {"secret": b"the first secret"},
        {"secret": b"the other secret"},
        {"report": a_report(subject="caf\u00e9")},
        {"report": a_report(subject="caf\u00e9"), "eight_bit": True},
        {},
    )

    def test_everything_else_changes_it(self) -> None:
        """Each argument but the date, and each field of the report, changes the id."""
        ids = [outer(built(**({"report_id": None} | change)), b"Message-ID") for change in self.CHANGES]
        assert len(set(ids)) == len(self.CHANGES)

    @given(st.data())
    def test_two_reports_never_share_one(self, data: st.DataObject) -> None:
        """Two reports that share a derived id are the same, byte for byte, whichever arguments differ but the date."""
        formats = (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)
        one = data.draw(arguments(formats=formats))
        other = data.draw(arguments(formats=formats))
        # Each argument is that of one or of the other; some belong to one format only.
        same_format = one.options["format"] is other.options["format"]
        names = [
            name for name in one.options if same_format and name not in ("format", "decrypted", "report_id", "date")
        ]
        options = one.options | {name: other.options[name] for name in names if data.draw(st.booleans())}
        report = replace(
            one.report,
            **{
                field.name: getattr(other.report, field.name)
                for field in fields(JournalReport)
                if data.draw(st.integers(0, 4)) == 0
            },
        )
        original = data.draw(st.sampled_from([one.original, other.original or b""]))
        if original is None:
            options["decrypted"] = None
        secrets = st.sampled_from([None, SECRET, SECRET + b"x"])
        first = build_report(
            one.report, one.original, **(one.options | {"report_id": None, "date": DATE}), secret=data.draw(secrets)
        )
        second = build_report(
            report, original, **(options | {"report_id": None, "date": DATE}), secret=data.draw(secrets)
        )
        assert (parse_report(first).report_id == parse_report(second).report_id) == (first == second)


class TestBoundary:
    """The boundary occurs in no part."""

    def test_stepped(self) -> None:
        """A message that holds the boundary it would get, and the next one, gets another."""
        original, seen = ORIGINAL, []
        for _ in range(4):
            edge = boundary_of(built(original))
            seen.append(edge)
            original += b"\r\n--" + edge + b"--\r\n"
        assert len(set(seen)) == 4
        assert parse_report(built(original), strict=True).original == original

    def test_stepped_for_the_decrypted_copy(self) -> None:
        """The boundary occurs in no decrypted copy."""
        copy = b"--" + boundary_of(built())
        data = built(decrypted=copy)
        assert boundary_of(data) != copy[2:]
        assert parse_report(data).decrypted == copy

    def test_stepped_for_the_text(self) -> None:
        """The boundary occurs in no report text."""
        edge = boundary_of(built()).decode()
        data = built(report=a_report(subject=edge))
        assert boundary_of(data) != edge.encode()
        assert parse_report(data).report.subject == edge

    def test_follows_from_the_report_id(self) -> None:
        """Another report id gives another boundary, the same the same."""
        assert boundary_of(built()) == boundary_of(built(b"other"))
        assert boundary_of(built()) != boundary_of(built(report_id="<s@example.com>"))


class TestTransferEncodings:
    """A message declares what it needs of its transport, and the report what its neediest part does."""

    @pytest.mark.parametrize(
        ("original", "decrypted", "parts", "whole"),
        [
            (b"x", None, [None], None),
            (b"\xe9", None, [b"8bit"], b" 8bit"),
            (b"\0", None, [b"binary"], b" binary"),
            (b"\xe9\0", None, [b"binary"], b" binary"),
            (b"x", b"\xe9", [None, b"8bit"], b" 8bit"),
            (b"\xe9", b"x", [b"8bit", None], b" 8bit"),
            (b"\0", b"\xe9", [b"binary", b"8bit"], b" binary"),
            (b"\xe9", b"\0", [b"8bit", b"binary"], b" binary"),
        ],
    )
    def test_declared(
        self, original: bytes, decrypted: bytes | None, parts: list[bytes | None], whole: bytes | None
    ) -> None:
        """Eight-bit and binary messages are declared, on their part and outside."""
        data = built(original, decrypted=decrypted)
        assert outer(data, b"Content-Transfer-Encoding") == whole
        pieces = data.split(b"--" + boundary_of(data))[2:-1]
        for piece, encoding in zip(pieces, parts, strict=True):
            declared = b"" if encoding is None else b"Content-Transfer-Encoding: " + encoding + b"\r\n"
            assert piece.startswith(b"\r\nContent-Type: message/rfc822\r\n" + declared + b"\r\n")

    @pytest.mark.parametrize(
        ("subject", "encoding", "charset"),
        [
            ("Hello", b"7bit", b"us-ascii"),
            ("x" * 989, b"7bit", b"us-ascii"),
            ("x" * 990, b"quoted-printable", b"us-ascii"),
            ("=" * 990, b"quoted-printable", b"us-ascii"),
            ("caf\u00e9", b"quoted-printable", b"utf-8"),
            ("\u4e2d\u6587" * 50, b"quoted-printable", b"utf-8"),
            ("a\tb", b"7bit", b"us-ascii"),
        ],
    )
    def test_text(self, subject: str, encoding: bytes, charset: bytes) -> None:
        """The report text is as it is where seven bits and lines of mail have room for it, else in quoted-printable."""
        header, _ = text_part(built(report=a_report(subject=subject)))
        assert header == (
            b'Content-Type: text/plain; charset="' + charset + b'"\r\nContent-Transfer-Encoding: ' + encoding + b"\r\n"
        )

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    @pytest.mark.parametrize(
        "options", [{"eight_bit": True}, {"original": b"X: y\r\n\r\n\xe9"}, {"original": b"X: y\r\n\r\n\0"}]
    )
    def test_eight_bit_text(self, format: ReportFormat, options: dict[str, Any]) -> None:
        """A report that needs 8BITMIME anyway, or may, has its text as it is, declared on every multipart around it."""
        report = a_report(sender_display_name="\u4e2d\u6587", subject="\u4e2d\u6587")
        data = built(**({"original": b"X: y\r\n\r\n"} | options), format=format, report=report)
        for block in re.findall(rb"Content-Type: (?:text|multipart).*?\r\n\r\n", data, re.DOTALL):
            assert re.search(rb"Content-Transfer-Encoding: (?:8bit|binary)\r\n", block)
        assert "\u4e2d\u6587".encode() in data.partition(b"message/rfc822")[0]
        assert parse_report(data).report == carried(report, format)

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    def test_eight_bit_changes_nothing_in_ascii(self, format: ReportFormat) -> None:
        """A report that is ASCII is the same report, under the same id, wherever eight bits are allowed."""
        assert built(format=format, report_id=None, eight_bit=True) == built(format=format, report_id=None)

    @pytest.mark.parametrize(
        ("subject", "encoding"), [("\u00e9" + "x" * 987, b"8bit"), ("\u00e9" + "x" * 988, b"quoted-printable")]
    )
    def test_eight_bit_lines(self, subject: str, encoding: bytes) -> None:
        """A line of more than 998 bytes cannot be sent as it is, even with eight bits."""
        report = a_report(subject=subject)
        data = built(report=report, eight_bit=True)
        header, _ = text_part(data)
        assert header.endswith(b"Content-Transfer-Encoding: " + encoding + b"\r\n")
        assert outer(data, b"Content-Transfer-Encoding") == (b" 8bit" if encoding == b"8bit" else None)
        assert parse_report(data).report.subject == subject

    def test_eight_bit_text_and_longer_twin(self) -> None:
        """The HTML twin, in which a line is too long, is encoded, while the text stays as it is."""
        recipient = Recipient("bob@example.net", display_name="\u00e9" + "&" * 300)
        report = a_report(recipients=[recipient])
        data = built(report=report, format=ReportFormat.ENVELOPE_2003, eight_bit=True)
        encodings = re.findall(rb"Content-Transfer-Encoding: (\S+)\r\n", data)
        assert encodings == [b"8bit", b"8bit", b"8bit", b"quoted-printable"]
        assert parse_report(data, strict=True).report.recipients == report.recipients

    @pytest.mark.parametrize("format", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY])
    def test_copies_have_no_text(self, format: ReportFormat) -> None:
        """A copy has no report text: to choose how it is written is refused."""
        refused("eight_bit", format=format, eight_bit=True)

    @given(arguments(formats=(ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)))
    def test_never_base64(self, given_arguments: Arguments) -> None:
        """No report text is base64, no encoded line has more than 76 characters, and no address that fits a line is broken."""
        report, _, options = given_arguments
        data = given_arguments.build()
        parsed = parse_report(data)
        for part in parsed.parts:
            if part.kind is PartKind.TEXT or (part.kind is PartKind.OTHER and part.encoding is not None):
                assert part.encoding in ("7bit", "8bit", "quoted-printable")
        text = data.partition(b"message/rfc822")[0]
        for header, content in re.findall(
            rb"(Content-Type: text/[^\r]*\r\n[^\r]*\r\n)\r\n(.*?)\r\n--_", text, re.DOTALL
        ):
            limit = 76 if b"quoted-printable" in header else 998
            assert max(map(len, content.split(b"\r\n"))) <= limit
            if b"text/plain" in header:
                addresses = {one.address for one in report.recipients}
                if options["format"] is ReportFormat.ENVELOPE:
                    addresses |= {one.expanded_from or "x" for one in report.recipients}
                for address in addresses - {"x"}:
                    if address.isascii() and address.isprintable() and "=" not in address and len(address) <= 74:
                        assert address.encode() in content

    @given(arguments())
    def test_line_lengths(self, given_arguments: Arguments) -> None:
        """No line that the builder writes is longer than a line of mail may be, and none ends but in CRLF."""
        data = given_arguments.build()
        header, content = text_part(data)
        for written in (outer_block(data), header, content):
            assert max(map(len, written.split(b"\r\n"))) <= 998
            assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", written)


# One header block: fields whose folds hold something, in visible lines that end in CRLF.
BLOCK = re.compile(rb"(?:[!-9;-~]+:[^\r\n\0]*\r\n(?:[ \t][^\r\n\0]*[^\s\0][^\r\n\0]*\r\n)*)+")
# What a report's outer block may hold, in its order.
NAMES = (
    b"Content-Type Subject CC To From MIME-Version Content-Transfer-Encoding Sender Message-ID Date X-MS-Journal-Report "
    b"X-MS-Exchange-Parent-Message-Id Auto-Submitted X-MS-Exchange-Generated-Message-Source X-ExJournal-Envelope-Sender"
)


class TestOuterHeaders:
    """The outer header block repeats fields of the original, and nothing in them can add to it."""

    @given(message_like())
    def test_well_formed(self, original: bytes) -> None:
        """Whatever the original's header holds, the outer block has the names it should have, once and in order."""
        data = built(original)
        assert BLOCK.fullmatch(outer_block(data))
        names = [name for name, _ in outer_fields(data)]
        own = [name for name in names if not re.fullmatch(rb"(?i)list-.*|precedence|x-mailing-list", name)]
        assert own == [name for name in NAMES.split() if name in own]
        assert {b"Content-Type", b"Subject", b"From", b"Sender", b"Message-ID", b"Date", b"X-MS-Journal-Report"} <= {
            *own
        }

    @pytest.mark.parametrize("name", [b"Subject", b"To", b"Cc", b"From"])
    @pytest.mark.parametrize(
        ("value", "written"),
        [
            (b" x\rX-Evil: y", b" x X-Evil: y"),
            (b" x\0y", b" x y"),
            (b" x\r\r\n y", b" x \r\n y"),
            (b" x\n y", b" x\r\n y"),
            (b" x\r\n \r\n\t\r\n y", b" x\r\n y"),
            (b" x\r\n \x0b\x0c\r\n y", b" x\r\n y"),
            (b" x\r\n \r\r\n y", b" x\r\n y"),
            (b" x\r\n ", b" x"),
            (b"\r\n x", b"\r\n x"),
            (b" \xff\xfe", b" \xff\xfe"),
            (b" =?utf-8?q?=0D=0AX-Evil:_y?=", b" =?utf-8?q?=0D=0AX-Evil:_y?="),
        ],
    )
    def test_copied(self, name: bytes, value: bytes, written: bytes) -> None:
        """A field is copied as bytes, with its folds; stray controls become blanks and empty folds go."""
        data = built(name + b":" + value + b"\r\nX: y\r\n\r\nbody")
        assert outer(data, {b"Cc": b"CC"}.get(name, name)) == written
        assert BLOCK.fullmatch(outer_block(data))
        assert b"X-Evil" not in {field for field, _ in outer_fields(data)}

    @pytest.mark.parametrize(
        "value", [b"", b" ", b" \r\n ", b"\r", b" \x0b", b" " + b"x" * 5000, b" x\r\n " + b"x" * 5000]
    )
    def test_not_copied(self, value: bytes) -> None:
        """A field that is empty or does not fit on lines of mail is left out, or written from the report."""
        fields = b"".join([name + b":" + value + b"\r\n" for name in (b"Subject", b"To", b"Cc", b"From")])
        data = built(fields + b"\r\nbody")
        assert outer(data, b"Subject") == b" Hello"
        assert outer(data, b"From") == b" <alice@example.com>"
        assert outer(data, b"To") is outer(data, b"CC") is None

    def test_first_of_a_name(self) -> None:
        """Of a repeated field the first one that can be copied is."""
        data = built(b"To: \r\nTo: one@example.com\r\nTo: two@example.com\r\n\r\n")
        assert outer(data, b"To") == b" one@example.com"

    def test_body_is_no_header(self) -> None:
        """What stands behind the blank line is not copied."""
        data = built(b"X: y\n\nTo: bob@example.net\nSubject: x\n")
        assert outer(data, b"To") is None
        assert outer(data, b"Subject") == b" Hello"

    def test_from_line(self) -> None:
        """A line that a mailbox file left before the header is passed over."""
        data = built(b"From alice Thu Feb 29 12:30:45 2024\nSubject: x\n\n")
        assert outer(data, b"Subject") == b" x"

    @pytest.mark.parametrize(
        ("subject", "written"),
        [
            ("x", b" x"),
            ("", b" "),
            ("caf\u00e9", b" =?utf-8?b?Y2Fmw6k=?="),
            ("=?utf-8?q?x?=", b" =?utf-8?b?PT91dGYtOD9xP3g/PQ==?="),
            ("a\tb", b" =?utf-8?b?YQli?="),
        ],
    )
    def test_own_subject(self, subject: str, written: bytes) -> None:
        """A subject that the original has not is encoded where it is more than visible ASCII."""
        assert outer(built(None, report=a_report(subject=subject)), b"Subject") == written

    def test_own_long_subject(self) -> None:
        """A subject that does not fit on a line is folded as encoded words, and no character is cut."""
        subject = "\u00e9x\u4e2d" * 400
        written = outer(built(None, report=a_report(subject=subject)), b"Subject")
        assert written is not None
        lines = written.removeprefix(b" ").split(b"\r\n ")
        assert max(map(len, lines)) <= 76
        words = [re.fullmatch(rb"=\?utf-8\?b\?([^?]+)\?=", line) for line in lines]
        assert "".join([binascii.a2b_base64(word[1]).decode() for word in words if word is not None]) == subject

    @pytest.mark.parametrize(
        ("sender", "written"),
        [
            ("alice@example.com", b" <alice@example.com>"),
            ("", b" " + SYSTEM_SENDER),
            ("\u00e9@example.com", b" " + SYSTEM_SENDER),
            ('"a b"@example.com', b" " + SYSTEM_SENDER),
        ],
    )
    def test_own_author(self, sender: str, written: bytes) -> None:
        """An author that the original has not is the report's sender, where that can stand in a header."""
        assert outer(built(None, report=a_report(sender=sender)), b"From") == written

    @pytest.mark.parametrize(
        ("sender", "written"),
        [
            (None, None),
            ("", b" <>"),
            ("a@example.com", b" <a@example.com>"),
            ("\u00e9@example.com", b" =?utf-8?b?w6lAZXhhbXBsZS5jb20=?="),
            ('"a b"@example.com', b" =?utf-8?b?ImEgYiJAZXhhbXBsZS5jb20=?="),
        ],
    )
    def test_envelope_sender(self, sender: str | None, written: bytes | None) -> None:
        """MAIL FROM stands in a header of ours, where it is known."""
        data = built(report=a_report(envelope_sender=sender))
        assert outer(data, b"X-ExJournal-Envelope-Sender") == written
        assert parse_report(data).report.envelope_sender == sender

    @pytest.mark.parametrize(
        ("message_id", "written"),
        [
            ("<2@example.com>", b"\r\n\t<2@example.com>"),
            ("", None),
            ("<\u00e9>", None),
            ("a b", None),
            ("x" * 997, b"\r\n\t" + b"x" * 997),
            ("x" * 998, None),
        ],
    )
    def test_parent_message_id(self, message_id: str, written: bytes | None) -> None:
        """The original's Message-ID stands outside too, where it fits in a header."""
        data = built(report=a_report(message_id=message_id))
        assert outer(data, b"X-MS-Exchange-Parent-Message-Id") == written

    @pytest.mark.parametrize(
        ("fields", "copied"),
        [
            (b"Precedence: bulk\r\n", []),
            (b"Precedence: LIST\r\n", [b"Precedence"]),
            (
                b"precedence: bulk\r\nList-Id: x\r\nlist-post:\r\nLIST-Help: y\r\n",
                [b"precedence", b"List-Id", b"LIST-Help"],
            ),
            (b"X-Mailing-List: x\r\n", [b"X-Mailing-List"]),
            (b"X-List-Id: x\r\nListless: x\r\n", []),
            (b"List-Id: " + b"x" * 5000 + b"\r\n", []),
        ],
    )
    def test_list_mail(self, fields: bytes, copied: list[bytes]) -> None:
        """The fields of a mailing list are copied from list mail alone, behind all others and in their order."""
        data = built(fields + ORIGINAL)
        names = [name for name, _ in outer_fields(data)]
        assert names[names.index(b"X-MS-Exchange-Generated-Message-Source") + 1 :] == copied

    def test_long_names_of_list_fields(self) -> None:
        """A field whose name alone fills a line is not copied."""
        data = built(b"List-Id: x\r\nList-" + b"x" * 3000 + b": y\r\n" + ORIGINAL)
        assert max(map(len, outer_block(data).split(b"\r\n"))) <= 998


class TestDate:
    """The date of a report is in UTC."""

    @pytest.mark.parametrize(
        ("date", "written"),
        [
            (datetime(2024, 1, 1, tzinfo=UTC), b" Mon, 01 Jan 2024 00:00:00 +0000"),
            (datetime(2024, 2, 29, 23, 30, tzinfo=timezone(-timedelta(hours=5))), b" Fri, 01 Mar 2024 04:30:00 +0000"),
            (datetime(1, 1, 1, tzinfo=UTC), b" Mon, 01 Jan 0001 00:00:00 +0000"),
            (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), b" Fri, 31 Dec 9999 23:59:59 +0000"),
        ],
    )
    def test_utc(self, date: datetime, written: bytes) -> None:
        """A date of any time zone is written in UTC."""
        assert outer(built(date=date), b"Date") == written

    @given(st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)))
    def test_agrees_with_the_standard_library(self, date: datetime) -> None:
        """The standard library reads the date that was given, without its fraction of a second."""
        written = outer(built(date=date), b"Date")
        assert written is not None
        assert parsedate_to_datetime(written.decode()) == date.replace(microsecond=0)

    def test_now(self) -> None:
        """Without a date the report is made now."""
        before = datetime.now(UTC).replace(microsecond=0)
        written = outer(built(date=None), b"Date")
        assert written is not None
        assert before <= parsedate_to_datetime(written.decode()) <= datetime.now(UTC)


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
        """What is no domain name in ASCII, and no address literal, is refused."""
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
        """What is no Message-ID in angle brackets is refused."""
        refused("report_id", report_id=report_id)

    def test_long_report_id(self) -> None:
        """A report id may fill a line."""
        report_id = "<" + "a" * 900 + ">"
        assert parse_report(built(report_id=report_id)).report_id == report_id

    def test_naive_date(self) -> None:
        """A date without a time zone could be any of two dozen."""
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
        """What ENVELOPE alone can say is refused elsewhere by its name."""
        refused("internal", format=other, internal=True)
        refused("decrypted", format=other, decrypted=b"x")

    @pytest.mark.parametrize("other", [one for one in ReportFormat if one is not ReportFormat.ENVELOPE_2003])
    def test_marker_of_exchange_2003(self, other: ReportFormat) -> None:
        """A spelling is an option of the one marker that has two."""
        refused("correct_marker", format=other, correct_marker=True)

    @pytest.mark.parametrize("other", [one for one in ReportFormat if one is not ReportFormat.BCC])
    def test_everyone(self, other: ReportFormat) -> None:
        """Who stands in the Bcc field is an option of the one format that has it."""
        refused("bcc_all", format=other, bcc_all=True)

    @pytest.mark.parametrize("format", [one for one in ReportFormat if one is not ReportFormat.MESSAGE_ONLY])
    def test_no_recipients_in_any_format(self, format: ReportFormat) -> None:
        """A report of any format that names recipients names one at least."""
        refused("recipients", report=a_report(recipients=[]), format=format)

    @pytest.mark.parametrize("word", ["", "Envelope", "eml"])
    def test_no_format(self, word: Any) -> None:
        """A word that is not a format is refused by the name of the option too."""
        refused("format", format=word)

    def test_format_as_a_string(self) -> None:
        """The format may be given as its word."""
        assert built(format="envelope") == built(format=ReportFormat.ENVELOPE) == built()

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
    """Messages may be in any buffer of octets."""

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


def told(header: bytes, **options: Any) -> JournalReport:
    """The report on a message with this header, under an envelope from a list's bounce address."""
    sender, recipients = options.pop("sender", "bounces@example.net"), options.pop("recipients", [BOB])
    return report_for(header + b"\r\nbody", Envelope(sender, recipients, **options))


class TestSender:
    """The sender is who the message says, and MAIL FROM only where it names nobody (MS-XJRNL 2.1.1)."""

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
        report = told(header, authenticated=authenticated)
        assert report.sender == sender
        assert report.on_behalf_of == (on_behalf_of if authenticated else None)
        assert report.envelope_sender == "bounces@example.net"

    def test_blank_before_the_colon_of_the_first_field(self) -> None:
        """A From field with a blank before its colon, as old mail has it, is no line of a mailbox file."""
        assert told(b"From : a@example.com\r\n").sender == "a@example.com"

    def test_null_sender(self) -> None:
        """A message that names nobody, under the null sender, has the null sender."""
        report = told(b"Subject: x\r\n", sender="")
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
        report = told(self.HEADER, recipients=[given_recipient], authenticated=True)
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
            # In some reader's eyes the field names the recipient.
            (b'To: "bob@example.net" <carol@example.org>\r\n', ["Recipient", "To", "Bcc"]),
            (b'To: "bob". x@example.org, carol@example.org (bob@example.net)\r\n', ["Recipient", "To", "Bcc"]),
            (b"X: y\rTo: bob@example.net\r\n", ["Recipient", "Bcc", "Bcc"]),
            # Nobody can say who is hidden.
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
        """Every To and Cc field counts, and who may be named in one that was not understood or not read is not called Bcc."""
        addresses = [BOB, "carol@example.org", "hidden@example.org"]
        report = told(header, recipients=addresses, authenticated=True)
        assert [str(one.role) for one in report.recipients] == roles

    @pytest.mark.parametrize("options", [{}, {"trusted_path": True}])
    def test_not_authenticated(self, options: dict[str, bool]) -> None:
        """From anybody else every role is Recipient, a server of ours included."""
        given_recipients = [
            BOB,
            "carol@example.org",
            Recipient("d@example.org", Role.BCC, expanded_from="l@example.com"),
        ]
        report = told(self.HEADER, recipients=given_recipients, **options)
        assert report.recipients == (
            Recipient(BOB),
            Recipient("carol@example.org"),
            Recipient("d@example.org", expanded_from="l@example.com"),
        )

    def test_every_recipient_of_the_envelope(self) -> None:
        """The report lists the envelope: in its order, repetitions included, and nobody of the header alone."""
        addresses = ["z@example.org", BOB, "z@example.org"]
        report = told(self.HEADER, recipients=addresses, authenticated=True)
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
        assert told(header).subject == subject

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
        assert told(header).message_id == message_id


def test_a_report_text_that_no_reader_takes() -> None:
    """A report text beyond the reader's own limit is refused when it is written."""
    recipients = [f"{'x' * 60}{number}@example.com" for number in range(REPORT_TEXT_LIMIT // 80)]
    with pytest.raises(BuildError) as caught:
        build_report(JournalReport(sender="", recipients=recipients), None, domain="example.com")
    assert caught.value.field == "recipients"


SECRET = b"the first secret"


class TestSecret:
    """A secret puts a seal before a report, and changes nothing else of it but a derived id."""

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
            "a secret that is text",
            bytearray(SECRET),
            memoryview(SECRET),
            16,
            [SECRET],
            (),
            False,
        ],
        ids=lambda value: f"{type(value).__name__} {value!r:.12}",
    )
    def test_no_secret(self, secret: Any) -> None:
        """What is no secret is a BuildError that shows nothing of it."""
        with pytest.raises(BuildError) as caught:
            built(secret=secret)
        assert caught.value.field == "secret"
        assert "hush" not in str(caught.value)
        assert "secret that" not in str(caught.value)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize("secret", [SECRET, b""], ids=repr)
    @pytest.mark.parametrize("format", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY])
    def test_copies(self, format: ReportFormat, secret: bytes) -> None:
        """A copy bears no seal: a secret for it is refused, good or not."""
        with pytest.raises(BuildError, match="needs the format envelope or envelope-2003") as caught:
            built(format=format, secret=secret)
        assert caught.value.field == "secret"

    def test_no_format(self) -> None:
        """A word that is not a format is refused as one, also with a secret."""
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
        """A sealed report has another id than an unsealed one, and one under each secret; a retry has the same."""
        first, again, other, unsealed = (
            parse_report(built(report_id=None, secret=secret)).report_id
            for secret in (SECRET, SECRET, SECRET + b"x", None)
        )
        assert first == again
        assert len({first, other, unsealed}) == 3

    def test_boundary(self) -> None:
        """Under a given id the boundary does not depend on the secret."""
        assert boundary_of(built(secret=SECRET).partition(b"\r\n")[2]) == boundary_of(built())
