"""For any bytes parse_report, with format ENVELOPE_2003, BCC or MESSAGE_ONLY, returns a ParsedReport that loses no line of the text and no byte of the original, or raises ParseError; nothing else escapes.

Run it as `python fuzz/fuzz_report_2003.py -max_total_time=60`; arguments go to libFuzzer.
"""  # noqa: E501

import json
import mmap
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import atheris

with atheris.instrument_imports(include=["exjournal"]):
    from exjournal import (
        BuildError,
        Defect,
        DefectCode,
        Evidence,
        JournalReport,
        ParsedReport,
        ParseError,
        Part,
        PartKind,
        Recipient,
        ReportFormat,
        Role,
        address_key,
        build_report,
        detect_format,
        parse_report,
        strip_headers,
    )

import clock
import seeds

_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")
_CHARSET = re.compile(rb'charset="?([A-Za-z0-9-]+)["\s;]', re.IGNORECASE)
_ASCII_SUPERSETS = frozenset((b"us-ascii", b"utf-8", b"iso-8859-1"))
_COPIES = (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY)
_LABELS = ("sender", "message-id", "subject", "recipients")
_BLANKS = " \t"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# The end of a part: a delimiter line, or the end of the input.
_BEHIND_PART = re.compile(rb"\r?\n--|\Z")
_BEFORE_PART = re.compile(rb"\n\r?\n\Z|\n--[^\n]*\n\Z")
# Defects that even a report from our own writer can have, because its original can be anything.
_OF_THE_ORIGINAL = frozenset(
    (
        DefectCode.MESSAGE_ID_MISMATCH,
        DefectCode.ORIGINAL_EMPTY,
        DefectCode.ORIGINAL_MISSING,
        DefectCode.ORIGINAL_WITHOUT_HEADERS,
        DefectCode.ORIGINAL_HEADER_TOO_LARGE,
        DefectCode.ORIGINAL_HOLDS_TNEF,
        DefectCode.NESTED_REPORT,
    )
)
_DATE = datetime(2026, 1, 1, tzinfo=UTC)


def test_one_input(data: bytes) -> None:
    """Check the invariant of the readers, and the promises of their documentation."""
    as_2003 = _read(data, ReportFormat.ENVELOPE_2003)
    if isinstance(as_2003, ParsedReport):
        assert as_2003.format is ReportFormat.ENVELOPE_2003
        assert as_2003.recipients_from is (Evidence.UNMARKED if as_2003.marker == "grammar" else Evidence.ENVELOPE)
        _check(data, as_2003)
        _check_between(data, as_2003)
        _check_lines(data, as_2003)
        _check_written_2003(as_2003)
    if detect_format(data) is ReportFormat.ENVELOPE_2003:
        marked = _read(data)
        if isinstance(as_2003, ParsedReport):
            assert isinstance(marked, ParsedReport)
            assert marked.to_dict(content=True) == as_2003.to_dict(content=True)
    copies = [_read(data, format) for format in _COPIES]
    assert len({isinstance(copy, ParseError) for copy in copies}) == 1
    for copy in copies:
        if isinstance(copy, ParsedReport):
            _check(data, copy)
            _check_copy(data, copy)
    if isinstance(copies[0], ParsedReport):
        _check_written_copies(data, copies[0])


def _read(
    data: "bytes | mmap.mmap", format: ReportFormat | None = None, /, *, strict: bool = False
) -> ParsedReport | ParseError:
    try:
        return parse_report(data, format=format, strict=strict)
    except ParseError as error:
        return error


def _check(data: bytes, result: ParsedReport) -> None:
    """Check each part, each defect and each value, and that reading again or strictly gives the same."""
    # The place of a part in an encoded multipart is that of the multipart.
    is_encoded = any(defect.code is DefectCode.MULTIPART_ENCODED for defect in result.defects)
    for part in result.parts:
        assert 0 <= part.offset <= part.offset + part.size <= len(data)
        if part.encoding in _PLAIN_ENCODINGS and not is_encoded:
            assert bytes(part.content) == data[part.offset : part.offset + part.size]
    for view, kind in ((result.original, PartKind.ORIGINAL), (result.decrypted, PartKind.DECRYPTED)):
        contents = [part.content for part in result.parts if part.kind is kind]
        assert contents == ([] if view is None else [view])
    assert (result.decrypted is None) == (not result.decrypted_evidence)
    for defect in result.defects:
        assert isinstance(defect, Defect)
        assert 0 <= defect.offset <= len(data)
    as_data = result.to_dict(content=True)
    assert json.loads(json.dumps(as_data, allow_nan=False, ensure_ascii=False).encode("utf-8")) == as_data
    assert bytes(result.headers) in data
    for recipient in result.report.recipients:
        assert recipient == Recipient(**_fields(recipient))
    assert result.report == JournalReport(**_fields(result.report))
    strict = _read(data, result.format, strict=True)
    if isinstance(strict, ParseError):
        first = result.defects[0]
        assert (strict.code, strict.detail, strict.offset) == (first.code, first.detail, first.offset)
    else:
        assert not result.defects
    mapped = mmap.mmap(-1, len(data))
    mapped.write(data)
    again = _read(mapped, result.format)
    assert isinstance(again, ParsedReport)
    assert again.to_dict(content=True) == as_data


def _fields(value: JournalReport | Recipient) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}


def _check_between(data: bytes, result: ParsedReport) -> None:
    """Check that the original is everything between the header block of its part and the delimiter line after it."""
    for part in result.parts:
        if part.kind in (PartKind.ORIGINAL, PartKind.DECRYPTED):
            assert _BEHIND_PART.match(data, part.offset + part.size) is not None
            assert part.size == 0 or _BEFORE_PART.search(data, 0, part.offset) is not None


def _check_lines(data: bytes, result: ParsedReport) -> None:
    """Check that every non-empty line became a field or recipients, or is in `unparsed`."""
    text = next(part for part in result.parts if part.kind is PartKind.TEXT)
    if text.media_type == "text/html" or not _lines_are_lines(data):
        return
    content = bytes(text.content).removeprefix(_BYTE_ORDER_MARK)
    unparsed = list(result.unparsed)
    for line in _as_text(content).split("\n"):
        written = line.rstrip("\r")
        if not written.strip(_BLANKS):
            continue
        if written in unparsed:
            unparsed.remove(written)
        else:
            assert _is_accounted_for(written, result), written
    assert not unparsed


def _is_accounted_for(line: str, result: ParsedReport) -> bool:
    """Whether a line is one of the labels, or names a recipient."""
    label, colon, value = line.partition(":")
    if colon and label.strip(_BLANKS).lower() in _LABELS:
        name = label.strip(_BLANKS).lower()
        if name == "message-id" and result.report.message_id == value.strip(_BLANKS):
            return True
        if name == "subject" and result.report.subject == value.strip(_BLANKS):
            return True
        if name == "sender" and result.report.sender in value:
            return True
        if name == "recipients" and not value.strip(_BLANKS):
            return True
    return any(one.address in line for one in result.report.recipients)


def _as_text(content: bytes) -> str:
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8")
    return content.decode("latin-1")


def _lines_are_lines(data: bytes) -> bool:
    """Return whether no declared charset contradicts reading the text as UTF-8, or else as latin-1."""
    named = [name.lower() for name in _CHARSET.findall(data)]
    if len(named) != data.lower().count(b"charset") or not _ASCII_SUPERSETS.issuperset(named):
        return False
    return b"iso-8859-1" not in named or (data.isascii() and b"=" not in data and b"base64" not in data.lower())


def _check_written_2003(result: ParsedReport) -> None:
    """Check that a report that was read can be written, and reads the same again, but for the subject."""
    report = replace(result.report, subject="")
    if not report.recipients:
        return
    original = result.original_bytes()
    for correct_marker in (False, True):
        built = build_report(
            report,
            original,
            format=ReportFormat.ENVELOPE_2003,
            domain="example.com",
            date=_DATE,
            correct_marker=correct_marker,
        )
        assert detect_format(built) is ReportFormat.ENVELOPE_2003
        again = parse_report(built)
        assert again.report == report, (again.report, report)
        assert again.original_bytes() == original
        assert not again.unparsed
        assert _OF_THE_ORIGINAL.issuperset(defect.code for defect in again.defects), again.defects


def _check_copy(data: bytes, result: ParsedReport) -> None:
    """Check that the original is the whole copy, and that each recipient of the header is there once."""
    assert result.original == memoryview(data)
    assert len(result.parts) == 1
    part: Part = result.parts[0]
    assert (part.offset, part.size) == (0, len(data))
    assert result.marker == "caller"
    assert result.recipients_from is Evidence.HEADER
    keys = list(_keys(result))
    assert len(keys) == len(set(keys))
    assert all(one.role is not Role.RECIPIENT for one in result.report.recipients)


def _keys(result: ParsedReport) -> Iterator[str]:
    for recipient in result.report.recipients:
        yield address_key(recipient.address)


def _check_written_copies(data: bytes, result: ParsedReport) -> None:
    """Check that a written copy differs only in its Bcc field, and names the same recipients."""
    if not result.report.recipients:
        return
    without = strip_headers(data, ["Bcc"])
    assert build_report(result.report, data, format=ReportFormat.MESSAGE_ONLY) == without
    for bcc_all in (False, True):
        copy = _bcc_copy(data, result, bcc_all=bcc_all)
        if copy is None:
            continue
        assert strip_headers(copy, ["Bcc"]) == without
        again = parse_report(copy, format=ReportFormat.BCC)
        assert sorted(_keys(again)) == sorted(_keys(result))
        assert {address_key(one.address): one.role for one in again.report.recipients} == {
            address_key(one.address): one.role for one in result.report.recipients
        }


def _bcc_copy(data: bytes, result: ParsedReport, *, bcc_all: bool) -> bytes | None:
    """Return the copy, or None if the message has no header block for a Bcc field."""
    with suppress(BuildError):
        return build_report(result.report, data, format=ReportFormat.BCC, bcc_all=bcc_all)
    assert any(one.code is DefectCode.ORIGINAL_WITHOUT_HEADERS for one in result.defects)
    return None


def main() -> None:
    """Fuzz, starting from the messages of the tests and of the writer."""
    with seeds.folder(seeds.reports_2003()) as folder:
        arguments = seeds.arguments(sys.argv, folder)
        atheris.Setup(arguments, clock.timed(test_one_input, arguments), custom_mutator=clock.repeated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
