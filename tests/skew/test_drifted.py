"""A training set in a file beside what was served."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureStore, FeatureView, Source, rows
from featurestore.errors import InputError, MissingColumn
from featurestore.skew.drifted import trained_values
from tests.skew.bakery import GUESTS, Bakery, open_bakery

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bakery]:
    """A bakery with a training set of today's questions, and much that was served."""
    found = open_bakery(tmp_path_factory.mktemp("bakery"))
    random, now = Random(5), datetime.now(UTC)
    instants = [now - timedelta(seconds=random.random()) for _ in range(500)]
    spine = pa.table(
        {
            "guest": [random.randrange(GUESTS + 2) for _ in range(500)],
            "value": [float(random.randrange(50)) for _ in range(500)],
            "as_of": pa.array(instants, pa.timestamp("us", "UTC")),
        }
    )
    found.store.dataset("till", spine, as_of="as_of", statuses=True).write(found.folder / "train.parquet")
    found.store.dataset("till", spine, as_of="as_of").write(found.folder / "plain.parquet")
    found.serve(40)
    yield found
    found.store.close()


@pytest.mark.parametrize("name", ["train.parquet", "plain.parquet"])
def test_what_was_served_like_the_training_set_does_not_alarm(bakery: Bakery, name: str) -> None:
    """The same questions asked of the same state are the same distribution, with statuses and without."""
    report = bakery.store.drift("till", name)
    assert (report.training_rows, report.served_rows) == (500, 400)
    assert [each.name for each in report.features if each.alarms] == []


def test_keys_that_are_no_longer_found_alarm(bakery: Bakery) -> None:
    """Lookups of keys that nobody knows show as a share of not_found, and as fewer values."""
    since = datetime.now(UTC)
    strangers = [{"guest": 1_000 + guest, "value": 1.0} for guest in range(300)]
    bakery.store.lookup("till", strangers)
    report = bakery.store.drift("till", "train.parquet", since=since)
    spent = next(each for each in report.features if each.name == "taste__spent_7d")
    assert "not_found_share" in {each.measure for each in spent.alarms}


@pytest.mark.parametrize(
    ("guests", "said"),
    [
        ([1_001 + each for each in range(14)], "14 served rows are too few for an alarm: it takes 30"),
        ([1_001, 1_002] * 100, "Taste: the 200 served rows have 2 different keys, too few for an alarm: it takes 16"),
    ],
    ids=["few rows", "few keys"],
)
def test_few_rows_or_keys_support_no_alarm(bakery: Bakery, guests: list[int], said: str) -> None:
    """Unknown guests differ from the training set in every feature, and still nothing alarms where the rows are few or
    their keys are: that is said, and these features count as not tested."""
    since = datetime.now(UTC)
    bakery.store.lookup("till", [{"guest": guest, "value": 1.0} for guest in guests])
    report = bakery.store.drift("till", "train.parquet", since=since)
    assert f"note: {said}" in str(report).splitlines() and said in report.to_json()["notes"]
    taste = [each for each in report.features if each.name.startswith("taste__")]
    assert taste and not any(each.tested or each.alarms for each in taste)
    assert all(one.adjusted is None for each in taste for one in each.measures)


def test_many_rows_of_a_key_are_noted(bakery: Bakery) -> None:
    """Where keys repeat, a note says that chance explains more."""
    since = datetime.now(UTC)
    bakery.store.lookup("till", [{"guest": place % 40, "value": 1.0} for place in range(240)])
    report = bakery.store.drift("till", "train.parquet", since=since)
    assert all(each.tested for each in report.features)
    assert any("rows of one key are not independent" in note for note in report.notes)


def test_a_file_that_is_no_training_set_of_it_is_refused(bakery: Bakery, tmp_path: Path) -> None:
    """A missing file or column is told, and so is a period in which nothing was served."""
    with pytest.raises(InputError, match="there is no file"):
        bakery.store.drift("till", "nowhere.parquet")
    bakery.deliver("../other.parquet", bakery.orders(3))
    with pytest.raises(MissingColumn, match="taste__spent_1d"):
        bakery.store.drift("till", "other.parquet")
    with pytest.raises(InputError, match="nothing of `till` was served"):
        bakery.store.drift("till", "train.parquet", until="2020-01-01T00:00:00Z", since="2019-01-01T00:00:00Z")


def test_maps_of_a_training_set_are_read(tmp_path: Path) -> None:
    """Keys and values of a map are what the feature gives, whatever their types."""

    class Guest(Entity):
        guest: Column[int]

    class Meal(
        Source, data=pa.table({"guest": [1, 1], "dish": ["pie", "tea"], "big": [True, False], "at": [NOON] * 2})
    ):
        guest: Column[int]
        dish: Column[str]
        big: Column[bool]
        at: EventTime

    class Meals(FeatureView, entity=Guest, source=Meal):
        by_dish = rows(by=Meal.dish)
        last_by_size = Meal.at.max(by=Meal.big)

    meals = FeatureSet("meals", Meals)
    (tmp_path / "featurestore.toml").write_text("")
    with FeatureStore(tmp_path) as store:
        spine = [{"guest": each, "t": NOON + timedelta(days=1)} for each in (1, 2)]
        store.dataset(meals, spine, as_of="t", to=tmp_path / "train.parquet")
        table, _ = trained_values(store.plan(meals), tmp_path / "train.parquet")
    noon_us = int(NOON.timestamp()) * 1_000_000
    assert [dict(each) for each in table["meals__by_dish"].to_pylist()] == [{"pie": 1, "tea": 1}, {}]
    assert [dict(each) for each in table["meals__last_by_size"].to_pylist()] == [{False: noon_us, True: noon_us}, {}]
