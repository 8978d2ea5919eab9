"""Decays: how far they are from what they stand for, and what a half-life makes of a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from featurestore.semantics.aggregates import aggregate_row
from featurestore.semantics.dtypes import FLOAT64, INT64, DType
from featurestore.semantics.folding.row import Asked
from featurestore.semantics.folds import FOLDS
from tests.reference_decays import close_to

DAY_US = 86_400_000_000


def decayed(name: str, dtype: DType | None, pairs: list[tuple[Any, int]], as_of_us: int, halflife_us: int) -> Any:
    """What a decayed aggregate gives, from two states merged."""
    row = aggregate_row(name, dtype)
    assert row is not None
    fold, states = FOLDS[row.fold], []
    for part in (pairs[::2], pairs[1::2]):
        ranks = [(at_us, None, at_us) for _, at_us in part]
        states.append(fold.lift([value for value, _ in part], ranks, halflife_us))
    return row.finished(fold.merge(states, halflife_us), Asked(as_of_us, halflife_us))


@pytest.mark.parametrize("halflife_us", [3_600_000_000, 7 * DAY_US + 1, 365 * DAY_US])
def test_a_decayed_sum_is_close_to_its_definition(halflife_us: int) -> None:
    """Over 50,000 values of one sign it is within 1e-14 of itself of the sum of value * 2^(-age / half-life)."""
    random = np.random.default_rng(3)
    now = 1_700_000_000_000_000
    ages = (random.random(50_000) * 50 * halflife_us).astype(int).tolist()
    pairs = [
        (value, now - 1 - age) for value, age in zip(random.lognormal(3.0, 2.0, 50_000).tolist(), ages, strict=True)
    ]
    total, overflow = decayed("decayed_sum", FLOAT64, pairs, now, halflife_us)
    number, _ = decayed("decayed_rows", None, [(None, at_us) for _, at_us in pairs], now, halflife_us)
    mean, _ = decayed("decayed_mean", FLOAT64, pairs, now, halflife_us)
    assert not overflow
    assert math.isclose(total, close_to(pairs, halflife_us, now), rel_tol=1e-14)
    assert math.isclose(number, close_to([(1.0, at_us) for _, at_us in pairs], halflife_us, now), rel_tol=1e-14)
    assert math.isclose(mean, total / number, rel_tol=1e-14)


@pytest.mark.parametrize("half_lives", [0, 1, 2, 10, 62, 63])
def test_a_row_is_halved_for_each_half_life(half_lives: int) -> None:
    """After whole half-lives, from the start of a block, a value is exactly that many times halved."""
    now = 100 * DAY_US
    pairs = [(16, now - half_lives * DAY_US), (None, now - 1)]
    assert decayed("decayed_sum", INT64, pairs, now, DAY_US) == (16.0 / 2.0**half_lives, False)
    assert decayed("decayed_mean", INT64, pairs, now, DAY_US) == (16.0, False)


def test_r9_a_decayed_sum_overflows_where_a_block_does() -> None:
    """A value of 2^63 or more, raised to the end of its block, and a block's sum beyond it, are null and overflow."""
    for values in ([2.0**63], [2.0**62, 2.0**62], [-(2.0**63)]):
        assert decayed("decayed_sum", FLOAT64, [(value, 0) for value in values], DAY_US, DAY_US) == (None, True)
    apart = [(2.0**62, 0), (2.0**62, DAY_US)]
    assert decayed("decayed_sum", FLOAT64, apart, DAY_US, DAY_US) == (2.0**62 + 2.0**61, False)
    assert decayed("decayed_sum", FLOAT64, [(2.0**62, DAY_US - 1)], DAY_US, DAY_US)[1] is False


def test_over_no_rows() -> None:
    """There are no rows, and no sum or mean of them."""
    assert decayed("decayed_rows", None, [], 5, 3) == (0.0, False)
    assert decayed("decayed_sum", FLOAT64, [(None, 1)], 5, 3) == (None, False)
    assert decayed("decayed_mean", FLOAT64, [], 5, 3) == (None, False)
