"""Methods of expressions over the columns of a source that answer from the different values and how often each stands
there, and from when they happened."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from featurestore.errors import InvalidDefinition
from featurestore.expr.wrapper import Length, Numeric, Ordered, Over, Wrapper

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Group

T = TypeVar("T")
FINEST = 10**12
"""A quantile's q has at most this denominator, so that n times it stays a 128-bit integer."""


class TallyMethods(Wrapper[T]):
    """Each takes `over=`, one window or a tuple of them, and `where=`, a condition on rows; nulls are skipped."""

    __slots__ = ()

    @overload
    def quantile(
        self: Numeric,
        q: float | str,
        *,
        over: Over = None,
        where: Expr[bool] | None = None,
        interpolated: Literal[True],
    ) -> Expr[float]: ...
    @overload
    def quantile(
        self: Numeric,
        q: float | str,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        interpolated: Literal[True],
    ) -> Group[float]: ...
    @overload
    def quantile(
        self: Numeric | Wrapper[datetime] | Wrapper[date],
        q: float | str,
        *,
        over: Over = None,
        where: Expr[bool] | None = None,
        interpolated: Literal[False] = False,
    ) -> Expr[T]: ...
    @overload
    def quantile(
        self: Numeric | Wrapper[datetime] | Wrapper[date],
        q: float | str,
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        interpolated: Literal[False] = False,
    ) -> Group[T]: ...
    def quantile(
        self: Numeric | Wrapper[datetime] | Wrapper[date],
        q: float | str,
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        interpolated: bool = False,
    ) -> Expr[Any] | Group[Any]:
        """The value at place ceil(q * n) of the n sorted values, exactly; `q` is taken as it is written.

        With `interpolated=True` the number at place (n - 1) * q, from 0, between two values by their distance.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.quantile(0.95, over="30d")`
        """
        name = "quantile_interpolated" if interpolated else "quantile"
        return self._aggregated(name, over, where, parameter=_fraction("quantile", q))

    @overload
    def median(
        self: Numeric, *, over: Over = None, where: Expr[bool] | None = None, interpolated: Literal[True]
    ) -> Expr[float]: ...
    @overload
    def median(
        self: Numeric, *, over: tuple[Length, ...], where: Expr[bool] | None = None, interpolated: Literal[True]
    ) -> Group[float]: ...
    @overload
    def median(
        self: Numeric | Wrapper[datetime] | Wrapper[date],
        *,
        over: Over = None,
        where: Expr[bool] | None = None,
        interpolated: Literal[False] = False,
    ) -> Expr[T]: ...
    @overload
    def median(
        self: Numeric | Wrapper[datetime] | Wrapper[date],
        *,
        over: tuple[Length, ...],
        where: Expr[bool] | None = None,
        interpolated: Literal[False] = False,
    ) -> Group[T]: ...
    def median(
        self: Numeric | Wrapper[datetime] | Wrapper[date],
        *,
        over: Over | tuple[Length, ...] = None,
        where: Expr[bool] | None = None,
        interpolated: bool = False,
    ) -> Expr[Any] | Group[Any]:
        """The lower of the middle values, `quantile(0.5)`; with `interpolated=True` halfway between the two.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.median(over="30d")`
        """
        name = "quantile_interpolated" if interpolated else "quantile"
        return self._aggregated(name, over, where, parameter="1/2")

    @overload
    def mode(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[T]: ...
    @overload
    def mode(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[T]: ...
    def mode(self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None) -> Expr[T] | Group[T]:
        """The most frequent value; of equally frequent ones the least.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.mode(over="30d")`
        """
        return self._aggregated("mode", over, where)

    @overload
    def mode_count(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
    @overload
    def mode_count(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[int]: ...
    def mode_count(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[int] | Group[int]:
        """How often the most frequent value stands there.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.mode_count(over="30d")`
        """
        return self._aggregated("mode_count", over, where)

    @overload
    def entropy(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[float]: ...
    @overload
    def entropy(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[float]: ...
    def entropy(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[float] | Group[float]:
        """Entropy of the values in bits: 0 where all are equal.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.entropy(over="30d")`
        """
        return self._aggregated("entropy", over, where)

    @overload
    def top_n(self, n: int, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[list[T]]: ...
    @overload
    def top_n(self, n: int, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[list[T]]: ...
    def top_n(
        self, n: int, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[list[T]] | Group[list[T]]:
        """The `n` most frequent values, most frequent first; of equally frequent ones the least first.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.top_n(3, over="30d")`
        """
        return self._aggregated("top_n", over, where, parameter=_number("top_n", n))

    @overload
    def top_n_counts(self, n: int, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[list[int]]: ...
    @overload
    def top_n_counts(
        self, n: int, *, over: tuple[Length, ...], where: Expr[bool] | None = None
    ) -> Group[list[int]]: ...
    def top_n_counts(
        self, n: int, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[list[int]] | Group[list[int]]:
        """How often each of the `n` most frequent values stands there, in the order of `top_n`.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.top_n_counts(3, over="30d")`
        """
        return self._aggregated("top_n_counts", over, where, parameter=_number("top_n_counts", n))

    @overload
    def top_values(self: Ordered, n: int, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[list[T]]: ...
    @overload
    def top_values(
        self: Ordered, n: int, *, over: tuple[Length, ...], where: Expr[bool] | None = None
    ) -> Group[list[T]]: ...
    def top_values(
        self: Ordered, n: int, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[list[T]] | Group[list[T]]:
        """The `n` greatest values, the greatest first; equal ones are several. The most frequent are `top_n`.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.top_values(3, over="30d")`
        """
        return self._aggregated("top_values", over, where, int(_number("top_values", n)))

    @overload
    def bottom_values(
        self: Ordered, n: int, *, over: Over = None, where: Expr[bool] | None = None
    ) -> Expr[list[T]]: ...
    @overload
    def bottom_values(
        self: Ordered, n: int, *, over: tuple[Length, ...], where: Expr[bool] | None = None
    ) -> Group[list[T]]: ...
    def bottom_values(
        self: Ordered, n: int, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[list[T]] | Group[list[T]]:
        """The `n` least values, the least first; equal ones are several.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.bottom_values(3, over="30d")`
        """
        return self._aggregated("bottom_values", over, where, int(_number("bottom_values", n)))

    @overload
    def approx_quantile(self, q: float | str, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[float]: ...
    @overload
    def approx_quantile(
        self, q: float | str, *, over: tuple[Length, ...], where: Expr[bool] | None = None
    ) -> Group[float]: ...
    def approx_quantile(
        self, q: float | str, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[float] | Group[float]:
        """A quantile within 2^-8 (0.4 %) of the exact one, from a state that does not grow with the rows.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.amount.approx_quantile(0.99)`
        """
        return self._aggregated("approx_quantile", over, where, parameter=_fraction("approx_quantile", q))

    @overload
    def approx_distinct_count(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
    @overload
    def approx_distinct_count(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[int]: ...
    def approx_distinct_count(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[int] | Group[int]:
        """Number of different values: exact below 256, beyond with a standard error of 6.3 %.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.approx_distinct_count()`
        """
        return self._aggregated("approx_distinct_count", over, where)

    @overload
    def last_at(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[datetime]: ...
    @overload
    def last_at(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[datetime]: ...
    def last_at(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[datetime] | Group[datetime]:
        """When the latest value that is not null happened.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.last_at(where=Sale.paid)`
        """
        return self._aggregated("last_at", over, where)

    @overload
    def first_at(self, *, over: Over = None, where: Expr[bool] | None = None) -> Expr[datetime]: ...
    @overload
    def first_at(self, *, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[datetime]: ...
    def first_at(
        self, *, over: Over | tuple[Length, ...] = None, where: Expr[bool] | None = None
    ) -> Expr[datetime] | Group[datetime]:
        """When the earliest value that is not null happened.

        `over=` is how far back it looks: `"7d"`, `"36h"`, or `Window("7d", step="1h")`; a tuple of these gives a group
        with one feature each; without it, all history. `where=` is a condition on rows.

        Example: `Sale.country.first_at()`
        """
        return self._aggregated("first_at", over, where)


def _fraction(name: str, q: object) -> str:
    """`q` as numerator/denominator. A float is what it prints as: 0.1 is one tenth."""
    try:
        exact = Fraction(str(q)) if isinstance(q, (int, float, str, Decimal, Fraction)) else None
    except (ValueError, ZeroDivisionError):
        exact = None
    if exact is None or isinstance(q, bool) or not 0 <= exact <= 1 or exact.denominator > FINEST:
        raise InvalidDefinition(
            f"`{name}` takes a share of the values, not {q!r:.40}",
            has="0 to 1, with at most twelve digits",
            fix=f"write `{name}(0.95)`",
        )
    return f"{exact.numerator}/{exact.denominator}"


def _number(name: str, n: object) -> str:
    if not (type(n) is int and 0 < n <= 10_000):
        raise InvalidDefinition(
            f"`{name}` takes a number of values, not {n!r:.40}", has="1 to 10000", fix=f"write `{name}(3)`"
        )
    return str(n)
