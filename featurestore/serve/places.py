"""Threads for calls that may take long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync

from featurestore.errors import StoreUnavailable

T = TypeVar("T")
_QUEUE_WAIT_S = 5.0


class Places:
    """Threads for one kind of call, so that calls of another kind cannot take them all.

    A call that waited for a thread does not try a store that was found dead meanwhile: else a queue would take as many
    timeouts as it is long.
    """

    def __init__(self, what: str, threads: int) -> None:
        self._what, self._count = what, threads
        self._free = asyncio.Semaphore(threads)
        self._threads = anyio.CapacityLimiter(threads)
        self._failure: tuple[float, StoreUnavailable] | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """What a call gives, in a thread.

        Raises: StoreUnavailable  when none is free in time; and what the call raises.
        """
        came_at = time.monotonic()
        try:
            async with asyncio.timeout(_QUEUE_WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise StoreUnavailable(
                f"too many {self._what} are waiting",
                has=f"{self._count} at work",
                fix="send fewer at a time, or run more workers",
            ) from None
        try:
            if self._failure is not None and self._failure[0] > came_at:
                known = self._failure[1]
                raise StoreUnavailable(known.what, where=known.where, has=known.has, fix=known.fix)
            return await run_sync(call, limiter=self._threads)
        except StoreUnavailable as error:
            self._failure = time.monotonic(), error.with_traceback(None)
            raise
        finally:
            self._free.release()
