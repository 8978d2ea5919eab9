"""Tables at the edges: whatever a user has as Arrow, and canonical values as Arrow columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import pyarrow as pa

from featurestore.errors import InputError, a_kind
from featurestore.semantics.dtypes import DType, Value, python_value


def arrow_table(table: object, what: str) -> pa.Table:
    """A pandas, polars or Arrow table, or a list of dicts, as Arrow. Raises: InputError  for anything else."""
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    frame: Any = table
    if type(table).__module__.split(".")[0] == "pandas" and hasattr(table, "columns"):
        return pa.Table.from_pandas(frame, preserve_index=False)
    if hasattr(table, "to_arrow"):
        return pa.table(table.to_arrow())
    if isinstance(table, list) and all(isinstance(row, dict) for row in table):
        return _table_of_dicts(table, what)
    raise InputError(
        f"{what} is {a_kind(table)}, not a table",
        has=["pandas", "polars", "pyarrow.Table", "a list of dicts"],
        fix="hand in one of these",
    )


def _table_of_dicts(rows: list[dict[str, Any]], what: str) -> pa.Table:
    for place, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise InputError(
                f"the rows of {what} have different columns",
                where=f"row {place}",
                has=[str(name) for name in row],
                fix=f"give every row the columns {', '.join(map(str, rows[0]))}; null is a value",
            )
    try:
        return pa.Table.from_pylist(rows)
    except (pa.ArrowException, OverflowError) as error:
        raise InputError(
            f"{what} has a column of several types", has=str(error), fix="give each column one type"
        ) from None


def arrow_type(dtype: DType) -> pa.DataType:
    """The Arrow type that users see: instants in microseconds UTC."""
    match dtype.kind:
        case "bool":
            return pa.bool_()
        case "int64":
            return pa.int64()
        case "float64":
            return pa.float64()
        case "string":
            return pa.string()
        case "timestamp":
            return pa.timestamp("us", "UTC")
        case "date":
            return pa.date32()
        case "decimal":
            return pa.decimal128(dtype.precision, dtype.scale)
        case "list":
            assert dtype.item is not None
            return pa.list_(arrow_type(dtype.item))
        case "vector":
            return pa.list_(pa.float64(), dtype.length)
        case "map":
            assert dtype.item is not None and dtype.key is not None
            return pa.map_(arrow_type(dtype.key), arrow_type(dtype.item))
        case _:
            assert_never(dtype.kind)


def storage_type(dtype: DType) -> pa.DataType:
    """The Arrow type that holds canonical values."""
    match dtype.kind:
        case "timestamp":
            return pa.int64()
        case "date":
            return pa.int32()
        case "decimal":
            return pa.int64()
        case "vector":
            return pa.list_(pa.float64())
        case "list":
            assert dtype.item is not None
            return pa.list_(storage_type(dtype.item))
        case "map":
            assert dtype.item is not None and dtype.key is not None
            return pa.map_(storage_type(dtype.key), storage_type(dtype.item))
        case _:
            return arrow_type(dtype)


def arrow_column(values: Sequence[Value], dtype: DType) -> pa.Array[Any]:
    """Canonical values as an Arrow column of the type that users see."""
    if (dtype.item or dtype).kind == "decimal":  # Arrow has no cast from unscaled integers
        return pa.array([python_value(value, dtype) for value in values], arrow_type(dtype))
    return pa.array(values, storage_type(dtype)).cast(arrow_type(dtype))


def pandas_frame(table: pa.Table) -> Any:
    """An Arrow table as a pandas frame that holds the same values: integers and booleans with nulls as nullable
    types, lists as lists, maps as dicts."""
    import pandas as pd

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    held = {column.type for column in table.columns if column.null_count}
    frame = table.to_pandas(types_mapper=lambda kind: nullable.get(kind) if kind in held else None)
    for place, column in enumerate(table.columns):
        if pa.types.is_nested(column.type):  # as arrays, integers beside a null would be floats
            frame.isetitem(place, pd.Series(column.to_pylist(maps_as_pydicts="strict"), dtype=object).array)
    return frame
