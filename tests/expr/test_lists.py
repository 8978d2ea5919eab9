"""Expressions of lists, vectors and decimals: what they are made of, how they print, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from featurestore import Column, Entity, EventTime, FeatureView, Source, Vector, coalesce, when
from featurestore.errors import TypeMismatch
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import ColumnRef, Literal
from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, STRING, DType, decimal_of, list_of, vector_of
from featurestore.testing import value

tags: Expr[list[str]] = Expr(ColumnRef("S", "tags", list_of(STRING)))
counts: Expr[list[int]] = Expr(ColumnRef("S", "counts", list_of(INT64)))
costs: Expr[list[Decimal]] = Expr(ColumnRef("S", "costs", list_of(decimal_of(12, 2))))
point: Expr[Vector] = Expr(ColumnRef("S", "point", vector_of(2)))
longer: Expr[Vector] = Expr(ColumnRef("S", "longer", vector_of(3)))
price: Expr[Decimal] = Expr(ColumnRef("S", "price", decimal_of(12, 2)))
fee: Expr[Decimal] = Expr(ColumnRef("S", "fee", decimal_of(6, 2)))
rate: Expr[Decimal] = Expr(ColumnRef("S", "rate", decimal_of(6, 4)))
whole: Expr[int] = Expr(ColumnRef("S", "whole", INT64))
flag: Expr[bool] = Expr(ColumnRef("S", "flag", BOOL))


@pytest.mark.parametrize(
    ("expr", "printed", "dtype"),
    [
        (tags.get(0), "S.tags.get(0)", STRING),
        (tags.get(whole), "S.tags.get(S.whole)", STRING),
        (point.get(-1), "S.point.get(-1)", FLOAT64),
        (costs.get(0), "S.costs.get(0)", decimal_of(12, 2)),
        (counts.length(), "S.counts.length()", INT64),
        (counts.contains(3), "S.counts.contains(3)", BOOL),
        (costs.contains(Decimal("1.5")), "S.costs.contains(Decimal('1.50'))", BOOL),
        (point.dot(Vector([0.5, 1])), "S.point.dot(Vector([0.5, 1.0]))", FLOAT64),
        (point.norm(), "S.point.norm()", FLOAT64),
        (point.cosine(point), "(S.point.dot(S.point) / (S.point.norm() * S.point.norm()))", FLOAT64),
        (price + fee, "(S.price + S.fee)", decimal_of(18, 2)),
        (price - 1, "(S.price - Decimal('1.00'))", decimal_of(18, 2)),
        (Decimal("0.5") + rate, "(Decimal('0.5000') + S.rate)", decimal_of(18, 4)),
        (price > 10, "(S.price > Decimal('10.00'))", BOOL),
        (price == Decimal("1.500"), "(S.price == Decimal('1.50'))", BOOL),
        (price.fill_null(0), "coalesce(S.price, Decimal('0.00'))", decimal_of(12, 2)),
        (price.clip(0, fee), "least(greatest(S.price, Decimal('0.00')), S.fee)", decimal_of(12, 2)),
        (coalesce(fee, price), "coalesce(S.fee, S.price)", decimal_of(12, 2)),
        (fee.fill_null(123_456), "coalesce(S.fee, Decimal('123456.00'))", decimal_of(18, 2)),
        (-price, "-S.price", decimal_of(12, 2)),
        (price.to_float() * 2, "(S.price.to_float() * 2.0)", FLOAT64),
        (price.to_int(), "S.price.to_int()", INT64),
        (price.isin([1, Decimal("2.5")]), None, BOOL),
        (when(flag).then(Decimal("1.5")).otherwise(0), None, decimal_of(2, 1)),
        (when(flag).then(price).otherwise(fee), None, decimal_of(12, 2)),
        (tags.is_null(), "S.tags.is_null()", BOOL),
        (coalesce(tags, tags), "coalesce(S.tags, S.tags)", list_of(STRING)),
        (tags.last(over="1d"), 'S.tags.last(over="1d")', list_of(STRING)),
        (price.last_n(2), "S.price.last_n(2)", list_of(decimal_of(12, 2))),
        (price.sum(), "S.price.sum()", decimal_of(18, 2)),
        (price.mean(), "S.price.mean()", FLOAT64),
        (price.max(), "S.price.max()", decimal_of(12, 2)),
        (point.sum(over="7d"), 'S.point.sum(over="7d")', vector_of(2)),
        (point.mean(), "S.point.mean()", vector_of(2)),
        (point.count(), "S.point.count()", INT64),
    ],
    ids=str,
)
def test_what_is_written_has_a_type_and_prints_as_written(expr: Expr[Any], printed: str | None, dtype: DType) -> None:
    """Methods and operators make typed nodes; constants take the decimal places of what they stand beside."""
    assert expr.node.dtype == dtype
    assert printed is None or repr(expr) == printed


@pytest.mark.parametrize(
    "make",
    [
        lambda: point.dot(longer),
        lambda: point.dot(Vector([1.0])),
        lambda: point + point,
        lambda: point == point,
        lambda: point.length(),  # type: ignore[misc]
        lambda: tags.dot(point),  # type: ignore[misc]
        lambda: tags.get(0.5),  # type: ignore[arg-type]
        lambda: tags.contains(1),
        lambda: tags == tags,
        lambda: tags.sum(),
        lambda: tags.distinct_count(),
        lambda: point.max(),
        lambda: price * 2,
        lambda: price / 2,
        lambda: price + rate,
        lambda: price > 1.5,
        lambda: price.sqrt(),
        lambda: price.var(),
        lambda: whole.get(0),  # type: ignore[misc]
    ],
)
def test_what_has_no_meaning_is_refused(make: Callable[[], Any]) -> None:
    """Vectors of two lengths, decimals of two scales, floats beside decimals and items of no list are errors."""
    with pytest.raises(TypeMismatch) as caught:
        make()
    assert caught.value.has and caught.value.fix


def test_decimals_of_two_scales_are_told_what_to_write() -> None:
    """The error says how a constant is written."""
    with pytest.raises(TypeMismatch) as caught:
        _ = price > 1.5
    assert 'Decimal("1.50")' in str(caught.value.fix)


def test_a_constant_is_canonical() -> None:
    """A decimal constant is its unscaled integer, a vector a tuple."""
    found = [(price > Decimal("1.5")).node, point.dot(Vector([1, -0.0])).node]
    assert [node.arguments[1] for node in found] == [  # type: ignore[union-attr]
        Literal(150, decimal_of(12, 2)),
        Literal((1.0, 0.0), vector_of(2)),
    ]


class Shopper(Entity):
    """Who."""

    shopper: Column[int]


class Cart(Source):
    """What was in the cart, and what was looked for."""

    shopper: Column[int]
    items: Column[list[int]]
    sought: Column[int]
    at: EventTime


class Carts(FeatureView, entity=Shopper, source=Cart):
    """Computed below an aggregate and above one."""

    row = Cart.items.contains(Cart.sought).last()
    answer = Cart.items.last().contains(Cart.sought.last())


@pytest.mark.parametrize(("items", "sought", "expected"), [([], None, None), ([1], None, None), ([], 1, False)])
def test_r10_whether_a_list_contains_null_is_null(items: list[int], sought: int | None, expected: bool | None) -> None:
    """Also of an empty list, of which DuckDB says that it does not contain it; both roads answer."""
    rows = [{"at": "2024-05-01T12:00:00Z", "items": items, "sought": sought}]
    for asked in (Carts.row, Carts.answer):
        assert value(asked, rows, key=7, as_of="2024-06-01T00:00:00Z") is expected
