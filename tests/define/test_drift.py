"""Thresholds of drift are checked where they are written, travel with the feature, and change no version."""

from __future__ import annotations

from typing import Any

import pytest

from featurestore import Column, Drift, Entity, EventTime, FeatureSet, FeatureView, Source, feature, rows
from featurestore.errors import InvalidDefinition
from featurestore.plan.build import plan_feature_set
from featurestore.plan.nodes import Plan


class User(Entity):
    """Who."""

    user: Column[int]


class Sale(Source):
    """A sale."""

    user: Column[int]
    country: Column[str]
    amount: Column[float]
    at: EventTime


def planned(drift: Drift | None) -> Plan:
    """A plan of two features, of which one has these thresholds."""

    class Sales(FeatureView, entity=User, source=Sale):
        """Sales."""

        spent = feature(Sale.amount.sum(over="7d"), drift=drift)
        number = rows()

    return plan_feature_set(FeatureSet("sales", Sales))


def test_r20_thresholds_change_no_version() -> None:
    """An alarm is no value: with other thresholds the plan, its state and its version are what they were."""
    plain, strict = planned(None), planned(Drift(psi=0.01, ks=0.1))
    assert plain.version == strict.version
    assert plain == strict
    assert [each.drift for each in strict.views[0].features] == [Drift(psi=0.01, ks=0.1), None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"psi": -0.1},
        {"psi": "0.2"},
        {"psi": True},
        {"psi": float("nan")},
        {"wasserstein": float("inf")},
        {"ks": 1.5},
        {"js": 2},
        {"null_share": 5},
        {"new_categories": 1.01},
    ],
)
def test_what_is_no_threshold_is_refused(wrong: dict[str, Any]) -> None:
    """Negative numbers, texts, truths, NaN, infinity, and shares over 1, which were meant as percent."""
    with pytest.raises(InvalidDefinition, match="is no threshold") as refused:
        Drift(**wrong)
    assert refused.value.fix and refused.value.has and next(iter(wrong)) in refused.value.what


@pytest.mark.parametrize("good", [{"psi": 3}, {"ks": 1}, {"null_share": 0}, {"mean_shift": 2.5}, {"psi": None}])
def test_what_is_a_threshold_is_taken(good: dict[str, Any]) -> None:
    """Whole numbers are numbers, 0 asks for significance alone, and None for no alarm."""
    assert getattr(Drift(**good), next(iter(good))) == next(iter(good.values()))


def test_a_number_in_place_of_thresholds_is_refused() -> None:
    """The message says what to write."""
    wrong: Any = 0.1
    with pytest.raises(InvalidDefinition, match=r"`drift=0.1` is a float, not a `Drift`") as refused:
        feature(rows(), drift=wrong)
    assert refused.value.fix == "write `drift=Drift(psi=0.2)`, with the thresholds that are to differ"
    assert refused.value.where == "`rows()`"


@pytest.mark.parametrize("name", ["ks", "wasserstein"])
def test_thresholds_of_numbers_are_refused_for_texts(name: str) -> None:
    """A text has no order of size, so a threshold that would never be compared is refused where it is written."""
    with pytest.raises(InvalidDefinition, match=f"`Drift\\({name}=0.1\\)` is about numbers, and the feature is string"):
        feature(Sale.country.last(), drift=Drift(**{name: 0.1}))


def test_every_member_of_a_group_has_the_thresholds() -> None:
    """What is said of a group is said of each member."""
    group = feature(Sale.amount.sum(over=("1d", "7d")), drift=Drift(psi=0.3))
    assert [getattr(each, "drift", None) for each in group.members.values()] == [Drift(psi=0.3)] * 2
