"""For any message under a valid envelope report_for returns a JournalReport, and build_report and parse_report give back an equal one and the message byte for byte.

An input is a line with the envelope and then the message; the line holds, between tabs, a letter of options, MAIL FROM, and
each recipient, with the list or mailbox that it comes from after a ">". Run it as
`python fuzz/fuzz_report_for.py -max_total_time=60`; arguments go to libFuzzer.
"""  # noqa: E501

import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports(include=["exjournal"]):
    from exjournal import (
        DefectCode,
        Envelope,
        InvalidValue,
        Recipient,
        ReportFormat,
        build_report,
        detect_format,
        parse_report,
        report_for,
    )

import clock
import seeds

_DATE = datetime(2026, 1, 1, tzinfo=UTC)
_AUTHENTICATED, _FORWARDED, _INTERNAL, _DECRYPTED = 1, 2, 4, 8
# Defects that even a report from our own writer can have, because its message can be anything.
_OF_THE_ORIGINAL = frozenset(
    (
        DefectCode.MESSAGE_ID_MISMATCH,
        DefectCode.SUBJECT_MISMATCH,
        DefectCode.ORIGINAL_EMPTY,
        DefectCode.ORIGINAL_WITHOUT_HEADERS,
        DefectCode.ORIGINAL_HEADER_TOO_LARGE,
        DefectCode.ORIGINAL_HOLDS_TNEF,
        DefectCode.ORIGINAL_UNCLOSED,
        DefectCode.LEADING_FROM_LINE,
        DefectCode.PERHAPS_TRUNCATED,
        DefectCode.NESTED_REPORT,
    )
)


def test_one_input(data: bytes) -> None:
    """Check the invariant in both directions."""
    line, _, message = data.partition(b"\n")
    options, *addresses = line.decode("utf-8", "replace").split("\t")
    flags = ord(options[:1] or "\0")
    sender, *named = addresses or [""]
    recipients = tuple(_recipients(named, flags))
    if not recipients:
        return
    try:
        envelope = Envelope(sender, recipients, authenticated=bool(flags & _AUTHENTICATED))
    except InvalidValue:
        return
    report = report_for(message, envelope)
    assert [one.address for one in report.recipients] == [one.address for one in recipients]
    assert report == report_for(message, envelope)
    internal = bool(flags & _INTERNAL)
    decrypted = message[::-1] if flags & _DECRYPTED else None
    built = build_report(report, message, domain="example.com", date=_DATE, internal=internal, decrypted=decrypted)
    assert built == build_report(
        report, message, domain="example.com", date=_DATE, internal=internal, decrypted=decrypted
    )
    assert detect_format(built) is ReportFormat.ENVELOPE
    parsed = parse_report(built)
    assert parsed.report == report, (parsed.report, report)
    assert parsed.original_bytes() == message
    assert (None if parsed.decrypted is None else bytes(parsed.decrypted)) == decrypted
    assert not parsed.unparsed
    assert _OF_THE_ORIGINAL.issuperset(defect.code for defect in parsed.defects), parsed.defects


def _recipients(named: list[str], flags: int) -> Iterator[Recipient]:
    """Yield every valid recipient."""
    for name in named:
        address, _, origin = name.partition(">")
        with suppress(InvalidValue):
            if not origin:
                yield Recipient(address)
            elif flags & _FORWARDED:
                yield Recipient(address, forwarded_from=origin)
            else:
                yield Recipient(address, expanded_from=origin)


def main() -> None:
    """Fuzz, starting from the messages of the tests and of the writer."""
    with seeds.folder(seeds.messages()) as folder:
        arguments = seeds.arguments(sys.argv, folder)
        atheris.Setup(arguments, clock.timed(test_one_input, arguments), custom_mutator=clock.repeated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
