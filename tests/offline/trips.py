"""A project of trips: views by several keys and in two roles, over files, a log and a table without time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore import FeatureStore

DEFINITIONS = '''
"""Two sources, one of them by two keys and one in two roles, a table without time, and features of features."""
from featurestore import *

class User(Entity):
    user: Column[int]

class Place(Entity):
    place: Column[str]

class Trip(Request):
    user: Column[int]
    origin: Column[str]
    dest: Column[str]
    price: Column[float]

class Visit(Source, data=Parquet("visits/*.parquet")):
    visit: RowId[int]
    user: Column[int]
    place: Column[str]
    spent: Column[float]
    happened_at: EventTime

class Rain(Source):
    rain: RowId[int]
    place: Column[str]
    depth: Column[float]
    happened_at: EventTime
    known_at: KnownTime

class Country(Source, data=Parquet("countries.parquet"), static=True):
    place: Column[str]
    name: Column[str]

class Users(FeatureView, entity=User, source=Visit):
    spent = Visit.spent.sum(over=("1d", "30d"))
    places = Visit.place.last_n(3)
    number = feature(rows(over="30d"), default=0)

class Origin(FeatureView, entity=Place(place=Trip.origin), source=Visit):
    visits = rows(over=Window("30d", step="1d"))
    kinds = Visit.user.distinct_count(over="30d")

class Dest(Origin, entity=Place(place=Trip.dest)):
    """The same place, asked in another role."""

class Wet(FeatureView, entity=Place(place=Trip.dest), source=Rain):
    depth = Rain.depth.max(over="7d")

class Land(FeatureView, entity=Place(place=Trip.dest), source=Country):
    name = Country.name.last()

@row_function
def halved(price: float) -> float:
    if price < 0:
        raise ValueError("a negative price")
    return price / 2

class Asked(FeatureView, request=Trip):
    busy = Origin.visits - Dest.visits
    dear = Trip.price / Users.spent["30d"]
    half = halved(Trip.price)

trips = FeatureSet("trips", Users, Origin, Dest, Wet, Land, Asked)
'''
START = datetime(2025, 1, 1, tzinfo=UTC)


def write_project(root: Path, rows: int = 3_000) -> Path:
    """Visits of users to places with some that have no user, and a table of places."""
    (root / "definitions").mkdir(parents=True)
    (root / "definitions" / "trips.py").write_text(DEFINITIONS)
    (root / "featurestore.toml").write_text('project = "trips"\n')
    (root / "visits").mkdir()
    for part in range(3):
        some = [place - 1 if place % 50 == 1 else place for place in range(part, rows, 3)]
        visits = {
            "visit": pa.array(some),
            "user": pa.array([None if place % 40 == 0 else place * 7919 % 101 for place in some], pa.int64()),
            "place": pa.array([f"p{place * 31 % 17}" for place in some]),
            "spent": pa.array([place % 97 / 4 for place in some]),
            "happened_at": [START + timedelta(minutes=place * 37 % 90_000) for place in some],
        }
        pq.write_table(pa.table(visits), root / "visits" / f"{part}.parquet")
    places = {"place": [f"p{place}" for place in range(15)], "name": [f"land {place % 4}" for place in range(15)]}
    pq.write_table(pa.table(places), root / "countries.parquet")
    return root


def spine_table(rows: int = 500) -> pa.Table:
    """Questions, some of them without a user, with columns that pass through."""
    return pa.table(
        {
            "label": pa.array([["yes", "no", None][row % 3] for row in range(rows)]).dictionary_encode(),
            "user": pa.array([None if row % 30 == 0 else row % 110 for row in range(rows)], pa.int32()),
            "origin": [f"p{row % 19}" for row in range(rows)],
            "dest": [f"p{row % 13}" for row in range(rows)],
            "price": [row / 3 for row in range(rows)],
            "asked_at": pa.array([START + timedelta(minutes=row * 179 % 90_000) for row in range(rows)]),
        }
    )


def push(store: FeatureStore, first: int, rows: int) -> None:
    """Rain of some days, in the log."""
    bodies = []
    for row in range(first, first + rows):
        at_us = int(START.timestamp() + row * 18_000) * 1_000_000
        rain = {"rain": row, "place": f"p{row % 7}", "depth": row / 2, "happened_at": at_us, "known_at": at_us}
        bodies.append(json.dumps(rain))
    with store.log.turn("Rain"):
        store.log.append("Rain", bodies, 0)
