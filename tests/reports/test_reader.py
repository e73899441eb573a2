"""Reading: which messages are reports, the places of their parts, the facts in their text, and the defects."""

import base64
import binascii
import mmap
from typing import Any

import pytest

from exjournal import (
    Defect,
    DefectCode,
    Evidence,
    InvalidValue,
    ParsedReport,
    ParseError,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
    detect_format,
    identify,
    parse_report,
)
from exjournal.limits import (
    DEFECT_LIMIT,
    HEADER_LIMIT,
    HEADER_LINE_LIMIT,
    NESTING_LIMIT,
    PART_LIMIT,
    RECIPIENT_LIMIT,
    REPORT_TEXT_LIMIT,
)
from exjournal.reports.reader import READS_LIKE
from strategies import ORIGINAL, PART, TEXT, a_message, a_report, built

PLAIN = b"Content-Type: text/plain"
MARKER = b"X-MS-Journal-Report:\r\n"
# A report with no oddity, and the beginnings of its parts.
SOUND = a_message(TEXT, PART)
# The parts of a report of Exchange 2003 with no oddity.
TEXT_2003 = (
    b"Sender: <alice@example.com>\r\nMessage-ID: <1@example.com>\r\n"
    b"Recipients:\r\n\tbob@example.net,\r\n\tcarol@example.org\r\n"
)
BODY_2003 = a_message(TEXT_2003, PART).partition(b"\r\n\r\n")[2]


def codes(parsed: ParsedReport) -> list[DefectCode]:
    """The codes of the defects, in order."""
    return [defect.code for defect in parsed.defects]


def refusal(data: bytes, **options: Any) -> ParseError:
    """The error that bytes end in."""
    with pytest.raises(ParseError) as caught:
        parse_report(data, **options)
    return caught.value


def headed(*fields: bytes, body: bytes = SOUND.partition(b"\r\n\r\n")[2]) -> bytes:
    """A report with these outer fields before its body."""
    return b"".join([field + b"\r\n" for field in fields]) + b"\r\n" + body


class TestMarkers:
    """A report is recognized by its marker, by its presence and not by its value."""

    MULTIPART = b"Content-Type: multipart/mixed; boundary=edge"

    @pytest.mark.parametrize(
        ("field", "marker"),
        [
            (b"X-MS-Journal-Report:", "X-MS-Journal-Report"),
            (b"X-MS-Journal-Report: ", "X-MS-Journal-Report"),
            (b"X-MS-Journal-Report: \r\n ", "X-MS-Journal-Report"),
            (b"X-MS-Journal-Report:\r\n\tyes", "X-MS-Journal-Report"),
            (b"x-ms-JOURNAL-report : anything", "X-MS-Journal-Report"),
            (b"X-MS-Exchange-Organization-Journal-Report:", "X-MS-Exchange-Organization-Journal-Report"),
            (b"X-WM-Journal-Report: journal", "X-WM-Journal-Report"),
            (b"x-wm-journal-report:", "X-WM-Journal-Report"),
            (b"X-GM-Journal-ID: 0123456789abcdef", "X-GM-Journal-ID"),
            (b"X-Gm-Journal-Id:\r\n abc", "X-GM-Journal-ID"),
        ],
    )
    def test_envelope(self, field: bytes, marker: str) -> None:
        """The markers of every producer count, in any letter case and with any value."""
        data = headed(self.MULTIPART, field)
        assert detect_format(data) is ReportFormat.ENVELOPE
        parsed = parse_report(data)
        assert (parsed.format, parsed.marker) == (ReportFormat.ENVELOPE, marker)

    @pytest.mark.parametrize(
        "field",
        [
            b"Content-Identifer: ExJournalReport",
            b"Content-Identifier:exjournalreport ",
            b"content-identifer:\r\n EXJOURNALREPORT",
        ],
    )
    def test_envelope_2003(self, field: bytes) -> None:
        """Both spellings of the marker of Exchange 2003 count, with its value in any letter case."""
        data = headed(self.MULTIPART, b"Message-ID: <r@example.com>", field, body=BODY_2003)
        assert detect_format(data) is ReportFormat.ENVELOPE_2003
        parsed = parse_report(data, strict=True)
        assert parsed.format is ReportFormat.ENVELOPE_2003
        assert parsed.marker == ("Content-Identifier" if b"ier" in field.partition(b":")[0] else "Content-Identifer")
        assert parsed.original == ORIGINAL

    @pytest.mark.parametrize(
        "field",
        [
            b"Content-Identifer: ExJournalData",
            b"Content-Identifer: ",
            b"Content-Identifier: ExJournalReport2",
            b"X-MS-Journal: y",
            b"X-WM-Journal: y",
            b"X-GM-Message-State: y",
            b"X-X-MS-Journal-Report:",
            b"X-MS-Journal-Report",
            b"X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent",
            b"X-MS-Exchange-Parent-Message-Id: <1@example.com>",
            b"Subject: x\r\n X-MS-Journal-Report:",
            b"Subject: x\r\n\r\nX-MS-Journal-Report:",
        ],
    )
    def test_no_marker(self, field: bytes) -> None:
        """A field that only resembles a marker, or a marker in a fold or the body, does not count."""
        data = headed(self.MULTIPART, field)
        assert detect_format(data) is None
        assert refusal(data).code is DefectCode.NOT_A_REPORT

    def test_both_markers(self) -> None:
        """The marker of the later product wins."""
        data = headed(self.MULTIPART, b"Content-Identifer: ExJournalReport", b"X-MS-Journal-Report:")
        assert detect_format(data) is ReportFormat.ENVELOPE
        assert parse_report(data).marker == "X-MS-Journal-Report"

    @pytest.mark.parametrize("data", [b"", b"\r\n", b"x", b"\xef\xbb\xbf", b"From x", b"From x\n", built()[:20]])
    def test_no_format(self, data: bytes) -> None:
        """Bytes without a header have no format."""
        assert detect_format(data) is None

    def test_multipart_report(self) -> None:
        """A bounce is not a journal report, even with a marker."""
        data = headed(b"Content-Type: multipart/report; boundary=edge", b"X-MS-Journal-Report:")
        assert detect_format(data) is None
        for known in (None, ReportFormat.ENVELOPE):
            error = refusal(data, format=known)
            assert (error.code, error.offset) == (DefectCode.MULTIPART_REPORT, len(b"Content-Type:"))

    def test_embedded_report(self) -> None:
        """A bounce of Exchange 5.5 is not taken for a report."""
        data = headed(self.MULTIPART, b"X-MS-Embedded-Report:")
        assert detect_format(data) is None
        assert refusal(data).code is DefectCode.EMBEDDED_REPORT

    def test_embedded_report_under_a_marker(self) -> None:
        """A marker counts for more than the header that reads like one."""
        data = headed(self.MULTIPART, b"X-MS-Embedded-Report:", b"X-MS-Journal-Report:")
        assert parse_report(data).format is ReportFormat.ENVELOPE


class TestKnownFormat:
    """A caller may know that a message without a marker is a report."""

    UNMARKED = SOUND.replace(MARKER, b"")

    def test_without_a_marker(self) -> None:
        """A report that lost its marker is read if the caller names the format."""
        parsed = parse_report(self.UNMARKED, format=ReportFormat.ENVELOPE)
        assert (parsed.marker, parsed.defects) == ("grammar", ())
        assert parsed.report == parse_report(SOUND).report

    def test_with_a_marker(self) -> None:
        """A marker still counts if there is one."""
        assert parse_report(SOUND, format=ReportFormat.ENVELOPE).marker == "X-MS-Journal-Report"

    def test_as_a_string(self) -> None:
        """The format may be given as its word."""
        word: Any = "envelope"
        assert parse_report(self.UNMARKED, format=word).marker == "grammar"

    @pytest.mark.parametrize("missing", [b"Sender: alice@example.com\r\n", b"To: bob@example.net\r\n"])
    def test_grammar_in_full(self, missing: bytes) -> None:
        """Without a marker, a text without a sender or recipients is not a report text."""
        error = refusal(self.UNMARKED.replace(missing, b"", 1), format=ReportFormat.ENVELOPE)
        assert error.code is DefectCode.REPORT_TEXT_MISSING
        assert refusal(b"Subject: x\r\n\r\nbody", format=ReportFormat.ENVELOPE).code is DefectCode.REPORT_TEXT_MISSING

    def test_exchange_2003(self) -> None:
        """A report of Exchange 2003 that lost its marker is read if the caller names the format."""
        data = headed(TestMarkers.MULTIPART, b"Message-ID: <r@example.com>", body=BODY_2003)
        parsed = parse_report(data, format=ReportFormat.ENVELOPE_2003, strict=True)
        assert (parsed.format, parsed.marker) == (ReportFormat.ENVELOPE_2003, "grammar")
        assert parsed.report.recipients == (Recipient("bob@example.net"), Recipient("carol@example.org"))

    @pytest.mark.parametrize(
        "missing", [b"Sender: <alice@example.com>\r\n", b"\tbob@example.net,\r\n\tcarol@example.org"]
    )
    def test_grammar_of_exchange_2003_in_full(self, missing: bytes) -> None:
        """Without a marker, the grammar of Exchange 2003 must be complete as well."""
        data = headed(TestMarkers.MULTIPART, body=BODY_2003.replace(missing, b""))
        assert refusal(data, format=ReportFormat.ENVELOPE_2003).code is DefectCode.REPORT_TEXT_MISSING
        marked = b"Content-Identifer: ExJournalReport\r\n" + data
        assert parse_report(marked).marker == "Content-Identifer"

    def test_evidence_of_recipients(self) -> None:
        """Recipients of a marked report are evidence; without a marker, anyone could have sent them."""
        assert parse_report(SOUND).recipients_from is Evidence.ENVELOPE
        assert parse_report(SOUND, format=ReportFormat.ENVELOPE).recipients_from is Evidence.ENVELOPE
        parsed = parse_report(self.UNMARKED, format=ReportFormat.ENVELOPE)
        assert parsed.recipients_from is Evidence.UNMARKED
        assert parsed.to_dict()["recipients_from"] == "unmarked"

    @pytest.mark.parametrize(
        ("data", "is_like"),
        [
            (UNMARKED, True),
            (UNMARKED.replace(b"Sender: ", b"\xef\xbb\xbf\r\nSENDER : "), True),
            (a_message(base64.b64encode(TEXT), PART, header=PLAIN + b"\r\nContent-Transfer-Encoding: base64"), True),
            (a_message(TEXT, PART, header=PLAIN).replace(b"--edge", b"preamble\r\n--edge", 1), True),
            (
                a_message(
                    b"--in\r\n\r\n" + TEXT + b"\r\n--in--",
                    PART,
                    header=b"Content-Type: multipart/mixed; boundary=in",
                ),
                True,
            ),
            (a_message(TEXT), False),
            (a_message(TEXT.replace(b"To: bob@example.net\r\n", b""), PART), False),
            (a_message(b"Hello.\r\n" + TEXT, PART), False),
            (UNMARKED.replace(b"--edge", b"--other"), False),
            (UNMARKED[: UNMARKED.index(b"--edge") + 6], False),
            (a_message(b"--in\r\n\r\n" * 9, PART, header=b"Content-Type: multipart/mixed; boundary=in"), False),
            (ORIGINAL, False),
        ],
    )
    def test_message_like_a_report(self, data: bytes, is_like: bool) -> None:
        """A message without a marker is refused, and the error notes if it reads like a complete report."""
        error = refusal(data.replace(MARKER, b""))
        assert error.code is DefectCode.NOT_A_REPORT
        assert (error.detail == READS_LIKE) == is_like

    def test_a_text_that_is_mostly_not_a_report(self) -> None:
        """Without a marker, a text with more other lines than fields, and without an original, is not a report."""
        text = b"Subject: x\r\n\r\nSender: a@example.com\r\nTo: b@example.com\r\n"
        assert parse_report(text + b"one\r\ntwo\r\n", format=ReportFormat.ENVELOPE).unparsed == ("one", "two")
        error = refusal(text + b"one\r\ntwo\r\nthree\r\n", format=ReportFormat.ENVELOPE)
        assert error.code is DefectCode.REPORT_TEXT_MISSING
        whole = self.UNMARKED.replace(b"Sender:", b"one\r\n" * 20 + b"Sender:")
        assert parse_report(whole, format=ReportFormat.ENVELOPE).report == parse_report(SOUND).report

    @pytest.mark.parametrize("other", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY])
    def test_copies(self, other: ReportFormat) -> None:
        """Anything can be read as a copy, even a report, which is then a defect."""
        parsed = parse_report(SOUND, format=other)
        assert (parsed.format, parsed.marker, parsed.report_id) == (other, "caller", "")
        assert parsed.original == SOUND
        assert DefectCode.NESTED_REPORT in codes(parsed)

    @pytest.mark.parametrize("word", ["", "Envelope", "eml", 1])
    def test_no_format(self, word: Any) -> None:
        """An unknown format is refused by the name of the option."""
        with pytest.raises(InvalidValue) as caught:
            parse_report(SOUND, format=word)
        assert caught.value.field == "format"

    def test_another_marker(self) -> None:
        """The caller's format counts for more than the marker of Exchange 2003."""
        data = SOUND.replace(MARKER, b"Content-Identifer: ExJournalReport\r\n")
        assert parse_report(data, format=ReportFormat.ENVELOPE).marker == "grammar"

    def test_the_marker_of_the_format(self) -> None:
        """If there is another marker as well, that of the known format is the one that counts."""
        fields = (TestMarkers.MULTIPART, b"X-MS-Journal-Report:", b"Content-Identifer: ExJournalReport")
        assert parse_report(headed(*fields), format=ReportFormat.ENVELOPE).marker == "X-MS-Journal-Report"
        data = headed(*fields, body=BODY_2003)
        assert parse_report(data, format=ReportFormat.ENVELOPE_2003).marker == "Content-Identifer"


HTML = b"Content-Type: text/html\r\n\r\n<p>Sender: alice@example.com</p>"
BARE = b"Content-Type: message/rfc822\r\n\r\n"


def nested(levels: int, inner: bytes) -> bytes:
    """A part inside a number of multiparts."""
    for level in range(levels):
        edge = b"in%d" % level
        inner = (
            b"Content-Type: multipart/mixed; boundary="
            + edge
            + b"\r\n\r\n--"
            + edge
            + b"\r\n"
            + inner
            + b"\r\n--"
            + edge
        ) + b"--"
    return inner


# For each code: bytes that have the defect, and the text at its offset; None for the end of the bytes.
WITNESSES: dict[DefectCode, tuple[bytes, bytes | int | None]] = {
    DefectCode.EMPTY: (b"", 0),
    DefectCode.CR_LINE_ENDS: (SOUND.replace(b"\r\n", b"\r"), 0),
    DefectCode.NOT_A_REPORT: (ORIGINAL, 0),
    DefectCode.MULTIPART_REPORT: (b"Content-Type: multipart/report\r\n\r\n", b" multipart/report"),
    DefectCode.EMBEDDED_REPORT: (b"X-MS-Embedded-Report:\r\n\r\n", b"\r\n"),
    DefectCode.REPORT_TEXT_MISSING: (a_message(b"Hello.\r\n", PART), b"--edge"),
    DefectCode.REPORT_TEXT_TOO_LARGE: (a_message(b"To: x\r\n" + b" " * REPORT_TEXT_LIMIT, PART), b"To: x"),
    DefectCode.REPORT_TNEF: (b"Content-Type: application/ms-tnef\r\nX-MS-Journal-Report:\r\n\r\n\x78\x9f", b"\x78\x9f"),
    DefectCode.TOO_MANY_RECIPIENTS: (a_message(b"Sender: a\r\n" + b"To:b\n" * (RECIPIENT_LIMIT + 1), PART), b"Sender:"),
    DefectCode.HEADER_TOO_LARGE: ((b"X: " + b"y" * 59 + b"\r\n") * (HEADER_LIMIT // 64 + 1), HEADER_LIMIT),
    DefectCode.TOO_MANY_PARTS: (b"".join([MARKER, TestMarkers.MULTIPART, b"\r\n\r\n", b"--edge\r\n\r\n" * 5000]), -1),
    DefectCode.LEADING_BOM: (b"\xef\xbb\xbf" + SOUND, 0),
    DefectCode.LEADING_FROM_LINE: (b"From alice Thu Feb 29 12:30:45 2024\n" + SOUND, 0),
    DefectCode.LEADING_BLANK_LINES: (b"\r\n\n" + SOUND, 0),
    DefectCode.AMBIGUOUS_HEADER: (b"no field\r\n" + SOUND, 0),
    DefectCode.REPORT_ID_MISSING: (SOUND.replace(b"Message-ID: <r@example.com>\r\n", b""), 0),
    DefectCode.ENVELOPE_SENDER_INVALID: (b"X-ExJournal-Envelope-Sender: a, b\r\n" + SOUND, b" a, b"),
    DefectCode.NOT_MULTIPART: (PLAIN + b"\r\n" + MARKER + b"\r\n" + TEXT, b"Sender:"),
    DefectCode.BOUNDARY_MISSING: (SOUND.replace(b"; boundary=edge", b""), b"--edge"),
    DefectCode.BOUNDARY_MISMATCH: (SOUND.replace(b"=edge", b"=other"), b"--edge"),
    DefectCode.PERHAPS_TRUNCATED: (SOUND.replace(b"--edge--\r\n", b""), None),
    DefectCode.PREAMBLE: (SOUND.replace(b"\r\n--edge", b"\r\n \r\nThis is MIME.\r\n--edge", 1), b"This is MIME."),
    DefectCode.EPILOGUE: (SOUND + b"\r\nA footer.\r\n", b"A footer."),
    DefectCode.ANOTHER_MESSAGE: (SOUND + b"A footer.\nFrom - Thu Feb 29 12:30:45 2024\nS: 1\n", b"From - Thu"),
    DefectCode.EXTRA_PART: (a_message(TEXT, PART, PLAIN + b"\r\n\r\nDisclaimer."), b"Disclaimer."),
    DefectCode.HTML_TWIN: (a_message(TEXT, HTML, PART), b"<p>"),
    DefectCode.NESTED_MULTIPART: (a_message(TEXT, nested(1, PART)), b"Content-Type: multipart/mixed; boundary=in0"),
    DefectCode.NESTING_LIMIT: (a_message(TEXT, PART, nested(NESTING_LIMIT + 1, PLAIN)), -1),
    DefectCode.TRANSFER_ENCODING_UNKNOWN: (
        a_message(TEXT, PART, header=PLAIN + b"\r\nContent-Transfer-Encoding: x-uuencode"),
        b"Sender:",
    ),
    DefectCode.TRANSFER_ENCODING_DAMAGED: (
        a_message(base64.b64encode(TEXT)[:-1], PART, header=PLAIN + b"\r\nContent-Transfer-Encoding: base64"),
        base64.b64encode(TEXT)[:9],
    ),
    DefectCode.TRANSFER_ENCODING_MISMATCH: (
        a_message(TEXT, PART, header=PLAIN + b"\r\nContent-Transfer-Encoding: base64"),
        b"Sender:",
    ),
    DefectCode.MULTIPART_ENCODED: (
        b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n"
        + SOUND.partition(b"\r\n\r\n")[0]
        + b"\r\n\r\n"
        + base64.encodebytes(SOUND.partition(b"\r\n\r\n")[2]),
        base64.encodebytes(SOUND.partition(b"\r\n\r\n")[2])[:20],
    ),
    DefectCode.REPORT_TEXT_HTML: (
        a_message(TEXT.replace(b"<", b"&lt;").replace(b"\r\n", b"<br>"), PART, header=b"Content-Type: text/html"),
        b"Sender:",
    ),
    DefectCode.CHARSET_UNKNOWN: (a_message(TEXT, PART, header=PLAIN + b"; charset=x-unknown"), b"Sender:"),
    DefectCode.CHARSET_MISMATCH: (a_message(TEXT.replace(b"Hello", b"\xe9"), PART, header=PLAIN), b"Sender:"),
    DefectCode.SENDER_MISSING: (a_message(TEXT.replace(b"Sender: alice@example.com\r\n", b""), PART), b"Subject:"),
    DefectCode.SUBJECT_MISSING: (a_message(TEXT.replace(b"Subject: Hello\r\n", b""), PART), b"Sender:"),
    DefectCode.MESSAGE_ID_MISSING: (a_message(TEXT.replace(b"Message-Id: <1@example.com>\r\n", b""), PART), b"Sender:"),
    DefectCode.RECIPIENTS_MISSING: (a_message(TEXT.replace(b"To: bob@example.net\r\n", b""), PART), b"Sender:"),
    DefectCode.REPEATED_FIELD: (a_message(TEXT + b"SUBJECT: again\r\n", PART), b"SUBJECT:"),
    DefectCode.UNKNOWN_FIELD: (a_message(TEXT + b"X-New: 1\r\n", PART), b"X-New"),
    DefectCode.UNKNOWN_LINE: (a_message(TEXT + b"\r\nbye bye\r\n", PART), b"bye bye"),
    DefectCode.INVALID_VALUE: (a_message(TEXT + b"Cc: a, b\r\n", PART), b"Cc: a, b"),
    DefectCode.ADDRESS_IN_BRACKETS: (a_message(TEXT + b"Cc: <a@example.com>\r\n", PART), b"Cc: <a"),
    DefectCode.SEVERAL_ADDRESSES: (a_message(TEXT + b"Cc: a@example.com; b@example.com\r\n", PART), b"Cc: a@"),
    DefectCode.SHARED_REDIRECT: (
        a_message(TEXT + b"Cc: a@example.com; b@example.com, Expanded: c\r\n", PART),
        b"Cc: a@",
    ),
    DefectCode.FOLDED_LINE: (
        a_message(TEXT + b"Cc: a@example.com,\r\n Expanded: b@example.com\r\n", PART),
        b" Expanded:",
    ),
    DefectCode.MORE_DEFECTS: (a_message(TEXT + b"a\nb:\n" * DEFECT_LIMIT, PART), b"Sender:"),
    DefectCode.ORIGINAL_MISSING: (a_message(TEXT), None),
    DefectCode.ORIGINAL_EMPTY: (a_message(TEXT, BARE), -1),
    DefectCode.ORIGINAL_ENCODED: (
        a_message(TEXT, b"Content-Transfer-Encoding: base64\r\n" + BARE + base64.b64encode(ORIGINAL)),
        base64.b64encode(ORIGINAL)[:9],
    ),
    DefectCode.ORIGINAL_UNCLOSED: (
        a_message(TEXT, BARE + b"Content-Type: multipart/mixed; boundary=in\r\n" + ORIGINAL),
        b"Content-Type: multipart/mixed; boundary=in",
    ),
    DefectCode.ORIGINAL_TNEF: (
        a_message(TEXT, b"Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22"),
        b"\x78\x9f",
    ),
    DefectCode.ORIGINAL_HOLDS_TNEF: (
        a_message(TEXT, BARE + ORIGINAL.replace(b"\r\n\r\n", b"\r\nContent-Type: application/ms-tnef\r\n\r\n")),
        b"From: alice",
    ),
    DefectCode.ORIGINAL_WITHOUT_HEADERS: (a_message(TEXT, BARE + b"no header here\r\n"), b"no header"),
    DefectCode.ORIGINAL_HEADER_TOO_LARGE: (a_message(TEXT, BARE + b"X-X: y\r\n" * (HEADER_LINE_LIMIT + 1)), b"X-X: y"),
    DefectCode.NESTED_REPORT: (a_message(TEXT, BARE + SOUND.replace(b"=edge", b"=in")), -1),
    DefectCode.MESSAGE_ID_MISMATCH: (SOUND.replace(b"Message-ID: <1@", b"Message-ID: <2@"), b" <2@"),
    DefectCode.SUBJECT_MISMATCH: (SOUND.replace(b"Subject: Hello\r\nMessage-ID", b"Subject: Ho\r\nMessage-ID"), b" Ho"),
}


# Codes that only a report inside a bounce can have.
OF_ARCHIVES = {
    DefectCode.ITEM_TOO_LARGE,
    DefectCode.ARCHIVE_DAMAGED,
    DefectCode.ARCHIVE_ENCRYPTED,
    DefectCode.ARCHIVE_RATIO,
    DefectCode.ARCHIVE_LINK,
    DefectCode.ARCHIVE_UNREAD,
    DefectCode.ARCHIVE_UNSUPPORTED,
    DefectCode.MBOX_QUOTING,
    DefectCode.MBOX_LENGTH,
    DefectCode.MBOX_SEPARATOR,
}
OF_BOUNCES = {
    DefectCode.NO_REPORT_INSIDE,
    DefectCode.STATUS_TOO_LARGE,
    DefectCode.ANOTHER_REPORT,
    DefectCode.FOUND_ELSEWHERE,
}


class TestEncodedMultiparts:
    """A multipart must not be encoded, and some are."""

    @staticmethod
    def encoded(inner: bytes, after: bytes = b"") -> bytes:
        """A report of which a multipart is in base64."""
        header = b"Content-Type: multipart/mixed; boundary=in\r\nContent-Transfer-Encoding: base64"
        return a_message(base64.encodebytes(inner) + after, header=header)

    def test_places(self) -> None:
        """Parts inside have the place of the multipart, all others their own; each has its content."""
        inner = b"--in\r\n\r\n" + TEXT + b"\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>\r\n--in--\r\n"
        data = self.encoded(inner, after=b"\r\n--edge\r\n" + BARE + ORIGINAL)
        parsed = parse_report(data)
        assert set(codes(parsed)) == {DefectCode.MULTIPART_ENCODED, DefectCode.NESTED_MULTIPART, DefectCode.HTML_TWIN}
        start = data.index(base64.encodebytes(inner))
        text, html, original = parsed.parts
        assert (text.offset, html.offset) == (start, start)
        assert (text.content, html.content) == (TEXT, b"<p>")
        assert original.content.obj is data
        assert data[original.offset :].startswith(ORIGINAL)
        assert {defect.offset for defect in parsed.defects} <= {
            start,
            data.index(b"Content-Type: multipart/mixed; boundary=in"),
        }
        assert identify(parsed).content_sha256 == identify(parse_report(SOUND)).content_sha256

    def test_decoded_original_beside_it(self) -> None:
        """A part that is encoded itself has its own content."""
        inner = b"--in\r\n\r\n" + TEXT + b"\r\n--in--\r\n"
        coded = b"Content-Transfer-Encoding: base64\r\n" + BARE + base64.encodebytes(ORIGINAL)
        assert parse_report(self.encoded(inner, after=b"\r\n--edge\r\n" + coded)).original == ORIGINAL

    def test_without_a_delimiter(self) -> None:
        """Content that does not decode to a multipart is not opened."""
        assert DefectCode.MULTIPART_ENCODED not in codes(parse_report(SOUND.replace(b"--edge--", self.closed(b"x"))))
        no_boundary = self.closed(b"--in\r\n").replace(b"; boundary=in", b"")
        assert DefectCode.MULTIPART_ENCODED not in codes(parse_report(SOUND.replace(b"--edge--", no_boundary)))

    @staticmethod
    def closed(inner: bytes) -> bytes:
        """The end of a report, with one more part: a multipart in base64."""
        part = b"Content-Type: multipart/mixed; boundary=in\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        return b"--edge\r\n" + part + base64.b64encode(inner) + b"\r\n--edge--"

    def test_refusals(self) -> None:
        """An error about anything inside has the place of the multipart."""
        inner = b"--in\r\nContent-Type: application/ms-tnef\r\n\r\nx\r\n--in--\r\n"
        data = self.encoded(inner)
        error = refusal(data)
        assert (error.code, error.offset) == (DefectCode.REPORT_TNEF, data.index(base64.encodebytes(inner)))


class TestMislabelledParts:
    """A part that is labeled base64 or quoted-printable may be neither."""

    @pytest.mark.parametrize("begin", [b"", b"\r\n", b"\xef\xbb\xbf", b"From a@example.com Thu\n", b">From a Thu\n"])
    def test_original(self, begin: bytes) -> None:
        """An original that was not encoded is there as written, with anything before its first field."""
        data = a_message(TEXT, b"Content-Transfer-Encoding: base64\r\n" + BARE + begin + ORIGINAL)
        parsed = parse_report(data)
        assert parsed.original == begin + ORIGINAL
        assert DefectCode.TRANSFER_ENCODING_MISMATCH in codes(parsed)
        assert DefectCode.ORIGINAL_ENCODED not in codes(parsed)

    def test_quoted_printable(self) -> None:
        """Quoted-printable is always decoded, although an encoded line can look like a field with an odd name."""
        head = PLAIN + b"\r\nContent-Transfer-Encoding: quoted-printable"
        for line in (b"Sender=20: a@example.com", b"=3D=0D=0A0000=0D=0ASender:=0D=0A"):
            parsed = parse_report(a_message(line + b"\r\n" + TEXT, PART, header=head))
            assert DefectCode.TRANSFER_ENCODING_MISMATCH not in codes(parsed)
        assert parsed.unparsed[:2] == ("=", "0000")

    def test_offsets_of_lines(self) -> None:
        """Defects of lines have their places in a text that was not encoded."""
        data = a_message(TEXT + b"X-New: 1\r\n", PART, header=PLAIN + b"\r\nContent-Transfer-Encoding: base64")
        offsets = {defect.code: defect.offset for defect in parse_report(data).defects}
        assert offsets[DefectCode.UNKNOWN_FIELD] == data.index(b"X-New")

    def test_base64_with_a_stray_line(self) -> None:
        """Base64 with text after it was encoded, and is decoded."""
        coded = base64.encodebytes(ORIGINAL) + b"\r\nFooter: x\r\n"
        parsed = parse_report(a_message(TEXT, b"Content-Transfer-Encoding: base64\r\n" + BARE + coded))
        assert parsed.original == ORIGINAL
        assert DefectCode.TRANSFER_ENCODING_DAMAGED in codes(parsed)


class TestCodes:
    """For every code there are bytes that have it, at the right place."""

    def test_all(self) -> None:
        """Every code of this reader has a witness."""
        assert set(WITNESSES) == set(DefectCode) - OF_BOUNCES - OF_ARCHIVES

    def test_sound(self) -> None:
        """The report that the witnesses are made from has no defect."""
        assert parse_report(SOUND, strict=True).defects == ()

    @pytest.mark.parametrize("code", WITNESSES)
    def test_witness(self, code: DefectCode) -> None:
        """The bytes have the code, as a defect or as the error, and strict reading raises it."""
        data, place = WITNESSES[code]
        error = refusal(data, strict=True)
        try:
            found = {defect.code: defect for defect in reversed(parse_report(data).defects)}
        except ParseError as refused:
            found = {refused.code: Defect(*refused.args)}
        assert Defect(*error.args) in found.values()
        offset = found[code].offset
        match place:
            case None:
                assert offset == len(data)
            case -1:
                assert 0 < offset <= len(data)
            case int():
                assert offset == place
            case bytes():
                assert data[offset:].startswith(place)


class TestManyDefects:
    """A result has a limited number of defects; the last one then counts the others."""

    ODD = b"a\nb:\n" * DEFECT_LIMIT

    def test_most(self) -> None:
        """A result with exactly the limit of defects lists all of them."""
        text = TEXT + b"a\nb:\n" * (DEFECT_LIMIT // 2 - 1)
        parsed = parse_report(a_message(text, PART))
        assert len(parsed.defects) == DEFECT_LIMIT - 2
        assert DefectCode.MORE_DEFECTS not in codes(parsed)
        assert len(parsed.unparsed) == DEFECT_LIMIT - 2

    @pytest.mark.parametrize("count", [DEFECT_LIMIT - 1, DEFECT_LIMIT, DEFECT_LIMIT + 1, 4 * DEFECT_LIMIT])
    def test_more(self, count: int) -> None:
        """Every defect is listed or counted, the listed ones come first in the text, and every line is kept."""
        lines = [(b"a", b"b:")[number % 2] for number in range(count)]
        data = a_message(TEXT + b"\n".join(lines), PART)
        parsed = parse_report(data)
        *listed, last = parsed.defects
        assert len(listed) < DEFECT_LIMIT
        assert last.code is DefectCode.MORE_DEFECTS
        assert last.detail == f"{count - len(listed)} more in the report text"
        start = data.index(TEXT)
        assert last.offset == start
        assert [defect.detail for defect in listed] == [f"line {number + 5}" for number in range(len(listed))]
        assert all(data[defect.offset : defect.offset + 1] in {b"a", b"b"} for defect in listed)
        assert "\n".join(parsed.unparsed).encode().split(b"\n") == lines

    @pytest.mark.slow
    def test_strict(self) -> None:
        """Strict reading raises the first one."""
        data = a_message(TEXT + self.ODD, PART)
        error = refusal(data, strict=True)
        assert Defect(*error.args) == parse_report(data).defects[0]

    @pytest.mark.slow
    def test_others_stay(self) -> None:
        """A defect of the report, and not of a line, is never left out."""
        whole = a_message(TEXT + self.ODD, PART, *[PLAIN + b"\r\n\r\nx"] * (PART_LIMIT - 2)).replace(
            b"Message-ID: <r@example.com>\r\n", b"X-ExJournal-Envelope-Sender: a, b\r\n"
        )
        parsed = parse_report(whole[: whole.rindex(b"\r\n--edge--")])
        assert len(parsed.defects) == DEFECT_LIMIT
        found = codes(parsed)
        assert found.count(DefectCode.EXTRA_PART) == PART_LIMIT - 2
        assert {
            DefectCode.PERHAPS_TRUNCATED,
            DefectCode.REPORT_ID_MISSING,
            DefectCode.ENVELOPE_SENDER_INVALID,
            DefectCode.MORE_DEFECTS,
        } <= set(found)
        lines = sum(code in {DefectCode.UNKNOWN_FIELD, DefectCode.UNKNOWN_LINE} for code in found)
        (more,) = [defect for defect in parsed.defects if defect.code is DefectCode.MORE_DEFECTS]
        assert more.detail == f"{2 * DEFECT_LIMIT - lines} more in the report text"

    def test_exchange_2003(self) -> None:
        """A text of Exchange 2003 has the same limits."""
        text = TEXT_2003.replace(b"Recipients:", b"a\nb:\n" * DEFECT_LIMIT + b"Recipients:")
        parsed = parse_report(a_message(text, PART), format=ReportFormat.ENVELOPE_2003)
        assert len(parsed.defects) == DEFECT_LIMIT - 2
        assert parsed.defects[-1].code is DefectCode.MORE_DEFECTS
        assert "\n".join(parsed.unparsed) == "\n".join(["a", "b:"] * DEFECT_LIMIT)
        assert len(parsed.report.recipients) == 2

    @pytest.mark.slow
    def test_too_many_recipients(self) -> None:
        """A list of Exchange 2003 with very many short entries is refused as one of later servers is."""
        entries = b"a@b," * (RECIPIENT_LIMIT // 2)
        for text in (b"\t" + entries * 2 + b"c@d", b"\t" + entries + b"\r\n\t" + entries + b"\r\n\tc@d"):
            data = a_message(b"Sender: <a@example.com>\r\nMessage-ID: <1>\r\nRecipients:\r\n" + text, PART)
            error = refusal(data, format=ReportFormat.ENVELOPE_2003)
            assert error.code is DefectCode.TOO_MANY_RECIPIENTS
            assert data[error.offset :].startswith(b"Sender:")


class TestBeginnings:
    """Anything that mailbox files and editors put before a report does not hide it."""

    def test_all_together(self) -> None:
        """A byte order mark, blank lines and a mailbox line are one defect each, and offsets count from the first byte."""
        before = b"\xef\xbb\xbf\r\n\nFrom alice Thu Feb 29 12:30:45 2024\r\n"
        parsed = parse_report(before + SOUND)
        assert codes(parsed) == [
            DefectCode.LEADING_BOM,
            DefectCode.LEADING_BLANK_LINES,
            DefectCode.LEADING_FROM_LINE,
        ]
        assert parsed.parts[0].offset == parse_report(SOUND).parts[0].offset + len(before)
        assert parsed.headers.get("Message-ID") == "<r@example.com>"
        assert detect_format(before + SOUND) is ReportFormat.ENVELOPE

    @pytest.mark.parametrize(
        "data", [b"", b"\r\n\r\n", b"\xef\xbb\xbf", b"From alice", b"From alice\n", b"\n\nFrom x\r\n"]
    )
    def test_nothing_else(self, data: bytes) -> None:
        """Without a header after it, the data is empty."""
        assert refusal(data).code is DefectCode.EMPTY

    def test_first_field_begins_like_a_mark(self) -> None:
        """A byte that only begins like a byte order mark is part of the header."""
        parsed = parse_report(b"\xef\xbbX: y\r\n" + SOUND)
        assert parsed.defects == ((DefectCode.AMBIGUOUS_HEADER, "a line that is not a field", 0),)

    def test_from_field(self) -> None:
        """A From field is not a mailbox line."""
        assert parse_report(b"From: alice@example.com\r\n" + SOUND).defects == ()


class TestBoundaries:
    """The boundary is found in every notation, and without a declaration."""

    @pytest.mark.parametrize(
        ("parameter", "edge"),
        [
            (b"boundary=edge", b"edge"),
            (b'boundary="edge"', b"edge"),
            (b'Boundary = "edge "', b"edge"),
            (b"charset=x; BOUNDARY=edge; x=y", b"edge"),
            (b'x="; boundary=no"; boundary=edge', b"edge"),
            (b'boundary="e\\dge"', b"edge"),
            (b'boundary="a b(c)"', b"a b(c)"),
            (b"boundary=" + b"e" * 70, b"e" * 70),
            (b"boundary*0=ed; boundary*1=ge", b"edge"),
            (b"boundary*0*=us-ascii''e%64; boundary*1*=ge", b"edge"),
            (b"boundary*=utf-8'en'e%64ge", b"edge"),
            (b'boundary="edge', b"edge"),
            (b"\r\n\tboundary=\r\n edge", b"edge"),
            (b"boundary=edge--", b"edge--"),
            (b"boundary=--edge--", b"--edge--"),
            (b"boundary=.*+?[x]", b".*+?[x]"),
        ],
    )
    def test_parameter(self, parameter: bytes, edge: bytes) -> None:
        """Quoted, escaped, folded, in pieces, with a charset, with characters that are special elsewhere."""
        head, _, body = SOUND.partition(b"\r\n\r\n")
        data = head.replace(b"boundary=edge", parameter) + b"\r\n\r\n" + body.replace(b"--edge", b"--" + edge)
        parsed = parse_report(data, strict=True)
        assert parsed.original == ORIGINAL
        assert parsed.report == a_report(recipients=[Recipient("bob@example.net", Role.TO)])

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (b"--edge\r\n", b"--edge \t\r\n"),
            (b"--edge--\r\n", b"--edge-- \r\n"),
            (b"--edge--\r\n", b"--edge--"),
            (b"--edge--\r\n", b"--edge--\r"),
            (b"--edge--\r\n", b"--edge--\n"),
        ],
    )
    def test_delimiter_lines(self, before: bytes, after: bytes) -> None:
        """Spaces after a delimiter, and a close delimiter without a line end, change nothing."""
        assert parse_report(SOUND.replace(before, after), strict=True).original == ORIGINAL

    @pytest.mark.parametrize(
        "line", [b"--edged", b"--edge-", b"--edge x", b" --edge", b"x--edge", b"--edge--x", b"--Edge"]
    )
    @pytest.mark.parametrize("times", [1, 300])
    def test_look_alikes(self, line: bytes, times: int) -> None:
        """A line that only resembles a delimiter is part of the original, however often it occurs."""
        original = ORIGINAL + (line + b"\r\n") * times + b"end"
        assert parse_report(a_message(TEXT, BARE + original), strict=True).original == original

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            (b"Content-Type: multipart/mixed\r\n", DefectCode.BOUNDARY_MISSING),
            (b"Content-Type: multipart/mixed; boundary=\r\n", DefectCode.BOUNDARY_MISSING),
            (b"", DefectCode.BOUNDARY_MISSING),
            (b"Content-Type:\r\n", DefectCode.BOUNDARY_MISSING),
            (b"Content-Type: multipart/mixed; boundary=lost\r\n", DefectCode.BOUNDARY_MISMATCH),
        ],
    )
    def test_taken_from_the_body(self, header: bytes, code: DefectCode) -> None:
        """If no boundary is declared, or a wrong one, the first delimiter line has it."""
        data = SOUND.replace(b"Content-Type: multipart/mixed; boundary=edge\r\n", header)
        parsed = parse_report(data)
        assert codes(parsed) == [code]
        assert parsed.original == ORIGINAL

    def test_taken_in_spite_of_the_type(self) -> None:
        """A body with parts is read as such, with any type that a gateway put in the header."""
        data = SOUND.replace(b"multipart/mixed; boundary=edge", b"text/plain")
        parsed = parse_report(data)
        assert codes(parsed) == [DefectCode.BOUNDARY_MISSING]
        assert parsed.original == ORIGINAL

    def test_not_multipart(self) -> None:
        """A report with only a text part has the facts in its text, and no original."""
        parsed = parse_report(PLAIN + b"\r\nMessage-ID: <r@example.com>\r\n" + MARKER + b"\r\n" + TEXT)
        assert codes(parsed) == [DefectCode.NOT_MULTIPART, DefectCode.ORIGINAL_MISSING]
        assert parsed.report.sender == "alice@example.com"

    def test_not_multipart_and_encoded(self) -> None:
        """The outer transfer encoding is that of the one part."""
        encoding = b"\r\nContent-Transfer-Encoding: base64\r\n"
        data = PLAIN + b"; charset=utf-8" + encoding + MARKER + b"\r\n" + base64.encodebytes(TEXT)
        assert parse_report(data).report.sender == "alice@example.com"

    def test_delimiter_at_once(self) -> None:
        """The body may begin with the delimiter, without the line end that belongs to it, in LF as in CRLF."""
        for data in (SOUND, SOUND.replace(b"\r\n", b"\n")):
            assert parse_report(data).defects == ()

    def test_mixed_line_ends(self) -> None:
        """Delimiters may have other line ends than the lines between them."""
        data = SOUND.replace(b"--edge\r\n", b"--edge\n")
        assert parse_report(data).original_bytes() == ORIGINAL

    def test_adjoining_delimiters(self) -> None:
        """Between two delimiters that share a line end lies an empty part."""
        data = SOUND.replace(b"--edge--\r\n", b"--edge\r\n--edge--\r\n")
        parsed = parse_report(data)
        assert parsed.original == ORIGINAL
        assert (parsed.parts[2].kind, parsed.parts[2].size) == (PartKind.OTHER, 0)

    def test_adjoining_delimiters_inside(self) -> None:
        """An inner delimiter that shares its line end with an outer one ends inside the outer part."""
        inner = b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in"
        parsed = parse_report(a_message(TEXT, inner))
        assert all(part.size >= 0 for part in parsed.parts)

    def test_nothing_between(self) -> None:
        """A close delimiter alone closes a body without parts."""
        assert (
            refusal(headed(TestMarkers.MULTIPART, MARKER, body=b"--edge--\r\n")).code is DefectCode.REPORT_TEXT_MISSING
        )


class TestParts:
    """Every part except multiparts is there, in order, with its kind and its place."""

    def test_kinds(self) -> None:
        """Text, original and decrypted copy have kinds of their own; the rest is other."""
        other = b"Content-Type: Image/PNG\r\nContent-Transfer-Encoding: BASE64 (x)\r\n\r\neA=="
        parsed = parse_report(a_message(TEXT, PART, BARE + b"clear", other, BARE + b"third"))
        assert [(part.kind, part.media_type, part.encoding) for part in parsed.parts] == [
            (PartKind.TEXT, "text/plain", ""),
            (PartKind.ORIGINAL, "message/rfc822", ""),
            (PartKind.DECRYPTED, "message/rfc822", ""),
            (PartKind.OTHER, "image/png", "base64 (x)"),
            (PartKind.OTHER, "message/rfc822", ""),
        ]
        assert parsed.original == ORIGINAL
        assert parsed.decrypted == b"clear"
        assert parsed.parts[3].content == b"eA=="
        assert codes(parsed) == [DefectCode.EXTRA_PART, DefectCode.EXTRA_PART]
        assert [defect.detail for defect in parsed.defects] == ["part 4", "part 5"]

    def test_places(self) -> None:
        """Offset and size are those of the content in the caller's bytes."""
        parsed = parse_report(SOUND)
        for part in parsed.parts:
            assert part.content == SOUND[part.offset : part.offset + part.size]
        assert parsed.parts[1].offset == SOUND.index(ORIGINAL)

    def test_type_in_global_form(self) -> None:
        """An original with internationalized headers is an original."""
        data = SOUND.replace(b"message/rfc822", b"message/global")
        assert parse_report(data, strict=True).original == ORIGINAL

    @pytest.mark.parametrize(
        "more",
        [
            b"MIME-Version: 1.0\r\n",
            b'Content-Disposition: attachment;\r\n filename="x.eml"\r\n',
            b"Content-Transfer-Encoding: binary\r\n",
            b"X-Padding: " + b"x" * 2000 + b"\r\n",
        ],
    )
    def test_headers_of_the_original_part(self, more: bytes) -> None:
        """Further header fields before or after the type do not hide the original."""
        typed = b"Content-Type: message/rfc822\r\n"
        for header in (more + typed, typed + more):
            assert parse_report(a_message(TEXT, header + b"\r\n" + ORIGINAL), strict=True).original == ORIGINAL

    def test_no_part_header(self) -> None:
        """A part without a header block is text (RFC 2046 section 5.1)."""
        data = a_message(TEXT, PART).replace(PLAIN + b"\r\n\r\n", b"\r\n")
        assert parse_report(data, strict=True).report.sender == "alice@example.com"

    def test_part_of_header_alone(self) -> None:
        """A part without a blank line is all header if it begins like one, and all content if not."""
        parsed = parse_report(a_message(TEXT, PART, b"Content-Type: image/png", b"no header"))
        assert [(part.media_type, part.size) for part in parsed.parts[2:]] == [("image/png", 0), ("text/plain", 9)]

    def test_header_block_with_mixed_line_ends(self) -> None:
        """The first blank line ends the header, with either line end."""
        part = b"Content-Type: message/rfc822\n\nX: y\r\n\r\nbody"
        assert parse_report(a_message(TEXT, part)).original == b"X: y\r\n\r\nbody"
        part = b"Content-Type: message/rfc822\r\n\r\nX: y\n\nbody"
        assert parse_report(a_message(TEXT, part)).original == b"X: y\n\nbody"

    def test_copy_is_not_called_twin(self) -> None:
        """Exchange 2003 writes an HTML twin itself, which is not a defect."""
        twins = b"--in\r\n" + PLAIN + b"\r\n\r\n" + TEXT_2003 + b"\r\n--in\r\n" + HTML + b"\r\n--in--"
        data = a_message(twins, PART, header=b"Content-Type: multipart/alternative; boundary=in")
        data = data.replace(MARKER, b"Content-Identifer: ExJournalReport\r\n")
        parsed = parse_report(data, strict=True)
        assert [part.kind for part in parsed.parts] == ["text", "other", "original"]

    def test_html_twin(self) -> None:
        """An alternative of text and HTML, as some gateways make it, is read by its text."""
        twins = b"--in\r\n" + PLAIN + b"\r\n\r\n" + TEXT + b"\r\n--in\r\n" + HTML + b"\r\n--in--"
        data = a_message(twins, PART, header=b"Content-Type: multipart/alternative; boundary=in")
        parsed = parse_report(data)
        assert codes(parsed) == [DefectCode.HTML_TWIN]
        assert parsed.original == ORIGINAL

    @pytest.mark.parametrize("levels", range(1, NESTING_LIMIT))
    def test_wrapped(self, levels: int) -> None:
        """The report inside a gateway's wrapping is read, with a defect for each level."""
        wrapped = nested(levels, PLAIN + b"\r\n\r\n" + TEXT)
        header, _, body = wrapped.partition(b"\r\n\r\n")
        parsed = parse_report(a_message(body, PART, header=header))
        assert codes(parsed) == [DefectCode.NESTED_MULTIPART] * levels
        assert parsed.report.sender == "alice@example.com"

    def test_nesting_limit(self) -> None:
        """A multipart beyond the nesting limit is not opened: it is a part of its own."""
        parsed = parse_report(a_message(TEXT, PART, nested(100, PART)))
        assert codes(parsed)[-2:] == [DefectCode.NESTING_LIMIT, DefectCode.EXTRA_PART]
        assert parsed.parts[-1].media_type == "multipart/mixed"

    @pytest.mark.parametrize(
        "header", [b"Content-Type: multipart/mixed", b"Content-Type: multipart/mixed; boundary=lost"]
    )
    def test_multipart_without_its_boundary(self, header: bytes) -> None:
        """An inner multipart that names no boundary, or one that is not there, is a part like others."""
        parsed = parse_report(a_message(TEXT, PART, header + b"\r\n\r\nx"))
        assert codes(parsed) == [DefectCode.EXTRA_PART]
        assert parsed.parts[2].content == b"x"

    def test_part_limit(self) -> None:
        """Parts up to the limit are read, one more is refused at its place."""
        fill = [PLAIN + b"\r\n\r\nx"] * (PART_LIMIT - 2)
        assert len(parse_report(a_message(TEXT, PART, *fill)).parts) == PART_LIMIT
        data = a_message(TEXT, PART, *fill, PLAIN + b"\r\n\r\nlast one")
        error = refusal(data)
        assert error.code is DefectCode.TOO_MANY_PARTS
        assert data[error.offset :].find(b"last one") < 60

    def test_part_limit_among_look_alikes(self) -> None:
        """Look-alikes before the parts do not lift the limit."""
        fill = [PLAIN + b"\r\n\r\nx"] * (PART_LIMIT + 10)
        assert refusal(a_message(TEXT + b"--edgeling\r\n" * 500, *fill)).code is DefectCode.TOO_MANY_PARTS

    def test_part_limit_over_all(self) -> None:
        """Parts in several multiparts are counted together."""
        inner = b"--in\r\n" * (PART_LIMIT // 2) + b"--in--"
        parts = [b"Content-Type: multipart/mixed; boundary=in\r\n\r\n" + inner] * 3
        assert refusal(a_message(TEXT, *parts)).code is DefectCode.TOO_MANY_PARTS

    def test_multiparts_without_parts(self) -> None:
        """Multiparts that hold no part are counted as well."""
        inner = b"--in\r\nContent-Type: multipart/mixed; boundary=no\r\n\r\n--no--\r\n"
        part = b"Content-Type: multipart/mixed; boundary=in\r\n\r\n"
        assert parse_report(a_message(TEXT, PART, part + inner * (PART_LIMIT - 1) + b"--in--")).original == ORIGINAL
        assert refusal(a_message(TEXT, PART, part + inner * PART_LIMIT + b"--in--")).code is DefectCode.TOO_MANY_PARTS

    def test_truncated(self) -> None:
        """An original whose close delimiter is missing is there to the end, with the defect that it may be truncated."""
        data = SOUND[: SOUND.index(b"\r\nHi.") + 4]
        parsed = parse_report(data)
        assert parsed.original == ORIGINAL[:-3]
        assert codes(parsed) == [DefectCode.PERHAPS_TRUNCATED]


TNEF = b"\x78\x9f\x3e\x22\x01\x00"
WINMAIL = (
    b'Content-Type: application/octet-stream; name="winmail.dat"\r\n'
    b'Content-Disposition: attachment; filename="winmail.dat"\r\n'
)


class TestTnef:
    """Outlook's own encoding is a defect in any place, is never taken for a missing original, and its bytes are there."""

    @pytest.mark.parametrize(
        "header",
        [
            b"Content-Type: application/ms-tnef\r\n",
            b"Content-Type: application/vnd.ms-tnef; name=x\r\n",
            b"Content-Type: application/octet-stream; name=WINMAIL.DAT\r\n",
            b"Content-Type: application/octet-stream\r\nContent-Disposition: attachment;\r\n filename=winmail.dat\r\n",
            WINMAIL,
        ],
    )
    @pytest.mark.parametrize(
        ("encoding", "coded"),
        [
            (b"", TNEF),
            (b"Content-Transfer-Encoding: base64\r\n", base64.b64encode(TNEF)),
            (b"Content-Transfer-Encoding: quoted-printable\r\n", binascii.b2a_qp(TNEF, istext=False)),
        ],
    )
    def test_instead_of_the_original(self, header: bytes, encoding: bytes, coded: bytes) -> None:
        """By its type or by Outlook's name for it; the content is decoded."""
        parsed = parse_report(a_message(TEXT, header + encoding + b"\r\n" + coded))
        assert codes(parsed) == [DefectCode.ORIGINAL_TNEF]
        assert parsed.original is None
        assert parsed.parts[1].kind is PartKind.OTHER
        assert parsed.parts[1].content == TNEF
        assert parsed.parts[1].size == len(coded)

    def test_damaged(self) -> None:
        """The part of a damaged one that can be decoded is there."""
        part = WINMAIL + b"Content-Transfer-Encoding: base64\r\n\r\neJ8+"
        parsed = parse_report(a_message(TEXT, part + b"I"))
        assert codes(parsed) == [DefectCode.ORIGINAL_TNEF, DefectCode.TRANSFER_ENCODING_DAMAGED]
        assert parsed.parts[1].content == TNEF[:3]

    @pytest.mark.parametrize(
        "data",
        [
            headed(b"Content-Type: application/ms-tnef; name=winmail.dat", MARKER[:-2], body=TNEF),
            headed(WINMAIL[:-2], MARKER[:-2], body=TNEF),
            headed(TestMarkers.MULTIPART, MARKER[:-2], body=b"--edge\r\n" + WINMAIL + b"\r\n" + TNEF + b"\r\n--edge--"),
            a_message(b"\r\n", WINMAIL + b"\r\n" + TNEF),
            a_message(b"Hello.\r\n", WINMAIL + b"\r\n" + TNEF),
        ],
        ids=["alone", "by-its-name", "in-a-multipart", "beside-an-empty-text", "beside-a-text-that-is-no-report"],
    )
    def test_whole_report(self, data: bytes) -> None:
        """A report that is winmail.dat as a whole is refused for that, at its place."""
        error = refusal(data)
        assert error.code is DefectCode.REPORT_TNEF
        assert data[error.offset :].startswith(TNEF)

    def test_no_report(self) -> None:
        """Without a marker a message that is TNEF is a message like others."""
        assert refusal(headed(WINMAIL[:-2], body=TNEF)).code is DefectCode.NOT_A_REPORT

    def test_original_of_tnef(self) -> None:
        """An original whose content is TNEF is a defect, and is read as a message."""
        original = ORIGINAL.replace(b"\r\n\r\n", b"\r\nContent-Type: application/ms-tnef\r\n\r\n")
        parsed = parse_report(built(original))
        assert parsed.defects == (Defect(DefectCode.ORIGINAL_HOLDS_TNEF, "its content", parsed.parts[1].offset),)
        assert parsed.original == original

    @pytest.mark.parametrize(
        "correlator",
        [
            b"X-MS-TNEF-Correlator: <1@example.com>",
            b"X-MS-TNEF-Correlator:\r\n\t<1@example.com>",
            b"x-ms-tnef-correlator: <1@example.com>",
            b"X-MS-TNEF-Correlator: 000000000123456789ABCDEF",
        ],
    )
    def test_original_with_tnef(self, correlator: bytes) -> None:
        """An original with winmail.dat among its parts is found by the header field that both Exchange and Outlook write."""
        more = correlator + b"\r\nContent-Type: multipart/mixed; boundary=in\r\n"
        inner = b"--in\r\n\r\nHi.\r\n--in\r\n" + WINMAIL + b"\r\n" + TNEF + b"\r\n--in--\r\n"
        original = ORIGINAL.partition(b"\r\n\r\n")[0] + b"\r\n" + more + b"\r\n" + inner
        parsed = parse_report(built(original))
        assert parsed.defects == (Defect(DefectCode.ORIGINAL_HOLDS_TNEF, "an attachment", parsed.parts[1].offset),)
        assert parsed.original == original

    @pytest.mark.parametrize("correlator", [b"X-MS-TNEF-Correlator:\r\n", b""])
    def test_original_without_tnef(self, correlator: bytes) -> None:
        """An empty correlator, which Exchange writes on any message, does not mean TNEF."""
        header = ORIGINAL.partition(b"\r\n\r\n")[0] + b"\r\n" + correlator
        original = header + b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nHi.\r\n--in--\r\n"
        assert parse_report(built(original), strict=True).original == original


class TestTransferEncodings:
    """Text and originals are read after transfer decoding."""

    def test_base64_text(self) -> None:
        """A text in base64 is decoded, and its content is the decoded one."""
        header = PLAIN + b"; charset=utf-8\r\nContent-Transfer-Encoding: Base64"
        parsed = parse_report(a_message(base64.encodebytes(TEXT), PART, header=header), strict=True)
        assert parsed.parts[0].content == TEXT
        assert parsed.parts[0].size > len(TEXT)

    def test_quoted_printable_text(self) -> None:
        """Soft line breaks inside a field join again."""
        text = TEXT.replace(b"bob@example.net", b"bob=\r\n@exam=70le.net")
        header = PLAIN + b"\r\nContent-Transfer-Encoding: quoted-printable"
        parsed = parse_report(a_message(text, PART, header=header), strict=True)
        assert parsed.report.recipients[0].address == "bob@example.net"

    @pytest.mark.parametrize("damage", [b"=", b"====", b"A", b"A===", b"*"])
    def test_damaged_base64(self, damage: bytes) -> None:
        """Base64 with padding out of place gives what it holds, and never raises."""
        header = PLAIN + b"\r\nContent-Transfer-Encoding: base64"
        coded = base64.b64encode(TEXT)
        parsed = parse_report(a_message(coded[:400].rstrip(b"=") + damage, PART, header=header))
        assert parsed.report.sender == "alice@example.com"

    @pytest.mark.parametrize("encoding", [b"7bit", b"8BIT", b"binary", b" 7bit ; x", b""])
    def test_plain(self, encoding: bytes) -> None:
        """Encodings without any encoding give views of the bytes."""
        part = b"Content-Transfer-Encoding:" + encoding + b"\r\n" + PART
        parsed = parse_report(a_message(TEXT, part), strict=True)
        assert parsed.original == ORIGINAL

    @pytest.mark.parametrize(
        ("encoding", "coded"),
        [
            (b"base64", base64.encodebytes(ORIGINAL)),
            (b"quoted-printable", binascii.b2a_qp(ORIGINAL, istext=False)),
        ],
    )
    def test_encoded_original(self, encoding: bytes, coded: bytes) -> None:
        """An original that was encoded against the standard is decoded and compared, with a defect."""
        part = b"Content-Transfer-Encoding: " + encoding + b"\r\n" + BARE + coded
        parsed = parse_report(a_message(TEXT, part))
        assert parsed.original == ORIGINAL
        assert parsed.defects == (Defect(DefectCode.ORIGINAL_ENCODED, encoding.decode(), parsed.parts[1].offset),)
        assert parsed.parts[1].size == len(coded)
        mismatch = part.replace(
            coded, base64.encodebytes(b"Subject: x\r\n\r\n") if encoding == b"base64" else b"X: y\n\n"
        )
        assert DefectCode.SUBJECT_MISMATCH in codes(parse_report(a_message(TEXT, mismatch)))

    def test_encoded_and_empty(self) -> None:
        """An encoded original with nothing in it is empty."""
        parsed = parse_report(a_message(TEXT, b"Content-Transfer-Encoding: base64\r\n" + BARE))
        assert parsed.original == b""
        assert codes(parsed) == [DefectCode.ORIGINAL_ENCODED, DefectCode.ORIGINAL_EMPTY]

    def test_unknown_encoding_of_the_original(self) -> None:
        """An original in an unknown encoding is returned unchanged."""
        parsed = parse_report(a_message(TEXT, b"Content-Transfer-Encoding: x-uuencode\r\n" + PART))
        assert parsed.original == ORIGINAL
        assert codes(parsed) == [DefectCode.TRANSFER_ENCODING_UNKNOWN]


class TestCharsets:
    """The text is read in the charset it declares, or in the one that fits."""

    @pytest.mark.parametrize(
        ("charset", "codec"),
        [
            ("utf-8", "utf-8"),
            ('"UTF-8"', "utf-8"),
            ("iso-8859-1", "latin-1"),
            ("windows-1252", "cp1252"),
            ("ISO-2022-JP", "iso2022_jp"),
            ("GB2312", "gb18030"),
            ("ks_c_5601-1987", "cp949"),
            ("utf-7", "utf-7"),
            ("koi8-r", "koi8-r"),
        ],
    )
    def test_declared(self, charset: str, codec: str) -> None:
        """A declared charset is used."""
        subject = {"koi8-r": "\u043f\u0440\u0438", "latin-1": "caf\u00e9", "cp1252": "\u20ac"}.get(
            codec, "\u4e2d\u6587"
        )
        text = TEXT.decode().replace("Hello", subject).encode(codec)
        original = ORIGINAL.replace(b"Hello", subject.encode())
        parsed = parse_report(
            a_message(text, BARE + original, header=PLAIN + b"; charset=" + charset.encode()), strict=True
        )
        assert parsed.report.subject == subject

    def test_utf_16_in_base64(self) -> None:
        """UTF-16 with its byte order mark is read."""
        header = PLAIN + b"; charset=utf-16\r\nContent-Transfer-Encoding: base64"
        text = base64.encodebytes(TEXT.decode().encode("utf-16"))
        assert parse_report(a_message(text, PART, header=header), strict=True).report.sender == "alice@example.com"

    @pytest.mark.parametrize(
        ("header", "raw", "subject", "code"),
        [
            (PLAIN, b"\xc3\xa9", "\u00e9", DefectCode.CHARSET_MISMATCH),
            (PLAIN + b"; charset=us-ascii", b"\xe9", "\u00e9", DefectCode.CHARSET_MISMATCH),
            (PLAIN + b"; charset=utf-8", b"\xe9", "\u00e9", DefectCode.CHARSET_MISMATCH),
            (PLAIN + b"; charset=x-unknown", b"\xc3\xa9", "\u00e9", DefectCode.CHARSET_UNKNOWN),
            (PLAIN + b"; charset=x-unknown", b"\xe9", "\u00e9", DefectCode.CHARSET_UNKNOWN),
            (PLAIN + b"; charset=unicode_escape", b"\\u0041", "\\u0041", DefectCode.CHARSET_UNKNOWN),
            (PLAIN + b"; charset=idna", b"x", "x", DefectCode.CHARSET_UNKNOWN),
            (PLAIN + b"; charset=rot13", b"x", "x", DefectCode.CHARSET_UNKNOWN),
        ],
    )
    def test_fallback(self, header: bytes, raw: bytes, subject: str, code: DefectCode) -> None:
        """Instead of a wrong or unknown charset, UTF-8 and then latin-1 is used."""
        parsed = parse_report(a_message(TEXT.replace(b"Hello", raw), PART, header=header))
        assert parsed.report.subject == subject
        assert codes(parsed)[0] is code

    def test_byte_order_mark_in_the_text(self) -> None:
        """A byte order mark before the text is removed, with a defect."""
        parsed = parse_report(a_message(b"\xef\xbb\xbf" + TEXT, PART, header=PLAIN + b"; charset=utf-8"))
        assert parsed.defects == (Defect(DefectCode.LEADING_BOM, "in the report text", parsed.parts[0].offset),)
        assert parsed.report.sender == "alice@example.com"


class TestReportText:
    """The text part is found, and its oddities have the right places."""

    def test_first_complete_text_wins(self) -> None:
        """A disclaimer before the report text, or a text with fewer fields, is skipped."""
        data = a_message(b"Sender: x@example.com\r\n", b"\r\n" + TEXT, PART)
        parsed = parse_report(data)
        assert parsed.report.sender == "alice@example.com"
        assert [part.kind for part in parsed.parts] == ["other", "text", "original"]
        assert codes(parsed) == [DefectCode.EXTRA_PART]

    @pytest.mark.parametrize("line", [b"Sender: x@example.com", b"Message-Id: <9@example.com>", b"Bcc: x@example.com"])
    def test_less_is_enough_under_a_marker(self, line: bytes) -> None:
        """In a marked report, a text with a sender, a Message-Id or a recipient is the report text, unless another has more."""
        parsed = parse_report(a_message(b"Hello\r\n", b"\r\n" + line, b"\r\n" + line, PART))
        assert [part.kind for part in parsed.parts] == ["other", "text", "other", "original"]

    def test_html_alone(self) -> None:
        """A report text only in HTML is read by its lines, with a defect."""
        text = TEXT.replace(b"<", b"&lt;").replace(b">", b"&gt;").replace(b"\r\n", b"<br>\r\n")
        parsed = parse_report(a_message(b"<html><body>" + text, PART, header=b"Content-Type: text/html"))
        assert codes(parsed) == [DefectCode.REPORT_TEXT_HTML]
        assert parsed.report == parse_report(SOUND).report
        assert (parsed.parts[0].kind, parsed.parts[0].media_type) == (PartKind.TEXT, "text/html")

    def test_html_after_text_without_fields(self) -> None:
        """HTML is read only if the text parts have nothing of a report."""
        html = b"Content-Type: text/html\r\n\r\nSender: mallory@example.org<br>To: mallory@example.org"
        parsed = parse_report(a_message(b"Hello.\r\n", html, PART))
        assert parsed.report.sender == "mallory@example.org"
        assert codes(parsed)[0] is DefectCode.REPORT_TEXT_HTML
        for text in (TEXT, b"Message-Id: <1@example.com>\r\n"):
            parsed = parse_report(a_message(text, html, PART))
            assert "mallory@example.org" not in str(parsed.report)

    def test_offsets_of_html(self) -> None:
        """A defect in a line that only a browser would show has the offset of the part."""
        html = TEXT.replace(b"<", b"&lt;").replace(b"\r\n", b"<br>\r\n") + b"odd<br>"
        parsed = parse_report(a_message(html, PART, header=b"Content-Type: text/html"))
        assert [defect.offset for defect in parsed.defects] == [parsed.parts[0].offset] * 2

    def test_other_text_types(self) -> None:
        """A text part of any other type can be the report text."""
        parsed = parse_report(a_message(TEXT, PART, header=b"Content-Type: text/enriched"), strict=True)
        assert parsed.parts[0].media_type == "text/enriched"

    def test_too_large_and_another(self) -> None:
        """A text that is too large is skipped if another one is the report text."""
        large = b"Content-Type: image/png\r\n\r\n" + b"x" * (REPORT_TEXT_LIMIT + 1)
        assert parse_report(a_message(TEXT, PART, large)).report.sender == "alice@example.com"
        assert refusal(a_message(b"Hello", large)).code is DefectCode.REPORT_TEXT_MISSING

    def test_offsets_of_lines(self) -> None:
        """A defect of the text has the place of its line, and adjacent lines with one code are one defect."""
        data = a_message(TEXT + b"one\r\nX-New: 1\r\ntwo\r\nthree\r\n", PART)
        assert parse_report(data).defects == (
            Defect(DefectCode.UNKNOWN_LINE, "line 5", data.index(b"one")),
            Defect(DefectCode.UNKNOWN_FIELD, "line 6", data.index(b"X-New")),
            Defect(DefectCode.UNKNOWN_LINE, "lines 7 to 8", data.index(b"two")),
        )

    def test_offsets_of_encoded_lines(self) -> None:
        """A defect in a line of an encoded text has the offset of the part."""
        header = PLAIN + b"\r\nContent-Transfer-Encoding: base64"
        parsed = parse_report(a_message(base64.encodebytes(TEXT + b"odd\r\n"), PART, header=header))
        assert parsed.defects == (Defect(DefectCode.UNKNOWN_LINE, "line 5", parsed.parts[0].offset),)

    def test_offsets_in_wide_charsets(self) -> None:
        """If a byte only looks like a line end, defects in lines have the offset of the part."""
        text = (TEXT.decode() + "\u0a0aodd\r\n").encode("utf-16-le")
        parsed = parse_report(a_message(text, PART, header=PLAIN + b"; charset=utf-16-le"))
        assert [defect.offset for defect in parsed.defects] == [parsed.parts[0].offset]

    def test_missing_fields(self) -> None:
        """Each missing field that a report should have is a defect."""
        parsed = parse_report(a_message(b"To: bob@example.net\r\n", PART))
        assert codes(parsed) == [DefectCode.SENDER_MISSING, DefectCode.SUBJECT_MISSING, DefectCode.MESSAGE_ID_MISSING]
        assert (parsed.report.sender, parsed.report.subject, parsed.report.message_id) == ("", "", "")

    @pytest.mark.slow
    def test_many_recipients(self) -> None:
        """Ten thousand recipients are ten thousand recipients."""
        report = a_report(recipients=[f"user{number}@example.com" for number in range(10_000)])
        assert parse_report(built(report=report), strict=True).report == report

    def test_empty_fields(self) -> None:
        """An optional field cannot be empty: such a line is kept, and has no meaning."""
        lines = ["On-Behalf-Of:", "On-Behalf-Of: <>", "Label: ", "Mailbox:", "SentUtc:", "ReceivedUtc:"]
        parsed = parse_report(a_message(TEXT + "\r\n".join(lines).encode(), PART))
        assert parsed.report == parse_report(SOUND).report
        assert parsed.unparsed == (*lines,)
        assert codes(parsed) == [DefectCode.INVALID_VALUE]


class TestEnvelopeSender:
    """MAIL FROM is read from our own header."""

    @pytest.mark.parametrize(
        ("value", "sender"),
        [
            (b" <a@example.com>", "a@example.com"),
            (b"<>", ""),
            (b" a@example.com ", "a@example.com"),
            (b"\r\n <a@example.com>", "a@example.com"),
            (b" =?utf-8?b?w6lAZXhhbXBsZS5jb20=?=", "\u00e9@example.com"),
            (b" =?utf-8?b?w6lA?=\r\n =?utf-8?b?ZXhhbXBsZS5jb20=?=", "\u00e9@example.com"),
            (b" <\xc3\xa9@example.com>", "\u00e9@example.com"),
        ],
    )
    def test_read(self, value: bytes, sender: str) -> None:
        """In angle brackets, bare, folded, or in encoded words."""
        parsed = parse_report(b"X-ExJournal-Envelope-Sender:" + value + b"\r\n" + SOUND, strict=True)
        assert parsed.report.envelope_sender == sender

    @pytest.mark.parametrize("value", [b"", b" ", b" <a, b>", b" <", b" <<a>>", b" Alice <a@example.com>", b" <\0>"])
    def test_invalid(self, value: bytes) -> None:
        """A value that is not an address is a defect, and not a sender."""
        parsed = parse_report(b"X-ExJournal-Envelope-Sender:" + value + b"\r\n" + SOUND)
        assert codes(parsed) == [DefectCode.ENVELOPE_SENDER_INVALID]
        assert parsed.report.envelope_sender is None


class TestReportId:
    """The report's own Message-ID."""

    @pytest.mark.parametrize(
        ("value", "report_id"),
        [(b" <r@example.com>", "<r@example.com>"), (b"\r\n\t<r@example.com>", "<r@example.com>"), (b" r s ", "r s")],
    )
    def test_read(self, value: bytes, report_id: str) -> None:
        """As written, on one line, with its brackets."""
        assert parse_report(SOUND.replace(b" <r@example.com>", value), strict=True).report_id == report_id

    def test_empty(self) -> None:
        """An empty one is a missing one."""
        parsed = parse_report(SOUND.replace(b" <r@example.com>", b""))
        assert (parsed.report_id, codes(parsed)) == ("", [DefectCode.REPORT_ID_MISSING])


class TestLimits:
    """Beyond a limit there is an error, and nothing is cut silently."""

    def test_header_at_the_limit(self) -> None:
        """A header block of exactly the limit is read, one more byte is refused."""
        block, _, body = SOUND.partition(b"\r\n\r\n")
        for beyond in (0, 1):
            padding = b"X: " + b"y" * (HEADER_LIMIT - len(block) - len(b"X: \r\n\r\n\r\n") + beyond) + b"\r\n"
            data = padding + block + b"\r\n\r\n" + body
            if beyond:
                error = refusal(data)
                assert (error.code, error.offset) == (DefectCode.HEADER_TOO_LARGE, HEADER_LIMIT)
            else:
                assert parse_report(data).original == ORIGINAL

    def test_header_without_an_end(self) -> None:
        """A header block at the end of the data has no body."""
        assert refusal(MARKER + b"Content-Type: text/plain\r\n").code is DefectCode.REPORT_TEXT_MISSING

    def test_line_of_a_megabyte(self) -> None:
        """A line of a megabyte is a subject like any other."""
        report = a_report(subject="x" * (1 << 20))
        assert parse_report(built(report=report)).report == report

    def test_long_address(self) -> None:
        """An address of 571 characters is read, one more is set aside."""
        for length, unparsed in ((571, 0), (572, 1)):
            line = b"Cc: " + b"a" * length + b"\r\n"
            assert len(parse_report(a_message(TEXT + line, PART)).unparsed) == unparsed


class TestBuffers:
    """Reports may be in any buffer of bytes."""

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_kinds(self, kind: Any) -> None:
        """The kind of buffer makes no difference."""
        parsed = parse_report(kind(SOUND), strict=True)
        assert parsed.to_dict(content=True) == parse_report(SOUND).to_dict(content=True)
        assert bytes(parsed.headers) == bytes(parse_report(SOUND).headers)
        assert detect_format(kind(SOUND)) is ReportFormat.ENVELOPE

    @pytest.mark.parametrize("data", [SOUND, built(), a_message(TEXT, b"Content-Transfer-Encoding: base64\r\n" + PART)])
    def test_mmap(self, data: bytes) -> None:
        """A mapped file is read in place."""
        with mmap.mmap(-1, len(data)) as mapped:
            mapped[:] = data
            parsed = parse_report(mapped)
            assert parsed.to_dict(content=True) == parse_report(data).to_dict(content=True)
            assert parsed.parts[0].content.obj is mapped
            assert detect_format(mapped) is ReportFormat.ENVELOPE
            for part in parsed.parts:
                part.content.release()
            del parsed, part

    def test_a_changed_buffer(self) -> None:
        """A bytearray was copied: changing it afterwards changes nothing."""
        data = bytearray(SOUND)
        parsed = parse_report(data)
        data[:] = b"x" * len(data)
        assert parsed.original == ORIGINAL

    @pytest.mark.parametrize("wrong", ["text", None, 1, [b"x"]])
    def test_wrong_types(self, wrong: Any) -> None:
        """A report is bytes."""
        for reader in (parse_report, detect_format):
            with pytest.raises(TypeError):
                reader(wrong)

    def test_options_are_keywords(self) -> None:
        """Every option has to be named."""
        with pytest.raises(TypeError):
            parse_report(SOUND, ReportFormat.ENVELOPE)  # type: ignore[call-arg]


class TestAmbiguousHeaders:
    """A report whose headers mail readers read in different ways has a defect, and strict reading refuses it."""

    @pytest.mark.parametrize(
        ("before", "after", "detail"),
        [
            (b"", b"no field here\r\n", "a line that is not a field"),
            (b"MIME-Version:", b"MIME-Version :", "a space before a colon"),
            (b"MIME-Version:", b"X: y\rMIME-Version:", "a bare carriage return"),
            (b"", b"Content-Transfer-Encoding: 7bit\r\n" * 2, "Content-Transfer-Encoding is repeated"),
            (b"boundary=", b"boundary*=x; boundary=", "Content-Type: boundary"),
            (b"; charset", b"; x=y (a\r\n\tb); charset", None),
            (b"7bit", b"7bit\r\nContent-Transfer-Encoding: 8bit", "Content-Transfer-Encoding is repeated"),
            (b"7bit", b"quoted-printable ; x", "Content-Transfer-Encoding"),
        ],
    )
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=repr)
    def test_reports(self, before: bytes, after: bytes, detail: str | None, line_end: bytes) -> None:
        """The detail names the reason, and the offset is in the right header block."""
        data = built(ORIGINAL).replace(before, after, 1).replace(b"\r\n", line_end)
        found = [one for one in parse_report(data).defects if one.code is DefectCode.AMBIGUOUS_HEADER]
        assert [one.detail for one in found] == ([] if detail is None else [detail])
        assert all(0 <= one.offset < data.index(line_end + b"Sender: ") for one in found)
        if detail is not None:
            assert refusal(data, strict=True).code in {DefectCode.AMBIGUOUS_HEADER, DefectCode.BOUNDARY_MISMATCH}

    def test_a_from_line_that_is_text(self) -> None:
        """A From line that is not a mailbox separator is skipped, and its defect notes that it may be text."""
        for line, detail in (
            (b"From bob@example.com Thu Oct  1 09:00:00 2026\r\n", ""),
            (b"From now on: meet at five\r\n", "not a separator of a mailbox"),
        ):
            [defect] = parse_report(line + SOUND).defects
            assert defect == (DefectCode.LEADING_FROM_LINE, detail, 0)
