"""Columns of every type, as an author declares them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    Feature,
    FeatureView,
    Order,
    Request,
    RowId,
    Source,
    Vector,
    column,
    feature,
    rows,
)
from featurestore.errors import DefinitionError, InvalidDefinition, TypeMismatch
from featurestore.testing import value


class User(Entity):
    """A user."""

    user: Column[int]


class Bought(Source):
    """What was bought."""

    user: Column[int]
    price: Column[Decimal] = column(precision=12, scale=2)
    tags: Column[list[str]]
    days: Column[list[date]]
    prices: Column[list[Decimal]] = column("all prices", precision=18, scale=0)
    taste: Column[Vector] = column(length=8)
    at: EventTime


def declare(base: type, annotation: Any, given: Any = None) -> type:
    """A class with one column `held` of some annotation."""
    body: dict[str, Any] = {"__annotations__": {"held": annotation}, "__module__": __name__}
    if base is Source:
        body["__annotations__"]["at"] = EventTime
    if given is not None:
        body["held"] = given
    return type("Made", (base,), body)


def test_r8_columns_have_the_types_that_are_declared() -> None:
    """A decimal has its digits, a vector its length, a list its items; only the name in the data may differ."""
    assert {spec.name: (str(spec.dtype), spec.stored) for spec in Bought.__spec__.columns} == {
        "user": ("int64", "user"),
        "price": ("decimal(12,2)", "price"),
        "tags": ("list<string>", "tags"),
        "days": ("list<date>", "days"),
        "prices": ("list<decimal(18,0)>", "all prices"),
        "taste": ("vector<8>", "taste"),
        "at": ("timestamp", "at"),
    }


@pytest.mark.parametrize(
    ("annotation", "given", "says"),
    [
        (Column[Decimal], None, "no numbers"),
        (Column[Decimal], column(precision=12), "precision=12"),
        (Column[Decimal], column(precision=19, scale=2), "precision=19"),
        (Column[Decimal], column(precision=0, scale=0), "precision=0"),
        (Column[Decimal], column(precision=2, scale=3), "scale=3"),
        (Column[Decimal], column(precision=True, scale=0), "precision=True"),
        (Column[Vector], column(length=0), "length=0"),
        (Column[Vector], column(length=5000), "length=5000"),
        (Column[Vector], column(length=8, scale=2), "scale=2"),
        (Column[int], column(length=8), "length=8"),
        (Column[list[str]], column(length=8), "length=8"),
    ],
)
def test_numbers_that_do_not_fit_the_type_are_refused(annotation: Any, given: Any, says: str) -> None:
    """A decimal of 19 digits, a vector without a length and a length of something else are named."""
    with pytest.raises(InvalidDefinition, match=says) as caught:
        declare(Request, annotation, given)
    assert caught.value.has and caught.value.fix and "test_columns.py" in str(caught.value.where)


@pytest.mark.parametrize("held", [dict[str, int], list[list[int]], list[Vector], tuple[int], bytes, complex])
def test_a_type_that_no_column_can_have_is_refused(held: Any) -> None:
    """Lists hold scalars, and there is no column of anything else."""
    generic: Any = Column
    with pytest.raises(TypeMismatch, match="which no column can") as caught:
        declare(Request, generic[held], column(length=3) if held == list[Vector] else None)
    assert "list[...]" in str(caught.value.has)


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (Column[Decimal], column(precision=12, scale=2)),
        (Column[list[int]], None),
        (Column[Vector], column(length=2)),
    ],
)
def test_r11_what_cannot_be_compared_simply_is_no_key(annotation: Any, given: Any) -> None:
    """Entities, RowId and Order are of the plain types."""
    with pytest.raises(TypeMismatch, match="no key can be"):
        declare(Entity, annotation, given)
    for marker in (RowId, Order):
        generic: Any = marker
        with pytest.raises(TypeMismatch, match=f"marked {marker.__name__}"):
            declare(Source, generic[annotation.__args__[0]], given)


class Tastes(FeatureView, entity=User, source=Bought):
    """Features of every type."""

    price: Feature[Decimal] = feature(Bought.price.sum(over="7d"), default=Decimal("0.00"))
    tags: Feature[list[str]] = feature(Bought.tags.last(), default=[])
    taste: Feature[Vector] = feature(Bought.taste.mean(), default=Vector([0.0] * 8))
    first = Bought.days.last().get(0)
    many = Bought.tags.last().length() > 3
    food = rows(where=Bought.tags.contains("food"))
    near = Bought.taste.last().cosine(Bought.taste.first())
    cheap = rows(where=Bought.price < Decimal("9.99"))


def test_features_have_the_types_that_follow() -> None:
    """Sums, items and products say what they are."""
    assert {spec.name: str(spec.node.dtype) for spec in Tastes.__spec__.features} == {
        "price": "decimal(18,2)",
        "tags": "list<string>",
        "taste": "vector<8>",
        "first": "date",
        "many": "bool",
        "food": "int64",
        "near": "float64",
        "cheap": "int64",
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda: feature(Bought.price.sum(), default=Decimal("0.001")),
        lambda: feature(Bought.tags.last(), default=[1]),  # type: ignore[misc]
        lambda: feature(Bought.taste.last(), default=Vector([1.0])),
        lambda: feature(Bought.taste.last(), default=Vector([float("nan")] * 8)),
    ],
)
def test_a_default_of_another_type_is_refused(make: Callable[[], Any]) -> None:
    """A default is a value of the feature's type, to the last digit."""
    with pytest.raises(TypeMismatch, match=r"the default .* is no "):
        make()


@pytest.mark.parametrize("held", [Decimal, list[int], Vector])
def test_an_annotation_of_another_type_is_refused(held: Any) -> None:
    """`Feature[Decimal]` on a list is a mistake."""
    generic: Any = Feature
    body = {"__annotations__": {"tags": generic[held]}, "tags": Bought.tags.last(), "__module__": __name__}
    view: Any = FeatureView
    with pytest.raises(DefinitionError, match="is annotated"):
        type("Wrong", (view,), body, entity=User, source=Bought)


def test_a_column_may_still_only_have_another_name() -> None:
    """`column("from")` says nothing of the type."""
    generic: Any = Column
    made: Any = declare(Request, generic[datetime], column("from"))
    assert [(spec.name, spec.stored) for spec in made.__columns__] == [("held", "from")]


class Logged(Source):
    """A column as some databases name theirs."""

    user: Column[int]
    _score: Column[float]
    at: EventTime


class Scored(FeatureView, entity=User, source=Logged):
    """What is under `_score`."""

    score = Logged._score.sum()


def test_a_column_may_begin_with_an_underscore() -> None:
    """It is a column like any other on both roads, and not left out in silence."""
    data = [{"_score": 1.5, "at": "2024-01-01T00:00:00Z"}, {"_score": 2.0, "at": "2024-01-02T00:00:00Z"}]
    assert value(Scored.score, data, key=1, as_of="2024-02-01T00:00:00Z") == 3.5
