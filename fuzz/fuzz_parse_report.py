"""For any bytes parse_report returns a ParsedReport in which every non-empty line of the report text is accounted for, or raises ParseError; nothing else escapes.

Run it as `python fuzz/fuzz_parse_report.py -max_total_time=60`; arguments go to libFuzzer.
"""  # noqa: E501

import json
import mmap
import re
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import atheris

with atheris.instrument_imports(include=["exjournal"]):
    from exjournal import (
        DefectCode,
        JournalReport,
        ParsedReport,
        ParseError,
        PartKind,
        Recipient,
        ReportFormat,
        build_report,
        detect_format,
        parse_report,
    )

import clock
import seeds

_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")
_CHARSET = re.compile(rb'charset="?([A-Za-z0-9-]+)["\s;]', re.IGNORECASE)
_ASCII_SUPERSETS = frozenset((b"us-ascii", b"utf-8", b"iso-8859-1"))
_REQUIRED = (DefectCode.SENDER_MISSING, DefectCode.SUBJECT_MISSING, DefectCode.MESSAGE_ID_MISSING)
_GUESSED = (DefectCode.BOUNDARY_MISSING, DefectCode.BOUNDARY_MISMATCH)
_OPTIONAL = ("on_behalf_of", "label", "mailbox", "sent_utc", "received_utc")
# Its lines are made of tags, not of line ends.
_HTML = "text/html"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINES = re.compile(r"lines? (\d+)(?: to (\d+))?")
# Defects that even a report from our own writer can have, because its original can be anything.
_OF_THE_ORIGINAL = frozenset(
    (
        DefectCode.MESSAGE_ID_MISMATCH,
        DefectCode.SUBJECT_MISMATCH,
        DefectCode.ORIGINAL_EMPTY,
        DefectCode.ORIGINAL_MISSING,
        DefectCode.ORIGINAL_WITHOUT_HEADERS,
        DefectCode.ORIGINAL_HEADER_TOO_LARGE,
        DefectCode.ORIGINAL_HOLDS_TNEF,
        DefectCode.ORIGINAL_UNCLOSED,
        DefectCode.LEADING_FROM_LINE,
        DefectCode.PERHAPS_TRUNCATED,
        DefectCode.NESTED_REPORT,
    )
)
_DATE = datetime(2026, 1, 1, tzinfo=UTC)


def test_one_input(data: bytes) -> None:
    """Check the invariant of the reader, and the promises of its documentation."""
    detected = detect_format(data)
    assert detected is None or isinstance(detected, ReportFormat)
    as_envelope = _read(data, ReportFormat.ENVELOPE)
    result = _read(data)
    if isinstance(result, ParseError) or result.format is not ReportFormat.ENVELOPE:
        if isinstance(result, ParseError):
            assert 0 <= result.offset <= len(data)
        if isinstance(as_envelope, ParsedReport):
            _check(data, as_envelope)
        return  # `fuzz_report_2003` checks the other formats
    assert detected is ReportFormat.ENVELOPE
    assert isinstance(as_envelope, ParsedReport)
    assert as_envelope.to_dict(content=True) == result.to_dict(content=True)
    _check(data, result)
    _check_strict(data, result)
    _check_again(data, result)
    _check_empty_line(data, result)
    _check_written(result)


def _read(
    data: "bytes | mmap.mmap", format: ReportFormat | None = None, /, *, strict: bool = False
) -> ParsedReport | ParseError:
    try:
        return parse_report(data, format=format, strict=strict)
    except ParseError as error:
        return error


def _check(data: bytes, result: ParsedReport) -> None:
    """Check each part, each defect and each value."""
    # The place of a part in an encoded multipart is that of the multipart.
    is_encoded = any(defect.code is DefectCode.MULTIPART_ENCODED for defect in result.defects)
    for part in result.parts:
        assert 0 <= part.offset <= part.offset + part.size <= len(data)
        if part.encoding in _PLAIN_ENCODINGS and not is_encoded:
            assert bytes(part.content) == data[part.offset : part.offset + part.size]
    kinds = [part.kind for part in result.parts]
    assert kinds.count(PartKind.TEXT) == 1
    for view, kind in ((result.original, PartKind.ORIGINAL), (result.decrypted, PartKind.DECRYPTED)):
        contents = [part.content for part in result.parts if part.kind is kind]
        assert contents == ([] if view is None else [view])
    assert result.original_bytes() == (None if result.original is None else bytes(result.original))
    for defect in result.defects:
        assert isinstance(defect.code, DefectCode)
        assert 0 <= defect.offset <= len(data)
    as_data = result.to_dict(content=True)
    assert json.loads(json.dumps(as_data, allow_nan=False, ensure_ascii=False).encode("utf-8")) == as_data
    assert bytes(result.headers) in data
    assert len(result.headers) == len([*result.headers])
    _check_values(result.report)
    _check_lines(data, result)


def _check_values(report: JournalReport) -> None:
    """Check that the result has no value that the models refuse."""
    for recipient in report.recipients:
        assert recipient == Recipient(**_fields(recipient))
    again = JournalReport(**_fields(report))
    assert again == report
    assert hash(again) == hash(report)
    assert type(report) is JournalReport


def _fields(value: JournalReport | Recipient) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}


def _check_lines(data: bytes, result: ParsedReport) -> None:
    """Check that every non-empty line became a field, a recipient, part of a folded line, or is in `unparsed`."""
    text = next(part for part in result.parts if part.kind is PartKind.TEXT)
    if text.media_type == _HTML or not _lines_are_lines(data):
        return
    lines = [line.rstrip(b"\r") for line in bytes(text.content).removeprefix(_BYTE_ORDER_MARK).split(b"\n")]
    written = [line for line in lines if line.strip(b" \t\r")]
    codes = [defect.code for defect in result.defects]
    fields = sum(code not in codes for code in _REQUIRED)
    fields += sum(getattr(result.report, name) is not None for name in _OPTIONAL)
    folds = 0
    for defect in result.defects:
        if defect.code is DefectCode.FOLDED_LINE and (found := _LINES.fullmatch(defect.detail)) is not None:
            folds += int(found[2] or found[1]) - int(found[1]) + 1
    assert len(written) <= fields + len(result.report.recipients) + len(result.unparsed) + folds
    if not folds:
        # A mark before bytes that are not UTF-8 is text.
        decoded = {decoded for line in (*written, _BYTE_ORDER_MARK + lines[0]) for decoded in _as_latin(line)}
        with suppress(UnicodeDecodeError):
            decoded |= {line.decode("utf-8") for line in written}
        assert decoded.issuperset(result.unparsed)


def _as_latin(line: bytes) -> tuple[str, str]:
    """Decode a line as latin-1, and as windows-1252, which mail often declares as latin-1."""
    return line.decode("latin-1"), "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in line)


def _lines_are_lines(data: bytes) -> bool:
    """Whether every declared charset has a character for each line of bytes."""
    named = _CHARSET.findall(data)
    return len(named) == data.lower().count(b"charset") and _ASCII_SUPERSETS.issuperset(map(bytes.lower, named))


def _check_empty_line(data: bytes, result: ParsedReport) -> None:
    """Check that an empty line before the report text changes nothing, although it disables the fast path."""
    text = next(part for part in result.parts if part.kind is PartKind.TEXT)
    if (
        text.media_type == _HTML
        or text.encoding not in _PLAIN_ENCODINGS
        or text.content[:3] == _BYTE_ORDER_MARK
        or not _lines_are_lines(data)
    ):
        return
    if any(defect.code in _GUESSED for defect in result.defects):
        return  # a delimiter line is only guessed from the field on the next line
    again = _read(data[: text.offset] + b"\n" + data[text.offset :])
    assert isinstance(again, ParsedReport)
    assert again.report == result.report
    assert again.unparsed == result.unparsed
    assert [defect.code for defect in again.defects] == [defect.code for defect in result.defects]


def _check_strict(data: bytes, result: ParsedReport) -> None:
    """Check that strict reading gives the same result, or the first defect as its error."""
    strict = _read(data, strict=True)
    if isinstance(strict, ParseError):
        first = result.defects[0]
        assert (strict.code, strict.detail, strict.offset) == (first.code, first.detail, first.offset)
    else:
        assert not result.defects
        assert strict.to_dict(content=True) == result.to_dict(content=True)


def _check_again(data: bytes, result: ParsedReport) -> None:
    """Check that reading again, and reading in place from a mapped file, gives the same."""
    mapped = mmap.mmap(-1, len(data))
    mapped.write(data)
    for held in (data, mapped):
        again = _read(held)
        assert isinstance(again, ParsedReport)
        assert again.report == result.report
        assert again.defects == result.defects
        assert again.to_dict(content=True) == result.to_dict(content=True)


def _check_written(result: ParsedReport) -> None:
    """Check that a report that was read can be written, and reads the same again."""
    report = replace(
        result.report,
        recipients=tuple([replace(one, display_name="") for one in result.report.recipients]),
        sender_display_name="",  # the format carries no display name
    )
    if not report.recipients:
        return
    original = result.original_bytes()
    built = build_report(report, original, domain="example.com", date=_DATE)
    again = parse_report(built)
    assert again.report == report, (again.report, report)
    assert again.original_bytes() == original
    assert not again.unparsed
    assert _OF_THE_ORIGINAL.issuperset(defect.code for defect in again.defects), again.defects


def main() -> None:
    """Fuzz, starting from the messages of the tests and of the writer."""
    with seeds.folder(seeds.reports()) as folder:
        arguments = seeds.arguments(sys.argv, folder)
        atheris.Setup(arguments, clock.timed(test_one_input, arguments), custom_mutator=clock.repeated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
