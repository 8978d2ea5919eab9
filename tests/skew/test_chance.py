"""What chance alone does: tail probabilities agree with scipy where it has them, and bounds hold in simulation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from featurestore.skew.chance import (
    adjusted,
    bernstein_tail,
    chi2_tail,
    hypergeometric_tail,
    kolmogorov_tail,
    unseen_expected,
    unseen_tail,
)


@given(x=st.floats(0, 500), degrees=st.integers(1, 40))
def test_the_tail_of_chi_squared_is_that_of_scipy(x: float, degrees: int) -> None:
    """The finite sum agrees with scipy to ten digits, far into the tail."""
    assert chi2_tail(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-10, abs=1e-300)


def test_one_bin_proves_nothing() -> None:
    """Without a degree of freedom every value is chance."""
    assert chi2_tail(9.0, 0) == 1.0


@given(distance=st.floats(0, 1), spread=st.floats(1e-6, 1))
def test_the_tail_of_kolmogorov_is_that_of_scipy(distance: float, spread: float) -> None:
    """The alternating sum agrees with scipy."""
    wanted = special.kolmogorov(distance / math.sqrt(spread))
    assert kolmogorov_tail(distance, spread) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@given(st.data())
def test_the_exact_test_of_shares_is_that_of_scipy(data: st.DataObject) -> None:
    """Twice the rarer tail of the hypergeometric distribution, for samples of any two sizes."""
    n, m = data.draw(st.integers(1, 3_000)), data.draw(st.integers(1, 3_000))
    marked = data.draw(st.integers(0, n + m))
    found = data.draw(st.integers(max(0, marked - n), min(marked, m)))
    drawn = stats.hypergeom(n + m, marked, m)
    upward = found * (n + m) > marked * m
    wanted = min(1.0, 2 * (drawn.sf(found - 1) if upward else drawn.cdf(found)))
    assert hypergeometric_tail(found, marked, n, m) == pytest.approx(wanted, rel=1e-7, abs=1e-290)


def test_a_rare_status_in_a_small_sample_proves_little() -> None:
    """One null among 30 rows, after none in 5,000, has the chance that it has: where a normal one would say 1e-38."""
    assert hypergeometric_tail(1, 1, 5_000, 30) == pytest.approx(2 * 30 / 5_030)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_chances_are_adjusted_as_scipy_does(chances: list[float]) -> None:
    """Benjamini-Hochberg rates agree with scipy's."""
    assert adjusted(chances) == pytest.approx(list(stats.false_discovery_control(chances)))


@pytest.mark.parametrize(("n", "m"), [(300, 300), (2_000, 50), (60, 900)])
def test_new_categories_by_chance_alone(n: int, m: int) -> None:
    """The mean of rows in unseen categories is exact, and its tail bounds what many shuffles give."""
    random = np.random.default_rng(n)
    pooled = random.zipf(1.7, n + m)
    counts = sorted(Counter(Counter(pooled.tolist()).values()).items())
    found = []
    for _ in range(2_000):
        random.shuffle(pooled)
        found.append(int((~np.isin(pooled[n:], pooled[:n])).sum()))
    mean, deviation = unseen_expected(counts, n, m)
    assert mean == pytest.approx(np.mean(found), abs=5 * np.std(found) / math.sqrt(2_000))
    assert np.std(found) <= deviation * 1.1
    for level in np.quantile(found, (0.5, 0.9, 0.99, 1.0)):
        assert unseen_tail(int(level), counts, n, m) >= np.mean(np.array(found) >= level) * 0.8
    everyone_new = unseen_tail(m, counts, n, m)
    assert everyone_new < 1e-6


def test_a_category_that_is_common_and_new_is_no_chance() -> None:
    """A value that a third of the served rows have and no training row had is proven at once."""
    assert unseen_tail(100, [(100, 1), (400, 2), (300, 1)], 900, 300) < 1e-40


VALUES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda random, size: random.normal(size=size),
    "heavy": lambda random, size: random.lognormal(sigma=3, size=size),
    "cauchy": lambda random, size: random.standard_cauchy(size),
    "rare": lambda random, size: (random.random(size) < 0.01) * random.lognormal(sigma=2, size=size),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize(("n", "m"), [(30, 30), (3_000, 30), (300, 300), (30, 3_000)])
def test_the_bound_on_means_holds(kind: str, n: int, m: int) -> None:
    """Whatever the values and the two sizes, a difference of means by chance is as rare as the bound says or rarer."""
    random = np.random.default_rng(n + m)
    draws = 1_500
    chances = []
    for _ in range(draws):
        values = VALUES[kind](random, n + m)
        reach = float(np.ptp(values)) or 1.0
        apart = abs(values[:n].mean() - values[n:].mean()) / reach
        chances.append(2 * bernstein_tail(apart, float(np.var(values / reach)), 1.0, 1 / n + 1 / m))
    for level in (0.1, 0.01, 0.001):
        assert np.sum(np.array(chances) <= level) <= stats.binom.ppf(0.9999, draws, level)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize(("n", "m"), [(30, 30), (3_000, 30), (300, 300), (30, 3_000)])
def test_the_bound_on_wasserstein_holds(kind: str, n: int, m: int) -> None:
    """So is an area between two distribution functions that is over the expected one."""
    random = np.random.default_rng(n + 7 * m)
    draws = 600
    chances = []
    for _ in range(draws):
        values = VALUES[kind](random, n + m)
        values /= float(np.ptp(values)) or 1.0
        order = np.argsort(values, kind="stable")
        steps, below = np.diff(values[order]), np.cumsum(order < n)[:-1]
        ranks = np.arange(1, n + m)
        area = (abs(below / n - (ranks - below) / m) * steps).sum()
        share = ranks / (n + m)
        expected = math.sqrt(2 / math.pi * (1 / n + 1 / m)) * (np.sqrt(share * (1 - share)) * steps).sum()
        chances.append(bernstein_tail(area - expected, float(np.var(values)), 1.0, 1 / n + 1 / m))
    for level in (0.1, 0.01, 0.001):
        assert np.sum(np.array(chances) <= level) <= stats.binom.ppf(0.9999, draws, level)
