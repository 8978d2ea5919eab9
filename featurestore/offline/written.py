"""Training sets as Parquet files: the same rows give the same bytes, however they come in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import InputError
from featurestore.plan.nodes import Plan
from featurestore.semantics.statuses import STATUS_NAMES

GROUP_ROWS = 122_880
"""Rows of a row group. A file is written group by group, each from one piece of memory, so that nobody sees in its
bytes in which portions the rows came."""


class Writer:
    """Writes the rows of a training set in their order; every portion but the last has whole groups."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._short = False

    def write(self, table: pa.Table) -> None:
        """Write some rows behind those that are written."""
        assert not self._short, "only the last portion may end within a group"
        for first in range(0, table.num_rows, GROUP_ROWS):
            self._file.write_table(_whole(table.slice(first, GROUP_ROWS)), row_group_size=GROUP_ROWS)
        self._short = bool(table.num_rows % GROUP_ROWS)

    def close(self) -> None:
        """Write the end of the file."""
        self._file.close()


def write_table(table: pa.Table, path: Path, schema: pa.Schema | None = None) -> None:
    """Write a whole training set; `schema` is that of the table, where it has metadata for the file."""
    writer = Writer(path, schema or table.schema)
    try:
        writer.write(table)
    finally:
        writer.close()


@contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """A path to write to, which gets its name when all went well and is removed when it did not.

    Raises: InputError  when it cannot be written to.
    """
    target = Path(path)
    partial = target.with_suffix(".parquet.partial")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"`{target}` cannot be written",
            has=error.strerror or str(error),
            fix="write into a folder that is there",
        ) from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def side_by_side(spine: pa.Table, features: pa.Table, plan: Plan, *, statuses: bool) -> pa.Table:
    """Rows of the spine with their features, as people see them: a status is a word."""
    codes = {f"{output.name}__status" for output in plan.outputs} if statuses else set()
    for name in features.column_names[1:]:
        column = features.column(name)
        if name in codes:
            column = pa.chunked_array([pa.array(STATUS_NAMES).take(chunk) for chunk in column.chunks], pa.string())
        spine = spine.append_column(name, column)
    return spine.replace_schema_metadata(None)


def check_target(path: str | Path) -> None:
    """Refuse a path that is none of a Parquet file. Raises: InputError."""
    target = Path(path)
    if target.suffix != ".parquet":
        raise InputError(
            f"`{target.name}` is no Parquet file",
            where=str(target.parent),
            fix="write to a path that ends with .parquet",
        )


def _whole(table: pa.Table) -> pa.Table:
    """A table of one piece for each column; a dictionary holds what the rows have, in the order in which they do."""
    table = table.combine_chunks()
    for place, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            kind: Any = column.type
            plain = table.column(place).cast(kind.value_type)
            table = table.set_column(place, column, plain.dictionary_encode().cast(kind))
    return table
