"""A small project whose data are written in every way, for the tests of what is read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    Request,
    Source,
    column,
    rows,
)
from tests.offline.test_scan import scanned, source

T = datetime(2024, 1, 1, tzinfo=UTC)
NOON = datetime(2024, 1, 1, 12)
NOON_US = int(NOON.replace(tzinfo=UTC).timestamp()) * 1_000_000
KV: dict[str, Any] = {"k": Column[int], "v": Column[float], "at": EventTime}


def put(path: Path, **columns: Any) -> None:
    """Write a Parquet file, with `at` where no other is given."""
    table = {"k": [1], "at": [T]} | columns
    pq.write_table(pa.table(table), path)


def values(data: Any, root: Path, dtype: Any = float, **options: Any) -> list[Any]:
    """The column `v` of a source, sorted."""
    rows = scanned(source(data, KV | {"v": Column[dtype]}, **options), root)
    return sorted((row["v"] for row in rows), key=str)


def both_roads(project: Path, data: Any, spine: Any = ({"k": 1, "t": datetime(2024, 2, 1, tzinfo=UTC)},)) -> list[Any]:
    """What `v.sum()` of key 1 is in a training set and in a lookup."""

    class K(Entity):
        k: Column[int]

    class E(Source, data=data):
        k: Column[int]
        v: Column[float]
        at: EventTime

    class V(FeatureView, entity=K, source=E):
        s = E.v.sum()

    features = FeatureSet("f", V)
    with FeatureStore(project) as store:
        trained = store.dataset(features, list(spine), as_of="t").to_arrow()["v__s"].to_pylist()
        store.materialize([V])
        return [*trained, store.lookup(features, {"k": 1}).to_pylist()[0]["v__s"]]


class Shopper(Entity):
    """Asked by a text."""

    k: Column[str]


class Basket(Request):
    """What only the question knows."""

    amount: Column[float]
    day: Column[date]
    price: Column[Decimal] = column(precision=6, scale=2)


class Bought(Source, data=pa.table({"k": ["7"], "at": [T]})):
    """Of shopper 7, not of 07."""

    k: Column[str]
    at: EventTime


class Shopping(FeatureView, entity=Shopper, source=Bought):
    """How often."""

    n = rows()


class Asked(FeatureView, request=Basket):
    """The inputs as they came."""

    twice = Basket.amount * 2
    day = Basket.day
    price = Basket.price


EVERY = FeatureSet("every", Shopping, Asked)
SPINE_ROW = {"k": "7", "t": "2024-02-01T02:00:00+02:00", "amount": "3", "day": "2024-02-29", "price": "12.50"}


def csv_of(rows: list[dict[str, str]]) -> str:
    """Rows as a CSV file."""
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n"


def trained(project: Path, spine: Any, features: FeatureSet = EVERY, **options: Any) -> list[dict[str, Any]]:
    """The rows of a training set."""
    with FeatureStore(project) as store:
        return list(store.dataset(features, spine, as_of="t", **options).to_arrow().to_pylist())
