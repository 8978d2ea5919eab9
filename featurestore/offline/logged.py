"""Rows of the log as columns: what was pushed, read with the types of today.

A row was canonical when it was pushed. Since then a column may have been declared otherwise, and what its new type
does not hold is a bad value: DuckDB alone would round, parse or print it.
"""

from __future__ import annotations

import json

from featurestore.offline.columns import held, stood
from featurestore.offline.connection import literal, quoted
from featurestore.offline.expressions import json_shape
from featurestore.plan.log_rows import BAD_VALUES, TYPES, type_to_tell
from featurestore.plan.nodes import Scan
from featurestore.semantics.decimals import sql_rescaled
from featurestore.semantics.dtypes import FLOAT64, DType
from featurestore.semantics.instants import FIRST_DAY, FIRST_US, LAST_DAY, LAST_US

_WHOLE = ("BIGINT", "UBIGINT")
_JSON_TYPES = {
    "bool": ("BOOLEAN",),
    "int64": _WHOLE,
    "float64": ("DOUBLE",),
    "decimal": _WHOLE,
    "string": ("VARCHAR",),
    "timestamp": _WHOLE,
    "date": _WHOLE,
}

_YEARS = {"timestamp": (FIRST_US, LAST_US), "date": (FIRST_DAY, LAST_DAY)}


def logged_sql(scan: Scan, relation: str) -> str:
    """A SELECT over `position, known_at_us, body`: `position`, `stamped_us`, the row's `text`, the source's columns,
    and what stood in each."""
    shape = json.dumps({column.name: json_shape(column.dtype) for column in scan.columns})
    paths = ", ".join(literal(_path(column.name)) for column in scan.columns)
    types = ", ".join(literal(_path(TYPES, column.name)) for column in scan.columns)
    inner = (
        f"SELECT position, known_at_us AS stamped_us, body AS text, json_transform(body, {literal(shape)}) AS body, "
        f"json_type(body, [{paths}]) AS kinds, json_keys(body, {literal(_path(BAD_VALUES))}) AS bad, "
        f"json_type(body, {literal(_path(TYPES))}) IS NOT NULL AS typed, "
        f"json_extract_string(body, [{types}]) AS types FROM {relation}"
    )
    columns = [
        f"{_value(column.name, column.dtype, f'kinds[{place}]', f'types[{place}]')} AS {quoted(held(column.name))}"
        for place, column in enumerate(scan.columns, start=1)
    ]
    columns += [
        f"CAST(coalesce(kinds[{place}] <> 'NULL', FALSE) OR coalesce(list_contains(bad, {literal(column.name)}), "
        f"FALSE) AS TINYINT) AS {quoted(stood(column.name))}"
        for place, column in enumerate(scan.columns, start=1)
    ]
    return f"SELECT position, stamped_us, text, {', '.join(columns)} FROM ({inner})"


def _value(name: str, dtype: DType, kind: str, told: str) -> str:
    """A column; `told` is the type that a row says it was written with."""
    value, path = f"body.{quoted(name)}", literal(_path(name))
    same = _same(dtype, told)
    if dtype.kind in ("list", "vector"):
        found = value
        if dtype.item and dtype.item.kind == "decimal":
            items = f"list_transform({value}, lambda x: {_rescaled('x', dtype.item, told)})"
            found = f"CASE WHEN {same} THEN {value} ELSE {items} END"
        elif dtype.item and dtype.item.kind in _YEARS:
            found = f"list_transform({value}, lambda x: {_in_years('x', dtype.item.kind)})"
        return f"CASE WHEN {kind} = 'ARRAY' AND {_all_held(name, dtype, same, found)} THEN {found} END"
    listed = ", ".join(literal(each) for each in _JSON_TYPES[dtype.kind])
    fits = f"{kind} IN ({listed})"
    match dtype.kind:
        case "decimal":
            most = 10**dtype.precision - 1
            held = f"CASE WHEN {value} BETWEEN {-most} AND {most} THEN {value} END"
            return f"CASE WHEN {fits} AND {same} THEN {held} WHEN {fits} THEN {_rescaled(value, dtype, told)} END"
        case "float64":  # a whole number is one where that is exact
            exact = f"TRY_CAST(json_extract_string(text, {path}) AS HUGEINT)"
            whole = f"{kind} IN ('BIGINT', 'UBIGINT') AND {exact} BETWEEN -9007199254740992 AND 9007199254740992"
            return f"CASE WHEN {fits} OR ({whole} AND {same}) THEN {value} END"
        case "timestamp" | "date":
            return f"CASE WHEN {fits} AND {same} THEN {_in_years(value, dtype.kind)} END"
        case "int64":
            return f"CASE WHEN {fits} AND {same} THEN {value} END"
        case _:
            return f"CASE WHEN {fits} THEN {value} END"


def _in_years(value: str, kind: str) -> str:
    first, last = _YEARS[kind]
    return f"CASE WHEN {value} BETWEEN {first} AND {last} THEN {value} END"


def _same(dtype: DType, told: str) -> str:
    """Whether a whole number of a row was written as such values of a type are."""
    expected = type_to_tell(dtype)
    return f"(NOT typed OR coalesce({told}, '') = {literal(expected or '')})"


def _rescaled(value: str, dtype: DType, told: str) -> str:
    """An int, or a decimal of other digits, as a decimal; times and dates are none."""
    scale = f"CAST(coalesce(nullif(regexp_extract({told}, ',([0-9]+)', 1), ''), '0') AS INTEGER)"
    number = f"{told} IS NULL OR contains({told}, 'decimal')"
    return f"CASE WHEN {number} THEN {sql_rescaled(value, scale, dtype.precision, dtype.scale)} END"


def _all_held(name: str, dtype: DType, same: str, found: str) -> str:
    """Whether every item of a list is one that its type holds; null is no number of a vector."""
    item, value = dtype.item or FLOAT64, f"body.{quoted(name)}"
    kinds = f"json_type(text, {literal(_path(name) + '[*]')})"
    allowed = [*_JSON_TYPES[item.kind], *(["NULL"] if dtype.item else [])]
    listed = ", ".join(literal(each) for each in allowed)
    tests = [f"len(list_filter({kinds}, lambda k: k NOT IN ({listed}))) = 0"]
    if _JSON_TYPES[item.kind] == _WHOLE and item.kind != "decimal":
        tests.append(f"({same} OR len(list_filter({kinds}, lambda k: k <> 'NULL')) = 0)")
    if dtype.kind == "vector":
        tests.append(f"len({value}) = {dtype.length}")
    lost = f"len(list_filter({found}, lambda x: x IS NULL)) = len(list_filter({kinds}, lambda k: k = 'NULL'))"
    return " AND ".join([*tests, lost])


def _path(*names: str) -> str:
    return "$" + "".join(f'."{name}"' for name in names)
