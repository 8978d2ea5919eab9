"""The lookup route: requests that come together are answered together, each as it would be alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from featurestore.serve.app import create_app
from featurestore.serve.service import Service
from tests.serve.shop import click, materialised, question, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A materialised project."""
    return materialised(write_project(tmp_path / "shop"))


@asynccontextmanager
async def open_app(project: Path) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    """The application in this process, and a client of it."""
    app = create_app(project)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield app.state.service, client


async def ask(client: httpx.AsyncClient, inputs: Any, **other: Any) -> httpx.Response:
    """One lookup."""
    return await client.post("/v1/lookup/clicks", json={"inputs": inputs, **other})


def trips(service: Service) -> int:
    """How many commands that read keys the server has had."""
    found: Any = service.online.writer.info("commandstats")
    return int(found.get("cmdstat_mget", {"calls": 0})["calls"])


def rows(replies: Sequence[httpx.Response]) -> list[Any]:
    """The vectors of each reply."""
    return [reply.json()["rows"] for reply in replies]


def test_requests_that_come_together_share_a_trip(project: Path) -> None:
    """Forty lookups at once ask the server a few times, and each has its own vectors, id and instant."""

    async def run() -> None:
        async with open_app(project) as (service, client):
            asked = [[question(place), question(place + 1, price=None)] for place in range(40)]
            alone = [await ask(client, inputs) for inputs in asked]
            before = trips(service)
            together = await asyncio.gather(*(ask(client, inputs) for inputs in asked))
            assert trips(service) - before < 10
            assert rows(together) == rows(alone)
            assert {reply.status_code for reply in together} == {200}
            assert len({reply.headers["x-request-id"] for reply in together}) == 40

    asyncio.run(run())


@pytest.mark.parametrize("askers", [1, 3, 8, 40])
def test_whoever_asks_again_and_again_is_always_answered(project: Path, askers: int) -> None:
    """However many do, and whenever a question comes: also when those who answer have just found nothing to do."""

    async def run() -> None:
        async with open_app(project) as (_, client):

            async def keep_asking(place: int) -> set[int]:
                return {(await ask(client, [question(place)])).status_code for _ in range(800 // askers)}

            async with asyncio.timeout(60):
                assert await asyncio.gather(*map(keep_asking, range(askers))) == [{200}] * askers

    asyncio.run(run())


def test_a_request_that_fails_fails_alone(project: Path) -> None:
    """Among others that come at the same time, each of which has its vectors."""

    async def run() -> None:
        async with open_app(project) as (_, client):
            good = [[question(place)] for place in range(10)]
            bad: list[Any] = [[{"user": 1}], [question("seven")], [question(2**70)], [question(price="much")]]
            replies = await asyncio.gather(*(ask(client, inputs) for inputs in [*good, *bad, *good]))
            alone = [await ask(client, inputs) for inputs in bad]
            assert [reply.status_code for reply in replies] == [200] * 10 + [422] * 4 + [200] * 10
            assert rows(replies[:10]) == rows(replies[14:])
            assert [reply.json() for reply in replies[10:14]] == [reply.json() for reply in alone]

    asyncio.run(run())


def test_small_and_large_and_past_lookups_are_the_same(project: Path) -> None:
    """Those that are answered on the event loop and those in threads give one vector for one question."""

    async def run() -> None:
        async with open_app(project) as (_, client):
            small = await ask(client, [question(7)])
            large = await ask(client, [question(7)] * 500)
            past = await ask(client, [question(7)], as_of=small.json()["as_of"])
            assert large.json()["rows"] == small.json()["rows"] * 500
            assert past.json() == small.json()

    asyncio.run(run())


def test_each_request_is_in_the_serving_log(project: Path) -> None:
    """Under its own id, however many shared a trip."""

    async def run() -> None:
        async with open_app(project) as (service, client):
            names = [f"request-{place}" for place in range(30)]
            headers = [{"X-Request-ID": name} for name in names]
            body = {"inputs": [question(3)]}
            await asyncio.gather(*(client.post("/v1/lookup/clicks", json=body, headers=each) for each in headers))
            assert service.online.served is not None
            assert service.online.served.counts()["buffer_full"] == 0
            service.online.served.flush()
            assert service.online.served.counts()["written"] == 30

    asyncio.run(run())


def test_a_lookup_after_a_push_sees_its_rows(project: Path) -> None:
    """Lookups that share a trip are as of an instant after all that was pushed before them."""

    async def run() -> None:
        async with open_app(project) as (_, client):
            for place in range(5):
                pushed = await client.post("/v1/events/Click", json={"rows": [click(1_000 + place, user=99)]})
                assert pushed.status_code == 200
                replies = await asyncio.gather(*(ask(client, [question(99)]) for _ in range(20)))
                assert {row[0]["values"][0] for row in rows(replies)} == {place + 1}

    asyncio.run(run())
