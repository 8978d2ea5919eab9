"""Keys: whose values they are."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa

from featurestore import Column, Entity, EventTime, FeatureView, KnownTime, Request, RowId, Source, feature, rows
from tests.conformance.payments import Account, Payment, paid
from tests.conformance.peers import (
    FEAST,
    FEAST_IBIS,
    FEAST_ISSUE,
    FEAST_REDIS,
    FEATHR,
    JSON_NUMBERS,
    PANDAS,
    PANDAS_MERGE,
    PYTHON,
    feast,
    feathr,
)
from tests.conformance.roads import NOT_FOUND, NULL, OK, Roads, at, seen


class Pair(Entity):
    """A part of something."""

    whole: Column[str]
    part: Column[str]


class Part(Source):
    """Something that happened to a part."""

    whole: Column[str]
    part: Column[str]
    happened_at: EventTime
    known_at: KnownTime


def happened(whole: str | None, part: str | None, clock: str = "11:00") -> dict[str, object]:
    """A row of Part."""
    return {"whole": whole, "part": part, "happened_at": at(clock), "known_at": at(clock)}


@seen("Feast", "0.36", f"{FEAST_ISSUE}4110", "R11")
def test_feast_narrow_and_wide_integers_are_one_key(roads: Roads) -> None:
    """In Feast a key written as int32 is not found by a request whose number became int64; here integers of any width
    are the same key on both roads."""
    history = pa.table({"id": [1], "account": pa.array([7], pa.int32()), "paid_at": [at("11:00")]})

    class Narrow(Source, data=history):
        id: RowId[int]
        account: Column[int]
        paid_at: EventTime

    class Paid(FeatureView, entity=Account, source=Narrow):
        number = rows()

    said = roads.ask(Paid, json.loads('[{"account": 7}]'), at("12:00"))
    assert (said["number"], said.status["number"]) == ([1], [OK])


@seen("Feathr", FEATHR, feathr("feathr_project/feathr/client.py"), "R11")
def test_feathr_a_number_and_its_text_are_two_keys(roads: Roads) -> None:
    """In Feathr online keys are texts whatever type was declared; here a key has its declared type on both roads, and
    the texts "7", "07" and "7 " are three keys."""

    class Parts(FeatureView, entity=Pair, source=Part):
        number = rows()

    keys = ["7", "07", "7 "]
    roads.push(Part, [happened(key, "a") for key in keys for _ in range(len(key))], Parts)
    said = roads.ask(Parts, [{"whole": key, "part": "a"} for key in [*keys, " 7"]], at("12:00"))
    assert said["number"] == [1, 2, 2, 0]
    assert said.status["number"] == [OK, OK, OK, NOT_FOUND]


@seen("Feast", FEAST, feast(FEAST_IBIS), "R11")
def test_feast_parts_of_a_key_do_not_run_together(roads: Roads) -> None:
    """In Feast a training row is told by its keys' texts written one after the other, so that two rows can become one;
    here ("a", "bc") and ("ab", "c") are two keys on both roads, whatever signs they hold."""

    class Parts(FeatureView, entity=Pair, source=Part):
        number = rows()

    pairs = [("a", "bc"), ("ab", "c"), ("a,", "b"), ("a", ",b"), ('"', "\\"), ("{1}", "}{:"), ("\0", "\n"), ("", "a")]
    roads.push(Part, [happened(*pair) for place, pair in enumerate(pairs) for _ in range(place + 1)], Parts)
    said = roads.ask(Parts, [{"whole": whole, "part": part} for whole, part in pairs], at("12:00"))
    assert said["number"] == [1, 2, 3, 4, 5, 6, 7, 8]


@seen("Feast", "0.63", f"{FEAST_ISSUE}6488", "R11")
def test_feast_every_part_of_a_key_counts(roads: Roads) -> None:
    """In Feast a lookup through a remote store used the first of several key columns only; here all of them count, on
    both roads."""

    class Parts(FeatureView, entity=Pair, source=Part):
        number = rows()

    roads.push(Part, [happened("a", "x"), happened("a", "y"), happened("a", "y"), happened("b", "x")], Parts)
    questions = [{"whole": whole, "part": part} for whole in "ab" for part in "xy"]
    assert roads.ask(Parts, questions, at("12:00"))["number"] == [1, 2, 1, 0]


@seen("Python", PYTHON, "https://docs.python.org/3/library/stdtypes.html#boolean-type-bool", "R11")
def test_python_true_is_not_one(roads: Roads) -> None:
    """In Python True, 1 and 1.0 are one key of a dict; here a key of type bool is its own, and a question of another
    type is refused on both roads."""

    class Side(Entity):
        side: Column[bool]

    class Toss(Source):
        side: Column[bool]
        happened_at: EventTime
        known_at: KnownTime

    class Tosses(FeatureView, entity=Side, source=Toss):
        number = rows()

    moment = {"happened_at": at("11:00"), "known_at": at("11:00")}
    roads.push(Toss, [{"side": side, **moment} for side in (True, True, False)], Tosses)
    assert roads.ask(Tosses, [{"side": True}, {"side": False}], at("12:00"))["number"] == [2, 1]
    assert roads.refused(Tosses, {"side": 1}, at("12:00")) == ["InvalidValue", "InvalidValue"]
    assert roads.refused(Tosses, {"side": "true"}, at("12:00")) == ["InvalidValue", "InvalidValue"]


@seen("pandas", PANDAS, PANDAS_MERGE, "R11")
def test_pandas_a_null_is_nobodys_key(roads: Roads) -> None:
    """In pandas a merge joins rows whose keys are null with each other, which SQL does not; here a null in a key reads
    as a key that was never seen on both roads, and rows with one are counted."""
    left, right = pd.DataFrame({"key": [None], "label": [1]}), pd.DataFrame({"key": [None], "value": [10]})
    assert left.merge(right, on="key")["value"].tolist() == [10]

    class Parts(FeatureView, entity=Pair, source=Part):
        number = rows()

    report = roads.push(Part, [happened(None, "x"), happened("a", None), happened("a", "x")], Parts)
    said = roads.ask(Parts, [{"whole": None, "part": "x"}, {"whole": "a", "part": None}], at("12:00"))
    assert [each.unkeyed for each in report.states.values()] == [2]
    assert (said["number"], said.status["number"]) == ([0, 0], [NOT_FOUND, NOT_FOUND])


@seen("Feast", FEAST, feast(FEAST_REDIS), "R14")
def test_feast_a_key_never_seen_is_not_found(roads: Roads) -> None:
    """In Feast a key that Redis does not hold has values that are null and present; here never seen, nothing in the
    window, and null are three cases with three statuses on both roads."""

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()
        lately = Payment.amount.last(over="1h")
        total = feature(Payment.amount.sum(), default=0.0)

    roads.push(Payment, [paid(5.0, "09:00"), paid(None, "11:30") | {"account": 2}], Paid)
    said = roads.ask(Paid, [{"account": account} for account in (1, 2, 3)], at("12:00"))
    assert said["last"] == [5.0, None, None]
    assert said.status["last"] == [OK, NULL, NOT_FOUND]
    assert said.status["lately"] == [NULL, NULL, NOT_FOUND]
    assert (said["total"], said.status["total"]) == ([5.0, 0.0, 0.0], [OK, NULL, NOT_FOUND])


@seen("Feast", "as observed in August 2026", f"{FEAST_ISSUE}6790", "R14")
def test_feast_a_key_may_be_an_input_too(roads: Roads) -> None:
    """In Feast a request field with the name of a key hid the key online and not in training; here inputs of one name
    are one input, for all that need it, on both roads."""

    class Ask(Request):
        account: Column[int]

    class Paid(FeatureView, entity=Account, source=Payment):
        number = rows()

    class Asked(FeatureView, request=Ask):
        is_even = Ask.account / 2 == (Ask.account / 2).floor()

    roads.push(Payment, paid(5.0, "11:00") | {"account": 4}, Paid)
    said = roads.ask([Paid, Asked], [{"account": 4}, {"account": 5}], at("12:00"))
    assert (said["number"], said["is_even"]) == ([1, 0], [True, False])


@seen("Feast", "as observed in April 2022", f"{FEAST_ISSUE}2533", "R14")
def test_feast_one_state_in_two_roles(roads: Roads) -> None:
    """In Feast online requests took an entity's name and training its column's, which broke an entity that is asked for
    twice; here a role names its input once, and one state answers buyer and seller on both roads."""

    class Deal(Request):
        buyer: Column[int]
        seller: Column[int]

    class BuyerPaid(FeatureView, entity=Account(account=Deal.buyer), source=Payment):
        last = Payment.amount.last()

    class SellerPaid(BuyerPaid, entity=Account(account=Deal.seller)):
        """The same, for whoever sells."""

    class Ratio(FeatureView):
        ratio = BuyerPaid.last / SellerPaid.last

    roads.push(Payment, [paid(5.0, "11:00"), paid(20.0, "11:00") | {"account": 2}], BuyerPaid, SellerPaid)
    questions = [{"buyer": 1, "seller": 2}, {"buyer": 2, "seller": 1}, {"buyer": 1, "seller": 1}]
    said = roads.ask([BuyerPaid, SellerPaid, Ratio], questions, at("12:00"))
    assert said["ratio"] == [0.25, 4.0, 1.0]


@seen("JSON", "RFC 8259", JSON_NUMBERS, "R11")
def test_json_neighbouring_large_keys_stay_apart(roads: Roads) -> None:
    """In JSON two ids beyond 2^53 can become one number on their way to a service; here all 64 bits of a key count, on
    both roads."""

    class Paid(FeatureView, entity=Account, source=Payment):
        last = Payment.amount.last()

    accounts = [2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
    events = [paid(float(place), "11:00") | {"account": account} for place, account in enumerate(accounts)]
    roads.push(Payment, events, Paid)
    said = roads.ask(Paid, [{"account": account} for account in accounts], at("12:00"))
    assert said["last"] == [0.0, 1.0, 2.0, 3.0]


@seen("MySQL", "8.4", "https://dev.mysql.com/doc/refman/8.4/en/charset-server.html", "R11")
def test_mysql_texts_are_compared_by_their_code_points(roads: Roads) -> None:
    """In MySQL, as it is set up, "a", "A" and "á" are equal and other databases tell them apart; here texts are their
    code points on both roads, as keys and in order."""
    keys = ["a", "A", "\u00e1", "a\u0301", "\uffee", "\U0001f600"]

    class Parts(FeatureView, entity=Pair, source=Part):
        number = rows()

    class Any(Entity):
        part: Column[str]

    class Ordered(FeatureView, entity=Any, source=Part):
        least = Part.whole.min()
        greatest = Part.whole.max()

    roads.push(Part, [happened(key, "x") for key in keys], Parts, Ordered)
    assert roads.ask(Parts, [{"whole": key, "part": "x"} for key in keys], at("12:00"))["number"] == [1] * 6
    said = roads.ask(Ordered, {"part": "x"}, at("12:00"))
    assert (said["least"], said["greatest"]) == (["A"], ["\U0001f600"])
