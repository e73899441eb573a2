"""The report text of Exchange 2007 and later, both ways."""

import dataclasses

import pytest
from hypothesis import given

from exjournal import DefectCode, JournalReport, Recipient, Role
from exjournal.limits import DEFECT_LIMIT, RECIPIENT_LIMIT, UNPARSED_LIMIT
from exjournal.reports.envelope import ReportText, TooManyRecipients, read_report_text, write_report_text
from strategies import a_report, carried, report_texts, reports

HEAD = "Sender: alice@example.com\nSubject: Hello\nMessage-Id: <1@example.com>\n"
VALUES = {"sender": "alice@example.com", "subject": "Hello", "message_id": "<1@example.com>"}


def codes(read: ReportText) -> list[DefectCode]:
    """The codes of the oddities, in order."""
    return [code for code, _, _ in read.oddities]


def recipient_of(line: str) -> tuple[Recipient | None, list[str], list[DefectCode]]:
    """The recipient in one line after the three fields, the unparsed lines, and the codes of the oddities."""
    read = read_report_text(HEAD + line + "\n")
    assert read.values == VALUES
    assert len(read.recipients) <= 1
    return next(iter(read.recipients), None), read.unparsed, codes(read)


class TestWriting:
    """The grammar as Exchange writes it (MS-XJRNL 2.1.1)."""

    def test_least(self) -> None:
        """The three fields are always there, and the null sender is a pair of brackets."""
        report = JournalReport(sender="", recipients=["bob@example.net"])
        assert write_report_text(report) == "Sender: <>\r\nSubject: \r\nMessage-Id: \r\nRecipient: bob@example.net\r\n"

    def test_most(self) -> None:
        """Every field in its place, every redirect after a comma."""
        report = a_report(
            on_behalf_of="chief@example.com",
            label="L",
            mailbox="M",
            sent_utc="S",
            received_utc="R",
            recipients=[
                Recipient("a@example.com", Role.TO, display_name="not written"),
                Recipient("b@example.com", Role.CC, expanded_from="l@example.com"),
                Recipient("c@example.com", Role.BCC, forwarded_from="f@example.com"),
                Recipient("d@example.com", expanded_from="l@example.com", forwarded_from="f@example.com"),
            ],
        )
        assert write_report_text(report).split("\r\n") == [
            "Sender: alice@example.com",
            "On-Behalf-Of: chief@example.com",
            "Subject: Hello",
            "Message-Id: <1@example.com>",
            "Label: L",
            "Mailbox: M",
            "SentUtc: S",
            "ReceivedUtc: R",
            "To: a@example.com",
            "Cc: b@example.com, Expanded: l@example.com",
            "Bcc: c@example.com, Forwarded: f@example.com",
            "Recipient: d@example.com, Expanded: l@example.com, Forwarded: f@example.com",
            "",
        ]

    @pytest.mark.slow
    @given(reports())
    def test_read_again(self, report: JournalReport) -> None:
        """A written text is read back, without an oddity."""
        read = read_report_text(write_report_text(report))
        values = dict(read.values, recipients=read.recipients, envelope_sender=report.envelope_sender)
        assert JournalReport(**values) == carried(report)  # type: ignore[arg-type]
        assert not read.unparsed
        assert not read.oddities


class TestFields:
    """One field a line, in any order and letter case."""

    @pytest.mark.parametrize("line_end", ["\r\n", "\n"])
    def test_line_ends(self, line_end: str) -> None:
        """CRLF and LF are line ends, and the last one may be missing."""
        for text in (HEAD + "To: bob@example.net\n", HEAD + "To: bob@example.net"):
            read = read_report_text(text.replace("\n", line_end))
            assert read.values == VALUES
            assert read.recipients == [Recipient("bob@example.net", Role.TO)]

    @pytest.mark.parametrize(
        ("line", "values"),
        [
            ("SENDER:a@example.com", {"sender": "a@example.com"}),
            ("Sender : a@example.com \t", {"sender": "a@example.com"}),
            ("\tSender: a@example.com", {"sender": "a@example.com"}),
            ("Sender: <>", {"sender": ""}),
            ("Sender:", {"sender": ""}),
            ("on-behalf-of: a@example.com", {"on_behalf_of": "a@example.com"}),
            ("Message-ID: <1>", {"message_id": "<1>"}),
            ("message-id:", {"message_id": ""}),
            ("Subject: a: b, c", {"subject": "a: b, c"}),
            ("Subject: Recipient: x@example.com, Expanded: y", {"subject": "Recipient: x@example.com, Expanded: y"}),
            ("Subject: =?utf-8?q?x?=", {"subject": "=?utf-8?q?x?="}),
            ("Subject: one\ttwo\xa0three", {"subject": "one\ttwo\xa0three"}),
            ("Subject: \u00a0x\u00a0", {"subject": "\u00a0x\u00a0"}),
            ("Label: Contracts", {"label": "Contracts"}),
            ("MAILBOX: m", {"mailbox": "m"}),
            ("SentUTC: 1/1/2024 00:00:00 AM", {"sent_utc": "1/1/2024 00:00:00 AM"}),
            ("receivedutc: x", {"received_utc": "x"}),
        ],
    )
    def test_read(self, line: str, values: dict[str, str]) -> None:
        """A value is the text after its label, without spaces and tabs around it."""
        read = read_report_text(line)
        assert (read.values, read.recipients, read.unparsed, read.oddities) == (values, [], [], [])

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("Sender: a, b", DefectCode.INVALID_VALUE),
            ("Sender: <a> b", DefectCode.INVALID_VALUE),
            ("Sender: " + "a" * 572, DefectCode.INVALID_VALUE),
            ("On-Behalf-Of: a, b", DefectCode.INVALID_VALUE),
            ("Subject: a\rb", DefectCode.INVALID_VALUE),
            ("Subject: a\0b", DefectCode.INVALID_VALUE),
            ("Subject: a\x0bb", DefectCode.INVALID_VALUE),
            ("Message-Id: <a\x7f>", DefectCode.INVALID_VALUE),
            ("Sender: a\x1cb@example.com", DefectCode.INVALID_VALUE),
            ("Label: a\x85b", DefectCode.INVALID_VALUE),
            ("Mailbox: a\u2028b", DefectCode.INVALID_VALUE),
            ("Subject: \ud800", DefectCode.INVALID_VALUE),
            ("Label: " + "x" * 256, DefectCode.INVALID_VALUE),
            ("X-New: y", DefectCode.UNKNOWN_FIELD),
            ("Expanded: x", DefectCode.UNKNOWN_FIELD),
            ("no field", DefectCode.UNKNOWN_LINE),
            ("two words: x", DefectCode.UNKNOWN_LINE),
            (": x", DefectCode.UNKNOWN_LINE),
            ("x" * 62 + ": x", DefectCode.UNKNOWN_LINE),
            ("\x0b", DefectCode.UNKNOWN_LINE),
            ("\u2028", DefectCode.UNKNOWN_LINE),
            ("1: x", DefectCode.UNKNOWN_LINE),
            ("To", DefectCode.UNKNOWN_LINE),
        ],
    )
    def test_set_aside(self, line: str, code: DefectCode) -> None:
        """A line that is not a field is kept as written."""
        read = read_report_text(line)
        assert (read.values, read.recipients, read.unparsed) == ({}, [], [line])
        assert read.oddities == [(code, 0, 0)]

    @pytest.mark.parametrize("line", ["", " ", "\t \t", "\r", " \r", "\r\n\r\n", "\n\n\n"])
    def test_empty_lines(self, line: str) -> None:
        """Empty lines are ignored."""
        read = read_report_text(line)
        assert (read.values, read.recipients, read.unparsed, read.oddities) == ({}, [], [], [])

    def test_repeated(self) -> None:
        """The first of a repeated field counts, the others are kept."""
        read = read_report_text("Subject: a\nsubject: b\nSubject: a\n")
        assert read.values == {"subject": "a"}
        assert read.unparsed == ["subject: b", "Subject: a"]
        assert read.oddities == [(DefectCode.REPEATED_FIELD, 1, 2)]

    @pytest.mark.parametrize(
        ("line", "sender", "name"),
        [
            ("Sender: <a@example.com>", "a@example.com", ""),
            ("Sender: Alice <a@example.com>", "a@example.com", "Alice"),
            ('Sender: "Alice" <smtp:a@example.com>', "a@example.com", "Alice"),
            ("Sender: <SMTP:a@example.com>", "a@example.com", ""),
        ],
    )
    def test_brackets(self, line: str, sender: str, name: str) -> None:
        """A sender in brackets is read, with its display name, and noted."""
        read = read_report_text(line)
        assert read.values == ({"sender": sender, "sender_display_name": name} if name else {"sender": sender})
        assert read.unparsed == []
        assert codes(read) == [DefectCode.ADDRESS_IN_BRACKETS]

    def test_principal_in_brackets(self) -> None:
        """The model has no place for a display name of the principal, so the line is kept."""
        read = read_report_text("On-Behalf-Of: Chief <c@example.com>")
        assert read.values == {"on_behalf_of": "c@example.com"}
        assert read.unparsed == ["On-Behalf-Of: Chief <c@example.com>"]


TO = Recipient("a@example.com", Role.TO)
LIST, MAILBOX = "list@example.com", "m@example.com"


class TestRecipientLines:
    """A recipient line: a role, an address, a redirect or two."""

    @pytest.mark.parametrize(
        ("line", "found"),
        [
            ("To: a@example.com", TO),
            ("TO:a@example.com", TO),
            (" To : a@example.com\t", TO),
            ("cc: a@example.com", dataclasses.replace(TO, role=Role.CC)),
            ("BCC: a@example.com", dataclasses.replace(TO, role=Role.BCC)),
            ("recipient: a@example.com", dataclasses.replace(TO, role=Role.RECIPIENT)),
            ("To: a@example.com, Expanded: list@example.com", dataclasses.replace(TO, expanded_from=LIST)),
            ("To: a@example.com,expanded:list@example.com", dataclasses.replace(TO, expanded_from=LIST)),
            ("To: a@example.com Expanded: list@example.com", dataclasses.replace(TO, expanded_from=LIST)),
            ("To: a@example.com\tEXPANDED\t:\tlist@example.com", dataclasses.replace(TO, expanded_from=LIST)),
            ("To: a@example.com, Forwarded: m@example.com", dataclasses.replace(TO, forwarded_from=MAILBOX)),
            (
                "To: a@example.com, Expanded: list@example.com, Forwarded: m@example.com",
                dataclasses.replace(TO, expanded_from=LIST, forwarded_from=MAILBOX),
            ),
            (
                "To: a@example.com, Forwarded: m@example.com, Expanded: list@example.com",
                dataclasses.replace(TO, expanded_from=LIST, forwarded_from=MAILBOX),
            ),
            (
                'To: ", Expanded: x"@example.com, Expanded: "a, forwarded: b"@example.com',
                Recipient('", Expanded: x"@example.com', Role.TO, expanded_from='"a, forwarded: b"@example.com'),
            ),
            ("To: user @ node", Recipient("user @ node", Role.TO)),
            ("To: a:b, Expanded: c:d", Recipient("a:b", Role.TO, expanded_from="c:d")),
            ("To: IMCEAEX-_O=X@example.com", Recipient("IMCEAEX-_O=X@example.com", Role.TO)),
            ("To: \u00e9@b\u00fccher.example", Recipient("\u00e9@b\u00fccher.example", Role.TO)),
            ("To: " + "a" * 571, Recipient("a" * 571, Role.TO)),
        ],
    )
    def test_read(self, line: str, found: Recipient) -> None:
        """Spaces, letter case, a missing comma and the order of redirects do not matter."""
        assert recipient_of(line) == (found, [], [])

    @pytest.mark.parametrize(
        ("line", "found", "unparsed"),
        [
            ("To: <a@example.com>", TO, False),
            ("To: <smtp:a@example.com>", TO, False),
            ('To: <"a smtp:b"@example.com>', Recipient('"a smtp:b"@example.com', Role.TO), False),
            ("To: A B <a@example.com>", dataclasses.replace(TO, display_name="A B"), False),
            ('To: "A, B" <SMTP:a@example.com>', dataclasses.replace(TO, display_name="A, B"), False),
            ('To: "" <a@example.com>', TO, False),
            (
                "To: A <a@example.com>, Expanded: <list@example.com>",
                dataclasses.replace(TO, expanded_from=LIST, display_name="A"),
                False,
            ),
            ("To: a@example.com, Expanded: L <list@example.com>", dataclasses.replace(TO, expanded_from=LIST), True),
        ],
    )
    def test_brackets(self, line: str, found: Recipient, unparsed: bool) -> None:
        """Display forms are read and noted; the display name of a redirect has no place in the model, so the line is kept."""
        assert recipient_of(line) == (found, [line] if unparsed else [], [DefectCode.ADDRESS_IN_BRACKETS])

    @pytest.mark.parametrize(
        "line",
        [
            "To:",
            "To: <>",
            "To: ,",
            "To: a@example.com,",
            "To: a@example.com, Expanded:",
            "To: , Expanded: list@example.com",
            "To: a@example.com, Expanded: x, Expanded: y",
            "To: a@example.com, Forwarded: x, y",
            'To: "a@example.com',
            "To: a@example.com, Expanded: <x",
            "To: A <b> <a@example.com>",
            "To: A\0 <a@example.com>",
            "To: a\rb",
            "To: \udfff",
            "To: " + "a" * 572,
            "To: " + "a" * 5000,
            "To: " + ", Expanded: x" * 300,
        ],
    )
    def test_set_aside(self, line: str) -> None:
        """A line that is not completely a recipient line is not a recipient, and is kept as written."""
        assert recipient_of(line) == (None, [line], [DefectCode.INVALID_VALUE])

    @pytest.mark.parametrize(
        ("value", "addresses"),
        [
            ("a@example.com; b@example.com", ["a@example.com", "b@example.com"]),
            ("a@example.com,b@example.com", ["a@example.com", "b@example.com"]),
            (";a@example.com;;b@example.com;", ["a@example.com", "b@example.com"]),
            ("a@example.com;", ["a@example.com"]),
            ('"a;b"@example.com; c@[192.0.2.1]', ['"a;b"@example.com', "c@[192.0.2.1]"]),
            ("aa=b/c@example.com; d@example.com", ["aa=b/c@example.com", "d@example.com"]),
            ("; ".join(f"{number}@example.com" for number in range(500)), None),
        ],
    )
    def test_several_addresses(self, value: str, addresses: list[str] | None) -> None:
        """Each address of a list is a recipient, and the line is kept."""
        read = read_report_text(f"{HEAD}Cc: {value}\nTo: z@example.com\n")
        wanted = [Recipient(one, Role.CC) for one in addresses or value.split("; ")]
        assert read.recipients == [*wanted, Recipient("z@example.com", Role.TO)]
        assert read.unparsed == [f"Cc: {value}"]
        assert [code for code, _, _ in read.oddities] == [DefectCode.SEVERAL_ADDRESSES]

    @pytest.mark.parametrize(
        ("line", "ways"),
        [
            ("a@x.example; b@x.example, Expanded: l", [("a@x.example", "l", None), ("b@x.example", "l", None)]),
            (
                "a@x.example, b@x.example, Forwarded: f, Expanded: l",
                [("a@x.example", "l", "f"), ("b@x.example", "l", "f")],
            ),
            ("a, Expanded: l@x.example; m@x.example", [("a", "l@x.example", None), ("a", "m@x.example", None)]),
        ],
    )
    def test_shared_redirect(self, line: str, ways: list[tuple[str, str | None, str | None]]) -> None:
        """If a line has one redirect for several addresses or several for one, each recipient has it, with a defect."""
        read = read_report_text(f"{HEAD}To: {line}\n")
        assert [(one.address, one.expanded_from, one.forwarded_from) for one in read.recipients] == ways
        assert read.unparsed == [f"To: {line}"]
        codes = [code for code, _, _ in read.oddities]
        assert codes == [DefectCode.SEVERAL_ADDRESSES, DefectCode.SHARED_REDIRECT]

    @pytest.mark.parametrize(
        "value",
        [
            "a@example.com; B",
            "a@example.com; IMCEAEX-_O=X@example.com",
            "a@example.com; S=Lund;C=US",
            "a@example.com; b@example.com, Expanded: c@example.com; d@example.com",
            "a@example.com; b@example.com, Expanded: <c",
            "a@example.com; b@example.com, Expanded: c, Expanded: d",
            "a@example.com; b@example.com, Expanded: c, Expanded: d, Forwarded: e, Forwarded: f",
            "a@example.com; B <b@example.com>",
            "undisclosed-recipients:;",
            "Undisclosed recipients: ;",
            "<undisclosed-recipients:;>",
        ],
    )
    def test_no_list(self, value: str) -> None:
        """A list is read as a whole or not at all, and a group without members is not a recipient."""
        line = f"To: {value}"
        assert recipient_of(line) == (None, [line], [DefectCode.INVALID_VALUE])

    @pytest.mark.parametrize(
        "address",
        ['"a;b"@example.com', "X400:C=US;A= ;P=Org;S=Lund", "C=DE;A=X;S=a@b;", "/o=x;y", "a;b@example.com", "a;b"],
    )
    def test_semicolon_in_an_address(self, address: str) -> None:
        """A semicolon in quotes, in an X.400 address or before a domain does not make a list."""
        assert recipient_of(f"To: {address}") == (Recipient(address, Role.TO), [], [])

    @pytest.mark.slow
    def test_list_beyond_the_limit(self) -> None:
        """One line cannot name more recipients than a text may have."""
        with pytest.raises(TooManyRecipients):
            read_report_text(f"{HEAD}To: " + "a@b;" * (RECIPIENT_LIMIT + 2))

    @pytest.mark.parametrize("character", ["\t", "\x01", "\x0b", "\x1c", "\x1f", "\x7f", "\x85", "\u2028", "\u2029"])
    def test_control_characters(self, character: str) -> None:
        """An address that some reader would split in two is invalid, in both places and next to anything."""
        address = f"a@example.com{character}Bcc: b@example.com"
        for line in (f"To: {address}", f"To: a@example.com, Expanded: {address}"):
            assert recipient_of(line) == (None, [line], [DefectCode.INVALID_VALUE])
            for other in ("", "To: c@example.com\n", "Cc: \u00e9@example.com\n"):
                read = read_report_text(f"{HEAD}{line}\n{other}")
                assert (read.unparsed, len(read.recipients)) == ([line], bool(other))

    @pytest.mark.parametrize("address", ["Expanded:", "expanded:x", "forwarded :x@example.com"])
    def test_address_that_reads_like_a_redirect(self, address: str) -> None:
        """Text that begins like a redirect is not an address, in both places and next to anything."""
        for line in (f"To: {address}", f"To: a@example.com, Expanded: {address}"):
            assert recipient_of(line) == (None, [line], [DefectCode.INVALID_VALUE])
            read = read_report_text(f"{HEAD}{line}\nCc: \u00e9@example.com\n")
            assert (read.unparsed, len(read.recipients)) == ([line], 1)

    def test_many_kinds(self) -> None:
        """Lines of every kind in any order are read in their order."""
        lines = ["Bcc: a", "To: b", "Bcc: c, Expanded: d", "Recipient: e", "To: f", "Cc: g"]
        read = read_report_text(HEAD + "\n".join(lines))
        assert [(one.role, one.address) for one in read.recipients] == [
            (Role.BCC, "a"),
            (Role.TO, "b"),
            (Role.BCC, "c"),
            (Role.RECIPIENT, "e"),
            (Role.TO, "f"),
            (Role.CC, "g"),
        ]
        assert read.oddities == []


class TestFolds:
    """Lines that a gateway folded as if they were headers."""

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("Subject: a\n b\n\tc", {"subject": "a b c"}),
            ("Subject:\n a", {"subject": "a"}),
            ("Subject: a\n To: b", {"subject": "a To: b"}),
            ("Message-Id:\n <1@example.com>", {"message_id": "<1@example.com>"}),
            ("Sender:\n\ta@example.com", {"sender": "a@example.com"}),
            ("Mailbox: \n x", {"mailbox": "x"}),
        ],
    )
    def test_fields(self, text: str, values: dict[str, str]) -> None:
        """A subject continues while lines are indented, another field if its value had not begun."""
        read = read_report_text(text)
        assert (read.values, read.unparsed) == (values, [])
        assert set(codes(read)) == {DefectCode.FOLDED_LINE}

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("To:\n a@example.com", TO),
            ("To: a@example.com,\n Expanded: list@example.com", dataclasses.replace(TO, expanded_from=LIST)),
            ("To: a@example.com\n\tExpanded: list@example.com", dataclasses.replace(TO, expanded_from=LIST)),
            ("To: a@example.com, Expanded:\n list@example.com", dataclasses.replace(TO, expanded_from=LIST)),
            (
                "To: a@example.com,\n Expanded: list@example.com,\n Forwarded:\n m@example.com",
                dataclasses.replace(TO, expanded_from=LIST, forwarded_from=MAILBOX),
            ),
        ],
    )
    def test_recipients(self, text: str, found: Recipient) -> None:
        """A recipient line continues with a redirect, or after a comma or colon."""
        read = read_report_text(text)
        assert (read.recipients, read.unparsed) == ([found], [])
        assert set(codes(read)) == {DefectCode.FOLDED_LINE}

    @pytest.mark.parametrize("line", [" b@example.com", "\tX: y", " ", "  indented text"])
    def test_no_fold(self, line: str) -> None:
        """An indented line after a complete recipient is a line of its own."""
        read = read_report_text(f"To: a@example.com\n{line}\n")
        assert read.recipients == [TO]
        assert read.unparsed == ([line] if line.strip() else [])
        assert DefectCode.FOLDED_LINE not in codes(read)

    def test_indented_text(self) -> None:
        """A text that is indented throughout is not folded."""
        read = read_report_text(" Sender: a@example.com\n Subject: b\n To: a@example.com\n")
        assert read.values == {"sender": "a@example.com", "subject": "b"}
        assert read.recipients == [TO]

    def test_folded_and_refused(self) -> None:
        """A folded line that is not a recipient is kept as one line."""
        read = read_report_text("To: a,\n b, c\n")
        assert read.recipients == []
        assert read.unparsed == ["To: a, b, c"]


class TestForeignParagraphs:
    """A message or a footer after the recipient lines is not part of the report."""

    def test_message(self) -> None:
        """The header of a message has a To as well, which does not add a recipient."""
        text = HEAD + "To: a@example.com\n\nReceived: from x\nTo: no@example.com\nSubject: x\n\nBody.\n"
        read = read_report_text(text)
        assert read.recipients == [TO]
        assert read.unparsed == ["Received: from x", "To: no@example.com", "Subject: x", "Body."]
        assert read.oddities == [(DefectCode.UNKNOWN_LINE, 5, 7), (DefectCode.UNKNOWN_LINE, 9, 9)]

    def test_body_of_a_message(self) -> None:
        """Nothing after a foreign paragraph is believed: the body of a message cannot add a recipient."""
        read = read_report_text(HEAD + "To: a@example.com\n\nReceived: from x\n\nBcc: no@example.com\n")
        assert read.recipients == [TO]
        assert read.unparsed == ["Received: from x", "Bcc: no@example.com"]

    def test_footer(self) -> None:
        """A footer's lines are kept."""
        read = read_report_text(HEAD + "To: a@example.com\n\n-- \nThis was scanned.\nCc: x@example.com\n")
        assert read.recipients == [TO]
        assert read.unparsed == ["-- ", "This was scanned.", "Cc: x@example.com"]

    def test_more_recipients(self) -> None:
        """A paragraph of report fields only continues the report."""
        read = read_report_text(HEAD + "To: a@example.com\n\nCc: a@example.com\n\n\nLabel: x\n")
        assert read.recipients == [TO, dataclasses.replace(TO, role=Role.CC)]
        assert read.values["label"] == "x"
        assert read.unparsed == []


class TestMany:
    """Very many lines cost no more than their limits allow, and none of them is lost."""

    @pytest.mark.slow
    def test_odd_lines(self) -> None:
        """Up to the limit each odd line is a string of its own; all others are one string."""
        for count in (UNPARSED_LIMIT - 1, UNPARSED_LIMIT, UNPARSED_LIMIT + 1, 3 * UNPARSED_LIMIT):
            lines = [f"odd {number}" for number in range(count)]
            read = read_report_text(HEAD + "\n".join(lines))
            assert read.unparsed[:UNPARSED_LIMIT] == lines[:UNPARSED_LIMIT]
            assert "\n".join(read.unparsed).split("\n") == lines
            assert len(read.unparsed) == min(count, UNPARSED_LIMIT + 1)
            assert read.oddities == [(DefectCode.UNKNOWN_LINE, 3, count + 2)]
            assert read.left_out == 0

    @pytest.mark.slow
    def test_oddities(self) -> None:
        """Up to the limit each oddity is listed; the others are counted."""
        for count in (DEFECT_LIMIT, DEFECT_LIMIT + 1, 3 * DEFECT_LIMIT):
            read = read_report_text(HEAD + "\n".join([("odd", "odd: 1")[number % 2] for number in range(count)]))
            assert len(read.oddities) == DEFECT_LIMIT
            assert read.oddities[-1] == (DefectCode.UNKNOWN_FIELD, DEFECT_LIMIT + 2, DEFECT_LIMIT + 2)
            assert read.left_out == count - DEFECT_LIMIT

    def test_neighbours_after_the_limit(self) -> None:
        """An oddity that is left out extends over adjacent lines, and is counted once."""
        read = read_report_text(HEAD + "odd\nodd: 1\n" * (DEFECT_LIMIT // 2) + "odd\n" * 50 + "\n" + "odd: 1\n" * 50)
        assert (len(read.oddities), read.left_out) == (DEFECT_LIMIT, 2)
        assert len("\n".join(read.unparsed).split("\n")) == DEFECT_LIMIT + 100

    @pytest.mark.slow
    def test_names_without_a_place(self) -> None:
        """A line that is kept for its name alone is kept beyond the limit too."""
        line = "To: a@example.com, Expanded: Staff <staff@example.com>"
        read = read_report_text(HEAD + "\n".join([line] * (UNPARSED_LIMIT + 5)))
        assert "\n".join(read.unparsed).split("\n") == [line] * (UNPARSED_LIMIT + 5)
        assert len(read.recipients) == UNPARSED_LIMIT + 5

    def test_folds(self) -> None:
        """A subject of very many folds is joined as one of two is."""
        read = read_report_text(HEAD.replace("Hello", "Hello" + "\n and" * 9000))
        assert read.values["subject"] == "Hello" + " and" * 9000
        assert read.oddities == [(DefectCode.FOLDED_LINE, 2, 9001)]

    @pytest.mark.slow
    def test_paragraphs(self) -> None:
        """Any number of paragraphs of recipients are read, up to the first that has anything else."""
        text = HEAD + "To: a@example.com\n\n\nCc: b@example.com,\n Expanded: c@example.com\n\n" * 2000
        read = read_report_text(text + "Received: from x\nTo: no@example.com\n\nTo: no@example.com\n")
        assert len(read.recipients) == 4000
        assert read.unparsed == ["Received: from x", "To: no@example.com", "To: no@example.com"]

    @pytest.mark.slow
    @pytest.mark.parametrize("line", ["To: ab\n", "To: ab\nCc: cd\n", "to:a\n", "To: <ab>\n"])
    def test_recipients(self, line: str) -> None:
        """More recipients than the limit, with few characters for each, are refused."""
        lines = line * (RECIPIENT_LIMIT // line.count("\n"))
        assert len(read_report_text(HEAD + lines).recipients) == RECIPIENT_LIMIT
        with pytest.raises(TooManyRecipients) as caught:
            read_report_text(HEAD + lines + "To: c\n")
        assert caught.value.args == (RECIPIENT_LIMIT,)

    @pytest.mark.slow
    def test_long_recipients(self) -> None:
        """Recipients on lines as servers write them are all read, up to the limit for a text."""
        read = read_report_text(HEAD + "To: alice@example.com, Expanded: x\n" * (RECIPIENT_LIMIT + 1000))
        assert len(read.recipients) == RECIPIENT_LIMIT + 1000
        assert read.oddities == []


class TestTotal:
    """Any text is read."""

    @given(report_texts())
    def test_oddities(self, text: str) -> None:
        """Oddities name lines of the text, the first not after the last."""
        count = text.count("\n") + 1
        assert all(0 <= first <= last < count for _, first, last in read_report_text(text).oddities)

    @given(report_texts())
    def test_line_ends(self, text: str) -> None:
        """CRLF or LF makes no difference."""
        wide = text.replace("\r\n", "\n").replace("\n", "\r\n")
        one, other = read_report_text(wide), read_report_text(wide.replace("\r\n", "\n"))
        assert (one.values, one.recipients, one.unparsed, one.oddities) == (
            other.values,
            other.recipients,
            other.unparsed,
            other.oddities,
        )
