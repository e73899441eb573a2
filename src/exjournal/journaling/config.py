"""Rules, organization and agent from one TOML file, so that running a gateway takes no code.

The keys are the arguments of `Organization`, `JournalRule`, `RuleSet` and `JournalAgent`; errors name the path of the key.
"""

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exjournal.errors import InvalidValue
from exjournal.journaling.agent import JournalAgent
from exjournal.journaling.organization import Organization
from exjournal.journaling.rule_sets import RuleSet
from exjournal.journaling.rules import JournalRule
from exjournal.limits import KEY_PART_LIMIT
from exjournal.reports.seals import known_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from pathlib import Path

# The keys of each table, with the TOML types of their values.
_TABLES: Final = {"organization": (dict,), "rules": (list,), "options": (dict,), "agent": (dict,)}
_ORGANIZATION: Final = {
    "domains": (list,),
    "groups": (dict,),
    "aliases": (dict,),
    "databases": (dict,),
    "hosted_domains": (list,),
    "alternate_mailbox": (str,),
    "voice_mail": (bool,),
    "subaddresses": (bool,),
}
_RULE: Final = {
    "name": (str,),
    "journal_to": (str,),
    "scope": (str,),
    "recipient": (str,),
    "mailboxes": (str, list),
    "enabled": (bool,),
    "format": (str,),
}
_OPTIONS: Final = dict.fromkeys(("fork_mixed", "believe_senders", "obey_processed", "only_new"), (bool,))
_AGENT: Final = {
    "domain": (str,),
    "secret_files": (list,),
    "hold_undeliverable": (bool,),
    "size_limit": (int,),
    "write_processed": (bool,),
    "eight_bit": (bool,),
}
_TYPES: Final = {dict: "a table", list: "an array", str: "a string", bool: "true or false", int: "an integer"}
_LINE_ENDS: Final = b"\r\n"
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
# A dotted key without its last part; parts are bare or in quotes (TOML 1.0, "Keys"). The pattern also matches in strings and
# comments, where nobody writes that many dots either.
_DOTTED: Final = re.compile(r"""(?:(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+)++""")


class Config(NamedTuple):
    """The contents of a file of rules: the rules; the agent, or None without an `[agent]` table; and the agent's secrets."""

    rules: RuleSet
    agent: JournalAgent | None
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"<Config: {len(self.rules.rules)} rules, {len(self.secrets)} secrets>"


def load_config(path: "str | PathLike[str]", /) -> Config:
    """Read rules, organization and agent from a TOML file (TOML 1.0).

    The paths of secret files are relative to its folder. Raises InvalidValue, whose `.field` is the path of the key, or "" for
    the file as a whole, such as one that is not TOML or has a key of more than 200 parts. Raises OSError if the file cannot be
    read, and TypeError if `path` is not a path.
    """
    import tomllib
    from pathlib import Path

    try:
        # Some editors write a byte order mark, which TOML does not know.
        text = _read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValue("", f"is not UTF-8: byte {error.start}") from None
    if any(run[0].count(".") >= KEY_PART_LIMIT for run in _DOTTED.finditer(text)):
        raise InvalidValue("", f"has a key of more than {KEY_PART_LIMIT} parts")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue("", f"is not valid TOML: {error}") from None
    except (ValueError, RecursionError):
        raise InvalidValue("", "has tables nested too deep, or a number with too many digits") from None
    tables = _table("", document, _TABLES, required=("organization",))
    organization = _organization(tables["organization"])
    rules = _rules(tables.get("rules", []))
    options = _table("options", tables.get("options", {}), _OPTIONS)
    rule_set = RuleSet(rules, organization, **options)
    if "agent" not in tables:
        return Config(rule_set, None, ())
    values = _table("agent", tables["agent"], _AGENT, required=("domain",))
    secrets = _secrets(Path(path).parent, values.pop("secret_files", []))
    try:
        return Config(rule_set, JournalAgent(rule_set, secrets=secrets, **values), secrets)
    except InvalidValue as error:
        raise InvalidValue(f"agent.{error.field}", error.reason) from None


def load_secret(path: "str | PathLike[str]", /) -> bytes:
    """Read a secret from a file of its own: all bytes of the file except line ends at its end.

    Raises InvalidValue if the secret has fewer than 16 bytes, OSError if the file cannot be read, and TypeError if `path` is
    not a path.
    """
    (secret,) = known_secrets((_read(path).rstrip(_LINE_ENDS),))
    return secret


def _read(path: "str | PathLike[str]") -> bytes:
    from pathlib import Path

    try:
        return Path(path).read_bytes()
    except ValueError:
        raise InvalidValue("", "cannot be read: a file cannot have this name") from None


def _organization(table: "dict[str, Any]") -> Organization:
    values = _table("organization", table, _ORGANIZATION, required=("domains",))
    try:
        return Organization(values.pop("domains"), **values)
    except InvalidValue as error:
        raise InvalidValue(f"organization.{error.field}", error.reason) from None


def _rules(tables: "list[Any]") -> list[JournalRule]:
    rules = []
    for number, table in enumerate(tables):
        path = f"rules[{number}]"
        if not isinstance(table, dict):
            raise InvalidValue(path, "must be a table")
        values = _table(path, table, _RULE, required=("name", "journal_to"))
        try:
            rules.append(JournalRule(**values))
        except InvalidValue as error:
            raise InvalidValue(f"{path}.{error.field}", error.reason) from None
    return rules


def _secrets(folder: "Path", names: "list[Any]") -> tuple[bytes, ...]:
    secrets = []
    for number, name in enumerate(names):
        path = f"agent.secret_files[{number}]"
        if not isinstance(name, str):
            raise InvalidValue(path, "must be a string")
        try:
            secrets.append(load_secret(folder / name))
        except InvalidValue as error:
            raise InvalidValue(path, error.reason) from None
        except OSError as error:
            raise InvalidValue(path, f"cannot be read: {error.strerror or error}") from None
    return tuple(secrets)


def _table(
    path: str, table: "dict[str, Any]", keys: "Mapping[str, tuple[type, ...]]", *, required: tuple[str, ...] = ()
) -> "dict[str, Any]":
    """A copy of a table of which every key is known and every value has its type."""
    prefix = f"{path}." if path else ""
    for key, value in table.items():
        if key not in keys:
            written = key if _BARE_KEY.fullmatch(key) else f'"{key}"'
            raise InvalidValue(f"{prefix}{written}", f"is not a known key; it must be one of {', '.join(keys)}")
        if type(value) not in keys[key]:
            raise InvalidValue(f"{prefix}{key}", f"must be {' or '.join([_TYPES[type_] for type_ in keys[key]])}")
    for key in required:
        if key not in table:
            raise InvalidValue(f"{prefix}{key}", "is missing")
    return dict(table)
