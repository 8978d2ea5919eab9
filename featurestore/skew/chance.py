"""What chance alone does to two samples of one distribution: tail probabilities, each exact, asymptotic or a bound.

`n` and `m` are the sizes of the samples, `spread` is 1/n + 1/m: the variance of a difference of two means is the
variance of one value times that. Only the standard library: each function is compared with scipy, or simulated, in
tests/check/test_chance.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def chi2_tail(x: float, degrees: int) -> float:
    """P(chi-squared with so many degrees of freedom >= x), by its finite sum.

    >>> round(chi2_tail(3.841, 1), 4), round(chi2_tail(18.307, 10), 4)
    (0.05, 0.05)
    """
    if x <= 0 or degrees < 1:
        return 1.0
    half, start = x / 2, (degrees % 2) / 2
    logs = [(start + i) * math.log(half) - math.lgamma(start + i + 1) for i in range(degrees // 2)]
    total = math.fsum(math.exp(each - half) for each in logs)
    return min(1.0, total + (math.erfc(math.sqrt(half)) if degrees % 2 else 0.0))


def kolmogorov_tail(distance: float, spread: float) -> float:
    """P(the two-sample KS distance >= `distance`), asymptotically; with ties the truth is smaller.

    >>> round(kolmogorov_tail(1.3581, 1.0), 4)
    0.05
    """
    x = distance / math.sqrt(spread)
    if x < 0.2:  # the sum is 1 to the last bit
        return 1.0
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, math.fsum(terms)))


def hypergeometric_tail(found: int, marked: int, n: int, m: int) -> float:
    """Fisher's exact test: twice the chance that a draw of `m` of the `n + m` rows, `marked` of them, has at least so
    many marked ones as were `found`, or at most so many if that is the rarer.

    >>> round(hypergeometric_tail(0, 3, 10, 10), 4)
    0.2105
    """
    low, high = max(0, marked - n), min(marked, m)
    upward = found * (n + m) > marked * m
    end, step = (high, 1) if upward else (low, -1)
    term = math.exp(_log_choose(marked, found) + _log_choose(n + m - marked, m - found) - _log_choose(n + m, m))
    total, k = term, found
    while k != end and term > total * 1e-17:
        up, down = (marked - k) * (m - k), k * (n - marked + k)
        term *= up / ((k + 1) * (n - marked + k + 1)) if upward else down / ((marked - k + 1) * (m - k + 1))
        total, k = total + term, k + step
    return min(1.0, 2 * total)


def bernstein_tail(excess: float, variance: float, reach: float, spread: float) -> float:
    """A bound on P(a difference of two means, or of two distribution functions over their range, exceeds what is
    expected by `excess`), for values of this variance over both samples, none further than `reach` from another. One
    outlier in a small sample proves nothing, and here it does not: the bound has the reach in it.

    Source: Bernstein's inequality; without replacement Bardenet & Maillard 2015, whose terms of lower order are left
            out. The Gaussian part of Wasserstein-1 is Borell's inequality. Both are simulated in the tests.
    """
    if excess <= 0:
        return 1.0
    return math.exp(-(excess**2) / (2 * spread * (variance + reach * excess / 3)))


def unseen_expected(counts: Sequence[tuple[int, int]], n: int, m: int) -> tuple[float, float]:
    """How many of `m` rows are in categories that none of the other `n` has, by chance alone: the mean, and a bound on
    the standard deviation.

    Shape:  `counts` are `(rows, categories)`: how many categories have so many rows in both samples together.
    """
    parts = [(rows, number, math.exp(_log_all_served(rows, n, m))) for rows, number in counts]
    mean = math.fsum(number * rows * chance for rows, number, chance in parts)
    variance = math.fsum(number * rows**2 * chance * (1 - chance) for rows, number, chance in parts)
    return mean, math.sqrt(variance)


def unseen_tail(found: int, counts: Sequence[tuple[int, int]], n: int, m: int) -> float:
    """A bound on P(at least `found` of `m` rows are in categories that none of the other `n` has).

    Whether all rows of a category fall among the `m` is negatively associated between categories (Joag-Dev & Proschan
    1983), so Chernoff's bound holds as if they were independent; its exponent is convex and is searched for.
    """
    parts = [(rows, number, _log_all_served(rows, n, m)) for rows, number in counts if rows <= m]

    def exponent(tilt: float) -> float:
        return math.fsum(number * _log_tilted(log, tilt * rows) for rows, number, log in parts) - tilt * found

    low, high = 0.0, 50.0
    for _ in range(80):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if exponent(left) < exponent(right) else (left, high)
    return min(1.0, math.exp(min(0.0, exponent(low))))


def adjusted(chances: Sequence[float]) -> list[float]:
    """Each chance as a false discovery rate among all of them.

    Source: Benjamini & Hochberg 1995.

    >>> adjusted([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.03]
    """
    order = sorted(range(len(chances)), key=lambda place: chances[place], reverse=True)
    found, least = [1.0] * len(chances), 1.0
    for behind, place in enumerate(order):
        least = min(least, chances[place] * len(chances) / (len(chances) - behind))
        found[place] = least
    return found


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_all_served(rows: int, n: int, m: int) -> float:
    """The log of the chance that all rows of a category are among the `m`."""
    if rows > m:
        return -math.inf
    return math.lgamma(m + 1) - math.lgamma(m - rows + 1) + math.lgamma(n + m - rows + 1) - math.lgamma(n + m + 1)


def _log_tilted(log_chance: float, tilt: float) -> float:
    """The log of E(exp(tilt * I)) for an I that is 1 with that chance."""
    if log_chance == -math.inf:
        return 0.0
    if tilt > 700:
        return tilt + log_chance if tilt + log_chance > 40 else math.log1p(math.exp(tilt + log_chance))
    return math.log1p(math.exp(log_chance) * math.expm1(tilt))
