"""The nodes of many keys at once, from rows in the order of their keys.

Most keys have so few rows that one node holds them all. The text of such a node is put together from columns, in Arrow,
and is byte for byte what `codec.encode` writes of the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.online import codec
from featurestore.online.columns import joined, json_texts
from featurestore.online.tree import LEAF_ROWS, ROOT, Row, grown
from featurestore.plan.nodes import State

_KEY, _ROW = "key_text", "row_text"
"""The columns of texts beside a batch's own."""
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

    Shape: columns k0.., event_at_us, known_at_us, order_by, row_id, fingerprint, bits, v0.., seen_us, horizon_us, in
    the order of the keys.
    """
    texts = (_with_texts(piece, len(state.key)) for batch in batches for piece in _pieces(batch))
    for table, ends in _whole_keys(texts):
        lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        few = [length <= LEAF_ROWS for length in lengths]
        if all(few):
            yield _small(table, lengths)
            continue
        for end, length in zip(ends, lengths, strict=True):
            if length > LEAF_ROWS:
                yield _large(state, table.slice(end - length, length))
        if any(few):
            kept = chain.from_iterable([fits] * length for fits, length in zip(few, lengths, strict=True))
            yield _small(table.filter(pa.array(kept, pa.bool_())), [each for each in lengths if each <= LEAF_ROWS])


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts whose texts are short enough: a byte gives at most six letters, a number or a null thirty."""
    if batch.num_rows:
        count = 1 + (6 * batch.nbytes + 30 * batch.num_rows * batch.num_columns) // _MOST_TEXT
        rows = -(-batch.num_rows // count)
        yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _with_texts(batch: pa.RecordBatch, width: int) -> pa.RecordBatch:
    texts = [json_texts(column) for column in batch.columns[:-2]]
    return batch.append_column(_KEY, _listed(texts[:width])).append_column(_ROW, _listed(texts[width:]))


def _listed(texts: Sequence[pa.Array[Any]]) -> pa.Array[Any]:
    return joined("[", joined(*texts, by=","), "]")


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


def _small(table: pa.Table, lengths: Sequence[int]) -> Small:
    keys, texts, seen, horizon = (table[name].combine_chunks() for name in (_KEY, _ROW, "seen_us", "horizon_us"))
    ends = pa.array(accumulate(lengths, initial=0), pa.int32())
    rows = pc.binary_join(pa.ListArray.from_arrays(ends, texts), ",")
    first = ends.slice(0, len(lengths))
    trimmed: Any = joined(',"horizon":', horizon.take(first).cast(pa.string()))
    roots = joined('{"rows":[', rows, '],"seen":', json_texts(seen.take(first)), pc.fill_null(trimmed, ""), "}")
    return Small(keys.take(first), roots, table.num_rows)


def _large(state: State, table: pa.Table) -> Large:
    columns = table.columns[len(state.key) : -4]
    rows: list[Row] = list(map(list, zip(*(column.to_pylist() for column in columns), strict=True)))
    tree = grown(state, rows, table["seen_us"][0].as_py(), table["horizon_us"][0].as_py())
    texts: dict[int, Any] = {id(row): text for row, text in zip(rows, table[_ROW].to_pylist(), strict=True)}

    def text_of(name: bytes) -> str:
        node = tree.nodes[name] or {}
        if name != ROOT and "rows" in node:
            return f'{{"rows":[{",".join(texts[id(row)] for row in node["rows"])}]}}'
        return codec.encode(node)

    return Large(table[_KEY][0].as_py(), {name: text_of(name) for name in tree.changed}, tree.levels, len(rows))
