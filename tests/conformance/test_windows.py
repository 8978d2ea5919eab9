"""Windows: which rows they cover."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from featurestore import Column, EventTime, FeatureView, Source, Window, rows
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    CHRONON,
    CHRONON_GROUP_BY,
    CHRONON_WINDOWS,
    DUCKDB,
    FEAST,
    FEAST_ISSUE,
    FEAST_TILES,
    FEATHR,
    SAGEMAKER_TTL,
    TECTON_TTL,
    chronon,
    duckdb_docs,
    feast,
    feathr,
)
from tests.conformance.roads import NULL, OK, Roads, at, just_after, plain, seen


@seen("Feast", "0.66", f"{FEAST_ISSUE}6821", "R4")
def test_feast_ttl_ends_on_both_roads(roads: Roads) -> None:
    """In Feast training leaves out values older than the view's `ttl` and serving gives them as present; here "no older
    than an hour" is a window, and ends at the same microsecond on both roads."""

    class Recent(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last(over="1h")

    roads.push(Payment, paid(20.0, "11:00"), Recent)
    said = roads.ask(Recent, {"account": 1}, at("11:30"), at("12:00"), just_after(at("12:00")))
    assert said["last"] == [20.0, 20.0, None]
    assert said.status["last"] == [OK, OK, NULL]


@seen("SageMaker", "as documented in 2025", SAGEMAKER_TTL, "R4")
def test_sagemaker_what_has_expired_is_gone_at_once(roads: Roads) -> None:
    """In SageMaker an expired record typically goes from the online store within a few days; here a row leaves its
    window at once, and rows that a longer window still sees stay."""

    class Recent(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over=("1h", "1d"))

    roads.push(Payment, [paid(20.0, "11:00"), paid(5.0, "12:30")], Recent)
    said = roads.ask(Recent, {"account": 1}, at("12:45"), just_after(at("11:00", day=2)))
    assert said["total_1h"] == [5.0, None]
    assert said["total_1d"] == [25.0, 5.0]


@seen("Tecton", "0.4", TECTON_TTL, "R12")
def test_tecton_old_data_can_be_replayed(roads: Roads) -> None:
    """In Tecton values older than now minus the `ttl` are not written online, so old data cannot be served again; here
    nothing is judged by the wall clock, and a week of 2013 is answered today on both roads."""
    days = [datetime(2013, 3, day, 12, tzinfo=UTC) for day in (1, 4, 7)]
    history = pa.table({"account": [1, 1, 1], "amount": [1.0, 2.0, 4.0], "paid_at": days})

    class Old(Source, data=history):
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime

    class Week(FeatureView, entity=Account, source=Old):
        total = Old.amount.sum(over="4d")

    asked = [datetime(2013, 3, 7, 12, tzinfo=UTC), datetime(2013, 3, 8, tzinfo=UTC)]
    assert roads.ask(Week, {"account": 1}, *asked)["total"] == [2.0, 6.0]
    assert roads.ask(Week, {"account": 1})["total"] == [None]


@seen("Chronon", CHRONON, chronon(CHRONON_GROUP_BY), "R4")
def test_chronon_the_tail_of_a_window_is_exact(roads: Roads) -> None:
    """In Chronon a window of an hour read at 2:27 reaches back to 1:20, as its page on windows says and its page on
    joins does not; here it reaches back to 1:27 on both roads, to the microsecond."""

    class Hour(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="1h")

    payments = [paid(1.0, "01:22"), paid(2.0, "01:26:59.999999"), paid(4.0, "01:27"), paid(8.0, "02:20")]
    roads.push(Payment, payments, Hour)
    assert roads.ask(Hour, {"account": 1}, at("02:27"))["total"] == [12.0]


@seen("Chronon", CHRONON, chronon(f"{CHRONON_WINDOWS}Resolution.scala"), "R4")
def test_chronon_long_windows_are_as_exact_as_short_ones(roads: Roads) -> None:
    """In Chronon a window of twelve days and more begins with a full day, so that it grows and shrinks by a day's
    events; here it is exact whatever its length, on both roads."""

    class Fortnight(FeatureView, entity=Account, source=Payment):
        number = rows(over="14d")

    roads.push(Payment, [paid(1.0, "06:00"), paid(1.0, "18:00"), paid(1.0, "12:00", day=10)], Fortnight)
    said = roads.ask(Fortnight, {"account": 1}, at("06:00", 15), at("12:00", 15), just_after(at("18:00", 15)))
    assert said["number"] == [3, 2, 1]


@seen("Chronon", CHRONON, chronon(f"{CHRONON_WINDOWS}SawtoothOnlineAggregator.scala"), "R3")
def test_chronon_a_tile_is_not_counted_whole(roads: Roads) -> None:
    """In Chronon's tiled serving a tile that began before the instant counts with all its events, those after the
    instant included; here events of the same minute are told apart, on both roads."""

    class Day(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="1d")

    roads.push(Payment, [paid(1.0, "11:01"), paid(2.0, "11:01:30"), paid(4.0, "11:04")], Day)
    assert roads.ask(Day, {"account": 1}, at("11:01:15"), at("11:02"), at("11:05"))["total"] == [1.0, 3.0, 7.0]


@seen("Chronon", CHRONON, chronon(f"{CHRONON_WINDOWS}Resolution.scala"), "R4")
def test_chronon_a_coarse_start_is_asked_for(roads: Roads) -> None:
    """In Chronon the length of a window decides by how much its start is floored; here a window is exact unless `step=`
    is written, and then its start is floored and its end is not, on both roads."""

    class Hour(FeatureView, entity=Account, source=Payment):
        exact = rows(over="1h")
        stepped = rows(over=Window("1h", step="10m"))

    roads.push(Payment, [paid(1.0, "11:03"), paid(1.0, "12:06")], Hour)
    said = roads.ask(Hour, {"account": 1}, at("12:05"), at("12:07"), at("12:10"))
    assert said["exact"] == [0, 1, 1]
    assert said["stepped"] == [1, 2, 1]


@seen("DuckDB", DUCKDB, duckdb_docs("sql/functions/window_functions"), "R4")
def test_duckdb_a_range_frame_has_another_edge(roads: Roads) -> None:
    """In SQL a frame from `INTERVAL 1 HOUR PRECEDING` to `CURRENT ROW` has both ends and the row itself; here a window
    has its first instant and not its last, and the row that asks is not in it."""
    frame = "OVER (ORDER BY x RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW)"
    times = "(VALUES (TIMESTAMP '2024-05-01 11:00'), (TIMESTAMP '2024-05-01 12:00')) t(x)"
    assert plain(f"SELECT count(*) {frame} FROM {times} ORDER BY x") == [(1,), (2,)]

    class Hour(FeatureView, entity=Account, source=Payment):
        number = rows(over="1h")

    roads.push(Payment, [paid(1.0, "11:00"), paid(1.0, "12:00")], Hour)
    said = roads.ask(Hour, {"account": 1}, at("11:00"), at("12:00"), just_after(at("12:00")))
    assert said["number"] == [0, 1, 1]


@seen("DuckDB", DUCKDB, duckdb_docs("sql/data_types/interval"), "R1")
def test_duckdb_a_day_is_24_hours(roads: Roads) -> None:
    """In DuckDB an instant minus a day follows the session's zone, 23 or 25 hours when the clocks change; here a day is
    86,400 seconds on both roads, wherever they run."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    day_before = (
        "SELECT epoch(TIMESTAMPTZ '2024-03-10 12:00Z') - epoch(TIMESTAMPTZ '2024-03-10 12:00Z' - INTERVAL 1 DAY)"
    )
    assert connection.execute(day_before).fetchall() == [(23 * 3600.0,)]

    class Day(FeatureView, entity=Account, source=Payment):
        number = rows(over="1d")

    happened = datetime(2024, 3, 9, 12, 30, tzinfo=UTC)
    roads.push(Payment, {"account": 1, "amount": 1.0, "paid_at": happened, "known_at": happened}, Day)
    asked = [datetime(2024, 3, 10, 12, tzinfo=UTC), datetime(2024, 3, 10, 12, 30, 0, 1, tzinfo=UTC)]
    assert roads.ask(Day, {"account": 1}, *asked)["number"] == [1, 0]


@seen("Feathr", FEATHR, feathr("docs/concepts/materializing-features.md"), "R9")
def test_feathr_what_leaves_a_window_leaves_nothing_behind(roads: Roads) -> None:
    """In Feathr a long window is yesterday's plus what came minus what left, and a float that was added and taken away
    leaves its error; here a sum is exact and rounded once, on both roads."""
    assert (0.1 + 1e16) - 1e16 == 0.0

    class Day(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="1d")

    roads.push(Payment, [paid(1e16, "11:00"), paid(0.1, "12:00")], Day)
    said = roads.ask(Day, {"account": 1}, at("13:00"), at("11:30", day=2))
    assert said["total"] == [1e16, 0.1]


@seen("Feast", FEAST, feast(f"{FEAST_TILES}tile_subtraction.py"), "R7")
def test_feast_the_mean_of_nothing_is_null(roads: Roads) -> None:
    """In Feast's tiled aggregation the average of an empty window is 0, which is also the average of a zero; here it is
    null, and the sum too, while a count is 0."""

    class Hour(FeatureView, entity=Account, source=Payment):
        mean = Payment.amount.mean(over="1h")
        total = Payment.amount.sum(over="1h")
        number = rows(over="1h")

    roads.push(Payment, paid(0.0, "11:00"), Hour)
    said = roads.ask(Hour, {"account": 1}, at("11:30"), at("13:00"))
    assert (said["mean"], said["total"], said["number"]) == ([0.0, None], [0.0, None], [1, 0])
    assert said.status["mean"] == [OK, NULL]
