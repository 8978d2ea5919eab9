"""The data of the benchmarks, made by DuckDB from counted rows, so that it is the same each time; and projects over it.

Payments of users at random instants of ninety days, about a hundred a user; a spine of questions at such instants.
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

START_US = 1_735_689_600_000_000
DAY_US = 86_400_000_000
DAYS = 90
WINDOWS = {"1h": "1 HOUR", "1d": "1 DAY", "7d": "7 DAY", "30d": "30 DAY"}
DEFINITIONS = '''
"""Payments of users."""
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, RowId, Source

class User(Entity):
    user_id: Column[int]

class Payment(Source, data=Parquet("events.parquet")):
    user_id: Column[int]
    amount: Column[float]
    merchant: Column[int]
    happened_at: EventTime

class Click(Source):
    click_id: RowId[int]
    user_id: Column[int]
    amount: Column[float]
    happened_at: EventTime

class Latest(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.last()

class Profile(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.last()
    merchant = Payment.merchant.last()

class Windows(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.sum(over=("1h", "1d", "7d", "30d"))
    payments = Payment.amount.count(over=("1h", "1d", "7d", "30d"))

class Moments(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.sum(over=("1h", "1d", "7d", "30d"))
    payments = Payment.amount.count(over=("1h", "1d", "7d", "30d"))
    usual = Payment.amount.mean(over=("1h", "1d", "7d", "30d"))
    least = Payment.amount.min(over=("1h", "1d", "7d", "30d"))
    most = Payment.amount.max(over=("1h", "1d", "7d", "30d"))

class Clicks(FeatureView, entity=User, source=Click):
    amount = Click.amount.sum(over=("1d", "7d"))

latest = FeatureSet("latest", Latest)
profile = FeatureSet("profile", Profile)
windows = FeatureSet("windows", Windows)
moments = FeatureSet("moments", Moments)
clicks = FeatureSet("clicks", Clicks)
'''
PROFILE = '''
"""The last payment of users."""
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, Source

class User(Entity):
    user_id: Column[int]

class Payment(Source, data=Parquet("events.parquet")):
    user_id: Column[int]
    amount: Column[float]
    merchant: Column[int]
    happened_at: EventTime

class Profile(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.last()
    merchant = Payment.merchant.last()

profile = FeatureSet("profile", Profile)
'''
LOOKUPS = (
    PROFILE
    + """
class Latest(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.last()

latest = FeatureSet("latest", Latest)
"""
)
REAL = '''
"""Three views of twenty features over three sources: what a model of fraud asks for."""
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, Source, rows

OVER = ("10d", "20d")

class User(Entity):
    user_id: Column[int]

class Payment(Source, data=Parquet("payments.parquet")):
    user_id: Column[int]
    amount: Column[float]
    merchant: Column[int]
    happened_at: EventTime

class Visit(Source, data=Parquet("visits.parquet")):
    user_id: Column[int]
    amount: Column[float]
    merchant: Column[int]
    happened_at: EventTime

class Refund(Source, data=Parquet("refunds.parquet")):
    user_id: Column[int]
    amount: Column[float]
    merchant: Column[int]
    happened_at: EventTime

class Spending(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.sum(over=OVER)
    payments = rows(over=OVER)
    usual = Payment.amount.mean(over=OVER)
    last_amount = Payment.amount.last()

class Visits(FeatureView, entity=User, source=Visit):
    seconds = Visit.amount.sum(over=OVER)
    least = Visit.amount.min(over=OVER)
    most = Visit.amount.max(over=OVER)
    last_page = Visit.merchant.last()

class Refunds(FeatureView, entity=User, source=Refund):
    amount = Refund.amount.sum(over=OVER)
    refunds = rows(over=OVER)
    last_amount = Refund.amount.last()
    last_merchant = Refund.merchant.last()

fraud = FeatureSet("fraud", Spending, Visits, Refunds)
'''


def write_project(folder: Path, events: int, spine: int, *, per_user: int = 100, definitions: str = DEFINITIONS) -> int:
    """A project with its events and its spine. Returns the number of users."""
    users = max(1, events // per_user)
    write_definitions(folder, definitions)
    write_events(folder / "events.parquet", events, users, per_user == 1)
    write_rows(
        folder / "spine.parquet",
        f"SELECT i AS rid, {_drawn(3, users)} AS user_id, {_instant(4)} AS asked_at FROM range({spine}) r(i)",
    )
    return users


def write_real_project(folder: Path, users: int) -> None:
    """The project of the real set: 400 rows a user and source in the last forty days, so that windows have ends of 100
    rows when they are asked for now."""
    write_definitions(folder, REAL)
    start_us = time.time_ns() // 1000 - 40 * DAY_US
    for seed, name in enumerate(("payments", "visits", "refunds"), 10):
        path = folder / f"{name}.parquet"
        write_events(path, 400 * users, users, True, days=40, seed=seed, start_us=start_us)


def write_definitions(folder: Path, definitions: str) -> None:
    """A project without data."""
    (folder / "definitions").mkdir(parents=True, exist_ok=True)
    (folder / "definitions" / "payments.py").write_text(definitions)
    (folder / "featurestore.toml").write_text('project = "bench"\n')


def write_events(
    path: Path, events: int, users: int, even: bool, days: int = DAYS, seed: int = 0, start_us: int = START_US
) -> None:
    """Payments in no order. `even` gives every user as many."""
    user = f"(i % {users})" if even else _drawn(seed + 1, users)
    amount = f"round(-ln((1 + {_drawn(seed + 2, 1_000_000)}) / 1000001.0) * 40, 2)"
    columns = f"{user} AS user_id, {amount} AS amount, {_drawn(seed + 5, 5_000)} AS merchant"
    write_rows(path, f"SELECT {columns}, {_instant(seed + 6, days, start_us)} AS happened_at FROM range({events}) r(i)")


def write_rows(path: Path, sql: str) -> None:
    """The rows of a SELECT as Parquet."""
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")


def _drawn(seed: int, below: int) -> str:
    """A number that looks random, from the row's own."""
    return f"CAST(hash(i * 16 + {seed}) % {below} AS BIGINT)"


def _instant(seed: int, days: int = DAYS, start_us: int = START_US) -> str:
    return f"make_timestamptz({start_us} + {_drawn(seed, days * DAY_US)})"
