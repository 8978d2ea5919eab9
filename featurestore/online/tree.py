"""The rows of one entity key as a radix tree over their instants, so that a window is read from a few nodes however
many rows it holds.

A row's place is its `event_at` followed by 32 bits of a hash of its identity, so that rows of one microsecond part,
too. A leaf holds rows: `{"cols": columns}`, or `{"rows": [row, ...]}` while it is written. A leaf that grows too large
becomes an inner node `{"kids": {prefix: [max visible_at, fold state, ...]}}`: summaries of up to 16 children, each a
node of its own, each covering 1/16 of its time. The root carries `seen`, `horizon` and `checked` besides.

The name of every node on the way to an instant can be computed, so a read asks for all of them at once. A summary is
the greatest `visible_at` below and the state of every fold; where a row below is not visible yet, the reader goes down
instead.

Source: radix trees; pre-aggregation as in Li et al. 2005 (panes), here with exact tails.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from featurestore.errors import StoreEmpty
from featurestore.online.codec import encode
from featurestore.online.leaves import (
    BITS_OF_FILTERS,
    EVENT,
    KNOWN,
    ORDER,
    PRINT,
    ROW_ID,
    VALUES,
    Columns,
    Node,
    Row,
    chosen,
    closed,
    columns_of,
    held_columns,
    is_leaf,
    outermost,
    stored_columns,
    visible_us,
)
from featurestore.online.radix import BITS, BOTTOM, ROOT, TOP, covered, node_name, prefix_of
from featurestore.plan.nodes import State
from featurestore.semantics.folding.categories import lift_by, merge_by
from featurestore.semantics.folds import FOLDS, Rank
from featurestore.semantics.folds import State as FoldState

LEAF_ROWS = 64
Piece = tuple[Columns, int, int]
"""Rows of a leaf, from and up to these places."""


class Tree:
    """One key's nodes, as far as they have been fetched. `changed` are the fields to write back."""

    def __init__(self, state: State, nodes: dict[bytes, Node | None] | None = None) -> None:
        self._state = state
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
        columns, count = columns_of(rows), len(rows)
        folds = range(len(self._state.folds))
        return [max(map(visible_us, rows)), *(self.lift(place, (columns, 0, count)) for place in folds)]

    def lift(self, place: int, piece: Piece) -> FoldState:
        """The state of one fold over some rows."""
        columns, low, high = piece
        use = self._state.folds[place]
        fold = FOLDS[use.fold]
        if use.filter is not None:
            bits = columns[BITS_OF_FILTERS]
            places = [] if bits is None else [each for each in range(low, high) if bits[each] >> use.filter & 1]
            columns, low, high = chosen(columns, places), 0, len(places)
        if fold.near and low < high and use.by is None:  # the others cannot come first, or last
            low, high = outermost(fold.near, columns[EVENT], low, high, use.n or 1)
        nulls = [None] * (high - low)

        def part(place: int) -> list[Any]:
            column = columns[place]
            return nulls if column is None else column[low:high]

        values = nulls if use.input is None else part(VALUES + use.input)
        ranks: Sequence[Rank] = ()
        if fold.ordered:
            events = columns[EVENT][low:high]
            ranks = list(zip(events, part(ORDER), events if columns[KNOWN] is None else part(KNOWN), strict=True))
        if use.by is not None:
            return lift_by(fold, part(VALUES + use.by), values, ranks, use.n)
        return fold.lift(values, ranks, use.n)

    def merge(self, place: int, states: Sequence[FoldState]) -> FoldState:
        """The state of one fold over sets of rows, from the state of each."""
        use = self._state.folds[place]
        fold = FOLDS[use.fold]
        return fold.merge(states, use.n) if use.by is None else merge_by(fold, states, use.n)

    def empty(self, place: int) -> FoldState:
        """The state of one fold over no rows."""
        use = self._state.folds[place]
        return FOLDS[use.fold].empty if use.by is None else []

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
                f"the online store lost a part of a key's state by {', '.join(self._state.key)}",
                where=f"state `{self._state.id}`",
                has=f"{len(lost)} nodes of its tree missing, `{lost[0].decode()}` among them",
                fix="run `featurestore materialize`",
            )
        return sorted(missing)

    # reading

    def visible_leaf(self, as_of_us: int) -> Columns | None:
        """The columns of a root that is a leaf, all of whose rows were known by an instant; None for any other."""
        columns = stored_columns(self.root)
        if not columns or (columns[KNOWN] is not None and max(columns[KNOWN]) >= as_of_us):
            return None
        return columns

    def collect(
        self,
        low_us: int,
        high_us: int,
        as_of_us: int,
        pieces: list[Piece],
        summaries: list[list[Any]],
        missing: set[bytes],
    ) -> None:
        """Add what lies in `[low, high)` and is visible at `as_of`: pieces of leaves, or summaries of many rows; name
        nodes not fetched."""
        self._collect(self.root, TOP, low_us, high_us, as_of_us, pieces, summaries, missing)

    def _collect(
        self,
        node: Node,
        level: int,
        low_us: int,
        high_us: int,
        as_of_us: int,
        pieces: list[Piece],
        summaries: list[list[Any]],
        missing: set[bytes],
    ) -> None:
        if is_leaf(node):
            columns = held_columns(node)
            if columns:
                events, knowns = columns[EVENT], columns[KNOWN]
                low, high = bisect_left(events, low_us), bisect_left(events, min(high_us, as_of_us))
                if knowns is not None and low < high and max(knowns[low:high]) >= as_of_us:
                    places = [place for place in range(low, high) if knowns[place] < as_of_us]
                    columns, low, high = chosen(columns, places), 0, len(places)
                if low < high:
                    pieces.append((columns, low, high))
            return
        for text, summary in node["kids"].items():
            prefix = int(text)
            start, end = covered(level, prefix)
            if end <= low_us or start >= high_us:
                continue
            # what was visible before an instant happened before it: the newest rows need no look below
            if low_us <= start and summary[0] < as_of_us and (end <= high_us or summary[0] < high_us):
                summaries.append(summary)
                continue
            name = node_name(level, prefix)
            child = self.nodes.get(name)
            if child is None:
                missing.add(name)
            else:
                self._collect(child, level - 1, low_us, high_us, as_of_us, pieces, summaries, missing)

    # writing

    def wanted(self, row: Row) -> bytes | None:
        """The next node on the row's way that is not fetched yet, or None when all are there."""
        if ROOT not in self.nodes:
            return ROOT
        node, level = self.root, TOP
        while "kids" in node:
            prefix = prefix_of(row, level)
            if str(prefix) not in node["kids"]:
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
            prefix = prefix_of(row, level)
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
        return not replaced

    def trim(self, horizon_us: int, missing: set[bytes]) -> None:
        """Drop the rows that happened before an instant (R12), unless `missing` names nodes to fetch first.

        The horizon is remembered only where rows went: a key that has all of them can answer any instant. Summaries
        keep counting what was dropped below them: no window that can still be asked for covers such a node whole.
        """
        root = self.nodes.get(ROOT)
        if root is None:
            return
        leaves: dict[bytes, Node] = {}
        cut: list[tuple[bytes, Node, str]] = []
        gone: set[bytes] = set()
        self._before(ROOT, root, TOP, horizon_us, leaves, cut, gone, missing)
        if missing:
            return
        if "kids" in root:
            root["checked"] = horizon_us
            self.changed.add(ROOT)
        if not (leaves or cut):
            return
        for name, leaf in leaves.items():
            leaf["rows"] = [row for row in leaf["rows"] if row[EVENT] >= horizon_us]
            self.changed.add(name)
        for name, node, text in cut:
            del node["kids"][text]
            self.changed.add(name)
        root["horizon"] = horizon_us
        self.changed.add(ROOT)
        for name in gone:
            del self.nodes[name]
        self.changed -= gone
        self.removed |= gone

    def _before(
        self,
        name: bytes,
        node: Node,
        level: int,
        horizon_us: int,
        leaves: dict[bytes, Node],
        cut: list[tuple[bytes, Node, str]],
        gone: set[bytes],
        missing: set[bytes],
    ) -> None:
        """Collect what lies before the horizon: rows of leaves, whole children of inner nodes, and all below these."""
        if "rows" in node:
            if any(row[EVENT] < horizon_us for row in node["rows"]):
                leaves[name] = node
            return
        for text in node["kids"]:
            prefix = int(text)
            start, end = covered(level, prefix)
            if start >= horizon_us:
                continue
            below = node_name(level, prefix)
            child = self.nodes.get(below)
            if end <= horizon_us:
                cut.append((name, node, text))
                self._all_below(below, child, level - 1, gone, missing)
            elif child is None:
                missing.add(below)
            else:
                self._before(below, child, level - 1, horizon_us, leaves, cut, gone, missing)

    def _all_below(self, name: bytes, node: Node | None, level: int, gone: set[bytes], missing: set[bytes]) -> None:
        if node is None:
            missing.add(name)
            return
        gone.add(name)
        for text in node.get("kids", ()):
            below = node_name(level, int(text))
            self._all_below(below, self.nodes.get(below), level - 1, gone, missing)

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
            kids[str(prefix)] = self._summary_of(child)

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
                kids[prefix] = self._merged((kids[prefix], one))
            self.changed.add(name)
            level += 1

    def _summary_of(self, node: Node) -> list[Any]:
        if "rows" in node:
            return self.summary(node["rows"])
        return self._merged(list(node["kids"].values()))

    def _merged(self, summaries: Sequence[list[Any]]) -> list[Any]:
        latest, *folds = zip(*summaries, strict=True)
        return [max(latest), *(self.merge(place, states) for place, states in enumerate(folds))]


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
