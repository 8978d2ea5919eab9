"""Definitions that use every part of the language: type checkers find nothing in them, and know the type of all."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import assert_type

from featurestore import (
    Column,
    Csv,
    Drift,
    DuckDBTable,
    Entity,
    EventTime,
    Feature,
    FeatureSet,
    FeatureView,
    KnownTime,
    Order,
    Parquet,
    Query,
    Request,
    RowId,
    Source,
    Vector,
    Window,
    as_of,
    coalesce,
    column,
    feature,
    first_at,
    last_at,
    rows,
    share,
    time_between,
    time_since_first,
    time_since_last,
    when,
)
from featurestore.expr.fluent import Expr, Group
from featurestore.testing import status, value


class User(Entity):
    """Who."""

    user: Column[int]


class Place(Entity):
    """Where, by two columns."""

    country: Column[str]
    city: Column[str]


class Sale(Source, data=Parquet("data/sales/*.parquet")):
    """Columns of every type, markers of every kind."""

    sale: RowId[str]
    user: Column[int]
    country: Column[str]
    city: Column[str]
    amount: Column[float]
    pieces: Column[int]
    price: Column[Decimal] = column(precision=12, scale=2)
    taste: Column[Vector] = column(length=3)
    tags: Column[list[str]]
    paid: Column[bool]
    from_: Column[str] = column("from")
    day: Column[date]
    line: Order[int]
    sold_at: EventTime
    booked_at: KnownTime


class Ping(Source):
    """Times that are numbers since 1970."""

    user: Column[int]
    pinged_at: EventTime = column(unit="ms")
    known_at: KnownTime = column("known", unit="s")


class Refund(Source, data=Csv("data/refunds.csv"), zone="Europe/Paris"):
    """Local times."""

    user: Column[int]
    at: EventTime


class Town(Source, data=Query("FROM read_parquet('data/towns.parquet')"), static=True):
    """No time."""

    country: Column[str]
    city: Column[str]
    people: Column[int]


class Visit(Source, data=DuckDBTable("data/shop.duckdb", "visits"), delay="5m"):
    """Known later."""

    visitor: Column[int]
    at: EventTime


class Basket(Request):
    """What the question knows."""

    friend: Column[int]
    home_country: Column[str]
    home_city: Column[str]
    amount: Column[float]
    placed_at: Column[datetime]


large = (Sale.amount > 100) & ~Sale.paid | (Sale.country == "fr") & (Sale.pieces != 1)
assert_type(large, Expr[bool])


class Sales(FeatureView, entity=User, source=Sale):
    """Aggregates."""

    number = rows(over="7d")
    numbers = rows(over=("1d", Window("7d", step="1h", offset="1d")), where=large)
    by_country = rows(over="7d", by=Sale.country)
    by_town = Sale.amount.sum(over=("1d", "7d"), by=Sale.city, null_category="(none)")
    spent = Sale.amount.sum(over=("1d", "7d"))
    pieces = Sale.pieces.sum()
    price = Sale.price.sum(over="7d")
    taste = Sale.taste.mean()
    usual = Sale.amount.mean(over="30d")
    per_piece = (Sale.amount / Sale.pieces).mean(over="30d")
    least = Sale.amount.min()
    greatest = Sale.country.max()
    newest = Sale.sold_at.max()
    spread = Sale.amount.std(over="30d", population=True)
    variance = Sale.pieces.var(over=("1d", "7d"))
    first = Sale.day.first(skip_nulls=True)
    last = Sale.from_.last(over="7d", where=Sale.paid)
    last_3 = Sale.amount.last_n(3)
    known_before = Sale.paid.last()
    times_paid = Sale.paid.sum(over="7d")
    first_3 = Sale.day.first_n(3, over=("1d", "7d"))
    dearest_city = Sale.city.max_by(Sale.amount, over="30d")
    cheapest_tags = Sale.tags.min_by(Sale.price, over=("1d", "7d"), skip_nulls=True)
    dearest = Sale.amount.top_values(3, over="30d")
    halfway = Sale.pieces.median(interpolated=True)
    nearly_all = Sale.pieces.quantile(0.9, over=("1d", "7d"), interpolated=True)
    exactly = Sale.pieces.quantile(0.9, interpolated=False)
    together = Sale.amount.correlation(Sale.pieces, over="30d")
    trend = Sale.amount.slope(Sale.sold_at.epoch_us(), over=("1d", "7d"))
    shape = Sale.amount.skewness(over="30d")
    gap = time_between(over="7d").mean()
    gaps = time_between(over=("1d", "7d"), where=large).max()
    different = Sale.country.distinct_count(over="30d")
    known = Sale.amount.count(over="30d")
    middle = Sale.amount.median(over="30d")
    tail = Sale.amount.quantile(0.95)
    usually = Sale.country.mode()
    top = Sale.country.top_n(3)
    in_france = {f"over_{limit}": rows(where=Sale.amount > limit) for limit in (10, 100)}
    described = feature(Sale.amount.max(over=("1d", "7d")), default=0.0, doc="the dearest", owner="shop", tags=("a",))
    large_share: Feature[float] = feature(share(large, over="7d"), default=0.0, drift=Drift(psi=0.1))
    waited = time_since_last()
    since = time_since_first(over="7d")
    span = last_at(over="7d") - first_at(over="7d")


class Fresh(FeatureView, entity=User, source=Sale, refresh="1h"):
    """As of the last full hour."""

    number = rows(over="1d")


class Visits(FeatureView, entity=User, source=Visit, key=Visit.visitor):
    """A key of another name."""

    number = rows()


class Towns(FeatureView, entity=Place, source=Town):
    """A table without time."""

    people = Town.people.last()


class Home(Towns, entity=Place(country=Basket.home_country, city=Basket.home_city)):
    """The same in another role."""


class Bought(FeatureView, entity=(User(user=Basket.friend), Place), source=Sale):
    """A pair."""

    number = rows()


class AtCheckout(FeatureView, request=Basket):
    """Expressions."""

    ratio = Basket.amount / Sales.usual
    whole = 1 + Sales.number * 2 - 3
    mixed = Sales.number + 0.5 - Sales.usual
    halved = 1.5 * -Sales.pieces
    price = Decimal("1.50") - Sales.price
    waited = Basket.placed_at - Sales.newest
    before = datetime(2024, 1, 1, tzinfo=UTC) - Basket.placed_at
    hour = Basket.placed_at.hour(zone="Europe/Paris")
    late = (Basket.placed_at.weekday() >= 6) | (20 <= Basket.placed_at.hour())
    early = Sales.first < date(2020, 1, 1)
    clipped = Sales.usual.clip(0, 1000).floor().abs()
    root = Sales.usual.sqrt().to_int().to_float()
    known = ~Sales.usual.is_null() & Sales.usual.between(1, 2) & Sales.last.isin(["a", "b"])
    tier = when(Sales.usual > 10).then("gold").when(Sales.number > 3).then("silver").otherwise("blue")
    some = coalesce(Sales.usual, Sales.spent["7d"], 0.0)
    filled = Sales.usual.fill_null(0.0)
    french = Sales.by_country.get("fr") / Sales.number
    old = as_of() - Sales.newest
    near = Sales.taste.dot(Sales.taste)
    counted = Sales.known_before + 1
    flagged = Sales.known_before * Sales.usual
    mixed_order = (Sales.number < Sales.usual) & (Sales.price > Sales.number) & (Sales.number <= Sales.price)
    recent = Sales.last_3.mean() - Sales.last_3.min()
    mostly = Sales.by_country.argmax()
    most = Sales.by_country.max()
    places = Sales.by_country.keys().length()
    numbers = Sales.taste.values().sum()
    maybe = when(Sales.usual > 10).then(Sales.usual).otherwise(None)
    cheap = when(Sales.usual < 10).then("cheap").otherwise()
    bare = when(Sales.usual < 10).then("cheap")
    tried = Sales.in_france["over_10"] > Sales.described["1d"]


everything = FeatureSet(
    "everything", Sales, Fresh.number, Visits, Towns, Home.people, Bought, AtCheckout, doc="all of it"
)

assert_type(Sales.number, Expr[int])
assert_type(Sales.numbers, Group[int])
assert_type(Sales.by_country, Expr[dict[str, int]])
assert_type(Sales.spent["7d"], Expr[float])
assert_type(Sales.pieces, Expr[int])
assert_type(Sales.price, Expr[Decimal])
assert_type(Sales.taste, Expr[Vector])
assert_type(Sales.usual, Expr[float])
assert_type(Sales.greatest, Expr[str])
assert_type(Sales.newest, Expr[datetime])
assert_type(Sales.first, Expr[date])
assert_type(Sales.last_3, Expr[list[float]])
assert_type(Sales.first_3, Group[list[date]])
assert_type(Sales.dearest_city, Expr[str])
assert_type(Sales.cheapest_tags, Group[list[str]])
assert_type(Sales.by_town, Group[dict[str, float]])
assert_type(Sales.dearest, Expr[list[float]])
assert_type(Sales.halfway, Expr[float])
assert_type(Sales.nearly_all, Group[float])
assert_type(Sales.exactly, Expr[int])
assert_type(Sales.together, Expr[float])
assert_type(Sales.trend, Group[float])
assert_type(Sales.shape, Expr[float])
assert_type(Sales.gap, Expr[float])
assert_type(Sales.gaps, Group[float])
assert_type(Sales.in_france["over_10"], Expr[int])
assert_type(Sales.described, Group[float])
assert_type(Sales.large_share, Feature[float])
assert_type(Sales.span, Expr[float])
assert_type(Home.people, Expr[int])
assert_type(AtCheckout.whole, Expr[int])
assert_type(AtCheckout.mixed, Expr[float])
assert_type(AtCheckout.halved, Expr[float])
assert_type(AtCheckout.price, Expr[Decimal])
assert_type(AtCheckout.waited, Expr[float])
assert_type(AtCheckout.late, Expr[bool])
assert_type(Sales.times_paid, Expr[int])
assert_type(AtCheckout.counted, Expr[int])
assert_type(AtCheckout.flagged, Expr[float])
assert_type(AtCheckout.recent, Expr[float])
assert_type(AtCheckout.mostly, Expr[str])
assert_type(AtCheckout.most, Expr[int])
assert_type(AtCheckout.places, Expr[int])
assert_type(AtCheckout.numbers, Expr[float])
assert_type(AtCheckout.near, Expr[float])


def tested() -> tuple[int | None, str]:
    """A feature's value has its type."""
    return value(Sales.number, [], key=7, as_of="2024-01-01T00:00Z"), status(
        Sales.number, key=7, as_of=datetime.now(UTC)
    )
