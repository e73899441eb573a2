"""What fuzzing begins with: the tests' corpus where it is there, and reports of every shape that the writer writes."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exjournal import Envelope, ParseError, Recipient, build_report, parse_report, report_for

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
    """The report with its text part in a multipart of its own, as a gateway leaves it that adds an HTML twin."""
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
    """The seeds as files of a folder that is there for as long as the fuzzer runs."""
    with tempfile.TemporaryDirectory(prefix="exjournal-seeds-") as path:
        for number, seed in enumerate(seeds):
            Path(path, f"{number:04}").write_bytes(seed)
        yield path


def arguments(given: list[str], folder: str, /) -> list[str]:
    """The arguments for libFuzzer with our dictionary and seeds added, unless a file is to be run again."""
    result = list(given)
    if any(not argument.startswith("-") and Path(argument).is_file() for argument in given[1:]):
        return result
    if not any(argument.startswith("-dict=") for argument in given):
        result.append(f"-dict={_DICTIONARY}")
    return [*result, folder]
