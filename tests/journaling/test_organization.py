"""The organization: which addresses are inside, which are one mailbox, and which values are refused."""

import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import InvalidValue, Organization, mailbox_key
from exjournal.journaling.organization import require_mailbox
from strategies import addresses


def refused(make: Any, field: str) -> str:
    """Assert that a call is refused with an error for this field, and return the reason."""
    with pytest.raises(InvalidValue) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.reason
    return caught.value.reason


class TestDomains:
    """An address is inside if its domain is an accepted one."""

    @pytest.mark.parametrize(
        ("domain", "address", "inside"),
        [
            ("example.com", "ann@example.com", True),
            ("example.com", "ANN@EXAMPLE.COM", True),
            ("EXAMPLE.com", "ann@example.com", True),
            ("example.com", "ann@example.com.", True),
            ("example.com.", "ann@example.com", True),
            ("example.com", "ann @ example.com", True),
            ("example.com", '"ann@example.org"@example.com', True),
            ("example.com", "ann@sub.example.com", False),
            ("sub.example.com", "ann@example.com", False),
            ("example.com", "ann@notexample.com", False),
            ("example.com", "ann@example.org", False),
            ("example.com", '"ann@example.com"@example.org', False),
            ("example.com", "ann", False),
            ("example.com", "example.com", False),
            ("example.com", "ann@", False),
            ("example.com", "@example.com", True),
            ("*.example.com", "ann@example.com", True),
            ("*.example.com", "ann@sub.example.com", True),
            ("*.example.com", "ann@a.b.c.Example.Com", True),
            ("*.EXAMPLE.com.", "ann@sub.example.com", True),
            ("*.example.com", "ann@notexample.com", False),
            ("*.example.com", "ann@example.com.example", False),
            ("*.example.com", "ann@com", False),
            ("*.example.com", "ann", False),
            ("*.example.com", "sub.example.com", False),
            ("*.example.com", "ann@", False),
            ("*.example", "ann@example.example", True),
            ("[192.0.2.1]", "ann@[192.0.2.1]", True),
            ("[IPv6:2001:db8::1]", "ann@[ipv6:2001:DB8::1]", True),
            ("localhost", "ann@localhost", True),
        ],
    )
    def test_inside(self, domain: str, address: str, inside: bool) -> None:
        """A domain matches itself, in any letter case; with an asterisk also every domain below it, and no other."""
        assert Organization([domain]).is_internal(address) is inside

    @pytest.mark.parametrize("domain", ["b\u00fccher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.Example"])
    @pytest.mark.parametrize(
        "address",
        [
            "ann@b\u00fccher.example",
            "ann@B\u00dcCHER.example",
            "ann@xn--bcher-kva.example",
            "ann@Xn--Bcher-Kva.EXAMPLE",
            "ann@bu\u0308cher.example",
        ],
    )
    def test_internationalised(self, domain: str, address: str) -> None:
        """An internationalized domain is one domain in either spelling, alone and with its subdomains."""
        assert Organization([domain]).is_internal(address)
        wide = Organization([f"*.{domain}"])
        assert wide.is_internal(address)
        assert wide.is_internal(address.replace("@", "@mail."))
        assert not Organization([domain]).is_internal(address.replace("@", "@mail."))

    @pytest.mark.parametrize("domain", ["stra\u00dfe.example", "xn--strae-oqa.example"])
    @pytest.mark.parametrize("address", ["ann@stra\u00dfe.example", "ann@xn--strae-oqa.example"])
    def test_internationalised_with_a_letter_of_idna_2008(self, domain: str, address: str) -> None:
        """A domain whose two spellings are equal only under IDNA 2008 is also one domain in either spelling."""
        assert Organization([domain]).is_internal(address)

    def test_a_dot_of_another_script_at_the_end(self) -> None:
        """A dot at the end of a domain is ignored, in any script."""
        assert Organization(["example.com"]).is_internal("ann@example.com\u3002")
        assert Organization(["example.com\u3002"]).is_internal("ann@example.com")

    def test_several(self) -> None:
        """Every accepted domain counts, alone or with its subdomains."""
        organization = Organization(["example.com", "*.example.net"])
        inside = ["a@example.com", "a@example.net", "a@x.example.net"]
        assert all(map(organization.is_internal, inside))
        assert not any(map(organization.is_internal, ["a@x.example.com", "a@example.org"]))

    def test_none(self) -> None:
        """Without accepted domains nobody is inside, and without hosted domains no address is hosted."""
        organization = Organization([])
        assert not organization.is_internal("ann@example.com")
        assert not organization.is_hosted("ann@example.com")

    def test_hosted(self) -> None:
        """Hosted domains are written like accepted domains, and do not count as accepted."""
        organization = Organization(["example.com"], hosted_domains=["*.Example.net", "b\u00fccher.example"])
        assert organization.is_hosted("a@mail.example.net")
        assert organization.is_hosted("a@xn--bcher-kva.example")
        assert not organization.is_hosted("a@example.com")
        assert not organization.is_internal("a@example.net")

    @given(st.sampled_from(["example.com", "*.example.com"]), addresses())
    def test_side_of_the_key(self, domain: str, address: str) -> None:
        """Any address is on the side of its key."""
        organization = Organization([domain])
        assert organization.is_internal(address) is organization.is_internal(mailbox_key(address))

    @pytest.mark.parametrize("name", ["domains", "hosted_domains"])
    @pytest.mark.parametrize(
        "domain",
        [
            "",
            "*",
            "*.",
            ".",
            ".example.com",
            "*..example.com",
            "*.*.example.com",
            "mail.*.example.com",
            "*example.com",
            "ann@example.com",
            "@example.com",
            "example.com ",
            "example\r.com",
            "example.com,example.net",
            "<example.com>",
            "a" * 600,
        ],
    )
    def test_not_a_domain(self, name: str, domain: str) -> None:
        """A value that is not a domain is refused with its number."""
        values: dict[str, Any] = {"domains": ["example.com"], "hosted_domains": ["example.com"]}
        values[name].append(domain)
        refused(lambda: Organization(**values), f"{name}[1]")

    @pytest.mark.parametrize("domain", ["exa mple.com", "example..com", "*.exa mple.com"])
    def test_a_domain_with_a_typing_error(self, domain: str) -> None:
        """A domain with a space or an empty label is refused: no address would ever be inside it."""
        refused(lambda: Organization([domain]), "domains[0]")

    @pytest.mark.parametrize("name", ["domains", "hosted_domains"])
    @pytest.mark.parametrize("value", ["example.com", b"example.com", 1, None])
    def test_not_a_collection(self, name: str, value: Any) -> None:
        """A single string is refused as a collection of domains, and so is a value that cannot be iterated over."""
        values: dict[str, Any] = {"domains": [], name: value}
        refused(lambda: Organization(**values), name)

    @pytest.mark.parametrize("value", [b"example.com", 1, None])
    def test_not_a_string(self, value: Any) -> None:
        """A value that is not a string is refused with its number."""
        refused(lambda: Organization(["example.com", value]), "domains[1]")
        refused(lambda: Organization([], hosted_domains=[value]), "hosted_domains[0]")


class TestKeys:
    """All addresses of one mailbox have one key, and no two mailboxes share one."""

    @pytest.mark.parametrize(
        "spelling",
        [
            "ann@example.com",
            "ANN@Example.COM",
            '"ann"@example.com',
            '"a\\nn"@example.com',
            "ann @ example.com",
            "ann@example.com.",
        ],
    )
    def test_spellings(self, spelling: str) -> None:
        """Letter case, needless quotes and spaces around the @ do not make another mailbox."""
        organization = Organization(["example.com"])
        assert organization.key(spelling) == organization.key("ann@example.com")
        assert organization.key(spelling) != organization.key("bob@example.com")

    @pytest.mark.parametrize(
        "aliases",
        [
            {"ann@example.com": ["a1@example.com", "a2@example.net"]},
            {"a1@example.com": "ann@example.com", "a2@example.net": "ann@example.com"},
            {"ann@example.com": "a1@example.com", "a2@example.net": "ann@example.com"},
            {"ann@example.com": "a1@example.com", "a1@example.com": "a2@example.net"},
            {"a2@example.net": "a1@example.com", "a1@example.com": "ann@example.com"},
            {"A1@Example.Com": ['"ann"@example.com', "A2@EXAMPLE.NET"]},
            {
                "ann@example.com": "a1@example.com",
                "a1@example.com": "ann@example.com",
                "a2@example.net": ["a2@example.net", "a1@example.com"],
            },
        ],
    )
    def test_aliases(self, aliases: dict[str, list[str]]) -> None:
        """Aliases join addresses in either direction, over any number of steps, in any spelling, and in circles."""
        organization = Organization(["example.com"], aliases=aliases)
        names = ["ann@example.com", "a1@example.com", "a2@example.net", "A1@EXAMPLE.com", '"a2"@example.net']
        assert len(set(map(organization.key, names))) == 1
        assert organization.key("bob@example.com") == "bob@example.com"

    def test_aliases_join_all_that_share_one(self) -> None:
        """Two mailboxes that share an alias are one, and those that share none are two."""
        organization = Organization(
            ["example.com"], aliases={"a@example.com": "x@example.com", "b@example.com": "x@example.com", "c": "d"}
        )
        assert organization.key("a@example.com") == organization.key("b@example.com")
        assert organization.key("c") == organization.key("D") != organization.key("a@example.com")

    def test_an_alias_may_lie_outside(self) -> None:
        """An outside address may be an alias: it stays outside, and its mailbox stays inside."""
        organization = Organization(["example.com"], aliases={"ann@example.com": "ann@a.example"})
        assert organization.key("ann@a.example") == organization.key("ann@example.com")
        assert organization.is_internal("ann@example.com")
        assert not organization.is_internal("ann@a.example")

    def test_subaddresses(self) -> None:
        """With `subaddresses` an address is the mailbox up to the first plus sign; without it, a mailbox of its own."""
        plain, tagged = Organization([]), Organization([], subaddresses=True)
        for tag in ("+x", "+", "+x+y", "+X"):
            assert tagged.key(f"ann{tag}@example.com") == tagged.key("ann@example.com")
            assert plain.key(f"ann{tag}@example.com") != plain.key("ann@example.com")
        assert tagged.key('"ann+x"@example.com') == tagged.key("ann@example.com")

    @pytest.mark.parametrize("address", ["+x@example.com", "ann+x", "+", "ann@example+x.example", "+@example.com"])
    def test_no_subaddress(self, address: str) -> None:
        """A tag without a user or without a domain does not make a subaddress."""
        assert Organization([], subaddresses=True).key(address) == mailbox_key(address)

    def test_subaddresses_of_aliases(self) -> None:
        """A subaddress of an alias is the mailbox."""
        organization = Organization([], aliases={"ann@example.com": "x@example.com"}, subaddresses=True)
        assert organization.key("x+tag@example.com") == organization.key("ann@example.com")
        assert organization.key("ann+tag@example.com") == organization.key("x@example.com")

    def test_a_subaddress_with_an_alias_of_its_own(self) -> None:
        """An alias of a subaddress is an alias of its mailbox, and does not separate the two."""
        organization = Organization([], aliases={"ann+sales@example.com": "sales@example.com"}, subaddresses=True)
        assert organization.key("ann+sales@example.com") == organization.key("ann@example.com")
        assert organization.key("sales@example.com") == organization.key("ann@example.com")
        assert organization.key("ann+other@example.com") == organization.key("ann@example.com")

    def test_an_alias_of_a_subaddress_where_they_are_mailboxes(self) -> None:
        """If subaddresses are mailboxes of their own, they have their own aliases."""
        organization = Organization([], aliases={"ann+sales@example.com": "sales@example.com"})
        assert organization.key("ann+sales@example.com") == organization.key("sales@example.com")
        assert organization.key("sales@example.com") != organization.key("ann@example.com")

    @given(
        st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=10),
        st.booleans(),
        st.randoms(use_true_random=False),
    )
    def test_aliases_are_classes(self, pairs: list[tuple[int, int]], reverse: bool, shuffle: Any) -> None:
        """Aliases make classes of addresses, in whatever order and direction their pairs are given."""
        names = [f"u{number}@example.com" for number in range(8)]
        classes = {name: {name} for name in names}
        for one, two in pairs:
            joined = classes[names[one]] | classes[names[two]]
            for name in joined:
                classes[name] = joined
        aliases: dict[str, list[str]] = {}
        for one, two in shuffle.sample(pairs, len(pairs)):
            first, second = (names[two], names[one]) if reverse else (names[one], names[two])
            aliases.setdefault(first, []).append(second)
        organization = Organization([], aliases=aliases)
        for one in names:
            for other in names:
                assert (organization.key(one) == organization.key(other)) is (other in classes[one])


class TestGroups:
    """Groups hold addresses and groups; the lists are validated and kept as written."""

    def test_kept_as_written(self) -> None:
        """The lists are kept as they were written, as tuples; a string is a list of one."""
        organization = Organization(
            ["Example.com"],
            groups={"Staff@Example.com": "Ann@Example.com", "team": iter(["Bob@example.com", "TEAM"])},
            aliases={"a@example.com": ["b@example.com"]},
            databases={"DB1": {"ann@example.com"}},
            hosted_domains=iter(["Example.net"]),
        )
        assert organization.domains == ("Example.com",)
        assert organization.groups == {"Staff@Example.com": ("Ann@Example.com",), "team": ("Bob@example.com", "TEAM")}
        assert organization.aliases == {"a@example.com": ("b@example.com",)}
        assert organization.databases == {"DB1": ("ann@example.com",)}
        assert organization.hosted_domains == ("Example.net",)

    def test_unknown_member(self) -> None:
        """A member without a domain must be the name of a group; the error names its place."""
        groups = {"staff@example.com": ["ann@example.com", "crew"]}
        refused(lambda: Organization([], groups=groups), 'groups."staff@example.com"[1]')
        assert Organization([], groups={**groups, "CREW": []}).groups["CREW"] == ()

    def test_an_unknown_mailbox_of_a_database(self) -> None:
        """A mailbox of a database must be an address or the name of a group; the error names its place."""
        refused(lambda: Organization([], databases={"DB1": ["ann@example.com", "bob"]}), 'databases."DB1"[1]')
        assert Organization([], groups={"bob": []}, databases={"DB1": ["bob"]}).databases["DB1"] == ("bob",)

    @pytest.mark.parametrize("name", ["groups", "aliases", "databases"])
    def test_twice(self, name: str) -> None:
        """Two spellings of one name are refused, so that neither list is silently dropped."""
        lists: Any = {name: {"staff@example.com": ["a@example.com"], '"STAFF"@Example.com': ["b@example.com"]}}
        reason = refused(lambda: Organization([], **lists), f'{name}.""STAFF"@Example.com"')
        assert "twice" in reason

    @pytest.mark.parametrize("name", ["groups", "aliases", "databases"])
    @pytest.mark.parametrize("member", ["", " a@example.com", "a@example.com,b@example.com", "<a@example.com>", "a\0"])
    def test_not_an_address(self, name: str, member: str) -> None:
        """A value that cannot be an address is refused with its place."""
        lists: Any = {name: {"x@example.com": ["ok@example.com", "ok@example.com", member]}}
        refused(lambda: Organization([], **lists), f'{name}."x@example.com"[2]')

    @pytest.mark.parametrize("name", ["groups", "aliases", "databases"])
    @pytest.mark.parametrize("value", [None, 5, b"ann@example.com"])
    def test_not_a_list(self, name: str, value: Any) -> None:
        """A value that is not a collection, and a member that is not a string, are refused with their path."""
        lists: Any = {name: {"x@example.com": value}}
        refused(lambda: Organization([], **lists), f'{name}."x@example.com"')
        lists = {name: {"x@example.com": ["ok@example.com", value]}}
        refused(lambda: Organization([], **lists), f'{name}."x@example.com"[1]')

    @pytest.mark.parametrize("name", ["groups", "aliases", "databases"])
    @pytest.mark.parametrize("value", [None, "staff@example.com", [("a@example.com", ["b@example.com"])], 5])
    def test_not_a_mapping(self, name: str, value: Any) -> None:
        """A value that is not a mapping is refused with its name."""
        lists: Any = {name: value}
        refused(lambda: Organization([], **lists), name)

    @pytest.mark.parametrize("name", ["groups", "aliases", "databases"])
    @pytest.mark.parametrize("key", ["", "  ", None, 1, b"x"])
    def test_not_a_name(self, name: str, key: Any) -> None:
        """A key that is not a name is refused with the name of the mapping."""
        lists: Any = {name: {key: ["a@example.com"]}}
        refused(lambda: Organization([], **lists), name)

    @pytest.mark.parametrize("name", ["groups", "aliases"])
    @pytest.mark.parametrize(
        "key", ["staff@example.com ", " staff@example.com", "staff@example.com\r\n", "a@example.com, b@example.com"]
    )
    def test_a_name_that_no_mail_has(self, name: str, key: str) -> None:
        """A group or alias with a name that no mail can have is refused, because it would silently match nobody."""
        lists: Any = {name: {key: ["a@example.com"]}}
        with pytest.raises(InvalidValue, match=name):
            Organization([], **lists)


class TestAlternateMailbox:
    """The alternate mailbox is an address that mail can be sent to, and not one that Exchange Online hosts."""

    @pytest.mark.parametrize(
        "value", ["", "ndr", " ndr@example.com", "a@example.com,b@example.com", 1, b"ndr@example.com"]
    )
    def test_not_a_mailbox(self, value: Any) -> None:
        """Any other value is refused."""
        refused(lambda: Organization([], alternate_mailbox=value), "alternate_mailbox")

    @pytest.mark.parametrize("value", ["ndr@", '"ndr@example.com"'])
    def test_without_a_domain(self, value: str) -> None:
        """An @ without a domain after it, or inside quotes, is not enough."""
        assert refused(lambda: Organization([], alternate_mailbox=value), "alternate_mailbox") == "has no domain"

    @pytest.mark.parametrize("domain", ["example.net", "*.net", "EXAMPLE.NET", "*.example.net"])
    def test_hosted(self, domain: str) -> None:
        """An address in a hosted domain is refused, in any letter case."""
        refused(
            lambda: Organization([], alternate_mailbox="NDR@Example.net", hosted_domains=[domain]), "alternate_mailbox"
        )

    @pytest.mark.parametrize("address", ["Team@Example.com", "crew@example.com"])
    def test_group(self, address: str) -> None:
        """A group is refused, under any spelling or alias: mail to it would be journaled for nobody."""
        groups, aliases = {"team@example.com": ["bob@example.com"]}, {"crew@example.com": "team@example.com"}
        refused(
            lambda: Organization(["example.com"], groups=groups, aliases=aliases, alternate_mailbox=address),
            "alternate_mailbox",
        )

    def test_elsewhere(self) -> None:
        """Any other address, inside or outside, is accepted and kept as written."""
        for address in ("NDR@Example.com", "ndr@example.org", '"n d r"@example.com'):
            organization = Organization(["example.com"], alternate_mailbox=address, hosted_domains=["example.net"])
            assert organization.alternate_mailbox == address

    @pytest.mark.parametrize(("value", "reason"), [(None, "not NoneType"), ("x", "has no domain"), ("", "is empty")])
    def test_reasons(self, value: Any, reason: str) -> None:
        """The reason names the fault."""
        with pytest.raises(InvalidValue, match=reason) as caught:
            require_mailbox("some.path", value)
        assert caught.value.field == "some.path"


def an_organization() -> Organization:
    """An organization with a value for every field."""
    return Organization(
        ["example.com", "*.b\u00fccher.example"],
        groups={"staff@example.com": ["ann@example.com", "team"], "team": ["bob@example.com"]},
        aliases={"ann@example.com": ["a@example.com"]},
        databases={"DB1": ["ann@example.com"]},
        hosted_domains=["example.net"],
        alternate_mailbox="ndr@example.com",
        voice_mail=False,
        subaddresses=True,
    )


class TestValue:
    """An organization is a value: it never changes, and two with equal fields are equal."""

    def test_defaults(self) -> None:
        """By default the lists are empty, voice mail is journaled, and subaddresses are off."""
        organization = Organization(["example.com"])
        assert (organization.groups, organization.aliases, organization.databases) == ({}, {}, {})
        assert organization.hosted_domains == ()
        assert organization.alternate_mailbox is None
        assert organization.voice_mail is True
        assert organization.subaddresses is False

    def test_equal(self) -> None:
        """Two organizations with equal fields are equal, whatever collections they were made from."""
        assert an_organization() == an_organization()
        assert Organization(iter(["example.com"]), groups={"a": "b@example.com"}) == Organization(
            ("example.com",), groups={"a": ("b@example.com",)}
        )

    @pytest.mark.parametrize(
        "change",
        [
            {"domains": ["example.com"]},
            {"groups": {}},
            {"aliases": {}},
            {"databases": {}},
            {"hosted_domains": []},
            {"alternate_mailbox": None},
            {"voice_mail": True},
            {"subaddresses": False},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_unequal(self, change: dict[str, Any]) -> None:
        """Each field counts for equality, and a changed one is validated again."""
        assert dataclasses.replace(an_organization(), **change) != an_organization()

    def test_replaced_fields_take_effect(self) -> None:
        """A replaced field takes effect."""
        other = dataclasses.replace(an_organization(), domains=["example.org"], aliases={}, subaddresses=False)
        assert other.is_internal("a@example.org")
        assert not other.is_internal("a@example.com")
        assert other.key("a@example.com") == "a@example.com"
        assert other.key("ann+x@example.com") == "ann+x@example.com"

    def test_hash(self) -> None:
        """Equal organizations hash equal."""
        assert hash(an_organization()) == hash(an_organization())

    def test_pickle(self) -> None:
        """An unpickled organization is equal, and gives the same keys."""
        organization = an_organization()
        back = pickle.loads(pickle.dumps(organization))
        assert back == organization
        assert back.key("A+x@example.com") == organization.key("ann@example.com")
        assert back.is_internal("x@mail.xn--bcher-kva.example")
        assert back.is_hosted("x@example.net")

    def test_the_callers_collections_are_copied(self) -> None:
        """Later changes to the caller's collections have no effect."""
        domains, members, others, boxes = ["example.com"], ["ann@example.com"], ["a@example.com"], ["ann@example.com"]
        groups, aliases, databases = {"staff": members}, {"ann@example.com": others}, {"DB1": boxes}
        organization = Organization(
            domains, groups=groups, aliases=aliases, databases=databases, hosted_domains=domains
        )
        copy = pickle.loads(pickle.dumps(organization))
        domains.append("example.org")
        for values in (members, others, boxes):
            values.append("new@example.com")
        for lists in (groups, aliases, databases):
            lists["other"] = ["x@example.com"]
        assert organization == copy
        assert not organization.is_internal("a@example.org")
        assert not organization.is_hosted("a@example.org")
        assert organization.key("new@example.com") == "new@example.com"

    def test_its_own_collections_do_not_change(self) -> None:
        """Its fields cannot be changed."""
        organization: Any = an_organization()
        for name in ("groups", "aliases", "databases"):
            with pytest.raises((TypeError, AttributeError)):
                getattr(organization, name)["x@example.com"] = ()
        assert organization == an_organization()
        with pytest.raises(AttributeError):
            organization.domains = ()

    def test_words(self) -> None:
        """The representation fits on a line of a log, for any number of members."""
        organization = Organization(["example.com"], groups={"staff@example.com": ["ann@example.com"] * 10_000})
        assert repr(organization) == "<Organization of example.com: 1 groups, 0 databases>"
