"""How much memory a training set may take, and in how many buckets of its keys it is built to keep within that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import duckdb

from featurestore.define.data import Frame
from featurestore.errors import InputError, OutOfMemory
from featurestore.offline.accounts import columns_read
from featurestore.offline.connection import connect
from featurestore.offline.interrupts import interruptible
from featurestore.offline.scan import History, reading, scan_sql
from featurestore.offline.spine import Spine, SpineQuery
from featurestore.plan.nodes import Plan, Scan, State
from featurestore.semantics.dtypes import DType

UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
LEAST = 100 * 10**6
"""Bytes below which DuckDB cannot work with any table worth building in buckets."""
MOST_BUCKETS = 256
NO_ROOM = "No space left"
"""What DuckDB says of a full disk."""
ROW_BYTES, QUESTION_BYTES, WIDE_BYTES = 120, 200, 48
"""What a row and a question take while they are worked on beside their values, and a value that is no number."""


def limit_bytes(text: object) -> int:
    """A limit such as `4GB` or `500MB` in bytes. Raises: InputError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([KMGT]i?B)", text, re.IGNORECASE) if isinstance(text, str) else None
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if size < LEAST:
        raise InputError(
            f"{text!r:.60} is no limit of memory",
            where="`memory_limit`",
            has=["500MB", "4GB", "16GiB"],
            fix="write a number and its unit, 100MB or more",
        )
    return size


def buckets_for(plan: Plan, history: History, spine: Spine | SpineQuery, limit: int) -> int:
    """In how many buckets the work of a plan fits in half of the limit; 1 when all of it does at once.

    The other half is for what the estimate does not know: how many rows meet a question, and keys that have many.
    """
    questions, needed = spine.count(), 0
    told = QUESTION_BYTES + row_bytes(output.dtype for output in plan.outputs)
    for scan in plan.scans.values():
        states = [state for state in plan.states if state.scan.source == scan.source]
        widest = max(_bytes_of(state) for state in states)
        asked = max(sum(len(view.answers) for view in plan.views if view.state == state) for state in states)
        needed += _rows_of(scan, history) * widest + questions * (told + 16 * asked)
    return min(MOST_BUCKETS, max(1, -(-needed // (limit // 2))))


def row_bytes(dtypes: Iterable[DType]) -> int:
    """About how many bytes a row of such values takes."""
    return sum(8 if dtype.kind in ("bool", "int64", "float64", "timestamp", "date") else WIDE_BYTES for dtype in dtypes)


@contextmanager
def memory_told(limit: str | None) -> Iterator[None]:
    """Turn DuckDB's lack of memory into OutOfMemory, and that of a full disk into InputError."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise OutOfMemory(
            "the training set needs more memory than it may take",
            where=f"`memory_limit`, {limit}" if limit else "no `memory_limit`, so most of the machine's memory",
            has=str(error).splitlines()[0].removeprefix("Out of Memory Error: "),
            fix="raise `memory_limit`, or take fewer `threads`"
            if limit
            else 'give a `memory_limit`, such as "4GB": the work is then done in buckets',
        ) from None
    except duckdb.IOException as error:
        if NO_ROOM not in str(error):
            raise
        raise InputError(
            "the disk has no room for the work on the training set",
            where="`training` in the state folder",
            has=str(error).splitlines()[0].removeprefix("IO Error: "),
            fix="make room, or move the state folder to another disk with `home` in featurestore.toml",
        ) from None


def _bytes_of(state: State) -> int:
    """What a row of a state takes while its windows are answered: its columns, and what its folds derive from them."""
    columns = row_bytes(state.scan.dtype_of(name) for name in columns_read(state))
    return 2 * columns + ROW_BYTES + 32 * len(state.folds)


def _rows_of(scan: Scan, history: History) -> int:
    if scan.source in history.rows:
        return int(history.rows[scan.source].num_rows)
    logged = history.log.head(scan.source) if history.log is not None else 0
    if scan.data is None:
        return logged
    folders = history.folders(scan) if not isinstance(scan.data, Frame) else []
    connection = connect(folders or [history.root])
    try:
        text = scan_sql(connection, scan, replace(history, log=None))
        with reading(scan):
            found = interruptible(connection, connection.execute, f"SELECT count(*) FROM ({text})")
            [[count]] = found.fetchall()
    finally:
        connection.close()
    return int(count) + logged
