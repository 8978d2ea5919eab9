"""The left half of a plan over all history: rows in the order of their keys, for the online store to build its trees
from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from featurestore.offline.accounts import account_of, read_source
from featurestore.offline.connection import connect, define_macros, define_zone
from featurestore.offline.content import content_of
from featurestore.offline.kept import kept_sql
from featurestore.offline.scan import History, reading, scan_sql
from featurestore.offline.states import state_sql, zones_of
from featurestore.plan.nodes import State
from featurestore.plan.outcomes import SetAside
from featurestore.plan.retention import Retention


@dataclass(frozen=True, slots=True)
class StateRows:
    """A state's rows in the order of their keys, with what was set aside on the way (R16), and the content of a static
    source (R20)."""

    batches: pa.RecordBatchReader
    account: SetAside
    content: str


@contextmanager
def state_rows(state: State, history: History, clock_us: int, retention: Retention | None) -> Iterator[StateRows]:
    """The rows of a state, without those that its views do not need any more (R12); None keeps all.

    What they need is judged by the key's own progress: its greatest `visible_at` that the store's clock has reached.
    """
    connection = connect(history.folders(state.scan) or [history.root])
    try:
        for zone in sorted(zones_of((*state.inputs, *state.filters))):
            define_zone(connection, zone)
        read_source(connection, state.scan, history, [state], "source_rows")
        sql = state_sql(state, "source_rows")
        define_macros(connection, sql)
        connection.execute(f"CREATE TEMP TABLE facts AS {sql}")
        facts = connection.execute("SELECT count(*) FROM facts").fetchall()[0][0]
        account = account_of(connection, state.scan, history, [state], "source_rows", facts)
        content = content_of(connection, state.scan, "source_rows")
        reader = connection.sql(kept_sql(state, clock_us, retention)).to_arrow_reader(50_000)
        yield StateRows(reader, account, content)
    finally:
        connection.close()


def canonical_rows(source_state: State, history: History) -> tuple[pa.Table, str]:
    """All rows of a state's source as a scan gives them, for `verify` to replay, and the content of a static one."""
    connection = connect(history.folders(source_state.scan) or [history.root])
    try:
        with reading(source_state.scan):
            rows: pa.Table = connection.sql(scan_sql(connection, source_state.scan, history)).to_arrow_table()
        connection.register("source_rows", rows)
        return rows, content_of(connection, source_state.scan, "source_rows")
    finally:
        connection.close()
