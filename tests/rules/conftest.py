"""A project of its own for each test of a rule, and both roads asked the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from featurestore import FeatureSet, FeatureStore
from featurestore.semantics.instants import datetime_of

Ask = Callable[[FeatureSet, dict[str, Any], Sequence[int]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose definitions the tests write beside it."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "featurestore.toml").write_text('project = "rules"\n')
    (folder / "definitions").mkdir()
    (folder / "definitions" / "nothing.py").write_text(
        "from featurestore import Column, Entity\n\n\nclass Nobody(Entity):\n    nobody: Column[int]\n"
    )
    return folder


@pytest.fixture(scope="module")
def store(root: Path) -> Iterator[FeatureStore]:
    """The project's store, with an embedded server."""
    with FeatureStore(root) as store:
        yield store


@pytest.fixture
def ask(store: FeatureStore) -> Ask:
    """A function that asks a training set and a lookup the same at some instants, and gives what both say."""

    def answers(feature_set: FeatureSet, inputs: dict[str, Any], instants_us: Sequence[int]) -> list[dict[str, Any]]:
        at = [datetime_of(at_us) for at_us in instants_us]
        spine = [{**inputs, "at": each} for each in at]
        table = store.dataset(feature_set, spine, as_of="at", statuses=True).to_arrow().to_pylist()
        train = [{name: row[name] for name in row if name not in spine[0]} for row in table]
        served = []
        for each in at:
            vectors = store.lookup(feature_set, inputs, as_of=each)
            statuses = {f"{name}__status": status for name, status in vectors.status[0].items()}
            served.append({**vectors.to_pylist()[0], **statuses})
        assert [dict(sorted(row.items())) for row in train] == [dict(sorted(row.items())) for row in served]
        return served

    return answers
