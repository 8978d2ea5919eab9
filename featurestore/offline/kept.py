"""The rows that an online state keeps (R12), as DuckDB text: what `online.trim` does to one key, for all at once."""

from __future__ import annotations

from featurestore.offline.states import key_names
from featurestore.plan.nodes import FoldUse, State
from featurestore.plan.retention import Retention, selected
from featurestore.semantics.folding.row import Selection

_NULL = "CAST(NULL AS BIGINT)"


def kept_sql(state: State, clock_us: int, retention: Retention | None) -> str:
    """A SELECT of the rows of the table `facts` that a state keeps, in the order of their keys; all of them without a
    `retention`.

    Shape: k0.., event_at_us, known_at_us, order_by, row_id, fingerprint, bits, v0.., seen_us, then horizon_us, since_us
           and after_us, which are null for a key that keeps all of its rows.
    """
    keys = ", ".join(key_names(state))
    bits = " + ".join(f"(CAST(w{place} AS BIGINT) << {place})" for place in range(len(state.filters))) or "0"
    values = "".join(f", v{place}" for place in range(len(state.inputs)))
    columns = f"{keys}, event_at_us, known_at_us, order_by, row_id, fingerprint, {bits} AS bits{values}, seen_us"
    if retention is None:
        steps = [f"kept AS (SELECT {keys}, min(visible_at_us) AS seen_us FROM facts GROUP BY {keys})"]
        dropped, test = f"{_NULL} AS horizon_us, {_NULL} AS since_us, {_NULL} AS after_us", ""
    else:
        steps = _gaps(state, clock_us, retention)
        dropped = "horizon_us, since_us, after_us"
        # the newest row stays whatever its age: the key has been seen, which its statuses must go on to say
        test = (
            "WHERE horizon_us IS NULL OR event_at_us >= horizon_us OR event_at_us <= after_us\n"
            "  OR event_at_us = newest_event_us\n"
        )
    with_steps = ",\n".join(steps)
    return (
        f"WITH {with_steps}\nSELECT {columns}, {dropped}\nFROM facts JOIN kept USING ({keys})\n"
        f"{test}ORDER BY {keys}, event_at_us"
    )


def _gaps(state: State, clock_us: int, retention: Retention) -> list[str]:
    """CTEs up to `kept`: for each key, after and before which instants its rows are dropped."""
    keys = ", ".join(key_names(state))
    horizon, since = f"newest_us - {retention.kept_us}", f"newest_us - {retention.asked_us}"
    uses = selected(state, retention)
    far = {f"far{index}": (selection.end, _farthest(use, selection)) for index, use, selection in uses}
    first, last = ([name for name, (end, _) in far.items() if end == each] for each in ("first", "last"))
    # a null says that rows farther away may count; `least` and `greatest` would pass it over
    full = " AND ".join(f"{name} IS NOT NULL" for name in far) or "TRUE"
    after, before = f"greatest({', '.join(first)})" if first else _NULL, f"least({', '.join([horizon, *last])})"
    steps = [
        f"progress AS (SELECT {keys}, min(visible_at_us) AS seen_us, min(event_at_us) AS oldest_us,\n"
        f"  max(event_at_us) AS newest_event_us, max(visible_at_us) FILTER (visible_at_us <= {clock_us}) AS newest_us\n"
        f"  FROM facts GROUP BY {keys})"
    ]
    if far:
        columns = ", ".join(f"{text} AS {name}" for name, (_, text) in far.items())
        steps.append(
            f"ends AS (SELECT {keys}, {columns}\n  FROM facts JOIN progress USING ({keys})\n"
            f"  WHERE oldest_us < {horizon} AND visible_at_us < {since} GROUP BY {keys})"
        )
    steps.append(
        f"gaps AS (SELECT *, {after} AS gap_after_us, CASE WHEN {full} THEN {before} END AS gap_before_us\n"
        f"  FROM progress{f' LEFT JOIN ends USING ({keys})' if far else ''})"
    )
    inside = "oldest_us < gap_before_us"
    if first:
        steps.append(
            f"inside AS (SELECT {keys}, TRUE AS is_inside FROM facts JOIN gaps USING ({keys})\n"
            f"  WHERE event_at_us > gap_after_us AND event_at_us < gap_before_us GROUP BY {keys})"
        )
        inside = "is_inside"
    found = {"horizon_us": "gap_before_us", "since_us": since if far else _NULL, "after_us": "gap_after_us"}
    dropped = ", ".join(f"CASE WHEN {inside} THEN {text} END AS {name}" for name, text in found.items())
    steps.append(
        f"kept AS (SELECT {keys}, seen_us, newest_event_us, {dropped}\n"
        f"  FROM gaps{f' LEFT JOIN inside USING ({keys})' if first else ''})"
    )
    return steps


def _farthest(use: FoldUse, selection: Selection) -> str:
    """`Selection.farthest` of a key's rows: null while rows farther from that end may count."""
    tests = [f"w{use.filter}"] if use.filter is not None else []
    tests += [f"v{use.input} IS NOT NULL"] if selection.present else []
    choose = "min" if selection.end == "first" else "max"
    chosen = f" FILTER ({' AND '.join(tests)})" if tests else ""
    if use.n > 1:
        return f"list_extract({choose}(event_at_us, {use.n}){chosen}, {use.n})"
    return f"{choose}(event_at_us){chosen}"
