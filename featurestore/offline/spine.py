"""The spine: the questions of a training set. Other columns pass through untouched, beside the features."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import InputError, InvalidValue, MissingAsOf, MissingColumn, NaiveTime, did_you_mean, rename_to
from featurestore.offline.columns import NAIVE, canonical_column, item_of
from featurestore.offline.connection import CSV_OPTIONS, connect, literal, quoted
from featurestore.offline.expressions import sql_type
from featurestore.offline.queries import spine_sql, where_of_spine
from featurestore.plan.nodes import Input, Plan
from featurestore.semantics.dtypes import TIMESTAMP
from featurestore.semantics.instants import EARLIEST_US, LATEST_US
from featurestore.tables import arrow_table

_SELECT = re.compile(r"\s*(select|with|from)[\s*('\"]", re.IGNORECASE)


def spine_table(spine: object, root: Path) -> pa.Table:
    """A spine as Arrow: from pandas, polars, Arrow, a list of dicts, the path of a Parquet or CSV file, or a SELECT
    over files below the project's folder. Relative paths start there."""
    if not isinstance(spine, (str, Path)):
        return arrow_table(spine, "the spine")
    text = str(spine)
    if isinstance(spine, str) and _SELECT.match(text):
        sql, files = spine_sql(text, root)
        return _read(sql, [file.parent for file in files] or [root], "the spine's SQL failed", where_of_spine(text))
    path = (root / text).resolve()
    if not path.is_file():
        raise InputError(
            f"there is no spine file `{text}`",
            where=str(root),
            fix="give the path of a Parquet or CSV file, or a SELECT",
        )
    failed = f"the spine file `{text}` cannot be read"
    if path.suffix == ".csv":
        return _read(f"SELECT * FROM read_csv([{literal(str(path))}], {CSV_OPTIONS})", [path.parent], failed, str(root))
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            failed, where=str(root), has=str(error).splitlines()[0], fix="give a Parquet or CSV file"
        ) from None


def _read(sql: str, folders: list[Path], failed: str, where: str) -> pa.Table:
    connection = connect(folders)
    try:
        found: pa.Table = connection.sql(sql).to_arrow_table()
        return found
    except duckdb.Error as error:
        raise InputError(failed, where=where, has=str(error).splitlines()[0], fix="mend the SQL, or the file") from None
    finally:
        connection.close()


def ask(connection: duckdb.DuckDBPyConnection, plan: Plan, spine: pa.Table, as_of: str) -> None:
    """Create the table `asked` from a spine: `spine_row`, `as_of_us` and `i_<input>`, canonical and checked.

    Raises: MissingAsOf, MissingColumn, NaiveTime, InvalidValue  naming the column, and the first row that does not fit.
    """
    names = spine.column_names
    if not isinstance(as_of, str):
        raise MissingAsOf(
            f"`as_of={as_of!r:.60}` names no column of the spine",
            where=f"dataset({plan.name}, spine, as_of=...)",
            has=names,
            fix="name the column that holds the instants, one for each row",
        )
    if as_of not in names:
        raise MissingAsOf(
            f"the spine has no column `{as_of}`",
            where=f'dataset({plan.name}, spine, as_of="{as_of}")',
            has=names,
            fix=did_you_mean(as_of, names, "name the column that holds the instants with `as_of=`"),
        )
    missing = [given.name for given in plan.inputs if given.name not in names]
    if missing:
        raise MissingColumn(
            f"the spine lacks {', '.join(f'`{name}`' for name in missing)}",
            where=f"feature set `{plan.name}`",
            has=names,
            fix=rename_to(
                missing[0],
                [name for name in names if name not in {as_of, *(given.name for given in plan.inputs)}],
                "add the columns to the spine",
            ),
        )
    # only what is asked goes in, under names of ours: whatever passes through may be called and typed as it likes
    places = {
        name: f"s{place}" for place, name in enumerate(dict.fromkeys([as_of, *(each.name for each in plan.inputs)]))
    }
    held: dict[str, Any] = {place: spine.column(name) for name, place in places.items()}
    # places from 0 on, without an object of Python for each
    places_of_rows = pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), spine.num_rows)), 1)
    connection.register("spine", pa.table(held).append_column("spine_row", places_of_rows))
    described = {
        str(name): str(kind) for name, kind, *_ in connection.execute("DESCRIBE SELECT * FROM spine").fetchall()
    }
    types = {name: (place, described[place]) for name, place in places.items()}
    columns = [f"{_converted(Input(as_of, TIMESTAMP, False), types, plan)} AS as_of_us"]
    columns += [f"{_converted(given, types, plan)} AS {quoted(f'i_{given.name}')}" for given in plan.inputs]
    connection.execute(f"CREATE TEMP TABLE asked AS SELECT spine_row, {', '.join(columns)} FROM spine")
    _check_instants(connection, as_of)
    for given in plan.inputs:
        _check_values(connection, given, *types[given.name])


def _converted(given: Input, types: dict[str, tuple[str, str]], plan: Plan) -> str:
    place, stored = types[given.name]
    if stored in ("NULL", '"NULL"'):  # a column without any value has no type of its own
        return f"CAST(NULL AS {sql_type(given.dtype)})"
    if (given.dtype.item or given.dtype) == TIMESTAMP and item_of(stored) in NAIVE:
        raise NaiveTime(
            f"the times in the spine's `{given.name}` have no zone",
            where=f"feature set `{plan.name}`",
            has=stored,
            fix='give them one: `frame["at"].dt.tz_localize("UTC")`',
        )
    text = (
        None
        if stored == "VARCHAR" and given.dtype.kind not in ("string", "decimal")
        else canonical_column(place, stored, given.dtype)
    )
    if text is None:
        raise InvalidValue(
            f"the spine's `{given.name}` must be {given.dtype}",
            where=f"feature set `{plan.name}`",
            has=f"{given.name}: {stored}",
            fix="convert the column first",
        )
    return text


def _check_instants(connection: duckdb.DuckDBPyConnection, as_of: str) -> None:
    bad = connection.execute(
        f"SELECT spine_row FROM asked WHERE as_of_us IS NULL OR as_of_us NOT BETWEEN {EARLIEST_US} "
        f"AND {LATEST_US} ORDER BY 1 LIMIT 1"
    ).fetchall()
    if bad:
        raise MissingAsOf(
            f"row {bad[0][0]} of the spine has no usable instant",
            where=f"its column `{as_of}`",
            fix="give each row an instant, or leave the row out",
        )


def _check_values(connection: duckdb.DuckDBPyConnection, given: Input, place: str, stored: str) -> None:
    """A value that its type cannot hold is refused, as a lookup refuses it; a float that is NaN or infinite is null
    on both roads."""
    if stored in ("FLOAT", "DOUBLE"):
        return
    bad = connection.execute(
        f"SELECT spine_row, CAST({place} AS VARCHAR) FROM spine JOIN asked USING (spine_row) "
        f"WHERE {place} IS NOT NULL AND {quoted(f'i_{given.name}')} IS NULL ORDER BY 1 LIMIT 1"
    ).fetchall()
    if bad:
        raise InvalidValue(
            f"{bad[0][1]} is not a value of type {given.dtype}",
            where=f"row {bad[0][0]} of the spine, `{given.name}`",
            fix="mend the value",
        )
