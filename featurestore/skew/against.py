"""Another system's vectors: a Parquet file of keys, an instant and values, read as what our feature set would give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from featurestore.errors import InputError, MissingAsOf, MissingColumn, NaiveTime, did_you_mean
from featurestore.offline.columns import NAIVE, canonical_column
from featurestore.offline.connection import connect, define_zone, quoted
from featurestore.offline.files import file_list
from featurestore.plan.nodes import Output, Plan
from featurestore.plan.pruned import pruned
from featurestore.semantics.dtypes import TIMESTAMP, DType
from featurestore.semantics.instants import FIRST_US, LAST_US
from featurestore.skew.compare import Served

REQUEST_ID = "request_id"


def served_elsewhere(
    plan: Plan, path: Path, as_of: str, *, names: Mapping[str, str] | None = None, zone: str | None = None
) -> tuple[Served, list[str]]:
    """The vectors of a file, and what is worth knowing of how they were read.

    The file has a column for each input of the feature set, the instants in `as_of`, and values under the features'
    names or those that `names` gives, theirs to ours; features that it lacks are left out. Times without a zone are
    read in `zone`. Values are taken as they are: what a narrower type holds is widened.
    Raises: MissingColumn, MissingAsOf, NaiveTime, InputError  when the file does not fit.
    """
    if not path.is_file():
        raise InputError(
            f"there is no file `{path.name}`", where=str(path.parent), fix="give the path of a Parquet file"
        )
    connection = connect([path.parent])
    try:
        if zone:
            define_zone(connection, zone)
        relation = f"read_parquet({file_list([path.resolve()])}, hive_partitioning = false)"
        types = described(connection, relation, path)
        notes: list[str] = []
        _check_columns(plan, types, as_of, path)
        outputs = _outputs(plan, types, names or {}, path)
        columns = [f"{read_as(as_of, types[as_of], TIMESTAMP, zone, path)} AS as_of_us"]
        columns += [
            f"{read_as(each.name, types[each.name], each.dtype, zone, path, notes)} AS {quoted(f'i_{each.name}')}"
            for each in plan.inputs
        ]
        columns += [
            f"{read_as(theirs, types[theirs], output.dtype, zone, path)} AS {quoted(f'v.{output.name}')}"
            for theirs, output in outputs.items()
        ]
        request = f"CAST({quoted(REQUEST_ID)} AS VARCHAR)" if REQUEST_ID in types else "''"
        rows: pa.Table = connection.sql(
            f"SELECT * FROM (SELECT {request} AS request_id, {', '.join(columns)} FROM {relation})\n"
            f"WHERE as_of_us BETWEEN {FIRST_US} AND {LAST_US}"
        ).to_arrow_table()
        left = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0] - rows.num_rows
    finally:
        connection.close()
    if left:
        notes.append(f"{left:,} rows without a usable instant in `{as_of}` were left out")
    lacking = len(plan.outputs) - len(outputs)
    if lacking:
        notes.append(f"the file has no column for {lacking} of {len(plan.outputs)} features")
    kept = pruned(plan, {each.name for each in outputs.values()})
    return Served("another system", kept, [rows.append_column("served_us", rows.column("as_of_us"))]), notes


def described(connection: duckdb.DuckDBPyConnection, relation: str, path: Path) -> dict[str, str]:
    """The columns of a file of vectors with their types in DuckDB. Raises: InputError  when it is no Parquet."""
    try:
        found = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise InputError(
            "the vectors cannot be read", where=str(path), has=str(error).splitlines()[0], fix="give a Parquet file"
        ) from None
    return {str(name): str(kind) for name, kind, *_ in found}


def _outputs(plan: Plan, types: Mapping[str, str], names: Mapping[str, str], path: Path) -> dict[str, Output]:
    """The features by the names of their columns in the file."""
    ours = {output.name: output for output in plan.outputs}
    for theirs, name in names.items():
        if theirs not in types:
            raise MissingColumn(
                f"the file has no column `{theirs}`",
                where=str(path),
                has=list(types),
                fix=did_you_mean(theirs, list(types), "name a column of the file"),
            )
        if list(names.values()).count(name) > 1:
            raise InputError(
                f"several columns are said to be `{name}`",
                where=str(path),
                has=[each for each, ours_name in names.items() if ours_name == name],
                fix="name one of them",
            )
        if name not in ours:
            raise MissingColumn(
                f"`{name}` is no feature of `{plan.name}`",
                has=list(ours),
                fix=did_you_mean(name, list(ours), "name a feature of the set"),
            )
    renamed = set(names.values())
    by_column = {name: output for name, output in ours.items() if name in types and name not in renamed}
    by_column |= {theirs: ours[name] for theirs, name in names.items()}
    if not by_column:
        raise MissingColumn(
            f"the file has no column of a feature of `{plan.name}`",
            where=str(path),
            has=list(types),
            fix=f"call them as the features are called, or say which is which: `--name theirs={next(iter(ours))}`",
        )
    return by_column


def _check_columns(plan: Plan, types: Mapping[str, str], as_of: str, path: Path) -> None:
    if as_of not in types:
        raise MissingAsOf(
            f"the file has no column `{as_of}`",
            where=str(path),
            has=list(types),
            fix=did_you_mean(as_of, list(types), "name the column that holds the instants with `--as-of`"),
        )
    for each in plan.inputs:
        if each.name not in types:
            raise MissingColumn(
                f"the file lacks the input `{each.name}`",
                where=str(path),
                has=list(types),
                fix=did_you_mean(each.name, list(types), "write it beside the values"),
            )


def read_as(name: str, stored: str, dtype: DType, zone: str | None, path: Path, notes: list[str] | None = None) -> str:
    """A column as canonical values. What only looks like another type is read as what it says, and noted."""
    column = quoted(name)
    if (dtype.item or dtype).kind == "timestamp" and stored in NAIVE and not zone:
        raise NaiveTime(
            f"the times in `{name}` have no zone", where=str(path), has=stored, fix="say which it is with `--zone`"
        )
    if stored in ('"NULL"', "NULL"):
        return f"CAST(NULL AS {_STORED.get(dtype.kind, 'BIGINT')})"
    text = canonical_column(column, stored, dtype, zone)
    if dtype.kind == "map":
        text = _map_as(column, stored, dtype, zone)
    if text is None and dtype.kind == "int64" and stored in ("FLOAT", "DOUBLE"):
        text = f"CASE WHEN {column} = floor({column}) THEN TRY_CAST({column} AS BIGINT) END"
    if text is None and dtype.kind == "string":
        text = f"CAST({column} AS VARCHAR)"
    if text is None and dtype.kind == "float64":
        text = f"fs_finite(TRY_CAST({column} AS DOUBLE))"
    if text is None:
        raise InputError(
            f"the column `{name}` cannot be {dtype}", where=str(path), has=stored, fix=f"write it as {dtype}"
        )
    if notes is not None and _differs(stored, dtype):
        notes.append(f"`{name}` is {stored} in the file and {dtype} in the definition")
    return text


_MAP = re.compile(r"MAP\(([^,()]+), (.+)\)")


def _map_as(column: str, stored: str, dtype: DType, zone: str | None) -> str | None:
    """A map as canonical values, key by key and value by value; None where it holds other types."""
    found = _MAP.fullmatch(stored)
    if found is None or dtype.key is None or dtype.item is None:
        return None
    keys = canonical_column("e", found[1], dtype.key, zone)
    values = canonical_column("e", found[2], dtype.item, zone)
    if keys is None or values is None:
        return None
    listed = (
        f"list_transform(map_keys({column}), lambda e: {keys})",
        f"list_transform(map_values({column}), lambda e: {values})",
    )
    return f"map({listed[0]}, {listed[1]})"


_STORED = {"bool": "BOOLEAN", "float64": "DOUBLE", "string": "VARCHAR", "date": "INTEGER"}
_OWN = {"int64": ("INT",), "string": ("VARCHAR", "ENUM", "UUID"), "bool": ("BOOLEAN",)}


def _differs(stored: str, dtype: DType) -> bool:
    """Whether a file holds an input as another kind of thing than it is declared as."""
    own = _OWN.get(dtype.kind)
    return own is not None and not any(part in stored for part in own)
