"""Feature sets: what a model is trained on and served with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featurestore.define.view import FeatureView
from featurestore.errors import DuplicateName, InvalidDefinition
from featurestore.expr.fluent import Expr, Group
from featurestore.expr.nodes import FeatureRef
from featurestore.expr.shapes import levels_of

Member = type[FeatureView] | Expr[Any] | Group[Any] | Mapping[Any, Expr[Any]]

_SHOWN = 8
"""Features that a feature set names when it is shown."""


class FeatureSet:
    """Views and single features under one name, in order: `FeatureSet("arrival_delay", PlaneHistory,
    DestWeather.visibility)`."""

    def __init__(self, name: str, *members: Member, doc: str = "") -> None:
        if not (isinstance(name, str) and name.isidentifier()):
            raise InvalidDefinition(
                f"{name!r:.60} is no name for a feature set", fix='write snake_case: FeatureSet("arrival_delay", ...)'
            )
        if not members:
            raise InvalidDefinition(f"the feature set `{name}` is empty", fix="give it views or features")
        self.name, self.doc = name, doc
        self.features: tuple[FeatureRef, ...] = tuple(node for member in members for node in _references(name, member))
        seen = set()
        for node in self.features:
            if node in seen:
                raise DuplicateName(
                    f"the feature set `{name}` lists `{node.view}.{node.name}` twice", fix="list it once"
                )
            seen.add(node)

    def __repr__(self) -> str:
        names = [f"{node.view}.{node.name}" for node in self.features]
        shown = ", ".join(names[:_SHOWN]) + (f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        return f"<FeatureSet {self.name}: {len(names)} features: {shown}>"


def _references(name: str, member: Member) -> list[FeatureRef]:
    if isinstance(member, type) and issubclass(member, FeatureView) and member is not FeatureView:
        return [
            FeatureRef(member.__name__, spec.name, spec.node.dtype, member.__spec__, levels_of(spec.node))
            for spec in member.__spec__.features
        ]
    if isinstance(member, (Group, Mapping)):
        members = member.members if isinstance(member, Group) else member
        return [reference for each in members.values() for reference in _references(name, each)]
    if isinstance(member, Expr) and isinstance(member.node, FeatureRef):
        return [member.node]
    raise InvalidDefinition(
        f"`{member!r:.60}` of the feature set `{name}` is neither a view nor a feature",
        fix="give a view (`PlaneHistory`) or a feature of one (`PlaneHistory.last_delay`)",
    )
