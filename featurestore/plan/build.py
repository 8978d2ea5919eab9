"""Definitions to plan: the only reader of definitions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from featurestore.define.feature_set import FeatureSet
from featurestore.define.made import newest
from featurestore.define.view import ViewSpec
from featurestore.errors import DuplicateName, InvalidDefinition, TypeMismatch
from featurestore.expr.nodes import Aggregate, FeatureRef, Node, RequestRef, walk
from featurestore.plan.again import newer_view, newest_sources
from featurestore.plan.nodes import (
    Answer,
    FoldUse,
    Input,
    Output,
    Plan,
    PlannedFeature,
    Scan,
    State,
    View,
    digest,
)
from featurestore.plan.pruned import pruned_view
from featurestore.plan.scan import plan_scan
from featurestore.plan.version import state_id, view_version
from featurestore.semantics.aggregates import aggregate_row
from featurestore.semantics.folds import FOLDS

T = TypeVar("T")
MOST_FILTERS = 60
"""A row remembers which `where=` it passes as bits of one int64."""


def plan_feature_set(feature_set: FeatureSet) -> Plan:
    """The plan of a feature set, pruned to what its features need.

    Of a view or a source that was defined again, as the cell of a notebook is run again, the newest counts.
    Raises: DuplicateName  when two views or sources of one name and of different meaning meet in it.
            TypeMismatch   when one input would have two types.
    """
    wanted: dict[str, set[str]] = {}
    specs: dict[str, ViewSpec] = {}
    for reference in feature_set.features:
        _want(reference, wanted, specs, feature_set.name)
    specs = newest_sources(feature_set.name, specs)
    views = tuple(pruned_view(plan_view(specs[name]), wanted[name]) for name in _in_order(specs))
    inputs: dict[str, Input] = {}
    for view in views:
        for part in specs[view.name].key:
            _add_input(inputs, Input(part.input, part.column.dtype, True), f"the key of `{view.name}`")
        for feature in view.features:
            for node in walk(feature.node):
                if isinstance(node, RequestRef):
                    _add_input(inputs, Input(node.name, node.dtype, False), f"`{view.name}.{feature.name}`")
    outputs = tuple(
        Output(f"{snake_case(node.view)}__{node.name}", node.view, node.name, node.dtype)
        for node in feature_set.features
    )
    _refuse_twins(feature_set.name, "views", [view.name for view in views])
    _refuse_twins(feature_set.name, "sources", {view.state.scan.source for view in views if view.state})
    _refuse_twins(feature_set.name, "inputs", inputs)
    names = [output.name for output in outputs]
    _refuse_twins(feature_set.name, "features", [*names, *(f"{name}__status" for name in names)])
    versions = {view.name: view.version for view in views}
    roles = {view.name: list(view.inputs) for view in views}
    version = digest([[output.name, versions[output.view], roles[output.view]] for output in outputs])
    return Plan(feature_set.name, tuple(inputs.values()), views, outputs, version)


def _refuse_twins(feature_set: str, kind: str, names: Iterable[str]) -> None:
    """Refuse names that would be one name in a training set, where case does not count and a status has a column
    too."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise DuplicateName(
                f"two {kind} of the feature set `{feature_set}` would be called `{name.lower()}`",
                has="names that differ only in case are one, and `<feature>__status` is taken",
                fix="rename one",
            )
        seen.add(name.lower())


def plan_view(spec: ViewSpec) -> View:
    """The plan of one view with all its features. Its state does not depend on which of them are asked for."""
    scan = plan_scan(spec.source) if spec.source else None
    aggregates = list(
        dict.fromkeys(node for feature in spec.features for node in walk(feature.node) if isinstance(node, Aggregate))
    )
    state, folds = _state(scan, spec.key_columns, aggregates) if scan else (None, {})
    return View(
        name=spec.name,
        state=state,
        inputs=tuple(part.input for part in spec.key),
        answers=tuple(Answer(node, folds[node]) for node in aggregates),
        features=tuple(PlannedFeature(each.name, each.node, each.doc, each.drift) for each in spec.features),
        version=view_version(spec, scan),
        refresh_us=spec.refresh_us,
    )


def snake_case(name: str) -> str:
    """`PlaneHistory` as `plane_history`.

    >>> snake_case("PlaneHistory"), snake_case("HTTPLog7d")
    ('plane_history', 'http_log7d')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _state(scan: Scan, key: tuple[str, ...], aggregates: list[Aggregate]) -> tuple[State, dict[Aggregate, int]]:
    """One state for all aggregates of a view: windows and aggregates that can share a fold do."""
    inputs: list[Node] = []
    filters: list[Node] = []
    folds: list[FoldUse] = []
    places = {}
    for node in aggregates:
        row = aggregate_row(node.function, node.input.dtype if node.input else None)
        assert row is not None, "an aggregate node was checked when it was made"
        place = None if node.input is None else _place(inputs, node.input)
        test = None if node.where is None else _place(filters, node.where)
        n = node.input.dtype.length if node.input and FOLDS[row.fold].sql_elements else node.n
        by, second = (None if each is None else _place(inputs, each) for each in (node.by, node.second))
        use = FoldUse(row.fold, place, test, n, by, second)
        places[node] = _place(folds, use)
    if len(filters) > MOST_FILTERS:
        raise InvalidDefinition(
            f"a view over `{scan.source}` has {len(filters)} different conditions",
            has=f"at most {MOST_FILTERS}",
            fix="split the view in two",
        )
    parts = (tuple(inputs), tuple(filters), tuple(folds))
    return State(state_id(scan, key, *parts), scan, key, *parts), places


def _place(found: list[T], item: T) -> int:
    if item not in found:
        found.append(item)
    return found.index(item)


def _want(reference: FeatureRef, wanted: dict[str, set[str]], specs: dict[str, ViewSpec], set_name: str) -> None:
    """Collect a feature and all that it is derived from, dependencies first."""
    spec: ViewSpec = reference.target
    for other in (newest(spec), specs.get(spec.name, spec)):
        if other is not spec:
            names = wanted.setdefault(spec.name, set()) | {reference.name}
            spec = specs[spec.name] = newer_view(set_name, other, spec, names)
    feature = next(each for each in spec.features if each.name == reference.name)
    for node in walk(feature.node):
        if isinstance(node, FeatureRef):
            _want(node, wanted, specs, set_name)
    specs.setdefault(spec.name, spec)
    wanted.setdefault(spec.name, set()).add(reference.name)


def _in_order(specs: dict[str, ViewSpec]) -> Iterable[str]:
    """Views so that each stands after those it refers to; a view that two others need may have been met before its
    own needs."""
    done: list[str] = []

    def visit(name: str) -> None:
        for feature in specs[name].features:
            for node in walk(feature.node):
                if isinstance(node, FeatureRef) and node.view in specs and node.view not in done and node.view != name:
                    visit(node.view)
        if name not in done:
            done.append(name)

    for name in specs:
        visit(name)
    return done


def _add_input(inputs: dict[str, Input], new: Input, where: str) -> None:
    known = inputs.get(new.name)
    if known is not None and known.dtype != new.dtype:
        raise TypeMismatch(
            f"the input `{new.name}` would be {known.dtype} and {new.dtype}",
            where=where,
            fix="give it one type, or two names",
        )
    inputs[new.name] = Input(new.name, new.dtype, new.key or (known is not None and known.key))
