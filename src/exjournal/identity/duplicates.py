"""Duplicates: whether a store has seen a report before, as one of four answers.

Exchange makes several reports of one message, and each can name recipients that the others lack. So a report is a duplicate
only if it adds nothing: reports count as equal if they have the same `report_key`, which `keys` defines. Use the functions in
this order: look up, archive, remember. A process that dies in between repeats a step and loses nothing. The stores come from
`stores`.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import islice
from typing import Final

from exjournal.errors import require_type
from exjournal.identity.keys import Identity
from exjournal.identity.stores import SeenStore


class Sighting(StrEnum):
    """What a store knows about a report.

    FIRST: neither the report nor its message. SIBLING: the message, but not everything in this report. DUPLICATE: everything
    in this report. CONFLICT: a different message with the same Message-ID.
    """

    FIRST = "first"
    SIBLING = "sibling"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def look_up(identity: Identity, store: SeenStore, /) -> Sighting:
    """Look a report up in a store, without changing the store. Raises StoreError, TypeError."""
    _require_store(store)
    return _sighting(identity, store.known(_keys(identity)))


def remember(identity: Identity, store: SeenStore, /) -> Sighting:
    """Add a report to a store and return what the store knew before, in one atomic step.

    Archive the report first: once this returns, the store will call it a duplicate. If several processes remember equal
    reports, exactly one of them gets FIRST. Raises StoreError, TypeError.
    """
    _require_store(store)
    return _sighting(identity, *store.add((_keys(identity),)))


def remember_all(identities: Iterable[Identity], store: SeenStore, /) -> tuple[Sighting, ...]:
    """Remember many reports in their order, ten thousand in one atomic step, which is much faster than one at a time.

    Raises StoreError, after which complete steps are remembered and no part of a step is. Raises TypeError.
    """
    _require_store(store)
    given: object = identities  # a single Identity is iterable, too
    if isinstance(given, Identity) or not isinstance(given, Iterable):
        raise TypeError(f"an iterable of Identity values is expected, not {type(given).__name__}")
    remaining = iter(identities)
    sightings: list[Sighting] = []
    while step := list(islice(remaining, _STEP)):
        answers = store.add([_keys(identity) for identity in step])
        sightings += map(_sighting, step, answers)
    return tuple(sightings)


# Reports in one step, few enough that other writers wait no longer than for a slow disk.
_STEP: Final = 10_000


def _require_store(store: SeenStore) -> None:
    if not (hasattr(store, "known") and hasattr(store, "add")):
        raise TypeError(f"a store with known() and add() is expected, not {type(store).__name__}")


def _keys(identity: Identity) -> list[bytes]:
    """Make the keys of a report in a store: one for the report, one for its message, and one for a Message-ID.

    A report without a content digest gets no key for its Message-ID, so that it never conflicts with the message it names.
    """
    require_type(identity, Identity, "an Identity, as identify() returns it,")
    report = bytes.fromhex(identity.report_key)
    if identity.content_sha256 is None:
        return [_key(report, b"r", report), _key(report, b"n", report)]
    content = bytes.fromhex(identity.content_sha256)
    # A report that may be truncated must not make a complete one a duplicate, so its key has another kind.
    keys = [_key(content, b"r" if identity.complete else b"t", report), _key(content, b"c", content[_PREFIX:])]
    if identity.message_id_sha256 is not None:
        message_id = bytes.fromhex(identity.message_id_sha256)
        keys.append(_key(message_id, b"m", message_id[_PREFIX:]))
    return keys


def _key(prefix: bytes, kind: bytes, digest: bytes) -> bytes:
    """Make a key of 32 bytes; the keys of one message share a prefix, so that an ordered store keeps them on one page."""
    return prefix[:_PREFIX] + kind + digest[:_REST]


# Bytes of a key: enough that nobody can find a second message with the key of a given one.
_PREFIX: Final = 8
_REST: Final = 23


def _sighting(identity: Identity, known: Sequence[bool]) -> Sighting:
    knows_report, knows_content, *knows_message_id = known
    if knows_report and identity.complete:
        return Sighting.DUPLICATE
    if knows_content or knows_report:
        return Sighting.SIBLING
    return Sighting.CONFLICT if any(knows_message_id) else Sighting.FIRST
