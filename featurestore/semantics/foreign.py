"""Scalars of numpy and pandas as values of Python, exact to the bit; neither package is imported."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from featurestore.semantics.instants import FIRST_US, LAST_US, Far

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAYS: Final = {"D": 1, "W": 7}
_PICOSECONDS: Final = {
    "h": 3_600 * 10**12,
    "m": 60 * 10**12,
    "s": 10**12,
    "ms": 10**9,
    "us": 10**6,
    "ns": 1_000,
    "ps": 1,
}
_DATETIME64: Final = re.compile(r"datetime64\[([0-9]*)([A-Za-z]+)\]")
WHOLE_BELOW: Final = {"float16": 2**11, "float32": 2**24}
"""From where on a float of less than double precision may stand for several integers."""


def of_python(value: Any) -> Any:
    """A scalar of numpy or pandas as a value of Python; an array as a list of such; anything else as it is.

    A `datetime64` of days or more is a date, any other a local time, floored to microseconds (R1). What lies outside
    the years 1 to 9999 is a `Far`.
    """
    if isinstance(value, datetime):
        return _moment(value)
    kind = type(value).__name__
    if kind in ("NaTType", "NAType"):
        return None
    if type(value).__module__.partition(".")[0] != "numpy":
        return value
    if kind == "ndarray":
        if not value.ndim:
            return of_python(value[()])
        return [of_python(each) for each in value] if value.dtype.kind == "M" else value.tolist()
    if kind == "datetime64":
        return _datetime64(value)
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain if type(plain).__module__ == "builtins" else value


def moment_at(number: int, kind: str) -> Any:
    """Microseconds since 1970 as an instant with a zone, or as a `local` time without one; a `Far` where no datetime
    holds it."""
    if not FIRST_US <= number <= LAST_US:
        return Far(number, "local" if kind == "local" else "instant")
    moment = _EPOCH + timedelta(microseconds=number)
    return moment.replace(tzinfo=None) if kind == "local" else moment


def day_at(days: int) -> date | Far:
    """Days since 1970 as a date; a `Far` where no date is so far away."""
    found = days + _EPOCH_DAY
    return date.fromordinal(found) if 1 <= found <= date.max.toordinal() else Far(days, "day")


def _moment(value: Any) -> Any:
    """A datetime; pandas has some beyond the years of Python's."""
    if type(value) is datetime or value != value or 1 <= value.year <= 9999:
        return value if value == value else None
    local = _datetime64(value.asm8)
    return Far(local.number, "local" if value.tzinfo is None else "instant")


def _datetime64(value: Any) -> Any:
    if value != value:  # NaT
        return None
    unit = _DATETIME64.fullmatch(str(value.dtype))
    if unit is None:  # without a unit there is nothing but NaT
        return value
    number = int(value.astype("int64")) * int(unit[1] or 1)
    if unit[2] in ("Y", "M"):
        return _datetime64(value.astype("datetime64[D]"))
    if unit[2] in _DAYS:
        return day_at(number * _DAYS[unit[2]])
    # what is finer than a picosecond lies within hours of 1970
    picoseconds = number * _PICOSECONDS[unit[2]] if unit[2] in _PICOSECONDS else number // _FINER[unit[2]]
    return moment_at(picoseconds // 10**6, "local")


_FINER: Final = {"fs": 10**3, "as": 10**6}
