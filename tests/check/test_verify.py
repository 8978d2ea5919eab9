"""`verify` finds nothing where the roads agree, and finds every fault that is planted in one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
import redis

from featurestore import (
    Column,
    Entity,
    EventTime,
    Feature,
    FeatureSet,
    FeatureView,
    KnownTime,
    RowId,
    Source,
    feature,
    rows,
)
from featurestore.check.questions import QUESTIONS_PER_INSTANT
from featurestore.check.report import ParityReport
from featurestore.check.verify import INSTANTS_PER_ROW, ROUNDS, certify, verify
from featurestore.define.data import Frame
from featurestore.errors import InputError
from featurestore.log.event_log import EventLog
from featurestore.offline import select
from featurestore.offline.scan import History
from featurestore.online.server import connect, open_server
from featurestore.online.tree import Tree
from featurestore.online.windows import Moment, ViewReader
from featurestore.plan.build import plan_feature_set
from featurestore.plan.certificates import standing
from featurestore.plan.nodes import Plan
from featurestore.semantics import exact, folds
from featurestore.semantics.windows import Span

START = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = START + 100 * DAY


def payments() -> pa.Table:
    """Payments with ties in time, amounts that float sums get wrong, nulls, and some that are known late."""
    random = Random(5)
    found = []
    for place in range(700):
        at = START + timedelta(minutes=7 * (place // 3))
        late = random.choice((timedelta(0), timedelta(0), timedelta(minutes=20), timedelta(hours=30)))
        amount = random.choice((0.1, 0.7, 1e9, -1e9, 33.3, None))
        card = random.choice("abc")
        found.append({"payment": place, "card": card, "amount": amount, "paid_at": at, "known_at": at + late})
    return pa.Table.from_pylist(found)


class Card(Entity):
    """A card."""

    card: Column[str]


class Payment(Source, data=Frame(payments())):
    """A payment."""

    payment: RowId[int]
    card: Column[str]
    amount: Column[float]
    paid_at: EventTime
    known_at: KnownTime


class CardHistory(FeatureView, entity=Card, source=Payment):
    """What a card has been used for."""

    total = Payment.amount.sum(over=("1h", "1d"))
    spread = Payment.amount.std(over="1d")
    last = Payment.amount.last(over="2d")
    recent = Payment.amount.last_n(3, over="2d")
    first = Payment.amount.first()
    payments = rows(over=("1h", "1d"))
    large: Feature[float] = feature(rows(over="1d", where=Payment.amount > 100) / rows(over="1d"), default=0.0)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A client of a server of its own."""
    with open_server(tmp_path_factory.mktemp("verify")) as server:
        client = connect(server.url)
        yield client
        client.close()


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The plan that all these tests verify."""
    return plan_feature_set(FeatureSet("payments", CardHistory))


def run(plan: Plan, client: redis.Redis, cells: int = 2_000) -> ParityReport:
    """Verify on the payments."""
    return verify(plan, History(Path()), client, cells=cells, seed=3)


def test_r19_roads_that_agree_show_no_difference_on_any_leg(plan: Plan, client: redis.Redis) -> None:
    """Over rows with ties, nulls and late ones, no cell differs, and most of them say something."""
    report = run(plan, client, cells=20_000)
    assert report.differing == 0
    assert report.cells >= 20_000
    assert report.nonnull > report.cells / 2
    assert len(report.legs) == 3
    assert client.dbsize() == 0, "the replay leaves nothing in the server"


class Click(Source, data=Frame(pa.table({"card": ["a", "a"], "page": [1, 2], "at": [LATER, LATER + DAY]}))):
    """A click, long after all payments, as a row that was pushed."""

    card: Column[str]
    page: Column[int]
    at: EventTime


class Clicks(FeatureView, entity=Card, source=Click):
    """What was clicked."""

    clicks = rows()
    none = rows(where=Click.page > 9)


def test_a_small_history_is_asked_few_questions_and_says_what_it_did_not_exercise(
    client: redis.Redis, tmp_path: Path
) -> None:
    """Two rows need no million cells; a feature that was null or zero in all of them is marked in the certificate."""
    small = plan_feature_set(FeatureSet("clicks", Clicks))
    report = verify(small, History(Path()), client, seed=3)
    assert report.differing == 0
    assert report.cells < 3 * 2 * QUESTIONS_PER_INSTANT * (2 * INSTANTS_PER_ROW + ROUNDS) + 1
    assert report.unexercised == ("clicks__none",) == tuple(report.to_json()["unexercised"])
    assert str(report).endswith("not exercised: clicks__none")
    certify(tmp_path, small, report, 3)
    assert str(standing(tmp_path, "clicks", report.version)).endswith("not exercised: clicks__none")


def test_rows_that_came_after_all_history_of_other_sources_are_replayed(client: redis.Redis) -> None:
    """As rows do that were pushed."""
    both = plan_feature_set(FeatureSet("both", CardHistory, Clicks))
    report = verify(both, History(Path()), client, cells=2_000, seed=3)
    assert report.differing == 0
    assert report.rows["Click"] == 2 and report.rows["Payment"] > 2
    assert "clicks__clicks" not in report.unexercised


def _visible_at_the_instant(patch: pytest.MonkeyPatch) -> None:
    right = ViewReader.moment

    def later(self: ViewReader, as_of_us: int) -> Moment:
        moment = right(self, as_of_us)
        return Moment(moment.at_us + 1, [(high + 1, windows) for high, windows in moment.groups])

    patch.setattr(ViewReader, "moment", later)


def _tie_break_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(folds, "_rank_key", lambda entry: entry[0])


def _window(change_us: int) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        right = Span.start_us

        def start_us(self: Span, as_of_us: int) -> int | None:
            start = right(self, as_of_us)
            return None if start is None else start - change_us

        patch.setattr(Span, "start_us", start_us)

    return plant


def _float_sums_in_arrival_order(patch: pytest.MonkeyPatch) -> None:
    def lift(values: Sequence[Any], _: Sequence[Any], __: int) -> list[int]:
        present = [value for value in values if value is not None]
        total = 0.0
        for value in present:
            total += value
        return [len(present), exact.units(total) or 0, 0]

    def merge(states: Sequence[list[int]], _: int) -> list[int]:
        total = 0.0
        for state in states:
            total += state[1] / 2**64
        return [sum(state[0] for state in states), exact.units(total) or 0, 0]

    patch.setitem(folds.FOLDS, "fraction", replace(folds.FOLDS["fraction"], lift=lift, merge=merge))


def _redelivery_counts_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tree, "_place", lambda self, found, row: bool(found.append(row)))


def _rows_seen_before_they_are_known(patch: pytest.MonkeyPatch) -> None:
    whole = Tree.insert
    patch.setattr(Tree, "insert", lambda self, row: whole(self, [row[0], row[0], *row[2:]]))


def _nulls_skipped_by_last(patch: pytest.MonkeyPatch) -> None:
    right = folds.FOLDS["last"]
    patch.setitem(
        folds.FOLDS,
        "last",
        replace(
            right, sql_collect=(("e", "arg_max({{'r': {rank}, 'v': {v}}}, {rank}) FILTER (WHERE {v} IS NOT NULL)"),)
        ),
    )


def _offline_text(*faults: tuple[str, str]) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        right = select.select_sql

        def wrong(*args: Any, **options: Any) -> str:
            text = right(*args, **options)
            for old, new in faults:
                assert old in text, "the fault must be planted"
                text = text.replace(old, new)
            return text

        patch.setattr("featurestore.offline.dataset.select_sql", wrong)

    return plant


FAULTS = {
    "<= for <": _visible_at_the_instant,
    "a lost tie-break": _tie_break_lost,
    "a window 1 us long": _window(1),
    "a window 1 us short": _window(-1),
    "float sums in arrival order": _float_sums_in_arrival_order,
    "a redelivery that counts twice": _redelivery_counts_twice,
    "rows seen before they are known": _rows_seen_before_they_are_known,
    "last skips nulls offline": _nulls_skipped_by_last,
    "<= for < offline": _offline_text(("r.visible_at_us < p.as_of_us", "r.visible_at_us <= p.as_of_us")),
    "> for >= offline": _offline_text(("r.event_at_us >= p.low_us", "r.event_at_us > p.low_us")),
    "known_at ignored offline": _offline_text(("greatest(event_at_us, known_at_us)", "event_at_us")),
    "a default lost offline": _offline_text(("THEN CAST('0.0' AS DOUBLE)", "THEN NULL")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_r19_a_planted_fault_is_found(
    fault: str, plan: Plan, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong rule differs somewhere, and the report shows the first place with key, instant and both values."""
    FAULTS[fault](monkeypatch)
    report = run(plan, client)
    assert report.differing > 0
    example = next(each.example for each in report.features if each.example)
    assert example is not None and example.online != example.offline
    assert "card" in example.inputs and example.as_of.startswith("2024")


def test_the_same_seed_asks_the_same_questions(plan: Plan, client: redis.Redis) -> None:
    """A difference can be met again: the seed decides rows, batches, keys and instants."""
    one, other = (run(plan, client).to_json() for _ in range(2))
    assert one | {"seconds": 0} == other | {"seconds": 0}


def test_sources_without_rows_are_refused(client: redis.Redis, tmp_path: Path) -> None:
    """Nothing to compare is an error, not a report of no differences."""

    class Visit(Source):
        """A pushed visit."""

        card: Column[str]
        at: EventTime

    class Visits(FeatureView, entity=Card, source=Visit):
        """Visits."""

        count = rows()

    with pytest.raises(InputError, match="no usable rows"):
        verify(plan_feature_set(FeatureSet("visits", Visits)), History(tmp_path, EventLog(tmp_path / "log")), client)
