"""Folds: the mergeable states that aggregates are finished from. One row a fold, DuckDB text beside Python.

`lift` makes the state of some rows, `merge` the state of disjoint sets of rows. Every state is exact, so any
grouping and order of rows gives the same state (R5, R9): tiles, trees and threads cannot be seen in an answer. States
are None, ints, floats, strings and lists of these, so that they can be stored as they are.

In DuckDB a fold first derives columns from a row's value `{v}`, then collects aggregates of them, named
`{f}_<suffix>`; `{rank}` is the row's place in the order of R5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

from featurestore.semantics import exact
from featurestore.semantics.dtypes import Value
from featurestore.semantics.folding import decays, extremes, gaps, moments, pairs, recency, sketches, tallies, vectors
from featurestore.semantics.folding.row import ADDED, COUNTED, Fold, Rank, Selection, State
from featurestore.semantics.folding.row import either as _either
from featurestore.semantics.folding.row import present as _present
from featurestore.semantics.folding.row import rank_key as _rank_key

__all__ = ["FOLDS", "Fold", "Rank", "State"]


def _entry(value: Value, event_at: Any, order: Any, known_at: Any) -> list[Any]:
    # a list as JSON has it, so that a state reads as it was written
    return [event_at, order, known_at, list(value) if type(value) is tuple else value]


def _entries(values: Sequence[Value], ranks: Sequence[Rank]) -> list[list[Any]]:
    return [_entry(value, *rank) for rank, value in zip(ranks, values, strict=True)]


def _outermost(choose: Callable[..., Any], entries: Sequence[Any]) -> State:
    """The entry that comes first or last, most often alone at its instant."""
    at = choose([entry[0] for entry in entries], default=None)
    tied = [entry for entry in entries if entry[0] == at]
    return tied[0] if len(tied) == 1 else choose(tied, key=_rank_key, default=None)


def _farthest(state: State, n: int) -> int | None:
    """When the earliest of the n rows of a full `last_n` happened."""
    return state[0][0] if len(state) == n else None


def _happened(state: State, _: int) -> int | None:
    return None if state is None else state[0]


def _add(states: Sequence[State], _: int) -> State:
    return sum(states)


def _add_all(states: Sequence[State], _: int) -> State:
    return [sum(parts) for parts in zip(*states, strict=True)]


def _whole(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    present = _present(values)
    return [len(present), sum(present)]


def _fraction(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    present = _present(values)
    taken = _present([exact.units(value) for value in present])
    return [len(present), sum(taken), len(present) - len(taken)]


def _whole_squares(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    present = _present(values)
    return [len(present), sum(present), sum(value * value for value in present)]


def _fraction_squares(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    present = _present(values)
    taken = _present([exact.units(value) for value in present])
    return [len(present), sum(taken), sum(value * value for value in taken), len(present) - len(taken)]


def _squares(coefficients: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The derived columns of a square: its coefficients in base 2^32 from the limbs a, b, ... of `{v}`."""
    limbs = {limb: f"CAST({{v}}_{limb} AS HUGEINT)" for limb in "abcd"}
    return tuple((f"q{k}", text.format(**limbs)) for k, text in enumerate(coefficients))


def _sums(suffixes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((suffix, f"sum({{v}}_{suffix})") for suffix in suffixes)


_BIG: Final = ("big", "abs({v}) >= 9223372036854775808.0::DOUBLE")
_MASK: Final = "4294967295::HUGEINT"

FOLDS: Final[dict[str, Fold]] = {
    fold.name: fold
    for fold in (
        Fold("rows", 0, lambda values, _, __: len(values), _add, (("n", "count(*)"),), sql_merge=(COUNTED,)),
        Fold(
            "count", 0, lambda values, _, __: len(_present(values)), _add, (("n", "count({v})"),), sql_merge=(COUNTED,)
        ),
        # int64 values: their number and exact sum
        Fold("whole", [0, 0], _whole, _add_all, (("n", "count({v})"), ("s", "sum({v})")), sql_merge=(COUNTED, ADDED)),
        # float64 values: their number, the exact sum in units of 2^-64, how many are too big to sum
        Fold(
            "fraction",
            [0, 0, 0],
            _fraction,
            _add_all,
            (("n", "count({v})"), ("big", "count_if({v}_big)"), *_sums(("hi", "lo"))),
            (
                _BIG,
                ("hi", "CAST(fs_units({v}) >> 64 AS BIGINT)"),
                ("lo", "CAST(fs_units({v}) & 18446744073709551615::HUGEINT AS UBIGINT)"),
            ),
            sql_merge=(COUNTED, COUNTED, ADDED, ADDED),
        ),
        # the same with the exact sum of squares, for variances; limbs of 32 bits in DuckDB
        Fold(
            "whole_squares",
            [0, 0, 0],
            _whole_squares,
            _add_all,
            (("n", "count({v})"), *_sums(("a", "b", "q0", "q1", "q2"))),
            (("a", "{v} >> 32"), ("b", "{v} & 4294967295"), *_squares(exact.INT_SQUARE)),
            sql_merge=(COUNTED, *(ADDED,) * 5),
        ),
        Fold(
            "fraction_squares",
            [0, 0, 0, 0],
            _fraction_squares,
            _add_all,
            (
                ("n", "count({v})"),
                ("big", "count_if({v}_big)"),
                *_sums(("a", "b", "c", "d", "q0", "q1", "q2", "q3", "q4", "q5", "q6")),
            ),
            (
                _BIG,
                ("a", "CAST(fs_units({v}) >> 96 AS BIGINT)"),
                *(
                    (limb, f"CAST((fs_units({{v}}) >> {shift}) & {_MASK} AS BIGINT)")
                    for limb, shift in (("b", 64), ("c", 32), ("d", 0))
                ),
                *_squares(exact.FLOAT_SQUARE),
            ),
            sql_merge=(COUNTED, COUNTED, *(ADDED,) * 11),
        ),
        Fold(
            "min",
            None,
            lambda values, _, __: min(_present(values), default=None),
            _either(min),
            (("v", "min({v})"),),
            sql_merge=("min({c})",),
        ),
        Fold(
            "max",
            None,
            lambda values, _, __: max(_present(values), default=None),
            _either(max),
            (("v", "max({v})"),),
            sql_merge=("max({c})",),
        ),
        # the row that comes first or last by R5, nulls included: `[event_at, order, known_at, value]`
        Fold(
            "first",
            None,
            lambda values, ranks, _: _outermost(min, _entries(values, ranks)),
            _either(partial(_outermost, min)),
            (("e", "arg_min({{'r': {rank}, 'v': {v}}}, {rank})"),),
            ordered=True,
            sql_merge=("arg_min({c}, {c}.r)",),
            near="first",
            one=_entry,
            selection=Selection("first", _happened),
        ),
        Fold(
            "last",
            None,
            lambda values, ranks, _: _outermost(max, _entries(values, ranks)),
            _either(partial(_outermost, max)),
            (("e", "arg_max({{'r': {rank}, 'v': {v}}}, {rank})"),),
            ordered=True,
            sql_merge=("arg_max({c}, {c}.r)",),
            near="last",
            one=_entry,
            selection=Selection("last", _happened),
        ),
        Fold(
            "last_n",
            [],
            lambda values, ranks, n: sorted(_entries(values, ranks), key=_rank_key)[-n:],
            lambda states, n: sorted(chain.from_iterable(states), key=_rank_key)[-n:],
            (("e", "arg_max({{'r': {rank}, 'v': {v}}}, {rank}, {n})"),),
            ordered=True,
            # no two rows have one rank, so that it alone orders the entries
            sql_merge=("list_slice(list_reverse_sort(flatten(list({c}) FILTER (WHERE {c} IS NOT NULL))), 1, {n})",),
            near="last",
            cost="O(n of last_n)",
            selection=Selection("last", _farthest),
        ),
        Fold(
            "first_n",
            [],
            lambda values, ranks, n: sorted(_entries(values, ranks), key=_rank_key)[:n],
            lambda states, n: sorted(chain.from_iterable(states), key=_rank_key)[:n],
            (("e", "arg_min({{'r': {rank}, 'v': {v}}}, {rank}, {n})"),),
            ordered=True,
            sql_merge=("list_slice(list_sort(flatten(list({c}) FILTER (WHERE {c} IS NOT NULL))), 1, {n})",),
            near="first",
            cost="O(n of first_n)",
        ),
        Fold(
            "distinct",
            [],
            lambda values, _, __: sorted(set(_present(values))),
            lambda states, _: sorted(set(chain.from_iterable(states))),
            (("n", "count(DISTINCT {v})"),),
            cost="O(distinct values)",
        ),
        *extremes.FOLDS,
        *pairs.FOLDS,
        *moments.FOLDS,
        *vectors.FOLDS,
        *tallies.FOLDS,
        *sketches.FOLDS,
        *recency.FOLDS,
        *gaps.FOLDS,
        *decays.FOLDS,
    )
}
