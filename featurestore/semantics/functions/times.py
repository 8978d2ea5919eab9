"""Instants and dates: their parts in a zone, differences, steps, and one from the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from featurestore.semantics.dtypes import DATE, EPOCH_DAY, FLOAT64, INT64, TIMESTAMP, Value
from featurestore.semantics.functions.row import Scalar, int64, same, takes
from featurestore.semantics.instants import FIRST_DAY, FIRST_US, LAST_DAY, LAST_US
from featurestore.semantics.zones import instant_of_wall_us, offset_us

DAY_US: Final = 86_400_000_000
_PARTS: Final[dict[str, tuple[str, Callable[[date], int]]]] = {
    "year": ("year", lambda day: day.year),
    "month": ("month", lambda day: day.month),
    "day": ("day", lambda day: day.day),
    "day_of_year": ("dayofyear", lambda day: day.timetuple().tm_yday),
    "weekday": ("isodow", date.isoweekday),
}


def _seconds_between(left: int, right: int) -> Value:
    difference = int64(left - right)
    return None if difference is None else float(difference) / 1e6


def _instant(at_us: int) -> Value:
    return at_us if FIRST_US <= at_us <= LAST_US else None


def _floor(at_us: int, step_us: int) -> Value:
    return _instant(at_us - at_us % step_us) if step_us > 0 else None


def _in_calendar(days: int) -> Value:
    return days if FIRST_DAY <= days <= LAST_DAY else None


def _sql_part(part: str) -> str:
    return f"{_PARTS[part][0]}(make_timestamp(CAST({{0}} AS BIGINT) * {DAY_US}))"


def _sql_in_calendar(text: str, days: str = "{0}") -> str:
    return f"CASE WHEN {days} BETWEEN {FIRST_DAY} AND {LAST_DAY} THEN {text} END"


def _part(part: str) -> Scalar:
    """A part of the calendar day of a day number."""
    of = _PARTS[part][1]

    def python(days: int) -> Value:
        return of(date.fromordinal(days + EPOCH_DAY)) if FIRST_DAY <= days <= LAST_DAY else None

    return Scalar(f"{part}_of", takes(((INT64,), INT64)), _sql_in_calendar(_sql_part(part)), python)


def _first_of(period: str, place: str) -> Scalar:
    """The first day of a date's week, month or year; `place` is the part that counts days in it."""
    of = _PARTS[place][1]

    def python(days: int) -> Value:
        return days - of(date.fromordinal(days + EPOCH_DAY)) + 1 if FIRST_DAY <= days <= LAST_DAY else None

    sql = _sql_in_calendar(f"CAST({{0}} - {_sql_part(place)} + 1 AS INTEGER)")
    return Scalar(f"first_of_{period}", takes(((DATE,), DATE)), sql, python, written=f'{{0}}.start_of("{period}")')


ROWS: Final[tuple[Scalar, ...]] = (
    Scalar(
        "sub",
        same(TIMESTAMP, gives=FLOAT64),
        "(CAST(TRY_CAST(CAST({0} AS HUGEINT) - {1} AS BIGINT) AS DOUBLE) / 1e6::DOUBLE)",
        _seconds_between,
        "-",
    ),
    Scalar(
        "sub",
        same(DATE, gives=INT64),
        "(CAST({0} AS BIGINT) - {1})",
        lambda left, right: left - right,
        "-",
    ),
    # microseconds to an instant, days to a date
    Scalar(
        "plus",
        takes(((TIMESTAMP, INT64), TIMESTAMP)),
        "fs_instant(CAST({0} AS HUGEINT) + {1})",
        lambda at, length_us: _instant(at + length_us),
    ),
    Scalar(
        "plus",
        takes(((DATE, INT64), DATE)),
        _sql_in_calendar("CAST({0} + {1} AS INTEGER)", "CAST({0} AS HUGEINT) + {1}"),
        lambda days, more: _in_calendar(days + more),
    ),
    Scalar(
        "floor",
        takes(((TIMESTAMP, INT64), TIMESTAMP)),
        "CASE WHEN {1} > 0 THEN fs_instant({0} - (CAST({0} % {1} AS HUGEINT) + {1}) % {1}) END",
        _floor,
    ),
    Scalar("epoch_us", takes(((TIMESTAMP,), INT64)), "{0}", lambda at: at),
    Scalar("epoch_days", takes(((DATE,), INT64)), "CAST({0} AS BIGINT)", lambda days: days),
    # local time of a zone, as microseconds that read as UTC
    Scalar(
        "local",
        takes(((TIMESTAMP,), INT64)),
        "TRY_CAST(CAST({0} AS HUGEINT) + {p}({0}) AS BIGINT)",
        lambda at, zone: int64(at + offset_us(zone, at)),
        parameter=True,
    ),
    # whole days since 1970-01-01 of local microseconds; division floors (R1)
    Scalar(
        "day_number",
        takes(((INT64,), INT64)),
        f"(({{0}} // {DAY_US}) - CAST(({{0}} % {DAY_US}) < 0 AS BIGINT))",
        lambda at: at // DAY_US,
    ),
    Scalar(
        "time_of_day",
        takes(((INT64,), INT64)),
        f"((({{0}} % {DAY_US}) + {DAY_US}) % {DAY_US})",
        lambda at: at % DAY_US,
    ),
    Scalar("hour_of", takes(((INT64,), INT64)), "({0} // 3600000000)", lambda at: at // 3_600_000_000),
    Scalar("minute_of", takes(((INT64,), INT64)), "(({0} // 60000000) % 60)", lambda at: at // 60_000_000 % 60),
    Scalar("second_of", takes(((INT64,), INT64)), "(({0} // 1000000) % 60)", lambda at: at // 1_000_000 % 60),
    Scalar("weekday_of", takes(((INT64,), INT64)), "((({0} + 3) % 7 + 7) % 7 + 1)", lambda days: (days + 3) % 7 + 1),
    _part("month"),
    _part("day"),
    _part("year"),
    _part("day_of_year"),
    Scalar("date_of", takes(((INT64,), DATE)), _sql_in_calendar("CAST({0} AS INTEGER)"), _in_calendar),
    _first_of("week", "weekday"),
    _first_of("month", "day"),
    _first_of("year", "day_of_year"),
    Scalar(
        "local_midnight",
        takes(((DATE,), INT64)),
        _sql_in_calendar(f"CAST({{0}} AS BIGINT) * {DAY_US}"),
        lambda days: None if _in_calendar(days) is None else days * DAY_US,
    ),
    # the instant of a local time: the earlier one of two, and what the clocks jumped over as if they had not yet
    Scalar(
        "instant_of",
        takes(((INT64,), TIMESTAMP)),
        "fs_instant(CAST({0} AS HUGEINT) - {l}({0}))",
        lambda local_us, zone: _instant(instant_of_wall_us(zone, local_us)),
        parameter=True,
    ),
)
