"""Functions of several values: `when(test).then(a).otherwise(b)`, `coalesce`, `least`, `greatest`, `concat`."""

from __future__ import annotations

from functools import reduce
from typing import Any, NoReturn

from featurestore.errors import InvalidDefinition
from featurestore.expr.build import call
from featurestore.expr.fluent import Expr, Operand, node_of
from featurestore.expr.nodes import Literal, Node
from featurestore.expr.printing import text_of
from featurestore.semantics.dtypes import FLOAT64

Cases = tuple[tuple[Node, Node | None], ...]
"""Conditions, each with its value; None is null."""


class When:
    """A condition that waits for its value: `when(test).then(a)`."""

    __slots__ = ("cases", "test")

    def __init__(self, cases: Cases, test: Expr[bool]) -> None:
        self.cases, self.test = cases, node_of(test)

    def __repr__(self) -> str:
        return f"when({text_of(self.test)})"

    def then(self, value: Operand | None) -> Choice:
        """The value where the condition before it is true; `None` is null."""
        return Choice((*self.cases, (self.test, _value(value))))

    def otherwise(self, value: object = None) -> NoReturn:
        """Refused: the condition before it has no value."""
        raise InvalidDefinition(
            "a `when` has no `.then(...)`", where=f"`{self!r}`", fix="write `when(test).then(value)`"
        )


class Choice(Expr[Any]):
    """`when(test).then(a)`: null where no condition is true, until `.otherwise(b)` says what it is there."""

    __slots__ = ("_node", "cases")

    def __init__(self, cases: Cases) -> None:
        self.cases = cases
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]  # it has a type once one of its values has
        """The choice as an expression. Raises: InvalidDefinition  where every value is null."""
        if self._node is None:
            self._node = _chosen(self.cases, None)
        return self._node

    def when(self, test: Expr[bool]) -> When:
        """A further condition, tried where those before it are not true."""
        return When(self.cases, test)

    def otherwise(self, value: Operand | None = None) -> Expr[Any]:
        """The value where no condition is true; null when it is left out.

        Example: `when(Basket.amount > 100).then("large").otherwise("small")`
        """
        return Expr(_chosen(self.cases, _value(value)))


def when(test: Expr[bool]) -> When:
    """The start of a choice: `when(test).then(a).otherwise(b)`; a null condition counts as not true.

    Further conditions follow as `.when(test).then(b)`. Values may be `None`, and `.otherwise(...)` may be left out:
    the answer is null there.
    """
    return When((), test)


def _value(value: object) -> Node | None:
    return None if value is None else node_of(value)


def _chosen(cases: Cases, otherwise: Node | None) -> Node:
    """The choice as nested calls; a null has the type of the other values."""
    values = [value for _, value in cases] + [otherwise]
    known = [value.dtype for value in values if value is not None]
    if not known:
        raise InvalidDefinition(
            "every value of a `when` is null",
            where=f"`when({text_of(cases[0][0])})`",
            fix="give one of them a value: `when(test).then(value).otherwise(None)`",
        )
    null = Literal(None, FLOAT64 if FLOAT64 in known else known[0])
    result = otherwise or null
    for test, value in reversed(cases):
        result = call("when", test, value or null, result)
    return result


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
