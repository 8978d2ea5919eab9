"""R17 of lists and maps: a row function takes and gives them as Python values, on both roads alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest

from featurestore import Column, Entity, EventTime, FeatureView, Request, Source, Vector, column, row_function, rows
from featurestore.errors import InvalidDefinition, RowFunctionFailed, TypeMismatch
from featurestore.expr.nodes import Literal
from featurestore.semantics.dtypes import DATE, FLOAT64, INT64, STRING, TIMESTAMP, list_of, map_of
from featurestore.semantics.python_functions import Parameter
from featurestore.testing import value
from tests.expr.voices import answers

T = "2024-06-01T00:00:00Z"


class User(Entity):
    """Who."""

    user: Column[int]


class Ask(Request):
    """Lists of the question."""

    prices: Column[list[float]]
    name: Column[str]


class Sale(Source):
    """Rows."""

    user: Column[int]
    number: Column[float]
    kind: Column[str]
    taste: Column[Vector] = column(length=2)
    at: EventTime


@row_function
def longest_rise(numbers: list[float]) -> int:
    """The longest streak of rising values."""
    best = run = 1
    for before, after in pairwise(numbers):
        run = run + 1 if after > before else 1
        best = max(best, run)
    return best


@row_function
def gaps(moments: list[datetime]) -> list[float]:
    """Seconds between consecutive rows."""
    return [(after - before).total_seconds() for before, after in pairwise(moments)]


@row_function
def shares(counts: dict[str, int]) -> dict[str, float]:
    """It changes what it is given, which nobody else sees."""
    total = sum(counts.values()) or 1
    counts["key"] = 0
    counts["value"] = 1
    return {kind: count / total if count != 1 else float("nan") for kind, count in counts.items()}


@row_function
def filled(numbers: list[float | None], kind: str | None) -> list[float | None]:
    """Null items in and out."""
    return [None if kind == "none" else 0 if number is None else number for number in numbers]


@row_function
def known_days(moments: list[datetime], counts: dict[str, int] | None) -> dict[date, int | None] | None:
    """Dates as keys."""
    return None if counts is None else {moment.date(): counts.get("x") for moment in moments}


@row_function
def halves(point: list[float]) -> list[float]:
    """Of a vector, a list."""
    return [number / 2 for number in point]


class Called(FeatureView, entity=User, source=Sale, request=Ask):
    """All of them."""

    rise = longest_rise(Sale.number.last_n(10))
    waits = gaps(Sale.at.last_n(10))
    mean_wait = gaps(Sale.at.last_n(10)).mean()
    parts = shares(rows(by=Sale.kind))
    whole = filled(Ask.prices, Ask.name)
    nulls = filled(Ask.prices, None).length()
    days = known_days(Sale.at.last_n(2), rows(by=Sale.kind))
    half = halves(Sale.taste.last())


DAYS = (1, 2, 5)
ROWS = [
    {"number": number, "kind": kind, "taste": [1.0, number or 0.0], "at": datetime(2024, 5, day, tzinfo=UTC)}
    for day, number, kind in zip(DAYS, (1.0, 2.5, 2.0), "aab", strict=True)
]


def test_r17_lists_and_maps_are_taken_and_given() -> None:
    """They are lists and dicts; what is given is normalised, a map in the order of its keys."""
    found = {name: each[0] for name, each in answers(Called, ROWS, T, user=1, prices=[1.5, None], name="x").items()}
    assert found == {
        "rise": 2,
        "waits": [86_400.0, 3 * 86_400.0],
        "mean_wait": 2 * 86_400.0,
        "parts": {"a": 2 / 3, "b": None, "key": 0.0, "value": None},
        "whole": [1.5, 0.0],
        "nulls": 2,
        "days": {date(2024, 5, 2): None, date(2024, 5, 5): None},
        "half": [0.5, 1.0],
    }
    assert list(found["parts"]) == ["a", "b", "key", "value"]


def test_r17_a_null_item_that_it_does_not_take_gives_null() -> None:
    """A function that is annotated `list[float]` is not called with a list that has a null in it."""
    with_null = [*ROWS, {**ROWS[0], "number": None, "at": datetime(2024, 5, 9, tzinfo=UTC)}]
    found = answers(Called, with_null, T, user=1, prices=[None], name="none")
    assert found["rise"] == (None, 1)
    assert found["whole"] == ([None], 0)
    empty = answers(Called, [], T, user=1, prices=None, name=None)
    assert {name: each for name, each in empty.items() if each[1] == 0} == {"parts": ({"key": 0.0, "value": None}, 0)}
    assert {name for name, each in empty.items() if each == (None, 2)} == {"rise", "waits", "mean_wait", "days", "half"}
    assert (empty["whole"], empty["nulls"]) == ((None, 1), (None, 1))


def _wrong(which: int) -> Any:
    return {
        0: "ab",
        1: [1.0, "2"],
        2: {1.0: 2.0},
        3: (1, [2]),
        4: [True],
    }[which]


@row_function
def wrong(whole: list[float | None]) -> list[float]:
    """Something else for each length."""
    return _wrong(len(whole))  # type: ignore[no-any-return]


@row_function
def wrong_map(whole: list[float | None]) -> dict[str, int]:
    """Something else for each length."""
    return {0: [("a", 1)], 1: {None: 1}, 2: {"a": 1.5}, 3: {1: 1}}[len(whole)]  # type: ignore[return-value]


class Wrong(FeatureView, request=Ask):
    """What is refused when it runs."""

    items = wrong(Ask.prices)
    pairs = wrong_map(Ask.prices)


@pytest.mark.parametrize("length", range(5))
def test_r17_a_list_of_another_type_is_an_error(length: int) -> None:
    """A text, a text among numbers, a map, a list in a list and a truth are no list of floats."""
    with pytest.raises(RowFunctionFailed, match=r"which is no list<float64>") as caught:
        value(Wrong.items, request={"prices": [1.0] * length})
    assert caught.value.has == f"whole={[1.0] * length!r}"


@pytest.mark.parametrize("length", range(4))
def test_r17_a_map_of_another_type_is_an_error(length: int) -> None:
    """Pairs, a null key, a float for an int and keys of another type are no map of text to int."""
    with pytest.raises(RowFunctionFailed, match=r"which is no map<string, int64>"):
        value(Wrong.pairs, request={"prices": [1.0] * length})


def test_annotations_name_lists_and_maps() -> None:
    """Whether items may be null is part of a parameter."""
    assert filled.function.parameters == (
        Parameter("numbers", list_of(FLOAT64), False, True),
        Parameter("kind", STRING, True),
    )
    assert known_days.function.parameters == (
        Parameter("moments", list_of(TIMESTAMP), False),
        Parameter("counts", map_of(STRING, INT64), True),
    )
    assert known_days.function.gives == map_of(DATE, INT64)
    assert filled(Ask.prices, None).node.arguments[1] == Literal(None, STRING)  # type: ignore[union-attr]


def test_a_list_of_another_type_is_refused_where_it_is_written() -> None:
    """Texts for floats, and a null constant that the function does not take."""
    with pytest.raises(TypeMismatch, match="takes list<float64>, not list<string>"):
        longest_rise(Sale.kind.last_n(3))
    with pytest.raises((InvalidDefinition, TypeMismatch), match="None cannot stand in an expression"):
        longest_rise(None)
