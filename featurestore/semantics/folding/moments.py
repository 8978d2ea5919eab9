"""Skewness and kurtosis, in two passes over the different values: their exact mean first, then powers of the distances.

The state is the tally of the values as floats, each taken to the nearest multiple of 2^-64 as in a sum; how many were
too big for that stands before it. The powers are added from the least value up, so that every voice rounds alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.dtypes import FLOAT64, INT64, Value
from featurestore.semantics.folding.row import Aggregate, Finished, Fold, Rank, State, present
from featurestore.semantics.folding.tallies import add_tallies, tally
from featurestore.semantics.instants import INT64_MAX, INT64_MIN


def _lift(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    units = [exact.units(float(value)) for value in present(values)]
    taken = present(units)
    return [len(units) - len(taken), tally([exact.nearest_float(each) for each in taken])]


def _merge(states: Sequence[State], n: int) -> State:
    return [sum(big for big, _ in states), add_tallies([counted for _, counted in states], n)]


Finish = Callable[[float, float, float, float], float]
"""From the number of values, and the sums of the second, third and fourth powers of their distances from the mean."""


def _finished(least: int, finish: Finish) -> Callable[[State], Finished]:
    def finished(state: State) -> Finished:
        big, counted = state
        whole = [(exact.units(value) or 0, count) for value, count in counted]
        n, total = sum(count for _, count in whole), sum(units * count for units, count in whole)
        if big or not INT64_MIN <= total >> 64 <= INT64_MAX:
            return None, True
        if n < least or len(counted) < 2:
            return None, False
        mean = exact.nearest_float(total) / float(n)
        second = third = fourth = 0.0
        for value, count in counted:
            distance = value - mean
            square = distance * distance
            second += float(count) * square
            third += float(count) * (square * distance)
            fourth += float(count) * (square * square)
        return finish(float(n), second, third, fourth), False

    return finished


def _skewness_pop(n: float, second: float, third: float, _: float) -> float:
    return math.sqrt(n) * third / (second * math.sqrt(second))


def _skewness(n: float, second: float, third: float, fourth: float) -> float:
    return _skewness_pop(n, second, third, fourth) * (math.sqrt(n * (n - 1.0)) / (n - 2.0))


def _kurtosis_pop(n: float, second: float, _: float, fourth: float) -> float:
    return n * fourth / (second * second) - 3.0


def _kurtosis(n: float, second: float, third: float, fourth: float) -> float:
    excess = _kurtosis_pop(n, second, third, fourth)
    return ((n + 1.0) * excess + 6.0) * ((n - 1.0) / ((n - 2.0) * (n - 3.0)))


_DOUBLE: Final = "CAST({v} AS DOUBLE)"
_IN_RANGE: Final = "{f}_big = 0 AND fs_in_range({f}_hi, {f}_lo)"
_POWERS: Final = (
    "fs_powers({f}_l, CASE WHEN " + _IN_RANGE + " THEN fs_nearest({f}_hi, {f}_lo) / CAST({f}_n AS DOUBLE) END)"
)
_SKEWED: Final = "sqrt(e.n) * e.m3 / (e.m2 * sqrt(e.m2))"
_PEAKED: Final = "(e.n * e.m4 / (e.m2 * e.m2) - 3.0::DOUBLE)"


def _row(name: str, least: int, finish: Finish, sql: str, doc: str) -> Aggregate:
    """A row whose text `sql` is of `e.n`, `e.m2`, `e.m3` and `e.m4`."""
    varies = f"{{f}}_n >= {least} AND {_IN_RANGE} AND list_min({{f}}_l) < list_max({{f}}_l)"
    return Aggregate(
        name,
        (INT64, FLOAT64),
        lambda _: FLOAT64,
        "moments",
        _finished(least, finish),
        f"CASE WHEN {varies} THEN list_transform([{_POWERS}], lambda e: {sql})[1] END",
        f"coalesce(NOT ({_IN_RANGE}), FALSE)",
        doc,
    )


MACROS: Final[dict[str, str]] = {
    # R9: a float as the nearest multiple of 2^-64; units() and nearest_float() of `exact`
    "fs_taken(x)": "CASE WHEN abs(x) < 9223372036854775808.0::DOUBLE THEN "
    "round(x * 18446744073709551616.0::DOUBLE) * 5.421010862427522e-20::DOUBLE + 0.0::DOUBLE END",
    # the loop in _finished() above
    "fs_power(n, d)": "{'n': n, 'm2': n * (d * d), 'm3': n * (d * d * d), 'm4': n * ((d * d) * (d * d))}",
    "fs_powers(given, mean)": "list_transform([{'l': given, 'm': mean}], lambda g: list_reduce(list_prepend("
    "{'n': 0.0::DOUBLE, 'm2': 0.0::DOUBLE, 'm3': 0.0::DOUBLE, 'm4': 0.0::DOUBLE}, "
    "list_transform(map_entries(list_histogram(g.l)), lambda e: fs_power(CAST(e.value AS DOUBLE), e.key - g.m))), "
    "lambda a, e: {'n': a.n + e.n, 'm2': a.m2 + e.m2, 'm3': a.m3 + e.m3, 'm4': a.m4 + e.m4}))[1]",
}
FOLDS: Final = (
    Fold(
        "moments",
        [0, []],
        _lift,
        _merge,
        (
            ("n", "count({v})"),
            ("big", "count_if(abs({v}_float) >= 9223372036854775808.0::DOUBLE)"),
            ("hi", "sum(CAST(fs_units({v}_float) >> 64 AS BIGINT))"),
            ("lo", "sum(CAST(fs_units({v}_float) & 18446744073709551615::HUGEINT AS UBIGINT))"),
            ("l", "list(fs_taken({v}_float))"),
        ),
        (("float", _DOUBLE),),
        cost="O(distinct values)",
        running=False,
    ),
)
AGGREGATES: Final = (
    _row(
        "skewness",
        3,
        _skewness,
        f"{_SKEWED} * (sqrt(e.n * (e.n - 1.0::DOUBLE)) / (e.n - 2.0::DOUBLE))",
        "Sample skewness; null below three values, and where all are equal.",
    ),
    _row("skewness_pop", 2, _skewness_pop, _SKEWED, "Skewness of the population; null where all values are equal."),
    _row(
        "kurtosis",
        4,
        _kurtosis,
        f"((e.n + 1.0::DOUBLE) * {_PEAKED} + 6.0::DOUBLE) * "
        "((e.n - 1.0::DOUBLE) / ((e.n - 2.0::DOUBLE) * (e.n - 3.0::DOUBLE)))",
        "Sample excess kurtosis, 0 for a normal distribution; null below four values, and where all are equal.",
    ),
    _row("kurtosis_pop", 2, _kurtosis_pop, _PEAKED, "Excess kurtosis of the population; null where all are equal."),
)
