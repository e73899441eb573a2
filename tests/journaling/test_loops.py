"""Signs of earlier journaling: which are found, in which order, and which of them a stranger could have written."""

import base64
import binascii
import mmap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from test_header_firewall import STAMPS

from exjournal import (
    InvalidValue,
    Loop,
    ReportFormat,
    detect_format,
    detect_loop,
)
from exjournal.journaling.header_firewall import matching_headers
from exjournal.journaling.loops import LoopReason, read_signs
from exjournal.journaling.stamps import Journaled, Stamps, stamp_value
from exjournal.limits import FIELD_LIMIT, HEADER_LIMIT, HOP_LIMIT, REPORT_NESTING_LIMIT
from exjournal.reports.seals import digest_of
from strategies import ENVELOPES, HEAVY, ORIGINAL, Arguments, any_bytes, arguments, built, message_like
from test_laws import steps, watchdog

SECRET = b"the first secret"
OTHER = b"another secret of the same owner"
STAMP = (
    b"X-ExJournal-Stamp: "
    + stamp_value(digest_of(ORIGINAL), [Journaled("j@example.com", "ann@example.com", (), ())], SECRET).encode()
    + b"\r\n"
)
HOP = b"Received: from a.example by b.example; 29 Feb 2024 12:30:45 +0000\r\n"


def loop(message: bytes, *secrets: bytes) -> tuple[str, str] | None:
    """The strongest sign: its reason, with a star if no stranger can have written it, and its header."""
    sign = detect_loop(message, secrets=secrets)
    return None if sign is None else (sign.reason + "*" * (not sign.forgeable), sign.header)


def reasons(message: bytes, *secrets: bytes) -> list[str]:
    """The reasons of all signs in order, with a star if no stranger can have written them."""
    return [one.reason + "*" * (not one.forgeable) for one in read_signs(message, secrets).loops]


def a_bounce(*parts: bytes, head: bytes = b"multipart/report; report-type=delivery-status") -> bytes:
    """A bounce of some parts."""
    body = b"".join([b"--bounce\r\n" + part + b"\r\n" for part in parts])
    return b"Content-Type: " + head + b"; boundary=bounce\r\n\r\n" + body + b"--bounce--\r\n"


def attached(message: bytes) -> bytes:
    """A part that holds a message."""
    return b"Content-Type: message/rfc822\r\n\r\n" + message


def in_reports(levels: int, original: bytes = ORIGINAL, encoding: bytes = b"") -> bytes:
    """Reports inside one another, with the original of each in a transfer encoding."""
    for _ in range(levels):
        report = built(original)
        if encoding:
            coded = base64.encodebytes(original) if encoding == b"base64" else binascii.b2a_qp(original, istext=False)
            head, part = report[: -len(original)], b"message/rfc822\r\n\r\n" + original
            assert part in report
            head, _, tail = report.partition(part)
            report = head + b"message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + coded + tail
        original = report
    return original


class TestLoop:
    """The signs that a message should not be journaled again, and whether a stranger could have written them."""

    @pytest.mark.parametrize(
        ("field", "reason"),
        [
            *[(f"{name}:", "report") for name in ("X-MS-Journal-Report", "X-MS-Exchange-Organization-Journal-Report")],
            ("X-WM-Journal-Report: journal@example.com", "report"),
            ("X-GM-Journal-ID: 1", "report"),
            ("Content-Identifer: ExJournalReport", "report"),
            ("Content-Identifier: exjournalreport", "report"),
            ("X-MS-Journal-Report: anything", "report"),
            *[(f"{name}: Journal Agent", "processed") for name in STAMPS],
            *[(f"{name}:", "processed") for name in STAMPS],
            ("X-ExJournal-Seal: v=2; s=x", "seal"),
            ("X-ExJournal-Seal:", "seal"),
            ("X-ExJournal-Stamp: v=2; s=x; t=y", "stamp"),
            ("X-ExJournal-Stamp:", "stamp"),
        ],
    )
    @pytest.mark.parametrize("spell", [str, str.upper, str.lower], ids=["as written", "upper", "lower"])
    @pytest.mark.parametrize(
        "before", ["", "\ufeff", "\r\n\n", "From someone\r\n", "\ufeff\r\nFrom someone\r\n", "X: y\r\n"], ids=repr
    )
    def test_fields(self, field: str, reason: str, spell: Callable[[str], str], before: str) -> None:
        """A field in any letter case is reported by its name as written, after anything that may precede a header block."""
        name, _, value = field.partition(":")
        message = f"{before}{spell(name)} \t:{value}\r\n".encode() + ORIGINAL
        for secrets in ((), (SECRET,), (SECRET, OTHER)):
            assert detect_loop(message, secrets=secrets) == Loop(LoopReason(reason), spell(name), forgeable=True)

    @pytest.mark.parametrize(
        "field",
        [
            b"Content-Identifer: ExJournalData",
            b"Content-Identifer:",
            b"Content-Identifier: x ExJournalReport",
            b"X-MS-Journal-Reports:",
            b"X-MS-Journal-Report",
            b"X-MS-Embedded-Report:",
            b"X-Content-Identifer: ExJournalReport",
            b"X-ExJournal-Envelope-Sender: <>",
            b"X-ExJournal-Seals: v=2; s=x",
            b"X-MS-Exchange-Organization-Processed-By: Journal Agent",
            b"X-Y: X-MS-Journal-Report:",
            b"X-Y:\r\n X-MS-Journal-Report:",
            b"X-Y: z\r\n\r\nX-MS-Journal-Report:",
            b"X-MS-Exchange-Generated-Message-Source: Journal Agent",
            b"Auto-Submitted: auto-generated",
            b"Content-Type: multipart/report; boundary=b",
            b"Content-Class: urn:content-classes:dsn",
            b"X-Failed-Recipients: bob@example.net",
        ],
        ids=repr,
    )
    def test_look_alikes(self, field: bytes) -> None:
        """A field that only resembles a marker or a stamp is not a sign, and neither is a bounce of ordinary mail."""
        assert loop(field + b"\r\n" + ORIGINAL) is None

    @pytest.mark.parametrize(
        "message", [b"", b"\r\n", ORIGINAL, b"\r\nX-MS-Journal-Report:\r\n\r\n"[4:], b"no header"], ids=repr
    )
    def test_nothing(self, message: bytes) -> None:
        """Ordinary mail has no signs."""
        assert loop(message, SECRET) is None

    def test_a_second_value(self) -> None:
        """The first field decides about a marker of Exchange 2003, as in `detect_format`."""
        message = b"Content-Identifer: x\r\nContent-Identifer: ExJournalReport\r\n" + ORIGINAL
        assert (loop(message), detect_format(message)) == (None, None)

    @given(any_bytes() | message_like())
    def test_agrees_with_detect_format(self, message: bytes) -> None:
        """A message is reported as a report if and only if it has the marker of a format."""
        is_reported = LoopReason.REPORT in reasons(message)
        assert is_reported is (detect_format(message) is not None)

    @pytest.mark.parametrize("type", [b"multipart/report-x", b"multipart/report+x", b"multipart/reports"], ids=repr)
    def test_nearly_a_bounce(self, type: bytes) -> None:
        """A report whose type only begins like that of a bounce is a report, as in `detect_format`."""
        message = b"Content-Type: " + type + b"; boundary=b\r\nX-MS-Journal-Report:\r\n\r\n--b\r\n\r\n--b--\r\n"
        assert detect_format(message) is ReportFormat.ENVELOPE
        assert loop(message) == ("report", "X-MS-Journal-Report")

    @HEAVY
    @given(arguments(formats=ENVELOPES))
    def test_reports(self, given_arguments: Arguments) -> None:
        """Every report from `build_report` has a sign: its marker, and its seal for those who know the secret."""
        report = given_arguments.build()
        assert "report" in reasons(report)
        assert loop(report) is not None
        sealed = Arguments(*given_arguments[:2], {**given_arguments.options, "secret": SECRET}).build()
        assert loop(sealed, SECRET) == ("seal*", "X-ExJournal-Seal")
        assert reasons(sealed, OTHER) == reasons(sealed) == [*reasons(report), "seal"]


class TestOwnSealAndStamp:
    """Our own seal and stamp, which no stranger can write."""

    def test_seal(self) -> None:
        """A verified seal is the strongest sign; one that no secret verifies comes after the marker, as forgeable."""
        sealed = built(secret=SECRET)
        assert reasons(sealed, SECRET) == reasons(sealed, OTHER, SECRET) == ["seal*", "report"]
        assert reasons(sealed, OTHER) == reasons(sealed) == ["report", "seal"]
        assert reasons(sealed + b"x", SECRET) == ["report", "seal"]

    def test_stamp(self) -> None:
        """The same holds for a stamp."""
        stamped = STAMP + ORIGINAL
        assert loop(stamped, SECRET) == loop(stamped, OTHER, SECRET) == ("stamp*", "X-ExJournal-Stamp")
        assert loop(stamped) == loop(stamped, OTHER) == loop(stamped + b"x", SECRET) == ("stamp", "X-ExJournal-Stamp")

    def test_one_of_several(self) -> None:
        """One good seal or stamp among bad ones is enough."""
        assert loop(b"X-ExJournal-Stamp: x\r\n" + STAMP + ORIGINAL, SECRET) == ("stamp*", "X-ExJournal-Stamp")
        assert loop(b"x-exjournal-seal: x\r\n" + built(secret=SECRET), SECRET) == ("seal*", "x-exjournal-seal")

    def test_read_signs(self) -> None:
        """The signs include the verified stamps and every field that was looked for."""
        signs = read_signs(STAMP + b"from: a@example.com\r\n" + ORIGINAL, (SECRET,))
        assert signs.fields[b"from"] == [b" a@example.com\r\n", b" alice@example.com\r\n"]
        assert signs.stamps == Stamps()  # made for the message without that field
        assert read_signs(STAMP + ORIGINAL, (SECRET,)).stamps.verified
        assert read_signs(STAMP + ORIGINAL, ()).stamps == read_signs(ORIGINAL, (SECRET,)).stamps == Stamps()

    @pytest.mark.parametrize("secrets", [SECRET, "text", None, [b"short"], ["a secret that is text"], [None]], ids=repr)
    def test_invalid_secrets(self, secrets: object) -> None:
        """A value that is not a collection of secrets is an InvalidValue, for any message."""
        for message in (ORIGINAL, built(secret=SECRET)):
            with pytest.raises(InvalidValue) as caught:
                detect_loop(message, secrets=cast("Iterable[bytes]", secrets))
            assert caught.value.field == "secrets"
            assert "short" not in str(caught.value)

    def test_many_seals_cost_little(self) -> None:
        """Four times the seals, stamps and hops cost about four times as much."""
        fields = (
            b"X-ExJournal-Seal: v=2; s=" + b"A" * 43 + b"\r\nX-ExJournal-Stamp: v=2;s=" + b"A" * 43 + b";t=\r\n" + HOP
        )
        small, large = [steps(lambda: loop(fields * count + ORIGINAL, SECRET, OTHER)) for count in (60, 240)]  # noqa: B023
        assert large <= 5 * small + 2000


class TestLimits:
    """Hops, nesting and size."""

    @pytest.mark.parametrize("name", [b"Received", b"RECEIVED", b"received "])
    def test_hops(self, name: bytes) -> None:
        """A hundred servers are a loop, 99 are not; a Received field in the body or in a fold does not count."""
        fields = HOP.replace(b"Received", name)
        inside = b"X: y\r\n Received: x\r\n"
        assert loop(fields * (HOP_LIMIT - 1) + inside + ORIGINAL + HOP) is None
        assert loop(fields * HOP_LIMIT + ORIGINAL) == ("hop-limit", name.decode().strip())

    @pytest.mark.parametrize("encoding", [b"", b"base64", b"quoted-printable"], ids=repr)
    def test_nesting(self, encoding: bytes) -> None:
        """Five reports inside one another are a loop, four are not, also if each original is encoded."""
        assert reasons(in_reports(REPORT_NESTING_LIMIT - 1, encoding=encoding)) == ["report"]
        assert reasons(in_reports(REPORT_NESTING_LIMIT, encoding=encoding)) == ["nesting-limit", "report"]
        assert reasons(in_reports(REPORT_NESTING_LIMIT + 1, encoding=encoding)) == ["nesting-limit", "report"]

    @pytest.mark.parametrize("format", ENVELOPES)
    def test_formats(self, format: ReportFormat) -> None:
        """Reports of both formats count, each by its marker as written."""
        message = ORIGINAL
        for _ in range(REPORT_NESTING_LIMIT):
            message = built(message, format=format)
        marker = "X-MS-Journal-Report" if format is ReportFormat.ENVELOPE else "Content-Identifer"
        assert loop(message) == ("nesting-limit", marker)
        assert loop(b"\xef\xbb\xbf" + message.replace(b"\r\n", b"\n")) == ("nesting-limit", marker)

    @pytest.mark.parametrize(
        ("inside", "is_report"),
        [
            (None, False),
            (b"", False),
            (b"\xef\xbb\xbf", False),
            (ORIGINAL + built(), False),
            (a_bounce(attached(in_reports(5))), False),
            (b"X-MS-Journal-Report:\r\n\r\nno parts", True),
            (b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 300, True),
            (b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed\r\n\r\nno parts", True),
        ],
        ids=[
            "no original",
            "empty",
            "a mark",
            "in a text",
            "a bounce",
            "no multipart",
            "very many parts",
            "no boundary",
        ],
    )
    def test_what_ends_the_nesting(self, inside: bytes | None, is_report: bool) -> None:
        """The count ends at a message without a further report."""
        report = in_reports(REPORT_NESTING_LIMIT - 2 - is_report, built(inside))
        assert reasons(report) == ["report"]
        assert reasons(built(report)) == (["nesting-limit", "report"])

    def test_lead_ins(self) -> None:
        """A byte order mark or a From line before an original does not hide a report."""
        message = ORIGINAL
        for before in (b"", b"\xef\xbb\xbf", b"From someone\r\n", b"\r\n", b""):
            message = before + built(message)
        assert loop(message) == ("nesting-limit", "X-MS-Journal-Report")

    @pytest.mark.parametrize(
        "block",
        [
            b"X: " + b"y" * HEADER_LIMIT + b"\r\n",
            b"X: y\r\n" * 20_001,
            HOP * (FIELD_LIMIT + 1),
            b"from: a\r\n" * (FIELD_LIMIT + 1),
        ],
        ids=["bytes", "lines", "hops", "authors"],
    )
    def test_header_too_large(self, block: bytes) -> None:
        """A header block beyond the limits is a stronger sign than its fields, and names no header."""
        message = b"X-MS-Journal-Report:\r\n" + block + ORIGINAL
        assert loop(message) == ("header-too-large", "")
        assert "report" in reasons(message)

    def test_order(self) -> None:
        """Verified signs come before limits, limits before forgeable signs, markers before unverified stamps."""
        processed = b"".join([name.encode() + b": x\r\n" for name in reversed(STAMPS)])
        report = built(in_reports(4), secret=SECRET)
        message = processed + b"X-ExJournal-Stamp: x\r\n" + HOP * HOP_LIMIT + report
        forgeable = ["nesting-limit", "hop-limit", "report"]
        assert reasons(message, SECRET) == ["seal*", *forgeable, "stamp", *["processed"] * 4]
        assert reasons(message) == [*forgeable, "seal", "stamp", *["processed"] * 4]
        assert [one.header for one in read_signs(message, ()).loops][-4:] == STAMPS


class TestBounces:
    """A bounce of a report is reported with the header that shows it."""

    @pytest.mark.parametrize(
        "head",
        [
            b"multipart/report; report-type=delivery-status",
            b"multipart/report",
            b"Multipart/REPORT",
            b"multipart/mixed; x=y\r\nContent-Class: urn:content-classes:DSN",
            b"multipart/mixed; x=y\r\nX-Failed-Recipients: journal@example.com",
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("format", ENVELOPES)
    def test_entire_report(self, head: bytes, format: ReportFormat) -> None:
        """A report inside a bounce is reported by its marker."""
        kind, _, fields = head.partition(b"\r\n")
        message = (fields + b"\r\n" if fields else b"") + a_bounce(
            b"\r\nNot delivered.", attached(built(format=format)), head=kind
        )
        marker = "X-MS-Journal-Report" if format is ReportFormat.ENVELOPE else "Content-Identifer"
        assert loop(message, SECRET) == ("bounced-report", marker)

    def test_not_a_bounce(self) -> None:
        """An attached report does not make ordinary mail a bounce, and a bounce of ordinary mail is not a sign."""
        assert loop(a_bounce(attached(built()), head=b"multipart/mixed")) is None
        assert loop(a_bounce(attached(ORIGINAL))) is None
        assert loop(a_bounce(b"Content-Type: text/rfc822-headers\r\n\r\n" + ORIGINAL)) is None

    def test_a_bounce_that_bears_a_marker(self) -> None:
        """A multipart/report with a marker is not a report in any format; its content decides."""
        assert loop(b"X-MS-Journal-Report:\r\n" + a_bounce(attached(ORIGINAL))) is None
        assert loop(b"X-WM-Journal-Report: x\r\n" + a_bounce(attached(built()))) == (
            "bounced-report",
            "X-MS-Journal-Report",
        )

    def test_bounces_of_bounces(self) -> None:
        """A bounce of a bounce of a report is a bounce of a report."""
        inner = a_bounce(attached(built())).replace(b"bounce", b"inner")
        assert loop(a_bounce(attached(inner))) == ("bounced-report", "X-MS-Journal-Report")

    def test_header_only(self) -> None:
        """A bounce with only the header of a report is recognized by the report id."""
        header = (
            b"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <1@journal.report.generator>\r\nSubject: Hello\r\n"
        )
        assert loop(a_bounce(b"\r\nNot delivered.", header)) == ("bounced-report", "Message-ID")

    def test_header_only_with_a_marker(self) -> None:
        """If that header has a marker and no report id, the Content-Type of the bounce is named."""
        header = b"Content-Type: text/rfc822-headers\r\n\r\nX-MS-Journal-Report:\r\nSubject: Hello\r\n"
        assert loop(a_bounce(b"\r\nNot delivered.", header)) == ("bounced-report", "Content-Type")

    def test_as_written(self) -> None:
        """The marker inside is named as written there."""
        report = built().replace(b"X-MS-Journal-Report", b"x-ms-journal-report")
        assert loop(a_bounce(attached(report))) == ("bounced-report", "x-ms-journal-report")

    def test_encoded(self) -> None:
        """A report that a gateway encoded inside the bounce is found."""
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(
            built()
        )
        assert loop(a_bounce(part)) == ("bounced-report", "X-MS-Journal-Report")

    @pytest.mark.parametrize("body", [b"", b"--bounce--", b"--bounce\r\n" * 300, b"--bounce\r\n\r\n" * 300], ids=len)
    def test_damaged(self, body: bytes) -> None:
        """A bounce that cannot be opened is not a sign."""
        assert loop(b"Content-Type: multipart/report; boundary=bounce\r\n\r\n" + body) is None


class TestAnyBuffer:
    """Messages in any buffer, and any bytes."""

    @given(any_bytes() | message_like())
    def test_total(self, message: bytes) -> None:
        """Any bytes get an answer, which names a header field and is forgeable without a secret."""
        sign = detect_loop(message)
        assert (
            detect_loop(bytearray(message), secrets=[SECRET])
            == detect_loop(memoryview(message), secrets=(SECRET,))
            == sign
        )
        if sign is not None and sign.reason is not LoopReason.BOUNCED_REPORT:
            assert sign.forgeable
            assert matching_headers(message, [sign.header])[0] == sign.header

    def test_mmap(self, tmp_path: Path) -> None:
        """A mapped file gives the same."""
        path = tmp_path / "message.eml"
        path.write_bytes(STAMP + ORIGINAL)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert detect_loop(mapped, secrets=[SECRET]) == detect_loop(STAMP + ORIGINAL, secrets=[SECRET])

    def test_other_types(self) -> None:
        """Any other type is a TypeError."""
        with pytest.raises(TypeError, match="a message must be bytes"):
            detect_loop(cast("bytes", "text"))

    @pytest.mark.parametrize(
        "make",
        [
            lambda n: (
                b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * n
            ),
            lambda n: a_bounce(*[attached(ORIGINAL)] * (n // 10)),
            lambda n: in_reports(4, b"\n--_" * n),
            lambda n: b"Received: x\r\n" * min(n, FIELD_LIMIT) + ORIGINAL,
            lambda n: b"Content-Type: " + b" " * n + b"x\r\nX-MS-Journal-Report:" + b"\r\n " * n + b"\r\n\r\n",
        ],
        ids=["parts", "messages in a bounce", "reports", "hops", "blanks"],
    )
    def test_linear(self, make: Callable[[int], bytes]) -> None:
        """Time grows in proportion to the input."""
        small, large = make(250), make(1000)
        assert steps(lambda: detect_loop(large)) <= 5 * steps(lambda: detect_loop(small)) + 2000
        with watchdog():
            detect_loop(make(60_000))
