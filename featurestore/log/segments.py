"""Sealed rows: Parquet files `<first>-<last>.parquet` whose names say which positions they hold, without gaps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.log.disk import damaged, sync, told

_COLUMNS: dict[str, pa.DataType] = {"position": pa.int64(), "known_at_us": pa.int64(), "body": pa.string()}
SCHEMA = pa.schema(_COLUMNS)


class Segment(NamedTuple):
    """A sealed file and the positions it holds, both ends included."""

    first: int
    last: int
    path: Path


def segments_in(folder: Path) -> list[Segment]:
    """The segments of one source, oldest first; temporary files are not among them."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    paths = [folder / name for name in names if name.endswith(".parquet")]
    return [Segment(int(path.stem[:20]), int(path.stem[21:]), path) for path in paths]


def to_table(positions: Sequence[int], instants: Sequence[int], bodies: Sequence[str]) -> pa.Table:
    """Rows as Arrow, in the columns of SCHEMA."""
    columns = zip((positions, instants, bodies), SCHEMA.types, strict=True)
    return pa.table([pa.array(values, kind) for values, kind in columns], schema=SCHEMA)


def write(folder: Path, first: int, last: int, tables: Iterable[pa.Table]) -> Path:
    """Write one segment, one row group for each table, and return its path once it is on disk under its name."""
    if not folder.is_dir():
        folder.mkdir()
        sync(folder.parent)
    for left in folder.glob("*.tmp"):
        left.unlink()
    path = folder / f"{first:020}-{last:020}.parquet"
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            with pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=False) as writer:
                for table in tables:
                    writer.write_table(table)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(folder)
    except BaseException:
        temporary.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return path


def read(segment: Segment, after: int, upto: int, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows with after < position <= upto, counted off: only the row groups that hold them are read."""
    with told(segment.path), _opened(segment.path) as file:
        groups: list[int] = []
        begin = position = segment.first
        for group in range(file.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            if begin <= upto and end > after + 1:
                position = position if groups else begin
                groups.append(group)
            begin = end
        for batch in file.iter_batches(batch_size=rows, row_groups=groups):
            start, stop = max(after + 1 - position, 0), min(upto + 1 - position, batch.num_rows)
            position += batch.num_rows
            if start < stop:
                yield batch.slice(start, stop - start)


def last_known_at_us(segment: Segment) -> int:
    """The greatest `known_at_us` of a segment.

    Raises: StoreUnavailable  if the file does not hold as many rows as its name says.
    """
    with told(segment.path), _opened(segment.path) as file:
        instants = file.read(columns=["known_at_us"]).column(0)
    if len(instants) != segment.last - segment.first + 1:
        raise damaged(segment.path.parent.name, segment.path, f"{len(instants)} rows")
    return int(pc.max(instants).as_py())


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise damaged(path.parent.name, path, str(error)) from error
