"""The place of an item: in a file, in a mailbox file, or in nested archives."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from exjournal.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping
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
        """Return the source as data for JSON: `path`, and those of `members`, `offset`, `size` and `mbox` that it has."""
        result: dict[str, object] = {"path": self.path}
        if self.members:
            result["members"] = [{"name": name, "place": place} for name, place in self.members]
        for name in ("offset", "size", "mbox"):
            value = getattr(self, name)
            if value is not None:
                result[name] = value
        return result

    @classmethod
    def from_dict(cls, data: "Mapping[str, object]", /) -> "Self":
        """Return the source for the result of `to_dict()`. Other keys are ignored. Raises InvalidValue."""
        try:
            return cls(**_source_fields(data))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InvalidValue("source", "must be the result of Source.to_dict()") from None


def _source_fields(data: "Mapping[str, Any]") -> "dict[str, Any]":
    variant = data.get("mbox")
    members = tuple([(member["name"], member["place"]) for member in data.get("members", ())])
    numbers = [place for _, place in members]
    numbers += [data[name] for name in ("offset", "size") if data.get(name) is not None]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(numbers)
    if not all(isinstance(name, str) for name in (data["path"], *[name for name, _ in members])):
        raise TypeError(data["path"])
    return {
        "path": data["path"],
        "members": members,
        "offset": data.get("offset"),
        "size": data.get("size"),
        "mbox": None if variant is None else MboxVariant(variant),
    }
