"""What tables hold: one hash of a static source's canonical rows, whatever their order, files or compression (R20), and
one of the bytes of a table in memory."""

from __future__ import annotations

from hashlib import sha256
from io import RawIOBase
from typing import Any

import duckdb
import pyarrow as pa

from featurestore.offline.columns import held
from featurestore.offline.connection import quoted
from featurestore.plan.nodes import Scan, digest
from featurestore.semantics.identity import sql_digest


def content_of(connection: duckdb.DuckDBPyConnection, scan: Scan, relation: str) -> str:
    """The content of a static source whose scanned rows a relation holds; empty for a source with times.

    The hashes of the rows are added up in two exact halves, so their order does not matter and nothing is sorted. Of
    a source with a RowId, a row that stands there twice is one row (R6).
    """
    if scan.event_at is not None:
        return ""
    columns = [
        (quoted(held(column.name)), column.dtype) for column in sorted(scan.columns, key=lambda column: column.name)
    ]
    halves = [f"sum(CAST('0x' || substr(digest, {start}, 16) AS UBIGINT))" for start in (1, 17)]
    once = "DISTINCT " if scan.row_id else ""
    [sums] = connection.execute(
        f"SELECT CAST(count(*) AS VARCHAR), {', '.join(f'CAST({half} AS VARCHAR)' for half in halves)}\n"
        f"FROM (SELECT {once}{sql_digest(columns)} AS digest FROM {relation} WHERE usable)"
    ).fetchall()
    return digest(list(sums))


def hash_of_table(table: pa.Table) -> tuple[int, str]:
    """The size and the SHA-256 of a table in memory as an Arrow stream, in however many pieces it is."""
    sink = _Hash()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return sink.size, sink.digest.hexdigest()


class _Hash(RawIOBase):
    """A file that keeps the hash of its bytes and their number, and nothing else."""

    def __init__(self) -> None:
        self.digest, self.size = sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += len(data)
        return len(data)
