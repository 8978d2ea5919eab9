"""Sums of decimals: exact sums of their unscaled integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from featurestore.semantics.decimals import DIGITS, sql_to_float, to_float
from featurestore.semantics.dtypes import DECIMAL, FLOAT64, DType, decimal_of
from featurestore.semantics.folding.row import Aggregate, Finished, State

MOST: Final = 10**DIGITS - 1
_OUTSIDE: Final = f"coalesce({{f}}_s NOT BETWEEN -{MOST}::HUGEINT AND {MOST}::HUGEINT, FALSE)"


def _sum(state: State) -> Finished:
    n, total = state
    inside = -MOST <= total <= MOST
    return (total if inside and n else None), not inside


def _mean_of(row: Aggregate, dtype: DType) -> Aggregate:
    def finish(state: State) -> Finished:
        total, overflow = _sum(state)
        return (None if total is None else to_float(total, dtype.scale) / float(state[0])), overflow

    mean = f"{sql_to_float('{f}_s', dtype.scale)} / CAST({{f}}_n AS DOUBLE)"
    return replace(row, finish=finish, sql=f"CASE WHEN NOT {_OUTSIDE} THEN {mean} END")


AGGREGATES: Final = (
    Aggregate(
        "sum",
        (DECIMAL,),
        lambda dtype: decimal_of(DIGITS, dtype.scale),
        "whole",
        _sum,
        f"CASE WHEN NOT {_OUTSIDE} THEN CAST({{f}}_s AS BIGINT) END",
        _OUTSIDE,
        "Exact sum; null with status overflow beyond 18 digits.",
    ),
    Aggregate(
        "mean",
        (DECIMAL,),
        lambda _: FLOAT64,
        "whole",
        _sum,
        "",
        _OUTSIDE,
        "The sum as the nearest float, divided by the count.",
        typed=_mean_of,
    ),
)
