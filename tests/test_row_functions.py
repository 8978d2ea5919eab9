"""R17: a user's own function on both roads: same values, same answers, and a failure that names what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    Request,
    RowId,
    Source,
    coalesce,
    feature,
    row_function,
    when,
)
from featurestore.errors import RowFunctionFailed
from featurestore.expr.nodes import RequestRef, walk
from featurestore.testing import status, value

AT = datetime(2024, 5, 3, 12, tzinfo=UTC)
PAID = pa.table({"id": [1, 2], "user": [7, 7], "amount": [10.0, 0.0], "paid_at": [AT, AT.replace(minute=1)]})


class User(Entity):
    """Who."""

    user: Column[int]


class Paid(Source, data=PAID):
    """What was paid."""

    id: RowId[int]
    user: Column[int]
    amount: Column[float]
    paid_at: EventTime


class Ask(Request):
    """What the question knows."""

    offer: Column[float]
    name: Column[str]
    moment: Column[datetime]
    day: Column[date]
    flag: Column[bool]
    whole: Column[int]


@row_function
def share(offer: float, paid: float) -> float:
    """It has no answer for zero."""
    return offer / paid


@row_function
def described(name: str | None, moment: datetime, day: date, flag: bool, whole: int) -> str:
    """What values look like from inside."""
    return f"{name!r} {moment.isoformat()} {day.isoformat()} {flag!r} {whole!r}"


@row_function
def wrong(whole: int) -> str:
    """Something else each time."""
    return {0: 1, 1: b"a", 2: 1.5, 3: "\ud800", 4: float("nan")}.get(whole, "fine")  # type: ignore[return-value]


@row_function
def moved(whole: int) -> datetime:
    """Times that are none."""
    return {0: "2024-01-01T00:00:00Z", 1: datetime(2024, 1, 1), 2: date(2024, 1, 1)}.get(whole, AT)  # type: ignore[return-value]


@row_function
def infinite(whole: int) -> float:
    """What R7 normalises."""
    return {0: float("inf"), 1: float("nan"), 2: -0.0, 3: 7}.get(whole, 1.5)


class Offers(FeatureView, entity=User, source=Paid, request=Ask):
    """All of it."""

    part = share(Ask.offer, Paid.amount.sum())
    guarded = feature(
        when(Paid.amount.sum() > 1e9).then(share(Ask.offer, Paid.amount.last())).otherwise(0.0), default=5.0
    )
    text = described(Ask.name, Ask.moment, Ask.day, Ask.flag, Ask.whole)
    no_text = wrong(Ask.whole)
    no_time = moved(Ask.whole)
    number = infinite(Ask.whole)
    nested = coalesce(infinite(Ask.whole), share(Ask.offer, Paid.amount.sum()))


REQUEST = {"offer": 1.0, "name": "a", "moment": AT, "day": AT.date(), "flag": True, "whole": 9}


def asked(chosen: Any, **other: Any) -> dict[str, Any]:
    """What a feature is asked with: the request values that it reads."""
    spec = next(each for each in chosen.node.target.features if each.name == chosen.node.name)
    names = {node.name for node in walk(spec.node) if isinstance(node, RequestRef)}
    request = {name: each for name, each in (REQUEST | other).items() if name in names}
    return {"key": 7, "as_of": "2024-05-04T00:00:00Z", "request": request}


def answered(chosen: Any, rows: Any = (), **other: Any) -> Any:
    """The value that both roads give."""
    return value(chosen, rows, **asked(chosen, **other))


def failure(chosen: Any, rows: Any = (), **other: Any) -> RowFunctionFailed:
    """How a lookup fails."""
    with pytest.raises(RowFunctionFailed) as caught:
        answered(chosen, rows, **other)
    return caught.value


ROWS = [{"amount": 4.0, "paid_at": AT}]


def test_r17_both_roads_call_the_function_with_the_values_that_users_see() -> None:
    """Times are datetimes in UTC, dates are dates, null is None where the function takes it."""
    assert answered(Offers.text) == "'a' 2024-05-03T12:00:00+00:00 2024-05-03 True 9"
    assert answered(Offers.text, name=None) == "None 2024-05-03T12:00:00+00:00 2024-05-03 True 9"
    assert answered(Offers.part, ROWS, offer=1.0) == 0.25


def test_r17_a_null_that_it_does_not_take_gives_null() -> None:
    """The function is not called, and the answer has the worst status of what it was given (R14)."""
    assert answered(Offers.text, flag=None) is None
    assert answered(Offers.part) is None
    assert status(Offers.part, **asked(Offers.part)) == "not_found"


@pytest.mark.parametrize(("whole", "expected"), [(0, None), (1, None), (2, 0.0), (3, 7.0), (4, 1.5)])
def test_r7_what_it_gives_is_normalised(whole: int, expected: float | None) -> None:
    """Infinity and NaN are null, zero has one sign, an int is a float."""
    found = answered(Offers.number, whole=whole)
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("whole", range(5))
def test_r17_an_answer_of_another_type_is_an_error(whole: int) -> None:
    """An int, bytes, a float, half a surrogate and NaN are no text."""
    error = failure(Offers.no_text, whole=whole)
    assert "which is no string" in error.what and f"{__name__}.wrong" in error.what
    assert error.has == f"whole={whole}"
    assert error.where == "question 0, view `Offers`"
    assert answered(Offers.no_text, whole=5) == "fine"


@pytest.mark.parametrize("whole", range(3))
def test_r17_times_are_not_guessed(whole: int) -> None:
    """A text, a time without a zone and a date are no instants."""
    assert "which is no timestamp" in failure(Offers.no_time, whole=whole).what
    assert answered(Offers.no_time, whole=3) == AT


def test_r17_an_exception_fails_the_lookup_and_names_the_question() -> None:
    """The error has four parts: function and exception, question, arguments, and the way out."""
    error = failure(Offers.part, [{"amount": 0.0, "paid_at": AT}], offer=3.0)
    assert (
        error.what
        == "the row function `tests.test_row_functions.share` raised ZeroDivisionError: float division by zero"
        or ("share` raised ZeroDivisionError" in error.what)
    )
    assert (error.where, error.has) == ("question 0, view `Offers`", "offer=3.0, paid=0.0")
    assert error.fix
    assert isinstance(error.__cause__, ZeroDivisionError)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A store of its own."""
    (tmp_path / "featurestore.toml").write_text('project = "offers"\n', encoding="utf-8")
    with FeatureStore(tmp_path) as opened:
        yield opened


def test_r17_an_exception_fails_the_build_and_names_the_values(store: FeatureStore) -> None:
    """A training set fails with the same error as a lookup, whatever an expression makes of the answer; it names the
    row of the spine with its key."""
    spine = [{"user": user, "offer": 3.0, "asked_at": AT.replace(hour=13)} for user in (7, 8)]
    part, guarded = (FeatureSet("offers", chosen) for chosen in (Offers.part, Offers.guarded))
    told = store.dataset(part, spine, as_of="asked_at")
    assert told.to_arrow().column("offers__part").to_pylist() == [0.3, None]
    assert f"the row function {__name__}.share" in told.sql
    assert store.dataset(guarded, spine[1:], as_of="asked_at").to_arrow().column("offers__guarded")[0].as_py() == 0.0
    with pytest.raises(RowFunctionFailed, match="raised ZeroDivisionError") as caught:
        store.dataset(guarded, spine, as_of="asked_at")
    assert caught.value.has == "offer=3.0, paid=0.0"
    assert caught.value.where == "row 0 of the spine, user=7"
    with pytest.raises(RowFunctionFailed) as caught:
        store.dataset(guarded, [*([spine[1]] * 3000), spine[0]], as_of="asked_at", threads=2)
    assert caught.value.where == "row 3000 of the spine, user=7"


def test_r17_a_guard_does_not_keep_a_function_from_being_called() -> None:
    """Both roads call it for every row: a failure on one road alone would be a difference between them."""
    error = failure(Offers.guarded, [{"amount": 0.0, "paid_at": AT}])
    assert "ZeroDivisionError" in error.what
    assert answered(Offers.guarded, ROWS) == 0.0


def test_r17_a_function_of_a_function() -> None:
    """Row functions stand in expressions, and take what others gave."""
    assert answered(Offers.nested, ROWS, whole=0) == 0.25
