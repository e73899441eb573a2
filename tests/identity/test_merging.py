"""Merging: the reports of one message as one, where nothing is lost, nothing invented, and no order matters."""

import copy
import itertools
import json
import pickle
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from test_statements import FULL, HUSH, NAMED, data_of, holder, readable, through_json, with_identity

from exjournal import (
    DefectCode,
    Evidence,
    InvalidValue,
    JournalReport,
    MergedRecipient,
    MergedReport,
    ParsedReport,
    Recipient,
    ReportFormat,
    Role,
    Statement,
    build_report,
    identify,
    merge,
    parse_report,
)
from exjournal.addresses import address_key
from exjournal.identity.statements import statement_of
from strategies import DATE, ORIGINAL, PART, TEXT, a_message, a_report, built, carried
from strategies import reports as any_reports

BARE = b"Hi.\r\n"  # a message without a header of its own
NAMELESS = ORIGINAL.replace(b"Message-ID: <1@example.com>\r\n", b"")
OTHER = ORIGINAL.replace(b"Hi.", b"Ho.")
FORK = b"Received: by a.example\r\n" + ORIGINAL.replace(b"\r\n", b"\n")


def reported(
    *recipients: Recipient | str,
    original: bytes | None = ORIGINAL,
    format: ReportFormat = ReportFormat.ENVELOPE,
    id: str = "<r@example.com>",
    decrypted: bytes | None = None,
    **changes: Any,
) -> ParsedReport:
    """A report that agrees with `ORIGINAL`, about these recipients, as it is read."""
    report = a_report(recipients=recipients or ["bob@example.net"], **changes)
    return parse_report(built(original, report=report, format=format, report_id=id, decrypted=decrypted))


def unmarked(data: bytes, format: ReportFormat = ReportFormat.ENVELOPE) -> ParsedReport:
    """A report as it is read on the word of its caller, without its marker."""
    for marker in (b"X-MS-Journal-Report:", b"Content-Identifer: ExJournalReport"):
        data = data.replace(marker, b"X-Lost:", 1)
    return parse_report(data, format=format)


def copied(header: bytes = b"", message: bytes = ORIGINAL, format: ReportFormat = ReportFormat.BCC) -> ParsedReport:
    """A copy of a message with these fields more in its header, as it is read."""
    return parse_report(header + message, format=format)


def merged(*reports: Any) -> MergedReport:
    """The one merged report of reports on one message."""
    (found,) = merge(reports)
    return found


def short(one: MergedRecipient) -> tuple[str, str, str | None, str | None, str]:
    """A merged recipient without where it was seen."""
    return one.address, str(one.role), one.expanded_from, one.forwarded_from, str(one.evidence)


def shorts(*reports: Any) -> list[tuple[str, str, str | None, str | None, str]]:
    """The recipients of reports on one message."""
    return [short(one) for one in merged(*reports).recipients]


def taken(*data: Any) -> tuple[MergedReport, ...] | InvalidValue:
    """The merged data, or the error, which contains no text of a message."""
    try:
        return merge(data)
    except InvalidValue as error:
        return without_text(error)


def combined(one: MergedReport) -> JournalReport | InvalidValue:
    """The combined report, or the error; no text of a message is in that."""
    try:
        return one.combined()
    except InvalidValue as error:
        return without_text(error)


def without_text(error: InvalidValue) -> InvalidValue:
    """The error, which shows no text of a message."""
    assert error.field
    assert HUSH not in f"{error!r} {error} {error.args}".lower()
    assert "@" not in str(error)
    assert error.__context__ is None or error.__suppress_context__
    return error


def refusal(one: MergedReport) -> str:
    """The field by which a combined report is refused; no text of a message is in the error."""
    found = combined(one)
    assert isinstance(found, InvalidValue)
    return found.field


# Small worlds, in which reports often speak of the same

_ADDRESSES = st.sampled_from(
    ["ann@example.com", "ann@EXAMPLE.com", "Ann@example.com", "bob@example.net", "staff@example.com", "staff", "x"]
)
_NAMES = st.sampled_from(["", "", "Ann", "Bob, the other", "staff"])
_WAYS = st.none() | st.none() | st.sampled_from(["staff@example.com", "staff@EXAMPLE.com", "all@example.com"])
_RECIPIENTS = st.builds(
    Recipient, _ADDRESSES, st.sampled_from(Role), expanded_from=_WAYS, forwarded_from=_WAYS, display_name=_NAMES
)
_CONTENTS = [ORIGINAL, ORIGINAL, FORK, OTHER, NAMELESS, BARE, b"", None]
_FIELDS = [
    b"To: Ann <ann@example.com>\r\n",
    b"Cc: bob@EXAMPLE.net, x@example.org\r\n",
    b"Bcc: staff: ann@example.com, Bob <bob@example.net>;\r\n",
]


@st.composite
def drawn_reports(draw: st.DrawFn) -> ParsedReport:
    """Reports of every format on a few messages, about a few people."""
    format = draw(st.sampled_from([*ReportFormat, ReportFormat.ENVELOPE]))
    original = draw(st.sampled_from(_CONTENTS))
    if format in (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY):
        fields = b"".join(draw(st.lists(st.sampled_from(_FIELDS), max_size=2, unique=True)))
        return copied(fields, original or ORIGINAL, format)
    report = JournalReport(
        sender=draw(st.sampled_from(["", "alice@example.com", "alice@EXAMPLE.com", "carol@example.com"])),
        recipients=draw(st.lists(_RECIPIENTS, min_size=1, max_size=4)),
        subject=draw(st.sampled_from(["", "Hello", "Goodbye"])),
        message_id=draw(st.sampled_from(["", "<1@example.com>", "<2@example.com>"])),
        on_behalf_of=draw(st.none() | st.just("boss@example.com")),
        envelope_sender=draw(st.none() | st.sampled_from(["", "bounces@example.com"])),
        sent_utc=draw(st.none() | st.just("1")),
        sender_display_name=draw(_NAMES),
    )
    report_id = draw(st.sampled_from(["<r@example.com>", "<s@example.com>"]))
    data = built(original, report=report, format=format, report_id=report_id)
    if original is not None and draw(st.integers(0, 5)) == 0:
        data = data[: data.rindex(b"\r\n--")]
    return unmarked(data, format) if draw(st.integers(0, 3)) == 0 else parse_report(data)


_ANY = st.lists(drawn_reports() | readable(), max_size=4)
_REPORTS = st.lists(drawn_reports(), max_size=4)
_FORMS = [
    lambda one: one,
    statement_of,
    merged,
    with_identity,
    lambda one: statement_of(one).to_dict(),
    lambda one: merged(one).to_dict(),
    lambda one: through_json(with_identity(one, content=True)),
    lambda one: through_json(merged(one).to_dict()),
    lambda one: pickle.loads(pickle.dumps(merged(one))),
    lambda one: MergedReport.from_dict(through_json(merged(one).to_dict())),
]
# Many reports of one message.
_OF_ONE = st.lists(drawn_reports(), min_size=1, max_size=5).map(lambda reports: merge(reports)[0])


class TestOrderBlind:
    """Keys and merges do not depend on the order of reports; merging is associative, commutative and idempotent."""

    @pytest.mark.slow
    @given(_ANY, st.randoms(use_true_random=False))
    def test_commutative(self, reports: list[ParsedReport], chance: random.Random) -> None:
        """The order of reports changes nothing, neither in the values nor in the data."""
        found = merge(reports)
        chance.shuffle(reports)
        again = merge(reports)
        assert again == found
        assert [one.to_dict() for one in again] == [one.to_dict() for one in found]
        assert [one.reports for one in again] == [one.reports for one in found]
        assert [one.recipients for one in again] == [one.recipients for one in found]

    @pytest.mark.slow
    @given(_REPORTS, _REPORTS, _REPORTS)
    def test_associative(self, one: list[Any], two: list[Any], three: list[Any]) -> None:
        """Merging can be done in any steps."""
        found = merge(one + two + three)
        assert merge([*merge([*merge(one), *merge(two)]), *merge(three)]) == found
        assert merge([*merge(one), *merge([*merge(two), *merge(three)])]) == found
        assert merge([*merge(one), *two, *merge(three)]) == found

    @pytest.mark.slow
    @given(_ANY)
    def test_idempotent(self, reports: list[ParsedReport]) -> None:
        """Merging again, or merging the same twice, changes nothing."""
        found = merge(reports)
        assert merge(found) == merge(reports + reports) == merge([*reports, *found]) == merge([*found, *found]) == found

    @pytest.mark.slow
    @given(_ANY, st.lists(st.sampled_from(_FORMS), min_size=4, max_size=4))
    def test_any_mixture(self, reports: list[ParsedReport], forms: list[Any]) -> None:
        """It takes reports, statements, merged reports, and the data of each, in any mixture."""
        mixture = [form(one) for form, one in zip(forms, reports, strict=False)]
        found = merge(mixture)
        assert found == merge(reports)
        assert [one.to_dict() for one in found] == [one.to_dict() for one in merge(reports)]

    @given(_REPORTS)
    def test_joined_by_the_operator(self, reports: list[ParsedReport]) -> None:
        """`|` joins merged reports of one message as `merge` does."""
        joined: dict[str, MergedReport] = {}
        for one in reports:
            new = merged(one)
            key = new.content_sha256 or identify(one).report_key
            joined[key] = joined[key] | new if key in joined else new
        assert sorted(joined.values(), key=repr_of) == sorted(merge(reports), key=repr_of)

    @pytest.mark.slow
    @given(_OF_ONE, st.data())
    def test_laws_of_the_operator(self, found: MergedReport, data: st.DataObject) -> None:
        """`|` is associative, commutative and idempotent."""
        every = [merged(one) for one in found.statements]
        a, b, c = (data.draw(st.sampled_from(every)) for _ in range(3))
        assert (a | b) | c == a | (b | c)
        assert a | b == b | a
        assert a | a == a | (a | a) == a
        assert found | a == a | found == found

    @given(_REPORTS)
    def test_in_order_of_contents(self, reports: list[ParsedReport]) -> None:
        """Merged reports come in the order of contents, and those without one come last."""
        contents = [one.content_sha256 or "~" for one in merge(reports)]
        assert contents == sorted(contents)
        assert len(set(contents) - {"~"}) == len([one for one in contents if one != "~"])

    def test_of_nothing(self) -> None:
        """No reports make no merged report."""
        assert merge([]) == merge(iter(())) == ()

    def test_of_an_iterator(self) -> None:
        """The reports can come one by one."""
        assert merge(iter([reported(), reported()])) == merge([reported()])


def repr_of(one: MergedReport) -> str:
    """The sort key of a merged report."""
    return json.dumps(one.to_dict())


class TestNothingLost:
    """The input can be recovered from the output."""

    @pytest.mark.slow
    @given(_ANY)
    def test_statements(self, reports: list[ParsedReport]) -> None:
        """Every given statement is in exactly one merged report, and there are no others."""
        found = merge(reports)
        assert {statement_of(one) for one in reports} == {one for each in found for one in each.statements}
        assert sum(len(each.statements) for each in found) == len({statement_of(one) for one in reports})
        for each in found:
            assert frozenset(each.reports) == each.statements
            assert len(each.reports) == len(each.statements)

    @given(_REPORTS)
    def test_grouped_by_content(self, reports: list[ParsedReport]) -> None:
        """Reports with equal content are merged, and of those without content the equal ones."""
        for each in merge(reports):
            keys = {one.identity.content_sha256 for one in each.statements}
            assert keys == {each.content_sha256}
            if each.content_sha256 is None:
                assert len({one.identity.report_key for one in each.statements}) == 1

    @given(_REPORTS)
    def test_every_recipient(self, reports: list[ParsedReport]) -> None:
        """Every recipient of every report is there, with the report; what a server wrote as it wrote it or better known."""
        for each in merge(reports):
            found = each.recipients
            for statement in each.statements:
                for one in statement.report.recipients:
                    same = [other for other in found if address_key(other.address) == address_key(one.address)]
                    assert [other for other in same if statement in other.seen_in]
                    assert all(
                        one.display_name in ("", *other.display_names, *other.claimed_names)
                        or statement not in other.seen_in
                        for other in same
                    )
                    if (statement.format, statement.recipients_from) == (ReportFormat.ENVELOPE, Evidence.ENVELOPE):
                        assert [
                            other
                            for other in same
                            if ways(other) == ways(one)
                            and other.role in known(one.role)
                            and other.evidence is Evidence.ENVELOPE
                            and statement in other.seen_in
                        ]

    @given(_REPORTS)
    def test_none_invented(self, reports: list[ParsedReport]) -> None:
        """Every recipient is one that a report names, with this role and this redirection and on this evidence."""
        for each in merge(reports):
            for one in each.recipients:
                named = [
                    (other, statement)
                    for statement in one.seen_in
                    for other in statement.report.recipients
                    if address_key(other.address) == address_key(one.address)
                ]
                assert [
                    statement for statement in one.seen_in if statement not in {reports for _, reports in named}
                ] == []
                assert set(one.seen_in) <= each.statements
                if one is next(
                    other for other in each.recipients if address_key(other.address) == address_key(one.address)
                ):
                    assert {*one.display_names, *one.claimed_names} == {other.display_name for other, _ in named} - {""}
                assert not {*one.display_names} & {*one.claimed_names}
                assert one.address in {other.address for other, _ in named}
                as_said = [
                    (other, statement)
                    for other, statement in named
                    if (other.role, ways(other)) == (one.role, ways(one)) and statement.recipients_from is one.evidence
                ]
                assert as_said
                for name in ("expanded_from", "forwarded_from"):
                    assert getattr(one, name) in {getattr(other, name) for other, _ in as_said} | {
                        getattr(other, name) for other, _ in named if ways(other) == ways(one)
                    }

    @pytest.mark.slow
    @given(_REPORTS)
    def test_seen_in(self, reports: list[ParsedReport]) -> None:
        """A report of the best format is listed with the redirection and the role that it names, and with no other."""
        for each in merge(reports):
            for one in each.recipients:
                for statement in one.seen_in:
                    is_best = statement.recipients_from is one.evidence
                    if is_best and statement.format is ReportFormat.ENVELOPE:
                        assert [
                            other
                            for other in statement.report.recipients
                            if address_key(other.address) == address_key(one.address)
                            and ways(other) == ways(one)
                            and other.role in (one.role, Role.RECIPIENT)
                        ]

    @given(_REPORTS)
    def test_once_each(self, reports: list[ParsedReport]) -> None:
        """Each address has one entry for each redirection and role, and none for an unknown role if another is known."""
        for each in merge(reports):
            entries = [(address_key(one.address), ways(one), one.role) for one in each.recipients]
            assert len(set(entries)) == len(entries)
            assert [
                (address, way)
                for address, way, role in entries
                if role is Role.RECIPIENT and any(other != role for *place, other in entries if place == [address, way])
            ] == []
            addresses = [address for address, _, _ in entries]
            assert addresses == sorted(addresses)

    @given(_REPORTS)
    def test_claims_beside_evidence(self, reports: list[ParsedReport]) -> None:
        """The evidence of a recipient is the best that any report has which names the address."""
        order = list(Evidence)
        for each in merge(reports):
            kinds: dict[str, set[Evidence]] = {}
            for statement in each.statements:
                for one in statement.report.recipients:
                    kinds.setdefault(address_key(one.address), set()).add(statement.recipients_from)
            for found in each.recipients:
                assert found.evidence is min(kinds[address_key(found.address)], key=order.index)
                assert found.evidence in {statement.recipients_from for statement in found.seen_in}

    @given(_OF_ONE)
    def test_what_the_facts_are(self, found: MergedReport) -> None:
        """Senders, subjects and the rest are those of the reports of servers, or of the copies where there are no others."""
        order = list(Evidence)
        best_evidence = min((one.recipients_from for one in found.statements), key=order.index)
        statements = [one for one in found.statements if one.recipients_from is best_evidence]
        best = [one.report for one in statements]
        named = [one for one in statements if DefectCode.SENDER_MISSING not in [defect.code for defect in one.defects]]
        for values, reports in (
            (found.senders, [one.report.sender for one in named]),
            (found.on_behalf_of, [one.on_behalf_of for one in best if one.on_behalf_of is not None]),
            (found.envelope_senders, [one.envelope_sender for one in best if one.envelope_sender is not None]),
        ):
            assert set(values) <= set(reports)
            assert {address_key(one) for one in values} == {address_key(one) for one in reports}
            assert len({address_key(one) for one in values}) == len(values)
            assert values == tuple(sorted(values))
        assert set(found.subjects) - {""} == {one.subject for one in best} - {""}
        assert set(found.message_ids) == {one.identity.message_id for one in found.statements} - {""}
        assert found.complete == any(one.identity.complete for one in found.statements)


def ways(one: Recipient | MergedRecipient) -> tuple[str, str]:
    """The redirections of a recipient, as they are compared."""
    return address_key(one.expanded_from or ""), address_key(one.forwarded_from or "")


def known(role: Role) -> tuple[Role, ...]:
    """The roles under which a recipient can be listed: its own, or any if its role is unknown."""
    return tuple(Role) if role is Role.RECIPIENT else (role,)


class TestRecipients:
    """A recipient on whom reports disagree."""

    def test_union(self) -> None:
        """Reports that list their own recipients make one list of all."""
        a = reported(Recipient("bob@example.net", Role.TO))
        b = reported(Recipient("erin@example.com", Role.BCC, expanded_from="staff@example.com"))
        one, other = merged(a, b).recipients
        assert short(one) == ("bob@example.net", "To", None, None, "envelope")
        assert short(other) == ("erin@example.com", "Bcc", "staff@example.com", None, "envelope")
        assert (one.seen_in, other.seen_in) == ((statement_of(a),), (statement_of(b),))

    @pytest.mark.parametrize("role", [Role.TO, Role.CC, Role.BCC], ids=str)
    @pytest.mark.parametrize(
        "redirect", [{}, {"expanded_from": "l@example.com"}, {"forwarded_from": "m@example.com"}], ids=list
    )
    def test_known_role(self, role: Role, redirect: dict[str, str]) -> None:
        """A role that is known wins over `Recipient` with the same redirection, and both reports count."""
        reports = [reported(Recipient("bob@example.net", one, **redirect)) for one in (Role.RECIPIENT, role)]
        (found,) = merged(*reports).recipients
        assert (found.role, len(found.seen_in)) == (role, 2)

    def test_known_role_with_another_redirection(self) -> None:
        """An address that was reached in two ways has two entries, and the role of one does not affect the other."""
        reports = [
            reported(Recipient("bob@example.net", Role.TO)),
            reported(Recipient("bob@example.net", expanded_from="l@example.com")),
            reported(Recipient("bob@example.net", expanded_from="m@example.com")),
            reported(Recipient("bob@example.net", forwarded_from="l@example.com")),
        ]
        found = merged(*reports).recipients
        assert sorted((str(one.role), one.expanded_from or "", one.forwarded_from or "") for one in found) == [
            ("Recipient", "", "l@example.com"),
            ("Recipient", "l@example.com", ""),
            ("Recipient", "m@example.com", ""),
            ("To", "", ""),
        ]
        assert [len(one.seen_in) for one in found] == [1, 1, 1, 1]

    def test_two_known_roles(self) -> None:
        """Reports that disagree on a role each get an entry, and one without roles is listed with each."""
        reports = [reported(Recipient("bob@example.net", role)) for role in (Role.BCC, Role.TO, Role.RECIPIENT)]
        one, other = merged(*reports).recipients
        assert (one.role, other.role) == (Role.TO, Role.BCC)
        assert set(one.seen_in) == {statement_of(reports[1]), statement_of(reports[2])}
        assert set(other.seen_in) == {statement_of(reports[0]), statement_of(reports[2])}

    def test_spelling(self) -> None:
        """Domains are one in any letter case, and local parts are not."""
        reports = [reported("bob@EXAMPLE.net", "Bob@example.net"), reported("bob@example.net")]
        found = merged(*reports).recipients
        assert [(one.address, len(one.seen_in)) for one in found] == [("Bob@example.net", 1), ("bob@EXAMPLE.net", 2)]

    def test_spelling_of_lists(self) -> None:
        """The spellings of addresses before a redirection are equal, too."""
        reports = [
            reported(Recipient("bob@example.net", expanded_from=one, forwarded_from=other))
            for one, other in (("l@EXAMPLE.com", "m@example.com"), ("l@example.com", "m@EXAMPLE.com"))
        ]
        (found,) = merged(*reports).recipients
        assert (found.expanded_from, found.forwarded_from) == ("l@EXAMPLE.com", "m@EXAMPLE.com")
        assert len(found.seen_in) == 2

    @pytest.mark.parametrize("format", [ReportFormat.BCC, ReportFormat.MESSAGE_ONLY], ids=str)
    def test_claim_beside_an_envelope(self, format: ReportFormat) -> None:
        """A header's claim about a recipient that a server wrote down changes neither role nor redirection."""
        claim = copied(b"Bcc: Mallory <bob@example.net>, eve@example.org\r\n", format=format)
        reports = [reported(Recipient("bob@example.net", expanded_from="l@example.com")), claim]
        bob, eve = merged(*reports).recipients
        assert short(bob) == ("bob@example.net", "Recipient", "l@example.com", None, "envelope")
        assert set(bob.seen_in) == {statement_of(one) for one in reports}
        assert short(eve) == ("eve@example.org", "Bcc", None, None, "header")
        assert eve.seen_in == (statement_of(claim),)

    def test_a_report_without_a_marker(self) -> None:
        """Next to a report with a marker it adds recipients only visibly, in any order, and never to a combined report."""
        report = a_report(
            recipients=[Recipient("bob@example.net", Role.BCC, expanded_from="l@example.com"), "eve@example.org"]
        )
        marked, lost = reported(), unmarked(built(report=report, report_id="<s@example.com>"))
        bob, eve = merged(marked, lost).recipients
        assert short(bob) == ("bob@example.net", "Recipient", None, None, "envelope")
        assert short(eve) == ("eve@example.org", "Recipient", None, None, "unmarked")
        assert set(bob.seen_in) == {statement_of(marked), statement_of(lost)}
        assert eve.seen_in == (statement_of(lost),)
        assert merged(lost) | merged(marked) == merged(marked, lost)
        both = merged(marked, lost).combined()
        assert [one.address for one in both.recipients] == ["bob@example.net"]
        assert [one.address for one in merged(lost).combined().recipients] == ["bob@example.net", "eve@example.org"]

    def test_no_evidence_of_a_report_without_a_marker(self) -> None:
        """Recipients of a report without a marker do not become those of one whose own recipients are lost."""
        marked = parse_report(built().replace(b"\r\nRecipient: ", b"\r\nX-Recipient: "))
        found = merged(marked, unmarked(built()))
        assert {one.evidence for one in found.recipients} == {Evidence.UNMARKED}
        with pytest.raises(InvalidValue, match="without a marker"):
            found.combined()

    def test_equal_but_for_the_marker(self) -> None:
        """A report without a marker is never the duplicate of one that has it."""
        one, other = parse_report(built()), unmarked(built())
        assert one.report == other.report
        assert identify(one).report_key != identify(other).report_key
        assert identify(one).message_key == identify(other).message_key

    def test_names_by_lesser_evidence(self) -> None:
        """A name that only a report without a marker gives is a claim."""
        named = a_report(recipients=[Recipient("bob@example.net", display_name="Mallory")])
        lost = unmarked(built(report=named, format=ReportFormat.ENVELOPE_2003), ReportFormat.ENVELOPE_2003)
        (bob,) = merged(reported(), lost).recipients
        assert (bob.display_names, bob.claimed_names, bob.evidence) == ((), ("Mallory",), Evidence.ENVELOPE)

    def test_claim_beside_an_envelope_of_2003(self) -> None:
        """The reports of Exchange 2003 have no roles, and the role that a header claims does not replace that."""
        reports = [reported(format=ReportFormat.ENVELOPE_2003), copied()]
        assert shorts(*reports) == [("bob@example.net", "Recipient", None, None, "envelope")]

    def test_claims_that_differ(self) -> None:
        """Copies that disagree are both heard."""
        reports = [
            copied(),
            copied(message=ORIGINAL, header=b"Bcc: eve@example.org\r\n", format=ReportFormat.MESSAGE_ONLY),
        ]
        assert shorts(*reports) == [
            ("bob@example.net", "To", None, None, "header"),
            ("eve@example.org", "Bcc", None, None, "header"),
        ]

    def test_format_without_redirections(self) -> None:
        """A report that cannot say how a recipient was reached adds no second way to one that can."""
        reports = [
            reported(Recipient("bob@example.net", Role.BCC, expanded_from="l@example.com")),
            reported("bob@example.net", "carol@example.com", format=ReportFormat.ENVELOPE_2003),
        ]
        assert shorts(*reports) == [
            ("bob@example.net", "Bcc", "l@example.com", None, "envelope"),
            ("carol@example.com", "Recipient", None, None, "envelope"),
        ]
        assert [len(one.seen_in) for one in merged(*reports).recipients] == [2, 1]

    def test_display_names(self) -> None:
        """Every display name is kept, from every report."""
        reports = [
            reported(Recipient("bob@example.net", display_name="Bob B."), format=ReportFormat.ENVELOPE_2003),
            reported(Recipient("bob@EXAMPLE.net", display_name="B"), format=ReportFormat.ENVELOPE_2003),
            copied(b'To: "Robert, B." <bob@example.net>\r\n', message=OTHER.replace(b"To: bob@example.net\r\n", b"")),
        ]
        found = merged(*reports[:2]).recipients[0]
        assert found.display_names == ("B", "Bob B.")
        assert merged(reports[2]).recipients[0].display_names == ("Robert, B.",)

    def test_no_recipients(self) -> None:
        """A report without recipients is merged as any other."""
        none = parse_report(ORIGINAL.replace(b"To: bob@example.net\r\n", b""), format=ReportFormat.BCC)
        assert merged(none).recipients == ()
        assert merged(none).to_dict()["recipients"] == []

    @pytest.mark.parametrize("many", [2, 40])
    def test_many_reports(self, many: int) -> None:
        """Each report of many adds its own recipient to the union, and is found with it."""
        reports = [reported(f"m{number:02}@example.com", "bob@example.net") for number in range(many)]
        bob, *others = merged(*reports).recipients
        assert (bob.address, len(bob.seen_in)) == ("bob@example.net", many)
        assert [one.seen_in for one in others] == [(statement_of(one),) for one in reports]


class TestFacts:
    """The facts of the message itself."""

    def test_differing(self) -> None:
        """Senders and subjects that differ are listed, all of them."""
        reports = [
            reported(sender="alice@example.com", subject="Hello", on_behalf_of="boss@example.com", envelope_sender=""),
            reported(
                sender="mallory@example.com", subject="hello", on_behalf_of="chief@example.com", envelope_sender="b@x"
            ),
        ]
        found = merged(*reports)
        assert found.senders == ("alice@example.com", "mallory@example.com")
        assert found.subjects == ("Hello", "hello")
        assert found.on_behalf_of == ("boss@example.com", "chief@example.com")
        assert found.envelope_senders == ("", "b@x")

    def test_equal_domains(self) -> None:
        """Senders whose domains differ in letter case are one."""
        assert merged(reported(sender="a@EXAMPLE.com"), reported(sender="a@example.com")).senders == ("a@EXAMPLE.com",)
        assert merged(reported(sender="A@example.com"), reported(sender="a@example.com")).senders == (
            "A@example.com",
            "a@example.com",
        )

    def test_null_sender(self) -> None:
        """The null sender is a sender as any other."""
        assert merged(reported(sender="")).senders == ("",)
        assert merged(reported(sender=""), reported()).senders == ("", "alice@example.com")

    def test_sender_missing(self) -> None:
        """A report that names no sender names none, which is not the null sender and no difference."""
        none = parse_report(a_message(TEXT.replace(b"Sender: alice@example.com\r\n", b""), PART))
        assert merged(none).senders == ()
        assert merged(none, reported()).senders == ("alice@example.com",)
        assert merged(none, reported()).combined().sender == "alice@example.com"
        assert merged(none).combined().sender == ""

    def test_what_a_format_cannot_carry(self) -> None:
        """A field that a format cannot carry is not a difference."""
        rich = reported(on_behalf_of="boss@example.com", label="L", mailbox="m", sent_utc="1", received_utc="2")
        found = merged(rich, reported(format=ReportFormat.ENVELOPE_2003), copied(b"Bcc: eve@example.org\r\n"))
        assert found.subjects == ("Hello",)
        assert found.on_behalf_of == ("boss@example.com",)
        assert found.combined() == rich.report

    def test_copies_beside_reports(self) -> None:
        """The claims of a copy are used if no server made a statement."""
        forged = ORIGINAL.replace(b"From: alice@example.com", b"From: eve@example.org")
        assert merged(copied(message=forged)).senders == ("eve@example.org",)
        assert merged(reported(original=forged), copied(message=forged)).senders == ("alice@example.com",)

    def test_a_subject_that_is_missing(self) -> None:
        """A report that could name the subject and names none differs from one that names it."""
        assert merged(reported(subject=""), reported()).subjects == ("", "Hello")
        assert merged(reported(subject=""), reported(format=ReportFormat.ENVELOPE_2003)).subjects in (
            (),
            ("",),
        )

    def test_a_subject_line_that_is_missing(self) -> None:
        """A report without a line for the subject names none, and that does not count as a difference."""
        none = parse_report(a_message(TEXT.replace(b"Subject: Hello\r\n", b""), PART))
        assert merged(none).subjects == ()
        assert merged(none, reported()).subjects == ("Hello",)

    def test_message_ids(self) -> None:
        """A content that was sent again has the Message-IDs of each time."""
        again = ORIGINAL.replace(b"<1@", b"<2@")
        found = merged(reported(), reported(original=again, message_id="<2@example.com>"))
        assert found.message_ids == ("<1@example.com>", "<2@example.com>")

    def test_message_id_missing(self) -> None:
        """A message without a Message-ID has none, and none is not one more."""
        without = reported(original=NAMELESS, message_id="")
        assert merged(without).message_ids == ()
        assert merged(without).to_dict()["message_ids"] == []
        assert merged(without, reported()).message_ids == ("<1@example.com>",)
        assert merged(without, reported()).combined().message_id == "<1@example.com>"

    def test_message_id_in_two_spellings(self) -> None:
        """A comment after the Message-ID does not make it another one: there is one value for each key."""
        commented = ORIGINAL.replace(b"<1@example.com>", b"<1@example.com> (again)")
        a, b = reported(), reported(original=commented)
        assert identify(a).message_id_sha256 == identify(b).message_id_sha256
        assert len(merged(a, b).message_ids) == 1
        assert merged(a, b).combined().message_id in ("<1@example.com>", "<1@example.com> (again)")

    def test_complete(self) -> None:
        """A message is complete if one of its reports contains all of it, in any order."""
        data = built()
        cut = parse_report(data[: data.rindex(b"\r\n--")])
        assert DefectCode.PERHAPS_TRUNCATED in [one.code for one in cut.defects]
        assert not merged(cut).complete
        assert merged(cut, reported()).complete
        assert merged(reported(), cut).to_dict()["complete"] is True


class TestMessages:
    """Which reports are on one message."""

    def test_contents_apart(self) -> None:
        """Distinct contents stay separate under one Message-ID, and no content is the main one."""
        found = merge([reported(), reported(original=OTHER), reported(original=FORK)])
        assert sorted(len(one.statements) for one in found) == [1, 2]
        assert {one.message_ids for one in found} == {("<1@example.com>",)}

    def test_forks_together(self) -> None:
        """Forks that differ in what servers add are one message."""
        assert len(merged(reported(), reported(original=FORK), copied(b"Bcc: x@example.org\r\n")).statements) == 3

    @pytest.mark.parametrize("original", [None, b""], ids=["none", "empty"])
    def test_no_content(self, original: bytes | None) -> None:
        """Reports without content are merged with equal ones only, even if they name the same Message-ID."""
        a, b = reported(original=original), reported(original=original, id="<s@example.com>")
        assert len(merge([a, b, a, reported()])) == 3
        assert merged(a, a).content_sha256 is None
        assert not merged(a).complete

    def test_no_content_and_one_difference(self) -> None:
        """Reports without content that differ in a recipient stay apart under one report id."""
        assert len(merge([reported(original=None), reported("erin@example.com", original=None)])) == 2

    def test_equal_but_for_places(self) -> None:
        """Reports of one content that say the same are kept both where anything in them differs."""
        data = built()
        odd = parse_report(b"From someone\r\n" + data)
        found = merged(parse_report(data), odd)
        assert len(found.statements) == 2
        assert len(found.recipients) == 1

    @pytest.mark.parametrize("original", [OTHER, None], ids=["other", "none"])
    def test_joining_two_messages(self, original: bytes | None) -> None:
        """`|` refuses reports of two messages."""
        other = reported(original=original)
        for a, b in itertools.permutations([merged(reported()), merged(other)]):
            with pytest.raises(InvalidValue) as raised:
                a | b
            assert raised.value.field == "content_sha256"

    def test_made_by_hand(self) -> None:
        """A merged report is of one message, and of one report at least."""
        one, other = merged(reported()), merged(reported(original=OTHER))
        assert MergedReport(one.statements) == one
        for statements in (frozenset(), one.statements | other.statements):
            with pytest.raises(InvalidValue) as raised:
                MergedReport(statements)
            assert raised.value.field == "statements"

    def test_joining_what_cannot_be_known(self) -> None:
        """`|` joins reports without content that are equal, and no others."""
        a = merged(reported(original=None))
        assert a | merged(reported(original=None)) == a
        with pytest.raises(InvalidValue):
            a | merged(reported(original=None, id="<s@example.com>"))

    def test_joining_something_else(self) -> None:
        """`|` joins merged reports only."""
        others: list[Any] = [None, frozenset(), reported(), statement_of(reported()), ()]
        for other in others:
            with pytest.raises(TypeError):
                merged(reported()) | other
            with pytest.raises(TypeError):
                other | merged(reported())


class TestValue:
    """A merged report is a value."""

    @pytest.mark.slow
    @given(_REPORTS)
    def test_equal_values(self, reports: list[ParsedReport]) -> None:
        """Equal ones hash equal, and one that was pickled or copied is equal."""
        for one, again in zip(merge(reports), merge(reversed(reports)), strict=True):
            others = (again, pickle.loads(pickle.dumps(one)), copy.deepcopy(one))
            assert {one, *others} == {one}
            for other in others:
                assert isinstance(other, MergedReport)
                assert (other, hash(other)) == (one, hash(one))
                assert other.to_dict() == one.to_dict()
            assert {hash(each) for each in one.recipients} == {hash(each) for each in again.recipients}
            assert pickle.loads(pickle.dumps(one.recipients)) == one.recipients

    def test_representation(self) -> None:
        """The representation has no text of a message in it."""
        assert repr(merged(reported(), reported(sender="carol@example.com"))) == "<MergedReport of 2 reports>"


class TestData:
    """A merged report as data."""

    @given(_REPORTS)
    def test_round_trip(self, reports: list[ParsedReport]) -> None:
        """The data gives the merged report back, through JSON as well."""
        for one in merge(reports):
            assert MergedReport.from_dict(one.to_dict()) == MergedReport.from_dict(through_json(one.to_dict())) == one

    @given(_OF_ONE)
    def test_what_it_holds(self, one: MergedReport) -> None:
        """The data holds what the properties say, and numbers of reports where they hold reports."""
        data: Any = through_json(one.to_dict())
        assert list(data) == [
            *("content_sha256", "complete", "message_ids", "senders", "on_behalf_of", "envelope_senders", "subjects"),
            *("recipients", "escaped", "reports"),
        ]
        for name in list(data)[:7]:
            value = getattr(one, name)
            assert data[name] == (list(value) if isinstance(value, tuple) else value)
        assert data["reports"] == [statement.to_dict() for statement in one.reports]
        assert len(data["recipients"]) == len(one.recipients)
        for reports, recipient in zip(data["recipients"], one.recipients, strict=True):
            assert [one.reports[number] for number in reports.pop("seen_in")] == list(recipient.seen_in)
            expected = {
                "address": recipient.address,
                "role": str(recipient.role),
                "expanded_from": recipient.expanded_from,
                "forwarded_from": recipient.forwarded_from,
                "display_names": list(recipient.display_names),
                "claimed_names": list(recipient.claimed_names),
                "evidence": str(recipient.evidence),
            }
            assert reports == expected

    def test_example(self) -> None:
        """The data of two reports on one message, word for word but for what their own data is."""
        reports = [
            reported(Recipient("bob@example.net", Role.TO)),
            reported(id="<s@example.com>", sender="carol@example.com"),
        ]
        found = merged(*reports)
        data = found.to_dict()
        assert data == {
            "content_sha256": identify(reports[0]).content_sha256,
            "complete": True,
            "message_ids": ["<1@example.com>"],
            "senders": ["alice@example.com", "carol@example.com"],
            "on_behalf_of": [],
            "envelope_senders": [],
            "subjects": ["Hello"],
            "recipients": [
                {
                    "role": "To",
                    "address": "bob@example.net",
                    "expanded_from": None,
                    "forwarded_from": None,
                    "display_names": [],
                    "claimed_names": [],
                    "evidence": "envelope",
                    "seen_in": [0, 1],
                }
            ],
            "escaped": False,
            "reports": [statement_of(one).to_dict() for one in reports],
        }

    def test_worked_out_again(self) -> None:
        """Only the reports in the data count: a recipient or `complete` in other keys changes nothing."""
        one = merged(reported(original=None))
        data: dict[str, Any] = through_json(one.to_dict())
        data |= {"complete": True, "content_sha256": HUSH, "recipients": None, "senders": 1, "more": 1}
        assert MergedReport.from_dict(data) == one
        assert MergedReport.from_dict({"reports": data["reports"]}) == one
        assert MergedReport.from_dict({"reports": data["reports"] * 2}) == one

    def test_reports_of_two_messages(self) -> None:
        """Data with reports of two messages is not a merged report; `merge` separates them."""
        data = {"reports": [with_identity(one) for one in (reported(), reported(original=OTHER))]}
        with pytest.raises(InvalidValue) as raised:
            MergedReport.from_dict(data)
        assert raised.value.field == "reports"
        assert merge([data]) == merge([reported(), reported(original=OTHER)])

    def test_data_of_one_report(self) -> None:
        """The data of a report alone is for `merge`."""
        with pytest.raises(InvalidValue) as raised:
            MergedReport.from_dict(with_identity(reported()))
        assert raised.value.field == "reports"

    def test_data_in_the_place_of_a_list(self) -> None:
        """One object where a list of them belongs is refused."""
        data: Any = with_identity(reported())
        with pytest.raises(InvalidValue) as raised:
            merge(data)
        assert raised.value.field == "reports"


# Data that is damaged

_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(
        ["", HUSH, "hush\0", "hush@example.com", "a" * 64, "0" * 64, "Hush", "To", "envelope", "<hush@x>"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["code", "address", HUSH]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(data: Any, path: str = "") -> list[str]:
    """The path of every value in data."""
    if isinstance(data, dict):
        steps = [(f"{path}.{name}" if path else name, value) for name, value in data.items()]
    else:
        steps = [(f"{path}[{number}]", value) for number, value in enumerate(data)] if isinstance(data, list) else []
    return [found for step, value in steps for found in (step, *places(value, step))]


@st.composite
def damaged_data(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """True data with one place damaged, and the place; every text that a stranger wrote holds one word."""
    report = draw(st.sampled_from([FULL, NAMED]))
    data: dict[str, Any] = data_of(report)
    if draw(st.booleans()):
        more = draw(st.sampled_from([[], [copied_hush(report)]]))
        data = through_json(merged(data, *more).to_dict())
    place = draw(st.sampled_from(places(data)))
    held, key = holder(data, place)
    match draw(st.integers(0, 2)):
        case 0:
            del held[key]
        case 1 if isinstance(held[key], str):
            where = draw(st.integers(0, len(held[key])))
            held[key] = (
                held[key][:where] + draw(st.sampled_from(["", "\n", "\0", "<", " ", "hush"])) + held[key][where + 1 :]
            )
        case _:
            held[key] = draw(_JUNK)
    return data, place


def copied_hush(report: bytes) -> ParsedReport:
    """The original in a report, as a copy."""
    original = parse_report(report).original_bytes()
    assert original
    return parse_report(original, format=ReportFormat.BCC)


class TestHostileData:
    """Data that was damaged anywhere."""

    @given(damaged_data())
    def test_refused_or_taken(self, damage: tuple[dict[str, Any], str]) -> None:
        """Damaged data is refused with the place, or taken as what it says; nothing else ever escapes."""
        data, place = damage
        found = taken(data, reported())
        if isinstance(found, InvalidValue):
            if place == "reports":
                assert found.field.startswith("reports") or found.field == "identity"
            else:
                # An error that no longer fits the identity is reported there.
                kept = found.field.startswith(place) or place.startswith(found.field)
                assert kept or "identity." in found.field
            if "reports" in data:
                with pytest.raises(InvalidValue) as raised:
                    MergedReport.from_dict(data)
                assert raised.value.field == found.field
            return
        assert merge(found) == found
        for one in found:
            assert MergedReport.from_dict(through_json(one.to_dict())) == one
            assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
            combined(one)

    @given(st.lists(damaged_data(), min_size=2, max_size=3))
    def test_together(self, damages: list[tuple[dict[str, Any], str]]) -> None:
        """Damaged data that is taken is merged by the same laws."""
        good = [data for data, _ in damages if not isinstance(taken(data), InvalidValue)]
        found = merge(good)
        assert merge(list(reversed(good))) == found
        assert merge([*found, *good]) == found
        assert [one.to_dict() for one in merge(list(reversed(good)))] == [one.to_dict() for one in found]

    @given(_JUNK)
    @example({"identity": {}})
    @example({"reports": [{"identity": None}]})
    def test_junk(self, junk: Any) -> None:
        """Junk is refused."""
        with pytest.raises(InvalidValue):
            merge([junk])
        with pytest.raises(InvalidValue):
            MergedReport.from_dict(junk)

    def test_equal_keys_and_other_facts(self) -> None:
        """Data that claims the identity of another report pushes nothing of that report aside."""
        true = data_of()
        forged = through_json(true)
        forged["recipients"].reverse()
        forged["recipients"][0]["display_name"] = "Eve"
        forged["sender"] = "eve@example.org"
        for order in itertools.permutations([true, forged]):
            found = merged(*order)
            assert len(found.statements) == 2
            assert len(found.recipients) == 3
            assert found.senders == ("eve@example.org", "hush@example.com")
            assert found == merged(forged, true)
            assert found.to_dict() == merged(forged, true).to_dict()


class TestCombined:
    """One report that says what all of them say."""

    def test_what_it_says(self) -> None:
        """It has the fields that the reports agree on and every recipient that a server wrote down."""
        reports = [
            reported(Recipient("bob@example.net", Role.TO), envelope_sender="b@example.com", mailbox="m", sent_utc="1"),
            reported(Recipient("erin@example.com", expanded_from="l@example.com"), label="L", received_utc="2"),
            reported(
                Recipient("bob@example.net", display_name="Bob"),
                Recipient("frank@example.com", display_name="Frank"),
                format=ReportFormat.ENVELOPE_2003,
                sender_display_name="Alice",
            ),
            copied(b"Bcc: eve@example.org\r\n"),
        ]
        assert merged(*reports).combined() == JournalReport(
            sender="alice@example.com",
            sender_display_name="Alice",
            recipients=[
                Recipient("bob@example.net", Role.TO, display_name="Bob"),
                Recipient("erin@example.com", expanded_from="l@example.com"),
                Recipient("frank@example.com", display_name="Frank"),
            ],
            subject="Hello",
            message_id="<1@example.com>",
            envelope_sender="b@example.com",
            label="L",
            mailbox="m",
            sent_utc="1",
            received_utc="2",
        )

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("sender", ("alice@example.com", "mallory@example.com")),
            ("sender", ("alice@example.com", "")),
            ("subject", ("Hello", "Goodbye")),
            ("subject", ("Hello", "")),
            ("on_behalf_of", ("a@example.com", "b@example.com")),
            ("envelope_sender", ("a@example.com", "")),
            ("label", ("a", "b")),
            ("mailbox", ("a", "b")),
            ("sent_utc", ("a", "b")),
            ("received_utc", ("a", "b")),
        ],
        ids=repr,
    )
    def test_disagreement(self, field: str, values: Sequence[str]) -> None:
        """It refuses where reports disagree on what a report can say but once, and names the field."""
        changes: list[dict[str, Any]] = [{field: value} for value in values]
        assert refusal(merged(*(reported(**one) for one in changes))) == field

    def test_several_message_ids(self) -> None:
        """It refuses to choose a Message-ID."""
        again = ORIGINAL.replace(b"<1@", b"<2@")
        assert refusal(merged(reported(), reported(original=again))) == "message_id"

    def test_claims_alone(self) -> None:
        """It refuses where no server wrote a recipient down."""
        assert refusal(merged(copied())) == "recipients"
        none = a_message(b"Sender: alice@example.com\r\nSubject: Hello\r\nMessage-Id: <1@example.com>\r\n")
        assert refusal(merged(parse_report(none))) == "recipients"

    def test_two_roles(self) -> None:
        """A recipient in two roles is there in both."""
        reports = [reported(Recipient("bob@example.net", role)) for role in (Role.TO, Role.BCC)]
        assert [one.role for one in merged(*reports).combined().recipients] == [Role.TO, Role.BCC]

    def test_a_name_that_a_server_wrote(self) -> None:
        """The display name of a recipient is one that a server wrote, where there is one, and not what a header claims."""
        claim = copied(message=ORIGINAL.replace(b"To: bob@", b"To: Aardvark <bob@").replace(b".net", b".net>", 1))
        message = bytes(claim.original or b"")
        written = reported(
            Recipient("bob@example.net", display_name="Bob"), original=message, format=ReportFormat.ENVELOPE_2003
        )
        found = merged(written, claim)
        assert (found.recipients[0].display_names, found.recipients[0].claimed_names) == (("Bob",), ("Aardvark",))
        assert [one.display_name for one in found.combined().recipients] == ["Bob"]

    def test_a_name_that_only_a_header_claims(self) -> None:
        """Anything that only a header claims is left out, a display name as well as a recipient."""
        claim = copied(message=ORIGINAL.replace(b"To: bob@", b"To: Mallory <bob@").replace(b".net", b".net>", 1))
        found = merged(reported(original=bytes(claim.original or b"")), claim)
        assert [one.display_name for one in found.combined().recipients] == [""]

    @pytest.mark.slow
    @given(_OF_ONE)
    def test_built_and_read(self, found: MergedReport) -> None:
        """The report that is built from it gives its recipients back, and adds nothing when it is merged with the others."""
        assume(found.content_sha256 is not None)
        report = combined(found)
        if isinstance(report, InvalidValue):
            assert report.field in ("recipients", "sender", "subject", "message_id", "on_behalf_of", "envelope_sender")
            return
        with_header = [one for one in (ORIGINAL, OTHER) if content(one) == found.content_sha256]
        original = with_header[0] if with_header else BARE
        read = parse_report(build_report(report, original, domain="example.com", date=DATE))
        assert read.report == carried(report)
        best = min((one.recipients_from for one in found.statements), key=list(Evidence).index)
        written = [one for one in found.recipients if one.evidence is best]
        assert [(one.address, one.role, ways(one)) for one in read.report.recipients] == [
            (one.address, one.role, ways(one)) for one in written
        ]
        if not with_header or best is not Evidence.ENVELOPE:
            return
        together = merged(*found.statements, read)
        assert {short(one) for one in together.recipients} == {short(one) for one in found.recipients}
        assert (together.senders, together.on_behalf_of) == (found.senders, found.on_behalf_of)
        assert merged(read).combined().recipients == carried(report).recipients

    @pytest.mark.slow
    @given(any_reports())
    def test_of_one_report(self, report: JournalReport) -> None:
        """The combined report of one report says the same, in the order of recipients and without repeating one."""
        read = parse_report(build_report(report, ORIGINAL, domain="example.com", date=DATE))
        report_again = merged(read).combined()
        facts = replace(read.report, recipients=(), message_id="<1@example.com>")
        assert replace(report_again, recipients=()) == facts
        assert keys(report_again.recipients) == {
            key for key in keys(read.report.recipients) if key[1] is not Role.RECIPIENT or is_alone(key, read.report)
        }

    @given(readable())
    def test_every_report(self, read: ParsedReport) -> None:
        """Every report has a combined report, or a reason against one."""
        report = combined(merged(read))
        if isinstance(report, InvalidValue):
            assert report.field == "recipients"
            assert read.recipients_from is Evidence.HEADER or not read.report.recipients
        else:
            assert read.recipients_from is Evidence.ENVELOPE
            assert replace(report, recipients=(), message_id="") == replace(read.report, recipients=(), message_id="")


def content(original: bytes) -> str | None:
    """The content of a message."""
    return identify(reported(original=original)).content_sha256


def keys(recipients: Iterable[Recipient]) -> set[tuple[str, Role, tuple[str, str]]]:
    """Recipients by the values that distinguish them."""
    return {(address_key(one.address), one.role, ways(one)) for one in recipients}


def is_alone(key: tuple[str, Role, tuple[str, str]], report: JournalReport) -> bool:
    """Whether a report gives a recipient no other role with the same redirection."""
    return not any(
        (address, way) == (key[0], key[2]) and role is not key[1] for address, role, way in keys(report.recipients)
    )


class TestStatementsAreShared:
    """The statements of a merged report."""

    def test_numbers(self) -> None:
        """`seen_in` holds the statements of `reports`, in the same order."""
        reports = [reported(id=f"<{name}@example.com>") for name in "cab"]
        found = merged(*reports)
        assert [one.identity.report_id for one in found.reports] == [
            "<a@example.com>",
            "<b@example.com>",
            "<c@example.com>",
        ]
        assert found.recipients[0].seen_in == found.reports
        assert all(isinstance(one, Statement) for one in found.reports)
