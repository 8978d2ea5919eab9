"""What is odd about the questions of a training set: rows without a key, and rows that come twice."""

from __future__ import annotations

import duckdb

from featurestore.offline.connection import quoted
from featurestore.offline.interrupts import interruptible
from featurestore.plan.nodes import Plan

NOTED_ROWS = 1_000_000
"""Up to so many rows are compared with each other; that takes memory for each."""


def notes_of(connection: duckdb.DuckDBPyConnection, plan: Plan, rows: int) -> tuple[str, ...]:
    """What is odd about the questions in `asked`: those without a key, which have the values of a key never seen, and,
    of a million or fewer, those that are there several times."""
    keys = [given.name for given in plan.inputs if given.key]
    counts = [f"count(*) FILTER (WHERE {quoted(f'i_{name}')} IS NULL)" for name in keys]
    if rows <= NOTED_ROWS:
        asked = ", ".join(["as_of_us", *(quoted(f"i_{each.name}") for each in plan.inputs)])
        counts.append(f"count(*) - (SELECT count(*) FROM (SELECT DISTINCT {asked} FROM asked))")
    if not counts:
        return ()
    sql = f"SELECT {', '.join(counts)} FROM asked"
    [found] = interruptible(connection, lambda: connection.execute(sql).fetchall())
    notes = [
        f"{count:,} of {rows:,} rows of the spine have no `{key}`" for key, count in zip(keys, found, strict=False)
    ]
    told = [note for note, count in zip(notes, found, strict=False) if count]
    if rows <= NOTED_ROWS and found[-1]:
        told.append(f"{found[-1]:,} of {rows:,} rows of the spine repeat another: the same inputs and instant")
    return tuple(told)
