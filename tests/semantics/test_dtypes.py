"""Types: what each takes, what it refuses, and how values come back to users (R7, R8)."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
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
    Vector,
    canonical,
    decimal_of,
    dtype_named,
    dtype_of,
    finite,
    fits_annotation,
    list_of,
    python_value,
    vector_of,
)
from featurestore.semantics.instants import FIRST_US, LAST_US, Far
from tests.reference_functions import entered
from tests.strategies.values import values

NESTED = (list_of(list_of(INT64)), decimal_of(12, 2), list_of(decimal_of(18, 18)), vector_of(8))
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
        (1.0, INT64, 1),
        (-(2.0**53) + 1, INT64, -(2**53) + 1),
        (np.float32(7), INT64, 7),
        (Decimal("7.00"), INT64, 7),
        (Decimal("7.5"), FLOAT64, 7.5),
        (Decimal("0.1"), FLOAT64, 0.1),
        (Decimal("sNaN"), INT64, None),
        (np.array(3), INT64, 3),
        (np.datetime64("1970-01-02"), DATE, 1),
        (np.datetime64("1970-02", "M"), DATE, 31),
        (np.datetime64("1970-01-02T00", "ns"), DATE, 1),
        (np.datetime64("NaT"), DATE, None),
        (np.datetime64("NaT", "ns"), TIMESTAMP, None),
        (np.array(["1970-01-02"], "datetime64[ns]"), list_of(DATE), (1,)),
        (pd.Timestamp("1970-01-02"), DATE, 1),
        ("9999-12-31T23:59:59.999999Z", TIMESTAMP, LAST_US),
        ("0001-01-01T00:00Z", TIMESTAMP, FIRST_US),
        (np.float32(0.5), FLOAT64, 0.5),
        (np.bool_(True), BOOL, True),
        (np.str_("a"), STRING, "a"),
        (math.nan, STRING, None),
        (np.float64("nan"), TIMESTAMP, None),
        (pd.Timestamp("2024-02-29T12:00Z"), TIMESTAMP, 1_709_208_000_000_000),
        (pd.NaT, TIMESTAMP, None),
        (pd.NA, INT64, None),
        (Decimal("7.00"), INT64, 7),
        (Decimal("0.1"), FLOAT64, 0.1),
        (Decimal("12345678901234567890.123"), FLOAT64, 12345678901234567890.123),
        (Decimal(2**53), FLOAT64, 2.0**53),
        (Decimal("12.34"), decimal_of(12, 2), 1234),
        (Decimal("12.3400"), decimal_of(12, 2), 1234),
        ("-12.3", decimal_of(12, 2), -1230),
        (12, decimal_of(12, 2), 1200),
        (Decimal("9999999999.99"), decimal_of(12, 2), 10**12 - 1),
        (Decimal("1E+3"), decimal_of(12, 2), 100_000),
        (Decimal("0E+99"), decimal_of(12, 2), 0),
        (Decimal("NaN"), decimal_of(12, 2), None),
        (math.nan, decimal_of(12, 2), None),
        (np.int64(3), decimal_of(12, 2), 300),
        (np.array([1, 2]), list_of(INT64), (1, 2)),
        (np.array(["a"]), list_of(STRING), ("a",)),
        (["1.50", None], list_of(decimal_of(12, 2)), (150, None)),
        ([1, -0.0], vector_of(2), (1.0, 0.0)),
        (np.array([0.5, 2.0], dtype=np.float32), vector_of(2), (0.5, 2.0)),
        (Vector([0.5, 2.0]), vector_of(2), (0.5, 2.0)),
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
        (1.5, INT64),
        (2.0**53, INT64),  # 2^53 + 1 is the same float
        (math.inf, INT64),
        (np.float32(2**24), INT64),
        (Decimal("1.5"), INT64),
        (Decimal("1E+999999999"), INT64),
        (Decimal(2**53 + 1), FLOAT64),
        (np.longdouble(1.5), FLOAT64),
        (np.timedelta64(1, "s"), INT64),
        (np.datetime64("2024-01-01T12", "ns"), DATE),
        (np.datetime64("20240-01-01"), DATE),
        (Far(2**62, "instant"), TIMESTAMP),
        ("9999-12-31T23:59:59-01:00", TIMESTAMP),
        ("0001-01-01T00:00+01:00", TIMESTAMP),
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
        (Decimal("7.5"), INT64),
        (Decimal(2**63), INT64),
        (Decimal("1E+999999999"), INT64),
        (Decimal(2**53 + 1), FLOAT64),
        (Decimal("1E+400"), FLOAT64),
        (12.5, decimal_of(12, 2)),
        (True, decimal_of(12, 2)),
        (Decimal("0.005"), decimal_of(12, 2)),
        (Decimal("1E+999999999"), decimal_of(12, 2)),
        (Decimal("1E-999999999"), decimal_of(12, 2)),
        (Decimal("Infinity"), decimal_of(12, 2)),
        (10**10, decimal_of(12, 2)),
        ("12.3.4", decimal_of(12, 2)),
        ("1e2", decimal_of(12, 2)),
        ("\u0661", decimal_of(12, 2)),
        (" 1", decimal_of(12, 2)),
        ([1.0], vector_of(2)),
        ([1.0, None], vector_of(2)),
        ([1.0, math.nan], vector_of(2)),
        ([1.0, True], vector_of(2)),
        ("ab", vector_of(2)),
        ({"a": 1}, list_of(STRING)),
        (b"ab", list_of(INT64)),
    ],
    ids=repr,
)
def test_r8_a_value_outside_its_type_is_refused(value: object, dtype: DType) -> None:
    """Nothing is guessed, cut or wrapped: 1 is no text, True no number, and a lone surrogate no string."""
    with pytest.raises(InvalidValue):
        canonical(value, dtype)


@pytest.mark.parametrize("dtype", [TIMESTAMP, DATE, INT64], ids=str)
def test_r1_a_time_of_pandas_beyond_9999_is_refused(dtype: DType) -> None:
    """Pandas has years that Python's `datetime` has not, and cannot print them."""
    with pytest.raises(InvalidValue):
        canonical(pd.Timestamp(np.datetime64("20240-01-01", "s"), tz="UTC"), dtype)


def test_r1_a_naive_time_is_no_timestamp() -> None:
    """A time without a zone is refused as such; numpy's have none."""
    for naive in (datetime(2024, 1, 1), np.datetime64("2024-01-01T00", "ns"), np.datetime64("20240-01-01T00", "s")):
        with pytest.raises(NaiveTime):
            canonical(naive, TIMESTAMP)


@pytest.mark.parametrize(
    "dtype", [*SCALARS, decimal_of(18, 4), decimal_of(1, 1), list_of(decimal_of(5, 0)), vector_of(3)], ids=str
)
@given(data=st.data())
def test_a_value_comes_back_from_what_users_see(dtype: DType, data: st.DataObject) -> None:
    """The user's form of a canonical value is read as that value again."""
    drawn = data.draw(values(dtype).map(entered))
    assert canonical(python_value(drawn, dtype), dtype) == drawn


@pytest.mark.parametrize("dtype", [*SCALARS, *map(list_of, SCALARS), *NESTED], ids=str)
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
    found = [dtype_of(each) for each in (Decimal("1.50"), Decimal("1E+3"), Decimal("0.001"), Decimal(10**18))]
    assert found == [decimal_of(3, 2), decimal_of(4, 0), decimal_of(3, 3), None]
    assert [dtype_of(Vector([1.0, 2.0])), dtype_of(Vector())] == [vector_of(2), None]


def test_an_annotation_says_which_types_fit() -> None:
    """Decimal and Vector fit every width, a list its items, and what is no type of ours says nothing."""
    fits = [
        (Decimal, decimal_of(12, 2)),
        (Vector, vector_of(3)),
        (list[int], list_of(INT64)),
        (list[Decimal], list_of(decimal_of(3, 1))),
        (dict[str, int], INT64),
    ]
    assert all(fits_annotation(held, dtype) for held, dtype in fits)
    misfits = [(Decimal, INT64), (Vector, list_of(FLOAT64)), (list[int], list_of(STRING)), (list[int], INT64)]
    misfits += [(int, FLOAT64), (float, decimal_of(3, 1))]
    assert not any(fits_annotation(held, dtype) for held, dtype in misfits)
