"""Feast 0.67, in its own Python: DuckDB offline store, Redis online store, as its performance page sets them.

Its registry is cached without end and its writes skip the look at what is there already, which is what its
documentation gives for speed.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

YAML = """
project: bench
registry:
  path: registry.db
  cache_ttl_seconds: 0
provider: local
offline_store:
  type: duckdb
online_store:
  type: redis
  connection_string: 127.0.0.1:{port}
  client: {client}
  skip_dedup: true
entity_key_serialization_version: 3
"""


class Feast:
    """A feature store over the events of a project."""

    def __init__(self, folder: str, port: int, client: str) -> None:
        events = str(Path(folder) / "events.parquet")
        self._spine = Path(folder) / "spine.parquet"
        repo = Path(folder) / f"feast_{client}"
        repo.mkdir(exist_ok=True)
        os.chdir(repo)
        (repo / "feature_store.yaml").write_text(YAML.format(port=port, client=client))
        self._store = FeatureStore(".")
        user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
        source = FileSource(name="payments", path=events, timestamp_field="happened_at")
        schema = [Field(name="amount", dtype=Float64), Field(name="merchant", dtype=Int64)]
        view = FeatureView(name="tx", entities=[user], ttl=timedelta(days=3650), schema=schema, source=source)
        self._store.apply([user, source, view])
        self._found: Any = None

    def training(self, question: str) -> int:
        """A training set, in memory."""
        assert question == "latest"
        spine = pd.read_parquet(self._spine).rename(columns={"asked_at": "event_timestamp"})
        self._found = self._store.get_historical_features(entity_df=spine, features=["tx:amount"]).to_arrow()
        return int(self._found.num_rows)

    def save(self, path: str) -> None:
        """Keep the last training set."""
        self._found.select(["rid", "amount"]).to_pandas().to_parquet(path)

    def materialize(self) -> dict[str, float]:
        """All history into the online store."""
        self._store.materialize(datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC), disable_event_timestamp=False)
        return {}

    def lookup(self, question: str, keys: list[list[int]]) -> dict[str, Any]:
        """Seconds of each lookup of some keys, and the values of the last one."""
        features = ["tx:amount"] if question == "latest" else ["tx:amount", "tx:merchant"]
        questions = [[{"user_id": key} for key in some] for some in keys]
        took = []
        for asked in questions:
            started = time.perf_counter()
            found = self._store.get_online_features(features=features, entity_rows=asked).to_dict()
            took.append(time.perf_counter() - started)
        names = [name.split(":")[1] for name in features]
        return {"seconds": took, "values": [list(row) for row in zip(*(found[name] for name in names), strict=True)]}

    def ingest(self, rows: int, seconds: float) -> float:
        """Rows written to the online store a second, so many a call: nothing is kept elsewhere."""
        started, written = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            places = range(written, written + rows)
            at = datetime.now(UTC) - timedelta(minutes=1)
            frame = pd.DataFrame(
                {"user_id": [i % 997 for i in places], "amount": 1.5, "merchant": 1, "happened_at": at}
            )
            self._store.write_to_online_store("tx", frame)
            written += rows
        return written / (time.perf_counter() - started)


def open_side(folder: str, port: int = 1, client: str = "redis") -> Feast:
    """Open."""
    return Feast(folder, port, client)
