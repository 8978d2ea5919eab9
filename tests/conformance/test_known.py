"""What was known: which rows count at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from featurestore import Column, EventTime, FeatureView, KnownTime, RowId, Source, rows
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    FEAST,
    FEAST_ISSUE,
    FEAST_JOINS,
    FEAST_REDIS,
    FEAST_RETRIEVAL,
    SAGEMAKER_PUT,
    SPARK_WATERMARK,
    feast,
)
from tests.conformance.roads import NOT_FOUND, OK, Roads, at, just_after, seen


@seen("Feast", FEAST, feast(FEAST_RETRIEVAL), "R3")
def test_feast_an_event_does_not_count_itself(roads: Roads) -> None:
    """In Feast a training row takes values at or before its own instant, so that the payment to be scored can be among
    its own features; here a row is seen only after its instant, on both roads."""

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()
        number = rows(over="1d")

    roads.push(Payment, [paid(20.0, "11:00"), paid(999.0, "12:00")], Paid)
    said = roads.ask(Paid, {"account": 1}, at("12:00"), just_after(at("12:00")))
    assert said["last"] == [20.0, 999.0]
    assert said["number"] == [1, 2]


@seen("Chronon", "fork zipline-ai, before #1356", "https://github.com/zipline-ai/chronon/pull/1356", "R3")
def test_chronon_the_first_event_of_a_key(roads: Roads) -> None:
    """In a fork of Chronon the first event of a key was counted online and null in the backfill, whose window ended
    before it; here a count at that instant is 0 and not found, and 1 just after, on both roads."""

    class Paid(FeatureView, entity=Account, source=Payment):
        number = rows(over="1h")

    roads.push(Payment, paid(20.0, "12:00"), Paid)
    said = roads.ask(Paid, {"account": 1}, at("11:59:59.999999"), at("12:00"), just_after(at("12:00")))
    assert said["number"] == [0, 0, 1]
    assert said.status["number"] == [NOT_FOUND, NOT_FOUND, OK]


@seen("Feast", FEAST, feast(FEAST_JOINS), "R2")
def test_feast_what_was_not_known_yet_is_not_in_training(roads: Roads) -> None:
    """In Feast a created timestamp only breaks ties unless `filter_by_created_timestamp` is asked for, so training
    takes values that serving did not have yet; here a row counts from when it was known, on both roads."""

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()

    roads.push(Payment, [paid(20.0, "10:00"), paid(30.0, "11:00", known="15:00")], Paid)
    said = roads.ask(Paid, {"account": 1}, at("12:00"), at("15:00"), just_after(at("15:00")))
    assert said["last"] == [20.0, 20.0, 30.0]


@seen("Feast", "as observed in July 2026", f"{FEAST_ISSUE}6615", "R3")
def test_feast_a_backfill_changes_no_past_training_row(roads: Roads) -> None:
    """In Feast running a training set again after a backfill changes past vectors in silence; here rows that become
    known later change no answer of before, on either road."""

    class Paid(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="7d")

    roads.push(Payment, [paid(20.0, "10:00"), paid(5.0, "11:00")], Paid)
    before = roads.ask(Paid, {"account": 1}, at("12:00"))
    roads.push(Payment, [paid(100.0, "09:00", known="20:00"), paid(200.0, "11:30", known="20:00")], Paid)
    said = roads.ask(Paid, {"account": 1}, at("12:00"), at("21:00"))
    assert before["total"] == [25.0]
    assert said["total"] == [25.0, 325.0]


@seen("Feast", FEAST, feast(FEAST_REDIS), "R5")
def test_feast_a_correction_of_the_same_instant(roads: Roads) -> None:
    """In Feast the Redis writer skips a row of an instant that it has already, while training takes the one created
    last; here the correction counts on both roads from when it was known."""

    class Payment(Source):
        delivery: RowId[int]
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime
        known_at: KnownTime

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()

    roads.push(Payment, paid(10.0, "11:00", delivery=1), Paid)
    roads.push(Payment, paid(12.0, "11:00", known="14:00", delivery=2), Paid)
    assert roads.ask(Paid, {"account": 1}, at("12:00"), at("15:00"))["last"] == [10.0, 12.0]


@seen("Kafka", "4.0", "https://kafka.apache.org/documentation/#semantics", "R6")
def test_kafka_a_redelivered_event_counts_once(roads: Roads) -> None:
    """With at-least-once delivery an online counter counts an event twice that the warehouse has once; here the same
    `RowId`, instant and key are one fact on both roads, whichever delivery comes first."""

    class Payment(Source):
        payment: RowId[int]
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime
        known_at: KnownTime

    class Paid(FeatureView, entity=Account, source=Payment):
        number = rows()
        total = Payment.amount.sum()

    late = paid(20.0, "11:00", known="11:30", payment=7)
    roads.push(Payment, [late, late], Paid)
    report = roads.push(Payment, [paid(20.0, "11:00", payment=7), late])
    said = roads.ask(Paid, {"account": 1}, at("11:15"), at("12:00"))
    assert [(each.applied, each.duplicate) for each in report.states.values()] == [(0, 2)]
    assert said["number"] == [1, 1]
    assert said["total"] == [20.0, 20.0]


@seen("SageMaker", "API of 2020-07-01", SAGEMAKER_PUT, "R3")
def test_sagemaker_a_late_event_reaches_the_online_store(roads: Roads) -> None:
    """In SageMaker a record older than the one that is there is written to the offline store only; here a late row
    counts on both roads, in its place by event time."""

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()
        last_2 = Payment.amount.last_n(2)
        total = Payment.amount.sum(over="1d")

    roads.push(Payment, paid(20.0, "11:00"), Paid)
    roads.push(Payment, paid(5.0, "10:00", known="11:30"), Paid)
    said = roads.ask(Paid, {"account": 1}, at("11:10"), at("12:00"))
    assert said["last"] == [20.0, 20.0]
    assert said["last_2"] == [[20.0], [5.0, 20.0]]
    assert said["total"] == [20.0, 25.0]


@seen("Spark", "4.0", SPARK_WATERMARK, "R16")
def test_spark_a_very_late_event_is_not_dropped(roads: Roads) -> None:
    """In Spark an event behind the watermark may be dropped from a streaming aggregate, while the warehouse keeps it;
    here a row of any age is applied, counted in the report, and seen on both roads."""

    class Paid(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum(over="30d")

    roads.push(Payment, paid(20.0, "12:00", day=20), Paid)
    late = {"account": 1, "amount": 5.0, "paid_at": at("12:00", day=2), "known_at": at("13:00", day=20)}
    report = roads.push(Payment, late, Paid)
    assert [each.applied for each in report.states.values()] == [1]
    assert roads.ask(Paid, {"account": 1}, at("12:30", day=20), at("14:00", day=20))["total"] == [20.0, 25.0]


@seen("Feast", FEAST, feast(FEAST_REDIS), "R12")
def test_feast_an_event_of_the_future_blocks_nothing(roads: Roads) -> None:
    """In Feast a row with a wrong, far event time stays in Redis and every later row is skipped as older; here it is
    not seen before its time, and hides and trims nothing on either road."""

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last(over="7d")
        number = rows(over="7d")

    wrong = {"account": 1, "amount": 1e6, "paid_at": datetime(2099, 1, 1, tzinfo=UTC), "known_at": at("10:00")}
    roads.push(Payment, [wrong, paid(20.0, "11:00")], Paid)
    roads.push(Payment, paid(30.0, "12:00"), Paid)
    said = roads.ask(Paid, {"account": 1}, at("11:30"), at("13:00"))
    assert said["last"] == [20.0, 30.0]
    assert said["number"] == [1, 2]


@seen("Feast", FEAST, feast("docs/reference/data-sources/push.md"), "R13")
def test_feast_a_pushed_row_reaches_both_roads(roads: Roads) -> None:
    """In Feast a push goes to the online store alone unless it is told otherwise; here a pushed row is in the next
    lookup and in the training set."""

    class Payment(Source):
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()
        number = rows()

    roads.push(Payment, {"account": 1, "amount": 20.0, "paid_at": at("11:00")}, Paid)
    said = roads.ask(Paid, {"account": 1})
    assert (said["last"], said["number"]) == ([20.0], [1])


@seen("Feast", FEAST, feast("sdk/python/feast/feature_store.py"), "R12")
def test_feast_the_first_materialization_has_no_horizon(roads: Roads) -> None:
    """In Feast a first incremental materialization of a view without ttl begins 52 weeks ago, while training sees all
    history; here both roads see a row of 2013."""
    then = datetime(2013, 3, 1, tzinfo=UTC)

    class Payment(Source, data=pa.table({"account": [1], "amount": [20.0], "paid_at": [then]})):
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()

    assert roads.ask(Paid, {"account": 1})["last"] == [20.0]
    assert roads.ask(Paid, {"account": 1}, then, just_after(then)).status["last"] == [NOT_FOUND, OK]
