"""pandas: the as-of join, which is what it has for such questions."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd


class Pandas:
    """All in memory; what is read is the project's files."""

    def __init__(self, folder: str) -> None:
        os.chdir(folder)
        self._found: Any = None

    def training(self, question: str) -> int:
        """A training set, in memory."""
        assert question == "latest"
        events = pd.read_parquet("events.parquet", columns=["user_id", "happened_at", "amount"])
        spine = pd.read_parquet("spine.parquet")
        self._found = pd.merge_asof(
            spine.sort_values("asked_at"),
            events.sort_values("happened_at"),
            left_on="asked_at",
            right_on="happened_at",
            by="user_id",
            allow_exact_matches=False,
        )
        return len(self._found)

    def save(self, path: str) -> None:
        """Keep the last training set."""
        self._found[["rid", "amount"]].to_parquet(path)


def open_side(folder: str) -> Pandas:
    """Open."""
    return Pandas(folder)
