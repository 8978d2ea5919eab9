"""The types a value can have (R8), and how a Python value becomes one of them.

Inside the product a value is canonical: a timestamp is int microseconds UTC, a date int days since 1970-01-01, a
decimal its unscaled int (12.34 with two decimal places is 1234), a float is finite and never -0.0, a list or vector is
a tuple. Both roads compute on canonical values, so every fold and function sees bool, int, float, str or a list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from featurestore.errors import InvalidValue, a_kind
from featurestore.semantics import decimals
from featurestore.semantics.foreign import WHOLE_BELOW, of_python
from featurestore.semantics.instants import INT64_MAX, INT64_MIN, Far, OutOfYears, datetime_of, instant_us
from featurestore.semantics.texts import DATE_TEXT

Kind = Literal["bool", "int64", "float64", "string", "timestamp", "date", "decimal", "list", "vector", "map"]
Value = Any  # a canonical value: None, bool, int, float, str or a tuple of these
EPOCH_DAY = date(1970, 1, 1).toordinal()


class Vector(tuple[float, ...]):
    """What `Column[Vector]` holds: float64 numbers, always equally many. In an expression, `Vector([0.5, 0.25])` is a
    constant."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DType:
    """One type. `item` is the element type of a list, and with `key` that of a map's values; `precision` and `scale`
    are the digits of a decimal and those after its point, `length` is the number of items of a vector.

    Without these a decimal, list or vector stands for its whole family, as in what an aggregate takes.
    """

    kind: Kind
    item: DType | None = None
    key: DType | None = None
    precision: int = 0
    scale: int = 0
    length: int = 0

    def __str__(self) -> str:
        if self.key:
            return f"map<{self.key}, {self.item}>"
        if self.item:
            return f"list<{self.item}>"
        if self.precision:
            return f"decimal({self.precision},{self.scale})"
        return f"vector<{self.length}>" if self.length else self.kind

    @property
    def family(self) -> DType:
        """The type without what tells it from others of its kind."""
        return DType(self.kind)


BOOL = DType("bool")
INT64 = DType("int64")
FLOAT64 = DType("float64")
STRING = DType("string")
TIMESTAMP = DType("timestamp")
DATE = DType("date")
SCALARS = (BOOL, INT64, FLOAT64, STRING, TIMESTAMP, DATE)
ORDERED = (INT64, FLOAT64, STRING, TIMESTAMP, DATE)
DECIMAL, LIST, VECTOR = DType("decimal"), DType("list"), DType("vector")
LONGEST_VECTOR = 4096
KEYS = (BOOL, INT64, STRING, TIMESTAMP, DATE)
"""What the keys of a map can be."""

PYTHON_TYPES: dict[type, DType] = {bool: BOOL, int: INT64, float: FLOAT64, str: STRING, datetime: TIMESTAMP, date: DATE}


def list_of(item: DType) -> DType:
    """The type of a list of `item`."""
    return DType("list", item)


def decimal_of(precision: int, scale: int) -> DType:
    """The type of decimals of so many digits, `scale` of them after the point."""
    return DType("decimal", precision=precision, scale=scale)


def vector_of(length: int) -> DType:
    """The type of vectors of so many numbers."""
    return DType("vector", length=length)


def map_of(key: DType, item: DType) -> DType:
    """The type of a map from `key` to `item`; its canonical form is a tuple of pairs, sorted by key."""
    return DType("map", item, key)


def dtype_named(name: str) -> DType:
    """The type whose printed form is `name`.

    >>> dtype_named("list<int64>") == list_of(INT64), dtype_named("decimal(12,2)") == decimal_of(12, 2)
    (True, True)
    """
    if name.startswith("list<"):
        return list_of(dtype_named(name[5:-1]))
    if name.startswith("decimal("):
        precision, scale = name[8:-1].split(",")
        return decimal_of(int(precision), int(scale))
    if name.startswith("vector<"):
        return vector_of(int(name[7:-1]))
    if name.startswith("map<"):
        key, item = name[4:-1].split(", ", 1)
        return map_of(dtype_named(key), dtype_named(item))
    return next(dtype for dtype in SCALARS if dtype.kind == name)


def finite(value: float) -> float | None:
    """A float as R7 wants it: NaN and infinity are null, -0.0 is 0.0.

    >>> finite(float("nan")), finite(-0.0), finite(1.5)
    (None, 0.0, 1.5)
    """
    return value + 0.0 if math.isfinite(value) else None


def dtype_of(value: object) -> DType | None:
    """The type of a Python literal, or None when no type holds it."""
    if isinstance(value, Decimal):
        digits = decimals.digits_of(value)
        return decimal_of(*digits) if digits else None
    if isinstance(value, Vector):
        return vector_of(len(value)) if 0 < len(value) <= LONGEST_VECTOR else None
    return PYTHON_TYPES.get(type(value))


def fits_annotation(held: Any, dtype: DType) -> bool:
    """Whether values of a type are what an annotation such as `float` or `list[str]` says; one that says nothing
    fits all."""
    if get_origin(held) is list:
        return dtype.item is not None and fits_annotation(get_args(held)[0], dtype.item)
    if held is Decimal or held is Vector:
        return dtype.kind == ("decimal" if held is Decimal else "vector")
    return held not in PYTHON_TYPES or PYTHON_TYPES[held] == dtype


def canonical(value: object, dtype: DType) -> Value:
    """The canonical form of a Python value.

    Numbers change their type only where that is exact: an int to float64 up to 2^53, a whole float below 2^53 to
    int64, since from there on it may be a rounded one. Nothing is parsed except instants and dates in ISO 8601 and
    decimals, which JSON cannot carry. A list is a value of its type only if all its items are.
    Raises: InvalidValue  when the type cannot hold the value.
            OutOfYears    a kind of it, when an instant or a day lies outside the years 1 to 9999.
            NaiveTime     when an instant has no zone.
    """
    if value is None:
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
        case "int64" if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        case "int64" | "float64" if isinstance(value, Decimal) and (exact := _exact(value, dtype)) is not None:
            return exact
        case "string" if isinstance(value, str):
            return _string(value)
        case "timestamp" if isinstance(value, (datetime, str, Far)):
            moment = value if type(value) in (datetime, str) else of_python(value)
            return None if moment is None else instant_us(moment)
        case "date" if type(value) is date:
            return value.toordinal() - EPOCH_DAY
        case "date" if isinstance(value, Far) and value.kind == "day":
            raise OutOfYears("a date lies outside the years 1 to 9999", has=str(value), fix=_HOW["date"])
        case "date" if isinstance(value, datetime) and _is_midnight(value):
            return value.toordinal() - EPOCH_DAY
        case "date" if isinstance(value, str):
            return _date(value)
        case "decimal" if isinstance(value, (Decimal, str)) or type(value) is int:
            unscaled = decimals.unscaled(value, dtype.precision, dtype.scale)
            if unscaled is not None:
                return unscaled
        case "list" if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and dtype.item:
            return tuple(canonical(item, dtype.item) for item in value)
        case "vector" if isinstance(value, Sequence) and len(value) == dtype.length:
            found = tuple(canonical(item, FLOAT64) for item in value)
            if None not in found:
                return found
    if _is_missing(value):
        return None
    plain, whole_below = of_python(value), WHOLE_BELOW.get(type(value).__name__)
    if plain is not value and not (dtype == INT64 and whole_below and abs(plain) >= whole_below):
        return canonical(plain, dtype)
    raise InvalidValue(
        f"{of_python(value)!r:.80} is not a value of type {dtype}",
        has=a_kind(value),
        fix=_HOW.get(dtype.kind, "send a value that {} holds").format(dtype, dtype.scale, dtype.length),
    )


def canonical_column(values: list[Any], dtype: DType) -> list[Value]:
    """`canonical` of each value. Raises: as it does."""
    if dtype == INT64 and set(map(type, values)) == {int} and min(values) >= INT64_MIN and max(values) <= INT64_MAX:
        return values  # most keys are such
    return [canonical(value, dtype) for value in values]


_HOW = {
    "int64": "send a whole number within 64 bits; a float only below 2^53, where it is exact",
    "decimal": "send a number of at most {1} decimal places that {0} holds: as text, or as a Decimal, never as a float",
    "vector": "send {2} numbers, none of them null or NaN",
    "timestamp": "send an instant with a zone: as text such as 2013-01-01T00:00:00Z, or as a datetime",
    "date": "send a day: as text such as 2013-01-01, or as a date",
    "list": "send a list whose items are values of its type",
}


def python_value(value: Value, dtype: DType) -> object:
    """A canonical value as users see it: timestamps, dates and decimals as `datetime`, `date` and `Decimal`, lists and
    vectors as lists."""
    if value is None:
        return None
    match dtype.kind:
        case "timestamp":
            return datetime_of(value)
        case "date":
            return date.fromordinal(value + EPOCH_DAY)
        case "decimal":
            return decimals.scaled(value, dtype.scale)
        case "list":
            assert dtype.item is not None
            return [python_value(item, dtype.item) for item in value]
        case "vector":
            return list(value)
        case "map":
            assert dtype.item is not None and dtype.key is not None
            return {python_value(key, dtype.key): python_value(item, dtype.item) for key, item in value}
        case _:
            return value


def _is_missing(value: object) -> bool:
    """NaN, NaT and NA, which pandas writes for a missing value of any type."""
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NaTType", "NAType")


def _is_midnight(value: datetime) -> bool:
    """Whether a time without a zone is a whole day, which is how pandas keeps dates."""
    return value.tzinfo is None and value.time() == time() and not getattr(value, "nanosecond", 0)


def _exact(value: Decimal, dtype: DType) -> int | float | None:
    """A decimal as the int that it is, or as the nearest float; a whole number beyond 2^53 is no float."""
    if not value.is_finite() or not -(2**64) < value < 2**64:
        return None
    whole = int(value)
    if dtype == INT64:
        return whole if whole == value and INT64_MIN <= whole <= INT64_MAX else None
    return float(value) if whole != value or abs(whole) <= 2**53 else None


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
        if re.fullmatch(DATE_TEXT, value):
            return date.fromisoformat(value).toordinal() - EPOCH_DAY
    except ValueError:  # a day that its month does not have
        pass
    raise InvalidValue(f"{value!r:.40} is not a date", fix="write it as YYYY-MM-DD")
