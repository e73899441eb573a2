"""The corpus: messages as they are met, each beside what reading it gives.

`corpus/NAME.eml` holds the bytes, `corpus/NAME.json` the expectation, written from the meaning of the format and of the
codes and never from the results of the reader. `corpus/README.md` lists the keys.
"""

import hashlib
import json
import mmap
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from exjournal import (
    DefectCode,
    Evidence,
    ParsedReport,
    ParseError,
    Part,
    PartKind,
    ReportFormat,
    Source,
    detect_format,
    parse_report,
)
from exjournal.cli import main

CORPUS = Path(__file__).parent / "corpus"
MESSAGES = sorted(CORPUS.glob("*.eml"))
LEAST = 381

FIELDS = (
    "sender",
    "sender_display_name",
    "on_behalf_of",
    "envelope_sender",
    "subject",
    "message_id",
    "label",
    "mailbox",
    "sent_utc",
    "received_utc",
)
TEXTS = frozenset(("sender", "sender_display_name", "subject", "message_id"))
TIMES = ("sent_at", "received_at")
REFUSED_KEYS = frozenset(("about", "read_as", "detected", "refused"))
READ_KEYS = frozenset(
    (
        *("about", "read_as", "detected", "format", "marker", "report_id", *FIELDS, *TIMES),
        *("recipients", "recipients_from", "original", "decrypted", "decrypted_evidence"),
        *("kinds", "defects", "unparsed", "offsets"),
    )
)
# Codes whose files would take a megabyte and more: the tests at the end of this module build them.
TOO_LARGE_FOR_A_FILE = frozenset(
    (
        DefectCode.HEADER_TOO_LARGE,
        DefectCode.REPORT_TEXT_TOO_LARGE,
        DefectCode.TOO_MANY_PARTS,
        DefectCode.TOO_MANY_RECIPIENTS,
        DefectCode.MORE_DEFECTS,
        DefectCode.ORIGINAL_HEADER_TOO_LARGE,
    )
)
# Codes of archives: the items are not messages then, or have lost some of their bytes.
OF_ARCHIVES_ONLY = {
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
# Codes that only unwrapping a bounce gives: the bounces lie in a folder of their own, with tests of their own.
OF_BOUNCES_ONLY = frozenset(
    (
        DefectCode.NO_REPORT_INSIDE,
        DefectCode.STATUS_TOO_LARGE,
        DefectCode.ANOTHER_REPORT,
        DefectCode.FOUND_ELSEWHERE,
    )
)

Expectation = dict[str, Any]


def expectation(path: Path) -> Expectation:
    """The expectation beside a message."""
    result = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert isinstance(result, dict)
    return result


def read_as(expected: Expectation) -> ReportFormat | None:
    """The format that the case's caller names."""
    return ReportFormat(expected["read_as"]) if "read_as" in expected else None


def first_offsets(report: ParsedReport) -> dict[str, int]:
    """Code to the offset of its first defect."""
    result: dict[str, int] = {}
    for defect in report.defects:
        result.setdefault(str(defect.code), defect.offset)
    return result


def iso(time: datetime | None) -> str | None:
    """A time in ISO 8601, or None."""
    return None if time is None else time.isoformat()


def measured(content: memoryview | None) -> dict[str, object] | None:
    """Size and digest of a part's content."""
    if content is None:
        return None
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def only_part(report: ParsedReport, kind: PartKind) -> Part | None:
    """The part of a kind that a report has at most once."""
    parts = [part for part in report.parts if part.kind is kind]
    assert len(parts) <= 1
    return parts[0] if parts else None


every_case = pytest.mark.parametrize("path", MESSAGES, ids=[path.stem for path in MESSAGES])


def test_the_corpus_is_there() -> None:
    """The runner finds the corpus, and each message in it has its expectation and the reverse."""
    assert len(MESSAGES) >= LEAST
    assert {path.stem for path in MESSAGES} == {path.stem for path in CORPUS.glob("*.json")}


def test_every_code_has_a_file() -> None:
    """Each code that reading a small file can show is shown by at least one."""
    shown = set()
    for path in MESSAGES:
        expected = expectation(path)
        shown |= {expected["refused"]} if "refused" in expected else set(expected.get("defects", []))
    assert shown == set(DefectCode) - TOO_LARGE_FOR_A_FILE - OF_BOUNCES_ONLY - OF_ARCHIVES_ONLY


@every_case
def test_an_expectation_says_what_it_must(path: Path) -> None:
    """An expectation has a sentence, the format detected, and no key that the runner would leave unchecked."""
    expected = expectation(path)
    assert expected["about"].endswith(".")
    assert "detected" in expected
    assert set(expected) <= (REFUSED_KEYS if "refused" in expected else READ_KEYS)
    assert set(expected.get("offsets", {})) <= set(expected.get("defects", []))


@every_case
def test_detection(path: Path) -> None:
    """The outer headers name the format that the expectation names."""
    detected = detect_format(path.read_bytes())
    assert (None if detected is None else str(detected)) == expectation(path)["detected"]


@every_case
def test_reading(path: Path) -> None:
    """A message reads as its expectation says, or is refused for the reason it gives."""
    data = path.read_bytes()
    expected = expectation(path)
    if "refused" in expected:
        with pytest.raises(ParseError) as caught:
            parse_report(data, format=read_as(expected))
        assert str(caught.value.code) == expected["refused"]
        assert 0 <= caught.value.offset <= len(data)
        return
    parsed = parse_report(data, format=read_as(expected))
    found = {
        "format": str(parsed.format),
        "marker": parsed.marker,
        "report_id": parsed.report_id,
        **{name: getattr(parsed.report, name) for name in FIELDS},
        **{name: iso(getattr(parsed.report, name)) for name in TIMES},
        "recipients": [
            {name: value for name, value in one.items() if value is not None}
            for one in cast("list[dict[str, object]]", parsed.to_dict()["recipients"])
        ],
        "recipients_from": str(parsed.recipients_from),
        "original": measured(parsed.original),
        "decrypted": measured(parsed.decrypted),
        "decrypted_evidence": parsed.decrypted_evidence,
        "kinds": [str(part.kind) for part in parsed.parts],
        "defects": sorted(str(defect.code) for defect in parsed.defects),
        "unparsed": list(parsed.unparsed),
    }
    wanted = {
        "format": expected.get("format", "envelope"),
        "marker": expected.get("marker", ""),
        "report_id": expected.get("report_id", ""),
        **{name: expected.get(name, "" if name in TEXTS else None) for name in FIELDS},
        **{name: expected.get(name) for name in TIMES},
        "recipients": expected.get("recipients", []),
        "recipients_from": expected.get("recipients_from", "envelope"),
        "original": expected.get("original"),
        "decrypted": expected.get("decrypted"),
        "decrypted_evidence": expected.get("decrypted_evidence", ""),
        "kinds": expected.get("kinds", []),
        "defects": sorted(expected.get("defects", [])),
        "unparsed": expected.get("unparsed", []),
    }
    assert found == wanted
    offsets = first_offsets(parsed)
    assert {code: offsets[code] for code in expected.get("offsets", {})} == expected.get("offsets", {})
    assert all(0 <= defect.offset <= len(data) for defect in parsed.defects)


@every_case
def test_strict_reading(path: Path) -> None:
    """Strict reading raises the first defect where there is one, and changes nothing where there is none."""
    data = path.read_bytes()
    expected = expectation(path)
    if "refused" in expected:
        with pytest.raises(ParseError) as caught:
            parse_report(data, format=read_as(expected), strict=True)
        assert str(caught.value.code) == expected["refused"]
        return
    lenient = parse_report(data, format=read_as(expected))
    if expected.get("defects"):
        with pytest.raises(ParseError) as caught:
            parse_report(data, format=read_as(expected), strict=True)
        first = lenient.defects[0]
        assert (caught.value.code, caught.value.detail, caught.value.offset) == (first.code, first.detail, first.offset)
    else:
        strict = parse_report(data, format=read_as(expected), strict=True)
        assert strict.to_dict(content=True) == lenient.to_dict(content=True)


def as_mmap(path: Path) -> mmap.mmap:
    """The file, mapped."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


BUFFERS: dict[str, Callable[[Path], bytearray | memoryview | mmap.mmap]] = {
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "memoryview-of-bytearray": lambda path: memoryview(bytearray(path.read_bytes())),
    "mmap": as_mmap,
}


def everything_read(data: bytes | bytearray | memoryview | mmap.mmap, wanted: ReportFormat | None) -> object:
    """All that reading gives, contents of parts included, or all that the error says."""
    try:
        parsed = parse_report(data, format=wanted)
    except ParseError as error:
        return error.args
    return parsed.to_dict(content=True), list(parsed.headers)


@every_case
@pytest.mark.parametrize("buffer", BUFFERS)
def test_every_buffer_reads_the_same(path: Path, buffer: str) -> None:
    """bytes, bytearray, memoryview and mmap give the same result or the same error."""
    data = path.read_bytes()
    if buffer == "mmap" and not data:
        return  # an empty file cannot be mapped
    other = BUFFERS[buffer](path)
    assert detect_format(other) == detect_format(data)
    wanted = read_as(expectation(path))
    assert everything_read(other, wanted) == everything_read(data, wanted)


@every_case
def test_the_original_is_the_bytes_of_the_file(path: Path) -> None:
    """A part without a transfer encoding is, byte by byte, the file from its offset on; parts never overlap.

    The original of a copy is all of the file.
    """
    data = path.read_bytes()
    expected = expectation(path)
    if "refused" in expected:
        return
    parsed = parse_report(data, format=read_as(expected))
    end = 0 if parsed.recipients_from is Evidence.HEADER else len(bytes(parsed.headers))
    is_encoded = "multipart-encoded" in expected.get("defects", [])
    for part in parsed.parts:
        if is_encoded and part.content != data[part.offset : part.offset + part.size]:
            continue  # a part of an encoded multipart is where that is
        assert end <= part.offset <= part.offset + part.size <= len(data)
        end = part.offset + part.size
        if part.encoding not in {"base64", "quoted-printable"}:
            assert part.content == data[part.offset : end]
    for kind, content in ((PartKind.ORIGINAL, parsed.original), (PartKind.DECRYPTED, parsed.decrypted)):
        part_of_kind = only_part(parsed, kind)
        assert (content is None) == (part_of_kind is None)
        if part_of_kind is not None:
            assert content == part_of_kind.content
            if part_of_kind.encoding not in {"base64", "quoted-printable"} and not is_encoded:
                assert content == data[part_of_kind.offset : part_of_kind.offset + part_of_kind.size]


@every_case
def test_checking(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`exjournal check` names the format, marker and defects of a report, or the reason why a message is not a report."""
    expected = expectation(path)
    format_option = ["--format", expected["read_as"]] if "read_as" in expected else []
    status = main(["check", "--json", *format_option, str(path)])
    printed = capsys.readouterr()
    # Every verb warns of a message that was not read.
    assert (printed.err != "") == ("another-message" in expected.get("defects", []))
    found = json.loads(printed.out)
    assert (found["file"], found["source"], found["seal"]) == (str(path), Source(str(path)).to_dict(), None)
    said = [found[name] for name in ("report", "code", "format", "marker")]
    if "refused" in expected:
        assert 0 <= found["offset"] <= path.stat().st_size
        assert (said, found["defects"]) == ([False, expected["refused"], None, None], [])
    else:
        assert found["offset"] is None
        assert said == [True, None, expected.get("format", "envelope"), expected.get("marker", "")]
        codes = Counter(expected.get("defects", []))
        assert found["defects"] == [{"code": code, "count": count} for code, count in sorted(codes.items())]
    assert status == (1 if "refused" in expected or expected.get("defects") else 0)


# What no file of the corpus holds: a megabyte and more.

HEAD = (
    b'Content-Type: multipart/mixed; boundary="_b_"\r\n'
    b"Message-ID: <0b6f3f1e-1@journal.report.generator>\r\n"
    b"X-MS-Journal-Report:\r\n"
)
TEXT = (
    b"--_b_\r\nContent-Type: text/plain\r\n\r\n"
    b"Sender: olga.petrenko@example.org\r\nSubject: Thank you\r\nMessage-Id: <thanks@example.org>\r\n"
    b"To: ben.okafor@example.net\r\n"
)
MESSAGE = b"Subject: Thank you\r\nMessage-ID: <thanks@example.org>\r\n\r\nThe talk was excellent.\r\n"
ORIGINAL = b"\r\n--_b_\r\nContent-Type: message/rfc822\r\n\r\n"
CLOSE = b"\r\n--_b_--\r\n"
MEGABYTE = 1 << 20


def refusal(data: bytes) -> ParseError:
    """The error that reading raises."""
    with pytest.raises(ParseError) as caught:
        parse_report(data)
    return caught.value


def test_the_smallest_of_these_is_sound() -> None:
    """Without the excess, the report that the limits are tested with has no defect."""
    parsed = parse_report(HEAD + b"\r\n" + TEXT + ORIGINAL + MESSAGE + CLOSE)
    assert parsed.defects == ()
    assert parsed.original_bytes() == MESSAGE


def test_a_header_block_that_is_too_large_is_refused() -> None:
    """An outer header block of more than a megabyte is refused."""
    data = HEAD + b"X-Filler: " + b"x" * MEGABYTE + b"\r\n\r\n" + TEXT + ORIGINAL + MESSAGE + CLOSE
    assert refusal(data).code is DefectCode.HEADER_TOO_LARGE


def test_a_report_text_that_is_too_large_is_refused() -> None:
    """A report text of more than 16 megabytes is refused and not read in part."""
    line = b"To: ben.okafor@example.net\r\n"
    data = HEAD + b"\r\n" + TEXT + line * (16 * MEGABYTE // len(line) + 1) + ORIGINAL + MESSAGE + CLOSE
    error = refusal(data)
    assert error.code is DefectCode.REPORT_TEXT_TOO_LARGE
    assert error.offset == data.index(b"Sender:")


def test_too_many_parts_are_refused() -> None:
    """A report of 10 000 parts is refused."""
    data = HEAD + b"\r\n" + TEXT + ORIGINAL + MESSAGE + b"\r\n--_b_\r\n\r\nfooter" * 10_000 + CLOSE
    assert refusal(data).code is DefectCode.TOO_MANY_PARTS


def test_too_many_nested_parts_are_refused() -> None:
    """Parts count wherever they lie: twenty multiparts of a hundred parts each are refused as well."""
    inner = b"".join(
        b"\r\n--_b_\r\nContent-Type: multipart/mixed; boundary=i%d\r\n\r\n" % number
        + b"--i%d\r\n\r\nfooter\r\n" % number * 100
        + b"--i%d--\r\n" % number
        for number in range(20)
    )
    assert refusal(HEAD + b"\r\n" + TEXT + ORIGINAL + MESSAGE + inner + CLOSE).code is DefectCode.TOO_MANY_PARTS


def test_an_original_header_block_that_is_too_large_is_a_defect() -> None:
    """An original whose header block has more than a megabyte is there in full, with a defect."""
    message = MESSAGE.replace(b"\r\n\r\n", b"\r\nX-Filler: " + b"x" * MEGABYTE + b"\r\n\r\n", 1)
    data = HEAD + b"\r\n" + TEXT + ORIGINAL + message + CLOSE
    parsed = parse_report(data)
    assert [defect.code for defect in parsed.defects] == [DefectCode.ORIGINAL_HEADER_TOO_LARGE]
    assert parsed.defects[0].offset == data.index(message)
    assert parsed.original_bytes() == message
