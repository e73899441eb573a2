"""Input made to hurt: it costs a small multiple of an ordinary report of its size, and no more than in proportion."""

from collections.abc import Callable, Iterator

from contenders import ours
from measure import MB, Claim, Effort, Row, at_most, in_turn, microseconds, octets
from messages import sample

from exjournal import ParseError, parse_report

_SIZE = 4 * MB

_MARKER = b"X-MS-Journal-Report:\r\nMessage-ID: <1@journal.report.generator>\r\n"
_TYPE = b'Content-Type: multipart/mixed; boundary="_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_"\r\n'
_TEXT = b"Sender: ann@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\nTo: bob@example.com\r\n"
_TEXT_PART = b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\nContent-Type: text/plain\r\n\r\n" + _TEXT
_ORIGINAL_PART = b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\nContent-Type: message/rfc822\r\n"
_ORIGINAL = b"Message-ID: <1@example.com>\r\nSubject: Hello\r\n\r\nText.\r\n"
_CLOSE = b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_--\r\n"


def claims(effort: Effort) -> Iterator[Claim]:
    """Three tables: against an ordinary report, twice the size, and reports whose text has very many lines."""
    small = Effort(effort.seconds / 4, effort.rounds)
    against: list[Row] = []
    growth: list[Row] = []
    ordinary = sample(0, _SIZE).data
    ours(ordinary)
    for name, make in (CASES | TEXT_CASES).items():
        whole, half = make(_SIZE), make(_SIZE // 2)
        inputs = {"ordinary": ordinary, "hostile": whole, "half": half}
        runs = {key: lambda _, data=data: answer(data) for key, data in inputs.items()}
        times = in_turn(runs, [None], small)
        note = microseconds(**times) + f"; {answer(whole)}"
        if name in CASES:
            against.append(at_most(name, times["hostile"] / times["ordinary"], 40, note))
        growth.append(at_most(name, times["hostile"] / times["half"], 2.5))
    yield Claim(f"Hostile input of {octets(_SIZE)}, to an ordinary report of that size", tuple(against), "µs; answer")
    yield Claim(f"Hostile input of {octets(_SIZE)}, to half of it", tuple(growth), "")
    yield Claim("A report text of many lines costs by the line", tuple(_lines(small)), "µs a line")


def answer(data: bytes) -> str:
    """What reading ends in: the codes of the defects, or that of the error."""
    try:
        return ", ".join(dict.fromkeys([str(defect.code) for defect in parse_report(data).defects])) or "no defect"
    except ParseError as error:
        return f"ParseError {error.code}"


def _lines(effort: Effort) -> Iterator[Row]:
    few, many = 10_000, 100_000
    for name, line in _LINES.items():
        inputs = {f"{count} lines": _report(text=_TEXT + line * count) for count in (few, many)}
        runs = {key: lambda _, data=data: answer(data) for key, data in inputs.items()}
        times = in_turn(runs, [None], effort)
        short, long = times[f"{few} lines"] / few, times[f"{many} lines"] / many
        note = f"{short:.2f} at {few}, {long:.2f} at {many}; {answer(inputs[f'{many} lines'])}"
        yield at_most(f"{name}: a line of {many} to one of {few}", long / short, 1.5, note)


_LINES = {
    "lines that are no field": b"Nothing of the kind.\r\n",
    "fields that are unknown": b"X-Unknown: value\r\n",
    "lines that take turns": b"Nothing of the kind.\r\nX-Unknown: value\r\n",
    "empty lines": b"\r\n",
    "folds of one subject": b" and more\r\n",
    "recipients that are none": b"To: <>\r\n",
    "recipients in brackets": b"To: Bob <bob@example.com>\r\n",
    "recipients with redirects folded": b"To: bob@example.com,\r\n Expanded: staff@example.com\r\n",
}


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
    """An original made of one piece, behind its header."""
    return lambda size: _report(original=_ORIGINAL + _filled(piece, size))


def _in_header(piece: bytes, *, first: bytes = b"") -> Callable[[int], bytes]:
    """An original whose header block is made of one piece."""
    return lambda size: _report(original=first + _filled(piece, size) + b"\r\n\r\n")


def _in_outer_header(piece: bytes, *, first: bytes = b"") -> Callable[[int], bytes]:
    """An outer header block made of one piece."""
    return lambda size: _report(head=first + _filled(piece, size))


def _parts(count: int, part: bytes) -> Callable[[int], bytes]:
    """So many parts, each with its share."""
    return lambda size: _report(
        before=(b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\n" + part + b"\r\n\r\n" + b"x" * (size // count))
        * count
    )


def _nested(depth: int, *, same: bool = False) -> Callable[[int], bytes]:
    """Multiparts inside multiparts round the bulk, each with a boundary that begins like the one outside it."""

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
    """Parts that each declare a multipart whose delimiter is nowhere."""
    part = b'Content-Type: multipart/mixed; boundary="c%d"\r\n\r\n' + b"-" * (size // 200)
    return _report(
        before=b"".join([b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_\r\n" + part % number for number in range(200)])
    )


CASES: dict[str, Callable[[int], bytes]] = {
    "delimiters that go on": _in_original(b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_x"),
    "delimiters with blanks and text": _in_original(b"\r\n--_5d1f0c9e-3b7a-4c55-9d10-2f6a8e4b7c31_ \t \t \t x"),
    "one delimiter and very many blanks": lambda size: _report(
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
    "blanks of an inner subject": _in_header(b" ", first=b"Subject: Hello"),
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

# The report text costs by the line, and more than an original: what stands on one line is bounded by its growth alone.
TEXT_CASES: dict[str, Callable[[int], bytes]] = {
    "a quote left open in a recipient line": lambda size: _report(text=_TEXT + b'To: "' + b"a" * size + b"\r\n"),
    "quotes left open in one recipient line": lambda size: _report(text=_TEXT + b"To: " + _filled(b'"\\', size)),
    "redirects of one recipient line": lambda size: _report(text=_TEXT + b"To: a" + _filled(b", Expanded: b", size)),
    "blanks of one recipient line": lambda size: _report(text=_TEXT + b"To: a" + b" ," * (size // 2) + b"b\r\n"),
    "brackets of the sender line": lambda size: _report(text=b"Sender: " + _filled(b"<", size) + b">\r\n" + _TEXT),
}
