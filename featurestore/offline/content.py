"""What a static table holds (R20): one hash of its canonical rows, whatever their order, files or compression."""

from __future__ import annotations

import duckdb

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
