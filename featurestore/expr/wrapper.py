"""What every expression wrapper is: a node, and ways to make further expressions of it."""

from __future__ import annotations

from abc import abstractmethod
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from featurestore.errors import InvalidDefinition
from featurestore.expr.nodes import Node
from featurestore.expr.printing import text_of
from featurestore.semantics.dtypes import Vector
from featurestore.semantics.windows import Window

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Group

T = TypeVar("T")
Length = str | Window
Over = Length | None


class Wrapper(Generic[T]):
    """A typed value that is not known yet. Nothing is computed."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return text_of(self.node)

    def __bool__(self) -> NoReturn:
        raise InvalidDefinition(
            "an expression has no truth value while it is being defined",
            where=f"the expression `{self!r}`",
            fix="write `&` for `and`, `|` for `or`, `~` for `not`, `x.between(0, 10)` for `0 < x < 10`, "
            "`x.isin([...])` for `in`, `when(...)` for `if`, `least` and `greatest` for `min` and `max`",
        )

    def __iter__(self) -> NoReturn:
        raise InvalidDefinition(f"the expression `{self!r}` cannot be iterated", fix="use aggregates and operators")

    @abstractmethod
    def _call(self, name: str, *others: object, parameter: str = "") -> Expr[Any]:
        """An expression: a function of the table, of this value and others."""

    @abstractmethod
    def _of(self, value: object) -> Expr[Any]:
        """An expression as it is, or of a constant."""

    @abstractmethod
    def _aggregated(
        self,
        name: str,
        over: Over | tuple[Length, ...],
        where: Expr[bool] | None,
        n: int = 0,
        parameter: str = "",
        by: Expr[Any] | None = None,
        second: Expr[Any] | None = None,
    ) -> Expr[Any] | Group[Any]:
        """An aggregate of this value over rows, or a group with one for each window."""

    def _of_items(self, name: str, **options: object) -> Expr[Any] | None:
        """The aggregate of the items of a list, or of the values of a map; None for a value that has none."""
        if self.node.dtype.kind not in ("list", "map"):
            return None
        if given := [f"{option}=" for option, value in options.items() if value is not None]:
            raise InvalidDefinition(
                f"`{name}` of a {self.node.dtype.kind} is about its items, and takes no {' and no '.join(given)}",
                where=f"the expression `{self!r}`",
                fix=f'write `.{name}()`; over rows, aggregate what that gives: `.{name}().max(over="7d")`',
            )
        items = self._call("values") if self.node.dtype.kind == "map" else self
        return items._call(name)

    @abstractmethod
    def _decayed(
        self, name: str, halflife: str | tuple[str, ...], where: Expr[bool] | None
    ) -> Expr[float] | Group[float]:
        """A decayed aggregate of this value over rows, or a group with one for each half-life."""

    def _where(self, where: Expr[bool] | None, skip_nulls: bool) -> Expr[bool] | None:
        """The condition on rows, and that the value is not null."""
        if not skip_nulls:
            return where
        present = ~self._call("is_null")
        return present if where is None else where & present


# what an operator or aggregate takes, so that a type checker refuses the others before a definition is run
Numeric = Wrapper[int] | Wrapper[float]
Signed = Numeric | Wrapper[Decimal]
Summable = Signed | Wrapper[Vector]
Sorted = Wrapper[str] | Wrapper[datetime] | Wrapper[date] | Wrapper[Decimal]
Ordered = Numeric | Sorted
Whole = Wrapper[int] | Wrapper[bool]
Counted = Numeric | Wrapper[bool]  # a bool counts as 0 or 1
Averaged = Signed | Wrapper[bool]
