"""Unwrapping a bounce, against two searches for its own delimiter."""

import binascii
from collections.abc import Callable, Iterator

from measure import KB, MB, Claim, Effort, Row, at_most, in_turn, microseconds, shown, size_text
from messages import Bounce, bounce

from exjournal import unwrap_undeliverable


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield one table: the report as it is, and in base64."""
    yield Claim("Unwrapping a bounce costs little more than searching it twice", tuple(_rows(effort)))


def _rows(effort: Effort) -> Iterator[Row]:
    for size, count in ((62 * KB, 48), (25 * MB, 2)):
        yield _row([bounce(number, size) for number in range(count)], "two_searches", find_twice, effort)
        encoded = [bounce(number, size, encoded=True) for number in range(count)]
        yield _row(encoded, "a2b_base64", decode, effort)


def _row(bounces: list[Bounce], name: str, floor: Callable[[Bounce], object], effort: Effort) -> Row:
    if any(unwrap(one) != one.report for one in bounces[:2]):
        raise ValueError("the result is not the report")
    size = len(bounces[0].data)
    times = in_turn({"exjournal": unwrap, name: floor}, bounces, effort)
    ratio, note = times["exjournal"] / times[name], microseconds(**times)
    if floor is decode:
        return shown(f"{size_text(size)}, the report in base64, to searching twice and decoding", ratio, note)
    case = f"{size_text(size)}, report bytes out, to two searches"
    return at_most(case, ratio, 2.2, note) if size >= MB else shown(case, ratio, note)


def unwrap(one: Bounce) -> bytes | None:
    """Return the bytes of the report inside."""
    return unwrap_undeliverable(one.data).report


def find_twice(one: Bounce) -> tuple[int, int]:
    """Search the bounce twice for the delimiter line after the report."""
    needle = b"\n--" + one.boundary
    return one.data.find(needle, one.begin), one.data.find(needle, one.begin)


def decode(one: Bounce) -> bytes:
    """Search twice, and decode the part with the report."""
    end, _ = find_twice(one)
    return binascii.a2b_base64(one.data[one.begin : end])
