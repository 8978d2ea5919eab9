"""The axes of a report: round marks, as many as have room, in order."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from featurestore.skew.drawing import bins_between, following
from featurestore.skew.scales import number, share, ticks, time_ticks

LAST = 253_402_300_799.0
"""The end of the year 9999. Units: seconds since 1970."""


@given(high=st.floats(1e-12, 1e15), about=st.integers(2, 10))
def test_marks_reach_the_largest_value_and_are_few(high: float, about: int) -> None:
    """The last mark is not below the largest value, the one before it is, and there are not many more than asked."""
    marks = ticks(high, about)
    assert marks[0] == 0 and marks[-1] >= high * (1 - 1e-8) and marks[-2] < high
    assert marks == sorted(set(marks)) and len(marks) <= about + 2


@given(
    low=st.floats(-62_135_596_800, LAST - 10),
    length=st.floats(-4, 11).map(lambda power: 10**power),
    most=st.integers(2, 12),
)
def test_instants_on_an_axis_lie_on_it_and_are_few(low: float, length: float, most: int) -> None:
    """From a tenth of a millisecond to thousands of years: marks are in order, on the axis, and have room."""
    grain = math.ulp(low)  # a float tells the instants of far-off years by tens of microseconds only
    high = min(low + max(length, 100 * grain), LAST)
    found = [at for at, _, _ in time_ticks(low, high, most)]
    slack = max(1e-6, (high - low) * 1e-6, grain)
    assert found == sorted(set(found)) and len(found) <= most + 1
    assert all(low - slack <= at <= high + slack for at in found)


@given(part=st.integers(0, 10**9), more=st.integers(0, 10**9))
def test_a_share_is_nothing_or_all_only_where_it_is(part: int, more: int) -> None:
    """No rounding makes one cell none, or all but one cell all."""
    whole = part + more
    assert (share(part, whole) == "0%") == (part == 0 and whole > 0)
    assert (share(part, whole) == "100%") == (more == 0 and whole > 0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_can_be_written(value: float) -> None:
    """A number is short, and its first figures are its own."""
    assert len(number(value)) <= 20


def test_bins_go_on_by_one_two_five() -> None:
    """From any bin to any later one the steps are round numbers."""
    assert bins_between(0.05, 20.0) == [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
    assert following(1e-323) == 2e-323 and following(5e22) == 1e23
