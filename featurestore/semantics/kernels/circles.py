"""Sine and cosine: the angle less a multiple of a quarter turn, then a polynomial of what is left.

The quarter turn is in four parts, the first three of 33 bits, so that their products with a whole number below 2^20
are exact (Cody & Waite 1980). The coefficients interpolate (sin(r) / r - 1) / z and (cos(r) - 1 + z / 2) / z^2 in
z = r^2 at the Chebyshev points of |r| <= pi / 4; leading terms are corrected as in fdlibm (Sun Microsystems, 1993).
"""

from __future__ import annotations

from typing import Final

from featurestore.semantics.kernels.machine import Machine, Operand, exact_sum, ordered_sum, whole

LIMIT: Final = 1e6
"""Radians, beyond which sine and cosine are null: the reduction is exact for 2^20 quarter turns."""
QUARTERS_PER_RADIAN: Final = 0.6366197723675814
QUARTER_1, QUARTER_2, QUARTER_3 = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21
QUARTER_4: Final = 8.4784276603689e-32
S1, S2, S3, S4 = -0.16666666666666666, 0.008333333333333331, -0.00019841269841265063, 2.7557319219337312e-06
S5, S6, S7 = -2.5052106231802837e-08, 1.6058531516797758e-10, -7.586691094197958e-13
C1, C2, C3 = 0.041666666666666664, -0.0013888888888887398, 2.480158729876456e-05
C4, C5, C6 = -2.7557317271145144e-07, 2.087614614655861e-09, -1.1382623647474604e-11


def sine_parts(r: Operand, rest: Operand) -> tuple[Operand, Operand]:
    """sin(r + rest) for |r| <= pi / 4 as a float and its correction, which is at most a ninth of it."""
    z = r * r
    v = z * r
    terms = S2 + z * (S3 + z * (S4 + z * (S5 + z * (S6 + z * S7))))
    return r, rest + (v * S1 - z * (0.5 * rest - v * terms))


def cosine_parts(r: Operand, rest: Operand) -> tuple[Operand, Operand]:
    """cos(r + rest) for |r| <= pi / 4 as a float and its correction."""
    z = r * r
    half = 0.5 * z
    total = 1.0 - half
    terms = C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6))))
    return total, ((1.0 - total) - half) + (z * z * terms - r * rest)


def _quarters(x: Operand) -> tuple[Operand, Operand, Operand]:
    """Which quarter turn an angle is nearest to, from -2 to 2, and how far it is from that, in two floats."""
    n = whole(x * QUARTERS_PER_RADIAN)
    first, first_rest = exact_sum(x - n * QUARTER_1, -(n * QUARTER_2))
    second, second_rest = exact_sum(first, -(n * QUARTER_3))
    r, rest = ordered_sum(second, (first_rest + second_rest) - n * QUARTER_4)
    return n - 4.0 * whole(n * 0.25), r, rest


def _turned(machine: Machine, quarter: Operand, r: Operand, rest: Operand) -> Operand:
    """The sine of an angle in the first quarter after `quarter` turns by a right angle, from -2 to 3."""
    sine, sine_rest = sine_parts(r, rest)
    cosine, cosine_rest = cosine_parts(r, rest)
    odd = quarter * quarter == 1.0
    value = machine.choose(odd, cosine + cosine_rest, sine + sine_rest)
    return machine.choose((quarter == 0.0) | (quarter == 1.0), value, 0.0 - value)


def sin(machine: Machine, x: Operand) -> Operand:
    """The sine of an angle in radians; null beyond 1e6."""
    inside = (x >= -LIMIT) & (x <= LIMIT)
    quarter, r, rest = _quarters(machine.choose(inside, x, 0.0))
    return machine.choose(inside, _turned(machine, quarter, r, rest) + 0.0, None)


def cos(machine: Machine, x: Operand) -> Operand:
    """The cosine of an angle in radians; null beyond 1e6."""
    inside = (x >= -LIMIT) & (x <= LIMIT)
    quarter, r, rest = _quarters(machine.choose(inside, x, 0.0))
    turned = machine.choose(quarter >= 2.0, -2.0, quarter) + 1.0
    return machine.choose(inside, _turned(machine, turned, r, rest) + 0.0, None)
