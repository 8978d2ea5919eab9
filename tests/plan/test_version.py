"""R20: whatever can change a value changes the version, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from featurestore import (
    Column,
    Entity,
    EventTime,
    FeatureSet,
    FeatureView,
    KnownTime,
    Order,
    Parquet,
    RowId,
    Source,
    as_of,
    feature,
    last_at,
    rows,
)
from featurestore.plan.build import plan_feature_set
from featurestore.plan.nodes import Plan


def planned(
    *,
    known: bool = False,
    order: bool = False,
    row_id: bool = True,
    over: str = "7d",
    limit: float = 1.0,
    default: float = 0.0,
    data: Any = None,
    doc: str = "",
    delay: str | None = None,
    extra: bool = False,
    more: Any = None,
) -> Plan:
    """The plan of a small feature set, with one thing or another changed."""
    columns: dict[str, Any] = {"user_id": Column[int], "x": Column[float], "at": EventTime}
    columns |= {"known_at": KnownTime} if known else {}
    columns |= {"turn": Order[int]} if order else {}
    columns |= {"id": RowId[int]} if row_id else {"id": Column[int]}

    class User(Entity):
        user_id: Column[int]

    event: Any = type("Event", (Source,), {"__annotations__": columns, "__module__": __name__}, data=data, delay=delay)
    body = {
        "share": feature(rows(over=over, where=event.x > limit) / rows(over=over), default=default, doc=doc),
        "last": event.x.last(),
        "__doc__": doc,
        "__module__": __name__,
    }
    if extra:
        body["more"] = event.x.max()
    if more:
        body["more"] = more(event)
    view: Any = type("Events", (FeatureView,), body, entity=User, source=event)
    return plan_feature_set(FeatureSet("events", view.share, view.last))


@pytest.mark.parametrize(
    "change",
    [
        {"known": True},
        {"order": True},
        {"row_id": False},
        {"over": "8d"},
        {"limit": 2.0},
        {"default": 1.0},
        {"delay": "1us"},
    ],
)
def test_r20_what_changes_a_value_changes_the_version(change: dict[str, Any]) -> None:
    """Windows, conditions, defaults, times, identity and order are part of the meaning."""
    assert planned(**change).version != planned().version


@pytest.mark.parametrize("change", [{"data": Parquet("elsewhere/*.parquet")}, {"doc": "Other words."}])
def test_r20_what_changes_no_value_keeps_the_version(change: dict[str, Any]) -> None:
    """Paths and descriptions are no part of the meaning."""
    assert planned(**change).version == planned().version


def test_r20_parameters_and_categories_are_part_of_the_meaning() -> None:
    """Two shares of a quantile, two categories, and the instant of the question are different features."""
    made: list[Any] = [
        lambda event: event.x.quantile(0.5),
        lambda event: event.x.quantile(0.9),
        lambda event: event.x.sum(),
        lambda event: event.x.sum(by=event.user_id),
        lambda event: event.x.sum(by=event.user_id > 1),
        lambda event: as_of(),
        lambda event: event.at.last(),
        lambda event: last_at(),
        lambda event: event.x.last_at(),
    ]
    assert len({planned(more=more).version for more in made}) == len(made)
    assert planned(more=made[0]).views[0].state == planned(more=made[1]).views[0].state


def test_r20_the_version_is_the_same_in_every_process() -> None:
    """No address, order of a set or hash seed gets into it."""
    assert planned().version == planned().version == PINNED, "a new version of the rules must be meant: raise RULES"


def test_a_window_keeps_the_state() -> None:
    """A longer window is read from the same state, so it needs no other one to be kept."""
    assert planned(over="8d").views[0].state == planned().views[0].state
    assert planned(extra=True).views[0].state != planned().views[0].state


PINNED = "9a5aaea13dcb"
