"""Bounces that other people collected: a report in the place of the returned message must come out of each.

The collection is the test data of flufl.bounce, with which Mailman finds the addresses that bounced. Only its source
distribution has it, and the environment `readers` downloads that. Every run tests the bounces of the corpus in the same way.

The returned message is found here by other means than the library's: by the header of its part and the delimiter line above it,
or by the line that announces it, from a list of its own.
"""

import os
import quopri
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from exjournal import (
    DefectCode,
    Envelope,
    ParseError,
    ReportFormat,
    build_report,
    parse_report,
    report_for,
    unwrap_undeliverable,
)

CORPUS = Path(__file__).parent.parent / "corpus"
# Bounces in the set, at the version that the environment names.
COUNT = 117

HEAD = b"From: ann@example.com\r\nTo: bob@example.net\r\nSubject: Lunch\r\nMessage-ID: <1@example.com>\r\n"
ORIGINALS = (
    HEAD + b"\r\nAt one?\r\n",
    HEAD
    + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nUm eins im Caf\xc3\xa9?\r\n",
    # What a bounce has around a message, inside one.
    HEAD
    + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n"
    b"Subject: Dinner\r\n\r\nAt eight?\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Tea\r\n\r\nAt five?\r\n--b--\r\n",
)


def reports() -> Iterator[bytes]:
    """Reports on these originals, in both envelope formats."""
    for original in ORIGINALS:
        report = report_for(original, Envelope("ann@example.com", ["bob@example.net", "hidden@example.org"]))
        for format in (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003):
            yield build_report(report, original, domain="example.com", format=format)


class Place(NamedTuple):
    """The returned message in a bounce, in LF: its bytes, their encoding, whether they are its header alone, or in a text."""

    start: int
    end: int
    encoding: str
    is_header: bool
    is_text: bool


# A delimiter line and the header of a part that is a message, or the header of one.
PART = re.compile(
    rb"(?mi)^(?P<delimiter>--.+)\n(?P<header>(?:.+\n)*?content-type:[ \t]*(?:\n[ \t]+)?"
    rb"(?:(?P<alone>(?:text|message)/(?:rfc822|global)-headers)|message/(?:rfc822|global))(?![-a-z]).*\n(?:.+\n)*)\n"
)
ENCODING = re.compile(rb"(?mi)^content-transfer-encoding:[ \t]*([a-z0-9-]+)")
# The line before a message, as the servers of the set and of the corpus write it.
MESSAGE_LINE = re.compile(
    rb"(?m)^ *(?:-.*This is a copy of (?:the|your) message, including all the headers\..*"
    rb"|-.*Below (?:this|the next) line is a copy of the message\.|-.*Original message -+"
    rb"|(?:--- )?Original message follows\.|-+ ?Unsent Message below:|-.*(?:Unsent|Original) message follows -+"
    rb"|A copy of the original message below this line:|-+ START OF RETURNED MESSAGE -+|-+ Returned Mail -+"
    rb"|-+RETURNED MAIL FOLLOWS-+|\|-+ Message text follows: -+\||Your message reads \(in part\):"
    rb"|A summary of the undelivered message you sent follows:\n-+|The first 50 lines of your original message follow:"
    rb"|Original message as received is as follows:\n=+| *-- The header and top 20 lines of the message follows --)\n"
    rb"(?:-.*\n)*\n*"
)
HEADER_LINE = re.compile(
    rb"(?m)^ *(?:-+ Message header follows -+|-.*header of the original message is following\. -+|Message headers follow:"
    rb"|-+ This is a copy of (?:the|your) message's headers\. -+|Included is a copy of the message header:\n-+"
    rb"|Original message headers:|-+ Header of the source mail attached -+)\n\n*"
)
# What some servers write after it.
END_LINE = re.compile(
    rb"\n *-+ ?(?:(?i:end of (?:returned|unsent) (?:mail|message))|Message body suppressed)[ -]*\n*\Z"
)


def place_of(bounce: bytes) -> Place | None:
    """Where the returned message is, None where there is none."""
    start = len(bounce) - len(bounce.lstrip(b"\xef\xbb\xbf\n"))
    header = bounce[start:].partition(b"\n\n")[0]
    is_multipart = re.search(rb"(?mi)^content-type:\s*multipart/", header) is not None
    line = MESSAGE_LINE.search(bounce, len(header)) or HEADER_LINE.search(bounce, len(header))
    if line is not None and not is_multipart:
        closing = END_LINE.search(bounce, line.end())
        end = len(bounce) if closing is None else closing.start()
        return Place(line.end(), end, encoding_of(header), line.re is HEADER_LINE, is_text=True)
    part = PART.search(bounce)
    if part is None:
        return None
    delimiter = re.compile(rb"\n" + re.escape(part["delimiter"]) + rb"(?:--)?[ \t]*(?:\n|\Z)").search(
        bounce, part.end()
    )
    end = len(bounce) if delimiter is None else delimiter.start()
    return Place(part.end(), end, encoding_of(part["header"]), part["alone"] is not None, is_text=not is_multipart)


def encoding_of(header: bytes) -> str:
    """The transfer encoding that a header names."""
    found = ENCODING.search(header)
    return "" if found is None else found[1].decode().lower()


def with_report(bounce: bytes, place: Place, report: bytes) -> bytes:
    """The bounce with a report, or its header, in the place of the returned message; all in LF."""
    before, inside, after = bounce[: place.start], report, bounce[place.end :]
    if place.is_header:
        inside = report.partition(b"\n\n")[0] + b"\n"
    if place.encoding == "quoted-printable":
        inside = quopri.encodestring(inside)
    if place.is_text:
        # The collected files have the Return-Path of the mailing list that got the bounce, or none; a server writes a null one.
        before = b"Return-Path: <>\n" + re.sub(rb"(?i)\A((?:.+\n)*?)return-path:.*\n", rb"\1", before)
    return before + inside + after


def outcome(bounce: bytes, report: bytes, *, is_text: bool) -> str:
    """Return "report", "id" where only the header is there, "another thing", or the code of the refusal."""
    try:
        found = unwrap_undeliverable(bounce)
    except ParseError as error:
        return str(error.code)
    assert (found.found == "text") is is_text
    assert (DefectCode.FOUND_ELSEWHERE in [defect.code for defect in found.defects]) is is_text
    if found.report is None:
        return "id" if found.report_id == parse_report(report).report_id else "another id"
    return "report" if found.report == report else "another thing"


def outcomes(bounces: Mapping[str, bytes]) -> dict[str, str]:
    """Return what comes out of each bounce with each report in it, in LF and in CRLF; different results are joined by "or"."""
    return {name: " or ".join(sorted(_outcomes(data))) for name, data in bounces.items()}


def _outcomes(data: bytes) -> set[str]:
    bounce = data.replace(b"\r\n", b"\n")
    place = place_of(bounce)
    if place is None:
        return {"nothing returned"}
    found: set[str] = set()
    for report in reports():
        in_lf = report.replace(b"\r\n", b"\n")
        made = with_report(bounce, place, in_lf)
        found |= {
            outcome(made.replace(b"\n", end), in_lf.replace(b"\n", end), is_text=place.is_text)
            for end in (b"\n", b"\r\n")
        }
    return found


# Bounces of the set that return the header alone: the id of the report comes out.
HEADER_ALONE = (
    *("dsn_05", "dsn_06", "dsn_07", "dsn_08", "dsn_11", "dsn_17", "dsn_18", "sendmail_01", "simple_08", "simple_28"),
    *("simple_29", "simple_40", "simple_41", "simple_42", "simple_45"),
)
# Those that return nothing of the message, or were stripped of it together with the line before it.
NOTHING_RETURNED = (
    *("aol_01", "caiwireless_01", "dsn_12", "groupwise_03", "microsoft_03", "qmail_08", "simple_03", "simple_07"),
    *("simple_09", "simple_10", "simple_11", "simple_13", "simple_20", "simple_21", "simple_22", "simple_24"),
    *("simple_34", "simple_44"),
)
# Those that are refused with a report in them: the code, and why that is right.
REFUSED = {
    "bounce_01": ("not-a-report", "its From has no address, so nothing shows that it is a bounce"),
    "bounce_02": ("not-a-report", "its From is not a daemon"),
    "llnl_01": ("no-report-inside", "the server returns the header alone, with a sign before each line"),
    "microsoft_02": ("no-report-inside", "a multipart that lost its Content-Type"),
    "simple_23": ("no-report-inside", "prose announces a part of the message"),
    "simple_26": ("no-report-inside", "prose announces a summary"),
    "simple_35": ("not-a-report", "prose announces 50 lines, and its From is not a daemon"),
    "simple_36": ("not-a-report", "20 lines, and its From is not a daemon"),
}


@pytest.fixture(scope="module")
def collected() -> dict[str, bytes]:
    """The bounces of the set by their names; where the environment has no set, the test fails."""
    with tarfile.open(os.environ["FLUFL_BOUNCE"]) as sdist:
        files = [(member, sdist.extractfile(member)) for member in sdist.getmembers() if "/tests/data/" in member.name]
        bounces = {
            Path(member.name).stem: file.read() for member, file in files if file and member.name.endswith(".txt")
        }
    assert len(bounces) == COUNT
    return bounces


@pytest.mark.readers
def test_the_set(collected: dict[str, bytes]) -> None:
    """A report in any bounce of the set comes out byte for byte, or the bounce is one of those named above."""
    expected = dict.fromkeys(collected, "report")
    expected |= dict.fromkeys(HEADER_ALONE, "id")
    expected |= dict.fromkeys(NOTHING_RETURNED, "nothing returned")
    expected |= {name: code for name, (code, _) in REFUSED.items()}
    found = outcomes(collected)
    exact = list(found.values()).count("report")
    print(f"{len(found)} bounces: {exact} with the report, {len(HEADER_ALONE)} with its id, {len(REFUSED)} refused")
    assert found == expected


@pytest.mark.readers
def test_the_set_as_it_is(collected: dict[str, bytes]) -> None:
    """No bounce of the set has a report in it, and none gives anything."""
    for data in collected.values():
        for end in (b"\n", b"\r\n"):
            with pytest.raises(ParseError) as caught:
                unwrap_undeliverable(data.replace(b"\r\n", b"\n").replace(b"\n", end))
            assert caught.value.code in (DefectCode.NO_REPORT_INSIDE, DefectCode.NOT_A_REPORT)


@pytest.mark.readers
def test_returned_messages_of_the_set(collected: dict[str, bytes]) -> None:
    """With the format of a copy, the returned message of a `multipart/report` comes out byte for byte, as it is in the set."""
    count = 0
    for data in collected.values():
        bounce = data.replace(b"\r\n", b"\n")
        place = place_of(bounce)
        is_report = re.search(rb"(?mi)^content-type:\s*multipart/report", bounce.partition(b"\n\n")[0]) is not None
        if place is None or place.is_header or place.is_text or not is_report:
            continue
        count += 1
        for end in (b"\n", b"\r\n"):
            found = unwrap_undeliverable(bounce.replace(b"\n", end), format=ReportFormat.BCC)
            assert found.report == bounce[place.start : place.end].replace(b"\n", end)
    assert count > 10


# Files of the corpus in which `place_of` does not find the message, and files that are not bounces. For the former,
# `test_any_report_in_any_bounce` puts other reports in place of the one that the reader found.
CORPUS_OF_OTHER_SHAPES = (
    *("attached-as-octet-stream", "attached-as-text-by-disposition", "attached-file-of-an-ordinary-message"),
    *("attached-in-base64", "message-as-the-whole-body", "part-of-a-digest", "text-in-base64"),
    "text-part-beside-a-footer",
    *("report-that-is-no-bounce", "plain-message", "read-receipt", "nothing-but-line-ends"),
    *("bounce-without-a-message", "mixed-without-a-message", "copy-missing-from-a-mixed-bounce"),
)
CORPUS_HEADER_ALONE = (
    *("headers-only", "headers-only-as-message-rfc822-headers", "headers-only-in-quoted-printable"),
    *("headers-only-international", "headers-only-of-an-ordinary-message", "headers-only-without-a-marker"),
    *("mailenable-text-with-the-header-only", "text-with-the-header-only"),
    "refused-undeliverable-report-headers-only",
)
CORPUS_REFUSED = {
    "text-from-a-person": "not-a-report",
    "text-without-a-blank-line": "no-report-inside",
    "text-without-a-known-line": "no-report-inside",
}


@pytest.mark.slow
def test_the_corpus() -> None:
    """A report in any bounce of the corpus comes out byte for byte, or the bounce is one of those named above."""
    paths = [*CORPUS.glob("undeliverable/*.eml"), *CORPUS.glob("refused-*undeliverable*.eml")]
    bounces = {path.stem: path.read_bytes() for path in paths if path.stem not in CORPUS_OF_OTHER_SHAPES}
    expected = dict.fromkeys(bounces, "report") | dict.fromkeys(CORPUS_HEADER_ALONE, "id") | CORPUS_REFUSED
    assert outcomes(bounces) == expected
