"""A duplicate store on a Redis server, for consumers on several machines. Needs redis-py and Redis 6.2 or later.

A key is as durable as the server makes it: `appendonly yes` and `appendfsync always` for every step to outlive a failure of the
power, `maxmemory-policy noeviction` for none to be forgotten. One server, not a cluster: a step is one transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from exjournal import StoreError


class RedisStore:
    """Keys with a common prefix; with `keep`, each is forgotten after that time without being added again.

    If the connection breaks during a step, StoreError means that the step may have been taken. A report is archived before it
    is remembered, so nothing is lost, and repeating the step is safe.
    """

    def __init__(self, url: str, /, *, prefix: bytes = b"exjournal:", keep: timedelta | None = None) -> None:
        # If the client repeated a step unnoticed, it would find its own keys, and every report would be a duplicate.
        self._client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self._prefix = prefix
        self._keep = keep

    def known(self, keys: Sequence[bytes], /) -> Sequence[bool]:
        """Return for each key whether it is in the store."""
        with self._step() as pipeline:
            for key in keys:
                pipeline.exists(self._prefix + key)
            return [bool(count) for count in pipeline.execute()]

    def add(self, groups: Sequence[Sequence[bytes]], /) -> Sequence[Sequence[bool]]:
        """Add every key in one transaction, and return for each whether it was there before."""
        with self._step() as pipeline:
            for key in chain.from_iterable(groups):
                pipeline.set(self._prefix + key, b"1", px=self._keep, get=True)
            before = iter(pipeline.execute())
            return [[next(before) is not None for _ in group] for group in groups]

    @contextmanager
    def _step(self) -> "Iterator[redis.client.Pipeline[bytes]]":
        try:
            with self._client.pipeline(transaction=True) as pipeline:
                yield pipeline
        except redis.RedisError as error:
            raise StoreError(f"Redis: {error}") from error
