"""A long run: a service with several workers under lookups and pushed rows, states rebuilt meanwhile, and then every
served cell computed again.

    python tests/soak.py --cells 1000000

Ends with 1 when a cell differs from what DuckDB says of the rows that the state held, or a difference has no cause.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore import FeatureStore

DEFINITIONS = '''"""A market: purchases that say when they were known, and clicks that are stamped when they come."""

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, KnownTime, Order, Parquet, Request, RowId
from featurestore import Source, Window, feature, rows


class User(Entity):
    user: Column[int]


class Item(Entity):
    item: Column[str]


class Purchase(Source, data=Parquet("data/purchases/*.parquet")):
    purchase: RowId[int]
    user: Column[int]
    item: Column[str]
    euros: Column[float]
    bought_at: EventTime
    known_at: KnownTime


class Click(Source):
    user: Column[int]
    item: Column[str]
    rank: Order[int]
    clicked_at: EventTime


class Visit(Request):
    basket: Column[float]


class Spending(FeatureView, entity=User, source=Purchase):
    euros = Purchase.euros.sum(over=("1h", "1d", "7d"))
    usual = Purchase.euros.mean(over="7d")
    spread = Purchase.euros.std(over="7d")
    least = Purchase.euros.min(over=Window("7d", step="1h"))
    most = Purchase.euros.max(over=Window("1d", offset="1d"))
    items = Purchase.item.distinct_count(over="7d")
    last = Purchase.item.last_n(3, over="7d")
    purchases = rows()


class Interest(FeatureView, entity=User, source=Click):
    clicks = rows(over=("1m", "1h"))
    last = Click.item.last(over="1d")
    fading = Click.rank.decayed_sum(halflife="10m")


class Popular(FeatureView, entity=Item, source=Click, refresh="10s"):
    clicks = rows(over="1h")
    rank = Click.rank.mean(over="1h")


class AtVisit(FeatureView, request=Visit):
    against_usual = Visit.basket - Spending.usual
    busy = feature(Interest.clicks["1m"] / Interest.clicks["1h"], default=0.0)


market = FeatureSet("market", Spending, Interest, Popular, AtVisit)
'''
FEATURES = 18
USERS, ITEMS = 2_000, 60
QUESTIONS = 40
SCHEMA = pa.schema(
    [
        pa.field("purchase", pa.int64()),
        pa.field("user", pa.int64()),
        pa.field("item", pa.string()),
        pa.field("euros", pa.float64()),
        pa.field("bought_at", pa.timestamp("us", "UTC")),
        pa.field("known_at", pa.timestamp("us", "UTC")),
    ]
)


class Traffic:
    """Lookups and events for a service, until enough cells were served."""

    def __init__(self, url: str, cells: int) -> None:
        self.url, self.lookups = url, -(-cells // (FEATURES * QUESTIONS))
        self.lock = threading.Lock()
        self.left = self.lookups
        self.purchases = 1_000_000
        self.failed: list[str] = []

    def ask(self, seed: int) -> None:
        """Look up until nothing is left to do."""
        random = Random(seed)
        while self._take():
            questions = [
                {
                    "user": random.randrange(USERS + 50),
                    "item": f"item {random.randrange(ITEMS)}",
                    "basket": random.random(),
                }
                for _ in range(QUESTIONS)
            ]
            self._post("lookup/market", {"inputs": questions})

    def push(self, seed: int) -> None:
        """Push rows, some late and some twice, while lookups go on."""
        random = Random(seed)
        while self.left > 0:
            now = datetime.now(UTC)
            late = timedelta(seconds=random.choice((0, 0, 0, 1, 60)))
            purchases = [self._purchase(random, now - late) for _ in range(random.randrange(1, 20))]
            self._post("events/Purchase", {"rows": purchases})
            if random.random() < 0.2:
                self._post("events/Purchase", {"rows": purchases[:3]})
            clicks = [
                {
                    "user": random.randrange(USERS),
                    "item": f"item {random.randrange(ITEMS)}",
                    "rank": random.randrange(10),
                    "clicked_at": (now - timedelta(seconds=random.expovariate(0.1))).isoformat(),
                }
                for _ in range(random.randrange(1, 30))
            ]
            self._post("events/Click", {"rows": clicks})
            time.sleep(0.02)

    def _purchase(self, random: Random, at: datetime) -> dict[str, Any]:
        with self.lock:
            self.purchases += 1
            number = self.purchases
        return {
            "purchase": number,
            "user": random.randrange(USERS),
            "item": f"item {random.randrange(ITEMS)}",
            "euros": random.uniform(0.5, 200),
            "bought_at": (at - timedelta(seconds=2)).isoformat(),
            "known_at": at.isoformat(),
        }

    def _take(self) -> bool:
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def _post(self, route: str, body: object) -> None:
        request = urllib.request.Request(
            f"{self.url}/v1/{route}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                reply.read()
        except OSError as error:
            self.failed.append(f"{route}: {error}")


def main() -> int:
    """Run it; the exit code."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--cells", type=int, default=1_000_000, help="cells to serve, at least")
    given.add_argument("--workers", type=int, default=2, help="processes of the service")
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return soak(Path(folder), options.cells, options.workers)


def soak(folder: Path, cells: int, workers: int) -> int:
    """Serve so many cells from a new project in a folder, and compare them all; the exit code."""
    _project(folder)
    with FeatureStore(folder) as store:
        store.ingest("Click", [])
        store.materialize()
    port = _free_port()
    command = [sys.executable, "-m", "featurestore.cli", "serve", "--port", str(port), "--workers", str(workers)]
    service = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        traffic = Traffic(f"http://127.0.0.1:{port}", cells)
        _wait(traffic.url)
        started = time.monotonic()
        threads = [threading.Thread(target=traffic.ask, args=(seed,)) for seed in range(4)]
        threads += [threading.Thread(target=traffic.push, args=(seed,)) for seed in (90, 91)]
        for thread in threads:
            thread.start()
        rebuilt = _rebuild(folder, traffic)
        for thread in threads:
            thread.join()
        took = time.monotonic() - started
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
    print(
        f"{traffic.lookups:,} lookups of {QUESTIONS} questions in {took:.0f} s; {rebuilt} states rebuilt meanwhile; "
        f"{len(traffic.failed)} requests failed {traffic.failed[:3]}"
    )
    with FeatureStore(folder) as store:
        report = store.skew("market")
    print(report)
    short = report.cells < cells or report.unproven
    return int(bool(report.compute_differing or report.unexplained or traffic.failed or short))


def _project(folder: Path) -> None:
    random = Random(1)
    (folder / "definitions").mkdir()
    (folder / "data" / "purchases").mkdir(parents=True)
    (folder / "featurestore.toml").write_text('project = "soak"\n', encoding="utf-8")
    (folder / "definitions" / "market.py").write_text(DEFINITIONS, encoding="utf-8")
    _write(folder, "first", 0, 40_000, random)


def _write(folder: Path, name: str, first: int, count: int, random: Random) -> None:
    now = datetime.now(UTC)
    rows = []
    for number in range(first, first + count):
        at = now - timedelta(seconds=random.uniform(5, 8 * 86_400))
        user, item = random.randrange(USERS), f"item {random.randrange(ITEMS)}"
        rows.append((number, user, item, random.uniform(0.5, 200), at, at + timedelta(seconds=random.choice((0, 3)))))
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), SCHEMA.types, strict=True)]
    path = folder / "data" / "purchases" / f"{name}.parquet"
    partial = path.with_suffix(".partial")
    pq.write_table(pa.table(columns, schema=SCHEMA), partial)
    os.replace(partial, path)


def _rebuild(folder: Path, traffic: Traffic) -> int:
    """Deliver a file and rebuild the states, a few times while lookups go on."""
    random, rebuilt = Random(2), 0
    for round_ in range(1, 4):
        while traffic.left > traffic.lookups * (4 - round_) // 4:
            time.sleep(0.1)
        _write(folder, f"more {round_}", 100_000 * round_, 200, random)
        with FeatureStore(folder) as store:
            rebuilt += len(store.materialize().states)
    return rebuilt


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the service did not come up")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
