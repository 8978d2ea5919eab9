"""The project of these tests: a source with history, one that is only pushed, and a request of every type."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DEFINITIONS = '''"""Visits of users, as a shop would write it."""

from datetime import date, datetime

from featurestore import (
    Column, Csv, Entity, EventTime, FeatureSet, FeatureView, Parquet, Request, RowId, Source, feature, rows,
)


class User(Entity):
    user: Column[int]


class Visit(Source, data=Parquet("visits.parquet")):
    """One row per visit."""

    id: RowId[int]
    user: Column[int]
    page: Column[str]
    seconds: Column[float]
    at: EventTime


class Note(Source, zone="Europe/Berlin"):
    """Only pushed; its times are local."""

    user: Column[int]
    text: Column[str]
    at: EventTime


class Ask(Request):
    price: Column[float]
    member: Column[bool]
    code: Column[str]
    asked_at: Column[datetime]
    born: Column[date]


class Visits(FeatureView, entity=User, source=Visit):
    """What a user has looked at."""

    n = rows(over="1d")
    seconds = feature(Visit.seconds.sum(over="7d"), default=0.0, doc="seconds on all pages")
    page = Visit.page.last(over="30d")
    last_at = Visit.at.last(over="30d")
    pages = Visit.page.last_n(2, over="30d")


class Notes(FeatureView, entity=User, source=Note):
    notes = rows()
    text = Note.text.last()


class Now(FeatureView, request=Ask):
    price = Ask.price
    member = Ask.member
    code = Ask.code
    hour = Ask.asked_at.hour()
    born = Ask.born


visits = FeatureSet("visits", Visits, doc="what a user looked at")
notes = FeatureSet("notes", Notes)
everything = FeatureSet("everything", Visits, Notes, Now)
'''
MIDNIGHT_US = 1_704_067_200_000_000  # 2024-01-01T00:00:00Z
MINUTE_US = 60_000_000
AS_OF = "2024-01-01T03:00:00Z"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the command line left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Cli = Callable[..., Ran]


def write_project(root: Path, definitions: str = DEFINITIONS) -> Path:
    """A project folder with definitions, 120 visits of 5 users in two hours, and a spine of the users."""
    (root / "definitions").mkdir(parents=True)
    (root / "definitions" / "shop.py").write_text(definitions, encoding="utf-8")
    # the server is shared, so each project has a name of its own there
    (root / "featurestore.toml").write_text(f'project = "shop-{secrets.token_hex(6)}"\n', encoding="utf-8")
    visits = {
        "id": pa.array(range(120)),
        "user": pa.array([place % 5 for place in range(120)]),
        "page": pa.array([f"/{place}" for place in range(120)]),
        "seconds": pa.array([place / 8 for place in range(120)]),
        "at": _instants([MIDNIGHT_US + place * MINUTE_US for place in range(120)]),
    }
    pq.write_table(pa.table(visits), root / "visits.parquet")
    users = list(range(12))
    asked_at = [MIDNIGHT_US + (60 + user) * MINUTE_US for user in users]
    spine = {"user": pa.array(users), "label": pa.array([user % 2 for user in users]), "asked_at": _instants(asked_at)}
    pq.write_table(pa.table(spine), root / "spine.parquet")
    return root


def visit(place: int, **other: Any) -> dict[str, Any]:
    """A row of Visit."""
    row = {"id": place, "user": 1, "page": "/new", "seconds": 1.0, "at": "2024-01-01T02:30:00Z"}
    return row | other


def _instants(values_us: list[int]) -> pa.Array[Any]:
    return pa.array(values_us, pa.timestamp("us", "UTC"))
