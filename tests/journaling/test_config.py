"""The TOML file: every key reaches its constructor, and an error names the path of its key."""

import inspect
import json
import pickle
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exjournal import (
    InvalidValue,
    JournalAgent,
    JournalRule,
    Organization,
    ReportFormat,
    RuleSet,
    Scope,
    load_config,
    load_secret,
)
from exjournal.journaling.config import Config
from exjournal.limits import SECRET_MINIMUM

FIRST = b"the first secret of all"
SECOND = b"\x00\xff\r\n a secret of bytes \x1a"

# Every key, with a value other than its default.
FULL: dict[str, Any] = {
    "organization": {
        "domains": ["*.example.com", "b\u00fccher.example"],
        "groups": {"staff@example.com": ["bob@example.com", "region"], "region": ["carol@example.com"]},
        "aliases": {"bob@example.com": ["b@example.com"], "robert@example.com": "bob@example.com"},
        "databases": {"DB 1": ["dave@example.com"]},
        "hosted_domains": ["cloud.example"],
        "alternate_mailbox": "ndr@example.com",
        "voice_mail": False,
        "subaddresses": True,
    },
    "rules": [
        {
            "name": "Legal",
            "journal_to": "legal@archive.example",
            "scope": "external",
            "recipient": "staff@example.com",
            "enabled": False,
            "format": "bcc",
        },
        {"name": "DB 1", "journal_to": "db@archive.example", "mailboxes": "DB 1"},
        {"name": "Two", "journal_to": "two@archive.example", "mailboxes": ["erin@example.com", "frank@example.com"]},
    ],
    "options": {"fork_mixed": True, "believe_senders": True, "obey_processed": True, "only_new": True},
    "agent": {
        "domain": "example.com",
        "secret_files": ["first.secret", "below/second.secret"],
        "hold_undeliverable": True,
        "size_limit": 1_000_000,
        "write_processed": True,
        "eight_bit": True,
    },
}
# The smallest file.
LEAST = {"organization": {"domains": ["example.com"]}}

STRING, INTEGER, BOOLEAN, ARRAY, TABLE = "string", "integer", "boolean", "array", "table"
# Values of each TOML type; 0 and 1 are not booleans, and true is not an integer.
OF_TYPE: dict[str, list[Any]] = {
    STRING: ["text", ""],
    INTEGER: [1, 0],
    BOOLEAN: [True, False],
    ARRAY: [["bob@example.com"], []],
    TABLE: [{"bob@example.com": "carol@example.com"}, {"bob@example.com": 1}, {}],
    "float": [1.5, 0.0, float("inf"), float("nan")],
    "date": [date(2026, 1, 1)],
}
# The path of each key, as errors name it, with the types that are accepted there.
TYPES = {
    "organization": (TABLE,),
    "organization.domains": (ARRAY,),
    "organization.domains[1]": (STRING,),
    "organization.groups": (TABLE,),
    'organization.groups."staff@example.com"': (STRING, ARRAY),
    'organization.groups."staff@example.com"[1]': (STRING,),
    "organization.aliases": (TABLE,),
    'organization.aliases."bob@example.com"': (STRING, ARRAY),
    'organization.aliases."bob@example.com"[0]': (STRING,),
    "organization.databases": (TABLE,),
    'organization.databases."DB 1"': (STRING, ARRAY),
    'organization.databases."DB 1"[0]': (STRING,),
    "organization.hosted_domains": (ARRAY,),
    "organization.hosted_domains[0]": (STRING,),
    "organization.alternate_mailbox": (STRING,),
    "organization.voice_mail": (BOOLEAN,),
    "organization.subaddresses": (BOOLEAN,),
    "rules": (ARRAY,),
    "rules[1]": (TABLE,),
    "rules[0].name": (STRING,),
    "rules[0].journal_to": (STRING,),
    "rules[0].scope": (STRING,),
    "rules[0].recipient": (STRING,),
    "rules[0].enabled": (BOOLEAN,),
    "rules[0].format": (STRING,),
    "rules[2].mailboxes": (STRING, ARRAY),
    "rules[2].mailboxes[1]": (STRING,),
    "options": (TABLE,),
    "options.fork_mixed": (BOOLEAN,),
    "options.believe_senders": (BOOLEAN,),
    "options.obey_processed": (BOOLEAN,),
    "options.only_new": (BOOLEAN,),
    "agent": (TABLE,),
    "agent.domain": (STRING,),
    "agent.secret_files": (ARRAY,),
    "agent.secret_files[1]": (STRING,),
    "agent.hold_undeliverable": (BOOLEAN,),
    "agent.size_limit": (INTEGER,),
    "agent.write_processed": (BOOLEAN,),
    "agent.eight_bit": (BOOLEAN,),
}
AGENT = inspect.signature(JournalAgent).parameters
_STEP = re.compile(r'"([^"]*)"|\[(\d+)\]|([A-Za-z0-9_-]+)')


def toml(value: object) -> str:
    """A value as TOML, tables on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join([f"{toml(key)} = {toml(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return value.isoformat() if isinstance(value, date) else repr(value)


def written(table: dict[str, Any]) -> str:
    """A file as TOML, a line for each table."""
    return "".join([f"{toml(key)} = {toml(value)}\n" for key, value in table.items()])


def steps(path: str) -> list[str | int]:
    """The keys and numbers of a path."""
    return [int(number) if number else key or quoted for quoted, number, key in _STEP.findall(path)]


def changed(path: str, value: object, table: dict[str, Any] = FULL) -> dict[str, Any]:
    """A file with another value at a path."""
    copy = deepcopy(table)
    place: Any = copy
    *way, last = steps(path)
    for step in way:
        place = place[step]
    place[last] = value
    return copy


def without(path: str) -> dict[str, Any]:
    """The full file without the key at a path."""
    copy = deepcopy(FULL)
    place: Any = copy
    *way, last = steps(path)
    for step in way:
        place = place[step]
    del place[last]
    return copy


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below the working folder, with the secrets that the full file names."""
    monkeypatch.chdir(tmp_path)
    files = tmp_path / "there"
    (files / "below").mkdir(parents=True)
    (files / "first.secret").write_bytes(FIRST + b"\n")
    (files / "below" / "second.secret").write_bytes(SECOND + b"\r\n")
    return files


def load(table: dict[str, Any] | str | bytes) -> Config:
    """Load the configuration from a file with this content."""
    text = written(table) if isinstance(table, dict) else table
    path = Path("there/journal.toml")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config(path)


def facts(config: Config) -> tuple[RuleSet, dict[str, object], tuple[bytes, ...]]:
    """The rules, everything that an agent was given, and the secrets of a configuration."""
    agent = config.agent
    return config.rules, {} if agent is None else {name: getattr(agent, name) for name in AGENT}, config.secrets


def refused(table: dict[str, Any] | str | bytes) -> InvalidValue:
    """The error that a file is refused with; it must not show a secret."""
    with pytest.raises(InvalidValue) as caught:
        load(table)
    words = f"{caught.value!r} {caught.value}"
    assert caught.value.reason
    assert FIRST.decode() not in words
    assert "a secret of bytes" not in words
    return caught.value


class TestKeys:
    """The values of a file are the arguments of the constructors."""

    def test_everything(self) -> None:
        """Every key reaches its constructor."""
        table = FULL["organization"]
        organization = Organization(
            table["domains"],
            groups=table["groups"],
            aliases=table["aliases"],
            databases=table["databases"],
            hosted_domains=["cloud.example"],
            alternate_mailbox="ndr@example.com",
            voice_mail=False,
            subaddresses=True,
        )
        rules = [
            JournalRule(
                "Legal",
                "legal@archive.example",
                scope=Scope.EXTERNAL,
                recipient="staff@example.com",
                enabled=False,
                format=ReportFormat.BCC,
            ),
            JournalRule.for_database("DB 1", "db@archive.example", mailboxes="DB 1"),
            JournalRule.for_database("Two", "two@archive.example", mailboxes=["erin@example.com", "frank@example.com"]),
        ]
        rule_set = RuleSet(
            rules, organization, fork_mixed=True, believe_senders=True, obey_processed=True, only_new=True
        )
        agent = JournalAgent(
            rule_set,
            domain="example.com",
            secrets=[FIRST, SECOND],
            hold_undeliverable=True,
            size_limit=1_000_000,
            write_processed=True,
            eight_bit=True,
        )
        assert facts(load(FULL)) == facts(Config(rule_set, agent, (FIRST, SECOND)))

    @pytest.mark.parametrize(
        ("path", "value", "given"),
        [
            *[(f"options.{name}", value, value) for name in FULL["options"] for value in (False, True)],
            *[
                (f"organization.{name}", value, value)
                for name in ("voice_mail", "subaddresses")
                for value in (False, True)
            ],
            *[
                (f"agent.{name}", value, value)
                for name in ("hold_undeliverable", "write_processed", "eight_bit")
                for value in (False, True)
            ],
            *[("rules[0].scope", str(scope), scope) for scope in Scope],
            *[("rules[0].format", str(format), format) for format in ReportFormat],
            ("rules[0].enabled", True, True),
            ("rules[2].mailboxes", "db 1", "db 1"),
            ("organization.domains", [], ()),
            ("organization.groups", {}, {}),
            ("organization.databases", {"DB 1": "erin@example.com"}, {"DB 1": ("erin@example.com",)}),
            ("agent.size_limit", 1, 1),
            ("agent.domain", "example.net", "example.net"),
            ("rules[0].name", "[2J\u202e, \u4e2d", "[2J\u202e, \u4e2d"),
        ],
    )
    def test_one_key(self, path: str, value: object, given: object) -> None:
        """The value of a key reaches its argument unchanged."""
        if path == "organization.groups":
            config = load(changed("rules", [], changed(path, value)))
        else:
            config = load(changed(path, value))
        assert config.agent is not None
        table, *_, name = steps(path)
        owner: object = {
            "organization": config.rules.organization,
            "options": config.rules,
            "agent": config.agent,
            "rules": config.rules.rules[0 if "rules[0]" in path else -1] if config.rules.rules else None,
        }[str(table)]
        argument = getattr(owner, str(name))
        assert argument == given
        assert isinstance(argument, Mapping) if isinstance(given, dict) else type(argument) is type(given)

    def test_every_argument_has_a_key(self) -> None:
        """There is a key for each argument of the constructors, and the full file has them all."""
        keys = {
            Organization: set(FULL["organization"]),
            JournalRule: set().union(*FULL["rules"]),
            RuleSet: {"rules", "organization", *FULL["options"]},
            JournalAgent: {"rules", "secrets", *FULL["agent"]} - {"secret_files"},
        }
        for owner, known in keys.items():
            assert set(inspect.signature(owner).parameters) == known

    def test_least(self) -> None:
        """Accepted domains are enough: then there are no rules, no agent, and no secrets."""
        config = load(LEAST)
        assert config == (RuleSet([], Organization(["example.com"])), None, ())

    def test_defaults(self) -> None:
        """A missing key leaves the default of the constructor."""
        table = {
            "organization": {"domains": ["example.com"], "alternate_mailbox": "ndr@example.com"},
            "rules": [{"name": "All", "journal_to": "journal@archive.example"}],
            "options": {},
            "agent": {"domain": "example.com"},
        }
        rules = RuleSet(
            [JournalRule("All", "journal@archive.example")],
            Organization(["example.com"], alternate_mailbox="ndr@example.com"),
        )
        assert facts(load(table)) == facts(Config(rules, JournalAgent(rules, domain="example.com"), ()))

    def test_order_of_rules(self) -> None:
        """Rules keep the order of the file."""
        names = [f"Rule {number}" for number in range(20)]
        table = {**LEAST, "rules": [{"name": name, "journal_to": "journal@archive.example"} for name in names]}
        assert [rule.name for rule in load(table).rules.rules] == names

    def test_usual_spelling(self) -> None:
        """Tables in brackets, comments, and lines that end in CRLF are TOML as well."""
        text = (
            "# journaling\n[organization]\ndomains = [\n  'example.com', # ours\n]\n\n"
            "[organization.groups]\n'staff@example.com' = ['bob@example.com']\nregion.below = 1\n"
        )
        text = text.replace("region.below = 1\n", 'region = """carol@example.com"""\n')
        text += "\n[[rules]]\nname = 'All'\njournal_to = 'journal@archive.example'\n"
        organization = Organization(
            ["example.com"], groups={"staff@example.com": ["bob@example.com"], "region": ["carol@example.com"]}
        )
        rules = RuleSet([JournalRule("All", "journal@archive.example")], organization)
        assert load(text).rules == load(text.replace("\n", "\r\n")).rules == rules

    @pytest.mark.parametrize("kind", [str, Path], ids=["string", "path"])
    def test_path(self, kind: type, folder: Path) -> None:
        """The file is named by a string or by a path, from the working folder or from the root."""
        load(FULL)
        assert facts(load_config(kind("there/journal.toml"))) == facts(load_config(kind(folder / "journal.toml")))

    def test_shows_no_secret(self) -> None:
        """Neither the configuration nor a value in it shows a secret."""
        config = load(FULL)
        for value in (config, config.agent, config.rules, *config[:2]):
            assert "secret of" not in f"{value!r} {value}"
            assert "first secret" not in f"{value!r} {value}"


class TestWrongFile:
    """A file that is missing, or not TOML."""

    def test_empty(self) -> None:
        """An empty file lacks the organization."""
        assert refused("").field == refused("# nothing\n").field == "organization"

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("[organization\n", "line 1,"),
            ("\n\n[organization]\ndomains = [\n'example.com'\n", "end of document"),
            ("[organization]\ndomains = ['example.com']\ndomains = []\n", "line 3,"),
            ("[organization]\r\ndomains = ['example.com']\r\n\r\nrules\r\n", "line 4,"),
            ("[organization]\ndomains = ['example.com']\n[organization]\n", "line 3,"),
            ("[agent]\ndomain = example.com\n", "line 2,"),
            ("[organization.groups]\nstaff@example.com = ['bob@example.com']\n", "line 2,"),
            ("a = 2026-02-30T00:00:00\n", "line 1,"),
            ('a = "\\ud800"\n', "line 1,"),
            ("a = '\x1b'\n", "line 1,"),
        ],
    )
    def test_syntax(self, text: str, place: str) -> None:
        """Bad TOML is an error of the file as a whole, with the place of the fault."""
        error = refused(text)
        assert error.field == ""
        assert place in error.reason

    @pytest.mark.parametrize("secret", ["hunter2hunter2hunter2", "correct horse battery"])
    def test_secret_in_bad_syntax(self, secret: str) -> None:
        """The error for a faulty line does not show a secret that somebody wrote there."""
        for text in (
            f"[agent]\nsecret = {secret}",
            f"[agent]\nsecret = '{secret}",
            f'[agent]\nsecret = "{secret}\\q"',
            f"[agent]\nsecrets = ['{secret}'\n'{secret}']",
            f"[agent]\nsecret = '{secret}' '{secret}'",
        ):
            error = refused(text)
            assert secret.split(maxsplit=1)[0] not in f"{error!r} {error}"

    @pytest.mark.parametrize(
        "data",
        [
            b"\xff",
            b"# caf\xe9\n",
            b"a = '\xc3'\n",
            b"a = '\xed\xa0\x80'\n",
            "a = 1\n".encode("utf-16"),
            "a = 1\n".encode("utf-16-le") + b"\xff",
            bytes(range(256)),
        ],
    )
    def test_not_utf8(self, data: bytes) -> None:
        """A file that is not UTF-8 is refused as a whole."""
        assert refused(data).field == ""

    def test_position_of_a_bad_byte(self) -> None:
        """The error names the first byte that is not UTF-8."""
        assert "byte 5" in refused(b"# caf\xe9\n").reason

    def test_byte_order_mark(self) -> None:
        """A byte order mark, which editors on Windows put before UTF-8, is ignored."""
        assert facts(load(b"\xef\xbb\xbf" + written(FULL).encode())) == facts(load(FULL))

    @pytest.mark.parametrize(
        "text",
        [
            "a = " + "[" * 20_000,
            "a = " + "{a = " * 20_000,
            "a = " + "[" * 20_000 + "]" * 20_000,
            ".".join("a" * 5_000) + " = 1",
            "[" + ".".join("a" * 5_000) + "]",
            "a = " + "9" * 5_000,
            "[agent]\nsize_limit = " + "9" * 5_000,
            "a = 0x" + "f" * 5_000,
            "a = 1e" + "9" * 5_000,
        ],
        ids=["arrays", "tables", "closed", "dotted key", "dotted table", "integer", "limit", "hexadecimal", "float"],
    )
    def test_monstrous(self, text: str) -> None:
        """Values nested too deep, or with too many digits, are refused like any other fault."""
        refused(text)

    @pytest.mark.parametrize(
        "key", [".".join("a" * 201), " . ".join(["'a'"] * 201), '"a" .\t' * 201 + "b", "[" + ".".join("a" * 201) + "]"]
    )
    def test_key_of_many_parts(self, key: str) -> None:
        """A dotted key of more than 200 parts is refused unread: the interpreter takes the square of their number."""
        assert refused(f"{key} = 1\n").reason == "has a key of more than 200 parts"

    @pytest.mark.parametrize("key", [".".join("a" * 200), '"' + "." * 300 + '"', " . ".join(["'a'"] * 200)])
    def test_key_at_the_limit(self, key: str) -> None:
        """A key of 200 parts, or of one part with many full stops, is an unknown key like any other."""
        assert refused(f"{key} = 1\n").reason.startswith("is not a known key")

    @pytest.mark.parametrize("name", ["missing.toml", "there", "there/first.secret/journal.toml", "a" * 300])
    def test_unreadable(self, name: str) -> None:
        """A file that cannot be read is an OSError."""
        with pytest.raises(OSError, match=r"\[Errno"):
            load_config(name)


class TestWrongTypes:
    """A value of another type than its key's."""

    @pytest.mark.parametrize(
        ("path", "type_"), [(path, type_) for path in TYPES for type_ in OF_TYPE if type_ not in TYPES[path]]
    )
    def test_wrong_type(self, path: str, type_: str) -> None:
        """Each key takes values of its own types only, and the error names the path."""
        for value in OF_TYPE[type_]:
            assert refused(changed(path, value)).field == path

    def test_all_paths(self) -> None:
        """Every key of the full file has its types in the list of this module."""
        paths = set(FULL)
        for table in ("organization", "options", "agent"):
            paths |= {f"{table}.{key}" for key in FULL[table]}
        assert paths <= set(TYPES)
        assert {path.rpartition(".")[2] for path in TYPES if path.startswith("rules[")} >= {
            "name",
            "mailboxes",
            "format",
        }


class TestUnknownKeys:
    """Keys that do not exist."""

    @pytest.mark.parametrize(
        "key",
        [
            "domain_names",
            "Domains",
            "a-b",
            '"two words"',
            '"dotted.key"',
            '"staff@example.com"',
            '""',
            '"caf\u00e9"',
            "_own",
            "secrets",
            "index",
            "warnings",
        ],
    )
    @pytest.mark.parametrize("table", ["", "organization", "rules[1]", "options", "agent"])
    def test_unknown(self, table: str, key: str) -> None:
        """The error for an unknown key names its path, in quotes if TOML needs them."""
        path = f"{table}.{key}" if table else key
        assert refused(changed(path, "first", FULL)).field == path

    @pytest.mark.parametrize(
        "path",
        ["domains", "rules[0].domains", "options.rules", "options.organization", "agent.rules", "organization.rules"],
    )
    def test_key_of_another_table(self, path: str) -> None:
        """A key in the wrong table is unknown."""
        assert refused(changed(path, ["example.com"])).field == path

    @pytest.mark.parametrize("key", ["secret", "secrets", "key"])
    def test_secret_in_the_file(self, key: str) -> None:
        """A secret that somebody wrote into the file is refused, and not shown."""
        for value in ("hunter2hunter2hunter2", ["hunter2hunter2hunter2"]):
            error = refused(changed(f"agent.{key}", value))
            assert error.field == f"agent.{key}"
            assert "hunter2" not in f"{error!r} {error}"

    def test_secret_for_a_file(self) -> None:
        """A secret in the place of its file's name is not shown either."""
        error = refused(changed("agent.secret_files[1]", "hunter2hunter2hunter2"))
        assert error.field == "agent.secret_files[1]"
        assert "hunter2" not in f"{error!r} {error}"


class TestMissingKeys:
    """Required keys."""

    @pytest.mark.parametrize(
        "path", ["organization", "organization.domains", "rules[1].name", "rules[2].journal_to", "agent.domain"]
    )
    def test_missing(self, path: str) -> None:
        """The error for a missing key names its path."""
        assert refused(without(path)).field == path

    @pytest.mark.parametrize(
        "path",
        sorted(
            {path for path in TYPES if not path.endswith("]")}
            - {
                "organization",
                "organization.domains",
                "rules[0].name",
                "rules[0].journal_to",
                "agent.domain",
                "organization.groups",
                "organization.databases",
                'organization.groups."staff@example.com"',
                'organization.databases."DB 1"',
            }
        ),
    )
    def test_optional(self, path: str) -> None:
        """Every other key can be left out."""
        load(without(path))

    def test_without_an_alternate_mailbox(self) -> None:
        """Without an alternate mailbox an agent needs `hold_undeliverable`."""
        table = {**LEAST, "agent": {"domain": "example.com"}}
        assert refused(table).field == "agent.hold_undeliverable"
        assert refused(changed("agent.hold_undeliverable", False, table)).field == "agent.hold_undeliverable"
        agent = load(changed("agent.hold_undeliverable", True, table)).agent
        assert agent is not None
        assert agent.hold_undeliverable


class TestWrongValues:
    """Invalid values of the right type."""

    @pytest.mark.parametrize(
        ("path", "value", "field"),
        [
            ("organization.domains", ["example.com", ""], "organization.domains[1]"),
            ("organization.domains", ["bob@example.com"], "organization.domains[0]"),
            ("organization.domains", ["a.*.example.com"], "organization.domains[0]"),
            (
                "organization.hosted_domains",
                ["a.example", "b.example", "c\0.example"],
                "organization.hosted_domains[2]",
            ),
            (
                'organization.groups."staff@example.com"',
                ["Bob <bob@example.com>"],
                'organization.groups."staff@example.com"[0]',
            ),
            ('organization.groups."staff@example.com"', "", 'organization.groups."staff@example.com"[0]'),
            (
                'organization.groups."staff@example.com"',
                ["bob@example.com", "nobody"],
                'organization.groups."staff@example.com"[1]',
            ),
            ('organization.groups."Staff@Example.com"', [], 'organization.groups."Staff@Example.com"'),
            ('organization.groups.""', [], "organization.groups"),
            ('organization.aliases."bob@example.com"', ["a@b", "c\nd"], 'organization.aliases."bob@example.com"[1]'),
            ('organization.databases."DB 1"', ["a@b", "c, d"], 'organization.databases."DB 1"[1]'),
            ("organization.alternate_mailbox", "", "organization.alternate_mailbox"),
            ("organization.alternate_mailbox", "ndr", "organization.alternate_mailbox"),
            ("organization.alternate_mailbox", "ndr@cloud.example", "organization.alternate_mailbox"),
            ("organization.alternate_mailbox", "a\0@example.com", "organization.alternate_mailbox"),
            ("organization.alternate_mailbox", "DB@archive.example", "rules[1].journal_to"),
            ("organization.databases", {}, "rules[1].mailboxes"),
            ("rules[1].name", "", "rules[1].name"),
            ("rules[1].name", "two\nlines", "rules[1].name"),
            ("rules[1].name", "LEGAL", "rules[1].name"),
            ("rules[2].journal_to", "", "rules[2].journal_to"),
            ("rules[2].journal_to", "<two@archive.example>", "rules[2].journal_to"),
            ("rules[2].journal_to", "journal", "rules[2].journal_to"),
            ("rules[2].journal_to", "two@cloud.example", "rules[2].journal_to"),
            ("rules[1].scope", "Global", "rules[1].scope"),
            ("rules[1].scope", "", "rules[1].scope"),
            ("rules[1].format", "envelope-2007", "rules[1].format"),
            ("rules[0].recipient", "", "rules[0].recipient"),
            ("rules[0].recipient", "nobody", "rules[0].recipient"),
            ("rules[1].recipient", "bob@example.com", "rules[1].mailboxes"),
            ("rules[1].mailboxes", "DB 2", "rules[1].mailboxes"),
            ("rules[1].mailboxes", "", "rules[1].mailboxes"),
            ("rules[1].mailboxes", [], "rules[1].mailboxes"),
            ("rules[1].mailboxes", ["a@example.com", "b@example.com", "<c>"], "rules[1].mailboxes[2]"),
            ("agent.domain", "", "agent.domain"),
            ("agent.domain", "two words", "agent.domain"),
            ("agent.domain", "b\u00fccher.example", "agent.domain"),
            ("agent.size_limit", 0, "agent.size_limit"),
            ("agent.size_limit", -1, "agent.size_limit"),
            ("agent.secret_files", ["first.secret", "missing.secret"], "agent.secret_files[1]"),
            ("agent.secret_files", ["below"], "agent.secret_files[0]"),
            ("agent.secret_files", [""], "agent.secret_files[0]"),
            ("agent.secret_files", ["a\0b"], "agent.secret_files[0]"),
            ("agent.secret_files", ["a" * 300], "agent.secret_files[0]"),
        ],
    )
    def test_invalid(self, path: str, value: object, field: str) -> None:
        """The error for an invalid value names the path of the key to correct."""
        assert refused(changed(path, value)).field == field

    def test_two_formats(self) -> None:
        """If two rules give one journal mailbox two formats, the error names the second one."""
        one = {"name": "One", "journal_to": "two@archive.example", "format": "bcc"}
        table = {**LEAST, "rules": [one, {"name": "Two", "journal_to": "TWO@archive.example"}]}
        assert refused(table).field == "rules[1].format"

    def test_names_the_choices(self) -> None:
        """The error for an unknown key, or for a value that must be one of several, lists the choices."""
        assert all(scope in refused(changed("rules[1].scope", "inside")).reason for scope in Scope)
        assert all(format in refused(changed("rules[1].format", "x")).reason for format in ReportFormat)
        assert all(key in refused(changed("agent.secret", "x")).reason for key in FULL["agent"])

    def test_survives_a_process(self) -> None:
        """The error can be pickled, with its path."""
        error = refused(changed("rules[1].scope", "inside"))
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.field, copy.reason, str(copy)) == (error.field, error.reason, str(error))


class TestSecrets:
    """Files that hold a secret each."""

    @pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n\n"])
    @pytest.mark.parametrize(
        "secret",
        [
            b"0123456789abcdef",
            b" 0123456789abcdef ",
            b"two\r\nlines of text\n\nwith a third",
            bytes(range(256)),
            b"\0" * 16,
            b"\n" + b"x" * 15,
            b"\xef\xbb\xbf0123456789abcdef",
            b"x" * 100_000,
        ],
        ids=["text", "spaces", "lines", "bytes", "zeros", "line end first", "mark", "long"],
    )
    def test_bytes(self, secret: bytes, line_end: bytes, folder: Path) -> None:
        """A secret is every byte of its file except line ends at the end, alone and in a configuration."""
        (folder / "first.secret").write_bytes(secret + line_end)
        assert load_secret(folder / "first.secret") == secret
        assert load_secret(str(folder / "first.secret")) == secret
        config = load(FULL)
        assert config.agent is not None
        assert config.secrets == config.agent.secrets == (secret, SECOND)

    @pytest.mark.parametrize("size", [0, 1, SECRET_MINIMUM - 1])
    @pytest.mark.parametrize("line_ends", [b"", b"\n", b"\r\n" * 20])
    def test_too_short(self, size: int, line_ends: bytes, folder: Path) -> None:
        """A secret that is too short is refused, also with line ends after it, and is not shown."""
        (folder / "below" / "second.secret").write_bytes(b"hunter2hunter2hunter2"[:size] + line_ends)
        error = refused(FULL)
        assert error.field == "agent.secret_files[1]"
        assert str(SECRET_MINIMUM) in error.reason
        with pytest.raises(InvalidValue) as caught:
            load_secret(folder / "below" / "second.secret")
        for each in (error, caught.value):
            assert "hunter" not in f"{each!r} {each}"

    def test_long_enough(self, folder: Path) -> None:
        """The minimum size of a secret is enough."""
        (folder / "first.secret").write_bytes(b"x" * SECRET_MINIMUM)
        assert load(FULL).secrets[0] == b"x" * SECRET_MINIMUM

    @pytest.mark.parametrize("name", ["missing", "there", "there/first.secret/none"])
    def test_unreadable(self, name: str) -> None:
        """A secret file that cannot be read is an OSError from `load_secret`."""
        with pytest.raises(OSError, match=r"\[Errno"):
            load_secret(name)

    def test_says_why(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        """If a configuration names a secret file that cannot be read, the error has the reason and the path of the key."""
        assert "No such file" in refused(changed("agent.secret_files[0]", "missing")).reason
        read_bytes = Path.read_bytes

        def read(path: Path) -> bytes:
            if path.name == "first.secret":
                raise error
            return read_bytes(path)

        monkeypatch.setattr(Path, "read_bytes", read)
        for error in (PermissionError(13, "Permission denied"), OSError("broken")):
            refusal = refused(FULL)
            assert refusal.field == "agent.secret_files[0]"
            assert (error.strerror or "cannot be read") in refusal.reason
        assert folder.exists()

    def test_name_that_cannot_be_encoded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that the file system cannot encode is an error like a missing file."""
        error = UnicodeEncodeError("ascii", "caf\u00e9", 3, 4, "ordinal not in range(128)")
        read_bytes = Path.read_bytes

        def read(path: Path) -> bytes:
            if path.name == "caf\u00e9":
                raise error
            return read_bytes(path)

        monkeypatch.setattr(Path, "read_bytes", read)
        assert refused(changed("agent.secret_files[0]", "caf\u00e9")).field == "agent.secret_files[0]"

    def test_beside_the_file(self, tmp_path: Path, folder: Path) -> None:
        """Secret files are relative to the folder of the file of rules, not to the working folder; they may be absolute."""
        (tmp_path / "first.secret").write_bytes(b"a secret of the working folder")
        (tmp_path / "outside.secret").write_bytes(b"one in the folder above")
        names = ["first.secret", "./below/../below/second.secret", "../outside.secret", str(tmp_path / "first.secret")]
        table = changed("agent.secret_files", names)
        assert load(table).secrets == (FIRST, SECOND, b"one in the folder above", b"a secret of the working folder")
        assert folder != Path.cwd()

    def test_order(self) -> None:
        """The first file is the secret that signs, in the order of the file; the same one can be named twice."""
        names = ["below/second.secret", "first.secret", "first.secret"]
        assert load(changed("agent.secret_files", names)).secrets == (SECOND, FIRST, FIRST)

    def test_read_each_time(self, folder: Path) -> None:
        """A secret that was replaced is read when the file of rules is read again."""
        load(FULL)
        (folder / "first.secret").write_bytes(b"another one of many bytes")
        assert load(FULL).secrets == (b"another one of many bytes", SECOND)


# Values for keys: some are right for some key, most are wrong for all.
_WORDS = st.sampled_from(
    [
        "",
        "example.com",
        "*.example.com",
        "cloud.example",
        "bob@example.com",
        "BOB@EXAMPLE.com",
        "staff@example.com",
        "ndr@example.com",
        "j@archive.example",
        "region",
        "DB 1",
        "global",
        "external",
        "envelope",
        "bcc",
        "message-only",
        "first.secret",
        "two\nlines",
        "a\0b",
        "\u00df@\u00df.example",
        "a@" + "x" * 70 + ".\u00e9.example",
        "@",
        "+@+",
        "*.",
        "*.*",
        "\ud7ff@\u2024.\u3002",
    ]
)
_TEXTS = _WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_LEAVES = st.one_of(
    _TEXTS,
    _TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, 1.5, float("inf"), date(2026, 1, 1)]),
)
_KEYS = st.sampled_from(
    sorted({str(step) for path in TYPES for step in steps(path)} | {"a.b", "caf\u00e9", "two words", "region", ""})
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)


def _places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    places = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            places += _places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            places += _places(inner, (*path, number))
    return places


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """The full file with values replaced, added or removed anywhere, or tables of any values."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.dictionaries(_KEYS, _VALUES, max_size=5))
    table = deepcopy(FULL)
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(_places(table)[1:] or [("organization",)]))
        place: Any = table
        for step in way:
            place = place[step]
        match draw(st.integers(0, 3)):
            case 0 if last in place or isinstance(last, int):
                del place[last]
            case 1 if isinstance(place, dict):
                place[draw(_KEYS)] = draw(_VALUES)
            case 2 if isinstance(place, list):
                place.insert(int(last), draw(_VALUES))
            case _:
                place[last] = draw(_VALUES)
    return table


_PIECES = st.sampled_from(
    [
        "[organization]\n",
        "[organization.groups]\n",
        "[[rules]]\n",
        "[[organization]]\n",
        "[rules.a]\n",
        "[[rules.a]]\n",
        "[agent]\n",
        "[options]\n",
        "domains = ['example.com']\n",
        "rules = []\n",
        "name = 'a'\n",
        "journal_to = 'j@archive.example'\n",
        "'staff@example.com' = 'bob@example.com'\n",
        "a.b.c = {d = 1, d.e = 2}\n",
        'a = """',
        "'''",
        '\\"',
        "\\u0000",
        "\\U00110000",
        "0x",
        "1979-05-27T07:32:00-25:61",
        "24:00:00",
        "1e400",
        "-nan",
        "+0b1_0",
        "=",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "#",
        '"',
        "\n",
        "\r",
        "\r\n",
        "\ufeff",
        "\x7f",
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Files that are hardly ever TOML."""
    match draw(st.integers(0, 3)):
        case 0:
            return draw(st.binary(max_size=60))
        case 1:
            text = written(draw(configurations()))
            place = draw(st.integers(0, len(text)))
            return (text[:place] + draw(_PIECES) + text[place + draw(st.integers(0, 3)) :]).encode()
        case _:
            return "".join(draw(st.lists(_PIECES | st.text("ab='\"[]\n", max_size=3), max_size=20))).encode(
                errors="replace"
            )


def outcome(data: bytes) -> Config | InvalidValue:
    """Load a file in a folder with the secrets of the full one: its configuration, or the error."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "below").mkdir()
        (folder / "first.secret").write_bytes(FIRST)
        (folder / "below" / "second.secret").write_bytes(SECOND)
        (folder / "journal.toml").write_bytes(data)
        try:
            return load_config(folder / "journal.toml")
        except InvalidValue as error:
            return error


class TestAnything:
    """Any file is a configuration, or is refused with a path."""

    @given(texts())
    @example(b"a = []\n[[a.b]]\n")
    @example(b"a = [{}]\n[a.b]\n")
    @example(b"rules = []\n[[rules]]\n")
    def test_any_text(self, data: bytes) -> None:
        """Any text is a configuration or an InvalidValue."""
        assert isinstance(outcome(data), Config | InvalidValue)

    @pytest.mark.slow
    @given(configurations())
    def test_any_values(self, table: dict[str, Any]) -> None:
        """So are any values, and the path of the error leads to the wrong value, or to the place of a missing one."""
        text = written(table)
        assert tomllib.loads(text) == table or "nan" in text
        loaded = outcome(text.encode())
        if isinstance(loaded, Config):
            assert tuple(rule.name for rule in loaded.rules.rules) == tuple(
                rule["name"] for rule in table.get("rules", [])
            )
            return
        assert loaded.field
        place: Any = table
        way = steps(loaded.field)
        assert "".join([f"[{step}]" if isinstance(step, int) else f".{step}" for step in way]).lstrip(".") == (
            loaded.field.replace('"', "")
        )
        for number, step in enumerate(way):
            if isinstance(place, str):
                assert step == 0, "a string is a list of one"
                place = None
            elif isinstance(place, list) and isinstance(step, int):
                place = place[step]
            else:
                assert isinstance(place, dict)
                assert step in place or number == len(way) - 1
                place = place.get(step)

    @given(configurations())
    def test_same_again(self, table: dict[str, Any]) -> None:
        """The order of keys in the file does not matter."""
        loaded = outcome(written(table).encode())
        other = outcome(written(dict(reversed(table.items()))).encode())
        assert type(loaded) is type(other)
        if isinstance(loaded, Config):
            assert isinstance(other, Config)
            assert facts(loaded) == facts(other)
