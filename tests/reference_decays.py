"""The third voice's decays (R9): exact sums of blocks as fractions, then the stated steps in plain floats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tests.reference_functions import units

LN2, LN2_REST = 0.6931471805599453, 2.3190468138462996e-17
SERIES = (
    *(0.5, 0.1666666666666667, 0.04166666666666667, 0.00833333333332614, 0.0013888888888883752, 0.00019841269874804214),
    *(2.4801587325536023e-05, 2.7557255421023506e-06, 2.7557273657975953e-07, 2.5105208339987698e-08),
    2.0914680780540263e-09,
)


def decayed(function: str, pairs: Sequence[tuple[Any, int]], halflife_us: int, as_of_us: int) -> tuple[Any, bool]:
    """A decayed aggregate of values with the instants of their rows, and whether it overflowed."""
    sums: dict[int, Fraction] = {}
    weights: dict[int, Fraction] = {}
    for value, at_us in pairs:
        block, power = at_us // halflife_us, raised((at_us % halflife_us) / halflife_us)
        grown = float(value) * power
        if abs(grown) >= 2.0**63:
            return None, True
        sums[block] = sums.get(block, Fraction(0)) + units(grown)
        weights[block] = weights.get(block, Fraction(0)) + units(power)
    if any(not -(2**63) <= total < 2**63 for total in sums.values()):
        return None, True
    if not pairs:
        return (0.0 if function == "decayed_rows" else None), False
    now = as_of_us // halflife_us
    if function == "decayed_mean":
        return faded(sums, now) / faded(weights, now), False
    return faded(sums, now) / raised((as_of_us % halflife_us) / halflife_us), False


def faded(blocks: dict[int, Fraction], now: int) -> float:
    """From the oldest block on: what there was is halved for each block that has passed, and the next added."""
    total = 0.0
    for block in range(min(blocks), now + 1):
        total = total / 2.0 + float(blocks.get(block, 0))
    return total


def raised(part: float) -> float:
    """2^part for a part from 0 to 1, by a series about the nearer end."""
    near = part - 1.0 if part > 0.5 else part
    r = near * LN2
    rest = float(Fraction(near) * Fraction(LN2) - Fraction(r)) + near * LN2_REST
    total = 0.0
    for coefficient in reversed(SERIES):
        total = coefficient + r * total
    first = 1.0 + r
    found = first + ((r - (first - 1.0)) + (r * r * total + (rest + r * rest)))
    return found * 2.0 if part > 0.5 else found


def close_to(pairs: Sequence[tuple[float, int]], halflife_us: int, as_of_us: int) -> float:
    """What a decayed sum approximates: every value times its own power, added exactly."""
    return math.fsum(value * 2.0 ** ((at_us - as_of_us) / halflife_us) for value, at_us in pairs)
