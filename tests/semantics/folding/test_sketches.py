"""Sketches: how far they are from what they approximate, on values as they occur."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.semantics.aggregates import aggregate_row
from featurestore.semantics.dtypes import FLOAT64, INT64, DType
from featurestore.semantics.folding.row import Asked
from featurestore.semantics.folding.sketches import K, bucket_of, middle_of
from featurestore.semantics.folds import FOLDS, State
from tests.reference_aggregates import middle

NUMBER = 100_000
RANDOM = np.random.default_rng(7)
SHAPES: dict[str, Any] = {
    "uniform": RANDOM.uniform(-1000.0, 1000.0, NUMBER),
    "lognormal": RANDOM.lognormal(3.0, 2.0, NUMBER),
    "normal": RANDOM.normal(0.0, 1.0, NUMBER),
    "pareto": RANDOM.pareto(1.1, NUMBER),
    "whole": RANDOM.integers(0, 5000, NUMBER).astype(float),
}


def state(fold: str, values: list[Any], at_once: int = 5000) -> State:
    """The state of some values, merged from states of so many rows each."""
    found = FOLDS[fold].empty
    for start in range(0, len(values), at_once):
        found = FOLDS[fold].merge([found, FOLDS[fold].lift(values[start : start + at_once], (), 0)], 0)
    return found


def finished(name: str, dtype: DType, held: State, parameter: str = "") -> Any:
    """What an aggregate gives of a state."""
    row = aggregate_row(name, dtype)
    assert row is not None
    value, overflow = row.finished(held, Asked(0, 0, parameter))
    assert not overflow
    return value


def counted(dtype: DType, values: list[Any]) -> int:
    """The approximate number of different values."""
    return int(finished("approx_distinct_count", dtype, state("hashes", values)))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_approximate_quantile_is_within_its_stated_error(shape: str) -> None:
    """Of 100,000 values, numpy's nearest-rank quantile is at most 2^-8 of itself away, and the exact one is equal."""
    values = SHAPES[shape]
    tally, buckets = state("tally", values.tolist(), NUMBER), state("buckets", values.tolist())
    for share in ("1/100", "1/2", "9/10", "999/1000"):
        numerator, denominator = map(int, share.split("/"))
        true = float(np.quantile(values, numerator / denominator, method="inverted_cdf"))
        assert finished("quantile", FLOAT64, tally, share) == true
        assert abs(finished("approx_quantile", FLOAT64, buckets, share) - true) <= 2.0**-8 * abs(true)


@pytest.mark.parametrize("shape", SHAPES)
def test_buckets_stay_few(shape: str) -> None:
    """The state of 100,000 values holds at most 128 buckets for each power of two that they reach."""
    values = SHAPES[shape]
    buckets = FOLDS["buckets"].lift(values.tolist(), (), 0)
    powers = {(value > 0, math.frexp(value)[1]) for value in values.tolist()}
    assert len(buckets) <= 128 * len(powers)
    assert sum(count for _, count in buckets) == NUMBER


@given(value=st.floats(allow_nan=False, allow_infinity=False), other=st.floats(allow_nan=False, allow_infinity=False))
def test_buckets_are_in_the_order_of_their_values(value: float, other: float) -> None:
    """A greater value is in no lesser bucket, a bucket's middle is in it, and it is within the error of its values."""
    low, high = sorted((value, other))
    assert bucket_of(low) <= bucket_of(high)
    assert middle_of(bucket_of(value)) == middle(value)
    assert bucket_of(middle_of(bucket_of(value))) == bucket_of(value)
    if abs(value) >= 2.0**-1022:
        assert abs(middle_of(bucket_of(value)) - value) <= 2.0**-8 * abs(value)


@pytest.mark.parametrize("number", [0, 1, K - 1, K, 1000, 30_000, NUMBER])
@pytest.mark.parametrize(("dtype", "made"), [(INT64, int), (FLOAT64, lambda i: i / 7.0)], ids=["int64", "float64"])
def test_an_approximate_count_is_within_its_stated_error(number: int, dtype: DType, made: Callable[[int], Any]) -> None:
    """Below 256 different values the count is exact, beyond it is within four standard errors of 1 / sqrt(254)."""
    values = [made(i) for i in range(number)] * (1 if number > 1000 else 3)
    found = counted(dtype, values)
    assert found == number if number < K else abs(found - number) <= 4 * number / math.sqrt(K - 2)


def test_the_stated_standard_error_is_that_of_many_counts() -> None:
    """Over 200 counts of 2,000 different values each, the root of the mean squared error is about 6.3 %."""
    errors = [counted(INT64, list(range(2000 * part, 2000 * (part + 1)))) / 2000 - 1 for part in range(200)]
    assert 0.05 < math.sqrt(sum(error * error for error in errors) / len(errors)) < 0.075
    assert abs(sum(errors) / len(errors)) < 0.015
