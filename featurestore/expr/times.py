"""Methods of expressions that are instants or dates."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from featurestore.errors import InvalidDefinition
from featurestore.expr.wrapper import Wrapper
from featurestore.semantics.dtypes import DATE
from featurestore.semantics.functions.times import DAY_US
from featurestore.semantics.instants import duration_us
from featurestore.semantics.zones import offsets

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr

T = TypeVar("T")
Day = date  # in the class below `date` is a method
Period = Literal["day", "week", "month", "year"]
PERIODS = ("day", "week", "month", "year")


class TimeMethods(Wrapper[T]):
    """Parts of an instant in a zone, parts of a date, and steps from one to another."""

    __slots__ = ()

    def hour(self: TimeMethods[datetime], zone: str = "UTC") -> Expr[int]:
        """Hour of the day, 0 to 23, in a zone."""
        return self._local(zone)._call("time_of_day")._call("hour_of")

    def minute(self: TimeMethods[datetime], zone: str = "UTC") -> Expr[int]:
        """Minute of the hour, 0 to 59, in a zone."""
        return self._local(zone)._call("time_of_day")._call("minute_of")

    def second(self: TimeMethods[datetime], zone: str = "UTC") -> Expr[int]:
        """Second of the minute, 0 to 59, in a zone."""
        return self._local(zone)._call("time_of_day")._call("second_of")

    def weekday(self: TimeMethods[datetime] | TimeMethods[Day], zone: str = "UTC") -> Expr[int]:
        """Day of the week, Monday 1 to Sunday 7, in a zone."""
        return self._days(zone)._call("weekday_of")

    def is_weekend(self: TimeMethods[datetime] | TimeMethods[Day], zone: str = "UTC") -> Expr[bool]:
        """True on Saturday and Sunday, in a zone."""
        return self.weekday(zone) >= 6

    def day(self: TimeMethods[datetime] | TimeMethods[Day], zone: str = "UTC") -> Expr[int]:
        """Day of the month, 1 to 31, in a zone."""
        return self._days(zone)._call("day_of")

    def day_of_year(self: TimeMethods[datetime] | TimeMethods[Day], zone: str = "UTC") -> Expr[int]:
        """Day of the year, 1 to 366, in a zone."""
        return self._days(zone)._call("day_of_year_of")

    def month(self: TimeMethods[datetime] | TimeMethods[Day], zone: str = "UTC") -> Expr[int]:
        """Month, 1 to 12, in a zone."""
        return self._days(zone)._call("month_of")

    def year(self: TimeMethods[datetime] | TimeMethods[Day], zone: str = "UTC") -> Expr[int]:
        """Year, in a zone."""
        return self._days(zone)._call("year_of")

    def date(self: TimeMethods[datetime], zone: str = "UTC") -> Expr[Day]:
        """The date of an instant, in a zone; null outside the years 1 to 9999."""
        return self._local(zone)._call("day_number")._call("date_of")

    def midnight(self: TimeMethods[Day], zone: str = "UTC") -> Expr[datetime]:
        """The first instant of a date, in a zone. Where midnight comes twice it is the earlier one; where the clocks
        jump over it, the instant at which they would have shown it."""
        offsets(zone)
        return self._call("local_midnight")._call("instant_of", parameter=zone)

    def start_of(self: TimeMethods[datetime] | TimeMethods[Day], period: Period, zone: str = "UTC") -> Expr[T]:
        """The first day of a date's week (a Monday), month or year; of an instant, the midnight it began with, in a
        zone."""
        if period not in PERIODS:
            raise InvalidDefinition(
                f"`start_of` takes a period, not {period!r:.40}",
                where=f"`{self!r}`",
                has=PERIODS,
                fix='write `.start_of("month")`, or `.floor("1h")` for a duration',
            )
        day: Any = self
        if self.node.dtype == DATE:
            self._only_utc(zone)
            return day if period == "day" else self._call(f"first_of_{period}")
        day = self._local(zone)._call("day_number")._call("date_of")
        first: Any = day if period == "day" else day._call(f"first_of_{period}")
        started: Expr[Any] = first.midnight(zone)
        return started

    def plus(self: TimeMethods[datetime] | TimeMethods[Day], length: str) -> Expr[T]:
        """A duration later, such as `"1d12h"`; a date takes whole days."""
        return self._call("plus", self._steps(length))

    def minus(self: TimeMethods[datetime] | TimeMethods[Day], length: str) -> Expr[T]:
        """A duration earlier, such as `"1d12h"`; a date takes whole days."""
        return self._call("plus", -self._steps(length))

    def epoch_us(self: TimeMethods[datetime]) -> Expr[int]:
        """Microseconds since 1970-01-01T00:00:00Z."""
        return self._call("epoch_us")

    def epoch_days(self: TimeMethods[Day]) -> Expr[int]:
        """Days since 1970-01-01."""
        return self._call("epoch_days")

    def _local(self, zone: str) -> Expr[Any]:
        offsets(zone)  # refuses an unknown zone where it is written
        return self._call("local", parameter=zone)

    def _days(self, zone: str) -> Expr[Any]:
        if self.node.dtype == DATE:
            self._only_utc(zone)
            return self._call("epoch_days")
        return self._local(zone)._call("day_number")

    def _only_utc(self, zone: str) -> None:
        if zone != "UTC":
            raise InvalidDefinition(
                f"a date has no zone, and `{self!r}` is asked for it in {zone!r}",
                where=f"`{self!r}`",
                fix='leave the zone out; an instant has one: `moment.date(zone="Europe/Paris")`',
            )

    def _steps(self, length: str) -> int:
        length_us = duration_us(length)
        if self.node.dtype != DATE:
            return length_us
        if length_us % DAY_US:
            raise InvalidDefinition(
                f"{length!r} is no whole number of days", where=f"`{self!r}`, a date", fix='write `.plus("1d")`'
            )
        return length_us // DAY_US
