"""The OpenAPI description of a running service."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serve.shop import Served


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    """The description."""
    return served.client.get("/openapi.json").json()


def test_every_call_is_described(document: dict[str, Any]) -> None:
    """There is a path for every feature set, every source and every health route."""
    assert set(document["paths"]) == {
        "/healthz",
        "/metrics",
        "/readyz",
        "/v1/events/Click",
        "/v1/events/Note",
        "/v1/lookup/clicks",
        "/v1/lookup/everything",
        "/v1/lookup/lately",
    }
    assert "seconds on all pages" in document["paths"]["/v1/lookup/clicks"]["post"]["description"]


def test_every_reference_is_defined(document: dict[str, Any]) -> None:
    """What a schema refers to is among the components."""

    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(each) for each in node.values()))
        return set().union(*(references(each) for each in node)) if isinstance(node, list) else set()

    defined = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= defined


def test_the_examples_can_be_sent(served: Served, document: dict[str, Any]) -> None:
    """Each example of a lookup is answered with 200 as it stands."""
    for path, operations in document["paths"].items():
        if path.startswith("/v1/lookup/"):
            examples = operations["post"]["requestBody"]["content"]["application/json"]["examples"]
            for example in examples.values():
                reply = served.client.post(path, json=example["value"])
                assert reply.status_code == 200, reply.text


def test_the_docs_are_served(served: Served) -> None:
    """A browser finds the description under /docs."""
    reply = served.client.get("/docs")
    assert reply.status_code == 200
    assert "/openapi.json" in reply.text
