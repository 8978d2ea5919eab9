"""Where a source's history is: files or a frame. Nothing here is opened until a dataset or a state is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parquet:
    """Parquet files: a path or a glob, relative to the project's folder."""

    path: str


@dataclass(frozen=True, slots=True)
class Csv:
    """CSV files with a header line: a path or a glob, relative to the project's folder. Instants are ISO 8601 text."""

    path: str


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A table in memory: pandas, polars or Arrow."""

    table: Any


Data = Parquet | Csv | Frame
