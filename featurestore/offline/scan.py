"""A source's rows as DuckDB text: its history and its log, in canonical values, with the times of R2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import glob
from hashlib import md5
from pathlib import Path

import duckdb
import pyarrow as pa

from featurestore.define.data import Csv, Data, DuckDBTable, Frame, Parquet, Query
from featurestore.define.places import short_path
from featurestore.errors import InputError, MissingColumn, did_you_mean
from featurestore.log.event_log import EventLog
from featurestore.log.quarantine import Quarantine
from featurestore.offline.columns import (
    canonical_column,
    check_zones,
    held,
    item_of,
    misdeclared,
    stood,
    stood_there,
)
from featurestore.offline.connection import CSV_OPTIONS, define_zone, literal, quoted
from featurestore.offline.expressions import sql_type
from featurestore.offline.logged import logged_sql
from featurestore.offline.queries import query_files, query_sql, where_of
from featurestore.plan.nodes import Scan
from featurestore.plan.outcomes import EVENT, KNOWN, OUT_OF_RANGE, ROW_ID
from featurestore.semantics.identity import sql_fingerprint
from featurestore.semantics.instants import EARLIEST_US, FIRST_US, LAST_US
from featurestore.tables import arrow_table

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


def files_of(source: str, data: Parquet | Csv | DuckDBTable | Query, root: Path) -> list[Path]:
    """The files of a source, sorted. Raises: InputError  when there are none."""
    if isinstance(data, Query):
        return query_files(source, data, root)
    files = [Path(path).resolve() for path in sorted(glob(str(root / data.path), recursive=True))]
    if not files:
        raise InputError(
            f"the source `{source}` has no files",
            where=where_of(data),
            has=f"nothing below {short_path(str(root.resolve()))} fits",
            fix="write the files, or mend the path",
        )
    return files


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
        said = "; ".join(line for line in str(error).splitlines()[:4] if line.strip())
        if "sniffing" in said:
            said = 'lines that do not have the columns of the header, or that are not written as `a,"b",c`'
        raise InputError(
            f"the data of `{scan.source}` cannot be read", where=where_of(scan.data), has=said, fix="mend the file"
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
    where, relation = (
        where_of(data),
        _relation(connection, scan, data, root, f", filename = {literal(FILE)}" if raw else ""),
    )
    with reading(scan):
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    types = {str(name): str(kind) for name, kind, *_ in described}
    columns, said = [], {}
    for column in scan.columns:
        if column.stored not in types:
            raise MissingColumn(
                f"the data of `{scan.source}` has no column `{column.stored}`",
                where=where,
                has=list(types),
                fix=did_you_mean(column.stored, list(types), "declare only columns that the data has"),
            )
        text = canonical_column(quoted(column.stored), types[column.stored], column.dtype, scan.zone, column.unit)
        if text is None:
            raise misdeclared(scan.source, column, types[column.stored], where)
        if (column.dtype.item or column.dtype).kind == "timestamp" and not scan.zone and not column.unit:
            held_type = item_of(types[column.stored])
            with reading(scan):
                check_zones(connection, relation, column.stored, held_type, f"`{scan.source}.{column.name}`", where)
        columns.append(f"{text} AS {quoted(held(column.name))}")
        found = stood_there(quoted(column.stored), types[column.stored], column.dtype, scan.zone, column.unit)
        if found or column.name in told:
            said[column.name] = f"{found or 'CAST(0 AS TINYINT)'} AS {quoted(stood(column.name))}"
    event_at = f"CAST({EARLIEST_US} AS BIGINT)" if scan.event_at is None else quoted(held(scan.event_at))
    later = f"TRY_CAST(CAST({event_at} AS HUGEINT) + {scan.delay_us} AS BIGINT)" if scan.delay_us else event_at
    times = _times(scan, later)
    if raw:
        file = quoted(FILE) if isinstance(data, (Parquet, Csv)) else literal(where)
        columns += [f"{quoted(RAW)}", f"{file} AS {quoted(FILE)}"]
        columns += [f"CAST(NULL AS BIGINT) AS {quoted(name)}" for name in (POSITION, STAMPED)]
        relation = f"{relation} AS {quoted(RAW)}"
    listed = ", ".join([*columns, *said.values()])
    return (
        f"SELECT *, {times}, {_row_id(scan, 'CAST(NULL AS BIGINT)')} FROM (SELECT {listed} FROM {relation})",
        list(said),
    )


def _relation(connection: duckdb.DuckDBPyConnection, scan: Scan, data: Data, root: Path, options: str) -> str:
    match data:
        case Parquet() | Csv():
            files = files_of(scan.source, data, root)
            listed = f"[{', '.join(literal(str(path)) for path in files)}]"
            function = (
                "read_parquet({}, union_by_name = true{})"
                if isinstance(data, Parquet)
                else f"read_csv({{}}, all_varchar = true, {CSV_OPTIONS}{{}})"
            )
            return function.format(listed, options)
        case Query():
            return f"(\n{query_sql(scan.source, data, root)}\n)"
        case DuckDBTable():
            return _attached(connection, scan, data, root)
        case Frame():
            name = f"frame_{scan.source}"
            connection.register(name, arrow_table(data.table, f"the data of `{scan.source}`"))
            return quoted(name)


def _attached(connection: duckdb.DuckDBPyConnection, scan: Scan, data: DuckDBTable, root: Path) -> str:
    """The table's name, once its file is attached to read; two sources may share a file."""
    files = files_of(scan.source, data, root)
    where = where_of(data)
    if len(files) > 1:
        raise InputError(
            f"`{data.path}` names {len(files)} files", where=where, has=[str(file) for file in files], fix="name one"
        )
    name = quoted(f"file_{md5(str(files[0]).encode(), usedforsecurity=False).hexdigest()}")
    try:
        connection.execute(f"ATTACH IF NOT EXISTS {literal(str(files[0]))} AS {name} (READ_ONLY)")
    except duckdb.Error as error:
        raise InputError(
            f"the DuckDB file of `{scan.source}` cannot be opened",
            where=where,
            has=str(error).splitlines()[0],
            fix="name a DuckDB file that nobody is writing to",
        ) from None
    return ".".join([name, *(quoted(part) for part in data.table.split("."))])


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
