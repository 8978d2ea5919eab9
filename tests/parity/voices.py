"""The three voices over one case: what the reference, DuckDB and Redis each say of the same questions."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import redis

from featurestore.define.source import SourceSpec
from featurestore.expr.nodes import Node
from featurestore.offline.columns import held
from featurestore.offline.dataset import Choosing, answer_canonical
from featurestore.offline.materialize import state_rows
from featurestore.offline.scan import History
from featurestore.online.evaluate import Evaluation, Known, derive
from featurestore.online.lookup import LookupRoad
from featurestore.online.pointers import Pointer
from featurestore.online.state_store import StateStore
from featurestore.plan.build import plan_feature_set
from featurestore.plan.nodes import Plan, State
from featurestore.semantics.dtypes import Value, finite
from featurestore.semantics.identity import fingerprint
from featurestore.semantics.instants import EARLIEST_US, FIRST_US, LAST_US, LATEST_US
from featurestore.tables import storage_type
from tests.reference import STATUSES, reference
from tests.strategies import Case

Cell = tuple[Any, int]
Answers = list[dict[str, Cell]]


def scanned(spec: SourceSpec, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows as a scan would give them: the declared columns and the times, identity and usability of each."""
    rows = [{column.name: entered(row[column.name]) for column in spec.columns} | _pushed(row) for row in rows]
    columns = {
        held(column.name): pa.array([row[column.name] for row in rows], storage_type(column.dtype))
        for column in spec.columns
    }
    by_name = sorted(spec.columns, key=lambda column: column.name)
    times = [_times(spec, row) for row in rows]
    ids = [row[spec.row_id] if spec.row_id else row.get("_position") for row in rows]
    usable = [
        all(at is not None and (FIRST_US <= at <= LAST_US or not spec.event_at) for at in both)
        and not (spec.row_id and row_id is None)
        for both, row_id in zip(times, ids, strict=True)
    ]
    prints = [
        fingerprint((row[column.name], column.dtype) for column in by_name) if spec.row_id else None for row in rows
    ]
    id_type = (
        storage_type(next(column.dtype for column in spec.columns if column.name == spec.row_id))
        if spec.row_id
        else pa.int64()
    )
    return pa.table(
        columns
        | {
            "event_at_us": pa.array([event for event, _ in times], pa.int64()),
            "known_at_us": pa.array([known for _, known in times], pa.int64()),
            "row_id": pa.array(ids, id_type),
            "usable": pa.array(usable, pa.bool_()),
            "fingerprint": pa.array(prints, pa.string()),
        }
    )


def entered(value: Any) -> Any:
    """R7: a float that enters is finite, and never -0.0."""
    if isinstance(value, tuple):
        return tuple(map(entered, value))
    return finite(value) if isinstance(value, float) else value


def _once(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The log holds each position once, though a replay may bring it again to the state."""
    positions = {row["_position"]: row for row in reversed(rows) if "_position" in row}
    return [row for row in rows if "_position" not in row or positions[row["_position"]] is row]


def _pushed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("_known_at_us", "_position") if name in row}


def _times(spec: SourceSpec, row: dict[str, Any]) -> tuple[int | None, int | None]:
    event = row[spec.event_at] if spec.event_at else EARLIEST_US
    if spec.known_at:
        return event, row[spec.known_at]
    delayed = None if event is None or abs(event) > LATEST_US else event + spec.delay_us
    return event, row.get("_known_at_us", delayed)


def said_by_reference(case: Case, plan: Plan, at: Sequence[int]) -> Answers:
    """What the rules say."""
    answers: Answers = []
    for question, as_of_us in zip(case.questions, at, strict=True):
        cells: dict[str, Cell] = {}
        for view in case.views:
            spec = view.__spec__
            found = reference(spec, case.rows, question.key(spec), as_of_us, question.inputs)
            for output in plan.outputs:
                if output.view == spec.name:
                    value, status = found[output.feature]
                    cells[output.name] = (value, STATUSES.index(status))
        answers.append(cells)
    return answers


def said_by_duckdb(
    case: Case, plan: Plan, at: Sequence[int], threads: int | None = None, choosing: Choosing | None = None
) -> Answers:
    """What the compiled SELECT says."""
    rows = {name: scanned(source.__spec__, _once(case.rows[name])) for name, source in case.sources.items()}
    columns: dict[str, Any] = {"spine_row": pa.array(range(len(at)), pa.int64()), "as_of_us": pa.array(at, pa.int64())}
    for given in plan.inputs:
        held = [entered(question.inputs[given.name]) for question in case.questions]
        columns[f"i_{given.name}"] = pa.array(held, storage_type(given.dtype))
    table = answer_canonical(plan, pa.table(columns), History(Path(), rows=rows), threads=threads, choosing=choosing)
    found = table.to_pylist()
    return [{each.name: (row[each.name], row[f"{each.name}__status"]) for each in plan.outputs} for row in found]


def said_by_redis(case: Case, plan: Plan, at: Sequence[int], client: redis.Redis, materialized: int = 0) -> Answers:
    """What a lookup says, over a state of which the first rows were materialised and the others ingested one by one."""
    project = f"voices-{secrets.token_hex(6)}"
    store, road = StateStore(client, project), LookupRoad(client, project)
    try:
        for state in plan.states:
            _fill(store, state, case, materialized)
        inputs = [{each.name: entered(asked.inputs[each.name]) for each in plan.inputs} for asked in case.questions]
        vectors = [road.answer_canonical(plan, [asked], as_of_us) for asked, as_of_us in zip(inputs, at, strict=True)]
    finally:
        store.drop_project()
    return [dict(zip(each.names, zip(each.values[0], each.statuses[0], strict=True), strict=True)) for each in vectors]


def said_by_python(node: Node) -> Callable[[Known], Value]:
    """What a lookup computes of one expression, as a function of what is known."""
    evaluation = Evaluation([node])
    value = evaluation.value(node)

    def computed(known: Known) -> Value:
        parts = dict(known)
        evaluation.run(parts)
        return value(parts)

    return computed


def _fill(store: StateStore, state: State, case: Case, materialized: int) -> None:
    spec = case.sources[state.scan.source].__spec__
    rows = case.rows[state.scan.source]
    pointer = Pointer("", 0, 0, "voices", None, 0, 0)
    if rows[:materialized]:
        history = History(Path(), rows={state.scan.source: scanned(spec, _once(rows[:materialized]))})
        with state_rows(state, history, 0, None) as found:
            pointer = store.build(state, found.batches, pointer)
    else:
        pointer = store.build(state, (), pointer)
    derived, names = derive(state), [column.name for column in state.scan.columns]
    for row in scanned(spec, rows[materialized:]).to_pylist():
        if row["usable"]:
            values = {name: row[held(name)] for name in names}
            times = (row["event_at_us"], row["known_at_us"], row["row_id"], row["fingerprint"])
            kept = [(tuple(values[name] for name in state.key), derived(values, *times))]
            pointer, _ = store.apply(state, pointer, kept)
    store.publish({state.id: pointer})


def bits(answers: Answers) -> list[dict[str, tuple[Any, int]]]:
    """Answers in a form that is equal only when types and bits are: floats by their bits, lists element by element."""
    return [{name: (_bits(value), status) for name, (value, status) in cells.items()} for cells in answers]


def _bits(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return ["list", *map(_bits, value)]
    return (type(value).__name__, value.hex() if isinstance(value, float) else value)


def plan_of(case: Case) -> Plan:
    """The plan of all features of a case."""
    return plan_feature_set(case.feature_set)
