"""Functions of several values: `when(test).then(a).otherwise(b)`, `coalesce`, `least`, `greatest`, `concat`."""

from __future__ import annotations

from functools import reduce
from typing import Any

from featurestore.errors import InvalidDefinition
from featurestore.expr.build import call
from featurestore.expr.fluent import Expr, Operand, node_of
from featurestore.expr.nodes import Node
from featurestore.expr.printing import text_of


class When:
    """A condition that waits for its value: `when(test).then(a).otherwise(b)`."""

    __slots__ = ("cases",)

    def __init__(self, cases: tuple[tuple[Node, Node | None], ...]) -> None:
        self.cases = cases

    def then(self, value: Operand) -> When:
        """The value where the condition before it is true."""
        (*before, (test, _)) = self.cases
        return When((*before, (test, node_of(value))))

    def when(self, test: Expr[bool]) -> When:
        """A further condition, tried where those before it are not true."""
        return When((*self.cases, (test.node, None)))

    def otherwise(self, value: Operand) -> Expr[Any]:
        """The value where no condition is true."""
        result = node_of(value)
        for test, then in reversed(self.cases):
            if then is None:
                raise InvalidDefinition(
                    "a `when` has no `.then(...)`",
                    where=f"`when({text_of(test)})`",
                    fix="write `when(test).then(value)`",
                )
            result = call("when", test, then, result)
        return Expr(result)


def when(test: Expr[bool]) -> When:
    """The start of a choice: `when(test).then(a).otherwise(b)`; a null condition counts as not true."""
    return When(((test.node, None),))


def coalesce(*values: Operand) -> Expr[Any]:
    """The first value that is not null."""
    return Expr(call("coalesce", *(node_of(value) for value in values)))


def least(first: Operand, second: Operand, *others: Operand) -> Expr[Any]:
    """The least of several values of one type; null where one of them is."""
    return _folded("least", first, second, *others)


def greatest(first: Operand, second: Operand, *others: Operand) -> Expr[Any]:
    """The greatest of several values of one type; null where one of them is."""
    return _folded("greatest", first, second, *others)


def concat(first: Operand, second: Operand, *others: Operand) -> Expr[str]:
    """Texts one after the other; null where one of them is."""
    return _folded("add", first, second, *others)


def _folded(name: str, *values: Operand) -> Expr[Any]:
    return Expr(reduce(lambda left, right: call(name, left, right), (node_of(value) for value in values)))
