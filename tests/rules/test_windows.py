"""R3, R4: which rows a window covers, and as of which instant a view is read, to the microsecond."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureStore,
    FeatureView,
    KnownTime,
    Source,
    Window,
    feature,
    rows,
)
from featurestore.errors import AsOfTooEarly, InvalidDefinition
from featurestore.semantics.instants import datetime_of, duration_us
from tests.rules.conftest import Ask

HOUR, DAY = duration_us("1h"), duration_us("1d")
MIDNIGHT = 15_000 * DAY  # 2011-01-26T00:00:00Z


class Person(Entity):
    """Whoever visits."""

    person: Column[int]


class Visit(Source):
    """Pushed rows that say themselves when they were known, so that the past can be asked."""

    person: Column[int]
    spent: Column[float]
    happened: EventTime
    known: KnownTime


class Windows(FeatureView, entity=Person, source=Visit):
    """One hour in every shape."""

    exact = rows(over="1h")
    stepped = rows(over=Window("1h", step="10m"))
    earlier = rows(over=Window("1h", offset="1d"))
    earlier_stepped = rows(over=Window("1h", step="10m", offset="1d"))
    ever = rows()
    spent = Visit.spent.sum(over=("1h", Window("1h", offset="1d")))


class Hourly(FeatureView, entity=Person, source=Visit, refresh="1h"):
    """As of the last full hour."""

    visits = rows(over="1d")
    latest = Visit.spent.last()
    again = feature(Visit.spent.last(over="2h"), default=-1.0)


windows = FeatureSet("windows", Windows)
hourly = FeatureSet("hourly", Hourly)


@pytest.fixture(scope="module", autouse=True)
def _materialized(store: FeatureStore) -> None:
    store.materialize([Windows, Hourly])


def visit(person: int, happened_us: int, known_us: int | None = None, spent: float = 1.0) -> dict[str, Any]:
    """One row, known when it happened unless said otherwise."""
    known_us = happened_us if known_us is None else known_us
    return {"person": person, "spent": spent, "happened": datetime_of(happened_us), "known": datetime_of(known_us)}


def test_r4_an_exact_window_is_half_open(store: FeatureStore, ask: Ask) -> None:
    """A row is counted from just after it happened until an hour after it, to the microsecond."""
    store.ingest(Visit, visit(1, MIDNIGHT + 7))
    edges = [MIDNIGHT + 7 + after + by for after in (0, HOUR) for by in (-1, 0, 1)]
    assert [row["windows__exact"] for row in ask(windows, {"person": 1}, edges)] == [0, 0, 1, 1, 1, 0]


def test_r4_a_step_floors_the_start_of_a_window(store: FeatureStore, ask: Ask) -> None:
    """A row stays until the start, floored to ten minutes, has passed it: between an hour and an hour and ten."""
    happened = MIDNIGHT + duration_us("5m")
    store.ingest(Visit, visit(2, happened))
    edges = [MIDNIGHT + HOUR + duration_us("10m") + by for by in (-1, 0, 1)]
    counts = [row["windows__stepped"] for row in ask(windows, {"person": 2}, [happened, happened + 1, *edges])]
    assert counts == [0, 1, 1, 0, 0]


def test_r4_a_row_on_the_step_leaves_when_the_start_passes_it(store: FeatureStore, ask: Ask) -> None:
    """The floored start itself is covered."""
    store.ingest(Visit, visit(3, MIDNIGHT))
    edges = [MIDNIGHT + HOUR + duration_us("10m") + by for by in (-1, 0)]
    assert [row["windows__stepped"] for row in ask(windows, {"person": 3}, edges)] == [1, 0]


def test_r4_an_offset_moves_both_ends(store: FeatureStore, ask: Ask) -> None:
    """The same hour of the day before: `[t - 1d - 1h, t - 1d)`."""
    store.ingest(Visit, visit(4, MIDNIGHT + 3))
    edges = [MIDNIGHT + 3 + DAY + after + by for after in (0, HOUR) for by in (-1, 0, 1)]
    found = ask(windows, {"person": 4}, edges)
    assert [row["windows__earlier"] for row in found] == [0, 0, 1, 1, 1, 0]
    assert [row["windows__spent_1h_ago_1d"] for row in found] == [None, None, 1.0, 1.0, 1.0, None]


def test_r4_with_a_step_both_ends_of_an_offset_window_are_floored(store: FeatureStore, ask: Ask) -> None:
    """A row enters with the step after it and leaves an hour later."""
    happened = MIDNIGHT + duration_us("5m")
    store.ingest(Visit, visit(5, happened))
    enters = MIDNIGHT + duration_us("10m") + DAY
    edges = [enters + after + by for after in (0, HOUR) for by in (-1, 0)]
    assert [row["windows__earlier_stepped"] for row in ask(windows, {"person": 5}, edges)] == [0, 1, 1, 0]


def test_r4_an_offset_window_is_over_the_rows_visible_now(store: FeatureStore, ask: Ask) -> None:
    """A row of yesterday that became known today is in yesterday's window from then on."""
    store.ingest(Visit, visit(6, MIDNIGHT, known_us=MIDNIGHT + DAY + 100))
    edges = [MIDNIGHT + DAY + by for by in (1, 100, 101)]
    assert [row["windows__earlier"] for row in ask(windows, {"person": 6}, edges)] == [0, 0, 1]


def test_r4_windows_before_1970_are_floored_not_truncated(store: FeatureStore, ask: Ask) -> None:
    """Division of instants floors on both roads, below zero too."""
    happened = -DAY - duration_us("5m")
    store.ingest(Visit, visit(7, happened))
    leaves = -DAY + HOUR
    found = ask(windows, {"person": 7}, [leaves - 1, leaves, happened + 1])
    assert [row["windows__stepped"] for row in found] == [1, 0, 1]


def test_r3_a_refreshed_view_is_read_as_of_the_last_full_hour(store: FeatureStore, ask: Ask) -> None:
    """A row is seen with the first full hour after it became visible; a row on the hour waits for the next."""
    store.ingest(Visit, [visit(8, MIDNIGHT, spent=5.0), visit(8, MIDNIGHT + HOUR + 1, spent=7.0)])
    instants = [MIDNIGHT + 1, MIDNIGHT + HOUR - 1, MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR - 1, MIDNIGHT + 2 * HOUR]
    found = ask(hourly, {"person": 8}, instants)
    assert [row["hourly__visits"] for row in found] == [0, 0, 1, 1, 2]
    assert [row["hourly__latest"] for row in found] == [None, None, 5.0, 5.0, 7.0]
    assert [row["hourly__visits__status"] for row in found] == ["not_found", "not_found", "ok", "ok", "ok"]


def test_r3_windows_of_a_refreshed_view_end_at_the_full_hour(store: FeatureStore, ask: Ask) -> None:
    """A row leaves a window of a day with the first full hour a day after it."""
    store.ingest(Visit, visit(9, MIDNIGHT + 1))
    instants = [MIDNIGHT + DAY + HOUR - 1, MIDNIGHT + DAY + HOUR]
    assert [row["hourly__visits"] for row in ask(hourly, {"person": 9}, instants)] == [1, 0]


def test_r3_a_late_row_changes_what_is_read_only_from_when_it_was_known(store: FeatureStore, ask: Ask) -> None:
    """A row that arrives years late is not in any answer of before, and in every answer after."""
    years = 3 * 365 * DAY
    store.ingest(Visit, [visit(10, MIDNIGHT + 1), visit(10, MIDNIGHT, known_us=MIDNIGHT + years, spent=9.0)])
    found = ask(windows, {"person": 10}, [MIDNIGHT + 2, MIDNIGHT + years, MIDNIGHT + years + 1])
    assert [row["windows__ever"] for row in found] == [1, 1, 2]


def test_r3_a_row_of_the_future_becomes_visible_later(store: FeatureStore, ask: Ask) -> None:
    """A row that is known before it happens counts from when it has happened."""
    store.ingest(Visit, visit(11, MIDNIGHT + 100, known_us=MIDNIGHT))
    found = ask(windows, {"person": 11}, [MIDNIGHT + 50, MIDNIGHT + 100, MIDNIGHT + 101])
    assert [row["windows__exact"] for row in found] == [0, 0, 1]
    assert [row["windows__exact__status"] for row in found] == ["not_found", "not_found", "ok"]


def test_r4_a_spine_before_all_history_finds_nothing(store: FeatureStore, ask: Ask) -> None:
    """Instants long before the first row are answered like any other."""
    store.ingest(Visit, visit(12, MIDNIGHT))
    found = ask(windows, {"person": 12}, [-100 * 365 * DAY, -1, 0])
    assert [row["windows__ever__status"] for row in found] == ["not_found"] * 3


@pytest.mark.parametrize("length, step", [("1h", "2h"), ("1us", "1s")])
def test_r4_a_step_longer_than_its_window_is_refused(length: str, step: str) -> None:
    """Such a window would mostly be what its step is."""
    with pytest.raises(InvalidDefinition, match="is longer than the window"):
        Window(length, step=step)


def test_r3_views_of_other_instants_are_not_mixed_in_a_refreshed_view() -> None:
    """A refreshed view may read features only of views that are refreshed at the same instants."""
    with pytest.raises(InvalidDefinition, match="is refreshed at other instants than `Windows"):

        class Mixed(FeatureView, entity=Person, source=Visit, refresh="1h"):
            share = rows(over="1d") / Windows.exact


def test_r3_a_view_without_a_source_cannot_be_refreshed() -> None:
    """There is nothing of its own that could be stale."""
    with pytest.raises(InvalidDefinition, match="and no source"):

        class Derived(FeatureView, refresh="1h"):
            twice = Windows.exact * 2


def test_a_group_may_hold_windows_of_every_shape() -> None:
    """Its members are found by the window they are written with."""
    group = Visit.spent.sum(over=("1h", Window("7d", step="1h"), Window("7d", offset="1d")))
    assert list(group) == ["1h", "7d_step_1h", "7d_ago_1d"]
    assert repr(group[Window("7d", step="1h")]) == 'Visit.spent.sum(over=Window("7d", step="1h"))'


def test_r12_a_key_is_trimmed_while_rows_come_in(store: FeatureStore) -> None:
    """What no window can see goes from the server; what was dropped is never answered wrongly."""

    class Recent(FeatureView, entity=Person, source=Visit):
        visits = rows(over="1h", where=Visit.spent > 0)

    recent = FeatureSet("recent", Recent)
    store.materialize([Recent])
    state = store.plan(recent).states[0]
    sizes = []
    for day in range(40):
        batch = [visit(13, MIDNIGHT + day * DAY + place * duration_us("5m")) for place in range(200)]
        store.ingest(Visit, batch)
        names = [name for name in store.online.writer.scan_iter(match=f"rules:rows:{state.id}:*") if b"{[13]}" in name]
        used = (store.online.writer.memory_usage(name, samples=0) for name in names)  # of all fields
        sizes.append(sum(each or 0 for each in used))
    assert max(sizes[20:]) < 2 * sizes[5]
    at = datetime_of(MIDNIGHT + 39 * DAY + HOUR)
    assert store.lookup(recent, {"person": 13}, as_of=at).to_pylist() == [{"recent__visits": 12}]
    with pytest.raises(AsOfTooEarly):
        store.lookup(recent, {"person": 13}, as_of=at - timedelta(days=10))
