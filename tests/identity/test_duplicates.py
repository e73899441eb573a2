"""Duplicates: the four answers over real reports of every format, and what a stranger cannot make of them."""

import pickle
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    Identity,
    JournalReport,
    MemoryStore,
    ParsedReport,
    ParseError,
    Recipient,
    ReportFormat,
    Role,
    SeenStore,
    Sighting,
    StoreError,
    identify,
    look_up,
    parse_report,
    remember,
    remember_all,
)
from strategies import DATE, ENVELOPES, HEAVY, ORIGINAL, Arguments, a_report, arguments, built, damaged

FIRST, SIBLING, DUPLICATE, CONFLICT = Sighting.FIRST, Sighting.SIBLING, Sighting.DUPLICATE, Sighting.CONFLICT
COPIES = (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY)
# What the original is where another one is needed: each differs from `ORIGINAL` in what a reader sees.
OTHER = ORIGINAL.replace(b"Hi.", b"Ho.")
WITHOUT_ID = ORIGINAL.replace(b"Message-ID: <1@example.com>\r\n", b"")
# The same message as another server writes it.
FORK = b"X-MS-Exchange-Organization-SCL: -1\r\nReceived: from a by b\r\n" + ORIGINAL.replace(
    b"Subject: Hello", b"Subject:\r\n Hello"
)


def parsed(
    original: bytes | None = ORIGINAL, format: ReportFormat = ReportFormat.ENVELOPE, **options: object
) -> ParsedReport:
    """A report of a format, written and read."""
    return parse_report(built(original, format=format, **options), format=format if format in COPIES else None)


def identity(
    original: bytes | None = ORIGINAL, format: ReportFormat = ReportFormat.ENVELOPE, **options: object
) -> Identity:
    """The keys of a report of a format, written and read."""
    return identify(parsed(original, format, **options))


def of(*recipients: Recipient | str, **changes: object) -> JournalReport:
    """A report with these recipients."""
    return a_report(recipients=list(recipients), **changes)


def answers(*identities: Identity) -> list[Sighting]:
    """The answers of a new store to reports in this order; looking up gave the same answers before."""
    store = MemoryStore()
    sightings = []
    for one in identities:
        expected = look_up(one, store)
        sightings.append(remember(one, store))
        assert sightings[-1] is expected
    return sightings


FORMATS = pytest.mark.parametrize("format", ReportFormat, ids=str)
BOB = "bob@example.net"


class TestDuplicate:
    """A report that adds nothing."""

    @FORMATS
    def test_again(self, format: ReportFormat) -> None:
        """The same report in any format is FIRST, then always DUPLICATE."""
        one = identity(format=format)
        assert answers(one, one, identity(format=format)) == [FIRST, DUPLICATE, DUPLICATE]

    @pytest.mark.parametrize(
        "again",
        [
            {"report_id": "<other@example.com>"},
            {"date": DATE.replace(year=2028)},
            {"domain": "example.org"},
            {"internal": True},
            {"secret": b"at least sixteen bytes"},
            {"original": FORK},
            {"original": ORIGINAL.replace(b"\r\n", b"\n")},
            {"report": of("bob@EXAMPLE.net")},
            {"report": of(BOB, BOB)},
            {"report": of(Recipient(BOB, display_name="Bob"))},
        ],
        ids=[
            "report id",
            "date",
            "domain",
            "in transport",
            "seal",
            "fork",
            "line ends",
            "domain case",
            "twice",
            "display name",
        ],
    )
    def test_nothing_new(self, again: dict[str, object]) -> None:
        """A report without a new fact about the message is a DUPLICATE."""
        assert answers(identity(), identity(**again)) == [FIRST, DUPLICATE]  # type: ignore[arg-type]

    def test_order_of_recipients(self) -> None:
        """Recipients in any order are the same."""
        several = [
            BOB,
            Recipient("carol@example.org", Role.BCC),
            Recipient("d@example.com", expanded_from="l@example.com"),
        ]
        every = [identity(report=of(*order)) for order in permutations(several)]
        assert answers(*every) == [FIRST] + [DUPLICATE] * 5

    def test_without_an_id(self) -> None:
        """A message without a Message-ID is known by its content."""
        one = identity(WITHOUT_ID, report=a_report(message_id=""))
        assert one.message_id_sha256 is None
        assert answers(one, one) == [FIRST, DUPLICATE]

    def test_remembered_as_a_sibling_or_a_conflict(self) -> None:
        """The same report is a DUPLICATE the next time, after any first answer."""
        first, sibling, conflict = identity(), identity(report=of("carol@example.org")), identity(OTHER)
        assert answers(first, sibling, conflict, sibling, conflict, first) == [
            FIRST,
            SIBLING,
            CONFLICT,
            DUPLICATE,
            DUPLICATE,
            DUPLICATE,
        ]


# Everything that can be new about a known message.
NEW: dict[str, dict[str, object]] = {
    "another recipient": {"report": of("carol@example.org")},
    "one more": {"report": of(BOB, "carol@example.org")},
    "letter case of the local part": {"report": of("BOB@example.net")},
    "role": {"report": of(Recipient(BOB, Role.BCC))},
    "expanded": {"report": of(Recipient(BOB, expanded_from="list@example.com"))},
    "forwarded": {"report": of(Recipient(BOB, forwarded_from="old@example.com"))},
    "sender": {"report": a_report(sender="carol@example.com")},
    "no sender": {"report": a_report(sender="")},
    "on behalf of": {"report": a_report(on_behalf_of="boss@example.com")},
    "envelope sender": {"report": a_report(envelope_sender="bounces@example.com")},
    "null envelope sender": {"report": a_report(envelope_sender="")},
    "decrypted": {"decrypted": b"Subject: Hello\r\n\r\nClear.\r\n"},
    "empty decrypted": {"decrypted": b""},
    "label": {"report": a_report(label="Kept")},
    "mailbox": {"report": a_report(mailbox="bob")},
    "sent": {"report": a_report(sent_utc="1")},
    "received": {"report": a_report(received_utc="1")},
    "subject in the report": {"report": a_report(subject="Other")},
    "id in the report": {"report": a_report(message_id="<2@example.com>")},
    "other id": {"original": ORIGINAL.replace(b"<1@", b"<2@"), "report": a_report(message_id="<2@example.com>")},
    "no id": {"original": WITHOUT_ID, "report": a_report(message_id="")},
}


class TestSibling:
    """A report that adds a fact about a known message."""

    @pytest.mark.parametrize("name", NEW)
    def test_anything_new(self, name: str) -> None:
        """Any new fact makes a report a SIBLING, in either order of the two."""
        one, new = identity(), identity(**NEW[name])  # type: ignore[arg-type]
        assert answers(one, new, new, one) == [FIRST, SIBLING, DUPLICATE, DUPLICATE]
        assert answers(new, one, one, new) == [FIRST, SIBLING, DUPLICATE, DUPLICATE]

    def test_all_that_can_be_new(self) -> None:
        """Each new fact stays new after all the others."""
        every = [identity(**new) for new in NEW.values()]  # type: ignore[arg-type]
        assert answers(*every) == [FIRST] + [SIBLING] * (len(every) - 1)

    def test_other_decrypted_copies(self) -> None:
        """Two different decrypted copies are both new."""
        assert answers(identity(decrypted=b"A: b\r\n\r\nc"), identity(decrypted=b"A: b\r\n\r\nd")) == [FIRST, SIBLING]

    @pytest.mark.parametrize("second", ReportFormat, ids=str)
    @FORMATS
    def test_formats(self, format: ReportFormat, second: ReportFormat) -> None:
        """Reports of one message in different formats are siblings; a fact that a format cannot carry does not conflict."""
        expected = DUPLICATE if format is second else SIBLING
        assert answers(identity(format=format), identity(format=second)) == [FIRST, expected]
        alike = of(BOB, Recipient("carol@example.org", Role.BCC), on_behalf_of="boss@example.com")
        assert answers(identity(format=format), identity(format=second, report=alike))[1] in {SIBLING, expected}

    def test_copies_read_both_ways(self) -> None:
        """The same bytes read in two formats are siblings."""
        one, other = (identify(parse_report(ORIGINAL, format=format)) for format in COPIES)
        assert answers(one, other) == [FIRST, SIBLING]

    def test_forks(self) -> None:
        """Every fork with recipients of its own is a SIBLING, and all together are not one that names them all."""
        forks = [identity(FORK, report=of(f"{name}@example.com")) for name in "abc"]
        together = identity(report=of(*[f"{name}@example.com" for name in "abc"]))
        assert answers(*forks, together, *forks) == [FIRST, SIBLING, SIBLING, SIBLING, *[DUPLICATE] * 3]


class TestConflict:
    """Another message with a known Message-ID."""

    @FORMATS
    def test_other_content(self, format: ReportFormat) -> None:
        """The same id on other content is a CONFLICT, in either order and in any format."""
        one, other = identity(), identity(OTHER, format)
        assert answers(one, other, other, one) == [FIRST, CONFLICT, DUPLICATE, DUPLICATE]
        assert answers(other, one, one, other) == [FIRST, CONFLICT, DUPLICATE, DUPLICATE]

    def test_more_contents(self) -> None:
        """Each further content under one id is reported."""
        every = [identity(ORIGINAL + b"%d" % number) for number in range(5)]
        assert answers(*every) == [FIRST] + [CONFLICT] * 4

    def test_reports_on_the_second(self) -> None:
        """A further report on the second message is a SIBLING of that."""
        assert answers(identity(), identity(OTHER), identity(OTHER, report=of("c@example.com"))) == [
            FIRST,
            CONFLICT,
            SIBLING,
        ]

    def test_id_without_a_header(self) -> None:
        """The id that a report names for an original without a header counts like any other."""
        headerless = identity(b"\r\nHi.\r\n")
        assert headerless.message_id == "<1@example.com>"
        assert answers(headerless, headerless) == [FIRST, DUPLICATE]
        assert answers(identity(OTHER), headerless) == answers(headerless, identity(OTHER)) == [FIRST, CONFLICT]

    def test_comments_about_the_id(self) -> None:
        """The id is the text between the brackets."""
        spelled = OTHER.replace(b"<1@example.com>", b" (comment) <1@example.com> ")
        assert answers(identity(), identity(spelled)) == [FIRST, CONFLICT]


class TestFirst:
    """A message of which nothing is known."""

    def test_others(self) -> None:
        """Messages with contents and ids of their own are all FIRST, with the same sender, recipients and report id."""
        every = [
            identity(ORIGINAL.replace(b"<1@", b"<%d@" % number).replace(b"Hi", b"Hi %d" % number))
            for number in range(9)
        ]
        assert answers(*every) == [FIRST] * 9

    def test_missing_ids(self) -> None:
        """A missing Message-ID equals nothing, least of all another missing one."""
        every = [identity(WITHOUT_ID + b"%d" % number, report=a_report(message_id="")) for number in range(4)]
        empty = identity(OTHER.replace(b"<1@example.com>", b""), report=a_report(message_id=""))
        assert answers(*every, empty) == [FIRST] * 5

    def test_the_report_id(self) -> None:
        """A report with the id of another one is not a duplicate of it, with or without a Message-ID."""
        one = identity(WITHOUT_ID, report=a_report(message_id=""), report_id="<r@example.com>")
        other = identity(WITHOUT_ID + b"x", report=a_report(message_id=""), report_id="<r@example.com>")
        assert one.report_id == other.report_id
        assert answers(one, other) == [FIRST, FIRST]

    @pytest.mark.parametrize("original", [None, b""], ids=["missing", "empty"])
    def test_no_content(self, original: bytes | None) -> None:
        """A report without an original is known by itself alone: it is never a DUPLICATE, and silences no message."""
        one = identity(original)
        other = identity(original, report_id="<other@example.com>")
        assert (one.content_sha256, one.complete) == (None, False)
        assert answers(one, one, one) == [FIRST, SIBLING, SIBLING]
        assert answers(one, other) == [FIRST, FIRST]
        assert answers(one, identity()) == [FIRST, FIRST]
        assert answers(identity(), one) == [FIRST, FIRST]


class TestStrangers:
    """Nobody can hide a message with easily forged fields."""

    def test_an_id_sent_ahead(self) -> None:
        """A message whose id was sent ahead with other content, in any number of reports, is never a DUPLICATE."""
        forged = [identity(ORIGINAL + b"forged %d" % number) for number in range(3)]
        assert answers(*forged, identity())[-1] is CONFLICT

    def test_a_report_id_sent_ahead(self) -> None:
        """A forged report with the id of a true one, and the same header of the message, silences nothing."""
        forged = identity(OTHER, report_id="<r@example.com>")
        assert answers(forged, identity(report_id="<r@example.com>")) == [FIRST, CONFLICT]

    def test_ids_in_the_report(self) -> None:
        """A report text that names the id of another message than its original makes no claim for that id."""
        forged = identity(OTHER.replace(b"<1@", b"<9@"), report=a_report(message_id="<1@example.com>"))
        assert answers(forged, identity()) == [FIRST, FIRST]


# Cut after the complete text, and in the middle of the text.
CUT = {"no closing delimiter": -1, "a part of the text": 4}


def cut(taken: int, **options: object) -> Identity:
    """The keys of a report that was cut a number of bytes before the end of its text."""
    report = built(**options)
    end = report.rindex(b"Hi.\r\n") + 5 if taken < 0 else report.rindex(b"Hi.\r\n") + 5 - taken
    one = identify(parse_report(report[:end]))
    assert not one.complete
    assert one.content_sha256 is not None
    return one


class TestTruncated:
    """A report that is perhaps truncated."""

    @pytest.mark.parametrize("taken", CUT.values(), ids=CUT)
    def test_never_a_duplicate(self, taken: int) -> None:
        """It is never a DUPLICATE, however often it comes, with and without a complete one before."""
        one = cut(taken)
        assert answers(one, one, one) == [FIRST, SIBLING, SIBLING]
        assert DUPLICATE not in answers(identity(), one, one)
        assert DUPLICATE not in answers(identity(), identity(), one)[2:]

    @pytest.mark.parametrize("taken", CUT.values(), ids=CUT)
    def test_makes_no_duplicate(self, taken: int) -> None:
        """It never makes a complete report look like one, however often it came."""
        one = cut(taken)
        sightings = answers(one, one, identity(), identity())
        assert sightings[2] in {SIBLING, CONFLICT}
        assert sightings[3] is DUPLICATE

    def test_all_is_there(self) -> None:
        """A cut report with all of its text is a report on the same message."""
        assert answers(cut(-1), identity(), cut(-1)) == [FIRST, SIBLING, SIBLING]

    def test_other_answers(self) -> None:
        """Its other answers are those of a complete one."""
        assert answers(cut(4), identity(ORIGINAL)) == [FIRST, CONFLICT]
        assert answers(identity(OTHER), cut(-1)) == [FIRST, CONFLICT]


class TestNested:
    """A report about a report."""

    def test_both_layers(self) -> None:
        """Each layer is known by itself: the outer one is a message of its own, and says that it is nested."""
        inner = built()
        outer = parsed(inner, report=a_report(subject="Hello", message_id="<r@example.com>"))
        above = identify(outer)
        assert above.nested
        assert outer.original is not None
        below = identify(parse_report(bytes(outer.original)))
        assert not below.nested
        assert below == identify(parse_report(inner))
        assert answers(above, below, above, below) == [FIRST, FIRST, DUPLICATE, DUPLICATE]

    def test_layers_of_the_same_id(self) -> None:
        """An outer report with the id of the inner message is not a duplicate of that."""
        outer = parsed(built(report_id="<1@example.com>"))
        assert DUPLICATE not in answers(identify(outer), identity())


class TestRememberAll:
    """Many reports at once."""

    @HEAVY
    @given(st.lists(st.sampled_from([{}, {"original": OTHER}, {"original": None}, *NEW.values()]), max_size=12))
    def test_like_one_by_one(self, several: list[dict[str, object]]) -> None:
        """The answers are those of remembering one at a time, and the store knows the same afterwards."""
        identities = [_known(one) for one in several]
        one_by_one, at_once = MemoryStore(), MemoryStore()
        assert remember_all(iter(identities), at_once) == tuple([remember(one, one_by_one) for one in identities])
        for one in map(_known, NEW.values()):
            assert look_up(one, at_once) is look_up(one, one_by_one)

    @pytest.mark.slow
    def test_steps(self) -> None:
        """Reports go to the store in steps of ten thousand, and what a step refuses is not remembered."""
        counted = Refusing(2)
        template = identity()
        many = [template._replace(report_key=f"{number:08x}".ljust(64, "0")) for number in range(25_000)]
        with pytest.raises(StoreError):
            remember_all(many, counted)
        assert counted.steps == [10_000, 10_000]
        assert look_up(many[19_999], counted) is DUPLICATE
        assert look_up(many[20_000], counted) is SIBLING

    def test_refused(self) -> None:
        """An error of the store goes to the caller, and nothing is remembered."""
        store = Refusing(0)
        with pytest.raises(StoreError):
            remember(identity(), store)
        assert look_up(identity(), store) is FIRST


_BUILT: dict[str, Identity] = {}


def _known(options: dict[str, object]) -> Identity:
    name = repr(options)
    if name not in _BUILT:
        _BUILT[name] = identity(**options)  # type: ignore[arg-type]
    return _BUILT[name]


class Refusing(MemoryStore):
    """A store that accepts a number of steps and is full then."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.steps: list[int] = []

    def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
        """Add while there is room."""
        if len(self.steps) == self.room:
            raise StoreError("full")
        self.steps.append(len(groups))
        return super().add(groups)


class Lists:
    """The least that a store can be: lists for answers, and nothing else."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    def known(self, keys: Sequence[bytes], /) -> list[bool]:
        """For each key whether it is there."""
        return [key in self.keys for key in keys]

    def add(self, groups: Sequence[Sequence[bytes]], /) -> list[list[bool]]:
        """Add the keys."""
        answers = []
        for group in groups:
            answers.append(self.known(group))
            self.keys += group
        return answers


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    """The keys of any report that reads as one, sound or damaged."""
    any_arguments = arguments(formats=ENVELOPES)
    if draw(st.booleans()):
        return identify(parse_report(draw(any_arguments).build()))
    try:
        return identify(parse_report(draw(damaged(any_arguments.map(Arguments.build)))))
    except ParseError:
        return identity()


class TestOnce:
    """Law 9. After `remember`, `look_up` never says FIRST again; before an equal report was remembered, never DUPLICATE."""

    @pytest.mark.slow
    @HEAVY
    @given(st.lists(identities(), max_size=5), st.data())
    def test_any_reports(self, several: list[Identity], data: st.DataObject) -> None:
        """Any reports in any order and with repetitions."""
        order = data.draw(st.lists(st.sampled_from(several), max_size=12)) if several else []
        stores: list[SeenStore] = [MemoryStore(), Lists()]
        remembered: set[str] = set()
        for one in order:
            sightings = {look_up(one, store) for store in stores} | {remember(one, store) for store in stores}
            assert len(sightings) == 1
            (answer,) = sightings
            assert (answer is DUPLICATE) == (one.complete and one.report_key in remembered)
            if one.complete:
                remembered.add(one.report_key)
            assert {look_up(one, store) for store in stores} == {DUPLICATE if one.complete else SIBLING}
        for store in stores:
            assert FIRST not in {look_up(one, store) for one in order}

    @HEAVY
    @given(arguments(formats=ENVELOPES))
    def test_a_report_twice(self, given_arguments: Arguments) -> None:
        """Any report that is built is FIRST once; then a DUPLICATE, or a SIBLING where it has no original to know it by."""
        one = identify(parse_report(given_arguments.build()))
        again = DUPLICATE if one.complete else SIBLING
        assert answers(one, pickle.loads(pickle.dumps(one))) == [FIRST, again]


def test_sightings() -> None:
    """The answers are words, which logs and databases can keep."""
    assert list(map(str, Sighting)) == ["first", "sibling", "duplicate", "conflict"]
    assert Sighting("conflict") is CONFLICT
