"""Hostile input: at most a small multiple of the time for an ordinary report, linear growth, and bounded memory."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from contenders import ours
from measure import KB, LIBRARY, MB, Claim, Effort, Row, at_most, in_turn, microseconds, size_text
from messages import bounce, sample

from exjournal import ParseError, ReportFormat, parse_report, strip_headers, unwrap_undeliverable

_SIZE = 4 * MB

Make: TypeAlias = Callable[[int], bytes]
Answer: TypeAlias = Callable[[bytes], str]

_MARKER = b"X-MS-Journal-Report:\r\nMessage-ID: <1@journal.report.generator>\r\n"
_TYPE = b'Content-Type: multipart/mixed; boundary="_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_"\r\n'
_TEXT = b"Sender: ann@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\nTo: bob@example.com\r\n"
_TEXT_PART = b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\nContent-Type: text/plain\r\n\r\n" + _TEXT
_ORIGINAL_PART = b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\nContent-Type: message/rfc822\r\n"
_ORIGINAL = b"Message-ID: <1@example.com>\r\nSubject: Hello\r\n\r\nText.\r\n"
_CLOSE = b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_--\r\n"


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield four tables: against an ordinary report, twice the size, texts with very many lines, and memory."""
    small = Effort(effort.seconds / 4, effort.rounds)
    against: list[Row] = []
    growth: list[Row] = []
    ordinary = sample(0, _SIZE).data
    ours(ordinary)
    for group in GROUPS:
        for name, make in group.cases.items():
            whole, half = make(_SIZE), make(_SIZE // 2)
            work = group.answer
            runs: dict[str, Callable[[None], object]] = {
                "ordinary": lambda _: answer(ordinary),
                "hostile": lambda _, work=work, data=whole: work(data),
                "half": lambda _, work=work, data=half: work(data),
            }
            times = in_turn(runs, [None], small)
            note = microseconds(**times) + f"; {work(whole)}"
            ratio = times["hostile"] / times["ordinary"]
            if group.against_ordinary:
                against.append(at_most(name, ratio, 40, note))
            growth.append(at_most(name, times["hostile"] / times["half"], 2.5, f"{ratio:.0f}"))
    yield Claim(
        f"Hostile input of {size_text(_SIZE)}, to an ordinary report of that size", tuple(against), "µs; answer"
    )
    yield Claim(f"Hostile input of {size_text(_SIZE)}, to half of it", tuple(growth), "times an ordinary report")
    yield Claim("A report text of many lines costs time per line", tuple(_lines(small)), "µs a line")
    yield Claim(f"Memory for hostile input of {size_text(_SIZE)}, to the input", tuple(_memory()), "peak; answer")


# The memory that a process may take on top of its input, result included, as a multiple of the input.
_MEMORY_LIMIT = 20
# Resident memory counts, and only Linux reports its peak and can reset it.
_STATUS = Path("/proc/self/status")
_CHILD = """
import sys
sys.path[:0] = sys.argv[1:3]
import hostile
work = getattr(hostile, sys.argv[3])
work(hostile.ordinary_report())
with open(sys.argv[4], "rb") as file:
    data = file.read()
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = peak()
said = work(data)
print(peak() - before, said)
"""


def _memory() -> Iterator[Row]:
    if not _STATUS.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hostile.eml")
        for group in GROUPS:
            for name, make in group.cases.items():
                data = make(_SIZE)
                path.write_bytes(data)
                where = (str(LIBRARY), str(Path(__file__).parent), group.answer.__name__, str(path))
                command = [sys.executable, "-c", _CHILD, *where]
                found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                peak, said = found.strip().split(" ", 1)
                yield at_most(name, int(peak) * KB / len(data), _MEMORY_LIMIT, f"{size_text(int(peak) * KB)}; {said}")


def ordinary_report() -> bytes:
    """Make a small, regular report."""
    return _report()


def answer(data: bytes) -> str:
    """Read a report; return the codes of its defects, or that of the error."""
    try:
        return ", ".join(dict.fromkeys([str(defect.code) for defect in parse_report(data).defects])) or "no defect"
    except ParseError as error:
        return f"ParseError {error.code}"


def answer_2003(data: bytes) -> str:
    """Do the same for a report of Exchange 2003."""
    try:
        parsed = parse_report(data, format=ReportFormat.ENVELOPE_2003)
    except ParseError as error:
        return f"ParseError {error.code}"
    return ", ".join(dict.fromkeys([str(defect.code) for defect in parsed.defects])) or "no defect"


def answer_copy(data: bytes) -> str:
    """Do the same for a BCC copy."""
    try:
        parsed = parse_report(data, format=ReportFormat.BCC)
    except ParseError as error:
        return f"ParseError {error.code}"
    return ", ".join(dict.fromkeys([str(defect.code) for defect in parsed.defects])) or "no defect"


def answer_bounce(data: bytes) -> str:
    """Unwrap a bounce; return the codes of its defects, or that of the error."""
    try:
        found = unwrap_undeliverable(data)
    except ParseError as error:
        return f"ParseError {error.code}"
    inside = "header only" if found.report is None else size_text(len(found.report))
    return ", ".join(
        [inside, f"{len(found.status)} recipients", *dict.fromkeys([str(one.code) for one in found.defects])]
    )


def answer_stripped(data: bytes) -> str:
    """The rest of a message after `strip_headers`."""
    try:
        return f"{size_text(len(strip_headers(data, ('a', 'X-ExJournal-*'))))} are left"
    except ParseError as error:
        return f"ParseError {error.code}"


def _lines(effort: Effort) -> Iterator[Row]:
    few, many = 10_000, 100_000
    cases = [(name, line, answer, _report, _TEXT) for name, line in _LINES.items()]
    cases += [(name, line, answer_2003, _report_2003, _TEXT_2003) for name, line in _LINES_2003.items()]
    for name, line, work, made, text in cases:
        inputs = {f"{count} lines": made(text=text + line * count) for count in (few, many)}
        runs = {key: lambda _, data=data, work=work: work(data) for key, data in inputs.items()}
        times = in_turn(runs, [None], effort)
        short, long = times[f"{few} lines"] / few, times[f"{many} lines"] / many
        note = f"{short:.2f} at {few}, {long:.2f} at {many}; {work(inputs[f'{many} lines'])}"
        yield at_most(f"{name}: a line of {many} to one of {few}", long / short, 1.5, note)


_LINES = {
    "lines that are not fields": b"Nothing of the kind.\r\n",
    "fields that are unknown": b"X-Unknown: value\r\n",
    "lines that take turns": b"Nothing of the kind.\r\nX-Unknown: value\r\n",
    "empty lines": b"\r\n",
    "folds of one subject": b" and more\r\n",
    "recipients without an address": b"To: <>\r\n",
    "recipients in brackets": b"To: Bob <bob@example.com>\r\n",
    "recipients with redirects folded": b"To: bob@example.com,\r\n Expanded: staff@example.com\r\n",
}


_TEXT_2003 = (
    b"Sender: <smtp:ann@example.com>\r\nMessage-ID: <1@example.com>\r\nRecipients:\r\n\t<smtp:bob@example.com>,\r\n"
)
_LINES_2003 = {
    "2003: recipients": b'\t"Bob Example" <smtp:bob@example.com>,\r\n',
    "2003: addresses alone": b"\tbob@example.com\r\n",
    "2003: recipients without an address": b"\t<smtp:>,\r\n",
    "2003: lists that begin again": b"Recipients: bob@example.com\r\n",
    "2003: lines that are not fields": b"Nothing of the kind.\r\n",
    "2003: empty lines": b"\r\n",
}


def _report_2003(*, text: bytes = _TEXT_2003, text_type: bytes = b"text/plain") -> bytes:
    """A report of Exchange 2003 with a text."""
    whole = _report(text=text).replace(
        _MARKER, b"Content-Identifer: ExJournalReport\r\nMessage-ID: <1@example.com>\r\n"
    )
    return whole.replace(b"Content-Type: text/plain", b"Content-Type: " + text_type, 1)


def _report(
    *, head: bytes = b"", content_type: bytes = _TYPE, preamble: bytes = b"", text: bytes | None = None,
    before: bytes = b"", part: bytes = b"", original: bytes = _ORIGINAL, after: bytes = _CLOSE,
) -> bytes:  # fmt: skip
    """A report with something in one place."""
    text_part = _TEXT_PART if text is None else _TEXT_PART.replace(_TEXT, text)
    pieces = (
        content_type,
        head,
        _MARKER,
        b"\r\n",
        preamble,
        text_part,
        before,
        _ORIGINAL_PART,
        part,
        b"\r\n",
        original,
    )
    return b"".join([*pieces, after])


def _filled(piece: bytes, size: int) -> bytes:
    return piece * (size // len(piece))


def _in_original(piece: bytes) -> Callable[[int], bytes]:
    """An original of one repeated piece, after its header."""
    return lambda size: _report(original=_ORIGINAL + _filled(piece, size))


def _in_header(piece: bytes, *, first: bytes = b"") -> Callable[[int], bytes]:
    """An original whose header block is made of one piece."""
    return lambda size: _report(original=first + _filled(piece, size) + b"\r\n\r\n")


def _in_outer_header(piece: bytes, *, first: bytes = b"") -> Callable[[int], bytes]:
    """An outer header block made of one piece."""
    return lambda size: _report(head=first + _filled(piece, size))


def _parts(count: int, part: bytes) -> Callable[[int], bytes]:
    """The given number of parts, each with its share of the size."""
    return lambda size: _report(
        before=(b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\n" + part + b"\r\n\r\n" + b"x" * (size // count))
        * count
    )


def _nested(depth: int, *, same: bool = False) -> Callable[[int], bytes]:
    """Nested multiparts around most of the bytes, each with a boundary that begins like the outer one."""

    def make(size: int) -> bytes:
        opening = closing = b""
        boundary = b"_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_"
        for level in range(depth):
            opening += b"\r\n--%b\r\n" % boundary
            boundary = boundary if same else boundary + (b"x" if level % 2 else b"y")
            opening += b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary
            closing = b"\r\n--%b--\r\n" % boundary + closing
        return _report(before=opening + _filled(b"text text\r\n", size) + closing)

    return make


def _bushy(size: int) -> bytes:
    """Parts that each declare a multipart without any delimiter."""
    part = b'Content-Type: multipart/mixed; boundary="c%d"\r\n\r\n' + b"-" * (size // 200)
    return _report(
        before=b"".join([b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\n" + part % number for number in range(200)])
    )


CASES: dict[str, Callable[[int], bytes]] = {
    "delimiters with more text": _in_original(b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_x"),
    "delimiters with spaces and text": _in_original(b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_ \t \t \t x"),
    "one delimiter and very many spaces": lambda size: _report(
        original=b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_" + b" " * size + b"x"
    ),
    "dashes": _in_original(b"-"),
    "beginnings of a delimiter": _in_original(b"\n--_b"),
    "delimiters of the guess": lambda size: _report(
        content_type=b"Content-Type: multipart/mixed\r\n", preamble=_filled(b"--x\r\n", size)
    ),
    "a million outer header lines": _in_outer_header(b"a:\r\n"),
    "a million outer header lines of a wanted name": _in_outer_header(b"Message-ID:\r\n"),
    "outer header lines that begin like a wanted name": _in_outer_header(b"c\n"),
    "a million inner header lines": _in_header(b"a:\r\n"),
    "a million inner header lines of a wanted name": _in_header(b"Subject:\r\n"),
    "inner header lines that begin like a wanted name": _in_header(b"s\n", first=b"Subject: Hello\r\n"),
    "inner header of a multipart": _in_header(b"s\n", first=b"Content-Type: multipart/mixed\r\n"),
    "folds of an outer field": _in_outer_header(b"\r\n ", first=b"Message-ID: "),
    "folds of an inner subject": _in_header(b"\r\n ", first=b"Subject: Hello"),
    "words of an inner subject": _in_header(b" =?utf-8?q?=C3=A9?=", first=b"Subject: "),
    "words of an inner subject left open": _in_header(b"=?a?q?", first=b"Subject: "),
    "spaces in an inner subject": _in_header(b" ", first=b"Subject: Hello"),
    "one header line without an end": lambda size: _MARKER + b"A" * size,
    "dense line feeds in the original": _in_original(b"\n"),
    "dense line ends in the original": _in_original(b"\r\n"),
    "dense carriage returns in the original": _in_original(b"\r"),
    "dense line ends before everything": lambda size: b"\r\n" * (size // 2) + _report(),
    "dense line ends in the preamble": lambda size: _report(preamble=_filled(b"\r\n", size)),
    "dense line ends in the epilogue": lambda size: _report(after=_CLOSE + _filled(b"\r\n", size)),
    "dense line ends in a part header": lambda size: _report(part=_filled(b"a\n", size)),
    "10 000 parts": _parts(10_000, b"Content-Type: image/png"),
    "200 parts": _parts(200, b"Content-Type: image/png"),
    "200 text parts": _parts(200, b"Content-Type: text/plain"),
    "200 parts without a header": _parts(200, b""),
    "200 parts with many short fields": _parts(200, b"X: a\r\n" * 700 + b"X: a"),
    "200 parts with a quote left open": _parts(200, b'Content-Type: multipart/mixed; boundary="c'),
    "200 multiparts without a delimiter": _bushy,
    "200 parts with very many quotes left open": lambda size: _report(
        before=(
            b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\nContent-Type: multipart/mixed"
            + b';a="' * (size // 200 // 4)
            + b"\r\n\r\nx"
        )
        * 200
    ),
    "quotes left open in Content-Type": lambda size: _report(part=_filled(b';a="', size)),
    "quotes left open in the outer Content-Type": lambda size: _report(
        content_type=b'Content-Type: multipart/mixed; boundary="_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_";'
        + _filled(b'a="', size)
        + b"\r\n"
    ),
    "multiparts in multiparts, 4": _nested(4),
    "multiparts in multiparts, 100": _nested(100),
    "multiparts in multiparts, 100, one boundary": _nested(100, same=True),
    "an original in quoted-printable": lambda size: _report(
        part=b"Content-Transfer-Encoding: quoted-printable\r\n", original=_filled(b"=41=\r\n", size)
    ),
    "an original in broken base64": lambda size: _report(
        part=b"Content-Transfer-Encoding: base64\r\n", original=_filled(b"QUJD*=\r\n", size)
    ),
}


def _in_charset(charset: bytes, piece: bytes) -> Make:
    """A report text of one piece in a charset."""
    return lambda size: _report(text=_TEXT + _filled(piece, size)).replace(
        b"text/plain", b"text/plain; charset=" + charset, 1
    )


def _in_printable(piece: bytes) -> Make:
    """A report text of one piece that is declared quoted-printable."""
    return lambda size: _report(text=_TEXT + _filled(piece, size)).replace(
        b"text/plain", b"text/plain\r\nContent-Transfer-Encoding: quoted-printable", 1
    )


# A report text costs more per line than an original, so for one long line only the growth has a bound.
TEXT_CASES: dict[str, Callable[[int], bytes]] = {
    "a quote left open in a recipient line": lambda size: _report(text=_TEXT + b'To: "' + b"a" * size + b"\r\n"),
    "quotes left open in one recipient line": lambda size: _report(text=_TEXT + b"To: " + _filled(b'"\\', size)),
    "redirects of one recipient line": lambda size: _report(text=_TEXT + b"To: a" + _filled(b", Expanded: b", size)),
    "spaces in one recipient line": lambda size: _report(text=_TEXT + b"To: a" + b" ," * (size // 2) + b"b\r\n"),
    "odd lines of one letter": lambda size: _report(text=_TEXT + _filled(b"x\n", size)),
    "odd lines that take turns": lambda size: _report(text=_TEXT + _filled(b"a:\nb\n", size)),
    "recipients of two letters": lambda size: _report(text=_TEXT + _filled(b"To: ab\n", size)),
    "recipients of 16 bytes": lambda size: _report(text=_TEXT + _filled(b"To: b@c.example\n", size)),
    "paragraphs of recipients": lambda size: _report(text=_TEXT + _filled(b"To: bob@example.com\n\n", size)),
    "folds of one subject": lambda size: _report(text=_TEXT.replace(b"Hello", b"Hello" + _filled(b"\n b", size))),
    "folds of one subject that is long": lambda size: _report(
        text=_TEXT.replace(b"Hello", b"a" * (size // 2) + _filled(b"\n b", size // 2))
    ),
    "folds of one recipient": lambda size: _report(text=_TEXT + b"To: b,\n" + _filled(b" a,\n", size)),
    "odd lines in UTF-7": _in_charset(b"utf-7", b"ab\n"),
    "odd lines in ISO-2022-JP": _in_charset(b"iso-2022-jp", b'\x1b$B$"\x1b(B\n'),
    "odd lines in GB 2312": _in_charset(b"gb2312", b"\xb0\xa1\n"),
    "odd lines in UTF-16": lambda size: _report(
        text=(_TEXT + _filled(b"ab\n", size // 2)).decode("ascii").encode("utf-16")
    ).replace(b"text/plain", b"text/plain; charset=utf-16", 1),
    "equals signs in quoted-printable": _in_printable(b"=x"),
    "spaces in quoted-printable": _in_printable(b" "),
    "spaces at line ends in quoted-printable": _in_printable(b"= \n"),
    "brackets of the sender line": lambda size: _report(text=b"Sender: " + _filled(b"<", size) + b">\r\n" + _TEXT),
}


def _in_list(piece: bytes, *, first: bytes = b"\t") -> Make:
    """A list of Exchange 2003 in one line that repeats a piece."""
    return lambda size: _report_2003(text=_TEXT_2003 + first + _filled(piece, size) + b"\r\n")


def _in_html(piece: bytes) -> Make:
    """An HTML report text that repeats a piece."""
    text = _TEXT.replace(b"\r\n", b"<br>\r\n")
    return lambda size: _report(text=text + _filled(piece, size)).replace(b"text/plain", b"text/html", 1)


CASES_2003: dict[str, Make] = {
    "2003: addresses in one line": _in_list(b"bob@example.com, "),
    "2003: alternating odd lines": _in_list(b"a:\nb\n", first=b""),
    "2003: paragraphs of a list": _in_list(b"\tb@c\n\n", first=b""),
    "2003: addresses in one line, without spaces": _in_list(b"b@c,"),
    "2003: mailboxes in one line": _in_list(b"Bob <smtp:bob@example.com>, "),
    "2003: mailboxes with quotes in one line": _in_list(b'"Example, Bob" <smtp:bob@example.com>, '),
    "2003: commas in one line": _in_list(b","),
    "2003: spaces in one line": _in_list(b" \t", first=b"\tbob@example.com"),
    "2003: one quote left open": _in_list(b"a", first=b'\t"'),
    "2003: quotes left open": _in_list(b'\t"Bob <smtp:bob@example.com>,\r\n'),
    "2003: escapes in quotes left open": _in_list(b'"\\'),
    "2003: alternating quotes and commas": _in_list(b'"",'),
    "2003: quotes in brackets": _in_list(b'<"'),
    "2003: brackets left open": _in_list(b"<"),
    "2003: empty brackets": _in_list(b"<>,"),
    "2003: names with commas, no address": _in_list(b"Example, Bob "),
    "2003: commas before a bracket left open": lambda size: _report_2003(
        text=_TEXT_2003 + b"\t" + _filled(b"a,", size) + b"<\r\n"
    ),
    "2003: a sender of commas": lambda size: _report_2003(
        text=b"Sender: " + _filled(b"a,", size) + b"\r\n" + _TEXT_2003
    ),
    "2003: a text of many lines": _in_list(b"Nothing of the kind.\r\n", first=b""),
    "2003: a list after many empty lines": lambda size: _report_2003(
        text=_TEXT_2003.partition(b"\t")[0] + _filled(b"\r\n", size) + b"\tbob@example.com\r\n"
    ),
}
HTML_CASES: dict[str, Make] = {
    "HTML only: brackets left open": _in_html(b"<"),
    "HTML only: breaks left open": _in_html(b"<br "),
    "HTML only: tags": _in_html(b"<b>"),
    "HTML only: breaks": _in_html(b"<br>"),
    "HTML only: ampersands": _in_html(b"&"),
    "HTML only: character references": _in_html(b"&amp;"),
    "HTML only: character references of many digits": _in_html(b"&#" + b"0" * 4000 + b"65;"),
    "HTML only: one character reference of digits": lambda size: _report(
        text=_TEXT.replace(b"\r\n", b"<br>\r\n") + b"&#" + b"9" * size + b";"
    ).replace(b"text/plain", b"text/html", 1),
    "HTML only: names that are not references": _in_html(b"&abcdefghijklmnopqrstuvwxyzabcdef"),
    "HTML only: spaces": _in_html(b" "),
    "HTML only: form feeds": _in_html(b"\f"),
    "HTML only: spaces before any tag": lambda size: _report(text=_filled(b" ", size) + _TEXT).replace(
        b"text/plain", b"text/html", 1
    ),
    "HTML only: titles left open": _in_html(b"<title>"),
    "HTML only: line ends": _in_html(b"\r\n"),
    "HTML only: words": _in_html(b"ab "),
    "HTML only: lines": _in_html(b"ab<br>"),
    "HTML only: preformatted text": _in_html(b"<pre>ab"),
}


def _copy_field(piece: bytes) -> Make:
    """A copy whose To field, 500 KB of it in 4 MB, is made of one piece."""
    return lambda size: (
        b"From: ann@example.com\r\nTo: %b\r\nMessage-ID: <1@example.com>\r\n\r\n%b"
        % (
            _filled(piece, size * 125 // 1024),
            _filled(b"text text\r\n", size * 899 // 1024),
        )
    )


COPY_CASES: dict[str, Make] = {
    "a copy: commas in To": _copy_field(b","),
    "a copy: comments left open in To": _copy_field(b"("),
    "a copy: comments in To": _copy_field(b"()"),
    "a copy: quotes in To": _copy_field(b'"'),
    "a copy: brackets in To": _copy_field(b"<"),
    "a copy: encoded words left open in To": _copy_field(b"=?utf-8?q?"),
    "a copy: encoded words in To": _copy_field(b"=?utf-8?q?=C3=A9?= <b@c>,"),
    "a copy: entries that are not an address in To": _copy_field(b"a,"),
    "a copy: addresses in To": _copy_field(b"b@c,"),
    "a copy: addresses without a comma in To": _copy_field(b"b@c "),
    "a copy: signs of at in To": _copy_field(b"@ "),
    "a copy: folds in To": _copy_field(b"\r\n "),
    "a copy: square brackets in To": _copy_field(b"["),
    "a copy: many To fields": lambda size: b"To: b@c\r\n" * (size // 5000) + b"\r\n" + _filled(b"text\r\n", size),
}

_BOUNCE_TYPE = b'Content-Type: multipart/report; report-type=delivery-status; boundary="%b"\r\n\r\n'
_BOUNCE_PART = b"\r\n--%b\r\nContent-Type: %b\r\n\r\n"
_BOUNCE_BOUNDARY = b"_9b0c7d11-0a4e-4d0b-8f29-3f0f5f8a6c10_"


def _bounce(boundary: bytes, *parts: bytes, kind: bytes = b"message/rfc822") -> bytes:
    """A bounce of parts of one kind."""
    delimiter = _BOUNCE_PART % (boundary, kind)
    return b"".join([_BOUNCE_TYPE % boundary, *[delimiter + part for part in parts], b"\r\n--%b--\r\n" % boundary])


def _messages(message: bytes) -> Make:
    """A bounce of 250 messages, each with its share."""
    return lambda size: _bounce(_BOUNCE_BOUNDARY, *[message + b"x" * (size // 250 - len(message))] * 250)


def _bounces(depth: int, *, wide: int = 1, report: bool = False) -> Make:
    """Bounces in bounces, each level with a number of messages next to the inner one."""

    def make(size: int) -> bytes:
        share = size // (1 + wide * depth)
        other = _ORIGINAL + _filled(b"text text\r\n", share)
        inside = _report(original=other) if report else other
        for level in range(depth):
            inside = _bounce(b"_%d%b" % (level, _BOUNCE_BOUNDARY), *[other] * (wide - 1), inside)
        return inside

    return make


def _status(piece: bytes, parts: int = 1) -> Make:
    """A bounce with a delivery status of one piece, and an ordinary report."""

    def make(size: int) -> bytes:
        status = _BOUNCE_PART % (b"_", b"message/delivery-status") + _filled(piece, size // parts)
        inside = _BOUNCE_PART % (b"_", b"message/rfc822") + _report()
        return _BOUNCE_TYPE % b"_" + status * parts + inside + b"\r\n--_--\r\n"

    return make


BOUNCE_CASES: dict[str, Make] = {
    "a bounce: as servers write them": lambda size: bounce(0, size).data,
    "a bounce: 250 ordinary messages": _messages(_ORIGINAL),
    "a bounce: 250 bounces without a delimiter": _messages(_BOUNCE_TYPE % b"nowhere"),
    "a bounce: 250 bounces that are closed at once": _messages(
        _BOUNCE_TYPE % b"_1" + b"\r\n--_1\r\nContent-Type: message/rfc822\r\n\r\n\r\n--_1--\r\n"
    ),
    "a bounce: 250 messages with a header without an end": _messages(b"a:"),
    "a bounce: 250 multiparts in multiparts": _messages(
        b"".join(
            [b'Content-Type: multipart/mixed; boundary="_%d"\r\n\r\n--_%d\r\n' % (level, level) for level in range(9)]
        )
    ),
    "bounces in bounces, 5": _bounces(5, report=True),
    "bounces in bounces, 5, of another message": _bounces(5),
    "bounces in bounces, 6": _bounces(6, report=True),
    "bounces in bounces, 5, each with 40 other messages": _bounces(5, wide=40),
    "a bounce: a report in broken base64": lambda size: _bounce(_BOUNCE_BOUNDARY, b"").replace(
        b"message/rfc822\r\n\r\n",
        b"message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + _filled(b"QUJD*=\r\n", size),
    ),
    "a bounce: header only, dense": lambda size: _bounce(
        _BOUNCE_BOUNDARY, _MARKER + _filled(b"a:\r\n", size), kind=b"text/rfc822-headers"
    ),
}
STATUS_CASES: dict[str, Make] = {
    "a delivery status of line feeds": _status(b"\n"),
    "a delivery status of fields": _status(b"a:\n"),
    "a delivery status of recipients": _status(b"Action:\n\n"),
    "a delivery status of spaces": _status(b" \t"),
    "a delivery status of lines with only spaces": _status(b"\n \t"),
    "a delivery status of folds": _status(b"\n ", parts=1),
    "a delivery status of other lines": _status(b"a\n"),
    "100 delivery statuses of recipients": _status(b"Action:\n\n", parts=100),
}


def _stripped(piece: bytes) -> Make:
    """A message whose header block, 500 KB of it in 4 MB, is made of one piece."""
    return lambda size: _filled(piece, size * 125 // 1024) + b"\r\n" + _filled(b"text text\r\n", size * 899 // 1024)


STRIP_CASES: dict[str, Make] = {
    "strip_headers: fields of one letter": _stripped(b"a:\r\n"),
    "strip_headers: fields of a prefix": _stripped(b"X-ExJournal-A: b\r\n"),
    "strip_headers: every second field": _stripped(b"a: b\r\nb: a\r\n"),
    "strip_headers: folds": _stripped(b"a: b\r\n c\r\n"),
    "strip_headers: one field of folds": lambda size: b"a: b\r\n" + _stripped(b" c\r\n")(size),
    "strip_headers: names that go on": _stripped(b"X-ExJournal-" + b"a" * 900 + b"\r\n"),
    "strip_headers: spaces without the colon after them": _stripped(b"a" + b" " * 900 + b"\r\n"),
}


def _protected(piece: bytes, *, first: bytes = b"", second: bytes = b"") -> Make:
    """A report with two messages, both protected or nearly so, each filled with one piece."""
    head = b"Message-ID: <1@example.com>\r\nSubject: Hello\r\n"

    def make(size: int) -> bytes:
        filling = _filled(piece, size // 2)
        other = _ORIGINAL_PART + b"\r\n" + head + second + b"\r\n" + filling
        return _report(before=other, original=head + first + b"\r\n" + filling)

    return make


_RPMSG = b"Content-Class: rpmsg.message\r\n"
PROTECTED_CASES: dict[str, Make] = {
    "two protected messages": _protected(b"text text\r\n", first=_RPMSG, second=_RPMSG),
    "two messages that attach message.rpmsg": _protected(b'Content-Type: a/b; name="message.rpmsg"\r\n'),
    "two messages full of beginnings of message.rpmsg": _protected(b"message.rpms"),
    "two messages full of beginnings of its type": _protected(b"x-microsoft-rpmsg-messag"),
    "two messages with many content classes": _protected(b"text\r\n", first=b"Content-Class: a\r\n" * 900),
}


class Group(NamedTuple):
    """Cases for one reader, and whether they are bounded by an ordinary report of the same size."""

    cases: Mapping[str, Make]
    answer: Answer
    against_ordinary: bool


GROUPS = (
    Group(CASES, answer, against_ordinary=True),
    Group(PROTECTED_CASES, answer, against_ordinary=True),
    # An address list costs time per entry, as a report text does per line.
    Group(COPY_CASES, answer_copy, against_ordinary=False),
    Group(BOUNCE_CASES, answer_bounce, against_ordinary=True),
    Group(STRIP_CASES, answer_stripped, against_ordinary=True),
    Group(TEXT_CASES, answer, against_ordinary=False),
    Group(CASES_2003, answer_2003, against_ordinary=False),
    Group(HTML_CASES, answer, against_ordinary=False),
    Group(STATUS_CASES, answer_bounce, against_ordinary=False),
)
