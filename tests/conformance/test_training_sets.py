"""Training sets: what becomes of the spine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest

from featurestore import Column, EventTime, FeatureSet, FeatureView, Query, Source, rows
from featurestore.errors import DuplicateName, InvalidDefinition, MissingAsOf
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    DATABRICKS_TIME,
    DUCKDB,
    FEAST,
    FEAST_IBIS,
    FEAST_ISSUE,
    PANDAS,
    PANDAS_MERGE,
    PANDAS_MERGE_ASOF,
    duckdb_docs,
    feast,
)
from tests.conformance.roads import Roads, at, bits, seen


class Paid(FeatureView, entity=Account, source=Payment):
    """What the training sets of this page are about."""

    total = Payment.amount.sum(over="1d")
    number = rows(over="1d")


ASKED = FeatureSet("paid", Paid)


def trained(roads: Roads, spine: object) -> pa.Table:
    """A training set over two payments, at 10:00 and at 11:00."""
    roads.push(Payment, [paid(10.0, "10:00"), paid(20.0, "11:00")], Paid)
    table: pa.Table = roads.store.dataset(ASKED, spine, as_of="asked_at").to_arrow()
    return table


def looked_up(roads: Roads, table: pa.Table) -> list[dict[str, object]]:
    """What lookups say to the questions of a training set."""
    asked = table.select(["account", "asked_at"]).to_pylist()
    return [roads.store.lookup(ASKED, row, as_of=row["asked_at"]).to_pylist()[0] for row in asked]


@seen("Feast", "as observed in August 2026", f"{FEAST_ISSUE}6787", "R18")
def test_feast_rows_that_ask_the_same_all_stay(roads: Roads) -> None:
    """In Feast rows of one key and instant were collapsed into one by one offline store and kept by the others; here a
    training set has one row for each row of the spine, its labels beside it, and each has what a lookup says."""
    spine = [{"account": 1, "asked_at": at("12:00"), "label": label} for label in (1, 0, 1)]
    table = trained(roads, spine)
    assert table["label"].to_pylist() == [1, 0, 1]
    assert table["paid__total"].to_pylist() == [30.0, 30.0, 30.0]
    assert table.select(["paid__total", "paid__number"]).to_pylist() == looked_up(roads, table)


@seen("pandas", PANDAS, PANDAS_MERGE_ASOF, "R18")
def test_pandas_a_spine_need_not_be_sorted(roads: Roads) -> None:
    """In pandas `merge_asof` refuses a spine that is not sorted by time, and sorting it loses the order of the labels;
    here rows stay in the order they came in, and each has what a lookup says."""
    left, right = pd.DataFrame({"t": [3, 1]}), pd.DataFrame({"t": [1, 2]})
    with pytest.raises(ValueError, match="must be sorted"):
        pd.merge_asof(left, right, on="t")
    clocks = ["12:00", "09:00", "10:30", "12:00"]
    table = trained(roads, pd.DataFrame([{"account": 1, "asked_at": at(clock)} for clock in clocks]))
    assert table["paid__number"].to_pylist() == [2, 0, 1, 2]
    assert table.select(["paid__total", "paid__number"]).to_pylist() == looked_up(roads, table)


@seen("Feast", FEAST, feast(FEAST_IBIS), "R18")
def test_feast_a_column_may_end_as_it_likes(roads: Roads) -> None:
    """In Feast's Ibis stores columns whose names end in `_y` are dropped after a join, features among them; here every
    column of the spine passes through, and a feature may have any name, on both roads."""

    class Place(FeatureView, entity=Account, source=Payment):
        position_y = Payment.amount.last()
        amount_yyyy = Payment.amount.first()

    roads.push(Payment, [paid(10.0, "10:00"), paid(20.0, "11:00")], Place)
    said = roads.ask(Place, {"account": 1, "label_y": 1, "x_x": "a"}, at("12:00"))
    assert (said["position_y"], said["amount_yyyy"]) == ([20.0], [10.0])
    spine = [{"label_y": 1, "account": 1, "asked_at": at("12:00"), "x_x": "a"}]
    table = roads.store.dataset(FeatureSet("place", Place), spine, as_of="asked_at").to_arrow()
    names = ["label_y", "account", "asked_at", "x_x", "place__position_y", "place__amount_yyyy"]
    assert table.column_names == names


@seen("pandas", PANDAS, PANDAS_MERGE, "R18")
def test_pandas_two_columns_of_one_name_are_refused(roads: Roads) -> None:
    """In pandas a merge renames columns of one name to `_x` and `_y`, so that a model is trained on a name that serving
    does not have; here a spine's column with a feature's name is refused."""
    one, two = pd.DataFrame({"key": [1], "value": [1]}), pd.DataFrame({"key": [1], "value": [2]})
    assert one.merge(two, on="key").columns.tolist() == ["key", "value_x", "value_y"]
    with pytest.raises(DuplicateName, match="paid__total"):
        trained(roads, [{"account": 1, "asked_at": at("12:00"), "paid__total": 1.0}])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/dialect/keywords_and_identifiers"), "R20")
def test_duckdb_names_that_differ_in_case_only(roads: Roads) -> None:
    """In DuckDB identifiers are the same in either case, even quoted, and in Redis and Python they are not; here two
    such columns or features are refused where they are written, and labels of a spine may be called anything."""
    with pytest.raises(DuplicateName, match="differ only in case"):

        class Twins(FeatureView, entity=Account, source=Payment):
            total = Payment.amount.sum()
            Total = Payment.amount.mean()

    with pytest.raises(DuplicateName, match="differ only in case"):

        class Twin(Source):
            amount: Column[float]
            Amount: Column[float]
            paid_at: EventTime

    table = trained(roads, [{"account": 1, "asked_at": at("12:00"), "Account": "x", "PAID__TOTAL_": 1}])
    assert (table["Account"].to_pylist(), table["paid__number"].to_pylist()) == (["x"], [2])


@seen("Feast", "as observed in July 2022", f"{FEAST_ISSUE}2960", "R18")
def test_feast_the_kind_of_table_changes_nothing(roads: Roads) -> None:
    """In Feast a file store and a warehouse gave different rows for the same data; here a spine in pandas, Arrow,
    dicts, CSV or SQL gives the same training set, which is what lookups say."""
    rows_ = [{"account": account, "asked_at": at("12:00")} for account in (1, 2, 1)]
    path = roads.store.config.root / "spine.csv"
    pd.DataFrame(rows_).to_csv(path, index=False)
    frames: list[object] = [rows_, pa.Table.from_pylist(rows_), pd.DataFrame(rows_), "spine.csv"]
    frames.append(f"SELECT account, asked_at FROM '{path}'")
    tables = [trained(roads, rows_)]
    tables += [roads.store.dataset(ASKED, frame, as_of="asked_at").to_arrow() for frame in frames[1:]]
    said = [bits(table.select(["paid__total", "paid__number"]).to_pylist()) for table in tables]
    assert all(each == said[0] for each in said)
    assert tables[0].select(["paid__total", "paid__number"]).to_pylist() == looked_up(roads, tables[0])


@seen("Feast", "as observed in April 2021", "https://github.com/feast-dev/feast/pull/1466", "R1")
def test_feast_an_instant_is_the_same_in_every_zone(roads: Roads) -> None:
    """In Feast a spine whose times had no zone could not be joined by the local store; here an instant is an instant,
    whatever zone it is written in, on both roads."""
    noon = at("12:00")
    zones = [UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=5, minutes=30))]
    written: list[datetime] = [noon.astimezone(zone) for zone in zones]
    table = trained(
        roads,
        pd.DataFrame({"account": [1] * 3, "asked_at": pd.Series([*map(str, written)])}).assign(
            asked_at=lambda frame: pd.to_datetime(frame["asked_at"], utc=True)
        ),
    )
    assert table["paid__total"].to_pylist() == [30.0] * 3
    texts: list[datetime | str] = [*written, *(each.isoformat() for each in written)]
    for moment in texts:
        assert roads.store.lookup(ASKED, {"account": 1}, as_of=moment).to_pylist()[0]["paid__total"] == 30.0


@seen(
    "Databricks",
    "as documented in 2025",
    DATABRICKS_TIME,
    "R3",
)
def test_databricks_a_source_has_a_time(roads: Roads) -> None:
    """In Databricks a time that is declared as a primary key only is joined where it is equal, and point in time is
    left out; here each source has an event time, or is static and has none, and both roads read it the same."""
    plans = pa.table({"account": [1, 1], "plan": ["free", "paid"]})

    class Plan(Source, data=plans, static=True):
        account: Column[int]
        plan: Column[str]

    class Plans(FeatureView, entity=Account, source=Plan):
        plan = Plan.plan.last()

    said = roads.ask(Plans, [{"account": 1}, {"account": 2}], at("12:00"), datetime(1999, 1, 1, tzinfo=UTC))
    assert said["plan"] == ["paid", None, "paid", None]
    with pytest.raises(MissingAsOf):
        trained(roads, [{"account": 1, "asked_at": None}, {"account": 1, "asked_at": at("12:00")}])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/functions/timestamptz"), "R19")
def test_duckdb_a_query_does_not_ask_the_clock(roads: Roads) -> None:
    """In SQL a table that says `now()` or `random()` has other rows whenever it is read, for training today and for
    serving tonight; here a source's query depends on its files alone, and such a query is refused."""

    class Recent(Source, data=Query("SELECT *, now() AS at FROM read_csv('payments.csv')")):
        account: Column[int]
        at: EventTime

    class Payments(FeatureView, entity=Account, source=Recent):
        number = rows()

    (roads.store.config.root / "payments.csv").write_text("account\n1\n")
    for road in (
        lambda: roads.store.materialize([Payments]),
        lambda: roads.store.dataset(
            FeatureSet("payments", Payments), [{"account": 1, "asked_at": at("12:00")}], as_of="asked_at"
        ),
    ):
        with pytest.raises(InvalidDefinition, match="calls `now`"):
            road()
