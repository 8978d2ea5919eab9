"""One state for each category: what `by=` keeps, for any fold.

The state is the sorted list of `[category, state]`, over the rows that have a category. It costs O(categories).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from featurestore.semantics.dtypes import Value
from featurestore.semantics.folding.row import Finished, Fold, Rank, State

GROUPED: Final = ("rows", "count", "sum", "mean", "min", "max")
"""The aggregates that take `by=`."""


def lift_by(
    fold: Fold, categories: Sequence[Value], values: Sequence[Value], ranks: Sequence[Rank], n: int
) -> list[list[Any]]:
    """The state of each category's rows; `ranks` is empty where the fold takes none."""
    places: dict[Value, list[int]] = {}
    for place, category in enumerate(categories):
        if category is not None:
            places.setdefault(category, []).append(place)
    return [
        [category, fold.lift([values[i] for i in rows], [ranks[i] for i in rows] if ranks else (), n)]
        for category, rows in sorted(places.items())
    ]


def merge_by(fold: Fold, states: Sequence[list[list[Any]]], n: int) -> list[list[Any]]:
    """The states of all, category by category."""
    found: dict[Value, list[State]] = {}
    for category, state in chain.from_iterable(states):
        found.setdefault(category, []).append(state)
    return [[category, fold.merge(found[category], n)] for category in sorted(found)]


def finish_by(finish: Callable[[State], Finished], states: list[list[Any]]) -> Finished:
    """The map from category to value. One that overflowed is null in it, and the map as a whole overflowed."""
    finished = [(category, *finish(state)) for category, state in states]
    return tuple((category, value) for category, value, _ in finished), any(bad for _, _, bad in finished)
