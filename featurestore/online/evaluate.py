"""Expressions in Python: the same table rows that DuckDB text is made from, as closures over what is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import count
from typing import Any, Final, assert_never

from featurestore.expr.nodes import (
    Aggregate,
    AsOf,
    Call,
    ColumnRef,
    Default,
    FeatureRef,
    Literal,
    Node,
    PythonCall,
    RequestRef,
    children,
    inputs_of,
    once,
)
from featurestore.plan.nodes import State, View
from featurestore.semantics.dtypes import Value
from featurestore.semantics.scalars import scalar_row
from featurestore.semantics.statuses import NULL, OK, OVERFLOW

Known = Mapping[Any, Any]
"""Values by column or request name and by `INSTANT`; `(value, status)` by `answer_key` and by `(view, feature)`."""
INSTANT: Final = ("as_of",)
Row = dict[Any, Value]
_AT_A_TIME: Final = 40
"""Calls inside one another that are computed in one go."""
_numbers = count()


@cache
def answer_key(_: Aggregate) -> int:
    """The key of an aggregate's answer in what is known: hashing a whole expression for each question would cost
    more than answering it."""
    return next(_numbers)


class Evaluation:
    """Expressions as functions of what is known. `steps` must run before them, in order: each puts a part that is
    needed more than once, or is deep, into what is known, so that no part is computed twice and no call is deep."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.steps: list[tuple[int, Callable[[Known], Any]]] = []
        self._values: dict[Node, int] = {}
        self._statuses: dict[Node, int] = {}
        tops = list(nodes)
        order = once(*tops, below_aggregates=False)
        uses = Counter(part for node in dict.fromkeys(order) for part in _evaluated(node))
        heights: dict[Node, int] = {}
        for node in dict.fromkeys(order):
            if not isinstance(node, (Call, PythonCall, Default)):
                continue
            heights[node] = 1 + max((heights.get(child, 0) for child in children(node)), default=0)
            if uses[node] > 1 or heights[node] > _AT_A_TIME or (isinstance(node, Default) and uses[node]):
                self._keep(node)
                heights[node] = 0

    def _keep(self, node: Node) -> None:
        """Make a node a step; of a default, its status too."""
        steps: list[tuple[dict[Node, int], Callable[[Known], Any]]] = [(self._values, self._value(node))]
        if isinstance(node, Default):
            steps.append((self._statuses, self.status(node)))
        for named, compute in steps:
            named[node] = next(_numbers)
            self.steps.append((named[node], compute))

    def run(self, known: dict[Any, Any]) -> None:
        """Put the parts into what is known."""
        for key, compute in self.steps:
            known[key] = compute(known)

    def value(self, node: Node) -> Callable[[Known], Value]:
        """A function from what is known to the node's canonical value."""
        if (step := self._values.get(node)) is not None:
            return lambda known: known[step]
        return self._value(node)

    def _value(self, node: Node) -> Callable[[Known], Value]:
        match node:
            case Literal():
                constant = node.value
                return lambda _: constant
            case ColumnRef() | RequestRef():
                name = node.name
                return lambda known: known[name]
            case FeatureRef():
                place = (node.view, node.name)
                return lambda known: known[place][0]
            case AsOf():
                return lambda known: known[INSTANT]
            case Aggregate():
                answer = answer_key(node)
                return lambda known: known[answer][0]
            case Call():
                return _call(node, [self.value(argument) for argument in node.arguments])
            case PythonCall():
                function, given = node.function, [self.value(argument) for argument in node.arguments]
                return lambda known: function.answer([argument(known) for argument in given])
            case Default():
                inner, status, default = self.value(node.input), self.status(node.input), node.value

                def defaulted(known: Known) -> Value:
                    value = inner(known)
                    return default if value is None and status(known) != OVERFLOW else value

                return defaulted
            case _:
                assert_never(node)

    def status(self, node: Node) -> Callable[[Known], int]:
        """A function from what is known to the node's status (R14)."""
        if (step := self._statuses.get(node)) is not None:
            return lambda known: int(known[step])
        match node:
            case Literal() | AsOf():
                return lambda _: OK
            case ColumnRef() | RequestRef():
                name = node.name
                return lambda known: NULL if known[name] is None else OK
            case FeatureRef():
                place = (node.view, node.name)
                return lambda known: int(known[place][1])
            case Aggregate():
                answer = answer_key(node)
                return lambda known: int(known[answer][1])
            case Call() | PythonCall():
                value, inputs = self.value(node), [self.status(each) for each in inputs_of(node)]
                return lambda known: OK if value(known) is not None else max([NULL, *(each(known) for each in inputs)])
            case Default():
                return self.status(node.input)
            case _:
                assert_never(node)


def _evaluated(node: Node) -> Iterator[Node]:
    """The parts that a node's value asks for, each as often as it does."""
    if isinstance(node, Default):
        yield from (node.input, node.input)  # its value, and its status
    elif not isinstance(node, Aggregate):
        yield from children(node)


def _call(node: Call, arguments: list[Callable[[Known], Value]]) -> Callable[[Known], Value]:
    found = scalar_row(node.function, tuple(argument.dtype for argument in node.arguments))
    assert found is not None, "a call node was checked when it was made"
    row = found[0]
    compute, extra = row.python, (node.parameter,) if row.parameter else ()
    if row.nullable:
        return lambda known: compute(*(argument(known) for argument in arguments), *extra)

    def strict(known: Known) -> Value:
        values = [argument(known) for argument in arguments]
        return None if None in values else compute(*values, *extra)

    return strict


def derive(state: State) -> Callable[[Row, int, int, Value, str | None], list[Any]]:
    """The left half of a plan: a function from a canonical row and its times and identity to what the state keeps of
    it."""
    evaluation = Evaluation((*state.inputs, *state.filters))
    inputs = [evaluation.value(node) for node in state.inputs]
    filters = [evaluation.value(node) for node in state.filters]
    order = state.scan.order

    def kept(row: Row, event_at_us: int, known_at_us: int, row_id: Value, fingerprint: str | None) -> list[Any]:
        if evaluation.steps:
            row = dict(row)
            evaluation.run(row)
        bits = sum((test(row) is True) << place for place, test in enumerate(filters))
        order_by = row[order] if order else None
        return [event_at_us, known_at_us, order_by, row_id, fingerprint, bits, *(value(row) for value in inputs)]

    return kept


class Features:
    """The right half of a plan: what a view computes for each question. Made once for a view."""

    def __init__(self, view: View) -> None:
        self.answered = {
            (view.name, feature.name): answer_key(feature.node)
            for feature in view.features
            if isinstance(feature.node, Aggregate)
        }
        """The features that are aggregates as they are."""
        computed = [feature for feature in view.features if not isinstance(feature.node, Aggregate)]
        self._parts = Evaluation(feature.node for feature in computed)
        self._computed = [
            (
                (view.name, feature.name),
                self._parts.value(feature.node),
                self._parts.status(feature.node),
                _is_call(feature.node),
            )
            for feature in computed
        ]

    def add(self, known: dict[Any, Any]) -> None:
        """Add `(view, feature) -> (value, status)` for each feature to what is known."""
        for place, answer in self.answered.items():
            known[place] = known[answer]
        self._parts.run(known)
        for place, compute, status_in, call in self._computed:
            value = compute(known)
            known[place] = (value, OK if call and value is not None else status_in(known))


def _is_call(node: Node) -> bool:
    """Whether a value is computed, and so has no status but ok."""
    return isinstance(node, (Call, PythonCall))
