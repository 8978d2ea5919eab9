"""The server in memory answers as a real one does, to the commands that the online road sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from featurestore.online.memory import MemoryServer
from featurestore.online.server import connect, open_server
from featurestore.online.trips import exchange_of
from featurestore.semantics.instants import LATEST_US


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A server of its own."""
    home: Path = tmp_path_factory.mktemp("server")
    with open_server(home) as server:
        client = connect(server.url)
        yield client
        client.close()


def conversation(server: Any) -> list[Any]:
    """Replies to all commands, alone and together."""
    said: list[Any] = [
        server.mset({"a": "1", b"p:x*y": b"\xff", "p:xzy": "\u00e9"}),
        server.mget(["a", "none", b"p:xzy"]),
    ]
    exchange = exchange_of(server)
    said += exchange(
        [
            (b"HSET", b"h", b"root", "{}", b"1:2", b"{}"),
            (b"MULTI",),
            (b"HSET", b"h", b"root", "[]", b"more", "1"),
            (b"MSET", b"b", "2", b"c", b"3"),
            (b"EXEC",),
            (b"HMGET", b"h", b"root", b"1:2", b"none"),
            (b"HMGET", b"none", b"root"),
            (b"HDEL", b"h", b"root", b"none"),
            (b"HMGET", b"h", b"root", b"more"),
            (b"MGET", b"a", b"b", b"none"),
        ]
    )
    said += [sorted(server.scan_iter(match=pattern, count=10)) for pattern in ("p:*", "p:x\\*y", b"*h", "none*", "a")]
    said += [
        server.unlink("a", "b", "c", "h", "none", b"p:x*y"),
        sorted(server.scan_iter(match="*")),
        server.unlink("p:xzy"),
    ]
    return said


def test_a_server_in_memory_answers_like_a_real_one(real: redis.Redis) -> None:
    """One conversation with each gives the same replies."""
    assert conversation(MemoryServer()) == conversation(real)


def test_its_clock_lies_after_all_that_can_be_asked() -> None:
    """No instant is refused because it has not come yet."""
    seconds, micros = MemoryServer().time()
    assert seconds * 1_000_000 + micros == LATEST_US
