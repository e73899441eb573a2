"""Bounces and the reports in them: the corpus of bounces, limits, damage, and the laws of unwrapping.

`corpus/undeliverable/NAME.eml` is a bounce or a message that is mistaken for one, `NAME.json` the expected result, derived from
the format and the meaning of the codes, never from the output of the library. An absent key means that there is nothing:

    about           what the file shows, and who writes such a thing
    refused         code of the ParseError; such a case has no key below this line
    report          size and SHA-256 of the report inside, or null if the bounce has only its header
    report_id       Message-ID of the report
    status          one object for each recipient, with the fields of a DeliveryStatus that are not ""
    defects         codes, repeated as often as they occur, in any order
    read_as         the format of a copy that the caller names
    found           where the report was, if that is not the message part of a multipart/report or matters to the case
"""

import base64
import binascii
import hashlib
import json
import mmap
import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exjournal import (
    Defect,
    DefectCode,
    Envelope,
    JournalRule,
    Organization,
    ParsedReport,
    ParseError,
    ReportFormat,
    RuleSet,
    Undeliverable,
    decide,
    detect_loop,
    identify,
    parse_report,
    read_archive,
    scan_archive,
    unwrap_undeliverable,
)
from exjournal.journaling.loops import LoopReason
from exjournal.limits import BOUNCE_LIMIT, HEADER_LIMIT, MESSAGE_LIMIT, PART_LIMIT, STATUS_LIMIT
from exjournal.reports.undeliverable import DeliveryStatus
from strategies import HEAVY, ORIGINAL, Arguments, any_bytes, arguments, built, damaged
from test_laws import peak, steps, watchdog

CORPUS = Path(__file__).parents[1] / "corpus" / "undeliverable"
BOUNCES = sorted(CORPUS.glob("*.eml"))
LEAST = 60

REFUSED_KEYS = frozenset(("about", "read_as", "refused"))
READ_KEYS = frozenset(("about", "read_as", "report", "report_id", "found", "status", "defects"))
STATUS_KEYS = frozenset(DeliveryStatus._fields)

Expectation = dict[str, Any]


def expectation(path: Path) -> Expectation:
    """The expectation next to a bounce."""
    result = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert isinstance(result, dict)
    return result


def measured(report: bytes | None) -> dict[str, object] | None:
    """Size and digest of a report."""
    return None if report is None else {"size": len(report), "sha256": hashlib.sha256(report).hexdigest()}


def said(status: DeliveryStatus) -> dict[str, str]:
    """The fields of a status that are not empty."""
    return {name: value for name, value in status._asdict().items() if value}


def read_as(expected: Expectation) -> ReportFormat | None:
    """The format that a case names."""
    return ReportFormat(expected["read_as"]) if "read_as" in expected else None


def refusal(data: bytes, format: ReportFormat | None = None) -> ParseError:
    """The error that unwrapping raises."""
    with pytest.raises(ParseError) as caught:
        unwrap_undeliverable(data, format=format)
    return caught.value


def codes(found: Undeliverable) -> list[DefectCode]:
    """The codes of the defects, in order."""
    return [defect.code for defect in found.defects]


every_case = pytest.mark.parametrize("path", BOUNCES, ids=[path.stem for path in BOUNCES])


class TestCorpus:
    """Bounces as servers write them, each with its expectation."""

    def test_it_is_there(self) -> None:
        """The runner finds the corpus, and each bounce in it has its expectation and the reverse."""
        assert len(BOUNCES) >= LEAST
        assert {path.stem for path in BOUNCES} == {path.stem for path in CORPUS.glob("*.json")}
        assert {path.suffix for path in CORPUS.iterdir()} == {".eml", ".json"}

    @every_case
    def test_an_expectation_says_what_it_must(self, path: Path) -> None:
        """An expectation has a sentence, a report or a refusal, and only keys that the runner checks."""
        expected = expectation(path)
        assert expected["about"].endswith(".")
        assert ("refused" in expected) is not ("report" in expected)
        assert set(expected) <= (REFUSED_KEYS if "refused" in expected else READ_KEYS)
        assert all(set(status) <= STATUS_KEYS and all(status.values()) for status in expected.get("status", []))

    @every_case
    def test_unwrapping(self, path: Path) -> None:
        """A bounce unwraps as its expectation says, or is refused for the reason it gives."""
        data, expected = path.read_bytes(), expectation(path)
        if "refused" in expected:
            error = refusal(data, read_as(expected))
            assert str(error.code) == expected["refused"]
            assert 0 <= error.offset <= len(data)
            return
        found = unwrap_undeliverable(data, format=read_as(expected))
        assert {
            "report": measured(found.report),
            "report_id": found.report_id,
            "status": [said(status) for status in found.status],
            "defects": sorted(str(defect.code) for defect in found.defects),
        } == {
            "report": expected["report"],
            "report_id": expected.get("report_id", ""),
            "status": expected.get("status", []),
            "defects": sorted(expected.get("defects", [])),
        }
        assert all(0 <= defect.offset <= len(data) for defect in found.defects)
        if "found" in expected or "found-elsewhere" in expected.get("defects", []):
            assert found.found == expected["found"]

    @every_case
    def test_what_comes_out_is_no_bounce(self, path: Path) -> None:
        """The returned report is unchanged when it is unwrapped again, with no status, and parses with its own id."""
        if "refused" in expectation(path):
            return
        copy = read_as(expectation(path))
        found = unwrap_undeliverable(path.read_bytes(), format=copy)
        if found.report is None:
            assert found.parsed is None
            return
        again = unwrap_undeliverable(found.report, format=copy)
        assert again == Undeliverable(found.report, found.report_id, (), (), copy)
        try:
            parsed = found.parsed
        except ParseError as error:
            assert error.code is DefectCode.REPORT_TEXT_MISSING  # noqa: PT017
            return
        assert parsed is not None
        assert parsed.report_id == ("" if copy else found.report_id)
        cut = [defect for defect in found.defects if defect.code is DefectCode.PERHAPS_TRUNCATED]
        if found.found is not None and cut:
            assert not identify(parsed).complete

    @every_case
    def test_every_buffer(self, path: Path) -> None:
        """bytes, bytearray, memoryview and mmap give the same result or the same error, and a map can be closed afterwards."""
        data = path.read_bytes()
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for other in (bytearray(data), memoryview(data), memoryview(bytearray(data)), mapped):
                assert outcome(other, read_as(expectation(path))) == outcome(data, read_as(expectation(path)))


def outcome(
    data: bytes | bytearray | memoryview | mmap.mmap, format: ReportFormat | None = None
) -> Undeliverable | tuple[object, ...]:
    """The result of unwrapping, or the attributes of its error."""
    try:
        return unwrap_undeliverable(data, format=format)
    except ParseError as error:
        return error.args


# Bounces by hand

STATUS = (
    b"Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; journal@example.com\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 No such mailbox\r\n"
)
SAID = DeliveryStatus("journal@example.com", "failed", "5.1.1", "550 5.1.1 No such mailbox")
HEAD = b"From: <postmaster@example.com>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=bounce\r\n\r\n"
REPORT = built()


def a_part(media_type: bytes, content: bytes, *more: bytes) -> bytes:
    """A part with its header block."""
    return b"\r\n".join([b"Content-Type: " + media_type, *more, b"", content])


def a_bounce(*parts: bytes, head: bytes = HEAD) -> bytes:
    """A bounce of some parts."""
    return head + b"".join([b"--bounce\r\n" + part + b"\r\n" for part in parts]) + b"--bounce--\r\n"


def round_report(report: bytes, boundary: bytes = b"bounce") -> bytes:
    """A bounce with a status around a report."""
    whole = a_bounce(
        a_part(b"text/plain", b"No."), a_part(b"message/delivery-status", STATUS), a_part(b"message/rfc822", b"@@")
    )
    return whole.replace(b"bounce", boundary).replace(b"@@", report)


class TestResult:
    """The result as a value."""

    def test_representation(self) -> None:
        """A representation has sizes and no text of a message."""
        assert repr(unwrap_undeliverable(round_report(REPORT))) == f"<Undeliverable: {len(REPORT)} bytes, 1 recipients>"
        header = REPORT.partition(b"\r\n\r\n")[0]
        found = unwrap_undeliverable(a_bounce(a_part(b"text/rfc822-headers", header)))
        assert repr(found) == "<Undeliverable: header only, 0 recipients>"

    def test_parsed(self) -> None:
        """The report parses on request."""
        parsed = unwrap_undeliverable(round_report(REPORT)).parsed
        assert parsed is not None
        assert parsed.original == ORIGINAL
        assert parsed.report == parse_report(REPORT).report

    def test_a_report_too_damaged_to_parse(self) -> None:
        """Bytes that no longer parse are returned, and parsing them raises."""
        broken = REPORT[: REPORT.index(b"Sender: alice")]
        found = unwrap_undeliverable(round_report(broken))
        assert found.report == broken
        with pytest.raises(ParseError):
            _ = found.parsed

    def test_values(self) -> None:
        """Results are values: equal, hashed alike and fixed."""
        first, second = unwrap_undeliverable(round_report(REPORT)), unwrap_undeliverable(round_report(REPORT))
        assert first == second
        assert hash(first) == hash(second)
        assert first.status == (SAID,)
        with pytest.raises(AttributeError):
            first.report_id = ""  # type: ignore[misc]

    def test_a_report_is_not_copied(self) -> None:
        """A report that is not a bounce is returned unchanged."""
        assert unwrap_undeliverable(REPORT).report is REPORT

    @pytest.mark.parametrize("data", ["text", None, 1, [b"x"], object], ids=repr)
    def test_other_types(self, data: object) -> None:
        """Anything but a buffer of bytes is a TypeError."""
        with pytest.raises(TypeError, match="a bounce must be bytes"):
            unwrap_undeliverable(cast("bytes", data))


class TestRefusals:
    """Messages without a report inside, and the offset of the error."""

    @pytest.mark.parametrize(
        "data", [b"", b"\r\n", b"\xef\xbb\xbf", b"From someone\r\n", b"\xef\xbb\xbf\n\nFrom x"], ids=repr
    )
    def test_empty(self, data: bytes) -> None:
        """Data that ends before a header block is empty."""
        assert refusal(data).code is DefectCode.EMPTY

    def test_an_ordinary_message(self) -> None:
        """A bounce of ordinary mail is refused as one, at the offset of that mail."""
        data = round_report(ORIGINAL)
        error = refusal(data)
        assert (error.code, error.offset) == (DefectCode.NO_REPORT_INSIDE, data.index(ORIGINAL))
        assert error.detail

    def test_behind_an_encoding(self) -> None:
        """The offset of an error in decoded content is that of the part."""
        encoded = base64.encodebytes(b"X: y\r\n" * 90 + ORIGINAL)
        data = a_bounce(a_part(b"message/rfc822", encoded, b"Content-Transfer-Encoding: base64"))
        error = refusal(data)
        assert (error.code, error.offset) == (DefectCode.NO_REPORT_INSIDE, data.index(encoded))

    def test_the_first_problem(self) -> None:
        """If no attached message leads to a report, the error is about the first one."""
        data = a_bounce(
            a_part(b"message/rfc822", b"Subject: one\r\n\r\n1"), a_part(b"message/rfc822", b"Subject: two\r\n\r\n2")
        )
        assert refusal(data).offset == data.index(b"Subject: one")

    def test_a_multipart_inside(self) -> None:
        """A bounce of mail with attachments is not a bounce of a report."""
        mail = b"Content-Type: multipart/mixed; boundary=mail\r\n\r\n--mail\r\n\r\ntext\r\n--mail--\r\n"
        assert refusal(round_report(mail)).code is DefectCode.NO_REPORT_INSIDE

    def test_nothing_multipart_about_it(self) -> None:
        """A bounce without any delimiter line has nothing inside."""
        assert refusal(HEAD + b"It failed.\r\n").code is DefectCode.NO_REPORT_INSIDE

    def test_a_marker_on_a_bounce(self) -> None:
        """A multipart/report is never the report, even with a marker."""
        assert refusal(b"X-MS-Journal-Report:\r\n" + round_report(ORIGINAL)).code is DefectCode.NO_REPORT_INSIDE
        assert unwrap_undeliverable(b"X-MS-Journal-Report:\r\n" + round_report(REPORT)).report == REPORT

    @pytest.mark.parametrize("inside", [False, True], ids=["of the bounce", "of what bounced"])
    def test_header_too_large(self, inside: bool) -> None:
        """A header block beyond the limit is refused, at the place where reading stopped."""
        large = b"X-Filler: " + b"x" * HEADER_LIMIT + b"\r\n" + ORIGINAL
        data = round_report(large) if inside else large
        error = refusal(data)
        assert error.code is DefectCode.HEADER_TOO_LARGE
        assert error.offset == data.index(large) + HEADER_LIMIT

    @pytest.mark.parametrize(
        "excess",
        [b"X-Filler: " + b"x" * HEADER_LIMIT, b"X-MS-Journal-Report:\r\n" * 1100],
        ids=["one line", "many markers"],
    )
    def test_a_report_that_lost_its_blank_line(self, excess: bytes) -> None:
        """A report with its marker is returned, even if its header block does not end within the limit."""
        report = REPORT.partition(b"\r\n\r\n")[0] + b"\r\n" + excess
        found = unwrap_undeliverable(round_report(report))
        assert (found.report, found.report_id) == (report, "<r@example.com>")

    def test_a_status_makes_a_bounce(self) -> None:
        """A multipart/mixed with a delivery status in it is a bounce, and without a report in it one of another message."""
        head = HEAD.replace(b"report; report-type=delivery-status", b"mixed")
        data = a_bounce(
            a_part(b"message/delivery-status", STATUS), a_part(b"text/rfc822-headers", b"Subject: x"), head=head
        )
        assert refusal(data).code is DefectCode.NO_REPORT_INSIDE

    def test_a_header_block_up_to_the_end(self) -> None:
        """A header block that ends with the data is not beyond the limit."""
        assert refusal(b"Subject: x").code is DefectCode.NOT_A_REPORT
        assert unwrap_undeliverable(b"X-MS-Journal-Report:").report == b"X-MS-Journal-Report:"

    def test_too_many_parts(self) -> None:
        """Parts up to the limit are searched, and one more is refused."""
        others = [a_part(b"text/plain", b"")] * (PART_LIMIT - 1)
        assert unwrap_undeliverable(a_bounce(*others, a_part(b"message/rfc822", REPORT))).report == REPORT
        assert refusal(a_bounce(*others, b"", a_part(b"message/rfc822", REPORT))).code is DefectCode.TOO_MANY_PARTS

    def test_another_message_after_a_problem(self) -> None:
        """A problem in one attached message does not hide the report in the next."""
        data = a_bounce(
            a_part(b"message/rfc822", a_bounce(*[b""] * (PART_LIMIT + 1)).replace(b"bounce", b"inner")),
            a_part(b"message/rfc822", REPORT),
        )
        assert unwrap_undeliverable(data).report == REPORT

    @pytest.mark.parametrize("encoded", [False, True])
    def test_the_limit_of_bounces(self, encoded: bool) -> None:
        """Five bounces are opened, a sixth is not, even if each is encoded."""
        data = REPORT
        for level in range(BOUNCE_LIMIT + 1):
            outermost = data
            data = round_report(base64.encodebytes(data) if encoded else data, b"level%d" % level)
            if encoded:
                data = data.replace(b"message/rfc822", b"message/rfc822\r\nContent-Transfer-Encoding: base64", 1)
        found = unwrap_undeliverable(outermost)
        assert found.report == REPORT
        assert found.status == (SAID,) * BOUNCE_LIMIT
        assert refusal(data).code is DefectCode.NESTING_LIMIT


class TestDefects:
    """Damage that a report may have suffered in transit is a defect, with its place."""

    def test_truncated(self) -> None:
        """A bounce without its end has a defect at its end."""
        data = round_report(REPORT).removesuffix(b"\r\n--bounce--\r\n")
        found = unwrap_undeliverable(data)
        assert found.report == REPORT
        assert [(defect.code, defect.offset) for defect in found.defects] == [(DefectCode.PERHAPS_TRUNCATED, len(data))]

    def test_encoded(self) -> None:
        """An encoded report is a defect at its part, and so are the defects in its content."""
        inner = base64.encodebytes(round_report(REPORT).removesuffix(b"\r\n--bounce--\r\n"))
        data = a_bounce(a_part(b"message/rfc822", inner, b"Content-Transfer-Encoding: base64")).replace(
            b"bounce", b"outer"
        )
        found = unwrap_undeliverable(data)
        assert found.report == REPORT
        place = data.index(inner)
        assert found.defects == (
            Defect(DefectCode.ORIGINAL_ENCODED, "base64", place),
            found.defects[1]._replace(offset=place),
        )
        assert found.defects[1].code is DefectCode.PERHAPS_TRUNCATED

    def test_a_damaged_encoding(self) -> None:
        """The rest of a damaged encoding is returned, with a defect."""
        inner = base64.encodebytes(REPORT)[:-20] + b"\r\n?"
        data = a_bounce(a_part(b"message/rfc822", inner, b"Content-Transfer-Encoding: base64"))
        found = unwrap_undeliverable(data)
        assert found.report
        assert REPORT.startswith(found.report)
        assert codes(found) == [DefectCode.TRANSFER_ENCODING_DAMAGED, DefectCode.ORIGINAL_ENCODED]

    def test_what_harms_no_report(self) -> None:
        """Text around the parts and multiparts in multiparts are not defects."""
        inner = b"Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n\r\ntext\r\n--inner--"
        data = a_bounce(inner, a_part(b"message/rfc822", REPORT), head=HEAD + b"A preamble.\r\n") + b"An epilogue.\r\n"
        assert unwrap_undeliverable(data) == Undeliverable(REPORT, "<r@example.com>", (), ())


class TestStatus:
    """The delivery status as values (RFC 3464 section 2)."""

    @staticmethod
    def of(content: bytes, media_type: bytes = b"message/delivery-status") -> tuple[DeliveryStatus, ...]:
        """The status of a bounce with some bytes as its status part."""
        found = unwrap_undeliverable(a_bounce(a_part(media_type, content), a_part(b"message/rfc822", REPORT)))
        assert found.report == REPORT
        return found.status

    def test_nothing(self) -> None:
        """A status that is empty, or about the message alone, has no recipient."""
        assert self.of(b"") == ()
        assert self.of(b"\r\n\r\n\r\n") == ()
        assert self.of(b"Reporting-MTA: dns; mx.example.com\r\n") == ()
        assert self.of(b"no field\r\n\r\nat all\r\n") == ()

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (b"Final-Recipient: rfc822; a@example.com", DeliveryStatus(recipient="a@example.com")),
            (b"Original-Recipient: rfc822;b@example.com", DeliveryStatus(original_recipient="b@example.com")),
            (b"Action: Delayed", DeliveryStatus(action="delayed")),
            (b"Status: 4.4.7", DeliveryStatus(status="4.4.7")),
        ],
        ids=["final", "original", "action", "status"],
    )
    def test_one_field(self, field: bytes, expected: DeliveryStatus) -> None:
        """Any field about a recipient makes an entry, with "" for missing fields."""
        assert self.of(field) == self.of(b"Reporting-MTA: dns; mx.example.com\r\n\r\n" + field + b"\r\n") == (expected,)

    @pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=repr)
    def test_line_ends(self, end: bytes) -> None:
        """CRLF and LF make no difference."""
        assert self.of(STATUS.replace(b"\r\n", end)) == (SAID,)

    @pytest.mark.parametrize("blank", [b"\r\n", b" \r\n", b"\t\n", b"\n\r\n\n"], ids=repr)
    def test_blank_lines(self, blank: bytes) -> None:
        """Groups are separated by lines that are empty or look so, one or many, also before the first group."""
        assert self.of(blank + STATUS.replace(b"\r\n\r\n", b"\r\n" + blank) + blank + b"Action: failed") == (
            SAID,
            DeliveryStatus(action="failed"),
        )

    def test_repeated_field(self) -> None:
        """If a field is repeated in a group, the first one counts."""
        assert self.of(STATUS + b"Status: 2.0.0\r\nFINAL-RECIPIENT: rfc822; journal@example.com\r\n") == (SAID,)

    @pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=repr)
    def test_groups_without_an_empty_line(self, end: bytes) -> None:
        """Another recipient begins another group, even without an empty line before it."""
        second = b"Final-Recipient: rfc822; other@example.com\r\nAction: delayed\r\n"
        other = DeliveryStatus("other@example.com", "delayed")
        assert self.of((STATUS + second).replace(b"\r\n", end)) == (SAID, other)
        original = b"Original-Recipient: rfc822; list@example.com\r\n"
        assert self.of((STATUS + original + second).replace(b"\r\n", end)) == (
            SAID,
            other._replace(original_recipient="list@example.com"),
        )
        # The last field of a group, and the first one of the next.
        assert self.of((STATUS + original + b"\r\n" + original + second).replace(b"\r\n", end)) == (
            SAID._replace(original_recipient="list@example.com"),
            other._replace(original_recipient="list@example.com"),
        )
        # Two members of one list.
        assert self.of(original + STATUS.partition(b"\r\n\r\n")[2] + original + second) == (
            SAID._replace(original_recipient="list@example.com"),
            other._replace(original_recipient="list@example.com"),
        )

    @pytest.mark.parametrize("space", [b"", b" "])
    def test_angle_brackets(self, space: bytes) -> None:
        """Angle brackets around an address are not part of it."""
        value = b"rfc822;" + space + b"<a@example.com>"
        assert self.of(b"Original-Recipient: " + value + b"\r\nFinal-Recipient: " + value) == (
            DeliveryStatus("a@example.com", original_recipient="a@example.com"),
        )
        assert self.of(b"Final-Recipient: rfc822; <>") == (DeliveryStatus(),)
        assert self.of(b"Action: failed\r\nDiagnostic-Code: smtp; <no>") == (
            DeliveryStatus(action="failed", diagnostic="<no>"),
        )

    @pytest.mark.parametrize("encoding", [b"base64", b"Quoted-Printable"])
    def test_encoded_groups(self, encoding: bytes) -> None:
        """Groups after the first are decoded if a field of the first one names an encoding, together or one by one."""
        message, _, group = STATUS.partition(b"\r\n\r\n")
        encode = base64.encodebytes if encoding == b"base64" else binascii.b2a_qp
        head = message + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
        other = DeliveryStatus("other@example.com", "failed", "5.1.1", "550 5.1.1 No such mailbox")
        second = group.replace(b"journal@", b"other@")
        assert self.of(head + encode(group)) == (SAID,)
        assert self.of(head + encode(group + b"\r\n" + second)) == (SAID, other)
        assert self.of(head + encode(group) + b"\r\n" + encode(second)) == (SAID, other)

    def test_an_encoding_that_is_only_declared(self) -> None:
        """Fields without encoding are read unchanged, even if the first group declares an encoding. Damage is one defect."""
        message, _, group = STATUS.partition(b"\r\n\r\n")
        head = message + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        assert self.of(head + group) == (SAID,)
        content = head + base64.encodebytes(group) + b"?\r\n\r\n?\r\n\r\n?"
        found = unwrap_undeliverable(
            a_bounce(a_part(b"message/delivery-status", content), a_part(b"message/rfc822", REPORT))
        )
        assert (found.report, found.status) == (REPORT, (SAID,))
        assert codes(found) == [DefectCode.TRANSFER_ENCODING_DAMAGED]

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (b"smtp; 550 no", "550 no"),
            (b"SMTP;550 no; really", "550 no; really"),
            (b"x-unix ; 67; no user", "67; no user"),
            (b"550 no; really", "550 no; really"),
            (b"550 no", "550 no"),
            (b"smtp;", ""),
            (b"", ""),
            (b"smtp; 550-no\r\n\t550  never", "550-no 550 never"),
            (b"smtp; caf\xc3\xa9", "caf\u00e9"),
            (b"smtp; caf\xe9", "caf\u00e9"),
        ],
    )
    def test_types(self, value: bytes, expected: str) -> None:
        """A value is without the type before its semicolon, on one line, and keeps a semicolon of its own."""
        assert self.of(b"Action: failed\r\nDiagnostic-Code: " + value) == (
            DeliveryStatus(action="failed", diagnostic=expected),
        )

    @pytest.mark.parametrize("comment", [b" (permanent failure)", b"(x)", b" (a (nested) one)"])
    def test_comments(self, comment: bytes) -> None:
        """A comment after the code or the action is not part of it (RFC 3464 sections 2.1.1 and 2.3.4)."""
        fields = b"Action: failed" + comment + b"\r\nStatus: 5.0.0" + comment + b"\r\n"
        assert self.of(fields) == (DeliveryStatus(action="failed", status="5.0.0"),)

    @pytest.mark.parametrize("address", [b'"a;b"@example.com', b'"a b;c"@example.com', b"a@example.com"])
    @pytest.mark.parametrize("kind", [b"", b"rfc822; "])
    def test_an_address_is_no_type(self, kind: bytes, address: bytes) -> None:
        """The text before a semicolon is a type only if it is an atom: no quotes (RFC 3464 section 2.1.2)."""
        assert self.of(b"Final-Recipient: " + kind + address) == (DeliveryStatus(recipient=address.decode()),)

    def test_several_status_parts(self) -> None:
        """Every status part of a bounce is read."""
        found = unwrap_undeliverable(
            a_bounce(
                a_part(b"message/delivery-status", STATUS),
                a_part(b"message/rfc822", REPORT),
                a_part(b"message/global-delivery-status", b"Action: relayed"),
            )
        )
        assert found.status == (SAID, DeliveryStatus(action="relayed"))

    @pytest.mark.slow
    def test_too_large(self) -> None:
        """A status beyond the limit is read up to it, with a defect at its part."""
        content = STATUS + b"\r\n" + b"X-Filler: xxxxx\r\n" * (STATUS_LIMIT // 17 + 1) + b"\r\nAction: failed\r\n"
        data = a_bounce(a_part(b"message/delivery-status", content), a_part(b"message/rfc822", REPORT))
        found = unwrap_undeliverable(data)
        assert found.status == (SAID,)
        assert [(defect.code, defect.offset) for defect in found.defects] == [
            (DefectCode.STATUS_TOO_LARGE, data.index(content))
        ]
        assert found.report == REPORT

    def test_as_large_as_may_be(self) -> None:
        """A status of exactly the limit is read to its end."""
        content = (b"X: " + b"x" * STATUS_LIMIT)[: STATUS_LIMIT - len(STATUS) - 4] + b"\r\n\r\n" + STATUS
        assert len(content) == STATUS_LIMIT
        found = unwrap_undeliverable(
            a_bounce(a_part(b"message/delivery-status", content), a_part(b"message/rfc822", REPORT))
        )
        assert (found.status, found.defects) == ((SAID,), ())

    def test_a_damaged_encoding(self) -> None:
        """A status whose encoding is damaged is read as far as possible, with a defect."""
        content = base64.encodebytes(STATUS) + b"?"
        found = unwrap_undeliverable(
            a_bounce(
                a_part(b"message/delivery-status", content, b"Content-Transfer-Encoding: base64"),
                a_part(b"message/rfc822", REPORT),
            )
        )
        assert found.status == (SAID,)
        assert codes(found) == [DefectCode.TRANSFER_ENCODING_DAMAGED]

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [b"Final-Recipient", b"Diagnostic-Code", b"status", b"ACTION", b"Remote-MTA", b"X", b""]
                ),
                st.binary(max_size=20) | st.sampled_from([b" smtp; 550\r\n\t no", b"\r\n", b" \0\r\x0b\x85"]),
                st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n", b"\n \n"]),
            ),
            max_size=8,
        )
    )
    def test_any_status(self, fields: list[tuple[bytes, bytes, bytes]]) -> None:
        """Any bytes are a status: every value is one line, and every entry has a field about a recipient."""
        content = b"".join([name + b":" + value + end for name, value, end in fields])
        assume(b"--bounce" not in content)
        for status in self.of(content):
            for value in status:
                assert len(value.splitlines()) <= 1
                assert value == value.strip()


class TestHeaderOnly:
    """A bounce with only the header of a report."""

    HEADER = REPORT.partition(b"\r\n\r\n")[0]

    @pytest.mark.parametrize(
        "media_type", [b"text/rfc822-headers", b"message/global-headers", b"TEXT/RFC822-Headers; charset=x"]
    )
    @pytest.mark.parametrize("ending", [b"", b"\r\n", b"\r\n\r\n"], ids=repr)
    def test_types(self, media_type: bytes, ending: bytes) -> None:
        """Both media types give the id and the status, with or without the blank line."""
        found = unwrap_undeliverable(
            a_bounce(a_part(media_type, self.HEADER + ending), a_part(b"message/delivery-status", STATUS))
        )
        assert found == Undeliverable(None, "<r@example.com>", (SAID,), ())

    def test_no_marker_and_no_own_id(self) -> None:
        """A header block without a marker and with an ordinary id is not that of a report."""
        header = self.HEADER.replace(b"X-MS-Journal-Report", b"X-Other")
        assert refusal(a_bounce(a_part(b"text/rfc822-headers", header))).code is DefectCode.NO_REPORT_INSIDE

    def test_an_own_id(self) -> None:
        """Without a marker, an id that only report generators write shows a report."""
        header = b"Subject: x\r\nMessage-ID: <7@journal.report.generator>\r\n"
        assert unwrap_undeliverable(a_bounce(a_part(b"text/rfc822-headers", header))).report_id == (
            "<7@journal.report.generator>"
        )

    def test_the_whole_report_is_better(self) -> None:
        """If the header block and the report are both there, the report is returned."""
        data = a_bounce(a_part(b"text/rfc822-headers", self.HEADER), a_part(b"message/rfc822", REPORT))
        assert unwrap_undeliverable(data).report == REPORT

    def test_the_second_header(self) -> None:
        """Of two header blocks the one of a report counts."""
        data = a_bounce(a_part(b"text/rfc822-headers", b"Subject: x"), a_part(b"text/rfc822-headers", self.HEADER))
        assert unwrap_undeliverable(data) == Undeliverable(None, "<r@example.com>", (), ())

    def test_a_damaged_encoding(self) -> None:
        """A header block whose encoding is damaged is a defect."""
        content = base64.encodebytes(self.HEADER) + b"?"
        found = unwrap_undeliverable(
            a_bounce(a_part(b"text/rfc822-headers", content, b"Content-Transfer-Encoding: base64"))
        )
        assert (found.report, found.report_id) == (None, "<r@example.com>")
        assert codes(found) == [DefectCode.TRANSFER_ENCODING_DAMAGED]


# Bounces that are drawn

_BOUNDARIES = st.sampled_from([b"edge", b"=_a.b/c", b"----_=_NextPart_000", b"'()+_,-./:=?x", b"e" * 70, b"--dashes--"])
_NOTICES = [
    b"Content-Type: text/plain\r\n\r\nIt failed.",
    b"\r\nIt failed.\r\n",
    b"Content-Type: multipart/alternative; boundary=twin\r\n\r\n--twin\r\n\r\ntext\r\n--twin\r\n\r\n<p>\r\n--twin--",
    b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=",
    b"Content-Type: message/rfc822\r\n\r\n" + ORIGINAL,
    b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQo=\r\n",
    b"Content-Type: message/delivery-status\r\n\r\n" + STATUS,
    b"Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n",
    b"",
]
_LEAD_INS = st.sampled_from(
    [b"", b"", b"", b"\xef\xbb\xbf", b"\r\n\r\n", b"From MAILER-DAEMON Thu Feb 29 12:30:45 2024\r\n"]
)


def encoded(report: bytes, encoding: bytes) -> bytes:
    """Bytes in a transfer encoding that preserves every byte; in quoted-printable, line ends are encoded too."""
    if encoding == b"base64":
        return base64.encodebytes(report)
    if encoding == b"quoted-printable":
        return binascii.b2a_qp(report, istext=False)
    return report


@st.composite
def bounces_of(draw: st.DrawFn, report: bytes) -> bytes:
    """A bounce around bytes: any form and order, CRLF or LF of its own, perhaps encoded, perhaps without its end."""
    boundary = draw(_BOUNDARIES)
    encoding = draw(
        st.sampled_from([b"", b"", b"7bit", b"8bit", b"binary", b"x-unknown", b"base64", b"quoted-printable"])
    )
    content = encoded(report, encoding)
    assume(b"--" + boundary not in content)
    subtype = draw(st.sampled_from([b"report; report-type=delivery-status", b"report", b"mixed"]))
    header = b"Content-Type: message/rfc822\r\n" + (b"Content-Transfer-Encoding: " + encoding + b"\r\n") * bool(
        encoding
    )
    before = draw(st.lists(st.sampled_from(_NOTICES), max_size=3))
    after = draw(st.lists(st.sampled_from(_NOTICES), max_size=2))
    is_cut = draw(st.integers(0, 5)) == 0
    frame = b"".join(
        [
            draw(_LEAD_INS),
            b"Subject: Undeliverable\r\nContent-Type: multipart/"
            + subtype
            + b';\r\n\tboundary="'
            + boundary
            + b'"\r\n',
            b"Message-ID: <bounce@example.com>\r\n\r\n" + draw(st.sampled_from([b"", b"", b"A preamble.\r\n"])),
            *[b"--" + boundary + b"\r\n" + part + b"\r\n" for part in before],
            b"--" + boundary + b"\r\n" + header + b"\r\n\1",
            *([] if is_cut else [b"\r\n--" + boundary + b"\r\n" + part for part in after]),
            b""
            if is_cut
            else b"\r\n--" + boundary + b"--" + draw(st.sampled_from([b"\r\n", b"", b"\r\nAn epilogue."])),
        ]
    )
    if draw(st.booleans()):
        frame = frame.replace(b"\r\n", b"\n")
    return frame.replace(b"\1", content)


def by_email(report: bytes, encoding: str, linesep: str) -> bytes:
    """A bounce that the standard `email` package puts together.

    Its generator rewrites the line ends of text and refuses bytes above 127 in a message that is given as text. So a report
    that is not encoded is an ASCII word for the package, and then replaces that word in the output: the text around the report
    is written by the package, with its line ends, and the report itself is unchanged.
    """
    bounce = MIMEMultipart("report", report_type="delivery-status")
    bounce["From"] = "MAILER-DAEMON@example.com"
    bounce["Subject"] = "Undelivered Mail Returned to Sender"
    bounce.attach(MIMEText("It failed: caf\u00e9.\n", "plain", "utf-8"))
    status = MIMEBase("message", "delivery-status")
    for block in STATUS.decode().replace("\r\n", "\n").strip().split("\n\n"):
        group = Message()
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            group[name] = value
        status.attach(group)
    bounce.attach(status)
    returned = MIMEBase("message", "rfc822")
    if encoding:
        returned["Content-Transfer-Encoding"] = encoding
    returned.set_payload("@the-report@" if encoding in {"", "8bit"} else encoded(report, encoding.encode()).decode())
    bounce.attach(returned)
    whole = bounce.as_bytes(policy=policy.compat32.clone(linesep=linesep))
    assert b"\n\n" not in whole or linesep == "\n"
    return whole.replace(b"@the-report@", report)


class TestVerbatim:
    """For any report and any bounce around it, unwrapping returns the same bytes."""

    @pytest.mark.slow
    @given(arguments(), st.data())
    def test_bounces_as_bytes(self, given_arguments: Arguments, data: st.DataObject) -> None:
        """A bounce of any form gives the report back, and its id."""
        report = given_arguments.build()
        found = unwrap_undeliverable(data.draw(bounces_of(report)))
        assert found.report == report
        assert found.report_id == parse_report(report).report_id

    @pytest.mark.slow
    @given(arguments(), st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"\r\r", b"\n\r", b"\0", b"-", b"--"]), st.data())
    def test_the_last_octets(self, given_arguments: Arguments, ending: bytes, data: st.DataObject) -> None:
        """A report with any ending, such as line ends of its own, is returned; so is a report that was cut anywhere."""
        report = given_arguments.build() + ending
        assert unwrap_undeliverable(data.draw(bounces_of(report))).report == report
        found = re.search(rb"\r\nx-ms-(?:exchange-organization-)?journal-report:", report, re.IGNORECASE)
        assert found is not None
        marker = found.end()
        cut = report[: data.draw(st.integers(report.index(b"\n", marker) + 1, len(report)))]
        assert unwrap_undeliverable(data.draw(bounces_of(cut))).report == cut

    @pytest.mark.slow
    @given(arguments(), st.integers(2, BOUNCE_LIMIT), st.data())
    def test_bounces_in_bounces(self, given_arguments: Arguments, depth: int, data: st.DataObject) -> None:
        """Bounces in bounces up to the limit give the report back."""
        report = whole = given_arguments.build()
        for level in range(depth):
            whole = round_report(whole, b"level-%d-of-it" % level) if level else data.draw(bounces_of(whole))
        found = unwrap_undeliverable(whole)
        assert found.report == report
        assert found.status[-1] == SAID

    @pytest.mark.slow
    @given(
        arguments(),
        st.sampled_from(["", "8bit", "base64", "quoted-printable"]),
        st.sampled_from(["\r\n", "\n"]),
    )
    def test_bounces_by_email(self, given_arguments: Arguments, encoding: str, linesep: str) -> None:
        """A bounce by the standard `email` package gives the report back, with its status."""
        report = given_arguments.build()
        found = unwrap_undeliverable(by_email(report, encoding, linesep))
        assert found.report == report
        assert found.status == (SAID,)
        assert codes(found) == [DefectCode.ORIGINAL_ENCODED] * (encoding not in {"", "8bit"})
        twice = unwrap_undeliverable(by_email(by_email(report, encoding, linesep), "", linesep))
        assert twice.report == report
        assert twice.status == (SAID, SAID)

    @pytest.mark.slow
    @given(arguments(), st.sampled_from(["\r\n", "\n"]))
    def test_reports_that_email_wrote(self, given_arguments: Arguments, linesep: str) -> None:
        """A report that the package read and wrote is returned as the package writes it alone."""
        chosen = policy.compat32.clone(linesep=linesep)
        # The package cannot write every message that it reads, such as one with bytes beyond ASCII before its first part.
        options = {
            name: ORIGINAL if name == "decrypted" and value else value
            for name, value in given_arguments.options.items()
        }
        report = message_from_bytes(given_arguments._replace(original=ORIGINAL, options=options).build(), policy=chosen)
        bounce = MIMEMultipart("report", _subparts=[MIMEText("It failed."), MIMEMessage(report)], policy=chosen)
        assert unwrap_undeliverable(bounce.as_bytes()).report == report.as_bytes()

    @pytest.mark.parametrize("is_report", [True, False], ids=["report", "mixed"])
    def test_bounces_by_the_newer_interface(self, is_report: bool) -> None:
        """A message attached by `EmailMessage.add_attachment` is returned as it is written alone."""
        report = message_from_bytes(REPORT, policy=policy.SMTP)
        bounce = EmailMessage(policy=policy.SMTP)
        bounce.set_content("It failed.")
        bounce.add_attachment(report)
        if is_report:
            bounce.replace_header("Content-Type", 'multipart/report; report-type="delivery-status"')
        assert unwrap_undeliverable(bounce.as_bytes()).report == report.as_bytes()

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE_2003, ReportFormat.ENVELOPE])
    @pytest.mark.parametrize("special", [{}, {"correct_marker": True}, {"internal": True}], ids=str)
    @given(data=st.data())
    def test_every_marker(self, format: ReportFormat, special: dict[str, bool], data: st.DataObject) -> None:
        """Reports with each marker that is written are returned, and parse as before."""
        if special and (format is ReportFormat.ENVELOPE) is ("correct_marker" in special):
            return
        report = built(format=format, **special)
        found = unwrap_undeliverable(data.draw(bounces_of(report)))
        assert found.report == report
        assert found.parsed is not None
        assert found.parsed.to_dict(content=True) == parse_report(report).to_dict(content=True)

    @pytest.mark.slow
    @given(arguments())
    def test_no_bounce(self, given_arguments: Arguments) -> None:
        """A report that is not a bounce is returned unchanged, with an empty status."""
        report = given_arguments.build()
        assert unwrap_undeliverable(report) == Undeliverable(report, parse_report(report).report_id, (), ())


class TestManyMessages:
    """The number of messages in a bounce that are opened is limited."""

    @pytest.mark.parametrize(("before", "is_found"), [(MESSAGE_LIMIT - 1, True), (MESSAGE_LIMIT, False)])
    def test_limit(self, before: int, is_found: bool) -> None:
        """The report is found up to the limit; beyond it, the bounce is one of other messages."""
        report = built()
        parts = [b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n"] * before
        parts.append(b"Content-Type: message/rfc822\r\n\r\n" + report)
        body = b"".join([b"--edge-of-it\r\n" + part + b"\r\n" for part in parts])
        data = b"Content-Type: multipart/report; boundary=edge-of-it\r\n\r\n" + body + b"--edge-of-it--\r\n"
        if is_found:
            assert unwrap_undeliverable(data).report == report
        else:
            with pytest.raises(ParseError) as caught:
                unwrap_undeliverable(data)
            assert caught.value.code is DefectCode.NO_REPORT_INSIDE


class TestOthers:
    """Only one report in a bounce is returned; any other is never skipped silently."""

    SECOND = REPORT.replace(b"<r@example.com>", b"<r2@example.com>")
    PLAIN = b"Subject: lunch\r\n\r\nAt one?\r\n"

    @pytest.mark.parametrize("media_type", [b"message/rfc822", b"message/global"])
    def test_a_second_report(self, media_type: bytes) -> None:
        """A report after the first one is a defect of its own, with its offset."""
        data = a_bounce(a_part(b"message/rfc822", REPORT), a_part(media_type, self.SECOND))
        found = unwrap_undeliverable(data)
        assert found.report == REPORT
        [defect] = found.defects
        assert defect == Defect(DefectCode.ANOTHER_REPORT, "message 2 of 2", data.index(self.SECOND))

    def test_the_same_report_twice(self) -> None:
        """A report that is attached twice is not compared with the first one."""
        found = unwrap_undeliverable(a_bounce(*[a_part(b"message/rfc822", REPORT)] * 2))
        assert [defect.code for defect in found.defects] == [DefectCode.ANOTHER_REPORT]

    def test_a_second_report_in_a_bounce(self) -> None:
        """So is one in a bounce of its own, before or after."""
        inner = a_bounce(a_part(b"message/rfc822", self.SECOND)).replace(b"bounce", b"inner")
        one, two = a_part(b"message/rfc822", REPORT), a_part(b"message/rfc822", inner)
        for parts, report in (((one, two), REPORT), ((two, one), self.SECOND)):
            found = unwrap_undeliverable(a_bounce(*parts))
            assert found.report == report
            assert [defect.code for defect in found.defects] == [DefectCode.ANOTHER_REPORT]

    def test_behind_an_encoding(self) -> None:
        """A second report in base64 is found as well, at the offset of its part."""
        content = base64.encodebytes(self.SECOND)
        second = a_part(b"message/rfc822\r\nContent-Transfer-Encoding: base64", content)
        data = a_bounce(a_part(b"message/rfc822", REPORT), second)
        assert unwrap_undeliverable(data).defects == (
            Defect(DefectCode.ANOTHER_REPORT, "message 2 of 2", data.index(content)),
        )

    def test_other_messages(self) -> None:
        """A message after the report that is not a report is an extra part; ordinary mail before it does no harm."""
        data = a_bounce(*[a_part(b"message/rfc822", one) for one in (self.PLAIN, REPORT, self.PLAIN)])
        found = unwrap_undeliverable(data)
        assert found.report == REPORT
        assert found.defects == (
            Defect(DefectCode.EXTRA_PART, "message 3 of 3: no-report-inside", data.rindex(self.PLAIN)),
        )

    def test_a_message_that_cannot_be_opened(self) -> None:
        """A message before the report that a limit keeps closed may have another report, and is an extra part."""
        closed = a_bounce(*[b""] * (PART_LIMIT + 1)).replace(b"bounce", b"inner")
        data = a_bounce(a_part(b"message/rfc822", closed), a_part(b"message/rfc822", REPORT))
        found = unwrap_undeliverable(data)
        assert found.report == REPORT
        assert found.defects == (Defect(DefectCode.EXTRA_PART, "message 1 of 2: too-many-parts", data.index(closed)),)

    def test_beyond_the_limit(self) -> None:
        """Messages beyond the limit are not opened, with a defect for each."""
        found = unwrap_undeliverable(a_bounce(*[a_part(b"message/rfc822", REPORT)] * (MESSAGE_LIMIT + 2)))
        assert [defect.code for defect in found.defects] == [DefectCode.ANOTHER_REPORT] * (MESSAGE_LIMIT - 1) + [
            DefectCode.EXTRA_PART
        ] * 2

    def test_headers(self) -> None:
        """The header of another report is a defect, next to a report or to a header; that of the same report is not."""
        header, other = (one.partition(b"\r\n\r\n")[0] + b"\r\n" for one in (REPORT, self.SECOND))
        same, another = (a_part(b"text/rfc822-headers", one) for one in (header, other))
        whole = a_part(b"message/rfc822", REPORT)
        for parts, count in (((whole, same), 0), ((whole, another), 1), ((same, another), 1), ((same, same), 0)):
            found = unwrap_undeliverable(a_bounce(*parts))
            assert [defect.code for defect in found.defects] == [DefectCode.ANOTHER_REPORT] * count

    def test_copies(self) -> None:
        """Of several copies in a bounce, with the format given, the others are defects."""
        data = a_bounce(*[a_part(b"message/rfc822", self.PLAIN)] * 3)
        found = unwrap_undeliverable(data, format=ReportFormat.BCC)
        assert found.report == self.PLAIN
        assert [defect.code for defect in found.defects] == [DefectCode.ANOTHER_REPORT] * 2

    def test_archive(self, tmp_path: Path) -> None:
        """Reading an archive keeps the defects."""
        (tmp_path / "bounce.eml").write_bytes(a_bounce(*[a_part(b"message/rfc822", REPORT)] * 2))
        [item] = read_archive(tmp_path, undeliverable=True)
        assert [defect.code for defect in item.defects] == [DefectCode.ANOTHER_REPORT]


class TestTotal:
    """For any bytes, unwrapping returns or raises ParseError, and nothing else."""

    @pytest.mark.slow
    @given(damaged(arguments().map(Arguments.build).flatmap(bounces_of)) | any_bytes() | damaged(bounces_of(REPORT)))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes give a result with all places inside them, or a ParseError; and every buffer gives the same."""
        found = outcome(data)
        assert outcome(bytearray(data)) == outcome(memoryview(data)) == found
        if not isinstance(found, Undeliverable):
            code, _, offset = found
            assert isinstance(code, DefectCode)
            assert isinstance(offset, int)
            assert 0 <= offset <= len(data)
            return
        assert all(0 <= defect.offset <= len(data) for defect in found.defects)
        if found.report is None:
            assert found.parsed is None
            return
        if DefectCode.ORIGINAL_ENCODED not in codes(found):
            assert found.report in data
        assert unwrap_undeliverable(found.report) == Undeliverable(found.report, found.report_id, (), ())
        try:
            assert isinstance(found.parsed, ParsedReport)
        except ParseError as error:
            assert error.code is not DefectCode.NOT_A_REPORT  # noqa: PT017

    @HEAVY
    @given(damaged(st.sampled_from([path.read_bytes() for path in BOUNCES])))
    def test_damaged_corpus(self, data: bytes) -> None:
        """A mutilated bounce of the corpus gives a result or a ParseError."""
        outcome(data)


def wide(size: int) -> bytes:
    """Bounces in bounces up to the limit, each with many messages that are not reports."""
    data = ORIGINAL
    for level in range(BOUNCE_LIMIT):
        other = a_part(b"message/rfc822", ORIGINAL)
        data = a_bounce(a_part(b"message/rfc822", data), *[other] * size).replace(b"bounce", b"level%d" % level)
    return data


def headers_only(size: int) -> bytes:
    """A bounce with many header blocks of ordinary messages."""
    return a_bounce(*[a_part(b"text/rfc822-headers", b"Subject: x")] * size)


GROWING: dict[str, Callable[[int], bytes]] = {
    "messages at every level": lambda n: wide(min(n // 5, PART_LIMIT - 1)),
    "header blocks": lambda n: headers_only(min(n // 5, PART_LIMIT)),
    "groups of a status": lambda n: round_report(REPORT).replace(STATUS, STATUS + b"\r\nAction: failed\r\n" * n),
    "fields of a status": lambda n: round_report(REPORT).replace(STATUS, STATUS + b"X-Y: z\r\n" * n),
    "blank lines of a status": lambda n: round_report(REPORT).replace(STATUS, STATUS + b"\r\n" * n),
    "folds of a status": lambda n: round_report(REPORT).replace(STATUS, STATUS + b" x\r\n" * n),
    "header lines": lambda n: b"X: y\r\n" * n + round_report(REPORT),
    "look-alike delimiters": lambda n: round_report(b"--bounces\r\n" * n),
    "a report": lambda n: round_report(built(ORIGINAL + b"text\r\n" * n)),
}


class TestLinear:
    """Work grows in proportion to the input, for any input."""

    @pytest.mark.parametrize("make", GROWING.values(), ids=GROWING)
    def test_steps(self, make: Callable[[int], bytes]) -> None:
        """Four times the input makes no more than about four times the steps."""
        small, large = make(250), make(1000)
        assert steps(lambda: outcome(large)) <= 5 * steps(lambda: outcome(small)) + 2000

    @pytest.mark.slow
    @pytest.mark.parametrize("make", GROWING.values(), ids=GROWING)
    def test_patterns(self, make: Callable[[int], bytes]) -> None:
        """No pattern goes over the same characters again and again."""
        data = make(60_000)
        with watchdog():
            outcome(data)

    def test_levels_add_up(self) -> None:
        """Parts at every level are read once each: their numbers are added, never multiplied."""
        one, five = a_bounce(*[a_part(b"message/rfc822", ORIGINAL)] * 200), wide(200)
        assert steps(lambda: outcome(five)) <= 6 * steps(lambda: outcome(one))

    def test_memory(self) -> None:
        """A report of 8 MB costs one copy of it."""
        data = round_report(built(ORIGINAL + b"0123456789abcdef" * (8 << 16)))
        assert peak(lambda: outcome(data)) < len(data) + 200_000


def test_names_of_the_corpus() -> None:
    """Files of the corpus have names of lower-case words."""
    assert all(re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", path.stem) for path in BOUNCES)


class TestCopies:
    """Copies in the BCC and message-only formats, which have no marker."""

    COPY = b"From: ann@example.com\r\nBcc: hidden@example.org\r\nMessage-ID: <1@example.com>\r\n\r\nHi.\r\n"

    @staticmethod
    def bounced(content: bytes, boundary: bytes = b"_b_") -> bytes:
        """A bounce of a message."""
        return (
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=%(b)b\r\n\r\n--%(b)b\r\n"
            b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; copies@archive.example\r\n"
            b"Action: failed\r\nStatus: 5.2.2\r\n\r\n--%(b)b\r\nContent-Type: message/rfc822\r\n\r\n%(c)b\r\n--%(b)b--\r\n"
        ) % {b"b": boundary, b"c": content}

    @pytest.mark.parametrize("format", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY])
    def test_named(self, format: ReportFormat) -> None:
        """With the format given, any message that bounced is returned, with its status, also from a bounce of a bounce."""
        for data in (self.bounced(self.COPY), self.bounced(self.bounced(self.COPY), b"_outer_")):
            found = unwrap_undeliverable(data, format=format)
            assert (found.report, found.report_id, found.format) == (self.COPY, "<1@example.com>", format)
            assert found.status[0].recipient == "copies@archive.example"
            assert found.parsed is not None
            assert found.parsed.format is format

    def test_no_bounce(self) -> None:
        """A message that is not a bounce is the copy itself."""
        found = unwrap_undeliverable(self.COPY, format=ReportFormat.BCC)
        assert (found.report, found.status) == (self.COPY, ())

    @pytest.mark.parametrize("format", [None, ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    def test_not_named(self, format: ReportFormat | None) -> None:
        """Otherwise a bounce of a message without a marker is not a bounce of a report."""
        with pytest.raises(ParseError) as caught:
            unwrap_undeliverable(self.bounced(self.COPY), format=format)
        assert caught.value.code is DefectCode.NO_REPORT_INSIDE

    def test_nothing_but_a_header(self) -> None:
        """A bounce with the header alone has no copy, and no id of one."""
        data = self.bounced(self.COPY).replace(b"message/rfc822", b"text/rfc822-headers")
        with pytest.raises(ParseError) as caught:
            unwrap_undeliverable(data, format=ReportFormat.BCC)
        assert caught.value.code is DefectCode.NO_REPORT_INSIDE


class TestOtherShapes:
    """Bounces that are not as RFC 3464 requires, and messages that look like bounces."""

    SIGNS = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\n"
    LINE = b"--- Below this line is a copy of the message.\r\n\r\n"

    def text(self, inside: bytes, line: bytes = LINE, signs: bytes = SIGNS) -> bytes:
        """A plain-text bounce."""
        return signs + b"\r\nIt failed.\r\n\r\n" + line + inside

    @HEAVY
    @given(arguments(), st.sampled_from(["\r\n", "\n"]), st.binary(max_size=40))
    def test_texts_are_verbatim(self, given_arguments: Arguments, end: str, ending: bytes) -> None:
        """A report after the text of a bounce is returned byte for byte, with any ending, and a defect says where it was."""
        report = given_arguments.build() + ending
        found = unwrap_undeliverable(self.text(b"").replace(b"\r\n", end.encode()) + report)
        assert found.report == report
        assert found.found == "text"
        assert DefectCode.FOUND_ELSEWHERE in codes(found)

    @pytest.mark.parametrize(
        "path", [path for path in BOUNCES if "report" in expectation(path)], ids=lambda path: path.stem
    )
    @pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=repr)
    def test_any_report_in_any_bounce(self, path: Path, end: bytes) -> None:
        """Another report in the place of the one in a bounce of the corpus is returned byte for byte."""
        expected = expectation(path)
        data = path.read_bytes()
        inside = unwrap_undeliverable(data, format=read_as(expected)).report
        if inside is None or inside not in data:
            return
        before, _, after = data.rpartition(inside)
        for report in (REPORT, REPORT.replace(b"\r\n", b"\n")):
            bounce = (
                before.replace(b"\r\n", b"\n").replace(b"\n", end)
                + report
                + after.replace(b"\r\n", b"\n").replace(b"\n", end)
            )
            found = unwrap_undeliverable(bounce, format=read_as(expected))
            assert found.report == report

    @pytest.mark.parametrize("daemon", [b"MAILER-DAEMON", b"<MAILER-DAEMON>", b'"Post" <PostMaster@example.net>'])
    def test_daemons(self, daemon: bytes) -> None:
        """A daemon's From is recognized with and without a domain, and a display name is not a daemon."""
        assert (
            unwrap_undeliverable(self.text(REPORT, signs=b"Return-Path: <>\r\nFrom: " + daemon + b"\r\n")).report
            == REPORT
        )
        signs = b"Return-Path: <>\r\nFrom: postmaster <joe@example.net>\r\n"
        assert refusal(self.text(REPORT, signs=signs)).code is DefectCode.NOT_A_REPORT

    def test_lines_before_the_line(self) -> None:
        """A line that announces something else does not hide the report, up to a number of lines."""
        line = b"----- Original message -----\r\n\r\nSubject: x\r\n\r\n"
        assert unwrap_undeliverable(self.text(REPORT, line + self.LINE)).report == REPORT
        header = b"----- Message header follows -----\r\n\r\nSubject: x\r\n\r\n"
        assert unwrap_undeliverable(self.text(REPORT, header + self.LINE)).report == REPORT
        assert unwrap_undeliverable(self.text(REPORT, line * 9 + self.LINE)).report == REPORT
        assert refusal(self.text(REPORT, line * 10 + self.LINE)).code is DefectCode.NO_REPORT_INSIDE

    @pytest.mark.parametrize(
        ("line", "is_direct"),
        [
            (b"Original message follows.\r\n", False),
            (b"A copy of the original message below this line:\r\n", False),
            (b"--- Below the next line is a copy of the message.\r\n--- \xce\xc9\xd6\xc5.\r\n", False),
            (b" --------Unsent Message below:\r\n", False),
            (b"--------RETURNED MAIL FOLLOWS--------\r\n", False),
            (b"---- START OF RETURNED MESSAGE ----\r\n", True),
            (b"|------------------------- Message text follows: ------------------------|\r\n", True),
        ],
    )
    def test_lines_of_servers(self, line: bytes, is_direct: bool) -> None:
        """Lines that servers write before the message: most need a blank line after them, and each is a line of its own."""
        for end in (b"\r\n", b"\n"):
            report = REPORT.replace(b"\r\n", end)
            whole, direct, before, after = (
                self.text(report, text).replace(b"\r\n", end)
                for text in (
                    line + b"\r\n",
                    line,
                    b"Look: " + line + b"\r\n",
                    line.replace(b"\r\n", b" Look:\r\n", 1) + b"\r\n",
                )
            )
            assert unwrap_undeliverable(whole).report == report
            assert refusal(before).code is refusal(after).code is DefectCode.NO_REPORT_INSIDE
            if is_direct:
                assert unwrap_undeliverable(direct).report == report
            else:
                assert refusal(direct).code is DefectCode.NO_REPORT_INSIDE

    @pytest.mark.parametrize(
        "line",
        [
            b"Message headers follow:\r\n\r\n",
            b"Original message headers:\r\n\r\n",
            b"Included is a copy of the message header:\r\n-----------------------------------------\r\n",
        ],
    )
    def test_lines_before_a_header(self, line: bytes) -> None:
        """After a line that announces the header alone, the id of a report is returned, and that of another message is not."""
        found = unwrap_undeliverable(self.text(REPORT.partition(b"\r\n\r\n")[0], line))
        assert (found.report, found.report_id, found.found) == (None, parse_report(REPORT).report_id, "text")
        assert refusal(self.text(ORIGINAL, line)).code is DefectCode.NO_REPORT_INSIDE

    @pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=repr)
    @pytest.mark.parametrize(
        ("line", "closing"),
        [
            (b"--------RETURNED MAIL FOLLOWS--------", b"---------END OF RETURNED MAIL--------"),
            (b" --------Unsent Message below:", b" --------End of Unsent Message"),
            (b"---- START OF RETURNED MESSAGE ----", b"---- END OF RETURNED MESSAGE ----"),
        ],
    )
    def test_lines_after_the_message(self, line: bytes, closing: bytes, end: bytes) -> None:
        """The line that closes the one before the message is not a part of it, and one blank line before it is not either."""
        report, line, closing = (one.replace(b"\r\n", end) for one in (REPORT, line + end * 2, closing))
        head = self.text(b"", b"").replace(b"\r\n", end) + line
        for after in (closing, closing + end * 3, end + closing, end + closing + end):
            assert unwrap_undeliverable(head + report + after).report == report
        for ending in (end * 2, b"text", closing + b" and more" + end, b"x" + closing):
            assert unwrap_undeliverable(head + report + ending).report == report + ending
        assert unwrap_undeliverable(head + report + end * 2 + closing).report == report + end
        # A line of other words, one that is far from the end, and one that begins before the bytes that are searched.
        for other in (b"--- End of original message" + end, closing + end * 300, b"x" + b"-" * 300 + closing):
            assert unwrap_undeliverable(head + report + other).report == report + other
        for other_line in (self.LINE, b"----- Unsent message follows -----" + end * 2):
            unclosed = self.text(b"", other_line).replace(b"\r\n", end) + report + closing
            assert unwrap_undeliverable(unclosed).report == report + closing

    def test_a_bounce_in_a_text(self) -> None:
        """A bounce after a text is opened, a plain text inside a bounce as well, and the limit of bounces holds."""
        assert unwrap_undeliverable(self.text(round_report(REPORT))).report == REPORT
        inside = round_report(self.text(REPORT))
        found = unwrap_undeliverable(inside)
        assert (found.report, found.found, found.status) == (REPORT, "text", (SAID,))
        assert refusal(self.text(round_report(ORIGINAL))).code is DefectCode.NO_REPORT_INSIDE
        data = self.text(REPORT)
        for level in range(BOUNCE_LIMIT):
            data = round_report(data, b"level%d" % level)
        assert refusal(data).code is DefectCode.NESTING_LIMIT

    def test_an_encoded_text(self) -> None:
        """In decoded content, offsets are those of the body."""
        head = self.SIGNS + b"Content-Transfer-Encoding: base64\r\n\r\n"
        for inside, is_refused in ((round_report(REPORT)[:-12], False), (round_report(ORIGINAL), True)):
            data = head + base64.encodebytes(self.text(inside).partition(b"\r\n\r\n")[2])
            if is_refused:
                assert refusal(data).offset == len(head)
            else:
                assert {defect.offset for defect in unwrap_undeliverable(data).defects} == {len(head)}

    def test_a_limit_before_the_message(self) -> None:
        """A body as large as the limit that Exim gives is perhaps truncated, and a report with its end is complete."""
        line = b"------ This is a copy of your message, including all the headers.\r\n"
        limit = b"------ No more than %b characters of the body are included.\r\n\r\n"
        head = b"Subject: x\r\n\r\n"
        for size, given_limit, is_cut in (
            (999, b"1K", False),
            (1000, b"1K", True),
            (499, b"500", False),
            (500, b"500", True),
            (1_999_999, b"2M", False),
            (2_000_000, b"2M", True),
        ):
            copy = head + b"x" * size
            found = unwrap_undeliverable(self.text(copy, line + limit % given_limit), format=ReportFormat.BCC)
            assert found.report == copy
            assert codes(found) == [DefectCode.PERHAPS_TRUNCATED] * is_cut + [DefectCode.FOUND_ELSEWHERE]
            assert found.parsed is not None
            assert identify(found.parsed).complete is not is_cut
        report = built(head + b"x" * 2000)
        for inside, is_complete in ((report, True), (report[:-200], False)):
            found = unwrap_undeliverable(self.text(inside, line + limit % b"1K"))
            assert (found.report, codes(found)[0]) == (inside, DefectCode.PERHAPS_TRUNCATED)
            assert found.parsed is not None
            assert identify(found.parsed).complete is is_complete

    def test_a_report_in_a_text_part(self) -> None:
        """A report in a text part is returned if a status, a daemon or the type shows that the message is a bounce."""
        mixed = b"Content-Type: multipart/mixed; boundary=bounce\r\n\r\n"
        text = self.text(REPORT).partition(b"\r\n\r\n")[2]
        footer = a_part(b"text/plain", b"Sent through example.org.")
        for head, parts in (
            (self.SIGNS + mixed, [a_part(b"text/plain", text), footer]),
            (self.SIGNS + mixed, [footer, a_part(b"text/html", b"No."), a_part(b"text/plain", text)]),
            (mixed, [a_part(b"text/plain", text), a_part(b"message/delivery-status", STATUS)]),
            (HEAD, [a_part(b"text/plain", text)]),
        ):
            found = unwrap_undeliverable(a_bounce(*parts, head=head))
            assert (found.report, found.found, codes(found)) == (REPORT, "text", [DefectCode.FOUND_ELSEWHERE])
            assert len(found.status) == (STATUS in b"".join(parts))
        receipt = HEAD.replace(b"report-type=delivery-status", b"report-type=disposition-notification")
        assert receipt != HEAD
        for head in (mixed, receipt):
            assert refusal(a_bounce(a_part(b"text/plain", text), head=head)).code is DefectCode.NOT_A_REPORT

    def test_an_encoded_text_part(self) -> None:
        """A report in an encoded text part is returned decoded, with a defect at the offset of the part."""
        encoded = base64.encodebytes(self.text(REPORT).partition(b"\r\n\r\n")[2])
        data = a_bounce(a_part(b"text/plain", encoded, b"Content-Transfer-Encoding: base64"))
        found = unwrap_undeliverable(data)
        assert found.report == REPORT
        assert codes(found) == [DefectCode.ORIGINAL_ENCODED, DefectCode.FOUND_ELSEWHERE]
        assert {defect.offset for defect in found.defects} == {data.index(encoded)}

    def test_what_is_before_a_text_part(self) -> None:
        """The message part of a bounce counts, and the header part, before its text."""
        text = a_part(b"text/plain", self.text(built(report_id="<text@example.com>")).partition(b"\r\n\r\n")[2])
        assert unwrap_undeliverable(a_bounce(text, a_part(b"message/rfc822", REPORT))).report == REPORT
        only = unwrap_undeliverable(a_bounce(text, a_part(b"text/rfc822-headers", REPORT.partition(b"\r\n\r\n")[0])))
        assert (only.report, only.report_id) == (None, parse_report(REPORT).report_id)
        assert refusal(a_bounce(text, a_part(b"message/rfc822", ORIGINAL))).code is DefectCode.NO_REPORT_INSIDE

    def test_a_text_part_with_nothing_in_it(self) -> None:
        """A text part with another message is a bounce of that message, and one with too many bounces is refused as such."""
        text = self.text(ORIGINAL).partition(b"\r\n\r\n")[2]
        assert refusal(a_bounce(a_part(b"text/plain", text))).code is DefectCode.NO_REPORT_INSIDE
        data = REPORT
        for level in range(BOUNCE_LIMIT + 1):
            part = a_part(b"text/plain", self.LINE + b"@@")
            data = a_bounce(part, part).replace(b"bounce", b"level%d" % level).replace(b"@@", data)
        assert refusal(data).code is DefectCode.NESTING_LIMIT

    def test_a_text_part_with_a_notice_in_its_report(self) -> None:
        """A notice inside the report in a text part does not count, and one before it makes the report perhaps truncated."""
        notice = b"The message is 5000 bytes long; only the first 3 follow."
        report = built(b"Subject: x\r\n\r\n" + notice + b"\r\n")
        for before, expected in ((b"", [DefectCode.FOUND_ELSEWHERE]), (notice, None)):
            line = self.LINE[:-2] + (b"--- " + before + b"\r\n" if before else b"") + b"\r\n"
            found = unwrap_undeliverable(a_bounce(a_part(b"text/plain", b"No.\r\n" + line + report)))
            assert found.report == report
            assert codes(found) == (expected or [DefectCode.PERHAPS_TRUNCATED, DefectCode.FOUND_ELSEWHERE])

    def test_copies_in_text_parts(self) -> None:
        """With its format, a copy in a text part is returned, and without it the bounce is one of another message."""
        data = a_bounce(a_part(b"text/plain", b"No.\r\n" + self.LINE + ORIGINAL))
        assert unwrap_undeliverable(data, format=ReportFormat.BCC).report == ORIGINAL
        assert refusal(data).code is DefectCode.NO_REPORT_INSIDE

    def test_text_parts_that_announce_a_cut(self) -> None:
        """A text part that says that only the beginning follows makes the report perhaps truncated, encoded or not."""
        said_so = (
            b"The body of the message is 230000 characters long; only the first\r\n106496 or so are included here."
        )
        cut = b"Subject: x\r\n\r\nThe beg"
        for part in (
            a_part(b"text/plain", said_so),
            a_part(b"text/plain", base64.encodebytes(said_so), b"Content-Transfer-Encoding: base64"),
        ):
            data = a_bounce(part, a_part(b"message/rfc822", cut))
            found = unwrap_undeliverable(data, format=ReportFormat.BCC)
            assert (found.report, codes(found)) == (cut, [DefectCode.PERHAPS_TRUNCATED])
            assert found.parsed is not None
            assert not identify(found.parsed).complete

    def test_a_copy_cut_with_its_bounce(self) -> None:
        """A copy whose bounce has no end is never complete, and a report is complete if its own end is there."""
        whole = a_bounce(a_part(b"message/rfc822", b"Subject: x\r\n\r\nThe beg")).removesuffix(b"\r\n--bounce--\r\n")
        parsed = unwrap_undeliverable(whole, format=ReportFormat.BCC).parsed
        assert parsed is not None
        assert not identify(parsed).complete
        parsed = unwrap_undeliverable(round_report(REPORT).removesuffix(b"\r\n--bounce--\r\n")).parsed
        assert parsed is not None
        assert identify(parsed).complete

    def test_a_returned_bounce_with_a_notice(self) -> None:
        """In a bounce, a notice is about the report, even if its original could be a bounce with a notice of its own."""
        returned = a_bounce(a_part(b"message/rfc822", b"Subject: x\r\n\r\nx\r\n\r\nMessage truncated.\r\n"))
        report = built(returned.replace(b"bounce", b"returned"))
        assert identify(parse_report(report)).complete
        parsed = unwrap_undeliverable(round_report(report)).parsed
        assert parsed is not None
        assert not identify(parsed).complete

    def test_a_copy_with_many_parts(self) -> None:
        """A message with more parts than the limit, and without the signs of a bounce, is the copy itself."""
        head = b"Content-Type: multipart/mixed; boundary=bounce\r\n\r\n"
        data = a_bounce(*[b""] * (PART_LIMIT + 1), head=head)
        assert unwrap_undeliverable(data, format=ReportFormat.BCC).report == data

    @pytest.mark.parametrize(
        ("field", "is_message"),
        [
            (b'application/octet-stream; name="a.eml"', True),
            (b"application/octet-stream; name=a.EML", True),
            (b"application/octet-stream; name*=utf-8''a.eml", True),
            (b'text/plain; name="=?utf-8?B?YS5lbWw=?="', True),
            (b'application/octet-stream; name="a.eml.txt"', False),
            (b"application/octet-stream", False),
        ],
    )
    def test_names(self, field: bytes, is_message: bool) -> None:
        """A file whose name ends in .eml is opened, in every notation of the name."""
        data = a_bounce(a_part(b"text/plain", b"No."), a_part(field, REPORT))
        if is_message:
            assert unwrap_undeliverable(data).report == REPORT
        else:
            assert refusal(data).code is DefectCode.NO_REPORT_INSIDE

    def test_a_file_after_the_report(self) -> None:
        """A report in a file after the first one is another report, and a file that is not a message does not hide it."""
        file = b'application/octet-stream; name="a.eml"'
        data = a_bounce(a_part(file, b"\0"), a_part(file, REPORT), a_part(file, TestOthers.SECOND))
        found = unwrap_undeliverable(data)
        assert (found.report, found.found) == (REPORT, "attached")
        assert sorted(codes(found)) == [DefectCode.ANOTHER_REPORT, DefectCode.FOUND_ELSEWHERE]
        found = unwrap_undeliverable(a_bounce(a_part(b"message/rfc822", REPORT), a_part(file, TestOthers.SECOND)))
        assert (found.report, codes(found)) == (REPORT, [DefectCode.ANOTHER_REPORT])

    def test_a_digest_inside(self) -> None:
        """A part without a type is a message in a digest, and a text anywhere else."""
        digest = b"Content-Type: multipart/digest; boundary=digest\r\n\r\n--digest\r\n\r\n" + REPORT + b"\r\n--digest--"
        assert unwrap_undeliverable(a_bounce(digest)).report == REPORT
        assert refusal(a_bounce(b"\r\n" + REPORT)).code is DefectCode.NO_REPORT_INSIDE
        assert unwrap_undeliverable(a_bounce(b"\r\nNo.", digest)).report == REPORT

    def test_journaling(self) -> None:
        """A report in a plain text is recognized as a bounced report; no rule asks for one on mail to the alternate mailbox."""
        bounce = self.text(REPORT, signs=self.SIGNS + b"X-Failed-Recipients: journal@archive.example\r\n")
        loop = detect_loop(bounce)
        assert loop is not None
        assert (loop.reason, loop.forgeable) == (LoopReason.BOUNCED_REPORT, True)
        organization = Organization(["example.com"], alternate_mailbox="alternate@example.com")
        rules = RuleSet([JournalRule("all", "journal@archive.example")], organization)
        for to, count in (("alternate@example.com", 0), ("journal@archive.example", 0), ("bob@example.com", 1)):
            for envelope in (Envelope("", [to], trusted_path=True), Envelope("", [to])):
                # A stranger who writes such a text does not prevent any report.
                assert len(decide(bounce, envelope, rules).reports) == count


class TestEndings:
    """Notices in the last lines of a report."""

    @pytest.mark.parametrize(
        "notice",
        [
            b"----- Message truncated -----",
            b"Message truncated.",
            b"*** Body Not Included ***",
            b"---- MESSAGE TRUNCATED ----",
            b"   ----- Message body suppressed -----",
            b"--- End of message stripped.",
            b"[Message was truncated]",
        ],
    )
    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003, ReportFormat.BCC])
    def test_notices(self, notice: bytes, format: ReportFormat) -> None:
        """A notice in the last line makes a report of any format perhaps truncated, and never complete."""
        for end in (b"", b"\r\n", b"\r\n\r\n\r\n"):
            original = ORIGINAL + b"\r\n" + notice + end
            report = original if format is ReportFormat.BCC else built(original, format=format)
            parsed = parse_report(report, format=format)
            assert [one.code for one in parsed.defects] == [DefectCode.PERHAPS_TRUNCATED]
            assert parsed.defects[0].offset == report.index(notice)
            assert not identify(parsed).complete

    @pytest.mark.parametrize(
        "line",
        [
            b"The message was truncated by hand, and the rest is attached.",
            b"I know that your last message truncated.",
            b"-- ",
            b"--",
            b"and so on--",
            b"--=_b--\r\n" * 9,
            b"Message truncated.\r\nBut here is the rest.",
        ],
    )
    def test_other_lines(self, line: bytes) -> None:
        """Other last lines are not notices."""
        for end in (b"", b"\r\n"):
            assert not parse_report(built(ORIGINAL + line + end)).defects

    @pytest.mark.parametrize(
        ("body", "is_closed"),
        [
            (b"--in\r\n\r\nx\r\n--in--", True),
            (b"--in\r\n\r\nx\r\n--in--\r\n" + b"An epilogue.\r\n" * 100, True),
            (b"--in\r\n\r\nx\r\n--in--and more\r\n", False),
            (b"--in\r\n\r\nx\r\n--in--and more\r\n--in-- \r\n" + b"y\r\n" * 300, True),
            (b"--in\r\n\r\nx\r\n--other--\r\n", False),
            (b"--in--", True),
            (b"", False),
        ],
    )
    @pytest.mark.parametrize("boundary", [b"in", b'"in"'])
    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.BCC])
    def test_close_delimiters(self, body: bytes, is_closed: bool, boundary: bytes, format: ReportFormat) -> None:
        """The close delimiter is found wherever it is, and a line that only begins like it is not one."""
        original = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n" + ORIGINAL.partition(b"\r\n\r\n")[0]
        original += b"\r\n\r\n" + body
        parsed = parse_report(original if format is ReportFormat.BCC else built(original), format=format)
        assert ([one.code for one in parsed.defects] == []) is is_closed
        assert is_closed or DefectCode.ORIGINAL_UNCLOSED in [one.code for one in parsed.defects]
        assert identify(parsed).complete

    def test_a_report_without_its_original(self) -> None:
        """A notice in place of the original is a cut as well."""
        report = (
            built().partition(b"Content-Type: message/rfc822")[0]
            + b"Content-Type: text/plain\r\n\r\nMessage truncated.\r\n"
        )
        boundary = re.findall(rb"\r\n--([^\r]+)\r\n", report)[0]
        codes_ = [one.code for one in parse_report(report + b"--" + boundary + b"--\r\n").defects]
        assert DefectCode.ORIGINAL_MISSING in codes_
        assert DefectCode.PERHAPS_TRUNCATED in codes_

    def test_no_boundary(self) -> None:
        """A multipart that names no boundary is not called unclosed."""
        assert not parse_report(built(b"Content-Type: multipart/mixed\r\n" + ORIGINAL)).defects

    def test_an_encoded_original(self) -> None:
        """An encoded original is checked as well, to its end."""
        body = b"--in\r\n\r\n" + b"x" * HEADER_LIMIT + b"\r\n--in--\r\n"
        original = (
            b"Content-Type: multipart/mixed; boundary=in\r\n" + ORIGINAL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
        )
        for whole in (True, False):
            inside = base64.encodebytes(original if whole else original[:-12])
            head, _, rest = built(b"@@").partition(b"Content-Type: message/rfc822\r\n")
            report = (
                head
                + b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
                + rest.replace(b"@@", inside)
            )
            codes_ = [one.code for one in parse_report(report).defects]
            assert (DefectCode.ORIGINAL_UNCLOSED in codes_) is not whole


def test_scan(tmp_path: Path) -> None:
    """If the bounce shows that an original was cut, `scan` never writes it as a complete one; it says where a report was."""
    folder = tmp_path / "bounces"
    folder.mkdir()
    for name in ("gmail-truncated-and-closed", "exim-text", "exim-text-over-the-limit"):
        (folder / f"{name}.eml").write_bytes((CORPUS / f"{name}.eml").read_bytes())
    lines = tmp_path / "lines"
    summary = scan_archive(folder, undeliverable=True, json=lines, originals=tmp_path / "originals", jobs=1)
    assert (summary.reports, summary.incomplete) == (3, 2)
    found = {Path(one["source"]["path"]).stem: one for one in map(json.loads, lines.read_text().splitlines())}
    assert {name: one["found"] for name, one in found.items()} == {
        "gmail-truncated-and-closed": None,
        "exim-text": "text",
        "exim-text-over-the-limit": "text",
    }
    for name, one in found.items():
        assert one["original"]["file"].endswith(".incomplete.eml") is (name != "exim-text")
    copy = CORPUS / "copy-in-text-over-the-limit.eml"
    assert scan_archive(copy, undeliverable=True, format=ReportFormat.BCC, jobs=1).incomplete == 1
