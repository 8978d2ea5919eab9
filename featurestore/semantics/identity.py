"""Which of several deliveries of one fact counts (R6): the least `known_at`, then the least fingerprint of the
declared columns.

A fingerprint orders contents without keeping them: the state would otherwise have to store every declared column.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import md5

from featurestore.semantics.dtypes import FLOAT64, DType, Value


def fingerprint(row: Iterable[tuple[Value, DType]]) -> str:
    """Sixteen hex digits of a row's declared columns, given in the order of their names."""
    text = ",".join(_canonical_text(value, dtype) for value, dtype in row)
    return md5(text.encode(), usedforsecurity=False).hexdigest()[:16]


def sql_fingerprint(columns: Iterable[tuple[str, DType]]) -> str:
    """`fingerprint` in DuckDB, of columns given as quoted names in the order of their names."""
    return f"substr({sql_digest(columns)}, 1, 16)"


def sql_digest(columns: Iterable[tuple[str, DType]]) -> str:
    """All 32 hex digits that a fingerprint is the head of."""
    texts = [f"coalesce({_sql_text(name, dtype)}, 'n')" for name, dtype in columns]
    return f"md5(concat_ws(',', {', '.join(texts)}))"


def _canonical_text(value: Value, dtype: DType) -> str:
    if value is None:
        return "n"
    match dtype.kind:
        case "bool":
            return f"b{int(value)}"
        case "float64":
            return f"f{struct.unpack('>Q', struct.pack('>d', value))[0]:064b}"
        case "string":
            return f"s{len(value)}:{value}"
        case "list" | "vector":
            items = ",".join(_canonical_text(item, dtype.item or FLOAT64) for item in value)
            return f"l{len(value)}[{items}]"
        case _:
            return f"i{value}"


def _sql_text(name: str, dtype: DType) -> str:
    match dtype.kind:
        case "bool":
            return f"'b' || CAST(CAST({name} AS INTEGER) AS VARCHAR)"
        case "float64":
            return f"'f' || CAST(CAST({name} AS BIT) AS VARCHAR)"
        case "string":
            return f"'s' || CAST(length({name}) AS VARCHAR) || ':' || {name}"
        case "list" | "vector":
            items = f"list_transform({name}, lambda e: coalesce({_sql_text('e', dtype.item or FLOAT64)}, 'n'))"
            return f"'l' || CAST(len({name}) AS VARCHAR) || '[' || array_to_string({items}, ',') || ']'"
        case _:
            return f"'i' || CAST({name} AS VARCHAR)"
