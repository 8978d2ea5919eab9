"""The version of a meaning (R20): anything that can change a value changes it, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

from featurestore.define.view import ViewSpec
from featurestore.expr.nodes import (
    Aggregate,
    AsOf,
    Call,
    ColumnRef,
    Default,
    FeatureRef,
    Literal,
    Node,
    PythonCall,
    RequestRef,
    once,
)
from featurestore.expr.shapes import height_of
from featurestore.plan.nodes import FoldUse, Scan, digest
from featurestore.plan.scan import plan_scan
from featurestore.semantics.windows import Span
from featurestore.semantics.zones import tzdata_version

RULES = 3
"""Raised whenever a rule, kernel or rounding changes what a definition means."""
_AT_A_TIME: Final = 64
"""Nodes above one another that are written as one JSON value; part of what versions are made of."""


def meaning_of_scan(scan: Scan) -> list[object]:
    """A source without where its data is; all columns count, since R6 compares them."""
    columns = sorted(
        [each.name, each.stored, str(each.dtype), *([each.unit] if each.unit else [])] for each in scan.columns
    )
    return [scan.source, columns, scan.event_at, scan.known_at, scan.row_id, scan.order, scan.delay_us, scan.zone]


def state_id(
    scan: Scan, key: tuple[str, ...], inputs: tuple[Node, ...], filters: tuple[Node, ...], folds: tuple[FoldUse, ...]
) -> str:
    """The name under which a state is stored: readable, and different whenever its content would be."""
    parts = [[meaning_of_node(node) for node in nodes] for nodes in (inputs, filters)]
    uses = [[use.fold, use.input, use.filter, use.n, *_more(use)] for use in folds]
    meaning = digest([RULES, tzdata_version(), meaning_of_scan(scan), list(key), parts, uses])
    return f"{scan.source}.{'+'.join(key)}.{meaning}"


def _more(use: FoldUse) -> list[object]:
    """What few folds have, so that the others keep their names."""
    by: list[object] = [] if use.by is None else [use.by]
    return by if use.second is None else [*by, {"second": use.second}]


def view_version(spec: ViewSpec, scan: Scan | None) -> str:
    """The version of a view: its source, key and features, and whatever these refer to."""
    source = meaning_of_scan(scan) if scan else None
    key = [[str(part.column.dtype), column] for part, column in zip(spec.key, spec.key_columns, strict=True)]
    features = [
        [feature.name, meaning_of_node(feature.node)] for feature in sorted(spec.features, key=lambda each: each.name)
    ]
    return digest([RULES, tzdata_version(), source, key, features, spec.refresh_us])


def meaning_of_node(node: Node) -> list[object]:
    """An expression as JSON values; a reference stands for what it refers to, not for its name. Of a deep one, parts
    are digests."""
    parts: dict[Node, list[object]] = {}
    if height_of(node) >= _AT_A_TIME:
        for each in once(node):
            if each is not node and height_of(each) and height_of(each) % _AT_A_TIME == 0:
                parts[each] = ["digest", digest(_meaning(each, parts))]
    return _meaning(node, parts)


def _meaning(node: Node, parts: Mapping[Node, list[object]]) -> list[object]:
    if node in parts:
        return parts[node]
    match node:
        case Literal():
            return ["literal", str(node.dtype), node.value.hex() if isinstance(node.value, float) else node.value]
        case ColumnRef():
            return ["column", node.source, node.name, str(node.dtype)]
        case RequestRef():
            return ["request", node.name, str(node.dtype)]
        case AsOf():
            return ["as_of"]
        case FeatureRef():
            return _meaning_of_feature(node)
        case Call():
            return ["call", node.function, node.parameter, [_meaning(each, parts) for each in node.arguments]]
        case PythonCall():
            function, arguments = node.function, [_meaning(each, parts) for each in node.arguments]
            return ["python", function.name, function.digest, str(function.gives), arguments]
        case Aggregate():
            below = [_meaning(each, parts) if each else None for each in (node.input, node.where)]
            by = _meaning(node.by, parts) if node.by else None
            more: list[object] = [node.parameter, by] if node.parameter or node.by else []
            if node.second:
                more.append({"second": _meaning(node.second, parts)})
            return ["aggregate", node.function, node.source, _meaning_of_span(node.span), node.n, *below, *more]
        case Default():
            return ["default", _meaning(Literal(node.value, node.dtype), {}), _meaning(node.input, parts)]
        case _:
            assert_never(node)


def _meaning_of_feature(node: FeatureRef) -> list[object]:
    target: ViewSpec = node.target
    feature = next(each for each in target.features if each.name == node.name)
    return [
        "feature",
        meaning_of_scan(plan_scan(target.source)) if target.source else None,
        [part.input for part in target.key],
        list(target.key_columns),
        target.refresh_us,
        meaning_of_node(feature.node),
    ]


def _meaning_of_span(span: Span) -> list[object]:
    return [span.length_us, span.step_us, span.offset_us]
