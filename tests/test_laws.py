"""The laws of reading and writing reports: each class is a law, its docstring the law's sentence."""

import base64
import binascii
import dataclasses
import json
import re
import signal
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exjournal import (
    ORGANIZATION_HEADERS,
    BuildError,
    Decision,
    DefectCode,
    Delivery,
    Envelope,
    HoldReason,
    JournalAgent,
    JournalReport,
    JournalRule,
    Organization,
    ParsedReport,
    ParseError,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
    RuleSet,
    Scope,
    Seal,
    address_key,
    build_report,
    decide,
    detect_format,
    detect_loop,
    mailbox_key,
    parse_report,
    report_for,
    strip_headers,
    verify_seal,
)
from exjournal.journaling.explanations import Reason
from exjournal.journaling.loops import LoopReason, read_signs
from exjournal.limits import HEADER_LIMIT, HEADER_LINE_LIMIT, HOP_LIMIT
from exjournal.reports.envelope import read_any_text, read_usual_text
from strategies import (
    DATE,
    ENVELOPES,
    ORIGINAL,
    PART,
    Arguments,
    Mail,
    a_message,
    a_report,
    any_bytes,
    arguments,
    built,
    carried,
    changed_mails,
    copies,
    damaged,
    envelopes,
    mails,
    message_like,
    nearly_usual_texts,
    originals,
    recipients,
    report_texts,
    report_texts_2003,
    reports,
    sent,
)

COPIES = (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY)
ANY_FORMAT = st.none() | st.sampled_from(ReportFormat)

# What a report says of its original, when fields and original were given that do not belong together.
ABOUT_THE_ORIGINAL = {
    DefectCode.ORIGINAL_UNCLOSED,
    DefectCode.MESSAGE_ID_MISMATCH,
    DefectCode.SUBJECT_MISMATCH,
    DefectCode.ORIGINAL_WITHOUT_HEADERS,
    DefectCode.ORIGINAL_EMPTY,
    DefectCode.ORIGINAL_HEADER_TOO_LARGE,
    DefectCode.NESTED_REPORT,
}


def read(data: bytes, **options: Any) -> ParsedReport | ParseError:
    """What the reader returns, or the one error it may raise."""
    try:
        return parse_report(data, **options)
    except ParseError as error:
        return error


def everything(parsed: ParsedReport) -> tuple[object, ...]:
    """All that a reader found, in a form that can be compared."""
    return (
        parsed.to_dict(content=True),
        parsed.report,
        bytes(parsed.headers),
        parsed.original_bytes(),
        None if parsed.decrypted is None else bytes(parsed.decrypted),
    )


def lies_in(parsed: ParsedReport, data: bytes) -> None:
    """Assert that every place a result names is a place in the bytes that were read.

    The parts of an encoded multipart all have the offset and size of that multipart; their content is what it decodes to.
    """
    encoded = {defect.offset for defect in parsed.defects if defect.code is DefectCode.MULTIPART_ENCODED}
    end = 0
    for part in parsed.parts:
        assert part.size >= 0
        if part.offset in encoded:
            end = part.offset + part.size
            continue
        assert end <= part.offset
        end = part.offset + part.size
        if part.encoding in {"", "7bit", "8bit", "binary"}:
            assert part.content == data[part.offset : end]
    assert end <= len(data)
    assert all(0 <= defect.offset <= len(data) for defect in parsed.defects)


def copied(
    original: bytes, format: ReportFormat, given_recipients: Iterable[str | Recipient] = (), *, everyone: bool = False
) -> bytes | None:
    """A copy of a message for some recipients, or None where its header has no place for one of them."""
    report = a_report(recipients=[*given_recipients] or ["bob@example.net"])
    try:
        return build_report(report, original, format=format, bcc_all=everyone)
    except BuildError as error:
        if format is not ReportFormat.BCC or error.field not in {"original", "recipients"}:
            raise
        return None


# The text that may come before a header block, the lines of the block with their folds, and the rest.
BEFORE = re.compile(rb"(?:\xef\xbb\xbf)?(?:From (?![ \t]*:)[^\n]*(?:\n|\Z))?")
HEADER_LINE = re.compile(rb"(?!\r?\n)[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)")


def header_lines(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The bytes before the header block, its fields, and the rest, found without the library."""
    before = BEFORE.match(data)
    position = 0 if before is None else before.end()
    head, found = data[:position], []
    while position < len(data) and (line := HEADER_LINE.match(data, position)) is not None:
        found.append(line[0])
        position = line.end()
    return head, found, data[position:]


def kept_lines(found: list[bytes]) -> list[bytes]:
    """The fields of a header block but for Bcc."""
    return [line for line in found if not re.match(rb"(?i)bcc[ \t]*:", line)]


def has_header(data: bytes) -> bool:
    """Whether a header block has a field beside Bcc."""
    return bool(kept_lines(header_lines(data)[1]))


def without_bcc(data: bytes) -> bytes:
    """A message without its Bcc fields."""
    head, found, rest = header_lines(data)
    return head + b"".join(kept_lines(found)) + rest


SECRET = b"the secret of the laws"
_ORGANIZATION = Organization(
    ["example.com", "*.example.org"],
    groups={"staff@example.com": ["alice@example.com", "friends"], "friends": ["bob@example.net", "staff@example.com"]},
    databases={"DB1": ["alice@example.com", "carol@example.org"]},
    aliases={"alice@example.com": ["a.lice@example.com"]},
    alternate_mailbox="alternate@example.com",
    voice_mail=False,
    subaddresses=True,
)
_RULES = (
    JournalRule("everyone", "journal@example.com"),
    JournalRule("inside", "inside@example.com", scope=Scope.INTERNAL),
    JournalRule("outside", "outside@example.com", scope=Scope.EXTERNAL, format=ReportFormat.ENVELOPE_2003),
    JournalRule("staff", "journal@example.com", recipient="staff@example.com"),
    JournalRule("bob", "bob@journal.example", recipient="bob@example.net", scope=Scope.EXTERNAL),
    JournalRule.for_database("database", "copies@example.com", mailboxes="DB1", format=ReportFormat.MESSAGE_ONLY),
    JournalRule("off", "off@example.com", enabled=False),
)


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    """Some of a few rules of one organization, with any of the options."""
    return RuleSet(
        draw(st.lists(st.sampled_from(_RULES), unique=True)),
        _ORGANIZATION,
        fork_mixed=draw(st.booleans()),
        believe_senders=draw(st.booleans()),
        obey_processed=draw(st.booleans()),
        only_new=draw(st.booleans()),
    )


def with_rules(rules: RuleSet, others: list[JournalRule]) -> RuleSet:
    """A rule set with other rules."""
    return dataclasses.replace(rules, rules=tuple(others))


def an_agent(rules: RuleSet) -> JournalAgent:
    """An agent of these rules that knows the secret."""
    return JournalAgent(rules, domain="example.com", secrets=[SECRET])


_OTHER = b"From: alice@example.com\r\nSubject: Another message\r\n\r\nHo.\r\n"
_STAMPED = an_agent(RuleSet(_RULES, _ORGANIZATION)).process(
    _OTHER, Envelope("alice@example.com", ["bob@example.net", "alice@example.com"]), received=DATE
)
_TRUE_STAMP = _STAMPED.message()[: -len(_OTHER)]
_TRUE_SEAL = built(secret=SECRET).partition(b"\r\n")[0] + b"\r\n"
# What a stranger may write to look like something that is not journaled, but for From and Sender.
FORGED = (
    b"X-MS-Journal-Report:\r\n",
    b"X-MS-Exchange-Organization-Journal-Report:\r\n",
    b"Content-Identifer: ExJournalReport\r\n",
    b"Content-Identifier: exjournalreport\r\n",
    b"X-WM-Journal-Report: x\r\n",
    b"X-GM-Journal-ID: x\r\n",
    b"X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent\r\n",
    b"X-MS-Exchange-Organization-Processed-By-Gcc-Journaling: Journal Agent\r\n",
    b"X-MS-Exchange-CrossPremises-Processed-By-Journaling: Journal Agent\r\n",
    b"X-Microsoft-Exchange-ProcessedByJournaling: Journal Agent\r\n",
    b"X-ExJournal-Stamp: v=2; s=" + b"A" * 43 + b"; t=\r\n",
    b"X-ExJournal-Seal: v=2; s=" + b"A" * 43 + b"\r\n",
    _TRUE_STAMP,
    _TRUE_SEAL,
    _TRUE_STAMP.replace(b"Stamp: v=2; s=", b"Seal: v=2;\r\n s="),
    b"Received: by x\r\n" * 30,
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
    b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n",
    b"Content-Type: multipart/voice-message; boundary=b\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Class: urn:content-classes:dsn\r\n",
    b"Content-Class: urn:content-classes:mdn\r\n",
    b"Content-Class: voice\r\n",
    b"Content-Class: missedcall\r\n",
    b"X-Failed-Recipients: journal@example.com\r\n",
    b"X-MS-Exchange-Generated-Message-Source: Journal Agent\r\n",
    b"Auto-Submitted: auto-generated\r\n",
    b"To: journal@example.com, alternate@example.com\r\n",
    b"Message-ID: <1@journal.report.generator>\r\n",
)
SPOOFED = (
    b"From: alice@example.com\r\n",
    b"From: journal@example.com\r\n",
    b"From: alternate@example.com\r\n",
    b"From: MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com\r\n",
    b"From: mallory@example.net\r\n",
    b"From:\r\n",
    b"From: nobody\r\n",
    b"From: (\r\n",
    b"Sender: journal@example.com\r\n",
    b"Sender: alice@example.com, mallory@example.net\r\n",
    b"Sender:\r\n",
)


@st.composite
def forged_messages(draw: st.DrawFn) -> bytes:
    """Any messages, with forged fields before them."""
    forged = draw(st.lists(st.sampled_from(FORGED + SPOOFED), max_size=6))
    return b"".join(forged) + draw(message_like() | st.sampled_from([ORIGINAL, _OTHER, built(), built(secret=SECRET)]))


def untrusted(envelope: Envelope) -> Envelope:
    """The envelope of a message that comes from no server of ours."""
    return dataclasses.replace(envelope, trusted_path=False)


def planned(decision: Decision) -> list[tuple[str, Envelope, ReportFormat, tuple[str, ...]]]:
    """The reports of a decision, with all their facts."""
    return [tuple(report) for report in decision.reports]


class TestTotal:
    """For any bytes, every reader returns its result or raises `ParseError`; nothing else ever escapes."""

    @given(any_bytes() | copies(), ANY_FORMAT)
    def test_parse_report(self, data: bytes, format: ReportFormat | None) -> None:
        """Any bytes give a result whose every place lies in them, or a ParseError, in any format that the caller knows."""
        found = read(data, format=format)
        if isinstance(found, ParseError):
            assert isinstance(found.code, DefectCode)
            assert 0 <= found.offset <= len(data)
            return
        lies_in(found, data)
        json.dumps(found.to_dict(content=True))
        assert all(name for name, _ in found.headers)
        assert found.original_bytes() == next((part.content for part in found.parts if part.kind == "original"), None)
        assert sum(part.kind is PartKind.TEXT for part in found.parts) == (found.format not in COPIES)
        assert format in {None, found.format}
        assert found.marker

    @given(any_bytes() | copies(), ANY_FORMAT)
    def test_every_value_read_is_valid(self, data: bytes, format: ReportFormat | None) -> None:
        """Every report that is read could have been made by its constructor, and is equal to that one."""
        found = read(data, format=format)
        if isinstance(found, ParsedReport):
            values = {field.name: getattr(found.report, field.name) for field in dataclasses.fields(JournalReport)}
            values["recipients"] = [
                Recipient(
                    one.address,
                    one.role,
                    expanded_from=one.expanded_from,
                    forwarded_from=one.forwarded_from,
                    display_name=one.display_name,
                )
                for one in found.report.recipients
            ]
            public = JournalReport(**values)
            assert public == found.report
            assert hash(public) == hash(found.report)

    @given(any_bytes())
    def test_detect_format(self, data: bytes) -> None:
        """Any bytes have a format or none, and a message of the envelope format is never refused as something else."""
        detected = detect_format(data)
        found = read(data)
        if detected is None:
            assert isinstance(found, ParseError)
        else:
            assert detected in ENVELOPES
            assert getattr(found, "code", None) is not DefectCode.NOT_A_REPORT
            assert isinstance(found, ParseError) or found.format is detected

    @pytest.mark.slow
    @given(message_like() | damaged(message_like()) | st.binary(max_size=200) | any_bytes(), envelopes())
    def test_report_for(self, message: bytes, envelope: Envelope) -> None:
        """Any message under a valid envelope has a report, which names the envelope's recipients in order."""
        report = report_for(message, envelope)
        assert [one.address for one in report.recipients] == [one.address for one in envelope.recipients]
        assert report.envelope_sender == envelope.sender

    @given(any_bytes() | message_like() | copies() | st.binary(max_size=200))
    def test_detect_loop(self, data: bytes) -> None:
        """Any bytes have a kind, and a seal that is good, bad or absent."""
        found = detect_loop(data, secrets=[SECRET])
        assert found is None or isinstance(found.reason, LoopReason)
        assert isinstance(verify_seal(data, secrets=[SECRET]), Seal)

    @pytest.mark.slow
    @given(any_bytes() | message_like() | copies() | forged_messages(), envelopes(), rule_sets())
    def test_decide_and_process(self, data: bytes, envelope: Envelope, rules: RuleSet) -> None:
        """Any bytes under any envelope and rules have a decision that says why, and an outcome that can be sent."""
        decision = decide(data, envelope, rules, secrets=[SECRET])
        json.dumps(decision.to_dict())
        assert [one.rule for one in decision.explain()] == sorted(rule.name for rule in rules.rules)
        assert len(decision.matches) + len(decision.skipped) == len(rules.rules)
        assert all(str(one) for one in decision.explain())
        outcome = an_agent(rules).process(data, envelope, received=DATE)
        if outcome.hold is not None:
            assert outcome.deliveries == outcome.header_fields == ()
        else:
            assert [one.rcpt_to for one in outcome.deliveries] == [one.journal_to for one in decision.reports]
        assert outcome.message().endswith(data[data.find(b"\n\n") :] if b"\n\n" in data else b"")
        for name, value in outcome.header_fields:
            assert re.search(r"[\r\n](?![\n\t])", f"{name}: {value}") is None

    @given(st.text("\"'(),:;<>@[]\\ \t\r\n\0=?ab", max_size=60), st.sampled_from(["From", "Sender", "To", "Cc"]))
    def test_report_for_address_fields(self, value: str, name: str) -> None:
        """Any jumble of the characters that mean something in an address field is read to its end."""
        message = f"{name}:{value}\r\n\r\n".encode()
        report_for(message, Envelope("", ["bob@example.net"], authenticated=True))

    @pytest.mark.slow
    @given(message_like() | any_bytes(), reports())
    def test_build_report(self, original: bytes, report: JournalReport) -> None:
        """Any original goes into a report, and the built report is read."""
        for format in ENVELOPES:
            assert parse_report(built(original, report=report, format=format)).original == original

    @given(st.text("<>&#;xX0123456789abr/p \n\r", max_size=40) | st.text(max_size=20), st.sampled_from(ENVELOPES))
    def test_html_alone(self, markup: str, format: ReportFormat) -> None:
        """Any markup in the place of the report text is read to its end."""
        html = b"Sender: a@example.com<br>To: b@example.com<br>Recipients:<br>b@example.com<br>" + markup.encode()
        read(a_message(html, PART, header=b"Content-Type: text/html; charset=utf-8"), format=format)

    @pytest.mark.parametrize("format", ENVELOPES)
    def test_characters_that_do_not_exist(self, format: ReportFormat) -> None:
        """A reference to a character of five thousand digits raises nothing."""
        read(a_message(b"Sender: a<br>&#" + b"9" * 5000 + b";", PART, header=b"Content-Type: text/html"), format=format)


class TestRoundTrip:
    """Parsing what was built gives an equal report, for every format, as far as the format carries the fields, and no
    defect other than a mismatch between the given fields and the original.
    """  # noqa: D205

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES), st.booleans())
    def test_fields(self, given_arguments: Arguments, is_known: bool) -> None:
        """The report read equals the one written, by the marker or the format, and only the original can be odd.

        `carried` says what each format does not carry.
        """
        options = given_arguments.options
        format = options["format"]
        parsed = parse_report(given_arguments.build(), format=format if is_known else None)
        allowed = {DefectCode.ORIGINAL_MISSING} if given_arguments.original is None else ABOUT_THE_ORIGINAL
        assert parsed.report == carried(given_arguments.report, format)
        assert {defect.code for defect in parsed.defects} <= allowed
        assert parsed.unparsed == ()
        assert parsed.format is format
        if format is ReportFormat.ENVELOPE:
            spelling = "X-MS-Exchange-Organization-Journal-Report" if options["internal"] else "X-MS-Journal-Report"
        else:
            spelling = "Content-Identifier" if options["correct_marker"] else "Content-Identifer"
        assert parsed.marker == spelling
        assert options["report_id"] in {None, parsed.report_id}
        assert parsed.report_id

    @pytest.mark.slow
    @given(message_like(), envelopes())
    def test_facts_of_a_message(self, message: bytes, envelope: Envelope) -> None:
        """A report of a message is read as it was written, and agrees with the message."""
        report = report_for(message, envelope)
        parsed = parse_report(built(message, report=report))
        assert parsed.report == carried(report)
        assert {defect.code for defect in parsed.defects} <= ABOUT_THE_ORIGINAL - {
            DefectCode.MESSAGE_ID_MISMATCH,
            DefectCode.SUBJECT_MISMATCH,
        }

    @given(arguments(a_report(), formats=ENVELOPES))
    def test_detected(self, given_arguments: Arguments) -> None:
        """A built report is detected with its format."""
        assert detect_format(given_arguments.build()) is given_arguments.options["format"]

    @pytest.mark.slow
    @given(copies(), st.lists(recipients(), min_size=1, max_size=4), st.booleans())
    def test_bcc(self, original: bytes, given_recipients: list[Recipient], everyone: bool) -> None:
        """Every mailbox that was given is read from a BCC copy, or there is no copy.

        It carries the message's own header, and of the report nothing but the addresses and display names of recipients.
        """
        data = copied(original, ReportFormat.BCC, given_recipients, everyone=everyone)
        if data is not None:
            parsed = parse_report(data, format=ReportFormat.BCC)
            found = [one.address for one in parsed.report.recipients]
            assert len(set(map(address_key, found))) == len(found)
            assert set(map(mailbox_key, found)) >= {mailbox_key(one.address) for one in given_recipients}
            assert parsed.original == data

    @given(copies())
    def test_message_only(self, original: bytes) -> None:
        """A message-only copy says what the message says without its Bcc field, and nothing of the report."""
        data = copied(original, ReportFormat.MESSAGE_ONLY)
        assert data is not None
        before, after = read(original, format=ReportFormat.MESSAGE_ONLY), read(data, format=ReportFormat.MESSAGE_ONLY)
        if isinstance(before, ParsedReport) and isinstance(after, ParsedReport) and has_header(original):
            named = [one for one in before.report.recipients if one.role is not Role.BCC]
            assert [*after.report.recipients] == named
            assert (after.report.sender, after.report.subject) == (before.report.sender, before.report.subject)

    @pytest.mark.parametrize(
        "more",
        [
            b"\n x",
            b"\r\n " + b"x" * 900,
            b"\r\nList-Help: x",
            b"\r\nX-Unknown: x",
            b"\r\nX-Unknown: " + b"x" * 100,
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("room", [200, 20_000, -20_000])
    def test_large_header_block(self, more: bytes, room: int) -> None:
        """A header block of the original that nearly is, or is, too large does not make the report's own too large."""
        first = b"List-Id: <list.example.com>"
        lines = min((HEADER_LIMIT - room) // len(more), HEADER_LINE_LIMIT - room // 10)
        original = first + more * lines + b"\r\n" + ORIGINAL
        parsed = parse_report(built(original))
        assert parsed.report == a_report()
        assert parsed.original == original
        assert {defect.code for defect in parsed.defects} <= (ABOUT_THE_ORIGINAL if room < 0 else set())


class TestVerbatim:
    """In the envelope formats the original read equals the bytes given to the builder, whatever they are; in the copy
    formats every byte outside the Bcc field does.
    """  # noqa: D205

    @given(arguments(a_report(), formats=ENVELOPES))
    def test_messages(self, given_arguments: Arguments) -> None:
        """The original and its decrypted copy come out as they went in."""
        data = given_arguments.build()
        parsed = parse_report(data)
        assert parsed.original == given_arguments.original
        assert parsed.original_bytes() == given_arguments.original
        assert parsed.decrypted == given_arguments.options["decrypted"]
        for part in parsed.parts:
            encoded = part.kind is PartKind.TEXT
            assert encoded or part.content == data[part.offset : part.offset + part.size]

    @pytest.mark.slow
    @given(copies(), st.lists(recipients(), min_size=1, max_size=4), st.sampled_from(COPIES), st.booleans())
    def test_copies(
        self, original: bytes, given_recipients: list[Recipient], format: ReportFormat, everyone: bool
    ) -> None:
        """Without their Bcc fields a message and its copy are the same bytes, line ends included."""
        data = copied(original, format, given_recipients, everyone=everyone and format is ReportFormat.BCC)
        if data is not None:
            # Where a Bcc field was all of the header the copy begins with the blank line.
            assert without_bcc(data) == without_bcc(original) or not has_header(original)
            if format is ReportFormat.MESSAGE_ONLY:
                assert data == without_bcc(original)

    @pytest.mark.slow
    @given(copies(), st.lists(recipients(), min_size=1, max_size=4))
    def test_copies_of_copies(self, original: bytes, given_recipients: list[Recipient]) -> None:
        """A copy of a copy is the copy."""
        for format in COPIES:
            data = copied(original, format, given_recipients)
            if data is not None and has_header(data):
                assert copied(data, format, given_recipients) == data

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES), st.sampled_from(ENVELOPES))
    def test_reports_in_reports(self, given_arguments: Arguments, format: ReportFormat) -> None:
        """A report goes into a report, and that into another, byte for byte."""
        data = inner = given_arguments.build()
        for _ in range(3):
            data = built(data, format=format)
        for _ in range(3):
            original = parse_report(data).original_bytes()
            assert original is not None
            data = original
        assert data == inner


class TestDeterministic:
    """Building twice with the same arguments, date included, gives the same bytes."""

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES))
    def test_twice(self, given_arguments: Arguments) -> None:
        """The second report equals the first."""
        assert given_arguments.build() == given_arguments.build()

    @pytest.mark.slow
    @given(copies(), st.lists(recipients(), min_size=1, max_size=4), st.sampled_from(COPIES))
    def test_copies(self, original: bytes, given_recipients: list[Recipient], format: ReportFormat) -> None:
        """The second copy equals the first, on any date."""
        assert copied(original, format, given_recipients) == copied(original, format, given_recipients)

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES))
    def test_any_buffer(self, given_arguments: Arguments) -> None:
        """Messages in other kinds of buffers give the same report."""
        report, original, options = given_arguments
        other = dict(options)
        if options["decrypted"] is not None:
            other["decrypted"] = memoryview(options["decrypted"])
        assert (
            build_report(report, None if original is None else bytearray(original), **other) == given_arguments.build()
        )

    @pytest.mark.slow
    @given(
        any_bytes() | message_like() | forged_messages(), envelopes(), rule_sets(), st.randoms(use_true_random=False)
    )
    def test_process(self, message: bytes, envelope: Envelope, rules: RuleSet, random: Random) -> None:
        """The same message, envelope and time give the same deliveries and fields, for any order of the rules."""
        first = an_agent(rules).process(message, envelope, received=DATE)
        shuffled = [*rules.rules]
        random.shuffle(shuffled)
        second = an_agent(with_rules(rules, shuffled)).process(memoryview(message), envelope, received=DATE)
        assert (first.deliveries, first.header_fields, first.hold) == (
            second.deliveries,
            second.header_fields,
            second.hold,
        )
        assert first.message() == second.message()
        assert first.decision.to_dict() == second.decision.to_dict()


# Names that trace headers have, and that say nothing of a report.
TRACE = st.sampled_from(
    [
        b"Received: from mail.example.com (mail.example.com [192.0.2.1])\r\n\tby mx.example.net; 29 Feb 2024 12:30:45 +0000",
        b"Return-Path: <>",
        b"DKIM-Signature: v=1; d=example.com;\r\n\tb=abc",
        b"X-MS-Exchange-Organization-AuthSource: mail.example.com",
        b"X-Content-Type: text/plain",
        b"Content-Type-Options: none",
        b"X-Empty:",
        b"Resent-Message-ID: <2@example.com>",
    ]
)


def fields_of(data: bytes) -> tuple[list[bytes], bytes]:
    """The outer fields of a built report, each on one line, and everything after them."""
    block, _, body = data.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?![ \t])", block.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")), body


# Where some readers show white space as it is written: a field with a quote that is not closed is one such place.
_AS_WRITTEN = rb'"(?:[^"\\]|\\.)*+"|<[^<>]*+>|\[[^\[\]]*+\]'


def folded(draw: st.DrawFn, field: bytes, *, inside: bool = True) -> bytes:
    """A field with new folds before some of its blanks, also inside of quotes, and no fold that is empty."""
    colon = field.index(b":") + 1
    kept = [] if inside else [found.span() for found in re.finditer(_AS_WRITTEN, field)]
    if not inside and re.search(rb'["\\]', re.sub(_AS_WRITTEN, b"", field)):
        return field
    places = [place for place in range(colon, len(field)) if field[place : place + 1] in {b" ", b"\t"}]
    places = [place for place in places if not any(begin < place < end for begin, end in kept)]
    chosen = draw(st.sets(st.sampled_from(places), max_size=4)) if places else set()
    pieces: list[bytes] = []
    begin = 0
    for place in sorted(chosen):
        if field[begin:place].strip() and field[place:].strip():
            pieces.append(field[begin:place])
            begin = place
    return b"\r\n".join([*pieces, field[begin:]])


@st.composite
def changed_underway(draw: st.DrawFn, data: bytes, *, inside: bool = True) -> bytes:
    """A built report after servers that refold, add trace headers and change the letter case of header names.

    `inside`: also inside of quotes, where folds are shown by some readers.
    """
    fields, body = fields_of(data)
    if draw(st.booleans()):
        fields = [folded(draw, field, inside=inside) for field in fields]
    if draw(st.booleans()):
        change: Callable[[bytes], bytes] = draw(st.sampled_from([bytes.upper, bytes.lower, bytes.swapcase]))
        split = [field.partition(b":") for field in fields]
        fields = [change(name) + colon + value for name, colon, value in split]
    fields = [*draw(st.lists(TRACE, max_size=4)), *fields]
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


class TestSeparatorBlind:
    """CRLF or LF, refolded outer headers, added trace headers change no envelope field."""

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES))
    def test_line_ends(self, given_arguments: Arguments) -> None:
        """A report with LF alone says the same, and its original is the given one with LF."""
        parsed = parse_report(given_arguments.build().replace(b"\r\n", b"\n"))
        original = given_arguments.original
        assert parsed.report == carried(given_arguments.report, given_arguments.options["format"])
        assert parsed.unparsed == ()
        assert parsed.original == (None if original is None else original.replace(b"\r\n", b"\n"))

    @given(copies().filter(lambda message: b"\r" not in message.replace(b"\r\n", b"")))
    def test_line_ends_of_copies(self, message: bytes) -> None:
        """A copy with LF alone says the same."""
        for format in COPIES:
            wide = read(message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), format=format)
            short = read(message.replace(b"\r\n", b"\n"), format=format)
            if isinstance(wide, ParsedReport):
                assert isinstance(short, ParsedReport)
                assert (wide.report, wide.unparsed) == (short.report, short.unparsed)
            else:
                assert isinstance(short, ParseError)
                assert wide.code is short.code

    @pytest.mark.slow
    @given(st.lists(TRACE, max_size=4), st.lists(recipients(), min_size=1, max_size=3))
    def test_trace_headers_of_copies(self, trace: list[bytes], given_recipients: list[Recipient]) -> None:
        """Trace headers before a copy's own change nothing of what it says."""
        data = copied(ORIGINAL, ReportFormat.BCC, given_recipients)
        if data is not None:
            after = b"".join([field + b"\r\n" for field in trace]) + data
            assert (
                parse_report(after, format=ReportFormat.BCC).report
                == parse_report(data, format=ReportFormat.BCC).report
            )

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES), st.data())
    def test_outer_headers(self, given_arguments: Arguments, data: st.DataObject) -> None:
        """Folds, trace headers and the letter case of names change nothing in the result."""
        before = given_arguments.build()
        after = data.draw(changed_underway(before))
        first, second = parse_report(before), parse_report(after)
        assert first.report == second.report
        assert first.original == second.original
        assert first.decrypted == second.decrypted
        assert first.report_id == second.report_id
        assert first.marker == second.marker
        assert [defect.code for defect in first.defects] == [defect.code for defect in second.defects]


# What a line may hold beside the values that a report shows: the syntax of fields, redirects and display forms.
SYNTAX = re.compile(r'[ \t,:<>"]|expanded|forwarded|smtp', re.IGNORECASE)
ROLES = {role.value.lower(): role for role in Role}
FIELDS = {
    "sender": "sender",
    "on-behalf-of": "on_behalf_of",
    "subject": "subject",
    "message-id": "message_id",
    "label": "label",
    "mailbox": "mailbox",
    "sentutc": "sent_utc",
    "receivedutc": "received_utc",
}


def lines_of(text: str) -> list[str]:
    """The lines of a report text; every CR before a LF, or at the end, belongs to the line end."""
    return [line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]


def is_in(text: str, values: Iterable[str | None]) -> bool:
    """Whether a text holds each of some values, and between them nothing but syntax."""
    shown = [value for value in values if value]
    reached = {0}
    for place in range(len(text)):
        if place in reached:
            reached |= {place + len(value) for value in shown if text.startswith(value, place)}
            if (syntax := SYNTAX.match(text, place)) is not None:
                reached.add(syntax.end())
    return len(text) in reached and all(value in text for value in shown)


def times_shown(line: str, parsed: ParsedReport) -> int:
    """How many fields and recipients of a report say what a line with a label says."""
    label, colon, value = line.partition(":")
    name, value = label.strip(" \t").lower(), value.strip(" \t")
    report = parsed.report
    if colon and name in ROLES:
        return sum(
            one.role is ROLES[name]
            and is_in(value, (one.address, one.expanded_from, one.forwarded_from, one.display_name))
            for one in report.recipients
        )
    if colon and name in FIELDS:
        shown = getattr(report, FIELDS[name]) or ""
        if name == "sender":
            return int(shown == value or is_in(value, [shown, report.sender_display_name]))
        if name == "on-behalf-of":
            return int(shown == value or is_in(value, [shown]))
        return int(shown == value)
    return 0


def is_accounted_for_when_unfolded(lines: list[str], index: int, parsed: ParsedReport) -> bool:
    """Whether a line is part of one that was folded, and that is accounted for as a whole."""
    first = index
    while first and lines[first].startswith((" ", "\t")):
        first -= 1
    # The first line may be indented itself, if it does not continue another one.
    for head in range(first, index + 1):
        joined = lines[head]
        for last in range(head + 1, len(lines)):
            if not lines[last].startswith((" ", "\t")):
                break
            joined += " " + lines[last].strip(" \t")
            if last >= index and (joined in parsed.unparsed or times_shown(joined, parsed)):
                return True
    return False


def is_shown_2003(name: str, value: str, parsed: ParsedReport) -> bool:
    """Whether a report of Exchange 2003 says what a field of its text says."""
    report, value = parsed.report, value.strip(" \t")
    if name == "sender" and report.sender:
        return said_first(value, Recipient(report.sender, display_name=report.sender_display_name)) == ""
    if name == "sender":
        return is_in(value, [report.sender_display_name])
    return name in {"message-id", "subject"} and value == (
        report.message_id if name == "message-id" else report.subject
    )


def said_first(text: str, one: Recipient) -> str | None:
    """The rest of a list after the mailbox of a recipient, None if another mailbox comes first."""
    # Only syntax is between the name, which is escaped, and the address.
    name = re.escape(one.display_name).replace(r"\\", r"\\{1,2}").replace('"', r'\\*"')
    before = rf'[ \t"]*(?:\(null\)[ \t"]*)?{name}[ \t"]*<?[ \t]*(?:smtp:)?[ \t]*'
    pattern = rf"{before}{re.escape(one.address)}[ \t]*>?[ \t]*(?:,[ \t]*|\Z)"
    found = re.match(pattern, text, re.IGNORECASE)
    return None if found is None else text[found.end() :]


def is_read_2003(line: str, parsed: ParsedReport, shown: list[Recipient]) -> bool:
    """Whether a field says a line, or the first of the recipients still to be shown do, which are then taken off."""
    content = line.strip(" \t")
    label, _, value = content.partition(":")
    name = label.rstrip(" \t").lower()
    if (name == "recipients" and not value.strip(" \t")) or is_shown_2003(name, value, parsed):
        return True
    taken = 0
    for rest in (content, value.strip(" \t")):
        # The list may begin on the line of its label; an indented line is an entry, with any beginning.
        while rest and taken < len(shown) and (after := said_first(rest, shown[taken])) is not None:
            rest = after  # noqa: PLW2901
            taken += 1
        if not rest:
            del shown[:taken]
            return True
        taken = 0
        if name != "recipients":
            return False
    return False


class TestNothingLost:
    """Every non-empty line of the report text is accounted for by a field or by `unparsed`."""

    @given(report_texts(), st.sampled_from(["8bit", "base64", "quoted-printable"]))
    def test_every_line(self, text: str, encoding: str) -> None:
        """A line is in `unparsed`, or a field of its label has all of it; equal lines as often as they occur."""
        content = text.encode()
        if encoding == "base64":
            content = base64.encodebytes(content)
        elif encoding == "quoted-printable":
            content = binascii.b2a_qp(content, istext=False)
        header = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding.encode()
        found = read(a_message(content, PART, header=header))
        if isinstance(found, ParseError):
            assert found.code is DefectCode.REPORT_TEXT_MISSING
            return
        kept = Counter(found.unparsed)
        lines = lines_of(text)
        for line, times in Counter(lines).items():
            if line.strip(" \t") and times > (alone := kept[line] + times_shown(line, found)):
                places = [index for index, other in enumerate(lines) if other == line]
                folded = sum(is_accounted_for_when_unfolded(lines, index, found) for index in places)
                assert times <= alone + folded, (line, found.report, found.unparsed)

    @given(report_texts_2003(), st.sampled_from(["8bit", "base64", "quoted-printable"]))
    def test_every_line_of_exchange_2003(self, text: str, encoding: str) -> None:
        """A line is in `unparsed`, or a field or its recipients have all of it, in its order."""
        content = text.encode()
        if encoding == "base64":
            content = base64.encodebytes(content)
        elif encoding == "quoted-printable":
            content = binascii.b2a_qp(content, istext=False)
        header = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding.encode()
        found = read(a_message(content, PART, header=header), format=ReportFormat.ENVELOPE_2003)
        if isinstance(found, ParseError):
            assert found.code is DefectCode.REPORT_TEXT_MISSING
            return
        kept = [*found.unparsed]
        shown = [*found.report.recipients]
        lines = [line for line in lines_of(text) if line.strip(" \t")]
        while lines:
            line = lines.pop(0)
            if kept and kept[0] == line:
                del kept[0]
            elif not is_read_2003(line, found, shown):
                # A gateway cut between a display name and its address.
                assert lines
                assert lines[0].strip(" \t").startswith("<")
                assert is_read_2003(f"{line} {lines.pop(0).strip()}", found, shown), (line, found.report)
        assert (kept, shown) == ([], [])

    @given(copies())
    def test_every_entry_of_a_copy(self, message: bytes) -> None:
        """Every address in To, Cc and Bcc is a recipient, and every other entry is in `unparsed`."""
        found = read(message, format=ReportFormat.BCC)
        if isinstance(found, ParsedReport):
            keys = {mailbox_key(one.address) for one in found.report.recipients}
            # After a stray CR, a colon makes the text before it the name of a group.
            fields = [
                value for name in ("to", "cc", "bcc") for value in found.headers.get_all(name) if "\r" not in value
            ]
            for value in fields:
                plain = re.sub(r'\(.*|".*', "", value)
                for address in re.findall(r"[a-z0-9]+@example\.(?:com|net|org)", plain, re.IGNORECASE):
                    assert mailbox_key(address) in keys or any(address in kept for kept in found.unparsed)
                assert plain.count("nobody") <= sum(kept.count("nobody") for kept in found.unparsed)

    @given(report_texts())
    def test_nothing_invented(self, text: str) -> None:
        """A line in `unparsed` is a line of the text, or was folded there."""
        found = read(a_message(text.encode(), PART, header=b"Content-Type: text/plain; charset=utf-8"))
        if isinstance(found, ParsedReport):
            lines = lines_of(text)
            words = " ".join(text.split())
            for kept in found.unparsed:
                assert kept in lines or " ".join(kept.split()) in words


class TestUsualIsAny:
    """The quick way of reading a report text gives the answer of the thorough one, or none."""

    @given(nearly_usual_texts(), st.lists(st.sampled_from(["\n", "\r\n", ": \n", "\r"]), min_size=1, max_size=4))
    @example("Sender: a\nSubject: b\nMessage-Id: c\nCc: b@y, Expanded: l@z\nBcc: \nTo: a@x\n", ["\r\n"] * 3 + [": \n"])
    def test_same_answer_for_any_line_ends(self, text: str, ends: list[str]) -> None:
        """Line ends of several kinds, and what looks like the end of an address before one, mislead neither way."""
        first, *lines = text.split("\n")
        text = first + "".join([ends[number % len(ends)] + line for number, line in enumerate(lines)])
        usual = read_usual_text(text)
        if usual is not None:
            thorough = read_any_text(text)
            assert (usual.values, usual.recipients) == (thorough.values, thorough.recipients)
            assert thorough.unparsed == thorough.oddities == []

    @given(nearly_usual_texts(), st.booleans())
    def test_same_answer(self, text: str, wide: bool) -> None:
        """Where the quick way has an answer, the thorough one has the same, without an oddity."""
        text = text.replace("\n", "\r\n") if wide else text
        usual = read_usual_text(text)
        if usual is not None:
            thorough = read_any_text(text)
            assert usual.values == thorough.values
            assert usual.recipients == thorough.recipients
            assert usual.unparsed == thorough.unparsed == []
            assert usual.oddities == thorough.oddities == []


def steps(action: Callable[[], object]) -> int:
    """How many lines of Python an action runs through: a measure of work that no other process disturbs."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    def run() -> None:
        sys.settrace(trace)
        try:
            with suppress(ParseError):
                action()
        finally:
            sys.settrace(None)

    # A trace function belongs to its thread: the one that measures coverage goes on in this one.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return count


def peak(action: Callable[[], object]) -> int:
    """The most memory in bytes that an action holds at a time, its result included."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result: list[object] = []
        with suppress(ParseError):
            result.append(action())
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


HEAD = b"Sender: alice@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\n"


def text_of(lines: bytes) -> bytes:
    """A report with further lines in its text."""
    return a_message(HEAD + b"To: bob@example.net\r\n" + lines, PART)


def text_2003(lines: bytes) -> bytes:
    """A report of Exchange 2003 with further lines in its list."""
    return a_message(
        b"Sender: <alice@example.com>\r\nMessage-ID: <1@example.com>\r\nRecipients:\r\n\tbob@example.net,\r\n" + lines,
        PART,
    )


def message_of(headers: bytes) -> bytes:
    """A message with further header fields."""
    return headers + b"\r\n" + ORIGINAL


def nested(levels: int) -> bytes:
    """A report with multiparts inside multiparts."""
    inner = b"".join(
        [b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(levels)]
    )
    return a_message(HEAD + b"To: bob@example.net\r\n", b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + inner)


ENVELOPE = Envelope("bounce@example.com", ["bob@example.net"], authenticated=True)
# The size of the input grows with the number.
READ: dict[str, Callable[[int], bytes]] = {
    "look-alike delimiters": lambda n: a_message(b"--edgeling\r\n" * n + HEAD, b"--edge-\r\n--edge --\r\n" * n),
    "header lines": lambda n: b"X: y\r\n" * n + built(),
    "wanted header lines": lambda n: b"X-MS-Embedded-Report: y\r\n" * n + built(),
    "outer folds": lambda n: b"Content-Type: multipart/mixed;" + b"\r\n x=y;" * n + b"\r\n" + built(),
    "dense line ends": lambda n: a_message(HEAD, b"Content-Type: message/rfc822\r\n\r\n" + b"\n" * n),
    "dense line ends in the text": lambda n: text_of(b"\n" * n),
    "blank lines": lambda n: b"\r\n" * n + built(),
    "parts": lambda n: a_message(HEAD, *[b"\r\n\r\n"] * min(n, 4000)),
    "text parts": lambda n: a_message(b"", *[b"Content-Type: text/plain\r\n\r\nTo: x\r\n"] * (n // 20)),
    "nested multiparts": lambda n: nested(n // 10),
    "part headers": lambda n: a_message(HEAD, b"X: y\r\n" * n + b"Content-Type: message/rfc822\r\n\r\nx"),
    "folds of a subject": lambda n: a_message(HEAD, PART[:32] + b"Subject:" + b"\r\n =?utf-8?q?x?=" * n + b"\r\n\r\n"),
    "recipients": lambda n: text_of(b"Cc: bob@example.net, Expanded: list@example.com\r\n" * n),
    "odd recipients": lambda n: text_of(b'Cc: "Bob" <bob@example.net>, Forwarded: list@example.com\r\nTo:\r\n' * n),
    "redirects": lambda n: text_of(b"Cc: bob@example.net" + b", Expanded: x" * n + b"\r\n"),
    "unknown lines": lambda n: text_of(b"unknown\r\nUnknown: field\r\nSubject: repeated\r\n" * n),
    "folds": lambda n: text_of(b"Subject: x\r\n" + b" y\r\n" * n + b"To: x,\r\n Expanded: y\r\n" * n),
    "lines that look like folds": lambda n: text_of(b" y\r\n\ty\r\n" * n),
    "a preamble": lambda n: built().replace(b"\r\n\r\n", b"\r\n\r\n" + b"text \r\n" * n, 1),
    "no boundary": lambda n: a_message(HEAD).replace(b"; boundary=edge", b"") + b"--x\r\n" * n,
    "base64": lambda n: a_message(
        b"U2Vu\r\n" * n, header=b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64"
    ),
    "parameters": lambda n: a_message(HEAD, b"Content-Type: multipart/mixed" + b"; boundary*0=x" * n + b"\r\n\r\nx"),
}
# Texts of Exchange 2003, and header blocks of copies.
READ_2003: dict[str, Callable[[int], bytes]] = {
    "a list": lambda n: text_2003(b'\t"Bob, B" <smtp:bob@example.net>,\r\n' * n),
    "entries on one line": lambda n: text_2003(b"\t" + b"b@example.net," * n),
    "named entries on one line": lambda n: text_2003(b"\t" + b'"B" <b@example.net>,' * n),
    "words": lambda n: text_2003(b"\t" + b"b c, " * n + b"<"),
    "open quotes": lambda n: text_2003(b'\t"b\r\n' * n + b"\t" + b'"' * n),
    "escapes": lambda n: text_2003(b'\t"' + b"\\" * n),
    "brackets": lambda n: text_2003(b"\t" + b"<" * n + b">" * n),
    "unknown lines": lambda n: text_2003(b"\r\nunknown\r\nUnknown: field\r\nSender: x\r\n" * n),
    "lists": lambda n: text_2003(b"Recipients: b@example.net\r\n" * n),
    "HTML": lambda n: a_message(
        b"Sender: a<br>Recipients:<br>" + b"&lt;b&gt;,<br>" * n, PART, header=b"Content-Type: text/html"
    ),
    "open tags": lambda n: a_message(b"Sender: a<br>" + b"<br" * n, PART, header=b"Content-Type: text/html"),
    "blanks in HTML": lambda n: a_message(b"Sender: a<br>" + b" \n" * n, PART, header=b"Content-Type: text/html"),
}
READ_COPY: dict[str, Callable[[int], bytes]] = {
    "recipients": lambda n: message_of(b"Bcc:" + b" bob@example.net,\r\n" * n),
    "fields": lambda n: message_of(b"Bcc: bob@example.net\r\n" * n),
    "entries that are not addresses": lambda n: message_of(
        b"X: y\r\n" * min(n, 15_000) + b"Bcc: " + b"b," * n + b"\r\n"
    ),
    "header lines": lambda n: message_of(b"X: y\r\n" * n),
}
WRITE_COPY: dict[str, Callable[[int], bytes]] = {
    "old fields": lambda n: message_of(b"Bcc: bob@example.net\r\n" * min(n, 20_000)),
    "folds of an old field": lambda n: message_of(b"Bcc: x" + b"\r\n y" * n + b"\r\n"),
    "recipients in To": lambda n: message_of(b"To:" + b" bob@example.net,\r\n" * min(n, 10_000) + b"\r\n"),
    "lines of the body": lambda n: ORIGINAL + b"Bcc: x\r\n" * n,
}
TELL: dict[str, Callable[[int], bytes]] = {
    "encoded words": lambda n: message_of(b"Subject:" + b" =?utf-8?q?x?=\r\n" * n),
    "broken encoded words": lambda n: message_of(b"Subject:" + b" =?utf-8?b?x=?==?" * n),
    "beginnings of encoded words": lambda n: message_of(b"Subject:" + b"=?a" * n),
    "addresses": lambda n: message_of(b"To:" + b" bob@example.net," * n),
    "open quotes": lambda n: message_of(b"From:" + b' "' * n),
    "escapes": lambda n: message_of(b'From: "' + b"\\" * n),
    "open comments": lambda n: message_of(b"From:" + b"(" * n),
    "comments": lambda n: message_of(b"From:" + b"(a)" * n),
    "open angle brackets": lambda n: message_of(b"From:" + b"<" * n),
    "angle brackets": lambda n: message_of(b"From:" + b"<a" * n + b">" * n),
    "open square brackets": lambda n: message_of(b"From:" + b"[a" * n),
    "groups": lambda n: message_of(b"To:" + b"a:;" * n),
    "words": lambda n: message_of(b"From:" + b" a" * n),
    "at signs": lambda n: message_of(b"From:" + b" @ " * n),
    "folds": lambda n: message_of(b"From:" + b"\r\n a" * n),
    "colons": lambda n: message_of(b"From:" + b"@a:" * n),
    "source routes": lambda n: message_of(b"From: <@" + b"a:" * n + b"b@example.com>"),
}
WRITE: dict[str, Callable[[int], bytes]] = {
    "list fields": lambda n: message_of(b"List-Id: x\r\n" * n),
    "folds": lambda n: message_of(b"Subject: x" + b"\r\n y" * n + b"\r\n"),
    "empty folds": lambda n: message_of(b"Subject: x" + b"\r\n " * n + b"\r\n"),
    "lines": lambda n: b"\n" * n,
}
CASES: list[tuple[str, Callable[[bytes], object], Callable[[int], bytes]]] = [
    *[(f"read {name}", parse_report, make) for name, make in READ.items()],
    *[(f"tell {name}", lambda message: report_for(message, ENVELOPE), make) for name, make in TELL.items()],
    *[(f"write {name}", built, make) for name, make in WRITE.items()],
    *[
        (f"read 2003 {name}", lambda data: parse_report(data, format=ReportFormat.ENVELOPE_2003), make)
        for name, make in READ_2003.items()
    ],
    *[
        (f"read a copy {name}", lambda data: parse_report(data, format=ReportFormat.BCC), make)
        for name, make in READ_COPY.items()
    ],
    *[
        (f"write a copy {name}", lambda data: copied(data, ReportFormat.BCC, ["dave@example.org"]), make)
        for name, make in WRITE_COPY.items()
    ],
    *[
        (f"write 2003 {name}", lambda data: built(data, format=ReportFormat.ENVELOPE_2003), make)
        for name, make in WRITE.items()
    ],
]


@contextmanager
def watchdog() -> Iterator[None]:
    """End what would go on for minutes: an end for what hangs, not a measure of what runs.

    Patterns take no steps of Python that could be counted. What they do at once takes a hundredth of this, of the processor's
    own time; what goes over the same characters again takes many times as much.
    """

    def bark(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, bark)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(("act", "make"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
class TestLinear:
    """Time and memory grow in proportion to the input, whatever the input."""

    @pytest.mark.slow
    def test_steps(self, act: Callable[[bytes], object], make: Callable[[int], bytes]) -> None:
        """Four times the input makes no more than about four times the steps."""
        small, large = make(250), make(1000)
        steps(lambda: act(small))  # the first call also imports modules and compiles patterns
        assert steps(lambda: act(large)) <= 5 * steps(lambda: act(small)) + 2000

    @pytest.mark.slow
    def test_memory(self, act: Callable[[bytes], object], make: Callable[[int], bytes]) -> None:
        """Four times the input takes no more than about four times the memory."""
        small, large = make(1000), make(4000)
        act_quietly(act, small)  # what is made once belongs to neither
        # Lists grow in steps, and are sometimes a step ahead; quadratic growth makes sixteen times as much.
        assert peak(lambda: act(large)) <= 6 * peak(lambda: act(small)) + 60_000

    @pytest.mark.slow
    def test_patterns(self, act: Callable[[bytes], object], make: Callable[[int], bytes]) -> None:
        """No pattern goes over the same characters again and again."""
        with watchdog():
            act_quietly(act, make(60_000))


def act_quietly(act: Callable[[bytes], object], message: bytes) -> None:
    """Do what may end in the one error that reading has."""
    with suppress(ParseError):
        act(message)


class TestLinearInOneLine:
    """Time grows in proportion to the input, also where all of it is one line or one value."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "line",
        [
            b"To: a" + b" " * 2800 + b"b\r\n",
            b"To: a" + b"," * 2800 + b"b\r\n",
            b"To: " + b'"' * 2801 + b"\r\n",
            b"To: " + b"\\" * 2800 + b'"\r\n',
            b"To: " + b"<" * 2800 + b">\r\n",
            b"To: " + b"a expanded" * 280 + b"\r\n",
            b"To: " + b"a expanded :" * 230 + b"\r\n",
            b"To: a expanded" + b" " * 2800 + b"b\r\n",
            b"X" * 2800 + b"\r\n",
            b"X" + b" " * 2800 + b":\r\n",
            b"To" + b" " * 2800 + b"x:\r\n",
        ],
        ids=lambda line: repr(line[:16]),
    )
    def test_report_text(self, line: bytes) -> None:
        """A text of lines that nearly match is read at once."""
        with watchdog():
            parse_report(text_of(line * 1000))

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "line",
        [
            b"b@example.net," * 60_000,
            b"b," * 400_000,
            b'"b" <b@example.net>,' * 40_000,
            b'"' * 900_001,
            b'"' + b"\\" * 900_001,
            b"b " * 400_000,
            b"b <" * 300_000,
            b"<b" * 400_000 + b">" * 900,
            b"b <smtp:" + b'"' * 900_000 + b">",
        ],
        ids=lambda line: repr(line[:16]),
    )
    def test_report_text_2003(self, line: bytes) -> None:
        """A list of a megabyte on one line is read at once."""
        with watchdog():
            parse_report(text_2003(b"\t" + line + b"\r\n"), format=ReportFormat.ENVELOPE_2003)

    @pytest.mark.slow
    def test_entries_of_a_copy(self) -> None:
        """A header block full of entries that are not addresses, after the most lines that it may have, is read at once."""
        message = b"X:\n" * 19_000 + b"To: " + b"x," * 220_000 + b"\n\n"
        with watchdog():
            unparsed = parse_report(message, format=ReportFormat.BCC).unparsed
        assert "\n".join(unparsed).split("\n") == ["x"] * 220_000

    @pytest.mark.parametrize(
        "value",
        [
            b" " * 900_000,
            b"\t\r\n " * 200_000,
            b" =?utf-8?q?" + b"x" * 900_000 + b"?=",
            b" =?utf-8?q?xxxxxxxxxx?=" * 40_000,
            b" =?utf-8?q?x?=" + b" " * 900_000 + b"x",
            b"=?" * 450_000,
            b"=?x?q?" * 150_000,
            b"=?x*" * 200_000,
            b'"' + b"\\" * 900_001,
            b"(" * 900_000,
            b"[" * 900_000,
            b"<" * 900_000,
            b"<@" * 450_000,
            b" @" * 450_000,
            b"a" * 900_000 + b"@example.com",
            b"\r" * 900_000,
        ],
        ids=lambda value: repr(value[:14]),
    )
    @pytest.mark.parametrize("name", [b"From", b"Subject", b"Message-ID"])
    def test_header(self, name: bytes, value: bytes) -> None:
        """A header field of a megabyte is read at once."""
        message = message_of(name + b":" + value + b"\r\n")
        with watchdog():
            report_for(message, ENVELOPE)


class TestViews:
    """The original is handed out where it lies, without a copy."""

    @pytest.mark.slow
    def test_memory(self) -> None:
        """Reading a report of 25 MB takes less than 100 KB."""
        original = ORIGINAL + b"0123456789abcdef" * (25 << 16)
        data = built(original)
        assert peak(lambda: parse_report(data)) < 100_000
        assert parse_report(data).original == original

    def test_writing(self) -> None:
        """Writing a report takes the memory of the report itself, and little beside."""
        original = ORIGINAL + b"0123456789abcdef" * (4 << 16)
        assert peak(lambda: built(original)) < len(original) + 100_000


class TestStrictIsASubset:
    """Where strict parsing succeeds, lenient parsing gives the same result."""

    @given(
        any_bytes() | arguments(formats=ENVELOPES).map(Arguments.build) | st.builds(built, originals()) | copies(),
        ANY_FORMAT,
    )
    def test_same_result(self, data: bytes, format: ReportFormat | None) -> None:
        """Strict reading gives the lenient result, or as its error the first thing that lenient reading found odd."""
        strict, lenient = read(data, format=format, strict=True), read(data, format=format)
        if isinstance(strict, ParsedReport):
            assert isinstance(lenient, ParsedReport)
            assert lenient.defects == ()
            assert everything(strict) == everything(lenient)
        elif isinstance(lenient, ParsedReport):
            first = lenient.defects[0]
            assert (strict.code, strict.detail, strict.offset) == (first.code, first.detail, first.offset)
        else:
            assert strict.args == lenient.args

    def test_dates_do_not_matter(self) -> None:
        """A report without an oddity is read strictly, in every format."""
        for format in ReportFormat:
            assert parse_report(built(date=DATE, format=format), format=format, strict=True).defects == ()


# Recipients that rules are for, that are exempt, and that are neither.
_PARTIES = st.sampled_from(
    [
        "alice@example.com",
        "A.Lice+tag@EXAMPLE.com",
        "bob@example.net",
        "carol@example.org",
        "staff@example.com",
        "friends",
        "mallory@example.net",
        "journal@example.com",
        "alternate@example.com",
        Recipient("dave@example.net", expanded_from="staff@example.com"),
        Recipient("dave@example.net", forwarded_from="alice@example.com"),
    ]
)
ENVELOPES_OF_PARTIES = st.builds(
    Envelope,
    st.sampled_from(["", "alice@example.com", "bob@example.net", "mallory@example.net", "journal@example.com"]),
    st.lists(_PARTIES, min_size=1, max_size=4),
    authenticated=st.booleans(),
)


class TestClosed:
    """Whatever the builder writes (envelope formats), `detect_loop` recognizes, and `decide` refuses to journal it again over a
    trusted path or under the agent's own seal.
    """  # noqa: D205

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES), ENVELOPES_OF_PARTIES, rule_sets())
    def test_trusted_path(self, given_arguments: Arguments, envelope: Envelope, rules: RuleSet) -> None:
        """A report is detected, and over a trusted path no report is made of it, nor is it held."""
        report = given_arguments.build()
        found = detect_loop(report)
        assert found is not None
        assert found.reason in {LoopReason.REPORT, LoopReason.NESTING_LIMIT}
        assert found.header.encode() in report
        decision = decide(report, dataclasses.replace(envelope, trusted_path=True), rules)
        assert (decision.reports, decision.hold) == ((), None)
        assert {one.reason for one in decision.explain()} <= _NOT_FIRED | {Reason.JOURNAL_REPORT}

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES), ENVELOPES_OF_PARTIES, rule_sets(), st.data())
    def test_own_seal(
        self, given_arguments: Arguments, envelope: Envelope, rules: RuleSet, data: st.DataObject
    ) -> None:
        """Under our own seal the same holds over any path, also after servers that refold and add to the header."""
        given_arguments.options["secret"] = SECRET
        report = data.draw(changed_underway(given_arguments.build(), inside=False))
        if b"content-type-options" in report.lower():
            return  # no trace field: it is named like one of the content
        found = detect_loop(report, secrets=[SECRET])
        assert found is not None
        assert (found.reason, found.forgeable) == (LoopReason.SEAL, False)
        decision = decide(report, envelope, rules, secrets=[SECRET])
        assert (decision.reports, decision.hold) == ((), None)
        assert {one.reason for one in decision.explain()} <= _NOT_FIRED | {Reason.SEALED}

    @pytest.mark.slow
    @given(message_like() | any_bytes() | copies(), ENVELOPES_OF_PARTIES, rule_sets())
    def test_what_the_agent_sends(self, message: bytes, envelope: Envelope, rules: RuleSet) -> None:
        """No report that an agent sends is journaled where it passes the agent again."""
        for one in an_agent(rules).process(message, envelope, received=DATE).deliveries:
            again = an_agent(rules).process(one.content, Envelope(one.mail_from, [one.rcpt_to]), received=DATE)
            # A copy is a message as any other, and what ends its loop is that its recipient matches nothing.
            assert (again.deliveries, again.hold) == ((), None)
            if is_report(one):
                forwarded = Envelope(one.rcpt_to, ["mallory@example.net"])
                assert an_agent(rules).process(one.content, forwarded, received=DATE).deliveries == ()

    @pytest.mark.slow
    @given(mails(), ENVELOPES_OF_PARTIES, rule_sets(), st.data())
    def test_own_stamp(self, mail: Mail, envelope: Envelope, rules: RuleSet, data: st.DataObject) -> None:
        """A message that an agent stamped is not journaled again for the same recipients, in any order."""
        outcome = an_agent(rules).process(data.draw(sent(mail)), envelope, received=DATE)
        turned = dataclasses.replace(envelope, recipients=envelope.recipients[::-1])
        message = outcome.message()
        if not message.startswith((b"\xef", b"From ")):  # text before a header block stays before it
            message = b"Received: by x\r\n" + message
        again = an_agent(rules).process(message, turned, received=DATE)
        assert outcome.hold is None
        assert (again.deliveries, again.hold) == ((), None)


def is_report(one: Delivery) -> bool:
    """Whether the delivery is of an envelope format."""
    return b"X-ExJournal-Seal: " in one.content[:20]


_NOT_FIRED = {Reason.DISABLED, Reason.JOURNAL_MAILBOX, Reason.NOT_NAMED, Reason.OUT_OF_SCOPE}


class TestStrangers:
    """No header of a message from an untrusted path makes `decide` skip it: a report marker, a stamp or a delivery-report form
    counts only over a trusted path or under a valid seal.
    """  # noqa: D205

    @given(
        st.lists(st.sampled_from(FORGED), max_size=6),
        message_like() | any_bytes() | copies() | st.sampled_from([ORIGINAL, _OTHER + b".", built(_OTHER)]),
        ENVELOPES_OF_PARTIES | envelopes().map(untrusted),
        rule_sets(),
    )
    def test_forged_fields(self, forged: list[bytes], message: bytes, envelope: Envelope, rules: RuleSet) -> None:
        """The reports planned with forged fields are those without them, or the message is held."""
        plain = b"X-Kept: 1\r\n" + message
        expected = decide(plain, envelope, rules, secrets=[SECRET])
        decision = decide(b"".join(forged) + plain, envelope, rules, secrets=[SECRET])
        assert planned(decision) == planned(expected)
        assert all(one.forgeable for one in decision.loops)
        if decision.hold != expected.hold:
            assert decision.hold is not None
            assert decision.hold.reason in {HoldReason.HOP_LIMIT, HoldReason.NESTING_LIMIT}
        outcome = an_agent(rules).process(b"".join(forged) + plain, envelope, received=DATE)
        assert outcome.hold is not None or len(outcome.deliveries) == len(expected.reports)

    @given(st.lists(st.sampled_from(FORGED + SPOOFED), max_size=6), message_like(), ENVELOPES_OF_PARTIES, rule_sets())
    def test_spoofed_authors(self, forged: list[bytes], message: bytes, envelope: Envelope, rules: RuleSet) -> None:
        """Spoofed authors set off further rules, and keep none from firing that fires for a stranger's mail."""
        rules = dataclasses.replace(rules, believe_senders=False)
        envelope = dataclasses.replace(envelope, authenticated=False)
        expected = decide(b"From: mallory@example.net\r\n\r\n", envelope, rules)
        decision = decide(b"".join(forged) + message, envelope, rules, secrets=[SECRET])
        names = {(one.journal_to, one.envelope, name) for one in decision.reports for name in one.rules}
        assert names >= {(one.journal_to, one.envelope, name) for one in expected.reports for name in one.rules}

    @pytest.mark.slow
    @given(mails(), ENVELOPES_OF_PARTIES, ENVELOPES_OF_PARTIES, rule_sets(), st.data())
    def test_a_copied_stamp(
        self, mail: Mail, first: Envelope, second: Envelope, rules: RuleSet, data: st.DataObject
    ) -> None:
        """The stamp of one message is worth nothing on one that says something else."""
        other = data.draw(changed_mails(mail))
        if other == mail:
            return
        outcome = an_agent(rules).process(data.draw(sent(mail)), first, received=DATE)
        stamps = b"".join([f"{name}: {value}\r\n".encode() for name, value in outcome.header_fields])
        plain = b"X-Kept: 1\r\n" + data.draw(sent(other))
        decision = decide(stamps + plain, second, rules, secrets=[SECRET])
        assert planned(decision) == planned(decide(plain, second, rules, secrets=[SECRET]))

    @pytest.mark.slow
    @given(arguments(formats=ENVELOPES), arguments(formats=ENVELOPES), ENVELOPES_OF_PARTIES, rule_sets())
    def test_a_copied_seal(self, one: Arguments, other: Arguments, envelope: Envelope, rules: RuleSet) -> None:
        """The seal of one report is worth nothing on another."""
        one.options["secret"] = SECRET
        plain = other.build()
        seal, _, report = one.build().partition(b"\r\n")
        if report != plain:
            decision = decide(seal + b"\r\n" + plain, envelope, rules, secrets=[SECRET])
            assert planned(decision) == planned(decide(plain, envelope, rules, secrets=[SECRET]))

    @given(message_like(), ENVELOPES_OF_PARTIES, rule_sets(), st.integers(HOP_LIMIT, HOP_LIMIT + 900))
    def test_hops(self, message: bytes, envelope: Envelope, rules: RuleSet, hops: int) -> None:
        """A hundred servers and more hold what would be journaled, and let nothing else stop."""
        plain = b"X-Kept: 1\r\n" + message
        expected = decide(plain, envelope, rules)
        decision = decide(b"Received: by x\r\n" * hops + plain, envelope, rules)
        if decision.hold is None:
            assert expected.reports == ()
        else:
            assert decision.hold.reason in {HoldReason.HOP_LIMIT, HoldReason.HEADER_TOO_LARGE, HoldReason.NESTING_LIMIT}
            outcome = an_agent(rules).process(b"Received: by x\r\n" * hops + plain, envelope, received=DATE)
            assert (outcome.deliveries, outcome.header_fields) == ((), ())

    @given(forged_messages() | message_like())
    def test_the_header_firewall(self, message: bytes) -> None:
        """The header firewall leaves no stamp or seal of ours, good or forged, and no field of the organization."""
        left = strip_headers(b"X-Kept: 1\r\n" + message, ORGANIZATION_HEADERS)
        found = read_signs(left, (SECRET,))
        assert not {LoopReason.SEAL, LoopReason.STAMP} & {one.reason for one in found.loops}
        assert found.stamps.verified == ()
        assert not [name for name in found.fields if name.startswith((b"x-ms-exchange-", b"x-exjournal-"))]
        assert strip_headers(left, ORGANIZATION_HEADERS) == left
