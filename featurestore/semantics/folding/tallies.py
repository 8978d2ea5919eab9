"""Different values with their counts: quantiles, modes and the most frequent, exactly.

A tally is the sorted list of `[value, count]`. It costs O(distinct values), and answers whatever depends on which
values there were and how often, in any order. DuckDB lists the values instead, and counts them when it finishes:
measured, that takes half the time of its maps of counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from itertools import chain
from typing import Final

from featurestore.semantics.dtypes import DATE, FLOAT64, INT64, SCALARS, TIMESTAMP, Value, list_of
from featurestore.semantics.folding.row import Aggregate, Asked, Finished, Fold, Rank, State, present
from featurestore.semantics.kernels.table import KERNELS

_log2: Final = KERNELS["log2"].python


def tally(values: Sequence[Value]) -> State:
    """Sorted pairs of value and count; nulls are left out."""
    return [[value, count] for value, count in sorted(Counter(present(values)).items())]


def add_tallies(states: Sequence[State], _: int) -> State:
    """The tally of all."""
    counts: Counter[Value] = Counter()
    for value, count in chain.from_iterable(states):
        counts[value] += count
    return [[value, counts[value]] for value in sorted(counts)]


def quantile_of(state: State, parameter: str) -> Value:
    """The value at place ceil(q * n) of the sorted values, from 1; the least for q = 0. None for no values."""
    left = _place(sum(count for _, count in state), parameter)
    for value, count in state:
        left -= count
        if left <= 0:
            return value
    return None


def interpolated(state: State, parameter: str) -> Value:
    """The value at place (n - 1) * q of the n sorted values, from 0, between two values by their distance; never
    outside of these. None for no values."""
    if not state:
        return None
    q, n = _fraction(parameter), sum(count for _, count in state)
    place, rest = divmod((n - 1) * q.numerator, q.denominator)
    low, high = (float(_at(state, each)) for each in (place, place + (rest > 0)))
    whole = float(q.denominator)
    between = low * (float(q.denominator - rest) / whole) + high * (float(rest) / whole)
    return max(low, min(high, between))


def _at(state: State, place: int) -> Value:
    for value, count in state:
        place -= count
        if place < 0:
            return value
    raise IndexError(place)


@cache
def _fraction(parameter: str) -> Fraction:
    return Fraction(parameter)


def _place(n: int, parameter: str) -> int:
    q = _fraction(parameter)
    return max(1, -(-n * q.numerator // q.denominator))


def _tallied(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    return tally(values)


def _ranked(state: State) -> list[list[Value]]:
    """Most frequent first; of equally frequent ones the least, which a stable sort keeps before the others."""
    return sorted(state, key=lambda pair: -pair[1])


def _most(place: int) -> Callable[[State], Finished]:
    return lambda state: ((max(state, key=lambda pair: pair[1])[place] if state else None), False)


def _top(place: int) -> Callable[[State, Asked], Finished]:
    def finish(state: State, asked: Asked) -> Finished:
        return tuple(pair[place] for pair in _ranked(state)[: int(asked.parameter)]) or None, False

    return finish


def _entropy(state: State) -> Finished:
    """Bits: the mean over all values of log2(n / count). Added from the least value up."""
    if not state:
        return None, False
    n, total = float(sum(count for _, count in state)), 0.0
    for _, count in state:
        total += float(count) * (_log2(n) - _log2(float(count)))
    return total / n, False


def _sql_top(taken: str) -> str:
    return f"list_transform(list_slice(fs_ranked({{f}}_l), 1, {{p}}), lambda e: {taken})"


def _when_found(text: str) -> str:
    return f"CASE WHEN {{f}}_n > 0 THEN {text} END"


def sql_quantile(shape: str) -> str:
    """`quantile_of` in DuckDB, of the list `{f}_l`, put into another text."""
    place = "CAST(fs_place({f}_n, '{p}') AS BIGINT)"
    return _when_found(shape.format(f"list_sort({{f}}_l, 'ASC', 'NULLS LAST')[{place}]"))


_COUNTS: Final = "map_values(list_histogram({f}_l))"
# a log is bound once by a list of one; a sum of a list in its order is a reduction
_SQL_ENTROPY: Final = (
    "list_transform([fs_log2(CAST({f}_n AS DOUBLE))], lambda top: list_reduce(list_prepend(0.0::DOUBLE, "
    f"list_transform({_COUNTS}, lambda c: CAST(c AS DOUBLE) * (top - fs_log2(CAST(c AS DOUBLE))))), "
    "lambda a, e: a + e))[1] / CAST({f}_n AS DOUBLE)"
)

MACROS: Final[dict[str, str]] = {
    # interpolated() above: what is used more than once is bound by a list of one
    "fs_share(q, k)": "CAST(split_part(q, '/', k) AS HUGEINT)",
    "fs_between(l, h, r, d)": "greatest(l, least(h, l * (CAST(CAST(d - r AS BIGINT) AS DOUBLE) / "
    "CAST(CAST(d AS BIGINT) AS DOUBLE)) + h * (CAST(CAST(r AS BIGINT) AS DOUBLE) / "
    "CAST(CAST(d AS BIGINT) AS DOUBLE))))",
    "fs_interpolated(given, n, q)": "list_transform([{'s': list_sort(given, 'ASC', 'NULLS LAST'), 'k': (n - 1) * "
    "fs_share(q, 1), 'd': fs_share(q, 2)}], lambda e: fs_between(CAST(e.s[CAST(e.k // e.d AS BIGINT) + 1] AS DOUBLE), "
    "CAST(e.s[CAST((e.k + e.d - 1) // e.d AS BIGINT) + 1] AS DOUBLE), e.k % e.d, e.d))[1]",
    # _place() above; the parameter is numerator/denominator
    "fs_place(n, q)": "greatest(1::HUGEINT, (n * CAST(split_part(q, '/', 1) AS HUGEINT) + "
    "CAST(split_part(q, '/', 2) AS HUGEINT) - 1) // CAST(split_part(q, '/', 2) AS HUGEINT))",
    # _ranked() above
    "fs_ranked(given)": "list_sort(list_transform(map_entries(list_histogram(given)), "
    "lambda e: {'c': -CAST(e.value AS BIGINT), 'v': e.key}))",
}
FOLDS: Final = (
    Fold(
        "tally",
        [],
        _tallied,
        add_tallies,
        (("n", "count({v})"), ("l", "list({v})")),
        cost="O(distinct values)",
        running=False,
    ),
)
AGGREGATES: Final = (
    Aggregate(
        "quantile",
        (INT64, FLOAT64, TIMESTAMP, DATE),
        lambda dtype: dtype,
        "tally",
        lambda state, asked: (quantile_of(state, asked.parameter), False),
        sql_quantile("{}"),
        doc="The value at place ceil(q * n) of the n sorted values: the nearest rank, exactly.",
        asked=True,
        source="Hyndman and Fan 1996, definition 1",
    ),
    Aggregate(
        "quantile_interpolated",
        (INT64, FLOAT64),
        lambda _: FLOAT64,
        "tally",
        lambda state, asked: (interpolated(state, asked.parameter), False),
        _when_found("fs_interpolated({f}_l, {f}_n, '{p}')"),
        doc="The value at place (n - 1) * q of the n sorted values, from 0, between two of them by their distance.",
        asked=True,
        source="Hyndman and Fan 1996, definition 7",
    ),
    Aggregate(
        "mode",
        SCALARS,
        lambda dtype: dtype,
        "tally",
        _most(0),
        _when_found("fs_ranked({f}_l)[1].v"),
        doc="The most frequent value that is not null; of equally frequent ones the least.",
    ),
    Aggregate(
        "mode_count",
        SCALARS,
        lambda _: INT64,
        "tally",
        _most(1),
        _when_found(f"CAST(list_max({_COUNTS}) AS BIGINT)"),
        doc="How often the most frequent value stands there.",
    ),
    Aggregate(
        "top_n",
        SCALARS,
        list_of,
        "tally",
        _top(0),
        _when_found(_sql_top("e.v")),
        doc="The n most frequent values, most frequent first; of equally frequent ones the least first.",
        asked=True,
    ),
    Aggregate(
        "top_n_counts",
        SCALARS,
        lambda _: list_of(INT64),
        "tally",
        _top(1),
        _when_found(_sql_top("-e.c")),
        doc="How often each of the n most frequent values stands there.",
        asked=True,
    ),
    Aggregate(
        "entropy",
        SCALARS,
        lambda _: FLOAT64,
        "tally",
        _entropy,
        _when_found(_SQL_ENTROPY),
        doc="Entropy of the values in bits: 0 where all are equal, log2 of their number where all differ.",
        source="Shannon 1948",
    ),
)
