"""The service that the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.shop import Served, materialised, serving, write_project


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service over a materialised project; bodies may have two million bytes."""
    root = materialised(write_project(tmp_path_factory.mktemp("served")))
    with serving(root, max_body_bytes=2_000_000) as found:
        yield found
