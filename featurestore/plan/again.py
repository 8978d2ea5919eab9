"""Definitions that were made again under the same name, as when the cell of a notebook is run again: the newest
replaces the others, unless something that refers to them means something else by it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

from featurestore.define.made import newest
from featurestore.define.source import Source
from featurestore.define.view import ViewSpec
from featurestore.errors import DuplicateName
from featurestore.plan.scan import plan_scan
from featurestore.plan.version import meaning_of_node, meaning_of_scan


def newer_view(feature_set: str, one: ViewSpec, other: ViewSpec, names: Iterable[str]) -> ViewSpec:
    """The newer of two views of one name. Raises: DuplicateName  when one of the features in use has changed."""
    older, newer = sorted((one, other), key=lambda spec: spec.made)
    known = {feature.name for feature in older.features}
    changed = [name for name in sorted(known.intersection(names)) if _meaning(older, name) != _meaning(newer, name)]
    if changed:
        raise DuplicateName(
            f"the feature set `{feature_set}` meets two different views `{one.name}`, which disagree on `{changed[0]}`",
            has=[f"the old one: {older.where or 'unknown'}", f"the new one: {newer.where or 'unknown'}"],
            fix="rename one; in a notebook, run the cells again that use the old one",
        )
    return newer


def newest_sources(feature_set: str, specs: dict[str, ViewSpec]) -> dict[str, ViewSpec]:
    """The views, each over the newest definition of its source, which says where the rows are: of those that the views
    refer to, and of what their modules call by these names now, as when a cell ran again.

    Raises: DuplicateName  when two sources of one name differ in more than that.
    """
    latest: dict[str, type[Source]] = {}
    for source in [each for spec in specs.values() if spec.source for each in (spec.source, _current(spec.source))]:
        known = latest.setdefault(source.__name__, source)
        if meaning_of_scan(plan_scan(known)) != meaning_of_scan(plan_scan(source)):
            older, newer = sorted((known.__spec__, source.__spec__), key=lambda each: each.made)
            raise DuplicateName(
                f"the feature set `{feature_set}` meets two different sources `{older.name}`",
                has=[f"the old one: {older.where or 'unknown'}", f"the new one: {newer.where or 'unknown'}"],
                fix="rename one; in a notebook, run the cells again of the views that use the old one",
            )
        if source.__spec__.made > known.__spec__.made:
            latest[known.__name__] = source
    return {
        name: spec if spec.source is None else replace(spec, source=latest[spec.source.__name__])
        for name, spec in specs.items()
    }


def _current(source: type[Source]) -> type[Source]:
    """The class that a source's module calls by its name now."""
    found = newest(source.__spec__)
    return source if found is source.__spec__ else getattr(sys.modules[found.module], found.name)


def _meaning(spec: ViewSpec, name: str) -> object:
    """All that a reference to a feature means."""
    found = [meaning_of_node(feature.node) for feature in spec.features if feature.name == name]
    scan = meaning_of_scan(plan_scan(spec.source)) if spec.source else None
    return [found, scan, [part.input for part in spec.key], list(spec.key_columns), spec.refresh_us]
