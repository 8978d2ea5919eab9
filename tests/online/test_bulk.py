"""The bulk load: what is written of many keys at once is, byte for byte, what one row after the other would leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import StoreUnavailable
from featurestore.online import codec
from featurestore.online.bulk import Small, nodes_of
from featurestore.online.columns import json_texts
from featurestore.online.keys import generation_prefix, key_name, nodes_name
from featurestore.online.leaves import Row, visible_us
from featurestore.online.pointers import Pointer
from featurestore.online.radix import ROOT
from featurestore.online.server import connect, open_server
from featurestore.online.state_store import BYTES_PER_TRIP, StateStore
from featurestore.online.tree import LEAF_ROWS, Tree
from tests.online.test_tree import FOLDING, STATE, row

KEYED = pa.schema(
    [
        ("k0", pa.string()),
        *((name, pa.int64()) for name in ("event_at_us", "known_at_us", "order_by", "row_id")),
        ("fingerprint", pa.string()),
        *((name, pa.int64()) for name in ("bits", "v0", "seen_us", "horizon_us", "since_us", "after_us")),
    ]
)
COLUMNS = (
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    (pa.list_(pa.float64()), st.lists(st.none() | st.floats(-9, 9), max_size=3)),
    (pa.null(), st.none()),
)
Nodes = dict[str, dict[bytes, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A server of its own."""
    home: Path = tmp_path_factory.mktemp("server")
    with open_server(home) as opened:
        client = connect(opened.url)
        yield client
        client.close()


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[Row]]:
    """The rows of some keys, few or many, each key's in order."""
    sizes = st.sampled_from((1, 2, 3, LEAF_ROWS - 1, LEAF_ROWS, LEAF_ROWS + 1, 150))
    found = {}
    for key in draw(st.lists(st.sampled_from(('a"b', "b", "c\n", "é", "zz", "")), unique=True, max_size=6)):
        step = draw(st.sampled_from((0, 1, 70, 2**30)))
        base = draw(st.integers(-(2**40), 2**45))
        late, bits, value = draw(st.tuples(st.integers(1, 7), st.integers(1, 3), st.sampled_from((None, 5))))
        times = [(base + i * step, base + i * step + i % late) for i in range(draw(sizes))]
        found[key] = [[*row(*both, i, i)[:-2], i % bits, value and i] for i, both in enumerate(times)]
    return dict(sorted(found.items()))


def batches_of(
    keys: dict[str, list[Row]], size: int, dropped: tuple[int | None, ...] = (None, None, None)
) -> list[pa.RecordBatch]:
    """The rows as a state gives them, in batches of a size; of the key `b` some were dropped."""
    lines = [
        [key, *each, min(map(visible_us, rows)), *(dropped if key == "b" else (None, None, None))]
        for key, rows in keys.items()
        for each in rows
    ]
    table = pa.table(
        [pa.array(each, kind) for each, kind in zip(zip(*lines, strict=True), KEYED.types, strict=True)], schema=KEYED
    )
    return table.to_batches(max_chunksize=size)


def by_inserts(rows: list[Row]) -> dict[bytes, str]:
    """The nodes that one insert after the other leaves."""
    tree = Tree(FOLDING, {ROOT: None})
    for each in rows:
        tree.insert(list(each))
    return {name: tree.stored(name) for name in tree.nodes}


def in_bulk(batches: list[pa.RecordBatch]) -> Nodes:
    """The nodes of each key by the text of the key."""
    found: Nodes = {}
    for each in nodes_of(STATE, batches):
        if isinstance(each, Small):
            more: Nodes = {
                key: {ROOT: root} for key, root in zip(each.keys.to_pylist(), each.roots.to_pylist(), strict=True)
            }
        else:
            more = {each.key: each.nodes}
        assert not more.keys() & found.keys(), "no key comes twice"
        found |= more
    return found


@given(keys=histories(), size=st.sampled_from((1, 3, 50, LEAF_ROWS + 1, 1_000)))
def test_what_is_written_is_what_inserts_would_leave(keys: dict[str, list[Row]], size: int) -> None:
    """Every node of every key, however the rows are cut into batches."""
    if keys:
        expected = {codec.encode([key]): by_inserts(rows) for key, rows in keys.items()}
        assert in_bulk(batches_of(keys, size)) == expected


@pytest.mark.parametrize("dropped", ((-5, None, None), (-5, 7, None), (-5, 7, -9)))
def test_r12_what_was_dropped_is_written_where_there_is_something(dropped: tuple[int | None, ...]) -> None:
    """In keys of one node as in keys of several, and in no other key."""
    for count in (2, LEAF_ROWS + 20):
        keys = {key: [row(i * 1_000, i * 1_000, i, i) for i in range(count)] for key in "abc"}
        found = in_bulk(batches_of(keys, 100, dropped))
        for key, nodes in found.items():
            root = codec.decode(nodes[ROOT])
            said = tuple(root.get(name) for name in ("horizon", "since", "after"))
            assert said == (dropped if key == '["b"]' else (None, None, None))


@pytest.mark.parametrize(
    ("kind", "values"), COLUMNS, ids=lambda each: str(each) if isinstance(each, pa.DataType) else ""
)
@given(data=st.data())
def test_a_column_is_written_as_its_values_one_by_one(kind: Any, values: Any, data: st.DataObject) -> None:
    """Numbers, texts with quotes and control letters, lists and nulls have the text that `codec` gives each."""
    column = pa.array(data.draw(st.lists(st.none() | values, min_size=1, max_size=30)), kind)
    assert json_texts(column).to_pylist() == [codec.encode(value) for value in column.to_pylist()]


def test_a_number_that_json_does_not_have_is_an_error() -> None:
    """Nothing that nobody could read is written."""
    with pytest.raises(ValueError, match="JSON"):
        json_texts(pa.array([1.0, float("nan")]))


@pytest.mark.parametrize("size", (500, BYTES_PER_TRIP))
def test_a_generation_is_in_the_server_as_it_was_made(
    server: redis.Redis, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Keys of one node and of several, in few trips or many, under the names that lookups ask for, with their counts,
    bytes and levels."""
    monkeypatch.setattr("featurestore.online.state_store.BYTES_PER_TRIP", size)
    keys = {
        f"{place:05d}": [row(i * 70, i * 70, i, i) for i in range(1 + 90 * (place % 9 == 0))] for place in range(500)
    }
    states = StateStore(server, "bulk")
    pointer = states.build(STATE, batches_of(keys, 333), Pointer("", 0, 0, "log", None, 0, 0))
    assert (pointer.keys, pointer.rows) == (len(keys), sum(map(len, keys.values())))
    prefix = generation_prefix("bulk", STATE.id, pointer.generation)
    levels = set()
    written = 0
    for key, rows in keys.items():
        nodes, name = by_inserts(rows), key_name(prefix, [key])
        written += len(name) + sum(map(len, nodes.values())) + sum(map(len, nodes.keys() - {ROOT}))
        assert server.get(name) == nodes.pop(ROOT).encode()
        assert server.hgetall(nodes_name(name)) == {name: text.encode() for name, text in nodes.items()}
        levels |= {int(each.split(b":")[0]) for each in nodes}
    assert (set(pointer.levels), pointer.size) == (levels, written)
    states.drop(STATE, pointer.generation)
    assert not list(server.scan_iter(match="bulk:rows:*"))


def test_a_full_server_refuses_a_load_and_takes_the_next_one(server: redis.Redis) -> None:
    """The replies that were still to come are not taken for those of later commands."""
    keys = {f"{place:06d}": [row(1, 1, 1, 1)] for place in range(60_000)}
    states, empty = StateStore(server, "full"), Pointer("", 0, 0, "log", None, 0, 0)
    server.config_set("maxmemory", 1_000_000)
    with pytest.raises(StoreUnavailable, match="memory is full"):
        states.build(STATE, batches_of(keys, 50_000), empty)
    server.config_set("maxmemory", 0)
    assert states.build(STATE, batches_of(keys, 50_000), empty).keys == 60_000
    assert server.get("full:none") is None
