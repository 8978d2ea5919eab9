"""Connections: what DuckDB may do, and how it plans what we ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurestore.offline.connection import connect


@pytest.mark.parametrize("questions", [3, 3_000])
def test_the_latest_row_is_no_loop_over_all_rows(tmp_path: Path, questions: int) -> None:
    """However few questions DuckDB takes them for: of a file behind a filter it can only guess how many there are."""
    path = tmp_path / "asked.parquet"
    with connect([tmp_path]) as connection:
        connection.execute("CREATE TEMP TABLE facts AS SELECT range AS us, range % 100 AS kind FROM range(100000)")
        connection.execute(f"COPY (SELECT range AS us, range % 100 AS kind FROM range({questions})) TO '{path}'")
        asked = f"SELECT * FROM read_parquet('{path}') WHERE kind = 3 AND us > 0"
        join = f"SELECT * FROM ({asked}) a ASOF LEFT JOIN facts f ON a.kind = f.kind AND a.us > f.us"
        [(_, plan)] = connection.execute(f"EXPLAIN {join}").fetchall()
    assert "asof" in plan.lower()
    assert "nested" not in plan.lower()
