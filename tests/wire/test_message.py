"""What a message says of itself, in its header block alone."""

from email.utils import formataddr, getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.message import (
    Mailbox,
    addresses_of,
    facts,
    likely_addresses,
    mailboxes_of,
    message_id_of,
    perhaps_named,
)
from exjournal.addresses import address_problem
from exjournal.limits import ADDRESS_FIELD_LIMIT
from strategies import addresses, message_like, plain_addresses


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
        assert facts(message, 0, len(message))[0] == (
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
        assert facts(message, 0, len(message))[0] == (
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
        assert facts(message, 0, len(message))[0].to == ("a@example.com", "b@example.com", "c@example.com")

    def test_many_fields(self) -> None:
        """Very many To fields do not hide the subject or the Message-ID."""
        message = (
            b"From: b@example.com\r\n" + b"To: a@example.com\r\n" * 1001 + b"Subject: s\r\nMessage-ID: <1>\r\n\r\nx"
        )
        told, addressing = facts(message, 0, len(message))
        assert (told.authors, told.subject, told.message_id) == (("b@example.com",), "s", "<1>")
        assert not addressing.is_whole

    @pytest.mark.parametrize("message", [b"", b"\r\n", b"body", b"\r\nFrom: x@example.com\r\n", b"From x\n"])
    def test_nothing(self, message: bytes) -> None:
        """The fact of an absent field is empty."""
        assert facts(message, 0, len(message))[0] == ((), "", (), (), "", "")

    def test_in_place(self) -> None:
        """A message inside other data is read in its own span."""
        before, message = b"To: no@example.com\n\n", b"From x\nSubject: yes\nTo: a@example.com"
        data = before + message + b"\nCc: no@example.com\n\n"
        assert facts(data, len(before), len(before + message))[0] == ((), "", ("a@example.com",), (), "yes", "")

    @given(message_like())
    def test_valid(self, message: bytes) -> None:
        """Every address in the facts could be a sender or recipient."""
        told, _ = facts(message, 0, len(message))
        sender = (told.sender,) if told.sender else ()
        assert not any(map(address_problem, (*told.authors, *sender, *told.to, *told.cc)))


class TestMailboxesOf:
    """The entries of an address list, each with its display name."""

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("a@example.com", [("", "a@example.com")]),
            ("A <a@example.com>", [("A", "a@example.com")]),
            ('"A, B" <a@example.com>, C D <c@example.com>', [("A, B", "a@example.com"), ("C D", "c@example.com")]),
            ('"A \\"B\\" \\\\" <a@example.com>', [('A "B" \\', "a@example.com")]),
            ('"A" B "C" <a@example.com>', [("A B C", "a@example.com")]),
            ("=?utf-8?q?caf=C3=A9?= <a@example.com>", [("caf\u00e9", "a@example.com")]),
            ("=?utf-8?q?caf=C3?=\r\n =?utf-8?q?=A9?= <a@example.com>", [("caf\u00e9", "a@example.com")]),
            ("A\t  B <a@example.com>", [("A B", "a@example.com")]),
            ("A (comment) <a@example.com>", [("A", "a@example.com")]),
            ("a@example.com (A)", [("", "a@example.com")]),
            ("Team: A <a@example.com>, b@example.com;", [("A", "a@example.com"), ("", "b@example.com")]),
            ("Team: ;", []),
            ("", []),
            (" , ;", []),
            ("nobody", [("nobody", "")]),
            ("a@example.com, nobody, b@example.com", [("", "a@example.com"), ("nobody", ""), ("", "b@example.com")]),
            ("<nobody>", [("<nobody>", "")]),
            ("Jane <nobody>", [("Jane <nobody>", "")]),
            ('"Doe, Jane"', [('"Doe, Jane"', "")]),
            ("Jane\0Doe", [("Jane Doe", "")]),
            ("a\0@example.com", [("a @example.com", "")]),
            ("=?utf-8?q?nobody?=", [("=?utf-8?q?nobody?=", "")]),
            ("john . doe @ example.com", [("", "john.doe@example.com")]),
            ('"john" .doe@example.com', [("", '"john".doe@example.com')]),
            ("john(c).doe@example.com", [("", "john.doe@example.com")]),
            ("Dr. doe@example.com", [("", "doe@example.com")]),
            ("<john . doe@example.com>", [("", "john . doe@example.com")]),
            ('"a\tb"@example.com', [("", '"a b"@example.com')]),
            ('<"a\tb"@example.com>', [("", '"a b"@example.com')]),
            ('x"never closed a@example.com, b@example.com', [("", "b@example.com")]),
            ("Jane\x0bDoe\x7f\x1c", [("Jane Doe", "")]),
            ("a\x1cb@example.com", [("", "b@example.com")]),
        ],
    )
    def test_entries(self, value: str, found: list[tuple[str, str]]) -> None:
        """A name is decoded, without quotes and on one line; an entry without an address is kept as written."""
        assert mailboxes_of(value.encode()) == found

    def test_limit(self) -> None:
        """A value above the limit is one entry, kept as it was written; at the limit it is read."""
        entry = "a@example.com,"
        value = entry * (ADDRESS_FIELD_LIMIT // len(entry))
        assert len(mailboxes_of(value.encode())) == ADDRESS_FIELD_LIMIT // len(entry)
        value += " " * ADDRESS_FIELD_LIMIT + "b\x0b"
        assert mailboxes_of(value.encode()) == [Mailbox(value.replace("\x0b", "").strip(), "")]

    @given(
        st.text("\"'()<>[],:;@\\ \tab.=?", max_size=40)
        | st.binary(max_size=30).map(lambda octets: octets.decode("latin-1"))
    )
    def test_valid(self, value: str) -> None:
        """In any value, an address is valid or empty, and a name is one line."""
        found = mailboxes_of(value.replace("\n", "\n ").encode())
        for mailbox in found:
            assert isinstance(mailbox, Mailbox)
            assert mailbox.name or mailbox.address
            assert not mailbox.address or address_problem(mailbox.address) is None
            assert not {"\r", "\n", "\0"} & {*mailbox.name}
            assert mailbox.name.strip(" \t") == mailbox.name
        assert [one.address for one in found if one.address] == [*addresses_of(value.replace("\n", "\n ").encode())]

    @given(
        st.lists(st.tuples(st.text(st.sampled_from('ab ,"()<>@:.\\\u00e9'), max_size=8), plain_addresses()), max_size=4)
    )
    def test_agrees_with_the_standard_library(self, pairs: list[tuple[str, str]]) -> None:
        """Display names that the standard library writes are read as they were meant, with their blanks made one."""
        pairs = [(name, address) for name, address in pairs if address.isascii()]
        value = ", ".join([formataddr(pair) for pair in pairs])
        assert mailboxes_of(value.encode()) == [(" ".join(name.split()), address) for name, address in pairs]


class TestLikelyAddresses:
    """All text that some reader could take for an address."""

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("a@example.com", ["a@example.com"]),
            ("nobody", []),
            ("=?utf-8?q?nobody?=", []),
            ('"a@example.com" <b@example.com>', ["a@example.com", "b@example.com"]),
            ("b@example.com (a@example.com (c@example.com))", ["b@example.com", "a@example.com", "c@example.com"]),
            ("a@example.com ((((b@example.com))))", ["a@example.com", "b@example.com"]),
            ("john(c).doe@example.com", [".doe@example.com", "john.doe@example.com"]),
            ('"john". doe@example.com', ["doe@example.com", ".doe@example.com", "john.doe@example.com"]),
            ("john . doe @ example.com", ["doe@example.com", "john.doe@example.com"]),
            ("Dr. bob@example.com", ["bob@example.com", "Dr.bob@example.com"]),
            ('"never closed a@example.com', ["a@example.com"]),
            ("=?utf-8?q?a=40example.com?= <b@example.com>", ["b@example.com", "a@example.com"]),
            ("a@[IPv6:2001:db8::1] b@[x", ["a@[IPv6:2001:db8::1]", "b@[x"]),
            ("a" * 572 + "@example.com", []),
            ("@@ a@ b", ["a@b"]),
        ],
    )
    def test_found(self, value: str, found: list[str]) -> None:
        """Read with and without comments, quotes, encoded words and the blanks round dots."""
        assert likely_addresses(value.encode()) == found


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
        _, addressing = facts(message, 0, len(message))
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
        _, addressing = facts(message, 0, len(message))
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


class TestAddressesOf:
    """The bare addresses of an address list (RFC 5322 section 3.4), as senders write it."""

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("a@example.com", ["a@example.com"]),
            ("a@example.com, b@example.com;c@example.com", ["a@example.com", "b@example.com", "c@example.com"]),
            (",, a@example.com ,;", ["a@example.com"]),
            ("A <a@example.com>", ["a@example.com"]),
            ('"A, B" <a@example.com>, C <c@example.com>', ["a@example.com", "c@example.com"]),
            ('"x@example.com" <a@example.com>', ["a@example.com"]),
            ('"A \\" <x@example.com>" <a@example.com>', ["a@example.com"]),
            ('"a b"@example.com', ['"a b"@example.com']),
            ('Name "a, b"@example.com', ['"a, b"@example.com']),
            ('<"a>b"@example.com>', []),
            ("a@example.com (comment, with x@example.com)", ["a@example.com"]),
            ("(a (nested \\) comment)) a@example.com (b) , c@example.com", ["a@example.com", "c@example.com"]),
            ("a@example.com )", ["a@example.com"]),
            (
                "Group: a@example.com, B <b@example.com>;, c@example.com",
                ["a@example.com", "b@example.com", "c@example.com"],
            ),
            ("undisclosed-recipients:;", []),
            ("Group: ;", []),
            ("<@a.example,@b.example:c@example.com>", ["c@example.com"]),
            ("a@[IPv6:2001:db8::1], b@[192.0.2.1]", ["a@[IPv6:2001:db8::1]", "b@[192.0.2.1]"]),
            ("a @ example.com", ["a@example.com"]),
            ("a\t@\texample.com", ["a@example.com"]),
            ("<a@example.com> <b@example.com>", ["a@example.com"]),
            ("a@example.com b@example.com", ["a@example.com", "b@example.com"]),
            ("Name", []),
            ("<Name>", []),
            ("<>", []),
            ("<a@example.com", ["a@example.com"]),
            ("a@example.com>", ["a@example.com"]),
            ("< a@example.com >", ["a@example.com"]),
            ("<<a@example.com>>", ["a@example.com"]),
            ("a@example.com <", ["a@example.com"]),
            ('"never closed <a@example.com>', []),
            ("(never closed a@example.com", []),
            ("[a@example.com", ["[a@example.com"]),
            ("a@example.com]", ["a@example.com]"]),
            ('a@example.com "\\', ["a@example.com"]),
            ('"\\', []),
            ("\u00e9@b\u00fccher.example", ["\u00e9@b\u00fccher.example"]),
            ("a" * 559 + "@example.com", ["a" * 559 + "@example.com"]),
            ("a" * 560 + "@example.com", []),
            ("a\0@example.com, b@example.com", ["b@example.com"]),
            ("mailto:a@example.com", ["a@example.com"]),
            ("=?utf-8?q?a=40example=2Ecom?= <b@example.com>", ["b@example.com"]),
            ("", []),
        ],
    )
    def test_lists(self, value: str, found: list[str]) -> None:
        """Of mailboxes and of the members of groups, in order; other entries are left out."""
        assert [*addresses_of(value.encode())] == found

    def test_folded(self) -> None:
        """A fold is a blank."""
        assert addresses_of(b" A\r\n <a@example.com>,\n\tb@example.com") == ("a@example.com", "b@example.com")

    @given(
        st.lists(plain_addresses(), max_size=6), st.sampled_from(["{}", "Name <{}>", '"N, M" <{}>', "{} (x)", "G: {};"])
    )
    def test_written_and_read(self, given_addresses: list[str], form: str) -> None:
        """Addresses written in any form are read again."""
        value = ", ".join([form.format(address) for address in given_addresses])
        assert [*addresses_of(value.encode())] == given_addresses

    @given(st.lists(st.tuples(st.text(st.sampled_from('ab ,"()<>@:'), max_size=8), plain_addresses()), max_size=4))
    def test_agrees_with_the_standard_library(self, pairs: list[tuple[str, str]]) -> None:
        """What the standard library writes is read as the standard library reads it."""
        pairs = [(name, address) for name, address in pairs if address.isascii() and "[" not in address]
        value = ", ".join([formataddr(pair) for pair in pairs])
        if value:
            assert [*addresses_of(value.encode())] == [address for _, address in getaddresses([value])]

    @given(st.text("\"'()<>[],:;@\\ \tab.", max_size=40) | addresses())
    def test_total(self, value: str) -> None:
        """Any value has valid addresses or none."""
        assert not any(map(address_problem, addresses_of(value.encode())))
