"""What a state drops (R12) is in no answer: rows come in over months, and every answer is that of all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from hypothesis import event, given, settings
from hypothesis import strategies as st

from featurestore import FeatureSet, first_at
from featurestore import rows as rows_of_view
from featurestore.errors import AsOfTooEarly
from featurestore.offline.columns import held
from featurestore.offline.materialize import state_rows
from featurestore.offline.scan import History
from featurestore.online import bulk, tree
from featurestore.online.evaluate import derive
from featurestore.online.keys import generation_prefix, nodes_name
from featurestore.online.leaves import EVENT, Node, Row, decode_node, held_columns, is_leaf
from featurestore.online.leaves import rows_of as leaf_rows_of
from featurestore.online.lookup import LookupRoad
from featurestore.online.memory import MemoryServer
from featurestore.online.pointers import Pointer
from featurestore.online.radix import TOP, node_name
from featurestore.online.state_store import StateStore
from featurestore.plan.build import plan_feature_set
from featurestore.plan.nodes import Plan, State
from featurestore.plan.retention import Retention, retention_of
from featurestore.semantics.instants import duration_us, instant_us
from featurestore.semantics.windows import RETAINED_US
from tests.parity.voices import bits, said_by_reference, scanned
from tests.strategies import Case, make_source, make_view
from tests.strategies.feeds import Feed, feeds
from tests.strategies.histories import Rows
from tests.strategies.questions import Question
from tests.strategies.sources import User
from tests.strategies.values import NOW_US

_SAID = ("seen", "horizon", "since", "after")
_BACK_US = tuple(duration_us(each) for each in ("1us", "1h", "1d", "3d", "9d", "10d", "30d"))


class Kept:
    """One state in a server of its own, which drops what its views do not need."""

    def __init__(self, plan: Plan, feed: Feed, retention: Retention | None) -> None:
        self.plan, self.feed, self.state, self.retention = plan, feed, plan.states[0], retention
        self.server = MemoryServer()
        server = cast(redis.Redis, self.server)
        self.store, self.road = StateStore(server, "kept"), LookupRoad(server, "kept")
        self.pointer = Pointer("", 0, 0, "kept", retention, 0, 0)

    def materialize(self, rows: Rows, clock_us: int) -> None:
        """Build the state of some rows."""
        history = History(Path(), rows={self.state.scan.source: scanned(self.feed.source.__spec__, rows)})
        with state_rows(self.state, history, clock_us, self.retention) as found:
            self.pointer = self.store.build(self.state, found.batches, self.pointer)
        self.store.publish({self.state.id: self.pointer})

    def ingest(self, rows: Rows, clock_us: int) -> None:
        """Apply rows that came in."""
        derived = derive(self.state)
        found = [
            (tuple(row[held(name)] for name in self.state.key), _derived(self.state, derived, row))
            for row in scanned(self.feed.source.__spec__, rows).to_pylist()
            if row["usable"]
        ]
        self.pointer, _ = self.store.apply(self.state, self.pointer, found, clock_us)
        self.store.publish({self.state.id: self.pointer})

    def answer(self, user: int, as_of_us: int) -> dict[str, Any]:
        """The answers to one question."""
        vectors = self.road.answer_canonical(self.plan, [{"user": user}], as_of_us)
        return dict(zip(vectors.names, zip(vectors.values[0], vectors.statuses[0], strict=True), strict=True))

    def left(self) -> dict[bytes, Any]:
        """Of each key, what its root says of dropped rows, and the rows that are there and are not in the gap."""
        prefix = f"{generation_prefix('kept', self.state.id, self.pointer.generation)}".encode()
        names = [name for name in self.server.scan_iter(match="*") if name.startswith(prefix)]
        found: dict[bytes, Any] = {}
        for name in sorted(name for name in names if not name.endswith(b":nodes")):
            root = decode_node(self.server.mget([name])[0] or b"")
            gap = root.get("after", -(2**63)), root.get("horizon", -(2**63))
            there = [row for row in self._rows_below(name, root, TOP) if not gap[0] < row[EVENT] < gap[1]]
            said = {each: root.get(each) for each in _SAID}
            found[name.removeprefix(prefix)] = said | {"rows": sorted(map(json.dumps, there))}
        return found

    def _rows_below(self, name: bytes, node: Node, level: int) -> list[Row]:
        if is_leaf(node):
            return leaf_rows_of(held_columns(node))
        names = [node_name(level, prefix) for prefix in node["kids"]]
        [nodes] = self.server.exchange([(b"HMGET", nodes_name(name), *names)])
        return [row for each in nodes for row in self._rows_below(name, decode_node(each), level - 1)]


def _derived(state: State, derived: Any, row: dict[str, Any]) -> list[Any]:
    values = {column.name: row[held(column.name)] for column in state.scan.columns}
    kept: list[Any] = derived(values, row["event_at_us"], row["known_at_us"], row["row_id"], row["fingerprint"])
    return kept


@settings(max_examples=settings.default.max_examples // 4 if settings.default else 25)
@given(feed=feeds(), leaf_rows=st.sampled_from((1, 3, 64)), again=st.booleans(), random=st.randoms())
def test_r12_a_state_that_drops_rows_answers_as_one_that_has_all(
    feed: Feed, leaf_rows: int, again: bool, random: Any
) -> None:
    """Whatever comes late, again or from the future, and however it is split: as of an instant of the last two days
    there is an answer, and every answer is what all rows give; before that, what is refused says from when on it is
    not."""
    plan = plan_feature_set(FeatureSet("kept", feed.view))
    kept = Kept(plan, feed, retention_of(plan.states[0], plan.views))
    came: Rows = []
    before = tree.LEAF_ROWS, bulk.LEAF_ROWS
    tree.LEAF_ROWS = bulk.LEAF_ROWS = leaf_rows
    try:
        for step, (clock_us, rows) in enumerate(feed.steps):
            came += rows
            if step == 0:
                kept.materialize(rows, clock_us)
            else:
                kept.ingest(random.sample(rows, len(rows)), clock_us)
                if again:  # as after a writer died
                    kept.ingest(random.sample(rows, len(rows)), clock_us)
            instants = [clock_us + 1, *(clock_us - back_us + 1 for back_us in (*_BACK_US, RETAINED_US))]
            instants += [row["happened_at"] + edge for row in rows[:3] for edge in (0, 1)]
            _compare(kept, came, [at_us for at_us in instants if at_us <= clock_us + 1], clock_us)
    finally:
        tree.LEAF_ROWS, bulk.LEAF_ROWS = before


def _compare(kept: Kept, came: Rows, instants: list[int], clock_us: int) -> None:
    asked: list[tuple[int, int, dict[str, Any]]] = []
    for user in (1, 2):
        for at_us in instants:
            try:
                asked.append((user, at_us, kept.answer(user, at_us)))
            except AsOfTooEarly as error:
                event("refused")
                assert at_us <= clock_us - RETAINED_US
                first_us = instant_us(str(error.has).split("as of ")[1].split()[0])
                assert at_us < first_us <= clock_us
                asked.append((user, first_us, kept.answer(user, first_us)))
    source = kept.state.scan.source
    questions = tuple(Question({"user": user}, at_us) for user, at_us, _ in asked)
    case = Case((kept.feed.view,), {source: came}, questions)
    at = [at_us for _, at_us, _ in asked]
    rules = bits(said_by_reference(case, kept.plan, at))
    assert bits([answer for *_, answer in asked]) == rules


@settings(max_examples=settings.default.max_examples // 8 if settings.default else 12)
@given(feed=feeds(), leaf_rows=st.sampled_from((1, 3, 64)))
def test_r12_both_writers_drop_the_same_rows(feed: Feed, leaf_rows: int) -> None:
    """`materialize`, in DuckDB, and `ingest`, key by key, leave the same rows and say the same of what they dropped."""
    plan = plan_feature_set(FeatureSet("kept", feed.view))
    clock_us, came = feed.steps[-1][0], [row for _, rows in feed.steps for row in rows]
    # each fact once: `ingest` takes a later delivery for progress, too, of which `materialize` knows nothing
    facts = {(row.get("id", place), row["user"], row["happened_at"]): row for place, row in enumerate(came)}
    rows = list(facts.values())
    before = tree.LEAF_ROWS, bulk.LEAF_ROWS
    tree.LEAF_ROWS = bulk.LEAF_ROWS = leaf_rows
    try:
        left = []
        for count in (len(rows), 0):
            kept = Kept(plan, feed, retention_of(plan.states[0], plan.views))
            kept.materialize(rows[:count], clock_us)
            kept.ingest(rows[count:], clock_us)
            left.append(kept.left())
    finally:
        tree.LEAF_ROWS, bulk.LEAF_ROWS = before
    assert left[0] == left[1]


@pytest.mark.parametrize(
    ("aggregates", "rows_kept"),
    [
        (lambda of: {"n": rows_of_view(over="1d")}, 4),
        (lambda of: {"n": rows_of_view(over="30d")}, 33),
        (lambda of: {"last": of.whole.last()}, 4),
        (lambda of: {"last": of.whole.last(), "n": rows_of_view(over="1d")}, 4),
        (lambda of: {"last": of.whole.last_n(3), "at": of.whole.last_at()}, 6),
        (lambda of: {"last": of.whole.last_n(10)}, 13),
        (lambda of: {"last": of.whole.last_n(10), "first": of.whole.first()}, 14),
        (lambda of: {"first": of.whole.first(), "at": first_at()}, 4),
        (lambda of: {"first": of.whole.first(where=of.whole >= 50)}, 54),
        (lambda of: {"last": of.whole.last(where=of.whole < 300)}, 101),
        (lambda of: {"last": of.whole.last(where=of.whole < 0)}, 400),
        (lambda of: {"sum": of.whole.sum()}, 400),
        (lambda of: {"last": of.whole.last(), "max": of.whole.max(by=of.flag)}, 400),
    ],
    ids=[
        "a day",
        "a month",
        "last",
        "last and a day",
        "last three",
        "last ten",
        "last ten and first",
        "first",
        "first that passes",
        "last that passes",
        "last that never passes",
        "sum",
        "max by",
    ],
)
def test_r12_a_key_keeps_what_its_features_need(aggregates: Any, rows_kept: int) -> None:
    """Of 400 days with a row each: the window and two days more, and what selections over all history select."""
    source = make_source(row_id=int, order=None, columns=("user", "whole", "flag"))
    view = make_view("Kept", aggregates(source), source=source, entity=User)
    day_us, plan = duration_us("1d"), plan_feature_set(FeatureSet("kept", view))
    rows = [
        {"user": 1, "whole": day, "flag": None, "id": day, "happened_at": NOW_US + day * day_us} for day in range(400)
    ]
    kept = Kept(plan, Feed(view, source, ()), retention_of(plan.states[0], plan.views))
    kept.materialize(rows, NOW_US + 400 * day_us)
    assert kept.pointer.rows == rows_kept
    by_inserts = Kept(plan, Feed(view, source, ()), kept.retention)
    by_inserts.materialize([], NOW_US)
    by_inserts.ingest(rows, NOW_US + 400 * day_us)
    assert kept.left() == by_inserts.left()


@pytest.mark.parametrize(("known", "rows_kept"), [("column", 60), ("event", 4)])
def test_r12_a_selected_row_that_comes_again_and_fails_its_condition(known: Any, rows_kept: int) -> None:
    """With a `KnownTime` it may count in place of the first delivery, so the row before it is kept; without one what
    is pushed later never counts, and rows are dropped."""
    source = make_source(row_id=int, order=None, known=known, columns=("user", "whole", "flag"))
    attributes = {"last": source.whole.last(where=source.flag), "n": rows_of_view(over="1d")}  # type: ignore[attr-defined]
    view = make_view("Kept", attributes, source=source, entity=User)
    day_us, plan = duration_us("1d"), plan_feature_set(FeatureSet("kept", view))
    rows: Rows = [
        {"user": 1, "whole": day, "flag": day in (10, 56), "id": day, "happened_at": NOW_US + day * day_us}
        | ({"learnt_at": NOW_US + day * day_us + 5} if known == "column" else {})
        for day in range(60)
    ]
    clock_us = NOW_US + 60 * day_us
    again = rows[56] | {"flag": False} | ({"learnt_at": 1} if known == "column" else {"_known_at_us": clock_us})
    kept = Kept(plan, Feed(view, source, ()), retention_of(plan.states[0], plan.views))
    kept.materialize(rows, clock_us)
    assert kept.pointer.rows == rows_kept
    kept.ingest([again], clock_us + 1)
    _compare(kept, [*rows, again], [clock_us + 1], clock_us)


def test_r12_a_row_that_is_not_known_yet_may_complete_a_selection() -> None:
    """Two of the three latest rows are known; an older one that is known later is the third, and was not dropped."""
    source = make_source(row_id=None, order=None, known="column", columns=("user", "whole", "flag"))
    attributes = {"last": source.whole.last_n(3, where=source.flag)}  # type: ignore[attr-defined]
    view = make_view("Kept", attributes, source=source, entity=User)
    day_us, plan = duration_us("1d"), plan_feature_set(FeatureSet("kept", view))
    rows: Rows = [
        {"user": 1, "whole": day, "flag": day in (10, 40, 50), "_position": day, "happened_at": NOW_US + day * day_us}
        | {"learnt_at": NOW_US + (59 if day == 10 else day) * day_us}
        for day in range(60)
    ]
    clock_us = NOW_US + 60 * day_us
    for count in (len(rows), 0):
        kept = Kept(plan, Feed(view, source, ()), retention_of(plan.states[0], plan.views))
        kept.materialize(rows[:count], clock_us)
        kept.ingest(rows[count:], clock_us)
        _compare(kept, rows, [clock_us - day_us, clock_us + 1], clock_us)
