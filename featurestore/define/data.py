"""Where a source's history is: files, a query over files, a table of a DuckDB file, or a frame.

Nothing here is opened until a dataset or a state is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from featurestore.errors import InvalidDefinition


@dataclass(frozen=True, slots=True)
class Parquet:
    """Parquet files: a path or a glob, relative to the project's folder."""

    path: str


@dataclass(frozen=True, slots=True)
class Csv:
    """CSV files with a header line, commas, and `"` around values: a path or a glob, relative to the project's folder.
    Instants are ISO 8601 text."""

    path: str


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT over files below the project's folder: `Query("SELECT * FROM read_parquet('data/*.parquet')")`.

    It must give the same rows whenever it runs on the same files.
    """

    sql: str

    def __post_init__(self) -> None:
        words = self.sql.split(maxsplit=1) if isinstance(self.sql, str) else []
        if not words or words[0].lower() not in ("select", "with", "from"):
            raise InvalidDefinition(
                f"`Query({self.sql!r:.60})` is no SELECT",
                has="SELECT, WITH or FROM as the first word",
                fix="write `Query(\"SELECT ... FROM read_parquet('data/*.parquet')\")`",
            )


@dataclass(frozen=True, slots=True)
class DuckDBTable:
    """A table of a DuckDB file, which is opened to read; `table` may name its schema, `"shop.orders"`."""

    path: str
    table: str


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A table in memory: pandas, polars or Arrow."""

    table: Any


Data = Parquet | Csv | Query | DuckDBTable | Frame
