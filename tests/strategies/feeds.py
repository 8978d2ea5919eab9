"""Feeds: rows that come in over months, for views that mix windows with selections over all history (R12)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from featurestore import Source
from featurestore.define.source import SourceSpec
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import ColumnRef
from featurestore.semantics.dtypes import BOOL
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.instants import duration_us
from featurestore.semantics.windows import Span
from tests.strategies.definitions import View, make_view
from tests.strategies.expressions import aggregates, uses_of
from tests.strategies.histories import Rows, fresh_rows
from tests.strategies.sources import User, make_source
from tests.strategies.values import NOW_US, pick

_HOUR, _DAY = duration_us("1h"), duration_us("1d")
_PASSED_US = (1, _HOUR, _DAY, 5 * _DAY, 12 * _DAY, 40 * _DAY, 40 * _DAY)
_AGO_US = (*(0, 0, 1, 1, 2, _HOUR, _HOUR, _DAY, _DAY, 3 * _DAY, 12 * _DAY, 60 * _DAY), -1, -5 * _DAY, -27_393 * _DAY)
_MOVED_US = (0, 0, 0, -1, 1, -_DAY, _DAY, -20 * _DAY, 20 * _DAY)
_SHORT = ("1us", "1h", "1d", "7d")


@dataclass(frozen=True, slots=True)
class Feed:
    """A view, and what comes in: the rows up to each of several instants of the store's clock."""

    view: View
    source: type[Source]
    steps: tuple[tuple[int, Rows], ...]


@st.composite
def feeds(draw: st.DrawFn, most_steps: int = 6, most_rows: int = 6) -> Feed:
    """Rows of few keys, late ones and such of the far future among them, and facts that come again with other content.

    As in a project, pushed rows are stamped by the clock where the source has no `KnownTime`, and rows without a
    `RowId` are all pushed.
    """
    known = pick(draw, ("column", "delay", "event"))
    source = make_source(row_id=pick(draw, (int, None)), order=pick(draw, (int, None)), known=known)
    spec = source.__spec__
    clock_us = NOW_US - 200 * _DAY
    steps: list[tuple[int, Rows]] = []
    came: Rows = []
    for step in range(draw(st.integers(3, most_steps))):
        clock_us += pick(draw, _PASSED_US)
        rows: Rows = []
        for _ in range(draw(st.integers(1, most_rows))):
            row = _again(draw, spec, pick(draw, came), clock_us) if came and pick(draw, (False, True)) else None
            row = row or _row(draw, spec, clock_us)
            if not spec.known_at and (step or not spec.row_id or pick(draw, (False, True))):
                clock_us += 1
                row["_known_at_us"] = clock_us
            if not spec.row_id:
                row["_position"] = len(came)
            rows.append(row)
            came.append(row)
        steps.append((clock_us, rows))
    return Feed(draw(_views(source)), source, tuple(steps))


@st.composite
def _views(draw: st.DrawFn, source: type[Source]) -> View:
    """One view: selections over all history, and any aggregates over windows."""
    chosen = [use for use in uses_of(source) if FOLDS[use[0].fold].selection]
    nodes = [draw(aggregates(source, pick(draw, chosen), Span())) for _ in range(pick(draw, (1, 1, 2, 3)))]
    # a condition that rows pass as often as not
    flagged = ColumnRef(source.__name__, "flag", BOOL)
    nodes = [replace(node, where=flagged) if pick(draw, (False, True)) else node for node in nodes]
    for _ in range(draw(st.integers(0, 2))):
        nodes.append(draw(aggregates(source, span=Span(duration_us(pick(draw, _SHORT))))))
    attributes = {f"f{place}": Expr(node) for place, node in enumerate(nodes)}
    refresh = pick(draw, (None, None, "1h", "7d"))
    return make_view("Kept", attributes, source=source, entity=User, refresh=refresh)


def _row(draw: st.DrawFn, spec: SourceSpec, clock_us: int) -> dict[str, Any]:
    row = dict(draw(fresh_rows(spec)))
    row["user"] = pick(draw, (1,) * 7 + (2,))
    row["happened_at"] = clock_us - pick(draw, _AGO_US)
    if spec.known_at:
        row[spec.known_at] = pick(draw, (row["happened_at"], clock_us)) + pick(draw, _MOVED_US)
    return row


def _again(draw: st.DrawFn, spec: SourceSpec, before: dict[str, Any], clock_us: int) -> dict[str, Any]:
    """A fact that came before, or one like it: with other content, known at another time."""
    row = {name: value for name, value in before.items() if not name.startswith("_")}
    other = _row(draw, spec, clock_us)
    for name in draw(st.sets(st.sampled_from(sorted(row.keys() - {"id", "user", "happened_at"})))):
        row[name] = other[name]
    if spec.known_at and row[spec.known_at] is not None:
        row[spec.known_at] += pick(draw, _MOVED_US)
    return row
