"""Aggregates against DuckDB's own functions of the same values: other code, so equal to the last few digits."""

from __future__ import annotations

import math
from random import Random

import duckdb
import pytest

from featurestore.semantics.aggregates import Asked, aggregate_row
from featurestore.semantics.dtypes import FLOAT64, INT64, DType
from featurestore.semantics.folds import FOLDS

OWN = {
    "covariance": "covar_samp(x, y)",
    "covariance_pop": "covar_pop(x, y)",
    "correlation": "corr(x, y)",
    "slope": "regr_slope(x, y)",
    "skewness": "skewness(x)",
    "kurtosis": "kurtosis(x)",
    "kurtosis_pop": "kurtosis_pop(x)",
    "quantile_interpolated": "quantile_cont(x, 0.3)",
    "max_by": "max_by({'v': x}, y).v",  # of a value alone they pass over nulls
    "min_by": "min_by({'v': x}, y).v",
    "time_between_mean": "(max(t) - min(t)) / 1e6 / (count(*) - 1)",
    "time_between_min": "min(gap) / 1e6",
    "time_between_max": "max(gap) / 1e6",
}


@pytest.mark.parametrize("dtype", [INT64, FLOAT64], ids=str)
@pytest.mark.parametrize("name", OWN)
def test_an_aggregate_is_what_its_name_says(name: str, dtype: DType) -> None:
    """Of a hundred rows, some of them without one value or the other, both say the same to nine digits."""
    random, whole = Random(5), dtype == INT64
    rows = []
    for place in range(100):
        x, y = random.gauss(50, 20) + (place % 7) ** 3, random.gauss(0, 9) + place
        pair = (round(x * 100), round(y * 10**6) + place) if whole else (x, y)
        lacking = place % 10
        rows.append((None if lacking == 3 else pair[0], None if lacking == 5 else pair[1], random.randrange(10**12)))
    row = aggregate_row(name, dtype) or aggregate_row(name, None)
    assert row is not None
    values = [(x, y) if row.second else x for x, y, _ in rows]
    state = FOLDS[row.fold].lift(values, [(at, None, at) for _, _, at in rows], 0)
    value, overflow = row.finished(state, Asked(0, 0, "3/10"))
    kind = "BIGINT" if whole else "DOUBLE"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE given (x {kind}, y {kind}, t BIGINT)")
        connection.executemany("INSERT INTO given VALUES (?, ?, ?)", rows)
        gaps = "SELECT *, t - lag(t) OVER (ORDER BY t) AS gap FROM given"
        [(expected,)] = connection.execute(f"SELECT {OWN[name]} FROM ({gaps})").fetchall()
    assert not overflow
    assert value == expected or math.isclose(value, expected, rel_tol=1e-9)


def test_skewness_of_the_population_is_that_of_a_sample_without_its_correction() -> None:
    """DuckDB has no such function: by hand, of 0, 0, 0, 4 it is 2 / sqrt(3), and nothing of equal values."""
    row = aggregate_row("skewness_pop", FLOAT64)
    assert row is not None
    value, _ = row.finish(FOLDS[row.fold].lift([0.0, 0.0, 0.0, 4.0], (), 0))
    assert math.isclose(value, 2 / math.sqrt(3), rel_tol=1e-15)
    assert row.finish(FOLDS[row.fold].lift([0.1, 0.1, 0.1], (), 0)) == (None, False)


def test_a_column_correlates_with_itself_exactly() -> None:
    """The correlation of a column with itself is 1, with its negative -1, and its slope over itself 1."""
    random = Random(3)
    values = [random.lognormvariate(0, 3) for _ in range(50)]
    for name, sign, expected in (("correlation", 1, 1.0), ("correlation", -1, -1.0), ("slope", 1, 1.0)):
        row = aggregate_row(name, FLOAT64)
        assert row is not None
        state = FOLDS[row.fold].lift([(value, sign * value) for value in values], (), 0)
        assert row.finish(state) == (expected, False)
