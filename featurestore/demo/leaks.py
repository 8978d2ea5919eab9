"""What a join on event time would leak into the flights' training set: delays of aircraft that are still in the air."""

from __future__ import annotations

from pathlib import Path

import duckdb

_NAIVE_JOIN = """
    WITH landings AS (
        -- one row for each time an aircraft was to leave, so that the join has one answer
        SELECT tailnum, scheduled_at, max(landed_at) AS landed_at
        FROM read_parquet($arrivals) WHERE late_by IS NOT NULL GROUP BY ALL
    )
    SELECT
        -- the leak: that flight landed, and its delay was known, only at or after this departure
        count(*) FILTER (
            landed_at >= trips.scheduled_at AND landings.scheduled_at >= trips.scheduled_at - INTERVAL 2 DAY
        ),
        count(*)
    -- the naive join: the aircraft's latest flight by departure time, no question asked about when it landed
    FROM read_parquet($trips) trips ASOF LEFT JOIN landings
        ON trips.tailnum = landings.tailnum AND trips.scheduled_at > landings.scheduled_at
"""


def naive_join_leaks(folder: Path) -> tuple[int, int]:
    """Cells of `last_delay` that a join on event time fills from an aircraft still in the air, and all of its cells.

    Shape: one cell is one row of `trips.parquet`, and looks two days back; `folder` is where `write` put the tables.
    """
    files = {name: str(folder / f"{name}.parquet") for name in ("arrivals", "trips")}
    with duckdb.connect() as connection:
        leaks, cells = connection.execute(_NAIVE_JOIN, files).fetchall()[0]
    return int(leaks), int(cells)
