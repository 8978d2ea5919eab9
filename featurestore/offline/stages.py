"""Expressions that stand in several places, computed once: a SELECT for each level of them, inside out.

DuckDB takes a text that stands twice for two computations, and plans both: nested functions would grow without bound.
A kernel brings several levels, one for each of its steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeGuard

from featurestore.expr.nodes import Aggregate, Call, Default, Node, PythonCall, children
from featurestore.offline.expressions import SqlExpressions
from featurestore.semantics.kernels.table import KERNELS, columns_of
from featurestore.semantics.scalars import scalar_row


def staged(relation: str, nodes: Iterable[Node], compiler: SqlExpressions) -> str:
    """A relation with a column for each expression that more than one place needs; the compiler uses these from then
    on."""
    levels: dict[int, list[tuple[Node, int]]] = {}  # nodes, each with the step of it that the level computes
    depths: dict[Node, int] = {}
    for node in _shared(list(nodes)):
        first = 1 + max((depths[below] for below in _below(node) if below in depths), default=0)
        depths[node] = first + _steps_of(node)
        for step in range(depths[node] - first + 1):
            levels.setdefault(first + step, []).append((node, step))
    for depth, found in sorted(levels.items()):
        columns = [column for node, step in found for column in _columns(node, step, compiler)]
        for node, _ in found:
            if depths[node] == depth:
                compiler.name(node)
        listed = ",\n      ".join(columns)
        relation = f"(\n      SELECT *,\n      {listed}\n      FROM {relation}\n    )"
    return relation


def _steps_of(node: Node) -> int:
    """How many steps a node has before its value."""
    return len(columns_of(node.function).steps) if _is_kernel(node) else 0


def _columns(node: Node, step: int, compiler: SqlExpressions) -> list[str]:
    """The columns that a step of a node adds; the last step is its value."""
    if not _is_kernel(node):
        return [f"{compiler.value(node)} AS {compiler.placed(node)}"]
    columns, prefix = columns_of(node.function), f"{compiler.placed(node)}_"
    if step == len(columns.steps):
        return [f"{columns.answer.format(p=prefix)} AS {compiler.placed(node)}"]
    arguments = [compiler.value(argument) for argument in node.arguments] if step == 0 else []
    return [f"{text.format(*arguments, p=prefix)} AS {name.format(p=prefix)}" for name, text in columns.steps[step]]


def _is_kernel(node: Node) -> TypeGuard[Call]:
    return isinstance(node, Call) and node.function in KERNELS


def _shared(nodes: list[Node]) -> list[Node]:
    """The calls and defaults that are needed more than once, all kernels and row functions, each after those it needs.

    A row function is called for every row, whatever is made of its answer: a lookup does so too.
    """
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
    wanted = (node for node in order if counts[node] > 1 or _is_kernel(node) or isinstance(node, PythonCall))
    return [node for node in wanted if isinstance(node, (Call, PythonCall, Default))]


def _uses(node: Node) -> list[tuple[Node, int]]:
    """The nodes directly below, and how often the node's text names each."""
    match node:
        case Call():
            found = scalar_row(node.function, tuple(argument.dtype for argument in node.arguments))
            assert found is not None, "a call node was checked when it was made"
            text, all_of_them = found[0].sql, found[0].sql.count("{all}")
            rest = text.count("{rest}")
            return [
                (each, text.count(f"{{{i}}}") + all_of_them + (rest if i else 0))
                for i, each in enumerate(node.arguments)
            ]
        case PythonCall():
            return [(each, 1) for each in node.arguments]
        case Default():
            return [(node.input, 2)]
        case _:
            return []


def _below(node: Node) -> Iterable[Node]:
    for child in children(node):
        yield child
        if not isinstance(child, Aggregate):
            yield from _below(child)
