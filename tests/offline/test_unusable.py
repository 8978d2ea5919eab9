"""A training set of data that are hardly what was meant says so: most rows unusable, none usable, odd questions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from featurestore import Column, Csv, Entity, EventTime, FeatureSet, FeatureStore, FeatureView, Source, rows
from featurestore.errors import InputError
from featurestore.offline.fits import fit_of
from featurestore.offline.scan import History
from featurestore.online.events import entered
from featurestore.plan.scan import plan_scan
from featurestore.semantics.dtypes import TIMESTAMP

DAY = datetime(2024, 2, 1, tzinfo=UTC)
GOOD, BAD, HALF = "1,2,2024-01-01T00:00:00Z\n", "1,2,31/12/2023\n", "1,2.5,2024-01-01T00:00:00Z\n"


def built(root: Path, cells: str, spine: list[dict[str, Any]], **options: Any) -> Any:
    """A training set over a CSV source with the columns k, v and at."""

    class User(Entity):
        k: Column[int]

    class Visit(Source, data=Csv("visits.csv")):
        k: Column[int]
        v: Column[int]
        at: EventTime

    class Visits(FeatureView, entity=User, source=Visit):
        n = rows()

    (root / "featurestore.toml").write_text('project = "t"\n')
    (root / "visits.csv").write_text(f"k,v,at\n{cells}")
    with FeatureStore(root) as store:
        return store.dataset(FeatureSet("visits", Visits), spine, as_of="t", **options)


@pytest.mark.parametrize("limit", [None, "200MB"])
def test_a_source_of_which_no_row_can_be_used_is_an_error(limit: str | None, tmp_path: Path) -> None:
    """Its features would be those of keys never seen; nothing is written."""
    with pytest.raises(InputError, match="no row of `Visit` can be used: at is no timestamp") as caught:
        built(tmp_path, BAD * 9, [{"k": 1, "t": DAY}], to=tmp_path / "train.parquet", memory_limit=limit)
    assert caught.value.where == "Csv('visits.csv')" and "featurestore quarantine Visit" in str(caught.value.fix)
    assert "9 rows" in str(caught.value.has) and not (tmp_path / "train.parquet").exists()


def test_more_than_half_of_the_rows_or_values_is_a_warning(tmp_path: Path) -> None:
    """It has the numbers and the reason; half of them is none."""
    with pytest.warns(UserWarning, match="2 of 3 rows cannot be used, 2 because at is no timestamp"):
        built(tmp_path, GOOD + BAD * 2, [{"k": 1, "t": DAY}])
    with pytest.warns(UserWarning, match=r"`Visit.v`: 2 of 3 values are none of its type and read as null"):
        built(tmp_path, GOOD + HALF * 2, [{"k": 1, "t": DAY}])
    assert built(tmp_path, (GOOD + BAD) * 2, [{"k": 1, "t": DAY}]).set_aside["Visit"].unusable == 2


@pytest.mark.parametrize("limit", [None, "200MB"])
def test_a_source_of_which_no_row_has_a_key_is_an_error(limit: str | None, tmp_path: Path) -> None:
    """Keys as pandas writes integers next to a null are none in a CSV file; most of them is a warning."""
    with pytest.raises(InputError, match=r"no row of `Visit` can be used in Visit\.k\.\w+: its key holds") as caught:
        built(tmp_path, GOOD.replace("1,2,", "1.0,2,") * 9, [{"k": 1, "t": DAY}], memory_limit=limit)
    assert caught.value.has == "9 rows, bad values of k"
    with pytest.warns(UserWarning, match=r"`Visit.k`: 2 of 3 values are none of its type"):
        built(tmp_path, GOOD + GOOD.replace("1,2,", "1.0,2,") * 2, [{"k": 1, "t": DAY}])


@pytest.mark.parametrize(("cells", "column"), [(GOOD + HALF * 2, "v"), (GOOD.replace("1,2,", "1.0,2,") * 3, "k")])
def test_a_look_at_the_data_finds_a_column_of_another_type(cells: str, column: str, tmp_path: Path) -> None:
    """What `plan --data` says: a column of which most values would be read as null is a mistake."""

    class Visit(Source, data=Csv("visits.csv")):
        k: Column[int]
        v: Column[int]
        at: EventTime

    (tmp_path / "visits.csv").write_text(f"k,v,at\n{cells}")
    [mistake] = fit_of(plan_scan(Visit), History(tmp_path)).mistakes
    assert mistake.what == f"most values of `Visit.{column}` are none of its type and would be read as null"


def test_questions_without_a_key_or_twice_are_noted(tmp_path: Path) -> None:
    """They are answered all the same, and the training set says how many there are."""
    spine = [{"k": 1, "t": DAY}, {"k": 1, "t": DAY}, {"k": None, "t": DAY}]
    found = built(tmp_path, GOOD, spine)
    assert found.to_arrow()["visits__n"].to_pylist() == [1, 1, 0]
    assert found.notes == (
        "1 of 3 rows of the spine have no `k`",
        "1 of 3 rows of the spine repeat another: the same inputs and instant",
    )
    assert built(tmp_path, GOOD, spine[:1]).notes == ()


def test_a_pushed_day_is_its_midnight_in_the_zone() -> None:
    """As it is in a file (R1)."""
    assert entered(date(2024, 7, 1), TIMESTAMP, "Europe/Rome") == entered("2024-07-01", TIMESTAMP, "Europe/Rome")
