"""The values of the property tests: all that the models allow, and bytes that only a hostile sender writes."""

import base64
import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from unicodedata import normalize

from hypothesis import settings
from hypothesis import strategies as st

from exjournal import Envelope, JournalReport, Recipient, ReportFormat, Role, build_report
from exjournal.addresses import address_problem

# For a property whose examples take much longer than others: a fifth of what the profile has.
HEAVY = settings(max_examples=settings().max_examples // 5)
DATE = datetime(2024, 2, 29, 12, 30, 45, tzinfo=UTC)
# An original that agrees with `a_report()`.
ORIGINAL = (
    b"From: alice@example.com\r\nTo: bob@example.net\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nHi.\r\n"
)


def a_report(**changes: Any) -> JournalReport:
    """A report that agrees with `ORIGINAL`, with some of its fields changed."""
    values: dict[str, Any] = {
        "sender": "alice@example.com",
        "recipients": ["bob@example.net"],
        "subject": "Hello",
        "message_id": "<1@example.com>",
    }
    return JournalReport(**(values | changes))


def built(original: Any = ORIGINAL, **options: Any) -> bytes:
    """The bytes of `a_report()` around an original; every option has a value that can be changed."""
    report = options.pop("report", None) or a_report()
    values: dict[str, Any] = {"domain": "example.com", "date": DATE, "report_id": "<r@example.com>"}
    return build_report(report, original, **(values | options))


def a_message(text: bytes, *more: bytes, header: bytes = b"Content-Type: text/plain") -> bytes:
    """A report made by hand: its marker, its text in a part with the given header, and further parts as they are."""
    parts = [header + b"\r\n\r\n" + text, *more]
    body = b"".join([b"--edge\r\n" + part + b"\r\n" for part in parts])
    outer = (
        b"Content-Type: multipart/mixed; boundary=edge\r\nMessage-ID: <r@example.com>\r\nX-MS-Journal-Report:\r\n\r\n"
    )
    return outer + body + b"--edge--\r\n"


# The text and the original of `a_message()` where a test is not about them.
TEXT = b"Sender: alice@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\nTo: bob@example.net\r\n"
PART = b"Content-Type: message/rfc822\r\n\r\n" + ORIGINAL


# Text that fits on one line

# Blanks, and characters that are not printable, all of them allowed on a line.
_ODD_CHARACTERS = "\x80\x9f\xa0\u180e\u200b\u2003\u202f\ufeff\ufffd\u00e9\u4e2d\U0001f4e7:,;<>\"'\\()@=?_ \t.-"
# Control characters and line separators, which no value on one line holds; a TAB no address holds.
_CONTROLS = "".join(map(chr, [*range(32), 0x7F, 0x85, 0x2028, 0x2029]))
_LINE_CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs", "Zl", "Zp"]).filter(lambda one: one == "\t" or one not in _CONTROLS),
    st.sampled_from(_ODD_CHARACTERS),
    st.characters(min_codepoint=33, max_codepoint=126),
)


def _outer_blanks_off(text: str) -> str:
    return text.strip(" \t")


def lines(min_size: int = 0, max_size: int = 60) -> st.SearchStrategy[str]:
    """Text of one line, as a report's fields hold it."""
    text = st.text(_LINE_CHARACTERS, min_size=min_size, max_size=max_size).map(_outer_blanks_off)
    return text.filter(lambda value: len(value) >= min_size) if min_size else text


_SUBJECTS = st.one_of(
    lines(),
    st.sampled_from(
        [
            "Re: Recipient: mallory@example.org, Expanded: list@example.org",
            "=?utf-8?q?caf=C3=A9?= and =?utf-8?b?4piD?=",
            "=?utf-8?b?not base64?= =?unknown-8bit?q?=ff?=",
            "\ufeffSubject",
            "one\ttwo\x80three\xa0four",
            "Sender: mallory@example.org",
            "." * 1200,
            "=" * 1000,
            "\u00e9" * 999,
            "long " * 300 + "end",
        ]
    ),
)


# Addresses

_LOCAL = st.text(st.sampled_from("abcXYZ019!#$%&'*+-/=?^_`{|}~."), min_size=1, max_size=12)
_QUOTED_TEXT = st.lists(
    st.sampled_from([*" ,:;<>@()[]ab\u00e9\x80\xa0.", "\\\\", '\\"', ", Expanded: ", " forwarded:"]), max_size=12
).map("".join)
_DOMAINS = st.sampled_from(
    [
        "example.com",
        "EXAMPLE.net",
        "b\u00fccher.example",
        "xn--bcher-kva.example",
        "[IPv6:2001:db8::1]",
        "[192.0.2.1]",
        "x",
    ]
)
_NASTY_ADDRESSES = st.sampled_from(
    [
        '", Expanded: list@example.com"@example.net',
        '"a, Forwarded: b@c"@example.net',
        '"\\"quoted\\" @ sign"@example.com',
        '"<angle>"@example.com',
        "IMCEAEX-_O=EXAMPLE_OU=FIRST+20GROUP_CN=RECIPIENTS_CN=ALICE@example.com",
        "expanded:x@example.com",
        "Forwarded:",
        "Expanded : y",
        ":",
        "smtp:alice@example.com",
        "two words",
        "a expanded",
        "@",
        "(comment)alice@example.com",
        "\x80\x9f@example.com",
        "\ufeff@example.com",
        "\x9f\u200b",
        "=?utf-8?q?a?=",
        "a" * 571,
        "\u00e9" * 571,
        '"' + "x " * 200 + '"@example.com',
    ]
)


def _joined(parts: tuple[str, str]) -> str:
    return "@".join(parts)


def _quoted(parts: tuple[str, str]) -> str:
    return f'"{parts[0]}"@{parts[1]}'


_PLAIN_ADDRESSES = st.tuples(_LOCAL, _DOMAINS).map(_joined)
_ADDRESSES = st.one_of(
    _PLAIN_ADDRESSES,
    _NASTY_ADDRESSES,
    st.tuples(_QUOTED_TEXT, _DOMAINS).map(_quoted),
    lines(min_size=1, max_size=20),
).filter(lambda value: address_problem(value) is None)


# Functions, for a name in the place of a representation that would fill pages.
@st.composite
def addresses(draw: st.DrawFn) -> str:
    """Addresses that the models take."""
    return draw(_ADDRESSES)


@st.composite
def plain_addresses(draw: st.DrawFn) -> str:
    """Addresses that need no quotes."""
    return draw(_PLAIN_ADDRESSES)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """An address of words and dots, and another spelling of it that RFC 5322 or Unicode has as equal."""
    words = draw(st.lists(st.text("abcXYZ019!#$-_\u00e9\u00d6\u1ec7", min_size=1, max_size=5), min_size=1, max_size=4))
    spelled = ""
    for number, word in enumerate(words):
        form = draw(st.sampled_from(["{}", '"{}"', "NFD", '"\\{}"', "\\{}"]))
        again = normalize("NFD", word) if form == "NFD" else form.replace("NFD", "{}").format(word)
        before, after = draw(_BETWEEN_WORDS), draw(_BETWEEN_WORDS)
        spelled += ("." if number else "") + before + again + after
    return f"{'.'.join(words)}@example.com", f"{spelled}@example.com"


_BETWEEN_WORDS = st.sampled_from(["", "", " ", "(c)", " (a (b) \\) @)", '(")'])


@st.composite
def subjects(draw: st.DrawFn) -> str:
    """Subjects that the models take."""
    return draw(_SUBJECTS)


# Values

_SENDERS = st.just("") | addresses()
_OPTIONAL_ADDRESSES = st.none() | addresses()
_OPTIONAL_LINES = st.none() | lines(min_size=1, max_size=20)
_MESSAGE_IDS = st.sampled_from(["", "<1@example.com>", "<" + "m" * 1100 + ">", "no brackets"]) | lines(max_size=20)
_LABELS_OF_FOLDERS = _OPTIONAL_LINES | st.just("\u00e9" * 255)


@st.composite
def recipients(draw: st.DrawFn) -> Recipient:
    """Recipients with any role and any redirects."""
    return Recipient(
        draw(addresses()),
        draw(st.sampled_from(Role)),
        expanded_from=draw(_OPTIONAL_ADDRESSES),
        forwarded_from=draw(_OPTIONAL_ADDRESSES),
        display_name=draw(st.just("") | lines(max_size=10)),
    )


@st.composite
def reports(draw: st.DrawFn) -> JournalReport:
    """Reports that can be built: with a recipient at least."""
    return JournalReport(
        sender=draw(_SENDERS),
        recipients=draw(st.lists(recipients(), min_size=1, max_size=5)),
        subject=draw(subjects()),
        message_id=draw(_MESSAGE_IDS),
        on_behalf_of=draw(_OPTIONAL_ADDRESSES),
        envelope_sender=draw(st.none() | _SENDERS),
        label=draw(_LABELS_OF_FOLDERS),
        mailbox=draw(_OPTIONAL_LINES),
        sent_utc=draw(_OPTIONAL_LINES),
        received_utc=draw(_OPTIONAL_LINES),
        sender_display_name=draw(st.just("") | lines(max_size=10)),
    )


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    """Envelopes with and without trust."""
    return Envelope(
        draw(_SENDERS),
        draw(st.lists(addresses() | recipients(), min_size=1, max_size=4)),
        authenticated=draw(st.booleans()),
        trusted_path=draw(st.booleans()),
    )


def carried(report: JournalReport, format: ReportFormat = ReportFormat.ENVELOPE) -> JournalReport:
    """The report as far as one of the envelope formats carries it.

    ENVELOPE has no place for a display name. ENVELOPE_2003 has addresses and display names, the Message-ID and our own header,
    and neither subject nor roles, redirects, a principal or the fields of managed folders.
    """
    if format is ReportFormat.ENVELOPE_2003:
        return JournalReport(
            sender=report.sender,
            sender_display_name=report.sender_display_name,
            recipients=[Recipient(one.address, display_name=one.display_name) for one in report.recipients],
            message_id=report.message_id,
            envelope_sender=report.envelope_sender,
        )
    recipients = [dataclasses.replace(recipient, display_name="") for recipient in report.recipients]
    return dataclasses.replace(report, recipients=tuple(recipients), sender_display_name="")


# Messages

_HEADER_NAMES = st.sampled_from(
    [
        b"From",
        b"Sender",
        b"To",
        b"Cc",
        b"CC",
        b"Subject",
        b"Message-ID",
        b"Content-Type",
        b"List-Id",
        b"List-Help",
        b"Precedence",
        b"X-Mailing-List",
        b"X-MS-Journal-Report",
        b"Received",
        b"X",
        b"not a field",
        b"From ",
    ]
)
_HEADER_VALUES = st.one_of(
    st.sampled_from(
        [
            b"",
            b" ",
            b" alice@example.com",
            b' "Doe, Jane" <jane@example.com>, Group: a@example.net (it), b@example.net;',
            b" =?utf-8?q?caf=C3=A9?= <cafe@example.com>",
            b" folded\r\n value\n\there",
            b" blank fold\r\n \r\n\t\r\n end",
            b" bare\rCR and NUL\0",
            b" \xff\xfe\xe9",
            b" <1@example.com>",
            b" multipart/mixed; boundary=x",
            b" list",
            b" " + b"x" * 5000,
            b' "never closed',
            b" (never closed",
            b" <never closed",
        ]
    ),
    st.binary(max_size=30),
)
_LINE_ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"])
_WHOLE_REPORT = built()
_LOOK_ALIKE = _WHOLE_REPORT[_WHOLE_REPORT.index(b'"_') + 1 : _WHOLE_REPORT.index(b'_"') + 1]


@st.composite
def message_like(draw: st.DrawFn) -> bytes:
    """A header block and a body with any line ends, perhaps in a mixture."""
    pieces = [draw(st.sampled_from([b"", b"", b"From someone Thu Feb 29 12:30:45 2024\n", b"\r\n", b"\xef\xbb\xbf"]))]
    for name, value in draw(st.lists(st.tuples(_HEADER_NAMES, _HEADER_VALUES), max_size=8)):
        pieces += [name, b":", value, draw(_LINE_ENDS)]
    pieces += [draw(st.sampled_from([b"\r\n", b"\n", b""])), draw(st.binary(max_size=40))]
    return b"".join(pieces)


_ORIGINALS = st.one_of(
    message_like(),
    st.binary(max_size=80),
    st.lists(
        st.sampled_from(
            [
                b"\r",
                b"\n",
                b"\r\n",
                b"\0",
                b"\xff",
                b"--",
                b"text",
                b"Subject: x",
                b"--" + _LOOK_ALIKE,
                b"\r\n--" + _LOOK_ALIKE + b"--\r\n",
                b"From someone\n",
                _WHOLE_REPORT,
                _WHOLE_REPORT[:600],
                ORIGINAL,
            ]
        ),
        max_size=5,
    ).map(b"".join),
)


@st.composite
def originals(draw: st.DrawFn) -> bytes:
    """What can be journaled, which is anything: messages, pieces of reports, noise, nothing."""
    return draw(_ORIGINALS)


# Building

_OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A year of distance from both ends of the calendar, where a time zone leads out of it.
DATES = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=_OFFSETS)


class Arguments(NamedTuple):
    """The arguments of one `build_report`."""

    report: JournalReport
    original: bytes | None
    options: dict[str, Any]

    def build(self) -> bytes:
        """The report."""
        return build_report(self.report, self.original, **self.options)


ENVELOPES = (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)


@st.composite
def arguments(
    draw: st.DrawFn, report: JournalReport | None = None, formats: tuple[ReportFormat, ...] = ENVELOPES[:1]
) -> Arguments:
    """Arguments of `build_report` that it takes for envelope formats, with any report where none is given."""
    original = None if draw(st.integers(0, 4)) == 0 else draw(originals())
    format = draw(st.sampled_from(formats))
    is_2003 = format is ReportFormat.ENVELOPE_2003
    return Arguments(
        draw(reports()) if report is None else report,
        original,
        {
            "format": format,
            "domain": draw(st.sampled_from(["example.com", "localhost", "[IPv6:2001:db8::1]", "a" * 63 + ".example"])),
            "date": draw(st.just(DATE) | DATES),
            "report_id": draw(st.none() | st.from_regex(r"<[!-;=?-~]{1,30}>", fullmatch=True)),
            "internal": not is_2003 and draw(st.booleans()),
            "decrypted": None if original is None or is_2003 else draw(st.none() | originals()),
            "correct_marker": is_2003 and draw(st.booleans()),
            "eight_bit": draw(st.booleans()),
        },
    )


# Copies

_NAMES_OF_LISTS = st.sampled_from([b"To", b"Cc", b"Bcc", b"BCC", b"bcc ", b"CC", b"Resent-Bcc", b"X-Bcc"])
_ENTRIES = st.sampled_from(
    [
        b"bob@example.net",
        b"Bob <bob@example.net>",
        b'"Doe, Jane" <jane@example.com>',
        b"carol@example.org (Carol)",
        b"=?utf-8?q?caf=C3=A9?= <cafe@example.com>",
        b"Team: t1@example.com, BOB@EXAMPLE.net;",
        b"nobody",
        b"<nobody>",
        b'"never closed',
        b"",
    ]
)


@st.composite
def copies(draw: st.DrawFn) -> bytes:
    """Messages with address fields of every kind, in one kind of line end, and what else can be journaled."""
    if draw(st.integers(0, 3)) == 0:
        return draw(originals())
    line_end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n"]))
    pieces = [draw(st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b"From someone" + line_end, line_end]))]
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.integers(0, 2)) == 0:
            pieces += [draw(_HEADER_NAMES), b":", draw(_HEADER_VALUES), line_end]
        else:
            entries = draw(st.lists(_ENTRIES, max_size=4))
            fold = draw(st.sampled_from([b", ", b"," + line_end + b" ", b"," + line_end + b"\t" + line_end + b" "]))
            pieces += [draw(_NAMES_OF_LISTS), b": ", fold.join(entries), line_end]
    pieces += [line_end, draw(st.sampled_from([b"", b"Bcc: body@example.com" + line_end, b"Hi."]))]
    return b"".join(pieces)


# Hostile bytes

_OUTER_PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b",
        b'Content-Type: multipart/mixed;\r\n\tboundary="b"',
        b"Content-Type: multipart/mixed",
        b"Content-Type: multipart/report; boundary=b",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/plain",
        b"Content-Type: multipart/mixed; boundary*0=b; boundary*1*=%20",
        b"Content-Type: multipart/mixed; boundary*=utf-8''b",
        b"Content-Transfer-Encoding: base64",
        b"X-MS-Journal-Report:",
        b"X-MS-Journal-Report:",
        b"X-WM-Journal-Report: journal",
        b"X-GM-Journal-ID: 1",
        b"To: bob@example.net, nobody, Carol <carol@example.org>",
        b"Bcc: carol@example.org",
        b"x-ms-exchange-organization-journal-report : yes",
        b"Content-Identifer: ExJournalReport",
        b"Content-Identifier: exjournalreport",
        b"X-MS-Embedded-Report:",
        b"X-ExJournal-Envelope-Sender: <alice@example.com>",
        b"X-ExJournal-Envelope-Sender: <>",
        b"X-ExJournal-Envelope-Sender: =?utf-8?b?w6k=?=",
        b"X-ExJournal-Envelope-Sender: a,b",
        b"Message-ID: <r@example.com>",
        b"From someone",
        b" folded",
        b"no field",
    ]
)
_BODY_PIECES = st.sampled_from(
    [
        b"--b\r\n",
        b"--b\r\n",
        b"--b\n",
        b"--b \t\r\n",
        b"--b--\r\n",
        b"--b--",
        b"--bb\r\n",
        b"--c\r\n",
        b"--c--",
        b"\r\n",
        b"\n",
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n",
        b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        b"Content-Type: text/plain; charset=utf-7\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        b"Content-Type: text/plain; charset=nonsense\r\nContent-Transfer-Encoding: x-nonsense\r\n\r\n",
        b"Content-Type: text/html\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n",
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n",
        (
            b"Content-Type: multipart/mixed; boundary=c\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            b"LS1jDQoNClNlbmRlcjogYQ0KVG86IGINCi0tYy0tDQo="
        ),
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nSubject: \x93\x85\x81\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: x-nonsense\r\n\r\n",
        b"Content-Type: application/ms-tnef\r\n\r\n",
        b"Content-Type: application/octet-stream; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        b"Content-class: rpmsg.message\r\n",
        b"Recipients:\r\n",
        b'\t"Bob, B" <smtp:bob@example.net>,\r\n',
        b"Sender: alice@example.com<br>To: bob@example.net<br>&#99999999999999;<p",
        b"Sender: alice@example.com\r\n",
        b"Sender:=20alice@example.com\r\n",
        b"Subject: =D8=00 +2AA-\xff\r\n",
        b"Message-Id: <1@example.com>\r\n",
        b"To: bob@example.net\r\n",
        b"Bcc: carol@example.org, Expanded: list@example.com\r\n",
        b" Forwarded: dave@example.org\r\n",
        b"something else\r\n",
        b"U2VuZGVyOiBhQGV4YW1wbGUuY29tDQpUbzogYkBleGFtcGxlLmNvbQ0K\r\n",
        b"U2V=uZGV",
        b"\0",
        b"\xff",
        ORIGINAL,
    ]
)


@st.composite
def hostile_reports(draw: st.DrawFn) -> bytes:
    """Something like a report, put together from lines that reports have."""
    outer = draw(st.lists(_OUTER_PIECES, max_size=6))
    ends = [draw(_LINE_ENDS) if draw(st.integers(0, 9)) == 0 else b"\r\n" for _ in outer]
    body = draw(st.lists(_BODY_PIECES, max_size=25))
    beginning = draw(st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b"\r\n\n", b"From someone\r\n", b"From someone"]))
    if draw(st.booleans()):
        outer, ends = [*outer, b"X-MS-Journal-Report:"], [*ends, b"\r\n"]
    return b"".join([beginning, *[line + end for line, end in zip(outer, ends, strict=True)], b"\r\n", *body])


@st.composite
def damaged(draw: st.DrawFn, sources: st.SearchStrategy[bytes]) -> bytes:
    """Data with slices deleted, inserted, doubled or moved, and bytes changed."""
    data = bytearray(draw(sources))
    for _ in range(draw(st.integers(1, 5))):
        first = draw(st.integers(0, len(data)))
        last = min(len(data), first + draw(st.integers(0, 60)))
        target = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 4)):
            case 0:
                del data[first:last]
            case 1:
                data[first:first] = draw(st.binary(max_size=8) | _BODY_PIECES | _OUTER_PIECES)
            case 2:
                data[target:target] = data[first:last]
            case 3:
                moved = data[first:last]
                del data[first:last]
                data[min(target, len(data)) : min(target, len(data))] = moved
            case _ if first < len(data):
                data[first] = draw(st.integers(0, 255) | st.sampled_from(b'\r\n \t:;-"\0'))
    return bytes(data)


@st.composite
def any_bytes(draw: st.DrawFn) -> bytes:
    """Bytes that a reader may meet: damaged reports, what looks like one, and noise."""
    match draw(st.integers(0, 9)):
        case 0 | 1 | 2:
            return draw(hostile_reports())
        case 3 | 4 | 5:
            return draw(damaged(arguments(formats=ENVELOPES).map(Arguments.build)))
        case 6 | 7 | 8:
            return draw(damaged(hostile_reports()))
        case _:
            return draw(st.binary(max_size=200))


# Report texts

_LABELS = st.sampled_from(
    [
        "Sender",
        "sender ",
        "On-Behalf-Of",
        "Subject",
        "SUBJECT",
        "Message-Id",
        "Message-ID",
        "Label",
        "Mailbox",
        "SentUtc",
        "ReceivedUtc",
        "To",
        "cc",
        "BCC",
        " Bcc",
        "Recipient",
        "Recipient\t",
        "X-Unknown",
        "To Cc",
        "",
        "\u00c9tiquette",
    ]
)
_FORMS = st.sampled_from(
    [
        "{0}",
        "<{0}>",
        '"Display, Name" <{0}>',
        "Display Name <smtp:{0}>",
        "{0}, Expanded: {1}",
        "{0} expanded :{1}",
        "{0}, Forwarded: Name <{1}>, Expanded: <{0}>",
        "{0}, Expanded: {1}, Expanded: {0}",
        "{0}, {1}",
        "{0}; {1}",
        "ann@example.com; {0};bob@example.net",
        "ann@example.com, bob@example.net, Expanded: {0}",
        "{0}, Forwarded: ann@example.com; bob@example.net",
        "undisclosed-recipients:;",
        "{0},",
        "{0}, Expanded:",
        '"{0}',
    ]
)
_VALUES = st.one_of(
    st.builds(str.format, _FORMS, addresses(), addresses()),
    addresses(),
    lines(max_size=20),
    st.sampled_from(["", "<>", "<1@example.com>", "x" * 300, "y" * 3000, "a\0b", "a\rb", "smtp:<>"]),
)
_BLANKS = st.sampled_from(["", " ", " ", " ", "\t", "  "])
_REPORT_LINES = st.one_of(
    st.builds("{}:{}{}{}".format, _LABELS, _BLANKS, _VALUES, _BLANKS),
    st.builds("{}: {}".format, _LABELS, _VALUES),
    st.builds("{}{}".format, st.sampled_from([" ", "\t", "   "]), st.builds("{}: {}".format, _LABELS, _VALUES)),
    st.builds(" {}: {}".format, st.sampled_from(["Expanded", "forwarded "]), _VALUES),
    st.builds("{}{}".format, st.sampled_from([" ", "\t"]), _VALUES),
    st.text(max_size=20),
    st.sampled_from(["", " ", "\t", "\r", " \r", "-- ", "This message was journaled."]),
)


@st.composite
def report_texts(draw: st.DrawFn) -> str:
    """Report texts of valid, mangled and garbage lines."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text(max_size=60))
    return draw(st.sampled_from(["\r\n", "\n"])).join(draw(st.lists(_REPORT_LINES, max_size=12)))


_LISTED = st.one_of(
    st.builds(
        "{}<smtp:{}>{}".format,
        st.sampled_from(["", "Bob ", '"B, C" ', "B, C ", '"']),
        addresses(),
        st.sampled_from(["", ",", ", ", ";"]),
    ),
    st.builds("{}<{}>,{} <{}>".format, lines(max_size=8), addresses(), lines(max_size=8), addresses()),
    st.builds("{}{}".format, addresses(), st.sampled_from(["", ",", ",,", " ,"])),
    st.sampled_from(["user @ node", "(null) <a@example.com>", "<>", "<smtp:>", "X400:c=us", '"', "\\", "a <b", "> c"]),
    lines(max_size=12),
)
_LINES_2003 = st.one_of(
    st.builds("\t{}".format, _LISTED),
    st.builds("\t{}".format, _LISTED),
    st.builds("{}{}".format, st.sampled_from(["", " ", "\t\t"]), _LISTED),
    st.builds(
        "{}: {}".format, st.sampled_from(["Sender", "sender ", "\tSender", "Recipients", " Recipients"]), _LISTED
    ),
    st.sampled_from(["Recipients:", "Recipients:", "recipients :", "", "", " ", "\r", "Message-ID: <1@example.com>"]),
    _REPORT_LINES,
)


@st.composite
def report_texts_2003(draw: st.DrawFn) -> str:
    """Report texts of Exchange 2003, of valid, mangled and garbage lines."""
    head = draw(st.sampled_from(["", "Sender: <smtp:alice@example.com>\nRecipients:\n"]))
    text = head + "\n".join(draw(st.lists(_LINES_2003, max_size=12)))
    return text.replace("\n", draw(st.sampled_from(["\r\n", "\n"])))


# What the fast way of reading a report text looks at: nearly always usual, and sometimes odd by one thing.
_ASCII_LINES = st.text(st.characters(min_codepoint=1, max_codepoint=126, exclude_characters="\n"), max_size=12)
_SHORT = st.text(st.sampled_from("ab@.:-"), min_size=1, max_size=4)
_NEARLY_PLAIN = st.one_of(
    _SHORT,
    _SHORT,
    _SHORT,
    st.sampled_from(
        ["Expanded:", "Expanded:b", "forwarded:b", "a:", "smtp:a", "x" * 560, "x" * 571, "x" * 572, "\x0b", "\x01"]
    ),
)
_NEARLY_USUAL_LINES = st.one_of(
    st.builds("{}: {}".format, st.sampled_from(Role), _NEARLY_PLAIN),
    st.builds("{}: {}, Expanded: {}".format, st.sampled_from(Role), _NEARLY_PLAIN, _NEARLY_PLAIN),
)
_ODD_LINES = st.one_of(
    st.builds("{}: {}, Forwarded: {}".format, st.sampled_from(Role), _NEARLY_PLAIN, _NEARLY_PLAIN),
    st.builds("{}:{}".format, st.sampled_from(Role), _NEARLY_PLAIN),
    _REPORT_LINES,
)


@st.composite
def nearly_usual_texts(draw: st.DrawFn) -> str:
    """A report text as Exchange writes it, with at most some characters changed."""
    recipient_lines = draw(st.lists(_NEARLY_USUAL_LINES, max_size=4))
    if draw(st.integers(0, 3)) == 0:
        recipient_lines.insert(draw(st.integers(0, len(recipient_lines))), draw(_ODD_LINES))
    subject = draw(_ASCII_LINES)
    text = f"Sender: {draw(_NEARLY_PLAIN)}\nSubject: {subject}\nMessage-Id: {draw(_ASCII_LINES)}\n"
    text += "\n".join(recipient_lines) + draw(st.sampled_from(["", "\n", "\n", "\n\n"]))
    if draw(st.integers(0, 3)) == 0:
        where = draw(st.integers(0, len(text)))
        text = (
            text[:where]
            + draw(st.sampled_from(list(' \t,:<>"\r\0\n\u00e9;aE')))
            + text[where + draw(st.integers(0, 1)) :]
        )
    return text


# Messages as what they say, and the ways in which servers send them


class Leaf(NamedTuple):
    """A part without parts: its type, further fields, and its content; lines of text end in LF, the last one in nothing."""

    media_type: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    content: bytes


class Branch(NamedTuple):
    """A multipart: its type, further fields, its parts, and the text before and after them."""

    media_type: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    parts: "tuple[Leaf | Branch, ...]"
    preamble: bytes
    epilogue: bytes


class Mail(NamedTuple):
    """A message as what it says: fields that a reader is shown, each name once and in order of names, and its content."""

    fields: tuple[tuple[bytes, bytes], ...]
    root: Leaf | Branch


_SHOWN_NAMES = [
    b"cc",
    b"comments",
    b"content-description",
    b"date",
    b"from",
    b"in-reply-to",
    b"keywords",
    b"message-id",
    b"mime-version",
    b"references",
    b"reply-to",
    b"sender",
    b"subject",
    b"to",
    b"x-exjournal-envelope-sender",
]
_SHOWN_VALUES = st.lists(
    st.sampled_from([b"a", b"b", b"Re:", b"bob@example.net", b"<1@example.com>", b"=?utf-8?q?=C3=A9?=", b"\xc3\xa9"]),
    max_size=4,
).map(b" ".join)
_PART_FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"content-disposition", b"content-id", b"x-a", b"content", b"part", b"epilogue"]),
        st.sampled_from([b"", b"a", b"attachment; filename=a.txt", b'attachment; filename="b c.txt"']),
    ),
    max_size=2,
).map(tuple)
_TEXTS = (
    st.lists(st.sampled_from([b"", b" ", b"Hi.", b"caf\xc3\xa9", b"=", b"=3D", b"QUJD", b"--", b". "]), max_size=4)
    .map(b"\n".join)
    .map(lambda text: text.rstrip(b"\n"))
)
_TEXT_TYPES = st.sampled_from([b"text/plain", b"text/plain; charset=utf-8", b"text/html", b"text/calendar"])
_LEAVES = st.builds(Leaf, _TEXT_TYPES, _PART_FIELDS, _TEXTS) | st.builds(
    Leaf, st.sampled_from([b"application/octet-stream", b"image/png"]), _PART_FIELDS, st.binary(max_size=12)
)
_BRANCH_TYPES = st.sampled_from([b"multipart/mixed", b"multipart/alternative", b'multipart/related; type="text/html"'])
_ASIDES = st.sampled_from([b"", b"", b"aside"])


def _branches(parts: st.SearchStrategy[Leaf | Branch]) -> st.SearchStrategy[Leaf | Branch]:
    return st.builds(
        Branch, _BRANCH_TYPES, _PART_FIELDS, st.lists(parts, min_size=1, max_size=3).map(tuple), _ASIDES, _ASIDES
    )


_ROOTS = st.recursive(_LEAVES, _branches, max_leaves=4)


def _is_shallow(part: Leaf | Branch, room: int = 4) -> bool:
    return isinstance(part, Leaf) or (room > 0 and all(_is_shallow(one, room - 1) for one in part.parts))


@st.composite
def mails(draw: st.DrawFn) -> Mail:
    """Messages by their content; the fields of the content itself are in the header of the message."""
    fields = draw(st.dictionaries(st.sampled_from(_SHOWN_NAMES), _SHOWN_VALUES, max_size=5))
    root = draw(_ROOTS.filter(_is_shallow))._replace(fields=())
    return Mail(tuple(sorted(fields.items())), root)


def _changed_octets(draw: st.DrawFn, octets: bytes) -> bytes:
    where = draw(st.integers(0, len(octets)))
    return octets[:where] + draw(st.sampled_from([b"", b"x"])) + octets[where + draw(st.integers(0, 1)) :]


def _changed_part(draw: st.DrawFn, part: Leaf | Branch, *, is_root: bool) -> Leaf | Branch:
    if isinstance(part, Branch):
        where = draw(st.integers(0, len(part.parts) - 1))
        before, one, behind = part.parts[:where], part.parts[where], part.parts[where + 1 :]
        match draw(st.integers(0, 6)):
            case 0:
                return part._replace(preamble=_changed_octets(draw, part.preamble).strip())
            case 1:
                return part._replace(epilogue=_changed_octets(draw, part.epilogue).strip())
            case 2:
                return part._replace(parts=(*before, one, one, *behind))
            case 3 if len(part.parts) > 1:
                return part._replace(parts=before + behind)
            case 4:
                return part._replace(parts=(*behind, one, *before))
            case _:
                return part._replace(parts=(*before, _changed_part(draw, one, is_root=False), *behind))
    if not is_root and draw(st.booleans()):
        return part._replace(fields=draw(_PART_FIELDS))
    if draw(st.integers(0, 3)) == 0:
        return part._replace(media_type=part.media_type + b"; name=x")
    content = _changed_octets(draw, part.content)
    return part._replace(content=content.rstrip(b"\n") if part.media_type.startswith(b"text/") else content)


@st.composite
def changed_mails(draw: st.DrawFn, mail: Mail) -> Mail:
    """What a message says, changed in one place; now and then it comes out as it was."""
    if mail.fields and draw(st.integers(0, 2)) == 0:
        fields = dict(mail.fields)
        name = draw(st.sampled_from(sorted(fields)))
        if draw(st.booleans()):
            del fields[name]
        else:
            fields[name] = b" ".join((fields[name] + b" more").split())
        return mail._replace(fields=tuple(sorted(fields.items())))
    return mail._replace(root=_changed_part(draw, mail.root, is_root=True))


_TRACES = st.sampled_from(
    [
        b"Received: from a.example\r\n\tby b.example",
        b"Return-Path: <>",
        b"DKIM-Signature: v=1",
        b"X-MS-Exchange-Organization-SCL: 1",
        b"X-ExJournal-Stamp: v=2; s=x; t=",
        b"X-ExJournal-Seal: v=2; s=x",
        b"Bcc: bob@example.net",
        b"Delivered-To: bob@example.net",
        b"Authentication-Results: b.example; spf=none",
    ]
)


@st.composite
def sent(draw: st.DrawFn, mail: Mail) -> bytes:
    """The bytes of a message in one of the ways in which servers pass it on.

    Line ends, those at the very end, folds, letter case and order of fields, trace fields and a From line are drawn. The body
    is written in one way.
    """
    end = draw(st.sampled_from([b"\r\n", b"\n"]))

    def field(name: bytes, value: bytes) -> bytes:
        if name == b"content-transfer-encoding" and value == b"base64":
            return name + b": " + value + end  # folded, it is unknown to some readers
        words = value.split()
        gaps = [draw(st.sampled_from([b" ", b" ", b"  ", b"", end + b" ", end + b"\t"])) for _ in words[:1]]
        # The number of spaces is shown in a field that is text.
        wide = b" " if name in {b"subject", b"comments", b"content-description"} or b'"' in value else b"  "
        gaps += [draw(st.sampled_from([b" ", b" ", wide, end + b" ", end + b"\t"])) for _ in words[1:]]
        name = draw(st.sampled_from([name, name.title(), name.upper()]))
        return name + b":" + b"".join([gap + word for gap, word in zip(gaps, words, strict=True)]) + end

    header, body = _written(mail.root, iter(range(1000)))
    own = [field(name, value) for name, value in [*mail.fields, *header]]
    traces = [trace.replace(b"\r\n", end) + end for trace in draw(st.lists(_TRACES, max_size=3))]
    block = draw(st.permutations([*own, *traces]))
    before = draw(st.sampled_from([b"", b"", b"From someone@example.com Thu Jan 15 00:00:00 2026" + end]))
    return before + b"".join(block) + end + body.replace(b"\n", end) + end * draw(st.integers(0, 2))


def _written(part: Leaf | Branch, numbers: Iterator[int]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The header fields and the body of a part, whose lines end in LF."""
    if isinstance(part, Leaf):
        is_text = part.media_type.startswith(b"text/")
        encoding = b"8bit" if is_text else b"base64"
        header = [(b"content-type", part.media_type), (b"content-transfer-encoding", encoding), *part.fields]
        return header, part.content if is_text else base64.encodebytes(part.content)
    boundary = b"=_%d" % next(numbers)
    pieces = [part.preamble + b"\n"] if part.preamble else []
    for one in part.parts:
        header, body = _written(one, numbers)
        block = b"".join([b"%b: %b\n" % field for field in header])
        pieces.append(b"--" + boundary + b"\n" + block + b"\n" + body + b"\n")
    header = [(b"content-type", part.media_type + b'; boundary="%b"' % boundary), *part.fields]
    return header, b"".join([*pieces, b"--", boundary, b"--\n", part.epilogue])


# Forks: one message, as a server writes it into several reports

_BOUNDARY_ENDS = st.text(st.sampled_from("ab01+_,-./:="), min_size=1, max_size=10).map(str.encode)


@st.composite
def forked(draw: st.DrawFn, mail: Mail) -> bytes:
    """The bytes of a message as `sent()` gives them, with new boundaries, as a server writes them that forks a message.

    Parameters of the parts may be folded anew as well. Blanks are not doubled: their number is shown in some fields.
    """
    message = draw(sent(mail)).replace(b"  ", b" ")
    ends = draw(st.lists(_BOUNDARY_ENDS, min_size=4, max_size=4))

    def boundary(found: re.Match[bytes]) -> bytes:
        # No number is the beginning of another one with its stroke, so no boundary is one of another boundary.
        return b"%b_%b" % (found[1], ends[int(found[1]) % len(ends)])

    message = re.sub(rb"=_(\d+)", boundary, message)
    message = re.sub(rb"\AFrom someone@", b"From alice@", message)
    gaps = [b"; ", b";", b";\r\n\t", b";\r\n "] if b"\r\n" in message else [b"; ", b";", b";\n\t", b";\n "]
    gap = draw(st.sampled_from(gaps))
    return re.sub(rb"(?mi)^content-(?:type|disposition):[^\r\n]*+", lambda field: field[0].replace(b"; ", gap), message)
