"""A source's rows as DuckDB text: its history and its log, in canonical values, with the times of R2."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import duckdb
import pyarrow as pa

from featurestore.define.data import Csv, Data, Frame, Parquet
from featurestore.define.places import short_path
from featurestore.errors import InputError, MissingColumn, did_you_mean
from featurestore.log.event_log import EventLog
from featurestore.offline.columns import canonical_column, check_zones, held
from featurestore.offline.connection import define_zone, literal, quoted
from featurestore.offline.expressions import sql_type
from featurestore.plan.nodes import Scan
from featurestore.semantics.identity import sql_fingerprint
from featurestore.semantics.instants import EARLIEST_US, LATEST_US
from featurestore.tables import arrow_table

LOG_SCHEMA: pa.Schema = pa.RecordBatch.from_pylist([{"position": 1, "known_at_us": 1, "body": ""}]).schema


@dataclass(frozen=True, slots=True)
class History:
    """Where rows come from: the project's folder for relative paths, the log, and the last position that counts for
    each source.

    `upto` leaves out later positions; a source that is not in it is read to its head. `rows` stands in for a source's
    data and log: rows that an earlier scan gave, so that `verify` can ask about those of its choice.
    """

    root: Path
    log: EventLog | None = None
    upto: dict[str, int] = field(default_factory=dict)
    rows: dict[str, pa.Table] = field(default_factory=dict)

    def folders(self, scan: Scan) -> list[Path]:
        """The folders that DuckDB must be able to read."""
        if scan.source in self.rows or not isinstance(scan.data, (Parquet, Csv)):
            return []
        return [path.parent for path in files_of(scan.source, scan.data, self.root)]


def files_of(source: str, data: Parquet | Csv, root: Path) -> list[Path]:
    """The files of a source, sorted. Raises: InputError  when there are none."""
    files = [Path(path).resolve() for path in sorted(glob(str(root / data.path), recursive=True))]
    if not files:
        raise InputError(
            f"the source `{source}` has no files",
            where=f"{type(data).__name__}({data.path!r})",
            has=f"nothing below {short_path(str(root.resolve()))} fits",
            fix="write the files, or mend the path",
        )
    return files


def scan_sql(connection: duckdb.DuckDBPyConnection, scan: Scan, history: History) -> str:
    """A SELECT of the source's rows: its columns as `held` names them, `event_at_us`, `known_at_us`, `row_id`,
    `fingerprint`, `usable`.

    Raises: MissingColumn, NaiveTime, InputError  when the data does not fit the declaration.
    """
    if scan.source in history.rows:
        connection.register(f"rows_{scan.source}", history.rows[scan.source])
        return f"SELECT * FROM {quoted(f'rows_{scan.source}')}"
    if scan.zone:
        define_zone(connection, scan.zone)
    parts = []
    if scan.data is not None:
        parts.append(_data_sql(connection, scan, scan.data, history.root))
    if history.log is not None and history.log.head(scan.source):
        parts.append(_log_sql(connection, scan, history.log, history.upto.get(scan.source)))
    if not parts:
        parts.append(_nothing_sql(scan))
    union = "\n      UNION ALL ".join(parts)
    return f"SELECT *, {_usable(scan)} AS usable, {_fingerprint(scan)} AS fingerprint\n    FROM (\n      {union}\n    )"


def _usable(scan: Scan) -> str:
    """R16: a row counts when it has an instant, and a RowId where one is declared."""
    tests = [
        f"coalesce({name} BETWEEN {EARLIEST_US} AND {LATEST_US}, FALSE)" for name in ("event_at_us", "known_at_us")
    ]
    return " AND ".join([*tests, *(["row_id IS NOT NULL"] if scan.row_id else [])])


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


def _data_sql(connection: duckdb.DuckDBPyConnection, scan: Scan, data: Data, root: Path) -> str:
    where, relation = _relation(connection, scan, data, root)
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise InputError(
            f"the data of `{scan.source}` cannot be read",
            where=where,
            has=str(error).splitlines()[0],
            fix="mend the file",
        ) from None
    types = {str(name): str(kind) for name, kind, *_ in described}
    columns = []
    for column in scan.columns:
        if column.stored not in types:
            raise MissingColumn(
                f"the data of `{scan.source}` has no column `{column.stored}`",
                where=where,
                has=list(types),
                fix=did_you_mean(column.stored, list(types), "declare only columns that the data has"),
            )
        text = canonical_column(quoted(column.stored), types[column.stored], column.dtype, scan.zone)
        if text is None:
            raise InputError(
                f"`{scan.source}.{column.name}` is declared {column.dtype}, the data holds {types[column.stored]}",
                where=where,
                has=f"{column.stored}: {types[column.stored]}",
                fix="declare the type that the data has, or convert the data",
            )
        if column.dtype.kind == "timestamp" and not scan.zone:
            check_zones(
                connection, relation, column.stored, types[column.stored], f"`{scan.source}.{column.name}`", where
            )
        columns.append(f"{text} AS {quoted(held(column.name))}")
    event_at = f"CAST({EARLIEST_US} AS BIGINT)" if scan.event_at is None else quoted(held(scan.event_at))
    times = _times(scan, f"TRY_CAST(CAST({event_at} AS HUGEINT) + {scan.delay_us} AS BIGINT)")
    return (
        f"SELECT *, {times}, {_row_id(scan, 'CAST(NULL AS BIGINT)')} FROM (SELECT {', '.join(columns)} FROM {relation})"
    )


def _relation(connection: duckdb.DuckDBPyConnection, scan: Scan, data: Data, root: Path) -> tuple[str, str]:
    match data:
        case Parquet() | Csv():
            files = files_of(scan.source, data, root)
            listed = f"[{', '.join(literal(str(path)) for path in files)}]"
            function = (
                "read_parquet({}, union_by_name = true)"
                if isinstance(data, Parquet)
                else "read_csv({}, all_varchar = true, header = true)"
            )
            return f"{type(data).__name__}({data.path!r})", function.format(listed)
        case Frame():
            name = f"frame_{scan.source}"
            connection.register(name, arrow_table(data.table, f"the data of `{scan.source}`"))
            return "a table in memory", quoted(name)


def _log_sql(connection: duckdb.DuckDBPyConnection, scan: Scan, log: EventLog, upto: int | None) -> str:
    name = f"log_{scan.source}"
    connection.register(name, pa.Table.from_batches(log.batches(scan.source, 0, upto), schema=LOG_SCHEMA))
    shape = json.dumps({column.name: sql_type(column.dtype) for column in scan.columns})
    columns = ", ".join(f"body.{quoted(column.name)} AS {quoted(held(column.name))}" for column in scan.columns)
    inner = (
        f"SELECT position, known_at_us AS stamped_us, json_transform(body, {literal(shape)}) AS "
        f"body FROM {quoted(name)}"
    )
    rows = f"SELECT position, stamped_us, {columns} FROM ({inner})"
    return (
        f"SELECT * EXCLUDE (position, stamped_us), {_times(scan, 'stamped_us')}, "
        f"{_row_id(scan, 'position')} FROM ({rows})"
    )


def _nothing_sql(scan: Scan) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {sql_type(column.dtype)}) AS {quoted(held(column.name))}" for column in scan.columns
    )
    times = _times(scan, "CAST(NULL AS BIGINT)")
    return f"SELECT *, {times}, {_row_id(scan, 'CAST(NULL AS BIGINT)')} FROM (SELECT {columns}) WHERE FALSE"
