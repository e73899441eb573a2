"""The facts in the header block of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.message import (
    message_id_of,
    perhaps_named,
    read_facts,
    read_written,
)
from exjournal.addresses import address_problem
from exjournal.limits import ADDRESS_FIELD_LIMIT
from strategies import message_like


class TestFacts:
    """From, Sender, To, Cc, Subject and Message-ID."""

    def test_all(self) -> None:
        """Each field is read in its own way."""
        message = (
            b"Received: from x\r\n"
            b"FROM: Alice <alice@example.com>, bob@example.com\r\n"
            b"Sender: delegate@example.com (d), other@example.com\r\n"
            b"To: Team: t1@example.com, t2@example.com;,\r\n t3@example.com\r\n"
            b"cc: \r\n carol@example.com\r\n"
            b"Subject: =?utf-8?q?caf=C3=A9?=\r\n au lait\r\n"
            b"Message-Id: <1@example.com>\r\n"
            b"\r\n"
            b"To: body@example.com\r\n"
        )
        assert read_facts(message, 0, len(message))[0] == (
            ("alice@example.com", "bob@example.com"),
            "delegate@example.com",
            ("t1@example.com", "t2@example.com", "t3@example.com"),
            ("carol@example.com",),
            "caf\u00e9 au lait",
            "<1@example.com>",
        )

    def test_every_field(self) -> None:
        """Of the address fields all count, in order; of the others the first."""
        message = (
            b"To: a@example.com\r\nFrom: nobody\r\nSubject: one\r\nCc: b@example.com\r\nto: c@example.com\r\nSubject: two\r\n"
            b"CC: d@example.com\r\nFrom: e@example.com\r\nSender: \r\nSender: f@example.com\r\n\r\nTo: body@example.com\r\n"
        )
        assert read_facts(message, 0, len(message))[0] == (
            ("e@example.com",),
            "f@example.com",
            ("a@example.com", "c@example.com"),
            ("b@example.com", "d@example.com"),
            "one",
            "",
        )

    def test_every_field_of_a_large_block(self) -> None:
        """A block that is looked at a second time, with its lines counted, has each field once."""
        message = b"To: a@example.com\r\nTo: b@example.com\r\n" + b"X: y\r\n" * 15_000 + b"To: c@example.com\r\n\r\n"
        assert read_facts(message, 0, len(message))[0].to == ("a@example.com", "b@example.com", "c@example.com")

    def test_many_fields(self) -> None:
        """Very many To fields do not hide the subject or the Message-ID."""
        message = (
            b"From: b@example.com\r\n" + b"To: a@example.com\r\n" * 1001 + b"Subject: s\r\nMessage-ID: <1>\r\n\r\nx"
        )
        stated, addressing = read_facts(message, 0, len(message))
        assert (stated.authors, stated.subject, stated.message_id) == (("b@example.com",), "s", "<1>")
        assert not addressing.is_whole

    @pytest.mark.parametrize("message", [b"", b"\r\n", b"body", b"\r\nFrom: x@example.com\r\n", b"From x\n"])
    def test_nothing(self, message: bytes) -> None:
        """The fact of an absent field is empty."""
        assert read_facts(message, 0, len(message))[0] == ((), "", (), (), "", "")

    def test_in_place(self) -> None:
        """A message inside other data is read in its own span."""
        before, message = b"To: no@example.com\n\n", b"From x\nSubject: yes\nTo: a@example.com"
        data = before + message + b"\nCc: no@example.com\n\n"
        assert read_facts(data, len(before), len(before + message))[0] == ((), "", ("a@example.com",), (), "yes", "")

    @given(message_like())
    def test_valid(self, message: bytes) -> None:
        """Every address in the facts could be a sender or recipient."""
        stated, _ = read_facts(message, 0, len(message))
        sender = (stated.sender,) if stated.sender else ()
        assert not any(map(address_problem, (*stated.authors, *sender, *stated.to, *stated.cc)))


class TestPerhapsNamed:
    """The mailboxes that To and Cc may name."""

    @pytest.mark.parametrize(
        ("message", "named"),
        [
            (b"To: A@example.com\r\nCc: b@example.com\r\nTo: c@example.com\r\n\r\nx", set()),
            (b"To: A@example.com (x)\r\nCc: b@example.com\r\nTo: c@example.com\r\n\r\nx", {"a", "b", "c"}),
            (b'\xef\xbb\xbfTo: "a@example.com" <b@example.com>\r\n\r\nx', {"a", "b"}),
            (b"From x\r\nTo: a@example.com (b@example.com)\r\n\r\nx", {"a", "b"}),
            (b"X: y\rTo: a@example.com\r\n\r\nx\rTo: b@example.com", {"a"}),
            (b"X: y\r\n\r\nTo: b@example.com", set()),
            (b"To: b@example.com. ", {"b"}),
        ],
    )
    def test_named(self, message: bytes, named: set[str]) -> None:
        """In every field of the header block, and in what only some readers take for one."""
        _, addressing = read_facts(message, 0, len(message))
        assert perhaps_named(message, addressing) == {f"{name}@example.com" for name in named}

    @pytest.mark.parametrize(
        "message",
        [
            b"\r\nTo: a@example.com\r\n\r\nx",
            b"X: y\r\n" * 100_000 + b"To: a@example.com\r\n\r\nx",
            b"To: a@example.com\r\n" * 1001 + b"\r\nx",
            b"To: " + b"a@example.com, " * (ADDRESS_FIELD_LIMIT // 15 + 1) + b"\r\n\r\nx",
        ],
        ids=["blank line first", "many lines", "many fields", "large field"],
    )
    def test_not_read(self, message: bytes) -> None:
        """Where not all of it could be read, nobody knows."""
        _, addressing = read_facts(message, 0, len(message))
        assert perhaps_named(message, addressing) is None


class TestMessageId:
    """A Message-ID as written, on one line."""

    @pytest.mark.parametrize(
        ("value", "message_id"),
        [
            (b" <1@example.com>\r", "<1@example.com>"),
            (b"\r\n <1@example.com>", "<1@example.com>"),
            (b" <1@ example.com>", "<1@ example.com>"),
            (b" <1@\r\n\texample.com> ", "<1@ example.com>"),
            (b" a\rb\0c", "a b c"),
            (b" <\xc3\xa9>", "<\u00e9>"),
            (b" <\xe9>", "<\u00e9>"),
            (b" <\xc2\x85>", "< >"),
            (b" <a\x01\x7f\xe2\x80\xa8b>", "<a b>"),
            (b"", ""),
            (b" \r\n ", ""),
        ],
    )
    def test_as_written(self, value: bytes, message_id: str) -> None:
        """Brackets and all, unfolded, with stray controls made blanks."""
        assert message_id_of(value) == message_id

    @given(st.binary(max_size=40))
    def test_one_line(self, value: bytes) -> None:
        """Any bytes become one line without outer spaces."""
        message_id = message_id_of(value.replace(b"\n", b"\n "))
        assert not {"\r", "\n", "\0"} & {*message_id}
        assert message_id == message_id.strip()


class TestWritten:
    """The date and the address fields as they were written."""

    def test_all(self) -> None:
        """Every address field and the first date, unfolded and not decoded; the date in UTC as well."""
        message = (
            b"From me Thu Oct  1 09:00:00 2026\r\n"
            b"From: =?utf-8?q?Ann?=\r\n <ann@example.com>\r\n"
            b"date: Thu, 01 Oct 2026 09:00:00 +0200 (noon)\r\n"
            b"To: Bob <bob@example.com>\r\nTO: \r\nCC: caf\xe9@example.com\0\r\n"
            b"Date: Thu, 01 Oct 2020 09:00:00 +0200\r\n\r\nTo: body@example.com\r\n"
        )
        assert read_written(message, 0, len(message)).to_dict() == {
            "date": "Thu, 01 Oct 2026 09:00:00 +0200 (noon)",
            "date_utc": "2026-10-01T07:00:00Z",
            "from": ["=?utf-8?q?Ann?= <ann@example.com>"],
            "to": ["Bob <bob@example.com>", ""],
            "cc": ["caf\xe9@example.com\u2400"],
            "escaped": True,
        }

    @pytest.mark.parametrize("date", [b"", b"Date: yesterday\r\n", b"Date: 1 Oct 2026 09:00\r\n"])
    def test_not_in_utc(self, date: bytes) -> None:
        """A date that is missing, is not one or has no zone has no form in UTC."""
        data = read_written(date + b"\r\n", 0, len(date) + 2).to_dict()
        assert data["date_utc"] is None
        assert data["date"] == (date[6:-2].decode() or None)
        assert (data["from"], data["to"], data["cc"], data["escaped"]) == ([], [], [], False)

    @given(message_like())
    def test_any_bytes(self, message: bytes) -> None:
        """Nothing raises."""
        assert len(read_written(message, 0, len(message)).to_dict()) == 6
