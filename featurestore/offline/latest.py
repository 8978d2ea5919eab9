"""The latest row before an instant, where rows become visible in the order in which they happen: one row an instant,
and the last of them by an ASOF join."""

from __future__ import annotations

from collections.abc import Mapping

from featurestore.offline.choices import Known
from featurestore.offline.states import key_names, ordering
from featurestore.offline.windows import edges
from featurestore.plan.nodes import FoldUse, State
from featurestore.semantics.windows import Span

LATEST = "latest"


def latest_sql(state: State, folds: Mapping[int, FoldUse], known: Known, facts: str) -> str:
    """One row for each instant of a key: of those that pass the filter of the folds, the last by R5.

    Shape: the key, `event_at_us`, and the value as `f<place>_v`. DuckDB's ASOF join takes any of several
    rows of one instant, so there may be one only.
    """
    [chosen] = {use.filter for use in folds.values()}
    keys = ", ".join(key_names(state))
    passing = "" if chosen is None else f"\n    WHERE w{chosen}"
    columns = []
    for place, use in folds.items():
        value, kind = f"v{use.input}", "" if use.input is None else state.inputs[use.input].dtype.kind
        if known.alike and not state.scan.order and kind not in ("list", "vector"):
            columns.append(f"max({value}) AS f{place}_v")
        else:
            order = ", ".join(
                f"{each}, 'ASC NULLS FIRST'" for each in ("order_by", "known_at_us", ordering(state, use))
            )
            columns.append(f"arg_max({{'v': {value}}}, create_sort_key({order})).v AS f{place}_v")
    listed = ",\n      ".join(columns)
    return f"SELECT {keys}, event_at_us,\n      {listed}\n    FROM {facts}{passing}\n    GROUP BY {keys}, event_at_us"


def met_latest(known: Known, cte: str, same: str, instant: str) -> str:
    """The join of the questions with the row of the last instant that each sees."""
    seen = f"{instant} - {known.lag_us}" if known.lag_us else instant
    return f"ASOF LEFT JOIN {cte} ON {same} AND {seen} > {cte}.event_at_us"


def in_window(span: Span, cte: str, instant: str, value: str) -> str:
    """The value of the latest row, if it happened in the window."""
    return (
        value
        if span.length_us is None
        else f"CASE WHEN {cte}.event_at_us >= {edges(span, instant)[0]} THEN {value} END"
    )
