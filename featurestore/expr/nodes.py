"""The nodes of an expression: a closed union of frozen dataclasses with structural equality. Operators live on
`fluent.Expr`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from featurestore.semantics.dtypes import TIMESTAMP, DType, Value
from featurestore.semantics.python_functions import PythonFunction
from featurestore.semantics.windows import Span


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant, canonical."""

    value: Value
    dtype: DType


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A column of a source: exists only below an aggregate."""

    source: str
    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class RequestRef:
    """A value that comes with the question."""

    request: str
    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class AsOf:
    """The instant that the question is asked as of."""

    dtype: DType = TIMESTAMP


@dataclass(frozen=True, slots=True)
class FeatureRef:
    """A feature of another view; `target` is that view as declared."""

    view: str
    name: str
    dtype: DType
    target: Any = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A scalar function of the table in `semantics.scalars`."""

    function: str
    arguments: tuple[Node, ...]
    dtype: DType
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class PythonCall:
    """A row function of the user's own (R17)."""

    function: PythonFunction
    arguments: tuple[Node, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate of a source's rows: of `input`, over `span`, counting only rows where `where` is true.

    `source` is empty until a view gives `rows()` its source. `n` is a number that the fold needs, `parameter` what
    only the answer does. With `by`, there is one answer for each of its values.
    """

    function: str
    input: Node | None
    where: Node | None
    span: Span
    dtype: DType
    source: str = ""
    n: int = 0
    parameter: str = ""
    by: Node | None = None


@dataclass(frozen=True, slots=True)
class Default:
    """`input`, with `value` in place of a null that is no overflow (R14)."""

    input: Node
    value: Value
    dtype: DType


Node = Literal | ColumnRef | RequestRef | AsOf | FeatureRef | Call | PythonCall | Aggregate | Default


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in order."""
    match node:
        case Literal() | ColumnRef() | RequestRef() | AsOf() | FeatureRef():
            return ()
        case Call() | PythonCall():
            return node.arguments
        case Aggregate():
            return tuple(child for child in (node.input, node.where, node.by) if child is not None)
        case Default():
            return (node.input,)
        case _:
            assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def inputs_of(node: Node) -> Iterator[Node]:
    """What a derived value is derived from (R14): the nearest aggregates, features, request values and defaulted
    expressions below."""
    for child in children(node):
        if isinstance(child, (Call, PythonCall)):
            yield from inputs_of(child)
        elif not isinstance(child, Literal):
            yield child


def rewrite(node: Node, change: Callable[[Node], Node]) -> Node:
    """A copy with `change` applied to every node, children first."""
    match node:
        case Call() | PythonCall():
            node = replace(node, arguments=tuple(rewrite(child, change) for child in node.arguments))
        case Aggregate():
            node = replace(
                node,
                input=rewrite(node.input, change) if node.input else None,
                where=rewrite(node.where, change) if node.where else None,
                by=rewrite(node.by, change) if node.by else None,
            )
        case Default():
            node = replace(node, input=rewrite(node.input, change))
        case Literal() | ColumnRef() | RequestRef() | AsOf() | FeatureRef():
            pass
        case _:
            assert_never(node)
    return change(node)
