"""Rules, organisation and agent from one TOML file, so that who runs a gateway writes no code for them.

The keys are the arguments of `Organization`, `JournalRule`, `RuleSet` and `JournalAgent`; whatever is wrong is told with the
path of its key.
"""

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exjournal.errors import InvalidValue
from exjournal.journaling.agent import JournalAgent
from exjournal.journaling.organization import Organization
from exjournal.journaling.rules import JournalRule, RuleSet
from exjournal.limits import KEY_PART_LIMIT
from exjournal.reports.seals import known_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from pathlib import Path

# What may stand where, and of which type it is in TOML.
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
# The parts of a dotted key but for its last, bare or in quotes (TOML 1.0, "Keys"). It also finds text in strings and comments,
# where no one writes so many either.
_DOTTED: Final = r"""(?:(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+)++"""


class Config(NamedTuple):
    """What a file says: the rules, the agent where it has a table for one, and the secrets of that table."""

    rules: RuleSet
    agent: JournalAgent | None
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"<Config: {len(self.rules.rules)} rules, {len(self.secrets)} secrets>"


def load_config(path: "str | PathLike[str]", /) -> Config:
    """Read rules, organisation and agent from a TOML file (TOML 1.0).

    Files of secrets are looked for beside it. Raises InvalidValue, whose `.field` is the path of the key, "" for the file as a
    whole, and OSError where the file cannot be read.
    """
    import tomllib
    from pathlib import Path

    try:
        # Some editors write a byte order mark, which TOML does not know.
        text = _octets(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValue("", f"is no UTF-8: octet {error.start}") from None
    if any(run[0].count(".") >= KEY_PART_LIMIT for run in re.finditer(_DOTTED, text)):
        raise InvalidValue("", f"holds a key of more than {KEY_PART_LIMIT} parts")
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue("", f"is no TOML: {error}") from None
    except (ValueError, RecursionError):
        raise InvalidValue("", "is no TOML that can be read: tables too deep, or a number too long") from None
    tables = _table("", told, _TABLES, required=("organization",))
    organization = _organization(tables["organization"])
    rules = _rules(tables.get("rules", []))
    options = _table("options", tables.get("options", {}), _OPTIONS)
    rule_set = RuleSet(rules, organization, **options)
    if "agent" not in tables:
        return Config(rule_set, None, ())
    given = _table("agent", tables["agent"], _AGENT, required=("domain",))
    secrets = _secrets(Path(path).parent, given.pop("secret_files", []))
    try:
        return Config(rule_set, JournalAgent(rule_set, secrets=secrets, **given), secrets)
    except InvalidValue as error:
        raise InvalidValue(f"agent.{error.field}", error.reason) from None


def load_secret(path: "str | PathLike[str]", /) -> bytes:
    """Read a secret from a file of its own: all of its octets but the line ends at the end.

    Raises InvalidValue where it is too short to be one, and OSError where the file cannot be read.
    """
    (secret,) = known_secrets((_octets(path).rstrip(_LINE_ENDS),))
    return secret


def _octets(path: "str | PathLike[str]") -> bytes:
    from pathlib import Path

    try:
        return Path(path).read_bytes()
    except ValueError:
        raise InvalidValue("", "cannot be read: no file can have this name") from None


def _organization(told: "dict[str, Any]") -> Organization:
    values = _table("organization", told, _ORGANIZATION, required=("domains",))
    try:
        return Organization(values.pop("domains"), **values)
    except InvalidValue as error:
        raise InvalidValue(f"organization.{error.field}", error.reason) from None


def _rules(told: "list[Any]") -> list[JournalRule]:
    rules = []
    for number, table in enumerate(told):
        path = f"rules[{number}]"
        if not isinstance(table, dict):
            raise InvalidValue(path, "is not a table")
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
            raise InvalidValue(path, "is not a string")
        try:
            secrets.append(load_secret(folder / name))
        except InvalidValue as error:
            raise InvalidValue(path, error.reason) from None
        except OSError as error:
            raise InvalidValue(path, f"cannot be read: {error.strerror or error}") from None
    return tuple(secrets)


def _table(
    path: str, told: "dict[str, Any]", keys: "Mapping[str, tuple[type, ...]]", *, required: tuple[str, ...] = ()
) -> "dict[str, Any]":
    """The values of a table, each known and of its type."""
    below = f"{path}." if path else ""
    for key, value in told.items():
        if key not in keys:
            raise InvalidValue(f"{below}{_shown(key)}", f"is none of {', '.join(keys)}")
        if type(value) not in keys[key]:
            raise InvalidValue(f"{below}{key}", f"is not {' or '.join([_TYPES[one] for one in keys[key]])}")
    for key in required:
        if key not in told:
            raise InvalidValue(f"{below}{key}", "is missing")
    return dict(told)


def _shown(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
