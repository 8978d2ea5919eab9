"""Kernels against sixty digits: no answer is farther from the exact value than docs/semantics.md says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path
from types import ModuleType

import pytest

from featurestore.semantics.kernels import circles, distances, exponentials, logarithms
from featurestore.semantics.kernels.table import KERNELS
from tests.decimal_kernels import CONTEXT, arcsin, cos, exact, pi, sin, ulps
from tests.kernel_digest import by_python
from tests.strategies.kernel_values import arguments

SEMANTICS = (Path(__file__).resolve().parents[3] / "docs" / "semantics.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| `\.?(\w+)\([^`]*\)` \|.*\| ([\d.]+) \|$", SEMANTICS, re.MULTILINE)
STATED = {"exp2_fraction": 1.0} | {name: float(ulp) for name, ulp in LINES}
ONE_PLACE_KM = 1e-80


def worst(name: str, count: int) -> float:
    """The greatest distance from the exact value, in units of the last place of the exact value."""
    given = arguments(name, count)
    found = [(each, value) for each, value in zip(given, by_python(name, given), strict=True) if value is not None]
    most = 0.0
    for each, value in found:
        wanted = exact(name, *each)
        if name == "haversine" and wanted < ONE_PLACE_KM:
            assert value < ONE_PLACE_KM
            continue
        most = max(most, ulps(value, wanted, math.ulp(float(wanted))))
    return most


@pytest.mark.parametrize("name", KERNELS)
def test_r10_a_kernel_is_as_near_as_stated(name: str) -> None:
    """Every answer is within the stated bound, which is at most 2 ulp, and the bound is not idle."""
    measured = worst(name, 3000)
    assert 0.4 < measured <= STATED[name] <= 2.0


def kept(machine: ModuleType, letter: str, first: int, last: int) -> list[Decimal]:
    """The coefficients of a method, as the doubles they are."""
    return [Decimal(getattr(machine, f"{letter}{place}")) for place in range(first, last + 1)]


def log_of(z: Decimal) -> Decimal:
    """ln((1 + s) / (1 - s)) / s for z = s^2."""
    s = z.sqrt()
    return ((1 + s) / (1 - s)).ln() / s


# what is fitted, from where to where, its coefficients, how much its error counts, and the bits that must be right
FITS: dict[str, tuple[Callable[[Decimal], Decimal], float, float, list[Decimal], Callable[[Decimal], Decimal], int]] = {
    "log": (lambda z: (log_of(z) - 2) / z, 1e-9, 0.029438, kept(logarithms, "L", 1, 8), lambda z: z / 2, 60),
    "log in two floats": (
        lambda z: (log_of(z) - 2 - 2 * z / 3) / z**2,
        1e-9,
        0.029438,
        kept(logarithms, "P", 2, 9),
        lambda z: z * z / 2,
        66,
    ),
    "exp": (lambda r: (r.exp() - 1 - r) / r**2, -0.34658, 0.34658, kept(exponentials, "E", 2, 12), lambda r: r * r, 61),
    "sin": (lambda z: (sin(z.sqrt()) / z.sqrt() - 1) / z, 1e-9, 0.61686, kept(circles, "S", 1, 7), lambda z: z, 57),
    "cos": (lambda z: (cos(z.sqrt()) - 1 + z / 2) / z**2, 1e-9, 0.61686, kept(circles, "C", 1, 6), lambda z: z * z, 59),
    "square of sin": (
        lambda t: (sin(t.sqrt()) ** 2 / t - 1) / t,
        1e-9,
        0.61686,
        kept(distances, "Q", 1, 8),
        lambda t: t,
        56,
    ),
    "arcsin": (
        lambda a: (arcsin(a.sqrt()) / a.sqrt() - 1) / a,
        1e-9,
        0.5,
        kept(distances, "A", 1, 20),
        lambda a: a,
        57,
    ),
}


@pytest.mark.parametrize("fit", FITS)
def test_r10_the_coefficients_fit(fit: str) -> None:
    """A method's polynomial leaves an error far below a double's, over all of the range that it is used for."""
    function, low, high, coefficients, weight, bits = FITS[fit]
    with localcontext(CONTEXT):
        for step in range(201):
            x = Decimal(low) + (Decimal(high) - Decimal(low)) * step / 200 + Decimal("1e-30")
            polynomial = sum((each * x**place for place, each in enumerate(coefficients)), Decimal(0))
            assert abs(polynomial - function(x)) * weight(x) < Decimal(2) ** -bits


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ((exponentials.LN2_HIGH, exponentials.LN2_LOW), lambda: Decimal(2).ln()),
        ((exponentials.LN2, exponentials.LN2_REST), lambda: Decimal(2).ln()),
        ((exponentials.INVERSE_LN2, logarithms.INVERSE_LN2_REST), lambda: 1 / Decimal(2).ln()),
        ((logarithms.INVERSE_LN10, logarithms.INVERSE_LN10_REST), lambda: 1 / Decimal(10).ln()),
        ((logarithms.TWO_THIRDS, logarithms.TWO_THIRDS_REST), lambda: Decimal(2) / 3),
        ((circles.QUARTER_1, circles.QUARTER_2, circles.QUARTER_3, circles.QUARTER_4), lambda: pi() / 2),
        ((distances.RIGHT_ANGLE, distances.RIGHT_ANGLE_REST), lambda: pi() / 2),
        ((distances.DEGREE_SQUARED, distances.DEGREE_SQUARED_REST), lambda: (pi() / 180) ** 2),
        ((distances.DIAMETER_KM, distances.DIAMETER_REST), lambda: Decimal("12742.0176")),
    ],
)
def test_r10_constants_in_parts_are_near(parts: tuple[float, ...], wanted: Callable[[], Decimal]) -> None:
    """The parts of a constant add up to it as nearly as the last of them can say."""
    with localcontext(CONTEXT):
        assert abs(sum(map(Decimal, parts)) - wanted()) <= Decimal(math.ulp(parts[-1])) / 2


def test_r10_parts_leave_room_for_exact_products() -> None:
    """The first parts of ln 2 and of a quarter turn are so short that their products with whole numbers are exact."""
    assert (exponentials.LN2_HIGH * 2**32).is_integer()
    for place, part in enumerate((circles.QUARTER_1, circles.QUARTER_2, circles.QUARTER_3)):
        mantissa, _ = math.frexp(part)
        assert (mantissa * 2**33).is_integer(), place
    assert circles.LIMIT * 2 / math.pi < 2**20
