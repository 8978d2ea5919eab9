"""SQL for DuckDB as an expert writes it by hand for the same questions."""

from __future__ import annotations

import os
from typing import Any

import duckdb
import pyarrow.parquet as pq

WINDOWS = {"1h": "1 HOUR", "1d": "1 DAY", "7d": "7 DAY", "30d": "30 DAY"}
# of several payments at one instant the one with the greatest amount counts, as it does with us
LATEST = """
SELECT s.rid, e.amount FROM 'spine.parquet' s ASOF LEFT JOIN (
  SELECT user_id, happened_at, arg_max(amount, coalesce(amount, -1e308)) AS amount FROM 'events.parquet' GROUP BY ALL
) e ON s.user_id = e.user_id AND s.asked_at > e.happened_at
"""
FRAMES = """
SELECT rid, {columns} FROM (
  SELECT rid, {frames} FROM (
    SELECT user_id, happened_at, amount, NULL AS rid FROM 'events.parquet'
    UNION ALL SELECT user_id, asked_at, NULL, rid FROM 'spine.parquet'
  ) WINDOW {windows}
) WHERE rid IS NOT NULL
"""
WHAT = {
    "windows": {"amount": "sum", "payments": "count"},
    "moments": {"amount": "sum", "payments": "count", "usual": "avg", "least": "min", "most": "max"},
}


class ByHand:
    """A fresh connection for each question, as ours makes one."""

    def __init__(self, folder: str) -> None:
        os.chdir(folder)
        self._found: Any = None

    def training(self, question: str) -> int:
        """A training set, in memory."""
        with duckdb.connect() as connection:
            self._found = connection.sql(LATEST if question == "latest" else frames(WHAT[question])).to_arrow_table()
        return int(self._found.num_rows)

    def save(self, path: str) -> None:
        """Keep the last training set."""
        pq.write_table(self._found, path)


def frames(what: dict[str, str]) -> str:
    """Aggregates over the four windows as frames over events and questions together."""
    named = {f"{name}_{length}": (call, length) for name, call in what.items() for length in WINDOWS}
    over = "PARTITION BY user_id ORDER BY happened_at RANGE BETWEEN INTERVAL {} PRECEDING"
    over += " AND INTERVAL 1 MICROSECOND PRECEDING"
    return FRAMES.format(
        columns=", ".join(named),
        frames=", ".join(f"{call}(amount) OVER w{length} AS {name}" for name, (call, length) in named.items()),
        windows=", ".join(f"w{name} AS ({over.format(length)})" for name, length in WINDOWS.items()),
    )


def open_side(folder: str) -> ByHand:
    """Open."""
    return ByHand(folder)
