"""How a training set is computed follows from what is counted, and a busy key does not slow it down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow as pa
import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    KnownTime,
    Request,
    Source,
    rows,
)

START = datetime(2024, 5, 1, tzinfo=UTC)
NUMBER = 6_000
random = Random(5)
HAPPENED = [START + timedelta(minutes=5 * place) for place in range(NUMBER)]
KNOWN = [at + timedelta(days=3) if place % 200 == 7 else at for place, at in enumerate(HAPPENED)]
AMOUNTS = [random.randrange(-999, 999) for _ in HAPPENED]
KEYS = ["busy" if place % 40 else f"quiet {place % 11}" for place in range(NUMBER)]
ROWS = {"shop": KEYS, "amount": AMOUNTS, "at": HAPPENED}


class Shop(Entity):
    """Who."""

    shop: Column[str]


class Sale(Source, data=pa.table(ROWS)):
    """All known at once."""

    shop: Column[str]
    amount: Column[int]
    at: EventTime


class Booking(Source, data=pa.table({**ROWS, "booked_at": KNOWN})):
    """A few known late."""

    shop: Column[str]
    amount: Column[int]
    at: EventTime
    booked_at: KnownTime


class OfSales(FeatureView, entity=Shop, source=Sale):
    """Windows, and the latest."""

    number = rows(over="7d")
    most = Sale.amount.max(over="7d")
    middle = Sale.amount.quantile(0.5, over="1h")
    latest = Sale.amount.last()


class OfBookings(FeatureView, entity=Shop, source=Booking):
    """The same of rows that may be late."""

    number = rows(over="7d")
    most = Booking.amount.max(over="7d")
    latest = Booking.amount.last()


ASKED = [HAPPENED[place] + timedelta(microseconds=place % 3 - 1) for place in range(100, NUMBER, 40)]
SPINE = [{"shop": shop, "asked_at": at} for at in ASKED for shop in ("busy", "quiet 0", "none")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    """A project without files."""
    folder = tmp_path_factory.mktemp("choices")
    (folder / "featurestore.toml").write_text("")
    with FeatureStore(folder) as opened:
        yield opened


def _seen(known: list[datetime], shop: str, at: datetime) -> list[int]:
    return [place for place in range(NUMBER) if KEYS[place] == shop and known[place] < at and HAPPENED[place] < at]


@pytest.mark.parametrize(("view", "known"), [(OfSales, HAPPENED), (OfBookings, KNOWN)])
def test_a_busy_key_goes_by_tiles_and_others_row_by_row(
    store: FeatureStore, view: type[FeatureView], known: list[datetime]
) -> None:
    """Whichever way a key goes, its values are those of its rows, late ones included."""
    built = store.dataset(FeatureSet("told", view), SPINE, as_of="asked_at")
    assert "1 busy key, which has 5,850 rows and 148 questions that would meet" in built.explain()
    name = "of_sales" if view is OfSales else "of_bookings"
    for row in built.to_arrow().to_pylist():
        seen = _seen(known, row["shop"], row["asked_at"])
        inside = [AMOUNTS[place] for place in seen if HAPPENED[place] >= row["asked_at"] - timedelta(days=7)]
        assert row[f"{name}__number"] == len(inside)
        assert row[f"{name}__most"] == max(inside, default=None)
        assert row[f"{name}__latest"] == (AMOUNTS[seen[-1]] if seen else None)


def test_what_cannot_be_merged_says_that_it_goes_row_by_row(store: FeatureStore) -> None:
    """A quantile needs the rows themselves; the latest value takes neither tiles nor running totals."""
    lines = store.dataset(FeatureSet("told", OfSales), SPINE, as_of="asked_at").explain().splitlines()
    [middle] = [lines[place - 1] for place, line in enumerate(lines) if "quantile" in line]
    [latest] = [lines[place - 1] for place, line in enumerate(lines) if "last()" in line]
    [number] = [lines[place - 1] for place, line in enumerate(lines) if line.strip() == 'rows(over="7d")']
    assert middle.endswith("row by row")
    assert latest.strip().startswith("latest row")
    assert number.endswith("of busy keys, tiles and the rows at their edges")


def test_late_rows_are_told_and_met_one_by_one(store: FeatureStore) -> None:
    """Rows that become visible at other times after they happen than most do are left out of tiles."""
    told = store.dataset(FeatureSet("told", OfBookings), SPINE, as_of="asked_at").explain()
    assert "; rows visible more than 0 s after they happen are met one by one" in told


@pytest.mark.parametrize("last_us", [-1, 0, 1])
def test_what_happens_after_the_last_question_is_counted_and_left_out_of_the_work(
    store: FeatureStore, last_us: int
) -> None:
    """No question sees it (R3), so nothing is sorted, joined or added up for it; it is in the account all the same."""
    last = HAPPENED[1_000] + timedelta(microseconds=last_us)
    asked = [{"shop": "busy", "asked_at": at} for at in (HAPPENED[500], last)]
    built = store.dataset(FeatureSet("told", OfSales), asked, as_of="asked_at")
    assert "event_at_us < getvariable('fs_asked').last_us" in built.sql
    assert built.set_aside["Sale"].rows == NUMBER
    for row in built.to_arrow().to_pylist():
        seen = _seen(HAPPENED, "busy", row["asked_at"])
        assert row["of_sales__latest"] == AMOUNTS[seen[-1]]
        assert row["of_sales__number"] == sum(HAPPENED[p] >= row["asked_at"] - timedelta(days=7) for p in seen)


class Spot(Entity):
    """A key of two numbers."""

    row: Column[int]
    place: Column[int]


class Move(Request):
    """From one row to another."""

    row: Column[int]
    other: Column[int]
    place: Column[int]


PLACED = {"row": [1, 1, 2, 5, 7], "place": [4, 9, 4, 4, 4], "n": [1, 2, 3, 4, 5], "at": HAPPENED[:5]}


class Seen(Source, data=pa.table(PLACED)):
    """Where something was seen."""

    row: Column[int]
    place: Column[int]
    n: Column[int]
    at: EventTime


class Here(FeatureView, entity=Spot(row=Move.row, place=Move.place), source=Seen):
    """The row that it leaves."""

    n = Seen.n.last()
    much = Seen.n.sum(over="1d")


class There(Here, entity=Spot(row=Move.other, place=Move.place)):
    """The row that it goes to."""


def test_keys_beyond_those_asked_for_are_counted_and_left_out_of_the_work(store: FeatureStore) -> None:
    """Either view of a state may ask for the first or the last of them; a null asks for none."""
    moves = [(2, 5, 4), (2, 2, 4), (None, 2, 4), (2, 3, None)]
    asked = [{"row": row, "other": other, "place": place, "asked_at": HAPPENED[9]} for row, other, place in moves]
    built = store.dataset(FeatureSet("told", Here, There), asked, as_of="asked_at", statuses=True)
    assert '"c.row" BETWEEN getvariable' in built.sql
    assert '"c.place" BETWEEN getvariable' in built.sql
    assert built.set_aside["Seen"].rows == 5
    table = built.to_arrow()
    assert table.column("here__n").to_pylist() == [3, 3, None, None]
    assert table.column("there__n").to_pylist() == [4, 3, 3, None]
    assert table.column("there__much").to_pylist() == [4, 3, 3, None]
    assert table.column("here__n__status").to_pylist() == ["ok", "ok", "not_found", "not_found"]
    nobody = store.dataset(FeatureSet("told", Here), [asked[2]], as_of="asked_at", statuses=True)
    assert nobody.to_arrow().column("here__much__status").to_pylist() == ["not_found"]
