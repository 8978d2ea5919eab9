"""Logarithms and powers: x = 2^k * (1 + f), and ln(1 + f) from the series of atanh(f / (2 + f)) made short.

The plain logarithm corrects its leading terms as fdlibm (Sun Microsystems, 1993) does. Other logarithms and powers need
more digits than a double has and take two floats, as Dekker (1971) does. The coefficients interpolate the rest of the
series in z = s^2 at the Chebyshev points of 0 <= z <= 0.02944.
"""

from __future__ import annotations

from typing import Final

from featurestore.semantics.kernels.exponentials import LN2_HIGH, LN2_LOW, exponential
from featurestore.semantics.kernels.machine import (
    LARGEST,
    Machine,
    Operand,
    exact_product,
    exact_sum,
    ordered_sum,
)

# ln((1 + s) / (1 - s)) = 2s + s * z * (L1 + L2 * z + ...)
L1, L2, L3, L4 = 0.6666666666666666, 0.4000000000000088, 0.28571428570803614, 0.22222222391713917
L5, L6, L7, L8 = 0.18181795640132906, 0.15386239702814658, 0.13268773138656886, 0.13086626147840102
# the same, with 2/3 in two floats before the rest
TWO_THIRDS, TWO_THIRDS_REST = 0.6666666666666666, 3.700743415417188e-17
P2, P3, P4, P5 = 0.4, 0.28571428571429364, 0.22222222221656232, 0.18181818335314404
P6, P7, P8, P9 = 0.15384594970895457, 0.13334804238225345, 0.11706248540922386, 0.11723051028097753
INVERSE_LN2, INVERSE_LN2_REST = 1.4426950408889634, 2.0355273740931033e-17
INVERSE_LN10, INVERSE_LN10_REST = 0.4342944819032518, 1.098319650216765e-17
BEYOND: Final = 2.0**64
"""An exponent of this size gives 1, 0 or infinity: no double but 1 is nearer to 1 than 2^-53."""


def joined(f: Operand, k: Operand, correction: Operand) -> Operand:
    """ln(1 + f) + k * ln 2 + a small correction, for 1 + f in [sqrt(1/2), sqrt(2))."""
    s = f / (2.0 + f)
    z = s * s
    rest = z * (L1 + z * (L2 + z * (L3 + z * (L4 + z * (L5 + z * (L6 + z * (L7 + z * L8)))))))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + rest) + (k * LN2_LOW + correction))) - f)


def log(machine: Machine, x: Operand) -> Operand:
    """The natural logarithm; null unless x > 0."""
    significand, k = machine.split(machine.choose(x > 0.0, x, 1.0))
    return machine.choose(x > 0.0, joined(significand - 1.0, k, 0.0), None)


def log1p(machine: Machine, x: Operand) -> Operand:
    """ln(1 + x) without loss near zero; null unless x > -1."""
    inside = machine.choose(x > -1.0, x, 0.0)
    u, lost = exact_sum(1.0, inside)
    significand, k = machine.split(u)
    near = (k >= 0.0) & (k <= 0.0)
    f = machine.choose(near, inside, significand - 1.0)
    return machine.choose(x > -1.0, joined(f, k, machine.choose(near, 0.0, lost / u)), None)


def in_two_floats(machine: Machine, x: Operand) -> tuple[Operand, Operand]:
    """The natural logarithm of a positive float as a sum of two, within 2^-62 of it."""
    significand, k = machine.split(x)
    f = significand - 1.0
    below, below_rest = ordered_sum(2.0, f)
    s = f / below
    product, product_rest = exact_product(s, below)
    s_rest = (((f - product) - product_rest) - s * below_rest) / below
    z, z_rest = exact_product(s, s)
    z_rest = z_rest + 2.0 * s * s_rest
    terms = z * (P2 + z * (P3 + z * (P4 + z * (P5 + z * (P6 + z * (P7 + z * (P8 + z * P9)))))))
    t, t_rest = ordered_sum(TWO_THIRDS, terms)
    w, w_rest = exact_product(z, t)
    w_rest = w_rest + (z * (t_rest + TWO_THIRDS_REST) + z_rest * t)
    c, c_rest = exact_product(s, w)
    c_rest = c_rest + (s * w_rest + s_rest * w)
    high, rest = ordered_sum(2.0 * s, c)
    total, total_rest = ordered_sum(k * LN2_HIGH, high)
    return ordered_sum(total, total_rest + (k * LN2_LOW + (rest + (2.0 * s_rest + c_rest))))


def _scaled_log(machine: Machine, x: Operand, factor: float, factor_rest: float) -> Operand:
    high, low = in_two_floats(machine, machine.choose(x > 0.0, x, 1.0))
    product, rest = exact_product(high, factor)
    return machine.choose(x > 0.0, product + (rest + (low * factor + high * factor_rest)), None)


def log2(machine: Machine, x: Operand) -> Operand:
    """The logarithm to base 2; null unless x > 0."""
    return _scaled_log(machine, x, INVERSE_LN2, INVERSE_LN2_REST)


def log10(machine: Machine, x: Operand) -> Operand:
    """The logarithm to base 10; null unless x > 0."""
    return _scaled_log(machine, x, INVERSE_LN10, INVERSE_LN10_REST)


def power(machine: Machine, x: Operand, y: Operand) -> Operand:
    """x^y; null where it is not defined or beyond the largest double. x^0 is 1, of 0 too."""
    size, whole_size = abs(x), abs(y)
    halved = 0.5 * whole_size
    is_whole = (whole_size >= 4503599627370496.0) | (_nearest(machine, whole_size) == whole_size)
    is_odd = (whole_size < 9007199254740992.0) & is_whole & (_nearest(machine, halved) != halved)
    high, low = in_two_floats(machine, machine.choose(size > 0.0, size, 1.0))
    near = machine.choose(y > BEYOND, BEYOND, machine.choose(y < -BEYOND, -BEYOND, y))
    t, rest = exact_product(near, high)
    rest = rest + near * low
    outside = (t < -746.0) | (t > 711.0)
    found = exponential(
        machine,
        machine.choose(outside, machine.choose(t > 0.0, 711.0, -746.0), t),
        machine.choose(outside, 0.0, rest),
    )
    unsigned = machine.choose(size > 0.0, found, 0.0)
    value = machine.choose((x < 0.0) & is_odd, 0.0 - unsigned, unsigned)
    defined = ((x >= 0.0) | is_whole) & ((size > 0.0) | (y > 0.0)) & (unsigned <= LARGEST)
    return machine.choose((y >= 0.0) & (y <= 0.0), 1.0, machine.choose(defined, value, None))


def _nearest(machine: Machine, size: Operand) -> Operand:
    """The nearest whole number of what is not negative."""
    small = size < 4503599627370496.0
    near = machine.choose(small, size, 0.0)
    return machine.choose(small, (near + 4503599627370496.0) - 4503599627370496.0, size)
