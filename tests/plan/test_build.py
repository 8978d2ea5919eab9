"""Definitions become plans: inputs agree, states are shared where they can be, and only what is asked for is
planned."""

from __future__ import annotations

import pytest

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Request, Source, rows
from featurestore.errors import DuplicateName, TypeMismatch
from featurestore.plan.build import plan_feature_set


class Airport(Entity):
    """An airport."""

    code: Column[str]


class Report(Source):
    """A weather report."""

    code: Column[str]
    wind: Column[float]
    at: EventTime


class Flight(Request):
    """A flight."""

    origin: Column[str]
    dest: Column[str]


class Origin(FeatureView, entity=Airport(code=Flight.origin), source=Report):
    """Where it comes from."""

    wind = Report.wind.mean(over=("1h", "1d"))
    reports = rows(over="1d")


class Dest(Origin, entity=Airport(code=Flight.dest)):
    """Where it goes."""


class Both(FeatureView):
    """Both ends."""

    difference = Origin.wind["1h"] - Dest.wind["1h"]


def test_two_roles_of_a_view_share_one_state() -> None:
    """A subclass with another entity reads the same state for another key."""
    plan = plan_feature_set(FeatureSet("weather", Origin, Dest))
    assert len(plan.states) == 1
    assert [view.inputs for view in plan.views] == [("origin",), ("dest",)]


def test_windows_of_one_aggregate_share_one_fold() -> None:
    """Two windows of a mean are read from one fold."""
    (state,) = plan_feature_set(FeatureSet("weather", Origin)).states
    assert [use.fold for use in state.folds] == ["fraction", "rows"]


def test_only_what_is_asked_for_is_planned_and_the_state_stays_whole() -> None:
    """One feature brings the views it is derived from, with the aggregates it needs; their states do not depend on
    it."""
    plan = plan_feature_set(FeatureSet("weather", Both.difference))
    assert [view.name for view in plan.views] == ["Origin", "Dest", "Both"]
    assert [len(view.answers) for view in plan.views] == [1, 1, 0]
    assert [output.name for output in plan.outputs] == ["both__difference"]
    assert plan.states == plan_feature_set(FeatureSet("weather", Origin)).states


def test_an_input_of_two_types_is_refused() -> None:
    """Inputs of one name are one input."""

    class Wrong(Request):
        """The same name as another type."""

        origin: Column[int]

    class View(FeatureView, request=Wrong):
        """Reads it."""

        missing = Wrong.origin.is_null()

    with pytest.raises(TypeMismatch, match="`origin` would be string and int64"):
        plan_feature_set(FeatureSet("weather", Origin, View))


def test_two_views_of_one_name_are_refused() -> None:
    """In a notebook an old and a new view may meet in one feature set; the same view defined again is the same."""

    def view(over: str) -> type[FeatureView]:
        class Gusts(FeatureView, entity=Airport, source=Report):
            """Gusts."""

            wind = Report.wind.max(over=over)
            reports = rows(over=over)

        return Gusts

    with pytest.raises(DuplicateName, match="two different views `Gusts`"):
        plan_feature_set(FeatureSet("weather", view("1h").wind, view("2h").reports))  # type: ignore[attr-defined]
    assert plan_feature_set(FeatureSet("weather", view("1h").wind, view("1h").reports))  # type: ignore[attr-defined]
