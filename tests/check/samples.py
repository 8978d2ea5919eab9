"""A feature set with a feature of every kind, and tables of its vectors as both roads hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Source, Vector, column
from featurestore.plan.build import plan_feature_set
from featurestore.plan.nodes import Plan
from featurestore.semantics.statuses import NULL, OK
from featurestore.tables import storage_type


class User(Entity):
    """Who."""

    user: Column[int]


class Sale(Source):
    """A sale."""

    user: Column[int]
    number: Column[int]
    amount: Column[float]
    country: Column[str]
    paid: Column[bool]
    day: Column[date]
    price: Column[Decimal] = column(precision=12, scale=2)
    taste: Column[Vector] = column(length=3)
    at: EventTime


class Everything(FeatureView, entity=User, source=Sale):
    """A feature of every kind."""

    number = Sale.number.last()
    amount = Sale.amount.last()
    country = Sale.country.last()
    paid = Sale.paid.last()
    day = Sale.day.last()
    price = Sale.price.last()
    taste = Sale.taste.last()
    newest = Sale.at.last()
    last_3 = Sale.amount.last_n(3)
    last_texts = Sale.country.last_n(3)
    by_country = Sale.amount.count(by=Sale.country)


ALL: Plan = plan_feature_set(FeatureSet("everything", Everything))


def sample(plan: Plan, values: Mapping[str, Sequence[Any]], statuses: Sequence[int] | None = None) -> pa.Table:
    """Vectors with these canonical values by feature; what is null has that status where none are given."""
    found: dict[str, pa.Array[Any]] = {}
    for output in plan.outputs:
        column = list(values[output.feature])
        known = statuses or [NULL if each is None else OK for each in column]
        found[output.name] = pa.array(column, storage_type(output.dtype), from_pandas=False)
        found[f"{output.name}__status"] = pa.array(known, pa.int8())
    return pa.table(found)
