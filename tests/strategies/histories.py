"""Histories: rows of a source with ties, nulls, late rows, and duplicates with equal and with different content."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from featurestore import Source
from featurestore.define.columns import ColumnSpec
from featurestore.define.source import SourceSpec
from featurestore.semantics.dtypes import INT64, STRING
from tests.strategies.values import EDGES_US, event_instants, instants, nullable, pick, values

Rows = list[dict[str, Any]]

# how long after it happened a row is known; None: that has nothing to do with it
_LATE = st.sampled_from((-5, 0, 0, 0, 1, 2, 10, 1_000_000, 3_600_000_000, None))
# few keys, ids and places in the order, so that rows meet
_FEW: dict[str, dict[Any, tuple[Any, ...]]] = {
    "user": {INT64: (1, 1, 1, 1, 2, 2**53 + 1)},
    "place": {STRING: ("a", "a", "a", "a", "b", "1", "a\u0308")},
    "id": {INT64: (1, 2, 3, 4, 5, 6), STRING: ("1", "2", "a", "b", "c", "d")},
}


@st.composite
def histories(draw: st.DrawFn, source: type[Source], max_rows: int = 12, pushed: bool | None = None) -> Rows:
    """Rows of a source as dicts of canonical values, in order of arrival.

    A pushed row carries `_known_at_us` where the source has no KnownTime, and `_position` where it has no RowId.
    Without a RowId all rows are pushed or none is, since a source with history and pushed rows must declare one; a
    static source is never pushed to.
    """
    spec = source.__spec__
    all_pushed = draw(st.booleans()) if pushed is None else pushed
    rows: Rows = []
    for position in range(draw(st.integers(0, max_rows) | st.integers(max_rows // 2, max_rows))):
        if rows and draw(st.integers(0, 3)) == 0:
            row = _draw_repeated(draw, source, pick(draw, rows))
        else:
            row = dict(draw(fresh_rows(source.__spec__)))
        own = (
            False
            if spec.event_at is None
            else pushed
            if pushed is not None
            else draw(st.booleans())
            if spec.row_id
            else all_pushed
        )
        if own and not spec.known_at and "_known_at_us" not in row:
            late_us = draw(_LATE)
            near = late_us is not None and row["happened_at"] is not None and abs(row["happened_at"]) < 2**62
            row["_known_at_us"] = row["happened_at"] + late_us if near else draw(instants())
        if own and not spec.row_id:
            row.setdefault("_position", position)
        rows.append(row)
    return rows


def _draw_repeated(draw: st.DrawFn, source: type[Source], before: dict[str, Any]) -> dict[str, Any]:
    """A row that comes again: as it was, or with other content, or known at another time."""
    spec, row = source.__spec__, dict(before)
    change = pick(draw, ("nothing", "content", "known", "all"))
    if change == "nothing":
        return row
    row.pop("_position", None)
    if change in ("content", "all"):
        free = [column.name for column in spec.columns if column.name not in ("id", "happened_at", "learnt_at")]
        other = draw(fresh_rows(source.__spec__))
        row.update({name: other[name] for name in (pick(draw, free), pick(draw, free))})
    if change in ("known", "all"):
        known = spec.known_at or "_known_at_us"
        if row.get(known) is not None:
            row[known] += pick(draw, EDGES_US)
    return row


@cache
def fresh_rows(spec: SourceSpec) -> st.SearchStrategy[dict[str, Any]]:
    """A row that has nothing to do with any other, but that pools are small."""
    cells = st.fixed_dictionaries({column.name: _cell(spec, column) for column in spec.columns})
    return st.builds(_learnt, cells, _LATE) if spec.known_at else cells


def _learnt(row: dict[str, Any], late_us: int | None) -> dict[str, Any]:
    """Most rows are known soon after they happen: before, at or after an edge."""
    happened_us = row["happened_at"]
    near = late_us is not None and happened_us is not None and abs(happened_us) < 2**62
    return row | {"learnt_at": happened_us + late_us} if near and late_us is not None else row


def _cell(spec: SourceSpec, column: ColumnSpec) -> st.SearchStrategy[Any]:
    if column.name == spec.event_at:
        return event_instants()
    few = _FEW.get(column.name, {}).get(column.dtype)
    if few is not None:
        return st.sampled_from((*few, *few, None))
    if column.name == spec.order and column.dtype == INT64:
        return st.sampled_from((0, 1, 2, None))
    return nullable(values(column.dtype))
