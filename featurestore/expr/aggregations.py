"""Methods of expressions over the columns of a source: aggregates of its rows."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, overload

from featurestore.errors import InvalidDefinition
from featurestore.expr.categories import categories
from featurestore.expr.wrapper import Averaged, Length, Ordered, Over, Summable, Wrapper
from featurestore.semantics.dtypes import Vector

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Group

K = TypeVar("K")
T = TypeVar("T")
X = TypeVar("X")
Numbers = Wrapper[list[int]] | Wrapper[list[float]] | Wrapper[list[bool]] | Wrapper[list[Decimal]]
NumbersBy = Wrapper[dict[K, int]] | Wrapper[dict[K, float]] | Wrapper[dict[K, Decimal]]


class AggregateMethods(Wrapper[T]):
    """Each takes `over=`, one window or a tuple of them, and `where=`, a condition on rows.

    Those that take `by=` give a map with the answer for each category; rows without one are left out of it, or have
    the category `null_category`.
    """

    __slots__ = ()

    @overload
    def count(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
    @overload
    def count(
        self, *, over: Over = None, where: Expr[bool] | None = None, by: Expr[K], null_category: K | None = None
    ) -> Expr[dict[K, int]]: ...
    @overload
    def count(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[int]: ...
    @overload
    def count(
        self, *, over: tuple[Length, ...], where: Expr[bool] | None = None, by: Expr[K], null_category: K | None = None
    ) -> Group[dict[K, int]]: ...
    def count(
        self,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        by: Expr[Any] | None = None,
        null_category: Any = None,
    ) -> Expr[Any] | Group[Any]:
        """Number of values that are not null.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows. `by=` gives a map with the
        answer for each category, and `null_category=` the category of rows without one.

        Example: `Sale.coupon.count(over="30d")`
        """
        return self._aggregated("count", over, where, by=categories("count", by, null_category))

    @overload
    def sum(self: Wrapper[list[int]] | Wrapper[list[bool]] | Wrapper[dict[K, int]]) -> Expr[int]: ...
    @overload
    def sum(self: Wrapper[list[float]] | Wrapper[dict[K, float]]) -> Expr[float]: ...
    @overload
    def sum(self: Wrapper[list[Decimal]] | Wrapper[dict[K, Decimal]]) -> Expr[Decimal]: ...
    @overload
    def sum(self: Wrapper[bool], *, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
    @overload
    def sum(
        self: Wrapper[bool], *, over: Over = None, where: Expr[bool] | None = None, by: Expr[K]
    ) -> Expr[dict[K, int]]: ...
    @overload
    def sum(self: Wrapper[bool], *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[int]: ...
    @overload
    def sum(
        self: Wrapper[bool], *, over: tuple[Length, ...], where: Expr[bool] | None = None, by: Expr[K]
    ) -> Group[dict[K, int]]: ...
    @overload
    def sum(self: Summable, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[T]: ...
    @overload
    def sum(
        self: Summable,
        *,
        over: Over = None,
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Expr[dict[K, T]]: ...
    @overload
    def sum(self: Summable, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[T]: ...
    @overload
    def sum(
        self: Summable,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Group[dict[K, T]]: ...
    def sum(
        self,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        by: Expr[Any] | None = None,
        null_category: Any = None,
    ) -> Expr[Any] | Group[Any]:
        """Exact sum (R9); of vectors element by element; of a list or map that a feature gives, of its items.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows. `by=` gives a map with the
        answer for each category, and `null_category=` the category of rows without one.

        Example: `Sale.amount.sum(over=("1d", "30d"), where=Sale.paid)`
        """
        if (found := self._of_items("sum", over=over, where=where, by=by)) is not None:
            return found
        return self._aggregated("sum", over, where, by=categories("sum", by, null_category))

    @overload
    def mean(self: Numbers) -> Expr[float]: ...
    @overload
    def mean(self: NumbersBy[K]) -> Expr[float]: ...
    @overload
    def mean(self: Wrapper[Vector], *, over: Over = None, where: Expr[bool] | None = None) -> Expr[Vector]: ...
    @overload
    def mean(self: Wrapper[Vector], *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[Vector]: ...
    @overload
    def mean(self: Averaged, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[float]: ...
    @overload
    def mean(
        self: Averaged,
        *,
        over: Over = None,
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Expr[dict[K, float]]: ...
    @overload
    def mean(self: Averaged, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[float]: ...
    @overload
    def mean(
        self: Averaged,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Group[dict[K, float]]: ...
    def mean(
        self,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        by: Expr[Any] | None = None,
        null_category: Any = None,
    ) -> Expr[Any] | Group[Any]:
        """The exact sum divided by the count; of vectors element by element; of a list or map, of its items.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows. `by=` gives a map with the
        answer for each category, and `null_category=` the category of rows without one.

        Example: `Sale.amount.mean(over="30d", where=Sale.amount > 0)`
        """
        if (found := self._of_items("mean", over=over, where=where, by=by)) is not None:
            return found
        return self._aggregated("mean", over, where, by=categories("mean", by, null_category))

    @overload
    def min(self: Wrapper[list[X]]) -> Expr[X]: ...
    @overload
    def min(self: Wrapper[dict[K, X]]) -> Expr[X]: ...
    @overload
    def min(self: Ordered, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[T]: ...
    @overload
    def min(
        self: Ordered,
        *,
        over: Over = None,
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Expr[dict[K, T]]: ...
    @overload
    def min(self: Ordered, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[T]: ...
    @overload
    def min(
        self: Ordered,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Group[dict[K, T]]: ...
    def min(
        self,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        by: Expr[Any] | None = None,
        null_category: Any = None,
    ) -> Expr[Any] | Group[Any]:
        """Least value; of a list or map that a feature gives, of its items.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows. `by=` gives a map with the
        answer for each category, and `null_category=` the category of rows without one.

        Example: `Sale.amount.min(over="7d")`
        """
        if (found := self._of_items("min", over=over, where=where, by=by)) is not None:
            return found
        return self._aggregated("min", over, where, by=categories("min", by, null_category))

    @overload
    def max(self: Wrapper[list[X]]) -> Expr[X]: ...
    @overload
    def max(self: Wrapper[dict[K, X]]) -> Expr[X]: ...
    @overload
    def max(self: Ordered, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[T]: ...
    @overload
    def max(
        self: Ordered,
        *,
        over: Over = None,
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Expr[dict[K, T]]: ...
    @overload
    def max(self: Ordered, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[T]: ...
    @overload
    def max(
        self: Ordered,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        by: Expr[K],
        null_category: K | None = None,
    ) -> Group[dict[K, T]]: ...
    def max(
        self,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        by: Expr[Any] | None = None,
        null_category: Any = None,
    ) -> Expr[Any] | Group[Any]:
        """Greatest value; of a list or map that a feature gives, of its items.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows. `by=` gives a map with the
        answer for each category, and `null_category=` the category of rows without one.

        Example: `Sale.amount.max(over="7d", by=Sale.country)`
        """
        if (found := self._of_items("max", over=over, where=where, by=by)) is not None:
            return found
        return self._aggregated("max", over, where, by=categories("max", by, null_category))

    @overload
    def first(self, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False) -> Expr[T]: ...
    @overload
    def first(
        self, *, over: tuple[Length, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[T]: ...
    def first(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[T] | Group[T]:
        """Value of the earliest row (R5), even when it is null, unless `skip_nulls`.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.first(over="30d", skip_nulls=True)`
        """
        return self._aggregated("first", over, self._where(where, skip_nulls))

    @overload
    def last(self, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False) -> Expr[T]: ...
    @overload
    def last(
        self, *, over: tuple[Length, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[T]: ...
    def last(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[T] | Group[T]:
        """Value of the latest row (R5), even when it is null, unless `skip_nulls`.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.last(skip_nulls=True)`
        """
        return self._aggregated("last", over, self._where(where, skip_nulls))

    @overload
    def last_n(
        self, n: int, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[list[T]]: ...
    @overload
    def last_n(
        self, n: int, *, over: tuple[Length, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[list[T]]: ...
    def last_n(
        self,
        n: int,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        skip_nulls: bool = False,
    ) -> Expr[list[T]] | Group[list[T]]:
        """Values of the latest `n` rows (R5), oldest first; with `skip_nulls`, of those that have one.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.last_n(3)`, `Sale.amount.last_n(3).mean()`
        """
        return self._aggregated("last_n", over, self._where(where, skip_nulls), _rows("last_n", n))

    @overload
    def first_n(
        self, n: int, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[list[T]]: ...
    @overload
    def first_n(
        self, n: int, *, over: tuple[Length, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[list[T]]: ...
    def first_n(
        self,
        n: int,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        skip_nulls: bool = False,
    ) -> Expr[list[T]] | Group[list[T]]:
        """Values of the earliest `n` rows (R5), oldest first; with `skip_nulls`, of those that have one.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.first_n(3)`
        """
        return self._aggregated("first_n", over, self._where(where, skip_nulls), _rows("first_n", n))

    @overload
    def distinct_count(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
    @overload
    def distinct_count(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[int]: ...
    def distinct_count(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[int] | Group[int]:
        """Number of different values that are not null, exactly.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.distinct_count(over="30d")`
        """
        return self._aggregated("distinct_count", over, where)


def _rows(name: str, n: object) -> int:
    if not (type(n) is int and 0 < n <= 10_000):
        raise InvalidDefinition(
            f"`{name}` takes a number of rows, not {n!r}", has="1 to 10000", fix=f"write `{name}(10)`"
        )
    return n
