"""Fingerprints: the order of versions of one fact (R6), against the reference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from featurestore.semantics.dtypes import FLOAT64, INT64, SCALARS, STRING, DType, Value
from featurestore.semantics.identity import fingerprint
from tests.reference_functions import entered, fingerprint_of
from tests.strategies.values import nullable, values

CELLS = st.sampled_from(SCALARS).flatmap(lambda dtype: st.tuples(nullable(values(dtype)).map(entered), st.just(dtype)))


@given(st.lists(CELLS, min_size=1, max_size=5))
def test_r6_a_fingerprint_is_that_of_the_reference(row: list[tuple[Value, DType]]) -> None:
    """Every value of every type has the same text in both."""
    assert fingerprint(row) == fingerprint_of([value for value, _ in row])


def test_r6_types_and_places_tell_rows_apart() -> None:
    """1, 1.0 and "1" differ, and so do texts that would run together."""
    rows: list[list[tuple[Value, DType]]] = [
        [(1, INT64)],
        [(1.0, FLOAT64)],
        [("1", STRING)],
        [("1,s0:", STRING)],
        [("1", STRING), ("", STRING)],
    ]
    assert len({fingerprint(row) for row in rows}) == len(rows)
