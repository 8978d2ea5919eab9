"""Ours beside the bare engine, in one run: training, materialize, ingest and lookup, as ratios of medians.

Absolute times say little on a shared machine; a ratio within one run does. Every pair answers one question, and is
checked to give the same values before it is timed.
Usage: python benchmarks/run.py [--events N] [--spine N] [--rounds N] [--out FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore import FeatureStore

DEFINITIONS = '''
"""Payments of users."""
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, RowId, Source, rows

class User(Entity):
    user_id: Column[int]

class Payment(Source, data=Parquet("events.parquet")):
    user_id: Column[int]
    amount: Column[float]
    happened_at: EventTime

class Click(Source):
    click_id: RowId[int]
    user_id: Column[int]
    amount: Column[float]
    happened_at: EventTime

class Latest(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.last()

class Windows(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.sum(over=("1h", "1d", "7d", "30d"))
    payments = Payment.amount.count(over=("1h", "1d", "7d", "30d"))

class Clicks(FeatureView, entity=User, source=Click):
    amount = Click.amount.sum(over=("1d", "7d"))

latest = FeatureSet("latest", Latest)
windows = FeatureSet("windows", Windows)
clicks = FeatureSet("clicks", Clicks)
'''
START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 90
ASOF = """
SELECT s.rid, e.amount FROM 'spine.parquet' s ASOF LEFT JOIN (
  SELECT user_id, happened_at, arg_max(amount, coalesce(amount, -1e308)) AS amount FROM 'events.parquet' GROUP BY ALL
) e ON s.user_id = e.user_id AND s.asked_at > e.happened_at ORDER BY s.rid
"""
FRAMES = """
SELECT rid, {columns} FROM (
  SELECT rid, {frames} FROM (
    SELECT user_id, happened_at, amount, NULL AS rid FROM 'events.parquet'
    UNION ALL SELECT user_id, asked_at, NULL, rid FROM 'spine.parquet'
  ) WINDOW {windows}
) WHERE rid IS NOT NULL ORDER BY rid
"""


def write_project(folder: Path, events: int, spine: int) -> None:
    """Events of users that pay at random, and questions at random instants."""
    random = np.random.default_rng(0)
    users = max(1, events // 100)
    span_us = DAYS * 86_400_000_000
    start_us = int(START.timestamp()) * 1_000_000

    def instants(n: int) -> pa.Array[Any]:
        return pa.array(start_us + random.integers(0, span_us, n), pa.timestamp("us", "UTC"))

    amounts = np.round(random.exponential(40.0, events), 2)
    table = {"user_id": random.integers(0, users, events), "amount": amounts, "happened_at": instants(events)}
    pq.write_table(pa.table(table), folder / "events.parquet")
    rows = {"rid": np.arange(spine), "user_id": random.integers(0, users, spine), "asked_at": instants(spine)}
    pq.write_table(pa.table(rows), folder / "spine.parquet")
    (folder / "definitions").mkdir()
    (folder / "definitions" / "payments.py").write_text(DEFINITIONS)
    (folder / "featurestore.toml").write_text('project = "bench"\n')


def frames_sql() -> str:
    """Sums and counts over four windows as an expert would write them by hand."""
    names = {"1h": "1 HOUR", "1d": "1 DAY", "7d": "7 DAY", "30d": "30 DAY"}
    frames = ", ".join(f"sum(amount) OVER w{n} AS s{n}, count(amount) OVER w{n} AS c{n}" for n in names)
    over = "PARTITION BY user_id ORDER BY happened_at RANGE BETWEEN INTERVAL {} PRECEDING AND INTERVAL 1 MICROSECOND"
    over += " PRECEDING"
    windows = ", ".join(f"w{n} AS ({over.format(length)})" for n, length in names.items())
    return FRAMES.format(columns=", ".join(f"s{n}, c{n}" for n in names), frames=frames, windows=windows)


def timed(rounds: int, *works: Callable[[], object]) -> list[list[float]]:
    """Seconds of some works, taken in turn so that a slow moment of the machine meets all of them."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for place, work in enumerate(works):
            started = time.perf_counter()
            work()
            seconds[place].append(time.perf_counter() - started)
    return [each[1:] for each in seconds]


def beside(
    name: str, rounds: int, ours: Callable[[], object], bare: Callable[[], object], unit: str = "s"
) -> dict[str, Any]:
    """One line of the table: medians, their ratio, and the spread of ours."""
    mine, other = timed(rounds, ours, bare)
    scale = {"s": 1.0, "us": 1e6}[unit]
    row = {
        "what": name,
        "unit": unit,
        "ours": median(mine) * scale,
        "bare": median(other) * scale,
        "ratio": median(mine) / median(other),
        "ours_min": min(mine) * scale,
        "ours_max": max(mine) * scale,
    }
    print(f"{name:<46}{row['ours']:>12.3f}{row['bare']:>12.3f}{row['ratio']:>9.2f}  {unit}", flush=True)
    return row


def bare_duckdb(sql: str) -> Callable[[], pa.Table]:
    """Run hand-written SQL on a fresh DuckDB, as ours does."""

    def run() -> pa.Table:
        connection = duckdb.connect()
        try:
            table: pa.Table = connection.sql(sql).to_arrow_table()
            return table
        finally:
            connection.close()

    return run


def main() -> None:
    """Make the data, check that both sides agree, time them, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--spine", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results.json"))
    asked = parser.parse_args()
    out = asked.out.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, asked.events, asked.spine)
        with FeatureStore(folder) as store, contextlib.chdir(folder):
            rows = run(store, asked.events, asked.rounds)
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }
    out.write_text(
        json.dumps({"events": asked.events, "spine": asked.spine, "machine": machine, "rows": rows}, indent=1) + "\n"
    )
    print(f"written to {out}")


def run(store: FeatureStore, events: int, rounds: int) -> list[dict[str, Any]]:
    """All pairs."""
    print(f"{'':<46}{'ours':>12}{'bare':>12}{'ratio':>9}")
    spine = "spine.parquet"
    asof, frames = bare_duckdb(ASOF), bare_duckdb(frames_sql())
    latest = store.dataset("latest", spine, as_of="asked_at").to_arrow()
    assert latest["latest__amount"].to_pylist() == asof()["amount"].to_pylist(), "both give the same latest values"
    windows, by_hand = store.dataset("windows", spine, as_of="asked_at").to_arrow(), frames()
    assert windows["windows__payments_7d"].to_pylist() == by_hand["c7d"].to_pylist(), "both give the same counts"
    found = [
        beside("latest value, against ASOF", rounds, lambda: store.dataset("latest", spine, as_of="asked_at"), asof),
        beside(
            "sum, count x 4 windows, against frames",
            rounds,
            lambda: store.dataset("windows", spine, as_of="asked_at"),
            frames,
        ),
    ]
    started = time.perf_counter()
    report = store.materialize()
    seconds = time.perf_counter() - started
    found.append({"what": "materialize, rows/s", "ours": sum(report.rows.values()) / seconds})
    print(f"{'materialize, rows/s':<46}{found[-1]['ours']:>12,.0f}")
    return [*found, *online(store, events, rounds)]


def online(store: FeatureStore, events: int, rounds: int) -> list[dict[str, Any]]:
    """Lookups beside bare reads of as many bytes, and ingest."""
    client, users = store.online.client, max(1, events // 100)
    keys = list(client.scan_iter(match="bench:rows:Payment.user_id.*", count=1_000))[:100]
    one = client.hgetall(keys[0])
    client.set("bench:plain", b"".join(one.values()))
    many = {f"bench:plain:{place}": b"".join(client.hgetall(key).values()) for place, key in enumerate(keys)}
    client.mset(many)
    questions = [{"user_id": place * (users // 100)} for place in range(100)]
    found = [
        beside(
            "lookup, 1 key, one `last`, against GET",
            rounds * 200,
            lambda: store.lookup("latest", questions[0]),
            lambda: client.get("bench:plain"),
            "us",
        ),
        beside(
            "lookup, 1 key, 4 windows, against GET",
            rounds * 200,
            lambda: store.lookup("windows", questions[0]),
            lambda: client.get("bench:plain"),
            "us",
        ),
        beside(
            "lookup, 100 keys, one `last`, against MGET",
            rounds * 10,
            lambda: store.lookup("latest", questions),
            lambda: client.mget(list(many)),
            "us",
        ),
    ]
    client.delete("bench:plain", *many)
    pushed = 0
    for size in (1, 1_000):
        started, before = time.perf_counter(), pushed
        while time.perf_counter() - started < 2.0:
            at = datetime.now(UTC) - timedelta(minutes=1)
            store.ingest(
                "Click",
                [
                    {"click_id": pushed + i, "user_id": (pushed + i) % 997, "amount": 1.5, "happened_at": at}
                    for i in range(size)
                ],
            )
            pushed += size
        rate = (pushed - before) / (time.perf_counter() - started)
        found.append({"what": f"ingest, {size} rows a call, rows/s", "ours": rate})
        print(f"{found[-1]['what']:<46}{rate:>12,.0f}")
    return found


if __name__ == "__main__":
    main()
