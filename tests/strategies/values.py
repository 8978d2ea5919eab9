"""Canonical values of each type, and instants: small pools in which ties, limits and boundaries are common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

from featurestore.semantics.dtypes import BOOL, DATE, EPOCH_DAY, FLOAT64, INT64, STRING, TIMESTAMP, DType, Value
from featurestore.semantics.instants import FIRST_US, INT64_MAX, INT64_MIN, LAST_US, duration_us

T = TypeVar("T")

NOW_US = int(datetime(2024, 11, 3, 6, tzinfo=UTC).timestamp()) * 1_000_000
"""The instant that all is near: New York's clocks go back right then."""
WINDOWS = ("1us", "2us", "10us", "1s", "1h", "1d", "7d")
DELAY = "10us"
EDGES_US = (-1, 0, 1)
_REACHES_US = (0, *(duration_us(window) for window in WINDOWS))
ENDS_US = (FIRST_US, LAST_US)
_EARLY_US = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_LATE_US = int(datetime(2190, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000

_SELDOM = st.integers(0, 9).map(lambda drawn: drawn != 7)
_INSTANTS = st.builds(
    lambda reach_us, side, edge_us: NOW_US + side * reach_us + edge_us,
    st.sampled_from(_REACHES_US),
    st.sampled_from((-1, -1, -1, -1, -1, 1)),
    st.integers(-2, 2),
)

_INTS = (0, 1, 2, -1, -3, 7, 2**31, 2**32, -(2**32) - 1, 2**53 + 1, 2**62, INT64_MAX, INT64_MIN, INT64_MAX - 1)
_FLOATS = (
    *(0.0, -0.0, 1.0, 0.1, 0.2, 0.3, -1.5, 15.0, 1e-3, 0.49999999999999994, 4503599627370497.5),
    *(
        2.0**-11,
        2.0**-64,
        1.5 * 2.0**-64,
        2.0**-65,
        -(2.0**-65),
        3 * 2.0**-66,
        2.0**-66,
        5e-324,
        2.2250738585072014e-308,
    ),
    *(2.0**62, -(2.0**62), math.nextafter(2.0**63, 0.0), 2.0**63, -(2.0**63), 1e300, -1.7976931348623157e308),
    *(math.nan, math.inf, -math.inf),
)
# texts that compare, measure or print otherwise in another unit, order or quoting
_TEXTS = ("", "a", "A", "b", "aa", "ä", "a\u0308", "\uffff", "\U0001f600", "1", "'", '"', "\\", ",", "{0}", "a b", "İ")
# texts that are numbers, nearly, or in one reading only
_NUMBERS = (
    *("0", "-0", "+7", "007", "-12", "1e3", "1.5E-2", ".5", "5.", "1e", "e1", "+", ".", "1 ", "1_0", "0x1", "١"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "0" * 30 + "1", "9" * 25, "1e400"),
    *("1e-400", "4.9e-324", "-1e-400", "9007199254740993", "0.1", "nan", "inf", "1.7976931348623159e308", "1\n"),
)


def pick(draw: st.DrawFn, choices: Sequence[T]) -> T:
    """One of them; faster than `sampled_from`, which is made anew for each list."""
    return choices[draw(st.integers(0, len(choices) - 1))]


@cache
def values(dtype: DType) -> st.SearchStrategy[Value]:
    """Canonical values of a type, never None; floats as they come in, so NaN, infinity and -0.0 are among them."""
    few: st.SearchStrategy[Value]
    if dtype == BOOL:
        return st.booleans()
    if dtype == INT64:
        few = st.sampled_from((0, 1, 2, -1))
        return few | st.sampled_from(_INTS) | st.integers(INT64_MIN, INT64_MAX)
    if dtype == FLOAT64:
        few = st.sampled_from((0.0, 1.0, 0.5, 16.0))
        return few | st.sampled_from(_FLOATS) | st.floats(-1000.0, 1000.0) | st.floats()
    if dtype == STRING:
        some = st.sampled_from(("a", "b")) | st.sampled_from(_TEXTS) | st.text(max_size=4)
        return some | st.sampled_from(_NUMBERS) | st.text("aAb ,\t1", max_size=6)
    if dtype == TIMESTAMP:
        return instants() | st.integers(_EARLY_US, _LATE_US) | st.sampled_from((0, -1, *ENDS_US))
    if dtype == DATE:
        ends = (1 - EPOCH_DAY, date.max.toordinal() - EPOCH_DAY, 0, -1, 19_782)
        return st.sampled_from(ends) | st.integers(1 - EPOCH_DAY, date.max.toordinal() - EPOCH_DAY)
    if dtype.kind == "decimal":
        most = 10**dtype.precision - 1
        pool = (0, 1, -1, 100, 199, -1234, most, -most, most - 1)
        few = st.sampled_from([number for number in pool if abs(number) <= most])
        return few | st.integers(-most, most)
    if dtype.kind == "vector":
        numbers = values(FLOAT64).filter(math.isfinite)
        items = st.lists(numbers, min_size=dtype.length, max_size=dtype.length).map(tuple)
        return st.sampled_from(((0.0,) * dtype.length, (1.0,) * dtype.length)) | items
    assert dtype.item is not None
    if dtype.key is not None:
        pairs = st.dictionaries(values(dtype.key), nullable(values(dtype.item)), max_size=3)
        return pairs.map(lambda found: tuple(sorted(found.items(), key=lambda pair: pair[0])))
    return st.lists(nullable(values(dtype.item)), max_size=3).map(tuple)


@cache
def nullable(strategy: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    """The same, and now and then None."""
    return _SELDOM.flatmap(lambda drawn: strategy if drawn else st.none())


def instants() -> st.SearchStrategy[int]:
    """Instants at NOW_US, or a window's length before it or after it, give or take two microseconds."""
    return _INSTANTS


@cache
def event_instants() -> st.SearchStrategy[int | None]:
    """Event times: mostly near NOW_US, now and then none, or at or beyond the ends of the years 1 to 9999."""
    limits = (None, None, *ENDS_US, LAST_US + 1, FIRST_US - 1, INT64_MAX, INT64_MIN, 0, -1)
    return st.integers(0, 19).flatmap(lambda drawn: st.sampled_from(limits) if drawn == 7 else instants())
