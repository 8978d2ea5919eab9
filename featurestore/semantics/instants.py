"""Instants and durations (R1): int64 microseconds, UTC, computed as integers; division is floored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from featurestore.errors import InvalidDefinition, InvalidValue, NaiveTime, a_kind
from featurestore.semantics.texts import LOCAL_TEXT, ZONED_TEXT

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
EARLIEST_US = -(2**62)
"""The event time of rows of a static source: before every instant that can be asked for."""
LATEST_US = 2**62
FIRST_US = -62_135_596_800_000_000
LAST_US = 253_402_300_799_999_999
"""The years 1 to 9999, which every instant that is a value lies in: what Python's `datetime` holds (R1)."""
FIRST_DAY = -719_162
LAST_DAY = 2_932_896
"""The same of dates, in days since 1970-01-01."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_DURATION = re.compile(r"([0-9]+)(us|ms|s|m|h|d|w)")
_MOMENT = re.compile(f"{ZONED_TEXT}|{LOCAL_TEXT}")
_NANOSECONDS = re.compile(r"(\.[0-9]{6})[0-9]+")


class OutOfYears(InvalidValue):
    """An instant or a day outside the years 1 to 9999; to callers it is a value like any that does not fit."""

    @property
    def name(self) -> str:
        """The error's name as printed and as sent over HTTP."""
        return InvalidValue.__name__


@dataclass(frozen=True, slots=True)
class Far:
    """A time that no `datetime` or `date` holds: microseconds since 1970 of an instant or a local time, or days."""

    number: int
    kind: Literal["instant", "local", "day"]

    def __str__(self) -> str:
        unit = "days" if self.kind == "day" else "microseconds"
        return f"{self.number} {unit} since 1970"


UNITS = ("s", "ms", "us", "ns")
"""Of numbers that are instants, counted from 1970-01-01T00:00:00Z."""


def unix_us(number: int, unit: str) -> int:
    """Microseconds of an instant that is written as a number in a unit; nanoseconds are floored. Raises: OutOfYears.

    >>> unix_us(1356998400, "s") == unix_us(1356998400000000999, "ns")
    True
    """
    return in_years(number // 1_000 if unit == "ns" else number * _UNITS_US[unit])


def in_years(at_us: int) -> int:
    """An instant that lies in the years 1 to 9999. Raises: OutOfYears."""
    if FIRST_US <= at_us <= LAST_US:
        return at_us
    raise OutOfYears(
        "an instant lies outside the years 1 to 9999",
        has=str(Far(at_us, "instant")),
        fix="send an instant within these years, or null",
    )


_CALENDAR = re.compile(r"(\d{1,4})\s*(M|mo|mon|months?|[yY]|yr|years?)")
"""How other systems write months and years."""


def duration_us(text: str) -> int:
    """Microseconds of a duration such as `90s`, `6h`, `1d` or `1d12h`. A `d` is 86,400 s, whatever the clocks do.

    >>> duration_us("1d12h") // 3_600_000_000
    36
    """
    if not isinstance(text, str):
        raise InvalidDefinition(
            f"{text!r:.60} is not a duration", has=[f"1{unit}" for unit in _UNITS_US], fix='write it as a text: `"6h"`'
        )
    parts = _DURATION.findall(text)
    if months := _CALENDAR.fullmatch(text):
        days = int(months[1]) * (365 if months[2].lower().startswith("y") else 30)
        raise InvalidDefinition(
            f"{text!r} is not a duration: a month or a year is longer or shorter, depending on the calendar",
            has=[f"1{unit}" for unit in _UNITS_US],
            fix=f"write days: `{days}d`",
        )
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidDefinition(
            f"{text!r} is not a duration",
            has=[f"1{unit}" for unit in _UNITS_US],
            fix="write a number and a unit, such as `7d` or `1d12h`",
        )
    total = sum(int(number) * _UNITS_US[unit] for number, unit in parts)
    if not 0 < total < LATEST_US:
        raise InvalidDefinition(
            f"the duration {text!r} must be longer than 0 and shorter than 146,000 years",
            fix="write a duration such as `7d`",
        )
    return total


def duration_text(length_us: int) -> str:
    """The shortest way to write a duration in one unit.

    >>> duration_text(86_400_000_000), duration_text(5_400_000_000)
    ('1d', '90m')
    """
    unit = next(unit for unit in ("d", "h", "m", "s", "ms", "us") if length_us % _UNITS_US[unit] == 0)
    return f"{length_us // _UNITS_US[unit]}{unit}"


def instant_us(value: datetime | str | Far) -> int:
    """Microseconds UTC of an aware datetime or an ISO 8601 text with a zone. Nanoseconds are floored.

    Raises: NaiveTime     when there is no zone.
            InvalidValue  when the text is no instant, or the instant lies outside the years 1 to 9999.

    >>> instant_us("2013-01-01T00:00:00Z")
    1356998400000000
    """
    if isinstance(value, Far) and value.kind == "instant":
        return in_years(value.number)
    if isinstance(value, Far) and value.kind == "local":
        raise _naive(value)
    moment = moment_of(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise InvalidValue(
            f"{value!r:.80} is not an instant",
            has=a_kind(value),
            fix="give a datetime with a zone, or ISO 8601 text: 2013-01-01T00:00:00Z",
        )
    if moment != moment:  # pandas.NaT
        raise InvalidValue("a missing time (NaT) is not an instant", fix="leave the row out or give its time")
    if moment.utcoffset() is None:
        raise _naive(value)
    return in_years((moment - _EPOCH) // timedelta(microseconds=1))


def moment_of(text: str) -> datetime:
    """The time that an ISO 8601 text writes, with its zone if it has one. Nanoseconds are floored.

    Raises: InvalidValue  when the text is no time by the grammar of both roads.
    """
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(_NANOSECONDS.sub(r"\1", text))
    except ValueError:  # a day that its month does not have
        pass
    raise InvalidValue(f"{text!r:.40} is not an instant", fix="write it in ISO 8601 with a zone: 2013-01-01T00:00:00Z")


def datetime_of(at_us: int) -> datetime:
    """The aware UTC datetime of an instant. Raises: OverflowError  for one that no value can be (R1)."""
    return _EPOCH + timedelta(microseconds=at_us)


def _naive(value: object) -> NaiveTime:
    return NaiveTime(f"the time {value!s} has no zone", fix="give it one: datetime(..., tzinfo=UTC), or ...Z in text")


def instant_text(at_us: int) -> str:
    """An instant for people to read: ISO 8601 with microseconds only where there are some. A bound outside the years 1
    to 9999 is written as the nearest instant within them.

    >>> instant_text(1356998400000000)
    '2013-01-01T00:00:00Z'
    """
    return datetime_of(min(max(at_us, FIRST_US), LAST_US)).isoformat().replace("+00:00", "Z")
