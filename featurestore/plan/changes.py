"""What has changed in a feature set since its state was built: features that came, went, mean something else, or
probably were renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featurestore.plan.nodes import Plan, digest
from featurestore.plan.version import meaning_of_node, meaning_of_scan

FORMAT = 1
Meanings = dict[str, str]
"""The hash of what each feature of a set means, by its name in the vector; the name is no part of it."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Names in the vector. `renamed` are pairs of a name that is gone and a new one of the same meaning."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.renamed)


def meanings(plan: Plan) -> Meanings:
    """What each feature of a plan means."""
    found = {}
    for view in plan.views:
        source = [meaning_of_scan(view.state.scan), list(view.state.key)] if view.state else None
        nodes = {feature.name: feature.node for feature in view.features}
        for output in plan.outputs:
            if output.view == view.name:
                node = meaning_of_node(nodes[output.feature])
                found[output.name] = digest([source, list(view.inputs), view.refresh_us, node])
    return found


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    """What has changed from one to the other.

    >>> compare({"a": "1", "b": "2", "c": "3"}, {"a": "1", "x": "2", "c": "4", "y": "5"})
    Changes(added=('y',), removed=(), changed=('c',), renamed=(('b', 'x'),))
    """
    added, removed = [name for name in after if name not in before], [name for name in before if name not in after]
    renamed = []
    for old in list(removed):
        new = next((name for name in added if after[name] == before[old]), None)
        if new is not None:
            renamed.append((old, new))
            removed.remove(old)
            added.remove(new)
    changed = tuple(name for name in after if name in before and before[name] != after[name])
    return Changes(tuple(added), tuple(removed), changed, tuple(renamed))


def remember(home: Path, plans: Iterable[Plan]) -> None:
    """Keep what the features of these plans mean, whole or not at all."""
    path = _file(home)
    partial = path.with_suffix(".partial")
    text = json.dumps({"format": FORMAT, "feature_sets": {plan.name: meanings(plan) for plan in plans}})
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def remembered(home: Path) -> dict[str, Meanings] | None:
    """What was kept, by feature set; None when nothing was, or another version of the product wrote it."""
    try:
        found: Any = json.loads(_file(home).read_text(encoding="utf-8"))
        return dict(found["feature_sets"]) if found["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file(home: Path) -> Path:
    return home / "materialized.json"
