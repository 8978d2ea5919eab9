"""One real server for all conformance tests of a process; each test has a project, a log and definitions of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from featurestore import FeatureStore
from featurestore.online.server import Server, open_server
from tests.conformance.roads import Roads


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that the projects of all tests share."""
    with open_server(tmp_path_factory.mktemp("conformance")) as opened:
        yield opened


@pytest.fixture
def roads(server: Server, tmp_path: Path) -> Iterator[Roads]:
    """Both roads of a new project, whose definitions the test writes itself. A busy machine is no wrong answer: lookups
    wait."""
    (tmp_path / "featurestore.toml").write_text(
        f'project = "{tmp_path.name}"\nredis = "{server.url}?socket_timeout=30"\n'
    )
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "nothing.py").write_text(
        "from featurestore import Column, Entity\n\n\nclass Nobody(Entity):\n    nobody: Column[int]\n"
    )
    with FeatureStore(tmp_path) as store:
        yield Roads(store)
