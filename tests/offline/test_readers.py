"""Files that a Query or a glob reads: their types come from all rows, and unlike files are read by the declaration."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from featurestore import (
    Csv,
    FeatureStore,
    Parquet,
    Query,
)
from featurestore.errors import InputError, InvalidDefinition
from featurestore.offline.bounded import Bounds
from featurestore.offline.dataset import build_dataset
from featurestore.offline.queries import query_sql
from tests.offline.entrances import EVERY, NOON, SPINE_ROW, T, both_roads, csv_of, put, trained, values


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without definitions."""
    (tmp_path / "featurestore.toml").write_text('project = "t"\n')
    return tmp_path


CSV = "k,v,at\n" + "1,2,2024-01-01T00:00:00Z\n" * 21_000 + "1,2.75,2024-01-01T00:00:00Z\n"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('e.csv')",
        "SELECT k, v + 0 AS v, \"at\" FROM read_csv_auto(['e.csv'], delim = ',')",
        "FROM read_csv('e.csv', types = {'v': 'VARCHAR'})",
        "FROM read_csv('e.csv', all_varchar := true)",
        "SELECT read_csv.* FROM read_csv('e.csv' /* ) */, null_padding = true)",
        "SELECT * FROM read_json('e.jsonl')",
        "SELECT * FROM read_ndjson_auto('e.jsonl') AS e WHERE e.k = 1",
    ],
)
def test_a_query_types_csv_and_json_by_all_rows(query: str, tmp_path: Path) -> None:
    """A fraction behind 20,480 whole numbers, and a key first seen there, are read."""
    (tmp_path / "e.csv").write_text(CSV)
    lines = ['{"k": 1, "at": "2024-01-01T00:00:00Z", "v": 2}'] * 21_000
    (tmp_path / "e.jsonl").write_text("\n".join([*lines, lines[0].replace("2}", '2.75, "late": [1]}')]) + "\n")
    found = values(Query(query), tmp_path)
    assert (len(found), found[-1]) == (21_001, 2.75)


@pytest.mark.parametrize(
    ("rows", "dtype", "found"),
    [
        ('{"v": 9007199254740993}\n{"v": 0.5}\n', str, ["0.5", "9007199254740993"]),
        ('{"v": 123456789012345678901234}\n', str, ["123456789012345678901234"]),
        ('{"v": "2024-01-01"}\n{"v": "2024-01-02"}\n', str, ["2024-01-01", "2024-01-02"]),
        ('{"v": "2024-01-01T00:00:00Z"}\n', str, ["2024-01-01T00:00:00Z"]),
        ('{"v": "2024-01-01"}\n{"v": "2024-01-02"}\n', date, [19723, 19724]),
        ('{"v": null}\n', str, [None]),
        ('{"v": []}\n', list[int], [[]]),
        ('{"v": [1, 2.5]}\n', list[float], [[1.0, 2.5]]),
    ],
)
def test_json_is_read_as_it_is_written(rows: str, dtype: Any, found: list[Any], tmp_path: Path) -> None:
    """Digits are not rounded into doubles, and a text is a text: only a declaration makes it a day."""
    (tmp_path / "e.jsonl").write_text(rows.replace("{", '{"k": 1, "at": "2024-01-01T00:00:00Z", '))
    assert values(Query("FROM read_json('e.jsonl')"), tmp_path, dtype) == found


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("FROM read_csv('e.csv', dateformat = '%d/%m/%Y')", "says how values are written and not of which columns"),
        ("FROM read_csv('e.csv', names = ['a', 'b', 'c'])", "says nothing of a header"),
        ("FROM read_csv('e.csv', all_varchar = false)", "lets DuckDB guess types"),
        ("FROM read_json('e.jsonl', sample_size = 5)", "says how DuckDB guesses types, `sample_size`"),
        ("FROM read_csv('semicolons.csv')", "cannot be read"),
        ("FROM read_csv('twice.csv')", "has the column `v` 2 times"),
    ],
)
def test_a_query_that_asks_to_guess_is_refused(sql: str, says: str, tmp_path: Path) -> None:
    """The error says how to name the types, and what the file holds."""
    (tmp_path / "e.csv").write_text("k,v,at\n1,2,x\n")
    (tmp_path / "e.jsonl").write_text("{}\n")
    (tmp_path / "semicolons.csv").write_text("k;v;at\n1;2;x\n")
    (tmp_path / "twice.csv").write_text("k,v,v\n1,2,x\n")
    with pytest.raises((InvalidDefinition, InputError), match=says) as caught:
        query_sql("E", Query(sql), tmp_path)
    assert caught.value.where and caught.value.has and caught.value.fix


def test_a_query_says_how_a_csv_is_written(tmp_path: Path) -> None:
    """Another separator, comma and date format are read by the types that are named with them."""
    (tmp_path / "e.csv").write_text("k;v;at\n1;1,5;31/12/2023\n")
    query = Query(
        "SELECT k, v, \"at\"::TIMESTAMPTZ AS \"at\" FROM read_csv('e.csv', delim = ';', dateformat = '%d/%m/%Y', "
        "decimal_separator = ',', types = {'v': 'DOUBLE', 'at': 'DATE'})"
    )
    assert values(query, tmp_path) == [1.5]


def test_the_files_of_a_glob_are_read_by_the_declared_type(project: Path) -> None:
    """Whole numbers in one file and fractions in another: a source and a query have 4.75 on both roads."""
    put(project / "1.parquet", v=pa.array([2]))
    put(project / "2.parquet", v=pa.array([2.75]))
    assert both_roads(project, Query("SELECT * FROM read_parquet('*.parquet')")) == [4.75, 4.75]
    assert both_roads(project, Parquet("*.parquet")) == [4.75, 4.75]


UNLIKE: list[tuple[Any, Any, Any, list[Any]]] = [
    (pa.array([2**53 + 1]), pa.array([0.5]), float, [0.5, None]),
    (pa.array([2**53 + 1]), pa.array([7.0]), int, [2**53 + 1, 7]),
    (pa.array(["7"]), pa.array([8]), int, [7, 8]),
    (pa.array([Decimal("1.5")]), pa.array([Decimal("2.25")]), float, [1.5, 2.25]),
    (pa.array([None]), pa.array(["x"]), str, [None, "x"]),
    (pa.array([1], pa.int8()), pa.array([2**62]), int, [1, 2**62]),
]


@pytest.mark.parametrize(("one", "two", "dtype", "found"), UNLIKE)
def test_each_file_is_read_by_itself(one: Any, two: Any, dtype: Any, found: list[Any], tmp_path: Path) -> None:
    """What the type cannot hold is a bad value, whatever another file has; a column that a file lacks is null."""
    put(tmp_path / "1.parquet", v=one)
    put(tmp_path / "2.parquet", v=two)
    assert values(Parquet("*.parquet"), tmp_path, dtype) == sorted(found, key=str)
    put(tmp_path / "3.parquet")
    assert values(Parquet("*.parquet"), tmp_path, dtype) == sorted([*found, None], key=str)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (pa.array([2**53 + 1]), pa.array([0.5])),
        (pa.array([0.5]), pa.array([2**53 + 1])),
        (pa.array(["7"]), pa.array([8])),
        (pa.array([NOON]), pa.array([T])),
        (pa.array([Decimal("1.5")]), pa.array([Decimal("2.25")])),
    ],
)
def test_a_query_over_files_of_types_that_none_holds_is_refused(one: Any, two: Any, tmp_path: Path) -> None:
    """The error names both files and both types."""
    put(tmp_path / "1.parquet", v=one)
    put(tmp_path / "2.parquet", v=two)
    for sql in (
        "FROM read_parquet('*.parquet')",
        "FROM parquet_scan(['1.parquet', '2.parquet'], union_by_name = true)",
    ):
        with pytest.raises(InputError, match="other types for `v`") as caught:
            query_sql("E", Query(sql), tmp_path)
        assert "1.parquet" in str(caught.value.has) and "2.parquet" in str(caught.value.has) and caught.value.fix


def test_d_files_are_read_once_whatever_their_names(tmp_path: Path) -> None:
    """Letters of patterns in files, in folders and in the project's own path are letters."""
    root = tmp_path / "n*r[1]"
    for folder in (root, tmp_path / "neighbour1"):
        folder.mkdir()
        (folder / "featurestore.toml").write_text('project = "t"\n')
        for name, value in (("a", 1.0), ("b[x]", 10.0), ("bx", 100.0), ("c?", 1000.0)):
            put(folder / f"{name}.parquet", v=[value])
            (folder / f"{name}.csv").write_text(f"k,v,at\n1,{value},2024-01-01T00:00:00Z\n")
    every = [1.0, 10.0, 100.0, 1000.0]
    assert both_roads(root, Parquet("*.parquet")) == [sum(every)] * 2
    for data in (Csv("*.csv"), Query("FROM read_csv('*.csv')"), Query("FROM read_parquet('*.parquet')")):
        assert sorted(values(data, root)) == every
    for data in (Parquet("b[x].parquet"), Query("FROM read_parquet('b[x].parquet')"), Csv("b[x].csv")):
        assert values(data, root) == [10.0]
    assert values(Parquet("b[a-x].parquet"), root) == [100.0]
    row = csv_of([SPINE_ROW])
    (root / "s[1].csv").write_text(row)
    (root / "s1.csv").write_text(row * 2)
    for spine in ("s[1].csv", "SELECT * REPLACE (k::VARCHAR AS k, price::DECIMAL(6,2) AS price) FROM 's[1].csv'"):
        assert len(trained(root, spine, to=root / "t[1].parquet")) == 1
    bounds = Bounds("200MB", root / ".featurestore", buckets=2)
    with FeatureStore(root) as store:
        done = build_dataset(store.plan(EVERY), "s[1].csv", "t", store.history, bounds=bounds, to=root / "t[2].parquet")
    assert done.to_arrow()["shopping__n"].to_pylist() == [1]


def test_d_a_folder_and_a_backslash_are_told(tmp_path: Path) -> None:
    """A folder is no file; its error says how to name what is in it."""
    (tmp_path / "data").mkdir()
    put(tmp_path / "data" / "a.parquet", v=[1.0])
    (tmp_path / "data" / "sub").mkdir()
    for data in (Parquet("data"), Query("FROM read_parquet('data')")):
        with pytest.raises(InputError, match="is a folder") as caught:
            values(data, tmp_path)
        assert "data/**/*.parquet" in str(caught.value.fix)
    assert values(Parquet("data/*"), tmp_path) == [1.0]
    (tmp_path / "data" / "again.parquet").symlink_to(tmp_path / "data" / "a.parquet")
    assert values(Parquet("data/*"), tmp_path) == [1.0]
    put(tmp_path / "b\\[x].parquet", v=[1.0])
    with pytest.raises(InputError, match="backslash"):
        values(Parquet("b*.parquet"), tmp_path)
