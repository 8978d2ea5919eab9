"""Methods of expressions that are lists or vectors, and those that lists share with texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from featurestore.expr.wrapper import Wrapper
from featurestore.semantics.dtypes import Vector

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr, Operand

T = TypeVar("T")
K = TypeVar("K")
X = TypeVar("X")


class ListMethods(Wrapper[T]):
    """What a list holds, and products of vectors of one length."""

    __slots__ = ()

    def length(self: ListMethods[list[X]] | ListMethods[dict[K, X]] | ListMethods[str]) -> Expr[int]:
        """Number of items, nulls included; of a map, of categories; of a text, of code points."""
        return self._call("length")

    @overload
    def contains(self: ListMethods[str], item: str | Expr[str]) -> Expr[bool]: ...
    @overload
    def contains(self: ListMethods[list[X]], item: Operand) -> Expr[bool]: ...
    def contains(self: Any, item: Operand) -> Expr[bool]:
        """True when an item of the list equals it, or when it stands somewhere in the text."""
        found: Expr[bool] = self._call("contains", item)
        return found

    def dot(self: ListMethods[Vector], other: Expr[Vector] | Vector) -> Expr[float]:
        """The sum of the products of the items, added from the first to the last."""
        return self._call("dot", other)

    def norm(self: ListMethods[Vector]) -> Expr[float]:
        """The length of the arrow: the square root of the vector's product with itself."""
        return self._call("norm")

    def cosine(self: ListMethods[Vector], other: Expr[Vector] | Vector) -> Expr[float]:
        """The product divided by both norms, 1.0 for vectors of one direction; null where one of them is zero."""
        return self.dot(other) / (self.norm() * self._of(other).norm())
