"""This product: training sets, materialize, lookups, ingest."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from featurestore import FeatureStore


class Ours:
    """A store of a project's folder."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._store = FeatureStore(folder)
        self._found: Any = None
        self._pushed = 0

    def training(self, question: str) -> int:
        """A training set of a feature set, in memory."""
        self._found = self._store.dataset(question, str(self._folder / "spine.parquet"), as_of="asked_at").to_arrow()
        return int(self._found.num_rows)

    def save(self, path: str) -> None:
        """Keep the last training set, its features named as the peers name them."""
        table = self._found
        names = [name.split("__", 1)[1] if "__" in name else name for name in table.column_names]
        pq.write_table(table.rename_columns(names), path)

    def materialize(self) -> dict[str, int]:
        """The online state of all keys."""
        report = self._store.materialize()
        return {"rows": sum(report.rows.values())}

    def lookup(self, question: str, keys: list[list[int]]) -> dict[str, Any]:
        """Seconds of each lookup of some keys, and the values of the last one."""
        questions = [[{"user_id": key} for key in some] for some in keys]
        took = []
        for asked in questions:
            started = time.perf_counter()
            vectors = self._store.lookup(question, asked)
            took.append(time.perf_counter() - started)
        return {"seconds": took, "values": [list(row.values()) for row in vectors.to_pylist()]}

    def bytes_of(self, question: str, keys: list[int]) -> float:
        """How many bytes the server sends for one of these keys."""
        server = self._store.online.writer
        sent = []
        for asked in ([], keys, []):
            before = int(server.info("stats")["total_net_output_bytes"])
            if asked:
                self._store.lookup(question, [{"user_id": key} for key in asked])
            sent.append(int(server.info("stats")["total_net_output_bytes"]) - before)
        return max(1.0, (sent[1] - sent[2]) / len(keys))

    def ingest(self, rows: int, seconds: float) -> float:
        """Pushed rows a second, so many a call."""
        started, before = time.perf_counter(), self._pushed
        while time.perf_counter() - started < seconds:
            at = datetime.now(UTC) - timedelta(minutes=1)
            places = range(self._pushed, self._pushed + rows)
            self._store.ingest(
                "Click", [{"click_id": i, "user_id": i % 997, "amount": 1.5, "happened_at": at} for i in places]
            )
            self._pushed += rows
        return (self._pushed - before) / (time.perf_counter() - started)


def open_side(folder: str) -> Ours:
    """Open."""
    return Ours(folder)
