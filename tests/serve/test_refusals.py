"""No answer beats a wrong one (R15): whatever the store cannot answer rightly is 503 with its reason, and heals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from featurestore.online.codec import encode
from featurestore.online.keys import pointer_name
from featurestore.store import FeatureStore
from tests.serve.shop import Served, environment, materialised, program, question, serving, write_project


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service of its own, for the tests here break its store and mend it again."""
    with serving(materialised(write_project(tmp_path_factory.mktemp("refusing")))) as found:
        yield found


def refused(reply: httpx.Response) -> tuple[str, str]:
    """Name and reason of a reply that must be a 503 with all that helps."""
    assert reply.status_code == 503, reply.text
    body = reply.json()
    assert body["fix"] and reply.headers["retry-after"]
    return body["title"], body["detail"]


def until(status: int, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first reply with that status, or the last of five seconds."""
    deadline = time.monotonic() + 5
    while (reply := ask()).status_code != status and time.monotonic() < deadline:
        time.sleep(0.02)
    assert reply.status_code == status, reply.text
    return reply


@contextmanager
def changed_pointer(served: Served, feature_set: str, **fields: Any) -> Iterator[None]:
    """A state whose pointer says something else for a while; nothing at all if no field is given."""
    with FeatureStore(served.root) as store:
        name = pointer_name("shop", store.plan(feature_set).states[0].id)
        whole = store.online.client.get(name)
        assert isinstance(whole, bytes)
        if fields:
            store.online.client.set(name, json.dumps(json.loads(whole) | fields))
        else:
            store.online.client.delete(name)
        try:
            yield
        finally:
            store.online.client.set(name, whole)


@pytest.mark.parametrize(
    ("fields", "title", "says"),
    [
        ({}, "StoreEmpty", "holds no state"),
        ({"format": 0}, "StoreEmpty", "in this version"),
        ({"log": "another"}, "StoreBehind", "was built from another log"),
        ({"applied": 10**9}, "StoreBehind", "was built from another log"),
        ({"retention": {"longest_us": 1, "lag_us": 0, "selections": []}}, "StoreEmpty", "was built without the rows"),
    ],
    ids=["partial", "another version", "another log", "a log that lost rows", "trimmed for shorter windows"],
)
def test_r15_a_state_that_cannot_answer_rightly_is_503(
    refusing: Served, fields: dict[str, Any], title: str, says: str
) -> None:
    """A store that lacks one state of several, or holds one of another version, log or window, answers none that needs
    it; the others go on."""
    with changed_pointer(refusing, "lately", **fields):
        # what a state says of itself is read with each lookup, and looked into ten times a second
        found = refused(until(503, lambda: refusing.lookup([{"user": 7}], "lately")))
        assert (found[0], says in found[1]) == (title, True), found
        refused(refusing.lookup(question(7) | {"price": 1.0}, "everything"))
        assert refusing.lookup([question()]).status_code == 200
    until(200, lambda: refusing.lookup([{"user": 7}], "lately"))


def test_r15_a_state_that_is_behind_its_log_is_not_ready(refusing: Served) -> None:
    """While a writer has committed rows and not applied them, the service is not ready; when it has died, lookups
    apply them."""
    row = {"id": 77_000, "user": 777, "page": "a", "seconds": 1.0, "big": 1, "seen_at": 0, "born": 0, "at": 1}
    with FeatureStore(refusing.root) as store:
        with store.log.turn("Click"):
            store.log.append("Click", [encode(row)], store.online.clock_us())
            title, detail = refused(refusing.client.get("/readyz"))
            assert (title, "is behind its log" in detail) == ("StoreBehind", True)
        deadline = time.monotonic() + 5
        while refusing.lookup([question(777)]).json()["rows"][0]["values"][0] != 1:
            assert time.monotonic() < deadline
    until(200, lambda: refusing.client.get("/readyz"))


def test_r15_a_server_that_starts_to_evict_is_not_ready(refusing: Served) -> None:
    """When somebody gives the server a limit and a policy that drops keys, readiness is 503 and says which policy."""
    with FeatureStore(refusing.root) as store:
        client: redis.Redis = store.online.writer
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "1gb")
        try:
            title, _ = refused(refusing.client.get("/readyz"))
            assert title == "StoreUnsafe"
            assert "allkeys-lru" in refusing.client.get("/readyz").json()["has"]
        finally:
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")
    assert refusing.client.get("/readyz").status_code == 200


def test_r15_a_server_that_may_evict_is_not_served_from(refusing: Served, tmp_path: Path) -> None:
    """A service does not start over a server whose policy may drop keys, and says so."""
    with FeatureStore(refusing.root) as store:
        client: redis.Redis = store.online.writer
        url = f"unix://{client.connection_pool.connection_kwargs['path']}"
        client.config_set("maxmemory-policy", "volatile-lru")
        client.config_set("maxmemory", "1gb")
        try:
            started = subprocess.run(
                program(write_project(tmp_path / "other")),
                capture_output=True,
                text=True,
                timeout=60,
                env=environment() | {"FEATURESTORE_REDIS_URL": url},
            )
        finally:
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")
    assert started.returncode != 0
    assert "may evict keys" in started.stderr and "volatile-lru" in started.stderr


def test_r15_a_server_that_is_loading_is_503_until_it_has_loaded(refusing: Served) -> None:
    """A server that is killed and reads its data again answers nothing meanwhile: neither zeros nor nulls, but 503."""
    known = refusing.lookup([question()]).json()["rows"]
    os.kill(refusing.server_pid(), signal.SIGKILL)
    statuses = set()
    for _ in range(2_000):
        reply = refusing.lookup([question()])
        statuses.add(reply.status_code)
        if reply.status_code == 200:
            assert reply.json()["rows"] == known
            break
        assert refused(reply)[0] == "StoreUnavailable"
    assert statuses == {200, 503}
