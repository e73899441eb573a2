"""Memory: no input takes more than 20 times its size, or 64 MB if that is more, the result included.

A process that reads mail from strangers can plan with that. The table has one row for each way in which a few bytes of input
could become an object of their own; a server writes nothing like it.
"""

import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from string import ascii_letters

import pytest

from strategies import PART, TEXT, a_message

# Bytes: a little more than the size from which on the factor counts.
SIZE = 3_500_000
FACTOR = 20
LEAST = 64 << 20

HEAD = b"Sender: alice@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\n"
HEAD_2003 = b"Sender: <alice@example.com>\r\nMessage-ID: <1@example.com>\r\nRecipients:\r\n\tbob@example.net,\r\n"

Make = Callable[[], bytes]


def filled(piece: bytes, size: int = SIZE) -> bytes:
    """One piece all through; # is another letter each time, so that no two neighbors are one object."""
    if b"#" in piece:
        letters = [one.encode() + other.encode() for one, other in product(ascii_letters, repeat=2)]
        piece = b"".join([piece.replace(b"##", pair).replace(b"#", pair[:1]) for pair in letters])
    return piece * (size // len(piece))


def text(piece: bytes, *, head: bytes = TEXT, kind: bytes = b"text/plain", encoding: bytes = b"7bit") -> Make:
    """A report whose text is one piece after the fields and recipients of `head`."""
    header = b"Content-Type: %b\r\nContent-Transfer-Encoding: %b" % (kind, encoding)
    return lambda: a_message(head + filled(piece), PART, header=header)


def html(piece: bytes) -> Make:
    """A report text in HTML that is one piece after the lines of a report."""
    return text(piece, head=TEXT.replace(b"<", b"&lt;").replace(b"\r\n", b"<br>"), kind=b"text/html")


def wide() -> bytes:
    """A report text in UTF-16."""
    content = (TEXT + filled(b"ab\n", SIZE // 2)).decode("ascii").encode("utf-16")
    return a_message(content, PART, header=b"Content-Type: text/plain; charset=utf-16")


def copy(piece: bytes) -> Make:
    """A copy with as long an address field as a header block may have."""
    return lambda: b"From: alice@example.com\r\nTo: " + filled(piece, 500_000) + b"\r\n\r\nHello.\r\n"


def encoded_original(piece: bytes, encoding: bytes) -> Make:
    """A report whose original is one piece in a transfer encoding."""
    header = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding
    return lambda: a_message(TEXT, header + b"\r\n\r\nSubject: Hello\r\n\r\n" + filled(piece))


def bounce(kind: bytes, content: Make) -> Make:
    """A bounce with a part of some kind, and a report."""
    return lambda: (
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=outer\r\n\r\n--outer\r\nContent-Type: "
        + kind
        + b"\r\n\r\n"
        + content()
        + b"\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n"
        + a_message(TEXT, PART)
        + b"\r\n--outer--\r\n"
    )


REPORTS: dict[str, Make] = {
    "odd lines of one letter": text(b"x\n"),
    "odd lines": text(b"ab\n"),
    "odd lines that take turns": text(b"a:\nb\n"),
    "odd lines with empty ones between them": text(b"ab\n\n"),
    "empty lines": text(b"\n"),
    "recipients of two letters": text(b"To: ##\n", head=HEAD),
    "recipients of two roles": text(b"To: ##\nCc: ##\n", head=HEAD),
    "recipients of 16 bytes": text(b"To: #@b.example\n", head=HEAD),
    "recipients of 24 bytes": text(b"To: ##@b.c, Expanded: ##\n", head=HEAD),
    "recipients with lists": text(b"To: ##, Expanded: ##\n", head=HEAD),
    "recipients in brackets": text(b"To:#<##>\n", head=HEAD),
    "recipients that are not valid": text(b"To:<>\n"),
    "recipients that are folded": text(b"To: ##,\n Expanded: c\n"),
    "folds of a subject": text(b" ab\n", head=b"To: b\nSender: a\nMessage-Id: <1>\nSubject: Hello\n"),
    "folds of a recipient": text(b" a,\n", head=HEAD + b"To: b\nTo: ,\n"),
    "one line outside ASCII": text(b"\xe9", kind=b"text/plain; charset=iso-8859-1"),
    "one line of equals signs in quoted-printable": text(b"=xy", encoding=b"quoted-printable"),
    "blanks at line ends in quoted-printable": text(b"a \n", encoding=b"quoted-printable"),
    "odd lines in UTF-7": text(b"ab\n", kind=b"text/plain; charset=utf-7"),
    "odd lines in UTF-16": wide,
    "odd lines in ISO-2022-JP": text(b'\x1b$B$"\x1b(B\n', kind=b"text/plain; charset=iso-2022-jp"),
    "odd lines after one wide character": text(
        b"ab\n", head=TEXT + "\U0001f600".encode(), kind=b"text/plain; charset=utf-8"
    ),
    "HTML: tags": html(b"<b>ab"),
    "HTML: breaks": html(b"<br>ab"),
    "HTML: breaks that nothing separates": html(b"<br>a>"),
    "HTML: preformatted text": html(b"<pre>ab"),
    "HTML: titles": html(b"<title>ab</title>cd"),
    "HTML: blanks": html(b"ab "),
    "HTML: character references": html(b"&#937"),
    "HTML: wide character references": html(b"&#128512;"),
    "an original in damaged quoted-printable": encoded_original(b"=x", b"quoted-printable"),
    "an original in damaged base64": encoded_original(b"QUJD*=\r\n", b"base64"),
    "multiparts without parts": lambda: a_message(
        TEXT,
        b"Content-Type: multipart/mixed; boundary=in\r\n\r\n"
        + filled(b"--in\nContent-Type:multipart/a;boundary=b\n\n--b--\n")
        + b"--in--",
        PART,
    ),
}
REPORTS_2003: dict[str, Make] = {
    "odd lines": text(b"ab\n", head=HEAD_2003),
    "odd lines that take turns": text(b"a:\nb\n", head=HEAD_2003.replace(b"\tbob", b"bob")),
    "short addresses on one line": text(b"##@#,", head=HEAD_2003 + b"\t"),
    "short addresses in brackets on one line": text(b"##<##>,", head=HEAD_2003 + b"\t"),
    "addresses of 16 bytes on one line": text(b"##<##@b.example>,", head=HEAD_2003 + b"\t"),
    "short addresses on lines": text(b"\t##@#\n", head=HEAD_2003),
    "addresses of 24 bytes on one line": text(b"######<######@b.example>,", head=HEAD_2003 + b"\t"),
    "names outside ASCII": text(b"\xb3#<\xb3#>,", head=HEAD_2003 + b"\t", kind=b"text/plain; charset=iso-8859-2"),
    "a name of many words": text(b'"a" x ', head=HEAD_2003 + b"\t"),
    "paragraphs of a list": text(b"\t##@#\n\n", head=HEAD_2003),
}
COPIES: dict[str, Make] = {
    "entries of one letter": copy(b"a,"),
    "entries": copy(b"##,"),
    "addresses": copy(b"##@#,"),
    "names": copy(b"##<##@#>,"),
}
BOUNCES: dict[str, Make] = {
    "statuses": bounce(b"message/delivery-status", lambda: filled(b"Action:##\nStatus:##\n\n")),
    "a report of odd lines": bounce(b"message/rfc822", text(b"a:\nb\n")),
    "the header of a message": bounce(b"text/rfc822-headers", lambda: filled(b"a:\n")),
}


READERS: dict[str, tuple[dict[str, Make], str]] = {
    "envelope": (REPORTS, "exjournal.parse_report(data)"),
    "2003": (REPORTS_2003, "exjournal.parse_report(data, format='envelope-2003')"),
    "bcc": (COPIES, "exjournal.parse_report(data, format='bcc')"),
    "message-only": (COPIES, "exjournal.parse_report(data, format='message-only')"),
    "bounce": (BOUNCES, "(exjournal.unwrap_undeliverable(data), exjournal.unwrap_undeliverable(data).parsed)"),
}
CASES = [
    pytest.param(make, reader, id=f"{format}: {name}")
    for format, (rows, reader) in READERS.items()
    for name, make in rows.items()
]

# Resident memory is what a process is charged for. Its peak belongs to a process, so each case has one of its own.
STATUS = Path("/proc/self/status")
CHILD = """
import sys
import exjournal
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
with open(sys.argv[1], "rb") as file:
    data = file.read()
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = peak()
try:
    result = {reader}
except exjournal.ParseError as error:
    result = error
print((peak() - before) * 1024, len(getattr(getattr(result, "report", None), "recipients", ())))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STATUS.exists(), reason="only Linux shows the peak of resident memory"),
]


def measured(data: bytes, reader: str, folder: Path) -> tuple[int, int]:
    """The most memory that a process takes to read an input, without the input itself, and the recipients that it reads."""
    path = folder / "input.eml"
    path.write_bytes(data)
    command = [sys.executable, "-c", CHILD.format(reader=reader), str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    memory, recipients = map(int, output.split())
    return memory, recipients


@pytest.mark.parametrize(("make", "reader"), CASES)
def test_memory(make: Make, reader: str, tmp_path: Path) -> None:
    """Reading an input and holding the result takes no more memory than the bound."""
    data = make()
    assert measured(data, reader, tmp_path)[0] <= max(FACTOR * len(data), LEAST)


@pytest.mark.parametrize("roles", [(b"To", b"To"), (b"To", b"Cc")], ids=["one role", "two roles"])
def test_largest_text(roles: tuple[bytes, bytes], tmp_path: Path) -> None:
    """A report text as large as one may be, of recipients on short lines, keeps the bound and all recipients."""
    piece = b"%b: ##.smith@bc.example\r\n%b: ##.smith@de.example\r\n" % roles
    data = a_message(HEAD + filled(piece, (16 << 20) - 1000), PART)
    memory, recipients = measured(data, "exjournal.parse_report(data)", tmp_path)
    assert memory <= FACTOR * len(data)
    assert recipients == data.count(b".example\r\n")
