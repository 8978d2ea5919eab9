"""Lookups over HTTP: as many server processes on each side, connections that stay open, requests a second."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
import servers
from loading import opened
from lookup import KEYS, REAL_USERS, USERS, bare
from sides import FEAST, HERE, Figure, Side, line

WORKERS = 2
CONNECTIONS = 16
ROUNDS = {"small": 3, "full": 5}
SECONDS = {"small": 2.0, "full": 4.0}
Targets = Mapping[str, "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a side answers a question, and in which form it is asked."""

    port: int
    path: str
    feast: bool = False

    def bodies(self, keys: int, users: int) -> list[Any]:
        """Requests for so many keys each."""
        some = [[(start * keys + place) % users for place in range(keys)] for start in range(200)]
        if self.feast:
            features = ["tx:amount", "tx:merchant"]
            return [{"features": features, "entities": {"user_id": each}} for each in some]
        return [{"inputs": [{"user_id": key} for key in each]} for each in some]


def run(size: str, folder: Path) -> list[dict[str, Any]]:
    """A view of two values beside Feast, and the real set, with 16 connections."""
    found = []
    with views(folder / "views", USERS[size]) as (targets, load):
        check_same(targets, load)
        for keys in (1, 100):
            found += asked(f"{keys} key{'s' * (keys > 1)} a request", targets, load, keys, CONNECTIONS, size)
    with real(folder / "real", REAL_USERS[size]) as (targets, load):
        users = min(KEYS, REAL_USERS[size])
        found += asked("1 key a request, 3 views, 20 features", targets, load, 1, CONNECTIONS, size, users)
    return found


@contextmanager
def views(folder: Path, users: int) -> Iterator[tuple[Targets, Side]]:
    """The services of all sides over one project, and who asks them."""
    folder.mkdir()
    data.write_definitions(folder, data.LOOKUPS)
    data.write_events(folder / "events.parquet", users * 10, users, even=True)
    with ExitStack() as stack:
        sides, ports = opened(stack, folder)
        for side in sides.values():
            side.call("materialize")
        stack.enter_context(bare(ports["ours"], sides["ours"], ("profile",)))
        targets = {
            "ours": Target(stack.enter_context(ours(folder)), "/v1/lookup/profile"),
            "bare": Target(stack.enter_context(bare_app(ports["ours"])), "/v1/lookup/profile"),
        }
        if "feast" in sides:
            port = stack.enter_context(feast(folder / "feast_redis"))
            targets["feast"] = Target(port, "/get-online-features", feast=True)
        yield targets, stack.enter_context(Side("load", {}))


@contextmanager
def real(folder: Path, users: int) -> Iterator[tuple[Targets, Side]]:
    """The services of ours and of the bare engine for the real set."""
    folder.mkdir()
    data.write_real_project(folder, users)
    with ExitStack() as stack:
        sides, ports = opened(stack, folder, feast=False)
        sides["ours"].call("materialize")
        stack.enter_context(bare(ports["ours"], sides["ours"], ("fraud",), users))
        targets = {
            "ours": Target(stack.enter_context(ours(folder)), "/v1/lookup/fraud"),
            "bare": Target(stack.enter_context(bare_app(ports["ours"])), "/v1/lookup/fraud"),
        }
        yield targets, stack.enter_context(Side("load", {}))


def asked(
    what: str, targets: Targets, load: Side, keys: int, connections: int, size: str, users: int = KEYS
) -> list[dict[str, Any]]:
    """Requests a second, p50 and p99, in turns."""
    rates, middle, far = ({name: Figure() for name in targets} for _ in range(3))
    for number in range(ROUNDS[size] + 1):
        for name, target in targets.items():
            gave = ask(load, target, keys, users, connections, SECONDS[size] if number else 1.0)
            if number:
                rates[name].rounds.append(gave["per_s"])
                middle[name].rounds.append(gave["p50"])
                far[name].rounds.append(gave["p99"])
    what = f"HTTP, {WORKERS} processes, {connections} connections, {what}"
    return [
        line(what, "requests/s", "ours", rates, better="more"),
        line(f"{what}: p50", "us", "ours", middle),
        line(f"{what}: p99", "us", "ours", far),
    ]


def ask(load: Side, target: Target, keys: int, users: int, connections: int, seconds: float) -> dict[str, Any]:
    """What the load generator found."""
    bodies = target.bodies(keys, users)
    gave: dict[str, Any] = load.call(
        "load", port=target.port, path=target.path, bodies=bodies, connections=connections, seconds=seconds
    )["gave"]
    return gave


def check_same(targets: Targets, load: Side) -> None:
    """Feast's service gives the values that ours gives."""
    if "feast" not in targets:
        return
    answers = {name: ask(load, targets[name], 200, KEYS, 1, 0.0)["answer"] for name in ("ours", "feast")}
    mine = [row["values"] for row in answers["ours"]["rows"]]
    names = answers["feast"]["metadata"]["feature_names"]
    columns = dict(zip(names, (each["values"] for each in answers["feast"]["results"]), strict=True))
    theirs = [list(row) for row in zip(columns["amount"], columns["merchant"], strict=True)]
    assert mine == theirs, "Feast's service differs from ours"


@contextmanager
def ours(folder: Path) -> Iterator[int]:
    """`featurestore serve`."""
    port = servers.free_port()
    program = f"from featurestore.serve.run import run; run({str(folder)!r}, port={port}, workers={WORKERS})"
    with _running([sys.executable, "-c", program], folder, port):
        yield port


@contextmanager
def bare_app(redis_port: int) -> Iterator[int]:
    """The bare application under uvicorn."""
    port = servers.free_port()
    command = [sys.executable, "-m", "uvicorn", "peers.bare_app:app", "--port", str(port), "--workers", str(WORKERS)]
    quiet = ["--no-access-log", "--log-level", "warning"]
    with _running([*command, *quiet], HERE, port, BARE_URL=servers.url_of(redis_port)):
        yield port


@contextmanager
def feast(repo: Path) -> Iterator[int]:
    """`feast serve` as its page on performance has it: several workers, no access log, a registry that stays."""
    port = servers.free_port()
    command = [str(FEAST.with_name("feast")), "serve", "--port", str(port), "--workers", str(WORKERS)]
    fast = ["--no-access-log", "--registry_ttl_sec", "86400", "--max-requests", "100000000"]
    with _running([*command, *fast, "--keep-alive-timeout", "300"], repo, port):
        yield port


@contextmanager
def _running(command: list[str], folder: Path, port: int, **environment: str) -> Iterator[None]:
    with (HERE / "results" / "servers.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
        )
        try:
            until = time.monotonic() + 60
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{command[0]} does not serve; see {log.name}")
                time.sleep(0.1)
            time.sleep(3)  # until every worker has come up
            yield
        finally:
            process.terminate()
            process.wait()
