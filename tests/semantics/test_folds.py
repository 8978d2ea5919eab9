"""Folds: however rows are grouped, cut and merged, the state is the one that all rows together give."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.semantics.aggregates import AGGREGATES
from featurestore.semantics.dtypes import INT64, DType
from featurestore.semantics.folds import FOLDS, Fold, Rank, State
from tests.reference_functions import entered
from tests.strategies.expressions import AGGREGATE_USES, seconds_of
from tests.strategies.values import nullable, values

USES = [
    (FOLDS[name], dtype, second)
    for name, dtype, second in dict.fromkeys(
        (row.fold, dtype or INT64, seconds_of(row)[0] if row.second else None) for row, dtype in AGGREGATE_USES
    )
]
NAMES = [f"{fold.name}-{dtype}" for fold, dtype, _ in USES]

Row = tuple[Any, Rank]
# a share of the examples for each row of the table, since there are many rows
FEWER = settings(max_examples=max(1, settings().max_examples // 8))


@cache
def rows(dtype: DType, second: DType | None) -> st.SearchStrategy[list[Row]]:
    """Values, or pairs, with their ranks: few instants and orders, so that most rows tie."""
    few = st.integers(0, 2)
    rank: st.SearchStrategy[Rank] = st.tuples(few, nullable(few), few)
    given = nullable(values(dtype)).map(entered)
    if second is not None:
        given = st.tuples(given, nullable(values(second)).map(entered))
    return st.lists(st.tuples(given, rank), max_size=8)


def lifted(fold: Fold, given: list[Row], n: int) -> State:
    """The state of these rows."""
    return fold.lift([value for value, _ in given], [rank for _, rank in given], n)


def merged(fold: Fold, given: list[Row], n: int, data: st.DataObject) -> State:
    """The state of these rows by some tree of merges."""
    if len(given) < 2 or data.draw(st.integers(0, 4)) == 0:
        return lifted(fold, given, n)
    if fold.sequential:  # no row of one part happens between rows of the other
        given = sorted(given, key=lambda row: row[1][0])
    cut = data.draw(st.integers(0, len(given)))
    divide = merged if 0 < cut < len(given) else lambda fold, part, n, _: lifted(fold, part, n)
    parts = [divide(fold, given[:cut], n, data), divide(fold, given[cut:], n, data)]
    return fold.merge(data.draw(st.permutations(parts)), n)


@pytest.mark.parametrize(("fold", "dtype", "second"), USES, ids=NAMES)
@FEWER
@given(data=st.data())
def test_r5_any_tree_of_merges_is_the_state_of_all_rows(
    fold: Fold, dtype: DType, second: DType | None, data: st.DataObject
) -> None:
    """Rows in any order, cut anywhere and merged in any tree give the state of all at once."""
    given, n = data.draw(rows(dtype, second)), data.draw(st.integers(1, 4))
    shuffled = data.draw(st.permutations(given))
    assert merged(fold, shuffled, n, data) == lifted(fold, given, n)


@pytest.mark.parametrize(("fold", "dtype", "second"), USES, ids=NAMES)
@FEWER
@given(data=st.data())
def test_merging_takes_nothing_and_changes_no_state(
    fold: Fold, dtype: DType, second: DType | None, data: st.DataObject
) -> None:
    """The empty state adds nothing, merging leaves both sides as they were, and a state can be stored as it is."""
    state = lifted(fold, data.draw(rows(dtype, second)), 2)
    stored = json.dumps(state)
    assert lifted(fold, [], 2) == fold.empty
    assert fold.merge([fold.empty, state], 2) == state == fold.merge([state, fold.empty], 2) == fold.merge([state], 2)
    fold.merge([state, state], 2)
    assert json.loads(stored) == state == json.loads(json.dumps(state))


@pytest.mark.parametrize(("fold", "dtype", "second"), USES, ids=NAMES)
@FEWER
@given(data=st.data())
def test_the_shorter_way_to_the_state_of_one_row_gives_the_same(
    fold: Fold, dtype: DType, second: DType | None, data: st.DataObject
) -> None:
    """A fold that has `one` gives by it what `lift` gives."""
    for value, rank in data.draw(rows(dtype, second)) if fold.one is not None else ():
        assert fold.one(value, *rank) == fold.lift([value], [rank], 0)


def test_every_fold_is_the_fold_of_an_aggregate() -> None:
    """No fold is kept that no aggregate is finished from, and none is missing."""
    assert {row.fold for row in AGGREGATES} == set(FOLDS)
