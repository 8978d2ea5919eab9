"""The bare engine of a lookup: redis-py asked for as many bytes as a lookup reads, and nothing made of them."""

from __future__ import annotations

import time

import redis


class Bare:
    """One client."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def fill(self, sizes: dict[str, int], count: int) -> None:
        """Values of these sizes, one of each for each key."""
        for name, size in sizes.items():
            self._client.mset({f"bare:{name}:{key}": b"x" * size for key in range(count)})

    def lookup(self, question: str, keys: list[list[int]]) -> dict[str, list[float]]:
        """Seconds of each read of some keys: GET of one, MGET of several."""
        took = []
        for some in keys:
            names = [f"bare:{question}:{key}" for key in some]
            started = time.perf_counter()
            if len(names) == 1:
                self._client.get(names[0])
            else:
                self._client.mget(names)
            took.append(time.perf_counter() - started)
        return {"seconds": took}


def open_side(url: str) -> Bare:
    """Open."""
    return Bare(url)
