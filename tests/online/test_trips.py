"""Round trips over bare connections: what is asked again, what is not, and no reply is taken for another's."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from featurestore.online.server import connect, open_server
from featurestore.online.trips import Trips

READ = [(b"MGET", b"a", b"b")]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of its own that knows one text."""
    with open_server(tmp_path) as server:
        client = connect(server.url, timeout_s=10)
        client.mset({"a": "1"})
        client.close()
        yield server.url


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    """A client whose patience is short."""
    client = connect(url, timeout_s=1.0)
    yield client
    client.close()


def test_replies_come_in_the_order_of_the_commands(client: redis.Redis) -> None:
    """Commands of several kinds go out together."""
    exchange = Trips(client, reads=False)
    assert exchange([(b"MSET", b"b", "2"), (b"HSET", b"h", b"f", "x"), *READ, (b"HMGET", b"h", b"f", b"g")]) == [
        b"OK",
        1,
        [b"1", b"2"],
        [b"x", None],
    ]


def test_a_connection_that_broke_is_replaced(url: str, client: redis.Redis) -> None:
    """A server that closed it is asked again, once, on a new one."""
    exchange = Trips(client, reads=False)
    assert exchange(READ) == [[b"1", None]]
    with connect(url, timeout_s=10) as other:
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert exchange(READ) == [[b"1", None]]


@pytest.mark.parametrize("reads", [True, False])
def test_only_reads_are_asked_again_after_a_timeout(tmp_path: Path, url: str, client: redis.Redis, reads: bool) -> None:
    """A write that timed out may still be done: it must not be done after what is written later."""
    exchange = Trips(client, reads=reads)
    exchange(READ)
    pid = int(json.loads((tmp_path / "redis" / "server.json").read_text())["pid"])
    os.kill(pid, signal.SIGSTOP)
    waking = threading.Timer(1.5, os.kill, (pid, signal.SIGCONT))
    waking.start()
    try:
        if reads:
            assert exchange(READ) == [[b"1", None]]
        else:
            with pytest.raises(redis.TimeoutError):
                exchange([(b"MSET", b"b", "late")])
    finally:
        waking.join()
    time.sleep(0.1)
    assert exchange([(b"MGET", b"a")]) == [[b"1"]]


def test_a_command_that_is_refused_leaves_nothing_behind(client: redis.Redis) -> None:
    """The replies to the commands after it are not the next trip's."""
    exchange = Trips(client, reads=True)
    with pytest.raises(redis.ResponseError):
        exchange([(b"HMGET", b"a", b"f"), (b"MGET", b"a")])
    assert exchange([(b"MGET", b"b")]) == [[None]]


def test_whoever_goes_gives_its_connections_back(client: redis.Redis) -> None:
    """A thousand users of one client, one after the other, have one connection."""
    for _ in range(1_000):
        assert Trips(client, reads=True)(READ) == [[b"1", None]]
    gc.collect()
    assert len(client.connection_pool._available_connections) <= 2


def test_both_sides_of_a_fork_have_connections_of_their_own(client: redis.Redis) -> None:
    """Parent and child ask at the same time and read their own replies."""
    exchange = Trips(client, reads=True)
    exchange(READ)
    context = multiprocessing.get_context("fork")
    right = context.Value("i", 0)

    def ask() -> None:
        right.value = sum(exchange([(b"MGET", b"a")] * 3) == [[b"1"]] * 3 for _ in range(300))

    child = context.Process(target=ask)
    child.start()
    assert all(exchange([(b"MGET", b"b", b"a")]) == [[None, b"1"]] for _ in range(300))
    child.join(30)
    assert right.value == 300
