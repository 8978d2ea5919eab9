"""Training sets: the same question of the same files, each side in a process of its own, values compared first."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb

import data
from sides import FEAST, Figure, Side, has_feast, in_turn, line

SIZES = {"small": (1_000_000, 100_000), "full": (10_000_000, 1_000_000)}
ROUNDS = 3
SLOW = {"latest": {"pandas", "feast"}, "windows": {"by_hand"}, "moments": {"by_hand"}}
"""Sides of which, at full size, the first round has to do."""


def run(size: str, folder: Path) -> list[dict[str, Any]]:
    """The questions, one after the other."""
    events, spine = SIZES[size]
    data.write_project(folder, events, spine)
    shape = f"{events:,} events, {spine:,} questions"
    found = []
    for question, what, peers in (
        ("latest", "latest value", ("by_hand", "polars", "pandas", "feast")),
        ("windows", "sum and count over 4 windows", ("by_hand", "polars")),
        ("moments", "sum, count, mean, min, max over 4 windows", ("by_hand",)),
    ):
        slow = SLOW[question] if size == "full" else ()
        figures = compare(folder, question, [peer for peer in peers if peer != "feast" or has_feast()], ROUNDS, slow)
        found.append(line(f"{what}, {shape}", "s", "ours", figures))
        memory = {name: Figure([figure.peak_mb]) for name, figure in figures.items()}
        row = line(f"{what}: most memory held", "MB", "ours", memory)
        found.append(row)
    return found


def compare(
    folder: Path, question: str, peers: list[str], rounds: int, slow: Collection[str] = ()
) -> dict[str, Figure]:
    """Seconds and memory of ours and some peers, once all have given the same values."""
    with ExitStack() as stack:
        sides = {"ours": stack.enter_context(Side("ours", {"folder": str(folder)}))}
        modules = {"polars": "polars_frames", "pandas": "pandas_frames", "feast": "feast_store"}
        for peer in peers:
            python = {"python": FEAST} if peer == "feast" else {}
            sides[peer] = stack.enter_context(Side(modules.get(peer, peer), {"folder": str(folder)}, **python))
        turns = {name: 0 if name in slow else rounds for name in sides}
        figures = in_turn(sides, turns, "training", question=question)
        for name, side in sides.items():
            side.call("save", path=str(folder / f"{name}.{question}.parquet"))
    for peer in figures.keys() - {"ours"}:
        check_same(folder, question, peer)
    return figures


def check_same(folder: Path, question: str, peer: str) -> None:
    """Counts and values taken as they are must be the same bits; sums of floats may differ as theirs do by order."""
    ours, theirs = (f"'{folder / f'{name}.{question}.parquet'}'" for name in ("ours", peer))
    with duckdb.connect() as connection:
        described = connection.sql(f"SELECT * FROM {theirs} LIMIT 0").description
        names = [name for name, *_ in described if name != "rid"]
        rows = connection.sql(f"SELECT count(*), count(DISTINCT rid) FROM {theirs}").fetchall()[0]
        assert rows == connection.sql(f"SELECT count(*), count(DISTINCT rid) FROM {ours}").fetchall()[0]
        for name in names:
            exact = not name.startswith(("amount_", "usual_"))
            one, other = (f'CAST({side}."{name}" AS DOUBLE)' for side in ("o", "t"))
            if peer == "polars" and not exact:  # an empty window's sum is 0 there
                one = f"coalesce({one}, 0)"
            far = f"{one} IS DISTINCT FROM {other}" if exact else f"abs({one} - {other}) > 1e-6 * (1 + abs({one}))"
            if not exact:
                far = f"coalesce({far}, ({one} IS NULL) <> ({other} IS NULL))"
            sql = f"SELECT count(*) FROM {ours} o JOIN {theirs} t USING (rid) WHERE {far}"
            differing = connection.sql(sql).fetchall()[0][0]
            assert not differing, f"{peer} differs from ours in {differing} of {rows[0]} values of {name}"
