"""Curves: training sets by the number of events, lookups by the number of connections. Lookups by the number of keys
are in `lookup`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import data
from lookup import USERS
from serving import ask, views
from sides import Figure, line
from training import compare

EVENTS = {"small": (100_000, 1_000_000), "full": (1_000_000, 10_000_000, 100_000_000)}
CONNECTIONS = (1, 4, 16, 64)
SECONDS = 2.0


def run(size: str, folder: Path) -> list[dict[str, Any]]:
    """Both curves."""
    found = []
    for events in EVENTS[size]:
        place = folder / f"{events}"
        place.mkdir()
        data.write_project(place, events, events // 10 if events < 10**8 else 10**6)
        for question, what in (("latest", "latest value"), ("windows", "sum and count over 4 windows")):
            figures = compare(place, question, ["by_hand"], 1 if events < 10**8 else 0)
            found.append(line(f"{what}, {events:,} events", "s", "ours", figures))
            memory = {name: Figure([figure.peak_mb]) for name, figure in figures.items()}
            found.append(line(f"{what}, {events:,} events: most memory held", "MB", "ours", memory))
        for left in place.glob("*.parquet"):
            left.unlink()
    with views(folder / "views", USERS["small"]) as (targets, load):
        for connections in CONNECTIONS:
            rates, far = ({name: Figure() for name in targets} for _ in range(2))
            for _ in range(2):
                for name, target in targets.items():
                    gave = ask(load, target, 1, 1_000, connections, SECONDS)
                    rates[name].rounds.append(gave["per_s"])
                    far[name].rounds.append(gave["p99"])
            what = f"HTTP, {connections} connection{'s' * (connections > 1)}"
            found.append(line(what, "requests/s", "ours", rates, better="more"))
            found.append(line(f"{what}: p99", "us", "ours", far))
    return found
