"""A load generator: some connections that stay open, each asking again as soon as it has its answer."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import cycle
from typing import Any

try:
    from uvloop import run
except ImportError:
    from asyncio import run


class _Asking(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Any, until: float, took: list[float], done: asyncio.Event) -> None:
        self._requests, self._until, self._took, self._done = requests, until, took, done
        self._heard, self._started = b"", 0.0
        self.last = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        if len(body) < int(length.split(b":")[1]):
            return
        now = time.perf_counter()
        self._took.append(now - self._started)
        self._heard, self.last = b"", body
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head!r} {body[:500]!r}")
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._done.set()

    def _ask(self) -> None:
        self._started = time.perf_counter()
        self._transport.write(next(self._requests))


class Load:
    """Nothing is kept between calls."""

    def load(self, port: int, path: str, bodies: list[Any], connections: int, seconds: float) -> dict[str, Any]:
        """Requests a second, their p50 and p99 in microseconds, and one answer."""
        took, last, elapsed = run(_load(port, [_request(path, body) for body in bodies], connections, seconds))
        took.sort()
        return {
            "per_s": len(took) / elapsed,
            "p50": took[len(took) // 2] * 1e6,
            "p99": took[int(len(took) * 0.99)] * 1e6,
            "answer": json.loads(last),
        }


async def _load(port: int, requests: list[bytes], connections: int, seconds: float) -> tuple[list[float], bytes, float]:
    loop = asyncio.get_running_loop()
    took: list[float] = []
    started = time.perf_counter()
    asking, ends = [], []
    for place in range(connections):
        ends.append(asyncio.Event())
        one = _Asking(cycle(requests[place:] + requests[:place]), started + seconds, took, ends[-1])
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
        asking.append(one)
    for end in ends:
        await end.wait()
    return took, asking[0].last, time.perf_counter() - started


def _request(path: str, body: Any) -> bytes:
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def open_side() -> Load:
    """Open."""
    return Load()
