"""States in the server: what is trimmed, and what happens when the server refuses or loses a part of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from featurestore import FeatureStore
from featurestore.errors import AsOfTooEarly, StoreEmpty, StoreUnavailable
from featurestore.semantics.instants import datetime_of, instant_us
from tests.test_store import AT, DEFINITIONS, question, write_project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A store of the shop whose windows all end, and whose orders say when they were known."""
    with FeatureStore(write_project(tmp_path)) as store:
        (tmp_path / "definitions" / "shop.py").write_text(
            DEFINITIONS.replace("amount.last()", 'amount.last(over="1d")')
            .replace("import Column,", "import Column, KnownTime,")
            .replace("ordered_at: EventTime", "ordered_at: EventTime\n    known_at: KnownTime")
        )
        store.materialize()
        yield store


def order(order_id: int, user_id: int = 1, at: Any = AT) -> dict[str, Any]:
    """An order that is known when it happens."""
    return {"order_id": order_id, "user_id": user_id, "amount": 2.5, "ordered_at": at, "known_at": at}


def orders(store: FeatureStore, at: Any = None) -> int:
    """The orders of a user in thirty days."""
    found: Any = store.lookup("checkout", question(), as_of=at).to_pylist()[0]["spending__orders"]
    return int(found)


def test_r13_questions_whose_rows_were_trimmed_are_named(store: FeatureStore) -> None:
    """Of many questions, those that an instant is too early for are told by place and key, with the first instant that
    is not; without them the others are answered."""
    store.ingest("Order", [order(user, user, AT - timedelta(days=400)) for user in range(20)])
    store.ingest("Order", [order(100 + user, user) for user in (3, 17)])
    asked, then = [question(user) for user in range(20)], AT - timedelta(days=390)
    with pytest.raises(AsOfTooEarly, match="can no longer answer 2 of 20 questions") as caught:
        store.lookup("checkout", asked, as_of=then)
    assert caught.value.where == "question 3, `Spending` of user_id 3; question 17, `Spending` of user_id 17"
    first_us = instant_us(str(caught.value.has).split("as of ")[1].split()[0])
    left = [each for place, each in enumerate(asked) if place not in (3, 17)]
    assert {row["spending__orders"] for row in store.lookup("checkout", left, as_of=then).to_pylist()} == {1}
    found = store.lookup("checkout", asked, as_of=datetime_of(first_us)).to_pylist()
    assert [row["spending__orders"] for row in found] == [0] * 20
    with pytest.raises(AsOfTooEarly):
        store.lookup("checkout", asked, as_of=datetime_of(first_us - 1))


def test_a_server_whose_memory_is_full_loses_nothing(store: FeatureStore) -> None:
    """It refuses to write while a key is trimmed: that is said, and every row is there when it has room again."""
    began = AT - timedelta(days=60)
    store.ingest("Order", [order(place, at=began + timedelta(minutes=place)) for place in range(1_000)])
    server = store.online.writer
    server.config_set("maxmemory", 1_000_000)
    with pytest.raises(StoreUnavailable, match="memory is full") as caught:
        store.ingest("Order", order(5_000))
    assert "whose rows are in the log" in str(caught.value.where)
    for _ in range(3):  # behind its log, it answers nobody
        with pytest.raises(StoreUnavailable, match="memory is full"):
            orders(store)
    server.config_set("maxmemory", 0)
    assert orders(store) == 1
    assert store.ingest("Order", order(5_001)).states.popitem()[1].applied == 1
    assert orders(store) == 2


def test_r15_a_key_that_lost_a_part_of_its_state_refuses(store: FeatureStore) -> None:
    """Nodes that were removed by hand are an error for reader and writer, and neither nulls nor a hang."""
    began = AT - timedelta(days=20)
    store.ingest("Order", [order(place, at=began + timedelta(minutes=place)) for place in range(1_000)])
    server, middle = store.online.writer, began + timedelta(minutes=500)
    [name] = server.scan_iter(match="*:rows:*:nodes")
    server.delete(name)
    with pytest.raises(StoreEmpty, match="lost a part"):
        orders(store, middle)
    with pytest.raises(StoreEmpty, match="lost a part"):
        store.ingest("Order", order(5_000, at=middle))
    store.materialize()
    assert orders(store) == 1_001


def test_a_reader_that_does_not_know_how_a_key_grew_asks_again(store: FeatureStore) -> None:
    """What it knows of the state tells it too few nodes; it fetches the others, and answers as who knows all."""
    with FeatureStore(store.config.root) as other:
        orders(other)
        began = AT - timedelta(days=20)
        store.ingest("Order", [order(place, at=began + timedelta(minutes=place)) for place in range(3_000)])
        for minutes in (1, 77, 1_500, 2_999):
            at = began + timedelta(minutes=minutes)
            assert orders(other, at) == orders(store, at) == minutes
