"""R20: whatever can change a value changes the version, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
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


def derived(**change: Any) -> Plan:
    """The plan of a set that has only what another view makes of the small one's feature."""

    class User(Entity):
        user_id: Column[int]

    columns: dict[str, Any] = {"user_id": Column[int], "x": Column[float], "at": EventTime}
    columns |= {"turn": Order[int]} if change.pop("order", False) else {"turn": Column[int]}
    event: Any = type("Event", (Source,), {"__annotations__": columns, "__module__": __name__}, **change)

    class Events(FeatureView, entity=User, source=event):
        last = event.x.last()

    class Derived(FeatureView):
        more = Events.last + 1.0

    return plan_feature_set(FeatureSet("derived", Derived))


@pytest.mark.parametrize("change", [{"delay": "1h"}, {"zone": "Europe/Paris"}, {"order": True}], ids=str)
def test_r20_what_changes_a_source_changes_what_is_derived_from_it(change: dict[str, Any]) -> None:
    """A feature over another view's means what that view's source means, also where that view is not asked for."""
    assert derived(**change).version != derived().version == derived(data=Parquet("other.parquet")).version


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
        lambda event: event.x.quantile(0.5, interpolated=True),
        lambda event: event.x.max_by(event.at),
        lambda event: event.x.max_by(event.user_id),
        lambda event: event.x.min_by(event.user_id),
    ]
    assert len({planned(more=more).version for more in made}) == len(made)
    assert planned(more=made[0]).views[0].state == planned(more=made[1]).views[0].state


WIDE = """
from featurestore import *

PARTS = frozenset({"a", "b", "c", "dd", "eee"})

@row_function
def known(name: str) -> bool:
    return name in PARTS and name not in {"x", "y", "z"}

class User(Entity):
    user: Column[int]
    name: Column[str]

class Event(Source):
    user: Column[int]
    name: Column[str]
    x: Column[float]
    y: Column[float]
    at: EventTime

class Ask(Request):
    name: Column[str]
    x: Column[float]

class Events(FeatureView, entity=User, source=Event):
    turned = rows(where=-Event.x == Event.x)
    back = rows(where=Event.x == -Event.x)
    both = (Event.x * Event.y + Event.y * Event.x).sum(over=("1d", "7d"))
    chosen = rows(over="1d", where=Event.name.isin({"p", "q", "r"}) & (Event.x > Event.y) | (Event.y < -Event.x))
    by_name = Event.x.mean(over="1d", by=Event.name)

class Asked(FeatureView, request=Ask):
    listed = known(Ask.name)
    above = (Events.both["1d"] == Ask.x) | (Ask.x == Events.both["7d"])

plan = plan_feature_set(FeatureSet("wide", Events, Asked))
print(plan.version, [(view.version, view.state and view.state.id, view.answers) for view in plan.views], plan.inputs)
"""


def test_r20_no_order_of_a_set_gets_into_a_version(tmp_path: Path) -> None:
    """One definition, planned by processes whose hashes differ, is one plan: operands, states and answers in order."""
    script = tmp_path / "wide.py"
    script.write_text(f"from featurestore.plan.build import plan_feature_set\n{WIDE}")
    printed = set()
    for seed in ("0", "1", "20", "303"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1


def test_r20_the_version_is_the_same_in_every_process() -> None:
    """A version that changes without need would have everybody build anew."""
    assert planned().version == planned().version == PINNED, "a new version of the rules must be meant: raise RULES"


def test_a_window_keeps_the_state() -> None:
    """A longer window is read from the same state, so it needs no other one to be kept."""
    assert planned(over="8d").views[0].state == planned().views[0].state
    assert planned(extra=True).views[0].state != planned().views[0].state


PINNED = "c2a86bd94cfe"
