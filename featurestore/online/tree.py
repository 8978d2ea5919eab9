"""The rows of one entity key as a radix tree over their instants, so that a window is read from a few nodes however
many rows it holds.

A row's place is its `event_at` followed by 32 bits of a hash of its identity, so that rows of one microsecond part,
too. A leaf holds rows: `{"cols": columns}`, or `{"rows": [row, ...]}` while it is written. A leaf that grows too large
becomes an inner node `{"kids": {prefix: [max visible_at, fold state, ...]}}`: summaries of up to 16 children, each a
node of its own, each covering 1/16 of its time. The root carries `seen` besides, and of what was dropped (R12)
`horizon`, `after`, `since` and `checked`: rows that happened after the one and before the other are not kept.

The name of every node on the way to an instant can be computed, so a read asks for all of them at once. A summary is
the greatest `visible_at` below and the state of every fold; where a row below is not visible yet, the reader goes down
instead.

Source: radix trees; pre-aggregation as in Li et al. 2005 (panes), here with exact tails.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from featurestore.errors import StoreEmpty
from featurestore.online.codec import encode
from featurestore.online.folding import Folding
from featurestore.online.leaves import (
    EVENT,
    KNOWN,
    PRINT,
    ROW_ID,
    Columns,
    Node,
    Row,
    chosen,
    closed,
    held_columns,
    is_leaf,
    stored_columns,
    visible_us,
)
from featurestore.online.radix import BITS, BOTTOM, ROOT, TOP, node_name, prefix_of
from featurestore.semantics.instants import INT64_MIN

LEAF_ROWS = 64
Piece = tuple[Columns, int, int]
"""Rows of a leaf, from and up to these places."""


class Tree:
    """One key's nodes, as far as they have been fetched. `changed` are the fields to write back."""

    def __init__(self, folding: Folding, nodes: dict[bytes, Node | None] | None = None) -> None:
        self.folding = folding
        self.nodes = nodes if nodes is not None else {}
        self.changed: set[bytes] = set()
        self.removed: set[bytes] = set()
        self.levels: set[int] = set()

    @property
    def root(self) -> Node:
        """The root; an empty one for a key without rows."""
        return self.nodes.get(ROOT) or {"rows": []}

    def stored(self, name: bytes) -> str:
        """A node as it is written."""
        return encode(closed(self.nodes[name] or {"rows": []}))

    @property
    def checked_us(self) -> int | None:
        """The horizon up to which a tree of several nodes was last trimmed, whether rows went or not."""
        checked: int | None = self.root.get("checked")
        return checked

    def to_fetch(self, missing: set[bytes]) -> list[bytes]:
        """The fields to ask for. Raises: StoreEmpty  when one of them was asked for and is not there (R15)."""
        lost = sorted(missing & self.nodes.keys())
        if lost:
            raise StoreEmpty(
                f"the online store lost a part of a key's state by {', '.join(self.folding.state.key)}",
                where=f"state `{self.folding.state.id}`",
                has=f"{len(lost)} nodes of its tree missing, `{lost[0].decode()}` among them",
                fix="run `featurestore materialize`",
            )
        return sorted(missing)

    # reading

    def collect(
        self, bounds: Sequence[int], as_of_us: int, missing: set[bytes]
    ) -> list[tuple[list[Piece], list[list[Any]]]]:
        """What lies between each instant of `bounds` and the next, and is visible at `as_of`: pieces of leaves, and
        summaries of many rows. Nodes not fetched are named.

        Shape: `bounds` ascend; the result has one pair less than them.
        """
        parts: list[tuple[list[Piece], list[list[Any]]]] = [([], []) for _ in bounds[1:]]
        self._collect(self.root, TOP, bounds, as_of_us, parts, missing)
        return parts

    def _collect(
        self,
        node: Node,
        level: int,
        bounds: Sequence[int],
        as_of_us: int,
        parts: Sequence[tuple[list[Piece], list[list[Any]]]],
        missing: set[bytes],
    ) -> None:
        if is_leaf(node):
            self._cut(held_columns(node), bounds, as_of_us, parts)
            return
        first_us, last_us = bounds[0], bounds[-1]
        shift, width = BITS * level, 1 << BITS * max(level, 0)
        for prefix, summary in node["kids"].items():
            start = prefix << shift if shift >= 0 else prefix >> -shift
            end = start + width
            if end <= first_us or start >= last_us:
                continue
            # what was visible before an instant happened before it: the newest rows need no look below
            between = bisect_right(bounds, start) - 1
            if between >= 0 and summary[0] < as_of_us:
                until = bounds[between + 1]
                if end <= until or summary[0] < until:
                    parts[between][1].append(summary)
                    continue
            name = node_name(level, prefix)
            child = self.nodes.get(name)
            if child is None:
                missing.add(name)
            else:
                self._collect(child, level - 1, bounds, as_of_us, parts, missing)

    def _cut(
        self,
        columns: Columns,
        bounds: Sequence[int],
        as_of_us: int,
        parts: Sequence[tuple[list[Piece], list[list[Any]]]],
    ) -> None:
        """The rows of a leaf, as slices between the bounds."""
        if not columns:
            return
        knowns = columns[KNOWN]
        if knowns is not None and max(knowns) >= as_of_us:
            columns = chosen(columns, [place for place, known_us in enumerate(knowns) if known_us < as_of_us])
        events = columns[EVENT]
        low = bisect_left(events, bounds[0])
        for (pieces, _), bound in zip(parts, bounds[1:], strict=True):
            high = bisect_left(events, min(bound, as_of_us), low)
            if low < high:
                pieces.append((columns, low, high))
            low = high

    # writing

    def wanted(self, row: Row) -> bytes | None:
        """The next node on the row's way that is not fetched yet, or None when all are there."""
        if ROOT not in self.nodes:
            return ROOT
        node, level = self.root, TOP
        while "kids" in node:
            prefix = prefix_of(row, level)
            if prefix not in node["kids"]:
                return None
            name = node_name(level, prefix)
            child = self.nodes.get(name)
            if child is None:
                return name
            node, level = child, level - 1
        return None

    def insert(self, row: Row) -> bool:
        """Add a row whose way has been fetched; False when it is a redelivery of a fact, whichever of the two counts
        (R6).

        A row in the gap that was dropped is in no answer that can still be asked for, and is not kept.
        """
        root = self.nodes.get(ROOT)
        if root is None:
            root = self.nodes[ROOT] = {"rows": []}
        visible = visible_us(row)
        if root.get("seen") is None or visible < root["seen"]:
            root["seen"] = visible
            self.changed.add(ROOT)
        if "horizon" in root and root.get("after", INT64_MIN) < row[EVENT] < root["horizon"]:
            return True
        path: list[tuple[bytes, Node, int]] = []
        node, name, level = root, ROOT, TOP
        while "kids" in node:
            prefix = prefix_of(row, level)
            path.append((name, node, prefix))
            name = node_name(level, prefix)
            if prefix not in node["kids"]:
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
        return not replaced

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
        if len(rows) <= LEAF_ROWS or level < BOTTOM:
            return
        groups: dict[int, list[Row]] = {}
        shift = BITS * level
        prefixes = [row[EVENT] >> shift for row in rows] if level >= 0 else [prefix_of(row, level) for row in rows]
        for prefix, row in zip(prefixes, rows, strict=True):
            groups.setdefault(prefix, []).append(row)
        self.levels.add(level)
        del node["rows"]
        node["kids"] = kids = {}
        for prefix, group in sorted(groups.items()):
            child_name, child = node_name(level, prefix), {"rows": group}
            self.nodes[child_name] = child
            self.changed.add(child_name)
            self._split(child_name, child, level - 1)
            # from the summaries of its own children, where it was split: no row is looked at twice
            kids[prefix] = self._summary_of(child)

    def _update(self, path: list[tuple[bytes, Node, int]], row: Row, *, recompute: bool) -> None:
        """Bring the summaries on a row's way up to date, from the leaf to the root."""
        one = None if recompute or self.folding.sequential else self.folding.summary([row])
        level = TOP - len(path) + 1
        for name, node, prefix in reversed(path):
            kids = node["kids"]
            if one is None or prefix not in kids:
                child = self.nodes[node_name(level, prefix)]
                assert child is not None, "the way was fetched"
                kids[prefix] = self._summary_of(child)
            else:
                kids[prefix] = self.folding.merged((kids[prefix], one))
            self.changed.add(name)
            level += 1

    def _summary_of(self, node: Node) -> list[Any]:
        if "rows" in node:
            return self.folding.summary(node["rows"])
        return self.folding.merged(list(node["kids"].values()))


def trimmed(roots: Sequence[Node | None]) -> list[tuple[int, Node]]:
    """The keys of which rows were dropped (R12), by their index, with their roots."""
    return [(index, root) for index, root in enumerate(roots) if root is not None and "horizon" in root]


def sorted_out(
    roots: Sequence[Node | None], keys: Iterable[int], as_of_us: int
) -> tuple[dict[int, Columns], list[int]]:
    """Of some keys, those with rows that were visible at an instant: the columns of those whose rows are one leaf and
    all visible, and the others."""
    leaves: dict[int, Columns] = {}
    others: list[int] = []
    for key in keys:
        root = roots[key]
        if root is None or root["seen"] >= as_of_us:
            continue
        columns = stored_columns(root)
        if not columns or (columns[KNOWN] is not None and max(columns[KNOWN]) >= as_of_us):
            others.append(key)
        else:
            leaves[key] = columns
    return leaves, others


def grown(folding: Folding, rows: list[Row], seen_us: int, dropped: Mapping[str, int | None]) -> Tree:
    """The tree of a key's rows, distinct by R6 already: what one insert after the other would give. `dropped` is what
    the root carries of dropped rows."""
    tree = Tree(folding)
    root: Node = {"rows": rows, "seen": seen_us}
    root.update((name, at_us) for name, at_us in dropped.items() if at_us is not None)
    tree.nodes[ROOT] = root
    tree.changed.add(ROOT)
    tree._split(ROOT, root, TOP)
    return tree
