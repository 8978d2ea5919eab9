"""What a source's data is to DuckDB: relations that hold its rows, each with one type a column.

The files of one glob may have been written with different types. Files of one schema are one relation, and each
relation is read by the declared types (R8), so nothing is widened or narrowed on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import duckdb

from featurestore.define.data import Csv, Data, DuckDBTable, Frame, Parquet, Query
from featurestore.errors import InputError
from featurestore.offline.connection import CSV_DIALECT, literal, quoted
from featurestore.offline.files import (
    alike_parquet,
    csv_names,
    file_list,
    found_files,
    hive_names,
    hive_options,
    parquet_names,
)
from featurestore.offline.queries import query_files, query_sql, where_of
from featurestore.plan.nodes import Scan
from featurestore.tables import arrow_table


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows as DuckDB text, and the names of their columns as the data has them, where DuckDB might rename one."""

    sql: str
    names: tuple[str, ...] = ()


def files_of(source: str, data: Parquet | Csv | DuckDBTable | Query, root: Path) -> list[Path]:
    """The files of a source, sorted. Raises: InputError  when there are none."""
    if isinstance(data, Query):
        return query_files(source, data, root)
    whose = f"the source `{source}`"
    return found_files(data.path, root, whose, where_of(data), lacking=f"{whose} has no files")


def relations_of(
    connection: duckdb.DuckDBPyConnection, scan: Scan, data: Data, root: Path, file_column: str | None = None
) -> list[Relation]:
    """The relations that hold a source's rows; rows of files have their file in `file_column`.

    Raises: InputError, InvalidDefinition  when there are no such data.
    """
    match data:
        case Parquet():
            files = files_of(scan.source, data, root)
            options = _options({"union_by_name": "true"} | hive_options(files, root), file_column)
            folders = hive_names(files, root)
            return [
                Relation(f"read_parquet({file_list(group)}{options})", (*parquet_names(group[0]), *folders))
                for group in alike_parquet(files)
            ]
        case Csv():
            files = files_of(scan.source, data, root)
            told = {"all_varchar": "true", "union_by_name": "true"} | CSV_DIALECT | hive_options(files, root)
            what, where = f"the data of `{scan.source}` cannot be read", where_of(data)
            names = max((csv_names(file, ",", what, where) for file in files), key=_crowded)
            return [
                Relation(
                    f"read_csv({file_list(files)}{_options(told, file_column)})", (*names, *hive_names(files, root))
                )
            ]
        case Query():
            sql = query_sql(scan.source, data, root, connection)
            described = connection.execute(f"DESCRIBE {sql}\n").fetchall()
            return [Relation(f"(\n{sql}\n)", tuple(str(name) for name, *_ in described))]
        case DuckDBTable():
            return [Relation(_attached(connection, scan, data, root))]
        case Frame():
            name = f"frame_{scan.source}"
            table = arrow_table(data.table, f"the data of `{scan.source}`")
            connection.register(name, table)
            return [Relation(quoted(name), tuple(table.column_names))]


def _crowded(names: Sequence[str]) -> int:
    """How many names of a header are there before, in any case."""
    return len(names) - len({name.lower() for name in names})


def _options(options: dict[str, str], file_column: str | None) -> str:
    named = options | ({"filename": literal(file_column)} if file_column else {})
    return "".join(f", {name} = {text}" for name, text in named.items())


def _attached(connection: duckdb.DuckDBPyConnection, scan: Scan, data: DuckDBTable, root: Path) -> str:
    """The table's name, once its file is attached to read; two sources may share a file."""
    files = files_of(scan.source, data, root)
    where = where_of(data)
    if len(files) > 1:
        raise InputError(
            f"`{data.path}` names {len(files)} files", where=where, has=[str(file) for file in files], fix="name one"
        )
    name = quoted(f"file_{md5(str(files[0]).encode(), usedforsecurity=False).hexdigest()}")
    try:
        connection.execute(f"ATTACH IF NOT EXISTS {literal(str(files[0]))} AS {name} (READ_ONLY)")
    except duckdb.Error as error:
        raise InputError(
            f"the DuckDB file of `{scan.source}` cannot be opened",
            where=where,
            has=str(error).splitlines()[0],
            fix="name a DuckDB file that no other process is writing to",
        ) from None
    return ".".join([name, *(quoted(part) for part in data.table.split("."))])
