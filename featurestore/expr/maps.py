"""Methods of expressions that are maps, which `by=` gives, or lists or vectors: one or all of what they hold."""

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
    """One category of a map, one item of a list or vector; what a map holds, as lists."""

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

    def keys(self: Wrapper[dict[K, V]]) -> Expr[list[K]]:
        """The categories of a map as a list, in order."""
        return self._call("keys")

    @overload
    def values(self: Wrapper[dict[K, V]]) -> Expr[list[V]]: ...
    @overload
    def values(self: Wrapper[Vector]) -> Expr[list[float]]: ...
    def values(self: Wrapper[Any]) -> Expr[Any]:
        """The values of a map, in the order of its categories, or the numbers of a vector, as a list."""
        return self._call("values")

    def argmax(self: Wrapper[dict[K, V]]) -> Expr[K]:
        """The category with the greatest value; of several the least. Null where no category has a value."""
        return self._call("argmax")

    def argmin(self: Wrapper[dict[K, V]]) -> Expr[K]:
        """The category with the least value; of several the least category. Null where no category has a value."""
        return self._call("argmin")
