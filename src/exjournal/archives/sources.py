"""The place of an item: in a file, in a mailbox file, or in nested archives."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from exjournal.errors import InvalidValue, wrong_type
from exjournal.lines import json_text

if TYPE_CHECKING:
    from typing import Self


class MboxVariant(StrEnum):
    """How a mailbox file was written: which lines of a message got a `>`, and whether Content-Length counts.

    MBOXO: `From ` became `>From `, which cannot be distinguished from a `>From ` of the message.
    MBOXRD: every `>From ` got one more `>` as well.
    MBOXCL: as MBOXO, with Content-Length.
    MBOXCL2: Content-Length, and no line was changed.
    FROM_ANY: every line that begins with `From` or `>From`, with a space after it or not, got one more `>`.
    """

    MBOXO = "mboxo"
    MBOXRD = "mboxrd"
    MBOXCL = "mboxcl"
    MBOXCL2 = "mboxcl2"
    FROM_ANY = "from-any"


# A variant or its value.
AnyVariant: TypeAlias = MboxVariant | Literal["mboxo", "mboxrd", "mboxcl", "mboxcl2", "from-any"]


class Source(NamedTuple):
    """The place of an item, whose bytes `read_source` reads again; `str()` puts it in words.

    * `path`: the path of a file.
    * `members`: the member of each archive on the way, from the outside in: its name, and its place, which is the offset of its
      header block in a tar file and its number in a zip file.
    * `offset`, `size`: the bytes of a message in a mailbox file.
    * `mbox`: how its quoting was undone.
    """

    path: str
    members: tuple[tuple[str, int], ...] = ()
    offset: int | None = None
    size: int | None = None
    mbox: MboxVariant | None = None

    def __str__(self) -> str:
        place = "" if self.offset is None else f"@{self.offset}"
        return ":".join([self.path, *[name for name, _ in self.members]]) + place

    def to_dict(self) -> dict[str, object]:
        """Return the source as data for JSON; `docs/reference/data.md` describes the keys.

        In the path and the names, NUL becomes U+2400 and a lone surrogate U+FFFD; `escaped` is then true, and `exact` has the
        bytes of each, so that the source can be read from its data.
        """
        names = [self.path, *[name for name, _ in self.members]]
        shown = [json_text(name) for name in names]
        is_escaped = shown != names
        return {
            "path": shown[0],
            "members": [
                {"name": name, "place": place} for name, (_, place) in zip(shown[1:], self.members, strict=True)
            ],
            "offset": self.offset,
            "size": self.size,
            "mbox": None if self.mbox is None else str(self.mbox),
            "escaped": is_escaped,
            "exact": [b2a_base64(_bytes_of(name), newline=False).decode("ascii") for name in names]
            if is_escaped
            else None,
        }

    @classmethod
    def from_dict(cls, data: "Mapping[str, object]", /) -> "Self":
        """Return the source for the result of `to_dict()`. Other keys are ignored. Raises InvalidValue."""
        given: object = data
        if not isinstance(given, Mapping):
            raise wrong_type("source", given, "a mapping, the result of Source.to_dict()")
        try:
            return cls(**_source_fields(data))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InvalidValue("source", "must be the result of Source.to_dict()") from None


def _source_fields(data: "Mapping[str, Any]") -> "dict[str, Any]":
    variant = data.get("mbox")
    shown = [data["path"], *[member["name"] for member in data.get("members", ())]]
    places = [member["place"] for member in data.get("members", ())]
    numbers = [*places, *[data[name] for name in ("offset", "size") if data.get(name) is not None]]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(numbers)
    if not all(isinstance(name, str) for name in shown):
        raise TypeError(shown)
    exact = data.get("exact")
    if exact is not None:
        pairs = zip(shown, [a2b_base64(text, strict_mode=True) for text in exact], strict=True)
        shown = [_exact_name(name, content) for name, content in pairs]
    return {
        "path": shown[0],
        "members": tuple(zip(shown[1:], places, strict=True)),
        "offset": data.get("offset"),
        "size": data.get("size"),
        "mbox": None if variant is None else MboxVariant(variant),
    }


# A byte of a name that is not UTF-8 is a lone surrogate in Python. Windows has other lone surrogates in names.
_HANDLERS = ("surrogateescape", "surrogatepass")


def _bytes_of(name: str) -> bytes:
    try:
        return name.encode("utf-8", _HANDLERS[0])
    except UnicodeEncodeError:
        return name.encode("utf-8", _HANDLERS[1])


def _exact_name(shown: str, content: bytes) -> str:
    """Return the name that has these bytes and is shown so. Raises ValueError if there is none."""
    for handler in _HANDLERS:
        name = content.decode("utf-8", handler)
        if json_text(name) == shown:
            return name
    raise ValueError(shown)
