"""The rows of one entity key as a radix tree over `event_at`, so that a window is read from a few nodes however many
rows it holds.

A leaf holds rows. A leaf that grows too large becomes an inner node: summaries of up to 64 children, each a node of
its own, each covering 1/64 of its time. The name of every node on the way to an instant can be computed, so a read
asks for all of them at once. A summary is the greatest `visible_at` below and the state of every fold; where a row
below is not visible yet, the reader goes down instead.

Source: radix trees; pre-aggregation as in Li et al. 2005 (panes), here with exact tails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from featurestore.plan.nodes import State
from featurestore.semantics.folds import FOLDS, Fold
from featurestore.semantics.folds import State as FoldState

LEAF_ROWS = 128
TOP = 7
"""Level of the root's children: 2^42 us, 51 days. A node of level n covers 2^(6n) us."""
FIRST_GUESS = (7, 6, 5, 4)
"""Levels that a read asks for before it knows the tree; deeper ones exist only where hundreds of rows fall into 17
s."""
ROOT = b"root"

Row = list[Any]
"""`[event_at, known_at, order, row_id, fingerprint, filter bits, value, value, ...]`"""
Node = dict[str, Any]
"""A leaf `{"rows": [row, ...]}` or an inner node `{"kids": {prefix: [max visible_at, fold state, ...]}}`. The root
carries `seen` and `horizon` besides."""

EVENT, KNOWN, ORDER, ROW_ID, PRINT, BITS, VALUES = range(7)


def visible_us(row: Row) -> int:
    """When a row could be seen (R2)."""
    visible: int = max(row[EVENT], row[KNOWN])
    return visible


def node_name(level: int, prefix: int) -> bytes:
    """The field that holds the node of a level that covers the instants with this prefix."""
    return b"%d:%d" % (level, prefix)


def path_names(at_us: int, levels: Iterable[int] = FIRST_GUESS) -> Iterator[bytes]:
    """The fields on the way to an instant."""
    return (node_name(level, at_us >> (6 * level)) for level in levels)


class Tree:
    """One key's nodes, as far as they have been fetched. `changed` are the fields to write back."""

    def __init__(self, state: State, nodes: dict[bytes, Node | None] | None = None) -> None:
        self._folds = [(FOLDS[use.fold], use) for use in state.folds]
        self.nodes = nodes if nodes is not None else {}
        self.changed: set[bytes] = set()

    @property
    def root(self) -> Node:
        """The root; an empty one for a key without rows."""
        return self.nodes.get(ROOT) or {"rows": []}

    @property
    def seen_us(self) -> int | None:
        """The least `visible_at` of all rows there ever were, trimmed ones too."""
        seen: int | None = self.root.get("seen")
        return seen

    @property
    def horizon_us(self) -> int | None:
        """Rows that happened before it were trimmed (R12); None when all are there."""
        horizon: int | None = self.root.get("horizon")
        return horizon

    def summary(self, rows: Sequence[Row]) -> list[Any]:
        """The summary of some rows."""
        return [max(map(visible_us, rows)), *(self.lift(place, rows) for place in range(len(self._folds)))]

    def lift(self, place: int, rows: Sequence[Row]) -> FoldState:
        """The state of one fold over some rows."""
        fold, use = self._folds[place]
        if use.filter is not None:
            rows = [row for row in rows if row[BITS] >> use.filter & 1]
        values = [None] * len(rows) if use.input is None else [row[VALUES + use.input] for row in rows]
        ranks = [(row[EVENT], row[ORDER], row[KNOWN]) for row in rows] if fold.ordered else ()
        return fold.lift(values, ranks, use.n)

    def merge(self, place: int, left: FoldState, right: FoldState) -> FoldState:
        """The state of one fold over two sets of rows."""
        fold, use = self._folds[place]
        return fold.merge(left, right, use.n)

    def empty(self, place: int) -> FoldState:
        """The state of one fold over no rows."""
        fold: Fold = self._folds[place][0]
        return fold.empty

    # reading

    def collect(
        self, low_us: int, high_us: int, as_of_us: int, rows: list[Row], summaries: list[list[Any]], missing: set[bytes]
    ) -> None:
        """Add what lies in `[low, high)` and is visible at `as_of`: rows one by one, or summaries of many; name nodes
        not fetched."""
        self._collect(self.root, TOP, low_us, high_us, as_of_us, rows, summaries, missing)

    def _collect(
        self,
        node: Node,
        level: int,
        low_us: int,
        high_us: int,
        as_of_us: int,
        rows: list[Row],
        summaries: list[list[Any]],
        missing: set[bytes],
    ) -> None:
        if "rows" in node:
            rows += [
                row
                for row in node["rows"]
                if low_us <= row[EVENT] < high_us and row[KNOWN] < as_of_us and row[EVENT] < as_of_us
            ]
            return
        shift = 6 * level
        for text, summary in node["kids"].items():
            prefix = int(text)
            start, end = prefix << shift, (prefix + 1) << shift
            if end <= low_us or start >= high_us:
                continue
            if low_us <= start and end <= high_us and summary[0] < as_of_us:
                summaries.append(summary)
                continue
            name = node_name(level, prefix)
            child = self.nodes.get(name)
            if child is None:
                missing.add(name)
            else:
                self._collect(child, level - 1, low_us, high_us, as_of_us, rows, summaries, missing)

    # writing

    def wanted(self, row: Row) -> bytes | None:
        """The next node on the row's way that is not fetched yet, or None when all are there."""
        if ROOT not in self.nodes:
            return ROOT
        node, level = self.root, TOP
        while "kids" in node:
            prefix = row[EVENT] >> (6 * level)
            if str(prefix) not in node["kids"]:
                return None
            name = node_name(level, prefix)
            child = self.nodes.get(name)
            if child is None:
                return name
            node, level = child, level - 1
        return None

    def insert(self, row: Row) -> bool:
        """Add a row whose way has been fetched; False when it is a redelivery that changes nothing (R6).

        A row before the horizon is outside every window that can still be asked for, and is not kept.
        """
        root = self.nodes.get(ROOT)
        if root is None:
            root = self.nodes[ROOT] = {"rows": []}
        visible = visible_us(row)
        if root.get("seen") is None or visible < root["seen"]:
            root["seen"] = visible
            self.changed.add(ROOT)
        if root.get("horizon") is not None and row[EVENT] < root["horizon"]:
            return True
        path: list[tuple[bytes, Node, str]] = []
        node, name, level = root, ROOT, TOP
        while "kids" in node:
            prefix = row[EVENT] >> (6 * level)
            path.append((name, node, str(prefix)))
            name = node_name(level, prefix)
            if str(prefix) not in node["kids"]:
                self.nodes[name] = {"rows": []}
            child = self.nodes[name]
            assert child is not None, "the way was fetched"
            node, level = child, level - 1
        replaced = self._place(node["rows"], row)
        if replaced is None:
            return False
        self.changed.add(name)
        self._split(name, node, level)
        self._update(path, row, recompute=replaced)
        return True

    def _place(self, rows: list[Row], row: Row) -> bool | None:
        """Put a row among others: True when it replaced one, False when it is new, None when it changes nothing."""
        if row[ROW_ID] is not None:
            for i, other in enumerate(rows):
                if other[ROW_ID] == row[ROW_ID] and other[EVENT] == row[EVENT]:
                    if (row[KNOWN], row[PRINT] or "") >= (other[KNOWN], other[PRINT] or ""):
                        return None
                    rows[i] = row
                    return True
        rows.append(row)
        return False

    def _split(self, name: bytes, node: Node, level: int) -> None:
        rows = node.get("rows", ())
        if len(rows) <= LEAF_ROWS or level < 0:
            return
        groups: dict[int, list[Row]] = {}
        for row in rows:
            groups.setdefault(row[EVENT] >> (6 * level), []).append(row)
        del node["rows"]
        node["kids"] = {str(prefix): self.summary(group) for prefix, group in sorted(groups.items())}
        for prefix, group in groups.items():
            child_name, child = node_name(level, prefix), {"rows": group}
            self.nodes[child_name] = child
            self.changed.add(child_name)
            self._split(child_name, child, level - 1)

    def _update(self, path: list[tuple[bytes, Node, str]], row: Row, *, recompute: bool) -> None:
        """Bring the summaries on a row's way up to date, from the leaf to the root."""
        one = None if recompute else self.summary([row])
        level = TOP - len(path) + 1
        for name, node, prefix in reversed(path):
            kids = node["kids"]
            if one is None or prefix not in kids:
                child = self.nodes[node_name(level, int(prefix))]
                assert child is not None, "the way was fetched"
                kids[prefix] = self._summary_of(child)
            else:
                kids[prefix] = self._merged(kids[prefix], one)
            self.changed.add(name)
            level += 1

    def _summary_of(self, node: Node) -> list[Any]:
        if "rows" in node:
            return self.summary(node["rows"])
        first, *rest = node["kids"].values()
        for each in rest:
            first = self._merged(first, each)
        return list(first)

    def _merged(self, left: list[Any], right: list[Any]) -> list[Any]:
        folds = (self.merge(place, *pair) for place, pair in enumerate(zip(left[1:], right[1:], strict=True)))
        return [max(left[0], right[0]), *folds]


def grown(state: State, rows: list[Row], seen_us: int, horizon_us: int | None) -> Tree:
    """The tree of a key's rows, distinct by R6 already: what one insert after the other would give."""
    tree = Tree(state)
    root: Node = {"rows": rows, "seen": seen_us}
    if horizon_us is not None:
        root["horizon"] = horizon_us
    tree.nodes[ROOT] = root
    tree.changed.add(ROOT)
    tree._split(ROOT, root, TOP)
    return tree
