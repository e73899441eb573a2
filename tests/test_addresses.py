"""Addresses: which are refused, and when two are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import address_key, mailbox_key
from exjournal.addresses import address_problem, same_mailbox
from exjournal.limits import ADDRESS_LIMIT
from strategies import addresses, plain_addresses, spellings


class TestAddressProblem:
    """An address may be any text that a recipient line can carry unchanged."""

    @pytest.mark.parametrize(
        "address",
        [
            "alice@example.com",
            "a",
            "@",
            "x@[IPv6:2001:db8::1]",
            '", Expanded: list@example.com"@example.net',
            '"a\\"b@c\\\\"@example.com',
            '"<>"@example.com',
            "IMCEAEX-_O=EXAMPLE_OU=A+20B_CN=RECIPIENTS@example.com",
            "/o=Example/cn=alice",
            "user @ node",
            "a expanded",
            "a\x80b\xa0c\u3000d",
            "\ufeff",
            "a" * ADDRESS_LIMIT,
            "\u00e9" * ADDRESS_LIMIT,
            "smtp:alice@example.com",
        ],
    )
    def test_allowed(self, address: str) -> None:
        """Text of any form is allowed if it can be written and read again."""
        assert address_problem(address) is None

    @pytest.mark.parametrize(
        ("address", "reason"),
        [
            ("", "is empty"),
            ("a" * (ADDRESS_LIMIT + 1), "has 572 characters, more than 571"),
            ("a\rb", "contains CR at character 1"),
            ("ab\nc", "contains LF at character 2"),
            ("\0", "contains NUL at character 0"),
            ("abc\udfff", "contains a lone surrogate at character 3"),
            ("a\x0bb", "contains the control character U+000B at character 1"),
            ("a\x1cb", "contains the control character U+001C at character 1"),
            ("\x7f", "contains the control character U+007F at character 0"),
            ("a\x85b", "contains the line separator U+0085 at character 1"),
            ("a\u2028b", "contains the line separator U+2028 at character 1"),
            ("a\u2029b", "contains the line separator U+2029 at character 1"),
            ("a\tb", "contains TAB at character 1"),
            ('"a\\', "has a quote that is not closed"),
            (" a", "begins or ends with a space or TAB"),
            ("a\t", "begins or ends with a space or TAB"),
            ("a@example.com,b@example.com", "has a comma outside quotes; must be one address"),
            ("<a@example.com>", "has angle brackets; must be a bare address"),
            ("a>", "has angle brackets; must be a bare address"),
            ('"a@example.com', "has a quote that is not closed"),
            ('"a\\"@example.com', "has a quote that is not closed"),
            ("a expanded: b", "reads like a redirect"),
            ("a FORWARDED :b", "reads like a redirect"),
            ('"a" expanded  :b', "reads like a redirect"),
            ("expanded:x", "reads like a redirect"),
            ("Forwarded :", "reads like a redirect"),
        ],
    )
    def test_refused(self, address: str, reason: str) -> None:
        """An address that reads like something else is refused with the reason."""
        assert address_problem(address) == reason

    def test_length_counts_characters(self) -> None:
        """The limit counts characters: those of two bytes each count the same."""
        assert address_problem("\u00e9" * 571) is None
        assert address_problem("\u00e9" * 572) is not None


class TestAddressKey:
    """The identity of an address as written."""

    @pytest.mark.parametrize(
        ("address", "key"),
        [
            ("Alice@Example.COM", "Alice@example.com"),
            ('"A@B"@Example.com', '"A@B"@example.com'),
            ("Postmaster", "Postmaster"),
            ("", ""),
            ("A@B\u00dcCHER.example", "A@b\u00fccher.example"),
            ("@", "@"),
        ],
    )
    def test_key(self, address: str, key: str) -> None:
        """The local part stays exact, the domain loses its letter case."""
        assert address_key(address) == key

    @given(st.text())
    def test_stable(self, address: str) -> None:
        """The key of a key is the key."""
        assert address_key(address_key(address)) == address_key(address)


class TestMailboxKey:
    """What rules and loops mean by the same mailbox."""

    @pytest.mark.parametrize(
        ("address", "key"),
        [
            ("Alice@Example.COM", "alice@example.com"),
            ('"Alice"@example.com', "alice@example.com"),
            ('"Al\\ice \\"x\\""@example.com', 'alice "x"@example.com'),
            ('"@example.com', '"@example.com'),
            ("alice@example.com.", "alice@example.com"),
            ("alice@B\u00fccher.example", "alice@xn--bcher-kva.example"),
            ("alice@[IPv6:2001:DB8::1]", "alice@[ipv6:2001:db8::1]"),
            ("POSTMASTER", "postmaster"),
            ("stra\u00dfe@example.com", "strasse@example.com"),
            ("", ""),
            ('"john".doe@example.com', "john.doe@example.com"),
            ('john."doe"@example.com', "john.doe@example.com"),
            ('"john.doe"@example.com', "john.doe@example.com"),
            ("john\\.doe@example.com", "john.doe@example.com"),
            ("john . doe @ example . com", "john.doe@example.com"),
            ("(a (b) \\) c)john(@).doe@(d)example.com", "john.doe@example.com"),
            ("<a.example>@john.doe@example.com"[11:], "@john.doe@example.com"),
            ("@a.example,@b.example:john.doe@example.com", "john.doe@example.com"),
            ("jose\u0301@example.com", "jos\u00e9@example.com"),
            ("JOSE\u0301@example.com", "jos\u00e9@example.com"),
            # Needed quotes: without them the address would read otherwise.
            ('"a b"@example.com', "a b@example.com"),
            ('"ab"@example.com', "ab@example.com"),
            ('" a"@example.com', '" a"@example.com'),
            ('"\\ a"@example.com', '" a"@example.com'),
            ('"a(b)"@example.com', '"a(b)"@example.com'),
            ('"a\\\\b"@example.com', '"a\\\\b"@example.com'),
            ('"@a,@b:c"@example.com', '"@a,@b:c"@example.com'),
            ("a(b@example.com", '"a(b"@example.com'),
            ("a b@example.com", "a b@example.com"),
            ('"a" "b"@example.com', '"a" "b"@example.com'),
            ('""@example.com', "@example.com"),
            # The sign is in a comment, or there is none: a name, whose brackets are its own.
            ("sales (emea@example.com)", "sales (emea@example.com)"),
            ("Sales (EMEA)", "sales (emea)"),
            ('"' + "X" * 571 + '"@example.com', '"' + "x" * 571 + '"@example.com'),
            ("\u00c9" * 572 + "@example.com", "\u00e9" * 572 + "@example.com"),
            # More bytes than a label may have: no A-label, and so its own spelling.
            ("alice@" + "\u00c9" * 64 + ".example", "alice@" + "\u00e9" * 64 + ".example"),
            ("alice@\u00e9..example", "alice@\u00e9..example"),
        ],
    )
    def test_key(self, address: str, key: str) -> None:
        """Letter case, needless quotes and the form of the domain do not count."""
        assert mailbox_key(address) == key

    @given(st.text(st.characters()) | addresses())
    def test_total(self, address: str) -> None:
        """Any text has a key, and is the same mailbox as itself."""
        assert isinstance(mailbox_key(address), str)
        assert same_mailbox(address, address)

    @given(plain_addresses())
    def test_letter_case(self, address: str) -> None:
        """An address and its upper-case spelling are one mailbox."""
        assert same_mailbox(address, address.upper())

    @given(spellings())
    def test_spellings(self, spelled: tuple[str, str]) -> None:
        """Quotes round words, escapes, comments, blanks and decomposed letters make no other mailbox."""
        address, spelling = spelled
        assert mailbox_key(spelling) == mailbox_key(address)

    @given(addresses() | spellings().map(lambda pair: pair[1]))
    def test_key_of_a_key(self, address: str) -> None:
        """The key of a key is the key."""
        assert mailbox_key(mailbox_key(address)) == mailbox_key(address)

    @given(addresses(), addresses())
    def test_same_mailbox_is_equality_of_keys(self, one: str, other: str) -> None:
        """Two addresses are the same mailbox where their keys are equal, in either order."""
        assert same_mailbox(one, other) is same_mailbox(other, one) is (mailbox_key(one) == mailbox_key(other))

    @given(addresses(), addresses())
    def test_same_address_is_same_mailbox(self, one: str, other: str) -> None:
        """Addresses that are the same as written are the same mailbox."""
        if address_key(one) == address_key(other):
            assert same_mailbox(one, other)

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("alice@example.com", "ALICE@EXAMPLE.COM", True),
            ('"alice"@example.com', "alice@example.com", True),
            ("alice@b\u00fccher.example", "alice@XN--BCHER-KVA.example.", True),
            ("alice@example.com", "alice@example.net", False),
            ("alice@example.com", "bob@example.com", False),
            ('"a b"@example.com', '"ab"@example.com', False),
            ('"a  b"@example.com', '"a b"@example.com', False),
            ('"a(b)"@example.com', "a@example.com", False),
            ('"a\\\\b"@example.com', '"ab"@example.com', False),
            ("", "", True),
            ("", "alice", False),
        ],
    )
    def test_same_mailbox(self, one: str, other: str, same: bool) -> None:
        """Spellings of one mailbox are the same, others are not."""
        assert same_mailbox(one, other) is same
