"""Columns of files and frames as canonical values (R8): what the type cannot hold becomes null, what could be guessed
is refused."""

from __future__ import annotations

import re

import duckdb

from featurestore.errors import InputError, NaiveTime
from featurestore.offline.connection import literal, local_offset_macro
from featurestore.offline.expressions import sql_type
from featurestore.plan.nodes import ScanColumn
from featurestore.plan.outcomes import OUT_OF_RANGE, SKIPPED, UNIT_FIX
from featurestore.semantics import decimals
from featurestore.semantics.dtypes import FLOAT64, INT64, TIMESTAMP, DType
from featurestore.semantics.foreign import WHOLE_BELOW
from featurestore.semantics.instants import unix_us
from featurestore.semantics.texts import BOOL_TEXT, DATE_TEXT, LOCAL_TEXT, NUMBER_TEXT, WHOLE_TEXT, ZONED_TEXT

EXACT = 2**53
"""The greatest whole number up to which a float64 has them all."""
EXACT_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
WIDE_INTEGERS = ("UBIGINT", "HUGEINT", "UHUGEINT")
FLOATS = ("FLOAT", "DOUBLE")
NAIVE = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
"""Types of local times: a day is its midnight."""
NULL = ("NULL", '"NULL"')
"""The type of a column without any value."""
_DECIMAL = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")


def held(name: str) -> str:
    """The name of a source's column in every CTE: a column may be called anything, and what we add has no dot."""
    return f"c.{name}"


def canonical_column(name: str, stored: str, dtype: DType, zone: str | None = None, unit: str = "") -> str | None:
    """Text that turns a column of DuckDB type `stored` into canonical values, or None when the types do not fit.

    A text column (all of a CSV file is text) is parsed; a number of another type is taken where the declared type
    holds it exactly, and a decimal with digits after the point as the nearest float; a naive time is read in `zone`, a
    number of a `unit` is an instant.
    """
    if stored in NULL:
        return f"CAST(NULL AS {sql_type(dtype)})"
    if unit:
        number = canonical_column(name, stored, INT64)
        scaled = f"CAST({number} AS HUGEINT) * {unix_us(1, unit)}" if unit != "ns" else f"fs_floor_div({number}, 1000)"
        return None if number is None else f"fs_instant({scaled})"
    match dtype.kind:
        case "bool":
            return {"BOOLEAN": name, "VARCHAR": _parsed(name, BOOL_TEXT, "BOOLEAN")}.get(stored)
        case "int64":
            if stored == "VARCHAR":
                return _parsed(name, WHOLE_TEXT, "BIGINT")
            if stored in FLOATS:  # from there on one float stands for several integers
                below = EXACT if stored == "DOUBLE" else WHOLE_BELOW["float32"]
                return f"CASE WHEN {name} = trunc({name}) AND abs({name}) < {below} THEN CAST({name} AS BIGINT) END"
            if digits := _DECIMAL.fullmatch(stored):
                return f"CASE WHEN {name} = trunc({name}) THEN TRY_CAST(trunc({name}) AS BIGINT) END"
            return f"TRY_CAST({name} AS BIGINT)" if stored in (*EXACT_INTEGERS, *WIDE_INTEGERS) else None
        case "float64":
            digits = _DECIMAL.fullmatch(stored)
            if stored in (*EXACT_INTEGERS, *WIDE_INTEGERS) or (digits and digits[2] == "0"):
                whole = name if stored in EXACT_INTEGERS else f"TRY_CAST({name} AS BIGINT)"
                return f"CASE WHEN {whole} BETWEEN -{EXACT} AND {EXACT} THEN CAST({whole} AS DOUBLE) END"
            if digits:  # as a text it is rounded once
                whole, nearest = f"TRY_CAST(trunc({name}) AS BIGINT)", f"CAST(CAST({name} AS VARCHAR) AS DOUBLE)"
                held = f"{name} <> trunc({name}) OR {whole} BETWEEN -{EXACT} AND {EXACT}"
                return f"CASE WHEN {held} THEN {nearest} END"
            if stored == "VARCHAR":
                return f"fs_finite({_parsed(name, NUMBER_TEXT, 'DOUBLE')})"
            return f"fs_finite(CAST({name} AS DOUBLE))" if stored in FLOATS else None
        case "string":
            return f"CAST({name} AS VARCHAR)" if stored in ("VARCHAR", "UUID") or stored.startswith("ENUM") else None
        case "timestamp":
            found = _instant(name, stored, zone)
            return found if found is None or stored in ("TIMESTAMPTZ_NS", "TIMESTAMP_NS") else f"fs_instant({found})"
        case "date":
            days = "CAST({} - DATE '1970-01-01' AS INTEGER)"
            held = f"CASE WHEN {{0}} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {days.format('{0}')} END"
            if stored in NAIVE[1:]:  # pandas has no other type for a day
                day = f"CAST({name} AS DATE)"
                return f"CASE WHEN {name} = {day} THEN {held.format(day)} END"
            return {"DATE": held.format(name), "VARCHAR": days.format(_parsed(name, DATE_TEXT, "DATE"))}.get(stored)
        case "decimal":
            return _decimal(name, stored, dtype)
        case "list" | "vector":
            return _items(name, stored, dtype, zone)
        case "map":
            return None


def misdeclared(source: str, column: ScanColumn, stored: str, where: str) -> InputError:
    """The error of a column that is declared as a type which the data's type `stored` does not become."""
    counted = column.dtype == TIMESTAMP and stored in (*EXACT_INTEGERS, *WIDE_INTEGERS)
    unit = f" in {column.unit}" if column.unit else ""
    return InputError(
        f"`{source}.{column.name}` is declared {column.dtype}{unit}, the data holds {stored}",
        where=where,
        has=f"{column.stored}: {stored}",
        fix=UNIT_FIX if counted else "declare the type that the data has, or convert the data",
    )


def item_of(stored: str) -> str:
    """The DuckDB type of what a column holds: of its items, if it holds lists."""
    return re.sub(r"\[[0-9]*\]$", "", stored)


def _decimal(name: str, stored: str, dtype: DType) -> str | None:
    if stored == "VARCHAR":
        return decimals.sql_parsed(name, dtype.precision, dtype.scale)
    if stored in (*EXACT_INTEGERS, *WIDE_INTEGERS):
        name, stored = f"TRY_CAST({name} AS DECIMAL(38,0))", "DECIMAL(38,0)"
    digits = _DECIMAL.fullmatch(stored)
    return (
        decimals.sql_unscaled(name, dtype.precision, dtype.scale, (int(digits[1]), int(digits[2]))) if digits else None
    )


def _items(name: str, stored: str, dtype: DType, zone: str | None) -> str | None:
    """A list is held only if all its items are, and a vector only if none of them is null."""
    inner, item = item_of(stored), dtype.item or FLOAT64
    if inner == stored:
        return None
    parsed = inner == "VARCHAR" and item.kind not in ("string", "timestamp", "date")
    text = None if parsed else canonical_column("e", inner, item, zone)
    if text is None:
        return None
    found = f"list_transform({name}, lambda e: {text})"
    if dtype.kind == "vector":
        whole = f"len(v) = {dtype.length} AND len(list_filter(v, lambda x: x IS NULL)) = 0"
        return f"list_transform([{found}], lambda v: CASE WHEN {whole} THEN v END)[1]"
    always = {"bool": ("BOOLEAN",), "string": ("VARCHAR",), "float64": FLOATS}
    if inner in always.get(item.kind, ()):  # whatever these hold is held, NaN as null
        return found
    lost = f"{is_given('e', inner, item)} AND ({text}) IS NULL"
    return f"CASE WHEN len(list_filter({name}, lambda e: {lost})) = 0 THEN {found} END"


def is_given(name: str, stored: str, dtype: DType) -> str:
    """Whether there is a value; of floats that are declared int64, NaN is none: pandas writes a missing integer so."""
    return (
        f"coalesce(NOT isnan({name}), FALSE)" if dtype.kind == "int64" and stored in FLOATS else f"{name} IS NOT NULL"
    )


def stood(name: str) -> str:
    """The name of the column that says what stood where a column of a source is null: a code of `plan.outcomes`."""
    return f"s.{name}"


def stood_there(name: str, stored: str, dtype: DType, zone: str | None = None, unit: str = "") -> str | None:
    """Text for what stood in a column of DuckDB type `stored`, should it be null: nothing, or what its type does not
    hold; None where every value fits."""
    if unit:
        number, other = canonical_column(name, stored, INT64), f"CAST({is_given(name, stored, INT64)} AS TINYINT)"
        return f"CASE WHEN {number} IS NOT NULL THEN CAST({OUT_OF_RANGE} AS TINYINT) ELSE {other} END"
    always = {
        "bool": ("BOOLEAN",),
        "int64": EXACT_INTEGERS,
        "float64": (*FLOATS, "TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"),
        "string": (stored,),
    }
    if stored in (*always.get(dtype.kind, ()), *NULL):
        return None
    misfit = is_given(name, stored, dtype)
    if dtype.kind == "float64" and stored == "VARCHAR":  # NaN and infinity are null and not bad (R7)
        misfit = f"coalesce(NOT {_fits(name, NUMBER_TEXT)}, FALSE)"
    found = f"CAST({misfit} AS TINYINT)"
    if dtype.kind != "timestamp" or (instant := _instant(name, stored, zone)) is None:
        return found
    other = found
    if zone is not None and stored in (*NAIVE, "VARCHAR"):
        local = _local_of_text(name) if stored == "VARCHAR" else _local_of_time(name, stored)
        other = f"CASE WHEN {local} IS NOT NULL THEN CAST({SKIPPED} AS TINYINT) ELSE {found} END"
    far = f"CASE WHEN {instant} IS NOT NULL THEN CAST({OUT_OF_RANGE} AS TINYINT) ELSE {other} END"
    if stored != "VARCHAR":
        return far
    # a text is parsed once more only on the two days on which an offset leads out of the years
    return f"CASE WHEN {name}[1:10] IN ('0001-01-01', '9999-12-31') THEN {far} ELSE {other} END"


def check_zones(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, stored: str, what: str, where: str
) -> None:
    """Refuse times that carry no zone. Raises: NaiveTime."""
    inner = item_of(stored)
    if inner in NAIVE:
        example = inner
    elif inner == "VARCHAR":
        name = '"' + column.replace('"', '""') + '"'
        texts = name if inner == stored else f"unnest({name})"
        found = connection.execute(
            f"SELECT v FROM (SELECT {texts} AS v FROM {relation}) WHERE {is_local('v')} LIMIT 1"
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


def is_local(text: str) -> str:
    """Whether a text is a time without a zone."""
    return _fits(text, LOCAL_TEXT)


def is_number(text: str) -> str:
    """Whether a text is a number (R8)."""
    return _fits(text, NUMBER_TEXT)


def _instant(name: str, stored: str, zone: str | None) -> str | None:
    if stored == "TIMESTAMPTZ_NS":
        return f"fs_floor_div(epoch_ns({name}), 1000)"
    if stored == "TIMESTAMP WITH TIME ZONE":
        return f"CASE WHEN isfinite({name}) THEN epoch_us({name}) END"
    if stored == "VARCHAR":
        zoned = f"epoch_us({_parsed(name, ZONED_TEXT, 'TIMESTAMPTZ')})"
        if zone is None:
            return zoned
        return f"coalesce({zoned}, {_from_local(_local_of_text(name), zone)})"
    if stored not in NAIVE:
        return None
    local = _local_of_time(name, stored)
    return _from_local(local, zone) if zone else local


def _local_of_time(name: str, stored: str) -> str:
    if stored == "TIMESTAMP_NS":  # has no infinity
        return f"fs_floor_div(epoch_ns({name}), 1000)"
    return f"CASE WHEN isfinite({name}) THEN epoch_us(TRY_CAST({name} AS TIMESTAMP)) END"


def _local_of_text(name: str) -> str:
    return f"epoch_us({_parsed(name, LOCAL_TEXT, 'TIMESTAMP')})"


def _fits(name: str, grammar: str) -> str:
    return f"regexp_full_match({name}, {literal(grammar)})"


def _parsed(name: str, grammar: str, to: str) -> str:
    """A text as a value of DuckDB's type `to`, where it fits the grammar that both roads have."""
    return f"CASE WHEN {_fits(name, grammar)} THEN TRY_CAST({name} AS {to}) END"


def _from_local(local: str, zone: str) -> str:
    return f"({local} - {local_offset_macro(zone)}({local}))"
