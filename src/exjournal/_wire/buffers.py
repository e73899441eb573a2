"""The bytes that readers and writers take, and which of them are worked on in place."""

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from mmap import mmap

    # What callers hand in, and what can be searched and sliced in place.
    Data: TypeAlias = bytes | bytearray | memoryview | mmap
    Buffer: TypeAlias = bytes | mmap


def in_place(data: "Data", what: str, /) -> "Buffer":
    """Give bytes and mmap as they are, bytearray and memoryview as one copy; TypeError names what anything else was for."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    from mmap import mmap

    if isinstance(data, mmap):
        return data
    raise TypeError(f"{what} is bytes, bytearray, memoryview or mmap, not {type(data).__name__}")


def fast_find(data: "Buffer", needle: bytes, start: int, end: int, /) -> int:
    """What `data.find(needle, start, end)` gives, several times as fast in what fills large messages.

    The alphabet of base64 has neither the underscore nor the dash that every delimiter line holds, and one octet is looked for
    at the speed of memory. Where that octet is common, stretches of the data are searched for the whole needle.
    """
    if end - start < _SHORT:
        return data.find(needle, start, end)
    rare = b"_" if b"_" in needle else b"-"
    before, size = needle.find(rare), len(needle)
    if before < 0:
        return data.find(needle, start, end)
    first = needle[:1]
    origin, misses, stretch = start, 0, _SHORT
    while (hit := data.find(rare, start + before, end)) >= 0:
        start = hit - before
        if data[start : start + size] == needle and start + size <= end:
            return start
        start += 1
        misses += 1
        if start - origin < misses * _SPARSE:
            begin = data.find(first, start, start + stretch)
            found = -1 if begin < 0 else data.find(needle, begin, min(end, start + stretch + size - 1))
            if found >= 0:
                return found
            start += stretch
            origin, misses, stretch = start, 0, min(2 * stretch, _LONG)
        elif start - origin > _LONG:
            stretch = _SHORT
    return -1


# Bytes: below this the whole needle is searched at once; one hit in so many is worth a step of the interpreter; the longest
# stretch that is searched for the whole needle before the short way is tried again.
_SHORT: Final = 1 << 14
_SPARSE: Final = 1024
_LONG: Final = 1 << 17
