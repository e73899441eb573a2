"""Where messages lie: the place of an item in a file, in a mailbox file, or in archives inside one another."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from exjournal.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


class MboxVariant(StrEnum):
    """How a mailbox file was written: which lines of a message got a `>`, and whether Content-Length counts.

    MBOXO: `From ` became `>From `, which cannot be told from one that was there. MBOXRD: every `>From ` got one more as well.
    MBOXCL: as MBOXO, with Content-Length. MBOXCL2: Content-Length, and no line was changed. FROM_ANY: every line that begins
    with `From` or `>From`, with a space after it or not, got one more `>`.
    """

    MBOXO = "mboxo"
    MBOXRD = "mboxrd"
    MBOXCL = "mboxcl"
    MBOXCL2 = "mboxcl2"
    FROM_ANY = "from-any"


class Source(NamedTuple):
    """Where the octets of an item lie; `read_source` gives the same octets again.

    `path` is a file. `members` names, from the outside in, the member of each archive on the way, with its place: where its
    header begins in a tar file, its number in a zip file. `offset` and `size` are octets in a mailbox file, `mbox` how its
    quoting was undone.
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
        """The source as data fit for JSON: `path`, and what else there is of `members`, `offset`, `size` and `mbox`."""
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
        """The source that `to_dict()` gave; further keys are passed over. Raises InvalidValue."""
        try:
            return cls(**_source_fields(data))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InvalidValue("source", "is not as Source.to_dict() gives it") from None


def _source_fields(data: "Mapping[str, Any]") -> "dict[str, Any]":
    variant = data.get("mbox")
    members = tuple([(one["name"], one["place"]) for one in data.get("members", ())])
    numbers = [place for _, place in members]
    numbers += [data[name] for name in ("offset", "size") if data.get(name) is not None]
    if not all(type(one) is int and one >= 0 for one in numbers):
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
