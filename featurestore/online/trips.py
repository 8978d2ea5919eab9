"""Fields of hashes written in trips of a few megabytes, however many keys there are and however large one is.

Commands are packed here, and not by a pipeline: for a key of one field it would take longer over each command than the
server does. Two trips may be under way while the next one is made ready: the server works on one while the replies to
the other are read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import pyarrow as pa
import redis

from featurestore.online.columns import joined, lengths

BYTES_PER_TRIP = 2_000_000
_UNDER_WAY = 2


class Trips:
    """Writes that wait until there are enough of them for a trip, in any order. All are done when the block ends
    without an error."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._threads = ThreadPoolExecutor(_UNDER_WAY, "trips")
        self._under_way: deque[Future[None]] = deque()
        self._waiting: list[bytes | memoryview] = []
        self._size = self._commands = 0

    def field_of_many(self, names: pa.Array[Any], field: bytes, values: pa.Array[Any]) -> None:
        """One field of many hashes, whose names and values are texts."""
        given = f"\r\n${len(field)}\r\n{field.decode()}\r\n$"
        commands = joined(
            "*4\r\n$4\r\nHSET\r\n$", lengths(names), "\r\n", names, given, lengths(values), "\r\n", values, "\r\n"
        )
        places: Any
        letters: Any
        _, places, letters = commands.buffers()
        ends, text = memoryview(places).cast("i")[: len(commands) + 1], memoryview(letters)
        start = 0
        while start < len(commands):
            end = min(bisect_left(ends, ends[start] + BYTES_PER_TRIP, start + 1), len(commands))
            self._add(text[ends[start] : ends[end]], end - start)
            start = end

    def many_fields(self, name: bytes, fields: Mapping[bytes, str]) -> None:
        """Some fields of one hash."""
        given: list[bytes] = []
        size = 0
        for field, value in fields.items():
            given += (field, value.encode())
            size += len(value)
            if size >= BYTES_PER_TRIP:
                self._add(_packed([b"HSET", name, *given]), 1)
                given, size = [], 0
        if given:
            self._add(_packed([b"HSET", name, *given]), 1)

    def _add(self, packed: bytes | memoryview, commands: int) -> None:
        self._waiting.append(packed)
        self._size += len(packed)
        self._commands += commands
        if self._size >= BYTES_PER_TRIP:
            self._send()

    def _send(self) -> None:
        if len(self._under_way) == _UNDER_WAY:
            self._under_way.popleft().result()
        self._under_way.append(self._threads.submit(self._trip, self._waiting, self._commands))
        self._waiting, self._size, self._commands = [], 0, 0

    def _trip(self, packed: Sequence[bytes | memoryview], commands: int) -> None:
        connection: Any = self._pool.get_connection()

        def exchange() -> None:
            connection.send_packed_command(packed)
            for _ in range(commands):
                connection.read_response()

        try:
            # done again it sets the same fields to the same values
            connection.retry.call_with_retry(exchange, lambda _: connection.disconnect())
        except BaseException:
            connection.disconnect()  # replies may still be on their way
            raise
        finally:
            self._pool.release(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._threads:
            if kind is None:
                self._send()
                for each in self._under_way:
                    each.result()


def _packed(arguments: Sequence[bytes]) -> bytes:
    return b"".join([b"*%d\r\n" % len(arguments), *(b"$%d\r\n%b\r\n" % (len(each), each) for each in arguments)])
