"""Instants: clocks, zones, and the order of rows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from featurestore import Column, EventTime, FeatureSet, FeatureView, KnownTime, Order, RowId, Source, rows
from featurestore.errors import AsOfTooLate, NaiveTime
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    CHRONON,
    CHRONON_FETCHER,
    CHRONON_GROUP_BY,
    DUCKDB,
    DUCKDB_ISSUE,
    FEAST,
    FOLDS,
    HOPSWORKS_GROUPS,
    OPENMLDB_ISSUE,
    TECTON_EDGE,
    chronon,
    duckdb_docs,
    feast,
)
from tests.conformance.roads import NOT_FOUND, NULL, OK, Roads, at, just_after, plain, seen


@seen("Hopsworks", "4.0", HOPSWORKS_GROUPS, "R13")
def test_hopsworks_the_past_can_be_asked_online(roads: Roads) -> None:
    """In Hopsworks the online store has the latest values only, so what was served cannot be asked again; here a lookup
    as of a past instant is the training row of that instant."""

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()

    roads.push(Payment, [paid(10.0, "10:00"), paid(11.0, "11:00"), paid(12.0, "12:00")], Paid)
    said = roads.ask(Paid, {"account": 1}, at("09:00"), at("10:30"), at("11:30"), at("12:30"))
    assert said["last"] == [None, 10.0, 11.0, 12.0]
    assert said.status["last"] == [NOT_FOUND, OK, OK, OK]


@seen("Chronon", CHRONON, chronon(CHRONON_FETCHER), "R13")
def test_chronon_an_instant_before_the_last_batch(roads: Roads) -> None:
    """In Chronon a fetch of an instant before the end of the last batch gives null and counts an exception; here it is
    answered exactly, or refused."""
    days = [1, 2, 3]
    history = pa.table({"account": [1] * 3, "amount": [1.0, 2.0, 4.0], "paid_at": [at("12:00", day) for day in days]})

    class Payment(Source, data=history):
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime

    class Paid(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="2d")

    said = roads.ask(Paid, {"account": 1}, at("13:00", 2), at("12:00", 3), just_after(at("12:00", 3)))
    assert said["total"] == [3.0, 3.0, 6.0]


@seen("Chronon", CHRONON, chronon(CHRONON_FETCHER), "R13")
def test_chronon_one_request_has_one_instant(roads: Roads) -> None:
    """In Chronon each group of features of a request reads the host's clock for itself; here one lookup has one instant
    for all its views and expressions, and returns it."""

    class Payment(Source):
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime

    class Visit(Source):
        account: Column[int]
        seen_at: EventTime

    class Paid(FeatureView, entity=Account, source=Payment):
        number = rows(over="1h")

    class Visited(FeatureView, entity=Account, source=Visit):
        number = rows(over="1h")

    class Share(FeatureView):
        paid_a_visit = Paid.number / Visited.number

    moment = datetime.now(UTC)
    roads.push(Visit, [{"account": 1, "seen_at": moment}] * 4, Visited)
    roads.push(Payment, {"account": 1, "amount": 20.0, "paid_at": moment}, Paid)
    said = roads.ask([Paid, Visited, Share], {"account": 1})
    assert said["paid_a_visit"] == [0.25]
    assert len(said.instants) == 1 and said.instants[0] > moment


@seen("Chronon", CHRONON, chronon(CHRONON_FETCHER), "R13")
def test_chronon_now_is_the_servers_clock(roads: Roads, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Chronon "now" is the clock of the host that fetches; here a client whose clock is an hour slow or fast sees
    what was pushed, at the server's instant, and an instant after that is refused."""

    class Payment(Source):
        account: Column[int]
        paid_at: EventTime

    class Paid(FeatureView, entity=Account, source=Payment):
        number = rows(over="10m")

    true, hour = time.time_ns, 3_600_000_000_000
    for pushed, wrong in enumerate((-hour, hour), start=1):
        monkeypatch.setattr(time, "time_ns", lambda wrong=wrong: true() + wrong)
        moment = datetime.fromtimestamp(true() / 1e9, UTC)
        roads.push(Payment, {"account": 1, "paid_at": moment}, Paid)
        said = roads.ask(Paid, {"account": 1})
        assert said["number"] == [pushed]
        assert abs(said.instants[0] - moment) < timedelta(minutes=1)
        with pytest.raises(AsOfTooLate):
            roads.store.lookup(FeatureSet("paid", Paid), {"account": 1}, as_of=moment + timedelta(minutes=30))
        monkeypatch.setattr(time, "time_ns", lambda: true() + 2 * hour)  # somebody sets it between two lookups
        now = roads.store.lookup(FeatureSet("paid", Paid), {"account": 1}).as_of
        assert abs(now - moment) < timedelta(minutes=1)


@seen("Tecton", "1.0", TECTON_EDGE, "R4")
def test_tecton_a_late_stream_does_not_move_the_window(roads: Roads) -> None:
    """In Tecton the window of a read ends at the wall clock or at the stream's latest event, by a setting, while a
    training row has an instant of its own; here it ends at the instant that is asked, on both roads."""

    class Click(Source):
        account: Column[int]
        clicks: Column[int]
        paid_at: EventTime
        known_at: KnownTime

    class Clicked(FeatureView, entity=Account, source=Click):
        total = Click.clicks.sum(over="1h")

    arrived = [paid(0.0, clock) | {"clicks": 1} for clock in ("01:32", "01:55", "02:10", "02:32")]
    held_up = [paid(0.0, clock, known="03:25") | {"clicks": 1} for clock in ("02:41", "02:49", "02:55")]
    events = [{name: row[name] for name in row if name != "amount"} for row in (*arrived, *held_up)]
    roads.push(Click, events, Clicked)
    assert roads.ask(Clicked, {"account": 1}, at("03:00"), at("03:30"))["total"] == [2, 4]


@seen("OpenMLDB", "as observed in May 2022", f"{OPENMLDB_ISSUE}1780", "R5")
def test_openmldb_rows_of_one_instant_have_an_order(roads: Roads) -> None:
    """In OpenMLDB offline windows over rows of one timestamp were unpredictable and differed from online; here such
    rows have the order of their `Order` column, whatever the order of arrival and the number of threads."""

    class Step(Source):
        account: Column[int]
        page: Column[str]
        step: Order[int]
        paid_at: EventTime
        known_at: KnownTime

    class Path(FeatureView, entity=Account, source=Step):
        first = Step.page.first()
        last = Step.page.last()
        path = Step.page.last_n(3)

    pages = [(3, "pay"), (1, "home"), (4, "done"), (2, "cart")]
    moment = {"account": 1, "paid_at": at("11:00"), "known_at": at("11:00")}
    roads.push(Step, [{"step": step, "page": page, **moment} for step, page in pages], Path)
    said = roads.ask(Path, {"account": 1}, at("12:00"))
    assert (said["first"], said["last"]) == (["home"], ["done"])
    assert said["path"] == [["cart", "pay", "done"]]


@seen("DuckDB", "as observed in September 2026", f"{DUCKDB_ISSUE}25536", "R5")
def test_duckdb_ties_without_an_order_have_one_answer(roads: Roads) -> None:
    """In DuckDB an `ASOF JOIN` takes any of the rows that tie, another one from run to run; here ties go to the
    greatest value on both roads, and null comes before all values."""

    class Paid(FeatureView, entity=Account, source=Payment):
        first = Payment.amount.first()
        last = Payment.amount.last()

    amounts = [7.0, None, 3.0, 9.0, 1.0]
    roads.push(Payment, [paid(0.0, "11:00") | {"amount": amount} for amount in amounts], Paid)
    said = roads.ask(Paid, {"account": 1}, at("12:00"))
    assert (said["first"], said["last"]) == ([None], [9.0])
    assert said.status["first"] == [NULL]


@seen("DuckDB", DUCKDB, duckdb_docs("sql/data_types/timestamp"), "R1")
def test_duckdb_nanoseconds_are_floored(roads: Roads) -> None:
    """In DuckDB a cast from nanoseconds rounds to the nearest microsecond, which Python's datetime does not; here
    nanoseconds are floored, in files and in what is pushed."""
    nearest = plain("SELECT CAST(TIMESTAMP_NS '2024-05-01 11:00:00.000000999' AS TIMESTAMP)::VARCHAR")
    assert nearest == [("2024-05-01 11:00:00.000001",)]
    moment = pd.Timestamp("2024-05-01T11:00:00.000000999Z")
    history = pa.table({"id": [1], "account": [1], "paid_at": pa.array([moment.value], pa.timestamp("ns", "UTC"))})

    class Payment(Source, data=history):
        id: RowId[int]
        account: Column[int]
        paid_at: EventTime

    class Pushed(Source):
        account: Column[int]
        paid_at: EventTime
        known_at: KnownTime

    class Paid(FeatureView, entity=Account, source=Payment):
        number = rows()

    class PushedPaid(FeatureView, entity=Account, source=Pushed):
        number = rows()

    text = "2024-05-01T11:00:00.000000999Z"
    roads.push(Pushed, {"account": 1, "paid_at": text, "known_at": text}, PushedPaid)
    for view in (Paid, PushedPaid):
        assert roads.ask(view, {"account": 1}, at("11:00"), just_after(at("11:00")))["number"] == [0, 1]


@seen("Feast", FEAST, feast("sdk/python/feast/utils.py"), "R1")
def test_feast_a_time_without_a_zone_is_refused(roads: Roads) -> None:
    """In Feast a time without a zone is taken for UTC, wherever it came from; here it is refused in a spine, a question
    and a push, unless the source says its zone."""

    class Payment(Source):
        account: Column[int]
        paid_at: EventTime

    class Paid(FeatureView, entity=Account, source=Payment):
        number = rows()

    naive = datetime(2024, 5, 1, 12)
    asked = FeatureSet("paid", Paid)
    roads.push(Payment, [], Paid)
    with pytest.raises(NaiveTime):
        roads.push(Payment, {"account": 1, "paid_at": naive})
    with pytest.raises(NaiveTime):
        roads.store.dataset(asked, [{"account": 1, "asked_at": naive}], as_of="asked_at")
    with pytest.raises(NaiveTime):
        roads.store.lookup(asked, {"account": 1}, as_of=naive)


@seen("DuckDB", DUCKDB, FOLDS, "R1")
def test_duckdb_an_hour_that_comes_twice(roads: Roads) -> None:
    """In DuckDB an ambiguous local time is the later instant and in Python the earlier; here it is the earlier in files
    and in what is pushed, and a local time that does not exist is set aside and counted."""
    later = plain("SELECT epoch_us(timezone('America/New_York', TIMESTAMP '2024-11-03 01:30'))")[0][0]
    assert later == 1730615400000000, "06:30 UTC"

    class Payment(Source, zone="America/New_York"):
        account: Column[int]
        paid_at: EventTime
        known_at: KnownTime

    class Paid(FeatureView, entity=Account, source=Payment):
        at = Payment.paid_at.last()
        number = rows()

    ambiguous, missing = datetime(2024, 11, 3, 1, 30), datetime(2024, 3, 10, 2, 30)
    events = [{"account": 1, "paid_at": local, "known_at": local} for local in (ambiguous, missing)]
    report = roads.push(Payment, events, Paid)
    said = roads.ask(Paid, {"account": 1}, datetime(2024, 11, 3, 6, tzinfo=UTC))
    assert said["at"] == [datetime(2024, 11, 3, 5, 30, tzinfo=UTC)]
    assert (said["number"], report.quarantined) == ([1], 1)


@seen("Chronon", CHRONON, chronon("docs/source/test_deploy_serve/Online_Offline_Consistency.md"), "R3")
def test_chronon_a_daily_value_changes_at_midnight(roads: Roads) -> None:
    """In Chronon a midnight value is served from when its upload is done, minutes or hours after the midnight of the
    training set; here `refresh="1d"` is read as of midnight on both roads, whatever has run."""

    class Paid(FeatureView, entity=Account, source=Payment, refresh="1d"):
        total = Payment.amount.sum(over="7d")

    roads.push(Payment, paid(20.0, "11:00"), Paid)
    said = roads.ask(Paid, {"account": 1}, at("23:59:59.999999"), at("00:00", day=2), at("00:00:01", day=2))
    assert said["total"] == [None, 20.0, 20.0]
    assert said.status["total"] == [NOT_FOUND, OK, OK]


@seen("Chronon", CHRONON, chronon(CHRONON_GROUP_BY), "R3")
def test_chronon_without_refresh_nothing_waits_for_midnight(roads: Roads) -> None:
    """In Chronon the default for batch sources is values as of the last midnight, in training and serving; here they
    are as of the instant, and whoever wants a day's staleness writes it."""
    history = pa.table({"account": [1], "amount": [20.0], "paid_at": [at("11:00")]})

    class Payment(Source, data=history):
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime

    class Fresh(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="10d")

    class Daily(FeatureView, entity=Account, source=Payment, refresh="1d"):
        total_by_midnight = Payment.amount.sum(over="10d")

    said = roads.ask([Fresh, Daily], {"account": 1}, at("12:00"), at("12:00", day=2))
    assert said["total"] == [20.0, 20.0]
    assert said["total_by_midnight"] == [None, 20.0]
