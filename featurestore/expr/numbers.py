"""Methods of expressions that are numbers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, overload

from featurestore.errors import InvalidDefinition
from featurestore.expr.wrapper import Numeric, Ordered, Signed, Wrapper
from featurestore.semantics.dtypes import INT64
from featurestore.semantics.functions.numbers import MOST_DIGITS
from featurestore.semantics.instants import duration_us

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Operand

T = TypeVar("T")


class NumberMethods(Wrapper[T]):
    """Rounding, roots, powers, logarithms, angles, limits and casts."""

    __slots__ = ()

    def abs(self: Signed) -> Expr[T]:
        """Absolute value."""
        return self._call("abs")

    @overload
    def floor(self: NumberMethods[datetime], step: str) -> Expr[datetime]: ...
    @overload
    def floor(self: Numeric) -> Expr[float]: ...
    def floor(self: Any, step: str | None = None) -> Expr[Any]:
        """Greatest whole number not above it, as a float; of an instant, the last multiple of a duration since 1970
        in UTC."""
        expr: Expr[Any] = self._call("floor") if step is None else self._call("floor", duration_us(step))
        return expr

    def ceil(self: Numeric) -> Expr[float]:
        """Least whole number not below it, as a float."""
        return self._call("ceil")

    def round(self: Numeric, digits: int = 0) -> Expr[float]:
        """Rounded to a number of decimal digits, halves away from zero, as `x * 10**digits` in floats has them."""
        if type(digits) is not int or not -MOST_DIGITS <= digits <= MOST_DIGITS:
            raise InvalidDefinition(
                f"`round` takes from {-MOST_DIGITS} to {MOST_DIGITS} digits, not {digits!r:.40}",
                where=f"`{self!r}`",
                fix="write `.round(2)`",
            )
        number: Wrapper[Any] = self._call("to_float") if self.node.dtype == INT64 else self
        return number._call("round", digits)

    def sign(self: Numeric) -> Expr[int]:
        """-1, 0 or 1."""
        return self._call("sign")

    def sqrt(self: Numeric) -> Expr[float]:
        """Square root; null below zero."""
        return self._call("sqrt")

    def power(self: Numeric, exponent: Operand) -> Expr[float]:
        """The value to a power, as a float, as `**` writes it; null where it is not defined or too large."""
        return self._call("power", exponent)

    def exp(self: Numeric) -> Expr[float]:
        """e to the power of it; null where that is too large."""
        return self._call("exp")

    def exp2(self: Numeric) -> Expr[float]:
        """2 to the power of it; null where that is too large."""
        return self._call("exp2")

    def log(self: Numeric) -> Expr[float]:
        """Natural logarithm; null unless above zero."""
        return self._call("log")

    def log1p(self: Numeric) -> Expr[float]:
        """Natural logarithm of 1 and it, exact near zero; null unless above -1."""
        return self._call("log1p")

    def log2(self: Numeric) -> Expr[float]:
        """Logarithm to base 2; null unless above zero."""
        return self._call("log2")

    def log10(self: Numeric) -> Expr[float]:
        """Logarithm to base 10; null unless above zero."""
        return self._call("log10")

    def sin(self: Numeric) -> Expr[float]:
        """Sine of an angle in radians; null beyond a million."""
        return self._call("sin")

    def cos(self: Numeric) -> Expr[float]:
        """Cosine of an angle in radians; null beyond a million."""
        return self._call("cos")

    def clip(self: Ordered, low: Operand | None = None, high: Operand | None = None) -> Expr[T]:
        """The value, but at least `low` and at most `high`."""
        if low is None:
            if high is None:
                raise InvalidDefinition(
                    "`clip` has no bound", where=f"`{self!r}`", fix="write `.clip(0, 1)` or `.clip(low=0)`"
                )
            return self._call("least", high)
        above = self._call("greatest", low)
        return above if high is None else above._call("least", high)

    def to_float(self: Wrapper[int] | Wrapper[bool] | Wrapper[Decimal] | Wrapper[str]) -> Expr[float]:
        """As float64; an int64 beyond 2^53 is rounded to the nearest. A text that is no number is null."""
        return self._call("to_float")

    def to_int(self: Signed | Wrapper[bool] | Wrapper[str]) -> Expr[int]:
        """As int64, cut towards zero; null outside int64. A text that is no whole number is null."""
        return self._call("to_int")
