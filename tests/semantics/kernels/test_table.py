"""Kernels: one definition, the same bits from Python, from DuckDB's columns and from its macros, on every processor."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from featurestore.semantics.kernels.table import KERNELS, macros_used
from tests.kernel_digest import by_columns, by_macro, by_python, digest
from tests.reference_functions import entered
from tests.reference_kernels import KERNELS as RULES
from tests.strategies.kernel_values import LARGEST, SMALLEST, arguments

ROOT = Path(__file__).resolve().parents[3]
NO_FMA = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F,-FMA_Usable,-FMA4_Usable,-AVX2_Usable,-AVX512F_Usable"
DIGESTS = {
    "log": "8909bebc",
    "log1p": "0b95860a",
    "log2": "418ec4e4",
    "log10": "34008b00",
    "exp": "01632731",
    "exp2": "fe3b7e01",
    "exp2_fraction": "b1c44f78",
    "power": "e476ed5a",
    "sin": "754d13c0",
    "cos": "f2b942d2",
    "haversine": "b057a6c8",
}
"""Of the bits over the arguments of `tests.kernel_digest`; a change here is a new version of every feature (R20)."""


@pytest.mark.parametrize("name", KERNELS)
def test_r10_a_kernel_has_one_answer(name: str) -> None:
    """Python, columns and macro give the same bits over thousands of arguments."""
    given = arguments(name, 6000)
    found = by_python(name, given)
    for other in (by_columns(name, given), by_macro(name, given)):
        wrong = [each for each in zip(given, found, other, strict=True) if digest(each[1:2]) != digest(each[2:])]
        assert wrong == []
    assert sum(value is not None for value in found) > len(found) / 3


@pytest.mark.parametrize("tunables", ["", NO_FMA], ids=["as it is", "without FMA"])
def test_r10_bits_are_those_of_every_processor(tunables: str) -> None:
    """The bits are pinned, and the C library's choice of instructions does not change them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernel_digest"],
        cwd=ROOT,
        env=os.environ | {"GLIBC_TUNABLES": tunables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == [f"{name} {' '.join([bits] * 3)}" for name, bits in DIGESTS.items()]


@pytest.mark.parametrize("name", RULES)
def test_r10_a_kernel_is_its_stated_method(name: str) -> None:
    """The methods written down step by step, with fractions for what is lost, give the same bits."""
    given = arguments(name, 1500)
    assert [*zip(given, map(repr, by_python(name, given)), strict=True)] == [
        (each, repr(_by_rule(name, each))) for each in given
    ]


def _by_rule(name: str, given: tuple[float, ...]) -> float | None:
    try:
        value: float | None = entered(RULES[name](*given))
        return value
    except (ValueError, OverflowError):
        return None


@pytest.mark.parametrize("name", KERNELS)
def test_r7_answers_are_numbers(name: str) -> None:
    """No answer is infinite, NaN or -0.0."""
    for value in by_python(name, arguments(name, 3000)):
        assert value is None or (math.isfinite(value) and repr(value) != "-0.0")


@pytest.mark.parametrize("name", KERNELS)
def test_r10_null_in_gives_null_out(name: str) -> None:
    """Any null argument gives null in DuckDB, where another argument would decide too."""
    places = range(len(KERNELS[name].parameters))
    nulls = [tuple(None if place == hole else 0.0 for place in places) for hole in places]
    assert by_columns(name, nulls) == by_macro(name, nulls) == [None] * len(nulls)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("log", (1.0,), 0.0),
        ("log", (0.0,), None),
        ("log", (-1.0,), None),
        ("log", (SMALLEST,), -744.4400719213812),
        ("log1p", (-1.0,), None),
        ("log1p", (1e-300,), 1e-300),
        ("log2", (SMALLEST,), -1074.0),
        ("log2", (8.0,), 3.0),
        ("log10", (1000.0,), 3.0),
        ("log10", (1e22,), 22.0),
        ("log10", (0.0,), None),
        ("exp", (0.0,), 1.0),
        ("exp", (709.782712893384,), 1.7976931348622732e308),
        ("exp", (709.7827128933841,), None),
        ("exp", (-745.1332191019411,), SMALLEST),
        ("exp", (-745.1332191019412,), 0.0),
        ("exp", (-1e300,), 0.0),
        ("exp2", (-1074.0,), SMALLEST),
        ("exp2", (1023.0,), 2.0**1023),
        ("exp2", (1024.0,), None),
        ("exp2_fraction", (0.0,), 1.0),
        ("exp2_fraction", (1.0,), 2.0),
        ("power", (0.0, 0.0), 1.0),
        ("power", (0.0, -1.0), None),
        ("power", (0.0, 2.0), 0.0),
        ("power", (-2.0, 3.0), -8.0),
        ("power", (-2.0, 2.0), 4.0),
        ("power", (-2.0, 0.5), None),
        ("power", (-2.0, -1074.0), SMALLEST),
        ("power", (-2.0, -1075.0), 0.0),
        ("power", (-2.0, 1023.0), -(2.0**1023)),
        ("power", (-2.0, 1024.0), None),
        ("power", (-1.0, 2.0**53 - 1), -1.0),
        ("power", (-1.0, 2.0**53), 1.0),
        ("power", (-1.0, 2.0**52 - 0.5), None),
        ("power", (10.0, 22.0), 1e22),
        ("power", (1.0, LARGEST), 1.0),
        ("power", (math.nextafter(1.0, 0.0), LARGEST), 0.0),
        ("power", (math.nextafter(1.0, 2.0), LARGEST), None),
        ("power", (2.0, SMALLEST), 1.0),
        ("sin", (0.0,), 0.0),
        ("sin", (1e6,), -0.34999350217129294),
        ("sin", (math.nextafter(1e6, 2e6),), None),
        ("cos", (0.0,), 1.0),
        ("cos", (1.5707963267948966,), 6.123233995736766e-17),
        ("haversine", (0.0, 0.0, 0.0, 180.0), 20015.114442035923),
        ("haversine", (90.0, 0.0, -90.0, 77.0), 20015.114442035923),
        ("haversine", (0.0, 0.0, 0.0, 90.0), 10007.557221017962),
        ("haversine", (45.0, -180.0, 45.0, 180.0), 0.0),
        ("haversine", (90.0, 10.0, 90.0, 70.0), 0.0),
        ("haversine", (90.5, 0.0, 0.0, 0.0), None),
        ("haversine", (0.0, 0.0, 0.0, 360.5), None),
    ],
)
def test_r10_edges_by_hand(name: str, given: tuple[float, ...], expected: float | None) -> None:
    """Ends of domains, exact cases, overflow and underflow."""
    assert repr(KERNELS[name].python(*given)) == repr(expected)


def test_r10_powers_that_are_floats_are_exact() -> None:
    """A whole power of a whole number is that number, while a double holds it."""
    power = KERNELS["power"].python
    for base in range(-30, 31):
        for exponent in range(12):
            if abs(base**exponent) < 2**53:
                assert power(float(base), float(exponent)) == float(base**exponent)


def test_distances_go_both_ways() -> None:
    """From here to there is as far as from there to here, and no farther than half way round."""
    haversine = KERNELS["haversine"].python
    assert round(haversine(52.52, 13.405, 48.8566, 2.3522)) == 877  # Berlin to Paris
    for lat1, lon1, lat2, lon2 in arguments("haversine", 2000):
        there = haversine(lat1, lon1, lat2, lon2)
        assert there == haversine(lat2, lon2, lat1, lon1)
        assert there is None or 0.0 <= there <= 20015.114442035923


def test_a_query_is_given_the_macros_that_it_calls() -> None:
    """Only macros of kernels that stand in the text are written down."""
    text = "SELECT fs_exp2_fraction(a), fs_floor_div(b, 2), fs_logarithm(c)"
    assert list(macros_used(text)) == ["fs_exp2_fraction(x)"]
