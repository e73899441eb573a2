"""Any piece repeated in any place: twice the input takes every public reader at most about twice the time.

The table is tokens x places x readers, each measured at growing sizes. It is the one module of the suite that reads a clock.
The other tests of linear work count lines of Python, and slow code is often a single line: a pattern that tries each
place of a long value, or a slice that copies the rest of it. Only time shows that.

So that no busy or slow machine fails it, the clock is that of the process, a cell that looks bad is measured several times,
the smallest figures count, and it must look bad at two doublings in a row. No cell is compared with a number of seconds: what
100 KB may take is measured in plain work of the interpreter, beside the cell.
"""

import base64
import gc
import io
import json
import quopri
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exjournal import (
    LEAVING_HEADERS,
    RESTORE_HEADERS,
    Envelope,
    JournalAgent,
    JournalError,
    JournalReport,
    JournalRule,
    MboxVariant,
    MergedReport,
    Organization,
    Recipient,
    ReportFormat,
    RuleSet,
    Scope,
    address_key,
    build_report,
    decide,
    detect_format,
    detect_loop,
    identify,
    load_config,
    load_secret,
    mailbox_key,
    merge,
    message_kind,
    parse_report,
    read_archive,
    report_for,
    strip_headers,
    unwrap_undeliverable,
    verify_seal,
)
from exjournal.addresses import same_mailbox
from exjournal.journaling.header_firewall import matching_headers

# Seconds that no cell is too slow in: clocks and caches make any ratio of such times.
FLOOR = 0.01
# A doubling that takes more than this many times as long is not linear; a linear one takes 2.
RATIO = 3
# How many times the time of `plain_work` 100 KB may take: about a second, where that work takes a tenth of one.
BUDGET = 10
# Each figure that counts against a reader is the smallest of this number.
TRIES = 3
# Cells of one reader in one place that are reported: all would take long, and the others are found when these are mended.
ENOUGH = 3
# Bytes of the smallest of the three sizes, each twice the one before.
SIZE = 8 << 10
# Lines of the smallest size of a header block: the largest block has 20 000.
HEADER_LINES = 4500

# The repeated piece. Of two tokens, the first fills one half, the second the other.
TOKENS: tuple[tuple[bytes, ...], ...] = (
    *[
        (token,)
        for token in (
            *(b" ", b"\t", b"\n", b"\r", b"\r\n", b"\r\n ", b" \n\t", b"\0", b"\x0b", b"\xc2\xa0"),
            *(b"a", b"a ", b"a,", b"a@", b"@", b"a@b,", b"a@b ", b" @", b"@b:", b"a.", b",", b"*", b"%", b"'"),
            *(b"<", b">", b"<>", b"<a@b>", b"<a@b>,", b"(", b")", b"()", b"[", b"]", b"[]", b".", b"?"),
            *(b'"', b'""', b'"a" ', b"\\", b'\\"', b"\\\\", b'"\\', b";", b":", b"a:", b"a:;", b"a:\n", b"a: b\r\n"),
            *(b"=", b"=\r\n", b"= ", b"=3D", b"=?", b"?=", b"=?a?q?", b"=?utf-8?q?a?= ", b"=?utf-8?b?YQ==?=\r\n "),
            *(b"-", b"--", b"\r\n--b", b"--b\r\n", b"\n--b--\r\n", b"\r\n--b\r\n\r\n", b"\r\n--", b"\n--bx"),
            *(b"boundary=", b"boundary=a;", b"boundary*0=a;", b"; a=b", b'; a="b', b"; charset=utf-8"),
            *(b"To: a@b\r\n", b"To:\r\n", b"Sender: a@b\r\n", b"Message-Id: a\n", b"a\r\n", b"a\n\n", b"To: a,\n "),
            *(b", Expanded: a@b", b", Forwarded: ", b" expanded:", b",\texpanded", b"\t<a@b>\n", b"smtp:"),
            *(b'\t"n" <smtp:a@b>,', b'\t"n" <smtp:a@b>,\r\n', b"Recipients:\n", b"\n\n\t"),
            *(b"<br>", b"<p>", b"</p> ", b"<script>", b"</script>", b"<pre>", b"<!--", b"&", b"&#1;", b"&#", b"&lt"),
            *(b"From ", b"\nFrom ", b"\n>From ", b"\n\nFrom a 1:11 2000\n", b"\n>", b"Received: x\r\n"),
            *(b"Bcc: a@b\r\n", b"Content-Type: a\n", b"Final-Recipient: a\n\n", b"Status: 5\r\n\r\n"),
            *("é".encode(), "é".encode("latin-1"), b"xn--", b"+A-", b"+", b"\x1b$B", b"\x1b(B", b"\xff", b"v=1; s="),
            *(b"9", b"1:", b"../", b"[a]\n", b"a=1\n"),
        )
    ],
    *[(b"<", b">"), (b">", b"<"), (b"(", b")"), (b'"', b"\\"), (b'"', b"<"), (b" ", b"a"), (b"a ", b"<")],
    *[(b"a@b,", b"<"), (b"a\n", b"\n"), (b"\n", b"a\n"), (b"=?utf-8?q?a?= ", b"=?"), (b"\t", b":")],
    *[(b"a", b"\r\n a"), (b"\r\n a", b"a"), (b"a@b, ", b"\n\ta"), (b"a\n", b"a"), (b"a", b"a\n"), (b" ", b"a\n")],
    *[(b"<p>", b"<"), (b"\n--b", b"\n--b--"), (b" \n", b"a:\n"), (b"To: a@b\n", b"\n\nTo: a@b")],
)

SECRET = b"the first secret"
ENVELOPE = Envelope("ann@example.com", ["bob@example.com", "carol@example.net"], authenticated=True)
TRUSTED = Envelope("ann@example.com", ["bob@example.com"], trusted_path=True)
ORGANIZATION = Organization(["example.com"], alternate_mailbox="alternate@example.com")
RULES = RuleSet(
    [
        JournalRule("all", "journal@archive.example"),
        JournalRule("boss", "boss@archive.example", recipient="boss@example.com", scope=Scope.EXTERNAL),
        JournalRule("2003", "old@archive.example", format=ReportFormat.ENVELOPE_2003),
        JournalRule("copies", "copies@archive.example", format=ReportFormat.BCC),
    ],
    ORGANIZATION,
)
AGENT = JournalAgent(RULES, domain="example.com", secrets=[SECRET], write_processed=True)

# How a reader is called: with what the place makes of the fill, and a path for those that read files.
Reader = Callable[[Any, Path], object]


def _parse(format: ReportFormat | None) -> Reader:
    def read(data: bytes, _: Path) -> object:
        parsed = parse_report(data, format=format)
        return parsed.to_dict(), list(parsed.headers), parsed.report.sent_at

    return read


def _merge(data: bytes, _: Path) -> object:
    parsed = parse_report(data)
    (merged,) = merge([parsed, {**parsed.to_dict(), "identity": identify(parsed).to_dict()}])
    return merged.to_dict()


def _decide(data: bytes, _: Path) -> object:
    return [decide(data, one, RULES, secrets=[SECRET]).to_dict() for one in (ENVELOPE, TRUSTED)]


def _process(data: bytes, _: Path) -> object:
    return AGENT.process(data, ENVELOPE).header_fields


def _build(format: ReportFormat) -> Reader:
    def read(data: bytes, _: Path) -> object:
        return build_report(report_for(data, ENVELOPE), data, domain="example.com", format=format)

    return read


def _archive(*, mbox: MboxVariant | None = None, undeliverable: bool = False) -> Reader:
    def read(data: bytes, path: Path) -> object:
        path.write_bytes(data)
        return sum(1 for _ in read_archive(path, mbox=mbox, undeliverable=undeliverable))

    return read


def _config(data: str, path: Path) -> object:
    path.write_text(data, "utf-8", "replace")
    return load_config(path)


def _secret(data: bytes, path: Path) -> object:
    path.write_bytes(data)
    return load_secret(path)


def _address(data: str, _: Path) -> object:
    return address_key(data), mailbox_key(data), same_mailbox(data, data + "x")


def _values(data: str, _: Path) -> None:
    for make in (
        lambda: Recipient(data),
        lambda: Recipient("a@b", display_name=data),
        lambda: Envelope(data, ["a@b"]),
        lambda: JournalReport(sender="a@b", recipients=["a@b"], subject=data, message_id=data, sent_utc=data),
        lambda: Organization([data]),
        lambda: JournalRule(data, "a@b"),
        lambda: JournalAgent(RULES, domain=data),
    ):
        with suppress(JournalError):
            make()


def _lists(data: list[str], _: Path) -> None:
    for make in (
        lambda: Envelope("a@b", data),
        lambda: Organization(data),
        lambda: Organization(["example.com"], groups={"a@example.com": data}),
        lambda: Organization(["example.com"], groups={one: ["a@example.com"] for one in data}),
        lambda: JournalRule.for_database("a", "a@b", mailboxes=data),
        lambda: strip_headers(b"a: b\r\n\r\n", data),
    ):
        with suppress(JournalError):
            make()


def _sent(data: str, _: Path) -> object:
    report = JournalReport(sender="a@b", recipients=["a@b"], sent_utc=data, received_utc=data, label=data[:100])
    return report.sent_at, report.received_at


# `process` decides, looks for loops, and builds the report of each rule; the others are distinguished below.
MESSAGE: dict[str, Reader] = {
    "parse as BCC": _parse(ReportFormat.BCC),
    "process": _process,
    "message_kind": lambda data, _: message_kind(data),
    "strip_headers": lambda data, _: strip_headers(data, RESTORE_HEADERS),
    "unwrap": lambda data, _: unwrap_undeliverable(data),
}
EACH: dict[str, Reader] = {
    **MESSAGE,
    "decide": _decide,
    "detect_loop": lambda data, _: detect_loop(data, secrets=[SECRET]),
    "report_for": lambda data, _: report_for(data, ENVELOPE),
    "matching_headers": lambda data, _: matching_headers(data, LEAVING_HEADERS),
    "build": _build(ReportFormat.ENVELOPE),
    "build as BCC": _build(ReportFormat.BCC),
    "identify as BCC": lambda data, _: identify(parse_report(data, format=ReportFormat.BCC)),
}
REPORT: dict[str, Reader] = {
    "parse": _parse(None),
    "parse as 2003": _parse(ReportFormat.ENVELOPE_2003),
    "merge": _merge,
    "verify_seal": lambda data, _: verify_seal(data, secrets=[SECRET]),
    "detect_format": lambda data, _: detect_format(data),
    "detect_loop": EACH["detect_loop"],
    "unwrap": MESSAGE["unwrap"],
}
ORIGINAL: dict[str, Reader] = {name: REPORT[name] for name in ("parse", "merge", "verify_seal", "detect_loop")}
TEXT: dict[str, Reader] = {"parse": REPORT["parse"]}
BOUNCE: dict[str, Reader] = {
    "unwrap": MESSAGE["unwrap"],
    "unwrap as BCC": lambda data, _: unwrap_undeliverable(data, format=ReportFormat.BCC),
    "detect_loop": EACH["detect_loop"],
    "archive": _archive(undeliverable=True),
}
MAILBOX: dict[str, Reader] = {
    "archive": _archive(),
    "archive of mboxrd": _archive(mbox=MboxVariant.MBOXRD),
    "archive of mboxcl": _archive(mbox=MboxVariant.MBOXCL),
}
ARCHIVE: dict[str, Reader] = {"archive": _archive()}


class Place(NamedTuple):
    """Where tokens are repeated, who reads it, and how large the smallest size is."""

    name: str
    make: Callable[[bytes], Any]
    readers: dict[str, Reader]
    size: int = SIZE
    # Whether it is one header block, of which lines are limited.
    is_header: bool = False


MAIL = b"From: ann@example.com\r\nTo: bob@example.com\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n"
SEAL = b"X-ExJournal-Seal: v=1; s=" + b"A" * 43 + b"\r\n"
TEXT_HEAD = b"Sender: ann@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\n"
TEXT_LINES = TEXT_HEAD + b"To: bob@example.com\r\n"
TEXT_2003 = (
    b'Sender: "Ann" <smtp:ann@example.com>\r\nMessage-ID: <1@example.com>\r\nRecipients:\r\n\t<smtp:b@example.com>'
)


def report(
    *,
    text: bytes = TEXT_LINES,
    message: bytes = MAIL + b"\r\nText.\r\n",
    outer: bytes = b"X-MS-Journal-Report:\r\n",
    text_header: bytes = b"Content-Type: text/plain\r\n",
    message_header: bytes = b"Content-Type: message/rfc822\r\n",
    before: bytes = b"",
    between: bytes = b"",
    behind: bytes = b"",
    content_type: bytes = b"Content-Type: multipart/mixed; boundary=b\r\n",
) -> bytes:
    """A report, of which any place can be filled."""
    return (
        SEAL + outer + b"Message-ID: <2@journal.report.generator>\r\n" + content_type + b"\r\n" + before
        + b"\r\n--b\r\n" + text_header + b"\r\n" + text + b"\r\n--b\r\n" + between
        + message_header + b"\r\n" + message + b"\r\n--b--\r\n" + behind
    )  # fmt: skip


def bounce(*, text: bytes = b"No.", status: bytes = b"", inside: bytes = b"", kind: bytes = b"message/rfc822") -> bytes:
    """A bounce, of which any place can be filled."""
    return (
        b"Subject: Undeliverable\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=c\r\n\r\n"
        b"--c\r\nContent-Type: text/plain\r\n\r\n" + text
        + b"\r\n--c\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\n" + status
        + b"\r\n--c\r\nContent-Type: " + kind + b"\r\n\r\n" + (inside or report()) + b"\r\n--c--\r\n"
    )  # fmt: skip


def _zip_name(fill: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a" + fill.decode("latin-1").replace("\0", "_"), MAIL)
    return file.getvalue()


def _tar_name(fill: bytes, format: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        member = tarfile.TarInfo(fill.decode("utf-8", "replace").replace("\0", "_"))
        member.size = len(MAIL)
        archive.addfile(member, io.BytesIO(MAIL))
    return file.getvalue()


def _pax_records(fill: bytes) -> bytes:
    """A tar file with an extended header whose records are the fill."""
    member = tarfile.TarInfo("a")
    member.type = tarfile.XHDTYPE
    member.size = len(fill)
    padding = b"\0" * (-len(fill) % tarfile.BLOCKSIZE)
    file = tarfile.TarInfo("b")
    return member.tobuf() + fill + padding + file.tobuf() + b"\0" * 1024


def _merged(fill: bytes, name: str) -> object:
    """The data of a merged report, in which one value is the fill."""
    (merged,) = merge([parse_report(report())])
    data = json.loads(json.dumps(merged.to_dict()))
    _put(data, name, fill.decode("latin-1"))
    return data


def _put(data: Any, name: str, value: str) -> None:
    for one in data.values() if isinstance(data, dict) else data:
        if isinstance(one, dict | list):
            _put(one, name, value)
    if isinstance(data, dict) and name in data:
        data[name] = value


def _text(fill: bytes) -> str:
    return fill.decode("utf-8", "replace")


def _quoted(fill: bytes) -> str:
    """The fill as a string of TOML."""
    return json.dumps(_text(fill))


def _field(name: bytes, frame: tuple[bytes, bytes] = (b"", b"")) -> Callable[[bytes], bytes]:
    return lambda fill: b"%b: %b%b%b\r\n" % (name, frame[0], fill, frame[1])


# A field is filled as a whole, and after something that begins a value and before something that ends it.
BARE = (b"", b"")
INSIDE = (b'"a" <b@example.com> ', b" x@example.com")
MESSAGE_FIELDS = (
    *(b"From", b"Sender", b"To", b"Bcc", b"Subject", b"Message-ID", b"Content-Type", b"Content-Class", b"X-A"),
    *(b"Content-Transfer-Encoding", b"X-Failed-Recipients", b"X-MS-Journal-Report", b"Content-Identifer"),
    *(b"X-ExJournal-Stamp", b"X-ExJournal-Seal", b"Received"),
)
REPORT_FIELDS = (
    *(b"Subject", b"Message-ID", b"Content-Type", b"X-MS-Journal-Report", b"Content-Identifer", b"X-ExJournal-Seal"),
    *(b"X-ExJournal-Envelope-Sender", b"From", b"X-A"),
)
ORIGINAL_FIELDS = (
    *(b"From", b"To", b"Subject", b"Message-ID", b"Content-Type", b"Content-Transfer-Encoding", b"Bcc", b"X-A"),
    b"Content-Disposition",
)


def _header_places() -> Iterator[Place]:
    for name in dict.fromkeys((*MESSAGE_FIELDS, *REPORT_FIELDS, *ORIGINAL_FIELDS)):
        for frame in (BARE, INSIDE) if name in {b"From", b"To", b"Subject"} else (BARE,):
            field = _field(name, frame)
            shown = name.decode() + (", inside a value" if frame[0] else "")
            if name in MESSAGE_FIELDS:
                yield Place(
                    f"message: {shown}",
                    lambda fill, field=field: field(fill) + MAIL + b"\r\nText.\r\n",
                    MESSAGE,
                    is_header=True,
                )
            if name in REPORT_FIELDS:
                yield Place(
                    f"report: {shown}",
                    lambda fill, field=field: report(outer=b"X-MS-Journal-Report:\r\n" + field(fill)),
                    REPORT,
                    is_header=True,
                )
            if name in ORIGINAL_FIELDS:
                yield Place(
                    f"original: {shown}",
                    lambda fill, field=field: report(message=field(fill) + MAIL + b"\r\nText.\r\n"),
                    ORIGINAL,
                    is_header=True,
                )
        field = _field(name)
        if name.startswith(b"Content-"):
            for part in ("text_header", "message_header"):
                yield Place(
                    f"report: {part}, {name.decode()}",
                    lambda fill, part=part, field=field: report(**{part: field(fill)}),
                    REPORT,
                    is_header=True,
                )
    kinds = (
        b"multipart/mixed; boundary=",
        b'multipart/mixed; boundary="',
        b"multipart/mixed; a=b",
        b"text/plain; charset=",
    )
    for kind in kinds:
        for ending in (b"", b"; boundary=b"):
            yield Place(
                f"message: Content-Type: {kind.decode()}…{ending.decode()}",
                lambda fill, kind=kind, ending=ending: (
                    MAIL + b"Content-Type: " + kind + fill + ending + b"\r\n\r\nText.\r\n--b\r\n\r\na\r\n--b--\r\n"
                ),
                MESSAGE,
                is_header=True,
            )
            yield Place(
                f"report: Content-Type: {kind.decode()}…{ending.decode()}",
                lambda fill, kind=kind, ending=ending: report(
                    content_type=b"Content-Type: " + kind + fill + ending + b"\r\n"
                ),
                REPORT,
                is_header=True,
            )
            yield Place(
                f"report: text_header, Content-Type: {kind.decode()}…{ending.decode()}",
                lambda fill, kind=kind, ending=ending: report(
                    text_header=b"Content-Type: " + kind + fill + ending + b"\r\n"
                ),
                TEXT,
                is_header=True,
            )
    yield Place("message: header block", lambda fill: fill + MAIL + b"\r\nText.\r\n", MESSAGE, is_header=True)
    yield Place("message: end of header", lambda fill: MAIL + fill + b"\r\nText.\r\n", MESSAGE, is_header=True)
    yield Place("report: header block", lambda fill: fill + report(), REPORT, is_header=True)
    yield Place("original: header block", lambda fill: report(message=fill + MAIL + b"\r\nT"), REPORT)
    for part in ("text_header", "message_header"):
        yield Place(
            f"report: {part}",
            lambda fill, part=part: report(**{part: fill + b"Content-Type: text/plain\r\n"}),
            REPORT,
            is_header=True,
        )


def _encoded(text: bytes, kind: bytes, encoding: bytes) -> bytes:
    header = b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    return report(text=text, text_header=header)


def _text_places() -> Iterator[Place]:
    labels = (
        b"Sender",
        b"On-Behalf-Of",
        b"Subject",
        b"Message-Id",
        b"Label",
        b"SentUtc",
        b"To",
        b"Cc",
        b"Recipient",
        b"X-A",
    )
    for label in labels:
        for ending in (b"", b" x@example.com"):
            line = _field(label, (b"", ending))
            yield Place(
                f"text: {label.decode()}{', inside a line' if ending else ''}",
                lambda fill, line=line: report(text=line(fill) + TEXT_LINES),
                TEXT,
            )
    for name, line in (
        ("redirect", _field(b"To", (b"bob@example.com, Expanded: ", b""))),
        ("display name", _field(b"To", (b'"', b'" <bob@example.com>'))),
        ("brackets", _field(b"To", (b"<", b">"))),
        ("quoted local part", _field(b"To", (b'"', b'"@example.com'))),
        ("fold", _field(b"Subject", (b"a\r\n ", b"\r\n b"))),
    ):
        yield Place(f"text: {name}", lambda fill, line=line: report(text=TEXT_LINES + line(fill)), TEXT)
    yield Place("text: all of it", lambda fill: report(text=fill), ORIGINAL)
    yield Place("text: between fields and recipients", lambda fill: report(text=TEXT_HEAD + fill + TEXT_LINES), TEXT)
    yield Place("text: after recipients", lambda fill: report(text=TEXT_LINES + fill), ORIGINAL)
    for kind, encoding in (
        (b"text/plain; charset=utf-8", b"quoted-printable"),
        (b"text/plain; charset=utf-7", b"7bit"),
        (b"text/plain; charset=iso-2022-jp", b"7bit"),
        (b"text/plain; charset=utf-16", b"8bit"),
        (b"text/plain; charset=hz-gb-2312", b"8bit"),
        (b"text/plain; charset=big5", b"8bit"),
        (b"text/plain", b"base64"),
        (b"text/plain", b"x-uuencode"),
        (b"text/html", b"8bit"),
        (b"text/html; charset=utf-8", b"quoted-printable"),
    ):
        yield Place(
            f"text: {kind.decode()} in {encoding.decode()}",
            lambda fill, kind=kind, encoding=encoding: _encoded(TEXT_LINES + fill, kind, encoding),
            TEXT,
        )
    for kind in (b"text/plain", b"text/html"):
        yield Place(
            f"text: {kind.decode()} after base64",
            lambda fill, kind=kind: _encoded(base64.encodebytes(TEXT_LINES + fill), kind, b"base64"),
            TEXT,
        )
        yield Place(
            f"text: {kind.decode()} after quoted-printable",
            lambda fill, kind=kind: _encoded(quopri.encodestring(TEXT_LINES + fill), kind, b"quoted-printable"),
            TEXT,
        )
    old = b"Content-Identifer: ExJournalReport\r\n"
    for name, before, ending in (
        ("Sender", b"Sender: ", b"\r\n" + TEXT_2003),
        ("Sender, a name", b'Sender: "', b'" <smtp:ann@example.com>\r\n' + TEXT_2003),
        ("Message-ID", b"Message-ID: ", b"\r\n" + TEXT_2003),
        ("unknown field", b"X-A: ", b"\r\n" + TEXT_2003),
        ("recipients", TEXT_2003 + b",\r\n", b"\r\n"),
        ("one recipient line", TEXT_2003 + b",\r\n\t", b" x@example.com\r\n"),
        ("list on the line of its label", b"Recipients: ", b"\r\n"),
        ("after the list", TEXT_2003 + b"\r\n\r\n", b"\r\n"),
    ):
        yield Place(
            f"text of 2003: {name}",
            lambda fill, before=before, ending=ending: report(outer=old, text=before + fill + ending),
            TEXT,
        )
        yield Place(
            f"HTML of 2003: {name}",
            lambda fill, before=before, ending=ending: report(
                outer=old, text=before + fill + ending, text_header=b"Content-Type: text/html\r\n"
            ),
            TEXT,
        )


def _body_places() -> Iterator[Place]:
    multipart = MAIL + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    body = {
        **{name: EACH[name] for name in ("process", "detect_loop", "unwrap", "identify as BCC")},
        "verify_seal": REPORT["verify_seal"],
    }
    yield Place("all of it", lambda fill: fill, {**EACH, **REPORT, **BOUNCE, **MAILBOX})
    yield Place("message: body", lambda fill: MAIL + b"\r\n" + fill, body)
    yield Place("message: body of a multipart", lambda fill: multipart + fill + b"\r\n--b--\r\n", body)
    yield Place("message: part after a header", lambda fill: multipart + b"\r\n" + fill + b"\r\n--b--\r\n", body)
    yield Place("report: preamble", lambda fill: report(before=fill), REPORT)
    yield Place("report: header of a part, unended", lambda fill: report(between=fill), REPORT)
    yield Place("report: part between", lambda fill: report(between=b"\r\n" + fill + b"\r\n--b\r\n"), REPORT)
    yield Place("report: HTML twin", lambda fill: report(
        outer=b"Content-Identifer: ExJournalReport\r\n", text=TEXT_2003,
        between=b"Content-Type: text/html\r\n\r\n" + fill + b"\r\n--b\r\n"), REPORT)  # fmt: skip
    yield Place("report: epilogue", lambda fill: report(behind=fill), REPORT)
    yield Place("report: before it", lambda fill: fill + report(), REPORT)
    yield Place("report: cut in the original", lambda fill: report(message=MAIL + b"\r\n" + fill)[:-9], REPORT)
    yield Place("report: other boundary", lambda fill: report(
        message=fill, content_type=b"Content-Type: multipart/mixed; boundary=c\r\n"), REPORT)  # fmt: skip
    yield Place("original: all of it", lambda fill: report(message=fill), REPORT)
    yield Place("original: body", lambda fill: report(message=MAIL + b"\r\n" + fill), REPORT)
    yield Place(
        "original: body of a multipart", lambda fill: report(message=multipart.replace(b"=b", b"=c") + fill), REPORT
    )
    for kind in (
        b"text/html",
        b"text/plain; charset=utf-7",
        b"text/plain; format=flowed",
        b"message/rfc822",
        b"text/calendar",
    ):
        for encoding in (b"8bit", b"quoted-printable", b"base64"):
            header = MAIL + b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
            yield Place(
                f"original: {kind.decode()} in {encoding.decode()}",
                lambda fill, header=header: report(message=header + fill),
                {name: REPORT[name] for name in ("merge", "verify_seal")},
            )
    for encoding in (b"quoted-printable", b"base64", b"x"):
        yield Place(
            f"original: encoded in {encoding.decode()}",
            lambda fill, encoding=encoding: report(
                message=fill,
                message_header=b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n",
            ),
            REPORT,
        )
    yield Place(
        "original: tnef",
        lambda fill: report(message=fill, message_header=b"Content-Type: application/ms-tnef\r\n"),
        REPORT,
    )
    yield Place("bounce: text", lambda fill: bounce(text=fill), BOUNCE)
    yield Place("bounce: status", lambda fill: bounce(status=fill), BOUNCE)
    for name in (b"Final-Recipient", b"Action", b"Status", b"Diagnostic-Code", b"X-A"):
        status = _field(name)
        yield Place(f"bounce: {name.decode()}", lambda fill, status=status: bounce(status=status(fill)), BOUNCE)
    daemon = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@example.net\r\n\r\nNo.\r\n"
    line = b"\r\n--- Below this line is a copy of the message.\r\n"
    yield Place("bounce: plain text", lambda fill: daemon + fill + line + b"\r\n" + report(), BOUNCE)
    yield Place("bounce: after the line", lambda fill: daemon + line + fill + b"\r\n" + report(), BOUNCE)
    yield Place("bounce: lines", lambda fill: daemon + line * 9 + b"\r\n" + fill + report(), BOUNCE)
    yield Place("bounce: in plain text", lambda fill: daemon + line + b"\r\n" + report() + fill, BOUNCE)
    direct = b"\r\n---- START OF RETURNED MESSAGE ----\r\n"
    closing = b"\r\n---- END OF RETURNED MESSAGE ----\r\n"
    yield Place("bounce: directly after the line", lambda fill: daemon + direct + fill + report(), BOUNCE)
    yield Place("bounce: at its closing line", lambda fill: daemon + direct + report() + fill + closing + fill, BOUNCE)
    yield Place(
        "bounce: part names", lambda fill: bounce(inside=report(), kind=b"text/plain; name=a.eml; x=" + fill), BOUNCE
    )
    yield Place("bounce: what bounced", lambda fill: bounce(inside=fill), BOUNCE)
    yield Place("bounce: header only", lambda fill: bounce(inside=fill, kind=b"text/rfc822-headers"), BOUNCE)
    unmarked = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n"
    yield Place(
        "bounce: unmarked", lambda fill: unmarked + fill + b"\r\n--c\r\n\r\n" + report() + b"\r\n--c--\r\n", BOUNCE
    )


def _file_places() -> Iterator[Place]:
    first = b"From ann@example.com Thu Jan  1 00:00:00 2026\n"
    yield Place("mailbox: messages", lambda fill: first + MAIL + b"\r\n" + fill + b"\n\n" + first + MAIL, MAILBOX)
    yield Place("mailbox: header", lambda fill: first + fill + MAIL + b"\r\n\n\n" + first + MAIL, MAILBOX)
    yield Place("mailbox: From line", lambda fill: b"From " + fill + b"\n" + MAIL + b"\r\nText.\n", MAILBOX)
    yield Place("mailbox: second From line", lambda fill: first + MAIL + b"\n\n\nFrom " + fill + b"\n" + MAIL, MAILBOX)
    yield Place("mailbox: Content-Length", lambda fill: first + MAIL + b"Content-Length: " + fill + b"\n\na\n", MAILBOX)
    yield Place("mailbox: before it", lambda fill: fill + first + MAIL + b"\n\n\n", MAILBOX)
    yield Place("zip: name", _zip_name, ARCHIVE)
    yield Place("zip: rest", lambda fill: _zip_name(b"a") + fill, ARCHIVE)
    yield Place("zip: before it", lambda fill: b"PK\3\4" + fill + _zip_name(b"a"), ARCHIVE)
    yield Place("tar: name", lambda fill: _tar_name(fill, tarfile.GNU_FORMAT), ARCHIVE)
    yield Place("tar: name in pax", lambda fill: _tar_name(fill, tarfile.PAX_FORMAT), ARCHIVE)
    yield Place("tar: pax records", _pax_records, ARCHIVE)
    yield Place("tar: members", lambda fill: _tar_name(b"a", tarfile.PAX_FORMAT)[:1024] + fill, ARCHIVE)
    config = {"config": _config}
    agent = '[organization]\ndomains = ["example.com"]\n[agent]\ndomain = "example.com"\n'
    rule = '[organization]\ndomains = ["example.com"]\n[[rules]]\nname = "a"\n'
    for name, before, ending in (
        ("domain", "[organization]\ndomains = [", "]\n"),
        ("alternate mailbox", '[organization]\ndomains = ["a"]\nalternate_mailbox = ', "\n"),
        ("group", '[organization]\ndomains = ["a"]\n[organization.groups]\n', ' = ["a@b"]\n'),
        ("member", '[organization]\ndomains = ["a"]\n[organization.groups]\n"a@b" = [', "]\n"),
        ("unknown key", "", " = 1\n"),
        ("journal mailbox", rule + "journal_to = ", "\n"),
        ("secret file", agent + "secret_files = [", "]\n"),
    ):
        yield Place(
            f"config: {name}",
            lambda fill, before=before, ending=ending: before + _quoted(fill) + ending,
            config,
        )
    yield Place("config: all of it", _text, config)
    yield Place("secret", lambda fill: fill, {"secret": _secret})


def _value_places() -> Iterator[Place]:
    (merged,) = merge([parse_report(report())])
    reports: Any = merged.to_dict()["reports"]
    names = {
        name
        for one in reports
        for name, value in (*one.items(), *one["identity"].items())
        if not isinstance(value, dict)
    }
    for name in sorted({*names, "address", "display_name", "expanded_from", "code", "detail", "role"}):
        yield Place(
            f"data: {name}",
            lambda fill, name=name: _merged(fill, name),
            {"from_dict": lambda data, _: MergedReport.from_dict(data), "merge": lambda data, _: merge([data])},
        )
    yield Place("address", _text, {"keys": _address, "values": _values, "sent": _sent})
    yield Place(
        "address, inside",
        lambda fill: "a" + _text(fill) + "@example.com",
        {"keys": _address, "values": _values},
    )
    yield Place(
        "domain",
        lambda fill: "a@b" + _text(fill) + ".example",
        {"keys": _address, "values": _values},
    )
    yield Place("list of addresses", _numbered, {"lists": _lists}, SIZE // 4)


def _numbered(fill: bytes) -> list[str]:
    """As many addresses as would fill the size, all different, each with a token in it."""
    token = fill[:3].decode("latin-1")
    return [f"{number}{token}@example.com" for number in range(len(fill) // 16)]


PLACES = (*_header_places(), *_text_places(), *_body_places(), *_file_places(), *_value_places())


def filled(token: tuple[bytes, ...], place: Place, doublings: int) -> Any:
    """What the readers of a place get, with so much of a token in it; for a header block no more lines than it may have."""
    size = (place.size << doublings) // len(token)
    pieces = []
    for one in token:
        count = size // len(one)
        if place.is_header and b"\n" in one:
            count = min(count, (HEADER_LINES << doublings) // (one.count(b"\n") * len(token)))
        pieces.append(one * count)
    return place.make(b"".join(pieces))


def seconds(read: Reader, data: Any, path: Path) -> float:
    """The time of the processor that reading takes."""
    begin = time.process_time()
    with suppress(JournalError, OSError):
        read(data, path)
    return time.process_time() - begin


class Cell(NamedTuple):
    """The repeated piece, the reader, the number of bytes, and the seconds at one size and at twice that."""

    reader: str
    token: tuple[bytes, ...]
    size: int
    once: float
    twice: float

    def __str__(self) -> str:
        shown = " ".join([repr(one)[1:] for one in self.token])
        return f"{shown} x {self.size} bytes: {self.reader} takes {self.once:.3f} s, and {self.twice:.3f} s for twice as much"


def plain_work() -> float:
    """The time of the processor for work that every interpreter does much alike."""
    begin = time.process_time()
    assert len({str(number): number for number in range(300_000)}) == 300_000
    return time.process_time() - begin


@cache
def first_work() -> float:
    """The least time of the first few rounds of plain work."""
    return min(plain_work() for _ in range(TRIES))


def is_over_budget(taken: float, size: int) -> bool:
    """Whether so many bytes took more than the budget, by the first figure and by one that is measured now."""
    allowed = BUDGET * size / 100_000
    return taken > allowed * first_work() and taken > allowed * min(plain_work() for _ in range(TRIES))


def too_slow(name: str, token: tuple[bytes, ...], place: Place, path: Path, first: Any, least: float) -> Cell | None:
    """The cell, where its time grows faster than its size, or is over the budget; `least` is what the reader takes anyway."""
    read = place.readers[name]
    times = [seconds(read, first, path) - least]
    # Nothing to see at four times the size, even where the time grows with the square of the size.
    if times[0] * 16 < FLOOR:
        return None
    data = [first]
    for doublings in (1, 2):
        data.append(filled(token, place, doublings))
        times.append(seconds(read, data[doublings], path) - least)
        size = place.size << doublings
        if is_over_budget(times[doublings], size):
            times[doublings] = min(times[doublings], *[seconds(read, data[doublings], path) for _ in range(TRIES - 1)])
            if is_over_budget(times[doublings], size):
                return Cell(name, token, size // 2, times[doublings - 1], times[doublings])
        if times[doublings] <= RATIO * times[doublings - 1]:
            return None
    if times[2] < FLOOR:
        return None
    for doublings in (0, 1, 2):
        again = [seconds(read, data[doublings], path) - least for _ in range(TRIES - 1)]
        times[doublings] = min(times[doublings], *again)
    if times[2] <= RATIO * times[1] or times[1] <= RATIO * times[0]:
        return None
    return Cell(name, token, place.size * 2, times[1], times[2])


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Neither the collector of garbage nor a measurement of coverage takes part in the time."""
    gc.collect()
    gc.disable()
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)
    gc.enable()


@pytest.mark.slow
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_doubling(place: Place, tmp_path: Path) -> None:
    """No reader takes much more than twice the time for twice as much of any token."""
    path = tmp_path / "input"
    empty = place.make(b"")
    least = {name: min(seconds(read, empty, path) for _ in range(TRIES)) for name, read in place.readers.items()}
    found: list[Cell] = []
    for token in TOKENS:
        first = filled(token, place, 0)
        for name in place.readers:
            if sum(cell.reader == name for cell in found) < ENOUGH:
                cell = too_slow(name, token, place, path, first, least[name])
                found += () if cell is None else (cell,)
    assert not [str(cell) for cell in found]
