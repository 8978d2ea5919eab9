"""Which states of some views have to be built: those that were never published, and those that keep too little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from featurestore.errors import UnknownFeature, did_you_mean
from featurestore.plan.nodes import Plan, State, View
from featurestore.plan.retention import Retention, lacks


@dataclass(frozen=True, slots=True)
class Built:
    """A state as it was published: the content of a static source (R20), and what it can answer; None when it keeps all
    rows (R12)."""

    content: str = ""
    retention: Retention | None = None


def to_be_built(views: Iterable[View], built: Mapping[str, Built]) -> dict[str, State]:
    """The states that lack, by id, or that do not keep what these views need."""
    found: dict[str, State] = {}
    for view in views:
        if view.state is not None:
            known = built.get(view.state.id)
            if known is None or lacks(known.retention, view):
                found[view.state.id] = view.state
    return found


def states_named(names: Sequence[str], views: Sequence[View], plans: Sequence[Plan]) -> list[State]:
    """The states of feature sets, views, sources, and of state ids, whole or without their hash, as
    `Arrival.tailnum`.

    Raises: UnknownFeature  naming the first name that is none of these.
    """
    found: dict[str, State] = {}
    sets = {plan.name: plan.states for plan in plans}
    named = {view.name: view.state for view in views if view.state}
    every = {state.id: state for state in named.values()}
    for name in names:
        if name in sets:
            states = list(sets[name])
        elif name in named:
            states = [named[name]]
        else:
            states = [state for state in every.values() if state.id == name or state.id.startswith(f"{name}.")]
            if not states:
                known = [*sets, *named, *dict.fromkeys(state.scan.source for state in every.values()), *every]
                raise UnknownFeature(
                    f"`{name}` names no state",
                    has=known,
                    fix=did_you_mean(
                        name, known, "name a feature set, a view, a source or a state of `featurestore plan`"
                    ),
                )
        found |= {state.id: state for state in states}
    return list(found.values())
