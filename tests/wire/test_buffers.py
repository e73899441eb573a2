"""The types of data, and the search in large data."""

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal._wire.buffers import fast_find, in_place

_FILL = st.sampled_from(
    [b"_", b"-", b"a", b"\n", b"\n--_b", b"\n--_b_\n", b"_-", b"a" * 3000, b"_" * 3000, b"-a" * 2000]
)


class TestFind:
    """A search that is quick in base64, which fills large messages."""

    @given(
        st.lists(_FILL, max_size=12).map(b"".join),
        st.sampled_from([b"\n--_b_", b"\n--b-c", b"abc", b"_b", b"a", b"--", b"\n--_b__"]),
        st.integers(0, 50),
        st.integers(0, 50),
    )
    def test_find(self, data: bytes, needle: bytes, before: int, after: int) -> None:
        """The quick search finds what the plain one finds."""
        end = max(len(data) - after, 0)
        assert fast_find(data, needle, before, end) == data.find(needle, before, end)

    @pytest.mark.parametrize("fill", [b"a" * 20, b"_" * 20, b"a" * 5000 + b"_", b"-" * 7])
    def test_find_far(self, fill: bytes) -> None:
        """A needle far away is found, with any data before it."""
        data = fill * (400_000 // len(fill)) + b"\n--_b_" + fill * 100
        for start in (0, 1, 399_000):
            assert fast_find(data, b"\n--_b_", start, len(data)) == data.find(b"\n--_b_", start)
        assert fast_find(data, b"\n--_c_", 0, len(data)) == -1


class TestInPlace:
    """Data of any type that callers pass."""

    def test_types(self) -> None:
        """Bytes and mmap are taken as they are, other buffers are copied."""
        data = b"abc"
        assert in_place(data, "it") is data
        assert in_place(bytearray(data), "it") == data
        assert in_place(memoryview(b"xabcx")[1:-1], "it") == data
        with mmap.mmap(-1, 3) as mapped:
            assert in_place(mapped, "it") is mapped

    def test_other_types(self) -> None:
        """Anything else is refused with its type, and the error names the argument."""
        with pytest.raises(TypeError, match=r"a message must be bytes.* not str"):
            in_place("abc", "a message")  # type: ignore[arg-type]
