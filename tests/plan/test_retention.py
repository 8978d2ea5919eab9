"""What a state keeps is said with its reasons, and decided by all views that read it."""

from __future__ import annotations

from typing import Any

import pytest

from featurestore import rows
from featurestore.plan.build import plan_view
from featurestore.plan.nodes import View
from featurestore.plan.retention import Retention, answers, kept_text, lacks, retention_of
from featurestore.semantics.instants import duration_us
from tests.strategies import make_source, make_view
from tests.strategies.sources import User

COLUMNS = ("user", "whole", "flag")
EVENT = make_source(row_id=int, order=None, columns=COLUMNS)
KNOWN = make_source(row_id=int, order=None, known="column", columns=COLUMNS)
STATIC = make_source(row_id=int, order=None, static=True, columns=COLUMNS)
DAY_US = duration_us("1d")


def planned(source: Any, refresh: str | None = None, **attributes: Any) -> View:
    """The plan of a view."""
    return plan_view(make_view("Kept", attributes, source=source, entity=User, refresh=refresh).__spec__)


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (planned(EVENT, n=rows(over="1d")), "the rows of 3d up to its newest"),
        (
            planned(EVENT, last=EVENT.whole.last(), n=rows(over="30d")),  # type: ignore[attr-defined]
            "the rows of 32d up to its newest, and those that `PingEventIdInt.whole.last()` may select",
        ),
        (
            planned(EVENT, total=EVENT.whole.sum(), last=EVENT.whole.last()),  # type: ignore[attr-defined]
            "all rows: `PingEventIdInt.whole.sum()` in Kept.total has no over= and counts every row. "
            "Give it over= to bound the state",
        ),
        (
            planned(KNOWN, last=KNOWN.whole.last(where=KNOWN.flag)),  # type: ignore[attr-defined]
            "all rows: `PingColumnIdInt.whole.last(where=PingColumnIdInt.flag)` in Kept.last has no over= and has a "
            "condition, and a row that passes it may come again, known earlier, and not pass it. "
            "Give it over= to bound the state",
        ),
        (planned(STATIC, last=STATIC.whole.last()), "all rows of a static table"),  # type: ignore[attr-defined]
    ],
    ids=["windows", "a selection", "a sum", "a condition and a KnownTime", "a static table"],
)
def test_r12_what_a_state_keeps_is_said_with_its_reasons(view: View, text: str) -> None:
    """Each aggregate that makes a state keep all rows is named with its feature."""
    assert view.state is not None
    assert kept_text(view.state, [view]) == text
    assert text.startswith("all rows") == (retention_of(view.state, [view]) is None)


def test_r12_all_views_on_a_state_decide_together() -> None:
    """The longest window, the longest refresh interval, and every selection."""
    short, long = planned(EVENT, n=rows(over="1d")), planned(EVENT, n=rows(over="7d"))
    assert short.state is not None and long.state is not None and short.state.id == long.state.id
    assert retention_of(short.state, [short, long]) == Retention(7 * DAY_US)
    last = planned(EVENT, "1h", n=EVENT.whole.last())  # type: ignore[attr-defined]
    assert last.state is not None
    assert retention_of(last.state, [last, short]) == Retention(0, duration_us("1h") - 1, (0,))


def test_r12_a_state_that_keeps_less_lacks_what_a_view_needs() -> None:
    """A longer window, a selection that was not kept, and all rows; a state with all rows lacks nothing."""
    last = EVENT.whole.last()  # type: ignore[attr-defined]
    view = planned(EVENT, last=last)
    assert answers(None, None) and not answers(Retention(0), None)
    assert lacks(None, view) is None
    assert lacks(Retention(7 * DAY_US, 0, (0,)), view) is None
    assert lacks(Retention(7 * DAY_US), view) == view.answers[0].node
    assert lacks(Retention(DAY_US), planned(EVENT, n=rows(over="2d"))) is not None
