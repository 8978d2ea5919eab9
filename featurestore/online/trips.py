"""Round trips: commands that go to the server together, and their replies in order."""

from __future__ import annotations

import os
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
from hiredis import pack_command

from featurestore.online.memory import MemoryServer

Command = tuple[bytes | str, ...]
Exchange = Callable[[Sequence[Command]], list[Any]]
AsyncExchange = Callable[[Sequence[Command]], Awaitable[list[Any]]]


def exchange_of(client: redis.Redis, *, reads: bool = False) -> Exchange:
    """How states and lookups talk to a client's server; with `reads`, nothing is written and may be asked again.

    Raises: redis.RedisError  when the server does not answer in time, or refuses a command.
    """
    return client.exchange if isinstance(client, MemoryServer) else Trips(client, reads=reads)


class Trips:
    """Trips over connections of a client's pool. Threads may share it.

    A connection is the client's own, with its timeouts; a pipeline around it would cost as much as the trip itself.
    """

    def __init__(self, client: redis.Redis, *, reads: bool) -> None:
        # a write that came late may still be done, after what is written later
        self._again = (redis.ConnectionError, redis.TimeoutError) if reads else redis.ConnectionError
        self._pool = client.connection_pool
        self._idle: list[Any] = []
        self._pid = os.getpid()
        weakref.finalize(self, _give_back, self._pool, self._idle).atexit = False

    def __call__(self, commands: Sequence[Command]) -> list[Any]:
        """The replies. What fails for a broken connection is sent once more on a new one; after a timeout, only reads
        are."""
        packed = packed_of(commands)
        connection = self._taken()
        try:
            try:
                replies = _exchanged(connection, packed, len(commands))
            except self._again:
                connection.disconnect()
                replies = _exchanged(connection, packed, len(commands))
        except BaseException:
            connection.disconnect()  # what it still has to say belongs to nobody
            self._pool.release(connection)
            raise
        self._idle.append(connection)
        return replies

    def _taken(self) -> Any:
        if self._pid != os.getpid():  # the other side of a fork goes on with the sockets
            self._idle.clear()
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.get_connection()


def packed_of(commands: Sequence[Command]) -> bytes:
    """Commands as they are sent."""
    return b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]  # it takes more


def time_us(reply: Sequence[Any]) -> int:
    """The reply to TIME in microseconds."""
    seconds, micros = reply
    return int(seconds) * 1_000_000 + int(micros)


def _give_back(pool: redis.ConnectionPool, idle: list[Any]) -> None:
    while idle:
        pool.release(idle.pop())


def _exchanged(connection: Any, packed: bytes, count: int) -> list[Any]:
    connection.send_packed_command([packed], check_health=False)
    return [connection.read_response() for _ in range(count)]
