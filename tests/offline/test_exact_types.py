"""A value is taken where the declared type holds it exactly, whatever type and zone the data gives it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import (
    Column,
    Csv,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    Parquet,
    Query,
    Source,
    rows,
)
from featurestore.errors import InputError, InvalidValue, NaiveTime
from tests.offline.entrances import KV, NOON, NOON_US, SPINE_ROW, T, put, trained, values
from tests.offline.test_scan import scanned, source


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without definitions."""
    (tmp_path / "featurestore.toml").write_text('project = "t"\n')
    return tmp_path


def mixed(tmp_path: Path) -> list[Any]:
    """A time with a zone and one without, as files and as frames."""
    put(tmp_path / "a.parquet", at=pa.array([NOON.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")))
    put(tmp_path / "b.parquet", at=pa.array([NOON], pa.timestamp("us")))
    (tmp_path / "c.csv").write_text("k,at\n1,2024-01-01T12:00:00Z\n1,2024-01-01T12:00:00\n")
    times = [NOON.replace(tzinfo=UTC), NOON]
    return [
        Parquet("*.parquet"),
        Csv("c.csv"),
        pd.DataFrame({"k": [1, 1], "at": pd.Series(times, dtype=object)}),
        pd.DataFrame({"k": [1, 1], "at": pd.Series(times[::-1], dtype=object)}),
    ]


def test_c_a_time_without_a_zone_is_found_among_others(tmp_path: Path) -> None:
    """Without `zone=` it is refused; with it, it alone is read there."""
    columns = {"k": Column[int], "at": EventTime}
    for data in mixed(tmp_path):
        with pytest.raises(NaiveTime):
            scanned(source(data, columns), tmp_path)
        found = scanned(source(data, columns, zone="Europe/Rome"), tmp_path)
        assert sorted(row["event_at_us"] for row in found) == [NOON_US - 3_600_000_000, NOON_US], data


@pytest.mark.parametrize("make", [list, pd.DataFrame], ids=["dicts", "pandas"])
@pytest.mark.parametrize("reverse", [False, True])
def test_c_a_spine_with_one_time_without_a_zone_is_refused(
    make: Callable[[Any], Any], reverse: bool, project: Path
) -> None:
    """As a lookup as of that time is."""
    rows = [SPINE_ROW | {"amount": 1.0, "day": None, "t": each} for each in (T, NOON)]
    with pytest.raises(NaiveTime):
        trained(project, make(rows[::-1] if reverse else rows))


def test_c_lists_of_times_are_judged_item_by_item(tmp_path: Path) -> None:
    """Of an item without a zone the list is refused, or read in the source's zone."""
    frame = pd.DataFrame({"k": [1], "v": [[NOON.replace(tzinfo=UTC), NOON]], "at": [T]})
    with pytest.raises(NaiveTime):
        values(frame, tmp_path, list[datetime])
    assert values(frame, tmp_path, list[datetime], zone="Europe/Rome") == [[NOON_US, NOON_US - 3_600_000_000]]


def test_i_a_column_without_any_value_has_the_declared_type(project: Path) -> None:
    """In frames, files and spines of every make it is null."""
    put(project / "e.parquet", v=pa.array([None]))
    (project / "e.jsonl").write_text('{"k": 1, "v": null, "at": "2024-01-01T00:00:00Z"}\n')
    frame = pd.DataFrame({"k": [1], "v": [None], "at": [T]})
    queries = [Query("FROM read_parquet('e.parquet')"), Query("FROM read_json('e.jsonl')")]
    for data in (Parquet("e.parquet"), *queries, frame, pa.table(frame)):
        for dtype in (bool, int, float, str, datetime, date, list[str]):
            assert values(data, project, dtype) == [None]
    nothing = {"k": None, "t": T, "amount": None, "day": None, "price": None}
    put(project / "s.parquet", **{name: pa.array([None]) for name in ("amount", "day", "price")}, t=[T])
    for spine in ([nothing], pd.DataFrame([nothing]), "SELECT * REPLACE (NULL AS k) FROM 's.parquet'"):
        [row] = trained(project, spine)
        assert (row["asked__twice"], row["shopping__n"]) == (None, 0)


@pytest.mark.parametrize(
    ("column", "dtype", "found"),
    [
        (pa.array([Decimal(7)], pa.decimal128(38, 0)), int, 7),
        (pa.array([Decimal("7.00")]), int, 7),
        (pa.array([Decimal("7.50")]), int, None),
        (pa.array([Decimal(2**64)], pa.decimal128(38, 0)), int, None),
        (pa.array([7.0]), int, 7),
        (pa.array([7.5]), int, None),
        (pa.array([2.0**63]), int, None),
        (pa.array([2**63], pa.uint64()), float, None),
        (pa.array([7], pa.uint64()), float, 7.0),
        (pa.array([Decimal("0.1")]), float, 0.1),
        (pa.array([Decimal("12345678901234567890.123")]), float, 12345678901234567890.123),
        (pa.array([Decimal(2**53 + 1)], pa.decimal128(38, 0)), float, None),
        (pa.array([[7.0, None]]), list[int], [7, None]),
        (pa.array([[7.5, None]]), list[int], None),
        (pa.array([datetime(2024, 1, 2)]), date, 19724),
        (pa.array([NOON]), date, None),
    ],
)
def test_j_a_value_is_taken_where_the_declared_type_holds_it(
    column: Any, dtype: Any, found: Any, project: Path
) -> None:
    """Whatever type the data gives it; else it is a bad value, which is counted, and refused in a spine."""
    put(project / "e.parquet", v=column)
    for data in (Parquet("e.parquet"), pq.read_table(project / "e.parquet"), Query("FROM read_parquet('e.parquet')")):
        assert values(data, project, dtype) == [found]


def test_j_a_missing_integer_of_pandas_is_null_and_not_bad(project: Path) -> None:
    """NaN stands for it, in a source and in a spine; a fraction is a bad value there, and refused here."""
    frame = pd.DataFrame({"k": [1.0, None, 2.5], "v": [1, 2, 3], "at": [T] * 3})

    class Number(Entity):
        k: Column[int]

    class Numbered(Source, data=frame):
        k: Column[int]
        v: Column[float]
        at: EventTime

    class Numbers(FeatureView, entity=Number, source=Numbered):
        n = rows()

    numbers = FeatureSet("numbers", Numbers)
    spine = pd.DataFrame({"k": [1.0, None], "t": [datetime(2024, 2, 1, tzinfo=UTC)] * 2})
    with FeatureStore(project) as store:
        found = store.dataset(numbers, spine, as_of="t")
        assert found.to_arrow()["numbers__n"].to_pylist() == [1, 0]
        assert found.set_aside["Numbered"].bad_values == {"k": 1}
        with pytest.raises(InvalidValue, match=r"2\.5 is not a value of type int64"):
            store.dataset(numbers, spine.assign(k=[1.0, 2.5]), as_of="t")
        exact = pa.table({"k": pa.array([Decimal(1)], pa.decimal128(38, 0)), "t": pa.array([T])})
        assert store.dataset(numbers, exact, as_of="t").to_arrow()["numbers__n"].to_pylist() == [0]


def test_j_a_day_is_its_midnight_in_the_zone(tmp_path: Path) -> None:
    """Of a zone that is declared; without one it is a time without a zone."""
    columns = {"k": Column[int], "at": EventTime}
    put(tmp_path / "e.parquet", at=[date(2024, 1, 1), date(2024, 7, 1)], k=[1, 1])
    found = scanned(source(Parquet("e.parquet"), columns, zone="Europe/Rome"), tmp_path)
    midnights = [datetime(2023, 12, 31, 23, tzinfo=UTC), datetime(2024, 6, 30, 22, tzinfo=UTC)]
    assert [row["event_at_us"] for row in found] == [int(each.timestamp() * 1e6) for each in midnights]
    with pytest.raises(NaiveTime):
        scanned(source(Parquet("e.parquet"), columns), tmp_path)


def test_j_folders_give_texts(tmp_path: Path) -> None:
    """`k=007` is the text 007 or the number 7, as declared; folders above the project are no data."""
    root = tmp_path / "w=9" / "project"
    for name in ("007", "12"):
        (root / "data" / f"k={name}").mkdir(parents=True)
        pq.write_table(pa.table({"v": [1.0], "at": [T]}), root / "data" / f"k={name}" / "a.parquet")
        (root / "data" / f"k={name}" / "a.csv").write_text("v,at\n1.0,2024-01-01T00:00:00Z\n")
    for data in (
        Parquet("data/*/*.parquet"),
        Csv("data/*/*.csv"),
        Query("FROM read_parquet('data/*/*.parquet')"),
        Query("SELECT * REPLACE (k::VARCHAR AS k) FROM read_csv('data/*/*.csv')"),
    ):
        for dtype, keys in ((str, ["007", "12"]), (int, [7, 12])):
            rows = scanned(source(data, KV | {"k": Column[dtype]}), root)
            assert sorted((row["k"] for row in rows), key=str) == sorted(keys, key=str), data
            assert {row["v"] for row in rows} == {1.0}
    put(root / "data" / "k=12" / "a.parquet", v=[1.0])
    put(root / "data" / "k=007" / "a.parquet", v=[1.0])
    with pytest.raises(InputError, match="has the column `k` 2 times"):
        values(Parquet("data/*/*.parquet"), root)


def test_a_column_that_the_data_has_twice_is_refused(tmp_path: Path) -> None:
    """Exactly or in another case, in every kind of data; another spelling is suggested."""
    (tmp_path / "e.csv").write_text("k,v,v,at\n1,1,2,2024-01-01T00:00:00Z\n")
    twice = pa.Table.from_arrays(
        [pa.array([1]), pa.array([1.0]), pa.array([2.0]), pa.array([T])], ["k", "v", "V", "at"]
    )
    pq.write_table(twice, tmp_path / "e.parquet")
    two = "SELECT *, 3 AS v FROM (SELECT 1 AS k, 2 AS v, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS \"at\")"
    for data in (Csv("e.csv"), Parquet("e.parquet"), twice, Query(two), Query("FROM read_parquet('e.parquet')")):
        with pytest.raises(InputError, match="has the column `v` 2 times"):
            values(data, tmp_path)
    with pytest.raises(InputError) as caught:
        values(twice.rename_columns(["k", "w", "V", "at"]), tmp_path)
    assert caught.value.fix == "write `V`"
    put(tmp_path / "f1.parquet", v=[1.0])
    put(tmp_path / "f2.parquet", V=[1.0])
    with pytest.raises(InputError, match="no column `v`"):
        values(Parquet("f*.parquet"), tmp_path)


@pytest.mark.parametrize(
    ("data", "has", "fix"),
    [
        (b"k;v;at\n1;2;x\n", "its separator is `;`", "delim = ';'"),
        ("k,v,at\n1,2,x\n".encode("utf-16"), "e.csv is UTF-16", "UTF-8"),
    ],
)
def test_a_csv_that_is_written_otherwise_says_so(data: bytes, has: str, fix: str, tmp_path: Path) -> None:
    """The header tells the separator and the encoding."""
    (tmp_path / "e.csv").write_bytes(data)
    with pytest.raises(InputError, match="the data of `Thing` cannot be read") as caught:
        values(Csv("e.csv"), tmp_path)
    assert has in str(caught.value.has) and fix in str(caught.value.fix)


def test_a_corrupt_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    """Without the SQL that was written around it."""
    (tmp_path / "e.parquet").write_bytes(b"PAR1" + b"x" * 40 + b"PAR1")
    with pytest.raises(InputError, match="cannot be read") as caught:
        values(Parquet("e.parquet"), tmp_path)
    assert "e.parquet" in str(caught.value.has)
    assert "LINE" not in str(caught.value.has) and "DESCRIBE" not in str(caught.value.has)
