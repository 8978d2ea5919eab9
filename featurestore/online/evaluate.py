"""Expressions in Python: the same table rows that DuckDB text is made from, as closures over what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    inputs_of,
)
from featurestore.plan.nodes import State, View
from featurestore.semantics.dtypes import Value
from featurestore.semantics.scalars import scalar_row
from featurestore.semantics.statuses import NULL, OK, OVERFLOW

Known = Mapping[Any, Any]
"""Values by column or request name and by `INSTANT`; `(value, status)` by `answer_key` and by `(view, feature)`."""
INSTANT: Final = ("as_of",)
Row = dict[str, Value]
_numbers = count()


@cache
def answer_key(_: Aggregate) -> int:
    """The key of an aggregate's answer in what is known: hashing a whole expression for each question would cost
    more than answering it."""
    return next(_numbers)


@cache
def value_of(node: Node) -> Callable[[Known], Value]:
    """A function from what is known to the node's canonical value."""
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
            return _call(node)
        case PythonCall():
            function, given = node.function, [value_of(argument) for argument in node.arguments]
            return lambda known: function.answer([argument(known) for argument in given])
        case Default():
            inner, status, default = value_of(node.input), status_of(node.input), node.value

            def defaulted(known: Known) -> Value:
                value = inner(known)
                return default if value is None and status(known) != OVERFLOW else value

            return defaulted
        case _:
            assert_never(node)


@cache
def status_of(node: Node) -> Callable[[Known], int]:
    """A function from what is known to the node's status (R14)."""
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
            value, inputs = value_of(node), [status_of(each) for each in inputs_of(node)]
            return lambda known: OK if value(known) is not None else max([NULL, *(each(known) for each in inputs)])
        case Default():
            return status_of(node.input)
        case _:
            assert_never(node)


def _call(node: Call) -> Callable[[Known], Value]:
    found = scalar_row(node.function, tuple(argument.dtype for argument in node.arguments))
    assert found is not None, "a call node was checked when it was made"
    row, arguments = found[0], [value_of(argument) for argument in node.arguments]
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
    inputs = [value_of(node) for node in state.inputs]
    filters = [value_of(node) for node in state.filters]
    order = state.scan.order

    def kept(row: Row, event_at_us: int, known_at_us: int, row_id: Value, fingerprint: str | None) -> list[Any]:
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
        self._computed = [
            ((view.name, feature.name), value_of(feature.node), status_of(feature.node), _is_call(feature.node))
            for feature in view.features
            if not isinstance(feature.node, Aggregate)
        ]

    def add(self, known: dict[Any, Any]) -> None:
        """Add `(view, feature) -> (value, status)` for each feature to what is known."""
        for place, answer in self.answered.items():
            known[place] = known[answer]
        for place, compute, status_in, call in self._computed:
            value = compute(known)
            known[place] = (value, OK if call and value is not None else status_in(known))


def _is_call(node: Node) -> bool:
    """Whether a value is computed, and so has no status but ok."""
    return isinstance(node, (Call, PythonCall))
