"""Types: what each takes, what it refuses, and how values come back to users (R7, R8)."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import InvalidValue, NaiveTime
from featurestore.semantics.dtypes import (
    BOOL,
    DATE,
    FLOAT64,
    INT64,
    SCALARS,
    STRING,
    TIMESTAMP,
    DType,
    canonical,
    dtype_named,
    dtype_of,
    finite,
    list_of,
    python_value,
)
from tests.reference_functions import entered
from tests.strategies.values import values

MOMENT = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (True, BOOL, True),
        (7, INT64, 7),
        (2**63 - 1, INT64, 2**63 - 1),
        (-(2**63), INT64, -(2**63)),
        (7, FLOAT64, 7.0),
        (2**53, FLOAT64, 2.0**53),
        (-0.0, FLOAT64, 0.0),
        (math.nan, FLOAT64, None),
        (math.inf, FLOAT64, None),
        ("a\u0308", STRING, "a\u0308"),
        (MOMENT, TIMESTAMP, 1_709_208_000_000_000),
        ("2024-02-29T13:00:00+01:00", TIMESTAMP, 1_709_208_000_000_000),
        (date(1970, 1, 2), DATE, 1),
        ("1969-12-31", DATE, -1),
        ([1, None, 2], list_of(INT64), (1, None, 2)),
        ([-0.0, math.nan], list_of(FLOAT64), (0.0, None)),
        (np.int32(7), INT64, 7),
        (np.float32(0.5), FLOAT64, 0.5),
        (np.bool_(True), BOOL, True),
        (np.str_("a"), STRING, "a"),
        (math.nan, STRING, None),
        (np.float64("nan"), TIMESTAMP, None),
        (pd.Timestamp("2024-02-29T12:00Z"), TIMESTAMP, 1_709_208_000_000_000),
    ],
)
def test_r8_a_value_of_its_type_becomes_canonical(value: object, dtype: DType, expected: Any) -> None:
    """Numbers widen exactly, times become microseconds, dates days, and floats that are no numbers null."""
    found = canonical(value, dtype)
    assert repr(found) == repr(expected)
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1, BOOL),
        (True, INT64),
        (1.0, INT64),
        ("1", INT64),
        (2**63, INT64),
        (-(2**63) - 1, INT64),
        (True, FLOAT64),
        ("0.5", FLOAT64),
        (2**53 + 1, FLOAT64),
        (1, STRING),
        (b"a", STRING),
        ("\ud800", STRING),
        (0, TIMESTAMP),
        (date(2024, 1, 1), TIMESTAMP),
        ("soon", TIMESTAMP),
        (MOMENT, DATE),
        ("2024-02-30", DATE),
        ("abc", list_of(STRING)),
        ([1, "1"], list_of(INT64)),
        (b"bytes", STRING),
    ],
    ids=repr,
)
def test_r8_a_value_outside_its_type_is_refused(value: object, dtype: DType) -> None:
    """Nothing is guessed, cut or wrapped: 1 is no text, True no number, and a lone surrogate no string."""
    with pytest.raises(InvalidValue):
        canonical(value, dtype)


def test_r1_a_naive_time_is_no_timestamp() -> None:
    """A time without a zone is refused as such."""
    with pytest.raises(NaiveTime):
        canonical(datetime(2024, 1, 1), TIMESTAMP)


@pytest.mark.parametrize("dtype", SCALARS, ids=str)
@given(data=st.data())
def test_a_value_comes_back_from_what_users_see(dtype: DType, data: st.DataObject) -> None:
    """The user's form of a canonical value is read as that value again."""
    drawn = data.draw(values(dtype).map(entered))
    if dtype == TIMESTAMP and abs(drawn) == 2**62:
        return  # beyond the calendar: shown as its end
    assert canonical(python_value(drawn, dtype), dtype) == drawn


@pytest.mark.parametrize("dtype", [*SCALARS, *map(list_of, SCALARS), list_of(list_of(INT64))], ids=str)
def test_a_type_is_found_by_its_name(dtype: DType) -> None:
    """What a type prints is what it is stored as."""
    assert dtype_named(str(dtype)) == dtype
    assert canonical(None, dtype) is None
    assert python_value(None, dtype) is None


@given(st.floats())
def test_r7_a_float_is_finite_or_null_and_zero_has_one_sign(value: float) -> None:
    """Every float that enters is normalised, and nothing else changes."""
    found = finite(value)
    assert repr(found) == repr(entered(value))
    assert found is None or found == value


def test_a_literal_has_the_type_of_its_python_type() -> None:
    """True is no int, and a datetime no date; what no type holds has none."""
    found = [dtype_of(each) for each in (True, 1, 1.0, "1", MOMENT, date(2024, 1, 1), None, [1], b"1")]
    assert found == [BOOL, INT64, FLOAT64, STRING, TIMESTAMP, DATE, None, None, None]
