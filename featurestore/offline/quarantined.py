"""The rows of a source's history that cannot be used (R16): where each stands, why, and what stands there."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from featurestore.define.places import short_path
from featurestore.log.quarantine import Kept
from featurestore.offline.connection import connect, quoted
from featurestore.offline.scan import BAD_KEY, FILE, RAW, History, reading, reasoned_parts
from featurestore.plan.log_rows import TYPES
from featurestore.plan.nodes import Scan, State
from featurestore.plan.outcomes import bad_key_text, reason_text


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row of a source's data or log: `place` is its file or table, or its position in the log; `row` its columns as
    stored."""

    place: str
    reason: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The rows of a source that were set aside (R16): how many when they were pushed and the newest of them; how many
    of its data and log and the first of them."""

    source: str
    pushed_rows: int
    pushed: tuple[Kept, ...]
    unusable_rows: int
    unusable: tuple[Unusable, ...]


def quarantined_rows(scan: Scan, history: History, limit: int, states: Sequence[State]) -> Quarantined:
    """The rows of a source that were set aside when they were pushed, the newest `limit`, and those of its data and log
    that cannot be used, the first `limit`: by the source, or by one of the `states` that read it.

    Raises: as `unusable_rows`.
    """
    keys = dict.fromkeys(name for state in states if state.scan.source == scan.source for name in state.key)
    count, found = unusable_rows(scan, history, limit, list(keys))
    kept = history.quarantine
    pushed = tuple(deque(kept.rows(scan.source), maxlen=limit)) if kept else ()
    return Quarantined(scan.source, kept.count(scan.source) if kept else 0, pushed, count, tuple(found))


def unusable_rows(scan: Scan, history: History, limit: int, keys: Sequence[str] = ()) -> tuple[int, list[Unusable]]:
    """How many rows of a source's data and log cannot be used, and the first of them; those with a bad value in one of
    the key columns `keys` cannot be by the states that have it.

    Raises: MissingColumn, NaiveTime, InputError  as a scan does.
    """
    connection = connect(history.folders(scan) or [history.root])
    try:
        count, found = 0, list[Unusable]()
        for part in reasoned_parts(connection, scan, history, keys):
            unusable = f"FROM ({part}) WHERE reason IS NOT NULL OR {quoted(BAD_KEY)} IS NOT NULL"
            with reading(scan):
                count += connection.execute(f"SELECT count(*) {unusable}").fetchall()[0][0]
                if count and len(found) < limit:
                    found += _read(connection, scan, f"{unusable} LIMIT {limit - len(found)}")
        return count, found
    finally:
        connection.close()


def _read(connection: duckdb.DuckDBPyConnection, scan: Scan, unusable: str) -> list[Unusable]:
    columns = f"CAST({quoted(FILE)} AS VARCHAR), CAST(to_json({quoted(RAW)}) AS VARCHAR), reason, {quoted(BAD_KEY)}"
    text = f"SELECT {columns} {unusable}"
    rows = []
    for place, raw, code, key in connection.execute(text).fetchall():
        row = json.loads(raw)
        for ours in (FILE, TYPES):
            row.pop(ours, None)
        file = short_path(place) if Path(place).is_absolute() else place
        rows.append(Unusable(file, bad_key_text(scan, key) if code is None else reason_text(scan, code), row))
    return rows
