"""Round trips on an event loop, which goes on with other work while the server answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url

from featurestore.online.trips import Command, packed_of


class LoopTrips:
    """Reads over connections of their own, one a trip, for one event loop.

    A trip has `timeout_s` in all and is made once more when it fails, on a new connection: a server is given up after
    twice that.
    """

    def __init__(self, client: redis.Redis, url: str) -> None:
        """The server is that of `url`, the deadline that of `client`."""
        self._timeout_s: float | None = client.connection_pool.connection_kwargs.get("socket_timeout")
        options: dict[str, Any] = {**parse_url(url), "protocol": 2, "driver_info": None, "decode_responses": False}
        # a deadline for the whole trip costs less than one for each of its parts
        self._pool = ConnectionPool(**{**options, "socket_timeout": None, "socket_connect_timeout": None})
        self._idle: list[AbstractConnection] = []

    async def __call__(self, commands: Sequence[Command]) -> list[Any]:
        """The replies. Raises: redis.RedisError  when the server does not answer in time, or refuses a command."""
        packed = packed_of(commands)
        try:
            return await self._once(packed, len(commands))
        except (redis.ConnectionError, redis.TimeoutError):
            return await self._once(packed, len(commands))

    async def close(self) -> None:
        """Let go of the connections."""
        while self._idle:
            await self._pool.release(self._idle.pop())
        await self._pool.disconnect()

    async def _once(self, packed: bytes, count: int) -> list[Any]:
        connection = self._idle.pop() if self._idle else None
        try:
            async with asyncio.timeout(self._timeout_s):
                if connection is None:
                    connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # redis leaves it so
                await connection.send_packed_command([packed], check_health=False)
                replies = [await connection.read_response() for _ in range(count)]
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)  # what it still has to say belongs to nobody
                await self._pool.release(connection)
            if isinstance(error, TimeoutError):
                raise redis.TimeoutError("Timeout reading from socket") from None
            raise
        self._idle.append(connection)
        return replies
