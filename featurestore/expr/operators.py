"""Operators of expressions, typed: what an operator refuses when it is run, a type checker refuses before that."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, overload

from featurestore.expr.wrapper import Counted, Numeric, Signed, Sorted, Whole, Wrapper

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Operand

T = TypeVar("T")


class OperatorMethods(Wrapper[T]):
    """Arithmetic, comparison and logic. Arithmetic makes a float of an int next to one; comparisons are exact (R10)."""

    __slots__ = ()

    # `==` builds an expression, so wrappers hash by identity; nodes compare by structure
    __hash__ = object.__hash__

    @overload
    def __add__(self: Whole, other: Expr[int] | Expr[bool] | int) -> Expr[int]: ...
    @overload
    def __add__(self: Whole, other: Expr[float] | float) -> Expr[float]: ...
    @overload
    def __add__(self: Wrapper[float], other: Expr[int] | Expr[float] | Expr[bool] | float) -> Expr[float]: ...
    @overload
    def __add__(self: Wrapper[Decimal], other: Expr[Decimal] | Decimal) -> Expr[Decimal]: ...
    @overload
    def __add__(self: Wrapper[str], other: Expr[str] | str) -> Expr[str]: ...
    def __add__(self: Wrapper[Any], other: Operand) -> Expr[Any]:
        return self._call("add", other)

    @overload
    def __radd__(self: Whole, other: int) -> Expr[int]: ...
    @overload
    def __radd__(self: Counted, other: float) -> Expr[float]: ...
    @overload
    def __radd__(self: Wrapper[Decimal], other: Decimal) -> Expr[Decimal]: ...
    @overload
    def __radd__(self: Wrapper[str], other: str) -> Expr[str]: ...
    def __radd__(self: Wrapper[Any], other: Operand) -> Expr[Any]:
        return self._of(other)._call("add", self)

    @overload
    def __sub__(self: Whole, other: Expr[int] | Expr[bool] | int) -> Expr[int]: ...
    @overload
    def __sub__(self: Whole, other: Expr[float] | float) -> Expr[float]: ...
    @overload
    def __sub__(self: Wrapper[float], other: Expr[int] | Expr[float] | Expr[bool] | float) -> Expr[float]: ...
    @overload
    def __sub__(self: Wrapper[Decimal], other: Expr[Decimal] | Decimal) -> Expr[Decimal]: ...
    @overload
    def __sub__(self: Wrapper[date], other: Expr[date] | date) -> Expr[int]: ...
    @overload
    def __sub__(self: Wrapper[datetime], other: Expr[datetime] | datetime) -> Expr[float]: ...
    def __sub__(self: Wrapper[Any], other: Operand) -> Expr[Any]:
        """A difference; of two instants in seconds, of two dates in days."""
        return self._call("sub", other)

    @overload
    def __rsub__(self: Whole, other: int) -> Expr[int]: ...
    @overload
    def __rsub__(self: Counted, other: float) -> Expr[float]: ...
    @overload
    def __rsub__(self: Wrapper[Decimal], other: Decimal) -> Expr[Decimal]: ...
    @overload
    def __rsub__(self: Wrapper[date], other: date) -> Expr[int]: ...
    @overload
    def __rsub__(self: Wrapper[datetime], other: datetime) -> Expr[float]: ...
    def __rsub__(self: Wrapper[Any], other: Operand) -> Expr[Any]:
        return self._of(other)._call("sub", self)

    @overload
    def __mul__(self: Whole, other: Expr[int] | Expr[bool] | int) -> Expr[int]: ...
    @overload
    def __mul__(self: Whole, other: Expr[float] | float) -> Expr[float]: ...
    @overload
    def __mul__(self: Wrapper[float], other: Expr[int] | Expr[float] | Expr[bool] | float) -> Expr[float]: ...
    def __mul__(self: Wrapper[Any], other: Operand) -> Expr[Any]:
        return self._call("mul", other)

    @overload
    def __rmul__(self: Whole, other: int) -> Expr[int]: ...
    @overload
    def __rmul__(self: Counted, other: float) -> Expr[float]: ...
    def __rmul__(self: Wrapper[Any], other: Operand) -> Expr[Any]:
        return self._of(other)._call("mul", self)

    def __truediv__(self: Counted, other: Expr[int] | Expr[float] | Expr[bool] | float) -> Expr[float]:
        """Float division; by zero it is null (R10)."""
        return self._call("div", other)

    def __rtruediv__(self: Counted, other: float) -> Expr[float]:
        return self._of(other)._call("div", self)

    def __pow__(self: Counted, other: Expr[int] | Expr[float] | Expr[bool] | float) -> Expr[float]:
        return self._call("power", other)

    def __rpow__(self: Counted, other: float) -> Expr[float]:
        return self._of(other)._call("power", self)

    def __floordiv__(self: Whole, other: Expr[int] | Expr[bool] | int) -> Expr[int]:
        """Integer division, floored; by zero it is null."""
        return self._call("floordiv", other)

    def __rfloordiv__(self: Whole, other: int) -> Expr[int]:
        return self._of(other)._call("floordiv", self)

    def __mod__(self: Whole, other: Expr[int] | Expr[bool] | int) -> Expr[int]:
        """What floored integer division leaves: it has the sign of the divisor."""
        return self._call("mod", other)

    def __rmod__(self: Whole, other: int) -> Expr[int]:
        return self._of(other)._call("mod", self)

    @overload
    def __neg__(self: Signed) -> Expr[T]: ...
    @overload
    def __neg__(self: Wrapper[bool]) -> Expr[int]: ...
    def __neg__(self: Wrapper[Any]) -> Expr[Any]:
        return self._call("neg")

    @overload  # type: ignore[override]  # an expression, not an answer
    def __eq__(self: Numeric, other: Expr[int] | Expr[float] | float) -> Expr[bool]: ...
    @overload
    def __eq__(self: Wrapper[Decimal], other: Expr[int] | int) -> Expr[bool]: ...
    @overload
    def __eq__(self: Wrapper[int], other: Expr[Decimal] | Decimal) -> Expr[bool]: ...
    @overload
    def __eq__(self, other: Expr[T] | T) -> Expr[bool]: ...
    def __eq__(self: Wrapper[Any], other: Any) -> Expr[bool]:
        return self._call("eq", other)

    @overload  # type: ignore[override]  # an expression, not an answer
    def __ne__(self: Numeric, other: Expr[int] | Expr[float] | float) -> Expr[bool]: ...
    @overload
    def __ne__(self: Wrapper[Decimal], other: Expr[int] | int) -> Expr[bool]: ...
    @overload
    def __ne__(self: Wrapper[int], other: Expr[Decimal] | Decimal) -> Expr[bool]: ...
    @overload
    def __ne__(self, other: Expr[T] | T) -> Expr[bool]: ...
    def __ne__(self: Wrapper[Any], other: Any) -> Expr[bool]:
        return self._call("ne", other)

    @overload
    def __lt__(self: Numeric, other: Expr[int] | Expr[float] | float) -> Expr[bool]: ...
    @overload
    def __lt__(self: Wrapper[Decimal], other: Expr[Decimal] | Expr[int] | Decimal | int) -> Expr[bool]: ...
    @overload
    def __lt__(self: Wrapper[int], other: Expr[Decimal] | Decimal) -> Expr[bool]: ...
    @overload
    def __lt__(self: Sorted, other: Expr[T] | T) -> Expr[bool]: ...
    def __lt__(self: Wrapper[Any], other: Any) -> Expr[bool]:
        return self._call("lt", other)

    @overload
    def __le__(self: Numeric, other: Expr[int] | Expr[float] | float) -> Expr[bool]: ...
    @overload
    def __le__(self: Wrapper[Decimal], other: Expr[Decimal] | Expr[int] | Decimal | int) -> Expr[bool]: ...
    @overload
    def __le__(self: Wrapper[int], other: Expr[Decimal] | Decimal) -> Expr[bool]: ...
    @overload
    def __le__(self: Sorted, other: Expr[T] | T) -> Expr[bool]: ...
    def __le__(self: Wrapper[Any], other: Any) -> Expr[bool]:
        return self._call("le", other)

    @overload
    def __gt__(self: Numeric, other: Expr[int] | Expr[float] | float) -> Expr[bool]: ...
    @overload
    def __gt__(self: Wrapper[Decimal], other: Expr[Decimal] | Expr[int] | Decimal | int) -> Expr[bool]: ...
    @overload
    def __gt__(self: Wrapper[int], other: Expr[Decimal] | Decimal) -> Expr[bool]: ...
    @overload
    def __gt__(self: Sorted, other: Expr[T] | T) -> Expr[bool]: ...
    def __gt__(self: Wrapper[Any], other: Any) -> Expr[bool]:
        return self._call("gt", other)

    @overload
    def __ge__(self: Numeric, other: Expr[int] | Expr[float] | float) -> Expr[bool]: ...
    @overload
    def __ge__(self: Wrapper[Decimal], other: Expr[Decimal] | Expr[int] | Decimal | int) -> Expr[bool]: ...
    @overload
    def __ge__(self: Wrapper[int], other: Expr[Decimal] | Decimal) -> Expr[bool]: ...
    @overload
    def __ge__(self: Sorted, other: Expr[T] | T) -> Expr[bool]: ...
    def __ge__(self: Wrapper[Any], other: Any) -> Expr[bool]:
        return self._call("ge", other)

    def __and__(self: Wrapper[bool], other: Expr[bool] | bool) -> Expr[bool]:
        return self._call("and", other)

    def __rand__(self: Wrapper[bool], other: bool) -> Expr[bool]:
        return self._of(other)._call("and", self)

    def __or__(self: Wrapper[bool], other: Expr[bool] | bool) -> Expr[bool]:
        return self._call("or", other)

    def __ror__(self: Wrapper[bool], other: bool) -> Expr[bool]:
        return self._of(other)._call("or", self)

    def __invert__(self: Wrapper[bool]) -> Expr[bool]:
        return self._call("not")
