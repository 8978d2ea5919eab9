"""Windows as DuckDB text (R4): which rows meet which questions."""

from __future__ import annotations

from collections.abc import Sequence

from featurestore.plan.nodes import View
from featurestore.semantics.instants import FIRST_US
from featurestore.semantics.windows import Span

BUCKETS_PER_WINDOW = 4
"""A window is joined through this many buckets of time, plus one: fewer make rows meet questions in vain, more copy
the questions."""


def met_rows(span: Span, keys: Sequence[str], rows: str, questions: str) -> str:
    """The FROM and WHERE that join questions `q` with the rows `r` of their keys which they see in a window."""
    same = " AND ".join(f"r.{key} = q.{key}" for key in keys)
    if span.length_us is None:
        return f"    FROM {questions} q\n    JOIN {rows} r\n      ON {same}\n    WHERE r.visible_at_us < q.as_of_us"
    start, end = edges(span, "q.as_of_us")
    width = max(1, span.length_us // BUCKETS_PER_WINDOW)
    low, high = (f"fs_floor_div({edge}, {width})" for edge in edges(span, "as_of_us", last=True))
    ended = f" AND r.event_at_us < {end}" if span.offset_us else ""
    return (
        f"    FROM (SELECT *, unnest(range({low}, {high} + 1)) AS bucket FROM {questions}) q\n"
        f"    JOIN (SELECT *, fs_floor_div(event_at_us, {width}) AS bucket FROM {rows}) r\n"
        f"      ON {same} AND r.bucket = q.bucket\n"
        f"    WHERE r.event_at_us >= {start}{ended} AND r.visible_at_us < q.as_of_us"
    )


def edges(span: Span, as_of: str, *, last: bool = False) -> tuple[str, str]:
    """R4: a window's first instant and the first after it, or the `last` in it."""
    assert span.length_us is not None, "all history has no edges"
    back = 1 if last else 0
    if not span.offset_us:
        return floored(f"{as_of} - {span.length_us}", span.step_us), f"{as_of} - {back}"
    end = floored(f"{as_of} - {span.offset_us}", span.step_us)
    return floored(f"{as_of} - {span.offset_us + span.length_us}", span.step_us), f"{end} - {back}" if back else end


def floored(instant: str, step_us: int) -> str:
    """An instant floored to a multiple of a step."""
    return instant if step_us == 1 else f"(fs_floor_div({instant}, {step_us}) * {step_us})"


def instant_of(view: View, as_of: str) -> str:
    """R3: the instant that a view's rules read for `as_of`."""
    return as_of if view.refresh_us == 1 else f"greatest({floored(as_of, view.refresh_us)}, {FIRST_US})"
