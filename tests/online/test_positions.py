"""Which log positions a lookup says it saw, while a slow writer is at work on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from featurestore import FeatureStore
from featurestore.errors import StoreEmpty
from featurestore.online import state_store
from featurestore.online.events import encode
from featurestore.online.keys import pointer_name
from featurestore.online.pointers import FORMAT, Position

DEFINITIONS = '''"""Rows that are seen as they come, and rows that are seen when they are committed."""

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, KnownTime, RowId, Source, rows


class User(Entity):
    user: Column[int]


class Told(Source):
    id: RowId[int]
    user: Column[int]
    at: EventTime
    told_at: KnownTime


class Seen(Source):
    id: RowId[int]
    user: Column[int]
    at: EventTime


class Tellings(FeatureView, entity=User, source=Told):
    n = rows()


class Sights(FeatureView, entity=User, source=Seen):
    n = rows()


told = FeatureSet("told", Tellings)
seen = FeatureSet("seen", Sights)
both = FeatureSet("both", Tellings, Sights)
'''
USERS = 120
AT = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeatureStore]:
    """A materialised project whose writers take a trip for every key."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "rows.py").write_text(DEFINITIONS)
    (tmp_path / "featurestore.toml").write_text('project = "positions"\n')
    monkeypatch.setattr(state_store, "KEYS_PER_TRIP", 1)
    with FeatureStore(tmp_path) as found:
        found.materialize()
        yield found


def batch(number: int, **other: Any) -> list[dict[str, Any]]:
    """One row for each user; the row of user u in batch b has the position b * USERS + u + 1."""
    return [{"id": number * USERS + user, "user": user, "at": AT, **other} for user in range(USERS)]


def asked_while_writing(store: FeatureStore, name: str, source: str, **other: Any) -> list[tuple[list[int], Position]]:
    """What lookups of all users gave while batches came: how many rows each had, and the position that was said."""
    questions = [{"user": user} for user in range(USERS)]
    errors: list[BaseException] = []
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(6):
                store.ingest(source, batch(number, **other))
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    found = []
    while not done.is_set():
        vectors = store.lookup(name, questions)
        [position] = vectors.positions
        found.append(([row[0] for row in vectors.values], position))
    writer.join()
    assert not errors
    vectors = store.lookup(name, questions)
    return [*found, ([row[0] for row in vectors.values], vectors.positions[0])]


def test_a_lookup_never_says_less_than_it_saw(store: FeatureStore) -> None:
    """Every row up to `applied` was seen, none after `applying`, although rows are seen as they come."""
    found = asked_while_writing(store, "told", "Told", told_at=AT)
    half_seen = 0
    for counts, position in found:
        for user, count in enumerate(counts):
            positions = [number * USERS + user + 1 for number in range(6)]
            assert count >= sum(each <= position.applied for each in positions), "all that every key had"
            assert count <= sum(each <= position.applying for each in positions), "nothing that no key could have"
        half_seen += max(counts) > min(counts)
        assert position.applied < position.applying or max(counts) == min(counts)
    assert half_seen, "the writer was slow enough to be met at work"
    assert found[-1][1] == Position(found[-1][1].generation, 6 * USERS, 6 * USERS)


def test_a_commit_is_seen_whole_and_said_so(store: FeatureStore) -> None:
    """Of rows that are stamped at commit a lookup sees all or none of a call, and says exactly which."""
    found = asked_while_writing(store, "seen", "Seen")
    for counts, position in found:
        assert position.applied == position.applying
        assert set(counts) == {position.applied // USERS}
    assert len({position.applied for _, position in found}) > 2


def test_a_writer_that_died_leaves_no_mark(store: FeatureStore) -> None:
    """What a dead writer was about to apply is applied by the next lookup, and nothing is applying then."""
    states = list(store.plan("both").states)
    for state in states:
        source = state.scan.source
        row = {"id": 1, "user": 7, "at": 1, "told_at": 1} if source == "Told" else {"id": 1, "user": 7, "at": 1}
        with store.log.turn(source):
            store.log.append(source, encode([row], state.scan), store.online.clock_us())
        pointer = store.online.states.pointers([state])[state.id]
        assert pointer is not None
        store.online.states.publish({state.id: replace(pointer, applying=1)})
    with FeatureStore(store.config.root) as other:
        vectors = other.lookup("both", {"user": 7})
        assert vectors.values == ((1, 1),)
        assert [(each.applied, each.applying) for each in vectors.positions] == [(1, 1), (1, 1)]
    pointers = store.online.states.pointers(states).values()
    assert [pointer and pointer.applying for pointer in pointers] == [None, None]


def test_rows_of_an_unknown_writer_are_said_to_be_applying(store: FeatureStore) -> None:
    """A writer that did not know a state held no lookup back from it: whoever applies its rows says so first."""
    [state] = store.plan("seen").states
    rows = encode([{"id": user, "user": user, "at": 1} for user in range(USERS)], state.scan)
    with store.log.turn("Seen"):
        store.log.append("Seen", rows, store.online.clock_us())
    recovering = threading.Thread(target=store.online.recover, args=([state],))
    seen = []
    recovering.start()
    while recovering.is_alive():
        vectors = store.online._road.answer_canonical(store.plan("seen"), [{"user": user} for user in range(USERS)])
        [position] = vectors.positions
        seen.append(sum(row[0] for row in vectors.values))
        assert position.applied <= seen[-1] <= position.applying
    recovering.join()
    assert any(0 < count < USERS for count in seen), "the writer was slow enough to be met at work"


def test_the_generation_is_the_one_that_answered(store: FeatureStore) -> None:
    """Positions come in the order of the plan's states, each with the generation that serves."""
    plan = store.plan("both")
    before = store.lookup("both", {"user": 1}).positions
    store.ingest("Told", batch(0, told_at=AT))
    store.materialize()
    after = store.lookup("both", {"user": 1}).positions
    serving = store.online.states.pointers(plan.states)
    assert [each.generation for each in after] == [serving[state.id].generation for state in plan.states]  # type: ignore[union-attr]  # they are published
    assert {each.generation for each in before}.isdisjoint(each.generation for each in after)
    applied = dict(zip([state.scan.source for state in plan.states], [each.applied for each in after], strict=True))
    assert applied == {"Told": USERS, "Seen": 0}


def test_a_pointer_of_another_version_is_refused(store: FeatureStore) -> None:
    """A pointer that does not say what is being applied was written by another version: it serves nothing."""
    [state] = store.plan("told").states
    name = pointer_name(store.config.project, state.id)
    data: Any = store.online.writer.get(name)
    store.online.writer.set(name, data.replace(b'"format": %d' % FORMAT, b'"format": %d' % (FORMAT - 1)))
    with FeatureStore(store.config.root) as other, pytest.raises(StoreEmpty, match="in this version"):
        other.lookup("told", {"user": 1})
