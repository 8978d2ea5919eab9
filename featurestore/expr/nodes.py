"""The nodes of an expression: a closed union of frozen dataclasses with structural equality. Operators live on
`fluent.Expr`.

Nodes above others keep a `Shape`, made once: equality, hashes and limits take the same time however deep a node is,
and nothing here recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from featurestore.expr.shapes import Above, Shape, shape_above
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
    """A feature of another view; `target` is that view as declared, `levels` those of the feature's expression."""

    view: str
    name: str
    dtype: DType
    target: Any = field(compare=False, repr=False)
    levels: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Above):
    """A scalar function of the table in `semantics.scalars`."""

    function: str
    arguments: tuple[Node, ...]
    dtype: DType
    parameter: str = ""
    shape: Shape = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = (self.function, str(self.dtype), self.parameter)
        object.__setattr__(self, "shape", shape_above("call", own, self.arguments, self.function))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PythonCall(Above):
    """A row function of the user's own (R17)."""

    function: PythonFunction
    arguments: tuple[Node, ...]
    dtype: DType
    shape: Shape = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = (self.function, str(self.dtype))
        object.__setattr__(self, "shape", shape_above("row function", own, self.arguments))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aggregate(Above):
    """An aggregate of a source's rows: of `input`, over `span`, counting only rows where `where` is true.

    `source` is empty until a view gives `rows()` its source. `n` is a number that the fold needs, `parameter` what
    only the answer does. With `by`, there is one answer for each of its values. `second` is the other column of an
    aggregate of two.
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
    second: Node | None = None
    shape: Shape = field(init=False, repr=False)

    def __post_init__(self) -> None:
        given = [each is not None for each in (self.input, self.second, self.where, self.by)]
        own = (self.function, self.span, str(self.dtype), self.source, self.n, self.parameter, given)
        object.__setattr__(self, "shape", shape_above("aggregate", own, children(self)))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Default(Above):
    """`input`, with `value` in place of a null that is no overflow (R14)."""

    input: Node
    value: Value
    dtype: DType
    shape: Shape = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", shape_above("default", (self.value, str(self.dtype)), (self.input,)))


Node = Literal | ColumnRef | RequestRef | AsOf | FeatureRef | Call | PythonCall | Aggregate | Default


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in order."""
    match node:
        case Literal() | ColumnRef() | RequestRef() | AsOf() | FeatureRef():
            return ()
        case Call() | PythonCall():
            return node.arguments
        case Aggregate():
            return tuple(child for child in (node.input, node.second, node.where, node.by) if child is not None)
        case Default():
            return (node.input,)
        case _:
            assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, parents first."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(reversed(children(each)))


def once(*nodes: Node, below_aggregates: bool = True) -> list[Node]:
    """The nodes and all below them, each object once, children first."""
    found: dict[int, Node] = {}
    waiting = [(node, False) for node in reversed(nodes)]
    while waiting:
        node, ready = waiting.pop()
        if id(node) in found:
            continue
        below = children(node) if below_aggregates or not isinstance(node, Aggregate) else ()
        if ready or not below:
            found[id(node)] = node
        else:
            waiting.append((node, True))
            waiting.extend((child, False) for child in reversed(below))
    return list(found.values())


def inputs_of(node: Node) -> Iterator[Node]:
    """What a derived value is derived from (R14), each once: the nearest aggregates, features, request values and
    defaulted expressions below."""
    seen: set[Node] = set()
    waiting = list(reversed(children(node)))
    while waiting:
        child = waiting.pop()
        if child in seen:
            continue
        seen.add(child)
        if isinstance(child, (Call, PythonCall)):
            waiting.extend(reversed(children(child)))
        elif not isinstance(child, Literal):
            yield child


def rewrite(node: Node, change: Callable[[Node], Node]) -> Node:
    """A copy with `change` applied to every node, children first. What does not change stays the same object."""
    done: dict[int, Node] = {}
    order = once(node)
    for each in order:
        below = children(each)
        new = tuple(done[id(child)] for child in below)
        same = all(old is changed for old, changed in zip(below, new, strict=True))
        done[id(each)] = change(each if same else _above(each, new))
    return done[id(node)]


def _above(node: Node, below: tuple[Node, ...]) -> Node:
    """A node with other children."""
    match node:
        case Call() | PythonCall():
            return replace(node, arguments=below)
        case Aggregate():
            found = iter(below)
            given = (node.input, node.second, node.where, node.by)
            of, second, where, by = (None if each is None else next(found) for each in given)
            return replace(node, input=of, second=second, where=where, by=by)
        case Default():
            return replace(node, input=below[0])
        case Literal() | ColumnRef() | RequestRef() | AsOf() | FeatureRef():
            return node
        case _:
            assert_never(node)
