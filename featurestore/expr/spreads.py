"""Methods of expressions over the columns of a source: how far the values lie apart, and in which shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from featurestore.expr.wrapper import Counted, Length, Numeric, Over, Wrapper

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Group

T = TypeVar("T")


class SpreadMethods(Wrapper[T]):
    """Each takes `over=`, one window or a tuple of them, `where=`, a condition on rows, and `population=`."""

    __slots__ = ()

    @overload
    def var(
        self: Counted, *, over: Over = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float]: ...
    @overload
    def var(
        self: Counted,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        population: bool = False,
    ) -> Group[float]: ...
    def var(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float] | Group[float]:
        """Sample variance, or of the population; null where it is not defined.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.var(over="30d", population=True)`
        """
        return self._aggregated("var_pop" if population else "var", over, where)

    @overload
    def std(
        self: Counted, *, over: Over = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float]: ...
    @overload
    def std(
        self: Counted,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        population: bool = False,
    ) -> Group[float]: ...
    def std(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float] | Group[float]:
        """Sample standard deviation, or of the population; null where it is not defined.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.std(over="30d", population=True)`
        """
        return self._aggregated("std_pop" if population else "std", over, where)

    @overload
    def skewness(
        self: Numeric, *, over: Over = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float]: ...
    @overload
    def skewness(
        self: Numeric, *, over: tuple[Length, ...], where: Expr[bool] | None = None, population: bool = False
    ) -> Group[float]: ...
    def skewness(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float] | Group[float]:
        """Sample skewness, or of the `population`; null where it is not defined.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.skewness(over="30d")`
        """
        return self._aggregated("skewness_pop" if population else "skewness", over, where)

    @overload
    def kurtosis(
        self: Numeric, *, over: Over = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float]: ...
    @overload
    def kurtosis(
        self: Numeric, *, over: tuple[Length, ...], where: Expr[bool] | None = None, population: bool = False
    ) -> Group[float]: ...
    def kurtosis(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None, population: bool = False
    ) -> Expr[float] | Group[float]:
        """Sample excess kurtosis, 0 for a normal distribution, or of the `population`; null where undefined.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.kurtosis(over="30d", population=True)`
        """
        return self._aggregated("kurtosis_pop" if population else "kurtosis", over, where)
