"""What the third voice says of two columns, and of the shape of one: R9's sums of products, as fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from tests.reference_functions import summed, units


def paired(function: str, pairs: Sequence[tuple[float, float]]) -> tuple[float | None, bool]:
    """Covariance, correlation or slope of pairs, and whether it overflowed."""
    if any(abs(value) >= 2**63 for pair in pairs for value in pair if isinstance(value, float)):
        return None, True
    left, right = [units(x) for x, _ in pairs], [units(y) for _, y in pairs]
    unit = 2**64 if pairs and isinstance(pairs[0][0], float) else 1

    def deviation(a: Sequence[Fraction], b: Sequence[Fraction]) -> float:
        total = sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
        return digits((len(pairs) * total - sum(a, Fraction(0)) * sum(b, Fraction(0))) * unit**2)

    both, first, second, n = deviation(left, right), deviation(left, left), deviation(right, right), len(pairs)
    match function:
        case "correlation":
            steep = first > 0 and second > 0
            return (sorted([-1.0, both / math.sqrt(first * second), 1.0])[1] if steep else None), False
        case "slope":
            return (both / second if second > 0 else None), False
    divisor = float(n) * float(n if function == "covariance_pop" else n - 1)
    return (both * (1.0 / unit**2) / divisor if divisor > 0 else None), False


def digits(number: Fraction) -> float:
    """A whole number as a float: its size by its digits in base 2^32 added from the lowest, and its sign."""
    assert number.denominator == 1, "in squared units it is whole"
    value, scale, left = 0.0, 1.0, abs(number.numerator)
    while left:
        value, scale, left = value + float(left % 2**32) * scale, scale * 2.0**32, left // 2**32
    return -value if number < 0 else value


def shaped(function: str, present: Sequence[float]) -> tuple[float | None, bool]:
    """Skewness or kurtosis by the stated steps: the mean, then powers of the distances from the least value up."""
    mean, overflow = summed([float(value) for value in present], mean=True)
    if overflow:
        return None, True
    taken = sorted(float(units(float(value))) for value in present)
    sample, n = not function.endswith("_pop"), float(len(taken))
    if n < ((3 if function.startswith("skew") else 4) if sample else 2) or taken[0] == taken[-1]:
        return None, False
    sums = {2: 0.0, 3: 0.0, 4: 0.0}
    for value in dict.fromkeys(taken):
        d, count = value - mean, float(taken.count(value))
        for power, raised in ((2, d * d), (3, d * d * d), (4, (d * d) * (d * d))):
            sums[power] += count * raised
    if function.startswith("skew"):
        skewed = math.sqrt(n) * sums[3] / (sums[2] * math.sqrt(sums[2]))
        return (skewed * (math.sqrt(n * (n - 1)) / (n - 2)) if sample else skewed), False
    peaked = n * sums[4] / (sums[2] * sums[2]) - 3
    return (((n + 1) * peaked + 6) * ((n - 1) / ((n - 2) * (n - 3))) if sample else peaked), False
