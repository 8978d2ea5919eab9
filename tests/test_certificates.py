"""Certificates in Python: who grants them, who takes them away, and what a training set says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import FeatureStore
from featurestore.config import read_config
from featurestore.errors import ConfigError, NotCertified
from featurestore.plan.certificates import standing
from featurestore.semantics.windows import Span
from tests import test_static
from tests.small_shop import NOON, Shop, opened, purchase

CELLS = 200


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop with purchases and a state."""
    with opened(tmp_path) as shop:
        yield shop


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[FeatureStore]:
    """A project with a static table."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "definitions" / "homes.py").write_text(test_static.DEFINITIONS)
    (tmp_path / "featurestore.toml").write_text("")
    pq.write_table(pa.table(test_static.ROWS), tmp_path / "data" / "a.parquet")
    with FeatureStore(tmp_path) as store:
        yield store


def spine(shop: Shop) -> list[dict[str, object]]:
    """A question with its instant."""
    return [shop.question(asked_at=NOON)]


def test_verify_certifies_the_version_that_training_and_serving_have(shop: Shop) -> None:
    """Without a certificate a training set has none, or is refused; after `verify` it carries what was compared."""
    store = shop.store
    assert store.dataset("checkout", spine(shop), as_of="asked_at").certificate is None
    with pytest.raises(NotCertified):
        store.dataset("checkout", spine(shop), as_of="asked_at", require_certificate=True)
    report = store.verify("checkout", cells=CELLS, seed=4)
    built = store.dataset("checkout", spine(shop), as_of="asked_at", require_certificate=True)
    held = built.certificate
    assert held is not None
    assert (held.version, held.cells, held.informative) == (built.version, report.cells, report.nonnull)
    assert (held.seed, held.legs) == (4, report.legs)
    assert store.lookup("checkout", shop.question()).version == held.version


def test_a_difference_takes_the_certificate_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `verify` that finds a planted fault leaves the version without one, and says how many cells differ."""
    store = shop.store
    store.verify("checkout", cells=CELLS)
    right = Span.start_us

    def a_day_long(self: Span, as_of_us: int) -> int | None:
        start = right(self, as_of_us)
        return None if start is None else start - 86_400_000_000

    monkeypatch.setattr(Span, "start_us", a_day_long)
    report = store.verify("checkout", cells=CELLS)
    assert report.differing
    found = standing(store.config.home, "checkout", report.version)
    assert found.certificate is None
    assert found.reason.startswith(f"`verify` found {report.differing} of {report.cells:,} cells differing, at ")


def test_a_skew_takes_it_away_only_when_something_is_wrong(shop: Shop) -> None:
    """A clean `skew` leaves a certificate as it is; one that finds a state which lost its keys takes it away."""
    store = shop.store
    version = store.verify("checkout", cells=CELLS).version
    store.ingest("Purchase", [purchase(3, datetime.now(UTC) - timedelta(minutes=1))])
    store.lookup("checkout", shop.question())
    clean = store.skew("checkout")
    assert (clean.compute_differing, clean.unexplained, clean.faulty) == (0, 0, ())
    assert standing(store.config.home, "checkout", version).certificate is not None
    client = store.online.writer
    for name in client.scan_iter("*:rows:*"):
        client.delete(name)
    store.lookup("checkout", shop.question())
    noted = store.config.home / "certificates" / "checkout" / f"{version}.skew.json"
    assert json.loads(noted.read_text())["cells"] == clean.cells
    lost = store.skew("checkout")
    assert json.loads(noted.read_text())["compute_differing"] == lost.compute_differing
    assert lost.compute_differing and lost.faulty == (version,)
    reason = standing(store.config.home, "checkout", version).reason
    assert reason.startswith(f"`skew` found {lost.compute_differing} compute differences and {lost.unexplained} unexpl")
    store.verify("checkout", cells=CELLS)
    assert standing(store.config.home, "checkout", version).certificate is not None


def test_r20_other_content_of_a_static_table_has_no_certificate(homes: FeatureStore) -> None:
    """The certificate is of the content that was verified: another row in the table, and there is none."""
    homes.materialize()
    homes.verify("homes", cells=CELLS)
    held = homes.dataset("homes", test_static.SPINE, as_of="at", require_certificate=True).certificate
    assert held is not None and held.version != held.plan_version == homes.plan("homes").version
    more = {"person": [9], "city": ["z"], "rent": [5.0]}
    pq.write_table(pa.table(more), homes.config.root / "data" / "b.parquet")
    assert homes.dataset("homes", test_static.SPINE, as_of="at").certificate is None
    with pytest.raises(NotCertified, match="of `homes` has no certificate"):
        homes.dataset("homes", test_static.SPINE, as_of="at", require_certificate=True)


def test_featurestore_toml_can_require_it(shop: Shop) -> None:
    """`require_certificate = true` in an environment holds there without being asked for; it is true or false."""
    root = shop.project("[environments.production]\nrequire_certificate = true\n")
    assert not read_config(root).require_certificate
    with FeatureStore(root, environment="production") as store, pytest.raises(NotCertified):
        store.dataset("checkout", spine(shop), as_of="asked_at")
    with pytest.raises(ConfigError, match="`require_certificate` must be true or false"):
        read_config(shop.project('require_certificate = "yes"\n'))
