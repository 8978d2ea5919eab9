"""Round trips over bare connections: what is asked again, what is not, and no reply is taken for another's."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from featurestore.online.loop_trips import LoopTrips
from featurestore.online.server import connect, open_server
from featurestore.online.trips import Command, Exchange, Trips

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


@pytest.fixture(params=["a thread", "an event loop"])
def exchange(request: pytest.FixtureRequest, url: str, client: redis.Redis) -> Iterator[Exchange]:
    """Trips of either kind, which read."""
    if request.param == "a thread":
        yield Trips(client, reads=True)
        return
    with asyncio.Runner() as runner:
        trips = LoopTrips(client, url)

        async def made(commands: Sequence[Command]) -> list[Any]:
            return await trips(commands)

        yield lambda commands: runner.run(made(commands))
        runner.run(trips.close())


def test_replies_come_in_the_order_of_the_commands(exchange: Exchange) -> None:
    """Commands of several kinds go out together."""
    assert exchange([(b"MSET", b"b", "2"), (b"HSET", b"h", b"f", "x"), *READ, (b"HMGET", b"h", b"f", b"g")]) == [
        b"OK",
        1,
        [b"1", b"2"],
        [b"x", None],
    ]


def test_a_connection_that_broke_is_replaced(url: str, exchange: Exchange) -> None:
    """A server that closed it is asked again, once, on a new one."""
    assert exchange(READ) == [[b"1", None]]
    with connect(url, timeout_s=10) as other:
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert exchange(READ) == [[b"1", None]]


@pytest.fixture
def hang(tmp_path: Path) -> Iterator[Callable[[float], None]]:
    """A way to have the server hang for so many seconds."""
    waking: list[threading.Timer] = []

    def stop(seconds: float) -> None:
        pid = int(json.loads((tmp_path / "redis" / "server.json").read_text())["pid"])
        os.kill(pid, signal.SIGSTOP)
        waking.append(threading.Timer(seconds, os.kill, (pid, signal.SIGCONT)))
        waking[-1].start()

    yield stop
    for each in waking:
        each.join()


def test_a_read_that_timed_out_is_asked_again(exchange: Exchange, hang: Callable[[float], None]) -> None:
    """Once: a server that hangs for longer is given up."""
    exchange(READ)
    hang(1.5)
    assert exchange(READ) == [[b"1", None]]
    hang(3.0)
    with pytest.raises(redis.TimeoutError):
        exchange(READ)
    time.sleep(1.5)
    assert exchange([(b"MGET", b"a")]) == [[b"1"]]


def test_a_write_that_timed_out_is_not_sent_again(client: redis.Redis, hang: Callable[[float], None]) -> None:
    """It may still be done: it must not be done after what is written later."""
    exchange = Trips(client, reads=False)
    exchange(READ)
    hang(1.5)
    with pytest.raises(redis.TimeoutError):
        exchange([(b"MSET", b"b", "late")])
    time.sleep(0.7)
    assert exchange([(b"MGET", b"a")]) == [[b"1"]]


def test_a_trip_that_was_cancelled_leaves_nothing_behind(
    url: str, client: redis.Redis, hang: Callable[[float], None]
) -> None:
    """Nobody waits for it any more: its replies are not the next trip's."""

    async def run() -> None:
        trips = LoopTrips(client, url)
        await trips(READ)
        hang(0.5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await trips(READ)
        assert await trips([(b"MGET", b"b")]) == [[None]]
        together = await asyncio.gather(*(trips([(b"MGET", name)]) for name in (b"a", b"b") * 20))
        assert together == [[[b"1"]], [[None]]] * 20
        await trips.close()

    asyncio.run(run())


def test_a_command_that_is_refused_leaves_nothing_behind(exchange: Exchange) -> None:
    """The replies to the commands after it are not the next trip's."""
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
