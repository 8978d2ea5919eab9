"""An author tests a feature with a few rows, and both roads answer."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureView,
    KnownTime,
    Order,
    Request,
    RowId,
    Source,
    Window,
    coalesce,
    feature,
    rows,
)
from featurestore.errors import (
    FeatureStoreError,
    InputError,
    InvalidDefinition,
    InvalidValue,
    MissingAsOf,
    MissingColumn,
    NaiveTime,
    ParityError,
    UnknownColumn,
)
from featurestore.semantics.macros import MACROS
from featurestore.testing import status, value

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class User(Entity):
    """Who."""

    user: Column[int]


class Place(Entity):
    """Where."""

    country: Column[str]
    city: Column[str]


class Sale(Source, delay="10m"):
    """Known ten minutes later."""

    sale: RowId[str]
    user: Column[int]
    country: Column[str]
    city: Column[str]
    amount: Column[float]
    turn: Order[int]
    at: EventTime


class Visit(Source, zone="Europe/Paris"):
    """Local times, and no identity."""

    user: Column[int]
    page: Column[str]
    at: EventTime
    seen_at: KnownTime


class Town(Source, static=True):
    """A table without time."""

    country: Column[str]
    city: RowId[str]
    people: Column[int]


class Trip(Request):
    """From where to where."""

    user: Column[int]
    home: Column[str]
    country: Column[str]
    city: Column[str]
    asked_at: Column[datetime]


class Spending(FeatureView, entity=User, source=Sale):
    """Of a user."""

    spent = Sale.amount.sum(over=("1h", "1d"))
    sales = rows(over="1d")
    share = feature(rows(over="1h") / rows(over="1d"), default=0.0)
    last = Sale.amount.last()
    last_2 = Sale.amount.last_n(2)
    latest_at = Sale.at.max()


class Hourly(FeatureView, entity=User, source=Sale, refresh="1h"):
    """As of the last full hour."""

    sales = rows(over=Window("1d", step="1h"))


class Reading(FeatureView, entity=User, source=Visit):
    """Of a user."""

    pages = Visit.page.distinct_count(over="7d")


class Towns(FeatureView, entity=Place, source=Town):
    """Of a place."""

    people = Town.people.last()


class Home(Towns, entity=Place(country=Trip.home, city=Trip.city)):
    """The same of another place."""


class Now(FeatureView, request=Trip):
    """Over other views and the request."""

    busy = Spending.sales + Reading.pages
    moves = coalesce(Towns.people, 0) - coalesce(Home.people, 0)
    hour = Trip.asked_at.hour(zone="Europe/Paris")


def sale(amount: Any, at: Any = NOON, **other: Any) -> dict[str, Any]:
    """A sale; what is left out is the test's own."""
    return {"amount": amount, "at": at, **other}


def test_a_value_of_some_rows() -> None:
    """Rows without key and id are those of the key that is asked for, each a fact of its own."""
    sold = [sale(1.5), sale(2.5), sale(10, NOON - 2 * HOUR)]
    late = NOON + timedelta(minutes=11)
    assert value(Spending.spent["1h"], sold, key=7, as_of=late) == 4.0
    assert value(Spending.spent["1d"], sold, key=7, as_of=late) == 14.0
    assert value(Spending.last_2, sold[1:], key=7, as_of=late) == [10.0, 2.5]
    assert value(Spending.latest_at, sold, key=7, as_of=late) == NOON
    assert value(Spending.share, sold, key=7, as_of=late) == 2 / 3


def test_what_is_not_known_yet_is_not_seen() -> None:
    """The source's delay, and the strictness of R3, hold to the microsecond."""
    known = NOON + timedelta(minutes=10)
    assert value(Spending.last, [sale(3.0)], key=1, as_of=known) is None
    assert status(Spending.last, [sale(3.0)], key=1, as_of=known) == "not_found"
    assert value(Spending.last, [sale(3.0)], key=1, as_of=known + timedelta(microseconds=1)) == 3.0
    assert value(Hourly.sales, [sale(3.0)], key=1, as_of=NOON + timedelta(minutes=59)) == 0
    assert value(Hourly.sales, [sale(3.0)], key=1, as_of="2024-05-01T13:00:00Z") == 1


def test_statuses() -> None:
    """A value has its status beside it, defaults included."""
    of_another = [sale(1.0, user=8)]
    assert (value(Spending.share, of_another, key=7, as_of="2024-05-02T00:00Z")) == 0.0
    assert status(Spending.share, of_another, key=7, as_of="2024-05-02T00:00Z") == "not_found"
    assert status(Spending.share, [sale(1.0)], key=7, as_of="2024-05-09T00:00Z") == "null"
    assert status(Spending.last, [sale(None)], key=7, as_of="2024-05-09T00:00Z") == "null"
    assert status(Spending.spent["1d"], [sale(2.0**63)], key=7, as_of=NOON + HOUR) == "overflow"


def test_a_redelivered_row_counts_once() -> None:
    """A RowId that is given is kept."""
    twice = [sale(1.0, sale="a"), sale(1.0, sale="a"), sale(2.0, sale="b")]
    assert value(Spending.spent["1d"], twice, key=7, as_of=NOON + HOUR) == 3.0


def test_a_feature_over_several_sources_takes_rows_by_source() -> None:
    """Sources are named by class or by name; one that is left out has no rows; local times are read in their zone."""
    visits = [{"page": page, "at": "2024-05-01T13:59:59", "seen_at": "2024-05-01T13:59:59"} for page in "aab"]
    asked: Any = {"key": 7, "as_of": NOON, "request": {}}
    assert value(Now.busy, {Visit: visits, Sale: [sale(1.0, NOON - HOUR)]}, **asked) == 3
    assert value(Now.busy, {"Visit": visits}, **asked) == 2
    assert value(Now.busy, **asked) == 0


def test_roles_static_tables_and_requests() -> None:
    """Two keys of one table are told apart in its rows; a static table and a request need no instant."""
    towns = [
        {"country": "fr", "city": "x", "people": 5},
        {"country": "de", "city": "x", "people": 7},
    ]
    asked = {"home": "de", "country": "fr", "city": "x"}
    assert value(Now.moves, towns, request=asked) == -2
    assert value(Towns.people, towns, key=("fr", "x")) == 5
    assert value(Towns.people, [{"people": 9}], key={"city": "x", "country": "fr"}) == 9
    assert value(Now.hour, request={"asked_at": NOON}) == 14


@pytest.mark.parametrize(
    ("error", "asked", "what"),
    [
        (InvalidDefinition, {"feature": Sale.amount}, "is no feature of a view"),
        (InvalidDefinition, {"feature": Spending.spent}, "is no feature of a view"),
        (MissingAsOf, {"as_of": None}, "depends on the instant"),
        (MissingColumn, {"key": None}, "is asked by `user`"),
        (InputError, {"key": (1, 2)}, "has 2 parts"),
        (InvalidValue, {"key": "7"}, "is not a value of type int64"),
        (UnknownColumn, {"request": {"usr": 1}}, "is not asked by `usr`"),
        (UnknownColumn, {"rows": {"Visit": []}}, "reads no source `Visit`"),
        (UnknownColumn, {"rows": sale(1.0)}, "reads no source `"),
        (InputError, {"rows": [5]}, "is a list, not a table"),
        (InputError, {"feature": Now.busy, "rows": [sale(1.0)]}, "reads 2 sources"),
        (UnknownColumn, {"rows": [sale(1.0, ammount=1)]}, "no column `ammount`"),
        (InvalidValue, {"rows": [sale("1")]}, "is not a value of type float64"),
        (NaiveTime, {"rows": [sale(1.0, "2024-05-01T12:00:00")]}, "no zone"),
        (MissingColumn, {"rows": [{"amount": 1.0}]}, "without a usable `at`"),
        (MissingColumn, {"rows": [sale(1.0, sale=None)]}, "without a usable `sale`"),
    ],
)
def test_what_does_not_fit_is_told(error: type[FeatureStoreError], asked: dict[str, Any], what: str) -> None:
    """A mistake in a test is an error of four parts that names the row and the column, never a null."""
    given: dict[str, Any] = {"feature": Spending.last, "rows": [sale(1.0)], "key": 7, "as_of": NOON + HOUR} | asked
    with pytest.raises(error, match=what) as caught:
        value(given.pop("feature"), given.pop("rows"), **given)
    assert caught.value.fix


def test_a_road_that_goes_astray_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a fault planted in one road, the value of neither is given."""
    monkeypatch.setitem(MACROS, "fs_finite(x)", "x + 1")
    with pytest.raises(ParityError, match=r"two roads give different values of `Spending.last`") as caught:
        value(Spending.last, [sale(1.5)], key=1, as_of=NOON + HOUR)
    assert caught.value.has == "online 1.5 (ok), offline 2.5 (ok)"


def test_a_value_takes_less_than_a_third_of_a_second() -> None:
    """Tests of features run by the hundred. What counts is the time of this process: a busy machine is no slow code."""
    took_s = []
    for _ in range(5):
        started_s = time.process_time()
        value(Now.busy, {Sale: [sale(1.0)] * 20}, key=7, as_of=NOON + HOUR)
        took_s.append(time.process_time() - started_s)
    assert min(took_s) < 0.3
