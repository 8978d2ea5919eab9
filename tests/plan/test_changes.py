"""What has changed since a feature set was materialised, renames among it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Source, feature, rows
from featurestore.plan.build import plan_feature_set
from featurestore.plan.built import Built
from featurestore.plan.changes import Changes, Materialized, compare, meanings, remember, remembered
from featurestore.plan.nodes import Plan
from featurestore.plan.retention import Retention


class User(Entity):
    """Who."""

    user: Column[int]


class Sale(Source):
    """What."""

    user: Column[int]
    amount: Column[float]
    at: EventTime


def planned(name: str = "Sales", **features: Any) -> Plan:
    """The plan of a view with these features."""
    view: Any = type(name, (FeatureView,), {"__module__": __name__, **features}, entity=User, source=Sale)
    return plan_feature_set(FeatureSet("sold", view))


BEFORE = {"number": rows(over="7d"), "spent": Sale.amount.sum(over="7d")}


@pytest.mark.parametrize(
    ("name", "after", "changes"),
    [
        ("Sales", BEFORE, Changes()),
        ("Sales", BEFORE | {"spent": feature(BEFORE["spent"], doc="Money.", owner="shop")}, Changes()),
        ("Sales", BEFORE | {"more": Sale.amount.max()}, Changes(added=("sales__more",))),
        ("Sales", {"number": BEFORE["number"]}, Changes(removed=("sales__spent",))),
        ("Sales", BEFORE | {"spent": Sale.amount.sum(over="8d")}, Changes(changed=("sales__spent",))),
        (
            "Sales",
            {"number": BEFORE["number"], "revenue": BEFORE["spent"]},
            Changes(renamed=(("sales__spent", "sales__revenue"),)),
        ),
        (
            "Purchases",
            BEFORE,
            Changes(renamed=(("sales__number", "purchases__number"), ("sales__spent", "purchases__spent"))),
        ),
        (
            "Sales",
            {"number": BEFORE["spent"], "spent": BEFORE["number"]},
            Changes(changed=("sales__number", "sales__spent")),
        ),
    ],
)
def test_what_has_changed_is_named(name: str, after: dict[str, Any], changes: Changes) -> None:
    """A feature that is gone and a new one of the same meaning are one that was renamed; words change nothing."""
    assert compare(meanings(planned(**BEFORE)), meanings(planned(name, **after))) == changes


def test_what_was_materialised_is_remembered(tmp_path: Path) -> None:
    """What is kept is read again; what another version wrote, or nobody, is nothing."""
    assert remembered(tmp_path) is None
    plan = planned(**BEFORE)
    remember(tmp_path, [plan], {})  # none of its states was built
    assert remembered(tmp_path) == Materialized()
    built = {state.id: Built(retention=Retention(1, selections=(0, 2))) for state in plan.states}
    remember(tmp_path, [plan], built)
    assert remembered(tmp_path) == Materialized({"sold": meanings(plan)}, built, {"sold": plan.version})
    remember(tmp_path, [], {"Other.key.1": Built("content")}, partly=True)
    assert remembered(tmp_path) == Materialized(
        {"sold": meanings(plan)}, {**built, "Other.key.1": Built("content")}, {"sold": plan.version}
    )
    for text in ("", "{}", '{"format": 99, "feature_sets": {}}', "[1]"):
        (tmp_path / "materialized.json").write_text(text)
        assert remembered(tmp_path) is None
