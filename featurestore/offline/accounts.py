"""A source read once, into a table of the connection, and the account of its rows (R16): what does not count, and why.

Both the features and the account are computed from that table, so a file is read once however many states need it.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from featurestore.expr.nodes import ColumnRef, walk
from featurestore.offline.columns import held
from featurestore.offline.connection import quoted
from featurestore.offline.interrupts import interruptible
from featurestore.offline.scan import History, bad, reading, scan_sql
from featurestore.plan.nodes import Scan, State
from featurestore.plan.outcomes import Counts, SetAside, reason_text


def read_source(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    history: History,
    states: Sequence[State],
    table: str,
    *,
    identity: bool = True,
) -> str:
    """Read a source into `table`, with the `identity` of rows or without. Gives the statement that did it."""
    text = counted_sql(connection, scan, history, states, identity=identity)
    statement = f"CREATE TEMP TABLE {quoted(table)} AS\n{text}"
    with reading(scan):
        interruptible(connection, connection.execute, statement)
    return statement


def counted_sql(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    history: History,
    states: Sequence[State],
    *,
    once: bool = False,
    identity: bool = True,
) -> str:
    """A SELECT of a source's rows: the columns that its states need, and what the account needs; all columns of a
    static source, whose content is part of a version. `once` as `scan_sql` has it;
    `identity` may be left out where rows have no RowId."""
    text = scan_sql(connection, scan, history, counted=True, once=once)
    needed = {name for state in states for name in columns_read(state)}
    unused = [quoted(held(each.name)) for each in scan.columns if each.name not in needed and scan.event_at is not None]
    unused += [] if identity else ["row_id", "fingerprint"]
    rest = f" EXCLUDE ({', '.join(unused)})" if unused else ""
    return f"SELECT *{rest} FROM (\n    {text}\n)"


def keyed(state: State) -> str:
    """Whether a row has a key."""
    return " AND ".join(f"{quoted(held(name))} IS NOT NULL" for name in state.key)


def account_of(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    history: History,
    states: Sequence[State],
    table: str,
    facts: int | None = None,
) -> SetAside:
    """The account of a source that was read into `table`; `facts` of a single state, if they were counted already."""
    described = connection.execute(f"DESCRIBE {quoted(table)}").fetchall()
    columns = {str(name) for name, *_ in described}
    told = [column.name for column in scan.columns if bad(column.name) in columns]
    counts = [
        "count(*)",
        "count(*) FILTER (WHERE usable)",
        *(f"count(*) FILTER (WHERE usable AND NOT ({keyed(state)}))" for state in states),
        *(f"count(*) FILTER (WHERE {quoted(bad(name))})" for name in told),
    ]
    rows, usable, *rest = connection.execute(f"SELECT {', '.join(counts)} FROM {quoted(table)}").fetchall()[0]
    unkeyed, misfits = rest[: len(states)], rest[len(states) :]
    repeated = _repeated(connection, scan, table, usable) if facts is None else True
    by_state = {}
    for state, without in zip(states, unkeyed, strict=True):
        distinct = usable - without
        if facts is not None:
            distinct = facts
        elif repeated:
            distinct = _facts(connection, state, table)
        by_state[state.id] = Counts(distinct, usable - without - distinct, without, rows - usable)
    return SetAside(
        scan.source,
        rows,
        _reasons(connection, scan, table) if rows > usable else {},
        {name: count for name, count in zip(told, misfits, strict=True) if count},
        history.quarantine.count(scan.source) if history.quarantine else 0,
        by_state,
    )


def columns_read(state: State) -> set[str]:
    """The columns of its source that a state is made of."""
    nodes = (node for top in (*state.inputs, *state.filters) for node in walk(top))
    read = {node.name for node in nodes if isinstance(node, ColumnRef)}
    return read | set(state.key) | ({state.scan.order} if state.scan.order else set())


def _repeated(connection: duckdb.DuckDBPyConnection, scan: Scan, table: str, usable: int) -> bool:
    """Whether any RowId is there twice: most histories have none, and need not be looked at state by state."""
    if scan.row_id is None:
        return False
    found = connection.execute(f"SELECT count(DISTINCT row_id) FROM {quoted(table)} WHERE usable").fetchall()
    return bool(found[0][0] < usable)


def _facts(connection: duckdb.DuckDBPyConnection, state: State, table: str) -> int:
    names = ", ".join(quoted(held(name)) for name in state.key)
    distinct = f"SELECT DISTINCT {names}, event_at_us, row_id FROM {quoted(table)} WHERE usable AND {keyed(state)}"
    return int(connection.execute(f"SELECT count(*) FROM ({distinct})").fetchall()[0][0])


def _reasons(connection: duckdb.DuckDBPyConnection, scan: Scan, table: str) -> dict[str, int]:
    found = connection.execute(
        f"SELECT reason, count(*) FROM {quoted(table)} WHERE NOT usable GROUP BY reason ORDER BY reason"
    ).fetchall()
    reasons: dict[str, int] = {}
    for code, count in found:
        text = reason_text(scan, code)
        reasons[text] = reasons.get(text, 0) + count
    return reasons
