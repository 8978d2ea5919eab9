"""What authors write: operators and methods make typed nodes, and what cannot be meant is refused in four parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from featurestore.errors import DefinitionError, InvalidDefinition, TypeMismatch
from featurestore.expr.build import aggregate
from featurestore.expr.fluent import Expr, Group, rows
from featurestore.expr.nodes import Aggregate, Call, ColumnRef, Literal
from featurestore.expr.row_functions import (
    as_of,
    decayed_rows,
    first_at,
    last_at,
    share,
    time_between,
    time_since_first,
    time_since_last,
)
from featurestore.semantics.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, list_of, map_of
from featurestore.semantics.windows import Span

number: Expr[float] = Expr(ColumnRef("S", "number", FLOAT64))
whole: Expr[int] = Expr(ColumnRef("S", "whole", INT64))
text: Expr[str] = Expr(ColumnRef("S", "text", STRING))
flag: Expr[bool] = Expr(ColumnRef("S", "flag", BOOL))
moment: Expr[datetime] = Expr(ColumnRef("S", "moment", TIMESTAMP))
day: Expr[date] = Expr(ColumnRef("S", "day", DATE))
other: Expr[float] = Expr(ColumnRef("T", "number", FLOAT64))


@pytest.mark.parametrize(
    ("expr", "printed", "dtype"),
    [
        (number + 1, "(S.number + 1.0)", FLOAT64),
        (1 + number, "(1.0 + S.number)", FLOAT64),
        (whole - 1, "(S.whole - 1)", INT64),
        (1 - whole, "(1 - S.whole)", INT64),
        (whole * number, "(S.whole * S.number)", FLOAT64),
        (2 * whole, "(2 * S.whole)", INT64),
        (whole / 2, "(S.whole / 2.0)", FLOAT64),
        (1 / whole, "(1.0 / S.whole)", FLOAT64),
        (-whole, "-S.whole", INT64),
        (moment - datetime(2024, 1, 1, tzinfo=UTC), None, FLOAT64),
        (15 < number, "(S.number > 15.0)", BOOL),
        (number >= whole, "(S.number >= S.whole)", BOOL),
        (text == "a", "(S.text == 'a')", BOOL),
        (text != "a", "(S.text != 'a')", BOOL),
        (day <= date(2024, 1, 1), None, BOOL),
        (flag & (number > 1), "(S.flag & (S.number > 1.0))", BOOL),
        (flag | True, "(S.flag | True)", BOOL),
        (False | flag, "(False | S.flag)", BOOL),
        (True & flag, "(True & S.flag)", BOOL),
        (~flag, "~S.flag", BOOL),
        (number.between(0, 10), "((S.number >= 0.0) & (S.number <= 10.0))", BOOL),
        (text.isin(["a", "b"]), "S.text.isin(['a', 'b'])", BOOL),
        (whole.abs(), "S.whole.abs()", INT64),
        (whole.sqrt(), "S.whole.sqrt()", FLOAT64),
        (number.floor(), "S.number.floor()", FLOAT64),
        (number.ceil().to_int(), "S.number.ceil().to_int()", INT64),
        (flag.to_int(), "S.flag.to_int()", INT64),
        (whole.to_float(), "S.whole.to_float()", FLOAT64),
        (number.clip(0, 1), "S.number.clip(0.0, 1.0)", FLOAT64),
        (text.is_null(), "S.text.is_null()", BOOL),
        (whole.fill_null(0), "coalesce(S.whole, 0)", INT64),
        (moment.hour(zone="Europe/London"), None, INT64),
        (moment.weekday(), None, INT64),
    ],
    ids=repr,
)
def test_an_expression_has_a_type_and_reads_as_written(expr: Expr[Any], printed: str | None, dtype: object) -> None:
    """Operators and methods give a node of the type that the tables say, which prints as an author would write it."""
    assert expr.node.dtype == dtype
    assert printed is None or repr(expr) == printed


@pytest.mark.parametrize(
    ("expr", "function", "dtype"),
    [
        (rows(over="7d"), "rows", INT64),
        (text.count(over="7d"), "count", INT64),
        (whole.sum(over="7d"), "sum", INT64),
        (number.mean(over="7d"), "mean", FLOAT64),
        (day.min(over="7d"), "min", DATE),
        (text.max(over="7d"), "max", STRING),
        (whole.var(over="7d"), "var", FLOAT64),
        (whole.var(over="7d", population=True), "var_pop", FLOAT64),
        (whole.std(over="7d"), "std", FLOAT64),
        (whole.std(over="7d", population=True), "std_pop", FLOAT64),
        (flag.first(over="7d"), "first", BOOL),
        (flag.last(over="7d"), "last", BOOL),
        (moment.last_n(3, over="7d"), "last_n", list_of(TIMESTAMP)),
        (whole.skewness(over="7d"), "skewness", FLOAT64),
        (whole.kurtosis(over="7d", population=True), "kurtosis_pop", FLOAT64),
        (whole.covariance(whole, over="7d"), "covariance", FLOAT64),
        (whole.correlation(number, over="7d"), "correlation", FLOAT64),
        (number.slope(whole, over="7d"), "slope", FLOAT64),
        (whole.quantile(0.9, over="7d", interpolated=True), "quantile_interpolated", FLOAT64),
        (time_between(over="7d").mean(), "time_between_mean", FLOAT64),
        (flag.first_n(3, over="7d"), "first_n", list_of(BOOL)),
        (flag.max_by(moment, over="7d"), "max_by", BOOL),
        (text.min_by(number, over="7d"), "min_by", STRING),
        (day.top_values(3, over="7d"), "top_values", list_of(DATE)),
        (text.bottom_values(3, over="7d"), "bottom_values", list_of(STRING)),
        (text.distinct_count(over="7d"), "distinct_count", INT64),
        (text.approx_distinct_count(over="7d"), "approx_distinct_count", INT64),
        (moment.quantile("1/3", over="7d"), "quantile", TIMESTAMP),
        (whole.median(over="7d"), "quantile", INT64),
        (whole.approx_quantile(0.9, over="7d"), "approx_quantile", FLOAT64),
        (text.mode(over="7d"), "mode", STRING),
        (text.mode_count(over="7d"), "mode_count", INT64),
        (text.entropy(over="7d"), "entropy", FLOAT64),
        (day.top_n(3, over="7d"), "top_n", list_of(DATE)),
        (day.top_n_counts(3, over="7d"), "top_n_counts", list_of(INT64)),
        (flag.first_at(over="7d"), "first_at", TIMESTAMP),
        (flag.last_at(over="7d"), "last_at", TIMESTAMP),
        (first_at(over="7d"), "first_at", TIMESTAMP),
        (last_at(over="7d"), "last_at", TIMESTAMP),
        (rows(over="7d", by=text), "rows", map_of(STRING, INT64)),
        (number.mean(over="7d", by=flag), "mean", map_of(BOOL, FLOAT64)),
    ],
    ids=repr,
)
def test_each_aggregate_is_a_method(expr: Expr[Any], function: str, dtype: object) -> None:
    """An aggregate knows its function, window and result type."""
    node = expr.node
    assert isinstance(node, Aggregate)
    assert (node.function, node.span, node.dtype) == (function, Span(7 * 86_400_000_000), dtype)


@pytest.mark.parametrize(
    ("expr", "printed"),
    [
        (number.quantile(0.9, over="7d"), 'S.number.quantile(0.9, over="7d")'),
        (number.quantile("0.90"), "S.number.quantile(0.9)"),
        (number.quantile("1/3"), "S.number.quantile('1/3')"),
        (number.median(), "S.number.quantile(0.5)"),
        (text.top_n(3), "S.text.top_n(3)"),
        (text.top_values(3), "S.text.top_values(3)"),
        (number.var(population=True), "S.number.var(population=True)"),
        (number.median(over="7d", interpolated=True), 'S.number.quantile(0.5, over="7d", interpolated=True)'),
        (number.covariance(whole, population=True), "S.number.covariance(S.whole.to_float(), population=True)"),
        (time_between(over="7d", where=flag).max(), 'time_between(over="7d", where=S.flag).max()'),
        (text.max_by(-number, over="7d", where=flag), 'S.text.max_by(-S.number, over="7d", where=S.flag)'),
        (text.min_by(day, skip_nulls=True), "S.text.min_by(S.day, where=~S.text.is_null())"),
        (number.sum(where=flag, by=text), "S.number.sum(where=S.flag, by=S.text)"),
        (rows(by=text).get("food"), "rows(by=S.text).get('food')"),
        (rows(by=text, null_category="?"), "rows(by=coalesce(S.text, '?'))"),
        (whole.max(by=day, null_category=date(1970, 1, 1)), "S.whole.max(by=coalesce(S.day, date(1970, 1, 1)))"),
        (as_of() - last_at(), "(as_of() - last_at())"),
        (number.decayed_sum(halflife="36h", where=flag), 'S.number.decayed_sum(halflife="36h", where=S.flag)'),
        (decayed_rows(halflife="1d"), 'decayed_rows(halflife="1d")'),
        (time_since_first(over="7d"), '(as_of() - first_at(over="7d"))'),
        (share(flag, over="7d"), '(rows(over="7d", where=S.flag) / rows(over="7d"))'),
    ],
    ids=repr,
)
def test_an_aggregate_reads_as_written(expr: Expr[Any], printed: str) -> None:
    """Parameters, categories and the instant of the question stand where an author writes them."""
    assert repr(expr) == printed


def test_what_is_made_of_windows_is_a_group() -> None:
    """Shares and times since have one feature a window, as the aggregates that they are made of."""
    for made in (
        share(flag, over=("1d", "7d")),
        time_since_last(over=("1d", "7d")),
        time_since_first(over=("1d", "7d")),
        time_between(over=("1d", "7d")).mean(),
    ):
        assert isinstance(made, Group)
        assert list(made) == ["1d", "7d"]
        assert made["7d"].node.dtype == FLOAT64


def test_a_decay_covers_sixty_three_half_lives() -> None:
    """Its window begins with a block of one half-life; several half-lives are a group."""
    node = number.decayed_mean(halflife="1d").node
    assert isinstance(node, Aggregate)
    assert (node.span, node.n) == (Span(63 * 86_400_000_000, 86_400_000_000), 86_400_000_000)
    group = decayed_rows(halflife=("1d", "7d"))
    assert isinstance(group, Group)
    assert group["7d"].node == decayed_rows(halflife="168h").node


def test_a_share_is_taken_as_it_is_written() -> None:
    """0.1 is one tenth, not the float nearest to it, so that place ceil(q * n) is what the author means."""
    assert number.quantile(0.1).node == number.quantile("1/10").node == number.quantile("0.1").node
    assert number.quantile(0.1).node != number.quantile("0.10000000001").node


def test_several_windows_are_a_group() -> None:
    """A group is asked for a window in any spelling of its length."""
    delay = number.mean(over=("6h", "1d"))
    assert isinstance(delay, Group)
    assert list(delay) == ["6h", "1d"]
    assert delay["24h"].node == number.mean(over="1d").node


def test_skipping_nulls_is_a_condition() -> None:
    """`skip_nulls` adds that the value is there, beside any other condition."""
    assert repr(number.last(skip_nulls=True)) == "S.number.last(where=~S.number.is_null())"
    assert repr(number.last(where=flag, skip_nulls=True)) == "S.number.last(where=(S.flag & ~S.number.is_null()))"


def test_nodes_compare_by_structure_and_expressions_do_not() -> None:
    """`==` on expressions makes one; nodes are equal when they say the same."""
    assert (number + 1).node == (number + 1).node
    assert hash((number + 1).node) == hash((number + 1).node)
    assert isinstance((number == number).node, Call)
    assert len({number, number, other}) == 2


def test_a_float_literal_is_as_any_float_that_enters() -> None:
    """R7 holds for constants too."""
    assert (number + -0.0).node == (number + 0.0).node
    assert (number * float("inf")).node == Call("mul", (number.node, Literal(None, FLOAT64)), FLOAT64)


def refuse(make: Callable[[], object], error: type[DefinitionError] = InvalidDefinition) -> DefinitionError:
    """The error of a definition that cannot be meant; all that an author needs is said."""
    with pytest.raises(error) as caught:
        make()
    assert type(caught.value) is error
    assert caught.value.what and caught.value.fix
    assert str(caught.value).splitlines()[-1] == f"  fix  {caught.value.fix}"
    return caught.value


@pytest.mark.parametrize(
    "make",
    [
        lambda: flag and number > 1,
        lambda: flag or flag,
        lambda: not flag,
        lambda: 0 < number < 10,
        lambda: 1 if flag else 2,
    ],
    ids=["and", "or", "not", "chain", "if"],
)
def test_an_expression_has_no_truth(make: Callable[[], object]) -> None:
    """`and`, `or`, `not` and chained comparisons say which operator to write."""
    error = refuse(make)
    assert "no truth value" in error.what
    assert error.where and "S." in error.where
    assert error.fix and all(each in error.fix for each in ("`&`", "`|`", "`~`", "between(0, 10)"))


@pytest.mark.parametrize(
    ("make", "what", "has"),
    [
        (lambda: text + 1, "`+` does not take string and int64", "1: int64, S.text: string"),
        (lambda: text < 1, "`<` does not take string and int64", "1: int64, S.text: string"),
        (lambda: flag < True, "`<` does not take bool and bool", "S.flag: bool, True: bool"),
        (lambda: number & flag, "`&` does not take float64 and bool", "S.flag: bool, S.number: float64"),
        (lambda: ~number, "`~` does not take float64", "S.number: float64"),
        (lambda: moment + 1, "`+` does not take timestamp and int64", "1: int64, S.moment: timestamp"),
        (lambda: text == 1, "`==` does not take string and int64", "1: int64, S.text: string"),
        (lambda: day + day, "`+` does not take date and date", "S.day: date, S.day: date"),
        (lambda: text.sqrt(), "`sqrt` does not take string", "S.text: string"),
        (lambda: text.hour(), "`local` does not take string", None),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_operator_names_the_types_it_does_not_take(make: Callable[[], object], what: str, has: str | None) -> None:
    """The message shows the expression, its types, and what to cast."""
    error = refuse(make, TypeMismatch)
    assert error.what == what
    assert has is None or error.has == has
    assert error.where and error.where.startswith("the expression `")
    assert error.fix and "`.to_int()`" in error.fix


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: text.sum(), "`sum` does not take string"),
        (lambda: flag.quantile(0.5), "`quantile` does not take bool"),
        (lambda: text.quantile(0.5), "`quantile` does not take string"),
        (lambda: rows(by=number), "`by=` of `rows` takes categories, not float64"),
        (
            lambda: number.sum(by=text, null_category=3),  # type: ignore[call-overload]
            "`null_category=` of `sum` is int64, and its categories are string",
        ),
        (lambda: flag.min(), "`min` does not take bool"),
        (lambda: moment.var(), "`var` does not take timestamp"),
        (lambda: number.sum(where=number), "`where=` of `sum` takes a condition, not float64"),  # type: ignore[arg-type]
        (lambda: text.max_by(flag), "`max_by` does not take bool as its second column"),  # type: ignore[arg-type]
        (lambda: number.slope(moment), "`slope` does not take timestamp as its second column"),  # type: ignore[arg-type]
        (lambda: text.covariance(number), "`covariance` does not take string"),  # type: ignore[misc]
        (lambda: moment.median(interpolated=True), "`quantile_interpolated` does not take timestamp"),  # type: ignore[call-overload]
        (lambda: flag.top_values(2), "`top_values` does not take bool"),  # type: ignore[misc]
        (lambda: number + None, "None cannot stand in an expression"),  # type: ignore[operator]
        (lambda: number + {1}, "{1} cannot stand in an expression"),  # type: ignore[operator]
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_aggregate_names_the_type_it_does_not_take(make: Callable[[], object], what: str) -> None:
    """The message lists the types that it takes, or the constants that there are."""
    error = refuse(make, TypeMismatch)
    assert error.what == what
    assert error.has


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: list(number), "the expression `S.number` cannot be iterated"),
        (lambda: number.sum().mean(), "`mean` is given `S.number.sum()`, which is an aggregate already"),
        (lambda: (number + other).sum(), "`sum` reads columns of two sources"),
        (lambda: number.sum(where=other > 1), "`sum` reads columns of two sources"),
        (lambda: Expr(Literal(1, INT64)).sum(), "`sum` reads no column of a source"),
        (lambda: number.sum(where=True), "`where=` of `sum` takes a condition, not True"),  # type: ignore[call-overload]
        (lambda: number.sum(over=7), "`over=` of `sum` takes a duration, not 7"),  # type: ignore[call-overload]
        (lambda: number.sum(over="7 days"), "'7 days' is not a duration"),
        (lambda: number.sum(over=("1d", "24h")), "`over=('1d', '24h')` of `sum` needs different windows"),
        (lambda: number.sum(over=()), "`over=()` of `sum` needs different windows"),
        (lambda: number.sum(over=("1d", "2d"))["3d"], "this group has no window '3d'"),
        (lambda: number.last_n(0), "`last_n` takes a number of rows, not 0"),
        (lambda: number.last_n(True), "`last_n` takes a number of rows, not True"),
        (lambda: number.first_n(10_001), "`first_n` takes a number of rows, not 10001"),
        (lambda: number.top_values(0), "`top_values` takes a number of values, not 0"),
        (lambda: text.max_by(3), "`max_by` takes a second column, not 3"),  # type: ignore[arg-type]
        (lambda: text.max_by(other), "`max_by` reads columns of two sources"),
        (lambda: number.quantile(1.5), "`quantile` takes a share of the values, not 1.5"),
        (lambda: number.quantile("half"), "`quantile` takes a share of the values, not 'half'"),
        (lambda: number.quantile("1/0"), "`quantile` takes a share of the values, not '1/0'"),
        (lambda: number.quantile(float("nan")), "`quantile` takes a share of the values, not nan"),
        (
            lambda: number.approx_quantile("0.0000000000001"),
            "`approx_quantile` takes a share of the values, not '0.0000000000001'",
        ),
        (lambda: text.top_n(0), "`top_n` takes a number of values, not 0"),
        (lambda: rows(null_category="a"), "`null_category=` of `rows` needs `by=`"),  # type: ignore[call-overload]
        (lambda: rows(by=flag, null_category=False), "`null_category=False` of `rows` is a category already"),
        (lambda: rows(by=1, null_category=2), "`by=` of `rows` takes a column, not 1"),  # type: ignore[call-overload]
        (lambda: rows(by="text"), "`by=` of `rows` takes a column, not 'text'"),  # type: ignore[call-overload]
        (lambda: rows(by=as_of()), "`rows` is given `as_of()`, which is known only when the question comes"),
        (lambda: rows(by=Expr(Literal("a", STRING))), "`by=` of `rows` reads no column of a source"),
        (lambda: aggregate("var", number.node, None, Span(), by=text.node), "`var` takes no `by=`"),
        (lambda: number.sum(by=other > 1), "`sum` reads columns of two sources"),
        (lambda: number.decayed_sum(halflife="40000d"), "the half-life 40000d of `decayed_sum` is too long"),
        (lambda: number.decayed_sum(halflife=3), "`halflife=` of `decayed_sum` takes a duration, not 3"),  # type: ignore[call-overload]
        (
            lambda: decayed_rows(halflife=("1d", "24h")),
            "`halflife=('1d', '24h')` of `decayed_rows` needs different half-lives",
        ),
        (lambda: share(True), "`share` takes a condition, not True"),  # type: ignore[arg-type]
        (lambda: text.isin([]), "`isin` needs at least one value"),
        (lambda: moment.hour(zone="Europe/Londn"), "there is no time zone 'Europe/Londn'"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_cannot_be_meant_says_what_to_write(make: Callable[[], object], what: str) -> None:
    """Each mistake has its own sentence and its own way out."""
    assert refuse(make).what == what
