"""Sources over files by a query, and over tables of a DuckDB file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import (
    Column,
    DuckDBTable,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    Query,
    RowId,
    Source,
    rows,
)
from featurestore.errors import InputError, InvalidDefinition, MissingColumn
from featurestore.offline.queries import query_files, query_sql, spine_sql, volatile_calls

AT = datetime(2024, 5, 1, tzinfo=UTC)
SPINE = [{"user": user, "at": datetime(2024, 5, 2, tzinfo=UTC)} for user in (1, 2, 3)]


class User(Entity):
    """Who."""

    user: Column[int]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with orders in two files, refunds in a CSV and both in a DuckDB file."""
    (tmp_path / "featurestore.toml").write_text("")
    (tmp_path / "data" / "it's").mkdir(parents=True)
    for place in (1, 2):
        table = pa.table({"id": [place], "user": [place], "amount": [10.0 * place], "at": [AT]})
        pq.write_table(table, tmp_path / "data" / "it's" / f"{place}.parquet")
    (tmp_path / "data" / "refunds.csv").write_text("id,amount\n2,5.5\n")
    with duckdb.connect(tmp_path / "data" / "shop.duckdb") as connection:
        connection.execute(
            """CREATE TABLE orders AS SELECT 7 AS id, 1 AS "user", 1.5::DOUBLE AS amount, $1::TIMESTAMPTZ AS "at" """,
            [AT],
        )
        connection.execute("CREATE SCHEMA other")
        connection.execute('CREATE TABLE other.orders AS SELECT * REPLACE (2 AS "user") FROM orders')
    return tmp_path


def answers(project: Path, data: Any) -> list[Any]:
    """How many orders users 1, 2 and 3 have, and what they come to."""

    class Order(Source, data=data):
        id: RowId[int]
        user: Column[int]
        amount: Column[float]
        at: EventTime

    class Orders(FeatureView, entity=User, source=Order):
        number = rows()
        total = Order.amount.sum(over="7d")

    with FeatureStore(project) as store:
        table = store.dataset(FeatureSet("orders", Orders), SPINE, as_of="at").to_arrow()
    return list(zip(table["orders__number"].to_pylist(), table["orders__total"].to_pylist(), strict=True))


JOINED = """
    WITH refund AS (SELECT id::BIGINT AS id, amount::DOUBLE AS amount FROM read_csv('data/refunds.csv'))
    SELECT o.* REPLACE (o.amount - coalesce(r.amount, 0) AS amount)
    FROM read_parquet([ 'data/it''s/1.parquet' , /* ] */ 'data/it''s/2*.parquet' ]) o LEFT JOIN refund r USING (id);
"""


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (Query("SELECT * FROM read_parquet('data/**/*.parquet') WHERE amount > 10 -- large"), [0, 20.0, 0]),
        (Query(JOINED), [10.0, 14.5, 0]),
        (Query("FROM read_parquet('data/it''s/*', filename = true)"), [10.0, 20.0, 0]),
        (DuckDBTable("data/shop.duckdb", "orders"), [1.5, 0, 0]),
        (DuckDBTable("data/shop.duckdb", "other.orders"), [0, 1.5, 0]),
    ],
)
def test_rows_come_from_a_query_or_a_table(data: Any, found: list[float], project: Path) -> None:
    """Whatever the working folder is, the project's files are read."""
    assert Path.cwd() != project
    assert answers(project, data) == [(1, each) if each else (0, None) for each in found]


def test_a_query_is_served_as_it_is_trained_on(project: Path) -> None:
    """What a query gives is materialised like files."""

    class Order(Source, data=Query(JOINED)):
        id: RowId[int]
        user: Column[int]
        amount: Column[float]
        at: EventTime

    class Orders(FeatureView, entity=User, source=Order):
        total = Order.amount.sum()

    (project / "definitions").mkdir()
    (project / "definitions" / "none.py").write_text('"""Nothing."""\n')
    with FeatureStore(project) as store:
        store.materialize([Orders])
        orders = FeatureSet("orders", Orders)
        assert [each["orders__total"] for each in store.lookup(orders, [{"user": 1}, {"user": 2}]).to_pylist()] == [
            10.0,
            14.5,
        ]
        assert store.verify(orders, cells=100).differing == 0


def test_two_sources_may_share_a_duckdb_file(project: Path) -> None:
    """A file is attached once, to read, and another program may read it meanwhile."""

    class One(Source, data=DuckDBTable("data/shop.duckdb", "orders")):
        user: Column[int]
        at: EventTime

    class Two(Source, data=DuckDBTable("data/shop.duckdb", "other.orders")):
        user: Column[int]
        at: EventTime

    class Ones(FeatureView, entity=User, source=One):
        number = rows()

    class Twos(FeatureView, entity=User, source=Two):
        number = rows()

    with FeatureStore(project) as store:
        table = store.dataset(FeatureSet("both", Ones, Twos), SPINE, as_of="at").to_arrow()
    assert table["ones__number"].to_pylist() == [1, 0, 0] and table["twos__number"].to_pylist() == [0, 1, 0]


REFUSED = {
    "DELETE FROM x": "is no SELECT",
    "": "is no SELECT",
    "SELECT 1; DROP TABLE x": "that DuckDB can read",
    "SELECT 1; SELECT 2": "has 2 statements",
    "SELECT * FRM x": "that DuckDB can read",
    "SELECT * FROM asked": "reads `asked`, which is no name that it defines",
    "SELECT * FROM (WITH asked AS (SELECT 1) FROM asked), asked": "reads `asked`",
    'WITH a AS (SELECT 1) SELECT * FROM a, main."a"': "reads `main.a`",
    "SELECT * FROM 'data/refunds.csv'": "reads `data/refunds.csv`",
    "SELECT * FROM read_text('data/refunds.csv')": "calls `read_text`",
    "SELECT * FROM glob('data/*')": "calls `glob`",
    "SELECT * FROM query('SELECT 1')": "calls `query`",
    "SELECT * FROM duckdb_settings()": "calls `duckdb_settings`",
    "SELECT * FROM (DESCRIBE SELECT 1)": "describes tables",
    "SELECT * FROM read_csv('data/' || 'refunds.csv')": "a path that is no text",
    "SELECT * FROM read_csv(['data/refunds.csv', (SELECT 'x')])": "a path that is no text",
    "SELECT * FROM read_csv(list_value('data/refunds.csv'))": "a path that is no text",
    "SELECT * FROM read_csv()": "a path that is no text",
    "SELECT * FROM read_csv('../other.csv')": "not below the project's folder",
    "SELECT * FROM read_csv('/etc/passwd')": "not below the project's folder",
    "SELECT *, random() FROM read_csv('data/refunds.csv')": "calls `random`",
    "SELECT *, (SELECT now()) FROM read_csv('data/refunds.csv')": "calls `now`",
    "SELECT * FROM read_csv('data/refunds.csv') WHERE current_date > '2020-01-01'": "calls `current_date`",
    "SELECT *, ago(INTERVAL 1 DAY) FROM read_csv('data/refunds.csv')": "calls `ago`",
    "SELECT *, age(TIMESTAMP '2024-05-01') FROM read_csv('data/refunds.csv')": "calls `age`",
    "SELECT *, age(TIMESTAMPTZ '2024-05-01Z') FROM read_csv('data/refunds.csv')": "calls `age`",
    "SELECT *, current_setting('TimeZone') FROM read_csv('data/refunds.csv')": "calls `current_setting`",
    "SELECT * FROM read_csv('data/refunds.csv') USING SAMPLE 10%": "takes a sample",
    "SELECT * FROM read_csv('data/refunds.csv') TABLESAMPLE 1 ROWS": "takes a sample",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_a_query_reads_files_and_depends_on_nothing_else(sql: str, project: Path) -> None:
    """Other statements, other tables, other folders, clocks and chance are refused, and the query is shown."""
    with pytest.raises(InvalidDefinition) as caught:
        query_sql("Order", Query(sql), project)
    assert REFUSED[sql] in caught.value.what and caught.value.fix
    assert "Query(" in f"{caught.value.what} {caught.value.where}"


ZONED = """
    SELECT id, "user", amount - 1.5 + (id % 1) AS amount, "at" + INTERVAL 0 DAY AS "at"
    FROM read_parquet('data/it''s/*.parquet')
    WHERE date_trunc('month', "at") = TIMESTAMPTZ '2024-05-01 00:00:00Z' AND extract('day' FROM "at") = 1
      AND strftime("at", '%Y') = '2024' AND "at" AT TIME ZONE 'Europe/Rome' > TIMESTAMP '2024-05-01'
      AND date_diff('day', "at", "at") = 0 AND age("at", "at") = INTERVAL 0 DAY AND -amount < 0 AND year("at") = 2024
"""


def test_arithmetic_and_calendars_are_not_volatile(project: Path) -> None:
    """DuckDB lists `-`, `date_trunc` and others once more for instants in the session's zone, which is pinned."""
    assert answers(project, Query(ZONED)) == [(1, 8.5), (1, 18.5), (0, None)]


def test_a_volatile_overload_is_a_clock_chance_or_session_state() -> None:
    """Each name that is refused was looked at: a DuckDB that adds one fails here until someone has."""
    with duckdb.connect() as connection:
        names = {name for name, _ in volatile_calls(connection)}
    clocks = "ago age current_date current_localtime current_localtimestamp get_current_time get_current_timestamp now "
    clocks += "today transaction_timestamp pg_conf_load_time pg_postmaster_start_time"
    chance = "gen_random_uuid random setseed uuid uuidv4 uuidv7 nextval currval setval"
    session = "current_catalog current_connection_id current_database current_query current_query_id current_schema "
    session += "current_schemas current_setting current_transaction_id getvariable in_search_path txid_current"
    effects = "pg_sleep sleep_ms stats vector_type write_log"
    assert names == set(f"{clocks} {chance} {session} {effects}".split())


def test_a_query_without_files_says_which_path_fits_none(project: Path) -> None:
    """A path that fits nothing is an error, never no rows."""
    with pytest.raises(InputError, match=r"finds no files `data/non\*.csv`"):
        query_sql("Order", Query("FROM read_csv('data/non*.csv')"), project)


def test_a_query_that_fails_or_lacks_a_column_is_told(project: Path) -> None:
    """What DuckDB says of the query is in the error, with the query."""
    with pytest.raises(InputError, match="cannot be read") as caught:
        answers(project, Query("SELECT nothing FROM read_csv('data/refunds.csv')"))
    assert "nothing" in str(caught.value.has) and "SELECT nothing FROM" in str(caught.value.where)
    with pytest.raises(MissingColumn, match="no column `user`"):
        answers(project, Query("SELECT * FROM read_csv('data/refunds.csv')"))


def test_a_linked_folder_is_part_of_the_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Data may be linked into the project, and an absolute path into it names the same files."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a.csv").write_text("id\n1\n")
    os.symlink(elsewhere, project / "data" / "linked")
    [file] = query_files("Order", Query("FROM read_csv('data/linked/*.csv')"), project)
    assert file == elsewhere / "a.csv"
    assert query_files("Order", Query(f"FROM read_csv('{project}/data/refunds.csv')"), project)


ASKED = "SELECT *, TIMESTAMPTZ '2024-05-02 00:00:00Z' AS asked_at"


@pytest.mark.parametrize(
    ("spine", "users"),
    [
        (f"{ASKED} FROM 'data/it''s/1.parquet'", [1]),
        (f'{ASKED} FROM "data/it\'s/*.parquet" AS o ORDER BY o."user"', [1, 2]),
        (f"{ASKED} FROM 'data/**/2.parquet' WHERE \"2\".id = 2", [2]),
        (f"with\tq AS ({ASKED} FROM read_parquet('data/it''s/2.parquet')) FROM q", [2]),
        ("FROM 'data/linked/a{b}.csv' WHERE now() > asked_at USING SAMPLE 100%", [3]),
        ("data/linked/a{b}.csv", [3]),
        (Path("data/asked.parquet"), [4]),
        ("ELSEWHERE/a{b}.csv", [3]),
    ],
)
def test_a_spine_is_found_from_the_projects_folder(
    spine: str | Path, users: list[int], project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A SELECT and a path mean the same in every working folder, and follow a link out of the project."""

    class Order(Source, data=Query("FROM read_parquet('data/it''s/*')")):
        user: Column[int]
        at: EventTime

    class Orders(FeatureView, entity=User, source=Order):
        number = rows()

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a{b}.csv").write_text("user,asked_at\n3,2024-05-02T00:00:00Z\n")
    os.symlink(elsewhere, project / "data" / "linked")
    pq.write_table(pa.table({"user": [4], "asked_at": [AT]}), project / "data" / "asked.parquet")
    if isinstance(spine, str):
        spine = spine.replace("ELSEWHERE", str(elsewhere))
    assert Path.cwd() != project
    with FeatureStore(project) as store:
        found = store.dataset(FeatureSet("orders", Orders), spine, as_of="asked_at").to_arrow()
    assert found["user"].to_pylist() == users
    assert found["orders__number"].to_pylist() == [int(user < 3) for user in users]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT * FROM '../other.parquet'", "not below the project's folder"),
        ("SELECT * FROM 'data/none.parquet'", "the spine's SQL finds no files `data/none.parquet`"),
        ("SELECT * FROM orders", "the spine's SQL reads `orders`, which is no name that it defines"),
        ("SELECT * FROM read_text('featurestore.toml')", "calls `read_text`"),
        ("SELECT * FRM x", "the spine's SQL is no SELECT"),
    ],
)
def test_a_spine_reads_files_of_the_project_only(sql: str, says: str, project: Path) -> None:
    """What a query of a source may not read, a spine may not read either."""
    with pytest.raises(InputError, match=says) as caught:
        spine_sql(sql, project)
    assert caught.value.where == sql and caught.value.has and caught.value.fix


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (DuckDBTable("data/none.duckdb", "orders"), "has no files"),
        (DuckDBTable("data/refunds.csv", "orders"), "cannot be opened"),
        (DuckDBTable("data/shop.duckdb", "ordrs"), "cannot be read"),
        (DuckDBTable("data/*", "orders"), "names 2 files|names 3 files"),
    ],
)
def test_a_duckdb_table_that_is_not_there_is_told(data: DuckDBTable, says: str, project: Path) -> None:
    """A missing file, a file of another kind and a missing table are told with what DuckDB says."""
    with pytest.raises(InputError, match=says) as caught:
        answers(project, data)
    assert "DuckDBTable(" in str(caught.value.where)
