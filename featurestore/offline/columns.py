"""Columns of files and frames as canonical values (R8): what the type cannot hold becomes null, what could be guessed
is refused."""

from __future__ import annotations

import duckdb

from featurestore.errors import NaiveTime
from featurestore.offline.connection import literal, local_offset_macro
from featurestore.semantics.dtypes import DType

EXACT_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
WIDE_INTEGERS = ("UBIGINT", "HUGEINT", "UHUGEINT")
NAIVE = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_ZONED_TEXT = r"\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$"


def held(name: str) -> str:
    """The name of a source's column in every CTE: a column may be called anything, and what we add has no dot."""
    return f"c.{name}"


def canonical_column(name: str, stored: str, dtype: DType, zone: str | None = None) -> str | None:
    """Text that turns a column of DuckDB type `stored` into canonical values, or None when the types do not fit.

    A text column (all of a CSV file is text) is parsed; numbers widen exactly; a naive time is read in `zone`.
    """
    match dtype.kind:
        case "bool":
            return {"BOOLEAN": name, "VARCHAR": f"TRY_CAST({name} AS BOOLEAN)"}.get(stored)
        case "int64":
            if stored == "VARCHAR":
                return f"CASE WHEN regexp_full_match({name}, '[+-]?\\d+') THEN TRY_CAST({name} AS BIGINT) END"
            return f"TRY_CAST({name} AS BIGINT)" if stored in (*EXACT_INTEGERS, *WIDE_INTEGERS) else None
        case "float64":
            if stored in EXACT_INTEGERS:
                return (
                    f"CASE WHEN {name} BETWEEN -9007199254740992 AND 9007199254740992 THEN CAST({name} AS DOUBLE) END"
                )
            return f"fs_finite(TRY_CAST({name} AS DOUBLE))" if stored in ("FLOAT", "DOUBLE", "VARCHAR") else None
        case "string":
            return f"CAST({name} AS VARCHAR)" if stored in ("VARCHAR", "UUID") or stored.startswith("ENUM") else None
        case "timestamp":
            return _instant(name, stored, zone)
        case "date":
            days = "CAST({} - DATE '1970-01-01' AS INTEGER)"
            finite = f"CASE WHEN isfinite({{0}}) THEN {days.format('{0}')} END"
            return {"DATE": finite.format(name), "VARCHAR": finite.format(f"TRY_CAST({name} AS DATE)")}.get(stored)
        case "list":
            return None


def check_zones(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, stored: str, what: str, where: str
) -> None:
    """Refuse times that carry no zone. Raises: NaiveTime."""
    if stored in NAIVE:
        example = stored
    elif stored == "VARCHAR":
        name = '"' + column.replace('"', '""') + '"'
        found = connection.execute(
            f"SELECT {name} FROM {relation} WHERE NOT regexp_matches({name}, {literal(_ZONED_TEXT)}) LIMIT 1"
        ).fetchall()
        if not found:
            return
        example = repr(found[0][0])
    else:
        return
    raise NaiveTime(
        f"the times in {what} have no zone",
        where=where,
        has=example,
        fix='store them in UTC with a zone, or declare the source with `zone="..."`',
    )


def _instant(name: str, stored: str, zone: str | None) -> str | None:
    if stored == "TIMESTAMPTZ_NS":
        return f"fs_floor_div(epoch_ns({name}), 1000)"
    if stored == "TIMESTAMP WITH TIME ZONE":
        return f"CASE WHEN isfinite({name}) THEN epoch_us({name}) END"
    if stored == "VARCHAR":
        zoned = f"epoch_us(TRY_CAST({name} AS TIMESTAMPTZ))"
        if zone is None:
            return zoned
        local = _from_local(f"epoch_us(TRY_CAST({name} AS TIMESTAMP))", zone)
        return f"CASE WHEN regexp_matches({name}, {literal(_ZONED_TEXT)}) THEN {zoned} ELSE {local} END"
    if stored not in NAIVE:
        return None
    if stored == "TIMESTAMP_NS":  # has no infinity
        local = f"fs_floor_div(epoch_ns({name}), 1000)"
    else:
        local = f"CASE WHEN isfinite({name}) THEN epoch_us(CAST({name} AS TIMESTAMP)) END"
    return _from_local(local, zone) if zone else local


def _from_local(local: str, zone: str) -> str:
    return f"({local} - {local_offset_macro(zone)}({local}))"
