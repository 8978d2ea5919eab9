"""The time between rows that follow one another, in seconds: the mean, the least and the greatest.

The mean needs the number of rows, the first and the last instant, since the gaps add up to what lies between these. The
least and the greatest gap need neighbours: their state is that of one stretch of time, and is merged with stretches
before and after it, never with rows in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

from featurestore.semantics.dtypes import FLOAT64, Value
from featurestore.semantics.folding.row import COUNTED, Aggregate, Finished, Fold, Rank, State

_SECOND_US: Final = 1e6


def _stretch(_: Sequence[Value], ranks: Sequence[Rank], __: int) -> State:
    instants = [rank[0] for rank in ranks]
    return [len(instants), min(instants, default=None), max(instants, default=None)]


def _stretched(states: Sequence[State], _: int) -> State:
    found = [state for state in states if state[0]]
    return [
        sum(state[0] for state in found),
        min((state[1] for state in found), default=None),
        max((state[2] for state in found), default=None),
    ]


def _mean(state: State) -> Finished:
    n, first, last = state
    return (float(last - first) / (float(n - 1) * _SECOND_US) if n > 1 else None), False


def _gaps(_: Sequence[Value], ranks: Sequence[Rank], __: int) -> State:
    return _joined([[rank[0], rank[0], None, None] for rank in ranks])


def _joined(stretches: Sequence[list[Any]]) -> State:
    """`[first, last, least gap, greatest gap]` of stretches of time that do not overlap; None of none."""
    if not stretches:
        return None
    ordered = sorted(stretches, key=lambda stretch: stretch[:2])
    between = [later[0] - sooner[1] for sooner, later in pairwise(ordered)]
    gaps = [*between, *(gap for stretch in stretches for gap in stretch[2:] if gap is not None)]
    return [ordered[0][0], ordered[-1][1], min(gaps, default=None), max(gaps, default=None)]


def _merged(states: Sequence[State], _: int) -> State:
    return _joined([state for state in states if state is not None])


def _extreme(place: int) -> Callable[[State], Finished]:
    def finish(state: State) -> Finished:
        gap = None if state is None else state[place]
        return (None if gap is None else float(gap) / _SECOND_US), False

    return finish


# a gap of 2^63 us, between the first instant that a row may have and the last, is one more than a BIGINT holds
_SQL_FLOAT: Final = "CAST(CAST({} AS UBIGINT) AS DOUBLE)"
_SQL_MEAN: Final = (
    f"CASE WHEN {{f}}_n > 1 THEN {_SQL_FLOAT.format('CAST({f}_last AS HUGEINT) - {f}_first')} "
    f"/ (CAST({{f}}_n - 1 AS DOUBLE) * {_SECOND_US!r}::DOUBLE) END"
)


def _sql_extreme(end: str) -> str:
    found = _SQL_FLOAT.format(f"list_{end}(fs_gaps({{f}}_l))")
    return f"CASE WHEN len({{f}}_l) > 1 THEN {found} / {_SECOND_US!r}::DOUBLE END"


MACROS: Final[dict[str, str]] = {
    "fs_gaps(instants)": "list_transform([list_sort(instants)], lambda s: list_transform(list_zip(s[2:], s, true), "
    "lambda pair: CAST(pair[1] AS HUGEINT) - pair[2]))[1]",
}
FOLDS: Final = (
    Fold(
        "stretch",
        [0, None, None],
        _stretch,
        _stretched,
        (("n", "count(*)"), ("first", "min(event_at_us)"), ("last", "max(event_at_us)")),
        ordered=True,
        sql_merge=(COUNTED, "min({c})", "max({c})"),
    ),
    Fold("gaps", None, _gaps, _merged, (("l", "list(event_at_us)"),), ordered=True, running=False, sequential=True),
)
AGGREGATES: Final = (
    Aggregate(
        "time_between_mean",
        (),
        lambda _: FLOAT64,
        "stretch",
        _mean,
        _SQL_MEAN,
        doc="Mean of the seconds between rows that follow one another; null below two rows.",
    ),
    *(
        Aggregate(
            f"time_between_{end}",
            (),
            lambda _: FLOAT64,
            "gaps",
            _extreme(place),
            _sql_extreme(end),
            doc=f"The {word} time between rows that follow one another, in seconds; null below two rows.",
        )
        for end, place, word in (("min", 2, "least"), ("max", 3, "greatest"))
    ),
)
