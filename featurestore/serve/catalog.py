"""What a service answers for, as `GET /v1/feature_sets` says it: names, types, inputs and versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurestore.serve.service import Service


def feature_sets_json(service: Service) -> bytes:
    """Every feature set with its description, version and certificate."""
    return json.dumps({"feature_sets": [_head(service, name) for name in service.plans]}).encode()


def feature_set_json(service: Service, name: str) -> bytes:
    """One feature set: the inputs of a question, and the features in the order of the vector.

    Raises: UnknownFeature.
    """
    plan = service.plan(name)
    docs = {(view.name, feature.name): feature.doc for view in plan.views for feature in view.features}
    found = _head(service, plan.name) | {
        "inputs": [{"name": each.name, "type": str(each.dtype), "key": each.key} for each in plan.inputs],
        "features": [
            {"name": each.name, "type": str(each.dtype), "doc": docs[each.view, each.feature]} for each in plan.outputs
        ],
        "views": [{"name": view.name, "version": view.version, "inputs": list(view.inputs)} for view in plan.views],
    }
    return json.dumps(found).encode()


def _head(service: Service, name: str) -> dict[str, Any]:
    """`version` is that of the answers; null while the static tables in the state are not known (R20)."""
    return {
        "name": name,
        "doc": service.definitions.feature_sets[name].doc,
        "version": service.certified.version(name),
        "definitions_version": service.plans[name].version,
        "certificate": service.certified.told().get(name),
    }
