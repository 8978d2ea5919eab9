"""Definitions and rows by hand, which the tests of the reference share."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

from featurestore import Column, Entity, EventTime, FeatureView, KnownTime, Order, Request, RowId, Source, feature, rows
from tests.reference import reference

DAY = 86_400_000_000
HOUR = 3_600_000_000
OK, NULL, NOT_FOUND, OVERFLOW = "ok", "null", "not_found", "overflow"


class User(Entity):
    """Who."""

    user: Column[int]


class Seat(Entity):
    """Where in whose."""

    user: Column[int]
    place: Column[str]


class Ping(Source):
    """Identified rows that say when they were known."""

    id: RowId[int]
    user: Column[int]
    place: Column[str]
    number: Column[float]
    whole: Column[int]
    turn: Order[int]
    at: EventTime
    learnt_at: KnownTime


class Slow(Source, delay="10us"):
    """Rows without identity, known ten microseconds after they happen."""

    user: Column[int]
    whole: Column[int]
    at: EventTime


class Home(Source, static=True):
    """A table without time."""

    user: Column[int]
    place: Column[str]


class Ask(Request):
    """What only the question knows."""

    number: Column[float]
    moment: Column[datetime]


class Pings(FeatureView, entity=User, source=Ping):
    """Aggregates over all of Ping."""

    n = rows()
    count = Ping.number.count()
    first = Ping.number.first()
    last = Ping.number.last()
    last_present = Ping.number.last(skip_nulls=True)
    last_2 = Ping.number.last_n(2)
    total = Ping.number.sum()
    mean = Ping.number.mean()
    least = Ping.number.min()
    greatest = Ping.number.max()
    different = Ping.number.distinct_count()
    whole = Ping.whole.sum()
    whole_mean = Ping.whole.mean()


class Slows(FeatureView, entity=User, source=Slow):
    """Windows over rows that are known late."""

    day = rows(over="1d")
    hour = rows(over="1h")
    micro = rows(over="1us")
    ever = rows()
    big = rows(over="1d", where=Slow.whole > 5)


def ping(at: int | None = 0, number: float | None = 1.0, **other: Any) -> dict[str, Any]:
    """A row of Ping; known when it happens unless said otherwise."""
    defaults = {"id": 1, "user": 1, "place": "a", "whole": 1, "turn": None, "learnt_at": at}
    return defaults | {"at": at, "number": number} | other


def slow(at: int | None, **other: Any) -> dict[str, Any]:
    """A row of Slow."""
    return {"user": 1, "whole": 1, "at": at} | other


def values(
    view: type[FeatureView], rows: Any, as_of: int = 100, key: tuple[Any, ...] = (1,), **asked: Any
) -> dict[str, Any]:
    """Values alone."""
    return {name: value for name, (value, _) in reference(view.__spec__, rows, key, as_of, asked).items()}


def statuses(
    view: type[FeatureView], rows: Any, as_of: int = 100, key: tuple[Any, ...] = (1,), **asked: Any
) -> dict[str, str]:
    """Statuses alone."""
    return {name: status for name, (_, status) in reference(view.__spec__, rows, key, as_of, asked).items()}


def bits(value: float) -> bytes:
    """What equality of floats means here."""
    return struct.pack(">d", value)


def micros(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Microseconds of a UTC date and time."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1_000_000


class Clock(FeatureView, request=Ask):
    """Parts of a local time."""

    hour = Ask.moment.hour(zone="America/New_York")
    utc_hour = Ask.moment.hour()
    minute = Ask.moment.minute(zone="Asia/Kathmandu")
    weekday = Ask.moment.weekday(zone="America/New_York")
    day = Ask.moment.day(zone="America/New_York")
    month = Ask.moment.month(zone="America/New_York")
    year = Ask.moment.year(zone="America/New_York")


class Derived(FeatureView, entity=User, source=Ping):
    """Expressions over aggregates, over each other and over the request."""

    total = feature(Ping.number.sum(), default=-1.0)
    last = feature(Ping.number.last(over="1us"), default=-2.0)
    both = Ping.number.sum() + Ping.number.last(over="1us")
    seen = rows() > 0
    below = (Ping.number.sum().fill_null(0.0) - 1).sqrt()
    asked = Ping.number.sum() * Ask.number
    after_default = feature(Ping.number.last(over="1us"), default=-2.0) * 2


class Further(FeatureView, request=Ask):
    """Features of another view."""

    last = Derived.last + Ask.number
    total = Derived.total
