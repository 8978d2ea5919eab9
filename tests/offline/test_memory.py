"""How much memory a training set may take, and in how many buckets it is built to keep within that."""

from __future__ import annotations

import duckdb
import pytest

from featurestore import FeatureStore
from featurestore.errors import InputError, OutOfMemory
from featurestore.offline.connection import connect
from featurestore.offline.memory import buckets_for, limit_bytes, memory_told
from featurestore.offline.spine import spine_of
from tests.offline.trips import spine_table


def test_buckets_are_as_many_as_the_limit_asks_for(store: FeatureStore) -> None:
    """What fits is built at once, and twice the rows or half the memory make more buckets."""
    plan, history, spine = (
        store.plan("trips"),
        store.history,
        spine_of(spine_table(), store.config.root, store.plan("trips"), "asked_at"),
    )
    assert buckets_for(plan, history, spine, limit_bytes("100MB")) == 1
    counts = [buckets_for(plan, history, spine, limit) for limit in (1_000_000, 500_000, 1_000)]
    assert 1 < counts[0] < counts[1] < counts[2] == 256
    within = store.dataset("trips", spine_table(), as_of="asked_at", memory_limit="100MB")
    assert "buckets" not in within.explain() and not list((store.config.home / "training").iterdir())


@pytest.mark.parametrize(("text", "size"), [("4GB", 4 * 10**9), ("1.5gib", 3 * 2**29), ("500 MB", 500 * 10**6)])
def test_a_limit_is_a_number_and_its_unit(text: str, size: int) -> None:
    """Limits are written as DuckDB has them."""
    assert limit_bytes(text) == size


@pytest.mark.parametrize("text", ["4", "GB", "-1GB", "4 bananas", "1MB", 4, "10%"])
def test_another_limit_is_refused(text: object) -> None:
    """What is no size, or so small that nothing can be done in it, is an error that shows how to write it."""
    with pytest.raises(InputError, match="is no limit of memory") as error:
        limit_bytes(text)
    assert "100MB or more" in str(error.value)


def test_too_little_memory_is_told() -> None:
    """What DuckDB cannot hold is an error that names the limit and says what to raise."""
    connection = connect([], memory_limit="100MB")
    with pytest.raises(OutOfMemory) as error, memory_told("100MB"):
        connection.execute("SELECT list(range ORDER BY -range) FROM range(20_000_000)").fetchall()
    assert error.value.where == "`memory_limit`, 100MB" and "raise `memory_limit`" in str(error.value.fix)
    with pytest.raises(OutOfMemory, match="memory_limit") as error, memory_told(None):
        raise duckdb.OutOfMemoryException("Out of Memory Error: no more")
    assert error.value.has == "no more"
    with pytest.raises(InputError, match="no room") as full, memory_told("100MB"):
        raise duckdb.IOException('IO Error: Could not write file "/work/rows": No space left on device')
    assert "make room" in str(full.value)
