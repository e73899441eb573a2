"""The report text of Exchange 2003, both ways, and its HTML twin."""

import dataclasses
from html.parser import HTMLParser

import pytest
from hypothesis import given

from exjournal import DefectCode, JournalReport, Recipient, ReportFormat, parse_report
from exjournal._wire.html import lines_of_html
from exjournal.reports.envelope import ReportText
from exjournal.reports.envelope_2003 import html_twin, read_report_text_2003, write_report_text_2003
from strategies import a_report, built, carried, report_texts_2003, reports

HEAD = "Sender: <smtp:alice@example.com>\nMessage-ID: <1@example.com>\nRecipients:\n"
VALUES = {"sender": "alice@example.com", "sender_display_name": "", "message_id": "<1@example.com>"}
BOB, CAROL = Recipient("bob@example.net"), Recipient("carol@example.org")


def codes(read: ReportText) -> list[DefectCode]:
    """The codes of the oddities, in order."""
    return [code for code, _, _ in read.oddities]


def listed(*lines: str) -> ReportText:
    """The text that the lines of a list are read as."""
    read = read_report_text_2003(HEAD + "\n".join(lines) + "\n")
    assert read.values == VALUES
    return read


class TestWriting:
    """The grammar as Exchange 2003 wrote it."""

    def test_least(self) -> None:
        """A sender, a Message-ID and a recipient have their places; the null sender is a pair of brackets."""
        report = JournalReport(sender="", recipients=["bob@example.net"])
        assert write_report_text_2003(report) == (
            "Sender: <>\r\nMessage-ID: \r\nRecipients:\r\n\t<smtp:bob@example.net>\r\n"
        )

    def test_most(self) -> None:
        """Display names are in quotes, and every line except the last ends in a comma."""
        report = a_report(
            sender_display_name="Doe, Alice",
            recipients=[
                Recipient("bob@example.net", display_name='Bob "B" \\ Roe'),
                Recipient("X400:c=us;a= ;p=Example;s=Carol"),
                Recipient("dave@example.org", display_name="caf\u00e9"),
            ],
        )
        assert write_report_text_2003(report).split("\r\n") == [
            'Sender: "Doe, Alice" <smtp:alice@example.com>',
            "Message-ID: <1@example.com>",
            "Recipients:",
            '\t"Bob \\"B\\" \\\\ Roe" <smtp:bob@example.net>,',
            "\t<X400:c=us;a= ;p=Example;s=Carol>,",
            '\t"caf\u00e9" <smtp:dave@example.org>',
            "",
        ]

    @pytest.mark.slow
    @given(reports())
    def test_read_again(self, report: JournalReport) -> None:
        """Anything the models allow is read back without an oddity; a name that means a missing name is read as none."""
        read = read_report_text_2003(write_report_text_2003(report))
        values = dict(read.values, recipients=read.recipients, envelope_sender=report.envelope_sender)
        assert JournalReport(**values) == carried(report, ReportFormat.ENVELOPE_2003)  # type: ignore[arg-type]
        assert not read.unparsed
        assert not read.oddities

    @pytest.mark.parametrize(
        "address",
        [
            "smtp:bob@example.net",
            "SMTP:smtp:x",
            "smtp:",
            "X400:c=us",
            "EX:/o=Example/cn=Recipients/cn=bob",
            "FAX:Bob@+1 555 0100",
            "x:",
            "bob",
            "two words",
            '"a, b <c>"@example.net',
            '"a\\"b"@example.net',
            "a\\b@example.net",
            "(null)",
            "Recipients:",
            "a" * 571,
        ],
    )
    @pytest.mark.parametrize(
        "name", ["", "Bob", "<bob@example.net>,", '"', "\\", "\\\\", '\\"', ",", "a@b", "Recipients:"]
    )
    def test_awkward(self, address: str, name: str) -> None:
        """Types, quotes, brackets and backslashes in either place are read back unchanged."""
        recipients = (Recipient(address, display_name=name), CAROL)
        report = a_report(sender=address, sender_display_name=name, recipients=recipients)
        read = read_report_text_2003(write_report_text_2003(report))
        assert (read.recipients, read.unparsed, read.oddities) == ([*recipients], [], [])
        assert (read.values["sender"], read.values["sender_display_name"]) == (address, name)

    def test_no_name(self) -> None:
        """A display name like the one that C programs print for a missing name is a name in quotes, and none without."""
        report = a_report(recipients=[Recipient("bob@example.net", display_name="(null)")])
        text = write_report_text_2003(report)
        assert read_report_text_2003(text).recipients == [*report.recipients]
        assert read_report_text_2003(text.replace('"(null)"', "(null)")).recipients == [BOB]


class TestFields:
    """Sender and Message-ID, in any order and letter case."""

    @pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r\r\n"])
    def test_line_ends(self, line_end: str) -> None:
        """CRLF and LF are line ends, and the last one may be missing."""
        for text in (HEAD + "\tbob@example.net\n", HEAD + "\tbob@example.net"):
            read = read_report_text_2003(text.replace("\n", line_end))
            assert (read.values, read.recipients, read.oddities) == (VALUES, [BOB], [])

    @pytest.mark.parametrize(
        ("line", "sender", "name"),
        [
            ('Sender: "Alice" <smtp:alice@example.com>', "alice@example.com", "Alice"),
            ("Sender: Alice <alice@example.com>", "alice@example.com", "Alice"),
            ("Sender: Doe, Alice <alice@example.com>", "alice@example.com", "Doe, Alice"),
            ("Sender: alice@example.com", "alice@example.com", ""),
            ("sender :SMTP:alice@example.com \t", "alice@example.com", ""),
            ("Sender: (null) <alice@example.com>", "alice@example.com", ""),
            ("Sender: (null) <alice @ node>", "alice @ node", ""),
            ("Sender: <>", "", ""),
            ("Sender: <smtp:>", "", ""),
            ('Sender: "System" <>', "", "System"),
            ("Sender:", "", ""),
            ('Sender: "" <EX:/o=x>', "EX:/o=x", ""),
        ],
    )
    def test_sender(self, line: str, sender: str, name: str) -> None:
        """A sender with a display name or without, of any type, or null."""
        read = read_report_text_2003(line)
        assert read.values == {"sender": sender, "sender_display_name": name}
        assert (read.recipients, read.unparsed, read.oddities) == ([], [], [])

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("Sender: a@example.com, b@example.com", DefectCode.INVALID_VALUE),
            ("Sender: <a@example.com> b", DefectCode.INVALID_VALUE),
            ('Sender: "a <a@example.com>', DefectCode.INVALID_VALUE),
            ("Sender: " + "a" * 572, DefectCode.INVALID_VALUE),
            ("Sender: a\rb", DefectCode.INVALID_VALUE),
            ("Message-ID: a\0b", DefectCode.INVALID_VALUE),
            ("Message-ID: \ud800", DefectCode.INVALID_VALUE),
            ("To: bob@example.net", DefectCode.UNKNOWN_FIELD),
            ("X-New: y", DefectCode.UNKNOWN_FIELD),
            ("no field", DefectCode.UNKNOWN_LINE),
            ("\tbob@example.net", DefectCode.UNKNOWN_LINE),
            (": x", DefectCode.UNKNOWN_LINE),
        ],
    )
    def test_set_aside(self, line: str, code: DefectCode) -> None:
        """A line that is not a field and not in the list is kept as written."""
        read = read_report_text_2003(line)
        assert (read.values, read.recipients, read.unparsed) == ({}, [], [line])
        assert read.oddities == [(code, 0, 0)]

    def test_repeated(self) -> None:
        """The first of a repeated field counts, the others are kept."""
        read = read_report_text_2003(
            HEAD + "\tbob@example.net\nSender: mallory@example.org\nMESSAGE-ID: <2@example.com>\n"
        )
        assert (read.values, read.recipients) == (VALUES, [BOB])
        assert read.unparsed == ["Sender: mallory@example.org", "MESSAGE-ID: <2@example.com>"]
        assert codes(read) == [DefectCode.REPEATED_FIELD]

    def test_fields_after_the_list(self) -> None:
        """Fields may come after the list, and a subject among them."""
        read = read_report_text_2003("Recipients:\n\tbob@example.net\nSubject: Hello\nSender: a@example.com\n")
        assert read.values == {"subject": "Hello", "sender": "a@example.com", "sender_display_name": ""}
        assert (read.recipients, read.oddities) == ([BOB], [])


class TestList:
    """The one list of recipients, in each form that was written."""

    @pytest.mark.parametrize(
        "lines",
        [
            ("\t<smtp:bob@example.net>,", "\t<smtp:carol@example.org>"),
            ("\tbob@example.net,", "\tcarol@example.org,"),
            ("\tbob@example.net", "\tcarol@example.org"),
            ("\tsmtp:bob@example.net ,", "\t SMTP: carol@example.org"),
            ("bob@example.net", "carol@example.org"),
            ("    <bob@example.net>,\r", "    <carol@example.org>\r"),
            ("\tbob@example.net, carol@example.org",),
            ("\t<smtp:bob@example.net>, <smtp:carol@example.org>,",),
            ("", "\tbob@example.net", "\tcarol@example.org"),
            ("\t(null) <bob@example.net>", "\t(null)<carol@example.org>,"),
            ("\tbob@example.net", "", "\tcarol@example.org"),
            ('\t"" <bob@example.net>', "\t< smtp:carol@example.org >"),
        ],
    )
    def test_forms(self, lines: tuple[str, ...]) -> None:
        """With and without commas, brackets, types and a TAB, one on a line or several."""
        read = listed(*lines)
        assert (read.recipients, read.unparsed, read.oddities) == ([BOB, CAROL], [], [])

    def test_on_the_line_of_the_label(self) -> None:
        """The list may begin on the line of its label."""
        for text in (
            "Recipients: bob@example.net,\n\tcarol@example.org",
            "RECIPIENTS : bob@example.net, carol@example.org",
        ):
            assert read_report_text_2003(text).recipients == [BOB, CAROL]

    @pytest.mark.parametrize(
        ("line", "address", "name"),
        [
            ('\t"Doe, Jane" <smtp:jane@example.com>,', "jane@example.com", "Doe, Jane"),
            ("\tDoe, Jane <smtp:jane@example.com>,", "jane@example.com", "Doe, Jane"),
            ('\t"J \\"D\\" \\\\" <jane@example.com>', "jane@example.com", 'J "D" \\'),
            ('\t"jane@example.org" <jane@example.com>', "jane@example.com", "jane@example.org"),
            ('\t"<jane@example.org>," <jane@example.com>', "jane@example.com", "<jane@example.org>,"),
            ('\tJane <"a, b"@example.com>', '"a, b"@example.com', "Jane"),
            ("\tjane@example.org <jane@example.com>", "jane@example.com", "jane@example.org"),
            ('\tJane "J" Doe <jane@example.com>', "jane@example.com", 'Jane "J" Doe'),
            ("\tuser @ node", "user @ node", ""),
            ("\tuser @ node,", "user @ node", ""),
            ("\tUser Name <user @ node>", "user @ node", "User Name"),
            ('\t"a b"@example.com,', '"a b"@example.com', ""),
            ("\tJane <X400:c=us;a= ;s=Doe>", "X400:c=us;a= ;s=Doe", "Jane"),
            ("\t=?utf-8?q?J?= <jane@example.com>", "jane@example.com", "=?utf-8?q?J?="),
            ("\tcaf\u00e9 <caf\u00e9@b\u00fccher.example>", "caf\u00e9@b\u00fccher.example", "caf\u00e9"),
        ],
    )
    def test_names(self, line: str, address: str, name: str) -> None:
        """Display names, in quotes or not, and addresses of any kind."""
        read = listed(line)
        assert (read.recipients, read.oddities) == ([Recipient(address, display_name=name)], [])

    @pytest.mark.parametrize(
        "line",
        [
            "\t<>",
            "\t<smtp:>,",
            "\t,",
            '\t"',
            '\t"Jane <jane@example.com>',
            "\tJane <jane@example.com",
            "\tJane jane@example.com>",
            "\t<jane@example.com> Jane",
            "\tbob@example.net, <>",
            "\t" + "a" * 572,
            "\tbob\0@example.net",
            "\tbob@example.net\rX",
            "\tbob@example.net,, carol@example.org",
        ],
    )
    def test_set_aside(self, line: str) -> None:
        """A line with anything except mailboxes is not a recipient, and is kept as written."""
        read = listed("\tbob@example.net,", line)
        assert (read.recipients, read.unparsed, codes(read)) == ([BOB], [line], [DefectCode.INVALID_VALUE])

    @pytest.mark.parametrize("indent", ["", "\t"])
    @pytest.mark.parametrize(
        "line",
        [
            "This message is confidential.",
            "Write to legal@example.com for more.",
            "To: mallory@example.org",
            "X-New: mallory@example.org",
            '"Doe, Jane"',
            '"Doe, Jane" mallory@example.org',
            "mallory@example.org; eve@example.org",
        ],
    )
    def test_no_address(self, indent: str, line: str) -> None:
        """A sentence, a field, a name alone or a list of another syntax is not an address, at any place after the label."""
        read = listed(f"{indent}bob@example.net", indent + line, f"{indent}carol@example.org")
        assert read.recipients == [BOB, CAROL]
        assert read.unparsed == [indent + line]

    def test_folded_after_the_name(self) -> None:
        """A gateway that breaks the line between a quoted name and its address loses neither, for a recipient or the sender."""
        read = listed('\t"Bob"', "\t <smtp:bob@example.net>,", "\t<carol@example.org>")
        assert read.recipients == [Recipient("bob@example.net", display_name="Bob"), CAROL]
        assert (read.unparsed, codes(read)) == ([], [DefectCode.FOLDED_LINE])
        read = read_report_text_2003(
            'Sender: "Ann"\r\n\t<smtp:ann@example.com>\r\nRecipients:\r\n\tbob@example.net\r\n'
        )
        assert (read.values["sender"], read.values["sender_display_name"]) == ("ann@example.com", "Ann")
        read = listed('\t"Bob"', "\t<>")
        assert (read.recipients, read.unparsed) == ([], ['\t"Bob"', "\t<>"])

    def test_address_in_a_name(self) -> None:
        """A name may be an address; one with an address and a comma may be two entries, and its line is kept."""
        assert listed("\tbob@example.net <bob@example.net>").recipients == [
            Recipient("bob@example.net", display_name="bob@example.net")
        ]
        read = listed("\tDoe, carol@example.org there <bob@example.net>")
        assert (read.recipients, read.unparsed) == ([], ["\tDoe, carol@example.org there <bob@example.net>"])

    def test_field_between_label_and_list(self) -> None:
        """A field after the label is not a recipient, and hides none of those after it."""
        read = listed("X-New: 1", "\tbob@example.net")
        assert read.recipients == [BOB]
        assert read.unparsed == ["X-New: 1"]

    def test_end_of_the_list(self) -> None:
        """After a blank line there may be footers and messages, with addresses of their own."""
        footer = [
            "mallory@example.org",
            "To: mallory@example.org",
            "\tWrite to mallory@example.org.",
            "\tmallory@example.org",
        ]
        read = listed("\tbob@example.net", "", *footer)
        assert (read.recipients, read.unparsed) == ([BOB], footer)

    @pytest.mark.parametrize("label", ["Recipients:", "Recipients: mallory@example.org"])
    def test_another_list(self, label: str) -> None:
        """Nothing after a foreign paragraph is believed: the body of a message cannot add a recipient."""
        read = listed("\tbob@example.net", "", "Hello,", "", label, "\tmallory@example.org")
        assert read.recipients == [BOB]
        assert "mallory@example.org" in "".join(read.unparsed)

    def test_subject_of_another_message(self) -> None:
        """A message after the list adds nothing to the report."""
        read = listed("\tbob@example.net", "", "Received: from x", "Subject: Another")
        assert read.values == VALUES

    def test_subject_after_the_list(self) -> None:
        """A field of the report may come after the list and a blank line."""
        read = read_report_text_2003(HEAD + "\tbob@example.net\n\nSubject: Hello\n")
        assert read.recipients == [BOB]
        assert read.values == {**VALUES, "subject": "Hello"}

    def test_change_of_indents(self) -> None:
        """A list has one indentation."""
        read = listed("\tbob@example.net", "mallory@example.org")
        assert (read.recipients, read.unparsed) == ([BOB], ["mallory@example.org"])
        read = listed("bob@example.net", "\tmallory@example.org")
        assert (read.recipients, read.unparsed) == ([BOB], ["\tmallory@example.org"])

    def test_repeated_recipients(self) -> None:
        """A mailbox that is listed twice is there twice."""
        assert listed("\tbob@example.net,", "\tbob@example.net").recipients == [BOB, BOB]


class Seen(HTMLParser):
    """The content for a browser: tags with their attributes, and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, which has no attribute."""
        assert not attrs
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Add to the text."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """Find no comment."""
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def seen(markup: str) -> Seen:
    """The standard library's reading of markup."""
    parser = Seen()
    parser.feed(markup)
    parser.close()
    return parser


class TestHtmlTwin:
    """The same text as HTML, with every special character escaped."""

    def test_form(self) -> None:
        """A line of the text is a line in a browser, and its TAB is four spaces that are kept."""
        report = a_report(recipients=[Recipient("bob@example.net", display_name="B & \"C\" 'D' <br>")])
        assert html_twin(write_report_text_2003(report)) == (
            "<html>\r\n<body>\r\n"
            "Sender: &lt;smtp:alice@example.com&gt;<br>\r\n"
            "Message-ID: &lt;1@example.com&gt;<br>\r\n"
            "Recipients:<br>\r\n"
            "&nbsp;&nbsp;&nbsp;&nbsp;&quot;B &amp; \\&quot;C\\&quot; &#39;D&#39; &lt;br&gt;&quot; "
            "&lt;smtp:bob@example.net&gt;<br>\r\n"
            "</body>\r\n</html>\r\n"
        )

    @pytest.mark.slow
    @given(reports())
    def test_escaped(self, report: JournalReport) -> None:
        """The standard library reads exactly the text, and no tag except the twin's own."""
        text = write_report_text_2003(report)
        parser = seen(html_twin(text))
        assert parser.tags == ["html", "body"] + ["br"] * text.count("\r\n")
        assert parser.text.strip("\r\n") == text.strip("\r\n").replace("\t", "\xa0" * 4)

    @pytest.mark.parametrize(
        "name",
        [
            "<script>x()</script>",
            "<!-- x",
            "&lt;b&gt;",
            "&",
            "&#60;",
            "<br>Bcc: mallory@example.org",
            "</body>",
            "<![CDATA[x]]>",
            "<?x?>",
        ],
    )
    def test_markup_in_names(self, name: str) -> None:
        """Markup in a display name is text, in both parts of the report."""
        report = a_report(sender_display_name=name, recipients=[Recipient("bob@example.net", display_name=name)])
        data = built(report=report, format=ReportFormat.ENVELOPE_2003)
        parsed = parse_report(data, strict=True)
        assert parsed.report.recipients == report.recipients
        twin = bytes(parsed.parts[1].content).decode("ascii")
        assert parsed.parts[1].media_type == "text/html"
        assert name in seen(twin).text

    @pytest.mark.slow
    @given(reports())
    def test_lines_of_the_twin(self, report: JournalReport) -> None:
        """The twin alone is read as the same number of recipients as the text, if no name has odd spaces."""
        plain = [
            Recipient(one.address) for one in report.recipients if one.address.isprintable() and "  " not in one.address
        ]
        if plain and all("\xa0" not in one.address for one in plain):
            text = write_report_text_2003(a_report(recipients=plain))
            assert read_report_text_2003(lines_of_html(html_twin(text))).recipients == plain


def twins(text: bytes, html: bytes) -> bytes:
    """A report of Exchange 2003 with a text and an HTML part of any content, the text first or last."""
    inner = (
        b"--in\r\nContent-Type: text/plain\r\n\r\n"
        + text
        + b"\r\n--in\r\nContent-Type: text/html\r\n\r\n"
        + html
        + b"\r\n--in--"
    )
    return (
        b"Content-Type: multipart/mixed; boundary=edge\r\nMessage-ID: <r@example.com>\r\n"
        b"Content-Identifer: ExJournalReport\r\n\r\n"
        b"--edge\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n" + inner + b"\r\n"
        b"--edge\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <1@example.com>\r\n\r\nHi.\r\n--edge--\r\n"
    )


class TestTwinIsNotRead:
    """The HTML twin is never read where text is there."""

    LYING = b"Sender: &lt;mallory@example.org&gt;<br>Recipients:<br>&nbsp;&lt;mallory@example.org&gt;<br>"

    def test_text_counts(self) -> None:
        """Of twins that differ the text counts, and the HTML is a part like others."""
        parsed = parse_report(twins(HEAD.encode() + b"\tbob@example.net", self.LYING), strict=True)
        assert parsed.report.recipients == (BOB,)
        assert parsed.report.sender == "alice@example.com"

    @pytest.mark.parametrize(
        "text", [b"Sender: alice@example.com", b"Recipients:\n\tbob@example.net", b"Message-ID: <1@example.com>"]
    )
    def test_text_that_is_not_complete(self, text: bytes) -> None:
        """In a marked report less is enough."""
        parsed = parse_report(twins(text, self.LYING))
        assert "mallory" not in str(parsed.report)

    def test_html_alone(self) -> None:
        """If no text part has anything of a report, its HTML is read, with a defect."""
        parsed = parse_report(twins(b"", self.LYING))
        assert parsed.report.recipients == (Recipient("mallory@example.org"),)
        assert parsed.defects[0].code is DefectCode.REPORT_TEXT_HTML

    def test_brackets_that_are_not_escaped(self) -> None:
        """In HTML that is not escaped, no name becomes an address, of a recipient or of the sender."""
        html = b'Sender: "Alice" <smtp:alice@example.com><br>Recipients:<br>&nbsp;"Bob" <smtp:bob@example.net>,<br>'
        html += b"&nbsp;carol@example.org<br>"
        parsed = parse_report(twins(b"", html))
        assert parsed.report.recipients == (CAROL,)
        assert [line.strip() for line in parsed.unparsed] == ['Sender: "Alice"', '"Bob" ,']
        assert (parsed.report.sender, DefectCode.SENDER_MISSING in {one.code for one in parsed.defects}) == ("", True)


class TestWholeReports:
    """Reports of the programs that wrote this form, as they are on the wire."""

    def test_citadel(self) -> None:
        """LF alone, a boundary that begins and ends with dashes, no commas, addresses with spaces, and no name."""
        data = (
            b"Content-Identifer: ExJournalReport\nMessage-ID: <r@example.com>\n"
            b'Content-Type: multipart/mixed; boundary="--node-1--"\n\n'
            b"----node-1--\nContent-type: text/plain\n\n"
            b"Sender: (null) <alice @ node>\nMessage-ID: <1@example.com>\nRecipients:\n\tbob @ node\n\tcarol@example.org\n\n"
            b"----node-1--\nContent-type: message/rfc822\n\nMessage-ID: <1@example.com>\n\nHi.\n\n"
            b"----node-1----\n"
        )
        parsed = parse_report(data, strict=True)
        assert parsed.report == JournalReport(
            sender="alice @ node", recipients=["bob @ node", "carol@example.org"], message_id="<1@example.com>"
        )
        assert parsed.original == b"Message-ID: <1@example.com>\n\nHi.\n"

    def test_soft_line_breaks(self) -> None:
        """Quoted-printable text with a soft break inside a recipient, in a charset of its time."""
        text = (
            b"Sender: =22Caf=E9=22 <smtp:alice@example.com>\r\nMessage-ID: <1@example.com>\r\nRecipients:\r\n"
            b'\t"Doe, J=\r\nane" <smtp:jane@exam=\r\nple.com>,\r\n\t<smtp:bob@example.net>=\r\n,\r\n\tcarol@example.org\r\n'
        )
        header = b"text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable"
        parsed = parse_report(twins(text, b"<br>").replace(b"text/plain", header, 1), strict=True)
        assert parsed.report.sender_display_name == "Caf\u00e9"
        assert parsed.report.recipients == (Recipient("jane@example.com", display_name="Doe, Jane"), BOB, CAROL)


class TestMany:
    """Paragraphs are read however many there are."""

    @pytest.mark.slow
    def test_paragraphs(self) -> None:
        """A list that is spaced out is read to its end, also where the text ends without a line end."""
        read = read_report_text_2003(HEAD + "\tbob@example.net\n\n" * 9000 + "\tcarol@example.org")
        assert (read.recipients, read.unparsed) == ([BOB] * 9000 + [CAROL], [])

    @pytest.mark.slow
    def test_foreign_paragraph(self) -> None:
        """After very many paragraphs of a list the first that is something else still ends it."""
        text = HEAD + "\tbob@example.net\n\n" * 9000 + "Bye.\n\n\tmallory@example.org\n"
        read = read_report_text_2003(text)
        assert (read.recipients, read.unparsed) == ([BOB] * 9000, ["Bye.", "\tmallory@example.org"])


class TestTotal:
    """Any text is read."""

    @given(report_texts_2003())
    def test_accounted_for(self, text: str) -> None:
        """Every address that is read is in the text, every line that is not is kept, and oddities name lines."""
        read = read_report_text_2003(text)
        lines = [line.rstrip("\r") for line in text.split("\n")]
        assert all(line in lines for line in read.unparsed)
        assert all(one.address in text for one in read.recipients)
        assert all(0 <= first <= last < len(lines) for _, first, last in read.oddities)
        for one in read.recipients:
            assert dataclasses.replace(one) == one
        shown = sum(bool(line.strip(" \t")) for line in lines)
        labels = sum(line.partition(":")[0].strip(" \t").lower() == "recipients" for line in lines)
        folded = sum(1 + last - first for code, first, last in read.oddities if code is DefectCode.FOLDED_LINE)
        assert shown <= len(read.unparsed) + len(read.values) + len(read.recipients) + labels + folded

    @given(report_texts_2003())
    def test_line_ends(self, text: str) -> None:
        """CRLF or LF makes no difference."""
        wide = text.replace("\r\n", "\n").replace("\n", "\r\n")
        one, other = read_report_text_2003(wide), read_report_text_2003(wide.replace("\r\n", "\n"))
        assert (one.values, one.recipients, one.unparsed, one.oddities) == (
            other.values,
            other.recipients,
            other.unparsed,
            other.oddities,
        )
