"""The bytes that readers and writers take, and which of them are worked on in place."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from mmap import mmap

    # What callers hand in, and what can be searched and sliced in place.
    Data: TypeAlias = bytes | bytearray | memoryview | mmap
    Octets: TypeAlias = bytes | mmap


def in_place(data: "Data", what: str, /) -> "Octets":
    """Give bytes and mmap as they are, bytearray and memoryview as one copy; TypeError names what anything else was for."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    from mmap import mmap

    if isinstance(data, mmap):
        return data
    raise TypeError(f"{what} is bytes, bytearray, memoryview or mmap, not {type(data).__name__}")
