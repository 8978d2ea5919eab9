"""Files of definitions that are edited while a process, such as a notebook, goes on."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from featurestore import FeatureSet, FeatureStore
from featurestore.errors import InvalidDefinition, UnknownFeature

SALES = '''"""What was sold."""
from datetime import UTC, datetime

import pyarrow as pa

from definitions.limits import LIMIT
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Source, rows

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class User(Entity):
    user: Column[int]


class Sale(Source, data=pa.table({"user": [1, 1, 1], "amount": [1, 2, 3], "at": [NOON] * 3})):
    user: Column[int]
    amount: Column[int]
    at: EventTime


class Sales(FeatureView, entity=User, source=Sale):
    large = rows(where=Sale.amount > LIMIT)


sold = FeatureSet("sold", Sales)
'''
SPINE = [{"user": 1, "t": datetime(2024, 5, 2, tzinfo=UTC)}]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two files, one of which imports the other."""
    (tmp_path / "featurestore.toml").write_text("")
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "sales.py").write_text(SALES)
    limit(tmp_path, 1)
    return tmp_path


def limit(project: Path, value: int) -> None:
    """Edit the file that the other imports, as fast as no person can."""
    (project / "definitions" / "limits.py").write_text(f"LIMIT = {value}\n")


def imported() -> ModuleType:
    """What an import gives at this moment."""
    return importlib.import_module("definitions.sales")


def answer(store: FeatureStore, feature_set: FeatureSet | str = "sold") -> object:
    """What the training set says of the one question."""
    return store.dataset(feature_set, SPINE, as_of="t").to_arrow().column(2)[0].as_py()


def test_a_store_that_is_opened_again_has_the_edited_definitions(project: Path) -> None:
    """Also where the file that was edited is one that others import; a store that is open keeps what it has."""
    first = FeatureStore(project)
    assert answer(first) == 2
    old = imported()
    limit(project, 2)
    assert answer(first) == 2
    second = FeatureStore(project)
    assert answer(second) == answer(second, old.sold) == 1
    assert answer(first) == answer(first, old.sold) == 2
    new = imported()
    assert new is not old and answer(second, new.sold) == 1
    with pytest.raises(UnknownFeature):
        (project / "definitions" / "sales.py").write_text(SALES.replace('"sold"', '"bought"'))
        answer(FeatureStore(project), new.sold)


def test_files_that_were_not_edited_are_not_imported_again(project: Path) -> None:
    """What a program imported stays the definition that its store has."""
    answer(FeatureStore(project))
    old = imported()
    (project / "definitions" / "more.py").write_text('"""Nothing yet."""\n')
    store = FeatureStore(project)
    assert store.definitions.feature_set("sold") is old.sold and imported() is old


def test_classes_of_an_edited_file_stand_for_those_of_today(project: Path) -> None:
    """Materializing a view or pushing to a source that was imported before does what it would do now."""
    assert answer(FeatureStore(project)) == 2
    old = imported()
    limit(project, 0)
    with FeatureStore(project) as store:
        store.materialize([old.Sales])
        assert store.lookup(old.sold, {"user": 1}).to_pylist() == [{"sales__large": 3}]
        assert store.quarantined(old.Sale).unusable_rows == 0


def test_a_feature_set_of_ones_own_over_an_edited_view_is_refused(project: Path) -> None:
    """It is made of what the view meant before; where the view means the same as ever, nothing is lost."""
    answer(FeatureStore(project))
    mine = FeatureSet("mine", imported().Sales.large)
    (project / "definitions" / "sales.py").write_text(SALES + "# a remark\n")
    assert answer(FeatureStore(project), mine) == 2
    limit(project, 2)
    with pytest.raises(InvalidDefinition, match="was edited since") as caught:
        answer(FeatureStore(project), mine)
    assert "sales.py" in str(caught.value.where) and caught.value.fix


def test_a_mistake_that_is_mended_is_forgotten(project: Path) -> None:
    """The error of a file is told once, where it is, until the file is mended."""
    (project / "definitions" / "limits.py").write_text("LIMIT = 1 +\n")
    with pytest.raises(InvalidDefinition, match="SyntaxError") as caught:
        answer(FeatureStore(project))
    assert str(caught.value.where).endswith("limits.py:1")
    limit(project, 1)
    assert answer(FeatureStore(project)) == 2
