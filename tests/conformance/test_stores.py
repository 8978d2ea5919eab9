"""The online store: when there is no answer, and which definition answers."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from featurestore import Column, EventTime, FeatureSet, FeatureStore, FeatureView, RowId, Source, feature, rows
from featurestore.errors import AsOfTooEarly, InputError, StoreBehind, StoreEmpty, StoreUnsafe
from featurestore.online.server import Server, connect, open_server
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    CHRONON,
    CHRONON_FETCHER,
    FEAST,
    FEAST_REDIS,
    HOPSWORKS,
    HOPSWORKS_INSERT,
    REDIS_EVICTION,
    TECTON_TTL,
    chronon,
    feast,
)
from tests.conformance.roads import Roads, at, seen


class Paid(FeatureView, entity=Account, source=Payment):
    """What is served here."""

    total = Payment.amount.sum(over="1d")


ASKED = FeatureSet("paid", Paid)


@seen("Redis", "8", REDIS_EVICTION, "R15")
def test_redis_a_server_that_may_drop_keys_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Redis a memory limit with an eviction policy drops keys when it is reached, and a dropped key reads as one
    never seen; here such a server is refused before the first answer."""
    (tmp_path / "featurestore.toml").write_text("")
    with open_server(tmp_path / "server") as server:
        client = connect(server.url)
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        monkeypatch.setenv("FEATURESTORE_REDIS_URL", server.url)
        with FeatureStore(tmp_path) as store, pytest.raises(StoreUnsafe, match="may evict keys"):
            store.lookup(ASKED, {"account": 1})
        client.config_set("maxmemory-policy", "noeviction")
        with FeatureStore(tmp_path) as store, pytest.raises(StoreEmpty):
            store.lookup(ASKED, {"account": 1})
        client.close()


@seen("Feast", FEAST, feast(FEAST_REDIS), "R15")
def test_feast_an_empty_store_is_not_an_answer(roads: Roads) -> None:
    """In Feast a view that was never materialized, or whose Redis lost its data, is served as nulls that are present;
    here both are refused, until the state is built again."""
    with pytest.raises(StoreEmpty):
        roads.store.lookup(ASKED, {"account": 1})
    roads.push(Payment, paid(5.0, "11:00"), Paid)
    assert roads.ask(Paid, {"account": 1}, at("12:00"))["total"] == [5.0]
    client = roads.store.online.writer
    for name in client.scan_iter(match=f"{roads.store.config.project}:*"):
        client.delete(name)
    with pytest.raises(StoreEmpty):
        roads.store.lookup(ASKED, {"account": 1}, as_of=at("12:00"))
    roads.store.materialize([Paid])
    assert roads.ask(Paid, {"account": 1}, at("12:00"))["total"] == [5.0]


@seen("Feast", FEAST, feast(FEAST_REDIS), "R12")
def test_feast_no_key_expires(roads: Roads) -> None:
    """In Feast `key_ttl_seconds` lets a key of Redis expire with all the views it holds, by the server's clock, which
    training knows nothing of; here no key ever expires, and windows alone say what is old."""
    roads.push(Payment, [paid(5.0, "11:00"), paid(6.0, "11:00") | {"account": 2}], Paid)
    roads.ask(Paid, {"account": 1}, at("12:00"))
    client = roads.store.online.writer
    names = list(client.scan_iter(match=f"{roads.store.config.project}:*"))
    assert len(names) >= 3
    assert {client.ttl(name) for name in names} == {-1}


@seen("Feast", FEAST, feast("docs/reference/alpha-feature-view-versioning.md"), "R20")
def test_feast_whatever_can_change_a_value_changes_the_version(roads: Roads) -> None:
    """In Feast a change of `ttl` is metadata and makes no new version of a view; here a version is a hash of the
    meaning, is the same in training and serving, and changes with a window and not with a description."""

    def view(over: str, doc: str) -> FeatureSet:
        class Recent(FeatureView, entity=Account, source=Payment):
            last = feature(Payment.amount.last(over=over), doc=doc)

        roads.store.materialize([Recent])
        return FeatureSet("recent", Recent)

    versions = []
    for over, doc in (("1h", "the last one"), ("1h", "the last payment of an hour"), ("60m", ""), ("2h", "")):
        asked = view(over, doc)
        vectors = roads.store.lookup(asked, {"account": 1})
        trained = roads.store.dataset(asked, [{"account": 1, "asked_at": at("12:00")}], as_of="asked_at")
        assert vectors.version == trained.version
        versions.append(vectors.version)
    assert versions[0] == versions[1] == versions[2] != versions[3]


@seen("Chronon", "before #870", "https://github.com/airbnb/chronon/pull/870", "R15")
def test_chronon_a_state_that_is_too_short_refuses(roads: Roads) -> None:
    """In Chronon counters over windows longer than what the last batch holds were served short, with no sign but a
    metric; here a longer window on a trimmed state is refused until the state is built for it."""

    class Longer(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="30d")

    longer = FeatureSet("longer", Longer)
    roads.push(Payment, [paid(1.0, "11:00"), paid(2.0, "11:00", day=20)], Paid)
    with pytest.raises(StoreEmpty, match="windows of 1d at most"):
        roads.store.lookup(longer, {"account": 1}, as_of=at("12:00", day=20))
    assert roads.ask(Longer, {"account": 1}, at("12:00", day=20))["total"] == [3.0]


@seen("Tecton", "0.4", TECTON_TTL, "R13")
def test_tecton_what_was_trimmed_is_refused(roads: Roads) -> None:
    """In Tecton what is older than the `ttl` is not in the online store and reads as nothing; here an instant that the
    trimmed state can no longer answer exactly is refused, and the training set still has it."""
    roads.push(Payment, [paid(1.0, "11:00"), paid(2.0, "11:00", day=20)], Paid)
    roads.store.materialize([Paid])
    with pytest.raises(AsOfTooEarly):
        roads.store.lookup(ASKED, {"account": 1}, as_of=at("12:00"))
    spine = [{"account": 1, "asked_at": at("12:00")}]
    assert roads.store.dataset(ASKED, spine, as_of="asked_at").to_arrow()["paid__total"].to_pylist() == [1.0]


@seen("Chronon", CHRONON, chronon("docs/source/test_deploy_serve/Online_Offline_Consistency.md"), "R15")
def test_chronon_what_is_committed_is_served(roads: Roads) -> None:
    """In Chronon what the stream has and the key-value store has not yet is missing from an answer for a moment that
    nobody sees; here a lookup applies what a dead writer committed, and is what training says of that instant."""
    roads.push(Payment, paid(1.0, "11:00"), Paid)
    micros = int(at("11:30").timestamp()) * 1_000_000
    body = json.dumps({"account": 1, "amount": 2.0, "paid_at": micros, "known_at": micros})
    with roads.store.log.turn("Payment"):
        roads.store.log.append("Payment", [body], int(time.time() * 1e6))
    time.sleep(0.15)
    assert roads.ask(Paid, {"account": 1}, at("12:00"))["total"] == [3.0]


@seen("Hopsworks", HOPSWORKS, HOPSWORKS_INSERT, "R15")
def test_hopsworks_both_stores_have_one_history(roads: Roads, server: Server, tmp_path: Path) -> None:
    """In Hopsworks one of the two stores can be written or cleared alone, after which they disagree and nothing
    reconciles them; here a state knows which log it was built from, and is refused beside another."""
    roads.push(Payment, paid(1.0, "11:00"), Paid)
    roads.store.close()
    (tmp_path / ".featurestore" / "log").rename(tmp_path / "elsewhere")
    with FeatureStore(tmp_path) as other, pytest.raises(StoreBehind, match="another log"):
        other.lookup(ASKED, {"account": 1})


@seen("Feast", FEAST, feast("docs/reference/data-sources/push.md"), "R6")
def test_feast_history_and_push_are_one_source(roads: Roads) -> None:
    """In Feast a push source has a batch source beside it, and nothing tells whether a row is in both; here a row that
    is in the files and is pushed again counts once, and a source that could not tell is refused."""
    history = pa.table({"id": [1, 2], "account": [1, 1], "paid_at": [at("11:00"), at("11:30")]})

    class Told(Source, data=history):
        id: RowId[int]
        account: Column[int]
        paid_at: EventTime

    class Untold(Source, data=history):
        account: Column[int]
        paid_at: EventTime

    class Number(FeatureView, entity=Account, source=Told):
        number = rows()

    again = [{"id": 2, "account": 1, "paid_at": at("11:30")}, {"id": 3, "account": 1, "paid_at": at("11:40")}]
    report = roads.push(Told, again, Number)
    assert [(each.applied, each.duplicate) for each in report.states.values()] == [(1, 1)]
    assert roads.ask(Number, {"account": 1})["number"] == [3]
    with pytest.raises(InputError, match="no RowId"):
        roads.push(Untold, {"account": 1, "paid_at": at("12:00")})


@seen("Chronon", CHRONON, chronon(CHRONON_FETCHER), "R13")
def test_chronon_the_old_state_serves_until_the_new_one_is_whole(roads: Roads) -> None:
    """In Chronon a bulk upload may leave values of several batches, of which the fetcher discards all but the latest;
    here a state is built beside the one that serves and replaces it at once, with what was pushed meanwhile."""
    roads.push(Payment, paid(1.0, "11:00"), Paid)
    seen_while_building: list[object] = []

    def look(*_: object) -> None:
        vectors = roads.store.lookup(ASKED, {"account": 1}, as_of=at("12:00"))
        seen_while_building.extend(vectors.to_pylist()[0].values())
        roads.push(Payment, paid(1.0, "11:30"))

    roads.store.materialize([Paid], progress=look)
    assert seen_while_building[0] == 1.0
    assert roads.ask(Paid, {"account": 1}, at("12:00"))["total"] == [1.0 + len(seen_while_building)]
    assert roads.ask(Paid, {"account": 1}, datetime.now(UTC))["total"] == [None]
