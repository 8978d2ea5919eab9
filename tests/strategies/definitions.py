"""Definitions: view classes with drawn aggregates, derived features, defaults, groups and references to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from types import new_class
from typing import Any

from hypothesis import strategies as st

from featurestore import Feature, FeatureView, Request, Source, feature
from featurestore.define.entity import EntityUse
from featurestore.expr.fluent import Expr, Group
from featurestore.expr.nodes import Aggregate, AsOf, FeatureRef, Literal, Node, RequestRef, walk
from featurestore.semantics.aggregates import DECAYED
from featurestore.semantics.dtypes import DType, python_value
from featurestore.semantics.instants import duration_us
from tests.strategies.expressions import SIGNATURES, aggregates, draw_call, draw_span, reachable
from tests.strategies.row_functions import draw_row_call
from tests.strategies.sources import ENTITIES, ROLES, SOURCES, Ask
from tests.strategies.values import WINDOWS, pick, values

View = type[FeatureView]
_ASKED: tuple[Node, ...] = tuple(RequestRef(Ask.__name__, spec.name, spec.dtype) for spec in Ask.__columns__)


def make_view(name: str, attributes: dict[str, Any], **options: Any) -> View:
    """A view class, as an author's `class name(FeatureView, ...)` would make it."""
    return new_class(name, (FeatureView,), options, lambda body: body.update(attributes, __module__=__name__))


@st.composite
def features(draw: st.DrawFn, source: type[Source] | None, offered: Sequence[Node], size: int = 3) -> dict[str, Any]:
    """The attributes of a view: aggregates of `source`, and what is derived from these and from `offered`."""
    own: list[Aggregate] = []
    if source is not None:
        own = draw(st.lists(aggregates(source), min_size=1, max_size=size, unique=True))
    nodes: list[Node] = [*own, *offered, AsOf()]

    def leaves(dtype: DType) -> Sequence[Node]:
        return [node for node in nodes if node.dtype == dtype]

    possible = [place for place, found in SIGNATURES.items() if any(reachable(leaves, given) for given, _ in found)]
    derived: list[Node] = []
    for _ in range(draw(st.integers(0 if own else 1, size))):
        called = draw_row_call(draw, leaves) if pick(draw, (False,) * 3 + (True,)) else None
        node = called or draw_call(draw, leaves, pick(draw, possible))
        if not any(isinstance(each, (Aggregate, RequestRef, FeatureRef, AsOf)) for each in walk(node)) and nodes:
            node = pick(draw, nodes)
        derived.append(node)
    written: dict[str, Any] = {}
    for place, node in enumerate([*own, *derived]):
        written[f"{'own' if place < len(own) else 'derived'}_{place}"] = _draw_said(draw, node)
    if own and own[0].function not in DECAYED and source is not None and pick(draw, (False, False, True)):
        written["group"] = _draw_group(draw, source, own[0])
    return written


@st.composite
def feature_views(
    draw: st.DrawFn,
    name: str,
    source: type[Source] | None = None,
    entity: EntityUse | None = None,
    others: Sequence[View] = (),
    request: type[Request] | None = None,
) -> View:
    """A view of that name; its derived features may refer to those of `others`, and to `request`."""
    refresh = pick(draw, (None, None, None, *WINDOWS)) if source is not None else None
    refresh_us = 1 if refresh is None else duration_us(refresh)
    refs = [
        FeatureRef(view.__name__, spec.name, spec.node.dtype, view.__spec__)
        for view in others
        for spec in view.__spec__.features
        if view.__spec__.refresh_us == refresh_us or refresh is None
    ]
    attributes = draw(features(source, [*refs, *(_ASKED if request else ())]))
    options: dict[str, Any] = {"request": request} if request else {}
    if source is not None:
        assert entity is not None
        options |= {"source": source, "entity": entity, "refresh": refresh}
    return make_view(name, attributes, **options)


@st.composite
def definitions(draw: st.DrawFn) -> tuple[View, ...]:
    """Views that belong together, those referred to first: a view, a second one, a role of the first, a derived one."""
    source = pick(draw, SOURCES)
    place = draw(st.integers(0, len(ENTITIES) - 1))
    first = draw(feature_views("FirstView", source, ENTITIES[place]))
    views: list[View] = [first]
    if place < len(ROLES) and draw(st.booleans()):
        views.append(
            new_class("RoleView", (first,), {"entity": ROLES[place]}, lambda body: body.update(__module__=__name__))
        )
    if draw(st.booleans()):
        other = pick(draw, (source, pick(draw, SOURCES)))
        asked = Ask if draw(st.booleans()) else None
        views.append(draw(feature_views("SecondView", other, pick(draw, ENTITIES), views, asked)))
    if draw(st.booleans()):
        views.append(draw(feature_views("DerivedView", others=views, request=Ask)))
    return tuple(views)


def input_types(views: Sequence[View]) -> dict[str, DType]:
    """What a question to these views carries: keys and request columns, by input name."""
    found = {part.input: part.column.dtype for view in views for part in view.__spec__.key}
    nodes = [node for view in views for spec in view.__spec__.features for node in walk(spec.node)]
    return found | {node.name: node.dtype for node in nodes if isinstance(node, RequestRef)}


def _draw_said(draw: st.DrawFn, node: Node) -> Expr[Any] | Feature[Any]:
    """The bare expression, or one with a default."""
    expr: Expr[Any] = Expr(node)
    if isinstance(node, Literal) or node.dtype.kind == "map" or pick(draw, (True, True, False)):
        return expr
    return feature(expr, default=draw(_defaults(node.dtype)))


@cache
def _defaults(dtype: DType) -> st.SearchStrategy[Any]:
    finite = values(dtype).filter(lambda value: not isinstance(value, float) or math.isfinite(value))
    return finite.map(lambda value: python_value(value, dtype))


def _draw_group(draw: st.DrawFn, source: type[Source], node: Aggregate) -> Group[Any]:
    different = {draw_span(draw, source) for _ in range(pick(draw, (1, 2, 3)))}
    return Group({span.label: Expr(replace(node, span=span)) for span in sorted(different, key=str)})
