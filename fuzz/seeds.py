"""The first inputs of fuzzing: the corpus of the tests, if it is there, and reports of every shape from the writer."""

import base64
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exjournal import BuildError, Envelope, ParseError, Recipient, ReportFormat, build_report, parse_report, report_for

_HERE = Path(__file__).parent
_CORPUS = _HERE.parent / "tests" / "corpus"
_DICTIONARY = _HERE / "report.dict"

_MESSAGES = (
    b"",
    b"no header here\n",
    b"From: ann@example.com\r\nTo: bob@example.com\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nText.\r\n",
    b"From: Ann <ann@example.com>\nCc: staff: bob@example.com, carol@example.net;\nSubject: =?utf-8?q?H=C3=A9?=\n\n",
    b'Sender: dave@example.com\r\nFrom: "A, B" (note (deep)) <@example.net:ann@example.com>\r\nSubject:\r\n a\r\n\r\n',
    "Subject: Grüße\r\nFrom: jörg@exämple.example\r\nList-Id: <l.example>\r\nMessage-ID:\r\n <2@c>\r\n\r\n\0".encode(),
    b"From ann Thu Jan  1 00:00:00 2026\nFrom: ann@example.com\nPrecedence: list\nTo: bob@example.com,\n\tcarol@b\n\n",
    b"Content-Type: multipart/mixed; boundary=a\r\nX-MS-Journal-Report:\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n",
    b"Subject: =?iso-2022-jp?B?GyRCJUYlOSVIGyhC?= =?utf-8?b?w6k=?=\r\nFrom: =?utf-8?q?=22?= <a@b>\r\n\r\n--_0_\r\n",
)
_ENVELOPES = (
    ("@", "ann@example.com", "bob@example.com"),
    ("A", "ann@example.com", "bob@example.com>staff@example.com", "carol@example.net"),
    ("C", "", '"b, Expanded: o"@example.com>"x y"@example.net', "/o=org/cn=x"),
    ("D", "jörg@exämple.example", "bob@exämple.example", "IMCEAEX-_o=x@example.com"),
    ("I", "ann@[192.0.2.1]", "bob"),
)


# Texts of Exchange 2003 in the forms of several writers.
_TEXTS_2003 = (
    b'Sender: "Ann" <smtp:ann@example.com>\r\nMessage-ID: <1@b>\r\nRecipients:\r\n\t"B, C" <smtp:b@c>,\r\n\t<X400:/a=b>\r\n',
    b"Sender: ann @ example\nMessage-ID: <1@b>\nRecipients:\n\tbob @ example\n\t(null) <carol@example.net>\n",
    b'Recipients: "\\"q\\"" <b@c>, d@e\r\nSender: <>\r\nSubject: s\r\n\r\nWe disclaim: a@b\r\n',
    b"Sender: <smtp:ann@example.com>\r\nMessage-ID:\r\nRecipients:\r\n\t<smtp:b=\r\nob@example.com>,\r\n",
)


def reports_2003() -> Iterator[bytes]:
    """Reports of Exchange 2003, and messages that could be copies."""
    yield from _corpus()
    yield from _MESSAGES
    for number, message in enumerate(_MESSAGES):
        _, sender, *named = _ENVELOPES[number % len(_ENVELOPES)]
        recipients = [Recipient(name.partition(">")[0], display_name=f"{number}, x") for name in named]
        report = report_for(message, Envelope(sender, recipients, authenticated=bool(number % 2)))
        for format in (ReportFormat.ENVELOPE_2003, ReportFormat.BCC):
            try:
                built = build_report(report, message, domain="example.com", format=format)
            except BuildError:
                continue
            yield built
            yield built.replace(b"\r\n", b"\n")
    for text in _TEXTS_2003:
        yield _report_2003(b"Content-Transfer-Encoding: quoted-printable\r\n", text)
    # More digits than the interpreter converts to a number.
    html = b"Sender: a@b<br>Recipients: c&#64;d<br>&#%b;" % (b"9" * 5000)
    yield _report_2003(b"Content-Type: text/html\r\n", html)


def _report_2003(part: bytes, text: bytes) -> bytes:
    return (
        b"Content-Identifer: ExJournalReport\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
        + part + b"\r\n" + text + b"\r\n"
        b"--a\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <1@b>\r\n\r\nText.\r\n--a--\r\n"
    )  # fmt: skip


def bounces() -> Iterator[bytes]:
    """Bounces of reports: of RFC 3464, with headers only, in a plain multipart, in base64, and one inside another."""
    yield from _corpus()
    for number, report in enumerate(reports()):
        if len(report) > _BOUNCED_LIMIT or number % 5:
            continue
        attached = b"Content-Type: message/rfc822\r\n\r\n" + report
        once = _bounce(b"b1", b"multipart/report; report-type=delivery-status", _STATUS, attached)
        yield once
        yield once.replace(b"\r\n", b"\n")
        yield _bounce(b"b2", b"multipart/mixed", b"\r\nYour message was not delivered.\r\n", attached)
        yield _bounce(b"b3", b"multipart/report", _STATUS, b"Content-Type: message/rfc822\r\n\r\n" + once)
        header = report.partition(b"\r\n\r\n")[0] + b"\r\n"
        yield _bounce(b"b4", b"multipart/report", _STATUS, b"Content-Type: text/rfc822-headers\r\n\r\n" + header)
        encoded = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(
            report
        )
        yield _bounce(b"b5", b"multipart/report", _STATUS, encoded)


# Bytes of a report: larger ones make fuzzing slow without adding cases.
_BOUNCED_LIMIT = 4096
_STATUS = (
    b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.com\r\n\r\n"
    b"Original-Recipient: rfc822;journal@example.com\r\nFinal-Recipient: rfc822; journal@example.net\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp;\r\n 550 no\r\n\r\n"
)


def _bounce(boundary: bytes, media_type: bytes, *parts: bytes) -> bytes:
    head = b'Content-Type: %b; boundary="%b"\r\nMIME-Version: 1.0\r\nX-MS-Embedded-Report:\r\n\r\n' % (
        media_type,
        boundary,
    )
    body = b"".join([b"\r\n--%b\r\n" % boundary + part for part in parts])
    return head + body + b"\r\n--%b--\r\n" % boundary


def reports() -> Iterator[bytes]:
    """Reports to read."""
    yield from _corpus()
    for number, message in enumerate(_MESSAGES):
        options, sender, *named = _ENVELOPES[number % len(_ENVELOPES)]
        recipients = [
            Recipient(address, expanded_from=origin or None) for address, _, origin in (n.partition(">") for n in named)
        ]
        envelope = Envelope(sender, recipients, authenticated=bool(ord(options) & 1))
        built = build_report(
            report_for(message, envelope),
            message,
            domain="example.com",
            decrypted=message if ord(options) & 8 else None,
            internal=bool(ord(options) & 4),
            report_id=f"<{number}@journal.report.generator>",
        )
        yield built
        yield built.replace(b"\r\n", b"\n")
        yield _wrapped(built)


def _wrapped(report: bytes) -> bytes:
    """Return the report with its text part in a multipart, as after a gateway that adds an HTML version."""
    boundary = report.partition(b'"')[2].partition(b'"')[0]
    before, text, rest = report.split(b"\r\n--%b\r\n" % boundary, 2)
    inner = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + text
    inner += b"\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n"
    return (b"\r\n--%b\r\n" % boundary).join((before, inner, rest))


def messages() -> Iterator[bytes]:
    """Envelopes with the messages under them, in the form that `fuzz_report_for` reads."""
    found = [*_MESSAGES]
    for report in _corpus():
        found.append(report)
        try:
            original = parse_report(report).original_bytes()
        except ParseError:
            continue
        if original:
            found.append(original)
    for number, message in enumerate(found):
        yield "\t".join(_ENVELOPES[number % len(_ENVELOPES)]).encode() + b"\n" + message


def _corpus() -> Iterator[bytes]:
    for path in sorted(_CORPUS.rglob("*.eml")):
        yield path.read_bytes()


@contextmanager
def folder(seeds: Iterable[bytes], /) -> Iterator[str]:
    """Write the seeds to files in a folder that exists while the fuzzer runs."""
    with tempfile.TemporaryDirectory(prefix="exjournal-seeds-") as path:
        for number, seed in enumerate(seeds):
            Path(path, f"{number:04}").write_bytes(seed)
        yield path


def arguments(given: list[str], folder: str, /) -> list[str]:
    """Return the arguments for libFuzzer with our dictionary and seeds, unless a file is to be run again."""
    result = list(given)
    if any(not argument.startswith("-") and Path(argument).is_file() for argument in given[1:]):
        return result
    if not any(argument.startswith("-dict=") for argument in given):
        result.append(f"-dict={_DICTIONARY}")
    return [*result, folder]
