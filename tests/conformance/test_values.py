"""Values: numbers, nulls and texts."""

from __future__ import annotations

import random
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from featurestore import Column, EventTime, FeatureSet, FeatureView, KnownTime, RowId, Source, column
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    CHRONON,
    CHRONON_GROUP_BY,
    DUCKDB,
    DUCKDB_ISSUE,
    DUCKDB_ORDER,
    FEAST,
    FEAST_TILES,
    JSON_NUMBERS,
    OPENMLDB_ISSUE,
    PANDAS,
    PANDAS_NULLS,
    REDIS_INCR,
    VERTEX_SOURCE,
    chronon,
    duckdb_docs,
    feast,
)
from tests.conformance.roads import NULL, OK, OVERFLOW, Roads, at, bits, plain, seen

BEYOND = 2**53 + 1
"""The first whole number that no double holds."""


class Whole(Source):
    """Rows with a whole number."""

    account: Column[int]
    number: Column[int]
    paid_at: EventTime
    known_at: KnownTime


def whole(number: int | None, clock: str) -> dict[str, object]:
    """A row of Whole."""
    return {"account": 1, "number": number, "paid_at": at(clock), "known_at": at(clock)}


@seen("Feast", FEAST, feast("sdk/python/feast/type_map.py"), "R8")
def test_feast_a_float_keeps_its_64_bits(roads: Roads) -> None:
    """In Feast a `Float32` field is narrowed when it is written online and not in training; here a float has 64 bits on
    both roads, and 32-bit data widens exactly."""
    single = pa.array([0.1], pa.float32())
    history = pa.table({"id": [1], "account": [1], "amount": single, "paid_at": [at("11:00")]})

    class Narrow(Source, data=history):
        id: RowId[int]
        account: Column[int]
        amount: Column[float]
        paid_at: EventTime

    class FromFile(FeatureView, entity=Account, source=Narrow):
        last = Narrow.amount.last()

    class Pushed(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()

    roads.push(Payment, paid(0.1, "11:00"), Pushed)
    assert roads.ask(FromFile, {"account": 1}, at("12:00"))["last"] == [0.10000000149011612]
    assert roads.ask(Pushed, {"account": 1}, at("12:00"))["last"] == [0.1]


@seen("Vertex AI", "as documented in 2025", VERTEX_SOURCE, "R7")
def test_vertex_a_cleared_field_is_cleared(roads: Roads) -> None:
    """In Vertex AI the latest value that is not null is served, so that a cleared field comes back; here `last` sees
    the row as it is on both roads, and `skip_nulls=True` asks for the other."""

    class Profile(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()
        last_present = Payment.amount.last(skip_nulls=True)

    roads.push(Payment, [paid(20.0, "11:00"), paid(None, "12:00")], Profile)
    said = roads.ask(Profile, {"account": 1}, at("11:30"), at("12:30"))
    assert said["last"] == [20.0, None]
    assert said["last_present"] == [20.0, 20.0]
    assert said.status["last"] == [OK, NULL]


@seen("DuckDB", "1.3", f"{DUCKDB_ISSUE}18303", "R7")
def test_duckdb_a_row_with_a_null_is_a_row(roads: Roads) -> None:
    """In DuckDB an `ASOF JOIN` was seen to pass over rows whose value is null; here they are rows, in their place, for
    `first`, `last` and `last_n` on both roads."""

    class Path(FeatureView, entity=Account, source=Payment):
        first = Payment.amount.first()
        path = Payment.amount.last_n(3)
        count = Payment.amount.count()

    roads.push(Payment, [paid(None, "10:00"), paid(1.0, "11:00"), paid(None, "12:00")], Path)
    said = roads.ask(Path, {"account": 1}, at("13:00"))
    assert (said["first"], said["path"], said["count"]) == ([None], [[None, 1.0, None]], [1])


@seen("DuckDB", DUCKDB, DUCKDB_ORDER, "R9")
def test_duckdb_a_sum_has_no_order(roads: Roads) -> None:
    """In DuckDB a sum of floats depends on the order in which threads add; here it is exact and rounded once, whatever
    the order of arrival, on both roads."""
    amounts = [1e16, 1.0, -1e16] + [0.1] * 10
    assert plain("SELECT sum(x) FROM (VALUES (1e16::DOUBLE), (1.0), (-1e16)) t(x)") == [(0.0,)]

    class Total(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum()
        mean = Payment.amount.mean()

    shuffled = random.Random(7).sample(amounts, len(amounts))
    roads.push(Payment, [paid(amount, "11:00") for amount in amounts], Total)
    roads.push(Payment, [paid(amount, "11:00") | {"account": 2} for amount in shuffled], Total)
    said = roads.ask(Total, [{"account": 1}, {"account": 2}], at("12:00"))
    assert said["total"] == [2.0, 2.0]
    assert said["mean"] == [2.0 / 13, 2.0 / 13]


@seen("OpenMLDB", "as observed in April 2022", f"{OPENMLDB_ISSUE}1629", "R5")
def test_openmldb_threads_change_no_bit(roads: Roads) -> None:
    """In OpenMLDB offline results changed when several threads were used; here a training set has the same bytes with
    one thread and with two, and is what lookups give."""
    draw = random.Random(3)

    class Total(FeatureView, entity=Account, source=Payment):
        total = Payment.amount.sum()
        spread = Payment.amount.std()
        last = Payment.amount.last()

    payments = [paid(draw.uniform(-1e6, 1e6), "11:00") | {"account": draw.randrange(50)} for _ in range(1_500)]
    roads.push(Payment, payments, Total)
    questions = [{"account": account} for account in range(50)]
    roads.ask(Total, questions, at("12:00"))
    spine = [question | {"asked_at": at("12:00")} for question in questions]
    asked = FeatureSet("total", Total)
    one, two = (roads.store.dataset(asked, spine, as_of="asked_at", threads=threads).to_arrow() for threads in (1, 2))
    assert bits(one.to_pylist()) == bits(two.to_pylist())


@seen("Feast", FEAST, feast(f"{FEAST_TILES}base.py"), "R9")
def test_feast_a_small_variance_of_large_values(roads: Roads) -> None:
    """In Feast's tiles a variance is the difference of two large floats, which loses all digits far from zero; here it
    comes from exact integers, on both roads."""
    amounts = [1e9 + each for each in (4.0, 7.0, 13.0, 16.0)]
    squares = sum(each * each for each in amounts)
    assert (squares - sum(amounts) ** 2 / 4) / 3 != 30.0

    class Spread(FeatureView, entity=Account, source=Payment):
        variance = Payment.amount.var()
        of_population = Payment.amount.var(population=True)

    roads.push(Payment, [paid(amount, "11:00") for amount in amounts], Spread)
    said = roads.ask(Spread, {"account": 1}, at("12:00"))
    assert (said["variance"], said["of_population"]) == ([30.0], [22.5])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/functions/aggregates"), "R9")
def test_duckdb_a_sum_of_integers_stays_whole(roads: Roads) -> None:
    """In DuckDB a sum of integers has 128 bits, which a pandas frame holds as a float, without its last digits; here it
    is an int64 on both roads, and their mean the exact sum, rounded once, divided by the number."""
    framed = duckdb.execute(f"SELECT sum(x) AS total FROM (VALUES ({BEYOND}::BIGINT), (0)) t(x)").df()
    assert framed["total"][0] == 2.0**53

    class Total(FeatureView, entity=Account, source=Whole):
        total = Whole.number.sum()
        mean = Whole.number.mean()

    roads.push(Whole, [whole(BEYOND, "11:00"), whole(0, "11:00")], Total)
    said = roads.ask(Total, {"account": 1}, at("12:00"))
    assert bits(said["total"]) == bits([BEYOND])
    assert said["mean"] == [2.0**52]


@seen("Redis", "8", REDIS_INCR, "R9")
def test_redis_a_sum_beyond_64_bits(roads: Roads) -> None:
    """In Redis `INCRBY` beyond 64 bits is an error while DuckDB adds in 128 bits and Python without end; here such a
    sum is null with the status `overflow` on both roads, and right again when the rows leave the window."""

    class Total(FeatureView, entity=Account, source=Whole):
        total = Whole.number.sum(over="1h")

    roads.push(Whole, [whole(2**63 - 1, "11:00"), whole(1, "11:30"), whole(-5, "11:40")], Total)
    said = roads.ask(Total, {"account": 1}, at("11:20"), at("11:35"), at("11:45"), at("12:20"))
    assert said["total"] == [2**63 - 1, None, 2**63 - 5, -4]
    assert said.status["total"] == [OK, OVERFLOW, OK, OK]


@seen("JSON", "RFC 8259", JSON_NUMBERS, "R8")
def test_json_large_integers_stay_whole(roads: Roads) -> None:
    """In JSON numbers beyond 2^53 are read as doubles by many programs, so that neighbours become one; here 64 bits of
    an integer come through log, state and answers, on both roads."""

    class Last(FeatureView, entity=Account, source=Whole):
        last = Whole.number.last()
        different = Whole.number.distinct_count()
        least = Whole.number.min()

    numbers = [2**53, BEYOND, 2**63 - 1, -(2**63), BEYOND]
    roads.push(Whole, [whole(number, f"11:0{place}") for place, number in enumerate(numbers)], Last)
    said = roads.ask(Last, {"account": 1}, at("12:00"))
    assert (said["last"], said["different"], said["least"]) == ([BEYOND], [4], [-(2**63)])


@seen("JSON", "RFC 8259", JSON_NUMBERS, "R18")
def test_json_floats_come_back_bit_by_bit(roads: Roads) -> None:
    """In JSON a float is as precise as whoever writes and reads it; here the shortest text that gives the same 64 bits
    is written, and subnormal, large and unhandy floats are the same on both roads."""
    amounts = [0.1 + 0.2, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1 / 3, -123456.789e-10]

    class Last(FeatureView, entity=Account, source=Payment):
        every = Payment.amount.last_n(6)

    roads.push(Payment, [paid(amount, f"11:0{place}") for place, amount in enumerate(amounts)], Last)
    said = roads.ask(Last, {"account": 1}, at("12:00"))
    assert bits(said["every"]) == bits([amounts])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/data_types/numeric"), "R7")
def test_duckdb_nan_is_null(roads: Roads) -> None:
    """In DuckDB NaN is a value and the greatest of all, in pandas it stands for null, and in JSON it cannot be written;
    here NaN and infinity are null on both roads, in what is pushed and in what a frame holds."""
    assert plain("SELECT isnan(max(x)) FROM (VALUES (1.0), ('nan'::DOUBLE)) t(x)") == [(True,)]

    class Most(FeatureView, entity=Account, source=Payment):
        most = Payment.amount.max()
        count = Payment.amount.count()
        last = Payment.amount.last()

    roads.push(Payment, [paid(1.0, "11:00"), paid(float("inf"), "11:10")], Most)
    roads.push(Payment, pd.DataFrame([paid(2.0, "11:20"), paid(float("nan"), "11:30")]), Most)
    said = roads.ask(Most, {"account": 1}, at("12:00"))
    assert (said["most"], said["count"], said["last"]) == ([2.0], [2], [None])
    assert said.status["last"] == [NULL]


@seen("DuckDB", DUCKDB, duckdb_docs("sql/data_types/numeric"), "R7")
def test_duckdb_there_is_one_zero(roads: Roads) -> None:
    """In DuckDB -0.0 equals 0.0 and keeps its sign, so that bits and what is hashed from them differ; here there is one
    zero, on both roads."""

    class Zero(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()
        different = Payment.amount.distinct_count()
        negated = -Payment.amount.last()

    roads.push(Payment, [paid(0.0, "11:00"), paid(-0.0, "11:10")], Zero)
    said = roads.ask(Zero, {"account": 1}, at("12:00"))
    assert bits(said["last"]) == bits(said["negated"]) == bits([0.0])
    assert said["different"] == [1]


@seen("pandas", PANDAS, PANDAS_NULLS, "R8")
def test_pandas_an_integer_beside_a_null(roads: Roads) -> None:
    """In pandas a column of integers with a null becomes float and loses digits, in training only; here it stays an
    integer on both roads, and in pandas too."""
    assert pd.DataFrame({"number": [BEYOND, None]})["number"][0] == 2.0**53

    class Last(FeatureView, entity=Account, source=Whole):
        last = Whole.number.last()

    roads.push(Whole, whole(BEYOND, "11:00"), Last)
    said = roads.ask(Last, [{"account": 1}, {"account": 2}], at("12:00"))
    assert bits(said["last"]) == bits([BEYOND, None])
    spine = [{"account": account, "asked_at": at("12:00")} for account in (1, 2)]
    frame = roads.store.dataset(FeatureSet("last", Last), spine, as_of="asked_at").to_pandas()
    assert frame["last__last"].tolist() == [BEYOND, pd.NA]


@seen("Chronon", CHRONON, chronon(CHRONON_GROUP_BY), "R9")
def test_chronon_a_distinct_count_is_exact(roads: Roads) -> None:
    """In Chronon the distinct count that is recommended is a sketch, which estimates; here it is exact, and one number
    on both roads."""

    class Different(FeatureView, entity=Account, source=Whole):
        different = Whole.number.distinct_count(over="1h")

    roads.push(Whole, [whole(place % 357, "11:00") for place in range(800)], Different)
    assert roads.ask(Different, {"account": 1}, at("11:30"))["different"] == [357]


@seen("Chronon", CHRONON, chronon(CHRONON_GROUP_BY), "R9")
def test_chronon_an_estimate_is_no_chance(roads: Roads) -> None:
    """In Chronon approximate percentiles come from KLL sketches, which drop values at random; here `approx_quantile` is
    one number for the same values, in whatever order they come, on both roads."""

    class Middle(FeatureView, entity=Account, source=Payment):
        middle = Payment.amount.approx_quantile(0.5)
        exact = Payment.amount.quantile(0.5)

    amounts = [float(amount) for amount in range(1, 101)]
    shuffled = random.Random(1).sample(amounts, len(amounts))
    roads.push(Payment, [paid(amount, "11:00") for amount in amounts], Middle)
    roads.push(Payment, [paid(amount, "11:00") | {"account": 2} for amount in shuffled], Middle)
    said = roads.ask(Middle, [{"account": 1}, {"account": 2}], at("12:00"))
    assert (said["middle"], said["exact"]) == ([50.125, 50.125], [50.0, 50.0])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/data_types/numeric"), "R8")
def test_duckdb_a_decimal_keeps_its_cents(roads: Roads) -> None:
    """In DuckDB a decimal becomes a float in a pandas frame, and so it does in most readers of JSON; here a decimal is
    whole cents from what is pushed to what is answered, on both roads."""
    framed = duckdb.execute("SELECT 9999999999999999.99::DECIMAL(18, 2) AS amount").df()
    assert framed["amount"][0] == 1e16

    class Money(Source):
        account: Column[int]
        amount: Column[Decimal] = column(precision=18, scale=2)
        paid_at: EventTime
        known_at: KnownTime

    class Paid(FeatureView, entity=Account, source=Money):
        last = Money.amount.last()
        total = Money.amount.sum()

    amounts = [Decimal("0.02"), Decimal("9999999999999999.97")]
    roads.push(Money, [paid(None, f"11:0{place}") | {"amount": each} for place, each in enumerate(amounts)], Paid)
    said = roads.ask(Paid, {"account": 1}, at("12:00"))
    assert (said["last"], said["total"]) == ([Decimal("9999999999999999.97")], [Decimal("9999999999999999.99")])


@seen("NumPy", "2.4", "https://numpy.org/doc/stable/user/basics.types.html#overflow-errors", "R8")
def test_numpy_nothing_wraps_around(roads: Roads) -> None:
    """In NumPy the greatest integer plus one is the least, where DuckDB throws and Python grows; here such an
    expression is null on both roads."""
    with np.errstate(over="ignore"):
        assert np.int64(2**63 - 1) + np.int64(1) == -(2**63)

    class Next(FeatureView, entity=Account, source=Whole):
        next = Whole.number.last() + 1
        opposite = -Whole.number.first()

    roads.push(Whole, [whole(-(2**63), "11:00"), whole(2**63 - 1, "11:10")], Next)
    said = roads.ask(Next, {"account": 1}, at("12:00"))
    assert (said["next"], said["opposite"]) == ([None], [None])
    assert said.status["next"] == [NULL]
