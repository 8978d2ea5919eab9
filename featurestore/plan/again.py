"""Definitions that were made again under the same name, as when the cell of a notebook is run again: the newest
replaces the others, unless something that refers to them means something else by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
    """The views, each over the newest definition of its source, which says where the rows are.

    Raises: DuplicateName  when two sources of one name differ in more than that.
    """
    newest: dict[str, type[Source]] = {}
    for spec in specs.values():
        if spec.source is None:
            continue
        known = newest.setdefault(spec.source.__name__, spec.source)
        if meaning_of_scan(plan_scan(known)) != meaning_of_scan(plan_scan(spec.source)):
            older, newer = sorted((known.__spec__, spec.source.__spec__), key=lambda each: each.made)
            raise DuplicateName(
                f"the feature set `{feature_set}` meets two different sources `{older.name}`",
                has=[f"the old one: {older.where or 'unknown'}", f"the new one: {newer.where or 'unknown'}"],
                fix="rename one; in a notebook, run the cells again of the views that use the old one",
            )
        if spec.source.__spec__.made > known.__spec__.made:
            newest[known.__name__] = spec.source
    return {
        name: spec if spec.source is None else replace(spec, source=newest[spec.source.__name__])
        for name, spec in specs.items()
    }


def _meaning(spec: ViewSpec, name: str) -> object:
    """All that a reference to a feature means."""
    found = [meaning_of_node(feature.node) for feature in spec.features if feature.name == name]
    scan = meaning_of_scan(plan_scan(spec.source)) if spec.source else None
    return [found, scan, [part.input for part in spec.key], list(spec.key_columns), spec.refresh_us]
