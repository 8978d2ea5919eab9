"""What authors write expressions with: ordinary operators and methods on a thin wrapper around a node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, Generic, NoReturn, TypeVar, overload

from featurestore.errors import InvalidDefinition, did_you_mean
from featurestore.expr.build import aggregate, call, conjunction, literal
from featurestore.expr.nodes import Node
from featurestore.expr.printing import text_of
from featurestore.semantics.instants import duration_text, duration_us
from featurestore.semantics.windows import Span
from featurestore.semantics.zones import offsets

T = TypeVar("T")
Over = str | None


class Expr(Generic[T]):
    """A typed value that is not known yet. Operators give new expressions; nothing is computed.

    >>> from featurestore.expr.nodes import ColumnRef
    >>> from featurestore.semantics.dtypes import FLOAT64
    >>> Expr(ColumnRef("Arrival", "late_by", FLOAT64)) > 15
    (Arrival.late_by > 15.0)
    """

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return text_of(self.node)

    # `==` builds an expression, so wrappers hash by identity; nodes compare by structure
    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise InvalidDefinition(
            "an expression has no truth value while it is being defined",
            where=f"the expression `{self!r}`",
            fix="write `&` for `and`, `|` for `or`, `~` for `not`, `x.between(0, 10)` for `0 < x < 10`",
        )

    def __iter__(self) -> NoReturn:
        raise InvalidDefinition(f"the expression `{self!r}` cannot be iterated", fix="use aggregates and operators")

    def __add__(self, other: Operand) -> Expr[T]:
        return Expr(call("add", self.node, node_of(other)))

    def __radd__(self, other: Operand) -> Expr[T]:
        return Expr(call("add", node_of(other), self.node))

    def __sub__(self, other: Operand) -> Expr[Any]:
        """A difference; of two instants, in seconds."""
        return Expr(call("sub", self.node, node_of(other)))

    def __rsub__(self, other: Operand) -> Expr[Any]:
        return Expr(call("sub", node_of(other), self.node))

    def __mul__(self, other: Operand) -> Expr[T]:
        return Expr(call("mul", self.node, node_of(other)))

    def __rmul__(self, other: Operand) -> Expr[T]:
        return Expr(call("mul", node_of(other), self.node))

    def __truediv__(self, other: Operand) -> Expr[float]:
        """Float division; by zero it is null (R10)."""
        return Expr(call("div", self.node, node_of(other)))

    def __rtruediv__(self, other: Operand) -> Expr[float]:
        return Expr(call("div", node_of(other), self.node))

    def __neg__(self) -> Expr[T]:
        return Expr(call("neg", self.node))

    def __eq__(self, other: Operand) -> Expr[bool]:  # type: ignore[override]  # an expression, not an answer
        return Expr(call("eq", self.node, node_of(other)))

    def __ne__(self, other: Operand) -> Expr[bool]:  # type: ignore[override]  # an expression, not an answer
        return Expr(call("ne", self.node, node_of(other)))

    def __lt__(self, other: Operand) -> Expr[bool]:
        return Expr(call("lt", self.node, node_of(other)))

    def __le__(self, other: Operand) -> Expr[bool]:
        return Expr(call("le", self.node, node_of(other)))

    def __gt__(self, other: Operand) -> Expr[bool]:
        return Expr(call("gt", self.node, node_of(other)))

    def __ge__(self, other: Operand) -> Expr[bool]:
        return Expr(call("ge", self.node, node_of(other)))

    def __and__(self, other: Operand) -> Expr[bool]:
        return Expr(call("and", self.node, node_of(other)))

    def __rand__(self, other: Operand) -> Expr[bool]:
        return Expr(call("and", node_of(other), self.node))

    def __or__(self, other: Operand) -> Expr[bool]:
        return Expr(call("or", self.node, node_of(other)))

    def __ror__(self, other: Operand) -> Expr[bool]:
        return Expr(call("or", node_of(other), self.node))

    def __invert__(self) -> Expr[bool]:
        return Expr(call("not", self.node))

    def abs(self) -> Expr[T]:
        """Absolute value."""
        return Expr(call("abs", self.node))

    def floor(self) -> Expr[float]:
        """Greatest whole number not above it, as a float."""
        return Expr(call("floor", self.node))

    def ceil(self) -> Expr[float]:
        """Least whole number not below it, as a float."""
        return Expr(call("ceil", self.node))

    def sqrt(self) -> Expr[float]:
        """Square root; null below zero."""
        return Expr(call("sqrt", self.node))

    def clip(self, low: Operand, high: Operand) -> Expr[T]:
        """The value, but at least `low` and at most `high`."""
        return Expr(call("least", call("greatest", self.node, node_of(low)), node_of(high)))

    def to_float(self) -> Expr[float]:
        """As float64; an int64 beyond 2^53 is rounded to the nearest."""
        return Expr(call("to_float", self.node))

    def to_int(self) -> Expr[int]:
        """As int64, cut towards zero; null outside int64."""
        return Expr(call("to_int", self.node))

    def is_null(self) -> Expr[bool]:
        """True where there is no value."""
        return Expr(call("is_null", self.node))

    def fill_null(self, other: Operand) -> Expr[T]:
        """The value, or `other` where it is null."""
        return Expr(call("coalesce", self.node, node_of(other)))

    def between(self, low: Operand, high: Operand) -> Expr[bool]:
        """True from `low` to `high`, both included."""
        return (self >= low) & (self <= high)

    def isin(self, values: Iterable[Operand]) -> Expr[bool]:
        """True when it equals one of the values."""
        tests = [self == value for value in values]
        if not tests:
            raise InvalidDefinition(
                "`isin` needs at least one value", where=f"`{self!r}.isin([])`", fix="list the values"
            )
        found = tests[0]
        for test in tests[1:]:
            found = found | test
        return found

    def hour(self, zone: str = "UTC") -> Expr[int]:
        """Hour of the day, 0 to 23, in a zone."""
        return Expr(call("hour_of", self._time_of_day(zone)))

    def minute(self, zone: str = "UTC") -> Expr[int]:
        """Minute of the hour, 0 to 59, in a zone."""
        return Expr(call("minute_of", self._time_of_day(zone)))

    def weekday(self, zone: str = "UTC") -> Expr[int]:
        """Day of the week, Monday 1 to Sunday 7, in a zone."""
        return Expr(call("weekday_of", self._day(zone)))

    def day(self, zone: str = "UTC") -> Expr[int]:
        """Day of the month, 1 to 31, in a zone."""
        return Expr(call("day_of", self._day(zone)))

    def month(self, zone: str = "UTC") -> Expr[int]:
        """Month, 1 to 12, in a zone."""
        return Expr(call("month_of", self._day(zone)))

    def year(self, zone: str = "UTC") -> Expr[int]:
        """Year, in a zone."""
        return Expr(call("year_of", self._day(zone)))

    def _local(self, zone: str) -> Node:
        offsets(zone)  # refuses an unknown zone where it is written
        return call("local", self.node, parameter=zone)

    def _time_of_day(self, zone: str) -> Node:
        return call("time_of_day", self._local(zone))

    def _day(self, zone: str) -> Node:
        return call("day_number", self._local(zone))

    @overload
    def count(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
    @overload
    def count(self, *, over: tuple[str, ...], where: Expr[bool] | None = None) -> Group[int]: ...
    def count(self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None) -> Expr[int] | Group[int]:
        """Number of values that are not null."""
        return aggregated("count", self.node, over, where)

    @overload
    def sum(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[T]: ...
    @overload
    def sum(self, *, over: tuple[str, ...], where: Expr[bool] | None = None) -> Group[T]: ...
    def sum(self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None) -> Expr[T] | Group[T]:
        """Exact sum (R9)."""
        return aggregated("sum", self.node, over, where)

    @overload
    def mean(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[float]: ...
    @overload
    def mean(self, *, over: tuple[str, ...], where: Expr[bool] | None = None) -> Group[float]: ...
    def mean(
        self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[float] | Group[float]:
        """The exact sum divided by the count."""
        return aggregated("mean", self.node, over, where)

    @overload
    def min(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[T]: ...
    @overload
    def min(self, *, over: tuple[str, ...], where: Expr[bool] | None = None) -> Group[T]: ...
    def min(self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None) -> Expr[T] | Group[T]:
        """Least value."""
        return aggregated("min", self.node, over, where)

    @overload
    def max(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[T]: ...
    @overload
    def max(self, *, over: tuple[str, ...], where: Expr[bool] | None = None) -> Group[T]: ...
    def max(self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None) -> Expr[T] | Group[T]:
        """Greatest value."""
        return aggregated("max", self.node, over, where)

    @overload
    def var(self, *, over: Over = None, where: Expr[bool] | None = None, population: bool = False) -> Expr[float]: ...
    @overload
    def var(
        self, *, over: tuple[str, ...], where: Expr[bool] | None = None, population: bool = False
    ) -> Group[float]: ...
    def var(
        self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float] | Group[float]:
        """Sample variance, or of the population; null where it is not defined."""
        return aggregated("var_pop" if population else "var", self.node, over, where)

    @overload
    def std(self, *, over: Over = None, where: Expr[bool] | None = None, population: bool = False) -> Expr[float]: ...
    @overload
    def std(
        self, *, over: tuple[str, ...], where: Expr[bool] | None = None, population: bool = False
    ) -> Group[float]: ...
    def std(
        self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float] | Group[float]:
        """Sample standard deviation, or of the population; null where it is not defined."""
        return aggregated("std_pop" if population else "std", self.node, over, where)

    @overload
    def first(self, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False) -> Expr[T]: ...
    @overload
    def first(
        self, *, over: tuple[str, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[T]: ...
    def first(
        self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[T] | Group[T]:
        """Value of the earliest row (R5), even when it is null, unless `skip_nulls`."""
        return aggregated("first", self.node, over, self._where(where, skip_nulls))

    @overload
    def last(self, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False) -> Expr[T]: ...
    @overload
    def last(self, *, over: tuple[str, ...], where: Expr[bool] | None = None, skip_nulls: bool = False) -> Group[T]: ...
    def last(
        self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[T] | Group[T]:
        """Value of the latest row (R5), even when it is null, unless `skip_nulls`."""
        return aggregated("last", self.node, over, self._where(where, skip_nulls))

    @overload
    def last_n(
        self, n: int, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[list[T]]: ...
    @overload
    def last_n(
        self, n: int, *, over: tuple[str, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[list[T]]: ...
    def last_n(
        self, n: int, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[list[T]] | Group[list[T]]:
        """Values of the latest `n` rows (R5), oldest first."""
        if not (type(n) is int and 0 < n <= 10_000):
            raise InvalidDefinition(
                f"`last_n` takes a number of rows, not {n!r}", has="1 to 10000", fix="write `last_n(10)`"
            )
        return aggregated("last_n", self.node, over, self._where(where, skip_nulls), n)

    @overload
    def distinct_count(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
    @overload
    def distinct_count(self, *, over: tuple[str, ...], where: Expr[bool] | None = None) -> Group[int]: ...
    def distinct_count(
        self, *, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[int] | Group[int]:
        """Number of different values that are not null, exactly."""
        return aggregated("distinct_count", self.node, over, where)

    def _where(self, where: Expr[bool] | None, skip_nulls: bool) -> Expr[bool] | None:
        if not skip_nulls:
            return where
        return Expr(conjunction(where.node if where is not None else None, call("not", call("is_null", self.node))))


Operand = Expr[Any] | bool | int | float | str | datetime | date


class Group(Generic[T]):
    """One aggregate over several windows: `group["7d"]` is one of them. As a view's attribute it is one feature a
    window."""

    __slots__ = ("members",)

    def __init__(self, members: dict[str, Expr[T]]) -> None:
        self.members = members

    def __getitem__(self, window: str) -> Expr[T]:
        label = duration_text(duration_us(window))
        if label not in self.members:
            raise InvalidDefinition(
                f"this group has no window {window!r}",
                has=list(self.members),
                fix=did_you_mean(window, list(self.members), "write one of these"),
            )
        return self.members[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __repr__(self) -> str:
        return f"Group({', '.join(f'{label}: {member!r}' for label, member in self.members.items())})"


@overload
def rows(*, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
@overload
def rows(*, over: tuple[str, ...], where: Expr[bool] | None = None) -> Group[int]: ...
def rows(*, over: Over | tuple[str, ...] = None, where: Expr[bool] | None = None) -> Expr[int] | Group[int]:
    """Number of rows of the view's source."""
    return aggregated("rows", None, over, where)


def aggregated(
    name: str, of: Node | None, over: Over | tuple[str, ...], where: Expr[bool] | None, n: int = 0
) -> Expr[Any] | Group[Any]:
    """One aggregate, or a group with one for each window."""
    if where is not None and not isinstance(where, Expr):
        raise InvalidDefinition(
            f"`where=` of `{name}` takes a condition, not {where!r:.60}", fix="write `where=Source.column > 0`"
        )
    test = where.node if where is not None else None
    if isinstance(over, (tuple, list)):
        spans = [Span(duration_us(each)) for each in over]
        if len(set(spans)) < len(spans) or not spans:
            raise InvalidDefinition(f"`over={over!r}` of `{name}` needs different windows", fix="name each window once")
        return Group({span.label: Expr(aggregate(name, of, test, span, n)) for span in spans})
    if not isinstance(over, (str, type(None))):
        raise InvalidDefinition(f"`over=` of `{name}` takes a duration, not {over!r:.40}", fix='write `over="7d"`')
    return Expr(aggregate(name, of, test, Span(duration_us(over) if over is not None else None), n))


def node_of(operand: object) -> Node:
    """The node of an expression or of a plain Python constant."""
    if isinstance(operand, Expr):
        return operand.node
    return literal(operand)
