"""Exponential functions: the argument less a multiple of ln 2 in two parts (Cody & Waite 1980), then a polynomial.

The coefficients interpolate (e^r - 1 - r) / r^2 at the Chebyshev points of |r| <= 0.34658.
"""

from __future__ import annotations

from typing import Final

from featurestore.semantics.kernels.machine import LARGEST, Machine, Operand, exact_product, whole

INVERSE_LN2: Final = 1.4426950408889634
LN2_HIGH: Final = 0.6931471803691238
"""The first 32 bits of ln 2, so that a product with a whole number of 21 bits is exact."""
LN2_LOW: Final = 1.9082149292705877e-10
LN2: Final = 0.6931471805599453
LN2_REST: Final = 2.3190468138462996e-17
E2, E3, E4, E5 = 0.5, 0.1666666666666667, 0.04166666666666667, 0.00833333333332614
E6, E7, E8, E9 = 0.0013888888888883752, 0.00019841269874804214, 2.4801587325536023e-05, 2.7557255421023506e-06
E10, E11, E12 = 2.7557273657975953e-07, 2.5105208339987698e-08, 2.0914680780540263e-09


def near_one(r: Operand, rest: Operand) -> Operand:
    """e^(r + rest) for |r| <= 0.34658 and a rest that is no more than a rounding error of r.

    1 + r is kept exactly, so all errors but the last rounding are below 0.2 ulp.
    """
    terms = E6 + r * (E7 + r * (E8 + r * (E9 + r * (E10 + r * (E11 + r * E12)))))
    terms = r * r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * terms))))
    total = 1.0 + r
    return total + ((r - (total - 1.0)) + (terms + (rest + r * rest)))


def exponential(machine: Machine, x: Operand, rest: Operand) -> Operand:
    """e^(x + rest) for x from -746 to 711; infinite where it is."""
    k = whole(x * INVERSE_LN2)
    high, low = x - k * LN2_HIGH, k * LN2_LOW - rest
    r = high - low
    return machine.scaled(near_one(r, (high - r) - low), k)


def exp(machine: Machine, x: Operand) -> Operand:
    """e^x; null where it is beyond the largest double, 0 where it is below half the smallest."""
    near = machine.choose(x < -746.0, -746.0, machine.choose(x > 711.0, 711.0, x))
    y = exponential(machine, near, 0.0)
    return machine.choose(y <= LARGEST, y, None)


def exp2(machine: Machine, x: Operand) -> Operand:
    """2^x; exact for whole numbers, null from 1024 on."""
    near = machine.choose(x < -1080.0, -1080.0, machine.choose(x > 1025.0, 1025.0, x))
    k = whole(near)
    f = near - k
    r, rest = exact_product(f, LN2)
    y = machine.scaled(near_one(r, rest + f * LN2_REST), k)
    return machine.choose(y <= LARGEST, y, None)


def exp2_fraction(machine: Machine, f: Operand) -> Operand:
    """2^f for f in [0, 1], within 1 ulp: what is left of a decay beside whole halvings."""
    up = machine.choose(f > 0.5, 1.0, 0.0)
    part = f - up
    r, rest = exact_product(part, LN2)
    return near_one(r, rest + part * LN2_REST) * (1.0 + up)
