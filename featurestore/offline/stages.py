"""Expressions that stand in several places, computed once: a SELECT for each level of them, inside out.

DuckDB takes a text that stands twice for two computations, and plans both: nested functions would grow without bound.
A kernel brings several levels, one for each of its steps. Deep expressions are cut, so that no text is deep, and a
column is left behind after the last level that reads it: the statement grows as the expressions do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeGuard

from featurestore.expr.nodes import Aggregate, Call, Default, Node, PythonCall, children, once
from featurestore.offline.expressions import SqlExpressions, row_of
from featurestore.semantics.functions.row import Scalar
from featurestore.semantics.kernels.table import KERNELS, columns_of
from featurestore.semantics.macros import mentions

AT_A_TIME = 40
"""Calls inside one another that are written in one text."""
_COLUMN = re.compile(r"\bx\d+(?:_\w+)?\b")
_LAST = 1 << 62


def staged(relation: str, nodes: Iterable[Node], compiler: SqlExpressions) -> str:
    """A relation with a column for each expression that more than one place needs; the compiler uses these from then
    on."""
    tops = list(nodes)
    levels = [_columns_of_level(found, compiler) for _, found in sorted(_levels(tops).items())]
    last_read: dict[str, int] = {}
    for place, columns in enumerate(levels):
        last_read |= dict.fromkeys(_read(text for _, text in columns), place)
    last_read |= dict.fromkeys(_read(compiler.texts(tops)), _LAST)
    kept: list[str] = []
    for place, columns in enumerate(levels):
        past = [name for name in kept if last_read.get(name, place) <= place]
        left = f" EXCLUDE ({', '.join(past)})" if past else ""
        listed = ",\n      ".join(f"{text} AS {name}" for name, text in columns)
        relation = f"(\n      SELECT *{left},\n      {listed}\n      FROM {relation}\n    )"
        kept = [name for name in kept if name not in past] + [name for name, _ in columns]
    return relation


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of a node: of a kernel one of its own, of others the value, or the value before it is made finite."""

    node: Node
    kind: Literal["kernel", "computed", "value"]
    number: int = 0


def _levels(tops: Sequence[Node]) -> dict[int, list[_Step]]:
    """By level the steps that it computes."""
    order = list(dict.fromkeys(once(*tops, below_aggregates=False)))
    uses, carried = _uses(order, tops)
    levels: dict[int, list[_Step]] = {}
    reach: dict[Node, int] = {}
    heights: dict[Node, int] = {}
    heavy: set[Node] = set()
    for node in order:
        below = () if isinstance(node, Aggregate) else children(node)
        reach[node] = max((reach[child] for child in below), default=0)
        heights[node] = 1 + max((heights[child] for child in below), default=-1)
        if not isinstance(node, (Call, PythonCall, Default)):
            continue
        deep, steps = heights[node] >= AT_A_TIME, []
        if isinstance(node, Call) and row_of(node).carries:
            if any(child in heavy if carried[child] else _is_plain(child) for child in below):
                heavy.add(node)
            if deep or carried[node] > 1 or (uses[node] and (carried[node] or node in heavy)):
                steps.append(_Step(node, "computed"))
            if uses[node] > 1:
                steps.append(_Step(node, "value"))
        elif deep or uses[node] > 1 or not _is_plain(node):
            kernel = len(columns_of(node.function).steps) if _is_kernel(node) else 0
            steps = [*(_Step(node, "kernel", number) for number in range(kernel)), _Step(node, "value")]
        for step in steps:
            reach[node] += 1
            levels.setdefault(reach[node], []).append(step)
            heights[node] = 0
    return levels


def _is_plain(node: Node) -> bool:
    """Whether a node is computed, and is no column for sure. A row function is called for every row, whatever is made
    of its answer: a lookup does so too."""
    return isinstance(node, (Call, Default)) and not _is_kernel(node)


def _columns_of_level(steps: list[_Step], compiler: SqlExpressions) -> list[tuple[str, str]]:
    """The names and texts of the columns that a level adds. Later levels know the nodes that are done by name."""
    columns = [column for step in steps for column in _columns(step, compiler)]
    for step in steps:
        if step.kind == "computed":
            compiler.name_computed(step.node)
        elif step.kind == "value":
            compiler.name(step.node)
    return columns


def _columns(step: _Step, compiler: SqlExpressions) -> list[tuple[str, str]]:
    """The columns that a step adds."""
    node, name = step.node, compiler.placed(step.node)
    if step.kind == "computed":
        return [(f"{name}_c", compiler.carried(node))]
    if isinstance(node, Default) and compiler.has_statuses:
        return [(name, compiler.value(node)), (f"{name}_s", compiler.status(node))]
    if not _is_kernel(node):
        return [(name, compiler.value(node))]
    columns, prefix = columns_of(node.function), f"{name}_"
    if step.kind == "value":
        return [(name, columns.answer.format(p=prefix))]
    arguments = [compiler.value(argument) for argument in node.arguments] if step.number == 0 else []
    texts = columns.steps[step.number]
    return [(column.format(p=prefix), text.format(*arguments, p=prefix)) for column, text in texts]


def _is_kernel(node: Node) -> TypeGuard[Call]:
    return isinstance(node, Call) and node.function in KERNELS


def _read(texts: Iterable[str]) -> set[str]:
    """The columns of levels that texts may read."""
    return {name for text in texts for name in _COLUMN.findall(text)}


def _uses(order: Sequence[Node], tops: Sequence[Node]) -> tuple[Counter[Node], Counter[Node]]:
    """How often the value of each node would be planned, were those above it computed by name; and how often it is
    taken as it was computed, before it is made finite."""
    uses: Counter[Node] = Counter()
    carried: Counter[Node] = Counter()
    for node in tops:
        uses[node] += 2  # its value, and its status
    for node in order:
        match node:
            case Call():
                row = row_of(node)
                for place, times in enumerate(_mentions(row, len(node.arguments), _is_kernel(node))):
                    child = node.arguments[place]
                    if place in row.carries and isinstance(child, Call) and row_of(child).carries:
                        carried[child] += times
                    else:
                        uses[child] += times
            case PythonCall():
                uses.update(node.arguments)
            case Default():
                uses[node.input] += 3  # twice its value, and its status
                uses[node] += 1  # a status of its own
            case _:
                pass
    return uses, carried


@cache
def _mentions(row: Scalar, arguments: int, kernel: bool) -> tuple[int, ...]:
    """How often DuckDB plans each argument of a row's text, which is made finite over a column."""
    if kernel:  # its first step takes each once
        return (1,) * arguments
    words = [f"fill{place}" for place in range(arguments)]
    text, rest = row.computed if row.carries else row.sql, ", ".join(words[1:])
    text = text.format(*words, all=", ".join(words), rest=rest, p="fs_zone", l="fs_zone")
    return mentions(text, words)
