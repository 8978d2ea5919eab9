"""The radix tree of a key: whatever is inserted in whatever order, a read sees what a list of rows would show."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from featurestore.expr.nodes import ColumnRef
from featurestore.online.folding import Folding
from featurestore.online.leaves import Node, Row, columns_of, decode_node, opened, rows_of, visible_us
from featurestore.online.radix import ROOT
from featurestore.online.tree import LEAF_ROWS, Tree, grown
from featurestore.online.trim import trim
from featurestore.plan.nodes import FoldUse, Scan, State
from featurestore.plan.retention import Retention
from featurestore.semantics.dtypes import INT64
from featurestore.semantics.windows import RETAINED_US

SCAN = Scan("S", (), "at", None, None, None, 0, None, None)
STATE = State(
    "S.k", SCAN, ("k",), (ColumnRef("S", "x", INT64),), (), (FoldUse("whole", 0, None, 0), FoldUse("last", 0, None, 0))
)
FOLDING = Folding(STATE)
GAPS = Folding(State("S.k", SCAN, ("k",), (ColumnRef("S", "x", INT64),), (), (FoldUse("gaps", None, None, 0),)))


def row(event: int, known: int, row_id: int, value: int) -> Row:
    """A row as the state keeps it."""
    return [event, known, None, row_id, f"{value:04d}", 0, value]


def read(tree: Tree, low: int, high: int, as_of: int) -> tuple[Any, Any]:
    """Both folds over a window, by the tree."""
    [states] = read_between(tree, (low, high), as_of)
    return states


def read_between(tree: Tree, bounds: Sequence[int], as_of: int) -> list[tuple[Any, Any]]:
    """Both folds over the rows between each bound and the next, by the tree."""
    missing: set[bytes] = set()
    parts = tree.collect(bounds, as_of, missing)
    assert not missing
    between = []
    for pieces, summaries in parts:
        states = []
        for place in range(2):
            found = [FOLDING.lifts[place](*piece) for piece in pieces]
            found += [summary[place + 1] for summary in summaries]
            states.append(FOLDING.merges[place](found) if found else FOLDING.empties[place])
        between.append((states[0], states[1]))
    return between


def trim_before(tree: Tree, horizon_us: int) -> None:
    """Drop what happened before an instant."""
    missing: set[bytes] = set()
    trim(tree, Retention(0), horizon_us + RETAINED_US, missing)
    assert not missing


def expected(rows: list[Row], low: int, high: int, as_of: int) -> tuple[Any, Any]:
    """Both folds over a window, by looking at every row."""
    seen = [each for each in rows if low <= each[0] < high and visible_us(each) < as_of]
    columns = columns_of(seen)
    lifts, empties = FOLDING.lifts, FOLDING.empties
    whole, last = (lifts[place](columns, 0, len(seen)) if seen else empties[place] for place in range(2))
    return whole, last


VALUES = st.sampled_from((None, 0, 1, "a"))


@given(rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), *[VALUES] * 3, st.integers(0, 3), VALUES, VALUES)))
def test_rows_become_columns_and_rows_again(rows: list[tuple[Any, ...]]) -> None:
    """In the order of their instants, and otherwise as they were."""
    given_rows = [list(each) for each in rows]
    assert rows_of(columns_of(given_rows)) == sorted(given_rows, key=lambda each: int(each[0]))


# a few hundred rows in a few close instants make leaves split many levels down
EVENTS = st.one_of(
    st.integers(0, 40), st.integers(0, 2**45), st.integers(-(2**44), 0), st.sampled_from((2**42, 2**42 - 1))
)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Distinct rows, many of them close together."""
    base = draw(EVENTS)
    close = [row(base + i * draw(st.sampled_from((0, 1, 3, 70))), base, i, i) for i in range(draw(st.integers(0, 400)))]
    events = draw(st.lists(st.tuples(EVENTS, st.integers(-5, 50)), max_size=40))
    return close + [row(event, event + late, 1_000 + i, i) for i, (event, late) in enumerate(events)]


@given(rows=histories(), low=EVENTS, length=st.integers(1, 2**43), later=st.integers(0, 100), random=st.randoms())
def test_a_window_reads_as_from_a_list_of_rows(rows: list[Row], low: int, length: int, later: int, random: Any) -> None:
    """Splits, summaries and rows that are not visible yet cannot be seen in what a window gives."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    tree = Tree(FOLDING, {ROOT: None})
    assert all(tree.insert(list(each)) for each in shuffled)
    as_of = low + length + later
    assert read(tree, low, low + length, as_of) == expected(rows, low, low + length, as_of)
    assert read(tree, -(2**63), 2**62, 2**62) == expected(rows, -(2**63), 2**62, 2**62)


@given(rows=histories(), low=EVENTS, length=st.integers(1, 2**43), random=st.randoms())
def test_a_row_between_others_parts_the_gap_between_them(rows: list[Row], low: int, length: int, random: Any) -> None:
    """A summary of neighbours is that of all rows below it, in whatever order they came."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    tree = Tree(GAPS, {ROOT: None})
    assert all(tree.insert(list(each)) for each in shuffled)
    seen = sorted(each[0] for each in rows if low <= each[0] < low + length)
    missing: set[bytes] = set()
    [(pieces, summaries)] = tree.collect((low, low + length), 2**62, missing)
    found = GAPS.merges[0]([*(GAPS.lifts[0](*piece) for piece in pieces), *(summary[1] for summary in summaries)])
    gaps = [later - sooner for sooner, later in pairwise(seen)]
    assert not missing
    assert found == ([seen[0], seen[-1], min(gaps, default=None), max(gaps, default=None)] if seen else None)


@given(rows=histories(), bounds=st.lists(EVENTS, min_size=2, max_size=6), later=st.integers(-(2**20), 100))
def test_windows_that_are_read_together_are_those_read_alone(rows: list[Row], bounds: list[int], later: int) -> None:
    """Wherever their ends lie, and whether they meet, are empty, or end after the instant they are asked for."""
    if not rows:
        return
    tree = grown(FOLDING, [list(each) for each in rows], min(map(visible_us, rows)), {})
    ends = [-(2**63), *sorted(bounds)]
    as_of = ends[-1] + later
    assert read_between(tree, ends, as_of) == [expected(rows, low, high, as_of) for low, high in pairwise(ends)]


@given(rows=histories(), random=st.randoms())
def test_a_tree_grown_at_once_reads_as_one_grown_row_by_row(rows: list[Row], random: Any) -> None:
    """`materialize` and `ingest` lead to the same answers."""
    if not rows:
        return
    shuffled = list(rows)
    random.shuffle(shuffled)
    tree = Tree(FOLDING, {ROOT: None})
    for each in shuffled:
        tree.insert(list(each))
    whole = grown(FOLDING, [list(each) for each in rows], min(map(visible_us, rows)), {})
    assert read(whole, -(2**63), 2**62, 2**62) == read(tree, -(2**63), 2**62, 2**62)
    assert whole.root["seen"] == tree.root["seen"] == min(map(visible_us, rows))


@given(rows=histories(), again=st.integers(0, 20), random=st.randoms())
def test_r6_redelivery_changes_nothing_and_the_least_known_at_counts(rows: list[Row], again: int, random: Any) -> None:
    """A row that comes again is no new row; of two versions the one known first counts, whichever arrives first."""
    versions = [[*each[:1], each[1] + 7, *each[2:6], each[6] + 1] for each in rows[:again]]
    both = [*rows, *versions, *rows[:again]]
    random.shuffle(both)
    tree = Tree(FOLDING, {ROOT: None})
    for each in both:
        tree.insert(list(each))
    assert read(tree, -(2**63), 2**62, 2**62) == expected(rows, -(2**63), 2**62, 2**62)


def test_nodes_survive_being_stored() -> None:
    """A tree that was written as JSON and read again takes further rows as before."""
    tree = Tree(FOLDING, {ROOT: None})
    for place in range(3 * LEAF_ROWS):
        tree.insert(row(place * 1_000_000, place * 1_000_000, place, place))
    stored = {name: tree.stored(name) for name in tree.nodes}
    assert read(Tree(FOLDING, {name: decode_node(text) for name, text in stored.items()}), 0, 2**62, 2**62) == read(
        tree, 0, 2**62, 2**62
    )
    nodes: dict[bytes, Node | None] = {name: opened(decode_node(text)) for name, text in stored.items()}
    again = Tree(FOLDING, nodes)
    assert again.insert(row(5, 5, -1, 100)) and not again.insert(row(0, 0, 0, 0))
    n, total = read(again, 0, 2**62, 2**62)[0]
    assert (n, total) == (3 * LEAF_ROWS + 1, sum(range(3 * LEAF_ROWS)) + 100)


def test_only_the_nodes_on_the_way_are_written() -> None:
    """One more row in a large tree changes a handful of fields."""
    tree = Tree(FOLDING, {ROOT: None})
    for place in range(20_000):
        tree.insert(row(place * 60_000_000, 0, place, place))
    assert len(tree.nodes) > 100
    tree.changed.clear()
    tree.insert(row(77 * 60_000_000 + 1, 0, -1, 1))
    assert 1 < len(tree.changed) < 12


def test_r12_a_row_before_the_horizon_is_not_kept_but_was_seen() -> None:
    """What no window can see any more is dropped on arrival; that the key exists is remembered."""
    tree = grown(FOLDING, [row(1_000, 1_000, 1, 1)], 1_000, {"horizon": 500})
    assert tree.insert(row(400, 400, 2, 2))
    assert tree.root["seen"] == 400
    assert read(tree, -(2**63), 2**62, 2**62)[0] == [1, 1]


@given(rows=histories(), horizons=st.lists(EVENTS, min_size=1, max_size=4), length=st.integers(1, 2**43))
def test_r12_trimming_cannot_be_seen_from_the_horizon_on(rows: list[Row], horizons: list[int], length: int) -> None:
    """What was dropped is in no window that begins at the horizon or after it, and rows go on coming in."""
    tree = Tree(FOLDING, {ROOT: None})
    for place, horizon in enumerate(sorted(horizons)):
        for each in rows[place :: len(horizons)]:
            tree.insert(list(each))
        trim_before(tree, horizon)
    last = max(horizons)
    for low in (last, last + 1, last + length):
        assert read(tree, low, low + length, 2**62) == expected(rows, low, low + length, 2**62)
    kept = [each for node in tree.nodes.values() if node and "rows" in node for each in node["rows"]]
    assert all(each[0] >= last for each in kept)


def test_r12_a_key_keeps_as_many_nodes_as_its_window_needs() -> None:
    """Rows that come for years leave behind what one window holds."""
    tree = Tree(FOLDING, {ROOT: None})
    sizes = []
    for place in range(20_000):
        tree.insert(row(place * 60_000_000, 0, place, place))
        if place % 500 == 0:
            trim_before(tree, (place - 2_000) * 60_000_000)
            sizes.append(len(tree.nodes))
    assert max(sizes[10:]) < 2 * sizes[5]
    assert sum(len(node["rows"]) for node in tree.nodes.values() if node and "rows" in node) < 2_700


def test_rows_of_one_microsecond_are_split_too() -> None:
    """A day's rows that all carry its midnight cost no more than others."""
    tree = Tree(FOLDING, {ROOT: None})
    for place in range(6_000):
        assert tree.insert(row(1_000, 1_000, place, place))
    assert not tree.insert(row(1_000, 1_000, 77, 77))
    assert max(len(node["rows"]) for node in tree.nodes.values() if node and "rows" in node) <= LEAF_ROWS
    assert read(tree, 1_000, 1_001, 2_000)[0] == [6_000, sum(range(6_000))]
    assert read(tree, 1_001, 5_000, 9_000)[0] == [0, 0]
