"""The online state of all keys from history, and rows that are pushed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import data
import servers
from sides import FEAST, Figure, Side, has_feast, line

KEYS = {"small": 100_000, "full": 1_000_000}
ROUNDS = {"small": 2, "full": 2}
SECONDS = 2.0


def run(size: str, folder: Path) -> list[dict[str, Any]]:
    """Materialize in three shapes, then ingest."""
    keys, found = KEYS[size], []
    for each, rows in ((keys, 1), (keys // 10, 10), (keys // 100, 100)):
        found += materialize(folder / f"by_{rows}", each, rows, ROUNDS[size])
    return [*found, *ingest(folder / "ingest")]


def materialize(folder: Path, keys: int, rows: int, rounds: int) -> list[dict[str, Any]]:
    """Rows a second and bytes a key of so many keys with so many rows each; Feast keeps the last row of a key only, and
    is asked for what it can: one row a key."""
    folder.mkdir()
    data.write_definitions(folder, data.PROFILE)
    data.write_events(folder / "events.parquet", keys * rows, keys, even=True)
    with ExitStack() as stack:
        sides, ports = opened(stack, folder, feast=rows == 1)
        speed, held, memory = ({name: Figure() for name in sides} for _ in range(3))
        for number in range(rounds):
            for name, side in sides.items():
                if name == "feast" and number:
                    continue
                before = servers.memory_of(ports[name])
                answer = side.call("materialize")
                speed[name].rounds.append(keys * rows / answer["seconds"])
                memory[name].rounds = [answer["peak_mb"]]
                if not number:
                    held[name].rounds = [(servers.memory_of(ports[name]) - before) / keys]
    what = f"materialize {keys:,} keys of {rows} row{'s' * (rows > 1)}"
    return [
        line(what, "rows/s", "ours", speed, better="more"),
        line(f"{what}: memory in the server", "bytes/key", "ours", held),
        line(f"{what}: most memory held by the client", "MB", "ours", memory),
    ]


def ingest(folder: Path) -> list[dict[str, Any]]:
    """Pushed rows a second. Ours are in a durable log and in training sets when the call returns, each exactly once;
    Feast's are in the online store only."""
    folder.mkdir()
    data.write_definitions(folder, data.DEFINITIONS)
    data.write_events(folder / "events.parquet", 1_000, 10, even=True)
    found = []
    with ExitStack() as stack:
        sides, _ = opened(stack, folder)
        for side in sides.values():
            side.call("materialize")
        for rows in (1, 1_000):
            figures = {name: Figure() for name in sides}
            for _ in range(3):
                for name, side in sides.items():
                    figures[name].rounds.append(side.call("ingest", rows=rows, seconds=SECONDS)["gave"])
            what = f"ingest, {rows:,} row{'s' * (rows > 1)} a call"
            found.append(line(what, "rows/s", "ours", figures, better="more"))
    return found


def opened(stack: ExitStack, folder: Path, feast: bool = True) -> tuple[dict[str, Side], dict[str, int]]:
    """Ours and Feast over one project, each with a server of its own, and the servers' ports."""
    ports = {"ours": stack.enter_context(servers.valkey(folder / "ours_server"))}
    servers.use_server(folder, ports["ours"])
    sides = {"ours": stack.enter_context(Side("ours", {"folder": str(folder)}))}
    if feast and has_feast():
        ports["feast"] = stack.enter_context(servers.valkey(folder / "feast_server"))
        options = {"folder": str(folder), "port": ports["feast"]}
        sides["feast"] = stack.enter_context(Side("feast_store", options, FEAST))
    return sides, ports
