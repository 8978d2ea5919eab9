"""Exact numbers: units of 2^-64 against fractions, and the one way a big integer becomes a float."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.semantics import exact
from tests.reference_functions import units

FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e-15, 1e-15)
INT64 = st.integers(-(2**63), 2**63 - 1)


@given(FINITE)
def test_r9_units_are_the_nearest_multiple_ties_away_from_zero(value: float) -> None:
    """A float in units is what fractions say it is, and none from 2^63 on."""
    assert exact.units(value) == (None if abs(value) >= 2**63 else units(value) * 2**64)


@pytest.mark.parametrize("halves", [1, 3, 5, 2**52 - 1, 2**52 + 1, 2**53 - 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_r9_half_units_round_away_from_zero(halves: int, sign: int) -> None:
    """An odd number of half units rounds outwards, one bit less inwards."""
    value = sign * math.ldexp(halves, -65)
    assert exact.units(value) == sign * (halves + 1) // 2 if sign > 0 else exact.units(value) == -((halves + 1) // 2)
    inwards = math.nextafter(value, 0.0)
    assert exact.units(inwards) == units(inwards) * 2**64


@given(st.integers(-(2**127), 2**127 - 1))
def test_r9_a_total_becomes_its_nearest_float(total: int) -> None:
    """Units become the float that a fraction becomes: rounded once, ties to even."""
    assert exact.nearest_float(total) == float(Fraction(total, 2**64))


@pytest.mark.parametrize("digits", [exact.INT_DIGITS, exact.FLOAT_DIGITS])
@given(data=st.data())
def test_r9_digits_come_close_to_the_exact_number(digits: int, data: st.DataObject) -> None:
    """Adding digits from the lowest up is within 1e-12 of the number, for as many digits as there are."""
    number = data.draw(st.integers(0, 2 ** (32 * digits) - 1) | st.integers(0, 2**64))
    found = Fraction(exact.digits_to_float(number, digits))
    assert abs(found - number) <= Fraction(number, 10**12)


def test_r9_few_digits_are_exact() -> None:
    """A number of one digit is itself, and zero is zero."""
    assert [exact.digits_to_float(number, 6) for number in (0, 1, 2**32 - 1, 2**53)] == [
        0.0,
        1.0,
        4294967295.0,
        2.0**53,
    ]


def close(found: float | None, exact_value: Fraction) -> bool:
    """What R9 promises of variances."""
    return found is not None and abs(Fraction(found) - exact_value) <= Fraction(1, 10**9) * max(
        Fraction(1), abs(exact_value)
    )


@pytest.mark.parametrize("sample", [True, False])
@given(st.lists(INT64 | st.integers(-5, 5), min_size=2, max_size=12))
def test_r9_variance_of_ints_is_close_to_the_exact_one(sample: bool, numbers: list[int]) -> None:
    """Within 1e-9 * max(1, |v|) of the rational variance, however big the numbers are."""
    n, total, squares = len(numbers), sum(numbers), sum(each * each for each in numbers)
    deviation = exact.squared_deviation(n, total, squares, exact.INT_DIGITS)
    mean = Fraction(total, n)
    rational = sum((each - mean) ** 2 for each in numbers) / (n - sample)
    assert close(exact.spread(n, deviation, 1.0, sample=sample, root=False), Fraction(rational))


@pytest.mark.parametrize("sample", [True, False])
@given(st.lists(st.floats(-(2.0**62), 2.0**62) | st.floats(-2, 2), min_size=2, max_size=12), st.floats(-1e9, 1e9))
def test_r9_variance_of_floats_is_close_to_the_exact_one(sample: bool, numbers: list[float], far: float) -> None:
    """Within 1e-9 * max(1, |v|) of the variance of the floats themselves, near zero and far from it."""
    moved = [each + far for each in numbers]
    n, taken = len(moved), [exact.units(each) or 0 for each in moved]
    deviation = exact.squared_deviation(n, sum(taken), sum(each * each for each in taken), exact.FLOAT_DIGITS)
    mean = sum(map(Fraction, moved)) / n
    rational = sum((Fraction(each) - mean) ** 2 for each in moved) / (n - sample)
    assert close(exact.spread(n, deviation, exact.UNIT, sample=sample, root=False), Fraction(rational))


@pytest.mark.parametrize(("n", "sample"), [(0, True), (1, True), (0, False)])
def test_r9_a_spread_of_too_few_values_is_null(n: int, sample: bool) -> None:
    """A sample needs two values, a population one."""
    assert exact.spread(n, 0.0, 1.0, sample=sample, root=False) is None


@given(INT64)
def test_r9_the_square_that_sql_is_given_is_the_square(value: int) -> None:
    """The polynomial over limbs of 32 bits, which DuckDB computes, is the square in base 2^32."""
    limbs = {"a": value >> 32, "b": value % 2**32}
    assert polynomial(exact.INT_SQUARE, limbs) == value * value


@given(st.integers(-(2**127), 2**127 - 1))
def test_r9_the_square_of_units_that_sql_is_given_is_the_square(value: int) -> None:
    """The same over the four limbs of a float in units."""
    limbs = {limb: (value >> shift) % 2**32 for limb, shift in zip("bcd", (64, 32, 0), strict=True)}
    assert polynomial(exact.FLOAT_SQUARE, {"a": value >> 96, **limbs}) == value * value


def polynomial(coefficients: tuple[str, ...], limbs: dict[str, int]) -> int:
    """The value of coefficients in base 2^32, each a sum of products of limbs."""
    total = 0
    for place, text in enumerate(coefficients):
        for term in text.format(**limbs).split(" + "):
            assert re.fullmatch(r"-?\d+( \* -?\d+)*", term)
            total += math.prod(map(int, term.split(" * "))) * 2 ** (32 * place)
    return total


@given(st.lists(st.integers(-(2**127), 2**127 - 1) | st.integers(-(2**108), 2**108), min_size=1, max_size=20))
def test_r9_duckdb_rounds_a_total_as_python_does(totals: list[int]) -> None:
    """Its halves become the float that Python's division gives: within what one addition rounds, and beyond."""
    edges = [sign * (1 << place) + beside for sign in (1, -1) for place in (106, 107) for beside in (-1, 0, 1)]
    ties = [(1 << 53 + place) + (1 << place) // 2 + beside for place in (1, 11, 52) for beside in (-1, 0, 1)]
    totals = [*totals, *edges, *ties, *(-tie for tie in ties)]
    # a low half is a sum, and may hold what the high one is short of
    halves = [((total >> 64) - over, (total & 2**64 - 1) + (over << 64)) for total in totals for over in (0, 3)]
    with duckdb.connect() as connection:
        for head in ("fs_high(hi, lo)", "fs_nearest(hi, lo)"):
            connection.execute(f"CREATE TEMP MACRO {head} AS {exact.MACROS[head]}")
        listed = ", ".join(f"('{high}'::HUGEINT, '{low}'::HUGEINT)" for high, low in halves)
        found = connection.execute(f"SELECT fs_nearest(hi, lo) FROM (VALUES {listed}) v(hi, lo)").fetchall()
    assert [value for (value,) in found] == [exact.nearest_float(total) for total in totals for _ in range(2)]
