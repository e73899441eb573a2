"""Duplicates: what a store knows of a report already, in four answers.

Exchange makes several reports of one message, and each can name recipients that no other names; so nothing is a duplicate but a
report that tells nothing new. The order of use is: look up, archive, remember. A process that dies in between does something
twice and loses nothing.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import islice
from typing import Final

from exjournal.errors import require_type
from exjournal.identity.keys import Identity
from exjournal.identity.stores import SeenStore


class Sighting(StrEnum):
    """What is known of a report.

    FIRST: nothing of its message. SIBLING: the message, and not all that this report tells of it. DUPLICATE: everything.
    CONFLICT: another message with its Message-ID.
    """

    FIRST = "first"
    SIBLING = "sibling"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def look_up(identity: Identity, store: SeenStore, /) -> Sighting:
    """What a store knows of a report, which changes nothing. Raises StoreError, TypeError."""
    _require_store(store)
    return _sighting(identity, store.known(_keys(identity)))


def remember(identity: Identity, store: SeenStore, /) -> Sighting:
    """Let a store know a report, in one atomic step with the answer of what it knew before.

    When it returns, the report is as durable in the store as the store makes it; so what the report says is to be archived
    before. Of several processes with an equal report exactly one gets FIRST. Raises StoreError, TypeError.
    """
    _require_store(store)
    return _sighting(identity, *store.add((_keys(identity),)))


def remember_all(identities: Iterable[Identity], store: SeenStore, /) -> tuple[Sighting, ...]:
    """The same for many reports in their order, ten thousand in one atomic step: at a small part of the time of one by one.

    Raises StoreError; of the reports before, whole steps are remembered and none in part. Raises TypeError.
    """
    _require_store(store)
    given: object = identities  # one identity is a tuple
    if isinstance(given, Identity) or not isinstance(given, Iterable):
        raise TypeError(f"an iterable of Identity values is expected, not {type(given).__name__}")
    rest = iter(identities)
    sightings: list[Sighting] = []
    while step := list(islice(rest, _STEP)):
        answers = store.add([_keys(identity) for identity in step])
        sightings += map(_sighting, step, answers)
    return tuple(sightings)


# Reports that are remembered in one step: others wait for it no longer than for a slow disk.
_STEP: Final = 10_000


def _require_store(store: SeenStore) -> None:
    if not (hasattr(store, "known") and hasattr(store, "add")):
        raise TypeError(f"a store with known() and add() is expected, not {type(store).__name__}")


def _keys(identity: Identity) -> list[bytes]:
    """The keys of a report in a store: of all that it tells, of its message, and of the Message-ID if there is one.

    A report without a content makes no claim on the Message-ID: it is no other message than the one that it names.
    """
    require_type(identity, Identity, "an Identity, as identify() returns it,")
    report = bytes.fromhex(identity.report_key)
    if identity.content_sha256 is None:
        return [_key(report, b"r", report), _key(report, b"n", report)]
    content = bytes.fromhex(identity.content_sha256)
    # Perhaps truncated, a report stands for itself and for nothing complete.
    keys = [_key(content, b"r" if identity.complete else b"t", report), _key(content, b"c", content[_PREFIX:])]
    if identity.message_id_sha256 is not None:
        message_id = bytes.fromhex(identity.message_id_sha256)
        keys.append(_key(message_id, b"m", message_id[_PREFIX:]))
    return keys


def _key(prefix: bytes, kind: bytes, digest: bytes) -> bytes:
    """A key of 32 octets: those of one message begin alike, so that a store that keeps its keys in order has them at hand."""
    return prefix[:_PREFIX] + kind + digest[:_REST]


# Buffer: nobody finds another message that agrees with a given one in so many as a key has.
_PREFIX: Final = 8
_REST: Final = 23


def _sighting(identity: Identity, known: Sequence[bool]) -> Sighting:
    report, content, *message_id = known
    if report and identity.complete:
        return Sighting.DUPLICATE
    if content or report:
        return Sighting.SIBLING
    return Sighting.CONFLICT if any(message_id) else Sighting.FIRST
