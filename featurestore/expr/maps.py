"""Methods of expressions that are maps, which `by=` gives, or lists or vectors: one of what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from featurestore.expr.wrapper import Wrapper
from featurestore.semantics.dtypes import Vector

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Operand

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class MapMethods(Wrapper[T]):
    """One category of a map, one item of a list or vector."""

    __slots__ = ()

    @overload
    def get(self: Wrapper[dict[K, V]], key: Operand) -> Expr[V]: ...
    @overload
    def get(self: Wrapper[list[V]], key: Expr[int] | int) -> Expr[V]: ...
    @overload
    def get(self: Wrapper[Vector], key: Expr[int] | int) -> Expr[float]: ...
    def get(self: Wrapper[Any], key: Operand) -> Expr[Any]:
        """The value of a category, or the item at a place: 0 is the first, -1 the last. Null when it is not there."""
        return self._call("get", key)
