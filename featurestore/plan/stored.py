"""A plan as JSON and back, so that what an older version meant can be asked again. It is data: nothing in it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

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
    walk,
)
from featurestore.expr.shapes import Above, height_of
from featurestore.plan.nodes import (
    Answer,
    FoldUse,
    Input,
    Output,
    Plan,
    PlannedFeature,
    Scan,
    ScanColumn,
    State,
    View,
)
from featurestore.semantics.dtypes import DType
from featurestore.semantics.python_functions import Parameter, PythonFunction
from featurestore.semantics.windows import Span

FORMAT = 1
_KINDS: dict[str, Callable[..., Any]] = {
    kind.__name__: kind
    for kind in (
        *(Plan, View, State, Scan, ScanColumn, FoldUse, Answer, PlannedFeature, Input, Output),
        *(Aggregate, AsOf, Call, ColumnRef, Default, FeatureRef, Literal, PythonCall, RequestRef),
        *(DType, Span, Parameter, PythonFunction),
    )
}
_ELSEWHERE = {"data", "target", "python", "drift", "levels"}
"""What a node refers to and does not hold, or what changes no value: files, classes and functions of the definitions,
thresholds, and limits."""
_AT_A_TIME = 40
"""Nodes above one another that are written as one JSON value; deeper expressions are written in parts."""


def encode_plan(plan: Plan) -> str:
    """A plan as JSON text; floats by their bits."""
    parts: dict[Node, Any] = {}
    texts = []
    for node in once(*plan.expressions, *(answer.node for view in plan.views for answer in view.answers)):
        if height_of(node) and height_of(node) % _AT_A_TIME == 0 and node not in parts:
            texts.append(_encoded(node, parts))
            parts[node] = {"is": "part", "place": len(texts) - 1}
    kept = {"format": FORMAT, **({"parts": texts} if texts else {}), "plan": _encoded(plan, parts)}
    return json.dumps(kept, separators=(",", ":"))


def decode_plan(text: str, known: Iterable[Plan] = ()) -> Plan | None:
    """A plan that was encoded; None when another version of the product wrote it, or a row function in it is no longer
    what it was. Where its sources' data is, and its row functions, are taken from the plans that are known."""
    known = list(known)
    data = {state.scan.source: state.scan.data for plan in known for state in plan.states}
    nodes = [node for plan in known for view in plan.views for each in view.features for node in walk(each.node)]
    functions = {
        (node.function.name, node.function.digest): node.function.python
        for node in nodes
        if isinstance(node, PythonCall)
    }
    try:
        found: Any = json.loads(text)
        if found["format"] != FORMAT:
            return None
        parts: list[Any] = []
        for part in found.get("parts", ()):
            parts.append(_decoded(part, data, functions, parts))
        plan: Plan = _decoded(found["plan"], data, functions, parts)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return plan


def _encoded(value: Any, parts: Mapping[Node, Any]) -> Any:
    if isinstance(value, Above) and value in parts:
        return parts[value]  # type: ignore[index]  # a node
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.init and each.name not in _ELSEWHERE]
        kept = {name: _encoded(getattr(value, name), parts) for name in names}
        return {"is": type(value).__name__, **kept}
    if isinstance(value, tuple):
        return [_encoded(each, parts) for each in value]
    if isinstance(value, float):
        return {"is": "float", "hex": value.hex()}
    return value


def _decoded(
    value: Any, data: Mapping[str, Any], functions: Mapping[tuple[str, str], Any], parts: Sequence[Any]
) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(each, data, functions, parts) for each in value)
    if not isinstance(value, dict):
        return value
    held = dict(value)
    name = held.pop("is")
    if name == "float":
        return float.fromhex(held["hex"])
    if name == "part":
        return parts[held["place"]]
    given = {field: _decoded(each, data, functions, parts) for field, each in held.items()}
    if name == "Scan":
        given["data"] = data.get(given["source"])
    elif name == "FeatureRef":
        given["target"] = None  # a plan has the view itself
    elif name == "PythonFunction":
        given["python"] = functions[given["name"], given["digest"]]
    return _KINDS[name](**given)
