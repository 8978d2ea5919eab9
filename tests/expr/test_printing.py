"""Printing: what is printed is what an author could have written, and means the same."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

import featurestore
from featurestore import Source, coalesce, concat, greatest, least, when
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Call, ColumnRef, Literal, Node, children
from featurestore.expr.printing import text_of
from featurestore.semantics.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP
from tests.strategies.expressions import AFTER, SIGNATURES, aggregates, calls, columns_of, reachable
from tests.strategies.sources import SOURCES

# functions that make an expression of a constant before one
_OPERATORS = ("add", "sub", "mul", "div", "floordiv", "mod", "power", "and", "or")
_AFTER_A_CONSTANT = (*_OPERATORS, "coalesce", "least", "greatest", "haversine")
# arguments that an author gives as constants, with the least and the most they can be
_CONSTANTS = {"plus": (-(2**61), 2**61), "floor": (1, 2**61), "round": (-15, 15), "bucket": (1, 2**62)}


class S:
    """Columns by hand."""

    number: Expr[float] = Expr(ColumnRef("S", "number", FLOAT64))
    whole: Expr[int] = Expr(ColumnRef("S", "whole", INT64))
    text: Expr[str] = Expr(ColumnRef("S", "text", STRING))
    flag: Expr[bool] = Expr(ColumnRef("S", "flag", BOOL))
    moment: Expr[datetime] = Expr(ColumnRef("S", "moment", TIMESTAMP))
    day: Expr[date] = Expr(ColumnRef("S", "day", DATE))


def read(text: str) -> Node:
    """The node that an author makes by writing this."""
    names: dict[str, Any] = {name: getattr(featurestore, name) for name in featurestore.__all__}
    names |= {source.__name__: _columns(source) for source in SOURCES}
    made = eval(text, names | {"S": S, "UTC": UTC, "date": date, "datetime": datetime, "Decimal": Decimal})
    assert isinstance(made, Expr), f"{text} is no expression"
    return made.node


def _columns(source: type[Source]) -> SimpleNamespace:
    """A source's columns as bare expressions: Python lets a comparison with a column begin with the column."""
    specs = source.__spec__.columns
    return SimpleNamespace(**{each.name: Expr(ColumnRef(source.__name__, each.name, each.dtype)) for each in specs})


def writable(node: Node, above: Node | None = None) -> bool:
    """Whether an author can write it: a method needs an expression before it, and a clock's steps go together."""
    if isinstance(node, Literal):
        return node.value is not None
    return _call_is_writable(node, above) and all(writable(each, node) for each in children(node))


def _call_is_writable(node: Node, above: Node | None) -> bool:
    if not isinstance(node, Call):
        return True
    constants = [each.value for each in node.arguments if isinstance(each, Literal)]
    if len(constants) == len(node.arguments):
        return False
    if isinstance(node.arguments[0], Literal) and node.function not in _AFTER_A_CONSTANT:
        return False
    if node.function in AFTER.values() and not (isinstance(above, Call) and above.function in AFTER):
        return False
    if node.function in _CONSTANTS and len(node.arguments) == 2:
        least, most = _CONSTANTS[node.function]
        steps = 86_400_000_000 if node.function == "plus" and node.arguments[0].dtype == DATE else 1
        refused = not constants or (node.function == "plus" and constants[0] == 0)
        return not refused and least <= constants[0] * steps <= most
    if node.function == "substring":
        return all(each >= 0 for each in constants)
    return node.function != "split" or "" not in constants


@st.composite
def expressions(draw: st.DrawFn) -> Node:
    """An expression that an author can write, over the columns of a source."""
    source = draw(st.sampled_from(SOURCES))
    leaves = columns_of(source)
    places = [place for place, found in SIGNATURES.items() if any(reachable(leaves, given) for given, _ in found)]
    return draw(calls(leaves, draw(st.sampled_from(places))).filter(writable))


@given(expressions())
def test_what_is_printed_can_be_written(node: Node) -> None:
    """The text of an expression, read as Python, makes an equal expression."""
    note(text_of(node))
    assert read(text_of(node)) == node


@given(st.sampled_from(SOURCES).flatmap(aggregates))
def test_an_aggregate_prints_on_one_line(node: Node) -> None:
    """Whatever is aggregated, the text has no line break and names the function."""
    assert "\n" not in text_of(node)


@pytest.mark.parametrize(
    ("expr", "printed"),
    [
        (when(S.flag).then(1).otherwise(2), "when(S.flag).then(1).otherwise(2)"),
        (
            when(S.flag).then("a").when(S.number > 1).then("b").otherwise("c"),
            "when(S.flag).then('a').when((S.number > 1.0)).then('b').otherwise('c')",
        ),
        (S.moment.hour(), "S.moment.hour()"),
        (S.moment.weekday("Europe/Paris"), "S.moment.weekday('Europe/Paris')"),
        (S.moment.date("Europe/Paris").year(), "S.moment.date('Europe/Paris').year()"),
        (S.moment.start_of("day"), "S.moment.date().midnight()"),
        (
            S.moment.start_of("month", "Asia/Tokyo"),
            "S.moment.date('Asia/Tokyo').start_of(\"month\").midnight('Asia/Tokyo')",
        ),
        (S.day.day_of_year(), "S.day.day_of_year()"),
        (S.moment.floor("90m"), "S.moment.floor('90m')"),
        (S.moment.plus("36h"), "S.moment.plus('36h')"),
        (S.day.minus("2w"), "S.day.minus('14d')"),
        (S.moment - S.moment.floor("1h"), "(S.moment - S.moment.floor('1h'))"),
        (S.moment > datetime(2024, 1, 1, tzinfo=UTC), "(S.moment > datetime(2024, 1, 1, 0, 0, tzinfo=UTC))"),
        (S.day == date(2024, 1, 1), "(S.day == date(2024, 1, 1))"),
        (S.number.clip(0, 1), "S.number.clip(0.0, 1.0)"),
        (S.whole.clip(low=0), "greatest(S.whole, 0)"),
        (least(S.whole, 3, S.number), "least(least(S.whole, 3), S.number)"),
        (greatest(S.number, S.whole), "greatest(S.number, S.whole)"),
        (coalesce(S.number, S.whole), "coalesce(S.number, S.whole)"),
        (S.whole.to_float().is_null(), "S.whole.to_float().is_null()"),
        (S.whole / 2, "(S.whole / 2.0)"),
        (-S.whole.abs(), "-S.whole.abs()"),
        ((-S.whole).abs(), "(-S.whole).abs()"),
        ((-S.number) ** 2, "((-S.number) ** 2.0)"),
        ((~S.flag).to_int(), "(~S.flag).to_int()"),
        (concat("a", S.text, "b"), "(('a' + S.text) + 'b')"),
        (S.text.split("/", -1).lower(), "S.text.split('/', -1).lower()"),
        (S.text.isin(["a", "b"]), "S.text.isin(['a', 'b'])"),
        (S.whole.bucket(10), "S.whole.bucket(10)"),
        (S.number.round(2), "S.number.round(2)"),
        (7 // S.whole % 2, "((7 // S.whole) % 2)"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_printed_as_written(expr: Expr[Any], printed: str) -> None:
    """Methods of clocks and calendars, choices, limits and casts read as they are written."""
    assert repr(expr) == printed
    assert read(printed) == expr.node
