"""A bakery with a warehouse and a stream, whose production can be broken in many ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore import FeatureStore
from featurestore.skew.report import SkewReport

DEFINITIONS = '''"""A bakery."""

from datetime import datetime

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, KnownTime, Parquet, Request, RowId, Source
from featurestore import feature, rows


class Guest(Entity):
    guest: Column[int]


class Order(Source, data=Parquet("data/*.parquet")):
    order: RowId[int]
    guest: Column[int]
    euros: Column[float]
    ordered_at: EventTime
    known_at: KnownTime


class Basket(Request):
    guest: Column[int]
    value: Column[float]


class Taste(FeatureView, entity=Guest, source=Order):
    spent = Order.euros.sum(over=("1d", "7d"))
    orders = rows(over="7d")
    usual = feature(Order.euros.mean(over="7d"), default=0.0)
    last = Order.euros.last(over="30d")


class AtTill(FeatureView, request=Basket):
    against_usual = Basket.value - Taste.usual


till = FeatureSet("till", Taste, AtTill)
'''
SCHEMA = pa.schema(
    [
        pa.field("order", pa.int64()),
        pa.field("guest", pa.int64()),
        pa.field("euros", pa.float64()),
        pa.field("ordered_at", pa.timestamp("us", "UTC")),
        pa.field("known_at", pa.timestamp("us", "UTC")),
    ]
)
GUESTS = 30


@dataclass(slots=True)
class Bakery:
    """A project in a folder, with its store open."""

    folder: Path
    random: Random
    store: FeatureStore
    last_order: int = 0

    def orders(self, count: int, *, days: float = 6, guests: int = GUESTS, late_s: float = 30) -> list[dict[str, Any]]:
        """New orders of the last days, each known a moment after it was given."""
        found = []
        for _ in range(count):
            self.last_order += 1
            at = datetime.now(UTC) - timedelta(seconds=self.random.uniform(late_s + 60, days * 86_400))
            guest, euros = self.random.randrange(guests), round(self.random.uniform(1, 40), 2)
            known = at + timedelta(seconds=late_s)
            found.append(
                {"order": self.last_order, "guest": guest, "euros": euros, "ordered_at": at, "known_at": known}
            )
        return found

    def deliver(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        """Write a file of the warehouse."""
        pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), self.folder / "data" / name)

    def serve(self, lookups: int = 8, guests: int = GUESTS + 2) -> None:
        """Answer some lookups, which the serving log has then."""
        for _ in range(lookups):
            asked = [
                {"guest": self.random.randrange(guests), "value": float(self.random.randrange(50))} for _ in range(10)
            ]
            self.store.lookup("till", asked)

    def skew(self, **options: Any) -> SkewReport:
        """What was served so far, beside training."""
        return self.store.skew("till", **options)

    def redefine(self, old: str, new: str) -> None:
        """Change the definitions; the store is opened again, as a new release would be."""
        path = self.folder / "definitions" / "bakery.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        self.store.close()
        path.write_text(text.replace(old, new), encoding="utf-8")
        self.store = FeatureStore(self.folder)


def open_bakery(folder: Path) -> Bakery:
    """A bakery with a week of orders, and a state built from them."""
    (folder / "definitions").mkdir()
    (folder / "data").mkdir()
    (folder / "featurestore.toml").write_text('project = "bakery"\n', encoding="utf-8")
    (folder / "definitions" / "bakery.py").write_text(DEFINITIONS, encoding="utf-8")
    bakery = Bakery(folder, Random(7), FeatureStore(folder))
    bakery.deliver("first.parquet", bakery.orders(600))
    bakery.store.materialize()
    return bakery
