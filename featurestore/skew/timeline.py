"""One differing cell told in full: the rows of its key around the instant, and who saw which of them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from featurestore.expr.nodes import Aggregate, walk
from featurestore.offline.columns import held as column_of
from featurestore.offline.connection import quoted
from featurestore.offline.replay import Replay, visible
from featurestore.offline.scan import FILE, POSITION, STAMPED
from featurestore.plan.nodes import Output, View
from featurestore.semantics.dtypes import Value, python_value
from featurestore.semantics.instants import instant_text
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.skew.examine import Examined
from featurestore.skew.held import Held
from featurestore.skew.report import Example, RowSeen
from featurestore.skew.trials import causes_of

MOST_ROWS = 40
"""Rows that are told beside a cell: those that training sees and the state had not, then the others, nearest first."""


def example_of(
    found: Examined,
    row: int,
    output: Output,
    label: int,
    then: Replay,
    held: dict[str, Held] | None,
    portion: pa.Table,
) -> Example:
    """The cell of a question and a feature, with what decides it."""
    dtypes = {each.name: each.dtype for each in then.plan.inputs}
    asked = {
        name: _shown(python_value(portion.column(f"i_{name}")[row].as_py(), dtype)) for name, dtype in dtypes.items()
    }
    as_of_us = portion.column("as_of_us")[row].as_py()
    status = f"s.{output.name}"
    served = portion.column(f"v.{output.name}")[row].as_py()
    code = portion.column(status)[row].as_py() if status in portion.column_names else None
    view = next(each for each in then.plan.views if each.name == output.view)
    names = causes_of(label)
    return Example(
        output.name,
        tuple(names),
        portion.column("request_id")[row].as_py() or "",
        asked,
        instant_text(as_of_us),
        instant_text(portion.column("served_us")[row].as_py()),
        _cell(served, code, output),
        _answer(found.training, row, output),
        "not computed" if found.left[row] else _answer(found.replayed, row, output),
        tuple(text for name in names for text in found.evidence.get(name, ())[:3]),
        _windows(view, output, as_of_us),
        _rows(then, view, row, held),
    )


def _windows(view: View, output: Output, as_of_us: int) -> tuple[tuple[str | None, str], ...]:
    instant_us = view.instant_us(as_of_us)
    node = next(each.node for each in view.features if each.name == output.feature)
    used = {each.span for each in walk(node) if isinstance(each, Aggregate)}
    spans = [(span.start_us(instant_us), span.end_us(instant_us)) for span in view.spans if span in used]
    return tuple((None if start is None else _instant(start), _instant(end)) for start, end in spans)


def _rows(then: Replay, view: View, row: int, held: dict[str, Held] | None) -> tuple[RowSeen, ...]:
    state = view.state
    if state is None:
        return ()
    mine = None if held is None else held[state.id]
    had, kind = ("TRUE", "''") if mine is None else (f"coalesce({mine.condition()}, FALSE)", mine.kind())
    columns = [each for each in state.scan.columns if each.name not in (state.scan.event_at, state.scan.known_at)]
    values = "".join(f", r.{quoted(column_of(each.name))}" for each in columns)
    places = f"r.{quoted(FILE)}, r.{quoted(POSITION)}, r.{quoted(STAMPED)}"
    met = then.met(state, view, f"q.spine_row = {row} AND r.usable")
    found = then.connection.execute(
        f"SELECT {places}, r.event_at_us, r.known_at_us, {had}, {visible(view)}, {kind}{values} {met}\n"
        f"ORDER BY coalesce({had}, FALSE) OR NOT ({visible(view)}), abs(r.event_at_us - q.as_of_us), r.known_at_us\n"
        f"LIMIT {MOST_ROWS}"
    ).fetchall()
    rows = []
    for file, _, stamped_us, event_us, known_us, was_held, is_visible, what, *held_values in found:
        rows.append(
            RowSeen(
                str(file or ""),
                _instant(event_us),
                _instant(known_us),
                None if stamped_us is None else _instant(stamped_us),
                bool(was_held),
                bool(is_visible),
                "" if was_held else str(what),
                {
                    each.name: _shown(python_value(value, each.dtype))
                    for each, value in zip(columns, held_values, strict=True)
                },
            )
        )
    return tuple(sorted(rows, key=lambda each: (each.event_at, each.known_at)))


def _answer(answers: pa.Table, row: int, output: Output) -> str:
    if output.name not in answers.column_names:
        return "no longer defined"
    return _cell(
        answers.column(output.name)[row].as_py(), answers.column(f"{output.name}__status")[row].as_py(), output
    )


def _cell(value: Value, code: int | None, output: Output) -> str:
    text = repr(python_value(value, output.dtype))
    return text if code is None else f"{text} ({STATUS_NAMES[code]})"


def _shown(value: object) -> Any:
    """A value as JSON has it."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _instant(at_us: int) -> str:
    return instant_text(at_us)
