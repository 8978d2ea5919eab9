"""What a service says of what it serves, and that its definitions have become old."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from featurestore.serve.registered import running_services
from tests.serve.shop import Served, environment, materialised, serving, write_project


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose files these tests edit."""
    return materialised(write_project(tmp_path_factory.mktemp("catalog") / "shop"))


def status(root: Path) -> dict[str, Any]:
    """What `featurestore status` says is served."""
    command = [sys.executable, "-m", "featurestore.cli", "-C", str(root), "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True, timeout=60)
    return json.loads(done.stdout)["served"]


def test_feature_sets_are_listed_over_http(served: Served) -> None:
    """A client finds the names, types, inputs and version of what it may ask for, and 404 for another name."""
    sets = {each["name"]: each for each in served.client.get("/v1/feature_sets").json()["feature_sets"]}
    assert list(sets) == ["clicks", "everything", "lately"]
    one = served.client.get("/v1/feature_sets/clicks").json()
    assert {name: one[name] for name in sets["clicks"]} == sets["clicks"]
    assert one["doc"] == "What a user has clicked."
    assert one["inputs"][0] == {"name": "user", "type": "int64", "key": True}
    reply = served.lookup([{"user": 7, "price": 1.0, "asked_at": "2024-02-01T12:00:00Z"}]).json()
    assert [each["name"] for each in one["features"]] == reply["names"]
    assert (one["version"], one["certificate"]["certified"]) == (reply["version"], False)
    assert {"name": "clicks__total", "type": "float64", "doc": "seconds on all pages"} in one["features"]
    unknown = served.client.get("/v1/feature_sets/click")
    assert (unknown.status_code, unknown.json()["fix"]) == (404, "write `clicks`")


def test_a_service_notices_that_its_definitions_are_old(shop: Path) -> None:
    """A file that is edited after the start is named by /readyz, which stays 200, and counted; a file that was only
    written again is not. `status` finds the service, its versions, and that it is old."""
    file = shop / "definitions" / "shop.py"
    with serving(shop) as served:
        file.write_text(file.read_text())
        assert served.client.get("/readyz").json()["definitions"] == {"newer": False}
        file.write_text(file.read_text() + "\n# a comment\n")
        (shop / "definitions" / "more.py").write_text('"""Nothing yet."""\n')
        ready = served.client.get("/readyz")
        assert (ready.status_code, ready.json()["definitions"]) == (
            200,
            {"newer": True, "changed": ["definitions/more.py", "definitions/shop.py"], "fix": "restart the service"},
        )
        deadline = time.monotonic() + 20
        while served.metric("featurestore_definitions_newer") != 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert served.metric("featurestore_definitions_newer") == 1
        [found] = status(shop)["services"]
        assert found["address"] == str(served.client.base_url) and found["definitions_newer"] is True
        assert found["feature_sets"] == served.client.get("/readyz").json()["feature_sets"]
    assert running_services(shop / ".featurestore") == []
