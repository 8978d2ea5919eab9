"""The folds of a state as functions over slices of leaves: chosen once for each fold, called for every key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from featurestore.online.leaves import (
    BITS_OF_FILTERS,
    EVENT,
    KNOWN,
    ORDER,
    VALUES,
    Columns,
    Row,
    chosen,
    columns_of,
    outermost,
    visible_us,
)
from featurestore.plan.nodes import FoldUse, State
from featurestore.semantics.folding.categories import lift_by, merge_by
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.folds import State as FoldState

Lift = Callable[[Columns, int, int], FoldState]
"""The state of the rows of a leaf from one place up to another."""
Merge = Callable[[Sequence[FoldState]], FoldState]
"""The state of disjoint sets of rows, from the state of each."""


class Folding:
    """What is computed from the rows of a state: `lifts`, `merges` and `empties` by the place of the fold, and whether
    only the `last` row counts, so that older ones need no look. With `sequential`, a summary cannot take one more row,
    which may have happened between its own."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.lifts: list[Lift] = [_lift(use) for use in state.folds]
        self.merges: list[Merge] = [_merge(use) for use in state.folds]
        self.empties: list[FoldState] = [FOLDS[use.fold].empty if use.by is None else [] for use in state.folds]
        self.sequential = any(FOLDS[use.fold].sequential for use in state.folds)
        self.last = [use.by is None and FOLDS[use.fold].near == "last" and use.n == 0 for use in state.folds]

    def summary(self, rows: Sequence[Row]) -> list[Any]:
        """The summary of some rows: when the last of them could be seen, and the state of each fold."""
        columns, count = columns_of(rows), len(rows)
        return [max(map(visible_us, rows)), *(lift(columns, 0, count) for lift in self.lifts)]

    def merged(self, summaries: Sequence[list[Any]]) -> list[Any]:
        """The summary of disjoint sets of rows, from the summary of each."""
        latest, *folds = zip(*summaries, strict=True)
        return [max(latest), *(merge(states) for merge, states in zip(self.merges, folds, strict=True))]


def _lift(use: FoldUse) -> Lift:
    fold = FOLDS[use.fold]
    if use.by is not None:
        lift = _by_category(use)
    elif fold.ordered:
        lift = _ordered(use) if fold.one is None else _nearest(use, fold.one)
    elif use.input is None:
        lift = _count(use)
    else:
        lift = _plain(use)
    return lift if use.filter is None else _filtered(lift, use.filter)


def _merge(use: FoldUse) -> Merge:
    fold, n = FOLDS[use.fold], use.n
    if use.by is not None:
        return lambda states: merge_by(fold, states, n)
    merge = fold.merge
    return lambda states: merge(states, n)


def _count(use: FoldUse) -> Lift:
    make, n = FOLDS[use.fold].lift, use.n
    return lambda _, low, high: make([None] * (high - low), (), n)


def _plain(use: FoldUse) -> Lift:
    make, n, place = FOLDS[use.fold].lift, use.n, VALUES + (use.input or 0)
    if use.second is not None:
        values = _values(use)
        return lambda columns, low, high: make(values(columns, low, high), (), n)

    def lift(columns: Columns, low: int, high: int) -> FoldState:
        column = columns[place]
        return make([None] * (high - low) if column is None else column[low:high], (), n)

    return lift


def _ordered(use: FoldUse) -> Lift:
    fold, n, values = FOLDS[use.fold], use.n, _values(use)
    make, near, most = fold.lift, fold.near, use.n or 1

    def lift(columns: Columns, low: int, high: int) -> FoldState:
        if near and low < high:  # the others cannot come first, or last
            low, high = outermost(near, columns[EVENT], low, high, most)
        return make(values(columns, low, high), _ranks(columns, low, high), n)

    return lift


def _nearest(use: FoldUse, one: Callable[..., FoldState]) -> Lift:
    """The row that happened first or last: most often alone."""
    fold, several, place = FOLDS[use.fold], _ordered(use), VALUES + (use.input or 0)
    last = fold.near == "last"

    def lift(columns: Columns, low: int, high: int) -> FoldState:
        if low == high:
            return fold.empty
        events = columns[EVENT]
        at, beside = (high - 1, high - 2) if last else (low, low + 1)
        if low <= beside < high and events[at] == events[beside]:
            return several(columns, low, high)
        column, orders, knowns = columns[place], columns[ORDER], columns[KNOWN]
        event = events[at]
        return one(
            None if column is None else column[at],
            event,
            None if orders is None else orders[at],
            event if knowns is None else knowns[at],
        )

    return lift


def _by_category(use: FoldUse) -> Lift:
    fold, n, values = FOLDS[use.fold], use.n, _values(use)
    by = VALUES + (use.by or 0)

    def lift(columns: Columns, low: int, high: int) -> FoldState:
        ranks = _ranks(columns, low, high) if fold.ordered else ()
        return lift_by(fold, _part(columns, by, low, high), values(columns, low, high), ranks, n)

    return lift


def _filtered(lift: Lift, place: int) -> Lift:
    """The same of the rows that a filter lets through."""

    def filtered(columns: Columns, low: int, high: int) -> FoldState:
        bits = columns[BITS_OF_FILTERS]
        places = [] if bits is None else [each for each in range(low, high) if bits[each] >> place & 1]
        return lift(chosen(columns, places), 0, len(places))

    return filtered


def _values(use: FoldUse) -> Callable[[Columns, int, int], list[Any]]:
    """What a fold is given of some rows: the values of its input, or pairs of them and those of the second."""
    first, second = (None if each is None else VALUES + each for each in (use.input, use.second))
    if second is None:
        return lambda columns, low, high: _part(columns, first, low, high)
    return lambda columns, low, high: list(
        zip(_part(columns, first, low, high), _part(columns, second, low, high), strict=True)
    )


def _part(columns: Columns, place: int | None, low: int, high: int) -> list[Any]:
    column = None if place is None else columns[place]
    return [None] * (high - low) if column is None else column[low:high]


def _ranks(columns: Columns, low: int, high: int) -> list[tuple[Any, ...]]:
    events, knowns = columns[EVENT][low:high], columns[KNOWN]
    knowns = events if knowns is None else knowns[low:high]
    return list(zip(events, _part(columns, ORDER, low, high), knowns, strict=True))
