"""A plan for fewer features: what only the others need is left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from featurestore.expr.nodes import Aggregate, FeatureRef, walk
from featurestore.plan.nodes import Plan, View


def pruned(plan: Plan, names: Collection[str]) -> Plan:
    """The plan for the outputs of these names; states, inputs and version stay as they are."""
    outputs = tuple(output for output in plan.outputs if output.name in names)
    views = {view.name: view for view in plan.views}
    wanted: dict[str, set[str]] = {}
    todo = [(output.view, output.feature) for output in outputs]
    while todo:
        view, feature = todo.pop()
        if feature not in wanted.setdefault(view, set()):
            wanted[view].add(feature)
            node = next(each.node for each in views[view].features if each.name == feature)
            todo += [(each.view, each.name) for each in walk(node) if isinstance(each, FeatureRef)]
    kept = tuple(pruned_view(view, wanted[view.name]) for view in plan.views if view.name in wanted)
    return replace(plan, views=kept, outputs=outputs)


def pruned_view(view: View, wanted: Collection[str]) -> View:
    """The view with these features, and the aggregates that they need."""
    features = tuple(feature for feature in view.features if feature.name in wanted)
    needed = {node for feature in features for node in walk(feature.node) if isinstance(node, Aggregate)}
    answers = tuple(answer for answer in view.answers if answer.node in needed)
    return replace(view, answers=answers, features=features)
