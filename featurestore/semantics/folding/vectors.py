"""Sums of vectors, element by element: each is the exact sum of R9, as if it were a column of its own.

State: number of vectors, the exact sum of each element in units of 2^-64, how many elements were too big to sum. If
one element overflows, so does the vector. It costs O(length).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.dtypes import VECTOR, DType, Value
from featurestore.semantics.folding.row import COUNTED, Aggregate, Finished, Fold, Rank, State, present
from featurestore.semantics.instants import INT64_MAX, INT64_MIN


def _lift(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    taken = [[exact.units(item) for item in value] for value in present(values)]
    big = sum(item is None for value in taken for item in value)
    return [len(taken), [sum(item or 0 for item in column) for column in zip(*taken, strict=True)], big]


def _merge(states: Sequence[State], _: int) -> State:
    found = [state for state in states if state[0]]
    sums = [sum(parts) for parts in zip(*(state[1] for state in found), strict=True)]
    return [sum(state[0] for state in found), sums, sum(state[2] for state in found)]


def _sum(state: State) -> Finished:
    n, sums, big = state
    inside = big == 0 and all(INT64_MIN <= total >> 64 <= INT64_MAX for total in sums)
    return (tuple(exact.nearest_float(total) for total in sums) if inside and n else None), not inside


def _mean(state: State) -> Finished:
    total, overflow = _sum(state)
    return (None if total is None else tuple(item / float(state[0]) for item in total)), overflow


def _of_length(row: Aggregate, dtype: DType) -> Aggregate:
    """The row with the text for vectors of one length: DuckDB has a column for each element."""
    sums = ", ".join(f"{{'hi': {{f}}_hi{i}, 'lo': {{f}}_lo{i}}}" for i in range(1, dtype.length + 1))
    outside = f"len(list_filter([{sums}], lambda e: NOT fs_in_range(e.hi, e.lo))) > 0"
    overflow = f"coalesce({{f}}_n > 0 AND ({{f}}_big > 0 OR {outside}), FALSE)"
    value = f"list_transform([{sums}], lambda e: {row.sql})"
    return replace(row, sql=f"CASE WHEN {{f}}_n > 0 AND NOT {overflow} THEN {value} END", sql_overflow=overflow)


FOLDS: Final = (
    Fold(
        "elements",
        [0, [], 0],
        _lift,
        _merge,
        (("n", "count({v})"), ("big", "count_if({v}_big > 0)")),
        (
            ("big", "len(list_filter({v}, lambda x: abs(x) >= 9223372036854775808.0::DOUBLE))"),
            ("hi", "list_transform({v}, lambda x: CAST(fs_units(x) >> 64 AS BIGINT))"),
            ("lo", "list_transform({v}, lambda x: CAST(fs_units(x) & 18446744073709551615::HUGEINT AS UBIGINT))"),
        ),
        cost="O(length of the vector)",
        sql_elements=(("hi", "sum({v}_hi[{i}])"), ("lo", "sum({v}_lo[{i}])")),
        sql_merge=(COUNTED, COUNTED),
    ),
)

AGGREGATES: Final = (
    Aggregate(
        "sum",
        (VECTOR,),
        lambda dtype: dtype,
        "elements",
        _sum,
        "fs_nearest(e.hi, e.lo)",
        doc="Exact sum of each element, rounded once.",
        typed=_of_length,
    ),
    Aggregate(
        "mean",
        (VECTOR,),
        lambda dtype: dtype,
        "elements",
        _mean,
        "fs_nearest(e.hi, e.lo) / CAST({f}_n AS DOUBLE)",
        doc="The sum of each element divided by the count.",
        typed=_of_length,
    ),
)
