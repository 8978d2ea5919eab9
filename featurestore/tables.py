"""Tables at the edges: whatever a user has as Arrow, and canonical values as Arrow columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, assert_never, cast

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import InputError, InvalidValue, a_kind
from featurestore.semantics.dtypes import DType, Value, python_value
from featurestore.semantics.foreign import day_at, moment_at, of_python
from featurestore.semantics.instants import Far


def arrow_table(table: object, what: str) -> pa.Table:
    """A pandas, polars or Arrow table, or a list of dicts, as Arrow. Raises: InputError  for anything else."""
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    frame: Any = table
    if type(table).__module__.split(".")[0] == "pandas" and hasattr(table, "columns"):
        return _table_of_pandas(frame, what)
    if hasattr(table, "to_arrow"):
        return pa.table(table.to_arrow())
    if isinstance(table, list) and all(isinstance(row, dict) for row in table):
        return _table_of_dicts(table, what)
    raise InputError(
        f"{what} is {a_kind(table)}, not a table",
        has=["pandas", "polars", "pyarrow.Table", "a list of dicts"],
        fix="hand in one of these",
    )


def rows_of(table: object, what: str) -> Sequence[Mapping[str, Any]]:
    """A dict, a list of dicts, or a table as `arrow_table` takes it, as a dict for each row; nanoseconds are floored
    (R1). Raises: InputError  for anything else."""
    if isinstance(table, dict | Mapping):
        return [table]
    if isinstance(table, list | Sequence) and not isinstance(table, str):
        kinds = set(map(type, table))  # few: to ask each row would cost more than to read it
        if kinds == {dict} or all(issubclass(kind, Mapping) for kind in kinds):
            return table
    found = arrow_table(table, what)
    if twice := [name for name in found.column_names if found.column_names.count(name) > 1]:  # a dict would have one
        raise InputError(
            f"{what} has two columns `{twice[0]}`", has=found.column_names, fix="rename one, or leave it out"
        )
    for place, column in enumerate(found.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":  # Python has no such time
            floored = pc.floor_temporal(found.column(place), unit="microsecond")
            found = found.set_column(place, column.name, floored.cast(pa.timestamp("us", column.type.tz)))
    return python_rows(found)


def python_rows(table: pa.Table) -> list[dict[str, Any]]:
    """A table as a dict for each row; a time outside the years 1 to 9999, which a column of the caller's own may hold,
    is a `Far`."""
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows
    except (OverflowError, ValueError):
        columns = [[_of_python(each) for each in column] for column in table.columns]
        return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _of_python(found: pa.Scalar[Any]) -> Any:
    """A value of Arrow as one of Python; a time outside the years 1 to 9999 as a `Far`."""
    kind, scalar = found.type, cast("Any", found)
    if not found.is_valid:
        return None
    if pa.types.is_timestamp(kind):
        number = scalar.value // 1_000 if kind.unit == "ns" else scalar.value * _UNITS_US[kind.unit]
        return moment_at(number, "local" if kind.tz is None else "instant")
    if pa.types.is_date(kind):
        return day_at(scalar.value if kind == pa.date32() else scalar.value // 86_400_000)
    if isinstance(found, (pa.ListScalar, pa.LargeListScalar, pa.FixedSizeListScalar)):
        return [_of_python(each) for each in scalar.values]
    return found.as_py()


_UNITS_US = {"s": 1_000_000, "ms": 1_000, "us": 1}


def _table_of_dicts(rows: list[dict[str, Any]], what: str) -> pa.Table:
    for place, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise InputError(
                f"the rows of {what} have different columns",
                where=f"row {place}",
                has=[str(name) for name in row],
                fix=f"give every row the columns {', '.join(map(str, rows[0]))}; null is a value",
            )
    names = [str(name) for name in rows[0]] if rows else []
    columns = [_array([row[name] for row in rows], str(name), what) for name in (rows[0] if rows else ())]
    return pa.table(columns, names=names)


def _array(values: list[Any], name: str, what: str) -> pa.Array[Any]:
    if {type(value).__name__ for value in values if value is not None} == {"float32"}:  # a whole one may be rounded
        return pa.array(values, pa.float32())
    if any(kind.__module__.partition(".")[0] in ("numpy", "pandas") for kind in set(map(type, values))):
        values = [of_python(value) for value in values]
    if far := next((value for value in values if isinstance(value, Far)), None):
        raise InvalidValue(
            f"{what} has a time outside the years 1 to 9999",
            where=f"its column `{name}`",
            has=str(far),
            fix="leave the row out, or write null",
        )
    try:
        column: pa.Array[Any] = pa.array(_as_texts(values) if _are_unlike_times(values) else values)
        return column
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"{what} has values of several types in one column",
            where=f"its column `{name}`",
            has=str(error),
            fix="give the column one type; null is None, not NaN",
        ) from None


def _are_unlike_times(values: Sequence[Any]) -> bool:
    """Whether times with a zone and without, or times and days, are in one column or its lists: Arrow takes the zone
    of the first for all, or drops the time of day."""
    kinds = {type(value) for value in values}
    if any(issubclass(kind, (list, tuple)) for kind in kinds):
        values = [item for value in values if isinstance(value, (list, tuple)) for item in value]
        kinds = {type(value) for value in values}
    if not any(issubclass(kind, date) for kind in kinds):
        return False
    days = any(issubclass(kind, date) and not issubclass(kind, datetime) for kind in kinds)
    zones = {value.tzinfo is None for value in values if isinstance(value, datetime) and value == value}
    return len(zones) + days > 1


def _as_texts(values: Sequence[Any]) -> list[Any]:
    """Times as ISO 8601 texts, each with its own offset or without one; NaT is null."""
    return [
        _as_texts(value)
        if isinstance(value, (list, tuple))
        else (value.isoformat() if value == value else None)
        if isinstance(value, date)
        else value
        for value in values
    ]


def _table_of_pandas(frame: Any, what: str) -> pa.Table:
    names = [str(name) for name in frame.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{what} has two columns `{twice[0]}`", has=names, fix="rename one, or leave it out")
    for place in range(len(names)):
        column = frame.iloc[:, place]
        if column.dtype == object and _are_unlike_times(values := column.tolist()):
            frame = frame.copy(deep=False)
            frame.isetitem(place, _as_texts(values))
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        # Arrow names the column in the last of what it says
        said = [str(part) for part in error.args]
        raise InputError(
            f"{what} has values of several types in one column",
            where=said[-1],
            has=said[0],
            fix="give the column one type; null is None, not NaN",
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
