"""Address list fields: their entries, and texts that some reader takes for an address."""

from email.utils import formataddr, getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.address_lists import (
    Mailbox,
    addresses_of,
    likely_addresses,
    mailboxes_of,
)
from exjournal.addresses import address_problem
from exjournal.limits import ADDRESS_FIELD_LIMIT
from strategies import addresses, plain_addresses


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

    @pytest.mark.slow
    def test_limit(self) -> None:
        """A value above the limit is one entry, kept as it was written; at the limit it is read."""
        entry = "a@example.com,"
        value = entry * (ADDRESS_FIELD_LIMIT // len(entry))
        assert len(mailboxes_of(value.encode())) == ADDRESS_FIELD_LIMIT // len(entry)
        value += " " * ADDRESS_FIELD_LIMIT + "b\x0b"
        assert mailboxes_of(value.encode()) == [Mailbox(value.replace("\x0b", "").strip(), "")]

    @given(
        st.text("\"'()<>[],:;@\\ \tab.=?", max_size=40)
        | st.binary(max_size=30).map(lambda data: data.decode("latin-1"))
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
