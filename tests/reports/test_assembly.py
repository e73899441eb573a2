"""Putting reports together: ids, boundaries, transfer encodings, outer header fields, dates."""

import binascii
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    JournalReport,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
    build_report,
    parse_report,
)
from strategies import DATE, ORIGINAL, Arguments, a_report, arguments, built, carried, message_like

GUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SECRET = b"the first secret"
SYSTEM_SENDER = b"<MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>"


def boundary_of(data: bytes) -> bytes:
    """The boundary of a built report, which has the form of those in real reports."""
    found = re.match(rb'Content-Type: multipart/mixed;\r\n\tboundary="(_%b_)"\r\n' % GUID, data)
    assert found is not None
    return found[1]


def outer_block(data: bytes) -> bytes:
    """The outer header block, with the line end of its last field."""
    return data[: data.index(b"\r\n\r\n") + 2]


def outer_fields(data: bytes) -> list[tuple[bytes, bytes]]:
    """The outer fields in order, each with the text after its colon as its value."""
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


class TestReportId:
    """The report's own id is derived from the report, unless it is given."""

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
        """Each argument except the date, and each field of the report, changes the id."""
        ids = [outer(built(**({"report_id": None} | change)), b"Message-ID") for change in self.CHANGES]
        assert len(set(ids)) == len(self.CHANGES)

    @pytest.mark.slow
    @given(st.data())
    def test_two_reports_never_share_one(self, data: st.DataObject) -> None:
        """Two reports that share a derived id are the same, byte for byte, with any differences except in the date."""
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
        """Another report id gives another boundary, and the same id the same boundary."""
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
        """The report text is not encoded if it is ASCII in lines that mail allows; else it is in quoted-printable."""
        header, _ = text_part(built(report=a_report(subject=subject)))
        assert header == (
            b'Content-Type: text/plain; charset="' + charset + b'"\r\nContent-Transfer-Encoding: ' + encoding + b"\r\n"
        )

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    @pytest.mark.parametrize(
        "options", [{"eight_bit": True}, {"original": b"X: y\r\n\r\n\xe9"}, {"original": b"X: y\r\n\r\n\0"}]
    )
    def test_eight_bit_text(self, format: ReportFormat, options: dict[str, Any]) -> None:
        """A report that needs 8BITMIME anyway, or may use it, has its text in 8bit, declared on every multipart around it."""
        report = a_report(sender_display_name="\u4e2d\u6587", subject="\u4e2d\u6587")
        data = built(**({"original": b"X: y\r\n\r\n"} | options), format=format, report=report)
        for block in re.findall(rb"Content-Type: (?:text|multipart).*?\r\n\r\n", data, re.DOTALL):
            assert re.search(rb"Content-Transfer-Encoding: (?:8bit|binary)\r\n", block)
        assert "\u4e2d\u6587".encode() in data.partition(b"message/rfc822")[0]
        assert parse_report(data).report == carried(report, format)

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    def test_eight_bit_changes_nothing_in_ascii(self, format: ReportFormat) -> None:
        """An ASCII report is the same, with the same id, whether or not eight bits are allowed."""
        assert built(format=format, report_id=None, eight_bit=True) == built(format=format, report_id=None)

    @pytest.mark.parametrize(
        ("subject", "encoding"), [("\u00e9" + "x" * 987, b"8bit"), ("\u00e9" + "x" * 988, b"quoted-printable")]
    )
    def test_eight_bit_lines(self, subject: str, encoding: bytes) -> None:
        """A line of more than 998 bytes is encoded, even with eight bits."""
        report = a_report(subject=subject)
        data = built(report=report, eight_bit=True)
        header, _ = text_part(data)
        assert header.endswith(b"Content-Transfer-Encoding: " + encoding + b"\r\n")
        assert outer(data, b"Content-Transfer-Encoding") == (b" 8bit" if encoding == b"8bit" else None)
        assert parse_report(data).report.subject == subject

    def test_eight_bit_text_and_longer_twin(self) -> None:
        """The HTML twin, in which a line is too long, is encoded, while the text is not."""
        recipient = Recipient("bob@example.net", display_name="\u00e9" + "&" * 300)
        report = a_report(recipients=[recipient])
        data = built(report=report, format=ReportFormat.ENVELOPE_2003, eight_bit=True)
        encodings = re.findall(rb"Content-Transfer-Encoding: (\S+)\r\n", data)
        assert encodings == [b"8bit", b"8bit", b"8bit", b"quoted-printable"]
        assert parse_report(data, strict=True).report.recipients == report.recipients

    @pytest.mark.slow
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

    @pytest.mark.slow
    @given(arguments())
    def test_line_lengths(self, given_arguments: Arguments) -> None:
        """Every line that the builder writes ends in CRLF and is as short as mail requires."""
        data = given_arguments.build()
        header, content = text_part(data)
        for written in (outer_block(data), header, content):
            assert max(map(len, written.split(b"\r\n"))) <= 998
            assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", written)


# One header block: fields in visible lines that end in CRLF, without empty folds.
BLOCK = re.compile(rb"(?:[!-9;-~]+:[^\r\n\0]*\r\n(?:[ \t][^\r\n\0]*[^\s\0][^\r\n\0]*\r\n)*)+")
# The fields that a report's outer block may have, in order.
NAMES = (
    b"Content-Type Subject CC To From MIME-Version Content-Transfer-Encoding Sender Message-ID Date X-MS-Journal-Report "
    b"X-MS-Exchange-Parent-Message-Id Auto-Submitted X-MS-Exchange-Generated-Message-Source X-ExJournal-Envelope-Sender"
)


class TestOuterHeaders:
    """The outer header block repeats fields of the original, and nothing in them can add to it."""

    @given(message_like())
    def test_well_formed(self, original: bytes) -> None:
        """With any header of the original, the outer block has the expected names, once and in order."""
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
        """A field is copied as bytes, with its folds; stray control characters become spaces and empty folds are dropped."""
        data = built(name + b":" + value + b"\r\nX: y\r\n\r\nbody")
        assert outer(data, {b"Cc": b"CC"}.get(name, name)) == written
        assert BLOCK.fullmatch(outer_block(data))
        assert b"X-Evil" not in {field for field, _ in outer_fields(data)}

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b" ",
            b" \r\n ",
            b"\r",
            b" \x0b",
            b" " + b"x" * 5000,
            b" x\r\n " + b"x" * 5000,
            (b" " + b"x" * 500 + b"\r\n") * 70 + b" x",
        ],
        ids=lambda value: f"{value[:6]!r} of {len(value)}",
    )
    def test_not_copied(self, value: bytes) -> None:
        """A field that is empty or does not fit in lines of mail is omitted, or written from the report."""
        fields = b"".join([name + b":" + value + b"\r\n" for name in (b"Subject", b"To", b"Cc", b"From")])
        data = built(fields + b"\r\nbody")
        assert outer(data, b"Subject") == b" Hello"
        assert outer(data, b"From") == b" <alice@example.com>"
        assert outer(data, b"To") is outer(data, b"CC") is None

    def test_first_of_a_name(self) -> None:
        """Of a repeated field, the first one that can be copied is copied."""
        data = built(b"To: \r\nTo: one@example.com\r\nTo: two@example.com\r\n\r\n")
        assert outer(data, b"To") == b" one@example.com"

    def test_body_is_not_a_header(self) -> None:
        """Nothing after the blank line is copied."""
        data = built(b"X: y\n\nTo: bob@example.net\nSubject: x\n")
        assert outer(data, b"To") is None
        assert outer(data, b"Subject") == b" Hello"

    def test_from_line(self) -> None:
        """A line that a mailbox file left before the header is skipped."""
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
        """If the original has no subject, that of the report is written, encoded if it is not visible ASCII."""
        assert outer(built(None, report=a_report(subject=subject)), b"Subject") == written

    def test_own_long_subject(self) -> None:
        """A subject that does not fit on a line is folded as encoded words, between characters."""
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
        """If the original has no author, From is the report's sender, if a header field can hold it."""
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
        """MAIL FROM is in a header field of our own, if it is known."""
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
        """The original's Message-ID is in the outer block too, if it fits in a header field."""
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
        """The fields of a mailing list are copied from list mail only, after all others and in their order."""
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
