"""Dropping the rows of a key that no view can need (R12): which they are is said by `plan.retention`."""

from __future__ import annotations

from dataclasses import dataclass, field

from featurestore.online.leaves import EVENT, Node, visible_us
from featurestore.online.radix import ROOT, TOP, covered, node_name
from featurestore.online.tree import Tree
from featurestore.plan.retention import Retention, selected
from featurestore.semantics.instants import INT64_MIN

TRIMS_PER_WINDOW = 8
"""How often a key is trimmed while a window passes."""
Gap = tuple[int, int]
"""After and before which instants rows are dropped."""


@dataclass(slots=True)
class _Inside:
    """What lies in a gap: leaves of which rows go, children that go as a whole, and all nodes below these."""

    leaves: dict[bytes, Node] = field(default_factory=dict)
    cut: list[tuple[bytes, Node, int]] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)


def is_due(tree: Tree, retention: Retention, newest_us: int) -> bool:
    """Whether rows may go as of a key's progress; not while little would."""
    if newest_us == INT64_MIN:
        return False
    checked_us, horizon_us = tree.checked_us, retention.horizon_us(newest_us)
    if checked_us is not None:
        return horizon_us - checked_us > retention.kept_us // TRIMS_PER_WINDOW
    return any(row[EVENT] < horizon_us for row in tree.root["rows"]) if "rows" in tree.root else True


def progress_us(rows: list[list[int]], clock_us: int) -> int:
    """The greatest `visible_at` of some rows that the store's clock has reached."""
    return max((at_us for row in rows if (at_us := visible_us(row)) <= clock_us), default=INT64_MIN)


def trim(tree: Tree, retention: Retention, newest_us: int, missing: set[bytes]) -> None:
    """Drop the rows that no view can need, unless `missing` names nodes to fetch first. `newest_us` is the key's
    progress.

    What was dropped is remembered only where rows went: a key that has all of them can answer any instant. Summaries
    keep counting what was dropped below them: no window that can still be asked for covers such a node whole, and of
    all history only selections are asked for, which rows nearer to its end decide.
    """
    root = tree.nodes.get(ROOT)
    since_us = retention.since_us(newest_us)
    if root is None or since_us < root.get("since", INT64_MIN):
        return
    gap, found = _gap(tree, retention, newest_us, missing), _Inside()
    if gap is not None:
        _look(tree, ROOT, root, TOP, gap, found, missing)
    if missing:
        return
    if "kids" in root:
        root["checked"] = retention.horizon_us(newest_us)
        tree.changed.add(ROOT)
    if gap is not None and (found.leaves or found.cut):
        _drop(tree, gap, found)
        root["horizon"] = max(gap[1], root.get("horizon", INT64_MIN))
        if retention.selections:
            root["since"] = since_us
        if gap[0] != INT64_MIN:
            root["after"] = min(gap[0], root.get("after", gap[0]))
        tree.changed.add(ROOT)


def _gap(tree: Tree, retention: Retention, newest_us: int, missing: set[bytes]) -> Gap | None:
    """The gap between what the ends of history and the windows need; None where there is none, or `missing` names
    nodes."""
    since_us = retention.since_us(newest_us)
    after_us, before_us = INT64_MIN, retention.horizon_us(newest_us)
    if not retention.selections:
        return after_us, before_us
    [(pieces, summaries)] = tree.collect((INT64_MIN, since_us), since_us, missing)
    if missing:
        return None
    folding = tree.folding
    for index, use, selection in selected(folding.state, retention):
        states = [summary[index + 1] for summary in summaries]
        states += [folding.lifts[index](*piece) for piece in pieces]
        far_us = selection.farthest(folding.merges[index](states), use.n) if states else None
        if far_us is None:
            return None
        if selection.end == "first":
            after_us = max(after_us, far_us)
        else:
            before_us = min(before_us, far_us)
    return (after_us, before_us) if after_us < before_us else None


def _look(tree: Tree, name: bytes, node: Node, level: int, gap: Gap, found: _Inside, missing: set[bytes]) -> None:
    """Find what lies in a gap at a node and below it."""
    after_us, before_us = gap
    if "rows" in node:
        if any(after_us < row[EVENT] < before_us for row in node["rows"]):
            found.leaves[name] = node
        return
    for prefix in node["kids"]:
        start, end = covered(level, prefix)
        if start >= before_us or end - 1 <= after_us:
            continue
        below = node_name(level, prefix)
        child = tree.nodes.get(below)
        if start > after_us and end <= before_us:
            found.cut.append((name, node, prefix))
            _all_below(tree, below, child, level - 1, found.gone, missing)
        elif child is None:
            missing.add(below)
        else:
            _look(tree, below, child, level - 1, gap, found, missing)


def _all_below(tree: Tree, name: bytes, node: Node | None, level: int, gone: set[bytes], missing: set[bytes]) -> None:
    if node is None:
        missing.add(name)
        return
    gone.add(name)
    for prefix in node.get("kids", ()):
        below = node_name(level, prefix)
        _all_below(tree, below, tree.nodes.get(below), level - 1, gone, missing)


def _drop(tree: Tree, gap: Gap, found: _Inside) -> None:
    after_us, before_us = gap
    for name, leaf in found.leaves.items():
        leaf["rows"] = [row for row in leaf["rows"] if not after_us < row[EVENT] < before_us]
        tree.changed.add(name)
    for name, node, prefix in found.cut:
        del node["kids"][prefix]
        tree.changed.add(name)
    for name in found.gone:
        del tree.nodes[name]
    tree.changed -= found.gone
    tree.removed |= found.gone
