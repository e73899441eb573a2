"""Copies, both ways: the BCC and message-only formats."""

import mmap
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    BuildError,
    Defect,
    DefectCode,
    Evidence,
    JournalReport,
    ParsedReport,
    ParseError,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
    address_key,
    build_report,
    detect_format,
    mailbox_key,
    parse_report,
)
from exjournal.limits import DEFECT_LIMIT, HEADER_LIMIT, UNPARSED_LIMIT
from strategies import ORIGINAL, a_report, lines, plain_addresses, recipients

BCC, MESSAGE_ONLY = ReportFormat.BCC, ReportFormat.MESSAGE_ONLY
HIDDEN = "dave@example.org"
# To and Cc name two of its recipients, nothing names the third.
MESSAGE = (
    b"From: Alice <alice@example.com>\r\nTo: Bob <bob@example.net>\r\nCc: carol@example.org\r\n"
    b"Subject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nBcc: body@example.com\r\n"
)
EVERYONE = ["bob@example.net", "carol@example.org", HIDDEN]


def copy(original: bytes = MESSAGE, *addresses: str | Recipient, everyone: bool = False) -> bytes:
    """A copy with a Bcc field, by default for the three recipients."""
    report = a_report(recipients=addresses or EVERYONE)
    return build_report(report, original, format=BCC, bcc_all=everyone)


def without_bcc(original: bytes) -> bytes:
    """A copy without a Bcc field."""
    return build_report(a_report(recipients=EVERYONE), original, format=MESSAGE_ONLY)


def read(data: bytes, format: ReportFormat = BCC) -> ParsedReport:
    """A copy as its caller knows it."""
    return parse_report(data, format=format)


def roles_and_addresses(data: bytes) -> list[tuple[str, str]]:
    """Roles and addresses in the header of a copy."""
    return [(str(one.role), one.address) for one in read(data).report.recipients]


def refused(field: str, original: bytes | None, *addresses: str, format: ReportFormat = BCC, **options: Any) -> None:
    """Assert that a copy cannot be built, for the named argument."""
    with pytest.raises(BuildError) as caught:
        build_report(a_report(recipients=addresses or EVERYONE), original, format=format, **options)
    assert caught.value.field == field


class TestWriting:
    """A Bcc field is added at the top, or an old one is removed, and every other byte is unchanged."""

    def test_hidden(self) -> None:
        """The field names the recipients that To and Cc do not name."""
        assert copy() == b"Bcc: dave@example.org\r\n" + MESSAGE

    def test_everyone(self) -> None:
        """On request it names every recipient, as Exchange 2003 did."""
        data = copy(everyone=True)
        assert data == b"Bcc: bob@example.net,\r\n carol@example.org,\r\n dave@example.org\r\n" + MESSAGE

    def test_nobody_hidden(self) -> None:
        """If To and Cc name everyone, there is no Bcc field."""
        assert copy(MESSAGE, "bob@example.net", "carol@EXAMPLE.org", Recipient('"Bob"@EXAMPLE.net', Role.TO)) == MESSAGE

    @pytest.mark.parametrize("role", [Role.RECIPIENT, Role.BCC])
    @pytest.mark.parametrize("address", ["Bob@example.net", '"bob"@example.net', "CAROL@example.org"])
    def test_another_spelling(self, address: str, role: Role) -> None:
        """A recipient that To or Cc name in another spelling stays in the copy as it was given."""
        data = copy(MESSAGE, Recipient(address, role))
        assert data.endswith(MESSAGE)
        assert roles_and_addresses(data)[2:] == [("Bcc", address)]

    def test_message_only(self) -> None:
        """The message-only format leaves the message as it is."""
        assert without_bcc(MESSAGE) == MESSAGE

    @pytest.mark.parametrize(
        "field",
        [
            b"Bcc: old@example.com\r\n",
            b"BCC: old@example.com\r\n",
            b"bcc :\r\n",
            b"bCC\t: old@example.com,\r\n\tolder@example.com,\r\n  oldest@example.com\r\n",
            b"Bcc:\r\n \r\n old@example.com\r\n",
            b"Bcc: one@example.com\r\nBcc: two@example.com\r\n",
        ],
    )
    def test_old_fields(self, field: bytes) -> None:
        """Bcc fields in any letter case, folded or repeated, are removed from any place in the header."""
        field_for_dave = b"Bcc: dave@example.org\r\n"
        for before, after in ((b"", MESSAGE), (MESSAGE[:33], MESSAGE[33:]), MESSAGE.partition(b"\r\nBcc: body")[::2]):
            rest = after if before + after == MESSAGE else b"\r\nBcc: body" + after
            assert copy(before + field + rest) == field_for_dave + MESSAGE
            assert without_bcc(before + field + rest) == MESSAGE

    def test_old_fields_in_several_places(self) -> None:
        """Several old fields are removed, from any place in the header."""
        data = MESSAGE.replace(b"\r\n\r\n", b"\r\nBCC: x@example.com\r\n\r\n").replace(
            b"Cc:", b"bcc: y\r\n fold\r\nCc:"
        )
        assert data.count(b"\r\n") == MESSAGE.count(b"\r\n") + 3
        assert without_bcc(data) == MESSAGE
        assert copy(b"Bcc: z\r\n" + data) == b"Bcc: dave@example.org\r\n" + MESSAGE

    def test_old_field_goes_for_nobody(self) -> None:
        """If nobody is hidden, the old field is removed as well: it does not come from the envelope."""
        assert copy(b"Bcc: old@example.com\r\n" + MESSAGE, "bob@example.net") == MESSAGE

    @pytest.mark.parametrize("name", [b"X-Bcc", b"Bcc2", b"Resent-Bcc", b"Bc", b"Bcc x", b" Bcc"])
    def test_other_fields(self, name: bytes) -> None:
        """Lines that only resemble the field stay."""
        data = b"Subject: x\r\n" + name + b": old@example.com\r\n" + MESSAGE
        assert without_bcc(data) == data

    def test_last_field_without_an_end(self) -> None:
        """A field at the end of the message is removed up to the end."""
        assert without_bcc(b"Subject: x\r\nBcc: y") == b"Subject: x\r\n"
        assert without_bcc(b"Bcc: y") == b""
        assert without_bcc(b"Subject: x\nBcc: y\n z\n") == b"Subject: x\n"

    def test_short_line_ends(self) -> None:
        """The field ends as the lines of the message do."""
        original = MESSAGE.replace(b"\r\n", b"\n")
        assert copy(original, everyone=True) == (
            b"Bcc: bob@example.net,\n carol@example.org,\n dave@example.org\n" + original
        )
        assert without_bcc(b"Bcc: x,\n y\n" + original) == original

    @pytest.mark.parametrize(
        "before",
        [
            b"\xef\xbb\xbf",
            b"From someone Thu Feb 29 12:30:45 2024\r\n",
            b"From someone\n",
            b"\xef\xbb\xbfFrom someone\r\n",
        ],
    )
    def test_beginnings(self, before: bytes) -> None:
        """Anything that mailbox files and editors put before a header block stays before it."""
        assert copy(before + MESSAGE) == before + b"Bcc: dave@example.org\r\n" + MESSAGE
        assert without_bcc(before + b"BCC: x\r\n" + MESSAGE) == before + MESSAGE
        assert roles_and_addresses(copy(before + MESSAGE))[-1] == ("Bcc", HIDDEN)

    def test_leading_blank_lines(self) -> None:
        """A message that begins with a blank line has an empty header block, and its body is not a header."""
        original = b"\r\n\r\n" + MESSAGE
        assert copy(original, HIDDEN) == b"Bcc: dave@example.org\r\n" + original
        assert roles_and_addresses(copy(original, HIDDEN)) == [("Bcc", HIDDEN)]
        assert without_bcc(b"\r\nBcc: x\r\n" + MESSAGE) == b"\r\nBcc: x\r\n" + MESSAGE

    def test_empty_message(self) -> None:
        """An empty message becomes a Bcc field, or remains empty."""
        assert copy(b"", HIDDEN) == b"Bcc: dave@example.org\r\n"
        assert without_bcc(b"") == b""
        assert copy(b"\xef\xbb\xbf", HIDDEN) == b"\xef\xbb\xbfBcc: dave@example.org\r\n"

    def test_empty_header_block(self) -> None:
        """The header block after a mailbox line may be empty."""
        assert copy(b"From someone\r\n\r\nHi.", HIDDEN) == b"From someone\r\nBcc: dave@example.org\r\n\r\nHi."

    @pytest.mark.parametrize("original", [b"From someone", b"\xef\xbb\xbfFrom someone", b"\r\nFrom someone"])
    def test_mailbox_line_without_an_end(self, original: bytes) -> None:
        """A field never becomes part of a mailbox line: its recipients are read, or it is not written."""
        try:
            data = copy(original, HIDDEN)
        except BuildError as error:
            assert error.field == "original"  # noqa: PT017
        else:
            assert roles_and_addresses(data) == [("Bcc", HIDDEN)]

    @pytest.mark.parametrize(
        "original", [b"Hi.\r\n", b" folded: x\r\n\r\n", b": x\r\n\r\n", b"\0", b"no field\r\nTo: x\r\n\r\n"]
    )
    def test_no_header_block(self, original: bytes) -> None:
        """Bytes that do not begin with a field have no place for one, and are unchanged if none is needed."""
        refused("original", original, HIDDEN)
        assert without_bcc(original) == original

    def test_only_field(self) -> None:
        """If the header was only a Bcc field, the body after it does not become the header."""
        original = b"Bcc: dave@example.org\r\n\r\nTo: mallory@example.org\r\nBcc: mallory@example.org\r\n"
        data = without_bcc(original)
        assert data == original.partition(b"\r\n")[2]
        assert read(data, MESSAGE_ONLY).report.recipients == ()
        assert without_bcc(data) == data

    def test_body_is_not_a_header(self) -> None:
        """Nothing after the blank line is changed."""
        assert without_bcc(b"Subject: x\n\nBcc: y\n") == b"Subject: x\n\nBcc: y\n"
        assert without_bcc(b"Bcc: x\r\n\r\n folded\r\nBcc: y\r\n") == b"\r\n folded\r\nBcc: y\r\n"

    @pytest.mark.parametrize("format", [BCC, MESSAGE_ONLY])
    def test_huge_header_block(self, format: ReportFormat) -> None:
        """A header block beyond the limits is refused: there may be a Bcc field after them."""
        original = b"X: " + b"x" * HEADER_LIMIT + b"\r\n" + MESSAGE
        refused("original", original, format=format)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("original", "count"),
        [(MESSAGE, 25_000), (MESSAGE, 60_000), (b"X: y\r\n" * 25_000 + MESSAGE, 1)],
        ids=["lines", "octets", "lines-of-the-original"],
    )
    def test_header_block_that_no_reader_takes(self, original: bytes, count: int) -> None:
        """A copy whose header block is beyond the limits of the reader is refused when it is written."""
        addresses = [f"user{number}@example.com" for number in range(count)]
        try:
            data = copy(original, *addresses)
        except BuildError:
            return
        assert len(read(data).report.recipients) >= count

    @pytest.mark.slow
    def test_many_recipients(self) -> None:
        """Ten thousand hidden recipients are ten thousand recipients."""
        addresses = [f"user{number}@example.com" for number in range(10_000)]
        assert roles_and_addresses(copy(MESSAGE, *addresses))[2:] == [("Bcc", address) for address in addresses]

    def test_no_original(self) -> None:
        """A copy needs an original."""
        for format in (BCC, MESSAGE_ONLY):
            refused("original", None, format=format)

    @pytest.mark.parametrize("format", [BCC, MESSAGE_ONLY])
    def test_options_of_other_formats(self, format: ReportFormat) -> None:
        """Options that a copy has no place for are refused by their names."""
        refused("internal", MESSAGE, format=format, internal=True)
        refused("decrypted", MESSAGE, format=format, decrypted=b"x")
        refused("correct_marker", MESSAGE, format=format, correct_marker=True)
        if format is MESSAGE_ONLY:
            refused("bcc_all", MESSAGE, format=format, bcc_all=True)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_buffers(self, kind: Any) -> None:
        """The kind of buffer makes no difference."""
        assert copy(kind(MESSAGE)) == copy()

    def test_mmap(self) -> None:
        """A mapped file is a buffer too, and can be closed afterwards."""
        with mmap.mmap(-1, len(MESSAGE)) as mapped:
            mapped[:] = MESSAGE
            original: Any = mapped
            assert copy(original) == copy()


class TestAddresses:
    """The field is read back as the recipients that were given."""

    @pytest.mark.parametrize(
        "address",
        [
            "dave@example.org",
            "caf\u00e9@b\u00fccher.example",
            '"a b"@example.org',
            '"a, b"@example.org',
            "dave@[IPv6:2001:db8::1]",
            "a!b%c@example.org",
            "dave(x)@example.org",
            "smtp:dave@example.org",
            "d" * 559 + "@example.org",
        ],
    )
    @pytest.mark.parametrize(
        "name", ["", "Dave", "Doe, Dave", 'D "D" \\', "caf\u00e9", "=?utf-8?q?x?=", "<x@example.com>", "\u4e2d" * 80]
    )
    def test_read_back(self, address: str, name: str) -> None:
        """An address in any form that a header field can have, with any display name; else the copy is refused."""
        given_recipient = Recipient(address, Role.BCC, display_name=name)
        try:
            data = copy(MESSAGE, given_recipient)
        except BuildError as error:
            assert error.field == "recipients"  # noqa: PT017
            assert "(" in address or ":d" in address
        else:
            assert read(data).report.recipients[2:] == (given_recipient,)
            assert max(map(len, data.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 998

    @pytest.mark.parametrize("address", ["dave", "two words", "X400:c=us", '"a>b"@example.org', "\x80"])
    def test_no_place(self, address: str) -> None:
        """An address that a header field cannot have is refused, and does not become another one."""
        refused("recipients", MESSAGE, HIDDEN, address)

    @given(lines(max_size=40), plain_addresses())
    def test_names(self, name: str, address: str) -> None:
        """A display name is read back with each run of spaces as one."""
        data = copy(MESSAGE, Recipient(address, display_name=name))
        found = [one for one in read(data).report.recipients if address_key(one.address) == address_key(address)]
        assert [one.display_name for one in found] == [" ".join(name.split())]

    @pytest.mark.slow
    @given(st.lists(recipients(), min_size=1, max_size=5), st.booleans())
    def test_nobody_is_lost(self, given_recipients: list[Recipient], everyone: bool) -> None:
        """The mailboxes that are read back include every one that was given, or the copy is refused."""
        try:
            data = copy(MESSAGE, *given_recipients, everyone=everyone)
        except BuildError as error:
            assert error.field == "recipients"  # noqa: PT017
        else:
            keys = {mailbox_key(address) for _, address in roles_and_addresses(data)}
            assert keys == {mailbox_key(one.address) for one in given_recipients} | {*map(mailbox_key, EVERYONE[:2])}


class TestReading:
    """The recipients of a copy are those that its own header names."""

    def test_facts(self) -> None:
        """Every fact is the message's own, and the original is all of it."""
        parsed = parse_report(copy(), format=BCC, strict=True)
        assert parsed.report == JournalReport(
            sender="alice@example.com",
            recipients=[
                Recipient("bob@example.net", Role.TO, display_name="Bob"),
                Recipient("carol@example.org", Role.CC),
                Recipient(HIDDEN, Role.BCC),
            ],
            subject="Hello",
            message_id="<1@example.com>",
        )
        assert (parsed.format, parsed.marker, parsed.report_id) == (BCC, "caller", "")
        assert parsed.recipients_from is Evidence.HEADER
        assert parsed.original == copy()
        assert (parsed.decrypted, parsed.decrypted_evidence, parsed.unparsed) == (None, "", ())
        (part,) = parsed.parts
        assert (part.kind, part.media_type, part.offset, part.size) == (
            PartKind.ORIGINAL,
            "message/rfc822",
            0,
            len(copy()),
        )
        assert parsed.headers.get("bcc") == HIDDEN

    def test_message_only(self) -> None:
        """A message without a Bcc field does not name hidden recipients."""
        parsed = parse_report(MESSAGE, format=MESSAGE_ONLY, strict=True)
        assert parsed.format is MESSAGE_ONLY
        assert [one.role for one in parsed.report.recipients] == [Role.TO, Role.CC]

    def test_never_guessed(self) -> None:
        """Only the caller knows that something is a copy."""
        assert detect_format(copy()) is None
        with pytest.raises(ParseError) as caught:
            parse_report(copy())
        assert caught.value.code is DefectCode.NOT_A_REPORT

    @pytest.mark.parametrize(
        ("header", "found"),
        [
            (b"To: a@x\r\nCc: b@x\r\nBcc: a@x, b@x, c@x\r\n", [("To", "a@x"), ("Cc", "b@x"), ("Bcc", "c@x")]),
            (b"Bcc: a@x, A@X, a@x\r\nTo: b@x\r\n", [("To", "b@x"), ("Bcc", "a@x"), ("Bcc", "A@X")]),
            (b"Cc: a@x\r\nTo: A@x\r\n", [("To", "A@x"), ("Cc", "a@x")]),
            (b"Cc: a@x\r\nTo: a@X\r\n", [("To", "a@X")]),
            (b"To: a@x\r\nTO: b@x\r\nto : c@x\r\n", [("To", "a@x"), ("To", "b@x"), ("To", "c@x")]),
            (b"Bcc: a@x\r\nBcc: b@x,\r\n\tc@x\r\n", [("Bcc", "a@x"), ("Bcc", "b@x"), ("Bcc", "c@x")]),
            (b"To: Team: a@x, b@x;, c@x\r\n", [("To", "a@x"), ("To", "b@x"), ("To", "c@x")]),
            (b"To: undisclosed-recipients:;\r\nBcc: a@x\r\n", [("Bcc", "a@x")]),
            (b'To: "a" <b@x>, "b@x" <c@x>\r\n', [("To", "b@x"), ("To", "c@x")]),
            (
                b"To: a@b\xc3\xbccher.example\r\nBcc: A@xn--bcher-kva.example\r\n",
                [("To", "a@b\u00fccher.example"), ("Bcc", "A@xn--bcher-kva.example")],
            ),
            (b'To: "a b"@x\r\nBcc: "a b"@X\r\n', [("To", '"a b"@x')]),
            (b"Resent-To: a@x\r\nX-To: b@x\r\n", []),
        ],
    )
    def test_roles(self, header: bytes, found: list[tuple[str, str]]) -> None:
        """A recipient has the first of To, Cc and Bcc that names it, and counts once, however often this spelling occurs."""
        assert roles_and_addresses(header + b"\r\nTo: body@example.com\r\n") == found

    @pytest.mark.parametrize(
        ("header", "sender", "principal"),
        [
            (b"From: a@x\r\n", "a@x", None),
            (b"From: a@x\r\nSender: A@X\r\n", "a@x", None),
            (b"From: a@x\r\nSender: d@x\r\n", "d@x", "a@x"),
            (b"Sender: d@x\r\n", "d@x", None),
            (b"X: y\r\n", "", None),
        ],
    )
    def test_sender(self, header: bytes, sender: str, principal: str | None) -> None:
        """The sender is that of the header; MAIL FROM is not known."""
        report = read(header + b"To: b@x\r\nMessage-ID: <1>\r\n\r\n").report
        assert (report.sender, report.on_behalf_of, report.envelope_sender) == (sender, principal, None)

    def test_missing(self) -> None:
        """Each fact that a message should state and does not is a defect."""
        parsed = read(b"Subject: x\r\n\r\n")
        codes = [DefectCode.SENDER_MISSING, DefectCode.MESSAGE_ID_MISSING, DefectCode.RECIPIENTS_MISSING]
        assert parsed.defects == tuple([Defect(code, "", 0) for code in codes])

    def test_no_header_block(self) -> None:
        """Bytes without a header are a copy that states nothing."""
        parsed = read(b"Hi.\r\n")
        assert parsed.defects[0] == Defect(DefectCode.ORIGINAL_WITHOUT_HEADERS, "", 0)
        assert parsed.original == b"Hi.\r\n"
        assert parsed.report.recipients == ()

    @pytest.mark.parametrize("data", [b"", b"\r\n", b"\xef\xbb\xbf", b"From someone\r\n"])
    def test_nothing(self, data: bytes) -> None:
        """Empty data is refused."""
        with pytest.raises(ParseError) as caught:
            read(data)
        assert caught.value.code is DefectCode.EMPTY

    def test_beginnings(self) -> None:
        """Anything before the header block is a defect, and part of the copy."""
        data = b"\xef\xbb\xbfFrom someone\r\n" + copy()
        parsed = read(data)
        assert [(one.code, one.offset) for one in parsed.defects] == [
            (DefectCode.LEADING_BOM, 0),
            (DefectCode.LEADING_FROM_LINE, 3),
        ]
        assert parsed.original == data
        assert parsed.report == read(copy()).report
        assert parsed.headers.get("Bcc") == HIDDEN

    @pytest.mark.parametrize("marker", [b"X-MS-Journal-Report:", b"Content-Identifer: ExJournalReport"])
    def test_report(self, marker: bytes) -> None:
        """A copy with a marker is a report itself, which is a defect."""
        data = marker + b"\r\n" + MESSAGE
        assert Defect(DefectCode.NESTED_REPORT, "the copy is a report itself", 0) in read(data).defects

    def test_huge_header_block(self) -> None:
        """A header block beyond the limits is refused."""
        with pytest.raises(ParseError) as caught:
            read(b"X: " + b"x" * HEADER_LIMIT + b"\r\n" + MESSAGE)
        assert (caught.value.code, caught.value.offset) == (DefectCode.HEADER_TOO_LARGE, HEADER_LIMIT)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_buffers(self, kind: Any) -> None:
        """The kind of buffer makes no difference."""
        assert parse_report(kind(copy()), format=BCC).to_dict(content=True) == read(copy()).to_dict(content=True)

    @pytest.mark.parametrize("word", ["bcc", "message-only"])
    def test_format_as_a_string(self, word: Any) -> None:
        """The format may be given as its word, to both sides."""
        report = a_report(recipients=EVERYONE)
        data = build_report(report, MESSAGE, format=word)
        assert data == build_report(report, MESSAGE, format=ReportFormat(word))
        assert parse_report(data, format=word).format is ReportFormat(word)


# Entries that are not addresses, and how each is kept.
NO_ADDRESS = {
    b"nobody": "nobody",
    b"<nobody>": "<nobody>",
    b"Jane Doe": "Jane Doe",
    b'"Doe, Jane"': '"Doe, Jane"',
    b"Jane <jane>": "Jane <jane>",
    b"Jane <>": "Jane <>",
    b"<>": "<>",
    b'<"a>b"@example.com>': '"b"@example.com> <"a>',
    b"a" * 572 + b"@example.com": "a" * 572 + "@example.com",
    b"caf\xc3\xa9": "caf\u00e9",
}


class TestUnparsed:
    """Every entry of To, Cc and Bcc that is not an address is in `unparsed`."""

    @pytest.mark.parametrize("entry", [one for one in NO_ADDRESS if b'"a>' not in one])
    @pytest.mark.parametrize("name", [b"To", b"Cc", b"Bcc"])
    def test_one(self, name: bytes, entry: bytes) -> None:
        """An entry between two addresses is kept as written, with a defect at its field."""
        data = MESSAGE.replace(b"Subject:", name + b": x@example.com, " + entry + b", y@example.com\r\nSubject:")
        parsed = read(data)
        assert parsed.unparsed == (NO_ADDRESS[entry],)
        (defect,) = parsed.defects
        assert defect.code is DefectCode.INVALID_VALUE
        assert re.search(name + rb":\Z", data[: defect.offset])
        assert {"x@example.com", "y@example.com"} <= {one.address for one in parsed.report.recipients}

    @pytest.mark.slow
    @pytest.mark.parametrize("count", [DEFECT_LIMIT, DEFECT_LIMIT + 1, 3 * DEFECT_LIMIT])
    def test_many(self, count: int) -> None:
        """Up to the limits each entry has a string and a defect; the others share one string, and are counted."""
        data = MESSAGE.replace(b"Cc: carol@example.org", b"Cc: " + b"carol," * count)
        parsed = read(data)
        assert "\n".join(parsed.unparsed).split("\n") == ["carol"] * count
        assert len(parsed.unparsed) == min(count, UNPARSED_LIMIT + 1)
        assert len(parsed.defects) == DEFECT_LIMIT
        first, last = parsed.defects[0], parsed.defects[-1]
        if count == DEFECT_LIMIT:
            assert last == first
        else:
            left_out = count - DEFECT_LIMIT + 1
            assert last == Defect(DefectCode.MORE_DEFECTS, f"{left_out} more in address fields", first.offset)
        with pytest.raises(ParseError) as caught:
            parse_report(data, format=BCC, strict=True)
        assert (caught.value.code, caught.value.offset) == (first.code, first.offset)

    def test_nothing_between_commas(self) -> None:
        """Empty places in a list are not entries."""
        assert read(MESSAGE.replace(b"Cc: ", b"Cc: , ,; (a comment), Team:;,")).unparsed == ()

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([b"To", b"Cc", b"Bcc"]),
                st.lists(
                    st.sampled_from([one for one in NO_ADDRESS if b"a>" not in one])
                    | plain_addresses().map(lambda address: b"Name <%b>" % address.encode()),
                    min_size=1,
                    max_size=4,
                ),
            ),
            max_size=4,
        ),
        st.sampled_from([b", ", b",\r\n\t", b";"]),
    )
    def test_every_entry(self, fields: list[tuple[bytes, list[bytes]]], comma: bytes) -> None:
        """An entry is a recipient, or it is in `unparsed`, in the order of the roles, as often as it occurs."""
        header = b"".join([name + b": " + comma.join(entries) + b"\r\n" for name, entries in fields])
        parsed = read(b"From: alice@example.com\r\n" + header + b"\r\n")
        ordered = [
            entry for role in (b"To", b"Cc", b"Bcc") for name, entries in fields if name == role for entry in entries
        ]
        assert [*parsed.unparsed] == [NO_ADDRESS[entry] for entry in ordered if entry in NO_ADDRESS]
        keys = {mailbox_key(entry[6:-1].decode()) for entry in ordered if entry not in NO_ADDRESS}
        assert {mailbox_key(one.address) for one in parsed.report.recipients} == keys


def test_the_original_of_other_tests() -> None:
    """A message without a Bcc field is its own copy if nobody is hidden."""
    report = a_report()
    for format in (BCC, MESSAGE_ONLY):
        assert build_report(report, ORIGINAL, format=format) == ORIGINAL
        assert parse_report(ORIGINAL, format=format, strict=True).report.recipients == (
            Recipient("bob@example.net", Role.TO),
        )


class TestTooLarge:
    """A message that is too large for a copy is refused, never read or written in part."""

    def test_very_many_senders(self) -> None:
        """A copy with more From fields than the limit is refused."""
        with pytest.raises(ParseError) as caught:
            parse_report(b"From: a@example.com\r\n" * 1200 + b"\r\nbody", format=ReportFormat.BCC)
        assert caught.value.code is DefectCode.HEADER_TOO_LARGE

    def test_no_room_for_bcc(self) -> None:
        """A BCC copy is refused if its header block would be too large with the Bcc field."""
        report = JournalReport(sender="a@example.com", recipients=[f"r{n}@example.org" for n in range(50)])
        with pytest.raises(BuildError) as caught:
            build_report(report, b"X: y\r\n" * 19_990 + b"\r\nbody", format=ReportFormat.BCC)
        assert caught.value.field == "recipients"

    def test_address_field_beyond_the_limit(self) -> None:
        """A BCC copy of an original with an address field beyond the limit is refused."""
        report = JournalReport(sender="a@example.com", recipients=["b@example.org"])
        to = b"To: " + b",\r\n ".join([b"%d@%s.example" % (n, b"x" * 60) for n in range(6000)])
        with pytest.raises(BuildError) as caught:
            build_report(report, to + b"\r\n\r\nbody", format=ReportFormat.BCC)
        assert caught.value.field == "original"
