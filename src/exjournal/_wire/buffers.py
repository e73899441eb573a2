"""The types of data that readers and writers take, and the search in large data."""

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from mmap import mmap

    # The types that callers pass.
    Data: TypeAlias = bytes | bytearray | memoryview | mmap
    # Those that can be searched and sliced in place.
    Buffer: TypeAlias = bytes | mmap


def in_place(data: "Data", what: str, /) -> "Buffer":
    """Return bytes and mmap as they are, bytearray and memoryview as one copy; a TypeError for other types names `what`."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    from mmap import mmap

    if isinstance(data, mmap):
        return data
    raise TypeError(f"{what} must be bytes, bytearray, memoryview or mmap, not {type(data).__name__}")


def fast_find(data: "Buffer", needle: bytes, start: int, end: int, /) -> int:
    """Return `data.find(needle, start, end)`, several times as fast in base64, which fills large messages.

    The alphabet of base64 has neither the underscore nor the dash that every delimiter line has, and a single byte is searched
    for at the speed of memory. In data that has many of this byte, the whole needle is searched for.
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
            hit = -1 if begin < 0 else data.find(needle, begin, min(end, start + stretch + size - 1))
            if hit >= 0:
                return hit
            start += stretch
            origin, misses, stretch = start, 0, min(2 * stretch, _LONG)
        elif start - origin > _LONG:
            stretch = _SHORT
    return -1


# Bytes. Shorter data is searched for the whole needle at once.
_SHORT: Final = 1 << 14
# Bytes for each hit. A hit in more bytes is worth a step of the interpreter.
_SPARSE: Final = 1024
# Bytes. The longest stretch that is searched for the whole needle before the single byte is tried again.
_LONG: Final = 1 << 17
