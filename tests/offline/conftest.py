"""The project of trips, open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from featurestore import FeatureStore
from tests.offline.trips import push, write_project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """The project, with rows that were pushed."""
    with FeatureStore(write_project(tmp_path / "trips")) as opened:
        push(opened, 0, 60)
        yield opened
