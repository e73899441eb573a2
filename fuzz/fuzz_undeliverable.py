"""For any bytes unwrap_undeliverable returns a report that is a slice of them, or was decoded out of them and says so, or raises ParseError; nothing else escapes.

A report that comes out also comes out of every bounce that is made from it. Run it as
`python fuzz/fuzz_undeliverable.py -max_total_time=60`; arguments go to libFuzzer.
"""  # noqa: E501

import mmap
import sys

import atheris

with atheris.instrument_imports(include=["exjournal"]):
    from exjournal import (
        Defect,
        DefectCode,
        MessageKind,
        ParseError,
        ReportFormat,
        Undeliverable,
        message_kind,
        unwrap_undeliverable,
    )
    from exjournal.reports.undeliverable import DeliveryStatus

import clock
import seeds

# Defects that a bounce of a report can have if the report itself contains the bounce's delimiter.
_BOUNDARY = b"_0d9c3a5e-77b1-4a53-8f57-2c7f0c1c7a11_"


def test_one_input(data: bytes) -> None:
    """Check the invariant of the reader, and the promises of its documentation."""
    kind = message_kind(data)
    assert kind in tuple(MessageKind)
    result = _unwrap(data)
    mapped = mmap.mmap(-1, len(data)) if data else None
    if mapped is not None:
        mapped.write(data)
        _check_same(result, _unwrap(mapped))
    _check_same(result, _unwrap(bytearray(data)))
    copy = _unwrap(data, ReportFormat.BCC)
    if isinstance(copy, Undeliverable):
        _check(data, copy)
    if isinstance(result, ParseError):
        assert 0 <= result.offset <= len(data)
        return
    _check(data, result)
    if result.report is not None:
        _check_again(result.report, result.report_id)
        _check_bounced(result.report, result.report_id)
        _check_in_text(result.report, result.report_id)


def _unwrap(data: "bytes | bytearray | mmap.mmap", format: ReportFormat | None = None) -> Undeliverable | ParseError:
    try:
        return unwrap_undeliverable(data, format=format)
    except ParseError as error:
        return error


def _check_same(one: Undeliverable | ParseError, other: Undeliverable | ParseError) -> None:
    """Check that two results are equal."""
    if isinstance(one, ParseError):
        assert isinstance(other, ParseError)
        assert (one.code, one.detail, one.offset) == (other.code, other.detail, other.offset)
    else:
        assert one == other


def _check(data: bytes, result: Undeliverable) -> None:
    """Check the report, its id, each entry of the status and each defect."""
    codes = [defect.code for defect in result.defects]
    if result.report is not None and DefectCode.ORIGINAL_ENCODED not in codes:
        assert result.report in data
    for defect in result.defects:
        assert isinstance(defect, Defect)
        assert 0 <= defect.offset <= len(data)
    assert "\n" not in result.report_id
    assert "\r" not in result.report_id
    for entry in result.status:
        assert isinstance(entry, DeliveryStatus)
        for value in entry:
            assert isinstance(value, str)
            assert value == value.strip()
            assert not {"\n", "\r"}.intersection(value)
    try:
        parsed = result.parsed
    except ParseError:
        return
    assert (parsed is None) == (result.report is None)
    if parsed is not None and result.format is None:
        assert parsed.report_id == result.report_id
    assert (result.found in (None, "mixed")) or DefectCode.FOUND_ELSEWHERE in codes


def _check_again(report: bytes, report_id: str) -> None:
    """Check that a report outside a bounce comes back unchanged, without a status."""
    assert unwrap_undeliverable(report) == Undeliverable(report, report_id, (), ())


def _check_bounced(report: bytes, report_id: str) -> None:
    """Check that a bounce of any report, and a bounce of that, give the same bytes."""
    if b"\n--" + _BOUNDARY in b"\n" + report:
        return
    bounced = report
    for level in range(2):
        boundary = _BOUNDARY + b"%d_" % level
        bounced = (
            b"Subject: Undeliverable\r\nMIME-Version: 1.0\r\n"
            b'Content-Type: multipart/report; report-type=delivery-status; boundary="%b"\r\n\r\n'
            b"--%b\r\nContent-Type: text/plain\r\n\r\nNo.\r\n"
            b"--%b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; b.example\r\n\r\n"
            b"Final-Recipient: rfc822; journal%d@example.com\r\nAction: Failed\r\nStatus: 5.1.1\r\n"
            b"Diagnostic-Code: smtp; 550 no\r\n\r\n"
            b"--%b\r\nContent-Type: message/rfc822\r\n\r\n%b\r\n--%b--\r\n"
        ) % (boundary, boundary, boundary, level, boundary, bounced, boundary)
        assert message_kind(bounced) is MessageKind.DELIVERY_STATUS
        found = unwrap_undeliverable(bounced)
        assert found.report == report
        assert found.report_id == report_id
        assert found.status == tuple(
            [
                DeliveryStatus(
                    recipient=f"journal{n}@example.com", action="failed", status="5.1.1", diagnostic="550 no"
                )
                for n in range(level + 1)
            ]
        )
        # The last lines of the report may say that it was cut.
        assert {DefectCode.PERHAPS_TRUNCATED}.issuperset(defect.code for defect in found.defects)


def _check_in_text(report: bytes, report_id: str) -> None:
    """Check that a plain-text bounce gives the same bytes, if they begin with a field."""
    if report[:1] in b"\r\n \t-\xef" or b":" not in report.partition(b"\n")[0]:
        return
    for line in (
        b"------ This is a copy of the message, including all the headers. ------",
        b"--- Unsent message follows",
        b"Original message follows.",
    ):
        head = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.com\r\n\r\nNo.\r\n\r\n"
        found = unwrap_undeliverable(head + line + b"\r\n\r\n" + report)
        if found.report is not None and found.found == "text":
            assert (found.report, found.report_id) == (report, report_id)
        assert found.defects


def main() -> None:
    """Fuzz, starting with the messages of the tests, and with bounces of reports from the writer."""
    with seeds.folder(seeds.bounces()) as folder:
        arguments = seeds.arguments(sys.argv, folder)
        atheris.Setup(arguments, clock.timed(test_one_input, arguments), custom_mutator=clock.repeated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
