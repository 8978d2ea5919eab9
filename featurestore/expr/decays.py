"""Methods of expressions over the columns of a source: aggregates in which old rows fade."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from featurestore.errors import InvalidDefinition
from featurestore.expr.wrapper import Counted, Wrapper
from featurestore.semantics.folding.decays import BLOCKS, LONGEST_US
from featurestore.semantics.instants import duration_text, duration_us
from featurestore.semantics.windows import Window

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Group

T = TypeVar("T")


class DecayMethods(Wrapper[T]):
    """Each takes `halflife=`, in which a value comes to count half as much, or a tuple of them, and `where=`, a
    condition on rows.

    The window is the last 63 to 64 half-lives: what is older would count 2^-63 of itself or less.
    """

    __slots__ = ()

    @overload
    def decayed_sum(self: Counted, *, halflife: str, where: Expr[bool] | None = None) -> Expr[float]: ...
    @overload
    def decayed_sum(self: Counted, *, halflife: tuple[str, ...], where: Expr[bool] | None = None) -> Group[float]: ...
    def decayed_sum(
        self: Counted, *, halflife: str | tuple[str, ...], where: Expr[bool] | None = None
    ) -> Expr[float] | Group[float]:
        """Sum of the values, each halved for every half-life since it happened.

        `halflife=` is the time in which a value comes to count half as much, such as `"7d"`; a tuple of these gives a
        group with one feature each. `where=` is a condition on rows. There is no `over=`: what is older than 64
        half-lives counts nothing.

        Example: `Sale.amount.decayed_sum(halflife=("1d", "7d"))`
        """
        return self._decayed("decayed_sum", halflife, where)

    @overload
    def decayed_mean(self: Counted, *, halflife: str, where: Expr[bool] | None = None) -> Expr[float]: ...
    @overload
    def decayed_mean(self: Counted, *, halflife: tuple[str, ...], where: Expr[bool] | None = None) -> Group[float]: ...
    def decayed_mean(
        self: Counted, *, halflife: str | tuple[str, ...], where: Expr[bool] | None = None
    ) -> Expr[float] | Group[float]:
        """The decayed sum divided by the decayed number of its values.

        `halflife=` is the time in which a value comes to count half as much, such as `"7d"`; a tuple of these gives a
        group with one feature each. `where=` is a condition on rows. There is no `over=`: what is older than 64
        half-lives counts nothing.

        Example: `Sale.amount.decayed_mean(halflife=("1d", "7d"))`
        """
        return self._decayed("decayed_mean", halflife, where)


def fading(name: str, halflife: object) -> tuple[Window, int]:
    """The window of a half-life, and the half-life in microseconds.

    Raises: InvalidDefinition  when it is no duration, or too long.
    """
    if not isinstance(halflife, str):
        raise InvalidDefinition(
            f"`halflife=` of `{name}` takes a duration, not {halflife!r:.40}", fix='write `halflife="1d"`'
        )
    halflife_us = duration_us(halflife)
    if halflife_us > LONGEST_US:
        raise InvalidDefinition(
            f"the half-life {halflife} of `{name}` is too long",
            has="at most 36500d, so that 64 of them are a window",
            fix="give a shorter one",
        )
    return Window(duration_text((BLOCKS - 1) * halflife_us), step=halflife), halflife_us
