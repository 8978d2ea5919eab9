"""The nodes of many keys at once, from rows in the order of their keys.

Most keys have so few rows that one node holds them all. The text of such a node is put together from columns, in Arrow,
and is byte for byte what `Tree.stored` gives for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.online.columns import joined, json_texts
from featurestore.online.folding import Folding
from featurestore.online.leaves import Row
from featurestore.online.tree import LEAF_ROWS, grown
from featurestore.plan.nodes import State

_KEY = "key_text"
"""The column beside a batch's own: each row's key as JSON."""
_DROPPED = ("horizon", "since", "after")
"""What a root carries of dropped rows (R12), each from a column of its name and `_us`."""
_OF_KEY = 1 + len(_DROPPED)
"""Columns that are the same for all rows of a key."""
_MOST_TEXT = 2**28
"""Bytes of text made at once: an Arrow column holds no more than 2^31."""


@dataclass(frozen=True, slots=True)
class Small:
    """Keys of one node each: the text of each key, and of its root."""

    keys: pa.Array[Any]
    roots: pa.Array[Any]
    rows: int


@dataclass(frozen=True, slots=True)
class Large:
    """One key of several nodes: its text, and the text of each node."""

    key: str
    nodes: dict[bytes, str]
    levels: set[int]
    rows: int


def nodes_of(state: State, batches: Iterable[pa.RecordBatch]) -> Iterator[Small | Large]:
    """What is to be written of each key.

    Shape: columns k0.., event_at_us, known_at_us, order_by, row_id, fingerprint, bits, v0.., seen_us, then those of
    `_DROPPED`, in the order of the keys.
    """
    folding = Folding(state)
    keyed = (_with_key(piece, len(state.key)) for batch in batches for piece in _pieces(batch))
    for table, ends in _whole_keys(keyed):
        lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        few = [length <= LEAF_ROWS for length in lengths]
        if all(few):
            yield _small(state, table, lengths)
            continue
        for end, length in zip(ends, lengths, strict=True):
            if length > LEAF_ROWS:
                yield _large(folding, table.slice(end - length, length))
        if any(few):
            kept = chain.from_iterable([fits] * length for fits, length in zip(few, lengths, strict=True))
            yield _small(
                state, table.filter(pa.array(kept, pa.bool_())), [each for each in lengths if each <= LEAF_ROWS]
            )


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts whose texts are short enough: a byte gives at most six letters, a number or a null thirty."""
    if batch.num_rows:
        count = 1 + (6 * batch.nbytes + 30 * batch.num_rows * batch.num_columns) // _MOST_TEXT
        rows = -(-batch.num_rows // count)
        yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _with_key(batch: pa.RecordBatch, width: int) -> pa.RecordBatch:
    texts = [json_texts(column) for column in batch.columns[:width]]
    return batch.append_column(_KEY, joined("[", joined(*texts, by=","), "]"))


def _whole_keys(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.Table, list[int]]]:
    """The same rows, cut so that no key is in two tables, with the place after the last row of each key."""
    waiting: list[pa.RecordBatch] = []  # all of one key, which may go on
    for batch in batches:
        keys = batch[_KEY]
        changes: Any = pc.add(pc.indices_nonzero(pc.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1))), 1)
        ends: list[int] = changes.to_pylist()
        if waiting and keys[0] != waiting[0][_KEY][0]:
            yield _one_key(waiting)
            waiting = []
        if waiting and ends:
            yield _one_key([*waiting, batch.slice(0, ends[0])])
            waiting, batch, ends = [], batch.slice(ends[0]), [end - ends[0] for end in ends[1:]]
        if ends:
            yield pa.table(batch.slice(0, ends[-1])), ends
        waiting.append(batch.slice(ends[-1] if ends else 0))
    if waiting:
        yield _one_key(waiting)


def _one_key(batches: list[pa.RecordBatch]) -> tuple[pa.Table, list[int]]:
    table = pa.Table.from_batches(batches)
    return table, [table.num_rows]


def _small(state: State, table: pa.Table, lengths: Sequence[int]) -> Small:
    table = table.combine_chunks()
    whole = {name: table[name].combine_chunks() for name in table.column_names}
    ends = pa.array(accumulate(lengths, initial=0), pa.int32())
    first, seen = ends.slice(0, len(lengths)), whole["seen_us"]
    names = table.column_names[len(state.key) : -_OF_KEY - 1]
    columns = [_column(whole[name], _something(whole, name), ends) for name in names]
    nothing: Any = ""
    dropped: list[Any] = [
        pc.fill_null(joined(f',"{name}":', whole[f"{name}_us"].take(first).cast(pa.string())), nothing)
        for name in _DROPPED
    ]
    roots = joined('{"seen":', json_texts(seen.take(first)), *dropped, ',"cols":[', joined(*columns, by=","), "]}")
    return Small(whole[_KEY].take(first), roots, table.num_rows)


def _something(whole: dict[str, Any], name: str) -> Any:
    """Where a column holds what has to be stored."""
    nothing: Any = 0
    match name:
        case "known_at_us":
            return pc.not_equal(whole[name], whole["event_at_us"])
        case "bits":
            return pc.not_equal(whole[name], nothing)
    return pc.is_valid(whole[name])


def _column(column: Any, something: Any, ends: Any) -> Any:
    """A column of each key's leaf: a list, or null where there is nothing in it (see `leaves.columns_of`)."""
    keys = len(ends) - 1
    if not pc.any(something).as_py():
        return pa.repeat("null", keys)
    lists = joined("[", pc.binary_join(pa.ListArray.from_arrays(ends, json_texts(column)), ","), "]")
    if pc.all(something).as_py():
        return lists
    so_far = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(something.cast(pa.int64()))])
    until: Any = so_far.take(ends)
    return pc.if_else(pc.greater(until.slice(1), until.slice(0, keys)), lists, "null")


def _large(folding: Folding, table: pa.Table) -> Large:
    columns = table.columns[len(folding.state.key) : -_OF_KEY - 1]
    rows: list[Row] = list(map(list, zip(*(column.to_pylist() for column in columns), strict=True)))
    dropped = {name: table[f"{name}_us"][0].as_py() for name in _DROPPED}
    tree = grown(folding, rows, table["seen_us"][0].as_py(), dropped)
    return Large(table[_KEY][0].as_py(), {name: tree.stored(name) for name in tree.changed}, tree.levels, len(rows))
