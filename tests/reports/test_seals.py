"""Seals: what they prove about a report, which changes in transit they allow, and what they never show."""

import base64
import binascii
import mmap
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exjournal import BuildError, InvalidValue, JournalReport, Recipient, ReportFormat, Seal, parse_report, verify_seal
from exjournal.limits import SECRET_MINIMUM
from exjournal.reports.seals import known_secrets
from strategies import ENVELOPES, HEAVY, ORIGINAL, Arguments, a_report, any_bytes, arguments, built, message_like
from test_laws import TRACE, changed_underway, steps

SECRET = b"the first secret"
OTHER = b"another secret of the same house"
SEALED = built(secret=SECRET)
FIELD = b"X-ExJournal-Seal"


def sealed(given_arguments: Arguments, secret: bytes = SECRET) -> bytes:
    """A report built from these arguments, under a seal."""
    given_arguments.options["secret"] = secret
    return given_arguments.build()


def seal_of(report: bytes, *secrets: bytes) -> Seal:
    """The result of verifying a seal with some secrets, by default with the one that the tests use."""
    return verify_seal(report, secrets=secrets or (SECRET,))


def replaced(report: bytes, old: bytes, new: bytes) -> bytes:
    """A report with the one occurrence of some bytes replaced."""
    assert report.count(old) == 1
    return report.replace(old, new)


class TestRoundTrip:
    """A sealed report is VALID with its secret, and with no other."""

    @HEAVY
    @given(arguments(formats=ENVELOPES))
    def test_every_report(self, given_arguments: Arguments) -> None:
        """Any report with any original, decrypted copy and marker is VALID, and reads as it does without the seal."""
        plain = given_arguments.build()
        report = sealed(given_arguments)
        assert seal_of(report) is Seal.VALID
        assert seal_of(report, OTHER) is Seal.INVALID
        assert seal_of(plain) is Seal.ABSENT
        options = given_arguments.options | {"report_id": parse_report(report).report_id, "secret": None}
        assert report.endswith(b"\r\n" + given_arguments._replace(options=options).build())
        assert parse_report(report).report == parse_report(plain).report

    @pytest.mark.parametrize("format", ENVELOPES)
    @pytest.mark.parametrize(
        "original",
        [
            None,
            b"",
            b"\r\n",
            b"no header",
            b"\0",
            ORIGINAL + b"caf\xc3\xa9 \xff\r\n",
            ORIGINAL + b"\0\r\r\n\n",
            ORIGINAL + b"x" * 200_000,
            SEALED,
            b"--edge\r\n" * 300,
        ],
        ids=[
            "none",
            "empty",
            "a line end",
            "no header",
            "NUL",
            "8bit",
            "binary",
            "large",
            "a sealed report",
            "delimiters",
        ],
    )
    def test_originals(self, original: bytes | None, format: ReportFormat) -> None:
        """The seal of any original is VALID."""
        assert seal_of(built(original, format=format, secret=SECRET)) is Seal.VALID

    def test_large_texts(self) -> None:
        """The seal of a large report text in quoted-printable is VALID."""
        recipients = [Recipient(f"\u4e2d\u4e2d\u4e2d\u4e2d{number}@example.com") for number in range(5000)]
        report = built(report=a_report(recipients=recipients), secret=SECRET)
        assert b"quoted-printable" in report
        assert seal_of(report) is Seal.VALID
        assert seal_of(report.replace(b"\r\n", b"\n")) is Seal.VALID

    def test_the_field(self) -> None:
        """The seal is one field before all others, with 43 characters that any header field can have."""
        assert re.match(rb"X-ExJournal-Seal: v=2; s=[A-Za-z0-9_-]{43}\r\nContent-Type:", SEALED)

    def test_deterministic(self) -> None:
        """The same report and secret give the same seal, others give another."""
        assert built(secret=SECRET) == built(secret=SECRET)
        lines = {built(**options).partition(b"\r\n")[0] for options in _OPTIONS}
        assert len(lines) == len(_OPTIONS)

    def test_buffers(self, tmp_path: Path) -> None:
        """Reports in any buffer have the same seal."""
        path = tmp_path / "report.eml"
        path.write_bytes(SEALED)
        assert seal_of(cast("bytes", bytearray(SEALED))) is Seal.VALID
        assert seal_of(cast("bytes", memoryview(SEALED))) is Seal.VALID
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert verify_seal(mapped, secrets=[SECRET]) is Seal.VALID

    @HEAVY
    @given(any_bytes() | message_like(), st.sampled_from([b"", b"v=2; s=x", b"v=2; s=" + b"A" * 43]))
    def test_total(self, report: bytes, value: bytes) -> None:
        """Any bytes have an answer, and none of them is VALID with a forged seal."""
        assert seal_of(FIELD + b": " + value + b"\r\n" + report) is Seal.INVALID
        assert seal_of(report) in {Seal.ABSENT, Seal.INVALID}


_OPTIONS: list[dict[str, bytes | str | ReportFormat | JournalReport]] = [
    {"secret": SECRET},
    {"secret": OTHER},
    {"secret": SECRET, "original": ORIGINAL + b"."},
    {"secret": SECRET, "report_id": "<other@example.com>"},
    {"secret": SECRET, "format": ReportFormat.ENVELOPE_2003},
    {"secret": SECRET, "report": a_report(recipients=["carol@example.org"])},
]


class TestUnderway:
    """Changes that servers make in transit leave the seal VALID."""

    @HEAVY
    @given(arguments(formats=ENVELOPES), st.data())
    def test_outer_headers(self, given_arguments: Arguments, data: st.DataObject) -> None:
        """Folds, trace headers and the letter case of names do not matter."""
        report = data.draw(changed_underway(sealed(given_arguments), inside=False))
        assume(b"content-type-options" not in report.lower())  # no trace field: it is named like one of the content
        assert seal_of(report) is Seal.VALID

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES))
    def test_line_ends(self, given_arguments: Arguments) -> None:
        """CRLF to LF and back does not matter where no carriage return is content, as in binary ones or alone.

        Nor may a line that looks like a delimiter have both around it, as where an original in LF ends in one.
        """
        report = sealed(given_arguments)
        assume(re.search(rb"(?<!\r)\n--[^\n]*\r\n", report) is None)
        if b"\0" not in report and re.search(rb"\r(?!\n)", report) is None:
            short = report.replace(b"\r\n", b"\n")
            assert seal_of(short) is Seal.VALID
            assert seal_of(short.replace(b"\n", b"\r\n")) is Seal.VALID

    @given(st.lists(TRACE.filter(lambda field: not field.startswith(b"Content-")), max_size=4))
    def test_trace_headers(self, trace: list[bytes]) -> None:
        """Fields that servers add before the seal or after it do not matter."""
        lines = b"".join([field + b"\r\n" for field in trace])
        assert seal_of(lines + SEALED) is Seal.VALID
        assert seal_of(replaced(SEALED, b"MIME-Version: 1.0\r\n", b"MIME-Version: 1.0\r\n" + lines)) is Seal.VALID

    def test_mailbox_files(self) -> None:
        """The From line that mailbox files put before a report does not matter."""
        assert seal_of(b"From someone Thu Feb 29 12:30:45 2024\r\n" + SEALED) is Seal.VALID

    def test_the_marker_of_another_hop(self) -> None:
        """A report in transport has the organization's own marker, and the plain one outside."""
        assert (
            seal_of(replaced(SEALED, b"X-MS-Journal-Report:", b"X-MS-Exchange-Organization-Journal-Report:"))
            is Seal.VALID
        )

    def test_the_marker_of_another_format(self) -> None:
        """A report with the marker of another format too is changed: it would be read as one of that format."""
        seal, _, rest = built(format=ReportFormat.ENVELOPE_2003, secret=SECRET).partition(b"\r\n")
        for marker in (b"X-MS-Journal-Report:", b"X-MS-Exchange-Organization-Journal-Report:"):
            changed = seal + b"\r\n" + marker + b"\r\n" + rest
            assert parse_report(changed).format is ReportFormat.ENVELOPE
            assert seal_of(changed) is Seal.INVALID

    @HEAVY
    @given(arguments(formats=ENVELOPES), st.integers(0, 3))
    def test_line_ends_at_the_end(self, given_arguments: Arguments, count: int) -> None:
        """Neither do line ends at the very end, unless the report is binary."""
        report = sealed(given_arguments)
        if b"\0" not in report:
            assert seal_of(report.rstrip(b"\r\n") + b"\r\n" * count) is Seal.VALID


def _boundary(report: bytes) -> bytes:
    found = re.search(rb'boundary="([^"]+)"', report)
    assert found is not None
    return found[1]


def _other_order(report: bytes) -> bytes:
    head, text, original, end = report.split(b"--" + _boundary(report))
    return (b"--" + _boundary(report)).join((head, original, text, end))


# Changes to a report, each of which breaks its seal.
_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a recipient": lambda report: replaced(report, b"Recipient: bob@", b"Recipient: rob@"),
    "a recipient more": lambda report: replaced(
        report, b"Recipient: bob", b"Recipient: rob@example.net\r\nRecipient: bob"
    ),
    "a blank line in the text": lambda report: replaced(report, b"Recipient: bob", b"\r\nRecipient: bob"),
    "a space in the text": lambda report: replaced(report, b"Recipient: bob", b"Recipient:  bob"),
    "an outer subject": lambda report: report.replace(b"Subject: Hello", b"Subject: Hallo", 1),
    "a second subject": lambda report: b"Subject: Hello\r\n" + report,
    "a marker taken out": lambda report: replaced(report, b"X-MS-Journal-Report:", b"X-Kept:"),
    "a marker of another format": lambda report: replaced(
        report, b"X-MS-Journal-Report:", b"Content-Identifier: ExJournalReport\r\nX-Kept:"
    ),
    "no MIME version": lambda report: replaced(report, b"MIME-Version: 1.0\r\n", b""),
    "a byte order mark": lambda report: b"\xef\xbb\xbf" + report,
    "a bare CR before the header": lambda report: b"From someone\rSubject: x\r\n" + report,
    "a bare CR in the header": lambda report: replaced(
        report, b"MIME-Version", b"X-Kept: x\rSubject: x\r\nMIME-Version"
    ),
    "a line of spaces in the header": lambda report: replaced(
        report, b"MIME-Version", b"X-Kept: x\r\n \r\nMIME-Version"
    ),
    "a space before a colon": lambda report: replaced(report, b"MIME-Version:", b"MIME-Version :"),
    "a NUL": lambda report: report + b"\0",
    "a fold in a part header": lambda report: report.replace(b"text/plain; ", b"text/plain;\r\n\t", 1),
    "letter case of a part header": lambda report: replaced(
        report, b"Content-Type: message/rfc822", b"content-type: message/rfc822"
    ),
    "a declared encoding": lambda report: replaced(
        report, b"message/rfc822\r\n", b"message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n"
    ),
    "a second subject after it": lambda report: replaced(report, b"MIME-Version", b"subject : Hello\r\nMIME-Version"),
    "a second content type": lambda report: b"Content-Type: text/plain\r\n" + report,
    "a Cc": lambda report: b"Cc: carol@example.org\r\n" + report,
    "a Reply-To": lambda report: b"Reply-To: carol@example.org\r\n" + report,
    "a description": lambda report: b"Content-Description: x\r\n" + report,
    "an envelope sender": lambda report: b"X-ExJournal-Envelope-Sender: <x@example.com>\r\n" + report,
    "another subtype": lambda report: report.replace(b"multipart/mixed", b"multipart/parallel", 1),
    "a parameter": lambda report: report.replace(b"multipart/mixed;", b"multipart/mixed; x=y;", 1),
    "no multipart": lambda report: report.replace(b"multipart/mixed", b"application/x", 1),
    "a boundary that is nowhere": lambda report: report.replace(b'boundary="', b'boundary="x', 1),
    "a preamble": lambda report: report.replace(b"\r\n\r\n--", b"\r\n\r\ntext\r\n--", 1),
    "an epilogue": lambda report: report + b"text",
    "an added part": lambda report: report.replace(
        b"\r\n--" + _boundary(report) + b"--",
        b"\r\n--" + _boundary(report) + b"\r\n\r\nx\r\n--" + _boundary(report) + b"--",
    ),
    "an added empty part": lambda report: report.replace(
        b"\r\n--" + _boundary(report) + b"--", b"\r\n--" + _boundary(report) + b"\r\n\r\n--" + _boundary(report) + b"--"
    ),
    "a removed part": lambda report: (
        report[: report.rindex(b"\r\n--" + _boundary(report) + b"\r\n")] + b"\r\n--" + _boundary(report) + b"--\r\n"
    ),
    "parts in another order": _other_order,
    "a file name": lambda report: replaced(report, b"message/rfc822\r\n", b'message/rfc822; name="x.eml"\r\n'),
    "a disposition": lambda report: replaced(
        report, b"message/rfc822\r\n", b"message/rfc822\r\nContent-Disposition: attachment; filename=x.eml\r\n"
    ),
    "another type of part": lambda report: replaced(report, b"message/rfc822", b"text/plain"),
    "a line in a part header": lambda report: replaced(
        report, b"message/rfc822\r\n", b"message/rfc822\r\nno field\r\n"
    ),
    "a line in the outer header": lambda report: replaced(report, b"MIME-Version", b"no field\r\nMIME-Version"),
    "a text in the outer header": lambda report: replaced(
        report, b"MIME-Version", b"see: http://a b\r\nno field\r\nMIME-Version"
    ),
    "another encoding": lambda report: replaced(
        report, b"message/rfc822\r\n", b"message/rfc822\r\nContent-Transfer-Encoding: x-uuencode\r\n"
    ),
    "an original cut short": lambda report: replaced(report, b"Hi.\r\n", b""),
    "a line more in the original": lambda report: replaced(report, b"Hi.\r\n", b"Hi.\r\nx\r\n"),
    "cut short": lambda report: report[: report.index(b"Hi.") + 2],
    "two parts made one": lambda report: report.replace(
        b"--" + _boundary(report) + b"\r\nContent-Type: message", b"Content-Type: message"
    ),
}


class TestChanged:
    """Every change that matters makes the seal INVALID."""

    @pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
    def test_changes(self, change: Callable[[bytes], bytes]) -> None:
        """A report with other content, or with its content in another place, is INVALID."""
        changed = change(SEALED)
        assert changed != SEALED
        assert seal_of(changed) is Seal.INVALID

    @pytest.mark.parametrize("format", ENVELOPES)
    @pytest.mark.parametrize("boundary", [b"=_new", b"a b c", b"x" * 70], ids=repr)
    def test_boundaries(self, boundary: bytes, format: ReportFormat) -> None:
        """Other boundaries are a change, as readers disagree about them: such a report is journaled again."""
        report = built(format=format, secret=SECRET)
        changed = report
        for number, found in enumerate(re.findall(rb'boundary="([^"]+)"', report)):
            changed = changed.replace(found, boundary[:-1] + b"%d" % number)
        assert parse_report(changed).report == parse_report(report).report
        assert seal_of(changed) is Seal.INVALID

    @pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
    def test_encoded_text(self, encoding: str) -> None:
        """A report text that a server encoded or decoded is changed, though it reads the same."""
        report = a_report(subject="caf\u00e9 " + "\u4e2d" * 5)
        whole = built(report=report, secret=SECRET)
        parts = whole.split(b"\r\n--" + _boundary(whole))
        header, _, content = parts[1].partition(b"\r\n\r\n")
        written = re.search(rb"Transfer-Encoding: (\S+)", header)
        assert written is not None
        text = binascii.a2b_qp(content) if written[1] == b"quoted-printable" else binascii.a2b_base64(content)
        coded = {
            "base64": base64.encodebytes(text).replace(b"\n", b"\r\n"),
            "quoted-printable": binascii.b2a_qp(text.replace(b"\r\n", b"\n"), quotetabs=True).replace(b"\n", b"\r\n"),
            "8bit": text,
        }
        parts[1] = header.replace(written[1], encoding.encode()) + b"\r\n\r\n" + coded[encoding]
        changed = (b"\r\n--" + _boundary(whole)).join(parts)
        assert changed != whole
        assert parse_report(changed).report == parse_report(whole).report
        assert seal_of(changed) is Seal.INVALID

    @pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
    def test_encoded_original(self, encoding: str) -> None:
        """A server that encodes an attached message, against RFC 2046 section 5.2.1, changes it, though it reads the same."""
        original = ORIGINAL + b"caf\xc3\xa9\r\n"
        report = built(original, secret=SECRET)
        coded = {
            "base64": base64.encodebytes(original).replace(b"\n", b"\r\n"),
            "quoted-printable": binascii.b2a_qp(original, istext=True),
        }
        head = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: %b\r\n\r\n"
        changed = replaced(report, head % b"8bit" + original, head % encoding.encode() + coded[encoding])
        assert parse_report(changed).original_bytes() == original
        assert seal_of(changed) is Seal.INVALID

    @pytest.mark.parametrize("name", [b"Subject", b"To", b"From", b"Sender", b"Message-ID", b"Date", b"MIME-Version"])
    def test_outer_fields(self, name: bytes) -> None:
        """The fields of the outer block that are shown cannot be changed, removed or repeated."""
        found = re.search(rb"\n(%b:[^\n]*\n(?:[ \t][^\n]*\n)*)" % name, SEALED)
        assert found is not None
        start, end = found.span(1)
        for field in (b"", found[1] * 2, found[1].replace(b":", b": x", 1), found[1].rstrip() + b"x\r\n"):
            assert seal_of(SEALED[:start] + field + SEALED[end:]) is Seal.INVALID

    @pytest.mark.parametrize("format", ENVELOPES)
    def test_lines_of_the_text(self, format: ReportFormat) -> None:
        """No line of the report text can be removed, changed or repeated."""
        recipients = ["bob@example.net", Recipient("carol@example.org", expanded_from="list@example.org")]
        report = built(report=a_report(recipients=recipients), format=format, secret=SECRET)
        start = report.index(b"Sender: ", report.index(b"text/plain"))
        end = report.index(b"--_", start)
        lines = report[start:end].rstrip().split(b"\r\n")
        assert len(lines) > 4
        for number, line in enumerate(lines):
            for changed in ([], [line + b"x"], [line, line], [line[1:]] if line else []):
                text = b"\r\n".join([*lines[:number], *changed, *lines[number + 1 :]])
                if changed or number:
                    whole = report[:start] + text + b"\r\n" + report[end:]
                    assert whole == report or seal_of(whole) is Seal.INVALID, (line, changed)

    @pytest.mark.parametrize(
        "original", [ORIGINAL, ORIGINAL + b"caf\xe9\r\n", ORIGINAL + b"a\0b\r\n"], ids=["7bit", "8bit", "binary"]
    )
    def test_bytes_of_the_original(self, original: bytes) -> None:
        """No byte of the original can be changed, removed or added, except CR and the line ends at its end."""
        report = built(original, secret=SECRET)
        start = report.index(original)
        for place, byte in enumerate(original[:-2]):
            if byte == 13:
                continue
            before, after = report[: start + place], report[start + place + 1 :]
            assert seal_of(before + bytes([byte ^ 1]) + after) is Seal.INVALID, place
            assert seal_of(before + after) is Seal.INVALID, place
            assert seal_of(before + b"~" + bytes([byte]) + after) is Seal.INVALID, place

    def test_carriage_returns_of_binary_content(self) -> None:
        """In a binary original CR is content."""
        report = built(ORIGINAL + b"\0", secret=SECRET)
        assert seal_of(replaced(report, b"Hi.\r\n\0", b"Hi.\n\0")) is Seal.INVALID

    def test_of_another_report(self) -> None:
        """The seal of one report is worthless on another."""
        line, _, _ = SEALED.partition(b"\r\n")
        for other in (built(report_id="<2@example.com>"), built(ORIGINAL + b"."), ORIGINAL, b"", built(SEALED)):
            assert seal_of(line + b"\r\n" + other) is Seal.INVALID

    @HEAVY
    @given(arguments(formats=ENVELOPES), st.data())
    def test_any_place(self, given_arguments: Arguments, data: st.DataObject) -> None:
        """A changed letter is detected anywhere after the header, even in a boundary."""
        report = sealed(given_arguments)
        body = report.index(b"\r\n\r\n") + 4
        places = [place for place in range(body, len(report)) if report[place : place + 1].isalnum()]
        place = data.draw(st.sampled_from(places))
        letter = b"y" if report[place : place + 1] != b"y" else b"z"
        assert seal_of(report[:place] + letter + report[place + 1 :]) is Seal.INVALID


class TestSeveral:
    """Several secrets, and several seals."""

    def test_rotation(self) -> None:
        """Any of several secrets verifies, in any order and collection."""
        for secrets in ([OTHER, SECRET], (SECRET, OTHER), {SECRET, OTHER}, iter([OTHER, SECRET]), {SECRET: 1}):
            assert verify_seal(SEALED, secrets=cast("Iterable[bytes]", secrets)) is Seal.VALID
        assert seal_of(SEALED, OTHER, OTHER + b"x") is Seal.INVALID

    @pytest.mark.parametrize("count", [1, 2, 900])
    def test_among_forged_ones(self, count: int) -> None:
        """A true seal counts among forged, malformed and foreign ones, in any order."""
        forged = [b"v=2; s=" + b"A" * 43, b"v=3; s=x", b"", b"\xff\0"]
        lines = b"".join([FIELD + b": " + forged[number % len(forged)] + b"\r\n" for number in range(count)])
        line, _, rest = SEALED.partition(b"\r\n")
        assert seal_of(lines + SEALED) is Seal.VALID
        assert seal_of(line + b"\r\n" + lines + rest) is Seal.VALID
        assert seal_of(lines + rest) is Seal.INVALID

    def test_two_signatures(self) -> None:
        """Two seals of two secrets are both VALID, as neither covers the other."""
        both = built(secret=OTHER).partition(b"\r\n")[0] + b"\r\n" + SEALED
        assert seal_of(both) is seal_of(both, OTHER) is Seal.VALID

    @pytest.mark.parametrize(
        "change",
        [
            lambda line: line.lower(),
            lambda line: line.replace(b"v=2", b"v=3"),
            lambda line: line.replace(b"s=", b"t="),
            lambda line: line[:-1],
            lambda line: line + b"A",
            lambda line: line + b"=",
            lambda line: line + b"; x=y",
            lambda line: line.replace(b"v=2; ", b""),
            lambda line: line.replace(b"s=", b"s= "),
            lambda line: line[: len(FIELD) + 1],
            lambda line: line[:-5] + b"+" + line[-4:],
            lambda line: line[:-5] + b"\xc3\xa9" + line[-3:],
        ],
        ids=range(12),
    )
    def test_malformed(self, change: Callable[[bytes], bytes]) -> None:
        """A malformed seal is INVALID."""
        line, _, rest = SEALED.partition(b"\r\n")
        changed = change(line)
        if changed[: len(FIELD)].lower() == FIELD.lower():
            assert seal_of(changed + b"\r\n" + rest) is Seal.INVALID

    def test_refolded(self) -> None:
        """Folds and letter case of the name do not matter; a space before the colon does, as in any field."""
        line, _, rest = SEALED.partition(b"\r\n")
        refolded = line.replace(b"v=2; s=", b"\r\n v=2;\r\n\ts=")
        assert seal_of(refolded.replace(FIELD, FIELD.lower()) + b"\r\n" + rest) is Seal.VALID
        assert seal_of(refolded.replace(FIELD, FIELD.upper() + b" \t") + b"\r\n" + rest) is Seal.INVALID

    def test_only_in_the_header(self) -> None:
        """A seal in the body, or in a report inside, does not count."""
        assert seal_of(b"\r\n" * 2 + b"X: y\r\n\r\n" + SEALED) is Seal.ABSENT
        assert seal_of(built(SEALED)) is Seal.ABSENT

    def test_many_seals_cost_little(self) -> None:
        """The content is digested once, with any number of seals."""
        forged = FIELD + b": v=2; s=" + b"A" * 43 + b"\r\n"
        assert steps(lambda: seal_of(forged * 400 + SEALED)) <= 5 * steps(lambda: seal_of(forged * 100 + SEALED)) + 2000


class TestSecrets:
    """Secrets are checked and never shown."""

    @pytest.mark.parametrize(
        "secrets",
        [
            SECRET,
            "a secret that is text",
            None,
            1,
            bytearray(SECRET),
            ["a secret that is text"],
            [bytearray(SECRET)],
            [None],
            [SECRET, 1],
            [b""],
            [SECRET[: SECRET_MINIMUM - 1]],
            [SECRET, b"hush"],
        ],
        ids=repr,
    )
    def test_no_secrets(self, secrets: object) -> None:
        """Anything but a collection of valid secrets is an InvalidValue, which shows nothing of them."""
        with pytest.raises(InvalidValue) as caught:
            verify_seal(SEALED, secrets=cast("Iterable[bytes]", secrets))
        assert caught.value.field == "secrets"
        for shown in ("the first", "hush", "that is text"):
            assert shown not in str(caught.value)
            assert shown not in repr(caught.value)

    @pytest.mark.parametrize("secrets", [[], (), set()], ids=repr)
    def test_none_at_all(self, secrets: Iterable[bytes]) -> None:
        """Without a secret nothing can be verified, even without a seal."""
        for report in (SEALED, ORIGINAL):
            with pytest.raises(InvalidValue, match="verified by a secret") as caught:
                verify_seal(report, secrets=secrets)
            assert caught.value.field == "secrets"

    def test_the_minimum(self) -> None:
        """Any sixteen bytes are a secret."""
        assert known_secrets([bytes(SECRET_MINIMUM)]) == (bytes(SECRET_MINIMUM),)
        assert seal_of(built(secret=bytes(SECRET_MINIMUM)), bytes(SECRET_MINIMUM)) is Seal.VALID

    def test_long_secrets(self) -> None:
        """A secret counts in all its length."""
        first, other = b"x" * 1000, b"x" * 999 + b"y"
        assert seal_of(built(secret=first), first) is Seal.VALID
        assert seal_of(built(secret=first), other) is Seal.INVALID

    def test_other_types(self) -> None:
        """Anything but a buffer of bytes is a TypeError."""
        with pytest.raises(TypeError, match="a report must be bytes"):
            verify_seal(cast("bytes", "text"), secrets=[SECRET])

    @pytest.mark.parametrize("format", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY])
    def test_copies(self, format: ReportFormat) -> None:
        """A copy cannot have a seal."""
        with pytest.raises(BuildError) as caught:
            built(format=format, secret=SECRET)
        assert caught.value.field == "secret"
