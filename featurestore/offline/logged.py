"""Rows of the log as columns: what was pushed, read with the types of today.

A row was canonical when it was pushed. Since then a column may have been declared otherwise, and what its new type
does not hold is a bad value: DuckDB alone would round, parse or print it.
"""

from __future__ import annotations

import json

from featurestore.offline.columns import held, stood
from featurestore.offline.connection import literal, quoted
from featurestore.offline.expressions import json_shape
from featurestore.plan.nodes import Scan
from featurestore.plan.outcomes import BAD_VALUES
from featurestore.semantics.dtypes import FLOAT64, DType

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


def logged_sql(scan: Scan, relation: str) -> str:
    """A SELECT over `position, known_at_us, body`: `position`, `stamped_us`, the row's `text`, the source's columns,
    and what stood in each."""
    shape = json.dumps({column.name: json_shape(column.dtype) for column in scan.columns})
    paths = ", ".join(literal(_path(column.name)) for column in scan.columns)
    inner = (
        f"SELECT position, known_at_us AS stamped_us, body AS text, json_transform(body, {literal(shape)}) AS body, "
        f"json_type(body, [{paths}]) AS kinds, json_keys(body, {literal(_path(BAD_VALUES))}) AS bad FROM {relation}"
    )
    columns = [
        f"{_value(column.name, column.dtype, f'kinds[{place}]')} AS {quoted(held(column.name))}"
        for place, column in enumerate(scan.columns, start=1)
    ]
    columns += [
        f"CAST(coalesce(kinds[{place}] <> 'NULL', FALSE) OR coalesce(list_contains(bad, {literal(column.name)}), "
        f"FALSE) AS TINYINT) AS {quoted(stood(column.name))}"
        for place, column in enumerate(scan.columns, start=1)
    ]
    return f"SELECT position, stamped_us, text, {', '.join(columns)} FROM ({inner})"


def _value(name: str, dtype: DType, kind: str) -> str:
    value, path = f"body.{quoted(name)}", literal(_path(name))
    if dtype.kind in ("list", "vector"):
        return f"CASE WHEN {kind} = 'ARRAY' AND {_all_held(name, dtype)} THEN {value} END"
    listed = ", ".join(literal(each) for each in _JSON_TYPES[dtype.kind])
    fits, whole = f"{kind} IN ({listed})", ""
    if dtype.kind == "decimal":
        fits += f" AND {value} BETWEEN {-(10**dtype.precision) + 1} AND {10**dtype.precision - 1}"
    if dtype.kind == "float64":  # a whole number is one where that is exact
        exact = f"TRY_CAST(json_extract_string(text, {path}) AS HUGEINT)"
        whole = (
            f" WHEN {kind} IN ('BIGINT', 'UBIGINT') AND {exact} BETWEEN -9007199254740992 AND 9007199254740992 "
            f"THEN {value}"
        )
    return f"CASE WHEN {fits} THEN {value}{whole} END"


def _all_held(name: str, dtype: DType) -> str:
    """Whether every item of a list is one that its type holds; null is no number of a vector."""
    item, value = dtype.item or FLOAT64, f"body.{quoted(name)}"
    kinds = f"json_type(text, {literal(_path(name) + '[*]')})"
    allowed = [*_JSON_TYPES[item.kind], *(["NULL"] if dtype.item else [])]
    listed = ", ".join(literal(each) for each in allowed)
    tests = [f"len(list_filter({kinds}, lambda k: k NOT IN ({listed}))) = 0"]
    if dtype.kind == "vector":
        tests.append(f"len({value}) = {dtype.length}")
    lost = f"len(list_filter({value}, lambda x: x IS NULL)) = len(list_filter({kinds}, lambda k: k = 'NULL'))"
    return " AND ".join([*tests, lost])


def _path(name: str) -> str:
    return f'$."{name}"'
