"""Statements: what one report says as a value and as data, and data that is not what it should be."""

import copy
import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import put, run
from hypothesis import assume, given
from hypothesis import strategies as st

from exjournal import (
    Evidence,
    Identity,
    InvalidValue,
    MergedReport,
    ParsedReport,
    ParseError,
    Recipient,
    ReportFormat,
    Role,
    Statement,
    identify,
    merge,
    parse_report,
)
from exjournal.identity.keys import recipients_digest
from exjournal.identity.statements import read_statement, statement_of
from strategies import ORIGINAL, PART, a_message, a_report, any_bytes, arguments, built, copies, hostile_reports

ROOT = Path(__file__).parents[2]
CORPUS = sorted((ROOT / "tests" / "corpus").glob("*.eml"))
# A word in every value of a report that a stranger could write; errors must not contain it.
HUSH = "hush"

# One report that has every field, defects, unknown lines, and a part of each kind.
FULL = a_message(
    b"Sender: hush@example.com\r\nOn-Behalf-Of: hush.boss@example.com\r\nSubject: hush\r\nMessage-Id: <hush@example.com>\r\n"
    b"Label: hush label\r\nMailbox: hush box\r\nSentUtc: hush 1\r\nReceivedUtc: hush 2\r\n"
    b"To: hush.bob@example.net\r\nBcc: hush.erin@example.net, Expanded: hush.list@example.com\r\n"
    b"Cc: hush.carol@example.net, Forwarded: hush.dan@example.com\r\nhush without a field\r\nX-Hush: hush\r\n",
    PART.replace(b"alice", b"hush").replace(b"<1@", b"<hush@").replace(b"Hello", b"hush").replace(b"Hi", b"hush"),
).replace(b"<r@example.com>", b"<hush.r@example.com>\r\nX-ExJournal-Envelope-Sender: <hush.bounce@example.com>")
# The same in the format that has display names.
NAMED = built(
    ORIGINAL.replace(b"Hi", b"hush"),
    report=a_report(
        sender="hush@example.com",
        sender_display_name="Hush",
        recipients=[Recipient("hush@example.net", display_name="hush")],
    ),
    format=ReportFormat.ENVELOPE_2003,
)


def parsed(data: bytes) -> ParsedReport | None:
    """The report in any bytes, read as what it says it is, or else as a copy."""
    for format in (None, ReportFormat.BCC):
        try:
            return parse_report(data, format=format)
        except ParseError:
            continue
    return None


def through_json(data: object) -> Any:
    """Data after a trip through a file or a wire."""
    return json.loads(json.dumps(data))


def with_identity(parsed: ParsedReport, *, content: bool = False) -> dict[str, object]:
    """The data of a report that can be merged."""
    return {**parsed.to_dict(content=content), "identity": identify(parsed).to_dict()}


def data_of(report: bytes = FULL) -> dict[str, Any]:
    """A report as data that can be merged."""
    found: dict[str, Any] = through_json(with_identity(parse_report(report)))
    return found


def problem(data: Any) -> InvalidValue:
    """The error of data that is not what it should be; nothing in it is text of the data."""
    with pytest.raises(InvalidValue) as raised:
        merge([data])
    error = raised.value
    assert error.field
    assert HUSH not in f"{error!r} {error} {error.args}".lower()
    assert error.__context__ is None or error.__suppress_context__
    return error


_READABLE = st.one_of(
    hostile_reports(), any_bytes(), copies(), arguments(formats=tuple(ReportFormat)[:2]).map(lambda one: one.build())
)


@st.composite
def readable(draw: st.DrawFn) -> ParsedReport:
    """Reports of every format, and everything else that can be read as one."""
    found = parsed(draw(_READABLE))
    assume(found is not None)
    assert found is not None
    return found


class TestEarlierData:
    """Data that an earlier version wrote is read as well."""

    def test_an_id_that_names_nothing(self) -> None:
        """Earlier versions kept bare brackets as a Message-ID; they do not count as one."""
        report = FULL.replace(b"<hush@example.com>", b"<>")
        data = data_of(report)
        assert data["message_id"] == "<>"
        assert data["identity"]["message_id"] == ""
        data["identity"]["message_id"] = "<>"
        assert merge([data]) == merge([data_of(report)])

    def test_keys_that_were_absent(self) -> None:
        """Keys without a value were left out."""
        data = data_of(NAMED)
        for one in data["recipients"]:
            for name in [name for name, value in one.items() if value is None]:
                del one[name]
        del data["escaped"], data["decrypted_evidence"]
        assert merge([data]) == merge([parse_report(NAMED)])

    def test_nul(self) -> None:
        """Unescaped data is escaped, so that data of both versions gives the same statement."""
        read = parse_report(FULL.replace(b"hush without a field", b"hush\0without a field"))
        data = through_json(with_identity(read))
        assert data["unparsed"][0] == "hush\u2400without a field"
        earlier = {**data, "unparsed": list(read.unparsed)}
        del earlier["escaped"]
        assert merge([earlier, data, read, earlier]) == merge([read])
        [one] = merge([earlier])
        assert one.to_dict()["escaped"] is True


class TestValue:
    """A statement has the facts of a report without the bytes of its message."""

    @pytest.mark.parametrize("report", [FULL, NAMED], ids=["2007", "2003"])
    def test_what_it_holds(self, report: bytes) -> None:
        """It holds the identity, and all that is small of the report."""
        read = parse_report(report)
        statement = statement_of(read)
        assert statement == Statement(
            identify(read), read.format, read.marker, read.report, read.defects, read.unparsed, escaped=False
        )
        assert statement.recipients_from is read.recipients_from is Evidence.ENVELOPE

    def test_every_field_has_a_value(self) -> None:
        """The reports that these tests damage leave no field out."""
        seven, three = data_of(), data_of(NAMED)
        assert [key for key, value in seven.items() if value in (None, "", []) and not three[key]] == [
            "decrypted",
            "decrypted_evidence",
        ]
        assert [key for key, value in seven["identity"].items() if value in (None, "")] == ["decrypted_sha256"]
        assert {key for one in (*seven["recipients"], *three["recipients"]) for key in one} == {
            *("role", "address", "expanded_from", "forwarded_from", "display_name")
        }

    def test_of_every_kind_of_recipient(self) -> None:
        """Roles and redirections are in a statement as the report names them."""
        report = statement_of(parse_report(FULL)).report
        assert [(one.role, one.expanded_from, one.forwarded_from) for one in report.recipients] == [
            (Role.TO, None, None),
            (Role.BCC, "hush.list@example.com", None),
            (Role.CC, None, "hush.dan@example.com"),
        ]

    def test_of_a_copy(self) -> None:
        """The recipients of a copy are claims of its header."""
        read = parse_report(ORIGINAL, format=ReportFormat.MESSAGE_ONLY)
        assert statement_of(read).recipients_from is Evidence.HEADER

    @given(readable())
    def test_equal_values(self, read: ParsedReport) -> None:
        """Equal statements hash equal, and a statement is the same when it was pickled or copied."""
        statement = statement_of(read)
        again = statement_of(read)
        assert statement == again
        assert hash(statement) == hash(again)
        for other in (pickle.loads(pickle.dumps(statement)), copy.deepcopy(statement)):
            assert (other, hash(other)) == (statement, hash(statement))
            assert isinstance(other, Statement)

    def test_one_difference(self) -> None:
        """Statements that differ in anything are not equal, though their identities are."""
        statement = statement_of(parse_report(FULL))
        others = [
            statement._replace(format=ReportFormat.ENVELOPE_2003),
            statement._replace(marker="caller"),
            statement._replace(report=a_report()),
            statement._replace(defects=()),
            statement._replace(unparsed=()),
        ]
        assert len({statement, *others}) == 6

    def test_holds_no_message(self) -> None:
        """A statement is small, even if the message is large."""
        message = ORIGINAL + b"x" * 1_000_000
        assert len(pickle.dumps(statement_of(parse_report(built(message))))) < 3000


class TestData:
    """A statement as data."""

    @pytest.mark.slow
    @given(readable())
    def test_round_trip(self, read: ParsedReport) -> None:
        """Both forms of data give the statement back, through JSON as well."""
        statement = statement_of(read)
        for data in (statement.to_dict(), with_identity(read), with_identity(read, content=True)):
            assert read_statement(data) == read_statement(through_json(data)) == statement

    @pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
    def test_round_trip_of_the_corpus(self, path: Path) -> None:
        """Every report of the corpus gives the same statement after a trip through JSON."""
        read = parsed(path.read_bytes())
        if read is not None:
            assert read_statement(through_json(with_identity(read))) == statement_of(read)

    @pytest.mark.slow
    @given(readable())
    def test_one_form_within_the_other(self, read: ParsedReport) -> None:
        """The data of a statement is that of its report without the keys about bytes."""
        data = with_identity(read)
        for name in ("original", "decrypted", "decrypted_evidence", "parts"):
            data.pop(name, None)
        assert statement_of(read).to_dict() == data

    def test_identity_is_added(self) -> None:
        """The keys are data of their own, and are not in the data of a report until they are put there."""
        read = parse_report(FULL)
        keys = identify(read)
        assert keys.to_dict() == keys._asdict()
        assert "identity" not in read.to_dict()

    def test_further_keys(self) -> None:
        """Further keys in the data are ignored, at any depth."""
        data = data_of()
        statement = read_statement(data)
        data |= {"file": "hush.eml", "more": [None, {}]}
        data["identity"]["more"] = data["recipients"][0]["more"] = data["defects"][0]["more"] = HUSH
        assert read_statement(data) == statement

    def test_data_stays_as_it_is(self) -> None:
        """Reading data does not change it."""
        data = data_of()
        before = copy.deepcopy(data)
        merge([data])
        assert data == before

    def test_of_another_mapping_than_a_dict(self) -> None:
        """Any mapping is data."""

        class Row(dict[str, Any]):
            """A mapping of another kind."""

        assert read_statement(Row(data_of())) == statement_of(parse_report(FULL))

    def test_identity_missing(self) -> None:
        """Data without an identity is refused, and the reason says how to get it."""
        error = problem(through_json(parse_report(FULL).to_dict()))
        assert (error.field, "identify(parsed).to_dict()" in error.reason) == ("identity", True)


# Every key, with what it may hold: the type in JSON, and "?" where it may hold nothing.
FACTS = {
    **dict.fromkeys(("format", "marker", "sender", "sender_display_name", "subject", "message_id"), "text"),
    **dict.fromkeys(
        ("on_behalf_of", "envelope_sender", "label", "mailbox", "sent_utc", "received_utc"),
        "text?",
    ),
    **dict.fromkeys(("recipients", "defects", "unparsed"), "list"),
    "identity": "object",
}
KEYS = {
    **dict.fromkeys(("report_id", "message_id"), "text"),
    **dict.fromkeys(
        ("message_id_sha256", "mih", "original_sha256", "content_sha256", "decrypted_sha256"),
        "text?",
    ),
    **dict.fromkeys(("recipients_sha256", "message_key", "report_key"), "text"),
    **dict.fromkeys(("complete", "nested"), "flag"),
}
PLACES = [
    *((name, kind) for name, kind in FACTS.items()),
    *((f"identity.{name}", kind) for name, kind in KEYS.items()),
    *((f"recipients[1].{name}", "text") for name in ("role", "address")),
    *((f"recipients[{n}].{name}", "text?") for n, name in ((1, "expanded_from"), (2, "forwarded_from"))),
    ("recipients[0].display_name", "text?"),
    ("escaped", "flag"),
    ("recipients[2]", "object"),
    *((f"defects[0].{name}", kind) for name, kind in (("code", "text"), ("detail", "text"), ("offset", "number"))),
    ("defects[0]", "object"),
]
WRONG: dict[str, list[object]] = {
    "text": [None, 1, True, 1.5, [], {}, ["hush"], {"hush": "hush"}],
    "text?": [1, True, 0, False, 1.5, [], {}, ["hush"]],
    "list": [None, "hush", "", 1, True, {}, {"0": "hush"}, ["hush", 1], [None], [[]]],
    "object": [None, "hush", "", 1, True, [], [["hush", "hush"]]],
    "flag": [None, 0, 1, "true", "", [], {}],
    "number": [None, True, False, 1.5, "1", "", [], {}],
}
OPTIONAL = ["escaped", "recipients[1].expanded_from", "recipients[2].forwarded_from", "recipients[0].display_name"]


def holder(data: Any, place: str) -> tuple[Any, Any]:
    """The object that contains the value at a path such as `recipients[1].address`, and its key in there."""
    steps: list[Any] = [
        int(number) if number else name for name, number in re.findall(r"([a-z_0-9]+)|\[([0-9]+)\]", place)
    ]
    for step in steps[:-1]:
        data = data[step]
    return data, steps[-1]


class TestRefusals:
    """Data that is not as it should be: the error names the place."""

    @pytest.mark.parametrize("prefix", ["", "reports[1]."], ids=["report", "merged"])
    @pytest.mark.parametrize(
        ("place", "value"),
        [(place, value) for place, kind in PLACES for value in WRONG[kind]],
        ids=lambda value: value if isinstance(value, str) and value else json.dumps(value),
    )
    def test_wrong_types(self, prefix: str, place: str, value: object) -> None:
        """A value of another type is refused, and the field is the path to it."""
        data = data_of()
        held, key = holder(data, place)
        held[key] = value
        error = problem({"reports": [data_of(NAMED), data]} if prefix else data)
        inside = (
            "" if value is None or isinstance(value, (str, int, float)) else error.field.removeprefix(prefix + place)
        )
        assert error.field == prefix + place + inside
        assert re.fullmatch(r"(\[[0-9]\])?(\.[a-z_]+)?", inside)

    @pytest.mark.parametrize("place", [place for place, _ in PLACES if place[-1] != "]" and place not in OPTIONAL])
    def test_missing_keys(self, place: str) -> None:
        """A key that `to_dict()` always writes must not be missing: its value would be lost silently."""
        data = data_of()
        held, key = holder(data, place)
        del held[key]
        assert problem(data).field == place

    @pytest.mark.parametrize("place", OPTIONAL[1:])
    def test_keys_that_are_not_always_there(self, place: str) -> None:
        """Earlier versions wrote redirections and display names of recipients only where there were some."""
        data = data_of(NAMED if "display" in place else FULL)
        held, key = holder(data, place)
        assert held.pop(key)
        recipients = [
            Recipient(**{name: value for name, value in one.items() if value is not None}) for one in data["recipients"]
        ]
        data["identity"]["recipients_sha256"] = recipients_digest(recipients).hex()
        name = place.partition(".")[2]
        assert not getattr(read_statement(data).report.recipients[int(place[11])], name)

    @pytest.mark.parametrize("name", [name for name in KEYS if name.endswith(("sha256", "key"))])
    @pytest.mark.parametrize(
        "digest",
        ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 63 + "\n", "0" * 64 + "\n", " " + "0" * 63, "\u0660" * 64],
        ids=["empty", "short", "long", "upper case", "not hex", "line end", "final line end", "space", "other digits"],
    )
    def test_digests(self, name: str, digest: str) -> None:
        """A digest is SHA-256 in lower-case hex."""
        data = data_of()
        data["identity"][name] = digest
        assert problem(data).field == f"identity.{name}"

    @pytest.mark.parametrize("digest", ["", "hush", "0" * 31, "0" * 64, "a" * 32], ids=len)
    def test_identification_hash(self, digest: str) -> None:
        """The EDRM hash is MD5 in upper-case hex."""
        data = data_of()
        data["identity"]["mih"] = digest
        assert problem(data).field == "identity.mih"

    def test_whole_without_a_content(self) -> None:
        """Nobody calls a report whole of whose message nothing is known."""
        data = data_of()
        data["identity"]["content_sha256"] = None
        assert problem(data).field in ("identity.complete", "identity.message_key")

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            ("format", "hush"),
            ("format", "Envelope"),
            ("format", ""),
            ("sender", "hush <hush@example.com>"),
            ("sender", "hush\r\nhush"),
            ("on_behalf_of", ""),
            ("envelope_sender", "hush, hush"),
            ("label", ""),
            ("label", HUSH * 64),
            ("mailbox", " hush"),
            ("subject", "hush\0"),
            ("subject", "hush\ud800"),
            ("message_id", "hush\n"),
            ("sent_utc", ""),
            ("received_utc", "hush\r"),
            ("sender_display_name", "hush\t"),
            ("recipients[0].role", "to"),
            ("recipients[0].role", HUSH),
            ("recipients[0].address", ""),
            ("recipients[0].address", HUSH * 200),
            ("recipients[0].address", "hush, Expanded: hush"),
            ("recipients[1].expanded_from", "<hush>"),
            ("recipients[2].forwarded_from", '"hush'),
            ("recipients[2].display_name", "hush\nhush"),
            ("defects[0].code", HUSH),
            ("defects[0].code", "FOLDED_LINE"),
        ],
        ids=lambda value: repr(value[:30]),
    )
    def test_values(self, place: str, value: str) -> None:
        """A value that a model does not take is refused, and the field is the path to it."""
        data = data_of()
        held, key = holder(data, place)
        held[key] = value
        assert problem(data).field == place
        assert problem({"reports": [data]}).field == f"reports[0].{place}"

    @pytest.mark.parametrize("junk", [None, 1, True, 1.5, "hush", ["hush"], b"hush", object], ids=str)
    def test_no_data_at_all(self, junk: object) -> None:
        """Anything but a report or an object is refused, alone and in the list of a merged report."""
        assert problem(junk).field == "reports"
        assert problem({"reports": [data_of(), junk]}).field == "reports[1]"
        with pytest.raises(InvalidValue) as raised:
            read_statement(junk)
        assert raised.value.field

    @pytest.mark.parametrize("data", [None, 1, 0, True, 1.5, "reports", "", [], ["reports"], {}, [{}]], ids=json.dumps)
    def test_from_dict_of_no_object(self, data: Any) -> None:
        """A line of JSON without a merged report is refused, even if it is valid JSON."""
        with pytest.raises(InvalidValue) as raised:
            MergedReport.from_dict(data)
        assert raised.value.field == "reports"

    @pytest.mark.parametrize(
        "value", [None, [], {}, "hush", 1, True, ["hush"], [None], {"0": {}}, [[]]], ids=json.dumps
    )
    def test_lists_of_reports(self, value: object) -> None:
        """The reports of a merged one are a list with something in it."""
        assert problem({"reports": value}).field in ("reports", "reports[0]")

    @pytest.mark.slow
    @pytest.mark.parametrize("place", [place for place, _ in PLACES])
    def test_deep_junk(self, place: str) -> None:
        """Data nested to any depth is refused as any other."""
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        data = data_of()
        held, key = holder(data, place)
        held[key] = deep
        assert problem(data).field.startswith(place)


class TestParseIdentity:
    """`exjournal parse --json --identity`."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The folder that every test of this class works in."""
        monkeypatch.chdir(tmp_path)
        put("full.eml", FULL)
        put("named.eml", NAMED)
        put("copy.eml", ORIGINAL)
        return tmp_path

    def test_lines_can_be_merged(self) -> None:
        """Each line is data that merges as its report does."""
        outcome = run("parse", "--json", "--identity", "full.eml", "named.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert merge(outcome.objects) == merge([parse_report(FULL), parse_report(NAMED)])

    def test_of_a_copy(self) -> None:
        """A copy has an identity as a report has."""
        outcome = run("parse", "--json", "--identity", "--format", "message-only", "copy.eml")
        copy = parse_report(ORIGINAL, format=ReportFormat.MESSAGE_ONLY)
        assert (outcome.status, merge(outcome.objects)) == (0, merge([copy]))

    def test_from_standard_input(self) -> None:
        """A report on standard input has an identity too."""
        (found,) = run("parse", "--json", "--identity", "-", stdin=FULL).objects
        assert Identity(**found["identity"]) == identify(parse_report(FULL))

    def test_adds_and_changes_nothing(self) -> None:
        """The option fills in one key; without it the key is null, and the line cannot be merged."""
        (with_keys,) = run("parse", "--json", "--identity", "full.eml").objects
        (without,) = run("parse", "--json", "full.eml").objects
        assert with_keys.pop("identity") == identify(parse_report(FULL))._asdict()
        assert without.pop("identity") is None
        assert with_keys == without
        assert problem({**without, "identity": None}).field == "identity"
        assert problem(without).field == "identity"

    def test_for_people(self) -> None:
        """The view for people has no room for the keys, and the option is refused without the other."""
        outcome = run("parse", "--identity", "full.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (2, b"", 1)
        assert "--json" in outcome.err

    def test_help(self) -> None:
        """The option is in the help of the verb, and no other verb has it."""
        assert "--identity" in run("parse", "--help").out
        assert run("check", "--identity", "full.eml").status == 2
