"""Tests of single features, without a store: some rows, a key and an instant give the value.

Both roads answer, with the code that a store runs: the rows go through the online state, kept in memory, and through
DuckDB. A value on which they do not agree is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa
import redis

from featurestore.check.questions import Asked, asked_table, same_bits
from featurestore.define.data import Frame
from featurestore.define.feature_set import FeatureSet
from featurestore.define.source import Source
from featurestore.errors import (
    FeatureStoreError,
    InputError,
    InvalidDefinition,
    MissingAsOf,
    MissingColumn,
    ParityError,
    UnknownColumn,
    did_you_mean,
)
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import FeatureRef
from featurestore.expr.printing import text_of
from featurestore.offline.dataset import answer_canonical
from featurestore.offline.scan import History
from featurestore.online.evaluate import derive
from featurestore.online.events import decode, encode, entered, times_and_identity
from featurestore.online.inputs import canonical_inputs
from featurestore.online.lookup import LookupRoad
from featurestore.online.memory import MemoryServer
from featurestore.online.pointers import Pointer
from featurestore.online.state_store import StateStore
from featurestore.plan.build import plan_feature_set
from featurestore.plan.nodes import Plan, Scan
from featurestore.semantics.dtypes import INT64, STRING, Value, python_value
from featurestore.semantics.identity import fingerprint
from featurestore.semantics.instants import EARLIEST_US, FIRST_US, LAST_US, instant_us
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.tables import arrow_column, rows_of

T = TypeVar("T")
Row = Mapping[str, Any]
Rows = Sequence[Row] | Mapping[str, Sequence[Row]] | Mapping[type[Source], Sequence[Row]]
Cell = tuple[Value, int]


def value(
    feature: Expr[T],
    rows: Rows = (),
    *,
    key: Any = None,
    as_of: datetime | str | None = None,
    request: Row | None = None,
) -> T | None:
    """The value of a feature over some rows: `value(PlaneHistory.late_share, [...], key="N1", as_of=...)`.

    `rows` are dicts of the source's columns, or lists of them by source where the feature reads several. A row may
    leave out the key, which is then the one asked for, its RowId, and what is null; never its times. `key` is a value,
    or a tuple or dict of several; `request` holds the request's columns.
    Raises: ParityError  when the roads differ; InputError and its kinds  when rows, key or request do not fit.
    """
    plan, (found, _) = _answer(feature, rows, key, as_of, request)
    return cast("T | None", python_value(found, plan.outputs[0].dtype))


def status(
    feature: Expr[Any],
    rows: Rows = (),
    *,
    key: Any = None,
    as_of: datetime | str | None = None,
    request: Row | None = None,
) -> str:
    """The status that `value` has: `ok`, `null`, `not_found` or `overflow` (R14)."""
    _, (_, code) = _answer(feature, rows, key, as_of, request)
    return STATUS_NAMES[code]


def _answer(
    feature: Expr[Any], rows: Rows, key: Any, as_of: datetime | str | None, request: Row | None
) -> tuple[Plan, Cell]:
    if not (isinstance(feature, Expr) and isinstance(feature.node, FeatureRef)):
        raise InvalidDefinition(
            f"`{feature!r:.60}` is no feature of a view",
            where="featurestore.testing",
            fix='give one: `PlaneHistory.flights`, `PlaneHistory.delay["1d"]`',
        )
    plan = plan_feature_set(FeatureSet("tested", feature))
    where = f"`{text_of(feature.node)}`"
    [inputs] = canonical_inputs(plan, [_inputs(plan, key, request, where)])
    if as_of is None and any(state.scan.event_at for state in plan.states):
        raise MissingAsOf(f"{where} depends on the instant", where="featurestore.testing", fix="give `as_of=`")
    as_of_us = 0 if as_of is None else instant_us(as_of)
    given = _by_source(plan, rows, where)
    defaults = _asked_keys(plan, inputs)
    canon = {
        state.scan.source: [
            _canonical(state.scan, row, defaults[state.scan.source], place)
            for place, row in enumerate(given.get(state.scan.source, ()))
        ]
        for state in plan.states
    }
    online, offline = _online(plan, canon, inputs, as_of_us), _offline(plan, canon, inputs, as_of_us)
    if not same_bits(online[0], offline[0]) or online[1] != offline[1]:
        shown = [
            f"{python_value(each, plan.outputs[0].dtype)!r} ({STATUS_NAMES[code]})" for each, code in (online, offline)
        ]
        raise ParityError(
            f"the two roads give different values of {where}",
            has=f"online {shown[0]}, offline {shown[1]}",
            fix="this is a fault of the product: report it with these rows",
        )
    return plan, online


def _inputs(plan: Plan, key: Any, request: Row | None, where: str) -> dict[str, Any]:
    """Key and request as a question's inputs."""
    names = [each.name for each in plan.inputs]
    keys = [each.name for each in plan.inputs if each.key and each.name not in (request or {})]
    if key is None:
        parts: Mapping[str, Any] = {}
    elif isinstance(key, Mapping):
        parts = key
    else:
        values = key if isinstance(key, tuple) else (key,)
        if len(values) != len(keys):
            raise InputError(
                f"`key=` has {len(values)} parts, the key of {where} {len(keys)}",
                has=keys,
                fix="give them in this order, or as a dict by name",
            )
        parts = dict(zip(keys, values, strict=True))
    found = {**parts, **(request or {})}
    for name in found:
        if name not in names:
            raise UnknownColumn(
                f"{where} is not asked by `{name}`", has=names, fix=did_you_mean(name, names, "leave it out")
            )
    if missing := [name for name in names if name not in found]:
        kind = "key" if missing[0] in keys else "request"
        raise MissingColumn(
            f"{where} is asked by `{missing[0]}`", has=list(found), fix=f"give it with `{kind}=`; null is a value"
        )
    return found


def _by_source(plan: Plan, rows: Rows, where: str) -> dict[str, Sequence[Row]]:
    """The rows of each source."""
    sources = list(dict.fromkeys(state.scan.source for state in plan.states))
    if isinstance(rows, Mapping):
        named = {each if isinstance(each, str) else each.__name__: found for each, found in rows.items()}
        for name in named:
            if name not in sources:
                fix = did_you_mean(name, sources, "give a list of rows, or a dict of such lists by source")
                raise UnknownColumn(f"{where} reads no source `{name}`", has=sources, fix=fix)
        return {name: rows_of(found, f"the rows of `{name}`") for name, found in named.items()}
    if len(sources) != 1 and rows:
        raise InputError(
            f"{where} reads {len(sources)} sources", has=sources, fix="give `rows=` as a dict: lists of rows by source"
        )
    return dict.fromkeys(sources, rows_of(rows, f"the rows for {where}"))


def _asked_keys(plan: Plan, inputs: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """For each source, the key columns whose value in a row can only be the one that is asked for."""
    found: dict[str, dict[str, Value]] = {state.scan.source: {} for state in plan.states}
    mixed = set()
    for view in plan.views:
        for column, name in zip(view.state.key if view.state else (), view.inputs, strict=bool(view.state)):
            assert view.state is not None
            source = view.state.scan.source
            if found[source].setdefault(column, inputs[name]) != inputs[name]:
                mixed.add((source, column))
    return {
        source: {name: each for name, each in keys.items() if (source, name) not in mixed}
        for source, keys in found.items()
    }


def _canonical(scan: Scan, row: Row, asked: Mapping[str, Value], place: int) -> dict[str, Value]:
    """A row with all of the source's columns, canonical."""
    where = f"row {place} of `{scan.source}`"
    declared = [column.name for column in scan.columns]
    for name in row:
        if name not in declared:
            raise UnknownColumn(
                f"`{scan.source}` has no column `{name}`",
                where=where,
                has=declared,
                fix=did_you_mean(name, declared, "leave it out"),
            )
    found: dict[str, Value] = {}
    for column in scan.columns:
        try:
            if column.name in row:
                found[column.name] = entered(row[column.name], column.dtype, scan.zone, column.unit)
            elif column.name == scan.row_id and column.name not in asked and column.dtype in (INT64, STRING):
                found[column.name] = place if column.dtype == INT64 else f"row {place}"
            else:
                found[column.name] = asked.get(column.name)
        except FeatureStoreError as error:
            error.where = f"{where}, `{column.name}`"
            raise
    usable = {
        needed: found[needed] is not None and (needed == scan.row_id or FIRST_US <= found[needed] <= LAST_US)
        for needed in (scan.event_at, scan.known_at, scan.row_id)
        if needed is not None
    }
    for needed, there in usable.items():
        if not there:
            raise MissingColumn(
                f"a row of `{scan.source}` without a usable `{needed}` counts nowhere",
                where=where,
                has=list(row),
                fix=f"give it `{needed}`",
            )
    return found


def _online(plan: Plan, rows: Mapping[str, list[dict[str, Value]]], inputs: dict[str, Value], as_of_us: int) -> Cell:
    """Rows applied to a state, and a lookup."""
    server = cast(redis.Redis, MemoryServer())
    store, road = StateStore(server, "tested"), LookupRoad(server, "tested")
    built = {}
    for state in plan.states:
        scan, kept, applied = state.scan, derive(state), []
        for position, row in enumerate(rows[scan.source], start=1):
            values = decode(encode([row], scan)[0], scan)
            applied.append((tuple(values[name] for name in state.key), kept(values, *_times(scan, values, position))))
        built[state.id], _ = store.apply(state, Pointer("tested", 0, 0, "tested", None, 0, 0), applied)
    store.publish(built)
    vectors = road.answer_canonical(plan, [inputs], as_of_us)
    return vectors.values[0][0], vectors.statuses[0][0]


def _times(scan: Scan, row: dict[str, Value], position: int) -> tuple[int, int, Value, str | None]:
    """A row of history is known when it happens, or the source's delay after that (R2)."""
    if scan.event_at is not None:
        return times_and_identity(scan, row, row[scan.event_at] + scan.delay_us, position)
    columns = sorted(scan.columns, key=lambda column: column.name)
    prints = fingerprint((row[column.name], column.dtype) for column in columns) if scan.row_id else None
    return EARLIEST_US, EARLIEST_US, row[scan.row_id] if scan.row_id else position, prints


def _offline(plan: Plan, rows: Mapping[str, list[dict[str, Value]]], inputs: dict[str, Value], as_of_us: int) -> Cell:
    """Rows as a table in memory, and DuckDB."""

    def over(scan: Scan) -> Scan:
        columns = {
            column.stored: arrow_column([row[column.name] for row in rows[scan.source]], column.dtype)
            for column in scan.columns
        }
        declared = tuple(replace(column, unit="") for column in scan.columns)
        # local times and numbers were read by now
        return replace(scan, data=Frame(pa.table(columns)), zone=None, columns=declared)

    views = tuple(
        replace(view, state=view.state and replace(view.state, scan=over(view.state.scan))) for view in plan.views
    )
    asked = asked_table(plan, [Asked(as_of_us, [inputs])])
    answers = answer_canonical(replace(plan, views=views), asked, History(Path()), threads=1)
    name = plan.outputs[0].name
    return answers.column(name)[0].as_py(), answers.column(f"{name}__status")[0].as_py()
