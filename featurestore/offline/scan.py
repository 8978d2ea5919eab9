"""A source's rows as DuckDB text: its history and its log, in canonical values, with the times of R2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from featurestore.define.data import Csv, Data, Frame, Parquet, Query
from featurestore.errors import InputError, MissingColumn, did_you_mean
from featurestore.log.event_log import EventLog
from featurestore.log.quarantine import Quarantine
from featurestore.offline.columns import canonical_column, check_zones, held, misdeclared, stood, stood_there
from featurestore.offline.connection import define_zone, literal, quoted, said_by
from featurestore.offline.expressions import sql_type
from featurestore.offline.files import check_names_once
from featurestore.offline.logged import logged_sql
from featurestore.offline.queries import where_of
from featurestore.offline.relations import Relation, files_of, relations_of
from featurestore.plan.nodes import Scan, ScanColumn
from featurestore.plan.outcomes import EVENT, KNOWN, OUT_OF_RANGE, ROW_ID
from featurestore.semantics.identity import sql_fingerprint
from featurestore.semantics.instants import EARLIEST_US, FIRST_US, LAST_US

FILE, RAW = "q.file", "q.row"
"""The columns of `reasoned_parts` that say where a row stands and what stands there."""
BAD_KEY = "q.bad_key"
"""The column of `reasoned_parts` that names a key column with a bad value."""
POSITION, STAMPED = "q.position", "q.stamped_us"
"""The columns that say at which position of the log a row stands and when it was committed; null for a row of data."""
TIMES = ("event_at_us", "known_at_us", "row_id")
LOG_SCHEMA: pa.Schema = pa.RecordBatch.from_pylist([{"position": 1, "known_at_us": 1, "body": ""}]).schema


@dataclass(frozen=True, slots=True)
class History:
    """Where rows come from: the project's folder for relative paths, the log, and the last position that counts for
    each source.

    `upto` leaves out later positions; a source that is not in it is read to its head. `rows` stands in for a source's
    data and log: rows that an earlier scan gave, so that `verify` can ask about those of its choice. `quarantine` has
    the rows that were set aside when they were pushed, which are nowhere else.
    """

    root: Path
    log: EventLog | None = None
    upto: dict[str, int] = field(default_factory=dict)
    rows: dict[str, pa.Table] = field(default_factory=dict)
    quarantine: Quarantine | None = None

    def folders(self, scan: Scan) -> list[Path]:
        """The folders that DuckDB must be able to read."""
        if scan.source in self.rows or scan.data is None or isinstance(scan.data, Frame):
            return []
        return [path.parent for path in files_of(scan.source, scan.data, self.root)]


def scan_sql(connection: duckdb.DuckDBPyConnection, scan: Scan, history: History) -> str:
    """A SELECT of the source's rows: its columns as `held` names them, `event_at_us`, `known_at_us`, `row_id`,
    `fingerprint`, `usable`.

    Raises: MissingColumn, NaiveTime, InputError  when the data does not fit the declaration.
    """
    return scanned(connection, scan, history, counted=False)[0]


def scanned(
    connection: duckdb.DuckDBPyConnection, scan: Scan, history: History, *, counted: bool = True, once: bool = False
) -> tuple[str, list[str]]:
    """The SELECT of `scan_sql` with `reason`, the code of why a row is not usable, and for some columns, which are
    given too, whether their null was a bad value, as `bad` names it. A SELECT that is run `once` holds no log in
    memory.

    Raises: as `scan_sql`.
    """
    if scan.source in history.rows:
        connection.register(f"rows_{scan.source}", history.rows[scan.source])
        extra = f", {_reason(scan, ())} AS reason" if counted else ""
        return f"SELECT *{extra} FROM {quoted(f'rows_{scan.source}')}", []
    if scan.zone:
        define_zone(connection, scan.zone)
    logged = history.log is not None and bool(history.log.head(scan.source))
    parts, told = [], [column.name for column in scan.columns] if logged else []
    if scan.data is not None:
        part, told = _data_sql(connection, scan, scan.data, history.root, told)
        parts.append(part)
    if logged:
        assert history.log is not None
        parts.append(_log_sql(connection, scan, history.log, history.upto.get(scan.source), once=once))
    if not parts:
        parts.append(_nothing_sql(scan))
    union = "\n      UNION ALL ".join(parts)
    columns = ", ".join(quoted(name) for name in (*(held(column.name) for column in scan.columns), *TIMES))
    marks = [f"{_usable(scan, logged)} AS usable", f"{_fingerprint(scan)} AS fingerprint"]
    bads = [name for name in told if counted and name not in (scan.event_at, scan.known_at, scan.row_id)]
    if counted:
        marks.append(f"{_reason(scan, told, logged)} AS reason")
        marks += [f"{quoted(held(name))} IS NULL AND {quoted(stood(name))} > 0 AS {quoted(bad(name))}" for name in bads]
    return f"SELECT {columns}, {', '.join(marks)}\n    FROM (\n      {union}\n    )", bads


def lag_of(scan: Scan, history: History) -> int | None:
    """How long after it happens every row of a source becomes visible, where its declaration says so; None where each
    row says for itself when it was known."""
    stamped = history.log is not None and bool(history.log.head(scan.source))
    if scan.known_at is not None or scan.source in history.rows or stamped:
        return None
    return scan.delay_us


@contextmanager
def reading(scan: Scan) -> Iterator[None]:
    """Turn what DuckDB says of a source's files into InputError."""
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, (duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.InterruptException)):
            raise
        if "No space left" in str(error):  # it is written elsewhere what is read here
            raise
        raise InputError(
            f"the data of `{scan.source}` cannot be read",
            where=where_of(scan.data),
            has=said_by(error),
            fix="fix the query" if isinstance(scan.data, Query) else "fix the file",
        ) from None


def reasoned_parts(
    connection: duckdb.DuckDBPyConnection, scan: Scan, history: History, keys: Sequence[str] = ()
) -> list[str]:
    """SELECTs of a source's data and of its log with `reason`, the first of the columns `keys` that has a bad value,
    the place of each row, and the row as it is stored."""
    if scan.zone:
        define_zone(connection, scan.zone)
    parts = []
    if scan.data is not None:
        part, told = _data_sql(connection, scan, scan.data, history.root, (), raw=True)
        parts.append(f"SELECT *, {_reason(scan, told)} AS reason, {_bad_key(keys, told)} FROM ({part})")
    if history.log is not None and history.log.head(scan.source):
        part = _log_sql(connection, scan, history.log, history.upto.get(scan.source), raw=True)
        told = [column.name for column in scan.columns]
        parts.append(f"SELECT *, {_reason(scan, told)} AS reason, {_bad_key(keys, told)} FROM ({part})")
    return parts


def _bad_key(keys: Sequence[str], told: Sequence[str]) -> str:
    cases = [
        f"WHEN {quoted(held(name))} IS NULL AND {quoted(stood(name))} > 0 THEN {literal(name)}"
        for name in keys
        if name in told
    ]
    found = f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"
    return f"{found} AS {quoted(BAD_KEY)}"


def placed_sql(connection: duckdb.DuckDBPyConnection, scan: Scan, history: History) -> str:
    """The SELECT of `scan_sql` with the place of each row: its FILE, or its POSITION in the log and when it was
    STAMPED.

    Raises: as `scan_sql`.
    """
    nowhere = f"CAST(NULL AS VARCHAR) AS {quoted(FILE)}" + "".join(
        f", CAST(NULL AS BIGINT) AS {quoted(name)}" for name in (POSITION, STAMPED)
    )
    if scan.source in history.rows:
        return f"SELECT *, {nowhere} FROM ({scan_sql(connection, scan, history)})"
    if scan.zone:
        define_zone(connection, scan.zone)
    parts = []
    if scan.data is not None:
        parts.append(_data_sql(connection, scan, scan.data, history.root, (), raw=True)[0])
    if history.log is not None and history.log.head(scan.source):
        parts.append(_log_sql(connection, scan, history.log, history.upto.get(scan.source), raw=True))
    if not parts:
        parts.append(f"SELECT *, {nowhere} FROM ({_nothing_sql(scan)})")
    places = [quoted(name) for name in (FILE, POSITION, STAMPED)]
    columns = ", ".join([*(quoted(held(column.name)) for column in scan.columns), *TIMES, *places])
    union = "\n      UNION ALL ".join(f"SELECT {columns} FROM ({part})" for part in parts)
    return (
        f"SELECT {columns}, {_usable(scan)} AS usable, {_fingerprint(scan)} AS fingerprint\n"
        f"    FROM (\n      {union}\n    )"
    )


def bad(name: str) -> str:
    """The name of the column that says whether a null of a column was a bad value (R8)."""
    return f"b.{name}"


def _judged(scan: Scan, logged: bool) -> list[tuple[str, int, str | None]]:
    """The times that say whether a row is usable, whose fault it is if not, and their columns; where no row is `logged`
    and all are known when they happen, that is one time."""
    judged = [("event_at_us", EVENT, scan.event_at)]
    if logged or scan.known_at or scan.delay_us:
        judged.append(("known_at_us", KNOWN, scan.known_at))
    return judged


def _usable(scan: Scan, logged: bool = True) -> str:
    """R16: a row counts when it has an instant, and a RowId where one is declared."""
    tests = [_in_range(place, scan) for place, *_ in _judged(scan, logged)]
    return " AND ".join([*tests, *(["row_id IS NOT NULL"] if scan.row_id else [])])


def _in_range(name: str, scan: Scan) -> str:
    first_us = EARLIEST_US if scan.event_at is None else FIRST_US
    return f"coalesce({name} BETWEEN {first_us} AND {LAST_US}, FALSE)"


def _reason(scan: Scan, told: Sequence[str], logged: bool = True) -> str:
    """The code of why a row is not usable, null where it is; `told` are the columns that say what stood in them."""

    def null(whose: int, name: str | None) -> str:
        return f"{whose} + {quoted(stood(name))}" if name in told and name else f"{whose}"

    cases = [
        f"WHEN {place} IS NULL THEN {null(whose, name)} WHEN NOT {_in_range(place, scan)} THEN {whose + OUT_OF_RANGE}"
        for place, whose, name in _judged(scan, logged)
    ]
    if scan.row_id:
        cases.append(f"WHEN row_id IS NULL THEN {null(ROW_ID, scan.row_id)}")
    # most rows are usable, and need not be asked why they are not
    return f"CASE WHEN NOT ({_usable(scan, logged)}) THEN CAST(CASE {' '.join(cases)} END AS TINYINT) END"


def _fingerprint(scan: Scan) -> str:
    if scan.row_id is None:
        return "CAST(NULL AS VARCHAR)"
    return sql_fingerprint(
        (quoted(held(column.name)), column.dtype) for column in sorted(scan.columns, key=lambda each: each.name)
    )


def _times(scan: Scan, known_at: str) -> str:
    event_at = quoted(held(scan.event_at)) if scan.event_at else f"CAST({EARLIEST_US} AS BIGINT)"
    return f"{event_at} AS event_at_us, {quoted(held(scan.known_at)) if scan.known_at else known_at} AS known_at_us"


def _row_id(scan: Scan, position: str) -> str:
    return f"{quoted(held(scan.row_id)) if scan.row_id else position} AS row_id"


def _data_sql(
    connection: duckdb.DuckDBPyConnection, scan: Scan, data: Data, root: Path, told: Sequence[str], raw: bool = False
) -> tuple[str, list[str]]:
    """The rows of a source's data, and which columns say what stood in them: those in `told`, and those that must."""
    with reading(scan):
        relations = relations_of(connection, scan, data, root, FILE if raw else None)
        typed = [_types(connection, relation) for relation in relations]
    every = list(dict.fromkeys(name for types in typed for name in types))
    columns = [
        {column.name: _column(connection, scan, column, relation, types, every) for column in scan.columns}
        for relation, types in zip(relations, typed, strict=True)
    ]
    said = [
        column.name for column in scan.columns if column.name in told or any(each[column.name][1] for each in columns)
    ]
    event_at = f"CAST({EARLIEST_US} AS BIGINT)" if scan.event_at is None else quoted(held(scan.event_at))
    later = f"TRY_CAST(CAST({event_at} AS HUGEINT) + {scan.delay_us} AS BIGINT)" if scan.delay_us else event_at
    parts = []
    for relation, found in zip(relations, columns, strict=True):
        listed = [f"{text} AS {quoted(held(name))}" for name, (text, _) in found.items()]
        text = relation.sql
        if raw:
            file = quoted(FILE) if isinstance(data, (Parquet, Csv)) else literal(where_of(data))
            listed += [f"to_json({quoted(RAW)}) AS {quoted(RAW)}", f"{file} AS {quoted(FILE)}"]
            listed += [f"CAST(NULL AS BIGINT) AS {quoted(name)}" for name in (POSITION, STAMPED)]
            text = f"{text} AS {quoted(RAW)}"
        listed += [f"{found[name][1] or 'CAST(0 AS TINYINT)'} AS {quoted(stood(name))}" for name in said]
        parts.append(f"SELECT {', '.join(listed)} FROM {text}")
    rows = "\n      UNION ALL ".join(parts)
    return f"SELECT *, {_times(scan, later)}, {_row_id(scan, 'CAST(NULL AS BIGINT)')} FROM ({rows})", said


def _types(connection: duckdb.DuckDBPyConnection, relation: Relation) -> dict[str, str]:
    """The columns of a relation with their types in DuckDB."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation.sql}").fetchall()
    return {str(name): str(kind) for name, kind, *_ in described}


def _column(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    column: ScanColumn,
    relation: Relation,
    types: dict[str, str],
    every: Sequence[str],
) -> tuple[str, str | None]:
    """A column of a relation as canonical values, and what stood where they are null. A column that only other
    relations have is null. Raises: MissingColumn, NaiveTime, InputError."""
    where, name = where_of(scan.data), column.stored
    check_names_once(relation.names, [name], f"the data of `{scan.source}`", where)
    if name not in types:
        if name not in every or name.lower() in map(str.lower, types):
            raise MissingColumn(
                f"the data of `{scan.source}` has no column `{name}`",
                where=where,
                has=list(types),
                fix=did_you_mean(name, list(types), "declare only columns that the data has"),
            )
        return f"CAST(NULL AS {sql_type(column.dtype)})", None
    text = canonical_column(quoted(name), types[name], column.dtype, scan.zone, column.unit)
    if text is None:
        error = misdeclared(scan.source, column, types[name], where)
        if isinstance(scan.data, Query) and column.dtype.kind in ("string", "decimal") and "read_csv" in scan.data.sql:
            error.fix = f"read the column as text: `read_csv(..., types = {{'{name}': 'VARCHAR'}})`"
        raise error
    if (column.dtype.item or column.dtype).kind == "timestamp" and not scan.zone and not column.unit:
        with reading(scan):
            what = f"`{scan.source}.{column.name}`"
            check_zones(connection, relation.sql, name, types[name], what, where)
    return text, stood_there(quoted(name), types[name], column.dtype, scan.zone, column.unit)


def _log_sql(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    log: EventLog,
    upto: int | None,
    raw: bool = False,
    once: bool = False,
) -> str:
    name, batches = f"log_{scan.source}", log.batches(scan.source, 0, upto)
    rows = pa.RecordBatchReader.from_batches(LOG_SCHEMA, batches) if once else None
    connection.register(name, rows or pa.Table.from_batches(batches, schema=LOG_SCHEMA))
    extra = (
        f", text::JSON AS {quoted(RAW)}, 'position ' || position || ' of the log' AS {quoted(FILE)}, "
        f"position AS {quoted(POSITION)}, stamped_us AS {quoted(STAMPED)}"
        if raw
        else ""
    )
    return (
        f"SELECT * EXCLUDE (position, stamped_us, text){extra}, {_times(scan, 'stamped_us')}, "
        f"{_row_id(scan, 'position')} FROM ({logged_sql(scan, quoted(name))})"
    )


def _nothing_sql(scan: Scan) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {sql_type(column.dtype)}) AS {quoted(held(column.name))}" for column in scan.columns
    )
    times = _times(scan, "CAST(NULL AS BIGINT)")
    return f"SELECT *, {times}, {_row_id(scan, 'CAST(NULL AS BIGINT)')} FROM (SELECT {columns}) WHERE FALSE"
