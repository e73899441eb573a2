"""Times a harness: an input that takes too long is a finding, like one that raises.

Fuzzers make short inputs, on which quadratic code is still fast. So in one input of a hundred, a piece is repeated.
"""

import hashlib
import random
import time
from collections.abc import Callable

import atheris

# Seconds for 100 KB, on the clock of the process. An input is measured with the checks of its harness.
_BUDGET = 1.0
_BUDGET_BYTES = 100_000
# Seconds that an input of any size may take: the checks of a harness read it several times, under instrumentation.
_FLOOR = 1.0
# An input that took too long is measured again, because the machine may have been busy.
_TRIES = 3
# One mutation in this many repeats a piece, of at most a number of bytes, until the input has at most this size.
_REPEATS = 100
_PIECE = 24
_SIZE = 64 << 10


class TooSlow(AssertionError):
    """An input took longer than its size allows."""


def timed(test: Callable[[bytes], None], arguments: list[str], /) -> Callable[[bytes], None]:
    """Make the test of a harness raise `TooSlow` too; the message names the file in which libFuzzer keeps the input."""
    prefix = next((one.partition("=")[2] for one in arguments if one.startswith("-artifact_prefix=")), "./")

    def run(data: bytes) -> None:
        allowed = max(_FLOOR, _BUDGET * len(data) / _BUDGET_BYTES)
        for tries in range(_TRIES):
            begin = time.process_time()
            test(data)
            taken = time.process_time() - begin
            if taken <= allowed:
                return
            if tries == _TRIES - 1:
                place = f"{prefix}crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"
                raise TooSlow(f"{taken:.2f} s for {len(data)} bytes, more than {allowed:.2f} s: {place}")

    return run


def repeated(data: bytes, size: int, seed: int) -> bytes:
    """Mutate as libFuzzer does, or repeat a piece of the input in place."""
    source = random.Random(seed)  # noqa: S311
    if not data or size < len(data) or source.randrange(_REPEATS):
        return bytes(atheris.Mutate(data, size))
    begin = source.randrange(len(data))
    piece = data[begin : begin + source.randint(1, _PIECE)]
    room = min(size, _SIZE) - len(data)
    return data[:begin] + piece * max(1, room // len(piece)) + data[begin:] if room > 0 else data
