"""Maps by category, from definition to table, vector and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from featurestore import FeatureStore, feature, rows
from featurestore.cli.serving import _reply
from featurestore.errors import TypeMismatch
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import ColumnRef
from featurestore.semantics.dtypes import STRING
from featurestore.serve.wire import lookup_json

AT = datetime.now(UTC) - timedelta(minutes=1)
DEFINITIONS = """
from datetime import date
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, RowId, Source, rows


class Customer(Entity):
    customer: Column[int]


class Bought(Source):
    bought: RowId[int]
    customer: Column[int]
    kind: Column[str]
    large: Column[bool]
    number: Column[int]
    amount: Column[float]
    day: Column[date]
    at: EventTime


class Maps(FeatureView, entity=Customer, source=Bought):
    by_kind = Bought.amount.sum(over="7d", by=Bought.kind)
    by_any_kind = Bought.amount.sum(over="7d", by=Bought.kind, null_category="?")
    by_number = Bought.number.max(over="7d", by=Bought.number)
    by_day = Bought.at.max(by=Bought.day)
    by_instant = Bought.day.min(over="7d", by=Bought.at)
    by_size = rows(over=("1d", "7d"), by=Bought.large)
    food = Bought.amount.sum(over="7d", by=Bought.kind).get("food")
    twice = by_kind.get("toys") * 2


maps = FeatureSet("maps", Maps)
"""
ROWS: list[dict[str, Any]] = [
    {
        "bought": 1,
        "customer": 1,
        "kind": "toys",
        "large": True,
        "number": 2**62,
        "amount": 1.5,
        "day": date(2024, 5, 1),
    },
    {"bought": 2, "customer": 1, "kind": "food", "large": False, "number": 3, "amount": None, "day": date(2024, 5, 2)},
    {"bought": 3, "customer": 1, "kind": "toys", "large": None, "number": None, "amount": 0.5, "day": None},
    {"bought": 4, "customer": 1, "kind": None, "large": True, "number": 3, "amount": 9.0, "day": date(2024, 5, 1)},
]
TIMES = [AT - timedelta(hours=hours) for hours in (1, 2, 30, 50)]
WANTED: dict[str, Any] = {
    "by_kind": {"food": None, "toys": 2.0},
    "by_any_kind": {"?": 9.0, "food": None, "toys": 2.0},
    "by_number": {3: 3, 2**62: 2**62},
    "by_day": {date(2024, 5, 1): TIMES[0], date(2024, 5, 2): TIMES[1]},
    "by_instant": {TIMES[3]: date(2024, 5, 1), TIMES[2]: None, TIMES[1]: date(2024, 5, 2), TIMES[0]: date(2024, 5, 1)},
    "by_size_1d": {False: 1, True: 1},
    "by_size_7d": {False: 1, True: 2},
    "food": None,
    "twice": 4.0,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A store with the rows."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "maps.py").write_text(DEFINITIONS)
    (tmp_path / "featurestore.toml").write_text("")
    with FeatureStore(tmp_path) as store:
        store.materialize()
        store.ingest("Bought", [row | {"at": at} for row, at in zip(ROWS, TIMES, strict=True)])
        yield store


def test_a_map_is_the_same_in_every_coat(store: FeatureStore) -> None:
    """A vector has dicts in the order of their keys; a training set has the same maps in Arrow, and dicts in pandas."""
    vectors = store.lookup("maps", {"customer": 1})
    train = store.dataset("maps", [{"customer": 1, "t": vectors.as_of}], as_of="t")
    found = {name.removeprefix("maps__"): value for name, value in vectors.to_pylist()[0].items()}
    assert found == WANTED
    assert all(list(value) == sorted(value) for value in found.values() if isinstance(value, dict))
    served = vectors.to_arrow()
    assert served == train.to_arrow().drop_columns(["customer", "t"])
    for frame in (vectors.to_pandas(), train.to_pandas()):
        assert {name: frame[f"maps__{name}"][0] for name in WANTED if "by" in name} == {
            name: value for name, value in WANTED.items() if "by" in name
        }


def test_a_key_without_rows_has_empty_maps(store: FeatureStore) -> None:
    """A map is never null, and its status says that nobody was there."""
    vectors = store.lookup("maps", {"customer": 2})
    [values], [statuses] = vectors.to_pylist(), vectors.status
    assert {name: value for name, value in values.items() if "by" in name} == {
        f"maps__{name}": {} for name in WANTED if "by" in name
    }
    assert set(statuses.values()) == {"not_found"}


def test_a_map_in_json_is_an_object_where_its_keys_are_texts(store: FeatureStore) -> None:
    """Other keys cannot be names in JSON: there it is a list of pairs, over HTTP and from the command line alike."""
    vectors = store.lookup("maps", {"customer": 1})
    [row] = json.loads(lookup_json(vectors))["rows"]
    said = dict(zip(WANTED, row["values"], strict=True))
    assert said["by_kind"] == {"food": None, "toys": 2.0}
    assert said["by_number"] == [[3, 3], [2**62, 2**62]]
    assert said["by_size_7d"] == [[False, 1], [True, 2]]
    assert [day for day, _ in said["by_day"]] == ["2024-05-01", "2024-05-02"]
    assert json.loads(json.dumps(_reply(vectors)["rows"])) == [row]


def test_a_map_takes_no_default() -> None:
    """It is never null, and a default for a category is `.get(...)` with one."""
    with pytest.raises(TypeMismatch, match="no map<string, int64>"):
        feature(rows(by=Expr(ColumnRef("S", "text", STRING))), default={})
