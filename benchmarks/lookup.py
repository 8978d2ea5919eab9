"""Lookups in process: ours, a bare read of as many bytes, and Feast."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import data
import servers
from loading import opened
from sides import FEAST, Figure, Side, line

USERS = {"small": 20_000, "full": 100_000}
REAL_USERS = {"small": 200, "full": 2_000}
ROUNDS = {"small": 5, "full": 9}
REPEATS = {1: 400, 10: 150, 100: 40, 500: 10}
KEYS = 1_000
"""How many different keys are asked for."""


def run(size: str, folder: Path) -> list[dict[str, Any]]:
    """A view of one value, a view of two beside Feast, and the real set."""
    return [*small_views(folder / "views", size), *real_set(folder / "real", size)]


def small_views(folder: Path, size: str) -> list[dict[str, Any]]:
    """The last value of one and of two columns, over ten rows a key."""
    folder.mkdir()
    data.write_definitions(folder, data.LOOKUPS)
    data.write_events(folder / "events.parquet", USERS[size] * 10, USERS[size], even=True)
    found = []
    with ExitStack() as stack:
        sides, ports = opened(stack, folder)
        for side in list(sides.values()):
            side.call("materialize")
        if "feast" in sides:
            options = {"folder": str(folder), "port": ports["feast"], "client": "glide"}
            sides["feast_glide"] = stack.enter_context(Side("feast_store", options, FEAST))
        sides["bare"] = stack.enter_context(bare(ports["ours"], sides["ours"], ("latest", "profile")))
        check_same(sides)
        for question, counts in (("latest", (1,)), ("profile", (1, 10, 100, 500))):
            for count in counts:
                what = {"latest": "one value", "profile": "two values"}[question]
                name = f"lookup of {count} key{'s' * (count > 1)}, {what}"
                found += asked(name, sides, question, count, ROUNDS[size])
    return found


def real_set(folder: Path, size: str) -> list[dict[str, Any]]:
    """Three views, twenty features, exact windows; Feast cannot compute it."""
    folder.mkdir()
    data.write_real_project(folder, REAL_USERS[size])
    found = []
    with ExitStack() as stack:
        sides, ports = opened(stack, folder, feast=False)
        sides["ours"].call("materialize")
        sides["bare"] = stack.enter_context(bare(ports["ours"], sides["ours"], ("fraud",), REAL_USERS[size]))
        for count in (1, 100):
            name = f"lookup of {count} key{'s' * (count > 1)}, 3 views, 20 features"
            found += asked(name, sides, "fraud", count, ROUNDS[size], min(KEYS, REAL_USERS[size]))
    return found


def bare(port: int, ours: Side, questions: tuple[str, ...], users: int = KEYS) -> Side:
    """The bare engine on our server, with values of the size that our lookups read."""
    sizes = {each: round(ours.call("bytes_of", question=each, keys=list(range(100)))["gave"]) for each in questions}
    side = Side("bare", {"url": servers.url_of(port)})
    side.call("fill", sizes=sizes, count=min(users, KEYS))
    return side


def asked(
    what: str, sides: Mapping[str, Side], question: str, count: int, rounds: int, users: int = KEYS
) -> list[dict[str, Any]]:
    """p50 and p99 of each side, in turns; a round's p50 is one figure, and the p99 is that of all rounds."""
    random = Random(7)
    middle, far = ({name: Figure() for name in sides} for _ in range(2))
    took: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        keys = [random.sample(range(users), min(count, users)) for _ in range(REPEATS[count])]
        for name, side in sides.items():
            seconds = side.call("lookup", question=question, keys=keys)["gave"]["seconds"]
            if number:
                middle[name].rounds.append(median(seconds) * 1e6)
                took[name] += seconds
    for name, all_of in took.items():
        far[name].rounds = [sorted(all_of)[int(len(all_of) * 0.99)] * 1e6]
    return [line(what, "us", "ours", middle), line(f"{what}: p99", "us", "ours", far)]


def check_same(sides: Mapping[str, Side]) -> None:
    """All that can answer give the same values."""
    keys = [list(range(200))]
    ours = sides["ours"].call("lookup", question="profile", keys=keys)["gave"]["values"]
    for name in sides:
        if name.startswith("feast"):
            theirs = sides[name].call("lookup", question="profile", keys=keys)["gave"]["values"]
            assert ours == theirs, f"{name} differs from ours"
