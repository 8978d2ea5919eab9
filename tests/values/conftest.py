"""One real server for all tests of values; each test has a project, a log and definitions of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from featurestore import FeatureStore
from featurestore.online.server import Server, open_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that the projects of all tests share."""
    with open_server(tmp_path_factory.mktemp("values")) as opened:
        yield opened


@pytest.fixture
def store(server: Server, tmp_path: Path) -> Iterator[FeatureStore]:
    """A new project whose definitions the test writes itself; lookups wait for a busy machine."""
    (tmp_path / "featurestore.toml").write_text(
        f'project = "{tmp_path.name}"\nredis = "{server.url}?socket_timeout=30"\n'
    )
    with FeatureStore(tmp_path) as opened:
        yield opened
