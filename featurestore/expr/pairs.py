"""Methods of expressions over the columns of a source: aggregates of two columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from featurestore.errors import InvalidDefinition
from featurestore.expr.wrapper import Length, Numeric, Ordered, Over, Wrapper

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Group

T = TypeVar("T")


class PairMethods(Wrapper[T]):
    """Each takes a second column, `over=`, one window or a tuple of them, and `where=`, a condition on rows."""

    __slots__ = ()

    @overload
    def max_by(
        self, other: Ordered, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[T]: ...
    @overload
    def max_by(
        self, other: Ordered, *, over: tuple[Length, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[T]: ...
    def max_by(
        self,
        other: Ordered,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        skip_nulls: bool = False,
    ) -> Expr[T] | Group[T]:
        """Value of the row in which `other` is greatest, even when it is null, unless `skip_nulls`; of several such
        rows the latest (R5). Rows in which `other` is null do not count.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.max_by(Sale.amount, over="30d")`
        """
        return self._of_two("max_by", other, over, self._where(where, skip_nulls))

    @overload
    def min_by(
        self, other: Ordered, *, over: Over = None, where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Expr[T]: ...
    @overload
    def min_by(
        self, other: Ordered, *, over: tuple[Length, ...], where: Expr[bool] | None = None, skip_nulls: bool = False
    ) -> Group[T]: ...
    def min_by(
        self,
        other: Ordered,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        skip_nulls: bool = False,
    ) -> Expr[T] | Group[T]:
        """Value of the row in which `other` is least, even when it is null, unless `skip_nulls`; of several such rows
        the latest (R5). Rows in which `other` is null do not count.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.min_by(Sale.amount, over="30d")`
        """
        return self._of_two("min_by", other, over, self._where(where, skip_nulls))

    @overload
    def covariance(
        self: Numeric, other: Numeric, *, over: Over = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float]: ...
    @overload
    def covariance(
        self: Numeric,
        other: Numeric,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        population: bool = False,
    ) -> Group[float]: ...
    def covariance(
        self,
        other: Numeric,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        population: bool = False,
    ) -> Expr[float] | Group[float]:
        """Sample covariance with `other`, or of the `population`, over the rows that have both; null where undefined.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.covariance(Sale.pieces, population=True)`
        """
        return self._of_two("covariance_pop" if population else "covariance", other, over, where)

    @overload
    def correlation(
        self: Numeric, other: Numeric, *, over: Over = None, where: Expr[bool] | None = None
    ) -> Expr[float]: ...
    @overload
    def correlation(
        self: Numeric, other: Numeric, *, over: tuple[Length, ...], where: Expr[bool] | None = None
    ) -> Group[float]: ...
    def correlation(
        self, other: Numeric, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[float] | Group[float]:
        """Correlation (Pearson) with `other`, -1 to 1, over the rows that have both; null where one does not vary.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.correlation(Sale.pieces, over="30d")`
        """
        return self._of_two("correlation", other, over, where)

    @overload
    def slope(self: Numeric, other: Numeric, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[float]: ...
    @overload
    def slope(
        self: Numeric, other: Numeric, *, over: tuple[Length, ...], where: Expr[bool] | None = None
    ) -> Group[float]: ...
    def slope(
        self, other: Numeric, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[float] | Group[float]:
        """Slope of the least-squares line over `other`, of rows that have both; null where `other` does not vary.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.slope(Sale.at.epoch_us(), over="30d")`
        """
        return self._of_two("slope", other, over, where)

    def _of_two(
        self, name: str, other: object, over: Over | tuple[Length, ...], where: Expr[bool] | None
    ) -> Expr[Any] | Group[Any]:
        if not isinstance(other, Wrapper):
            raise InvalidDefinition(
                f"`{name}` takes a second column, not {other!r:.40}",
                where=f"`{self!r}.{name}(...)`",
                fix=f"write `Source.a.{name}(Source.b)`",
            )
        second: Any = other
        return self._aggregated(name, over, where, second=second)
