"""The values: what they accept, when two are equal, and their properties."""

import base64
import dataclasses
import json
import pickle
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    Defect,
    DefectCode,
    Envelope,
    Evidence,
    InvalidValue,
    JournalReport,
    ParsedReport,
    Part,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
    parse_report,
)
from exjournal.reports.models import Headers, UncheckedParsedReport, UncheckedPart, UncheckedReport, unchecked_recipient
from strategies import ORIGINAL, TEXT, a_message, a_report, built, envelopes, recipients, reports

# Values that no field can have: with CR, LF, NUL, a lone surrogate, or spaces around them.
NOT_ON_A_LINE = ["a\rb", "a\nb", "ab\0", "\ud800", " a", "a\t"]
# And values that no address can have.
NO_ADDRESS = [*NOT_ON_A_LINE, "a,b", "<a@example.com>", '"a', "a Expanded: b", "a" * 572]


def refused(make: Any, field: str) -> None:
    """Assert that something is refused for a field, with some reason."""
    with pytest.raises(InvalidValue) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.reason


class TestVocabularies:
    """Closed sets of words are strings."""

    def test_words(self) -> None:
        """Each member equals its word."""
        assert [*Role] == ["To", "Cc", "Bcc", "Recipient"]
        assert [*ReportFormat] == ["envelope", "envelope-2003", "bcc", "message-only"]
        assert [*Evidence] == ["envelope", "unmarked", "header"]
        assert [*PartKind] == ["text", "original", "decrypted", "other"]


class TestRecipient:
    """One recipient, always valid."""

    def test_defaults(self) -> None:
        """An address alone is a recipient in the role that claims nothing."""
        one = Recipient("bob@example.net")
        assert (one.role, one.expanded_from, one.forwarded_from, one.display_name) == (Role.RECIPIENT, None, None, "")

    @pytest.mark.parametrize("role", Role)
    def test_role_as_a_string(self, role: Role) -> None:
        """A role may be given as its word, and becomes the member."""
        one = Recipient("bob@example.net", role.value)  # type: ignore[arg-type]
        assert one.role is role
        assert one == Recipient("bob@example.net", role)

    @pytest.mark.parametrize("role", ["to", "", "Sender", None, 1])
    def test_refused_role(self, role: Any) -> None:
        """A role other than the four is refused."""
        refused(lambda: Recipient("bob@example.net", role), "role")

    @pytest.mark.parametrize("value", [*NO_ADDRESS, ""])
    @pytest.mark.parametrize("field", ["address", "expanded_from", "forwarded_from"])
    def test_refused_address(self, field: str, value: str) -> None:
        """A value that is not an address is refused in each of the three places for one."""
        values: dict[str, Any] = {"address": "bob@example.net", field: value}
        refused(lambda: Recipient(**values), field)

    @pytest.mark.parametrize("value", NOT_ON_A_LINE)
    def test_refused_display_name(self, value: str) -> None:
        """A display name is on one line."""
        refused(lambda: Recipient("bob@example.net", display_name=value), "display_name")

    @pytest.mark.parametrize("field", ["address", "expanded_from", "forwarded_from", "display_name"])
    def test_refused_type(self, field: str) -> None:
        """Bytes are not text."""
        values: dict[str, Any] = {"address": "bob@example.net", field: b"bob"}
        refused(lambda: Recipient(**values), field)

    def test_redirects_are_keywords(self) -> None:
        """Redirects have to be named."""
        with pytest.raises(TypeError):
            Recipient("bob@example.net", Role.TO, "list@example.com")  # type: ignore[call-arg]

    def test_frozen(self) -> None:
        """A recipient cannot be changed."""
        with pytest.raises(dataclasses.FrozenInstanceError):
            Recipient("bob@example.net").address = "x"  # type: ignore[misc]

    @given(recipients())
    def test_equal_recipients_hash_equal(self, one: Recipient) -> None:
        """A recipient with equal fields is equal and hashes equal."""
        same = dataclasses.replace(one)
        assert one == same
        assert hash(one) == hash(same)
        assert one != dataclasses.replace(one, address="surely.another@example.org")

    @given(recipients())
    def test_pickle(self, one: Recipient) -> None:
        """A recipient can be pickled."""
        assert pickle.loads(pickle.dumps(one)) == one


class TestEnvelope:
    """The SMTP envelope of a message."""

    def test_strings(self) -> None:
        """Recipients may be strings, Recipients, or both, in any iterable."""
        mixed: list[str | Recipient] = ["bob@example.net", Recipient("carol@example.org", Role.BCC)]
        envelope = Envelope("alice@example.com", iter(mixed))
        assert envelope.recipients == (Recipient("bob@example.net"), Recipient("carol@example.org", Role.BCC))
        assert (envelope.authenticated, envelope.trusted_path) == (False, False)

    def test_null_sender(self) -> None:
        """The null sender is the empty string."""
        assert Envelope("", ["bob@example.net"]).sender == ""

    @pytest.mark.parametrize("value", NO_ADDRESS)
    def test_refused_sender(self, value: str) -> None:
        """A sender that is not an address is refused."""
        refused(lambda: Envelope(value, ["bob@example.net"]), "sender")

    def test_refused_sender_type(self) -> None:
        """A sender that is not text is refused."""
        none: Any = None
        refused(lambda: Envelope(none, ["bob@example.net"]), "sender")

    def test_no_recipients(self) -> None:
        """An envelope without recipients is refused."""
        refused(lambda: Envelope("alice@example.com", []), "recipients")

    @pytest.mark.parametrize("value", ["bob@example.net", b"bob@example.net", 1, None])
    def test_one_string(self, value: Any) -> None:
        """A string is not taken for a collection of one-letter addresses, and any other type is refused."""
        refused(lambda: Envelope("alice@example.com", value), "recipients")
        refused(lambda: a_report(recipients=value), "recipients")

    @pytest.mark.parametrize("value", NO_ADDRESS)
    def test_refused_recipient(self, value: str) -> None:
        """A recipient that is not an address is refused."""
        refused(lambda: Envelope("alice@example.com", ["bob@example.net", value]), "address")

    @given(envelopes())
    def test_equal_envelopes_hash_equal(self, envelope: Envelope) -> None:
        """An envelope with equal fields is equal, hashes equal, and can be pickled."""
        same = dataclasses.replace(envelope)
        assert envelope == same == pickle.loads(pickle.dumps(envelope))
        assert hash(envelope) == hash(same)


# The fields that hold one line of text.
LINES = ["subject", "message_id", "label", "mailbox", "sent_utc", "received_utc", "sender_display_name"]


class TestJournalReport:
    """The facts that a report states."""

    def test_defaults(self) -> None:
        """A sender and recipients are enough."""
        report = JournalReport(sender="", recipients=[])
        assert dataclasses.astuple(report) == ("", (), "", "", None, None, None, None, None, None, "")

    def test_keywords_only(self) -> None:
        """Every field has to be named."""
        with pytest.raises(TypeError):
            JournalReport("alice@example.com", [])  # type: ignore[call-arg]

    @pytest.mark.parametrize("value", NO_ADDRESS)
    @pytest.mark.parametrize("field", ["sender", "on_behalf_of", "envelope_sender"])
    def test_refused_address(self, field: str, value: str) -> None:
        """A value that is not an address is refused in each place for one."""
        refused(lambda: a_report(**{field: value}), field)

    def test_refused_empty_principal(self) -> None:
        """A principal cannot be null."""
        refused(lambda: a_report(on_behalf_of=""), "on_behalf_of")

    @pytest.mark.parametrize("field", ["sender", "envelope_sender"])
    def test_null_sender(self, field: str) -> None:
        """The null sender is the empty string."""
        assert getattr(a_report(**{field: ""}), field) == ""

    @pytest.mark.parametrize("value", NOT_ON_A_LINE)
    @pytest.mark.parametrize("field", LINES)
    def test_refused_line(self, field: str, value: str) -> None:
        """A value that is not on one line is refused in each field of text."""
        refused(lambda: a_report(**{field: value}), field)

    @pytest.mark.parametrize("field", ["label", "mailbox", "sent_utc", "received_utc"])
    def test_empty_is_none(self, field: str) -> None:
        """An optional field is None or not empty."""
        refused(lambda: a_report(**{field: ""}), field)

    @pytest.mark.parametrize("field", ["sender", "on_behalf_of", *LINES])
    def test_refused_type(self, field: str) -> None:
        """Bytes are not text."""
        refused(lambda: a_report(**{field: b"x"}), field)

    def test_label_limit(self) -> None:
        """A label has at most 255 characters."""
        assert a_report(label="x" * 255).label == "x" * 255
        refused(lambda: a_report(label="x" * 256), "label")

    @pytest.mark.slow
    @given(reports())
    def test_equal_reports_hash_equal(self, report: JournalReport) -> None:
        """A report with equal fields is equal, hashes equal, and can be pickled."""
        same = dataclasses.replace(report)
        assert report == same == pickle.loads(pickle.dumps(report))
        assert hash(report) == hash(same)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("sender", "x@example.com"),
            ("recipients", ["x@example.com"]),
            ("subject", "x"),
            ("message_id", "x"),
            ("on_behalf_of", "x@example.com"),
            ("envelope_sender", ""),
            ("label", "x"),
            ("mailbox", "x"),
            ("sent_utc", "x"),
            ("received_utc", "x"),
            ("sender_display_name", "x"),
        ],
    )
    def test_every_field_counts(self, field: str, value: object) -> None:
        """Reports that differ in one field are different."""
        assert a_report(**{field: value}) != a_report()

    def test_no_envelope_sender_is_not_the_null_sender(self) -> None:
        """An unknown MAIL FROM is not an empty one."""
        assert a_report(envelope_sender=None) != a_report(envelope_sender="")

    @pytest.mark.parametrize(("text", "time"), [("sent_utc", "sent_at"), ("received_utc", "received_at")])
    def test_times(self, text: str, time: str) -> None:
        """The text of a time is kept, and the time is there too if its form is known."""
        for value, expected in (
            ("2/29/2024 1:30:45 PM", datetime(2024, 2, 29, 13, 30, 45, tzinfo=UTC)),
            ("2024-02-29T14:30:45+01:00", datetime(2024, 2, 29, 13, 30, 45, tzinfo=UTC)),
            ("yesterday", None),
            (None, None),
        ):
            report = a_report(**{text: value})
            assert getattr(report, text) == value
            assert getattr(report, time) == expected

    @pytest.mark.slow
    @given(reports())
    def test_times_of_any_text(self, report: JournalReport) -> None:
        """Any text of a time is parsed as a time in UTC, or as none."""
        for time in (report.sent_at, report.received_at):
            assert time is None or time.tzinfo is UTC

    def test_slots(self) -> None:
        """A report holds its fields and nothing else."""
        assert not hasattr(a_report(), "__dict__")


def filled(quick: Any, public: Any) -> Any:
    """An object of a class without checks, with the fields and then the class of a checked one."""
    for field in dataclasses.fields(public):
        setattr(quick, field.name, getattr(public, field.name))
    quick.__class__ = type(public)
    return quick


class TestUnchecked:
    """Objects made without checks equal those of the public constructors."""

    @given(recipients())
    def test_recipient(self, public: Recipient) -> None:
        """A recipient made without checks equals the checked one in every way."""
        quick: Any = unchecked_recipient(
            public.address, public.role, public.expanded_from, public.forwarded_from, public.display_name
        )
        assert quick == public
        assert hash(quick) == hash(public)
        assert repr(quick) == repr(public)
        assert pickle.dumps(quick) == pickle.dumps(dataclasses.replace(public))
        with pytest.raises(dataclasses.FrozenInstanceError):
            quick.address = "x"

    @pytest.mark.slow
    @given(reports())
    def test_report(self, public: JournalReport) -> None:
        """A report made without checks equals the checked one in every way."""
        quick = filled(UncheckedReport(), public)
        assert quick == public
        assert hash(quick) == hash(public)
        assert repr(quick) == repr(public)
        assert pickle.loads(pickle.dumps(quick)) == public
        with pytest.raises(dataclasses.FrozenInstanceError):
            quick.sender = "x"

    def test_part(self) -> None:
        """A part made without checks has the fields of the other."""
        public = Part(PartKind.OTHER, "text/plain", "7bit", memoryview(b"x"), 1, 1)
        quick = filled(UncheckedPart(), public)
        assert all(getattr(quick, one.name) == getattr(public, one.name) for one in dataclasses.fields(Part))
        assert repr(quick) == repr(public) == "<Part other: 1 bytes at 1>"

    def test_parsed_report(self) -> None:
        """A parsed report made without checks has the fields of the other."""
        parsed = parse_report(built())
        public = ParsedReport(*[getattr(parsed, one.name) for one in dataclasses.fields(ParsedReport)])
        quick = filled(UncheckedParsedReport(), public)
        assert all(getattr(quick, one.name) == getattr(public, one.name) for one in dataclasses.fields(ParsedReport))
        assert quick.to_dict() == public.to_dict() == parsed.to_dict()


class TestHeaders:
    """The fields of a header block."""

    HEADERS = Headers(
        b"Subject: one\r\n two\r\nTO: \xc3\xa9\r\nno field\r\nto :\xe9\r\nX-Empty:\r\nX-Word: =?utf-8?q?x?=\r\n"
    )

    def test_iteration(self) -> None:
        """Fields come in order, unfolded, as UTF-8 or else latin-1, encoded words as they are."""
        assert [*self.HEADERS] == [
            ("Subject", "one two"),
            ("TO", "\u00e9"),
            ("to", "\u00e9"),
            ("X-Empty", ""),
            ("X-Word", "=?utf-8?q?x?="),
        ]
        assert len(self.HEADERS) == 5

    def test_look_up(self) -> None:
        """A name is found in any letter case: the first value, or all."""
        assert self.HEADERS.get("SUBJECT") == "one two"
        assert self.HEADERS.get_all("to") == ("\u00e9", "\u00e9")
        assert self.HEADERS.get("absent") is None
        assert self.HEADERS.get_all("absent") == ()
        assert self.HEADERS.get("x-empty") == ""

    def test_membership(self) -> None:
        """A name is in the headers in any letter case, and anything else is not."""
        assert "x-empty" in self.HEADERS
        assert "absent" not in self.HEADERS
        assert 1 not in self.HEADERS

    def test_bytes(self) -> None:
        """The bytes of the block are unchanged."""
        assert bytes(Headers(b"A: b\nC")) == b"A: b\nC"
        assert repr(Headers(b"A: b\nC")) == "<Headers of 6 bytes>"
        assert [*Headers(b"")] == []


class TestParsedReport:
    """A report that was read, and its properties."""

    def test_repr(self) -> None:
        """A representation has counts, and no text of the message."""
        assert repr(parse_report(built())) == "<ParsedReport envelope: 1 recipients, 0 defects>"

    def test_identity(self) -> None:
        """Parsed reports hold views and are equal to themselves alone; their reports compare."""
        data = built()
        one, other = parse_report(data), parse_report(data)
        assert one != other
        assert one.report == other.report

    @pytest.mark.parametrize(
        "field",
        [
            b"Content-Type: text/plain; x*",
            b"Content-Type: (:",
            b"Content-Type: text/plain; charset*=idna''%ff",
            b"Content-Disposition: attachment; x*",
            b"From: a@",
            b"From: <",
            b"From: 1@[",
            b'Sender: "',
            b"To: :; ,",
            b"Message-ID: <",
            b"Date: Mon, 1 Jan 9999999999 00:00:00 +9999",
            b"Subject: =?utf-7?q?+2AA-?= a",
            b"From: =?unicode_escape?q?=5Cud800?= <a@example.com>",
            b"Content-Disposition: attachment; =?utf-7?q?+2AA-?=",
        ],
    )
    def test_original_message_with_odd_fields(self, field: bytes) -> None:
        """A field that the standard library fails to parse is a string, next to fields that it parses."""
        parsed = parse_report(built(field + b"\r\nReply-To: Ann <ann@example.com>\r\n\r\nHi.\r\n"))
        message = parsed.original_message()
        assert message is not None
        [(name, value), (_, reply)] = message.items()
        assert (name, isinstance(value, str)) == (field.partition(b":")[0].decode(), True)
        assert reply.addresses[0].addr_spec == "ann@example.com"
        assert message.is_attachment() is (b"attachment" in field)
        message.get_content_type()
        message.get_content_charset()
        message.get_filename()
        assert str(value).encode()
        assert pickle.loads(pickle.dumps(message)).keys() == message.keys()

    @given(st.data())
    def test_original_message_is_total(self, data: st.DataObject) -> None:
        """The fields of any original can be read."""
        names = st.sampled_from(["Content-Type", "Content-Disposition", "From", "To", "Date", "Message-ID", "Subject"])
        pieces = st.sampled_from(
            ["=?utf-8?q?", "=?utf-7?q?+2AA-", "?=", "<", ">", "@", ";", "x*", '"', "(", ":", ",", "[", "a"]
        )
        values = st.lists(pieces | st.text(max_size=3), max_size=6).map("".join)
        lines = data.draw(st.lists(st.tuples(names, values).map(": ".join), max_size=4))
        original = "\r\n".join([*lines, "", "text"]).encode("utf-8", "replace")
        message = parse_report(built(original)).original_message()
        assert message is not None
        for part in message.walk():
            assert all(isinstance(value, str) for value in part.values())
            assert part.is_attachment() in (True, False)  # type: ignore[attr-defined]

    def test_original_message(self) -> None:
        """The original is available as an object of the standard library."""
        message = parse_report(built()).original_message()
        assert isinstance(message, EmailMessage)
        assert message["subject"] == "Hello"
        assert message["from"].addresses[0].addr_spec == "alice@example.com"

    def test_no_original(self) -> None:
        """Without an original there is neither bytes nor object nor view."""
        parsed = parse_report(built(None))
        assert (parsed.original, parsed.original_bytes(), parsed.original_message()) == (None, None, None)
        assert parsed.to_dict()["original"] is None

    def test_empty_original(self) -> None:
        """An empty original is not a missing one."""
        parsed = parse_report(built(b""))
        assert parsed.original_bytes() == b""
        assert parsed.to_dict()["original"] == {"offset": parsed.parts[1].offset, "size": 0}

    def test_original_is_a_view(self) -> None:
        """The original is a view of the caller's bytes, which keeps them alive."""
        data = built()
        original = parse_report(data).original
        assert isinstance(original, memoryview)
        assert original.obj is data
        assert original.readonly
        del data
        assert original == ORIGINAL

    def test_to_dict(self) -> None:
        """The report as data has every field, and the place of each part."""
        recipient = Recipient(
            "bob@example.net",
            Role.BCC,
            expanded_from="list@example.com",
            forwarded_from="rob@example.org",
            display_name="Bob",
        )
        report = a_report(
            recipients=[recipient, "carol@example.org"],
            on_behalf_of="chief@example.com",
            envelope_sender="",
            label="Label",
            mailbox="Mailbox",
            sent_utc="sent",
            received_utc="received",
        )
        data = built(decrypted=b"clear", report=report)
        parsed = parse_report(data)
        offsets = [part.offset for part in parsed.parts]
        sizes = [part.size for part in parsed.parts]
        kinds = ["text", "original", "decrypted"]
        assert parsed.to_dict() == {
            "format": "envelope",
            "marker": "X-MS-Journal-Report",
            "report_id": "<r@example.com>",
            "recipients_from": "envelope",
            "sender": "alice@example.com",
            "sender_display_name": "",
            "on_behalf_of": "chief@example.com",
            "envelope_sender": "",
            "subject": "Hello",
            "message_id": "<1@example.com>",
            "label": "Label",
            "mailbox": "Mailbox",
            "sent_utc": "sent",
            "received_utc": "received",
            "recipients": [
                {
                    "role": "Bcc",
                    "address": "bob@example.net",
                    "expanded_from": "list@example.com",
                    "forwarded_from": "rob@example.org",
                    "display_name": None,
                },
                {
                    "role": "Recipient",
                    "address": "carol@example.org",
                    "expanded_from": None,
                    "forwarded_from": None,
                    "display_name": None,
                },
            ],
            "original": {"offset": offsets[1], "size": len(ORIGINAL)},
            "decrypted": {"offset": offsets[2], "size": 5},
            "decrypted_evidence": "order",
            "parts": [
                {
                    "kind": kind,
                    "media_type": "text/plain" if kind == "text" else "message/rfc822",
                    "encoding": "7bit" if kind == "text" else "",
                    "offset": offset,
                    "size": size,
                    "content": None,
                }
                for kind, offset, size in zip(kinds, offsets, sizes, strict=True)
            ],
            "defects": [],
            "unparsed": [],
            "escaped": False,
        }

    @pytest.mark.parametrize("format", ReportFormat)
    def test_to_dict_in_every_format(self, format: ReportFormat) -> None:
        """The data has the same keys in every format, and names the evidence for the recipients."""
        parsed = parse_report(built(format=format), format=format)
        envelope = parse_report(built())
        data = parsed.to_dict()
        assert data.keys() == envelope.to_dict().keys()
        is_copy = format in (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY)
        assert parsed.recipients_from is (Evidence.HEADER if is_copy else Evidence.ENVELOPE)
        assert data["recipients_from"] == ("header" if is_copy else "envelope")
        assert data["format"] == format
        assert data["marker"] == parsed.marker
        assert json.loads(json.dumps(data)) == data

    def test_to_dict_of_display_names(self) -> None:
        """The display names of Exchange 2003 are in the data."""
        recipient = Recipient("bob@example.net", display_name="Bob")
        report = a_report(sender_display_name="Alice", recipients=[recipient])
        data = parse_report(built(format=ReportFormat.ENVELOPE_2003, report=report)).to_dict()
        assert data["sender_display_name"] == "Alice"
        assert data["recipients"] == [
            {
                "role": "Recipient",
                "address": "bob@example.net",
                "expanded_from": None,
                "forwarded_from": None,
                "display_name": "Bob",
            }
        ]

    @pytest.mark.parametrize(
        ("line", "written"), [(b"gar\0bage", "gar\u2400bage"), (b"caf\xc3\xa9 \xe2\x90\x80", "caf\u00e9 \u2400")]
    )
    def test_to_dict_escapes(self, line: bytes, written: str) -> None:
        """NUL, which many readers of JSON refuse, is U+2400 in the data, and `escaped` is true; the report has it unchanged."""
        parsed = parse_report(a_message(TEXT + line + b"\r\n", b"Content-Type: message/rfc822\r\n\r\n" + ORIGINAL))
        data = parsed.to_dict()
        assert data["unparsed"] == [written]
        assert data["escaped"] is (b"\0" in line)
        assert parsed.unparsed == (line.decode(),)
        assert "\\u0000" not in json.dumps(data)

    def test_to_dict_escapes_types_of_parts(self) -> None:
        """The declared type of a part can hold anything."""
        parsed = parse_report(a_message(TEXT, b"Content-Type: image/p\0ng\r\n\r\nx"))
        data = parsed.to_dict()
        assert parsed.parts[1].media_type == "image/p\0ng"
        assert data["escaped"] is True
        assert "\\u0000" not in json.dumps(data)

    def test_to_dict_of_oddities(self) -> None:
        """Defects, lines that were not understood and display names are in the data."""
        text = TEXT + b"Cc: Carol <carol@example.org>\r\nodd\r\n"
        parsed = parse_report(a_message(text, b"Content-Type: message/rfc822\r\n\r\n" + ORIGINAL))
        data = parsed.to_dict()
        assert data["unparsed"] == [*parsed.unparsed] == ["odd"]
        assert data["escaped"] is False
        assert data["defects"] == [
            {"code": defect.code, "detail": defect.detail, "offset": defect.offset} for defect in parsed.defects
        ]
        assert Defect(DefectCode.UNKNOWN_LINE, "line 6", a_message(text).index(b"odd")) in parsed.defects
        [carol] = [one for one in cast("list[dict[str, object]]", data["recipients"]) if one["role"] == "Cc"]
        assert (carol["address"], carol["display_name"]) == ("carol@example.org", "Carol")

    def test_to_dict_with_content(self) -> None:
        """Content is in the data on request only, as base64."""
        parsed = parse_report(built(decrypted=b"\xff\0"))
        parts: Any = parsed.to_dict(content=True)["parts"]
        assert [base64.b64decode(part["content"]) for part in parts] == [bytes(part.content) for part in parsed.parts]
        assert all(part["content"] is None for part in parsed.to_dict()["parts"])  # type: ignore[attr-defined]

    def test_to_dict_is_json(self) -> None:
        """The data goes through JSON as it is."""
        parsed = parse_report(built())
        assert json.loads(json.dumps(parsed.to_dict(content=True))) == parsed.to_dict(content=True)

    def test_reports_outlive_messages(self) -> None:
        """The report holds nothing of the message and can be pickled away from it."""
        assert pickle.loads(pickle.dumps(parse_report(built()).report)) == a_report()
