"""Spines in files of text: CSV and JSON. What a feature set asks for is read as its declared type; of other columns
nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from featurestore.errors import InputError, InvalidValue, MissingAsOf, NaiveTime
from featurestore.offline.columns import canonical_column, is_local, is_number, stood_there
from featurestore.offline.connection import CSV_OPTIONS, connect, quoted, said_by
from featurestore.offline.files import check_names_once, csv_names, file_list
from featurestore.offline.inferred import fitting_types, type_of
from featurestore.offline.interrupts import interruptible
from featurestore.semantics import decimals
from featurestore.semantics.dtypes import DType
from featurestore.semantics.strict_json import read_json
from featurestore.tables import arrow_table

CSV_ENDINGS = (".csv", ".csv.gz")
JSON_ENDINGS = (".jsonl", ".ndjson", ".json")


def csv_rows(path: Path, declared: Mapping[str, DType], as_of: str, failed: str) -> str:
    """A SELECT of a CSV file's rows: declared columns with their types, others with the first type that holds each of
    their values without loss (see `inferred`). Two passes: one looks at all rows, the SELECT reads them.

    Raises: MissingAsOf, NaiveTime, InvalidValue  naming the first row that does not fit its declared type.
            InputError  when the file is no such CSV.
    """
    names = csv_names(path, ",", failed, str(path))
    check_names_once(names, dict.fromkeys(names), "the spine", str(path))
    relation = f"read_csv({file_list([path])}, all_varchar = true, hive_partitioning = false, {CSV_OPTIONS})"
    connection = connect([path.parent])
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        columns = [str(name) for name, *_ in described]
        asked = {name: declared[name] for name in columns if name in declared and declared[name].kind in _TYPED}
        others = [name for name in columns if name not in declared]
        looks = [f"bool_or({_is_wrong(name, dtype)})" for name, dtype in asked.items()]
        looks += [fitting_types(quoted(name)) for name in others]
        sql = f"SELECT {', '.join(looks) or 'NULL'} FROM {relation}"
        [found] = interruptible(connection, lambda: connection.execute(sql).fetchall())
        for (name, dtype), wrong in zip(asked.items(), found, strict=False):
            if wrong:
                raise _misfit(connection, relation, name, dtype, as_of, path)
    except duckdb.Error as error:
        if isinstance(error, (duckdb.OutOfMemoryException, duckdb.InterruptException)):
            raise
        raise InputError(failed, where=str(path), has=said_by(error), fix="fix the file") from None
    finally:
        connection.close()
    casts = {name: _typed(quoted(name), dtype) for name, dtype in asked.items()}
    for name, mask in zip(others, found[len(asked) :], strict=False):
        casts[name] = f"CAST({quoted(name)} AS {type_of(mask)})"
    listed = ", ".join(f"{casts.get(name, quoted(name))} AS {quoted(name)}" for name in columns)
    return f"SELECT {listed} FROM {relation}"


def json_table(path: Path, failed: str) -> pa.Table:
    """The rows of a file of JSON: an object a line, or an array of objects. A key that a row lacks is null.

    Raises: InputError  when the file is no such JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            found = read_json(text)
            rows = found if isinstance(found, list) else [found]
        else:
            rows = [read_json(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        fix = "write one object a line" if path.suffix.lower() != ".json" else "write an array of objects"
        raise InputError(failed, where=str(path), has=str(error)[:200], fix=fix) from None
    if other := next((row for row in rows if not isinstance(row, dict)), None):
        raise InputError(failed, where=str(path), has=f"the row {other!r:.60}", fix="write each row as an object")
    names: Sequence[str] = list(dict.fromkeys(name for row in rows for name in row))
    return arrow_table([{name: row.get(name) for name in names} for row in rows], "the spine")


_TYPED = ("bool", "int64", "float64", "string", "timestamp", "date", "decimal")


def _canonical(column: str, dtype: DType) -> str:
    text = canonical_column(column, "VARCHAR", dtype)
    assert text is not None, "text is read as every type but lists"
    return text


def _is_wrong(name: str, dtype: DType) -> str:
    """Whether a text is no value of a type."""
    misfit = stood_there(quoted(name), "VARCHAR", dtype)
    return f"{_canonical(quoted(name), dtype)} IS NULL AND {misfit} > 0" if misfit else "FALSE"


def _typed(column: str, dtype: DType) -> str:
    """A text as the DuckDB type that users see."""
    text = _canonical(column, dtype)
    match dtype.kind:
        case "float64":  # NaN passes through
            return f"CASE WHEN {is_number(column)} THEN TRY_CAST({column} AS DOUBLE) END"
        case "timestamp":
            return f"make_timestamptz({text})"
        case "date":
            return f"(DATE '1970-01-01' + {text})"
        case "decimal":
            return decimals.sql_scaled(text, dtype.precision, dtype.scale)
        case _:
            return text


def _misfit(
    connection: duckdb.DuckDBPyConnection, relation: str, name: str, dtype: DType, as_of: str, path: Path
) -> InputError:
    """The error of the first value that is none of its type."""
    found: list[Any] = connection.execute(
        f"SELECT place, {quoted(name)}, {is_local(quoted(name))} FROM (SELECT *, row_number() OVER () - 1 AS place "
        f"FROM {relation}) WHERE {_is_wrong(name, dtype)} ORDER BY place LIMIT 1"
    ).fetchall()
    [(place, text, local)] = found
    where = f"row {place} of the spine, `{name}`, in {path.name}"
    if dtype.kind == "timestamp" and local:
        return NaiveTime(
            f"the times in the spine's `{name}` have no zone",
            where=where,
            has=repr(text),
            fix="write them with an offset or `Z`, such as 2024-02-01T00:00:00Z",
        )
    if name == as_of:
        return MissingAsOf(
            f"row {place} of the spine has no usable instant",
            where=where,
            has=repr(text),
            fix="write instants such as 2024-02-01T00:00:00Z",
        )
    return InvalidValue(f"{text} is not a value of type {dtype}", where=where, has=repr(text), fix="fix the value")
