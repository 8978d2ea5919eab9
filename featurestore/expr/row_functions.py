"""Functions beside `rows`: when the rows of the view's source happened, how long ago, and which share of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar, overload

from featurestore.errors import InvalidDefinition
from featurestore.expr.fluent import Expr, Group, aggregated, decayed
from featurestore.expr.nodes import AsOf
from featurestore.expr.wrapper import Length, Over

G = TypeVar("G")


def as_of() -> Expr[datetime]:
    """The instant that the question is asked as of, after `refresh=`."""
    return Expr(AsOf())


@overload
def last_at(*, over: Over = None, where: Expr[bool] | None = None) -> Expr[datetime]: ...
@overload
def last_at(*, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[datetime]: ...
def last_at(
    *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
) -> Expr[datetime] | Group[datetime]:
    """When the latest row happened; null when there is none."""
    return aggregated("last_at", None, over, where)


@overload
def first_at(*, over: Over = None, where: Expr[bool] | None = None) -> Expr[datetime]: ...
@overload
def first_at(*, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[datetime]: ...
def first_at(
    *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
) -> Expr[datetime] | Group[datetime]:
    """When the earliest row happened; null when there is none."""
    return aggregated("first_at", None, over, where)


@overload
def time_since_last(*, over: Over = None, where: Expr[bool] | None = None) -> Expr[float]: ...
@overload
def time_since_last(*, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[float]: ...
def time_since_last(
    *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
) -> Expr[float] | Group[float]:
    """Seconds from the latest row to `as_of()`; null when there is none."""
    return _each(last_at(over=over, where=where), lambda at: as_of() - at)


@overload
def time_since_first(*, over: Over = None, where: Expr[bool] | None = None) -> Expr[float]: ...
@overload
def time_since_first(*, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[float]: ...
def time_since_first(
    *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
) -> Expr[float] | Group[float]:
    """Seconds from the earliest row to `as_of()`; null when there is none."""
    return _each(first_at(over=over, where=where), lambda at: as_of() - at)


class TimeBetween(Generic[G]):
    """The gaps between rows that follow one another, in seconds. A feature is one of its methods."""

    __slots__ = ("_over", "_where")

    def __init__(self, over: Over | tuple[Length, ...], where: Expr[bool] | None) -> None:
        self._over, self._where = over, where

    def mean(self) -> G:
        """Mean of the gaps; null below two rows."""
        return self._found("mean")

    def min(self) -> G:
        """The least gap; null below two rows."""
        return self._found("min")

    def max(self) -> G:
        """The greatest gap; null below two rows."""
        return self._found("max")

    def _found(self, end: str) -> G:
        found: Any = aggregated(f"time_between_{end}", None, self._over, self._where)
        gaps: G = found
        return gaps


@overload
def time_between(*, over: Over = None, where: Expr[bool] | None = None) -> TimeBetween[Expr[float]]: ...
@overload
def time_between(*, over: tuple[Length, ...], where: Expr[bool] | None = None) -> TimeBetween[Group[float]]: ...
def time_between(*, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None) -> TimeBetween[Any]:
    """The gaps between rows that follow one another, in seconds: `time_between(over="30d").mean()`, `.min()` or
    `.max()`."""
    return TimeBetween(over, where)


@overload
def decayed_rows(*, halflife: str, where: Expr[bool] | None = None) -> Expr[float]: ...
@overload
def decayed_rows(*, halflife: tuple[str, ...], where: Expr[bool] | None = None) -> Group[float]: ...
def decayed_rows(*, halflife: str | tuple[str, ...], where: Expr[bool] | None = None) -> Expr[float] | Group[float]:
    """Number of rows, each halved for every half-life since it happened."""
    return decayed("decayed_rows", None, halflife, where)


@overload
def share(where: Expr[bool], *, over: Over = None) -> Expr[float]: ...
@overload
def share(where: Expr[bool], *, over: tuple[Length, ...]) -> Group[float]: ...
def share(where: Expr[bool], *, over: Over | tuple[Length, ...] = None) -> Expr[float] | Group[float]:
    """The share of rows for which a condition is true; null when there is no row."""
    if not isinstance(where, Expr):
        raise InvalidDefinition(
            f"`share` takes a condition, not {where!r:.60}", fix="write `share(Source.column > 0, over=...)`"
        )
    found, fitting = aggregated("rows", None, over, None), aggregated("rows", None, over, where)
    if isinstance(found, Group) and isinstance(fitting, Group):
        return Group({label: member / found.members[label] for label, member in fitting.members.items()})
    assert isinstance(found, Expr) and isinstance(fitting, Expr), "two of the same windows"
    return fitting / found


def _each(found: Expr[Any] | Group[Any], change: Callable[[Expr[Any]], Expr[Any]]) -> Expr[Any] | Group[Any]:
    """The same of an expression, or of each member of a group."""
    if isinstance(found, Group):
        return Group({label: change(member) for label, member in found.members.items()})
    return change(found)
