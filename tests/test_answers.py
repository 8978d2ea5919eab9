"""What a lookup may not do while rows come in, states change and names collide."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureStore, FeatureView, RowId, Source, column, rows
from featurestore.errors import DuplicateName, InputError, StoreBehind, StoreEmpty
from featurestore.plan.build import plan_feature_set
from tests.test_store import AT, DEFINITIONS, order, question, write_project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A store of the shop, with an embedded server."""
    with FeatureStore(write_project(tmp_path)) as store:
        store.materialize()
        yield store


def test_r13_a_lookup_sees_all_rows_of_a_call_or_none(store: FeatureStore) -> None:
    """While one call's rows are applied key by key, no vector shows some of them; what it shows is what DuckDB says."""
    users = 400
    done = threading.Event()
    seen: list[tuple[datetime, tuple[Any, ...]]] = []

    def read() -> None:
        with FeatureStore(store.config.root) as other:
            while not done.is_set():
                vectors = other.lookup("checkout", [question(user) for user in range(0, users, 40)])
                seen.append((vectors.as_of, tuple(row["spending__orders"] for row in vectors.to_pylist())))

    reader = threading.Thread(target=read)
    reader.start()
    for call in range(5):
        store.ingest("Order", [order(call * users + user, user_id=user) for user in range(users)])
    done.set()
    reader.join()
    assert len(seen) > 5
    assert all(len(set(counts)) == 1 for _, counts in seen), "a call was seen in part"
    spine = [question(40 * place) | {"t": at} for at, _ in seen for place in range(10)]
    train = store.dataset("checkout", spine, as_of="t").to_arrow()["spending__orders"].to_pylist()
    assert train == [count for _, counts in seen for count in counts]


def test_a_writer_that_died_holding_lookups_back_is_found(store: FeatureStore) -> None:
    """A writer may die between holding lookups back and its commit: the next lookup lets go."""
    states = [view.state for view in store.views() if view.state]
    store.online._hold(states)
    store.ingest("Order", order(1))
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 1


def test_r15_a_state_of_another_log_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    """With the log gone, the state holds rows that DuckDB does not know of."""
    store.ingest("Order", order(1))
    store.log.close()
    (tmp_path / ".featurestore" / "log").rename(tmp_path / "elsewhere")
    with FeatureStore(tmp_path) as other, pytest.raises(StoreBehind, match="another log"):
        other.lookup("checkout", question())


def test_a_window_that_was_made_longer_asks_for_materialize(tmp_path: Path) -> None:
    """Rows that the longer window would need may have been trimmed; after materialize it is answered."""
    text = DEFINITIONS.replace("amount.last()", 'amount.last(over="1d")')
    roots = []
    for name, over in (("before", "30d"), ("after", "60d")):
        (tmp_path / name).mkdir()
        roots.append(write_project(tmp_path / name))
        (roots[-1] / "definitions" / "shop.py").write_text(text.replace('"30d"', f'"{over}"'))
    home = tmp_path / "home"
    with FeatureStore(roots[0], home=home) as before:
        before.materialize()
        with FeatureStore(roots[1], home=home) as after:
            with pytest.raises(StoreEmpty, match="windows of 30d at most"):
                after.lookup("checkout", question())
            after.materialize()
            assert len(after.lookup("checkout", question())) == 1


def test_r12_a_selection_that_lost_its_window_asks_for_materialize(tmp_path: Path) -> None:
    """The state of `last(over="1d")` has the same name as that of `last()`, and may have dropped the latest row."""
    for name, over in (("before", 'over="1d"'), ("after", "")):
        (tmp_path / name).mkdir()
        text = DEFINITIONS.replace("amount.last()", f"amount.last({over})")
        (write_project(tmp_path / name) / "definitions" / "shop.py").write_text(text)
    home = tmp_path / "home"
    with FeatureStore(tmp_path / "before", home=home) as before:
        before.materialize()
        with FeatureStore(tmp_path / "after", home=home) as after:
            with pytest.raises(StoreEmpty, match=r"built without the rows that `Order.amount.last\(\)` needs"):
                after.lookup("checkout", question())
            after.materialize()
            assert len(after.lookup("checkout", question())) == len(before.lookup("checkout", question())) == 1


def test_a_view_beside_the_definitions_follows_what_is_pushed(store: FeatureStore) -> None:
    """A view of a notebook is in step with the source from its materialize on."""
    source: Any = store.definitions.sources["Order"]
    user: Any = store.definitions.entities["User"]

    class Cell(FeatureView, entity=user, source=source):
        """Tried out in a notebook."""

        largest = source.amount.max()

    store.materialize([Cell])
    store.ingest("Order", order(1, amount=7.0))
    assert store.lookup(FeatureSet("cell", Cell), {"user_id": 1}).to_pylist() == [{"cell__largest": 7.0}]


class User(Entity):
    """A user."""

    user_id: Column[int]


class Event(Source):
    """An event."""

    event_id: RowId[int]
    user_id: Column[int]
    code: Column[int] = column("a")
    at: EventTime


class Names(FeatureView, entity=User, source=Event):
    """Features with names that could mislead."""

    status = Event.code.last()
    n = rows()
    n__status = Event.code.max()


def test_a_feature_may_be_called_status(tmp_path: Path) -> None:
    """Only columns that hold statuses are read as such; a name that would stand twice is refused."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "names.py").write_text(
        "from tests.test_answers import Event, Names, User\nfrom featurestore import FeatureSet\n"
        'mine = FeatureSet("mine", Names.status, Names.n)\n'
    )
    (tmp_path / "featurestore.toml").write_text("")
    with FeatureStore(tmp_path) as store:
        store.ingest(Event, {"event_id": 1, "user_id": 1, "code": 7, "at": AT})
        store.materialize([Names])
        vectors = store.lookup("mine", {"user_id": 1})
        train = store.dataset("mine", [{"user_id": 1, "t": vectors.as_of}], as_of="t").to_arrow().to_pylist()[0]
        assert vectors.to_pylist()[0]["names__status"] == train["names__status"] == 7
    with pytest.raises(DuplicateName, match="names__n__status"):
        plan_feature_set(FeatureSet("mine", Names))


@pytest.mark.parametrize("extra", ["spine_row", "USER_ID", "T", "asked", "s0", "__spine_row"])
def test_a_spine_column_that_passes_through_may_have_any_name(extra: str, store: FeatureStore) -> None:
    """What is not asked is not looked at."""
    rows_ = [{extra: place} | question() | {"t": AT} for place in range(3)]
    assert store.dataset("checkout", rows_, as_of="t").to_arrow()[extra].to_pylist() == [0, 1, 2]


def test_rows_of_a_spine_that_differ_in_columns_are_refused(store: FeatureStore) -> None:
    """A label that only some rows have is not dropped in silence."""
    with pytest.raises(InputError, match="different columns"):
        store.dataset("checkout", [question() | {"t": AT}, question() | {"t": AT, "label": 1}], as_of="t")


def test_two_keys_of_one_input_are_refused() -> None:
    """A pair whose key columns have one name could only be asked for equal keys."""

    class Item(Entity):
        """An item."""

        user_id: Column[int]

    with pytest.raises(DuplicateName, match="one input `user_id`"):

        class Pair(FeatureView, entity=(User, Item), source=Event, key=(Event.user_id, Event.code)):
            """A pair."""

            n = rows()


def test_a_hot_key_is_materialized(store: FeatureStore) -> None:
    """A key with very many rows is written in pieces, and read from a few of them."""
    at = datetime.now(UTC) - timedelta(days=20)
    events = [order(place, at=at + timedelta(seconds=place % 1_500_000), amount=1.0) for place in range(60_000)]
    store.ingest("Order", events)
    store.materialize()
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__amount_30d"] == 60_000.0


def test_a_text_in_an_expression_stays_a_text(tmp_path: Path) -> None:
    """Braces, quotes and NUL in a constant are characters on both roads."""
    text = "}{0} '\" {p} \\0"
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "texts.py").write_text(
        "from featurestore import Column, FeatureSet, FeatureView, Request\n"
        "class Ask(Request):\n    said: Column[str]\n"
        f"class Said(FeatureView, request=Ask):\n    text = Ask.said.fill_null({text!r})\n"
        '    zero = Ask.said.fill_null("a\\0b")\nsaid = FeatureSet("said", Said)\n'
    )
    (tmp_path / "featurestore.toml").write_text("")
    with FeatureStore(tmp_path) as store:
        vector = store.lookup("said", {"said": None}).to_pylist()[0]
        train = store.dataset("said", [{"said": None, "t": AT}], as_of="t").to_arrow().to_pylist()[0]
    assert vector == {"said__text": text, "said__zero": "a\0b"} == {name: train[name] for name in vector}


def test_a_training_set_is_the_same_in_every_coat(store: FeatureStore, tmp_path: Path) -> None:
    """Arrow, pandas, polars and Parquet hold the same rows; integers with nulls stay integers in pandas."""
    store.ingest("Order", order(1))
    spine = [question() | {"t": datetime.now(UTC), "label": 2**62}, question(None) | {"t": AT, "label": None}]
    train = store.dataset("checkout", spine, as_of="t")
    rows_ = train.to_arrow().to_pylist()
    assert train.to_polars().to_dicts() == rows_
    assert train.to_pandas()["label"].tolist()[0] == 2**62
    assert pq.read_table(train.write(tmp_path / "train.parquet")).to_pylist() == rows_
    assert "spending__orders" in train._repr_html_() and len(train) == 2
