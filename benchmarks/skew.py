"""Skew of a busy key: what explaining differences costs beside a run in which nothing differs.

    python benchmarks/skew.py [ROWS] [QUESTIONS]

One key has ROWS rows (30,000) and QUESTIONS lookups (5,000), each with an instant of its own. Measures CPU seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore import FeatureStore
from featurestore.skew.report import SkewReport

OTHERS = 100_000
DAY_US = 86_400_000_000
DEFINITIONS = '''"""Rides."""

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, KnownTime, Parquet, Request, RowId, Source
from featurestore import rows


class Rider(Entity):
    rider: Column[int]


class Zone(Entity):
    zone: Column[int]


class Trip(Source, data=Parquet("data/*.parquet")):
    trip: RowId[int]
    rider: Column[int]
    zone: Column[int]
    fare: Column[float]
    km: Column[float]
    kind: Column[str]
    at: EventTime
    known: KnownTime


class Ask(Request):
    rider: Column[int]
    zone: Column[int]
    price: Column[float]


class OfRider(FeatureView, entity=Rider, source=Trip):
    fares = Trip.fare.sum(over=("1h", "1d", "7d", "30d"))
    trips = rows(over=("1h", "1d", "7d", "30d"))
    usual = Trip.fare.mean(over="7d")
    far = Trip.km.max(over="30d")
    last_fare = Trip.fare.last(over="30d")
    ever = rows()
    total = Trip.fare.sum()
    kinds = Trip.kind.distinct_count(over="7d")


class OfZone(FeatureView, entity=Zone, source=Trip):
    fares = Trip.fare.sum(over=("1h", "1d", "7d"))
    spread = Trip.fare.std(over="7d")
    last_kind = Trip.kind.last()


class AtAsk(FeatureView, request=Ask):
    against = Ask.price - OfRider.usual


ask = FeatureSet("ask", OfRider, OfZone, AtAsk)
'''


def trips(first: int, count: int, riders: int, zones: int, days: float = 40) -> pa.Table:
    """Trips of the last days, known half a minute after they happened. Of one rider only where `riders` is 1."""
    random = np.random.default_rng(first)
    at = time.time_ns() // 1000 - 120_000_000 - random.integers(0, int(days * DAY_US), count)
    instants = [pa.array(np.sort(at) + later, pa.timestamp("us", "UTC")) for later in (0, 30_000_000)]
    columns = {
        "trip": np.arange(first, first + count),
        "rider": random.integers(0, riders, count) + (riders > 1),
        "zone": random.integers(0, zones, count),
        "fare": np.round(random.uniform(3, 60, count), 2),
        "km": np.round(random.uniform(0.5, 30, count), 3),
        "kind": random.choice(["a", "b", "c", "d"], count),
    }
    return pa.table({**columns, "at": instants[0], "known": instants[1]})


def build(folder: Path, rows: int, questions: int) -> None:
    """A project with a busy rider and zone, materialised and served."""
    for name in ("definitions", "data"):
        (folder / name).mkdir()
    (folder / "featurestore.toml").write_text('project = "rides"\n', encoding="utf-8")
    (folder / "definitions" / "rides.py").write_text(DEFINITIONS, encoding="utf-8")
    pq.write_table(trips(0, rows, 1, 1), folder / "data" / "busy.parquet")
    pq.write_table(trips(rows, OTHERS, 5_000, 50), folder / "data" / "others.parquet")
    with FeatureStore(folder) as store:
        store.materialize()
        serve(store, questions)


def serve(store: FeatureStore, questions: int) -> None:
    """A lookup for each question."""
    random = Random(3)
    for _ in range(questions):
        store.lookup("ask", {"rider": 0, "zone": 0, "price": float(random.randrange(50))})


def late(folder: Path, count: int) -> None:
    """Push rows that say they were known a quarter of an hour ago."""
    first = trips(10_000_000 + count * 1_000, count, 1, 1, days=0.01)
    known = datetime.now(UTC) - timedelta(minutes=15)
    rows = [row | {"known": min(row["known"], known), "at": min(row["at"], known)} for row in first.to_pylist()]
    with FeatureStore(folder) as store:
        store.ingest("Trip", rows)


def redefine(folder: Path) -> None:
    """Another meaning of a feature."""
    path = folder / "definitions" / "rides.py"
    path.write_text(DEFINITIONS.replace("km.max(", "km.min("), encoding="utf-8")


def lose(folder: Path) -> None:
    """Remove all keys from the server, and serve without them."""
    with FeatureStore(folder) as store:
        writer = store.online.writer
        writer.delete(*writer.scan_iter("rides:rows:*"))
        serve(store, 1_000)


def measured(folder: Path) -> tuple[SkewReport, float]:
    """A run, and its CPU seconds."""
    with FeatureStore(folder) as store:
        begun = time.process_time()
        return store.skew("ask"), time.process_time() - begun


def main(rows: int, questions: int) -> None:
    """Measure one fault after the other, and print each with its ratio to the run without any."""
    steps: list[tuple[str, Callable[[Path], None]]] = [
        ("nothing differs", lambda _: None),
        ("one late row", lambda folder: late(folder, 1)),
        ("1,000 late rows more", lambda folder: late(folder, 1_000)),
        (
            "a file that was not materialised",
            lambda folder: pq.write_table(trips(20_000_000, rows, 1, 1), folder / "data" / "more.parquet"),
        ),
        ("a feature redefined", redefine),
    ]
    with TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, rows, questions)
        first = 0.0
        for what, spoil in steps:
            spoil(folder)
            report, seconds = measured(folder)
            first = first or seconds
            found = f"{report.differing:,} of {report.cells:,} cells differ, {report.unexplained:,} unexplained"
            print(
                f"{what}: {seconds:.1f} CPU s, {seconds / first:.1f} times; {found}, {report.left:,} left", flush=True
            )
    with TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, rows, 0)
        lose(folder)
        report, seconds = measured(folder)
        print(f"a lost key, 1,000 questions: {seconds:.1f} CPU s; causes {report.causes}", flush=True)


if __name__ == "__main__":
    main(*(int(each) for each in (sys.argv[1:] + ["30000", "5000"][len(sys.argv) - 1 :])))
