"""One real server for all parity tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from featurestore.online.server import connect, open_server


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A client of a server of its own."""
    with open_server(tmp_path_factory.mktemp("parity")) as server:
        client = connect(server.url, timeout_s=30)  # a busy machine is no wrong answer
        yield client
        client.close()
