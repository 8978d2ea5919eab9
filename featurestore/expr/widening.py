"""The one rule of widening (R10): which types an argument may become so that a function takes it.

- Arithmetic counts a bool as the int64 0 or 1, and so do sums and means.
- An int64 becomes the nearest float64 where a function takes no int64 beside what it is given.
- A comparison makes nothing of its arguments: an int64 and a float64 are compared as the numbers that they are.
- A constant becomes the type that it stands with, where it is exactly such a number.
"""

from __future__ import annotations

from collections.abc import Iterator

from featurestore.expr.nodes import Call, Literal, Node
from featurestore.semantics import decimals
from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, DType, decimal_of

ARITHMETIC = ("add", "sub", "mul", "div", "floordiv", "mod", "neg", "power")
"""What counts a bool as 0 or 1."""
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "isin")
"""What compares an int64 and a float64 as the numbers that they are."""
COUNTS_BOOLS = ("sum", "mean", "var", "std", "var_pop", "std_pop", "decayed_sum", "decayed_mean")
"""The aggregates that count a bool as 0 or 1."""


def ways_to_widen(name: str, arguments: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    """The arguments of a function as it may take them, the least changed first."""
    yield _converted(_rescaled(arguments)) if name in COMPARISONS else _rescaled(arguments)
    yield arguments
    counted = tuple(map(as_int, arguments)) if name in ARITHMETIC else arguments
    yield counted
    yield tuple(map(as_float, counted))


def _converted(arguments: tuple[Node, ...]) -> tuple[Node, ...]:
    """Number constants as the type of the first argument that is none, where they are exactly such a number."""
    like = next((each.dtype for each in arguments if not isinstance(each, Literal)), None)
    return tuple(_as_number(each, like) if isinstance(each, Literal) else each for each in arguments)


def _as_number(node: Literal, like: DType | None) -> Node:
    value = node.value
    if value is None or like not in (INT64, FLOAT64):
        return node
    if node.dtype == INT64 and like == FLOAT64 and abs(value) <= 2**53:
        return Literal(float(value), FLOAT64)
    if node.dtype == FLOAT64 and like == INT64 and value.is_integer() and abs(value) < 2**63:
        return Literal(int(value), INT64)
    return node


def as_int(node: Node) -> Node:
    """A bool as the int64 0 or 1; anything else as it is."""
    if node.dtype != BOOL:
        return node
    if isinstance(node, Literal):
        return Literal(None if node.value is None else int(node.value), INT64)
    return Call("to_int", (node,), INT64)


def _rescaled(arguments: tuple[Node, ...]) -> tuple[Node, ...]:
    """The arguments with every decimal or whole constant as a decimal like those it stands beside, where that is
    exact."""
    found = [(each, held) for each in arguments if (held := _decimal_in(each.dtype)) is not None]
    if not found:
        return arguments
    # what is computed says how many places there are; of constants alone, the one that has most
    _, like = max(found, key=lambda pair: (not isinstance(pair[0], Literal), pair[1].scale))
    return tuple(_as_decimal(each, like) if isinstance(each, Literal) else each for each in arguments)


def _decimal_in(dtype: DType) -> DType | None:
    held = dtype.item or dtype
    return held if held.kind == "decimal" else None


def _as_decimal(node: Literal, like: DType) -> Node:
    if node.dtype.kind not in ("decimal", "int64"):
        return node
    if node.value is None:
        return Literal(None, like)
    exact = decimals.scaled(node.value, node.dtype.scale)
    for precision in (like.precision, decimals.DIGITS):
        unscaled = decimals.unscaled(exact, precision, like.scale)
        if unscaled is not None:
            return Literal(unscaled, decimal_of(precision, like.scale))
    return node


def as_float(node: Node) -> Node:
    """An int64 as a float64; anything else as it is."""
    if node.dtype != INT64:
        return node
    if isinstance(node, Literal) and (node.value is None or abs(node.value) <= 2**53):
        return Literal(None if node.value is None else float(node.value), FLOAT64)
    return Call("to_float", (node,), FLOAT64)
