"""The store as its users meet it: training and serving agree, nothing is lost, no answer beats a wrong one."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from featurestore import FeatureStore
from featurestore.errors import (
    AsOfTooEarly,
    AsOfTooLate,
    InputError,
    InvalidValue,
    MissingAsOf,
    MissingColumn,
    NaiveTime,
    StoreEmpty,
    StoreUnavailable,
    UnknownColumn,
    UnknownFeature,
)

DEFINITIONS = '''
"""A shop."""
from datetime import datetime

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Request, RowId, Source, feature, rows


class User(Entity):
    """A user."""

    user_id: Column[int]


class Order(Source):
    """An order, pushed."""

    order_id: RowId[int]
    user_id: Column[int]
    amount: Column[float]
    ordered_at: EventTime


class Basket(Request):
    """What is being bought."""

    value: Column[float]
    at: Column[datetime]


class Spending(FeatureView, entity=User, source=Order):
    """What a user spends."""

    orders = rows(over="30d")
    amount = Order.amount.sum(over=("1d", "30d"))
    last = Order.amount.last()
    share = feature(rows(over="1d") / rows(over="30d"), default=0.0)


class Now(FeatureView, request=Basket):
    """The basket beside the past."""

    over_mean = Basket.value / (Spending.amount["30d"] / Spending.orders)
    hour = Basket.at.hour(zone="Europe/Berlin")


checkout = FeatureSet("checkout", Spending, Now)
'''
AT = datetime.now(UTC) - timedelta(hours=1)


def order(order_id: int, user_id: int | None = 1, amount: Any = 2.5, at: Any = AT) -> dict[str, Any]:
    """One order."""
    return {"order_id": order_id, "user_id": user_id, "amount": amount, "ordered_at": at}


def question(user_id: Any = 1) -> dict[str, Any]:
    """One question."""
    return {"user_id": user_id, "value": 5.0, "at": AT}


def write_project(folder: Path) -> Path:
    """A project with the shop's definitions."""
    (folder / "definitions").mkdir()
    (folder / "definitions" / "shop.py").write_text(DEFINITIONS)
    (folder / "featurestore.toml").write_text('project = "shop"\n')
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A store of the shop, with an embedded server."""
    with FeatureStore(write_project(tmp_path)) as store:
        yield store


def test_a_vector_and_a_training_row_are_the_same_bits(store: FeatureStore) -> None:
    """What was pushed is in the next lookup and in the training set, with one value and one status."""
    store.materialize()
    store.ingest("Order", [order(place, amount=0.1) for place in range(10)])
    vectors = store.lookup("checkout", question())
    spine = [question() | {"as_of": vectors.as_of, "label": 1}]
    train = store.dataset("checkout", spine, as_of="as_of", statuses=True).to_arrow().to_pylist()[0]
    assert {name: train[name] for name in vectors.names} == vectors.to_pylist()[0]
    assert {name: train[f"{name}__status"] for name in vectors.names} == vectors.status[0]
    assert train["label"] == 1
    assert vectors.to_pylist()[0]["spending__amount_1d"] == 1.0, "ten times 0.1 is exactly summed and rounded once"


def test_types_are_the_same_from_both_roads(store: FeatureStore) -> None:
    """Arrow columns of vectors and of a training set have the same types."""
    store.materialize()
    vectors = store.lookup("checkout", [question(), question(7)]).to_arrow()
    train = store.dataset("checkout", [question() | {"as_of": AT}], as_of="as_of").to_arrow()
    assert {name: train.schema.field(name).type for name in vectors.column_names} == {
        field.name: field.type for field in vectors.schema
    }


def test_rows_pushed_before_materialize_are_in_it(store: FeatureStore) -> None:
    """The log joins the history, whether or not a state was there when a row came."""
    report = store.ingest("Order", [order(1), order(2)])
    assert report.last == 2 and report.states == {}
    store.materialize()
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 2


def test_r16_every_row_is_accounted_for(store: FeatureStore, tmp_path: Path) -> None:
    """in = applied + duplicate + unkeyed + quarantined, by ingest and by materialize alike."""
    store.materialize()
    events = [order(1), order(1), order(2, user_id=None), order(3, amount="much"), order(4, at=None), order(None)]
    report = store.ingest("Order", events)
    (counts,) = report.states.values()
    assert (counts.applied, counts.duplicate, counts.unkeyed, counts.quarantined) == (2, 1, 1, 2)
    assert counts.total == report.rows == len(events)
    assert report.bad_values == 1
    assert "order_id is null" in (tmp_path / ".featurestore" / "quarantine" / "Order.jsonl").read_text()
    (built,) = store.materialize().states.values()
    assert (built.applied, built.duplicate, built.unkeyed) == (2, 1, 1)


def test_a_materialized_state_and_one_made_by_ingest_answer_alike(store: FeatureStore) -> None:
    """Building the state again from history changes no answer."""
    store.materialize()
    for place in range(300):
        store.ingest("Order", order(place, amount=place / 7, at=AT - timedelta(hours=place)))
    before = store.lookup("checkout", question(), as_of=AT + timedelta(minutes=1))
    store.materialize()
    after = store.lookup("checkout", question(), as_of=AT + timedelta(minutes=1))
    assert (before.values, before.statuses) == (after.values, after.statuses)


def _push(root: Path, first: int, count: int) -> None:
    with FeatureStore(root) as store:
        for place in range(count):
            store.ingest("Order", order(first + place, amount=1.0))


def test_two_writers_at_once_on_one_key_lose_nothing(store: FeatureStore, tmp_path: Path) -> None:
    """Two processes that push rows of one user at the same time leave all in the state, and in order in the log."""
    store.materialize()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_push, args=(tmp_path, 1_000 * each, 60)) for each in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 120
    assert [entry.position for entry in store.log.entries("Order")] == list(range(1, 121))


def test_rows_that_arrive_while_materialize_runs_are_in_the_new_state(store: FeatureStore) -> None:
    """A writer and a reader go on while states are replaced; no row is lost and no read sees half a state."""
    store.ingest("Order", [order(place, user_id=place % 50, amount=1.0) for place in range(5_000)])
    store.materialize()
    done = threading.Event()
    pushed: list[int] = []
    seen: list[int] = []

    def write() -> None:
        while not done.is_set():
            store.ingest("Order", order(10_000 + len(pushed), amount=1.0))
            pushed.append(1)

    def read() -> None:
        with FeatureStore(store.config.root) as other:
            while not done.is_set():
                seen.append(int(other.lookup("checkout", question()).to_pylist()[0]["spending__orders"]))  # type: ignore[call-overload]

    threads = [threading.Thread(target=each) for each in (write, read)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        store.materialize()
    done.set()
    for thread in threads:
        thread.join()
    assert len(pushed) > 3 and len(seen) > 3
    assert seen == sorted(seen) and seen[0] >= 100, "a count never goes back"
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 100 + len(pushed)


def test_what_a_dead_writer_committed_is_applied_by_the_next(store: FeatureStore) -> None:
    """A row that is in the log and not in the state is applied by recovery, once."""
    store.materialize()
    body = json.dumps({"order_id": 1, "user_id": 1, "amount": 2.0, "ordered_at": int(AT.timestamp() * 1e6)})
    with store.log.turn("Order"):
        store.log.append("Order", [body], int(time.time() * 1e6))
    time.sleep(0.2)
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 1, "a lookup recovers (R15)"
    report = store.ingest("Order", order(2))
    assert [counts.applied for counts in report.states.values()] == [1]
    states = [view.state for view in store.views() if view.state]
    assert not store.online.recover(states)
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 2


def test_rows_committed_before_the_server_went_away_are_said_to_be_in(store: FeatureStore) -> None:
    """An ingest that fails after its commit says which rows are in the log, and they are applied later, once."""
    store.materialize()
    store.lookup("checkout", question())
    store.online.client.shutdown(nosave=False)
    with pytest.raises(StoreUnavailable):
        store.ingest("Order", order(1))
    assert store.log.head("Order") in (0, 1)
    store.close()
    committed = store.log.head("Order")
    store.ingest("Order", order(2))
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == committed + 1


def test_r13_a_pushed_row_is_seen_by_the_next_lookup(store: FeatureStore) -> None:
    """The instant of a lookup lies after every stamp that is merged, at whatever speed they follow each other."""
    store.materialize()
    for place in range(200):
        store.ingest("Order", order(place))
        assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == place + 1


def test_r14_statuses_and_defaults(store: FeatureStore) -> None:
    """A key never seen, an empty window and a value are told apart; a default keeps the status."""
    store.materialize()
    store.ingest("Order", [order(1, at=AT - timedelta(days=40), amount=3.0)])
    seen, unknown, null = store.lookup("checkout", [question(1), question(2), question(None)]).status
    assert seen["spending__last"] == "ok" and seen["spending__amount_30d"] == "null"
    assert unknown["spending__last"] == unknown["spending__share"] == "not_found" == null["spending__last"]
    vector = store.lookup("checkout", question(2)).to_pylist()[0]
    assert vector["spending__share"] == 0.0 and vector["spending__orders"] == 0


def test_r15_a_store_that_holds_nothing_refuses(store: FeatureStore) -> None:
    """Before materialize, and after the server lost its data, a lookup is an error and never nulls."""
    with pytest.raises(StoreEmpty, match="no state"):
        store.lookup("checkout", question())
    store.materialize()
    store.ingest("Order", order(1))
    store.online.client.flushall()
    with pytest.raises(StoreEmpty):
        store.lookup("checkout", question())
    store.materialize()
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 1


def test_as_of_is_refused_where_the_state_cannot_answer(store: FeatureStore) -> None:
    """An instant after the clock is refused; so is one whose windows reach rows that were trimmed."""
    (store.config.root / "definitions" / "shop.py").write_text(
        DEFINITIONS.replace("amount.last()", 'amount.last(over="1d")')
    )
    store.ingest("Order", [order(1, at=AT - timedelta(days=400)), order(2)])
    store.materialize()
    with pytest.raises(AsOfTooLate):
        store.lookup("checkout", question(), as_of=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(AsOfTooEarly):
        store.lookup("checkout", question(), as_of=AT - timedelta(days=300))
    assert store.lookup("checkout", question()).to_pylist()[0]["spending__orders"] == 1


def test_an_unreachable_server_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there gives a four-part error without the password, and not a hang."""
    monkeypatch.setenv("FEATURESTORE_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    with FeatureStore(write_project(tmp_path)) as store, pytest.raises(StoreUnavailable) as caught:
        store.lookup("checkout", question())
    assert "secret" not in str(caught.value) and caught.value.fix


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"value": 1.0, "at": AT}, MissingColumn),
        (question("1"), InvalidValue),
        (question(True), InvalidValue),
        (question(2**63), InvalidValue),
        (question() | {"at": datetime(2024, 1, 1)}, NaiveTime),
        (question() | {"at": "yesterday"}, InvalidValue),
    ],
)
def test_a_question_that_does_not_fit_is_refused(
    store: FeatureStore, asked: dict[str, Any], error: type[Exception]
) -> None:
    """A missing input, a wrong type or a naive time is named, with what there is and how to mend it."""
    store.materialize()
    with pytest.raises(error) as caught:
        store.lookup("checkout", asked)
    assert getattr(caught.value, "fix", None)


@pytest.mark.parametrize(
    ("spine", "as_of", "error"),
    [
        ([question() | {"at2": AT}], "as_of", MissingAsOf),
        ([{"user_id": 1, "value": 1.0, "as_of": AT}], "as_of", MissingColumn),
        ([question("x") | {"as_of": AT}], "as_of", InvalidValue),
        ([question() | {"as_of": datetime(2024, 1, 1)}], "as_of", NaiveTime),
        ([question() | {"as_of": None}, question() | {"as_of": AT}], "as_of", MissingAsOf),
        ("nowhere.parquet", "as_of", InputError),
        ("select * from missing", "as_of", InputError),
        (7, "as_of", InputError),
    ],
)
def test_a_spine_that_does_not_fit_is_refused(
    store: FeatureStore, spine: Any, as_of: str, error: type[Exception]
) -> None:
    """A spine without its instants, its inputs or their types is refused with the column's name."""
    with pytest.raises(error) as caught:
        store.dataset("checkout", spine, as_of=as_of)
    assert getattr(caught.value, "fix", None)


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([order(1) | {"amuont": 1}], UnknownColumn),
        ([{"order_id": 1, "user_id": 1, "ordered_at": AT}], MissingColumn),
        ([order(1, at=datetime(2024, 1, 1))], NaiveTime),
        ("rows", InputError),
    ],
)
def test_events_that_do_not_fit_are_refused_whole(store: FeatureStore, events: Any, error: type[Exception]) -> None:
    """A call with an unknown or missing column or a naive time takes nothing, so nothing is half in."""
    with pytest.raises(error):
        store.ingest("Order", events)
    assert store.log.head("Order") == 0


def test_unknown_names_are_told_with_the_near_ones(store: FeatureStore) -> None:
    """A mistyped feature set or source is answered with the name that was meant."""
    with pytest.raises(UnknownFeature, match="write `checkout`"):
        store.plan("chekout")
    with pytest.raises(UnknownFeature, match="write `Order`"):
        store.ingest("Ordre", [])


def test_a_column_may_have_any_name(tmp_path: Path) -> None:
    """Columns called like what the product adds, and like words of SQL, are columns like any other on both roads."""
    names = [
        "usable",
        "event_at_us",
        "known_at_us",
        "row_id",
        "fingerprint",
        "position",
        "body",
        "k0",
        "v0",
        "x0",
        "found",
    ]
    names += ["spine_row", "as_of_us", "select_", "from_", "order_by", "bits", "visible_at_us", "at", "asked", "q", "r"]
    columns = "\n".join(f"    {name}: Column[int]" for name in names)
    features = "\n".join(f"    {name} = Odd.{name}.sum()" for name in names)
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "odd.py").write_text(
        '"""Odd names."""\nfrom featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, RowId, Source\n'
        "class User(Entity):\n    found: Column[int]\n"
        f"class Odd(Source):\n    id: RowId[int]\n{columns}\n    time: EventTime\n"
        f'class asked(FeatureView, entity=User, source=Odd):\n{features}\nodd = FeatureSet("odd", asked)\n'
    )
    (tmp_path / "featurestore.toml").write_text("")
    with FeatureStore(tmp_path) as store:
        store.materialize()
        store.ingest("Odd", {name: place for place, name in enumerate(names)} | {"id": 1, "time": AT})
        vectors = store.lookup("odd", {"found": names.index("found")})
        train = store.dataset("odd", [{"found": names.index("found"), "as_of": vectors.as_of}], as_of="as_of")
        assert list(vectors.to_pylist()[0].values()) == list(range(len(names)))
        assert train.to_arrow().select(list(vectors.names)).to_pylist() == vectors.to_pylist()
        assert store.verify("odd", cells=500).differing == 0
