"""Rows of a leaf: one list each while they are written, one list a column as they are stored and read.

A column in which every row has the same nothing is not stored, and rows lie in the order of their instants: a window is
a slice of each column, found by halving, and no row is made to answer it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypedDict

import msgspec

Row = list[Any]
"""`[event_at, known_at, order, row_id, fingerprint, filter bits, value, value, ...]`"""
Columns = list[Any]
"""A list for each place of a row; None where nothing is stored: rows known when they happened, no bits, nulls."""
Node = dict[str, Any]
"""A leaf or an inner node of a tree: see `tree`."""


class _Stored(TypedDict, total=False):
    cols: list[Any]
    kids: dict[int, list[Any]]
    seen: int
    horizon: int
    after: int
    since: int
    checked: int


decode_node: Callable[[bytes | str], Node] = msgspec.json.Decoder(_Stored).decode  # type: ignore[assignment]  # one
"""A node as `tree.Tree.stored` wrote it."""

EVENT, KNOWN, ORDER, ROW_ID, PRINT, BITS_OF_FILTERS, VALUES = range(7)
_COLUMNS, _ROWS = "cols", "rows"


def visible_us(row: Row) -> int:
    """When a row could be seen (R2)."""
    visible: int = max(row[EVENT], row[KNOWN])
    return visible


def columns_of(rows: Sequence[Row]) -> Columns:
    """Rows as columns.

    >>> columns_of([[5, 6, None, None, None, 0, 1.5], [4, 4, None, None, None, 0, None]])
    [[4, 5], [4, 6], None, None, None, None, [None, 1.5]]
    """
    columns: Columns = [list(column) for column in zip(*sorted(rows, key=itemgetter(EVENT)), strict=True)]
    if columns:
        if columns[KNOWN] == columns[EVENT]:
            columns[KNOWN] = None
        if not any(columns[BITS_OF_FILTERS]):
            columns[BITS_OF_FILTERS] = None
        for place in (ORDER, ROW_ID, PRINT, *range(VALUES, len(columns))):
            if all(value is None for value in columns[place]):
                columns[place] = None
    return columns


def rows_of(columns: Columns) -> list[Row]:
    """Columns as rows."""
    if not columns:
        return []
    events = columns[EVENT]
    nothing = {KNOWN: events, BITS_OF_FILTERS: [0] * len(events)}
    nulls = [None] * len(events)
    whole = [nothing.get(place, nulls) if column is None else column for place, column in enumerate(columns)]
    return [list(row) for row in zip(*whole, strict=True)]


def chosen(columns: Columns, places: Sequence[int]) -> Columns:
    """Some rows of columns."""
    return [None if column is None else [column[place] for place in places] for column in columns]


def outermost(end: str, events: list[int], low: int, high: int, n: int) -> tuple[int, int]:
    """Where the n rows that happened first or last are, and all that happened together with one of them."""
    if end == "first":
        return low, bisect_right(events, events[min(low + n, high) - 1], low, high)
    return bisect_left(events, events[max(high - n, low)], low, high), high


def held_columns(leaf: Node) -> Columns:
    """The columns of a leaf."""
    return leaf[_COLUMNS] if _COLUMNS in leaf else columns_of(leaf[_ROWS])


def stored_columns(node: Node) -> Columns | None:
    """The columns of a node that was read and is a leaf; None of any other."""
    return node.get(_COLUMNS)


def is_leaf(node: Node) -> bool:
    """Whether a node holds rows."""
    return _COLUMNS in node or _ROWS in node


def opened(node: Node) -> Node:
    """A node that was read, ready to be written to."""
    if _COLUMNS in node:
        node[_ROWS] = rows_of(node.pop(_COLUMNS))
    return node


def closed(node: Node) -> Node:
    """A node as it is stored."""
    if _ROWS not in node:
        return node
    return {name: value for name, value in node.items() if name != _ROWS} | {_COLUMNS: columns_of(node[_ROWS])}
