"""The aggregates of the language: one row each, finished from a fold. DuckDB text stands beside Python.

A finisher gives the value and whether it overflowed. In DuckDB `{f}` is the prefix of the fold's collected columns,
which are null when no row was in the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.dtypes import DECIMAL, FLOAT64, INT64, LIST, ORDERED, SCALARS, VECTOR, DType, list_of
from featurestore.semantics.folding import (
    decays,
    decimals,
    extremes,
    gaps,
    moments,
    pairs,
    recency,
    sketches,
    tallies,
    vectors,
)
from featurestore.semantics.folding.row import Aggregate, Asked, Finished, State
from featurestore.semantics.instants import INT64_MAX, INT64_MIN

__all__ = ["AGGREGATES", "AGGREGATE_NAMES", "DECAYED", "TIMED", "Aggregate", "Asked", "Finished", "aggregate_row"]


def _plain(state: State) -> Finished:
    return state, False


def _int_sum(state: State) -> Finished:
    n, total = state
    inside = INT64_MIN <= total <= INT64_MAX
    return (total if inside and n else None), not inside


def _int_mean(state: State) -> Finished:
    total, overflow = _int_sum(state)
    return (None if total is None else float(total) / float(state[0])), overflow


def _float_sum(state: State) -> Finished:
    n, total, big = state
    inside = big == 0 and INT64_MIN <= total >> 64 <= INT64_MAX
    return (exact.nearest_float(total) if inside and n else None), not inside


def _float_mean(state: State) -> Finished:
    total, overflow = _float_sum(state)
    return (None if total is None else total / float(state[0])), overflow


def _int_spread(sample: bool, root: bool) -> Callable[[State], Finished]:
    def finish(state: State) -> Finished:
        n, total, squares = state
        deviation = exact.squared_deviation(n, total, squares, exact.INT_DIGITS)
        return exact.spread(n, deviation, 1.0, sample=sample, root=root), False

    return finish


def _float_spread(sample: bool, root: bool) -> Callable[[State], Finished]:
    def finish(state: State) -> Finished:
        n, total, squares, big = state
        if big:
            return None, True
        deviation = exact.squared_deviation(n, total, squares, exact.FLOAT_DIGITS)
        return exact.spread(n, deviation, exact.UNIT, sample=sample, root=root), False

    return finish


def _entry(state: State) -> Finished:
    value = None if state is None else state[3]
    return (tuple(value) if isinstance(value, list) else value), False  # which JSON made of a tuple


def _sql_deviation(limbs: str, coefficients: tuple[str, ...], digits: int) -> str:
    """n * squares - total * total as a list of coefficients in base 2^32, carried and added up by `fs_deviation`."""
    names = {limb: f"{{f}}_{limb}" for limb in limbs}
    terms = [f"{{f}}_n * {{f}}_q{k} - ({text.format(**names)})" for k, text in enumerate(coefficients)]
    return f"fs_deviation([{', '.join([*terms, *['0::HUGEINT'] * (digits - len(terms))])}])"


def _spreads() -> list[Aggregate]:
    rows = []
    for name, sample, root, doc in (
        ("var", True, False, "Sample variance; null below two values."),
        ("std", True, True, "Sample standard deviation; null below two values."),
        ("var_pop", False, False, "Population variance."),
        ("std_pop", False, True, "Population standard deviation."),
    ):
        divisor = f"(CAST({{f}}_n AS DOUBLE) * CAST({{f}}_n - {1 if sample else 0} AS DOUBLE))"
        defined = f"{{f}}_n > {1 if sample else 0}"
        shape = "sqrt({})" if root else "{}"
        whole = shape.format(f"{_sql_deviation('ab', exact.INT_SQUARE, exact.INT_DIGITS)} / {divisor}")
        scale = f"{exact.UNIT * exact.UNIT!r}::DOUBLE"
        fraction = shape.format(
            f"{_sql_deviation('abcd', exact.FLOAT_SQUARE, exact.FLOAT_DIGITS)} * {scale} / {divisor}"
        )
        rows += [
            Aggregate(
                name,
                (INT64,),
                lambda _: FLOAT64,
                "whole_squares",
                _int_spread(sample, root),
                f"CASE WHEN {defined} THEN {whole} END",
                doc=doc,
            ),
            Aggregate(
                name,
                (FLOAT64,),
                lambda _: FLOAT64,
                "fraction_squares",
                _float_spread(sample, root),
                f"CASE WHEN {defined} AND {{f}}_big = 0 THEN {fraction} END",
                "coalesce({f}_big > 0, FALSE)",
                doc,
            ),
        ]
    return rows


_INT_OUTSIDE: Final = (
    "coalesce({f}_s NOT BETWEEN -9223372036854775808::HUGEINT AND 9223372036854775807::HUGEINT, FALSE)"
)
_FLOAT_OUTSIDE: Final = "coalesce({f}_big > 0 OR NOT fs_in_range({f}_hi, {f}_lo), FALSE)"

AGGREGATES: Final[tuple[Aggregate, ...]] = (
    Aggregate("rows", (), lambda _: INT64, "rows", _plain, "coalesce({f}_n, 0)", doc="Number of rows."),
    Aggregate(
        "count",
        (*SCALARS, DECIMAL, LIST, VECTOR),
        lambda _: INT64,
        "count",
        _plain,
        "coalesce({f}_n, 0)",
        doc="Number of values that are not null.",
    ),
    Aggregate(
        "sum",
        (INT64,),
        lambda _: INT64,
        "whole",
        _int_sum,
        f"CASE WHEN NOT {_INT_OUTSIDE} THEN CAST({{f}}_s AS BIGINT) END",
        _INT_OUTSIDE,
        "Exact sum; null with status overflow outside int64.",
    ),
    Aggregate(
        "sum",
        (FLOAT64,),
        lambda _: FLOAT64,
        "fraction",
        _float_sum,
        f"CASE WHEN NOT {_FLOAT_OUTSIDE} THEN fs_nearest({{f}}_hi, {{f}}_lo) END",
        _FLOAT_OUTSIDE,
        "Exact sum of the values to 2^-64, rounded once.",
    ),
    Aggregate(
        "mean",
        (INT64,),
        lambda _: FLOAT64,
        "whole",
        _int_mean,
        f"CASE WHEN NOT {_INT_OUTSIDE} THEN CAST(CAST({{f}}_s AS BIGINT) AS DOUBLE) / CAST({{f}}_n AS DOUBLE) END",
        _INT_OUTSIDE,
        "The sum divided by the count.",
    ),
    Aggregate(
        "mean",
        (FLOAT64,),
        lambda _: FLOAT64,
        "fraction",
        _float_mean,
        f"CASE WHEN NOT {_FLOAT_OUTSIDE} THEN fs_nearest({{f}}_hi, {{f}}_lo) / CAST({{f}}_n AS DOUBLE) END",
        _FLOAT_OUTSIDE,
        "The sum divided by the count.",
    ),
    Aggregate("min", (*ORDERED, DECIMAL), lambda dtype: dtype, "min", _plain, "{f}_v", doc="Least value."),
    Aggregate("max", (*ORDERED, DECIMAL), lambda dtype: dtype, "max", _plain, "{f}_v", doc="Greatest value."),
    *_spreads(),
    Aggregate(
        "first",
        (*SCALARS, DECIMAL, LIST, VECTOR),
        lambda dtype: dtype,
        "first",
        _entry,
        "{f}_e.v",
        doc="Value of the earliest row, even when null.",
    ),
    Aggregate(
        "last",
        (*SCALARS, DECIMAL, LIST, VECTOR),
        lambda dtype: dtype,
        "last",
        _entry,
        "{f}_e.v",
        doc="Value of the latest row, even when null.",
    ),
    Aggregate(
        "last_n",
        (*SCALARS, DECIMAL),
        list_of,
        "last_n",
        lambda state: ((tuple(entry[3] for entry in state) if state else None), False),
        "list_transform(list_reverse({f}_e), lambda e: e.v)",
        doc="Values of the latest n rows, oldest first.",
    ),
    Aggregate(
        "first_n",
        (*SCALARS, DECIMAL),
        list_of,
        "first_n",
        lambda state: ((tuple(entry[3] for entry in state) if state else None), False),
        "list_transform({f}_e, lambda e: e.v)",
        doc="Values of the earliest n rows, oldest first.",
    ),
    Aggregate(
        "distinct_count",
        (*SCALARS, DECIMAL),
        lambda _: INT64,
        "distinct",
        lambda state: (len(state), False),
        "coalesce({f}_n, 0)",
        doc="Number of different values that are not null, exactly.",
    ),
    *extremes.AGGREGATES,
    *pairs.AGGREGATES,
    *moments.AGGREGATES,
    *decimals.AGGREGATES,
    *vectors.AGGREGATES,
    *tallies.AGGREGATES,
    *sketches.AGGREGATES,
    *recency.AGGREGATES,
    *gaps.AGGREGATES,
    *decays.AGGREGATES,
)

AGGREGATE_NAMES: Final = tuple(dict.fromkeys(row.name for row in AGGREGATES))
DECAYED: Final = frozenset(row.name for row in decays.AGGREGATES)
TIMED: Final = DECAYED | {row.name for row in (*recency.AGGREGATES, *gaps.AGGREGATES)}
"""The aggregates that a source without times cannot have."""


def aggregate_row(name: str, dtype: DType | None) -> Aggregate | None:
    """The row of an aggregate for an input type (None: no input), or None when it does not take that type."""
    for row in AGGREGATES:
        if row.name == name and (dtype.family in row.takes if dtype else not row.takes):
            return row.typed(row, dtype) if row.typed and dtype else row
    return None
