"""Aggregates of the lists and maps that a feature gives: exact, on both roads, and typed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from featurestore import Column, Entity, EventTime, FeatureView, Source, Vector, column, rows
from featurestore.errors import InvalidDefinition, TypeMismatch
from tests.expr.voices import answers

T = "2024-06-01T00:00:00Z"


class User(Entity):
    """Who."""

    user: Column[int]


class Sale(Source):
    """Columns of many types."""

    user: Column[int]
    whole: Column[int]
    number: Column[float]
    flag: Column[bool]
    kind: Column[str]
    price: Column[Decimal] = column(precision=12, scale=2)
    taste: Column[Vector] = column(length=2)
    marks: Column[list[float]]
    at: EventTime


class Items(FeatureView, entity=User, source=Sale):
    """Every function of a list or map."""

    whole_sum = Sale.whole.last_n(3).sum()
    whole_mean = Sale.whole.last_n(3).mean()
    number_sum = Sale.number.last_n(10).sum()
    number_mean = Sale.number.last_n(2).mean()
    trues = Sale.flag.last_n(3).sum()
    share = Sale.flag.last_n(3).mean()
    price_sum = Sale.price.last_n(3).sum()
    price_mean = Sale.price.last_n(3).mean()
    first_kind = Sale.kind.last_n(4).min()
    span = Sale.at.last_n(3).max() - Sale.at.last_n(3).min()
    empty = Sale.number.last_n(3, where=Sale.kind == "z").mean()
    kinds = rows(by=Sale.kind).keys()
    counts = rows(by=Sale.kind).values()
    different = rows(by=Sale.kind).length()
    mostly = rows(by=Sale.kind).argmax()
    least = Sale.number.sum(by=Sale.kind).argmin()
    most = rows(by=Sale.kind).max()
    mean_by = Sale.price.sum(by=Sale.kind).mean()
    taste = Sale.taste.last().values().max()
    best_mark = Sale.marks.max().max()
    marks = Sale.marks.last().length()
    too_large = Sale.whole.last_n(2, where=Sale.kind == "y").sum()


DATA = [
    {"whole": 1, "number": 1e16, "flag": True, "kind": "b", "price": "0.10", "taste": [1, 2], "marks": [1.0, None]},
    {"whole": None, "number": 1.0, "flag": None, "kind": "a", "price": "0.20", "taste": [3, 4], "marks": []},
    {"whole": 4, "number": -1e16, "flag": False, "kind": "b", "price": None, "taste": [0.5, -1], "marks": [7.0, 2.5]},
    {"whole": 5, "number": None, "flag": True, "kind": "a", "price": "0.30", "taste": [9, 1], "marks": None},
    {"whole": 2**63 - 1, "number": None, "flag": None, "kind": "y", "price": None, "taste": None, "marks": None},
    {"whole": 2**63 - 1, "number": None, "flag": None, "kind": "y", "price": None, "taste": None, "marks": [3.0]},
]
ROWS = [{**row, "at": f"2024-05-0{day}T00:00:00Z"} for day, row in enumerate(DATA, start=1)]


def test_r9_items_of_a_list_or_map_are_aggregated() -> None:
    """Sums are exact and nulls are skipped."""
    found = {name: value for name, (value, _) in answers(Items, ROWS[:4], T, user=1).items()}
    assert found == {
        "whole_sum": 9,
        "whole_mean": 4.5,
        "number_sum": 1.0,  # 1e16 + 1.0 - 1e16 in floats is 0.0
        "number_mean": -1e16,
        "trues": 1,
        "share": 0.5,
        "price_sum": Decimal("0.50"),
        "price_mean": 0.25,
        "first_kind": "a",
        "span": 2 * 86_400.0,
        "empty": None,
        "kinds": ["a", "b"],
        "counts": [2, 2],
        "different": 2,
        "mostly": "a",  # of two with two rows the least
        "least": "b",
        "most": 2,
        "mean_by": 0.3,
        "taste": 9.0,
        "best_mark": 7.0,
        "marks": None,
        "too_large": None,
    }
    assert {name: type(found[name]) for name in ("trues", "most", "number_sum")} == {
        "trues": int,
        "most": int,
        "number_sum": float,
    }


def test_r9_over_no_items_all_but_lists_and_lengths_are_null() -> None:
    """So are sums beyond their type, with the status of any null that is computed."""
    found = answers(Items, [], T, user=1)
    lists = {"kinds": ([], 0), "counts": ([], 0), "different": (0, 0)}
    assert {name: each for name, each in found.items() if each[0] is not None} == lists
    assert {status for name, (_, status) in found.items() if name not in lists} == {2}
    assert answers(Items, ROWS, T, user=1)["too_large"] == (None, 1)


def test_a_list_is_aggregated_without_options() -> None:
    """`over=`, `where=` and `by=` are about rows."""
    for make in (
        lambda: Sale.marks.sum(over="7d"),  # type: ignore[call-arg]
        lambda: Sale.whole.last_n(3).max(where=Sale.flag),  # type: ignore[call-arg]
        lambda: rows(by=Sale.kind).mean(by=Sale.kind),  # type: ignore[call-arg]
    ):
        with pytest.raises(InvalidDefinition, match="is about its items") as caught:
            make()
        assert caught.value.fix and "over rows, aggregate what that gives" in caught.value.fix


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sale.kind.last_n(3).sum(),  # type: ignore[misc]
        lambda: Sale.kind.last_n(3).mean(),  # type: ignore[misc]
        lambda: Sale.flag.last_n(3).max(),
        lambda: Sale.kind.last().keys(),  # type: ignore[misc]
        lambda: Sale.whole.last_n(3).argmax(),  # type: ignore[misc]
        lambda: Sale.whole.last_n(3).values(),  # type: ignore[misc]
    ],
)
def test_items_without_the_function_are_refused(make: Callable[[], object]) -> None:
    """A sum of texts and a greatest truth have no meaning; a list has no categories."""
    with pytest.raises(TypeMismatch) as caught:
        make()
    assert caught.value.fix


def test_functions_of_items_print_as_they_are_written() -> None:
    """Also those that the language puts between, such as the values of a map."""
    assert repr(Sale.number.last_n(3).mean()) == "Sale.number.last_n(3).mean()"
    assert repr(rows(by=Sale.kind).max()) == "rows(by=Sale.kind).values().max()"
    assert repr(rows(by=Sale.kind).argmax()) == "rows(by=Sale.kind).argmax()"
