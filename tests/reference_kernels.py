"""The third voice's logarithms, powers, angles and distances (R10): the stated methods step by step in plain floats.

What a method keeps of a rounding is taken here from fractions, not from the tricks of the product, and the choices are
plain `if`s. The coefficients are the methods' own and stand here again. Where a function is undefined: ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

LN2_PARTS = (float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33"))
EXP = (
    *(0.5, 0.1666666666666667, 0.04166666666666667, 0.00833333333332614, 0.0013888888888883752, 0.00019841269874804214),
    *(2.4801587325536023e-05, 2.7557255421023506e-06, 2.7557273657975953e-07, 2.5105208339987698e-08),
    2.0914680780540263e-09,
)
LOG = (
    *(0.6666666666666666, 0.4000000000000088, 0.28571428570803614, 0.22222222391713917),
    *(0.18181795640132906, 0.15386239702814658, 0.13268773138656886, 0.13086626147840102),
)
LONG_LOG = (
    *(0.4, 0.28571428571429364, 0.22222222221656232, 0.18181818335314404),
    *(0.15384594970895457, 0.13334804238225345, 0.11706248540922386, 0.11723051028097753),
)
SIN = (
    *(0.008333333333333331, -0.00019841269841265063, 2.7557319219337312e-06, -2.5052106231802837e-08),
    *(1.6058531516797758e-10, -7.586691094197958e-13),
)
COS = (
    *(0.041666666666666664, -0.0013888888888887398, 2.480158729876456e-05, -2.7557317271145144e-07),
    *(2.087614614655861e-09, -1.1382623647474604e-11),
)
SQUARE = (
    *(-0.3333333333333333, 0.04444444444444442, -0.0031746031746022205, 0.00014109347441443),
    *(-4.27555975223751e-06, 9.396807485697059e-08, -1.565614934602085e-09, 1.9947321843510658e-11),
)
ARCSINE = (
    *(0.16666666666666666, 0.07500000000000281, 0.044642857142110116, 0.030381944522887526, 0.022372154745059474),
    *(0.0173529111467318, 0.013961555350530867, 0.011603510838884423, 0.009169300476473893, 0.013461128572352678),
    *(-0.025696523666939357, 0.17155362368625052, -0.6316746213924748, 1.901756209978699, -4.309042762029263),
    *(7.376621899019679, -9.179023041170904, 7.898747937900037, -4.209368120359712, 1.0672852668859516),
)
TWO_THIRDS, LOG2_E, LOG10_E, TURN = Fraction(2, 3), "1.4426950408889634", "0.4342944819032518", 1.5707963267948966
QUARTER = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32)
REST = {LOG2_E: 2.0355273740931033e-17, LOG10_E: 1.098319650216765e-17}
RADIAN_SQUARED = (0.0003046174197867086, -2.3763050842202423e-20)
DIAMETER_KM = 12742.0176


def plus(a: float, b: float) -> tuple[float, float]:
    """A sum, and what its rounding lost."""
    return a + b, float(Fraction(a) + Fraction(b) - Fraction(a + b))


def times(a: float, b: float) -> tuple[float, float]:
    """A product, and what its rounding lost."""
    return a * b, float(Fraction(a) * Fraction(b) - Fraction(a * b))


def series(x: float, coefficients: tuple[float, ...]) -> float:
    """A polynomial from its highest term down."""
    total = coefficients[-1]
    for each in coefficients[-2::-1]:
        total = each + x * total
    return total


def parted(x: float) -> tuple[float, float]:
    """x = (1 + f) * 2^k with 1 + f from sqrt(1/2) to sqrt(2): f and k."""
    if x <= 0.0:
        raise ValueError
    part, k = math.frexp(x)
    return (part - 1.0, float(k)) if part >= math.sqrt(0.5) else (2.0 * part - 1.0, float(k - 1))


def short_log(f: float, k: float, more: float) -> float:
    """ln(1 + f) + k * ln 2 + more."""
    s = f / (2.0 + f)
    z, half = s * s, 0.5 * f * f
    return k * LN2_PARTS[0] - ((half - (s * (half + z * series(z, LOG)) + (k * LN2_PARTS[1] + more))) - f)


def log1p(x: float) -> float:
    """ln(1 + x): with the sum's lost bits unless 1 + x is near 1."""
    u, lost = plus(1.0, x)
    f, k = parted(u)
    return short_log(f, k, lost / u) if k else short_log(x, k, 0.0)


def long_log(x: float) -> tuple[float, float]:
    """ln x in two floats."""
    f, k = parted(x)
    d, d_lost = plus(2.0, f)
    s = f / d
    product, lost = times(s, d)
    s_lost = (((f - product) - lost) - s * d_lost) / d
    z, z_lost = times(s, s)
    z_lost += 2.0 * s * s_lost
    t, t_lost = plus(float(TWO_THIRDS), z * series(z, LONG_LOG))
    w, w_lost = times(z, t)
    w_lost += z * (t_lost + float(TWO_THIRDS - Fraction(float(TWO_THIRDS)))) + z_lost * t
    c, c_lost = times(s, w)
    c_lost += s * w_lost + s_lost * w
    high, low = plus(2.0 * s, c)
    total, rest = plus(k * LN2_PARTS[0], high)
    return plus(total, rest + (k * LN2_PARTS[1] + (low + (2.0 * s_lost + c_lost))))


def based_log(x: float, factor: str) -> float:
    """ln x times a factor in two floats."""
    high, low = long_log(x)
    product, lost = times(high, float(factor))
    return product + (lost + (low * float(factor) + high * REST[factor]))


def near_one(r: float, rest: float) -> float:
    """e^(r + rest)."""
    total, lost = plus(1.0, r)
    return total + (lost + (r * r * series(r, EXP) + (rest + r * rest)))


def exp(x: float, more: float = 0.0) -> float:
    """e^(x + more). Raises: OverflowError beyond the doubles."""
    if not -746.0 <= x <= 711.0:
        if x > 0.0:
            raise OverflowError
        return 0.0
    k = round(x * 1.4426950408889634)
    high, low = x - k * LN2_PARTS[0], k * LN2_PARTS[1] - more
    return math.ldexp(near_one(high - low, (high - (high - low)) - low), k)


def exp2(x: float) -> float:
    """2^x."""
    k = round(min(max(x, -1080.0), 1025.0))
    f = x - k if -1080.0 <= x <= 1025.0 else 0.0
    r, rest = times(f, math.log(2.0))
    return math.ldexp(near_one(r, rest + f * 2.3190468138462996e-17), k)


def power(x: float, y: float) -> float:
    """x^y."""
    if y == 0.0:
        return 1.0
    if x == 0.0 or (x < 0.0 and not y.is_integer()):
        if x == 0.0 and y > 0.0:
            return 0.0
        raise ValueError
    high, low = long_log(abs(x))
    y = min(max(y, -(2.0**64)), 2.0**64)
    t, lost = times(y, high)
    return exp(t, lost + y * low) * (-1.0 if x < 0.0 and y % 2.0 == 1.0 else 1.0)


def turned(x: float, quarters: int) -> float:
    """The sine of x and so many right angles."""
    if abs(x) > 1e6:
        raise ValueError
    n = round(x * 0.6366197723675814)
    first, first_lost = plus(x - n * QUARTER[0], -(n * QUARTER[1]))
    second, second_lost = plus(first, -(n * QUARTER[2]))
    r, rest = plus(second, (first_lost + second_lost) - n * QUARTER[3])
    z, place = r * r, (n + quarters) % 4
    if place % 2:
        less = 1.0 - 0.5 * z
        value = less + (((1.0 - less) - 0.5 * z) + (z * z * series(z, COS) - r * rest))
    else:
        v = z * r
        value = r + (rest + (v * -0.16666666666666666 - z * (0.5 * rest - v * series(z, SIN))))
    return value if place < 2 else -value


def squares(degrees: float, more: float = 0.0) -> tuple[float, float]:
    """The squares of sine and cosine."""
    n = round(degrees * 0.011111111111111112)
    d = degrees - n * 90.0
    z, z_lost = times(d, d)
    t, t_lost = times(z, RADIAN_SQUARED[0])
    t_lost += (z_lost + 2.0 * d * more) * RADIAN_SQUARED[0] + z * RADIAN_SQUARED[1]
    terms = t * series(t, SQUARE)
    more_of_it = t_lost + terms * (t + 2.0 * t_lost)
    less, less_lost = plus(1.0, -t)
    both = (t + more_of_it, less + (less_lost - more_of_it))
    return both if n % 2 == 0 else both[::-1]


def haversine(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Kilometres between two places."""
    if max(abs(lat1), abs(lat2)) > 90.0 or max(abs(lon1), abs(lon2)) > 360.0:
        raise ValueError
    (ns, _), (ms, _), (es, ec) = (
        squares(both * 0.5, lost * 0.5) for both, lost in (plus(lat2, -lat1), plus(lat2, lat1), plus(lon2, -lon1))
    )
    c = math.sqrt(squares(lat1)[1] * squares(lat2)[1])
    near = ns + c * es <= ms + c * ec
    a, a_lost = plus(ns, c * es) if near else plus(ms, c * ec)
    if near and a <= 1e-250:
        return 0.0
    s = math.sqrt(a)
    square, lost = times(s, s)
    s_lost = (((a - square) - lost) + a_lost) / (2.0 * s) if s else 0.0
    angle, rest = plus(s, s_lost + s * (a * series(a, ARCSINE)))
    if not near:
        angle, angle_rest = plus(TURN, -angle)
        rest = angle_rest + (6.123233995736766e-17 - rest)
    product, lost = times(angle, DIAMETER_KM)
    return product + (lost + (rest * DIAMETER_KM + angle * 7.799826562404633e-13))


KERNELS: dict[str, Callable[..., Any]] = {
    "log": lambda x: short_log(*parted(x), 0.0),
    "log1p": log1p,
    "log2": lambda x: based_log(x, LOG2_E),
    "log10": lambda x: based_log(x, LOG10_E),
    "exp": exp,
    "exp2": exp2,
    "power": power,
    "sin": lambda x: turned(x, 0),
    "cos": lambda x: turned(x, 1),
    "haversine": haversine,
}
