"""The OpenAPI description of a running service."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.serve.shop import Served
from tests.skew.browser import opened


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
        "/v1/feature_sets",
        "/v1/feature_sets/{feature_set}",
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


def test_the_docs_are_served_without_a_network(served: Served, tmp_path: Path) -> None:
    """/docs is one page that loads nothing; it says what the document says, and / leads to it."""
    reply = served.client.get("/docs")
    assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/html")
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|@import|url\(", reply.text)
    assert re.findall(r"href=\"([^\"]+)\"", reply.text) == ["openapi.json"]
    assert "seconds on all pages" in reply.text
    assert served.client.get("/", follow_redirects=True).text == reply.text


def test_the_docs_are_a_page_in_a_browser(served: Served, tmp_path: Path) -> None:
    """A real browser shows it and has nothing to complain of."""
    file = tmp_path / "docs.html"
    file.write_text(served.client.get("/docs").text, encoding="utf-8")
    shown = opened(file)
    assert shown.console == () and "POST /v1/lookup/clicks" in shown.dom


def test_the_commands_of_the_docs_can_be_copied(served: Served) -> None:
    """Each `curl` command names a route that takes what it sends: lookups answer 200."""
    commands = [unescape(each) for each in re.findall(r"<pre>(.*?)</pre>", served.client.get("/docs").text, re.DOTALL)]
    lookups = [each for each in commands if "/v1/lookup/" in each]
    assert len(lookups) == 6 and any("/healthz" in each for each in commands)
    for command in lookups:
        curl, silent, address, option, body = shlex.split(command)
        assert (curl, silent, option) == ("curl", "-s", "--json")
        reply = served.client.post(address.removeprefix("http://localhost:8000"), json=json.loads(body))
        assert reply.status_code == 200, reply.text
