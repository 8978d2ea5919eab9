"""Polars as its documentation has such questions answered."""

from __future__ import annotations

import os
from typing import Any

import polars as pl

WINDOWS = ("1h", "1d", "7d", "30d")


class Polars:
    """All in memory; what is read is the project's files."""

    def __init__(self, folder: str) -> None:
        os.chdir(folder)
        self._found: Any = None

    def training(self, question: str) -> int:
        """A training set, in memory."""
        self._found = latest() if question == "latest" else windows()
        return int(self._found.height)

    def save(self, path: str) -> None:
        """Keep the last training set."""
        self._found.write_parquet(path)


def latest() -> pl.DataFrame:
    """An as-of join by user."""
    events = pl.scan_parquet("events.parquet").select("user_id", "amount", asked_at="happened_at").sort("asked_at")
    spine = pl.scan_parquet("spine.parquet").sort("asked_at")
    joined = spine.join_asof(events, on="asked_at", by="user_id", strategy="backward", allow_exact_matches=False)
    return joined.select("rid", "amount").collect()


def windows() -> pl.DataFrame:
    """Rolling sums over events and questions together, by user."""
    events = pl.scan_parquet("events.parquet").select(
        "user_id", "amount", at="happened_at", one=pl.lit(1), rid=pl.lit(None, pl.Int64)
    )
    spine = pl.scan_parquet("spine.parquet").select(
        "user_id", amount=pl.lit(0.0), at="asked_at", one=pl.lit(0), rid="rid"
    )
    rows = pl.concat([events, spine]).sort("user_id", "at")
    rolling = [
        pl.col(column).rolling_sum_by("at", length, closed="left").over("user_id").alias(f"{name}_{length}")
        for name, column in (("amount", "amount"), ("payments", "one"))
        for length in WINDOWS
    ]
    return (
        rows.with_columns(rolling).filter(pl.col("rid").is_not_null()).drop("user_id", "at", "one", "amount").collect()
    )


def open_side(folder: str) -> Polars:
    """Open."""
    return Polars(folder)
