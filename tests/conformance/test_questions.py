"""Expressions: what is computed when the question comes."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pytest

from featurestore import (
    Column,
    EventTime,
    FeatureView,
    KnownTime,
    Request,
    Source,
    coalesce,
    feature,
    row_function,
    rows,
    when,
)
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    DUCKDB,
    FEAST_ISSUE,
    GLIBC_ERRORS,
    PANDAS,
    PANDAS_NULLS,
    PYTHON,
    TECTON_REALTIME,
    duckdb_docs,
)
from tests.conformance.roads import NOT_FOUND, NULL, OK, Question, Roads, at, bits, plain, seen


class Basket(Request):
    """What only the question knows."""

    amount: Column[float]
    pieces: Column[int]
    placed_at: Column[datetime]


def basket(amount: float | None = 1.0, pieces: int | None = 1, placed_at: datetime | None = None) -> dict[str, object]:
    """A question about account 1."""
    return {"account": 1, "amount": amount, "pieces": pieces, "placed_at": placed_at or at("12:00")}


@seen("Feast", "as observed in September 2024", f"{FEAST_ISSUE}4479", "R10")
def test_feast_request_features_have_the_same_columns(roads: Roads) -> None:
    """In Feast an on-demand view gave other columns in training than online; here features that need the request are in
    the same columns, in the same order and of the same types, on both roads."""

    class Paid(FeatureView, entity=Account, source=Payment):
        mean = Payment.amount.mean()

    class AtCheckout(FeatureView, request=Basket):
        against_usual = Basket.amount / Paid.mean
        above = Basket.amount > Paid.mean

    roads.push(Payment, [paid(10.0, "10:00"), paid(30.0, "11:00")], Paid)
    said = roads.ask([AtCheckout, Paid], [basket(5.0), basket(50.0), basket(None)], at("12:00"))
    assert list(said.values) == ["against_usual", "above", "mean"]
    assert said["against_usual"] == [0.25, 2.5, None]
    assert said["above"] == [False, True, None]


@seen("pandas", PANDAS, PANDAS_NULLS, "R14")
def test_pandas_a_default_is_filled_on_both_roads(roads: Roads) -> None:
    """In pandas `fillna(0)` is called in the training notebook and forgotten in the service; here `default=` is part of
    the feature on both roads, is what other expressions see, and leaves the status."""

    class Paid(FeatureView, entity=Account, source=Payment):
        total = feature(Payment.amount.sum(over="1h"), default=0.0)

    class Double(FeatureView):
        doubled = Paid.total * 2 + 1

    roads.push(Payment, paid(10.0, "10:00"), Paid)
    said = roads.ask([Paid, Double], [{"account": 1}, {"account": 2}], at("10:30"), at("12:00"))
    assert said["total"] == [10.0, 0.0, 0.0, 0.0]
    assert said["doubled"] == [21.0, 1.0, 1.0, 1.0]
    assert said.status["total"] == [OK, NOT_FOUND, NULL, NOT_FOUND]


@seen("Python", PYTHON, duckdb_docs("sql/functions/numeric"), "R10")
def test_python_division_by_zero(roads: Roads) -> None:
    """In Python division by zero is an error, in DuckDB infinity and in SQL elsewhere null or an error; here it is null
    on both roads, and so is zero by zero."""
    assert plain("SELECT 1 / 0, isnan(0 / 0)") == [(math.inf, True)]
    with pytest.raises(ZeroDivisionError):
        1 / 0

    class Ratio(FeatureView, request=Basket):
        each = Basket.amount / Basket.pieces
        known = coalesce(Basket.amount / Basket.pieces, -1.0)

    said = roads.ask(Ratio, [basket(1.0, 0), basket(0.0, 0), basket(3.0, 2)], at("12:00"))
    assert (said["each"], said["known"]) == ([None, None, 1.5], [-1.0, -1.0, 1.5])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/expressions/cast"), "R10")
def test_duckdb_a_float_becomes_an_integer(roads: Roads) -> None:
    """In DuckDB a cast from float to integer rounds half to even and in Python it cuts; here `.to_int()` cuts towards
    zero on both roads, and is null outside 64 bits."""
    casts = "CAST(2.5::DOUBLE AS BIGINT), CAST(3.5::DOUBLE AS BIGINT), CAST(-2.7::DOUBLE AS BIGINT)"
    assert plain(f"SELECT {casts}") == [(2, 4, -3)]
    assert (int(2.5), int(3.5), int(-2.7)) == (2, 3, -2)

    class Cut(FeatureView, request=Basket):
        whole = Basket.amount.to_int()

    amounts = [2.5, 3.5, -2.7, 1e300, 9223372036854775807.0, -9223372036854775808.0]
    said = roads.ask(Cut, [basket(amount) for amount in amounts], at("12:00"))
    assert said["whole"] == [2, 3, -2, None, None, -(2**63)]


@seen("DuckDB", DUCKDB, duckdb_docs("sql/functions/numeric"), "R10")
def test_duckdb_halves_below_zero(roads: Roads) -> None:
    """In DuckDB `//` cuts towards zero and in Python it floors; here there is float division, and `.floor()` and
    `.ceil()` say which way, on both roads."""
    assert plain("SELECT -7 // 2") == [(-3,)]
    assert -7 // 2 == -4

    class Halves(FeatureView, request=Basket):
        down = (Basket.pieces / 2).floor()
        up = (Basket.pieces / 2).ceil()

    said = roads.ask(Halves, [basket(pieces=-7), basket(pieces=7), basket(pieces=-1)], at("12:00"))
    assert bits(said["down"]) == bits([-4.0, 3.0, -1.0])
    assert bits(said["up"]) == bits([-3.0, 4.0, 0.0])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/data_types/numeric"), "R10")
def test_duckdb_an_integer_beside_a_float(roads: Roads) -> None:
    """In DuckDB 2^53 + 1 equals 2^53 as a float and in Python it does not; here the two are compared
    as the numbers that they are, and a sum takes the nearest float of the integer, on both roads."""
    assert plain(f"SELECT {2**53 + 1}::BIGINT = {2**53}::DOUBLE") == [(True,)]
    assert 2**53 + 1 != float(2**53)

    class Same(FeatureView, request=Basket):
        equal = Basket.pieces == Basket.amount
        sum = Basket.pieces + Basket.amount

    said = roads.ask(Same, [basket(2.0**53, 2**53 + 1), basket(1.0, 1), basket(1.5, 1)], at("12:00"))
    assert said["equal"] == [False, True, False]
    assert bits(said["sum"]) == bits([2.0**54, 2.0, 2.5])


@seen("pandas", PANDAS, PANDAS_NULLS, "R10")
def test_pandas_a_comparison_with_null_is_null(roads: Roads) -> None:
    """In pandas `NaN > 5` is False and in SQL it is null; here it is null on both roads, `&` and `|` know what a null
    cannot change, and a null test in `when` counts as not true."""
    assert (pd.Series([math.nan]) > 5).tolist() == [False]

    class Logic(FeatureView, request=Basket):
        above = Basket.amount > 5
        not_above = ~(Basket.amount > 5)
        and_false = (Basket.amount > 5) & (Basket.pieces > 5)
        or_true = (Basket.amount > 5) | (Basket.pieces < 5)
        chosen = when(Basket.amount > 5).then("more").otherwise("less or unknown")

    said = roads.ask(Logic, [basket(None, 1), basket(6.0, 9), basket(float("nan"), 9)], at("12:00"))
    assert said["above"] == [None, True, None]
    assert said["not_above"] == [None, False, None]
    assert said["and_false"] == [False, True, None]
    assert said["or_true"] == [True, True, None]
    assert said["chosen"] == ["less or unknown", "more", "less or unknown"]


@seen("DuckDB", DUCKDB, duckdb_docs("sql/data_types/timestamp"), "R1")
def test_duckdb_the_hour_does_not_depend_on_where_it_is_computed(roads: Roads, monkeypatch: pytest.MonkeyPatch) -> None:
    """In DuckDB the hour of an instant is that of the session's zone, and in a service that of the machine; here it is
    UTC or the zone that is written, by one table of zones on both roads."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    assert connection.execute("SELECT hour(TIMESTAMPTZ '2024-05-01 12:00Z')").fetchall() == [(21,)]

    class Clock(FeatureView, request=Basket):
        utc = Basket.placed_at.hour()
        new_york = Basket.placed_at.hour("America/New_York")
        kathmandu = Basket.placed_at.minute("Asia/Kathmandu")

    moments = [datetime(2024, 3, 10, hour, 30, tzinfo=UTC) for hour in (6, 7)]
    for zone in ("Asia/Tokyo", "UTC"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        said = roads.ask(Clock, [basket(placed_at=moment) for moment in moments], at("12:00"))
        assert (said["utc"], said["new_york"], said["kathmandu"]) == ([6, 7], [1, 3], [15, 15])


@seen("DuckDB", DUCKDB, duckdb_docs("sql/functions/datepart"), "R10")
def test_duckdb_sunday_is_the_seventh_day(roads: Roads) -> None:
    """In DuckDB `dayofweek` of a Sunday is 0 and in Python `weekday()` is 6; here a week is Monday 1 to Sunday 7, in
    the zone that is written, on both roads."""
    sunday = datetime(2024, 5, 5, 12, tzinfo=UTC)
    assert plain("SELECT dayofweek(DATE '2024-05-05')") == [(0,)]
    assert sunday.weekday() == 6

    class Day(FeatureView, request=Basket):
        weekday = Basket.placed_at.weekday()
        in_auckland = Basket.placed_at.weekday("Pacific/Auckland")

    said = roads.ask(Day, basket(placed_at=sunday), at("12:00", day=6))
    assert (said["weekday"], said["in_auckland"]) == ([7], [1])


@seen("Python", PYTHON, "https://docs.python.org/3/library/math.html#math.sqrt", "R10")
def test_python_the_root_of_a_negative_number(roads: Roads) -> None:
    """In Python the root of a negative number is an error and in DuckDB NaN; here it is null on both roads, and the
    root of all else is rounded as IEEE says."""
    with pytest.raises(ValueError):
        math.sqrt(-1)

    class Root(FeatureView, request=Basket):
        root = Basket.amount.sqrt()

    said = roads.ask(Root, [basket(-1.0), basket(2.0), basket(-0.0)], at("12:00"))
    assert bits(said["root"]) == bits([None, 1.4142135623730951, 0.0])


@row_function
def told(pieces: int | None, note: str) -> str:
    """What a function sees of its arguments."""
    return f"{pieces!r} {note!r}"


@seen("pandas", PANDAS, PANDAS_NULLS, "R17")
def test_pandas_a_function_sees_the_same_values(roads: Roads) -> None:
    """In pandas a function of a frame sees a missing integer as NaN and its neighbours as floats, and the service hands
    the same function None and integers; here a row function is called with the same Python values on both roads."""
    assert [repr(each) for each in pd.DataFrame({"pieces": [3, None]})["pieces"].tolist()] == ["3.0", "nan"]

    class Noted(Request):
        pieces: Column[int]
        note: Column[str]

    class Notes(FeatureView, request=Noted):
        told = told(Noted.pieces, Noted.note)

    questions: list[Question] = [{"pieces": 3, "note": "a"}, {"pieces": None, "note": ""}, {"pieces": 3, "note": None}]
    assert roads.ask(Notes, questions, at("12:00"))["told"] == ["3 'a'", "None ''", None]


@seen("glibc", "2.41", GLIBC_ERRORS, "R10")
def test_glibc_the_last_bit_of_a_logarithm(roads: Roads) -> None:
    """In C libraries the last bits of a logarithm depend on the version and the CPU, and two engines bring two of them;
    here each such function is one kernel of plain operations, which gives the same bits on both roads."""

    class Curves(FeatureView, request=Basket):
        log = Basket.amount.log()
        exp = Basket.amount.exp()
        sin = Basket.amount.sin()

    amounts = [1.0, 2.0, 10.0, 0.1, -1.0, 0.0, 1e300]
    said = roads.ask(Curves, [basket(amount) for amount in amounts], at("12:00"))
    assert said["log"][:5] == [0.0, 0.6931471805599453, 2.302585092994046, -2.3025850929940455, None]
    assert said["exp"][5:] == [1.0, None]
    assert said["sin"][5:] == [0.0, None]


@seen("Tecton", "1.0", TECTON_REALTIME, "R10")
def test_tecton_a_feature_of_stored_and_sent_values(roads: Roads) -> None:
    """In Tecton a realtime feature is a Python function of dicts or of frames, which is run online and offline; here an
    expression is compiled twice from one table and says the same on both roads, nulls and times included."""

    class Seen(Source):
        account: Column[int]
        happened_at: EventTime
        known_at: KnownTime

    class Before(FeatureView, entity=Account, source=Seen):
        last_at = Seen.happened_at.last()
        number = rows(over="1d")

    class Now(FeatureView, request=Basket):
        seconds_since = Basket.placed_at - Before.last_at
        per_visit = Basket.pieces / Before.number
        is_new = Before.last_at.is_null()

    moment = at("11:00:00.000001")
    roads.push(Seen, {"account": 1, "happened_at": moment, "known_at": moment}, Before)
    said = roads.ask([Before, Now], basket(pieces=3), at("10:00"), at("12:00"))
    assert said["seconds_since"] == [None, 3599.999999]
    assert said["per_visit"] == [None, 3.0]
    assert said["is_new"] == [True, False]
    assert said.status["seconds_since"] == [NOT_FOUND, OK]
    assert said.status["per_visit"] == [NOT_FOUND, OK]
