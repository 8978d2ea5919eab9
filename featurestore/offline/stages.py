"""Expressions that stand in several places, computed once: a SELECT for each level of them, inside out.

DuckDB takes a text that stands twice for two computations, and plans both: nested functions would grow without bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from featurestore.expr.nodes import Aggregate, Call, Default, Node, children
from featurestore.offline.expressions import SqlExpressions
from featurestore.semantics.scalars import scalar_row


def staged(relation: str, nodes: Iterable[Node], compiler: SqlExpressions) -> str:
    """A relation with a column for each expression that more than one place needs; the compiler uses these from then
    on."""
    levels: dict[int, list[Node]] = {}
    depths: dict[Node, int] = {}
    for node in _shared(list(nodes)):
        depths[node] = 1 + max((depths[below] for below in _below(node) if below in depths), default=0)
        levels.setdefault(depths[node], []).append(node)
    for _, found in sorted(levels.items()):
        columns = [f"{compiler.value(node)} AS {compiler.placed(node)}" for node in found]
        for node in found:
            compiler.name(node)
        listed = ",\n      ".join(columns)
        relation = f"(\n      SELECT *,\n      {listed}\n      FROM {relation}\n    )"
    return relation


def _shared(nodes: list[Node]) -> list[Node]:
    """The calls and defaults that are needed more than once, each after those it needs."""
    counts: Counter[Node] = Counter()
    order: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node in order or isinstance(node, Aggregate):
            return
        for child, times in _uses(node):
            visit(child)
            counts[child] += times
        order[node] = None

    for node in nodes:
        visit(node)
        counts[node] += 2  # its value, and its status
    return [node for node in order if counts[node] > 1 and isinstance(node, (Call, Default))]


def _uses(node: Node) -> list[tuple[Node, int]]:
    """The nodes directly below, and how often the node's text names each."""
    match node:
        case Call():
            found = scalar_row(node.function, tuple(argument.dtype for argument in node.arguments))
            assert found is not None, "a call node was checked when it was made"
            text = found[0].sql
            return [(each, text.count(f"{{{i}}}") + text.count("{all}")) for i, each in enumerate(node.arguments)]
        case Default():
            return [(node.input, 2)]
        case _:
            return []


def _below(node: Node) -> Iterable[Node]:
    for child in children(node):
        yield child
        if not isinstance(child, Aggregate):
            yield from _below(child)
