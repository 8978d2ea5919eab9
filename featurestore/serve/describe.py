"""The service's OpenAPI description: a lookup for each feature set, an events call for each source, with examples."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from featurestore.define.feature_set import FeatureSet
from featurestore.define.source import Source
from featurestore.plan.nodes import Plan, Scan
from featurestore.semantics.dtypes import DType
from featurestore.semantics.examples import example_of
from featurestore.serve.problems import MEDIA_TYPE, Problem
from featurestore.serve.wire import MOST_QUESTIONS, EventsReply, LookupReply

Schema = dict[str, Any]
_SCALARS: dict[str, Schema] = {
    "bool": {"type": "boolean"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "timestamp": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}
_AS_OF: Schema = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "ISO 8601 with a zone: the instant that all values are as of; now when it is left out",
}
_REQUEST_ID: Schema = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "the request's name, which the reply and the serving log repeat; left out, one is made",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}
_LOOKUP_PROBLEMS = {
    400: "The body is not JSON with one meaning, or the request's name is none.",
    409: "The state can no longer answer as of that instant.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A question does not fit the feature set.",
    503: "The online store cannot answer rightly now, or a certificate is required and not there.",
}
_EVENTS_PROBLEMS = {
    400: "The body is not JSON with one meaning.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A row does not have the source's columns: nothing was taken.",
    503: "The online store cannot take rows now.",
}


def describe(
    document: Schema,
    sets: Iterable[tuple[FeatureSet, Plan]],
    sources: Iterable[tuple[type[Source], Scan]],
) -> Schema:
    """An OpenAPI document with the calls of these feature sets and sources added to it."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (LookupReply, EventsReply, Problem):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    for feature_set, plan in sets:
        document["paths"][f"/v1/lookup/{plan.name}"] = {"post": _lookup(feature_set, plan)}
    for source, scan in sources:
        if scan.event_at is not None:
            document["paths"][f"/v1/events/{scan.source}"] = {"post": _events(source, scan)}
    return document


def _lookup(feature_set: FeatureSet, plan: Plan) -> Schema:
    docs = {(view.name, feature.name): feature.doc for view in plan.views for feature in view.features}
    content = f", and the content of {' and '.join(plan.static_sources)}" if plan.static_sources else ""
    lines = []
    for output in plan.outputs:
        doc = docs[output.view, output.feature]
        lines.append(f"- `{output.name}` {output.dtype}{': ' + doc if doc else ''}")
    names = {given.name: given.dtype for given in plan.inputs}
    question = {name: example_of(dtype) for name, dtype in names.items()}
    columns = {
        name: [value, value] if not place or isinstance(value, list) else value
        for place, (name, value) in enumerate(question.items())
    }
    return {
        "tags": ["lookup"],
        "summary": f"The vectors of {plan.name}",
        "description": "\n".join(filter(None, [feature_set.doc, f"Version {plan.version}{content}.\n", *lines])),
        "operationId": f"lookup_{plan.name}",
        "parameters": [_REQUEST_ID],
        "requestBody": _body(
            {
                "type": "object",
                "required": ["inputs"],
                "additionalProperties": False,
                "properties": {
                    "inputs": {
                        "description": "questions, or columns in which a value without a list is the same for all",
                        "oneOf": [
                            {"type": "array", "maxItems": MOST_QUESTIONS, "items": _object(names)},
                            _object(names, lists=True),
                        ],
                    },
                    "as_of": _AS_OF,
                },
            },
            {
                "rows": {"summary": "one object for each question", "value": {"inputs": [question]}},
                "columns": {"summary": "columns", "value": {"inputs": columns}},
            },
        ),
        "responses": _responses("LookupReply", "The vectors, in the order of the questions.", _LOOKUP_PROBLEMS),
    }


def _events(source: type[Source], scan: Scan) -> Schema:
    names = {column.name: column.sent for column in scan.columns}
    counted = ", ".join(f"`{each.name}` in {each.unit} since 1970" for each in scan.columns if each.unit)
    row = {name: example_of(dtype) for name, dtype in names.items()}
    return {
        "tags": ["events"],
        "summary": f"Push rows of {scan.source}",
        "description": "\n\n".join(
            filter(
                None,
                [
                    inspect.cleandoc(source.__doc__ or ""),
                    f"Instants that are whole numbers: {counted}." if counted else "",
                    "A lookup that is sent after the reply sees the rows.",
                    "A row that is sent again changes nothing."
                    if scan.row_id
                    else "The source has no RowId, so a row that is sent again counts again.",
                ],
            )
        ),
        "operationId": f"events_{scan.source}",
        "requestBody": _body(
            {
                "type": "object",
                "required": ["rows"],
                "additionalProperties": False,
                "properties": {"rows": {"type": "array", "items": _object(names) | {"additionalProperties": False}}},
            },
            {"rows": {"summary": "one row", "value": {"rows": [row]}}},
        ),
        "responses": _responses("EventsReply", "What became of the rows.", _EVENTS_PROBLEMS),
    }


def _body(schema: Schema, examples: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _object(names: Mapping[str, DType], *, lists: bool = False) -> Schema:
    properties: Schema = {}
    for name, dtype in names.items():
        scalar = _nullable(dtype)
        many = {"type": "array", "items": scalar}
        # an array is a column: a list that is the same for all questions cannot be sent once
        one = {"type": "null"} if dtype.kind in ("list", "vector") else scalar
        properties[name] = {"anyOf": [one, many]} if lists else scalar
    return {"type": "object", "required": list(names), "properties": properties}


def _nullable(dtype: DType) -> Schema:
    if dtype.kind == "decimal":
        pattern = rf"^[+-]?[0-9]*(\.[0-9]{{0,{dtype.scale}}}0*)?$"
        return {"type": ["string", "integer", "null"], "pattern": pattern, "description": str(dtype)}
    if dtype.kind == "vector":
        items = _SCALARS["float64"]
        return {"type": ["array", "null"], "items": items, "minItems": dtype.length, "maxItems": dtype.length}
    if dtype.item is not None:
        return {"type": ["array", "null"], "items": _nullable(dtype.item)}
    schema = _SCALARS[dtype.kind]
    return schema | {"type": [schema["type"], "null"]}


def _responses(reply: str, says: str, problems: Mapping[int, str]) -> Schema:
    found: Schema = {
        "200": {
            "description": says,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{reply}"}}},
        }
    }
    for status, description in problems.items():
        found[str(status)] = {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return found
