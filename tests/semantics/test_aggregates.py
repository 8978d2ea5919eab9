"""Aggregates: each row of the table against the reference, for each type it takes."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.expr.nodes import Aggregate as Node
from featurestore.expr.nodes import ColumnRef
from featurestore.semantics.aggregates import AGGREGATE_NAMES, AGGREGATES, DECAYED, Aggregate, Asked, aggregate_row
from featurestore.semantics.dtypes import BOOL, DECIMAL, FLOAT64, INT64, LIST, SCALARS, STRING, VECTOR, DType
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.windows import Span
from tests.reference import Seen, aggregated
from tests.reference_functions import entered, summed
from tests.strategies.expressions import AGGREGATE_USES, NUMBERED, PARAMETERS, seconds_of
from tests.strategies.values import nullable, values

# a share of the examples for each row of the table, since there are many rows
FEWER = settings(max_examples=max(1, settings().max_examples // 5))


@cache
def rows(dtype: DType) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Values with event, order and known_at from small pools."""
    few = st.integers(0, 2)
    return st.lists(st.tuples(nullable(values(dtype)).map(entered), few, nullable(few), few), max_size=8)


@pytest.mark.parametrize(("row", "dtype"), AGGREGATE_USES, ids=[f"{row.name}-{dtype}" for row, dtype in AGGREGATE_USES])
@FEWER
@given(data=st.data())
def test_r9_an_aggregate_gives_the_bits_of_the_reference(
    row: Aggregate, dtype: DType | None, data: st.DataObject
) -> None:
    """Lifted and finished, every row of the table gives type, bits and overflow of the reference."""
    given, n = data.draw(rows(dtype or INT64)), 3 if row.name in {*NUMBERED, *DECAYED} else 0
    other = data.draw(st.sampled_from(seconds_of(row))) if row.second else INT64
    seconds = data.draw(st.lists(nullable(values(other)).map(entered), min_size=len(given), max_size=len(given)))
    parameter = data.draw(st.sampled_from(PARAMETERS.get(row.name, ("",))))
    ranks = [(event_at, order, known_at) for _, event_at, order, known_at in given]
    alone = [value for value, *_ in given]
    state = FOLDS[row.fold].lift(list(zip(alone, seconds, strict=True)) if row.second else alone, ranks, n)
    finished = row.finished(state, Asked(100, n, parameter))
    column = None if dtype is None else ColumnRef("S", "v", dtype)
    second = ColumnRef("S", "u", other) if row.second else None
    node = Node(row.name, column, None, Span(), row.gives(dtype or INT64), "S", n, parameter, None, second)
    seen = [
        Seen(event_at, known_at, "", order, {"v": value, "u": other})
        for (value, event_at, order, known_at), other in zip(given, seconds, strict=True)
    ]
    expected = aggregated(node, seen, 100)
    assert repr(finished) == repr(expected)  # floats are printed by their bits


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([2.0**62, 2.0**62], (None, True)),
        ([2.0**62, math.nextafter(2.0**62, 0.0)], (2.0**63, False)),
        ([-(2.0**62), -(2.0**62)], (-(2.0**63), False)),
        ([-(2.0**62), -(2.0**62), -(2.0**-64)], (None, True)),
        ([2.0**63, -1.0], (None, True)),
        ([2**63 - 1, 1], (None, True)),
        ([2**63 - 1, 1, -1], (2**63 - 1, False)),
        ([-(2**63)], (-(2**63), False)),
        ([-(2**63), -1], (None, True)),
    ],
    ids=str,
)
def test_r9_a_sum_overflows_at_two_to_the_63(given: list[float], expected: tuple[float | None, bool]) -> None:
    """From -2^63 to just below 2^63 a total is held; a step further it is null and overflows."""
    row = aggregate_row("sum", FLOAT64 if isinstance(given[0], float) else INT64)
    assert row is not None
    assert row.finish(FOLDS[row.fold].lift(given, [(0, None, 0)] * len(given), 0)) == expected
    assert summed(given, mean=False) == expected


@pytest.mark.parametrize("name", AGGREGATE_NAMES)
def test_an_aggregate_takes_each_type_in_one_row(name: str) -> None:
    """No type is taken by two rows of one name, so that a lookup is never a matter of order."""
    taken = [dtype for row in AGGREGATES if row.name == name for dtype in row.takes]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("row", AGGREGATES, ids=lambda row: f"{row.name}-{'-'.join(map(str, row.takes))}")
def test_every_row_can_be_found_and_says_what_it_is(row: Aggregate) -> None:
    """Each row is found by name and type, has a fold and a sentence."""
    found = [aggregate_row(row.name, dtype) for dtype in (row.takes or (None,))]
    assert all(each is not None and each.fold == row.fold for each in found)
    assert row.fold in FOLDS
    assert row.doc.endswith(".")


def test_an_aggregate_that_does_not_take_a_type_is_not_found() -> None:
    """There is no sum of texts, no least bool, and no sum of nothing."""
    assert [aggregate_row("sum", STRING), aggregate_row("min", BOOL), aggregate_row("sum", None)] == [None] * 3
    assert aggregate_row("rows", INT64) is None


def test_every_type_can_be_shown_and_counted() -> None:
    """Whatever a column holds, its last value and its number of values can be asked for."""
    assert all(
        aggregate_row(name, dtype) for name in ("last", "last_n", "count", "distinct_count") for dtype in SCALARS
    )
    assert all(aggregate_row(name, dtype) for name in ("last", "count") for dtype in (DECIMAL, LIST, VECTOR))
