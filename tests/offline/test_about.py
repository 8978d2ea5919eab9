"""What a training set's file says of itself: whatever is needed to know it again, and the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import InputError
from featurestore.offline.about import PREFIX, about_file
from featurestore.offline.bounded import Bounds
from featurestore.offline.dataset import build_dataset
from featurestore.plan.certificates import Certificate, now, product_version
from featurestore.store import FeatureStore
from tests.offline.trips import spine_table


def footless(path: Path) -> bytes:
    """The bytes of a file's row groups, without the footer that follows them."""
    data = path.read_bytes()
    return data[: len(data) - 8 - int.from_bytes(data[-8:-4], "little")]


def test_a_file_says_what_it_is(store: FeatureStore) -> None:
    """Version, names, types, the column of instants, the spine, the certificate and the versions of product and engines
    are in the schema's metadata under one prefix, and the row groups are those of a file without it."""
    root, plan = store.config.root, store.plan("trips")
    spine_file = root / "asked.parquet"
    pq.write_table(spine_table(), spine_file)
    dataset = store.dataset("trips", spine_file, as_of="asked_at", statuses=True, to=root / "train.parquet")
    about = about_file(root / "train.parquet")
    assert about == {name.removeprefix(PREFIX): value for name, value in about_of_texts(dataset.about).items()}
    assert about["feature_set"] == "trips"
    assert (about["version"], about["definitions_version"]) == (dataset.version, plan.version)
    assert [each["name"] for each in about["features"]] == [each.name for each in plan.outputs]
    assert about["spine"] == {"given": "asked.parquet", "limit": None}
    assert (about["as_of"], about["statuses"], about["certificate"]) == ("asked_at", True, None)
    assert about["product"].startswith("featurestore ") and set(about["engines"]) == {"duckdb", "pyarrow", "tzdata"}
    held = pq.read_schema(root / "train.parquet").metadata or {}
    assert {name for name in held if name.startswith(PREFIX.encode())} == {name.encode() for name in dataset.about}
    bare = store.dataset("trips", spine_file, as_of="asked_at", statuses=True)
    bare.about.clear()
    assert footless(bare.write(root / "bare.parquet")) == footless(root / "train.parquet")


def about_of_texts(about: dict[str, str]) -> dict[str, object]:
    """Metadata with its JSON read."""
    found: dict[str, object] = {}
    for name, text in about.items():
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found[name] = value if isinstance(value, (dict, list, bool)) or value is None else text
    return found


def test_the_same_training_set_has_the_same_bytes(store: FeatureStore) -> None:
    """Built again, written from memory, or in buckets: the same bytes, with a certificate whose time is not in them."""
    root, found = store.config.root, []
    for number, buckets in enumerate((None, None, 3)):
        held = Certificate(
            "trips", "v", "v", 100, 50, ("ingest",), 7, f"{now()} {number}", product_version(), "duckdb 1"
        )
        bounds = None if buckets is None else Bounds("1GB", store.config.home, buckets)
        dataset = build_dataset(
            store.plan("trips"),
            spine_table(),
            "asked_at",
            store.history,
            to=root / f"{number}.parquet",
            bounds=bounds,
            certify=lambda _, held=held: held,
        )
        found.append((root / f"{number}.parquet").read_bytes())
        found.append(dataset.write(root / "again.parquet").read_bytes())
    assert len(set(found)) == 1
    certificate = about_file(root / "2.parquet")["certificate"]
    assert certificate["cells"] == 100 and "verified_at" not in certificate
    assert about_file(root / "2.parquet")["spine"]["given"] == "a pyarrow Table in memory"


def test_a_file_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    """Another system's Parquet file, and what is none, are refused with what there is."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="does not say what it is"):
        about_file(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(InputError, match="cannot be read"):
        about_file(tmp_path / "text.parquet")
