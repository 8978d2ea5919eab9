"""An example tells the rows and the windows that decide its cell, also where many other rows lie nearer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurestore.skew.timeline import MOST_ROWS
from tests.skew.bakery import Bakery, open_bakery

DAY = timedelta(days=1)


@pytest.fixture
def bakery(tmp_path: Path) -> Iterator[Bakery]:
    """A bakery, open."""
    found = open_bakery(tmp_path)
    yield found
    found.store.close()


def test_the_row_that_decides_is_told_however_many_lie_nearer(bakery: Bakery) -> None:
    """A late row of six days ago is told beside a guest who has more orders since then than are told."""
    orders = [each | {"guest": 99} for each in bakery.orders(2 * MOST_ROWS, days=2)]
    bakery.store.ingest("Order", orders)
    bakery.store.lookup("till", [{"guest": 99, "value": 1.0}])
    (late,) = bakery.orders(1)
    at = datetime.now(UTC) - 6 * DAY
    bakery.store.ingest("Order", [late | {"guest": 99, "ordered_at": at, "known_at": at}])
    report = bakery.skew()
    (example,) = [each for each in report.examples if each.feature == "taste__orders"]
    assert len(example.rows) == MOST_ROWS
    (decisive,) = [row for row in example.rows if row.visible and not row.held]
    assert decisive.values["order"] == late["order"]


def test_an_example_has_the_windows_of_its_own_feature(bakery: Bakery) -> None:
    """Beside a view of windows of 1, 7 and 30 days, the sum of one day has one window, a day long."""
    bakery.serve()
    bakery.store.ingest("Order", bakery.orders(100, days=0.5))
    windows = {each.feature: each.windows for each in bakery.skew().examples}
    for feature, days in (("taste__spent_1d", 1), ("taste__spent_7d", 7), ("taste__last", 30)):
        ((start, end),) = windows[feature]
        assert start is not None
        assert datetime.fromisoformat(end) - datetime.fromisoformat(start) == days * DAY
    assert windows["at_till__against_usual"] == ()
