"""A training set says what was done for it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    KnownTime,
    Request,
    RowId,
    Source,
    Window,
    rows,
)

AT = datetime(2024, 5, 1, tzinfo=UTC)


class User(Entity):
    """Who."""

    user: Column[int]


class Sale(Source, data=pa.table({"id": [1], "user": [1], "amount": [2.0], "at": [AT], "booked_at": [AT]})):
    """One row."""

    id: RowId[int]
    user: Column[int]
    amount: Column[float]
    at: EventTime
    booked_at: KnownTime


class Visit(Source, delay="5m"):
    """Pushed."""

    user: Column[int]
    at: EventTime


class Home(Source, data=pa.table({"user": [1], "city": ["x"]}), static=True):
    """Without time."""

    user: Column[int]
    city: Column[str]


class Ask(Request):
    """The question."""

    amount: Column[float]


class Sales(FeatureView, entity=User, source=Sale):
    """Windows of all kinds."""

    spent = Sale.amount.sum(over="8h")
    ever = Sale.amount.mean()
    before = rows(over=Window("4d", step="1h", offset="1d"))
    by = rows(over="8h", by=Sale.amount > 1)


class Visits(FeatureView, entity=User, source=Visit, refresh="1h"):
    """Refreshed."""

    middle = rows(over="1d")


class Homes(FeatureView, entity=User, source=Home):
    """Static."""

    city = Home.city.last()


class Now(FeatureView, request=Ask):
    """Derived."""

    ratio = Ask.amount / Sales.spent


TOLD = """\
training set told version VERSION: 2 rows, 7 features, 0.00 s
  spine 0.00 s, sources 0.00 s, features 0.00 s

sources, each read once
  Sale: a table in memory, and pushed rows
    1 row, by `at`, known at `booked_at`, once for each `id`
  Visit: pushed rows
    0 rows, by `at`, known 5m later
  Home: a table in memory
    1 row, without time; their content is part of the version

views, as of `asked_at` of each row of the spine
  Sales: Sale by `user`, asked by `user`
    row by row: no key has 64 rows and enough questions for tiles to pay
    window 8h: rows in it that were visible before the instant, joined by key and 2h of time
      Sale.amount.sum(over="8h")
    window 8h: rows in it that were visible before the instant, joined by key and 2h of time, by category
      rows(over="8h", by=(Sale.amount > 1.0))
    window 4d_step_1h_ago_1d: rows in it that were visible before the instant, joined by key and 1d of time
      rows(over=Window("4d", step="1h", offset="1d"))
    all history: running totals in the order in which rows became visible, the last before the instant
      Sale.amount.mean()
  Visits: Visit by `user`, asked by `user`, as of every full 1h
    row by row: no key has 64 rows and enough questions for tiles to pay
    window 1d: rows in it that were visible before the instant, joined by key and 6h of time
      rows(over="1d")
  Homes: Home by `user`, asked by `user`
    latest row: one row an instant, and an ASOF join, as rows become visible in the order they happen
      Home.city.last()
  Now: from Sales, the question"""


def test_a_training_set_explains_itself(tmp_path: Path) -> None:
    """Sources with their times, every window with how it was joined, and what took how long."""
    (tmp_path / "featurestore.toml").write_text("")
    spine = [{"user": user, "amount": 1.0, "asked_at": AT} for user in (1, 2)]
    with FeatureStore(tmp_path) as store:
        built = store.dataset(FeatureSet("told", Sales, Visits, Homes, Now), spine, as_of="asked_at")
    text = re.sub(r"\d+\.\d\d s", "0.00 s", built.explain())
    assert text.splitlines() == TOLD.replace("VERSION", built.version).splitlines()
