"""R10's one rule of widening: what stands together with what, and what is compared as the number that it is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from featurestore import Column, Entity, EventTime, Source, coalesce, column, least, when
from featurestore.errors import TypeMismatch
from featurestore.expr.fluent import Expr
from tests.expr.voices import answers
from tests.strategies import make_view

T = "2024-05-01T00:00:00Z"
BIG = 2**53 + 1  # its nearest float is 2**53


class User(Entity):
    """Who."""

    user: Column[int]


class Sale(Source):
    """One row is enough."""

    user: Column[int]
    whole: Column[int]
    other: Column[int]
    number: Column[float]
    flag: Column[bool]
    price: Column[Decimal] = column(precision=12, scale=2)
    fine: Column[Decimal] = column(precision=18, scale=6)
    at: EventTime


whole, number, flag = Sale.whole.last(), Sale.number.last(), Sale.flag.last()
price, fine = Sale.price.last(), Sale.fine.last()


BIG_ROW = {"whole": BIG, "number": 2.0**53, "flag": True, "price": "1.50", "fine": "1.500000"}
SMALL_ROW = {"whole": -1, "number": 2.5, "flag": False, "price": "9.99", "fine": "-1.000001"}
LEAST_ROW = {"whole": -(2**63), "number": -(2.0**63), "flag": True, "price": "-0.01", "fine": "0.000001"}
GREATEST_ROW = {"whole": 2**63 - 1, "number": 2.0**63, "flag": None, "price": "1.00", "fine": None}
FAR_ROW = {"whole": 1, "number": 1e300, "flag": True, "price": "9999999999.99", "fine": "999999999999.999999"}
NULL_ROW = {"whole": 1, "number": None, "flag": None, "price": None, "fine": "1.5"}
CASES: list[tuple[dict[str, Any], list[tuple[Expr[Any], object]]]] = [
    (
        BIG_ROW,
        [
            (whole == number, False),
            (whole > number, True),
            (number >= whole, False),
            (number == BIG, False),
            (whole.isin([number, 3]), False),
            (number.isin([BIG, 2]), False),
            (whole.between(0.5, number), False),
            (price == fine, True),
            (price != whole, True),
            (flag + 1, 2),
            (flag * number, 2.0**53),
            (flag + flag, 2),
            (flag / 2, 0.5),
            (-flag, -1),
            (whole + number, 2.0**54),
            (whole - number, 0.0),
            (Sale.flag.sum(), 1),
            (Sale.flag.mean(), 1.0),
            (coalesce(number, whole), 2.0**53),
            (least(whole, number), 2.0**53),
            (when(flag).then(whole).otherwise(number), 2.0**53),
            (when(~flag).then(whole), None),
            (when(~flag).then(None).otherwise(price), Decimal("1.50")),
        ],
    ),
    (
        SMALL_ROW,
        [
            (whole <= -0.5, True),
            (whole == -1.0, True),
            (whole >= fine, True),
            (price < Decimal("9.995"), True),
            (price > 9, True),
            (1 - flag, 1),
            (number != 2, True),
            (whole < number, True),
        ],
    ),
    (LEAST_ROW, [(whole != number, False), (whole <= number, True), (price < fine, True), (price > whole, True)]),
    (GREATEST_ROW, [(whole < number, True), (whole == number, False), (flag + 1, None), (price > whole, False)]),
    (FAR_ROW, [(whole < number, True), (number > whole, True), (price < fine, True), (-number < whole, True)]),
    (NULL_ROW, [(whole < number, None), (whole.isin([1.5, number]), None), (whole.isin([1.0, number]), True)]),
]


def test_r10_numbers_widen_by_one_rule() -> None:
    """Comparisons are exact, arithmetic counts truths and takes the nearest float, choices have one type."""
    for row, written in CASES:
        attributes = {f"x{place}": expr for place, (expr, _) in enumerate(written)}
        view = make_view("Tried", attributes, entity=User, source=Sale)
        found = answers(view, [{"at": "2024-04-01T00:00:00Z", **row}], T, user=1)
        for place, (expr, expected) in enumerate(written):
            got = found[f"x{place}"][0]
            assert (type(got), got) == (type(expected), expected), f"{expr!r} of {row}"


@pytest.mark.parametrize(
    ("expr", "printed"),
    [
        (whole > 1.5, "(Sale.whole.last() > 1.5)"),
        (whole > 2.0, "(Sale.whole.last() > 2)"),
        (number > 2, "(Sale.number.last() > 2.0)"),
        (number > BIG, f"(Sale.number.last() > {BIG})"),
        (flag + 1, "(Sale.flag.last() + 1)"),
        (flag / number, "(Sale.flag.last() / Sale.number.last())"),
        (-flag, "-Sale.flag.last()"),
        (Sale.flag.sum(over="7d"), 'Sale.flag.sum(over="7d")'),
        (Sale.flag.to_int().last(), "Sale.flag.to_int().last()"),
    ],
    ids=repr,
)
def test_what_the_language_widens_is_printed_as_it_was_written(expr: Expr[Any], printed: str) -> None:
    """No cast is shown that an author need not write."""
    assert repr(expr) == printed


@pytest.mark.parametrize(
    "make",
    [
        lambda: flag == 1,
        lambda: flag < whole,
        lambda: flag.fill_null(0),
        lambda: least(flag, 1),
        lambda: price == number,
        lambda: price + whole,
        lambda: price + number,
        lambda: when(flag).then(price).otherwise(number),
        lambda: Sale.flag.max(),
    ],
)
def test_what_would_lose_or_is_ambiguous_is_refused(make: Callable[[], object]) -> None:
    """A truth is no number in a comparison or a choice, and a decimal becomes a float by `.to_float()` only."""
    with pytest.raises(TypeMismatch) as caught:
        make()
    assert caught.value.fix
