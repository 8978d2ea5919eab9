"""Rows that go straight from their files into the answers say the same as rows that are read into a table first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    Frame,
    Parquet,
    Query,
    Source,
)
from featurestore.errors import InputError
from featurestore.offline.dataset import Dataset
from featurestore.plan.outcomes import SetAside

AT = datetime(2024, 5, 1, tzinfo=UTC)
FAR = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("shop", pa.string()),
        ("place", pa.int64()),
        ("amount", pa.float64()),
        ("whole", pa.uint64()),
        ("at", pa.timestamp("us", "UTC")),
    ]
)
BEYOND = 2**63
"""No int64: a bad value where a column is declared int."""


class Shop(Entity):
    """Who."""

    shop: Column[str]


class Place(Entity):
    """Where."""

    place: Column[int]


def feature_set(data: Any, delay: str | None = None) -> FeatureSet:
    """The latest rows of two states of a source over some data: `Parquet` goes straight, `Query` does not."""

    class Sale(Source, data=data, delay=delay):
        """Sales."""

        shop: Column[str]
        place: Column[int]
        amount: Column[float]
        whole: Column[int]
        at: EventTime

    class OfShop(FeatureView, entity=Shop, source=Sale):
        """By shop."""

        amount = Sale.amount.last()
        seen = Sale.amount.last(over="1h", skip_nulls=True)
        large = Sale.amount.last(where=Sale.amount > 0)
        twice = (Sale.whole * 2).last(over="2m")

    class OfPlace(FeatureView, entity=Place, source=Sale, refresh="1m"):
        """By place."""

        whole = Sale.whole.last()
        shop = Sale.shop.last()

    return FeatureSet("told", OfShop, OfPlace)


instants = st.sampled_from([None, FAR, *(AT + timedelta(seconds=10 * place) for place in range(12))])
amounts = st.sampled_from([None, -0.0, 0.0, 1.5, -2.0, float("nan"), float("inf"), 3.25])
wholes = st.sampled_from([None, 1, 2, BEYOND])
keys = st.sampled_from([None, "a", "b", ""])
rows = st.lists(
    st.fixed_dictionaries(
        {"shop": keys, "place": st.sampled_from([None, 1, 2]), "amount": amounts, "whole": wholes, "at": instants}
    ),
    max_size=30,
)
questions = st.lists(
    st.fixed_dictionaries(
        {
            "shop": keys,
            "place": st.sampled_from([None, 1, 2, 3]),
            "asked_at": st.integers(-1, 130_000_001).map(lambda us: AT + timedelta(microseconds=us))
            | instants.filter(bool),
        }
    ),
    max_size=8,
)


def built(store: FeatureStore, data: Any, delay: str | None, spine: pa.Table) -> Dataset:
    """A training set of the data."""
    return store.dataset(feature_set(data, delay), spine, as_of="asked_at", statuses=True)


def spine_of(asked: list[dict[str, Any]]) -> pa.Table:
    """Questions as a table."""
    types = [("shop", pa.string()), ("place", pa.int64()), ("asked_at", pa.timestamp("us", "UTC"))]
    return pa.Table.from_pylist(asked, pa.schema(types))


def counted(account: SetAside) -> dict[str, Any]:
    """An account, without the names of its states, which tell their sources apart."""
    said = account.to_json()
    return {**said, "states": list(said["states"].values())}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """A project without definitions."""
    folder = tmp_path_factory.mktemp("straight")
    (folder / "featurestore.toml").write_text("")
    return FeatureStore(folder)


def refused(store: FeatureStore, data: Any, delay: str | None, spine: pa.Table) -> str:
    """Why no training set can be built of the data."""
    with pytest.raises(InputError, match="no row of `Sale` can be used") as caught:
        built(store, data, delay, spine)
    return caught.value.what


@pytest.mark.filterwarnings("ignore:.*(none of its type|cannot be used):UserWarning")
@settings(max_examples=max(5, (settings.default.max_examples if settings.default else 100) // 4))
@given(sold=rows, asked=questions, delay=st.sampled_from([None, "1m"]))
def test_rows_that_go_straight_give_the_same_bits_and_the_same_account(
    store: FeatureStore, sold: list[dict[str, Any]], asked: list[dict[str, Any]], delay: str | None
) -> None:
    """Whatever is null, bad, tied or unusable: values, statuses and what is said of the rows."""
    table, spine = pa.Table.from_pylist(sold, SCHEMA), spine_of(asked)
    pq.write_table(table, store.config.root / "sold.parquet", row_group_size=7)
    query = Query("SELECT * FROM read_parquet('sold.parquet')")
    if sold and not any(each["at"] and (each["at"] < FAR or not delay) for each in sold):
        why = refused(store, query, delay, spine)
        assert {refused(store, data, delay, spine) for data in (Parquet("sold.parquet"), Frame(table))} == {why}
        return
    expected = built(store, query, delay, spine)
    for data in (Parquet("sold.parquet"), Frame(table)):
        found = built(store, data, delay, spine)
        assert found.table.equals(expected.table)
        assert found.table.schema == expected.table.schema
        assert counted(found.set_aside["Sale"]) == counted(expected.set_aside["Sale"])
        assert ("with the rows of Sale" in found.explain()) == bool(asked)
    assert "with the rows of" not in expected.explain()


def test_few_questions_to_many_rows_and_no_question_are_answered_alike(store: FeatureStore) -> None:
    """Rows of keys that nobody asks for are left out of the work, and are in the account."""
    number = 150_000
    sold = pa.table(
        {
            "shop": pa.array([f"shop {place % 997}" for place in range(number)]),
            "place": pa.array(range(number)),
            "amount": pa.array([place * 0.5 for place in range(number)]),
            "whole": pa.array([place % 5 for place in range(number)], pa.uint64()),
            "at": pa.array([AT + timedelta(seconds=place % 3_600) for place in range(number)], SCHEMA.field("at").type),
        }
    )
    pq.write_table(sold, store.config.root / "many.parquet")
    some = [{"shop": f"shop {place}", "place": place, "asked_at": AT + timedelta(minutes=place)} for place in range(60)]
    for asked in (some, []):
        found = built(store, Parquet("many.parquet"), None, spine_of(asked))
        expected = built(store, Query("SELECT * FROM read_parquet('many.parquet')"), None, spine_of(asked))
        assert found.table.equals(expected.table)
        assert counted(found.set_aside["Sale"]) == counted(expected.set_aside["Sale"])
        assert found.set_aside["Sale"].rows == number


def test_a_file_that_breaks_off_is_told_with_its_source(store: FeatureStore) -> None:
    """The error names the source, though a statement over all of them met it."""
    whole = store.config.root / "whole.parquet"
    table = pa.table({name: pa.nulls(50_000, kind) for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True)})
    table = table.set_column(1, "place", pa.array(range(50_000)))
    pq.write_table(table, whole, compression="none", use_dictionary=False)
    content = bytearray(whole.read_bytes())
    content[100 : len(content) // 2] = b"\xff" * (len(content) // 2 - 100)
    (store.config.root / "broken.parquet").write_bytes(content)
    with pytest.raises(InputError, match="the data of `Sale` cannot be read"):
        built(store, Parquet("broken.parquet"), None, spine_of([{"shop": "a", "place": 1, "asked_at": AT}]))
