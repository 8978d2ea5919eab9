"""The types a value can have (R8), and how a Python value becomes one of them.

Inside the product a value is canonical: a timestamp is int microseconds UTC, a date int days since 1970-01-01, a
float is finite and never -0.0, a list is a tuple. Both roads compute on canonical values, so every fold and function
sees bool, int, float, str or a list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from featurestore.errors import InvalidValue
from featurestore.semantics.instants import INT64_MAX, INT64_MIN, datetime_of, instant_us

Kind = Literal["bool", "int64", "float64", "string", "timestamp", "date", "list"]
Value = Any  # a canonical value: None, bool, int, float, str or a tuple of these
EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class DType:
    """One type. `item` is the element type of a list."""

    kind: Kind
    item: DType | None = None

    def __str__(self) -> str:
        return f"list<{self.item}>" if self.item else self.kind


BOOL = DType("bool")
INT64 = DType("int64")
FLOAT64 = DType("float64")
STRING = DType("string")
TIMESTAMP = DType("timestamp")
DATE = DType("date")
SCALARS = (BOOL, INT64, FLOAT64, STRING, TIMESTAMP, DATE)
ORDERED = (INT64, FLOAT64, STRING, TIMESTAMP, DATE)

PYTHON_TYPES: dict[type, DType] = {bool: BOOL, int: INT64, float: FLOAT64, str: STRING, datetime: TIMESTAMP, date: DATE}


def list_of(item: DType) -> DType:
    """The type of a list of `item`."""
    return DType("list", item)


def dtype_named(name: str) -> DType:
    """The type whose printed form is `name`.

    >>> dtype_named("list<int64>") == list_of(INT64)
    True
    """
    if name.startswith("list<"):
        return list_of(dtype_named(name[5:-1]))
    return next(dtype for dtype in SCALARS if dtype.kind == name)


def finite(value: float) -> float | None:
    """A float as R7 wants it: NaN and infinity are null, -0.0 is 0.0.

    >>> finite(float("nan")), finite(-0.0), finite(1.5)
    (None, 0.0, 1.5)
    """
    return value + 0.0 if math.isfinite(value) else None


def dtype_of(value: object) -> DType | None:
    """The type of a Python literal, or None when no type holds it."""
    return PYTHON_TYPES.get(type(value))


def canonical(value: object, dtype: DType) -> Value:
    """The canonical form of a Python value.

    Numbers widen exactly (int to float64 up to 2^53); nothing is parsed except instants and dates in ISO 8601, which
    JSON cannot carry.
    Raises: InvalidValue  when the type cannot hold the value.
            NaiveTime     when an instant has no zone.
    """
    if value is None:
        return None
    if value != value and not isinstance(value, float):  # NaT, which pandas writes for a missing time
        return None
    match dtype.kind:
        case "bool" if type(value) is bool:
            return value
        case "int64" if type(value) is int and INT64_MIN <= value <= INT64_MAX:
            return value
        case "float64" if type(value) is float:
            return finite(value)
        case "float64" if type(value) is int and abs(value) <= 2**53:
            return float(value)
        case "string" if isinstance(value, str):
            return _string(value)
        case "timestamp" if isinstance(value, (datetime, str)):
            return instant_us(value)
        case "date" if type(value) is date:
            return value.toordinal() - EPOCH_DAY
        case "date" if isinstance(value, str):
            return _date(value)
        case "list" if isinstance(value, Sequence) and not isinstance(value, str) and dtype.item:
            return tuple(canonical(item, dtype.item) for item in value)
    if isinstance(value, float) and math.isnan(value):
        return None  # pandas writes a missing value of any type as NaN
    unboxed = getattr(value, "item", None)  # a numpy scalar holds one Python value
    if callable(unboxed) and type(value).__module__ == "numpy":
        return canonical(unboxed(), dtype)
    raise InvalidValue(
        f"{value!r:.80} is not a value of type {dtype}",
        has=f"a {type(value).__name__}",
        fix=f"send a value that {dtype} holds",
    )


def python_value(value: Value, dtype: DType) -> object:
    """A canonical value as users see it: timestamps and dates as `datetime` and `date`."""
    if value is None:
        return None
    match dtype.kind:
        case "timestamp":
            return datetime_of(value)
        case "date":
            return date.fromordinal(min(max(value + EPOCH_DAY, 1), date.max.toordinal()))
        case "list":
            assert dtype.item is not None
            return [python_value(item, dtype.item) for item in value]
        case _:
            return value


def _string(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidValue(
            "a string holds a lone surrogate, which UTF-8 cannot write", fix="clean the text first"
        ) from None
    return str(value)


def _date(value: str) -> int:
    try:
        return date.fromisoformat(value).toordinal() - EPOCH_DAY
    except ValueError:
        raise InvalidValue(f"{value!r:.40} is not a date", fix="write it as YYYY-MM-DD") from None
