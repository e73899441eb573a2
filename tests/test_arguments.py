"""Wrong types: every public function names what it expects, and fails with nothing but a TypeError or an InvalidValue."""

import inspect
import pickle
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest

import exjournal
from exjournal import (
    Envelope,
    InvalidValue,
    JournalAgent,
    JournalReport,
    JournalRule,
    MboxVariant,
    MemoryStore,
    MergedReport,
    Organization,
    Recipient,
    ReportFormat,
    Role,
    RuleSet,
    Scope,
    Source,
    SqliteStore,
    identify,
    merge,
    parse_report,
)
from exjournal.addresses import same_mailbox
from exjournal.archives.sources import AnyVariant
from exjournal.errors import as_member
from exjournal.journaling.header_firewall import matching_headers
from exjournal.journaling.rules import AnyScope
from exjournal.reports.models import AnyFormat, AnyRole, Headers
from strategies import DATE, ORIGINAL, built

REPORT = built()
PARSED = parse_report(REPORT)
IDENTITY = identify(PARSED)
ENVELOPE = Envelope("ann@example.com", ["bob@example.net"])
RULES = RuleSet([JournalRule("all", "journal@archive.example")], Organization(["example.com"]))
SECRET = b"0123456789abcdef"
[MERGED] = merge([PARSED])

# What a caller may mix up: values of other functions, one in the place of several, text for bytes.
WRONG: dict[str, object] = {
    "None": None,
    "number": 5,
    "text": "text",
    "bytes": b"bytes",
    "list": [],
    "numbers": [5],
    "dict": {},
    "object": object(),
    "type": int,
    "parsed": PARSED,
    "report": PARSED.report,
    "identity": IDENTITY,
    "envelope": ENVELOPE,
    "rules": RULES,
    "store": MemoryStore(),
    "merged": MERGED,
}
# Of these, what the functions do take; "…" marks the iterables, whose items are looked at.
DATA = {"bytes"}
TEXT = {"text"}
PATH = {"text", "bytes"}
NAMES = {"list", "dict"}
OPTION = {"None"}


def agent(**options: Any) -> JournalAgent:
    """An agent."""
    return JournalAgent(RULES, domain="example.com", **{"hold_undeliverable": True, **options})


# A function; its arguments, each with the right value and the wrong ones that it takes all the same.
CALLS: dict[str, tuple[Callable[..., object], dict[str, tuple[object, set[str]]]]] = {
    "address_key": (exjournal.address_key, {"0": ("a@example.com", TEXT)}),
    "mailbox_key": (exjournal.mailbox_key, {"0": ("a@example.com", TEXT)}),
    "same_mailbox": (same_mailbox, {"0": ("a@example.com", TEXT), "1": ("a@example.com", TEXT)}),
    "message_kind": (exjournal.message_kind, {"0": (ORIGINAL, DATA)}),
    "detect_format": (exjournal.detect_format, {"0": (REPORT, DATA)}),
    "parse_report": (exjournal.parse_report, {"0": (REPORT, {"bytes"}), "format": (None, OPTION)}),
    "unwrap_undeliverable": (exjournal.unwrap_undeliverable, {"0": (REPORT, {"bytes"}), "format": (None, OPTION)}),
    "report_for": (exjournal.report_for, {"0": (ORIGINAL, DATA), "1": (ENVELOPE, {"envelope"})}),
    "build_report": (
        exjournal.build_report,
        {
            "0": (PARSED.report, {"report"}),
            "1": (ORIGINAL, {"bytes", "None"}),
            "domain": ("example.com", TEXT),
            "format": ("envelope", set()),
            "decrypted": (None, {"bytes", "None"}),
            "date": (DATE, {"None"}),
            "report_id": (None, {"None"}),
            "secret": (None, {"None"}),
        },
    ),
    "identify": (exjournal.identify, {"0": (PARSED, {"parsed"})}),
    "merge": (exjournal.merge, {"0": ([PARSED], {"list", "dict"})}),
    "look_up": (exjournal.look_up, {"0": (IDENTITY, {"identity"}), "1": (MemoryStore(), {"store"})}),
    "remember": (exjournal.remember, {"0": (IDENTITY, {"identity"}), "1": (MemoryStore(), {"store"})}),
    "remember_all": (
        exjournal.remember_all,
        {"0": ([IDENTITY], {"list", "dict"}), "1": (MemoryStore(), {"store"})},
    ),
    "strip_headers": (exjournal.strip_headers, {"0": (ORIGINAL, DATA), "1": (["Subject"], NAMES)}),
    "matching_headers": (matching_headers, {"0": (ORIGINAL, DATA), "1": (["Subject"], NAMES)}),
    "detect_loop": (exjournal.detect_loop, {"0": (ORIGINAL, DATA), "secrets": ([SECRET], NAMES)}),
    "verify_seal": (exjournal.verify_seal, {"0": (REPORT, DATA), "secrets": ([SECRET], set())}),
    "decide": (
        exjournal.decide,
        {"0": (ORIGINAL, DATA), "1": (ENVELOPE, {"envelope"}), "2": (RULES, {"rules"}), "secrets": ([SECRET], NAMES)},
    ),
    "JournalAgent": (
        JournalAgent,
        {
            "0": (RULES, {"rules"}),
            "domain": ("example.com", TEXT),
            "secrets": ([SECRET], NAMES),
            "hold_undeliverable": (True, set(WRONG)),
            "size_limit": (None, {"None", "number"}),
        },
    ),
    "JournalAgent.process": (
        agent().process,
        {"0": (ORIGINAL, DATA), "1": (ENVELOPE, {"envelope"}), "received": (DATE, {"None"})},
    ),
    "RuleSet": (RuleSet, {"0": ([], NAMES), "1": (Organization(["example.com"]), set())}),
    "JournalRule": (
        JournalRule,
        {
            "0": ("a", TEXT),
            "1": ("a@example.com", set()),
            "scope": ("global", set()),
            "recipient": (None, {"None", "text"}),
            "mailboxes": (None, {"None", "text"}),
            "format": ("envelope", set()),
        },
    ),
    "Organization": (
        Organization,
        {
            "0": (["example.com"], {"list"}),
            "groups": ({}, {"dict"}),
            "aliases": ({}, {"dict"}),
            "databases": ({}, {"dict"}),
            "hosted_domains": ([], {"list"}),
            "alternate_mailbox": (None, {"None"}),
        },
    ),
    "Organization.is_internal": (Organization(["example.com"]).is_internal, {"0": ("a@example.com", TEXT)}),
    "Organization.is_hosted": (Organization(["example.com"]).is_hosted, {"0": ("a@example.com", TEXT)}),
    "Organization.key": (Organization(["example.com"]).key, {"0": ("a@example.com", TEXT)}),
    "Envelope": (Envelope, {"0": ("a@example.com", TEXT), "1": (["a@example.com"], set())}),
    "Recipient": (
        Recipient,
        {
            "0": ("a@example.com", TEXT),
            "1": ("To", set()),
            "expanded_from": (None, {"None", "text"}),
            "forwarded_from": (None, {"None", "text"}),
            "display_name": ("", TEXT),
        },
    ),
    "JournalReport": (
        JournalReport,
        {
            "sender": ("", TEXT),
            "recipients": ([], {"list", "dict"}),
            **dict.fromkeys(("subject", "message_id", "sender_display_name"), ("", TEXT)),
            **dict.fromkeys(("on_behalf_of", "label", "mailbox"), (None, {"text", "None"})),
            "envelope_sender": (None, {"text", "None", "list", "dict"}),
            **dict.fromkeys(("sent_utc", "received_utc"), (None, {"text", "None"})),
        },
    ),
    "Headers": (Headers, {"0": (b"", DATA)}),
    "Headers.get": (Headers(b"").get, {"0": ("", TEXT)}),
    "Headers.get_all": (Headers(b"").get_all, {"0": ("", TEXT)}),
    "MemoryStore.known": (
        MemoryStore().known,
        {"0": ([], {"list", "dict", "text", "bytes", "numbers", "identity", "merged"})},
    ),
    "MemoryStore.prune": (MemoryStore().prune, {"before": (DATE, set())}),
    "SqliteStore": (SqliteStore, {"0": ("store", {"text"}), "timeout": (1.0, {"number"})}),
    "MergedReport": (MergedReport, {"0": (MERGED.statements, set())}),
    "MergedReport.from_dict": (MergedReport.from_dict, {"0": (MERGED.to_dict(), set())}),
    "Source.from_dict": (Source.from_dict, {"0": ({"path": "a"}, set())}),
    "load_config": (exjournal.load_config, {"0": (__file__, PATH)}),
    "load_secret": (exjournal.load_secret, {"0": (__file__, PATH)}),
    "read_source": (exjournal.read_source, {"0": (Source(__file__), set())}),
    "read_archive": (
        exjournal.read_archive,
        {
            "0": (__file__, TEXT),
            "patterns": ((), {"text", "list", "dict"}),
            "mbox": (None, {"None"}),
            "format": (None, {"None"}),
        },
    ),
    "map_archive": (
        exjournal.map_archive,
        {"0": (str, {"type"}), "1": (__file__, TEXT), "jobs": (1, {"number"})},
    ),
    "scan_archive": (
        exjournal.scan_archive,
        {
            "0": (__file__, PATH),
            "jobs": (1, {"number"}),
            "patterns": ("*.none", {"text", "list", "dict"}),
            "json": ("lines", {"None", *TEXT}),
            "since": (DATE, {"None"}),
            "until": (DATE, {"None"}),
        },
    ),
}
# Values of the types that arguments have; a wrong one of them can be a wrong value.
COULD_BE_RIGHT = {"None", "text", "bytes", "list", "numbers", "dict", "identity", "merged"}
CASES = [
    (name, place, wrong)
    for name, (_, arguments) in CALLS.items()
    for place, (_, taken) in arguments.items()
    for wrong in WRONG
    if wrong not in taken
]


def call(name: str, place: str, value: object) -> object:
    """Call a function with one argument in place of the right one."""
    function, arguments = CALLS[name]
    given = {key: right for key, (right, _) in arguments.items()} | {place: value}
    result = function(
        *[one for key, one in given.items() if key.isdigit()],
        **{key: one for key, one in given.items() if not key.isdigit()},
    )
    return list(result) if inspect.isgenerator(result) else result


class TestWrongTypes:
    """A wrong type is an error that names the expected one."""

    def test_every_function(self) -> None:
        """No public function is left out."""
        functions = {name for name in exjournal.__all__ if inspect.isfunction(getattr(exjournal, name))}
        assert functions <= set(CALLS)

    @pytest.mark.parametrize("name", CALLS)
    def test_right_types(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the table calls right is."""
        monkeypatch.chdir(tmp_path)
        with suppress(InvalidValue):  # some read this file, which is neither rules nor a secret
            made = call(name, next(iter(CALLS[name][1])), next(iter(CALLS[name][1].values()))[0])
            if isinstance(made, SqliteStore):
                made.close()

    @pytest.mark.parametrize(("name", "place", "wrong"), CASES, ids=str)
    def test_one(self, name: str, place: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is a TypeError, or another error where the type could hold a right value, and has a message."""
        monkeypatch.chdir(tmp_path)
        with pytest.raises((TypeError, InvalidValue, exjournal.BuildError)) as raised:
            call(name, place, WRONG[wrong])
        assert isinstance(raised.value, TypeError) or wrong in COULD_BE_RIGHT
        assert "has no attribute" not in str(raised.value)
        assert " not " in str(raised.value) or isinstance(raised.value, (InvalidValue, exjournal.BuildError))


class TestMembers:
    """Members of enumerations, given as such or by their values."""

    @pytest.mark.parametrize(
        ("kind", "given"), [(Role, AnyRole), (ReportFormat, AnyFormat), (Scope, AnyScope), (MboxVariant, AnyVariant)]
    )
    def test_literals(self, kind: type[StrEnum], given: object) -> None:
        """The types of arguments list every value."""
        enumeration, literals = get_args(given)
        assert enumeration is kind
        assert get_args(literals) == tuple(kind)

    def test_errors(self) -> None:
        """A value that no member has is an InvalidValue, and one of another type a TypeError as well; both can be pickled."""
        for wrong, is_type_error in ((5, True), (None, True), ("to", False), (ReportFormat.BCC, False)):
            with pytest.raises(InvalidValue) as raised:
                as_member("role", wrong, Role)
            assert raised.value.field == "role"
            assert isinstance(raised.value, TypeError) is is_type_error
            copy = pickle.loads(pickle.dumps(raised.value))
            assert (type(copy), str(copy)) == (type(raised.value), str(raised.value))
        assert as_member("role", "Cc", Role) is as_member("role", Role.CC, Role) is Role.CC

    def test_message(self) -> None:
        """A wrong type is reported with what is expected."""
        with pytest.raises(TypeError, match=r"^role: must be a Role or its value, not int$"):
            Recipient("bob@example.net", 5)  # type: ignore[arg-type]
