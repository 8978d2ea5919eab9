"""R20: the content of a static table is part of the version, on both roads, and nothing else of it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import FeatureStore
from featurestore.serve.service import Service

DEFINITIONS = '''"""Who lives where."""
from featurestore import Column, Entity, FeatureSet, FeatureView, Parquet, RowId, Source, rows


class Person(Entity):
    """Who."""

    person: Column[int]


class City(Entity):
    """Where."""

    city: Column[str]


class Home(Source, data=Parquet("data/*.parquet"), static=True):
    """One row per person."""

    person: Column[int]
    city: Column[str]
    rent: Column[float]


class Homes(FeatureView, entity=Person, source=Home):
    """Of a person."""

    rent = Home.rent.last()


class Cities(FeatureView, entity=City, source=Home):
    """Of a city."""

    people = rows()


homes = FeatureSet("homes", Homes)
both = FeatureSet("both", Homes, Cities)
'''
ROWS = {"person": [1, 2, 3, 4], "city": ["a", "a", "b", None], "rent": [1.0, 2.0, -0.0, None]}
SPINE = pa.table({"person": [1], "city": ["a"], "at": pa.array([10**15], pa.timestamp("us", "UTC"))})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A project with a static table in one file."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "definitions" / "homes.py").write_text(DEFINITIONS)
    (tmp_path / "featurestore.toml").write_text("")
    pq.write_table(pa.table(ROWS), tmp_path / "data" / "a.parquet")
    with FeatureStore(tmp_path) as store:
        yield store


def trained(store: FeatureStore, name: str = "homes", **options: Any) -> str:
    """The version of a training set."""
    return store.dataset(name, SPINE, as_of="at", **options).version


def served(store: FeatureStore, name: str = "homes") -> str:
    """The version of a lookup."""
    return store.lookup(name, {"person": 1, "city": "a"}).version


def test_r20_both_roads_and_verify_give_one_version(store: FeatureStore) -> None:
    """A training set, a vector, the service and the parity report name the same version of what they answered from."""
    store.materialize()
    assert trained(store) == served(store) == store.verify("homes", cells=10).version != store.plan("homes").version
    assert trained(store, "both") == served(store, "both") != trained(store)
    service = Service(store.config.root)
    service.open()
    try:
        assert f'"homes": "{served(store)}"'.encode() in service.ready()
    finally:
        service.close()


def test_r20_a_changed_table_is_another_version(store: FeatureStore) -> None:
    """Training sees the change at once; what is served has the old version until it is materialised again."""
    store.materialize()
    before = trained(store)
    pq.write_table(pa.table(ROWS | {"rent": [1.0, 2.0, 0.5, None]}), store.config.root / "data" / "a.parquet")
    assert trained(store) != before == served(store)
    store.materialize()
    assert trained(store) == served(store) != before


@pytest.mark.parametrize(
    "change",
    [
        {"person": [1, 2, 3, 5]},
        {"city": ["a", "a", "b", ""]},
        {"rent": [1.0, 2.0, None, None]},
        {"rent": [1.0, 2.0, 0.0, 0.0]},
        {name: [*column, column[0]] for name, column in ROWS.items()},
        {name: column[:3] for name, column in ROWS.items()},
    ],
)
def test_r20_every_value_and_every_row_counts(change: dict[str, Any], store: FeatureStore) -> None:
    """A value, a null, a row more, or a row less."""
    before = trained(store)
    pq.write_table(pa.table(ROWS | change), store.config.root / "data" / "a.parquet")
    assert trained(store) != before


def test_r20_files_order_compression_and_threads_do_not_count(store: FeatureStore) -> None:
    """The same rows in other files, turned round, beside a column that nobody declared, have the same version."""
    before, folder = trained(store), store.config.root / "data"
    table = pa.table(ROWS).append_column("note", pa.array(["x"] * 4))
    (folder / "a.parquet").unlink()
    pq.write_table(table.slice(2), folder / "z.parquet", compression="zstd", row_group_size=1)
    narrow = table.slice(0, 2).set_column(0, "person", table.slice(0, 2)["person"].cast(pa.int16()))
    pq.write_table(narrow.take([1, 0]), folder / "b.parquet", compression="none")
    assert trained(store) == trained(store, threads=1) == before
    store.materialize()
    assert served(store) == before


def test_r20_a_row_that_stands_there_twice_is_one_where_it_has_a_row_id(store: FeatureStore) -> None:
    """With a RowId a redelivery changes no value, so it changes no version; a row without an id never counts."""
    text = DEFINITIONS.replace("    person: Column[int]\n    city: Column[str]\n    rent", "    {}\n    rent")
    text = text.format("person: RowId[int]\n    city: Column[str]")
    (store.config.root / "definitions" / "homes.py").write_text(text)
    before, table = trained(store), pa.table(ROWS)
    odd = table.slice(0, 1).set_column(0, "person", pa.array([None], pa.int64()))
    pq.write_table(pa.concat_tables([table, table.slice(1), odd]), store.config.root / "data" / "a.parquet")
    assert trained(store) == before


def test_r20_states_of_two_contents_have_a_version_of_their_own(store: FeatureStore) -> None:
    """When one view of a table is materialised again and the other is not, no training set has that version."""
    store.materialize()
    first = trained(store, "both")
    pq.write_table(pa.table(ROWS | {"rent": [9.0, 2.0, 0.5, None]}), store.config.root / "data" / "a.parquet")
    store.materialize([store.definitions.views["Homes"]])
    assert len({served(store, "both"), first, trained(store, "both")}) == 3


def test_the_sql_of_a_training_set_says_where_a_static_table_was_read(store: FeatureStore) -> None:
    """The table is read once, before the SELECT; the text can be run as it is over the table `asked`."""
    sql = store.dataset("homes", SPINE, as_of="at").sql
    assert 'CREATE TEMP TABLE "Home.read" AS' in sql
    with duckdb.connect() as connection:
        connection.register("asked", pa.table({"spine_row": [0], "as_of_us": [10**15], "i_person": [2]}))
        assert connection.execute(sql).fetchall() == [(0, 2.0)]
