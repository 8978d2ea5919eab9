"""The distance of two places on a sphere by the haversine formula, exact near and far.

With a = haversine of the angle between the places and b = that of the angle to the opposite place, a + b = 1. Both are
sums of positive terms, so neither is lost in a difference, and the smaller of them says the distance: arcsin(sqrt(a)),
or what is left of a right angle. Angles are reduced in degrees, where a right angle is a whole number. What counts is
kept in two floats (Dekker 1971). The coefficients interpolate (sin(r)^2 / t - 1) / t in t = r^2 and
(arcsin(sqrt(a)) / sqrt(a) - 1) / a at the Chebyshev points of |r| <= pi / 4 and 0 <= a <= 0.5.
"""

from __future__ import annotations

from typing import Final

from featurestore.semantics.kernels.machine import Machine, Operand, exact_product, exact_sum, ordered_sum, whole

RADIUS_KM: Final = 6371.0088
"""The mean radius of the earth (IUGG)."""
DIAMETER_KM, DIAMETER_REST = 12742.0176, 7.799826562404633e-13
DEGREE_SQUARED, DEGREE_SQUARED_REST = 0.0003046174197867086, -2.3763050842202423e-20
RIGHT_ANGLE, RIGHT_ANGLE_REST = 1.5707963267948966, 6.123233995736766e-17
Q1, Q2, Q3, Q4 = -0.3333333333333333, 0.04444444444444442, -0.0031746031746022205, 0.00014109347441443
Q5, Q6, Q7, Q8 = -4.27555975223751e-06, 9.396807485697059e-08, -1.565614934602085e-09, 1.9947321843510658e-11
A1, A2, A3, A4 = 0.16666666666666666, 0.07500000000000281, 0.044642857142110116, 0.030381944522887526
A5, A6, A7, A8 = 0.022372154745059474, 0.0173529111467318, 0.013961555350530867, 0.011603510838884423
A9, A10, A11, A12 = 0.009169300476473893, 0.013461128572352678, -0.025696523666939357, 0.17155362368625052
A13, A14, A15, A16 = -0.6316746213924748, 1.901756209978699, -4.309042762029263, 7.376621899019679
A17, A18, A19, A20 = -9.179023041170904, 7.898747937900037, -4.209368120359712, 1.0672852668859516


def squares(machine: Machine, degrees: Operand, rest: Operand) -> tuple[Operand, Operand]:
    """The squares of sine and cosine of an angle below 2^20 degrees, given in two floats."""
    turns = whole(degrees * 0.011111111111111112)
    d = degrees - turns * 90.0
    z, z_rest = exact_product(d, d)
    t, t_rest = exact_product(z, DEGREE_SQUARED)
    t_rest = t_rest + ((z_rest + 2.0 * d * rest) * DEGREE_SQUARED + z * DEGREE_SQUARED_REST)
    terms = t * (Q1 + t * (Q2 + t * (Q3 + t * (Q4 + t * (Q5 + t * (Q6 + t * (Q7 + t * Q8)))))))
    rest_of_square = t_rest + terms * (t + (t_rest + t_rest))
    less, less_rest = ordered_sum(1.0, -t)
    small, large = t + rest_of_square, less + (less_rest - rest_of_square)
    half = turns * 0.5
    even = whole(half) == half
    return machine.choose(even, small, large), machine.choose(even, large, small)


def arcsine_of_root(machine: Machine, a: Operand, a_rest: Operand) -> tuple[Operand, Operand]:
    """arcsin(sqrt(a + a_rest)) for a from 0 to 1/2, in two floats."""
    s = machine.sqrt(a)
    square, square_rest = exact_product(s, s)
    s_rest = (((a - square) - square_rest) + a_rest) / machine.choose(s > 0.0, s + s, 1.0)
    terms = A11 + a * (
        A12 + a * (A13 + a * (A14 + a * (A15 + a * (A16 + a * (A17 + a * (A18 + a * (A19 + a * A20)))))))
    )
    terms = A6 + a * (A7 + a * (A8 + a * (A9 + a * (A10 + a * terms))))
    terms = A1 + a * (A2 + a * (A3 + a * (A4 + a * (A5 + a * terms))))
    return ordered_sum(s, s_rest + s * (a * terms))


def haversine(machine: Machine, lat1: Operand, lon1: Operand, lat2: Operand, lon2: Operand) -> Operand:
    """Kilometres between two places in degrees; null beyond 90 degrees of latitude or 360 of longitude."""
    inside = (abs(lat1) <= 90.0) & (abs(lat2) <= 90.0) & (abs(lon1) <= 360.0) & (abs(lon2) <= 360.0)
    safe = machine.choose(inside, 0.5, 0.0)
    north, north_rest = exact_sum(lat2, -lat1)
    middle, middle_rest = exact_sum(lat2, lat1)
    east, east_rest = exact_sum(lon2, -lon1)
    ns, _ = squares(machine, north * safe, north_rest * safe)
    ms, _ = squares(machine, middle * safe, middle_rest * safe)
    es, ec = squares(machine, east * safe, east_rest * safe)
    _, c1 = squares(machine, machine.choose(inside, lat1, 0.0), 0.0)
    _, c2 = squares(machine, machine.choose(inside, lat2, 0.0), 0.0)
    c = machine.sqrt(c1 * c2)
    near = ns + c * es <= ms + c * ec
    a, a_rest = exact_sum(machine.choose(near, ns, ms), c * machine.choose(near, es, ec))
    high, low = arcsine_of_root(machine, a, a_rest)
    far, far_rest = ordered_sum(RIGHT_ANGLE, -high)
    angle = machine.choose(near, high, far)
    rest = machine.choose(near, low, far_rest + (RIGHT_ANGLE_REST - low))
    product, product_rest = exact_product(angle, DIAMETER_KM)
    distance = product + (product_rest + (rest * DIAMETER_KM + angle * DIAMETER_REST))
    # below this, 1e-118 km, squares lose bits to underflow: the places are one
    one_place = near & (a <= 1e-250)
    return machine.choose(inside, machine.choose(one_place, 0.0, distance), None)
