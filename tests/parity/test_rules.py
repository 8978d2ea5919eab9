"""One small situation for each rule that a value can show, on three voices; what is expected was worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import redis

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureView,
    KnownTime,
    Order,
    Request,
    RowId,
    Source,
    Window,
    as_of,
    column,
    feature,
    row_function,
    rows,
    when,
)
from featurestore.errors import RowFunctionFailed
from featurestore.semantics.instants import LAST_US
from tests.parity.voices import Cell, bits, plan_of, said_by_duckdb, said_by_redis, said_by_reference
from tests.strategies import Case, Question

HOUR, DAY = 3_600_000_000, 86_400_000_000
OK, NULL, NOT_FOUND, OVERFLOW = range(4)


@row_function
def halved(value: int) -> float:
    """Half of it, and nothing for thirteen."""
    if value == 13:
        raise ValueError("thirteen")
    return value / 2


class User(Entity):
    """Who."""

    user: Column[int]


class Place(Entity):
    """Where, in two parts."""

    town: Column[str]
    street: Column[str]


class Fact(Source):
    """What happened to whom and where."""

    id: RowId[int]
    user: Column[int]
    town: Column[str]
    street: Column[str]
    turn: Order[int]
    x: Column[float]
    n: Column[int]
    text: Column[str]
    price: Column[Decimal] = column(precision=18, scale=2)
    parts: Column[list[int]]
    at: EventTime
    known: KnownTime


class Plain(Source, delay="10us"):
    """Facts without an id of their own, known a little later."""

    user: Column[int]
    x: Column[float]
    at: EventTime


class Ask(Request):
    """What comes with the question."""

    moment: Column[datetime]
    number: Column[int]


class Facts(FeatureView, entity=User, source=Fact):
    """What one user's facts come to."""

    ever = rows()
    hour = rows(over="1h")
    stepped = rows(over=Window("1h", step="10m"))
    before = rows(over=Window("1h", offset="1d"))
    xs = Fact.x.last_n(9)
    first_x = Fact.x.first()
    last_x = Fact.x.last()
    last_kept = Fact.x.last(skip_nulls=True)
    last_n = Fact.n.last()
    last_text = Fact.text.last()
    last_parts = Fact.parts.last()
    price = Fact.price.sum()
    total = Fact.x.sum()
    whole = Fact.n.sum()
    mean = Fact.x.mean()
    spread = Fact.x.var()
    least = feature(Fact.x.min(), default=-1.0)
    whole_or = feature(Fact.n.sum(), default=7)
    share = Fact.x.sum() / Fact.x.count()
    root = Fact.x.last().log()
    half = halved(Fact.n.last())


class Hourly(FeatureView, entity=User, source=Fact, refresh="1h"):
    """As of the last full hour."""

    ever = rows()
    asked = as_of()


class Delayed(FeatureView, entity=User, source=Plain):
    """Rows that are known after they happen, or when they were pushed."""

    ever = rows()


class Places(FeatureView, entity=Place, source=Fact):
    """A key of two parts."""

    ever = rows()


class Asked(FeatureView, request=Ask):
    """From the question alone."""

    hour = Ask.moment.hour(zone="America/New_York")
    day = Ask.moment.day(zone="UTC")
    ratio = Ask.number / 0
    above = (Ask.number > 1) | (Ask.moment > as_of())
    kind = when(Ask.number > 0).then("some").otherwise("none")
    next = Ask.number + 1


def fact(id: int | None = 1, at: int | None = 0, known: int | None = None, **other: Any) -> dict[str, Any]:
    """A fact of user 1, known when it happened unless said otherwise."""
    whole = {"user": 1, "town": "a", "street": "b", "turn": 0, "x": 1.0, "n": 1, "text": "t", "price": 100}
    whole["parts"] = (1,)
    return {"id": id, "at": at, "known": at if known is None else known} | whole | other


Say = Callable[..., list[Cell]]


@pytest.fixture
def say(client: redis.Redis) -> Say:
    """What all three voices say of a feature at some instants, after they said the same."""

    def said(
        asked: Any, history: Sequence[Mapping[str, Any]], at: Sequence[int], inputs: Mapping[str, Any] | None = None
    ) -> list[Cell]:
        view = asked.node.target
        cls = {each.__name__: each for each in (Facts, Hourly, Delayed, Places, Asked)}[view.name]
        given = {"user": 1, "town": "a", "street": "b", "moment": 0, "number": 0} | dict(inputs or {})
        case = Case((cls,), {"Fact": list(map(dict, history)), "Plain": list(map(dict, history))}, ())
        case = Case(case.views, case.rows, tuple(Question(given, instant) for instant in at))
        plan = plan_of(case)
        rules = said_by_reference(case, plan, at)
        assert bits(said_by_duckdb(case, plan, at)) == bits(rules)
        for materialized in (0, len(history) // 2, len(history)):
            assert bits(said_by_redis(case, plan, at, client, materialized)) == bits(rules)
        [name] = [each.name for each in plan.outputs if each.feature == asked.node.name]
        return [answers[name] for answers in rules]

    return said


def values(cells: Sequence[Cell]) -> list[Any]:
    """The values without their statuses."""
    return [value for value, _ in cells]


def test_r1_local_times_come_from_the_zone_and_days_are_floored(say: Say) -> None:
    """Around the end of New York's summer an hour comes twice; the day before 1970 is the 31st."""
    autumn = 1_730_613_600_000_000  # 2024-11-03 06:00 UTC, when the clocks go back
    assert [say(Asked.hour, [], [0], {"moment": autumn + by})[0][0] for by in (-1, 0, HOUR)] == [1, 1, 2]
    assert [say(Asked.day, [], [0], {"moment": at})[0][0] for at in (-1, 0)] == [31, 1]


def test_r2_a_row_is_visible_when_it_has_happened_and_is_known(say: Say) -> None:
    """The later of the two counts, a delay holds a row back, and a stamp stands in its place."""
    assert values(say(Facts.ever, [fact(at=5, known=9), fact(2, at=20, known=2)], [9, 10, 20, 21])) == [0, 1, 1, 2]
    assert values(say(Delayed.ever, [{"user": 1, "x": 1.0, "at": 50}], [59, 60, 61])) == [0, 0, 1]
    pushed = [{"user": 1, "x": 1.0, "at": 50, "_known_at_us": 52, "_position": 1}]
    assert values(say(Delayed.ever, pushed, [52, 53])) == [0, 1]


def test_r3_the_instant_itself_is_not_seen_and_a_refreshed_view_reads_the_last_full_hour(say: Say) -> None:
    """A microsecond decides, and every rule reads the floored instant."""
    assert values(say(Facts.ever, [fact(at=HOUR)], [HOUR - 1, HOUR, HOUR + 1])) == [0, 0, 1]
    at = [HOUR + 1, 2 * HOUR - 1, 2 * HOUR, 2 * HOUR + 1]
    assert values(say(Hourly.ever, [fact(at=HOUR)], at)) == [0, 0, 1, 1]
    assert values(say(Hourly.asked, [], [HOUR - 1, HOUR, -1])) == [0, HOUR, -HOUR]


def test_r4_windows_end_to_the_microsecond(say: Say) -> None:
    """Exact, with a step and with an offset: the row leaves when the start has passed it."""
    row, minute = [fact(at=7)], 60_000_000
    edges = [after + by for after in (7, 7 + HOUR) for by in (-1, 0, 1)]
    assert values(say(Facts.hour, row, edges)) == [0, 0, 1, 1, 1, 0]
    leaves = HOUR + 10 * minute
    assert values(say(Facts.stepped, row, [leaves - 1, leaves, leaves + 1])) == [1, 0, 0]
    edges = [DAY + after + by for after in (7, 7 + HOUR) for by in (-1, 0, 1)]
    assert values(say(Facts.before, row, edges)) == [0, 0, 1, 1, 1, 0]


def test_r5_ties_are_settled_by_the_row_alone(say: Say) -> None:
    """By the instant, the order column, when it was known, and the value, nulls first; never by arrival."""
    history = [
        fact(1, at=5, turn=1, x=9.0),
        fact(2, at=5, turn=0, x=8.0, known=7),
        fact(3, at=5, turn=0, x=7.0, known=6),
        fact(4, at=5, turn=0, x=6.0, known=7),
        fact(5, at=5, turn=0, x=None, known=7),
    ]
    for arrived in (history, history[::-1]):
        assert list(values(say(Facts.xs, arrived, [8]))[0]) == [7.0, None, 6.0, 8.0, 9.0]
        assert values(say(Facts.last_x, arrived, [8])) == [9.0] and values(say(Facts.first_x, arrived, [8])) == [7.0]


def test_r5_a_null_in_a_list_comes_before_what_is_there(say: Say) -> None:
    """Lists of one instant are in the order of their items, nulls first, a shorter one before what it begins."""
    history = [fact(place, at=5, parts=parts) for place, parts in enumerate([(1,), (None,), (1, None), None, ()])]
    for arrived in (history, history[::-1]):
        assert values(say(Facts.last_parts, arrived, [8])) == [(1, None)]
        assert values(say(Facts.last_parts, arrived[1:4], [8])) == [(1, None)]
    assert values(say(Facts.last_parts, [fact(1, at=5, parts=(None,)), fact(2, at=5, parts=(1,))], [8])) == [(1,)]


def test_r6_one_fact_counts_once_as_it_was_known_first(say: Say) -> None:
    """Of deliveries with one id, instant and key the first known counts, whichever arrives first; others are others."""
    history = [fact(1, at=5, known=9, x=2.0), fact(1, at=5, known=7, x=1.0), fact(1, at=5, known=9, x=2.0)]
    for arrived in (history, history[::-1]):
        assert values(say(Facts.total, arrived, [8, 10])) == [1.0, 1.0]
    assert values(say(Facts.ever, [*history, fact(1, at=6), fact(1, at=5, user=2)], [20])) == [2]
    alike = {"user": 1, "x": 1.0, "at": 50}
    assert values(say(Delayed.ever, [alike, alike], [99])) == [2]


def test_r7_nulls_are_skipped_except_by_first_and_last(say: Say) -> None:
    """A cleared field is cleared; NaN and infinity are null; zero has one sign; over nothing there is nothing."""
    history = [fact(1, at=1, x=4.0), fact(2, at=2, x=float("nan")), fact(3, at=3, x=-0.0), fact(4, at=4, x=None)]
    assert values(say(Facts.total, history, [1, 3, 9])) == [None, 4.0, 4.0]
    assert say(Facts.last_x, history, [3, 9]) == [(None, NULL), (None, NULL)]
    [zero] = values(say(Facts.last_kept, history, [9]))
    assert repr(zero) == "0.0"
    assert say(Facts.ever, history, [1]) == [(0, NOT_FOUND)]


def test_r8_values_keep_their_type_and_every_digit(say: Say) -> None:
    """Ints beyond 2^53, decimals of 18 digits, and texts with NUL, accents that combine, and none at all."""
    assert values(say(Facts.last_n, [fact(n=2**53 + 1)], [9])) == [2**53 + 1]
    assert values(say(Facts.price, [fact(1, price=10**17 + 1), fact(2, price=-1)], [9])) == [10**17]
    for text in ("a\0b", "e\u0301", ""):
        assert values(say(Facts.last_text, [fact(text=text)], [9])) == [text]


def test_r9_sums_are_exact_whatever_the_order(say: Say) -> None:
    """What is small is not lost beside what is large; a sum that no type holds is an overflow, and no default hides
    it."""
    history = [fact(place, x=x) for place, x in enumerate((2.0**60, 0.1, 0.2, -(2.0**60)))]
    for arrived in (history, history[::-1], history[2:] + history[:2]):
        assert values(say(Facts.total, arrived, [9])) == [0.1 + 0.2]
    most = [fact(1, n=2**63 - 1), fact(2, n=1, at=5)]
    assert say(Facts.whole, most, [5, 6]) == [(2**63 - 1, OK), (None, OVERFLOW)]
    assert say(Facts.whole_or, most, [6]) == [(None, OVERFLOW)]
    least = [fact(1, x=-(2.0**62)), fact(2, x=-(2.0**62)), fact(3, at=5, x=-(2.0**-64))]
    assert say(Facts.total, least, [5, 6]) == [(-(2.0**63), OK), (None, OVERFLOW)]
    assert values(say(Facts.spread, [fact(1, x=1e9 + 1), fact(2, x=1e9 + 3)], [9])) == [2.0]


def test_r10_expressions_have_the_logic_of_null(say: Say) -> None:
    """x / 0, log 0 and an int that is too large are null; true or null is true; a test that is null is not passed."""
    assert say(Asked.ratio, [], [0], {"number": 1}) == [(None, NULL)]
    assert say(Facts.root, [fact(x=0.0)], [9]) == [(None, NULL)]
    assert values(say(Asked.next, [], [0], {"number": 2**63 - 1})) == [None]
    assert values(say(Asked.above, [], [0], {"number": 2, "moment": None})) == [True]
    assert values(say(Asked.above, [], [0], {"number": 1, "moment": None})) == [None]
    assert values(say(Asked.kind, [], [0], {"number": None})) == ["none"]


def test_r11_keys_are_told_apart(say: Say) -> None:
    """Parts of a key do not run into each other, and a null part is a key that was never seen."""
    history = [fact(1, town="a", street="bc"), fact(2, town="ab", street="c"), fact(3, town="ab", street="c")]
    for town, street, found in (("a", "bc", (1, OK)), ("ab", "c", (2, OK)), ("abc", "", (0, NOT_FOUND))):
        assert say(Places.ever, history, [9], {"town": town, "street": street}) == [found]
    nowhere = [fact(1, town=None), fact(2, town="")]
    assert say(Places.ever, nowhere, [9], {"town": None}) == [(0, NOT_FOUND)]
    assert say(Places.ever, nowhere, [9], {"town": ""}) == [(1, OK)]


def test_r14_a_value_says_why_it_is_null_and_a_default_keeps_that(say: Say) -> None:
    """Not found before the first visible row, null where there is nothing to say, and a derived null has the worst."""
    history = [fact(1, at=5, x=None)]
    assert say(Facts.mean, history, [5, 6]) == [(None, NOT_FOUND), (None, NULL)]
    assert say(Facts.least, history, [5, 6]) == [(-1.0, NOT_FOUND), (-1.0, NULL)]
    assert say(Facts.share, history, [5, 6]) == [(None, NOT_FOUND), (None, NULL)]


def test_r16_a_row_that_cannot_be_used_is_seen_by_nobody(say: Say) -> None:
    """Without an instant, with one that is too far away, or without its id, a row is set aside on every road."""
    history = [fact(1, at=None, known=1), fact(2, at=1, known=LAST_US + 1), fact(None, at=1), fact(4, at=1)]
    assert values(say(Facts.ever, history, [9])) == [1]


def test_r17_all_call_the_same_function_and_its_failure_fails_all(say: Say, client: redis.Redis) -> None:
    """Its answers are equal; what it raises is raised by both roads."""
    assert say(Facts.half, [fact(n=3)], [0, 9]) == [(None, NOT_FOUND), (1.5, OK)]
    case = Case((Facts,), {"Fact": [fact(n=13)]}, (Question({"user": 1}, 9),))
    plan = plan_of(case)
    with pytest.raises(RowFunctionFailed, match="thirteen") as offline:
        said_by_duckdb(case, plan, [9])
    with pytest.raises(RowFunctionFailed, match="thirteen") as online:
        said_by_redis(case, plan, [9], client)
    assert (offline.value.where, online.value.where) == ("row 0 of the spine, user=1", "question 0, view `Facts`")
    assert offline.value.has == online.value.has == "value=13"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        (None, 0),
        ((1, 2), (2, 1)),
        ((), None),
        (0.1 + 0.2, 0.3),
        ("1", 1),
        ("é", "e\u0301"),
    ],
    ids=repr,
)
def test_r18_equal_means_the_same_type_bits_and_status(one: Any, other: Any) -> None:
    """What Python or a tolerance would take for equal is told apart, and so are statuses."""
    assert bits([{"f": (one, OK)}]) != bits([{"f": (other, OK)}])
    assert bits([{"f": (one, OK)}]) != bits([{"f": (one, NULL)}])
    assert bits([{"f": (one, OK)}]) == bits([{"f": (one, OK)}])
