"""What has changed in a feature set since its state was built: features that came, went, mean something else, or
probably were renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from featurestore.plan.built import Built
from featurestore.plan.nodes import Plan, digest
from featurestore.plan.retention import Retention
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


@dataclass(frozen=True, slots=True)
class Materialized:
    """What `materialize` published last: the meanings of each feature set's features, the states by id, and the version
    that these states answer for each feature set (R20)."""

    feature_sets: dict[str, Meanings] = field(default_factory=dict)
    states: dict[str, Built] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


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


def remember(home: Path, plans: Iterable[Plan], built: Mapping[str, Built], *, partly: bool = False) -> None:
    """Keep what the features of these plans mean, which states were published, and the versions that these answer;
    whole or not at all. When states were built `partly`, all that was kept of the others stays."""
    known = (remembered(home) if partly else None) or Materialized()
    states = {**known.states, **built}
    sets, versions = dict(known.feature_sets), dict(known.versions)
    for plan in plans:
        if all(state.id in states for state in plan.states):
            sets[plan.name] = meanings(plan)
            versions[plan.name] = plan.version_with((each.scan.source, states[each.id].content) for each in plan.states)
    found = {"states": {name: asdict(each) for name, each in states.items()}, "versions": versions}
    path = _file(home)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"format": FORMAT, "feature_sets": sets, **found}), encoding="utf-8")
    partial.replace(path)


def remembered(home: Path) -> Materialized | None:
    """What was kept; None when nothing was, or another version of the product wrote it."""
    try:
        found: Any = json.loads(_file(home).read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            return None
        states = {
            str(name): Built(each["content"], Retention.of_json(each["retention"]))
            for name, each in found.get("states", {}).items()
        }
        return Materialized(dict(found["feature_sets"]), states, dict(found.get("versions", {})))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(home: Path) -> Path:
    return home / "materialized.json"
