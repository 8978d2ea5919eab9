"""Logarithms, powers, angles and distances to sixty digits: `decimal`'s own where it has them, else their series."""

from __future__ import annotations

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from functools import cache
from typing import Any

DIGITS = 60
CONTEXT = Context(prec=DIGITS + 40, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""More digits than are kept, for what cancels; an angle of a million turns loses six."""
RADIUS_KM = Decimal("6371.0088")


@cache
def pi() -> Decimal:
    """Machin's formula."""
    return 16 * _arctan_of_inverse(5) - 4 * _arctan_of_inverse(239)


def _arctan_of_inverse(n: int) -> Decimal:
    total, power, k = Decimal(0), Decimal(1) / n, 0
    while abs(power) > Decimal(10) ** -(CONTEXT.prec + 5):
        total += power / (2 * k + 1)
        power, k = -power / (n * n), k + 1
    return total


def sin(x: Decimal) -> Decimal:
    """Whole turns are left out; Taylor's series."""
    x = x - 2 * pi() * (x / (2 * pi())).to_integral_value()
    total, term, k = Decimal(0), x, 1
    while term and abs(term) > abs(total) * Decimal(10) ** -CONTEXT.prec:
        total += term
        term, k = -term * x * x / ((k + 1) * (k + 2)), k + 2
    return total


def cos(x: Decimal) -> Decimal:
    """From the sine."""
    return sin(x + pi() / 2)


def arcsin(s: Decimal) -> Decimal:
    """For 0 <= s <= 0.71: halved until its series is short."""
    if s > Decimal("0.1"):
        return 2 * arcsin(s / (2 * (1 + (1 - s * s).sqrt())).sqrt())
    total, term, k = Decimal(0), s, 1
    while term and term > total * Decimal(10) ** -CONTEXT.prec:
        total += term / k
        term, k = term * s * s * k / (k + 1), k + 2
    return total


def haversine(*degrees: Decimal) -> Decimal:
    """From the half chord to the place, or to its opposite where that is shorter."""
    lat1, lon1, lat2, lon2 = (each * pi() / 180 for each in degrees)
    both = cos(lat1) * cos(lat2)
    chord = sin((lat2 - lat1) / 2) ** 2 + both * sin((lon2 - lon1) / 2) ** 2
    if chord <= Decimal("0.5"):
        return 2 * RADIUS_KM * arcsin(chord.sqrt())
    opposite = sin((lat1 + lat2) / 2) ** 2 + both * cos((lon2 - lon1) / 2) ** 2
    return RADIUS_KM * (pi() - 2 * arcsin(opposite.sqrt()))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "log": lambda x: x.ln(),
    "log1p": lambda x: (1 + x).ln() if abs(x) > Decimal(10) ** -DIGITS else x - x * x / 2,
    "log2": lambda x: x.ln() / Decimal(2).ln(),
    "log10": lambda x: x.log10(),
    "exp": lambda x: x.exp(),
    "exp2": lambda x: Decimal(2) ** x,
    "exp2_fraction": lambda x: Decimal(2) ** x,
    "power": lambda x, y: Decimal(1) if y == 0 else x**y,
    "sin": sin,
    "cos": cos,
    "haversine": haversine,
}


def exact(name: str, *arguments: float) -> Decimal:
    """The value of a function of floats."""
    with localcontext(CONTEXT):
        return Decimal(FUNCTIONS[name](*map(Decimal, arguments)))


def ulps(found: float, wanted: Decimal, ulp: float) -> float:
    """How far a float is from a value, in units of the last place."""
    with localcontext(CONTEXT):
        return float(abs(Decimal(found) - wanted) / Decimal(ulp))
