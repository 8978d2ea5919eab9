"""The third voice: what the rules say, as plainly as Python can. A list of rows, filtered, sorted and computed.

Computed with nothing of the product. Rows are dicts of canonical values by column name, pushed ones with `_known_at_us`
and `_position`. Where views refer to views of other sources, `rows` is a dict of such lists by source name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from featurestore.define.view import ViewSpec
from featurestore.expr.nodes import Aggregate, AsOf, Call, Default, FeatureRef, Literal, Node, PythonCall, RequestRef
from featurestore.semantics.windows import Span
from tests.reference_aggregates import said
from tests.reference_functions import called, entered, fingerprint_of

# the years 1 to 9999
FIRST_US, LAST_US = (
    (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) for moment in (datetime.min, datetime.max)
)
STATUSES = ("ok", "null", "not_found", "overflow")  # from best to worst
Answer = tuple[Any, str]
Row = Mapping[str, Any]
Rows = Sequence[Row] | Mapping[str, Sequence[Row]]


class Seen(NamedTuple):
    """A row that a read may see."""

    event_at_us: int
    known_at_us: int
    fingerprint: str
    order: Any
    values: Row


def reference(spec: ViewSpec, rows: Rows, key: tuple[Any, ...], as_of_us: int, request: Row) -> dict[str, Answer]:
    """Value and status of every feature of a view, for a key, as of an instant."""
    as_of_us = max(as_of_us - as_of_us % spec.refresh_us, FIRST_US) if spec.refresh_us > 1 else as_of_us  # R3
    inputs = {**request, **dict(zip((part.input for part in spec.key), key, strict=True))}
    own = visible(spec, rows, tuple(entered(part) for part in key), as_of_us) if spec.source else []

    def leaf(node: Node) -> Answer:
        match node:
            case AsOf():
                return answered(as_of_us)
            case RequestRef():
                return answered(entered(inputs[node.name]))
            case FeatureRef():
                other = tuple(inputs[part.input] for part in node.target.key)
                return reference(node.target, rows, other, as_of_us, inputs)[node.name]
            case Aggregate():
                value, overflow = aggregated(node, own, as_of_us)
                return (value, "overflow") if overflow else answered(value) if own else (value, "not_found")
        raise AssertionError(f"{node} is no value")

    return {feature.name: answer_of(feature.node, leaf) for feature in spec.features}


def visible(spec: ViewSpec, rows: Rows, key: tuple[Any, ...], as_of_us: int) -> list[Seen]:
    """The key's rows that a read as of `as_of_us` sees: R16, R11, R6, R2 and R3, in this order."""
    assert spec.source is not None
    source, facts = spec.source.__spec__, dict[Any, Seen]()
    columns = sorted(source.columns, key=lambda column: column.name)
    for number, given in enumerate(rows if not isinstance(rows, Mapping) else rows[source.name]):
        row = {column.name: entered(given.get(column.name)) for column in columns}
        event_at = row[source.event_at] if source.event_at else -(2**62)
        identity = row[source.row_id] if source.row_id else given.get("_position", f"row {number}")
        if event_at is None or identity is None:
            continue
        stamped = given.get("_known_at_us", event_at + source.delay_us) if source.event_at else event_at
        known_at = row[source.known_at] if source.known_at else stamped
        held = [row[name] for name in spec.key_columns]
        if known_at is None or (source.event_at and not all(FIRST_US <= at <= LAST_US for at in (event_at, known_at))):
            continue
        if None in held or [*map(type, held), *held] != [*map(type, key), *key]:
            continue
        fingerprint = fingerprint_of([row[column.name] for column in columns])
        fact = Seen(event_at, known_at, fingerprint, row[source.order] if source.order else None, row)
        facts[identity, event_at] = min(facts.get((identity, event_at), fact), fact, key=lambda each: each[1:3])
    return [fact for fact in facts.values() if max(fact.event_at_us, fact.known_at_us) < as_of_us]


def aggregated(node: Aggregate, seen: Sequence[Seen], as_of_us: int) -> tuple[Any, bool]:
    """An aggregate's value and whether it overflowed (R4, R5), or those of each category."""
    start_us, end_us = covered(node.span, as_of_us)
    entries = []
    for event_at_us, known_at_us, _, order, row in seen:
        if start_us <= event_at_us < end_us and (node.where is None or of_row(node.where, row) is True):
            value = of_row(node.input, row) if node.input else None
            category = of_row(node.by, row) if node.by else None
            second = of_row(node.second, row) if node.second else None
            entries.append((event_at_us, nulls_first(order), known_at_us, nulls_first(value), value, category, second))
    entries.sort(key=lambda entry: entry[:4])
    if node.by is None:
        values, seconds = [entry[4] for entry in entries], [entry[6] for entry in entries]
        return said(node, values, [entry[0] for entry in entries], as_of_us, seconds)
    answers = []
    for category in sorted({entry[5] for entry in entries} - {None}):
        held = [entry for entry in entries if entry[5] == category]
        answers.append((category, *said(node, [entry[4] for entry in held], [entry[0] for entry in held], as_of_us)))
    return tuple((category, value) for category, value, _ in answers), any(overflow for *_, overflow in answers)


def covered(span: Span, as_of_us: int) -> tuple[float, float]:
    """R4: the first instant that a window covers, and the first after it."""
    end_us = as_of_us - span.offset_us
    if span.length_us is None:
        return -math.inf, end_us
    start_us = end_us - span.length_us
    return start_us - start_us % span.step_us, end_us - end_us % (span.step_us if span.offset_us else 1)


def answer_of(node: Node, leaf: Callable[[Node], Answer]) -> Answer:
    """Value and status of an expression (R14): what is computed is ok where there is a value."""
    value, status = evaluated(node, leaf)
    return value, "ok" if isinstance(node, (Call, PythonCall)) and value is not None else status


def evaluated(node: Node, leaf: Callable[[Node], Answer]) -> Answer:
    """Value, and the status that a null has: the worst of all below, through calls but not through defaults."""
    match node:
        case Literal():
            return answered(node.value)
        case Default():
            value, status = answer_of(node.input, leaf)
            return (node.value if value is None and status != "overflow" else value), status
        case Call() | PythonCall():
            given = [evaluated(argument, leaf) for argument in node.arguments]
            return called(node, [value for value, _ in given]), max(
                "null", *(each for _, each in given), key=STATUSES.index
            )
    return leaf(node)


def of_row(node: Node, row: Row) -> Any:
    """An expression's value over one row."""
    return evaluated(node, lambda column: answered(row[column.name]))[0]  # type: ignore[union-attr]  # only columns are left


def answered(value: Any) -> Answer:
    """A value that was found, with its status."""
    return value, "null" if value is None else "ok"


def nulls_first(value: Any) -> tuple[bool, Any]:
    """What sorts a value after null."""
    return value is not None, tuple(map(nulls_first, value)) if isinstance(value, tuple) else value
